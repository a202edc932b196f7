# Control charts: has a process changed, or is this the variation it always has?
# Values in time order in, one row per point out. A missing value stays missing and interrupts every run.
source("../lib/checks.R")

directions <- c("higher is better", "higher is worse", "neutral")

#' XmR chart (individuals and moving range) with special-cause rules
#'
#' Centre: mean of the points. Limits: mean -/+ 2.66 x mean moving range. Screening: moving ranges of 3.267 times
#' their mean or more are left out of that mean, so that one outlier cannot hide itself by widening the limits.
#' Source: Wheeler DJ (1993) Understanding Variation; Provost LP, Murray SK (2011) The Health Care Data Guide;
#' rules as NHS England's "Making data count".
#' Rules, the first that holds is told: beyond a limit; seven points rising or falling; two of three consecutive
#' points on one side beyond two thirds of the way to the limit; seven or more points on one side of the mean.
#'
#' @param value      one number per period, in time order
#' @param direction  "higher is better", "higher is worse" or "neutral"
#' @param screen     leave the largest moving ranges out of the limits?
#' @param fix_after  compute mean and limits from the first so many points of a phase only; NULL: from all
#' @param phase      a label per point, where the process was knowingly changed: limits start afresh; NULL: one phase
#' @return data frame: value, phase, centre, lower, upper, moving_range, outside, near, side (1 above the centre,
#'   -1 below, 0 on it), special_cause, judgement. All equal: limits equal to the mean, nothing special. One point:
#'   no limits. judgement: "improvement", "concern", "usual variation" or, if neutral, "high" and "low".
xmr <- function(value, direction = "neutral", screen = TRUE, fix_after = NULL, phase = NULL) {
  direction <- match.arg(direction, directions)
  if (!is.numeric(value) && !all(is.na(value))) stop("value must be numbers", call. = FALSE)
  value <- as.double(value)
  if (is.null(phase)) phase <- rep(1L, length(value))
  if (length(phase) != length(value) || anyNA(phase)) {
    stop("phase must have a label for every value", call. = FALSE)
  }
  blank <- data.frame(centre = NA_real_, lower = NA_real_, upper = NA_real_, moving_range = NA_real_, outside = NA,
                      near = NA, side = NA_integer_, special_cause = NA_character_, judgement = NA_character_)
  result <- cbind(data.frame(value = value, phase = phase), blank[rep(1, length(value)), ], row.names = NULL)
  for (rows in split(seq_along(value), factor(phase, levels = unique(phase)))) {
    result[rows, -(1:2)] <- xmr_phase(value[rows], direction, screen, fix_after)
  }
  result
}

#' One phase of an XmR chart.
xmr_phase <- function(value, direction, screen, fix_after) {
  basis <- value
  if (!is.null(fix_after)) basis[seq_along(basis) > fix_after] <- NA
  centre <- if (all(is.na(basis))) NA_real_ else mean(basis, na.rm = TRUE)
  moving_range <- c(NA, abs(diff(basis)))
  average <- mean(moving_range, na.rm = TRUE)
  if (screen) average <- mean(moving_range[moving_range < 3.267 * average | average %in% 0], na.rm = TRUE)
  if (is.nan(average)) average <- NA_real_
  lower <- centre - 2.66 * average
  upper <- centre + 2.66 * average
  near <- 2 / 3 * 2.66 * average
  outside <- (value > upper | value < lower) %in% TRUE
  close <- !outside & (abs(value - centre) > near) %in% TRUE
  side <- as.integer(sign(value - centre))
  side[is.na(side)] <- 0L
  cause <- special_causes(value, side, outside, close)
  data.frame(centre = centre, lower = lower, upper = upper, moving_range = c(NA, abs(diff(value))), outside = outside,
             near = close, side = side, special_cause = cause, judgement = judge(cause, direction))
}

#' The first special-cause rule that holds at each point, or "usual variation" (in the books: common cause).
special_causes <- function(value, side, outside, close) {
  step <- sign(diff(value))
  rising <- in_window(step %in% 1, 6)
  falling <- in_window(step %in% -1, 6)
  above <- in_window(side == 1, 7, points = TRUE)
  below <- in_window(side == -1, 7, points = TRUE)
  high <- close & two_of_three(close & side == 1, side == 1)
  low <- close & two_of_three(close & side == -1, side == -1)
  cause <- rep("usual variation", length(value))
  cause[below] <- "seven or more below the mean"
  cause[above] <- "seven or more above the mean"
  cause[low] <- "two of three near the lower limit"
  cause[high] <- "two of three near the upper limit"
  cause[falling] <- "seven or more falling"
  cause[rising & !(falling & last_of_run(step %in% 1, 6))] <- "seven or more rising"
  cause[outside & side == -1] <- "below the lower limit"
  cause[outside & side == 1] <- "above the upper limit"
  cause[is.na(value)] <- "no data"
  cause
}

#' Which points belong to a run of at least `needed` TRUEs. Runs of steps (between points) include both end points.
in_window <- function(true, needed, points = FALSE) {
  runs <- rle(true)
  runs$values <- runs$values & runs$lengths >= needed
  long <- inverse.rle(runs)
  if (points) long else c(FALSE, long) | c(long, FALSE)
}

