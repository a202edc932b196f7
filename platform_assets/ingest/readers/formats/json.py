"""JSON: one array of records, also deep in a document, or one record per line."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from decimal import Decimal
from pathlib import Path
from typing import Any, BinaryIO

from platform_assets.contracts.model import Contract, FileFormat
from platform_assets.ingest.readers.interface import Edits, Format
from platform_assets.ingest.readers.limits import Limits
from platform_assets.ingest.readers.records import Record, as_json, edited_record, nested, stage_records
from platform_assets.ingest.readers.staged import FileRejected, Header, RowWriter

_MARK = b"\xef\xbb\xbf"


class Json(Format):
    """JSON, read as a stream."""

    kind = "json"
    words = "JSON: one document with a list of records, or a record per line (JSON lines)"
    example = '{"sample_id": "A-1", "result": "POS"}'
    ending = "jsonl"

    def stage(self, path: Path, contract: Contract, fmt: FileFormat, writer: RowWriter, limits: Limits) -> Header:
        """See `Format`. A line that is no JSON is a broken row; a document that is none is refused."""
        records = _lines(path) if _is_lines(path, fmt) else _items(path, fmt, limits)
        return stage_records(records, contract, fmt, writer, limits)

    def written(self, fmt: FileFormat, headers: Sequence[str], rows: Sequence[Sequence[str | None]]) -> bytes:
        """See `Format`."""
        records = [dict(zip(headers, row, strict=True)) for row in rows]
        if fmt.records:
            return json.dumps(nested(records, fmt.records)).encode()
        return "".join(json.dumps(record) + "\n" for record in records).encode()

    def edited(
        self, path: Path, contract: Contract, fmt: FileFormat, edits: Edits, target: Path, limits: Limits
    ) -> None:
        """See `Format`. Every other line stays byte for byte, a document is written anew."""
        if _is_lines(path, fmt):
            with path.open("rb") as old, target.open("wb") as new:
                kept = ((n, line) for n, line in enumerate(old, start=1) if n not in edits.out)
                new.writelines(_line(line, edits, n, limits) if n in edits.cells else line for n, line in kept)
            return
        with path.open("rb") as old, target.open("w", encoding="utf-8", errors="surrogatepass") as new:
            if old.read(3) != _MARK:
                old.seek(0)
            new.writelines(_edited_document(old, fmt.records, edits, limits))


def _is_lines(path: Path, fmt: FileFormat) -> bool:
    with path.open("rb") as file:
        return not fmt.records and file.read(4096).lstrip(_MARK + b" \t\r\n")[:1] == b"{"


def _text(line: bytes, number: int) -> str:
    """A line as it is read."""
    return line.decode("utf-8-sig" if number == 1 else "utf-8", "surrogateescape").strip()


def _lines(path: Path) -> Iterator[Record]:
    with path.open("rb") as file:
        for number, line in enumerate(file, start=1):
            text = _text(line, number)
            if not text:
                continue
            try:
                yield number, json.loads(text, parse_float=Decimal), ""
            except (ValueError, RecursionError):
                yield number, None, text


def _line(line: bytes, edits: Edits, number: int, limits: Limits) -> bytes:
    text = _text(line, number)
    now = edits.line(number, text)
    if now is None:
        try:
            record = json.loads(text, parse_float=Decimal)
            now = as_json(edited_record(record, edits, number, limits.digits))
        except (ValueError, RecursionError):
            return line
    before, after = line.split(text.encode("utf-8", "surrogateescape"), 1)
    return before + now.encode("utf-8", "surrogatepass") + after


def _items(path: Path, fmt: FileFormat, limits: Limits) -> Iterator[Record]:
    import ijson

    with path.open("rb") as file:
        if file.read(3) != _MARK:
            file.seek(0)
        try:
            yield from ((n, record, "") for n, record in enumerate(_array(file, fmt.records, limits), start=1))
        except FileRejected:
            raise
        except (ijson.JSONError, ValueError):
            raise FileRejected(
                f"the file is not valid JSON, or a number in it has more than {limits.digits:,} digits (trailing commas and comments "
                "need format kind json5): nothing of it was taken"
            ) from None


def _array(file: BinaryIO, records: str | None, limits: Limits) -> Iterator[Any]:
    """The items of the array at the dotted path `records`, one by one."""
    from ijson.common import ObjectBuilder

    builder = ObjectBuilder()
    for event, value, item, complete in _walk(file, records, limits):
        if item:
            builder.event(event, value)
            if complete:
                yield builder.value
                builder = ObjectBuilder()


def _walk(file: BinaryIO, records: str | None, limits: Limits) -> Iterator[tuple[str, Any, int, bool]]:
    """(event, value, number of the item, whether it is complete) of a document. The number is 0 outside of the array at the dotted
    path `records`. Raises FileRejected for what is nested absurdly deep.

    By ijson's backend in Python: the one in C dies of a number of 4,301 digits.
    """
    from ijson.backends import python as parser

    wanted = [None, *(records.split(".") if records else [])]
    names: list[str | None] = []
    """Of the maps and arrays that we are in: the key that led there; None for the document and for items."""
    key: str | None = None
    inside = item = 0
    for event, value in parser.basic_parse(file):
        starts, ends = event in ("start_map", "start_array"), event in ("end_map", "end_array")
        if inside and len(names) == inside:
            if ends:
                inside = 0
            else:
                item += 1
        within = bool(inside)
        if starts:
            names.append(key)
            if len(names) > limits.depth:
                raise FileRejected(f"the document is nested more than {limits.depth} deep: this is no list of records")
            if not inside and event == "start_array" and names == wanted:
                inside = len(names)
        if ends:
            names.pop()
        key = value if event == "map_key" else None
        yield event, value, item if within else 0, within and len(names) == inside


def _edited_document(file: BinaryIO, records: str | None, edits: Edits, limits: Limits) -> Iterator[str]:
    """The document, piece by piece, with the items of the array at the dotted path as `edits` say."""
    from ijson.common import ObjectBuilder

    before: list[str] = []
    """Of the maps and arrays that we are in: what comes before the next thing in them."""
    after_key = False
    builder = ObjectBuilder()
    for event, value, item, complete in _walk(file, records, limits):
        if item in edits.out:
            continue
        if item in edits.cells:
            builder.event(event, value)
            if complete:
                yield before[-1] + as_json(edited_record(builder.value, edits, item, limits.digits))
                before[-1] = ", "
                builder = ObjectBuilder()
            continue
        text = _WORDS.get(event) or (str(value) if event == "number" else json.dumps(value, ensure_ascii=False))
        if event in ("end_map", "end_array"):
            before.pop()
        else:
            if before:
                text, before[-1] = ("" if after_key else before[-1]) + text, ", "
            if event in ("start_map", "start_array"):
                before.append("")
        after_key = event == "map_key"
        yield text + (": " if after_key else "")


_WORDS = {"start_map": "{", "end_map": "}", "start_array": "[", "end_array": "]", "null": "null"}
