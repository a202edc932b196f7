# Input tables for authors: CSV files of sample data, or data frames of their own, held to the header's @input lines.

sample_folder <- function(root) {
  home <- Sys.getenv("DATA_HOME")
  file.path(if (nzchar(home)) home else file.path(dirname(root), "data"), "sample")
}

# Named list of data frames for every declared input: from `given`, else from <folder>/<input>.csv.
read_inputs <- function(header, given, folder) {
  tables <- lapply(names(header$inputs), function(name) {
    declared <- header$inputs[[name]]$columns
    if (!is.null(given[[name]])) return(check_input(given[[name]], declared, name))
    path <- file.path(folder, paste0(name, ".csv"))
    if (!file.exists(path)) {
      there <- sub("[.]csv$", "", list.files(folder, "[.]csv$"))
      fail("input", "there is no sample data for input ", name, ": ", path,
           if (length(there)) paste0("; there is for ", paste(there, collapse = ", ")),
           if (startsWith(header$inputs[[name]]$source, "validated/")) " (run `make sample`, or put a CSV of your own there)"
           else paste0(" (run ", basename(header$inputs[[name]]$source), " and save its data there)"))
    }
    read_sample(path, declared, name)
  })
  names(tables) <- names(header$inputs)
  tables
}

# All columns that the table of each input has: of a data frame given by hand, else of the sample data.
all_columns <- function(header, given, folder) {
  columns <- lapply(names(header$inputs), function(name) {
    if (!is.null(given[[name]])) names(given[[name]]) else csv_columns(file.path(folder, paste0(name, ".csv")))
  })
  names(columns) <- names(header$inputs)
  columns
}

csv_columns <- function(path) {
  if (!file.exists(path)) return(character())
  first <- utils::read.csv(path, colClasses = "character", check.names = FALSE, encoding = "UTF-8", nrows = 1)
  sub("^\ufeff", "", names(first))
}

# The tables that the contracts below the folder `contracts` describe or that there is sample data for: a data frame of
# table, column, type and meaning; NA for a CSV of one's own. Without the package yaml contracts cannot be read: then types
# and meanings come from columns.tsv, which `make sample` writes.
list_columns <- function(folder, contracts) {
  told <- file.path(folder, "columns.tsv")
  known <- contract_columns(contracts)
  if (is.null(known) && file.exists(told)) {
    known <- utils::read.delim(told, colClasses = "character", quote = "", na.strings = character(), encoding = "UTF-8")
  }
  tables <- sort(unique(c(sub("[.]csv$", "", list.files(folder, "[.]csv$")), known$table)), method = "radix")
  rows <- lapply(tables, function(table) {
    columns <- csv_columns(file.path(folder, paste0(table, ".csv")))
    if (!length(columns)) columns <- known$column[known$table == table]
    at <- match(paste(table, columns), paste(known$table, known$column))
    data.frame(
      table = table, column = columns, type = if (is.null(known)) NA_character_ else known$type[at],
      meaning = if (is.null(known)) NA_character_ else known$meaning[at]
    )
  })
  if (length(rows)) do.call(rbind, rows)
  else data.frame(table = character(), column = character(), type = character(), meaning = character())
}

# Table, column, type and meaning of every dataset; NULL where there are none, or they cannot be read.
contract_columns <- function(folder) {
  files <- if (!is.null(folder)) list.files(folder, "^defs[.]yaml$", recursive = TRUE, full.names = TRUE)
  if (!length(files) || !requireNamespace("yaml", quietly = TRUE)) return(NULL)
  rows <- lapply(files, function(file) {
    # one that is being written, and no YAML yet, takes no other with it
    read <- tryCatch(yaml::read_yaml(file, handlers = list(`bool#yes` = identity, `bool#no` = identity)), error = function(e) NULL)
    attributes <- read$attributes
    if (!identical(read$type, "platform_assets.components.Dataset") || !length(attributes$columns)) return(NULL)
    data.frame(
      table = attributes$name, column = names(attributes$columns),
      type = vapply(attributes$columns, function(column) contract_types[[column$type]], "", USE.NAMES = FALSE),
      meaning = vapply(attributes$columns, function(column) {
        gsub("[[:space:]]+", " ", trimws(if (is.null(column$description)) "" else column$description))
      }, "", USE.NAMES = FALSE)
    )
  })
  do.call(rbind, rows)
}

# The type to write in an @input line for a column of each type of a contract.
contract_types <- list(
  string = "text", categorical = "text", integer = "integer", decimal = "number", float = "number", boolean = "flag",
  date = "date", timestamp = "time"
)

# A data frame given by hand, reduced to the declared columns.
check_input <- function(table, declared, input) {
  check_present(names(table), declared, input)
  columns <- lapply(names(declared), function(column) {
    check_column(table[[column]], column, declared[[column]], nrow(table), kind = "input",
                 says = paste0("input ", input, ": "), tag = "@input")
  })
  names(columns) <- names(declared)
  as_frame(columns, nrow(table))
}

# A CSV file (UTF-8, commas, a header line; an empty field or NA is missing), read by the declared types.
read_sample <- function(path, declared, input) {
  text <- utils::read.csv(
    path, colClasses = "character", na.strings = c("", "NA"), check.names = FALSE, encoding = "UTF-8", strip.white = TRUE
  )
  Encoding(names(text)) <- "UTF-8"
  names(text)[1] <- sub("^\ufeff", "", names(text)[1]) # the mark that Excel puts first
  check_present(names(text), declared, input)
  columns <- lapply(names(declared), function(column) {
    as_type(text[[column]], declared[[column]]$type, function(row, example) {
      fail("input", "input ", input, ": column ", quoted(column), " is not <", declared[[column]]$type, "> in row ",
           row, " of ", basename(path), ": write ", example)
    })
  })
  names(columns) <- names(declared)
  as_frame(columns, nrow(text))
}

check_present <- function(actual, declared, input) {
  missing <- setdiff(names(declared), actual)
  if (length(missing)) {
    fail("input", "input ", input, ": the table has no column ", paste(quoted(missing), collapse = ", "),
         "; it has ", paste(actual, collapse = ", "))
  }
}

as_type <- function(text, type, wrong) {
  check <- function(value, example) {
    bad <- which(is.na(value) & !is.na(text))
    if (length(bad)) wrong(bad[1], example)
    value
  }
  numbers <- function() suppressWarnings(as.numeric(text))
  switch(type,
    text = text,
    integer = {
      value <- check(ifelse(grepl("^[+-]?[0-9]+$", text), numbers(), NA), "a whole number such as 5")
      if (all(abs(value) <= .Machine$integer.max, na.rm = TRUE)) as.integer(value) else value
    },
    number = check(numbers(), "a number such as 1.5"),
    flag = check(as.logical(c("TRUE", "FALSE")[match(toupper(text), c("TRUE", "FALSE"))]), "TRUE or FALSE"),
    date = check(as.Date(text, format = "%Y-%m-%d"), "a date such as 2020-03-01"),
    time = {
      plain <- sub("T", " ", sub("(Z|[+]00(:?00)?)$", "", text))
      value <- as.POSIXct(plain, tz = "UTC", format = "%Y-%m-%d %H:%M:%OS")
      minutes <- is.na(value)
      value[minutes] <- as.POSIXct(plain[minutes], tz = "UTC", format = "%Y-%m-%d %H:%M")
      check(value, "a time such as 2020-03-01 12:30:00")
    }
  )
}
