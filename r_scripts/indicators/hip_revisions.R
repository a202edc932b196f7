#' Revisions of hip prostheses within a year, against what age leads one to expect, by hospital
#'
#' Every operation is followed for one year: until a revision, death, or the anniversary. Two answers: the share that is
#' revised within the year (actuarial: who dies counts for half a year at risk), and revisions over those expected of the
#' time at risk. Expected is each patient's time times the revision rate of the age group among all hospitals together:
#' younger patients wear a prosthesis out sooner. 1 is as many as in patients of those ages.
#' Limits of the ratio are exact (Poisson), of chance and of what protection may have moved. A hospital with fewer than 20
#' operations or less than one expected revision is not judged. A year of operations is published a year after its end.
#'
#' @input operations  operation_id <text>, organisation <text>, operation_date <date>, age <integer>,
#'                    follow_up_days <integer>, follow_up_ended_by <text>
#' @param from <date> first day of operation counted, NA for the first in the data, default NA
#' @param until <date> last day of operation counted, NA for the last in the data, default NA
#' @output organisation <text> hospital, operations <integer> operations that are compared,
#'         left_out <integer> operations without age or follow-up, years <number> years at risk,
#'         observed <integer> revisions within a year, expected <number> revisions expected of the time at risk,
#'         ratio <number> observed over expected, lower_95 <number> lower 95 % limit of the ratio,
#'         upper_95 <number> upper 95 % limit of the ratio, revised <number> percentage revised within a year,
#'         revised_lower <number> lower 95 % limit of it, revised_upper <number> upper 95 % limit of it,
#'         z <number> distance from 1 in standard deviations, label <text> the hospital in words
#' @cases revised revised within a year, died died within a year and not revised,
#'        kept neither within the year, left_out operations without age or follow-up
#' @amount years sum of years 0..1 in steps of 0.5 years at risk
#' @amount expected sum of expected 0..1 in steps of 0.5 revisions expected of the time at risk
#' @slices age under 60 | 60 to 69 | 70 to 79 | 80 and over
#' @grain year by organisation
#' @settles 52 weeks
#' @plot funnel Revisions over expected by hospital, funnel plot
#' @plot ranking Hospitals in order of the share revised within a year
#' @figure value ratio, unit organisation, size expected, reference 1, missing left_out
#' @unit ratio of observed to expected revisions (1 is as expected)
#' @case_mix age
#' @direction higher is worse
#' @version 2.0
#' @owner team:quality
#' @minimum_n 20 of operations
source("../lib/survival.R")
source("../lib/funnel.R")
source("../lib/proportions.R")
source("../lib/periods.R")
source("../lib/plots_outcomes.R")
source("../lib/protected.R")

minimum_operations <- 20

hip_revisions <- function(operations, params = list()) {
  rows <- within_period(operations, "operation_date", params$from, params$until)
  unnamed <- sum(is.na(rows$organisation))
  if (unnamed) warning(unnamed, " operations name no organisation and are left out", call. = FALSE)
  rows <- rows[!is.na(rows$organisation), ]
  known <- !is.na(rows$age) & !is.na(rows$follow_up_days) & !is.na(rows$follow_up_ended_by)
  years <- replace(pmin(rows$follow_up_days / 365.25, 1), !known, NA)
  within_year <- known & rows$follow_up_days < 365.25
  revised <- replace(within_year & rows$follow_up_ended_by %in% "revision", !known, NA)
  age_group <- cut(rows$age, c(-Inf, 60, 70, 80, Inf), c("under 60", "60 to 69", "70 to 79", "80 and over"), right = FALSE)
  age_group <- replace(as.character(age_group), is.na(age_group), "unknown")
  expected <- person_time_expected(years, revised, age_group)$expected
  outcome <- ifelse(within_year & rows$follow_up_ended_by %in% "death", "died", "kept")
  outcome[revised %in% TRUE] <- "revised"
  outcome[!known] <- "left_out"
  data.frame(record = rows$operation_id, organisation = rows$organisation, date = rows$operation_date,
             outcome = as.character(outcome), years = years, expected = expected,
             age = replace(age_group, age_group == "unknown", NA))
}

