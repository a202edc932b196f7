# Edges at which a statistic could answer wrongly without a word: each answers rightly, or stops with words.

lib <- lapply(stats::setNames(nm = sub("[.]R$", "", list.files(file.path(r_scripts, "lib")))), load_library)
charts <- lib$control_charts
dsr <- lib$standardisation$directly_standardised_rate

test_that("one denominator is that of every unit or period, in every kind of funnel and chart", {
  every <- rep(100, 3)
  for (kind in c("proportion", "ratio_log", "ratio_sqrt", "rate")) {
    expect_equal(lib$funnel$funnel_overdispersed(c(5, 10, 15), 100, kind),
                 lib$funnel$funnel_overdispersed(c(5, 10, 15), every, kind))
    expect_equal(lib$overdispersion$standard_scores(c(5, 10, 15), 100, kind),
                 lib$overdispersion$standard_scores(c(5, 10, 15), every, kind))
  }
  expect_equal(lib$funnel$funnel_overdispersed(c(5, 10, 15), 100)$target, rep(0.1, 3))
  for (chart in c("p_chart", "u_chart", "laney_p")) {
    expect_equal(charts[[chart]](c(5, 10, 15), 100), charts[[chart]](c(5, 10, 15), every))
  }
  limits <- charts$p_chart(c(5, 10, 15), 100)
  expect_equal(c(limits$lower[1], limits$upper[1]), 0.1 + c(-3, 3) * sqrt(0.1 * 0.9 / 100))
  expect_equal(charts$u_chart(c(4, 9, 5), 1)$upper, rep(6 + 3 * sqrt(6), 3)) # a c chart
})

test_that("nothing else is repeated: groups, outcomes, strata and settings of another length are errors", {
  expect_error(lib$means$mean_student(1:6, c("a", "b")), "group must name a group in every row")
  expect_error(lib$casemix$observed_expected(c("a", "b"), c(1, 0, 1, 1), rep(0.5, 4)), "group must name a group in every row")
  expect_error(lib$casemix$observed_expected(rep("a", 4), c(1, 0), rep(0.5, 4)), "arguments differ in length")
  expect_error(dsr(c(10, 20, 30, 40), c(1000, 2000), 1), "arguments differ in length: count 4, population 2")
  expect_error(lib$standardisation$expected_events(1:4, c(100, 200), 5, 1000), "arguments differ in length")
  expect_error(lib$proportions$wilson(1:5, numeric()), "arguments differ in length")
  expect_error(lib$funnel$funnel_proportion(1:3, 10, target = c(0.1, 0.2, 0.3)), "target must be one number")
  expect_error(lib$casemix$c_statistic(c(1, 0, 1), c(0.5, 0.4)), "arguments differ in length")
  expect_error(charts$p_chart(1:3, c(10, 20)), "arguments differ in length")
  expect_error(lib$overdispersion$overdispersion(1:3, c(1, 1)), "arguments differ in length")
})

test_that("a row without a group is an error that names the row", {
  for (group in list(c("a", "a", NA, NA), factor(c("a", "a", NA, "b")), c(1, 1, NA, 2), as.Date(c(1, 1, NA, 2), origin = "2000-01-01"))) {
    expect_error(lib$means$mean_student(1:4, group), "group must name an area in every row: see row 3")
    expect_error(lib$casemix$observed_expected(group, rep(1, 4), rep(0.5, 4)), "see row 3")
    expect_error(dsr(1:4, 1:4, 1:4, group), "see row 3")
  }
})

