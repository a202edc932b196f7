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
#'   Fewer events than minimum_events in the strata that have a weight, or no weight at all: value and limits NA. A
#'   stratum with a weight but no population, or with a missing number, makes its area NA: its rate is unknown, which is
#'   not the same as zero. A warning tells of areas whose weights add up to another total than those of the first (a
#'   stratum was left out: their rate is that of another standard population).
directly_standardised_rate <- function(count, population, standard_population, group = NULL, confidence = 0.95,
                                       multiplier = 100000, minimum_events = 10, missing = c("unknown", "none")) {
  strata <- check_strata(match.arg(missing), count = count, population = population,
                         standard_population = standard_population)
  check_multiplier(multiplier)
  minimum_events <- check_number(minimum_events, "minimum_events", 0)
  areas <- strata_groups(group, nrow(strata))
  weight <- strata$standard_population
  used <- is.na(weight) | weight > 0
  unknown <- used & (is.na(weight) | is.na(strata$count) | strata$population %in% c(0, NA))
  share <- ifelse(used & !unknown, weight / strata$population, 0)
  count <- ifelse(used & !unknown, strata$count, 0)
  sums <- area_sums(list(total = strata$count, population = strata$population, unknown = as.double(unknown),
                         weight = ifelse(used & !unknown, weight, 0), events = count, rate = share * count,
                         variance = share^2 * count), areas)
  tell_other_standards(weight, areas)
  dsr_frame(sums, areas, confidence, multiplier, minimum_events)
}

#' Directly standardised rate of events that can happen to one person again (readmissions, falls, attacks)
#'
#' Events of one person are not independent: limits that take them so are too narrow. Rate sum(w f x / n) / sum(w) over
#' strata and numbers of events f, x people with f events each; variance sum(w^2 f^2 x / n^2) / sum(w)^2; limits as
#' [directly_standardised_rate]. Source: Stukel TA et al (1994) Stat Med 13:1781-1791; Public Health England, technical
#' guide "Confidence intervals" (2018), as phe_dsr(independent_events = FALSE) of PHEindicatormethods.
#'
#' @param stratum              age band (or other stratum) of each row
#' @param people               people of the stratum with exactly `events` events
#' @param events               how many events each of them had; rows with 0 may be left out
#' @param population,standard_population  of the stratum, the same in each of its rows. Every stratum needs a row: one
#'                             without events has people 0
#' @inheritParams directly_standardised_rate
#' @return data frame: group (only if given), total_count (events), total_people (with events), total_population, value,
#'   lower, upper, confidence, method. Edge cases as [directly_standardised_rate]
directly_standardised_rate_repeats <- function(stratum, people, events, population, standard_population, group = NULL,
                                               confidence = 0.95, multiplier = 100000, minimum_events = 10) {
  rows <- check_strata("unknown", people = people, events = events, population = population,
                       standard_population = standard_population)
  check_multiplier(multiplier)
  minimum_events <- check_number(minimum_events, "minimum_events", 0)
  areas <- strata_groups(group, nrow(rows))
  strata <- check_groups(stratum, nrow(rows), "stratum")
  place <- paste(areas$index, strata$index)
  first <- match(place, place)
  for (name in c("population", "standard_population")) {
    stop_at(!(rows[[name]] == rows[[name]][first] | (is.na(rows[[name]]) & is.na(rows[[name]][first]))) %in% TRUE, name,
            " differs from that of the same stratum in an earlier row")
  }
  stop_at(duplicated(paste(place, rows$events)), "the stratum has a row with this number of events already")
  once <- first == seq_along(first)
  weight <- rows$standard_population
  used <- is.na(weight) | weight > 0
  count <- rows$people * rows$events
  unknown <- used & (is.na(weight) | is.na(count) | rows$population %in% c(0, NA))
  share <- ifelse(used & !unknown, weight / rows$population, 0)
  kept <- ifelse(used & !unknown, count, 0)
  sums <- area_sums(list(total = count, people = ifelse(rows$events %in% 0, 0, rows$people),
                         population = ifelse(once, rows$population, 0), unknown = as.double(unknown),
                         weight = ifelse(once & used & !unknown, weight, 0), events = kept, rate = share * kept,
                         variance = share^2 * kept * ifelse(is.na(rows$events), 0, rows$events)), areas)
  tell_other_standards(weight[once], list(names = areas$names, index = areas$index[once]))
  dsr_frame(sums, areas, confidence, multiplier, minimum_events, c("people", "population"))
}

