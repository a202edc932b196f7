# Charts of measured quantities taken in small samples (subgroups): x-bar and S; and the moving range of single values.
source("../lib/control_charts.R")

#' X-bar and S charts: the mean and the spread of samples in time order
#'
#' sigma = mean of s / c4(n) over the samples of two and more; x-bar limits: grand mean -/+ 3 sigma / sqrt(n); S limits: c4(n)
#' sigma -/+ 3 sigma sqrt(1 - c4(n)^2), cut at 0. c4(n) = sqrt(2 / (n - 1)) gamma(n / 2) / gamma((n - 1) / 2).
#' Source: Montgomery DC, Introduction to Statistical Quality Control, ch 6.3; unequal samples as in the qcc package.
#' For samples of the same process on the same occasion (five waiting times of a morning). Not for months of all patients:
#' limits from within a month are too narrow where months differ by themselves; take xmr() of the monthly means.
#'
#' @param values    measurements; NA are left out
#' @param subgroup  the sample of each, in order of time
#' @param minimum   with fewer samples of two and more there are no limits; Montgomery asks for 20 to 25
#' @return data frame, a row per sample in order of appearance: subgroup, n, value (mean), centre, lower, upper, outside,
#'   spread (s), spread_centre, spread_lower, spread_upper, spread_outside. One measurement: no spread. No spread
#'   anywhere: no limits
xbar_s_chart <- function(values, subgroup, minimum = 2) {
  values <- check_numbers(values, "values")
  minimum <- check_number(minimum, "minimum", 1)
  groups <- check_groups(subgroup, length(values), "subgroup")
  known <- !is.na(values)
  n <- group_sums(list(x = as.double(known)), groups)$x
  mean <- group_sums(list(x = ifelse(known, values, 0)), groups)$x / ifelse(n > 0, n, NA_real_)
  mean <- mean + group_sums(list(x = ifelse(known, values - mean[groups$index], 0)), groups)$x / pmax(n, 1)
  spread <- sqrt(group_sums(list(x = ifelse(known, (values - mean[groups$index])^2, 0)), groups)$x / (n - 1))
  spread[n < 2] <- NA
  c4 <- ifelse(n > 1, sqrt(2 / pmax(n - 1, 1)) * exp(lgamma(n / 2) - lgamma(pmax(n - 1, 1) / 2)), NA_real_)
  each <- (spread / c4)[n > 1]
  tiny <- 1e-12 * max(0, abs(values), na.rm = TRUE) # rounding, not variation
  sigma <- if (length(each) >= minimum && mean(each) > tiny) mean(each) else NA_real_
  centre <- if (any(known)) sum(n * mean, na.rm = TRUE) / sum(n) else NA_real_
  half <- 3 * sigma / sqrt(ifelse(n > 0, n, NA_real_))
  wide <- 3 * sigma * sqrt(1 - c4^2)
  chart <- data.frame(subgroup = groups$names, n = n, value = mean, centre = rep_len(centre, length(n)),
                      lower = centre - half, upper = centre + half)
  chart$outside <- beyond(mean, chart$lower, chart$upper) %in% c(-1, 1)
  chart$spread <- spread
  chart$spread_centre <- c4 * sigma
  chart$spread_lower <- pmax(c4 * sigma - wide, 0)
  chart$spread_upper <- c4 * sigma + wide
  chart$spread_outside <- beyond(spread, chart$spread_lower, chart$spread_upper) %in% c(-1, 1)
  chart
}

#' MR chart: has the variation from one value to the next changed?
#'
#' Centre: mean moving range; upper limit 3.267 times it, lower 0. Source: Montgomery ch 6.4; Wheeler (1993).
#' Beside xmr(), whose limits rest on these ranges. Ranges next to each other share a value: look at limits, not at runs.
#'
#' @param value    one number per period, in time order
#' @param period   as in [xmr]
#' @param minimum  with fewer ranges there are no limits
#' @return data frame: period (if given), value (the range to the value before), centre, lower, upper, outside. The first
#'   point, and those beside a missing value: NA. All equal: no limits
mr_chart <- function(value, period = NULL, minimum = 11) {
  value <- check_numbers(value, "value")
  minimum <- check_number(minimum, "minimum", 1)
  if (!is.null(period)) check_periods(period, length(value))
  range <- c(NA, abs(diff(value)))[seq_along(value)]
  centre <- mean_moving_range(value, FALSE)
  enough <- sum(!is.na(range)) >= minimum && centre > 1e-12 * max(0, abs(value), na.rm = TRUE)
  limit <- if (enough) c(0, 3.267 * centre) else c(NA_real_, NA_real_)
  rows <- length(value)
  chart <- data.frame(value = range, centre = rep_len(centre, rows), lower = rep_len(limit[1], rows),
                      upper = rep_len(limit[2], rows))
  chart$outside <- beyond(chart$value, chart$lower, chart$upper) %in% c(-1, 1)
  if (is.null(period)) chart else cbind(period = period, chart)
}
