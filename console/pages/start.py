"""Start: what waits for me."""

from __future__ import annotations

import streamlit as st

from console.dagster_client import DagsterError
from console.frame import Frame, plain
from platform_assets.stewardship.access import Permission
from platform_assets.stewardship.overview import waiting


def show(frame: Frame) -> None:
    """Counts, then the places that need someone."""
    frame.user.require(Permission.SEE_STATUS)
    st.title("What waits")
    found = waiting(frame.office, frame.user)
    left, middle, right, last = st.columns(4)
    left.metric("Files waiting", sum(w.files for w in found))
    middle.metric("Rows in quarantine", sum(w.rows for w in found))
    right.metric("Deliveries held", sum(w.held for w in found))
    if frame.user.may(Permission.SEE_ERASURE):
        last.metric("Requests for erasure", len(frame.office.eraser().requests.all()))
    st.dataframe(
        [
            {
                "dataset": w.dataset,
                "files waiting": w.files,
                "rows in quarantine": w.rows,
                "most frequent reason": w.reason,
                "deliveries held": w.held,
            }
            for w in found
        ],
        hide_index=True,
    )
    try:
        stale, failed = frame.dagster.troubles()
    except DagsterError as error:
        st.info(plain(error))
        return
    st.subheader("Failed checks")
    st.text("\n".join(failed) or "none")
    st.subheader("Stale tables")
    st.text("\n".join(stale) or "none")
