"""The real drug files through the real contracts and Dagster, into the graph: the figures of `tests/literature/test_real_input`."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import dagster as dg
import networkx
import pytest

from platform_assets.components.dataset import dataset_definitions
from platform_assets.components.literature import MENTIONS, literature_definitions
from platform_assets.contracts.files import read_contracts
from resources.environment import Platform
from tests.literature import test_real_input as real

FILES = {"drugs": ["drugs.csv"], "pubmed": ["pubmed.csv", "pubmed.json"], "clinical_trials": ["clinical_trials.csv"]}
MADE = [
    ("validated", "mentions"),
    ("products", "drug_graph"),
    ("indicators", "journals_with_most_drugs"),
    ("indicators", "related_drugs"),
    ("indicators", "drugs_over_time"),
]
DERIVED = 16  # digits of an id that is derived


class Place:
    """The literature's definitions on an ephemeral instance."""

    def __init__(self, platform: Platform) -> None:
        self.platform = platform
        self.home = platform.settings.home
        contracts = read_contracts()
        self.defs = dg.Definitions.merge(
            *(dataset_definitions(contracts[name], "literature") for name in FILES),
            literature_definitions("team:literature", "literature"),
            dg.Definitions(resources={"platform": platform}),
        )
        self.instance = dg.DagsterInstance.ephemeral()

    def drop(self, dataset: str, name: str, data: bytes) -> None:
        target = self.home / "landing" / dataset / name
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(data)

    def specs(self) -> dict[str, dg.AssetSpec]:
        """Those of the literature component, by key."""
        made = {dg.AssetKey([*key]) for key in MADE}
        return {s.key.to_user_string(): s for s in self.defs.resolve_all_asset_specs() if s.key in made}

    def run(self) -> dg.ExecuteInProcessResult:
        """Materialize everything."""
        result = self.defs.get_implicit_global_asset_job_def().execute_in_process(instance=self.instance)
        assert result.success
        return result

    def metadata(self, result: dg.ExecuteInProcessResult, layer: str, name: str) -> dict[str, object]:
        key = dg.AssetKey([layer, name])
        (found,) = [e.materialization for e in result.get_asset_materialization_events() if e.asset_key == key]
        return {name: value.value for name, value in found.metadata.items()}


@pytest.fixture
def place(platform: Platform) -> Place:
    return Place(platform)


@pytest.fixture
def delivered(place: Place, shared: Path) -> Place:
    for dataset, names in FILES.items():
        for name in names:
            place.drop(dataset, name, (shared / "data" / "drugs" / name).read_bytes())
    return place


def expected() -> dict[str, tuple[str, str, set[str]]]:
    """The publications of the pure test, without the ids that each side derives for itself."""
    return {node: facts for node, facts in real.EXPECTED.items() if node not in (real.NEEDLING, real.GLUCAGON)}


def test_the_real_files_give_the_graph_node_by_node(delivered: Place) -> None:
    result = delivered.run()
    graph = networkx.node_link_graph(
        json.loads((delivered.home / "products" / "drug_graph" / "graph.json").read_text(encoding="utf-8")),
        edges="edges",
    )
    dates = {n: a["date"] for n, a in graph.nodes(data=True) if a["type"] in ("pubmed", "clinical_trial")}
    derived = {node: date for node, date in dates.items() if node not in expected()}
    assert {n: d for n, d in dates.items() if n in expected()} == {n: date for n, (_, date, _) in expected().items()}
    assert sorted((node.rpartition("_")[0], date) for node, date in derived.items()) == [
        ("clinical_trial", "2020-05-25"),
        ("pubmed", "2020-03-01"),
    ]
    assert {len(node.rpartition("_")[2]) for node in derived} == {DERIVED}
    (needling,) = [node for node in derived if node.startswith("pubmed")]
    assert set(graph.successors(needling)) == {real.BETAMETHASONE, real.ATROPINE}
    for node, (journal, _, drugs) in expected().items():
        assert set(graph.successors(node)) == drugs
        assert set(graph.predecessors(node)) == {journal}
    counts = {"drug": 7, "journal": 10, "pubmed": 13, "clinical_trial": 6}
    types = [a["type"] for _, a in graph.nodes(data=True)]
    assert {t: types.count(t) for t in types} == counts
    assert graph.number_of_edges() == 19 + 19 + 13

    asset = delivered.metadata(result, "products", "drug_graph")
    assert asset["dagster/row_count"] == 19 + 19 + 13
    page = str(asset["explorer"])
    assert page == (delivered.home / "products" / "drug_graph" / "explorer.html").as_uri()


def test_every_row_of_the_real_files_is_accounted_for(delivered: Place) -> None:
    delivered.run()
    with delivered.platform.warehouse.connect(read_only=True) as connection:
        ledger = connection.execute(
            "SELECT file, status, rows_in, valid, quarantined, superseded FROM platform.ledger ORDER BY file"
        ).fetchall()
        reasons = connection.execute(
            "SELECT id, _reasons FROM quarantine.clinical_trials UNION ALL SELECT id, _reasons FROM quarantine.pubmed"
        ).fetchall()
        journals = connection.execute("SELECT DISTINCT journal FROM validated.clinical_trials ORDER BY 1").fetchall()
        titles = connection.execute("SELECT title FROM validated.clinical_trials WHERE id = 'NCT04153396'").fetchall()
    assert ledger == [
        ("clinical_trials.csv", "published", 8, 6, 2, 0),
        ("drugs.csv", "published", 7, 7, 0, 0),
        ("pubmed.csv", "published", 8, 8, 0, 0),  # the last line is a tab, which is no row
        ("pubmed.json", "published", 5, 5, 0, 0),
    ]
    assert sorted(reasons, key=str) == [
        ("NCT03490942", ["journal: value is missing"]),
        ("NCT04237090", ["title: value is missing"]),
    ]
    assert journals == [("Hôpitaux Universitaires de Genève",), ("Journal of emergency nursing",)]
    assert titles == [
        (
            "Preemptive Infiltration With Betamethasone and Ropivacaine for Postoperative Pain in Laminoplasty or Laminectomy",
        )
    ]


