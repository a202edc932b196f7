turnaround <- load_indicator("turnaround")

tests_on <- function(date, hours) {
  data.frame(sample_id = paste(date, seq_along(hours)), test_date = as.Date(date), result = "NEG",
             viral_load = NA_integer_, laboratory = "L1", clinic = "C1", turnaround_hours = hours)
}
weekly <- function(hours, first_monday = "2024-11-18") {
  mondays <- as.Date(first_monday) + 7 * (seq_along(hours) - 1)
  do.call(rbind, Map(function(day, h) rbind(tests_on(day, rep(h, 10)), tests_on(day + 6, rep(h, 10))), mondays, hours))
}

test_that("weeks run from Monday to Sunday and belong to the ISO year of their Thursday", {
  weeks <- turnaround(weekly(c(8, 9, 8, 9, 8, 9, 8, 9)))$data
  expect_equal(weeks$week[6:8], c("2024-W52", "2025-W01", "2025-W02"))
  expect_equal(weeks$week_start[7], as.Date("2024-12-30"))
  expect_equal(weeks$tests, rep(20L, 8))
})

test_that("the chart is of the median; the mean stands beside it", {
  rows <- tests_on("2024-11-24", c(rep(2, 10), 90))
  expect_equal(turnaround(rows)$data$value, 2)
  expect_equal(turnaround(rows)$data$mean_hours, 10)
})

test_that("a week that is suddenly slow is a concern, one suddenly fast an improvement", {
  usual <- rep(c(8, 9), 8)
  slow <- turnaround(weekly(c(usual, 20, 8)))
  expect_equal(slow$data$label[17], "concern")
  expect_equal(slow$data$special_cause[17], "above the upper limit")
  expect_keeps_contract("turnaround", slow)
  expect_equal(turnaround(weekly(c(usual, 1, 8)))$data$label[17], "improvement")
})

test_that("a week with few results is not charted, a week without any keeps its place", {
  rows <- rbind(weekly(rep(c(8, 9), 3)), tests_on("2025-01-05", rep(30, 9)), weekly(c(8, 9), "2025-01-13"))
  weeks <- turnaround(rows)$data
  expect_equal(weeks$label[7:8], c("too few to judge", "too few to judge"))
  expect_equal(weeks$tests[7:8], c(9L, 0L))
  expect_true(all(is.na(weeks$value[7:8])))
  expect_true(is.na(weeks$median_hours[8]))
})

test_that("tests without a time are counted apart, times below zero are told and left out", {
  rows <- tests_on("2024-11-24", c(rep(5, 12), NA, -3))
  expect_warning(weeks <- turnaround(rows)$data, "1 turnaround times are below zero")
  expect_equal(c(weeks$tests, weeks$without_turnaround), c(12L, 2L))
})

test_that("fewer than twelve weeks are shown and not judged", {
  weeks <- turnaround(weekly(c(8, 9, 80)))$data
  expect_equal(weeks$label, rep("too few weeks to judge", 3))
  expect_equal(weeks$value, c(8, 9, 80))
  expect_true(all(is.na(weeks$upper_limit)))
})

test_that("one week, equal weeks and no rows all give a table and a plot", {
  for (rows in list(weekly(8), weekly(rep(8, 14)), weekly(8)[0, ], tests_on("2024-11-24", NA_real_))) {
    result <- turnaround(rows)
    expect_keeps_contract("turnaround", result)
    expect_false(any(result$data$label %in% c("concern", "improvement")))
  }
})

test_that("the weekly medians of the hospital's published file are those computed by hand", {
  lab <- read.csv(shared_file("data", "lab", "covid_testing_deid.csv"))
  lab <- lab[is.na(lab$rec_ver_tat) | lab$rec_ver_tat >= 0, ]
  dates <- as.Date("2020-03-01") + lab$pan_day
  rows <- data.frame(sample_id = as.character(seq_len(nrow(lab))), test_date = dates, result = "NEG",
                     viral_load = NA_integer_, laboratory = "L1", clinic = "C1", turnaround_hours = lab$rec_ver_tat)
  result <- turnaround(rows)
  by_hand <- tapply(lab$rec_ver_tat, format(dates, "%G-W%V"), median, na.rm = TRUE)
  expect_equal(result$data$median_hours, unname(c(by_hand)))
  expect_equal(result$data$week, names(by_hand))
  expect_keeps_contract("turnaround", result)
})
