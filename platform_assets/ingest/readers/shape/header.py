"""The file's header against the contract: which column stands where, and what has drifted."""

from __future__ import annotations

import re
from collections.abc import Sequence

from platform_assets.contracts.file_format import FileFormat
from platform_assets.contracts.file_kinds import KINDS
from platform_assets.contracts.model import Contract
from platform_assets.ingest.readers.rows import FileRejected, Header
from platform_assets.ingest.readers.shape.cells import cells_of
from platform_assets.ingest.readers.shape.names import told_names
from resources.text.spelling import folded


def decode_header(line: bytes, fmt: FileFormat) -> str:
    """The first line as text. Raises FileRejected where it is not in the declared encoding."""
    try:
        return line.decode(fmt.encoding)
    except UnicodeDecodeError as error:
        raise FileRejected(_not_text(fmt, error.start + 1)) from None


def header_names(text: str, fmt: FileFormat) -> list[str]:
    """The names in a delimited file's first line. Raises FileRejected where it cannot be read."""
    broken = re.search("[\udc80-\udcff]", text)
    if broken:
        raise FileRejected(_not_text(fmt, broken.start() + 1))
    if "\0" in text:
        raise FileRejected("the header contains NUL bytes: this is not a text file, or it is UTF-16; save it as UTF-8")
    names = cells_of(text, fmt)
    if names is None:
        raise FileRejected(
            f"the header cannot be read: a quote ({fmt.quote}) in it is not closed, or stands in the wrong place"
        )
    return [name.strip() for name in names]


def _not_text(fmt: FileFormat, place: int) -> str:
    return (
        f"the header is not {fmt.encoding} text (at byte {place}): save the file as {fmt.encoding}, "
        "or declare its encoding in the contract"
    )


def match_header(names: Sequence[str], contract: Contract, fmt: FileFormat) -> Header:
    """Find each column of `contract` among `names`: by its exact name, else ignoring case and what cannot be
    seen (which counts as renamed).

    Raises FileRejected where the file has none of the columns that need a value, or one of them twice.
    """
    wanted = contract.file_columns
    by_exact: dict[str, list[int]] = {}
    by_folded: dict[str, list[int]] = {}
    for index, name in enumerate(names):
        by_exact.setdefault(name, []).append(index)
        by_folded.setdefault(folded(name), []).append(index)
    positions: dict[str, int] = {}
    missing, renamed = [], []
    for column, spec in wanted.items():
        accepted = spec.header or (column,)
        places = [i for name in accepted for i in by_exact.get(name, [])]
        if not places:
            places = [i for name in accepted for i in by_folded.get(folded(name), [])]
            if places:
                renamed.append(f"{accepted[0]} -> {names[places[0]]}")
        if len(places) > 1:
            raise FileRejected(f"column {accepted[0]!r} stands {len(places)} times in the header: which one is meant?")
        if places:
            positions[column] = places[0]
        elif not spec.optional:
            missing.append(accepted[0])
    needed = [c for c, spec in wanted.items() if not spec.nullable] or list(wanted)
    if not any(c in positions for c in needed):
        expected = ", ".join((wanted[c].header or (c,))[0] for c in needed[:12])
        raise FileRejected(_no_column(fmt, expected, len(names)))
    taken = set(positions.values())
    ignored = set(map(folded, contract.ignore))
    unknown = [(i + 1, n) for i, n in enumerate(names) if i not in taken and folded(n) not in ignored]
    extra = told_names(unknown, contract)
    drift = {"missing": missing, "extra": extra, "renamed": renamed}
    present = [c for c in wanted if c in positions]
    if sorted(present, key=positions.__getitem__) != present:
        drift["reordered"] = sorted(present, key=positions.__getitem__)
    return Header(positions, len(names), {kind: found for kind, found in drift.items() if found})


def _no_column(fmt: FileFormat, expected: str, found: int) -> str:
    """That none of the required columns is there, and where to look in a file of this kind."""
    if fmt.kind in ("json", "json5"):
        where = f"at {fmt.records!r}" if fmt.records else "at the top of the document"
        deeper = "Where the records stand deeper in the document, say so with `records` in the contract's format"
        return (
            f"none of the required names is in the records {where} (expected {expected}; they have {found} name(s)): is this the right "
            f"dataset? {deeper}"
        )
    if "delimiter" in KINDS[fmt.kind].options or fmt.kind == "tsv":
        return (
            f"none of the required columns is in the header (expected {fmt.separator!r}-separated: {expected}; the header has {found} "
            f"column(s)): is this the right dataset, is the delimiter {fmt.separator!r}, and does the header stand in the first line?"
        )
    first = (
        "does the header stand in the first row of the sheet (no title above it)?"
        if "sheet" in KINDS[fmt.kind].options
        else ""
    )
    return (
        f"none of the required columns is in the header (expected: {expected}; the header has {found} column(s)): is this the right "
        f"dataset{', and ' + first if first else '?'}"
    )


def positional_header(contract: Contract) -> Header:
    """The header of a file that has none: the contract's columns in their order."""
    columns = list(contract.file_columns)
    return Header({c: i for i, c in enumerate(columns)}, len(columns))
