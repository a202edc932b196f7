# Label, interval, line and score of one unit are one decision shown four times.

f <- load_library("funnel")
rates <- load_library("rates")
proportions <- load_library("proportions")
ratio <- load_library("standardisation")$standardised_ratio
case_mix <- load_library("casemix")
alerts <- load_library("alerts")

labels <- c("lower (99.8 %)", "lower (95 %)", "not different", "higher (95 %)", "higher (99.8 %)")
decided <- function(units) match(units$significance, labels) - 3

# From each of the things that are shown, what it says: -2 to 2.
by_lines <- function(value, units) {
  (value > units$upper_95) + (value > units$upper_998) - (value < units$lower_95) - (value < units$lower_998)
}
by_score <- function(z) sign(z) * ((abs(z) > qnorm(0.975)) + (abs(z) > qnorm(0.999)))
by_interval <- function(inner, outer, target) {
  (inner$lower > target) + (outer$lower > target) - (inner$upper < target) - (outer$upper < target)
}
by_alert <- function(z) {
  alert <- alerts$alert_alarm(z)
  ifelse(alert$side == "low", -1, 1) * (match(alert$level, c("ordinary", "alert", "alarm")) - 1)
}
by_curve <- function(units) {
  curve <- f$funnel_curve(units[order(units[[2]]), ], points = 1500)
  at <- function(limit) approx(curve$size, curve[[limit]], units[[2]])$y
  drawn <- data.frame(lower_95 = at("lower_95"), upper_95 = at("upper_95"), lower_998 = at("lower_998"), upper_998 = at("upper_998"))
  close <- apply(abs(units$value - drawn) < 1e-3 * units$target, 1, any) # too near a line to read off a drawing
  ifelse(close, NA, by_lines(units$value, drawn))
}
expect_agree <- function(units, ...) {
  expect_gt(length(unique(decided(units))), 1)
  expect_equal(by_lines(units$value, units), decided(units))
  expect_equal(by_score(units$z), decided(units))
  expect_equal(by_alert(units$z), decided(units))
  drawn <- by_curve(units)
  expect_equal(drawn[!is.na(drawn)], decided(units)[!is.na(drawn)])
  expect_true(all(sign(units$z) * sign(units$value - units$target) >= 0))
  for (says in list(...)) expect_equal(says, decided(units))
}

test_that("proportions: label, limits, score, alert, drawing and Wilson's interval agree", {
  grid <- expand.grid(x = c(0:12, 20, 35, 60), n = c(1, 3, 10, 12, 40, 60, 75, 300, 1500))
  grid <- grid[grid$x <= grid$n, ]
  for (target in c(0.001, 0.05, 0.3, 0.5, 0.9, 0.995)) {
    for (flip in c(FALSE, TRUE)) {
      x <- if (flip) grid$n - grid$x else grid$x
      units <- f$funnel_proportion(x, grid$n, target)
      expect_agree(units, by_interval(proportions$wilson(x, grid$n), proportions$wilson(x, grid$n, 0.998), target))
    }
  }
})

test_that("ratios and rates: label, limits, score, alert, drawing and exact interval agree, also where Byar's does not", {
  grid <- expand.grid(x = c(0:30, 45, 80, 300, 2000), e = c(0.01, 0.3, 1, 2.5, 3.6, 3.7, 4.7914193, 8, 14, 25, 47, 100, 310, 2100))
  exact <- function(confidence) ratio(grid$x, grid$e, confidence, limits = "exact")
  units <- f$funnel_ratio(grid$x, grid$e)
  expect_agree(units, by_interval(exact(0.95), exact(0.998), 1))
  of_rates <- f$funnel_rate(grid$x, 1000 * grid$e, target = 0.001, multiplier = 1e4)
  expect_agree(of_rates, by_interval(rates$rate(grid$x, 1000 * grid$e, limits = "exact"),
                                     rates$rate(grid$x, 1000 * grid$e, 0.998, limits = "exact"), 100), decided(units))
  expect_agree(f$funnel_ratio(grid$x, grid$e, target = 1.3))
  expect_agree(f$funnel_ratio(grid$x, grid$e, method = "chi-square"))
  counts <- case_mix$observed_expected(seq_along(grid$x), grid$x, grid$e, family = "poisson")
  wide <- case_mix$observed_expected(seq_along(grid$x), grid$x, grid$e, 0.998, family = "poisson")
  expect_equal(by_interval(counts, wide, 1), decided(units))
  expect_equal(f$funnel_ratio(10, 4.7914193)$significance, "higher (95 %)")
  expect_gt(ratio(10, 4.7914193, limits = "exact")$lower, 1)
  expect_lt(ratio(10, 4.7914193)$lower, 1) # the published rule of Byar from ten on
})

