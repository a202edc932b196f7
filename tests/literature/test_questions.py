"""The questions on literature small enough to answer by hand: from tables, from the graph, by command."""

from __future__ import annotations

import csv
import io
import subprocess
import sys
from datetime import date
from pathlib import Path

import pyarrow as pa
import pytest

from platform_assets.literature import questions
from platform_assets.literature.__main__ import main
from platform_assets.literature.graph import build_graph, mentions_of
from platform_assets.literature.graph_files import read_node_link, write_graph
from platform_assets.literature.tables import MENTIONS
from tests.literature.build import drug_list, mentions_in, publication, publications

DRUGS = drug_list(("A", "aspirin"), ("B", "biotin"), ("C", "codeine"), ("D", "digoxin"), ("E", "ébastine"))
ROWS = publications(
    publication("Aspirin and biotin", id="1", journal="Heart", on="2020-01-31"),
    publication("Aspirin and codeine", id="2", journal="Heart", on="2020-02-01"),
    publication("Codeine on trial", id="3", kind="clinical_trial", journal="Heart", on="2020-02-02"),
    publication("Aspirin, biotin", id="4", journal="Lung", on="2021-01-01"),
    publication("Digoxin on trial", id="5", kind="clinical_trial", journal="Lung", on="2021-01-01"),
    publication("Biotin", id="6", journal="Brain", on=None),
    publication("Codeine and aspirin", id="7", journal="Liver", on="2020-02-29"),
    publication("Aspirin of no journal", id="8", journal=None, on="2020-02-29"),
)
FOUND = mentions_in(DRUGS, ROWS)


def rows_of(table: pa.Table) -> list[tuple[object, ...]]:
    return [tuple(row.values()) for row in table.to_pylist()]


def test_all_journals_with_the_most_different_drugs_are_given() -> None:
    # Heart: aspirin, biotin, codeine. Lung: aspirin, biotin, digoxin. A drug counts once per journal.
    assert rows_of(questions.top_journals(FOUND)) == [(1, "Heart", 3), (1, "Lung", 3)]
    assert rows_of(questions.top_journals(FOUND, ranks=3)) == [
        (1, "Heart", 3),
        (1, "Lung", 3),
        (2, "Liver", 2),
        (3, "Brain", 1),
    ]


def test_related_drugs_are_those_of_the_same_journals_in_pubmed_but_not_in_trials() -> None:
    # Heart has codeine in PubMed but also in a trial, Liver in PubMed only. Lung has digoxin only in a trial.
    assert rows_of(questions.related_drugs(FOUND, ["A"])) == [
        ("A", "aspirin", "B", "biotin", ["Heart", "Lung"]),
        ("A", "aspirin", "C", "codeine", ["Liver"]),
    ]
    assert rows_of(questions.related_drugs(FOUND, ["D"])) == []


def test_the_pairs_of_all_drugs_count_the_journals() -> None:
    pairs = pa.Table.from_batches(questions.related_drug_pairs(FOUND), questions.RELATED_DRUG_PAIRS)
    assert rows_of(pairs) == [
        ("A", "aspirin", "B", "biotin", 2),
        ("A", "aspirin", "C", "codeine", 1),
        ("B", "biotin", "A", "aspirin", 2),
        ("C", "codeine", "A", "aspirin", 2),
        ("C", "codeine", "B", "biotin", 1),
    ]


def test_drugs_over_time_count_publications_per_period_and_kind() -> None:
    assert rows_of(questions.drugs_over_time(FOUND, "month")) == [
        ("A", "aspirin", "pubmed", date(2020, 1, 1), 1),
        ("B", "biotin", "pubmed", date(2020, 1, 1), 1),
        ("A", "aspirin", "pubmed", date(2020, 2, 1), 3),
        ("C", "codeine", "clinical_trial", date(2020, 2, 1), 1),
        ("C", "codeine", "pubmed", date(2020, 2, 1), 2),
        ("A", "aspirin", "pubmed", date(2021, 1, 1), 1),
        ("B", "biotin", "pubmed", date(2021, 1, 1), 1),
        ("D", "digoxin", "clinical_trial", date(2021, 1, 1), 1),
        ("B", "biotin", "pubmed", None, 1),
    ]


