# Plots that a clinician can read across a table: large type, direct titles, units on the axes, and colours that
# remain apart for the colour-blind (Okabe and Ito 2008) and in grey. Each takes a data frame as the statistics give
# it and returns a ggplot.
source("../lib/checks.R")
source("../lib/labels.R")

#' Colours and shapes with a fixed meaning in every plot.
plot_colours <- c(ordinary = "#5B6770", better = "#0072B2", worse = "#D55E00", different = "#CC79A7",
                  too_few = "#B8C2CC", line = "#1F2933", limit = "#7B8794")
plot_shapes <- c(ordinary = 16, better = 17, worse = 15, different = 18, too_few = 1)
plot_sizes <- c(ordinary = 1, better = 1.1, worse = 1.1, different = 1.45, too_few = 1)

#' The platform's look: 13 point type, horizontal text, no decoration.
theme_platform <- function(base_size = 13) {
  ggplot2::theme_minimal(base_size = base_size) +
    ggplot2::theme(
      plot.title = ggplot2::element_text(face = "bold", size = base_size * 1.15),
      plot.title.position = "plot", plot.caption.position = "plot",
      plot.subtitle = ggplot2::element_text(colour = "#3E4C59", margin = ggplot2::margin(b = 10)),
      plot.caption = ggplot2::element_text(colour = "#52606D", hjust = 0, margin = ggplot2::margin(t = 10)),
      panel.grid.minor = ggplot2::element_blank(),
      panel.grid.major = ggplot2::element_line(colour = "#E4E7EB", linewidth = 0.4),
      axis.title = ggplot2::element_text(colour = "#3E4C59"),
      axis.title.x = ggplot2::element_text(margin = ggplot2::margin(t = 8)),
      axis.title.y = ggplot2::element_text(margin = ggplot2::margin(r = 8)),
      legend.position = "top", legend.justification = "left", legend.title = ggplot2::element_blank(),
      legend.margin = ggplot2::margin(0, 0, 0, 0), legend.box.margin = ggplot2::margin(0, 0, -4, -6),
      legend.text = ggplot2::element_text(size = base_size * 0.85, margin = ggplot2::margin(r = 10)),
      plot.background = ggplot2::element_rect(fill = "white", colour = NA)
    )
}

#' A caption or subtitle broken into lines that fit a plot eight inches wide.
wrap_text <- function(text, width = 95) if (is.null(text)) NULL else paste(strwrap(text, width), collapse = "\n")

#' A plot that says why there is nothing to show.
#' @return ggplot
empty_plot <- function(title, reason = "No data to show yet.") {
  check_text(title, "title")
  check_text(reason, "reason")
  ggplot2::ggplot() +
    ggplot2::annotate("text", x = 0, y = 0, label = reason, size = 5, colour = plot_colours[["ordinary"]]) +
    ggplot2::labs(title = title) + ggplot2::theme_void(base_size = 13) +
    ggplot2::theme(plot.title = ggplot2::element_text(face = "bold", size = 13 * 1.15),
                   plot.margin = ggplot2::margin(6, 6, 6, 6),
                   plot.background = ggplot2::element_rect(fill = "white", colour = NA))
}

#' Scales that give `highlight` its colours, shapes and sizes; `meanings` names those shown in the legend.
highlight_scales <- function(meanings = NULL, size = 2.8) {
  breaks <- names(meanings)
  labels <- unname(meanings)
  guide <- if (is.null(meanings)) "none" else "legend"
  list(
    ggplot2::scale_colour_manual(values = plot_colours, breaks = breaks, labels = labels, guide = guide),
    ggplot2::scale_shape_manual(values = plot_shapes, breaks = breaks, labels = labels, guide = guide),
    ggplot2::scale_size_manual(values = size * plot_sizes, breaks = breaks, labels = labels, guide = guide)
  )
}

#' The highlight of labels.
#' @return text: better, worse, different, too_few or ordinary
highlight_of <- function(label, better = character(), worse = character(), different = character(),
                         too_few = "too few to judge") {
  highlight <- rep("ordinary", length(label))
  highlight[label %in% better] <- "better"
  highlight[label %in% worse] <- "worse"
  highlight[label %in% different] <- "different"
  highlight[label %in% too_few] <- "too_few"
  highlight
}

