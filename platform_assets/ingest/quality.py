"""What the checks of a dataset say, from its ledger and tables alone: the same answer whoever asks, whenever.

No value of a row appears in a result: counts, rules, shapes and column names only.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Collection, Iterator
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Protocol

from typing_extensions import override

from platform_assets.contracts.compiling.queries import CompiledContract
from platform_assets.contracts.model import Contract, Freshness
from platform_assets.ingest import accounts, ledger
from platform_assets.ingest.accounts import Erased
from platform_assets.ingest.ledger import Entry
from platform_assets.ingest.tables import Tables
from platform_assets.ingest.worked_out.tree import PLACED, counts_of
from resources.clock import local
from resources.lake.warehouse import columns_of, quoted, scalar

if TYPE_CHECKING:
    import duckdb

NOT_APPLICABLE = "not applicable: the table is empty"
REFUSED = "not applicable: every file was refused as a whole; the check quarantine_rate says why"
DESCRIPTIONS = {
    "row_conservation": "Every row of every delivery is accounted for: rows in = valid + quarantined + superseded.",
    "unique_key": "No two rows of the table have the same key.",
    "quarantine_rate": "The share of wrong rows stays within the contract's limit; a delivery beyond it is held.",
    "minimum_rows": "A delivery has at least as many rows as the contract asks for.",
    "freshness": "New data came when it should.",
    "drift": "The last delivery's columns are those of the contract, and no part of it was left unread that the contract does not foresee.",
    "cumulative": "Running totals never fall; where they do, the source has corrected itself. Read them by taking the last.",
    "tree": "Every row stands in the tree that the contract describes: none hangs below a row that is not there, none lies on a cycle.",
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
    if contract.tree:
        names["tree"] = False
    if any(r.severity == "warn" for r in contract.rules):
        names["rules"] = False
    return names


class Facts(Protocol):
    """What the checks ask of a dataset's tables, whichever engine has them."""

    def rows(self) -> int:
        """Rows of the validated table."""
        ...

    def per_delivery(self, layer: str, deliveries: Collection[str]) -> dict[str, int]:
        """Delivery -> its rows in the layer ``raw`` or ``quarantine``."""
        ...

    def erased(self) -> dict[str, Erased]:
        """Delivery -> rows that were erased since."""
        ...

    def repeated_keys(self) -> int:
        """Keys that occur more than once."""
        ...

    def falls(self) -> dict[str, int]:
        """Cumulative column -> how often it falls from one period to the next."""
        ...

    def tree(self) -> dict[str, int]:
        """State in the tree -> rows (`ingest.worked_out.tree`)."""
        ...

    def broken_rules(self) -> dict[str, int]:
        """Rule that warns -> rows that break it."""
        ...


@dataclass(frozen=True)
class LakeFacts(Facts):
    """The facts, asked of the lake."""

    connection: duckdb.DuckDBPyConnection
    contract: Contract
    compiled: CompiledContract

    @property
    def _tables(self) -> Tables:
        return Tables(self.contract)

    @override
    def rows(self) -> int:
        return int(scalar(self.connection, f"SELECT count(*) FROM {self._tables.validated}"))

    @override
    def per_delivery(self, layer: str, deliveries: Collection[str]) -> dict[str, int]:
        table = {"raw": self._tables.raw, "quarantine": self._tables.quarantine}[layer]
        counted = self.connection.execute(
            f"SELECT _delivery, count(*) FROM {table} WHERE _delivery IN (SELECT unnest(?::VARCHAR[])) GROUP BY 1",
            [list(deliveries)],
        ).fetchall()
        return dict(counted)

    @override
    def erased(self) -> dict[str, Erased]:
        return accounts.counts(self.connection, self.contract.name)

    @override
    def repeated_keys(self) -> int:
        key, table = ", ".join(quoted(k) for k in self.contract.load.key), self._tables.validated
        # by hash first: it needs a fraction of the memory, and a repeated key always has a repeated hash
        repeated = scalar(
            self.connection,
            f"SELECT count(*) FROM (SELECT 1 FROM {table} WHERE hash({key}) IN "
            f"(SELECT hash({key}) FROM {table} GROUP BY 1 HAVING count(*) > 1) GROUP BY {key} HAVING count(*) > 1)",
        )
        return int(repeated)

    @override
    def falls(self) -> dict[str, int]:
        columns = cumulative_columns(self.contract)
        row = self.connection.execute(falls_sql(self.contract, self._tables.validated, '"')).fetchone() or ()
        return {c: int(n or 0) for c, n in zip(columns, row, strict=True)}

    @override
    def tree(self) -> dict[str, int]:
        assert self.contract.tree is not None
        if not columns_of(self.connection, f"validated.{self.contract.name}__tree"):
            return {}
        return dict(self.connection.execute(counts_of(self.contract, self.contract.tree)).fetchall())

    @override
    def broken_rules(self) -> dict[str, int]:
        self.connection.execute(f"CREATE OR REPLACE TEMP VIEW typed AS SELECT * FROM {self._tables.validated}")
        result = self.connection.execute(self.compiled.warned)
        names = [d[0] for d in result.description]
        return {n: int(c) for n, c in zip(names, result.fetchone() or (), strict=True)}


