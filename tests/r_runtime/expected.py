"""What the card says of each script of the fixtures: one of every way to fail."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Expected:
    """`marked` is the text of the first marked line of code; `stack` the calls as `call @ file:line`."""

    script: str
    kind: str
    message: str
    marked: str | None
    stack: tuple[str, ...] = ()
    file: str | None = None
    warnings: int = 0


EXPECTED = [
    Expected(
        "own_error",
        "error",
        "ages are missing; ask the laboratory",
        'stop("ages are missing; ask the laboratory")',
        (
            "own_error(visits) @",
            "clean(visits) @ own_error.R:15",
            "keep(x) @ own_error.R:7",
            'stop("ages are missing; ask the laboratory") @ own_error.R:11',
        ),
        warnings=1,
    ),
    Expected(
        "builtin_error",
        "error",
        "non-numeric argument to binary operator",
        "total <- visits$age +",
        ("builtin_error(visits) @",),
    ),
    Expected(
        "helper_error",
        "error",
        "a population of zero has no rate",
        'stop("a population of zero has no rate")',
        (
            "helper_error(visits) @",
            "sapply(1:2, function(i) { per_100(i, 0) }) @ helper_error.R:8",
            "per_100(i, 0) @ helper_error.R:9",
            'stop("a population of zero has no rate") @ rates.R:4',
        ),
        file="rates.R",
        warnings=1,
    ),
    Expected("top_level_error", "error", "subscript out of bounds", 'high <- limits[["high"]]'),
    Expected(
        "dplyr_error",
        "error",
        "object 'aeg' not found",
        "visits %>%",
        (
            "dplyr_error(visits) @",
            "visits %>% group_by(patient) %>% summarise(n = sum(aeg)) @ dplyr_error.R:7",
        ),
    ),
    Expected(
        "strict_warning",
        "error",
        "(converted from warning) NAs introduced by coercion",
        'n <- as.integer("many")',
        ("strict_warning(visits) @",),
    ),
    Expected("hidden_source", "error", "give source() its path in quotes", 'do.call("source", list(path))'),
    Expected("returns_null", "no_output", "returns_null() returned NULL", "if (nrow(visits) < 0) result"),
    Expected(
        "returns_list",
        "no_output",
        "returned list without a data frame `data`",
        "list(table = data.frame(n = 1L))",
    ),
    Expected(
        "wrong_columns",
        "wrong_output",
        "missing: n; not declared: count, N",
        "data.frame(count = nrow(visits), N = 1L)",
    ),
    Expected(
        "wrong_type",
        "wrong_output",
        'column "n" is character, @output says <integer>',
        "data.frame(n = as.character(nrow(visits)))",
    ),
    Expected(
        "fraction",
        "wrong_output",
        'column "n" has a fraction in row 3, @output says <integer>: use round()',
        "data.frame(n = c(1, 2, 2.5))",
    ),
    Expected(
        "not_a_number",
        "wrong_output",
        'column "share" is NaN or infinite in 2 rows, first in row 2',
        "data.frame(share = c(NA, 0 / 0, 1 / 0))",
    ),
    Expected(
        "out_of_limits",
        "wrong_output",
        'column "share" is above 1 in row 3, @output says <number 0..1>',
        "data.frame(share = c(0.5, NA, 1.5))",
    ),
    Expected(
        "not_utf8",
        "wrong_output",
        'column "name" is not valid UTF-8 text in row 2',
        'data.frame(name = c("ok", name))',
    ),
    Expected(
        "missing_plot",
        "wrong_output",
        'did not return the plot "ages" of its @plot line',
        "data.frame(n = nrow(visits))",
    ),
    Expected(
        "plot_error",
        "error",
        'plot "ages" could not be drawn',
        "list(data = data.frame(n = nrow(visits)), ages = ages)",
    ),
    Expected(
        "quits",
        "quit",
        "the script called quit(), so there is no result to publish",
        'q("no")',
        ("quits(visits) @", 'q("no") @ quits.R:6'),
    ),
    Expected(
        "quits_for_real",
        "quit",
        "the script called quit(), so there is no result to publish",
        "tryCatch(base::quit(status = 0), warning = function(w) NULL)",
    ),
    Expected("exits", "quit", "compiled code called exit(); its last message came from exits.R line 8", None),
    Expected(
        "crashes",
        "crash",
        "R crashed (SIGSEGV: memory not mapped)",
        '.C("crash")',
        ("crashes(visits) @", "crash() @ crashes.R:13", '.C("crash") @ crashes.R:5'),
    ),
    Expected("killed", "killed", "the operating system killed R (SIGKILL)", None),
    Expected(
        "recursion",
        "recursion",
        "evaluation nested too deeply",
        "deeper(x + 1)",
        ("recursion(visits) @", "deeper(1) @ recursion.R:9", "deeper(x + 1)  (N times) @ recursion.R:5"),
    ),
    Expected(
        "deep_recursion",
        "recursion",
        "evaluation nested too deeply",
        "sum(sapply(1:2, function(i) deeper(x + i)))",
    ),
    Expected("missing_package", "missing_package", "there is no package called ‘PropCIs’", "library(PropCIs)"),
    Expected(
        "missing_namespace",
        "missing_package",
        "there is no package called ‘PropCIs’",
        "PropCIs::exactci(1, 2, 0.95)",
    ),
    Expected("syntax", "syntax", "unexpected input", "n <- visits %>%%"),
    Expected("unclosed", "syntax", "unexpected '}'", "}"),
    Expected(
        "missing_file",
        "missing_file",
        "cannot open file 'postcodes.csv': No such file or directory",
        'lookup <- read.csv("postcodes.csv")',
        ("missing_file(visits) @", 'read.csv("postcodes.csv") @ missing_file.R:5'),
    ),
    Expected(
        "quotes_patients",
        "error",
        "invalid value '<value>' with score <value>",
        'stop("invalid value \'", id, "\' with score ", round(score, 2))',
        warnings=1,
    ),
    Expected("quotes_by_itself", "error", "object '<value>' not found", "get(visits$patient[2])"),
]
