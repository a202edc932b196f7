"""Values of the tables do not come through; words of the script and counts do."""

from __future__ import annotations

from datetime import UTC, date, datetime
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from resources.r_runtime.scrub import HIDDEN, WITHHELD, Scrubber

NOTE = "Patient was seen on the ward, complained of headache and was sent home after four hours of rest"
COLUMNS = {
    "name": "text",
    "note": "text",
    "birth": "date",
    "seen": "time",
    "age": "integer",
    "score": "number",
    "cost": "number",
}


@pytest.fixture(scope="module")
def path(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("scrub") / "patients.parquet"
    table = pa.table(
        {
            "name": ["Jan Jansen", "O'Brien-Müller", "QX-00123", "42"],
            "note": [NOTE, "short", None, "b"],
            "birth": [date(1950, 2, 28), None, date(2001, 1, 1), date(1999, 9, 9)],
            "seen": pa.array([datetime(2024, 5, 6, 7, 8, 9, tzinfo=UTC)] * 4),
            "age": pa.array([3, 87, 12345, None], pa.int64()),
            "score": [3.14159, -2.5, None, 7.0],
            "cost": pa.array(["10.50", None, "1234.00", "1.00"]).cast(pa.decimal128(10, 2)),
        }
    )
    pq.write_table(table, path)
    return path


def scrubber(path: Path, public: str = "stop('bad value ') rate patient column score name age") -> Scrubber:
    return Scrubber([(path, COLUMNS)], public)


@pytest.mark.parametrize(
    ("text", "clean"),
    [
        ("invalid value 'Jan Jansen'", "invalid value '<value>'"),
        ("invalid value 'JAN JANSEN'", "invalid value '<value>'"),
        ("factor level [1] O'Brien-Müller is duplicated", "factor level [1] <value> is duplicated"),
        ("key=QX-00123;", "key=<value>;"),
        ("(QX-00123,Jan Jansen)", "(<value>,<value>)"),
        ('patient "short" has no date', 'patient "<value>" has no date'),
        (f"bad note: {NOTE}", "bad note: <value>"),
        (f"bad note: {NOTE[:60]} ...\nnext line", "bad note: <value>\nnext line"),
        ("age 87 is impossible", "age <value> is impossible"),
        ("age 88 is impossible", "age 88 is impossible"),
        ("x = -2.5 and 3.142 and 3.1416", "x = -<value> and <value> and <value>"),
        ("about 3.2 or 1234 or 12,345", "about 3.2 or <value> or <value>"),
        ("10.50 euro", "<value> euro"),
        ("born 1950-02-28", "born <value>"),
        ("born 28/02/1950 or 28 February 1950", "born <value> or <value>"),
        ("on 2024-05-06 07:08:09", "on <value>"),
        ("the number -7247 was found", "the number -<value> was found"),
        ("seconds: 1714979289", "seconds: 1714979289"),
        ("at 1714979289", "at <value>"),
        ("code 42 is unknown", "code <value> is unknown"),
    ],
)
def test_values_are_hidden(text: str, clean: str, path: Path) -> None:
    assert scrubber(path).scrub(text) == clean


@pytest.mark.parametrize(
    "text",
    [
        "arguments imply differing number of rows: 87, 3",
        "replacement has 3 rows, data has 87",
        "3 rows dropped, step 3 of 87 done, 87% finished",
        "Removed 3 rows containing missing values (`geom_point()`).",
        "cannot allocate vector of size 3.0 Gb",
        "subscript out of bounds",
        "C stack usage  87 is too close to the limit",
        'column "n" has a fraction in row 3',
        "is beyond 2^53 in row 3",
        "object 'aeg' not found",
        "there is no package called ‘PropCIs’",
        "0 or 1",
        "",
    ],
)
def test_what_r_says_of_itself_stays(text: str, path: Path) -> None:
    assert scrubber(path).scrub(text) == text


def test_what_the_script_says_itself_stays(path: Path) -> None:
    public = "if (age > 87) warning('Jan Jansen is a test patient, born 1950-02-28')"

    assert scrubber(path, public).scrub("Jan Jansen, 87, born 1950-02-28") == "Jan Jansen, 87, born 1950-02-28"


def test_when_time_is_up_unknown_text_is_withheld(path: Path) -> None:
    busy = Scrubber([(path, COLUMNS)], "step of", seconds=0)

    assert busy.scrub_all(["step 1 of 2", "Jan Jansen"]) == ["step 1 of 2", WITHHELD]


_plain = st.text(st.characters(categories=["Lu", "Ll", "Nd", "Zs"], max_codepoint=0x17F), min_size=2, max_size=60)


@settings(max_examples=60, deadline=None)
@given(value=_plain, before=_plain, after=_plain)
def test_no_quoted_value_survives_whatever_stands_around_it(
    value: str, before: str, after: str, tmp_path_factory: pytest.TempPathFactory
) -> None:
    assume(value.strip() == value and value.lower().upper() == value.upper())
    path = tmp_path_factory.getbasetemp() / "one.parquet"
    pq.write_table(pa.table({"name": [value]}), path)
    assume(value.lower() not in (before + after).lower())

    for quoted in (
        f"{before} '{value}' {after}",
        f'{before}: "{value}".',
        f"[{value}]",
        f"{before} ({value},{after})",
    ):
        clean = Scrubber([(path, {"name": "text"})], "public words").scrub(quoted)
        assert value not in clean.replace(HIDDEN, "")
