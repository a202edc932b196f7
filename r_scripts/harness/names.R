# Columns and parameters that a script asks for with `$` or `[["..."]]` and that are not there. R answers NULL without a
# word, and sum(NULL) is 0: a wrong figure, not an error. Used unchanged by the platform and by dev.R.

# Leaves a note in the session for each name that is surely or very probably wrong, and tells of it. `columns` is a list
# of input name -> names of all columns that its table has, declared or not.
note_names <- function(session, columns) {
  # a script that is too odd to be read as text is still one to run
  session$notes <- tryCatch(name_notes(session$spec, columns), error = function(e) list())
  for (note in session$notes) session$event("note", note$message, note$file, note$line)
}

# List of list(message, file, line). Sourced files are read only where the script leaves a doubt: it takes a while.
name_notes <- function(spec, columns) {
  declared <- unlist(spec$inputs, use.names = FALSE)
  tokens <- parse_tokens(spec$script)
  asked <- asked_names(tokens)
  if (is.null(asked)) return(list())
  whole <- untouched(tokens, names(spec$inputs)) # what is not in such a table at first does not come later
  certain <- asked$of %in% c("params", whole)
  asked <- asked[certain | !asked$name %in% c(declared, names(spec$outputs), made_names(tokens)), ]
  asked$reason <- vapply(seq_len(nrow(asked)), function(i) {
    name_reason(asked$name[i], asked$of[i], spec, columns, declared)
  }, "")
  asked <- asked[!is.na(asked$reason), ]
  others <- lapply(setdiff(if (nrow(asked)) spec$files, spec$script), parse_tokens)
  given <- unlist(c(lapply(c(list(tokens), others), assigned_names, asked$name), lapply(others, made_names)))
  asked <- asked[asked$of %in% c("params", whole) | !asked$name %in% given, ]
  asked <- asked[!vapply(asked$id, function(id) is_assigned(tokens, id), NA), ]
  asked <- asked[!duplicated(asked[c("text", "line")]), ]
  lapply(seq_len(nrow(asked)), function(i) {
    list(message = paste0(asked$text[i], ": ", asked$reason[i]), file = spec$script, line = asked$line[i])
  })
}

# Why a name is wrong; NA where it may be right.
name_reason <- function(name, of, spec, columns, declared) {
  if (of == "params") {
    if (!length(spec$params) || name %in% spec$params) return(NA_character_)
    return(paste0("there is no @param ", name, "; there are: ", paste(spec$params, collapse = ", ")))
  }
  if (of %in% names(spec$inputs)) {
    if (name %in% spec$inputs[[of]]) return(NA_character_)
    if (name %in% columns[[of]]) return(not_named(of, name))
    return(paste0("the @input line has no column ", name, "; it has ", paste(spec$inputs[[of]], collapse = ", ")))
  }
  holders <- names(columns)[vapply(columns, function(all) name %in% all, NA)]
  if (length(holders)) return(not_named(holders[1], name))
  near <- declared[utils::adist(name, declared) <= 2]
  if (nchar(name) >= 5 && length(near)) paste0("there is no column of this name; is ", near[1], " meant?")
  else NA_character_
}

not_named <- function(table, name) {
  paste0(table, " has this column, but its @input line does not name it, so it is not there: add ", name, " <type>")
}

# The inputs that the script only reads, or takes rows of (x <- x[...]): it neither gives them columns nor uses their name
# for something else.
untouched <- function(tokens, inputs) {
  by_reference <- c("setDT", "setnames", "set", "setattr", "setcolorder", "assign", "list2env")
  if (is.null(tokens) || any(tokens$text == ":=") || any(tokens$text %in% by_reference)) return(character())
  Filter(function(input) {
    here <- tokens[tokens$text == input, ]
    assigned <- vapply(here$parent[here$token == "SYMBOL"], function(id) {
      is_assigned(tokens, id) && !is_row_choice(tokens, id, input)
    }, NA)
    sum(here$token == "SYMBOL_FORMALS") == 1 && !any(assigned)
  }, inputs)
}

