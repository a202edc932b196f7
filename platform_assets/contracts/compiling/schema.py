"""Contract -> pandera schema of the typed rows. Heavy imports: not for definition time.

pandera is the schema language: the checks built here are what `expression` compiles for the engine, and what the differential
tests run on pandas as the oracle.
"""

from __future__ import annotations

import datetime as dt
import importlib
import inspect
import re
from collections.abc import Callable
from typing import Any

import pandas as pd
import pandera.pandas as pa
import pyarrow

from platform_assets.contracts.columns import Column, ColumnType
from platform_assets.contracts.model import Contract, Rule
from platform_assets.contracts.words import pattern_in_words
from resources.text.spelling import plain


class RuleError(ValueError):
    """A named rule that cannot be found or has the wrong form."""


def rule_function(rule: Rule) -> Callable[[Any], Any]:
    """The Python function that `rule.check` (``module:function``) names. It takes the table, and is True where a row is right."""
    module, _, name = rule.check.partition(":")
    try:
        function = getattr(importlib.import_module(module), name)
    except (ImportError, AttributeError) as error:
        raise RuleError(
            f"rule {rule.name!r}: cannot find {rule.check!r} ({error}); write package.module:function"
        ) from error
    if not callable(function) or len(inspect.signature(function).parameters) != 1:
        raise RuleError(f"rule {rule.name!r}: {rule.check!r} must be a function of one argument, the table")
    return function


def dtype_of(column: Column) -> pd.ArrowDtype:
    """The pandas type of the column's typed values; Arrow types keep integers with missing values exact."""
    arrow = {
        ColumnType.STRING: pyarrow.string(),
        ColumnType.CATEGORICAL: pyarrow.string(),
        ColumnType.LIST: pyarrow.string(),
        ColumnType.INTEGER: pyarrow.int64(),
        ColumnType.DECIMAL: pyarrow.decimal128(column.precision, column.scale),
        ColumnType.FLOAT: pyarrow.float64(),
        ColumnType.BOOLEAN: pyarrow.bool_(),
        ColumnType.DATE: pyarrow.date32(),
        ColumnType.TIMESTAMP: pyarrow.timestamp("us"),
    }[column.type]
    return pd.ArrowDtype(arrow)


def checks_of(column: Column, today: dt.date) -> list[pa.Check]:
    """The pandera checks that the column's options stand for; each carries its message for people in `error`."""
    checks: list[pa.Check] = []
    if column.allowed:
        checks.append(pa.Check.isin(_as_read(column.allowed), error=f"is not one of {_listed(column.allowed)}"))
    if column.not_in:
        checks.append(
            pa.Check.notin(_as_read(column.not_in), error=f"is one of {_listed(column.not_in)}, which may not occur")
        )
    if column.matches is not None and column.pattern is not None:
        checks.append(pa.Check.str_matches(column.pattern, error=f"is not {pattern_in_words(column.matches)}"))
    if column.min_length is not None or column.max_length is not None:
        low, high = column.min_length, column.max_length
        bounds = f"between {low or 0} and {high}" if high is not None else f"at least {low}"
        checks.append(pa.Check.str_length(low, high, error=f"has not {bounds} characters"))
    if column.type is ColumnType.LIST and column.delimiter:
        checks += _checks_of_list(column, re.escape(column.delimiter))
    for name, words in (("ge", "at least"), ("gt", "more than"), ("le", "at most"), ("lt", "less than")):
        limit = getattr(column, name)
        if limit is None:
            continue
        value = _moment(today, column.type) if limit == "today" else _moment(limit, column.type)
        label = "today" if limit == "today" else limit
        word = {"at least": "before", "at most": "after"}.get(words) if isinstance(value, dt.date) else None
        message = f"is {word} {label}" if word else f"is not {words} {label}"
        checks.append(getattr(pa.Check, name)(value, error=message))
    return checks


def pandera_schema(contract: Contract, today: dt.date) -> pa.DataFrameSchema:
    """The schema of `contract`'s typed rows, with warn rules left out (they reject nothing)."""
    return pa.DataFrameSchema(
        columns={
            name: pa.Column(
                dtype_of(column),
                checks=checks_of(column, today) if column.constant is None else [],
                nullable=column.nullable,
                description=column.description or None,
            )
            for name, column in contract.columns.items()
        },
        checks=[rule_check(rule) for rule in contract.rules if rule.severity == "error"],
        name=contract.name,
        description=contract.description,
    )


def rule_check(rule: Rule) -> pa.Check:
    """`rule` as a pandera check of the whole table."""
    return pa.Check(rule_function(rule), name=rule.name, error=rule.description or f"breaks the rule {rule.name}")


def _checks_of_list(column: Column, mark: str) -> list[pa.Check]:
    """That a list is wrapped where it should be, and not longer than it may be. `mark` is its delimiter in a regular expression."""
    checks = []
    if column.wrapped:
        checks.append(pa.Check.str_matches(f"(?s)^{mark}.*{mark}$", error=f"is not wrapped in {column.delimiter}"))
    if column.max_items is not None:
        most = column.max_items + (1 if column.wrapped else -1)
        pattern = f"(?s)^[^{mark}]*(?:{mark}[^{mark}]*){{0,{most}}}$"
        checks.append(pa.Check.str_matches(pattern, error=f"has more than {column.max_items} items"))
    return checks


def _moment(value: Any, kind: ColumnType) -> Any:
    if kind is ColumnType.TIMESTAMP and isinstance(value, dt.date) and not isinstance(value, dt.datetime):
        return dt.datetime.combine(value, dt.time())
    return value


def _as_read(values: tuple[Any, ...]) -> list[Any]:
    """`values` in the spelling in which texts are judged."""
    return [plain(value) if isinstance(value, str) else value for value in values]


def _listed(values: tuple[Any, ...]) -> str:
    shown = ", ".join(str(v) for v in values[:8])
    return shown if len(values) <= 8 else f"{shown}, ... ({len(values)} values)"
