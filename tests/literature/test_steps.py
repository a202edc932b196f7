"""Mentions, graph and answers kept up to date from the warehouse's tables, and nothing done twice."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pyarrow as pa
import pytest

from platform_assets.indicators.derived_tables import TableMissing
from platform_assets.literature import mentions as search
from platform_assets.literature import steps
from platform_assets.literature.graph_files import read_node_link
from platform_assets.literature.tables import MENTIONS, PUBLICATIONS, Tabular
from resources.environment import Platform

DRUGS = [("V03", "ETHANOL"), ("S03", "TETRACYCLINE")]
Row = tuple[str, str]


class Shelf:
    """The three datasets as validated tables, changed row by row, and the steps run on them."""

    def __init__(self, platform: Platform) -> None:
        self.platform = platform
        self.execute(
            ("CREATE TABLE validated.drugs (atccode VARCHAR, drug VARCHAR)",),
            *(
                (f"CREATE TABLE {table} (id VARCHAR, title VARCHAR, journal VARCHAR, date DATE)",)
                for table in steps.SOURCES.values()
            ),
        )
        self.drugs(*DRUGS)

    def execute(self, *statements: tuple[str, *tuple[Any, ...]]) -> None:
        """Statements with their parameters, in one transaction."""
        warehouse = self.platform.warehouse
        with warehouse.connect() as connection, warehouse.write(connection):
            for sql, *parameters in statements:
                connection.execute(sql, parameters)

    def drugs(self, *rows: Row) -> None:
        self.execute(
            ("DELETE FROM validated.drugs",), *(("INSERT INTO validated.drugs VALUES (?, ?)", *row) for row in rows)
        )

    def put(self, id: str, title: str, *, kind: str = "pubmed", journal: str = "The Journal") -> None:
        table = steps.SOURCES[kind]
        self.execute(
            (f"DELETE FROM {table} WHERE id = ?", id),
            (f"INSERT INTO {table} VALUES (?, ?, ?, '2020-01-01')", id, title, journal),
        )

    def update(self) -> steps.Mentions:
        return steps.update_mentions(self.platform.warehouse)

    def mentions(self) -> list[tuple[str, str, str]]:
        """(kind, publication, drug)."""
        return self.sql("SELECT kind, publication_id, drug_code FROM validated.mentions ORDER BY ALL")

    def sql(self, query: str) -> list[tuple[Any, ...]]:
        with self.platform.warehouse.connect(read_only=True) as connection:
            return connection.execute(query).fetchall()


@pytest.fixture
def shelf(platform: Platform) -> Shelf:
    return Shelf(platform)


@pytest.fixture
def searched(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Titles that are searched, but for those of the audit."""
    titles: list[str] = []
    original = search.find_mentions

    def watched(matcher: search.DrugMatcher, publications: Tabular) -> Iterator[pa.RecordBatch]:
        if isinstance(publications, pa.Table):  # the audit's sample
            yield from original(matcher, publications)
            return
        for batch in publications:
            titles.extend(batch.column("title").to_pylist())
            yield from original(matcher, batch)

    monkeypatch.setattr(steps, "find_mentions", watched)
    return titles


def test_the_first_time_every_title_is_searched(shelf: Shelf, searched: list[str]) -> None:
    shelf.put("1", "Ethanol and tetracycline")
    shelf.put("1", "Methanol", kind="clinical_trial")
    found = shelf.update()
    assert (found.full, found.searched) == (True, 2)
    assert sorted(searched) == ["Ethanol and tetracycline", "Methanol"]
    assert shelf.mentions() == [("pubmed", "1", "S03"), ("pubmed", "1", "V03")]
    assert (found.audit.publications, found.audit.naming_a_drug, found.audit.mentions) == (2, 1, 2)
    assert found.audit.passed


