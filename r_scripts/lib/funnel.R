# Funnel plots: units of different size against one target, with limits that narrow as size grows.
# One row per unit in, one row per unit out, with limits at 95 % (about 2 SD) and 99.8 % (about 3 SD).
# Source throughout: Spiegelhalter DJ (2005) Funnel plots for comparing institutional performance, Stat Med
# 24:1185-1202.
source("../lib/overdispersion.R")

#' Funnel limits for proportions
#'
#' target -/+ z sqrt(target (1 - target) / n), cut at 0 and 1. These are the points whose Wilson interval just
#' touches the target, so limits and Wilson intervals never contradict each other.
#'
#' @param numerator,denominator  per unit: cases with the property, cases
#' @param target                 proportion compared with; by default that of all units together
#' @return data frame: numerator, denominator, value, target, lower_95, upper_95, lower_998, upper_998, significance
#'   (see [funnel_significance]). A denominator of 0 or NA: NA, "no data". One unit is its own target: never outside.
funnel_proportion <- function(numerator, denominator, target = NULL) {
  units <- funnel_units(numerator, denominator, target)
  check_part_of(units$numerator, units$denominator)
  with_limits(units, function(confidence) chance_limits("proportion", units$target, units$denominator, confidence))
}

#' Funnel limits for standardised ratios (observed / expected)
#'
#' exact: the counts whose exact Poisson limit just touches the expected count, interpolated between whole counts:
#' O with P(X <= O | E) = alpha/2 and P(X >= O | E) = alpha/2, divided by E. Limits and the exact intervals of
#' [standardised_ratio] never contradict each other. Few expected: the lower limit is 0.
#' chi-square: chi2(alpha/2, 2E)/2E and chi2(1 - alpha/2, 2E + 2)/2E, as the FunnelPlotR package has it. It takes E
#' for a count that was observed: too narrow below and too wide above for small E; kept for comparison.
#'
#' @param observed,expected  per unit
#' @param target             ratio compared with
#' @param method             "exact" or "chi-square"
#' @return as [funnel_proportion], with observed and expected as first columns
funnel_ratio <- function(observed, expected, target = 1, method = c("exact", "chi-square")) {
  method <- match.arg(method)
  units <- funnel_units(observed, expected, target)
  result <- with_limits(units, function(confidence) {
    if (method == "exact") return(chance_limits("ratio", units$target, units$denominator, confidence))
    tail <- (1 - confidence) / 2
    mean <- units$denominator * units$target
    list(lower = stats::qchisq(tail, 2 * mean) / 2 / units$denominator,
         upper = stats::qchisq(1 - tail, 2 * mean + 2) / 2 / units$denominator)
  })
  names(result)[1:2] <- c("observed", "expected")
  result
}

#' Funnel limits for rates
#'
#' As [funnel_ratio] with target x denominator events expected, times the target.
#'
#' @param numerator,denominator  per unit: events, exposure
#' @param target                 events per unit of exposure; by default that of all units together
#' @param multiplier             value, target and limits are per this many
#' @return as [funnel_proportion]
funnel_rate <- function(numerator, denominator, target = NULL, multiplier = 100000) {
  units <- funnel_units(numerator, denominator, target)
  result <- with_limits(units, function(confidence) chance_limits("rate", units$target, units$denominator, confidence))
  scaled <- c("value", "target", "lower_95", "upper_95", "lower_998", "upper_998")
  result[scaled] <- result[scaled] * multiplier
  result
}

#' Funnel limits that allow for overdispersion
#'
#' Scores as in [standard_scores], phi and tau2 as in [overdispersion], limits as in [overdispersed_limits], but never
#' narrower than those of chance alone: for few events the transformed scales promise more than they can keep (0 deaths
#' where 1 was expected would be "significantly low").
#'
#' @param kind  "proportion" (arcsine), "ratio_log", "ratio_sqrt" (both with a target of 1) or "rate" (square root)
#' @param trim,trim_method  see [overdispersion]
#' @param multiplier  value, target and limits are per this many
#' @return as [funnel_proportion], with z, phi and tau2 after significance. z is the score with the extra variation in
#'   it, or that of chance alone, (value - target) / standard error at the target, whichever is nearer to 0.
funnel_overdispersed <- function(numerator, denominator, kind = c("proportion", "ratio_log", "ratio_sqrt", "rate"),
                                 target = NULL, trim = 0.1, trim_method = "winsorise", multiplier = 1) {
  kind <- match.arg(kind)
  scores <- standard_scores(numerator, denominator, kind, target)
  extra <- overdispersion(scores$z, scores$s, trim, trim_method)
  units <- funnel_units(numerator, denominator, scores$target)
  result <- with_limits(units, function(confidence) {
    widened_limits(kind, units$target, units$denominator, extra$tau2, confidence)
  })
  spread <- if (kind == "proportion") units$target * (1 - units$target) else units$target
  chance <- (units$value - units$target) / sqrt(spread / units$denominator)
  wide <- (scores$y - scores$target_y) / sqrt(scores$s^2 + extra$tau2)
  result$z <- ifelse(abs(chance) < abs(wide) | is.nan(wide), chance, wide)
  result$z[which(units$value == units$target)] <- 0
  result$phi <- extra$phi
  result$tau2 <- extra$tau2
  scaled <- c("value", "target", "lower_95", "upper_95", "lower_998", "upper_998")
  result[scaled] <- result[scaled] * multiplier
  result
}

