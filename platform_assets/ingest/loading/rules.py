"""The rules of loading, each said once, for every engine: which rows are wrong, which count, what is written of them.

They are texts in DuckDB's words. The lake runs them as they stand; another engine has sqlglot say them in its own words
(`engines.bigquery.loading.rules`), and overrides the few methods whose words cannot be turned. What is not here is how an engine changes its
tables: the lake by the places of rows (`merge`), BigQuery by their keys (`engines.bigquery.loading.statements`).

Texts keep to what both can say: joins with ON and names of both sides, subqueries instead of QUALIFY, no order by a column that may be
NULL but the one by `_as_of DESC`, where NULL comes last everywhere.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from platform_assets.contracts.mode import Chosen
from platform_assets.contracts.model import Contract, Order
from platform_assets.ingest.loading.relations import Relations
from platform_assets.ingest.tables import Tables
from resources.lake.warehouse import literal, quoted

TOP_REASONS = 20
HEX_DIGITS = 16


class Rules:
    """The rules for one contract, as SQL over the relations `names` and the dataset's tables."""

    def __init__(
        self, contract: Contract, names: Relations | None = None, lacked: Mapping[str, Sequence[int]] | None = None
    ) -> None:
        self.contract = contract
        self.lacked = dict(lacked or {})
        """Columns whose earlier values stay where a file does not bring them, and some member of the load does not -> the members."""
        self.names = names or Relations()
        self.tables = Tables(contract)
        self.mode = contract.load.changes
        self.derived_key = next((k for k in contract.load.key if k in contract.derived), None)
        """Of several derived columns in one key only the first is matched: the others' copies differ in it anyway."""

    # ------------------------------------------------------------------------------------------------ an engine's own words

    def key(self, alias: str) -> str:
        """The key of a row, to group and to order by."""
        return ", ".join(f"{alias}.{quoted(k)}" for k in self.contract.load.key)

    def hashed_key(self, alias: str) -> str:
        """The key within a load: `_k` separates most, the columns the rest."""
        return f"{alias}._k, {self.key(alias)}"

    def same_key(self, one: str, other: str) -> str:
        """Whether two rows have the same key; a missing part is the same as a missing part."""
        return " AND ".join(
            f"{one}.{quoted(k)} {'IS NOT DISTINCT FROM' if self.contract.columns[k].nullable else '='} {other}.{quoted(k)}"
            for k in self.contract.load.key
        )

    def content(self, alias: str) -> str:
        """One value that is the same where all of the contract's columns are."""
        return f"hash({', '.join(f'{alias}.{quoted(c)}' for c in self.contract.columns)})"

    def hash_of(self, sources: Sequence[str], alias: str) -> str:
        """A derived value: the first 16 hex digits of the SHA-256 of the values as text, separated by the unit separator."""
        texts = ", ".join(f"{alias}.{quoted(s)}::VARCHAR" for s in sources)
        return f"left(sha256(concat_ws(chr(31), {texts})), {HEX_DIGITS})"

    def about(self, alias: str) -> str:
        """What a row is about, where a delivery is the whole of that (`load.replaces`)."""
        columns = [f"{alias}.{quoted(c)}" for c in self.contract.load.replaces]
        return columns[0] if len(columns) == 1 else f"({', '.join(columns)})"

    # ------------------------------------------------------------------------------------------------ judge

    def typed(self, read: str) -> str:
        """SELECT of the typed rows `read`, with derived values where there are none.

        A missing value becomes a stable hash of other columns.
        """
        values = ", ".join(
            f"coalesce(r.{quoted(name)}, {self.hash_of(column.derived_from, 'r')}) AS {quoted(name)}"
            for name, column in self.contract.derived.items()
        )
        return f"SELECT * REPLACE ({values}) FROM {read} r" if values else f"SELECT * FROM {read} r"

    def wrong(self, judged: str) -> str:
        """SELECT `_file`, `_row`, `_reasons` of the rows that are wrong: those that `judged` finds, and, where the contract says so, all
        rows that share a key within a delivery, as nobody can tell which one is meant. `judged` and the typed rows are read."""
        if self.contract.load.duplicates != "quarantine":
            return f"SELECT j._file, j._row, j._reasons FROM {judged} j"
        n = self.names
        repeated = (
            f"SELECT k._file, k._row FROM (SELECT t._file, t._row, count(*) OVER (PARTITION BY f._delivery, {self.key('t')}) AS n "
            f"FROM {n.typed} t JOIN {n.files} f ON f._file = t._file) k WHERE k.n > 1"
        )
        reason = literal(f"row: the key ({', '.join(self.contract.load.key)}) stands more than once in the delivery")
        return (
            "SELECT coalesce(j._file, d._file) AS _file, coalesce(j._row, d._row) AS _row, "
            f"list_concat(coalesce(j._reasons, []), CASE WHEN d._row IS NULL THEN [] ELSE [{reason}] END) AS _reasons "
            f"FROM {judged} j FULL JOIN ({repeated}) d ON d._file = j._file AND d._row = j._row"
        )

    def newest_rows(self) -> str:
        """SELECT `_delivery`, `moment`: the newest right row of every delivery; '' where rows have no place in time of their own."""
        if not self._row_has_time:
            return ""
        n = self.names
        return (
            f"SELECT f._delivery, max({self.moment('t')}) AS moment FROM {n.typed} t {self.are_right('t')} "
            f"JOIN {n.files} f ON f._file = t._file GROUP BY f._delivery"
        )

    # ------------------------------------------------------------------------------------------------ rows without an id

    # In a key a derived value alone would leave two rows of what is one thing, delivered once with and once without its id. So a row
    # without takes the value of a row whose other columns are the same, and a row in the table that still bears a hash leaves when one
    # with a value of its own comes.

    @property
    def sources(self) -> tuple[str, ...]:
        """The columns of which the derived key is made."""
        return self.contract.columns[self.derived_key].derived_from if self.derived_key else ()

    def keyed(self) -> str:
        """SELECT for `Relations.keyed`."""
        assert self.derived_key is not None
        listed = ", ".join(f"t.{quoted(s)}" for s in self.sources)
        return (
            f"SELECT {listed}, t._file, t._row, m._delivery, m._seq, t.{quoted(self.derived_key)} AS _value, "
            f"{self.hash_of(self.sources, 't')} AS _derived {self.of_published('t')}"
        )

    def adopted(self) -> str:
        """SELECT for `Relations.adopted`: a copy in the table, in an earlier delivery or in their own. Of several copies with different
        values the smallest counts."""
        assert self.derived_key is not None
        keyed, own = self.names.keyed, f"v.{quoted(self.derived_key)}"

        def alike(other: str) -> str:
            return " AND ".join(f"{other}.{quoted(s)} = m.{quoted(s)}" for s in self.sources)

        return (
            "SELECT a._file, a._row, min(a._delivery) AS _delivery, min(a._own) AS _own FROM ("
            f"SELECT m._file, m._row, m._delivery, c._value AS _own FROM {keyed} m JOIN {keyed} c ON {alike('c')} "
            "WHERE m._value = m._derived AND c._value <> c._derived AND c._seq <= m._seq UNION ALL "
            f"SELECT m._file, m._row, m._delivery, {own} AS _own FROM {keyed} m JOIN {self.tables.validated} v ON {alike('v')} "
            f"WHERE m._value = m._derived AND {own} <> m._derived) a GROUP BY a._file, a._row"
        )

    def come_with_id(self) -> str:
        """SELECT `_derived`, `_delivery`: hashes that a row of this load stands for with a value of its own."""
        return (
            "SELECT o._derived, o._delivery FROM (SELECT k._derived, k._delivery, "
            f"row_number() OVER (PARTITION BY k._derived ORDER BY k._seq) AS n FROM {self.names.keyed} k "
            "WHERE k._value <> k._derived) o WHERE o.n = 1"
        )

    def retire(self) -> str:
        """DELETE of the table's rows that bear a hash, where this load brought the same with a value of its own."""
        assert self.derived_key is not None
        gone = f"SELECT g._derived FROM ({self.come_with_id()}) g"
        return f"DELETE FROM {self.tables.validated} WHERE {quoted(self.derived_key)} IN ({gone})"

    # ------------------------------------------------------------------------------------------------ decide

    def decided(self, candidates: str, existing: str, carried: str = "") -> str:
        """SELECT of the rows of `candidates` with `_action` (inserted, updated, deleted, unchanged, superseded), `_written` and
        `_arrival`.

        Within a delivery the last row of a key counts. From delivery to delivery the load mode says whether it counts (`Mode.counts`); if it
        does, it is an insert, an update or, if its content is what is there, unchanged. The last one is written, unless the table has
        that content (where time is not arrival it is written all the same, to remember how recent it is). `_arrival`: it changes the
        table, and no date says that it is newer than what is there, only that it comes now.
        `existing` are rows of the table, with `_as_of` and `_content`; `carried` are columns of theirs to hand on.
        """
        dated = self.contract.load.terms.dated
        rewrite, by_arrival = ("_as_of > _old_as_of", "_as_of = _old_as_of") if dated else ("FALSE", "TRUE")
        by_key, gone = self.hashed_key, self.deletes()
        return f"""
        WITH candidates AS (
          SELECT v.*,
            row_number() OVER (PARTITION BY {by_key("v")}, v._seq ORDER BY v._as_of DESC, v._member DESC, v._row DESC) = 1 AS _last
          FROM {candidates} v
        ), compared AS (
          SELECT c.*, {carried}{self._was()}e._as_of AS _old_as_of, e._content AS _old_content,
            max(CASE WHEN c._last THEN c._as_of END) OVER (
              PARTITION BY {by_key("c")} ORDER BY c._seq NULLS FIRST RANGE BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING) AS _earlier
          FROM candidates c LEFT JOIN {existing} e ON {self.joined_key("e", "c")}
        ), judged AS (
          SELECT *, _last AND {self.mode.counts} AS _counts FROM compared
        ), {self._filled()} hashed AS (
          SELECT f.*, {self.content("f")} AS _content FROM {"filled" if self.lacked else "judged"} f
        ), chained AS (
          SELECT c.*,
            CASE WHEN c._counts THEN coalesce(
              lag(c._content) OVER (PARTITION BY {by_key("c")}, c._counts ORDER BY c._seq), c._old_content) END AS _before,
            c._counts AND row_number() OVER (PARTITION BY {by_key("c")}, c._counts ORDER BY c._seq DESC) = 1 AS _final
          FROM hashed c
        )
        SELECT * EXCLUDE (_last, _earlier),
          CASE WHEN NOT _counts THEN 'superseded' WHEN {gone} AND _before IS NULL THEN 'unchanged' WHEN {gone} THEN 'deleted'
               WHEN _before IS NULL THEN 'inserted' WHEN _before = _content THEN 'unchanged' ELSE 'updated' END AS _action,
          _final AND NOT {gone} AND coalesce(_old_content IS NULL OR _content <> _old_content OR {rewrite}, FALSE) AS _written,
          _counts AND coalesce(CASE WHEN {gone} THEN _before IS NOT NULL ELSE _before IS NULL OR _before <> _content END
            AND {by_arrival}, FALSE) AS _arrival
        FROM chained
        """

    def deletes(self, alias: str = "") -> str:
        """Whether a row deletes its key; such deliveries are loaded one at a time."""
        of = f"{alias}." if alias else ""
        conditions = [
            f"coalesce({of}{quoted(c)} IN ({', '.join(map(literal, values))}), FALSE)"
            for c, values in self.contract.load.deletes.items()
        ]
        return f"({' OR '.join(conditions)})" if conditions else "FALSE"

    def _filled(self) -> str:
        """The part of `decided` that gives columns which a file does not bring the value that the key had before: of the last row in the
        load whose file brings it, or of the table."""
        if not self.lacked:
            return ""
        key = self.hashed_key("j")

        def brings(column: str) -> str:
            return f"j._member NOT IN ({', '.join(map(str, self.lacked[column]))})"

        since = ", ".join(
            f"count(CASE WHEN {brings(c)} THEN 1 END) OVER (PARTITION BY {key}, j._counts ORDER BY j._seq NULLS FIRST) AS {quoted(f'_since_{c}')}"
            for c in self.lacked
        )
        values = ", ".join(
            f"CASE WHEN {brings(c)} THEN j.{quoted(c)} WHEN j.{quoted(f'_since_{c}')} = 0 THEN j.{quoted(f'_was_{c}')} "
            f"ELSE max(CASE WHEN {brings(c)} THEN j.{quoted(c)} END) OVER (PARTITION BY {key}, j._counts, j.{quoted(f'_since_{c}')}) END "
            f"AS {quoted(c)}"
            for c in self.lacked
        )
        return f"counted AS (SELECT j.*, {since} FROM judged j), filled AS (SELECT j.* EXCLUDE ({', '.join(map(quoted, self.lacked))}), {values} FROM counted j),"

    def _was(self) -> str:
        return "".join(f"e.{quoted(f'_was_{c}')}, " for c in self.lacked)

    def existing(self, alias: str) -> str:
        """What `decided` reads of a row of the table beside its key: `_as_of`, `_content`, and the values that may stay."""
        was = "".join(f", {alias}.{quoted(c)} AS {quoted(f'_was_{c}')}" for c in self.lacked)
        return f"{alias}._as_of, {self.content(alias)} AS _content{was}"

    def leaving(self, chosen: Chosen) -> list[tuple[str, str]]:
        """(delivery, condition): which rows of the table (``v``) leave because that delivery becomes the table, or takes the place of a
        part of it; where rows have a key, only those whose key does not come."""
        if chosen.base:
            return [(chosen.base, "TRUE")]
        if chosen.whole_of:
            valid = self.names.valid
            same = f"{self.about('v')} IN (SELECT {self.about('p')} FROM {valid} p)"
            return [(chosen.whole_of, f"{same} AND v._as_of <= (SELECT max(p._as_of) FROM {valid} p)")]
        # ids are hex digits
        if chosen.swept:
            later = ", ".join(map(literal, sorted(chosen.later)))
            return [(chosen.swept, f"v._delivery NOT IN ({later})" if later else "TRUE")]
        return [
            (delivery, f"v._delivery IN ({', '.join(map(literal, sorted(gone)))})")
            for delivery, gone in chosen.replaced.items()
        ]

    def joined_key(self, one: str, other: str) -> str:
        """Whether two rows within the load have the same key."""
        return f"{one}._k = {other}._k AND {self.same_key(one, other)}"

    # ------------------------------------------------------------------------------------------------ write

    def write_raw(self, source: str, texts: Sequence[str]) -> str:
        """INSERT of all rows as text. `texts` are the columns of `source` (``r``) as they may be kept, in the order of the file's."""
        listed = ", ".join(map(quoted, (*self.tables.texts, "_file", "_delivery", "_row")))
        return (
            f"INSERT INTO {self.tables.raw} ({listed}) SELECT {', '.join(texts)}, m._label, m._delivery, r._row "
            f"FROM {source} r JOIN {self.names.members} m ON m._file = r._file"
        )

    def quarantined(self, *, held: bool = True) -> str:
        """SELECT of the quarantine's columns: wrong rows of every delivery but superseded ones, all rows of a held delivery; broken
        lines. `held`: a delivery of the batch is."""
        n, texts = self.names, self.tables.texts
        common = "m._label AS _file, m._delivery, s._row, m._at AS _quarantined_at"
        held_as_whole = "CASE WHEN m._status = 'held' THEN ['delivery: held, ' || m._why] ELSE [] END"
        return (
            f"SELECT {', '.join(f's.{quoted(c)}' for c in texts)}, NULL::VARCHAR AS _text, "
            f"list_concat(coalesce(w._reasons, []), {held_as_whole}) AS _reasons, {common} FROM {n.staged} s "
            f"{'LEFT JOIN' if held else 'JOIN'} {n.wrong} w ON w._file = s._file AND w._row = s._row "
            f"JOIN {n.members} m ON m._file = s._file "
            "WHERE m._status = 'held' OR (m._status = 'published' AND w._row IS NOT NULL) UNION ALL "
            f"SELECT {', '.join(f'NULL::VARCHAR AS {quoted(c)}' for c in texts)}, s._text, ['row: ' || s._reason] AS _reasons, {common} "
            f"FROM {n.broken} s JOIN {n.members} m ON m._file = s._file"
        )

    def write_quarantined(self, *, held: bool = True) -> str:
        """INSERT of `quarantined`."""
        listed = ", ".join(map(quoted, self.tables.quarantine_columns))
        return f"INSERT INTO {self.tables.quarantine} ({listed}) SELECT {listed} FROM ({self.quarantined(held=held)}) q"

    def reasons(self, rejected: str) -> str:
        """SELECT `_delivery`, `reason`, `rows`, and the place of the first (`file`, `row`): the most frequent reasons of every delivery of
        `rejected`, as the ledger keeps them. Rule and shape, never a value."""
        by_file = (
            "SELECT q._delivery, reason, q._file, count(*) AS rows, min(q._row) AS row "
            f"FROM {rejected} q, unnest(q._reasons) AS u(reason) GROUP BY q._delivery, reason, q._file"
        )
        placed = (
            "SELECT f._delivery, f.reason, sum(f.rows) OVER (PARTITION BY f._delivery, f.reason) AS rows, f._file AS file, f.row AS row, "
            f"row_number() OVER (PARTITION BY f._delivery, f.reason ORDER BY f._file) AS place FROM ({by_file}) f"
        )
        ranked = (
            "SELECT p._delivery, p.reason, p.rows, p.file, p.row, "
            f"row_number() OVER (PARTITION BY p._delivery ORDER BY p.rows DESC, p.reason) AS n FROM ({placed}) p WHERE p.place = 1"
        )
        return (
            f"SELECT t._delivery, t.reason, t.rows, t.file, t.row FROM ({ranked}) t WHERE t.n <= {TOP_REASONS} "
            "ORDER BY t._delivery, t.n"
        )

    # ------------------------------------------------------------------------------------------------ parts

    @property
    def _row_has_time(self) -> bool:
        order = self.contract.load.order_by
        return isinstance(order, Order) and order.column is not None

    def moment(self, alias: str) -> str:
        """A row's place in time: its own, or that of its delivery (of `members` as ``m``)."""
        order = self.contract.load.order_by
        if isinstance(order, Order) and order.column:
            return f"{alias}.{quoted(order.column)}::TIMESTAMP"
        return "m._as_of"

    def period(self, alias: str) -> str:
        """The label of the week or month in which a row lies, e.g. ``2024-W18``; '' where the contract has none."""
        if not self.contract.partition:
            return ""
        pattern = "%G-W%V" if self.contract.partition.unit == "iso_week" else "%Y-%m"
        return f"strftime({alias}.{quoted(self.contract.partition.by)}::DATE, '{pattern}')"

    def are_right(self, alias: str) -> str:
        """JOIN that leaves the wrong rows of `alias` out."""
        return f"ANTI JOIN {self.names.wrong} w ON w._file = {alias}._file AND w._row = {alias}._row"

    def of_published(self, alias: str, *, some_wrong: bool = True) -> str:
        """FROM and WHERE of the right typed rows of published deliveries (``m`` are the members)."""
        return (
            f"FROM {self.names.typed} {alias} {self.are_right(alias) if some_wrong else ''} "
            f"JOIN {self.names.members} m ON m._file = {alias}._file WHERE m._status = 'published'"
        )
