"""The table in a file: of which kind the file is, where the header stands, what stands around the table."""

from __future__ import annotations

import contextlib
import csv
import io
import itertools
import json
import re
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from platform_assets.contracts.columns import Column, ColumnType
from platform_assets.contracts.file_format import FileFormat
from platform_assets.contracts.file_kinds import KINDS
from platform_assets.contracts.model import Contract
from platform_assets.ingest.draft.guessing import NOTHING, _kind
from platform_assets.ingest.readers.apart.limits import Limits
from platform_assets.ingest.readers.registry import format_named
from platform_assets.ingest.readers.rows import ROWS, FileRejected, RowWriter, kept
from platform_assets.ingest.readers.shape.names import part_name
from platform_assets.ingest.readers.typed.workbook import opened

LOOKED_AT = 20_000
"""Rows from which a column is guessed."""
TOP = 30
"""Lines among which the header is looked for."""
WIDEST = 2_000
MOST_SHEETS = 50
"""Sheets of a workbook that are looked at."""
_TOTAL = re.compile(
    r"^\W*(?:(?:grand |sub)?totaa?l|gesamt|summe|somme|source|bron|quelle|notes?\b|\(\d+ rows?)", re.IGNORECASE
)
LEFT_OUT = {
    "totals": "^\\W*(?i:(?:grand |sub)?totaa?l|gesamt|summe|somme)",
    "footer": "^\\W*(?i:source|bron|quelle|notes?\\b|\\(\\d+ rows?)",
}


@dataclass
class Grid:
    """The table of a file."""

    format: dict[str, Any]
    """What the contract says of the format."""
    names: list[str]
    rows: list[list[str | None]]
    unsure: list[str] = field(default_factory=list)


def kind_of(name: str) -> str:
    """The kind of file by its name. Raises FileRejected for one that no draft can be made of."""
    ending = name.lower().rpartition(".")[2]
    for kind, known in KINDS.items():
        if ending in known.endings:
            return kind
    raise FileRejected(
        f"{name}: a draft is made of files that end in .csv, .txt, .tsv, .xlsx, .json, .jsonl or .parquet"
    )


def look(*, path: Path, name: str, target: Path, limits: Limits, sheet: str | None = None) -> dict[str, Any]:
    """The table in the file at `path`; of a workbook that on `sheet`. Runs in a process of its own."""
    kind = kind_of(name)
    if kind in ("csv", "tsv"):
        found = _text(path, kind)
    elif kind in ("json", "json5"):
        found = _json(path, name.lower().rpartition(".")[2])
    else:
        found = _workbook(path, target, limits, sheet) if kind == "xlsx" else _staged(path, kind, target, limits)
    return {"format": found.format, "names": found.names, "rows": found.rows, "unsure": found.unsure}


# ------------------------------------------------------------------ text


def _text(path: Path, kind: str) -> Grid:
    data = path.read_bytes()
    encoding = _encoding(data)
    text = data.decode({"utf-8": "utf-8-sig"}.get(encoding, encoding))
    lines = text.replace("\r\n", "\n").replace("\r", "\n").split("\n")
    said: dict[str, Any] = {"kind": kind}
    start = 1 if re.fullmatch(r'"?sep=.("?)', lines[0], re.IGNORECASE) else 0
    delimiter = lines[0].strip('"')[-1] if start else _delimiter(lines) if kind == "csv" else "\t"
    if delimiter != KINDS[kind].delimiter:
        said["delimiter"] = delimiter
    if encoding != "utf-8":
        said["encoding"] = encoding
    escaped = '\\"' in text and bool(
        re.search(r'(?<!\\)(?:\\\\)*\\"(?!\s*(?:$|[' + re.escape(delimiter) + "]))", text, re.MULTILINE)
    )
    if escaped:
        said["escape"] = "\\"
    records = _records(lines[start:], start, delimiter, escaped)
    return _table(records, said, ['escape: quotes are written as \\"'] if escaped else [], comments=True)