def test_after_a_delivery_only_new_and_corrected_titles_are_searched(shelf: Shelf, searched: list[str]) -> None:
    shelf.put("1", "Ethanol")
    shelf.put("2", "Tetracycline")
    shelf.put("3", "Ethanol again")
    shelf.update()
    searched.clear()
    shelf.put("2", "Methanol")
    shelf.put("9", "Tetracycline, ethanol")
    shelf.put("1", "Ethanol in a trial", kind="clinical_trial")
    found = shelf.update()
    assert sorted(searched) == ["Ethanol in a trial", "Methanol", "Tetracycline, ethanol"]
    assert (found.full, found.searched, found.gone) == (False, 3, 0)
    assert shelf.mentions() == [
        ("clinical_trial", "1", "V03"),
        ("pubmed", "1", "V03"),
        ("pubmed", "3", "V03"),
        ("pubmed", "9", "S03"),
        ("pubmed", "9", "V03"),
    ]


def test_a_publication_that_is_gone_takes_its_mentions_along(shelf: Shelf, searched: list[str]) -> None:
    shelf.put("1", "Ethanol")
    shelf.put("1", "Ethanol", kind="clinical_trial")
    shelf.update()
    searched.clear()
    shelf.execute(("DELETE FROM validated.pubmed WHERE id = '1'",))
    found = shelf.update()
    assert (searched, found.gone) == ([], 1)
    assert shelf.mentions() == [("clinical_trial", "1", "V03")]


def test_nothing_is_done_where_nothing_changed(shelf: Shelf, searched: list[str]) -> None:
    shelf.put("1", "Ethanol")
    first = shelf.update()
    before = shelf.sql("FROM ducklake_snapshots('lake')")
    searched.clear()
    second = shelf.update()
    assert second.receipt == first.receipt
    assert searched == []
    assert shelf.sql("FROM ducklake_snapshots('lake')") == before


def test_another_drug_list_searches_every_title_again(shelf: Shelf, searched: list[str]) -> None:
    shelf.put("1", "Ethanol and water")
    shelf.update()
    searched.clear()
    shelf.drugs(*DRUGS, ("V07", "WATER"))
    found = shelf.update()
    assert (found.full, searched) == (True, ["Ethanol and water"])
    assert shelf.mentions() == [("pubmed", "1", "V03"), ("pubmed", "1", "V07")]


def test_the_same_drug_list_delivered_again_searches_nothing(shelf: Shelf, searched: list[str]) -> None:
    shelf.put("1", "Ethanol")
    shelf.update()
    searched.clear()
    shelf.drugs(*reversed(DRUGS))
    assert not shelf.update().full
    assert searched == []


def test_step_by_step_gives_the_same_table_as_all_at_once(shelf: Shelf) -> None:
    titles = ["Ethanol", "Tetracycline", "Ethanol, tetracycline", "Nothing"]
    for number, title in enumerate(titles):
        shelf.put(str(number), title)
        last = shelf.update()
    shelf.put("0", "Tetracycline after all")
    last = shelf.update()
    bit_by_bit = shelf.sql("SELECT * FROM validated.mentions ORDER BY ALL")
    shelf.execute(("DROP TABLE validated.mentions",))
    again = shelf.update()
    assert again.full
    assert shelf.sql("SELECT * FROM validated.mentions ORDER BY ALL") == bit_by_bit
    assert again.receipt.sha256 == last.receipt.sha256


@pytest.mark.parametrize(
    ("damage", "wrong"),
    [
        ("INSERT INTO validated.mentions FROM validated.mentions", "repeated"),
        ("UPDATE validated.mentions SET drug_code = 'X99'", "stray"),
        ("UPDATE validated.mentions SET title = 'Another'", "stray"),
        ("DELETE FROM validated.mentions", "differences"),
    ],
)
def test_the_audit_sees_a_damaged_table(shelf: Shelf, damage: str, wrong: str) -> None:
    shelf.put("1", "Ethanol")
    shelf.update()
    shelf.execute((damage,))
    audit = shelf.update().audit
    assert not audit.passed
    assert getattr(audit, wrong) > 0


def test_mentions_that_fail_the_audit_are_not_published(shelf: Shelf, monkeypatch: pytest.MonkeyPatch) -> None:
    shelf.put("1", "Ethanol")
    shelf.update()
    shelf.put("2", "Tetracycline")

    def blind(matcher: search.DrugMatcher, publications: Tabular) -> Iterator[pa.RecordBatch]:
        if isinstance(publications, pa.Table):
            yield from search.find_mentions(matcher, publications)

    monkeypatch.setattr(steps, "find_mentions", blind)
    with pytest.raises(steps.MentionsInconsistent, match="1 differences"):
        shelf.update()
    monkeypatch.undo()
    assert shelf.mentions() == [("pubmed", "1", "V03")]
    assert shelf.update().searched == 1
    assert shelf.mentions() == [("pubmed", "1", "V03"), ("pubmed", "2", "S03")]