test_that("the funnel that is drawn is that of the table, whatever kind and multiplier it was made with", {
  n <- c(100, 200, 900, 1000)
  x <- c(10, 12, 70, 60)
  f <- lib$funnel
  for (units in list(f$funnel_rate(x, n), f$funnel_rate(x, n, multiplier = 7), f$funnel_ratio(x, n / 12),
                     f$funnel_ratio(x, n / 12, method = "chi-square"), f$funnel_proportion(x, n),
                     f$funnel_overdispersed(x, n, multiplier = 100), f$funnel_overdispersed(x, n, "rate", multiplier = 1e5))) {
    curve <- f$funnel_curve(units[c(4, 1, 2, 3), ], points = 4000)
    for (limit in c("lower_95", "upper_95", "lower_998", "upper_998")) {
      expect_equal(approx(curve$size, curve[[limit]], units[[2]])$y, units[[limit]], tolerance = 1e-3)
    }
  }
  rate <- f$funnel_curve(f$funnel_rate(c(5, 9), c(1000, 2000)), "rate")
  exact <- lib$rates$poisson_exact(rate$lower_95 * 800 / 1e5, 1) # the limit's upper interval end is the target
  expect_equal(exact$upper[which.min(abs(rate$size - 800))], 14 / 3000 * 800, tolerance = 0.01)
  expect_error(f$funnel_curve(f$funnel_rate(x, n), "rate", multiplier = 1), "multiplier is not that of these units")
  expect_error(f$funnel_curve(f$funnel_rate(x, n), "proportion"), "kind is not that of these units")
})

test_that("without weights, or with events only where there is no weight, there is no standardised rate", {
  for (row in list(dsr(c(10, 20), c(100, 100), c(0, 0)), dsr(c(9, 3), c(100, 100), c(0, 1)),
                   dsr(c(12, 0), c(0, 100), c(0, 1)))) {
    expect_true(all(is.na(row[c("value", "lower", "upper")])))
    expect_false(any(is.nan(unlist(row[c("value", "lower", "upper")]))))
  }
  expect_equal(dsr(c(9, 13), c(100, 100), c(0, 1))$value, 13000)
})

test_that("an area that lacks a band of the standard population is told of", {
  area <- rep(c("whole", "short"), c(6, 5))
  expect_warning(dsr(rep(10, 11), rep(100, 11), c(1:6, 1:5), area), "1 of 2 areas .* \\(see row 7\\)")
  expect_silent(dsr(rep(10, 12), rep(100, 12), rep(1:6, 2), rep(c("a", "b"), each = 6)))
})

test_that("a time on a day is on that day, in its own time zone", {
  times <- data.frame(t = as.POSIXct(c("2024-05-01 10:00", "2024-12-31 23:59", "2025-01-01 00:01"), tz = "Europe/Amsterdam"))
  expect_equal(nrow(lib$periods$within_period(times, "t", "2024-01-01", "2024-12-31")), 2)
  expect_equal(nrow(lib$periods$within_period(times, "t", as.Date("2024-12-31"))), 2)
  expect_equal(lib$periods$iso_week(times$t)$week, c("2024-W18", "2025-W01", "2025-W01"))
  expect_error(lib$periods$within_period(data.frame(t = 1:3), "t"), "column t must be dates or times, not integer")
  expect_error(lib$periods$within_period(times, "t", "1 May 2024"), "from must be written as year-month-day")
})

test_that("outcomes that did not happen once or not at all are refused for a model of chances", {
  oe <- lib$casemix$observed_expected
  expect_error(oe(c("a", "a"), c(-1, 3), c(1, 1)), "observed .* must be 1 or 0 .* see row 1")
  expect_error(oe(c("a", "a"), c(5, 0), c(0.5, 0.4)), "for counts: family = \"poisson\".*see row 1")
  expect_error(oe(c("a", "a"), c(-1, 3), c(1, 1), family = "poisson"), "observed must be zero or more and finite: see row 1")
  expect_error(oe(c("a", "a"), c(1, 0), c(0.5, 1.4)), "expected must be between 0 and 1: see row 2")
  expect_equal(oe(c("a", "a"), c(5, 0), c(2, 3), family = "poisson")$value, 1)
  expect_error(lib$casemix$case_mix_model(data.frame(y = c(1, 2), x = 1:2), y ~ x), "y must be 1 or 0")
})

test_that("the variance of a common outcome is binomial: as many false alarms as promised, and the power to see a fall", {
  set.seed(11)
  hospital <- rep(1:500, each = 200)
  chance <- plogis(rnorm(1e5, 0.95, 0.6))
  flagged <- function(shift) {
    units <- lib$casemix$observed_expected(hospital, runif(1e5) < plogis(qlogis(chance) + shift), chance)
    mean(units$lower > 1 | units$upper < 1)
  }
  expect_equal(flagged(0), 0.05, tolerance = 0.5)
  expect_gt(flagged(-0.40), 0.55) # 70 % becomes 61 to 62 %
  equal <- lib$casemix$observed_expected(rep("a", 40), rep(1:0, c(25, 15)), rep(0.5, 40))
  wilson <- lib$proportions$wilson(25, 40)
  expect_equal(c(equal$lower, equal$upper), c(wilson$lower, wilson$upper) / 0.5)
})

