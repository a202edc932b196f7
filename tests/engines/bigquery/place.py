"""A dataset on each of the two engines, so that the same files can be sent to both and the tables be compared."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path
from typing import Any

from platform_assets.contracts.model import Contract
from platform_assets.engines.bigquery.engine import BigQueryEngine
from platform_assets.engines.bigquery.loading.load import BigLoadReport, load_dataset
from platform_assets.ingest.load import LoadReport
from platform_assets.ingest.tables import Tables
from platform_assets.office import NEIGHBOURS
from resources.environment import Platform
from resources.gcp.bigquery import BigQuery
from resources.identity import IdentityKeys
from resources.lake.warehouse import Warehouse
from resources.object_store import LocalStore
from tests.conftest import Bench

FIGURES = (
    "file", "status", "reason", "rows_in", "valid", "quarantined", "superseded", "malformed", "inserted", "updated",
    "unchanged", "removed", "merged", "partitions", "drift", "reasons",
)  # fmt: skip

SMALL: dict[str, Any] = {
    "sample_id": {"type": "string"},
    "viral_load": {"type": "integer"},
}
"""Columns of a contract whose SQL is short: the emulator takes most of its time to read SQL."""


@dataclass
class BigBench:
    """One dataset on BigQuery: drop files, load, look. `home` is the folder of its store, and the bucket where there is one."""

    engine: BigQuery
    contract: Contract
    warehouse: Warehouse
    home: Path
    keys: IdentityKeys
    bucket: str = ""

    @property
    def store(self) -> LocalStore:
        return LocalStore(self.home)

    @property
    def asked(self) -> BigQueryEngine:
        """The engine as the platform asks it."""
        return BigQueryEngine(
            self.engine, self.warehouse, self.store, self.keys, self.bucket, settle_seconds=0, neighbours=NEIGHBOURS
        )

    def drop(self, name: str, data: bytes | str) -> None:
        target = self.home / "landing" / self.contract.name / name
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(data.encode() if isinstance(data, str) else data)

    def load(self) -> BigLoadReport:
        return load_dataset(
            self.contract,
            self.engine,
            self.warehouse,
            self.store,
            self.keys,
            bucket=self.bucket,
            neighbours=NEIGHBOURS,
            settle_seconds=0,
        )

    def send(self, name: str, data: bytes | str) -> BigLoadReport:
        self.drop(name, data)
        return self.load()

    def sql(self, query: str) -> list[tuple[Any, ...]]:
        """Rows of `query`, in which {raw}, {validated} and {quarantine} stand for the tables."""
        tables = {layer: f"{layer}.{self.contract.name}" for layer in ("raw", "validated", "quarantine")}
        return [tuple(row.values()) for row in self.engine.query(query.format(**tables))]

    def to_be_mended(self) -> list[tuple[Any, ...]]:
        """What stewards see: the lake's quarantine beside BigQuery."""
        table = Tables(self.contract).quarantine
        with self.warehouse.connect() as connection:
            if not self.warehouse.columns(connection, table):
                return []
            return connection.execute(
                f"SELECT {', '.join(mended_columns(self.contract))} FROM {table} ORDER BY ALL"
            ).fetchall()

    def files(self, folder: str) -> list[str]:
        root = self.home / folder / self.contract.name
        return sorted(p.name for p in root.rglob("*") if p.is_file())


@dataclass
class Both:
    """The lake's bench and BigQuery's, of one contract."""

    lake: Bench
    big: BigBench

    def send(self, files: Mapping[str, bytes | str]) -> tuple[LoadReport, BigLoadReport]:
        """Drop `files` on both sides and load them as one batch."""
        for name, data in files.items():
            self.lake.drop(name, data)
            self.big.drop(name, data)
        return self.lake.load(), self.big.load()

    def under(self, contract: Contract) -> Both:
        """The same tables under another contract."""
        big = BigBench(self.big.engine, contract, self.big.warehouse, self.big.home, self.big.keys, self.big.bucket)
        return Both(Bench(self.lake.platform, contract), big)

    def assert_equal(self) -> dict[str, list[tuple[Any, ...]]]:
        """The tables and the ledger are the same on both engines. Returns them."""
        contract = self.lake.contract
        typed = [*contract.columns, "_delivery", "_row"]
        texts = list(contract.file_columns)
        period = (["_partition"], ["_period"]) if contract.partition else ([], [])
        asked = f"SELECT delivery, file FROM platform.ledger WHERE dataset = '{contract.name}'"
        known = [dict(bench.sql(asked)) for bench in (self.lake, self.big)]
        tables: dict[str, list[tuple[Any, ...]]] = {}
        for layer, columns in (
            ("validated", typed),
            ("raw", [*texts, "_file", "_delivery", "_row"]),
            ("quarantine", [*texts, "_text", "_reasons", "_file", "_delivery", "_row"]),
        ):
            ours, theirs = (
                sorted(
                    (named(map(plain, row), ids) for row in bench.sql(f"SELECT {', '.join([*columns, *more])} FROM {{{layer}}}")),
                    key=repr,
                )
                for bench, more, ids in ((self.lake, period[0], known[0]), (self.big, period[1], known[1]))
                for more in [more if layer == "validated" else []]
            )  # fmt: skip
            assert theirs == ours, layer
            tables[layer] = ours
        listed = ", ".join(mended_columns(contract))
        ours, theirs = self.lake.sql(f"SELECT {listed} FROM {{quarantine}}"), self.big.to_be_mended()
        assert sorted((named(r, known[1]) for r in theirs), key=repr) == sorted(
            (named(r, known[0]) for r in ours), key=repr
        )
        where = f"FROM platform.ledger WHERE dataset = '{contract.name}' ORDER BY file, status, rows_in"
        asked = f"SELECT {', '.join(FIGURES)} {where}"
        ledgers = [
            [tuple(in_general(v, ids) for v in row) for row in rows]
            for rows, ids in ((self.lake.sql(asked), known[0]), (self.big.sql(asked), known[1]))
        ]
        assert ledgers[1] == ledgers[0]
        tables["ledger"] = ledgers[0]
        assert self.big.files("landing") == self.lake.files("landing")
        assert self.big.files("archive") == self.lake.files("archive")
        return tables


def in_general(value: Any, files: Mapping[str, str]) -> Any:
    """A reason with the file in the place of an earlier delivery, and without the minute at which that was loaded: one engine may load it
    after the other's minute ended."""
    if not isinstance(value, str):
        return value
    words = re.sub(r" of \d{4}-\d\d-\d\d \d\d:\d\d ", " of some time ", value)
    return re.sub(r"(?<=delivery )[0-9a-f]{16}", lambda found: files[found[0]], words)


def named(row: Iterable[Any], files: Mapping[str, str]) -> tuple[Any, ...]:
    """A row with the file in the place of its delivery: what comes again is named by the file's version, too, which differs on two disks."""
    return tuple(files.get(v, v) if isinstance(v, str) else v for v in row)


def mended_columns(contract: Contract) -> list[str]:
    """Columns of the quarantine but its time."""
    return [f'"{c}"' for c in Tables(contract).quarantine_columns if c != "_quarantined_at"]


def plain(value: Any) -> Any:
    """A value without what only one engine says of it: the zeros at the end of a decimal."""
    return value.normalize() if isinstance(value, Decimal) else value


def both(platform: Platform, engine: BigQuery, contract: Contract, buckets: Path, name: str) -> Both:
    """A fresh pair of benches."""
    home = buckets / name
    big = BigBench(engine, contract, Warehouse(home / "lake"), home, platform.keys, bucket=name)
    return Both(Bench(platform, contract), big)
