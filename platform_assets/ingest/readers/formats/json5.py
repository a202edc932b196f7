"""json5: JSON as people write it by hand, with comments and trailing commas. Read as a whole."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from platform_assets.contracts.file_format import FileFormat
from platform_assets.contracts.model import Contract
from platform_assets.ingest.readers.apart.limits import Limits
from platform_assets.ingest.readers.delimited.encodings import spoken, told
from platform_assets.ingest.readers.interface import CannotWrite, Edits, Format
from platform_assets.ingest.readers.rows import FileRejected, Header, RowWriter
from platform_assets.ingest.readers.typed.records import Record, edited_document, nested, stage_records
from platform_assets.ingest.readers.typed.spread import Spread


class Json5(Format):
    """A json5 document with a list of records."""

    kind = "json5"
    words = "json5: JSON with comments and trailing commas, one document with a list of records"
    example = "[{sample_id: 'A-1', result: 'POS'},]"
    ending = "json5"

    def stage(self, path: Path, contract: Contract, fmt: FileFormat, writer: RowWriter, limits: Limits) -> Header:
        """See `Format`."""
        header = stage_records(_records(_document(path, fmt, limits), fmt), contract, fmt, writer, limits)
        return replace(header, drift={**header.drift, **told(spoken(path, fmt.encoding), fmt.encoding)})

    def written(self, fmt: FileFormat, headers: Sequence[str], rows: Sequence[Sequence[str | None]]) -> bytes:
        """See `Format`."""
        if fmt.wide:
            raise CannotWrite("single rows cannot be written as records that have a name for each of them")
        document = nested([dict(zip(headers, row, strict=True)) for row in rows], fmt.records)
        return json.dumps(document).encode(fmt.encoding)

    def edited(
        self, path: Path, contract: Contract, fmt: FileFormat, edits: Edits, target: Path, limits: Limits
    ) -> None:
        """See `Format`. Written anew, without comments."""
        encoding = spoken(path, fmt.encoding)
        everything = encoding.startswith("utf")  # other encodings lack characters, which are written as escapes
        document = _document(path, fmt, limits)
        edits = Spread(fmt).of_records(_records(document, fmt), edits)
        text = edited_document(document, fmt, edits, limits.digits, ascii_only=not everything)
        target.write_bytes(text.encode(encoding))


def _document(path: Path, fmt: FileFormat, limits: Limits) -> Any:
    if path.stat().st_size > limits.whole_mb << 20:
        raise FileRejected(f"a json5 file may be {limits.whole_mb} MB at most, as it is read whole: deliver JSON lines")
    import pyjson5

    try:
        text = path.read_bytes().decode(spoken(path, fmt.encoding)).removeprefix("\ufeff")
        document = pyjson5.decode(text, maxdepth=limits.depth)
    except pyjson5.Json5NestingTooDeep:
        raise FileRejected(
            f"the document is nested more than {limits.depth} deep: this is no list of records"
        ) from None
    except (UnicodeDecodeError, pyjson5.Json5Exception, ValueError) as error:
        place = getattr(error, "start", None)
        raise FileRejected(
            f"the file is not valid json5, or a number in it has more than {limits.digits:,} digits "
            f"({type(error).__name__}{f' at byte {place}' if place else ''}): nothing of it was taken"
        ) from None

    if _NO_PAIR.sub("", text).count(":") != _pairs(document):
        raise FileRejected("an object in the file has the same name twice, and nobody can tell which value is meant")
    return document


_NO_PAIR = re.compile(r""""(?:\\.|[^"\\])*"|'(?:\\.|[^'\\])*'|//[^\n\r\u2028\u2029]*|/\*.*?\*/""", re.DOTALL)
"""What may hold a colon that is not between a name and its value."""


def _pairs(value: Any) -> int:
    """Names in all objects of `value`: of a name that stands twice, its reader keeps one."""
    if isinstance(value, dict):
        return len(value) + sum(map(_pairs, value.values()))
    return sum(map(_pairs, value)) if isinstance(value, list) else 0


def _records(document: Any, fmt: FileFormat) -> Iterator[Record]:
    for part in fmt.records.split(".") if fmt.records else []:
        document = document.get(part) if isinstance(document, Mapping) else None
    if not isinstance(document, list):
        raise FileRejected("there is no list of records" + (f" at {fmt.records!r}" if fmt.records else " in the file"))
    for number, record in enumerate(document, start=1):
        yield Record(number, record)
