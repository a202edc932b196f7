"""Archives, compressed files and every format: the same rows whatever they come in."""

from __future__ import annotations

import gzip
import io
import json
import zipfile
from collections.abc import Callable

import pytest

from tests.conftest import Bench

Make = Callable[..., Bench]
HEAD = "sample_id,test_date,result,viral_load\n"


def _zip(**members: str) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        for name, text in members.items():
            archive.writestr(name.replace("__", "."), text)
    return buffer.getvalue()


def test_an_archive_is_taken_whole_or_not_at_all(bench: Make) -> None:
    lab = bench()
    good = _zip(one__csv=HEAD + "A,2024-01-01,POS,1\n", two__csv=HEAD + "B,2024-01-01,POS,1\nB,2024-01-01,NEG,1\n")
    (entry,) = lab.send("good.zip", good).entries
    assert (entry.rows_in, entry.valid, entry.superseded) == (3, 2, 1)
    assert lab.sql("SELECT DISTINCT _file FROM {raw} ORDER BY 1") == [("good.zip/one.csv",), ("good.zip/two.csv",)]
    bad = _zip(one__csv=HEAD + "C,2024-01-01,POS,1\n", two__csv="who,knows\n1,2\n")
    (entry,) = lab.send("bad.zip", bad).entries
    assert entry.status == "rejected"
    assert "two.csv" in entry.reason
    assert [r[0] for r in lab.table("sample_id")] == ["A", "B"]
    lab.assert_nothing_lost()


def test_a_zip_bomb_is_refused(bench: Make) -> None:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("a.csv", b"0" * 50_000_000)
    lab = bench()
    (entry,) = lab.send("a.zip", buffer.getvalue()).entries
    assert "zip bomb" in entry.reason


def test_gzip_is_read_like_the_plain_file(bench: Make) -> None:
    lab = bench()
    lab.send("a.csv.gz", gzip.compress((HEAD + "A,2024-01-01,POS,1\n").encode()))
    assert lab.table("sample_id") == [("A",)]


ROWS = [("A", "2024-01-01", "POS", 1), ("B", "2024-01-02", "NEG", None)]
NAMES = ("sample_id", "test_date", "result", "viral_load")


def _as_json() -> bytes:
    return json.dumps([dict(zip(NAMES, r, strict=True)) for r in ROWS]).encode()


def _as_lines() -> bytes:
    return b"\n".join(json.dumps(dict(zip(NAMES, r, strict=True))).encode() for r in ROWS) + b"\n"


def _as_json5() -> bytes:
    return (
        b"// made by hand\n[" + b",".join(json.dumps(dict(zip(NAMES, r, strict=True))).encode() for r in ROWS) + b",]"
    )


def _as_parquet() -> bytes:
    import datetime as dt

    import pyarrow as pa
    import pyarrow.parquet as pq

    columns = list(zip(*ROWS, strict=True))
    days = [dt.date.fromisoformat(d) for d in columns[1]]
    table = pa.table([columns[0], days, columns[2], columns[3]], names=list(NAMES))
    sink = io.BytesIO()
    pq.write_table(table, sink)
    return sink.getvalue()


