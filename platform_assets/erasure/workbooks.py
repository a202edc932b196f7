"""Workbooks (xlsx) without some of their rows: written anew as one sheet of texts, each as ingest reads it.

What else a workbook may hold (formulas, formats, comments, other sheets, caches of pivot tables) does not come along: nobody could say
whom it tells of. ECMA-376, Office Open XML, part 1, is the format; texts stand in the cells themselves (`inlineStr`).
"""

from __future__ import annotations

import io
import re
import zipfile
from collections.abc import Callable, Collection, Iterable, Sequence
from pathlib import Path
from xml.sax.saxutils import escape, quoteattr

from platform_assets.contracts.model import Contract, FileFormat
from platform_assets.ingest.documents import read_workbook

_MAIN = "http://schemas.openxmlformats.org/spreadsheetml/2006/main"
_LINKS = "http://schemas.openxmlformats.org/officeDocument/2006/relationships"
_PACKAGE = "http://schemas.openxmlformats.org/package/2006"
_TYPES = "application/vnd.openxmlformats-officedocument.spreadsheetml"
_HEAD = '<?xml version="1.0" encoding="UTF-8" standalone="yes"?>\n'
_NOT_XML = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")


def edited(
    path: Path, contract: Contract, fmt: FileFormat, out: Collection[int], cell: Callable[[int, str], str]
) -> bytes:
    """The sheet that `fmt` names, all cells as text, without the rows `out` (counted from 1), every other cell as `cell` (row, text)
    says. Raises FileRejected."""
    book = read_workbook(path, contract, fmt)
    kept = (
        [t if t is None else cell(number, t) for t in book.texts(cells)]
        for number, cells in enumerate(book.cells, start=1)
        if number not in out
    )
    return written(book.sheet, kept)


def written(sheet: str, rows: Iterable[Sequence[str | None]]) -> bytes:
    """A workbook of one sheet of texts."""
    parts = {
        "[Content_Types].xml": f'<Types xmlns="{_PACKAGE}/content-types">'
        '<Default Extension="rels" ContentType="application/vnd.openxmlformats-package.relationships+xml"/>'
        f'<Override PartName="/xl/workbook.xml" ContentType="{_TYPES}.sheet.main+xml"/>'
        f'<Override PartName="/xl/worksheets/sheet1.xml" ContentType="{_TYPES}.worksheet+xml"/></Types>',
        "_rels/.rels": _relation("officeDocument", "xl/workbook.xml"),
        "xl/workbook.xml": f'<workbook xmlns="{_MAIN}" xmlns:r="{_LINKS}"><sheets>'
        f'<sheet name={quoteattr(sheet)} sheetId="1" r:id="rId1"/></sheets></workbook>',
        "xl/_rels/workbook.xml.rels": _relation("worksheet", "worksheets/sheet1.xml"),
    }
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in parts.items():
            archive.writestr(name, _HEAD + content)
        with archive.open("xl/worksheets/sheet1.xml", "w") as out:
            out.write(f'{_HEAD}<worksheet xmlns="{_MAIN}"><sheetData>'.encode())
            for number, texts in enumerate(rows, start=1):
                cells = "".join(_cell(f"{_letters(n)}{number}", t) for n, t in enumerate(texts) if t is not None)
                out.write(f'<row r="{number}">{cells}</row>'.encode())
            out.write(b"</sheetData></worksheet>")
    return buffer.getvalue()


def _cell(place: str, text: str) -> str:
    clean = escape(_NOT_XML.sub("\ufffd", text), {"\r": "&#13;"})
    return f'<c r="{place}" t="inlineStr"><is><t xml:space="preserve">{clean}</t></is></c>'


def _relation(kind: str, target: str) -> str:
    return (
        f'<Relationships xmlns="{_PACKAGE}/relationships">'
        f'<Relationship Id="rId1" Type="{_LINKS}/{kind}" Target="{target}"/></Relationships>'
    )


def _letters(column: int) -> str:
    """0 is A, 26 is AA."""
    letters = ""
    column += 1
    while column:
        column, rest = divmod(column - 1, 26)
        letters = chr(65 + rest) + letters
    return letters
