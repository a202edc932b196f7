# The one place in which every statistic checks its arguments. Each check gives back its argument in the form that the
# statistic computes with, or stops. A message names the argument (or column) and the row, never the value: these
# functions see patient data.
#
# check_numbers, check_not_negative, check_outcome, check_groups, check_days, check_periods   a column, row by row
# check_rows, check_lengths, check_part_of, check_columns                                     columns together
# check_number, check_flag, check_confidence, check_target                                    one setting

#' Numbers as doubles; NA (and NaN) stay NA
#'
#' Text, TRUE/FALSE, dates, durations, factors and 64-bit integers (which R would read as nonsense) are no numbers.
#' Beyond 1e15 R cannot count by ones, and closer to zero than 1e-100 squares vanish: both are errors, not answers.
#'
#' @param x      the column
#' @param name   its name, for the message
#' @param lower,upper  smallest and largest number that is possible
#' @param whole  only whole numbers?
check_numbers <- function(x, name, lower = -Inf, upper = Inf, whole = FALSE) {
  plain <- !is.object(x) || inherits(x, c("table", "AsIs"))
  unknown <- is.logical(x) && all(is.na(x))
  if (!plain || length(dim(x)) > 1 || !(is.numeric(x) || unknown)) {
    stop(name, " must be a number, not ", class(x)[1], call. = FALSE)
  }
  x <- as.double(x)
  x[is.nan(x)] <- NA
  range <- if (lower == 0 && upper == Inf) "zero or more and finite" else
    if (is.finite(lower) && is.finite(upper)) paste("between", lower, "and", upper) else "finite"
  stop_at(is.infinite(x) | x < lower | x > upper, name, " must be ", range)
  stop_at(abs(x) > 1e15, name, " is too large to compute with (over 1e15)")
  stop_at(x != 0 & abs(x) < 1e-100, name, " is too close to zero to compute with (under 1e-100)")
  if (whole) stop_at(x != round(x), name, " must be a whole number")
  x
}

#' Numbers that are zero or more (counts, sizes, expected values).
check_not_negative <- function(x, name) check_numbers(x, name, lower = 0)

#' Whether something happened, per patient: TRUE/FALSE or 1/0, as 1 and 0.
check_outcome <- function(x, name) {
  if (is.logical(x) && length(dim(x)) < 2) return(as.double(x))
  x <- check_numbers(x, name)
  stop_at(x != 0 & x != 1, name, " must be 1 or 0 (it happened or not)")
  x
}

#' The group of every row
#'
#' @param group  text, factor, number or date per row
#' @param rows   how many rows there are
#' @return list: names (text, in order of appearance) and index (the place of each row's group in it)
check_groups <- function(group, rows, name = "group") {
  if (!is.atomic(group) || is.null(group) || inherits(group, "integer64")) {
    stop(name, " must be text, a factor or numbers, not ", class(group)[1], call. = FALSE)
  }
  if (length(group) != rows) {
    stop(name, " must name a group in every row: it has ", length(group), " rows where there are ", rows,
         call. = FALSE)
  }
  different <- unique(group)
  index <- match(group, different)
  names <- as.character(different)
  stop_at(is.na(names)[index], name, " must name an area in every row")
  list(names = names, index = index)
}

#' Days as Date, from dates, from times (the day in their own time zone) or from text such as 2024-05-31.
check_days <- function(x, name) {
  if (inherits(x, "Date")) {
    x <- as.Date(as.double(x), origin = "1970-01-01")
  } else if (inherits(x, "POSIXt")) {
    zone <- attr(as.POSIXlt(x), "tzone")[1]
    x <- as.Date(as.POSIXct(x), tz = zone)
  } else if (is.character(x)) {
    day <- as.Date(ifelse(grepl("^[0-9]{4}-[0-9]{2}-[0-9]{2}$", x), x, NA), format = "%Y-%m-%d")
    stop_at(is.na(day) & !is.na(x), name, " must be written as year-month-day, such as 2024-05-31")
    x <- day
  } else if (is.logical(x) && all(is.na(x))) {
    x <- as.Date(x)
  } else {
    stop(name, " must be dates or times, not ", class(x)[1], call. = FALSE)
  }
  stop_at(is.infinite(as.double(x)), name, " must be a day")
  x[is.na(x)] <- NA
  x
}

