"""SQL indicators on BigQuery: the files that run on the lake run there, with the same result."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path

import pytest
from google.cloud import bigquery

from platform_assets.engines.bigquery.sqlrun import run_sql
from platform_assets.indicators.derived_tables import TableMissing
from platform_assets.indicators.sql import run as lake_sqlrun
from platform_assets.indicators.sql.file import SqlIndicator, read_sql
from platform_assets.indicators.sql.run import OutputMismatch
from resources.environment import Platform
from resources.gcp.bigquery import BigQuery

pytestmark = pytest.mark.slow
QUERY = """\
-- Orders per day
--
-- @owner  team:test
-- @param  since <date> first day, default 2020-01-02
-- @param  least <integer> orders to be shown, default 1
-- @output day <date> the day,
--         orders <integer> how many,
--         turnover <decimal> their value,
--         mean <number> of the value
SELECT day, count(*) AS orders, sum(price)::DECIMAL(18, 2) AS turnover, avg(price)::DOUBLE AS mean
FROM validated.orders WHERE day >= $since GROUP BY day HAVING count(*) >= $least ORDER BY day
"""
COLUMNS = {"day": "DATE", "price": "DECIMAL(18,2)"}
ROWS = (
    "(DATE '2020-01-01', 1.00)",
    "(DATE '2020-01-02', 2.50)",
    "(DATE '2020-01-02', 3.50)",
    "(DATE '2020-01-03', 9.99)",
)


def written(folder: Path, text: str = QUERY) -> SqlIndicator:
    path = folder / "orders_per_day.sql"
    path.write_text(text, encoding="utf-8")
    return read_sql(path)


@pytest.fixture
def orders(engine: BigQuery, client: bigquery.Client) -> Iterator[BigQuery]:
    for dataset in ("validated", "indicators", "staging"):
        engine.ensure_dataset(dataset)
    engine.ensure_table("validated.orders", COLUMNS)
    insert(engine, *ROWS)
    yield engine
    for table in ("validated.orders", "indicators.orders_per_day"):
        engine.drop(table)


def insert(engine: BigQuery, *rows: str) -> None:
    engine.query(f"INSERT INTO validated.orders (day, price) VALUES {', '.join(rows)}")


def test_both_engines_give_the_same_table(orders: BigQuery, tmp_path: Path, platform: Platform) -> None:
    indicator = written(tmp_path)
    made = run_sql(indicator, orders, {"least": 2})
    assert (made.rows, made.fresh, made.params) == (1, True, {"since": "2020-01-02", "least": "2"})
    warehouse = platform.warehouse
    with warehouse.connect() as connection, warehouse.write(connection):
        warehouse.ensure_table(connection, "validated.orders", COLUMNS)
        connection.execute(f"INSERT INTO validated.orders VALUES {', '.join(ROWS)}")
    lake_sqlrun.run_sql(indicator, warehouse, {"least": 2})
    with warehouse.connect(read_only=True) as connection:
        ours = connection.execute("FROM indicators.orders_per_day").fetchall()
    theirs = [tuple(r.values()) for r in orders.query("SELECT * FROM indicators.orders_per_day")]
    assert theirs == ours == [(dt.date(2020, 1, 2), 2, Decimal("6.00"), 3.0)]


def test_nothing_runs_until_something_changes(orders: BigQuery, tmp_path: Path) -> None:
    indicator = written(tmp_path)
    first = run_sql(indicator, orders)
    assert (first.fresh, run_sql(indicator, orders).fresh) == (True, False)
    assert run_sql(indicator, orders, {"since": "2020-01-03"}).rows == 1
    insert(orders, "(DATE '2020-01-04', 1.00)")
    assert run_sql(indicator, orders).rows == 3


def test_a_query_that_gives_other_columns_replaces_nothing(orders: BigQuery, tmp_path: Path) -> None:
    made = run_sql(written(tmp_path), orders)
    with pytest.raises(OutputMismatch, match="column orders is STRING in BigQuery"):
        run_sql(written(tmp_path, QUERY.replace("count(*) AS orders", "count(*)::VARCHAR AS orders")), orders)
    with pytest.raises(OutputMismatch, match="gives the columns day, number"):
        run_sql(written(tmp_path, QUERY.replace("AS orders,", "AS number,")), orders)
    assert orders.version("indicators.orders_per_day") == made.version


def test_a_table_that_is_not_there_is_named(engine: BigQuery, tmp_path: Path) -> None:
    with pytest.raises(TableMissing, match=r"validated\.orders, which is not in BigQuery"):
        run_sql(written(tmp_path), engine)
