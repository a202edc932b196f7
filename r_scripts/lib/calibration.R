# Is a case-mix model right? Whether expected chances agree with what happened (calibration), and how well they tell
# patients apart (discrimination). Patients in, one row per model or per group of patients out.
source("../lib/casemix.R")
source("../lib/proportions.R")

#' A case-mix model held against what happened
#'
#' in_the_large: intercept of a logistic regression of the outcome on the logit of the expected chance as offset; 0 is
#' right, above 0 more happened than was expected. slope: coefficient of that logit; 1 is right, under 1 the model
#' exaggerates (high chances too high, low ones too low). Wald limits. brier: mean (y - p)^2; brier_scaled: 1 - brier /
#' (brier of the mean for all), 1 perfect, 0 of no use. c: see [c_statistic_limits].
#' Source: Cox DR (1958) Biometrika 45:562-565; Miller ME et al (1993) Med Decis Making 13:49-58; Brier GW (1950) Mon
#' Weather Rev 78:1-3; Steyerberg EW et al (2010) Epidemiology 21:128-138.
#' In the data that a model was fitted on in_the_large is 0 and the slope 1 by construction: hold it against other
#' patients (a later year).
#'
#' @param observed    outcome per patient: 0/1 or TRUE/FALSE
#' @param expected    the model's chance per patient, between 0 and 1
#' @param confidence  two-sided confidence
#' @return data frame of one row: patients, left_out, observed, expected, in_the_large, in_the_large_lower,
#'   in_the_large_upper, slope, slope_lower, slope_upper, brier, brier_scaled, c, c_lower, c_upper, confidence. Only
#'   events, or none: NA but for brier. All chances equal, or chances that part events from others without error: slope NA
model_checks <- function(observed, expected, confidence = 0.95) {
  patients <- check_patients(observed, expected)
  z <- normal_quantile(confidence)
  used <- patients[stats::complete.cases(patients), ]
  n <- nrow(used)
  events <- sum(used$observed)
  used$logit <- stats::qlogis(used$expected)
  none <- data.frame(estimate = NA_real_, standard_error = NA_real_)
  large <- slope <- none
  discrimination <- c_statistic_limits(used$observed, used$expected, confidence)
  if (events > 0 && events < n) {
    large <- case_mix_coefficients(fit_regression(observed ~ offset(logit), used, "logistic"))[1, ]
    if (max(used$logit) > min(used$logit) && !parted(used$observed, used$logit)) {
      slope <- case_mix_coefficients(fit_regression(observed ~ logit, used, "logistic"))[2, ]
    }
  }
  brier <- if (n) mean((used$observed - used$expected)^2) else NA_real_
  mean <- if (n) events / n else NA_real_
  data.frame(
    patients = n, left_out = nrow(patients) - n, observed = events, expected = sum(used$expected),
    in_the_large = large$estimate, in_the_large_lower = large$estimate - z * large$standard_error,
    in_the_large_upper = large$estimate + z * large$standard_error, slope = slope$estimate,
    slope_lower = slope$estimate - z * slope$standard_error, slope_upper = slope$estimate + z * slope$standard_error,
    brier = brier, brier_scaled = if (mean %in% c(0, 1, NA)) NA_real_ else 1 - brier / (mean * (1 - mean)),
    c = discrimination$value, c_lower = discrimination$lower, c_upper = discrimination$upper, confidence = confidence
  )
}

#' Observed and expected by groups of patients with like chances
#'
#' Patients in order of expected chance, parted at its quantiles; patients of equal chance stay together, so that there
#' may be fewer groups than asked for. Limits of the observed share: Wilson.
#' Source: Hosmer DW, Lemeshow S (1980) Commun Stat A9:1043-1069.
#'
#' @inheritParams model_checks
#' @param groups  how many groups; 10 are usual
#' @return data frame, lowest chances first: group, patients, observed, expected (sums), mean_expected, value (observed
#'   share), lower, upper, confidence. Patients without outcome or chance are in no group
calibration_table <- function(observed, expected, groups = 10, confidence = 0.95) {
  used <- check_patients(observed, expected)
  used <- used[stats::complete.cases(used), ]
  groups <- check_number(groups, "groups", 2, 1000, whole = TRUE)
  ends <- if (nrow(used)) unique(stats::quantile(used$expected, seq(0, 1, length.out = groups + 1), names = FALSE))
  at <- if (length(ends) < 3) rep(1, nrow(used)) else
    findInterval(used$expected, ends, rightmost.closed = TRUE, left.open = TRUE, all.inside = TRUE)
  sums <- rowsum(cbind(patients = rep(1, nrow(used)), as.matrix(used)), at)
  sums <- as.data.frame(sums)
  limits <- wilson(sums$observed, sums$patients, confidence)
  data.frame(group = seq_len(nrow(sums)), sums, mean_expected = sums$expected / sums$patients,
             limits[c("value", "lower", "upper", "confidence")], row.names = NULL)
}

