"""A release from deliveries to files: drawn once, whole, live in one step, and made of drawn counts alone."""

from __future__ import annotations

import datetime as dt
import json
import subprocess
import sys
from pathlib import Path

import pandas as pd
import pytest

from platform_assets.contracts.model import Contract
from platform_assets.indicators.compute import compute
from platform_assets.indicators.model import HeaderError
from platform_assets.indicators.sensitivity import check_public, organisation_columns
from platform_assets.releases import ledger, reading
from platform_assets.releases.counting import count
from platform_assets.releases.making import rederive
from platform_assets.releases.publications import figures_of
from platform_assets.releases.sealing import seal_all
from resources.environment import Platform
from resources.identity import RELEASE, EnvironmentKeys
from resources.r_runtime import RRuntime
from tests.conftest import LAB
from tests.releases.place import SCRIPT, TODAY, Place, place_of, rows


@pytest.fixture
def place(platform: Platform, tmp_path: Path) -> Place:
    made = place_of(platform, tmp_path)
    made.deliver("first.csv", rows())
    return made


def exact(place: Place) -> dict[tuple[str, dt.date, str], int]:
    """The true counts."""
    indicator = place.indicators["positives"]
    with place.platform.warehouse.connect(read_only=True) as connection:
        months = [dt.date(2024, m, 1) for m in range(1, 13)]
        cells = count(connection, indicator, months)
    return {(c.organisation, c.period, o): n for c in cells for o, n in c.outcomes.items()}


def test_counts_are_hidden_or_rounded_and_figures_are_made_of_them(place: Place) -> None:
    release = place.publish().release
    atoms, true = release.atoms("positives"), exact(place)
    assert len(atoms) == 18
    seen = set()
    for row in atoms.to_dict("records"):
        here = (str(row["organisation"]), row["period"])
        cases = sum(true[(*here, outcome)] for outcome in ("positive", "negative"))
        for outcome in ("positive", "negative"):
            n, shown, hidden = true[(*here, outcome)], row[outcome], row[f"{outcome}_hidden"]
            assert hidden == (0 < n <= 7 or (n == 0 and cases < 20))
            assert shown in (0, 10) if hidden else abs(shown - n) < 5 and shown % 5 == 0 and shown != 5
            seen.add(bool(hidden))
    assert seen == {True, False}, "the test needs both kinds"
    table = release.table("positives").set_index("organisation")
    sums = atoms.groupby("organisation")[["positive", "negative"]].sum()
    assert table["positive"].to_dict() == sums["positive"].to_dict()
    assert release.indicators["positives"]["audit"]["verdict"] == "holds"
    counts = pd.read_csv(place.platform.settings.home / f"products/releases/{release.id}/positives/counts.csv")
    whole = counts[(counts[["period", "organisation", "outcome"]] == "(all)").all(axis=1)]
    assert whole["count"].tolist() == [sums.to_numpy().sum()]


def test_what_is_drawn_stays_and_a_second_release_of_the_same_is_the_same(place: Place) -> None:
    first = place.publish()
    before = place.tree()
    assert first.fresh
    again = place.publish(TODAY + dt.timedelta(days=7))
    assert (again.fresh, again.release.id) == (False, first.release.id)
    assert place.tree() == before
    # records that come late for a month that is sealed change nothing, whatever they say
    place.deliver("late.csv", [f"LATE{n},2024-02-10,POS,1,L0" for n in range(30)])
    assert place.publish(TODAY + dt.timedelta(days=7)).release.id == first.release.id


def test_a_period_is_drawn_when_it_is_over_and_settled_and_not_before(platform: Platform, tmp_path: Path) -> None:
    place = place_of(platform, tmp_path)
    place.deliver("first.csv", rows(months=4))
    assert sorted(place.publish(dt.date(2024, 4, 7)).release.atoms("positives")["period"].unique()) == [
        dt.date(2024, 1, 1),
        dt.date(2024, 2, 1),
    ]
    later = place.publish(dt.date(2024, 4, 8))
    atoms = later.release.atoms("positives")
    assert sorted(atoms["period"].unique())[-1] == dt.date(2024, 3, 1)


