#' Turnaround of laboratory tests, by week
#'
#' Hours from sample to result, per ISO week (Monday to Sunday, year of the week's Thursday): the median, because a few
#' lost samples pull the mean away, and beside it the mean with its limits. A control chart tells a change of the
#' process from its usual variation; its limits come from how much one week differs from the next (an XmR chart).
#' Fewer than 12 charted weeks are shown and not judged.
#' A week that is not over on the last test day is shown and not judged: its slow results have yet to come. A week with
#' fewer than 10 results is not charted. Weeks without any result keep their place in the series.
#'
#' @input lab_results  sample_id <text>, test_date <date>, result <text>, viral_load <integer>, laboratory <text>,
#'                     clinic <text>, turnaround_hours <number>
#' @param measure <text> what the chart is of, median or mean, default median
#' @param from <date> first test day counted, NA for the first in the data, default NA
#' @param until <date> last test day counted, NA for the last in the data, default NA
#' @output week <text> ISO week, week_start <date> its Monday, tests <integer> tests with a turnaround time,
#'         without_turnaround <integer> tests without one, median_hours <number> median from sample to result,
#'         mean_hours <number> mean from sample to result, mean_lower_95 <number> lower Student limit of the mean,
#'         mean_upper_95 <number> upper Student limit of the mean, value <number> what the chart is of,
#'         centre <number> centre line of the control chart, lower_limit <number> lower control limit,
#'         upper_limit <number> upper control limit, special_cause <text> rule that the week breaks, or usual variation,
#'         label <text> the week in words
#' @plot chart Turnaround by week, control chart (XmR)
#' @unit hours
#' @direction higher is worse
#' @version 1.2
#' @owner team:surveillance
#' @minimum_n 10
source("../lib/means.R")
source("../lib/control_charts.R")
source("../lib/periods.R")
source("../lib/plots.R")

minimum_results <- 10

turnaround <- function(lab_results, params = list()) {
  measure <- match.arg(given(params$measure, "median"), c("median", "mean"))
  tests <- within_period(lab_results, "test_date", params$from, params$until)
  negative <- which(tests$turnaround_hours < 0)
  if (length(negative)) {
    warning(length(negative), " turnaround times are below zero; left out as unknown", call. = FALSE)
    tests$turnaround_hours[negative] <- NA
  }
  weeks <- weekly_turnaround(tests)
  charted <- if (measure == "median") weeks$median_hours else weeks$mean_hours
  charted[weeks$tests < minimum_results] <- NA
  unfinished <- rep(nrow(tests) > 0, nrow(weeks)) & weeks$week_start + 6 > max(tests$test_date, as.Date(-Inf))
  chart <- xmr(ifelse(unfinished, NA, charted), "higher is worse", period = weeks$week_start)

  weeks$value <- charted
  weeks$centre <- chart$centre
  weeks$lower_limit <- pmax(chart$lower, 0)
  weeks$upper_limit <- chart$upper
  weeks$special_cause <- chart$special_cause
  weeks$label <- chart$judgement
  few <- chart$judgement == "too few points to judge"
  weeks$special_cause[few] <- weeks$label[few] <- "too few weeks to judge"
  weeks$label[weeks$tests < minimum_results] <- "too few to judge"
  weeks$special_cause[unfinished] <- weeks$label[unfinished] <- "week not over"
  list(data = weeks, chart = turnaround_chart(weeks, measure))
}

#' One row per ISO week from the first to the last, weeks without tests included.
weekly_turnaround <- function(tests) {
  start <- iso_week(tests$test_date)$week_start
  starts <- all_periods(start, "week")
  known <- !is.na(tests$turnaround_hours)
  place <- match(start, starts)
  hours <- split(tests$turnaround_hours[known], factor(place[known], levels = seq_along(starts)))
  means <- mean_student(tests$turnaround_hours[known], place[known])
  means <- means[match(seq_along(starts), means$group), ]
  data.frame(
    week = iso_week(starts)$week, week_start = starts, tests = tabulate(place[known], length(starts)),
    without_turnaround = tabulate(place[!known], length(starts)),
    median_hours = vapply(hours, function(x) if (length(x)) stats::median(x) else NA_real_, numeric(1)),
    mean_hours = means$value, mean_lower_95 = means$lower, mean_upper_95 = means$upper, row.names = NULL
  )
}

turnaround_chart <- function(weeks, measure) {
  title <- "From sample to result"
  if (!nrow(weeks)) return(empty_plot(title))
  control_chart_plot(
    data.frame(period = weeks$week_start, value = weeks$value, centre = weeks$centre, lower = weeks$lower_limit,
               upper = weeks$upper_limit, highlight = highlight_of(weeks$label, better = "improvement",
                                                                   worse = "concern", too_few = "week not over")),
    title = title, subtitle = paste0(if (measure == "median") "Median" else "Mean", " turnaround per week"),
    value_label = "Hours", include = 0, meanings = c(worse = "concern (slower)", better = "improvement (faster)",
                                        ordinary = "usual variation", too_few = "week not over"),
    caption = paste("Band: usual variation, from how much one week differs from the next (XmR). Weeks start on Monday;",
                    "weeks with fewer than", minimum_results, "results are left out.")
  )
}
