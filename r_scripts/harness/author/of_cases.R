# What a header says of cases, as platform_assets/indicators/script/of_cases.py reads it for the platform.

of_cases <- c("record", "organisation", "date", "outcome", "period", "cases")
amount_words <- paste0("^(\\S+)\\s+(sum|mean|median) of (\\S+)\\s+(-?[0-9]+(?:[.][0-9]+)?)[.][.](-?[0-9]+(?:[.][0-9]+)?)",
                       "\\s+in steps of (-?[0-9]+(?:[.][0-9]+)?)(?:\\s+(.*))?$")
level_words <- "^[A-Za-z0-9][A-Za-z0-9 .+<>=/-]{0,39}$"
most_slices <- 3
most_levels <- 6
not_known <- "not known" # what a case is called that has no value in a slice

# What a script that gives cases declares of them: list(outcomes, amounts, slices, grain, by_organisation), or NULL.
read_cases <- function(header) {
  if (!length(header$outcomes)) return(NULL)
  list(outcomes = names(header$outcomes), amounts = header$amounts, slices = header$slices,
       grain = sub(" .*", "", header$grain),
       by_organisation = grepl(" by organisation$", header$grain))
}

add_of_cases <- function(header, tag, text, wrong) {
  if (tag == "amount") return(add_amount(header, text, wrong))
  for (part in trimws(strsplit(text, ",", fixed = TRUE)[[1]])) {
    name <- sub("\\s.*$", "", part)
    rest <- trimws(substring(part, nchar(name) + 1))
    check_new(name, tag, names(header[[if (tag == "cases") "outcomes" else "slices"]]), wrong)
    if (name %in% of_cases) wrong("@", tag, " cannot be named \"", name, "\": that is a column of the cases")
    if (tag == "cases") header$outcomes[[name]] <- rest
    else header <- add_slice(header, name, rest, wrong)
  }
  header
}

# The values of a characteristic by which people filter their own cases.
add_slice <- function(header, name, text, wrong) {
  levels <- trimws(strsplit(paste0(text, " "), "|", fixed = TRUE)[[1]])
  if (anyDuplicated(levels) || length(levels) < 2 || length(levels) > most_levels) {
    wrong("@slices \"", name, "\": name two to ", most_levels, " values that differ, as in: sex F | M, ",
          "age under 60 | 60 to 79 | 80 and over")
  }
  bad <- levels[!grepl(level_words, levels, perl = TRUE) | levels == not_known]
  if (length(bad)) {
    wrong("@slices \"", name, "\": \"", bad[1], "\" cannot be a value; write at most 40 letters, digits and spaces ",
          "(a missing value is NA)")
  }
  if (length(header$slices) == most_slices) wrong("@slices: at most ", most_slices)
  header$slices[[name]] <- levels
  header
}

# What does not go together; "" where all does.
wrong_cases <- function(header) {
  if (!length(header$outcomes)) {
    return(if (length(header$amounts)) "@amount is of cases: add a line @cases"
           else if (length(header$slices)) "@slices is of cases: add a line @cases" else "")
  }
  taken <- intersect(names(header$slices), vapply(header$amounts, `[[`, "", "column"))
  if (length(taken)) paste0("@slices \"", taken[1], "\" is the column of an @amount, too") else ""
}

add_amount <- function(header, text, wrong) {
  parts <- regmatches(text, regexec(amount_words, text, perl = TRUE))[[1]]
  if (!length(parts)) wrong("cannot read @amount; write: @amount name sum of column 0..1 in steps of 0.5")
  name <- parts[2]
  check_new(name, "amount", names(header$amounts), wrong)
  numbers <- as.numeric(parts[5:7])
  half <- (numbers[2] - numbers[1]) / 2
  if (numbers[1] >= numbers[2] || numbers[3] <= 0) {
    wrong("@amount \"", name, "\": the limits must rise, and the step be above 0")
  }
  if (parts[3] == "sum" && numbers[3] < half) {
    wrong("@amount \"", name, "\": a step must be at least half of what one case can bring (", format(half), ")")
  }
  header$amounts[[name]] <- list(name = name, kind = parts[3], column = parts[4], low = numbers[1], high = numbers[2],
                                 step = numbers[3], help = trimws(parts[8]))
  header
}

# Days on which the process was changed: day -> words, in order.
add_since <- function(header, text, wrong) {
  parts <- regmatches(text, regexec("^([0-9]{4}-[0-9]{2}-[0-9]{2}) (\\S.{0,59})$", text, perl = TRUE))[[1]]
  day <- if (length(parts)) as.Date(parts[2], format = "%Y-%m-%d") else NA
  if (is.na(day)) {
    wrong("@since is \"", text, "\"; write a day and at most 60 letters on what changed: 2026-03-01 new triage")
  }
  if (parts[2] %in% names(header$since)) wrong("@since ", parts[2], " is declared twice")
  header$since[[parts[2]]] <- parts[3]
  header$since <- header$since[order(names(header$since), method = "radix")]
  header
}
