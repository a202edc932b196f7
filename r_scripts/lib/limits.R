# Which side of its limits a value lies on, and how far: the one place that decides. Labels, alerts, funnels, control
# charts and intervals show what is decided here, so that they cannot contradict each other.
# Limits, scores and intervals are of one probability scale: a value is outside the limits of 95 % exactly where its
# score is beyond 1.96, where its tail probability is under 2.5 %, and where its own interval does not hold the target.
source("../lib/checks.R")

#' 1 above the upper limit, -1 below the lower, 0 between them; a value on a limit is between. NA: nothing to decide.
beyond <- function(value, lower, upper) {
  side <- (value > upper) - (value < lower)
  side[is.na(value) | is.na(lower) | is.na(upper)] <- NA
  as.integer(side)
}

#' The level of a score: 2 or -2 beyond the limits of 99.8 % (3.09 standard deviations), 1 or -1 beyond those of 95 %
#' (1.96), 0 within; NA where the score is NA.
level_of_score <- function(z) {
  inner <- normal_quantile(0.95)
  outer <- normal_quantile(0.998)
  beyond(z, rep_len(-inner, length(z)), rep_len(inner, length(z))) +
    beyond(z, rep_len(-outer, length(z)), rep_len(outer, length(z)))
}

#' Limits of chance alone around a target, at each size
#'
#' Proportions: target -/+ z sqrt(target (1 - target) / n), cut at 0 and 1, where a Wilson interval just touches the
#' target. Ratios and rates: the counts whose exact Poisson interval just touches the expected count.
#' @param kind  "proportion" ("adjusted" is one of an effective size), or any kind of ratio or rate
#' @param size  cases, exposure or expected events
chance_limits <- function(kind, target, size, confidence) {
  if (kind %in% c("proportion", "adjusted")) {
    half <- normal_quantile(confidence) * sqrt(target * (1 - target) / size)
    return(list(lower = pmax(target - half, 0), upper = pmin(target + half, 1)))
  }
  tail <- (1 - check_confidence(confidence)) / 2
  mean <- target * size
  if (kind == "ratio_chi_square") {
    return(list(lower = stats::qchisq(tail, 2 * mean) / 2 / size,
                upper = stats::qchisq(tail, 2 * mean + 2, lower.tail = FALSE) / 2 / size))
  }
  lapply(exact_count_limits(mean, tail), `/`, size)
}

#' How many standard deviations `value` is from the target by chance alone: the score of [chance_limits]
#'
#' For ratios and rates the score with the count's exact Poisson tail probability: P(X >= O | E) above the target,
#' P(X <= O | E) below it; 0 where that is more than a half.
chance_score <- function(kind, value, target, size) {
  if (kind == "proportion") return(zero_at_target((value - target) / sqrt(target * (1 - target) / size), value, target))
  count <- value * size
  mean <- target * size
  if (kind == "ratio_chi_square") {
    above <- stats::pgamma(count, mean + 1, lower.tail = FALSE, log.p = TRUE)
    below <- pmax(stats::pgamma(count, mean, log.p = TRUE), -700) # no events are below its every limit
  } else {
    above <- stats::pgamma(mean, pmax(count, 1e-12), log.p = TRUE)
    below <- stats::pgamma(mean, count + 1, lower.tail = FALSE, log.p = TRUE)
  }
  z <- ifelse(count > mean, pmax(stats::qnorm(above, lower.tail = FALSE, log.p = TRUE), 0),
              pmin(stats::qnorm(below, log.p = TRUE), 0))
  zero_at_target(z, value, target)
}

zero_at_target <- function(z, value, target) {
  z[which(value == target)] <- 0
  z[is.nan(z)] <- NA
  z
}

#' Interpolated Poisson counts with `tail` probability at and beyond them, for each mean.
exact_count_limits <- function(mean, tail) {
  lower <- solve_count(mean, function(count, m) stats::pgamma(m, count + 1, lower.tail = FALSE) - tail)
  upper <- solve_count(mean, function(count, m) tail - stats::pgamma(m, pmax(count, 1e-12)))
  list(lower = lower, upper = upper)
}

#' The count at which an increasing function of it reaches 0, by bisection; 0 where it is never below.
solve_count <- function(mean, excess) {
  known <- !is.na(mean) & mean > 0
  m <- unique(mean[known])
  low <- numeric(length(m))
  high <- m + 40 * sqrt(m) + 40
  for (step in seq_len(70)) {
    middle <- (low + high) / 2
    above <- excess(middle, m) > 0
    high[above] <- middle[above]
    low[!above] <- middle[!above]
  }
  solution <- (low + high) / 2
  solution[excess(numeric(length(m)), m) > 0] <- 0
  result <- solution[match(mean, m)]
  result[which(mean == 0)] <- 0
  result
}