def cumulative_columns(contract: Contract) -> list[str]:
    """The contract's running totals."""
    return [n for n, c in contract.columns.items() if c.cumulative]


def falls_sql(contract: Contract, table: str, mark: str) -> str:
    """SELECT of one row: for every running total, how often it falls. `mark` quotes names in the engine's dialect."""
    assert contract.partition is not None

    def q(name: str) -> str:
        return f"{mark}{name}{mark}"

    within, columns = ", ".join(q(k) for k in contract.cumulative_within), cumulative_columns(contract)
    falls = ", ".join(f"sum(CASE WHEN {q(c)} < {q('before_' + c)} THEN 1 ELSE 0 END) AS {q(c)}" for c in columns)
    lags = ", ".join(
        f"{q(c)}, lag({q(c)}) OVER (PARTITION BY {within} ORDER BY {q(contract.partition.by)}) AS {q('before_' + c)}"
        for c in columns
    )
    return f"SELECT {falls} FROM (SELECT {lags} FROM {table})"


def evaluate(
    connection: duckdb.DuckDBPyConnection, contract: Contract, compiled: CompiledContract, now: dt.datetime
) -> Iterator[Outcome]:
    """Every check of `contract`, on the lake."""
    return outcomes(ledger.read(connection, contract.name), LakeFacts(connection, contract, compiled), contract, now)


def outcomes(entries: list[Entry], facts: Facts, contract: Contract, now: dt.datetime) -> Iterator[Outcome]:
    """Every check of `contract`. Delivery checks look at the last load; table checks at the whole table."""
    taken = [e for e in entries if e.status != "rejected"]
    last = [e for e in entries if e.loaded_at == entries[-1].loaded_at] if entries else []
    blocking = check_names(contract)
    rows = facts.rows() if taken else 0
    for name in blocking:
        if name == "freshness":
            yield _freshness(contract, entries, now)
        elif name == "row_conservation" and last:
            yield _row_conservation(facts, last, taken, rows)
        elif name == "quarantine_rate" and last:
            yield _quarantine_rate(contract, last)  # also where every file was refused: here stands why
        elif not taken or (rows == 0 and name in ("unique_key", "cumulative", "rules")):
            yield Outcome(name, False, False, REFUSED if last and not taken else NOT_APPLICABLE)
        elif name == "unique_key":
            yield _unique_key(contract, facts.repeated_keys(), rows)
        elif name == "minimum_rows":
            yield _minimum_rows(contract, last)
        elif name == "drift":
            yield _drift(last)
        elif name == "cumulative":
            yield _cumulative(contract, facts.falls())
        elif name == "tree":
            yield _tree(facts.tree())
        elif name == "rules":
            yield _rules(contract, facts.broken_rules(), rows)


def _row_conservation(facts: Facts, last: list[Entry], taken: list[Entry], rows: int) -> Outcome:
    """The law of the ledger on every entry; the last load's counts against the tables; the table's size against all entries."""
    ids = [e.delivery for e in last if e.status != "rejected"]
    found = {layer: facts.per_delivery(layer, ids) for layer in ("raw", "quarantine")}
    gone = facts.erased()
    problems = [{"file": e.file, "problem": "the ledger does not add up"} for e in taken if not e.conserved]
    for entry in last:
        if entry.status in ("rejected", "repeated"):  # nothing of it was read, or it was with the delivery before
            continue
        left = gone.get(entry.delivery, accounts.Erased())
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


