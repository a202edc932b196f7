# Case mix: what each patient's outcome would be on average for someone like them, and how an organisation's total
# compares with that. Patients in, one row per patient or per organisation out.
source("../lib/standardisation.R")
source("../lib/regression.R")

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
#' @return the model, a list: coefficients, covariance, terms, family, patients, converged and more (see
#'   [fit_regression]), equal to R's glm(); it holds no patients. Rows with a missing characteristic or outcome are not
#'   used in the fit. A warning names characteristics of which some group has no events, or only events
#'   (quasi-separation).
case_mix_model <- function(data, formula, family = c("logistic", "poisson")) {
  family <- match.arg(family)
  if (!inherits(formula, "formula") || length(formula) != 3) {
    stop("formula must be outcome ~ characteristics, for example died ~ age", call. = FALSE)
  }
  variables <- all.vars(formula)
  check_columns(data, variables)
  data <- as.data.frame(data)[variables]
  for (name in variables) check_characteristic(data[[name]], name)
  complete <- stats::complete.cases(data)
  if (!any(complete)) stop("no patient has all of: ", paste(variables, collapse = ", "), call. = FALSE)
  if (!all(complete)) data <- data[complete, , drop = FALSE]
  model <- fit_regression(formula, data, family)
  if (length(model$wide)) {
    warning("the data do not determine the effect of ", paste(model$wide, collapse = ", "), ": one of its groups has ",
            "no events, or only events. Take groups together, or leave it out; expected values are of no use for that ",
            "group", call. = FALSE)
  }
  model
}

#' A characteristic: finite numbers, text, a factor or TRUE/FALSE.
check_characteristic <- function(x, name) {
  if ((is.character(x) || is.factor(x) || is.logical(x)) && is.null(dim(x))) return(invisible(TRUE))
  check_numbers(x, paste("column", name))
}

#' Expected outcome per patient from a case-mix model
#'
#' @return `data` with a column `expected`: a probability (logistic) or a count (Poisson); NA where a
#'   characteristic is missing. A value of a characteristic that the model has not seen is an error that names the row
expected_per_patient <- function(data, model) {
  if (!inherits(model, "case_mix")) stop("model must be what case_mix_model() gives", call. = FALSE)
  characteristics <- all.vars(stats::delete.response(model$terms))
  check_columns(data, characteristics)
  for (name in characteristics) {
    check_characteristic(data[[name]], name)
    if (!name %in% names(model$levels) && (is.character(data[[name]]) || is.factor(data[[name]]))) {
      stop("column ", name, " must be a number, not ", class(data[[name]])[1], ", as in the model", call. = FALSE)
    }
  }
  known <- if (length(characteristics)) stats::complete.cases(data[characteristics]) else rep(TRUE, nrow(data))
  rows <- which(known)
  complete <- as.data.frame(data)[characteristics]
  if (!all(known)) complete <- complete[rows, , drop = FALSE]
  eta <- tryCatch(linear_predictor(model, complete),
                  unseen_level = function(e) {
                    stop("characteristic ", e$column, " has a value that the model has not seen: see row ", rows[e$row],
                         call. = FALSE)
                  })
  data$expected <- rep(NA_real_, nrow(data))
  if (length(rows)) data$expected[rows] <- if (model$family == "logistic") stats::plogis(eta) else exp(eta)
  stop_at(is.infinite(data$expected), "the model expects more than can be computed with")
  data
}

#' Expected outcome per patient from those characteristics that vary, in the patients who have them all
#'
#' Logistic [case_mix_model] over the characteristics with more than one value; the average for everybody where outcome or
#' characteristics do not vary, since then there is nothing to adjust for.
#'
#' @param data  one row per patient
#' @param outcome,characteristics  names of columns; the outcome TRUE/FALSE or 1/0
#' @return list: expected (a chance per patient; NA where outcome or a characteristic is missing), known (is it?), model
#'   (NULL where there was nothing to adjust for)
expected_of_patients <- function(data, outcome, characteristics) {
  names <- c(check_name(outcome, "outcome"), check_name(characteristics, "characteristics", many = TRUE))
  check_columns(data, names)
  data <- as.data.frame(data)[names]
  data[[outcome]] <- check_outcome(data[[outcome]], paste("column", outcome))
  for (name in characteristics) check_characteristic(data[[name]], name)
  known <- stats::complete.cases(data)
  expected <- rep(NA_real_, nrow(data))
  if (!any(known)) return(list(expected = expected, known = known, model = NULL))
  used <- data[known, , drop = FALSE]
  vary <- vapply(used, function(x) length(unique(x)) > 1, TRUE)
  characteristics <- characteristics[vary[characteristics]]
  if (!vary[[outcome]] || !length(characteristics)) {
    expected[known] <- mean(used[[outcome]])
    return(list(expected = expected, known = known, model = NULL))
  }
  model <- case_mix_model(used, stats::reformulate(paste0("`", characteristics, "`"), as.name(outcome)), "logistic")
  expected[known] <- expected_per_patient(used, model)$expected
  list(expected = expected, known = known, model = model)
}

#' The model's coefficients, for a report
#'
#' @return data frame: term, estimate, standard_error, ratio (odds or rate ratio), lower, upper (Wald limits of it); a
#'   term that others make superfluous is left out
case_mix_coefficients <- function(model, confidence = 0.95) {
  if (!inherits(model, "case_mix")) stop("model must be what case_mix_model() gives", call. = FALSE)
  estimate <- unname(model$coefficients[!is.na(model$coefficients)])
  error <- unname(sqrt(diag(model$covariance)))
  half <- normal_quantile(confidence) * error
  data.frame(term = rownames(model$covariance), estimate = estimate, standard_error = error, ratio = exp(estimate),
             lower = exp(estimate - half), upper = exp(estimate + half))
}

