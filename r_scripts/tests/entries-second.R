# More entries of the property test (test-properties.R): arguments by kind, and what a right answer is.
used_patients <- function(a) {
  n <- rows_of(a$observed, a$expected)
  v <- data.frame(y = num(a$observed, n), p = num(a$expected, n))
  v[known(v$y, v$p), ]
}

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
                               title = function(n) "T"), function(a, r) draws(r))
))
