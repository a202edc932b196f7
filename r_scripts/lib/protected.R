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
  check_columns(atoms, c(by, counts, paste0(counts, "_variance"), amounts))
  names <- sort(unique(atoms[[by]]), method = "radix")
  place <- match(atoms[[by]], names)
  add <- function(x) {
    x[is.na(x)] <- 0
    sums <- numeric(length(names))
    if (length(place)) sums[] <- rowsum(as.double(x), place)[, 1]
    sums
  }
  result <- data.frame(group = names)
  for (count in counts) result[[count]] <- as.integer(add(atoms[[count]]))
  for (count in counts) result[[paste0(count, "_error")]] <- sqrt(add(atoms[[paste0(count, "_variance")]]))
  for (amount in amounts) result[[amount]] <- add(atoms[[amount]])
  result
}

#' Limits that also hold what protection may have moved
#'
#' half' = sqrt(half^2 + (z error)^2) on each side: chance and protection are independent, so their variances add up.
#'
#' @param value,lower,upper  a figure and its limits, of chance alone
#' @param error  standard error of the figure by protection; 0 leaves the limits as they are
#' @param least,most  what the limits cannot pass
#' @return data frame: lower, upper
widened_by_protection <- function(value, lower, upper, error, confidence = 0.95, least = 0, most = Inf) {
  z <- stats::qnorm(1 - (1 - confidence) / 2)
  half <- function(side) sqrt((value - side)^2 + (z * error)^2)
  changed <- (!is.na(error) & error > 0) %in% TRUE
  result <- data.frame(lower = as.double(lower), upper = as.double(upper))
  result$lower[changed] <- pmax(value - half(lower), least)[changed]
  result$upper[changed] <- pmin(value + half(upper), most)[changed]
  result
}

largest_protection_error <- 0.1 # of the value: beyond it a figure says more about protection than about patients

#' Is a count too uncertain to be judged once it is protected?
#'
#' @return TRUE where the standard error by protection exceeds a tenth of the count
too_uncertain <- function(count, error) !is.na(error) & error > 0 & error > largest_protection_error * count
