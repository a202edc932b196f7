# Standardised rates of repeated events, inequality, life expectancy, quantiles and trend, against R's own functions, direct
# formulas and simulation.

pop <- load_library("inequality")
std <- load_library("standardisation")

test_that("events that happen once to each person give the ordinary standardised rate", {
  n <- c(1000, 2000, 1500)
  w <- c(5, 3, 2)
  x <- c(12, 40, 33)
  once <- std$directly_standardised_rate_repeats(c("a", "b", "c"), x, rep(1, 3), n, w)
  plain <- std$directly_standardised_rate(x, n, w)
  expect_equal(once[c("value", "lower", "upper", "total_count")], plain[c("value", "lower", "upper", "total_count")])
})

test_that("variance of repeated events is the sum of f^2 times that of people with f events", {
  rows <- data.frame(stratum = c("a", "a", "a", "b", "b"), people = c(20, 6, 2, 30, 9), events = c(1, 2, 5, 1, 2),
                     n = c(900, 900, 900, 700, 700), w = c(4, 4, 4, 6, 6))
  ours <- std$directly_standardised_rate_repeats(rows$stratum, rows$people, rows$events, rows$n, rows$w)
  rate <- (4 * 42 / 900 + 6 * 48 / 700) / 10
  variance <- sum((rows$w / 10)^2 * rows$events^2 * rows$people / rows$n^2)
  byar <- 90 * (1 - 1 / (9 * 90) - qnorm(0.975) / (3 * sqrt(90)))^3
  expect_equal(c(ours$total_count, ours$total_people, ours$total_population), c(90, 67, 1600))
  expect_equal(ours$value, rate * 1e5)
  expect_equal(ours$lower, (rate + sqrt(variance / 90) * (byar - 90)) * 1e5)
  expect_error(std$directly_standardised_rate_repeats(c("a", "a"), 1:2, 1:2, c(5, 6), c(1, 1)), "population differs .* see row 2")
  expect_error(std$directly_standardised_rate_repeats(c("a", "a"), 1:2, c(1, 1), c(5, 5), c(1, 1)), "already: see row 2")
})

test_that("of repeated events its limits hold the truth 95 times in 100, and ordinary ones do not", {
  set.seed(81)
  n <- c(800, 600)
  held <- replicate(1000, {
    each <- lapply(n, function(n) (runif(n) < 0.06) * (1 + rgeom(n, 0.5))) # mean 2 events each
    rows <- do.call(rbind, lapply(1:2, function(i) {
      f <- table(factor(each[[i]][each[[i]] > 0], 1:30))
      data.frame(stratum = i, people = as.double(f), events = 1:30, n = n[i], w = c(1, 2)[i])
    }))
    ours <- std$directly_standardised_rate_repeats(rows$stratum, rows$people, rows$events, rows$n, rows$w, multiplier = 1)
    plain <- std$directly_standardised_rate(vapply(each, sum, 0), n, c(1, 2), multiplier = 1)
    c(ours$lower < 0.12 & 0.12 < ours$upper, plain$lower < 0.12 & 0.12 < plain$upper)
  })
  expect_equal(mean(held[1, ]), 0.95, tolerance = 0.02)
  expect_lt(mean(held[2, ]), 0.82)
})

test_that("slope and relative index are those of the weighted regression", {
  value <- c(80, 70, 66, 55, 50)
  people <- c(900, 1100, 1000, 1200, 800)
  place <- (cumsum(people) - people / 2) / sum(people)
  fit <- lm(value ~ place, weights = people)
  ours <- pop$slope_index(value, people)
  expect_equal(ours$slope, unname(coef(fit)[2]))
  expect_equal(c(ours$slope_lower, ours$slope_upper), unname(confint(fit)[2, ]))
  ends <- predict(fit, data.frame(place = 0:1))
  expect_equal(ours$relative, unname(ends[1] / ends[2]))
  expect_true(is.na(pop$slope_index(value[1:2], people[1:2])$slope))
  straight <- pop$slope_index(c(3, 2, 1), c(1, 1, 1))
  expect_true(!is.na(straight$slope) && is.na(straight$slope_lower))
})

test_that("limits of the indices hold the truth 95 times in 100", {
  set.seed(82)
  people <- rep(20000, 10)
  place <- (cumsum(people) - people / 2) / sum(people)
  truth <- 0.02 - 0.012 * place
  held <- replicate(1500, {
    x <- rbinom(10, people, truth)
    r <- pop$slope_index(x / people, people, sqrt(x) / people)
    c(r$slope_lower < -0.012 & -0.012 < r$slope_upper, r$relative_lower < 2.5 & 2.5 < r$relative_upper)
  })
  expect_equal(rowMeans(held), c(0.95, 0.95), tolerance = 0.02)
})

