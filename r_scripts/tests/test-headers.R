# What every indicator's header must say, so that the platform can read it without starting R.

indicators <- sub("\\.R$", "", list.files(file.path(r_scripts, "indicators"), pattern = "\\.R$"))

test_that("every indicator declares itself in full", {
  expect_gte(length(indicators), 5)
  for (name in indicators) {
    header <- read_header(name)
    for (tag in c("input", "output", "unit", "direction", "version", "owner")) {
      expect_true(tag %in% names(header), label = paste0(name, ".R has a line @", tag))
    }
    expect_true(all(header$direction %in% c("higher is better", "higher is worse", "neutral")),
                label = paste0("the @direction of ", name, ".R is known"))
    expect_true(all(grepl("^team:[A-Za-z0-9_.-]+$|@", header$owner)),
                label = paste0("the @owner of ", name, ".R is team:name or an e-mail address"))
    expect_true(xor("cases" %in% names(header), "publish" %in% names(header)),
                label = paste0(name, ".R gives cases, or says why its table may be published as it is"))
    for (param in header$param) {
      expect_match(param, "default \\S+", label = paste0("@param ", param, " in ", name, ".R"))
    }
    expect_true(all(header_columns(unlist(header[c("input", "output")])) %in%
                      c("text", "integer", "number", "flag", "date", "time")), label = paste("the types of", name))
  }
})

test_that("the function is named as the file and takes the declared inputs and params", {
  for (name in indicators) {
    header <- read_header(name)
    inputs <- unname(sub(" .*", "", header$input))
    expect_identical(names(formals(load_script("indicators", paste0(name, ".R"))[[name]])), c(inputs, if (length(header$param)) "params"), label = name)
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
  for (name in names(constants)) {
    env <- load_script("indicators", paste0(name, ".R"))
    expect_equal(env[[constants[[name]]]], as.numeric(sub(" of .*", "", read_header(name)$minimum_n)), label = name)
  }
})
