"""Reads R code as text: where its functions are, which files it sources. No R, no evaluation."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

# Order matters: a raw string before a plain one, both before a comment that could hold their quotes.
_SKIP = re.compile(
    r"""
      [rR](?P<q>["'])(?P<dashes>-*)(?:\((?:.*?)\)|\[(?:.*?)\]|\{(?:.*?)\})(?P=dashes)(?P=q)
    | "(?:\\.|[^"\\])*"
    | '(?:\\.|[^'\\])*'
    | `(?:\\.|[^`\\])*`
    | \#[^\n]*
    """,
    re.VERBOSE | re.DOTALL,
)
_NOT_NEWLINE = re.compile(r"[^\n]")
_LITERAL = re.compile(r"""\s*(?P<quote>["'])(?P<text>(?:\\.|(?!(?P=quote)).)*)(?P=quote)\s*\Z""", re.DOTALL)
_SOURCE = re.compile(r"(?<![\w.$@:])(?:base::)?(?:sys\.)?source\s*\(")
_NAMED = re.compile(r"\s*(?P<name>[\w.]+|`[^`]*`)\s*=(?!=)")


def mask(code: str) -> str:
    """`code` with comments blanked and strings hollowed out, at the same offsets and line breaks."""

    def hollow(match: re.Match[str]) -> str:
        text = match[0]
        if text[0] == "#":
            return " " * len(text)
        if text[0] == "`":
            return text
        return text[0] + _NOT_NEWLINE.sub("_", text[1:-1]) + text[-1]

    return _SKIP.sub(hollow, code)


def line_of(code: str, offset: int) -> int:
    """The line number (from 1) of an offset."""
    return code.count("\n", 0, offset) + 1


@dataclass(frozen=True)
class Function:
    """A function assigned at the top of the file: the line it starts on and its argument names."""

    line: int
    arguments: tuple[str, ...]


def find_function(code: str, masked: str, name: str) -> Function | None:
    """The definition `name <- function(...)` (or `=`, or `\\(...)`) that the file's text holds, if any."""
    definition = re.compile(rf"(?m)^[ \t]*`?{re.escape(name)}`?\s*(?:<-|=)\s*(?:function|\\)\s*\(")
    match = definition.search(masked)
    if match is None:
        return None
    arguments = tuple(_argument_name(code[a:b]) for a, b in _arguments(masked, match.end()))
    return Function(line_of(code, match.start()), arguments)


def find_assigned_functions(masked: str) -> list[str]:
    """Names of the functions assigned at the left margin, for a message that says what was found instead."""
    return re.findall(r"(?m)^`?([\w.]+)`?\s*(?:<-|=)\s*(?:function|\\)\s*\(", masked)


@dataclass(frozen=True)
class SourceCall:
    """One call of source(); `path` is None when it is not a literal string."""

    line: int
    path: str | None


def find_source_calls(code: str, masked: str) -> Iterator[SourceCall]:
    """Every call of source() or sys.source(), in the order of the file."""
    for match in _SOURCE.finditer(masked):
        path = None
        for position, (start, end) in enumerate(_arguments(masked, match.end())):
            named = _NAMED.match(masked, start, end)
            if named and named["name"] != "file":
                continue
            if named or position == 0:
                literal = _LITERAL.match(code[named.end() if named else start : end])
                path = literal["text"] if literal else None
                break
        yield SourceCall(line_of(code, match.start()), path)


def _arguments(masked: str, start: int) -> list[tuple[int, int]]:
    """Spans of the comma-separated arguments that follow an opening bracket at `start`."""
    depth, begin, spans = 0, start, []
    for index in range(start, len(masked)):
        char = masked[index]
        if char in "([{":
            depth += 1
        elif char in ")]}":
            if depth == 0:
                spans.append((begin, index))
                break
            depth -= 1
        elif char == "," and depth == 0:
            spans.append((begin, index))
            begin = index + 1
    return [(a, b) for a, b in spans if masked[a:b].strip()]


def _argument_name(text: str) -> str:
    return mask(text).split("=", 1)[0].strip().strip("`")
