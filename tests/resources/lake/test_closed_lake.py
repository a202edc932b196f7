"""The lake of an analyst's query: it shows what the warehouse shows of the tables it was given, and nothing else, whatever is asked."""

from __future__ import annotations

import hashlib
import resource
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import duckdb
import pytest

from resources.lake import closed_lake as module
from resources.lake.catalog import PostgresCatalog
from resources.lake.closed_lake import ClosedLake, TooLarge, TooLong, closed_lake
from resources.lake.select_only import Refused, demand_select, pure_functions
from resources.lake.warehouse import Warehouse, WarehouseError, literal
from tests.resources.lake import hostile_sql
from tests.servers.postgres_server import PASSWORD, PostgresServer

MARKER = "SECRET-VALUE"
ALLOWED = ("validated.a",)


def filled(warehouse: Warehouse) -> None:
    """A table that may be read, with all that DuckLake knows (deletes, added columns, partitions), and others that may not."""
    with warehouse.connect() as connection, warehouse.write(connection):
        connection.execute("CREATE TABLE validated.a (i BIGINT, t VARCHAR, w VARCHAR)")
        connection.execute("ALTER TABLE validated.a SET PARTITIONED BY (w)")
        connection.execute("INSERT INTO validated.a SELECT range, 'x' || range, 'w' || range % 3 FROM range(300)")
    with warehouse.connect() as connection, warehouse.write(connection):
        connection.execute("DELETE FROM validated.a WHERE i % 10 = 3")
        connection.execute("ALTER TABLE validated.a ADD COLUMN d DECIMAL(18, 2)")
        connection.execute("INSERT INTO validated.a VALUES (9000, 'é', 'w9', 1.25), (NULL, NULL, NULL, NULL)")
        connection.execute(f"CREATE TABLE validated.b AS SELECT '{MARKER}' AS marker")
        for layer in ("raw", "quarantine", "platform"):
            connection.execute(f"CREATE TABLE {layer}.secret AS SELECT '{MARKER}' AS marker")


@pytest.fixture
def warehouse(tmp_path: Path) -> Warehouse:
    found = Warehouse(tmp_path / "lake", threads=2)
    filled(found)
    return found


@contextmanager
def opened(warehouse: Warehouse, out: Path | None = None) -> Iterator[ClosedLake]:
    folder = warehouse.wait_for_scratch()
    with warehouse.connect() as connection:
        connection.execute("BEGIN TRANSACTION")
        states = [warehouse.state(connection, table) for table in ALLOWED]
        rows = {state.table: state.rows for state in states if state}
        with closed_lake(warehouse, connection, rows, folder, [out] if out else []) as lake:
            yield lake


def secret_file(warehouse: Warehouse) -> str:
    """The data file of a table that may not be read."""
    with warehouse.connect() as connection:
        found = connection.execute("SELECT data_file FROM ducklake_list_files('lake', 'secret', schema => 'raw')")
        return str(found.fetchall()[0][0])


def hostile(warehouse: Warehouse, folder: Path) -> list[tuple[str, str]]:
    """Every statement, against the data file of another table, a CSV, a JSON and a text outside of the lake."""
    files = [secret_file(warehouse)]
    for suffix, text in (("csv", f"marker\n{MARKER}\n"), ("json", f'{{"marker": "{MARKER}"}}\n')):
        path = folder / f"secret.{suffix}"
        path.write_text(text)
        files.append(str(path))
    return [
        (f"{what} / {Path(f).suffix}", query)
        for f in files
        for what, query in hostile_sql.statements(
            f, f"{Path(f).parent}/*{Path(f).suffix}", each=6 if f.endswith(".parquet") else 1
        )
    ]


def answered(connection: duckdb.DuckDBPyConnection, query: str) -> str:
    """All that an engine says to a statement, error or rows."""
    try:
        return str((connection.execute(query) or connection).fetchmany(500))
    except (duckdb.Error, RuntimeError, IndexError) as error:
        return str(error)


