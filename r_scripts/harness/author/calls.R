# Calls that work at the author's computer and not on the platform, where an indicator runs locked in with its tables.
# Only for dev.R: on the platform the run itself shows it.

locked_out <- list(
  list(
    calls = c("read.csv", "read.csv2", "read.table", "read.delim", "read.delim2", "readRDS", "readLines", "load", "scan",
              "file", "fread", "read_csv", "read_csv2", "read_tsv", "read_delim", "read_rds", "read_excel", "read_xlsx",
              "read_parquet", "read_feather", "fromJSON", "read_json", "read_yaml", "list.files", "dir", "file.exists"),
    reason = "there an indicator gets its tables and no other files: declare the data as an @input"
  ),
  list(
    calls = c("download.file", "url", "curl", "curl_download", "GET", "POST", "getURL", "read_html", "socketConnection"),
    reason = "there is no network: declare the data as an @input"
  ),
  list(
    calls = c("write.csv", "write.csv2", "write.table", "saveRDS", "save", "fwrite", "write_csv", "write_rds", "sink",
              "ggsave", "write_parquet", "file.copy", "dir.create"),
    reason = "there what a script writes is refused or thrown away: return it as data or as a plot"
  ),
  list(
    calls = c("system", "system2", "shell", "pipe"),
    reason = "there a program sees no files and no network, and may not be installed: do it in R"
  ),
  list(
    calls = c("Sys.getenv", "Sys.setenv"),
    reason = "the environment is not that of this computer: declare what you need as a @param"
  ),
  list(
    calls = c("readline", "menu", "file.choose", "View", "install.packages", "setwd"),
    reason = "nobody sits there to answer or to prepare R: leave it out"
  )
)

# Leaves a note for each such call in the script and in the files beside it that it sources; the shared helpers of lib
# are looked after by others.
note_calls <- function(session) {
  beside <- session$spec$files[dirname(session$spec$files) == dirname(session$spec$script)]
  for (file in unique(c(session$spec$script, beside))) {
    for (note in call_notes(file)) {
      session$notes[[length(session$notes) + 1]] <- note
      session$event("note", note$message, note$file, note$line)
    }
  }
}

# List of list(message, file, line).
call_notes <- function(file) {
  tokens <- parse_tokens(file)
  reasons <- unlist(lapply(locked_out, function(group) stats::setNames(rep(group$reason, length(group$calls)), group$calls)))
  called <- which(tokens$token == "SYMBOL_FUNCTION_CALL" & tokens$text %in% names(reasons))
  called <- Filter(function(i) refers_to_r(tokens, i), called)
  lapply(called, function(i) {
    name <- tokens$text[i]
    list(message = paste0(name, "() is not for the platform: ", reasons[[name]]), file = file, line = tokens$line1[i])
  })
}

# Not x$file(), not a function of the author's own, not read.csv(text = ...), which reads no file.
refers_to_r <- function(tokens, i) {
  named <- tokens[tokens$parent == tokens$parent[i], ]
  if (any(named$token %in% c("'$'", "'@'"))) return(FALSE)
  same <- tokens[tokens$token == "SYMBOL" & tokens$text == tokens$text[i], ]
  if (any(vapply(same$parent, function(id) is_assigned(tokens, id), NA))) return(FALSE)
  call <- tokens[tokens$parent == tokens$parent[tokens$id == tokens$parent[i]], ]
  !any(call$token == "SYMBOL_SUB" & call$text == "text")
}
