# Rates of counted events: exact Poisson (Garwood) limits, Byar's approximation, and the rate per so many.
# Numbers in, one row per number out. Not here: rates adjusted for age or case mix (standardisation.R, casemix.R).
source("../lib/checks.R")

#' Exact limits of a count of independent events
#'
#' lower = chi2(alpha/2, 2x) / 2 and upper = chi2(1 - alpha/2, 2x + 2) / 2, divided by the denominator.
#' Source: Garwood F (1936) Fiducial limits for the Poisson distribution, Biometrika 28:437-442.
#'
#' @param numerator    events counted
#' @param denominator  what they were counted in (person-years, bed days, inhabitants); 1 gives limits of the count.
#'   Of the two, a single number stands for every row
#' @param confidence   two-sided confidence, 0.95 or 0.998
#' @param multiplier   the rate is per this many, for example 100000
#' @return data frame: numerator, denominator, value, lower, upper, confidence, method.
#'   No events: lower 0 and an upper limit above 0. A denominator of 0, or NA: value and limits NA.
poisson_exact <- function(numerator, denominator = 1, confidence = 0.95, multiplier = 1) {
  x <- check_not_negative(numerator, "numerator")
  tail <- (1 - check_confidence(confidence)) / 2
  rate_frame(x, denominator, stats::qchisq(tail, 2 * x) / 2, stats::qchisq(tail, 2 * x + 2, lower.tail = FALSE) / 2,
             confidence, multiplier, "Exact")
}

#' Byar's approximation of the limits of a count
#'
#' lower = x (1 - 1/(9x) - z/(3 sqrt(x)))^3, upper = (x+1) (1 - 1/(9(x+1)) + z/(3 sqrt(x+1)))^3.
#' Source: Breslow NE, Day NE (1987) Statistical Methods in Cancer Research II, IARC, p 69.
#' Good from 10 events on; below that use [poisson_exact] or [rate]. Where so few events make the formula's lower
#' limit negative it is NA; no events at all: lower 0.
#'
#' @inheritParams poisson_exact
#' @return as [poisson_exact]
byar <- function(numerator, denominator = 1, confidence = 0.95, multiplier = 1) {
  x <- check_not_negative(numerator, "numerator")
  limits <- byar_count(x, confidence)
  rate_frame(x, denominator, limits$lower, limits$upper, confidence, multiplier, "Byar")
}

#' A rate and its limits: exact below 10 events, Byar from 10 on
#'
#' Source: the rule of Public Health England's technical guide "Confidence intervals" (2018), as in phe_rate() of
#' PHEindicatormethods. Exact limits throughout are those that never contradict a funnel (funnel_ratio, funnel_rate):
#' next to Byar's, one unit in some 3,000 is outside the funnel while its interval just holds the target, or the reverse.
#'
#' @inheritParams poisson_exact
#' @param limits  "byar from 10" or "exact"
#' @return as [poisson_exact]; `method` says which formula gave the row's limits
rate <- function(numerator, denominator, confidence = 0.95, multiplier = 100000,
                 limits = c("byar from 10", "exact")) {
  exact <- poisson_exact(numerator, denominator, confidence, multiplier)
  if (match.arg(limits) == "exact") return(exact)
  many <- which(exact$numerator >= 10 | is.na(exact$numerator))
  exact[many, ] <- byar(exact$numerator[many], exact$denominator[many], confidence,
                          if (length(multiplier) > 1) multiplier[many] else multiplier)
  exact
}

#' Byar's limits of the counts `x` themselves (no denominator).
byar_count <- function(x, confidence) {
  z <- normal_quantile(confidence)
  lower <- x * (1 - 1 / (9 * x) - z / (3 * sqrt(x)))^3
  lower[which(x == 0)] <- 0
  lower[which(lower < 0)] <- NA
  up <- x + 1
  list(lower = lower, upper = up * (1 - 1 / (9 * up) + z / (3 * sqrt(up)))^3)
}

#' Limits of counts divided by their denominators, as a data frame; one number stands for every row.
rate_frame <- function(x, denominator, lower, upper, confidence, multiplier, method) {
  rows <- check_rows(numerator = x, denominator = check_not_negative(denominator, "denominator"),
                     one = c("numerator", "denominator"))
  n <- nrow(rows)
  multiplier <- check_multiplier(multiplier, n)
  per <- ifelse(rows$denominator == 0, NA_real_, multiplier / rows$denominator)
  data.frame(numerator = rows$numerator, denominator = rows$denominator, value = rows$numerator * per,
             lower = rep_len(lower, n) * per, upper = rep_len(upper, n) * per, confidence = rep_len(confidence, n),
             method = rep_len(method, n))
}
