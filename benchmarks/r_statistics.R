# Measures the statistics library on a million patients of a thousand hospitals; a line per step, fields parted by tabs:
# step, elapsed seconds, processor seconds, megabytes of R's memory at its highest beyond what the data take.
# Run by benchmarks/r_statistics.py, with the folder r_scripts/lib as its one argument.
setwd(commandArgs(TRUE)[1])

load <- function(files) {
  for (file in files) {
    lines <- grep("^source\\(", readLines(file, encoding = "UTF-8"), invert = TRUE, value = TRUE)
    eval(parse(text = lines, encoding = "UTF-8"), globalenv())
  }
}
load(list.files(".", "[.]R$"))

measure <- function(step, work) {
  before <- sum(gc(reset = TRUE)[, 2])
  times <- system.time(result <- work())
  peak <- sum(gc()[, 6]) - before
  cat(step, sprintf("%.2f", times[["elapsed"]]), sprintf("%.2f", times[["user.self"]] + times[["sys.self"]]),
      sprintf("%.0f", peak), sep = "\t")
  cat("\n")
  invisible(result)
}

set.seed(2026)
rows <- 1e6
patients <- data.frame(
  hospital = sample(sprintf("H%04d", 1:1000), rows, TRUE), age = as.integer(runif(rows, 18, 99)),
  sex = sample(c("f", "m"), rows, TRUE), urgency = sample(c("elective", "urgent", "emergency"), rows, TRUE),
  diagnosis = factor(sample(sprintf("group %02d", 1:15), rows, TRUE)), illnesses = factor(sample(0:6, rows, TRUE)),
  hours = rexp(rows, 1 / 30)
)
patients$died <- runif(rows) < plogis(-6 + 0.05 * patients$age + 0.3 * (patients$sex == "m") +
                                        0.1 * as.integer(patients$diagnosis))
patients$exact_age <- patients$age + runif(rows)
hospitals <- data.frame(size = round(exp(runif(1000, 4, 9))))
hospitals$events <- rbinom(1000, hospitals$size, plogis(rnorm(1000, -2, 0.25)))
strata <- expand.grid(band = 1:19, hospital = sprintf("H%04d", 1:1000))
strata$people <- rpois(nrow(strata), 5000)
strata$events <- rpois(nrow(strata), strata$people / 100)

formula <- died ~ age + sex + urgency + diagnosis + illnesses
model <- measure("case_mix_model, 5 characteristics, 24 terms", function() case_mix_model(patients, formula))
measure("the same, ages with decimals (no two patients alike)", function() {
  case_mix_model(patients, died ~ exact_age + sex + urgency + diagnosis + illnesses)
})
measure("floor: R's glm on the same", function() stats::glm(formula, stats::binomial(), patients))
patients <- measure("expected_per_patient", function() expected_per_patient(patients, model))
measure("observed_expected", function() observed_expected(patients$hospital, patients$died, patients$expected))
measure("floor: a loop over hospitals, as it was", function() {
  do.call(rbind, lapply(unique(patients$hospital), function(hospital) {
    of <- patients[patients$hospital == hospital, c("died", "expected"), drop = FALSE]
    data.frame(observed = sum(of$died), expected = sum(of$expected))
  }))
})
patients$ward <- sample(sprintf("W%05d", 1:9898), rows, TRUE)
measure("observed_expected, 9,898 groups", function() observed_expected(patients$ward, patients$died, patients$expected))
measure("mean_student", function() mean_student(patients$hours, patients$hospital))
measure("c_statistic", function() c_statistic(patients$died, patients$expected))
measure("directly_standardised_rate, 1,000 x 19 bands", function() {
  directly_standardised_rate(strata$events, strata$people, rep(1:19, 1000), strata$hospital)
})
units <- measure("funnel_overdispersed and its curve, 1,000 units", function() {
  units <- funnel_overdispersed(hospitals$events, hospitals$size)
  list(units = units, curve = funnel_curve(units))
})
measure("funnel drawn, 1,000 units, 123 to be named", function() {
  highlight <- highlight_of(units$units$significance, worse = "higher (99.8 %)")
  highlight[order(-abs(units$units$z))[1:123]] <- "different"
  data <- data.frame(unit = sprintf("Hospital %04d", 1:1000), size = hospitals$size, value = units$units$value, highlight)
  grDevices::svg(tempfile(), 8, 5)
  print(funnel_plot(data, units$curve, units$units$target[1], "Deaths", "stays", "share", "all"))
  grDevices::dev.off()
})
patients$years <- pmin(rexp(rows, 0.1), runif(rows, 0, 5))
patients$ended <- sample(c("none", "revision", "death"), rows, TRUE, c(0.8, 0.1, 0.1))
patients$chance <- pmin(pmax(patients$expected, 0.001), 0.999)
measure("kaplan_meier, 1,000 hospitals, times in days", function() {
  kaplan_meier(floor(patients$years * 365), patients$ended == "revision", patients$hospital)
})
measure("cumulative_incidence, 1,000 hospitals", function() {
  cumulative_incidence(floor(patients$years * 365), patients$ended, patients$hospital)
})
measure("person_time_expected and observed_expected", function() {
  event <- patients$ended == "revision"
  expected <- person_time_expected(patients$years, event, patients$diagnosis)$expected
  observed_expected(patients$hospital, event, expected, family = "poisson")
})
measure("quantile_limits, three quantiles", function() quantile_limits(patients$hours, patients$hospital))
measure("risk_adjusted_cusum, 1,000 hospitals", function() {
  risk_adjusted_cusum(patients$died, patients$chance, patients$hospital)
})
measure("vlad, 1,000 hospitals", function() vlad(patients$died, patients$chance, patients$hospital))
measure("xbar_s_chart, 1,000 samples", function() xbar_s_chart(patients$hours, patients$hospital))
measure("model_checks", function() model_checks(patients$died, patients$chance))
measure("life_expectancy, 1,000 areas x 19 bands", function() {
  life_expectancy(strata$events, strata$people, c(0, 1, seq(5, 85, 5))[strata$band], strata$hospital)
})
sums <- data.frame(n = hospitals$size, e = hospitals$size * 0.12)
measure("funnel_adjusted, shrinkage, reliability, benchmark, 1,000 units", function() {
  funnel_adjusted(hospitals$events, sums$e, sums$e * 0.85, sums$n)
  shrunken_proportion(hospitals$events, sums$n)
  reliability(hospitals$events, sums$n)
  achievable_benchmark(hospitals$events, sums$n)
})
cat("size of the model\t\t\t", sprintf("%.2f", as.double(utils::object.size(model)) / 2^20), "\n", sep = "")
