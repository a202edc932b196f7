admissions_by_province <- load_indicator("admissions_by_province")

reports <- function(date, code, province, admissions) {
  data.frame(report_date = as.Date(date), municipality_code = code, municipality_name = code, province = province,
             total_reported = 10L * admissions, hospital_admissions = admissions, deaths = 0L)
}
inhabitants <- function(code, n) data.frame(municipality_code = code, municipality_name = code, inhabitants = n)
quietly <- function(...) suppressMessages(admissions_by_province(...))

test_that("running totals are taken from the last day and never summed over days", {
  days <- rbind(reports("2020-04-01", c("GM0001", "GM0002"), "Zeeland", c(5L, 7L)),
                reports("2020-04-02", c("GM0001", "GM0002"), "Zeeland", c(6L, 9L)))
  result <- quietly(days, inhabitants(c("GM0001", "GM0002"), c(1000L, 2000L)))$data
  expect_equal(result$total_admissions, 15L)
  expect_equal(result$per_100k, 500)
  expect_equal(result$report_date, as.Date("2020-04-02"))
})

test_that("until takes the last report day on or before it", {
  days <- rbind(reports("2020-04-01", "GM0001", "Zeeland", 5L), reports("2020-04-03", "GM0001", "Zeeland", 8L))
  people <- inhabitants("GM0001", 1000L)
  expect_equal(quietly(days, people, list(until = as.Date("2020-04-02")))$data$total_admissions, 5L)
  expect_equal(quietly(days, people, list(until = NULL))$data$total_admissions, 8L)
  expect_equal(nrow(quietly(days, people, list(until = as.Date("2020-03-01")))$data), 0)
})

test_that("a report without a municipality counts for its province, in total and rate", {
  day <- reports("2020-04-01", c("GM0001", NA, ""), "Zeeland", c(10L, 3L, 2L))
  expect_message(result <- admissions_by_province(day, inhabitants("GM0001", 1000L))$data, "n = 5")
  expect_equal(result$total_admissions, 15L)
  expect_equal(result$per_100k, 1500)
  expect_equal(result$municipalities_without_inhabitants, 0L)
})

test_that("a municipality without inhabitants stays in the total, leaves the rate, and is named", {
  day <- reports("2020-04-01", c("GM0001", "GM0002"), "Zeeland", c(10L, 30L))
  expect_warning(result <- quietly(day, inhabitants("GM0001", 1000L))$data, "left out of the rates: GM0002")
  expect_equal(result$total_admissions, 40L)
  expect_equal(result$inhabitants, 1000L)
  expect_equal(result$per_100k, 1000)
  expect_equal(result$municipalities_without_inhabitants, 1L)
})

test_that("a province none of whose municipalities have inhabitants has a total and no rate", {
  day <- reports("2020-04-01", "GM0001", "Zeeland", 12L)
  result <- suppressWarnings(quietly(day, inhabitants("GM0009", 5L)))
  expect_equal(result$data$total_admissions, 12L)
  expect_true(is.na(result$data$per_100k))
  expect_equal(result$data$label, "no inhabitants known")
  expect_keeps_contract("admissions_by_province", result)
})

test_that("a municipality that stops reporting is named in a warning", {
  days <- rbind(reports("2020-04-01", c("GM0001", "GM0002"), "Zeeland", c(5L, 7L)),
                reports("2020-04-02", "GM0001", "Zeeland", 6L))
  people <- inhabitants(c("GM0001", "GM0002"), c(1000L, 2000L))
  warnings <- capture_warnings(quietly(days, people))
  expect_match(warnings[1], "reported on 2020-04-01 and not on 2020-04-02: GM0002")
})

test_that("codes of CBS (3) and RIVM (GM0003) are the same municipality", {
  result <- quietly(reports("2020-04-01", "GM0003", "Groningen", 20L), inhabitants("3", 10000L))$data
  expect_equal(result$per_100k, 200)
})

test_that("fewer than ten admissions are not compared with the country", {
  day <- reports("2020-04-01", c("GM0001", "GM0002"), c("Zeeland", "Utrecht"), c(2L, 500L))
  result <- quietly(day, inhabitants(c("GM0001", "GM0002"), c(100000L, 100000L)))$data
  expect_equal(result$label, c("higher than the country", "too few to compare"))
})

test_that("no rows give no rows and a plot that says so", {
  none <- reports("2020-04-01", "GM0001", "Zeeland", 1L)[0, ]
  result <- quietly(none, inhabitants("GM0001", 1000L))
  expect_equal(nrow(result$data), 0)
  expect_s3_class(result$data$report_date, "Date")
  expect_keeps_contract("admissions_by_province", result)
})

test_that("the published RIVM file gives the published totals", {
  rivm <- read.csv2(shared_file("data", "rivm", "COVID-19_aantallen_gemeente_cumulatief_2020-09-15.csv"),
                    fileEncoding = "UTF-8", na.strings = "")
  cbs <- read.csv2(shared_file("data", "rivm", "CBS-aantal_inwoners_per_gemeente_2020.csv"), fileEncoding = "UTF-8")
  admissions <- data.frame(
    report_date = as.Date(rivm$Date_of_report), municipality_code = rivm$Municipality_code,
    municipality_name = rivm$Municipality_name, province = rivm$Province, total_reported = rivm$Total_reported,
    hospital_admissions = rivm$Hospital_admission, deaths = rivm$Deceased
  )
  population <- data.frame(municipality_code = sprintf("GM%04d", cbs[[1]]), municipality_name = cbs[[2]],
                           inhabitants = cbs[[3]])
  expect_message(result <- admissions_by_province(admissions, population), "n = 67")
  expect_equal(nrow(result$data), 12)
  expect_equal(result$data$total_admissions[result$data$province == "Noord-Brabant"], 2808L)
  last_day <- as.Date(rivm$Date_of_report) == as.Date("2020-09-15")
  by_hand <- tapply(rivm$Hospital_admission[last_day], rivm$Province[last_day], sum)
  expect_equal(result$data$total_admissions, as.integer(by_hand[result$data$province]))
  expect_equal(sum(result$data$inhabitants), sum(cbs[[3]]))
  expect_keeps_contract("admissions_by_province", result)
})

test_that("numbers below zero are unknown, and told", {
  day <- reports("2020-04-01", c("GM0001", "GM0002"), "Zeeland", c(10L, -30L))
  warnings <- capture_warnings(result <- quietly(day, inhabitants(c("GM0001", "GM0002"), c(1000L, -5L)))$data)
  expect_match(warnings, "1 reports give admissions below zero", all = FALSE)
  expect_match(warnings, "1 municipalities have inhabitants below zero", all = FALSE)
  expect_equal(result$total_admissions, 10L)
  expect_equal(result$inhabitants, 1000L)
})
