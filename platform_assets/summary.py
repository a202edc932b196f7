"""`python -m platform_assets.summary`: what the platform holds, on one screen. Also the text that runs carry as metadata."""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from typing import TYPE_CHECKING

from platform_assets.contracts.files import read_contracts
from platform_assets.engines import Engine
from platform_assets.office import engine_of
from resources.environment import Platform, resources_for
from resources.lake.warehouse import scalar

if TYPE_CHECKING:
    import duckdb

_DATASETS = """
    SELECT dataset, count(*) AS files, sum(rows_in)::BIGINT, sum(valid)::BIGINT, sum(quarantined)::BIGINT,
      sum(superseded)::BIGINT, count(*) FILTER (WHERE status = 'held'), count(*) FILTER (WHERE status = 'rejected'),
      sum(s)::DOUBLE
    FROM (SELECT *, CASE WHEN row_number() OVER (PARTITION BY dataset, loaded_at) = 1 THEN seconds ELSE 0 END AS s
          FROM platform.ledger)
    GROUP BY dataset ORDER BY dataset
"""

SHAPES = (
    "why rows are quarantined: log and UI; of values they show what they look like (9: any digit, a or A: any letter)"
)


def summary(platform: Platform) -> str:
    """Per dataset its deliveries and rows, per indicator its table, and where everything is."""
    lines, engine = [], engine_of(platform)
    if not platform.warehouse.catalog.ready():
        return "Nothing has been loaded yet: run `make run`."
    with platform.warehouse.connect(read_only=True) as connection:
        datasets = (
            connection.execute(_DATASETS).fetchall()
            if platform.warehouse.columns(connection, "platform.ledger")
            else []
        )
        indicators = engine.computed(connection)
        erased: dict[str, int] = {}
        if platform.warehouse.columns(connection, "platform.erased"):
            erased = dict(
                connection.execute("SELECT dataset, sum(validated)::BIGINT FROM platform.erased GROUP BY 1").fetchall()
            )
        sizes = {d[0]: _rows(platform, engine, connection, f"validated.{d[0]}") for d in datasets}
    header = (
        "dataset",
        "files",
        "rows in",
        "valid",
        "quarantined",
        "superseded",
        "held",
        "refused",
        "in table",
        "seconds",
    )
    rows = [(d[0], *(f"{n:,}" for n in d[1:8]), sizes[d[0]], f"{d[8]:.1f}") for d in datasets]
    waiting = sorted(set(read_contracts()) - {d[0] for d in datasets})
    lines += _table(header, rows)
    gone = [f"{name} {rows:,}" for name, rows in sorted(erased.items()) if rows]
    if gone:
        lines.append(f"rows erased from the tables since: {', '.join(gone)}")
    if waiting:
        lines.append(f"nothing delivered yet: {', '.join(waiting)}")
    if any(d[4] for d in datasets):
        lines.append(SHAPES)
    lines += [
        "",
        *_table(
            ("indicator", "rows", "made (UTC)"),
            [(n, f"{r:,}", f"{t:%Y-%m-%d %H:%M}") for n, r, t in sorted(indicators)],
        ),
    ]
    files = f"gs://{platform.bucket}" if platform.bucket else platform.settings.home
    lines += [
        "",
        f"drop files      {files}/landing/<dataset>/",
        f"tables          {platform.warehouse.data if platform.bucket else platform.warehouse.home} (DuckLake: layers raw, validated, quarantine, indicators)",
        f"products        {files}/products",
        f"refused files   {files}/rejected",
    ]
    if not platform.bucket:
        lines.append("UI              make ui, then http://127.0.0.1:3000")
    return "\n".join(lines)


def _rows(platform: Platform, engine: Engine, connection: duckdb.DuckDBPyConnection, table: str) -> str:
    """How many rows the table has; where the lake has no such table, who has it."""
    if not platform.warehouse.columns(connection, table):
        return engine.elsewhere or "none"
    return f"{scalar(connection, f'SELECT count(*) FROM {table}'):,}"


def _table(header: Sequence[str], rows: Sequence[Sequence[str]]) -> list[str]:
    widths = [max(len(str(r[i])) for r in [header, *rows]) for i in range(len(header))]

    def line(cells: Sequence[str]) -> str:
        return "  ".join(
            c.ljust(w) if i == 0 else c.rjust(w) for i, (c, w) in enumerate(zip(cells, widths, strict=True))
        ).rstrip()

    return [line(header), line(["-" * w for w in widths]), *(line(r) for r in rows)]


if __name__ == "__main__":
    sys.stdout.write(summary(resources_for(os.environ.get("PLATFORM_ENV", "laptop"))) + "\n")
