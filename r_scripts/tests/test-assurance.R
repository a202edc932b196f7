# Assurance against a target, and charts with points left out, frozen limits and phases.

charts <- load_library("assurance")

test_that("a target outside the limits is always met or never, one between them by chance", {
  value <- c(50, 52, 49, 51, 50, 48, 51, 52, 50, 49, 51, 50)
  chart <- charts$xmr(value, "higher is better")
  limits <- c(chart$lower[1], chart$upper[1])
  say <- function(target, direction) charts$assurance(chart, target, direction)$assurance
  expect_equal(say(limits[1] - 0.1, "higher is better"), "consistently meets")
  expect_equal(say(limits[2] + 0.1, "higher is better"), "consistently fails")
  expect_equal(say(50, "higher is better"), "hit and miss")
  expect_equal(say(limits[2] + 0.1, "higher is worse"), "consistently meets")
  expect_equal(say(limits[1] - 0.1, "higher is worse"), "consistently fails")
  expect_equal(say(limits[2], "higher is worse"), "hit and miss") # on a limit
  expect_equal(charts$assurance(chart, 60)$icon, "usual / fails")
})

test_that("the last phase and the last known point decide; without limits nothing is assured", {
  value <- c(rep(c(50, 52), 6), rep(c(70, 72), 6), NA)
  chart <- charts$xmr(value, "higher is better", phase = c(rep(1, 12), rep(2, 13)))
  row <- charts$assurance(chart, 65)
  expect_equal(c(row$value, row$assurance), c("72", "consistently meets"))
  few <- charts$assurance(charts$xmr(1:5, "higher is better"), 3)
  expect_equal(c(few$variation, few$assurance), rep("too few points to judge", 2))
  expect_equal(charts$assurance(charts$xmr(c(NA, NA)), 3)$assurance, "no data")
})

test_that("of a steady process 'consistently meets' is kept in the next period", {
  set.seed(31)
  kept <- vapply(1:2000, function(i) {
    value <- rnorm(25, 100, 5)
    chart <- charts$xmr(value[-25], "higher is better")
    target <- 80
    c(charts$assurance(chart, target)$assurance == "consistently meets", value[25] >= target)
  }, c(TRUE, TRUE))
  expect_gt(mean(kept[1, ]), 0.5)
  expect_gt(mean(kept[2, kept[1, ]]), 0.995)
})

test_that("p, u, c and Laney's charts leave out, freeze and start afresh as xmr does", {
  x <- c(10, 12, 11, 90, 9, 10, 30, 31, 29, 30)
  n <- rep(100, 10)
  out <- c(rep(FALSE, 3), TRUE, rep(FALSE, 6))
  p <- charts$p_chart(x, n, exclude = out)
  expect_equal(p$centre, rep(mean(x[-4]) / 100, 10))
  expect_true(p$outside[4] && !is.na(p$value[4])) # shown and judged
  frozen <- charts$p_chart(x, n, fix_after = 3)
  expect_equal(frozen$centre, rep(0.11, 10))
  expect_equal(frozen$upper[1], 0.11 + 3 * sqrt(0.11 * 0.89 / 100))
  phase <- rep(c("before", "after"), c(6, 4))
  two <- charts$p_chart(x, n, phase = phase, exclude = out)
  expect_equal(unique(two$centre), c(mean(x[c(1:3, 5:6)]), mean(x[7:10])) / 100)
  expect_equal(as.list(two[7:10, -1]), as.list(charts$p_chart(x[7:10], n[7:10])))
  laney <- charts$laney_p(x, n, phase = phase, exclude = out)
  expect_equal(laney$sigma_z[7:10], charts$laney_p(x[7:10], n[7:10])$sigma_z)
  expect_equal(charts$laney_p(x, n, fix_after = 3)$sigma_z, rep(charts$laney_p(x[1:3], n[1:3])$sigma_z[1], 10))
  expect_equal(charts$u_chart(x, n, exclude = out)$centre[1], mean(x[-4]) / 100)
  expect_equal(charts$c_chart(x, phase = phase)$centre, rep(c(mean(x[1:6]), mean(x[7:10])), c(6, 4)))
  expect_equal(charts$xmr(as.double(x), exclude = out, minimum = 5, minimum_phase = 5)$centre[1], mean(x[-4]))
  few <- charts$p_chart(x, n, minimum = 12)
  expect_true(all(is.na(few$upper)) && !any(few$outside) && !anyNA(few$centre))
  expect_error(charts$p_chart(x, n, exclude = TRUE), "exclude must say TRUE or FALSE for every value")
  expect_error(charts$p_chart(x, n, phase = rep(1:2, 5)), "phase goes back")
})

test_that("the c chart is Montgomery's (26 samples of printed circuit boards)", {
  boards <- c(21, 24, 16, 12, 15, 5, 28, 20, 31, 25, 20, 24, 16, 19, 10, 17, 13, 22, 18, 39, 30, 24, 16, 19, 17, 15)
  chart <- charts$c_chart(boards)
  expect_equal(round(c(chart$centre[1], chart$lower[1], chart$upper[1]), 2), c(19.85, 6.48, 33.21))
  expect_equal(which(chart$outside), c(6L, 20L))
})
