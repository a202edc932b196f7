# Control charts: has a process changed, or is this the variation it always has?
# Values in time order in, one row per point out. A missing value stays missing and interrupts every run.
# Order, gaps and duplicates: give `period`, and it is checked that there are none; see periods.R for adding up days
# into periods and for putting in periods that nothing was reported for.
source("../lib/limits.R")

directions <- c("higher is better", "higher is worse", "neutral")

#' XmR chart (individuals and moving range) with special-cause rules
#'
#' Centre: mean of the points. Limits: mean -/+ 2.66 x mean moving range. Screening: moving ranges of 3.267 times
#' their mean or more are left out of that mean, so that one outlier cannot hide itself by widening the limits.
#' Source: Wheeler DJ (1993) Understanding Variation; Provost LP, Murray SK (2011) The Health Care Data Guide;
#' rules as NHS England's "Making data count". 2.66 is theirs; Montgomery and others take 3 / 1.128 = 2.6596.
#' Rules, the first that holds is told: beyond a limit; seven points rising or falling; two of three consecutive
#' points on one side beyond two thirds of the way to the limit; seven or more points on one side of the mean.
#'
#' @param value      one number per period, in time order
#' @param direction  "higher is better", "higher is worse" or "neutral"
#' @param screen     leave the largest moving ranges out of the limits?
#' @param fix_after  compute mean and limits from the first so many points of a phase only; NULL: from all
#' @param exclude    TRUE for points that are shown, and judged, but do not count for mean and limits (a strike, a count
#'                   known to be wrong); NULL: none
#' @param phase      a label per point, where the process was knowingly changed: limits start afresh; NULL: one phase.
#'                   Points of a phase are neighbours
#' @param period     date or number of each point, to be checked for order, duplicates and gaps; NULL: not checked
#' @param minimum    with fewer known points in the series nothing is judged ("Making data count" asks for 12)
#' @param minimum_phase  nor in a phase (or a `fix_after`) with fewer points than this
#' @return data frame: period (if given), value, phase, centre, lower, upper, moving_range, outside, near, side (1 above
#'   the centre, -1 below, 0 on it), special_cause, judgement. judgement: "improvement", "concern", "usual variation"
#'   or, if neutral, "high" and "low"; without limits the reason: "too few points to judge", or "too little variation
#'   to judge" where nearly all points are equal, so that limits would have no width and each other point would be
#'   outside them (rare events: count the time between them instead). All equal: limits equal to the mean, nothing
#'   special.
xmr <- function(value, direction = "neutral", screen = TRUE, fix_after = NULL, phase = NULL, period = NULL,
                minimum = 12, minimum_phase = 10, exclude = NULL) {
  direction <- match.arg(direction, directions)
  value <- check_numbers(value, "value")
  check_flag(screen, "screen")
  fix_after <- check_fix_after(fix_after)
  exclude <- check_exclude(exclude, length(value))
  if (!is.null(period)) check_periods(period, length(value))
  minimum <- check_number(minimum, "minimum", 2)
  needed <- min(minimum, check_number(minimum_phase, "minimum_phase", 2))
  if (sum(!is.na(value)) < minimum) needed <- Inf
  phases <- check_phase(phase, value)
  blank <- data.frame(centre = NA_real_, lower = NA_real_, upper = NA_real_, moving_range = NA_real_, outside = NA,
                      near = NA, side = NA_integer_, special_cause = NA_character_, judgement = NA_character_)
  result <- cbind(data.frame(value = value, phase = if (is.null(phase)) rep(1L, length(value)) else phase),
                  blank[rep(1, length(value)), ], row.names = NULL)
  for (rows in split(seq_along(value), phases)) {
    result[rows, -(1:2)] <- xmr_phase(value[rows], direction, screen, fix_after, needed, exclude[rows])
  }
  if (is.null(period)) result else cbind(period = period, result)
}

#' The number of each point's phase; the points of a phase are neighbours.
check_phase <- function(phase, value) {
  if (is.null(phase)) return(rep(1L, length(value)))
  if (length(phase) != length(value) || anyNA(phase)) {
    stop("phase must have a label for every value", call. = FALSE)
  }
  index <- check_groups(phase, length(value), "phase")$index
  stop_at(c(FALSE, diff(index) < 0), "phase goes back to an earlier phase: the points of a phase must be neighbours")
  index
}

