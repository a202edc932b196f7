# Reads an indicator's header from the text of its file, as platform_assets/indicators/script/header.py does for the
# platform. One grammar, two readers: a test compares what they read and every message.

column_types <- c("text", "integer", "number", "flag", "date", "time")
single_tags <- c("unit", "direction", "version", "owner", "minimum_n", "grain", "settles", "publish", "figure", "target",
                 "case_mix")
header_tags <- c("input", "param", "output", "plot", "cases", "amount", "slices", "since", single_tags)
owner_words <- "^(team:[A-Za-z0-9_.-]+|[A-Za-z0-9_][A-Za-z0-9._%+-]*@[A-Za-z0-9.-]+[.][A-Za-z]{2,7})$"
directions <- c("higher is better", "higher is worse", "neutral")
number_words <- "-?[0-9]+(?:[.][0-9]+)?"
# Tag -> what it must look like, and what to write instead.
single_forms <- list(
  minimum_n = c("^([0-9]+) of (\\S+)$", "a number and the column that it is of: 20 of stays"),
  grain = c("^(week|month|quarter|year)( by organisation)?$",
            "week, month, quarter or year, alone or with: by organisation"),
  settles = c("^([0-9]+) (days|weeks)$", "how long after its end a period is complete: 8 weeks"),
  figure = c(paste0("^value (\\w+)(?:, unit (\\w+))?(?:, time (\\w+))?(?:, size (\\w+))?(?:, reference ([\\w.]+))?",
                    "(?:, missing (\\w+))?$"),
             "which column is what: value ratio, unit organisation, size expected, reference 1, missing left_out"),
  target = c(paste0("^(", number_words, ") (\\S.*)$"), "a number and who asks for it: 0.95 NHS Constitution"),
  publish = c("^public .{10,}$", "public, and why the table may be published as it is")
)
table_name <- "^[a-z][a-z0-9_]*$"

# list(name, script, files, title, description, inputs, params, outputs, plots, unit, direction, ...), or an error
# that begins with file and line.
read_header <- function(path) {
  path <- normalizePath(path, winslash = "/", mustWork = FALSE)
  code <- read_code(path)
  header <- list(
    name = sub("[.][Rr]$", "", basename(path)), script = path, title = "", description = "", inputs = list(),
    params = list(), outputs = list(), plots = list(), outcomes = list(), amounts = list(), slices = list(),
    since = list(), unit = "", direction = "neutral", version = "1", owner = "", minimum_n = NULL, grain = NULL, settles = NULL, publish = NULL,
    figure = NULL, target = NULL, case_mix = NULL
  )
  read <- header_lines(path, code)
  for (tag in read$tags) header <- add_tag(header, tag)
  prose <- read$prose
  while (length(prose) && prose[1] == "") prose <- prose[-1]
  if (!length(prose)) header_error(path, 1, "no title; begin the file with a line such as #' Admissions by province")
  header$title <- prose[1]
  header$description <- trimws(paste(prose[-1], collapse = "\n"))
  if (!length(header$inputs)) {
    header_error(path, NULL, "no @input line; write: #' @input table column <type>, column <type>")
  }
  if (!length(header$outputs)) {
    header_error(path, NULL, "no @output line; write: #' @output column <type>, column <type>")
  }
  check_together(path, header)
  check_function(path, code, header)
  header$files <- sourced_files(path, code)
  header
}

# Tags that only make sense with others.
check_together <- function(path, header) {
  minimum <- read_minimum(header)
  if (!is.null(minimum) && !identical(header$outputs[[minimum$of]]$type, "integer")) {
    header_error(path, NULL, "@minimum_n: \"", minimum$of, "\" is no <integer> column of @output")
  }
  for (tag in c("grain", "settles")) {
    if ((length(header$outcomes) > 0) != !is.null(header[[tag]])) {
      header_error(path, NULL, "@cases, @grain and @settles go together: write all three, or none")
    }
  }
  wrong <- wrong_cases(header)
  if (nzchar(wrong)) header_error(path, NULL, wrong)
  if (length(header$outcomes) && !is.null(header$publish)) {
    header_error(path, NULL, "@publish public is for tables that are published as they are: leave out @cases")
  }
  check_figure(path, header)
  if (length(header$since) && is.null(read_figure(header)$time)) {
    header_error(path, NULL, "@since is drawn over time: name the column of the period in @figure ... time")
  }
}

