"""Deliveries out: what waits to leave, what was sent to whom and how it was answered, receipts; and sending a file again, with a reason."""

from __future__ import annotations

import datetime as dt

import streamlit as st

from console.frame import Frame, done, moment, plain, table, told
from console.language import counted, retold, tr
from platform_assets.access.roles import Permission
from platform_assets.exports import ledger
from platform_assets.exports.ledger import EMPTY, LEFT, PENDING, SENDING, Entry
from platform_assets.exports.making import Maker
from platform_assets.exports.receipts import receipt
from platform_assets.exports.resending import resend
from platform_assets.exports.shelf import indicators_named, read_exports
from resources.clock import local
from resources.environment import deliveries_are_on

SHOWN = 500
"""Files in a list; the ledger has them all."""


def show(frame: Frame) -> None:
    """What waits, what was sent, one file's receipt. No row of a file is read here."""
    frame.user.require(Permission.SEE_STATUS)
    st.title(tr("Deliveries out"))
    if not deliveries_are_on():
        st.info(tr("Deliveries are off here: files are made and wait. PLATFORM_DELIVERIES=on turns them on."))
    entries = sorted(ledger.read(frame.office.warehouse), key=lambda e: e.made_at, reverse=True)
    _waiting(entries)
    _not_made(frame)
    _sent(entries)
    files = [e for e in entries if e.state != EMPTY]
    if files:
        _one(frame, files)


def _waiting(entries: list[Entry]) -> None:
    st.subheader(tr("Waits to be sent"))
    waiting = [e for e in entries if e.state in (PENDING, SENDING)]
    if not waiting:
        st.write(tr("No file waits."))
        return
    table(
        [
            {
                "file": e.file,
                "for": _whom(e),
                "state": tr(e.state),
                "rows": e.rows,
                "what is in its way": retold(e.problem) or (tr("to be sent again") if e.again else ""),
                "made": e.made_at,
            }
            for e in waiting[:SHOWN]
        ],
        hide_index=True,
        column_config={"made": moment("made")},
    )


def _not_made(frame: Frame) -> None:
    """Windows that are over and have no file: their run was not yet, or failed."""
    office, now = frame.office, local(dt.datetime.now(dt.UTC))
    exports = read_exports()
    indicators = indicators_named() if exports else {}
    for name, (export, folder) in exports.items():
        due = Maker(export, folder, office.warehouse, office.store, office.contracts, indicators).due(now)
        if due:
            if due[0]:
                windows = counted(len(due), "closed window has", "closed windows have")
                said = tr("{name}: {windows} no file yet. Its runs are on the page Runs.", name=name, windows=windows)
            else:
                said = tr("{name}: what is new has no file yet. Its runs are on the page Runs.", name=name)
            st.write(plain(said))


def _sent(entries: list[Entry]) -> None:
    st.subheader(tr("Sent"))
    left = [e for e in entries if e.state in LEFT]
    if not left:
        st.write(tr("Nothing was sent yet."))
        return
    if len(left) > SHOWN:
        st.write(tr("{files}; the last {most} are shown.", files=counted(len(left), "file"), most=SHOWN))
    table(
        [
            {
                "file": e.file,
                "to": _whom(e),
                "answer": tr("none yet") if e.state == "sent" else tr(e.state),
                "rows": e.rows,
                "kB": e.bytes / 1000,
                "sent": e.sent_at,
                "answered": e.answered_at,
                "to be looked at": retold(e.problem),
            }
            for e in left[:SHOWN]
        ],
        hide_index=True,
        placeholder="",
        column_config={
            "sent": moment("sent"),
            "answered": moment("answered"),
            "kB": st.column_config.NumberColumn(format="%.1f"),
        },
    )


def _one(frame: Frame, files: list[Entry]) -> None:
    st.subheader(tr("One file"))
    known = {f"{e.export} {e.window_key}": e for e in files}  # by name: the list grows while one is looked at
    chosen = st.selectbox(
        tr("File"),
        list(known),
        format_func=lambda key: (
            f"{known[key].file} ({known[key].export}, {tr(known[key].state)})" if key in known else key
        ),
    )
    entry = known.get(str(chosen), files[0])
    st.code(receipt(entry), language=None, wrap_lines=True)
    frame.download(
        tr("Download the receipt"),
        f"receipt_{entry.export}_{entry.window_key[:10]}.txt",
        lambda: receipt(entry).encode(),
        action="export.receipt",
        table=entry.tables,
    )
    if frame.user.may(Permission.EXPORT_ROWS if entry.row_level else Permission.RUN):
        _again(frame, entry)


def _again(frame: Frame, entry: Entry) -> None:
    """Asks for the reason; what sends it again asks for the permission once more."""
    version = st.session_state.get("sent_again", 0)
    with st.form(f"again-{version}"):
        st.write(tr("It is sent again at the next visit, also over what lies there under its name."))
        reason = st.text_input(tr("Why it is sent again (stands in the audit log; name nobody)"), key=f"why-{version}")
        if st.form_submit_button(tr("Send again")):
            with told(frame):
                resend(
                    entry.export,
                    entry.window_key,
                    reason,
                    user=frame.user,
                    warehouse=frame.office.warehouse,
                    audit=frame.audit,
                    refuse=frame.office.refuse,
                )
                st.session_state["sent_again"] = version + 1
                done(tr("{file} is sent again at the next visit.", file=entry.file))


def _whom(entry: Entry) -> str:
    return entry.recipient or entry.destination
