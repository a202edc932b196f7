"""The one place that hands rows and files to people: an entry in the audit log comes first, on disk, and where it cannot be written nothing is handed out.

Called by what gives rows (`Desk.rows`, `own_rows`, ...), not by the pages and commands that ask for them, so that none of these can forget it. The
same view, drawn again and again within minutes, is one entry.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from platform_assets.access.audit.log import SYSTEM, AuditLog
from platform_assets.access.roles import AccessDenied, User, rows_in_scope
from resources.lake.warehouse import one_state, scalar

if TYPE_CHECKING:
    import pandas as pd

    from platform_assets.contracts.model import Contract
    from resources.lake.warehouse import Warehouse

REPEAT = 300.0
"""Seconds for which the same view by the same person, in the same window, needs no second entry."""
NOBODY = "(nobody)"
DAY = 86_400.0
_UNTIL: dict[tuple[Any, ...], float] = {}
"""Until when an entry needs no second one like it."""
_LOCK = threading.Lock()


def seen(
    audit: AuditLog,
    user: User,
    action: str,
    *,
    table: str = "",
    rows: int | None = None,
    ground: str = "",
    **details: Any,
) -> None:
    """Write down that `user` is about to be shown `rows` rows of `table`; call it before they are returned.

    `details` say which (a delivery, a filter): counts and ids, no values. Raises AccessDenied, AuditError, OSError.
    """
    user.require_current()
    if rows is not None:
        details["rows"] = rows
    _once(audit, user, action, REPEAT, table=table, ground=ground, details=details)


def file(
    audit: AuditLog, user: User, action: str, make: Callable[[], bytes], *, table: str = "", **details: Any
) -> Callable[[], bytes]:
    """What makes a file when it is asked for, writes down that `user` gets it, and only then returns it. Each time is an entry.

    The function raises AccessDenied where the login has ended meanwhile; AuditError, OSError.
    """

    def handed() -> bytes:
        user.require_current()
        content = make()
        audit.record(user.name, action, role=user.role_names, table=table, details={**details, "bytes": len(content)})
        return content

    return handed


def leaves(audit: AuditLog, action: str, *, role: str, table: str, ground: str, **details: Any) -> None:
    """Write down that the platform itself is about to send a file to a partner; call it before the first byte leaves.

    `role` answers for it by contract. Raises AuditError, OSError.
    """
    audit.record(SYSTEM, action, role=role, table=table, ground=ground, details=details)


def own_rows(audit: AuditLog, user: User, contract: Contract, warehouse: Warehouse) -> pd.DataFrame:
    """The rows of ``validated.<dataset>`` that `user` may see at row level; dates are dates. They are chosen by the engine, and counted and written
    down before the first of them is read. Raises AccessDenied, AuditError."""
    where, values = rows_in_scope(user, contract)
    table = f"validated.{contract.name}"
    with warehouse.connect(read_only=True) as connection, one_state(connection):  # what is counted is what is read
        rows = int(scalar(connection, f"SELECT count(*) FROM {table} WHERE {where}", values))
        seen(audit, user, "reports.see_rows", table=table, rows=rows)
        found = connection.execute(f"SELECT * FROM {table} WHERE {where}", values).to_arrow_table()
    return found.to_pandas(date_as_object=True)


def log(audit: AuditLog, user: User, name: str, table: pd.DataFrame, of: str = "all") -> pd.DataFrame:
    """The log `name` (``execution``, ``deletion``) of a dataset or `of` all, as `user` is about to be shown it: written down."""
    seen(audit, user, "logs.see", log=name, of=of, rows=len(table))
    return table


def certificate(audit: AuditLog, user: User, request: str, text: str) -> str:
    """The text of a certificate, as `user` is about to be shown it: written down."""
    seen(audit, user, "erasure.see_certificate", request=request)
    return text


def entered(audit: AuditLog, user: User) -> None:
    """Write down that `user` has logged in, once per login; on a laptop without login, that somebody opened a window."""
    who = user if user.laptop else replace(user, session="")
    ground = "no login on this machine" if user.laptop else ""
    _once(
        audit,
        who,
        "login",
        DAY,
        ground=ground,
        details={} if user.laptop else {"issued": int(user.issued), "identity": user.identity},
    )


def refused(audit: AuditLog, user: User | None, error: AccessDenied) -> None:
    """Write down that somebody was refused something, or was not let in."""
    who = user or User(NOBODY, frozenset())
    _once(audit, who, "access.refused" if user else "login.refused", REPEAT, ground=str(error))


def _once(audit: AuditLog, user: User, action: str, seconds: float, **entry: Any) -> None:
    """An entry, unless there was the same one lately. It is forgotten only that there was one: every first time is on disk."""
    key = (audit.place, user.id, user.session, action, repr(entry))
    now = time.monotonic()
    with _LOCK:
        if now < _UNTIL.get(key, now):
            return
    audit.record(user.name, action, role=user.role_names, **entry)
    with _LOCK:
        _UNTIL[key] = now + seconds
        for old in [k for k, until in _UNTIL.items() if now >= until]:
            del _UNTIL[old]
