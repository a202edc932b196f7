"""Attacks on what is published. Each is shown to succeed on the method before, or it would say nothing."""

from __future__ import annotations

import datetime as dt
import io
import re
import zlib
from pathlib import Path

import pandas as pd
import pytest

from platform_assets.access.roles import Role, User
from platform_assets.contracts.model import Contract
from platform_assets.erasure.targets import Target
from platform_assets.office import Office
from platform_assets.releases import ledger
from resources.environment import Platform
from resources.r_runtime import InputTable
from tests.conftest import Bench
from tests.disclosure import weekly
from tests.disclosure.before import Policy, Spec, hide_small, protect
from tests.releases.place import CONTRACT, SCRIPT, Place, place_of, rows

ANNA, STAN = (User(name, frozenset({Role.STEWARD})) for name in ("anna", "stan"))


# ------------------------------------------------------------------------------------------------------------ weeks


def test_week_minus_week_tells_a_survivor_from_exact_tables_and_not_from_drawn_ones() -> None:
    """T4: twenty weeks, all margins of three characteristics published. 0.80 for exact tables, 0.40 for weekly noise by cell keys."""
    exact = [s for seed in range(2) for s in weekly.play(weekly.exact_without_small, seed)]
    noisy = [s for seed in range(2) for s in weekly.play(weekly.cell_key, seed)]
    ours = [s for seed in range(6, 20) for s in weekly.play(weekly.drawn, seed, closes=10)]
    assert weekly.advantage(exact) >= 0.75
    assert weekly.advantage(noisy) >= 0.35
    assert weekly.advantage(ours) <= 0.12, weekly.advantage(ours)
    base = sum(s.died for s in ours) / len(ours)
    assert all(0.4 * base <= p <= 1.6 * base for p in weekly.posteriors(ours)), weekly.posteriors(ours)
    assert min(weekly.posteriors(exact)) < 0.1 * base, "of exact tables some are certain to live"


def test_who_knows_one_count_works_out_the_other_from_rounding_without_chance() -> None:
    """An own count, another's hidden one, and their total: of the total that rounding without chance gives the other one follows."""
    spec = Spec(["week", "lab"], {"died": None}, policy=Policy())
    others: dict[tuple[int, int], set[int]] = {}
    for own in (8, 12, 13):
        for other in range(1, 8):
            table = protect(pd.DataFrame({"week": "1", "lab": ["own", "other"], "died": [own, other]}), spec)
            total = table[(table["week"] == "1") & (table["lab"] == "(all)")]["died"].iloc[0]
            others.setdefault((own, int(total)), set()).add(other)
    assert {7} in others.values(), others
    assert {1, 2, 3} in others.values(), others
    from platform_assets.disclosure.drawing import Keyed, draw
    from platform_assets.disclosure.policy import Policy as Now

    for total in (10, 20):
        possible = {
            other
            for other in range(1, 8)
            for n in range(80)
            if sum(
                d.count
                for d in draw(
                    {"own": 8, "other": other}, {"own": 99, "other": 99}, Now(), Keyed(b"k" * 32, f"{n}")
                ).values()
            )
            == total
        }
        assert possible == set(range(1, 8))


# ---------------------------------------------------------------------------------------------------------- pictures


def heights(svg: bytes) -> list[float]:
    """Heights of the bars (filled quadrangles in grey) of a picture that base R has drawn, left to right."""
    bars = []
    for style, points in re.findall(rb'<path style="([^"]*)" d="(M [^"]*?) ?Z[^"]*"', svg.rpartition(b"</defs>")[2]):
        numbers = [float(n) for n in re.findall(rb"[\d.]+", points)]
        if b"fill:rgb(74" in style and len(numbers) == 8:
            bars.append((min(numbers[0::2]), max(numbers[1::2]) - min(numbers[1::2])))
    return [height for _, height in sorted(bars)]


DRAWN_BEFORE = """#' Positive tests
#' @input lab  laboratory <text>, result <text>
#' @output organisation <text>, positive <integer>
#' @plot bars Positive tests
#' @owner team:test
exact <- function(lab) {
  n <- tapply(lab$result == "POS", lab$laboratory, sum)
  list(data = data.frame(organisation = names(n), positive = as.integer(n)),
       bars = function() graphics::barplot(c(n), names.arg = names(n)))
}
"""


@pytest.fixture
def place(platform: Platform, tmp_path: Path) -> Place:
    made = place_of(platform, tmp_path)
    made.script(tmp_path, SCRIPT.replace("barplot(table$share", "barplot(table$positive"))
    made.deliver("first.csv", rows(laboratories=8, months=1, per_month=(20, 90), share=0.12))
    return made


def test_a_picture_tells_nothing_that_the_table_does_not(place: Place, tmp_path: Path) -> None:
    """T5: hidden counts are read off the bars of a picture of the exact table; off a release's only what its table says."""
    lab = tmp_path / "lab.parquet"
    with place.platform.warehouse.connect(read_only=True) as connection:
        connection.execute(f"COPY (SELECT laboratory, result FROM validated.lab) TO '{lab}' (FORMAT parquet)")
        true = connection.execute(
            "SELECT laboratory, count(*) FILTER (result = 'POS') FROM validated.lab GROUP BY 1 ORDER BY 1"
        ).fetchall()
    exact = place.script(tmp_path, DRAWN_BEFORE, "exact")
    del place.indicators["exact"]
    run = place.platform.r.run(
        exact, {"lab": InputTable(lab, "validated.lab", "1", 0)}, {}, tmp_path / "run", lambda _: None
    )
    before = heights(run.plots["bars"].svg.read_bytes())
    table = hide_small(pd.DataFrame(true, columns=["lab", "positive"]), ["positive"], [])
    hidden = [i for i, v in enumerate(table["positive"]) if pd.isna(v)]
    shown = next(i for i, v in enumerate(table["positive"]) if not pd.isna(v))
    assert len(hidden) >= 2
    unit = before[shown] / int(table["positive"][shown])
    assert [round(before[i] / unit) for i in hidden] == [true[i][1] for i in hidden], "the attack works"

    release = place.publish(dt.date(2024, 3, 1)).release
    published = release.table("positives")["positive"].tolist()
    now = heights(release.read("positives/plots/bars.svg"))
    drawn = [count for count in published if count]  # a bar of no height is not drawn
    unit = max(now) / max(drawn)
    assert [round(height / unit, 1) for height in now] == [float(count) for count in drawn]
    assert published != [n for _, n in true]


