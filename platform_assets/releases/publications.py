"""The files of one indicator. Of personal data they are a function of drawn atoms and of the script alone: nothing else is read here, so that
anybody who has the atoms can make every file again, byte for byte.
"""

from __future__ import annotations

import datetime as dt
import hashlib
import io
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations
from pathlib import Path
from typing import TYPE_CHECKING, Any

from platform_assets.disclosure import auditor
from platform_assets.disclosure.policy import Policy
from platform_assets.indicators.model import Indicator
from platform_assets.people_csv import csv_bytes
from platform_assets.releases.counting import cases_of
from platform_assets.releases.ledger import Seal
from platform_assets.releases.sealing import atoms_table, batches
from resources.r_child.types import arrow_schema
from resources.r_runtime import Event, InputTable, RRuntime

if TYPE_CHECKING:
    import pandas as pd

ALL = "(all)"
FORMAT = 4
"""Raised when the published files change in form."""


@dataclass(frozen=True)
class Publication:
    """What is published of one indicator."""

    key: str
    """Changes with the content: with the atoms (or the public table), the code, and the form of files."""
    make: Callable[[Path], dict[str, bytes]]
    """File -> its bytes, made in a folder for temporary files. Raises IndicatorFailed."""
    about: Mapping[str, Any]
    """For the release's list."""
    refused: str = ""
    """Why it may not be set live; empty where it may."""


def of_atoms(
    indicator: Indicator,
    seals: list[Seal],
    policy: Policy,
    runtime: RRuntime,
    on_event: Callable[[Event], None] = lambda _: None,
) -> Publication:
    """What is published of an indicator that gives cases."""
    table = atoms_table(indicator, seals, policy)
    atoms = parquet_bytes(table, {c.name: c.type for c in cases_of(indicator).atoms.values()})
    verdicts = {
        draw: auditor.verdict(batch, policy, cases_of(indicator).by_organisation)
        for draw, batch in batches(seals, list(cases_of(indicator).amounts)).items()
    }
    wrong = {draw: said for draw, said in verdicts.items() if said}
    audit = {
        "rule": "no organisation, and no three together, can narrow a hidden count within 1 to the threshold, or a shown one to fewer than five values",
        "draws": len(verdicts),
        "drawn by one sum": sum(
            any(s.controlled for s in b.values()) for b in batches(seals, list(cases_of(indicator).amounts)).values()
        ),
        "failed": wrong,
        "verdict": "holds" if not wrong else "does not hold",
    }
    periods = sorted({seal.period for seal in seals})
    about = {
        **about_cases(indicator, policy, periods),
        "audit": audit,
        "atoms": hashlib.sha256(atoms).hexdigest(),
    }
    key = _key(FORMAT, indicator.code_version, atoms, json.dumps(about, sort_keys=True).encode())

    def make(folder: Path) -> dict[str, bytes]:
        return figures_of(indicator, atoms, about, runtime, folder, on_event)

    refused = "" if not wrong else f"{len(wrong)} draws give somebody away: {next(iter(wrong.values()))}"
    return Publication(key, make, about, refused)


def figures_of(
    indicator: Indicator,
    atoms: bytes,
    about: Mapping[str, Any],
    runtime: RRuntime,
    folder: Path,
    on_event: Callable[[Event], None] = lambda _: None,
) -> dict[str, bytes]:
    """Every file that is published, of `atoms` and the script alone. Raises IndicatorFailed."""
    import pyarrow.parquet as pq

    source = folder / "atoms.parquet"
    source.write_bytes(atoms)
    rows = pq.read_metadata(source).num_rows
    columns = tuple(cases_of(indicator).atoms)
    table = InputTable(source, f"releases.{indicator.name}", about["atoms"][:16], rows, columns)
    command = f"python -m platform_assets.releases rebuild {indicator.name}"
    result = runtime.run(indicator.figures, {"atoms": table}, {}, folder, on_event, reproduce=command)
    files = _table_files(indicator.name, result.output)
    for name, plot in result.plots.items():
        files |= {f"plots/{name}{file.suffix}": file.read_bytes() for file in (plot.svg, plot.png)}
    counts = counts_table(pq.read_table(source).to_pandas(date_as_object=True), list(cases_of(indicator).outcomes))
    return {**files, "atoms.parquet": atoms, "counts.csv": csv_bytes(counts), f"{indicator.name}.json": _json(about)}


