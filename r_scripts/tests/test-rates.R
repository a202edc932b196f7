rates <- load_library("rates")

test_that("no events have a lower limit of 0 and the exact upper limit", {
  row <- rates$rate(0, 1000, multiplier = 1000)
  expect_identical(c(row$value, row$lower), c(0, 0))
  expect_equal(row$upper, -log(0.025)) # P(no events | 3.69) = 2.5 %
  expect_equal(row$method, "Exact")
  expect_identical(rates$byar(0)$lower, 0)
})

test_that("the method changes from exact to Byar at ten events", {
  rows <- rates$rate(c(9, 10), 1000)
  expect_equal(rows$method, c("Exact", "Byar"))
  expect_equal(rows$lower[1], rates$poisson_exact(9, 1000, multiplier = 100000)$lower)
  expect_equal(rows$lower[2], rates$byar(10, 1000, multiplier = 100000)$lower)
})

test_that("a denominator of zero or unknown gives NA limits", {
  rows <- rates$rate(c(5, 0, NA, 5), c(0, 0, 10, NA))
  expect_true(all(is.na(rows[c("value", "lower", "upper")])))
})

test_that("exact limits are those at which the count has a chance of 2.5 %", {
  limits <- rates$poisson_exact(7)
  expect_equal(ppois(7, limits$upper), 0.025)
  expect_equal(ppois(6, limits$lower, lower.tail = FALSE), 0.025)
})

test_that("no rows in, no rows out", {
  expect_equal(dim(rates$rate(numeric(), numeric())), c(0, 7))
})
