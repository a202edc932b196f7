"""JSON, Parquet and Excel files as text rows. Each value becomes the text that a person would have typed in a CSV cell."""

from __future__ import annotations

import datetime as dt
import functools
import json
import re
import zipfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from itertools import chain, islice
from pathlib import Path
from typing import Any, BinaryIO

from platform_assets.contracts.columns import TEMPORAL
from platform_assets.contracts.dates import read_format
from platform_assets.contracts.model import Contract, FileFormat
from platform_assets.ingest.header import match_header, positional_header
from platform_assets.ingest.staged import BATCH, FileRejected, Header, RowWriter, StagedFile

MAX_DEPTH = 64
MAX_CELLS = 50_000_000
MAX_WHOLE = 256 << 20  # json5 and xlsx are read whole: larger files are refused, with the way out


_CELL = re.compile(rb"<c [^>]*?r=\"([A-Z]{1,3})([0-9]{1,7})\"")


def stage(path: Path, number: int, contract: Contract, fmt: FileFormat, folder: Path) -> tuple[StagedFile, Header]:
    """Stage the file at `path`. Raises FileRejected where nothing in it can be judged."""
    readers: dict[str, Callable[..., Header]] = {
        "json": _stage_records,
        "json5": _stage_records,
        "parquet": _stage_parquet,
        "xlsx": _stage_xlsx,
    }
    writer = RowWriter(folder, number, list(contract.file_columns))
    header = readers[fmt.kind](path, contract, fmt, writer)
    return writer.close(), header


# ------------------------------------------------------------------ JSON


def _stage_records(path: Path, contract: Contract, fmt: FileFormat, writer: RowWriter) -> Header:
    records = _json5(path, fmt) if fmt.kind == "json5" else _json(path, fmt)
    head = list(islice(records, BATCH))
    # an object has no fixed columns: the names seen in the first records stand for the header, later ones count as drift too
    names: dict[str, None] = {}
    for _, record, _ in head:
        names.update(dict.fromkeys(record) if isinstance(record, Mapping) else {})
    if not head:
        raise FileRejected("the file holds no records" + (f" at {fmt.records!r}" if fmt.records else ""))
    header = match_header(list(names), contract, fmt)
    lookup = {column: list(names)[place] for column, place in header.positions.items()}
    accepted = {
        c: tuple(dict.fromkeys((*filter(None, [lookup.get(c)]), *(spec.header or (c,)))))
        for c, spec in contract.file_columns.items()
    }
    numbers: list[int] = []
    rows: list[list[str | None]] = []

    def flush() -> None:
        if rows:
            writer.write(numbers, list(zip(*rows, strict=True)))
            numbers.clear()
            rows.clear()

    for number, record, text in chain(head, records):
        if not isinstance(record, Mapping):
            writer.write_broken(
                number, text or json.dumps(record, default=str), (text and "is not JSON") or "is not a JSON object"
            )
            continue
        try:
            row = [next((_text(record[n]) for n in names_of if n in record), None) for names_of in accepted.values()]
        except RecursionError:
            writer.write_broken(number, text, "is nested too deep")
            continue
        if any(v is not None and not _encodable(v) for v in row):
            writer.write_broken(
                number, json.dumps(record, default=str), "contains half of a character pair (a lone surrogate)"
            )
            continue
        numbers.append(number)
        rows.append(row)
        if len(rows) >= BATCH:
            flush()
    flush()
    return header


def _json(path: Path, fmt: FileFormat) -> Iterator[tuple[int, Any, str]]:
    """(row, record, text of a line that is no JSON). One array of records, or one record per line; streamed."""
    with path.open("rb") as file:
        first = file.read(4096).lstrip(b"\xef\xbb\xbf \t\r\n")[:1]
    if first == b"{" and not fmt.records:
        yield from _json_lines(path)
        return
    import ijson

    with path.open("rb") as file:
        if file.read(3) != b"\xef\xbb\xbf":
            file.seek(0)
        try:
            yield from ((n, record, "") for n, record in enumerate(_array_items(file, fmt.records), start=1))
        except (ijson.JSONError, ValueError) as error:
            if isinstance(error, FileRejected):
                raise
            raise FileRejected(
                "the file is not valid JSON (trailing commas and comments need format kind json5): nothing of it was taken"
            ) from None


