# Run charts: the simplest question about a series, has its median held? No limits, two rules.
source("../lib/checks.R")

#' How long a run may be, and how few crossings there may be, among n points by chance
#'
#' Longest run round(log2(n) + 3); fewest crossings the 5th percentile of Binomial(n - 1, 1/2).
#' Source: Anhoej J, Olesen AV (2014) Run charts revisited, PLoS ONE 9:e113825; Schilling MF (2012) Math Magazine
#' 85:141-149; Chen Z (2010) Stat Papers 51:439-447.
#'
#' @param useful  number of points not on the median
#' @return data frame: useful, longest_run_max, crossings_min. Fewer than 10 points can say nothing: NA.
run_chart_limits <- function(useful) {
  n <- check_numbers(useful, "useful", 0, whole = TRUE)
  enough <- !is.na(n) & n >= 10
  n[!enough] <- NA
  data.frame(useful = check_numbers(useful, "useful"), longest_run_max = as.integer(round(log2(n) + 3)),
             crossings_min = as.integer(stats::qbinom(0.05, n - 1, 0.5)))
}

#' Run chart with Anhoej's rules
#'
#' A shift: a run on one side of the median longer than chance allows. Too few crossings of the median: values stick
#' together. Points on the median are skipped: they neither break nor lengthen a run.
#'
#' @param value   one number per period, in time order; NA are skipped
#' @param median  the line; by default the median of the values
#' @param period  date or number of each point, to be checked for order, duplicates and gaps; NULL: not checked
#' @return data frame, a row per point: period (if given), value, median, side (1, -1, 0 on it), then the same in every
#'   row: useful, longest_run, longest_run_max, crossings, crossings_min, signal ("shift", "few crossings", "both",
#'   "none", or "too few points" below 10). All values equal: none is useful, "too few points".
run_chart <- function(value, median = NULL, period = NULL) {
  value <- check_numbers(value, "value")
  if (!is.null(period)) check_periods(period, length(value))
  median <- if (is.null(median)) stats::median(value, na.rm = TRUE) else check_number(median, "median")
  side <- as.integer(sign(value - median))
  useful <- side[!is.na(side) & side != 0]
  runs <- rle(useful)
  limits <- run_chart_limits(length(useful))
  longest <- max(0L, runs$lengths)
  crossings <- max(0L, length(runs$lengths) - 1L)
  shift <- longest > limits$longest_run_max
  sticky <- crossings < limits$crossings_min
  signal <- if (is.na(shift)) "too few points" else if (shift && sticky) "both" else if (shift) "shift" else
    if (sticky) "few crossings" else "none"
  points <- length(value)
  chart <- data.frame(
    value = value, median = rep_len(median, points), side = side, useful = rep_len(length(useful), points),
    longest_run = rep_len(longest, points), longest_run_max = rep_len(limits$longest_run_max, points),
    crossings = rep_len(crossings, points), crossings_min = rep_len(limits$crossings_min, points),
    signal = rep_len(signal, points)
  )
  if (is.null(period)) chart else cbind(period = period, chart)
}
