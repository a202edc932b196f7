# What went wrong, where: conditions become a `failure`, a plain list that the failure card is made of.
#   kind     one of those that failure_kinds.csv says R reports
#   message  what R (or the platform) says
#   call     the call that raised it, NULL if unknown
#   file, line, end_line   the author's statement, NULL if unknown
#   phase    load, call, result or plots;  plot: the plot being drawn
#   stack    list of list(call, file, line), outermost first: the calls made from the author's files

# Raises an error of the platform's own, of one of the kinds above.
fail <- function(kind, ..., file = NULL, line = NULL) {
  stop(structure(
    class = c("indicator_failure", "error", "condition"),
    list(message = paste0(...), call = NULL, kind = kind, file = file, line = line)
  ))
}

# Evaluates step(); its value, or NULL with session$failure set. Messages and warnings become events.
guard <- function(session, step) {
  session$failure <- session$calls <- session$message <- NULL
  tryCatch(
    withCallingHandlers(
      step(),
      packageStartupMessage = function(c) tryInvokeRestart("muffleMessage"),
      message = function(c) {
        at <- place(session, sys.calls())
        session$event("info", cut_text(sub("\n+$", "", conditionMessage(c))), at$file, at$line)
        tryInvokeRestart("muffleMessage")
      },
      warning = function(c) {
        if (getOption("warn") >= 2) return() # the author wants warnings to be errors
        note_warning(session, c, sys.calls())
        tryInvokeRestart("muffleWarning")
      },
      error = function(c) remember(session, c, sys.calls()),
      interrupt = function(c) remember(session, c, sys.calls())
    ),
    error = function(c) describe(session, c),
    interrupt = function(c) suspendInterrupts(describe(session, c))
  )
}

# At the moment of the error only what is gone afterwards is taken: after endless recursion there is hardly any stack
# left to work with. Calls first, because a message may need more of it.
remember <- function(session, condition, calls) {
  session$calls <- calls
  session$message <- NULL
  session$message <- conditionMessage(condition)
}

note_warning <- function(session, condition, calls) {
  at <- place(session, calls)
  text <- cut_text(conditionMessage(condition))
  if (length(session$warnings) < 50) {
    session$warnings[[length(session$warnings) + 1]] <- list(message = text, file = at$file, line = at$line)
  }
  session$event("warning", text, at$file, at$line)
}

# Sets session$failure; NULL, as the value of a guard() that failed.
describe <- function(session, condition) {
  calls <- session$calls
  at <- place(session, calls)
  call <- conditionCall(condition)
  failure <- list(
    kind = kind_of(condition), message = cut_text(message_of(session, condition)),
    call = if (is.call(call)) call_text(call), file = at$file, line = at$line, end_line = at$end_line,
    phase = session$phase, plot = if (session$phase == "plots") session$plot, stack = author_stack(session, calls),
    package = if (inherits(condition, "packageNotFoundError")) condition$package
  )
  if (inherits(condition, "indicator_failure")) { # other conditions may hold anything under these names
    if (!is.null(condition$file)) failure$file <- condition$file
    if (!is.null(condition$line)) failure$line <- failure$end_line <- condition$line
  }
  session$warnings <- Filter(function(w) !identical(w$message, failure$message), session$warnings)
  session$failure <- failure
  NULL
}

# R raises "cannot open the connection" and names the file only in the warning before it.
message_of <- function(session, condition) {
  if (inherits(condition, "interrupt")) return("interrupted")
  message <- if (is.null(session$message)) conditionMessage(condition) else session$message
  last <- if (length(session$warnings)) session$warnings[[length(session$warnings)]]$message else ""
  if (grepl("cannot open the connection", message, fixed = TRUE) && grepl("^cannot open", last)) last else message
}

kind_of <- function(condition) {
  if (inherits(condition, "interrupt")) "timeout"
  else if (inherits(condition, "indicator_failure")) condition$kind
  else if (inherits(condition, "packageNotFoundError")) "missing_package"
  else if (inherits(condition, "stackOverflowError")) "recursion"
  else kind_of_message(tryCatch(conditionMessage(condition), error = function(e) ""))
}