#' One phase of an XmR chart; fewer known points that count than `needed`: no limits, nothing judged.
xmr_phase <- function(value, direction, screen, fix_after, needed, exclude) {
  basis <- ifelse(counted(value, fix_after, exclude), value, NA_real_)
  known <- !is.na(value)
  centre <- if (all(is.na(basis))) NA_real_ else mean(basis, na.rm = TRUE)
  average <- mean_moving_range(basis, screen)
  enough <- sum(!is.na(basis)) >= needed && !is.na(average)
  tiny <- 1e-12 * max(0, abs(value[known])) # rounding, not variation
  flat <- enough && average <= tiny && any(abs(value[known] - centre) > tiny)
  if (!enough || flat) average <- NA_real_
  lower <- centre - 2.66 * average
  upper <- centre + 2.66 * average
  near <- 2 / 3 * 2.66 * average
  outside <- beyond(value, rep_len(lower, length(value)), rep_len(upper, length(value))) %in% c(-1, 1) &
    abs(value - centre) > tiny
  close <- !outside & (abs(value - centre) > near) %in% TRUE
  side <- as.integer(sign(value - centre))
  side[is.na(side)] <- 0L
  cause <- if (is.na(average)) rep("usual variation", length(value)) else special_causes(value, side, outside, close)
  reason <- if (flat) "too little variation to judge" else "too few points to judge"
  if (is.na(average)) cause[known] <- reason
  cause[!known] <- "no data"
  data.frame(centre = centre, lower = lower, upper = upper, moving_range = c(NA, abs(diff(value)))[seq_along(value)],
             outside = outside, near = close, side = side, special_cause = cause, judgement = judge(cause, direction))
}

