# Watching patient by patient: CUSUM adjusted for case mix, VLAD and EWMA, and how long each runs before it signals.
# One row per patient or period in time order in, the same rows out.
source("../lib/limits.R")

#' Risk-adjusted CUSUM
#'
#' S = max(0, S + W), W = y log(R) - log(1 - p + R p): the log likelihood ratio of odds R times those expected against
#' those expected. A signal where S reaches the threshold; S then starts again at 0. R above 1 looks for a rise, under 1
#' for a fall. Source: Steiner SH et al (2000) Monitoring surgical performance using risk-adjusted cumulative sum charts,
#' Biostatistics 1:441-452 (R = 2, threshold 4.5).
#' For one unit that is watched from now on, not for comparing units. Choose the threshold by [cusum_threshold]: it
#' depends on the chances, and every chart signals at some time.
#'
#' @param outcome     per patient, in time order: did it happen?
#' @param chance      expected chance per patient, between 0 and 1
#' @param group       unit of each patient, each with its own sum, or NULL
#' @param odds_ratio  what to detect
#' @param threshold   where to signal
#' @return data frame: group (if given), outcome, chance, weight, cusum, signal. Outcome or chance missing: weight NA, the
#'   sum stays
risk_adjusted_cusum <- function(outcome, chance, group = NULL, odds_ratio = 2, threshold = 4.5) {
  patients <- check_sequence(outcome, chance, group)
  ratio <- check_odds_ratio(odds_ratio)
  threshold <- check_number(threshold, "threshold", 0, 1000, open = TRUE)
  weight <- patients$outcome * log(ratio) - log1p(patients$chance * (ratio - 1))
  of <- patients$of
  state <- numeric(max(0, of))
  cusum <- numeric(length(of))
  step <- ifelse(is.na(weight), 0, weight)
  for (i in seq_along(of)) {
    now <- state[of[i]] + step[i]
    if (now < 0) now <- 0
    cusum[i] <- now
    state[of[i]] <- if (now >= threshold) 0 else now
  }
  result <- data.frame(outcome = patients$outcome, chance = patients$chance, weight = weight, cusum = cusum,
                       signal = cusum >= threshold)
  if (is.null(group)) result else cbind(group = patients$names[of], result)
}

#' VLAD: events avoided, summed over patients (variable life-adjusted display)
#'
#' Sum of (p - y): above 0 fewer events happened than were expected. lower and upper: -/+ z sqrt(sum p (1 - p)), between
#' which chance alone keeps the sum at any one patient (not at all of them: a line that is watched crosses them more often).
#' Source: Lovegrove J et al (1997) Lancet 350:1128-1130; Poloniecki J et al (1998) BMJ 316:1697-1700.
#' To show; to decide take [risk_adjusted_cusum].
#'
#' @inheritParams risk_adjusted_cusum
#' @return data frame: group (if given), outcome, chance, vlad, lower, upper, confidence. Missing: the sum stays
vlad <- function(outcome, chance, group = NULL, confidence = 0.95) {
  z <- normal_quantile(confidence)
  patients <- check_sequence(outcome, chance, group)
  p <- patients$chance
  gain <- ifelse(is.na(p - patients$outcome), 0, p - patients$outcome)
  variance <- ifelse(is.na(p - patients$outcome), 0, p * (1 - p))
  of <- patients$of
  half <- z * sqrt(stats::ave(variance, of, FUN = cumsum))
  result <- data.frame(outcome = patients$outcome, chance = p, vlad = stats::ave(gain, of, FUN = cumsum), lower = -half,
                       upper = half, confidence = rep_len(confidence, length(of)))
  if (is.null(group)) result else cbind(group = patients$names[of], result)
}

