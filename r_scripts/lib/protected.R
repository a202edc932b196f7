# Counts that were protected before a script sees them: how to add them up, and how much protection may have moved the sum.
# A row of `atoms` is an organisation's period: each outcome's count, `<outcome>_hidden` (1 to 7, standing for 0 or 10 in sums),
# `<outcome>_variance` (of what protection did to the count), and amounts.
source("../lib/checks.R")

#' Sums of protected counts and amounts by group
#'
#' @param atoms   what the platform gives a `_figures` function
#' @param by      name of the column to add up by: "organisation" or "period"
#' @param counts  names of outcomes
#' @param amounts names of amounts that may be added up (sums); a missing one is left out of its sum
#' @return data frame, groups in order: group, the sums (whole numbers for counts), and `<count>_error`, the standard error that
#'   protection leaves in the sum: variances of cells that are drawn apart add up
protected_totals <- function(atoms, by, counts, amounts = character()) {
  by <- check_name(by, "by")
  counts <- check_name(counts, "counts", many = TRUE)
  if (length(amounts)) amounts <- check_name(amounts, "amounts", many = TRUE)
  check_columns(atoms, c(by, counts, paste0(counts, "_variance"), amounts), "atoms")
  check_groups(atoms[[by]], nrow(atoms), by)
  names <- sort(unique(atoms[[by]]), method = "radix")
  place <- match(atoms[[by]], names)
  add <- function(x) {
    sums <- numeric(length(names))
    if (length(place)) sums[] <- rowsum(x, place)[, 1]
    sums
  }
  known <- function(column, ...) {
    x <- check_numbers(atoms[[column]], column, ...)
    stop_at(is.na(x), column, " is missing")
    x
  }
  result <- data.frame(group = names)
  for (count in counts) {
    sums <- add(known(count, lower = 0, whole = TRUE))
    if (any(sums > .Machine$integer.max)) stop(count, " adds up to too large a number", call. = FALSE)
    result[[count]] <- as.integer(sums)
  }
  for (count in counts) result[[paste0(count, "_error")]] <- sqrt(add(known(paste0(count, "_variance"), lower = 0)))
  for (amount in amounts) {
    x <- check_numbers(atoms[[amount]], amount)
    result[[amount]] <- add(ifelse(is.na(x), 0, x))
  }
  result
}

#' Limits that also hold what protection may have moved
#'
#' half' = sqrt(half^2 + (z error)^2) on each side: chance and protection are independent, so their variances add up.
#'
#' @param value,lower,upper  a figure and its limits, of chance alone; NA: not known
#' @param error  standard error of the figure by protection; 0 leaves the limits as they are
#' @param least,most  what the limits cannot pass
#' @return data frame: lower, upper
widened_by_protection <- function(value, lower, upper, error, confidence = 0.95, least = 0, most = Inf) {
  z <- normal_quantile(confidence)
  rows <- check_rows(value = check_numbers(value, "value"), lower = check_numbers(lower, "lower"),
                     upper = check_numbers(upper, "upper"), error = check_not_negative(error, "error"))
  value <- rows$value
  check_part_of(rows$lower, value, c("lower", "value"))
  check_part_of(value, rows$upper, c("value", "upper"))
  least <- check_number(least, "least")
  if (!identical(most, Inf)) most <- check_number(most, "most", least, open = TRUE)
  half <- function(side) sqrt((value - side)^2 + (z * rows$error)^2)
  changed <- (rows$error > 0) %in% TRUE
  result <- rows[c("lower", "upper")]
  result$lower[changed] <- pmax(value - half(rows$lower), least)[changed]
  result$upper[changed] <- pmin(value + half(rows$upper), most)[changed]
  result
}

largest_protection_error <- 0.1 # of the value: beyond it a figure says more about protection than about patients

#' Is a count too uncertain to be judged once it is protected?
#'
#' @param count,error  the count and its standard error by protection, row by row; NA: not known, and then not said to be uncertain
#' @return TRUE where the standard error by protection exceeds a tenth of the count
too_uncertain <- function(count, error) {
  rows <- check_rows(count = check_not_negative(count, "count"), error = check_not_negative(error, "error"))
  (rows$error > 0 & rows$error > largest_protection_error * rows$count) %in% TRUE
}
