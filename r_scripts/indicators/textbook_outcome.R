#' Textbook outcome of hip replacements, adjusted for the patients, by hospital
#'
#' The percentage of operations after which everything went as it should (no complication, reoperation or readmission, home
#' within a week), adjusted for age and physical status (ASA class): observed over expected, times the percentage of
#' all hospitals together. Expected comes from a logistic regression over all patients.
#' It is a common outcome: limits are binomial (variance sum p (1 - p)); Poisson limits would be far too wide to see a poor
#' hospital. Whether the model is right is told in the log of the run:
#' how well it tells patients apart.
#' A hospital outside the limits is a question, not a verdict. Fewer than 20 operations, or fewer than five expected with
#' or without the outcome: counted in the model, not judged.
#'
#' @input operations  operation_id <text>, organisation <text>, operation_date <date>, age <integer>, asa_class <integer>,
#'                    textbook_outcome <flag>
#' @param from <date> first day of operation counted, NA for the first in the data, default NA
#' @param until <date> last day of operation counted, NA for the last in the data, default NA
#' @output organisation <text> hospital, operations <integer> operations that are compared,
#'         effective <number> how many operations would leave the same chance had all patients been alike,
#'         left_out <integer> operations without outcome, age or ASA class,
#'         observed <integer> operations with a textbook outcome, expected <number> of them expected from the patients,
#'         crude <number> percentage with a textbook outcome, adjusted <number> the same adjusted for the patients,
#'         target <number> percentage of all hospitals together,
#'         lower_95 <number> lower 95 % limit of the adjusted percentage, upper_95 <number> upper 95 % limit of it,
#'         funnel_lower_95 <number> alert limit below, funnel_upper_95 <number> alert limit above,
#'         funnel_lower_998 <number> alarm limit below, funnel_upper_998 <number> alarm limit above,
#'         z <number> distance from all hospitals in standard deviations, label <text> the hospital in words
#' @cases textbook everything went as it should, other something did not, left_out operations without outcome age or ASA class
#' @amount expected sum of expected 0..1 in steps of 0.5 textbook outcomes expected from the patients
#' @amount variance sum of variance 0..0.25 in steps of 0.5 variance of the number by chance
#' @slices age under 60 | 60 to 79 | 80 and over, asa 1 | 2 | 3 and over
#' @grain quarter by organisation
#' @settles 8 weeks
#' @plot funnel Adjusted textbook outcome by hospital, funnel plot
#' @figure value adjusted, unit organisation, size effective, reference target, missing left_out
#' @unit percentage of operations
#' @case_mix age and ASA class
#' @direction higher is better
#' @version 2.0
#' @owner team:quality
#' @minimum_n 20 of operations
source("../lib/binomial_casemix.R")
source("../lib/calibration.R")
source("../lib/periods.R")
source("../lib/protected.R")
source("../lib/plots_outcomes.R")

minimum_operations <- 20

textbook_outcome <- function(operations, params = list()) {
  rows <- within_period(operations, "operation_date", params$from, params$until)
  unnamed <- sum(is.na(rows$organisation))
  if (unnamed) warning(unnamed, " operations name no organisation and are left out", call. = FALSE)
  rows <- rows[!is.na(rows$organisation), ]
  # Few patients are of class 4 or 5: one group with class 3.
  rows$asa <- ifelse(rows$asa_class >= 3, "3 and over", as.character(rows$asa_class))
  mix <- expected_of_patients(rows, "textbook_outcome", c("age", "asa"))
  tell_model(rows, mix)
  data.frame(record = rows$operation_id, organisation = rows$organisation, date = rows$operation_date,
             outcome = ifelse(!mix$known, "left_out", ifelse(rows$textbook_outcome, "textbook", "other")),
             expected = mix$expected, variance = mix$expected * (1 - mix$expected),
             age = as.character(cut(rows$age, c(-Inf, 60, 80, Inf), c("under 60", "60 to 79", "80 and over"), right = FALSE)),
             asa = as.character(rows$asa))
}