ages <- c(0, 1, seq(5, 90, 5))
hazard <- exp(-9.5 + 0.09 * (ages + 2))

test_that("a life table is Chiang's, step by step, and of a constant hazard the expectancy is its inverse", {
  people <- rep(5000, 20)
  deaths <- round(people * hazard)
  deaths[c(3, 4)] <- 0
  ours <- pop$life_expectancy(deaths, people, ages)
  alive <- 1
  lived <- 0
  for (i in 1:19) {
    width <- ages[i + 1] - ages[i]
    a <- if (i == 1) 0.1 else 0.5
    rate <- deaths[i] / people[i]
    q <- width * rate / (1 + width * (1 - a) * rate)
    lived <- lived + width * (alive * (1 - q) + a * alive * q)
    alive <- alive * (1 - q)
  }
  expect_equal(ours$value[1], lived + alive / (deaths[20] / people[20]))
  expect_equal(ours$value[20], people[20] / deaths[20])
  steady <- pop$life_expectancy(rep(500, 20), rep(10000, 20), ages)
  expect_equal(steady$value, rep(20, 20), tolerance = 0.01)
})

test_that("limits of life expectancy hold the truth 95 times in 100, at birth and at 65", {
  set.seed(83)
  people <- rep(3000, 20)
  truth <- pop$life_expectancy(people * hazard * 1e6, people * 1e6, ages)$value
  held <- replicate(600, {
    r <- pop$life_expectancy(rpois(20, people * hazard), people, ages)
    (r$lower < truth & truth < r$upper)[c(1, 15)]
  })
  expect_equal(rowMeans(held), c(0.95, 0.95), tolerance = 0.025)
})

test_that("areas are apart; few people, no deaths in the last band and ages out of order are told", {
  two <- pop$life_expectancy(rep(c(500, 250), each = 20), rep(10000, 40), rep(ages, 2), rep(c("a", "b"), each = 20))
  expect_equal(two$value[c(1, 21)], c(20, 40), tolerance = 0.02)
  expect_true(all(is.na(pop$life_expectancy(rep(5, 20), rep(100, 20), ages)$value)))
  expect_true(all(is.na(pop$life_expectancy(c(rep(5, 19), 0), rep(1000, 20), ages)$value)))
  expect_error(pop$life_expectancy(c(1, 1), c(1, 1), c(0, 0)), "age_start must rise .* see row 2")
  expect_error(pop$life_expectancy(1, 1, 5), "age_start must begin at 0")
})

test_that("quantiles are R's, their limits order statistics that hold the median at least 95 times in 100", {
  set.seed(84)
  x <- c(rexp(237), NA)
  group <- sample(c("b", "a", "c"), 238, TRUE)
  ours <- pop$quantile_limits(x, group)
  for (g in unique(group)) expect_equal(ours$value[ours$group == g], unname(quantile(x[group == g], c(0.25, 0.5, 0.75), na.rm = TRUE)))
  # the sign test's interval: of 20 values the 6th and the 15th
  twenty <- pop$quantile_limits(1:20, shares = 0.5)
  expect_equal(c(twenty$lower, twenty$upper), c(6, 15))
  expect_true(is.na(pop$quantile_limits(1:5, shares = 0.5)$lower))
  held <- mean(replicate(2000, {
    r <- pop$quantile_limits(rexp(25), shares = 0.5)
    r$lower < log(2) & log(2) < r$upper
  }))
  expect_true(held > 0.945 && held < 0.985)
  expect_true(is.na(pop$quantile_limits(c(NA, NA), c("a", "a"))$value[1]))
})

test_that("the trend of five points is R's prop.trend.test, and of a steady share one in 20 is called a trend", {
  x <- c(90, 30, 42, 44, 51, 60)
  n <- c(300, 200, 220, 210, 230, 240)
  ours <- pop$trend_test(x, n)
  r <- prop.trend.test(x[-1], n[-1])
  expect_equal(c(ours$statistic, ours$p_value), unname(c(r$statistic, r$p.value)))
  expect_equal(ours$trend, "increasing")
  set.seed(85)
  false <- mean(replicate(2000, pop$trend_test(rpois(5, 40), 1000, "rate")$trend != "no clear change"))
  expect_equal(false, 0.05, tolerance = 0.35)
  expect_equal(pop$trend_test(c(5, NA, 7, 8, 9), 100)$trend, "too few points to judge")
  expect_equal(pop$trend_test(rep(0, 5), 100)$trend, "no clear change")
})
