"""Files of SAS, SPSS, Stata, old Excel and LibreOffice that were damaged in every way, by chance and on purpose: read, or clearly refused.

They are read by libraries written in C and Rust. Whatever becomes of the process that reads one, the load goes on, says why, quotes nothing, and
reads the next file.
"""

from __future__ import annotations

import io
import random
import struct
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path

import pandas as pd
import pyreadstat
import pytest

from platform_assets.contracts import Contract
from platform_assets.ingest.readers import reading
from platform_assets.ingest.readers.apart.process import ODD, Child
from platform_assets.ingest.readers.rows import FileRejected
from tests.ingest.files.test_old_workbooks import _NAMES, ODS, XLS

ROWS = 40
NUMBER = {"soak": 400, "usual": 25}
Write = Callable[[pd.DataFrame, str], None]


def contract(kind: str) -> Contract:
    columns = {"sample_id": {"type": "string"}, "result": {"type": "string", "required": False}}
    return Contract.model_validate(
        {
            "name": "damaged",
            "description": "Anything.",
            "owner": "team:test",
            "format": {"kind": kind},
            "load": {"mode": "append"},
            "columns": columns,
            "ignore": ["test_date", "viral_load", "weight"],
        }
    )


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> dict[str, bytes]:
    """A right file of each kind."""
    folder = tmp_path_factory.mktemp("whole")
    table = pd.DataFrame(
        {
            "sample_id": [f"ZEBRA-{n}" for n in range(ROWS)],
            "result": ["POS" if n % 2 else "é" for n in range(ROWS)],
            "weight": [n / 3 for n in range(ROWS)],
        }
    )
    pyreadstat.write_sav(table, str(folder / "plain"))
    pyreadstat.write_sav(table, str(folder / "packed"), compress=True)
    pyreadstat.write_dta(table, str(folder / "stata"))
    pyreadstat.write_xport(table, str(folder / "xpt"), file_format_version=8)
    found = {p.name: p.read_bytes() for p in folder.iterdir()}
    return {
        "spss": found["plain"],
        "spss packed": found["packed"],
        "stata": found["stata"],
        "xpt": found["xpt"],
        "xls": XLS,
        "ods": ODS,
    }


@pytest.fixture(scope="module")
def child() -> Iterator[Child]:
    with Child() as child:
        yield child


def read(child: Child, folder: Path, kind: str, data: bytes, rows: int | None = None) -> str:
    """Why it is refused; '' where it is read (and has so many `rows`)."""
    said = contract(kind.split()[0])
    path = folder / "it"
    path.write_bytes(data)
    place = folder / "read"
    place.mkdir(exist_ok=True)
    try:
        part, _ = reading.stage(child, path, 0, said, said.format[0], place)
    except FileRejected as error:
        return str(error)
    assert part.rows[0] <= 100_000 if rows is None else part.rows[0] == rows
    return ""


def clear(reason: str) -> None:
    """A refusal that says something and quotes nothing."""
    assert reason
    assert "ZEBRA" not in reason
    assert "Traceback" not in reason
    assert reason != ODD


def spoiled(data: bytes, chance: random.Random) -> bytes:
    """`data`, damaged: cut off, bytes changed, numbers made huge or negative, pieces taken out, doubled, or exchanged."""
    found = bytearray(data)
    # the heads, where sizes and places stand, more often than the rest
    place = chance.choice([chance.randrange(len(found)), chance.randrange(min(len(found), 600))])
    match chance.randrange(6):
        case 0:
            return bytes(found[:place])
        case 1:
            for _ in range(chance.randrange(1, 20)):
                found[min(place + chance.randrange(50), len(found) - 1)] = chance.randrange(256)
        case 2:
            number = chance.choice(
                [b"\xff\xff\xff\xff", b"\xff\xff\xff\x7f", b"\0\0\0\x80", b"\0\0\0\0", b"\0\0\0\x40"]
            )
            found[place : place + 4] = number
        case 3:
            del found[place : place + chance.randrange(1, 200)]
        case 4:
            found[place:place] = found[place : place + chance.randrange(1, 400)]
        case _:
            found[place : place + 8] = struct.pack("<d", chance.choice([float("nan"), 1e308, -1e308, 0.0]))
    return bytes(found)


KINDS = ["spss", "spss packed", "stata", "xpt", "xls", "ods"]


