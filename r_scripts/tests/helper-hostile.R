# Arguments for the property test: good ones of each kind, and hostile ones that a function must answer rightly or refuse
# in words. Seeded by the test.

pick <- function(x) x[[sample.int(length(x), 1)]]

# Good columns of n rows by kind. Numbers are such that a value in a message would be recognised.
good <- list(
  count = function(n) sample(c(0:30, 77, 77, NA), n, TRUE),
  size = function(n) sample(c(200, 350.5, 977, 100000, NA, 0), n, TRUE, c(3, 3, 3, 3, 1, 1)),
  whole_size = function(n) sample(c(200, 350, 977, 100000), n, TRUE),
  part = function(n) sample(c(0:30, 77, 77), n, TRUE),
  expected = function(n) sample(c(0.321, 7.77, 31.5, 977.3, NA, 0), n, TRUE, c(3, 3, 3, 3, 1, 1)),
  number = function(n) sample(c(-88.25, 0, 0, 61.5, 977, 977.125, NA), n, TRUE),
  value = function(n) round(stats::rnorm(n, 977, 88), 2),
  score = function(n) c(stats::rnorm(n), NA)[sample.int(n + 1, n, TRUE)],
  error = function(n) sample(c(0.123, 0.456, 1.789), n, TRUE),
  outcome = function(n) sample(pick(list(c(0, 1, NA), c(TRUE, FALSE, NA), 0:1)), n, TRUE),
  chance = function(n) sample(c(0.123, 0.456, 0.789, NA), n, TRUE),
  group = function(n) sample(pick(list(c("Jansen", "Pietersen"), factor(c("Jansen", "De Vries")), 9001:9003)), n, TRUE),
  text = function(n) paste0("Jansen-", seq_len(n)),
  date = function(n) as.Date("2023-01-31") + sample(0:900, n, TRUE),
  period = function(n) pick(list(NULL, seq(as.Date("2021-01-01"), by = "month", length.out = n), seq_len(n) + 7000)),
  phase = function(n) pick(list(NULL, rep(1, n))),
  confidence = function(n) pick(list(0.95, 0.998, 0.8)),
  multiplier = function(n) pick(list(1, 100, 1000)),
  share = function(n) pick(list(0.123, 0.5, 0.9)),
  flag = function(n) pick(list(TRUE, FALSE))
)
columns <- setdiff(names(good), c("period", "phase", "confidence", "multiplier", "share", "flag"))

# What may come instead of a column.
hostile <- list(
  empty = function(x) x[0],
  single = function(x) x[1],
  short = function(x) x[-1],
  long = function(x) c(x, x[1]),
  twice = function(x) rep(x, 2),
  all_missing = function(x) rep(NA, length(x)),
  missing = function(x) replace(x, sample.int(length(x), 1), NA),
  nan = function(x) if (is.numeric(x) && !is.object(x)) replace(as.double(x), sample.int(length(x), 1), NaN) else x,
  infinite = function(x) replace(as.double(seq_along(x)), sample.int(length(x), 1), pick(list(Inf, -Inf))),
  negative = function(x) replace(as.double(seq_along(x)), sample.int(length(x), 1), -8642.5),
  huge = function(x) replace(as.double(seq_along(x)), sample.int(length(x), 1), pick(list(1e14, 1e16, 1e300, .Machine$double.xmax))),
  tiny = function(x) replace(as.double(seq_along(x)), sample.int(length(x), 1), pick(list(1e-20, 1e-90, 1e-110, 5e-324))),
  zeros = function(x) rep(0, length(x)),
  ties = function(x) rep(pick(list(0.1, 1, 7)), length(x)),
  fraction = function(x) seq_along(x) + 0.357,
  factor = function(x) factor(paste("Jansen", seq_along(x))),
  number_factor = function(x) factor(seq_along(x) + 8642),
  text = function(x) as.character(seq_along(x) + 8642),
  flags = function(x) rep(c(TRUE, FALSE), length.out = length(x)),
  date = function(x) as.Date("1999-09-19") + seq_along(x),
  time = function(x) as.POSIXct("1999-09-19 13:37:00", tz = "UTC") + seq_along(x),
  duration = function(x) as.difftime(8642 + seq_along(x), units = "hours"),
  integer64 = function(x) structure(seq_along(x) * 5e-324, class = "integer64"),
  complex = function(x) complex(real = seq_along(x), imaginary = 8642),
  list = function(x) as.list(seq_along(x) + 8642),
  matrix = function(x) matrix(seq_len(2 * length(x)), ncol = 2),
  frame = function(x) data.frame(x = seq_along(x)),
  null = function(x) NULL
)

# What may come instead of a setting.
hostile_settings <- list(NA, NaN, Inf, -1, 0, 8642.5, "8642", c(0.95, 0.998), numeric(), NULL, TRUE, factor("8642"),
                         as.Date("1999-09-19"), list(8642), 1e300)

# Does an error leak, or is it R's own rather than words of ours?
no_words <- function(error, arguments) {
  message <- conditionMessage(error)
  known <- c("1e15", "1e-100", "between 0.5 and", "2024-05-31", "0.231", "23.1", "0.95", "0.998", "0.499")
  for (text in known) message <- gsub(text, "", message, fixed = TRUE)
  if (!is.null(conditionCall(error)) && !grepl("should be one of|must be of length 1|must be NULL or", message)) {
    return(paste("not in words:", message))
  }
  words <- c("8642", names(good), "proportion", "rate", "neutral", "day", "site", "month", "week", "sqrt", "winsorise", "period", "time", "event")
  values <- unlist(lapply(unlist(lapply(arguments, function(x) if (is.data.frame(x)) as.list(x) else list(x)), FALSE),
                          function(x) if (is.function(x) || inherits(x, "formula")) NULL else
                            tryCatch(c(as.character(unlist(x)), as.character(x)), error = function(e) NULL)))
  values <- unique(values[!is.na(values) & nchar(values) > 2 & !values %in% c("TRUE", "FALSE", "NaN", "Inf", "-Inf", words)])
  shown <- Filter(function(value) grepl(paste0("(^|[^0-9A-Za-z.])", gsub("([.+*()-])", "\\\\\\1", value), "($|[^0-9A-Za-z.])"), message), values)
  if (length(shown)) return(paste("a value is shown:", message))
  NULL
}
