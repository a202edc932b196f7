"""What the erasure tests share: a platform with an eraser, and an independent search of all bytes."""

from __future__ import annotations

import gzip
import io
import sqlite3
import zipfile
from collections.abc import Callable, Collection
from pathlib import Path

import duckdb

from platform_assets.contracts import Contract
from platform_assets.erasure.eraser import Eraser
from platform_assets.erasure.targets import Target
from platform_assets.office import Office
from tests.places import SECOND, STEWARD, Place


def eraser(place: Place, on_step: Callable[[str], None] = lambda _: None, *others: Contract) -> Eraser:
    return office(place, *others).eraser(on_step)


def office(place: Place, *others: Contract) -> Office:
    """The office of the platform that `place` is."""
    return place.office(*others)


def subject(patient: str) -> Target:
    return Target("lab_results", {"patient_id": patient}, subject=True)


def record(sample: str, date: str) -> Target:
    return Target("lab_results", {"sample_id": sample, "test_date": date})


def approved(place: Place, *targets: Target) -> str:
    """The number of an approved request."""
    work = eraser(place)
    number = work.submit(targets, "right to erasure, letter 17", STEWARD).id
    work.requests.approve(number, SECOND)
    return number


def erase(place: Place, *targets: Target) -> dict[str, object]:
    return eraser(place).execute(approved(place, *targets), SECOND)


def everything(home: Path) -> dict[str, bytes]:
    """All that can be read in all files: as they are, unpacked, and every cell of every Parquet file and SQLite table."""
    contents: dict[str, bytes] = {}
    for path in home.rglob("*"):
        if not path.is_file():
            continue
        data = path.read_bytes()
        parts = [path.relative_to(home).as_posix().encode(), data]
        if data[:2] == b"\x1f\x8b":
            parts.append(gzip.decompress(data))
        if data[:4] == b"PK\x03\x04":
            with zipfile.ZipFile(io.BytesIO(data)) as archive:
                parts += [archive.read(name) for name in archive.namelist()]
        if data[:4] == b"PAR1":
            parts.append(str(duckdb.sql(f"SELECT * FROM read_parquet('{path}')").fetchall()).encode())
        if data[:15] == b"SQLite format 3":
            with sqlite3.connect(path) as database:
                parts.append("\n".join(database.iterdump()).encode())
        contents[path.relative_to(home).as_posix()] = b"\n".join(parts)
    return contents


def places_of(home: Path, texts: Collection[str]) -> dict[str, list[str]]:
    """Where `texts` stand."""
    found: dict[str, list[str]] = {}
    for name, content in everything(home).items():
        for text in texts:
            if text.encode() in content:
                found.setdefault(text, []).append(name)
    return found
