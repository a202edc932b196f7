standardised_admissions <- load_indicator("standardised_admissions")
quietly <- function(...) suppressMessages(standardised_admissions(...))

stays_of <- function(organisation, n, effect = 0, ages = 20:95, seed = 1) {
  set.seed(seed)
  age <- sample(ages, n, replace = TRUE)
  data.frame(stay_id = paste0(organisation, seq_len(n)), organisation = organisation,
             admission_date = as.Date("2024-01-01") + seq_len(n) %% 90, age = as.integer(age),
             length_of_stay = 3L, died = runif(n) < plogis(-7 + 0.08 * age + effect))
}

test_that("over all organisations as many deaths are expected as were observed", {
  result <- quietly(rbind(stays_of("A", 400), stays_of("B", 300, seed = 2)))$data
  expect_equal(sum(result$expected), sum(result$observed))
  expect_equal(result$ratio, result$observed / result$expected)
})

test_that("an organisation with old patients has more deaths and yet is as expected", {
  result <- quietly(rbind(stays_of("old", 800, ages = 75:95), stays_of("young", 800, ages = 20:70, seed = 2)))$data
  expect_gt(result$crude_mortality[1], 5 * result$crude_mortality[2])
  expect_equal(result$label, rep("not different", 2))
  expect_equal(result$ratio[1], 1, tolerance = 0.1)
})

test_that("an organisation where more die than their ages explain stands out", {
  usual <- do.call(rbind, lapply(1:9, function(i) stays_of(paste0("H", i), 500, seed = i)))
  result <- quietly(rbind(usual, stays_of("high", 500, effect = 1.5, seed = 99)))
  expect_equal(result$data$organisation[result$data$label == "higher (99.8 %)"], "high")
  expect_keeps_contract("standardised_admissions", result)
})

test_that("organisations with few stays are in the model and are not judged", {
  result <- quietly(rbind(stays_of("A", 400), stays_of("tiny", 19, seed = 2)))$data
  expect_equal(result$label[2], "too few to judge")
  expect_true(is.na(result$z[2]) && is.na(result$funnel_upper_95[2]))
  expect_equal(sum(result$expected), sum(result$observed))
})

test_that("stays without age or outcome count in neither observed nor expected", {
  rows <- stays_of("A", 400)
  rows$age[1] <- NA
  rows$died[2] <- NA
  messages <- capture_messages(result <- standardised_admissions(rows)$data)
  expect_match(messages, "398 stays", all = FALSE)
  expect_match(messages, "2 stays without age", all = FALSE)
  expect_equal(c(result$stays, result$left_out), c(398L, 2L))
  expect_equal(result$expected, as.double(result$observed))
})

test_that("no deaths, no organisation named, and no rows all give a table and plots", {
  immortal <- stays_of("A", 100)
  immortal$died <- FALSE
  result <- quietly(immortal)
  expect_equal(result$data$label, "too few to judge") # nothing expected
  expect_keeps_contract("standardised_admissions", result)
  nameless <- transform(immortal, organisation = NA_character_)
  expect_warning(result <- quietly(nameless), "100 stays name no organisation")
  expect_keeps_contract("standardised_admissions", result)
  expect_keeps_contract("standardised_admissions", quietly(immortal[0, ]))
})

test_that("ten trusts of thirty stays, as published, do not differ beyond chance", {
  los <- read.csv(shared_file("data", "nhs", "LOS_model.csv"))
  rows <- data.frame(stay_id = as.character(los$ID), organisation = los$Organisation,
                     admission_date = as.Date("2020-01-01") + los$ID, age = los$Age, length_of_stay = los$LOS,
                     died = los$Death == 1)
  result <- quietly(rows)
  expect_equal(result$data$stays, rep(30L, 10))
  expect_equal(sum(result$data$observed), sum(los$Death))
  by_hand <- tapply(fitted(glm(Death ~ Age, binomial, los)), los$Organisation, sum)
  expect_equal(result$data$expected, unname(c(by_hand[result$data$organisation])), tolerance = 1e-7)
  expect_lt(result$data$phi[1], 1)
  expect_equal(unique(result$data$label), "not different")
  expect_keeps_contract("standardised_admissions", result)
})
