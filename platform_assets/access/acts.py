"""What people do, and its entry in the audit log: the entry first, then the act. Where the entry cannot be written, nothing is done.

An entry says that somebody set about it. Where it came to nothing all the same (a database that refuses, a disk that is full), a second
entry says so (``... .failed``, with the number of the first). A process that is killed between the two leaves the first one alone: the log
may tell of an act that did not come to its end, and never lacks one that did.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from platform_assets.access.audit.entry import Entry
from platform_assets.access.audit.log import AuditLog
from platform_assets.access.roles import User

FAILED = ".failed"


@dataclass
class Act:
    """One act of one person, on its way."""

    audit: AuditLog
    user: User
    action: str
    """A verb with its place, e.g. ``quarantine.dismiss``."""
    table: str = ""
    ground: str = ""
    entry: Entry | None = None
    """Once it is written down."""

    def note(self, **details: Any) -> None:
        """Write it down; call it as the last thing before what cannot be taken back. Raises AccessDenied, AuditError, OSError."""
        self.user.require_current()
        self.entry = done(self.audit, self.user, self.action, table=self.table, ground=self.ground, **details)


@contextmanager
def acting(audit: AuditLog, user: User, action: str, *, table: str = "", ground: str = "") -> Iterator[Act]:
    """An act that `note`s itself before it is done. What fails after that is written down as failed."""
    act = Act(audit, user, action, table, ground)
    try:
        yield act
    except BaseException as error:
        if act.entry is not None:
            done(audit, user, action + FAILED, table=table, entry=act.entry.seq, error=type(error).__name__)
        raise


def done(audit: AuditLog, user: User, action: str, *, table: str = "", ground: str = "", **details: Any) -> Entry:
    """Write down what came of something that was noted before it began."""
    return audit.record(user.name, action, role=user.role_names, table=table, ground=ground, details=details)
