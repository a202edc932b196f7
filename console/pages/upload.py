"""Upload: several files, what ingest will say about each, then send."""

from __future__ import annotations

import streamlit as st

from console.frame import Frame, done, plain, told
from platform_assets.stewardship import uploads
from platform_assets.stewardship.access import Permission


def show(frame: Frame) -> None:
    """Choose files; each is checked against its contract before anything is sent."""
    frame.user.require(Permission.UPLOAD)
    st.title("Upload")
    st.write(f"Files of at most {uploads.limit_mb()} MB. Nothing is sent before you say so.")
    chosen = st.file_uploader("Files", accept_multiple_files=True, key=f"files{st.session_state.get('sent', 0)}")
    ready = []
    for number, file in enumerate(chosen or []):
        with st.container(border=True), told():
            name = uploads.safe_name(file.name)
            st.text(name)
            names = sorted(frame.office.contracts)
            data = file.getvalue()
            fits = uploads.fitting(frame.office, name, data[:65_536]) or names
            dataset = st.selectbox("Dataset", names, index=names.index(fits[0]), key=f"dataset{number}{name}")
            _report(uploads.check(frame.office, dataset, name, data, frame.user))
            ready.append((dataset, name, data))
    if ready and st.button(f"Send {len(ready)} file(s)", type="primary"):
        with told():
            for dataset, name, data in ready:
                uploads.send(frame.office, dataset, name, data, frame.user)
        st.session_state["sent"] = st.session_state.get("sent", 0) + 1
        done(f"{len(ready)} file(s) sent. They are loaded within a minute, or at once: page Runs.")


def _report(check: uploads.Check) -> None:
    if check.rejected:
        st.error(plain(f"Nothing in this file can be judged: {check.rejected}"))
        return
    if check.wrong:
        st.warning(f"{check.wrong:,} of {check.rows:,} rows will go to quarantine.")
        st.dataframe([{"rows": n, "reason": r} for r, n in check.reasons.items()], hide_index=True)
    else:
        st.success(f"All {check.rows:,} rows are right.")
    for kind, names in check.drift.items():
        st.info(plain(f"Columns {kind}: {', '.join(names)}"))
