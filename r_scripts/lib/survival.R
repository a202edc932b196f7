# Time to an event, where not everyone was followed to the end: Kaplan-Meier, cumulative incidence with competing events,
# Cox regression, and events against those expected of the time at risk. Patients in, one row per time or unit out.
source("../lib/casemix.R")

#' Kaplan-Meier: the share without the event by time
#'
#' S(t) = product over event times of (1 - d / n); Greenwood's variance; limits on the log(-log) scale, which stay between
#' 0 and 1 and hold for few patients. Source: Kaplan EL, Meier P (1958) J Am Stat Assoc 53:457-481; Kalbfleisch JD, Prentice
#' RL (1980) The Statistical Analysis of Failure Time Data, p 14. As survfit(conf.type = "log-log") of package survival.
#' Where another event (death) makes the first impossible it answers what nobody asks: take [cumulative_incidence].
#'
#' @param time   from the start to the event or to the end of follow-up, 0 or more
#' @param event  did the event end it? TRUE/FALSE or 1/0; of events and ends at one time events come first
#' @param group  to do it apart for, or NULL
#' @return data frame, a row per group and time: group (if given; in order of appearance), time, at_risk, events, left
#'   (ends of follow-up), value, lower, upper, standard_error, confidence. Until the first event: value 1 and no limits;
#'   where it reaches 0: no limits. Patients without time or event count nowhere
kaplan_meier <- function(time, event, group = NULL, confidence = 0.95) {
  z <- normal_quantile(confidence)
  table <- risk_table(time, check_outcome(event, "event"), group)
  running_sum <- running_sums(table$of)
  after <- table$at_risk - table$events
  share <- table$events / table$at_risk
  value <- exp(running_sum(log1p(-share * (after > 0))))
  value[running_sum(after == 0) > 0] <- 0
  error <- sqrt(running_sum(share / pmax(after, 1) * (after > 0))) # of log(value)
  logarithm <- log(value)
  spread <- exp(z * error / logarithm)
  spread[value == 0 | value == 1] <- NA_real_
  table$value <- value
  table$lower <- exp(logarithm / spread)
  table$upper <- exp(logarithm * spread)
  table$standard_error <- value * error
  table$standard_error[value == 0] <- NA_real_
  table$confidence <- rep_len(confidence, nrow(table))
  table[setdiff(names(table), "of")]
}

#' Cumulative incidence: the share that had each event first, by time (Aalen-Johansen)
#'
#' F_k(t) = sum over event times of S(t-) d_k / n, S of any event; variance by the delta method; limits on the log(-log)
#' scale. Source: Aalen OO, Johansen S (1978) Scand J Stat 5:141-150; Marubini E, Valsecchi MG (1995) Analysing Survival
#' Data, ch 10. The shares of all events and of none add up to 1, which those of Kaplan-Meier do not.
#'
#' @param event  what ended it: text or a factor; `none` where follow-up ended without one
#' @param none   the name of that end
#' @inheritParams kaplan_meier
#' @return data frame, a row per group, event and time: group (if given), event, time, at_risk, events (of this kind),
#'   value, lower, upper, standard_error, confidence. Before the first event of a kind: 0 and no limits
cumulative_incidence <- function(time, event, group = NULL, none = "none", confidence = 0.95) {
  z <- normal_quantile(confidence)
  none <- check_text(none, "none")
  kinds <- event_kinds(event, none)
  table <- risk_table(time, kinds$index, group, seq_along(kinds$names))
  rows <- nrow(table)
  running_sum <- running_sums(table$of)
  n <- table$at_risk
  all <- table$any
  left <- n - all
  after <- exp(running_sum(log1p(-all / n * (left > 0))))
  after[running_sum(left == 0) > 0] <- 0
  before <- c(1, after)[seq_len(rows)]
  before[!duplicated(table$of)] <- 1
  a <- all / n / pmax(left, 1) * (left > 0) # where nobody is left, nobody can have the event
  sum_a <- running_sum(a)
  curves <- lapply(seq_along(kinds$names), function(kind) {
    events <- table[[events_column(kind)]]
    c <- before / n * events / n
    b <- before * c * (n - events) / n
    value <- running_sum(before * events / n)
    variance <- value^2 * sum_a - 2 * value * running_sum(a * value + c) + running_sum(a * value^2 + b + 2 * c * value)
    everyone <- value > 1 - 1e-12 # but for rounding
    value[everyone] <- 1
    variance[everyone] <- 0
    data.frame(events = events, value = value, standard_error = sqrt(pmax(variance, 0)))
  })
  column <- function(name) unlist(lapply(curves, `[[`, name))
  value <- as.double(column("value"))
  error <- as.double(column("standard_error"))
  inside <- value > 0 & value < 1 & error > 0
  logarithm <- log(value)
  spread <- exp(z * error / (value * logarithm))
  spread[!inside] <- NA_real_
  times <- rep.int(seq_len(rows), length(curves))
  result <- data.frame(event = rep(as.character(kinds$names), each = rows), time = table$time[times],
                       at_risk = n[times], events = as.double(column("events")), value = value,
                       lower = exp(logarithm / spread), upper = exp(logarithm * spread), standard_error = error,
                       confidence = rep_len(confidence, length(value)))
  if (is.null(group)) result else cbind(group = table$group[times], result)
}