def test_pictures_hold_no_text_of_their_own(place: Place) -> None:
    """T5: no PNG chunk but those of the picture itself, no comment, title or metadata in SVG."""
    release = place.publish(dt.date(2024, 3, 1)).release
    png = release.read("positives/plots/bars.png")
    chunks, at = [], 8
    while at < len(png):
        length = int.from_bytes(png[at : at + 4], "big")
        kind, body = png[at + 4 : at + 8], png[at + 8 : at + 8 + length]
        assert zlib.crc32(kind + body) == int.from_bytes(png[at + 8 + length : at + 12 + length], "big")
        chunks.append(kind.decode())
        at += 12 + length
    assert set(chunks) <= {"IHDR", "pHYs", "IDAT", "IEND", "bKGD", "sBIT", "PLTE", "tRNS"}
    svg = release.read("positives/plots/bars.svg")
    assert not re.search(rb"<!--|<metadata|<title|<desc|<text[ >]", svg)


# ----------------------------------------------------------------------------------------------------------- erasure


def office_of(platform: Platform, contract: Contract) -> Office:
    from platform_assets.office import engine_of

    return Office(
        {contract.name: contract},
        platform.warehouse,
        platform.store,
        platform.keys,
        platform.settings.home,
        engine_of(platform),
    )


def test_an_erasure_changes_no_published_byte_and_leaves_no_mark(platform: Platform, tmp_path: Path) -> None:
    """T6 and T2: before, exact tables told what the erased person was."""
    columns = {**CONTRACT["columns"], "sample_id": {"type": "string", "role": "identifier"}}
    place = Place(Bench(platform, Contract.model_validate({**CONTRACT, "columns": columns})))
    place.script(tmp_path)
    lines = rows(laboratories=4, months=1, per_month=(30, 60))
    place.deliver("first.csv", lines)
    day = dt.date(2024, 3, 1)
    place.publish(day)
    before, indicator = place.tree(), place.indicators["positives"]
    name = lines[0].split(",")[0]
    office = office_of(platform, place.bench.contract)
    with platform.warehouse.connect(read_only=True) as connection:
        marks = connection.execute(f"SELECT count(*) FROM {ledger.MARKS}").fetchall()[0][0]
        cases = connection.execute("SELECT count(*) FROM indicators.positives").fetchall()[0][0]
    eraser = office.eraser()
    number = eraser.submit([Target(place.bench.contract.name, {"sample_id": name}, subject=True)], "a letter", ANNA).id
    eraser.requests.approve(number, STAN)
    certificate = eraser.execute(number, STAN)
    assert certificate["found_and_removed"]["seals"] == 2, "its outcome and its amount"
    assert any("drawn once" in h["remark"] for h in certificate["holders"])
    assert place.publish(day).fresh is False
    assert place.tree() == before
    with platform.warehouse.connect(read_only=True) as connection:
        assert connection.execute(f"SELECT count(*) FROM {ledger.MARKS}").fetchall()[0][0] == marks - 2
        assert connection.execute("SELECT count(*) FROM indicators.positives").fetchall()[0][0] == cases - 1, (
            "own views follow"
        )
    # a year later: one erased record is no reason to draw anything again
    assert (
        place.publish(dt.date(2025, 3, 1))
        .release.atoms(indicator.name)
        .equals(pd.read_parquet(io.BytesIO(next(v for k, v in before.items() if k.endswith("atoms.parquet")))))
    )


# ---------------------------------------------------------------------------------------------------------- canaries


def test_a_canary_and_its_exact_count_are_in_no_published_byte(platform: Platform, tmp_path: Path) -> None:
    """T7: an unusual patient, exact counts of 137 and 136, and an amount with many digits."""
    place = place_of(platform, tmp_path)
    lines = ["CANARY-4711,2024-01-05,POS,73,L0", *(f"N{n},2024-01-0{n % 9 + 1},NEG,31,L0" for n in range(136))]
    place.deliver("first.csv", [*lines, *(f"M{n},2024-01-11,POS,2,L1" for n in range(50))])
    place.publish(dt.date(2024, 3, 1))
    tree = place.tree()
    assert not [name for name, data in tree.items() if b"CANARY" in data or b"4711" in data]
    drawing = rb'"(code_version|atoms|key)": "[0-9a-f]+"|d="[^"]*"|[xy]="[^"]*"|(transform|id|xlink:href)="[^"]*"'
    texts = [
        data for name, data in tree.items() if name.endswith((".csv", ".json", ".svg")) and "release.json" not in name
    ]
    assert len(texts) >= 4
    for exact in (b"137", b"136", b"42.89"):
        assert not [text for text in texts if exact in re.sub(drawing, b"", text)], exact
