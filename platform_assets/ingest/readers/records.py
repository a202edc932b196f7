"""Rows from records (objects with names for their values, as JSON has them), and values as the text that a person would have typed."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from decimal import Decimal
from itertools import chain, islice
from typing import Any

from platform_assets.contracts.model import Contract, FileFormat
from platform_assets.ingest.readers.header import match_header
from platform_assets.ingest.readers.interface import Edits
from platform_assets.ingest.readers.limits import Limits
from platform_assets.ingest.readers.staged import BATCH, FileRejected, Header, RowWriter

Record = tuple[int, Any, str]
"""Row, record, and the text of a line that is no JSON."""


class TooLong(ValueError):
    """A number has more digits than is sane."""


def stage_records(
    records: Iterator[Record], contract: Contract, fmt: FileFormat, writer: RowWriter, limits: Limits
) -> Header:
    """Write records as rows of text. Raises FileRejected where nothing in them can be judged."""
    head = list(islice(records, BATCH))
    # an object has no fixed columns: the names seen in the first records stand for the header, later ones count as drift too
    names: dict[str, None] = {}
    for _, record, _ in head:
        names.update(dict.fromkeys(record) if isinstance(record, Mapping) else {})
    if not head:
        raise FileRejected("the file holds no records" + (f" at {fmt.records!r}" if fmt.records else ""))
    header = match_header(list(names), contract, fmt)
    lookup = {column: list(names)[place] for column, place in header.positions.items()}
    accepted = {
        c: tuple(dict.fromkeys((*filter(None, [lookup.get(c)]), *(spec.header or (c,)))))
        for c, spec in contract.file_columns.items()
    }
    numbers: list[int] = []
    rows: list[list[str | None]] = []

    def flush() -> None:
        if rows:
            writer.write(numbers, list(zip(*rows, strict=True)))
            numbers.clear()
            rows.clear()

    for number, record, text in chain(head, records):
        if not isinstance(record, Mapping):
            writer.write_broken(number, text or shown(record), (text and "is not JSON") or "is not a JSON object")
            continue
        try:
            row = [
                next((text_of(record[n], limits.digits) for n in names_of if n in record), None)
                for names_of in accepted.values()
            ]
        except RecursionError:
            writer.write_broken(number, text, "is nested too deep")
            continue
        except TooLong:
            writer.write_broken(number, text, f"holds a number of more than {limits.digits:,} digits")
            continue
        if any(v is not None and not encodable(v) for v in row):
            writer.write_broken(number, shown(record), "contains half of a character pair (a lone surrogate)")
            continue
        numbers.append(number)
        rows.append(row)
        if len(rows) >= BATCH:
            flush()
    flush()
    return header


def nested(records: Sequence[Mapping[str, str | None]], path: str | None) -> Any:
    """A document with `records` at the dotted path."""
    document: Any = list(records)
    for part in reversed(path.split(".")) if path else ():
        document = {part: document}
    return document


def edited_document(document: Any, path: str | None, edits: Edits, digits: int, *, ascii_only: bool = False) -> str:
    """The document as JSON, with the records at the dotted path as `edits` say."""
    place: Any = document
    for part in path.split(".") if path else []:
        place = place[part]
    place[:] = [
        edited_record(record, edits, n, digits) for n, record in enumerate(place, start=1) if n not in edits.out
    ]
    return as_json(document, ascii_only=ascii_only)


def edited_record(record: Any, edits: Edits, row: int, digits: int) -> Any:
    """A record with its cells as `edits` say; what is no record, or none that can be kept as a row, as a whole."""
    if row not in edits.cells:
        return record
    line = edits.line(row, shown(record))
    return _edited_value(record, edits, row, digits) if line is None else _parsed(line)


def _edited_value(value: Any, edits: Edits, row: int, digits: int, *, cell: bool = False) -> Any:
    """A value of a record. What is nested may be a cell as a whole, as `text_of` shows it, or in its parts."""
    with suppress(TooLong):
        text = text_of(value, digits) if cell else None
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


def as_json(value: Any, *, ascii_only: bool = False) -> str:
    """`value` as JSON, numbers with all their digits."""
    if isinstance(value, dict):
        pairs = (
            f"{json.dumps(str(k), ensure_ascii=ascii_only)}: {as_json(v, ascii_only=ascii_only)}"
            for k, v in value.items()
        )
        return "{" + ", ".join(pairs) + "}"
    if isinstance(value, list):
        return "[" + ", ".join(as_json(v, ascii_only=ascii_only) for v in value) + "]"
    return str(value) if isinstance(value, Decimal) else json.dumps(value, ensure_ascii=ascii_only)


# ------------------------------------------------------------------ values


def text_of(value: Any, digits: int) -> str | None:
    """`value` as text; None where there is none. Raises TooLong, RecursionError for what is nested too deep."""
    if value is None or isinstance(value, str):
        return value
    if isinstance(value, bool):
        return "true" if value else "false"
    try:
        if isinstance(value, dict | list):
            return json.dumps(value, default=str, ensure_ascii=False, sort_keys=True)
        text = str(value)
    except ValueError:  # Python turns no number of so many digits into text
        raise TooLong from None
    if not isinstance(value, bytes) and len(text) > digits + 10:
        raise TooLong
    return text


def shown(value: Any) -> str:
    """`value` as it can be kept as the text of a row that is none."""
    try:
        return json.dumps(value, default=str)
    except (ValueError, TypeError, RecursionError):
        return ""


def encodable(text: str) -> bool:
    """Whether it is text throughout; half of a character pair is not."""
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True
