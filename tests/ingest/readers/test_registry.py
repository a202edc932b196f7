"""Each kind of file that a contract may name is one module, and a whole one."""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Iterator
from pathlib import Path

import duckdb
import pytest

from platform_assets.contracts import formats as contracts_side
from platform_assets.contracts.formats import KINDS
from platform_assets.contracts.model import FileFormat
from platform_assets.erasure.scan import search_file
from platform_assets.ingest.readers import formats, reading, registry
from platform_assets.ingest.readers.interface import first_row, rendered
from platform_assets.ingest.readers.process import Child
from platform_assets.ingest.readers.registry import NoFormat, all_formats, format_named
from tests.conftest import lab_contract

ROWS: list[dict[str, str | None]] = [
    {"sample_id": "ZEBRA-1", "test_date": "2024-01-01", "result": 'a;"b",\tc', "viral_load": "1"},
    {"sample_id": "ZEBRA-2", "test_date": "2024-01-02", "result": "Zoë", "viral_load": None},
    {"sample_id": "ZEBRA-3", "test_date": "2024-01-03", "result": "=1+1", "viral_load": "3"},
]
DOCS = Path(__file__).parents[3] / "docs" / "add-a-dataset.md"


@pytest.fixture(scope="module")
def child() -> Iterator[Child]:
    with Child() as child:
        yield child


def test_contracts_and_readers_know_the_same_kinds() -> None:
    assert set(all_formats()) == set(KINDS)


@pytest.mark.parametrize("kind", KINDS)
def test_a_written_file_has_a_name_that_the_contract_takes(kind: str) -> None:
    assert format_named(kind).ending in KINDS[kind].endings


@pytest.mark.parametrize("kind", KINDS)
def test_what_is_written_is_read_and_loses_the_rows_that_are_named(child: Child, tmp_path: Path, kind: str) -> None:
    fmt, contract = FileFormat(kind=kind), lab_contract()
    path = tmp_path / "it"
    path.write_bytes(rendered(format_named(kind), contract, fmt, ROWS))

    def read(file: Path) -> list[tuple[int, ...]]:
        part, header = reading.stage(child, file, 0, contract, fmt, tmp_path)
        assert not header.drift
        with duckdb.connect() as connection:
            return connection.execute(
                f"SELECT _row, {', '.join(contract.columns)} FROM ({part.sql}) ORDER BY _row"
            ).fetchall()

    start = first_row(fmt)
    nothing = "" if format_named(kind).delimited else None
    wanted = [(start + n, *(nothing if v is None else v for v in row.values())) for n, row in enumerate(ROWS)]
    assert read(path) == wanted
    left = reading.without_rows(child, path, contract, fmt, {start + 1}, tmp_path)
    assert [row[1:] for row in read(left)] == [wanted[0][1:], wanted[2][1:]]
    assert search_file(left, ["ZEBRA-2"]) == set()


@pytest.mark.parametrize("kind", KINDS)
def test_the_search_of_every_byte_finds_what_stands_in_it_packed_or_not(tmp_path: Path, kind: str) -> None:
    path = tmp_path / "it"
    path.write_bytes(rendered(format_named(kind), lab_contract(), FileFormat(kind=kind), ROWS))
    names = {str(row["sample_id"]) for row in ROWS}
    assert search_file(path, names) == names


@pytest.mark.parametrize("kind", [k for k in KINDS if "records" in KINDS[k].options])
def test_records_deep_in_a_document_are_written_read_and_taken_out_there(
    child: Child, tmp_path: Path, kind: str
) -> None:
    fmt, contract = FileFormat(kind=kind, records="data.items"), lab_contract()
    path = tmp_path / "it"
    path.write_bytes(rendered(format_named(kind), contract, fmt, ROWS))
    left = reading.without_rows(child, path, contract, fmt, {1, 3}, tmp_path)
    part, _ = reading.stage(child, left, 0, contract, fmt, tmp_path)
    with duckdb.connect() as connection:
        assert connection.execute(f"SELECT sample_id FROM ({part.sql})").fetchall() == [("ZEBRA-2",)]


@pytest.mark.parametrize("kind", KINDS)
def test_people_are_told_of_it(kind: str) -> None:
    """The guide has a line for each kind, with its words, its example, and every option that applies."""
    form = format_named(kind)
    (line,) = [line for line in DOCS.read_text(encoding="utf-8").splitlines() if line.startswith(f"| `{kind}` |")]
    assert form.words in line
    assert form.example.replace("\t", "⇥") in line
    assert set(re.findall(r"`([a-z]+)`", line.rsplit("|", 2)[1])) == KINDS[kind].options


MODULE = """
from platform_assets.ingest.readers.interface import Format

class Avro(Format):
    kind = "avro"
    words = "Avro"
    example = "A-1"
    ending = "avro"

    def stage(self, path, contract, fmt, writer, limits): ...
    def written(self, fmt, headers, rows): ...
    def without_rows(self, path, contract, fmt, rows, target, limits): ...
"""


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (("    def without_rows", "    def with_rows"), "avro: Avro lacks without_rows"),
        (("    def written", "    def writes"), "avro: Avro lacks written"),
        (("    words = ", "    word = "), "avro: Avro lacks words"),
        (("    example = ", "    for_example = "), "avro: Avro lacks example"),
        (('    ending = "avro"', '    ending = "avro"\n    magic = b"Obj1"'), "cannot be unpacked for the search"),
        (('kind = "avro"', 'kind = "csv"'), "there is a format 'csv' already"),
        (("class Avro(Format)", "class Avro"), "defines 0 classes of Format"),
    ],
)
def test_a_format_that_lacks_something_is_no_format(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, change: tuple[str, str], said: str
) -> None:
    name = f"avro_{abs(hash(said))}"
    monkeypatch.setattr(formats, "__path__", [*formats.__path__, str(tmp_path)])
    (tmp_path / f"{name}.py").write_text(MODULE.replace(*change))
    registry.all_formats.cache_clear()
    try:
        with pytest.raises(NoFormat, match=re.escape(said).replace("avro:", "avro_[0-9]+:")):
            all_formats()
        (tmp_path / f"{name}.py").unlink()
    finally:
        registry.all_formats.cache_clear()


def test_a_kind_that_nobody_reads_is_an_error_when_definitions_are_loaded(monkeypatch: pytest.MonkeyPatch) -> None:
    from platform_assets.components.dataset import dataset_definitions

    monkeypatch.setitem(contracts_side.KINDS, "avro", dataclasses.replace(KINDS["csv"], endings=("avro",)))
    with pytest.raises(NoFormat, match="'avro'"):
        dataset_definitions(lab_contract(format={"kind": "avro"}), domain="test")
