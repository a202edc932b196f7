# Every function that has a published reference result, against it, to the tolerance in vectors/README.md.

vector_file <- function(name) read.csv(shared_file("vectors", name), check.names = FALSE)

proportions <- load_library("proportions")
rates <- load_library("rates")
standardisation <- load_library("standardisation")
case_mix <- load_library("casemix")
funnel <- load_library("funnel")
control <- load_library("control_charts")
runs <- load_library("run_charts")

test_that("Wilson intervals agree with PHEindicatormethods", {
  expected <- vector_file("phe_proportion_wilson.csv")
  for (level in c("95_0", "99_8")) {
    ours <- proportions$wilson(expected$x, expected$n, if (level == "95_0") 0.95 else 0.998, expected$multiplier)
    expect_relative(ours$value, expected$value, 1e-9)
    expect_relative(ours$lower, expected[[paste0("lower", level, "cl")]], 1e-9)
    expect_relative(ours$upper, expected[[paste0("upper", level, "cl")]], 1e-9)
  }
})

test_that("Byar's and Wilson's limits of single counts agree with PHEindicatormethods", {
  expected <- vector_file("phe_byar_wilson_limits.csv")
  expect_setequal(expected$method, c("Byars", "Wilson"))
  for (row in seq_len(nrow(expected))) {
    case <- expected[row, ]
    confidence <- as.numeric(sub("%", "", case$confidence)) / 100
    ours <- if (case$method == "Byars") rates$byar(case$x, confidence = confidence) else
      proportions$wilson(case$x, case$n, confidence)
    expect_relative(ours$lower, case$lowercl, 1e-9)
    expect_relative(ours$upper, case$uppercl, 1e-9)
  }
})

test_that("rates are exact below ten events and Byar from ten on, as in PHEindicatormethods", {
  expected <- vector_file("phe_rate_byar_exact.csv")
  for (level in c("95_0", "99_8")) {
    ours <- rates$rate(expected$x, expected$n, if (level == "95_0") 0.95 else 0.998, expected$multiplier)
    expect_relative(ours$value, expected$value, 1e-9)
    expect_relative(ours$lower, expected[[paste0("lower", level, "cl")]], 1e-9)
    expect_relative(ours$upper, expected[[paste0("upper", level, "cl")]], 1e-9)
    known <- !is.na(expected$value)
    expect_equal(ours$method[known], sub("Byars", "Byar", expected$method[known]))
  }
})

test_that("Clopper-Pearson and Garwood limits agree with base R", {
  expected <- vector_file("base_r_exact_binom_poisson.csv")
  for (level in c("95", "998")) {
    confidence <- as.numeric(paste0("0.", level))
    ours <- proportions$clopper_pearson(expected$x, expected$n, confidence)
    expect_relative(ours$lower, expected[[paste0("cp_lower", level)]], 1e-9)
    expect_relative(ours$upper, expected[[paste0("cp_upper", level)]], 1e-9)
    ours <- rates$poisson_exact(expected$x, expected$n, confidence)
    expect_relative(ours$lower, expected[[paste0("pois_rate_lower", level)]], 1e-9)
    expect_relative(ours$upper, expected[[paste0("pois_rate_upper", level)]], 1e-9)
  }
})