test_that("binomial case mix: the interval leaves out 1 exactly where O - E is beyond its standard error", {
  set.seed(21)
  for (level in c(-3, 0, 1, 4)) {
    chance <- plogis(rnorm(6000, level, 1.5))
    hospital <- rep(seq_len(300), times = rep(c(4, 6, 10, 40, 40), 60))
    outcome <- runif(6000) < plogis(qlogis(chance) + rnorm(300, 0, 1)[hospital])
    inner <- case_mix$observed_expected(hospital, outcome, chance)
    outer <- case_mix$observed_expected(hospital, outcome, chance, 0.998)
    z <- (inner$observed - inner$expected) / sqrt(inner$variance)
    expect_equal(by_interval(inner, outer, 1), by_score(z))
    expect_true(all(inner$lower <= inner$value & inner$value <= inner$upper & inner$lower < inner$upper))
    expect_true(all(inner$upper <= inner$patients / inner$expected + 1e-9))
  }
})

test_that("with overdispersion: label, limits, score, alert and drawing agree in every kind and for every amount of it", {
  set.seed(22)
  n <- c(1:15, 30, 60, 100, 400, 2000)
  for (kind in c("proportion", "ratio_log", "ratio_sqrt", "rate")) {
    for (spread in c(0, 0.3, 1, 2)) {
      for (trim_method in c("winsorise", "truncate")) {
        x <- pmin(rpois(20, n * 0.4 * exp(rnorm(20, 0, spread))), n)
        x[sample(20, 4)] <- 0
        size <- if (kind %in% c("ratio_log", "ratio_sqrt")) n * 0.4 else n
        x[19:20] <- if (kind == "proportion") c(400, 0) else c(9000, 0) # some that are outside whatever the spread
        units <- f$funnel_overdispersed(x, size, kind, trim_method = trim_method)
        expect_equal(by_lines(units$value, units), decided(units))
        expect_equal(by_score(units$z), decided(units))
        expect_equal(by_alert(units$z), decided(units))
        drawn <- by_curve(units)
        expect_equal(drawn[!is.na(drawn)], decided(units)[!is.na(drawn)])
        expect_true(all(sign(units$z) * sign(units$value - units$target) >= 0))
        alone <- if (kind == "proportion") f$funnel_proportion(x, size) else
          if (kind == "rate") f$funnel_rate(x, size, multiplier = 1) else f$funnel_ratio(x, size)
        expect_true(all(abs(decided(units)) <= abs(decided(alone)))) # outside here is outside by chance alone too
      }
    }
  }
  few <- f$funnel_overdispersed(c(0, 40, 1, 60, 2, 30, 12, 5), c(8, 12, 9, 15, 9, 10, 11, 9), "ratio_log")
  expect_equal(few$significance[1], "not different")
  expect_equal(few$lower_998[1], 0)
})

test_that("control charts: a point is outside exactly where its rule says beyond a limit", {
  control <- load_library("control_charts")
  set.seed(23)
  for (run in 1:50) {
    chart <- control$xmr(rnorm(24) + rbinom(24, 1, 0.1) * 6)
    expect_equal(chart$outside, chart$special_cause %in% c("above the upper limit", "below the lower limit"))
    expect_equal(chart$outside, chart$value > chart$upper | chart$value < chart$lower)
    expect_equal(chart$judgement == "usual variation", chart$special_cause == "usual variation")
  }
})

test_that("the laboratories' labels are on the side of the lines that are drawn", {
  positivity_by_laboratory <- load_indicator("positivity_by_laboratory")
  set.seed(24)
  results <- do.call(rbind, lapply(1:40, function(i) {
    n <- sample(c(35, 120, 600), 1)
    data.frame(sample_id = paste(i, seq_len(n)), test_date = as.Date("2024-03-01"), laboratory = paste("lab", i), clinic = "C",
               result = ifelse(runif(n) < plogis(rnorm(1, -1.5, 0.7)), "POS", "NEG"), viral_load = NA_integer_,
               turnaround_hours = 12)
  }))
  shown <- positivity_by_laboratory(results)$data
  limits <- stats::setNames(shown[paste0("funnel_", c("lower_95", "upper_95", "lower_998", "upper_998"))],
                            c("lower_95", "upper_95", "lower_998", "upper_998"))
  level <- match(sub(" .*", "", shown$label), c("ordinary", "alert", "alarm")) - 1
  expect_gt(length(unique(shown$label)), 2)
  expect_equal(level * ifelse(grepl("low", shown$label), -1, 1), by_lines(shown$positivity, limits))
  expect_equal(level * ifelse(grepl("low", shown$label), -1, 1), by_score(shown$z))
})

test_that("of chance alone phi is phi_chance, and with twice the variance units vary twice as much", {
  set.seed(25)
  od <- load_library("overdispersion")$overdispersion
  for (method in c("winsorise", "truncate", "none")) {
    for (n in c(10, 30, 200)) {
      for (variance in c(1, 2)) {
        times <- mean(replicate(800, {
          extra <- od(rnorm(n, 0, sqrt(variance)), rep(1, n), trim_method = method)
          extra$phi[1] / extra$phi_chance[1]
        }))
        expect_equal(times, variance, tolerance = 0.06, label = paste(method, n, variance))
      }
    }
  }
})
