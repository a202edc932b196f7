# The harness: what is accepted, and where a failure is said to be. How whole runs fail is tested from Python, in
# tests/r_runtime, through the same code.

harness <- new.env(parent = baseenv())
for (file in list.files("../harness", "[.]R$", full.names = TRUE)) sys.source(file, harness)

run <- function(code, outputs = list(n = list(type = "integer")), plots = character(), helpers = list(), inputs = list(x = 1)) {
  folder <- tempfile("scripts")
  dir.create(folder)
  script <- normalizePath(file.path(folder, "f.R"), mustWork = FALSE)
  writeLines(code, script)
  files <- script
  for (name in names(helpers)) {
    writeLines(helpers[[name]], file.path(folder, name))
    files <- c(files, normalizePath(file.path(folder, name)))
  }
  said <- list()
  session <- harness$new_session(
    list(name = "f", script = script, files = files, outputs = outputs, plots = plots),
    function(level, text, file, line) said[[length(said) + 1]] <<- c(level, text, basename(file), line)
  )
  value <- NULL
  if (!is.null(harness$load_script(session))) value <- harness$call_indicator(session, inputs)
  list(value = value, failure = session$failure, warnings = session$warnings, said = said)
}

test_that("a function after its second call, when R compiles it, still has its lines", {
  ran <- run(c("g <- function(i) {", "  y <- i", "  if (i > 3) {", "    stop('four')", "  }", "}",
               "f <- function(x) {", "  for (i in 1:10) {", "    g(i)", "  }", "}"))
  expect_identical(ran$failure$line, 4L)
  expect_identical(vapply(ran$failure$stack, `[[`, "", "call"), c("f(x)", "g(i)", "stop(\"four\")"))
})

test_that("the statement is found that spans several lines", {
  ran <- run(c("f <- function(x) {", "  log(", "    'a'", "  )", "}"))
  expect_identical(ran$failure[c("line", "end_line")], list(line = 2L, end_line = 4L))
})

test_that("calls between the author's are left out of the stack, repeated ones are counted", {
  ran <- run(c("f <- function(x) {", "  Reduce(function(a, b) g(b), 1:3, 0)", "}", "g <- function(n) {",
               "  if (n > 0) g(n - 1) else stop('zero')", "}"))
  expect_identical(vapply(ran$failure$stack, `[[`, "", "call"), c(
    "f(x)", "Reduce(function(a, b) g(b), 1:3, 0)", "g(b)", "g(n - 1)", "stop(\"zero\")"
  ))
})

test_that("data that stand in a call are not copied into the stack", {
  ran <- run(c("f <- function(x) {", "  do.call(g, list(x, c(1, 2)))", "}",
               "g <- function(d, n) {", "  do.call('stop', list('no', call. = FALSE))", "}"),
             inputs = list(x = data.frame(secret = "Jansen")))
  expect_identical(ran$failure$message, "no")
  expect_false(any(grepl("Jansen", unlist(ran$failure))))
})

test_that("messages and warnings are passed on with their line", {
  ran <- run(c("f <- function(x) {", "  message('one')", "  warning('two')", "  data.frame(n = 1L)", "}"))
  expect_identical(ran$said, list(c("info", "one", "f.R", "2"), c("warning", "two", "f.R", "3")))
  expect_identical(ran$warnings[[1]]$message, "two")
  expect_identical(ran$value$data, data.frame(n = 1L))
})

test_that("helpers share one environment with the script and may source each other", {
  ran <- run(c("source('a.R')", "f <- function(x) data.frame(n = a())"),
             helpers = list("a.R" = c("source('b.R')", "a <- function() b() + one"), "b.R" = c("one <- 1L", "b <- function() 2L")))
  expect_identical(ran$value$data$n, 3L)
})

test_that("a tibble, a data.table and a grouped table are plain tables in the end", {
  for (make in c("dplyr::tibble", "data.table::data.table", "(function(...) dplyr::group_by(dplyr::tibble(...), n))")) {
    ran <- run(paste0("f <- function(x) ", make, "(n = c(1L, 2L))"))
    expect_identical(ran$value$data, data.frame(n = 1:2), label = make)
  }
})

test_that("columns come out in declared order, whatever order the function made", {
  outputs <- list(b = list(type = "integer"), a = list(type = "text"))
  expect_identical(run("f <- function(x) data.frame(a = 'x', b = 1L)", outputs)$value$data, data.frame(b = 1L, a = "x"))
})

test_that("limits hold at both ends and do not mind NA", {
  share <- function(code) run(paste0("f <- function(x) data.frame(n = ", code, ")"),
                              list(n = list(type = "number", minimum = 0, maximum = 1)))
  expect_null(share("c(0, 1, NA)")$failure)
  expect_match(share("c(0.5, -0.1, -2)")$failure$message, "below 0 in 2 rows, first in row 2, @output says <number 0..1>",
               fixed = TRUE)
  expect_match(share("1.001")$failure$message, "above 1 in row 1", fixed = TRUE)
})

test_that("something that is not a plot is refused by name", {
  ran <- run("f <- function(x) list(data = data.frame(n = 1L), bars = 5)", plots = "bars")
  expect_identical(ran$failure$message, "plot \"bars\" is numeric: return a ggplot, recordPlot(), or a function that draws")
  ran <- run("f <- function(x) list(data = data.frame(n = 1L), bras = 5)")
  expect_match(ran$failure$message, "returned \"bras\", which is not declared", fixed = TRUE)
})

test_that("the script's random numbers do not depend on the session", {
  set.seed(99)
  first <- run("f <- function(x) data.frame(n = sample(1e6, 3))")$value
  runif(5)
  expect_identical(run("f <- function(x) data.frame(n = sample(1e6, 3))")$value, first)
})