def queries() -> list[str]:
    return [
        "SELECT * FROM validated.a",
        "SELECT * FROM validated.a ORDER BY i DESC NULLS FIRST",
        "SELECT w, count(*) AS n, sum(d) AS d, min(t) AS t FROM validated.a GROUP BY w ORDER BY w",
        "SELECT count(*) AS n FROM validated.a",
        "SELECT i, d FROM validated.a WHERE w = 'w1' AND i BETWEEN 100 AND 150",
        "WITH c AS (SELECT i FROM validated.a WHERE t LIKE 'x1%') SELECT a.* FROM validated.a a JOIN c USING (i) ORDER BY i",
        "SELECT i FROM validated.a a WHERE EXISTS (SELECT 1 FROM validated.a b WHERE b.i = a.i + 1) ORDER BY i",
        "SELECT a.i, l.n FROM validated.a a, LATERAL (SELECT count(*) AS n FROM validated.a b WHERE b.i < a.i) l ORDER BY ALL LIMIT 50",
        "WITH RECURSIVE n AS (SELECT 1 AS n UNION ALL SELECT n + 1 FROM n WHERE n < 9) SELECT n, t FROM n JOIN validated.a ON i = n ORDER BY n",
        "SELECT u.x, t FROM validated.a, unnest([1, 2]) u(x) WHERE i = 5 ORDER BY x",
        "SELECT r.range AS day, count(t) AS n FROM range(9) r LEFT JOIN validated.a ON i = r.range GROUP BY ALL ORDER BY ALL",
        "FROM (SELECT i % 2 AS e, w FROM validated.a) PIVOT (count(*) FOR w IN ('w0', 'w1')) ORDER BY e",
        "SELECT i, row_number() OVER (PARTITION BY w ORDER BY i) AS r FROM validated.a QUALIFY r < 4 ORDER BY ALL",
        "SELECT list_transform([i, 2], lambda x: x + 1) AS l, if(i > 3, 'a', 'b') AS b, coalesce(t, w) AS c FROM validated.a ORDER BY i",
        "SELECT i FROM validated.a WHERE i < $least ORDER BY i",
    ]


def test_it_gives_what_the_warehouse_gives_byte_for_byte(warehouse: Warehouse, tmp_path: Path) -> None:
    warehouse.threads = 1  # several may write rows without an order in any
    here, there = tmp_path / "here.parquet", tmp_path / "there.parquet"
    for query in queries():
        parameters = {"least": 40} if "$" in query else {}
        with opened(warehouse, here) as lake:
            kinds = lake.describe(query, parameters)
            lake.write(query, parameters, here)
        with warehouse.connect() as connection:
            told = connection.execute(f"DESCRIBE {query}", parameters).fetchall()
            connection.execute(f"COPY ({query}) TO {literal(str(there))} (FORMAT parquet)", parameters)
        assert kinds == {name: kind for name, kind, *_ in told}, query
        assert hashlib.sha256(here.read_bytes()).digest() == hashlib.sha256(there.read_bytes()).digest(), query
        here.unlink()
        there.unlink()


def test_an_earlier_snapshot_is_shown_as_it_was(warehouse: Warehouse, tmp_path: Path) -> None:
    with warehouse.connect() as connection:
        first = warehouse.state(connection, "validated.a")
        assert first is not None
        with warehouse.write(connection):
            connection.execute("DELETE FROM validated.a WHERE i < 200")
    with (
        warehouse.connect(snapshot=first.snapshot) as connection,
        closed_lake(warehouse, connection, {"validated.a": first.rows}, warehouse.wait_for_scratch()) as lake,
    ):
        assert lake._engine.execute("SELECT count(*) FROM validated.a").fetchall() == [(first.rows,)]
        assert answered(lake._engine, "SELECT max(i) FROM validated.a WHERE i < 1000") == "[(299,)]"


def test_what_the_copy_does_not_show_is_not_computed_on(warehouse: Warehouse) -> None:
    told = {"validated.a": "was changed while it was being read", "validated.none": r"one of validated\.none is not in"}
    for table, message in told.items():
        folder = warehouse.wait_for_scratch()
        with (
            warehouse.connect() as connection,
            pytest.raises(WarehouseError, match=message),
            closed_lake(warehouse, connection, {table: 1}, folder),
        ):
            pass


