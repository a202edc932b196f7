"""An organisation disputes records behind its number, and is told what became of that. Only its own: by the same relation as its list of cases."""

from __future__ import annotations

from platform_assets.access import handing_out
from platform_assets.access.audit.log import AuditLog
from platform_assets.access.roles import Scope, User
from platform_assets.contracts.model import Contract
from platform_assets.quarantine import disputes
from platform_assets.quarantine.disputes import Dispute, RecordKey
from platform_assets.quarantine.fixes import QuarantineError
from platform_assets.reports import own_cases
from platform_assets.reports.own_cases import Source
from resources.lake.warehouse import Warehouse


def dispute(
    audit: AuditLog,
    user: User,
    source: Source,
    scope: Scope,
    warehouse: Warehouse,
    *,
    record: str,
    reason: str,
    about: str = "",
) -> None:
    """Say of one of the own cases that it is wrong: it waits for a steward then. Raises AccessDenied, AuditError, QuarantineError."""
    own_cases.may(user, source, scope)
    if about and about not in (*source.variables, source.unit):
        raise QuarantineError("there is no such value in the record: choose one of the list")
    with own_cases.reading(warehouse, source) as connection:
        keys = own_cases.rows_of(connection, source, scope, record) if connection else []
    if not keys:
        raise QuarantineError("this record is not among the cases any more: open the list again")
    disputes.dispute(
        audit,
        user,
        warehouse,
        [RecordKey(*key) for key in keys],
        dataset=source.dataset,
        scope=scope,
        indicator=source.indicator.name,
        reason=reason,
        about=about,
    )


def told(
    audit: AuditLog, user: User, source: Source, scope: Scope, contract: Contract, warehouse: Warehouse
) -> list[Dispute]:
    """The disputes of the own organisation about this indicator, oldest first, and what became of each. Raises AccessDenied, AuditError."""
    own_cases.may(user, source, scope)
    with own_cases.reading(warehouse, source) as connection:
        every = disputes.of(warehouse, connection, contract, scope) if connection else []
    found = [one for one in every if one.indicator == source.indicator.name]
    if found:
        table = f"indicators.{source.indicator.name}"
        handing_out.seen(audit, user, "dashboard.own_disputes", table=table, rows=len(found), of=str(scope))
    return found
