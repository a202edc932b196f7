"""R code is read as text: strings, comments and raw strings do not mislead it."""

from __future__ import annotations

import pytest

from platform_assets.indicators.script import rtext


@pytest.mark.parametrize(
    ("code", "masked"),
    [
        ('x <- "a # b" # c', 'x <- "_____"    '),
        (r'x <- "a\"b"', r'x <- "____"'),
        ("x <- 'it\"s'", "x <- '____'"),
        ('x <- r"(a"b)" + 1', 'x <- r______" + 1'),
        ("`odd # name` <- 1 # y", "`odd # name` <- 1    "),
        ('x <- "two\nlines"', 'x <- "___\n_____"'),
    ],
)
def test_comments_and_strings_are_hollowed_out_in_place(code: str, masked: str) -> None:
    assert rtext.mask(code) == masked
    assert len(masked) == len(code)


@pytest.mark.parametrize(
    ("code", "arguments"),
    [
        ("f <- function(a, b) 1", ("a", "b")),
        ("f = function (a,\n  b = g(1, 2), ...) 1", ("a", "b", "...")),
        ("`f` <- \\(a) a", ("a",)),
        ("f <- function() 1", ()),
        ('f <- function(a = "x, y", # first, second\n b) 1', ("a", "b")),
    ],
)
def test_the_arguments_of_a_function(code: str, arguments: tuple[str, ...]) -> None:
    function = rtext.find_function(code, rtext.mask(code), "f")

    assert function is not None
    assert function.arguments == arguments


@pytest.mark.parametrize("code", ["g <- function(a) a", "# f <- function(a) a", 'x <- "f <- function(a)"', "f <- 1"])
def test_a_function_that_is_not_there(code: str) -> None:
    assert rtext.find_function(code, rtext.mask(code), "f") is None


@pytest.mark.parametrize(
    ("code", "calls"),
    [
        ('source("a.R")', [(1, "a.R")]),
        ("x\nsource( 'a.R', local = TRUE)\nbase::source(file = \"b.R\")", [(2, "a.R"), (3, "b.R")]),
        ('sys.source(envir = e, file = "b.R")', [(1, "b.R")]),
        ("source(x)", [(1, None)]),
        ('source(paste0("a", ".R"))', [(1, None)]),
        ('data$source("x"); resource("y"); pkg::source("z")', []),
        ('# source("a.R")\nx <- "source(1)"', []),
        ("select(data, source)", []),
    ],
)
def test_calls_of_source(code: str, calls: list[tuple[int, str | None]]) -> None:
    assert [(call.line, call.path) for call in rtext.find_source_calls(code, rtext.mask(code))] == calls
