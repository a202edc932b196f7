funnel <- load_library("funnel")
proportions <- load_library("proportions")
rates <- load_library("rates")

test_that("a proportion on a funnel limit is one whose Wilson interval touches the target", {
  units <- funnel$funnel_proportion(c(40, 60), c(200, 300), target = 0.2)
  touching <- proportions$wilson(units$upper_95 * units$denominator, units$denominator)
  expect_equal(touching$lower, c(0.2, 0.2))
})

test_that("a ratio on a funnel limit is one whose exact interval touches the target", {
  units <- funnel$funnel_ratio(rep(0, 3), c(10, 50, 400))
  expect_equal(rates$poisson_exact(units$lower_95 * units$expected, units$expected)$upper, c(1, 1, 1))
  expect_equal(rates$poisson_exact(units$upper_998 * units$expected, units$expected, 0.998)$lower, c(1, 1, 1))
})

test_that("with few expected no count is significantly low", {
  unit <- funnel$funnel_ratio(0, 1.5)
  expect_identical(unit$lower_95, 0)
  expect_equal(unit$significance, "not different")
})

test_that("funnel limits of rates are those of ratios times the target", {
  by_rate <- funnel$funnel_rate(c(30, 5), c(10000, 2000), target = 0.002, multiplier = 1000)
  by_ratio <- funnel$funnel_ratio(c(30, 5), c(20, 4))
  expect_equal(by_rate$value, c(3, 2.5))
  expect_equal(by_rate$upper_95, 2 * by_ratio$upper_95)
  expect_equal(by_rate$significance, by_ratio$significance)
})

test_that("the target is that of all units together unless given", {
  expect_equal(funnel$funnel_proportion(c(10, 50), c(100, 100))$target, c(0.3, 0.3))
  expect_equal(funnel$funnel_rate(c(1, 3), c(100, 100), multiplier = 100)$target, c(2, 2))
})

test_that("one unit is its own target and never outside", {
  expect_equal(funnel$funnel_proportion(30, 100)$significance, "not different")
  unit <- funnel$funnel_overdispersed(30, 100)
  expect_equal(c(unit$z, unit$tau2, unit$phi), c(0, 0, 0))
  expect_equal(unit$significance, "not different")
})

test_that("units that are all equal are not different, with or without overdispersion", {
  for (kind in c("proportion", "ratio_log", "ratio_sqrt", "rate")) {
    units <- funnel$funnel_overdispersed(rep(20, 5), rep(20 * 4, 5), kind, target = 0.25)
    expect_equal(units$significance, rep("not different", 5))
    expect_equal(units$tau2, rep(0, 5))
  }
})

test_that("units without a denominator or numerator have no value, no limits, and no part in the target", {
  units <- funnel$funnel_proportion(c(10, NA, 0, 5), c(100, 100, 0, NA))
  expect_equal(units$significance, c("not different", rep("no data", 3)))
  expect_equal(units$target, rep(0.1, 4))
  expect_true(all(is.na(units[2:4, c("value", "lower_95", "upper_998")])))
  wide <- funnel$funnel_overdispersed(c(10, NA, 0, 5), c(100, 100, 0, NA))
  expect_equal(wide$significance, c("not different", rep("no data", 3)))
  expect_equal(wide$tau2, rep(0, 4))
})

test_that("no events at all give a target of 0 and nothing outside; none where four were expected is low", {
  units <- funnel$funnel_proportion(c(0, 0), c(10, 20))
  expect_equal(units$upper_998, c(0, 0))
  expect_equal(units$significance, rep("not different", 2))
  expect_equal(funnel$funnel_rate(c(0, 0), c(10, 20))$significance, rep("not different", 2))
  expect_equal(funnel$funnel_overdispersed(c(0, 0, 0), c(10, 20, 30))$significance, rep("not different", 3))
  expect_equal(funnel$funnel_overdispersed(c(0, 0, 0), c(10, 20, 30), "rate")$z, c(0, 0, 0))
  expect_equal(funnel$funnel_ratio(c(0, 0), c(3, 4))$significance, c("not different", "lower (95 %)")) # exp(-4) < 2.5 %
})

test_that("overdispersion widens the limits and calls fewer units different", {
  set.seed(7)
  true <- plogis(rnorm(40, 0, 0.4))
  n <- rep(800, 40)
  x <- rbinom(40, n, true)
  plain <- funnel$funnel_proportion(x, n)
  wide <- funnel$funnel_overdispersed(x, n)
  expect_gt(wide$phi[1], 5)
  expect_true(all(wide$upper_95 > plain$upper_95 & wide$lower_95 < plain$lower_95))
  expect_gt(sum(plain$significance != "not different"), 20)
  expect_lt(sum(wide$significance != "not different"), 8)
})

