"""Files as people lay them out: what stands around the table, header rows, columns that are days, names that say something."""

from __future__ import annotations

import io
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError

from platform_assets.ingest.readers.apart.limits import Limits
from platform_assets.ingest.readers.delimited import lines
from platform_assets.ingest.readers.interface import Edits, first_row, rendered
from platform_assets.ingest.readers.registry import format_named
from tests.conftest import Bench
from tests.ingest.field.layouts import COLUMNS, WIDE, laid_out

Make = Callable[..., Bench]


TABLE = "id;day;n\na;2026-03-01;1\nb;2026-03-02;\n"
AROUND: dict[str, tuple[dict[str, Any], str, dict[str, int]]] = {
    "sep": ({}, f"sep=;\n{TABLE}", {"the line sep=": 1}),
    "sep in quotes": ({}, f'"sep=;"\r\n{TABLE}', {"the line sep=": 1}),
    "title": ({"skip_rows": 3}, f"Cases per day;;\nmade 2026-03-05;;\n\n{TABLE}", {"lines before the header": 3}),
    "title that looks like a row": ({"skip_rows": 1}, f'"a;""b"";c\n{TABLE}', {"lines before the header": 1}),
    "comment": ({"comment": "#"}, f"# source: lab\n{TABLE}# end\n", {"comment lines": 2}),
    "comment with a quote": ({"comment": "//"}, f'// the "lab\n{TABLE}', {"comment lines": 1}),
    "units": ({"skip_after_header": 1}, TABLE.replace("\n", "\n;yyyy-mm-dd;count\n", 1), {"lines below the header": 1}),
    "totals": (
        {"leave_out": {"totals": "^(?i:total|totaal);", "footer": r"^\(\d+ rows? affected\)$"}},
        f"{TABLE}Total;;1\nTOTAAL;;1\n(2 rows affected)\n",
        {"totals": 2, "footer": 1},
    ),
    "totals by column": (
        {"leave_out": {"totals": {"id": "^Total$", "day": "^$"}}},
        f"{TABLE}Total;;1\n",
        {"totals": 1},
    ),
    "empty rows": ({}, f"{TABLE};;\n;;\n", {"rows without any value": 2}),
    "empty rows of quotes and blanks": ({}, f'{TABLE}"";" ";\n', {"rows without any value": 1}),
    "empty rows at the end of the file": ({}, f"{TABLE};;", {"rows without any value": 1}),
    "short rows": ({"short_rows": "pad"}, TABLE.replace("2026-03-02;", "2026-03-02"), {}),
    "header of two rows": (
        {"header_rows": 2},
        "who;when;\nid;day;n\na;2026-03-01;1\nb;2026-03-02;\n",
        {},
    ),
    "all at once": (
        {
            "skip_rows": 2,
            "comment": "#",
            "skip_after_header": 1,
            "leave_out": {"totals": "^Total"},
            "short_rows": "pad",
        },
        "Title\n\n# c\nid;day;n\ntext;date;number\na;2026-03-01;1\n;;\nb;2026-03-02\nTotal;;1\n",
        {
            "lines before the header": 2,
            "comment lines": 1,
            "lines below the header": 1,
            "rows without any value": 1,
            "totals": 1,
        },
    ),
}


TWO_ROWS = {
    "id": {**COLUMNS["id"], "from": ["id", "who id"]},
    "day": {**COLUMNS["day"], "from": ["day", "when day"]},
    "n": {**COLUMNS["n"], "from": ["n", "when n"]},
}


def test_what_stands_around_a_table_is_left_out_and_counted(bench: Make) -> None:
    names = {f"file {number}.csv": case for number, case in enumerate(AROUND.values())}
    formats = [{"kind": "csv", "delimiter": ";", "files": name, **layout} for name, (layout, _, _) in names.items()]
    lab = bench(laid_out({}, TWO_ROWS, format=formats))
    for name, (_, text, _) in names.items():
        lab.drop(name, text)
    for entry in lab.load().entries:
        left = names[entry.file][2]
        assert (entry.status, entry.rows_in, entry.valid, entry.not_taken, entry.drift) == (
            "published",
            2,
            2,
            left,
            {},
        ), entry
    found = lab.sql("SELECT id, day::VARCHAR, n, count(*) FROM {validated} GROUP BY ALL ORDER BY ALL")
    assert found == [("a", "2026-03-01", 1, len(names)), ("b", "2026-03-02", None, len(names))]
    lab.assert_nothing_lost()


def test_without_a_word_in_the_contract_nothing_is_left_out_but_empty_rows(bench: Make) -> None:
    lab = bench(laid_out({}, quality={"max_quarantined": 1.0}))
    (entry,) = lab.send("a.csv", f"{TABLE}Total;;1\n;;\n(1 row affected)\n# x\n").entries
    assert (entry.rows_in, entry.valid, entry.quarantined, entry.not_taken) == (5, 2, 3, {"rows without any value": 1})


