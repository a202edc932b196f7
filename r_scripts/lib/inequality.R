# Populations: how unequal they are, how long they live, where their quantiles lie, and whether a series has a trend.
source("../lib/limits.R")

#' Slope and relative index of inequality
#'
#' Weighted regression of the groups' values on the middle of their place in the population (0 the most deprived, 1 the
#' least). slope = value at 1 minus value at 0; relative = value at 0 over value at 1 (2: twice as high among the most
#' deprived). Both are sums of the values times constants, which gives their limits (relative: on the log scale).
#' Source: Mackenbach JP, Kunst AE (1997) Soc Sci Med 44:757-771; Pamuk ER (1985) Popul Stud 39:17-31.
#' For five to ten ordered groups and a gradient that is about straight: look at the groups' values too.
#'
#' @param value           a rate, share or mean per group, in order from the most to the least deprived
#' @param population      people per group
#' @param standard_error  of each value, or NULL: limits from how far the values lie from the line (few groups: wide)
#' @return data frame of one row: groups, slope, slope_lower, slope_upper, relative, relative_lower, relative_upper,
#'   confidence. Fewer than three groups with people and a value: NA. A line that reaches 0 or less: relative NA
slope_index <- function(value, population, standard_error = NULL, confidence = 0.95) {
  tail <- (1 - check_confidence(confidence)) / 2
  rows <- check_rows(value = check_numbers(value, "value"), population = check_not_negative(population, "population"),
                     error = if (is.null(standard_error)) rep(NA_real_, length(value)) else
                       check_not_negative(standard_error, "standard_error"))
  given <- !is.null(standard_error)
  rows <- rows[!is.na(rows$value) & (rows$population > 0) %in% TRUE & (!given | !is.na(rows$error)), ]
  number <- nrow(rows)
  one <- data.frame(groups = number, slope = NA_real_, slope_lower = NA_real_, slope_upper = NA_real_, relative = NA_real_,
                    relative_lower = NA_real_, relative_upper = NA_real_, confidence = confidence)
  if (number < 3) return(one)
  w <- rows$population / sum(rows$population)
  place <- cumsum(w) - w / 2
  centred <- place - sum(w * place)
  spread <- sum(w * centred^2)
  if (spread < 1e-9) return(one) # one group is nearly everybody
  slope_of <- w * centred / spread
  at_zero <- w - sum(w * place) * slope_of
  at_one <- at_zero + slope_of
  low <- sum(at_zero * rows$value)
  high <- sum(at_one * rows$value)
  if (given) {
    error <- rows$error
    quantile <- stats::qnorm(tail, lower.tail = FALSE)
  } else {
    residual <- rows$value - low - (high - low) * place
    error <- sqrt(sum(w * residual^2) / (number - 2) / w)
    quantile <- stats::qt(tail, number - 2, lower.tail = FALSE)
  }
  one$slope <- high - low
  half <- quantile * sqrt(sum((slope_of * error)^2))
  # Values that lie on a line say nothing of their chance: no limits without width.
  if (half <= 1e-9 * max(abs(rows$value))) half <- NA_real_
  one$slope_lower <- one$slope - half
  one$slope_upper <- one$slope + half
  tiny <- 1e-9 * max(abs(rows$value))
  if (low > tiny && high > tiny) {
    one$relative <- low / high
    width <- quantile * sqrt(sum(((at_zero / low - at_one / high) * error)^2))
    if (is.na(half)) width <- NA_real_
    one$relative_lower <- one$relative * exp(-min(width, 600))
    one$relative_upper <- one$relative * exp(min(width, 600))
  }
  one
}

