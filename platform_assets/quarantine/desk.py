"""Quarantine: see what was rejected and why, fix it as text, send it through the same door, or dismiss it with a reason.

A row is known by delivery, file and row number. What happens to it is a row of `platform.quarantine_actions` (the row itself stays
where it is: the ledger counts it); fixes that wait are texts in `platform.staged_fixes`. Sent fixes are a file in landing, judged
like any other: a fix that breaks a rule comes back into quarantine, linked to the row that it was meant to mend. A fix takes the place
in time of the delivery that it mends, so it never replaces what came later; a minimum number of rows is not asked of it. Where a
delivery is the whole table (a snapshot), a fix joins it, as long as the table is of that snapshot.

Over 400 lines: one class, whose every method keeps the same books.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager
from typing import TYPE_CHECKING, Any

from platform_assets.access import handing_out
from platform_assets.access.acts import Act, acting
from platform_assets.access.audit.log import AuditLog
from platform_assets.access.roles import Permission, User
from platform_assets.contracts.model import Contract
from platform_assets.ingest.books import Books
from platform_assets.ingest.judging import judge
from platform_assets.ingest.loading.batch import present
from platform_assets.ingest.readers.interface import first_row
from platform_assets.ingest.tables import Tables
from platform_assets.quarantine import fix_files
from platform_assets.quarantine import history as quarantine_history
from platform_assets.quarantine.fix_moves import PREPARED, FixMoves
from platform_assets.quarantine.fixes import HELD, Fix, QuarantineError, Resubmission
from platform_assets.quarantine.tables import (
    DISMISSED,
    RELEASED,
    RESUBMITTED,
    WHOLE,
    RowKey,
    act,
    connected,
    empty_held,
    forget_staged,
    now,
    open_rows,
    stage,
    staged,
    staged_by_others,
    staged_changes,
)
from platform_assets.quarantine.where import Where
from resources.lake.warehouse import Warehouse, quoted, scalar
from resources.object_store import ObjectStore

if TYPE_CHECKING:
    import duckdb
    import pandas as pd

    from platform_assets.engines import Engine


class Desk:
    """The quarantine of one dataset, as one user works on it. Every call checks what the user may do."""

    def __init__(
        self,
        contract: Contract,
        warehouse: Warehouse,
        store: ObjectStore,
        audit: AuditLog,
        user: User,
        engine: Engine,
        refuse: Callable[[str], None] = lambda _: None,
        told: Callable[[str], str] = str,
    ) -> None:
        """`refuse` raises for a reason that names somebody: reasons are kept for good, also in the audit log. `told` gives the name of a file
        as that log may keep it."""
        self._refuse = refuse
        self._told = told
        self.contract = contract
        self.warehouse = warehouse
        self.store = store
        self.audit = audit
        self.user = user
        self.engine = engine
        """Knows what became of deliveries. Rows to be mended are in the lake, whichever it is."""
        self.texts = list(contract.file_columns)
        self.table = Tables(contract).quarantine

    # ------------------------------------------------------------------------------------------------ seeing

    def counts(self) -> pd.DataFrame:
        """Open rows by delivery and reason: `delivery`, `file`, `reason`, `rows`. No values."""
        self.user.require(Permission.SEE_STATUS)
        with self.reading() as connection:
            return connection.execute(
                "SELECT delivery, file, reason, count(*) AS rows FROM ("
                "SELECT _delivery AS delivery, _file AS file, unnest(_reasons) AS reason "
                f"FROM ({self.open_sql()})) GROUP BY ALL ORDER BY rows DESC, delivery, reason"
            ).fetchdf()

    def held(self) -> dict[str, str]:
        """Held deliveries with open rows -> a sentence: the file, why, and how many of its rows are open (each has its own reasons besides)."""
        self.user.require(Permission.SEE_STATUS)
        with self.reading() as connection:
            found = connection.execute(
                f"SELECT _delivery, min(_file), max(why), count(*) FROM (SELECT *, list_filter(_reasons, r -> starts_with(r, '{HELD}'))[1] "
                f"AS why FROM ({self.open_sql()})) GROUP BY 1 HAVING max(why) IS NOT NULL ORDER BY 2, 1"
            ).fetchall()
        return {
            delivery: f"{file} was held as a whole{why.removeprefix(HELD)}. Open rows of it: {rows:,}"
            for delivery, file, why, rows in found
        }

    def open_rows(self) -> int:
        """How many rows are open."""
        self.user.require(Permission.SEE_STATUS)
        with self.reading() as connection:
            return int(scalar(connection, f"SELECT count(*) FROM ({self.open_sql()})"))

    def rows(
        self,
        *,
        delivery: str | None = None,
        rule: str | None = None,
        values: Mapping[str, Sequence[str | None]] | None = None,
        limit: int = 1000,
        offset: int = 0,
    ) -> pd.DataFrame:
        """Open rows: their text (as staged, where a fix is staged), `_text` (a line that could not be split), `_reasons`, `_file`,
        `_delivery`, `_row`, `_quarantined_at`, `_state` (open or staged), `_staged_by`, `_staged_at` (UTC). `rule` is a reason, or how it
        begins; `values`: see `Where`."""
        self.user.require(Permission.SEE_QUARANTINE)
        where = Where(delivery, rule, values or {})
        condition, parameters = where.sql()
        with self.reading() as connection:
            found = connection.execute(
                f"SELECT * FROM ({self.open_sql()}) WHERE {condition} "
                f"ORDER BY _quarantined_at, _delivery, _file, _row LIMIT {int(limit)} OFFSET {int(offset)}",
                parameters,
            ).fetchdf()
        self.seen("quarantine.see", len(found), **where.told(), offset=offset)
        return found

    def check(self, rows: Sequence[Mapping[str, str | None]]) -> list[list[str]]:
        """For each row, every reason why ingest would reject it."""
        self.user.require(Permission.SEE_QUARANTINE)
        with self.reading() as connection:
            return judge(self.warehouse, connection, self.contract, rows)

    def history(self, key: RowKey) -> pd.DataFrame:
        """What happened to a row, oldest first: `event`, `at`, `by`, `reason`, `file`, `delivery`, `row`.

        Follows fixes of fixes; ends with accepted (in the table), superseded, or rejected again.
        """
        self.user.require(Permission.SEE_QUARANTINE)
        with self.reading() as connection:
            found = quarantine_history.of(connection, self.books(connection), self.contract.name, self.table, key)
        self.seen("quarantine.see_history", 1, delivery=key.delivery, file=key.file, row=key.row)
        return found

    def find(self, texts: Mapping[str, str]) -> list[RowKey]:
        """Rows that were ever in quarantine, open or not, whose columns read as `texts` says when they came; the latest first."""
        self.user.require(Permission.SEE_QUARANTINE)
        unknown = sorted(set(texts) - set(self.texts))
        if unknown or not texts:
            raise QuarantineError(f"{self.contract.name} has no column {unknown[0]!r}" if unknown else "Say which row")
        condition = " AND ".join(f"trim({quoted(c)}) = trim(?)" for c in texts)
        with self.reading() as connection:
            found = connection.execute(
                f"SELECT _delivery, _file, _row FROM {self.table} WHERE {condition} ORDER BY _quarantined_at DESC, _row LIMIT 100",
                list(texts.values()),
            ).fetchall()
        self.seen("quarantine.find", len(found), columns=sorted(texts))
        return [RowKey(*row) for row in found]

    def acts(self, delivery: str) -> pd.DataFrame:
        """What people did with the rows of a delivery; see `history.of_delivery`. No values."""
        self.user.require(Permission.SEE_STATUS)
        with self.reading() as connection:
            return quarantine_history.of_delivery(connection, self.contract.name, delivery)

    def staged(self) -> pd.DataFrame:
        """What the staged fixes change: `column`, `old`, `new`, `rows`, `by`; most rows first. `column` is None where a line that could
        not be split was written anew."""
        self.user.require(Permission.SEE_QUARANTINE)
        with self.reading() as connection:
            found = staged_changes(connection, self.contract.name, self.table, self.texts)
        self.seen("quarantine.see_staged", int(found["rows"].sum()))
        return found

    # ------------------------------------------------------------------------------------------------ doing

    def stage(self, fixes: Sequence[Fix]) -> dict[RowKey, list[str]]:
        """Keep fixes to be sent later. Returns those that are still wrong, with the reasons (they are kept all the same).

        Raises QuarantineError where somebody else has staged a fix of such a row that was not `seen`: `unstage` it to put another in its
        place.
        """
        return self._stage(fixes, RESUBMITTED)

    def _stage(self, fixes: Sequence[Fix], action: str) -> dict[RowKey, list[str]]:
        self.user.require(Permission.FIX)
        unknown = sorted({c for fix in fixes for c in fix.values} - set(self.texts))
        if unknown:
            raise QuarantineError(f"{self.contract.name} has no column {unknown[0]!r} in its files")
        with self.reading() as connection:
            self._require_open(connection, [f.key for f in fixes])
            late = self._too_late(connection, {f.key.delivery for f in fixes}, action)
            if late:
                raise QuarantineError(next(iter(late.values())))
            reasons = judge(self.warehouse, connection, self.contract, [f.values for f in fixes])
            with self._acting("quarantine.stage") as acts, self.warehouse.write(connection):
                self._require_seen(connection, fixes)
                forget_staged(connection, self.contract.name, [f.key for f in fixes])
                stage(connection, self.contract.name, self.user.name, [(f.key, f.values) for f in fixes])
                act(connection, self.contract.name, self.user.name, [f.key for f in fixes], "staged")
                acts.note(fixes=len(fixes))
        return {f.key: why for f, why in zip(fixes, reasons, strict=True) if why}

    def unstage(self, keys: Sequence[RowKey]) -> None:
        """Drop staged fixes; the rows are open as they came."""
        self.user.require(Permission.FIX)
        with self._acting("quarantine.unstage") as acts, self._writing() as connection:
            self._require_open(connection, keys)
            forget_staged(connection, self.contract.name, keys)
            act(connection, self.contract.name, self.user.name, keys, "unstaged")
            acts.note(rows=len(keys))

    def replace_value(self, column: str, old: str | None, new: str | None) -> dict[RowKey, list[str]]:
        """Stage a fix for every open row whose `column` reads exactly `old`: it becomes `new`. Returns those still wrong."""
        self.user.require(Permission.FIX)
        if column not in self.texts:
            raise QuarantineError(f"{self.contract.name} has no column {column!r} in its files")
        with self.reading() as connection:
            found = self._sharing(connection, column, old)
        if not found:
            raise QuarantineError(f"no open row of {self.contract.name} has that value in {column}")
        texts = [dict(zip(self.texts, r[4:], strict=True)) for r in found]
        fixes = [Fix(RowKey(*r[:3]), {**row, column: new}, r[3]) for r, row in zip(found, texts, strict=True)]
        return self.stage(fixes)

    def release(self, delivery: str, reason: str) -> Resubmission:
        """Send the right rows of a held delivery after someone has looked; its wrong rows stay in quarantine."""
        self.user.require(Permission.FIX)
        self._need(reason)
        with self.reading() as connection:
            names = ", ".join(["_delivery", "_file", "_row", *map(quoted, self.texts)])
            found = connection.execute(
                f"SELECT {names} FROM ({self.open_sql()}) WHERE _delivery = ? AND _state = 'open' AND _text IS NULL "
                f"AND list_contains(list_transform(_reasons, r -> starts_with(r, '{HELD}')), true)",
                [delivery],
            ).fetchall()
            if not found:
                raise QuarantineError(
                    f"delivery {delivery} of {self.contract.name} is not held, or was released already"
                )
            rows = [dict(zip(self.texts, r[3:], strict=True)) for r in found]
            reasons = judge(self.warehouse, connection, self.contract, rows)
        keys = [RowKey(*r[:3]) for r in found]
        right = [Fix(k, row) for k, row, why in zip(keys, rows, reasons, strict=True) if not why]
        if not right:
            raise QuarantineError("no row of this delivery is right as it came: mend rows one by one")
        self._stage(right, RELEASED)
        return self._resubmit(reason, {f.key for f in right}, RELEASED)

    def resubmit(self, reason: str = "", *, only: Iterable[RowKey] | None = None) -> Resubmission:
        """Send staged fixes (all, or `only` some) as files into landing, one per file that they mend. Wrong ones stay staged."""
        self._refuse(reason)
        return self._resubmit(reason, None if only is None else set(only), RESUBMITTED)

    def _need(self, reason: str) -> None:
        if not reason.strip():
            raise QuarantineError("say why: the reason is kept with the rows")
        self._refuse(reason)

    def _resubmit(self, reason: str, only: set[RowKey] | None, action: str) -> Resubmission:
        self.user.require(Permission.FIX)
        result = Resubmission()
        with self.reading() as connection:
            self._moves(connection).finish()
            with self._acting("quarantine.resubmit", reason) as acts, self.warehouse.write(connection):
                found = staged(connection, self.contract.name)
                fixes = [Fix(key, values) for key, values in found if only is None or key in only]
                reasons = judge(self.warehouse, connection, self.contract, [f.values for f in fixes])
                late = self._too_late(connection, {f.key.delivery for f in fixes}, action)
                groups: dict[tuple[str, str], list[Fix]] = {}
                for fix, why in zip(fixes, reasons, strict=True):
                    if fix.key.delivery in late:
                        result.still_wrong[fix.key] = [late[fix.key.delivery]]
                    elif why:
                        result.still_wrong[fix.key] = why
                    else:
                        groups.setdefault((fix.key.delivery, fix.key.file), []).append(fix)
                for (delivery, file), group in groups.items():
                    self._send(connection, RowKey(delivery, file, 0), group, (action, reason), result)
                if result.sent:
                    acts.note(rows=result.sent, files=[self._told(f) for f in result.files])
            self._moves(connection).finish()
        return result

    def settle(self) -> int:
        """End what was cut off between the tables and landing, and open rows again whose fix file was removed by hand; how many."""
        self.user.require(Permission.FIX)
        with self.reading() as connection:
            moves = self._moves(connection)
            moves.finish()
            with self._acting("quarantine.reopen") as acts:
                return moves.reopen_lost(lambda: self.books(connection), lambda rows: acts.note(rows=rows))

    def dismiss(self, keys: Sequence[RowKey], reason: str) -> None:
        """Close rows that will not be mended."""
        self.user.require(Permission.FIX)
        self._need(reason)
        with self._acting("quarantine.dismiss", reason) as acts, self._writing() as connection:
            self._require_open(connection, keys)
            forget_staged(connection, self.contract.name, keys)
            act(connection, self.contract.name, self.user.name, keys, DISMISSED, reason)
            acts.note(rows=len(keys))

    def dismiss_delivery(self, delivery: str, reason: str) -> int:
        """Close a held delivery, with all its open rows: the table stays as it is. Returns how many rows."""
        self.user.require(Permission.FIX)
        self._need(reason)
        with self._acting("quarantine.dismiss_delivery", reason) as acts, self._writing() as connection:
            empty = [e for e in empty_held(connection, self.contract.name) if e.delivery == delivery]
            keys = [RowKey(delivery, e.file, WHOLE) for e in empty] or self._open_rows_of_held(connection, delivery)
            if not keys:
                raise QuarantineError(
                    f"delivery {delivery} of {self.contract.name} is not held, or was released or closed already"
                )
            forget_staged(connection, self.contract.name, keys)
            act(connection, self.contract.name, self.user.name, keys, DISMISSED, reason)
            rows = sum(key.row != WHOLE for key in keys)
            acts.note(delivery=delivery, rows=rows)
        return rows

    def _open_rows_of_held(self, connection: duckdb.DuckDBPyConnection, delivery: str) -> list[RowKey]:
        found = connection.execute(
            f"SELECT _delivery, _file, _row, list_contains(list_transform(_reasons, r -> starts_with(r, '{HELD}')), true) "
            f"FROM ({self.open_sql()}) WHERE _delivery = ?",
            [delivery],
        ).fetchall()
        return [RowKey(*row[:3]) for row in found] if any(row[3] for row in found) else []

    # ------------------------------------------------------------------------------------------------ inside

    def reading(self) -> AbstractContextManager[duckdb.DuckDBPyConnection]:
        """A connection on which the tables of the quarantine exist."""
        return connected(self.warehouse, Tables(self.contract))

    @contextmanager
    def _writing(self) -> Iterator[duckdb.DuckDBPyConnection]:
        """A connection inside one transaction."""
        with self.reading() as connection, self.warehouse.write(connection):
            yield connection

    def books(self, connection: duckdb.DuckDBPyConnection) -> Books:
        """What is known of the dataset's deliveries."""
        return self.engine.books(self.contract, connection)

    def open_sql(self) -> str:
        """Open rows, with the staged text where there is a fix."""
        return open_rows(self.contract.name, self.table, self.texts)

    def _too_late(self, connection: duckdb.DuckDBPyConnection, deliveries: set[str], action: str) -> dict[str, str]:
        """Deliveries whose rows cannot be mended (any more), and why."""
        mode = self.contract.load.changes
        if not mode.whole:
            return {}
        books = self.books(connection)
        now, found = present(books, self.contract.load), {}
        origins = {m.delivery: m.origin for m in books.mendings().values()}
        for delivery in deliveries:
            origin = origins.get(delivery, delivery)
            entry = next(iter(books.entries(deliveries=[origin])), None)
            why = mode.too_late(origin, entry, now, released=action == RELEASED)
            found[delivery] = f"{self.contract.name} {why}" if why else ""
        return {delivery: why for delivery, why in sorted(found.items()) if why}

    def _sharing(self, connection: duckdb.DuckDBPyConnection, column: str, old: str | None) -> list[tuple[Any, ...]]:
        """Open rows whose `column` reads `old`: key, when the fix was staged that it is of, texts."""
        names = ", ".join(["_delivery", "_file", "_row", "_staged_at", *map(quoted, self.texts)])
        return connection.execute(
            f"SELECT {names} FROM ({self.open_sql()}) WHERE {quoted(column)} IS NOT DISTINCT FROM ? AND _text IS NULL",
            [old],
        ).fetchall()

    def _require_seen(self, connection: duckdb.DuckDBPyConnection, fixes: Sequence[Fix]) -> None:
        others = staged_by_others(connection, self.contract.name, self.user.name)
        for fix in fixes:
            who, at = others.get(fix.key, ("", None))
            if at and at != fix.seen:
                raise QuarantineError(
                    f"{who} has staged a fix of {fix.key.file}, row {fix.key.row} ({at:%Y-%m-%d %H:%M} UTC) that you have not seen: "
                    "nothing was staged. Look at the row again; to put yours in its place, first give the row back as it came"
                )

    def _require_open(self, connection: duckdb.DuckDBPyConnection, keys: Sequence[RowKey]) -> None:
        """Raises QuarantineError unless every key is an open row: two people may look at the same list."""
        if not keys:
            raise QuarantineError("no rows were chosen")
        deliveries, files, rows = (list(part) for part in zip(*keys, strict=True))
        found = connection.execute(
            f"SELECT count(DISTINCT (k.delivery, k.file, k.row)) FROM (SELECT unnest(?::VARCHAR[]) AS delivery, "
            f"unnest(?::VARCHAR[]) AS file, unnest(?::BIGINT[]) AS row) k JOIN ({self.open_sql()}) q "
            "ON q._delivery = k.delivery AND q._file = k.file AND q._row = k.row",
            [deliveries, files, rows],
        ).fetchone()
        if not found or found[0] != len(set(keys)):
            raise QuarantineError("some of these rows are not open any more: someone else has sent or dismissed them")

    def _send(
        self,
        connection: duckdb.DuckDBPyConnection,
        mended: RowKey,
        fixes: Sequence[Fix],
        action: tuple[str, str],
        result: Resubmission,
    ) -> None:
        """Write `fixes` of rows of one file as a file; `action` is what it is called, and its reason."""
        tag = hashlib.sha256(f"{mended.delivery}/{mended.file}/{now().isoformat()}".encode()).hexdigest()[:8]
        name, fmt = fix_files.name_and_format(self.contract, mended.file, tag)
        came = next(iter(self.books(connection).entries(deliveries=[mended.delivery])), None)
        absent = came.drift.get("missing", []) if came else []
        data = fix_files.render(self.contract, fmt, [f.values for f in fixes], absent)
        # not taken by ingest under this name; it gets its own once the transaction stands
        self.store.write(self._moves(connection).hidden(name, PREPARED), data)
        sent = hashlib.sha256(f"fix {self.contract.name} {name}".encode()).hexdigest()[:16]
        first = first_row(fmt)
        keys = [f.key for f in fixes]
        forget_staged(connection, self.contract.name, keys)
        act(connection, self.contract.name, self.user.name, keys, *action, (name, sent, first))
        result.files.append(name)
        result.sent += len(fixes)

    def _moves(self, connection: duckdb.DuckDBPyConnection) -> FixMoves:
        return FixMoves(self.warehouse, self.store, connection, self.contract.name, self.user.name)

    def seen(self, action: str, rows: int, **which: Any) -> None:
        """Write down that the user is about to see rows; `which`: without values."""
        if rows:
            handing_out.seen(self.audit, self.user, action, table=self.table, rows=rows, **which)

    def _acting(self, action: str, ground: str = "") -> AbstractContextManager[Act]:
        return acting(self.audit, self.user, action, table=self.table, ground=ground)
