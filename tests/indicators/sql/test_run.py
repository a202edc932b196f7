"""The shipped SQL indicators on hand-made input, and what happens when a query is not what its header says."""

from __future__ import annotations

import datetime as dt
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from platform_assets.contracts.files import DEFS, read_contracts
from platform_assets.indicators.derived_tables import TableMissing, remake_table
from platform_assets.indicators.model import HeaderError
from platform_assets.indicators.sql.file import read_sql
from platform_assets.indicators.sql.run import OutputMismatch, SqlFailed, recipe_of, run_sql
from resources.environment import Platform
from tests.conftest import Bench, lab_contract

SQL = DEFS / "sales" / "sql"
TRANSACTIONS = """\
date,order_id,client_id,prod_id,prod_price,prod_qty
31/12/2018,1,999,490756,50,1
01/01/2019,2,999,490756,50,1
01/01/2019,2,999,389728,3.56,4
01/01/2019,3,845,490756,50,2
02/01/2019,4,845,549380,300,1
2019-12-31,5,700,389728,0.10,3
31/12/2019,6,701,000000,7.00,1
01/01/2020,7,999,549380,300,1
"""
NOMENCLATURE = """\
product_id,product_type,product_name
490756,MEUBLE,Chaise
549380,MEUBLE,Canapé
389728,DECO,Boule de Noël
"""
DAY = dt.date.fromisoformat


@pytest.fixture
def sales(platform: Platform) -> Platform:
    """A platform with the hand-made sales, loaded through their contracts."""
    contracts = read_contracts()
    for name, data in (("transactions", TRANSACTIONS), ("product_nomenclature", NOMENCLATURE)):
        (entry,) = Bench(platform, contracts[name]).send(f"{name}.csv", data).entries
        assert (entry.status, entry.quarantined) == ("published", 0)
    return platform


def rows(platform: Platform, table: str) -> list[tuple[Any, ...]]:
    with platform.warehouse.connect(read_only=True) as connection:
        return connection.execute(f"FROM indicators.{table}").fetchall()


def test_what_a_query_makes_of_values_is_in_no_message(platform: Platform, tmp_path: Path) -> None:
    people = Bench(platform, lab_contract(name="people"))
    people.send(
        "a.csv", "sample_id,test_date,result,viral_load\nJANSEN-1,2024-01-01,POS,1\n000-11-0002,2024-01-01,NEG,2\n"
    )
    for number, query in enumerate(
        [
            "PIVOT validated.people ON sample_id USING sum(viral_load) GROUP BY result",
            "SELECT result, misspelt FROM (PIVOT validated.people ON sample_id USING sum(viral_load) GROUP BY result)",
            "SELECT result, sample_id::INTEGER AS n FROM validated.people",
            "SELECT result, error(sample_id) AS n FROM validated.people",
        ]
    ):
        path = tmp_path / "domain" / "sql" / f"shown_{number}.sql"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(f"-- Shown\n--\n-- @owner team:test\n-- @output result <text> r, n <integer> n\n{query}\n")
        try:
            indicator = read_sql(path)
        except HeaderError:
            continue  # a query of that form is not taken at all
        with pytest.raises((OutputMismatch, SqlFailed)) as failed:
            run_sql(indicator, platform.warehouse)
        assert not any(v in str(failed.value) for v in ("JANSEN", "000-11", "0002"))


def test_daily_sales_of_2019_in_order_of_time(sales: Platform) -> None:
    run_sql(read_sql(SQL / "daily_sales.sql"), sales.warehouse)
    assert rows(sales, "daily_sales") == [
        (DAY("2019-01-01"), Decimal("164.24")),  # 50 + 4 x 3.56 + 2 x 50
        (DAY("2019-01-02"), Decimal("300.00")),
        (DAY("2019-12-31"), Decimal("7.30")),  # 3 x 0.10 + 7
    ]


def test_sales_per_client_by_type_in_2019(sales: Platform) -> None:
    run_sql(read_sql(SQL / "client_sales_by_type.sql"), sales.warehouse)
    assert rows(sales, "client_sales_by_type") == [
        ("700", Decimal("0.00"), Decimal("0.30")),
        ("845", Decimal("400.00"), Decimal("0.00")),
        ("999", Decimal("50.00"), Decimal("14.24")),
    ]  # client 701 bought only what the nomenclature does not know


