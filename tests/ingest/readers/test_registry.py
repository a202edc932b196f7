"""Each kind of file that a contract may name is one module, and a whole one."""

from __future__ import annotations

import dataclasses
import io
import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import duckdb
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from platform_assets.contracts import file_kinds as contracts_side
from platform_assets.contracts.file_format import FileFormat
from platform_assets.contracts.file_kinds import KINDS
from platform_assets.erasure.search.scan import search_file
from platform_assets.ingest.readers import formats, reading, registry
from platform_assets.ingest.readers.apart.process import Child
from platform_assets.ingest.readers.interface import Edits, first_row, rendered
from platform_assets.ingest.readers.registry import NoFormat, all_formats, format_named
from tests.conftest import lab_contract

ROWS: list[dict[str, str | None]] = [
    {"sample_id": "ZEBRA-1", "test_date": "2024-01-01", "result": 'a;"b",\tc', "viral_load": "1"},
    {"sample_id": "ZEBRA-2", "test_date": "2024-01-02", "result": "Zoë", "viral_load": None},
    {"sample_id": "ZEBRA-3", "test_date": "2024-01-03", "result": "=1+1", "viral_load": "3"},
]
SAID: dict[str, dict[str, Any]] = {
    "lines": {
        "lines": r"(?P<sample_id>[^|]*)\|(?P<test_date>[^|]*)\|(?P<result>[^|]*)\|(?P<viral_load>[^|]*)",
        "template": "{sample_id}|{test_date}|{result}|{viral_load}",
    }
}
"""What a contract must say of a kind beside its name."""
DOCS = Path(__file__).parents[3] / "docs" / "add-a-dataset.md"


@pytest.fixture(scope="module")
def child() -> Iterator[Child]:
    with Child() as child:
        yield child


def fmt_of(kind: str) -> FileFormat:
    return FileFormat.model_validate({"kind": kind, **SAID.get(kind, {})})


def test_contracts_and_readers_know_the_same_kinds() -> None:
    assert set(all_formats()) == set(KINDS)


@pytest.mark.parametrize("kind", KINDS)
def test_a_written_file_has_a_name_that_the_contract_takes(kind: str) -> None:
    assert format_named(kind).ending in KINDS[kind].endings


@pytest.mark.parametrize("kind", KINDS)
def test_what_is_written_is_read_and_loses_the_rows_that_are_named(child: Child, tmp_path: Path, kind: str) -> None:
    fmt, contract = fmt_of(kind), lab_contract()
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
    wanted = [(start + n, *row.values()) for n, row in enumerate(ROWS)]
    assert read(path) == wanted
    left = reading.edited(child, path, contract, fmt, Edits({start + 1}), tmp_path)
    assert [row[1:] for row in read(left)] == [wanted[0][1:], wanted[2][1:]]
    assert search_file(left, ["ZEBRA-2"]) == set()


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("column", ["sample_id", "result"])
def test_a_cell_is_edited_and_nothing_else_is(child: Child, tmp_path: Path, kind: str, column: str) -> None:
    """Whatever the format: exactly the cell that is named becomes what was said, even where another row has the same text."""
    fmt, contract = fmt_of(kind), lab_contract()
    rows = [dict(row) for row in ROWS]
    rows[1][column] = rows[2][column] = 'see "ZEBRA-9"; or\tZoë, 1'
    path = tmp_path / "it"
    path.write_bytes(rendered(format_named(kind), contract, fmt, rows))
    first = first_row(fmt)
    edits = Edits({first}, {first + 1: {str(rows[1][column]): 'see "[erased]"; or\tZoë, 1'}})
    left = reading.edited(child, path, contract, fmt, edits, tmp_path)
    part, _ = reading.stage(child, left, 0, contract, fmt, tmp_path)
    rows[1][column] = 'see "[erased]"; or\tZoë, 1'
    with duckdb.connect() as connection:
        found = connection.execute(f"SELECT {', '.join(contract.columns)} FROM ({part.sql}) ORDER BY _row").fetchall()
    assert found == [tuple(row.values()) for row in rows[1:]]
    assert search_file(left, ["ZEBRA-1", "ZEBRA-9"]) == {"ZEBRA-9"}


def edited(child: Child, folder: Path, kind: str, content: bytes, cells: dict[int, dict[str, str]]) -> bytes:
    (folder / "it").write_bytes(content)
    fmt = fmt_of(kind)
    return reading.edited(child, folder / "it", lab_contract(), fmt, Edits(cells=cells), folder).read_bytes()