test_that("directly standardised rates agree with PHEindicatormethods", {
  # The rows for non-independent events (testdata_nonind_*) are of another method and come without their input.
  expected <- vector_file("phe_dsr_expected.csv")
  expected <- expected[!grepl("nonind", expected$area), ]
  expected$multiplier <- as.numeric(sub(".* ", "", expected$statistic))
  input <- vector_file("phe_dsr_input.csv")
  # Its rows with the European standard population of 1976 take the big area without its oldest age band.
  esp1976 <- c(8000, rep(7000, 10), 6000, 5000, 4000, 3000, 2000, 1000, 1000)
  esp_area <- transform(input[input$area == "testdata_big", ][1:18, ], area = "testdata_1976", esp2013 = esp1976)
  input <- rbind(input, esp_area)
  for (multiplier in c(10000, 100000)) {
    of <- expected[expected$multiplier %in% multiplier | (is.na(expected$multiplier) & multiplier == 10000), ]
    of <- of[!duplicated(of$area), ]
    for (level in c("95_0", "99_8")) {
      confidence <- if (level == "95_0") 0.95 else 0.998
      ours <- standardisation$directly_standardised_rate(input$count, input$pop, input$esp2013, input$area, confidence,
                                                         multiplier, missing = "none")
      ours <- ours[match(of$area, ours$group), ]
      # The file gives the 99.8 % limits of the 1976 area per ten times as many as the row says.
      factor <- ifelse(level == "99_8" & of$area == "testdata_1976", 10, 1)
      expect_equal(ours$total_count, of$total_count)
      expect_equal(ours$total_population, of$total_pop)
      expect_relative(ours$value, of$value, 1e-9)
      expect_relative(ours$lower * factor, of[[paste0("lower", level, "cl")]], 1e-9)
      expect_relative(ours$upper * factor, of[[paste0("upper", level, "cl")]], 1e-9)
    }
  }
})

test_that("standardised ratios and indirectly standardised rates agree with PHEindicatormethods", {
  expected <- vector_file("phe_isr_expected.csv")
  expected <- expected[!expected$area %in% c("Area1", "Area2"), ]
  multiplier <- as.numeric(sub(".* ", "", expected$statistic))
  is_rate <- !is.na(expected$ref_rate)
  input <- vector_file("phe_isr_input.csv")
  for (level in c("95_0", "99_8")) {
    confidence <- if (level == "95_0") 0.95 else 0.998
    for (per in unique(multiplier)) {
      for (kind in c(TRUE, FALSE)) {
        of <- expected[multiplier == per & is_rate == kind, ]
        if (!nrow(of)) next
        if (kind) {
          ours <- standardisation$indirectly_standardised_rate(input$count, input$pop, input$refcount, input$refpop,
                                                               input$area, confidence, per, missing = "none")
          expect_relative(ours$reference_rate, of$ref_rate, 1e-9)
        } else {
          counts <- standardisation$expected_events(input$count, input$pop, input$refcount, input$refpop, input$area,
                                                    missing = "none")
          ours <- standardisation$standardised_ratio(counts$observed, counts$expected, confidence, per)
        }
        expect_equal(ours$observed, of$observed)
        expect_relative(ours$expected, of$expected, 1e-9)
        expect_relative(ours$value, of$value, 1e-9)
        expect_relative(ours$lower, of[[paste0("lower", level, "cl")]], 1e-9)
        expect_relative(ours$upper, of[[paste0("upper", level, "cl")]], 1e-9)
        expect_equal(ours$method, sub("Byars", "Byar", of$method))
      }
    }
  }
})

phe_label <- c("High (0.001)" = "higher (99.8 %)", "High (0.025)" = "higher (95 %)",
               "Not significant" = "not different", "Low (0.025)" = "lower (95 %)", "Low (0.001)" = "lower (99.8 %)")

test_that("funnel limits and labels of proportions agree with PHEindicatormethods", {
  input <- vector_file("phe_funnel_prop_input.csv")
  expected <- vector_file("phe_funnel_prop_limits_expected.csv")
  units <- funnel$funnel_proportion(input$numerator, input$denominator)
  expect_equal(units$significance, unname(phe_label[input$significance]))
  limits <- funnel$funnel_proportion(rep(0, nrow(expected)), expected$Population, target = units$target[1])
  expect_relative(100 * limits$target, expected$Baseline, 1e-6)
  expect_relative(100 * limits$lower_95, expected$Lower2s0025limit, 1e-6)
  expect_relative(100 * limits$upper_95, expected$Upper2s0025limit, 1e-6)
  expect_relative(100 * limits$lower_998, expected$Lower3s0001limit, 1e-6)
  expect_relative(100 * limits$upper_998, expected$Upper3s0001limit, 1e-6)
})

