"""The page that an author sees before anyone else: by dev.R, of the same renderer, alone, and without a network."""

from __future__ import annotations

import os
import random
import re
import subprocess
from pathlib import Path

import pytest

from dashboard import preview
from platform_assets.indicators import HARNESS, read_indicator

ROOT = HARNESS.parents[1]
SCRIPT = ROOT / "r_scripts" / "indicators" / "standardised_admissions.R"


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Sample data of twelve hospitals, one of which has a name that a page must not take for markup."""
    home, draw = tmp_path_factory.mktemp("home"), random.Random(1)
    (home / "sample").mkdir()
    rows = ["stay_id,organisation,admission_date,age,length_of_stay,died"]
    for n in range(1800):
        hospital = n % 12
        name = "<b>North" if hospital == 0 else f"Hospital {hospital}"
        died = draw.random() < (0.35 if hospital == 0 else 0.1)
        rows.append(
            f"S{n},{name},2025-{n % 9 + 1:02d}-15,{draw.randint(30, 95)},{draw.randint(1, 20)},{str(died).upper()}"
        )
    (home / "sample" / "hospital_stays.csv").write_text("\n".join([*rows, ""]), encoding="utf-8")
    return home


def run(home: Path, *arguments: str) -> str:
    done = subprocess.run(
        ["Rscript", str(ROOT / "r_scripts" / "dev.R"), *arguments],
        env={**os.environ, "DATA_HOME": str(home)},
        cwd=home,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_an_author_sees_the_page_alone_and_before_anyone_else(home: Path) -> None:
    said = run(home, "standardised_admissions")
    (address,) = re.findall(r"^page: (.*)$", said, re.M)
    file = home / "preview" / "standardised_admissions.html"
    assert address == str(file)
    page = file.read_text(encoding="utf-8")
    assert "<h1>Deaths in hospital against what" in page
    assert "&lt;b&gt;North" in page
    assert "<b>North" not in page
    assert '<h2 id="stands">&lt;b&gt;North</h2>' in page, "through the eyes of the one to look at first"
    for title in ("In order", "Funnel", "Counts by quarter", "Definition", "Shares compared"):
        assert title in page
    assert page.count('class="wide"') == 3
    assert page.count("data:image/png;base64,") == 2
    assert "Fair: adjusted for age" in page
    assert "exact counts" in page
    assert "drawn so that nobody" not in page, "here nothing is"
    addresses = re.findall(r'(?:href|src|action)="([^"]*)"', page)
    assert all(a.startswith(("#", "data:")) for a in addresses), "it leads nowhere and loads nothing"
    assert "<script" not in page
    assert "<form" not in page
    # the numbers are those that the run printed
    (ratio,) = re.findall(r"^\d+ +<b>North +\d+ +\d+ +\d+ +[\d.]+ +([\d.]+)", said, re.M)
    assert f"<b>North: {float(ratio):.2f} (".replace("<b>", "&lt;b&gt;") in page
    left = sorted(p.name for p in home.iterdir())
    assert left == ["plots", "preview", "sample"], "nothing of the platform was made or read"


def test_without_the_platform_there_is_a_sentence_and_no_page(home: Path, tmp_path: Path) -> None:
    program = f"""
        harness <- new.env()
        for (folder in c("{HARNESS}", "{HARNESS / "author"}"))
          for (file in list.files(folder, "[.]R$", full.names = TRUE)) sys.source(file, harness)
        harness$root <- "{tmp_path}/r_scripts"
        cat(harness$write_preview("{SCRIPT}", list(data = data.frame(a = 1)), "{tmp_path}", "{tmp_path}/x.html"))
    """
    said = subprocess.run(["Rscript", "-e", program], capture_output=True, text=True, check=True).stdout
    assert said.startswith("no page: ")
    assert not (tmp_path / "x.html").exists()


def test_what_is_missing_stays_missing_and_types_are_those_of_the_header(tmp_path: Path) -> None:
    indicator = read_indicator(ROOT / "r_scripts" / "indicators" / "turnaround.R")
    assert indicator.cases
    names = list(indicator.outputs)
    row = dict.fromkeys(names, "") | {"week": "2025-W01", "week_start": "2024-12-30", "tests": "12", "value": "1e-04"}
    (tmp_path / "table.csv").write_text(f"{','.join(names)}\n{','.join(row.values())}\n", encoding="utf-8")
    found = preview._read(tmp_path / "table.csv", indicator.outputs).iloc[0]
    assert (found["tests"], found["value"], found["centre"], found["label"]) == (12, 0.0001, None, None)
