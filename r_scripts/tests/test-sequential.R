# CUSUM, VLAD and EWMA, against Montgomery's and Lucas and Saccucci's figures, formulas, and simulated run lengths.

watch <- load_library("sequential")

test_that("weights and sums of a CUSUM are Steiner's", {
  # an outcome of a patient with a chance of 1 %: log(2 / 1.01) and -log(1.01)
  chart <- watch$risk_adjusted_cusum(c(1, 0, 1, 1, 0), c(0.01, 0.01, 0.5, NA, 0.2))
  expect_equal(chart$weight[1:3], c(log(2 / 1.01), -log(1.01), log(2 / 1.5)))
  expect_equal(chart$cusum, pmax(0, c(cumsum(chart$weight[1:3]), sum(chart$weight[1:3]), sum(chart$weight[c(1:3, 5)]))))
  signals <- watch$risk_adjusted_cusum(rep(1, 20), rep(0.1, 20), threshold = 2)
  each <- log(2 / 1.1)
  expect_equal(signals$cusum, each * rep(1:4, 5)) # 4 steps to the threshold, then from 0
  expect_equal(which(signals$signal), seq(4, 20, 4))
})

test_that("units are watched apart", {
  set.seed(71)
  unit <- sample(c("a", "b"), 200, TRUE)
  y <- rbinom(200, 1, 0.3)
  p <- runif(200, 0.1, 0.5)
  both <- watch$risk_adjusted_cusum(y, p, unit)
  lines <- watch$vlad(y, p, unit)
  for (u in c("a", "b")) {
    at <- unit == u
    expect_equal(both$cusum[at], watch$risk_adjusted_cusum(y[at], p[at])$cusum)
    expect_equal(lines$vlad[at], cumsum(p[at] - y[at]))
    expect_equal(lines$upper[at], qnorm(0.975) * sqrt(cumsum(p[at] * (1 - p[at]))))
  }
})

test_that("run lengths of a CUSUM are those of simulated patients", {
  set.seed(72)
  chances <- plogis(rnorm(500, -2))
  run <- function(true) {
    mean(replicate(400, {
      p <- sample(chances, 3000, TRUE)
      odds <- p * true / (1 - p + p * true)
      signal <- which(watch$risk_adjusted_cusum(runif(3000) < odds, p, threshold = 2.5)$signal)
      if (length(signal)) signal[1] else 3000
    }))
  }
  expect_equal(watch$cusum_run_length(chances, threshold = 2.5)$run_length, run(1), tolerance = 0.15)
  expect_equal(watch$cusum_run_length(chances, threshold = 2.5, true_odds_ratio = 2)$run_length, run(2), tolerance = 0.1)
  found <- watch$cusum_threshold(chances, 1000)
  expect_equal(found$run_length, 1000, tolerance = 0.02)
  expect_equal(watch$cusum_run_length(chances, threshold = found$threshold)$run_length, found$run_length)
  expect_lt(found$detection, 200)
})

test_that("a CUSUM whose every event signals runs as long as a geometric distribution", {
  expect_equal(watch$cusum_run_length(0.05, threshold = 0.5)$run_length, 20, tolerance = 1e-6)
})

test_that("chance keeps a VLAD within its limits 95 times in 100 at any one patient", {
  set.seed(73)
  inside <- replicate(2000, {
    p <- runif(100, 0.05, 0.4)
    last <- watch$vlad(runif(100) < p, p)[100, ]
    abs(last$vlad) < last$upper
  })
  expect_equal(mean(inside), 0.95, tolerance = 0.02)
})

test_that("EWMA is Montgomery's example (lambda 0.1, width 2.7)", {
  x <- c(9.45, 7.99, 9.29, 11.66, 12.16, 10.18, 8.04, 11.46, 9.20, 10.34, 9.03, 11.47, 10.51, 9.40, 10.08, 9.37, 10.62, 10.31, 8.52,
         10.84, 10.90, 9.33, 12.29, 11.50, 10.60, 11.08, 10.38, 11.62, 11.31, 10.52)
  chart <- watch$ewma(x, 10, 1, 0.1, 2.7)
  expect_equal(chart$ewma[1:5], c(9.945, 9.7495, 9.70355, 9.899195, 10.1252755), tolerance = 1e-7)
  expect_equal(chart$upper[1], 10.27)
  expect_equal(round(c(chart$lower[30], chart$upper[30]), 2), c(9.38, 10.62))
  expect_equal(round(chart$ewma[28:30], 4), c(10.5731, 10.6468, 10.6341))
  expect_equal(which(chart$outside), 29:30) # the mean rose after the 20th point
})

test_that("EWMA run lengths are those of Lucas and Saccucci's table, and of simulation", {
  pairs <- rbind(c(0.4, 3.054), c(0.25, 2.998), c(0.2, 2.962), c(0.1, 2.814), c(0.05, 2.615))
  lengths <- apply(pairs, 1, function(x) watch$ewma_run_length(x[1], x[2])$run_length)
  expect_true(all(abs(lengths - 500) < 8), label = paste(round(lengths), collapse = " "))
  expect_equal(watch$ewma_run_length(1, 3)$run_length, 1 / (2 * pnorm(-3)), tolerance = 0.01) # Shewhart's chart
  set.seed(74)
  run <- replicate(600, which(watch$ewma(c(rep(0, 60), rnorm(200, 1)), 0, 1)$outside)[1] - 60) # limits have settled
  expect_equal(watch$ewma_run_length(shift = 1)$run_length, mean(run), tolerance = 0.1)
})

test_that("missing and equal values, and settings that cannot be, are answered or refused", {
  chart <- watch$ewma(c(5, NA, 7, 6))
  expect_equal(chart$ewma[2], chart$ewma[1])
  expect_false(chart$outside[2])
  expect_true(all(is.na(watch$ewma(rep(3, 9))$upper)))
  expect_equal(nrow(watch$risk_adjusted_cusum(numeric(), numeric())), 0)
  expect_error(watch$risk_adjusted_cusum(1, 0.5, odds_ratio = 1), "odds_ratio must differ from 1")
  expect_error(watch$vlad(c(0, 1), c(0.5, 1)), "chance must lie between 0 and 1: no model is certain: see row 2")
})
