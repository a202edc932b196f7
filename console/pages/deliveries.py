"""Deliveries: what waits (and may be taken back), what was loaded and what became of it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import streamlit as st

from console import delivery
from console.frame import Frame, address, done, href, links, moment, table, told
from console.language import counted, retold, tr
from platform_assets.access import handing_out
from platform_assets.access.roles import Permission
from platform_assets.ingest import ledger
from platform_assets.people_csv import csv_bytes
from platform_assets.quarantine import uploads
from platform_assets.reports.tables import execution_log

if TYPE_CHECKING:
    import pandas as pd

    from resources.object_store import StoredObject

ALL = "all datasets"
HIDDEN = ("delivery", "run", "partitions_touched")
"""Columns of the log that are for machines: they are in the download."""


NUMBERS = {
    "rows_in": "rows in",
    "valid": "right",
    "quarantined": "quarantined",
    "superseded": "superseded",
    "inserted": "new",
    "updated": "updated",
    "unchanged": "unchanged",
}
"""Columns of the log that are counts, as people read them."""


def show(frame: Frame) -> None:
    """Queue, then history."""
    frame.user.require(Permission.SEE_STATUS)
    asked = st.query_params.get("delivery")
    if asked:
        delivery.show(frame, asked)
        return
    st.title(tr("Deliveries"))
    names = sorted(frame.office.contracts)
    options = [ALL, *names]
    dataset = st.query_params.get("dataset")
    chosen = str(
        st.selectbox(
            tr("Dataset"),
            options,
            index=options.index(dataset) if dataset in names else 0,
            format_func=lambda n: tr(n) if n == ALL else n,
        )
    )
    address(dataset=None if chosen == ALL else chosen)
    _waiting(frame, names if chosen == ALL else [chosen])
    st.subheader(tr("History"))
    warehouse = frame.office.warehouse
    with warehouse.connect() as connection:
        if not warehouse.columns(connection, ledger.TABLE):
            st.write(tr("Nothing was loaded yet."))
            return
        log = execution_log(connection, None if chosen == ALL else chosen)
    if log.empty:
        st.write(tr("Nothing was loaded yet."))
        return
    show_log(handing_out.log(frame.audit, frame.user, "execution", log, chosen))
    if frame.user.may(Permission.SEE_LOGS):
        name = "execution_log.csv" if chosen == ALL else f"{chosen}_log.csv"
        frame.download(tr("Download as CSV"), name, lambda: csv_bytes(log), action="logs.download", rows=len(log))


def show_log(log: pd.DataFrame) -> None:
    """The execution log as people read it."""
    empty = [c for c in ("reason",) if (log[c].fillna("") == "").all()]
    order = ["file", "dataset", "status", "loaded_at", "rows_in", "valid", "quarantined", "superseded", "inserted"]
    rest = [c for c in log.columns if c not in (*order, *HIDDEN, *empty)]
    shown = log[[*order, *rest]].copy()
    shown["file"] = [
        href("deliveries", str(f), delivery=str(d), dataset=str(n))
        for f, d, n in zip(log["file"], log["delivery"], log["dataset"], strict=True)
    ]
    shown["status"] = [tr(str(s)) for s in log["status"]]
    if "reason" in shown:
        shown["reason"] = [retold(str(r or "")) for r in log["reason"]]
    table(
        shown,
        hide_index=True,
        column_config={
            "file": links("file"),
            "loaded_at": moment("loaded"),
            **{c: st.column_config.NumberColumn(NUMBERS.get(c, c), format="localized") for c in shown if c in NUMBERS},
            "reason": st.column_config.TextColumn("why", width="large"),
            "seconds": st.column_config.NumberColumn("seconds", format="%.1f"),
        },
    )


def _waiting(frame: Frame, names: list[str]) -> None:
    st.subheader(tr("Waiting"))
    found: list[tuple[str, StoredObject]] = [
        (name, file) for name in names for file in uploads.waiting(frame.office, frame.office.contracts[name])
    ]
    if not found:
        st.write(tr("No file waits."))
        return
    table(
        [{"file": f.basename, "dataset": name, "kB": f.size / 1000, "since": f.modified} for name, f in found],
        hide_index=True,
        column_config={"since": moment("since"), "kB": st.column_config.NumberColumn(format="%.1f")},
    )
    if not frame.user.may(Permission.WITHDRAW):
        return
    place = st.selectbox(
        tr("File to take back"), range(len(found)), format_func=lambda n: f"{found[n][1].basename} ({found[n][0]})"
    )
    version = st.session_state.get("taken_back", 0)  # what was agreed to was one file: the box is empty for the next
    sure = st.checkbox(tr("Yes, remove this file. It will have to be sent again."), key=f"sure-{version}-{place}")
    if st.button(tr("Take back"), disabled=not sure) and place is not None:
        with told(frame):
            dataset, name = found[place][0], found[place][1].basename
            opened = uploads.withdraw(frame.office, dataset, name, frame.user)
            st.session_state["taken_back"] = version + 1
            are = counted(opened, "row that it was to mend is", "rows that it was to mend are")
            done(
                tr("{name} was taken back.", name=name)
                + (" " + tr("{are} open in quarantine again, as delivered.", are=are) if opened else "")
            )
