# What dev.R offers: list, load and run indicators in the author's own R session, leaving the session as it was.

list_all <- function(folder) {
  rows <- lapply(sort(list.files(folder, "[.][Rr]$", full.names = TRUE)), function(file) {
    header <- if (endsWith(file, ".r")) {
      list(title = paste0("rename ", basename(file), " to ", sub("r$", "R", basename(file)), ", so that it is found"))
    } else tryCatch(read_header(file), indicator_failure = function(e) list(title = conditionMessage(e)))
    params <- vapply(names(header$params), function(name) {
      default <- header$params[[name]]$default
      paste0(name, "=", if (is.null(default)) "<required>" else default)
    }, "")
    data.frame(
      name = sub("[.][Rr]$", "", basename(file)), title = header$title, params = paste(params, collapse = " ")
    )
  })
  if (length(rows)) do.call(rbind, rows)
  else data.frame(name = character(), title = character(), params = character())
}

# The name of an indicator, also where its file is given.
plain_name <- function(name) sub("[.][Rr]$", "", basename(name))

open_session <- function(name, folder, event) {
  name <- plain_name(name)
  path <- file.path(folder, paste0(name, ".R"))
  if (!file.exists(path)) {
    known <- plain_name(list.files(folder, "[.]R$"))
    stop("there is no indicator or table \"", name, "\"; indicators: ", paste(known, collapse = ", "),
         " (tables: Rscript r_scripts/dev.R)", call. = FALSE)
  }
  header <- tryCatch(read_header(path), indicator_failure = function(e) stop(conditionMessage(e), call. = FALSE))
  cases <- read_cases(header)
  spec <- list(name = header$name, script = header$script, files = header$files,
               outputs = if (is.null(cases)) header$outputs else case_columns(cases),
               minimum = if (is.null(cases)) read_minimum(header),
               plots = if (is.null(cases)) names(header$plots), inputs = lapply(header$inputs, function(input) names(input$columns)),
               params = names(header$params), since = names(header$since))
  session <- new_session(spec, event)
  session$header <- header
  session
}

stop_if_failed <- function(session) if (!is.null(session$failure)) stop(card_text(session), call. = FALSE)

load_one <- function(name, folder) {
  session <- open_session(name, folder, function(level, text, file, line) NULL)
  load_script(session)
  stop_if_failed(session)
  session$indicator
}

run_one <- function(name, given, inputs, folder, samples, plot_folder) {
  session <- open_session(name, folder, function(level, text, file, line) {
    place <- if (!is.null(line)) paste0("  [", basename(file), ":", line, "]")
    cat(if (level != "info") paste0(level, ": "), text, place, "\n", sep = "")
  })
  header <- session$header
  note_names(session, all_columns(header, inputs, samples))
  note_calls(session)
  restore <- remember_conditions()
  on.exit(restore())
  fix_conditions()
  load_script(session)
  stop_if_failed(session)
  session$phase <- "input"
  ready <- guard(session, function() {
    list(inputs = read_inputs(header, inputs, samples),
         params = read_params(header$params, lapply(given, param_text)))
  })
  stop_if_failed(session)
  if (length(header$plots)) dir.create(plot_folder, recursive = TRUE, showWarnings = FALSE)
  cases <- read_cases(header)
  result <- call_indicator(session, ready$inputs, ready$params, if (length(header$plots) && is.null(cases)) plot_folder)
  stop_if_failed(session)
  if (!is.null(cases)) result <- call_figures(session, result$data, cases, if (length(header$plots)) plot_folder)
  stop_if_failed(session)
  result$files <- as.character(if (length(header$plots)) file.path(plot_folder, paste0(names(header$plots), ".svg")))
  result$warnings <- session$warnings
  result
}

# The second part of a script that gives cases: its figures, of their counts as they are.
call_figures <- function(session, data, cases, plot_folder) {
  header <- session$header
  session$spec$name <- paste0(header$name, "_figures")
  session$spec$outputs <- header$outputs
  session$spec$plots <- names(header$plots)
  session$spec$minimum <- read_minimum(header)
  session$indicator <- session$script[[session$spec$name]]
  atoms <- guard(session, function() exact_atoms(data, cases))
  if (is.null(atoms)) return(NULL)
  result <- call_indicator(session, list(atoms = atoms), NULL, plot_folder)
  if (!is.null(result)) result$atoms <- atoms
  result
}

