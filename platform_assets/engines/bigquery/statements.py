"""All SQL of a load in BigQuery's words, in the order in which it runs: judge, adopt, decide, count, write.

The decisions are those of `platform_assets.ingest.publish`, `merge` and `derived`, which say them for DuckDB. What differs: a key is
compared as JSON text (`_k`), since NULLs and all types must be equal or not in one word; a row is known by file, delivery and row
number; every step fills a table of `StagingTables`. Values never stand in the text: they come in tables.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from platform_assets.contracts.compiled import CompiledContract
from platform_assets.contracts.model import Contract, Order
from platform_assets.engines.bigquery.tables import FENCE, BigTables, StagingTables
from platform_assets.ingest import accounts, ledger
from platform_assets.ingest.derived import HEX_DIGITS
from platform_assets.ingest.publish import TOP_REASONS, repeated_key
from resources.bigquery import BigQuery

CHANGED = "the ledger has changed since the rows were judged"


class Statements:
    """The SQL of one load. `staging` are its own tables, `compiled` the contract in BigQuery's dialect."""

    def __init__(
        self, engine: BigQuery, contract: Contract, staging: StagingTables, compiled: CompiledContract
    ) -> None:
        self.contract = contract
        self.tables = BigTables(contract)
        self.compiled = compiled
        self.s = {name: engine.name(staging[name]) for name in staging.columns}
        self.raw, self.validated, self.quarantine = map(
            engine.name, (self.tables.raw, self.tables.validated, self.tables.quarantine)
        )
        self.ledger, self.erased, self.fence = map(engine.name, (ledger.TABLE, accounts.TABLE, FENCE))
        self.derived_key = next((k for k in contract.load.key if k in contract.derived), None)
        """Of several derived columns in one key only the first is matched, as in `derived`."""

    # ------------------------------------------------------------------------------------------------ judge

    def typed_rows(self) -> str:
        """SELECT of the typed rows, with derived values where there are none."""
        typed = f"SELECT * FROM ({self.compiled.typed})"
        if self.contract.derived:
            values = ", ".join(
                f"COALESCE({q(n)}, {hash_of(self.contract, c.derived_from)}) AS {q(n)}"
                for n, c in self.contract.derived.items()
            )
            typed = f"SELECT * REPLACE ({values}) FROM ({self.compiled.typed})"
        return f"WITH staged AS (SELECT * FROM {self.s['rows']}) {typed}"

    def wrong_rows(self) -> str:
        """SELECT of the rows that are wrong, with every reason: those that this machine found first."""
        return (
            f"WITH staged AS (SELECT * FROM {self.s['rows']}), judged AS ({self.compiled.judged}) "
            "SELECT s._file, s._row, ARRAY_CONCAT(s._wrong, IFNULL(j._reasons, [])) AS _reasons "
            "FROM staged s LEFT JOIN judged j ON j._file = s._file AND j._row = s._row "
            "WHERE ARRAY_LENGTH(s._wrong) > 0 OR j._row IS NOT NULL"
        )

    def judge(self) -> list[str]:
        """Fill `typed` and `wrong`. The last statement gives wrong rows per member: ``_file``, ``rows``."""
        listed = names([*self.tables.typed, "_file", "_row"])
        script = [
            f"INSERT INTO {self.s['typed']} ({listed}) SELECT {listed} FROM ({self.typed_rows()})",
            f"INSERT INTO {self.s['wrong']} (_file, _row, _reasons) {self.wrong_rows()}",
        ]
        if self.contract.load.duplicates == "quarantine":
            script += self._quarantine_duplicates()
        return [*script, f"SELECT _file, COUNT(*) AS `rows` FROM {self.s['wrong']} GROUP BY _file"]

    def _quarantine_duplicates(self) -> list[str]:
        """All rows that share a key within a delivery are wrong: a second row of `wrong` for each, then both as one."""
        twice = (
            f"SELECT _file, _row FROM (SELECT t._file, t._row, COUNT(*) OVER (PARTITION BY f._delivery, {self._key('t')}) AS n "
            f"FROM {self.s['typed']} t JOIN {self.s['files']} f ON f._file = t._file) WHERE n > 1"
        )
        reason = text(repeated_key(self.contract))
        wrong = self.s["wrong"]
        known = f"SELECT 1 FROM {wrong} w WHERE w._file = d._file AND w._row = d._row"
        return [
            f"UPDATE {wrong} w SET _reasons = ARRAY_CONCAT(w._reasons, [{reason}]) "
            f"WHERE EXISTS (SELECT 1 FROM ({twice}) d WHERE d._file = w._file AND d._row = w._row)",
            f"INSERT INTO {wrong} (_file, _row, _reasons) "
            f"SELECT d._file, d._row, [{reason}] FROM ({twice}) d WHERE NOT EXISTS ({known})",
        ]

    def newest_rows(self) -> str:
        """SELECT ``_delivery``, ``moment``: the newest right row of every delivery, where rows have a place in time of their own."""
        return (
            f"SELECT f._delivery, MAX({self._moment('t')}) AS moment FROM {self.s['typed']} t "
            f"JOIN {self.s['files']} f ON f._file = t._file WHERE {self._is_right('t')} GROUP BY f._delivery"
        )

    # ------------------------------------------------------------------------------------------------ adopt

    def adopt(self) -> list[str]:
        """Rows without a key's value take that of a copy. The last statement gives ``_delivery``, ``rows``. Empty where no key is
        derived."""
        if self.derived_key is None:
            return []
        name = self.derived_key
        sources = self.contract.columns[name].derived_from
        keyed, adopted = self.s["keyed"], self.s["adopted"]
        listed = names([*sources, "_file", "_row", "_delivery", "_seq", "_value", "_derived"])
        alike = " AND ".join(f"c.{q(s)} = m.{q(s)}" for s in sources)
        in_table = " AND ".join(f"v.{q(s)} = m.{q(s)}" for s in sources)
        return [
            f"INSERT INTO {keyed} ({listed}) SELECT {', '.join(f't.{q(s)}' for s in sources)}, t._file, t._row, m._delivery, "
            f"m._seq, t.{q(name)}, {hash_of(self.contract, sources, 't')} FROM {self.s['typed']} t "
            f"JOIN {self.s['members']} m ON m._file = t._file WHERE m._status = 'published' AND {self._is_right('t')}",
            f"INSERT INTO {adopted} (_file, _row, _delivery, _own) "
            "SELECT _file, _row, ANY_VALUE(_delivery), MIN(_own) FROM ("
            f"SELECT m._file, m._row, m._delivery, c._value AS _own FROM {keyed} m JOIN {keyed} c ON {alike} "
            "WHERE m._value = m._derived AND c._value <> c._derived AND c._seq <= m._seq UNION ALL "
            f"SELECT m._file, m._row, m._delivery, v.{q(name)} AS _own FROM {keyed} m JOIN {self.validated} v ON {in_table} "
            f"WHERE m._value = m._derived AND v.{q(name)} <> m._derived) GROUP BY _file, _row",
            f"UPDATE {self.s['typed']} t SET {q(name)} = a._own FROM {adopted} a WHERE a._file = t._file AND a._row = t._row",
            f"SELECT _delivery, COUNT(*) AS `rows` FROM {adopted} GROUP BY _delivery",
        ]

    # ------------------------------------------------------------------------------------------------ decide

    def decide(self) -> list[str]:
        """Fill `valid`, and, where rows have a key, `decided`: what becomes of every valid row.

        The last statement gives ``_delivery``, ``_action``, ``rows``.
        """
        columns = [*self.tables.validated_columns, "_member", "_seq", "_k", "_content"]
        period = []
        if self.contract.partition:
            day = f"CAST(t.{q(self.contract.partition.by)} AS DATE)"
            week = self.contract.partition.unit == "iso_week"
            # Monday = 2 for DAYOFWEEK
            start = (
                f"DATE_SUB({day}, INTERVAL MOD(EXTRACT(DAYOFWEEK FROM {day}) + 5, 7) DAY)"
                if week
                else f"DATE_TRUNC({day}, MONTH)"
            )
            period = [f"FORMAT_DATE('{'%G-W%V' if week else '%Y-%m'}', {day})", start]
        content = json_of([f"t.{q(c)}" for c in self.contract.columns])
        values = [
            *(f"t.{q(c)}" for c in self.contract.columns), *period, "m._label", "m._delivery", "t._row", self._moment("t"),
            "t._file", "m._seq", self._key("t") if self.contract.load.key else "''", content,
        ]  # fmt: skip
        script = [
            f"INSERT INTO {self.s['valid']} ({names(columns)}) SELECT {', '.join(values)} FROM {self.s['typed']} t "
            f"JOIN {self.s['members']} m ON m._file = t._file WHERE m._status = 'published' AND {self._is_right('t')}"
        ]
        if self.contract.load.key:
            script.append(
                f"INSERT INTO {self.s['decided']} (_member, _row, _delivery, _k, _action, _written) {self.decisions()}"
            )
        return [
            *script,
            f"SELECT _delivery, _action, COUNT(*) AS `rows` FROM {self.s['decided']} GROUP BY _delivery, _action",
        ]

    def decisions(self) -> str:
        """SELECT for `decided`. Within a delivery the last row of a key counts; from delivery to delivery a row is superseded if
        the key already has a newer one (see `merge._decide`)."""
        arrival = self.contract.load.order_by == "delivered"
        rewrite = "FALSE" if arrival else "_as_of > _old_as_of"
        recent = (
            "TRUE"
            if self.contract.load.mode == "snapshot"
            else "IFNULL((_earlier IS NULL OR _as_of >= _earlier) AND (_old_as_of IS NULL OR _as_of >= _old_as_of), TRUE)"
        )
        old_content = json_of([f"v.{q(c)}" for c in self.contract.columns])
        return f"""
        WITH existing AS (
          SELECT {self._key("v")} AS _k, v._as_of, {old_content} AS _content FROM {self.validated} v
        ), candidates AS (
          SELECT _member, _row, _delivery, _seq, _as_of, _k, _content,
            ROW_NUMBER() OVER (PARTITION BY _k, _seq ORDER BY _as_of DESC, _member DESC, _row DESC) = 1 AS _last
          FROM {self.s["valid"]}
        ), compared AS (
          SELECT c.*, e._as_of AS _old_as_of, e._content AS _old_content,
            MAX(IF(c._last, c._as_of, NULL)) OVER (
              PARTITION BY c._k ORDER BY c._seq RANGE BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING) AS _earlier
          FROM candidates c LEFT JOIN existing e ON e._k = c._k
        ), judged AS (
          SELECT *, _last AND {recent} AS _counts FROM compared
        ), chained AS (
          SELECT *,
            IF(_counts, COALESCE(LAG(_content) OVER (PARTITION BY _k, _counts ORDER BY _seq), _old_content), NULL) AS _before,
            _counts AND ROW_NUMBER() OVER (PARTITION BY _k, _counts ORDER BY _seq DESC) = 1 AS _final
          FROM judged
        )
        SELECT _member, _row, _delivery, _k,
          CASE WHEN NOT _counts THEN 'superseded' WHEN _before IS NULL THEN 'inserted'
               WHEN _before = _content THEN 'unchanged' ELSE 'updated' END AS _action,
          _final AND IFNULL(_old_content IS NULL OR _content <> _old_content OR {rewrite}, FALSE) AS _written
        FROM chained
        """

    # ------------------------------------------------------------------------------------------------ count

    def removed(self) -> str:
        """SELECT ``rows`` that leave the table because a snapshot has them no longer."""
        gone = "TRUE" if not self.contract.load.key else self._not_in_snapshot("v")
        return f"SELECT COUNT(*) AS `rows` FROM {self.validated} v WHERE {gone}"

    def retired(self) -> str:
        """SELECT ``_delivery``, ``rows``: rows that bear a hash, and leave as this load brings the same with a value of its own."""
        assert self.derived_key is not None
        name = q(self.derived_key)
        after = f"SELECT _k, {name} AS _value FROM {self.s['valid']}"
        if self.contract.load.mode != "snapshot":
            after += f" UNION ALL SELECT {self._key('v')}, v.{name} FROM {self.validated} v"
        return (
            f"SELECT k._delivery, COUNT(*) AS `rows` FROM (SELECT DISTINCT * FROM ({after})) a JOIN ({self._own()}) k ON k._derived = a._value "
            "GROUP BY k._delivery"
        )

    def periods(self) -> str:
        """SELECT ``_delivery``, ``periods``: weeks or months that the rows lie in which are written."""
        written = f"FROM {self.s['valid']} v"
        if self.contract.load.key:
            written += f" JOIN {self.s['decided']} d ON d._member = v._member AND d._row = v._row WHERE d._written"
        return f"SELECT v._delivery, COUNT(DISTINCT v._period) AS periods {written} GROUP BY v._delivery"

    def reasons(self) -> str:
        """SELECT ``_delivery``, ``reason``, ``rows``, and the place of the first (``file``, ``row``): the most frequent reasons of
        every delivery."""
        placed = (
            "SELECT _delivery, reason, _file, _row, ROW_NUMBER() OVER (PARTITION BY _delivery, reason ORDER BY _file, _row) AS place "
            f"FROM ({self.quarantined_rows()}), UNNEST(_reasons) AS reason"
        )
        counted = (
            "SELECT _delivery, reason, COUNT(*) AS `rows`, MAX(IF(place = 1, _file, NULL)) AS file, "
            f"MAX(IF(place = 1, _row, NULL)) AS `row` FROM ({placed}) GROUP BY _delivery, reason"
        )
        return (
            "SELECT _delivery, reason, `rows`, file, `row` FROM "
            "(SELECT *, ROW_NUMBER() OVER (PARTITION BY _delivery ORDER BY `rows` DESC, reason) "
            f"AS n FROM ({counted})) WHERE n <= {TOP_REASONS} ORDER BY _delivery, n"
        )

    # ------------------------------------------------------------------------------------------------ write

    def write(self) -> list[str]:
        """The statements of the transaction."""
        again = f"(SELECT _delivery FROM {self.s['members']} WHERE _again)"
        raw = [*self.tables.texts, "_file", "_delivery", "_row"]
        quarantine = list(self.tables.quarantine_columns)
        entries, gone = names(ledger.COLUMNS), names(accounts.COLUMNS)
        delivered = f"(SELECT delivery FROM {self.s['entries']})"
        return [
            f"UPDATE {self.fence} SET loads = loads + 1 WHERE dataset IN (SELECT dataset FROM {self.s['seen']})",
            self._guard(),
            f"DELETE FROM {self.raw} WHERE _delivery IN {again}",
            f"DELETE FROM {self.quarantine} WHERE _delivery IN {again}",
            f"INSERT INTO {self.raw} ({names(raw)}) "
            f"SELECT {', '.join(f'r.{q(c)}' for c in self.tables.texts)}, m._label, m._delivery, r._row "
            f"FROM {self.s['rows']} r JOIN {self.s['members']} m ON m._file = r._file",
            f"INSERT INTO {self.quarantine} ({names(quarantine)}) SELECT {names(quarantine)} FROM ({self.quarantined_rows()})",
            *self._change_validated(),
            f"DELETE FROM {self.ledger} WHERE dataset IN (SELECT dataset FROM {self.s['seen']}) AND delivery IN {delivered}",
            f"INSERT INTO {self.ledger} ({entries}) SELECT {entries} FROM {self.s['entries']}",
            f"DELETE FROM {self.erased} WHERE dataset IN (SELECT dataset FROM {self.s['seen']}) AND delivery IN {delivered}",
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

    def quarantined_rows(self) -> str:
        """SELECT of wrong rows of every delivery but superseded ones, broken lines, and all rows of a held delivery."""
        texts = self.tables.texts
        common = "m._label AS _file, m._delivery, s._row, m._at AS _quarantined_at"
        held = "IF(m._status = 'held', [CONCAT('delivery: held, ', m._why)], [])"
        nothing = ", ".join(f"CAST(NULL AS STRING) AS {q(c)}" for c in texts)
        return (
            f"SELECT {', '.join(f's.{q(c)}' for c in texts)}, CAST(NULL AS STRING) AS _text, "
            f"ARRAY_CONCAT(IFNULL(w._reasons, []), {held}) AS _reasons, {common} FROM {self.s['rows']} s "
            f"LEFT JOIN {self.s['wrong']} w ON w._file = s._file AND w._row = s._row "
            f"JOIN {self.s['members']} m ON m._file = s._file "
            "WHERE m._status = 'held' OR (m._status = 'published' AND w._row IS NOT NULL) "
            f"UNION ALL SELECT {nothing}, s._text, [CONCAT('row: ', s._reason)] AS _reasons, {common} "
            f"FROM {self.s['broken']} s JOIN {self.s['members']} m ON m._file = s._file"
        )

    def _change_validated(self) -> list[str]:
        load, columns = self.contract.load, list(self.tables.validated_columns)
        listed, source = names(columns), ", ".join(f"v.{q(c)}" for c in columns)
        valid, decided = self.s["valid"], self.s["decided"]
        # a snapshot that becomes the table; fixes of the one that is the table only join it
        replaced = f"EXISTS (SELECT 1 FROM {self.s['members']} WHERE _base)"
        if not load.key:
            leave = [f"DELETE FROM {self.validated} WHERE {replaced}"] if load.mode == "snapshot" else []
            return [*leave, f"INSERT INTO {self.validated} ({listed}) SELECT {source} FROM {valid} v"]
        script = [
            f"DELETE FROM {self.validated} v WHERE {self._key('v')} IN (SELECT _k FROM {decided} WHERE _written)",
            f"INSERT INTO {self.validated} ({listed}) SELECT {source} FROM {valid} v "
            f"JOIN {decided} d ON d._member = v._member AND d._row = v._row WHERE d._written",
        ]
        if load.mode == "snapshot":
            script.insert(0, f"DELETE FROM {self.validated} v WHERE {replaced} AND {self._not_in_snapshot('v')}")
        if self.derived_key:
            script.append(
                f"DELETE FROM {self.validated} WHERE {q(self.derived_key)} IN (SELECT _derived FROM ({self._own()}))"
            )
        return script

    # ------------------------------------------------------------------------------------------------ parts

    def _own(self) -> str:
        """SELECT ``_derived``, ``_delivery``: hashes that a row of this load stands for with a value of its own."""
        return (
            "SELECT _derived, ARRAY_AGG(_delivery ORDER BY _seq LIMIT 1)[OFFSET(0)] AS _delivery "
            f"FROM {self.s['keyed']} WHERE _value <> _derived GROUP BY _derived"
        )

    def _is_right(self, alias: str) -> str:
        return f"NOT EXISTS (SELECT 1 FROM {self.s['wrong']} w WHERE w._file = {alias}._file AND w._row = {alias}._row)"

    def _not_in_snapshot(self, alias: str) -> str:
        return f"{self._key(alias)} NOT IN (SELECT _k FROM {self.s['valid']})"

    def _key(self, alias: str) -> str:
        return json_of([f"{alias}.{q(k)}" for k in self.contract.load.key])

    def _moment(self, alias: str) -> str:
        """A row's place in time: its own, or that of its delivery (of `members` as ``m``)."""
        order = self.contract.load.order_by
        return (
            f"CAST({alias}.{q(order.column)} AS DATETIME)" if isinstance(order, Order) and order.column else "m._as_of"
        )


def hash_of(contract: Contract, sources: Sequence[str], alias: str = "") -> str:
    """The derived value, as `derived.hash_of` has it: first digits of the SHA-256 of the values as text, with a unit separator."""

    def text_of(source: str) -> str:
        column, value = contract.columns[source], f"{alias + '.' if alias else ''}{q(source)}"
        if column.type.value != "decimal":
            return f"CAST({value} AS STRING)"
        # with all digits of its scale, as DuckDB writes it: 12.50
        return f"FORMAT('%.{column.scale}f', {value})"

    texts = ", ".join(map(text_of, sources))
    return f"SUBSTR(TO_HEX(SHA256(ARRAY_TO_STRING([{texts}], CHR(31)))), 1, {HEX_DIGITS})"


def json_of(expressions: Iterable[str]) -> str:
    """Values as one text: equal where all of them are, NULL being equal to NULL."""
    return f"TO_JSON_STRING(STRUCT({', '.join(expressions)}))"


def names(columns: Iterable[str]) -> str:
    """Column names as a list."""
    return ", ".join(map(q, columns))


def q(name: str) -> str:
    """A column's name as an identifier."""
    return f"`{name}`"


def text(value: str) -> str:
    """A text of ours (rules, names of columns) as a literal. Values of rows never stand in SQL."""
    return "'" + value.replace("\\", "\\\\").replace("'", "\\'").replace("\n", "\\n") + "'"
