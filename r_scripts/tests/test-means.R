mean_student <- load_library("means")$mean_student

test_that("mean and limits are those of R's t.test", {
  hours <- c(3.1, 4.7, 2.2, 8.9, 5.0)
  ours <- mean_student(hours, confidence = 0.998)
  theirs <- t.test(hours, conf.level = 0.998)
  expect_equal(c(ours$value, ours$lower, ours$upper), c(mean(hours), theirs$conf.int[1:2]))
  expect_equal(ours$standard_deviation, sd(hours))
})

test_that("missing measurements are left out and not counted", {
  expect_equal(mean_student(c(1, NA, 3))$n, 2)
  expect_equal(mean_student(c(1, NA, 3))$value, 2)
})

test_that("one measurement has a mean and no limits, none has neither, equal ones have no width", {
  one <- mean_student(5)
  expect_equal(one$value, 5)
  expect_true(is.na(one$lower) && is.na(one$upper))
  none <- mean_student(c(NA_real_, NA_real_))
  expect_equal(none$n, 0)
  expect_true(is.na(none$value) && !is.nan(none$value))
  equal <- mean_student(c(4, 4, 4))
  expect_equal(c(equal$lower, equal$upper), c(4, 4))
})

test_that("groups come back in alphabetical order, and no rows give no groups", {
  ours <- mean_student(c(1, 2, 3, 4), group = c("b", "a", "b", "a"))
  expect_equal(ours$group, c("a", "b"))
  expect_equal(ours$value, c(3, 2))
  expect_equal(nrow(mean_student(numeric(), group = character())), 0)
})
