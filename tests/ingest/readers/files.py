"""Files made to harm whoever reads them, as spellings and siblings of each kind."""

from __future__ import annotations

import functools
import gzip
import io
import struct
import zipfile
from collections.abc import Mapping, Sequence

import pyarrow as pa
import pyarrow.parquet as pq

from tests.workbooks import workbook

NAMES = ("sample_id", "test_date", "result", "viral_load")
GOOD_CSV = ",".join(NAMES) + "\nG,2024-01-01,POS,1\n"
_MAIN = "http://schemas.openxmlformats.org/spreadsheetml/2006/main"
_SHEET = "xl/worksheets/sheet1.xml"
_RELATIONS = "xl/_rels/workbook.xml.rels"


def workbook_with(parts: Mapping[str, str | bytes], *, sheet: str = "worksheets/sheet1.xml") -> bytes:
    """A whole workbook, with some of its parts replaced or added; its one sheet lies at `sheet`."""
    with zipfile.ZipFile(io.BytesIO(workbook("Data", [NAMES]))) as plain:
        all_parts: dict[str, str | bytes] = {name: plain.read(name) for name in plain.namelist()}
    relations = all_parts[_RELATIONS]
    assert isinstance(relations, bytes)
    all_parts[_RELATIONS] = relations.replace(b'"worksheets/sheet1.xml"', f'"{sheet}"'.encode())
    types = all_parts["[Content_Types].xml"]
    assert isinstance(types, bytes)
    all_parts["[Content_Types].xml"] = types.replace(b"/xl/worksheets/sheet1.xml", f"/xl/{sheet}".encode())
    if f"xl/{sheet}" != _SHEET:
        del all_parts[_SHEET]
    all_parts.update(parts)
    return zipped({name: text.encode() if isinstance(text, str) else text for name, text in all_parts.items()})


