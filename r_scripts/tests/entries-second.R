# More entries of the property test (test-properties.R): arguments by kind, and what a right answer is.
used_patients <- function(a) {
  n <- rows_of(a$observed, a$expected)
  v <- data.frame(y = num(a$observed, n), p = num(a$expected, n))
  v[known(v$y, v$p), ]
}

# Patients with a time and an event: t, e, g.
followed <- function(a, read = function(x) as.double(x)) {
  n <- rows_of(a$time, a$event)
  v <- data.frame(t = num(a$time, n), e = read(a$event), g = if (is.null(a$group)) rep("", n) else as.character(a$group))
  v[!is.na(v$t) & !is.na(v$e), ]
}
shrunk_is_right <- function(r, a) {
  n <- rows_of(a[[1]], a[[2]])
  x <- num(a[[1]], n)
  d <- num(a[[2]], n)
  ok <- known(x, d) & d > 0
  expect_identical(is.na(r$value), !ok)
  if (!any(ok)) return()
  same(r$mean[1], sum(x[ok]) / sum(d[ok]), "mean")
  crude <- x[ok] / d[ok]
  between <- r$value[ok] >= pmin(crude, r$mean[ok]) - 1e-9 * (1 + abs(crude)) & r$value[ok] <= pmax(crude, r$mean[ok]) + 1e-9 * (1 + abs(crude))
  expect_true(all(between), label = "between the unit's own and the mean")
  expect_true(all(r$upper[ok] >= r$lower[ok]))
}
good$time_at_risk <- function(n) sample(c(0, 12.5, 61.5, 244.5, 977, NA), n, TRUE)
good$sure_chance <- function(n) sample(c(0.123, 0.456, 0.789), n, TRUE)
columns <- c(columns, "time_at_risk", "sure_chance")

