# Comparisons: two shares, two rates, the best that others achieve, several outcomes in one, and estimates from several
# imputed data sets in one.
source("../lib/proportions.R")

#' Difference of two shares (Newcombe's hybrid score interval)
#'
#' p1 - p2; lower = d - sqrt((p1 - l1)^2 + (u2 - p2)^2), upper = d + sqrt((u1 - p1)^2 + (p2 - l2)^2), l and u the Wilson limits
#' of each. Source: Newcombe RG (1998) Interval estimation for the difference between independent proportions, Stat Med
#' 17:873-890, method 10. For two independent groups; not for the same patients before and after.
#'
#' @param numerator1,denominator1  the first share
#' @param numerator2,denominator2  the one it is compared with
#' @return data frame: value1, value2, value (the difference), lower, upper, confidence, method. A denominator of 0: NA
newcombe_difference <- function(numerator1, denominator1, numerator2, denominator2, confidence = 0.95, multiplier = 1) {
  check_lengths(numerator1 = numerator1, denominator1 = denominator1, numerator2 = numerator2, denominator2 = denominator2)
  first <- wilson(numerator1, denominator1, confidence)
  second <- wilson(numerator2, denominator2, confidence)
  multiplier <- check_multiplier(multiplier, nrow(first))
  difference <- first$value - second$value
  lower <- difference - sqrt((first$value - first$lower)^2 + (second$upper - second$value)^2)
  upper <- difference + sqrt((first$upper - first$value)^2 + (second$value - second$lower)^2)
  data.frame(value1 = first$value * multiplier, value2 = second$value * multiplier, value = difference * multiplier,
             lower = lower * multiplier, upper = upper * multiplier, confidence = first$confidence,
             method = rep_len("Newcombe", nrow(first)))
}

#' Ratio of two rates, with exact limits
#'
#' Given x1 + x2 events, x1 is binomial with a chance of n1 R / (n1 R + n2): Clopper and Pearson's limits of that, solved for
#' R. Source: Breslow NE, Day NE (1987) p 93; as R's poisson.test(). For counts in exposure, each event another person.
#'
#' @param numerator1,denominator1  events and exposure (person-years, bed days)
#' @param numerator2,denominator2  those it is compared with
#' @return data frame: value1, value2 (rates), value (their ratio), lower, upper, confidence, method. No events in either,
#'   or no exposure: NA. None in the second: value and upper NA (no ratio is too high); none in the first: 0, lower 0
rate_ratio <- function(numerator1, denominator1, numerator2, denominator2, confidence = 0.95) {
  tail <- (1 - check_confidence(confidence)) / 2
  columns <- list(numerator1 = numerator1, denominator1 = denominator1, numerator2 = numerator2, denominator2 = denominator2)
  rows <- do.call(check_rows, Map(check_not_negative, columns, names(columns)))
  rows$denominator1[rows$denominator1 %in% 0] <- NA
  rows$denominator2[rows$denominator2 %in% 0] <- NA
  x <- rows$numerator1
  y <- rows$numerator2
  none <- which(x + y == 0)
  x[none] <- y[none] <- NA
  scale <- rows$denominator2 / rows$denominator1
  odds <- function(p) p / (1 - p)
  lower <- ifelse(x == 0, 0, odds(stats::qbeta(tail, x, y + 1)))
  upper <- ifelse(y == 0, NA_real_, odds(stats::qbeta(tail, x + 1, y, lower.tail = FALSE)))
  data.frame(value1 = rows$numerator1 / rows$denominator1, value2 = rows$numerator2 / rows$denominator2,
             value = ifelse(y == 0, NA_real_, x / y) * scale, lower = lower * scale,
             upper = ifelse(is.finite(upper), upper, NA_real_) * scale, confidence = rep_len(confidence, nrow(rows)),
             method = rep_len("Exact, conditional", nrow(rows)))
}

#' Achievable benchmark of care: the share that the best units with a tenth of all patients reach
#'
#' Units in order of the adjusted share (x + 1) / (n + 2), which keeps small ones with a lucky 100 % from the top; the first that
#' together have at least a tenth of all patients; benchmark = their events / their patients.
#' Source: Kiefe CI et al (1998) Int J Qual Health Care 10:443-447; Weissman NW et al (1999) J Eval Clin Pract 5:269-281.
#' A target that others have reached: kinder than 100 %, more than the average. Not adjusted for case mix.
#'
#' @param numerator,denominator  per unit: patients with the good result, patients
#' @param direction  "higher is better" or "higher is worse"
#' @param part       share of all patients
#' @return data frame: numerator, denominator, value, adjusted, rank (1 the best; ties share the lowest), percentile (share of
#'   the units with a value that lie below it, ties half), in_benchmark, benchmark (the same in every row). A denominator of
#'   0 or NA: NA, not in the benchmark
achievable_benchmark <- function(numerator, denominator, direction = c("higher is better", "higher is worse"), part = 0.1) {
  direction <- match.arg(direction)
  part <- check_number(part, "part", 0, 1, open = TRUE)
  units <- wilson(numerator, denominator)[c("numerator", "denominator", "value")]
  known <- which(!is.na(units$value))
  sign <- if (direction == "higher is better") -1 else 1
  units$adjusted <- ifelse(is.na(units$value), NA_real_, (units$numerator + 1) / (units$denominator + 2))
  units$rank <- units$percentile <- rep(NA_real_, nrow(units))
  units$rank[known] <- rank(sign * units$adjusted[known], ties.method = "min")
  units$percentile[known] <- (rank(units$value[known]) - 0.5) / max(1, length(known)) * 100
  n <- ifelse(is.na(units$value), 0, units$denominator)
  # Units that tie are in together, or the order of rows would decide.
  better <- vapply(split(n, factor(units$rank, sort(unique(units$rank)))), sum, 0)
  ahead <- cumsum(better) - better
  last <- max(0, as.double(names(better))[ahead < part * sum(n) * (1 - 1e-12)])
  units$in_benchmark <- (units$rank <= last) %in% TRUE
  benchmark <- overall_share(units$numerator[units$in_benchmark], units$denominator[units$in_benchmark])
  units$benchmark <- rep_len(benchmark, nrow(units))
  units[c("numerator", "denominator", "value", "adjusted", "rank", "percentile", "in_benchmark", "benchmark")]
}

