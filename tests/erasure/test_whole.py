"""A value is found wherever it stands whole, in every form and packing that is known, and nowhere as part of a longer one."""

from __future__ import annotations

import gzip
import io
import json
import resource
import sqlite3
import zipfile
from collections.abc import Callable
from pathlib import Path
from urllib.parse import quote

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from platform_assets.erasure.search import scan, whole
from platform_assets.erasure.search.scan import Search, search_file
from platform_assets.ingest.readers.apart import limits
from tests.workbooks import workbook

IDS = ["70412", "ZX-ERASE-003", "PATIENT-77", "Müller-1970", "a1b2c3d4e5f60718"]
AROUND = [
    "{}", '"{}"', "see {}.", "a;{};b", "a,{}", "{}\tb", "({})", "<v>{}</v>", "x={}&y", "visit_{}.csv", "é{}", "{}é", "\n{}\r\n", "'{}'",
    "[{}]", "{}/2024", "#{}", "a|{}|b", "\u00a0{}\u00a0", "{}.0", "-{}-", "\\n{}", "%20{}%20", "\\u00a0{}", "=3D {}",
]  # fmt: skip
PART_OF_LONGER = ["{}9", "9{}", "9{}9", "A{}", "{}a", "{}{}", "0{}.csv"]


def forms(text: str) -> dict[str, bytes]:
    """A text as files may hold it."""
    book = io.BytesIO()
    with zipfile.ZipFile(book, "w") as archive:
        archive.writestr("inside.txt", text)
    table = io.BytesIO()
    pq.write_table(pa.table({"note": ["x", text, None]}), table)
    nested = io.BytesIO()
    pq.write_table(pa.table({"notes": [[text], ["x"]]}), nested)
    return {
        "utf-8": text.encode(),
        "utf-16": text.encode("utf-16"),
        "utf-16-be": b"\xfe\xff" + text.encode("utf-16-be"),
        "json": json.dumps({"note": text}).encode(),
        "json, as it is": json.dumps({"note": text}, ensure_ascii=False).encode(),
        "gzip": gzip.compress(text.encode()),
        "gzip in gzip": gzip.compress(gzip.compress(text.encode())),
        "zip": book.getvalue(),
        "parquet": table.getvalue(),
        "parquet, nested": nested.getvalue(),
        "gzip of parquet": gzip.compress(table.getvalue()),
        "xlsx": workbook("Results", [["note"], [text]]),
    }


def _searched(path: Path, number: str) -> set[str]:
    """Here, as a process for each of a thousand files takes its time."""
    return Search([number]).file("", lambda: path.open("rb"), ours=True)


@pytest.mark.parametrize("number", IDS)
@pytest.mark.parametrize("around", AROUND)
def test_a_whole_value_is_found_in_every_form(number: str, around: str, tmp_path: Path) -> None:
    text = around.replace("{}", number)
    assert whole.standing(text, [number]) == {number}
    assert number not in whole.without(text, [number])
    for form, data in forms(text).items():
        (tmp_path / "file").write_bytes(data)
        assert _searched(tmp_path / "file", number) == {number}, form


@pytest.mark.parametrize("number", IDS)
@pytest.mark.parametrize("around", PART_OF_LONGER)
def test_a_part_of_a_longer_value_is_not(number: str, around: str, tmp_path: Path) -> None:
    text = f"x;{around.replace('{}', number)};y"
    assert whole.standing(text, [number]) == set()
    assert whole.without(text, [number]) == text
    for form, data in forms(text).items():
        (tmp_path / "file").write_bytes(data)
        assert _searched(tmp_path / "file", number) == set(), form


@pytest.mark.parametrize("number", ["Müller & Söhne 1", "a/b c+77", 'x"y\\z9'])
def test_a_value_that_has_to_be_escaped_is_found_escaped(number: str) -> None:
    def found(data: bytes) -> set[str]:
        return Search([number]).file("", lambda: io.BytesIO(data))

    assert found(json.dumps([number]).encode()) == {number}
    assert found(f"https://example.org/?who={quote(number, safe='')}".encode()) == {number}
    assert found(f"<t>{number}</t>".replace("&", "&amp;").encode()) == {number}
    assert found(number.encode("latin-1")) == {number}


def test_runs_of_a_cell_in_a_workbook_are_one_text(tmp_path: Path) -> None:
    strings = "<sst><si><r><t>see 704</t></r><r><rPr><b/></rPr><t xml:space='preserve'>12 too</t></r></si></sst>"
    with zipfile.ZipFile(tmp_path / "book.xlsx", "w") as archive:
        archive.writestr("xl/sharedStrings.xml", strings)
    assert search_file(tmp_path / "book.xlsx", ["70412"]) == {"70412"}


