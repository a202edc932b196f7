# Every statistic, given columns and settings of every kind: an answer that an independent formula confirms, or an error in
# words that names no value. Functions are found in the library; a new one without an entry here fails the first test.

everything <- new.env()
exported <- character()
local({
  used <- paste(unlist(lapply(list.files(file.path(r_scripts, "indicators"), full.names = TRUE), readLines)), collapse = "\n")
  for (file in setdiff(list.files(file.path(r_scripts, "lib")), "checks.R")) {
    part <- load_script("lib", file)
    for (name in ls(part)) assign(name, part[[name]], everything)
    lines <- readLines(file.path(r_scripts, "lib", file), encoding = "UTF-8")
    for (at in grep("^[a-z_0-9]+ <- function\\(", lines)) {
      name <- sub(" <- .*", "", lines[at])
      docs <- rev(lines[seq_len(at - 1)])
      docs <- docs[cumall(grepl("^#'", docs))]
      if (any(grepl("@return", docs)) || grepl(paste0("\\b", name, "\\("), used)) exported <<- c(exported, name)
    }
  }
})

strata <- list(count = "count", population = "whole_size", group = "maybe_group")
reference <- c(strata[1:2], list(reference_count = "part", reference_population = "whole_size"), strata[3])

# Per function: the kinds of its arguments (or a constant, as a function of n), and what a right answer is.
entries <- list(
  wilson = list(list(numerator = "part", denominator = "whole_size", confidence = "confidence", multiplier = "multiplier"),
                proportion_is_right(wilson_test)),
  clopper_pearson = list(list(numerator = "part", denominator = "whole_size", confidence = "confidence", multiplier = "multiplier"),
                         proportion_is_right(clopper_test)),
  poisson_exact = list(list(numerator = "count", denominator = "size", confidence = "confidence", multiplier = "multiplier"), rate_is_right),
  byar = list(list(numerator = "count", denominator = "size", confidence = "confidence", multiplier = "multiplier"), rate_is_right),
  rate = list(list(numerator = "count", denominator = "size", confidence = "confidence", multiplier = "multiplier"), rate_is_right),
  standardised_ratio = list(list(observed = "count", expected = "expected", confidence = "confidence", multiplier = "multiplier"), rate_is_right),
  mean_student = list(list(values = "value", group = "maybe_group", confidence = "confidence"), function(a, r) {
    x <- num(a$values, length(a$values))
    groups_are_right(a$group, r, function(rows) {
      part <- x[rows][!is.na(x[rows])]
      if (!length(part)) return(c(0, NA, NA, NA))
      spread <- if (length(part) > 1) stats::sd(part) else NA
      c(length(part), mean(part), spread, mean(part) - stats::qt(1 - (1 - a$confidence) / 2, max(1, length(part) - 1)) * spread / sqrt(length(part)))
    }, c("n", "value", "standard_deviation", "lower"), alphabetical = TRUE)
  }),
  directly_standardised_rate = list(c(strata[1:2], list(standard_population = "whole_size"), strata[3],
                                      list(confidence = "confidence", multiplier = "multiplier")), function(a, r) {
    groups_are_right(a$group, r, dsr_part(a), c("total_count", "value", "lower"))
  }),
  expected_events = list(reference, function(a, r) groups_are_right(a$group, r, expected_part(a), c("observed", "expected"))),
  indirectly_standardised_rate = list(c(reference, list(confidence = "confidence", multiplier = "multiplier")), function(a, r) {
    groups_are_right(a$group, r, expected_part(a), c("observed", "expected"))
    same(r$value, ifelse(r$expected > 0, r$observed / r$expected * r$reference_rate, NA), "rate")
    expect_identical(is.na(r$upper), is.na(r$value))
  }),
  observed_expected = list(list(group = "group", observed = "outcome", expected = "chance", confidence = "confidence"), function(a, r) {
    o <- num(a$observed, length(a$observed))
    e <- num(a$expected, length(a$expected))
    groups_are_right(a$group, r, function(rows) {
      used <- rows[known(o[rows], e[rows])]
      v <- sum(e[used] * (1 - e[used]))
      ratio <- if (sum(e[used]) > 0) sum(o[used]) / sum(e[used]) else NA
      c(length(used), sum(o[used]), sum(e[used]), v, ratio)
    }, c("patients", "observed", "expected", "variance", "value"))
    z <- (r$observed - r$expected) / sqrt(r$variance)
    judged <- r$variance > 0
    expect_equal((r$lower > 1)[judged], (z > z_of(a))[judged])
    expect_equal((r$upper < 1)[judged], (z < -z_of(a))[judged])
    expect_true(all(is.na(r$lower) | (r$lower <= r$value & r$value <= r$upper & r$lower < r$upper)))
    expect_false(anyNA(r$lower[judged]))
  }),
  binomial_ratio = list(list(observed = "part", expected = function(n) rep(7.77, n), variance = function(n) rep(5.5, n),
                             patients = function(n) rep(200, n), confidence = "confidence"), function(a, r) {
    o <- num(a$observed, nrow(r))
    e <- num(a$expected, nrow(r))
    same(r$value, ifelse(e > 0, o / e, NA), "ratio")
    z <- (o - e) / sqrt(num(a$variance, nrow(r)))
    judged <- !is.na(r$lower)
    expect_equal((r$lower > 1)[judged], (z > z_of(a))[judged])
  }),
  c_statistic = list(list(observed = "outcome", expected = "chance"), function(a, r) {
    used <- known(a$observed, a$expected)
    with <- a$expected[used & num(a$observed, length(used)) %in% 1]
    without <- a$expected[used & num(a$observed, length(used)) %in% 0]
    pairs <- outer(as.double(with), as.double(without), function(a, b) (a > b) + (a == b) / 2)
    same(r, if (length(pairs)) mean(pairs) else NA, "area")
  }),
  case_mix_model = list(list(data = function(n) patients_of(60 + 8 * n), formula = function(n) y ~ x), function(a, r) {
    d <- a$data[stats::complete.cases(a$data[c("y", "x")]), ]
    reference <- suppressWarnings(stats::glm(y ~ x, stats::binomial(), d))
    if (!any(is.na(stats::coef(reference))) && max(abs(stats::coef(reference))) < 12) {
      same(r$coefficients, stats::coef(reference), "coefficients", 1e-5)
    }
  }),
  expected_per_patient = list(list(data = function(n) patients_of(n), model = function(n) a_model), function(a, r) {
    same(r$expected, stats::predict(a_glm, data.frame(x = as.double(a$data$x)), type = "response"), "chances")
  }),
  case_mix_coefficients = list(list(model = function(n) a_model, confidence = "confidence"), function(a, r) {
    table <- summary(a_glm)$coefficients
    same(r$estimate, table[, 1], "coefficients", 1e-5)
    same(r$upper, exp(table[, 1] + z_of(a) * table[, 2]), "upper limit", 1e-4)
  }),
  funnel_proportion = list(list(numerator = "part", denominator = "whole_size", target = "maybe_share"), funnel_is_right(TRUE)),
  funnel_ratio = list(list(observed = "count", expected = "expected", target = function(n) 1), funnel_is_right(TRUE)),
  funnel_rate = list(list(numerator = "count", denominator = "size", target = function(n) NULL, multiplier = "multiplier"), funnel_is_right(TRUE)),
  funnel_overdispersed = list(list(numerator = "part", denominator = "whole_size", kind = function(n) pick(list("proportion", "ratio_log", "ratio_sqrt", "rate")),
                                   target = function(n) NULL, multiplier = "multiplier"), funnel_is_right(FALSE)),
  funnel_curve = list(list(units = function(n) everything$funnel_ratio(good$count(n), good$expected(n)), points = function(n) 20), function(a, r) {
    expect_true(all(r$upper_998 > r$upper_95 & r$lower_998 <= r$lower_95))
    same(stats::pgamma(r$size, r$upper_95 * r$size), rep(0.025, nrow(r)), "tail", 1e-4)
  }),
  funnel_significance = list(list(value = "value", lower_95 = function(n) rep(900, n), upper_95 = function(n) rep(1000, n),
                                  lower_998 = function(n) rep(800, n), upper_998 = function(n) rep(1100, n)), function(a, r) {
    expect_identical(r == "not different", (a$value >= a$lower_95 & a$value <= a$upper_95 & a$value >= a$lower_998 & a$value <= a$upper_998) %in% TRUE)
  }),
  standard_scores = list(list(numerator = "part", denominator = "whole_size", kind = function(n) "proportion", target = "maybe_share"), function(a, r) {
    ok <- !is.na(r$value)
    target <- if (is.null(a$target)) sum(r$numerator[ok]) / sum(r$denominator[ok]) else a$target
    same(r$z[ok], 2 * sqrt(r$denominator[ok]) * (asin(sqrt(r$value[ok])) - asin(sqrt(target))), "scores")
  }),
  overdispersion = list(list(z = "score", s = "error", trim = function(n) 0.1, trim_method = function(n) "winsorise"), function(a, r) {
    z <- num(a$z, length(a$z))
    s <- num(a$s, length(a$s))
    used <- known(z, s)
    if (!any(used)) return(expect_true(all(is.na(r$phi))))
    ends <- stats::quantile(z[used], c(a$trim, 1 - a$trim))
    same(r$phi[1], mean(pmin(pmax(z[used], ends[1]), ends[2])^2), "phi")
    expect_true(all(r$tau2 >= 0 & r$phi_chance > 0.3 & r$phi_chance <= 1))
  }),
  overdispersed_limits = list(list(target = function(n) 0.3, s = "error", tau2 = function(n) 0.01, scale = function(n) "sqrt", confidence = "confidence"), function(a, r) {
    half <- z_of(a) * sqrt(num(a$s, nrow(r))^2 + a$tau2)
    same(r$upper, (sqrt(a$target) + half)^2, "upper limit")
    same(r$lower, pmax(sqrt(a$target) - half, 0)^2, "lower limit")
  }),
  alert_alarm = list(list(z = "score", direction = function(n) "neutral"), function(a, r) {
    size <- abs(num(a$z, nrow(r)))
    expect_equal(r$level, ifelse(is.na(size), "no data", ifelse(size > qnorm(0.999), "alarm", ifelse(size > qnorm(0.975), "alert", "ordinary"))))
  }),
  minimum_volume = list(list(data = function(n) data.frame(n = good$count(n), value = good$value(n)), volume = function(n) "n",
                             minimum = function(n) 10, derived = function(n) "value"), function(a, r) {
    expect_equal(r$enough, (num(a$data$n, nrow(r)) >= a$minimum) %in% TRUE)
    expect_true(all(is.na(r$value[!r$enough])))
  }),
  xmr = list(list(value = "value", direction = function(n) "neutral", screen = "flag", period = "period", phase = "phase"), function(a, r) {
    v <- num(a$value, length(a$value))
    if (all(is.na(v))) return(expect_true(all(r$judgement == "no data")))
    same(r$centre[1], mean(v, na.rm = TRUE), "centre")
    ranges <- abs(diff(v))
    ranges <- ranges[!is.na(ranges)]
    if (a$screen && length(ranges) && mean(ranges) > 0) ranges <- ranges[ranges < 3.267 * mean(ranges)]
    if (sum(!is.na(v)) < 12 || !length(ranges)) {
      expect_true(all(r$judgement %in% c("too few points to judge", "no data")) && all(is.na(r$lower)))
    } else if (is.na(r$lower[1])) {
      expect_true(mean(ranges) < 1e-9 * max(abs(v), na.rm = TRUE) && all(r$judgement %in% c("too little variation to judge", "no data")))
    } else {
      same(r$upper[1], mean(v, na.rm = TRUE) + 2.66 * mean(ranges), "upper limit")
      expect_true(r$upper[1] > r$lower[1] || max(v, na.rm = TRUE) - min(v, na.rm = TRUE) <= 1e-9 * max(abs(v), na.rm = TRUE))
    }
  }),
  p_chart = list(list(numerator = "part", denominator = "whole_size", period = "period"), chart_is_right),
  u_chart = list(list(numerator = "count", denominator = "size", multiplier = "multiplier", period = "period"), chart_is_right),
  laney_p = list(list(numerator = "part", denominator = "whole_size", period = "period", screen = "flag"), chart_is_right),
  run_chart = list(list(value = "value", period = "period"), function(a, r) {
    v <- num(a$value, length(a$value))
    side <- sign(v - stats::median(v, na.rm = TRUE))
    side <- side[!is.na(side) & side != 0]
    expect_equal(r$useful, rep(length(side), length(v)))
    if (length(v) && length(side)) expect_equal(r$crossings[1], sum(side[-1] != side[-length(side)]))
    expect_equal(all(r$signal == "too few points"), length(side) < 10)
  }),
  run_chart_limits = list(list(useful = function(n) sample(5:40, n, TRUE)), function(a, r) {
    n <- num(a$useful, nrow(r))
    n[which(n < 10)] <- NA
    same(r$longest_run_max, round(log2(n) + 3), "longest run")
    same(r$crossings_min, stats::qbinom(0.05, n - 1, 0.5), "crossings")
  }),
  iso_week = list(list(date = "date"), function(a, r) expect_equal(r$week, format(as.Date(a$date), "%G-W%V"))),
  period_start = list(list(date = "date", by = function(n) "month"), function(a, r) expect_equal(r, as.Date(format(as.Date(a$date), "%Y-%m-01")))),
  all_periods = list(list(starts = function(n) as.Date("2024-01-01") + 7 * sort(sample(0:50, n)), by = function(n) "week"), function(a, r) {
    expect_true(all(a$starts %in% r) && all(diff(as.double(r)) == 7))
  }),
  period_totals = list(list(data = function(n) data.frame(day = good$date(n), n = good$part(n), site = "Jansen"), period = function(n) "day",
                            sums = function(n) "n", by = function(n) "month", group = function(n) "site"), function(a, r) {
    same(sum(r$n, na.rm = TRUE), if (anyNA(a$data$n)) sum(r$n, na.rm = TRUE) else sum(a$data$n), "total")
    expect_false(any(duplicated(r[c("day", "site")])))
  }),
  complete_periods = list(list(data = function(n) data.frame(period = as.Date("2024-01-15") + 31 * sample(n)), period = function(n) "period", by = function(n) "month"),
                          function(a, r) expect_true(all(diff(as.double(r$period)) %in% 28:31))),
  within_period = list(list(data = function(n) data.frame(day = good$date(n)), column = function(n) "day", from = function(n) "2024-01-01", until = function(n) NULL),
                       function(a, r) expect_true(all(as.Date(r$day) >= as.Date("2024-01-01")))),
  phase_since = list(list(starts = "date", since = function(n) as.Date("2024-03-01") + c(90, 0, 0)), function(a, r) {
    expect_equal(r, vapply(as.Date(a$starts), function(day) 1L + sum(day >= as.Date(a$since)), 1L))
  }),
  period_text = list(list(days = "date"), function(a, r) expect_match(r, "^no dates$|^\\d\\d-\\d\\d-\\d{4} to \\d\\d-\\d\\d-\\d{4}$")),
  highlight_of = list(list(label = "text", worse = function(n) "Jansen-1"), function(a, r) expect_equal(r == "worse", as.character(a$label) %in% "Jansen-1")),
  empty_plot = list(list(title = function(n) "Title"), function(a, r) expect_s3_class(r, "ggplot")),
  overdispersion_caption = list(list(phi = function(n) 2, tau2 = function(n) 0.1, phi_chance = function(n) 0.7),
                                function(a, r) if (!is.null(r)) expect_match(r, "vary")),
  ranking_plot = list(list(data = function(n) data.frame(unit = good$text(n), value = good$value(n), lower = 100, upper = 1500),
                           title = function(n) "T", value_label = function(n) "v"), function(a, r) draws(r)),
  funnel_plot = list(list(data = function(n) data.frame(unit = good$text(n), size = good$whole_size(n), value = 0.1, highlight = "ordinary"),
                          curve = function(n) everything$funnel_curve(everything$funnel_proportion(c(20, 900), c(200, 9000)), points = 10),
                          target = function(n) 0.1, title = function(n) "T", size_label = function(n) "s", value_label = function(n) "v",
                          target_label = function(n) "all"), function(a, r) draws(r)),
  control_chart_plot = list(list(data = function(n) data.frame(period = as.Date("2024-01-01") + seq_len(n), value = good$value(n), centre = 977,
                                                               lower = 800, upper = 1100, highlight = "ordinary"),
                                 title = function(n) "T", value_label = function(n) "v"), function(a, r) draws(r))
)

