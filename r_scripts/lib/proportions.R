# Proportions: a part counted out of a whole. Numbers in, one row per number out.
# Not here: comparing proportions between units (funnel.R) or over time (control_charts.R).
source("../lib/checks.R")

#' Wilson score interval of a proportion
#'
#' (2x + z^2 -/+ z sqrt(z^2 + 4x(1 - x/n))) / (2 (n + z^2)).
#' Source: Wilson EB (1927) J Am Stat Assoc 22:209-212; Newcombe RG (1998) Stat Med 17:857-872, method 3.
#' The interval to use by default: right on average also for few events, and never outside 0 to 1.
#'
#' @param numerator    how many have the property
#' @param denominator  how many were looked at; of the two, a single number stands for every row
#' @param confidence   two-sided confidence, 0.95 or 0.998
#' @param multiplier   1 gives proportions, 100 percentages
#' @return data frame: numerator, denominator, value, lower, upper, confidence, method.
#'   None of them: lower is exactly 0; all of them: upper is exactly 1 (times the multiplier).
#'   None looked at (0 of 0), or NA: value and limits NA. A numerator above its denominator is an error.
wilson <- function(numerator, denominator, confidence = 0.95, multiplier = 1) {
  counts <- proportion_counts(numerator, denominator)
  x <- counts$x
  n <- counts$n
  z <- normal_quantile(confidence)
  half <- z * sqrt(z^2 + 4 * x * (1 - x / n))
  lower <- (2 * x + z^2 - half) / 2 / (n + z^2)
  upper <- (2 * x + z^2 + half) / 2 / (n + z^2)
  proportion_frame(x, n, lower, upper, confidence, multiplier, "Wilson")
}

#' Clopper-Pearson ("exact") interval of a proportion
#'
#' lower = Beta(alpha/2; x, n - x + 1), upper = Beta(1 - alpha/2; x + 1, n - x).
#' Source: Clopper CJ, Pearson ES (1934) Biometrika 26:404-413. Never covers less than it says, hence wider than
#' Wilson's; use it where a promise of "at least 95 %" is asked for.
#'
#' @inheritParams wilson
#' @return as [wilson]
clopper_pearson <- function(numerator, denominator, confidence = 0.95, multiplier = 1) {
  counts <- proportion_counts(numerator, denominator)
  x <- counts$x
  n <- counts$n
  tail <- (1 - check_confidence(confidence)) / 2
  lower <- stats::qbeta(tail, x, n - x + 1)
  upper <- stats::qbeta(tail, x + 1, n - x, lower.tail = FALSE)
  proportion_frame(x, n, lower, upper, confidence, multiplier, "Clopper-Pearson")
}

#' Checked counts, a row each; one number stands for every row.
proportion_counts <- function(numerator, denominator) {
  counts <- check_rows(numerator = check_not_negative(numerator, "numerator"),
                       denominator = check_not_negative(denominator, "denominator"),
                       one = c("numerator", "denominator"))
  check_part_of(counts$numerator, counts$denominator)
  unknown <- is.na(counts$numerator) | is.na(counts$denominator)
  counts[unknown, ] <- NA
  list(x = counts$numerator, n = counts$denominator)
}

#' Limits with their exact ends, as a data frame.
proportion_frame <- function(x, n, lower, upper, confidence, multiplier, method) {
  check_multiplier(multiplier, length(x))
  lower[which(x == 0)] <- 0
  upper[which(x == n)] <- 1
  empty <- which(n == 0)
  value <- x / n
  value[empty] <- lower[empty] <- upper[empty] <- NA
  data.frame(numerator = x, denominator = n, value = value * multiplier, lower = lower * multiplier,
             upper = upper * multiplier, confidence = rep_len(confidence, length(x)),
             method = rep_len(method, length(x)))
}
