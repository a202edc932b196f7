"""Tombstones at work: kept in `erasure/tombstones.json`, held against tables, files, and everything that comes later.

The file lies outside the lake on purpose: put back an old copy of the lake, then `erasure replay` erases again what was erased
since. Keep the folder `erasure` out of what you restore.
"""

from __future__ import annotations

import json
from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import TYPE_CHECKING

from platform_assets.contracts.model import Contract
from platform_assets.erasure.targets import PURPOSE, Match, Tombstone, set_keys, token_rows, tokens
from platform_assets.ingest.judging import expression_of, stage_rows
from resources.identity import IdentityKeys, pseudonym_sql
from resources.lake.warehouse import Warehouse, quoted
from resources.object_store import ObjectStore

if TYPE_CHECKING:
    import duckdb

FILE = "erasure/tombstones.json"


def read(store: ObjectStore) -> list[Tombstone]:
    """All tombstones."""
    if store.stat(FILE) is None:
        return []
    with store.open(FILE) as file:
        return [Tombstone(**{**t, "identifying": tuple(t["identifying"])}) for t in json.load(file)]


def add(store: ObjectStore, stones: Iterable[Tombstone]) -> None:
    """Keep `stones`; those of a request that is carried out again are there already. The caller holds the lock `erasure`."""
    kept = {json.dumps([t.dataset, t.purpose, dict(t.columns)], sort_keys=True): t for t in read(store)}
    for stone in stones:
        kept.setdefault(json.dumps([stone.dataset, stone.purpose, dict(stone.columns)], sort_keys=True), stone)
    store.write(FILE, json.dumps([t.as_dict() for t in kept.values()], indent=0).encode())


class Marks:
    """The tombstones that concern one dataset, ready to be held against its rows on one connection."""

    def __init__(
        self,
        warehouse: Warehouse,
        connection: duckdb.DuckDBPyConnection,
        contract: Contract,
        keys: IdentityKeys,
        stones: Iterable[Tombstone],
    ) -> None:
        self._warehouse = warehouse
        self._connection = connection
        self._contract = contract
        self.matches = [m for stone in stones for m in stone.matches(contract)]
        if self.matches:
            set_keys(connection, contract, keys)
            self._write_tables()

    def __bool__(self) -> bool:
        return bool(self.matches)

    @property
    def identifying(self) -> list[str]:
        """Columns by which any of the tombstones tells who is meant."""
        return sorted({c for m in self.matches for c in m.identifying})

    def _groups(self) -> dict[tuple[tuple[str, ...], tuple[str, ...]], list[Match]]:
        groups: dict[tuple[tuple[str, ...], tuple[str, ...]], list[Match]] = {}
        for match in self.matches:
            groups.setdefault((tuple(match.hashes), match.identifying), []).append(match)
        return groups

    def _write_tables(self) -> None:
        for number, ((columns, _), group) in enumerate(self._groups().items()):
            listed = ", ".join(f"unnest(?::VARCHAR[]) AS {quoted(c)}" for c in columns)
            self._connection.execute(
                f"CREATE OR REPLACE TEMP TABLE stones_{number} AS SELECT DISTINCT {listed}",
                [[m.hashes[c] for m in group] for c in columns],
            )

    def _condition(
        self,
        value: dict[str, str],
        hashed: dict[str, str],
        *,
        whole: bool = True,
        before: Mapping[str, str] | None = None,
    ) -> str:
        """SQL that is true for a marked row; `value` and `hashed` give each column's expression. Not `whole`: only who, not when.

        `before`: the hashes of identifiers as they were made before there was one spelling of them; old tombstones hold such ones.
        """
        former = before or {}
        parts = []
        for number, (columns, identifying) in enumerate(self._groups()):
            if not set(columns) <= set(value):
                continue
            same = [
                f"s.{quoted(c)} IN ({', '.join(filter(None, (hashed[c], former.get(c))))})"
                if c in identifying
                else f"({value[c]} IS NULL OR s.{quoted(c)} = {hashed[c]})"
                for c in columns
                if whole or c in identifying
            ]
            parts.append(f"EXISTS (SELECT 1 FROM stones_{number} s WHERE {' AND '.join(same)})")
        return " OR ".join(parts) or "false"

    # ------------------------------------------------------------------------------------------------ rows as text

    def in_text(self, *, pseudonymised: bool = False, whole: bool = True) -> str:
        """SELECT `_file`, `_row` of the marked rows of the relation `staged` (text; identifiers as they came, or pseudonyms)."""
        purposes = self._contract.identifiers
        value = {c: f"t.{quoted(c)}" for c in self._contract.file_columns}
        hashed, before = {}, {}
        for column, expression in value.items():
            called = f"CAST({expression} AS VARCHAR)"
            if column in purposes:
                called = f"r.{quoted(column)}" if pseudonymised else pseudonym_sql(called, purposes[column])
                if not pseudonymised:
                    before[column] = pseudonym_sql(
                        pseudonym_sql(f"o.{quoted(column + '__was')}", purposes[column]), PURPOSE
                    )
            hashed[column] = pseudonym_sql(called, PURPOSE)
        compiled = expression_of(self._warehouse, self._contract)
        others = "JOIN staged r USING (_file, _row)" if pseudonymised else ""
        if before:
            others = f"JOIN ({compiled.both_spellings}) o USING (_file, _row)"
        condition = self._condition(value, hashed, whole=whole, before=before)
        return f"SELECT _file, _row FROM ({compiled.typed}) t {others} WHERE {condition}"

    def in_table(self, table: str, columns: Collection[str], *, whole: bool = True) -> str:
        """SELECT `rowid` of the marked rows of a table with typed columns and pseudonyms."""
        value = {c: f"v.{quoted(c)}" for c in columns if c in self._contract.file_columns}
        hashed = {c: pseudonym_sql(f"CAST({e} AS VARCHAR)", PURPOSE) for c, e in value.items()}
        return f"SELECT v.rowid FROM {table} v WHERE {self._condition(value, hashed, whole=whole)}"

    def in_lines(self, lines: Sequence[str]) -> list[bool]:
        """Which of `lines`, that are no rows, name someone who was erased."""
        names = self.identifying
        found = sorted({token for line in lines for token in tokens(line)})
        if not found or not names:
            return [False] * len(lines)
        stage_rows(self._connection, self._contract, token_rows(self._contract, names, found))
        typed = expression_of(self._warehouse, self._contract).typed
        purposes = self._contract.identifiers
        expressions = []
        for name in names:
            text = f"CAST({quoted(name)} AS VARCHAR)"
            called = pseudonym_sql(text, purposes[name]) if name in purposes else text
            expressions.append(pseudonym_sql(called, PURPOSE))
        rows = self._connection.execute(f"SELECT {', '.join(expressions)} FROM ({typed}) ORDER BY _row").fetchall()
        hashes = {token: dict(zip(names, row, strict=True)) for token, row in zip(found, rows, strict=True)}
        wanted = {name: {m.hashes[name] for m in self.matches if name in m.identifying} for name in names}
        marked = {t: {n: h for n, h in row.items() if h in wanted[n]} for t, row in hashes.items()}
        results = []
        for line in lines:
            seen: dict[str, set[str]] = {}
            for token in tokens(line):
                for name, value in marked[token].items():
                    seen.setdefault(name, set()).add(value)
            results.append(any(all(m.hashes[c] in seen.get(c, ()) for c in m.identifying) for m in self.matches))
        return results

    def matching_values(self, values: Sequence[str]) -> list[str]:
        """Those of `values` (of any table) that are an erased pseudonym, identifier or key."""
        hashes = [m.hashes[c] for m in self.matches for c in m.identifying]
        forms = [pseudonym_sql("v", PURPOSE)]
        forms += [
            pseudonym_sql(pseudonym_sql("v", p), PURPOSE) for p in sorted(set(self._contract.identifiers.values()))
        ]
        condition = " OR ".join(f"{form} IN (SELECT unnest($hashes::VARCHAR[]))" for form in forms)
        found = self._connection.execute(
            f"SELECT v FROM (SELECT unnest($values::VARCHAR[]) AS v) WHERE {condition}",
            {"values": list(values), "hashes": hashes},
        ).fetchall()
        return [r[0] for r in found]