def test_a_year_later_only_cells_of_which_ten_records_differ_are_drawn_again(place: Place) -> None:
    place.publish()
    place.deliver("late.csv", [f"LATE{n},2024-02-10,POS,1,L0" for n in range(10)])
    place.deliver("few.csv", [f"FEW{n},2024-02-10,POS,1,L1" for n in range(9)])
    year = dt.date(2025, 1, 10)
    after = place.publish(year)
    with place.platform.warehouse.connect(read_only=True) as connection:
        seals = ledger.read(connection, "positives", every=True)
    again = {(s.organisation, s.period.month, s.part) for s in seals if s.version > 1}
    assert again == {("L0", 2, "positive"), ("L0", 2, "weight")}
    assert place.publish(year + dt.timedelta(days=30)).release.id == after.release.id, "looked at once a year"


def test_old_releases_stay_and_can_be_put_back_in_one_step(place: Place) -> None:
    first = place.publish().release
    place.deliver("april.csv", [f"A{n},2024-04-02,NEG,1,L0" for n in range(40)])
    second = place.publish(dt.date(2024, 6, 1)).release
    assert first.id != second.id
    assert {r.id for r in reading.releases(place.platform.store)} == {first.id, second.id}
    assert place.publish(dt.date(2024, 6, 1)).redrawn == ()
    reading.set_current(place.platform.store, first.id)
    live = reading.current(place.platform.store)
    assert live is not None
    assert live.id == first.id
    assert {f: live.read(f) for f in live.files} == {f: first.read(f) for f in first.files}
    (place.platform.settings.home / f"products/releases/{second.id}/positives/positives.csv").unlink()
    with pytest.raises(reading.NoRelease, match="lacks"):
        reading.set_current(place.platform.store, second.id)
    for number in ("../../landing", "0" * 16):
        with pytest.raises(reading.NoRelease):
            reading.release(place.platform.store, number)


def test_a_changed_byte_of_a_release_is_not_read(place: Place) -> None:
    release = place.publish().release
    path = place.platform.settings.home / f"products/releases/{release.id}/positives/positives.csv"
    path.write_bytes(path.read_bytes() + b"\r\n")
    with pytest.raises(reading.NoRelease, match="not what was released"):
        release.read("positives/positives.csv")


def test_a_script_that_fails_leaves_its_last_good_files_and_others_go_on(place: Place, tmp_path: Path) -> None:
    good = place.publish().release
    place.script(tmp_path, SCRIPT.replace("sums <- rowsum", "stop('no'); sums <- rowsum"))
    place.script(tmp_path, SCRIPT.replace("positives", "others"), "others")
    made = place.publish()
    assert list(made.problems) == ["positives"]
    assert made.release.files_of("positives") == good.files_of("positives")
    assert "others" in made.release.indicators


def test_cases_that_cannot_be_told_apart_are_refused(place: Place, tmp_path: Path) -> None:
    place.script(tmp_path, SCRIPT.replace("record = lab$sample_id", "record = lab$laboratory"))
    assert "stands in several cases" in place.publish().problems["positives"]
    place.script(tmp_path, SCRIPT.replace('"positive", "negative"), w', '"positive", "none"), w'))
    assert "outcome that @cases does not name" in place.publish().problems["positives"]


def test_nothing_but_an_organisation_of_the_data_is_published_as_one(place: Place, tmp_path: Path) -> None:
    """Names of organisations are published as they are: a script that puts a sample's number there would publish it."""
    for wrong in ("lab$sample_id", "paste(lab$laboratory, lab$result)", '"somebody"'):
        place.script(tmp_path, SCRIPT.replace("organisation = lab$laboratory", f"organisation = {wrong}"))
        made = place.publish()
        assert "says which organisation a row belongs to" in made.problems["positives"]
        assert not [name for name in place.tree() if name.endswith("atoms.parquet")]
    place.script(tmp_path)
    assert place.publish().problems == {}
    nowhere = Contract.model_validate(LAB)
    with pytest.raises(HeaderError, match="role: organisation"):
        organisation_columns(place.indicators["positives"], {"lab": nowhere}, {})


