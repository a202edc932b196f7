"""Receipts: which script, inputs, parameters and versions made an indicator's table. Enough to make it again, byte for byte."""

from __future__ import annotations

import datetime as dt
import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import duckdb

    from resources.lake.warehouse import Warehouse
    from resources.r_runtime import Session, Warned

TABLE = "platform.receipts"
COLUMNS = {
    "indicator": "VARCHAR",
    "made_at": "TIMESTAMP",
    "run": "VARCHAR",
    "code_version": "VARCHAR",
    "files": "VARCHAR",
    "inputs": "VARCHAR",
    "params": "VARCHAR",
    "session": "VARCHAR",
    "rows": "BIGINT",
    "sha256": "VARCHAR",
}


@dataclass(frozen=True)
class UsedTable:
    """An input as it was read."""

    table: str
    snapshot: int
    rows: int


@dataclass(frozen=True)
class Receipt:
    """How one table was made."""

    indicator: str
    made_at: dt.datetime
    """UTC."""
    run: str
    code_version: str
    """Hash of script, sourced files and harness."""
    files: Mapping[str, str]
    """Script, sourced files, harness and contracts of the inputs -> SHA-256; their texts are kept by it (`texts`)."""
    inputs: Mapping[str, UsedTable]
    params: Mapping[str, str]
    session: Mapping[str, Any]
    """R version, locale, time zone, package versions, and notes on the script."""
    rows: int
    sha256: str
    """Hash of the output's Parquet file."""

    def same_work(self, code_version: str, inputs: Mapping[str, UsedTable], params: Mapping[str, str]) -> bool:
        """Whether running now would repeat exactly what this receipt says."""
        return (self.code_version, dict(self.inputs), dict(self.params)) == (code_version, dict(inputs), dict(params))

    @property
    def data_version(self) -> str:
        """Changes with the content of the table, and only with it."""
        return self.sha256[:16]

    @property
    def notes(self) -> tuple[str, ...]:
        """Columns and parameters that the script asked for and that were not there."""
        return tuple(self.session.get("notes", ()))


def ensure(warehouse: Warehouse, connection: duckdb.DuckDBPyConnection) -> None:
    """Create the table of receipts where there is none."""
    warehouse.ensure_table(connection, TABLE, COLUMNS)


def last(connection: duckdb.DuckDBPyConnection, indicator: str) -> Receipt | None:
    """The receipt of the table as it stands; None where it was never made."""
    return _read(connection, "indicator = ?", [indicator])


def _read(connection: duckdb.DuckDBPyConnection, where: str, parameters: list[str]) -> Receipt | None:
    row = connection.execute(
        f"SELECT {', '.join(COLUMNS)} FROM {TABLE} WHERE {where} ORDER BY made_at DESC LIMIT 1", parameters
    ).fetchone()
    if row is None:
        return None
    values = dict(zip(COLUMNS, row, strict=True))
    for name in ("files", "inputs", "params", "session"):
        values[name] = json.loads(values[name])
    values["inputs"] = {name: UsedTable(**used) for name, used in values["inputs"].items()}
    return Receipt(**values)


def of_code(connection: duckdb.DuckDBPyConnection, indicator: str, code_version: str) -> Receipt | None:
    """A receipt of the indicator by the code of `code_version`; None where there is none."""
    return _read(connection, "indicator = ? AND code_version = ?", [indicator, code_version])


def newest(warehouse: Warehouse, connection: duckdb.DuckDBPyConnection) -> list[tuple[str, int, dt.datetime]]:
    """Indicator, rows and moment (UTC) of every table as it was last made."""
    if not warehouse.columns(connection, TABLE):
        return []
    return connection.execute(
        f"SELECT indicator, arg_max(rows, made_at), max(made_at) FROM {TABLE} GROUP BY 1 ORDER BY 1"
    ).fetchall()


def write(connection: duckdb.DuckDBPyConnection, receipt: Receipt) -> None:
    """Keep `receipt`; to be called in the transaction that replaces the table."""
    inputs = {name: vars(used) for name, used in receipt.inputs.items()}
    texts = [json.dumps(dict(v), sort_keys=True) for v in (receipt.files, inputs, receipt.params, receipt.session)]
    connection.execute(
        f"INSERT INTO {TABLE} ({', '.join(COLUMNS)}) VALUES ({', '.join('?' * len(COLUMNS))})",
        [receipt.indicator, receipt.made_at, receipt.run, receipt.code_version, *texts, receipt.rows, receipt.sha256],
    )


def session_of(session: Session, notes: Sequence[Warned] = ()) -> dict[str, Any]:
    """The session as plain values, with the notes on the script where there are any."""
    noted = {"notes": [str(note) for note in notes]} if notes else {}
    return {
        "r": session.r,
        "platform": session.platform,
        "locale": session.locale,
        "timezone": session.timezone,
        "packages": dict(session.packages),
        **noted,
    }


def file_hash(path: Path) -> str:
    """SHA-256 of a file, hex."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
