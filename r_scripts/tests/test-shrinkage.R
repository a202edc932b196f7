# Shrinkage, reliability and false discoveries, against published examples, independent formulas and simulation.

shrink <- load_library("shrinkage")

test_that("Benjamini and Hochberg's own example: four of fifteen", {
  p <- c(0.0001, 0.0004, 0.0019, 0.0095, 0.0201, 0.0278, 0.0298, 0.0344, 0.0459, 0.3240, 0.4262, 0.5719, 0.6528, 0.7590, 1)
  found <- shrink$false_discovery(c(qnorm(p / 2), NA), 0.05)
  expect_equal(which(found$discovery), 1:4)
  expect_equal(found$q_value[4], 0.0095 * 15 / 4)
  expect_true(is.na(found$discovery[16]))
  expect_error(shrink$false_discovery(1, 0), "rate must be one number between 0 and 1")
})

test_that("among units that are all the same hardly one list in 20 has a discovery; true ones are found", {
  set.seed(51)
  any_found <- mean(replicate(1000, any(shrink$false_discovery(rnorm(100))$discovery)))
  expect_true(any_found > 0.03 && any_found < 0.07, label = paste(any_found))
  shares <- replicate(500, {
    found <- shrink$false_discovery(c(rnorm(80), rnorm(20, 4)))$discovery
    if (any(found)) mean(which(found) <= 80) else 0
  })
  expect_lt(mean(shares), 0.05)
})

test_that("shrunken shares and ratios know the truth better than crude ones, and their limits hold it", {
  set.seed(52)
  n <- round(exp(runif(2000, 3, 6)))
  true <- rbeta(2000, 8, 32)
  x <- rbinom(2000, n, true)
  ours <- shrink$shrunken_proportion(x, n)
  expect_equal(ours$tau2[1], var(rbeta(1e5, 8, 32)), tolerance = 0.1)
  expect_lt(sum((ours$value - true)^2), 0.7 * sum((ours$crude - true)^2))
  expect_equal(mean(ours$lower < true & true < ours$upper), 0.95, tolerance = 0.015)
  k <- (1 - ours$weight) / ours$weight * n
  expect_equal(ours$value, (ours$mean * k + x) / (k + n)) # the mean of the beta distribution
  e <- n / 10
  true <- rgamma(2000, 10, 10)
  o <- rpois(2000, e * true)
  ratio <- shrink$shrunken_ratio(o, e)
  expect_equal(ratio$tau2[1], 0.1, tolerance = 0.15)
  expect_lt(sum((ratio$value - true)^2), 0.7 * sum((ratio$crude - true)^2))
  expect_equal(mean(ratio$lower < true & true < ratio$upper), 0.95, tolerance = 0.015)
  a <- ratio$mean[1]^2 / ratio$tau2[1]
  expect_equal(ratio$value, (a + o) / (a / ratio$mean[1] + e))
})

test_that("units that differ no more than by chance are all the average, with limits that have a width", {
  same <- shrink$shrunken_proportion(c(10, 20, 30), c(100, 200, 300))
  expect_equal(same$value, rep(0.1, 3))
  expect_true(all(same$upper > same$lower))
  expect_equal(c(same$lower[1], same$upper[1]), prop.test(60, 600, correct = FALSE)$conf.int[1:2])
  ratio <- shrink$shrunken_ratio(c(10, 20), c(10, 20))
  expect_equal(c(ratio$lower[1], ratio$upper[1]), poisson.test(30, 30)$conf.int[1:2])
  none <- shrink$shrunken_ratio(c(0, 0), c(5, 9))
  expect_true(all(none$value == 0 & none$lower == 0 & none$upper > 0))
  part <- shrink$shrunken_proportion(c(1, NA, 40, 0), c(50, 5, 50, 0))
  expect_true(all(is.na(part$value[c(2, 4)])) && !anyNA(part$value[c(1, 3)]))
  expect_equal(nrow(shrink$shrunken_ratio(numeric(), numeric())), 0)
})

test_that("reliability is the share of variation that is seen again", {
  set.seed(53)
  n <- rep(c(100, 400), 500)
  true <- sin(rnorm(1000, asin(sqrt(0.2)), 0.04))^2
  ours <- shrink$reliability(rbinom(1000, n, true), n)
  expect_equal(ours$tau2[1], 0.04^2, tolerance = 0.15)
  first <- asin(sqrt(rbinom(1000, n, true) / n))
  second <- asin(sqrt(rbinom(1000, n, true) / n))
  big <- n == 400
  expect_equal(cor(first[big], second[big]), ours$reliability[big][1], tolerance = 0.1)
  s <- 1 / (2 * sqrt(n))
  expect_equal(ours$rankability[1], ours$tau2[1] / (ours$tau2[1] + median(s)^2))
  same <- shrink$reliability(c(10, 20), c(100, 200))
  expect_equal(same$reliability, c(0, 0))
  expect_true(is.na(shrink$reliability(5, 100)$rankability))
})
