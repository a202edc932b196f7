"""Rows from records: objects with names for their values, as JSON has them."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from decimal import Decimal
from itertools import chain, islice
from typing import Any, NamedTuple

from platform_assets.contracts.file_format import FileFormat
from platform_assets.contracts.model import Contract
from platform_assets.ingest.readers.apart.limits import Limits
from platform_assets.ingest.readers.interface import Edits
from platform_assets.ingest.readers.rows import BATCH, NO_VALUES, FileRejected, Header, RowWriter
from platform_assets.ingest.readers.shape.columns import find_columns
from platform_assets.ingest.readers.shape.layout import NO_VALUE
from platform_assets.ingest.readers.shape.names import told_names
from platform_assets.ingest.readers.typed.paths import NOTHING, at, reached
from platform_assets.ingest.readers.typed.spread import Part, Spread
from platform_assets.ingest.readers.typed.values import NUL, Texts, Unsure, as_json, says_something


class Record(NamedTuple):
    """One record of a file."""

    row: int
    value: Any
    broken: str = ""
    """Why it is no row; empty where it may be one."""
    text: str = ""
    """Of a line that is no JSON."""


REPEATED = "has the same name twice in one object: which value is meant?"


def stage_records(
    records: Iterator[Record], contract: Contract, fmt: FileFormat, writer: RowWriter, limits: Limits
) -> Header:
    """Write records as rows of text. Raises FileRejected where nothing in them can be judged."""
    head = list(islice(records, BATCH))
    # an object has no fixed columns: the names seen in the first records stand for the header, later ones count as drift too
    names: dict[str, None] = {}
    for record in head:
        names.update(dict.fromkeys(record.value) if isinstance(record.value, Mapping) else {})
    if not head:
        raise FileRejected("the file holds no records" + (f" at {fmt.records!r}" if fmt.records else ""))
    spread = Spread(fmt)
    wanted = [n for c, spec in contract.file_columns.items() for n in (spec.header or (c,))]
    deep = reached(wanted, (part.view for record in head for part in spread.parts(record.value)))
    # what paths lead through is no column of its own, unless the contract takes it as a whole
    passed = {path.split(".")[0] for path in deep} - set(wanted)
    names = dict.fromkeys([*(n for n in names if n not in passed), *deep])
    header = find_columns(list(names), contract, fmt).header
    if not deep and not fmt.explode and len(head) == 1 and _is_by_column(head[0].value):
        raise FileRejected(
            "the document is written by columns, one object or list for each: write a list of records, an object for each row (in pandas: "
            "orient='records')"
        )
    if deep:  # what stands deep in a record has no place among its names
        header.drift.pop("reordered", None)
    lookup = {column: list(names)[place] for column, place in header.positions.items()}
    accepted = [
        (
            c,
            tuple(dict.fromkeys((*filter(None, [lookup.get(c)]), *(spec.header or (c,))))),
            Texts(spec, limits.digits, contract.zone),
        )
        for c, spec in contract.file_columns.items()
    ]
    known = {*names, *passed, *contract.ignore, *(name for _, names_of, _ in accepted for name in names_of)}
    later: dict[str, None] = {}
    empty = left = last = 0

    for number, record, broken, text in chain(head, records):
        number = last + 1 if spread else number
        if broken or not isinstance(record, Mapping):
            last = number
            writer.write_broken(number, text or shown(record), broken or "is not a JSON object")
            continue
        if not record.keys() <= known:
            later.update(dict.fromkeys(name for name in record.keys() - known if not spread.is_row(name)))
        parts = spread.parts(record)
        last = number + len(parts) - 1
        if not any(map(says_something, record.values())):
            empty += 1
            continue
        left += spread.left_out(record)
        for place, part in enumerate(parts, start=number):
            try:
                row = _row(part, accepted)
            except RecursionError:
                writer.write_broken(place, text, "is nested too deep")
                continue
            except Unsure as unsure:
                writer.write_broken(place, text or shown(part.view), str(unsure))
                continue
            if any(v is not None and not encodable(v) for v in row):
                writer.write_broken(place, shown(part.view), "contains half of a character pair (a lone surrogate)")
                continue
            if any(v is not None and "\0" in v for v in row):
                writer.write_broken(place, shown(part.view), NUL)
                continue
            writer.add(place, row)
    writer.flush()
    header.not_taken.update({what: count for what, count in ((NO_VALUES, empty), (NO_VALUE, left)) if count})
    if later:
        header.drift.setdefault("extra", []).extend(
            told_names([(place, name) for place, name in enumerate(later, start=len(names) + 1)], contract)
        )
    return header


def _is_by_column(document: Any) -> bool:
    """Whether an object holds a list of the same length, or an object of the same names, under each of its names."""
    values = list(document.values()) if isinstance(document, Mapping) else []
    lists = bool(values) and all(isinstance(v, list) and v and len(v) == len(values[0]) for v in values)
    return lists or (
        bool(values) and all(isinstance(v, Mapping) and v and v.keys() == values[0].keys() for v in values)
    )


def _row(part: Part, accepted: Sequence[tuple[str, tuple[str, ...], Texts]]) -> list[str | None]:
    """The texts of a row. Raises Unsure, RecursionError."""
    return [
        texts.of(part.told[column])
        if column in part.told
        else next((texts.of(v) for n in names if (v := at(part.view, n)) is not NOTHING), None)
        for column, names, texts in accepted
    ]


def nested(records: Sequence[Mapping[str, str | None]], path: str | None) -> Any:
    """A document with `records` at the dotted path."""
    document: Any = list(records)
    for part in reversed(path.split(".")) if path else ():
        document = {part: document}
    return document


def edited_document(document: Any, fmt: FileFormat, edits: Edits, digits: int, *, ascii_only: bool = False) -> str:
    """The document as JSON, with the records of `fmt` as `edits` say."""
    place: Any = document
    for part in fmt.records.split(".") if fmt.records else []:
        place = place[part]
    place[:] = [
        edited_record(record, fmt, edits, n, digits) for n, record in enumerate(place, start=1) if n not in edits.out
    ]
    return as_json(document, ascii_only=ascii_only)


def edited_record(record: Any, fmt: FileFormat, edits: Edits, row: int, digits: int) -> Any:
    """A record with its cells as `edits` say; what is no record, or none that can be kept as a row, as a whole."""
    if row not in edits.cells:
        return record
    line = edits.line(row, shown(record))
    record = Spread(fmt).without(record, edits, row)
    return _edited_value(record, edits, row, digits) if line is None else _parsed(line)


def _edited_value(value: Any, edits: Edits, row: int, digits: int, *, cell: bool = False) -> Any:
    """A value of a record. What is nested may be a cell as a whole, as `text_of` shows it, or in its parts."""
    with suppress(Unsure):
        text = Texts(digits=digits).of(value) if cell else None
        now = None if text is None else edits.cell(row, text)
        if now is not None and now != text:
            return _parsed(now) if isinstance(value, dict | list) else now
    if isinstance(value, dict):
        return {k: _edited_value(v, edits, row, digits, cell=True) for k, v in value.items()}
    if isinstance(value, list):
        return [_edited_value(v, edits, row, digits, cell=True) for v in value]
    return value


def _parsed(text: str) -> Any:
    """What the text says in JSON; the text where it says nothing."""
    try:
        return json.loads(text, parse_float=Decimal)
    except (ValueError, RecursionError):
        return text


def shown(value: Any) -> str:
    """`value` as it can be kept as the text of a row that is none."""
    try:
        return as_json(value, ascii_only=True)
    except (ValueError, TypeError, RecursionError):
        return ""


def encodable(text: str) -> bool:
    """Whether it is text throughout; half of a character pair is not."""
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True
