# Loads scripts the way the platform does: source() is relative to the file that calls it, and everything lands in an
# environment of its own.

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

# The harness and what authors have beside it.
harness <- new.env(parent = baseenv())
for (file in list.files(file.path(r_scripts, c("harness", "harness/author")), "[.]R$", full.names = TRUE)) {
  sys.source(file, harness)
}

# The whole indicator: from inputs to what it publishes. A script that gives cases has its figures made of their exact counts.
load_indicator <- function(name) {
  env <- load_script("indicators", paste0(name, ".R"))
  header <- harness$read_header(file.path(r_scripts, "indicators", paste0(name, ".R")))
  cases <- harness$read_cases(header)
  env$since <- as.Date(names(header$since))
  function(...) {
    result <- env[[name]](...)
    if (!is.null(cases)) {
      spec <- list(name = name, outputs = harness$case_columns(cases), plots = NULL)
      result <- env[[paste0(name, "_figures")]](harness$exact_atoms(harness$check_result(result, spec)$data, cases))
    }
    if (is.data.frame(result)) return(result)
    result[] <- lapply(result, function(part) {
      if (is.function(part) && length(formals(part)) == 1) part(result$data) else part
    })
    result
  }
}

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
  testthat::expect_gt(length(expected), 0, label = paste("number of expected values of", label))
  testthat::expect_identical(is.na(object), is.na(expected), label = paste("missing values of", label))
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

# The tags of an indicator's header: a list of tag -> lines, continuation lines joined.
read_header <- function(name) {
  lines <- readLines(file.path(r_scripts, "indicators", paste0(name, ".R")), encoding = "UTF-8")
  lines <- sub("^#' ?", "", lines[cumall(grepl("^#'", lines))])
  starts <- grepl("^@", lines)
  tagged <- split(trimws(lines), cumsum(starts))
  text <- vapply(tagged[names(tagged) != "0"], paste, "", collapse = " ")
  split(trimws(sub("^@\\w+", "", text)), sub("^@(\\w+).*", "\\1", text))
}
cumall <- function(x) cumsum(!x) == 0

header_columns <- function(text) {
  found <- regmatches(text, gregexpr("\\w+ <\\w+>", text))[[1]]
  stats::setNames(sub(".*<(\\w+)>", "\\1", found), sub(" .*", "", found))
}

# The table has the declared columns, in order and of the declared types; the plots are the declared ones and draw.
expect_keeps_contract <- function(name, result) {
  header <- read_header(name)
  declared <- header_columns(paste(header$output, collapse = ", "))
  kinds <- vapply(result$data, function(column) {
    if (inherits(column, "Date")) "date" else
      switch(typeof(column), character = "text", integer = "integer", double = "number", logical = "flag", "other")
  }, "")
  testthat::expect_identical(kinds, declared)
  for (column in names(kinds)[kinds == "number"]) {
    values <- result$data[[column]]
    testthat::expect_true(all(is.finite(values) | (is.na(values) & !is.nan(values))), label = paste(column, "is finite"))
  }
  testthat::expect_setequal(setdiff(names(result), "data"), sub(" .*", "", header$plot))
  for (plot in setdiff(names(result), "data")) draws(result[[plot]])
}