#' The funnel itself, to draw: limits at sizes from the smallest to the largest unit
#'
#' @param units   what a funnel function gave (with tau2, the limits are those of [funnel_overdispersed])
#' @param kind    "proportion", "ratio_log", "ratio_sqrt" or "rate"
#' @param points  how many sizes
#' @return data frame: size, lower_95, upper_95, lower_998, upper_998, on the scale of the units' value
funnel_curve <- function(units, kind = c("proportion", "ratio_log", "ratio_sqrt", "rate"), multiplier = 1,
                         points = 200) {
  kind <- match.arg(kind)
  sizes <- units[[2]][!is.na(units$value)]
  span <- if (length(sizes)) seq(log(0.8 * min(sizes)), log(1.05 * max(sizes)), length.out = points) else numeric()
  size <- exp(span)
  target <- rep_len(units$target[1] / multiplier, length(size))
  limits <- function(confidence) {
    if (is.null(units$tau2)) return(chance_limits(kind, target, size, confidence))
    widened_limits(kind, target, size, units$tau2[1], confidence)
  }
  inner <- limits(0.95)
  outer <- limits(0.998)
  data.frame(size = size, lower_95 = inner$lower * multiplier, upper_95 = inner$upper * multiplier,
             lower_998 = outer$lower * multiplier, upper_998 = outer$upper * multiplier)
}

#' The label of a value against its funnel limits
#'
#' @return text: "higher (99.8 %)", "higher (95 %)", "not different", "lower (95 %)", "lower (99.8 %)" or "no data".
#'   A value on a limit is within it.
funnel_significance <- function(value, lower_95, upper_95, lower_998, upper_998) {
  label <- rep("not different", length(value))
  label[which(value > upper_95)] <- "higher (95 %)"
  label[which(value < lower_95)] <- "lower (95 %)"
  label[which(value > upper_998)] <- "higher (99.8 %)"
  label[which(value < lower_998)] <- "lower (99.8 %)"
  label[is.na(value) | is.na(lower_95)] <- "no data"
  label
}

#' Units with their value and target; a unit without a denominator has no value.
funnel_units <- function(numerator, denominator, target) {
  x <- check_not_negative(numerator, "numerator")
  n <- check_not_negative(denominator, "denominator")
  length <- check_same_length(numerator = x, denominator = n)
  units <- data.frame(numerator = rep_len(x, length), denominator = rep_len(n, length))
  known <- !is.na(units$numerator) & !is.na(units$denominator) & units$denominator > 0
  units$value <- ifelse(known, units$numerator / units$denominator, NA_real_)
  if (is.null(target)) target <- overall_share(units$numerator[known], units$denominator[known])
  units$target <- rep_len(target, length)
  units
}

#' Units with limits at 95 and 99.8 % (from `limits(confidence)`) and their label.
with_limits <- function(units, limits) {
  inner <- limits(0.95)
  outer <- limits(0.998)
  ends <- data.frame(lower_95 = inner$lower, upper_95 = inner$upper, lower_998 = outer$lower, upper_998 = outer$upper)
  ends[is.na(units$value), ] <- NA
  result <- cbind(units, ends)
  result$significance <- funnel_significance(result$value, result$lower_95, result$upper_95, result$lower_998,
                                             result$upper_998)
  result
}

#' Limits of chance alone around a target, at each size.
chance_limits <- function(kind, target, size, confidence) {
  if (kind == "proportion") {
    half <- normal_quantile(confidence) * sqrt(target * (1 - target) / size)
    return(list(lower = pmax(target - half, 0), upper = pmin(target + half, 1)))
  }
  lapply(exact_count_limits(target * size, (1 - check_confidence(confidence)) / 2), `/`, size)
}

#' Limits with the variation between units in them, nowhere narrower than those of chance.
widened_limits <- function(kind, target, size, tau2, confidence) {
  s <- if (kind == "ratio_log") 1 / sqrt(size) else 1 / (2 * sqrt(size))
  scale <- switch(kind, proportion = "arcsine", ratio_log = "log", "sqrt")
  wide <- overdispersed_limits(target, s, tau2, scale, confidence)
  chance <- chance_limits(kind, target, size, confidence)
  list(lower = pmin(wide$lower, chance$lower), upper = pmax(wide$upper, chance$upper))
}

#' Interpolated Poisson counts with `tail` probability at and beyond them, for each mean.
exact_count_limits <- function(mean, tail) {
  lower <- solve_count(mean, function(count, m) stats::pgamma(m, count + 1, lower.tail = FALSE) - tail)
  upper <- solve_count(mean, function(count, m) tail - stats::pgamma(m, pmax(count, 1e-12)))
  list(lower = lower, upper = upper)
}

#' The count at which an increasing function of it reaches 0, by bisection; 0 where it is never below.
solve_count <- function(mean, excess) {
  known <- !is.na(mean) & mean > 0
  m <- mean[known]
  low <- numeric(length(m))
  high <- m + 40 * sqrt(m) + 40
  for (step in seq_len(100)) {
    middle <- (low + high) / 2
    above <- excess(middle, m) > 0
    high[above] <- middle[above]
    low[!above] <- middle[!above]
  }
  solution <- (low + high) / 2
  solution[excess(numeric(length(m)), m) > 0] <- 0
  result <- rep(NA_real_, length(mean))
  result[known] <- solution
  result[which(mean == 0)] <- 0
  result
}
