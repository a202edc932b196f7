"""Clean delimited files, read by the engine: many files in one call, columns as text.

Only what can be proved complete is taken from here: a file whose every line became one row, none refused. All others
(quoted line breaks, ragged lines, stray quotes, bad bytes ...) go line by line through `lines`, which accounts for each.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from platform_assets.contracts.file_format import FileFormat
from platform_assets.ingest.readers.rows import Header, StagedFile
from platform_assets.ingest.readers.scan import Scan
from resources.lake.warehouse import literal, quoted

if TYPE_CHECKING:
    import duckdb

_NO_CELL = "\x01no cell\x02"
MAX_LINE = 2_000_000  # DuckDB's own limit for one line; longer ones are a case for `lines`


@dataclass(frozen=True)
class EngineFile:
    """A file for the engine: its number in the batch, what the scan said, how its header reads."""

    number: int
    scan: Scan
    header: Header


def suits_engine(scan: Scan, fmt: FileFormat) -> bool:
    """Whether the engine may try: UTF-8, line ends alike, no NUL bytes, no line without anything in it, no blanks around quotation marks
    (which it drops, and may be part of the value), a header of ordinary length."""
    return (
        fmt.encoding == "utf-8"
        and not fmt.laid_out
        and not scan.head.lower().startswith((b"sep=", b'"sep='))
        and scan.line_end is not None
        and not scan.nul
        and fmt.quote == '"'
        and not scan.bare_lines
        and not scan.blank_at_quote
        and (not scan.tab_at_quote or fmt.separator == "\t")
        and len(scan.head) < MAX_LINE
        and (not fmt.header or scan.head.count(fmt.quote.encode()) % 2 == 0)
    )


def stage(
    connection: duckdb.DuckDBPyConnection,
    files: Sequence[EngineFile],
    fmt: FileFormat,
    columns: Sequence[str],
    folder: Path,
) -> tuple[StagedFile | None, list[int]]:
    """Stage `files`, which share one header and line end.

    Returns the staged rows of the files that are proved complete, and the numbers of those that are not.
    """
    import duckdb

    first = files[0]
    target = folder / f"engine-{first.number}.parquet"
    width = first.header.width
    names = {index: f"c{index}" for index in range(width + 1)}
    # one column more than there are, and a text for "nothing" that no file holds: so a row that is too short or too long shows (without
    # it the engine takes a row with a delimiter behind its last cell for one without), and an empty cell is told from a missing one
    picked = {column: names[index] for column, index in first.header.positions.items()}
    several = len(files) > 1
    spec = "{" + ", ".join(f"'{n}': 'VARCHAR'" for n in names.values()) + "}"
    reader = (
        f"read_csv([{', '.join(literal(str(f.scan.path)) for f in files)}], auto_detect=false, header={fmt.header}, "
        f"delim={literal(fmt.separator)}, quote={literal(fmt.quote)}, escape={literal(fmt.quote)}, columns={spec}, "
        f"new_line={_line_end(first.scan)}, strict_mode=true, null_padding=true, nullstr={literal(_NO_CELL)}, filename={several}, "
        "store_rejects=true, rejects_limit=0, max_line_size=2000000)"
    )
    selected = [f"nullif({names[i]}, '') AS {quoted(c)}" for c, i in first.header.positions.items()] + (
        ["filename"] if several else []
    )
    selected.append(f"{names[width - 1]} IS NULL OR {names[width]} IS NOT NULL AS _uneven")
    for table in ("reject_errors", "reject_scans"):
        connection.execute(f"DROP TABLE IF EXISTS temp.{table}")
    try:
        connection.execute(
            f"COPY (SELECT {', '.join(selected)} FROM {reader}) TO {literal(str(target))} (FORMAT parquet)"
        )
    except duckdb.Error:
        # Whatever the engine cannot get through (its message may quote a value), the line reader accounts for.
        return None, [f.number for f in files]
    rejected = {
        str(path)
        for (path,) in connection.execute(
            "SELECT DISTINCT s.file_path FROM temp.reject_errors e JOIN temp.reject_scans s USING (scan_id, file_id)"
        ).fetchall()
    }
    parquet = f"read_parquet({literal(str(target))}, file_row_number=true)"
    found = connection.execute(
        f"SELECT {'filename' if several else literal(str(first.scan.path))}, count(*), min(file_row_number), max(file_row_number), bool_or(_uneven) "
        f"FROM {parquet} GROUP BY 1"
    ).fetchall()
    counts = {path: (rows, start, end) for path, rows, start, end, uneven in found if not uneven}
    good: dict[int, tuple[str, int, int]] = {}
    doubtful: list[int] = []
    for file in files:
        path = str(file.scan.path)
        rows, start, end = counts.get(path, (0, 0, -1))
        complete = rows == file.scan.lines - fmt.header and end - start + 1 == rows and path not in rejected
        if complete:
            good[file.number] = (path, rows, start)
        else:
            doubtful.append(file.number)
    if not good:
        return None, doubtful
    first_row = 2 if fmt.header else 1  # the header is row 1, as in a spreadsheet
    texts = ", ".join(f"{quoted(c)}" if c in picked else f"NULL::VARCHAR AS {quoted(c)}" for c in columns)
    if several:
        places = ", ".join(f"({literal(path)}, {number}, {start})" for number, (path, _, start) in good.items())
        sql = (
            f"SELECT {texts}, _m._number::BIGINT AS _file, file_row_number - _m._start + {first_row} AS _row "
            f"FROM {parquet} JOIN (VALUES {places}) AS _m(_path, _number, _start) ON filename = _m._path"
        )
    else:
        sql = f"SELECT {texts}, {first.number}::BIGINT AS _file, file_row_number + {first_row} AS _row FROM {parquet}"
    return StagedFile(sql, {number: rows for number, (_, rows, _) in good.items()}), doubtful


def _line_end(scan: Scan) -> str:
    return "'\\r\\n'" if scan.line_end == "\r\n" else "'\\n'"
