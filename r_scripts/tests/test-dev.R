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
  expect_error(run(project(counts, list(visit = "day", stays = "day"))), "visits.csv; there is for stays, visit (run",
               fixed = TRUE)
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

test_that("the card of a script that fails names the columns that are not there", {
  p <- project(paste0(header, "#' @output n <integer>\nstops <- function(visits) if (visits$beds > 1) visits"))
  card <- strsplit(tryCatch(run(p), error = conditionMessage), "\n", fixed = TRUE)[[1]]
  expect_identical(card[which(card == "Notes on the script (1)") + 1], paste0(
    "  visits$beds: the @input line has no column beds; it has day, ward, n  stops.R line 4"
  ))
})

test_that("a call that R makes by itself stands in the stack without R's own arguments", {
  p <- project(paste0(header, "#' @output n <integer>
assigns <- function(visits) {
  visits$share <- 1:2
  visits[1, ]
}"))
  card <- strsplit(tryCatch(run(p), error = conditionMessage), "\n", fixed = TRUE)[[1]]
  expect_identical(card[which(card == "Call stack, outermost first") + 2], paste0(
    "  `$<-`(`*tmp*`, share)             assigns.R line 5"
  ))
  expect_false(any(grepl("promise", card)))
})

test_that("an output that breaks its contract is refused", {
  p <- project(paste0(header, "#' @output n <integer>\nwrong <- function(visits) data.frame(m = 1)"))
  expect_error(run(p), "wrong(): the columns do not match the @output lines; missing: n; not declared: m", fixed = TRUE)
})

test_that("an unknown indicator is answered with those there are", {
  p <- project(counts)
  expect_error(run_indicator("count", folder = p$folder), "there is no indicator or table \"count\"; indicators: counts", fixed = TRUE)
})

test_that("a file that ends in .r is not an indicator, and is told so", {
  p <- project(counts)
  file.rename(file.path(p$folder, "counts.R"), file.path(p$folder, "counts.r"))
  expect_identical(list_indicators(p$folder)$title, "rename counts.r to counts.R, so that it is found")
})

test_that("an indicator may be named by its file", {
  p <- project(counts)
  p$name <- file.path(p$folder, "counts.R")
  result <- run(p)
  expect_identical(result$data$n, 3:4)
  expect_identical(result$files, file.path(p$root, "data", "plots", "counts", "bars.svg"))
})

test_that("a column or parameter that is not there, where R would answer NULL without a word, is noted", {
  notes <- function(body, head = "") {
    p <- project(paste0(header, head, "#' @output n <integer>\nnoted <- function(visits", if (nzchar(head)) ", params",
                        ") {\n  ", body, "\n  data.frame(n = 1L)\n}"),
                 list(visits = c("day,ward,n,status", "2020-01-01,A,3,x")))
    grep("^note: ", run(p)$said, value = TRUE)
  }
  place <- function(line) paste0("  [noted.R:", line, "]")
  expect_identical(notes("v <- visits\n  sum(v$status)"), paste0(
    "note: v$status: visits has this column, but its @input line does not name it, so it is not there: add status <type>",
    place(6)
  ))
  no_beds <- "the @input line has no column beds; it has day, ward, n"
  expect_identical(notes("sum(visits$beds)"), paste0("note: visits$beds: ", no_beds, place(5)))
  expect_identical(notes("sum(visits[[\"beds\"]])"), paste0("note: visits[[\"beds\"]]: ", no_beds, place(5)))
  # also where the script uses the name for a column of its own, as long as it leaves the table itself alone
  expect_identical(notes("made <- data.frame(beds = sum(visits$beds))"), paste0("note: visits$beds: ", no_beds, place(5)))
  expect_identical(notes("visits <- visits[visits$n > 1, ]\n  made <- data.frame(beds = sum(visits$beds))"),
                   paste0("note: visits$beds: ", no_beds, place(6)))
  expect_identical(notes("visits <- transform(visits, beds = 1)\n  visits$beds"), character())
  expect_identical(notes("visits[visits$n > 1, 'beds'] <- 1\n  visits$beds"), character())
  expect_identical(notes("sapply(list(data.frame(beds = 1)), function(visits) visits$beds)"), character())
  expect_identical(notes("params$form", "#' @param from <date> first day, default NA\n"), paste0(
    "note: params$form: there is no @param form; there are: from", place(6)
  ))
  expect_identical(notes("params$from; fit <- lm(n ~ 1, visits); fit$coefficients; visits$ward",
                         "#' @param from <date> first day, default NA\n"), character())
  expect_identical(notes(paste(
    "visits$beds <- 1", "visits$status[1] <- 2", "if (FALSE) levels(visits$kind) <- 'x'", "3 -> visits$right",
    "made <- data.frame(rooms = 1)", "visits$rooms", "visits$beds", "visits$right", "names(visits)[1] <- 'first'",
    "visits$first", "visits$kind", sep = "\n  "
  )), character())
})

test_that("a column whose name is nearly right is noted with the right one", {
  p <- project("#' T\n#' @input t length_of_stay <integer>\n#' @output n <integer>\nnear <- function(t) {
  x <- t\n  x$lenght_of_stay\n  data.frame(n = 1L)\n}", list(t = c("length_of_stay", "3")))
  expect_identical(run(p)$said, paste(
    "note: x$lenght_of_stay: there is no column of this name; is length_of_stay meant?  [near.R:6]"))
})

test_that("calls that the platform refuses are noted, in the script and in files beside it, not in lib", {
  p <- project(paste0(header, "#' @output n <integer>
source('beside.R')
source('../lib/shared.R')
calls <- function(visits) {
  load <- function(x) x
  if (FALSE) {
    utils::read.csv('other.csv')
    download.file('a', 'b')
    write.csv(visits, 'c')
    system('ls')
    Sys.getenv('HOME')
  }
  read.csv(text = 'a\n1'); list(file = function() 1)$file(); load(visits)
  data.frame(n = 1L)
}"))
  writeLines("beside <- function() readRDS('x')", file.path(p$folder, "beside.R"))
  writeLines("shared <- function() readRDS('x')", file.path(p$root, "r_scripts", "lib", "shared.R"))
  notes <- grep("^note: ", run(p)$said, value = TRUE)
  expect_identical(sub(" is not for the platform: .*  ", " ", notes), paste("note:", c(
    "read.csv() [calls.R:9]", "download.file() [calls.R:10]", "write.csv() [calls.R:11]", "system() [calls.R:12]",
    "Sys.getenv() [calls.R:13]", "readRDS() [beside.R:1]"
  )))
  expect_match(notes[1], "there an indicator gets its tables and no other files: declare the data as an @input", fixed = TRUE)
})

test_that("the platform's own indicators have nothing to note", {
  for (file in list.files(file.path(r_scripts, "indicators"), full.names = TRUE)) {
    expect_identical(dev$call_notes(file), list(), label = basename(file))
  }
})

test_that("the tables are listed with what `make sample` says of their columns, and without where it says nothing", {
  p <- project(counts)
  expect_identical(list_tables(p$samples, NULL), data.frame(
    table = "visits", column = c("day", "ward", "n"), type = NA_character_, meaning = NA_character_
  ))
  writeLines(c("table\tcolumn\ttype\tmeaning", "visits\tday\tdate\tDay of the \"visit\".", "visits\tn\tinteger\tPatients."),
             file.path(p$samples, "columns.tsv"))
  expect_identical(list_tables(p$samples, NULL)[c("type", "meaning")], data.frame(
    type = c("date", NA, "integer"), meaning = c("Day of the \"visit\".", NA, "Patients.")
  ))
  expect_identical(nrow(list_tables(tempfile(), NULL)), 0L)
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

test_that("the page's indicator, its failure card and its test are as the page shows them", {
  page <- readLines(file.path("..", "..", "docs", "write-an-indicator.md"), encoding = "UTF-8")
  block <- function(first) { # the lines of the fenced block that begins with this text
    start <- which(startsWith(page, first))[1]
    ends <- which(page == "```")
    page[start:(ends[ends > start][1] - 1)]
  }
  code <- paste(block("#' Laboratory tests by clinic"), collapse = "\n")
  samples <- list(lab_results = c("clinic,test_date,result", "A,2026-01-01,POS", "A,2026-01-02,NEG", "B,2026-08-01,N/A"))
  p <- project(code, samples)
  result <- run(p)
  expect_equal(result$data, data.frame(clinic = "A", tests = 2L, positive_percent = 50))
  broken <- project(sub("judged$result == \"POS\"", "positve == \"POS\"", code, fixed = TRUE), samples)
  card <- tryCatch(run(broken), error = conditionMessage)
  expect_identical(strsplit(card, "\n", fixed = TRUE)[[1]], block("tests_by_clinic: R error"))
  test <- parse(text = block("source(\"../dev.R\""))[[2]]
  eval(test, list2env(list(load_indicator = function(name) load_indicator(name, p$folder))))
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
                                  "Run one with: Rscript r_scripts/dev.R <name> [param=value ...]", "",
                                  "Tables for @input lines:", "  visits", "",
                                  "See the columns of one with: Rscript r_scripts/dev.R <table>"))
})

test_that("the command shows the columns of a table, ready for a header", {
  p <- project(counts, list(visits = c("day,ward name,n", "2020-01-01,A,3")))
  writeLines(c("table\tcolumn\ttype\tmeaning", "visits\tday\tdate\tDay.", "visits\tward name\ttext\tWard.",
               "visits\tn\tinteger\t"), file.path(p$samples, "columns.tsv"))
  expect_identical(rscript(p, "visits")$said, c(
    "#' @input visits  day <date>, `ward name` <text>, n <integer>", "",
    "day        <date>     Day.", "ward name  <text>     Ward.", "n          <integer>"
  ))
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
  expect_identical(failed$said[1], "counts: input does not match its declaration")
  expect_identical(rscript(p, "counts", "until")$status, 2L)
})

test_that("a dataset that was just added is found by its contract, before there is sample data", {
  p <- project(counts)
  defs <- file.path(p$root, "platform_assets", "defs", "some", "new_one")
  dir.create(defs, recursive = TRUE)
  writeLines(c("type: platform_assets.components.Dataset", "attributes:", "  name: new_one", "  columns:",
               "    day: {type: date, description: \"Day of\\n  the visit.\"}", "    n: {type: decimal}", "    y: {type: boolean}"),
             file.path(defs, "defs.yaml"))
  writeLines("type: [", file.path(p$root, "platform_assets", "defs", "defs.yaml"))
  expect_identical(list_tables(tempfile(), file.path(p$root, "platform_assets", "defs")), data.frame(
    table = "new_one", column = c("day", "n", "y"), type = c("date", "number", "flag"), meaning = c("Day of the visit.", "", "")
  ))
  shown <- rscript(p, "new_one")
  expect_identical(shown$status, 0L)
  expect_identical(shown$said[1], "#' @input new_one  day <date>, n <number>, y <flag>")
  expect_match(shown$said, "There is no sample data for it: put a CSV", all = FALSE, fixed = TRUE)
  expect_match(rscript(p)$said, "  new_one", all = FALSE, fixed = TRUE)
  expect_match(rscript(p, "nothing")$said, "there is no indicator or table \"nothing\"", all = FALSE, fixed = TRUE)
})
