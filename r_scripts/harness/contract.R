# The contract between an indicator and whoever runs it: typed parameters in, the declared table out.

# R classes that each declared type accepts.
accepted <- list(
  text = c("character", "factor"), integer = c("integer", "double", "integer64"), number = c("double", "integer"),
  flag = "logical", date = "Date", time = "POSIXct"
)

largest_whole <- 2^53 # beyond it a double skips whole numbers

# Splits what the function returned into list(data = plain data frame in declared order, plots = named list),
# or fails with a message that an author can act on. Values are never quoted, only row numbers.
check_result <- function(value, spec) {
  name <- paste0(spec$name, "()")
  if (is.null(value)) {
    fail("no_output", name, " returned NULL: end the function with the data frame to publish")
  }
  plots <- list()
  if (!is.data.frame(value)) {
    if (!is.list(value) || is.null(names(value)) || !is.data.frame(value$data)) {
      fail("no_output", name, " returned ", class(value)[1], if (is.list(value)) " without a data frame `data`",
           if (is.list(value) && "data" %in% names(value)) paste0(", its `data` is ", class(value$data)[1]),
           ": return a data frame, or list(data = <data frame>, <plot name> = <plot>)")
    }
    plots <- value[setdiff(names(value), "data")]
    value <- value$data
  }
  check_plots(name, plots, spec$plots)
  check_column_names(name, names(value), names(spec$outputs))
  columns <- lapply(names(spec$outputs), function(column) {
    check_column(value[[column]], column, spec$outputs[[column]], nrow(value))
  })
  names(columns) <- names(spec$outputs)
  list(data = as_frame(columns, nrow(value)), plots = plots[spec$plots])
}

as_frame <- function(columns, rows) {
  attr(columns, "row.names") <- .set_row_names(rows)
  class(columns) <- "data.frame"
  columns
}

check_plots <- function(name, plots, declared) {
  missing <- setdiff(declared, names(plots))
  if (length(missing)) {
    fail("wrong_output", name, " did not return the plot ", quoted(missing[1]), " of its @plot line: return ",
         "list(data = <data frame>, ", missing[1], " = <plot>)")
  }
  extra <- setdiff(names(plots), declared)
  if (length(extra)) {
    fail("wrong_output", name, " returned ", quoted(extra[1]), ", which is not declared: add a line ",
         "#' @plot ", extra[1], " <title>, or leave it out")
  }
  for (plot in names(plots)) {
    known <- c("ggplot", "recordedplot", "function", "trellis", "grob", "gtable", "patchwork")
    if (!inherits(plots[[plot]], known) && !is.function(plots[[plot]])) {
      fail("wrong_output", "plot ", quoted(plot), " is ", class(plots[[plot]])[1],
           ": return a ggplot, recordPlot(), or a function that draws")
    }
  }
}

check_column_names <- function(name, actual, declared) {
  twice <- unique(actual[duplicated(actual)])
  if (length(twice)) fail("wrong_output", name, ": column ", quoted(twice[1]), " appears twice")
  missing <- setdiff(declared, actual)
  extra <- setdiff(actual, declared)
  if (length(missing) || length(extra)) {
    fail("wrong_output", name, ": the columns do not match the @output lines",
         if (length(missing)) paste0("; missing: ", paste(missing, collapse = ", ")),
         if (length(extra)) paste0("; not declared: ", paste(extra, collapse = ", ")))
  }
}

# The column without names and foreign attributes, if type and values are as declared.
check_column <- function(x, column, declared, rows, kind = "wrong_output", says = "", tag = "@output") {
  type <- declared$type
  class <- column_class(x)
  wrong <- function(...) fail(kind, says, "column ", quoted(column), " ", ...)
  if (!is.null(dim(x)) || length(x) != rows) wrong("is a ", class(x)[1], ": a column must be a plain vector")
  if (class == "logical" && type != "flag" && all(is.na(x))) return(all_missing(type, rows)) # NA is logical in R
  if (!class %in% accepted[[type]]) {
    wrong("is ", class, ", ", tag, " says <", type, ">", advice(class, type))
  }
  at_rows <- function(bad) {
    n <- sum(bad)
    if (n == 1) paste("in row", which(bad)) else sprintf("in %d rows, first in row %d", n, which(bad)[1])
  }
  if (class == "character") {
    x <- as.vector(x)
    bad <- Encoding(x) == "bytes" | !validEnc(x)
    if (any(bad)) wrong("is not valid UTF-8 text ", at_rows(bad), ": read its file with its own encoding")
    return(enc2utf8(x))
  }
  if (class == "factor") {
    levels <- levels(x)
    if (!all(validEnc(levels))) wrong("has levels that are not valid UTF-8: read its file with its own encoding")
    return(enc2utf8(levels)[as.integer(x)])
  }
  if (class == "integer64") return(structure(as.vector(unclass(x)), class = "integer64"))
  plain <- as.vector(unclass(x))
  if (is.double(plain)) {
    bad <- !is.finite(plain) & !(is.na(plain) & !is.nan(plain))
    if (any(bad)) wrong("is NaN or infinite ", at_rows(bad), ": return NA where there is nothing to compute")
    if (type %in% c("integer", "date")) {
      bad <- !is.na(plain) & plain != round(plain)
      if (any(bad)) {
        wrong(if (type == "date") "has a part of a day " else "has a fraction ", at_rows(bad), ", ", tag, " says <",
              type, ">: ", if (type == "date") "round it with as.Date(floor(as.numeric(x)))" else "use round()")
      }
    }
    if (type == "integer") {
      bad <- !is.na(plain) & abs(plain) > largest_whole
      if (any(bad)) wrong("is beyond 2^53 ", at_rows(bad), ", where R cannot count exactly: publish it as <text>")
    }
    if (type == "date") {
      bad <- !is.na(plain) & abs(plain) > 2^31 - 1
      if (any(bad)) wrong("is not a date that can be stored ", at_rows(bad))
    }
    if (type == "time") {
      bad <- !is.na(plain) & abs(plain) > 2^33
      if (any(bad)) wrong("is not a time between 1698 and 2242 ", at_rows(bad))
    }
  }
  check_limits(plain, declared, wrong, at_rows, tag)
  if (type == "number") as.double(plain)
  else if (type == "date") structure(as.double(plain), class = "Date")
  else if (type == "time") structure(as.double(plain), class = c("POSIXct", "POSIXt"), tzone = "UTC")
  else plain
}

