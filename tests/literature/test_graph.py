"""The graph that is made of the tables, and the files that are made of the graph."""

from __future__ import annotations

import json
from datetime import date
from pathlib import Path

import networkx
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from platform_assets.literature.graph import Graph, build_graph, mentions_of
from platform_assets.literature.graph_files import read_node_link, write_graph
from platform_assets.literature.tables import MENTIONS
from tests.literature.build import drug_list, mentions_in, publication, publications

DRUGS = drug_list(("V03AB", "ETHANOL"), ("S03AA", "TETRACYCLINE"), ("A01AD", "EPINEPHRINE"))
ROWS = publications(
    publication("Ethanol and tetracycline", id="1", journal="Addiction", on="2020-03-01"),
    publication("Ethanol again", id="2", journal="Addiction", on="2020-01-01"),
    publication("Ethanol in a trial", id="2", kind="clinical_trial", journal="Addiction", on="2020-01-01"),
    publication("Nothing of interest", id="3", journal="The Lancet", on=None),
)


def graph_of(drugs: pa.Table = DRUGS, rows: pa.Table = ROWS) -> Graph:
    return build_graph(drugs, rows, mentions_in(drugs, rows))


def read_with_networkx(folder: Path) -> networkx.DiGraph:
    return networkx.node_link_graph(json.loads((folder / "graph.json").read_text(encoding="utf-8")), edges="edges")


def test_networkx_reads_every_node_and_edge_with_its_attributes(tmp_path: Path) -> None:
    write_graph(graph_of(), tmp_path)
    graph = read_with_networkx(tmp_path)

    assert graph.is_directed()
    assert not graph.is_multigraph()
    assert dict(graph.nodes(data=True)) == {
        "drug_V03AB": {"type": "drug", "name": "ETHANOL"},
        "drug_S03AA": {"type": "drug", "name": "TETRACYCLINE"},
        "drug_A01AD": {"type": "drug", "name": "EPINEPHRINE"},
        "pubmed_1": {"type": "pubmed", "name": "Ethanol and tetracycline", "date": "2020-03-01"},
        "pubmed_2": {"type": "pubmed", "name": "Ethanol again", "date": "2020-01-01"},
        "pubmed_3": {"type": "pubmed", "name": "Nothing of interest"},
        "clinical_trial_2": {"type": "clinical_trial", "name": "Ethanol in a trial", "date": "2020-01-01"},
        "journal_Addiction": {"type": "journal", "name": "Addiction"},
        "journal_The Lancet": {"type": "journal", "name": "The Lancet"},
    }
    assert {(source, target): edge for source, target, edge in graph.edges(data=True)} == {
        ("pubmed_1", "drug_V03AB"): {"type": "publication_drug", "date": "2020-03-01"},
        ("pubmed_1", "drug_S03AA"): {"type": "publication_drug", "date": "2020-03-01"},
        ("pubmed_2", "drug_V03AB"): {"type": "publication_drug", "date": "2020-01-01"},
        ("clinical_trial_2", "drug_V03AB"): {"type": "publication_drug", "date": "2020-01-01"},
        ("journal_Addiction", "pubmed_1"): {"type": "journal_publication", "date": "2020-03-01"},
        ("journal_Addiction", "pubmed_2"): {"type": "journal_publication", "date": "2020-01-01"},
        ("journal_Addiction", "clinical_trial_2"): {"type": "journal_publication", "date": "2020-01-01"},
        ("journal_The Lancet", "pubmed_3"): {"type": "journal_publication"},
        # The trial and the publication of one day stay apart.
        ("journal_Addiction", "drug_V03AB"): {
            "type": "journal_drug",
            "dates": ["2020-01-01", "2020-01-01", "2020-03-01"],
            "publications": ["clinical_trial_2", "pubmed_2", "pubmed_1"],
        },
        ("journal_Addiction", "drug_S03AA"): {
            "type": "journal_drug",
            "dates": ["2020-03-01"],
            "publications": ["pubmed_1"],
        },
    }


def test_the_same_rows_in_any_order_give_the_same_bytes(tmp_path: Path) -> None:
    backwards = [ROWS.take(list(range(ROWS.num_rows))[::-1]), DRUGS.take([2, 0, 1])]
    one = write_graph(graph_of(), tmp_path / "one")
    other = write_graph(graph_of(backwards[1], backwards[0]), tmp_path / "other")
    for name, path in one.items():
        assert path.read_bytes() == other[name].read_bytes(), name


def test_reading_the_published_graph_gives_the_graph_back(tmp_path: Path) -> None:
    graph = graph_of()
    write_graph(graph, tmp_path)
    back = read_node_link(tmp_path / "graph.json")
    assert back.nodes.equals(graph.nodes)
    assert back.edges.equals(graph.edges)


def test_a_graph_saved_again_by_networkx_is_read_too(tmp_path: Path) -> None:
    write_graph(graph_of(), tmp_path)
    again = networkx.node_link_data(read_with_networkx(tmp_path), edges="edges")
    (tmp_path / "again.json").write_text(json.dumps(again, indent=2))
    assert mentions_of(read_node_link(tmp_path / "again.json")).equals(mentions_of(graph_of()))


