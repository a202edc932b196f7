"""JSON: lists of records, also deep in a document, or one record per line; several documents one after the other are read in turn."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from pathlib import Path
from typing import Any, BinaryIO

from platform_assets.contracts.file_format import FileFormat
from platform_assets.contracts.model import Contract
from platform_assets.ingest.readers.apart.limits import Limits
from platform_assets.ingest.readers.interface import CannotWrite, Edits, Format
from platform_assets.ingest.readers.rows import FileRejected, Header, RowWriter
from platform_assets.ingest.readers.shape.names import form, told_name
from platform_assets.ingest.readers.typed.records import REPEATED, Record, edited_record, nested, stage_records
from platform_assets.ingest.readers.typed.spread import Spread
from platform_assets.ingest.readers.typed.values import as_json

_MARK = b"\xef\xbb\xbf"
_NO_NUMBER = re.compile(rb"[\[:,\s]-?(?:NaN|Infinity)\s*[,\]}]")
NOT_JSON, NO_NUMBER = "is not JSON", "holds NaN or Infinity, which JSON does not have: write null"


class Json(Format):
    """JSON, read as a stream."""

    kind = "json"
    words = "JSON: documents with a list of records, or a record per line (JSON lines)"
    example = '{"sample_id": "A-1", "result": "POS"}'
    ending = "jsonl"

    def stage(self, path: Path, contract: Contract, fmt: FileFormat, writer: RowWriter, limits: Limits) -> Header:
        """See `Format`. A line that is no JSON is a broken row; a document that is none is refused."""
        seen = _Seen()
        records = _lines(path) if _is_lines(path, fmt) else _items(path, fmt, limits, seen)
        header = stage_records(records, contract, fmt, writer, limits)
        header.not_taken.update(seen.elsewhere)
        return header

    def written(self, fmt: FileFormat, headers: Sequence[str], rows: Sequence[Sequence[str | None]]) -> bytes:
        """See `Format`."""
        if fmt.wide:
            raise CannotWrite("single rows cannot be written as records that have a name for each of them")
        records = [dict(zip(headers, row, strict=True)) for row in rows]
        if fmt.records:
            return json.dumps(nested(records, fmt.records)).encode()
        return "".join(json.dumps(record) + "\n" for record in records).encode()

    def edited(
        self, path: Path, contract: Contract, fmt: FileFormat, edits: Edits, target: Path, limits: Limits
    ) -> None:
        """See `Format`. Every other line stays byte for byte, a document is written anew."""
        lines = _is_lines(path, fmt)
        records = _lines(path) if lines else _items(path, fmt, limits, _Seen())
        edits = Spread(fmt).of_records(records, edits)
        if lines:
            with path.open("rb") as old, target.open("wb") as new:
                kept = ((n, line) for n, line in enumerate(old, start=1) if n not in edits.out)
                new.writelines(_line(line, fmt, edits, n, limits) if n in edits.cells else line for n, line in kept)
            return
        with path.open("rb") as old, target.open("w", encoding="utf-8", errors="surrogatepass") as new:
            if old.read(3) != _MARK:
                old.seek(0)
            new.writelines(_edited_document(old, fmt, edits, limits))


def _is_lines(path: Path, fmt: FileFormat) -> bool:
    """Whether each line is a record of its own. A first line that is none may begin a document in several lines."""
    if fmt.records:
        return False
    with path.open("rb") as file:
        first = next((line for line in file if line.removeprefix(_MARK).strip()), b"").removeprefix(_MARK).strip()
        if not first.startswith(b"{"):
            return False
        if _is_json(first):
            return True
        return not _is_documents(path) and any(line.startswith(b"{") and _is_json(line) for line in file)


def _is_json(line: bytes) -> bool:
    try:
        json.loads(line)
    except (ValueError, RecursionError):
        return False
    return True


def _is_documents(path: Path) -> bool:
    import ijson
    from ijson.backends import python as parser

    with path.open("rb") as file:
        if file.read(3) != _MARK:
            file.seek(0)
        try:
            for _ in parser.basic_parse(file, multiple_values=True):
                pass
        except (ijson.JSONError, ValueError):
            return False
    return True


def _text(line: bytes, number: int) -> str:
    """A line as it is read."""
    return line.decode("utf-8-sig" if number == 1 else "utf-8", "surrogateescape").strip()


class _Wrong(ValueError):
    """Why a line is no record."""


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    made = dict(pairs)
    if len(made) < len(pairs):
        raise _Wrong(REPEATED)
    return made


def _no_number(_: str) -> Any:
    raise _Wrong(NO_NUMBER)


def _lines(path: Path) -> Iterator[Record]:
    with path.open("rb") as file:
        for number, line in enumerate(file, start=1):
            text = _text(line, number)
            if not text:
                continue
            try:
                record = json.loads(text, parse_float=Decimal, object_pairs_hook=_object, parse_constant=_no_number)
            except _Wrong as wrong:
                yield Record(number, None, str(wrong), text)
            except (ValueError, RecursionError):
                yield Record(number, None, NOT_JSON, text)
            else:
                yield Record(number, record)


def _line(line: bytes, fmt: FileFormat, edits: Edits, number: int, limits: Limits) -> bytes:
    text = _text(line, number)
    now = edits.line(number, text)
    if now is None:
        try:
            record = json.loads(text, parse_float=Decimal, object_pairs_hook=_object)
            now = as_json(edited_record(record, fmt, edits, number, limits.digits))
        except (ValueError, RecursionError):
            return line
    before, after = line.split(text.encode("utf-8", "surrogateescape"), 1)
    return before + now.encode("utf-8", "surrogatepass") + after


@dataclass
class _Seen:
    """What was met while documents were read."""

    documents: int = 0
    found: bool = False
    """Whether the present document has the list of records."""
    elsewhere: dict[str, int] = field(default_factory=dict)
    """Other lists of objects -> objects in them."""


def _items(path: Path, fmt: FileFormat, limits: Limits, seen: _Seen) -> Iterator[Record]:
    import ijson

    with path.open("rb") as file:
        if file.read(3) != _MARK:
            file.seek(0)
        try:
            yield from _records(file, fmt.records, limits, seen)
        except FileRejected:
            raise
        except (ijson.JSONError, ValueError):
            raise FileRejected(_why(path, seen, limits)) from None


def _why(path: Path, seen: _Seen, limits: Limits) -> str:
    """Why a file is no JSON, as far as it can be told."""
    before = b""
    with path.open("rb") as file:
        while piece := file.read(1 << 20):
            if _NO_NUMBER.search(before + piece):
                return f"the file is not valid JSON: it {NO_NUMBER}. Nothing of it was taken"
            before = piece[-20:]
    place = f" (in document {seen.documents} of the file)" if seen.documents > 1 else ""
    return (
        f"the file is not valid JSON{place}: it is cut off, text follows its end, or a number in it has more than {limits.digits:,} "
        "digits (trailing commas and comments need format kind json5): nothing of it was taken"
    )


class _Builder:
    """An object or list of its events."""

    def __init__(self) -> None:
        self.value: Any = None
        self.repeated = False
        self._open: list[dict[str, Any] | list[Any]] = []
        self._keys: list[str] = []

    def event(self, event: str, value: Any) -> None:
        if event == "map_key":
            self.repeated = self.repeated or value in self._open[-1]
            self._keys[-1] = value
        elif event in ("end_map", "end_array"):
            self._open.pop()
            self._keys.pop()
        else:
            made = {} if event == "start_map" else [] if event == "start_array" else value
            holder = self._open[-1] if self._open else None
            if isinstance(holder, dict):
                holder[self._keys[-1]] = made
            elif holder is not None:
                holder.append(made)
            else:
                self.value = made
            if event in ("start_map", "start_array"):
                self._open.append(made)
                self._keys.append("")


def _records(file: BinaryIO, records: str | None, limits: Limits, seen: _Seen) -> Iterator[Record]:
    """The records of all documents, one by one."""
    builder = _Builder()
    for event, value, item, complete in _walk(file, records, limits, seen):
        if item:
            builder.event(event, value)
            if complete:
                yield Record(item, builder.value, REPEATED if builder.repeated else "")
                builder = _Builder()


def _walk(file: BinaryIO, records: str | None, limits: Limits, seen: _Seen) -> Iterator[tuple[str, Any, int, bool]]:
    """(event, value, number of the record, whether it is complete) of all documents. The number is 0 outside of records: those are the
    items of the array at the dotted path `records`; without a path those of a document that is an array, and any other document as a
    whole. Raises FileRejected for what is nested absurdly deep, and for a document without such an array.

    By ijson's backend in Python: the one in C dies of a number of 4,301 digits.
    """
    from ijson.backends import python as parser

    wanted = [None, *(records.split(".") if records else [])]
    names: list[str | None] = []
    """Of the maps and arrays that we are in: the key that led there; None for the document and for items."""
    maps: list[bool] = []
    key: str | None = None
    inside = item = 0
    """How many maps and arrays deep records are complete, where we are among them; the number of the last record."""
    for event, value in parser.basic_parse(file, multiple_values=True):
        starts, ends = event in ("start_map", "start_array"), event in ("end_map", "end_array")
        if not names:
            seen.documents, seen.found, inside = seen.documents + 1, not records, 0
            if not records and event != "start_array":
                item += 1
                yield event, value, item, not starts
                if starts:
                    names.append(None)
                    maps.append(True)
                    inside = -1
                continue
        if inside > 0 and len(names) == inside:
            if ends:
                inside = 0
            else:
                item += 1
        within = inside != 0
        if starts:
            if not within and event == "start_map" and maps and not maps[-1]:
                path = ".".join(n for n in names if n is not None)
                called = f"list at {path!r}" if told_name(path) else f"list at {form(path)}"
                seen.elsewhere[called] = seen.elsewhere.get(called, 0) + 1
            names.append(key)
            maps.append(event == "start_map")
            if len(names) > limits.depth:
                raise FileRejected(f"the document is nested more than {limits.depth} deep: this is no list of records")
            if not inside and event == "start_array" and names == wanted:
                inside, seen.found = len(names), True
        if ends:
            names.pop()
            maps.pop()
        key = value if event == "map_key" else None
        yield event, value, item if within else 0, within and len(names) == max(inside, 0)
        if not names and not seen.found:
            raise FileRejected(
                f"there is no list of records at {records!r}"
                + (f" in document {seen.documents} of the file" if seen.documents > 1 else "")
            )


def _edited_document(file: BinaryIO, fmt: FileFormat, edits: Edits, limits: Limits) -> Iterator[str]:
    """The documents, piece by piece, with the records as `edits` say."""
    before: list[str] = []
    """Of the maps and arrays that we are in: what comes before the next thing in them."""
    after_key, between = False, ""
    builder = _Builder()
    for event, value, item, complete in _walk(file, fmt.records, limits, _Seen()):
        if item in edits.out:
            continue
        if item in edits.cells:
            builder.event(event, value)
            if complete:
                yield (before[-1] if before else between) + as_json(
                    edited_record(builder.value, fmt, edits, item, limits.digits)
                )
                if before:
                    before[-1] = ", "
                else:
                    between = "\n"
                builder = _Builder()
            continue
        text = _WORDS.get(event) or (str(value) if event == "number" else json.dumps(value, ensure_ascii=False))
        if event in ("end_map", "end_array"):
            before.pop()
        else:
            if before:
                text, before[-1] = ("" if after_key else before[-1]) + text, ", "
            else:
                text, between = between + text, "\n"
            if event in ("start_map", "start_array"):
                before.append("")
        after_key = event == "map_key"
        yield text + (": " if after_key else "")


_WORDS = {"start_map": "{", "end_map": "}", "start_array": "[", "end_array": "]", "null": "null"}
