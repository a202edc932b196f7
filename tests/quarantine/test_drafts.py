"""A change of a contract tried on deliveries: what it would do, row by row; nothing is changed by it, and nothing is left of it."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml

from platform_assets.access.roles import AccessDenied, Role, User, laptop_user
from platform_assets.contracts.files import read_contracts
from platform_assets.quarantine import drafts
from platform_assets.quarantine.drafts import CHANGES, MOST, draft_of, drafted, try_draft
from platform_assets.quarantine.fixes import QuarantineError
from tests.places import Place, lab_contract

ONE = laptop_user()
SECRET = "CANARY-4711"


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Place:
    made = Place(tmp_path_factory.mktemp("home"), lab_contract())
    rows = [f"N-{n},P-{n},north,2024-01-0{n % 7 + 1},NEG," for n in range(30)]
    made.deliver(
        "week1.csv", *rows, f"C-1,{SECRET},north,2024-01-02,Positive,", "C-2,P-9,north,03/04/2024,POS,", "C-3,P-1"
    )
    made.deliver("week2.csv", *[row.replace("N-", "M-").replace("north", "south") for row in rows])
    return made


def files(place: Place) -> list[str]:
    """All but the audit log, which says that it was tried."""
    return sorted(f.as_posix() for f in place.home.rglob("*.*") if "audit" not in f.relative_to(place.home).parts)


def draft(place: Place, **changes: object) -> str:
    said = {"columns": yaml.safe_load(draft_of(place.contract))["columns"]}
    for column, spec in changes.items():
        said["columns"][column] |= spec
    return yaml.safe_dump(said)


def test_rows_that_a_draft_would_let_in_and_quarantine_are_counted_one_by_one(place: Place) -> None:
    before = place.query("SELECT count(*) FROM validated.lab_results"), files(place)
    wider = {"in": ["POS", "NEG", "N/A", "Positive"]}
    text = draft(place, result=wider, lab={"in": ["north"]}) + "quality: {max_quarantined: 0.5}\n"
    second, first = try_draft(place.office(), "lab_results", text, ONE)
    assert (first.entry.file, second.entry.file) == ("week1.csv", "week2.csv")
    assert (first.rows, first.wrong, first.wrong_by_draft, first.newly_wrong, first.newly_right) == (33, 3, 2, 0, 1)
    assert (second.rows, second.wrong, second.newly_wrong, second.newly_right) == (30, 0, 30, 0)
    assert (first.held, second.held) == (False, True)
    assert list(second.reasons) == ["lab: is not one of north"]
    assert SECRET not in repr([first, second])
    after = place.query("SELECT count(*) FROM validated.lab_results"), files(place)
    assert before == after
    assert [e.details for e in place.audit.entries() if e.action == "contract.try"][-1] == {"deliveries": 2}


def test_the_contract_as_it_is_changes_nothing(place: Place) -> None:
    for tried in try_draft(place.office(), "lab_results", draft_of(place.contract), ONE):
        assert (tried.newly_wrong, tried.newly_right, tried.reasons) == (0, 0, {})
        assert tried.wrong == tried.wrong_by_draft == tried.entry.quarantined


def test_what_every_shipped_contract_says_can_be_drafted_as_it_is() -> None:
    contracts = read_contracts()
    assert len(contracts) > 5
    for contract in contracts.values():
        assert drafted(contract, draft_of(contract)).hash == contract.hash


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("", "a draft changes"),
        ("[]", "a draft changes"),
        ("rules: [{name: x, check: 'os:system'}]", "a draft changes"),
        ("source: {kind: http, url: 'http://x'}", "a draft changes"),
        ("name: other", "a draft changes"),
        ("columns: {a: &x {type: string}, b: *x}", "no anchors"),
        ("columns: [", "not YAML"),
        ("columns: !!python/object/apply:os.system ['true']", "not YAML"),
        ("columns: {result: {type: nothing}}", "no contract"),
        ("columns: {other: {type: string}}", "no contract"),
        ("quality: {max_quarantined: 7}", "no contract"),
        ("[" * 5_000, "YAML"),
        ("#" * 300_000, "at most"),
    ],
)
def test_what_is_no_draft_is_refused_in_words(place: Place, text: str, why: str) -> None:
    with pytest.raises(QuarantineError, match=why):
        try_draft(place.office(), "lab_results", text, ONE)


def test_a_draft_changes_how_rows_are_judged_and_nothing_else() -> None:
    assert not {"rules", "source", "name", "load", "owner", "sensitivity"} & set(CHANGES)


@pytest.mark.parametrize("role", [Role.ANALYST, Role.CLINICIAN, Role.AUDITOR])
def test_who_starts_no_runs_tries_no_draft(place: Place, role: Role) -> None:
    with pytest.raises(AccessDenied):
        try_draft(place.office(), "lab_results", draft_of(place.contract), User("x@example.org", frozenset({role}), ()))


def test_time_and_size_are_bounded_and_it_is_said(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(drafts, "LARGEST", 10)
    assert [t.left for t in try_draft(place.office(), "lab_results", draft_of(place.contract), ONE)] == [
        "it is too large to be tried here"
    ] * 2
    monkeypatch.setattr(drafts, "LARGEST", 10**9)
    monkeypatch.setattr(drafts, "SECONDS", 0)
    assert [t.left for t in try_draft(place.office(), "lab_results", draft_of(place.contract), ONE)] == [
        "there was no time left for it"
    ] * 2
    assert not list(Path(place.warehouse.scratch).glob("*-*"))
    assert MOST == 5