#' Life expectancy by age (Chiang's abridged life table)
#'
#' Of each band, n years wide: M = deaths / population, q = n M / (1 + n (1 - a) M), a the share of the band that those who
#' die in it live (0.1 in the first year of life, else 0.5); var(q) = q^2 (1 - q) / deaths. The last band is open: years
#' lived 1 / M, with Silcocks's variance 1 / (M^2 deaths).
#' Source: Chiang CL (1984) The Life Table and its Applications (method II); Silcocks PBS et al (2001) J Epidemiol Community
#' Health 55:38-43; Toson B, Baker A (2003) ONS: not under 5,000 person-years.
#'
#' @param deaths,population  per age band (population in person-years: of three years added up)
#' @param age_start  first age of each band, in order from 0, the last band open: 0, 1, 5, 10, ..., 90
#' @param group      area of each band, or NULL
#' @param minimum_population  with fewer person-years no expectancy is given
#' @return data frame, a row per band: group (if given), age_start, deaths, population, value (years that are left on
#'   average to those who reach age_start), lower, upper, confidence. No deaths in the last band, a band without people
#'   or a missing number: NA for the whole area
life_expectancy <- function(deaths, population, age_start, group = NULL, confidence = 0.95, minimum_population = 5000) {
  z <- normal_quantile(confidence)
  rows <- check_rows(age_start = check_not_negative(age_start, "age_start"), deaths = check_not_negative(deaths, "deaths"),
                     population = check_not_negative(population, "population"))
  minimum_population <- check_number(minimum_population, "minimum_population", 0)
  stop_at(is.na(rows$age_start), "age_start is missing")
  groups <- check_groups(if (is.null(group)) rep(1L, nrow(rows)) else group, nrow(rows))
  rows$value <- rows$lower <- rows$upper <- rep(NA_real_, nrow(rows))
  for (of in split(seq_len(nrow(rows)), groups$index)) {
    start <- rows$age_start[of]
    if (start[1] != 0) stop("age_start must begin at 0 in every area: see row ", of[1], call. = FALSE)
    wrong <- which(diff(start) <= 0)
    if (length(wrong)) stop("age_start must rise from band to band of an area: see row ", of[wrong[1] + 1], call. = FALSE)
    people <- rows$population[of]
    died <- rows$deaths[of]
    if (anyNA(c(people, died)) || any(people == 0) || sum(people) < minimum_population || died[length(of)] == 0) next
    table <- life_table(died, people, start)
    rows$value[of] <- table$value
    rows$lower[of] <- table$value - z * table$error
    rows$upper[of] <- table$value + z * table$error
  }
  rows$confidence <- rep_len(confidence, nrow(rows))
  rows <- rows[c("age_start", "deaths", "population", "value", "lower", "upper", "confidence")]
  if (is.null(group)) rows else cbind(group = groups$names[groups$index], rows)
}

#' Expectancy and its standard error at the start of each band of one area.
life_table <- function(deaths, population, start) {
  bands <- length(start)
  rate <- deaths / population
  closed <- seq_len(bands - 1)
  width <- diff(start)
  lived <- ifelse(start[closed] == 0 & width == 1, 0.1, 0.5)
  q <- pmin(width * rate[closed] / (1 + width * (1 - lived) * rate[closed]), 1)
  alive <- c(1, cumprod(1 - q))
  years <- c(width * (alive[-1] + lived * (alive[closed] - alive[-1])), alive[bands] / rate[bands])
  left <- rev(cumsum(rev(years)))
  value <- ifelse(alive > 0, left / alive, NA_real_)
  variance <- ifelse(deaths[closed] > 0, q^2 * (1 - q) / deaths[closed], 0)
  after <- ifelse(is.na(value[-1]), 0, value[-1])
  each <- c(alive[closed]^2 * ((1 - lived) * width + after)^2 * variance,
            alive[bands]^2 / (rate[bands]^2 * deaths[bands]))
  list(value = value, error = ifelse(alive > 0, sqrt(rev(cumsum(rev(each)))) / alive, NA_real_))
}

