# The failure card as text, for authors at their own computer. Same order and words as the platform's card
# (resources/r_runtime/card.py), without the tables' snapshots, which exist only there.

failure_titles <- c(
  header = "header error", error = "R error", syntax = "syntax error", arguments = "arguments do not match",
  no_output = "no output", wrong_output = "output does not match its declaration",
  input = "input does not match its declaration", missing_package = "package not installed",
  missing_file = "file not found", memory = "out of memory", recursion = "endless recursion",
  timeout = "stopped", quit = "quit() was called"
)

# What to do next: the words of the platform's card, for the kinds that occur here.
failure_advice <- c(
  syntax = paste("R could not read the file: look at the marked line and the one above it for a missing bracket, comma",
                 "or quote."),
  no_output = "The last value of the function is what is published.",
  wrong_output = "Change the function, or the @output and @plot lines of its header.",
  input = "Change the @input line of the header, or the table.",
  missing_package = "Check how the name is written. If it is right, ask an engineer to add the package to the platform.",
  missing_file = paste("An indicator sees its @input tables and nothing else: declare the data as an @input, and source()",
                       "helpers from r_scripts/lib."),
  memory = "Drop columns and rows early, aggregate before joining, remove large objects with rm().",
  recursion = "A function calls itself without end: check the condition that should stop it.",
  quit = "End the function with its result instead of quit() or q()."
)

card_text <- function(session) {
  failure <- session$failure
  place <- if (!is.null(failure$line)) paste0(" in ", basename(failure$file), " line ", failure$line)
  message <- failure$message
  if (!is.null(failure$plot)) message <- paste0("plot \"", failure$plot, "\" could not be drawn: ", message)
  blocks <- c(
    paste0(session$spec$name, ": ", failure_titles[[failure$kind]], place),
    indent(message),
    code_around(failure$file, failure$line, failure$end_line),
    if (length(failure$stack)) paste0("Call stack, outermost first\n", call_lines(failure$stack, "call")),
    if (length(session$warnings)) {
      paste0("Warnings before it (", length(session$warnings), ")\n",
             call_lines(session$warnings[max(1, length(session$warnings) - 9):length(session$warnings)], "message"))
    },
    if (length(session$notes)) {
      paste0("Notes on the script (", length(session$notes), ")\n", call_lines(session$notes, "message"))
    },
    if (failure$kind %in% names(failure_advice)) paste0("What to do\n", indent(failure_advice[[failure$kind]]))
  )
  paste(blocks, collapse = "\n\n")
}

indent <- function(text) gsub("(?m)^", "  ", text, perl = TRUE)

code_around <- function(file, line, end_line, around = 3) {
  if (is.null(line) || is.null(file) || !file.exists(file)) return(NULL)
  lines <- readLines(file, warn = FALSE, encoding = "UTF-8")
  last <- min(max(end_line, line), line + 11)
  shown <- max(1, line - around):min(length(lines), last + around)
  marks <- ifelse(shown >= line & shown <= last, ">", " ")
  paste(sprintf("%s %4d | %s", marks, shown, lines[shown]), collapse = "\n")
}

call_lines <- function(items, field) {
  texts <- vapply(items, function(item) item[[field]], "")
  places <- vapply(items, function(item) {
    if (is.null(item$line)) "" else paste(basename(item$file), "line", item$line)
  }, "")
  width <- min(70, max(nchar(texts)))
  paste(sub(" +$", "", paste0("  ", formatC(texts, width = -width), "  ", places)), collapse = "\n")
}