test_that("chance alone gives a phi near 1 and leaves the limits nearly as they are", {
  set.seed(8)
  n <- rep(500, 200)
  x <- rbinom(200, n, 0.3)
  wide <- funnel$funnel_overdispersed(x, n, trim_method = "none")
  expect_equal(wide$phi[1], 1, tolerance = 0.2)
  expect_equal(wide$upper_95, funnel$funnel_proportion(x, n)$upper_95, tolerance = 0.02)
})

test_that("limits with overdispersion are never narrower than those of chance, so that few events prove nothing", {
  set.seed(5)
  expected <- exp(runif(60, log(0.5), log(50)))
  observed <- rpois(60, expected)
  plain <- funnel$funnel_ratio(observed, expected)
  for (kind in c("ratio_sqrt", "ratio_log")) {
    wide <- funnel$funnel_overdispersed(observed, expected, kind)
    expect_true(all(wide$lower_95 <= plain$lower_95 & wide$upper_998 >= plain$upper_998))
  }
  none <- funnel$funnel_overdispersed(c(0, 100), c(1, 100), "ratio_sqrt")
  expect_equal(none$significance[1], "not different")
  expect_gt(none$z[1], -2)
  few <- funnel$funnel_overdispersed(c(0, 57, 60), c(42, 1000, 1000), target = 0.057)
  expect_equal(few$significance[1], "not different")
})

test_that("the drawn funnel passes through the units' own limits", {
  n <- c(50, 80, 200, 400)
  x <- c(10, 30, 40, 90)
  for (units in list(funnel$funnel_proportion(x, n), funnel$funnel_overdispersed(x, n))) {
    curve <- funnel$funnel_curve(units, "proportion", points = 5000)
    expect_equal(approx(curve$size, curve$upper_95, n)$y, units$upper_95, tolerance = 1e-4)
    expect_equal(approx(curve$size, curve$lower_998, n)$y, units$lower_998, tolerance = 1e-4)
  }
  rates <- funnel$funnel_rate(c(5, 40), c(1000, 9000), multiplier = 1000)
  curve <- funnel$funnel_curve(rates, "rate", multiplier = 1000, points = 5000)
  expect_equal(approx(curve$size, curve$upper_95, 9000)$y, rates$upper_95[2], tolerance = 1e-4)
  expect_equal(nrow(funnel$funnel_curve(funnel$funnel_proportion(NA_real_, 10), "proportion")), 0)
})

test_that("square-root limits come back to the scale of the ratio and stop at 0", {
  limits <- funnel$overdispersed_limits(1, s = c(0.1, 2), tau2 = 0, "sqrt", 0.95)
  expect_equal(limits$lower, c((1 - qnorm(0.975) * 0.1)^2, 0))
  expect_equal(limits$upper[1], (1 + qnorm(0.975) * 0.1)^2)
})

test_that("arcsine limits stay between 0 and 1 for the smallest units", {
  limits <- funnel$overdispersed_limits(c(0.02, 0.98), s = c(1, 1), tau2 = 0.1, "arcsine", 0.998)
  expect_equal(limits$lower, c(0, 0))
  expect_equal(limits$upper, c(1, 1))
})

test_that("a unit without events does not break the log scale", {
  units <- funnel$funnel_overdispersed(c(0, 12, 9, 14), c(6, 10, 10, 12), "ratio_log", trim_method = "truncate")
  expect_equal(units$value[1], 0)
  expect_true(all(is.finite(c(units$z, units$phi, units$tau2, units$lower_95))))
})

test_that("winsorising keeps one extreme unit from widening everyone's limits", {
  scores <- c(rnorm(1), -1.2, -0.6, 0.1, 0.4, 0.9, 1.1, -0.3, 0.2, 30)
  s <- rep(0.1, 10)
  expect_gt(funnel$overdispersion(scores, s, trim_method = "none")$tau2[1], 0.5)
  expect_lt(funnel$overdispersion(scores, s, trim_method = "winsorise")$tau2[1], 0.25)
  expect_equal(sum(is.na(funnel$overdispersion(scores, s, trim_method = "truncate")$z_trimmed)), 2)
})

test_that("no units give no rows", {
  expect_equal(nrow(funnel$funnel_proportion(numeric(), numeric())), 0)
  expect_equal(nrow(funnel$funnel_ratio(numeric(), numeric())), 0)
  expect_equal(nrow(funnel$funnel_overdispersed(numeric(), numeric())), 0)
})
