# Will a process meet its target? What a control chart says about a target, in the words of NHS England's "Making data
# count": variation (has it changed?) and assurance (can it be relied on?).
source("../lib/control_charts.R")

#' What a control chart says about its last point, and about a target
#'
#' Variation: the judgement of the last known point. Assurance, by the limits that hold there: a target that lies
#' beyond both limits on the bad side is consistently met, on the good side consistently failed, between them (or on one)
#' met in some periods and missed in others by chance: "hit and miss".
#' Source: NHS England, Making data count: strengthening your decisions (2020); its icons.
#' The limits hold nearly all points of a process that stays as it is; assurance says nothing where the process has just
#' changed: look at variation first.
#'
#' @param chart      what xmr(), t_chart() or g_chart() gives: value, lower, upper, judgement
#' @param target     one number on the scale of the value
#' @param direction  "higher is better" or "higher is worse", as the chart was made with
#' @return data frame of one row: value (the last known), target, lower, upper, variation ("improvement", "concern",
#'   "usual variation", or why nothing can be said), assurance ("consistently meets", "consistently fails", "hit and
#'   miss", "too few points to judge"), icon ("variation / assurance" in short). No known point: "no data"
assurance <- function(chart, target, direction = c("higher is better", "higher is worse")) {
  direction <- match.arg(direction)
  check_columns(chart, c("value", "lower", "upper", "judgement"), "chart")
  numbers <- lapply(c("value", "lower", "upper"), function(name) check_numbers(chart[[name]], paste("column", name)))
  judgement <- as.character(chart$judgement)
  if (length(judgement) != nrow(chart)) stop("column judgement must be text", call. = FALSE)
  stop_at(numbers[[2]] > numbers[[3]], "column lower lies above column upper")
  target <- check_number(target, "target")
  last <- utils::tail(which(!is.na(numbers[[1]])), 1)
  if (!length(last)) {
    return(data.frame(value = NA_real_, target = target, lower = NA_real_, upper = NA_real_, variation = "no data",
                      assurance = "no data", icon = "no data"))
  }
  lower <- numbers[[2]][last]
  upper <- numbers[[3]][last]
  side <- beyond(target, lower, upper)
  if (direction == "higher is worse") side <- -side
  verdict <- c("consistently meets", "hit and miss", "consistently fails")[side + 2]
  if (is.na(side)) verdict <- judgement[last]
  if (is.na(side) && !grepl("^too ", judgement[last])) verdict <- "too few points to judge"
  data.frame(value = numbers[[1]][last], target = target, lower = lower, upper = upper, variation = judgement[last],
             assurance = verdict, icon = paste(short_words(judgement[last]), short_words(verdict), sep = " / "))
}

#' A judgement in a word or two, for a table of icons.
short_words <- function(words) {
  short <- c("usual variation" = "usual", "consistently meets" = "meets", "consistently fails" = "fails",
             "too few points to judge" = "too few", "too little variation to judge" = "too little variation")
  ifelse(words %in% names(short), short[words], words)
}
