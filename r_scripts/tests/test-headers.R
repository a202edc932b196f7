# What every indicator's header must say, so that the platform can read it without starting R.

indicators <- sub("\\.R$", "", list.files(file.path(r_scripts, "indicators"), pattern = "\\.R$"))

test_that("every indicator declares itself in full", {
  expect_gte(length(indicators), 5)
  for (name in indicators) {
    header <- read_header(name)
    tags <- c("input", "output", "plot", "unit", "direction", "version", "owner", "minimum_n")
    expect_true(all(tags %in% names(header)), label = paste(name, "has all tags"))
    expect_true(header$direction %in% c("higher is better", "lower is better", "neutral"), label = name)
    expect_match(header$owner, "^team:[a-z]+$", label = name)
    expect_match(header$minimum_n, "^[0-9]+$", label = name)
    expect_true(all(grepl(", default \\S+$", header$param)), label = paste(name, "parameters have a default"))
    expect_true(all(header_columns(unlist(header[c("input", "output")])) %in%
                      c("text", "integer", "number", "flag", "date", "time")), label = name)
  }
})

test_that("the function is named as the file and takes the declared inputs and params", {
  for (name in indicators) {
    header <- read_header(name)
    inputs <- unname(sub(" .*", "", header$input))
    expect_identical(names(formals(load_indicator(name))), c(inputs, if (length(header$param)) "params"), label = name)
  }
})

test_that("every source() is a literal path that exists", {
  for (file in list.files(file.path(r_scripts, c("indicators", "lib")), full.names = TRUE)) {
    calls <- grep("^source\\(", readLines(file), value = TRUE)
    literal <- grepl('^source\\("\\.\\./lib/\\w+\\.R"\\)$', calls)
    expect_true(all(literal), label = basename(file))
    paths <- sub('.*"(.*)".*', "\\1", calls)
    expect_true(all(file.exists(file.path(dirname(file), paths))), label = basename(file))
  }
})

test_that("the minimum in the header is the one in the code", {
  constants <- c(positivity_by_laboratory = "minimum_tests", turnaround = "minimum_results",
                 standardised_admissions = "minimum_stays", ae_four_hour = "minimum_attendances",
                 admissions_by_province = "minimum_admissions")
  for (name in indicators) {
    env <- load_script("indicators", paste0(name, ".R"))
    expect_equal(env[[constants[[name]]]], as.numeric(read_header(name)$minimum_n), label = name)
  }
})
