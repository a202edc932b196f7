# Runs one indicator: loads its script, calls its function, and when it fails says where.
# Base R only. Used unchanged by the platform and by dev.R.

# A session holds what one run needs. `spec` is a list of:
#   name     name of the indicator, of its function and of its file
#   script   absolute path of the file
#   files    absolute paths of the script and of every file that it sources
#   outputs  list of column name -> list(type, minimum, maximum)
#   plots    names of the declared plots
#   inputs   list of input name -> names of its declared columns
#   params   names of the declared parameters
#   since    days (2026-03-01) on which the process was changed; the script finds them as `since`
#   minimum  list(n, of): rows whose column `of` is below n publish no other numbers; NULL where none is declared
# `event(level, text, file, line)` is told of messages ("info"), warnings ("warning") and what is noted in the script
# before it runs ("note"), as they happen.
new_session <- function(spec, event = function(level, text, file, line) NULL) {
  session <- new.env(parent = emptyenv())
  session$spec <- spec
  session$event <- event
  session$phase <- "load"
  session$warnings <- list()
  session$notes <- list()
  session$failure <- NULL
  session$statement <- NULL # source reference of the top-level statement being evaluated
  session
}

# Fixed conditions, so that the same inputs give the same output everywhere.
fix_conditions <- function() {
  RNGkind("Mersenne-Twister", "Inversion", "Rejection")
  set.seed(1)
  Sys.setlocale("LC_COLLATE", "C") # sort() and factor() order text the same way everywhere
  Sys.setenv(TZ = "UTC")
  options(
    keep.source = TRUE, warn = 0, digits = 7, scipen = 0, OutDec = ".", width = 100, mc.cores = 1L,
    warning.length = 4000L, cli.num_colors = 1L, crayon.enabled = FALSE, rlang_backtrace_on_error = "none",
    device = function(...) grDevices::pdf(NULL) # a stray plot() must not leave Rplots.pdf behind
  )
}

# --- Load ------------------------------------------------------------------------------------------------------

# Evaluates the script. TRUE, or FALSE with session$failure set.
load_script <- function(session) {
  guard(session, function() {
    session$script <- new.env(parent = globalenv())
    session$script$source <- source_replacement(session)
    session$script$quit <- session$script$q <- quit_replacement
    session$script$since <- as.Date(as.character(unlist(session$spec$since)))
    evaluate_file(session, session$spec$script)
    session$indicator <- get0(session$spec$name, session$script, mode = "function", inherits = FALSE)
    if (is.null(session$indicator)) {
      found <- Filter(function(n) is.function(session$script[[n]]), setdiff(ls(session$script), c("source", "quit", "q")))
      fail("arguments", "the file must define a function named ", session$spec$name, " (found: ",
           if (length(found)) paste(found, collapse = ", ") else "none", ")")
    }
    TRUE
  })
}

# source() for authors: the path starts at the file that says it, and the file must be known to the platform,
# because the code version is a hash of the files that were found in the text.
source_replacement <- function(session) {
  function(file, ...) {
    path <- if (grepl("^(/|[A-Za-z]:)", file)) file else file.path(dirname(session$current), file)
    path <- normalizePath(path, winslash = "/", mustWork = FALSE)
    if (!file.exists(path)) {
      fail("missing_file", "source(\"", file, "\"): there is no such file; the path starts at ",
           basename(session$current))
    }
    if (!path %in% session$spec$files) {
      fail("error", "source(\"", file, "\"): give source() its path in quotes, such as ",
           "source(\"../lib/rates.R\"), so that a change in that file is noticed")
    }
    evaluate_file(session, path)
    invisible()
  }
}

quit_replacement <- function(...) fail("quit", "the script called quit(), so there is no result to publish")

# For the platform's own process only: base::quit(), and packages that call it, meet the same answer.
forbid_quit <- function() {
  for (name in c("quit", "q")) {
    unlockBinding(name, baseenv())
    assign(name, quit_replacement, envir = baseenv())
    lockBinding(name, baseenv())
  }
}

evaluate_file <- function(session, path) {
  outer <- session$current
  session$current <- path
  on.exit(session$current <- outer)
  lines <- readLines(path, warn = FALSE, encoding = "UTF-8")
  source_file <- srcfilecopy(path, lines, file.mtime(path), isFile = TRUE)
  expressions <- tryCatch(
    parse(text = lines, keep.source = TRUE, srcfile = source_file, encoding = "UTF-8"),
    error = function(e) syntax_error(path, lines, conditionMessage(e))
  )
  references <- attr(expressions, "srcref")
  for (i in seq_along(expressions)) {
    session$statement <- references[[i]]
    eval(expressions[[i]], session$script)
  }
  session$statement <- NULL
}