#' Stop unless every highlight is one that has a colour.
check_highlight <- function(highlight) {
  stop_at(!as.character(highlight) %in% names(plot_sizes), "column highlight must be one of ",
          paste(names(plot_sizes), collapse = ", "))
}

#' Units in order of their value, with confidence limits (a caterpillar plot)
#'
#' @param data       data frame: `unit` (text), `value`, `lower`, `upper` (numbers), and optionally `highlight`
#'                   (see [highlight_of])
#' @param reference  a number drawn as a vertical line, for example the national value, or NULL
#' @param reference_label  what the line stands for, written beside it, for example "country 70.7"
#' @param value_label  axis title with its unit, for example "Admissions per 100,000 inhabitants"
#' @param labels     how numbers on the axis are written
#' @param meanings   named text, what each highlight means, for the legend: c(worse = "higher than the country")
#' @param most       with more units than this only the highest and lowest are shown, and the caption says so
#' @param from_zero  does the axis start at 0?
#' @return ggplot; units whose value is NA are left out
ranking_plot <- function(data, title, value_label, reference = NULL, reference_label = "average", subtitle = NULL,
                         caption = NULL, labels = scales::label_comma(), meanings = NULL, most = 24, from_zero = TRUE) {
  check_columns(data, c("unit", "value", "lower", "upper"))
  check_text(title, "title")
  check_text(value_label, "value_label")
  for (name in c("value", "lower", "upper")) data[[name]] <- check_numbers(data[[name]], paste("column", name))
  if (!is.null(reference)) reference <- check_numbers(reference, "reference")
  data <- data[!is.na(data$value), ]
  if (!nrow(data)) return(empty_plot(title))
  if (is.null(data$highlight)) data$highlight <- rep("ordinary", nrow(data))
  check_highlight(data$highlight)
  place <- rank(data$value, ties.method = "first")
  hidden <- place > most %/% 2 & place <= nrow(data) - most %/% 2
  if (any(hidden)) {
    caption <- paste0(caption, if (!is.null(caption)) " ", sum(hidden), " units between the highest and lowest ",
                      most %/% 2, " are not shown.")
    data <- data[!hidden, ]
  }
  data$unit <- factor(data$unit, data$unit[order(data$value)])
  plot <- ggplot2::ggplot(data, ggplot2::aes(.data$value, .data$unit, colour = .data$highlight)) +
    ggplot2::geom_linerange(ggplot2::aes(xmin = .data$lower, xmax = .data$upper), linewidth = 1.1,
                            show.legend = FALSE, na.rm = TRUE) +
    ggplot2::geom_point(ggplot2::aes(shape = .data$highlight, size = .data$highlight)) + highlight_scales(meanings) +
    ggplot2::scale_x_continuous(labels = labels, expand = ggplot2::expansion(c(0.01, 0.06))) +
    ggplot2::scale_y_discrete(expand = ggplot2::expansion(add = c(if (is.null(reference)) 0.6 else 1.1, 0.6))) +
    ggplot2::labs(title = title, subtitle = wrap_text(subtitle, 80), caption = wrap_text(caption), x = value_label,
                  y = NULL) +
    theme_platform() +
    ggplot2::theme(panel.grid.major.y = ggplot2::element_blank(),
                   axis.text.y = ggplot2::element_text(size = max(8, min(11, 210 / nrow(data)))))
  if (from_zero) plot <- plot + ggplot2::expand_limits(x = 0)
  if (!is.null(reference) && !is.na(reference)) {
    plot <- plot +
      ggplot2::geom_vline(xintercept = reference, linetype = "dashed", colour = plot_colours[["line"]]) +
      ggplot2::annotate("text", x = reference, y = 0.3, label = paste0(" ", reference_label), hjust = 0, size = 3.8,
                        colour = plot_colours[["line"]])
  }
  plot
}

