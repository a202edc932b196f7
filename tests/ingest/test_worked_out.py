"""Lists taken apart, a tree walked, the history of rows: made with the load, of nothing but the dataset's own rows."""

from __future__ import annotations

import random
from collections.abc import Callable
from typing import Any

import pytest

from platform_assets.contracts.model import Contract
from platform_assets.ingest.worked_out.tree import DEEPEST
from tests.conftest import Bench

Make = Callable[..., Bench]
PAGES: dict[str, Any] = {
    "name": "pages",
    "description": "Pages of a site.",
    "owner": "team:test",
    "format": {"kind": "csv", "delimiter": ";"},
    "load": {"mode": "snapshot", "key": ["page"]},
    "columns": {
        "page": {"type": "string"},
        "above": {"type": "string", "required": False},
        "title": {"type": "string", "required": False},
        "kind": {"type": "string", "required": False},
        "topics": {"type": "list", "delimiter": "|", "wrapped": True, "max_items": 4, "required": False},
    },
    "quality": {"max_quarantined": 1.0, "min_rows": 0},
}
HEAD = "page;above;title;kind;topics\n"


def pages(bench: Make, **more: Any) -> Bench:
    return bench(Contract.model_validate({**PAGES, **more}))


def wrong(lab: Bench) -> list[str]:
    return [reason for (reason,) in lab.sql("SELECT unnest(_reasons) FROM {quarantine} ORDER BY 1")]


def test_a_list_is_judged_and_taken_apart_in_its_order(bench: Make) -> None:
    lab = pages(bench)
    lab.send("1.csv", HEAD + "a;;;;|x|y|\nb;;;;| y | |x|x|\nc;;;;English\nd;;;;||\ne;;;;\nf;;;;|1|2|3|4|5|\ng;;;;|z|\n")
    assert [r.split(", found")[0] for r in wrong(lab)] == [
        "topics: has more than 4 items",
        "topics: is not wrapped in |",
    ]
    placed = "SELECT page, place, value FROM validated.pages__topics JOIN validated.pages__topics_values USING (value_id) ORDER BY ALL"
    assert lab.sql(placed) == [("a", 1, "x"), ("a", 2, "y"), ("b", 1, "y"), ("b", 2, "x"), ("g", 1, "z")]
    before = dict(lab.sql("SELECT value, value_id FROM validated.pages__topics_values"))
    lab.send("2.csv", HEAD + "h;;;;|z|new|\n")
    after = dict(lab.sql("SELECT value, value_id FROM validated.pages__topics_values"))
    assert set(after) == {"z", "new"}
    assert after["z"] == before["z"]
    lab.assert_nothing_lost()


def test_lists_that_are_not_wrapped_and_lists_of_json(bench: Make) -> None:
    columns = {**PAGES["columns"], "topics": {"type": "list", "delimiter": ",", "required": False}}
    lab = pages(bench, columns=columns, format=[PAGES["format"], {"kind": "json"}])
    lab.send("1.csv", HEAD + "a;;;;x\nb;;;;x, y,\n")
    assert lab.sql("SELECT page, place FROM validated.pages__topics ORDER BY ALL") == [("a", 1), ("b", 1), ("b", 2)]
    lab.send(
        "2.json",
        '[{"page": "j", "topics": ["x", "q", 7]}, {"page": "k", "topics": []}, {"page": "l", "topics": ["a,b"]}]',
    )
    asked = (
        "SELECT value FROM validated.pages__topics JOIN validated.pages__topics_values USING (value_id) ORDER BY place"
    )
    assert [v for (v,) in lab.sql(asked)] == ["x", "q", "7"]
    assert len(lab.sql("SELECT 1 FROM {quarantine}")) == 1  # an item that holds what stands between items


TREE = {
    "node": "page",
    "parent": "above",
    "title": "title",
    "leave_out": {"kind": ["FILE"]},
    "levels": ["theme", "topic"],
}
ROWS = (
    "r;;Root;;\na;r;A;;\nb;a;B;;\nc;b;C;;\n"  # deeper than there are levels
    "f;a;File;FILE;\nff;f;Below a file;;\no;gone;Orphan;;\noo;o;;;\n"
    "x;y;;;\ny;z;;;\nz;x;;;\ntail;x;;;\nself;self;;;\ns;;Second;;\nt;s;;;\n"
)


