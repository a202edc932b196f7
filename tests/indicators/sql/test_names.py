"""Names of a query by scope: what counts as a name of its own WITH, what as a table, and that nothing else passes either reader."""

from __future__ import annotations

from pathlib import Path

import pytest
import sqlglot
from sqlglot import expressions

from platform_assets.indicators.model import HeaderError
from platform_assets.indicators.sql import file as sqlfile
from platform_assets.indicators.sql import names as sqlnames
from tests.resources.lake import hostile_sql

FILE = "/home/data/raw/secret/ducklake-1.parquet"
STATEMENTS = list(hostile_sql.statements(FILE, "/home/data/raw/**/*.parquet"))


def problems(query: str) -> list[str]:
    """What sqlglot's reading alone finds."""
    try:
        parsed = [s for s in sqlglot.parse(query, dialect="duckdb") if s is not None]
    except sqlglot.errors.SqlglotError as error:
        return [str(error)]
    if len(parsed) != 1 or not isinstance(parsed[0], expressions.Query):
        return ["no SELECT"]
    return list(sqlnames.problems(parsed[0]))


def test_every_spelling_in_every_place_is_refused_by_sqlglots_reading_alone() -> None:
    # what is asked for is for the second reader to know: here any table of the layers may be
    known = ("table not asked for /", "other snapshot / describe", "other snapshot / summarize")
    assert [(w, q) for w, q in STATEMENTS if not w.startswith(known) and not problems(q)] == []


@pytest.mark.parametrize("part", range(4))
def test_every_spelling_in_every_place_makes_a_file_that_cannot_be_read(part: int) -> None:
    taken = []
    for what, query in STATEMENTS[part::4]:
        if what.startswith("table not asked for /"):
            continue
        try:
            sqlfile._parse(Path("x.sql"), query)
        except HeaderError:
            continue
        taken.append((what, query))
    assert taken == []


def test_the_way_that_was_open_is_closed() -> None:
    """A WITH in another scope gave the name of a file to the whole query."""
    peek = (
        f'SELECT to_json(k)::VARCHAR AS laboratory FROM "{FILE}" k '
        f'WHERE EXISTS (WITH "{FILE}" AS (SELECT 1 FROM validated.orders) SELECT 1 FROM "{FILE}")'
    )
    with pytest.raises(HeaderError, match=r"not plain|write tables with their layer"):
        sqlfile._parse(Path("x.sql"), peek)


@pytest.mark.parametrize(
    ("query", "tables"),
    [
        ("WITH Recent AS (FROM validated.a) SELECT * FROM RECENT r JOIN recent s USING (i)", ["validated.a"]),
        ('WITH "r" AS (FROM validated.a) SELECT * FROM R', ["validated.a"]),
        (
            "WITH RECURSIVE n AS (SELECT 1 AS n UNION ALL SELECT n + 1 FROM n WHERE n < 9) FROM n, validated.a",
            ["validated.a"],
        ),
        (
            "WITH a AS (FROM validated.a), b AS (FROM a) SELECT * FROM (SELECT * FROM b WHERE EXISTS (FROM a)) s",
            ["validated.a"],
        ),
        (
            "SELECT * FROM validated.a a, LATERAL (SELECT * FROM indicators.b b WHERE b.i = a.i) l",
            ["indicators.b", "validated.a"],
        ),
        ("FROM validated.a PIVOT (count(*) FOR t IN ('x'))", ["validated.a"]),
        ("SELECT * FROM validated.a, unnest([1, 2]) u(x), range(3) r", ["validated.a"]),
        ("WITH validated AS (SELECT 1 AS i) SELECT * FROM validated, validated.a", ["validated.a"]),
        ("SELECT (WITH z AS (SELECT 1 AS n) SELECT n FROM z) AS n FROM validated.a", ["validated.a"]),
        (
            "(SELECT i FROM validated.a) UNION ALL (WITH z AS (FROM indicators.b) SELECT i FROM z)",
            ["indicators.b", "validated.a"],
        ),
    ],
)
def test_names_of_with_count_where_they_are_visible(query: str, tables: list[str]) -> None:
    assert list(sqlfile._parse(Path("x.sql"), query)[0]) == tables


@pytest.mark.parametrize(
    "query",
    [
        "WITH a AS (FROM b), b AS (SELECT 1 AS n) SELECT * FROM a, validated.a",
        "SELECT z.*, (WITH z AS (SELECT 1 AS n) SELECT n FROM z) FROM validated.a, z",
        "SELECT * FROM validated.a WHERE EXISTS (WITH z AS (SELECT 1) FROM z) AND EXISTS (FROM z)",
        "(WITH z AS (FROM validated.a) SELECT i FROM z) UNION ALL (SELECT i FROM z)",
        "SELECT * FROM validated.a orders, orders",
        "SELECT * FROM Validated.a",
        "SELECT * FROM validated.A",
    ],
)
def test_and_nowhere_else(query: str) -> None:
    with pytest.raises(HeaderError, match="write tables with their layer"):
        sqlfile._parse(Path("x.sql"), query)
