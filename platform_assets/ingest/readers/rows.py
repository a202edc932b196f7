"""Staged rows: Parquet with every column as text, before anything is judged. The seam between readers and the engine.

A reader writes (`RowWriter`) the rows that could be split into columns, and apart the lines that could not. Together they are all rows of
the file: nothing is dropped here.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import pyarrow

BATCH = 20_000
MAX_BROKEN_TEXT = 1 << 20


NOT_TAKEN = "not taken"
"""The kind of drift that names parts of a delivery which nobody read and no contract foresaw."""


NO_VALUES = "rows without any value"
"""What rows are called in `Header.not_taken` of which every cell is empty."""


class FileRejected(ValueError):
    """Nothing in the file can be judged: the whole file is refused, with a reason that says what to do."""


@dataclass(frozen=True)
class Header:
    """Which position of the file holds which column of the contract, and how the file differs from it."""

    positions: dict[str, int]
    """Contract column -> index in the file's rows."""
    width: int
    """Fields per row."""
    drift: dict[str, list[str]] = field(default_factory=dict)
    """missing / extra / renamed / reordered -> column names; not taken -> parts of the file that the contract does not foresee."""
    not_taken: dict[str, int] = field(default_factory=dict)
    """What the file holds and was not read, by name -> rows in it (0: none, or nobody can tell)."""


@dataclass(frozen=True)
class StagedFile:
    """One file's rows, or several files' in one Parquet, as SQL over which the contract's expression runs."""

    sql: str
    """SELECT of the contract's file columns as VARCHAR, `_file` BIGINT, `_row` BIGINT."""
    rows: dict[int, int]
    """Number of the file -> rows."""
    broken: Path | None = None
    """Parquet of the lines that are no rows: `_file`, `_row`, `_text`, `_reason`."""
    broken_rows: dict[int, int] = field(default_factory=dict)


def kept(text: str) -> str:
    """A line that is no row as it is kept: bytes that are no text are shown as \\xff, so that people can read it."""
    return text.encode("utf-8", "surrogateescape").decode("utf-8", "backslashreplace")


ROWS, BROKEN = "rows.parquet", "broken.parquet"
"""Names of what a RowWriter writes."""


class RowWriter:
    """Writes text rows and broken lines of one file to Parquet, in batches: memory stays bounded.

    Raises FileRejected as soon as there are more than `max_rows`, or more than `max_bytes` of text.
    """

    def __init__(
        self,
        folder: Path,
        number: int,
        columns: Sequence[str],
        *,
        max_rows: int | None = None,
        max_bytes: int = 1 << 62,
    ) -> None:
        self.number = number
        self.columns = list(columns)
        self.rows = 0
        self.broken = 0
        self._bytes = 0
        self._max_rows, self._max_bytes = max_rows, max_bytes
        self._path = folder / ROWS
        self._broken_path = folder / BROKEN
        self._writers: dict[Path, Any] = {}
        self._broken_batch: list[tuple[int, str, str]] = []
        self._numbers: list[int] = []
        self._batch: list[Sequence[str | None]] = []

    def write(self, row_numbers: Sequence[int], values: Iterable[Sequence[str | None]]) -> None:
        """Add rows; `values` holds one sequence per column, in the order of the columns. An empty text is no value, in files of any kind:
        in most of them nobody can tell the two apart."""
        import pyarrow as pa
        import pyarrow.compute as pc

        arrays = [pa.array(column, pa.string()) for column in values]
        arrays = [pc.if_else(pc.equal(column, ""), pa.scalar(None, pa.string()), column) for column in arrays]
        file = pa.array([self.number] * len(row_numbers), pa.int64())
        arrays += [file, pa.array(row_numbers, pa.int64())]
        table = pa.table(arrays, names=[*self.columns, "_file", "_row"])
        self.rows += table.num_rows
        self._write(self._path, table)
        self._check()

    def add(self, number: int, row: Sequence[str | None]) -> None:
        """Add one row, as `write`; it is written with others, at the latest by `flush`."""
        self._numbers.append(number)
        self._batch.append(row)
        if len(self._batch) >= BATCH:
            self.flush()

    def flush(self) -> None:
        """Write the rows that were added one by one."""
        if self._batch:
            numbers, rows = self._numbers, self._batch
            self._numbers, self._batch = [], []
            self.write(numbers, list(zip(*rows, strict=True)))

    def write_broken(self, row: int, text: str, reason: str) -> None:
        """Add a line that is no row, with the reason."""
        text = kept(text)
        if len(text) > MAX_BROKEN_TEXT:
            text = text[:MAX_BROKEN_TEXT]
            reason += f" (only the first {MAX_BROKEN_TEXT} characters are kept here; the archived file has all)"
        self._broken_batch.append((row, text, reason))
        self.broken += 1
        self._check()
        if len(self._broken_batch) >= BATCH or len(text) > 10_000:
            self._flush_broken()

    def close(self) -> None:
        """Finish the files: rows always, broken lines where there are any."""
        import pyarrow as pa

        self.flush()
        self._flush_broken()
        if self._path not in self._writers:
            empty = pa.schema([*((c, pa.string()) for c in self.columns), ("_file", pa.int64()), ("_row", pa.int64())])
            self._write(self._path, empty.empty_table())
        for writer in self._writers.values():
            writer.close()

    def _check(self) -> None:
        if self._max_rows is not None and self.rows + self.broken > self._max_rows:
            raise FileRejected(f"it has more than {self._max_rows:,} rows: deliver it in parts")
        if self._bytes > self._max_bytes:
            raise FileRejected(f"its rows are more than {self._max_bytes >> 20:,} MB of text: deliver it in parts")

    def _flush_broken(self) -> None:
        import pyarrow as pa

        if self._broken_batch:
            rows, texts, reasons = zip(*self._broken_batch, strict=True)
            arrays = [
                pa.array([self.number] * len(rows), pa.int64()),
                pa.array(rows, pa.int64()),
                pa.array(texts, pa.string()),
                pa.array(reasons, pa.string()),
            ]
            self._write(self._broken_path, pa.table(arrays, names=["_file", "_row", "_text", "_reason"]))
            self._broken_batch = []

    def _write(self, path: Path, table: pyarrow.Table) -> None:
        import pyarrow.parquet as pq

        if path not in self._writers:
            self._writers[path] = pq.ParquetWriter(path, table.schema, compression="zstd")
        self._bytes += table.nbytes
        self._writers[path].write_table(table)
