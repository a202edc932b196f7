control <- load_library("control_charts")
xmr <- control$xmr

test_that("centre and limits are the mean and 2.66 mean moving ranges", {
  chart <- xmr(c(10, 12, 9, 11), minimum = 4)
  expect_equal(chart$centre[1], 10.5)
  expect_equal(chart$upper[1], 10.5 + 2.66 * mean(c(2, 3, 2)))
  expect_equal(chart$lower[1], 10.5 - 2.66 * mean(c(2, 3, 2)))
})

test_that("all equal values are usual variation with limits equal to the mean", {
  chart <- xmr(rep(4, 12))
  expect_equal(c(chart$lower[1], chart$centre[1], chart$upper[1]), c(4, 4, 4))
  expect_equal(unique(chart$special_cause), "usual variation")
})

test_that("too few points have a centre, no limits, and are not judged; no points give no rows", {
  for (chart in list(xmr(7), xmr(1:3), xmr(1:11), xmr(c(1:11, NA, NA)))) {
    expect_equal(chart$centre[1], mean(chart$value, na.rm = TRUE))
    expect_true(all(is.na(chart[c("lower", "upper")])))
    expect_equal(unique(chart$judgement[!is.na(chart$value)]), "too few points to judge")
    expect_false(any(chart$outside))
  }
  expect_false(anyNA(xmr(1:12)$upper))
  expect_equal(unique(xmr(1:20, fix_after = 3)$judgement), "too few points to judge")
  expect_error(xmr(1:20, fix_after = 0), "fix_after must be one whole number of at least 1")
  expect_equal(nrow(xmr(numeric())), 0)
  expect_equal(xmr(c(NA_real_, NA_real_))$special_cause, rep("no data", 2))
})

test_that("a missing value stays missing and interrupts a run", {
  steady <- c(0, 10, 0, 10, 0, 10)
  unbroken <- xmr(c(steady, rep(6, 7)))
  broken <- xmr(c(steady, rep(6, 3), NA, rep(6, 3)))
  expect_equal(which(unbroken$special_cause == "seven or more above the mean"), 6:13)
  expect_equal(broken$special_cause[10], "no data")
  expect_false(any(broken$special_cause == "seven or more above the mean"))
})

test_that("screening keeps one outlier from hiding itself", {
  values <- c(10, 11, 10, 9, 10, 11, 10, 25, 10, 9, 11, 10)
  expect_equal(xmr(values)$special_cause[8], "above the upper limit")
  expect_lt(xmr(values)$upper[1], xmr(values, screen = FALSE)$upper[1])
})

test_that("seven falling points are an improvement where lower is better and a concern where higher is better", {
  values <- c(20, 30, 20, 30, 26, 25, 24, 23, 22, 21, 20, 27, 20, 30)
  falling <- xmr(values, "higher is worse")
  expect_equal(which(falling$special_cause == "seven or more falling"), 4:11)
  expect_equal(unique(falling$judgement[4:11]), "improvement")
  expect_equal(unique(xmr(values, "higher is better")$judgement[4:11]), "concern")
  expect_equal(unique(xmr(values, "neutral")$judgement[4:11]), "low")
})

test_that("where a rise turns into a fall, the top belongs to the fall", {
  values <- c(1, 2, 3, 4, 5, 6, 7, 6, 5, 4, 3, 2, 1)
  causes <- control$special_causes(values, rep(0L, 13), rep(FALSE, 13), rep(FALSE, 13))
  expect_equal(causes, rep(c("seven or more rising", "seven or more falling"), c(6, 7)))
})

test_that("two of three near a limit count only on the same side", {
  near <- c(FALSE, TRUE, TRUE, FALSE)
  same <- control$special_causes(c(0, 5, 5, 1), c(-1L, 1L, 1L, 1L), rep(FALSE, 4), near)
  expect_equal(same, c("usual variation", rep("two of three near the upper limit", 2), "usual variation"))
  mixed <- control$special_causes(c(0, 5, -5, 1), c(-1L, 1L, -1L, 1L), rep(FALSE, 4), near)
  expect_equal(mixed, rep("usual variation", 4))
})

test_that("fixed limits stay what they were when later points differ", {
  first <- c(10, 12, 11, 9, 10, 12)
  fixed <- xmr(c(first, 30, 31, 32), fix_after = 6, minimum = 6)
  expect_equal(fixed$upper[9], xmr(first, minimum = 6)$upper[1])
  expect_equal(fixed$special_cause[7:9], rep("above the upper limit", 3))
})

test_that("a new phase has limits of its own, and every point needs a phase", {
  chart <- xmr(c(1, 2, 1, 2, 11, 12, 11, 12), phase = rep(c("old ward", "new ward"), each = 4), minimum = 4)
  expect_equal(chart$centre, rep(c(1.5, 11.5), each = 4))
  expect_error(xmr(1:3, phase = c("a", NA, "a")), "phase must have a label for every value")
})

test_that("the p chart gives the limits of Montgomery's orange juice cans", {
  # Montgomery, example 7.1: 30 samples of 50 with 347 nonconforming cans: 0.2313, limits 0.0524 and 0.4102.
  chart <- control$p_chart(c(rep(11, 13), rep(12, 17)), rep(50, 30))
  expect_equal(sum(chart$numerator), 347)
  expect_equal(round(chart$centre[1], 4), 0.2313)
  expect_equal(round(c(chart$lower[1], chart$upper[1]), 4), c(0.0524, 0.4102), tolerance = 1e-3)
})

test_that("the u chart gives the limits of Montgomery's supply chain and stops at 0", {
  # Montgomery, example 7.4: 20 weeks of 50 shipments with 74 errors: 0.0740, limits 0 and 0.1894.
  chart <- control$u_chart(c(rep(3, 6), rep(4, 14)), rep(50, 20))
  expect_equal(round(chart$centre[1], 4), 0.0740)
  expect_equal(chart$lower[1], 0)
  expect_equal(round(chart$upper[1], 4), 0.1894)
  expect_equal(control$u_chart(4, 50, multiplier = 1000)$value, 80)
})

test_that("an empty period has no limits, is not outside, and does not move the centre", {
  chart <- control$p_chart(c(5, 0, NA, 15), c(50, 0, 50, 50))
  expect_equal(chart$centre, rep(0.2, 4))
  expect_true(all(is.na(chart[2:3, c("value", "lower", "upper")])))
  expect_equal(chart$outside[2:3], c(FALSE, FALSE))
  expect_equal(control$p_chart(c(0, 0), c(0, 0))$outside, c(FALSE, FALSE))
})

test_that("Laney's limits are the p chart's times sigma z", {
  x <- c(480, 560, 430, 600, 510, 450)
  n <- rep(10000, 6)
  p <- control$p_chart(x, n)
  laney <- control$laney_p(x, n)
  sd <- sqrt(p$centre * (1 - p$centre) / n)
  expect_equal(laney$sigma_z[1], mean(abs(diff((p$value - p$centre) / sd))) / 1.128)
  expect_equal(laney$upper - laney$centre, laney$sigma_z * (p$upper - p$centre))
  expect_gt(laney$sigma_z[1], 1)
  expect_false(any(laney$outside))
  expect_true(any(p$outside))
})

test_that("Laney's chart of one period has no limits, and of no events no width", {
  one <- control$laney_p(5, 50)
  expect_true(is.na(one$upper) && !one$outside)
  none <- control$laney_p(c(0, 0, 0), c(50, 60, 70))
  expect_equal(none$upper, c(0, 0, 0))
})