source("entries-second.R", local = TRUE)

patients_of <- function(n) data.frame(y = stats::rbinom(n, 1, 0.4), x = stats::rnorm(n, 77, 8))
set.seed(1)
fitted_on <- patients_of(200)
a_model <- everything$case_mix_model(fitted_on, y ~ x)
a_glm <- stats::glm(y ~ x, stats::binomial(), fitted_on)
plots <- c(grep("_plot$", names(entries), value = TRUE))

argument <- function(kind, n) {
  if (is.function(kind)) return(kind(n))
  if (kind == "maybe_group") return(if (stats::runif(1) < 0.3) NULL else good$group(n))
  if (kind == "maybe_share") return(if (stats::runif(1) < 0.5) NULL else good$share(n))
  good[[kind]](n)
}
corrupt <- function(x, kind) {
  column <- (is.character(kind) && kind %in% c(columns, "maybe_group")) || (is.function(kind) && length(x) > 1 && is.atomic(x))
  if (is.data.frame(x) && !length(x)) return(x)
  if (is.data.frame(x)) {
    at <- sample(length(x), 1)
    column <- tryCatch(pick(hostile)(x[[at]]), error = function(e) x[[at]])
    if (length(column) == nrow(x) && is.null(dim(column))) x[[at]] <- column else x <- x[-at]
    return(x)
  }
  if (column && length(x)) pick(hostile)(x) else if (column) x else pick(hostile_settings)
}