def test_the_graph_holds_the_mentions_it_was_made_of() -> None:
    order = [(name, "ascending") for name in ("kind", "publication_id", "drug_code")]
    assert mentions_of(graph_of()).equals(mentions_in(DRUGS, ROWS).sort_by(order))


def test_an_empty_graph_is_written_and_read(tmp_path: Path) -> None:
    empty = build_graph(drug_list(), publications(), MENTIONS.empty_table())
    write_graph(empty, tmp_path)
    assert read_with_networkx(tmp_path).number_of_nodes() == 0
    assert read_node_link(tmp_path / "graph.json").counts() == {}


def test_counts_tell_nodes_and_edges_by_type() -> None:
    assert graph_of().counts() == {
        "clinical_trial": 1,
        "drug": 3,
        "journal": 2,
        "pubmed": 3,
        "journal_drug": 2,
        "journal_publication": 4,
        "publication_drug": 4,
    }


def test_parquet_edges_keep_dates_as_dates(tmp_path: Path) -> None:
    edges = pq.read_table(write_graph(graph_of(), tmp_path)["edges.parquet"]).to_pylist()
    (ethanol,) = [edge for edge in edges if edge["type"] == "journal_drug" and edge["target"] == "drug_V03AB"]
    assert ethanol["dates"] == [date(2020, 1, 1), date(2020, 1, 1), date(2020, 3, 1)]
    nodes = pq.read_table(tmp_path / "nodes.parquet")
    assert nodes.column("date").type == pa.date32()


def test_graphml_is_read_by_networkx_with_hard_names_and_titles(tmp_path: Path) -> None:
    title = 'Ethanol <b>&amp; "quotes"</b>\x0b ]]>'
    rows = publications(publication(title, id="a b\n", journal="Food & Drugs <'\">", on="2020-03-01"))
    path = write_graph(graph_of(DRUGS, rows), tmp_path)["graph.graphml"]
    graph = networkx.read_graphml(path)
    assert graph.nodes["pubmed_a b\n"] == {
        "type": "pubmed",
        "name": title.replace("\x0b", "\ufffd"),  # XML has no way to write this character
        "date": "2020-03-01",
    }
    edge = graph.edges["journal_Food & Drugs <'\">", "drug_V03AB"]
    assert json.loads(edge["publications"]) == ["pubmed_a b\n"]
    assert json.loads(edge["dates"]) == ["2020-03-01"]


def test_a_publication_without_a_journal_has_no_journal_node() -> None:
    rows = publications(publication("Ethanol", id="1", journal=None), publication("Ethanol", id="2", journal=""))
    graph = graph_of(DRUGS, rows)
    assert graph.counts() == {"drug": 3, "pubmed": 2, "publication_drug": 2}
    assert mentions_of(graph).column("journal").to_pylist() == [None, None]


def test_clashing_or_dangling_rows_are_refused() -> None:
    twice = publications(publication("Ethanol"), publication("Other"))
    with pytest.raises(ValueError, match="1 publication id\\(s\\) occur more than once"):
        graph_of(DRUGS, twice)
    with pytest.raises(ValueError, match="no id, or a kind other than 'pubmed', 'clinical_trial'"):
        graph_of(DRUGS, publications(publication("Ethanol", kind="preprint")))
    found = mentions_in(DRUGS, ROWS)
    with pytest.raises(ValueError, match="4 mention\\(s\\) are of a drug or publication that is not in its table"):
        build_graph(DRUGS, publications(), found)
    with pytest.raises(ValueError, match="3 mention\\(s\\) are of a drug"):
        build_graph(drug_list(("S03AA", "TETRACYCLINE")), ROWS, found)
    with pytest.raises(ValueError, match="4 mention\\(s\\) occur more than once"):
        build_graph(DRUGS, ROWS, pa.concat_tables([found, found]))


@pytest.mark.parametrize(
    "text",
    [
        "",
        "not json",
        "[]",
        "{}",
        '{"nodes": [{"name": "no id"}], "edges": []}',
        '{"nodes": [3], "edges": []}',
    ],
)
def test_a_file_that_is_no_graph_is_refused_with_its_path(tmp_path: Path, text: str) -> None:
    path = tmp_path / "other.json"
    path.write_text(text)
    with pytest.raises(ValueError, match=r"other\.json"):
        read_node_link(path)


def test_a_graph_that_is_cut_short_is_refused(tmp_path: Path) -> None:
    path = write_graph(graph_of(), tmp_path)["graph.json"]
    path.write_bytes(path.read_bytes()[:-20])
    with pytest.raises(ValueError, match="cut short"):
        read_node_link(path)


def test_a_failed_write_leaves_the_last_good_file_and_no_rest(tmp_path: Path) -> None:
    good = write_graph(graph_of(), tmp_path)["graph.json"].read_bytes()
    broken = Graph(graph_of().nodes, pa.table({"x": [b"bytes are not JSON"]}))
    with pytest.raises(TypeError):
        write_graph(broken, tmp_path)
    assert (tmp_path / "graph.json").read_bytes() == good
    assert sorted(path.name for path in tmp_path.iterdir()) == [
        "edges.parquet",
        "graph.graphml",
        "graph.json",
        "nodes.parquet",
    ]
