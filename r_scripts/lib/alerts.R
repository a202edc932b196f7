# When to look: alert and alarm levels, and the volume below which nobody is judged.
source("../lib/limits.R")

#' Alert beyond the limits of 95 %, alarm beyond those of 99.8 %
#'
#' |z| > 1.96 (about 2 SD) is an alert, |z| > 3.09 (about 3 SD) an alarm: the same pair of limits as a funnel draws, so
#' that a level never contradicts a drawn line. By chance alone one unit in 20 is in alert and one in 500 in alarm, and
#' with many units some always are.
#' Source: Spiegelhalter DJ (2005) Stat Med 24:1185-1202; Spiegelhalter DJ et al (2012) Statistical methods for
#' healthcare regulation, J R Stat Soc A 175:1-47; three sigma: Shewhart WA (1931) Economic Control of Quality.
#'
#' @param z          scores, how many standard errors from the target (column z of a funnel)
#' @param direction  "higher is better", "higher is worse" or "neutral"; decides whether it is "good" or "bad"
#' @return data frame: z, level ("ordinary", "alert", "alarm", "no data"), side ("high", "low", ""),
#'   meaning ("better", "worse", "different" if neutral, "" if ordinary). Exactly on a limit is not yet beyond it.
alert_alarm <- function(z, direction = "neutral") {
  direction <- match.arg(direction, c("higher is better", "higher is worse", "neutral"))
  z <- check_numbers(z, "z")
  reached <- level_of_score(z)
  level <- c("ordinary", "alert", "alarm")[abs(reached) + 1]
  level[is.na(reached)] <- "no data"
  outside <- reached %in% c(-2, -1, 1, 2)
  side <- ifelse(outside, ifelse(z > 0, "high", "low"), "")
  better <- switch(direction, "higher is better" = "high", "higher is worse" = "low", NA_character_)
  meaning <- ifelse(!outside, "", if (is.na(better)) "different" else ifelse(side == better, "better", "worse"))
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
  check_columns(data, c(check_name(volume, "volume"), check_name(derived, "derived", many = TRUE),
                        check_name(label, "label", optional = TRUE)))
  size <- check_not_negative(data[[volume]], volume)
  data$enough <- !is.na(size) & size >= check_number(minimum, "minimum", 0)
  data[!data$enough, derived] <- NA
  if (!is.null(label)) {
    words <- as.character(data[[label]])
    words[!data$enough] <- "too few to judge"
    data[[label]] <- words
  }
  data
}