def test_other_days_are_a_parameter(sales: Platform) -> None:
    daily = read_sql(SQL / "daily_sales.sql")
    run_sql(daily, sales.warehouse, {"since": "2018-12-01", "until": "2018-12-31"})
    assert rows(sales, "daily_sales") == [(DAY("2018-12-31"), Decimal("50.00"))]


def test_a_parameter_is_a_value_and_never_sql(sales: Platform) -> None:
    daily = read_sql(SQL / "daily_sales.sql")
    with pytest.raises(ValueError, match=r"daily_sales, parameter until: .* is not a date"):
        run_sql(daily, sales.warehouse, {"until": "2019-12-31' OR '1' = '1"})


def test_text_parameters_are_bound(sales: Platform, tmp_path: Path) -> None:
    path = tmp_path / "orders_of.sql"
    path.write_text(
        "-- Orders of a client\n-- @owner team:test\n-- @param who <text> the client, default 999\n"
        "-- @output order_id <text> order\n"
        "SELECT DISTINCT order_id FROM validated.transactions WHERE client_id = $who ORDER BY order_id;\n"
    )
    run_sql(read_sql(path), sales.warehouse, {"who": "x' OR client_id <> '"})
    assert rows(sales, "orders_of") == []
    run_sql(read_sql(path), sales.warehouse)
    assert rows(sales, "orders_of") == [("1",), ("2",), ("7",)]


def test_nothing_runs_twice_and_everything_has_a_reason_to_run(sales: Platform, tmp_path: Path) -> None:
    path = tmp_path / "daily_sales.sql"
    path.write_text((SQL / "daily_sales.sql").read_text())
    assert run_sql(read_sql(path), sales.warehouse).fresh
    assert not run_sql(read_sql(path), sales.warehouse).fresh
    assert run_sql(read_sql(path), sales.warehouse, {"since": "2019-02-01"}).fresh
    assert run_sql(read_sql(path), sales.warehouse).fresh
    path.write_text(path.read_text() + "\n-- a remark\n")
    assert run_sql(read_sql(path), sales.warehouse).fresh
    transactions = Bench(sales, read_contracts()["transactions"])
    transactions.send("more.csv", TRANSACTIONS.splitlines()[0] + "\n05/05/2019,9,999,490756,50,1\n")
    again = run_sql(read_sql(path), sales.warehouse)
    assert again.fresh
    assert again.receipt.inputs["validated.transactions"].rows == 9
    assert len(rows(sales, "daily_sales")) == 4


def test_other_columns_than_declared_replace_nothing(sales: Platform, tmp_path: Path) -> None:
    run_sql(read_sql(SQL / "daily_sales.sql"), sales.warehouse)
    before = rows(sales, "daily_sales")
    text = (SQL / "daily_sales.sql").read_text()
    path = tmp_path / "daily_sales.sql"
    path.write_text(text.replace("AS ventes", "AS turnover"))
    with pytest.raises(OutputMismatch, match="gives the columns date, turnover; its header declares date, ventes"):
        run_sql(read_sql(path), sales.warehouse)
    path.write_text(text.replace("AS DECIMAL(18, 2))", "AS VARCHAR)"))
    with pytest.raises(
        OutputMismatch, match="column ventes is VARCHAR, its header declares <decimal>: cast it to DECIMAL"
    ):
        run_sql(read_sql(path), sales.warehouse)
    assert rows(sales, "daily_sales") == before


def test_a_failing_query_says_why_without_a_value(sales: Platform, tmp_path: Path) -> None:
    path = tmp_path / "daily_sales.sql"
    text = (SQL / "daily_sales.sql").read_text()
    path.write_text(text.replace("SUM(prod_price * prod_qty)", "SUM(prize)"))
    with pytest.raises(SqlFailed, match=r'daily_sales\.sql: .*"prize" not found'):
        run_sql(read_sql(path), sales.warehouse)
    path.write_text(text.replace("SUM(prod_price * prod_qty)", "MAX(CAST(client_id || 'x' AS INTEGER))"))
    with pytest.raises(SqlFailed) as failed:
        run_sql(read_sql(path), sales.warehouse)
    assert "999" not in str(failed.value)


