"""Own cases: as many rows as the number says, nobody else's, and an entry in the audit log before the first."""

from __future__ import annotations

import datetime as dt
from collections import Counter
from collections.abc import Mapping
from dataclasses import replace
from itertools import product
from pathlib import Path
from types import MappingProxyType
from unittest.mock import patch

import pytest

from platform_assets.access.audit.entry import AuditError
from platform_assets.access.audit.log import AuditLog
from platform_assets.access.roles import AccessDenied, Role, Scope, User
from platform_assets.contracts.model import Contract
from platform_assets.indicators.compute import compute
from platform_assets.indicators.model import NOT_KNOWN, Slice
from platform_assets.reports import own_cases
from platform_assets.reports.own_cases import Case, Source, source_of
from resources.environment import Platform
from tests.conftest import Bench
from tests.dashboard.house import CONTRACT, INPUT, LABS, OWN, POSITIVES, House, clinician
from tests.releases.place import Place

ME = clinician(OWN)
MINE = Scope("laboratory", OWN)


def source(house: House, name: str = "positives") -> Source:
    found = source_of(house.place.indicators[name], house.office.contracts)
    assert found
    return found


def every(
    house: House,
    name: str,
    lab: str,
    period: dt.date | None = None,
    outcome: str = "",
    only: Mapping[str, str] = MappingProxyType({}),
) -> list[Case]:
    """The whole list, part by part."""
    office, user, scope = house.office, clinician(lab), Scope("laboratory", lab)
    found: list[Case] = []
    while True:
        part = own_cases.cases(
            office.audit,
            user,
            source(house, name),
            scope,
            office.warehouse,
            period=period,
            outcome=outcome,
            first=len(found),
            only=only,
        )
        found += part.cases
        if len(found) >= part.total or not part.cases:
            assert len(found) == part.total
            return found


@pytest.mark.parametrize(
    ("name", "lab"),
    [
        *(("positives", lab) for lab in LABS[:2]),
        *(("mixing", lab) for lab in LABS[:2]),
        *(pytest.param(name, lab, marks=pytest.mark.soak) for name in ("positives", "mixing") for lab in LABS[2:]),
    ],
)
def test_a_list_has_as_many_rows_as_its_number_says_and_all_are_of_the_organisation(
    house: House, lab: str, name: str
) -> None:
    office, scope = house.office, Scope("laboratory", lab)
    counts = own_cases.counts(office.audit, clinician(lab), source(house, name), scope, office.warehouse)
    records = house.records(of=lab)
    # the script `mixing` says that all cases are of one laboratory: nobody gets more than the own records for that
    expected = records if name == "positives" or lab == OWN else set()
    assert sum(count.cases for count in counts) == len(expected)
    for count in counts:
        listed = every(house, name, lab, count.period, count.outcome)
        assert len({case.record for case in listed}) == len(listed) == count.cases
        assert {case.record for case in listed} <= records
        assert {(case.outcome, case.date.replace(day=1)) for case in listed} == {(count.outcome, count.period)}
    assert {case.record for case in every(house, name, lab)} == expected


def filters(of: Source) -> list[dict[str, str]]:
    """Every choice of filters that a page offers."""
    names = list(of.cases.slices)
    levels = [("", *of.cases.slices[name].levels, NOT_KNOWN) for name in names]
    return [{n: level for n, level in zip(names, chosen, strict=True) if level} for chosen in product(*levels)]


@pytest.mark.parametrize("name", ["positives", pytest.param("mixing", marks=pytest.mark.soak)])
def test_rows_equal_the_number_shown_for_every_filter_and_filters_tell_what_records_say(
    house: House, name: str
) -> None:
    office, scope, of = house.office, Scope("laboratory", OWN), source(house, name)
    whole = {case.record: case for case in every(house, name, OWN)}

    def is_of(case: Case, only: Mapping[str, str]) -> bool:
        part = "first half" if case.date.day < 15 else "second half"
        said = {
            "part": NOT_KNOWN if case.outcome == "unread" else part,
            "clinic": "own" if case.variables["clinic"] == OWN else "other",
        }
        return all(said[slice_] == level for slice_, level in only.items())

    shown = 0
    for only in filters(of):
        counts = own_cases.counts(office.audit, ME, of, scope, office.warehouse, "month", only)
        expected = {record for record, case in whole.items() if is_of(case, only)}
        listed = every(house, name, OWN, only=only)
        assert {case.record for case in listed} == expected
        assert Counter((case.date.replace(day=1), case.outcome) for case in listed) == {
            (count.period, count.outcome): count.cases for count in counts
        }
        for count in counts[:1] if len(only) == 2 else ():
            part = every(house, name, OWN, count.period, count.outcome, only)
            assert len({case.record for case in part}) == count.cases
        shown += bool(counts)
    assert shown > 5, "most filters find something"


def test_a_filter_that_the_script_does_not_name_is_none(house: House) -> None:
    for only in ({"sex": "F"}, {"part": "x"}, {"part": "' OR 1=1 --"}, {'part" OR 1=1 --': "first half"}, {"part": ""}):
        for ask in (own_cases.counts, own_cases.cases):
            with pytest.raises(ValueError, match="values that the script names"):
                ask(house.office.audit, ME, source(house), MINE, house.office.warehouse, only=only)


def test_a_filter_is_written_down_with_the_entry(house: House) -> None:
    own_cases.cases(house.office.audit, ME, source(house), MINE, house.office.warehouse, only={"clinic": "own"})
    assert house.audited("dashboard.own_cases")[-1].details["only"] == {"clinic": "own"}


