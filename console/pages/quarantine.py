"""Quarantine: every rejected row as text, mended in the grid, checked, staged, sent; or dismissed with a reason."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import streamlit as st

from console.frame import Frame, counted, done, moment, plain, settle, told
from platform_assets.access.roles import Permission
from platform_assets.quarantine import disputes
from platform_assets.quarantine.desk import Desk
from platform_assets.quarantine.fixes import HELD, Fix
from platform_assets.quarantine.overview import empty_deliveries, in_quarantine
from platform_assets.quarantine.tables import EmptyDelivery, RowKey

if TYPE_CHECKING:
    import datetime as dt

    import pandas as pd
    from streamlit.delta_generator import DeltaGenerator

SHOWN = 500
META = ["_row", "_file", "_reasons", "_state", "_staged_by", "_text"]


def show(frame: Frame) -> None:
    """Filters, grid, and what can be done with the rows."""
    frame.user.require(Permission.SEE_QUARANTINE)
    st.title("Quarantine")
    settle(frame)
    waiting = in_quarantine(frame.office, frame.user)
    empty = empty_deliveries(frame.office, frame.user)
    disputed = disputes.waiting(frame.office.warehouse, frame.user)
    notes = {name: counted(rows, "row") for name, rows in waiting.items()}
    notes |= {name: counted(len(found), "empty delivery", "empty deliveries") for name, found in empty.items()}
    for name, records in disputed.items():
        said = counted(records, "disputed record")
        notes[name] = f"{notes[name]}, {said}" if name in notes else said
    dataset = frame.dataset(notes={name: said for name, said in notes.items() if name in frame.office.contracts})
    desk = frame.office.desk(dataset, frame.user)
    if dataset in disputed:
        _disputed(frame, dataset)
    if dataset in empty:
        _empty(desk, empty[dataset])
    if dataset not in waiting:
        if dataset not in empty and dataset not in disputed:
            st.success("Nothing waits in quarantine.")
        return
    every = desk.counts()
    files = dict(zip(every["delivery"], every["file"], strict=True))
    held = desk.held()
    for sentence in held.values():
        st.text(sentence)
    # every row of a held delivery has that reason, besides its own or as the only one: it is no count of wrong rows
    counts = every[~every["reason"].str.startswith(HELD)]
    st.dataframe(
        counts[["rows", "reason", "file", "delivery"]],
        hide_index=True,
        height=180 if len(counts) > 4 else "auto",
        column_config={"reason": st.column_config.TextColumn(width="large")},
    )
    left, right = st.columns(2)
    delivery = left.selectbox(
        "Delivery", [None, *files], format_func=lambda d: "all" if d is None else f"{files[d]} ({d})"
    )
    rule = right.selectbox("Reason", [None, *sorted(set(every["reason"]))], format_func=lambda r: r or "all")
    grid = f"grid-{dataset}-{delivery}-{rule}-{st.session_state.get('quarantine', 0)}"
    rows = _as_begun(grid, lambda: desk.rows(delivery=delivery, rule=rule, limit=SHOWN))
    if len(rows) == SHOWN:
        st.info(f"The first {SHOWN} rows are shown: choose a delivery or a reason, or mend one value in all rows.")
    _grid(desk, grid, rows)
    st.subheader("One value in all rows")
    _bulk(desk, dataset, rows)
    st.subheader("Send staged fixes")
    _send(desk)
    st.subheader("History of a row")
    _history(desk, rows)
    _release(desk, list(held), files)


def _disputed(frame: Frame, dataset: str) -> None:
    """Records that are in the data, and of which their organisation says that they are wrong."""
    office = frame.office
    found = disputes.for_steward(frame.audit, frame.user, office.warehouse, office.contracts[dataset])
    st.subheader("Disputed records")
    st.write(
        "These are in the data, and count. Look into each, and have it delivered again where it is wrong; the answer is told to who disputed it."
    )
    st.dataframe(
        [
            {
                "number": n,
                "disputed": one.at,
                "organisation": str(one.scope),
                "by": one.by,
                "what is wrong": f"{disputes.REASONS[one.reason]}{f': {one.about}' if one.about else ''}",
                "indicator": one.indicator,
                "file": one.file,
                "row": one.key.row,
                "since": one.since or "as it was",
                "delivery": one.key.delivery,
            }
            for n, one in enumerate(found, 1)
        ],
        hide_index=True,
        column_config={"disputed": moment("disputed")},
    )
    numbers = st.multiselect("Numbers of the records to answer", range(1, len(found) + 1))
    chosen = [found[n - 1] for n in numbers if n <= len(found)]
    left, middle, right = st.columns([3, 4, 2], vertical_alignment="bottom")
    answer = left.selectbox("Answer", list(disputes.ANSWERS), format_func=lambda key: disputes.ANSWERS[key])
    words = middle.text_input("In your words (kept for good; names nobody)")
    if right.button(f"Answer {len(chosen)} chosen record(s)", disabled=not chosen):
        with told(frame):
            disputes.answer(frame.audit, frame.user, office.warehouse, office.refuse, chosen, answer, words)
            _again(f"{counted(len(chosen), 'dispute')} answered.")


def _as_begun(grid: str, look: Callable[[], pd.DataFrame]) -> pd.DataFrame:
    """The rows as they were when the user began to change them in the `grid`, so that changes are made to what was seen; else as they
    are now."""
    begun: tuple[str, pd.DataFrame] | None = st.session_state.get("rows")
    if begun and begun[0] == grid and (st.session_state.get(grid) or {}).get("edited_rows"):
        return begun[1]
    rows = look()
    st.session_state["rows"] = (grid, rows)
    return rows


def _grid(desk: Desk, grid: str, rows: pd.DataFrame) -> None:
    texts = [c for c in rows.columns if not c.startswith("_")]
    shown = rows[[*META, *texts]].copy()
    shown["_reasons"] = ["; ".join(r) for r in shown["_reasons"]]
    for column in (*texts, "_text", "_staged_by"):  # all text: a typed column would hide the bad value
        shown[column] = [v if isinstance(v, str) else "" for v in shown[column]]
    shown.insert(0, "choose", False)
    spoken = {reason.split(":")[0] for reasons in rows["_reasons"] for reason in reasons}
    wrong = [c for c in texts if c in spoken]  # what has to be mended stands beside the reason
    lines = ["_text"] if (shown["_text"] != "").any() else []
    states = ["_state", "_staged_by"] if (shown["_staged_by"] != "").any() else ["_state"]
    rest = [c for c in texts if c not in wrong]
    staged = [] if len(states) == 1 else states  # whose text it is has to be seen beside it
    order = ["choose", "_row", *staged, "_reasons", *lines, *wrong, *rest, *(states if not staged else []), "_file"]
    edited = st.data_editor(
        shown,
        hide_index=True,
        num_rows="fixed",
        disabled=META,
        key=grid,
        column_order=order,
        column_config={
            "choose": st.column_config.CheckboxColumn("choose", width="small"),
            "_row": st.column_config.NumberColumn("row", width="small"),
            "_file": "file",
            "_reasons": st.column_config.TextColumn("why", width="medium"),
            "_state": "state",
            "_staged_by": "staged by",
            "_text": "line that could not be split",
            **{c: st.column_config.TextColumn(c) for c in texts},
        },
    )
    keys = [RowKey(d, f, int(r)) for d, f, r in zip(rows["_delivery"], rows["_file"], rows["_row"], strict=True)]
    changed = [
        Fix(
            keys[n], {c: _value(rows.iloc[n][c], edited.iloc[n][c]) for c in texts}, _moment(rows.iloc[n]["_staged_at"])
        )
        for n in range(len(rows))
        if any(edited.iloc[n][c] != shown.iloc[n][c] for c in texts)
    ]
    chosen = [keys[n] for n in range(len(rows)) if edited.iloc[n]["choose"]]
    check, stage, unstage, look = st.columns([2, 2, 3, 3])
    if check.button(f"Check {len(changed)} changed row(s)", disabled=not changed):
        with told(desk):
            for fix, why in zip(changed, desk.check([f.values for f in changed]), strict=True):
                st.text(f"row {fix.key.row}: {'; '.join(why) or 'right'}")
    if stage.button(f"Stage {len(changed)} changed row(s)", type="primary", disabled=not changed):
        with told(desk):
            wrong = desk.stage(changed)
            _again(f"{counted(len(changed), 'fix', 'fixes')} staged" + (f", {len(wrong)} still wrong" if wrong else ""))
    if unstage.button(f"Give back {len(chosen)} chosen row(s) as they came", disabled=not chosen):
        with told(desk):
            desk.unstage(chosen)
            _again("The fixes were dropped.")
    if look.button("Drop the changes and look again", disabled=not (changed or chosen)):
        _again("These are the rows as they are now.")
    left, right = st.columns([4, 1], vertical_alignment="bottom")
    reason = left.text_input("Reason for dismissing")
    if right.button(f"Dismiss {len(chosen)} chosen row(s)", disabled=not chosen):
        with told(desk):
            desk.dismiss(chosen, reason)
            _again(f"{counted(len(chosen), 'row')} dismissed.")


def _moment(at: pd.Timestamp) -> dt.datetime | None:
    return None if at != at else at.to_pydatetime()  # NaT is not itself


def _value(before: Any, now: str) -> str | None:
    """The grid shows a missing value as empty: empty it stays missing."""
    return None if now == "" and not isinstance(before, str) else now


def _bulk(desk: Desk, dataset: str, rows: pd.DataFrame) -> None:
    left, middle, right = st.columns(3)
    reasons = Counter(reason.split(":")[0] for why in rows["_reasons"] for reason in why)
    frequent = next((c for c, _ in reasons.most_common() if c in desk.texts), desk.texts[0])
    column = _kept(left, "Column", f"bulk-{dataset}", desk.texts, frequent)
    assert column is not None
    concerned = rows[[any(r.startswith(f"{column}:") for r in why) for why in rows["_reasons"]]]
    concerned = concerned if len(concerned) else rows
    first = concerned[concerned["_state"] == "open"]  # what is staged already comes last
    present = list(dict.fromkeys(v for part in (first, concerned) for v in part[column].dropna().value_counts().index))
    old = _kept(middle, "Value", f"bulk-{dataset}-{column}", present)
    new = right.text_input("becomes", key=f"becomes-{dataset}-{st.session_state.get('quarantine', 0)}")
    if old is None:
        st.write("No open row shown here has a value in this column.")
        return
    what = f"{counted(desk.sharing(column, old), 'row')}: {column} {old} -> {new or '(missing)'}"
    st.text(f"Would change {what}")
    if st.button("Stage in all rows that share it"):
        with told(desk):
            wrong = desk.replace_value(column, old, new or None)
            still = (
                f"{counted(len(wrong), 'is', 'are')} still wrong for other reasons"
                if wrong
                else "all of them are right now"
            )
            _again(f"Staged {what}; {still}.")


def _kept(place: DeltaGenerator, label: str, name: str, options: list[str], first: str = "") -> str | None:
    """A choice that stays while it is among the options; otherwise `first`, or the first of them."""
    last = st.session_state.get(name, first)
    chosen: str | None = place.selectbox(plain(label), options, index=options.index(last) if last in options else 0)
    st.session_state[name] = chosen
    return chosen


def _send(desk: Desk) -> None:
    changes = desk.staged()
    if changes.empty:
        st.write("Nothing is staged.")
        return
    st.write(
        "Staged fixes are checked once more. Right ones go into landing as a file, like any other; wrong ones stay."
    )
    changes["column"] = changes["column"].fillna("(a line that could not be split, written anew)")
    st.dataframe(
        changes[["rows", "column", "old", "new", "by"]],
        hide_index=True,
        height=180 if len(changes) > 4 else "auto",
        column_config={"by": "staged by", "old": "from", "new": "to"},
    )
    reason = st.text_input("Note", key="note")
    if st.button("Send staged fixes", type="primary"):
        with told(desk):
            result = desk.resubmit(reason)
            left = ""
            if result.still_wrong:
                why = "; ".join(sorted({reason for reasons in result.still_wrong.values() for reason in reasons})[:5])
                left = f"{counted(len(result.still_wrong), 'staged fix was', 'staged fixes were')} not sent: {why}"
            if result.sent:
                _again(f"{counted(result.sent, 'row')} sent as {', '.join(result.files)}.", left)
            elif left:
                st.warning(plain(left))


def _history(desk: Desk, rows: pd.DataFrame) -> None:
    labels = [f"{d}, {f}, row {r}" for d, f, r in zip(rows["_delivery"], rows["_file"], rows["_row"], strict=True)]
    chosen = st.selectbox("Row", range(len(labels)), format_func=lambda n: labels[n])
    if chosen is not None and len(rows):
        row = rows.iloc[chosen]
        events = desk.history(RowKey(row["_delivery"], row["_file"], int(row["_row"])))
        st.dataframe(events, hide_index=True, column_config={"at": moment("at")})


def _empty(desk: Desk, found: list[EmptyDelivery]) -> None:
    st.subheader("Held deliveries without rows")
    st.write("There is nothing to mend in them: ask the sender for another file, or close them.")
    chosen = st.selectbox(
        "Delivery without rows",
        found,
        format_func=lambda e: f"{e.file} ({e.delivery}): {e.reason}",
    )
    version = st.session_state.get("quarantine", 0)
    reason = st.text_input("Why it is closed", key=f"closed-{version}")
    if st.button("Close this delivery") and chosen:
        with told(desk):
            desk.dismiss_delivery(chosen.delivery, reason)
            _again(f"{chosen.file} is closed.")


def _release(desk: Desk, held: list[str], files: dict[str, str]) -> None:
    if not held:
        return
    st.subheader("Held deliveries")
    delivery = st.selectbox("Held delivery", held, format_func=lambda d: f"{files[d]} ({d})")
    reason = st.text_input("Why its right rows may be published, or why it is closed")
    send, close = st.columns(2)
    if send.button("Send the right rows of this delivery"):
        with told(desk):
            _again(f"{counted(desk.release(str(delivery), reason).sent, 'row')} sent.")
    if close.button("Close it with all its rows: the table stays as it is"):
        with told(desk):
            _again(f"The delivery is closed, with {counted(desk.dismiss_delivery(str(delivery), reason), 'row')}.")


def _again(message: str, trouble: str = "") -> None:
    """Draw the page anew, with an empty grid."""
    st.session_state["quarantine"] = st.session_state.get("quarantine", 0) + 1
    done(message, trouble)
