# Weeks, months and the period that an indicator is about.
source("../lib/checks.R")

#' The ISO 8601 week of a date: Monday to Sunday, week 1 holds the year's first Thursday
#'
#' Source: ISO 8601-1:2019, 3.1.1.23. 2024-12-30 lies in 2025-W01, 2027-01-01 in 2026-W53.
#' @param date  dates
#' @return data frame: week ("2025-W01"), week_start (its Monday). NA stays NA.
iso_week <- function(date) {
  date <- as.Date(date)
  monday <- date - (as.POSIXlt(date)$wday + 6) %% 7
  thursday <- as.POSIXlt(monday + 3)
  number <- thursday$yday %/% 7 + 1
  week <- sprintf("%04d-W%02d", as.integer(thursday$year + 1900), as.integer(number))
  week[is.na(date)] <- NA
  data.frame(week = week, week_start = monday)
}

#' The rows between two days, both included; a day that is NULL or NA does not limit. Rows without a day are left out,
#' and a message says how many.
within_period <- function(data, column, from = NULL, until = NULL) {
  check_columns(data, column)
  day <- data[[column]]
  keep <- !is.na(day)
  if (!all(keep)) message(sum(!keep), " rows have no ", column, " and are left out")
  if (length(from) && !is.na(from)) keep <- keep & day >= as.Date(from)
  if (length(until) && !is.na(until)) keep <- keep & day <= as.Date(until)
  data[keep, , drop = FALSE]
}

#' A period in words, for subtitles: "1 March 2017 to 31 March 2019" is written 01-03-2017 to 31-03-2019.
period_text <- function(days) {
  if (!length(days) || all(is.na(days))) return("no dates")
  paste(format(min(days, na.rm = TRUE), "%d-%m-%Y"), "to", format(max(days, na.rm = TRUE), "%d-%m-%Y"))
}
