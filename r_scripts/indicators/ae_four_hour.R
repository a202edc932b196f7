#' Patients seen within four hours in accident and emergency, by organisation and month
#'
#' The share of attendances admitted, transferred or discharged within four hours of arrival, for each organisation
#' and month, over all its department types together unless one is asked for. A control chart per organisation tells a
#' change from its usual variation; its limits come from how much one month differs from the next (an XmR chart). Limits
#' of chance alone (a p chart) would not do: with tens of thousands of attendances a month they are so narrow that every
#' month would be an alarm.
#' A month with fewer than 100 attendances is not charted; an organisation with fewer than 12 charted months is not
#' judged. Months without a report keep their place in the series.
#'
#' @input ae_attendances  period <date>, organisation <text>, department_type <text>, attendances <integer>,
#'                        breaches <integer>, admissions <integer>
#' @param department_type <text> one department type, or all, default all
#' @output organisation <text> code of the organisation, period <date> first day of the month,
#'         attendances <integer> attendances in the month, within_four_hours <integer> of them seen within four hours,
#'         value <number> proportion within four hours, lower_95 <number> lower Wilson limit,
#'         upper_95 <number> upper Wilson limit,
#'         centre <number> centre line of the control chart, lower_limit <number> lower control limit,
#'         upper_limit <number> upper control limit,
#'         special_cause <text> rule that the month breaks, or usual variation,
#'         label <text> the month in words
#' @plot charts Within four hours, control charts of the nine busiest organisations
#' @plot latest Organisations whose latest month is a concern, against their own usual variation
#' @figure value value, unit organisation, time period, size attendances
#' @target 0.95 the NHS standard
#' @unit proportion of attendances (0 to 1)
#' @direction higher is better
#' @version 1.2
#' @owner team:quality
#' @minimum_n 100 of attendances
#' @publish public NHS England publishes these counts per organisation and month itself
source("../lib/proportions.R")
source("../lib/control_charts.R")
source("../lib/periods.R")
source("../lib/plots.R")

minimum_attendances <- 100
minimum_months <- 12
standard <- 0.95 # the NHS standard: 95 % within four hours (NHS Constitution handbook)

ae_four_hour <- function(ae_attendances, params = list()) {
  type <- given(params$department_type, "all")
  rows <- ae_attendances
  if (type != "all") rows <- rows[rows$department_type %in% type, ]
  usable <- !is.na(rows$organisation) & !is.na(rows$period) & (rows$breaches >= 0) %in% TRUE &
    (rows$breaches <= rows$attendances) %in% TRUE
  if (!all(usable)) {
    warning(sum(!usable), " rows lack organisation, month or a count, or have a count below zero or more breaches than ",
            "attendances; left out", call. = FALSE)
  }
  rows <- rows[usable, ]

  months <- monthly_totals(rows)
  share <- wilson(months$within_four_hours, months$attendances)
  share[which(is.na(months$attendances) | months$attendances < minimum_attendances), c("value", "lower", "upper")] <- NA
  months$value <- share$value
  months$lower_95 <- share$lower
  months$upper_95 <- share$upper
  charts <- lapply(split(months, factor(months$organisation, unique(months$organisation))), chart_organisation)
  result <- do.call(rbind, unname(charts))
  if (is.null(result)) result <- chart_organisation(months)
  rownames(result) <- NULL
  list(data = result, charts = function(table) four_hour_charts(table, type),
       latest = function(table) four_hour_concerns(table, type))
}

#' Attendances and those within four hours, one row per organisation and month, gaps included.
monthly_totals <- function(rows) {
  months <- period_totals(rows, "period", c("attendances", "breaches"), by = "month", group = "organisation")
  data.frame(organisation = months$organisation, period = months$period, attendances = as.integer(months$attendances),
             within_four_hours = as.integer(months$attendances - months$breaches))
}

#' XmR chart of one organisation's months.
chart_organisation <- function(months) {
  chart <- xmr(months$value, "higher is better", period = months$period, minimum = minimum_months,
               phase = phase_since(months$period, since))
  months$centre <- chart$centre
  months$lower_limit <- pmax(chart$lower, 0)
  months$upper_limit <- pmin(chart$upper, 1)
  months$special_cause <- chart$special_cause
  months$label <- chart$judgement
  if (sum(!is.na(months$value)) < minimum_months) {
    months$centre <- rep(NA_real_, nrow(months))
    months$special_cause <- months$label <- rep("too few months to judge", nrow(months))
  }
  few <- !is.na(months$attendances) & months$attendances < minimum_attendances
  months$label[few] <- "too few to judge"
  months
}

kind_of_department <- function(type) if (type == "all") "all department types" else paste("department type", type)

four_hour_charts <- function(result, type) {
  title <- "Seen within four hours in accident and emergency"
  volume <- tapply(result$attendances, result$organisation, sum, na.rm = TRUE)
  busiest <- names(sort(volume, decreasing = TRUE))[seq_len(min(9, length(volume)))]
  shown <- result[result$organisation %in% busiest, ]
  if (!nrow(shown)) return(empty_plot(title))
  control_chart_plot(
    data.frame(unit = factor(shown$organisation, busiest), period = shown$period, value = shown$value,
               centre = shown$centre, lower = shown$lower_limit, upper = shown$upper_limit,
               highlight = highlight_of(shown$label, better = "improvement", worse = "concern")),
    title = title, value_label = "Within four hours", labels = scales::label_percent(),
    subtitle = paste0("The ", length(busiest), " busiest organisations, ", kind_of_department(type), ", per month"),
    meanings = c(worse = "concern", better = "improvement", ordinary = "usual variation"), target = standard,
    caption = paste("Band: usual variation, from how much one month differs from the next (XmR), around the mean.",
                    "Dotted: the standard of 95 %.")
  )
}

#' Organisations are compared with their own past, not with each other: their departments and patients differ.
four_hour_concerns <- function(result, type) {
  if (!nrow(result)) return(empty_plot("Organisations whose latest month is a concern"))
  month <- max(result$period)
  title <- paste("Organisations for which", format(month, "%m-%Y"), "is a concern")
  last <- result[result$period == month & result$label == "concern", ]
  if (!nrow(last)) return(empty_plot(title, "None: no organisation has a month of concern."))
  last <- last[order(last$value - last$centre), ][seq_len(min(20, nrow(last))), ]
  ranking_plot(
    data.frame(unit = last$organisation, value = last$value, lower = last$lower_limit, upper = last$upper_limit,
               highlight = "worse"),
    title = title, value_label = "Within four hours", labels = scales::label_percent(), from_zero = FALSE,
    subtitle = paste0(nrow(last), " with the largest fall below their own mean, ", kind_of_department(type)),
    reference = standard, reference_label = "standard 95 %",
    caption = paste("Point: the latest month. Line: the organisation's own usual variation, from how much one month",
                    "differs from the next (XmR).")
  )
}
