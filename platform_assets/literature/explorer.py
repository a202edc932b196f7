"""The graph as one HTML file to look at: search, neighbourhoods, filters; no server and no internet needed.

The page's parts are the files of `explorer_assets`. Titles and names reach it only as JSON in a data block
that cannot end early, and are shown only as text; the page's own policy forbids any script but ours and any
request.
"""

from __future__ import annotations

import base64
import hashlib
import html
import json
import re
from importlib import resources
from pathlib import Path
from typing import Any

from platform_assets.literature.graph import Graph
from platform_assets.literature.graph_files import replace_file
from platform_assets.literature.tables import CLINICAL_TRIAL, PUBLICATION_KINDS, database

MOST_PUBLICATIONS = 20_000
"""A page with more publications is slow to open and says nothing more to the eye."""

_SCRIPTS = ("model.js", "layout.js", "map.js", "panel.js", "main.js")


def write_explorer(graph: Graph, path: Path, title: str = "Drugs in the literature") -> Path:
    """Write `explorer_html` to `path`, replacing it in one step."""
    page = explorer_html(graph, title).encode()
    path.parent.mkdir(parents=True, exist_ok=True)
    replace_file(path, lambda file: file.write(page))
    return path


def explorer_html(graph: Graph, title: str = "Drugs in the literature", most: int = MOST_PUBLICATIONS) -> str:
    """The page for `graph`; the same graph gives the same page.

    Of more than `most` publications the page holds the newest that mention a drug, and says so.
    """
    style = _asset("style.css")
    script = "\n".join(_asset(name) for name in _SCRIPTS)
    parts = {
        "title": html.escape(title),
        "style": style,
        "style_hash": _policy_hash(style),
        "script": script,
        "script_hash": _policy_hash(script),
        "data": _json_for_html(_page_data(graph, most)),
    }
    # One pass, so that nothing inside a title is taken for a placeholder.
    return re.sub(r"\{\{(\w+)\}\}", lambda match: parts[match[1]], _asset("page.html"))


def _page_data(graph: Graph, most: int) -> dict[str, Any]:
    """What the page reads: names once, publications as rows that point to them by position."""
    counts = graph.counts()
    with database(nodes=graph.nodes, edges=graph.edges) as db:
        db.execute(_PUBLICATIONS_QUERY)
        (everything,) = db.sql("select count(*) from publications").fetchall()[0]
        cut = everything > most
        if cut:
            db.execute(_NEWEST_QUERY, [most])
        drugs = db.sql(_drugs_query(cut)).fetchall()
        journals = [name for (name,) in db.sql(_journals_query(cut)).fetchall()]
        rows = db.sql("select type, id, title, journal, date, drugs from publications order by type, id").fetchall()
    drug_position = {f"drug_{code}": position for position, (code, _) in enumerate(drugs)}
    journal_position = {name: position for position, name in enumerate(journals)}
    return {
        "totals": {kind: counts.get(kind, 0) for kind in ("drug", "journal", *PUBLICATION_KINDS)},
        "drugs": [[code, name, *graph.synonyms.get(code, [])] for code, name in drugs],
        "journals": journals,
        "publications": [
            [
                int(kind == CLINICAL_TRIAL),
                node.removeprefix(f"{kind}_"),
                name,
                journal_position.get(journal, -1),
                date or "",
                [drug_position[drug] for drug in named],
            ]
            for kind, node, name, journal, date, named in rows
        ],
    }


_PUBLICATIONS_QUERY = """
    create table publications as
    select n.type, n.id, coalesce(n.name, '') as title, any_value(j.name) as journal, n.date::varchar as date,
        coalesce(list(distinct m.target order by m.target) filter (where m.target is not null), []) as drugs
    from nodes n
    left join edges m on m.source = n.id and m.type = 'publication_drug'
    left join edges e on e.target = n.id and e.type = 'journal_publication'
    left join nodes j on j.id = e.source
    where n.type in ('pubmed', 'clinical_trial')
    group by n.type, n.id, n.name, n.date
"""

_NEWEST_QUERY = """
    create or replace table publications as
    from publications where len(drugs) > 0 order by date desc nulls last, type, id limit $1
"""


def _drugs_query(cut: bool) -> str:
    told = "and id in (select unnest(drugs) from publications)" if cut else ""
    return f"select id[length('drug_') + 1:], name from nodes where type = 'drug' {told} order by id"


def _journals_query(cut: bool) -> str:
    told = "and name in (select journal from publications)" if cut else ""
    return f"select name from nodes where type = 'journal' {told} order by name"


def _json_for_html(data: dict[str, Any]) -> str:
    """JSON in which the characters that could end the data block or begin markup are escaped."""
    text = json.dumps(data, ensure_ascii=False, separators=(",", ":"))
    for character in "<>&\u2028\u2029":
        text = text.replace(character, f"\\u{ord(character):04x}")
    return text


def _policy_hash(text: str) -> str:
    return "sha256-" + base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()


def _asset(name: str) -> str:
    return resources.files(__package__).joinpath("explorer_assets", name).read_text(encoding="utf-8")
