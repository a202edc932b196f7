# Comparisons and funnels of means, against the tables of the papers, R's own tests, and simulation.

compare <- load_library("comparisons")
means <- load_library("funnel_means")

test_that("Newcombe's table II, method 10", {
  published <- rbind(c(56, 70, 48, 80, 0.0524, 0.3339), c(9, 10, 3, 10, 0.1705, 0.8090), c(6, 7, 2, 7, 0.0582, 0.8062),
                     c(5, 56, 0, 29, -0.0381, 0.1926), c(0, 10, 0, 20, -0.1611, 0.2775), c(0, 10, 0, 10, -0.2775, 0.2775),
                     c(10, 10, 0, 20, 0.6791, 1), c(10, 10, 0, 10, 0.6075, 1))
  ours <- compare$newcombe_difference(published[, 1], published[, 2], published[, 3], published[, 4])
  expect_equal(round(cbind(ours$lower, ours$upper), 4), published[, 5:6])
  expect_true(is.na(compare$newcombe_difference(0, 0, 1, 2)$value))
})

test_that("its limits hold the truth about 95 times in 100", {
  set.seed(91)
  x <- rbinom(20000, 40, 0.2)
  y <- rbinom(20000, 60, 0.35)
  ours <- compare$newcombe_difference(x, rep(40, 20000), y, rep(60, 20000))
  expect_equal(mean(ours$lower < -0.15 & -0.15 < ours$upper), 0.95, tolerance = 0.012)
})

test_that("rate ratios are R's poisson.test", {
  for (x in list(c(11, 6 + 8, 800, 1083 + 1050), c(3, 7, 10, 12), c(0, 5, 10, 10), c(120, 80, 1, 3))) {
    ours <- compare$rate_ratio(x[1], x[3], x[2], x[4])
    theirs <- poisson.test(x[1:2], x[3:4])
    expect_equal(c(ours$value, ours$lower, ours$upper), unname(c(theirs$estimate, theirs$conf.int[1:2])))
  }
  none <- compare$rate_ratio(c(4, 0, 1), c(10, 10, 0), c(0, 0, 1), c(10, 10, 5))
  expect_true(all(is.na(none$value)) && none$lower[1] > 0 && is.na(none$upper[1]))
})

test_that("the achievable benchmark takes the best units with a tenth of the patients", {
  x <- c(2, 45, 80, 300, 50)
  n <- c(2, 50, 100, 500, 300)
  ours <- compare$achievable_benchmark(x, n)
  # adjusted 0.75, 0.885, 0.794, 0.600, 0.169: 45 of 50 and 80 of 100 make more than 95.2 patients; 2 of 2 does not lead
  expect_equal(ours$in_benchmark, c(FALSE, TRUE, TRUE, FALSE, FALSE))
  expect_equal(ours$benchmark, rep(125 / 150, 5))
  expect_equal(ours$rank, c(3, 1, 2, 4, 5))
  expect_equal(ours$percentile, c(90, 70, 50, 30, 10))
  worse <- compare$achievable_benchmark(n - x, n, "higher is worse")
  expect_equal(worse$benchmark, rep(25 / 150, 5))
  tied <- compare$achievable_benchmark(c(5, 5, 1), c(10, 10, 10), part = 0.1)
  expect_equal(tied$in_benchmark, c(TRUE, TRUE, FALSE))
  expect_true(is.na(compare$achievable_benchmark(c(1, 0), c(2, 0))$rank[2]))
})

test_that("a composite knows failure without knowing all, and never success", {
  d <- data.frame(a = c(TRUE, TRUE, FALSE, NA, NA), b = c(1, NA, NA, 1, NA))
  expect_equal(compare$composite_outcome(d, c("a", "b"))$value, c(1, NA, 0, NA, NA))
  expect_equal(compare$composite_outcome(d, c("a", "b"), "opportunity")$value, c(1, 1, 0, 1, NA))
  expect_error(compare$composite_outcome(data.frame(a = 2), "a"), "column a must be 1 or 0")
})

