# Funnel plots: units of different size against one target, with limits that narrow as size grows.
# One row per unit in, one row per unit out, with limits at 95 % (about 2 SD) and 99.8 % (about 3 SD), the label that
# they give and the score z on the same scale (limits.R): |z| is over 1.96 exactly where the unit lies outside the 95 %.
# Not for common outcomes that are adjusted for case mix: Poisson limits of O/E are too wide there; observed_expected()
# has binomial ones.
# Source throughout: Spiegelhalter DJ (2005) Funnel plots for comparing institutional performance, Stat Med
# 24:1185-1202.
source("../lib/overdispersion.R")

#' Funnel limits for proportions
#'
#' target -/+ z sqrt(target (1 - target) / n), cut at 0 and 1. These are the points whose Wilson interval just
#' touches the target, so limits and Wilson intervals never contradict each other.
#'
#' @param numerator,denominator  per unit: cases with the property, cases; a single number stands for every unit
#' @param target                 proportion compared with (0 to 1); by default that of all units together
#' @return data frame: numerator, denominator, value, target, lower_95, upper_95, lower_998, upper_998, significance
#'   (see [funnel_significance]), z, kind, multiplier (what funnel_curve needs to draw the same limits).
#'   A denominator of 0 or NA: NA, "no data". One unit is its own target: never outside.
funnel_proportion <- function(numerator, denominator, target = NULL) {
  chance_funnel("proportion", numerator, denominator, target)
}

#' Funnel limits for standardised ratios (observed / expected)
#'
#' exact: the counts whose exact Poisson limit just touches the expected count, interpolated between whole counts:
#' O with P(X <= O | E) = alpha/2 and P(X >= O | E) = alpha/2, divided by E. Limits and the exact intervals of
#' standardised_ratio(limits = "exact") never contradict each other. Few expected: the lower limit is 0.
#' chi-square: chi2(alpha/2, 2E)/2E and chi2(1 - alpha/2, 2E + 2)/2E, as the FunnelPlotR package has it. It takes E
#' for a count that was observed: too narrow below and too wide above for small E; kept for comparison.
#'
#' @param observed,expected  per unit; a single number stands for every unit
#' @param target             ratio compared with
#' @param method             "exact" or "chi-square"
#' @return as [funnel_proportion], with observed and expected as first columns
funnel_ratio <- function(observed, expected, target = 1, method = c("exact", "chi-square")) {
  kind <- if (match.arg(method) == "exact") "ratio" else "ratio_chi_square"
  result <- chance_funnel(kind, check_not_negative(observed, "observed"), check_not_negative(expected, "expected"),
                          target)
  names(result)[1:2] <- c("observed", "expected")
  result
}

#' Funnel limits for rates
#'
#' As [funnel_ratio] with target x denominator events expected, times the target.
#'
#' @param numerator,denominator  per unit: events, exposure; a single number stands for every unit
#' @param target                 events per unit of exposure (not per multiplier); by default that of all units together
#' @param multiplier             value, target and limits are per this many
#' @return as [funnel_proportion]
funnel_rate <- function(numerator, denominator, target = NULL, multiplier = 100000) {
  chance_funnel("rate", numerator, denominator, target, multiplier)
}

#' Funnel limits that allow for overdispersion
#'
#' Scores as in [standard_scores], phi and tau2 as in [overdispersion], limits as in [overdispersed_limits], but never
#' narrower than those of chance alone: for few events the transformed scales promise more than they can keep (0 deaths
#' where 1 was expected would be "significantly low"). In the medpar data (54 hospitals, SHMI method) 8 are
#' outside the 99.8 % limits where the published ones leave 9. On the logarithmic scale no events count as half an
#' event, for the limits as for the score.
#'
#' @param kind  "proportion" (arcsine), "ratio_log", "ratio_sqrt" (both with a target of 1) or "rate" (square root)
#' @param trim,trim_method  see [overdispersion]
#' @param multiplier  value, target and limits are per this many; the target is given per one
#' @return as [funnel_proportion], with phi, tau2 and phi_chance (see [overdispersion]) as last columns. z is the score
#'   with the extra variation in it, or that of chance alone, whichever is nearer to 0.
funnel_overdispersed <- function(numerator, denominator, kind = c("proportion", "ratio_log", "ratio_sqrt", "rate"),
                                 target = NULL, trim = 0.1, trim_method = "winsorise", multiplier = 1) {
  kind <- match.arg(kind)
  units <- check_units(numerator, denominator, kind, target, multiplier)
  target <- if (nrow(units)) units$target[1] else NULL
  scores <- standard_scores(units$numerator, units$denominator, kind, if (is.na(given(target, NA))) NULL else target)
  extra <- overdispersion(scores$z, scores$s, trim, trim_method)
  wide <- (scores$y - scores$target_y) / sqrt(scores$s^2 + extra$tau2)
  sign <- sign(units$value - units$target)
  chance <- chance_score(kind, units$value, units$target, units$denominator)
  units$z <- zero_at_target(sign * pmax(pmin(sign * wide, sign * chance), 0), units$value, units$target)
  result <- funnel_table(units, kind, multiplier, function(confidence) {
    widened_limits(kind, units$target, units$denominator, extra$tau2, confidence)
  })
  cbind(result, extra[c("phi", "tau2", "phi_chance")])
}

