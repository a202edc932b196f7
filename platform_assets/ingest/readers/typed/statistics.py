"""Files of statistics programs (SAS, SPSS, Stata), read by ReadStat (`pyreadstat`): codes as they are stored, dates as dates.

Labels of values are not taken: what is stored is what counts, and a contract may `replace` it. Values that SPSS, SAS and Stata call missing are no
value. Rows are numbered from the first on. A file is read whole, which its size bounds. Where rows of it are edited it is written anew, all
columns as texts.
"""

from __future__ import annotations

import tempfile
from collections.abc import Iterator, Mapping, Sequence
from itertools import count
from pathlib import Path
from typing import IO, Any, ClassVar

from platform_assets.contracts.file_format import FileFormat
from platform_assets.contracts.model import Contract
from platform_assets.ingest.readers.apart.child import allow_pandas
from platform_assets.ingest.readers.apart.limits import Limits
from platform_assets.ingest.readers.interface import CannotWrite, Edits, Format
from platform_assets.ingest.readers.rows import BATCH, NO_VALUES, FileRejected, Header, RowWriter
from platform_assets.ingest.readers.shape.columns import find_columns
from platform_assets.ingest.readers.typed.records import shown
from platform_assets.ingest.readers.typed.values import NUL, Texts, Unsure, says_something

_XPORT = b"HEADER RECORD"
Columns = Mapping[str, Sequence[Any]]


class Statistics(Format):
    """What the kinds have in common. A kind says how its files begin, and by what they are read and written."""

    program: ClassVar[str]
    reads: ClassVar[str]
    """Function of pyreadstat."""
    writes: ClassVar[str]
    longest: ClassVar[int]
    """Bytes of a text that can be written."""
    lost = "all columns are texts now; labels and types of the file are gone"

    def stage(self, path: Path, contract: Contract, fmt: FileFormat, writer: RowWriter, limits: Limits) -> Header:
        """See `Format`. A row of which a value cannot be told (`values.Unsure`) is a broken row."""
        columns = self._columns(path, limits)
        names = list(columns)
        header = find_columns(names, contract, fmt).header
        taken = {c: columns[names[place]] for c, place in header.positions.items()}
        texts = {c: Texts(contract.columns[c], limits.digits, contract.zone) for c in taken}
        numbers: list[int] = []
        rows: list[list[str | None]] = []
        empty = 0
        for number, values in zip(count(1), zip(*columns.values(), strict=True), strict=False):
            if not any(v is not None and v == v and says_something(v) for v in values):
                empty += 1
                continue
            try:
                told = {c: texts[c].of(column[number - 1]) for c, column in taken.items()}
                if any(text is not None and "\0" in text for text in told.values()):
                    raise Unsure(NUL)
            except Unsure as unsure:
                writer.write_broken(number, shown([str(v) for v in values]), str(unsure))
                continue
            numbers.append(number)
            rows.append([told.get(c) for c in contract.file_columns])
            if len(rows) >= BATCH:
                writer.write(numbers, list(zip(*rows, strict=True)))
                numbers, rows = [], []
        if rows:
            writer.write(numbers, list(zip(*rows, strict=True)))
        if empty:
            header.not_taken[NO_VALUES] = empty
        return header

    def written(self, fmt: FileFormat, headers: Sequence[str], rows: Sequence[Sequence[str | None]]) -> bytes:
        """See `Format`. All columns as text."""
        columns = {name: [row[place] or "" for row in rows] for place, name in enumerate(headers)}
        with tempfile.TemporaryDirectory() as folder:
            target = Path(folder) / "it"
            self._write(columns, target)
            return target.read_bytes()

    def edited(
        self, path: Path, contract: Contract, fmt: FileFormat, edits: Edits, target: Path, limits: Limits
    ) -> None:
        """See `Format`. Written anew; see `lost`."""
        read = self._columns(path, limits)
        texts = {name: Texts(digits=limits.digits) for name in read}
        try:  # as they are read: a date in the way that the contract writes it
            for column, place in find_columns(list(read), contract, fmt).header.positions.items():
                texts[list(read)[place]] = Texts(contract.columns[column], limits.digits, contract.zone)
        except FileRejected:
            pass  # of a file that was refused as a whole nothing was read as text
        stays = [n for n in range(1, 1 + len(next(iter(read.values()), []))) if n not in edits.out]
        columns = {
            name: [edits.cell(n, _plain(column[n - 1], texts[name])) for n in stays] for name, column in read.items()
        }
        self._write(columns, target)

    def unpacked(self, file: IO[bytes]) -> Iterator[bytes]:
        """See `Format`. Numbers are packed in all of these files, texts in some."""
        with tempfile.NamedTemporaryFile() as copy:
            while piece := file.read(1 << 20):
                copy.write(piece)
            copy.flush()
            try:
                columns = self._columns(Path(copy.name), Limits())
            except FileRejected as error:
                raise ValueError(str(error)) from None
        any_text = Texts()
        for name, column in columns.items():
            yield name.encode()
            for value in column:
                yield _plain(value, any_text).encode("utf-8", "surrogateescape")

    def _columns(self, path: Path, limits: Limits) -> Columns:
        """Name -> values. Raises FileRejected."""
        if path.stat().st_size > limits.whole_mb << 20:
            raise FileRejected(
                f"a file of {self.program} may be {limits.whole_mb} MB at most, as it is read whole: deliver CSV"
            )
        allow_pandas()
        import pyreadstat

        with path.open("rb") as file:
            read = pyreadstat.read_xport if file.read(len(_XPORT)) == _XPORT else getattr(pyreadstat, self.reads)
        try:
            columns, _ = read(str(path), output_format="dict")
        except (pyreadstat.ReadstatError, pyreadstat.PyreadstatError, OverflowError, UnicodeError) as error:
            raise FileRejected(
                f"the file is not one of {self.program} that can be read ({type(error).__name__}): was it cut off? Save it anew, or deliver CSV"
            ) from None
        if not columns:
            raise FileRejected("the file has no columns")
        found: Columns = {name: list(values) for name, values in columns.items()}
        return found

    def _write(self, columns: Mapping[str, Sequence[str]], target: Path) -> None:
        allow_pandas()
        import pandas as pd
        import pyreadstat

        texts = [text for column in columns.values() for text in column]
        if max((len(text.encode()) for text in texts), default=0) > self.longest:
            raise CannotWrite(
                f"a file of {self.program} holds texts of {self.longest:,} bytes at most: let the dataset take CSV too"
            )
        if any(text != text.rstrip() for text in texts):
            raise CannotWrite(
                f"a file of {self.program} keeps no blanks at the end of a text: let the dataset take CSV too"
            )
        table = pd.DataFrame({name: pd.Series(list(column), dtype=object) for name, column in columns.items()})
        try:
            getattr(pyreadstat, self.writes)(table, str(target))
        except (pyreadstat.ReadstatError, pyreadstat.PyreadstatError) as error:
            raise CannotWrite(
                f"{self.program} has no way to write this ({type(error).__name__}): let the dataset take CSV too"
            ) from None


def _plain(value: Any, texts: Texts) -> str:
    try:
        return texts.of(value) or ""
    except Unsure:
        return str(value)
