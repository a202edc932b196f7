"""Parquet: columns with types. Every value becomes text, to be judged as any other."""

from __future__ import annotations

import contextlib
import io
import json
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import IO, Any

from platform_assets.contracts.model import Contract, FileFormat
from platform_assets.ingest.readers.header import match_header
from platform_assets.ingest.readers.interface import Edits, Format
from platform_assets.ingest.readers.limits import Limits, setting
from platform_assets.ingest.readers.records import text_of
from platform_assets.ingest.readers.staged import BATCH, FileRejected, Header, RowWriter


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
        import pyarrow as pa
        import pyarrow.parquet as pq

        try:
            with pq.ParquetFile(path, pre_buffer=False) as file:
                if file.metadata.num_rows > limits.rows:
                    raise FileRejected(
                        f"the file says that it holds {file.metadata.num_rows:,} rows, more than {limits.rows:,}: deliver it in "
                        f"parts. For files that are so long raise {setting('rows')}"
                    )
                header = match_header(file.schema_arrow.names, contract, fmt)
                row = 0
                for batch in file.iter_batches(BATCH, use_threads=False):
                    columns = []
                    for column in contract.file_columns:
                        if column not in header.positions:
                            columns.append(pa.nulls(batch.num_rows, pa.string()))
                            continue
                        columns.append(_as_text(batch.column(header.positions[column]), limits))
                    writer.write(range(row + 1, row + 1 + batch.num_rows), columns)
                    row += batch.num_rows
                return header
        except pa.ArrowMemoryError:
            raise MemoryError from None
        except (pa.ArrowException, OSError) as error:
            raise FileRejected(f"the file is not readable Parquet ({type(error).__name__}): was it cut off?") from None

    def written(self, fmt: FileFormat, headers: Sequence[str], rows: Sequence[Sequence[str | None]]) -> bytes:
        """See `Format`. All columns as text."""
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
            if edits.cells:
                schema = pa.schema([f.with_nullable(True) for f in schema], schema.metadata)
            with pq.ParquetWriter(target, schema, compression="zstd") as new:
                row = 0
                for batch in file.iter_batches(BATCH, use_threads=False):
                    columns = [_edited(column, edits, row + 1, limits) for column in batch.columns]
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


def _as_text(values: Any, limits: Limits) -> Any:
    """Values of a column as text."""
    import pyarrow as pa
    import pyarrow.compute as pc

    if pa.types.is_nested(values.type):
        values = pa.array([text_of(v, limits.digits) for v in values.to_pylist()], pa.string())
    text = pc.cast(values, pa.string())
    text.validate(full=True)  # a writer may have put bytes that are no UTF-8 into a text column
    return pc.replace_substring_regex(text, r"\.0+(Z?)$", r"\1") if pa.types.is_timestamp(values.type) else text


def _edited(column: Any, edits: Edits, first: int, limits: Limits) -> Any:
    """A column of a batch, whose first row has the number `first`, with its cells as `edits` say."""
    import pyarrow as pa

    places = [n - first for n in edits.cells if first <= n < first + len(column)]
    try:
        texts = _as_text(column.take(pa.array(places, pa.int64())), limits).to_pylist()
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