# Whether the expression stands in x <- x[...].
is_row_choice <- function(tokens, id, input) {
  siblings <- tokens[tokens$parent == tokens$parent[tokens$id == id], ]
  if (siblings$id[1] != id || nrow(siblings) != 3) return(FALSE)
  chosen <- tokens[tokens$parent == siblings$id[3], ]
  nrow(chosen) > 2 && chosen$text[1] == input && chosen$token[2] == "'['"
}

# `x$name` and `x[["name"]]` in a file: of (text of x), name, text (both), line, and the id of the expression. NULL where
# there are none.
asked_names <- function(tokens) {
  at <- if (is.null(tokens)) integer() else which(tokens$token %in% c("'$'", "LBB"))
  rows <- lapply(at, function(i) {
    children <- tokens[tokens$parent == tokens$parent[i], ]
    position <- match(tokens$id[i], children$id)
    name <- children[position + 1, ]
    if (tokens$token[i] == "LBB") { # the text stands in an expression of its own
      name <- tokens[tokens$parent == name$id, ]
      if (nrow(name) != 1 || name$token != "STR_CONST") return(NULL)
    } else if (!name$token %in% c("SYMBOL", "STR_CONST", "SYMBOL_FUNCTION_CALL")) {
      return(NULL)
    }
    of <- children$text[position - 1]
    bare <- bare_name(name$text)
    text <- if (tokens$token[i] == "LBB") paste0(of, "[[", name$text, "]]") else paste0(of, "$", bare)
    list(of = of, name = bare, text = text, line = tokens$line1[i], id = tokens$parent[i])
  })
  rows <- Filter(Negate(is.null), rows)
  if (!length(rows)) return(NULL)
  fields <- lapply(names(rows[[1]]), function(field) vapply(rows, `[[`, rows[[1]][[field]], field))
  names(fields) <- names(rows[[1]])
  as.data.frame(fields)
}

# Those of `names` that are given a value somewhere in a file.
assigned_names <- function(tokens, names) {
  asked <- asked_names(tokens)
  asked <- asked[asked$name %in% names, ]
  asked$name[vapply(asked$id, function(id) is_assigned(tokens, id), NA)]
}

bare_name <- function(text) gsub("^[`\"']|[`\"']$", "", text)

# Whether an expression, or an element of it, stands left of an arrow.
is_assigned <- function(tokens, id) {
  repeat {
    parent <- tokens$parent[tokens$id == id]
    children <- tokens[tokens$parent == parent, ]
    position <- match(id, children$id)
    if (parent <= 0 || is.na(position)) return(FALSE)
    arrow <- children$token[position + 1]
    if (position == 1 && arrow %in% c("LEFT_ASSIGN", "EQ_ASSIGN")) return(TRUE)
    if (position == 3 && children$token[2] == "RIGHT_ASSIGN") return(TRUE)
    called <- position == 3 && children$token[2] == "'('" # levels(x$name) <- ...
    if (position != 1 && !called) return(FALSE)
    id <- parent
  }
}

# Names that a file gives to something itself: arguments (data.frame(n = ...), mutate(n = ...)) and text.
made_names <- function(tokens) {
  c(tokens$text[tokens$token == "SYMBOL_SUB"], bare_name(tokens$text[tokens$token == "STR_CONST"]))
}

# NULL for a file that does not parse: load_script() shows where.
parse_tokens <- function(file) {
  lines <- sub("^\ufeff", "", readLines(file, warn = FALSE, encoding = "UTF-8"))
  parsed <- tryCatch(parse(text = lines, keep.source = TRUE, encoding = "UTF-8"), error = function(e) NULL)
  tokens <- if (length(parsed)) utils::getParseData(parsed, includeText = TRUE)
  if (is.null(tokens)) return(NULL)
  tokens <- tokens[tokens$token != "COMMENT", ]
  tokens[order(tokens$line1, tokens$col1, -tokens$line2, -tokens$col2), ]
}
