"""Dates as people write them: the engine and `DateFormat.parse` against independent readers (dateutil, pandas, Excel's own rules)."""

from __future__ import annotations

import datetime as dt
import random
from typing import Any
from zoneinfo import ZoneInfo

import pandas as pd
import pytest
from dateutil import parser as dateutil_parser  # type: ignore[import-untyped]
from pydantic import ValidationError

from platform_assets.contracts.columns import Column
from platform_assets.contracts.dates.formats import DateFormatError, ambiguous, read_format, written
from platform_assets.contracts.model import Contract
from tests.conftest import LAB
from tests.contracts.test_expression import _run

# as the Unicode CLDR has them, wide and abbreviated, plus what glibc, SAS and people write
NAMES = {
    "en": "January February March April May June July August September October November December",
    "nl": "januari februari maart april mei juni juli augustus september oktober november december",
    "de": "Januar Februar März April Mai Juni Juli August September Oktober November Dezember",
    "at": "Jänner Feber März April Mai Juni Juli August September Oktober November Dezember",
    "fr": "janvier février mars avril mai juin juillet août septembre octobre novembre décembre",
    "fr_plain": "janvier fevrier mars avril mai juin juillet aout septembre octobre novembre decembre",
}
SHORT_NAMES = {
    "en": "Jan Feb Mar Apr May Jun Jul Aug Sep Oct Nov Dec",
    "en_ap": "Jan. Feb. March April May June July Aug. Sept. Oct. Nov. Dec.",
    "nl": "jan feb mrt apr mei jun jul aug sep okt nov dec",
    "nl_dots": "jan. feb. mrt. apr. mei jun. jul. aug. sep. okt. nov. dec.",
    "de": "Jan Feb Mär Apr Mai Jun Jul Aug Sep Okt Nov Dez",
    "de_dots": "Jan. Feb. März Apr. Mai Juni Juli Aug. Sept. Okt. Nov. Dez.",
    "fr": "janv. févr. mars avr. mai juin juil. août sept. oct. nov. déc.",
}
DRAW = random.Random(20)
MOMENTS = [dt.datetime(1900, 3, 1) + dt.timedelta(seconds=DRAW.randrange(150 * 365 * 86_400)) for _ in range(400)] + [
    dt.datetime(2024, 2, 29, 23, 59, 59),
    dt.datetime(1999, 12, 31),
    dt.datetime(2000, 1, 1),
    dt.datetime(2024, 12, 31, 12),
]


def _contract(options: dict[str, Any], zone: str | None = None) -> Contract:
    changes = {"load": {"mode": "append"}, "columns": {"x": options}, "rules": [], "timezone": zone}
    return Contract.model_validate({**LAB, **changes})


def _read(options: dict[str, Any], texts: list[str], zone: str = "Europe/Amsterdam") -> list[Any]:
    """What the engine reads; `DateFormat.parse` says the same of every text."""
    contract = _contract(options, zone)
    found = [value for (value,) in _run(contract, [(t,) for t in texts])[0]]
    formats = contract.columns["x"].date_formats(zone)
    for text, value in zip(texts, found, strict=True):
        ours: Any = next((m for f in formats if (m := f.parse(text)) is not None), None)
        if options["type"] == "date" and ours is not None:
            ours = ours.date() if ours.time() == dt.time() else None
        assert ours == value, text
    return found


@pytest.mark.parametrize(
    ("form", "names"), [("%B", n) for n in NAMES.values()] + [("%b", n) for n in SHORT_NAMES.values()]
)
def test_month_names_of_four_languages_in_any_case(form: str, names: str) -> None:
    months = names.split()

    class Language(dateutil_parser.parserinfo):
        MONTHS = [(name.lower(), name.lower().rstrip(".")) for name in months]  # noqa: RUF012 - as dateutil wants it

    texts, expected = [], []
    for number, moment in enumerate(MOMENTS):
        name = months[moment.month - 1]
        name = [name, name.upper(), name.lower(), name.title()][number % 4]
        text = f"{moment.day} {name} {moment.year}"
        texts.append(text)
        expected.append(dateutil_parser.parse(text, parserinfo=Language(dayfirst=True)).date())
    assert expected == [m.date() for m in MOMENTS]  # the independent reader read them
    assert _read({"type": "date", "format": f"%-d {form} %Y"}, texts) == expected