# The parts of @figure name columns of @output, or an outcome.
check_figure <- function(path, header) {
  figure <- read_figure(header)
  kinds <- list(value = c("number", "integer"), unit = "text", time = "date", size = c("number", "integer"),
                reference = "number")
  for (part in names(kinds)) {
    name <- figure[[part]]
    if (is.null(name) || (part == "reference" && grepl(paste0("^", number_words, "$"), name, perl = TRUE))) next
    if (!isTRUE(header$outputs[[name]]$type %in% kinds[[part]])) {
      header_error(path, NULL, "@figure ", part, ": \"", name, "\" is no <", kinds[[part]][1], "> column of @output")
    }
  }
  if (!is.null(figure$missing) && !figure$missing %in% names(header$outcomes)) {
    header_error(path, NULL, "@figure missing: \"", figure$missing, "\" is no outcome of @cases")
  }
}

# How the published table is read: list(value, unit, time, size, reference, missing), without what is not named; or NULL.
read_figure <- function(header) {
  if (is.null(header$figure)) return(NULL)
  parts <- regmatches(header$figure, regexec(single_forms$figure[1], header$figure, perl = TRUE))[[1]][-1]
  names(parts) <- c("value", "unit", "time", "size", "reference", "missing")
  as.list(parts[nzchar(parts)])
}

# list(n, of), or NULL.
read_minimum <- function(header) {
  if (is.null(header$minimum_n)) return(NULL)
  parts <- regmatches(header$minimum_n, regexec(single_forms$minimum_n[1], header$minimum_n))[[1]]
  list(n = as.integer(parts[2]), of = parts[3])
}

header_error <- function(path, line, ...) {
  place <- if (is.null(line)) basename(path) else paste(basename(path), "line", line)
  fail("header", place, ": ", ..., file = path, line = line)
}

read_code <- function(path) {
  if (!file.exists(path)) header_error(path, NULL, "there is no such file")
  lines <- readLines(path, warn = FALSE)
  bad <- which(!validUTF8(lines))
  if (length(bad)) {
    header_error(path, bad[1], "this is not UTF-8 text; in RStudio: File, Save with Encoding, UTF-8")
  }
  Encoding(lines) <- "UTF-8"
  sub("^\ufeff", "", lines)
}

# The first block of #' lines: prose, then tags with their continuation lines joined.
header_lines <- function(path, code) {
  roxygen <- startsWith(code, "#'")
  first <- which(roxygen)[1]
  if (is.na(first)) return(list(prose = character(), tags = list()))
  last <- first + rle(roxygen[first:length(code)])$lengths[1] - 1
  prose <- character()
  tags <- list()
  open <- FALSE
  for (number in first:last) {
    body <- trimws(substring(code[number], 3))
    if (startsWith(body, "@")) {
      tag <- sub("^@(\\S*).*$", "\\1", body)
      tags[[length(tags) + 1]] <- list(
        path = path, line = number, tag = tag, text = trimws(substring(body, nchar(tag) + 2))
      )
      open <- TRUE
    } else if (!length(tags)) {
      prose <- c(prose, body)
    } else if (body == "") {
      open <- FALSE
    } else if (open) {
      tags[[length(tags)]]$text <- paste(tags[[length(tags)]]$text, body)
    } else {
      header_error(path, number, "text after the tags; write the description above the first tag")
    }
  }
  list(prose = prose, tags = tags)
}

add_tag <- function(header, tag) {
  wrong <- function(...) header_error(tag$path, tag$line, ...)
  if (!tag$tag %in% header_tags) {
    wrong("unknown tag @", tag$tag, "; the tags are ", paste0("@", header_tags, collapse = ", "))
  }
  if (tag$text == "") wrong("@", tag$tag, " is empty")
  switch(tag$tag,
    input = add_input(header, tag$text, wrong),
    param = add_param(header, tag$text, wrong),
    output = {
      for (column in read_columns("output", tag$text, wrong)) {
        if (column$name %in% names(header$outputs)) wrong("column \"", column$name, "\" is declared twice")
        header$outputs[[column$name]] <- column
      }
      header
    },
    plot = {
      name <- sub("\\s.*$", "", tag$text)
      check_new(name, "plot", names(header$plots), wrong)
      if (name == "data") wrong("@plot cannot be named \"data\": that is the name of the table")
      title <- trimws(substring(tag$text, nchar(name) + 1))
      header$plots[[name]] <- if (nzchar(title)) title else name
      header
    },
    cases = , amount = , slices = add_of_cases(header, tag$tag, tag$text, wrong),
    since = add_since(header, tag$text, wrong),
    add_single(header, tag, wrong)
  )
}

check_new <- function(name, tag, known, wrong) {
  if (!grepl(table_name, name)) {
    wrong("@", tag, " \"", name, "\": a name has small letters, digits and _, and starts with a letter")
  }
  if (name %in% known) wrong("@", tag, " \"", name, "\" is declared twice")
}