def test_the_engine_alone_shows_no_statement_another_table_or_a_file(warehouse: Warehouse, tmp_path: Path) -> None:
    """No parser stands before it here; the ordinary engine shows that the statements would read."""
    statements = hostile(warehouse, tmp_path)
    with warehouse.connect() as connection:
        open_to_all = sum(MARKER in answered(connection, query) for _, query in statements[::6])
    assert open_to_all > 20
    with opened(warehouse) as lake:
        shown = [(what, query) for what, query in statements if MARKER in answered(lake._engine, query)]
        files = lake._engine.execute("SELECT current_setting('allowed_paths')").fetchall()[0][0]
    assert shown == []
    assert not any("secret" in file for file in files)


def test_no_statement_is_taken_where_it_is_read_first(warehouse: Warehouse, tmp_path: Path) -> None:
    taken = []
    with opened(warehouse) as lake:
        for what, query in hostile(warehouse, tmp_path):
            try:
                lake.describe(query, {})
            except (Refused, duckdb.Error):  # the parser, or the engine that knows no such name
                continue
            taken.append((what, query))
    assert taken == []


def test_commands_are_refused_and_change_nothing(warehouse: Warehouse, tmp_path: Path) -> None:
    folder = tmp_path / "outside"
    folder.mkdir()
    before = {p: p.read_bytes() for p in warehouse.home.rglob("*.parquet")}
    secret = secret_file(warehouse)
    with opened(warehouse) as lake:
        for command in hostile_sql.commands(str(folder / "x.csv"), str(folder), secret):
            with pytest.raises(Refused):
                lake.describe(command, {})
            with pytest.raises(Refused):
                lake.write(command, {}, folder / "out.parquet")
            if command not in ("", ";", "\x00"):
                assert MARKER not in answered(lake._engine, command)
            # whatever it did to its own engine: no file was opened, no door either
            assert "disabled by configuration" in answered(lake._engine, f"FROM read_text('{secret}')"), command
    assert list(folder.iterdir()) == []
    assert {p: p.read_bytes() for p in warehouse.home.rglob("*.parquet")} == before


@pytest.mark.parametrize(
    "command", ["COPY (SELECT 1) TO '{0}' (FORMAT parquet, USE_TMP_FILE false)", "COPY (SELECT 1) TO '{0}'"]
)
def test_no_statement_writes_over_the_files_that_may_be_read(warehouse: Warehouse, command: str) -> None:
    with opened(warehouse) as lake:
        own = lake._engine.execute(
            "SELECT data_file FROM ducklake_list_files('lake', 'a', schema => 'validated')"
        ).fetchall()
        for (file,) in own:
            with pytest.raises(Refused):
                lake.describe(command.format(file), {})
            with pytest.raises(Refused):
                lake.describe(f"FROM '{file}'", {})  # rows that were deleted are still in it
    with warehouse.connect() as connection:
        assert connection.execute("SELECT count(*) FROM validated.a").fetchall() == [(272,)]


def test_a_statement_that_does_not_end_is_stopped(warehouse: Warehouse, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "TIME_LIMIT", 1.0)
    with opened(warehouse, warehouse.home / "out.parquet") as lake, pytest.raises(TooLong, match="stopped after"):
        lake.write(
            "WITH RECURSIVE n AS (SELECT 1::HUGEINT AS n UNION ALL SELECT n + 1 FROM n) SELECT max(n) FROM n",
            {},
            warehouse.home / "out.parquet",
        )


@pytest.mark.parametrize(
    "query",
    [
        "SELECT length(repeat('x', 4000000000)) AS n",
        "SELECT length(printf('%2000000000d', 1) || printf('%2000000000d', 1)) AS n",
        "SELECT length(list_resize([1], 2000000000, 2)) AS n",
        "SELECT length(range(2000000000)) AS n",
        "SELECT length(string_agg(repeat('x', 1000000), '')) AS n FROM range(4000)",
        "WITH RECURSIVE t AS (SELECT 'x' AS s, 1 AS n UNION ALL SELECT s || s, n + 1 FROM t WHERE n < 33) SELECT max(length(s)) AS n FROM t",
        "SELECT length(replace(replace(replace(repeat('x', 1000), 'x', repeat('x', 1000)), 'x', repeat('x', 1000)), 'x', 'xxxx')) AS n",
    ],
)
def test_a_value_or_a_table_that_grows_and_grows_is_stopped(warehouse: Warehouse, query: str) -> None:
    small = Warehouse(warehouse.home, threads=2, memory_limit="300MB")
    before = resource.getrlimit(resource.RLIMIT_DATA)
    with opened(small, warehouse.home / "out.parquet") as lake:
        with pytest.raises(TooLarge, match="PLATFORM_MEMORY_LIMIT"):
            lake.write(query, {}, warehouse.home / "out.parquet")
        lake.write("SELECT count(*) AS n FROM validated.a", {}, warehouse.home / "out.parquet")  # the engine lives on
    assert resource.getrlimit(resource.RLIMIT_DATA) == before