def test_weeks_are_iso_weeks() -> None:
    rows = questions.drugs_over_time(mentions_in(DRUGS, publications(publication("Aspirin", on="2021-01-01"))), "week")
    assert rows.column("period").to_pylist() == [date(2020, 12, 28)]


def test_an_unknown_unit_is_refused() -> None:
    with pytest.raises(ValueError, match="one of year, quarter, month, week"):
        questions.drugs_over_time(FOUND, "day'); drop table mentions; --")


def test_no_mentions_give_empty_answers() -> None:
    nothing = MENTIONS.empty_table()
    assert questions.top_journals(nothing).num_rows == 0
    assert questions.related_drugs(nothing, ["A"]).num_rows == 0
    assert questions.drugs_over_time(nothing).num_rows == 0
    assert list(questions.related_drug_pairs(nothing)) == []


def test_a_drug_is_found_by_code_or_name_whatever_case_and_accents() -> None:
    names = {"A": "ASPIRIN", "E": "ébastine", "E2": "Ebastine"}
    assert questions.find_drug(names, "a") == ["A"]
    assert questions.find_drug(names, "aspirin") == ["A"]
    assert questions.find_drug(names, "EBASTINE") == ["E", "E2"]
    with pytest.raises(LookupError, match="near it are: aspirin"):
        questions.find_drug(names, "aspirine")


# The published graph alone


@pytest.fixture
def published(tmp_path: Path) -> Path:
    return write_graph(build_graph(DRUGS, ROWS, FOUND), tmp_path)["graph.json"]


def test_tables_and_published_graph_give_the_same_answers(published: Path) -> None:
    from_graph = mentions_of(read_node_link(published))
    assert questions.top_journals(from_graph, 9).equals(questions.top_journals(FOUND, 9))
    for code in "ABCDE":
        assert questions.related_drugs(from_graph, [code]).equals(questions.related_drugs(FOUND, [code]))
    assert list(questions.related_drug_pairs(from_graph)) == list(questions.related_drug_pairs(FOUND))
    for unit in questions.UNITS:
        assert questions.drugs_over_time(from_graph, unit).equals(questions.drugs_over_time(FOUND, unit))


def test_the_command_prints_a_table(published: Path) -> None:
    command = [sys.executable, "-m", "platform_assets.literature", str(published), "top-journals"]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    assert done.stdout.splitlines() == [
        "rank  journal  drugs",
        "----  -------  -----",
        "1     Heart    3",
        "1     Lung     3",
    ]


def test_the_command_answers_as_csv(published: Path, capsysbinary: pytest.CaptureFixture[bytes]) -> None:
    assert main([str(published), "--csv", "related-drugs", "Aspirin"]) == 0
    answer = list(csv.DictReader(io.StringIO(capsysbinary.readouterr().out.decode())))
    assert [(row["related_name"], row["journals"]) for row in answer] == [
        ("biotin", "Heart; Lung"),
        ("codeine", "Liver"),
    ]


def test_the_command_follows_drugs_over_time(published: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main([str(published), "over-time", "--unit", "year"]) == 0
    lines = [line.split() for line in capsys.readouterr().out.splitlines()[2:]]
    assert lines[0] == ["A", "aspirin", "pubmed", "2020-01-01", "4"]
    assert lines[-1] == ["B", "biotin", "pubmed", "1"]


def test_the_command_says_when_there_is_no_answer(published: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main([str(published), "related-drugs", "digoxin"]) == 0
    assert capsys.readouterr().out.splitlines()[-1] == "(none)"


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (
            ["graph.json", "related-drugs", "aspirine"],
            "no drug has the code or name 'aspirine'; near it are: aspirin",
        ),
        (["missing.json", "top-journals"], "give the path of the published graph.json"),
        (["broken.json", "top-journals"], "publish it again"),
    ],
)
def test_the_command_tells_what_to_do_next(
    published: Path, capsys: pytest.CaptureFixture[str], arguments: list[str], message: str
) -> None:
    (published.parent / "broken.json").write_bytes(published.read_bytes()[:100])
    assert main([str(published.parent / arguments[0]), *arguments[1:]]) == 2
    captured = capsys.readouterr()
    assert message in captured.err
    assert captured.out == ""
