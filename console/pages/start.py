"""Start: what waits for me."""

from __future__ import annotations

import streamlit as st

from console.dagster_client import DagsterError
from console.frame import Frame, plain
from platform_assets.ingest import ledger
from platform_assets.stewardship import uploads
from platform_assets.stewardship.access import Permission


def show(frame: Frame) -> None:
    """Counts, then the places that need someone."""
    frame.user.require(Permission.SEE_STATUS)
    office = frame.office
    st.title("What waits")
    rows: list[dict[str, str | int]] = []
    for name, contract in sorted(office.contracts.items()):
        counts = office.desk(name, frame.user).counts()
        rows.append(
            {
                "dataset": name,
                "files waiting": len(uploads.waiting(office, contract)),
                "rows in quarantine": office.desk(name, frame.user).open_rows(),
                "most frequent reason": counts["reason"].iloc[0] if len(counts) else "",
                "deliveries held": _held(frame, name),
            }
        )
    pending = len(office.eraser().requests.all()) if frame.user.may(Permission.SEE_ERASURE) else None
    left, middle, right, last = st.columns(4)
    left.metric("Files waiting", _sum(rows, "files waiting"))
    middle.metric("Rows in quarantine", _sum(rows, "rows in quarantine"))
    right.metric("Deliveries held", _sum(rows, "deliveries held"))
    if pending is not None:
        last.metric("Requests for erasure", pending)
    st.dataframe(rows, hide_index=True)
    try:
        stale, failed = frame.dagster.troubles()
    except DagsterError as error:
        st.info(plain(error))
        return
    st.subheader("Failed checks")
    st.text("\n".join(failed) or "none")
    st.subheader("Stale tables")
    st.text("\n".join(stale) or "none")


def _sum(rows: list[dict[str, str | int]], column: str) -> int:
    return sum(int(r[column]) for r in rows)


def _held(frame: Frame, dataset: str) -> int:
    warehouse = frame.office.warehouse
    with warehouse.connect() as connection:
        if not warehouse.columns(connection, ledger.TABLE):
            return 0
        return len(ledger.read(connection, dataset, status="held"))
