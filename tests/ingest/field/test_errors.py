"""What a refusal says is about the file in hand: what it is, and what to do."""

from __future__ import annotations

import gzip
import io
import json
import tarfile
import zipfile
from collections.abc import Callable
from typing import Any

from tests.conftest import Bench
from tests.ingest.field.many import load_many
from tests.ingest.readers.files import parquet, zipped
from tests.workbooks import S, book, workbook

Make = Callable[..., Bench]
COLUMNS: dict[str, Any] = {"id": {"type": "string"}, "n": {"type": "integer", "required": False}}
CSV = b"id,n\na,1\n"
OLE = b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + b"\0" * 600
OLD = OLE + "Workbook".encode("utf-16-le") + b"\0" * 600
LOCKED = OLE + "EncryptionInfo".encode("utf-16-le") + b"\0" * 64 + "EncryptedPackage".encode("utf-16-le") + b"\0" * 600
WORD = OLE + "WordDocument".encode("utf-16-le")
HTML = b"<html><head><title>Export</title></head><body><table><tr><td>id</td></tr></table></body></html>"
XML_2003 = b'<?xml version="1.0"?><Workbook xmlns="urn:schemas-microsoft-com:office:spreadsheet"></Workbook>'
TABLE = workbook("S", [["id", "n"], ["a", "1"]])
ODS = zipped({"mimetype": b"application/vnd.oasis.opendocument.spreadsheet", "content.xml": b"<x/>"})
XLSB = zipped({"[Content_Types].xml": b"<x/>", "xl/workbook.bin": b"\x83\x01\0"})
DOCX = zipped({"[Content_Types].xml": b"<x/>", "word/document.xml": b"<x/>"})


def tar() -> bytes:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as archive:
        info = tarfile.TarInfo("a.csv")
        info.size = len(CSV)
        archive.addfile(info, io.BytesIO(CSV))
    return buffer.getvalue()


def locked_zip() -> bytes:
    """An archive whose member says that it is encrypted."""
    data = bytearray(zipped({"a.csv": CSV}))
    for mark, place in ((b"PK\x03\x04", 6), (b"PK\x01\x02", 8)):
        data[data.index(mark) + place] |= 1
    return bytes(data)


def linked_zip() -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        link = zipfile.ZipInfo("a.csv")
        link.external_attr = 0o120777 << 16
        archive.writestr(link, "/etc/passwd")
    return buffer.getvalue()


def twice_zip() -> bytes:
    return zipped({"a.csv": CSV, "b.csv": CSV + b"b,1\n"}).replace(b"b.csv", b"a.csv")


