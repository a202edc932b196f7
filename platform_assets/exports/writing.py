"""The file that a partner gets: written streamed, refused where it would be read otherwise, read back and counted.

Most files are one COPY of the rows (`straight`), read back by `check`. DuckDB writes `quote: never` without a word where a value holds the
delimiter: what such a file could not say is looked for first, in rows that are staged (`write_file`). It knows no other encoding than UTF-8 for
writing: others are made here, strictly.
"""

from __future__ import annotations

import codecs
import hashlib
from collections.abc import Collection, Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from platform_assets.exports.model import File
from platform_assets.exports.workbook import NotInAWorkbook, write_sheet
from resources.lake.warehouse import literal, quoted, scalar

if TYPE_CHECKING:
    import duckdb

CHUNK = 1 << 20


class NotWritten(RuntimeError):
    """The rows cannot be said in a file of this kind, or the file does not read back as what was written. The message names columns, no values."""


def straight(file: File, columns: Mapping[str, str]) -> bool:
    """Whether the file is one COPY of its rows, as nothing has to be known of them before. Raises NotWritten where a type has no place in it.

    `columns`: name -> the engine's type.
    """
    if file.kind in ("parquet", "json"):
        return True
    _demand_flat(columns)
    return file.kind != "xlsx" and file.quote != "never" and (len(columns) > 1 or file.null != "")


def copy_target(file: File, out: Path) -> Path:
    """Where COPY writes: beside `out` where that is to be in another encoding."""
    return out if file.encoding == "utf-8" else out.with_name(f"{out.name}.utf-8")


def copy_options(file: File) -> str:
    """How COPY writes, as it is said to it."""
    if file.kind in ("parquet", "json"):
        return f"FORMAT {file.kind}"
    sign = "" if file.quote == "never" else '"'
    said = [
        "FORMAT csv",
        f"HEADER {str(file.header).lower()}",
        f"DELIMITER {literal(file.parted_by)}",
        f"QUOTE {literal(sign)}",
        f"ESCAPE {literal(sign)}",
        f"NULLSTR {literal(file.null)}",
        f"NEW_LINE '{_break(file)}'",
    ]
    return ", ".join([*said, "FORCE_QUOTE *"] if file.quote == "all" else said)


def check(engine: duckdb.DuckDBPyConnection, file: File, columns: Collection[str], rows: int, out: Path) -> None:
    """Read back what COPY wrote at `copy_target`, and count it; then `out` is there in its encoding. Raises NotWritten.

    `engine` is one that knows no catalog (`Warehouse.bare_engine`); `columns` are their names, and `rows` is how many COPY has written.
    """
    plain = copy_target(file, out)
    if file.kind in ("parquet", "json"):
        reader = "read_parquet" if file.kind == "parquet" else "read_ndjson_objects"
        _counted(int(scalar(engine, f"SELECT count(*) FROM {reader}({literal(str(plain))})")), rows)
        return
    _counted(_read_back(plain, file, len(columns)), rows)
    if plain != out:
        try:
            _recoded(plain, out, file.encoding)
        finally:
            plain.unlink()


def write_file(engine: duckdb.DuckDBPyConnection, staged: Path, file: File, out: Path) -> int:
    """Write the rows of `staged` (Parquet) to `out` and read them back. Returns how many they are. Raises NotWritten.

    `engine` is as in `check`.
    """
    source = f"read_parquet({literal(str(staged))})"
    columns = {str(name): str(kind) for name, kind, *_ in engine.execute(f"DESCRIBE FROM {source}").fetchall()}
    rows = int(scalar(engine, f"SELECT count(*) FROM {source}"))
    if not straight(file, columns):
        if file.kind == "xlsx":
            try:
                _counted(write_sheet(engine, source, list(columns.items()), rows, out), rows)
            except NotInAWorkbook as error:
                raise NotWritten(str(error)) from None
            return rows
        if len(columns) == 1 and not file.null and scalar(engine, f"SELECT bool_or(COLUMNS(*) IS NULL) FROM {source}"):
            raise NotWritten(
                "a missing value in the only column makes an empty line, which most readers skip: give missing values a text (`null`)"
            )
        if file.quote == "never":
            _demand_bare(engine, source, columns, file)
    engine.execute(f"COPY (FROM {source}) TO {literal(str(copy_target(file, out)))} ({copy_options(file)})")
    check(engine, file, columns, rows, out)
    return rows


def file_hash(path: Path) -> str:
    """SHA-256 of the bytes of a file."""
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def _break(file: File) -> str:
    return "\\r\\n" if file.line_end == "crlf" else "\\n"