def test_nothing_is_drawn_of_a_part_of_the_cases_that_somebody_chose(place: Place, tmp_path: Path) -> None:
    """Who may start a run with parameters could ask for one day, and so for one patient; and what is drawn stays."""
    text = SCRIPT.replace("#' @output", "#' @param until <date> last day counted, default NA\n#' @output", 1)
    text = text.replace("function(lab)", "function(lab, params)").replace(
        "  data.frame(record",
        "  if (!is.na(params$until)) lab <- lab[lab$test_date <= params$until, ]\n  data.frame(record",
    )
    indicator = place.script(tmp_path, text)
    platform = place.platform
    compute(indicator, platform.warehouse, platform.r, params={"until": "2024-01-05"})
    columns = organisation_columns(indicator, {"lab": place.bench.contract}, {})

    def refused() -> dict[str, str]:
        keys, policies = platform.keys, place.policies
        return seal_all({"positives": indicator}, {"positives": columns}, platform.warehouse, keys, policies, TODAY)[1]

    assert "made with parameters (until)" in refused()["positives"]
    edited = place.script(tmp_path, text + "\n# edited\n")
    assert edited.code_version != indicator.code_version
    compute(indicator, platform.warehouse, platform.r)
    assert refused() == {}
    indicator = edited
    assert "another version of the script" in refused()["positives"]


def test_the_same_people_are_not_counted_again_by_other_periods(place: Place, tmp_path: Path) -> None:
    before = place.publish().release
    for grain in ("quarter by organisation", "week by organisation"):
        place.script(tmp_path, SCRIPT.replace("month by organisation", grain))
        made = place.publish(TODAY + dt.timedelta(days=200))
        assert "drawn by month by organisation and stay as they are" in made.problems["positives"]
        assert made.release.atoms("positives").equals(before.atoms("positives"))


def test_another_key_draws_nothing_again_and_erasures_reach_marks_by_either(place: Place) -> None:
    """Marks by two keys cannot be compared: everything would seem to have changed, and be drawn a second time."""
    before = place.publish().release.atoms("positives")
    keys = place.platform.keys.ring(RELEASE)
    fresh = "5c" * 32
    place.keys = EnvironmentKeys({"PLATFORM_IDENTITY_KEY_RELEASE": f"{fresh},{keys[0].hex()}"})
    place.deliver("late.csv", [f"LATE{n},2024-02-10,POS,1,L0" for n in range(30)])
    after = place.publish(dt.date(2025, 1, 10)).release.atoms("positives")
    assert after.equals(before)
    place.deliver("april.csv", [f"A{n},2024-04-02,NEG,1,L0" for n in range(40)])
    place.publish(dt.date(2025, 1, 10))
    warehouse = place.platform.warehouse
    with warehouse.connect() as connection:
        (one,) = connection.execute(
            "SELECT min(record) FROM indicators.positives WHERE date < '2024-04-01' AND record LIKE 'S%'"
        ).fetchall()
        records = [one[0], "A1"]
        assert ledger.marks_standing(warehouse, connection, place.keys.ring(RELEASE), records) == 4
        with warehouse.write(connection):
            ledger.erase(warehouse, connection, place.keys.ring(RELEASE), records)
        assert ledger.marks_standing(warehouse, connection, place.keys.ring(RELEASE), records) == 0


def test_what_was_published_row_by_row_before_is_taken_away(place: Place) -> None:
    place.platform.store.write("products/positives/plots/bars.svg", b"<svg/>")
    place.publish()
    assert list(place.platform.store.walk("products/positives")) == []


def test_every_file_is_made_again_of_the_atoms_alone_byte_for_byte(place: Place, tmp_path: Path) -> None:
    """The rebuilding process gets two files of the release and the script: no lake, no key."""
    release = place.publish().release
    published = release.files_of("positives")
    alone, work = tmp_path / "alone", tmp_path / "work"
    for folder in (alone, work):
        folder.mkdir()
    for name in ("atoms.parquet", "positives.json"):
        (alone / name).write_bytes(published[name])
    made = figures_of(
        place.indicators["positives"],
        (alone / "atoms.parquet").read_bytes(),
        json.loads((alone / "positives.json").read_bytes()),
        RRuntime(),
        work,
    )
    assert made == published


