# Means of measured quantities (hours, days, scores). Values in, one row per group out.
source("../lib/checks.R")

#' Mean with Student's t limits
#'
#' mean -/+ t(1 - alpha/2; n - 1) s / sqrt(n), s the standard deviation with n - 1.
#' Source: Student (1908) Biometrika 6:1-25; Altman DG et al (2000) Statistics with confidence, ch 4.
#'
#' @param values      the measurements; NA are left out and not counted
#' @param group       what to take means by (same length as values), or NULL for one mean of all
#' @param confidence  two-sided confidence
#' @return data frame, groups in alphabetical order: group (only if given), n, value, standard_deviation, lower,
#'   upper, confidence, method. One measurement: a mean and no limits. All equal: limits equal to the mean.
#'   None: value NA.
mean_student <- function(values, group = NULL, confidence = 0.95) {
  if (!is.numeric(values)) stop("values must be numbers, not ", class(values)[1], call. = FALSE)
  check_confidence(confidence)
  parts <- if (is.null(group)) list(values) else split(values, as.character(group))
  rows <- lapply(parts, function(x) {
    x <- as.double(x[!is.na(x)])
    n <- length(x)
    half <- if (n > 1) stats::qt(1 - (1 - confidence) / 2, n - 1) * stats::sd(x) / sqrt(n) else NA_real_
    value <- if (n) mean(x) else NA_real_
    data.frame(n = n, value = value, standard_deviation = if (n > 1) stats::sd(x) else NA_real_,
               lower = value - half, upper = value + half, confidence = confidence, method = "Student t")
  })
  result <- do.call(rbind, unname(rows))
  if (is.null(group)) return(result)
  if (!length(parts)) return(cbind(group = character(), mean_student(numeric(), confidence = confidence)[0, ]))
  cbind(group = names(parts), result)
}
