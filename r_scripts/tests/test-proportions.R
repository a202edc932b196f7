proportions <- load_library("proportions")
wilson <- proportions$wilson
clopper_pearson <- proportions$clopper_pearson

test_that("none and all have limits that end exactly at 0 and 1", {
  for (interval in list(wilson, clopper_pearson)) {
    none <- interval(0, 25)
    expect_identical(c(none$value, none$lower), c(0, 0))
    expect_gt(none$upper, 0.1)
    all <- interval(25, 25)
    expect_identical(c(all$value, all$upper), c(1, 1))
    expect_lt(all$lower, 0.9)
  }
})

test_that("an empty denominator and missing numbers give NA, not an error", {
  for (interval in list(wilson, clopper_pearson)) {
    rows <- interval(c(0, NA, 3), c(0, 10, NA))
    expect_equal(nrow(rows), 3)
    expect_true(all(is.na(rows[c("value", "lower", "upper")])))
  }
})

test_that("no rows in, no rows out", {
  expect_equal(dim(wilson(numeric(), numeric())), c(0, 7))
  expect_equal(dim(clopper_pearson(integer(), integer())), c(0, 7))
})

test_that("Clopper-Pearson is wider than Wilson, and both widen with confidence", {
  expect_lt(clopper_pearson(7, 40)$lower, wilson(7, 40)$lower)
  expect_gt(clopper_pearson(7, 40)$upper, wilson(7, 40)$upper)
  expect_lt(wilson(7, 40, 0.998)$lower, wilson(7, 40, 0.95)$lower)
})

test_that("errors name the argument and the row, never the value", {
  expect_error(wilson(c(1, 77), c(10, 60)), "numerator is larger than denominator in row 2")
  expect_error(wilson(c(1, -77), 10), "numerator must be zero or more and finite: see row 2")
  expect_error(wilson("7", 10), "numerator must be a number, not character")
  expect_error(wilson(1:3, 1:2), "arguments differ in length")
  expect_error(wilson(1, 2, confidence = 95), "for example 0.95")
  message <- tryCatch(wilson(c(1, 77), c(10, 60)), error = conditionMessage)
  expect_false(grepl("77", message))
})