def test_the_answers_on_the_real_files(delivered: Place) -> None:
    result = delivered.run()
    with delivered.platform.warehouse.connect(read_only=True) as connection:
        first = connection.execute(
            "SELECT journal, drugs FROM indicators.journals_with_most_drugs WHERE rank = 1 ORDER BY 1"
        ).fetchall()
        related = connection.execute("SELECT drug_name, related_name FROM indicators.related_drugs").fetchall()
        ethanol = connection.execute(
            "SELECT kind, period::VARCHAR, mentions FROM indicators.drugs_over_time WHERE drug_name = 'ETHANOL'"
        ).fetchall()
    assert first == [
        ("Journal of emergency nursing", 2),
        ("Psychopharmacology", 2),
        ("The journal of maternal-fetal & neonatal medicine", 2),
    ]
    assert set(related) == {
        ("TETRACYCLINE", "ETHANOL"),
        ("ETHANOL", "TETRACYCLINE"),
        ("BETAMETHASONE", "ATROPINE"),
        ("ATROPINE", "BETAMETHASONE"),
    }
    assert ethanol == [("pubmed", "2020-01-01", 1)]
    assert delivered.metadata(result, "indicators", "related_drugs")["dagster/row_count"] == 4


def test_every_asset_says_what_it_is(place: Place) -> None:
    specs = place.specs()
    assert set(specs) == {"/".join(key) for key in MADE}
    for key, spec in specs.items():
        assert spec.description
        assert list(spec.owners) == ["team:literature"]
        assert spec.kinds
        assert spec.group_name == key.partition("/")[0]
        assert spec.metadata["dagster/column_schema"].columns


def test_declared_columns_are_those_of_the_tables(place: Place) -> None:
    place.drop("drugs", "d.csv", b"atccode,drug\nV03AB,ETHANOL\n")
    place.drop("pubmed", "p.csv", b"id,title,date,journal\n1,Ethanol,01/02/2020,The Journal\n")
    place.drop(
        "clinical_trials", "t.csv", b"id,scientific_title,date,journal\nN1,Ethanol,1 February 2020,The Journal\n"
    )
    place.run()
    with place.platform.warehouse.connect(read_only=True) as connection:
        for spec in place.specs().values():
            table = spec.metadata.get("dagster/table_name")
            if table:
                declared = [column.name for column in spec.metadata["dagster/column_schema"].columns]
                assert list(place.platform.warehouse.columns(connection, str(table))) == declared


def test_a_second_run_with_nothing_new_computes_nothing(place: Place) -> None:
    place.drop("drugs", "d.csv", b"atccode,drug\nV03AB,ETHANOL\n")
    place.drop("pubmed", "p.csv", b"id,title,date,journal\n1,Ethanol,01/02/2020,The Journal\n")
    place.drop("clinical_trials", "t.csv", b"id,scientific_title,date,journal\nN1,Water,1 May 2020,The Journal\n")
    first, second = place.run(), place.run()
    assert place.metadata(first, "validated", "mentions")["titles searched now"] == 2
    assert place.metadata(second, "validated", "mentions")["titles searched now"] == 0
    assert "nothing to do" in str(place.metadata(second, "products", "drug_graph")["run"])
    assert "nothing ran" in str(place.metadata(second, "indicators", "drugs_over_time")["run"])
    checks = [e for e in second.get_asset_check_evaluations() if e.check_name == "conservation"]
    assert [check.passed for check in checks] == [True]


def test_a_missing_dataset_leaves_the_rest_alone_and_says_what_to_load(place: Place) -> None:
    place.drop("drugs", "d.csv", b"atccode,drug\nV03AB,ETHANOL\n")
    asset = next(a for a in place.defs.assets or [] if isinstance(a, dg.AssetsDefinition) and a.keys == {MENTIONS})
    result = dg.materialize([asset], resources={"platform": place.platform}, raise_on_error=False)
    assert not result.success
    (failure,) = [e for e in result.all_events if e.is_step_failure]
    assert "materialize validated/drugs first" in str(failure.step_failure_data.user_failure_data)


def test_the_explorer_is_linked_where_products_are_served(place: Place) -> None:
    served = replace(place.platform, settings=replace(place.platform.settings, products_url="http://products.test"))
    place.drop("drugs", "d.csv", b"atccode,drug\nV03AB,ETHANOL\n")
    place.drop("pubmed", "p.csv", b"id,title,date,journal\n1,Ethanol,01/02/2020,The Journal\n")
    place.drop("clinical_trials", "t.csv", b"id,scientific_title,date,journal\nN1,Water,1 May 2020,The Journal\n")
    assets = [asset for asset in place.defs.assets or [] if isinstance(asset, dg.AssetsDefinition)]
    result = dg.materialize(assets, resources={"platform": served})
    link = place.metadata(result, "products", "drug_graph")["explorer"]
    assert link == "http://products.test/drug_graph/explorer.html"


def test_where_nothing_was_ever_delivered_the_job_succeeds(platform: Platform) -> None:
    place = Place(platform)
    result = place.run()
    assert place.metadata(result, "products", "drug_graph")["nodes and edges"]
