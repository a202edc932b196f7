textbook_outcome <- load_indicator("textbook_outcome")
quietly <- function(...) suppressMessages(textbook_outcome(...))

operations_of <- function(organisation, n, effect = 0, ages = 45:90, classes = 1:4, seed = 1) {
  set.seed(seed)
  age <- sample(ages, n, replace = TRUE)
  asa <- sample(classes, n, replace = TRUE)
  data.frame(operation_id = paste0(organisation, seq_len(n)), organisation = rep(organisation, n),
             operation_date = as.Date("2024-01-01") + seq_len(n) %% 300, age = as.integer(age), asa_class = as.integer(asa),
             textbook_outcome = runif(n) < plogis(1.2 - 0.03 * (age - 69) - 0.6 * (asa - 2) + effect))
}
ten <- do.call(rbind, lapply(1:8, function(i) operations_of(paste0("H", i), 500, seed = i)))

test_that("a poor hospital is found; one with old and sick patients is as good as others", {
  rows <- rbind(ten, operations_of("poor", 500, effect = -log(2), seed = 91),
                operations_of("sick", 500, ages = 70:95, classes = 2:4, seed = 92))
  result <- quietly(rows)
  data <- result$data
  expect_equal(data$organisation[grepl("99.8", data$label)], "poor")
  expect_match(data$label[data$organisation == "poor"], "^lower")
  sick <- data[data$organisation == "sick", ]
  expect_lt(sick$crude, mean(data$crude) - 8)
  expect_lt(abs(sick$adjusted - 100 * mean(rows$textbook_outcome)), 6)
  expect_keeps_contract("textbook_outcome", result)
})

test_that("adjusted is observed over expected times the share of all, and limits are binomial", {
  data <- quietly(ten)$data
  all <- mean(ten$textbook_outcome)
  fit <- glm(textbook_outcome ~ age + asa, binomial(), transform(ten, asa = ifelse(asa_class >= 3, "3", asa_class)))
  p <- fitted(fit)
  e <- unname(tapply(p, ten$organisation, sum))
  v <- unname(tapply(p * (1 - p), ten$organisation, sum))
  expect_equal(data$expected, c(e), tolerance = 1e-6)
  expect_equal(data$adjusted, 100 * data$observed / c(e) * all, tolerance = 1e-6)
  expect_equal(data$z, c((data$observed - e) / sqrt(v)), tolerance = 1e-6)
  expect_equal(data$funnel_upper_95, c(100 * all * (1 + qnorm(0.975) * sqrt(v) / e)), tolerance = 1e-6)
  expect_equal(data$lower_95 > 100 * all | data$upper_95 < 100 * all, abs(data$z) > qnorm(0.975))
})

test_that("how well the model tells patients apart is told", {
  messages <- capture_messages(textbook_outcome(ten))
  expect_match(messages, "4000 operations.*points to that one in", all = FALSE)
})

test_that("few operations, no variation, nobody named and no rows all give a table and plots", {
  few <- quietly(rbind(ten, operations_of("small", 15)))$data
  small <- few[few$organisation == "small", ]
  expect_equal(small$label, "too few to judge")
  expect_true(is.na(small$adjusted) && is.na(small$funnel_upper_95) && !is.na(small$crude))
  all_good <- transform(operations_of("A", 50), textbook_outcome = TRUE)
  result <- quietly(all_good)
  expect_equal(result$data$label, "too few to judge")
  expect_keeps_contract("textbook_outcome", result)
  rows <- ten
  rows$age[1] <- NA
  rows$textbook_outcome[2] <- NA
  expect_equal(sum(quietly(rows)$data$left_out), 2L)
  expect_warning(result <- quietly(transform(all_good, organisation = NA_character_)), "50 operations name no organisation")
  expect_keeps_contract("textbook_outcome", result)
  expect_keeps_contract("textbook_outcome", quietly(ten[0, ]))
})
