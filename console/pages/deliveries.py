"""Deliveries: what waits (and may be taken back), what was loaded and what became of it."""

from __future__ import annotations

import streamlit as st

from console.frame import Frame, done, told
from platform_assets.ingest import ledger
from platform_assets.stewardship import uploads
from platform_assets.stewardship.access import Permission
from platform_assets.stewardship.reports import csv_bytes, execution_log


def show(frame: Frame) -> None:
    """Queue, then history."""
    frame.user.require(Permission.SEE_STATUS)
    st.title("Deliveries")
    dataset = frame.dataset()
    contract = frame.office.contracts[dataset]
    st.subheader("Waiting")
    files = uploads.waiting(frame.office, contract)
    st.dataframe([{"file": f.basename, "bytes": f.size, "since": f.modified} for f in files], hide_index=True)
    if files and frame.user.may(Permission.WITHDRAW):
        _withdraw(frame, dataset, [f.basename for f in files])
    st.subheader("History")
    warehouse = frame.office.warehouse
    with warehouse.connect() as connection:
        if not warehouse.columns(connection, ledger.TABLE):
            st.write("Nothing was loaded yet.")
            return
        log = execution_log(connection, dataset)
    st.dataframe(log, hide_index=True)
    if frame.user.may(Permission.SEE_LOGS):
        st.download_button("Download as CSV", csv_bytes(log), f"{dataset}_log.csv", "text/csv")


def _withdraw(frame: Frame, dataset: str, names: list[str]) -> None:
    name = st.selectbox("File to take back", names)
    sure = st.checkbox("Yes, remove this file. It will have to be sent again.")
    if st.button("Take back", disabled=not sure):
        with told():
            uploads.withdraw(frame.office, dataset, str(name), frame.user)
            done("The file was taken back.")
