# The failure card as text, for authors at their own computer. Same order and words as the platform's card
# (resources/r_runtime/card.py), without the tables' snapshots, which exist only there.

failure_titles <- c(
  header = "header error", error = "R error", syntax = "syntax error", arguments = "arguments do not match",
  no_output = "no output", wrong_output = "output does not match its declaration",
  input = "input does not match its declaration", missing_package = "package not installed",
  missing_file = "file not found", memory = "out of memory", recursion = "endless recursion",
  timeout = "stopped", quit = "quit() was called"
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
    }
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