def test_functions_that_tell_of_the_engine_or_the_clock_are_none_of_the_pure_ones() -> None:
    pure = pure_functions()
    assert {
        "sum",
        "strftime",
        "date_trunc",
        "regexp_matches",
        "list_transform",
        "json_extract",
        "parse_path",
        "+",
    } <= pure
    told = {
        "getvariable",
        "current_setting",
        "getenv",
        "query",
        "query_table",
        "read_text",
        "glob",
        "now",
        "random",
        "uuid",
    }
    told |= {
        "today",
        "nextval",
        "currval",
        "setseed",
        "write_log",
        "sleep_ms",
        "version",
        "current_database",
        "txid_current",
    }
    assert not pure & told
    assert not [
        name for name in pure if name.startswith(("duckdb_", "pragma_", "pg_", "read_", "parquet_", "ducklake_", "__"))
    ]
    with duckdb.connect() as engine:
        kinds = "SELECT DISTINCT lower(function_name) FROM duckdb_functions() WHERE function_type LIKE 'table%' OR function_type = 'pragma'"
        tables = {name for (name,) in engine.execute(kinds).fetchall()}
    # the rest have a scalar function of the same name, which is another one
    assert pure & tables == {"generate_series", "range", "repeat", "histogram", "unnest"} & pure & tables


@pytest.mark.parametrize(
    ("query", "message"),
    [
        ("SELECT current_date FROM validated.a", "current_date is another one tomorrow"),
        ("SELECT now() FROM validated.a", "the function now may not be used"),
        ("FROM raw.secret", r"raw\.secret is not among the tables that the query may read \(validated\.a\)"),
        ("FROM read_csv('x')", "read_csv is no table; of functions only generate_series, range, unnest"),
        ("PIVOT validated.a ON w USING count(*)", "a PIVOT names its values"),
        ("DESCRIBE validated.a", "show ref is no table"),
        ('WITH "a.csv" AS (SELECT 1) FROM validated.a', '"a.csv" is no plain name'),
        ('SELECT * FROM validated.a "a.csv"', '"a.csv" is no plain name'),
        ("SELECT 1; SELECT 2", "one SELECT"),
    ],
)
def test_a_refusal_says_what_may_be_written(query: str, message: str) -> None:
    with pytest.raises(Refused, match=message):
        demand_select(query, ALLOWED)


def test_names_in_capitals_are_the_same_names() -> None:
    demand_select("WITH Recent AS (SELECT * FROM Validated.A) SELECT * FROM RECENT, recent r", ALLOWED)


@pytest.mark.slow
def test_with_a_catalog_on_a_server_neither_it_nor_its_address_is_known_to_the_query(
    postgres_server: PostgresServer, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("PGPASSWORD", PASSWORD)
    catalog = PostgresCatalog(postgres_server.create("closed"))
    warehouse = Warehouse(tmp_path / "lake", catalog=catalog, threads=1)
    filled(warehouse)
    out = tmp_path / "out.parquet"
    with opened(warehouse, out) as lake:
        assert lake._engine.execute("SELECT count(*), sum(i) FROM validated.a").fetchall()[0][0] == 272
        lake.write("SELECT * FROM validated.a ORDER BY i", {}, out)
        told = "".join(answered(lake._engine, f"FROM {t}") for t in ("duckdb_databases()", "duckdb_settings()"))
        assert "postgres" not in told
        file = secret_file(warehouse)
        for _, query in hostile_sql.statements(file, f"{Path(file).parent}/*.parquet", each=2):
            assert MARKER not in answered(lake._engine, query)
    with warehouse.connect() as connection:
        there = connection.execute("FROM validated.a ORDER BY i").fetchall()
    assert duckdb.sql(f"FROM '{out}'").fetchall() == there
