run_chart <- load_library("run_charts")$run_chart

test_that("a shift of the median is a run longer than chance allows", {
  chart <- run_chart(c(rep(c(1, 2), 5), rep(9, 10)))
  expect_equal(chart$longest_run[1], 10)
  expect_equal(chart$signal[1], "both")
})

test_that("a series that keeps crossing its median gives no signal", {
  expect_equal(run_chart(rep(c(1, 3), 8))$signal[1], "none")
})

test_that("points on the median are skipped: they neither break nor lengthen a run", {
  chart <- run_chart(c(3, 3, 2, 3, 1, 1, 1, 1, 3, 1, 1, 1), median = 2)
  expect_equal(chart$useful[1], 11)
  expect_equal(chart$side[3], 0L)
  expect_equal(chart$longest_run[1], 4L)
  expect_equal(chart$crossings[1], 3L)
})

test_that("fewer than ten useful points, equal values and no values say nothing", {
  expect_equal(unique(run_chart(1:9)$signal), "too few points")
  expect_equal(unique(run_chart(rep(5, 30))$signal), "too few points")
  expect_equal(nrow(run_chart(numeric())), 0)
  expect_equal(run_chart(c(NA_real_, NA_real_))$signal, rep("too few points", 2))
})