add_input <- function(header, text, wrong) {
  parts <- regmatches(text, regexec("^(\\S+)(\\s+from\\s+([^<[:space:]]\\S*))?(\\s+(.*))?$", text))[[1]]
  name <- parts[2]
  check_new(name, "input", names(header$inputs), wrong)
  if (name == "params") wrong("@input cannot be named \"params\": that is the argument for parameters")
  source <- if (nzchar(parts[4])) parts[4] else paste0("validated/", name)
  if (!grepl("^[a-z][a-z0-9_]*/[a-z][a-z0-9_]*$", source)) {
    wrong("cannot read \"from ", source, "\"; write layer/table, as in: from indicators/other")
  }
  columns <- read_columns("input", parts[6], wrong)
  if (!length(columns)) {
    wrong("@input \"", name, "\" names no columns; write: @input ", name, " column <type>, ...")
  }
  names <- vapply(columns, `[[`, "", "name")
  if (anyDuplicated(names)) wrong("column \"", names[duplicated(names)][1], "\" is declared twice")
  names(columns) <- names
  header$inputs[[name]] <- list(source = source, columns = columns)
  header
}

add_param <- function(header, text, wrong) {
  parts <- regmatches(text, regexec("^(\\S+)\\s+<(\\w+)>\\s*(.*)$", text))[[1]]
  if (!length(parts)) wrong("cannot read @param; write: @param name <type> what it does, default value")
  name <- parts[2]
  check_new(name, "param", names(header$params), wrong)
  check_type(parts[3], wrong)
  rest <- regmatches(parts[4], regexec("^(.*?),?\\s*\\bdefault\\s+(.+)$", parts[4], perl = TRUE))[[1]]
  default <- if (length(rest)) trimws(rest[3])
  if (!is.null(default)) {
    tryCatch(read_value(parts[3], default, name), indicator_failure = function(e) {
      wrong("default of @param ", name, ": ", sub("^parameter [^:]*: ", "", conditionMessage(e)))
    })
  }
  header$params[[name]] <- list(
    type = parts[3], help = trimws(if (length(rest)) rest[2] else parts[4]), default = default
  )
  header
}

add_single <- function(header, tag, wrong) {
  if (tag$tag %in% header$singles) wrong("@", tag$tag, " is declared twice")
  if (tag$tag == "direction" && !tag$text %in% directions) {
    wrong("@direction is \"", tag$text, "\"; write one of: ", paste(directions, collapse = ", "))
  }
  if (tag$tag == "owner" && !grepl(owner_words, tag$text)) {
    wrong("@owner is \"", tag$text, "\"; write team:name or an e-mail address")
  }
  form <- single_forms[[tag$tag]]
  if (!is.null(form) && !grepl(form[1], tag$text, perl = TRUE)) {
    wrong("@", tag$tag, " is \"", tag$text, "\"; write ", form[2])
  }
  header$singles <- c(header$singles, tag$tag)
  header[[tag$tag]] <- tag$text
  header
}

check_type <- function(type, wrong) {
  if (!type %in% column_types) {
    wrong("unknown type <", type, ">; the types are ", paste(column_types, collapse = ", "))
  }
}

# `name <type>, name <type> note, ...`: a list of columns.
read_columns <- function(tag, text, wrong) {
  unreadable <- function(part) {
    wrong("@", tag, ": cannot read \"", gsub("^[ ,]+|[ ,]+$", "", part), "\"; write: column <type>, column <type>")
  }
  found <- gregexpr("(?:`[^`]+`|[^\\s,<>`]+)\\s*<[^<>]*>", text, perl = TRUE)[[1]]
  starts <- as.integer(found)
  if (starts[1] == -1) {
    if (nzchar(text)) unreadable(text)
    return(list())
  }
  ends <- starts + attr(found, "match.length")
  head <- substr(text, 1, starts[1] - 1)
  if (nzchar(gsub("[ ,]", "", head))) unreadable(head)
  lapply(seq_along(starts), function(i) {
    rest <- trimws(substr(text, ends[i], c(starts, nchar(text) + 1)[i + 1] - 1))
    listed <- startsWith(rest, ",")
    note <- if (listed) "" else sub("[, ]+$", "", rest)
    if ((listed && nzchar(gsub("[ ,]", "", rest))) || (nzchar(note) && tag == "input")) unreadable(rest)
    read_column(substr(text, starts[i], ends[i] - 1), note, wrong)
  })
}

