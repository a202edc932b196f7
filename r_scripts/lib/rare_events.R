# Charts of rare events: the time, or the number of cases, from one event to the next. Where most months have no event a
# chart of months says nothing; a long gap between events is what a month without events cannot show.
# One row per event in time order in, one row per event out.
source("../lib/control_charts.R")
source("../lib/periods.R")
source("../lib/protected.R")

#' Days from each event back to the one before it
#'
#' @param date  dates or times of the events, in any order
#' @param from  the day that counting began: gives the first event a gap, which otherwise has none (NA)
#' @return data frame in order of time: date, days (since the event before; 0 for two on one day). Events without a date
#'   are an error: they would make one long gap of two
time_between <- function(date, from = NULL) {
  day <- check_days(date, "date")
  stop_at(is.na(day), "date is missing")
  from <- check_end(from, "from")
  if (!is.null(from)) stop_at(day < from, "date lies before the day that counting began")
  day <- sort(day)
  first <- if (is.null(from)) NA_real_ else as.double(from)
  data.frame(date = day, days = diff(c(first, as.double(day)))[seq_along(day)])
}

#' T chart: the time between events
#'
#' XmR chart (mean -/+ 2.66 mean moving range, rules of [xmr]) of time^(1/3.6), on which times between events at random are
#' about normal; value, centre and limits are transformed back, so that centre is near the median, not the mean.
#' Source: Nelson LS (1994) A control chart for parts-per-million nonconforming items, J Qual Technol 26:239-240; Provost LP,
#' Murray SK (2011) The Health Care Data Guide, ch 7.
#'
#' @param between    time since the event before, in time order, 0 or more; NA: not known
#' @param direction  of harm longer gaps are better, the default
#' @param screen,fix_after,phase,minimum,minimum_phase,exclude  as in [xmr]
#' @return as [xmr], without moving_range: value, phase, centre, lower, upper, outside, near, side, special_cause,
#'   judgement. Events on one day: 0, which is a value like others; where more than a third are 0, take hours, or a
#'   chart of counts. A lower limit of 0: no gap is short enough to be beyond it
t_chart <- function(between, direction = "higher is better", screen = TRUE, fix_after = NULL, phase = NULL,
                    minimum = 12, minimum_phase = 10, exclude = NULL) {
  between <- check_not_negative(between, "between")
  chart <- xmr(between^(1 / 3.6), direction, screen, fix_after, phase, NULL, minimum, minimum_phase, exclude)
  chart$value <- between
  for (line in c("centre", "lower", "upper")) chart[[line]] <- pmax(chart[[line]], 0)^3.6
  chart[setdiff(names(chart), "moving_range")]
}

#' G chart: the number of cases between events
#'
#' Cases without the event between two with it are geometric: P(G >= g) = (1 - p)^g, p = 1 / (mean + 1). Limits
#' "probability": the counts beyond which lie at most 0.135 % on either side, as in other charts of three sigma; centre
#' the median, so that half the points lie on either side of it and the rules for runs hold. "three sigma": mean + 3
#' sqrt(mean (mean + 1)), as in books; of a process that stays as it is 1.8 % lie beyond, and the lower limit is always 0.
#' Source: Benneyan JC (2001) Number-between g-type statistical quality control charts for monitoring adverse events,
#' Health Care Manag Sci 4:305-318; Kaminsky FC et al (1992) J Qual Technol 24:63-69.
#'
#' @param cases  cases without the event since the event before, in time order; whole numbers, NA: not known
#' @param direction,fix_after,phase,exclude  as in [t_chart]
#' @param limits   "probability" or "three sigma"
#' @param minimum  in a phase with fewer known points nothing is judged
#' @param reference  mean number of cases between events to hold the points against (of all hospitals together, or of years
#'                 before), or NULL: the mean of the points themselves. With it few points are judged as well
#' @return data frame: value, phase, mean, centre, lower, upper, outside, side, special_cause, judgement (as [xmr]; its
#'   rule of two in three is left out, since the distribution is skew). All 0: "too little variation to judge"
g_chart <- function(cases, direction = "higher is better", limits = c("probability", "three sigma"), fix_after = NULL,
                    phase = NULL, minimum = 12, exclude = NULL, reference = NULL) {
  direction <- match.arg(direction, directions)
  if (!is.null(reference)) reference <- check_number(reference, "reference", 0, open = TRUE)
  limits <- match.arg(limits)
  cases <- check_numbers(cases, "cases", 0, whole = TRUE)
  fix_after <- check_fix_after(fix_after)
  exclude <- check_exclude(exclude, length(cases))
  minimum <- check_number(minimum, "minimum", 2)
  phases <- check_phase(phase, cases)
  chart <- data.frame(value = cases, phase = if (is.null(phase)) rep(1L, length(cases)) else phase)
  blank <- data.frame(mean = NA_real_, centre = NA_real_, lower = NA_real_, upper = NA_real_, outside = NA,
                      side = NA_integer_, special_cause = NA_character_, judgement = NA_character_)
  chart <- cbind(chart, blank[rep(1, length(cases)), ], row.names = NULL)
  for (rows in split(seq_along(cases), phases)) {
    value <- cases[rows]
    basis <- value[counted(value, fix_after, exclude[rows])]
    chart[rows, -(1:2)] <- g_phase(value, basis, direction, limits, minimum, reference)
  }
  chart
}