def test_a_delimiter_that_the_file_itself_denies_refuses_it(bench: Make) -> None:
    lab = bench(laid_out({}))
    (entry,) = lab.send("a.csv", f"sep=,\n{TABLE}").entries
    assert entry.status == "rejected"
    assert "says that the delimiter is ','" in entry.reason


ESCAPED = [
    (r'"said \"hi\" twice"', 'said "hi" twice'),
    (r'"x; \"y\"; z"', 'x; "y"; z'),
    (r"\N", r"\N"),
    (r"x\;y", "x;y"),
    (r'"c:\\new"', r"c:\new"),
    (r"c:\new", r"c:\new"),
    (r'"a""b"', 'a"b'),
    (r'"ends\\"', "ends\\"),
    ('"two\\\nlines"', "two\nlines"),
    ('"two\nlines \\" more"', 'two\nlines " more'),
]


def test_an_escape_is_read_and_other_backslashes_stay(tmp_path: Path) -> None:
    contract = laid_out({"escape": "\\"}, {"id": {"type": "string"}, "note": {"type": "string"}})
    path = tmp_path / "a.csv"
    path.write_text("id;note\n" + "".join(f"{n};{written}\n" for n, (written, _) in enumerate(ESCAPED)), newline="")
    found = list(lines.table(path, contract, contract.format[0]).lines())
    assert [(line.reason, list(line.cells)) for line in found] == [
        ("", [str(n), v]) for n, (_, v) in enumerate(ESCAPED)
    ]


def test_a_quote_that_stays_open_spoils_its_line_alone_with_escapes_too(tmp_path: Path) -> None:
    contract = laid_out({"escape": "\\"}, {"id": {"type": "string"}, "note": {"type": "string"}})
    path = tmp_path / "a.csv"
    path.write_text('id;note\n1;"open \\" still\n2;plain\n3;"fine"\n')
    found = list(lines.table(path, contract, contract.format[0]).lines())
    assert [bool(line.reason) for line in found] == [True, False, False]


def test_columns_become_rows(bench: Make) -> None:
    layout = {"wide": {"columns": r"^\d{4}-\d\d-\d\d$", "name": "day", "value": "cases"}}
    lab = bench(laid_out(layout, WIDE, quality={"max_quarantined": 1.0}))
    report = lab.send("a.csv", "site;2026-03-01;2026-03-02\nlabA;3;4\nlabB;;x\n")
    (entry,) = report.entries
    assert (entry.rows_in, entry.valid, entry.quarantined) == (4, 3, 1)
    assert lab.sql("SELECT site, day::VARCHAR, cases FROM {validated} ORDER BY ALL") == [
        ("labA", "2026-03-01", 3),
        ("labA", "2026-03-02", 4),
        ("labB", "2026-03-01", None),
    ]
    assert entry.drift == {}
    assert lab.sql("SELECT _row FROM {quarantine}") == [(5,)]
    (again,) = lab.send(
        "b.csv", "site;2026-03-01;2026-03-02;2026-03-03\nlabC;3;4;5\n"
    ).entries  # a new day every day is no drift
    assert (again.rows_in, again.drift) == (3, {})
    lab.assert_nothing_lost()


def test_empty_cells_of_such_columns_can_be_left_out_and_a_part_of_the_name_is_kept(bench: Make) -> None:
    columns = {**WIDE, "day": {"type": "integer"}}
    layout = {"wide": {"columns": r"^cases_(\d{4})$", "name": "day", "value": "cases", "empty": "leave_out"}}
    lab = bench(laid_out(layout, columns))
    (entry,) = lab.send("a.csv", "site;cases_2025;cases_2026;other\nlabA;3;;x\nlabB; ;4;y\n").entries
    assert (entry.rows_in, entry.not_taken) == (2, {"empty cells of columns that become rows": 2})
    assert entry.drift == {"extra": ["other"]}
    assert lab.table("site", "day", "cases") == [("labA", 2025, 3), ("labB", 2026, 4)]
    (refused,) = lab.send("b.csv", "site;cases\nlabA;3\n").entries
    assert "no column has a name like" in refused.reason


def test_merged_cells_are_filled_down(bench: Make) -> None:
    lab = bench(laid_out({"fill_down": "id"}))
    lab.send("a.csv", "id;day;n\na;2026-03-01;1\n;2026-03-02;2\nb;2026-03-01;3\n ;2026-03-02;4\n")
    assert lab.table("id", "n") == [("a", 1), ("a", 2), ("b", 3), ("b", 4)]