def test_no_name_of_a_month_means_two() -> None:
    seen: dict[str, int] = {}
    for names in (*NAMES.values(), *SHORT_NAMES.values()):
        for number, name in enumerate(names.split(), start=1):
            assert seen.setdefault(name.lower().rstrip("."), number) == number


def test_hours_to_twelve() -> None:
    texts = [m.strftime("%d/%m/%Y %I:%M:%S %p") for m in MOMENTS]
    texts = [
        t.lower() if n % 3 == 0 else t.replace("AM", "a.m.").replace("PM", "p.m.") if n % 3 == 1 else t
        for n, t in enumerate(texts)
    ]
    expected = [dateutil_parser.parse(t, dayfirst=True) for t in texts]
    assert expected == MOMENTS
    assert _read({"type": "timestamp", "format": "%d/%m/%Y %I:%M:%S %p"}, texts) == expected
    edges = {"01/02/2026 12:00 AM": 0, "01/02/2026 12:59 AM": 0, "01/02/2026 12:00 PM": 12, "01/02/2026 1:00 pm": 13}
    found = _read({"type": "timestamp", "format": "%d/%m/%Y %-I:%M %p"}, list(edges))
    assert [m.hour for m in found] == list(edges.values())
    assert _read(
        {"type": "timestamp", "format": "%d/%m/%Y %I:%M %p"}, ["01/02/2026 13:00 PM", "01/02/2026 00:00 AM"]
    ) == [None, None]


@pytest.mark.parametrize("first", [1900, 1930, 1969, 1999, 2000, 2001, 1850])
def test_years_of_two_digits_are_of_the_hundred_years_that_the_contract_says(first: int) -> None:
    texts = [f"05/11/{year % 100:02d}" for year in range(first, first + 100)]
    found = _read({"type": "date", "format": "%d/%m/%y", "two_digit_years_from": first}, texts)
    assert found == [dt.date(year, 11, 5) for year in range(first, first + 100)]


@pytest.mark.parametrize(
    "zone", ["Europe/Amsterdam", "America/New_York", "Asia/Kathmandu", "UTC", "Australia/Lord_Howe"]
)
def test_offsets_and_counts_become_the_time_on_the_wall(zone: str) -> None:
    place = ZoneInfo(zone)
    moments = [m for m in MOMENTS if 1971 <= m.year < 2037]  # pytz, which pandas asks, knows no summer after that
    for year in (1996, 2010, 2026):  # around every change of the clock
        days = [dt.datetime(year, 1, 1) + dt.timedelta(hours=h) for h in range(366 * 24)]
        shifts = [
            d
            for d in days
            if d.replace(tzinfo=dt.UTC).astimezone(place).utcoffset()
            != (d - dt.timedelta(hours=1)).replace(tzinfo=dt.UTC).astimezone(place).utcoffset()
        ]
        moments += [
            s + dt.timedelta(minutes=m) for s in shifts for m in (-121, -61, -31, -1, 0, 1, 29, 31, 59, 61, 121)
        ]
    expected = list(pd.DatetimeIndex(moments, tz="UTC").tz_convert(zone).tz_localize(None).to_pydatetime())
    offsets = [("+00:00", 0), ("Z", 0), ("+0100", 60), ("-05:30", -330), ("+14", 840), ("z", 0), ("-0000", 0)]
    texts = []
    for number, moment in enumerate(moments):
        text, minutes = offsets[number % len(offsets)]
        texts.append(f"{moment + dt.timedelta(minutes=minutes):%Y-%m-%dT%H:%M:%S}{text}")
    assert _read({"type": "timestamp", "format": "%Y-%m-%dT%H:%M:%S%z"}, texts, zone) == expected
    seconds = [int(m.replace(tzinfo=dt.UTC).timestamp()) for m in moments]
    assert _read({"type": "timestamp", "format": "epoch"}, [f"{s}" for s in seconds if s >= 10**6], zone) == [
        m for m, s in zip(expected, seconds, strict=True) if s >= 10**6
    ]
    later = [(m, s) for m, s in zip(expected, seconds, strict=True) if s >= 10**7]
    found = _read({"type": "timestamp", "format": "epoch_ms"}, [f"{s * 1000 + 7}" for _, s in later], zone)
    assert found == [m + dt.timedelta(milliseconds=7) for m, _ in later]