test_that("Rubin's rules, by the book's formulas and by simulated coverage", {
  q <- c(0.9, 1.1, 1.3, 0.7, 1.0)
  se <- c(0.30, 0.28, 0.31, 0.33, 0.29)
  ours <- compare$pool_imputations(q, se)
  total <- mean(se^2) + 1.2 * var(q)
  degrees <- 4 * (1 + mean(se^2) / (1.2 * var(q)))^2
  expect_equal(c(ours$value, ours$standard_error, ours$degrees), c(mean(q), sqrt(total), degrees))
  expect_equal(ours$upper, mean(q) + qt(0.975, degrees) * sqrt(total))
  few <- compare$pool_imputations(q, se, complete_degrees = 30)
  lambda <- 1.2 * var(q) / total
  observed <- 31 / 33 * 30 * (1 - lambda)
  expect_equal(few$degrees, 1 / (1 / degrees + 1 / observed)) # Barnard and Rubin
  expect_true(is.na(compare$pool_imputations(1, 1)$value))
  same <- compare$pool_imputations(rep(2, 3), rep(0.5, 3), c("a", "a", "a"))
  expect_equal(c(same$standard_error, same$upper), c(0.5, 2 + qnorm(0.975) * 0.5))
  set.seed(92)
  held <- replicate(1000, {
    x <- rnorm(60)
    seen <- 1:40
    estimates <- replicate(5, {
      sd <- sqrt(39 * var(x[seen]) / rchisq(1, 39))
      x[-seen] <- rnorm(20, rnorm(1, mean(x[seen]), sd / sqrt(40)), sd)
      c(mean(x), sd(x) / sqrt(60))
    })
    r <- compare$pool_imputations(estimates[1, ], estimates[2, ], complete_degrees = 59)
    r$lower < 0 & 0 < r$upper
  })
  expect_equal(mean(held), 0.95, tolerance = 0.025)
})

test_that("a funnel of means is wider where units differ, and its drawn limits are those of the table", {
  set.seed(93)
  n <- round(runif(60, 30, 400))
  sd <- rep(8, 60)
  plain <- means$funnel_mean(20 + rnorm(60) * 8 / sqrt(n), sd, n, target = 20)
  expect_equal(plain$upper_95, 20 + qnorm(0.975) * sqrt(64 / n + plain$tau2))
  wide <- means$funnel_mean(20 + rnorm(60, 0, 3) + rnorm(60) * 8 / sqrt(n), sd, n, trim_method = "none", lowest = 0)
  expect_equal(wide$tau2[1], 9, tolerance = 0.5)
  expect_equal(wide$significance != "not different", abs(wide$z) > qnorm(0.975))
  curve <- means$funnel_mean_curve(wide, 4000)
  expect_equal(approx(curve$size, curve$upper_998, n)$y, wide$upper_998, tolerance = 1e-4)
  expect_true(all(curve$lower_998 >= 0))
})

test_that("of equal units 5 % lie outside a funnel of means, of ones that differ no more", {
  set.seed(94)
  outside <- replicate(200, {
    n <- rep(50, 100)
    c(mean(means$funnel_mean(rnorm(100, 20, 8 / sqrt(n)), rep(8, 100), n)$significance != "not different"),
      mean(means$funnel_mean(rnorm(100, 20, sqrt(64 / n + 4)), rep(8, 100), n)$significance != "not different"))
  })
  expect_lt(mean(outside[1, ]), 0.06)
  expect_lt(mean(outside[2, ]), 0.12) # trimming makes tau2 small: see Methods
})

test_that("units without values or variation have no label", {
  one <- means$funnel_mean(c(5, NA, 7), c(1, NA, NA), c(10, 0, 1))
  expect_equal(one$significance[2], "no data")
  expect_false(anyNA(one$z[c(1, 3)]))
  expect_equal(means$funnel_mean(c(5, 6), c(0, 0), c(10, 10))$significance, rep("no data", 2))
  expect_error(means$funnel_mean(c(5, -1), c(1, 1), c(9, 9), lowest = 0), "value lies under the lowest that is possible: see row 2")
})
