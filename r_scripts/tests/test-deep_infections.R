deep_infections <- load_indicator("deep_infections")

operations_with <- function(organisation, n, chance, year = 2024, seed = 1) {
  set.seed(seed)
  data.frame(operation_id = paste0(organisation, year, seq_len(n)), organisation = rep(organisation, n),
             operation_date = as.Date(sprintf("%d-01-01", year)) + seq_len(n) %% 360, deep_infection = runif(n) < chance)
}
eight <- do.call(rbind, lapply(1:8, function(i) operations_with(paste0("H", i), 400, 0.03, seed = i)))

test_that("a hospital's year with four times the infections is a concern, the year before and others are not", {
  rows <- rbind(eight, operations_with("rose", 400, 0.03, 2023, 91), operations_with("rose", 400, 0.12, 2024, 92))
  result <- deep_infections(rows)
  data <- result$data
  concern <- data[data$label == "concern", ]
  expect_equal(c(concern$organisation, format(concern$year)), c("rose", "2024-01-01"))
  expect_lt(concern$operations_between, concern$lower_limit)
  share <- mean(rows$deep_infection)
  expect_equal(unique(data$centre), (1 - share) / share)
  expect_equal(data$operations_between, (data$operations - data$infections) / data$infections)
  expect_keeps_contract("deep_infections", result)
})

test_that("limits are exact, binomial, on the scale of operations between", {
  data <- deep_infections(eight)$data
  share <- mean(eight$deep_infection)
  most <- qbinom(pnorm(-3), 400, share, lower.tail = FALSE)
  expect_equal(data$lower_limit, rep((400 - most) / most, 8))
  expect_lte(pbinom(most, 400, share, lower.tail = FALSE), pnorm(-3))
})

test_that("drawn counts: what is hidden is not known and not judged, and limits hold what protection may have moved", {
  env <- load_script("indicators", "deep_infections.R")
  atoms <- data.frame(organisation = c("A", "B", "C", "D"), period = as.Date("2024-01-01"), infected = c(10L, 0L, 60L, 15L),
                      infected_hidden = c(TRUE, TRUE, FALSE, FALSE), infected_variance = c(20, 20, 4, 4),
                      clear = 400L, clear_hidden = FALSE, clear_variance = 4, left_out = 0L, left_out_hidden = FALSE, left_out_variance = 0)
  data <- env$deep_infections_figures(atoms)$data
  expect_equal(data$infections, c(NA, NA, 60L, 15L))
  expect_equal(data$operations_between[1:2], c(NA_real_, NA_real_))
  expect_equal(data$label, c("too few infections to judge", "too few infections to judge", "concern", "too uncertain after protection"))
  exact <- env$deep_infections_figures(transform(atoms, infected_variance = 0))$data
  expect_lt(data$lower_limit[3], exact$lower_limit[3])
})

test_that("few operations, unknown outcomes, no infections and no rows give a table and plots", {
  rows <- rbind(eight, operations_with("small", 15, 0.2))
  rows$deep_infection[1:3] <- NA
  data <- deep_infections(rows)$data
  expect_equal(data$label[data$organisation == "small"], "too few operations to judge")
  expect_equal(data$operations[data$organisation == "H1"], 397L)
  none <- deep_infections(transform(eight, deep_infection = FALSE))
  expect_equal(unique(none$data$label), "no data")
  expect_keeps_contract("deep_infections", none)
  expect_keeps_contract("deep_infections", deep_infections(eight[0, ]))
})
