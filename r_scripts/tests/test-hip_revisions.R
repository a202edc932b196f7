hip_revisions <- load_indicator("hip_revisions")

operations_of <- function(organisation, n, times = 1, ages = 50:85, seed = 1) {
  set.seed(seed)
  age <- sample(ages, n, replace = TRUE)
  revised <- rexp(n, times * 0.02 * exp(-0.03 * (age - 69)))
  died <- rexp(n, 0.03)
  end <- runif(n, 0.5, 3)
  years <- pmin(revised, died, end)
  data.frame(operation_id = paste0(organisation, seq_len(n)), organisation = rep(organisation, n),
             operation_date = as.Date("2023-01-01") + seq_len(n) %% 300, age = as.integer(age),
             follow_up_days = as.integer(round(365.25 * years)),
             follow_up_ended_by = c("revision", "death", "none")[max.col(-cbind(revised, died, end))])
}
eight <- do.call(rbind, lapply(1:8, function(i) operations_of(paste0("H", i), 600, seed = i)))

test_that("a hospital with three times the revisions is found; one with young patients is as expected", {
  rows <- rbind(eight, operations_of("worn", 600, 5, seed = 91), operations_of("young", 600, ages = 35:55, seed = 92))
  result <- hip_revisions(rows)
  data <- result$data
  expect_equal(data$organisation[grepl("99.8", data$label)], "worn")
  expect_gt(data$observed[data$organisation == "young"], 1.2 * mean(data$observed[grepl("^H", data$organisation)]))
  expect_false(grepl("99.8", data$label[data$organisation == "young"]))
  expect_equal(sum(data$expected), sum(data$observed))
  expect_keeps_contract("hip_revisions", result)
})

test_that("the year is the first one; shares are actuarial, ratios exact", {
  data <- hip_revisions(eight)$data
  first <- transform(eight, years = pmin(follow_up_days / 365.25, 1),
                     revised = follow_up_days < 365.25 & follow_up_ended_by == "revision",
                     died = follow_up_days < 365.25 & follow_up_ended_by == "death")
  expect_equal(data$observed, c(unname(rowsum(as.integer(first$revised), first$organisation))))
  expect_equal(data$years, c(unname(rowsum(first$years, first$organisation))))
  at_risk <- 600 - tapply(first$died, first$organisation, sum) / 2
  expect_equal(data$revised, 100 * data$observed / unname(c(at_risk)))
  limits <- poisson.test(data$observed[1])$conf.int / data$expected[1]
  expect_equal(c(data$lower_95[1], data$upper_95[1]), limits[1:2])
})

test_that("few operations, missing follow-up, no revisions and no rows give a table and plots", {
  small <- hip_revisions(rbind(eight, operations_of("small", 15)))$data
  expect_equal(small$label[small$organisation == "small"], "too few to judge")
  rows <- eight
  rows$follow_up_days[1] <- NA
  rows$age[2] <- NA
  expect_equal(sum(hip_revisions(rows)$data$left_out), 2L)
  none <- hip_revisions(transform(eight[1:100, ], follow_up_ended_by = "none"))
  expect_equal(none$data$label, "too few to judge")
  expect_keeps_contract("hip_revisions", none)
  expect_keeps_contract("hip_revisions", hip_revisions(eight[0, ]))
})