#' One phase of a G chart, its lines from the points in `basis`, or from a reference.
g_phase <- function(value, basis, direction, limits, minimum, reference) {
  mean <- if (!is.null(reference)) reference else if (length(basis)) mean(basis) else NA_real_
  known <- !is.null(reference) || length(basis) >= minimum
  enough <- known && mean > 0
  lower <- upper <- NA_real_
  centre <- mean
  if (enough && limits == "probability") {
    chance <- 1 / (mean + 1)
    centre <- stats::qgeom(0.5, chance)
    lower <- stats::qgeom(stats::pnorm(-3), chance)
    upper <- stats::qgeom(stats::pnorm(-3), chance, lower.tail = FALSE)
  } else if (enough) {
    lower <- 0
    upper <- mean + 3 * sqrt(mean * (mean + 1))
  }
  outside <- beyond(value, rep_len(lower, length(value)), rep_len(upper, length(value))) %in% c(-1, 1)
  side <- as.integer(sign(value - centre))
  side[is.na(side)] <- 0L
  cause <- special_causes(value, side, outside, rep(FALSE, length(value)))
  if (limits == "probability") cause <- sub("the mean", "the median", cause)
  reason <- if (known) "too little variation to judge" else "too few points to judge"
  if (!enough) cause[!is.na(value)] <- reason
  data.frame(mean = mean, centre = centre, lower = lower, upper = upper, outside = outside, side = side,
             special_cause = cause, judgement = judge(cause, direction))[seq_along(value), ]
}

#' G chart of counts: cases without the event for each with it, where periods are known and single events are not
#'
#' As a [g_chart] reads, lower is more often, but of whole periods: limits are those of the number of events among the cases
#' of the period (exact, binomial, at most 0.135 % beyond on either side), put on the scale of cases per event. For events
#' that may be published only as protected counts; of single events [g_chart] sees a change sooner.
#' Source: binomial limits, and their scale as in Benneyan JC (2001) Health Care Manag Sci 4:305-318.
#'
#' @param events     events in the period; NA: not known (too few to be shown)
#' @param cases      cases in the period, with and without the event
#' @param reference  share of cases with the event to hold the periods against; NA: nothing is judged
#' @param error      standard error of `events` by protection; 0: exact
#' @return data frame: value, centre, lower, upper (NA: no period is good enough to lie beyond it), outside, judgement:
#'   "improvement" (more cases between events), "concern", "usual variation", or "no data". No event: value NA, as nothing
#'   can be divided by it
g_chart_of_counts <- function(events, cases, reference, error = 0) {
  rows <- check_rows(events = check_numbers(events, "events", 0, whole = TRUE),
                     cases = check_numbers(cases, "cases", 0, whole = TRUE), error = check_not_negative(error, "error"),
                     one = "error")
  check_part_of(rows$events, rows$cases, c("events", "cases"))
  if (length(reference) != 1) stop("reference must be one number", call. = FALSE)
  share <- check_numbers(reference, "reference", 0, 1)
  known <- !is.na(rows$events) & !is.na(rows$cases) & rows$cases > 0
  usable <- !is.na(share) && share > 0 && share < 1
  between <- function(k, n) {
    k[k == 0] <- NA
    (n - k) / k
  }
  blank <- data.frame(centre = if (usable) (1 - share) / share else NA_real_, lower = NA_real_, upper = NA_real_,
                      outside = NA, judgement = "no data")
  result <- cbind(value = between(rows$events, rows$cases), blank[rep(1, nrow(rows)), ], row.names = NULL)
  at <- which(usable & !is.na(rows$cases) & rows$cases > 0)
  n <- rows$cases[at]
  widened <- widened_by_protection(n * share, pmin(stats::qbinom(stats::pnorm(-3), n, share), n * share),
                                   pmax(stats::qbinom(stats::pnorm(-3), n, share, lower.tail = FALSE), n * share),
                                   replace(rows$error[at], is.na(rows$error[at]), 0), confidence = 1 - 2 * stats::pnorm(-3))
  most <- pmin(widened$upper, n)
  result$lower[at] <- between(most, n)
  result$upper[at] <- between(widened$lower, n)
  judged <- at[known[at]]
  side <- (rows$events[judged] > most[known[at]]) - (rows$events[judged] < widened$lower[known[at]])
  result$outside[judged] <- side != 0
  result$judgement[judged] <- c("improvement", "usual variation", "concern")[side + 2]
  result
}