# A function that puts back what fix_conditions() changes.
remember_conditions <- function() {
  old_options <- options()
  old_kind <- RNGkind()
  old_seed <- get0(".Random.seed", globalenv(), inherits = FALSE)
  old_collation <- Sys.getlocale("LC_COLLATE")
  old_zone <- Sys.getenv("TZ", NA)
  function() {
    options(old_options)
    do.call(RNGkind, as.list(old_kind))
    if (!is.null(old_seed)) assign(".Random.seed", old_seed, envir = globalenv())
    Sys.setlocale("LC_COLLATE", old_collation)
    if (is.na(old_zone)) Sys.unsetenv("TZ") else Sys.setenv(TZ = old_zone)
  }
}

param_text <- function(x) {
  if (length(x) != 1) fail("arguments", "a parameter is one value, not ", length(x))
  if (is.na(x)) "NA"
  else if (inherits(x, "POSIXct")) format(x, "%Y-%m-%d %H:%M:%S", tz = "UTC")
  else if (is.numeric(x) && !is.object(x)) format(x, digits = 15, scientific = FALSE)
  else as.character(x)
}

# Rscript r_scripts/dev.R [name [param=value ...]]; the exit status. The name of a table shows its columns.
command_line <- function(arguments, folder, samples, plots, contracts) {
  if (!length(arguments)) {
    listed <- list_all(folder)
    if (!nrow(listed)) cat("There are no indicators in", folder, "\n")
    for (i in seq_len(nrow(listed))) {
      cat(formatC(listed$name[i], width = -max(nchar(listed$name))), "  ", listed$title[i],
          if (nzchar(listed$params[i])) paste0("  (", listed$params[i], ")"), "\n", sep = "")
    }
    cat("\nRun one with: Rscript r_scripts/dev.R <name> [param=value ...]\n")
    tables <- unique(list_columns(samples, contracts)$table)
    if (length(tables)) {
      cat("\nTables for @input lines:\n", paste0("  ", tables, "\n"),
          "\nSee the columns of one with: Rscript r_scripts/dev.R <table>\n", sep = "")
    }
    return(0L)
  }
  arguments[1] <- plain_name(arguments[1])
  columns <- list_columns(samples, contracts)
  if (arguments[1] %in% columns$table && !file.exists(file.path(folder, paste0(arguments[1], ".R")))) {
    show_table(columns[columns$table == arguments[1], ])
    if (!file.exists(file.path(samples, paste0(arguments[1], ".csv")))) {
      cat("\nThere is no sample data for it: put a CSV with these columns at ",
          file.path(samples, paste0(arguments[1], ".csv")), " to run on it.\n", sep = "")
    }
    return(0L)
  }
  pairs <- regmatches(arguments[-1], regexpr("=", arguments[-1]), invert = TRUE)
  wrong <- arguments[-1][lengths(pairs) != 2]
  if (length(wrong)) {
    message("Parameters are written name=value, not: ", paste(wrong, collapse = " "))
    return(2L)
  }
  given <- lapply(pairs, `[[`, 2)
  names(given) <- vapply(pairs, `[[`, "", 1)
  result <- tryCatch(
    run_one(arguments[1], given, list(), folder, samples, file.path(plots, arguments[1])),
    error = function(e) {
      message(conditionMessage(e))
      NULL
    }
  )
  if (is.null(result)) return(1L)
  print(utils::head(result$data, 10))
  cat(nrow(result$data), if (nrow(result$data) == 1) "row" else "rows", "- columns, types and limits are as declared\n")
  for (file in result$files) cat("plot: ", file, "\n", sep = "")
  cat("page: ", write_preview(file.path(folder, paste0(arguments[1], ".R")), result, file.path(plots, arguments[1]),
                              file.path(dirname(plots), "preview", paste0(arguments[1], ".html"))), "\n", sep = "")
  0L
}

# The @input line that reads all columns, then each column with its meaning.
show_table <- function(columns) {
  types <- paste0("<", ifelse(is.na(columns$type), "type", columns$type), ">")
  names <- ifelse(grepl("[[:space:],<>]", columns$column), paste0("`", columns$column, "`"), columns$column)
  pairs <- paste(gsub(" ", "\001", paste(names, types), fixed = TRUE), collapse = ", ") # a line ends between columns
  declared <- gsub("\001", " ", strwrap(pairs, width = 95), fixed = TRUE)
  cat("#' @input ", columns$table[1], "  ", paste(declared, collapse = "\n#'   "), "\n\n", sep = "")
  cat(sub(" +$", "", paste0(formatC(columns$column, width = -max(nchar(columns$column))), "  ",
                            formatC(types, width = -max(nchar(types))), "  ",
                            ifelse(is.na(columns$meaning), "", columns$meaning))), sep = "\n")
}
