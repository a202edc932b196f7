# Loads scripts the way the platform does: source() is relative to the file that calls it, into an environment of its own.

r_scripts <- normalizePath("..")

load_script <- function(...) {
  env <- new.env(parent = globalenv())
  read <- function(path) {
    for (expression in parse(path, encoding = "UTF-8")) {
      local_source <- function(file) read(normalizePath(file.path(dirname(path), file)))
      assign("source", local_source, env)
      eval(expression, env)
    }
  }
  read(file.path(r_scripts, ...))
  env
}

load_library <- function(name) load_script("lib", paste0(name, ".R"))
load_indicator <- function(name) load_script("indicators", paste0(name, ".R"))[[name]]

# Published data and reference results; tests that need them are skipped only where the variable is not set.
shared_file <- function(...) {
  root <- Sys.getenv("PLATFORM_SHARED")
  testthat::skip_if(root == "", "PLATFORM_SHARED is not set")
  file <- file.path(normalizePath(root, mustWork = TRUE), ...)
  if (!file.exists(file)) stop("no such shared file: ", file)
  file
}

expect_relative <- function(object, expected, tolerance) {
  label <- deparse(substitute(object))
  testthat::expect_identical(is.na(object), is.na(expected), label = paste("missing values of", label))
  worst <- max(0, abs(object - expected) / pmax(abs(expected), .Machine$double.xmin), na.rm = TRUE)
  exact_zero <- expected == 0 & !is.na(expected)
  worst <- max(0, (abs(object - expected) / abs(expected))[!exact_zero], abs(object)[exact_zero], na.rm = TRUE)
  testthat::expect_lte(worst, tolerance, label = paste("worst relative difference of", label))
}

draws <- function(plot) {
  file <- tempfile(fileext = ".svg")
  on.exit(unlink(file))
  grDevices::svg(file, 8, 5)
  tryCatch(print(plot), finally = grDevices::dev.off())
  testthat::expect_gt(file.size(file), 1000)
}