# NaN and infinity never come back; a data frame keeps its columns.
expect_finite <- function(result, name) {
  if (name %in% c("xmr", "t_chart", "g_chart", "c_chart")) result$phase <- NULL # the label that it was given
  if (name == "expected_per_patient") result <- result["expected"] # beside the patients as they were given
  for (column in Filter(is.double, if (is.data.frame(result)) as.list(result) else list(if (is.numeric(result)) result else 0))) {
    expect_false(any(is.nan(column) | is.infinite(unclass(column))), label = paste(name, "answers NaN or infinity"))
  }
}

test_that("every exported function has an entry, and every entry a function", {
  expect_setequal(names(entries), setdiff(exported, c("given", "overall_share")))
})

test_that("good arguments of every length give the answer of an independent formula", {
  for (name in names(entries)) {
    set.seed(sum(utf8ToInt(name)))
    for (draw in seq_len(if (name %in% plots) 3 else 12)) {
      n <- pick(list(1, 2, 3, 12, 25))
      arguments <- lapply(entries[[name]][[1]], argument, n)
      result <- tryCatch(suppressWarnings(suppressMessages(do.call(everything[[name]], arguments))), error = identity)
      if (inherits(result, "error")) {
        fail(paste(name, "refuses good arguments:", conditionMessage(result)))
      } else {
        expect_finite(result, name)
        entries[[name]][[2]](arguments, result)
      }
    }
  }
})

