# Overdispersion: units differ more than chance alone explains, because case mix and circumstance differ too. Then
# ordinary funnel limits call almost everyone an outlier. Here the extra variation is estimated, and limits widened.
# Source throughout: Spiegelhalter DJ (2005) Handling over-dispersion of performance indicators, Qual Saf Health
# Care 14:347-351, and (2005) Funnel plots, Stat Med 24:1185-1202.
source("../lib/limits.R")

#' Standard scores of units on a scale where they are about normal
#'
#' | kind         | y                       | s (standard error)                          | target on that scale |
#' | proportion   | asin(sqrt(x/n))         | 1 / (2 sqrt(n))                             | asin(sqrt(target))   |
#' | ratio_log    | log(O/E)                | 1 / sqrt(E)                                 | log(target)          |
#' | ratio_sqrt   | sqrt(O/E)               | 1 / (2 sqrt(E))                             | sqrt(target)         |
#' | count_ratio  | log((x+.5)/(n+.5))      | sqrt(x/(x+.5)^2 + n/(n+.5)^2)               | log(target)          |
#' | rate         | sqrt(x/n)               | 1 / (2 sqrt(n))                             | sqrt(target)         |
#'
#' ratio_log is what the English SHMI does, ratio_sqrt the Care Quality Commission. Both are of O against E;
#' count_ratio is of two counts, neither known in advance.
#'
#' @param numerator    events (observed)
#' @param denominator  cases, exposure, or expected events
#' @param kind         see above
#' @param target       what the units are compared with; by default 1 for ratios, else all events / all cases
#' @return data frame: numerator, denominator, value, target, y, target_y, s, z.
#'   No events in ratio_log: y is taken at half an event, since log(0) is not a number.
#'   Of numerator and denominator a single number stands for every row.
#'   A denominator of 0 or NA: y, s, z are NA, and the unit counts nowhere.
standard_scores <- function(numerator, denominator,
                            kind = c("proportion", "ratio_log", "ratio_sqrt", "count_ratio", "rate"), target = NULL) {
  kind <- match.arg(kind)
  units <- check_units(numerator, denominator, kind, target)
  x <- units$numerator
  n <- units$denominator
  target <- units$target
  x[is.na(units$value)] <- n[is.na(units$value)] <- NA
  scale <- switch(kind, proportion = "arcsine", ratio_log = "log", count_ratio = "log", "sqrt")
  if (scale == "log" && any(target == 0, na.rm = TRUE)) {
    stop("no unit has an event: on the logarithmic scale there is no target to compare with", call. = FALSE)
  }
  shown <- if (kind == "ratio_log") pmax(x, 0.5) else x
  y <- if (kind == "count_ratio") log((x + 0.5) / (n + 0.5)) else to_scale(shown / n, scale)
  s <- switch(kind, ratio_log = 1 / sqrt(n), count_ratio = sqrt(x / (x + 0.5)^2 + n / (n + 0.5)^2), 1 / (2 * sqrt(n)))
  target_y <- to_scale(target, scale)
  data.frame(numerator = units$numerator, denominator = units$denominator, value = units$value, target = target, y = y,
             target_y = target_y, s = s, z = (y - target_y) / s)
}

#' Units with their value and target; a unit without a denominator has no value and no part in the target.
#' One number stands for every row. @param kind  any kind of proportion, ratio or rate; @param target  see check_target
check_units <- function(numerator, denominator, kind, target = NULL, multiplier = 1) {
  units <- check_rows(numerator = check_not_negative(numerator, "numerator"),
                      denominator = check_not_negative(denominator, "denominator"),
                      one = c("numerator", "denominator"))
  if (kind == "proportion") check_part_of(units$numerator, units$denominator)
  known <- !is.na(units$numerator) & !is.na(units$denominator) & units$denominator > 0
  units$value <- ifelse(known, units$numerator / units$denominator, NA_real_)
  scale <- if (kind == "proportion") "proportion" else
    if (kind %in% c("rate", "count_ratio")) "rate" else "ratio"
  multiplier <- check_multiplier(multiplier)
  target <- check_target(target, scale, units$numerator[known], units$denominator[known], multiplier)
  units$target <- rep_len(target, nrow(units))
  units
}

#' How much more the units differ than chance explains: phi and tau squared
#'
#' The most extreme tenth of scores at either end is first pulled in (winsorise) or left out (truncate), so that a
#' few outliers cannot widen the limits meant to find them. phi = mean(z^2); tau2 = (n phi - (n - 1)) /
#' (sum(1/s^2) - sum(1/s^4) / sum(1/s^2)), and 0 where n phi < n - 1.
#' Trimming makes phi small: of chance alone, not 1 but `phi_chance` is to be expected (see [trimmed_phi]), so that
#' "how many times chance" is phi / phi_chance. tau2 is that of the publications, which do not correct for it: it
#' understates the variation between units, and limits with it are somewhat narrow.
#'
#' @param z,s   scores and standard errors, as [standard_scores] gives them
#' @param trim  share trimmed at each end, under a half
#' @param trim_method  "winsorise", "truncate" or "none"
#' @return data frame, a row per unit: z_trimmed, units_used, phi, tau2, phi_chance (the last four the same in every
#'   row). One unit: phi of it, tau2 0. All equal to the target: phi 0, tau2 0. None: NA, 0.
overdispersion <- function(z, s, trim = 0.1, trim_method = c("winsorise", "truncate", "none")) {
  trim_method <- match.arg(trim_method)
  scores <- check_rows(z = check_numbers(z, "z"), s = check_not_negative(s, "s"))
  stop_at(scores$s == 0, "s must be above 0")
  trim <- check_number(trim, "trim", 0, 0.499)
  if (trim_method == "truncate" && trim == 0) {
    stop("trim must be above 0 to truncate; to leave nothing out, trim_method = \"none\"", call. = FALSE)
  }
  if (trim == 0) trim_method <- "none"
  known <- !is.na(scores$z) & !is.na(scores$s)
  trimmed <- ifelse(known, scores$z, NA_real_)
  trimmed[known] <- switch(trim_method,
    winsorise = winsorise(scores$z[known], trim),
    truncate = truncate_scores(scores$z[known], trim),
    none = scores$z[known]
  )
  used <- !is.na(trimmed)
  n <- sum(used)
  phi <- if (n) sum(trimmed[used]^2) / n else NA_real_
  rows <- nrow(scores)
  data.frame(z_trimmed = trimmed, units_used = rep_len(n, rows), phi = rep_len(phi, rows),
             tau2 = rep_len(between_variance(phi, scores$s[used]), rows),
             phi_chance = rep_len(trimmed_phi(sum(known), trim, trim_method), rows))
}