def _array_items(file: BinaryIO, records: str | None) -> Iterator[Any]:
    """The items of the array at the dotted path `records`, one by one. Raises FileRejected for what is nested absurdly deep.

    By ijson's backend in Python: the one in C dies of a number of 4,301 digits.
    """
    from ijson.backends import python as parser
    from ijson.common import ObjectBuilder

    wanted = [None, *(records.split(".") if records else [])]
    names: list[
        str | None
    ] = []  # of the maps and arrays that we are in: the key that led there, None for the document and items
    key: str | None = None
    inside = 0
    builder = ObjectBuilder()
    for event, value in parser.basic_parse(file):
        if event in ("start_map", "start_array"):
            names.append(key)
            key = None
            if len(names) > MAX_DEPTH:
                raise FileRejected(f"the document is nested more than {MAX_DEPTH} deep: this is no list of records")
            if not inside and event == "start_array" and names == wanted:
                inside = len(names)
                continue
        if inside and event == "end_array" and len(names) == inside:
            return
        if inside:
            builder.event(event, value)
        elif event == "map_key":
            key = value
        if event in ("end_map", "end_array"):
            names.pop()
        if inside and len(names) == inside:  # an item is complete: a map or array that ended, or a single value
            yield builder.value
            builder = ObjectBuilder()


def _json_lines(path: Path) -> Iterator[tuple[int, Any, str]]:
    with path.open("rb") as file:
        for number, line in enumerate(file, start=1):
            text = line.decode("utf-8-sig" if number == 1 else "utf-8", "surrogateescape").strip()
            if not text:
                continue
            try:
                yield number, json.loads(text, parse_float=Decimal), ""
            except (ValueError, RecursionError):
                yield number, None, text


def _json5(path: Path, fmt: FileFormat) -> Iterator[tuple[int, Any, str]]:
    if path.stat().st_size > MAX_WHOLE:
        raise FileRejected(
            f"a json5 file may be {MAX_WHOLE >> 20} MiB at most, as it is read whole: deliver JSON lines"
        )
    import pyjson5

    try:
        document = pyjson5.decode(path.read_bytes().decode(fmt.encoding).removeprefix("\ufeff"))
    except (UnicodeDecodeError, pyjson5.Json5Exception) as error:
        place = getattr(error, "start", None)
        raise FileRejected(
            f"the file is not valid json5 ({type(error).__name__}{f' at byte {place}' if place else ''})"
        ) from None
    for part in (fmt.records or "").split(".") if fmt.records else []:
        document = document.get(part) if isinstance(document, Mapping) else None
    if not isinstance(document, list):
        raise FileRejected("there is no list of records" + (f" at {fmt.records!r}" if fmt.records else " in the file"))
    for number, record in enumerate(document, start=1):
        yield number, record, ""


def _text(value: Any) -> str | None:
    if value is None or isinstance(value, str):
        return value
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, dict | list):
        return json.dumps(value, default=str, ensure_ascii=False, sort_keys=True)
    return str(value)


def _encodable(text: str) -> bool:
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True


# ------------------------------------------------------------------ Parquet


def _stage_parquet(path: Path, contract: Contract, fmt: FileFormat, writer: RowWriter) -> Header:
    import pyarrow as pa
    import pyarrow.compute as pc
    import pyarrow.parquet as pq

    try:
        with pq.ParquetFile(path) as file:
            header = match_header(file.schema_arrow.names, contract, fmt)
            row = 0
            for batch in file.iter_batches(BATCH):
                columns = []
                for column in contract.file_columns:
                    if column not in header.positions:
                        columns.append(pa.nulls(batch.num_rows, pa.string()))
                        continue
                    values = batch.column(header.positions[column])
                    if pa.types.is_nested(values.type):
                        values = pa.array([_text(v) for v in values.to_pylist()], pa.string())
                    text = pc.cast(values, pa.string())
                    text.validate(full=True)  # a writer may have put bytes that are no UTF-8 into a text column
                    if pa.types.is_timestamp(values.type):
                        text = pc.replace_substring_regex(text, r"\.0+(Z?)$", r"\1")
                    columns.append(text)
                writer.write(range(row + 1, row + 1 + batch.num_rows), columns)
                row += batch.num_rows
            return header
    except (pa.ArrowException, OSError) as error:
        raise FileRejected(f"the file is not readable Parquet ({type(error).__name__}): was it cut off?") from None


# ------------------------------------------------------------------ Excel