test_that("funnel limits and labels of ratios agree with PHEindicatormethods", {
  input <- vector_file("phe_funnel_ratio_input.csv")
  expect_equal(funnel$funnel_ratio(input$obs, input$expected)$significance, unname(phe_label[input$significance]))
  # The file gives, for each observed count, the expected count at which it lies exactly on a limit.
  expected <- vector_file("phe_funnel_ratio_limits_expected.csv")
  for (sigma in c("2s", "3s")) {
    for (side in c("lower", "upper")) {
      column <- function(what) expected[[paste(side, sigma, what, sep = "_")]]
      ours <- funnel$funnel_ratio(expected$Observed_events, column("exp_events"))
      limit <- ours[[paste0(side, if (sigma == "2s") "_95" else "_998")]]
      tolerance <- if (sigma == "2s") 1e-5 else 1e-4
      expect_relative(100 * limit, column("isr"), tolerance)
      expect_relative(100 * limit, 100 * (column("count") + 1), tolerance)
    }
  }
})

test_that("overdispersion agrees with FunnelPlotR", {
  all_cases <- vector_file("funnelplotr_od_small.csv")
  kinds <- list(PR = c("proportion", "arcsine", "winsorise"), SHMI = c("ratio_log", "log", "truncate"),
                CQC = c("ratio_sqrt", "sqrt", "winsorise"), RC = c("count_ratio", "log", "winsorise"))
  for (name in unique(all_cases$case)) {
    case <- all_cases[all_cases$case == name, ]
    kind <- kinds[[if (case$data_type[1] == "SR") case$sr_method[1] else case$data_type[1]]]
    scores <- funnel$standard_scores(case$numerator, case$denominator, kind[1])
    extra <- funnel$overdispersion(scores$z, scores$s, case$trim_by[1], kind[3])
    expect_relative(scores$value, case$rr, 1e-9)
    expect_relative(scores$target, case$target, 1e-9)
    expect_relative(scores$y, case$Y, 1e-9)
    expect_relative(scores$s, case$s, 1e-9)
    expect_relative(scores$z, case$Uzscore, 1e-9)
    expect_relative(extra$z_trimmed, case$Wuzscore, 1e-9)
    expect_equal(extra$units_used, case$n_used)
    expect_relative(extra$phi, case$phi, 1e-9)
    expect_relative(extra$tau2, case$tau2, 1e-9)

    # FunnelPlotR draws ratios of counts with the standard error of a square root; given that, the limits agree.
    s <- if (kind[1] == "count_ratio") 1 / (2 * sqrt(case$denominator)) else scores$s
    for (level in c("95", "99")) {
      z <- if (level == "95") 1.959964 else 3.090232 # as rounded in the origin
      wide <- funnel$overdispersed_limits(scores$target, s, extra$tau2, kind[2], z = z)
      plain <- if (case$data_type[1] == "SR") {
        chi <- funnel$funnel_ratio(case$numerator, case$denominator, method = "chi-square")
        data.frame(lower = chi[[if (level == "95") "lower_95" else "lower_998"]],
                   upper = chi[[if (level == "95") "upper_95" else "upper_998"]])
      } else {
        funnel$overdispersed_limits(scores$target, s, 0, kind[2], z = z)
      }
      expect_relative(plain$lower, case[[paste0("LCL", level)]], 1e-9)
      expect_relative(plain$upper, case[[paste0("UCL", level)]], 1e-9)
      # The CQC rows' limits are still on the square-root scale in the origin: ours are their squares.
      power <- if (kind[1] == "ratio_sqrt") 2 else 1
      expect_relative(wide$lower, case[[paste0("OD", level, "LCL")]]^power, 1e-9)
      expect_relative(wide$upper, case[[paste0("OD", level, "UCL")]]^power, 1e-9)
      outside <- function(limits) as.integer(scores$value < limits$lower | scores$value > limits$upper)
      expect_equal(outside(plain), case[[paste0("outlier", level)]])
      if (kind[1] != "ratio_sqrt") expect_equal(outside(wide), case[[paste0("outlier", level, "_od")]])
    }
  }
})