#' Periods of a series: known, in order of time, each once, and none left out
#'
#' The step is the smallest distance between two neighbours: in months where every date is the same day of its month
#' (or its last), else in days; in ones where periods are numbers. See complete_periods() in periods.R for what to do
#' about gaps.
#'
#' @param period  dates, times or numbers, one per row
#' @param rows    how many rows there are
#' @param gaps    may periods be left out?
#' @return `period`
check_periods <- function(period, rows = length(period), name = "period", gaps = FALSE) {
  if (length(period) != rows) {
    stop(name, " must be given for every row: it has ", length(period), " rows where there are ", rows, call. = FALSE)
  }
  place <- period_places(period, name)
  stop_at(is.na(place), name, " is missing")
  stop_at(duplicated(place), name, " is there twice (period_totals() adds up the rows of a period)")
  step <- diff(place)
  stop_at(c(FALSE, step < 0), name, " must be in order of time (sort the rows first)")
  if (!gaps && length(step)) {
    stop_at(c(FALSE, step > 1.001 * min(step)), name, " leaves out a period (complete_periods() puts it in, without a ",
            "value), just before the row named")
  }
  period
}

#' Numbers that count periods: months where all dates are the same day of the month or its last, else days or as given.
period_places <- function(period, name = "period") {
  if (is.numeric(period) && !is.object(period)) return(check_numbers(period, name))
  day <- check_days(period, name)
  if (inherits(period, "POSIXt")) {
    time <- as.POSIXlt(period)
    if (length(unique(time$hour * 3600 + time$min * 60 + time$sec)) > 1) return(as.double(as.POSIXct(period)))
  }
  date <- as.POSIXlt(day)
  last <- as.POSIXlt(day + 1)$mday == 1
  known <- !is.na(day)
  monthly <- length(unique(date$mday[known])) == 1 || all(last[known])
  if (monthly) (date$year + 1900) * 12 + date$mon else as.double(day)
}

#' Columns of one length, as a data frame
#'
#' @param ...  the columns, each with its name
#' @param one  names of those that may be a single number, which then stands for every row. No others are repeated
check_rows <- function(..., one = character()) {
  columns <- list(...)
  rows <- check_lengths(..., one = one)
  as.data.frame(lapply(columns, rep_len, rows), optional = TRUE, stringsAsFactors = FALSE)
}

#' The common length of columns; those in `one` may be of length one.
check_lengths <- function(..., one = character()) {
  lengths <- lengths(list(...))
  single <- names(lengths) %in% one & lengths == 1
  rows <- unique(lengths[!single])
  if (length(rows) > 1) {
    stop("arguments differ in length: ", paste(names(lengths), lengths, sep = " ", collapse = ", "), call. = FALSE)
  }
  if (length(rows)) rows else 1L
}

#' Stop unless `numerator` <= `denominator`, row by row.
check_part_of <- function(numerator, denominator, names = c("numerator", "denominator")) {
  row <- which(numerator > denominator)
  if (length(row)) {
    stop(names[1], " is larger than ", names[2], " in row ", row[1], ": a proportion counts a part of its denominator",
         call. = FALSE)
  }
  invisible(TRUE)
}

#' Stop unless `data` is a data frame that has every one of `columns`.
check_columns <- function(data, columns, name = "data") {
  if (!is.data.frame(data)) stop(name, " must be a data frame, not ", class(data)[1], call. = FALSE)
  missing <- setdiff(columns, names(data))
  if (length(missing)) {
    stop(name, " has no column ", paste(missing, collapse = ", "), "; it has ", paste(names(data), collapse = ", "),
         call. = FALSE)
  }
  invisible(data)
}

#' One number from `lower` to `upper` (`open`: between them).
check_number <- function(x, name, lower = -Inf, upper = Inf, whole = FALSE, open = FALSE) {
  if (length(x) != 1 || is.na(x)) stop(name, " must be one number", call. = FALSE)
  x <- check_numbers(x, name)
  if (x < lower || x > upper || (open && (x == lower || x == upper)) || (whole && x != round(x))) {
    stop(name, " must be one ", if (whole) "whole ", "number ", if (open && is.infinite(upper)) "above " else
      if (is.infinite(upper)) "of at least " else if (open) "between " else "from ", lower,
      if (is.finite(upper)) paste(if (open) " and" else " to", upper), call. = FALSE)
  }
  x
}