#' Which points end a run of at least `needed` steps (there a rise may turn into a fall).
last_of_run <- function(true, needed) {
  runs <- rle(true)
  runs$values <- runs$values & runs$lengths >= needed
  long <- inverse.rle(runs)
  c(FALSE, long) & !c(long, FALSE)
}

#' Which points lie in a window of three that are all on one side with two or more close to the limit.
two_of_three <- function(close, same_side) {
  n <- length(close)
  if (n < 3) return(rep(FALSE, n))
  start <- seq_len(n - 2)
  hit <- close[start] + close[start + 1] + close[start + 2] >= 2 &
    same_side[start] & same_side[start + 1] & same_side[start + 2]
  c(hit, FALSE, FALSE) | c(FALSE, hit, FALSE) | c(FALSE, FALSE, hit)
}

#' What a special cause means, given which direction is better.
judge <- function(special_cause, direction) {
  up <- grepl("above|rising|upper", special_cause)
  down <- grepl("below|falling|lower", special_cause)
  words <- switch(direction, "higher is better" = c("improvement", "concern"),
                  "higher is worse" = c("concern", "improvement"), c("high", "low"))
  judgement <- special_cause
  judgement[up] <- words[1]
  judgement[down] <- words[2]
  judgement
}

#' p chart: a proportion per period, limits by the size of each period
#'
#' Centre: all events over all cases. Limits: centre -/+ 3 sqrt(p (1 - p) / n), cut at 0 and 1.
#' Source: Shewhart WA (1931); Montgomery DC, Introduction to Statistical Quality Control, ch 7.
#' With thousands of cases per period the limits become unrealistically narrow: use [laney_p] or [xmr].
#'
#' @param numerator,denominator  per period
#' @return data frame: numerator, denominator, value, centre, lower, upper, outside. An empty period: value and limits
#'   NA, not outside; it has no part in the centre.
p_chart <- function(numerator, denominator) {
  shewhart(numerator, denominator, function(centre, n) sqrt(centre * (1 - centre) / n), 1)
}

#' u chart: a rate of events per period, limits by the exposure of each period
#'
#' Centre: all events over all exposure. Limits: centre -/+ 3 sqrt(u / n), cut at 0. Source: as [p_chart].
#'
#' @inheritParams p_chart
#' @param multiplier  value, centre and limits are per this many
#' @return as [p_chart]
u_chart <- function(numerator, denominator, multiplier = 1) {
  chart <- shewhart(numerator, denominator, function(centre, n) sqrt(centre / n), Inf)
  scaled <- c("value", "centre", "lower", "upper")
  chart[scaled] <- chart[scaled] * multiplier
  chart
}

#' Laney's p' chart: a p chart whose limits also hold the variation between periods
#'
#' z = (p - centre) / sqrt(centre (1 - centre) / n); sigma_z = mean moving range of z / 1.128;
#' limits centre -/+ 3 sigma_z sqrt(centre (1 - centre) / n), cut at 0 and 1.
#' Source: Laney DB (2002) Improved control charts for attributes, Quality Engineering 14:531-537.
#'
#' @inheritParams p_chart
#' @return as [p_chart], with z and sigma_z. Fewer than two periods: sigma_z and limits NA.
laney_p <- function(numerator, denominator) {
  chart <- p_chart(numerator, denominator)
  sigma <- sqrt(chart$centre * (1 - chart$centre) / chart$denominator)
  chart$z <- ifelse(is.na(chart$value), NA_real_, ifelse(sigma == 0, 0, (chart$value - chart$centre) / sigma))
  chart$sigma_z <- rep_len(mean(abs(diff(chart$z)), na.rm = TRUE) / 1.128, nrow(chart))
  chart$sigma_z[is.nan(chart$sigma_z)] <- NA
  known <- !is.na(chart$value)
  chart$lower <- ifelse(known, pmax(chart$centre - 3 * chart$sigma_z * sigma, 0), NA_real_)
  chart$upper <- ifelse(known, pmin(chart$centre + 3 * chart$sigma_z * sigma, 1), NA_real_)
  chart$outside <- (chart$value > chart$upper | chart$value < chart$lower) %in% TRUE
  chart
}

#' Three-sigma chart of counts over sizes.
shewhart <- function(numerator, denominator, sigma, ceiling) {
  x <- check_not_negative(numerator, "numerator")
  n <- check_not_negative(denominator, "denominator")
  check_same_length(numerator = x, denominator = n)
  if (ceiling == 1) check_part_of(x, n)
  known <- !is.na(x) & !is.na(n) & n > 0
  centre <- overall_share(x[known], n[known])
  half <- ifelse(known, 3 * sigma(centre, n), NA_real_)
  value <- ifelse(known, x / n, NA_real_)
  lower <- pmax(centre - half, 0)
  upper <- pmin(centre + half, ceiling)
  data.frame(numerator = x, denominator = n, value = value, centre = rep_len(centre, length(x)), lower = lower,
             upper = upper, outside = (value > upper | value < lower) %in% TRUE)
}