def test_a_table_that_is_not_there_is_named(platform: Platform) -> None:
    with pytest.raises(TableMissing, match=r"needs the table validated\.transactions, which is not there"):
        run_sql(read_sql(SQL / "daily_sales.sql"), platform.warehouse)


def test_a_table_is_made_again_byte_for_byte_although_its_inputs_have_moved_on(sales: Platform) -> None:
    indicator = read_sql(SQL / "client_sales_by_type.sql")
    made = run_sql(indicator, sales.warehouse)
    contract = read_contracts()["transactions"]
    Bench(sales, contract).send(
        "more.csv", "date,order_id,client_id,prod_id,prod_price,prod_qty\n05/05/2019,8,700,490756,9,1\n"
    )
    receipt, again = remake_table(
        "client_sales_by_type", sales.warehouse, lambda params: recipe_of(indicator, sales.warehouse, params)
    )
    assert (receipt.sha256, again) == (made.receipt.sha256, made.receipt.sha256)
    assert run_sql(indicator, sales.warehouse).receipt.sha256 != again


def test_what_cannot_be_made_again_is_told(sales: Platform, tmp_path: Path) -> None:
    indicator = read_sql(SQL / "daily_sales.sql")
    with pytest.raises(TableMissing, match="never made"):
        remake_table("daily_sales", sales.warehouse, lambda params: recipe_of(indicator, sales.warehouse, params))
    run_sql(indicator, sales.warehouse)
    other = tmp_path / "daily_sales.sql"
    other.write_text((SQL / "daily_sales.sql").read_text() + "\n-- changed\n")
    with pytest.raises(TableMissing, match="code has changed"):
        remake_table("daily_sales", sales.warehouse, lambda params: recipe_of(read_sql(other), sales.warehouse, params))
    Bench(sales, read_contracts()["transactions"]).send(
        "more.csv", "date,order_id,client_id,prod_id,prod_price,prod_qty\n05/05/2019,8,700,490756,9,1\n"
    )
    with sales.warehouse.connect() as connection:
        connection.execute("CALL ducklake_expire_snapshots('lake', older_than => now())")
    with pytest.raises(TableMissing, match="are gone"):
        remake_table("daily_sales", sales.warehouse, lambda params: recipe_of(indicator, sales.warehouse, params))


def test_a_query_that_stops_at_a_row_does_not_quote_it(sales: Platform, tmp_path: Path) -> None:
    path = tmp_path / "months.sql"
    path.write_text(
        "-- Months\n-- @owner team:test\n-- @output month <time> of the product\n"
        "SELECT strptime(product_name, '%Y-%m') AS month FROM validated.product_nomenclature\n"
    )
    with pytest.raises(SqlFailed, match="stopped at a row") as failed:
        run_sql(read_sql(path), sales.warehouse)
    assert "Chaise" not in str(failed.value)


def test_tables_that_are_worked_out_of_a_dataset_are_read_like_any_other(platform: Platform, tmp_path: Path) -> None:
    columns = {"id": {"type": "string"}, "topics": {"type": "list", "delimiter": "|", "required": False}}
    load = {"mode": "upsert", "key": ["id"], "history": True, "absent": "clear"}
    pages = Bench(platform, lab_contract(name="topical", columns=columns, load=load, partition=None))
    pages.send("a.csv", "id,topics\n1,flu|cough\n2,flu\n")
    pages.send("b.csv", "id,topics\n1,flu\n")
    path = tmp_path / "domain" / "sql" / "read_topics.sql"
    path.parent.mkdir(parents=True)
    path.write_text(
        "-- Topics\n--\n-- @owner team:test\n-- @output topic <text> what it is about, rows <integer> how often it was ever said\n"
        "SELECT v.value AS topic, count(*) AS rows FROM validated.topical__topics t JOIN validated.topical__topics_values v "
        "ON v.value_id = t.value_id JOIN history.topical h ON h.id = t.id GROUP BY v.value\n"
    )
    run_sql(read_sql(path), platform.warehouse)
    assert rows(platform, "read_topics") == [("flu", 3)]