kind_of_message <- function(message) {
  if (grepl(recursion_words, message)) "recursion"
  else if (grepl(memory_words, message)) "memory"
  else if (grepl(file_words, message)) "missing_file"
  else "error"
}

recursion_words <- "evaluation nested too deeply|C stack usage|stack overflow|infinite recursion"
memory_words <- "cannot allocate|memory exhausted|bad_alloc|could not allocate|unable to allocate|out of memory"
file_words <- "cannot open the connection|cannot open file|No such file or directory|does not exist or is non-readable"

# --- Where -----------------------------------------------------------------------------------------------------

# The innermost statement that lies in the author's files. R attaches to each call the statement that made it, and
# to the call of the handler itself the statement that was running: so this holds for built-in functions as well.
place <- function(session, calls) {
  for (call in rev(calls)) {
    at <- location(session, attr(call, "srcref"))
    if (!is.null(at)) return(at)
  }
  location(session, session$statement)
}

location <- function(session, reference) {
  if (is.null(reference)) return(NULL)
  file <- attr(reference, "srcfile")$filename
  if (is.null(file) || !file %in% session$spec$files) return(NULL)
  list(file = file, line = as.integer(reference[[1]]), end_line = as.integer(reference[[3]]))
}

# Only the calls made from the author's files: what packages do inside is noise to the author.
author_stack <- function(session, calls) {
  stack <- list()
  for (call in calls) {
    at <- location(session, attr(call, "srcref"))
    name <- call_name(call)
    if (name %in% machinery) next
    if (!is.null(at) || (!length(stack) && identical(name, session$spec$name))) {
      stack[[length(stack) + 1]] <- list(call = call_text(call), file = at$file, line = at$line)
    }
  }
  shorten(stack)
}

# The same call again and again becomes one entry; of a very long stack the middle is left out.
shorten <- function(stack) {
  keys <- vapply(stack, function(frame) paste(frame, collapse = " "), "")
  runs <- rle(keys)
  stack <- stack[cumsum(runs$lengths)]
  for (i in which(runs$lengths > 1)) {
    stack[[i]]$call <- paste0(stack[[i]]$call, "  (", runs$lengths[i], " times)")
  }
  n <- length(stack)
  if (n <= 24) return(stack)
  c(stack[1:8], list(list(call = sprintf("... %d more calls ...", n - 16))), stack[(n - 7):n])
}

machinery <- c(".handleSimpleError", "h", ".signalSimpleWarning", "(function)")

call_name <- function(call) {
  head <- call[[1]]
  if (is.symbol(head)) as.character(head)
  else if (is.call(head) && identical(head[[1]], quote(`function`))) "(function)"
  else if (is.function(head)) "(function)"
  else ""
}

# A call as one line of text. Values that were put into the call (by do.call, say) are named by their kind only.
call_text <- function(call) {
  lines <- tryCatch(deparse(without_values(call), width.cutoff = 200L), error = function(e) paste0(call_name(call), "()"))
  cut_text(gsub("\\s+", " ", paste(lines, collapse = " ")), 500)
}

without_values <- function(x) {
  if (is.call(x) && identical(x[[1]], quote(`function`))) {
    x[1:3] # without the source reference that follows
  } else if (is.call(x)) {
    attributes(x) <- NULL
    keep <- rep(TRUE, length(x))
    for (i in seq_along(x)) {
      if (identical(x[[i]], quote(expr = ))) next
      if (typeof(x[[i]]) == "promise") keep[i] <- FALSE # R's own, where a script says x$name <- value
      else x[i] <- list(without_values(x[[i]]))
    }
    x[keep]
  } else if (is.symbol(x) || is.null(x) || (is.atomic(x) && length(x) == 1 && !is.object(x))) {
    x
  } else {
    as.name(paste0("<", class(x)[1], ">"))
  }
}

# Long text, cut where a word ends: half a value could not be recognised as one later.
cut_text <- function(text, most = 4000) {
  text <- paste(text, collapse = " ")
  Encoding(text) <- if (validEnc(text)) "UTF-8" else "latin1"
  text <- enc2utf8(text)
  if (nchar(text) <= most) return(text)
  paste(sub("\\s*\\S*$", "", substr(text, 1, most)), "...")
}
