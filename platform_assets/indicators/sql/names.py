"""What the names in a query stand for, by scope: a table of a layer, or a name of a WITH that is visible where it is used.

sqlglot's reading. DuckDB's own (`resources.lake.select_only`) is asked besides: both have to agree that there is nothing else.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from sqlglot import expressions

READABLE = ("validated", "history", "indicators")
_PLAIN = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_TABLE = re.compile(r"[a-z][a-z0-9_]*")


def tables_of(query: expressions.Expr) -> tuple[str, ...]:
    """The tables of layers that the query reads, e.g. ``validated.orders``, each once, sorted."""
    from sqlglot import expressions

    return tuple(sorted({f"{t.db}.{t.name}" for t in query.find_all(expressions.Table) if t.db}))


def problems(query: expressions.Expr) -> Iterator[str]:
    """A sentence for each name that stands for something else than a table of a layer or a visible name of WITH."""
    from sqlglot import expressions
    from sqlglot.optimizer.normalize_identifiers import normalize_identifiers
    from sqlglot.optimizer.scope import traverse_scope

    for alias in query.find_all(expressions.TableAlias):
        if alias.this is not None and not _PLAIN.fullmatch(alias.name):
            yield f'the name "{alias.name}" is not plain: names of WITH and names after AS have letters, digits and _'
    # DuckDB takes names of WITH in capitals and small letters alike, quoted or not
    folded = normalize_identifiers(query.copy(), dialect="duckdb")
    visible = {id(table): scope.cte_sources for scope in traverse_scope(folded) for table in scope.tables}
    written = query.find_all(expressions.Table, bfs=False)
    for table, there in zip(written, folded.find_all(expressions.Table, bfs=False), strict=True):
        named = isinstance(table.this, expressions.Identifier)
        if isinstance(table.this, expressions.GenerateSeries):
            continue
        own = named and not table.db and not table.catalog and there.name in visible.get(id(there), {})
        layer = named and table.db in READABLE and not table.catalog and _TABLE.fullmatch(table.name)
        if not (own and _PLAIN.fullmatch(table.name)) and not layer:
            words = expressions.Table(**{k: table.args.get(k) for k in ("this", "db", "catalog")}).sql(dialect="duckdb")
            yield (
                f"the query reads {words}: write tables with their layer ({' or '.join(READABLE)}) and in small letters, as in "
                "validated.transactions; a name of WITH counts only in the query that it stands before"
            )
        elif table.args.get("when") or table.args.get("version"):
            yield f"the query reads {table.name} at a time of its own: the platform says at which snapshot tables are read"
