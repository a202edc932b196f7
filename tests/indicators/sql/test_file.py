"""What a .sql file says of itself: header, tables, parameters, and the same query for BigQuery."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from platform_assets.contracts.columns import ColumnType
from platform_assets.contracts.files import DEFS, read_contracts
from platform_assets.indicators.model import HeaderError
from platform_assets.indicators.sql import file as sqlfile
from platform_assets.indicators.sql.file import SqlIndicator, list_sql, read_sql, to_bigquery
from tests.resources.gcp.bigquery_emulator import analysed

GOOD = """\
-- Orders per day
--
-- All orders.
--
-- @owner  team:test
-- @param  since <date> first day, default 2020-01-01
-- @output day <date> the day,
--         orders <integer> how many
WITH recent AS (SELECT * FROM validated.orders WHERE day >= $since)
SELECT r.day, count(*) AS orders FROM recent r JOIN indicators.days d ON d.day = r.day GROUP BY r.day
"""


def written(folder: Path, text: str, name: str = "orders_per_day") -> SqlIndicator:
    path = folder / f"{name}.sql"
    path.write_text(text, encoding="utf-8")
    return read_sql(path)


def test_the_header_and_the_query_say_everything(tmp_path: Path) -> None:
    orders = written(tmp_path, GOOD)
    assert (orders.name, orders.title, orders.description) == ("orders_per_day", "Orders per day", "All orders.")
    assert orders.owner == "team:test"
    assert {n: (p.type, p.default, p.help) for n, p in orders.params.items()} == {
        "since": ("date", "2020-01-01", "first day")
    }
    assert [(o.name, o.type, o.help) for o in orders.outputs.values()] == [
        ("day", "date", "the day"),
        ("orders", "integer", "how many"),
    ]


def test_dependencies_are_the_tables_of_the_query_and_not_its_own_names(tmp_path: Path) -> None:
    assert written(tmp_path, GOOD).tables == ("indicators.days", "validated.orders")


def test_a_table_in_a_comment_or_a_text_is_no_dependency(tmp_path: Path) -> None:
    text = GOOD.replace("GROUP BY", "-- validated.other\nAND 'from validated.third' <> '' GROUP BY").replace(
        "ON d.day", "ON true AND d.day"
    )
    assert written(tmp_path, text).tables == ("indicators.days", "validated.orders")


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("validated.orders", "orders", "the query reads orders: write tables with their layer"),
        ("validated.orders", "raw.orders", "the query reads raw.orders"),
        ("validated.orders", "read_csv('/etc/passwd')", "the query reads READ_CSV"),
        ("validated.orders", "'/etc/passwd'", "the query reads"),
        ("$since", "?", "parameters have names"),
        ("$since", "$from_day", r"uses \$from_day, which no @param declares"),
        ("$since", "'2020-01-01'", r"@param since is declared, but \$since is not in the query"),
        ("GROUP BY r.day", "GROUP r.day BY", 'this is not SQL, near ".*GROUP"'),
        ("GROUP BY r.day", "GROUP BY 'r.day", "a quote or a comment left open"),
        ("GROUP BY r.day", "GROUP BY r.day; DROP TABLE validated.orders", "one SELECT"),
        ("@owner  team:test", "@owner  somebody", "line 5: @owner"),
        ("-- @owner  team:test\n", "", "no @owner line"),
        ("<date> first day, default 2020-01-01", "<date> first day", "line 6: cannot read @param"),
        ("default 2020-01-01", "default 01/01/2020", 'default of @param since: "01/01/2020" is not a date'),
        ("orders <integer>", "orders <bigint>", "unknown type <bigint>"),
        ("orders <integer>", "orders integer", 'cannot read "orders integer'),
        ("@output", "@outputs", "line 7: unknown tag @outputs"),
        ("-- Orders per day\n--\n-- All orders.\n", "", "no title"),
    ],
)
def test_a_wrong_file_says_where_and_what_to_write(tmp_path: Path, old: str, new: str, message: str) -> None:
    assert old in GOOD
    with pytest.raises(HeaderError, match=message):
        written(tmp_path, GOOD.replace(old, new))


def test_what_was_parsed_before_is_remembered_until_the_file_changes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path, cache = tmp_path / "orders_per_day.sql", tmp_path / "cache"
    path.write_text(GOOD, encoding="utf-8")
    first = read_sql(path, cache)
    parsed: list[str] = []
    original = sqlfile._parse
    monkeypatch.setattr(sqlfile, "_parse", lambda p, text: parsed.append(text) or original(p, text))  # type: ignore[func-returns-value]
    assert read_sql(path, cache) == first
    assert parsed == []
    path.write_text(GOOD.replace("indicators.days", "indicators.weeks"), encoding="utf-8")
    assert read_sql(path, cache).tables == ("indicators.weeks", "validated.orders")
    assert len(parsed) == 1


def test_reading_from_the_cache_does_not_import_sqlglot(tmp_path: Path) -> None:
    path, cache = tmp_path / "orders_per_day.sql", tmp_path / "cache"
    path.write_text(GOOD, encoding="utf-8")
    read_sql(path, cache)
    code = (
        "import sys; from pathlib import Path; from platform_assets.indicators.sql.file import read_sql; "
        f"read_sql(Path({str(path)!r}), Path({str(cache)!r})); sys.exit('sqlglot' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_the_query_is_said_in_the_dialect_of_bigquery(tmp_path: Path) -> None:
    there = to_bigquery(written(tmp_path, GOOD).query)
    assert "@since" in there
    assert "$" not in there


def test_what_bigquery_has_no_words_for_is_told() -> None:
    with pytest.raises(ValueError, match="cannot be said in BigQuery's dialect"):
        to_bigquery("SELECT x FROM validated.a QUALIFY (((")


# ------------------------------------------------------------------ the shipped files

SHIPPED = list_sql(DEFS)
BIGQUERY = {
    ColumnType.INTEGER: "INT64",
    ColumnType.DECIMAL: "NUMERIC",
    ColumnType.FLOAT: "DOUBLE",
    ColumnType.BOOLEAN: "BOOL",
    ColumnType.DATE: "DATE",
    ColumnType.TIMESTAMP: "TIMESTAMP",
}
OUTPUTS = {"text": "STRING", "integer": "INT64", "decimal": "NUMERIC", "number": "DOUBLE", "date": "DATE"}


def test_the_shipped_files_are_found() -> None:
    assert [path.stem for path in SHIPPED] == ["client_sales_by_type", "daily_sales"]


@pytest.mark.slow
def test_bigquerys_own_analyser_accepts_the_shipped_queries() -> None:
    contracts = read_contracts()
    jobs: list[dict[str, Any]] = []
    declared = []
    for path in SHIPPED:
        indicator = read_sql(path)
        query, columns = to_bigquery(indicator.query), {}
        for table in indicator.tables:
            # a simple catalog knows no datasets: the table stands in it under the name without its layer
            name = table.split(".")[1]
            query = query.replace(table, name)
            columns[name] = {n: BIGQUERY.get(c.type, "STRING") for n, c in contracts[name].columns.items()}
        jobs.append({"sql": query, "columns": columns})
        declared.append({o.name: OUTPUTS[o.type] for o in indicator.outputs.values()})
    misspelt = {**jobs[0], "sql": jobs[0]["sql"].replace("prod_price", "prod_prize")}
    *answers, refused = analysed([*jobs, misspelt])
    assert [answer.get("types", answer) for answer in answers] == declared
    assert "prod_prize" in refused["refused"]


def test_two_files_of_one_name_are_refused_with_both_places(tmp_path: Path) -> None:
    for domain in ("sales", "stores"):
        (tmp_path / domain / "sql").mkdir(parents=True)
        written(tmp_path / domain / "sql", GOOD)
    both = "sales/sql/orders_per_day.sql and stores/sql/orders_per_day.sql have the same name"
    with pytest.raises(HeaderError, match=both):
        list_sql(tmp_path)
