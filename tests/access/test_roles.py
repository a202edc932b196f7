"""Roles: the whole table, and that an organisation sees its own rows only."""

from __future__ import annotations

import ast
import time
from pathlib import Path

import pytest

from platform_assets.access import roles
from platform_assets.access.roles import (
    AccessDenied,
    Permission,
    Role,
    Scope,
    User,
    declared_user,
    laptop_user,
    rows_in_scope,
)
from platform_assets.contracts import Contract

EXPECTED = """
                   steward analyst clinician auditor engineer
status.see         x       x       -         x       x
upload             x       -       -         -       -
run                x       -       -         -       x
delivery.withdraw  x       -       -         -       -
quarantine.see     x       -       -         -       -
quarantine.fix     x       -       -         -       -
erasure.see        x       -       -         x       -
erasure.request    x       -       -         -       -
erasure.approve    x       -       -         -       -
reports.see        x       x       x         x       -
reports.rows       x       -       x         -       -
audit.see          -       -       -         x       -
logs.see           x       -       -         x       x
"""


NORTH = Scope("lab", "north")


def user(*roles: Role, scopes: tuple[Scope, ...] = ()) -> User:
    return User("someone@example.org", frozenset(roles), scopes)


def contract(role: str | None) -> Contract:
    lab = {"type": "string"} | ({"role": role} if role else {})
    return Contract.model_validate(
        {
            "name": "lab_results",
            "description": "Tests.",
            "owner": "team:surveillance",
            "format": {"kind": "csv"},
            "load": {"mode": "append"},
            "columns": {"lab": lab},
        }
    )


@pytest.mark.parametrize("line", EXPECTED.strip().splitlines()[1:], ids=lambda line: line.split()[0])
def test_each_role_may_exactly_what_the_table_says(line: str) -> None:
    permission, *marks = line.split()
    for role, mark in zip(Role, marks, strict=True):
        someone = user(role, scopes=(NORTH,) if role is Role.CLINICIAN else ())
        assert someone.may(Permission(permission)) == (mark == "x")
        if mark == "-":
            with pytest.raises(AccessDenied, match=permission):
                someone.require(Permission(permission))


def test_the_table_names_every_permission() -> None:
    assert {line.split()[0] for line in EXPECTED.strip().splitlines()[1:]} == {p.value for p in Permission}


def test_nobody_without_a_role_may_anything() -> None:
    assert not any(user().may(p) for p in Permission)


def test_a_clinician_without_an_organisation_may_nothing() -> None:
    assert not any(user(Role.CLINICIAN).may(p) for p in Permission)


def test_rows_are_chosen_by_column_and_value() -> None:
    both = (NORTH, Scope("lab", "o'south"), Scope("clinic", "north"))
    assert rows_in_scope(user(Role.CLINICIAN, scopes=both), contract("organisation")) == (
        '"lab" = ? OR "lab" = ?',
        ["north", "o'south"],
    )


def test_an_organisation_of_the_same_name_in_another_column_sees_nothing() -> None:
    with pytest.raises(AccessDenied, match="belong to a lab, and your login names none"):
        rows_in_scope(user(Role.CLINICIAN, scopes=(Scope("clinic", "north"),)), contract("organisation"))


def test_a_clinician_sees_no_rows_of_a_dataset_without_organisations() -> None:
    with pytest.raises(AccessDenied, match="does not say"):
        rows_in_scope(user(Role.CLINICIAN, scopes=(NORTH,)), contract(None))


def test_a_steward_sees_all_rows_and_an_analyst_none() -> None:
    assert rows_in_scope(user(Role.STEWARD), contract("organisation")) == ("true", [])
    with pytest.raises(AccessDenied):
        rows_in_scope(user(Role.ANALYST), contract("organisation"))


def test_the_laptop_user_may_everything_and_says_that_there_was_no_login() -> None:
    assert all(laptop_user().may(p) for p in Permission)
    assert "no login" in laptop_user().name


def test_nothing_is_given_by_leaving_something_out() -> None:
    """A new permission is nobody's until the table says whose."""
    given = ast.parse(Path(roles.__file__).read_text(encoding="utf-8"))
    (table,) = [n.value for n in ast.walk(given) if isinstance(n, ast.AnnAssign) and ast.unparse(n.target) == "ALLOWED"]
    assert table is not None
    assert not [n for n in ast.walk(table) if isinstance(n, ast.BinOp)]


def test_a_command_s_user_is_noted_as_declared_and_must_have_a_name() -> None:
    anna = declared_user("anna\x1b[2J", {Role.STEWARD})
    assert (anna.name, anna.role_names) == ("anna[2J", "steward (declared)")
    with pytest.raises(AccessDenied, match="say who acts"):
        declared_user(" \n", {Role.STEWARD})


def test_a_login_that_has_ended_may_nothing() -> None:
    ended = User("a", frozenset(Role), until=time.time() - 1)
    assert not any(ended.may(p) for p in Permission)
    with pytest.raises(AccessDenied, match="log in again"):
        ended.require(Permission.SEE_STATUS)
