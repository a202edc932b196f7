"""Files that are not read by the engine: their rows as text, and files with some of their rows edited. Each file in a process of its own."""

from __future__ import annotations

import sys
from pathlib import Path

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from platform_assets.contracts.file_format import FileFormat
from platform_assets.contracts.model import Contract
from platform_assets.ingest.readers.apart.limits import Limits
from platform_assets.ingest.readers.apart.process import ODD, Child
from platform_assets.ingest.readers.interface import Edits
from platform_assets.ingest.readers.registry import format_named, modules
from platform_assets.ingest.readers.rows import BROKEN, ROWS, FileRejected, Header, RowWriter, StagedFile

WARM = ("pyarrow.parquet", "pyarrow.compute", "ijson.backends.python", *modules())
"""What takes longest to import: before the first file, not for each."""
LEFT = "left"
"""What an edited file is called."""


class _Told(BaseModel):
    """What the process says about the file: held against this, as a file may have taken it over."""

    model_config = ConfigDict(strict=True, extra="forbid")
    rows: int = Field(ge=0)
    broken: int = Field(ge=0)
    positions: dict[str, int]
    width: int = Field(ge=0)
    drift: dict[str, list[str]]
    not_taken: dict[str, int]


def stage(
    child: Child, path: Path, number: int, contract: Contract, fmt: FileFormat, folder: Path
) -> tuple[StagedFile, Header]:
    """Stage the file at `path` as number `number` of its batch. Raises FileRejected where nothing in it can be judged."""
    answer, target = child.run(
        _stage,
        files=[path],
        folder=folder,
        warm=WARM,
        path=path.resolve(),
        number=number,
        contract=_whole(contract),
        fmt=fmt,
    )
    try:
        told = _Told.model_validate(answer)
    except ValidationError:
        raise FileRejected(ODD) from None
    if not set(told.positions) <= set(contract.file_columns) or not (target / ROWS).exists():
        raise FileRejected(ODD)
    part = StagedFile(
        sql=f"SELECT * FROM read_parquet('{target / ROWS}')",
        rows={number: told.rows},
        broken=target / BROKEN if told.broken else None,
        broken_rows={number: told.broken} if told.broken else {},
    )
    return part, Header(told.positions, told.width, told.drift, told.not_taken)


def edited(child: Child, path: Path, contract: Contract, fmt: FileFormat, edits: Edits, folder: Path) -> Path:
    """The file at `path` as `edits` say, beside it. Raises FileRejected where that cannot be made."""
    _, target = child.run(
        _edited,
        files=[path],
        folder=folder,
        warm=WARM,
        path=path.resolve(),
        contract=_whole(contract),
        fmt=fmt,
        edits=edits,
    )
    if not (target / LEFT).exists():
        raise FileRejected(ODD)
    return target / LEFT


def _whole(contract: Contract) -> Contract:
    """`contract` with what it leaves to this installation: the process of a file has no settings."""
    return contract.model_copy(update={"timezone": contract.zone})


# ------------------------------------------------------------------ in the process


def _stage(
    *, path: Path, number: int, contract: Contract, fmt: FileFormat, target: Path, limits: Limits
) -> dict[str, object]:
    sys.set_int_max_str_digits(max(limits.digits, sys.int_info.str_digits_check_threshold))
    form = format_named(fmt.kind)
    # a line of text cannot be smaller than its bytes; rows of other kinds can be had for nothing
    most = None if form.delimited else limits.rows
    columns = list(contract.file_columns)
    writer = RowWriter(target, number, columns, max_rows=most, max_bytes=limits.unpacked_mb << 20)
    header = form.stage(path, contract, fmt, writer, limits)
    writer.close()
    return {
        "rows": writer.rows,
        "broken": writer.broken,
        "positions": header.positions,
        "width": header.width,
        "drift": header.drift,
        "not_taken": header.not_taken,
    }


def _edited(*, path: Path, contract: Contract, fmt: FileFormat, edits: Edits, target: Path, limits: Limits) -> None:
    sys.set_int_max_str_digits(max(limits.digits, sys.int_info.str_digits_check_threshold))
    format_named(fmt.kind).edited(path, contract, fmt, edits, target / LEFT, limits)
