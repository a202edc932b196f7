"""What the checks of a dataset say, from its ledger and tables alone: the same answer whoever asks, whenever.

No value of a row appears in a result: counts, rules, shapes and column names only.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any
from zoneinfo import ZoneInfo

from platform_assets.contracts.compiled import CompiledContract
from platform_assets.contracts.model import Contract
from platform_assets.ingest import ledger
from platform_assets.ingest.ledger import Entry
from platform_assets.ingest.tables import Tables
from platform_assets.stewardship import erased
from resources.warehouse import quoted, scalar

if TYPE_CHECKING:
    import duckdb

AMSTERDAM = ZoneInfo("Europe/Amsterdam")
NOT_APPLICABLE = "not applicable: the table is empty"
DESCRIPTIONS = {
    "row_conservation": "Every row of every delivery is accounted for: rows in = valid + quarantined + superseded.",
    "unique_key": "No two rows of the table have the same key.",
    "quarantine_rate": "The share of wrong rows stays within the contract's limit; a delivery beyond it is held.",
    "minimum_rows": "A delivery has at least as many rows as the contract asks for.",
    "freshness": "New data came when it should.",
    "drift": "The last delivery's columns are those of the contract.",
    "cumulative": "Running totals never fall; where they do, the source has corrected itself. Read them by taking the last.",
    "rules": "Rules that warn: rows that break them are kept, and counted here.",
}


@dataclass(frozen=True)
class Outcome:
    """The result of one check."""

    check: str
    passed: bool
    blocking: bool
    """An error: what is downstream should not use the table as if all were well. Otherwise a warning."""
    description: str
    numbers: dict[str, Any] = field(default_factory=dict)
    table: list[dict[str, Any]] = field(default_factory=list)
    """Rows of detail, to be shown as a table."""


def check_names(contract: Contract) -> dict[str, bool]:
    """The checks that `contract` has, and whether each is blocking."""
    names = {"row_conservation": True, "quarantine_rate": True, "minimum_rows": True, "drift": False}
    if contract.load.key:
        names["unique_key"] = True
    if contract.quality.freshness:
        names["freshness"] = False
    if any(c.cumulative for c in contract.columns.values()):
        names["cumulative"] = False
    if any(r.severity == "warn" for r in contract.rules):
        names["rules"] = False
    return names


def evaluate(
    connection: duckdb.DuckDBPyConnection, contract: Contract, compiled: CompiledContract, now: dt.datetime
) -> Iterator[Outcome]:
    """Every check of `contract`. Delivery checks look at the last load; table checks at the whole table."""
    entries = ledger.read(connection, contract.name)
    taken = [e for e in entries if e.status != "rejected"]
    last = [e for e in entries if e.loaded_at == entries[-1].loaded_at] if entries else []
    tables = Tables(contract)
    blocking = check_names(contract)
    rows = scalar(connection, f"SELECT count(*) FROM {tables.validated}") if taken else 0
    for name in blocking:
        if name == "freshness":
            yield _freshness(contract, entries, now)
        elif not taken or (rows == 0 and name in ("unique_key", "cumulative", "rules")):
            yield Outcome(name, False, False, NOT_APPLICABLE)
        elif name == "row_conservation":
            yield _row_conservation(connection, tables, last, taken, rows)
        elif name == "unique_key":
            yield _unique_key(connection, contract, tables, rows)
        elif name == "quarantine_rate":
            yield _quarantine_rate(contract, last)
        elif name == "minimum_rows":
            yield _minimum_rows(contract, last)
        elif name == "drift":
            yield _drift(last)
        elif name == "cumulative":
            yield _cumulative(connection, contract, tables)
        elif name == "rules":
            yield _rules(connection, contract, compiled, tables, rows)


def _row_conservation(
    connection: duckdb.DuckDBPyConnection, tables: Tables, last: list[Entry], taken: list[Entry], rows: int
) -> Outcome:
    """The law of the ledger on every entry; the last load's counts against the tables; the table's size against all entries."""
    ids = [e.delivery for e in last if e.status != "rejected"]
    found: dict[str, dict[str, int]] = {}
    for layer, table in (("raw", tables.raw), ("quarantine", tables.quarantine)):
        counted = connection.execute(
            f"SELECT _delivery, count(*) FROM {table} WHERE _delivery IN (SELECT unnest(?::VARCHAR[])) GROUP BY 1",
            [ids],
        ).fetchall()
        found[layer] = dict(counted)
    gone = erased.counts(connection, tables.name)
    problems = [{"file": e.file, "problem": "the ledger does not add up"} for e in taken if not e.conserved]
    for entry in last:
        if entry.status == "rejected":
            continue
        left = gone.get(entry.delivery, erased.Erased())
        raw = found["raw"].get(entry.delivery, 0) + left.raw
        quarantined = found["quarantine"].get(entry.delivery, 0) + left.quarantine
        if raw != entry.rows_in - entry.malformed:
            problems.append(
                {"file": entry.file, "problem": f"{raw} raw rows, {entry.rows_in - entry.malformed} expected"}
            )
        if quarantined != entry.quarantined:
            problems.append(
                {"file": entry.file, "problem": f"{quarantined} quarantined rows, {entry.quarantined} expected"}
            )
    expected = sum(e.inserted - e.removed for e in taken) - sum(e.validated for e in gone.values())
    if rows != expected:
        problems.append({"file": "(all)", "problem": f"the table has {rows} rows, the ledger adds up to {expected}"})
    totals = {name: sum(getattr(e, name) for e in last) for name in ("rows_in", "valid", "quarantined", "superseded")}
    text = (
        f"{totals['rows_in']:,} rows in = {totals['valid']:,} valid + {totals['quarantined']:,} quarantined "
        f"+ {totals['superseded']:,} superseded (last load, {len(last)} deliveries)"
    )
    return Outcome(
        "row_conservation", not problems, True, text if not problems else "rows are missing", totals, problems
    )


def _unique_key(connection: duckdb.DuckDBPyConnection, contract: Contract, tables: Tables, rows: int) -> Outcome:
    key = ", ".join(quoted(k) for k in contract.load.key)
    # by hash first: it needs a fraction of the memory, and a repeated key always has a repeated hash
    repeated = scalar(
        connection,
        f"SELECT count(*) FROM (SELECT 1 FROM {tables.validated} WHERE hash({key}) IN "
        f"(SELECT hash({key}) FROM {tables.validated} GROUP BY 1 HAVING count(*) > 1) GROUP BY {key} HAVING count(*) > 1)",
    )
    text = f"{rows:,} rows, {repeated:,} keys ({', '.join(contract.load.key)}) occur more than once"
    return Outcome("unique_key", repeated == 0, True, text, {"rows": rows, "repeated_keys": repeated})


def _quarantine_rate(contract: Contract, last: list[Entry]) -> Outcome:
    judged = [e for e in last if e.status in ("published", "held")]
    rows_in, wrong = sum(e.rows_in for e in judged), sum(e.quarantined for e in judged)
    held = [e for e in judged if e.status == "held"]
    rejected = [e for e in last if e.status == "rejected"]
    limit = contract.quality.max_quarantined
    text = f"{wrong:,} of {rows_in:,} rows quarantined ({wrong / rows_in if rows_in else 0:.1%}; limit {limit:.1%} per delivery)"
    if held:
        text += "; held: " + "; ".join(f"{e.file} ({e.reason})" for e in held[:5])
    if rejected:
        text += "; refused as a whole: " + "; ".join(f"{e.file} ({e.reason})" for e in rejected[:5])
    detail = [
        {"file": e.file, "status": e.status, "rows": count, "reason": reason}
        for e in [*held, *judged]
        for reason, count in e.reasons.items()
    ]
    numbers = {"rows_in": rows_in, "quarantined": wrong, "held_deliveries": len(held), "rejected_files": len(rejected)}
    return Outcome(
        "quarantine_rate",
        not held and not rejected,
        True,
        text,
        numbers,
        list({str(d): d for d in detail}.values())[:20],
    )


def _minimum_rows(contract: Contract, last: list[Entry]) -> Outcome:
    least = contract.quality.min_rows
    short = [
        e for e in last if e.status == "held" and e.rows_in < least
    ]  # a steward's fix may be short: it is not held
    text = (
        f"every delivery has at least {least} rows"
        if not short
        else "; ".join(f"{e.file}: {e.reason}" for e in short[:5])
    )
    return Outcome("minimum_rows", not short, True, text, {"deliveries": len(last), "too_short": len(short)})


def _drift(last: list[Entry]) -> Outcome:
    drifted = [e for e in last if e.drift]
    detail = [{"file": e.file, "kind": k, "columns": ", ".join(n)} for e in drifted for k, n in e.drift.items()]
    text = (
        "columns are those of the contract"
        if not drifted
        else f"{len(drifted)} of {len(last)} deliveries differ from the contract"
    )
    return Outcome("drift", not drifted, False, text, {"drifted": len(drifted)}, detail[:20])


def _cumulative(connection: duckdb.DuckDBPyConnection, contract: Contract, tables: Tables) -> Outcome:
    assert contract.partition is not None
    time = quoted(contract.partition.by)
    within = ", ".join(quoted(k) for k in contract.cumulative_within)
    columns = [n for n, c in contract.columns.items() if c.cumulative]
    falls = ", ".join(f"count(*) FILTER (WHERE {quoted(c)} < {quoted('before_' + c)}) AS {quoted(c)}" for c in columns)
    lags = ", ".join(
        f"{quoted(c)}, lag({quoted(c)}) OVER (PARTITION BY {within} ORDER BY {time}) AS {quoted('before_' + c)}"
        for c in columns
    )
    row = connection.execute(f"SELECT {falls} FROM (SELECT {lags} FROM {tables.validated})").fetchone() or ()
    corrections = dict(zip(columns, map(int, row), strict=True))
    total = sum(corrections.values())
    text = (
        f"{total:,} corrections: times that a running total falls from one {contract.partition.by} to the next. "
        f"Running totals ({', '.join(columns)}) are read by taking the last, never by summing over {contract.partition.by}."
    )
    return Outcome(
        "cumulative",
        total == 0,
        False,
        text,
        {"corrections": total},
        [{"column": c, "falls": n} for c, n in corrections.items()],
    )


def _rules(
    connection: duckdb.DuckDBPyConnection, contract: Contract, compiled: CompiledContract, tables: Tables, rows: int
) -> Outcome:
    connection.execute(f"CREATE OR REPLACE TEMP VIEW typed AS SELECT * FROM {tables.validated}")
    result = connection.execute(compiled.warned)
    names = [d[0] for d in result.description]
    counts = {n: int(c) for n, c in zip(names, result.fetchone() or (), strict=True)}
    described = {r.name: r.description for r in contract.rules}
    detail = [{"rule": n, "meaning": described.get(n, ""), "rows": c} for n, c in counts.items()]
    text = "; ".join(f"{n}: {c:,} of {rows:,} rows" for n, c in counts.items())
    return Outcome("rules", not any(counts.values()), False, text, {"rows": rows, **counts}, detail)


def _freshness(contract: Contract, entries: list[Entry], now: dt.datetime) -> Outcome:
    from croniter import croniter

    policy = contract.quality.freshness
    assert policy is not None
    local = now.astimezone(AMSTERDAM) - dt.timedelta(hours=policy.grace_hours)
    due: dt.datetime = croniter(policy.cron, local + dt.timedelta(microseconds=1)).get_prev(dt.datetime)
    before_due: dt.datetime = croniter(policy.cron, due).get_prev(dt.datetime)
    delivered = [e.delivered_at.replace(tzinfo=dt.UTC) for e in entries if e.status != "rejected"]
    if not delivered:
        return Outcome(
            "freshness", False, False, f"nothing was ever delivered; the last delivery was due {due:%A %d %B %Y %H:%M}"
        )
    last = max(delivered).astimezone(AMSTERDAM)
    late = last <= before_due
    text = f"last delivery {last:%A %d %B %Y %H:%M}, due {due:%A %d %B %Y %H:%M}" + (": late" if late else "")
    return Outcome("freshness", not late, False, text, {"last_delivery": last.isoformat(), "due": due.isoformat()})
