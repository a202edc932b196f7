"""Values of the tables do not come through; words of the script and counts do."""

from __future__ import annotations

import re
from datetime import UTC, date, datetime
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from resources.r_runtime.scrub import WITHHELD, Scrubber
from resources.text.shown import HIDDEN

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
        ("(QX-00123,Jan Jansen)", "(<value>)"),
        ('patient "short" has no date', 'patient "<value>" has no date'),
        (f"bad note: {NOTE[:60]} ...\nnext line", "bad note: <value>\nnext line"),
        ("age 87 is impossible", "age <value> is impossible"),
        ("age 88 is impossible", "age <value> is impossible"),
        ("patient 111-37-2222 has no date", "patient <value> has no date"),
        ("case 5, record 7, person 9", "case <value>, record <value>, person <value>"),
        ("duplicated: 111-37-2222, 37, 87", "duplicated: <value>, <value>, <value>"),
        ("duplicated: 37 38 39", "duplicated: <value>"),
        ("values 3, 4 and 5", "values <value>, <value> and <value>"),
        ("12345 of 3", "<value> of <value>"),
        ("x = -2.5 and 3.142", "x = -<value> and <value>"),
        ("about 1,234,567 rows", "about <value> rows"),
        ("12/345 rows", "<value> rows"),
        ("born 1950-02-28", "<value>"),
        ("on 2024-05-06 07:08:09", "on <value>"),
        ("at j.jansen@example.org", "at <value>"),
        (
            "columns do not match; not declared: Jansen, Pietersen",
            "columns do not match; not declared: <value>, <value>",
        ),
        (
            "replacement has 3 rows, data has 87, patient 12",
            "replacement has 3 rows, data has <value>, patient <value>",
        ),
        ("is beyond 2^53 in row 3", "is beyond 2^53 in row <value>"),
    ],
)
def test_what_is_not_known_to_be_public_is_hidden(text: str, clean: str, path: Path) -> None:
    assert scrubber(path).scrub(text) == clean


@pytest.mark.parametrize(
    "text",
    [
        "arguments imply differing number of rows: 87, 3",
        "replacement has 3 rows, data has 87",
        "3 rows dropped, step 3 of 87 done, 87% finished",
        "cannot allocate vector of size 3.0 Gb",
        "subscript out of bounds",
        "missing value where TRUE/FALSE needed",
        "non-numeric argument to binary operator",
        "0 or 1",
        "",
    ],
)
def test_what_r_says_of_itself_stays(text: str, path: Path) -> None:
    assert scrubber(path).scrub(text) == text


@pytest.mark.parametrize("text", ['column "n" has a fraction in row 3', "is beyond 2^53 in 4 rows, first in row 87"])
def test_rows_that_the_harness_counts_stay(text: str, path: Path) -> None:
    assert scrubber(path).scrub_all([text], own=True) == [text.replace('"n"', '"n"')]


def test_a_word_of_r_that_is_a_value_is_hidden(tmp_path: Path) -> None:
    path = tmp_path / "x.parquet"
    pq.write_table(pa.table({"name": ["missing value", "Operator"]}), path)
    busy = Scrubber([(path, {"name": "text"})], "public")
    assert busy.scrub("missing value where operator needed") == "<value> where <value> needed"


IDENTIFIERS = [
    "111-37-2222",
    "123456782",
    "12.345.678",
    "A/37/B",
    "37",
    "jansen@example.org",
    "Jansen37",
    "37-5",
    "3 7",
    "+31612345678",
]
SAYS = [
    "patient {} has no date",
    "patient {}",
    "case {} of the list",
    "no record {} in table",
    "value {}, {}",
    "duplicated: {}, {} and {}",
    "rows {} are odd",
    "number {}: {}",
    "{} is not a valid number",
    "in row {}",
    "step {}",
    "c({}, {})",
    "x[{}] <- {}",
    "size {} n {} index {}",
    "version {} seed {} limit {}",
    "{} of {}",
]


@pytest.mark.parametrize("says", SAYS)
@pytest.mark.parametrize("identifier", IDENTIFIERS)
def test_no_number_of_a_patient_comes_through_whatever_word_stands_before_it(identifier: str, says: str) -> None:
    # 5 and 2222 stand in the script
    shown = Scrubber([], "stop(patient case record value number) # 5 2222").scrub(says.format(*[identifier] * 3))
    if says == "{} of {}" and identifier.isdigit():
        return  # progress; told apart from a number by nothing
    assert identifier not in shown
    assert not {"37", "jansen", "Jansen"} & set(re.split(r"\W+", shown))


def test_what_the_script_says_itself_stays(path: Path) -> None:
    public = "if (age > 87) warning('Jan Jansen is a test patient, born 1950-02-28')"

    assert scrubber(path, public).scrub("Jan Jansen, 87, born 1950-02-28") == "Jan Jansen, 87, born 1950-02-28"
    assert scrubber(path, public).scrub("Jan-Jansen 87-1950, 1950") == "Jan-Jansen <value>, 1950"


def test_when_time_is_up_unknown_text_is_withheld(path: Path) -> None:
    busy = Scrubber([(path, COLUMNS)], "step of Jan", seconds=0)

    assert busy.scrub_all(["step 1 of 2", "missing value"]) == ["step 1 of 2", WITHHELD]


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
