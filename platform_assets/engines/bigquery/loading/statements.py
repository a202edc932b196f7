"""All SQL of a load, in the order in which it runs: judge, adopt, decide, count, write.

What is decided is said in `ingest.loading.rules`; here stands how BigQuery gets there. It differs from the lake in three things. Every step fills
a table of `StagingTables`, as there are no views of a connection. Everything is counted before anything is written, since all that a load
changes is one transaction, which is sent as one. A row of a table is known by its key, or by file, delivery and row number: there is no
row id. Values never stand in the text: they come in tables.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from platform_assets.contracts.compiling.queries import CompiledContract
from platform_assets.contracts.mode import Chosen
from platform_assets.contracts.model import Contract
from platform_assets.engines.bigquery.loading.rules import BigRules, json_of, listed, q, say
from platform_assets.engines.bigquery.tables import FENCE, BigTables, StagingTables
from platform_assets.ingest import accounts, ledger
from resources.gcp.bigquery import BigQuery

CHANGED = "the ledger has changed since the rows were judged"


class Statements:
    """The SQL of one load. `staging` are its own tables, `compiled` the contract in BigQuery's dialect."""

    def __init__(
        self,
        engine: BigQuery,
        contract: Contract,
        staging: StagingTables,
        compiled: CompiledContract,
        lacked: Mapping[str, Sequence[int]] | None = None,
    ) -> None:
        """`lacked`: see `Rules`."""
        self.contract = contract
        self.tables = BigTables(contract)
        self.chosen = Chosen()
        """What leaves the table, once that is known."""
        self.compiled = compiled
        self.rules = BigRules(contract, staging.names, lacked)
        self.s = {name: engine.name(staging[name]) for name in staging.columns}
        self.validated, self.raw, self.quarantine = map(
            engine.name, (self.tables.validated, self.tables.raw, self.tables.quarantine)
        )
        self.ledger, self.erased, self.fence = map(engine.name, (ledger.TABLE, accounts.TABLE, FENCE))
        ours = (self.tables.validated, self.tables.raw, self.tables.quarantine)
        self._names = {**self.s, **{table: engine.name(table) for table in ours}}

    @property
    def derived_key(self) -> str | None:
        """See `Rules.derived_key`."""
        return self.rules.derived_key

    def _say(self, sql: str) -> str:
        return say(sql, self._names)

    # ------------------------------------------------------------------------------------------------ judge

    def judge(self) -> list[str]:
        """Fill `typed` and `wrong`. The last statement gives wrong rows per member: ``_file``, ``rows``."""
        n, staged = self.rules.names, f"staged AS (SELECT * FROM {self.s[self.rules.names.staged]})"
        columns = listed([*self.tables.typed, "_file", "_row"])
        typed = f"WITH {staged}, found AS ({self.compiled.typed}) {say(self.rules.typed('found'), {})}"
        # a row that this machine found wrong, which alone has seen identifiers in clear, is here without its texts
        found = (
            "SELECT s._file, s._row, IF(ARRAY_LENGTH(s._wrong) > 0, s._wrong, IFNULL(j._reasons, [])) AS _reasons "
            "FROM staged s LEFT JOIN judged j ON j._file = s._file AND j._row = s._row "
            "WHERE ARRAY_LENGTH(s._wrong) > 0 OR j._row IS NOT NULL"
        )
        wrong = f"WITH {staged}, judged AS ({self.compiled.judged}), found AS ({found}) {self._say(self.rules.wrong('found'))}"
        return [
            f"INSERT INTO {self.s[n.typed]} ({columns}) SELECT {columns} FROM ({typed})",
            f"INSERT INTO {self.s[n.wrong]} (_file, _row, _reasons) SELECT _file, _row, _reasons FROM ({wrong})",
            f"SELECT _file, COUNT(*) AS `rows` FROM {self.s[n.wrong]} GROUP BY _file",
        ]

    def valued(self, columns: Sequence[str]) -> str:
        """SELECT of one row: for each of `columns`, how many rows of the table have a value in it."""
        counts = ", ".join(f"COUNT({q(c)}) AS {q(c)}" for c in columns)
        return f"SELECT {counts} FROM {self.validated}"

    def newest_rows(self) -> str:
        """See `Rules.newest_rows`; '' where rows have no place in time of their own."""
        asked = self.rules.newest_rows()
        return self._say(asked) if asked else ""

    # ------------------------------------------------------------------------------------------------ adopt

    def adopt(self) -> list[str]:
        """Rows without a key's value take that of a copy. The last statement gives ``_delivery``, ``rows``. Empty where no key is
        derived."""
        if self.derived_key is None:
            return []
        n = self.rules.names
        keyed = listed([*self.rules.sources, "_file", "_row", "_delivery", "_seq", "_value", "_derived"])
        typed, adopted = self.s[n.typed], self.s[n.adopted]
        return [
            f"INSERT INTO {self.s[n.keyed]} ({keyed}) {self._say(self.rules.keyed())}",
            f"INSERT INTO {adopted} (_file, _row, _delivery, _own) {self._say(self.rules.adopted())}",
            f"UPDATE {typed} t SET {q(self.derived_key)} = a._own FROM {adopted} a WHERE a._file = t._file AND a._row = t._row",
            f"SELECT _delivery, COUNT(*) AS `rows` FROM {adopted} GROUP BY _delivery",
        ]

    # ------------------------------------------------------------------------------------------------ decide

    def decide(self) -> list[str]:
        """Fill `valid`, and, where rows have a key, `decided`: what becomes of every valid row.

        The last statement gives ``_delivery``, ``_action``, ``rows``, and how many of them are ``by_arrival``.
        """
        n, rules = self.rules.names, self.rules
        columns = [*self.tables.validated_columns, "_member", "_seq", "_k"]
        values = [
            *(f't."{c}"' for c in self.contract.columns),
            *([rules.period("t"), rules.period_start("t")] if self.contract.partition else []),
            *("m._label", "m._delivery", "t._row", rules.moment("t"), "t._file", "m._seq"),
            rules.key("t") if self.contract.load.key else "''",
        ]
        valid = self._say(f"SELECT {', '.join(values)} {rules.of_published('t')}")
        script = [f"INSERT INTO {self.s[n.valid]} ({listed(columns)}) {valid}"]
        if self.contract.load.key:
            decided = listed(["_member", "_row", "_delivery", "_k", "_action", "_written", "_arrival", *rules.lacked])
            script.append(f"INSERT INTO {self.s[n.decided]} ({decided}) SELECT {decided} FROM ({self.decisions()})")
        return [
            *script,
            f"SELECT _delivery, _action, COUNT(*) AS `rows`, COUNTIF(_arrival) AS by_arrival FROM {self.s[n.decided]} "
            "GROUP BY _delivery, _action",
        ]

    def decisions(self) -> str:
        """See `Rules.decided`: here of all valid rows, against all rows of the table."""
        rules = self.rules
        existing = f"(SELECT {rules.key('v')} AS _k, {rules.existing('v')} FROM {rules.tables.validated} v)"
        return self._say(rules.decided(rules.names.valid, existing))

    # ------------------------------------------------------------------------------------------------ count

    @property
    def leaving(self) -> list[tuple[str, str]]:
        """(delivery, condition): see `Rules.leaving`."""
        stays = ""
        if self.contract.load.key:
            stays = f" AND {self._key('v')} NOT IN (SELECT _k FROM {self.s[self.rules.names.valid]})"
        return [(delivery, f"{self._say(gone)}{stays}") for delivery, gone in self.rules.leaving(self.chosen)]

    def removed(self) -> str:
        """SELECT ``_delivery``, ``rows`` that leave the table because that delivery becomes it, or takes the place of a part of it."""
        return " UNION ALL ".join(
            f"SELECT '{delivery}' AS _delivery, COUNT(*) AS `rows` FROM {self.validated} v WHERE {gone}"
            for delivery, gone in self.leaving
        )

    def retired(self) -> str:
        """SELECT ``_delivery``, ``rows``: rows that bear a hash, and leave as this load brings the same with a value of its own."""
        assert self.derived_key is not None
        rules, name = self.rules, f'"{self.derived_key}"'
        after = f"SELECT n._k, n.{name} AS _value FROM {rules.names.valid} n"
        if not rules.mode.whole:
            after += f" UNION ALL SELECT {rules.key('v')} AS _k, v.{name} AS _value FROM {rules.tables.validated} v"
        return self._say(
            f"SELECT k._delivery, count(*) AS rows FROM (SELECT DISTINCT b._k, b._value FROM ({after}) b) a "
            f"JOIN ({rules.come_with_id()}) k ON k._derived = a._value GROUP BY k._delivery"
        )

    def periods(self) -> str:
        """SELECT ``_delivery``, ``periods``: weeks or months that the rows lie in which are written."""
        n = self.rules.names
        written = f"FROM {self.s[n.valid]} v"
        if self.contract.load.key:
            written += f" JOIN {self.s[n.decided]} d ON d._member = v._member AND d._row = v._row WHERE d._written"
        return f"SELECT v._delivery, COUNT(DISTINCT v._period) AS periods {written} GROUP BY v._delivery"

    def reasons(self) -> str:
        """See `Rules.reasons`: of the rows that are going to be written."""
        return self._say(self.rules.reasons(f"({self.rules.quarantined()})"))

    # ------------------------------------------------------------------------------------------------ write

    def write(self) -> list[str]:
        """The statements of the transaction."""
        n, rules = self.rules.names, self.rules
        again = f"(SELECT _delivery FROM {self.s[n.members]} WHERE _again)"
        entries, gone = listed(ledger.COLUMNS), listed(accounts.COLUMNS)
        dataset, delivered = f"(SELECT dataset FROM {self.s['seen']})", f"(SELECT delivery FROM {self.s['entries']})"
        return [
            f"UPDATE {self.fence} SET loads = loads + 1 WHERE dataset IN {dataset}",
            self._guard(),
            f"DELETE FROM {self.raw} WHERE _delivery IN {again}",
            f"DELETE FROM {self.quarantine} WHERE _delivery IN {again}",
            self._say(rules.write_raw(n.staged, [f'r."{c}"' for c in self.tables.texts])),
            self._say(rules.write_quarantined()),
            *self._change_validated(),
            f"DELETE FROM {self.ledger} WHERE dataset IN {dataset} AND delivery IN {delivered}",
            f"INSERT INTO {self.ledger} ({entries}) SELECT {entries} FROM {self.s['entries']}",
            f"DELETE FROM {self.erased} WHERE dataset IN {dataset} AND delivery IN {delivered}",
            f"INSERT INTO {self.erased} ({gone}) SELECT {gone} FROM {self.s['erased']}",
        ]

    def _guard(self) -> str:
        """Fails where the ledger is no longer what it was when the rows were judged: another load was quicker."""
        same = "s.entries = l.entries AND IFNULL(s.newest = l.newest, s.newest IS NULL AND l.newest IS NULL)"
        return (
            f"SELECT IF({same}, 0, ERROR('{CHANGED}')) AS guard FROM {self.s['seen']} s CROSS JOIN "
            f"(SELECT COUNT(*) AS entries, MAX(loaded_at) AS newest FROM {self.ledger} "
            f"WHERE dataset IN (SELECT dataset FROM {self.s['seen']})) l"
        )

    def _change_validated(self) -> list[str]:
        n, columns = self.rules.names, list(self.tables.validated_columns)
        source = ", ".join(f"{'d' if c in self.rules.lacked else 'v'}.{q(c)}" for c in columns)
        script = [f"DELETE FROM {self.validated} v WHERE {gone}" for _, gone in self.leaving]
        insert = f"INSERT INTO {self.validated} ({listed(columns)}) SELECT {source} FROM {self.s[n.valid]} v"
        if not self.contract.load.key:
            return [*script, insert]
        decided = self.s[n.decided]
        script += [
            f"DELETE FROM {self.validated} v WHERE {self._key('v')} IN (SELECT _k FROM {decided} WHERE _written OR _action = 'deleted')",
            f"{insert} JOIN {decided} d ON d._member = v._member AND d._row = v._row WHERE d._written",
        ]
        if self.derived_key:
            script.append(self._say(self.rules.retire()))
        return script

    def _key(self, alias: str) -> str:
        return json_of(f"{alias}.{q(k)}" for k in self.contract.load.key)
