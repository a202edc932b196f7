# Plots of models, of survival and of running totals, in the look of plots.R.
source("../lib/plots.R")

#' Calibration plot: observed share against expected chance, by groups of patients
#'
#' @param table  what calibration_table() gives: mean_expected, value, lower, upper, patients
#' @param value_label,expected_label  axis titles
#' @return ggplot. On the line the model is right; points above it: more happened than was expected. Vertical lines: the
#'   table's limits
calibration_plot <- function(table, title, value_label = "Observed (%)", expected_label = "Expected (%)",
                             subtitle = NULL, caption = NULL) {
  numbers <- c("mean_expected", "value", "lower", "upper")
  check_columns(table, numbers, "table")
  check_text(title, "title")
  check_text(value_label, "value_label")
  check_text(expected_label, "expected_label")
  table[numbers] <- Map(check_numbers, table[numbers], paste("column", numbers), lower = 0, upper = 1)
  table <- table[stats::complete.cases(table[numbers]), ]
  if (!nrow(table)) return(empty_plot(title))
  table$highlight <- ifelse(table$lower > table$mean_expected | table$upper < table$mean_expected, "different", "ordinary")
  top <- max(table$upper, table$mean_expected)
  bottom <- min(table$lower, table$mean_expected)
  ggplot2::ggplot(table, ggplot2::aes(.data$mean_expected, .data$value)) +
    ggplot2::annotate("segment", x = bottom, y = bottom, xend = top, yend = top, linetype = "dashed",
                      colour = plot_colours[["line"]]) +
    ggplot2::geom_linerange(ggplot2::aes(ymin = .data$lower, ymax = .data$upper, colour = .data$highlight),
                            linewidth = 0.9, show.legend = FALSE) +
    ggplot2::geom_point(ggplot2::aes(colour = .data$highlight, shape = .data$highlight, size = .data$highlight)) +
    highlight_scales(c(ordinary = "as expected", different = "other than expected (95 %)")) +
    ggplot2::scale_x_continuous(labels = function(x) 100 * x) +
    ggplot2::scale_y_continuous(labels = function(x) 100 * x) +
    ggplot2::labs(title = title, subtitle = wrap_text(subtitle, 80), caption = wrap_text(caption), x = expected_label,
                  y = value_label) + theme_platform()
}

#' Curves of time to an event, as steps: some in colour, the others grey behind them
#'
#' @param curve   what kaplan_meier() or cumulative_incidence() gives
#' @param highlighted  groups that are drawn in colour (at most six), with their limits; others are grey. By default all of up
#'                to four, none of more
#' @param end     drawn until this time; where few are followed a curve says little
#' @param falls   does the curve start at 1 and fall? FALSE: it starts at 0 and rises
#' @param overall a curve without groups, drawn in black, or NULL
#' @param time_label,value_label  axis titles with units
#' @return ggplot; the vertical axis is in percent
survival_plot <- function(curve, title, time_label, value_label, highlighted = NULL, overall = NULL, end = Inf,
                          falls = TRUE, subtitle = NULL, caption = NULL) {
  check_columns(curve, c("time", "value", "lower", "upper"), "curve")
  check_text(title, "title")
  check_text(time_label, "time_label")
  check_text(value_label, "value_label")
  end <- if (identical(end, Inf)) Inf else check_number(end, "end", 0, open = TRUE)
  start <- as.double(check_flag(falls, "falls"))
  curve <- steps_of(curve, end, start)
  if (!nrow(curve)) return(empty_plot(title))
  groups <- unique(curve$group)
  if (is.null(highlighted) && length(groups) <= 4) highlighted <- groups
  front <- curve[curve$group %in% as.character(highlighted), ]
  colours <- c("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9")
  if (length(unique(front$group)) > length(colours)) stop("highlighted has more than six groups", call. = FALSE)
  plot <- ggplot2::ggplot(curve, ggplot2::aes(.data$time, .data$value, group = .data$group)) +
    ggplot2::geom_step(colour = plot_colours[["too_few"]], linewidth = 0.6)
  if (nrow(front)) {
    plot <- plot + ggplot2::geom_step(data = front, ggplot2::aes(y = .data$lower, colour = .data$group), linetype = "dotted",
                                      na.rm = TRUE, show.legend = FALSE) +
      ggplot2::geom_step(data = front, ggplot2::aes(y = .data$upper, colour = .data$group), linetype = "dotted", na.rm = TRUE,
                         show.legend = FALSE) +
      ggplot2::geom_step(data = front, ggplot2::aes(colour = .data$group), linewidth = 1) +
      ggplot2::scale_colour_manual(values = colours)
  }
  if (!is.null(overall)) {
    check_columns(overall, c("time", "value", "lower", "upper"), "overall")
    plot <- plot + ggplot2::geom_step(data = steps_of(overall[setdiff(names(overall), "group")], end, start), linewidth = 0.9,
                                      colour = plot_colours[["line"]])
  }
  plot + ggplot2::scale_y_continuous(labels = function(x) paste0(round(100 * x, 1))) +
    ggplot2::labs(title = title, subtitle = wrap_text(subtitle, 80), caption = wrap_text(caption), x = time_label,
                  y = value_label) + theme_platform()
}