def test_figures_of_a_past_release_are_made_again_although_the_script_has_changed(place: Place, tmp_path: Path) -> None:
    past = place.publish().release
    place.script(tmp_path, SCRIPT.replace("barplot(", "barplot(0.5 * "))
    now = place.publish().release
    assert now.read("positives/plots/bars.svg") != past.read("positives/plots/bars.svg")
    for release in (past, now):
        assert rederive(release, "positives", place.platform.warehouse, place.platform.r) == []


def test_the_rebuilding_command_needs_no_platform(tmp_path: Path) -> None:
    done = subprocess.run(
        [
            sys.executable,
            "-m",
            "platform_assets.releases",
            "rebuild",
            "turnaround",
            str(tmp_path),
            str(tmp_path / "out"),
        ],
        capture_output=True,
        text=True,
        env={"PATH": "/usr/bin:/bin", "DATA_HOME": str(tmp_path / "nowhere")},
        check=False,
    )
    assert done.returncode == 1
    assert "turnaround.json" in done.stderr
    assert not (tmp_path / "nowhere").exists()


def test_a_public_table_is_published_as_it_is_and_only_of_public_data(place: Place, tmp_path: Path) -> None:
    text = (
        "#' T\n#' @input lab result <text>\n#' @output n <integer>\n#' @publish public everybody may have these numbers\n"
        "#' @owner team:test\nsums <- function(lab) data.frame(n = nrow(lab))\n"
    )
    indicator = place.script(tmp_path, text, "sums")
    release = place.publish().release
    assert release.table("sums")["n"].tolist() == [len(rows())]
    assert not release.indicators["sums"]["protected"]
    personal = Contract.model_validate(LAB)
    with pytest.raises(HeaderError, match=r"validated\.lab holds personal data"):
        check_public(indicator, {"lab": personal}, {})
    public = Contract.model_validate({**LAB, "sensitivity": {"public": "Published by everybody."}})
    check_public(indicator, {"lab": public}, {})


def test_a_number_of_laboratories_is_no_number_of_people(place: Place, tmp_path: Path) -> None:
    """Figures are made of protected counts: nothing in them is hidden again because it is small."""
    head, _, rest = SCRIPT.partition("#' @output")
    cases = rest.partition("positives_figures")[0].partition("\n")[2].replace("#' @plot bars Share by laboratory\n", "")
    figures = (
        "positives_figures <- function(atoms) {\n  n <- length(unique(atoms$organisation))\n"
        "  tests <- sum(atoms$positive, atoms$negative)\n"
        "  data.frame(laboratories = n, tests = as.integer(tests), per_laboratory = tests / n)\n}\n"
    )
    output = "#' @output laboratories <integer>, tests <integer>, per_laboratory <number>\n"
    text = head + output + cases + figures
    place.indicators.clear()
    place.script(tmp_path, text.replace("positives <-", "few <-").replace("positives_figures", "few_figures"), "few")
    table = place.publish().release.table("few")
    assert table["laboratories"].tolist() == [6]
    assert table["per_laboratory"].tolist() == [table["tests"][0] / 6]


def test_a_benchmark_needs_enough_others_and_no_giant(platform: Platform) -> None:
    from platform_assets.disclosure.policy import Policy

    policy = Policy(sensitive=False)
    atoms = pd.DataFrame(
        [(f"L{n}", 10, False, 40, False) for n in range(6)],
        columns=["organisation", "positive", "positive_hidden", "negative", "negative_hidden"],
    )
    assert reading.benchmark(atoms, "positive", policy, without="L0") == 0.2
    assert reading.benchmark(atoms[:5], "positive", policy, without="L0") is None
    assert reading.benchmark(atoms, "positive", Policy(), without="L0") is None, "ten where the outcome is sensitive"
    giant = pd.concat([atoms, atoms[:1].assign(organisation="G", negative=400)])
    assert reading.benchmark(giant, "positive", policy, without="L0") is None
    assert reading.benchmark(giant, "positive", policy, without="G") is not None
