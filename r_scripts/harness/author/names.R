# Columns and parameters that a script asks for with `$` and that are not there. R answers NULL without a word, and
# sum(NULL) is 0: a wrong figure, not an error.

# Notes for the author, one for each name that is surely or very probably wrong. `columns` is a list of input name ->
# names of all columns that its table has, declared or not.
name_notes <- function(header, columns) {
  declared <- unlist(lapply(header$inputs, function(input) names(input$columns)), use.names = FALSE)
  found <- dollar_names(header$script)
  if (is.null(found)) return(character())
  given <- do.call(rbind, lapply(header$files, dollar_names))
  known <- c(declared, names(header$outputs), given$name[given$assigned], unlist(lapply(header$files, made_names)))
  asked <- unique(found[!found$assigned & (found$of == "params" | !found$name %in% known), ])
  notes <- vapply(seq_len(nrow(asked)), function(i) {
    name <- asked$name[i]
    reason <- name_reason(name, asked$of[i], header, columns, declared)
    if (is.null(reason)) "" else paste0(asked$of[i], "$", name, " (", asked$file[i], " line ", asked$line[i], "): ", reason)
  }, "")
  unique(notes[nzchar(notes)])
}

name_reason <- function(name, of, header, columns, declared) {
  if (of == "params") {
    if (!length(header$params) || name %in% names(header$params)) return(NULL)
    return(paste0("there is no @param ", name, "; there are: ", paste(names(header$params), collapse = ", ")))
  }
  holders <- names(columns)[vapply(columns, function(all) name %in% all, NA)]
  if (length(holders)) {
    return(paste0(holders[1], " has this column, but its @input line does not name it, so it is not there: add ", name,
                  " <type>"))
  }
  if (of %in% names(header$inputs)) {
    return(paste0("the @input line has no column ", name, "; it has ",
                  paste(names(header$inputs[[of]]$columns), collapse = ", ")))
  }
  near <- declared[utils::adist(name, declared) <= 2]
  if (nchar(name) >= 5 && length(near)) paste0("there is no column of this name; is ", near[1], " meant?")
}

# `x$name` in a file: of (text of x), name, file, line, and whether it is given a value there.
dollar_names <- function(file) {
  tokens <- parse_tokens(file)
  at <- if (is.null(tokens)) integer() else which(tokens$token == "'$'")
  rows <- lapply(at, function(i) {
    children <- tokens[tokens$parent == tokens$parent[i], ]
    position <- match(tokens$id[i], children$id)
    name <- children[position + 1, ]
    if (!name$token %in% c("SYMBOL", "STR_CONST", "SYMBOL_FUNCTION_CALL")) return(NULL)
    data.frame(
      of = children$text[position - 1], name = gsub("^[`\"']|[`\"']$", "", name$text), file = basename(file),
      line = tokens$line1[i], assigned = is_assigned(tokens, tokens$parent[i])
    )
  })
  do.call(rbind, rows)
}

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
made_names <- function(file) {
  tokens <- parse_tokens(file)
  if (is.null(tokens)) return(character())
  c(tokens$text[tokens$token == "SYMBOL_SUB"], gsub("^[`\"']|[`\"']$", "", tokens$text[tokens$token == "STR_CONST"]))
}

# NULL for a file that does not parse: load_script() shows where.
parse_tokens <- function(file) {
  parsed <- tryCatch(parse(text = read_code(file), keep.source = TRUE, encoding = "UTF-8"), error = function(e) NULL)
  tokens <- if (length(parsed)) utils::getParseData(parsed, includeText = TRUE)
  if (is.null(tokens)) return(NULL)
  tokens <- tokens[tokens$token != "COMMENT", ]
  tokens[order(tokens$line1, tokens$col1, -tokens$line2, -tokens$col2), ]
}