#' How many patients a risk-adjusted CUSUM runs on average before it signals
#'
#' Markov chain over the sum, in steps of a `states`th of the threshold; each step is shared between the two states next
#' to it so that its mean is kept. Source: Brook D, Evans DA (1972) Biometrika 59:539-549; Steiner et al (2000).
#'
#' @param chance      chances of patients like those that will come; more than 200 are represented by 200 quantiles
#' @param odds_ratio,threshold  as in [risk_adjusted_cusum]
#' @param true_odds_ratio  the odds that patients really have, times those expected: 1 gives the run to a false alarm,
#'                    odds_ratio the run to detection
#' @return data frame of one row: odds_ratio, threshold, true_odds_ratio, run_length (mean number of patients; NA where
#'   it is over 1e12)
cusum_run_length <- function(chance, odds_ratio = 2, threshold = 4.5, true_odds_ratio = 1, states = 150) {
  p <- check_chances(chance)
  ratio <- check_odds_ratio(odds_ratio)
  threshold <- check_number(threshold, "threshold", 0, 1000, open = TRUE)
  true <- check_number(true_odds_ratio, "true_odds_ratio", 0, 1000, open = TRUE)
  states <- check_number(states, "states", 10, 1000, whole = TRUE)
  data.frame(odds_ratio = ratio, threshold = threshold, true_odds_ratio = true,
             run_length = markov_run_length(p, ratio, threshold, true, states))
}

#' The threshold at which a false alarm comes once in so many patients on average
#'
#' @inheritParams cusum_run_length
#' @param run_length  patients between false alarms, for example the number of ten years
#' @return data frame of one row: odds_ratio, threshold, run_length (to a false alarm), detection (run length where odds
#'   are odds_ratio times those expected)
cusum_threshold <- function(chance, run_length, odds_ratio = 2, states = 150) {
  p <- check_chances(chance)
  ratio <- check_odds_ratio(odds_ratio)
  wanted <- check_number(run_length, "run_length", 10, 1e9)
  states <- check_number(states, "states", 10, 1000, whole = TRUE)
  low <- 0.01
  high <- 30
  for (step in 1:30) {
    middle <- (low + high) / 2
    length <- markov_run_length(p, ratio, middle, 1, states)
    if (is.na(length) || length > wanted) high <- middle else low <- middle
    if (high - low < 1e-4) break
  }
  data.frame(odds_ratio = ratio, threshold = high, run_length = markov_run_length(p, ratio, high, 1, states),
             detection = markov_run_length(p, ratio, high, ratio, states))
}

#' Mean run length of the chain from a sum of 0; NA over 1e12.
markov_run_length <- function(p, ratio, threshold, true, states) {
  steps <- c(log(ratio) - log1p(p * (ratio - 1)), -log1p(p * (ratio - 1)))
  odds <- p * true / (1 - p + p * true)
  chance <- c(odds, 1 - odds) / length(p)
  width <- threshold / states
  stay <- matrix(0, states, states)
  for (from in seq_len(states)) {
    to <- pmax((from - 1) + steps / width, 0)
    low <- floor(to)
    part <- to - low
    add <- function(state, weight) {
      inside <- state < states
      if (any(inside)) {
        sums <- rowsum(weight[inside], state[inside] + 1)
        at <- as.integer(rownames(sums))
        stay[from, at] <<- stay[from, at] + sums
      }
    }
    add(low, chance * (1 - part))
    add(low + 1, chance * part)
  }
  length <- tryCatch(solve(diag(states) - stay, rep(1, states))[1], error = function(e) NA_real_)
  if (is.na(length) || length > 1e12 || length < 1) NA_real_ else length
}

