# Plots that a clinician can read across a table: large type, direct titles, units on the axes, and colours that
# remain apart for the colour-blind (Okabe and Ito 2008) and in grey. Each takes a data frame as the statistics give
# it and returns a ggplot.
source("../lib/checks.R")

#' Colours with a fixed meaning in every plot.
plot_colours <- c(ordinary = "#5B6770", better = "#0072B2", worse = "#D55E00", line = "#1F2933", limit = "#8895A0",
                  faint = "#C9D1D8")

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
      plot.background = ggplot2::element_rect(fill = "white", colour = NA)
    )
}

#' A caption or subtitle broken into lines that fit a plot eight inches wide.
wrap_text <- function(text, width = 95) if (is.null(text)) NULL else paste(strwrap(text, width), collapse = "\n")

#' A plot that says why there is nothing to show.
empty_plot <- function(title, reason = "No data to show yet.") {
  ggplot2::ggplot() +
    ggplot2::annotate("text", x = 0, y = 0, label = reason, size = 5, colour = plot_colours[["ordinary"]]) +
    ggplot2::labs(title = title) + theme_platform() +
    ggplot2::theme(axis.text = ggplot2::element_blank(), axis.title = ggplot2::element_blank(),
                   panel.grid = ggplot2::element_blank())
}

#' Units in order of their value, with confidence limits (a caterpillar plot)
#'
#' @param data       data frame: `unit` (text), `value`, `lower`, `upper` (numbers), and optionally `highlight`
#'                   (text: "better", "worse" or "ordinary")
#' @param reference  a number drawn as a vertical line, for example the national value, or NULL
#' @param reference_label  what the line stands for, written beside it, for example "country 70.7"
#' @param value_label  axis title with its unit, for example "Admissions per 100,000 inhabitants"
#' @return ggplot; units whose value is NA are left out
ranking_plot <- function(data, title, value_label, reference = NULL, reference_label = "average", subtitle = NULL,
                         caption = NULL, labels = scales::label_comma()) {
  check_columns(data, c("unit", "value", "lower", "upper"))
  data <- data[!is.na(data$value), ]
  if (!nrow(data)) return(empty_plot(title))
  if (is.null(data$highlight)) data$highlight <- "ordinary"
  data$unit <- stats::reorder(data$unit, data$value)
  plot <- ggplot2::ggplot(data, ggplot2::aes(.data$value, .data$unit, colour = .data$highlight)) +
    ggplot2::geom_linerange(ggplot2::aes(xmin = .data$lower, xmax = .data$upper), linewidth = 1.1) +
    ggplot2::geom_point(size = 3) +
    ggplot2::scale_colour_manual(values = plot_colours, guide = "none") +
    ggplot2::expand_limits(x = 0) +
    ggplot2::scale_x_continuous(labels = labels, expand = ggplot2::expansion(c(0.01, 0.06))) +
    ggplot2::scale_y_discrete(expand = ggplot2::expansion(add = c(1.1, 0.6))) +
    ggplot2::labs(title = title, subtitle = wrap_text(subtitle, 80), caption = wrap_text(caption), x = value_label, y = NULL) +
    theme_platform() + ggplot2::theme(panel.grid.major.y = ggplot2::element_blank())
  if (!is.null(reference) && !is.na(reference)) {
    plot <- plot +
      ggplot2::geom_vline(xintercept = reference, linetype = "dashed", colour = plot_colours[["line"]]) +
      ggplot2::annotate("text", x = reference, y = 0.3, label = paste0(" ", reference_label),
                        hjust = 0, size = 3.8,
                        colour = plot_colours[["line"]])
  }
  plot
}
