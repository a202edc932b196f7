#' Deep infections after hip replacement: operations from one infection to the next, by hospital
#'
#' Deep infections are rare: most months of a hospital have none, and a chart of months says nothing. Here every infection is a
#' point: how many operations without one lie between it and the infection before (a G chart). A longer gap is better.
#' Centre and limits come from a hospital's first gaps (12 unless asked otherwise), so that a later change stands out
#' against them and does not hide in them. Limits are those beyond which one gap in 740 lies by chance, on either side.
#' A hospital with fewer gaps than that is shown and not judged. Operations on one day are taken in order of their number.
#' The gap that is still running, since the last infection, is told and not charted.
#'
#' @input operations  operation_id <text>, organisation <text>, operation_date <date>, deep_infection <flag>
#' @param baseline <integer> gaps that centre and limits come from, at least 12, default 12
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
  baseline <- max(minimum_gaps, given(params$baseline, minimum_gaps))
  unknown <- is.na(operations$organisation) | is.na(operations$deep_infection)
  if (any(unknown)) warning(sum(unknown), " operations without organisation or outcome are left out", call. = FALSE)
  rows <- operations[!unknown, ]
  rows <- rows[order(rows$organisation, rows$operation_date, rows$operation_id, method = "radix"), ]
  parts <- split(rows, factor(rows$organisation, unique(rows$organisation)))
  result <- do.call(rbind, c(list(no_infections()), lapply(parts, hospital_gaps, baseline = baseline)))
  rownames(result) <- NULL
  list(data = result, charts = infection_charts(result))
}

#' One row per infection of one hospital; none: no rows.
hospital_gaps <- function(rows, baseline) {
  at <- which(rows$deep_infection)
  if (!length(at)) return(no_infections())
  # The first gap counts from the first operation that is known of.
  gaps <- diff(c(0L, at)) - 1L
  chart <- g_chart(gaps, "higher is better", fix_after = baseline, minimum = minimum_gaps)
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

infection_charts <- function(result) {
  title <- "Operations between deep infections"
  if (!nrow(result)) return(empty_plot(title, "There were no infections."))
  number <- sort(table(result$organisation), decreasing = TRUE)
  shown <- result[result$organisation %in% names(number)[seq_len(min(9, length(number)))], ]
  between_plot(
    data.frame(unit = shown$organisation, event = shown$infection, value = shown$operations_between, centre = shown$centre,
               lower = shown$lower_limit, upper = shown$upper_limit,
               highlight = highlight_of(shown$label, better = "improvement", worse = "concern",
                                        too_few = c("too few infections to judge", "too little variation to judge"))),
    title = title, value_label = "Operations without infection since the one before",
    subtitle = "Each point is an infection; the lower, the sooner it followed the one before",
    meanings = c(worse = "concern (more often)", better = "improvement (less often)", ordinary = "usual variation",
                 too_few = "not judged"),
    caption = paste("Band and line: usual variation and median of the hospital's first gaps (G chart); without a band there are",
                    "fewer than", minimum_gaps, "infections.", if (length(number) > 9) "The nine hospitals with most are shown.")
  )
}
