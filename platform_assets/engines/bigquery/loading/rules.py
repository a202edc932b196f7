"""The rules of loading and of contracts in BigQuery's words: those of `ingest.loading.rules`, turned by sqlglot, and the few that it cannot
turn.

BigQuery's own words, and why: a key and a row's content are compared as JSON text, since there is no hash over values of all types, NULL
must equal NULL, and rows cannot be grouped by a FLOAT64; SHA256 gives bytes; a decimal is not written with all digits of its scale.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

from typing_extensions import override

from platform_assets.contracts.columns import Column, ColumnType
from platform_assets.contracts.compiling.compiled import compiled
from platform_assets.contracts.compiling.queries import CompiledContract
from platform_assets.contracts.model import Contract
from platform_assets.ingest.loading.rules import HEX_DIGITS, Rules
from resources.gcp.bigquery_types import BigQueryError
from resources.lake.warehouse import literal

OWN = "own_words"


class BigRules(Rules):
    """The rules, with BigQuery's own words where they are needed. Its texts are for `say`."""

    @override
    def key(self, alias: str) -> str:
        return own(json_of(f"{alias}.{q(k)}" for k in self.contract.load.key))

    @override
    def hashed_key(self, alias: str) -> str:
        return f"{alias}._k"  # the whole key as text

    @override
    def joined_key(self, one: str, other: str) -> str:
        return f"{one}._k = {other}._k"

    @override
    def content(self, alias: str) -> str:
        return own(json_of(f"{alias}.{q(c)}" for c in self.contract.columns))

    @override
    def hash_of(self, sources: Sequence[str], alias: str) -> str:
        def text_of(source: str) -> str:
            column, value = self.contract.columns[source], f"{alias}.{q(source)}"
            if column.type.value != "decimal":
                return f"CAST({value} AS STRING)"
            return f"FORMAT('%.{column.scale}f', {value})"

        texts = ", ".join(map(text_of, sources))
        return own(f"SUBSTR(TO_HEX(SHA256(ARRAY_TO_STRING([{texts}], CHR(31)))), 1, {HEX_DIGITS})")

    @override
    def about(self, alias: str) -> str:
        return own(json_of(f"{alias}.{q(c)}" for c in self.contract.load.replaces))

    def period_start(self, alias: str) -> str:
        """The first day of the week or month: BigQuery's tables are partitioned by days."""
        assert self.contract.partition is not None
        day = f"CAST({alias}.{q(self.contract.partition.by)} AS DATE)"
        if self.contract.partition.unit == "month":
            return own(f"DATE_TRUNC({day}, MONTH)")
        # Monday = 2 for DAYOFWEEK
        return own(f"DATE_SUB({day}, INTERVAL MOD(EXTRACT(DAYOFWEEK FROM {day}) + 5, 7) DAY)")


def say(sql: str, tables: Mapping[str, str]) -> str:
    """A text of the rules in BigQuery's words. `tables`: what it calls a relation or table -> its full name here.

    Raises sqlglot's UnsupportedError for what BigQuery has no words for.
    """
    import sqlglot
    from sqlglot import exp

    def turned(node: exp.Expr) -> exp.Expr:
        if isinstance(node, exp.Anonymous) and node.name == OWN:
            return sqlglot.parse_one(node.expressions[0].name, dialect="bigquery")
        if isinstance(node, exp.Table):
            name = f"{node.db}.{node.name}" if node.db else node.name
            if name in tables:
                node.set("this", exp.to_identifier(tables[name].strip("`"), quoted=True))
                node.set("db", None)
        return node

    found = sqlglot.parse_one(sql, dialect="duckdb").transform(turned)
    return found.sql(dialect="bigquery", unsupported_level=sqlglot.ErrorLevel.RAISE)


def own(words: str) -> str:
    """An expression of BigQuery's own, as it may stand in a text for `say`."""
    return f"{OWN}({literal(words)})"


def json_of(expressions: Iterable[str]) -> str:
    """Values as one text: equal where all of them are, NULL being equal to NULL."""
    return f"TO_JSON_STRING(STRUCT({', '.join(expressions)}))"


def q(name: str) -> str:
    """A column's name as an identifier."""
    return f"`{name}`"


def listed(columns: Iterable[str]) -> str:
    """Column names as a list."""
    return ", ".join(map(q, columns))


# ------------------------------------------------------------------------------------------------ the contract's own rules

# Only pseudonyms reach BigQuery, so whatever must see an identifier in clear is done before: its cleaning, its checks, its pseudonym, and
# where there are identifiers the rows as a whole. BigQuery judges all other columns, and knows identifiers as text about which nothing is
# asked.


def for_bigquery(contract: Contract, today: dt.date, folder: Path) -> CompiledContract:
    """The SQL that BigQuery runs. Raises BigQueryError where a blocking rule reads an identifier: it would judge pseudonyms."""
    for rule, column in _rules_that_read_identifiers(contract):
        raise BigQueryError(
            f"{contract.name}: the rule {rule} reads {column}, an identifier, which BigQuery knows by its pseudonym only. "
            "Make it a check of the column (matches, in, min_length), or load this dataset with PLATFORM_ENGINE=duckdb"
        )
    plain = Column(type=ColumnType.STRING, required=False, trim=False, null_tokens=())
    columns = {name: plain if name in contract.identifiers else c for name, c in contract.columns.items()}
    return compiled(contract.model_copy(update={"columns": columns}), today, folder, "bigquery")


def _rules_that_read_identifiers(contract: Contract) -> list[tuple[str, str]]:
    rules = [r for r in contract.rules if r.severity != "warn"]
    if not (rules and contract.identifiers):
        return []
    import ibis
    from ibis.expr import operations

    from platform_assets.contracts.compiling.expression import ibis_type
    from platform_assets.contracts.compiling.schema import rule_function

    typed = ibis.table({n: ibis_type(c) for n, c in contract.columns.items()}, name="typed")
    found = []
    for rule in rules:
        read = {f.name for f in rule_function(rule)(typed).op().find(operations.Field)}
        found += [(rule.name, column) for column in sorted(read & set(contract.identifiers))]
    return found
