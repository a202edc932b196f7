"""A draft loads the files that it was made from."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml

from platform_assets.contracts.model import Contract
from platform_assets.ingest.draft.command import draft, main
from platform_assets.ingest.draft.guessing import column, plain_name
from platform_assets.ingest.readers.rows import FileRejected
from tests.conftest import Bench
from tests.workbooks import S, book, workbook

Make = Callable[..., Bench]
MESSY = (
    "Cases per municipality;;;\nmade on 5 March 2026;;;\n\nGemeente;Datum;Aantal;Bedrag\n;dd-mm-jjjj;stuks;euro\n"
    + "".join(f"Plaats {n};{n % 28 + 1:02d}-02-26;{n};1.{n:03d},50\n" for n in range(1, 30))
    + "Aa;01-03-26;n.v.t.;\n;;;\nTotaal;;436;\n"
).replace("n.v.t.", "NULL")


def _drafted(*files: Path) -> tuple[str, Contract]:
    text = draft(files)
    return text, Contract.model_validate(yaml.safe_load(text)["attributes"])


@pytest.mark.parametrize("encoding", ["utf-8", "cp1252", "utf-16"])
def test_a_messy_file_is_described_and_loaded(bench: Make, tmp_path: Path, encoding: str) -> None:
    path = tmp_path / "gevallen_2026.csv"
    path.write_bytes(MESSY.replace("Plaats 3;", "Plaçe 3;").encode(encoding))
    text, contract = _drafted(path)
    assert re.search(r"# Tried on gevallen_2026.csv: 30 rows, 0 wrong", text), text
    fmt = contract.format[0]
    assert (fmt.delimiter, fmt.encoding, fmt.skip_rows, fmt.skip_after_header) == (";", encoding, 3, 1)
    assert set(fmt.leave_out) == {"totals"}
    kinds = {n: (c.type.value, c.decimal_separator, c.thousands_separator) for n, c in contract.columns.items()}
    assert kinds["aantal"][0] == "integer"
    assert kinds["bedrag"] == ("float", ",", ".")
    assert contract.columns["datum"].two_digit_years_from == 1930
    if encoding == "cp1252":
        lab = bench(contract)
        (entry,) = lab.send("gevallen_2026.csv", path.read_bytes()).entries
        assert (entry.status, entry.valid, sum(entry.not_taken.values())) == ("published", 30, 6)


def test_a_table_with_a_column_per_day_becomes_rows(tmp_path: Path) -> None:
    path = tmp_path / "wide.csv"
    path.write_text("site,1/22/20,1/23/20,1/24/20,1/25/20\nA,1,2,3,4\nB,5,,7,8\n")
    text, contract = _drafted(path)
    assert contract.format[0].wide is not None
    assert "# Tried on wide.csv: 7 rows, 0 wrong; not taken: 1 empty cells" in text
    assert contract.columns["period"].format == ("%-m/%-d/%y",)


def test_workbooks_json_and_several_files(tmp_path: Path) -> None:
    book = tmp_path / "book.xlsx"
    book.write_bytes(workbook("s", [["id", "when"], ["a", "2026-03-01"], ["b", "2026-03-02"]]))
    assert "2 rows, 0 wrong" in _drafted(book)[0]
    document = tmp_path / "deep.json"
    document.write_text('{"meta": {"n": 2}, "data": {"items": [{"id": "a", "n": 1}, {"id": "b", "n": null}]}}')
    text, contract = _drafted(document)
    assert contract.format[0].records == "data.items"
    assert "2 rows, 0 wrong" in text
    first, second = tmp_path / "lab_2026-03-01.csv", tmp_path / "lab_2026-03-02.csv"
    first.write_text("id,n\na,1\nb,2\n")
    second.write_text("id,n,extra\na,x,1\nc,4,2\n")
    text, contract = _drafted(first, second)
    assert contract.load.key == ("id",)
    assert contract.load.order_by != "delivered"
    assert contract.columns["extra"].optional
    assert contract.columns["n"].type.value == "string"
    assert text.count("2 rows, 0 wrong") == 2


HEAD: list[str | None] = ["id", "n"]
NOTES: list[list[str | None]] = [["Read me"], ["Made by hand, see the second sheet."]]
CODES: list[list[str | None]] = [["code", "meaning", "since"], ["A", "alive", "2020"], ["D", "dead", "2020"]]


def _book(path: Path, sheets: dict[str, Any], hidden: tuple[str, ...] = ()) -> Path:
    path.write_bytes(book([S(name, rows, state="hidden" if name in hidden else "") for name, rows in sheets.items()]))
    return path


def test_sheets_of_a_workbook_that_are_alike_are_drafted_together(bench: Make, tmp_path: Path) -> None:
    years: dict[str, Any] = {
        str(y): [HEAD, *([f"{y}-{n}", str(n)] for n in range(y - 2020))] for y in (2024, 2025, 2026)
    }
    path = _book(
        tmp_path / "years.xlsx", {"notes": NOTES, **years, "old": [HEAD, ["x", "1"]], "codes": CODES}, ("old",)
    )
    text, contract = _drafted(path)
    assert contract.format[0].sheet == ("2024", "2025", "2026")
    assert "15 rows, 0 wrong" in text
    assert "sheets of other columns are not read" in text
    assert "'codes'" in text
    (entry,) = bench(contract).send("years.xlsx", path.read_bytes()).entries
    assert (entry.valid, entry.not_taken) == (15, {"sheet 'notes'": 2, "sheet 'old' (hidden)": 2, "sheet 'codes'": 3})


def test_a_sheet_can_be_named(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = _book(tmp_path / "two.xlsx", {"rows": [HEAD, *([str(n), "1"] for n in range(9))], "codes": CODES})
    assert _drafted(path)[1].format[0].sheet == "rows"
    assert main(["draft", "--sheet", "codes", str(path)]) == 0
    assert "sheet: codes" in capsys.readouterr().out
    assert main(["draft", "--sheet", "other", str(path)]) == 1
    assert "there is no table on a sheet 'other'; there is one on 'rows', 'codes'" in capsys.readouterr().err


def test_workbooks_with_sheets_of_their_own_names(tmp_path: Path) -> None:
    files = [
        _book(tmp_path / f"{month}.xlsx", {month: [HEAD, ["a", "1"], ["b", "2"]], "codes": [["code"], ["A"]]})
        for month in ("march", "april")
    ]
    text, contract = _drafted(*files)
    assert contract.format[0].sheet == ("march", "april")
    assert text.count("2 rows, 0 wrong") == 2


@pytest.mark.parametrize(
    ("texts", "options"),
    [
        (["1", "2"], {"type": "integer"}),
        (["007", "012"], {"type": "string"}),
        (["1.5", "2"], {"type": "float"}),
        (["1,5", "2"], {"type": "float", "decimal_separator": ","}),
        (["1.234,5", "2"], {"type": "float", "decimal_separator": ",", "thousands_separator": "."}),
        (["true", "false"], {"type": "boolean"}),
        (["1", "NA", ""], {"type": "integer", "null_tokens": ["", "NA"], "required": False}),
        (["31-12-2026"], {"type": "date", "format": "%d-%m-%Y"}),
        (["12/31/2026", "01/02/2026"], {"type": "date", "format": "%m/%d/%Y"}),
        (["20261231", "20260102"], {"type": "date", "format": "%Y%m%d"}),
        (["3 februari 2026", "14 März 2026"], {"type": "date", "format": "%-d %B %Y"}),
        (["2026-02-03T14:30:00Z"], {"type": "timestamp", "format": "%Y-%m-%dT%H:%M:%S%z"}),
        (["2026-02-03", "03/02/2026"], {"type": "date", "format": ["%Y-%m-%d", "%d/%m/%Y"]}),
        (["x", "y"], {"type": "string"}),
        (["f", "m"] * 10, {"type": "categorical", "in": ["f", "m"]}),
        (["POS", "NEG"] * 10, {"type": "string"}),
        (["", None], {"type": "string", "required": False}),
    ],
)
def test_what_a_column_holds(texts: list[str | None], options: dict[str, Any]) -> None:
    assert column("x", "x", texts).options == options


NAMES = ["Jansen", "Kok", "de Vries", "O'Brien", "Ng", "P-4711", "1.234", "12.345", "31-12-1953", "J."]


@pytest.mark.parametrize("kind", ["csv", "json", "xlsx"])
def test_no_value_of_a_file_stands_in_its_draft(tmp_path: Path, kind: str) -> None:
    """However often it comes again: one person may have many rows, and a contract is kept where anybody may read it."""
    rows = [[NAMES[n // 30], NAMES[-1 - n // 30], str(n)] for n in range(300)]
    rows += [[NAMES[n % 10], NAMES[n % 3], str(n)] for n in range(300, 400)]
    rows += [[NAMES[0], "1.234", ""]] * 40
    head = ["who", "what", "n"]
    file = tmp_path / f"rows.{kind}"
    if kind == "csv":
        file.write_text("\n".join(";".join(row) for row in [head, *rows]))
    elif kind == "json":
        file.write_text(json.dumps([dict(zip(head, row, strict=True)) for row in rows]))
    else:
        file.write_bytes(workbook("s", [head, *rows]))
    text, _ = _drafted(file)
    assert "draft again with --list" in text
    shown = text.replace(f"rows.{kind}", "")
    assert [name for name in NAMES if re.search(rf"(?<![\w.-]){re.escape(name)}(?![\w.-])", shown)] == []
    assert main(["draft", "--list", "who", str(file)]) == 0


def test_values_are_listed_where_somebody_says_so() -> None:
    assert column("x", "x", ["POS", "NEG"] * 10, listed=True).options == {"type": "categorical", "in": ["NEG", "POS"]}


def test_names_of_columns() -> None:
    assert plain_name("Größe (cm)", [], "c") == "groe_cm"
    assert plain_name("2020", [], "c") == "c_2020"
    assert plain_name("a", ["a"], "c") == "a_2"
    assert plain_name("filename", [], "c") == "filename_2"


def test_what_no_draft_is_made_of_is_told(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "a.pdf").write_text("x")
    assert main(["draft", str(tmp_path / "a.pdf")]) == 1
    assert "a draft is made of files that end in .csv" in capsys.readouterr().err
    (tmp_path / "empty.csv").write_text("\n")
    with pytest.raises(FileRejected, match=r"empty\.csv: there is nothing in the file"):
        draft([tmp_path / "empty.csv"])


@pytest.mark.parametrize(
    "name",
    [
        "rivm/COVID-19_aantallen_gemeente_cumulatief_2020-09-14.csv",
        "nhs/ae_attendances.csv",
        "who-atc/WHO_ATC-DDD_2021-12-03.csv",
    ],
)
def test_real_files(shared: Path, name: str) -> None:
    text, _ = _drafted(shared / "data" / name)
    assert re.search(r"# Tried on \S+: [1-9][0-9,]* rows, 0 wrong\n", text), text[:600]