def _encoding(data: bytes) -> str:
    if data.startswith((b"\xff\xfe", b"\xfe\xff")):
        return "utf-16"
    try:
        data.decode("utf-8")
    except UnicodeDecodeError:
        return "cp1252" if not re.search(rb"[\x81\x8d\x8f\x90\x9d]", data) else "latin-1"
    return "utf-8"


def _delimiter(lines: Sequence[str]) -> str:
    """The delimiter under which most lines have the same number of cells, more than one."""
    best, most = ",", 0.0
    sample = [line for line in lines[:200] if line.strip()]
    for delimiter in (",", ";", "\t", "|"):
        widths = Counter(len(row) for row in csv.reader(sample, delimiter=delimiter) if row)
        width, count = max(
            ((w, n) for w, n in widths.items() if w > 1), key=lambda each: each[1] * each[0], default=(1, 0)
        )
        score = count / max(1, sum(widths.values())) * (1 + min(width, 20) / 100)
        if score > most:
            best, most = delimiter, score
    return best


def _records(lines: Sequence[str], before: int, delimiter: str, escaped: bool) -> list[tuple[int, list[str | None]]]:
    """(line, cells) of the records of a text."""
    options: dict[str, Any] = {"escapechar": "\\"} if escaped else {}
    source = io.StringIO("\n".join(lines))
    reader = csv.reader(source, delimiter=delimiter, **options)
    records: list[tuple[int, list[str | None]]] = []
    number = before
    try:
        for row in reader:
            if row:
                records.append((number + 1, list(row)))
            number = before + reader.line_num
            if len(records) > LOOKED_AT:
                break
    except csv.Error:
        pass  # what was read so far is enough for a draft, which is tried on the whole file
    return records


# ------------------------------------------------------------------ where the table is


def _table(
    records: list[tuple[int, list[str | None]]], said: dict[str, Any], unsure: list[str], *, comments: bool = False
) -> Grid:
    filled = [(n, row) for n, row in records if any((c or "").strip() for c in row)]
    if not filled:
        raise FileRejected("there is nothing in the file from which a contract could be drafted")
    width = Counter(len(row) for _, row in filled if len(row) > 1).most_common(1)
    wide = width[0][0] if width else 1
    hashes = comments and any(str(row[0]).startswith("#") for _, row in filled[:TOP])
    if hashes:
        said["comment"] = "#"
        filled = [(n, row) for n, row in filled if not str(row[0]).startswith("#")]
    place = next((p for p in range(min(TOP, len(filled))) if _is_header(filled, p, wide)), None)
    if place is None:
        return _without_header(filled, said, unsure, wide)
    number, head = filled[place]
    if place:
        said["skip_rows"] = number - 1
    names = [(c or "").strip() for c in head]
    body = [row for _, row in filled[place + 1 :]]
    if body and len(body) > 3 and _is_units(body[0], body[1:]):
        said["skip_after_header"] = 1
        unsure.append("the row below the header looks like units or instructions, and is left out")
        body = body[1:]
    ends = [row for row in body[-5:] if _TOTAL.search(next((c for c in row if c and c.strip()), ""))]
    if ends:
        joint = said.get("delimiter", KINDS[said["kind"]].delimiter) if said["kind"] in ("csv", "tsv") else "\t"
        whole = {
            name: p
            for name, p in LEFT_OUT.items()
            if any(re.search(p, joint.join(c or "" for c in row)) for row in ends)
        }
        said["leave_out"] = whole
        unsure.append("rows that look like totals or footers are left out, and counted")
        body = [row for row in body if not any(re.search(p, joint.join(c or "" for c in row)) for p in whole.values())]
    if comments and any(len(row) < len(names) for row in body):
        said["short_rows"] = "pad"
        unsure.append("some rows are shorter than the header: their last cells count as empty")
    return Grid(said, names, [[*row, *[None] * (len(names) - len(row))][: len(names)] for row in body], unsure)


