"""Where the contract's columns stand in a file: by the names in its header, by a pattern of a name, by the name of the file.

`header.match_header` finds columns by their names. Here is what a contract can say beside that (`from_matching`, `from_file_name`,
`wide`), so that it means the same in every kind of file.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import PurePosixPath

from platform_assets.contracts.columns import Column
from platform_assets.contracts.file_format import FileFormat
from platform_assets.contracts.model import Contract
from platform_assets.ingest.readers.rows import FileRejected, Header
from platform_assets.ingest.readers.shape.header import match_header
from resources.text.spelling import bare, folded

TURNED = "\0turned"
"""In the place of names of columns that become rows: no column of a file is called so."""


@dataclass(frozen=True)
class Found:
    """The columns of a file."""

    header: Header
    wide: tuple[tuple[int, str], ...] = ()
    """(place, name) of the columns that become rows; see `FileFormat.wide`."""


def find_columns(names: Sequence[str], contract: Contract, fmt: FileFormat) -> Found:
    """Find the columns of `contract` among `names`. Raises FileRejected where the file has none of those that need a value."""
    spread = [(i, kept) for i, n in enumerate(names) if fmt.wide and (kept := fmt.wide.name_of(bare(n))) is not None]
    if fmt.wide and not spread:
        raise FileRejected(
            f"no column has a name like {fmt.wide.columns}, which the contract turns into rows (`wide`); the header has "
            f"{len(names)} column(s): is this the right file, and the right header row?"
        )
    elsewhere = {fmt.wide.name, fmt.wide.value} if fmt.wide else set()
    elsewhere |= {n for n in contract.named if not _among(n, contract.columns[n], names)}
    elsewhere |= set(contract.parsed)
    wanted = {n: c for n, c in contract.columns.items() if n not in elsewhere}
    if all(c.constant is not None for c in wanted.values()):
        return Found(Header({}, len(names)), tuple(spread))
    called = list(names)
    for name, column in wanted.items():
        for place in _matching(name, column, called):
            called[place] = name
    for place, _ in spread:
        called[place] = TURNED
    known = contract.model_copy(update={"columns": wanted, "ignore": (*contract.ignore, TURNED, *contract.parsed)})
    return Found(match_header(called, known, fmt), tuple(spread))


def _matching(name: str, column: Column, names: Sequence[str]) -> list[int]:
    """Where the column stands by its pattern. Raises FileRejected where several columns match it."""
    if column.from_matching is None or name in names:
        return []
    found = [place for place, each in enumerate(names) if re.search(column.from_matching, bare(each))]
    if len(found) > 1:
        raise FileRejected(
            f"{len(found)} columns have a name like {column.from_matching}, by which the contract finds {name!r}: which one is meant?"
        )
    return found


def _among(name: str, column: Column, names: Sequence[str]) -> bool:
    accepted = {folded(n) for n in (column.header or (name,))}
    return any(folded(n) in accepted for n in names)


def told_by_name(file: str, contract: Contract, fmt: FileFormat, header: Header) -> dict[str, str | None]:
    """Column -> what the name `file` (of an archive and what is in it: ``a.zip/b.csv``) tells of it, for columns that it does not bring.

    The name of what is in an archive is asked first. Raises FileRejected where a column needs a value and no name tells it.
    """
    parts = [PurePosixPath(file).name, *(p for p in reversed(file.split("/")[:-1]))]
    told: dict[str, str | None] = {}
    brought = {*header.positions, *((fmt.wide.name, fmt.wide.value) if fmt.wide else ())}
    for name, column in contract.named.items():
        if name in brought or column.from_file_name is None:
            continue
        found = next((m[1] for part in parts if (m := re.search(column.from_file_name, bare(part)))), None)
        if found is None and not column.nullable:
            raise FileRejected(
                f"the name of the file does not tell {name!r}, which the contract finds there by {column.from_file_name}: rename the file"
            )
        told[name] = found
    return told
