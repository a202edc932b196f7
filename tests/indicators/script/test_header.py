"""Headers are read from text: what they declare, and what is said of those that cannot be understood."""

from __future__ import annotations

import datetime as dt
import json
import shutil
import subprocess
import textwrap
import time
from pathlib import Path
from typing import Any

import pytest

from platform_assets.indicators import (
    HARNESS,
    Amount,
    Cases,
    Column,
    HeaderError,
    Indicator,
    Input,
    Minimum,
    Param,
    Plot,
    list_indicators,
    read_indicator,
)
from platform_assets.indicators.model import Figure, Since, Slice, Target
from tests.indicators.script.mistakes import FULL, MISTAKES, SHORT


@pytest.fixture
def scripts(tmp_path: Path) -> Path:
    """An empty r_scripts folder with one helper file."""
    root = tmp_path / "r_scripts"
    (root / "indicators").mkdir(parents=True)
    (root / "lib").mkdir()
    (root / "lib" / "rates.R").write_text('source("more.R")\nrate <- function(n, d) n / d\n', encoding="utf-8")
    (root / "lib" / "more.R").write_text('source("rates.R")\nper <- 1e5\n', encoding="utf-8")
    return root


def write(scripts: Path, name: str, text: str) -> Path:
    path = scripts / "indicators" / f"{name}.R"
    path.write_text(textwrap.dedent(text).lstrip("\n"), encoding="utf-8")
    return path


def test_everything_that_a_header_can_declare(scripts: Path) -> None:
    indicator = read_indicator(write(scripts, "admissions_by_province", FULL))

    assert indicator == Indicator(
        name="admissions_by_province",
        path=scripts / "indicators" / "admissions_by_province.R",
        title="Hospital admissions by province",
        description="Counted over all dates up to `until`.\nAdmissions without a province are left out.",
        inputs={
            "admissions": Input(
                "admissions",
                "validated",
                "admissions",
                {
                    "report_date": Column("report_date", "date"),
                    "province": Column("province", "text"),
                    "admissions": Column("admissions", "integer"),
                },
            ),
            "earlier": Input(
                "earlier",
                "indicators",
                "admissions_last_year",
                {"province name": Column("province name", "text"), "per_100k": Column("per_100k", "number")},
            ),
        },
        params={
            "until": Param("until", "date", "last report date counted", "2020-09-14"),
            "label": Param("label", "text", "shown in the plot", None),
        },
        outputs={
            "province": Column("province", "text", "where the patient lives, not where the hospital is"),
            "admissions": Column("admissions", "integer", minimum=0.0),
            "share": Column("share", "number", "of the whole country", 0.0, 1.0),
            "change (%)": Column("change (%)", "number", minimum=-100.0),
            "report_date": Column("report_date", "date"),
        },
        plots={"ranking": Plot("ranking", "Provinces by rate")},
        unit="per 100,000 inhabitants",
        direction="higher is worse",
        version="2.1",
        owner="team:surveillance",
        minimum=Minimum(10, "admissions"),
        cases=Cases(
            {"died": "in hospital", "lived": ""},
            {
                "expected": Amount("expected", "sum", "chance", 0.0, 1.0, 0.5, "deaths expected"),
                "stay": Amount("stay", "median", "nights", 0.0, 60.0, 1.0),
            },
            "quarter",
            True,
            56,
            {
                "sex": Slice("sex", ("F", "M")),
                "age": Slice("age", ("under 60", "60 to 79", "80 and over")),
                "urgent": Slice("urgent", ("yes", "no")),
            },
        ),
        case_mix="age and urgency",
        since=(
            Since(dt.date(2025, 11, 15), "second scanner"),
            Since(dt.date(2026, 3, 1), "new triage"),
        ),
        figure=Figure(
            "admissions", unit="province", time="report_date", size="admissions", reference="1.5", missing="lived"
        ),
        target=Target(0.95, "the Constitution"),
        files=(
            scripts / "indicators" / "admissions_by_province.R",
            scripts / "lib" / "rates.R",
            scripts / "lib" / "more.R",
        ),
        code_version=indicator.code_version,
    )
    assert indicator.inputs["admissions"].asset_key == ("validated", "admissions")
    assert indicator.inputs["earlier"].asset_key == ("indicators", "admissions_last_year")
    assert indicator.root == scripts


@pytest.mark.parametrize("name", list(MISTAKES))
def test_a_mistake_is_named_with_file_line_and_remedy(name: str, scripts: Path) -> None:
    text, message = MISTAKES[name]
    (scripts.parent / "outside.R").write_text("1\n", encoding="utf-8")

    with pytest.raises(HeaderError) as error:
        read_indicator(write(scripts, name, text))

    assert str(error.value) == message


def test_a_file_that_is_not_utf8_is_named_with_its_line(scripts: Path) -> None:
    path = scripts / "indicators" / "latin.R"
    path.write_bytes("#' T\n#' Größe\n".encode("latin-1"))

    with pytest.raises(HeaderError, match=r"latin\.R line 2: this is not UTF-8 text"):
        read_indicator(path)


def test_a_file_that_is_not_there_is_named(scripts: Path) -> None:
    with pytest.raises(HeaderError, match=r"gone\.R: there is no such file"):
        read_indicator(scripts / "indicators" / "gone.R")


