# Overdispersion: units differ more than chance alone explains, because case mix and circumstance differ too. Then
# ordinary funnel limits call almost everyone an outlier. Here the extra variation is estimated, and limits widened.
# Source throughout: Spiegelhalter DJ (2005) Handling over-dispersion of performance indicators, Qual Saf Health
# Care 14:347-351, and (2005) Funnel plots, Stat Med 24:1185-1202.
source("../lib/checks.R")

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
#'   A denominator of 0 or NA: y, s, z are NA, and the unit counts nowhere.
standard_scores <- function(numerator, denominator,
                            kind = c("proportion", "ratio_log", "ratio_sqrt", "count_ratio", "rate"), target = NULL) {
  kind <- match.arg(kind)
  x <- check_not_negative(numerator, "numerator")
  n <- check_not_negative(denominator, "denominator")
  check_same_length(numerator = x, denominator = n)
  x[is.na(n)] <- NA
  n[is.na(x) | (!is.na(n) & n == 0)] <- NA
  if (kind == "proportion") check_part_of(x, n)
  if (is.null(target)) {
    target <- if (kind %in% c("ratio_log", "ratio_sqrt")) 1 else overall_share(x[!is.na(n)], n[!is.na(n)])
  }
  scale <- switch(kind, proportion = "arcsine", ratio_log = "log", count_ratio = "log", "sqrt")
  shown <- if (kind == "ratio_log") ifelse(!is.na(x) & x == 0, 0.5, x) else x
  y <- if (kind == "count_ratio") log((x + 0.5) / (n + 0.5)) else to_scale(shown / n, scale)
  s <- switch(kind, ratio_log = 1 / sqrt(n), count_ratio = sqrt(x / (x + 0.5)^2 + n / (n + 0.5)^2), 1 / (2 * sqrt(n)))
  target_y <- to_scale(target, scale)
  data.frame(numerator = numerator, denominator = denominator, value = x / n, target = rep_len(target, length(x)),
             y = y, target_y = rep_len(target_y, length(x)), s = s, z = (y - target_y) / s)
}

#' How much more the units differ than chance explains: phi and tau squared
#'
#' The most extreme tenth of scores at either end is first pulled in (winsorise) or left out (truncate), so that a
#' few outliers cannot widen the limits meant to find them. phi = mean(z^2); tau2 = (n phi - (n - 1)) /
#' (sum(1/s^2) - sum(1/s^4) / sum(1/s^2)), and 0 where n phi < n - 1.
#'
#' @param z,s   scores and standard errors, as [standard_scores] gives them
#' @param trim  share trimmed at each end
#' @param trim_method  "winsorise", "truncate" or "none"
#' @return data frame, a row per unit: z_trimmed, units_used, phi, tau2 (the last three the same in every row).
#'   phi near 1: chance alone. One unit: phi of it, tau2 0. All equal to the target: phi 0, tau2 0. None: NA, 0.
overdispersion <- function(z, s, trim = 0.1, trim_method = c("winsorise", "truncate", "none")) {
  trim_method <- match.arg(trim_method)
  known <- !is.na(z) & !is.na(s)
  trimmed <- ifelse(known, z, NA_real_)
  trimmed[known] <- switch(trim_method,
    winsorise = winsorise(z[known], trim),
    truncate = truncate_scores(z[known], trim),
    none = z[known]
  )
  used <- !is.na(trimmed)
  n <- sum(used)
  phi <- if (n) sum(trimmed[used]^2) / n else NA_real_
  data.frame(z_trimmed = trimmed, units_used = rep_len(n, length(z)), phi = rep_len(phi, length(z)),
             tau2 = rep_len(between_variance(phi, s[used]), length(z)))
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
  half <- z * sqrt(s^2 + tau2)
  centre <- to_scale(target, scale)
  data.frame(lower = from_scale(centre - half, scale), upper = from_scale(centre + half, scale))
}

#' A value on the scale where it is about normal.
to_scale <- function(value, scale) switch(scale, arcsine = asin(sqrt(value)), log = log(value), sqrt = sqrt(value))

#' Back from the scale; beyond its end means at its end.
from_scale <- function(y, scale) {
  switch(scale, arcsine = sin(pmin(pmax(y, 0), pi / 2))^2, log = exp(y), sqrt = pmax(y, 0)^2)
}

#' Scores beyond the trim quantiles moved to them.
winsorise <- function(z, trim) {
  if (!length(z)) return(z)
  ends <- stats::quantile(z, c(trim, 1 - trim), names = FALSE)
  pmin(pmax(z, ends[1]), ends[2])
}

#' Scores in the lowest and highest trim share made NA (the SHMI's grouping by rank).
truncate_scores <- function(z, trim) {
  groups <- 1 / trim
  place <- floor(rank(z) * groups / (length(z) + 1))
  ifelse(place > 0 & place < groups - 1, z, NA_real_)
}

#' DerSimonian and Laird's variance between units, from phi.
between_variance <- function(phi, s) {
  n <- length(s)
  if (n < 2 || is.na(phi) || n * phi < n - 1) return(0)
  w <- 1 / s^2
  max(0, (n * phi - (n - 1)) / (sum(w) - sum(w^2) / sum(w)))
}