NAMED = {
    "site": {"type": "string", "from_file_name": "^([A-Za-z]+)_"},
    "day": {"type": "date", "format": "%Y-%m-%d", "from_file_name": r"_(\d{4}-\d\d-\d\d)\."},
    "cases": {"type": "integer"},
}


def test_the_name_of_a_file_tells_columns(bench: Make) -> None:
    lab = bench(laid_out({}, NAMED, format=[{"kind": "csv"}]))
    for name, text in {
        "labA_2026-03-01.csv": "cases\n3\n4\n",
        "labB_2026-03-02.csv": "cases\n5\n",
    }.items():
        lab.drop(name, text)
    archive = io.BytesIO()
    with zipfile.ZipFile(archive, "w") as made:
        made.writestr("labD_2026-03-04.csv", "cases\n7\n")
        made.writestr("inside.csv", "cases\n8\n")
    lab.drop("all_2026-03-05.zip", archive.getvalue())
    lab.drop("nothing.csv", "cases\n9\n")
    lab.drop("x_2026-03-09.csv", "site;cases\nlabE;10\n".replace(";", ","))
    entries = {e.file: e for e in lab.load().entries}
    assert lab.sql("SELECT site, day::VARCHAR, cases FROM {validated} ORDER BY ALL") == [
        ("all", "2026-03-05", 8),
        ("labA", "2026-03-01", 3),
        ("labA", "2026-03-01", 4),
        ("labB", "2026-03-02", 5),
        ("labD", "2026-03-04", 7),
        ("labE", "2026-03-09", 10),
    ]
    assert entries["nothing.csv"].status == "rejected"
    assert "does not tell 'site'" in entries["nothing.csv"].reason
    assert all(not e.drift for e in entries.values())


def test_a_column_is_found_by_a_pattern_of_its_name(bench: Make) -> None:
    columns = {"id": {"type": "string"}, "n": {"type": "integer", "from_matching": "^Cases until"}}
    lab = bench(laid_out({}, columns))
    (entry,) = lab.send("a.csv", "id;Cases until 5 March 2026\na;1\n").entries
    assert (entry.valid, entry.drift) == (1, {})
    (twice,) = lab.send("b.csv", "id;Cases until 5 March;Cases until 6 March\na;1;2\n").entries
    assert "2 columns have a name like" in twice.reason
    (missing,) = lab.send("c.csv", "id;Cases\na;1\n").entries
    assert missing.status == "held"


def test_files_of_an_archive_are_picked_by_pattern_and_the_others_named(bench: Make) -> None:
    archive = io.BytesIO()
    with zipfile.ZipFile(archive, "w") as made:
        made.writestr("README.txt", "read me")
        made.writestr("data_1.csv", TABLE)
        made.writestr("codes/codebook.xlsx", b"PK\x03\x04 no workbook")
    lab = bench(laid_out({"files": ["data_*.csv"]}))
    (entry,) = lab.send("open_data.zip", archive.getvalue()).entries
    assert (entry.status, entry.valid) == ("published", 2)
    assert entry.not_taken == {"README.txt": 0, "codes/codebook.xlsx": 0}
    assert entry.drift == {}
    none = io.BytesIO()
    with zipfile.ZipFile(none, "w") as made:
        made.writestr("README.txt", "read me")
    (refused,) = lab.send("b.zip", none.getvalue()).entries
    assert "none of the 1 file(s) in the archive fits data_*.csv" in refused.reason


def test_the_date_of_a_delivery_may_be_written_in_several_ways(bench: Make) -> None:
    order = {"file_name": [r"_(\d{4}-\d\d-\d\d)", r"(\d{8})", r"^(\w+ \d{4})"], "format": ["%Y-%m-%d", "%Y%m%d"]}
    lab = bench(laid_out({}, load={"mode": "upsert", "key": ["id"], "order_by": order}))
    lab.drop("new_2026-03-09.csv", "id;day;n\na;2026-03-01;9\n")
    lab.drop("20260308.csv", "id;day;n\na;2026-03-01;8\n")
    lab.drop("undated.csv", TABLE)
    entries = {e.file: e for e in lab.load().entries}
    assert lab.table("n") == [(9,)]
    assert "there is no date like 2026-12-31 or 20261231 in the file name" in entries["undated.csv"].reason


# ------------------------------------------------------------------ edited files, and files of fixes


