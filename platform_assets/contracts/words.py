"""What a column's options mean, for people: the descriptions in Dagster and in the console say the same, and leave nothing out."""

from __future__ import annotations

from platform_assets.contracts.columns import Column, ColumnType, Pattern
from platform_assets.contracts.patterns import in_words

MOST_LISTED = 12
"""Values that are named one by one."""


def limits_in_words(column: Column) -> list[str]:
    """What is right in the column, and how it is read, a phrase for each option that is set."""
    words = []
    if column.constant is not None:
        words.append(f"always {column.constant}")
    if column.format:
        words.append(f"written like {formats_in_words(column)}")
    if column.two_digit_years_from is not None:
        first = column.two_digit_years_from
        words.append(f"years of two digits are {first} to {first + 99}")
    if column.allowed:
        words.append(f"one of {_listed(column.allowed)}")
    if column.not_in:
        words.append(f"never {_listed(column.not_in)}")
    if column.matches is not None:
        words.append(pattern_in_words(column.matches))
    words += _length(column.min_length, column.max_length)
    words += [
        f"{word} {getattr(column, name)}"
        for name, word in (("ge", "at least"), ("gt", "more than"), ("le", "at most"), ("lt", "less than"))
        if getattr(column, name) is not None
    ]
    if column.type is ColumnType.DECIMAL:
        words.append(f"at most {column.scale} digits behind the point")
    if column.type is ColumnType.LIST:
        around = f", which stands around them too ({column.delimiter}a{column.delimiter}b{column.delimiter})"
        words.append(f"items between {column.delimiter}{around if column.wrapped else ''}")
        words += [f"at most {column.max_items} items"] if column.max_items is not None else []
    if column.cumulative:
        words.append("running total: take the last, never sum over time")
    if column.parsed_from is not None:
        words.append(f"read out of {column.parsed_from.column}: {column.parsed_from.what}")
    if column.derived_from:
        words.append(f"where missing, derived from {', '.join(column.derived_from)}")
    elif column.nullable and column.type is not ColumnType.BOOLEAN:
        words.append("may be missing")
    return words


def formats_in_words(column: Column) -> str:
    """The formats of a date or timestamp by an example of each, e.g. ``31-12-2026 or 2026-12-31``. No directive: people read it."""
    return " or ".join(dict.fromkeys(f.example for f in column.date_formats("UTC")))


def pattern_in_words(matches: str | Pattern) -> str:
    """What a value of the column is: the contract's own words, else what its regular expression says. Never the expression: people read it."""
    if isinstance(matches, Pattern):
        return matches.says
    told = in_words(matches)
    return f"written as: {told}" if told else "written as the contract asks"


def _length(low: int | None, high: int | None) -> list[str]:
    if high is not None:
        return [f"{low or 0} to {high} characters"]
    return [f"at least {low} characters"] if low is not None else []


def _listed(values: tuple[str | int | float, ...]) -> str:
    return ", ".join(map(str, values[:MOST_LISTED])) + (", ..." if len(values) > MOST_LISTED else "")
