#' Deep infections after hip replacement: operations without infection for each with one, by hospital and year
#'
#' Deep infections are rare, so the number of operations from one to the next says more than a percentage: fewer between them
#' is worse. A point is a hospital's year, not an infection: a row per infection would tell of single patients. Every year is
#' held against all hospitals together. Limits are those beyond which one year in 740 lies by chance on either side (exact,
#' binomial), widened by what protection may have moved, on the scale of a G chart.
#' A year with 1 to 7 infections is not judged, nor one of fewer than 20 operations. Not adjusted for the patients.
#'
#' @input operations  operation_id <text>, organisation <text>, operation_date <date>, deep_infection <flag>
#' @output organisation <text> hospital, year <date> first day of the year of operation,
#'         operations <integer> operations with a known outcome, infections <integer> deep infections; not known where 1 to 7,
#'         operations_between <number> operations without infection for each with one,
#'         centre <number> the same of all hospitals together, lower_limit <number> lower control limit,
#'         upper_limit <number> upper control limit; none where no year is good enough to lie beyond it,
#'         label <text> the year in words
#' @cases infected deep infection within 90 days, clear none, left_out not known
#' @grain year by organisation
#' @settles 26 weeks
#' @plot charts Operations between infections by year, G charts of hospitals
#' @figure value operations_between, unit organisation, time year, size operations, missing left_out
#' @unit operations without infection
#' @direction higher is better
#' @version 2.1
#' @owner team:quality
#' @minimum_n 20 of operations
source("../lib/rare_events.R")
source("../lib/plots_outcomes.R")
source("../lib/protected.R")

minimum_operations <- 20

deep_infections <- function(operations) {
  rows <- operations[!is.na(operations$organisation), ]
  unnamed <- nrow(operations) - nrow(rows)
  if (unnamed) warning(unnamed, " operations name no organisation and are left out", call. = FALSE)
  outcome <- ifelse(is.na(rows$deep_infection), "left_out", ifelse(rows$deep_infection, "infected", "clear"))
  data.frame(record = rows$operation_id, organisation = rows$organisation, date = rows$operation_date,
             outcome = as.character(outcome))
}

deep_infections_figures <- function(atoms) {
  atoms <- atoms[order(atoms$organisation, atoms$period, method = "radix"), ]
  operations <- atoms$infected + atoms$clear
  error <- sqrt(atoms$infected_variance)
  chart <- g_chart_of_counts(replace(atoms$infected, atoms$infected_hidden, NA), operations,
                             overall_share(atoms$infected, operations), error)
  few <- operations < minimum_operations
  uncertain <- !atoms$infected_hidden & too_uncertain(atoms$infected, error) & atoms$infected > 0
  label <- chart$judgement
  label[uncertain] <- "too uncertain after protection"
  label[atoms$infected_hidden] <- "too few infections to judge"
  label[few] <- "too few operations to judge"
  result <- data.frame(
    organisation = as.character(atoms$organisation), year = as.Date(atoms$period), operations = as.integer(operations),
    infections = as.integer(replace(atoms$infected, atoms$infected_hidden, NA)), operations_between = chart$value,
    centre = chart$centre, lower_limit = chart$lower, upper_limit = chart$upper, label = label
  )
  list(data = result, charts = infection_charts)
}

infection_charts <- function(result) {
  title <- "Operations between deep infections"
  if (!nrow(result)) return(empty_plot(title, "There were no operations."))
  most <- sort(tapply(result$operations, result$organisation, sum, na.rm = TRUE), decreasing = TRUE)
  shown <- result[result$organisation %in% names(most)[seq_len(min(9, length(most)))], ]
  upper <- ifelse(is.na(shown$upper_limit), max(shown$upper_limit, shown$operations_between, shown$centre, 0, na.rm = TRUE),
                  shown$upper_limit)
  between_plot(
    data.frame(unit = shown$organisation, event = 1900 + as.POSIXlt(shown$year)$year, value = shown$operations_between,
               centre = shown$centre, lower = shown$lower_limit, upper = upper,
               highlight = highlight_of(shown$label, better = "improvement", worse = "concern",
                                        too_few = c("too few infections to judge", "too few operations to judge",
                                                    "too uncertain after protection", "no data"))),
    title = title, value_label = "Operations between", event_label = "Year of operation",
    subtitle = "Each point is a year of a hospital; the lower, the more infections",
    meanings = c(worse = "concern (more often)", better = "improvement (less often)", ordinary = "usual variation",
                 too_few = "not judged"),
    caption = paste("Line: all hospitals together; band: usual variation, of chance and of what protection may have moved.",
                    "A year with 1 to 7 infections has no point.", if (length(most) > 9) "The nine hospitals with most operations are shown.")
  )
}
