#' Deep infections after hip replacement: operations from one infection to the next, by hospital
#'
#' Deep infections are rare: most months of a hospital have none, and a chart of months says nothing. Here every infection is a
#' point: how many operations without one lie between it and the infection before (a G chart). A longer gap is better.
#' Every hospital is held against all hospitals together: centre and limits come from their number of operations per
#' infection. Or, if asked, against its own gaps, which need 12 to be judged. Limits are those beyond which one gap in 740
#' lies by chance, on either side; seven points in a row on one side of the centre count as well.
#' Not adjusted for the patients. Operations on one day are taken in order of their number.
#' The gap that is still running, since the last infection, is told and not charted.
#'
#' @input operations  operation_id <text>, organisation <text>, operation_date <date>, deep_infection <flag>
#' @param against <text> what centre and limits come from, all (hospitals) or own (gaps), default all
#' @output organisation <text> hospital, infection <integer> number of the infection in the hospital,
#'         month <date> month of the operation that it followed (its first day),
#'         operations_between <integer> operations without infection since the one before,
#'         since_last <integer> operations since the hospital's last infection,
#'         centre <number> median gap of a process that stays as it was, lower_limit <number> lower control limit,
#'         upper_limit <number> upper control limit, special_cause <text> rule that is broken, or usual variation,
#'         label <text> the gap in words
#' @plot charts Operations between infections, control charts (G) of the nine hospitals with most
#' @unit operations without infection
#' @direction higher is better
#' @version 1.0
#' @owner team:quality
#' @minimum_n 12
source("../lib/rare_events.R")
source("../lib/plots_outcomes.R")

minimum_gaps <- 12

deep_infections <- function(operations, params = list()) {
  against <- match.arg(given(params$against, "all"), c("all", "own"))
  unknown <- is.na(operations$organisation) | is.na(operations$deep_infection)
  if (any(unknown)) warning(sum(unknown), " operations without organisation or outcome are left out", call. = FALSE)
  rows <- operations[!unknown, ]
  rows <- rows[order(rows$organisation, rows$operation_date, rows$operation_id, method = "radix"), ]
  reference <- if (against == "all") gap_of_all(rows$deep_infection)
  parts <- split(rows, factor(rows$organisation, unique(rows$organisation)))
  result <- do.call(rbind, c(list(no_infections()), lapply(parts, hospital_gaps, reference = reference)))
  rownames(result) <- NULL
  list(data = result, charts = infection_charts(result, against))
}

#' Operations without infection per infection of all hospitals; NULL where there are too few to say.
gap_of_all <- function(infected) {
  if (sum(infected) < minimum_gaps || all(infected)) NULL else sum(!infected) / sum(infected)
}

#' One row per infection of one hospital; none: no rows.
hospital_gaps <- function(rows, reference) {
  at <- which(rows$deep_infection)
  if (!length(at)) return(no_infections())
  # The first gap counts from the first operation that is known of.
  gaps <- diff(c(0L, at)) - 1L
  chart <- g_chart(gaps, "higher is better", minimum = minimum_gaps, reference = reference)
  words <- function(x) sub("too few points", "too few infections", x)
  data.frame(organisation = rows$organisation[at], infection = seq_along(at), month = period_start(rows$operation_date[at]),
             operations_between = as.integer(gaps), since_last = as.integer(nrow(rows) - max(at)), centre = chart$centre,
             lower_limit = chart$lower, upper_limit = chart$upper, special_cause = words(chart$special_cause),
             label = words(chart$judgement))
}

no_infections <- function() {
  data.frame(organisation = character(), infection = integer(), month = as.Date(character()), operations_between = integer(),
             since_last = integer(), centre = numeric(), lower_limit = numeric(), upper_limit = numeric(),
             special_cause = character(), label = character())
}

infection_charts <- function(result, against) {
  title <- "Operations between deep infections"
  if (!nrow(result)) return(empty_plot(title, "There were no infections."))
  number <- sort(table(result$organisation), decreasing = TRUE)
  shown <- result[result$organisation %in% names(number)[seq_len(min(9, length(number)))], ]
  between_plot(
    data.frame(unit = shown$organisation, event = shown$infection, value = shown$operations_between, centre = shown$centre,
               lower = shown$lower_limit, upper = shown$upper_limit,
               highlight = highlight_of(shown$label, better = "improvement", worse = "concern",
                                        too_few = c("too few infections to judge", "too little variation to judge"))),
    title = title, value_label = "Operations between",
    subtitle = "Each point is an infection; the lower, the sooner it followed the one before",
    meanings = c(worse = "concern (more often)", better = "improvement (less often)", ordinary = "usual variation",
                 too_few = "not judged"),
    caption = paste("Line and band: median and usual variation of", if (against == "all") "all hospitals together (G chart)." else
      "the hospital's own gaps (G chart); without a band there are fewer than 12 infections.",
      if (length(number) > 9) "The nine hospitals with most infections are shown.")
  )
}
