"""Tables between Arrow and R, by buffer: exact, or an ExchangeError that says which column and why.

Runs in the child process that hosts R. Uses Arrow's own kernels only: neither pandas nor numpy is loaded there.

| declared | Arrow in                        | R                      | Arrow out        |
|----------|---------------------------------|------------------------|------------------|
| text     | string, dictionary, or a number | character              | string           |
| integer  | any integer, decimal(p, 0)      | integer, or double (1) | int64            |
| number   | float, integer, decimal         | double                 | double           |
| flag     | bool                            | logical                | bool             |
| date     | date32, date64                  | Date                   | date32           |
| time     | timestamp, any unit and zone    | POSIXct (2)            | timestamp us UTC |

(1) integer where every value fits 32 bits; double, which counts exactly to 2^53, where one does not.
(2) in the column's zone; a timestamp without one is read as UTC. Resolution: one microsecond.
Null is NA and NA is null for every type; NaN stays NaN.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
import rpy2.rinterface as ri
from rpy2.rinterface_lib import openrlib

from resources.r_child.types import arrow_schema, arrow_types

_TYPES = arrow_types()


_NA_INTEGER = -(2**31)
_NA_INTEGER64 = -(2**63)
_NA_REAL_BITS = 0x7FF00000000007A2  # R's NA_real_: a NaN whose low word is 1954
_LOW_WORD = 0xFFFFFFFF
_EXACT = 2**53
_SEPARATORS = ("\x1f", "\x1e", "\x1d", "\x01", "\n")


class ExchangeError(ValueError):
    """A column that has no exact counterpart on the other side. Names the column, never a value."""


class Exchange:
    """Converts tables with the functions of `harness/exchange.R`; `harness` is the R environment that holds them."""

    def __init__(self, harness: Any) -> None:
        self._r = harness

    # --- Arrow -> R -----------------------------------------------------------------------------------------

    def read_parquet(self, path: Path | str, columns: Mapping[str, str]) -> Any:
        """The declared columns (name -> type) of a Parquet file as an R data frame, one column at a time."""
        with pq.ParquetFile(path, memory_map=True) as file:
            available = set(file.schema_arrow.names)
            missing = [name for name in columns if name not in available]
            if missing:
                raise ExchangeError(
                    f"the table has no column {', '.join(map(_quoted, missing))}; "
                    f"it has {', '.join(file.schema_arrow.names)}"
                )
            vectors = [
                self.to_r(file.read(columns=[name], use_threads=False)[name], kind, name)
                for name, kind in columns.items()
            ]
            return self._frame(vectors, list(columns), file.metadata.num_rows)

    def frame_to_r(self, table: pa.Table, columns: Mapping[str, str]) -> Any:
        """An Arrow table as an R data frame."""
        vectors = [self.to_r(table[name], kind, name) for name, kind in columns.items()]
        return self._frame(vectors, list(columns), table.num_rows)

    def _frame(self, vectors: list[Any], names: list[str], rows: int) -> Any:
        return self._r["frame_of"](ri.ListSexpVector(vectors), ri.StrSexpVector(names), rows)

    def to_r(self, column: pa.ChunkedArray, kind: str, name: str) -> Any:
        """One Arrow column as an R vector of the declared type."""
        array = _one_chunk(column)
        try:
            return getattr(self, f"_{kind}_to_r")(array)
        except _NoCounterpart as error:
            raise ExchangeError(f'column "{name}" {error}') from None
        except pa.ArrowInvalid:
            raise ExchangeError(f'column "{name}" ({array.type}) is not exact as <{kind}>') from None

    def _text_to_r(self, array: pa.Array) -> Any:
        kind = array.type
        if pa.types.is_integer(kind) or pa.types.is_decimal(kind):
            array = array.cast(pa.string())
        elif pa.types.is_dictionary(kind):
            values = array.dictionary
            if not _is_text(values.type):
                raise _NoCounterpart.of(kind, "text")
            return self._levels_to_r(values.cast(pa.large_string()), array.indices)
        elif not (_is_text(kind) or pa.types.is_null(kind)):
            raise _NoCounterpart.of(kind, "text")
        array = array.cast(pa.large_string())
        probe = array.take(pa.array(range(0, len(array), max(1, len(array) // 2000)), pa.int64()))
        if len(probe) and len(probe.unique()) < 0.5 * len(probe):
            encoded = array.dictionary_encode()
            return self._levels_to_r(encoded.dictionary, encoded.indices)
        missing = pc.indices_nonzero(array.is_null()) if array.null_count else pa.array([], pa.uint64())
        block, separator = _block(array)
        positions = pc.add(missing, 1).cast(pa.float64())
        return self._r["text_from_block"](block, len(array), _doubles(positions), separator)

    def _levels_to_r(self, levels: pa.Array, indices: pa.Array) -> Any:
        if levels.null_count:  # a dictionary may itself hold null: decode, so that it becomes NA
            return self._text_to_r(levels.take(indices))
        block, separator = _block(levels)
        codes = pc.fill_null(pc.add(indices.cast(pa.int32()), 1), _NA_INTEGER)
        return self._r["text_from_levels"](block, len(levels), separator, _integers(codes))

    def _integer_to_r(self, array: pa.Array) -> Any:
        kind = array.type
        if pa.types.is_decimal(kind) and kind.scale == 0:
            array = array.cast(pa.int64())
        elif not (pa.types.is_integer(kind) or pa.types.is_null(kind)):
            raise _NoCounterpart.of(kind, "integer")
        elif pa.types.is_null(kind):
            array = array.cast(pa.int64())
        limits = pc.min_max(array).as_py()
        low, high = limits["min"] or 0, limits["max"] or 0
        if low > _NA_INTEGER and high < 2**31:
            return _integers(pc.fill_null(array.cast(pa.int32()), _NA_INTEGER))
        return _doubles(_whole_as_double(array, low, high))

    def _number_to_r(self, array: pa.Array) -> Any:
        kind = array.type
        if pa.types.is_integer(kind):
            limits = pc.min_max(array).as_py()
            array = _whole_as_double(array, limits["min"] or 0, limits["max"] or 0)
        elif pa.types.is_decimal(kind):
            number = array.cast(pa.float64())
            if not pc.all(pc.equal(number.cast(kind, safe=False), array), min_count=0).as_py():
                raise _NoCounterpart("has more digits than an R number holds; declare it <text>")
            array = number
        elif not (pa.types.is_floating(kind) or pa.types.is_null(kind)):
            raise _NoCounterpart.of(kind, "number")
        return _doubles(array.cast(pa.float64()))

    def _flag_to_r(self, array: pa.Array) -> Any:
        if not (pa.types.is_boolean(array.type) or pa.types.is_null(array.type)):
            raise _NoCounterpart.of(array.type, "flag")
        return self._r["as_flag"](_integers(pc.fill_null(array.cast(pa.int32()), _NA_INTEGER)))

    def _date_to_r(self, array: pa.Array) -> Any:
        if not (pa.types.is_date(array.type) or pa.types.is_null(array.type)):
            raise _NoCounterpart.of(array.type, "date")
        days = array.cast(pa.date32()).cast(pa.int32())
        return self._r["as_date"](_doubles(days.cast(pa.float64())))

    def _time_to_r(self, array: pa.Array) -> Any:
        kind = array.type
        if not (pa.types.is_timestamp(kind) or pa.types.is_null(kind)):
            raise _NoCounterpart.of(kind, "time")
        zone = getattr(kind, "tz", None) or "UTC"
        micros = array.cast(pa.timestamp("us", tz=getattr(kind, "tz", None))).cast(pa.int64())
        seconds = pc.divide(micros.cast(pa.float64(), safe=False), 1e6)
        if not pc.all(pc.equal(_micros(seconds), micros), min_count=0).as_py():
            raise _NoCounterpart("holds a time too far from 1970 for R to keep its microseconds")
        return self._r["as_time"](_doubles(seconds), zone)

    # --- R -> Arrow -----------------------------------------------------------------------------------------

    def frame_to_arrow(self, frame: Any, columns: Mapping[str, str]) -> pa.Table:
        """A checked R data frame (see `check_result` in contract.R) as an Arrow table of the declared types."""
        arrays = []
        for index, (name, kind) in enumerate(columns.items()):
            packed = self._r["pack_column"](frame[index])
            if packed[0][0] not in _FORMS[kind]:
                raise ExchangeError(f'column "{name}" left R as {packed[0][0]}, which is not <{kind}>')
            try:
                arrays.append(_unpack(packed, kind))
            except pa.ArrowInvalid:
                raise ExchangeError(f'column "{name}" is not exact as <{kind}>') from None
        return pa.Table.from_arrays(arrays, schema=arrow_schema(columns))


class _NoCounterpart(ValueError):
    @classmethod
    def of(cls, kind: pa.DataType, declared: str) -> _NoCounterpart:
        return cls(f"is {_plain(kind)} in the table, @input says <{declared}>")


def _plain(kind: pa.DataType) -> str:
    for test, word in (
        (pa.types.is_integer, "<integer>"),
        (pa.types.is_floating, "<number>"),
        (pa.types.is_boolean, "<flag>"),
        (pa.types.is_date, "<date>"),
        (pa.types.is_timestamp, "<time>"),
        (_is_text, "<text>"),
    ):
        if test(kind):
            return word
    return str(kind)


def _is_text(kind: pa.DataType) -> bool:
    return pa.types.is_string(kind) or pa.types.is_large_string(kind) or pa.types.is_string_view(kind)


def _quoted(name: str) -> str:
    return f'"{name}"'


def _one_chunk(column: pa.ChunkedArray | pa.Array) -> pa.Array:
    if isinstance(column, pa.Array):
        return column
    if column.num_chunks == 1:
        return column.chunk(0)
    if column.num_chunks == 0:
        return pa.array([], column.type)
    if pa.types.is_dictionary(column.type):
        column = column.unify_dictionaries()
    return pa.concat_arrays(column.chunks)


def _block(array: pa.Array) -> tuple[Any, str]:
    """Strings (no nulls looked at) as one raw vector: NUL after each if ASCII, else a free separator after each."""
    if len(array) == 0:
        return ri.ByteSexpVector(b""), ""
    array = pc.fill_null(array, "")
    text = _text_bytes(array)
    if b"\0" in text:
        raise _NoCounterpart("holds a NUL character, which R text cannot hold; clean it in the dataset's contract")
    separator = ""
    if not text.isascii():
        separator = next((s for s in _SEPARATORS if s.encode() not in text), "")
        if not separator:
            raise _NoCounterpart("mixes every control character that could separate its values; clean it first")
    empty, end = (pa.scalar(piece, pa.large_string()) for piece in ("", separator or "\0"))
    joined = pc.binary_join_element_wise(array, empty, end)
    return ri.ByteSexpVector.from_memoryview(memoryview(_text_bytes(joined))), separator


def _text_bytes(array: pa.Array) -> bytes:
    """The bytes of a large_string array, without what lies outside its slice."""
    _, offsets, data = array.buffers()
    if data is None:
        return b""
    ends = memoryview(offsets).cast("q")
    return memoryview(data)[ends[array.offset] : ends[array.offset + len(array)]].tobytes()


def _whole_as_double(array: pa.Array, low: int, high: int) -> pa.Array:
    if low < -_EXACT or high > _EXACT:
        raise _NoCounterpart("holds whole numbers beyond 2^53, where R cannot count exactly; declare it <text>")
    return array.cast(pa.float64())


def _values(array: pa.Array, code: Literal["i", "d"], size: int) -> Any:
    data = array.buffers()[1]
    if data is None:
        return memoryview(b"").cast(code)
    return memoryview(data)[array.offset * size : (array.offset + len(array)) * size].cast(code)


def _integers(array: pa.Array) -> Any:
    array = array.cast(pa.int32())  # arithmetic with a Python number gives int64, whose bytes R would read as pairs
    return ri.IntSexpVector.from_memoryview(_values(array, "i", 4)) if len(array) else ri.IntSexpVector([])


def _doubles(array: pa.Array) -> Any:
    if not len(array):
        return ri.FloatSexpVector([])
    if array.null_count:
        bits = pc.fill_null(array.view(pa.int64()), _NA_REAL_BITS)
        array = bits.view(pa.float64())
    return ri.FloatSexpVector.from_memoryview(_values(array, "d", 8))


def _micros(seconds: pa.Array) -> pa.Array:
    return pc.round(pc.multiply(seconds, 1e6)).cast(pa.int64())


# Forms of pack_column() in exchange.R that each declared type may have.
_FORMS = {
    "text": ("block", "levels"),
    "integer": ("integer", "double", "integer64"),
    "number": ("double",),
    "flag": ("logical",),
    "date": ("double",),
    "time": ("double",),
}


# --- R vectors as Arrow -------------------------------------------------------------------------------------


def _unpack(packed: Any, kind: str) -> pa.Array:
    form = packed[0][0]
    if form == "block":
        return _text(packed[1], packed[2][0], packed[3])
    if form == "levels":
        codes = _without_na(_borrow(packed[3]))
        return _text(packed[1], packed[2][0], None).take(pc.subtract(codes, 1))
    if form == "integer64":
        numbers = _borrow(packed[1]).view(pa.int64())
        return _nulls_where(numbers, pc.equal(numbers, _NA_INTEGER64))
    values = _without_na(_borrow(packed[1]))
    if kind == "flag":
        return values.cast(pa.bool_())
    if kind == "date":
        return values.cast(pa.int32()).cast(pa.date32())
    if kind == "time":
        return _micros(values.cast(pa.float64())).cast(_TYPES["time"])
    return values.cast(_TYPES[kind])


def _borrow(vector: Any) -> pa.Array:
    """An R integer, logical or double vector as Arrow, without a copy. R does not move vectors while they are held."""
    length, sexp = len(vector), vector.__sexp__._cdata
    double = isinstance(vector, ri.FloatSexpVector)
    if not length:
        return pa.array([], pa.float64() if double else pa.int32())
    pointer = openrlib.REAL(sexp) if double else openrlib.INTEGER(sexp)
    address = int(openrlib.ffi.cast("uintptr_t", pointer))
    buffer = pa.foreign_buffer(address, length * (8 if double else 4), base=vector)
    return pa.Array.from_buffers(pa.float64() if double else pa.int32(), length, [None, buffer])


def _without_na(array: pa.Array) -> pa.Array:
    """R's NA as null. NaN that is not NA stays."""
    if pa.types.is_int32(array.type):
        return _nulls_where(array, pc.equal(array, _NA_INTEGER))
    nan = pc.is_nan(array)
    if not pc.any(nan, min_count=0).as_py():
        return array
    low_word = pc.bit_wise_and(array.view(pa.int64()), _LOW_WORD)
    return _nulls_where(array, pc.and_(nan, pc.equal(low_word, 1954)))


def _nulls_where(array: pa.Array, condition: pa.Array) -> pa.Array:
    if not pc.any(condition, min_count=0).as_py():
        return array
    return pc.if_else(condition, pa.scalar(None, array.type), array)


def _text(block: Any, length: int, missing: Any) -> pa.Array:
    """NUL-terminated strings (raw vector) as an Arrow string array; `missing` marks NA."""
    if not length:
        return pa.array([], pa.string())
    size = len(block)
    address = int(openrlib.ffi.cast("uintptr_t", openrlib.RAW(block.__sexp__._cdata)))
    whole = pa.foreign_buffer(address, size, base=block)
    one = pa.Array.from_buffers(pa.large_binary(), 1, [None, pa.array([0, size], pa.int64()).buffers()[1], whole])
    # cast to string first: it checks that the bytes are UTF-8
    pieces = pc.split_pattern(one.cast(pa.large_string()), "\0").flatten()[:length].cast(pa.string())
    if missing is None or not len(missing):
        return pieces
    return _nulls_where(pieces, _borrow(missing).cast(pa.bool_()))