def counts_table(atoms: pd.DataFrame, outcomes: list[str]) -> pd.DataFrame:
    """Every count and every total of `atoms`: period, organisation (if any), outcome (ALL in totals), count (missing where hidden), hidden.

    Totals are sums of what is shown, a hidden count standing for zero or the smallest figure: what two of them differ by is such a sum
    too. A total is hidden where nothing but hidden counts that stand for zero is in it.
    """
    import pandas as pd

    places = [c for c in ("period", "organisation") if c in atoms.columns]
    parts = [
        atoms[places].assign(outcome=outcome, count=atoms[outcome], hidden=atoms[f"{outcome}_hidden"])
        for outcome in outcomes
    ]
    cells = pd.concat(parts, ignore_index=True) if parts else pd.DataFrame()
    keys = [*places, "outcome"]
    blocks = []
    for number in range(len(keys), -1, -1):
        for kept in combinations(keys, number):
            grouped = cells.assign(whole=0).groupby(list(kept) or ["whole"], sort=True)
            sums = grouped.agg(count=("count", "sum"), hidden=("hidden", "any")).reset_index()
            if number < len(keys):
                sums["hidden"] &= sums["count"] == 0
            block = pd.DataFrame({k: sums[k].astype(object) if k in kept else ALL for k in keys}, index=sums.index)
            block["count"] = sums["count"].astype("Int64").mask(sums["hidden"])
            block["hidden"] = sums["hidden"]
            blocks.append(block)
    return pd.concat(blocks, ignore_index=True)


def of_public(indicator: Indicator, table: Path, sha256: str, plots: Mapping[str, bytes]) -> Publication:
    """What is published of an indicator that reads public data alone: its table as it is, and its plots (file name -> bytes)."""
    about = {**about_table(indicator), "protected": False, "why": indicator.public}
    drawn = b"".join(hashlib.sha256(data).digest() for _, data in sorted(plots.items()))
    key = _key(FORMAT, indicator.code_version, sha256.encode(), drawn, json.dumps(about, sort_keys=True).encode())

    def make(folder: Path) -> dict[str, bytes]:
        files = _table_files(indicator.name, table)
        return {**files, **{f"plots/{n}": data for n, data in plots.items()}, f"{indicator.name}.json": _json(about)}

    return Publication(key, make, about)


def parquet_bytes(table: pd.DataFrame, columns: Mapping[str, str]) -> bytes:
    """`table` as Parquet, the same bytes for the same rows; `columns` gives the declared types."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    buffer = io.BytesIO()
    schema = arrow_schema(columns)
    pq.write_table(
        pa.Table.from_pandas(table, schema=schema, preserve_index=False).replace_schema_metadata(None), buffer
    )
    return buffer.getvalue()


def about_cases(indicator: Indicator, policy: Policy, periods: Sequence[dt.date]) -> dict[str, Any]:
    """What is said of an indicator that gives cases, of `periods` in order."""
    return {
        **about_table(indicator),
        "protected": True,
        "policy": json.loads(policy.model_dump_json()),
        "periods": {
            "grain": cases_of(indicator).grain,
            "first": periods[0].isoformat() if periods else None,
            "last": periods[-1].isoformat() if periods else None,
        },
        "outcomes": dict(cases_of(indicator).outcomes),
        "amounts": {
            a.name: {"kind": a.kind, "step": a.step, "meaning": a.help} for a in cases_of(indicator).amounts.values()
        },
    }


def about_table(indicator: Indicator) -> dict[str, Any]:
    """What is said of any indicator."""
    return {
        "title": indicator.title,
        "description": indicator.description,
        "unit": indicator.unit,
        "direction": indicator.direction,
        "definition_version": indicator.version,
        "minimum_n": vars(indicator.minimum) if indicator.minimum else None,
        "owner": indicator.owner,
        "figure": vars(indicator.figure) if indicator.figure else None,
        "target": vars(indicator.target) if indicator.target else None,
        "case_mix": indicator.case_mix,
        "since": [{"day": one.day.isoformat(), "words": one.words} for one in indicator.since],
        "made_from": sorted(f"{table.layer}.{table.table}" for table in indicator.inputs.values()),
        "columns": {c.name: {"type": c.type, "meaning": c.help} for c in indicator.outputs.values()},
        "plots": {p.name: {"file": f"plots/{p.name}.svg", "title": p.title} for p in indicator.plots.values()},
        "code_version": indicator.code_version,
    }


def _table_files(name: str, parquet: Path) -> dict[str, bytes]:
    import pyarrow.parquet as pq

    frame = pq.read_table(parquet).to_pandas(date_as_object=True, integer_object_nulls=True)
    return {f"{name}.parquet": parquet.read_bytes(), f"{name}.csv": csv_bytes(frame)}


def _json(value: Mapping[str, Any]) -> bytes:
    return json.dumps(value, indent=2, ensure_ascii=False).encode()


def _key(*parts: object) -> str:
    digest = hashlib.sha256()
    for part in parts:
        digest.update(hashlib.sha256(part if isinstance(part, bytes) else str(part).encode()).digest())
    return digest.hexdigest()[:32]
