case_mix <- load_library("casemix")

patients <- function(n = 400) {
  set.seed(42)
  age <- round(runif(n, 20, 95))
  data.frame(organisation = rep(c("A", "B"), n / 2), age = age,
             died = rbinom(n, 1, plogis(-6 + 0.07 * age)) == 1, days = rpois(n, exp(0.5 + 0.01 * age)))
}

test_that("over all patients, as many are expected as were observed (both families)", {
  data <- patients()
  logistic <- case_mix$expected_per_patient(data, case_mix$case_mix_model(data, died ~ age, "logistic"))
  expect_equal(sum(logistic$expected), sum(data$died))
  poisson <- case_mix$expected_per_patient(data, case_mix$case_mix_model(data, days ~ age, "poisson"))
  expect_equal(sum(poisson$expected), sum(data$days))
})

test_that("older patients are expected to die more often, and the model tells them apart", {
  data <- patients()
  model <- case_mix$case_mix_model(data, died ~ age)
  expected <- case_mix$expected_per_patient(data.frame(age = c(30, 90)), model)$expected
  expect_lt(expected[1], expected[2])
  odds <- case_mix$case_mix_coefficients(model)
  expect_equal(odds$ratio[odds$term == "age"], unname(exp(coef(model)["age"])))
  expect_gt(case_mix$c_statistic(data$died, case_mix$expected_per_patient(data, model)$expected), 0.7)
})

test_that("a patient without a characteristic has no expectation and counts in neither O nor E", {
  data <- patients()
  data$age[1:3] <- NA
  model <- case_mix$case_mix_model(data, died ~ age)
  data <- case_mix$expected_per_patient(data, model)
  expect_equal(which(is.na(data$expected)), 1:3)
  units <- case_mix$observed_expected(data$organisation, data$died, data$expected)
  expect_equal(units$left_out, c(2, 1))
  expect_equal(sum(units$observed), sum(data$died[-(1:3)]))
  expect_equal(sum(units$observed), sum(units$expected))
})

test_that("one organisation is compared with itself: a ratio of 1", {
  data <- patients()
  data <- case_mix$expected_per_patient(data, case_mix$case_mix_model(data, died ~ age))
  expect_equal(case_mix$observed_expected(rep("A", nrow(data)), data$died, data$expected)$value, 1)
})

test_that("a model without characteristics expects the average of everyone", {
  data <- patients()
  data <- case_mix$expected_per_patient(data, case_mix$case_mix_model(data, died ~ 1))
  expect_equal(data$expected, rep(mean(data$died), nrow(data)))
})

test_that("nobody with all characteristics is an error in words", {
  data <- patients()
  data$age <- NA_real_
  expect_error(case_mix$case_mix_model(data, died ~ age), "no patient has all of: died, age")
  expect_error(case_mix$case_mix_model(data, died ~ weight), "data has no column weight")
})

test_that("the c-statistic is 1 for a perfect model, 0.5 for a coin, NA without events", {
  expect_equal(case_mix$c_statistic(c(0, 0, 1, 1), c(0.1, 0.2, 0.8, 0.9)), 1)
  expect_equal(case_mix$c_statistic(c(0, 1, 0, 1), c(0.5, 0.5, 0.5, 0.5)), 0.5)
  expect_true(is.na(case_mix$c_statistic(c(0, 0), c(0.1, 0.2))))
})

test_that("a patient without an outcome counts in neither, and an organisation of such patients has no ratio", {
  units <- case_mix$observed_expected(c("A", "A", "B"), c(1, NA, 0), c(0.5, 0.5, NA))
  expect_equal(units$patients, c(1, 0))
  expect_equal(units$left_out, c(1, 1))
  expect_equal(units$observed, c(1, 0))
  expect_equal(units$value, c(2, NA))
})

test_that("coefficients, standard errors and expected values are those of R's glm", {
  set.seed(2)
  data <- data.frame(died = runif(3000) < 0.3, days = rpois(3000, 2), age = runif(3000, 18, 99), sex = sample(c("m", "f"), 3000, TRUE),
                     ward = factor(sample(letters[1:4], 3000, TRUE)), urgent = runif(3000) < 0.5, years = rexp(3000) + 0.1)
  data$same_ward <- data$ward
  cases <- list(list(died ~ age + sex + urgent, "logistic"), list(died ~ sex * urgent + ward, "logistic"),
                list(died ~ age + I(age^2) + ward, "logistic"), list(died ~ poly(age, 3) * urgent, "logistic"),
                list(died ~ ward + same_ward + sex, "logistic"), list(died ~ 1, "logistic"),
                list(days ~ sex * urgent + offset(log(years)), "poisson"), list(days ~ age + ward, "poisson"))
  for (case in cases) {
    ours <- case_mix$case_mix_model(data, case[[1]], case[[2]])
    theirs <- glm(case[[1]], if (case[[2]] == "logistic") binomial() else poisson(), data)
    expect_equal(ours$coefficients, coef(theirs), tolerance = 1e-9)
    expect_equal(case_mix$case_mix_coefficients(ours)$standard_error, unname(summary(theirs)$coefficients[, 2]), tolerance = 1e-9)
    expect_equal(case_mix$expected_per_patient(data, ours)$expected, unname(fitted(theirs)), tolerance = 1e-9)
  }
})

test_that("a model holds no patients, however many there were", {
  data <- patients(20000)
  expect_lt(length(serialize(case_mix$case_mix_model(data, died ~ age), NULL)), 50000)
})

test_that("a new patient's characteristics are of the model's kind, and too large an expectation is an error", {
  data <- patients()
  model <- case_mix$case_mix_model(data, days ~ age, "poisson")
  expect_error(case_mix$expected_per_patient(data.frame(age = "80"), model), "column age must be a number, not character")
  expect_error(case_mix$expected_per_patient(data.frame(age = c(80, 1e6)), model), "more than can be computed with: see row 2")
})

test_that("groups of a hundred thousand patients are added up at once: the sums are those of a loop", {
  set.seed(3)
  group <- sample(sprintf("H%03d", 1:300), 1e5, TRUE)
  chance <- runif(1e5)
  outcome <- runif(1e5) < chance
  units <- case_mix$observed_expected(group, outcome, chance)
  expect_equal(units$group, unique(group))
  expect_equal(units$expected, unname(c(tapply(chance, group, sum)[units$group])))
  expect_equal(units$observed, unname(c(tapply(outcome, group, sum)[units$group])))
})