#' Several outcomes in one: all or none, or the share that went well
#'
#' "all or none" (textbook outcome): 1 where every item is met, 0 where one is not, also if others are not known; not known
#' where none failed and one is not known. "opportunity": met items over items that are known.
#' Source: Kolfschoten NE et al (2013) Ann Surg 257:916-921; Nolan T, Berwick DM (2006) JAMA 295:1168-1170; Reeves D et al
#' (2007) Med Care 45:489-496. All or none is what a patient wants and is driven by its commonest item; show the items too.
#'
#' @param data   one row per patient
#' @param items  names of its columns, each TRUE/FALSE or 1/0 for met or not, NA not known (or not for this patient, with
#'               "opportunity")
#' @param method "all or none" or "opportunity"
#' @return data frame, a row per patient: value (1, 0, a share, or NA), met, known (numbers of items)
composite_outcome <- function(data, items, method = c("all or none", "opportunity")) {
  method <- match.arg(method)
  check_columns(data, check_name(items, "items", many = TRUE))
  if (!length(items)) stop("items must be the name of at least one column", call. = FALSE)
  if (anyDuplicated(items)) stop("items has a column twice", call. = FALSE)
  columns <- lapply(items, function(name) check_outcome(data[[name]], paste("column", name)))
  met <- Reduce(`+`, lapply(columns, function(x) as.double(x %in% 1)))
  known <- Reduce(`+`, lapply(columns, function(x) as.double(!is.na(x))))
  value <- if (method == "opportunity") ifelse(known > 0, met / known, NA_real_) else
    ifelse(met < known, 0, ifelse(known == length(items), 1, NA_real_))
  data.frame(value = value, met = met, known = known)
}

#' Estimates from several imputed data sets pooled (Rubin's rules)
#'
#' value = mean estimate; variance = W + (1 + 1/m) B, W the mean squared standard error, B the variance of estimates; limits by t
#' with Barnard and Rubin's degrees of freedom. Source: Rubin DB (1987) Multiple Imputation for Nonresponse in Surveys, p 76;
#' Barnard J, Rubin DB (1999) Biometrika 86:948-955. Pool what is about normal: logits, logarithms of ratios, means.
#'
#' @param estimate,standard_error  one per imputed data set
#' @param group     what each is an estimate of (a term, a hospital), or NULL
#' @param complete_degrees  degrees of freedom that complete data would have; Inf for many patients
#' @return data frame: group (if given), imputations, value, standard_error, lower, upper, degrees, missing_information (share
#'   of the variance that is due to what is missing), confidence. One imputation, or an estimate missing: NA
pool_imputations <- function(estimate, standard_error, group = NULL, complete_degrees = Inf, confidence = 0.95) {
  tail <- (1 - check_confidence(confidence)) / 2
  rows <- check_rows(estimate = check_numbers(estimate, "estimate"),
                     error = check_not_negative(standard_error, "standard_error"))
  many <- identical(complete_degrees, Inf)
  if (!many) complete_degrees <- check_number(complete_degrees, "complete_degrees", 1)
  groups <- check_groups(if (is.null(group)) rep(1L, nrow(rows)) else group, nrow(rows))
  m <- tabulate(groups$index, length(groups$names))
  enough <- m > 1
  value <- group_sums(list(x = rows$estimate), groups)$x / m
  within <- group_sums(list(x = rows$error^2), groups)$x / m
  between <- group_sums(list(x = (rows$estimate - value[groups$index])^2), groups)$x / pmax(m - 1, 1)
  total <- within + (1 + 1 / m) * between
  share <- ifelse(total > 0, (1 + 1 / m) * between / total, 0)
  old <- ifelse(share > 0, (m - 1) / share^2, 1e15)
  seen <- if (many) Inf else (complete_degrees + 1) / (complete_degrees + 3) * complete_degrees * (1 - share)
  degrees <- if (many) old else ifelse(seen > 0, old * seen / (old + seen), NA_real_)
  degrees <- pmin(degrees, 1e15)
  lost <- !enough | is.na(total)
  half <- stats::qt(tail, ifelse(lost, 1, pmax(degrees, 1e-3)), lower.tail = FALSE) * sqrt(total)
  half[is.infinite(half) | total %in% 0] <- NA
  for_all <- function(x) ifelse(lost, NA_real_, x)
  result <- data.frame(imputations = as.double(m), value = for_all(value), standard_error = for_all(sqrt(total)),
                       lower = for_all(value - half), upper = for_all(value + half), degrees = for_all(degrees),
                       missing_information = for_all(share), confidence = rep_len(confidence, length(m)))
  if (is.null(group)) result else cbind(group = groups$names, result)
}
