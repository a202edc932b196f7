# A funnel of means (waiting times, scores that patients give) with the variation between units in its limits.
source("../lib/funnel.R")

#' Funnel of means that allows for overdispersion
#'
#' s: pooled standard deviation, sqrt(sum (n - 1) sd^2 / sum (n - 1)); standard error s / sqrt(n); z scores, phi and tau2 as in
#' [overdispersion]; limits target -/+ z sqrt(s^2 / n + tau2). Source: Spiegelhalter DJ (2005) Stat Med 24:1185-1202 and Qual
#' Saf Health Care 14:347-351. For means of about 30 and more; very skew values (length of stay) on a logarithmic scale, or
#' medians by quantile_limits().
#'
#' @param value,standard_deviation,n  per unit: mean, standard deviation and number of the values (as mean_student() gives)
#' @param target   mean compared with; by default that of all values together
#' @param trim,trim_method  see [overdispersion]
#' @param lowest   smallest value that is possible, where limits are cut: 0 for times
#' @return data frame: value, n, target, lower_95, upper_95, lower_998, upper_998, significance, z, kind, pooled_sd, phi, tau2,
#'   phi_chance, lowest. A unit without values, or no variation within any: NA, "no data"
funnel_mean <- function(value, standard_deviation, n, target = NULL, trim = 0.1, trim_method = "winsorise", lowest = -Inf) {
  units <- check_rows(value = check_numbers(value, "value"), sd = check_not_negative(standard_deviation, "standard_deviation"),
                      n = check_not_negative(n, "n"))
  lowest <- if (identical(lowest, -Inf)) -Inf else check_number(lowest, "lowest")
  stop_at(units$value < lowest, "value lies under the lowest that is possible")
  known <- !is.na(units$value) & (units$n > 0) %in% TRUE
  varies <- known & !is.na(units$sd) & units$n > 1
  s <- if (any(varies)) sqrt(sum((units$n[varies] - 1) * units$sd[varies]^2) / sum(units$n[varies] - 1)) else NA_real_
  if (!is.na(s) && s <= 1e-12 * max(abs(units$value[known]))) s <- NA_real_
  target <- if (!is.null(target)) check_number(target, "target") else if (any(known))
    sum(units$n[known] * units$value[known]) / sum(units$n[known]) else NA_real_
  known <- known & !is.na(s)
  error <- ifelse(known, s / sqrt(units$n), NA_real_)
  value <- ifelse(known, units$value, NA_real_)
  extra <- overdispersion((value - target) / error, error, trim, trim_method)
  wide <- sqrt(error^2 + extra$tau2)
  ends <- mean_limits(target, wide, lowest)
  result <- data.frame(value = value, n = units$n, target = rep_len(target, nrow(units)), ends)
  result$significance <- significance_of(value, ends)
  result$z <- zero_at_target((value - target) / wide, value, result$target)
  result$kind <- rep_len("mean", nrow(result))
  result$pooled_sd <- rep_len(s, nrow(result))
  result[c("phi", "tau2", "phi_chance")] <- extra[c("phi", "tau2", "phi_chance")]
  result$lowest <- rep_len(if (is.finite(lowest)) lowest else NA_real_, nrow(result))
  result
}

#' The limits of a funnel of means, to draw
#'
#' @param units   what [funnel_mean] gives
#' @param points  how many sizes
#' @return data frame as funnel_curve(): size (values per unit), lower_95, upper_95, lower_998, upper_998
funnel_mean_curve <- function(units, points = 200) {
  numbers <- c("value", "n", "target", "pooled_sd", "tau2", "lowest")
  check_columns(units, numbers, "units")
  points <- check_number(points, "points", 2, 5000, whole = TRUE)
  numbers <- stats::setNames(lapply(numbers, function(name) check_numbers(units[[name]], paste("column", name))), numbers)
  size <- check_not_negative(numbers$n, "column n")
  known <- which(!is.na(numbers$value) & size > 0)
  drawn <- if (length(known)) exp(seq(log(0.8 * min(size[known])), log(1.05 * max(size[known])), length.out = points)) else
    numeric()
  first <- if (length(known)) known[1] else NA_integer_
  tau2 <- check_not_negative(numbers$tau2[first], "column tau2")
  lowest <- numbers$lowest[first]
  wide <- if (length(drawn)) sqrt(numbers$pooled_sd[first]^2 / drawn + tau2) else numeric()
  data.frame(size = drawn, mean_limits(numbers$target[first], wide, if (lowest %in% NA) -Inf else lowest))
}

#' Limits of 95 and 99.8 % around a mean, cut at the lowest that is possible.
mean_limits <- function(target, error, lowest) {
  inner <- normal_quantile(0.95) * error
  outer <- normal_quantile(0.998) * error
  data.frame(lower_95 = pmax(target - inner, lowest), upper_95 = target + inner, lower_998 = pmax(target - outer, lowest),
             upper_998 = target + outer)
}
