"""An indicator's table as files for people and programs: Parquet, CSV and metadata, small counts left out."""

from __future__ import annotations

import io
import json
from dataclasses import dataclass
from typing import TYPE_CHECKING

from platform_assets.disclosure.small_numbers import hide_small
from platform_assets.indicators import receipts
from platform_assets.indicators.model import Indicator
from platform_assets.people_csv import csv_bytes

if TYPE_CHECKING:
    import pandas as pd

    from resources.environment import Platform

FORMAT = 2
"""Raised when the published files change in form."""


@dataclass(frozen=True)
class Product:
    """The published files."""

    files: tuple[str, ...]
    rows: int
    suppressed: int
    version: str
    written: bool
    """False where the files were up to date already."""


def protected_table(indicator: Indicator, platform: Platform) -> pd.DataFrame:
    """The table as it may be shown: whole numbers of 1 to 7, and the figures of their rows, are missing."""
    with platform.warehouse.connect(read_only=True) as connection:
        frame = connection.execute(f"SELECT * FROM indicators.{indicator.name}").df()
    counts = [c.name for c in indicator.outputs.values() if c.type == "integer"]
    derived = [c.name for c in indicator.outputs.values() if c.type == "number"]
    return hide_small(frame, counts, derived)


def publish_product(indicator: Indicator, platform: Platform) -> Product:
    """Write ``products/<name>/<name>.{parquet,csv,json}`` where the table has changed. The metadata comes last."""
    with platform.warehouse.connect(read_only=True) as connection:
        receipt = receipts.last(connection, indicator.name)
    assert receipt is not None, "a product follows its indicator"
    stem = f"products/{indicator.name}/{indicator.name}"
    names = tuple(f"{stem}.{ending}" for ending in ("parquet", "csv", "json"))
    version = f"{receipt.data_version}-{FORMAT}"
    if platform.store.stat(names[2]):
        with platform.store.open(names[2]) as file:
            published = json.loads(file.read())
        if published.get("version") == version and all(platform.store.stat(n) for n in names):
            return Product(names, published["rows"], published["suppressed_rows"], version, written=False)
    frame = protected_table(indicator, platform)
    buffer = io.BytesIO()
    frame.to_parquet(buffer, index=False)
    suppressed = int(frame["suppressed"].sum())
    about = {
        "version": version,
        "title": indicator.title,
        "description": indicator.description,
        "unit": indicator.unit,
        "direction": indicator.direction,
        "definition_version": indicator.version,
        "minimum_n": indicator.minimum_n,
        "owner": indicator.owner,
        "columns": {c.name: {"type": c.type, "meaning": c.help} for c in indicator.outputs.values()},
        "plots": {p.name: f"plots/{p.name}.svg" for p in indicator.plots.values()},
        "disclosure": "whole numbers of 1 to 7, and the figures of their rows, are left out; the column suppressed says where",
        "rows": len(frame),
        "suppressed_rows": suppressed,
        "made_at": receipt.made_at.isoformat(),
        "code_version": receipt.code_version,
        "made_from": {n: vars(t) for n, t in receipt.inputs.items()},
        "params": dict(receipt.params),
        "session": dict(receipt.session),
    }
    platform.store.write(names[0], buffer.getvalue())
    platform.store.write(names[1], csv_bytes(frame))
    platform.store.write(names[2], json.dumps(about, indent=2, ensure_ascii=False).encode())
    return Product(names, len(frame), suppressed, version, written=True)