#' A curve from its `start` until `end`, each group (and kind of event) one line.
steps_of <- function(curve, end, start) {
  for (name in c("time", "value", "lower", "upper")) curve[[name]] <- check_numbers(curve[[name]], paste("column", name))
  group <- if (is.null(curve[["group"]])) rep("", nrow(curve)) else check_groups(curve[["group"]], nrow(curve), "column group")
  if (is.list(group)) group <- group$names[group$index]
  if ("event" %in% names(curve)) group <- if (is.null(curve[["group"]])) as.character(curve$event) else paste(group, curve$event)
  curve <- data.frame(group = group, curve[c("time", "value", "lower", "upper")])
  curve <- curve[!is.na(curve$time) & !is.na(curve$value) & curve$time <= end, ]
  first <- unique(curve$group)
  rbind(data.frame(group = first, time = rep_len(0, length(first)), value = rep_len(start, length(first)),
                   lower = rep_len(NA_real_, length(first)), upper = rep_len(NA_real_, length(first))), curve)
}

#' Time, or cases, from event to event (a T or G chart), one panel per unit
#'
#' @param data  data frame, a row per event in order: `event` (its number), `value`, `centre`, `lower`, `upper`,
#'              `highlight`, and optionally `unit`
#' @param event_label  what `event` is
#' @return ggplot. The vertical axis is on a square-root scale, so that short gaps can be told apart, and ends with the points and the centre
between_plot <- function(data, title, value_label, subtitle = NULL, caption = NULL, meanings = NULL,
                         event_label = "Event, in order of time") {
  numbers <- c("event", "value", "centre", "lower", "upper")
  check_columns(data, c(numbers, "highlight"))
  check_text(title, "title")
  check_text(value_label, "value_label")
  check_text(event_label, "event_label")
  check_highlight(data$highlight)
  data[numbers] <- Map(check_not_negative, data[numbers], paste("column", numbers))
  data <- data[!is.na(data$event), ]
  if (!any(!is.na(data$value))) return(empty_plot(title))
  # where hardly anything is expected the band has no end worth drawing: it would press all points to the floor
  top <- 1.1 * max(data$value, 3 * data$centre, na.rm = TRUE)
  plot <- ggplot2::ggplot(data, ggplot2::aes(.data$event, .data$value)) +
    ggplot2::geom_ribbon(ggplot2::aes(ymin = pmin(.data$lower, top), ymax = pmin(.data$upper, top)), fill = "#E4E7EB", na.rm = TRUE) +
    ggplot2::geom_line(ggplot2::aes(y = .data$centre), colour = plot_colours[["line"]], na.rm = TRUE) +
    ggplot2::geom_line(colour = plot_colours[["limit"]], linewidth = 0.5, na.rm = TRUE) +
    ggplot2::geom_point(ggplot2::aes(colour = .data$highlight, shape = .data$highlight, size = .data$highlight), na.rm = TRUE) +
    highlight_scales(meanings, size = if (is.null(data$unit)) 2.6 else 1.7) +
    ggplot2::scale_y_sqrt(limits = c(0, top), breaks = few_breaks) + ggplot2::scale_x_continuous(breaks = whole_breaks) +
    ggplot2::labs(title = title, subtitle = wrap_text(subtitle, 80), caption = wrap_text(caption), x = event_label, y = value_label) + theme_platform()
  if (is.null(data$unit)) return(plot)
  plot + ggplot2::facet_wrap(ggplot2::vars(.data$unit), scales = "free_x") +
    ggplot2::theme(strip.text = ggplot2::element_text(face = "bold", hjust = 0), panel.spacing = ggplot2::unit(14, "pt"))
}

#' At most four whole numbers, evenly apart: events and years have no halves.
whole_breaks <- function(limits) {
  first <- ceiling(limits[1])
  last <- floor(limits[2])
  if (first > last) return(numeric())
  seq(first, last, by = max(1, ceiling((last - first) / 3)))
}

