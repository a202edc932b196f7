# When to look: alert and alarm levels, and the volume below which nobody is judged.
source("../lib/checks.R")

#' Alert at 2 SD, alarm at 3 SD
#'
#' |z| > 2 is an alert (1 in 22 by chance), |z| > 3 an alarm (1 in 370).
#' Source: Shewhart WA (1931) Economic Control of Quality (three sigma); Spiegelhalter DJ et al (2012) Statistical
#' methods for healthcare regulation, J R Stat Soc A 175:1-47. With many units expect false alerts: 1 in 22 each.
#'
#' @param z          standard scores, (value - target) / standard error
#' @param direction  "higher is better", "lower is better" or "neutral"; decides whether it is "good" or "bad"
#' @return data frame: z, level ("ordinary", "alert", "alarm", "no data"), side ("high", "low", ""),
#'   meaning ("better", "worse", "different" if neutral, "" if ordinary). Exactly 2 or 3 is not yet beyond it.
alert_alarm <- function(z, direction = "neutral") {
  direction <- match.arg(direction, c("higher is better", "lower is better", "neutral"))
  if (!is.numeric(z) && !all(is.na(z))) stop("z must be numbers", call. = FALSE)
  beyond <- !is.na(z) & abs(z) > 2
  level <- ifelse(is.na(z), "no data", ifelse(abs(z) > 3, "alarm", ifelse(abs(z) > 2, "alert", "ordinary")))
  side <- ifelse(!beyond, "", ifelse(z > 0, "high", "low"))
  better <- switch(direction, "higher is better" = "high", "lower is better" = "low", NA_character_)
  meaning <- ifelse(!beyond, "", if (is.na(better)) "different" else ifelse(side == better, "better", "worse"))
  data.frame(z = z, level = as.character(level), side = as.character(side), meaning = as.character(meaning))
}

#' Judge no unit below a minimum volume
#'
#' The counts stay; what is derived from them (value, limits, scores) becomes NA, and the label says why. Not a
#' disclosure rule: small counts are hidden where results are published.
#'
#' @param data     data frame, one row per unit
#' @param volume   name of the column with the volume, for example "denominator"
#' @param minimum  fewer than this is too few
#' @param derived  names of the columns to make NA
#' @param label    name of a text column that then says "too few to judge", or NULL
#' @return `data` with the column enough (TRUE or FALSE; a missing volume is not enough)
minimum_volume <- function(data, volume, minimum, derived = character(), label = NULL) {
  check_columns(data, c(volume, derived, label))
  data$enough <- !is.na(data[[volume]]) & data[[volume]] >= minimum
  data[!data$enough, derived] <- NA
  if (!is.null(label)) data[[label]][!data$enough] <- "too few to judge"
  data
}