@pytest.mark.parametrize(("layout", "text", "left"), AROUND.values(), ids=AROUND)
def test_a_row_is_taken_out_of_a_file_and_everything_around_stays(
    tmp_path: Path, layout: dict[str, Any], text: str, left: dict[str, int]
) -> None:
    contract = laid_out(layout, TWO_ROWS)
    fmt, form = contract.format[0], format_named("csv")
    path, target = tmp_path / "a.csv", tmp_path / "b.csv"
    path.write_text(text, newline="")
    rows = [line for line in lines.table(path, contract, fmt).lines() if not line.left]
    form.edited(path, contract, fmt, Edits(frozenset([rows[0].number])), target, Limits())
    whole = [line for line in text.splitlines() if line]
    kept = [line for line in target.read_text().splitlines() if line]
    assert whole[: whole.index("a;2026-03-01;1")] + whole[whole.index("a;2026-03-01;1") + 1 :] == kept
    form.edited(path, contract, fmt, Edits(cells={rows[1].number: {"b": "c"}}), target, Limits())
    table = lines.table(target, contract, fmt)
    assert [line.cells[0] for line in table.lines() if not line.left] == ["a", "c"]
    assert sum(table.left.values()) == sum(left.values())


def test_rows_of_a_wide_file_are_taken_out_by_line_or_by_cell(tmp_path: Path) -> None:
    layout = {"wide": {"columns": r"^\d{4}-\d\d-\d\d$", "name": "day", "value": "cases"}}
    contract = laid_out(layout, WIDE)
    fmt, form = contract.format[0], format_named("csv")
    path, target = tmp_path / "a.csv", tmp_path / "b.csv"
    path.write_text("site;2026-03-01;2026-03-02\nlabA;3;3\nlabB;5;6\n")
    form.edited(path, contract, fmt, Edits(frozenset([2, 3])), target, Limits())
    assert target.read_text() == "site;2026-03-01;2026-03-02\nlabB;5;6\n"
    form.edited(path, contract, fmt, Edits(frozenset([3])), target, Limits())
    assert target.read_text() == "site;2026-03-01;2026-03-02\nlabA;3;\nlabB;5;6\n"


@pytest.mark.parametrize(
    "layout",
    [v[0] for k, v in AROUND.items() if k != "header of two rows"]
    + [{"escape": "\\"}, {"header": False, "skip_rows": 2}],
    ids=str,
)
def test_a_file_of_fixes_is_read_as_it_was_written(tmp_path: Path, layout: dict[str, Any]) -> None:
    contract = laid_out({**layout, "leave_out": {}})
    fmt, path = contract.format[0], tmp_path / "fix.csv"
    texts = ("#7", 'a "b" \\', "x;y", "\\N", 'c\\"', "two\nlines", "// z")
    path.write_bytes(
        rendered(format_named("csv"), contract, fmt, [{"id": t, "day": "2026-03-01", "n": "1"} for t in texts])
    )
    rows = [line for line in lines.table(path, contract, fmt).lines() if not line.left]
    assert [list(line.cells) for line in rows] == [[text, "2026-03-01", "1"] for text in texts]
    assert rows[0].number == first_row(fmt)


@pytest.mark.parametrize(
    ("layout", "columns", "message"),
    [
        ({"skip_row": 2}, None, "did you mean skip_rows"),
        ({"kind": "json", "skip_rows": 2, "delimiter": None}, None, "does not apply to json"),
        ({"leave_out": {"totals": "("}}, None, "is not a regular expression"),
        ({"leave_out": {"totals": {"nope": "x"}}}, None, "there is no column 'nope'"),
        ({"fill_down": ["nope"]}, None, "there is no column 'nope'"),
        ({"header": False, "header_rows": 2}, None, "need a header"),
        ({"escape": ";"}, None, "another character"),
        ({"wide": {"columns": "x", "name": "day", "value": "nope"}}, None, "there is no column 'nope'"),
        ({"wide": {"columns": "(a)(b)", "name": "day", "value": "n"}}, None, "at most one group"),
        (
            {"wide": {"columns": "x", "name": "id", "value": "n"}},
            {**COLUMNS, "id": {"type": "string", "role": "identifier"}},
            "a column per person",
        ),
        ({"wide": {"column": "x", "name": "day", "value": "n"}}, None, "did you mean columns"),
        ({}, {**COLUMNS, "n": {"type": "integer", "from_file_name": "x"}}, "exactly one group"),
        ({}, {**COLUMNS, "n": {"type": "string", "role": "identifier", "from_file_name": "(x)"}}, "shown in logs"),
        ({}, {**COLUMNS, "n": {"type": "string", "from": "a", "from_matching": "b"}}, "keep one of them"),
        ({"short_rows": "fill"}, None, "quarantine.*pad"),
    ],
)
def test_a_layout_that_makes_no_sense_is_refused(
    layout: dict[str, Any], columns: dict[str, Any] | None, message: str
) -> None:
    layout = {k: v for k, v in layout.items() if v is not None}
    changes = {"format": layout} if layout.get("kind") == "json" else {}
    with pytest.raises(ValidationError, match=message):
        laid_out(layout, columns, **changes)