def test_other_lines_and_numbers_stay_as_they_were_written(child: Child, tmp_path: Path) -> None:
    """Byte for byte, also bytes that are no text, odd spaces, and numbers that a computer would round."""
    lines = b'\xef\xbb\xbf {"sample_id": "a 77", "viral_load": 1.10, "note": ["a 77", 7]} \r\n{"x":  1.50}\n\xff no JSON 77\r\n'
    cells = {1: {"a 77": "a [erased]"}, 3: {"\\xff no JSON 77": "\\xff no JSON [erased]"}}
    assert edited(child, tmp_path, "json", lines, cells) == (
        b'\xef\xbb\xbf {"sample_id": "a [erased]", "viral_load": 1.10, "note": ["a [erased]", 7]} \r\n'
        b'{"x":  1.50}\n\\xff no JSON [erased]\r\n'
    )
    table = b'sample_id;x\r\n"a";77\r\n"b;77\r\n\xff;1;77\r\n"c"; "\r\n'.replace(b";", b",")
    cells = {2: {"77": "[erased]"}, 3: {'"b,77': '"b,[erased]'}, 4: {"\\xff,1,77": "\\xff,1,[erased]"}}
    assert edited(child, tmp_path, "csv", table, cells) == (
        b'sample_id,x\r\na,[erased]\r\n"b,[erased]\r\n\\xff,1,[erased]\r\n"c", "\r\n'
    )


@pytest.mark.parametrize("kind", ["json", "json5"])
def test_what_is_nested_in_a_record_is_edited_as_it_is_read(child: Child, tmp_path: Path, kind: str) -> None:
    document = b'[{"sample_id": {"b": ["no 77"], "a": 12}, "result": [77], "viral_load": 77}, "of 77", {"result": 77}]'
    nested = {'{"a": 12, "b": ["no 77"]}': '{"a": 12, "b": ["no [erased]"]}', "[77]": "[[erased]]", "77": "[erased]"}
    cells = {1: nested, 2: {'"of 77"': '"of [erased]"'}}
    assert json.loads(edited(child, tmp_path, kind, document, cells)) == [
        {"sample_id": {"b": ["no [erased]"], "a": 12}, "result": "[[erased]]", "viral_load": "[erased]"},
        "of [erased]",
        {"result": 77},
    ]


def test_columns_of_parquet_keep_their_types_where_cells_are_edited(child: Child, tmp_path: Path) -> None:
    moment = 1_700_000_000_123_456_789
    table = pa.table(
        {
            "text": pa.array(["see 77", "77"], pa.large_string()),
            "category": pa.array(["see 77", "77"]).dictionary_encode(),
            "bytes": pa.array([b"see 77", b"77"]),
            "many": pa.array([["see 77", "x"], ["77"]]),
            "number": pa.array([77, 77], pa.int32()),
            "at": pa.array([moment, moment], pa.timestamp("ns")),
            "spent": pa.array([1, 2], pa.duration("s")),
        },
        pa.schema([("text", pa.large_string()), ("category", pa.dictionary(pa.int32(), pa.string())), ("bytes", pa.binary()),
                   ("many", pa.list_(pa.string())), pa.field("number", pa.int32(), nullable=False),
                   ("at", pa.timestamp("ns")), ("spent", pa.duration("s"))]),
    )  # fmt: skip
    buffer = io.BytesIO()
    pq.write_table(table, buffer)
    cells = {1: {"see 77": "see [erased]", "77": "[erased]", '["see 77", "x"]': '["see [erased]", "x"]'}}
    now = pq.read_table(io.BytesIO(edited(child, tmp_path, "parquet", buffer.getvalue(), cells)))
    assert now.schema.types == table.schema.types
    assert now.slice(1).to_pydict() == table.slice(1).to_pydict()
    first = now.drop_columns(["at", "spent"]).to_pylist()[0]
    said = "see [erased]"
    assert first == {"text": said, "category": said, "bytes": said.encode(), "many": [said, "x"], "number": None}
    assert now["at"].cast(pa.int64()).to_pylist() == [moment, moment]


@pytest.mark.parametrize("kind", KINDS)
def test_the_search_of_every_byte_finds_what_stands_in_it_packed_or_not(tmp_path: Path, kind: str) -> None:
    path = tmp_path / "it"
    path.write_bytes(rendered(format_named(kind), lab_contract(), fmt_of(kind), ROWS))
    names = {str(row["sample_id"]) for row in ROWS}
    assert search_file(path, names) == names


@pytest.mark.parametrize("kind", [k for k in KINDS if "records" in KINDS[k].options])
def test_records_deep_in_a_document_are_written_read_and_taken_out_there(
    child: Child, tmp_path: Path, kind: str
) -> None:
    fmt, contract = FileFormat(kind=kind, records="data.items"), lab_contract()
    path = tmp_path / "it"
    path.write_bytes(rendered(format_named(kind), contract, fmt, ROWS))
    left = reading.edited(child, path, contract, fmt, Edits({1, 3}), tmp_path)
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
    assert set(re.findall(r"`([a-z_]+)`", line.rsplit("|", 2)[1])) == KINDS[kind].options


MODULE = """
from platform_assets.ingest.readers.interface import Format

class Avro(Format):
    kind = "avro"
    words = "Avro"
    example = "A-1"
    ending = "avro"

    def stage(self, path, contract, fmt, writer, limits): ...
    def written(self, fmt, headers, rows): ...
    def edited(self, path, contract, fmt, edits, target, limits): ...
"""


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (("    def edited", "    def edit"), "avro: Avro lacks edited"),
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
