# dev.R: authors list and run indicators on sample data without the platform.

source("../dev.R", local = TRUE)

# A project with one indicator and its sample data; the functions of dev.R pointed at it.
project <- function(code, samples = list(visits = c("day,ward,n", "2020-01-01,A,3", "2020-01-02,\u00c9,4", "2020-01-03,,5"))) {
  root <- tempfile("project")
  dir.create(file.path(root, "r_scripts", "indicators"), recursive = TRUE)
  dir.create(file.path(root, "r_scripts", "lib"))
  dir.create(file.path(root, "data", "sample"), recursive = TRUE)
  folder <- file.path(root, "r_scripts", "indicators")
  name <- sub("^.*\n([a-z_]+) <- function.*$", "\\1", code)
  writeLines(enc2utf8(code), file.path(folder, paste0(name, ".R")), useBytes = TRUE)
  for (table in names(samples)) {
    writeLines(enc2utf8(samples[[table]]), file.path(root, "data", "sample", paste0(table, ".csv")), useBytes = TRUE)
  }
  list(name = name, folder = folder, samples = file.path(root, "data", "sample"), root = root)
}

run <- function(p, ...) {
  result <- NULL
  said <- utils::capture.output(result <- run_indicator(p$name, ..., folder = p$folder, samples = p$samples))
  c(result, list(said = said))
}