def test_a_value_is_found_wherever_a_chunk_ends(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(scan, "CHUNK", 64)
    for number in ("70412", "ZX-ERASE-003"):
        for offset in range(0, 140):
            for before, after, there in ((" ", " ", True), ("9", " ", False), (" ", "9", False), ("\\n", ";", True)):
                data = (b"." * offset) + f"{before}{number}{after}".encode() + b"." * 70
                found = Search([number]).file("", lambda data=data: io.BytesIO(data))  # type: ignore[misc]
                assert found == ({number} if there else set()), (number, offset, before, after)


@pytest.mark.parametrize("write_ahead", [False, True])
def test_rows_of_sqlite_are_told_apart_where_their_bytes_are_not(tmp_path: Path, write_ahead: bool) -> None:
    """In the file one value follows another without anything between them, and a long one is cut by pages."""
    path = tmp_path / "x.db"
    database = sqlite3.connect(path)
    if write_ahead:
        database.execute("PRAGMA journal_mode = WAL")
    database.execute("CREATE TABLE t (a TEXT, b TEXT, c TEXT)")
    database.execute("INSERT INTO t VALUES ('abc', '70412', 'def')")
    database.execute("INSERT INTO t VALUES ('abc', '80412', ?)", ["x" * 4060 + " PATIENT-77 " + "y" * 9000])
    database.execute("INSERT INTO t VALUES ('9', '90412', '9')")
    database.execute("INSERT INTO t VALUES ('abc', '604129', '')")
    database.commit()
    assert search_file(path, ["70412", "PATIENT-77", "60412", "0412"]) == {"70412", "PATIENT-77"}
    database.close()


def _packed(text: str, tmp_path: Path) -> dict[str, bytes]:
    database = sqlite3.connect(tmp_path / "packed.db")
    database.execute("CREATE TABLE t AS SELECT ? AS a", [text])
    database.commit()
    database.close()
    plain = forms(text)
    found = {form: data for form, data in plain.items() if data[:2] in (b"PK", b"\x1f\x8b") or data[:4] == b"PAR1"}
    return found | {"sqlite": (tmp_path / "packed.db").read_bytes()}


@pytest.mark.parametrize("stored", ["file", "object"])
def test_what_is_packed_is_opened_in_a_process_of_its_own(
    stored: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Files of others were unpacked by the process that erases, which holds keys and may take any memory."""

    def opened_here(*_: object, **__: object) -> None:
        raise AssertionError("opened in this process")

    packed = _packed("see 70412.", tmp_path)
    assert len(packed) > 4
    for module, name in (
        (scan.zipfile, "ZipFile"),
        (scan.gzip, "open"),
        (scan.sqlite3, "connect"),
        (pq, "ParquetFile"),
    ):
        monkeypatch.setattr(module, name, opened_here)
    for form, data in packed.items():
        (tmp_path / form).write_bytes(data)
        search = Search(["70412"])
        opener = (
            (lambda form=form: (tmp_path / form).open("rb"))
            if stored == "file"
            else (lambda data=data: io.BytesIO(data))
        )
        assert search.file(form, opener) == {"70412"}, form
        assert (search.found.unreadable, search.found.files) == ([], 1)
        assert search.found.bytes > 5


SWELLING = {
    "gzip": lambda: gzip.compress(bytes(1 << 20) * 300 + b" 70412 "),
    "gzip of gzip": lambda: gzip.compress(gzip.compress(bytes(1 << 20) * 300)),
    "zip": lambda: _zipped(bytes(1 << 20) * 300),
    "parquet": lambda: _long_value(),
    "damaged gzip": lambda: gzip.compress(b"see 70412" * 1000)[:-9],
    "damaged database": lambda: b"SQLite format 3\0" + b"\xff" * 5000,
}


def _zipped(data: bytes) -> bytes:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("rows.csv", data)
    return file.getvalue()


def _long_value() -> bytes:
    file = io.BytesIO()
    pq.write_table(pa.table({"a": pa.nulls(40, pa.null()).cast(pa.string()).fill_null("x" * 30_000_000)}), file)
    return file.getvalue()


@pytest.mark.parametrize("kind", SWELLING)
def test_a_file_that_swells_is_named_and_takes_neither_time_nor_memory(
    kind: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PLATFORM_READER_SECONDS", "1")
    monkeypatch.setenv("PLATFORM_READER_MEMORY_MB", "100")
    data = SWELLING[kind]()
    monkeypatch.setattr(limits, "SECONDS_PER_MB", 0)
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    search = Search(["70412"])
    assert search.file(kind, lambda: io.BytesIO(data)) <= {"70412"}
    assert search.found.unreadable == [kind]
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 60_000
    # the next file is searched as if nothing had been
    assert search.file("next", lambda: io.BytesIO(gzip.compress(b"see 70412"))) == {"70412"}


@pytest.mark.parametrize("make", [lambda n: n, lambda n: f"{n}.csv"])
def test_a_cell_is_mended_and_its_neighbours_are_not(make: Callable[[str], str]) -> None:
    text = make("see 70412, not 704129; also 70412")
    mended = whole.without(text, ["70412"])
    assert mended == make("see [erased], not 704129; also [erased]")
    assert whole.around("x" * 100 + " 70412 " + "y" * 100, ["70412"], 5) == "...xxxx 70412 yyyy..."
