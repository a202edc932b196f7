# Means of measured quantities (hours, days, scores). Values in, one row per group out.
source("../lib/checks.R")

#' Mean with Student's t limits
#'
#' mean -/+ t(1 - alpha/2; n - 1) s / sqrt(n), s the standard deviation with n - 1.
#' Source: Student (1908) Biometrika 6:1-25; Altman DG et al (2000) Statistics with confidence, ch 4.
#'
#' @param values      the measurements; NA are left out and not counted
#' @param group       what to take means by, known in every row, or NULL for one mean of all
#' @param confidence  two-sided confidence
#' @return data frame, groups in alphabetical order: group (only if given), n, value, standard_deviation, lower,
#'   upper, confidence, method. One measurement: a mean and no limits. All equal: limits equal to the mean.
#'   None: value NA.
mean_student <- function(values, group = NULL, confidence = 0.95) {
  values <- check_numbers(values, "values")
  tail <- (1 - check_confidence(confidence)) / 2
  groups <- check_groups(if (is.null(group)) rep(1L, length(values)) else group, length(values))
  known <- !is.na(values)
  x <- ifelse(known, values, 0)
  at <- groups$index
  n <- value <- spread <- numeric()
  if (length(values)) {
    n <- group_sums(list(n = as.double(known)), groups)$n
    value <- group_sums(list(x = x), groups)$x / n
    value <- value + group_sums(list(x = ifelse(known, x - value[at], 0)), groups)$x / n # what rounding left
    spread <- sqrt(group_sums(list(x = ifelse(known, (x - value[at])^2, 0)), groups)$x / (n - 1))
  } else if (is.null(group)) {
    n <- 0
    value <- spread <- NA_real_
  }
  value[which(n == 0)] <- NA
  spread[which(n < 2)] <- NA
  half <- stats::qt(tail, pmax(n - 1, 1), lower.tail = FALSE) * spread / sqrt(n)
  result <- data.frame(n = n, value = value, standard_deviation = spread,
                       lower = value - half, upper = value + half,
                       confidence = rep_len(confidence, length(n)), method = rep_len("Student t", length(n)))
  if (is.null(group)) return(result)
  alphabetical <- order(groups$names)
  result <- cbind(group = groups$names[alphabetical], result[alphabetical, ])
  rownames(result) <- NULL
  result
}