#' The funnel itself, to draw: limits at sizes from the smallest to the largest unit
#'
#' @param units   what a funnel function gave: its columns kind, multiplier and, with overdispersion, tau2 say which
#'                limits are drawn
#' @param kind,multiplier  not needed; an error where they differ from what `units` were computed with
#' @param points  how many sizes
#' @return data frame: size, lower_95, upper_95, lower_998, upper_998, on the scale of the units' value
funnel_curve <- function(units, kind = NULL, multiplier = NULL, points = 200) {
  check_columns(units, c("value", "target", "kind", "multiplier"), "units")
  points <- check_number(points, "points", 2, 1e5, whole = TRUE)
  size <- numeric()
  check_lengths(size = units[[2]], value = check_numbers(units$value, "column value"))
  known <- which(!is.na(units$value))
  if (length(known)) {
    first <- units[known[1], ]
    same_kind <- is.null(kind) || kind == first$kind || (grepl("^ratio", kind) && grepl("^ratio", first$kind))
    if (!same_kind) stop("kind is not that of these units: they are of kind ", first$kind, call. = FALSE)
    if (!is.null(multiplier) && multiplier != first$multiplier) {
      stop("multiplier is not that of these units: leave it out, they carry their own", call. = FALSE)
    }
    for (name in intersect(c("target", "multiplier", "tau2"), names(units))) {
      first[[name]] <- check_not_negative(first[[name]], paste("column", name))
    }
    sizes <- check_not_negative(units[[2]], paste("column", names(units)[2]))[known]
    stop_at(sizes %in% c(0, NA), "column ", names(units)[2], " must be above 0 for a unit that has a value")
    size <- exp(seq(log(0.8 * min(sizes)), log(1.05 * max(sizes)), length.out = points))
  }
  limits <- function(confidence) {
    if (!length(size)) return(list(lower = numeric(), upper = numeric()))
    target <- rep_len(first$target / first$multiplier, length(size))
    ends <- if (is.null(units$tau2)) chance_limits(first$kind, target, size, confidence) else
      widened_limits(first$kind, target, size, first$tau2, confidence)
    lapply(ends, `*`, first$multiplier)
  }
  inner <- limits(0.95)
  outer <- limits(0.998)
  data.frame(size = size, lower_95 = inner$lower, upper_95 = inner$upper, lower_998 = outer$lower,
             upper_998 = outer$upper)
}

#' The label of a value against its funnel limits
#'
#' @return text: "higher (99.8 %)", "higher (95 %)", "not different", "lower (95 %)", "lower (99.8 %)" or "no data".
#'   A value on a limit is within it.
funnel_significance <- function(value, lower_95, upper_95, lower_998, upper_998) {
  check_lengths(value = value, lower_95 = lower_95, upper_95 = upper_95, lower_998 = lower_998, upper_998 = upper_998)
  value <- check_numbers(value, "value")
  limits <- list(lower_95 = lower_95, upper_95 = upper_95, lower_998 = lower_998, upper_998 = upper_998)
  limits <- Map(check_numbers, limits, names(limits))
  significance_of(value, limits)
}

#' The same of a list of limits that were computed here.
significance_of <- function(value, limits) {
  level <- beyond(value, limits$lower_95, limits$upper_95) + beyond(value, limits$lower_998, limits$upper_998)
  label <- c("lower (99.8 %)", "lower (95 %)", "not different", "higher (95 %)", "higher (99.8 %)")[level + 3]
  label[is.na(level)] <- "no data"
  label
}

#' A funnel with limits of chance alone.
chance_funnel <- function(kind, numerator, denominator, target, multiplier = 1) {
  units <- check_units(numerator, denominator, kind, target, multiplier)
  units$z <- chance_score(kind, units$value, units$target, units$denominator)
  funnel_table(units, kind, multiplier, function(confidence) {
    chance_limits(kind, units$target, units$denominator, confidence)
  })
}

#' Units with limits at 95 and 99.8 % (from `limits(confidence)`), their label and score.
funnel_table <- function(units, kind, multiplier, limits) {
  inner <- limits(0.95)
  outer <- limits(0.998)
  ends <- data.frame(lower_95 = inner$lower, upper_95 = inner$upper, lower_998 = outer$lower, upper_998 = outer$upper)
  ends[is.na(units$value), ] <- NA
  result <- cbind(units[c("numerator", "denominator", "value", "target")], ends)
  result$significance <- significance_of(result$value, ends)
  result$z <- units$z
  result$kind <- rep_len(kind, nrow(result))
  result$multiplier <- rep_len(as.double(multiplier), nrow(result))
  scaled <- c("value", "target", "lower_95", "upper_95", "lower_998", "upper_998")
  result[scaled] <- result[scaled] * multiplier
  result
}

#' Limits with the variation between units in them, nowhere narrower than those of chance.
widened_limits <- function(kind, target, size, tau2, confidence) {
  known <- !is.na(target) & !is.na(size) & size > 0
  lower <- upper <- rep(NA_real_, length(size))
  if (!any(known)) return(list(lower = lower, upper = upper))
  size <- size[known]
  target <- target[known]
  s <- if (kind == "ratio_log") 1 / sqrt(size) else 1 / (2 * sqrt(size))
  scale <- switch(kind, proportion = "arcsine", ratio_log = "log", "sqrt")
  wide <- overdispersed_limits(target, s, rep_len(tau2, length(known))[known], scale, confidence)
  # On the logarithmic scale 0 events are taken as half an event: a limit below half an event excludes nothing.
  if (kind == "ratio_log") wide$lower[wide$lower * size <= 0.5] <- 0
  chance <- chance_limits(kind, target, size, confidence)
  lower[known] <- pmin(wide$lower, chance$lower)
  upper[known] <- pmax(wide$upper, chance$upper)
  list(lower = lower, upper = upper)
}
