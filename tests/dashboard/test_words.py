"""What labels mean for a reader, and how numbers are written."""

from __future__ import annotations

import datetime as dt
import re
from pathlib import Path

import pytest

from dashboard.words import Scale, Tone, cell, grain_of, period, tone

WORSE, BETTER = "higher is worse", "higher is better"
LIB = Path(__file__).parents[2] / "r_scripts"


@pytest.mark.parametrize(
    ("label", "direction", "expected"),
    [
        ("higher (99.8 %)", WORSE, Tone.WORSE),
        ("higher (95 %)", WORSE, Tone.PERHAPS_WORSE),
        ("lower (99.8 %)", WORSE, Tone.BETTER),
        ("lower (95 %)", BETTER, Tone.PERHAPS_WORSE),
        ("higher (95 %)", BETTER, Tone.PERHAPS_BETTER),
        ("higher (99.8 %)", "neutral", Tone.DIFFERENT),
        ("alarm high", WORSE, Tone.WORSE),
        ("alert low", WORSE, Tone.PERHAPS_BETTER),
        ("alert high", "neutral", Tone.DIFFERENT),
        ("higher than the country", WORSE, Tone.WORSE),
        ("concern", BETTER, Tone.WORSE),
        ("improvement", WORSE, Tone.BETTER),
        ("high", "neutral", Tone.DIFFERENT),
        ("not different", WORSE, Tone.ORDINARY),
        ("usual variation", WORSE, Tone.ORDINARY),
        ("ordinary", WORSE, Tone.ORDINARY),
        ("too few to judge", WORSE, Tone.UNJUDGED),
        ("too uncertain after protection", WORSE, Tone.UNJUDGED),
        ("no data", WORSE, Tone.UNJUDGED),
        ("something new", WORSE, Tone.UNJUDGED),
        (None, WORSE, Tone.UNJUDGED),
    ],
)
def test_a_label_has_a_tone_by_the_direction(label: str | None, direction: str, expected: Tone) -> None:
    assert tone(label, direction) is expected


def test_every_label_of_the_statistics_is_known() -> None:
    """A label of R's that says "outside", and that nobody told the dashboard of, would be shown as not judged."""
    texts = "".join(path.read_text(encoding="utf-8") for path in sorted(LIB.glob("[il]*/*.R")))
    said = set(re.findall(r'"((?:higher|lower) (?:\(\d\d(?:\.\d)? %\)|than the [a-z]+))"', texts))
    assert len(said) >= 6
    assert not [label for label in said if tone(label, WORSE) is Tone.UNJUDGED]


def test_numbers_are_written_by_the_unit() -> None:
    assert Scale.of("proportion of valid tests (0 to 1)").written(0.0909) == "9.1 %"
    assert Scale.of("percentage of operations").written(60.13) == "60.1 %"
    assert Scale.of("ratio of observed to expected").written(1.7647) == "1.76"
    assert (Scale.of("hours").written(13.5), Scale.of("hours").tick(13.5)) == ("13.5 hours", "13.5")
    assert Scale.of("admissions per 100,000 inhabitants").written(None) == "–"
    assert (cell(1234, "integer"), cell(True, "flag"), cell(None, "text")) == ("1,234", "yes", "–")


def test_periods_are_named_by_their_grain() -> None:
    day = dt.date(2024, 12, 30)
    assert [period(day, g) for g in ("year", "quarter", "month", "week", "day")] == [
        *("2024", "2024 Q4", "Dec 2024", "2025-W01", "30 Dec 2024")
    ]
    assert grain_of([dt.date(2024, m, 1) for m in (1, 2, 3)]) == "month"
    assert grain_of([dt.date(2024, m, 1) for m in (1, 4, 7)]) == "quarter"
    assert grain_of([dt.date(2024, 1, 1), dt.date(2024, 1, 8)]) == "week"
    assert grain_of([]) == "day"