hip_revisions_figures <- function(atoms) {
  counts <- c("revised", "died", "kept", "left_out")
  units <- protected_totals(atoms, "organisation", counts, c("years", "expected"))
  patients <- units$revised + units$died + units$kept
  limits <- standardised_ratio(units$revised, units$expected, limits = "exact")
  positive <- function(x) ifelse(x > 0, x, NA)
  widened <- widened_by_protection(limits$value, limits$lower, limits$upper, units$revised_error / positive(units$expected))
  # Source: Cutler SJ, Ederer F (1958) Maximum utilization of the life table method, J Chronic Dis 8:699-712.
  at_risk <- patients - units$died / 2
  share <- wilson(pmin(units$revised, at_risk), positive(at_risk), multiplier = 100)
  shares <- widened_by_protection(share$value, share$lower, share$upper, 100 * units$revised_error / positive(at_risk),
                                  most = 100)
  uncertain <- too_uncertain(units$revised, units$revised_error)
  judged <- patients >= minimum_operations & units$expected >= 1 & !uncertain
  funnel <- funnel_ratio(units$revised, ifelse(judged, units$expected, NA))
  result <- data.frame(
    organisation = as.character(units$group), operations = patients, left_out = units$left_out, years = units$years,
    observed = units$revised, expected = units$expected, ratio = limits$value, lower_95 = widened$lower,
    upper_95 = widened$upper, revised = share$value, revised_lower = shares$lower, revised_upper = shares$upper,
    z = funnel$z, label = funnel$significance
  )
  result$label[!judged] <- "too few to judge"
  result$label[uncertain & patients >= minimum_operations] <- "too uncertain after protection"
  list(data = result, funnel = function(table) revision_funnel(table, funnel), ranking = revision_ranking)
}

revision_highlight <- function(label) {
  highlight_of(label, better = "lower (99.8 %)", worse = "higher (99.8 %)",
               different = c("lower (95 %)", "higher (95 %)"),
               too_few = c("too few to judge", "too uncertain after protection", "no data"))
}
revision_meanings <- c(worse = "higher (99.8 %)", different = "higher or lower (95 %)", ordinary = "not different",
                       better = "lower (99.8 %)", too_few = "not judged")

revision_funnel <- function(result, funnel) {
  title <- "Revisions of hip prostheses: observed over expected"
  judged <- !is.na(result$z)
  if (!any(judged)) return(empty_plot(title, "No hospital has enough operations."))
  funnel_plot(
    data.frame(unit = result$organisation, size = funnel$expected, value = funnel$value,
               highlight = revision_highlight(result$label))[judged, ],
    funnel_curve(funnel[judged, ]), target = 1, title = title, subtitle = "Expected of the time at risk, by age group",
    size_label = "Expected revisions", value_label = "Observed / expected", labels = scales::label_number(),
    target_label = "1.0: as many as expected", meanings = revision_meanings,
    caption = "Limits are exact and of chance alone."
  )
}

revision_ranking <- function(result) {
  title <- "Hip prostheses revised within a year"
  known <- result[!is.na(result$revised), ]
  if (!nrow(known)) return(empty_plot(title))
  country <- 100 * overall_share(known$observed, known$operations)
  ranking_plot(
    data.frame(unit = known$organisation, value = known$revised, lower = known$revised_lower, upper = known$revised_upper,
               highlight = revision_highlight(known$label)),
    title = title, value_label = "Revised within a year (%)", labels = scales::label_number(),
    reference = country, reference_label = sprintf("all hospitals %.1f %%", country), meanings = revision_meanings,
    caption = "Lines: 95 % limits, of chance and of what protection may have moved."
  )
}
