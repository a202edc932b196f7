#' Turnaround of laboratory tests, by week
#'
#' Hours from sample to result, per ISO week (Monday to Sunday, year of the week's Thursday): the median, because a few
#' lost samples pull the mean away, and beside it the mean. A control chart tells a change of the
#' process from its usual variation; its limits come from how much one week differs from the next (an XmR chart).
#' Fewer than 12 charted weeks are shown and not judged.
#' A week is published two weeks after its end, when slow results have come. A week with fewer than 10 results is not
#' charted. Weeks without any result keep their place in the series.
#'
#' @input lab_results  sample_id <text>, test_date <date>, result <text>, viral_load <integer>, laboratory <text>,
#'                     clinic <text>, turnaround_hours <number>
#' @param from <date> first test day counted, NA for the first in the data, default NA
#' @param until <date> last test day counted, NA for the last in the data, default NA
#' @output week <text> ISO week, week_start <date> its Monday, tests <integer> tests with a turnaround time,
#'         without_turnaround <integer> tests without one, median_hours <number> median from sample to result,
#'         mean_hours <number> mean from sample to result, value <number> what the chart is of: the median,
#'         centre <number> centre line of the control chart, lower_limit <number> lower control limit,
#'         upper_limit <number> upper control limit, special_cause <text> rule that the week breaks, or usual variation,
#'         label <text> the week in words
#' @cases timed tests with a turnaround time, untimed tests without one
#' @amount median_hours median of hours 0..240 in steps of 0.5
#' @amount mean_hours mean of hours 0..240 in steps of 0.5
#' @grain week
#' @settles 2 weeks
#' @plot chart Turnaround by week, control chart (XmR)
#' @figure value value, time week_start, size tests, missing untimed
#' @unit hours
#' @direction higher is worse
#' @version 2.0
#' @owner team:surveillance
#' @minimum_n 10 of tests
source("../lib/control_charts.R")
source("../lib/periods.R")
source("../lib/plots.R")

minimum_results <- 10

turnaround <- function(lab_results, params = list()) {
  tests <- within_period(lab_results, "test_date", params$from, params$until)
  negative <- which(tests$turnaround_hours < 0)
  if (length(negative)) {
    warning(length(negative), " turnaround times are below zero; left out as unknown", call. = FALSE)
    tests$turnaround_hours[negative] <- NA
  }
  data.frame(record = tests$sample_id, date = tests$test_date,
             outcome = ifelse(is.na(tests$turnaround_hours), "untimed", "timed"), hours = as.double(tests$turnaround_hours))
}

turnaround_figures <- function(atoms) {
  starts <- all_periods(atoms$period, "week")
  place <- match(starts, atoms$period)
  count <- function(x) {
    n <- as.integer(x[place])
    n[is.na(n)] <- 0L
    n
  }
  weeks <- data.frame(week = iso_week(starts)$week, week_start = starts, tests = count(atoms$timed),
                      without_turnaround = count(atoms$untimed), median_hours = atoms$median_hours[place],
                      mean_hours = atoms$mean_hours[place])
  charted <- weeks$median_hours
  charted[weeks$tests < minimum_results] <- NA
  chart <- xmr(charted, "higher is worse", period = weeks$week_start, phase = phase_since(weeks$week_start, since))
  weeks$value <- charted
  weeks$centre <- chart$centre
  weeks$lower_limit <- pmax(chart$lower, 0)
  weeks$upper_limit <- chart$upper
  weeks$special_cause <- chart$special_cause
  weeks$label <- chart$judgement
  few <- chart$judgement == "too few points to judge"
  weeks$special_cause[few] <- weeks$label[few] <- "too few weeks to judge"
  weeks$label[weeks$tests < minimum_results] <- "too few to judge"
  list(data = weeks, chart = turnaround_chart)
}

turnaround_chart <- function(weeks) {
  title <- "From sample to result"
  if (!nrow(weeks)) return(empty_plot(title))
  control_chart_plot(
    data.frame(period = weeks$week_start, value = weeks$value, centre = weeks$centre, lower = weeks$lower_limit,
               upper = weeks$upper_limit, highlight = highlight_of(weeks$label, better = "improvement",
                                                                   worse = "concern")),
    title = title, subtitle = "Median turnaround per week",
    value_label = "Hours", include = 0, meanings = c(worse = "concern (slower)", better = "improvement (faster)",
                                        ordinary = "usual variation"),
    caption = paste("Band: usual variation, from how much one week differs from the next (XmR). Weeks start on Monday;",
                    "weeks with fewer than", minimum_results, "results are left out.")
  )
}
