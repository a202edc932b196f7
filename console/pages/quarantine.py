"""Quarantine: every rejected row as text, mended in the grid, checked, staged, sent; or dismissed with a reason."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Any

import streamlit as st

from console.frame import Frame, counted, done, moment, plain, settle, told
from platform_assets.stewardship.access import Permission
from platform_assets.stewardship.overview import in_quarantine
from platform_assets.stewardship.quarantine import HELD, Desk, Fix
from platform_assets.stewardship.quarantine_tables import RowKey

if TYPE_CHECKING:
    import pandas as pd

SHOWN = 500
META = ["_row", "_file", "_reasons", "_state", "_text"]


def show(frame: Frame) -> None:
    """Filters, grid, and what can be done with the rows."""
    frame.user.require(Permission.SEE_QUARANTINE)
    st.title("Quarantine")
    settle(frame)
    waiting = in_quarantine(frame.office, frame.user)
    dataset = frame.dataset(notes={name: counted(rows, "row") for name, rows in waiting.items()})
    if dataset not in waiting:
        st.success("Nothing waits in quarantine.")
        return
    desk = frame.office.desk(dataset, frame.user)
    counts = desk.counts()
    st.dataframe(
        counts[["rows", "reason", "file", "delivery"]],
        hide_index=True,
        height=180 if len(counts) > 4 else "auto",
        column_config={"reason": st.column_config.TextColumn(width="large")},
    )
    left, right = st.columns(2)
    files = dict(zip(counts["delivery"], counts["file"], strict=True))
    delivery = left.selectbox(
        "Delivery", [None, *files], format_func=lambda d: "all" if d is None else f"{files[d]} ({d})"
    )
    rule = right.selectbox("Reason", [None, *sorted(set(counts["reason"]))], format_func=lambda r: r or "all")
    rows = desk.rows(delivery=delivery, rule=rule, limit=SHOWN)
    if len(rows) == SHOWN:
        st.info(f"The first {SHOWN} rows are shown: choose a delivery or a reason, or mend one value in all rows.")
    _grid(desk, dataset, rows)
    st.subheader("One value in all rows")
    _bulk(desk, rows)
    st.subheader("Send staged fixes")
    _send(desk)
    st.subheader("History of a row")
    _history(desk, rows)
    _release(desk, counts, files)


def _grid(desk: Desk, dataset: str, rows: pd.DataFrame) -> None:
    texts = [c for c in rows.columns if not c.startswith("_")]
    shown = rows[[*META, *texts]].copy()
    shown["_reasons"] = ["; ".join(r) for r in shown["_reasons"]]
    for column in (*texts, "_text"):  # all text: a typed column would hide the bad value
        shown[column] = [v if isinstance(v, str) else "" for v in shown[column]]
    shown.insert(0, "choose", False)
    spoken = {reason.split(":")[0] for reasons in rows["_reasons"] for reason in reasons}
    wrong = [c for c in texts if c in spoken]  # what has to be mended stands beside the reason
    lines = ["_text"] if (shown["_text"] != "").any() else []
    order = ["choose", "_row", "_reasons", *lines, *wrong, *(c for c in texts if c not in wrong), "_state", "_file"]
    version = st.session_state.get("quarantine", 0)
    edited = st.data_editor(
        shown,
        hide_index=True,
        num_rows="fixed",
        disabled=META,
        key=f"grid-{dataset}-{version}",
        column_order=order,
        column_config={
            "choose": st.column_config.CheckboxColumn("choose", width="small"),
            "_row": st.column_config.NumberColumn("row", width="small"),
            "_file": "file",
            "_reasons": st.column_config.TextColumn("why", width="medium"),
            "_state": "state",
            "_text": "line that could not be split",
            **{c: st.column_config.TextColumn(c) for c in texts},
        },
    )
    keys = [RowKey(d, f, int(r)) for d, f, r in zip(rows["_delivery"], rows["_file"], rows["_row"], strict=True)]
    changed = [
        Fix(keys[n], {c: _value(rows.iloc[n][c], edited.iloc[n][c]) for c in texts})
        for n in range(len(rows))
        if any(edited.iloc[n][c] != shown.iloc[n][c] for c in texts)
    ]
    chosen = [keys[n] for n in range(len(rows)) if edited.iloc[n]["choose"]]
    check, stage, unstage, _ = st.columns([2, 2, 3, 3])
    if check.button(f"Check {len(changed)} changed row(s)", disabled=not changed):
        with told():
            for fix, why in zip(changed, desk.check([f.values for f in changed]), strict=True):
                st.text(f"row {fix.key.row}: {'; '.join(why) or 'right'}")
    if stage.button(f"Stage {len(changed)} changed row(s)", type="primary", disabled=not changed):
        with told():
            wrong = desk.stage(changed)
            _again(f"{len(changed)} fix(es) staged" + (f", {len(wrong)} of them still wrong" if wrong else ""))
    if unstage.button(f"Give back {len(chosen)} chosen row(s) as they came", disabled=not chosen):
        with told():
            desk.unstage(chosen)
            _again("The fixes were dropped.")
    left, right = st.columns([4, 1], vertical_alignment="bottom")
    reason = left.text_input("Reason for dismissing")
    if right.button(f"Dismiss {len(chosen)} chosen row(s)", disabled=not chosen):
        with told():
            desk.dismiss(chosen, reason)
            _again(f"{len(chosen)} row(s) dismissed.")


def _value(before: Any, now: str) -> str | None:
    """The grid shows a missing value as empty: empty it stays missing."""
    return None if now == "" and not isinstance(before, str) else now


def _bulk(desk: Desk, rows: pd.DataFrame) -> None:
    left, middle, right = st.columns(3)
    reasons = Counter(reason.split(":")[0] for why in rows["_reasons"] for reason in why)
    frequent = next((c for c, _ in reasons.most_common() if c in desk.texts), desk.texts[0])
    column = str(left.selectbox("Column", desk.texts, index=desk.texts.index(frequent)))
    concerned = rows[[any(r.startswith(f"{column}:") for r in why) for why in rows["_reasons"]]]
    present = (concerned if len(concerned) else rows)[column].dropna().value_counts()
    old = middle.selectbox("Value", list(present.index), format_func=lambda v: f"{v} ({counted(present[v], 'row')})")
    new = right.text_input("becomes")
    if st.button("Stage in all rows that share it", disabled=old is None):
        with told():
            wrong = desk.replace_value(column, old, new or None)
            _again(
                f"staged; {len(wrong)} row(s) are still wrong for other reasons"
                if wrong
                else "staged; all of them are right now"
            )


def _send(desk: Desk) -> None:
    st.write(
        "Staged fixes are checked once more. Right ones go into landing as a file, like any other; wrong ones stay."
    )
    reason = st.text_input("Note", key="note")
    if st.button("Send staged fixes", type="primary"):
        with told():
            result = desk.resubmit(reason)
            if result.still_wrong:
                why = "; ".join(sorted({reason for reasons in result.still_wrong.values() for reason in reasons})[:5])
                st.warning(
                    plain(f"{counted(len(result.still_wrong), 'staged fix', 'staged fixes')} were not sent: {why}")
                )
            if result.sent:
                _again(f"{result.sent} row(s) sent as {', '.join(result.files)}.")
            elif not result.still_wrong:
                st.info("Nothing is staged.")


def _history(desk: Desk, rows: pd.DataFrame) -> None:
    labels = [f"{d}, {f}, row {r}" for d, f, r in zip(rows["_delivery"], rows["_file"], rows["_row"], strict=True)]
    chosen = st.selectbox("Row", range(len(labels)), format_func=lambda n: labels[n])
    if chosen is not None and len(rows):
        row = rows.iloc[chosen]
        events = desk.history(RowKey(row["_delivery"], row["_file"], int(row["_row"])))
        st.dataframe(events, hide_index=True, column_config={"at": moment("at")})


def _release(desk: Desk, counts: pd.DataFrame, files: dict[str, str]) -> None:
    held = sorted(set(counts[counts["reason"].str.startswith(HELD)]["delivery"]))
    if not held:
        return
    st.subheader("Held deliveries")
    delivery = st.selectbox("Held delivery", held, format_func=lambda d: f"{files[d]} ({d})")
    reason = st.text_input("Why its right rows may be published")
    if st.button("Send the right rows of this delivery"):
        with told():
            _again(f"{desk.release(str(delivery), reason).sent} row(s) sent.")


def _again(message: str) -> None:
    """Draw the page anew, with an empty grid."""
    st.session_state["quarantine"] = st.session_state.get("quarantine", 0) + 1
    done(message)