#' The names of kinds of event, and each patient's kind: 0 none, NA not known.
event_kinds <- function(event, none) {
  if (!(is.character(event) || is.factor(event) || (is.logical(event) && all(is.na(event)))) || length(dim(event)) > 1) {
    stop("event must be text or a factor, not ", class(event)[1], call. = FALSE)
  }
  text <- as.character(event)
  names <- sort(setdiff(text[!is.na(text)], none), method = "radix")
  list(names = names, index = ifelse(is.na(text), NA_real_, ifelse(text == none, 0, match(text, names))))
}

#' Patients at risk and events at every time of every group
#'
#' @param event  0 none, 1 an event; or, with `kinds`, the number of its kind: all end the time at risk
#' A data frame: group (if given), time, at_risk, left, of (number of the group), and events; or, with `kinds`, any (events
#' of any kind) and a column of events for each
risk_table <- function(time, event, group, kinds = NULL) {
  rows <- check_rows(time = check_not_negative(time, "time"), event = event)
  groups <- check_groups(if (is.null(group)) rep(1L, nrow(rows)) else group, nrow(rows))
  used <- which(!is.na(rows$time) & !is.na(rows$event))
  used <- used[order(groups$index[used], rows$time[used], method = "radix")]
  of <- groups$index[used]
  time <- rows$time[used]
  event <- rows$event[used]
  last <- which(c(of[-1] != of[-length(of)] | time[-1] != time[-length(time)], TRUE)[seq_along(of)])
  # Sums of neighbours by differences of running sums: rows of a time are together.
  total <- function(x) diff(c(0, cumsum(as.double(x))[last]))
  any <- total(event > 0)
  here <- total(rep(1, length(event)))
  of <- of[last]
  ended <- running_sums(of)(here)
  at_risk <- tabulate(groups$index[used], length(groups$names))[of] - ended + here
  columns <- list(time = time[last], at_risk = at_risk)
  if (!is.null(group)) columns <- c(list(group = groups$names[of]), columns)
  if (is.null(kinds)) columns$events <- any else columns$any <- any
  for (kind in kinds) columns[[events_column(kind)]] <- total(event == kind)
  data.frame(columns, left = here - any, of = of)
}

events_column <- function(kind) paste0("events_", kind)

#' A function that gives running sums that start afresh with each group; rows of a group are neighbours.
running_sums <- function(of) {
  first <- c(TRUE, of[-1] != of[-length(of)])[seq_along(of)]
  start <- which(first)
  place <- cumsum(first)
  function(x) {
    total <- cumsum(as.double(x))
    total - c(0, total[start[-1] - 1])[place]
  }
}

#' The share at given times, from a curve
#'
#' @param curve  what [kaplan_meier] or [cumulative_incidence] gives
#' @param times  times to read it at
#' @return data frame: group and event (if the curve has them), time, value, lower, upper. Before the first time of a
#'   curve 1, or 0 for incidence; after its last, where nobody is followed any more: NA (unless it has reached 0)
curve_at <- function(curve, times) {
  check_columns(curve, c("time", "value", "lower", "upper", "at_risk"), "curve")
  times <- check_not_negative(times, "times")
  stop_at(is.na(times), "times is missing")
  for (name in c("time", "value", "lower", "upper")) curve[[name]] <- check_numbers(curve[[name]], paste("column", name))
  keys <- intersect(c("group", "event"), names(curve))
  start <- if ("event" %in% keys) 0 else 1
  key <- if (length(keys)) do.call(paste, c(lapply(curve[keys], as.character), sep = "\r")) else rep("", nrow(curve))
  parts <- split(seq_len(nrow(curve)), factor(key, unique(key)))
  rows <- lapply(parts, function(rows) {
    part <- curve[rows, ]
    stop_at(c(FALSE, diff(part$time) < 0) | is.na(part$time), "curve must be in order of time within each group")
    at <- findInterval(times, part$time)
    last <- times > max(part$time) & part$value[nrow(part)] > 0
    pick <- function(column, first) ifelse(last, NA_real_, c(first, part[[column]])[at + 1])
    data.frame(part[rep(1, length(times)), keys, drop = FALSE], time = times, value = pick("value", start),
               lower = pick("lower", NA_real_), upper = pick("upper", NA_real_), row.names = NULL)
  })
  if (!length(rows)) return(curve[0, c(keys, "time", "value", "lower", "upper")])
  result <- do.call(rbind, rows)
  rownames(result) <- NULL
  result
}

