deep_infections <- load_indicator("deep_infections")

operations_of <- function(organisation, infected) {
  n <- length(infected)
  data.frame(operation_id = sprintf("%s%05d", organisation, seq_len(n)), organisation = rep(organisation, n),
             operation_date = as.Date("2022-01-01") + seq_len(n), deep_infection = infected)
}

test_that("a gap is the number of operations without infection since the one before, in order of time", {
  rows <- operations_of("A", c(FALSE, FALSE, TRUE, FALSE, TRUE, TRUE, FALSE))
  data <- deep_infections(rows[c(7, 2, 5, 1, 3, 6, 4), ])$data
  expect_equal(data$operations_between, c(2L, 1L, 0L))
  expect_equal(data$since_last, rep(1L, 3))
  expect_equal(unique(data$label), "too few infections to judge")
  expect_equal(data$month[1], as.Date("2022-01-01"))
})

test_that("a hospital where infections become four times as common is a concern from then on, others are not", {
  set.seed(101)
  usual <- do.call(rbind, lapply(paste0("H", 1:6), function(h) operations_of(h, runif(700) < 0.03)))
  changed <- operations_of("worse", runif(700) < c(rep(0.03, 450), rep(0.12, 250)))
  result <- deep_infections(rbind(usual, changed))
  data <- result$data
  concern <- data[data$label == "concern", ]
  expect_true("worse" %in% concern$organisation)
  expect_gt(mean(concern$organisation == "worse"), 0.9)
  expect_gte(min(concern$month[concern$organisation == "worse"]), as.Date("2023-01-01")) # after the 450th operation, 2023-03-27
  expect_keeps_contract("deep_infections", result)
  own <- deep_infections(rbind(usual, changed), list(against = "own"))$data
  expect_false(isTRUE(all.equal(own$centre, data$centre)))
  chance <- mean(data$operations_between[data$organisation == "H1"])
  expect_equal(own$centre[own$organisation == "H1"][1], qgeom(0.5, 1 / (chance + 1)))
})

test_that("centre and limits are those of all hospitals together", {
  set.seed(102)
  rows <- rbind(operations_of("A", runif(400) < 0.05), operations_of("B", runif(300) < 0.05))
  data <- deep_infections(rows)$data
  p <- mean(rows$deep_infection)
  expect_equal(unique(data$centre), qgeom(0.5, p))
  expect_equal(unique(data$upper_limit), qgeom(pnorm(-3), p, lower.tail = FALSE))
})

test_that("no infections, unknown ones and no rows give a table and a plot", {
  none <- deep_infections(operations_of("A", rep(FALSE, 30)))
  expect_equal(nrow(none$data), 0)
  expect_keeps_contract("deep_infections", none)
  rows <- operations_of("A", c(TRUE, NA, FALSE, TRUE))
  expect_warning(result <- deep_infections(rows), "1 operations without organisation or outcome")
  expect_equal(result$data$operations_between, c(0L, 1L))
  expect_keeps_contract("deep_infections", deep_infections(rows[0, ]))
})