test_that("a chart whose points are nearly all equal has no limits, rather than limits without width", {
  rare <- c(rep(0, 12), 1, 0)
  chart <- charts$xmr(rare, "higher is worse")
  expect_true(all(is.na(chart$lower)))
  expect_equal(unique(chart$judgement), "too little variation to judge")
  later <- charts$xmr(c(rep(0, 12), 1:8), fix_after = 12)
  expect_equal(unique(later$judgement), "too little variation to judge")
  expect_true(all(is.na(charts$laney_p(c(rep(5, 12), 9), 100)$upper)))
  expect_equal(unique(charts$xmr(rep(0.1, 20))$judgement), "usual variation")
})

test_that("a target outside its scale, or of another scale, is an error", {
  f <- lib$funnel
  expect_error(f$funnel_proportion(c(5, 60), c(10, 100), target = 23.1), "between 0 and 1")
  expect_error(f$funnel_overdispersed(c(5, 60), c(10, 100), target = -0.1), "between 0 and 1")
  expect_error(f$funnel_rate(c(5, 40), c(1000, 9000), target = 450), "divide it by the multiplier")
  expect_error(f$funnel_overdispersed(c(5, 40), c(1000, 9000), "rate", target = 450, multiplier = 1e5), "divide it by")
  expect_error(f$funnel_rate(c(0, 0), c(1000, 9000), target = 450), "divide it by the multiplier")
  expect_equal(f$funnel_rate(c(5, 40), c(1000, 9000), target = 0.0045)$target, c(450, 450))
  expect_error(f$funnel_ratio(c(5, 4), c(4, 5), target = -1), "target must be one number of at least 0")
  expect_error(f$funnel_proportion(c(0, 3), c(10, 10), target = 0), "end of its scale")
})

test_that("what a patient's record says is in no message", {
  data <- data.frame(g = rep(c("a", "b"), 10), y = rep(c(1, 0, 0, 1, 0), 4))
  model <- lib$casemix$case_mix_model(data, y ~ g)
  for (new in list(data.frame(g = c("a", "patient Jansen")), data.frame(g = factor(c("a", "patient Jansen"))))) {
    message <- tryCatch(lib$casemix$expected_per_patient(new, model), error = conditionMessage)
    expect_match(message, "characteristic g has a value that the model has not seen: see row 2")
    expect_false(grepl("Jansen", message))
  }
  apart <- data.frame(g = c("a", NA, "patient Jansen"))
  expect_error(lib$casemix$expected_per_patient(apart, model), "see row 3")
})

test_that("a group without events is told of by its column, with either kind of outcome", {
  data <- data.frame(g = rep(c("A", "B"), c(100, 20)), age = 1:120, y = c(rep(0:1, 50), rep(0, 20)))
  for (family in c("logistic", "poisson")) {
    message <- capture_warnings(lib$casemix$case_mix_model(data, y ~ g, family))
    expect_match(message, "do not determine the effect of g: one of its groups has no events")
  }
  data$y[110] <- 1
  expect_silent(lib$casemix$case_mix_model(data, y ~ g + age))
})

test_that("infinite and impossible numbers are errors wherever numbers go in", {
  expect_error(lib$means$mean_student(c(1, Inf, 3)), "values must be finite: see row 2")
  expect_error(charts$xmr(c(1, 2, Inf, 3)), "value must be finite: see row 3")
  expect_error(lib$run_charts$run_chart(Inf), "value must be finite: see row 1")
  expect_error(lib$alerts$alert_alarm(c(1, -Inf)), "z must be finite: see row 2")
  expect_error(lib$rates$rate(1e308, 10), "too large to compute with")
  expect_error(lib$rates$rate(5, 1e-300), "too close to zero to compute with")
  big <- structure(c(5e-324, 1e-323), class = "integer64") # how R holds 1 and 2 as 64-bit integers
  expect_error(lib$proportions$wilson(big, 10), "numerator must be a number, not integer64")
})

