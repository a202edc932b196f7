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
#'         first_test <date> first test day, last_test <date> last test day
#' @plot funnel Positive tests by laboratory, funnel plot
#' @plot ranking Laboratories in order of positivity, with 95 % limits
#' @unit proportion of valid tests (0 to 1)
#' @direction neutral
#' @version 1.1
#' @owner team:surveillance
#' @minimum_n 30
source("../lib/proportions.R")
source("../lib/funnel.R")
source("../lib/alerts.R")
source("../lib/periods.R")
source("../lib/plots.R")

minimum_tests <- 30

positivity_by_laboratory <- function(lab_results, params = list()) {
  tests <- within_period(lab_results, "test_date", params$from, params$until)
  unnamed <- sum(is.na(tests$laboratory))
  if (unnamed) warning(unnamed, " tests name no laboratory and are left out", call. = FALSE)
  tests <- tests[!is.na(tests$laboratory), ]
  other <- sum(!tests$result %in% c("POS", "NEG", "N/A", NA))
  if (other) warning(other, " results are neither POS, NEG nor N/A; counted as not valid", call. = FALSE)

  laboratories <- count_results(tests)
  wilson_limits <- wilson(laboratories$positive, laboratories$tested)
  laboratories$positivity <- wilson_limits$value
  laboratories$lower_95 <- wilson_limits$lower
  laboratories$upper_95 <- wilson_limits$upper

  overall <- overall_share(laboratories$positive, laboratories$tested)
  volume <- ifelse(laboratories$tested >= minimum_tests, laboratories$tested, NA)
  funnel <- funnel_overdispersed(laboratories$positive, volume, "proportion", target = overall)
  laboratories$target <- funnel$target
  laboratories[paste0("funnel_", c("lower_95", "upper_95", "lower_998", "upper_998"))] <-
    funnel[c("lower_95", "upper_95", "lower_998", "upper_998")]
  laboratories$z <- funnel$z
  levels <- alert_alarm(funnel$z, "neutral") # beyond the limits of 95 and 99.8 %, the ones that are drawn
  laboratories$label <- trimws(paste(levels$level, levels$side))
  laboratories$label[laboratories$tested < minimum_tests] <- "too few to judge"
  laboratories$first_test <- rep(if (nrow(tests)) min(tests$test_date) else as.Date(NA), nrow(laboratories))
  laboratories$last_test <- rep(if (nrow(tests)) max(tests$test_date) else as.Date(NA), nrow(laboratories))

  list(data = laboratories, funnel = positivity_funnel(laboratories, funnel),
       ranking = positivity_ranking(laboratories))
}

#' Positive, valid and unreadable results per laboratory, in alphabetical order.
count_results <- function(tests) {
  names <- sort(unique(tests$laboratory), method = "radix")
  place <- match(tests$laboratory, names)
  positive <- tests$result %in% "POS"
  valid <- tests$result %in% c("POS", "NEG")
  data.frame(laboratory = as.character(names), positive = tabulate(place[positive], length(names)),
             tested = tabulate(place[valid], length(names)), not_valid = tabulate(place[!valid], length(names)))
}

positivity_highlight <- function(laboratories) {
  highlight_of(laboratories$label, worse = c("alarm high", "alarm low"), different = c("alert high", "alert low"))
}
positivity_meanings <- c(worse = "alarm (outside 99.8 %)", different = "alert (outside 95 %)", ordinary = "ordinary")

positivity_funnel <- function(laboratories, funnel) {
  title <- "Positive tests by laboratory"
  judged <- laboratories$tested >= minimum_tests
  if (!any(judged)) return(empty_plot(title, "No laboratory has enough valid tests."))
  data <- data.frame(unit = laboratories$laboratory, size = laboratories$tested, value = laboratories$positivity,
                     highlight = positivity_highlight(laboratories))[judged, ]
  funnel_plot(
    data, funnel_curve(funnel[judged, ]), target = funnel$target[1], title = title,
    subtitle = paste0("Tests of ", period_text(c(laboratories$first_test, laboratories$last_test)),
                      ", laboratories with ", minimum_tests, " or more valid results"),
    size_label = "Valid tests", value_label = "Positive (% of valid tests)", labels = scales::label_percent(),
    target_label = paste("all laboratories", scales::percent(funnel$target[1], 0.1)), meanings = positivity_meanings,
    caption = overdispersion_caption(funnel$phi, funnel$tau2, funnel$phi_chance)
  )
}

positivity_ranking <- function(laboratories) {
  title <- "Laboratories in order of positivity"
  judged <- laboratories[laboratories$tested >= minimum_tests, ]
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