READ_WITH_R = """
    harness <- new.env(parent = baseenv())
    arguments <- commandArgs(TRUE)
    for (folder in file.path(arguments[1], c(".", "author")))
      for (file in list.files(folder, "[.]R$", full.names = TRUE)) sys.source(file, harness)
    read <- lapply(arguments[-1], function(path) tryCatch({
      header <- harness$read_header(path)
      header[c("title", "description", "inputs", "params", "outputs", "plots", "unit", "direction", "version", "owner",
               "minimum_n", "grain", "settles", "figure", "target", "outcomes", "amounts", "slices", "since", "case_mix",
               "files")]
    }, error = function(e) list(error = conditionMessage(e))))
    cat(jsonlite::toJSON(read, auto_unbox = TRUE, null = "null"))
"""


def read_with_r(paths: list[Path]) -> list[dict[str, Any]]:
    program = textwrap.dedent(READ_WITH_R)
    done = subprocess.run(
        ["Rscript", "--vanilla", "-e", program, str(HARNESS), *map(str, paths)],
        capture_output=True,
        text=True,
        check=True,
    )
    read: list[dict[str, Any]] = json.loads(done.stdout)
    return read


def test_r_and_python_say_the_same_of_every_mistake(scripts: Path) -> None:
    (scripts.parent / "outside.R").write_text("1\n", encoding="utf-8")
    paths = [write(scripts, name, text) for name, (text, _) in MISTAKES.items()]

    said = [header.get("error") for header in read_with_r(paths)]

    assert said == [message for _, message in MISTAKES.values()]


def test_r_and_python_read_the_same_header(scripts: Path) -> None:
    path = write(scripts, "admissions_by_province", FULL)
    indicator = read_indicator(path)

    (header,) = read_with_r([path])

    assert (header["title"], header["description"]) == (indicator.title, indicator.description)
    assert [header[tag] for tag in ("unit", "direction", "version", "owner")] == [
        *(indicator.unit, indicator.direction, indicator.version, indicator.owner)
    ]
    assert indicator.figure == Figure(
        "admissions", unit="province", time="report_date", size="admissions", reference="1.5", missing="lived"
    )
    assert (
        header["figure"]
        == "value admissions, unit province, time report_date, size admissions, reference 1.5, missing lived"
    )
    assert (indicator.target, header["target"]) == (Target(0.95, "the Constitution"), "0.95 the Constitution")
    assert (header["minimum_n"], header["grain"], header["settles"]) == (
        "10 of admissions",
        "quarter by organisation",
        "8 weeks",
    )
    assert indicator.cases
    assert header["outcomes"] == dict(indicator.cases.outcomes)
    assert header["slices"] == {name: list(one.levels) for name, one in indicator.cases.slices.items()}
    assert list(header["since"].items()) == [(one.day.isoformat(), one.words) for one in indicator.since]
    assert header["case_mix"] == indicator.case_mix
    assert header["amounts"] == {name: vars(amount) for name, amount in indicator.cases.amounts.items()}
    assert {name: (table["source"], _columns(table["columns"])) for name, table in header["inputs"].items()} == {
        name: ("/".join(table.asset_key), dict(table.columns)) for name, table in indicator.inputs.items()
    }
    assert _columns(header["outputs"]) == indicator.outputs
    assert header["params"] == {
        name: {"type": param.type, "help": param.help, "default": param.default}
        for name, param in indicator.params.items()
    }
    assert header["plots"] == {name: plot.title for name, plot in indicator.plots.items()}
    assert header["files"] == [str(file) for file in indicator.files]


def _columns(read: dict[str, dict[str, Any]]) -> dict[str, Column]:
    return {name: Column(**column) for name, column in read.items()}


# --- Code version --------------------------------------------------------------------------------------------


def versions_after(scripts: Path, path: Path, changed: Path, text: str) -> tuple[str, str]:
    harness = scripts / "harness"
    if not harness.exists():
        shutil.copytree(HARNESS, harness)
    before = read_indicator(path, harness).code_version
    changed.write_text(text, encoding="utf-8")
    return before, read_indicator(path, harness).code_version


@pytest.mark.parametrize("file", ["indicators/admissions_by_province.R", "lib/rates.R", "lib/more.R", "harness/run.R"])
def test_an_edit_of_the_script_its_helpers_or_the_harness_changes_the_code_version(file: str, scripts: Path) -> None:
    path = write(scripts, "admissions_by_province", FULL)
    shutil.copytree(HARNESS, scripts / "harness")
    changed = scripts / file

    before, after = versions_after(scripts, path, changed, changed.read_text(encoding="utf-8") + "# edited\n")

    assert before != after


def test_other_files_line_endings_and_place_do_not_change_the_code_version(scripts: Path, tmp_path: Path) -> None:
    path = write(scripts, "admissions_by_province", FULL)
    before = read_indicator(path).code_version

    (scripts / "lib" / "unrelated.R").write_text("1\n", encoding="utf-8")
    path.write_bytes(path.read_bytes().replace(b"\n", b"\r\n"))
    moved = shutil.copytree(scripts, tmp_path / "moved") / "indicators" / path.name

    assert read_indicator(path).code_version == before
    assert read_indicator(moved).code_version == before


def test_a_folder_lists_its_indicators_by_name(scripts: Path) -> None:
    paths = [write(scripts, name, SHORT) for name in ("b", "a")]
    (scripts / "indicators" / "notes.txt").write_text("", encoding="utf-8")

    assert list_indicators(scripts / "indicators") == sorted(paths)


def test_two_hundred_headers_are_read_in_a_fraction_of_a_second(scripts: Path) -> None:
    paths = []
    for number in range(200):
        name = f"indicator_{number}"
        paths.append(write(scripts, name, FULL.replace("admissions_by_province", name)))
    read_indicator(paths[0])

    started = time.process_time()
    for path in paths:
        read_indicator(path)

    assert time.process_time() - started < 0.5