#' Hosmer and Lemeshow's test of calibration
#'
#' Sum over groups of (O - E)^2 / (E (1 - E / n)), chi-square with groups - 2 degrees of freedom in the patients that the
#' model was fitted on, with as many as groups in others. Source: Hosmer and Lemeshow (1980).
#' Of tens of thousands of patients it rejects every model, of few it rejects none: look at [calibration_table] first.
#'
#' @inheritParams calibration_table
#' @param fitted_here  was the model fitted on these patients?
#' @return data frame of one row: statistic, degrees, p_value, groups. Fewer than three groups: NA
hosmer_lemeshow <- function(observed, expected, groups = 10, fitted_here = TRUE) {
  check_flag(fitted_here, "fitted_here")
  table <- calibration_table(observed, expected, groups)
  number <- nrow(table)
  enough <- number >= 3
  statistic <- if (enough) sum((table$observed - table$expected)^2 / (table$expected * (1 - table$mean_expected))) else
    NA_real_
  degrees <- if (enough) number - if (fitted_here) 2 else 0 else NA_real_
  data.frame(statistic = statistic, degrees = degrees,
             p_value = stats::pchisq(statistic, degrees, lower.tail = FALSE), groups = number)
}

#' The c-statistic with DeLong's limits
#'
#' Variance from placements: the share of the others that each event (and each non-event) ranks right of; limits c -/+ z
#' standard error, cut at 0 and 1. Placements by ranks, as in Sun and Xu.
#' Source: DeLong ER et al (1988) Biometrics 44:837-845; Sun X, Xu W (2014) IEEE Signal Process Lett 21:1389-1393.
#'
#' @inheritParams model_checks
#' @param expected  any score that is higher where the event is likelier
#' @return data frame of one row: value, lower, upper, standard_error, events, others, confidence. Fewer than two events
#'   or two others: limits NA; none of either: all NA. No event ranked under another patient (c = 1), or the reverse: no
#'   limits, since the formula would give them no width
c_statistic_limits <- function(observed, expected, confidence = 0.95) {
  z <- normal_quantile(confidence)
  patients <- check_rows(observed = check_outcome(observed, "observed"), expected = check_numbers(expected, "expected"))
  patients <- patients[stats::complete.cases(patients), ]
  event <- patients$observed == 1
  m <- sum(event)
  n <- sum(!event)
  value <- error <- NA_real_
  if (m && n) {
    all <- rank(patients$expected)
    right <- (all[event] - rank(patients$expected[event])) / n
    wrong <- (all[!event] - rank(patients$expected[!event])) / m
    value <- mean(right)
    if (m > 1 && n > 1) error <- sqrt(stats::var(right) / m + stats::var(wrong) / n)
    if (error %in% 0) error <- NA_real_
  }
  data.frame(value = value, lower = pmax(value - z * error, 0), upper = pmin(value + z * error, 1),
             standard_error = error, events = m, others = n, confidence = confidence)
}

#' Outcome and chance of patients, checked.
check_patients <- function(observed, expected) {
  patients <- check_rows(observed = check_outcome(observed, "observed"),
                         expected = check_numbers(expected, "expected", 0, 1))
  stop_at(patients$expected %in% c(0, 1), "expected must lie between 0 and 1: no model is certain")
  patients
}

#' Do scores part those with the outcome from those without, so that a regression has no finite slope?
parted <- function(observed, score) {
  with <- range(score[observed == 1])
  without <- range(score[observed == 0])
  with[1] >= without[2] || with[2] <= without[1]
}
