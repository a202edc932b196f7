"""Who may do what: roles, one table, checked on the server at every call.

A clinician sees the rows of the own organisations, and only those. On a laptop, bound to 127.0.0.1 and without login, the one user has
every role; `laptop_user` says so in its name, and the console says so on every page.
"""

from __future__ import annotations

import time
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING

from resources.lake.warehouse import quoted

if TYPE_CHECKING:
    from platform_assets.contracts.model import Contract

DECLARED = "declared:"
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
    R.STEWARD: frozenset(
        {
            P.SEE_STATUS,
            P.UPLOAD,
            P.RUN,
            P.WITHDRAW,
            P.SEE_QUARANTINE,
            P.FIX,
            P.SEE_ERASURE,
            P.REQUEST_ERASURE,
            P.APPROVE_ERASURE,
            P.SEE_REPORTS,
            P.EXPORT_ROWS,
            P.SEE_LOGS,
        }
    ),
    R.ANALYST: frozenset({P.SEE_STATUS, P.SEE_REPORTS}),
    R.CLINICIAN: frozenset({P.SEE_REPORTS, P.EXPORT_ROWS}),
    R.AUDITOR: frozenset({P.SEE_STATUS, P.SEE_REPORTS, P.SEE_ERASURE, P.SEE_AUDIT, P.SEE_LOGS}),
    R.ENGINEER: frozenset({P.SEE_STATUS, P.RUN, P.SEE_LOGS}),
}
"""The permission table: what is not listed is not given. An engineer keeps the machine running and sees no patient; an auditor sees who did what and changes nothing."""


class AccessDenied(PermissionError):
    """The user may not do this. The message names the permission and who has it."""


@dataclass(frozen=True)
class Scope:
    """An organisation whose rows a clinician may see: a value of one column. Laboratory north and clinic north are two."""

    column: str
    value: str

    def __str__(self) -> str:
        return f"{self.column} {self.value}"


@dataclass(frozen=True)
class User:
    """Who is asking."""

    name: str
    roles: frozenset[Role]
    scopes: tuple[Scope, ...] = ()
    """The organisations whose rows a clinician may see."""
    laptop: bool = False
    identity: str = ""
    """Issuer and subject of the login, by which one person is told from another; '' where there is no login."""
    issued: float = 0.0
    """When the login was issued, in seconds since 1970."""
    until: float = 0.0
    """When it ends; 0: there is no login that could."""
    session: str = ""
    """The window of the console."""
    notes: tuple[str, ...] = ()
    """What the user should know of the login, as sentences."""

    @property
    def id(self) -> str:
        """Who this is, where one person must not do what another has to."""
        return self.identity or self.name

    @property
    def current(self) -> bool:
        """Whether the login has not ended."""
        return not self.until or time.time() < self.until

    def require_current(self) -> None:
        """Raises AccessDenied where the login has ended since."""
        if not self.current:
            raise AccessDenied("Your login has ended: log in again")

    def may(self, permission: Permission) -> bool:
        """Whether one of the user's roles has `permission`, as long as the login lasts. A clinician without an organisation may nothing."""
        return self.current and any(
            permission in ALLOWED[role] for role in self.roles if role is not Role.CLINICIAN or self.scopes
        )

    def require(self, permission: Permission) -> None:
        """Raises AccessDenied unless the user `may`. To be called by whatever does the thing, not only by what shows the button."""
        self.require_current()
        if not self.may(permission):
            holders = ", ".join(role.value for role in Role if permission in ALLOWED[role])
            raise AccessDenied(f"{self.name} may not do this ({permission.value}): it takes one of the roles {holders}")

    @property
    def limited_to(self) -> tuple[Scope, ...] | None:
        """The organisations that the user's row-level view is limited to; None: no limit."""
        if any(Permission.EXPORT_ROWS in ALLOWED[r] for r in self.roles if r is not Role.CLINICIAN):
            return None
        return self.scopes

    @property
    def role_names(self) -> str:
        """The roles as text, for the audit log."""
        declared = " (declared)" if self.identity.startswith(DECLARED) else ""
        return ",".join(sorted(self.roles)) + declared


def laptop_user() -> User:
    """The only user of a laptop: every role, no login. Only for a console that is bound to 127.0.0.1."""
    return User(LAPTOP, frozenset(Role), laptop=True)


def declared_user(name: str, roles: Iterable[Role]) -> User:
    """Who a command says is asking: whoever can start commands can read and write the files themselves, so it is believed, and noted as declared."""
    shown = "".join(c for c in name if c.isprintable()).strip()
    if not shown:
        raise AccessDenied("say who acts: --by NAME")
    return User(shown, frozenset(roles), identity=f"{DECLARED}{shown}")


def organisation_columns(contract: Contract) -> list[str]:
    """The columns of a dataset that say which organisation a row belongs to."""
    return [name for name, column in contract.columns.items() if column.role == "organisation"]


def rows_in_scope(user: User, contract: Contract) -> tuple[str, list[str]]:
    """The SQL condition of the rows of ``validated.<dataset>`` that `user` may see at row level, and its parameters. People get the rows
    through `handing_out.own_rows`.

    Raises AccessDenied without the permission, or where the user is limited to organisations and none of them is one of a column that says, in
    this dataset, which organisation a row belongs to.
    """
    user.require(Permission.EXPORT_ROWS)
    if user.limited_to is None:
        return "true", []
    columns = organisation_columns(contract)
    if not columns:
        raise AccessDenied(
            f"{contract.name} does not say which organisation a row belongs to: its rows are for stewards"
        )
    mine = [scope for scope in user.limited_to if scope.column in columns]
    if not mine:
        raise AccessDenied(
            f"Rows of {contract.name} belong to a {' or a '.join(columns)}, and your login names none: ask whoever runs the login"
        )
    return " OR ".join(f"{quoted(scope.column)} = ?" for scope in mine), [scope.value for scope in mine]