def leave_out(
    warehouse: Warehouse,
    connection: duckdb.DuckDBPyConnection,
    contract: Contract,
    keys: IdentityKeys,
    store: ObjectStore,
) -> dict[int, tuple[int, int]] | None:
    """Take erased rows out of the views `staged` and `broken` before anything is judged; they stay in `erased_staged`, `erased_broken`.

    Returns, per number of the member, the rows and the broken lines taken out (they count as superseded), or None where no
    tombstone concerns the dataset.
    """
    import duckdb

    stones = read(store)
    marks = Marks(warehouse, connection, contract, keys, stones)
    if not marks:
        return None
    connection.execute(f"CREATE OR REPLACE TEMP TABLE erased_staged AS {marks.in_text()}")
    lines = connection.execute("SELECT _file, _row, _text FROM broken").fetchall()
    hits: list[tuple[int, int]] = []
    if lines:
        with duckdb.connect() as aside:  # lines are read through a relation `staged` too
            bad = Marks(warehouse, aside, contract, keys, stones).in_lines([text for *_, text in lines])
        hits = [(file, row) for (file, row, _), b in zip(lines, bad, strict=True) if b]
    connection.execute(
        "CREATE OR REPLACE TEMP TABLE erased_broken AS SELECT unnest(?::BIGINT[]) AS _file, unnest(?::BIGINT[]) AS _row",
        [[h[0] for h in hits], [h[1] for h in hits]],
    )
    gone: dict[int, tuple[int, int]] = {}
    for name in ("staged", "broken"):
        for file, count in connection.execute(f"SELECT _file, count(*) FROM erased_{name} GROUP BY 1").fetchall():
            rows, broken = gone.get(file, (0, 0))
            gone[file] = (rows + count, broken) if name == "staged" else (rows, broken + count)
        connection.execute(f"DROP VIEW IF EXISTS temp.all_{name}")
        connection.execute(f"ALTER VIEW temp.{name} RENAME TO all_{name}")
        connection.execute(
            f"CREATE TEMP VIEW {name} AS SELECT * FROM all_{name} ANTI JOIN erased_{name} USING (_file, _row)"
        )
    return gone


def leave_out_of(
    warehouse: Warehouse,
    connection: duckdb.DuckDBPyConnection,
    contract: Contract,
    keys: IdentityKeys,
    store: ObjectStore,
    table: str,
) -> None:
    """Take erased rows out of a temporary table of typed rows with pseudonyms."""
    marks = Marks(warehouse, connection, contract, keys, read(store))
    if marks:
        erased = marks.in_table(table, contract.file_columns)
        connection.execute(f"DELETE FROM {table} WHERE rowid IN ({erased})")