# R says "path:line:column: unexpected symbol" and quotes the code; the card shows the code itself.
syntax_error <- function(path, lines, message) {
  first <- strsplit(message, "\n", fixed = TRUE)[[1]][1]
  line <- suppressWarnings(as.integer(sub("^.*?:([0-9]+):[0-9]+: .*$", "\\1", first, perl = TRUE)))
  what <- sub("^.*?:[0-9]+:[0-9]+: ", "", first, perl = TRUE)
  if (is.na(line)) line <- length(lines)
  if (line > length(lines) || identical(what, "unexpected end of input")) {
    line <- length(lines)
    what <- "unexpected end of file: a bracket or a quote is not closed"
  }
  fail("syntax", what, file = path, line = line)
}

# --- Call ------------------------------------------------------------------------------------------------------

# Calls the function on `inputs` (named list of data frames) and `params` (named list, NULL if none are declared),
# checks the result and draws the plots into `plot_folder` (NULL: they are not drawn).
# list(data, plots), or NULL with session$failure set.
call_indicator <- function(session, inputs, params = NULL, plot_folder = NULL) {
  fix_conditions()
  guard(session, function() {
    session$phase <- "call"
    arguments <- inputs
    if (!is.null(params)) arguments$params <- params
    check_arguments(session$spec$name, session$indicator, names(arguments))
    value <- call_by_name(session, arguments)
    session$phase <- "result"
    session$statement <- last_statement(session$indicator)
    result <- check_result(value, session$spec)
    result$data <- withhold_small(result$data, session$spec)
    # what is drawn is what is published: a plot that is a function of one argument gets the table as it leaves
    result$plots <- lapply(result$plots, function(plot) {
      if (is.function(plot) && length(formals(plot)) == 1) plot(result$data) else plot
    })
    check_plots(paste0(session$spec$name, "()"), result$plots, session$spec$plots)
    if (length(result$plots) && !is.null(plot_folder)) {
      session$phase <- "plots"
      for (name in names(result$plots)) {
        session$plot <- name
        save_plot(result$plots[[name]], file.path(plot_folder, name))
      }
    }
    result
  })
}

# The table without the numbers of rows that rest on too few: @minimum_n is kept here, whatever the script does.
withhold_small <- function(data, spec) {
  if (is.null(spec$minimum)) return(data)
  few <- is.na(data[[spec$minimum$of]]) | data[[spec$minimum$of]] < spec$minimum$n
  for (column in names(spec$outputs)) if (spec$outputs[[column]]$type == "number") data[[column]][few] <- NA
  data
}

# The call reads `name(admissions, population)` in the stack, not a dump of the data.
call_by_name <- function(session, arguments) {
  symbols <- lapply(names(arguments), as.name)
  names(symbols) <- names(arguments)
  frame <- list2env(arguments, parent = session$script)
  eval(as.call(c(as.name(session$spec$name), unname(symbols[formal_order(session$indicator, symbols)]))), frame)
}

formal_order <- function(f, symbols) intersect(names(formals(f)), names(symbols))

check_arguments <- function(name, f, wanted) {
  actual <- names(formals(f))
  if (!setequal(actual, wanted)) {
    fail("arguments", name, "(", paste(actual, collapse = ", "),
         "): the arguments must be the inputs of the header: ", name, "(", paste(wanted, collapse = ", "), ")")
  }
}

last_statement <- function(f) {
  references <- attr(body(f), "srcref")
  if (length(references)) references[[length(references)]] else attr(f, "srcref")
}

# One SVG to keep and one PNG to show: ggplot and lattice objects print themselves, functions draw, recorded
# plots are replayed.
save_plot <- function(plot, path) {
  draw <- function() {
    if (is.function(plot)) plot()
    else if (inherits(plot, "recordedplot")) grDevices::replayPlot(plot)
    else if (inherits(plot, "grob")) grid::grid.draw(plot)
    else print(plot)
  }
  grDevices::svg(paste0(path, ".svg"), width = 8, height = 5)
  tryCatch(draw(), finally = grDevices::dev.off())
  grDevices::png(paste0(path, ".png"), width = 960, height = 600, res = 120, type = "cairo")
  tryCatch(suppressMessages(suppressWarnings(draw())), finally = grDevices::dev.off()) # they were said above
}

# --- Session ---------------------------------------------------------------------------------------------------

always_loaded <- c("base", "stats", "utils", "methods", "graphics", "grDevices", "datasets", "compiler", "tools")

# R's version, platform, locale and the packages that were loaded: name -> version.
session_info <- function() {
  packages <- sort(setdiff(loadedNamespaces(), always_loaded))
  versions <- lapply(packages, function(p) as.character(getNamespaceVersion(p)))
  names(versions) <- packages
  list(
    r = paste(R.version$major, R.version$minor, sep = "."), platform = R.version$platform,
    locale = Sys.getlocale("LC_CTYPE"), timezone = Sys.timezone(), packages = versions
  )
}

# What the platform calls: inputs without names, parameters as text.
call_with <- function(session, inputs, names, declared, given, plot_folder) {
  names(inputs) <- names
  params <- guard(session, function() list(read_params(declared, given)))
  if (is.null(params)) return(NULL)
  call_indicator(session, inputs, params[[1]], plot_folder)
}
