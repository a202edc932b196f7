# From cases to the counts that figures are made of, as they are before anything is protected: what an author sees.
# The platform counts in its engine (platform_assets/releases/counting.py); a test holds the two together.

# The columns of the cases that a script with @cases returns.
case_columns <- function(cases) {
  plain <- function(type) list(type = type, minimum = NULL, maximum = NULL)
  columns <- list(record = plain("text"))
  if (cases$by_organisation) columns$organisation <- plain("text")
  columns$date <- plain("date")
  columns$outcome <- plain("text")
  for (amount in cases$amounts) columns[[amount$column]] <- plain("number")
  for (slice in names(cases$slices)) columns[[slice]] <- plain("text")
  columns
}

# One row per organisation and period that has cases: the number of each outcome, whether it is hidden (here: never) and
# with what variance protection has moved it (here: none), amounts.
exact_atoms <- function(data, cases) {
  data <- data[!is.na(data$date), , drop = FALSE]
  if (cases$by_organisation) data <- data[!is.na(data$organisation), , drop = FALSE]
  unknown <- setdiff(data$outcome, cases$outcomes)
  if (length(unknown)) {
    fail("wrong_output", "column \"outcome\" has a value that @cases does not name; it names ",
         paste(cases$outcomes, collapse = ", "))
  }
  for (slice in names(cases$slices)) {
    if (!all(data[[slice]] %in% c(cases$slices[[slice]], NA))) {
      fail("wrong_output", "column \"", slice, "\" has a value that @slices does not name; it names ",
           paste(cases$slices[[slice]], collapse = " | "))
    }
  }
  period <- first_day(data$date, cases$grain)
  key <- if (cases$by_organisation) paste(format(period), data$organisation) else format(period)
  order <- order(key, method = "radix")
  cells <- split(seq_along(key)[order], factor(key[order], unique(key[order])))
  first <- vapply(cells, `[`, 1L, 1L)
  atoms <- list()
  if (cases$by_organisation) atoms$organisation <- as.character(data$organisation[first])
  atoms$period <- as.Date(period[first])
  for (outcome in cases$outcomes) {
    atoms[[outcome]] <- vapply(cells, function(rows) sum(data$outcome[rows] == outcome), 1L, USE.NAMES = FALSE)
    atoms[[paste0(outcome, "_hidden")]] <- rep(FALSE, length(cells))
    atoms[[paste0(outcome, "_variance")]] <- rep(0, length(cells))
  }
  for (amount in cases$amounts) {
    value <- pmin(pmax(data[[amount$column]], amount$low), amount$high)
    atoms[[amount$name]] <- vapply(cells, function(rows) {
      known <- value[rows][!is.na(value[rows])]
      if (!length(known)) NA_real_ else as.double(switch(amount$kind, sum = sum(known), mean = mean(known), median = stats::median(known)))
    }, 1, USE.NAMES = FALSE)
  }
  as_frame(atoms, length(cells))
}

# The first day of the week (Monday), month, quarter or year that a day lies in.
first_day <- function(day, grain) {
  parts <- as.POSIXlt(day)
  if (grain == "week") return(day - (parts$wday + 6) %% 7)
  month <- switch(grain, month = parts$mon, quarter = parts$mon %/% 3 * 3, year = 0 * parts$mon)
  as.Date(sprintf("%04d-%02d-01", as.integer(1900 + parts$year), as.integer(month + 1)), format = "%Y-%m-%d")
}
