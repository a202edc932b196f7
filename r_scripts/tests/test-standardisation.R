standardisation <- load_library("standardisation")
dsr <- standardisation$directly_standardised_rate
isr <- standardisation$indirectly_standardised_rate

test_that("with the standard's own age structure the standardised rate is the crude rate", {
  row <- dsr(c(10, 30), c(1000, 1000), c(1, 1), multiplier = 1000)
  expect_equal(row$value, 20)
  expect_lt(row$lower, 20)
  expect_gt(row$upper, 20)
})

test_that("two areas with the same rates by age have the same standardised rate whatever their ages", {
  rows <- dsr(count = c(10, 300, 50, 60), population = c(1000, 3000, 5000, 600), standard_population = c(3, 1, 3, 1),
              group = c("old", "old", "young", "young"))
  expect_equal(rows$value[1], rows$value[2])
  expect_equal(rows$group, c("old", "young"))
})

test_that("below ten events there is a total and no rate", {
  row <- dsr(c(4, 5), c(1000, 1000), c(1, 1))
  expect_equal(row$total_count, 9)
  expect_true(all(is.na(row[c("value", "lower", "upper")])))
})

test_that("a stratum without people, or an unknown count, makes the area's rate unknown", {
  expect_true(is.na(dsr(c(20, 0), c(1000, 0), c(1, 1))$value))
  expect_true(is.na(dsr(c(20, NA), c(1000, 500), c(1, 1))$value))
  expect_false(is.na(dsr(c(20, 0), c(1000, 0), c(1, 0))$value)) # no weight: not needed
  expect_false(is.na(dsr(c(20, NA), c(1000, 500), c(1, 1), missing = "none")$value))
})

test_that("the ratio is 1 where the area has the reference's rates", {
  counts <- standardisation$expected_events(c(5, 20), c(500, 1000), c(100, 200), c(10000, 10000))
  expect_equal(counts$expected, 25)
  expect_equal(standardisation$standardised_ratio(counts$observed, counts$expected)$value, 1)
  expect_equal(isr(c(5, 20), c(500, 1000), c(100, 200), c(10000, 10000), multiplier = 1000)$value, 15)
})

test_that("nothing expected gives no ratio; nothing observed gives a ratio of 0 with an upper limit", {
  rows <- standardisation$standardised_ratio(c(3, 0, 0), c(0, 0, 4))
  expect_equal(is.na(rows$value), c(TRUE, TRUE, FALSE))
  expect_identical(c(rows$value[3], rows$lower[3]), c(0, 0))
  expect_equal(rows$upper[3], -log(0.025) / 4)
})

test_that("people in a stratum where the reference has none make the expectation unknown", {
  expect_true(is.na(isr(c(1, 1), c(10, 10), c(5, 0), c(100, 0))$value))
  expect_false(is.na(isr(c(12, 0), c(10, 0), c(5, 0), c(100, 0))$value))
})

test_that("no rows give no areas", {
  expect_equal(nrow(dsr(numeric(), numeric(), numeric(), group = character())), 0)
  expect_equal(nrow(isr(numeric(), numeric(), numeric(), numeric(), group = character())), 0)
})

test_that("a row without an area is an error that names the row", {
  expect_error(dsr(c(1, 2), c(10, 10), c(1, 1), group = c("a", NA)), "group must name an area in every row: see row 2")
})