#' Funnel plot: value by size, with limits at 95 and 99.8 %
#'
#' Sizes that differ more than thirtyfold are drawn on a logarithmic axis, so that small units can be told apart.
#'
#' @param data   data frame, one row per unit: `unit`, `size`, `value`, `highlight`
#' @param curve  the limits, as funnel_curve() gives them
#' @param target the value that units are compared with, a horizontal line
#' @param target_label  what it stands for, written above or below it, where no point is
#' @param size_label,value_label  axis titles with units
#' @param labelled  names of the units to write beside their points, where there is room; by default all of up to 15,
#'                  else those that are not ordinary. Those that are not ordinary are written first
#' @param from_zero  does the vertical axis start at 0? Of a common outcome (70 %) that leaves little room for the funnel
#' @return ggplot; units whose value is NA are left out
funnel_plot <- function(data, curve, target, title, size_label, value_label, target_label, subtitle = NULL,
                        caption = NULL, labels = scales::label_comma(), meanings = NULL, labelled = NULL, from_zero = TRUE) {
  check_columns(data, c("unit", "size", "value", "highlight"))
  check_columns(curve, c("size", "lower_95", "upper_95", "lower_998", "upper_998"), "curve")
  check_text(title, "title")
  check_text(size_label, "size_label")
  check_text(value_label, "value_label")
  check_text(target_label, "target_label")
  check_highlight(data$highlight)
  curve[] <- Map(check_not_negative, curve, paste("column", names(curve), "of curve"))
  if (nrow(curve)) stop_at(!stats::complete.cases(curve), "curve has a limit that is missing")
  if (nrow(data)) target <- check_number(target, "target", 0)
  data$value <- check_numbers(data$value, "column value")
  data$size <- check_not_negative(data$size, "column size")
  stop_at(!is.na(data$value) & data$size %in% c(0, NA), "column size must be above 0 for a unit that has a value")
  data <- data[!is.na(data$value), ]
  if (!nrow(data)) return(empty_plot(title))
  lines <- c("lower_95", "upper_95", "lower_998", "upper_998")
  limits <- data.frame(size = rep(curve$size, 4), value = unlist(curve[lines], use.names = FALSE),
                       line = rep(lines, each = nrow(curve)), outer = rep(c("95 %", "99.8 %"), each = 2 * nrow(curve)))
  middle <- which.min(abs(curve$size - stats::median(data$size)))
  # Limits of the very smallest units would flatten the plot.
  top <- max(1.1 * data$value, min(max(curve$upper_998), 1.6 * curve$upper_998[middle]))
  bottom <- if (check_flag(from_zero, "from_zero")) 0 else
    max(0, min(0.97 * data$value, max(min(curve$lower_998), 2 * curve$lower_998[middle] - target)))
  limits <- limits[limits$value <= top & limits$value >= bottom, ]
  ends <- limits[limits$size == max(curve$size), ]
  wide <- max(data$size) > 30 * min(data$size)
  if (is.null(labelled)) labelled <- data$unit[nrow(data) <= 15 | !data$highlight %in% c("ordinary", "too_few")]
  names <- funnel_names(data, limits, target, target_label, labelled, wide, bottom)
  ggplot2::ggplot(data, ggplot2::aes(.data$size, .data$value)) +
    ggplot2::geom_line(data = limits, ggplot2::aes(group = .data$line, linetype = .data$outer),
                       colour = plot_colours[["limit"]], linewidth = 0.6) +
    ggplot2::geom_text(data = ends, ggplot2::aes(label = .data$outer), hjust = -0.15, size = 3.4,
                       colour = "#52606D", check_overlap = TRUE) +
    ggplot2::geom_hline(yintercept = target, colour = plot_colours[["line"]]) +
    ggplot2::geom_segment(data = names[names$far, ], linewidth = 0.3, colour = plot_colours[["limit"]],
                          ggplot2::aes(.data$edge_x, .data$edge_y, xend = .data$to_x, yend = .data$to_y)) +
    ggplot2::geom_point(ggplot2::aes(colour = .data$highlight, shape = .data$highlight, size = .data$highlight)) +
    ggplot2::geom_text(data = names, ggplot2::aes(.data$x, .data$y, label = .data$text, size = NULL), size = 3.6,
                       colour = plot_colours[["line"]]) +
    highlight_scales(meanings) +
    ggplot2::scale_linetype_manual(values = c("95 %" = "dashed", "99.8 %" = "solid"), guide = "none") +
    ggplot2::scale_x_continuous(labels = scales::label_comma(), trans = if (wide) "log10" else "identity",
                                expand = ggplot2::expansion(c(0.02, 0.09))) +
    ggplot2::scale_y_continuous(labels = labels, expand = ggplot2::expansion(c(0.02, 0.06))) +
    ggplot2::expand_limits(y = bottom) + ggplot2::coord_cartesian(clip = "off") +
    ggplot2::labs(title = title, subtitle = wrap_text(subtitle, 80), caption = wrap_text(caption),
                  x = paste0(size_label, if (wide) " (logarithmic)"), y = value_label) +
    theme_platform()
}

