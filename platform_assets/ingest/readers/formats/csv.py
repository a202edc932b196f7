"""CSV: delimited text, in the encoding and with the delimiter that the contract names."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Sequence
from pathlib import Path

from platform_assets.contracts.model import Contract, FileFormat
from platform_assets.ingest.readers.delimited import lines
from platform_assets.ingest.readers.header import header_names
from platform_assets.ingest.readers.interface import CannotWrite, Edits, Format
from platform_assets.ingest.readers.limits import Limits
from platform_assets.ingest.readers.scan import BOM, scan
from platform_assets.ingest.readers.staged import Header, RowWriter


class Csv(Format):
    """Delimited text: clean files are read by the engine, all others line by line."""

    kind = "csv"
    words = "CSV: text with a comma, or what `delimiter` says, between the cells"
    example = "A-1,POS"
    ending = "csv"
    delimited = True

    def stage(self, path: Path, contract: Contract, fmt: FileFormat, writer: RowWriter, limits: Limits) -> Header:
        """See `Format`. What the engine could not read: every line is accounted for."""
        return lines.stage(path, contract, fmt, writer)

    def written(self, fmt: FileFormat, headers: Sequence[str], rows: Sequence[Sequence[str | None]]) -> bytes:
        """See `Format`."""
        try:
            return _table([headers, *rows] if fmt.header else rows, fmt).encode(fmt.encoding)
        except UnicodeEncodeError:
            raise CannotWrite(
                f"a value holds a character that {fmt.encoding}, the encoding of the file, does not have"
            ) from None

    def edited(
        self, path: Path, contract: Contract, fmt: FileFormat, edits: Edits, target: Path, limits: Limits
    ) -> None:
        """See `Format`. Every other line stays byte for byte; cells of a row that is edited are quoted where they must be."""
        whole, fmt = scan(path), lines.as_spoken(path, fmt)
        head = lines.rows_as_written(path, fmt, 1)
        width = len(header_names(next(head)[1], fmt)) if fmt.header else len(contract.file_columns)
        with path.open("rb") as file:
            marked = file.read(3) == BOM
        encoding = "utf-8-sig" if marked and fmt.encoding == "utf-8" else fmt.encoding
        end = whole.line_end or ("\n" if whole.newlines else "\r")
        with target.open("w", encoding=encoding, errors="surrogateescape", newline="") as out:
            for row, text in lines.rows_as_written(path, fmt, width):
                if row not in edits.out:
                    out.write((_edited(text, fmt, width, edits, row) if row in edits.cells else text) + end)


def _edited(text: str, fmt: FileFormat, width: int, edits: Edits, row: int) -> str:
    line = edits.line(row, text)
    if line is not None:
        return line
    fields, reason = lines.split(text, fmt, width)
    return text if reason else _table([[edits.cell(row, cell) for cell in fields]], fmt).removesuffix("\n")


def _table(rows: Iterable[Sequence[str | None]], fmt: FileFormat) -> str:
    out = io.StringIO(newline="")
    csv.writer(out, delimiter=fmt.separator, quotechar=fmt.quote, lineterminator="\n").writerows(rows)
    return out.getvalue()
