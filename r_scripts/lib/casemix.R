# Case mix: what each patient's outcome would be on average for someone like them, and how an organisation's total
# compares with that. Patients in, one row per patient or per organisation out.
source("../lib/standardisation.R")

#' A case-mix model over all patients
#'
#' Logistic regression for an outcome that happens or not; Poisson regression (log link) for counts such as days.
#' Source: McCullagh P, Nelder JA (1989) Generalized Linear Models, ch 4 and 6 (R's glm).
#' Put only what is known when the patient arrives into the formula. What care itself changes (length of stay,
#' complications) would explain away the very differences that one looks for.
#'
#' @param data     one row per patient
#' @param formula  outcome ~ characteristics, for example died ~ age
#' @param family   "logistic" or "poisson"
#' @return a glm; rows with a missing characteristic or outcome are not used in the fit
case_mix_model <- function(data, formula, family = c("logistic", "poisson")) {
  family <- match.arg(family)
  check_columns(data, all.vars(formula))
  complete <- data[stats::complete.cases(data[all.vars(formula)]), , drop = FALSE]
  if (!nrow(complete)) stop("no patient has all of: ", paste(all.vars(formula), collapse = ", "), call. = FALSE)
  link <- if (family == "logistic") stats::binomial() else stats::poisson()
  model <- stats::glm(formula, family = link, data = complete)
  if (!model$converged) {
    stop("the case-mix model did not converge: too few events for so many characteristics", call. = FALSE)
  }
  model
}

#' Expected outcome per patient from a case-mix model
#'
#' @return `data` with a column `expected`: a probability (logistic) or a count (Poisson); NA where a
#'   characteristic is missing
expected_per_patient <- function(data, model) {
  characteristics <- all.vars(stats::delete.response(stats::terms(model)))
  check_columns(data, characteristics)
  data$expected <- rep(NA_real_, nrow(data))
  known <- stats::complete.cases(data[characteristics]) | !length(characteristics)
  if (any(known)) {
    data$expected[known] <- unname(stats::predict(model, data[known, , drop = FALSE], type = "response"))
  }
  data
}

#' The model's coefficients, for a report
#'
#' @return data frame: term, estimate, standard_error, ratio (odds or rate ratio), lower, upper (Wald limits of it)
case_mix_coefficients <- function(model, confidence = 0.95) {
  table <- summary(model)$coefficients
  half <- normal_quantile(confidence) * table[, 2]
  data.frame(term = rownames(table), estimate = table[, 1], standard_error = table[, 2], ratio = exp(table[, 1]),
             lower = exp(table[, 1] - half), upper = exp(table[, 1] + half), row.names = NULL)
}

#' Observed against expected by organisation
#'
#' Patients whose outcome or expected value is missing count in neither, so that O and E are of the same patients.
#'
#' @param group      organisation of each patient
#' @param observed   outcome per patient: 0/1, TRUE/FALSE, or a count
#' @param expected   expected value per patient
#' @return data frame: group, patients, left_out, observed, expected, value (O/E), lower, upper, confidence, method
observed_expected <- function(group, observed, expected, confidence = 0.95) {
  patients <- data.frame(observed = as.double(observed), expected = check_not_negative(expected, "expected"))
  totals <- by_area(patients, group, function(unit) {
    used <- stats::complete.cases(unit)
    data.frame(patients = sum(used), left_out = sum(!used), observed = sum(unit$observed[used]),
               expected = sum(unit$expected[used]))
  })
  ratio <- standardised_ratio(totals$observed, totals$expected, confidence)
  cbind(totals, ratio[c("value", "lower", "upper", "confidence", "method")])
}

#' How well the model tells apart patients with and without the outcome (area under the ROC curve)
#'
#' The chance that a patient with the outcome had the higher expected value (Mann-Whitney).
#' Source: Hanley JA, McNeil BJ (1982) Radiology 143:29-36. 0.5 is a coin, 1 is perfect.
#' @return one number; NA if all patients have, or none has, the outcome
c_statistic <- function(observed, expected) {
  used <- !is.na(observed) & !is.na(expected)
  with <- as.logical(observed[used])
  ranks <- rank(expected[used])
  positives <- sum(with)
  negatives <- sum(!with)
  if (!positives || !negatives) return(NA_real_)
  (sum(ranks[with]) - positives * (positives + 1) / 2) / positives / negatives
}