#' Median and other quantiles by group, with limits
#'
#' Quantiles as R's (type 7); limits are values of the sample itself, by the binomial distribution of how many lie below, at
#' least as sure as asked for. Source: Hyndman RJ, Fan Y (1996) Am Stat 50:361-365; Campbell MJ, Gardner MJ (1988) Br Med
#' J 296:1454-1456. For waiting times and lengths of stay, whose few long ones pull a mean away.
#'
#' @param values  measurements; NA are left out
#' @param group   what to take quantiles by, or NULL
#' @param shares  which quantiles: 0.5 is the median
#' @return data frame, a row per group (in order of appearance) and share: group (if given), share, n, value, lower, upper,
#'   confidence. Too few values for a limit (the median needs 6): NA
quantile_limits <- function(values, group = NULL, shares = c(0.25, 0.5, 0.75), confidence = 0.95) {
  values <- check_numbers(values, "values")
  tail <- (1 - check_confidence(confidence)) / 2
  shares <- check_numbers(shares, "shares", 0, 1)
  stop_at(shares %in% c(0, 1, NA), "shares must lie between 0 and 1")
  groups <- check_groups(if (is.null(group)) rep(1L, length(values)) else group, length(values))
  known <- which(!is.na(values))
  sorted <- known[order(groups$index[known], values[known], method = "radix")]
  x <- values[sorted]
  n <- tabulate(groups$index[known], length(groups$names))
  start <- cumsum(n) - n
  parts <- lapply(shares, function(share) {
    place <- pmax((n - 1) * share, 0)
    low <- floor(place + 4 * .Machine$double.eps)
    pick <- function(rank) ifelse(rank >= 1 & rank <= n, x[pmin(pmax(start + rank, 1), max(length(x), 1))], NA_real_)
    below <- pick(low + 1)
    above <- pick(pmin(low + 2, pmax(n, 1)))
    lower <- pick(stats::qbinom(tail, n, share))
    upper <- pick(stats::qbinom(tail, n, share, lower.tail = FALSE) + 1)
    data.frame(group = seq_along(n), share = rep_len(share, length(n)), n = n,
               value = below + ifelse(above == below, 0, pmax(place - low, 0) * (above - below)), lower = lower, upper = upper)
  })
  if (!length(parts)) stop("shares must be at least one number", call. = FALSE)
  result <- do.call(rbind, parts)
  result <- result[order(result$group, method = "radix"), ]
  result$n <- as.double(result$n)
  result$confidence <- rep_len(confidence, nrow(result))
  result$group <- groups$names[result$group]
  rownames(result) <- NULL
  if (is.null(group)) result[-1] else result
}

#' Trend over the last points of a series
#'
#' Chi-square for a linear trend, one degree of freedom: T = sum x (t - mean t), mean weighted by n; T^2 / V, V = p (1 - p)
#' sum n (t - mean t)^2 for proportions, r sum n (t - mean t)^2 for rates. Source: Armitage P (1955) Biometrics 11:375-386;
#' Cochran WG (1954) Biometrics 10:417-451; five points as in the recent trends of Public Health England's Fingertips.
#' It asks whether five yearly counts rise or fall beyond chance. Of months take a control chart: seasons, and variation beyond
#' chance, look like a trend.
#'
#' @param numerator,denominator  per period, in time order
#' @param kind    "proportion" or "rate"
#' @param points  how many of the last points, at least three
#' @return data frame of one row: points, change (of the value per period, by the line through the points, weighted by n),
#'   statistic, p_value, trend ("increasing", "decreasing", "no clear change", "too few points to judge"), confidence. A
#'   missing point or an empty denominator among the last: "too few points to judge"
trend_test <- function(numerator, denominator, kind = c("proportion", "rate"), points = 5, confidence = 0.95) {
  kind <- match.arg(kind)
  check_confidence(confidence)
  points <- check_number(points, "points", 3, 1000, whole = TRUE)
  rows <- check_rows(numerator = check_not_negative(numerator, "numerator"),
                     denominator = check_not_negative(denominator, "denominator"), one = "denominator")
  if (kind == "proportion") check_part_of(rows$numerator, rows$denominator)
  rows <- utils::tail(rows, points)
  known <- sum(!is.na(rows$numerator) & (rows$denominator > 0) %in% TRUE)
  one <- data.frame(points = known, change = NA_real_, statistic = NA_real_, p_value = NA_real_,
                    trend = "too few points to judge", confidence = confidence)
  if (known < points) return(one)
  n <- rows$denominator
  t <- seq_len(points) - sum(n * seq_len(points)) / sum(n)
  share <- sum(rows$numerator) / sum(n)
  total <- sum(rows$numerator * t)
  spread <- sum(n * t^2)
  variance <- share * (if (kind == "proportion") 1 - share else 1) * spread
  one$change <- total / spread
  one$statistic <- if (variance > 0) total^2 / variance else 0
  one$p_value <- stats::pchisq(one$statistic, 1, lower.tail = FALSE)
  clear <- one$p_value < 1 - confidence
  one$trend <- if (!clear) "no clear change" else if (total > 0) "increasing" else "decreasing"
  one
}
