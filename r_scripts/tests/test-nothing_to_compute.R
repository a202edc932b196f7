# Where there is nothing to compute the answer is NA: a table with NaN or infinity in it is not published.

expect_no_nan <- function(rows, what) {
  for (column in Filter(is.double, as.list(rows))) {
    expect_true(all(is.finite(column) | (is.na(column) & !is.nan(column))), label = paste(what, "is finite or NA"))
  }
}
counts <- list(zero = c(0, 0, 0), mixed = c(0, 3, NA), one = 4, missing = c(NA_real_, NA_real_))
sizes <- list(zero = c(0, 0, 0), mixed = c(0, 5, 10), one = 9, missing = c(NA_real_, NA_real_))

test_that("no function answers NaN or infinity", {
  env <- load_script("lib", "funnel.R")
  for (file in c("rates", "proportions", "standardisation", "control_charts", "run_charts", "means")) {
    part <- load_script("lib", paste0(file, ".R"))
    for (name in ls(part)) assign(name, part[[name]], env)
  }
  two_counts <- c("wilson", "clopper_pearson", "rate", "byar", "poisson_exact", "standardised_ratio",
                  "funnel_proportion", "funnel_ratio", "funnel_rate", "p_chart", "u_chart", "laney_p")
  for (case in names(counts)) {
    for (name in two_counts) expect_no_nan(env[[name]](counts[[case]], sizes[[case]]), paste(name, case))
    for (kind in c("proportion", "ratio_log", "ratio_sqrt", "rate")) {
      expect_no_nan(env$funnel_overdispersed(counts[[case]], sizes[[case]], kind), paste(kind, case))
    }
    expect_no_nan(env$xmr(counts[[case]]), paste("xmr", case))
    expect_no_nan(env$run_chart(counts[[case]]), paste("run_chart", case))
    expect_no_nan(env$mean_student(counts[[case]]), paste("mean_student", case))
    expect_no_nan(env$directly_standardised_rate(counts[[case]], sizes[[case]], sizes[[case]]), paste("dsr", case))
    expect_no_nan(env$indirectly_standardised_rate(counts[[case]], sizes[[case]], counts[[case]], sizes[[case]]),
                  paste("isr", case))
  }
})