#' The mean moving range of a series, without those of 3.267 times it and more if `screen`; NA where there is none.
mean_moving_range <- function(value, screen) {
  ranges <- abs(diff(value))
  ranges <- ranges[!is.na(ranges)]
  if (!length(ranges)) return(NA_real_)
  average <- mean(ranges)
  if (screen && average > 0) average <- mean(ranges[ranges < 3.267 * average])
  average
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
#' @param numerator,denominator  per period; a single denominator is that of every period
#' @param period,phase,fix_after,exclude  as in [xmr]
#' @param minimum  a phase with fewer known points that count has a centre and no limits. Montgomery asks for 20 to 25
#'   points, NHS England for 12
#' @return data frame: period, phase (if given), numerator, denominator, value, centre, lower, upper, outside. An empty
#'   period: value and limits NA, not outside; it has no part in the centre.
p_chart <- function(numerator, denominator, period = NULL, phase = NULL, fix_after = NULL, exclude = NULL, minimum = 1) {
  shewhart(numerator, denominator, period, function(centre, n) sqrt(centre * (1 - centre) / n), 1,
           list(phase = phase, fix_after = fix_after, exclude = exclude, minimum = minimum))
}

#' u chart: a rate of events per period, limits by the exposure of each period
#'
#' Centre: all events over all exposure. Limits: centre -/+ 3 sqrt(u / n), cut at 0. Source: as [p_chart].
#'
#' @inheritParams p_chart
#' @param multiplier  value, centre and limits are per this many
#' @return as [p_chart]
u_chart <- function(numerator, denominator, multiplier = 1, period = NULL, phase = NULL, fix_after = NULL,
                    exclude = NULL, minimum = 1) {
  check_multiplier(multiplier)
  chart <- shewhart(numerator, denominator, period, function(centre, n) sqrt(centre / n), Inf,
                    list(phase = phase, fix_after = fix_after, exclude = exclude, minimum = minimum))
  scaled <- c("value", "centre", "lower", "upper")
  chart[scaled] <- chart[scaled] * multiplier
  chart
}

#' c chart: a number of events per period, where every period offers the same opportunity
#'
#' Centre: mean count. Limits: centre -/+ 3 sqrt(centre), cut at 0. Source: as [p_chart].
#'
#' @param count  events per period
#' @inheritParams p_chart
#' @return as [p_chart], without numerator and denominator; the value is the count
c_chart <- function(count, period = NULL, phase = NULL, fix_after = NULL, exclude = NULL, minimum = 1) {
  chart <- u_chart(check_not_negative(count, "count"), rep(1, length(count)), 1, period, phase, fix_after, exclude,
                   minimum)
  chart[setdiff(names(chart), c("numerator", "denominator"))]
}

#' Laney's p' chart: a p chart whose limits also hold the variation between periods
#'
#' z = (p - centre) / sqrt(centre (1 - centre) / n); sigma_z = mean moving range of z / 1.128;
#' limits centre -/+ 3 sigma_z sqrt(centre (1 - centre) / n), cut at 0 and 1. Moving ranges are screened as in [xmr].
#' Source: Laney DB (2002) Improved control charts for attributes, Quality Engineering 14:531-537 (who does not screen).
#'
#' @inheritParams p_chart
#' @param screen  leave moving ranges of z of 3.267 times their mean and more out of sigma_z?
#' @return as [p_chart], with z and sigma_z. Fewer than two neighbouring periods, or nearly all z equal so that the
#'   limits would have no width: sigma_z and limits NA, nothing outside.
laney_p <- function(numerator, denominator, period = NULL, screen = TRUE, phase = NULL, fix_after = NULL,
                    exclude = NULL, minimum = 1) {
  check_flag(screen, "screen")
  chart <- p_chart(numerator, denominator, period, phase, fix_after, exclude, minimum)
  sigma <- sqrt(chart$centre * (1 - chart$centre) / chart$denominator)
  known <- !is.na(chart$value)
  chart$z <- ifelse(known, ifelse(sigma == 0, 0, (chart$value - chart$centre) / sigma), NA_real_)
  chart$sigma_z <- rep_len(NA_real_, nrow(chart))
  for (rows in split(seq_len(nrow(chart)), check_phase(phase, chart$value))) {
    z <- chart$z[rows]
    basis <- counted(z, fix_after, exclude[rows])
    sigma_z <- mean_moving_range(ifelse(basis, z, NA_real_), screen) / 1.128
    flat <- !is.na(sigma_z) && sigma_z <= 1e-12 && any(abs(z) > 1e-9, na.rm = TRUE)
    if (sum(basis) >= minimum && !flat) chart$sigma_z[rows] <- sigma_z
  }
  chart$lower <- ifelse(known, pmax(chart$centre - 3 * chart$sigma_z * sigma, 0), NA_real_)
  chart$upper <- ifelse(known, pmin(chart$centre + 3 * chart$sigma_z * sigma, 1), NA_real_)
  chart$outside <- beyond(chart$value, chart$lower, chart$upper) %in% c(-1, 1)
  chart
}

#' Three-sigma chart of counts over sizes; `parts`: list of phase, fix_after, exclude and minimum.
shewhart <- function(numerator, denominator, period, sigma, ceiling, parts) {
  rows <- check_rows(numerator = check_not_negative(numerator, "numerator"),
                     denominator = check_not_negative(denominator, "denominator"), one = "denominator")
  x <- rows$numerator
  n <- rows$denominator
  if (ceiling == 1) check_part_of(x, n)
  if (!is.null(period)) check_periods(period, nrow(rows))
  fix_after <- check_fix_after(parts$fix_after)
  exclude <- check_exclude(parts$exclude, nrow(rows))
  minimum <- check_number(parts$minimum, "minimum", 1)
  known <- !is.na(x) & !is.na(n) & n > 0
  value <- ifelse(known, x / n, NA_real_)
  centre <- half <- rep(NA_real_, nrow(rows))
  for (of in split(seq_along(x), check_phase(parts$phase, x))) {
    basis <- of[counted(value[of], fix_after, exclude[of])]
    centre[of] <- overall_share(x[basis], n[basis])
    if (length(basis) >= minimum) half[of] <- 3 * sigma(centre[of], n[of])
  }
  lower <- ifelse(known, pmax(centre - half, 0), NA_real_)
  upper <- ifelse(known, pmin(centre + half, ceiling), NA_real_)
  chart <- data.frame(numerator = x, denominator = n, value = value, centre = centre, lower = lower, upper = upper,
                      outside = beyond(value, lower, upper) %in% c(-1, 1))
  if (!is.null(parts$phase)) chart <- cbind(phase = parts$phase, chart)
  if (is.null(period)) chart else cbind(period = period, chart)
}

#' Which points of one phase count for its centre and limits.
counted <- function(value, fix_after, exclude) {
  early <- if (is.null(fix_after)) TRUE else seq_along(value) <= fix_after
  !is.na(value) & early & (if (is.null(exclude)) TRUE else !exclude)
}

check_fix_after <- function(fix_after) {
  if (is.null(fix_after)) NULL else check_number(fix_after, "fix_after", 1, whole = TRUE)
}

#' TRUE for the points that are shown and do not count; NULL: none.
check_exclude <- function(exclude, rows) {
  if (is.null(exclude)) return(rep(FALSE, rows))
  if (length(exclude) != rows) stop("exclude must say TRUE or FALSE for every value", call. = FALSE)
  exclude <- check_outcome(exclude, "exclude") == 1
  stop_at(is.na(exclude), "exclude is missing")
  exclude
}
