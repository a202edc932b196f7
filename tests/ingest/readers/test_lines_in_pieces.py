"""Lines are read some thousand characters at a time: the same as one by one, wherever the pieces end and whatever stands in them."""

from __future__ import annotations

import random
import re
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest

from platform_assets.contracts import Contract
from platform_assets.ingest.readers.apart.limits import Limits
from platform_assets.ingest.readers.formats import lines
from platform_assets.ingest.readers.registry import format_named
from platform_assets.ingest.readers.rows import BROKEN, ROWS, FileRejected, RowWriter

PATTERNS = [r'(?P<a>[^ ]+) "(?P<b>[^"]*)"', r"(?P<b>.+)=(?P<a>\d+)"]
PARTS = [b'x "y"', b'x "', b"k=1", b"=2", b"", b"  ", b"# note", b"\t", 'é "ü"'.encode(), b'\xff "z"', b'x "y"\r', b"\r", b'"', b'q "\x0b"', b"\x0c", "\u2028".encode(), b"# x=1"]  # fmt: skip


def contract(**said: Any) -> Contract:
    return Contract.model_validate(
        {
            "name": "log",
            "description": "A log.",
            "owner": "team:web",
            "format": {"kind": "lines", "lines": PATTERNS, **said},
            "load": {"mode": "append"},
            "columns": {name: {"type": "string", "required": False} for name in ("b", "a")},
        }
    )


def one_by_one(data: bytes, comment: str | None) -> tuple[dict[int, tuple[str | None, ...]], set[int]]:
    """Row -> its cells, and the rows that are broken, as the documentation says it."""
    rows: dict[int, tuple[str | None, ...]] = {}
    broken: set[int] = set()
    text = data.decode("utf-8", "surrogateescape")
    for number, line in enumerate(text.removesuffix("\n").split("\n") if text else [], start=1):
        line = line.rstrip("\r").removeprefix("\ufeff") if number == 1 else line.rstrip("\r")
        if not line.strip() or (comment is not None and line.startswith(comment)):
            continue
        found = next((m for p in PATTERNS if (m := re.fullmatch(p, line))), None)
        if found is None or re.search("[\udc80-\udcff]", line):
            broken.add(number)
        else:
            rows[number] = tuple(found[name] or None for name in ("b", "a"))
    return rows, broken


@pytest.mark.parametrize("piece", [1, 5, 40, 1 << 16])
@pytest.mark.parametrize("comment", [None, "#"])
def test_pieces_change_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, piece: int, comment: str | None
) -> None:
    monkeypatch.setattr(lines, "PIECE", piece)
    said = contract(**({"comment": comment} if comment else {}))
    chance = random.Random(f"{piece}{comment}")
    for number in range(60):
        usual = number % 3 == 0  # pieces in which nothing is odd
        kinds = PARTS[:1] if usual else PARTS
        data = b"\n".join(chance.choice(kinds) for _ in range(chance.randrange(1, 40)))
        data = chance.choice([b"", b"\xef\xbb\xbf"]) + data + chance.choice([b"", b"\n", b"\r\n"])
        (tmp_path / "x.log").write_bytes(data)
        folder = tmp_path / str(number)
        folder.mkdir()
        writer = RowWriter(folder, 0, list(said.file_columns))
        rows, broken = one_by_one(data, comment)
        if not (rows or broken):
            with pytest.raises(FileRejected):
                format_named("lines").stage(tmp_path / "x.log", said, said.format[0], writer, Limits())
            writer.close()
            continue
        format_named("lines").stage(tmp_path / "x.log", said, said.format[0], writer, Limits())
        writer.close()
        found = pq.read_table(folder / ROWS).to_pylist()
        assert {r["_row"]: (r["b"], r["a"]) for r in found} == rows
        told = pq.read_table(folder / BROKEN).to_pylist() if broken else []
        assert {r["_row"] for r in told} == broken