def test_filters_that_the_table_does_not_have_yet_are_not_said_to_find_nothing(house: House) -> None:
    """The script names a slice since this morning, and its cases are of last week."""
    indicator = house.place.indicators["positives"]
    assert indicator.cases
    slices = {**indicator.cases.slices, "urgent": Slice("urgent", ("yes", "no"))}
    newer = replace(indicator, cases=replace(indicator.cases, slices=slices))
    found = source_of(newer, house.office.contracts)
    assert found
    office = house.office
    assert own_cases.counts(office.audit, ME, found, MINE, office.warehouse) == own_cases.counts(
        office.audit, ME, source(house), MINE, office.warehouse
    )
    for ask in (own_cases.counts, own_cases.cases):
        with pytest.raises(own_cases.NotComputed, match="next weekly run"):
            ask(office.audit, ME, found, MINE, office.warehouse, only={"urgent": "yes"})


def test_each_case_says_why_it_counts(house: House) -> None:
    words = {"POS": "positive", "NEG": "negative", "N/A": "unread"}
    for case in every(house, "positives", OWN):
        assert set(case.variables) == {"clinic", "test_date", "result"}
        assert words[case.variables["result"]] == case.outcome
        assert case.variables["test_date"] == case.date


@pytest.mark.parametrize(
    "user",
    [
        clinician(LABS[1]),
        clinician(OWN, column="clinic"),  # a clinic of the same name is another organisation
        clinician(),
        User("anna", frozenset({Role.ANALYST})),
        User("emil", frozenset({Role.ENGINEER})),
        User("aude", frozenset({Role.AUDITOR, Role.ANALYST})),
        User("late", frozenset({Role.CLINICIAN}), (MINE,), until=1.0),
    ],
)
def test_who_is_not_of_the_organisation_gets_neither_counts_nor_cases(house: House, user: User) -> None:
    before = len(list(house.office.audit.entries()))
    for ask in (own_cases.counts, own_cases.cases):
        with pytest.raises(AccessDenied):
            ask(house.office.audit, user, source(house), MINE, house.office.warehouse)
    assert len(list(house.office.audit.entries())) == before


def test_a_clinician_of_a_clinic_cannot_ask_by_the_wrong_column(house: House) -> None:
    user = clinician(OWN, column="clinic")
    with pytest.raises(AccessDenied):
        own_cases.cases(house.office.audit, user, source(house), Scope("clinic", OWN), house.office.warehouse)


def test_the_entry_is_there_before_the_first_row_and_without_it_there_is_none(house: House) -> None:
    listed = own_cases.cases(house.office.audit, ME, source(house), MINE, house.office.warehouse, outcome="positive")
    entry = house.audited("dashboard.own_cases")[-1]
    assert (entry.who, entry.table, entry.details["rows"]) == (ME.name, "indicators.positives", listed.total)
    assert not any(case.record in repr(entry) for case in listed.cases)
    with patch.object(AuditLog, "record", side_effect=AuditError("the disk is full")):
        for ask in (own_cases.counts, own_cases.cases):
            with pytest.raises(AuditError):
                ask(
                    house.office.audit,
                    clinician(OWN, name="other@example.org"),
                    source(house),
                    MINE,
                    house.office.warehouse,
                )


@pytest.mark.parametrize("value", ["' OR 1=1 --", '" OR ""="', "%", "*", "North <b>' --", ""])
def test_a_name_is_a_value_and_never_sql(house: House, value: str) -> None:
    user = clinician(value)
    found = own_cases.cases(house.office.audit, user, source(house), Scope("laboratory", value), house.office.warehouse)
    assert (found.total, found.cases) == (0, ())


def test_without_one_identifier_and_the_organisations_column_there_are_no_own_cases(house: House) -> None:
    indicator = house.place.indicators["positives"]
    assert source_of(house.place.indicators["months"], house.office.contracts) is None
    assert source_of(house.place.indicators["plain"], house.office.contracts) is None
    assert source_of(indicator, {}) is None
    for changes in ({"sample_id": {"role": None}}, {"laboratory": {"role": None}}, {"result": {"role": "identifier"}}):
        columns = {n: {**c, **changes.get(n, {})} for n, c in CONTRACT["columns"].items()}
        columns = {n: {k: v for k, v in c.items() if v is not None} for n, c in columns.items()}
        contract = Contract.model_validate({**CONTRACT, "columns": columns})
        assert source_of(indicator, {"lab": contract}) is None, changes
    assert "clinic" in INPUT


def test_counts_follow_what_is_loaded(platform: Platform, tmp_path: Path) -> None:
    """They are kept in memory, and only as long as nothing has changed."""
    contract = Contract.model_validate(CONTRACT)
    place = Place(Bench(platform, contract))
    script = place.script(tmp_path, POSITIVES)
    found = source_of(script, {"lab": contract})
    assert found
    audit, user, scope = AuditLog(tmp_path / "audit", platform.keys), clinician("L"), Scope("laboratory", "L")
    header = "sample_id,test_date,result,viral_load,laboratory,clinic"
    expected = 0
    assert own_cases.counts(audit, user, found, scope, platform.warehouse) == []
    for n in (1, 2):
        place.bench.send(f"{n}.csv", "\n".join([header, *(f"S{n}{i},2024-01-0{n},POS,,L,C" for i in range(n)), ""]))
        compute(script, platform.warehouse, platform.r)
        expected += n
        for _ in range(2):
            counts = own_cases.counts(audit, user, found, scope, platform.warehouse)
            assert [(c.outcome, c.cases) for c in counts] == [("positive", expected)]