#' What results are given per: one number above 0, or one per row where there are `rows`.
check_multiplier <- function(multiplier, rows = 1) {
  if (length(multiplier) == 1) return(check_number(multiplier, "multiplier", 0, open = TRUE))
  if (length(multiplier) != rows) stop("multiplier must be one number, or one per row", call. = FALSE)
  multiplier <- check_not_negative(multiplier, "multiplier")
  stop_at(is.na(multiplier) | multiplier == 0, "multiplier must be above 0")
  multiplier
}

#' TRUE or FALSE.
check_flag <- function(x, name) {
  if (!is.logical(x) || length(x) != 1 || is.na(x)) stop(name, " must be TRUE or FALSE", call. = FALSE)
  x
}

#' Stop unless `confidence` is one number such as 0.95.
check_confidence <- function(confidence) {
  if (!is.numeric(confidence) || is.object(confidence) || length(confidence) != 1 || is.na(confidence) ||
      confidence <= 0.5 || confidence >= 1) {
    stop("confidence must be one number between 0.5 and 1, for example 0.95 or 0.998", call. = FALSE)
  }
  confidence
}

#' The value that units are compared with: one number of the scale that it is compared on
#'
#' @param target  one number, or NULL for that of all units together
#' @param kind    "proportion" (0 to 1), "ratio" or "rate" (above 0, per unit of exposure)
#' @param numerator,denominator  the units, without NA
#' @param multiplier  what results are given per; a rate's target given per that many is an error, not a target
#' @return one number; NA where there are no units
check_target <- function(target, kind, numerator, denominator, multiplier = 1) {
  all <- overall_share(numerator, denominator)
  if (is.null(target)) return(if (kind == "ratio") 1 else all)
  if (length(target) == 1 && is.na(target) && !length(numerator)) return(NA_real_)
  if (kind == "proportion") {
    if (!is.numeric(target) || length(target) != 1 || is.na(target) || target < 0 || target > 1) {
      stop("target must be one number between 0 and 1: a proportion, 0.231 where you would say 23.1 %", call. = FALSE)
    }
  } else {
    target <- check_number(target, "target", 0)
    some <- if (is.na(all)) NA else max(all, 0.5 / sum(denominator))
    if (multiplier != 1 && target > 0 && !is.na(some) &&
        abs(log(target / multiplier / some)) < abs(log(target / some))) {
      stop("target must be per unit of the denominator, not per multiplier: divide it by the multiplier", call. = FALSE)
    }
  }
  if (target == 0 && any(numerator > 0) || (kind == "proportion" && target == 1 && any(numerator < denominator))) {
    stop("target lies at the end of its scale, where no limits can be drawn around it: a single case would be beyond ",
         "them. For what must never (or always) happen count the cases, or the time between them", call. = FALSE)
  }
  as.double(target)
}

#' Stop at the first row in which `bad` is TRUE: "<message>: see row n".
stop_at <- function(bad, ...) {
  row <- which(bad)
  if (length(row)) stop(..., ": see row ", row[1], call. = FALSE)
  invisible(NULL)
}

#' One text.
check_text <- function(x, name) {
  if (!is.character(x) || length(x) != 1 || is.na(x)) stop(name, " must be one text", call. = FALSE)
  x
}

#' The name of a column, as text; NULL where it is `optional`. With `many` any number of names.
check_name <- function(x, name, many = FALSE, optional = FALSE) {
  if (optional && is.null(x)) return(NULL)
  if (!is.character(x) || anyNA(x) || (!many && length(x) != 1)) {
    stop(name, " must be the name of a column", call. = FALSE)
  }
  x
}

#' The two-sided standard normal quantile: 1.96 for 0.95, 3.09 for 0.998.
normal_quantile <- function(confidence) stats::qnorm((1 - check_confidence(confidence)) / 2, lower.tail = FALSE)

#' A parameter that was given, or the default where it is NULL or NA.
given <- function(parameter, default) if (length(parameter) && !is.na(parameter[1])) parameter[1] else default

#' One sum over another; NA, never NaN or infinite, where there is nothing to divide by.
overall_share <- function(numerator, denominator) {
  check_lengths(numerator = numerator, denominator = denominator)
  total <- sum(denominator)
  if (is.na(total) || total == 0) NA_real_ else sum(numerator) / total
}

#' Sums of columns by group, one row per group in the order of check_groups(); NA where a row of it is NA.
#' @param columns  data frame or list of numbers; @param groups  as check_groups() gives it
group_sums <- function(columns, groups) {
  sums <- lapply(columns, function(x) if (length(x)) rowsum(as.double(x), groups$index)[, 1] else numeric())
  data.frame(lapply(sums, unname), check.names = FALSE)
}