REFUSED: dict[str, tuple[bytes, str]] = {
    "old.xlsx": (OLD, "old kind (.xls)"),
    "old.csv": (OLD + b"\0", "old kind (.xls)"),
    "password.xlsx": (LOCKED, "protected by a password"),
    "letter.xlsx": (WORD, "a Word document"),
    "letter.csv": (DOCX, "a Word document"),
    "table.xlsx": (HTML, "a web page (HTML)"),
    "login.csv": (b"\xef\xbb\xbf\r\n<!DOCTYPE html><html lang=en><body>Log in</body></html>", "a web page (HTML)"),
    "error.json": (HTML + b"\n", "a web page (HTML)"),
    "only_table.xlsx": (b"<table border=1><tr><td>id</td></tr></table>", "a web page (HTML)"),
    "xml2003.xlsx": (XML_2003, "XML spreadsheet of 2003"),
    "feed.json": (b"<?xml version='1.0'?><feed/>", "XML, which is not read here"),
    "text.xlsx": (CSV, "text, no Excel workbook"),
    "wide.xlsx": ("id,n\nb,1\n".encode("utf-16"), "text, no Excel workbook"),
    "archive.xlsx": (zipped({"a.csv": CSV}), "a zip archive, no Excel workbook"),
    "calc.xlsx": (ODS, "OpenDocument"),
    "binary.xlsx": (XLSB, ".xlsb"),
    "cut.xlsx": (TABLE[: len(TABLE) // 2], "not a readable Excel workbook"),
    "book.csv": (TABLE + b"\0", "an Excel workbook: give it the ending .xlsx"),
    "book.json": (TABLE + b"\0\0", "an Excel workbook: give it the ending .xlsx"),
    "title.xlsx": (book([S("S", [["Report of March"], ["id", "n"], ["a", 1]])]), "stand in the first row of the sheet"),
    "wrapped.json": (b'{"meta": 1, "rows": [{"id": "a"}]}', "say so with `records`"),
    "other.json": (b'[{"name": "a"}]', "expected id"),
    "utf16.json": ('[{"id": "a"}]'.encode("utf-16"), "UTF-16 text: save it as UTF-8"),
    "utf16le.json": ('[{"id": "b"}]'.encode("utf-16-le"), "UTF-16 text"),
    "utf32.json": ('[{"id": "a"}]'.encode("utf-32"), "UTF-32 text"),
    "utf16.csv": ("id,n\na,1\n".encode("utf-16"), "'encoding: utf-16' in the contract"),
    "utf16be.csv": ("id,n\na,1\n".encode("utf-16-be"), "UTF-16 text"),
    "packed.csv": (gzip.compress(CSV, mtime=0), "packed by gzip: add .gz to its name"),
    "packed.json": (gzip.compress(CSV, mtime=1), "packed by gzip: add .gz to its name"),
    "zipped.csv": (zipped({"b.csv": CSV}), "a zip archive: give it the ending .zip"),
    "plain.csv.gz": (CSV + b"b,2\n", "not packed, whatever its name says"),
    "cut.csv.gz": (gzip.compress(CSV * 500)[:-12], "cut off"),
    "tail.csv.gz": (gzip.compress(CSV) + b"more", "cut off"),
    "plain.zip": (CSV + b"c,3\n", "is it packed at all?"),
    "cut.zip": (zipped({"a.csv": CSV})[:-10], "cut off"),
    "locked.zip": (locked_zip(), "protected by a password"),
    "linked.zip": (linked_zip(), "is a link"),
    "nested.zip": (zipped({"in.zip": zipped({"a.csv": CSV})}), "packed again"),
    "nested2.zip": (zipped({"a.csv.gz": gzip.compress(CSV)}), "packed again"),
    "empty.zip": (zipped({}), "empty"),
    "folders.zip": (zipped({"a/": b"", "__MACOSX/a/._x.csv": b"x"}), "empty"),
    "tar.csv": (tar(), "a tar archive"),
    "seven.csv": (b"7z\xbc\xaf\x27\x1c" + b"\0" * 40, "7-Zip"),
    "report.csv": (b"%PDF-1.7\n", "a PDF document"),
    "columns.csv": (parquet(2), "a Parquet file"),
    "columns.xlsx": (parquet(3), "a Parquet file"),
    "picture.xlsx": (b"\x89PNG\r\n\x1a\n", "an image"),
    "data.csv": (b"SQLite format 3\x00" + b"\0" * 90, "an SQLite database"),
    "text.parquet": (CSV + b"d,4\n", "no Parquet"),
    "cut.parquet": (parquet(4)[:-20], "not readable Parquet"),
    "quote.csv": (b'id,"n\na,1\n', "quote"),
    "title.csv": (b"Report of March\nid,n\na,1\n", "does the header stand in the first line?"),
}


def test_a_refusal_says_what_the_file_is_and_what_to_do(bench: Make) -> None:
    files = {name: data for name, (data, _) in REFUSED.items()}
    files["twice.zip"] = twice_zip()
    formats = [{"kind": kind} for kind in ("csv", "json", "parquet", "xlsx")]
    came = load_many(bench, {**files, "good.csv": CSV + b"g,1\n"}, format=formats, columns=COLUMNS)
    assert (came["good.csv"].status, came["good.csv"].valid) == ("published", 2)
    wrong = {name: came[name].reason for name, (_, said) in REFUSED.items() if said not in came[name].reason}
    assert wrong == {}
    assert "two files of the same name" in came["twice.zip"].reason
    assert {came[name].status for name in files} == {"rejected"}


def test_a_document_that_is_written_by_columns_is_refused_and_no_row_of_texts(bench: Make) -> None:
    by_column = {"sample_id": {"0": "A", "1": "B"}, "result": {"0": "POS", "1": "NEG"}}
    columns: dict[str, Any] = {"sample_id": {"type": "string"}, "result": {"type": "string", "required": False}}
    files = {
        "index.json": json.dumps(by_column),
        "list.json": json.dumps({name: list(values.values()) for name, values in by_column.items()}),
        "one.json": json.dumps({"sample_id": "A", "result": {"code": "POS"}}),
        "records.json": json.dumps([{"sample_id": ["A"], "result": ["POS"]}, {"sample_id": ["B"], "result": ["NEG"]}]),
    }
    came = load_many(bench, files, format={"kind": "json"}, columns=columns)
    for name in ("index.json", "list.json"):
        assert "written by columns" in came[name].reason, name
    assert came.rows("one.json", "result") == [('{"code": "POS"}',)]
    assert came["records.json"].valid == 2


def test_members_that_the_contract_does_not_want_are_named(bench: Make) -> None:
    parts = {"data_1.csv": CSV, "README.txt": b"read me", "docs/codes.pdf": b"%PDF", ".hidden.csv": CSV, "__MACOSX/._d": b"x",
             "sub/data_2.csv": b"id,n\nb,2\n", "Thumbs.db": b"x", "patient 12345678.doc": b"x"}  # fmt: skip
    files = {
        "good.zip": zipped(parts),
        "none.zip": zipped({"README.txt": b"read me"}),
        "bad.zip": zipped({"data_1.csv": CSV, "data_2.csv": b"who,knows\n1,2\n"}),
        "disguised.zip": zipped({"data_1.csv": TABLE}),
        "data_3.csv.gz": gzip.compress(CSV + b"c,3\n") + gzip.compress(b"d,4\n"),
    }
    came = load_many(bench, files, format={"kind": "csv", "files": "data_*.csv"}, columns=COLUMNS)
    good = came["good.zip"]
    assert (good.valid, good.drift) == (2, {})
    assert set(good.not_taken) == {"README.txt", "docs/codes.pdf", ".hidden.csv", "patient #.doc"}
    assert "none of the 1 file(s)" in came["none.zip"].reason
    assert came["bad.zip"].reason.startswith("bad.zip/data_2.csv: none of the required")
    assert "an Excel workbook" in came["disguised.zip"].reason
    assert came.rows("data_3.csv.gz", "id") == [("a",), ("c",), ("d",)]  # all members of a gzip file
    whole = load_many(bench, {"a.zip": zipped(parts)}, "whole", format={"kind": "csv"}, columns=COLUMNS)
    assert "README.txt" in whole["a.zip"].reason or "codes.pdf" in whole["a.zip"].reason
    assert "unless the contract names them" in whole["a.zip"].reason or "required columns" in whole["a.zip"].reason
