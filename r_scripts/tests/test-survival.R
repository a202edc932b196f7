# Survival, against package survival, published figures (Miller's leukaemia trial; the lung cancer data) and simulation.

s <- load_library("survival")

test_that("Kaplan-Meier of the leukaemia trial is as published", {
  aml <- survival::aml
  km <- s$kaplan_meier(aml$time, aml$status, aml$x)
  kept <- km[km$group == "Maintained" & km$events > 0, ]
  expect_equal(kept$time, c(9, 13, 18, 23, 31, 34, 48))
  expect_equal(round(kept$value, 3), c(0.909, 0.818, 0.716, 0.614, 0.491, 0.368, 0.184))
  expect_equal(round(kept$standard_error, 4), c(0.0867, 0.1163, 0.1397, 0.1526, 0.1642, 0.1627, 0.1535))
  for (group in unique(aml$x)) {
    fit <- survival::survfit(survival::Surv(time, status) ~ 1, aml[aml$x == group, ], conf.type = "log-log")
    ours <- km[km$group == group, ]
    expect_equal(as.list(ours[c("time", "at_risk", "events", "left", "value")]),
                 list(time = fit$time, at_risk = fit$n.risk, events = fit$n.event, left = fit$n.censor, value = fit$surv))
    inside <- ours$value > 0 & ours$value < 1
    expect_equal(ours$lower[inside], fit$lower[inside], tolerance = 1e-9)
    expect_equal(ours$upper[inside], fit$upper[inside], tolerance = 1e-9)
  }
})

test_that("the lung data: median survival 270 and 426 days, as published", {
  lung <- survival::lung
  km <- s$kaplan_meier(lung$time, lung$status == 2, lung$sex)
  median <- function(group) min(km$time[km$group == group & km$value <= 0.5])
  expect_equal(c(median("1"), median("2")), c(270, 426))
  year <- s$curve_at(km, c(0, 365.25, 5000))
  fit <- summary(survival::survfit(survival::Surv(time, status) ~ sex, lung, conf.type = "log-log"), times = 365.25)
  expect_equal(year$value[year$time == 365.25], fit$surv)
  expect_equal(year$lower[year$time == 365.25], fit$lower)
  expect_equal(year$value[year$time == 0], c(1, 1))
})

test_that("Cox regression of the lung data is as published", {
  expect_error(s$cox_model(survival::lung, "time", "died", c("age", "sex")), "data has no column died")
  lung <- transform(survival::lung, died = status == 2)
  ours <- s$cox_model(lung, "time", "died", c("age", "sex"))
  expect_equal(round(ours$estimate, 6), c(0.017045, -0.513219))
  expect_equal(round(ours$ratio, 4), c(1.0172, 0.5986))
  expect_equal(c(ours$patients[1], ours$events[1]), c(228, 165))
  sex <- s$cox_model(lung, "time", "died", "sex")
  expect_equal(round(c(sex$ratio, sex$lower, sex$upper), 4), c(0.5880, 0.4237, 0.8160))
  expect_error(s$cox_model(lung[lung$died == 0, ], "time", "died", "age"), "no patient with all characteristics has the event")
  lung$group <- ifelse(lung$died & seq_len(228) %% 3 == 0, "a", "b")
  lung$group[!lung$died][1:5] <- "c"
  expect_warning(s$cox_model(lung, "time", "died", "group"), "the data do not determine every effect")
})