def test_a_fraction_of_an_epoch_is_kept_and_seconds_are_no_milliseconds() -> None:
    options = {"type": "timestamp", "format": ["epoch", "epoch_ms"]}
    texts = ["1770129000.25", "1770129000250", "-1770129000", "177012", "1770129000,5", "1e9"]
    assert _read(options, texts, "UTC") == [
        dt.datetime(2026, 2, 3, 14, 30, 0, 250_000),
        dt.datetime(2026, 2, 3, 14, 30, 0, 250_000),
        dt.datetime(1913, 11, 28, 9, 30),
        None,
        None,
        None,
    ]


@pytest.mark.parametrize(("form", "origin"), [("excel", "1899-12-30"), ("excel_1904", "1904-01-01")])
def test_day_numbers_of_excel(form: str, origin: str) -> None:
    first = pd.Timestamp(origin)
    moments = [pd.Timestamp(m) for m in MOMENTS if m > dt.datetime(1904, 1, 2)]
    texts = [f"{(m - first) / pd.Timedelta(days=1):.9f}" for m in moments]
    expected = [m.to_pydatetime() for m in moments]
    found = _read({"type": "timestamp", "format": form}, texts)
    assert found == expected
    days = [str((m.normalize() - first).days) for m in moments]
    assert _read({"type": "date", "format": form}, days) == [m.date() for m in moments]
    assert _read({"type": "date", "format": form}, ["46056.5", "46056.0", "46056.", "-1"])[0::2] == [None, None]


def test_the_day_that_excel_made_up() -> None:
    # as Excel shows them: 1900 is a leap year there
    shown = {"0": None, "1": (1900, 1, 1), "59": (1900, 2, 28), "60": None, "61": (1900, 3, 1), "2": (1900, 1, 2)}
    found = _read({"type": "date", "format": "excel"}, list(shown))
    assert found == [dt.date(*day) if day else None for day in shown.values()]
    assert _read({"type": "date", "format": "excel_1904"}, ["0", "1", "60"]) == [
        dt.date(1904, 1, 1),
        dt.date(1904, 1, 2),
        dt.date(1904, 3, 1),
    ]


def test_midnight_at_the_end_of_a_day() -> None:
    texts = [f"{m:%Y-%m-%d}T24:00:00" for m in MOMENTS]
    expected = [dateutil_parser.isoparse(t) for t in texts]
    assert _read({"type": "timestamp", "format": "%Y-%m-%dT%H:%M:%S"}, texts) == expected
    wrong = ["2026-02-03 24:01", "2026-02-03 24:30", "2026-02-03 25:00", "2026-02-30 24:00"]
    assert _read({"type": "timestamp", "format": "%Y-%m-%d %H:%M"}, wrong) == [None] * 4
    assert _read(
        {"type": "timestamp", "format": "%Y-%m-%d %H:%M:%S.%f"}, ["2026-12-31 24:00:00.000", "2026-12-31 24:00:00.1"]
    ) == [
        dt.datetime(2027, 1, 1),
        None,
    ]


