ae_four_hour <- load_indicator("ae_four_hour")

months_of <- function(organisation, share, attendances = 1000L, type = "1", from = "2022-01-01") {
  attendances <- rep_len(attendances, length(share))
  data.frame(period = seq(as.Date(from), by = "month", length.out = length(share)), organisation = organisation,
             department_type = type, attendances = attendances,
             breaches = as.integer(round(attendances * (1 - share))), admissions = 0L)
}
steady <- rep(c(0.90, 0.92), 8)

test_that("department types of an organisation and month are added up, or taken apart if asked", {
  rows <- rbind(months_of("A", 0.8), months_of("A", 1, 3000L, type = "other"))
  expect_equal(ae_four_hour(rows)$data$value, 0.95)
  expect_equal(ae_four_hour(rows, list(department_type = "1"))$data$value, 0.8)
  expect_equal(ae_four_hour(rows, list(department_type = "all"))$data$attendances, 4000L)
})

test_that("a month below the organisation's own limits is a concern, above them an improvement", {
  result <- ae_four_hour(rbind(months_of("A", c(steady, 0.70)), months_of("B", c(steady, 0.99))))
  last <- result$data[result$data$period == max(result$data$period), ]
  expect_equal(last$label, c("concern", "improvement"))
  expect_equal(last$special_cause, c("below the lower limit", "above the upper limit"))
  expect_keeps_contract("ae_four_hour", result)
})

test_that("limits stay between nothing and everyone", {
  result <- ae_four_hour(months_of("A", rep(c(0.98, 1, 0.9, 0.99), 4)))$data
  expect_lte(max(result$upper_limit), 1)
  expect_gte(min(result$lower_limit), 0)
})

test_that("fewer than twelve months are shown and not judged", {
  result <- ae_four_hour(months_of("A", c(rep(0.9, 10), 0.1)))$data
  expect_equal(unique(result$label), "too few months to judge")
  expect_true(all(is.na(result$centre)))
  expect_equal(result$value[11], 0.1)
})

test_that("a month with few attendances is not charted and does not move the limits", {
  small <- months_of("A", c(steady, 0.2, 0.9), attendances = c(rep(1000L, 16), 50L, 1000L))
  result <- ae_four_hour(small)$data
  expect_equal(result$label[17], "too few to judge")
  expect_true(is.na(result$value[17]))
  expect_equal(result$attendances[17], 50L)
  expect_equal(result$centre[1], mean(c(steady, 0.9)))
})

test_that("a month without a report keeps its place", {
  result <- ae_four_hour(months_of("A", steady)[-5, ])$data
  expect_equal(nrow(result), 16)
  expect_true(is.na(result$attendances[5]) && is.na(result$value[5]))
  expect_equal(result$label[5], "no data")
})

test_that("rows that cannot be right are told and left out", {
  rows <- months_of("A", steady)
  rows$breaches[1] <- 2000L
  rows$attendances[2] <- NA
  expect_warning(result <- ae_four_hour(rows)$data, "2 rows lack organisation, month or a count")
  expect_equal(nrow(result), 14)
})

test_that("equal months, one organisation, one month and no rows all give a table and plots", {
  for (rows in list(months_of("A", rep(1, 14)), months_of("A", 0.9), months_of("A", 0.9)[0, ])) {
    result <- ae_four_hour(rows)
    expect_equal(nrow(result$data), nrow(rows))
    expect_keeps_contract("ae_four_hour", result)
    expect_false(any(result$data$label %in% c("concern", "improvement")))
  }
})

test_that("a department type that nobody reports gives no rows", {
  expect_equal(nrow(ae_four_hour(months_of("A", steady), list(department_type = "9"))$data), 0)
})

test_that("the published NHS figures add up, and RF4's March 2017 is that computed by hand", {
  nhs <- read.csv(shared_file("data", "nhs", "ae_attendances.csv"), colClasses = c(period = "Date"))
  names(nhs) <- c("period", "organisation", "department_type", "attendances", "breaches", "admissions")
  nhs[4:6] <- lapply(nhs[4:6], as.integer)
  result <- ae_four_hour(nhs)
  expect_equal(sum(result$data$attendances, na.rm = TRUE), sum(nhs$attendances))
  expect_equal(sum(result$data$within_four_hours, na.rm = TRUE), sum(nhs$attendances - nhs$breaches))
  one <- result$data[result$data$organisation == "RF4" & result$data$period == as.Date("2017-03-01"), ]
  expect_equal(one$value, 1 - (2879 + 22 + 6) / (21289 + 813 + 2850))
  expect_keeps_contract("ae_four_hour", result)
})

test_that("months may be dated by any of their days: nothing is lost and a month's rows are added up", {
  days <- list(end = as.Date(c("2023-01-31", "2023-02-28", "2023-03-31", "2023-04-30", "2023-05-31", "2023-06-30")),
               first_and_middle = as.Date(c("2023-01-01", "2023-01-15", "2023-02-01", "2023-02-15", "2023-03-01", "2023-03-15")))
  for (name in names(days)) {
    rows <- data.frame(period = days[[name]], organisation = "A", department_type = "1", attendances = 1001:1006,
                       breaches = 1:6, admissions = 0L)
    months <- ae_four_hour(rows)$data
    expect_equal(sum(months$attendances), sum(1001:1006))
    expect_equal(months$period, as.Date(sprintf("2023-%02d-01", if (name == "end") 1:6 else 1:3)))
    expect_equal(sum(months$attendances - months$within_four_hours), sum(1:6))
  }
})

test_that("a count below zero is left out as other impossible rows are, and told", {
  rows <- months_of("A", steady)
  rows$breaches[3] <- -5L
  rows$attendances[4] <- -5L
  expect_warning(result <- ae_four_hour(rows)$data, "2 rows .* count below zero")
  expect_equal(sum(!is.na(result$value)), 14)
})
