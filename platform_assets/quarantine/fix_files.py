"""Fixed rows as a file that takes the same door as any other: in a format, and under a name, that the contract accepts."""

from __future__ import annotations

import csv
import datetime as dt
import fnmatch
import io
import json
from collections.abc import Sequence
from pathlib import PurePosixPath

from platform_assets.contracts.model import Contract, FileFormat
from platform_assets.ingest.deliveries import format_of, place_in_time
from platform_assets.ingest.judging import TextRow
from platform_assets.ingest.staged import FileRejected

SUFFIX = {"csv": "csv", "tsv": "tsv", "json": "jsonl", "json5": "json5", "parquet": "parquet"}


class CannotResubmit(ValueError):
    """No file can be written that the contract would take; the message says why and what to do."""


def name_and_format(contract: Contract, original: str, tag: str) -> tuple[str, FileFormat]:
    """A file name for fixed rows of the file `original`, unique by `tag`, and the format to write it in.

    The name keeps what the contract reads from it (a date, a pattern). Raises CannotResubmit where no name does.
    """
    stem = PurePosixPath(PurePosixPath(original).name)
    while stem.suffix.lower() in (
        ".gz",
        ".zip",
        *(f".{s}" for s in (*SUFFIX.values(), "json", "txt", "ndjson", "xlsx")),
    ):
        stem = stem.with_suffix("")
    writable = sorted((f for f in contract.format if f.kind in SUFFIX and not f.records), key=lambda f: f.kind != "csv")
    for fmt in writable:
        suffixes = dict.fromkeys([SUFFIX[fmt.kind], *(p.rsplit(".", 1)[-1] for p in fmt.patterns)])
        for suffix in (s for s in suffixes if s.isalnum() and s not in ("gz", "zip")):
            for name in (f"{stem}-fix-{tag}.{suffix}", f"fix-{tag}-{stem}.{suffix}", f"fix-{tag}.{suffix}"):
                try:
                    place_in_time(contract, name, dt.datetime.min)
                    fits = format_of(name, contract.format) == fmt
                except FileRejected:
                    continue
                if fits and any(fnmatch.fnmatch(name, p) for p in contract.source.files):
                    return name, fmt
    raise CannotResubmit(
        f"{contract.name}: no file name or format that the contract accepts can be written for fixed rows. "
        "Let it take CSV too (format: kind csv), under a name such as *-fix-*.csv"
    )


def render(contract: Contract, fmt: FileFormat, rows: Sequence[TextRow]) -> bytes:
    """`rows` as a file of the format `fmt`. Raises CannotResubmit where its encoding has no such character."""
    columns = list(contract.file_columns)
    headers = [(spec.header or (name,))[0] for name, spec in contract.file_columns.items()]
    if fmt.kind == "parquet":
        import pyarrow as pa
        import pyarrow.parquet as pq

        buffer = io.BytesIO()
        pq.write_table(
            pa.table(
                {h: pa.array([r.get(c) for r in rows], pa.string()) for c, h in zip(columns, headers, strict=True)}
            ),
            buffer,
        )
        return buffer.getvalue()
    if fmt.kind in ("json", "json5"):
        records = [{h: r.get(c) for c, h in zip(columns, headers, strict=True)} for r in rows]
        if fmt.kind == "json5":
            return json.dumps(records).encode(fmt.encoding)
        return "".join(json.dumps(r) + "\n" for r in records).encode()
    out = io.StringIO(newline="")
    writer = csv.writer(out, delimiter=fmt.separator, quotechar=fmt.quote, lineterminator="\n")
    if fmt.header:
        writer.writerow(headers)
    nothing = {c: _nothing(contract, c) for c in columns}
    for row in rows:
        writer.writerow([nothing[c] if (value := row.get(c)) is None else value for c in columns])
    try:
        return out.getvalue().encode(fmt.encoding)
    except UnicodeEncodeError:
        raise CannotResubmit(
            f"a fixed value holds a character that {fmt.encoding}, the encoding of {contract.name}, does not have"
        ) from None


def _nothing(contract: Contract, column: str) -> str:
    """How a missing value is written."""
    own = contract.columns[column].null_tokens
    tokens = contract.null_tokens if own is None else own
    return "" if "" in tokens or not tokens else tokens[0]
