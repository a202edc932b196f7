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
