"""Nothing of a delivery is in no count: it is read, or named as not taken, or the file is refused."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

from tests.conftest import Bench
from tests.ingest.field.many import load_many
from tests.workbooks import S, X, book

Make = Callable[..., Bench]
COLUMNS: dict[str, Any] = {"id": {"type": "string"}, "n": {"type": "integer", "required": False}}
TEXT: dict[str, Any] = {"id": {"type": "string"}, "v": {"type": "string", "required": False}}


# ------------------------------------------------------------------ JSON

A, B, C = ({"id": letter, "n": place} for place, letter in enumerate("abc"))


def page(*records: Any, **more: Any) -> str:
    return json.dumps({"results": records, **more})


WHOLE: list[tuple[str | None, str]] = [
    (None, json.dumps([A, B]) + "\n" + json.dumps([C])),
    (None, json.dumps([A]) + json.dumps([B]) + json.dumps([C])),
    (None, "\ufeff" + json.dumps([A, B, C], indent=2)),
    (None, "\n".join(json.dumps(r) for r in (A, B, C))),
    (None, "\ufeff" + "\n\n".join(json.dumps(r) for r in (A, B, C)) + "\n\n"),
    (None, "\n".join(json.dumps(r, indent=1) for r in (A, B, C))),
    (None, json.dumps(A, indent=1) + "\n" + json.dumps([B, C], indent=1)),
    (None, json.dumps([A, B]) + "\r\n" + json.dumps(C)),
    ("results", page(A) + "\n" + page(B, C)),
    ("results", page(A) + page() + page(B) + "\n\n" + page(C)),
    ("results", json.dumps({"results": [A, B, C]}, indent=2)),
    ("results", '{"results": [' + json.dumps(A) + '], "results": [' + json.dumps(B) + ", " + json.dumps(C) + "]}"),
    ("data.rows", json.dumps({"data": {"rows": [A]}}) + "\n" + json.dumps({"data": {"rows": [B, C]}})),
]
BROKEN: list[tuple[str | None, str, str]] = [
    ("results", page(A)[:-1], "cut off"),
    ("results", page(A)[:-2], "cut off"),
    ("results", page(A) + "\n" + page(B)[:-1], "in document 2"),
    ("results", page(A) + "\nthe end", "text follows its end"),
    ("results", page(A) + '\n{"error": "later"}', "no list of records at 'results' in document 2"),
    ("results", '{"results": null}', "no list of records at 'results'"),
    ("results", "[ ]", "no list of records at 'results'"),
    (None, json.dumps([A])[:-1], "cut off"),
    (None, json.dumps([A]) + "]", "text follows its end"),
    (None, json.dumps([A]) + "\n[{", "cut off"),
    (None, json.dumps([A]) + ",", "text follows its end"),
    (None, '[{"id": "a", "n": NaN}]', "NaN or Infinity, which JSON does not have"),
    (None, '[{"id": "a", "n": -Infinity }]', "NaN or Infinity, which JSON does not have"),
    (None, "[]", "no records"),
]
FORMATS = [
    {"kind": "json", "records": "results", "files": "results*"},
    {"kind": "json", "records": "data.rows", "files": "data.rows*"},
    {"kind": "json", "files": "*.json"},
]


def test_all_documents_of_a_file_are_read_and_one_that_is_not_whole_is_refused(bench: Make) -> None:
    files = {f"{records}{n}w.json": text for n, (records, text) in enumerate(WHOLE)}
    files |= {f"{records}{n}b.json": text for n, (records, text, _) in enumerate(BROKEN)}
    came = load_many(bench, files, format=FORMATS, columns=COLUMNS)
    for n, (records, text) in enumerate(WHOLE):
        name = f"{records}{n}w.json"
        assert came[name].status == "published", (text, came[name].reason)
        assert came.rows(name, "id", "n") == [("a", 0), ("b", 1), ("c", 2)], text
    for n, (records, text, said) in enumerate(BROKEN):
        name = f"{records}{n}b.json"
        assert came[name].status == "rejected", text
        assert said in came[name].reason, text


def test_lines_and_objects_that_are_no_records_are_counted_and_kept(bench: Make) -> None:
    wrong = ['{"id": "x", "id": "y"}', '{"id": "x", "n": NaN}', '{"id": "x"} {"id": "y"}', "[1]", "end", '{"id": "x"']
    twice = '[{"id": "a", "n": 1}, {"id": "b", "n": 1, "n": 2}, {"id": "c", "more": {"x": ":", "x": 2}}]'
    files = {
        "lines.json": "\n".join([json.dumps(A), *wrong, json.dumps(B)]),
        "twice.json": twice,
        "twice.json5": twice + " ",
        "good.json5": "[{id: 'a: b // c', n: 1}, {id: 'd' /* : */, n: 2}, {id: 'e', n: NaN}]",
        "results beside.json": page(A, remarks=[B, C], data={"visits": [B], "plain": [1, 2]}, Jansen=[C]),
        "late.json": (json.dumps(A) + "\n") * 20_001 + '{"id": "z", "remark": 1}',
    }
    came = load_many(bench, files, format=[*FORMATS, {"kind": "json5"}], columns=COLUMNS)
    assert (came["lines.json"].rows_in, came["lines.json"].valid, came["lines.json"].malformed) == (8, 2, 6)
    reasons = [r[0] for (r,) in came.quarantine("lines.json", "_reasons")]
    assert "the same name twice" in reasons[0]
    assert "NaN" in reasons[1]
    assert (came["twice.json"].valid, came["twice.json"].malformed) == (1, 2)
    assert (came["twice.json5"].status, "twice" in came["twice.json5"].reason) == ("rejected", True)
    assert came.rows("good.json5", "id", "n") == [("a: b // c", 1), ("d", 2), ("e", None)]
    beside = came["results beside.json"]
    assert (beside.rows_in, beside.not_taken) == (
        1,
        {"list at 'remarks'": 2, "list at 'data.visits'": 1, "list at a name like Aaaaaa": 1},
    )
    assert came["late.json"].drift["extra"] == ["remark"]


# ------------------------------------------------------------------ Excel

HEAD: list[Any] = ["id", "n"]
TABLE: list[list[Any]] = [HEAD, ["a", 1], ["b", 2]]
SHEETS: list[tuple[list[S], dict[str, int], list[str]]] = [
    ([S("T", TABLE)], {}, []),
    ([S("T", TABLE), S("Sheet2", []), S("Sheet3", [[None]])], {}, []),
    ([S("T", TABLE), S("U", [HEAD, ["c", 3]])], {"sheet 'U'": 2}, ["sheet 'U'"]),
    ([S("Old", [HEAD], "hidden"), S("T", TABLE)], {"sheet 'Old' (hidden)": 1}, ["sheet 'Old' (hidden)"]),
    ([S("Old", [["x"]], "veryHidden"), S("T", TABLE)], {"sheet 'Old' (hidden)": 1}, ["sheet 'Old' (hidden)"]),
    ([S("Plot", [], "", "chartsheet"), S("T", TABLE)], {"sheet 'Plot' (chartsheet)": 0}, []),
    ([S("T", [HEAD, ["a", 1], ["  ", None], [], ["b", 2]])], {"rows without any value": 1}, []),
    ([S("T", TABLE), S("Patient 1234567", [["x"]])], {"sheet 'Patient #'": 1}, ["sheet 'Patient #'"]),
]


def test_of_several_sheets_the_visible_one_is_read_and_the_others_are_named(bench: Make) -> None:
    files = {
        f"{n}{shared}.xlsx": book(s, shared=shared) for n, (s, _, _) in enumerate(SHEETS) for shared in (True, False)
    }
    files |= {"empty.xlsx": book([S("Cover", []), S("Data", TABLE)])}
    files |= {"named 1.xlsx": book([S("Codes", [["x"]]), S("T", TABLE, "hidden")])}
    files |= {"named 2.xlsx": book([S("Codes", [["x"]]), S("t", TABLE)])}
    files |= {"beside.xlsx": book([S("T", [HEAD, ["a", 1, None, "call her back"], ["b", 2]])])}
    formats = [{"kind": "xlsx", "sheet": "T", "files": "named*"}, {"kind": "xlsx"}]
    came = load_many(bench, files, format=formats, columns=COLUMNS)
    for n, (_, not_taken, told) in enumerate(SHEETS):
        for name in (f"{n}True.xlsx", f"{n}False.xlsx"):
            assert came.rows(name, "id", "n") == [("a", 1), ("b", 2)], name
            assert (came[name].not_taken, came[name].drift.get("not taken", [])) == (not_taken, told), name
    # a sheet that the contract names leaves the others by its own words
    assert (came["named 1.xlsx"].not_taken, came["named 1.xlsx"].drift) == ({"sheet 'Codes'": 1}, {})
    assert came["named 2.xlsx"].reason == "there is no sheet 'T'; the workbook has 'Codes', 't'"
    assert "'Cover' is empty" in came["empty.xlsx"].reason
    assert "sheet 'Data'" in came["empty.xlsx"].reason
    assert came["beside.xlsx"].drift == {"extra": ["column 4, without a name"]}


ERRORS = ["#N/A", "#DIV/0!", "#REF!", "#NAME?", "#VALUE!", "#NUM!", "#NULL!", "#SPILL!"]


def test_an_error_is_the_text_that_people_see(bench: Make) -> None:
    rows: list[list[Any]] = [["id", "v"], *([e, X(e, "e")] for e in ERRORS), *([e, X(e, "e", f="1/0")] for e in ERRORS)]
    came = load_many(bench, {"a.xlsx": book([S("T", rows)])}, format={"kind": "xlsx"}, columns=TEXT)
    assert came.rows("a.xlsx", "v") == sorted((e,) for e in ERRORS * 2)
    number = {"type": "integer", "required": False, "null_tokens": ["", "#N/A"]}
    came = load_many(
        bench, {"a.xlsx": book([S("T", rows)])}, "b", format={"kind": "xlsx"}, columns={**TEXT, "v": number}
    )
    assert (came["a.xlsx"].valid, came["a.xlsx"].quarantined) == (2, 14)


RESULTS: list[tuple[X, bool, str | None]] = [
    (X(f="1+1"), False, None),
    (X("", f="1+1"), False, None),
    (X(f="A1", t="str"), False, None),
    (X("0", f="1+1"), True, None),
    (X("2", f="1+1"), False, "2"),
    (X("2", f="1+1"), True, "2"),
    (X("0", f="1-1"), False, "0"),
    (X("", f="A9", t="str"), False, ""),
    (X("x y", f="A1", t="str"), True, "x y"),
    (X("1", f="TRUE()", t="b"), False, "true"),
]


def test_a_formula_has_its_result_or_its_row_is_set_aside(bench: Make) -> None:
    files = {
        f"{n}.xlsx": book([S("T", [["id", "v"], ["a", cell], ["b", "fine"]])], compute_all=compute_all)
        for n, (cell, compute_all, _) in enumerate(RESULTS)
    }
    files["elsewhere.xlsx"] = book([S("T", [["id", "v", "check"], ["a", "x", X(f="1+1")]])])
    came = load_many(bench, files, format={"kind": "xlsx"}, columns=TEXT)
    for n, (cell, _, said) in enumerate(RESULTS):
        name = f"{n}.xlsx"
        assert came[name].rows_in == 2
        if said is None:
            assert (came[name].valid, came[name].malformed) == (1, 1), cell
            ((text, reasons),) = came.quarantine(name, "_text", "_reasons")
            assert text == "a\t=?"
            assert "never computed: open the file in Excel, save it" in reasons[0]
        else:
            assert came.rows(name, "v") == sorted([("fine",), (said or None,)], key=str), cell
    assert (came["elsewhere.xlsx"].valid, came["elsewhere.xlsx"].drift) == (1, {"extra": ["check"]})


# ------------------------------------------------------------------ rows without any value

EMPTY = {
    "a.csv": 'id,n\na,1\n,\n" ",\n , \n\n   \nb,2\n',
    "b.csv": 'id,n\r\na,1\r\n,\r\n"",""\r\n ,\r\nb,2',
    "c.csv": "id,n\na,1\nb,2\n,\n,\n,",
    "a.tsv": 'id\tn\na\t1\n\t\n\t\n""\t\nb\t2\n',
    "a.jsonl": '{"id": "a", "n": 1}\n{}\n{"id": null, "n": ""}\n{"id": " "}\n{"id": "b", "n": 2}',
    "a.json5": "[{id: 'a', n: 1}, {}, {id: null}, {n: ''}, {id: 'b', n: 2}]",
}


def test_rows_in_which_nothing_stands_are_counted_apart(bench: Make) -> None:
    beyond = {"x.csv": "id,n,x\n,,1\n", "x.json": '[{"id": null, "x": 1}]'}
    formats = [{"kind": k} for k in ("csv", "tsv", "json", "json5")]
    came = load_many(bench, EMPTY | beyond, format=formats, columns=COLUMNS)
    for name in EMPTY:
        assert (came[name].rows_in, came[name].valid) == (2, 2), name
        assert came[name].not_taken == {"rows without any value": 4 if name == "a.csv" else 3}, name
        assert came.rows(name, "id", "n") == [("a", 1), ("b", 2)]
    for name in beyond:  # something stands in a column that is not taken
        assert (came[name].quarantined, came[name].not_taken) == (1, {}), name
