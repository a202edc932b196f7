# T and G charts, against their formulas and by simulated false alarms and run lengths; x-bar, S and MR charts against
# Montgomery's worked examples.

rare <- load_library("rare_events")
samples <- load_library("subgroup_charts")

test_that("days between events are those between their dates, in any order", {
  dates <- as.Date(c("2024-03-10", "2024-01-01", "2024-03-10", "2024-02-01"))
  expect_equal(rare$time_between(dates)$days, c(NA, 31, 38, 0))
  expect_equal(rare$time_between(dates, "2023-12-31")$days, c(1, 31, 38, 0))
  expect_equal(nrow(rare$time_between(as.Date(character()))), 0)
  expect_error(rare$time_between(c(dates, NA)), "date is missing: see row 5")
  expect_error(rare$time_between(dates, "2024-01-02"), "before the day that counting began: see row 2")
})

test_that("a T chart is the XmR chart of time^(1/3.6), transformed back", {
  days <- c(12, 40, 3, 66, 25, 0, 18, 90, 7, 31, 14, 55, 22)
  y <- days^(1 / 3.6)
  chart <- rare$t_chart(days)
  ranges <- abs(diff(y))
  half <- 2.66 * mean(ranges[ranges < 3.267 * mean(ranges)])
  expect_equal(chart$centre[1], mean(y)^3.6)
  expect_equal(chart$upper[1], (mean(y) + half)^3.6)
  expect_equal(chart$lower[1], max(0, mean(y) - half)^3.6)
  expect_equal(chart$value, days)
})

test_that("of events at random few points are outside a T chart; a long gap is", {
  set.seed(41)
  alarms <- replicate(300, {
    days <- rexp(40, 1 / 30)
    chart <- rare$t_chart(days)
    c(mean(chart$outside), rare$t_chart(c(days, 700))$judgement[41] == "improvement")
  })
  expect_lt(mean(alarms[1, ]), 0.012)
  expect_gt(mean(alarms[2, ]), 0.95)
  worse <- rare$t_chart(c(rexp(30, 1 / 60), rexp(12, 1 / 3)), fix_after = 30)
  expect_true("concern" %in% worse$judgement[31:42])
})

test_that("G chart limits are geometric quantiles, or Benneyan's three sigma", {
  cases <- c(100, 80, 120, 90, 110, 95, 105, 70, 130, 100, 60, 140)
  g <- mean(cases)
  three <- rare$g_chart(cases, limits = "three sigma")
  expect_equal(three$upper[1], g + 3 * sqrt(g * (g + 1)))
  expect_equal(c(three$lower[1], three$centre[1]), c(0, g))
  ours <- rare$g_chart(cases)
  p <- 1 / (g + 1)
  beyond <- function(k) (1 - p)^(k + 1) # P(G > k)
  expect_true(beyond(ours$upper[1]) <= pnorm(-3) && beyond(ours$upper[1] - 1) > pnorm(-3))
  expect_true(beyond(ours$centre[1]) <= 0.5 && beyond(ours$centre[1] - 1) > 0.5)
})

test_that("false alarms of a G chart are as promised, and those of three sigma are the known 1.8 %", {
  set.seed(42)
  cases <- rgeom(40000, 1 / 501)
  share <- function(limits) {
    chart <- rare$g_chart(cases, limits = limits)
    mean(cases > chart$upper[1])
  }
  expect_lt(abs(share("probability") - pnorm(-3)), 6e-4)
  expect_lt(abs(share("three sigma") - exp(-4)), 3e-3)
  # the run rule: half of the points lie above the centre
  expect_lt(abs(mean(rare$g_chart(cases)$side > 0) - 0.5), 0.01)
  # events that come ten times as often are seen within some 20 events in nearly all series
  seen <- replicate(200, "concern" %in% rare$g_chart(c(rgeom(40, 1 / 501), rgeom(20, 1 / 51)), fix_after = 40)$judgement[41:60])
  expect_gt(mean(seen), 0.9)
})

