"""The audit log's head, told to people once a day: what stands in their mailboxes cannot be rewritten along with the log."""

from __future__ import annotations

import datetime as dt
import logging
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from platform_assets.access.audit.entry import AuditError
from platform_assets.access.audit.log import AuditLog
from platform_assets.monitoring.findings import Finding, wrong
from resources.notifier import Alert, Channel, NotDelivered

if TYPE_CHECKING:
    from resources.environment import Platform

DAILY = dt.timedelta(days=1)
DAMAGED = "audit_log"
log = logging.getLogger("platform.alerts")


def audit_finding(
    platform: Platform, seen: dict[str, Any], channels: Sequence[Channel], moment: dt.datetime
) -> Finding:
    """Whether the end of the log fits its head. Once a day where it ends is told to all `channels`; `seen` remembers when, and what was told.

    Where files are in a bucket every process that writes an entry prints its head instead, which is kept with what pods print: who only
    sends alerts has no key of the audit log.
    """
    if platform.bucket:
        return Finding(DAMAGED, "audit log")
    try:
        head = AuditLog(platform.settings.home / "audit", platform.keys).head()
    except AuditError as error:
        return wrong(
            Alert(DAMAGED, "audit log", "The audit log takes no more entries: its end does not fit", str(error))
        )
    told = seen.get("head_told", {})
    due = moment - dt.datetime.fromisoformat(told.get("at", "2000-01-01T00:00:00+00:00")) >= DAILY
    if head is None or str(head) == told.get("head") or not due:
        return Finding(DAMAGED, "audit log")
    note = Alert(
        "audit_head",
        f"{moment:%Y-%m-%d}",
        f"The audit log ends at entry {head.seq}",
        f"{head}\n\nKeep this message. Whether the log still holds what it held today is told by\n"
        f"python -m platform_assets.access.audit verify --head {head}",
        severity="info",
    )
    delivered = [_sent(channel, note) for channel in channels]
    if all(delivered):
        seen["head_told"] = {"at": moment.isoformat(), "head": str(head)}
    return Finding(DAMAGED, "audit log")


def _sent(channel: Channel, note: Alert) -> bool:
    try:
        channel.send(note, "open")
    except NotDelivered as error:
        log.error(f"the head of the audit log was not delivered, and is tried again at the next look: {error}")
        return False
    return True