#' Names of units and of the target with their places in a funnel, on the scales of its axes.
#' A data frame: text, x, y (its middle), far (a line leads from edge_x, edge_y to the point at to_x, to_y)
funnel_names <- function(data, limits, target, target_label, labelled, wide, bottom = 0) {
  panel <- c(6.3, 2.7) # inches between the limits' ends, in a plot of 8 by 5 with legend and caption
  scale <- if (wide) log10 else identity
  back <- if (wide) function(x) 10^x else identity
  reach <- range(scale(limits$size))
  top <- max(limits$value, data$value, target)
  across <- function(size) (scale(size) - reach[1]) / diff(reach) * panel[1]
  up <- function(value) (value - bottom) / (top - bottom) * panel[2]
  data <- data[order(data$highlight %in% c("ordinary", "too_few")), ]
  x <- across(data$size)
  y <- up(data$value)
  title <- line_label_place(x, y, up(target), target_label, panel[1])
  lines <- data.frame(x = c(across(limits$size), seq(0, panel[1], 0.05)),
                      y = c(up(limits$value), rep(up(target), length(seq(0, panel[1], 0.05)))))
  unit <- ifelse(data$unit %in% labelled, as.character(data$unit), "")
  places <- label_places(x, y, unit, lines, panel[1], panel[2] * 1.05, title$box)
  names <- data.frame(text = c(target_label, unit), x = c(title$x, places$x), y = c(title$y, places$y),
                      far = c(FALSE, places$far), edge_x = c(NA, places$edge_x), edge_y = c(NA, places$edge_y),
                      to_x = c(NA, data$size), to_y = c(NA, data$value))
  names <- names[!is.na(names$x), ]
  names[c("x", "edge_x")] <- lapply(names[c("x", "edge_x")], function(x) back(x / panel[1] * diff(reach) + reach[1]))
  names[c("y", "edge_y")] <- lapply(names[c("y", "edge_y")], function(y) y / panel[2] * (top - bottom) + bottom)
  names
}

#' What a funnel's limits hold, for its caption: the variation beyond chance, or chance alone.
#' @param phi,tau2,phi_chance  as [overdispersion] gives them; units vary phi / phi_chance times as much as chance
#' @return one sentence; NULL where there are no units
overdispersion_caption <- function(phi, tau2, phi_chance) {
  check_lengths(phi = phi, tau2 = tau2, phi_chance = phi_chance)
  phi <- check_not_negative(phi, "phi")
  tau2 <- check_not_negative(tau2, "tau2")
  phi_chance <- check_not_negative(phi_chance, "phi_chance")
  known <- which(!is.na(phi) & !is.na(tau2) & phi_chance > 0)
  if (!length(known)) return(NULL)
  times <- phi[known[1]] / phi_chance[known[1]]
  widened <- tau2[known[1]] > 0
  if (times >= 1.05) {
    return(sprintf(paste("Units vary %.1f times as much as chance alone would make them (overdispersion):", if (widened)
      "the limits are widened to hold that." else "too little to widen the limits, which are those of chance."), times))
  }
  paste("Units vary", if (widened) "hardly" else "no", "more than chance alone would make them:",
        if (widened) "the limits are nearly those of chance." else "limits are those of chance.")
}

