"""Generated sample data: realistic in shape and errors, seeded, about nobody. `make sample` writes it.

`generate` makes the deliveries; `write` notes their content, so that throwaway identity keys are used for them and for nothing else,
and drops them in landing where nothing else was ever delivered. It writes one table per dataset for R authors
(``sample/<dataset>.csv``), and what their columns are (``sample/columns.tsv``), which ``dev.R`` shows.
"""

from __future__ import annotations

import csv
import datetime as dt
import hashlib
import json
import os
from collections.abc import Callable
from pathlib import Path

from platform_assets.contracts.columns import ColumnType
from platform_assets.contracts.files import read_contracts
from platform_assets.sample import admissions, emergency, literature, operations, sales, surveillance
from platform_assets.sample.rows import Delivery, to_bytes, to_csv
from resources.identity import SAMPLE_MANIFEST

GENERATORS: tuple[Callable[[dt.date], list[Delivery]], ...] = (
    surveillance.lab_results,
    admissions.municipal_admissions,
    admissions.population,
    admissions.hospital_stays,
    emergency.ae_attendances,
    operations.operations,
    literature.drugs,
    literature.pubmed,
    literature.clinical_trials,
    sales.transactions,
    sales.product_nomenclature,
)


R_TYPES = {
    ColumnType.STRING: "text",
    ColumnType.CATEGORICAL: "text",
    ColumnType.LIST: "text",
    ColumnType.INTEGER: "integer",
    ColumnType.DECIMAL: "number",
    ColumnType.FLOAT: "number",
    ColumnType.BOOLEAN: "flag",
    ColumnType.DATE: "date",
    ColumnType.TIMESTAMP: "time",
}
"""The type to write in an @input line for a column of each type."""


def generate(until: dt.date) -> list[Delivery]:
    """Every sample delivery, with data up to `until`; the same day gives the same bytes."""
    return [delivery for generator in GENERATORS for delivery in generator(until)]


def write(home: Path, until: dt.date) -> list[str]:
    """Write the tables for R authors below `home`, and drop the deliveries in ``landing/``; returns the names of these.

    Nothing where that was done before. Nothing is dropped in a home that holds deliveries of others: the next load would put invented
    rows in the place of theirs.
    """
    manifest = home / "sample" / SAMPLE_MANIFEST
    write_columns(home / "sample" / "columns.tsv")
    if manifest.exists():
        return []
    drop = not holds_deliveries(home)
    written, hashes = [], []
    for delivery in generate(until):
        data = to_bytes(delivery)
        hashes.append(hashlib.sha256(data).hexdigest())
        if drop:
            target = home / "landing" / delivery.dataset / delivery.file
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_bytes(data)
            written.append(f"{delivery.dataset}/{delivery.file}")
        if delivery.clean is not None:
            example = home / "sample" / f"{delivery.dataset}.csv"
            example.parent.mkdir(parents=True, exist_ok=True)
            example.write_bytes(to_csv(delivery.clean))
    manifest.write_text(json.dumps(hashes), encoding="utf-8")
    return written


def holds_deliveries(home: Path) -> bool:
    """Whether anything was ever delivered to the platform of `home`: it waits, was taken, or was refused."""
    folders = ("landing", "archive", "rejected", "lake/data")
    if any(path.is_file() for folder in folders for path in (home / folder).rglob("*")):
        return True
    # state that lies elsewhere cannot be looked into from here
    return os.environ.get("PLATFORM_ENV", "laptop") != "laptop"


def write_columns(path: Path) -> None:
    """Table, column, type and meaning of everything that a script can read, as the contracts say it now."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("w", encoding="utf-8", newline="") as file:
        rows = csv.writer(file, delimiter="\t", lineterminator="\n")
        rows.writerow(["table", "column", "type", "meaning"])
        for name, contract in read_contracts().items():
            for column, declared in contract.columns.items():
                rows.writerow([name, column, R_TYPES[declared.type], " ".join(declared.description.split())])