test_that("hostile arguments are answered rightly, or refused in words without a value", {
  refused <- 0
  for (name in names(entries)) {
    set.seed(1000 + sum(utf8ToInt(name)))
    for (draw in seq_len(if (name %in% plots) 10 else 50)) {
      n <- pick(list(1, 3, 14))
      kinds <- entries[[name]][[1]]
      arguments <- lapply(kinds, argument, n)
      for (at in sample(names(kinds), pick(list(1, 1, 2)), replace = TRUE)) {
        arguments[at] <- list(corrupt(arguments[[at]], kinds[[at]]))
      }
      said <- list()
      result <- tryCatch(withCallingHandlers(do.call(everything[[name]], arguments), condition = function(c) {
        if (inherits(c, c("warning", "message"))) {
          said[[length(said) + 1]] <<- structure(list(message = conditionMessage(c), call = NULL), class = "condition")
          if (inherits(c, "warning")) invokeRestart("muffleWarning") else invokeRestart("muffleMessage")
        }
      }), error = identity)
      for (condition in c(said, if (inherits(result, "error")) list(result))) {
        problem <- no_words(condition, arguments)
        if (!is.null(problem)) fail(paste(name, problem, paste(utils::capture.output(utils::str(arguments)), collapse = "\n")))
      }
      if (inherits(result, "error")) {
        refused <- refused + 1
      } else {
        expect_finite(result, name)
        check <- tryCatch(entries[[name]][[2]](arguments, result), error = identity)
        if (inherits(check, "error") && !inherits(check, "expectation")) {
          fail(paste(name, "answered what cannot be checked:", conditionMessage(check), paste(utils::capture.output(utils::str(arguments)), collapse = "\n")))
        }
      }
    }
  }
  expect_gt(refused, 800)
})