def test_a_dataset_that_was_never_loaded_is_named(platform: Platform) -> None:
    with pytest.raises(TableMissing, match=r"needs the table validated\.drugs, which is not there: materialize"):
        steps.update_mentions(platform.warehouse)


def test_the_graph_is_published_with_an_account_of_its_files(shelf: Shelf) -> None:
    shelf.put("1", "Ethanol")
    shelf.put("NCT1", "Tetracycline", kind="clinical_trial")
    shelf.update()
    product = steps.publish_graph(shelf.platform.warehouse, shelf.platform.store)
    folder = shelf.platform.settings.home / steps.PRODUCT
    assert {p.name for p in folder.iterdir()} == {
        *("graph.json", "graph.graphml", "nodes.parquet", "edges.parquet", "explorer.html", "about.json")
    }
    assert json.loads((folder / "about.json").read_text()) == product.about
    assert product.about["counts"] == read_node_link(folder / "graph.json").counts()
    assert product.about["counts"]["publication_drug"] == 2
    assert "Tetracycline" in (folder / "explorer.html").read_text()


def test_the_graph_is_written_again_only_when_something_changed_or_is_missing(shelf: Shelf) -> None:
    shelf.put("1", "Ethanol")
    shelf.update()
    warehouse, store = shelf.platform.warehouse, shelf.platform.store
    first = steps.publish_graph(warehouse, store)
    assert first.written
    assert not steps.publish_graph(warehouse, store).written
    store.delete(steps.EXPLORER)
    again = steps.publish_graph(warehouse, store)
    assert again.written
    assert again.about["files"] == first.about["files"]
    shelf.put("2", "Nothing to find")
    shelf.update()
    assert steps.publish_graph(warehouse, store).about["counts"]["pubmed"] == 2


def test_answers_are_tables_that_are_made_again_only_for_a_reason(shelf: Shelf) -> None:
    shelf.put("1", "Ethanol and tetracycline", journal="A")
    shelf.put("2", "Ethanol", journal="B")
    shelf.update()
    warehouse = shelf.platform.warehouse
    first = steps.answer("journals_with_most_drugs", warehouse, {"ranks": 1})
    assert first.fresh
    assert shelf.sql("FROM indicators.journals_with_most_drugs") == [(1, "A", 2)]
    assert not steps.answer("journals_with_most_drugs", warehouse, {"ranks": 1}).fresh
    assert steps.answer("journals_with_most_drugs", warehouse, {"ranks": 2}).fresh
    assert shelf.sql("FROM indicators.journals_with_most_drugs") == [(1, "A", 2), (2, "B", 1)]
    steps.answer("related_drugs", warehouse)
    assert shelf.sql("SELECT drug_code, related_code, journals FROM indicators.related_drugs ORDER BY ALL") == [
        ("S03", "V03", 1),
        ("V03", "S03", 1),
    ]
    steps.answer("drugs_over_time", warehouse, {"unit": "year"})
    assert shelf.sql("SELECT drug_code, period::VARCHAR, mentions FROM indicators.drugs_over_time ORDER BY ALL") == [
        ("S03", "2020-01-01", 1),
        ("V03", "2020-01-01", 2),
    ]
    shelf.put("2", "Tetracycline", journal="B")
    shelf.update()
    assert steps.answer("drugs_over_time", warehouse, {"unit": "year"}).fresh


def test_the_mentions_table_has_the_columns_of_the_pure_modules(shelf: Shelf) -> None:
    shelf.put("1", "Ethanol")
    shelf.update()
    with shelf.platform.warehouse.connect(read_only=True) as connection:
        assert list(shelf.platform.warehouse.columns(connection, steps.TABLE)) == MENTIONS.names
    assert set(PUBLICATIONS.names[1:]) == {"id", "title", "journal", "date"}