def zipped(parts: Mapping[str, bytes]) -> bytes:
    """A zip archive."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in parts.items():
            archive.writestr(name, content)
    return buffer.getvalue()


def _sheet(last: str, *, prefix: str = "", before: str = "") -> str:
    """A sheet of a header, and `last` as what stands in its last row."""
    p = f"{prefix}:" if prefix else ""
    head = "".join(
        f'<{p}c r="{c}1" t="inlineStr"><{p}is><{p}t>{n}</{p}t></{p}is></{p}c>'
        for c, n in zip("ABCD", NAMES, strict=True)
    )
    space = f"xmlns:{prefix}" if prefix else "xmlns"
    return f'<{p}worksheet {space}="{_MAIN}">{before}<{p}sheetData><{p}row r="1">{head}</{p}row>{last}</{p}sheetData></{p}worksheet>'


def far_cells() -> dict[str, bytes]:
    """Workbooks whose last cell is the last of all: room for every cell before it is 512 GiB."""
    far = '<row r="1048576"><c r="XFD1048576"><v>1</v></c></row>'
    plain = _sheet(far)
    spellings = {
        "as usual": plain,
        "single quotes": plain.replace('r="XFD1048576"', "r='XFD1048576'"),
        "line break": plain.replace('<c r="XFD', '<c\nr="XFD'),
        "tab and other attributes": plain.replace('<c r="XFD', '<c\ts="0"  t="n"\n r="XFD'),
        "spaces around the sign": plain.replace('r="XFD1048576"', 'r = "XFD1048576"'),
        "prefix": _sheet('<x:row r="1048576"><x:c r="XFD1048576"><x:v>1</x:v></x:c></x:row>', prefix="x"),
        "character reference": plain.replace('r="XFD1048576"', 'r="&#88;FD1048576"'),
        "column named, row implied": _sheet(
            '<row r="1048576"><c r="A1048576"><v>1</v></c><c r="XFD1048576"><v>1</v></c></row>'
        ),
        "a comment between": plain.replace('<row r="1048576">', "<!-- > --><row r='1048576'>"),
        "no row around it": _sheet('<c r="XFD1048576"><v>1</v></c>'),
        "cdata": plain.replace("<v>1</v>", "<v><![CDATA[1]]></v>"),
        "small letters": plain.replace("XFD1048576", "xfd1048576"),
        "beyond the last": plain.replace("XFD1048576", "ZZZ9999999"),
        "a lie about its size": _sheet(
            '<row r="2"><c r="A2"><v>1</v></c></row>', before='<dimension ref="A1:XFD1048576"/>'
        ),
    }
    found = {name: workbook_with({_SHEET: text}) for name, text in spellings.items()}
    for name, place in (
        ("another folder", "sheets/a.xml"),
        ("a sub-folder", "worksheets/deep/er/sheet1.xml"),
        ("the top folder", "../sheet1.xml"),
    ):
        part = "sheet1.xml" if place.startswith("..") else f"xl/{place}"
        found[name] = workbook_with({part: plain}, sheet=place)
    found["utf-16"] = workbook_with({_SHEET: ('<?xml version="1.0" encoding="UTF-16"?>' + plain).encode("utf-16")})
    return found


@functools.cache
def swollen_workbooks(mb: int) -> dict[str, bytes]:
    """Workbooks that are small, and hold so many MB of text (or say so)."""
    long, cell = "a" * (mb << 20), '<row r="2"><c r="A2" t="s"><v>0</v></c></row>'
    strings = f'<sst xmlns="{_MAIN}">'
    link = (
        '<Relationship Id="s" Type="http://schemas.openxmlformats.org/officeDocument/2006/relationships/sharedStrings" '
        'Target="sharedStrings.xml"/></Relationships>'
    )
    with zipfile.ZipFile(io.BytesIO(workbook("Data", [NAMES]))) as plain:
        relations = plain.read(_RELATIONS).decode().replace("</Relationships>", link)
    many = "<si><t>a</t></si>" * (mb << 16)
    laughs = '<!DOCTYPE s [<!ENTITY a "aaaaaaaaaaaaaaaa">' + "".join(
        f'<!ENTITY {chr(98 + n)} "{f"&{chr(97 + n)};" * 16}">' for n in range(7)
    )
    parts = {
        "one long string": f"{strings}<si><t>{long}</t></si></sst>",
        "many strings": f"{strings}{many}</sst>",
        "a count that lies": f'<sst xmlns="{_MAIN}" count="4294967295" uniqueCount="4294967295"><si><t>a</t></si></sst>',
        "entities": f'<?xml version="1.0"?>{laughs}]>{strings}<si><t>&h;</t></si></sst>',
    }
    found = {
        name: workbook_with({"xl/sharedStrings.xml": text, _RELATIONS: relations, _SHEET: _sheet(cell)})
        for name, text in parts.items()
    }
    found["one long cell"] = workbook_with(
        {_SHEET: _sheet(f'<row r="2"><c r="A2" t="inlineStr"><is><t>{long}</t></is></c></row>')}
    )
    return found


def long_numbers() -> dict[str, bytes]:
    """json5 with numbers that Python does not turn into text, and numbers that are merely odd."""
    numbers = {
        "decimal": "9" * 5_000,
        "negative": "-" + "9" * 100_000,
        "hexadecimal": "0x" + "f" * 100_000,
        "hexadecimal, of few enough digits to be read": "0x" + "f" * 4_000,
        "exponent": "1e999999999",
        "small exponent": "1e-999999999",
        "many decimals": "0." + "9" * 100_000,
        "in a list": "[" + "9" * 5_000 + "]",
        "hexadecimal in an object": '{"a": 0x' + "f" * 4_000 + "}",
    }
    return {
        name: f'[{{"sample_id": "A", "test_date": "2024-01-01", "result": "POS", "viral_load": {n}}}]'.encode()
        for name, n in numbers.items()
    }


def deep(opened: str, closed: str, depth: int) -> bytes:
    """A document with a value nested so deep."""
    return f'[{{"sample_id": {opened * depth}1{closed * depth}}}]'.encode()


def table(rows: int, **columns: str) -> pa.Table:
    """Rows that all say the same."""
    said = {"sample_id": "A", "test_date": "2024-01-01", "result": "POS", **columns}
    return pa.table(
        {
            name: pa.DictionaryArray.from_arrays(pa.array([0] * rows, pa.int32()), pa.array([text]))
            for name, text in said.items()
        }
    )


@functools.cache
def parquet(rows: int, *, groups: int = 1, **columns: str) -> bytes:
    """Parquet in which `groups` times so many rows say the same: some bytes for each million."""
    sink, part = io.BytesIO(), table(rows, **columns)
    with pq.ParquetWriter(sink, part.schema, compression="zstd") as writer:
        for _ in range(groups):
            writer.write_table(part)
    return sink.getvalue()


@functools.cache
def bombs(mb: int) -> dict[str, bytes]:
    """Archives that unpack to so many MB, or to more."""
    zeros = b"0" * (mb << 20)
    flat = zipped({"a.csv": zeros})
    return {
        "bomb.csv.gz": gzip.compress(zeros),
        "gzip-of-gzips.csv.gz": gzip.compress(zeros[: mb << 18]) * 4,
        "flat.zip": flat,
        "many.zip": zipped({f"{n}.csv": zeros[: mb << 17] for n in range(8)}),
        "lying.zip": lying(flat, len(zeros)),
        "overlapping.zip": overlapping(zeros[: mb << 17], 64),
        "crowd.zip": zipped({f"{n}.csv": b"" for n in range(10_001)}),
    }


def lying(archive: bytes, size: int) -> bytes:
    """`archive`, whose only member has `size` bytes and says that it has ten."""
    return archive.replace(struct.pack("<I", size), struct.pack("<I", 10))


def overlapping(content: bytes, times: int) -> bytes:
    """An archive in which so many members are the same bytes (after D. Fifield, "A better zip bomb", 2019)."""
    one = zipped({"a.csv": content})
    with zipfile.ZipFile(io.BytesIO(one)) as archive:
        start = archive.start_dir
    entry = one[start : one.rindex(b"PK\x05\x06")]
    directory = b"".join(entry.replace(b"a.csv", f"{n:05d}"[-5:].encode()) for n in range(times))
    end = struct.pack("<4s4H2IH", b"PK\x05\x06", 0, 0, times, times, len(directory), start, 0)
    return one[:start] + directory + end


def mutated(data: bytes, places: Sequence[tuple[int, int]]) -> bytes:
    """`data` with some bytes replaced."""
    changed = bytearray(data)
    for place, value in places:
        changed[place % len(changed)] = value
    return bytes(changed)
