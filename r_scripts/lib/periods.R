# Weeks, months and the period that an indicator is about: which one a day lies in, sums per period, gaps put in.
source("../lib/checks.R")

period_lengths <- c("month", "week", "day", "quarter", "year")

#' The ISO 8601 week of a date: Monday to Sunday, week 1 holds the year's first Thursday
#'
#' Source: ISO 8601-1:2019, 3.1.1.23. 2024-12-30 lies in 2025-W01, 2027-01-01 in 2026-W53.
#' @param date  dates, or times (the day in their own time zone)
#' @return data frame: week ("2025-W01"), week_start (its Monday). NA stays NA.
iso_week <- function(date) {
  monday <- period_start(date, "week")
  thursday <- as.POSIXlt(monday + 3)
  number <- thursday$yday %/% 7 + 1
  week <- sprintf("%04d-W%02d", as.integer(thursday$year + 1900), as.integer(number))
  week[is.na(monday)] <- NA
  data.frame(week = week, week_start = monday)
}

#' The first day of the period that a day lies in
#'
#' @param date  dates, or times (the day in their own time zone)
#' @param by    "month", "week" (from Monday), "day", "quarter" or "year"
#' @return dates; NA stays NA
period_start <- function(date, by = "month") {
  by <- match.arg(by, period_lengths)
  day <- check_days(date, "date")
  parts <- as.POSIXlt(day)
  switch(by,
    day = day,
    week = day - (parts$wday + 6) %% 7,
    month = first_of_month(parts$year * 12 + parts$mon),
    quarter = first_of_month(parts$year * 12 + parts$mon %/% 3 * 3),
    year = first_of_month(parts$year * 12)
  )
}

#' The first day of a month, counted from January 1900.
first_of_month <- function(month) {
  text <- sprintf("%04d-%02d-01", as.integer(1900 + month %/% 12), as.integer(month %% 12 + 1))
  text[is.na(month)] <- NA
  as.Date(text, format = "%Y-%m-%d")
}

#' The first days of all periods from the first to the last of `starts`, which are first days themselves.
#' @return dates
all_periods <- function(starts, by) {
  by <- match.arg(by, period_lengths)
  starts <- check_days(starts, "starts")
  stop_at(is.na(starts), "starts is missing")
  if (!length(starts)) return(starts)
  seq(min(starts), max(starts), by = if (by == "quarter") "3 months" else by)
}

#' Sums per period, and per group if asked: one row for every period from a group's first to its last
#'
#' Rows of the same month, whatever their day, are added up. A period without rows has NA: nothing was reported, which is
#' not the same as zero. A missing number makes the sum of its period unknown.
#'
#' @param data    data frame
#' @param period  name of the column of dates or times
#' @param sums    names of the columns to add up
#' @param by      as in [period_start]
#' @param group   name of a column to do it apart for, or NULL
#' @return data frame: the group (if asked; in order of its text), the period's first day under the name of `period`, the
#'   sums; in order of group and time
period_totals <- function(data, period, sums, by = "month", group = NULL) {
  by <- match.arg(by, period_lengths)
  check_columns(data, c(check_name(period, "period"), check_name(sums, "sums", many = TRUE),
                        check_name(group, "group", optional = TRUE)))
  start <- period_start(data[[period]], by)
  stop_at(is.na(start), "column ", period, " is missing")
  columns <- lapply(stats::setNames(sums, sums), function(name) check_numbers(data[[name]], paste("column", name)))
  groups <- check_groups(if (is.null(group)) rep("", nrow(data)) else data[[group]], nrow(data), paste("column", group))
  order <- order(groups$names, method = "radix")
  parts <- split(as.double(start), factor(groups$index, order))
  of <- rep(seq_along(parts), vapply(parts, function(part) length(all_periods(as_day(part), by)), 1L))
  period_days <- unlist(lapply(parts, function(part) as.double(all_periods(as_day(part), by))), use.names = FALSE)
  result <- data.frame(group = groups$names[order][of], period = as_day(as.double(period_days)))
  place <- match(paste(match(groups$index, order), as.double(start)), paste(of, period_days))
  for (name in names(columns)) {
    result[[name]] <- rep(NA_real_, nrow(result))
    total <- if (length(place)) rowsum(columns[[name]], place)[, 1] else numeric()
    result[[name]][as.integer(names(total))] <- total
  }
  names(result)[1:2] <- c(if (is.null(group)) "group" else group, period)
  if (is.null(group)) result[-1] else result
}

#' A series with a row for every period from its first to its last; the ones put in have NA
#'
#' @param data    data frame with one row per period
#' @param period  name of its column of dates; each is put at the first day of its period
#' @param by      as in [period_start]
#' @return `data` in order of time with rows put in
complete_periods <- function(data, period = "period", by = "month") {
  by <- match.arg(by, period_lengths)
  check_columns(data, check_name(period, "period"))
  start <- period_start(data[[period]], by)
  stop_at(is.na(start), "column ", period, " is missing")
  stop_at(duplicated(start), "column ", period, " has a ", by, " twice (period_totals() adds up its rows)")
  all <- all_periods(start, by)
  result <- data[match(all, start), , drop = FALSE]
  result[[period]] <- all
  rownames(result) <- NULL
  result
}

as_day <- function(days) as.Date(days, origin = "1970-01-01")

#' The rows between two days, both included; a day that is NULL or NA does not limit. Rows without a day are left out,
#' and a message says how many. The column may hold dates or times: the day of a time counts, in its own time zone.
#' @return the rows of `data`
within_period <- function(data, column, from = NULL, until = NULL) {
  check_columns(data, check_name(column, "column"))
  day <- check_days(data[[column]], paste("column", column))
  keep <- !is.na(day)
  if (!all(keep)) message(sum(!keep), " rows have no ", column, " and are left out")
  from <- check_end(from, "from")
  until <- check_end(until, "until")
  if (!is.null(from)) keep <- keep & day >= from
  if (!is.null(until)) keep <- keep & day <= until
  data[keep, , drop = FALSE]
}

#' One day that limits a period, or NULL where it does not.
check_end <- function(day, name) {
  if (!length(day) || is.na(day[1])) return(NULL)
  if (length(day) != 1) stop(name, " must be one day", call. = FALSE)
  check_days(day, name)
}

#' The phase that each period is in: a new one begins with the first period that begins on a day of `since` or later
#'
#' For `phase` of control charts, whose limits then start afresh. The days of a script's `@since` lines are there as `since`.
#' @param starts  first days of periods
#' @param since   days; none: one phase
#' @return whole numbers from 1
phase_since <- function(starts, since) {
  starts <- check_days(starts, "starts")
  stop_at(is.na(starts), "starts is missing")
  if (!length(since)) return(rep(1L, length(starts)))
  since <- check_days(since, "since")
  stop_at(is.na(since), "since is missing")
  findInterval(as.numeric(starts), sort(as.numeric(since))) + 1L
}

#' A period in words, for subtitles: "1 March 2017 to 31 March 2019" is written 01-03-2017 to 31-03-2019.
#' @return one text
period_text <- function(days) {
  days <- check_days(days, "days")
  if (all(is.na(days))) return("no dates")
  paste(format(min(days, na.rm = TRUE), "%d-%m-%Y"), "to", format(max(days, na.rm = TRUE), "%d-%m-%Y"))
}
