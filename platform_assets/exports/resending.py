"""Sending a file again: somebody's act, with a reason, in the audit log before anything is done."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from platform_assets.access.acts import acting
from platform_assets.access.audit.log import AuditLog
from platform_assets.access.roles import Permission, User
from platform_assets.exports import ledger
from platform_assets.exports.ledger import EMPTY, PENDING, Entry
from platform_assets.exports.sending import lock_of
from resources.lake.warehouse import Warehouse

SHORTEST_REASON = 10


class NotAgain(ValueError):
    """It cannot be sent again; the message says why."""


def resend(
    export: str,
    key: str,
    reason: str,
    *,
    user: User,
    warehouse: Warehouse,
    audit: AuditLog,
    refuse: Callable[[str], None],
) -> Entry:
    """Have the file of a window sent again at the next visit, also over what the recipient has under its name. Where an erasure has removed
    our copy, it is made anew.

    `refuse` raises where a text that is kept for good names somebody. Raises AccessDenied, NotAgain.
    """
    with warehouse.lock(lock_of(export)):
        entry = next((e for e in ledger.read(warehouse, export) if e.window_key == key), None)
        user.require(Permission.EXPORT_ROWS if entry is None or entry.row_level else Permission.RUN)
        if entry is None:
            raise NotAgain(f"nothing was exported of {export} for {key}: see the list")
        if entry.row_level and user.limited_to is not None:
            raise NotAgain("these are rows of all organisations: somebody who may see them all has to do it")
        if entry.state == EMPTY:
            raise NotAgain(f"the window {key} of {export} was empty: there is nothing to send")
        reason = " ".join(reason.split())
        if len(reason) < SHORTEST_REASON:
            raise NotAgain(f"say why, in {SHORTEST_REASON} letters or more")
        refuse(reason)
        with acting(audit, user, "export.resend", table=entry.tables, ground=reason) as act:
            act.note(export=export, window=key, recipient=entry.recipient, sha256=entry.sha256, rows=entry.rows)
            fresh = replace(entry, state=PENDING, again=True, problem="", sent_at=None, answered_at=None)
            ledger.write(warehouse, fresh)
    return fresh
