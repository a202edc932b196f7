#' Deaths in hospital against what patients' ages lead one to expect, by organisation
#'
#' Observed deaths over expected deaths (O/E). Expected is the sum of each patient's chance to die, from a logistic
#' regression on age over all organisations together: 1 means as many as in patients of those ages on average, 1.2
#' means a fifth more.
#' Age is known when the patient arrives. Length of stay is not, and care changes it: complications lengthen a stay,
#' early death cuts it short. Adjusting for it would explain away what the comparison is meant to find, so it is left
#' out of the model.
#' Organisations differ in more than age. The funnel limits therefore hold the variation between them (in statistics:
#' overdispersion; Spiegelhalter, on the square-root scale as the Care Quality Commission does). An organisation outside them is a question,
#' not a verdict: look at coding, referral and illness before care.
#' Fewer than 20 stays, or fewer than one expected death: counted in the model, not judged.
#'
#' @input hospital_stays  stay_id <text>, organisation <text>, admission_date <date>, age <integer>,
#'                        length_of_stay <integer>, died <flag>
#' @param from <date> first admission day counted, NA for the first in the data, default NA
#' @param until <date> last admission day counted, NA for the last in the data, default NA
#' @output organisation <text> code of the organisation, stays <integer> stays that are compared,
#'         left_out <integer> stays without age or outcome, observed <integer> deaths,
#'         expected <number> deaths expected from the case mix, ratio <number> observed over expected,
#'         lower_95 <number> lower 95 % limit of the ratio, upper_95 <number> upper 95 % limit of the ratio,
#'         funnel_lower_95 <number> alert limit below, funnel_upper_95 <number> alert limit above,
#'         funnel_lower_998 <number> alarm limit below, funnel_upper_998 <number> alarm limit above,
#'         z <number> distance from 1 in standard deviations,
#'         phi <number> variation between organisations, times that of chance alone (overdispersion),
#'         label <text> the organisation in words, crude_mortality <number> deaths per stay
#' @cases died deaths in hospital, lived stays that the patient left alive, left_out stays without age or outcome
#' @amount expected sum of expected 0..1 in steps of 0.5 deaths expected from the patients' ages
#' @slices age under 60 | 60 to 79 | 80 and over, stay up to a week | over a week
#' @grain quarter by organisation
#' @settles 8 weeks
#' @plot funnel Observed over expected deaths by organisation, funnel plot
#' @plot ranking Organisations in order of O/E, with 95 % limits
#' @figure value ratio, unit organisation, size expected, reference 1, missing left_out
#' @unit ratio of observed to expected deaths (1 is as expected)
#' @case_mix age
#' @direction higher is worse
#' @version 2.0
#' @owner team:quality
#' @minimum_n 20 of stays
source("../lib/casemix.R")
source("../lib/funnel.R")
source("../lib/periods.R")
source("../lib/protected.R")
source("../lib/plots.R")

minimum_stays <- 20

standardised_admissions <- function(hospital_stays, params = list()) {
  stays <- within_period(hospital_stays, "admission_date", params$from, params$until)
  unnamed <- sum(is.na(stays$organisation))
  if (unnamed) warning(unnamed, " stays name no organisation and are left out", call. = FALSE)
  stays <- stays[!is.na(stays$organisation), ]
  stays$died <- as.logical(stays$died)
  stays <- expected_deaths(stays)
  known <- !is.na(stays$expected)
  data.frame(record = stays$stay_id, organisation = stays$organisation, date = stays$admission_date,
             outcome = ifelse(!known, "left_out", ifelse(stays$died, "died", "lived")), expected = stays$expected,
             age = as.character(cut(stays$age, c(-Inf, 60, 80, Inf), c("under 60", "60 to 79", "80 and over"), right = FALSE)),
             stay = as.character(ifelse(stays$length_of_stay <= 7, "up to a week", "over a week")))
}