#' Value and Dobson's limits of areas from their sums; `shown`: the sums to show beside the events.
dsr_frame <- function(sums, areas, confidence, multiplier, minimum_events, shown = "population") {
  usable <- (sums$unknown == 0 & !is.na(sums$total) & sums$weight > 0 & sums$events >= minimum_events) %in% TRUE
  value <- ifelse(usable, sums$rate / sums$weight, NA_real_)
  scale <- ifelse(usable & sums$events > 0, sqrt(sums$variance / sums$events) / sums$weight, NA_real_)
  limits <- byar_count(sums$events, confidence)
  totals <- stats::setNames(sums[shown], paste0("total_", shown))
  named(areas, data.frame(total_count = sums$total, totals, value = value * multiplier,
                          lower = (value + scale * (limits$lower - sums$events)) * multiplier,
                          upper = (value + scale * (limits$upper - sums$events)) * multiplier,
                          confidence = rep_len(confidence, nrow(sums)), method = rep_len("Dobson-Byar", nrow(sums))))
}

#' Standardised ratio: observed over expected
#'
#' O / E with the limits of O (exact below 10 events, Byar from 10 on) divided by E.
#' Source: Breslow and Day (1987) ch 2; the rule at 10 as in [rate].
#'
#' @param observed    events that happened
#' @param expected    events expected from age, case mix or a reference population
#' @param multiplier  1 for a ratio, 100 for the usual "SMR of 104"
#' @param limits      as in [rate]: "exact" never contradicts funnel_ratio()
#' @return data frame: observed, expected, value, lower, upper, confidence, method. Nothing expected: NA.
standardised_ratio <- function(observed, expected, confidence = 0.95, multiplier = 1,
                               limits = c("byar from 10", "exact")) {
  result <- rate(check_not_negative(observed, "observed"), check_not_negative(expected, "expected"), confidence,
                 multiplier, match.arg(limits))
  names(result)[1:2] <- c("observed", "expected")
  result
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
  strata <- check_strata(match.arg(missing), count = count, population = population, reference_count = reference_count,
                         reference_population = reference_population)
  areas <- strata_groups(group, nrow(strata))
  rate <- ifelse(strata$reference_population == 0, NA_real_, strata$reference_count / strata$reference_population)
  sums <- area_sums(list(observed = strata$count,
                         expected = ifelse(strata$population %in% 0, 0, strata$population * rate),
                         reference = strata$reference_count, people = strata$reference_population), areas)
  named(areas, data.frame(observed = sums$observed, expected = sums$expected,
                          reference_rate = ifelse(sums$people == 0, NA_real_, sums$reference / sums$people)))
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
  areas$reference_rate <- areas$reference_rate * check_multiplier(multiplier)
  ratio <- standardised_ratio(areas$observed, areas$expected, confidence)
  areas$value <- ratio$value * areas$reference_rate
  areas$lower <- ratio$lower * areas$reference_rate
  areas$upper <- ratio$upper * areas$reference_rate
  areas$confidence <- ratio$confidence
  areas$method <- ratio$method
  areas
}

#' Strata as a data frame of equally long columns, missing numbers kept or made zero.
check_strata <- function(missing, ...) {
  columns <- list(...)
  columns <- Map(check_not_negative, columns, names(columns))
  strata <- do.call(check_rows, columns)
  if (missing == "none") strata[is.na(strata)] <- 0
  strata
}

#' The areas of strata as check_groups() gives them; without `group` one area without a name, also of no strata.
strata_groups <- function(group, rows) {
  if (is.null(group)) return(list(names = NULL, index = rep(1L, rows)))
  check_groups(group, rows)
}

#' Sums per area; no strata of an area without a name sum to 0.
area_sums <- function(columns, areas) {
  if (is.null(areas$names) && !length(areas$index)) return(as.data.frame(lapply(columns, sum)))
  group_sums(columns, areas)
}

#' `rows` with the areas' names before them, if they have names.
named <- function(areas, rows) if (is.null(areas$names)) rows else cbind(group = areas$names, rows)

#' Warn of areas whose weights add up to another standard population than the first area's.
tell_other_standards <- function(weight, areas) {
  if (length(areas$names) < 2 || anyNA(weight)) return(invisible())
  total <- group_sums(list(weight = weight), areas)$weight
  other <- which(abs(total - total[1]) > 1e-9 * total[1])
  if (length(other)) {
    warning(length(other), " of ", length(total), " areas have another sum of standard_population than the first (see ",
            "row ", match(other[1], areas$index), "): a stratum is missing or double, and their rates are not comparable",
            call. = FALSE)
  }
}
