"""Who may do what: five roles, one table, checked on the server at every call.

A clinician sees the rows of one organisation, and only those. On a laptop, bound to 127.0.0.1 and without login, the one user has
every role; `laptop_user` says so in its name, and the console says so on every page.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import pandas as pd

    from platform_assets.contracts.model import Contract

ROLES_CLAIM = "roles"
ORGANISATION_CLAIM = "organisation"
LAPTOP = "laptop user (no login)"


class Role(StrEnum):
    """A person has one or more."""

    STEWARD = "steward"
    ANALYST = "analyst"
    CLINICIAN = "clinician"
    AUDITOR = "auditor"
    ENGINEER = "engineer"


class Permission(StrEnum):
    """What can be done, by area."""

    SEE_STATUS = "status.see"
    """Datasets, contracts, deliveries and runs, with counts. No rows."""
    UPLOAD = "upload"
    RUN = "run"
    """Start and cancel runs."""
    WITHDRAW = "delivery.withdraw"
    SEE_QUARANTINE = "quarantine.see"
    """Original text, identifiers included."""
    FIX = "quarantine.fix"
    SEE_ERASURE = "erasure.see"
    REQUEST_ERASURE = "erasure.request"
    APPROVE_ERASURE = "erasure.approve"
    SEE_REPORTS = "reports.see"
    """Aggregated, protected."""
    EXPORT_ROWS = "reports.rows"
    """Row level: final export; a clinician's own organisation."""
    SEE_AUDIT = "audit.see"
    SEE_LOGS = "logs.see"
    """Execution and deletion log."""


P, R = Permission, Role
ALLOWED: Mapping[Role, frozenset[Permission]] = {
    R.STEWARD: frozenset(P) - {P.SEE_AUDIT},
    R.ANALYST: frozenset({P.SEE_STATUS, P.SEE_REPORTS}),
    R.CLINICIAN: frozenset({P.SEE_REPORTS, P.EXPORT_ROWS}),
    R.AUDITOR: frozenset({P.SEE_STATUS, P.SEE_REPORTS, P.SEE_ERASURE, P.SEE_AUDIT, P.SEE_LOGS}),
    R.ENGINEER: frozenset({P.SEE_STATUS, P.RUN, P.SEE_LOGS}),
}
"""The permission table. An engineer keeps the machine running and sees no patient; an auditor sees who did what and changes nothing."""


class AccessDenied(PermissionError):
    """The user may not do this. The message names the permission and who has it."""


@dataclass(frozen=True)
class User:
    """Who is asking."""

    name: str
    roles: frozenset[Role]
    organisation: str | None = None
    """The one organisation whose rows a clinician may see."""
    laptop: bool = False

    def may(self, permission: Permission) -> bool:
        """Whether one of the user's roles has `permission`. A clinician without an organisation may nothing."""
        return any(
            permission in ALLOWED[role] for role in self.roles if role is not Role.CLINICIAN or self.organisation
        )

    def require(self, permission: Permission) -> None:
        """Raises AccessDenied unless the user `may`. To be called by whatever does the thing, not only by what shows the button."""
        if not self.may(permission):
            holders = ", ".join(role.value for role in Role if permission in ALLOWED[role])
            raise AccessDenied(f"{self.name} may not do this ({permission.value}): it takes one of the roles {holders}")

    @property
    def scope(self) -> str | None:
        """The organisation that the user's row-level view is limited to; None: no limit."""
        if any(Permission.EXPORT_ROWS in ALLOWED[r] for r in self.roles if r is not Role.CLINICIAN):
            return None
        return self.organisation or ""

    @property
    def role_names(self) -> str:
        """The roles as text, for the audit log."""
        return ",".join(sorted(self.roles))


def laptop_user() -> User:
    """The only user of a laptop: every role, no login. Only for a console that is bound to 127.0.0.1."""
    return User(LAPTOP, frozenset(Role), laptop=True)


def user_from_claims(claims: Mapping[str, Any]) -> User:
    """The user that verified OIDC claims describe: `email` or `sub`, `roles` (unknown ones are ignored), `organisation`.

    Raises AccessDenied where the claims name nobody.
    """
    name = claims.get("email") or claims.get("sub")
    if not name:
        raise AccessDenied("the login names nobody: neither 'email' nor 'sub' is among its claims")
    given = claims.get(ROLES_CLAIM) or []
    words: Sequence[Any] = given.split() if isinstance(given, str) else given
    roles = frozenset(Role(str(w)) for w in words if str(w) in {r.value for r in Role})
    organisation = claims.get(ORGANISATION_CLAIM)
    return User(str(name), roles, str(organisation) if organisation else None)


def organisation_columns(contract: Contract) -> list[str]:
    """The columns of a dataset that say which organisation a row belongs to."""
    return [name for name, column in contract.columns.items() if column.role == "organisation"]


def own_rows(user: User, contract: Contract, table: pd.DataFrame) -> pd.DataFrame:
    """The rows of `table` that `user` may see at row level.

    Raises AccessDenied without the permission, or where the user is limited to an organisation and the dataset names none.
    """
    user.require(Permission.EXPORT_ROWS)
    if user.scope is None:
        return table
    columns = organisation_columns(contract)
    if not columns:
        raise AccessDenied(
            f"{contract.name} does not say which organisation a row belongs to: its rows are for stewards"
        )
    mine = (table[columns].astype("string") == user.scope).any(axis=1)
    return table[mine.fillna(False).astype(bool)]