standardised_admissions_figures <- function(atoms) {
  units <- protected_totals(atoms, "organisation", c("died", "lived", "left_out"), "expected")
  patients <- units$died + units$lived
  limits <- standardised_ratio(units$died, units$expected, limits = "exact")
  error <- units$died_error / ifelse(units$expected > 0, units$expected, NA)
  widened <- widened_by_protection(limits$value, limits$lower, limits$upper, error)
  uncertain <- too_uncertain(units$died, units$died_error)
  judged <- patients >= minimum_stays & units$expected >= 1 & !uncertain
  funnel <- funnel_overdispersed(units$died, ifelse(judged, units$expected, NA), "ratio_sqrt")
  result <- data.frame(
    organisation = as.character(units$group), stays = patients, left_out = units$left_out,
    observed = units$died, expected = units$expected, ratio = limits$value, lower_95 = widened$lower,
    upper_95 = widened$upper, funnel_lower_95 = funnel$lower_95, funnel_upper_95 = funnel$upper_95,
    funnel_lower_998 = funnel$lower_998, funnel_upper_998 = funnel$upper_998, z = funnel$z, phi = funnel$phi / funnel$phi_chance,
    label = funnel$significance, crude_mortality = units$died / patients
  )
  result$crude_mortality[result$stays == 0] <- NA
  result$label[!judged] <- "too few to judge"
  result$label[uncertain & patients >= minimum_stays] <- "too uncertain after protection"
  list(data = result, funnel = function(table) mortality_funnel(table, funnel), ranking = mortality_ranking)
}

#' Stays with each patient's chance to die, from age; the same for everyone where deaths or ages do not vary.
expected_deaths <- function(stays) {
  mix <- expected_of_patients(stays, "died", "age")
  known <- mix$known
  stays$expected <- mix$expected
  if (!any(known)) return(stays)
  if (is.null(mix$model)) {
    message("Deaths or ages do not vary: every patient is expected to fare like the average.")
    return(stays)
  }
  odds <- case_mix_coefficients(mix$model)
  message(sprintf(paste("Case mix: %d stays. Ten years older: odds of death x %.2f. Of two patients of whom one died,",
                        "age points to that one in %.0f %% of pairs (c-statistic; 50 %% is a coin)."), sum(known),
                  odds$ratio[odds$term == "age"]^10, 100 * c_statistic(stays$died, stays$expected)))
  if (any(!known)) message(sum(!known), " stays without age or outcome are left out of observed and expected.")
  stays
}

mortality_highlight <- function(label) {
  highlight_of(label, better = "lower (99.8 %)", worse = "higher (99.8 %)",
               different = c("lower (95 %)", "higher (95 %)"))
}
mortality_meanings <- c(worse = "higher (99.8 %)", different = "higher or lower (95 %)", ordinary = "not different",
                        better = "lower (99.8 %)")

mortality_funnel <- function(result, funnel) {
  title <- "Deaths in hospital: observed over expected"
  judged <- !is.na(result$z)
  if (!any(judged)) return(empty_plot(title, "No organisation has enough stays."))
  data <- data.frame(unit = result$organisation, size = result$expected, value = result$ratio,
                     highlight = mortality_highlight(result$label))[judged, ]
  funnel_plot(
    data, funnel_curve(funnel[judged, ]), target = 1, title = title,
    subtitle = "Expected from the patients' ages, by organisation",
    size_label = "Expected deaths", value_label = "Observed / expected", labels = scales::label_number(),
    target_label = "1.0: as many as expected", meanings = mortality_meanings,
    caption = overdispersion_caption(funnel$phi, funnel$tau2, funnel$phi_chance)
  )
}

mortality_ranking <- function(result) {
  judged <- result[!is.na(result$z), ]
  ranking_plot(
    data.frame(unit = judged$organisation, value = judged$ratio, lower = judged$lower_95, upper = judged$upper_95,
               highlight = mortality_highlight(judged$label)),
    title = "Deaths in hospital: organisations in order", value_label = "Observed / expected deaths",
    labels = scales::label_number(), reference = 1, reference_label = "1.0: as many as expected",
    meanings = mortality_meanings,
    caption = paste("Lines: exact 95 % confidence limits of each ratio, of chance alone; colours as in the funnel,",
                    "which also holds what organisations differ in beyond age and chance.")
  )
}