def _unique_key(contract: Contract, repeated: int, rows: int) -> Outcome:
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
        {"file": e.file, "status": e.status, "rows": count, "reason": reason, "first": e.first_rows.get(reason, "")}
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
    drifted = [e for e in last if e.drift and not e.is_fix]
    detail = [{"file": e.file, "kind": k, "columns": ", ".join(n)} for e in drifted for k, n in e.drift.items()]
    text = (
        "columns are those of the contract"
        if not drifted
        else f"{len(drifted)} of {len(last)} deliveries differ from the contract"
    )
    left = {name: rows for e in last for name, rows in e.not_taken.items()}
    if left:
        text += f"; not taken: {', '.join(list(left)[:5])}" + (f" and {len(left) - 5} more" if len(left) > 5 else "")
    numbers = {"drifted": len(drifted), "parts_not_taken": len(left), "rows_not_taken": sum(left.values())}
    return Outcome("drift", not drifted, False, text, numbers, detail[:20])


def _cumulative(contract: Contract, corrections: dict[str, int]) -> Outcome:
    assert contract.partition is not None
    total = sum(corrections.values())
    text = (
        f"{total:,} corrections: times that a running total falls from one {contract.partition.by} to the next. "
        f"Running totals ({', '.join(corrections)}) are read by taking the last, never by summing over {contract.partition.by}."
    )
    return Outcome(
        "cumulative",
        total == 0,
        False,
        text,
        {"corrections": total},
        [{"column": c, "falls": n} for c, n in corrections.items()],
    )


def _tree(counts: dict[str, int]) -> Outcome:
    wrong = {state: n for state, n in counts.items() if state not in (PLACED, "left out") and n}
    text = (
        "; ".join(f"{state}: {n:,}" for state, n in sorted(counts.items())) or "the tree is worked out at the next load"
    )
    return Outcome("tree", not wrong, False, text, dict(counts))


def _rules(contract: Contract, counts: dict[str, int], rows: int) -> Outcome:
    described = {r.name: r.description for r in contract.rules}
    detail = [{"rule": n, "meaning": described.get(n, ""), "rows": c} for n, c in counts.items()]
    text = "; ".join(f"{n}: {c:,} of {rows:,} rows" for n, c in counts.items())
    return Outcome("rules", not any(counts.values()), False, text, {"rows": rows, **counts}, detail)


def _freshness(contract: Contract, entries: list[Entry], now: dt.datetime) -> Outcome:
    policy = contract.quality.freshness
    assert policy is not None
    due, before_due = last_due(policy, now, contract.timezone)
    # what a steward has mended is no news of the sender
    delivered = [e.delivered_at.replace(tzinfo=dt.UTC) for e in entries if e.status != "rejected" and not e.is_fix]
    if not delivered:
        return Outcome(
            "freshness", False, False, f"nothing was ever delivered; the last delivery was due {due:%A %d %B %Y %H:%M}"
        )
    last = local(max(delivered), contract.timezone)
    late = last <= before_due
    text = f"last delivery {last:%A %d %B %Y %H:%M}, due {due:%A %d %B %Y %H:%M}" + (": late" if late else "")
    return Outcome("freshness", not late, False, text, {"last_delivery": last.isoformat(), "due": due.isoformat()})


def last_due(policy: Freshness, now: dt.datetime, where: str | None = None) -> tuple[dt.datetime, dt.datetime]:
    """When the last delivery was due (by the clock here, or in the zone `where`), and the one before: what came after that one is in time."""
    from croniter import croniter

    # hours of grace are hours that pass, whatever the clock on the wall does meanwhile
    moment = local(now - dt.timedelta(hours=policy.grace_hours), where)
    due: dt.datetime = croniter(policy.cron, moment + dt.timedelta(microseconds=1)).get_prev(dt.datetime)
    before_due: dt.datetime = croniter(policy.cron, due).get_prev(dt.datetime)
    return due, before_due
