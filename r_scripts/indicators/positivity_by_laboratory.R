#' Share of tests that are positive, by laboratory
#'
#' Of the samples with a valid result (POS or NEG), how many were positive, for each laboratory, against all
#' laboratories together. Results that could not be read (N/A) are in neither count; the column not_valid gives them.
#' Laboratories serve different patients, so that they differ by more than chance: the funnel limits and the alert and
#' alarm levels hold that extra variation (in statistics: overdispersion; Spiegelhalter). An alert asks why, it does not accuse:
#' other patients, another machine, another reading of borderline samples.
#' A laboratory with fewer than 30 valid results counts in the total and is not judged.
#'
#' @input lab_results  sample_id <text>, test_date <date>, result <text>, viral_load <integer>, laboratory <text>,
#'                     clinic <text>, turnaround_hours <number>
#' @param from <date> first test day counted, NA for the first in the data, default NA
#' @param until <date> last test day counted, NA for the last in the data, default NA
#' @output laboratory <text> name of the laboratory, positive <integer> positive tests,
#'         tested <integer> positive and negative tests,
#'         not_valid <integer> tests without a usable result,
#'         positivity <number> positive tests per positive or negative test,
#'         lower_95 <number> lower Wilson limit, upper_95 <number> upper Wilson limit,
#'         target <number> positivity of all together,
#'         funnel_lower_95 <number> alert limit below, funnel_upper_95 <number> alert limit above,
#'         funnel_lower_998 <number> alarm limit below, funnel_upper_998 <number> alarm limit above,
#'         z <number> distance from the target in standard deviations, label <text> the laboratory in words,
#'         first_day <date> first day of the first quarter counted,
#'         last_day <date> last day of the last one
#' @cases positive positive tests, negative negative tests, not_valid tests without a usable result
#' @grain quarter by organisation
#' @settles 2 weeks
#' @plot funnel Positive tests by laboratory, funnel plot
#' @plot ranking Laboratories in order of positivity, with 95 % limits
#' @figure value positivity, unit laboratory, size tested, reference target, missing not_valid
#' @unit proportion of valid tests (0 to 1)
#' @direction neutral
#' @version 2.0
#' @owner team:surveillance
#' @minimum_n 30 of tested
source("../lib/proportions.R")
source("../lib/funnel.R")
source("../lib/alerts.R")
source("../lib/periods.R")
source("../lib/protected.R")
source("../lib/plots.R")

minimum_tests <- 30

positivity_by_laboratory <- function(lab_results, params = list()) {
  tests <- within_period(lab_results, "test_date", params$from, params$until)
  unnamed <- sum(is.na(tests$laboratory))
  if (unnamed) warning(unnamed, " tests name no laboratory and are left out", call. = FALSE)
  tests <- tests[!is.na(tests$laboratory), ]
  other <- sum(!tests$result %in% c("POS", "NEG", "N/A", NA))
  if (other) warning(other, " results are neither POS, NEG nor N/A; counted as not valid", call. = FALSE)

  outcome <- c(POS = "positive", NEG = "negative")[tests$result]
  data.frame(record = tests$sample_id, organisation = tests$laboratory, date = tests$test_date,
             outcome = ifelse(is.na(outcome), "not_valid", unname(outcome)))
}

