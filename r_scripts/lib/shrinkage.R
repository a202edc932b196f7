# Estimates that allow for chance: pulled towards the average as far as a unit's size leaves room for chance (empirical
# Bayes), how much of the differences between units is real, and which of many alerts are likely to be true.
# One row per unit in, one row per unit out.
source("../lib/overdispersion.R")

#' Shares pulled towards the average (beta-binomial empirical Bayes)
#'
#' Units' true shares vary as a beta distribution with mean m = sum x / sum n; its variance between units by moments:
#' tau2 = (S - (N - 1) m (1 - m)) / (sum n - sum n^2 / sum n - (N - 1)), S = sum n (x/n - m)^2, 0 where negative.
#' Beta(a, b) with a = m k, b = (1 - m) k, k = m (1 - m) / tau2 - 1; value = (a + x) / (a + b + n), limits: quantiles of
#' Beta(a + x, b + n - x). Source: Kleinman JC (1973) J Am Stat Assoc 68:46-54; Carlin BP, Louis TA (2000) Bayes and
#' Empirical Bayes Methods for Data Analysis, ch 3.
#' For the question "what will this unit's share be?", and for ranking; not to find outliers: it hides small ones.
#'
#' @param numerator,denominator  per unit
#' @param confidence  probability that the limits hold the true share, given m and tau2
#' @return data frame: numerator, denominator, crude, value, lower, upper, weight (of the unit's own data, 0 to 1),
#'   mean, tau2, confidence. Units that differ no more than by chance (tau2 = 0): value is the mean, with its Wilson
#'   limits. A denominator of 0 or NA: NA
shrunken_proportion <- function(numerator, denominator, confidence = 0.95) {
  tail <- (1 - check_confidence(confidence)) / 2
  units <- check_units(numerator, denominator, "proportion")
  known <- !is.na(units$value)
  x <- ifelse(known, units$numerator, NA_real_)
  n <- ifelse(known, units$denominator, NA_real_)
  m <- overall_share(x[known], n[known])
  tau2 <- kleinman_variance(units$value[known], n[known], m, m * (1 - m), 1)
  k <- if (tau2 %in% c(0, NA)) Inf else max(m * (1 - m) / tau2 - 1, 1e-6)
  weight <- if (is.finite(k)) n / (n + k) else ifelse(known, 0, NA_real_)
  if (is.finite(k)) {
    limits <- list(lower = stats::qbeta(tail, m * k + x, (1 - m) * k + n - x),
                   upper = stats::qbeta(tail, m * k + x, (1 - m) * k + n - x, lower.tail = FALSE))
  } else {
    z2 <- normal_quantile(confidence)^2
    total <- sum(n[known])
    middle <- (m + z2 / 2 / total) / (1 + z2 / total)
    half <- sqrt(z2 * (m * (1 - m) + z2 / 4 / total) / total) / (1 + z2 / total)
    limits <- list(lower = max(0, middle - half), upper = min(1, middle + half))
  }
  shrunken_frame(units, known, m, tau2, weight, limits, confidence)
}

#' Standardised ratios (O / E) pulled towards the average (gamma-Poisson empirical Bayes)
#'
#' Units' true ratios vary as a gamma distribution with mean m = sum O / sum E; variance by moments: A = (S - (N - 1) m) /
#' (sum E - sum E^2 / sum E), S = sum E (O/E - m)^2, 0 where negative. value = m + (O/E - m) A / (A + m / E); limits:
#' quantiles of Gamma(m^2 / A + O, m / A + E). Source: Marshall RJ (1991) Mapping disease and mortality rates using
#' empirical Bayes estimators, Appl Stat 40:283-294 (with N - 1 for N); Clayton D, Kaldor J (1987) Biometrics 43:671-681.
#'
#' @param observed,expected  per unit (or events and exposure: the ratio is then a rate)
#' @inheritParams shrunken_proportion
#' @return as [shrunken_proportion], with observed and expected as first columns; tau2 = 0: the mean with exact limits
shrunken_ratio <- function(observed, expected, confidence = 0.95) {
  tail <- (1 - check_confidence(confidence)) / 2
  units <- check_units(check_not_negative(observed, "observed"), check_not_negative(expected, "expected"), "ratio")
  known <- !is.na(units$value)
  x <- ifelse(known, units$numerator, NA_real_)
  e <- ifelse(known, units$denominator, NA_real_)
  m <- overall_share(x[known], e[known])
  tau2 <- kleinman_variance(units$value[known], e[known], m, m, 0)
  if (tau2 %in% c(0, NA)) {
    weight <- ifelse(known, 0, NA_real_)
    total <- sum(x[known])
    limits <- list(lower = stats::qgamma(tail, total) / sum(e[known]),
                   upper = stats::qgamma(tail, total + 1, lower.tail = FALSE) / sum(e[known]))
  } else {
    weight <- tau2 / (tau2 + m / e)
    limits <- list(lower = stats::qgamma(tail, m^2 / tau2 + x, m / tau2 + e),
                   upper = stats::qgamma(tail, m^2 / tau2 + x, m / tau2 + e, lower.tail = FALSE))
  }
  result <- shrunken_frame(units, known, m, tau2, weight, limits, confidence)
  names(result)[1:2] <- c("observed", "expected")
  result
}