def test_a_tree_tells_of_every_row_where_it_stands(bench: Make) -> None:
    lab = pages(bench, tree=TREE)
    lab.send("1.csv", HEAD + ROWS)
    found = {page: tuple(rest) for page, *rest in lab.sql("SELECT * FROM validated.pages__tree")}
    assert found["c"] == ("placed", 4, "r/a/b/c", "r", "Root", "a", "A")
    assert found["r"] == ("placed", 1, "r", "r", "Root", None, None)
    states = {page: row[0] for page, row in found.items()}
    assert {p for p, s in states.items() if s == "orphan"} == {"o", "oo", "ff"}
    assert {p for p, s in states.items() if s == "cycle"} == {"x", "y", "z", "tail", "self"}
    assert set(states) == {line.split(";")[0] for line in ROWS.splitlines()} - {"f"}  # none is left out unseen
    lab.send("2.csv", HEAD + "only;;Only;;\n")
    assert lab.sql("SELECT page, path FROM validated.pages__tree") == [("only", "only")]


def test_roots_that_are_named_begin_the_tree(bench: Make) -> None:
    lab = pages(bench, tree={**TREE, "roots": ["a", "b", "missing"]})
    lab.send("1.csv", HEAD + ROWS)
    states = dict(lab.sql("SELECT page, state || coalesce(depth, 0) FROM validated.pages__tree"))
    assert (states["a"], states["b"], states["c"], states["r"], states["t"]) == (
        "placed1",
        "placed1",
        "placed2",
        "outside0",
        "outside0",
    )
    outcome = next(o for o in checks(lab) if o.check == "tree")
    assert not outcome.passed
    assert outcome.numbers["roots that are not there"] == 1
    assert outcome.numbers["left out"] == 1
    assert outcome.numbers["orphan"] == 3


def checks(lab: Bench) -> list[Any]:
    import datetime as dt

    from platform_assets.ingest import quality
    from platform_assets.ingest.judging import expression_of

    with lab.platform.warehouse.connect() as lake:
        expression = expression_of(lab.platform.warehouse, lab.contract)
        return list(quality.evaluate(lake, lab.contract, expression, dt.datetime.now(dt.UTC)))


def test_random_trees_are_as_a_walk_by_hand_finds_them(bench: Make) -> None:
    draw = random.Random(7)
    lab = pages(bench, tree={"node": "page", "parent": "above"})
    for n in range(4):
        ids = [f"p{i}" for i in range(60)]
        above = {i: draw.choice([None, "gone", *ids, *ids]) for i in ids}
        lab.send(f"{n}.csv", HEAD + "".join(f"{i};{above[i] or ''};;;\n" for i in ids))
        expected = {}
        for i in ids:
            way, at = [i], i
            while above[at] in above and above[at] not in way:
                at = above[at] or ""
                way.append(at)
            expected[i] = (
                ("placed", "/".join(reversed(way)))
                if above[at] is None
                else ("orphan" if above[at] == "gone" else "cycle", None)
            )
        assert {
            p: (s, path) for p, s, path in lab.sql("SELECT page, state, path FROM validated.pages__tree")
        } == expected


def test_a_chain_that_is_too_deep_is_told_and_not_walked(bench: Make) -> None:
    lab = pages(bench, tree={"node": "page", "parent": "above"})
    lab.send("1.csv", HEAD + "".join(f"p{n};{f'p{n - 1}' if n else ''};;;\n" for n in range(DEEPEST + 5)))
    assert lab.sql("SELECT state, count(*), max(depth) FROM validated.pages__tree GROUP BY 1 ORDER BY 1") == [
        ("cycle or too deep", 5, None),
        ("placed", DEEPEST, DEEPEST),
    ]


@pytest.mark.parametrize(
    ("more", "words"),
    [
        ({"load": {"mode": "append"}}, "a list needs load.key"),
        ({"tree": {"node": "title", "parent": "above"}}, "tree.node must be the key"),
        ({"tree": {"node": "page", "parent": "abov"}}, "there is no column 'abov'"),
        ({"tree": {"node": "page", "parent": "above", "levels": ["depth"]}}, "has columns state, depth and path"),
        ({"tree": {"node": "page", "parent": "above", "levels": ["a", "a"]}}, "column of the same name"),
        ({"name": "pages__x"}, "two _ are for tables"),
        ({"load": {"mode": "upsert", "key": ["page"], "history": True}}, "needs `absent: clear`"),
        ({"columns": {**PAGES["columns"], "topics": {"type": "list"}}}, "what stands between its items"),
    ],
)
def test_what_cannot_be_meant_is_refused(more: dict[str, Any], words: str) -> None:
    with pytest.raises(ValueError, match=words):
        Contract.model_validate({**PAGES, **more})


def test_tables_that_are_no_longer_asked_for_go(bench: Make) -> None:
    lab = pages(bench, tree=TREE)
    lab.send("1.csv", HEAD + ROWS)
    lab.contract = Contract.model_validate(
        {**PAGES, "columns": {**PAGES["columns"], "topics": {"type": "string", "required": False}}}
    )
    lab.send("2.csv", HEAD + "a;;;;x\n")
    assert lab.sql("SELECT table_name FROM duckdb_tables() WHERE starts_with(table_name, 'pages__')") == []