positivity_by_laboratory_figures <- function(atoms) {
  laboratories <- count_results(atoms)
  wilson_limits <- wilson(laboratories$positive, laboratories$tested)
  error <- laboratories$positive_error / ifelse(laboratories$tested > 0, laboratories$tested, NA)
  limits <- widened_by_protection(wilson_limits$value, wilson_limits$lower, wilson_limits$upper, error, most = 1)
  laboratories$positivity <- wilson_limits$value
  laboratories$lower_95 <- limits$lower
  laboratories$upper_95 <- limits$upper

  overall <- overall_share(laboratories$positive, laboratories$tested)
  uncertain <- too_uncertain(laboratories$tested, laboratories$tested_error)
  volume <- ifelse(laboratories$tested >= minimum_tests & !uncertain, laboratories$tested, NA)
  funnel <- funnel_overdispersed(laboratories$positive, volume, "proportion", target = overall)
  laboratories$target <- funnel$target
  laboratories[paste0("funnel_", c("lower_95", "upper_95", "lower_998", "upper_998"))] <-
    funnel[c("lower_95", "upper_95", "lower_998", "upper_998")]
  laboratories$z <- funnel$z
  levels <- alert_alarm(funnel$z, "neutral") # beyond the limits of 95 and 99.8 %, the ones that are drawn
  laboratories$label <- trimws(paste(levels$level, levels$side))
  laboratories$label[uncertain] <- "too uncertain after protection"
  laboratories$label[laboratories$tested < minimum_tests] <- "too few to judge"
  laboratories$first_day <- rep(if (nrow(atoms)) min(atoms$period) else as.Date(NA), nrow(laboratories))
  last <- if (nrow(atoms)) seq(max(atoms$period), by = "3 months", length.out = 2)[2] - 1 else as.Date(NA)
  laboratories$last_day <- rep(last, nrow(laboratories))

  laboratories <- laboratories[c(
    "laboratory", "positive", "tested", "not_valid", "positivity", "lower_95", "upper_95", "target", "funnel_lower_95",
    "funnel_upper_95", "funnel_lower_998", "funnel_upper_998", "z", "label", "first_day", "last_day"
  )]
  list(data = laboratories, funnel = function(table) positivity_funnel(table, funnel), ranking = positivity_ranking)
}

#' Positive, valid and unreadable results per laboratory, in alphabetical order.
count_results <- function(atoms) {
  totals <- protected_totals(atoms, "organisation", c("positive", "negative", "not_valid"))
  data.frame(laboratory = as.character(totals$group), positive = totals$positive,
             tested = totals$positive + totals$negative, not_valid = totals$not_valid,
             positive_error = totals$positive_error,
             tested_error = sqrt(totals$positive_error^2 + totals$negative_error^2))
}

positivity_highlight <- function(laboratories) {
  highlight_of(laboratories$label, worse = c("alarm high", "alarm low"), different = c("alert high", "alert low"),
               too_few = c("too few to judge", "too uncertain after protection"))
}
positivity_meanings <- c(worse = "alarm (outside 99.8 %)", different = "alert (outside 95 %)", ordinary = "ordinary")

positivity_funnel <- function(laboratories, funnel) {
  title <- "Positive tests by laboratory"
  judged <- !is.na(laboratories$z)
  if (!any(judged)) return(empty_plot(title, "No laboratory has enough valid tests."))
  data <- data.frame(unit = laboratories$laboratory, size = laboratories$tested, value = laboratories$positivity,
                     highlight = positivity_highlight(laboratories))[judged, ]
  funnel_plot(
    data, funnel_curve(funnel[judged, ]), target = funnel$target[1], title = title,
    subtitle = paste0("Tests of ", period_text(c(laboratories$first_day, laboratories$last_day)),
                      ", laboratories with ", minimum_tests, " or more valid results"),
    size_label = "Valid tests", value_label = "Positive (% of valid tests)", labels = scales::label_percent(),
    target_label = paste("all laboratories", scales::percent(funnel$target[1], 0.1)), meanings = positivity_meanings,
    caption = overdispersion_caption(funnel$phi, funnel$tau2, funnel$phi_chance)
  )
}

positivity_ranking <- function(laboratories) {
  title <- "Laboratories in order of positivity"
  judged <- laboratories[!is.na(laboratories$positivity) & laboratories$tested >= minimum_tests, ]
  ranking_plot(
    data.frame(unit = judged$laboratory, value = judged$positivity, lower = judged$lower_95, upper = judged$upper_95,
               highlight = positivity_highlight(judged)),
    title = title, subtitle = paste("Laboratories with", minimum_tests, "or more valid results"),
    value_label = "Positive (% of valid tests)", labels = scales::label_percent(),
    reference = laboratories$target[1],
    reference_label = paste("all", scales::percent(laboratories$target[1], 0.1)), meanings = positivity_meanings,
    caption = paste("Lines: 95 % confidence limits (Wilson), of chance alone; colours as in the funnel, which also",
                    "holds what laboratories differ in beyond chance.")
  )
}
