#' Revisions of hip prostheses: how soon, and against what age leads one to expect, by hospital
#'
#' Not every prosthesis is followed equally long. Two answers that allow for it: the share that has been revised after one
#' and two years (Kaplan-Meier: death and the end of follow-up end the time at risk), and revisions over those expected of the
#' time at risk. Expected is each patient's time times the revision rate of the age group among all hospitals together:
#' younger patients wear a prosthesis out sooner. 1 is as many as in patients of those ages.
#' Limits are exact (Poisson) and of chance alone. A hospital with fewer than 20 operations or less than one expected
#' revision is not judged.
#'
#' @input operations  operation_id <text>, organisation <text>, operation_date <date>, age <integer>,
#'                    follow_up_days <integer>, follow_up_ended_by <text>
#' @param from <date> first day of operation counted, NA for the first in the data, default NA
#' @param until <date> last day of operation counted, NA for the last in the data, default NA
#' @output organisation <text> hospital, operations <integer> operations that are compared,
#'         left_out <integer> operations without age or follow-up, years <number> years at risk,
#'         observed <integer> revisions, expected <number> revisions expected of the time at risk,
#'         ratio <number> observed over expected, lower_95 <number> lower 95 % limit of the ratio,
#'         upper_95 <number> upper 95 % limit of the ratio, revised_1_year <number> percentage revised after one year,
#'         revised_2_years <number> percentage revised after two years,
#'         revised_2_years_lower <number> lower 95 % limit of it, revised_2_years_upper <number> upper 95 % limit of it,
#'         z <number> distance from 1 in standard deviations, label <text> the hospital in words
#' @plot funnel Revisions over expected by hospital, funnel plot
#' @plot curves Share revised by time since operation (Kaplan-Meier)
#' @unit ratio of observed to expected revisions (1 is as expected)
#' @direction higher is worse
#' @version 1.0
#' @owner team:quality
#' @minimum_n 20
source("../lib/survival.R")
source("../lib/funnel.R")
source("../lib/periods.R")
source("../lib/plots_outcomes.R")

minimum_operations <- 20

hip_revisions <- function(operations, params = list()) {
  rows <- within_period(operations, "operation_date", params$from, params$until)
  unnamed <- sum(is.na(rows$organisation))
  if (unnamed) warning(unnamed, " operations name no organisation and are left out", call. = FALSE)
  rows <- rows[!is.na(rows$organisation), ]
  known <- !is.na(rows$age) & !is.na(rows$follow_up_days) & !is.na(rows$follow_up_ended_by)
  rows$years <- replace(rows$follow_up_days / 365.25, !known, NA)
  rows$revised <- replace(rows$follow_up_ended_by == "revision", !known, NA)
  age_group <- cut(rows$age, c(-Inf, 60, 70, 80, Inf), c("under 60", "60 to 69", "70 to 79", "80 and over"), right = FALSE)
  age_group <- replace(as.character(age_group), is.na(age_group), "unknown")
  expected <- person_time_expected(rows$years, rows$revised, age_group)$expected

  units <- observed_expected(rows$organisation, rows$revised, expected, family = "poisson")
  units <- units[order(units$group, method = "radix"), ]
  judged <- units$patients >= minimum_operations & units$expected >= 1
  funnel <- funnel_ratio(units$observed, ifelse(judged, units$expected, NA))
  curve <- kaplan_meier(rows$years, rows$revised, rows$organisation)
  at <- lapply(c(1, 2), function(year) revised_by(curve, year, as.character(units$group)))
  years <- vapply(split(rows$years, rows$organisation), sum, 0, na.rm = TRUE)
  result <- data.frame(
    organisation = as.character(units$group), operations = as.integer(units$patients), left_out = as.integer(units$left_out),
    years = as.double(years[match(units$group, names(years))]), observed = as.integer(units$observed), expected = units$expected,
    ratio = units$value, lower_95 = units$lower, upper_95 = units$upper, revised_1_year = at[[1]]$value,
    revised_2_years = at[[2]]$value, revised_2_years_lower = at[[2]]$lower, revised_2_years_upper = at[[2]]$upper, z = funnel$z,
    label = funnel$significance
  )
  result$label[!judged] <- "too few to judge"
  list(data = result, funnel = revision_funnel(result, funnel), curves = revision_curves(rows, curve, result))
}

#' Percentage revised by a year in each hospital; NA where nobody was followed for so long.
revised_by <- function(curve, year, hospitals) {
  read <- curve_at(curve, year)
  read <- read[match(hospitals, read$group), ]
  data.frame(value = 100 * (1 - read$value), lower = 100 * (1 - read$upper), upper = 100 * (1 - read$lower))
}

revision_funnel <- function(result, funnel) {
  title <- "Revisions of hip prostheses: observed over expected"
  judged <- !is.na(funnel$value)
  if (!any(judged)) return(empty_plot(title, "No hospital has enough operations."))
  highlight <- highlight_of(result$label, better = "lower (99.8 %)", worse = "higher (99.8 %)",
                            different = c("lower (95 %)", "higher (95 %)"))
  funnel_plot(
    data.frame(unit = result$organisation, size = funnel$expected, value = funnel$value, highlight)[judged, ],
    funnel_curve(funnel[judged, ]), target = 1, title = title, subtitle = "Expected of the time at risk, by age group",
    size_label = "Expected revisions", value_label = "Observed / expected", labels = scales::label_number(),
    target_label = "1.0: as many as expected",
    meanings = c(worse = "higher (99.8 %)", different = "higher or lower (95 %)", ordinary = "not different",
                 better = "lower (99.8 %)"), caption = "Limits are exact and of chance alone."
  )
}

revision_curves <- function(rows, curve, result) {
  title <- "Hip prostheses revised since the operation"
  if (!nrow(curve)) return(empty_plot(title))
  all <- kaplan_meier(rows$years, rows$revised)
  # Where fewer than a tenth are still followed a step is drawn by few patients.
  end <- max(all$time[all$at_risk >= 0.1 * sum(all$events + all$left)])
  revised <- function(curve) {
    curve[c("value", "lower", "upper")] <- 1 - curve[c("value", "upper", "lower")]
    curve
  }
  stand_out <- result$organisation[grepl("higher|lower", result$label)]
  stand_out <- stand_out[order(-abs(result$z[match(stand_out, result$organisation)]))]
  survival_plot(
    revised(curve), title, "Years since the operation", "Revised (%)", highlighted = utils::head(stand_out, 6), end = max(end, 0.01),
    overall = revised(all), falls = FALSE,
    subtitle = paste0("Black: all hospitals together; grey: each", if (length(stand_out)) "; in colour, with 95 % limits: those outside the funnel"),
    caption = "Kaplan-Meier: death and the end of follow-up end the time at risk."
  )
}
