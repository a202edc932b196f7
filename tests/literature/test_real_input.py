"""The whole way on the drug files as they were really delivered, node by node and edge by edge.

The cleaning here is the least these files need; the platform's own lives in the contracts of the datasets.
"""

from __future__ import annotations

import csv
import hashlib
import json
import os
import re
from datetime import datetime
from pathlib import Path

import networkx
import pyarrow as pa
import pyjson5
import pytest

from platform_assets.literature import questions
from platform_assets.literature.graph import build_graph, mentions_of
from platform_assets.literature.graph_files import read_node_link, write_graph
from tests.literature.build import drug_list, mentions_in, publications

pytestmark = pytest.mark.skipif("PLATFORM_SHARED" not in os.environ, reason="PLATFORM_SHARED is not set")

DIPHENHYDRAMINE, TETRACYCLINE, ETHANOL, ATROPINE = "drug_A04AD", "drug_S03AA", "drug_V03AB", "drug_A03BA"
EPINEPHRINE, ISOPRENALINE, BETAMETHASONE = "drug_A01AD", "drug_6302001", "drug_R01AD"

NURSING = "journal_Journal of emergency nursing"
PEDIATRICS = "journal_The Journal of pediatrics"
FOOD = "journal_Journal of food protection"
VETERINARY = "journal_American journal of veterinary research"
PSYCHO = "journal_Psychopharmacology"
ALLERGY = "journal_The journal of allergy and clinical immunology. In practice"
PHOTO = "journal_Journal of photochemistry and photobiology. B, Biology"
MATERNAL = "journal_The journal of maternal-fetal & neonatal medicine"
BACK = "journal_Journal of back and musculoskeletal rehabilitation"
GENEVE = "journal_Hôpitaux Universitaires de Genève"


def content_id(title: str, journal: str, date: str) -> str:
    """The id of a publication that was delivered without one."""
    return hashlib.sha256(f"{title}|{journal}|{date}".encode()).hexdigest()[:12]


NEEDLING = "pubmed_" + content_id(
    "Comparison of pressure BETAMETHASONE release, phonophoresis and dry needling in treatment of latent"
    " myofascial trigger point of upper trapezius ATROPINE muscle.",
    "The journal of maternal-fetal & neonatal medicine",
    "2020-03-01",
)
GLUCAGON = "clinical_trial_" + content_id(
    "Glucagon Infusion in T1D Patients With Recurrent Severe Hypoglycemia: Effects on Counter-Regulatory Responses",
    "Journal of emergency nursing",
    "2020-05-25",
)

# publication: (journal, date, drugs in its title)
EXPECTED: dict[str, tuple[str, str, set[str]]] = {
    "pubmed_1": (NURSING, "2019-01-01", {DIPHENHYDRAMINE}),
    "pubmed_2": (NURSING, "2019-01-01", {DIPHENHYDRAMINE}),
    "pubmed_3": (PEDIATRICS, "2019-01-02", {DIPHENHYDRAMINE}),  # 02/01/2019, day first
    "pubmed_4": (FOOD, "2020-01-01", {TETRACYCLINE}),
    "pubmed_5": (VETERINARY, "2020-01-02", {TETRACYCLINE}),
    "pubmed_6": (PSYCHO, "2020-01-01", {TETRACYCLINE, ETHANOL}),  # ethanol twice
    "pubmed_7": (ALLERGY, "2020-02-01", {EPINEPHRINE}),
    "pubmed_8": (ALLERGY, "2020-03-01", {EPINEPHRINE}),
    "pubmed_9": (PHOTO, "2020-01-01", {ISOPRENALINE}),
    "pubmed_10": (MATERNAL, "2020-01-01", {BETAMETHASONE}),
    "pubmed_11": (BACK, "2020-01-01", {BETAMETHASONE}),
    "pubmed_12": (BACK, "2020-03-01", set()),
    NEEDLING: (MATERNAL, "2020-03-01", {BETAMETHASONE, ATROPINE}),
    "clinical_trial_NCT01967433": (NURSING, "2020-01-01", {DIPHENHYDRAMINE}),
    "clinical_trial_NCT04189588": (NURSING, "2020-01-01", {DIPHENHYDRAMINE}),  # QUZYTTIR™ is not on the list
    "clinical_trial_NCT04237091": (NURSING, "2020-01-01", {DIPHENHYDRAMINE}),
    "clinical_trial_NCT04153396": (GENEVE, "2020-01-01", {BETAMETHASONE}),
    GLUCAGON: (NURSING, "2020-05-25", set()),
    "clinical_trial_NCT04188184": (NURSING, "2020-04-27", {EPINEPHRINE}),
}


def clean(text: object) -> str:
    """Without the literal escapes of broken bytes and without white space around it."""
    return re.sub(r"\\x[0-9a-f]{2}", "", str(text or "")).strip()


def iso_date(text: str) -> str:
    for form in ("%d/%m/%Y", "%Y-%m-%d", "%d %B %Y"):
        try:
            return datetime.strptime(text, form).date().isoformat()
        except ValueError:
            continue
    raise ValueError("a date in none of the forms of these files")


