alerts <- load_library("alerts")

test_that("beyond the 95 % limit is an alert, beyond the 99.8 % limit an alarm, and exactly on it is not yet", {
  alert <- qnorm(0.975)
  alarm <- qnorm(0.999)
  levels <- alerts$alert_alarm(c(0, alert, alert + 1e-9, -alarm, -alarm - 1e-9, NA))
  expect_equal(levels$level, c("ordinary", "ordinary", "alert", "alert", "alarm", "no data"))
  expect_equal(levels$side, c("", "", "high", "low", "low", ""))
})

test_that("the direction says which side is worse", {
  expect_equal(alerts$alert_alarm(c(4, -4), "higher is better")$meaning, c("better", "worse"))
  expect_equal(alerts$alert_alarm(c(4, -4), "higher is worse")$meaning, c("worse", "better"))
  expect_equal(alerts$alert_alarm(c(4, 0), "neutral")$meaning, c("different", ""))
})

test_that("units below the minimum volume keep their counts and lose what is derived", {
  units <- data.frame(denominator = c(9, 10, NA), value = c(0.5, 0.6, 0.7), label = "ordinary")
  judged <- alerts$minimum_volume(units, "denominator", 10, derived = "value", label = "label")
  expect_equal(judged$value, c(NA, 0.6, NA))
  expect_equal(judged$denominator, c(9, 10, NA))
  expect_equal(judged$enough, c(FALSE, TRUE, FALSE))
  expect_equal(judged$label, c("too few to judge", "ordinary", "too few to judge"))
  expect_error(alerts$minimum_volume(units, "n", 10), "data has no column n; it has denominator, value, label")
})

test_that("no units give no rows", {
  expect_equal(nrow(alerts$alert_alarm(numeric())), 0)
  expect_equal(nrow(alerts$minimum_volume(data.frame(n = numeric()), "n", 5)), 0)
})