#' EWMA chart: a moving average that forgets slowly, for small lasting changes
#'
#' E = lambda x + (1 - lambda) E from the target; limits target -/+ width sigma sqrt(lambda / (2 - lambda) (1 - (1 -
#' lambda)^(2 i))) at the i-th known value. Source: Roberts SW (1959) Technometrics 1:239-250; Lucas JM, Saccucci MS (1990)
#' Technometrics 32:1-12, whose lambda 0.2 and width 2.962 give a false alarm in 500 points; Montgomery ch 9.2.
#'
#' @param value   one number per period, in time order; NA: the average stays
#' @param target  what it should be, or NULL for the mean of the values
#' @param sigma   standard deviation of a single value, or NULL: mean moving range / 1.128, screened as in xmr()
#' @param lambda  weight of the newest value, 0.05 to 0.3
#' @param width   limits in standard errors
#' @return data frame: value, ewma, centre, lower, upper, outside. No variation, or fewer than two neighbouring values
#'   and no sigma: no limits
ewma <- function(value, target = NULL, sigma = NULL, lambda = 0.2, width = 2.962) {
  value <- check_numbers(value, "value")
  lambda <- check_number(lambda, "lambda", 0.001, 1)
  width <- check_number(width, "width", 0, 100, open = TRUE)
  known <- !is.na(value)
  target <- if (!is.null(target)) check_number(target, "target") else if (any(known)) mean(value[known]) else NA_real_
  if (is.null(sigma)) {
    ranges <- abs(diff(value))
    ranges <- ranges[!is.na(ranges)]
    ranges <- ranges[ranges < 3.267 * mean(ranges)]
    sigma <- if (length(ranges)) mean(ranges) / 1.128 else NA_real_
    if (!is.na(sigma) && sigma <= 1e-12 * max(abs(value), na.rm = TRUE)) sigma <- NA_real_
  } else {
    sigma <- check_number(sigma, "sigma", 0, open = TRUE)
  }
  average <- Reduce(function(before, x) if (is.na(x)) before else lambda * x + (1 - lambda) * before, value, target,
                    accumulate = TRUE)[-1]
  half <- width * sigma * sqrt(lambda / (2 - lambda) * (1 - (1 - lambda)^(2 * cumsum(known))))
  average <- as.double(average)
  chart <- data.frame(value = value, ewma = average, centre = rep_len(target, length(value)), lower = target - half,
                      upper = target + half)
  chart$outside <- known & beyond(average, chart$lower, chart$upper) %in% c(-1, 1)
  chart
}

#' How many points an EWMA chart runs on average before it signals
#'
#' Markov chain of 151 states over the limits that it reaches in the long run, normal values. Source: Lucas and Saccucci
#' (1990), whose table gives 500 for lambda 0.2 and width 2.962.
#'
#' @inheritParams ewma
#' @param shift  how far the mean is from the target, in standard deviations of a value
#' @return data frame of one row: lambda, width, shift, run_length (NA where it is over 1e12)
ewma_run_length <- function(lambda = 0.2, width = 2.962, shift = 0) {
  lambda <- check_number(lambda, "lambda", 0.001, 1)
  width <- check_number(width, "width", 0, 100, open = TRUE)
  shift <- check_number(shift, "shift", -100, 100)
  states <- 151
  limit <- width * sqrt(lambda / (2 - lambda))
  half <- limit / states
  middle <- -limit + half * (2 * seq_len(states) - 1)
  reach <- function(edge) stats::pnorm(outer(-(1 - lambda) * middle, edge, `+`) / lambda - shift)
  stay <- reach(middle + half) - reach(middle - half)
  length <- tryCatch(solve(diag(states) - stay, rep(1, states))[(states + 1) / 2], error = function(e) NA_real_)
  data.frame(lambda = lambda, width = width, shift = shift,
             run_length = if (is.na(length) || length > 1e12 || length < 1) NA_real_ else length)
}

#' Outcomes, chances and unit of patients in time order.
check_sequence <- function(outcome, chance, group) {
  patients <- check_rows(outcome = check_outcome(outcome, "outcome"), chance = check_numbers(chance, "chance", 0, 1))
  stop_at(patients$chance %in% c(0, 1), "chance must lie between 0 and 1: no model is certain")
  groups <- check_groups(if (is.null(group)) rep(1L, nrow(patients)) else group, nrow(patients))
  list(outcome = patients$outcome, chance = patients$chance, of = groups$index, names = groups$names)
}

check_odds_ratio <- function(ratio) {
  ratio <- check_number(ratio, "odds_ratio", 0, 1000, open = TRUE)
  if (abs(ratio - 1) < 1e-3) stop("odds_ratio must differ from 1: it is what the chart looks for", call. = FALSE)
  ratio
}

#' Known chances, at most 200 that stand for all.
check_chances <- function(chance) {
  p <- check_numbers(chance, "chance", 0, 1)
  stop_at(p %in% c(0, 1), "chance must lie between 0 and 1: no model is certain")
  p <- p[!is.na(p)]
  if (!length(p)) stop("chance must have at least one known value", call. = FALSE)
  if (length(p) > 200) stats::quantile(p, (1:200 - 0.5) / 200, names = FALSE) else p
}