header <- "#' Visits by ward\n#' @input visits day <date>, ward <text>, n <integer>\n"
counts <- paste0(header, "#' @param until <date> last day, default 2020-01-02\n#' @output ward <text>, n <integer 0..>
#' @plot bars Visits
counts <- function(visits, params) {
  message('counting ', nrow(visits), ' visits')
  kept <- visits[visits$day <= params$until, ]
  list(data = data.frame(ward = kept$ward, n = kept$n), bars = function() plot(kept$n))
}")

test_that("indicators are listed with title and parameters", {
  p <- project(counts)
  expect_identical(
    list_indicators(p$folder), data.frame(name = "counts", title = "Visits by ward", params = "until=2020-01-02")
  )
})

test_that("a header that cannot be read is listed with the reason", {
  p <- project("#' T\n#' @inputs x\nbroken <- function(x) x")
  expect_match(list_indicators(p$folder)$title, "broken.R line 2: unknown tag @inputs", fixed = TRUE)
})

test_that("an indicator runs on sample data, with typed columns and the default parameter", {
  p <- project(counts)
  result <- run(p)
  expect_identical(result$data, data.frame(ward = c("A", "\u00c9"), n = 3:4))
  expect_identical(result$said, "counting 3 visits  [counts.R:7]")
})

test_that("a parameter can be given as a value or as text", {
  p <- project(counts)
  expect_identical(run(p, until = "2020-01-03")$data$ward, c("A", "\u00c9", NA))
  expect_identical(run(p, until = as.Date("2020-01-01"))$data$n, 3L)
  expect_error(run(p, until = "1 January"), "parameter until: \"1 January\" is not a date", fixed = TRUE)
  expect_error(run(p, til = "x"), "unknown parameter \"til\"; the parameters are: until", fixed = TRUE)
})

test_that("plots are saved as SVG and PNG", {
  p <- project(counts)
  result <- run(p)
  expect_identical(result$files, file.path(p$root, "data", "plots", "counts", "bars.svg"))
  expect_gt(file.size(result$files), 1000)
  expect_gt(file.size(sub("svg$", "png", result$files)), 1000)
})

test_that("data frames of one's own take the place of sample data", {
  p <- project(counts, samples = list())
  visits <- data.frame(day = as.Date("2020-01-01"), ward = "B", n = 7L, more = 1)
  expect_identical(run(p, inputs = list(visits = visits))$data, data.frame(ward = "B", n = 7L))
  visits$n <- "7"
  expect_error(run(p, inputs = list(visits = visits)), "input visits: column \"n\" is character, @input says <integer>",
               fixed = TRUE)
})

test_that("sample data that are missing or do not fit are named", {
  expect_error(run(project(counts, samples = list())), "there is no sample data for input visits: ", fixed = TRUE)
  without <- project(counts, list(visits = c("day,n", "2020-01-01,3")))
  expect_error(run(without), "input visits: the table has no column \"ward\"; it has day, n", fixed = TRUE)
  wrong <- project(counts, list(visits = c("day,ward,n", "2020-01-01,A,3", "01/02/2020,A,4")))
  expect_error(run(wrong), "input visits: column \"day\" is not <date> in row 2 of visits.csv: write a date such as 2020",
               fixed = TRUE)
})

test_that("every type is read from CSV exactly", {
  p <- project(
    paste0("#' T\n#' @input t s <text>, i <integer>, n <number>, f <flag>, d <date>, m <time>, `two words` <text>\n",
           "#' @output s <text>, i <integer>, n <number>, f <flag>, d <date>, m <time>, `two words` <text>\n",
           "copies <- function(t) t"),
    list(t = c("\ufeffm,two words,s,i,n,f,d,not declared",
               "2020-03-29T01:30:00Z,\"a, b\",007,9007199254740992,1e-3,true,2020-02-29,x",
               ",,,,,,,",
               "2020-03-29 01:30:00.25,c,x,-1,2,FALSE,1900-01-01,x"))
  )
  data <- run(p)$data
  expect_identical(data$s, c("007", NA, "x"))
  expect_identical(data$i, c(2^53, NA, -1))
  expect_identical(data$n, c(1e-3, NA, 2))
  expect_identical(data$f, c(TRUE, NA, FALSE))
  expect_identical(data$d, as.Date(c("2020-02-29", NA, "1900-01-01")))
  expect_identical(as.numeric(data$m), c(1585445400, NA, 1585445400.25))
  expect_identical(data[["two words"]], c("a, b", NA, "c"))
})

test_that("a failure shows the card: place, code, calls and warnings", {
  p <- project(paste0(header, "#' @output n <integer>
fails <- function(visits) {
  warning('odd day')
  check <- function(x) {
    stop('no wards')
  }
  check(visits)
}"))
  card <- tryCatch(run(p), error = conditionMessage)
  expect_identical(strsplit(card, "\n", fixed = TRUE)[[1]], c(
    "fails: R error in fails.R line 7", "", "  no wards", "",
    "     4 | fails <- function(visits) {", "     5 |   warning('odd day')", "     6 |   check <- function(x) {",
    ">    7 |     stop('no wards')", "     8 |   }", "     9 |   check(visits)", "    10 | }", "",
    "Call stack, outermost first", "  fails(visits)", "  check(visits)     fails.R line 9",
    "  stop(\"no wards\")  fails.R line 7", "",
    "Warnings before it (1)", "  odd day  fails.R line 5"
  ))
})

test_that("an output that breaks its contract is refused", {
  p <- project(paste0(header, "#' @output n <integer>\nwrong <- function(visits) data.frame(m = 1)"))
  expect_error(run(p), "wrong(): the columns do not match the @output lines; missing: n; not declared: m", fixed = TRUE)
})

test_that("an unknown indicator is answered with those there are", {
  p <- project(counts)
  expect_error(run_indicator("count", folder = p$folder), "there is no indicator \"count\"; there are: counts", fixed = TRUE)
})

test_that("the author's R session stays as it was", {
  p <- project(counts)
  set.seed(7)
  before <- list(runif(1), options("warn", "digits", "width"), Sys.getenv("TZ", NA), Sys.getlocale("LC_COLLATE"))
  set.seed(7)
  run(p)
  after <- list(runif(1), options("warn", "digits", "width"), Sys.getenv("TZ", NA), Sys.getlocale("LC_COLLATE"))
  expect_identical(after, before)
  expect_identical(exists("visits", globalenv()), FALSE)
})

test_that("load_indicator gives the function with its helpers", {
  p <- project("#' T\n#' @input t x <integer>\n#' @output x <integer>\nsource('../lib/twice.R')\nloaded <- function(t) twice(t)")
  writeLines("twice <- function(t) rbind(t, t)", file.path(p$root, "r_scripts", "lib", "twice.R"))
  expect_identical(load_indicator("loaded", p$folder)(data.frame(x = 1))$x, c(1, 1))
})

# --- Rscript r_scripts/dev.R -----------------------------------------------------------------------------------

rscript <- function(p, ...) {
  file.copy(c("../dev.R", "../harness"), file.path(p$root, "r_scripts"), recursive = TRUE)
  said <- suppressWarnings(system2(
    file.path(R.home("bin"), "Rscript"), c("--vanilla", shQuote(file.path(p$root, "r_scripts", "dev.R")), ...),
    stdout = TRUE, stderr = TRUE, env = c("DATA_HOME=", "LC_ALL=C.UTF-8")
  ))
  list(said = as.character(said), status = if (is.null(attr(said, "status"))) 0L else attr(said, "status"))
}

test_that("the command lists the indicators", {
  listed <- rscript(project(counts))
  expect_identical(listed$said, c("counts  Visits by ward  (until=2020-01-02)", "",
                                  "Run one with: Rscript r_scripts/dev.R <name> [param=value ...]"))
})

test_that("the command runs one and says that the contract holds", {
  p <- project(counts)
  ran <- rscript(p, "counts", "until=2020-01-01")
  expect_identical(ran$status, 0L)
  expect_identical(ran$said[1:4], c("counting 3 visits  [counts.R:7]", "  ward n", "1    A 3",
                                    "1 row - columns, types and limits are as declared"))
  expect_true(file.exists(sub("^plot: ", "", ran$said[5])))
})

test_that("the command fails with the card and an exit status", {
  p <- project(counts, samples = list())
  failed <- rscript(p, "counts")
  expect_identical(failed$status, 1L)
  expect_identical(failed$said[1], "counts: file not found")
  expect_identical(rscript(p, "counts", "until")$status, 2L)
})