def test_all_of_them_in_one_column() -> None:
    options = {
        "type": "timestamp",
        "two_digit_years_from": 1930,
        "format": [
            "%d/%m/%Y %H:%M", "%d/%m/%y %H:%M", "%d/%m/%Y %I:%M %p", "%d%b%Y %H:%M", "%Y-%m-%dT%H:%M:%S%z", "excel", "epoch", "epoch_ms",
            "%-d %B %Y %H:%M",
        ],
    }  # fmt: skip
    texts = [
        "03/02/2026 14:30", "03/02/26 14:30", "03/02/2026 02:30 PM", "03FEB2026 14:30", "2026-02-03T14:30:00+01:00", "46056.604166667",
        "1770125400", "1770125400000", "3 februari 2026 14:30", "3 Février 2026 14:30",
    ]  # fmt: skip
    assert _read(options, texts) == [dt.datetime(2026, 2, 3, 14, 30)] * len(texts)


def test_a_real_date_of_excel_is_written_in_a_format_that_says_just_that() -> None:
    def formats(zone: str, *texts: str, first: int = 1930) -> list[Any]:
        return [read_format(t, first, zone) for t in texts]

    assert written(formats("UTC", "%d/%m/%y"), dt.datetime(1931, 5, 1)) == "01/05/31"
    assert written(formats("UTC", "%d/%m/%y"), dt.datetime(1920, 5, 1)) == "1920-05-01"  # 20 would be 2020
    assert written(formats("UTC", "%d/%m/%Y"), dt.datetime(1920, 5, 1, 10, 30)) == "1920-05-01 10:30:00"
    assert written(formats("UTC", "%d/%m/%Y", "%d/%m/%Y %H:%M"), dt.datetime(1920, 5, 1, 10, 30)) == "01/05/1920 10:30"
    assert written(formats("Europe/Paris", "%Y-%m-%dT%H:%M%z"), dt.datetime(2026, 7, 1, 10)) == "2026-07-01T10:00+02:00"
    assert (
        written(formats("Europe/Paris", "epoch", "%d %B %Y %H:%M"), dt.datetime(2026, 7, 1, 10)) == "01 July 2026 10:00"
    )


@pytest.mark.parametrize(
    "text",
    [
        "%I:%M %d/%m/%Y",
        "%d/%m/%Y %H:%M %p",
        "%d/%m/%Y %z",
        "%d/%m/%y %Y",
        "%d/%m/%Y %I %p",
        "%d/%m/%Y %H:%I:%M %p",
        "Excel",
        "unix",
        "%d %b %B %Y",
    ],
)
def test_a_format_that_cannot_be_meant_is_refused(text: str) -> None:
    with pytest.raises(DateFormatError):
        read_format(text)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"type": "date", "format": "%d/%m/%y"}, "two_digit_years_from: 1930"),
        ({"type": "date", "format": "%d/%m/%Y", "two_digit_years_from": 1930}, "is for a format with %y"),
        ({"type": "date", "format": "epoch"}, "use type timestamp"),
        ({"type": "timestamp", "format": "%Y-%m-%d"}, "tells the time"),
        ({"type": "integer", "two_digit_years_from": 1930}, "does not apply to type integer"),
        ({"type": "date", "format": ["%d/%m/%y", "%y/%m/%d"], "two_digit_years_from": 1930}, "ambiguous"),
        ({"type": "date", "format": ["%Y%m%d", "excel"]}, None),
        ({"type": "date", "format": ["%y%m%d", "excel"], "two_digit_years_from": 1930}, "ambiguous"),
        ({"type": "date", "format": ["excel", "excel_1904"]}, "ambiguous"),
    ],
)
def test_options_of_dates_fit_each_other(options: dict[str, Any], message: str | None) -> None:
    if message is None:
        Column.model_validate(options)
        return
    with pytest.raises(ValidationError, match=message):
        Column.model_validate(options)


def test_counts_are_told_apart_by_their_digits() -> None:
    assert ambiguous([read_format(name) for name in ("excel", "epoch", "epoch_ms")]) is None


@pytest.mark.parametrize(
    ("zone", "message"), [("Europe/Amsterdm", "did you mean Europe/Amsterdam"), ("CEST", "is no time zone")]
)
def test_a_zone_that_does_not_exist_is_refused(zone: str, message: str) -> None:
    with pytest.raises(ValidationError, match=message):
        _contract({"type": "string"}, zone)