# ------------------------------------------------------------------ history

WARDS: dict[str, Any] = {
    "name": "wards",
    "description": "Who lies where.",
    "owner": "team:test",
    "format": {"kind": "csv", "delimiter": ";"},
    "load": {"mode": "upsert", "key": ["patient"], "history": True, "absent": "clear"},
    "columns": {
        "patient": {"type": "string", "role": "identifier", "case": "upper"},
        "week": {"type": "string"},
        "ward": {"type": "string", "required": False},
        "seen": {"type": "date", "format": "%Y-%m-%d"},
    },
    "quality": {"max_quarantined": 1.0, "min_rows": 0},
}
WARD_HEAD = "patient;week;ward;seen\n"


def wards(bench: Make, **load: Any) -> Bench:
    return bench(Contract.model_validate({**WARDS, "load": {**WARDS["load"], **load}}))


def spans(lab: Bench) -> list[tuple[Any, ...]]:
    return lab.sql(
        "SELECT ward, valid_from::DATE::VARCHAR, valid_to::DATE::VARCHAR FROM history.wards ORDER BY patient, valid_from"
    )


def now_as_in_the_table(lab: Bench) -> None:
    """What is valid now in the history is the table."""
    columns = ", ".join(lab.contract.columns)
    now = lab.sql(f"SELECT {columns} FROM history.wards WHERE valid_to IS NULL ORDER BY ALL")
    assert now == lab.table(*lab.contract.columns)


def test_what_comes_late_takes_its_place_in_between(bench: Make) -> None:
    lab = wards(bench, order_by={"column": "seen"})
    lab.send("1.csv", WARD_HEAD + "p1;1;A;2026-01-01\n")
    lab.send("3.csv", WARD_HEAD + "p1;1;C;2026-03-01\n")
    assert spans(lab) == [("A", "2026-01-01", "2026-03-01"), ("C", "2026-03-01", None)]
    lab.send("2.csv", WARD_HEAD + "p1;1;B;2026-02-01\n")
    assert spans(lab) == [
        ("A", "2026-01-01", "2026-02-01"),
        ("B", "2026-02-01", "2026-03-01"),
        ("C", "2026-03-01", None),
    ]
    now_as_in_the_table(lab)
    lab.assert_nothing_lost()


def test_wrong_and_held_rows_are_in_no_history(bench: Make) -> None:
    lab = wards(bench, order_by={"column": "seen"})
    lab.send("1.csv", WARD_HEAD + "p1;1;A;2026-01-01\np1;1;X;2026-13-01\n")
    lab.contract = Contract.model_validate(
        {**WARDS, "load": {**WARDS["load"], "order_by": {"column": "seen"}}, "quality": {"min_rows": 5}}
    )
    assert lab.send("2.csv", WARD_HEAD + "p1;1;H;2026-02-01\n").entries[0].status == "held"
    assert spans(lab) == [("A", "2026-01-01", None)]


@pytest.mark.parametrize("mode", ["snapshot", "upsert", "deletes", "replaces"])
def test_random_deliveries_leave_a_history_whose_present_is_the_table(bench: Make, mode: str) -> None:
    """Whatever comes: what is valid now is the table, and of a key no two rows are valid at once."""
    loads: dict[str, Any] = {
        "snapshot": {"mode": "snapshot"},
        "upsert": {"order_by": {"column": "seen"}},
        "deletes": {"deletes": {"ward": ["GONE"]}, "again": "apply"},
        "replaces": {"replaces": ["week"], "again": "apply"},
    }
    draw = random.Random(len(mode))
    lab = wards(bench, **loads[mode])
    for n in range(6):
        rows = []
        for patient in draw.sample(["p1", "p2", "p3", "p4"], draw.randint(1, 4)):
            day = f"2026-{draw.choice(['01', '02', '13'])}-0{draw.randint(1, 9)}"
            ward = draw.choice(["A", "B", "", *(["GONE"] if mode == "deletes" else [])])
            rows.append(f"{patient};{draw.choice('12')};{ward};{day}\n")
        lab.send(f"f{n}.csv", WARD_HEAD + "".join(rows))
        lab.assert_nothing_lost()
        if lab.table("patient"):
            now_as_in_the_table(lab)
        overlap = (
            lab.sql(
                "SELECT 1 FROM history.wards a JOIN history.wards b ON a.patient = b.patient AND (a.valid_from, a.ward) <> (b.valid_from, b.ward) "
                "AND a.valid_from <= b.valid_from AND coalesce(a.valid_to, '9999-01-01') > b.valid_from"
            )
            if n
            else []
        )
        assert overlap == []