def _as_xlsx() -> bytes:
    """A minimal workbook, written by hand: a real date cell, a number, an empty cell, a blank row."""
    sheet = """<?xml version="1.0"?><worksheet xmlns="http://schemas.openxmlformats.org/spreadsheetml/2006/main"><sheetData>
    <row r="1">{}</row><row r="2"><c r="A2" t="inlineStr"><is><t>A</t></is></c><c r="B2" s="1"><v>45292</v></c>
    <c r="C2" t="inlineStr"><is><t>POS</t></is></c><c r="D2"><v>1</v></c></row>
    <row r="4"><c r="A4" t="inlineStr"><is><t>B</t></is></c><c r="B4" t="inlineStr"><is><t>2024-01-02</t></is></c>
    <c r="C4" t="inlineStr"><is><t>NEG</t></is></c></row></sheetData></worksheet>""".format(
        "".join(f'<c r="{c}1" t="inlineStr"><is><t>{n}</t></is></c>' for c, n in zip("ABCD", NAMES, strict=True))
    )
    main = "http://schemas.openxmlformats.org/spreadsheetml/2006/main"
    rel = "http://schemas.openxmlformats.org/officeDocument/2006/relationships"
    package = "http://schemas.openxmlformats.org/package/2006"
    parts = {
        "[Content_Types].xml": f'<Types xmlns="{package}/content-types"><Default Extension="rels" '
        'ContentType="application/vnd.openxmlformats-package.relationships+xml"/><Default Extension="xml" '
        'ContentType="application/xml"/></Types>',
        "_rels/.rels": f'<Relationships xmlns="{package}/relationships"><Relationship Id="r1" '
        f'Type="{rel}/officeDocument" Target="xl/workbook.xml"/></Relationships>',
        "xl/workbook.xml": f'<workbook xmlns="{main}" xmlns:r="{rel}"><sheets><sheet name="Data" sheetId="1" r:id="r1"/></sheets></workbook>',
        "xl/_rels/workbook.xml.rels": f'<Relationships xmlns="{package}/relationships"><Relationship Id="r1" '
        f'Type="{rel}/worksheet" Target="worksheets/sheet1.xml"/><Relationship Id="r2" Type="{rel}/styles" '
        'Target="styles.xml"/></Relationships>',
        "xl/styles.xml": f'<styleSheet xmlns="{main}"><cellXfs><xf numFmtId="0"/><xf numFmtId="14"/></cellXfs></styleSheet>',
        "xl/worksheets/sheet1.xml": sheet,
    }
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        for name, text in parts.items():
            archive.writestr(name, text)
    return buffer.getvalue()


def _as_tsv() -> bytes:
    return "\n".join("\t".join("" if v is None else str(v) for v in r) for r in [NAMES, *ROWS]).encode()


@pytest.mark.parametrize(
    ("kind", "name", "make"),
    [
        ("tsv", "a.tsv", _as_tsv),
        ("json", "a.json", _as_json),
        ("json", "a.jsonl", _as_lines),
        ("json5", "a.json5", _as_json5),
        ("parquet", "a.parquet", _as_parquet),
        ("xlsx", "a.xlsx", _as_xlsx),
        ("xlsx", "a.xlsx.zip", lambda: _zip(**{"a__xlsx": ""})),
    ],
)
def test_every_format_gives_the_same_rows(bench: Make, kind: str, name: str, make: Callable[[], bytes]) -> None:
    lab = bench(format={"kind": kind})
    data = make()
    if name.endswith("xlsx.zip"):
        buffer = io.BytesIO()
        with zipfile.ZipFile(buffer, "w") as archive:
            archive.writestr("a.xlsx", _as_xlsx())
        data = buffer.getvalue()
    (entry,) = lab.send(name, data).entries
    assert entry.status == "published", entry.reason
    assert lab.sql("SELECT sample_id, test_date::VARCHAR, result, viral_load FROM {validated} ORDER BY 1") == ROWS
    lab.assert_nothing_lost()


def test_broken_json_lines_are_quarantined_one_by_one(bench: Make) -> None:
    lab = bench(format={"kind": "json"})
    (entry,) = lab.send("a.jsonl", _as_lines() + b'{"sample_id": "C", \n[1, 2]\n"text"\n').entries
    assert (entry.rows_in, entry.valid, entry.malformed) == (5, 2, 3)
    assert lab.sql("SELECT _text, _reasons FROM {quarantine} ORDER BY _row")[0] == (
        '{"sample_id": "C",',
        ["row: is not JSON"],
    )
    lab.assert_nothing_lost()


def test_a_half_written_json_document_is_refused_whole(bench: Make) -> None:
    (entry,) = bench(format={"kind": "json"}).send("a.json", _as_json()[:-20]).entries
    assert entry.status == "rejected"
    assert "not valid JSON" in entry.reason
