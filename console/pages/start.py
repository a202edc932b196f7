"""Start: what waits for me."""

from __future__ import annotations

import streamlit as st

from console.dagster_client import DagsterError, FailedCheck
from console.frame import Frame, counted, plain, settle
from platform_assets.access.roles import Permission
from platform_assets.quarantine.overview import Waiting, waiting


def show(frame: Frame) -> None:
    """Counts, then the places that need someone."""
    frame.user.require(Permission.SEE_STATUS)
    st.title("What waits")
    settle(frame)
    found = waiting(frame.office, frame.user)
    left, middle, right, last = st.columns(4)
    left.metric("Files waiting", f"{sum(w.files for w in found):,}")
    middle.metric("Rows in quarantine", f"{sum(w.rows for w in found):,}")
    right.metric("Deliveries held", f"{sum(w.held for w in found):,}")
    if frame.user.may(Permission.SEE_ERASURE):
        last.metric("Requests for erasure", len(frame.office.eraser().requests.all()))
    _datasets(found)
    try:
        stale, failed = frame.dagster.troubles()
    except DagsterError as error:
        st.info(plain(error))
        return
    st.subheader("Failed checks")
    if failed:
        st.write("They tell how the last load of each table went, and pass again with the next one that is right.")
        st.dataframe(
            [
                {
                    "table": f.asset,
                    "check": f.check,
                    "": "stops" if f.blocking else "warns",
                    "now": now(f, found),
                    "what it says": f.said,
                }
                for f in failed
            ],
            hide_index=True,
            column_config={"what it says": st.column_config.TextColumn(width="large")},
        )
    else:
        st.write("None.")
    st.subheader("Stale tables")
    st.text("\n".join(stale) or "None: every table is made from the latest data.")


def now(failed: FailedCheck, found: list[Waiting]) -> str:
    """What has become, since, of deliveries that a check has found held; '' for other checks."""
    if failed.check not in ("quarantine_rate", "minimum_rows") or "refused as a whole" in failed.said:
        return ""
    held = {w.dataset: w.held for w in found}.get(failed.asset.rsplit("/", 1)[-1])
    if held is None:
        return ""
    return (
        f"{counted(held, 'delivery is', 'deliveries are')} still held" if held else "settled: nothing is held any more"
    )


def _datasets(found: list[Waiting]) -> None:
    """Those where something waits, most first; the others in a sentence."""
    busy = sorted((w for w in found if w.files or w.rows or w.held), key=lambda w: (-w.held, -w.rows, -w.files))
    quiet = [w.dataset for w in found if w not in busy]
    if busy:
        st.dataframe(
            [
                {
                    "dataset": w.dataset,
                    "files waiting": w.files,
                    "deliveries held": w.held,
                    "rows in quarantine": w.rows,
                    "most frequent reason": w.reason,
                }
                for w in busy
            ],
            hide_index=True,
            column_config={"most frequent reason": st.column_config.TextColumn(width="large")},
        )
    else:
        st.success("No dataset needs anybody.")
    if busy and quiet:
        st.text(f"Nothing waits in {', '.join(quiet)}.")
