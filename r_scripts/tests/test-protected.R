# Counts that were protected: sums, and limits that hold what protection may have moved.
protected <- load_library("protected")

atoms <- data.frame(organisation = c("B", "A", "B"), period = as.Date(c("2024-01-01", "2024-01-01", "2025-01-01")),
                    died = c(10L, 0L, 15L), died_hidden = c(TRUE, TRUE, FALSE), died_variance = c(20, 20, 4),
                    expected = c(4.5, NA, 10))

test_that("counts and amounts add up, and so do the variances of protection", {
  totals <- protected$protected_totals(atoms, "organisation", "died", "expected")
  expect_equal(totals, data.frame(group = c("A", "B"), died = c(0L, 25L), died_error = sqrt(c(20, 24)), expected = c(0, 14.5)))
  expect_equal(nrow(protected$protected_totals(atoms[0, ], "organisation", "died", "expected")), 0)
})

test_that("limits widen by the error of protection, and stay as they are without one", {
  widened <- protected$widened_by_protection(c(1, 1), c(0.5, 0.5), c(2, 2), c(0, 0.3))
  expect_equal(widened$lower, c(0.5, max(0, 1 - sqrt(0.25 + (qnorm(0.975) * 0.3)^2))))
  expect_equal(widened$upper, c(2, 1 + sqrt(1 + (qnorm(0.975) * 0.3)^2)))
})

test_that("a count is too uncertain where protection may have moved it by more than a tenth", {
  expect_equal(protected$too_uncertain(c(100, 30, 0, 0), c(9, 4, 4, 0)), c(FALSE, TRUE, TRUE, FALSE))
})

test_that("exact counts of cases are those by hand, in order of period and organisation", {
  cases <- list(outcomes = c("died", "lived"), by_organisation = TRUE, grain = "quarter",
                amounts = list(list(name = "e", kind = "sum", column = "p", low = 0, high = 1)))
  data <- data.frame(record = as.character(1:5), organisation = c("B", "A", "A", NA, "A"),
                     date = as.Date(c("2024-05-31", "2024-03-31", "2024-04-01", "2024-04-01", NA)),
                     outcome = c("died", "lived", "died", "died", "lived"), p = c(0.2, 7, NA, 1, 1))
  found <- harness$exact_atoms(data, cases)
  expect_equal(found$organisation, c("A", "A", "B"))
  expect_equal(found$period, as.Date(c("2024-01-01", "2024-04-01", "2024-04-01")))
  expect_equal(found$died, c(0L, 1L, 1L))
  expect_equal(found$e, c(1, NA, 0.2)) # 7 counts as the highest that a case can bring
  expect_error(harness$exact_atoms(transform(data, outcome = "fled"), cases), "does not name")
})