#' Nothing, a round number and one half-way to it on a square-root scale.
few_breaks <- function(limits) {
  round <- c(1, 2, 5, 10, 20, 50) * rep(10^(0:12), each = 6)
  top <- max(round[round <= max(limits, 1, na.rm = TRUE)])
  unique(c(0, signif(top / 4, 1), top))
}

#' Variation and assurance of many units at a glance (the icons of "Making data count")
#'
#' @param data  data frame: `unit`, and `variation` and `assurance` as assurance() gives them
#' @return ggplot: a row per unit with a sign for each, told apart by shape, colour and words
assurance_plot <- function(data, title, subtitle = NULL, caption = NULL) {
  check_columns(data, c("unit", "variation", "assurance"))
  check_text(title, "title")
  if (!nrow(data)) return(empty_plot(title))
  units <- check_groups(data$unit, nrow(data), "column unit")
  label <- function(x) as.character(x)
  signs <- data.frame(unit = factor(units$names[units$index], rev(units$names)),
                      kind = rep(c("Has it changed?", "Does it meet its target?"), each = nrow(data)),
                      words = c(label(data$variation), label(data$assurance)))
  signs$words[is.na(signs$words)] <- "no data"
  signs$highlight <- highlight_of(signs$words, better = c("improvement", "consistently meets"),
                                  worse = c("concern", "consistently fails"), different = c("high", "low"),
                                  too_few = c("too few points to judge", "too little variation to judge", "no data"))
  signs$kind <- factor(signs$kind, unique(signs$kind))
  ggplot2::ggplot(signs, ggplot2::aes(0, .data$unit)) +
    ggplot2::geom_point(ggplot2::aes(colour = .data$highlight, shape = .data$highlight), size = 5) +
    ggplot2::geom_text(ggplot2::aes(x = 0.12, label = .data$words), hjust = 0, size = 4, colour = plot_colours[["line"]]) +
    ggplot2::scale_colour_manual(values = plot_colours, guide = "none") +
    ggplot2::scale_shape_manual(values = plot_shapes, guide = "none") +
    ggplot2::facet_wrap(ggplot2::vars(.data$kind)) + ggplot2::xlim(-0.1, 1.3) +
    ggplot2::labs(title = title, subtitle = wrap_text(subtitle, 80), caption = wrap_text(caption), x = NULL, y = NULL) +
    theme_platform() +
    ggplot2::theme(axis.text.x = ggplot2::element_blank(), panel.grid.major.x = ggplot2::element_blank(),
                   strip.text = ggplot2::element_text(face = "bold", hjust = 0))
}

#' A running sum, patient by patient (VLAD or CUSUM), with the limits that it has
#'
#' @param data  data frame in order of time: `value`, and optionally `lower`, `upper`, `signal` (TRUE where the chart signals)
#' @param threshold  a line at which the chart signals, or NULL
#' @return ggplot
running_plot <- function(data, title, value_label, threshold = NULL, subtitle = NULL, caption = NULL) {
  check_columns(data, "value")
  check_text(title, "title")
  check_text(value_label, "value_label")
  data$value <- check_numbers(data$value, "column value")
  data$patient <- seq_len(nrow(data))
  if (!any(!is.na(data$value))) return(empty_plot(title))
  plot <- ggplot2::ggplot(data, ggplot2::aes(.data$patient, .data$value))
  if (all(c("lower", "upper") %in% names(data))) {
    for (name in c("lower", "upper")) data[[name]] <- check_numbers(data[[name]], paste("column", name))
    plot <- plot + ggplot2::geom_ribbon(data = data, ggplot2::aes(ymin = .data$lower, ymax = .data$upper), fill = "#E4E7EB",
                                        na.rm = TRUE)
  }
  plot <- plot + ggplot2::geom_hline(yintercept = 0, colour = plot_colours[["line"]]) +
    ggplot2::geom_step(colour = plot_colours[["better"]], linewidth = 0.8, na.rm = TRUE)
  if (!is.null(threshold)) {
    plot <- plot + ggplot2::geom_hline(yintercept = check_number(threshold, "threshold"), linetype = "dashed",
                                       colour = plot_colours[["worse"]])
  }
  if (!is.null(data$signal)) {
    signals <- data[check_outcome(data$signal, "column signal") %in% 1, ]
    plot <- plot + ggplot2::geom_point(data = signals, shape = plot_shapes[["worse"]], size = 3, colour = plot_colours[["worse"]])
  }
  plot + ggplot2::labs(title = title, subtitle = wrap_text(subtitle, 80), caption = wrap_text(caption),
                       x = "Patients, in order of time", y = value_label) + theme_platform()
}
