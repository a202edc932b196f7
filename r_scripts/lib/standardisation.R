# Rates made comparable between populations that differ in age (or another stratum).
# One row per stratum in, one row per area out. Not here: adjusting patient by patient (casemix.R).
source("../lib/rates.R")

#' Directly standardised rate with Dobson's limits on Byar's
#'
#' The rate that the area would have with the standard population's ages: sum(w x/n) / sum(w).
#' Variance sum(w^2 x / n^2) / sum(w)^2; limits value + sqrt(variance / O) (Byar limit of O - O), O the total count.
#' Source: Dobson AJ et al (1991) Stat Med 10:457-462; Breslow and Day (1987).
#'
#' @param count                events per stratum
#' @param population           people (or person-years) per stratum, same length
#' @param standard_population  the standard's weight per stratum, same length
#' @param group                area of each stratum, or NULL for one area
#' @param multiplier           the rate is per this many
#' @param minimum_events       below this total the rate is not given: Dobson's method needs 10
#' @param missing              what a missing number means: "unknown" or "none" (zero, where a table leaves zeros out)
#' @return data frame: group (only if given), total_count, total_population, value, lower, upper, confidence, method.
#'   Total below minimum_events: value and limits NA. A stratum with a weight but no population, or with a missing
#'   number, makes its area NA: its rate is unknown, which is not the same as zero.
directly_standardised_rate <- function(count, population, standard_population, group = NULL, confidence = 0.95,
                                       multiplier = 100000, minimum_events = 10, missing = c("unknown", "none")) {
  strata <- fill_missing(match.arg(missing), count = check_not_negative(count, "count"),
                         population = check_not_negative(population, "population"),
                         weight = check_not_negative(standard_population, "standard_population"))
  by_area(strata, group, function(area) {
    used <- area[is.na(area$weight) | area$weight > 0, ]
    total <- sum(area$count)
    usable <- !is.na(total) && total >= minimum_events && !anyNA(used) && all(used$population > 0)
    value <- lower <- upper <- NA_real_
    if (usable) {
      weight <- used$weight / sum(used$weight)
      value <- sum(weight * used$count / used$population)
      scale <- sqrt(sum(weight^2 * used$count / used$population^2) / sum(used$count))
      limits <- byar_count(sum(used$count), confidence)
      lower <- value + scale * (limits$lower - sum(used$count))
      upper <- value + scale * (limits$upper - sum(used$count))
    }
    data.frame(total_count = total, total_population = sum(area$population), value = value * multiplier,
               lower = lower * multiplier, upper = upper * multiplier, confidence = confidence, method = "Dobson-Byar")
  })
}

#' Standardised ratio: observed over expected
#'
#' O / E with the limits of O (exact below 10 events, Byar from 10 on) divided by E.
#' Source: Breslow and Day (1987) ch 2; the rule at 10 as in [rate].
#'
#' @param observed    events that happened
#' @param expected    events expected from age, case mix or a reference population
#' @param multiplier  1 for a ratio, 100 for the usual "SMR of 104"
#' @return data frame: observed, expected, value, lower, upper, confidence, method. Nothing expected: NA.
standardised_ratio <- function(observed, expected, confidence = 0.95, multiplier = 1) {
  limits <- rate(observed, expected, confidence = confidence, multiplier = multiplier)
  names(limits)[1:2] <- c("observed", "expected")
  limits
}

#' Events expected if the area had the reference's rates, stratum by stratum
#'
#' E = sum(population x reference_count / reference_population). Source: Breslow and Day (1987) ch 2.
#'
#' @param reference_count,reference_population  the reference's events and people per stratum
#' @param missing  as in [directly_standardised_rate]
#' @return data frame: group (only if given), observed, expected, reference_rate (events per person in the
#'   reference's strata). A missing number, or an empty reference stratum where the area has people, gives NA.
expected_events <- function(count, population, reference_count, reference_population, group = NULL,
                            missing = c("unknown", "none")) {
  strata <- fill_missing(match.arg(missing), count = check_not_negative(count, "count"),
                         population = check_not_negative(population, "population"),
                         reference = check_not_negative(reference_count, "reference_count"),
                         people = check_not_negative(reference_population, "reference_population"))
  by_area(strata, group, function(area) {
    expected <- ifelse(!is.na(area$population) & area$population == 0, 0,
                       ifelse(area$people == 0, NA_real_, area$population * area$reference / area$people))
    data.frame(observed = sum(area$count), expected = sum(expected),
               reference_rate = overall_share(area$reference, area$people))
  })
}

#' Indirectly standardised rate: the standardised ratio times the reference's crude rate
#'
#' Source: Breslow and Day (1987) ch 2. For comparing one area with the reference, not areas with each other.
#'
#' @inheritParams expected_events
#' @return data frame: group (only if given), observed, expected, reference_rate, value, lower, upper, confidence,
#'   method; rates per `multiplier`
indirectly_standardised_rate <- function(count, population, reference_count, reference_population, group = NULL,
                                         confidence = 0.95, multiplier = 100000,
                                         missing = c("unknown", "none")) {
  areas <- expected_events(count, population, reference_count, reference_population, group, match.arg(missing))
  areas$reference_rate <- areas$reference_rate * multiplier
  ratio <- standardised_ratio(areas$observed, areas$expected, confidence)
  areas$value <- ratio$value * areas$reference_rate
  areas$lower <- ratio$lower * areas$reference_rate
  areas$upper <- ratio$upper * areas$reference_rate
  areas$confidence <- ratio$confidence
  areas$method <- ratio$method
  areas
}

#' Strata as a data frame, missing numbers kept or made zero.
fill_missing <- function(missing, ...) {
  strata <- data.frame(...)
  if (missing == "none") strata[is.na(strata)] <- 0
  strata
}

#' One row per area, areas in the order in which they first appear.
by_area <- function(strata, group, row) {
  if (is.null(group)) return(row(strata))
  group <- as.character(group)
  if (anyNA(group)) stop("group must name an area in every row: see row ", which(is.na(group))[1], call. = FALSE)
  areas <- unique(group)
  rows <- lapply(areas, function(area) row(strata[group == area, , drop = FALSE]))
  if (!length(rows)) return(cbind(group = character(), row(strata)[0, ]))
  cbind(group = areas, do.call(rbind, rows))
}
