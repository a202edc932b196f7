"""What a file format is: all that the platform must know to take files of it, each in one file in `formats`."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, ClassVar

from platform_assets.contracts.file_format import FileFormat
from platform_assets.contracts.file_kinds import KINDS
from platform_assets.contracts.model import Contract
from platform_assets.ingest.readers.apart.limits import Limits
from platform_assets.ingest.readers.rows import MAX_BROKEN_TEXT, Header, RowWriter, kept

TextRow = Mapping[str, str | None]
"""Column -> text."""


class CannotWrite(ValueError):
    """Rows cannot be written in this format; the message says why and what to do."""


@dataclass(frozen=True)
class Edits:
    """What becomes of the rows of a file. Rows are numbered, and cells are texts, as `Format.stage` gives them."""

    out: Collection[int] = frozenset()
    """These rows go."""
    cells: Mapping[int, Mapping[str, str]] = field(default_factory=dict)
    """Row -> text of a cell, or of a line that is no row -> what it becomes."""

    def __bool__(self) -> bool:
        return bool(self.out or self.cells)

    def cell(self, row: int, text: str) -> str:
        """What the text of a cell becomes."""
        now = self.cells.get(row, {})
        return now.get(text, now.get(text.strip(), text))

    def line(self, row: int, text: str) -> str | None:
        """What a line that is no row becomes; None where nothing is said of it.

        Bytes that are no text are written there as they are shown to stewards.
        """
        shown = kept(text)
        now = self.cells.get(row, {}).get(shown[:MAX_BROKEN_TEXT])
        return None if now is None else now + shown[MAX_BROKEN_TEXT:]


class Format(ABC):
    """One kind of file. `stage` and `edited` run in a process of their own (see `process`): they may read what they are given,
    trust nothing in it, and raise FileRejected with a sentence for people."""

    kind: ClassVar[str]
    """As contracts name it; `contracts.file_kinds` has its usual endings and its options."""
    words: ClassVar[str]
    """What it is, for people."""
    example: ClassVar[str]
    """A row of columns ``sample_id`` and ``result``, as people see it."""
    ending: ClassVar[str]
    """Of a file that the platform writes."""
    delimited: ClassVar[bool] = False
    """Whether it is delimited text: the engine reads clean files of it (see `delimited.engine`), and every cell holds a text."""
    magic: ClassVar[bytes] = b""
    """First bytes of a file whose content is packed; empty where a search of its bytes finds every text in it."""
    bytes_mislead: ClassVar[bool] = False
    """Whether the bytes of a packed file may show texts that do not stand in it: then only what is `unpacked` is searched."""
    lost: ClassVar[str] = ""
    """What a file loses when it is edited, for the note beside it."""

    @abstractmethod
    def stage(self, path: Path, contract: Contract, fmt: FileFormat, writer: RowWriter, limits: Limits) -> Header:
        """Write the rows of the file at `path` as text. Raises FileRejected where nothing in it can be judged."""

    @abstractmethod
    def written(self, fmt: FileFormat, headers: Sequence[str], rows: Sequence[Sequence[str | None]]) -> bytes:
        """A file of `rows`. Raises CannotWrite where it has no way to say one of the texts."""

    @abstractmethod
    def edited(
        self, path: Path, contract: Contract, fmt: FileFormat, edits: Edits, target: Path, limits: Limits
    ) -> None:
        """Write to `target` the file at `path` as `edits` say. Raises FileRejected."""

    def unpacked(self, file: IO[bytes]) -> Iterator[bytes]:
        """What a search for texts must look at beside the bytes of the file themselves; nothing where `magic` is empty.

        Pieces are independent: no text is cut by the end of one. Raises ValueError where it cannot be unpacked.
        """
        return iter(())


def first_row(fmt: FileFormat) -> int:
    """The number of the first row of a file that has been `rendered`: a header is row 1, as in a spreadsheet."""
    header = fmt.header_rows + fmt.skip_after_header if fmt.header and "header" in KINDS[fmt.kind].options else 0
    return fmt.skip_rows + header + 1


def rendered(form: Format, contract: Contract, fmt: FileFormat, rows: Sequence[TextRow]) -> bytes:
    """Rows of `contract` (column -> text) as a file that it accepts. Raises CannotWrite."""
    headers = [(spec.header or (name,))[0] for name, spec in contract.file_columns.items()]
    nothing = {name: _nothing(contract, name) for name in contract.file_columns} if form.delimited else {}
    texts = [[nothing.get(c) if (v := row.get(c)) is None else v for c in contract.file_columns] for row in rows]
    return form.written(fmt, headers, texts)


def _nothing(contract: Contract, column: str) -> str:
    """How a missing value is written where every cell has a text."""
    own = contract.columns[column].null_tokens
    tokens = contract.null_tokens if own is None else own
    return "" if "" in tokens or not tokens else tokens[0]
