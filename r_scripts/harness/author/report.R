# The failure card as text, for authors at their own computer. Same order and words as the platform's card
# (resources/r_runtime/card.py), without the tables' snapshots, which exist only there.

# Titles and advice, by kind: the table of the platform's card. Without a title a kind does not occur here.
failure_kinds <- function() {
  kinds <- utils::read.csv(file.path(root, "harness", "failure_kinds.csv"), colClasses = "character", encoding = "UTF-8")
  kinds <- kinds[nzchar(kinds$title_for_author_alone), ]
  rownames(kinds) <- kinds$kind
  kinds
}

card_text <- function(session) {
  failure <- session$failure
  in_words <- failure_kinds()[failure$kind, ]
  place <- if (!is.null(failure$line)) paste0(" in ", basename(failure$file), " line ", failure$line)
  message <- failure$message
  if (!is.null(failure$plot)) message <- paste0("plot \"", failure$plot, "\" could not be drawn: ", message)
  blocks <- c(
    paste0(session$spec$name, ": ", in_words$title_for_author_alone, place),
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
    if (nzchar(in_words$advice)) paste0("What to do\n", indent(in_words$advice))
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