test_that("a phase is one stretch of neighbours", {
  expect_error(charts$xmr(1:4, phase = c(1, 2, 1, 2)), "points of a phase must be neighbours: see row 3")
})

test_that("trimming shares and scores out of reach are errors", {
  od <- lib$overdispersion$overdispersion
  expect_error(od(1:5, rep(1, 5), 0, "truncate"), "trim must be above 0 to truncate")
  expect_equal(od(1:5, rep(1, 5), 0)$phi, rep(11, 5))
  expect_error(od(1:5, rep(1, 5), 0.6), "trim must be one number from 0 to 0.499")
  expect_error(lib$overdispersion$standard_scores(c(0, 0), c(10, 10), "count_ratio"), "no unit has an event")
  expect_error(od(c(1, Inf), c(1, 1)), "z must be finite")
  expect_error(od(1:2, c(1, 0)), "s must be above 0: see row 2")
})

test_that("a label may be a factor; text is no outcome; one of none is impossible, none of none is unknown", {
  units <- data.frame(n = c(1, 50), label = factor(c("ordinary", "alert high")))
  expect_equal(lib$alerts$minimum_volume(units, "n", 10, label = "label")$label, c("too few to judge", "alert high"))
  expect_error(lib$casemix$c_statistic(c("0", "1"), c(.1, .9)), "observed must be a number, not character")
  expect_error(lib$proportions$wilson(1, 0), "numerator is larger than denominator in row 1")
  expect_true(is.na(lib$proportions$wilson(0, 0)$value))
})

test_that("a series out of order, with a gap or with a period twice is refused by every chart", {
  months <- as.Date(c("2024-01-31", "2024-02-29", "2024-03-31", "2024-04-30"))
  draw <- list(function(period) charts$xmr(1:4, period = period), function(period) charts$p_chart(1:4, 10, period),
               function(period) charts$u_chart(1:4, 10, period = period), function(period) charts$laney_p(1:4, 10, period),
               function(period) lib$run_charts$run_chart(1:4, period = period))
  for (chart in draw) {
    for (period in list(months, as.Date("2024-01-01") + 7 * 0:3, 2020:2023, as.Date("2024-01-01") + 0:3,
                        as.POSIXct("2024-03-30", tz = "Europe/Amsterdam") + 86400 * 0:3 - 3600 * c(0, 0, 1, 1))) {
      expect_identical(chart(period)$period, period)
      expect_error(chart(period[c(1, 3, 2, 4)]), "in order of time .*: see row 3")
      expect_error(chart(period[c(1, 2, 2, 3)]), "twice .*: see row 3")
      expect_error(chart(period[1:3]), "period must be given for every row")
    }
    expect_error(chart(as.Date(c("2024-01-01", "2024-02-01", "2024-04-01", "2024-05-01"))), "leaves out a period .*: see row 3")
    expect_error(chart(as.Date(c("2024-01-01", "2024-01-08", "2024-01-22", "2024-01-29"))), "leaves out a period .*: see row 3")
    expect_error(chart(c(months[1:3], NA)), "period is missing: see row 4")
  }
})

test_that("rows of a month are added up whatever their day, and no row is lost", {
  set.seed(4)
  rows <- data.frame(day = as.Date("2022-12-15") + sample(0:800, 3000, TRUE), site = sample(letters[1:3], 3000, TRUE),
                     n = rpois(3000, 9))
  for (by in c("day", "week", "month", "quarter", "year")) {
    totals <- lib$periods$period_totals(rows, "day", "n", by, "site")
    expect_equal(sum(totals$n, na.rm = TRUE), sum(rows$n))
    expect_false(any(duplicated(totals[c("site", "day")])))
    for (site in letters[1:3]) lib$checks$check_periods(lib$periods$complete_periods(totals[totals$site == site, ], "day", by)$day)
  }
  by_hand <- tapply(rows$n, list(rows$site, format(rows$day, "%Y-%m-01")), sum)
  months <- lib$periods$period_totals(rows, "day", "n", "month", "site")
  expect_equal(months$n, unname(by_hand[cbind(months$site, format(months$day))]))
})
