"""The directed graph of drugs, publications, trials and journals, as two tables; `graph_files` writes them.

Nodes: `drug_<code>`, `pubmed_<id>`, `clinical_trial_<id>`, `journal_<name>`. Edges: publication -> drug (its
title names the drug), journal -> publication (it appeared there), journal -> drug (both). Everything that was
delivered is a node, also a drug that no title names and a title that names no drug: absence is an answer too.
"""

from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import duckdb
import pyarrow as pa

from platform_assets.literature.mentions import drug_names
from platform_assets.literature.tables import DRUGS, MENTIONS, PUBLICATION_KINDS, PUBLICATIONS, Tabular, database, table

NODES = pa.schema(
    [
        ("id", pa.string()),
        ("type", pa.string()),  # drug, pubmed, clinical_trial or journal
        ("name", pa.string()),  # of a drug or journal; of a publication its title
        ("date", pa.date32()),  # of a publication
    ]
)

EDGES = pa.schema(
    [
        ("source", pa.string()),
        ("target", pa.string()),
        ("type", pa.string()),  # publication_drug, journal_publication or journal_drug
        ("date", pa.date32()),  # of the publication; empty for journal_drug
        # Only for journal_drug, side by side: each publication behind the edge and its date, in order of
        # time. Two publications of one day stay two.
        ("dates", pa.list_(pa.date32())),
        ("publications", pa.list_(pa.string())),
    ]
)


@dataclass(frozen=True)
class Graph:
    """The graph as two Arrow tables, NODES sorted by type and id, EDGES by type, source and target."""

    nodes: pa.Table
    edges: pa.Table
    synonyms: Mapping[str, Sequence[str]] = field(default_factory=dict)
    """Other names of a drug (paracetamol for acetaminophen), by code: for who searches. No part of the tables."""

    def counts(self) -> dict[str, int]:
        """Number of nodes and edges of each type, for people and for run metadata."""
        columns = (self.nodes.column("type"), self.edges.column("type"))
        return {str(pair["values"]): pair["counts"].as_py() for types in columns for pair in types.value_counts()}


def build_graph(drugs: Tabular, publications: Tabular, mentions: Tabular) -> Graph:
    """Make the graph from tables with the columns of DRUGS, PUBLICATIONS and MENTIONS.

    The order of the rows does not matter: the same rows give the same graph.

    Raises:
        ValueError: two publications share kind and id, a kind is unknown, or a mention is of a drug or
            publication that is not in its table.
    """
    rows = table(drugs, DRUGS).to_pydict()
    pairs = [(code, name) for code, name in zip(*rows.values(), strict=True) if code and name]
    names = drug_names(pairs)
    others = sorted({(code, name) for code, name in pairs if name != names[code]})
    synonyms = {code: [name for _, name in found] for code, found in itertools.groupby(others, lambda pair: pair[0])}
    with database(
        drugs=pa.table({"code": list(names), "name": list(names.values())}, _DRUG_NODES),
        publications=table(publications, PUBLICATIONS),
        mentions=table(mentions, MENTIONS),
    ) as db:
        _check(db)
        nodes = db.sql(_NODES_QUERY).to_arrow_table().cast(NODES)
        edges = db.sql(_EDGES_QUERY).to_arrow_table().cast(EDGES)
    return Graph(nodes, edges, synonyms)


def mentions_of(graph: Graph) -> pa.Table:
    """The MENTIONS that a graph was made of, none lost, sorted by kind, publication and drug."""
    with database(nodes=graph.nodes, edges=graph.edges) as db:
        return db.sql(_MENTIONS_QUERY).to_arrow_table().cast(MENTIONS)


_DRUG_NODES = pa.schema([("code", pa.string()), ("name", pa.string())])

_NODES_QUERY = """
    select 'drug_' || code as id, 'drug' as type, name, null::date as date from drugs
    union all
    select kind || '_' || id, kind, title, date from publications
    union all
    select distinct 'journal_' || journal, 'journal', journal, null::date
    from publications where journal <> ''
    order by type, id
"""

_EDGES_QUERY = """
    with mentioned as (
        select 'drug_' || drug_code as drug, p.kind || '_' || p.id as publication, p.journal, p.date
        from mentions m join publications p on (p.kind, p.id) = (m.kind, m.publication_id)
    )
    select publication as source, drug as target, 'publication_drug' as type, date,
        null::date[] as dates, null::varchar[] as publications
    from mentioned
    union all
    select 'journal_' || journal, kind || '_' || id, 'journal_publication', date, null, null
    from publications where journal <> ''
    union all
    select 'journal_' || journal, drug, 'journal_drug', null,
        list(date order by date nulls last, publication),
        list(publication order by date nulls last, publication)
    from mentioned where journal <> '' group by journal, drug
    order by type, source, target
"""

_MENTIONS_QUERY = """
    select d.id[length('drug_') + 1:] as drug_code, d.name as drug_name, p.type as kind,
        p.id[length(p.type) + 2:] as publication_id, p.name as title, j.name as journal, p.date
    from edges m
    join nodes p on p.id = m.source
    join nodes d on d.id = m.target
    left join edges e on e.target = p.id and e.type = 'journal_publication'
    left join nodes j on j.id = e.source
    where m.type = 'publication_drug'
    order by kind, publication_id, drug_code
"""


def _check(db: duckdb.DuckDBPyConnection) -> None:
    """Refuse tables that would give a graph with clashing nodes or edges to nowhere."""
    kinds = ", ".join(f"'{kind}'" for kind in PUBLICATION_KINDS)
    if count := _count(db, f"from publications where kind not in ({kinds}) or kind is null or id is null"):
        raise ValueError(f"{count} publication(s) have no id, or a kind other than {kinds}")
    if count := _count(db, "from (select kind, id from publications group by all having count(*) > 1)"):
        raise ValueError(
            f"{count} publication id(s) occur more than once within their kind; give each publication one row"
        )
    if count := _count(
        db, "from (select kind, publication_id, drug_code from mentions group by all having count(*) > 1)"
    ):
        raise ValueError(f"{count} mention(s) occur more than once; give each drug and publication one row")
    if count := _count(
        db,
        """from mentions m
        where not exists (from drugs where code = m.drug_code)
        or not exists (from publications p where p.kind = m.kind and p.id = m.publication_id)""",
    ):
        raise ValueError(
            f"{count} mention(s) are of a drug or publication that is not in its table;"
            " find the mentions again from the same drugs and publications"
        )


def _count(db: duckdb.DuckDBPyConnection, rows: str) -> int:
    (count,) = db.sql(f"select count(*) {rows}").fetchall()[0]
    return int(count)
