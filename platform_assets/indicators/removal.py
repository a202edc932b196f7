"""Takes away what an indicator left behind once its script is gone: files, tables, receipts. Releases stay as they are; the next leaves it out."""

from __future__ import annotations

import shutil
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from platform_assets.indicators import receipts
from platform_assets.indicators.model import HeaderError
from platform_assets.indicators.script.header import read_indicator
from platform_assets.indicators.sql.file import read_sql
from resources.environment import Platform

if TYPE_CHECKING:
    from platform_assets.engines import Engine


class NotRemoved(RuntimeError):
    """Nothing was removed; the message says what to do first."""


def remove(name: str, platform: Platform, engine: Engine, present: Mapping[str, Path | None]) -> list[str]:
    """Remove files, tables and receipts of the indicator `name`; what was removed, in words.

    `engine` is that of `platform`. `present` is what the platform computes now: name -> script (None: the platform's own code). Raises NotRemoved where the
    indicator is still among them, where one of them reads its table, and where there never was such an indicator. The receipts
    go last, so that a removal that was cut off can be done again.
    """
    if name in present:
        script = present[name]
        raise NotRemoved(
            f"{name} is still computed: delete {script} first, or the next run makes the table again"
            if script
            else f"{name} is computed by the platform's own code and cannot be removed"
        )
    readers = sorted(p.name for p in present.values() if p and name in _tables_read(p))
    if readers:
        raise NotRemoved(f"{', '.join(readers)} reads the table of {name}: change or delete it first")
    warehouse = platform.warehouse
    with warehouse.connect(read_only=True) as connection:
        known = warehouse.columns(connection, receipts.TABLE) and receipts.last(connection, name)
    if not known:
        raise NotRemoved(f"there is no receipt of an indicator {name}: nothing to remove")
    removed = []
    for folder in (f"products/{name}", f"products/made/{name}"):
        for file in list(platform.store.walk(folder)):
            platform.store.delete(file.name)
            removed.append(platform.store.url(file.name))
        if not platform.bucket:
            shutil.rmtree(platform.settings.home / folder, ignore_errors=True)  # the empty folders
    removed += engine.drop_indicator(name)
    with warehouse.connect() as connection, warehouse.write(connection):
        connection.execute(f'DROP TABLE IF EXISTS indicators."{name}"')
        connection.execute(f"DELETE FROM {receipts.TABLE} WHERE indicator = ?", [name])
    return [*removed, f"table indicators.{name}", f"receipts of {name}"]


def _tables_read(script: Path) -> Iterable[str]:
    """Names of the indicators whose tables a script reads; none where it cannot be read."""
    try:
        if script.suffix == ".sql":
            tables = [tuple(table.split(".")) for table in read_sql(script).tables]
        else:
            tables = [tuple(table.asset_key) for table in read_indicator(script).inputs.values()]
    except HeaderError:
        return []
    return [table for layer, table in tables if layer in ("indicators", "products")]
