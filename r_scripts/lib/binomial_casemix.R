# Percentages adjusted for case mix, with the limits of an outcome that happens or not, and their funnel.
# Sums per unit in (as observed_expected() gives them), one row per unit out.
source("../lib/casemix.R")
source("../lib/funnel.R")

#' Funnel of percentages that are adjusted for case mix
#'
#' value = O / E x target: the share that the unit would have with the patients of all units together. z = (O - E) /
#' sqrt(V), V = sum p (1 - p); limits target (1 -/+ z sqrt(V) / E), which is E -/+ z sqrt(V) for O. The variance of value is
#' that of a plain share of n* = target (1 - target) E^2 / (target^2 V) patients: n*, the effective number of patients,
#' is the size at which a unit lies in the funnel, so that points and drawn limits agree. With equal chances for all n* = n.
#' Source: Spiegelhalter DJ (2005) Stat Med 24:1185-1202; Hosmer DW, Lemeshow S (1995) Stat Med 14:2161-2172.
#' For common and rare outcomes alike, from about 5 expected events and 5 expected without; with fewer the exact limits
#' of funnel_ratio() are safer.
#'
#' @param observed,expected,variance,patients  per unit: sums of the outcome, of p, of p (1 - p), and patients
#' @param target      share that O / E of 1 stands for; by default the share of all units together
#' @param multiplier  1 for shares, 100 for percentages
#' @return data frame: observed, effective_patients, value, target, lower_95, upper_95, lower_998, upper_998,
#'   significance, z, kind, multiplier (as [funnel_proportion]; draw it with funnel_curve), expected, variance, patients.
#'   Nothing expected, or no variance: NA, "no data". A value can exceed 1 (100 %) where a unit's patients had far lower
#'   chances than others'.
funnel_adjusted <- function(observed, expected, variance, patients, target = NULL, multiplier = 1) {
  columns <- list(observed = observed, expected = expected, variance = variance, patients = patients)
  rows <- do.call(check_rows, Map(check_not_negative, columns, names(columns)))
  for (name in c("observed", "expected")) check_part_of(rows[[name]], rows$patients, c(name, "patients"))
  check_part_of(rows$variance, rows$expected * (1 + 1e-9), c("variance", "expected"))
  multiplier <- check_multiplier(multiplier)
  known <- stats::complete.cases(rows) & (rows$expected > 0 & rows$variance > 0) %in% TRUE
  target <- check_target(target, "proportion", rows$observed[known], rows$patients[known])
  inside <- known & target > 0 & target < 1
  inside[is.na(inside)] <- FALSE
  error <- replace(target * sqrt(rows$variance) / rows$expected, !inside, NA)
  units <- data.frame(numerator = rows$observed, denominator = target * (1 - target) / error^2,
                      value = replace(rows$observed / rows$expected * target, !inside, NA),
                      target = rep_len(target, nrow(rows)))
  units$z <- replace((rows$observed - rows$expected) / sqrt(rows$variance), !inside, NA)
  result <- funnel_table(units, "adjusted", multiplier, function(confidence) {
    half <- normal_quantile(confidence) * error
    list(lower = pmax(target - half, 0), upper = pmin(target + half, pmax(units$value, 1)))
  })
  result$z <- zero_at_target(result$z, result$value, result$target)
  names(result)[1:2] <- c("observed", "effective_patients")
  cbind(result, rows[c("expected", "variance", "patients")])
}