test_that("case-mix expected values agree with base R's Poisson regression on the medpar data", {
  patients <- vector_file("medpar_input_with_expected.csv")
  coefficients <- vector_file("medpar_glm_poisson_coefficients.csv")
  model <- case_mix$case_mix_model(patients, los ~ hmo + died + age80 + factor(type), "poisson")
  ours <- case_mix$case_mix_coefficients(model)
  expect_equal(ours$term, coefficients$term)
  expect_relative(ours$estimate, coefficients$estimate, 1e-6)
  expect_relative(ours$standard_error, coefficients$se, 1e-6)
  expect_relative(case_mix$expected_per_patient(patients, model)$expected, patients$pred, 1e-6)
})

test_that("limits that are never narrower than chance leave one hospital of the medpar data fewer outside", {
  patients <- vector_file("medpar_input_with_expected.csv")
  observed <- c(tapply(patients$los, patients$provnum, sum))
  expected <- c(tapply(patients$pred, patients$provnum, sum))
  units <- funnel$funnel_overdispersed(observed, expected, "ratio_log", trim_method = "truncate")
  s <- funnel$standard_scores(observed, expected, "ratio_log")$s
  published <- funnel$overdispersed_limits(1, s, units$tau2, "log", 0.998)
  expect_equal(nrow(units), 54)
  expect_equal(sum(units$value < published$lower | units$value > published$upper), 9)
  expect_equal(sum(grepl("99.8", units$significance)), 8)
})

test_that("XmR limits and special causes agree with NHSRplotthedots", {
  all_cases <- vector_file("plotthedots_xmr_expected.csv")
  words <- c("Common Cause" = "usual variation", "Above UCL" = "above the upper limit",
             "Below LCL" = "below the lower limit", "7 Point Trend (Increasing)" = "seven or more rising",
             "7 Point Trend (Decreasing)" = "seven or more falling",
             "2 in 3 Above CL" = "two of three near the upper limit",
             "2 in 3 Below CL" = "two of three near the lower limit",
             "7 Points Above CL" = "seven or more above the mean", "7 Points Below CL" = "seven or more below the mean")
  meanings <- c(common_cause = "usual variation", special_cause_improvement = "improvement",
                special_cause_concern = "concern")
  for (name in unique(all_cases$case)) {
    case <- all_cases[all_cases$case == name, ]
    ours <- control$xmr(case$y, if (case$improvement_direction[1] == 1) "higher is better" else "higher is worse",
                        screen = case$screen_outliers[1],
                        fix_after = if (is.na(case$fix_after_n_points[1])) NULL else case$fix_after_n_points[1],
                        phase = case$rebase_group)
    expect_relative(ours$centre, case$mean, 1e-9)
    expect_relative(ours$lower, case$lpl, 1e-9)
    expect_relative(ours$upper, case$upl, 1e-9)
    expect_equal(ours$outside, case$outside)
    expect_equal(ours$side, case$rel_mean)
    expect_equal(ours$near, case$close)
    expect_equal(ours$special_cause, unname(words[case$special_cause_type]), info = name)
    expect_equal(ours$judgement, unname(meanings[case$point_type]), info = name)
  }
})

test_that("run chart limits agree with qicharts2's", {
  expected <- vector_file("anhoej_rules_table.csv")
  ours <- runs$run_chart_limits(expected$n_useful)
  expect_equal(ours$longest_run_max, expected$longest_run_max)
  expect_equal(ours$crossings_min, expected$n_crossings_min)
})