#' Observed against expected by organisation
#'
#' Patients whose outcome or expected value is missing count in neither, so that O and E are of the same patients.
#'
#' @param group      organisation of each patient
#' @param observed   outcome per patient: 0/1 or TRUE/FALSE; with family "poisson" also a count
#' @param expected   expected value per patient: a chance, or a count
#' @param family     "binomial": it happens or not, limits by sum p (1 - p), right for rare and common outcomes alike.
#'   "poisson": counts, limits as the exact ones of [standardised_ratio]; of a common outcome they are far too wide
#' @return data frame: group (in order of appearance), patients, left_out, observed, expected, variance (of O by
#'   chance), value (O/E), lower, upper, confidence, method. Nothing expected: NA
observed_expected <- function(group, observed, expected, confidence = 0.95, family = c("binomial", "poisson")) {
  family <- match.arg(family)
  patients <- if (family == "binomial") {
    check_rows(observed = check_outcome(observed, "observed (for counts: family = \"poisson\")"),
               expected = check_numbers(expected, "expected", 0, 1))
  } else {
    if (is.logical(observed)) observed <- as.double(observed)
    check_rows(observed = check_not_negative(observed, "observed"), expected = check_not_negative(expected, "expected"))
  }
  groups <- check_groups(group, nrow(patients))
  used <- !is.na(patients$observed) & !is.na(patients$expected)
  o <- ifelse(used, patients$observed, 0)
  e <- ifelse(used, patients$expected, 0)
  sums <- group_sums(list(patients = as.double(used), left_out = as.double(!used), observed = o, expected = e,
                          variance = if (family == "binomial") e * (1 - e) else e), groups)
  limits <- if (family == "poisson") standardised_ratio(sums$observed, sums$expected, confidence, limits = "exact") else
    binomial_ratio(sums$observed, sums$expected, sums$variance, sums$patients, confidence)
  cbind(group = groups$names, sums, limits[c("value", "lower", "upper", "confidence", "method")])
}

#' O / E of an outcome that happens or not, with score limits
#'
#' The limits of the number of patients with the outcome are Wilson's, with the variance that the case mix gives it:
#' c m (n - m) / n at a mean of m, c such that at m = E it is sum p (1 - p). The ratio 1 lies on a limit exactly where
#' |O - E| = z sqrt(sum p (1 - p)), which is the funnel's limit; equal chances for all give Wilson's interval itself.
#' Source: Wilson (1927), Spiegelhalter (2005); the variance of a sum of unequal chances: Hosmer DW, Lemeshow S (1995)
#' Confidence interval estimates of an index of quality performance based on logistic regression, Stat Med 14:2161-2172.
#'
#' @param observed,expected,variance,patients  per group: sums of the outcome, of p and of p (1 - p), and their number
#' @return data frame: value, lower, upper, confidence, method. Nothing expected, or no variance: limits NA
binomial_ratio <- function(observed, expected, variance, patients, confidence = 0.95) {
  rows <- check_rows(observed = check_not_negative(observed, "observed"),
                     expected = check_not_negative(expected, "expected"),
                     variance = check_not_negative(variance, "variance"),
                     patients = check_not_negative(patients, "patients"))
  check_part_of(rows$observed, rows$patients, c("observed", "patients"))
  check_part_of(rows$expected, rows$patients, c("expected", "patients"))
  n <- rows$patients
  ratio <- ifelse(rows$expected > 0, 1 / rows$expected, NA_real_)
  plain <- rows$expected * (1 - rows$expected / n) # the variance if all had the same chance
  z2 <- normal_quantile(confidence)^2 * ifelse(plain > 0 & rows$variance > 0, rows$variance / plain, NA_real_)
  half <- sqrt(z2^2 + 4 * z2 * rows$observed * (1 - rows$observed / n))
  lower <- (2 * rows$observed + z2 - half) / 2 / (1 + z2 / n)
  upper <- (2 * rows$observed + z2 + half) / 2 / (1 + z2 / n)
  lower[which(rows$observed == 0 & !is.na(z2))] <- 0
  all <- which(rows$observed == n & !is.na(z2))
  upper[all] <- n[all]
  data.frame(value = rows$observed * ratio, lower = lower * ratio, upper = upper * ratio,
             confidence = rep_len(confidence, nrow(rows)), method = rep_len("Score, binomial", nrow(rows)))
}

#' How well the model tells apart patients with and without the outcome (area under the ROC curve)
#'
#' The chance that a patient with the outcome had the higher expected value (Mann-Whitney).
#' Source: Hanley JA, McNeil BJ (1982) Radiology 143:29-36. 0.5 is a coin, 1 is perfect.
#' @return one number; NA if all patients have, or none has, the outcome
c_statistic <- function(observed, expected) {
  patients <- check_rows(observed = check_outcome(observed, "observed"), expected = check_numbers(expected, "expected"))
  patients <- patients[!is.na(patients$observed) & !is.na(patients$expected), ]
  patients <- patients[order(patients$expected, method = "radix"), ]
  positives <- sum(patients$observed)
  negatives <- nrow(patients) - positives
  if (!positives || !negatives) return(NA_real_)
  ties <- rle(patients$expected)$lengths
  last <- cumsum(as.double(ties))
  ranks <- rep.int(last - (ties - 1) / 2, ties)
  (sum(ranks[patients$observed == 1]) - positives * (positives + 1) / 2) / positives / negatives
}