test_that("cumulative incidence is Aalen and Johansen's, and all shares add up to one", {
  d <- survival::mgus2
  time <- ifelse(d$pstat == 0, d$futime, d$ptime)
  what <- ifelse(d$pstat == 1, "malignancy", ifelse(d$death == 1, "death", "none"))
  ours <- s$cumulative_incidence(time, what, d$sex)
  fit <- survival::survfit(survival::Surv(time, factor(what, c("none", "death", "malignancy"))) ~ sex, d)
  states <- summary(fit, times = c(60, 120, 240))
  read <- s$curve_at(ours, c(60, 120, 240))
  for (sex in c("F", "M")) for (kind in c("death", "malignancy")) {
    at <- states$strata == paste0("sex=", sex)
    mine <- read[read$group == sex & read$event == kind, ]
    expect_equal(mine$value, states$pstate[at, match(kind, fit$states)], info = paste(sex, kind))
    part <- ours[ours$group == sex & ours$event == kind, ]
    errors <- part$standard_error[findInterval(c(60, 120, 240), part$time)]
    expect_equal(errors, states$std.err[at, match(kind, fit$states)], tolerance = 0.01, info = paste(sex, kind))
  }
  any <- s$kaplan_meier(time, what != "none", d$sex)
  free <- s$curve_at(any, 120)$value
  ten_years <- s$curve_at(ours, 120)
  for (sex in c("F", "M")) expect_equal(sum(ten_years$value[ten_years$group == sex]), 1 - free[match(sex, unique(d$sex))])
})

test_that("95 % limits hold the truth about 95 times in 100", {
  set.seed(61)
  held <- replicate(600, {
    cause <- cbind(rexp(80, 0.5), rexp(80, 0.5), runif(80, 0.5, 3))
    time <- do.call(pmin, as.data.frame(cause))
    what <- c("ill", "dead", "none")[max.col(-cause)]
    km <- s$curve_at(s$kaplan_meier(time, what != "none"), 1)
    ci <- s$curve_at(s$cumulative_incidence(time, what), 1)
    ill <- ci[ci$event == "ill", ]
    c(km$lower < exp(-1) & exp(-1) < km$upper, ill$lower < (1 - exp(-1)) / 2 & (1 - exp(-1)) / 2 < ill$upper)
  })
  expect_true(all(rowMeans(held) > 0.925 & rowMeans(held) < 0.975), label = paste(rowMeans(held), collapse = " "))
})

test_that("events by person-time: expected adds up to observed, and a unit with three times the rate is found", {
  set.seed(62)
  n <- 3000
  old <- runif(n) < 0.4
  unit <- sample(letters[1:6], n, TRUE)
  to_event <- rexp(n, 0.02 * ifelse(old, 3, 1) * ifelse(unit == "d", 3, 1))
  time <- pmin(to_event, runif(n, 1, 5))
  event <- to_event <= time
  e <- s$person_time_expected(time, event, old)
  expect_equal(sum(e$expected), sum(event))
  expect_equal(e$rate[old][1], sum(event[old]) / sum(time[old]))
  ratio <- s$observed_expected(unit, event, e$expected, family = "poisson")
  expect_equal(ratio$group[ratio$lower > 1], "d")
  # as Poisson regression with time as offset
  model <- s$case_mix_model(data.frame(event = as.integer(event), old, log_time = log(time)), event ~ old + offset(log_time), "poisson")
  fitted <- s$expected_per_patient(data.frame(old, log_time = log(time)), model)$expected
  expect_equal(e$expected, fitted, tolerance = 1e-6)
})

test_that("missing times, no events, no patients and odd events are answered or refused", {
  expect_equal(s$kaplan_meier(c(1, 2, NA, 3), c(0, 0, 1, NA))$value, c(1, 1))
  expect_true(all(is.na(s$kaplan_meier(1:2, c(0, 0))$lower)))
  gone <- s$kaplan_meier(1:3, c(1, 1, 1))
  expect_equal(gone$value, c(2, 1, 0) / 3)
  expect_equal(s$curve_at(gone, 9)$value, 0) # everybody had it
  expect_true(is.na(s$curve_at(s$kaplan_meier(1:3, c(1, 1, 0)), 9)$value))
  expect_equal(nrow(s$kaplan_meier(numeric(), numeric())), 0)
  expect_equal(nrow(s$cumulative_incidence(1:2, c("none", "none"))), 0)
  expect_error(s$kaplan_meier(c(1, -2), c(0, 1)), "time must be zero or more and finite: see row 2")
  expect_error(s$cumulative_incidence(1:2, c(0, 1)), "event must be text or a factor, not numeric")
  expect_true(is.na(s$person_time_expected(c(0, 0), c(1, 1))$expected[1]))
})
