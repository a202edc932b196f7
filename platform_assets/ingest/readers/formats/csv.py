"""CSV: delimited text, in the encoding and with the delimiter that the contract names."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Literal

from platform_assets.contracts.file_format import FileFormat
from platform_assets.contracts.model import Contract
from platform_assets.ingest.readers.apart.limits import Limits
from platform_assets.ingest.readers.delimited import lines
from platform_assets.ingest.readers.interface import CannotWrite, Edits, Format
from platform_assets.ingest.readers.rows import Header, RowWriter
from platform_assets.ingest.readers.scan import BOM, scan
from platform_assets.ingest.readers.shape.layout import Line, Table, around


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
        if fmt.wide:
            raise CannotWrite("single rows cannot be written as a table that has a column for each of them")
        lines_of = around(fmt, headers, rows)
        try:
            return _table(lines_of, fmt).encode(fmt.encoding)
        except UnicodeEncodeError:
            raise CannotWrite(
                f"a value holds a character that {fmt.encoding}, the encoding of the file, does not have"
            ) from None

    def edited(
        self, path: Path, contract: Contract, fmt: FileFormat, edits: Edits, target: Path, limits: Limits
    ) -> None:
        """See `Format`. Every other line stays byte for byte; cells of a row that is edited are quoted where they must be."""
        whole = scan(path)
        table = lines.table(path, contract, fmt)
        fmt = table.fmt
        with path.open("rb") as file:
            marked = file.read(3) == BOM
        encoding = "utf-8-sig" if marked and fmt.encoding == "utf-8" else fmt.encoding
        end = whole.line_end or ("\n" if whole.newlines else "\r")
        with target.open("w", encoding=encoding, errors="surrogateescape", newline="") as out:
            for line in table.above:
                out.write(line.text + end)
            for line in table.lines():
                text = line.text if line.left else _edited(line, table, edits)
                if text is not None:
                    out.write(text + end)


def _edited(line: Line, table: Table, edits: Edits) -> str | None:
    """A line as `edits` say; None where it goes."""
    numbers = table.numbers(line)
    if line.reason:
        if numbers[0] in edits.out:
            return None
        return line.text if (now := edits.line(numbers[0], line.text)) is None else now
    cells = table.edited(line, edits)
    if cells is None:
        return None
    return line.text if cells is line.cells else _table([cells], table.fmt).removesuffix("\n")


def _table(rows: Iterable[Sequence[str | None]], fmt: FileFormat) -> str:
    out = io.StringIO(newline="")
    # quoted throughout where a cell may look like a comment
    quoting: Literal[0, 1] = csv.QUOTE_ALL if fmt.comment else csv.QUOTE_MINIMAL
    doubled = {"doublequote": True} if fmt.escape is None else {"doublequote": False, "escapechar": fmt.escape}
    writer = csv.writer(
        out, delimiter=fmt.separator, quotechar=fmt.quote, lineterminator="\n", quoting=quoting, **doubled
    )
    writer.writerows(rows)
    return out.getvalue()
