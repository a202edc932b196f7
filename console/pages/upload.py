"""Upload: several files, what ingest will say about each, then send."""

from __future__ import annotations

import streamlit as st

from console.frame import Frame, counted, done, plain, told
from platform_assets.access.roles import Permission
from platform_assets.ingest.readers.delimited.encodings import OTHER
from platform_assets.ingest.readers.rows import NOT_TAKEN
from platform_assets.quarantine import uploads


def show(frame: Frame) -> None:
    """Choose files; each is checked against its contract before anything is sent."""
    frame.user.require(Permission.UPLOAD)
    st.title("Upload")
    st.write(f"Files of at most {uploads.limit_mb()} MB. Nothing is sent before you say so.")
    chosen = st.file_uploader("Files", accept_multiple_files=True, key=f"files{st.session_state.get('sent', 0)}")
    ready = []
    for number, file in enumerate(chosen or []):
        with st.container(border=True), told(frame):
            name = uploads.safe_name(file.name)
            st.text(name)
            names = sorted(frame.office.contracts)
            data = file.getvalue()
            fits = uploads.fitting(frame.office, name, data[:65_536])
            index = names.index(fits[0]) if fits else None
            dataset = st.selectbox("Dataset", names, index=index, key=f"dataset{number}{name}")
            if dataset is None:
                st.warning("No dataset fits this file by its name and columns: choose one, or do not send it.")
                continue
            found = uploads.check(frame.office, dataset, name, data, frame.user)
            _report(found)
            if not found.rejected:
                ready.append((dataset, name, data))
    if ready and st.button(f"Send {counted(len(ready), 'file')}", type="primary"):
        sent = 0
        with told(frame):
            for dataset, name, data in ready:
                uploads.send(frame.office, dataset, name, data, frame.user)
                sent += 1
            st.session_state["sent"] = st.session_state.get("sent", 0) + 1
            are = "It is" if sent == 1 else "They are"
            done(f"{counted(sent, 'file')} sent. {are} loaded within a minute, or at once: page Runs.")
        if sent:
            st.info(f"{counted(sent, 'file was', 'files were')} sent before that.")


def _report(check: uploads.Check) -> None:
    if check.rejected:
        st.error(plain(f"Nothing in this file can be judged, so it is not sent: {check.rejected}"))
        return
    if check.missing_keys:
        st.error(
            plain(
                f"{' and '.join(check.missing_keys)} is not set (as far as the console sees): the load will stop and the file will "
                "wait in landing. Ask who runs the platform for the key; docs/stewardship.md, 'Keys', says where it comes from."
            )
        )
    if check.before:
        st.warning(plain(f"This content was delivered before, {check.before}."))
    if check.nothing_changes:
        return
    if check.older:
        st.warning(plain(f"It will not become the table, and none of its rows will be in it: this is {check.older}."))
    if check.held:
        rows = f" All its {counted(check.rows, 'row')} will wait in quarantine." if check.rows else ""
        st.warning(
            plain(
                f"The whole delivery will be held: {check.held}. Nothing of it is published until someone looks.{rows}"
            )
        )
    elif check.wrong:
        st.warning(f"{check.wrong:,} of {counted(check.rows, 'row')} will go to quarantine.")
    if check.reasons:
        st.dataframe([{"rows": n, "reason": r} for r, n in check.reasons.items()], hide_index=True)
    if check.right:
        st.success("The 1 row is right." if check.rows == 1 else f"All {check.rows:,} rows are right.")
    elif not check.rows and not check.held:
        st.info("The file has no rows.")
    for kind, names in check.drift.items():
        what = {NOT_TAKEN: "Parts", OTHER: "Text"}.get(kind, "Columns")
        st.info(plain(f"{what} {kind}: {', '.join(names)}"))