read_column <- function(declared, note, wrong) {
  name <- gsub("^`|`$", "", trimws(sub("<[^<>]*>$", "", declared)))
  type <- sub("^.*<([^<>]*)>$", "\\1", declared)
  pattern <- "^(\\w+)(?:\\s+(-?[\\d.]+?)?\\.\\.(-?\\d[\\d.]*)?)?$"
  parts <- regmatches(trimws(type), regexec(pattern, trimws(type), perl = TRUE))[[1]]
  if (!length(parts)) {
    wrong("cannot read <", type, ">; write <number>, or <number 0..100> for the values allowed")
  }
  check_type(parts[2], wrong)
  limits <- parts[3:4]
  if (any(nzchar(limits)) && !parts[2] %in% c("integer", "number")) {
    wrong("<", type, ">: only an integer or number column can have limits")
  }
  numbers <- suppressWarnings(as.numeric(limits))
  if (any(nzchar(limits) & is.na(numbers))) wrong("cannot read the limits of <", type, ">; write <number 0..100>")
  list(
    name = name, type = parts[2], help = note, minimum = if (nzchar(limits[1])) numbers[1],
    maximum = if (nzchar(limits[2])) numbers[2]
  )
}

# --- Code ------------------------------------------------------------------------------------------------------

# The function and its arguments, from the parsed file. A file that does not parse is left to load_script(), which
# shows the line.
check_function <- function(path, code, header) {
  name <- header$name
  if (!grepl(table_name, name)) {
    header_error(path, NULL, "\"", name, "\": a file name has small letters, digits and _, and starts with a letter")
  }
  parsed <- tryCatch(parse(text = code, keep.source = TRUE, encoding = "UTF-8"), error = function(e) NULL)
  if (is.null(parsed)) return()
  functions <- list()
  for (i in seq_along(parsed)) {
    e <- parsed[[i]]
    assigned <- is.call(e) && (identical(e[[1]], quote(`<-`)) || identical(e[[1]], quote(`=`)))
    if (assigned && is.call(e[[3]]) && identical(e[[3]][[1]], quote(`function`))) {
      functions[[as.character(e[[2]])]] <- list(
        arguments = names(e[[3]][[2]]), line = attr(parsed, "srcref")[[i]][1]
      )
    }
  }
  f <- functions[[name]]
  if (is.null(f)) {
    found <- if (length(functions)) paste(names(functions), collapse = ", ") else "none"
    header_error(path, NULL, "the file must define a function named ", name, " (found: ", found, ")")
  }
  wanted <- c(names(header$inputs), if (length(header$params)) "params")
  if (!identical(sort(as.character(f$arguments)), sort(wanted))) {
    header_error(
      path, f$line, name, "(", paste(f$arguments, collapse = ", "), "): the arguments must be the inputs of the ",
      "header: ", name, "(", paste(wanted, collapse = ", "), ")"
    )
  }
  figures <- functions[[paste0(name, "_figures")]]
  if (length(header$outcomes) && !identical(figures$arguments, "atoms")) {
    header_error(path, figures$line, "a script with @cases also defines ", name,
                 "_figures(atoms), which makes table and plots of their counts")
  }
}

# The script and every file that it sources, directly or not.
sourced_files <- function(path, code) {
  root <- dirname(dirname(path))
  found <- path
  follow <- function(from, code) {
    parsed <- tryCatch(parse(text = code, keep.source = TRUE, encoding = "UTF-8"), error = function(e) NULL)
    for (call in source_calls(parsed)) {
      if (is.null(call$path)) {
        header_error(
          from, call$line, "source() must be given its path in quotes, such as source(\"../lib/rates.R\"), ",
          "so that a change in that file is noticed"
        )
      }
      helper <- normalizePath(file.path(dirname(from), call$path), winslash = "/", mustWork = FALSE)
      if (!file.exists(helper)) {
        header_error(
          from, call$line, "source(\"", call$path, "\"): there is no such file; the path starts at ", basename(from)
        )
      }
      if (!startsWith(helper, paste0(root, "/"))) {
        header_error(
          from, call$line, "source(\"", call$path, "\") lies outside ", basename(root), "/; keep helpers in ",
          basename(root), "/lib"
        )
      }
      if (!helper %in% found) {
        found <<- c(found, helper)
        follow(helper, read_code(helper))
      }
    }
  }
  follow(path, code)
  found
}

# Calls of source() with their line and literal path (NULL if it is not one), in the order of the file.
source_calls <- function(parsed) {
  tokens <- if (length(parsed)) utils::getParseData(parsed, includeText = TRUE)
  if (is.null(tokens)) return(list())
  called <- tokens[tokens$token == "SYMBOL_FUNCTION_CALL" & tokens$text %in% c("source", "sys.source"), ]
  calls <- list()
  for (i in seq_len(nrow(called))) {
    function_name <- tokens[tokens$id == called$parent[i], ]
    call <- tokens[tokens$id == function_name$parent, "text"]
    expression <- parse(text = call)[[1]]
    if (!is.call(expression)) next
    arguments <- as.list(expression)[-1]
    path <- if (!is.null(arguments$file)) arguments$file else if (length(arguments)) arguments[[1]]
    calls[[length(calls) + 1]] <- list(line = called$line1[i], path = if (is.character(path)) path)
  }
  calls
}
