"""Workbooks for tests: of texts as the platform writes them, and of whatever Excel and other programs write."""

from __future__ import annotations

import io
import zipfile
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from xml.sax.saxutils import escape, quoteattr

from platform_assets.contracts.file_format import FileFormat
from platform_assets.contracts.model import Contract
from platform_assets.ingest.readers.apart.limits import Limits
from platform_assets.ingest.readers.formats.xlsx import sheets_of, write_workbook
from platform_assets.ingest.readers.shape.layout import Table
from platform_assets.ingest.readers.typed.workbook import opened

_MAIN = "http://schemas.openxmlformats.org/spreadsheetml/2006/main"
_LINKS = "http://schemas.openxmlformats.org/officeDocument/2006/relationships"
_PACKAGE = "http://schemas.openxmlformats.org/package/2006"


def workbook(sheet: str, rows: Iterable[Sequence[str | None]]) -> bytes:
    """A workbook of one sheet of texts."""
    buffer = io.BytesIO()
    write_workbook(buffer, {sheet: enumerate(rows, start=1)})
    return buffer.getvalue()


def rows_of(path: Path, contract: Contract, fmt: FileFormat) -> list[tuple[str, list[str | None]]]:
    """(sheet, cells) of the rows below the headers of a workbook, as ingest reads it."""
    found = []
    with opened(path, Limits()) as read:
        for sheet in sheets_of(read, contract, fmt, Limits()):
            lines = [line for line in Table(sheet, contract, fmt).lines() if not line.left]
            assert not any(line.reason for line in lines)
            found += [(sheet.part.name, list(line.cells)) for line in lines]
    return found


@dataclass(frozen=True)
class X:
    """A cell as it stands in the file: what is in ``<v>`` (None: there is none), its type, the number of its format, its formula."""

    v: str | None = None
    t: str = ""
    s: int | None = None
    f: str | None = None


@dataclass(frozen=True)
class S:
    """A sheet."""

    name: str
    rows: Sequence[Any]
    state: str = ""
    kind: str = "worksheet"


def book(
    sheets: Sequence[S],
    *,
    formats: Sequence[str] = (),
    date_1904: bool = False,
    compute_all: bool = False,
    shared: bool = False,
) -> bytes:
    """A workbook; format n of `formats` is style n + 1 of its cells. `shared`: texts stand in the part that cells share."""
    texts: list[str] = []
    parts = {"_rels/.rels": _relations([("r1", "officeDocument", "xl/workbook.xml")])}
    links = [(f"r{n}", sheet.kind, f"{sheet.kind}s/sheet{n}.xml") for n, sheet in enumerate(sheets, start=1)]
    for (_, _, part), sheet in zip(links, sheets, strict=True):
        rows = "".join(
            f'<row r="{n}">{"".join(_cell(f"{_letters(c)}{n}", v, texts if shared else None) for c, v in enumerate(row))}</row>'
            for n, row in enumerate(sheet.rows, start=1)
        )
        inner = f"<sheetData>{rows}</sheetData>" if sheet.kind == "worksheet" else ""
        parts[f"xl/{part}"] = f'<{sheet.kind} xmlns="{_MAIN}">{inner}</{sheet.kind}>'
    listed = "".join(
        f'<sheet name={quoteattr(s.name)} sheetId="{n}" r:id="r{n}"{f" state={quoteattr(s.state)}" if s.state else ""}/>'
        for n, s in enumerate(sheets, start=1)
    )
    before = '<workbookPr date1904="1"/>' if date_1904 else ""
    after = '<calcPr calcId="1" fullCalcOnLoad="1"/>' if compute_all else ""
    parts["xl/workbook.xml"] = (
        f'<workbook xmlns="{_MAIN}" xmlns:r="{_LINKS}">{before}<sheets>{listed}</sheets>{after}</workbook>'
    )
    codes = "".join(f'<numFmt numFmtId="{170 + n}" formatCode={quoteattr(c)}/>' for n, c in enumerate(formats))
    styles = '<xf numFmtId="0"/>' + "".join(f'<xf numFmtId="{170 + n}"/>' for n in range(len(formats)))
    parts["xl/styles.xml"] = (
        f'<styleSheet xmlns="{_MAIN}"><numFmts>{codes}</numFmts><cellXfs>{styles}</cellXfs></styleSheet>'
    )
    strings = "".join(f'<si><t xml:space="preserve">{escape(t)}</t></si>' for t in texts)
    parts["xl/sharedStrings.xml"] = f'<sst xmlns="{_MAIN}">{strings}</sst>'
    others = [("s1", "styles", "styles.xml"), ("s2", "sharedStrings", "sharedStrings.xml")]
    parts["xl/_rels/workbook.xml.rels"] = _relations([*links, *others])
    kinds = "application/vnd.openxmlformats-officedocument.spreadsheetml"
    overrides = {"xl/workbook.xml": "sheet.main", "xl/styles.xml": "styles", "xl/sharedStrings.xml": "sharedStrings"}
    overrides |= {f"xl/{part}": kind for _, kind, part in links}
    parts["[Content_Types].xml"] = (
        f'<Types xmlns="{_PACKAGE}/content-types"><Default Extension="rels" '
        'ContentType="application/vnd.openxmlformats-package.relationships+xml"/>'
        + "".join(f'<Override PartName="/{p}" ContentType="{kinds}.{k}+xml"/>' for p, k in overrides.items())
        + "</Types>"
    )
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in parts.items():
            archive.writestr(name, '<?xml version="1.0" encoding="UTF-8" standalone="yes"?>\n' + content)
    return buffer.getvalue()


def _relations(links: Iterable[tuple[str, str, str]]) -> str:
    listed = "".join(f'<Relationship Id="{i}" Type="{_LINKS}/{kind}" Target="{target}"/>' for i, kind, target in links)
    return f'<Relationships xmlns="{_PACKAGE}/relationships">{listed}</Relationships>'


def _cell(place: str, value: Any, texts: list[str] | None) -> str:
    if value is None:
        return ""
    if isinstance(value, bool):
        value = X(str(int(value)), "b")
    elif isinstance(value, str) and texts is not None:
        texts.append(value)
        value = X(str(len(texts) - 1), "s")
    elif isinstance(value, str):
        return f'<c r="{place}" t="inlineStr"><is><t xml:space="preserve">{escape(value)}</t></is></c>'
    elif not isinstance(value, X):
        value = X(repr(value) if isinstance(value, float) else str(value))
    kind = f' t="{value.t}"' if value.t else ""
    style = f' s="{value.s}"' if value.s is not None else ""
    formula = f"<f>{escape(value.f)}</f>" if value.f is not None else ""
    return f'<c r="{place}"{style}{kind}>{formula}{f"<v>{escape(value.v)}</v>" if value.v is not None else ""}</c>'


def _letters(column: int) -> str:
    return (chr(64 + column // 26) if column >= 26 else "") + chr(65 + column % 26)
