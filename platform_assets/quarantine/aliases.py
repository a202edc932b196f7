"""A dataset's own aliases: one steward proposes that a column also comes under another name, another agrees, any takes it back."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass, replace

from platform_assets.access.acts import acting
from platform_assets.access.audit.log import AuditLog
from platform_assets.access.roles import Permission, User
from platform_assets.contracts.model import Contract
from platform_assets.ingest import aliases
from platform_assets.ingest.aliases import AGREED, ENDED, PROPOSED, Alias
from platform_assets.quarantine.fixes import QuarantineError
from resources.object_store import ObjectStore
from resources.text.spelling import folded

LONGEST = 100
"""Characters of a name."""


@dataclass(frozen=True)
class Aliases:
    """Those of one dataset, as one person sees to them."""

    contract: Contract
    store: ObjectStore
    audit: AuditLog
    user: User
    refuse: Callable[[str], None]
    """Raises for a text that names somebody: an alias is kept for good."""
    lock: Callable[[], AbstractContextManager[object]]

    def all(self) -> list[Alias]:
        """All of the dataset, oldest first."""
        self.user.require(Permission.SEE_STATUS)
        return aliases.read(self.store, self.contract.name)

    def propose(self, column: str, name: str) -> None:
        """Say that `column` also comes as `name`. Raises QuarantineError, AccessDenied; NamesSomeone where the name tells of somebody."""
        self.user.require(Permission.FIX)
        name = name.strip()
        self._check(column, name)
        with self.lock():
            known = self.all()
            taken = next((a for a in known if a.state != ENDED and folded(a.name) == folded(name)), None)
            if taken:
                raise QuarantineError(f"{name} is {taken.state} already, for {taken.column}")
            fresh = Alias(name, column, PROPOSED, self.user.id, self.user.name, _now())
            self._write("alias.propose", fresh, [*known, fresh])

    def agree(self, name: str) -> None:
        """From the next load on the column is found under `name`. Raises QuarantineError where it is the proposer who agrees."""
        self.user.require(Permission.FIX)
        with self.lock():
            known, found = self._find(name, PROPOSED)
            if found.proposed_by == self.user.id:
                raise QuarantineError("a second person must agree: who proposes a name cannot also agree to it")
            agreed = replace(found, state=AGREED, agreed_by=self.user.name, agreed_at=_now())
            self._write("alias.agree", agreed, [agreed if a is found else a for a in known])

    def take_back(self, name: str) -> None:
        """From the next load on `name` is no name of the column. One that was only proposed goes as well."""
        self.user.require(Permission.FIX)
        with self.lock():
            known, found = self._find(name, PROPOSED, AGREED)
            ended = replace(found, state=ENDED, ended_by=self.user.name, ended_at=_now())
            self._write("alias.take_back", ended, [ended if a is found else a for a in known])

    def _check(self, column: str, name: str) -> None:
        contract = self.contract
        if column not in contract.file_columns:
            raise QuarantineError(f"{contract.name} has no column {column!r} in its files")
        if not name or len(name) > LONGEST or not name.isprintable():
            raise QuarantineError(f"a name has 1 to {LONGEST} characters that can be seen")
        own = {n for c, spec in contract.columns.items() for n in spec.header or (c,)} | set(contract.ignore)
        if folded(name) in {folded(n) for n in own}:
            raise QuarantineError(f"the contract knows {name} already")
        self.refuse(name)

    def _find(self, name: str, *states: str) -> tuple[list[Alias], Alias]:
        known = self.all()
        found = next((a for a in known if a.name == name and a.state in states), None)
        if found is None:
            raise QuarantineError(f"nobody proposes {name} any more: look again")
        return known, found

    def _write(self, action: str, alias: Alias, every: list[Alias]) -> None:
        with acting(self.audit, self.user, action, table=self.contract.name) as act:
            act.note(column=alias.column, name=alias.name)
            aliases.write(self.store, self.contract.name, every)


def _now() -> str:
    return dt.datetime.now(dt.UTC).isoformat(timespec="seconds")