@dataclass(frozen=True)
class Workbook:
    """The one sheet of a workbook that holds the rows."""

    sheet: str
    cells: list[list[Any]]
    """Every row of the sheet, from its first."""
    start: int
    """Index of the first row below the header."""
    header: Header
    formats: dict[int, str]
    """Index of a column of dates -> the format in which its dates are written."""

    def texts(self, cells: Sequence[Any]) -> list[str | None]:
        """A row as text."""
        return [_cell(value, self.formats.get(place)) for place, value in enumerate(cells)]


def read_workbook(path: Path, contract: Contract, fmt: FileFormat) -> Workbook:
    """The sheet of the workbook at `path` that `fmt` names. Raises FileRejected."""
    import python_calamine

    try:
        with zipfile.ZipFile(path) as archive:
            unpacked = sum(member.file_size for member in archive.infolist())
        if unpacked > 4 * MAX_WHOLE:
            raise FileRejected(
                f"the workbook unpacks to {unpacked >> 20} MiB, more than {4 * MAX_WHOLE >> 20}: deliver CSV"
            )
        _check_extent(path)
        workbook = python_calamine.CalamineWorkbook.from_path(str(path))
        if fmt.sheet and fmt.sheet not in workbook.sheet_names:
            raise FileRejected(
                f"there is no sheet {fmt.sheet!r}; the workbook has {len(workbook.sheet_names)} other sheet(s)"
            )
        sheet = workbook.get_sheet_by_name(fmt.sheet) if fmt.sheet else workbook.get_sheet_by_index(0)
        table = sheet.to_python(skip_empty_area=False)
    except (python_calamine.CalamineError, zipfile.BadZipFile, OSError) as error:
        raise FileRejected(f"the file is not a readable Excel workbook ({type(error).__name__})") from None
    start = 0
    header = positional_header(contract)
    if fmt.header:
        start = next((i for i, cells in enumerate(table) if any(c != "" for c in cells)), len(table))
        if start == len(table):
            raise FileRejected("the sheet is empty: not even a header")
        header = match_header([str(c).strip() for c in table[start]], contract, fmt)
        start += 1
    formats = {
        header.positions[c]: spec.format[0]
        for c, spec in contract.file_columns.items()
        if spec.type in TEMPORAL and spec.format and c in header.positions
    }
    return Workbook(sheet.name, table, start, header, formats)


def _stage_xlsx(path: Path, contract: Contract, fmt: FileFormat, writer: RowWriter) -> Header:
    book = read_workbook(path, contract, fmt)
    numbers, rows = [], []
    places = [book.header.positions.get(c) for c in contract.file_columns]
    for number, cells in enumerate(book.cells[book.start :], start=book.start + 1):
        if all(c == "" for c in cells):
            continue
        numbers.append(number)
        texts = book.texts(cells)
        rows.append([None if place is None or place >= len(texts) else texts[place] for place in places])
    if rows:
        writer.write(numbers, list(zip(*rows, strict=True)))
    return book.header


def _check_extent(path: Path) -> None:
    """Refuse a sheet whose farthest cell spans more than MAX_CELLS: the reader makes room for all cells before it."""
    with zipfile.ZipFile(path) as archive:
        for member in archive.namelist():
            if not re.fullmatch(r"xl/worksheets/[^/]+\.xml", member):
                continue
            rows = columns = 0
            rest = b""
            with archive.open(member) as sheet:
                while chunk := sheet.read(1 << 20):
                    text = rest + chunk
                    for letters, digits in _CELL.findall(text):
                        rows = max(rows, int(digits))
                        columns = max(columns, functools.reduce(lambda n, c: n * 26 + c - 64, letters, 0))
                    rest = text[-40:]
            if rows * columns > MAX_CELLS:
                raise FileRejected(
                    f"the sheet reaches to row {rows:,} and column {columns:,}: delete what stands far outside the table, or deliver CSV"
                )


def _cell(value: Any, date_format: str | None) -> str | None:
    """A cell as text. A real date is written in the column's first declared format: its meaning is not in doubt."""
    if value == "":
        return None
    if isinstance(value, dt.datetime | dt.date):
        moment = value if isinstance(value, dt.datetime) else dt.datetime.combine(value, dt.time())
        return (
            read_format(date_format).render(moment)
            if date_format
            else moment.isoformat(sep=" ").removesuffix(" 00:00:00")
        )
    if isinstance(value, float) and value.is_integer() and abs(value) < 1e15:
        return str(int(value))
    return _text(value)
