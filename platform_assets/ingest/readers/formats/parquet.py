"""Parquet: columns with types. Every value becomes text, to be judged as any other."""

from __future__ import annotations

import contextlib
import io
import json
import string
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import IO, Any

from platform_assets.contracts.file_format import FileFormat
from platform_assets.contracts.model import Contract
from platform_assets.ingest.readers.apart.limits import Limits, setting
from platform_assets.ingest.readers.interface import CannotWrite, Edits, Format
from platform_assets.ingest.readers.rows import BATCH, NO_VALUES, FileRejected, Header, RowWriter
from platform_assets.ingest.readers.shape.columns import Found, find_columns
from platform_assets.ingest.readers.shape.layout import NO_VALUE
from platform_assets.ingest.readers.typed.spread import of_table_rows
from platform_assets.ingest.readers.typed.values import EXACT, NUL, Texts, Unsure, as_json, says_something
from resources.spelling import NO_INK


class Parquet(Format):
    """Parquet, read in batches of rows. No threads (`pre_buffer` starts one): a reader's process may have none."""

    kind = "parquet"
    words = "Parquet: columns with types, as analysts' programs write it"
    example = "sample_id: A-1, result: POS (a file of bytes, for programs)"
    ending = "parquet"
    magic = b"PAR1"
    bytes_mislead = True  # compression may cut one value into pieces that look like another

    def stage(self, path: Path, contract: Contract, fmt: FileFormat, writer: RowWriter, limits: Limits) -> Header:
        """See `Format`."""
        import numpy as np
        import pyarrow as pa
        import pyarrow.compute as pc
        import pyarrow.parquet as pq

        try:
            with pq.ParquetFile(path, pre_buffer=False) as file:
                if file.metadata.num_rows > limits.rows:
                    raise FileRejected(
                        f"the file says that it holds {file.metadata.num_rows:,} rows, more than {limits.rows:,}: deliver it in "
                        f"parts. For files that are so long raise {setting('rows')}"
                    )
                found = find_columns(file.schema_arrow.names, contract, fmt)
                header, each = found.header, max(1, len(found.wide))
                texts = {c: Texts(spec, limits.digits, contract.zone) for c, spec in contract.file_columns.items()}
                left: Counter[str] = Counter()
                row = 0
                for batch in file.iter_batches(max(1, BATCH // each), use_threads=False):
                    unsure: dict[int, str] = {}
                    blocks = _blocks(batch, contract, fmt, found, texts, unsure)
                    nothing = _without_values(batch, [column for block in blocks for column in block.values()])
                    left[NO_VALUES] += len(nothing)
                    for place in sorted(unsure):
                        writer.write_broken((row + place) * each + 1, _line(batch, place), unsure[place])
                    kept = np.setdiff1d(np.arange(batch.num_rows), sorted(nothing | unsure.keys()))
                    # of each row first its first block, then its second: as people read them
                    order = pa.array(np.add.outer(kept, np.arange(each) * batch.num_rows).ravel())
                    numbers = np.add.outer((row + kept) * each, np.arange(each)).ravel() + 1
                    columns = {c: pa.concat_arrays([b[c] for b in blocks]).take(order) for c in contract.file_columns}
                    if fmt.wide and fmt.wide.empty == "leave_out":
                        filled = pc.fill_null(pc.not_equal(pc.utf8_trim(columns[fmt.wide.value], _BLANKS), ""), False)
                        left[NO_VALUE] += len(filled) - (filled.sum().as_py() or 0)
                        numbers = numbers[filled.to_numpy(zero_copy_only=False)]
                        columns = {c: column.filter(filled) for c, column in columns.items()}
                    if len(numbers):
                        writer.write(numbers, list(columns.values()))
                    row += batch.num_rows
                header.not_taken.update({what: count for what, count in left.items() if count})
                return header
        except pa.ArrowMemoryError:
            raise MemoryError from None
        except pa.ArrowNotImplementedError:
            raise FileRejected("a column is of a type that has no text: store it as text, a number or a date") from None
        except (pa.ArrowException, OSError) as error:
            raise FileRejected(f"the file is not readable Parquet ({type(error).__name__}): was it cut off?") from None

    def written(self, fmt: FileFormat, headers: Sequence[str], rows: Sequence[Sequence[str | None]]) -> bytes:
        """See `Format`. All columns as text."""
        if fmt.wide:
            raise CannotWrite("single rows cannot be written as a table that has a column for each of them")
        import pyarrow as pa
        import pyarrow.parquet as pq

        columns = [pa.array([row[place] for row in rows], pa.string()) for place in range(len(headers))]
        buffer = io.BytesIO()
        pq.write_table(pa.table(columns, names=list(headers)), buffer)
        return buffer.getvalue()

    def edited(
        self, path: Path, contract: Contract, fmt: FileFormat, edits: Edits, target: Path, limits: Limits
    ) -> None:
        """See `Format`. Written anew, with the types and names of the old file. A value of another type than text goes where its text
        is edited: nothing can be said instead.
        """
        import pyarrow as pa
        import pyarrow.parquet as pq

        with pq.ParquetFile(path, pre_buffer=False) as file:
            schema = file.schema_arrow
            texts: dict[int, Texts] = {}
            emptied: dict[int, set[int]] = {}
            with contextlib.suppress(FileRejected):  # of a file that was refused as a whole nothing was read as text
                found = find_columns(schema.names, contract, fmt)
                places = {place: c for c, place in found.header.positions.items()}
                if fmt.wide:
                    places |= {place: fmt.wide.value for place, _ in found.wide}
                texts = {p: Texts(contract.columns[c], limits.digits, contract.zone) for p, c in places.items()}
                edits, emptied = of_table_rows(edits, found)
            if edits.cells or emptied:
                schema = pa.schema([f.with_nullable(True) for f in schema], schema.metadata)
            with pq.ParquetWriter(target, schema, compression="zstd") as new:
                row = 0
                for batch in file.iter_batches(BATCH, use_threads=False):
                    columns = [
                        _emptied(_edited(column, edits, row + 1, texts.get(place, _ANY)), emptied.get(place), row + 1)
                        for place, column in enumerate(batch.columns)
                    ]
                    columns = _edited_lines(batch, columns, edits, row + 1)
                    keep = pa.array([n not in edits.out for n in range(row + 1, row + 1 + batch.num_rows)], pa.bool_())
                    new.write_batch(pa.record_batch(columns, schema=schema).filter(keep))
                    row += batch.num_rows

    def unpacked(self, file: IO[bytes]) -> Iterator[bytes]:
        """See `Format`. Every value that stands in a column; one that stands there often is not written out as often. And the end of
        the file: names of columns, and whatever its writer has noted.
        """
        import pyarrow as pa
        import pyarrow.parquet as pq

        try:
            file.seek(-8, io.SEEK_END)
            length = min(int.from_bytes(file.read(4), "little"), file.tell() - 4)
            file.seek(-8 - length, io.SEEK_END)
            yield file.read(length)
            file.seek(0)
            with pq.ParquetFile(file, pre_buffer=False) as plain:
                texts = [f.name for f in plain.schema_arrow if pa.types.is_string(f.type) or pa.types.is_binary(f.type)]
            file.seek(0)
            with pq.ParquetFile(file, pre_buffer=False, read_dictionary=texts) as table:
                for batch in table.iter_batches(BATCH, use_threads=False):
                    for column in batch.columns:
                        yield _texts(column)
        except (pa.ArrowException, OSError) as error:
            raise ValueError(f"not readable Parquet ({type(error).__name__})") from None


_ANY = Texts()
_BLANKS = string.whitespace + NO_INK


def _blocks(
    batch: Any, contract: Contract, fmt: FileFormat, found: Found, texts: Mapping[str, Texts], unsure: dict[int, str]
) -> list[dict[str, Any]]:
    """Column -> text, once; or once for each column of the file that becomes rows. Rows that cannot be told are noted in `unsure`."""
    import pyarrow as pa

    wide, there = fmt.wide, found.header.positions
    nothing = pa.nulls(batch.num_rows, pa.string())
    block = {
        c: _as_text(batch.column(there[c]), texts[c], unsure) if c in there else nothing for c in contract.file_columns
    }
    if wide is None:
        return [block]
    return [
        block
        | {
            wide.name: pa.repeat(pa.scalar(called, pa.string()), batch.num_rows),
            wide.value: _as_text(batch.column(place), texts[wide.value], unsure),
        }
        for place, called in found.wide
    ]


def _emptied(column: Any, rows: set[int] | None, first: int) -> Any:
    """A column of a batch, whose first row has the number `first`, without its values in `rows`."""
    import pyarrow as pa

    if not rows:
        return column
    return column.take(pa.array([None if first + n in rows else n for n in range(len(column))], pa.int64()))


def _as_text(values: Any, texts: Texts, unsure: dict[int, str]) -> Any:
    """Values of a column as text. Places of those that cannot be told are noted in `unsure`, with the reason."""
    import pyarrow as pa
    import pyarrow.compute as pc

    if pa.types.is_dictionary(values.type):
        values = values.dictionary_decode()
    kind = values.type
    if pa.types.is_floating(kind):
        return _floats(values, texts, unsure)
    if pa.types.is_date(kind) or pa.types.is_timestamp(kind):
        return _moments(values, texts, unsure)
    if pa.types.is_nested(kind) or pa.types.is_decimal(kind) or pa.types.is_duration(kind):
        return _one_by_one(values.to_pylist(), range(len(values)), texts, unsure)
    try:
        text = pc.cast(values, pa.string())
        text.validate(full=True)  # a writer may have put bytes that are no UTF-8 into a text column
    except pa.ArrowInvalid:
        if not (pa.types.is_string(kind) or pa.types.is_large_string(kind) or pa.types.is_binary(kind)):
            raise
        return _decoded(values.cast(pa.binary()).to_pylist(), unsure)
    if not pa.types.is_boolean(kind):
        unsure.update(dict.fromkeys(pc.indices_nonzero(pc.match_substring(text, "\0")).to_pylist(), NUL))
    elif (texts.true, texts.false) != ("true", "false"):
        return pc.if_else(values, texts.true, texts.false)
    return (
        pc.replace_substring_regex(text, r"(:\d\d)(?:\.0+|(\.\d*[1-9])0+)$", r"\1\2")
        if pa.types.is_time(kind)
        else text
    )


def _decoded(values: Sequence[bytes | None], unsure: dict[int, str]) -> Any:
    """Bytes as text; places of those that are none are noted in `unsure`."""
    import pyarrow as pa

    found: list[str | None] = []
    for place, value in enumerate(values):
        try:
            found.append(None if value is None else value.decode())
        except UnicodeDecodeError:
            unsure[place] = "holds bytes that are no text (UTF-8)"
            found.append(None)
    return pa.array(found, pa.string())


def _one_by_one(values: Sequence[Any], places: Iterable[int], texts: Texts, unsure: dict[int, str]) -> Any:
    import pyarrow as pa

    found: list[str | None] = []
    for place, value in zip(places, values, strict=True):
        try:
            found.append(texts.of(value))
        except (Unsure, RecursionError) as error:
            unsure[place] = str(error) if isinstance(error, Unsure) else "is nested too deep"
            found.append(None)
    return pa.array(found, pa.string())


def _floats(values: Any, texts: Texts, unsure: dict[int, str]) -> Any:
    """Floating-point numbers by their shortest digits. Arrow writes some with an exponent: those are done by hand."""
    import pyarrow as pa
    import pyarrow.compute as pc

    if pa.types.is_float16(values.type):
        values = values.cast(pa.float32())
    text = pc.cast(values, pa.string())
    by_hand = pc.or_kleene(
        pc.match_substring_regex(text, r"[a-z]|^-0$"), pc.greater_equal(pc.abs(values), float(EXACT))
    )
    by_hand = pc.fill_null(by_hand, False)
    places = pc.indices_nonzero(by_hand).to_pylist()
    if not places:
        return text
    fresh: list[str | None] = []
    for place in places:
        try:
            fresh.append(texts.float(values[place].as_py(), text[place].as_py()))
        except Unsure as error:
            unsure[place] = str(error)
            fresh.append(None)
    return pc.replace_with_mask(text, by_hand, pa.array(fresh, pa.string()))


def _moments(values: Any, texts: Texts, unsure: dict[int, str]) -> Any:
    """Dates, each value once: a column holds the same days again and again."""
    import pyarrow as pa
    import pyarrow.compute as pc

    encoded = values.dictionary_encode()
    iso = pc.cast(encoded.dictionary, pa.string())
    fresh = []
    for value, text in zip(encoded.dictionary, iso.to_pylist(), strict=True):
        try:
            moment = value.as_py()
        except (ValueError, OverflowError):  # parts of a second that Python has not, a year beyond 9999
            moment = None
        fresh.append(texts.of(moment) if moment is not None else text)
    beyond = [n for n, text in enumerate(fresh) if text and text.startswith("<")]
    if beyond:  # Arrow writes no such date
        for place, index in enumerate(encoded.indices.to_pylist()):
            if index in beyond:
                unsure[place] = "holds a date that no calendar has"
    return pa.DictionaryArray.from_arrays(encoded.indices, pa.array(fresh, pa.string())).dictionary_decode()


def _without_values(batch: Any, columns: Sequence[Any]) -> set[int]:
    """Places of rows in which nothing stands, neither in the columns that are taken nor in others."""
    import pyarrow.compute as pc

    some = None
    for column in columns:
        filled = pc.fill_null(pc.not_equal(pc.utf8_trim(column, _BLANKS), ""), False)
        some = filled if some is None else pc.or_(some, filled)
    places = pc.indices_nonzero(pc.invert(some)).to_pylist() if some is not None else []
    return {n for n in places if not any(says_something(_as_it_stands(column[n])) for column in batch.columns)}


def _line(batch: Any, place: int) -> str:
    """A row that cannot be told, as it may be shown to people."""
    cells = zip(batch.schema.names, batch.columns, strict=True)
    return as_json({name: _as_it_stands(column[place]) for name, column in cells})


def _as_it_stands(value: Any) -> Any:
    import pyarrow as pa

    try:
        found = value.as_py()
    except UnicodeDecodeError:
        found = value.cast(pa.binary()).as_py()
    except ValueError:  # parts of a second that Python has not
        found = value.cast(pa.string()).as_py()
    return found.decode(errors="backslashreplace") if isinstance(found, bytes) else found


def _edited_lines(batch: Any, columns: list[Any], edits: Edits, first: int) -> list[Any]:
    """The columns of a batch with the rows that cannot be told as `edits` say: as far as that is JSON, by its names."""
    import pyarrow as pa

    for number in edits.cells:
        place = number - first
        now = edits.line(number, _line(batch, place)) if 0 <= place < batch.num_rows else None
        if now is None:
            continue
        try:
            said = json.loads(now)
        except ValueError:
            said = {}
        for n, name in enumerate(batch.schema.names):
            old, new = _as_it_stands(columns[n][place]), said.get(name) if isinstance(said, dict) else None
            if json.loads(as_json({"": old})) != {"": new}:
                value = pa.array([_value(str(new), columns[n].type) if new is not None else None], columns[n].type)
                columns[n] = pa.concat_arrays([columns[n].slice(0, place), value, columns[n].slice(place + 1)])
    return columns


def _edited(column: Any, edits: Edits, first: int, as_read: Texts) -> Any:
    """A column of a batch, whose first row has the number `first`, with its cells as `edits` say."""
    import pyarrow as pa

    places = [n - first for n in edits.cells if first <= n < first + len(column)]
    try:
        texts = _as_text(column.take(pa.array(places, pa.int64())), as_read, {}).to_pylist()
    except (pa.ArrowInvalid, pa.ArrowNotImplementedError):
        return column  # of a kind that is never read as text: none of its cells can be meant
    taken = list(range(len(column)))
    fresh: list[Any] = []
    for place, text in zip(places, texts, strict=True):
        now = None if text is None else edits.cell(place + first, text)
        if now is not None and now != text:
            taken[place] = len(column) + len(fresh)
            fresh.append(_value(now, column.type))
    if not fresh:
        return column
    return pa.concat_arrays([column, pa.array(fresh, column.type)]).take(pa.array(taken, pa.int64()))


def _value(text: str, kind: Any) -> Any:
    """`text` as a value of a type; None where it is none."""
    import pyarrow as pa

    if pa.types.is_dictionary(kind):
        kind = kind.value_type
    if pa.types.is_string(kind) or pa.types.is_large_string(kind):
        return text
    if pa.types.is_nested(kind):
        with contextlib.suppress(ValueError, TypeError, pa.ArrowException):
            return pa.scalar(json.loads(text), kind).as_py()
    return text.encode() if pa.types.is_binary(kind) or pa.types.is_large_binary(kind) else None


def _texts(column: Any) -> bytes:
    import pyarrow as pa

    if pa.types.is_nested(column.type):
        return str(column.to_pylist()).encode("utf-8", "surrogateescape")
    values = column.dictionary if pa.types.is_dictionary(column.type) else column.unique()
    if pa.types.is_string(values.type):
        values = values.cast(pa.binary())  # bytes that are no text may hold a name all the same
    return b"\n".join(v if isinstance(v, bytes) else str(v).encode() for v in values.to_pylist() if v is not None)