def cleaned(kind: str, delivered: list[dict[str, object]]) -> list[dict[str, object]]:
    """Rows of PUBLICATIONS. Without title or journal a row is left out, without id it gets one."""
    rows: dict[tuple[str, str, str], dict[str, object]] = {}
    for row in delivered:
        title, journal = clean(row.get("title") or row.get("scientific_title")), clean(row.get("journal"))
        if title and journal:
            date = iso_date(clean(row["date"]))
            id = clean(row["id"]) or content_id(title, journal, date)
            kept = {"kind": kind, "id": id, "title": title, "journal": journal}
            assert (title, journal, date) not in rows, "these files hold no publication twice"
            rows[title, journal, date] = {**kept, "date": datetime.fromisoformat(date).date()}
    return list(rows.values())


@pytest.fixture(scope="module")
def drugs() -> pa.Table:
    rows = list(csv.reader((folder() / "drugs.csv").read_text(encoding="utf-8").splitlines()))
    return drug_list(*((code, name) for code, name in rows[1:]))


@pytest.fixture(scope="module")
def literature() -> pa.Table:
    def read_csv(name: str) -> list[dict[str, object]]:
        with (folder() / name).open(encoding="utf-8", newline="") as file:
            return [dict(row) for row in csv.DictReader(file)]

    pubmed_json = pyjson5.loads((folder() / "pubmed.json").read_text(encoding="utf-8"))  # it has a trailing comma
    pubmed = cleaned("pubmed", read_csv("pubmed.csv") + pubmed_json)
    return publications(*pubmed, *cleaned("clinical_trial", read_csv("clinical_trials.csv")))


def folder() -> Path:
    return Path(os.environ["PLATFORM_SHARED"]) / "data" / "drugs"


@pytest.fixture
def published(drugs: pa.Table, literature: pa.Table, tmp_path: Path) -> Path:
    graph = build_graph(drugs, literature, mentions_in(drugs, literature))
    return write_graph(graph, tmp_path)["graph.json"]


def test_the_graph_is_right_node_by_node_and_edge_by_edge(published: Path) -> None:
    graph = networkx.node_link_graph(json.loads(published.read_text(encoding="utf-8")), edges="edges")

    assert {
        node: attributes["name"] for node, attributes in graph.nodes(data=True) if attributes["type"] == "drug"
    } == {
        DIPHENHYDRAMINE: "DIPHENHYDRAMINE",
        TETRACYCLINE: "TETRACYCLINE",
        ETHANOL: "ETHANOL",
        ATROPINE: "ATROPINE",
        EPINEPHRINE: "EPINEPHRINE",
        ISOPRENALINE: "ISOPRENALINE",
        BETAMETHASONE: "BETAMETHASONE",
    }
    journals = {NURSING, PEDIATRICS, FOOD, VETERINARY, PSYCHO, ALLERGY, PHOTO, MATERNAL, BACK, GENEVE}
    assert {node for node, attributes in graph.nodes(data=True) if attributes["type"] == "journal"} == journals
    dates = {
        node: attributes["date"]
        for node, attributes in graph.nodes(data=True)
        if attributes["type"] in ("pubmed", "clinical_trial")
    }
    assert dates == {publication: date for publication, (_, date, _) in EXPECTED.items()}
    assert graph.number_of_nodes() == 7 + 10 + 13 + 6

    edges = {
        (source, target): attributes.get("date", attributes.get("dates"))
        for source, target, attributes in graph.edges(data=True)
    }
    expected: dict[tuple[str, str], object] = {}
    dates_of: dict[tuple[str, str], list[str]] = {}
    for publication, (journal, date, named) in EXPECTED.items():
        expected[journal, publication] = date
        for drug in named:
            expected[publication, drug] = date
            dates_of.setdefault((journal, drug), []).append(date)
    expected |= {pair: sorted(dates) for pair, dates in dates_of.items()}
    assert edges == expected
    assert graph.number_of_edges() == 19 + 19 + 13


def test_three_journals_share_the_first_place(drugs: pa.Table, literature: pa.Table) -> None:
    assert questions.top_journals(mentions_in(drugs, literature)).to_pylist() == [
        {"rank": 1, "journal": "Journal of emergency nursing", "drugs": 2},
        {"rank": 1, "journal": "Psychopharmacology", "drugs": 2},
        {"rank": 1, "journal": "The journal of maternal-fetal & neonatal medicine", "drugs": 2},
    ]


def test_related_drugs_by_the_published_graph_alone(published: Path) -> None:
    mentions = mentions_of(read_node_link(published))
    pairs = pa.Table.from_batches(questions.related_drug_pairs(mentions)).to_pylist()
    assert {(pair["drug_name"], pair["related_name"]) for pair in pairs} == {
        ("TETRACYCLINE", "ETHANOL"),
        ("ETHANOL", "TETRACYCLINE"),
        ("BETAMETHASONE", "ATROPINE"),
        ("ATROPINE", "BETAMETHASONE"),
    }
