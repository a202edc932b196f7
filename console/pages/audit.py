"""Audit: who did what, when, on what ground; and whether the log is whole."""

from __future__ import annotations

import json
from dataclasses import asdict

import streamlit as st

from console.frame import Frame, moment, plain, told
from platform_assets.access import handing_out
from platform_assets.access.audit.entry import Head
from platform_assets.access.roles import Permission
from platform_assets.erasure.certificate import read_all
from platform_assets.people_csv import csv_bytes


def show(frame: Frame) -> None:
    """The log, newest first, and its verification against itself and against the heads in the certificates."""
    frame.user.require(Permission.SEE_AUDIT)
    import pandas as pd

    st.title("Audit log")
    with told(frame):
        handing_out.seen(frame.audit, frame.user, "audit.see")
        noted = [Head.parse(c["audit_head"]) for c in read_all(frame.office.store) if c.get("audit_head")]
        verdict = frame.office.audit.verify(noted)
        if verdict.whole:
            st.success(plain(f"{verdict.entries} entries, whole; held against {len(noted)} certificate(s)."))
        for problem in verdict.problems:
            st.error(plain(problem))
        for note in verdict.notes:
            st.info(plain(note))
        entries = [{**asdict(e), "details": json.dumps(e.details)} for e in frame.office.audit.entries()]
        table = pd.DataFrame(reversed(entries))
        if not table.empty:
            table = table[["seq", "at", "who", "action", "table", "ground", "details", "role", "hash"]]
            shown = table.drop(columns="hash").astype({"at": "datetime64[ns, UTC]"})
            st.dataframe(shown, hide_index=True, column_config={"seq": "no.", "at": moment("at")})
            frame.download("Download as CSV", "audit.csv", lambda: csv_bytes(table), action="audit.download")
