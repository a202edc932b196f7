# Checks that every statistic makes of its arguments. Messages name the argument and the row, never the value:
# these functions are given patient data.

#' Stop unless `x` holds numbers that are zero or more (NA is allowed and stays NA).
check_not_negative <- function(x, name) {
  if (!is.numeric(x) && !(is.logical(x) && all(is.na(x)))) {
    stop(name, " must be a number, not ", class(x)[1], call. = FALSE)
  }
  bad <- which(!is.na(x) & (x < 0 | is.infinite(x)))
  if (length(bad)) {
    stop(name, " must be zero or more and finite: see row ", bad[1], call. = FALSE)
  }
  as.double(x)
}

#' Stop unless `numerator` <= `denominator`, row by row.
check_part_of <- function(numerator, denominator, names = c("numerator", "denominator")) {
  bad <- which(!is.na(numerator) & !is.na(denominator) & numerator > denominator)
  if (length(bad)) {
    stop(names[1], " is larger than ", names[2], " in row ", bad[1],
         ": a proportion counts a part of its denominator", call. = FALSE)
  }
  invisible(TRUE)
}

#' Stop unless `confidence` is one number such as 0.95.
check_confidence <- function(confidence) {
  if (!is.numeric(confidence) || length(confidence) != 1 || is.na(confidence) ||
      confidence <= 0.5 || confidence >= 1) {
    stop("confidence must be one number between 0.5 and 1, for example 0.95 or 0.998", call. = FALSE)
  }
  confidence
}

#' Stop unless all lengths are equal, or one; give back the common length (0 where one of them is empty).
check_same_length <- function(...) {
  lengths <- lengths(list(...))
  if (any(lengths == 0)) return(0L)
  n <- max(lengths)
  if (any(lengths != n & lengths != 1)) {
    stop("arguments differ in length: ", paste(names(lengths), lengths, sep = " ", collapse = ", "), call. = FALSE)
  }
  n
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

#' The two-sided standard normal quantile: 1.96 for 0.95, 3.09 for 0.998.
normal_quantile <- function(confidence) stats::qnorm(1 - (1 - check_confidence(confidence)) / 2)

#' A parameter that was given, or the default where it is NULL or NA.
given <- function(parameter, default) if (length(parameter) && !is.na(parameter[1])) parameter[1] else default

#' One sum over another; NA, never NaN or infinite, where there is nothing to divide by.
overall_share <- function(numerator, denominator) {
  total <- sum(denominator)
  if (is.na(total) || total == 0) NA_real_ else sum(numerator) / total
}