check_limits <- function(plain, declared, wrong, at_rows, tag) {
  limits <- function() paste0("<", declared$type, " ", declared$minimum, "..", declared$maximum, ">")
  if (!is.null(declared$minimum)) {
    bad <- !is.na(plain) & plain < declared$minimum
    if (any(bad)) wrong("is below ", declared$minimum, " ", at_rows(bad), ", ", tag, " says ", limits())
  }
  if (!is.null(declared$maximum)) {
    bad <- !is.na(plain) & plain > declared$maximum
    if (any(bad)) wrong("is above ", declared$maximum, " ", at_rows(bad), ", ", tag, " says ", limits())
  }
}

column_class <- function(x) {
  if (is.factor(x)) "factor"
  else if (inherits(x, "POSIXct")) "POSIXct"
  else if (is.object(x)) class(x)[1]
  else typeof(x)
}

all_missing <- function(type, rows) {
  switch(type,
    text = rep(NA_character_, rows), integer = rep(NA_integer_, rows), number = rep(NA_real_, rows),
    date = structure(rep(NA_real_, rows), class = "Date"),
    time = structure(rep(NA_real_, rows), class = c("POSIXct", "POSIXt"), tzone = "UTC")
  )
}

advice <- function(class, type) {
  if (class == "difftime") "; use as.numeric(x, units = \"days\")"
  else if (class %in% c("POSIXlt", "character") && type == "time") "; use as.POSIXct(x, tz = \"UTC\")"
  else if (class %in% c("POSIXct", "character") && type == "date") "; use as.Date(x)"
  else if (class == "list") "; use unlist(), or one row for each value"
  else if (class %in% c("character", "factor") && type %in% c("integer", "number")) {
    text <- if (class == "factor") "as.character(x)" else "x" # a factor as a number is the position of its level
    paste0("; use ", if (type == "integer") "as.integer(" else "as.numeric(", text, ")")
  }
  else if (type == "text") "; use as.character(x)"
  else if (type == "flag") "; use x == 1"
  else ""
}

quoted <- function(x) paste0("\"", x, "\"")

# --- Parameters ------------------------------------------------------------------------------------------------

# Typed list of parameters from text. `declared`: name -> list(type, default); `given`: name -> text.
# NULL when none are declared.
read_params <- function(declared, given = list()) {
  unknown <- setdiff(names(given), names(declared))
  if (length(unknown)) {
    fail("arguments", "unknown parameter ", quoted(unknown[1]), "; ",
         if (length(declared)) paste0("the parameters are: ", paste(names(declared), collapse = ", "))
         else "this indicator has none")
  }
  if (!length(declared)) return(NULL)
  values <- lapply(names(declared), function(name) {
    text <- if (is.null(given[[name]])) declared[[name]]$default else given[[name]]
    if (is.null(text)) fail("arguments", "parameter ", quoted(name), " has no default: give ", name, "=<value>, or end its @param ",
                            "line with \", default <value>\"")
    read_value(declared[[name]]$type, as.character(text), name)
  })
  names(values) <- names(declared)
  values
}

read_value <- function(type, text, name) {
  text <- trimws(text)
  wrong <- function(example) fail("arguments", "parameter ", name, ": ", quoted(text), " is not ", example)
  is <- function(pattern) grepl(paste0("^(", pattern, ")$"), text)
  missing <- text == "NA"
  switch(type,
    text = if (missing) NA_character_ else if (is("'.*'|\".*\"")) substr(text, 2, nchar(text) - 1) else text,
    integer = if (missing) NA_integer_ else if (!is("[+-]?[0-9]+L?")) wrong("a whole number such as 5")
      else whole(as.numeric(sub("L$", "", text))),
    number = if (missing) NA_real_ else if (!is("[+-]?([0-9]+[.]?[0-9]*|[.][0-9]+)([eE][+-]?[0-9]+)?"))
      wrong("a number such as 1.5") else as.numeric(text),
    flag = if (missing) NA else if (!is("TRUE|FALSE|true|false|T|F")) wrong("a flag: write TRUE or FALSE")
      else as.logical(text),
    date = if (missing) as.Date(NA) else {
      value <- if (is("[0-9]{4}-[0-9]{2}-[0-9]{2}")) as.Date(text, optional = TRUE) else NA
      if (is.na(value)) wrong("a date: write it as 2020-03-01")
      value
    },
    time = if (missing) as.POSIXct(NA, tz = "UTC") else {
      plain <- sub("T", " ", sub("Z$", "", text))
      value <- if (is("[0-9]{4}-[0-9]{2}-[0-9]{2}[ T][0-9]{2}:[0-9]{2}(:[0-9]{2})?Z?")) {
        as.POSIXct(plain, tz = "UTC", optional = TRUE, tryFormats = c("%Y-%m-%d %H:%M:%S", "%Y-%m-%d %H:%M"))
      } else NA
      if (is.na(value)) wrong("a time: write it as 2020-03-01 12:30:00 (UTC)")
      value
    }
  )
}

whole <- function(x) if (abs(x) <= .Machine$integer.max) as.integer(x) else x
