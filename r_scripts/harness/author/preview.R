# The page that an indicator will have on the dashboard, as a file for its author alone. The dashboard itself draws it, so
# that it is the page that readers will see; without the platform's Python there is none, and the run says so.

# What to tell the author: the page's address, or why there is none. `result` is that of run_one().
write_preview <- function(path, result, plot_folder, target) {
  python <- file.path(dirname(root), ".venv", "bin", "python")
  if (!file.exists(python)) return("no page: the platform's own Python draws it (make setup)")
  folder <- tempfile("preview")
  dir.create(folder, mode = "0700")
  on.exit(unlink(folder, recursive = TRUE))
  tables <- list(table = result$data, atoms = result$atoms)
  for (name in names(tables)[lengths(tables) > 0]) {
    utils::write.csv(tables[[name]], file.path(folder, paste0(name, ".csv")), na = "", row.names = FALSE, fileEncoding = "UTF-8")
  }
  # without the path of libraries that R sets for itself: another Python may lie there
  said <- suppressWarnings(system2("env", c(
    "-u", "LD_LIBRARY_PATH", paste0("PYTHONPATH=", shQuote(dirname(root))), shQuote(python), "-m", "dashboard.preview",
    shQuote(c(path, folder, plot_folder, target))
  ), stdout = TRUE, stderr = TRUE))
  if (is.null(attr(said, "status"))) target else paste("it could not be drawn:", utils::tail(said, 1))
}