def _demand_flat(columns: Mapping[str, str]) -> None:
    nested = [
        name for name, kind in columns.items() if kind.endswith("]") or kind.startswith(("STRUCT", "MAP", "UNION"))
    ]
    if nested:
        raise NotWritten(
            f"lists and objects have no place in a table of cells ({', '.join(nested)}): write kind: json or parquet"
        )


def _demand_bare(engine: duckdb.DuckDBPyConnection, source: str, columns: Collection[str], file: File) -> None:
    """Raises NotWritten where a value, or a name of a column, could not be told without quotation marks."""
    signs = f'[{_escaped(file.parted_by)}"\\r\\n]'
    for name in columns:
        if file.header and any(sign in name for sign in (file.parted_by, '"', "\r", "\n")):
            raise NotWritten(
                f"the name of column {name!r} holds the delimiter, a quotation mark or a line break: quote: never cannot say it"
            )
    looks = ", ".join(
        f"count(*) FILTER (regexp_matches({_text(name)}, $signs) OR {_text(name)} = $null)" for name in columns
    )
    found = engine.execute(f"SELECT {looks} FROM {source}", {"signs": signs, "null": file.null}).fetchone() or ()
    bad = [f"{name} ({number:,} rows)" for name, number in zip(columns, found, strict=True) if number]
    if bad:
        raise NotWritten(
            "with quote: never a value must hold no delimiter, quotation mark or line break, and must not read like the text for a missing "
            f"one. Look at {', '.join(bad)}; write quote: needed, or another delimiter"
        )


def _text(name: str) -> str:
    return f"CAST({quoted(name)} AS VARCHAR)"


def _escaped(sign: str) -> str:
    return f"\\x{{{ord(sign):x}}}"


def _read_back(path: Path, file: File, columns: int) -> int:
    """How many rows are in a delimited file of so many columns, by its bytes. Raises NotWritten where they are no such table.

    RFC 4180: a record ends at a line break, and a field at a delimiter, that stands outside quotation marks; a doubled mark opens and closes
    at once. So every byte is read, by another reader than the engine that wrote it, at the speed of memory.
    """
    import numpy as np

    inside = fields = records = 0
    last = b""
    with path.open("rb") as stream:
        while data := stream.read(CHUNK):
            signs, last = np.frombuffer(data, np.uint8), data[-1:]
            ends, parts = signs == ord("\n"), signs == ord(file.parted_by)
            if inside or b'"' in data:
                # 0: outside, 1: inside; it overflows at 256, which is even
                marks = np.cumsum(signs == ord('"'), dtype=np.uint8)
                outside = ((marks + np.uint8(inside)) & 1) == 0
                ends &= outside
                parts &= outside
                inside = int(marks[-1] + inside) & 1
            records += int(np.count_nonzero(ends))
            fields += int(np.count_nonzero(parts))
    if inside or last not in (b"", b"\n") or fields != records * (columns - 1):
        raise NotWritten("the file cannot be read back as it was written: write quote: all, or kind: parquet")
    return max(0, records - file.header)


def _counted(back: int, rows: int) -> None:
    if back != rows:
        raise NotWritten(
            f"{rows:,} rows were written and {back:,} are read back: write quote: all, or give missing values a text (`null`)"
        )


def _recoded(plain: Path, out: Path, encoding: str) -> None:
    """`plain`, which is UTF-8, in `encoding`; read back and compared. Raises NotWritten at the first character that it lacks."""
    reader, writer = codecs.getincrementaldecoder("utf-8")("strict"), codecs.getincrementalencoder(encoding)("strict")
    line = 1
    with plain.open("rb") as source, out.open("wb") as target:
        while True:
            data = source.read(CHUNK)
            text = reader.decode(data, final=not data)
            try:
                target.write(writer.encode(text, final=not data))
            except UnicodeEncodeError as error:
                raise NotWritten(
                    f"line {line + text.count(chr(10), 0, error.start)} holds a character that {encoding} lacks: write encoding: utf-8, or replace it "
                    "in a query"
                ) from None
            line += text.count("\n")
            if not data:
                break
    back = hashlib.sha256()
    decoder = codecs.getincrementaldecoder(encoding)("strict")
    with out.open("rb") as stream:
        while data := stream.read(CHUNK):
            back.update(decoder.decode(data).encode())
    back.update(decoder.decode(b"", final=True).encode())
    if back.hexdigest() != file_hash(plain):
        raise NotWritten(f"the file does not read back as what was written in {encoding}: write encoding: utf-8")
