periods <- load_library("periods")

test_that("ISO weeks at the turn of the year belong to the year of their Thursday", {
  dates <- as.Date(c("2024-12-30", "2027-01-01", "2021-01-03", "2020-12-31", "2026-01-01"))
  expect_equal(periods$iso_week(dates)$week, c("2025-W01", "2026-W53", "2020-W53", "2020-W53", "2026-W01"))
})

test_that("every day of fifty years has the week that the C library gives it, and a Monday before it", {
  days <- seq(as.Date("1990-01-01"), as.Date("2040-12-31"), by = "day")
  weeks <- periods$iso_week(days)
  expect_equal(weeks$week, format(days, "%G-W%V"))
  expect_equal(unique(format(weeks$week_start, "%u")), "1")
  expect_true(all(days - weeks$week_start >= 0 & days - weeks$week_start <= 6))
})

test_that("a missing date has no week", {
  expect_true(is.na(periods$iso_week(as.Date(NA))$week))
  expect_equal(nrow(periods$iso_week(as.Date(character()))), 0)
})

test_that("a period includes both its ends, and no end does not limit", {
  rows <- data.frame(day = as.Date("2024-01-01") + 0:4)
  expect_equal(nrow(periods$within_period(rows, "day", as.Date("2024-01-02"), as.Date("2024-01-04"))), 3)
  expect_equal(nrow(periods$within_period(rows, "day", until = as.Date("2024-01-02"))), 2)
  expect_equal(nrow(periods$within_period(rows, "day", NULL, as.Date(NA))), 5)
})

test_that("a phase begins with the first period on or after the day of a change", {
  months <- as.Date(c("2026-01-01", "2026-02-01", "2026-03-01", "2026-04-01"))
  expect_equal(periods$phase_since(months, as.Date(character())), rep(1L, 4))
  expect_equal(periods$phase_since(months, as.Date("2026-03-01")), c(1L, 1L, 2L, 2L))
  expect_equal(periods$phase_since(months, as.Date(c("2026-03-02", "2026-01-15"))), c(1L, 2L, 2L, 3L))
  expect_error(periods$phase_since(c(months, NA), as.Date("2026-03-01")), "missing")
})

test_that("limits of a control chart start afresh at a change, and those before do not move by it", {
  control <- load_library("control_charts")
  set.seed(4)
  value <- c(rnorm(24, 20), rnorm(24, 30))
  months <- seq(as.Date("2022-01-01"), by = "month", length.out = 48)
  chart <- control$xmr(value, "higher is worse", phase = periods$phase_since(months, as.Date("2024-01-01")))
  before <- control$xmr(value[1:24], "higher is worse")
  expect_equal(chart$centre[1:24], before$centre)
  expect_equal(chart$upper[1:24], before$upper)
  expect_equal(chart$centre[25], mean(value[25:48]))
  expect_true(all(chart$special_cause[c(1:24)] == before$special_cause))
})
