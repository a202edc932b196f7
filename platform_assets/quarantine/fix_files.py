"""Fixed rows as a file that takes the same door as any other: in a format, and under a name, that the contract accepts."""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence
from pathlib import PurePosixPath

from platform_assets.contracts.file_format import FileFormat
from platform_assets.contracts.file_kinds import KINDS
from platform_assets.contracts.model import Contract
from platform_assets.ingest.deliveries import format_of, name_fits, place_in_time
from platform_assets.ingest.readers.interface import CannotWrite, TextRow, rendered
from platform_assets.ingest.readers.packing import ENDINGS
from platform_assets.ingest.readers.registry import format_named
from platform_assets.ingest.readers.rows import FileRejected


class CannotResubmit(ValueError):
    """No file can be written that the contract would take; the message says why and what to do."""


def name_and_format(contract: Contract, original: str, tag: str) -> tuple[str, FileFormat]:
    """A file name for fixed rows of the file `original`, unique by `tag`, and the format to write it in.

    The name keeps what the contract reads from it (a date, a pattern). Raises CannotResubmit where no name does.
    """
    known = {*ENDINGS, *(f".{ending}" for kind in KINDS.values() for ending in kind.endings)}
    stem = PurePosixPath(PurePosixPath(original).name)
    while stem.suffix.lower() in known:
        stem = stem.with_suffix("")
    for fmt in sorted((f for f in contract.format if not f.wide), key=lambda f: f.kind != "csv"):
        suffixes = dict.fromkeys([format_named(fmt.kind).ending, *(p.rsplit(".", 1)[-1] for p in fmt.patterns)])
        for suffix in (s for s in suffixes if s.isalnum() and f".{s}" not in ENDINGS):
            for name in (f"{stem}-fix-{tag}.{suffix}", f"fix-{tag}-{stem}.{suffix}", f"fix-{tag}.{suffix}"):
                try:
                    place_in_time(contract, name, dt.datetime.min)
                    fits = format_of(name, contract.format) == fmt
                except FileRejected:
                    continue
                if fits and name_fits(name, contract.source.files):
                    return name, fmt
    raise CannotResubmit(
        f"{contract.name}: no file name or format that the contract accepts can be written for fixed rows. "
        "Let it take CSV too (format: kind csv), under a name such as *-fix-*.csv"
    )


def render(contract: Contract, fmt: FileFormat, rows: Sequence[TextRow], absent: Sequence[str] = ()) -> bytes:
    """`rows` as a file of the format `fmt`. Raises CannotResubmit where it has no way to say one of the values.

    `absent` are names in the header that the mended file did not have: nor has this one, unless somebody has given a value.
    """
    spared = {
        c
        for c, spec in contract.file_columns.items()
        if (spec.header or (c,))[0] in absent and all(row.get(c) is None for row in rows)
    }
    if spared and fmt.header:
        columns = {c: spec for c, spec in contract.columns.items() if c not in spared}
        contract = contract.model_copy(update={"columns": columns})
    try:
        return rendered(format_named(fmt.kind), contract, fmt, rows)
    except CannotWrite as error:
        raise CannotResubmit(f"{contract.name}: {error}") from None
