# Case-mix-adjusted percentages with binomial limits.

adjusted <- load_library("binomial_casemix")

test_that("with equal chances it is the plain funnel of percentages", {
  x <- c(62, 140, 30, 0, 200)
  n <- c(100, 200, 40, 10, 250)
  p <- sum(x) / sum(n)
  plain <- adjusted$funnel_proportion(x, n)
  ours <- adjusted$funnel_adjusted(x, n * p, n * p * (1 - p), n)
  for (column in c("value", "lower_95", "upper_95", "lower_998", "upper_998", "significance", "z")) {
    expect_equal(ours[[column]], plain[[column]], info = column)
  }
  expect_equal(ours$effective_patients, n)
})

test_that("label, score, limits, own interval and drawn limits agree, for every target and case mix", {
  set.seed(11)
  for (share in c(0.02, 0.3, 0.7, 0.95)) {
    n <- round(exp(runif(400, 2, 7)))
    chances <- lapply(n, function(n) plogis(qlogis(share) + rnorm(1) + rnorm(n)))
    e <- vapply(chances, sum, 0)
    v <- vapply(chances, function(p) sum(p * (1 - p)), 0)
    o <- pmin(n, pmax(0, round(e + rnorm(400) * 3 * sqrt(v))))
    units <- adjusted$funnel_adjusted(o, e, v, n, multiplier = 100)
    expect_equal(units$z, (o - e) / sqrt(v))
    expect_equal(units$significance != "not different", abs(units$z) > qnorm(0.975))
    expect_equal(grepl("99.8", units$significance), abs(units$z) > qnorm(0.999))
    own <- adjusted$binomial_ratio(o, e, v, n)
    expect_equal(own$lower > 1 | own$upper < 1, abs(units$z) > qnorm(0.975))
    curve <- adjusted$funnel_curve(units, points = 4000)
    drawn <- approx(curve$size, curve$lower_95, units$effective_patients)$y
    expect_equal(drawn, units$lower_95, tolerance = 1e-3)
  }
})

test_that("of a common outcome a poor hospital is seen, and of equal ones 5 % are outside the 95 % limits", {
  set.seed(12)
  n <- 200
  seen <- vapply(1:2000, function(i) {
    p <- plogis(qlogis(0.7) + rnorm(n, 0, 0.7))
    # the same in a hospital as good as others, and in one where the odds are those of 62 against 70 %
    odds <- 0.62 / 0.38 / (0.7 / 0.3)
    o <- c(sum(runif(n) < p), sum(runif(n) < p * odds / (1 - p + p * odds)))
    unit <- adjusted$funnel_adjusted(o, rep(sum(p), 2), rep(sum(p * (1 - p)), 2), c(n, n), target = 0.7)
    abs(unit$z) > qnorm(0.975)
  }, c(TRUE, TRUE))
  expect_gt(mean(seen[1, ]), 0.035)
  expect_lt(mean(seen[1, ]), 0.065)
  expect_gt(mean(seen[2, ]), 0.6) # with Poisson limits one in seven
})

test_that("nothing expected, no variance and no units give no judgement; impossible sums are errors", {
  units <- adjusted$funnel_adjusted(c(0, 5, NA), c(0, 5, 4), c(0, 0, 2), c(10, 5, 10))
  expect_equal(units$significance, rep("no data", 3))
  expect_true(all(is.na(units[c("value", "z", "lower_95")])))
  expect_equal(nrow(adjusted$funnel_adjusted(numeric(), numeric(), numeric(), numeric())), 0)
  expect_error(adjusted$funnel_adjusted(11, 5, 2, 10), "observed is larger than patients in row 1")
  expect_error(adjusted$funnel_adjusted(c(1, 2), 5, 2, 10), "arguments differ in length")
  expect_error(adjusted$funnel_adjusted(1, 5, 7, 10), "variance is larger than expected in row 1")
})
