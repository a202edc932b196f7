"""Logins: whatever a provider says, nobody gets in, or gets more, by a claim of another form; and every login ends."""

from __future__ import annotations

import time
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from platform_assets.access.login import Activity, Limits, LoginEnded, user_from_claims
from platform_assets.access.roles import AccessDenied, Permission, Role, Scope, User

NOW = 1_800_000_000.0
RIGHT: dict[str, Any] = {
    "iss": "https://login.example.org",
    "sub": "17",
    "iat": NOW - 60,
    "exp": NOW + 3600,
    "email": "a@example.org",
    "email_verified": True,
    "roles": ["analyst"],
}
JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.just(10**400)
    | st.floats()
    | st.text(max_size=8)
    | st.sampled_from([r.value for r in Role]),
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.dictionaries(st.sampled_from([r.value for r in Role]) | st.text(max_size=5), inner, max_size=3)
    ),
    max_leaves=6,
)


def user(**claims: Any) -> User:
    return user_from_claims({**RIGHT, **claims}, NOW, Limits())


def test_right_claims_make_a_user() -> None:
    found = user(organisation="laboratory=north")
    assert (found.name, found.roles, found.scopes) == ("a@example.org", {Role.ANALYST}, (Scope("laboratory", "north"),))
    several = user(organisation=["laboratory=north", "organisation=Hospital 1=a"]).scopes
    assert several == (Scope("laboratory", "north"), Scope("organisation", "Hospital 1=a"))
    for wrong in ("north", "=north", "laboratory=", ["laboratory=north", 3], [["laboratory=north"]]):
        with pytest.raises(AccessDenied, match="such as laboratory=north"):
            user(organisation=wrong)
    assert found.id == "https://login.example.org#17"
    assert found.notes == ()
    assert user(roles="steward  analyst").roles == {Role.STEWARD, Role.ANALYST}


@given(JSON)
def test_roles_are_a_text_or_a_list_of_texts_or_nobody_gets_in(roles: Any) -> None:
    proper = isinstance(roles, str) or (isinstance(roles, list) and all(isinstance(r, str) for r in roles))
    if not proper and roles is not None:
        with pytest.raises(AccessDenied, match="must be a text, or a list of texts"):
            user(roles=roles)
        return
    found = user(roles=roles)
    words = roles.split() if isinstance(roles, str) else roles or []
    assert found.roles == {r for r in Role if r.value in words}


@pytest.mark.parametrize(
    "roles", [{"steward": False}, {"steward": True}, 5, True, [["steward"]], ["analyst", 5], [None]]
)
def test_a_role_cannot_be_had_by_another_form(roles: object) -> None:
    with pytest.raises(AccessDenied, match="nobody gets in so"):
        user(roles=roles)


@given(JSON, JSON)
def test_a_login_without_proper_times_lets_nobody_in(issued: Any, expires: Any) -> None:
    try:
        found = user_from_claims({**RIGHT, "iat": issued, "exp": expires}, NOW, Limits())
    except AccessDenied:
        return
    assert {type(issued), type(expires)} <= {int, float}
    assert 0 < found.until <= min(expires, issued + 8 * 3600)
    assert found.until > NOW


@given(st.sampled_from(["iss", "sub", "iat", "exp"]), JSON | st.just("missing"))
def test_a_claim_that_names_or_dates_the_person_has_its_form_or_nobody_gets_in(name: str, value: Any) -> None:
    claims = {k: v for k, v in {**RIGHT, name: value}.items() if not (k == name and value == "missing")}
    try:
        found = user_from_claims(claims, NOW, Limits())
    except AccessDenied:
        return
    assert {type(claims[c]) for c in ("iss", "sub")} == {str}
    assert found.id == f"{claims['iss']}#{claims['sub']}"


@given(JSON)
def test_an_address_is_a_name_only_where_it_was_verified(verified: Any) -> None:
    found = user(email="director@example.org", email_verified=verified)
    assert (found.name == "director@example.org") == (verified is True or verified == "true")
    assert found.id.endswith("#17")


@given(JSON)
def test_an_organisation_is_a_column_and_a_value_or_none(organisation: Any) -> None:
    try:
        found = user(roles=["clinician"], organisation=organisation)
    except AccessDenied:
        assert organisation not in (None, "")
        return
    assert found.scopes or organisation in (None, "", [])
    assert found.may(Permission.EXPORT_ROWS) == bool(found.scopes)


def test_a_login_ends_with_its_token_and_with_its_age() -> None:
    with pytest.raises(LoginEnded):
        user(exp=NOW)
    with pytest.raises(LoginEnded):
        user(iat=NOW - 8 * 3600, exp=NOW + 86_400)
    assert user(iat=NOW - 8 * 3600 + 1, exp=NOW + 86_400).until == NOW + 1
    with pytest.raises(AccessDenied, match="future"):
        user(iat=NOW + 3600, exp=NOW + 7200)
    with pytest.raises(LoginEnded):
        user(exp=978_307_200)  # the year 2001, in a cookie of thirty days


def test_what_a_user_holds_ends_with_the_login() -> None:
    now = time.time()
    claims = {**RIGHT, "roles": ["steward"], "iat": now - 8 * 3600 + 0.3, "exp": now + 9999}
    found = user_from_claims(claims)
    assert found.may(Permission.FIX)
    time.sleep(0.4)
    assert not found.may(Permission.FIX)


def test_an_idle_login_is_over_in_every_window_and_for_good() -> None:
    activity, someone = Activity(), user()
    for minute in (0, 29, 58):
        activity.used(someone, NOW + minute * 60, Limits())
    activity.used(someone, NOW + 80 * 60, Limits(), click=False)  # what draws itself anew is no use
    with pytest.raises(LoginEnded, match="away for too long"):
        activity.used(someone, NOW + 88 * 60, Limits())
    with pytest.raises(LoginEnded):
        activity.used(someone, NOW + 89 * 60, Limits())
    activity.used(user(iat=NOW - 30), NOW + 89 * 60, Limits())  # the next login


def test_what_is_odd_is_told() -> None:
    (unknown,) = user(roles=["analyst", "root", "Steward"]).notes
    assert "Steward, root" in unknown
    (none,) = user(roles=None).notes
    assert "no role" in none
    (nowhere,) = user(roles=["clinician"]).notes
    assert "names no organisation" in nowhere


def test_two_persons_are_told_apart_by_subject_and_issuer_only() -> None:
    assert user().id == user(email="other@example.org", email_verified=True).id
    assert user().id != user(sub="18").id
    assert user().id != user(iss="https://other.example.org").id


@pytest.mark.parametrize(
    "name",
    ["system", "(nobody)", "laptop user (no login)", "declared:anna", "anna@example.org", "", " ", "a b@example.org", "@x.y", "a@", "a\n@x.y", "a@local"],
)  # fmt: skip
def test_nobody_is_called_as_somebody_else(name: str) -> None:
    """By choosing a subject, or an address that is none, as far as a provider lets people choose."""
    assert user(email=name, email_verified=True).name in ("subject 17", "anna@example.org")
    assert user(email=name, email_verified=False).name == "subject 17"
    if name.strip() and name.isprintable():
        assert user(sub=name, email=None).name == f"subject {name}"
