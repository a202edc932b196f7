# Run indicators at your own computer, on sample data, with nothing but R.
#
#   Rscript r_scripts/dev.R                              lists the indicators and the tables
#   Rscript r_scripts/dev.R <name> [param=value ...]     runs one
#   Rscript r_scripts/dev.R <table>                      shows the columns of a table
#
# In RStudio:
#
#   source("r_scripts/dev.R")
#   list_indicators()
#   list_tables()
#   result <- run_indicator("admissions_by_province", until = "2020-09-14")
#   result$data
#
# Sample data are CSV files, one for each input table: data/sample/<input>.csv (`make sample` writes them). With the
# environment variable DATA_HOME they are in DATA_HOME/sample. A CSV of your own with the same columns does as well.

dev <- local({
  # This file's folder: source() says it in its frame, Rscript on its command line.
  sourced <- Filter(Negate(is.null), lapply(sys.frames(), function(frame) frame$ofile))
  argument <- sub("^--file=", "", grep("^--file=.*dev[.]R$", commandArgs(FALSE), value = TRUE))
  path <- c(if (length(sourced)) sourced[[length(sourced)]], argument, "r_scripts/dev.R", "dev.R")
  root <- dirname(normalizePath(path[file.exists(path)][1], winslash = "/"))
  harness <- new.env(parent = baseenv())
  for (folder in file.path(root, c("harness", "harness/author"))) {
    for (file in sort(list.files(folder, "[.]R$", full.names = TRUE))) sys.source(file, harness, keep.source = FALSE)
  }
  harness$root <- root
  harness$contracts <- file.path(dirname(root), "platform_assets", "defs")
  harness$is_program <- !length(sourced) && length(argument) == 1
  harness
})

#' The indicators there are: a data frame with name, title and params. A header that cannot be read says why.
list_indicators <- function(folder = file.path(dev$root, "indicators")) dev$list_all(folder)

#' The tables that an @input line can name: a data frame with table, column, type and meaning.
list_tables <- function(samples = dev$sample_folder(dev$root), contracts = dev$contracts) {
  dev$list_columns(samples, contracts)
}

#' The function of an indicator, with its helpers, for tests and for trying things out.
load_indicator <- function(name, folder = file.path(dev$root, "indicators")) dev$load_one(name, folder)

#' Runs an indicator on sample data and checks the result against its header.
#'
#' `...` are parameters by name; `inputs` is a named list of data frames of your own, in place of sample data.
#' Gives list(data, plots, files, warnings); stops with the failure card if something is wrong. Plots are saved as
#' SVG and PNG in `plot_folder` and, in RStudio, shown.
run_indicator <- function(name, ..., inputs = list(), folder = file.path(dev$root, "indicators"),
                          samples = dev$sample_folder(dev$root),
                          plot_folder = file.path(dirname(samples), "plots", dev$plain_name(name))) {
  result <- dev$run_one(name, list(...), inputs, folder, samples, plot_folder)
  if (interactive()) for (plot in result$plots) if (is.function(plot)) plot() else print(plot)
  invisible(result)
}

if (dev$is_program) {
  samples <- dev$sample_folder(dev$root)
  status <- dev$command_line(
    commandArgs(TRUE), file.path(dev$root, "indicators"), samples, file.path(dirname(samples), "plots"), dev$contracts
  )
  quit(status = status)
}