def _is_header(filled: Sequence[tuple[int, list[str | None]]], place: int, wide: int) -> bool:
    names = [(c or "").strip() for c in filled[place][1]]
    there = [n for n in names if n]
    below = [row for _, row in filled[place + 1 : place + 20]]
    if len(names) < wide or len(there) < 0.6 * len(names) or len(set(there)) < len(there) or not there:
        return False
    numbers = [n for n in there if _kind([n]) is not None]
    if len(numbers) > len(there) / 2 and not _is_period(numbers):
        return False
    # a title row has as few filled cells as the rows below have many
    usual = sorted(sum(1 for c in row if (c or "").strip()) for row in below)[len(below) // 2] if below else 0
    return len(there) >= min(usual, wide)


def _is_period(names: Sequence[str]) -> bool:
    """Whether names of columns are days or years: a table that is wide."""
    kind = _kind(list(names))
    return (
        len(names) > 3
        and kind is not None
        and (kind["type"] in ("date", "timestamp") or all(1900 <= float(n) <= 2100 for n in names if n.isdigit()))
    )


def _is_units(first: Sequence[str | None], rest: Sequence[Sequence[str | None]]) -> bool:
    """Whether the first row holds words where the others hold numbers or dates."""
    for place, cell in enumerate(first):
        text = (cell or "").strip()
        others = [
            t for row in rest[:200] if place < len(row) and (t := (row[place] or "").strip()) and t not in NOTHING
        ]
        if text and text not in NOTHING and len(others) > 2 and _kind(others) is not None and _kind([text]) is None:
            return True
    return False


def _without_header(
    filled: Sequence[tuple[int, list[str | None]]], said: dict[str, Any], unsure: list[str], wide: int
) -> Grid:
    said["header"] = False
    unsure.append("the first row looks like data, not like names of columns: give the columns names, in their order")
    rows = [[*row, *[None] * (wide - len(row))][:wide] for _, row in filled]
    return Grid(said, [""] * wide, rows, unsure)


# ------------------------------------------------------------------ other kinds


def _workbook(path: Path, target: Path, limits: Limits, wanted: str | None) -> Grid:
    """The table on the sheet `wanted`, else on the sheets with most rows, and on all others of the same columns. Hidden ones are not looked
    at."""
    with opened(path, limits) as book:
        sheets = [s.name for s in book.sheets if s.kind == "worksheet" and not s.hidden]
        hidden = [s.name for s in book.sheets if s.hidden]
    tables: dict[str, Grid] = {}
    for name in sheets[:MOST_SHEETS]:
        with contextlib.suppress(FileRejected):  # an empty sheet, a page of text
            tables[name] = _staged(path, "xlsx", target, limits, name)
    if wanted is not None and wanted not in tables:
        raise FileRejected(
            f"there is no table on a sheet {wanted!r}; there is one on {', '.join(map(repr, map(part_name, tables))) or 'none'}"
        )
    if not tables:
        raise FileRejected("there is nothing in the file from which a contract could be drafted")
    alike: dict[str, list[str]] = {
        name: [other for other, each in tables.items() if (each.names, each.format) == (grid.names, grid.format)]
        for name, grid in tables.items()
    }
    size = {name: sum(len(tables[o].rows) * len(grid.names) for o in alike[name]) for name, grid in tables.items()}
    chosen = wanted or max(tables, key=lambda name: size[name])
    grid, together = tables[chosen], alike[chosen]
    if len(together) > 1:
        grid.rows = [row for name in together for row in tables[name].rows][:LOOKED_AT]
        grid.unsure.append(
            "sheets of the same columns are read one after the other; a pattern takes those to come, too"
        )
    others = [name for name in tables if name not in together]
    if others:
        named = ", ".join(repr(part_name(name)) for name in others[:5])
        grid.unsure.append(f"sheets of other columns are not read: {named}; draft one for them with --sheet")
    if len(sheets) + len(hidden) > 1:
        grid.format["sheet"] = together if len(together) > 1 else chosen
    return grid


def _staged(path: Path, kind: str, target: Path, limits: Limits, sheet: str | None = None) -> Grid:
    """A sheet, or a Parquet file, as its reader gives it."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    if kind == "parquet":
        with pq.ParquetFile(path, pre_buffer=False) as given:
            names = given.schema_arrow.names
        columns = {
            f"c{n}": Column.model_validate({"type": "string", "required": False, "from": name})
            for n, name in enumerate(names)
        }
    else:
        names = []
        columns = {
            f"c{n}": Column(type=ColumnType.STRING, required=False) for n in range(WIDEST if kind != "xlsx" else 200)
        }
    fmt = FileFormat(kind=kind) if kind == "parquet" else FileFormat(kind=kind, header=False, sheet=sheet)
    contract = Contract.model_construct(name="draft", columns=columns, ignore=(), format=(fmt,), timezone="UTC")
    writer = RowWriter(target, 0, list(columns))
    format_named(kind).stage(path, contract, fmt, writer, limits)
    writer.close()
    with pq.ParquetFile(
        target / ROWS, pre_buffer=False
    ) as staged:  # by itself it would wait for threads, which are refused here
        batches = list(itertools.islice(staged.iter_batches(LOOKED_AT, use_threads=False), 1))
        found = pa.Table.from_batches(batches, staged.schema_arrow).to_pydict()
    numbers = found.pop("_row")
    found.pop("_file")
    rows = [list(row) for row in zip(*found.values(), strict=True)]
    if kind == "parquet":
        return Grid({"kind": kind}, names, rows)
    wide = max((n + 1 for row in rows for n, c in enumerate(row) if c is not None), default=0)
    records = [(number, row[:wide]) for number, row in zip(numbers, rows, strict=True)]
    return _table(records, {"kind": kind}, [])


def _json(path: Path, path_ending: str) -> Grid:
    text = path.read_bytes().decode("utf-8-sig")
    said: dict[str, Any] = {"kind": "json"}
    try:
        document = json.loads(text)
    except ValueError:
        try:
            document = [json.loads(line) for line in text.splitlines() if line.strip()]
        except ValueError:
            document = _json5(text)
            said = {"kind": "json5", "files": f"*.{path_ending}"}
    if isinstance(document, Mapping):
        where = max(_lists(document), key=lambda each: len(each[1]), default=None)
        if where is None:
            document = [document]
        else:
            said["records"], document = ".".join(where[0]), where[1]
    records = [r for r in document if isinstance(r, Mapping)][:LOOKED_AT]
    if not records:
        raise FileRejected("there is no list of records in the file")
    names = list(dict.fromkeys(name for record in records for name in record))
    rows = [[_value(record.get(name)) for name in names] for record in records]
    return Grid(said, names, rows)


def _json5(text: str) -> Any:
    import pyjson5

    try:
        return pyjson5.decode(text, maxdepth=64)
    except (pyjson5.Json5Exception, ValueError):
        raise FileRejected("the file is no JSON, not even with comments and trailing commas: was it cut off?") from None


def _lists(node: Mapping[str, Any], path: tuple[str, ...] = ()) -> list[tuple[tuple[str, ...], list[Any]]]:
    found: list[tuple[tuple[str, ...], list[Any]]] = []
    for key, value in node.items():
        if isinstance(value, list) and value and all(isinstance(v, Mapping) for v in value):
            found.append(((*path, key), value))
        elif isinstance(value, Mapping) and len(path) < 5:
            found += _lists(value, (*path, key))
    return found


def _value(value: Any) -> str | None:
    if value is None or isinstance(value, str):
        return value if value is None else kept(value)
    return json.dumps(value, ensure_ascii=False)