textbook_outcome_figures <- function(atoms) {
  totals <- protected_totals(atoms, "organisation", c("textbook", "other", "left_out"), c("expected", "variance"))
  patients <- totals$textbook + totals$other
  # Steps can carry sums a little beyond what they are parts of.
  expected <- pmin(totals$expected, patients)
  variance <- pmin(totals$variance, expected)
  units <- data.frame(group = totals$group, patients = patients, left_out = totals$left_out, observed = totals$textbook,
                      expected = expected, variance = variance)
  units <- cbind(units, binomial_ratio(units$observed, expected, variance, patients)[c("value", "lower", "upper")])
  uncertain <- too_uncertain(patients, sqrt(totals$textbook_error^2 + totals$other_error^2))
  judged <- units$patients >= minimum_operations & pmin(units$expected, units$patients - units$expected) >= 5 & !uncertain
  funnel <- funnel_adjusted(units$observed, ifelse(judged, units$expected, NA), units$variance, units$patients,
                            overall(units), multiplier = 100)
  shown <- funnel$target + 0 * funnel$value # NA where nobody is judged
  error <- totals$textbook_error / ifelse(expected > 0, expected, NA)
  limits <- widened_by_protection(units$value, units$lower, units$upper, error)
  result <- data.frame(
    organisation = as.character(units$group), operations = units$patients, effective = funnel$effective_patients, left_out = units$left_out,
    observed = units$observed, expected = units$expected,
    crude = 100 * units$observed / ifelse(units$patients > 0, units$patients, NA), adjusted = funnel$value,
    target = shown,
    lower_95 = limits$lower * shown,
    upper_95 = limits$upper * shown, funnel_lower_95 = funnel$lower_95,
    funnel_upper_95 = funnel$upper_95, funnel_lower_998 = funnel$lower_998, funnel_upper_998 = funnel$upper_998, z = funnel$z,
    label = funnel$significance
  )
  result$label[!judged] <- "too few to judge"
  result$label[uncertain & patients >= minimum_operations] <- "too uncertain after protection"
  list(data = result, funnel = function(table) outcome_funnel(table, funnel))
}

#' The share of all hospitals together; NULL where there are no patients.
overall <- function(units) {
  share <- overall_share(units$observed, units$patients)
  if (is.na(share) || share %in% 0:1) NULL else share
}

tell_model <- function(rows, mix) {
  if (!any(mix$known)) return(invisible())
  if (is.null(mix$model)) {
    message("Outcome or patients do not vary: every patient is expected to fare like the average.")
  } else {
    checks <- model_checks(rows$textbook_outcome, mix$expected)
    message(sprintf(paste("Case mix: %d operations. Of two patients of whom one had a textbook outcome, the model points to that",
                          "one in %.0f %% of pairs (95 %% limits %.0f %% to %.0f %%; 50 %% is a coin)."), checks$patients,
                    100 * checks$c, 100 * checks$c_lower, 100 * checks$c_upper))
  }
  if (any(!mix$known)) message(sum(!mix$known), " operations without outcome, age or ASA class are left out.")
}

outcome_funnel <- function(result, funnel) {
  title <- "Textbook outcome of hip replacements"
  judged <- !is.na(funnel$value)
  if (!any(judged)) return(empty_plot(title, "No hospital has enough operations."))
  highlight <- highlight_of(result$label, better = "higher (99.8 %)", worse = "lower (99.8 %)",
                            different = c("lower (95 %)", "higher (95 %)"))
  funnel_plot(
    data.frame(unit = result$organisation, size = funnel$effective_patients, value = funnel$value, highlight)[judged, ],
    funnel_curve(funnel[judged, ]), target = funnel$target[1], title = title,
    subtitle = "Adjusted for age and ASA class, by hospital. The axis does not start at 0", size_label = "Operations (effective number)",
    value_label = "Adjusted textbook outcome (%)", labels = scales::label_number(),
    target_label = sprintf("all hospitals %.1f %%", funnel$target[1]), from_zero = FALSE,
    meanings = c(better = "higher (99.8 %)", different = "higher or lower (95 %)", ordinary = "not different",
                 worse = "lower (99.8 %)"),
    caption = paste("Effective number: of as many patients who are all alike chance would leave the same uncertainty.",
                    "Limits are of chance alone.")
  )
}