#' Cox regression: what makes an event come sooner
#'
#' Proportional hazards, Efron's ties, by coxph() of package survival; test of proportional hazards by cox.zph().
#' Source: Cox DR (1972) J R Stat Soc B 34:187-220; Grambsch PM, Therneau TM (1994) Biometrika 81:515-526.
#'
#' @param data     one row per patient; rows with a missing number or characteristic are not used
#' @param time,event  names of the columns; event TRUE/FALSE or 1/0
#' @param characteristics  names of columns, known at the start
#' @return data frame: term, estimate, standard_error, ratio (hazard ratio), lower, upper (Wald), proportional_p (of the
#'   characteristic; under 0.05 its ratio changes with time, and one number does not tell it), patients, events. A
#'   characteristic of which a group has no events: a warning
cox_model <- function(data, time, event, characteristics, confidence = 0.95) {
  z <- normal_quantile(confidence)
  names <- c(check_name(time, "time"), check_name(event, "event"), check_name(characteristics, "characteristics", many = TRUE))
  check_columns(data, names)
  if (length(names) < 3) stop("characteristics must be the name of at least one column", call. = FALSE)
  if (anyDuplicated(names)) stop("time, event and characteristics must be different columns", call. = FALSE)
  used <- as.data.frame(data)[names]
  for (name in characteristics) check_characteristic(used[[name]], name)
  used[[time]] <- check_not_negative(used[[time]], paste("column", time))
  used[[event]] <- check_outcome(used[[event]], paste("column", event))
  used <- used[stats::complete.cases(used), ]
  for (name in characteristics) {
    if (length(unique(used[[name]])) < 2) stop("characteristic ", name, " has the same value in every row", call. = FALSE)
  }
  if (!sum(used[[event]])) stop("no patient with all characteristics has the event", call. = FALSE)
  terms <- paste0("`", characteristics, "`")
  formula <- stats::as.formula(paste0("survival::Surv(`", time, "`, `", event, "`) ~ ", paste(terms, collapse = " + ")))
  wide <- character()
  fit <- withCallingHandlers(survival::coxph(formula, used, model = TRUE), warning = function(w) {
    wide <<- c(wide, conditionMessage(w))
    invokeRestart("muffleWarning")
  })
  estimate <- stats::coef(fit)
  error <- sqrt(diag(stats::vcov(fit)))
  known <- !is.na(estimate)
  if (length(wide) || any(error[known] > 10 / pmax(apply(stats::model.matrix(fit)[, known, drop = FALSE], 2, stats::sd), 1e-9))) {
    warning("the data do not determine every effect: a group has no events, or only events", call. = FALSE)
  }
  proportional <- tryCatch(survival::cox.zph(fit)$table[, "p"], error = function(e) NULL)
  owner <- rep(names(fit$assign), lengths(fit$assign))
  limit <- function(side) exp(pmax(pmin(estimate + side * z * error, 600), -600))
  result <- data.frame(term = names(estimate), estimate = unname(estimate), standard_error = unname(error),
                       ratio = unname(exp(estimate)), lower = unname(limit(-1)), upper = unname(limit(1)),
                       proportional_p = if (is.null(proportional)) NA_real_ else unname(proportional[owner]),
                       patients = fit$n, events = fit$nevent)
  result[known, ]
}

#' Events expected of each patient's time at risk
#'
#' time x the rate of the patient's stratum (age group, sex, diagnosis) among all patients together: events / time. Give
#' observed_expected(group, event, expected, family = "poisson") the result for O / E by unit with exact limits.
#' Source: Breslow NE, Day NE (1987) Statistical Methods in Cancer Research II, ch 2; Berry G (1983) The analysis of
#' mortality by the subject-years method, Biometrics 39:173-184.
#' It takes the rate to be the same throughout follow-up; where it is not (risk is highest just after an operation), split
#' time into intervals, a row for each, and make the interval part of the stratum.
#'
#' @param time     time at risk per patient (or per interval), in any unit
#' @param event    did it end with the event?
#' @param stratum  what the rate is taken by, or NULL for one rate
#' @return data frame, a row per patient: time, event, rate (of the stratum), expected. A patient without time or event
#'   has NA and counts in no rate; a stratum without time at risk: NA
person_time_expected <- function(time, event, stratum = NULL) {
  rows <- check_rows(time = check_not_negative(time, "time"), event = check_outcome(event, "event"))
  strata <- check_groups(if (is.null(stratum)) rep(1L, nrow(rows)) else stratum, nrow(rows), "stratum")
  used <- !is.na(rows$time) & !is.na(rows$event)
  sums <- group_sums(list(time = ifelse(used, rows$time, 0), event = ifelse(used, rows$event, 0)), strata)
  rate <- ifelse(sums$time > 0, sums$event / sums$time, NA_real_)[strata$index]
  data.frame(rows, rate = rate, expected = ifelse(used, rows$time * rate, NA_real_))
}