#' Variance between units by moments; `within` is the variance of one case, `lost` what the mean of a case takes away.
kleinman_variance <- function(value, size, mean, within, lost) {
  units <- length(value)
  if (units < 2 || is.na(mean) || within == 0) return(if (units) 0 else NA_real_)
  total <- sum(size)
  room <- total - sum(size^2) / total - lost * (units - 1)
  excess <- sum(size * (value - mean)^2) - (units - 1) * within
  if (room <= 1e-9 * total || excess <= 0) 0 else excess / room
}

shrunken_frame <- function(units, known, mean, tau2, weight, limits, confidence) {
  rows <- nrow(units)
  own <- function(x) ifelse(known, rep_len(x, rows), NA_real_)
  if (!rows) limits <- list(lower = numeric(), upper = numeric())
  data.frame(numerator = units$numerator, denominator = units$denominator, crude = units$value,
             value = mean + weight * (units$value - mean), lower = own(limits$lower), upper = own(limits$upper),
             weight = weight, mean = rep_len(mean, rows), tau2 = rep_len(tau2, rows),
             confidence = rep_len(confidence, rows))
}

#' How much of what units differ in is real: reliability and rankability
#'
#' On the scale of [standard_scores]: reliability of a unit = tau2 / (tau2 + s^2), the share of its distance from the
#' others that would be seen again; rankability = tau2 / (tau2 + median s^2), that of the whole list. tau2 by DerSimonian
#' and Laird, without trimming. Source: Adams JL (2009) The reliability of provider profiling, RAND TR-653; van Houwelingen
#' HC et al (1999) Stat Med 18:1441; Lingsma HF et al (2010) BMC Med Inform Decis Mak 10:66.
#' Under 0.5 a list of ranks is mostly chance; registries ask for 0.7 before they publish ranks.
#'
#' @param numerator,denominator,kind  as in [standard_scores]
#' @return data frame: numerator, denominator, value, s, reliability, tau2, rankability (the last two the same in every
#'   row). Fewer than two units: NA
reliability <- function(numerator, denominator, kind = c("proportion", "ratio_log", "ratio_sqrt", "rate")) {
  kind <- match.arg(kind)
  units <- check_units(numerator, denominator, kind)
  events <- any(units$numerator[!is.na(units$value)] > 0)
  scores <- standard_scores(numerator, denominator, if (!events && kind == "ratio_log") "ratio_sqrt" else kind)
  known <- !is.na(scores$z)
  tau2 <- if (sum(known) < 2) NA_real_ else heterogeneity(scores$y[known], scores$s[known])
  data.frame(scores[c("numerator", "denominator", "value", "s")], reliability = tau2 / (tau2 + scores$s^2),
             tau2 = rep_len(tau2, nrow(scores)),
             rankability = rep_len(tau2 / (tau2 + stats::median(scores$s[known])^2), nrow(scores)))
}

#' DerSimonian and Laird's variance between estimates about their own weighted mean (1986, Control Clin Trials 7:177-188).
heterogeneity <- function(y, s) {
  w <- 1 / s^2
  q <- sum(w * (y - sum(w * y) / sum(w))^2)
  room <- sum(w) - sum(w^2) / sum(w)
  if (room <= 0) 0 else max(0, (q - (length(y) - 1)) / room)
}

#' Which alerts are true: the false discovery rate
#'
#' Of the units marked as discoveries, a share of at most `rate` is expected to be chance. Benjamini and Hochberg's
#' step-up on p = 2 P(Z > |z|); q_value is the smallest rate at which the unit is still a discovery.
#' Source: Benjamini Y, Hochberg Y (1995) J R Stat Soc B 57:289-300; Jones HE et al (2008) J Clin Epidemiol 61:232-240.
#'
#' @param z     scores, for example of a funnel; NA counts nowhere
#' @param rate  share of false among the discoveries that is accepted
#' @return data frame: z, p_value, q_value, discovery (TRUE or FALSE; NA where z is)
false_discovery <- function(z, rate = 0.05) {
  z <- check_numbers(z, "z")
  rate <- check_number(rate, "rate", 0, 1, open = TRUE)
  p <- 2 * stats::pnorm(-abs(z))
  q <- stats::p.adjust(p, "BH")
  data.frame(z = z, p_value = p, q_value = q, discovery = q <= rate)
}
