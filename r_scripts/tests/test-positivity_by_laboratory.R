positivity_by_laboratory <- load_indicator("positivity_by_laboratory")

tests_of <- function(laboratory, positive, negative, unreadable = 0, date = "2024-03-01") {
  result <- rep(c("POS", "NEG", "N/A"), c(positive, negative, unreadable))
  data.frame(sample_id = paste0(laboratory, "-", seq_along(result)), test_date = as.Date(date), result = result,
             viral_load = NA_integer_, laboratory = laboratory, clinic = "C1", turnaround_hours = 12)
}
ordinary <- do.call(rbind, lapply(1:8, function(i) tests_of(paste0("lab", i), 20 + i %% 3, 180 - i)))
row_of <- function(result, laboratory) result$data[result$data$laboratory == laboratory, ]

test_that("results that could not be read are in neither count", {
  row <- row_of(positivity_by_laboratory(tests_of("north", 10, 40, 25)), "north")
  expect_equal(c(row$positive, row$tested, row$not_valid), c(10L, 50L, 25L))
  expect_equal(row$positivity, 0.2)
})

test_that("a laboratory far from the others is an alarm, the others are ordinary", {
  result <- positivity_by_laboratory(rbind(ordinary, tests_of("odd", 160, 40)))
  expect_equal(row_of(result, "odd")$label, "alarm high")
  expect_equal(unique(result$data$label[result$data$laboratory != "odd"]), "ordinary")
  expect_keeps_contract("positivity_by_laboratory", result)
})

test_that("laboratories that all differ are not all alarms: the limits hold their variation", {
  set.seed(3)
  shares <- seq(0.02, 0.4, length.out = 20)
  varied <- do.call(rbind, lapply(1:20, function(i) tests_of(paste0("lab", i), round(500 * shares[i]),
                                                            500 - round(500 * shares[i]))))
  expect_lte(sum(grepl("alarm", positivity_by_laboratory(varied)$data$label)), 1)
})

test_that("a laboratory with few tests counts in the total, keeps its counts, and is not judged", {
  result <- positivity_by_laboratory(rbind(ordinary, tests_of("small", 29, 0)))
  small <- row_of(result, "small")
  expect_equal(small$label, "too few to judge")
  expect_equal(c(small$positive, small$tested), c(29L, 29L))
  expect_true(is.na(small$z) && is.na(small$funnel_lower_95))
  expect_equal(small$target, sum(result$data$positive) / sum(result$data$tested))
})

test_that("only tests of the period count", {
  both <- rbind(tests_of("north", 5, 45, date = "2024-01-31"), tests_of("north", 9, 41, date = "2024-02-01"))
  from <- positivity_by_laboratory(both, list(from = as.Date("2024-02-01")))
  expect_equal(from$data$positive, 9L)
  expect_equal(from$data$first_day, as.Date("2024-01-01")) # of the quarter
  expect_equal(from$data$last_day, as.Date("2024-03-31"))
  expect_equal(positivity_by_laboratory(both, list(until = as.Date("2024-01-31")))$data$positive, 5L)
})

test_that("tests without a laboratory are left out and told", {
  nameless <- tests_of("x", 3, 3)
  nameless$laboratory <- NA
  expect_warning(result <- positivity_by_laboratory(rbind(ordinary, nameless)), "6 tests name no laboratory")
  expect_equal(sum(result$data$tested), nrow(ordinary))
})

test_that("one laboratory, no positives, no valid tests and no rows all give a table and plots", {
  for (rows in list(tests_of("only", 10, 90), tests_of("none", 0, 100), tests_of("unread", 0, 0, 40), ordinary[0, ])) {
    result <- positivity_by_laboratory(rows)
    expect_equal(nrow(result$data), min(1, nrow(rows)))
    expect_keeps_contract("positivity_by_laboratory", result)
    expect_false(any(grepl("al", result$data$label)))
  }
})

test_that("every test of the hospital's published file is counted once", {
  lab <- read.csv(shared_file("data", "lab", "covid_testing_deid.csv"))
  rows <- data.frame(sample_id = as.character(seq_len(nrow(lab))), test_date = as.Date("2020-03-01") + lab$pan_day,
                     result = unname(c(positive = "POS", negative = "NEG", invalid = "N/A")[lab$result]),
                     viral_load = NA_integer_, laboratory = lab$clinic_name, clinic = lab$clinic_name,
                     turnaround_hours = lab$rec_ver_tat)
  result <- positivity_by_laboratory(rows)
  expect_equal(sum(result$data$positive), sum(lab$result == "positive"))
  expect_equal(sum(result$data$tested + result$data$not_valid), 15524)
  expect_equal(row_of(result, "clinical lab")$positivity,
               mean(lab$result[lab$clinic_name == "clinical lab" & lab$result != "invalid"] == "positive"))
  expect_keeps_contract("positivity_by_laboratory", result)
})