@pytest.mark.parametrize("number", [NUMBER["usual"], pytest.param(NUMBER["soak"], marks=pytest.mark.soak)])
@pytest.mark.parametrize("kind", KINDS)
def test_damaged_by_chance(child: Child, tmp_path: Path, whole: dict[str, bytes], kind: str, number: int) -> None:
    assert read(child, tmp_path, kind, whole[kind]) == ""
    refused = 0
    for seed in range(number):
        chance = random.Random(f"{kind}{seed}")
        data = spoiled(whole[kind], chance)
        if kind == "ods" and seed % 2:  # what is damaged is inside
            data = repacked(spoiled(inside(whole[kind]), chance))
        reason = read(child, tmp_path, kind, data)
        refused += bool(reason)
        if reason:
            clear(reason)
    assert refused >= number // 5
    assert read(child, tmp_path, kind, whole[kind]) == ""  # the next file is read as ever


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize(
    "data",
    [b"", b"\0" * 5000, b"ZEBRA-1,POS\n" * 100, b"\xff\xfe" + "ZEBRA".encode("utf-16-le") * 100],
    ids=["empty", "zeros", "text", "UTF-16"],
)
def test_what_is_no_such_file_at_all(child: Child, tmp_path: Path, kind: str, data: bytes) -> None:
    clear(read(child, tmp_path, kind, data))


def inside(data: bytes) -> bytes:
    """The content of a spreadsheet of LibreOffice."""
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        return archive.read("content.xml")


def repacked(content: bytes) -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("mimetype", "application/vnd.oasis.opendocument.spreadsheet")
        archive.writestr("content.xml", content)
    return out.getvalue()


def sheet(rows: str) -> bytes:
    return (
        f'<office:document-content {_NAMES}><office:body><office:spreadsheet><table:table table:name="Results">{rows}</table:table>'
        "</office:spreadsheet></office:body></office:document-content>"
    ).encode()


CELL = '<table:table-cell office:value-type="string"{}><text:p>ZEBRA</text:p></table:table-cell>'


def row(cells: str = "", rows: str = "") -> str:
    """A row of one cell; how often both are repeated."""
    repeated = f' table:number-rows-repeated="{rows}"' if rows else ""
    cell = f' table:number-columns-repeated="{cells}"' if cells else ""
    return f'<table:table-row{repeated}><table:table-cell office:value-type="string"{cell}><text:p>ZEBRA</text:p></table:table-cell></table:table-row>'


ENTITIES = b'<!DOCTYPE x [<!ENTITY a "ZEBRA"><!ENTITY b "&a;&a;&a;&a;&a;&a;&a;&a;&a;&a;">]>'
BOMBS: dict[str, Callable[[], bytes]] = {
    "rows repeated": lambda: sheet(row(rows="2000000000")),
    "columns repeated": lambda: sheet(row(cells="2000000000")),
    "both repeated": lambda: sheet(row(cells="16000", rows="1000000")),
    "unpacks to 256 MB": lambda: sheet("<table:table-row>" + " " * (1 << 28) + "</table:table-row>"),
    "a document type": lambda: ENTITIES + sheet(row().replace("ZEBRA", "&b;")),
    "deep": lambda: sheet("<table:table-row>" * 300_000),
    "no content": lambda: b"",
}


@pytest.mark.parametrize("bomb", BOMBS)
def test_spreadsheets_that_grow_are_refused_within_the_limits(child: Child, tmp_path: Path, bomb: str) -> None:
    clear(read(child, tmp_path, "ods", repacked(BOMBS[bomb]())))


@pytest.mark.parametrize("rows", [2**31 - 1, 10**9, -1])
def test_a_number_of_rows_that_is_not_true(child: Child, tmp_path: Path, whole: dict[str, bytes], rows: int) -> None:
    """SPSS and Stata say in their heads how many rows there are. What is said of them is not believed."""
    data = bytearray(whole["spss"])
    assert struct.unpack_from("<i", data, 80) == (ROWS,)
    struct.pack_into("<i", data, 80, rows)
    if rows == 10**9:
        clear(read(child, tmp_path, "spss", bytes(data)))
    else:  # "nobody knows", as programs write it that could not go back
        assert read(child, tmp_path, "spss", bytes(data), rows=ROWS) == ""
    place = whole["stata"].index(b"<N>") + 3 if b"<N>" in whole["stata"] else 6
    stata = bytearray(whole["stata"])
    stata[place : place + 4] = struct.pack("<i", rows)
    clear(read(child, tmp_path, "stata", bytes(stata)))


def test_bytes_that_are_no_text_in_the_encoding_of_the_file_are_refused_or_told(
    child: Child, tmp_path: Path, whole: dict[str, bytes]
) -> None:
    for kind in ("spss", "stata", "xpt"):
        assert "é".encode() in whole[kind]
        for wrong in (b"\xe9 ", b"\xff\xfe", b"\xc3("):
            reason = read(child, tmp_path, kind, whole[kind].replace("é".encode(), wrong))
            if reason:
                clear(reason)