entries <- c(entries, list(
  funnel_adjusted = list(list(observed = "part", expected = function(n) sample(c(3.21, 7.77, 31.5), n, TRUE),
                              variance = function(n) sample(c(0.77, 2.5), n, TRUE), patients = "whole_size",
                              multiplier = "multiplier"), function(a, r) {
    n <- rows_of(a$observed, a$expected)
    v <- lapply(a[1:4], num, n)
    ok <- known(v[[1]], v[[2]], v[[3]], v[[4]]) & v[[2]] > 0 & v[[3]] > 0
    target <- sum(v[[1]][ok]) / sum(v[[4]][ok])
    if (!any(ok) || target %in% 0:1) return(expect_true(all(r$significance == "no data")))
    same(r$z[ok], ((v[[1]] - v[[2]]) / sqrt(v[[3]]))[ok], "score")
    same(r$value[ok], (v[[1]] / v[[2]])[ok] * target * a$multiplier, "value")
    level <- (abs(r$z) > qnorm(0.975)) + (abs(r$z) > qnorm(0.999))
    clear <- ok & abs(abs(r$z) - qnorm(0.975)) > 1e-9 & abs(abs(r$z) - qnorm(0.999)) > 1e-9
    expect_equal(grepl("95 %|99.8 %", r$significance)[clear], (level > 0)[clear])
    expect_equal(grepl("99.8 %", r$significance)[clear], (level > 1)[clear])
  }),
  expected_of_patients = list(list(data = function(n) data.frame(y = good$outcome(40), x = stats::rnorm(40, 77, 8)), outcome = function(n) "y",
                                   characteristics = function(n) "x"), function(a, r) {
    y <- as.double(a$data[[a$outcome]])
    if (any(r$known)) same(sum(r$expected, na.rm = TRUE), sum(y[r$known]), "expected", 1e-4)
    expect_identical(is.na(r$expected), !r$known)
  }),
  g_chart_of_counts = list(list(events = "part", cases = "whole_size", reference = function(n) 0.0777, error = function(n) rep_len(c(0, 1.5, NA), n)), function(a, r) {
    n <- rows_of(a$events, a$cases)
    k <- num(a$events, n)
    d <- num(a$cases, n)
    same(r$value, ifelse(known(k, d) & k > 0, (d - k) / k, NA), "value")
    judged <- known(k, d) & d > 0 & !is.na(a$reference) & a$reference > 0 & a$reference < 1
    expect_equal(r$judgement == "no data", !judged)
    # beyond limits of chance alone is where more than 99.73 % of years do not lie; protection only widens them
    beyond <- judged & (stats::pbinom(k, d, a$reference) < 1e-6 | stats::pbinom(k - 1, d, a$reference, lower.tail = FALSE) < 1e-6)
    exact <- is.na(num(a$error, n)) | num(a$error, n) == 0
    expect_true(all(r$outside[which(beyond & exact)]))
    expect_false(any(r$outside[which(judged & abs(k - d * a$reference) < 1)]))
  }),
  protected_totals = list(list(atoms = function(n) data.frame(site = good$text(n), event = rep_len(c(0, 10, 25), n), event_variance = rep_len(c(20, 4), n),
                                                              time = rep_len(c(77, NA, 1.5), n)),
                               by = function(n) "site", counts = function(n) "event", amounts = function(n) "time"), function(a, r) {
    groups <- sort(unique(a$atoms[[a$by]]), method = "radix")
    expect_equal(as.character(r$group), as.character(groups))
    sums <- function(x) vapply(groups, function(g) sum(x[a$atoms[[a$by]] %in% g], na.rm = TRUE), 1, USE.NAMES = FALSE)
    for (count in a$counts) {
      same(r[[count]], sums(as.double(a$atoms[[count]])), "count")
      same(r[[paste0(count, "_error")]]^2, sums(as.double(a$atoms[[paste0(count, "_variance")]])), "variance")
    }
    for (amount in a$amounts) same(r[[amount]], sums(as.double(a$atoms[[amount]])), "amount")
  }),
  widened_by_protection = list(list(value = function(n) rep_len(c(3.21, 7.77, NA), n), lower = function(n) rep(1.5, n), upper = function(n) rep(31.5, n),
                                    error = function(n) rep_len(c(0, 0.77, NA, 12.5), n), confidence = "confidence"), function(a, r) {
    n <- rows_of(a$value, a$lower, a$upper, a$error)
    v <- lapply(a[c("value", "lower", "upper", "error")], num, n)
    moved <- (v$error > 0) %in% TRUE
    same(r$lower, ifelse(moved, pmax(0, v$value - sqrt((v$value - v$lower)^2 + (z_of(a) * v$error)^2)), v$lower), "lower")
    same(r$upper, ifelse(moved, v$value + sqrt((v$upper - v$value)^2 + (z_of(a) * v$error)^2), v$upper), "upper")
  }),
  too_uncertain = list(list(count = "count", error = function(n) rep_len(c(0, 0.77, NA, 31.5), n)), function(a, r) {
    n <- rows_of(a$count, a$error)
    expect_identical(r, (num(a$error, n) > 0.1 * num(a$count, n) & num(a$error, n) > 0) %in% TRUE)
  }),
  survival_plot = list(list(curve = function(n) everything$kaplan_meier(c(2, 4, 9), c(1, 0, 1), c("a", "b", "b")), title = function(n) "T",
                            time_label = function(n) "t", value_label = function(n) "v"), function(a, r) draws(r)),
  between_plot = list(list(data = function(n) data.frame(event = seq_len(n), value = good$part(n), centre = 9, lower = 0, upper = 60, highlight = "ordinary"),
                           title = function(n) "T", value_label = function(n) "v"), function(a, r) draws(r)),
  assurance_plot = list(list(data = function(n) data.frame(unit = good$text(n), variation = "concern", assurance = "consistently meets"),
                             title = function(n) "T"), function(a, r) draws(r)),
  running_plot = list(list(data = function(n) data.frame(value = good$score(n), lower = -2, upper = 2), title = function(n) "T", value_label = function(n) "v"),
                      function(a, r) draws(r)),
  model_checks = list(list(observed = "outcome", expected = "chance", confidence = "confidence"), function(a, r) {
    v <- used_patients(a)
    expect_equal(c(r$patients, r$observed), c(nrow(v), sum(v$y)))
    if (nrow(v)) same(r$brier, mean((v$y - v$p)^2), "Brier")
    if (!is.na(r$slope)) same(r$slope, stats::coef(suppressWarnings(stats::glm(v$y ~ stats::qlogis(v$p), stats::binomial())))[2], "slope", 1e-4)
    if (!is.na(r$in_the_large)) same(r$in_the_large, stats::coef(suppressWarnings(stats::glm(v$y ~ offset(stats::qlogis(v$p)), stats::binomial())))[1], "in the large", 1e-4)
  }),
  calibration_table = list(list(observed = "outcome", expected = "chance", confidence = "confidence"), function(a, r) {
    v <- used_patients(a)
    expect_equal(c(sum(r$patients), sum(r$observed)), c(nrow(v), sum(v$y)))
    same(sum(r$expected), sum(v$p), "expected")
    expect_true(all(r$upper > r$lower) && !is.unsorted(r$mean_expected))
  }),
  hosmer_lemeshow = list(list(observed = "outcome", expected = "chance", fitted_here = "flag"), function(a, r) {
    v <- used_patients(a)
    at <- split(seq_len(nrow(v)), v$p)
    if (length(at) == 3 && r$groups == 3) same(r$statistic, sum(vapply(at, function(i) (sum(v$y[i]) - sum(v$p[i]))^2 / sum(v$p[i] * (1 - v$p[i])), 0)), "chi-square")
    if (!is.na(r$statistic)) same(r$p_value, 1 - stats::pchisq(r$statistic, r$groups - 2 * a$fitted_here), "p")
  }),
  c_statistic_limits = list(list(observed = "outcome", expected = "number", confidence = "confidence"), function(a, r) {
    v <- used_patients(a)
    pairs <- outer(v$p[v$y == 1], v$p[v$y == 0], function(a, b) (a > b) + (a == b) / 2)
    if (!length(pairs)) return(expect_true(is.na(r$value)))
    same(r$value, mean(pairs), "c")
    if (!is.na(r$lower)) {
      same(r$standard_error, sqrt(stats::var(rowMeans(pairs)) / nrow(pairs) + stats::var(colMeans(pairs)) / ncol(pairs)), "error")
      expect_true(r$upper > r$lower)
    }
  }),
  calibration_plot = list(list(table = function(n) data.frame(mean_expected = seq_len(n) / 100, value = 0.1, lower = 0.05, upper = 0.2),
                               title = function(n) "T"), function(a, r) draws(r)),
  c_chart = list(list(count = "count", period = "period", phase = "phase"), function(a, r) {
    x <- num(a$count, length(a$count))
    same(r$value, x, "count")
    if (all(is.na(x))) return()
    centre <- mean(x, na.rm = TRUE)
    same(r$upper[!is.na(x)], rep(centre + 3 * sqrt(centre), sum(!is.na(x))), "upper limit")
    expect_equal(r$outside, (x > r$upper | x < r$lower) %in% TRUE)
  }),
  assurance = list(list(chart = function(n) {
    value <- good$value(n)
    data.frame(value = value, lower = 800, upper = 1100, judgement = "usual variation")
  }, target = function(n) pick(list(700, 977, 1200)), direction = function(n) "higher is better"), function(a, r) {
    v <- num(a$chart$value, nrow(a$chart))
    last <- utils::tail(which(!is.na(v)), 1)
    if (!length(last)) return(expect_equal(r$assurance, "no data"))
    low <- num(a$chart$lower, length(v))[last]
    high <- num(a$chart$upper, length(v))[last]
    same(r$value, v[last], "last value")
    if (!is.na(low) && !is.na(high)) {
      expect_equal(r$assurance, if (a$target < low) "consistently meets" else if (a$target > high) "consistently fails" else "hit and miss")
    }
  }),
  time_between = list(list(date = "date", from = function(n) pick(list(NULL, "2023-01-01"))), function(a, r) {
    day <- sort(as.double(as.Date(a$date)))
    expect_equal(as.double(r$date), day)
    same(r$days, c(if (!length(a$from) || is.na(a$from[1])) NA else day[1] - as.double(as.Date(a$from)), diff(day))[seq_along(day)], "days")
  }),
  t_chart = list(list(between = function(n) sample(c(0, 3.5, 12, 61, 244), n, TRUE), phase = "phase", screen = "flag"), function(a, r) {
    v <- num(a$between, length(a$between))
    same(r$value, v, "value")
    y <- v^(1 / 3.6)
    if (!all(is.na(r$centre))) same(r$centre[1], mean(y, na.rm = TRUE)^3.6, "centre")
    ranges <- abs(diff(y))
    ranges <- ranges[!is.na(ranges)]
    if (a$screen && length(ranges) && mean(ranges) > 0) ranges <- ranges[ranges < 3.267 * mean(ranges)]
    if (!is.na(r$upper[1]) && r$upper[1] > r$lower[1]) same(r$upper[1], (mean(y, na.rm = TRUE) + 2.66 * mean(ranges))^3.6, "upper limit")
  }),
  g_chart = list(list(cases = "part", phase = "phase"), function(a, r) {
    v <- num(a$cases, length(a$cases))
    if (sum(!is.na(v)) < 12) return(expect_true(all(is.na(r$upper))))
    g <- mean(v, na.rm = TRUE)
    if (g == 0) return(expect_true(all(is.na(r$upper))))
    same(r$mean[1], g, "mean")
    tail <- function(k) exp((k + 1) * log1p(-1 / (g + 1)))
    if (g < 1e6) expect_true(tail(r$upper[1]) <= pnorm(-3) * (1 + 1e-9) && tail(r$upper[1] - 1) > pnorm(-3) * (1 - 1e-9))
    expect_equal(r$outside, (v > r$upper | v < r$lower) %in% TRUE)
  }),
  xbar_s_chart = list(list(values = "value", subgroup = "group"), function(a, r) {
    v <- num(a$values, length(a$values))
    parts <- by_group(a$subgroup, function(rows) v[rows][!is.na(v[rows])])
    expect_equal(r$subgroup, names(parts))
    n <- vapply(parts, length, 0L)
    expect_equal(r$n, unname(n), ignore_attr = TRUE)
    same(r$value, vapply(parts, function(x) if (length(x)) mean(x) else NA_real_, 0), "mean")
    if (!all(is.na(r$upper))) {
      sigma <- mean(unlist(lapply(parts[n > 1], function(x) sd(x) / (sqrt(2 / (length(x) - 1)) * exp(lgamma(length(x) / 2) - lgamma((length(x) - 1) / 2))))))
      ok <- n > 0
      same(r$upper[ok], (sum(unlist(parts)) / sum(n) + 3 * sigma / sqrt(n))[ok], "upper limit")
    }
  }),
  mr_chart = list(list(value = "value", period = "period"), function(a, r) {
    v <- num(a$value, length(a$value))
    same(r$value, c(NA, abs(diff(v)))[seq_along(v)], "range")
    if (!all(is.na(r$upper))) same(r$upper[1], 3.267 * mean(r$value, na.rm = TRUE), "upper limit")
  }),
  shrunken_proportion = list(list(numerator = "part", denominator = "whole_size", confidence = "confidence"), function(a, r) shrunk_is_right(r, a)),
  shrunken_ratio = list(list(observed = "count", expected = "expected", confidence = "confidence"), function(a, r) shrunk_is_right(r, a)),
  reliability = list(list(numerator = "part", denominator = "whole_size", kind = function(n) pick(list("proportion", "rate", "ratio_sqrt"))), function(a, r) {
    expect_true(all(is.na(r$reliability) | (r$reliability >= 0 & r$reliability <= 1)))
    n <- num(a$denominator, nrow(r))
    if (is.character(a$kind)) same(r$s[!is.na(r$s)], (1 / (2 * sqrt(n)))[!is.na(r$s)], "standard error")
    if (sum(!is.na(r$s)) >= 2) same(r$rankability[1], r$tau2[1] / (r$tau2[1] + stats::median(r$s, na.rm = TRUE)^2), "rankability")
  }),
  false_discovery = list(list(z = "score", rate = "share"), function(a, r) {
    z <- num(a$z, length(a$z))
    p <- sort(2 * stats::pnorm(-abs(z)))
    m <- length(p)
    k <- max(0, which(p <= a$rate * seq_len(m) / m))
    expect_equal(sum(r$discovery, na.rm = TRUE), k)
    expect_identical(is.na(r$discovery), is.na(z))
  }),
  kaplan_meier = list(list(time = "time_at_risk", event = "outcome", group = "maybe_group", confidence = "confidence"), function(a, r) {
    v <- followed(a)
    for (g in unique(v$g)) {
      part <- v[v$g == g, ]
      ours <- if (is.null(a$group)) r else r[r$group == g, ]
      # the product over events, by hand
      s <- vapply(ours$time, function(t) {
        at <- unique(part$t[part$t <= t & part$e == 1])
        prod(vapply(at, function(u) 1 - sum(part$t == u & part$e == 1) / sum(part$t >= u), 0))
      }, 0)
      same(ours$value, s, "survival")
      same(ours$at_risk, vapply(ours$time, function(t) sum(part$t >= t), 0), "at risk")
    }
    inside <- !is.na(r$lower)
    expect_true(all(r$lower[inside] < r$value[inside] & r$upper[inside] > r$value[inside]))
  }),
  cumulative_incidence = list(list(time = "time_at_risk", event = function(n) sample(c("none", "ill", "dead", NA), n, TRUE), group = "maybe_group"), function(a, r) {
    v <- followed(a, function(x) as.character(x))
    free <- everything$kaplan_meier(v$t, v$e != "none", v$g)
    for (g in unique(v$g)) {
      ours <- if (is.null(a$group)) r else r[r$group == g, ]
      last <- vapply(split(ours$value, ours$event), max, 0)
      if (nrow(ours)) same(sum(last), 1 - min(free$value[free$group == g]), "all shares")
    }
    expect_true(all(r$value >= 0 & r$value <= 1 + 1e-12))
  }),
  curve_at = list(list(curve = function(n) everything$kaplan_meier(c(2, 4, 9), c(1, 0, 1)), times = function(n) c(0, 2, 5, 20)), function(a, r) {
    if (is.data.frame(a$curve) && nrow(a$curve) && !"group" %in% names(a$curve)) expect_equal(r$time, as.double(a$times))
  }),
  cox_model = list(list(data = function(n) {
    d <- data.frame(time = stats::rexp(40), event = rep(c(1, 1, 0), length.out = 40), x = stats::rnorm(40, 77, 8))
    d
  }, time = function(n) "time", event = function(n) "event", characteristics = function(n) "x", confidence = "confidence"), function(a, r) {
    d <- a$data
    fit <- suppressWarnings(survival::coxph(survival::Surv(as.double(d$time), as.double(d$event)) ~ d$x))
    if (length(stats::coef(fit)) == nrow(r)) same(r$estimate, stats::coef(fit), "log hazard ratio", 1e-4)
  }),
  person_time_expected = list(list(time = "time_at_risk", event = "outcome", stratum = "maybe_group"), function(a, r) {
    v <- followed(list(time = a$time, event = a$event, group = a$stratum))
    at_risk <- if (nrow(v)) stats::ave(v$t, v$g, FUN = sum) > 0 else logical()
    same(sum(r$expected, na.rm = TRUE), sum(v$e[at_risk]), "events")
  }),
  risk_adjusted_cusum = list(list(outcome = "outcome", chance = "chance", group = "maybe_group"), function(a, r) {
    n <- rows_of(a$outcome, a$chance)
    y <- num(a$outcome, n)
    p <- num(a$chance, n)
    w <- y * log(2) - log(1 - p + 2 * p)
    g <- if (is.null(a$group)) rep("", n) else as.character(a$group)
    for (i in unique(g)) {
      s <- 0
      for (k in which(g == i)) {
        s <- max(0, s + if (is.na(w[k])) 0 else w[k])
        same(r$cusum[k], s, "sum")
        expect_equal(r$signal[k], s >= 4.5)
        if (s >= 4.5) s <- 0
      }
    }
  }),
  vlad = list(list(outcome = "outcome", chance = "chance", confidence = "confidence"), function(a, r) {
    n <- rows_of(a$outcome, a$chance)
    gain <- num(a$chance, n) - num(a$outcome, n)
    gain[is.na(gain)] <- 0
    same(r$vlad, cumsum(gain), "sum")
  }),
  cusum_run_length = list(list(chance = "sure_chance", odds_ratio = function(n) 2, threshold = function(n) 1.2, states = function(n) 20), function(a, r) {
    expect_true(is.na(r$run_length) || r$run_length >= 1)
  }),
  cusum_threshold = list(list(chance = "sure_chance", run_length = function(n) 200, odds_ratio = function(n) 2, states = function(n) 20), function(a, r) {
    expect_true(r$threshold > 0 && r$threshold <= 30)
    if (!is.na(r$run_length) && r$threshold < 29) expect_true(r$run_length >= 0.9 * a$run_length || r$threshold < 0.02)
  }),
  ewma = list(list(value = "value", lambda = function(n) pick(list(0.1, 0.2))), function(a, r) {
    v <- num(a$value, length(a$value))
    e <- mean(v, na.rm = TRUE)
    for (i in seq_along(v)) {
      if (!is.na(v[i])) e <- a$lambda * v[i] + (1 - a$lambda) * e
      if (!is.nan(e)) same(r$ewma[i], e, "average")
    }
  }),
  ewma_run_length = list(list(lambda = function(n) 0.2, width = function(n) 2.962, shift = function(n) 0.5), function(a, r) expect_true(is.na(r$run_length) || r$run_length >= 1)),
  directly_standardised_rate_repeats = list(list(stratum = function(n) rep(seq_len(ceiling(n / 2)), each = 2)[seq_len(n)], people = "part",
                                                 events = function(n) rep(1:2, length.out = n), population = function(n) rep(977, n),
                                                 standard_population = function(n) rep(350, n), confidence = "confidence"), function(a, r) {
    x <- as.double(a$people) * as.double(a$events)
    same(r$total_count, sum(x), "events")
    if (!is.na(r$value)) {
      w <- as.double(a$standard_population)
      strata <- !duplicated(as.character(a$stratum))
      used <- w > 0
      same(r$value, sum((w * x / as.double(a$population))[used]) / sum(w[strata & used]) * 1e5, "rate")
      expect_true(r$upper > r$lower)
    }
  }),
  slope_index = list(list(value = "value", population = "whole_size", standard_error = function(n) rep(12.5, n), confidence = "confidence"), function(a, r) {
    n <- rows_of(a$value, a$population)
    v <- num(a$value, n)
    w <- num(a$population, n)
    e <- if (is.null(a$standard_error)) rep(0, n) else num(a$standard_error, n)
    ok <- known(v, w, e) & w > 0
    v <- v[ok]
    w <- w[ok]
    if (is.na(r$slope) || max(w) > 1e5 * sum(w) / length(w) / 10) return(expect_equal(r$groups, sum(ok)))
    place <- (cumsum(w) - w / 2) / sum(w)
    if (max(abs(v)) < 1e12) same(r$slope, stats::coef(stats::lm(v ~ place, weights = w))[2], "slope", 1e-5 * max(1, max(abs(v)) / max(1e-9, abs(r$slope))))
  }),
  life_expectancy = list(list(deaths = function(n) sample(1:30, n, TRUE), population = function(n) sample(2000:9000, n, TRUE),
                              age_start = function(n) c(0, 1, seq(5, 200, 5))[seq_len(n)], confidence = "confidence"), function(a, r) {
    n <- nrow(r)
    if (n == 1 && !is.na(r$value)) same(r$value, as.double(a$population) / as.double(a$deaths), "expectancy")
    if (n && !is.na(r$value[n])) same(r$value[n], num(a$population, n)[n] / num(a$deaths, n)[n], "expectancy of the last band")
    expect_true(all(is.na(r$value) | r$lower < r$value))
  }),
  quantile_limits = list(list(values = "value", group = "maybe_group", shares = function(n) 0.5, confidence = "confidence"), function(a, r) {
    v <- num(a$values, length(a$values))
    groups_are_right(a$group, r, function(rows) {
      part <- v[rows][!is.na(v[rows])]
      c(length(part), if (length(part)) stats::quantile(part, a$shares[1]) else NA)
    }, c("n", "value"))
  }),
  trend_test = list(list(numerator = "part", denominator = "whole_size", kind = function(n) "proportion"), function(a, r) {
    n <- rows_of(a$numerator, a$denominator)
    x <- utils::tail(num(a$numerator, n), 5)
    d <- utils::tail(num(a$denominator, n), 5)
    if (n < 5 || anyNA(c(x, d)) || any(d == 0)) return(expect_equal(r$trend, "too few points to judge"))
    if (sum(x) > 0 && sum(x) < sum(d)) same(r$statistic, suppressWarnings(stats::prop.trend.test(x, d))$statistic, "chi-square", 1e-4)
  }),
  newcombe_difference = list(list(numerator1 = "part", denominator1 = "whole_size", numerator2 = "part", denominator2 = "whole_size", confidence = "confidence"), function(a, r) {
    n <- length(a$numerator1)
    v <- lapply(a[1:4], num, n)
    ok <- known(v[[1]], v[[2]], v[[3]], v[[4]]) & v[[2]] > 0 & v[[4]] > 0
    same(r$value[ok], (v[[1]] / v[[2]] - v[[3]] / v[[4]])[ok], "difference")
    for (i in which(ok)) {
      one <- wilson_test(v[[1]][i], v[[2]][i], a$confidence)
      two <- wilson_test(v[[3]][i], v[[4]][i], a$confidence)
      same(r$lower[i], r$value[i] - sqrt((v[[1]][i] / v[[2]][i] - one[1])^2 + (two[2] - v[[3]][i] / v[[4]][i])^2), "lower", 1e-4)
    }
    expect_true(all(is.na(r$value[!ok])))
  }),
  rate_ratio = list(list(numerator1 = "count", denominator1 = "size", numerator2 = "count", denominator2 = "size", confidence = "confidence"), function(a, r) {
    n <- length(a$numerator1)
    v <- lapply(a[1:4], num, n)
    for (i in seq_len(n)) {
      x <- vapply(v, `[`, 0, i)
      if (anyNA(x) || x[2] == 0 || x[4] == 0 || x[1] + x[3] == 0 || any(x[c(1, 3)] != round(x[c(1, 3)])) || max(x) > 1e9) next
      t <- stats::poisson.test(x[c(1, 3)], x[c(2, 4)], conf.level = a$confidence)
      if (is.finite(t$estimate)) same(r$value[i], t$estimate, "ratio")
      same(r$lower[i], t$conf.int[1], "lower limit", 1e-4)
    }
  }),
  achievable_benchmark = list(list(numerator = "part", denominator = "whole_size"), function(a, r) {
    n <- rows_of(a$numerator, a$denominator)
    d <- num(a$denominator, n)
    if (!any(r$in_benchmark)) return(expect_true(all(is.na(r$value))))
    same(r$benchmark[1], sum(r$numerator[r$in_benchmark]) / sum(r$denominator[r$in_benchmark]), "benchmark")
    expect_true(sum(r$denominator[r$in_benchmark]) >= 0.1 * sum(r$denominator[!is.na(r$value)]) * (1 - 1e-9))
    expect_true(min(r$adjusted[r$in_benchmark]) >= max(-1, r$adjusted[!r$in_benchmark], na.rm = TRUE))
  }),
  composite_outcome = list(list(data = function(n) data.frame(a = good$outcome(n), b = good$outcome(n)), items = function(n) "a"), function(a, r) {
    x <- vapply(a$data[a$items], function(column) as.double(column), numeric(nrow(a$data)))
    x <- matrix(x, nrow = nrow(a$data))
    same(r$value, apply(x, 1, function(row) if (any(row %in% 0)) 0 else if (anyNA(row)) NA_real_ else 1), "all or none")
  }),
  pool_imputations = list(list(estimate = "number", standard_error = "error", group = "maybe_group"), function(a, r) {
    v <- num(a$estimate, length(a$estimate))
    e <- num(a$standard_error, length(v))
    groups_are_right(a$group, r, function(rows) {
      m <- length(v[rows])
      total <- mean(e[rows]^2) + (1 + 1 / m) * if (m > 1) stats::var(v[rows]) else NA
      c(m, if (m > 1 && !is.na(total)) mean(v[rows]) else NA, if (m > 1) sqrt(total) else NA)
    }, c("imputations", "value", "standard_error"))
  }),
  funnel_mean = list(list(value = "value", standard_deviation = "error", n = "whole_size"), function(a, r) {
    ok <- r$significance != "no data"
    same(r$value[ok], num(a$value, nrow(r))[ok], "mean")
    expect_true(all(is.finite(r$z[ok])) && all(r$upper_95[ok] > r$lower_95[ok]))
    clear <- ok & abs(abs(r$z) - qnorm(0.975)) > 1e-9
    expect_equal((r$significance != "not different")[clear], (abs(r$z) > qnorm(0.975))[clear])
  }),
  funnel_mean_curve = list(list(units = function(n) everything$funnel_mean(good$value(n), good$error(n), good$whole_size(n)), points = function(n) 5),
                           function(a, r) expect_true(all(r$upper_998 >= r$lower_998)))
))