test_that("few events are not judged, and none at all gives no rows", {
  expect_equal(unique(rare$t_chart(c(5, 9, 30))$judgement), "too few points to judge")
  expect_equal(unique(rare$g_chart(c(5, 9, 30))$judgement), "too few points to judge")
  expect_equal(unique(rare$g_chart(rep(0, 20))$judgement), "too little variation to judge")
  expect_equal(nrow(rare$g_chart(numeric())), 0)
  expect_error(rare$g_chart(c(5, 2.5)), "cases must be a whole number: see row 2")
  expect_error(rare$t_chart(c(5, -1)), "between must be zero or more and finite: see row 2")
})

test_that("x-bar and S charts are Montgomery's (piston rings)", {
  rings <- 74 + c(30, 2, 19, -8, 8, -5, -8, 1, 11, 4, -12, 24, 21, 5, 2, 2, -4, -7, 15, 9, -8, 7, 15, -11, 14, 9, -6, -3, -15, -7,
                  -5, 6, -6, 0, 5, -15, 3, -7, 15, -12, 8, -5, 9, 5, 4, -2, 0, -10, 7, -5, -6, -2, -6, -5, -10, 4, 0, 7, 0, -4,
                  -17, 2, -2, -3, 12, 6, -33, -6, 0, -16, 12, 14, -2, -1, 7, 0, -16, 5, -2, -4, -6, 12, -14, 5, 7,
                  6, 10, 18, 3, 0, -16, 2, 3, 5, -3, 0, 10, 13, 20, 3, -18, 1, 15, 5, -4, 4, -1, -10, 6, 9,
                  10, -11, -10, 9, 14, 15, 8, -7, 0, 10, -18, -16, -5, 17, 13) / 1000
  chart <- samples$xbar_s_chart(rings, rep(1:25, each = 5))
  # the book rounds the centre to 74.001 and s to 0.0094 before it computes the limits
  expect_lt(max(abs(c(chart$centre[1], chart$lower[1], chart$upper[1]) - c(74.001, 73.988, 74.014))), 0.0008)
  expect_equal(round(c(chart$spread_centre[1], chart$spread_lower[1], chart$spread_upper[1]), 4), c(0.0094, 0, 0.0196))
  expect_false(any(chart$outside, chart$spread_outside))
  # unequal samples: constants of Montgomery's appendix VI, A3 and B4
  n <- c(2, 3, 5, 10)
  set.seed(43)
  groups <- rep(seq_along(n), n)
  unequal <- samples$xbar_s_chart(rnorm(20, 10), groups)
  sigma <- (unequal$spread_centre / c(0.7979, 0.8862, 0.9400, 0.9727))[1]
  expect_equal((unequal$upper - unequal$centre) / unequal$spread_centre, c(2.659, 1.954, 1.427, 0.975), tolerance = 1e-3)
  expect_equal(unequal$spread_upper / unequal$spread_centre, c(3.267, 2.568, 2.089, 1.716), tolerance = 1e-3)
  expect_equal(unequal$spread_centre, sigma * c(0.7979, 0.8862, 0.9400, 0.9727), tolerance = 1e-3)
})

test_that("the moving range chart is Montgomery's (cost of mortgage loans)", {
  cost <- c(310, 288, 297, 298, 307, 303, 294, 297, 308, 306, 294, 299, 297, 299, 314, 295, 293, 306, 301, 304)
  chart <- samples$mr_chart(cost)
  expect_equal(round(c(chart$centre[1], chart$upper[1]), 2), c(7.79, 25.45))
  expect_true(is.na(chart$value[1]) && !any(chart$outside))
  expect_true(all(is.na(samples$mr_chart(rep(5, 20))$upper)))
})

test_that("samples of one, without spread, or without values have no limits", {
  expect_true(all(is.na(samples$xbar_s_chart(1:5, 1:5)$upper)))
  expect_true(all(is.na(samples$xbar_s_chart(c(1, 1, 2, 2), c(1, 1, 2, 2))$upper)))
  empty <- samples$xbar_s_chart(c(1, 2, NA, 3, 4), c("a", "a", "b", "c", "c"))
  expect_equal(empty$n, c(2, 0, 2))
  expect_true(is.na(empty$value[2]) && !empty$outside[2])
})