#' Control chart: a value over time with its centre and limits, one panel per unit
#'
#' @param data    data frame, one row per period: `period` (date), `value`, `centre`, `lower`, `upper`, `highlight`,
#'                and optionally `unit` (text), which makes a panel of each
#' @param target  a number drawn as a dotted line (a national standard; say so in the caption), or NULL
#' @param meanings  named text, what each highlight means, for the legend
#' @param include   numbers that the value axis must reach, for example 0, so that small changes do not look large
#' @return ggplot; a period without a value, or without a row, leaves a gap. A period that a unit has twice is an error
control_chart_plot <- function(data, title, value_label, subtitle = NULL, caption = NULL, target = NULL,
                               labels = scales::label_comma(), meanings = NULL, include = NULL) {
  check_columns(data, c("period", "value", "centre", "lower", "upper", "highlight"))
  for (name in c("value", "centre", "lower", "upper")) data[[name]] <- check_numbers(data[[name]], paste("column", name))
  check_text(title, "title")
  check_text(value_label, "value_label")
  data$period <- check_days(data$period, "column period")
  check_highlight(data$highlight)
  data <- with_gaps(data)
  if (!any(!is.na(data$value))) return(empty_plot(title))
  band <- data[!is.na(data$lower) & !is.na(data$upper), ]
  plot <- ggplot2::ggplot(data, ggplot2::aes(.data$period, .data$value))
  if (nrow(band)) {
    plot <- plot + ggplot2::geom_ribbon(data = band, ggplot2::aes(ymin = .data$lower, ymax = .data$upper),
                                        fill = "#E4E7EB")
  }
  plot <- plot +
    ggplot2::geom_line(ggplot2::aes(y = .data$centre), colour = plot_colours[["line"]], na.rm = TRUE) +
    ggplot2::geom_line(colour = plot_colours[["limit"]], linewidth = 0.5, na.rm = TRUE) +
    ggplot2::geom_point(ggplot2::aes(colour = .data$highlight, shape = .data$highlight, size = .data$highlight),
                        na.rm = TRUE) +
    highlight_scales(meanings, size = if (is.null(data$unit)) 2.6 else 1.7) +
    ggplot2::expand_limits(y = include) +
    ggplot2::scale_x_date(date_labels = "%b\n%Y", expand = ggplot2::expansion(c(0.02, 0.03))) +
    ggplot2::scale_y_continuous(labels = labels) +
    ggplot2::labs(title = title, subtitle = wrap_text(subtitle, 80), caption = wrap_text(caption), x = NULL,
                  y = value_label) +
    theme_platform()
  if (!is.null(target)) {
    plot <- plot + ggplot2::geom_hline(yintercept = target, linetype = "dotted", linewidth = 0.7)
  }
  if (!is.null(data$unit)) {
    plot <- plot + ggplot2::facet_wrap(ggplot2::vars(.data$unit)) +
      ggplot2::theme(strip.text = ggplot2::element_text(face = "bold", hjust = 0),
                     panel.spacing = ggplot2::unit(14, "pt"))
  }
  plot
}

#' The rows of a control chart in order of time, with a row without a value wherever a unit leaves out a period, so that
#' the line is broken there.
with_gaps <- function(data) {
  unit <- if (is.null(data$unit)) rep("", nrow(data)) else data$unit
  parts <- split(seq_len(nrow(data)), check_groups(unit, nrow(data), "unit")$index)
  rows <- lapply(parts, function(rows) {
    rows <- rows[order(data$period[rows])]
    part <- data[rows, , drop = FALSE]
    check_periods(part$period, name = "period of a unit", gaps = TRUE)
    step <- diff(period_places(part$period))
    after <- if (length(step)) which(step > 1.5 * stats::median(step)) else integer()
    if (!length(after)) return(part)
    empty <- part[after, , drop = FALSE]
    empty$period <- empty$period + (part$period[after + 1] - empty$period) / 2
    empty[c("value", "lower", "upper")] <- NA_real_
    rbind(part, empty)[order(c(seq_along(rows), after + 0.5)), , drop = FALSE]
  })
  if (length(rows)) do.call(rbind, unname(rows)) else data
}