#' The phi to be expected of chance alone, given the trimming
#'
#' Mean square of the trimmed scores of n units whose scores are standard normal: mean of E(Z(i)^2) over the ordered
#' scores that are kept; E(Z(i)^2) by David and Johnson's expansion (1954, Biometrika 41:228-240) about i / (n + 1).
#' With trim = 0.1 and many units 0.68 winsorised and 0.44 truncated; without trimming 1.
trimmed_phi <- function(n, trim, trim_method) {
  if (trim_method == "none" || n == 0) return(if (n) 1 else NA_real_)
  squares <- normal_order_squares(n)
  if (trim_method == "truncate") {
    kept <- !is.na(truncate_scores(seq_len(n), trim))
    return(if (any(kept)) mean(squares[kept]) else NA_real_)
  }
  place <- (n - 1) * trim + 1
  low <- floor(place)
  part <- place - low
  if (low == n) return(squares[1])
  gap <- 2 / ((n + 1) * (n + 2)) / stats::dnorm(stats::qnorm((low + 0.5) / (n + 1)))^2
  end <- (1 - part) * squares[low] + part * squares[low + 1] - part * (1 - part) * gap
  (2 * low * end + sum(squares[seq_len(n) > low & seq_len(n) <= n - low])) / n
}

#' E(Z(i)^2) of the n ordered standard normal scores; they sum to n.
normal_order_squares <- function(n) {
  p <- seq_len(n) / (n + 1)
  q <- stats::qnorm(p)
  squares <- q^2 + p * (1 - p) * (1 + q^2) / ((n + 2) * stats::dnorm(q)^2)
  squares * n / sum(squares)
}

#' Limits around a target with the extra variation in them, back on the scale of the value
#'
#' back(target on the scale -/+ z sqrt(s^2 + tau2)); tau2 = 0 gives the limits of chance alone. On the arcsine and
#' square-root scales a limit that runs off the end of the scale stays at the end (0, or 1 for proportions).
#'
#' @param target  the target as a value
#' @param s       standard error on the scale
#' @param tau2    between-unit variance on the scale
#' @param scale   "arcsine" (proportions), "log" or "sqrt" (ratios, rates)
#' @param z       how many standard errors wide, instead of a confidence
#' @return data frame: lower, upper
overdispersed_limits <- function(target, s, tau2, scale = c("arcsine", "log", "sqrt"), confidence = 0.95,
                                 z = normal_quantile(confidence)) {
  scale <- match.arg(scale)
  target <- check_numbers(target, "target", 0, if (scale == "arcsine") 1 else Inf)
  s <- check_not_negative(s, "s")
  tau2 <- check_not_negative(tau2, "tau2")
  check_lengths(target = target, s = s, tau2 = tau2, one = c("target", "s", "tau2"))
  half <- check_number(z, "z", 0, open = TRUE) * sqrt(s^2 + tau2)
  centre <- to_scale(target, scale)
  data.frame(lower = from_scale(centre - half, scale), upper = from_scale(centre + half, scale))
}

#' A value on the scale where it is about normal.
to_scale <- function(value, scale) switch(scale, arcsine = asin(sqrt(value)), log = log(value), sqrt = sqrt(value))

#' Back from the scale; beyond its end means at its end.
from_scale <- function(y, scale) {
  switch(scale, arcsine = sin(pmin(pmax(y, 0), pi / 2))^2, log = exp(pmin(y, 600)), sqrt = pmax(y, 0)^2)
}

#' Scores beyond the trim quantiles moved to them.
winsorise <- function(z, trim) {
  if (!length(z)) return(z)
  ends <- stats::quantile(z, c(trim, 1 - trim), names = FALSE)
  pmin(pmax(z, ends[1]), ends[2])
}

#' Scores in the lowest and highest trim share made NA (the SHMI's grouping by rank).
truncate_scores <- function(z, trim) {
  place <- rank(z) / trim / (length(z) + 1)
  ifelse(place >= 1 & place < 1 / trim - 1, z, NA_real_)
}

#' DerSimonian and Laird's variance between units, from phi.
between_variance <- function(phi, s) {
  n <- length(s)
  if (n < 2 || is.na(phi) || n * phi < n - 1) return(0)
  w <- 1 / s^2
  max(0, (n * phi - (n - 1)) / (sum(w) - sum(w^2) / sum(w)))
}
