# Checks of case-mix models, against R's glm and survival, naive formulas and simulation.

checks <- load_library("calibration")

lung_model <- function() {
  d <- survival::lung[stats::complete.cases(survival::lung[c("age", "sex", "ph.ecog")]), ]
  d$died <- d$status == 2
  d$expected <- stats::fitted(stats::glm(died ~ age + sex + ph.ecog, stats::binomial(), d))
  d
}

test_that("slope and calibration in the large are glm's, with its limits", {
  d <- lung_model()
  p <- plogis(0.4 + 1.3 * qlogis(d$expected)) # a model that is wrong in both
  ours <- checks$model_checks(d$died, p)
  large <- glm(d$died ~ offset(qlogis(p)), binomial())
  slope <- glm(d$died ~ qlogis(p), binomial())
  expect_equal(c(ours$in_the_large, ours$in_the_large_lower, ours$in_the_large_upper),
               unname(c(coef(large), confint.default(large))), tolerance = 1e-6)
  expect_equal(c(ours$slope, ours$slope_lower, ours$slope_upper), unname(c(coef(slope)[2], confint.default(slope)[2, ])),
               tolerance = 1e-6)
  expect_equal(ours$brier, mean((d$died - p)^2))
  own <- checks$model_checks(d$died, d$expected)
  expect_equal(c(own$in_the_large, own$slope), c(0, 1), tolerance = 1e-6)
  expect_equal(own$brier_scaled, 1 - own$brier / (mean(d$died) * (1 - mean(d$died))))
})

test_that("DeLong's limits are those of the pairs, and near survival's concordance", {
  d <- lung_model()
  d$score <- round(d$expected, 2) # with ties
  pairs <- outer(d$score[d$died], d$score[!d$died], function(a, b) (a > b) + (a == b) / 2)
  variance <- var(rowMeans(pairs)) / nrow(pairs) + var(colMeans(pairs)) / ncol(pairs)
  ours <- checks$c_statistic_limits(d$died, d$score)
  expect_equal(ours$value, mean(pairs))
  expect_equal(ours$standard_error, sqrt(variance))
  expect_equal(c(ours$lower, ours$upper), mean(pairs) + c(-1, 1) * qnorm(0.975) * sqrt(variance))
  other <- survival::concordance(died ~ score, data = transform(d, died = as.numeric(died)))
  expect_equal(ours$value, unname(other$concordance))
  expect_equal(ours$value, checks$c_statistic(d$died, d$score))
  # its jackknife divides by n where DeLong divides by n - 1
  share <- c(var(rowMeans(pairs)) / nrow(pairs)^2 * (nrow(pairs) - 1), var(colMeans(pairs)) / ncol(pairs)^2 * (ncol(pairs) - 1))
  expect_equal(sum(share), other$var, tolerance = 1e-6)
})

test_that("95 % limits of the c-statistic and of the slope hold the truth about 95 times in 100", {
  set.seed(21)
  truth <- checks$c_statistic(as.integer(runif(2e5) < plogis(x <- rnorm(2e5))), x)
  held <- vapply(1:400, function(i) {
    x <- rnorm(300)
    y <- runif(300) < plogis(x)
    r <- checks$model_checks(y, plogis(x))
    c(r$c_lower < truth & r$c_upper > truth, r$slope_lower < 1 & r$slope_upper > 1, r$in_the_large_lower < 0 & r$in_the_large_upper > 0)
  }, logical(3))
  expect_true(all(rowMeans(held) > 0.92 & rowMeans(held) < 0.98), label = paste(rowMeans(held), collapse = " "))
})

test_that("Hosmer and Lemeshow's statistic is that of the table, and rejects a right model one time in 20", {
  d <- lung_model()
  group <- cut(d$expected, quantile(d$expected, 0:10 / 10), include.lowest = TRUE)
  o <- tapply(d$died, group, sum)
  e <- tapply(d$expected, group, sum)
  n <- tapply(d$died, group, length)
  ours <- checks$hosmer_lemeshow(d$died, d$expected)
  chi <- sum((o - e)^2 / e + ((n - o) - (n - e))^2 / (n - e))
  expect_equal(c(ours$statistic, ours$degrees, ours$p_value), c(chi, 8, pchisq(chi, 8, lower.tail = FALSE)))
  expect_equal(checks$hosmer_lemeshow(d$died, d$expected, fitted_here = FALSE)$degrees, 10)
  set.seed(22)
  rejected <- mean(vapply(1:400, function(i) {
    p <- plogis(rnorm(500))
    checks$hosmer_lemeshow(runif(500) < p, p, fitted_here = FALSE)$p_value < 0.05
  }, TRUE))
  expect_true(rejected > 0.025 && rejected < 0.085, label = paste("share rejected", rejected))
  expect_lt(checks$hosmer_lemeshow(runif(5000) < plogis(2 * (x <- rnorm(5000))), plogis(x))$p_value, 1e-6)
})

test_that("patients of equal chance stay in one group; every patient is in one", {
  p <- c(rep(0.1, 70), rep(0.5, 20), rep(0.9, 10))
  y <- rep(0:1, 50)
  table <- checks$calibration_table(y, p)
  expect_equal(table$patients, c(70, 20, 10))
  expect_equal(table$mean_expected, c(0.1, 0.5, 0.9))
  expect_equal(checks$calibration_table(c(y, NA), c(p, 0.5))$patients, c(70, 20, 10))
  expect_equal(nrow(checks$calibration_table(rep(1, 5), rep(0.5, 5))), 1)
  expect_equal(nrow(checks$calibration_table(numeric(), numeric())), 0)
})

test_that("no events, no variation and perfect separation have no slope, and certain chances are errors", {
  none <- checks$model_checks(rep(0, 9), seq(0.1, 0.9, 0.1))
  expect_true(all(is.na(none[c("slope", "in_the_large", "c", "brier_scaled")])) && none$brier > 0)
  expect_true(is.na(checks$model_checks(rep(0:1, 5), rep(0.5, 10))$slope))
  parted <- checks$model_checks(rep(0:1, each = 5), seq(0.1, 0.9, length.out = 10))
  expect_true(is.na(parted$slope) && parted$c == 1 && is.na(parted$c_lower))
  expect_error(checks$model_checks(c(0, 1), c(0.5, 1)), "expected must lie between 0 and 1: no model is certain: see row 2")
  expect_equal(checks$model_checks(numeric(), numeric())$patients, 0)
})
