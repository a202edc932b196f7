"""Quarantine: every rejected row as text, mended many at once or in the grid, staged, sent; or dismissed with a reason."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

import streamlit as st

from console import grid, mending
from console.frame import Frame, address, href, links, moment, plain, settle, table, told
from console.language import counted, retold, sentence, tr
from platform_assets.access.roles import Permission
from platform_assets.quarantine import disputes
from platform_assets.quarantine.desk import Desk
from platform_assets.quarantine.fixes import HELD
from platform_assets.quarantine.mending.bench import Bench
from platform_assets.quarantine.overview import empty_deliveries, in_quarantine
from platform_assets.quarantine.reasons import added_up, in_words
from platform_assets.quarantine.tables import EmptyDelivery, RowKey
from platform_assets.quarantine.where import Where

if TYPE_CHECKING:
    import pandas as pd

SHOWN = 500


def show(frame: Frame) -> None:
    """Filters, what can be mended at once, grid, and what can be done with the rows."""
    frame.user.require(Permission.SEE_QUARANTINE)
    st.title(tr("Quarantine"))
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
    if dataset in waiting:
        _open(frame, desk)
    elif dataset not in empty and dataset not in disputed:
        st.success(tr("Nothing waits in quarantine."))
    st.subheader(tr("History of a row"))
    _history(desk)


def _open(frame: Frame, desk: Desk) -> None:
    """What there is to do where rows are open."""
    every = desk.counts()
    files = dict(zip(every["delivery"], every["file"], strict=True))
    files.update(frame.named(desk.contract.name, files))
    held = desk.held()
    for words in held.values():
        st.text(sentence(words))
    delivery = _delivery(files)
    mine = every if delivery is None else every[every["delivery"] == delivery]
    # every row of a held delivery has that reason, besides its own or as the only one: it is no count of wrong rows
    own = mine[~mine["reason"].str.startswith(HELD)]
    counts = _by_rule(own)
    rule = _rule(counts, _by_rule(mine))
    where = Where(delivery, rule)
    bench = Bench(desk)
    mending.undo(bench)
    st.subheader(tr("Mend many at once"))
    where = mending.show(bench, where, {r: n for r, n in counts.items() if rule is None or r.startswith(rule)})
    st.subheader(tr("Rows"))
    # another choice is another grid: what was changed in one row is never taken for a change of another
    name = f"grid-{desk.contract.name}-{hash(repr(where)):x}-{st.session_state.get('quarantine', 0)}"
    grid.show(desk, name, lambda: desk.rows(delivery=delivery, rule=rule, values=where.values, limit=SHOWN), SHOWN)
    st.subheader(tr("Send staged fixes"))
    _send(desk)
    _release(desk, list(held), files)


def _disputed(frame: Frame, dataset: str) -> None:
    """Records that are in the data, and of which their organisation says that they are wrong."""
    office = frame.office
    found = disputes.for_steward(frame.audit, frame.user, office.warehouse, office.contracts[dataset])
    st.subheader(tr("Disputed records"))
    st.write(
        tr(
            "These are in the data, and count. Look into each, and have it delivered again where it is wrong; the answer is told to who disputed it."
        )
    )
    table(
        [
            {
                "number": n,
                "disputed": one.at,
                "organisation": str(one.scope),
                "by": one.by,
                "what is wrong": f"{tr(disputes.REASONS[one.reason])}{f': {one.about}' if one.about else ''}",
                "indicator": one.indicator,
                "file": href("deliveries", one.file, delivery=one.key.delivery, dataset=dataset),
                "row": one.key.row,
                "since": one.since or tr("as it was"),
            }
            for n, one in enumerate(found, 1)
        ],
        hide_index=True,
        column_config={"disputed": moment("disputed"), "file": links("file")},
    )
    numbers = st.multiselect(
        tr("Numbers of the records to answer"), range(1, len(found) + 1), placeholder=tr("choose options")
    )
    chosen = [found[n - 1] for n in numbers if n <= len(found)]
    left, middle, right = st.columns([3, 4, 2], vertical_alignment="bottom")
    answer = left.selectbox(tr("Answer"), list(disputes.ANSWERS), format_func=lambda key: tr(disputes.ANSWERS[key]))
    words = middle.text_input(tr("In your words (kept for good; names nobody)"))
    if right.button(tr("Answer {records}", records=counted(len(chosen), "chosen record")), disabled=not chosen):
        with told(frame):
            disputes.answer(frame.audit, frame.user, office.warehouse, office.refuse, chosen, answer, words)
            grid.again(tr("{disputes} answered.", disputes=counted(len(chosen), "dispute")))


def _by_rule(counts: pd.DataFrame) -> dict[str, int]:
    return added_up({str(r): int(n) for r, n in counts.groupby("reason")["rows"].sum().items()})


def _delivery(files: Mapping[str, str]) -> str | None:
    """The delivery that is looked at; None: all. The address says which."""
    options = [None, *files]
    asked = st.query_params.get("delivery")
    chosen = st.selectbox(
        tr("Delivery"),
        options,
        index=options.index(asked) if asked in files else 0,
        format_func=lambda d: (
            tr("all ({deliveries})", deliveries=counted(len(files), "delivery", "deliveries"))
            if d is None
            else files[d]
        ),
    )
    address(delivery=chosen)
    return chosen


def _rule(counts: Mapping[str, int], every: Mapping[str, int]) -> str | None:
    """The reason that is looked at, of those that rows have, most first; None: all. The address says which."""
    options = [None, *sorted(every, key=lambda r: (r not in counts, -every[r]))]
    asked = st.query_params.get("reason")
    chosen = st.selectbox(
        tr("Reason"),
        options,
        index=options.index(asked) if asked in every else 0,
        format_func=lambda r: tr("all") if r is None else f"{retold(in_words(r))} ({counted(every[r], 'row')})",
    )
    address(reason=chosen)
    return chosen


def _send(desk: Desk) -> None:
    changes = desk.staged()
    if changes.empty:
        st.write(tr("Nothing is staged."))
        return
    st.write(
        tr("Staged fixes are checked once more. Right ones go into landing as a file, like any other; wrong ones stay.")
    )
    changes["column"] = changes["column"].fillna(tr("(a line that could not be split, written anew)"))
    table(
        changes[["rows", "column", "old", "new", "by"]],
        hide_index=True,
        height=180 if len(changes) > 4 else "auto",
        placeholder=tr("(no value)"),
        column_config={"by": tr("staged by"), "old": tr("from"), "new": tr("to")},
    )
    reason = st.text_input(tr("Note"), key="note")
    if st.button(tr("Send staged fixes"), type="primary"):
        with told(desk):
            result = desk.resubmit(reason)
            st.session_state.pop(mending.UNDO, None)
            left = grid.still_wrong(result.still_wrong)
            left = tr("Not sent: {left}", left=left) if left else ""
            if result.sent:
                grid.again(
                    tr("{rows} sent as {files}.", rows=counted(result.sent, "row"), files=", ".join(result.files)), left
                )
            elif left:
                st.warning(plain(left))


def _history(desk: Desk) -> None:
    """By the row's key, also long after it was mended."""
    key = [c for c in desk.contract.load.key if c in desk.texts] or desk.texts[:1]
    st.write(tr("What happened to a row, from its first rejection to the table. It is found by its key, open or not."))
    cells = {
        c: st.text_input(plain(tr("{name} of the row", name=c)), key=f"history-{desk.contract.name}-{c}").strip()
        for c in key
    }
    texts = {c: v for c, v in cells.items() if v}
    if not texts:
        return
    with told(desk):
        found = desk.find(texts)
        if not found:
            st.info(tr("No row of this dataset with that key was ever in quarantine."))
            return
        row = found[0]
        if len(found) > 1:
            row = st.selectbox(
                tr("Which of them"), found, format_func=lambda r: tr("row {row} of {file}", row=r.row, file=r.file)
            )
        _events(desk, row)


def _events(desk: Desk, row: RowKey) -> None:
    events = desk.history(row).drop(columns="delivery")
    events["reason"] = [
        "; ".join(retold(in_words(part)) for part in str(r or "").split("; "))
        if e == "rejected"
        else retold(str(r or ""))
        for e, r in zip(events["event"], events["reason"], strict=True)
    ]
    events["event"] = [tr(str(e)) for e in events["event"]]
    table(events, hide_index=True, column_config={"at": moment("at")})


def _empty(desk: Desk, found: list[EmptyDelivery]) -> None:
    st.subheader(tr("Held deliveries without rows"))
    st.write(tr("There is nothing to mend in them: ask the sender for another file, or close them."))
    chosen = st.selectbox(tr("Delivery without rows"), found, format_func=lambda e: f"{e.file}: {retold(e.reason)}")
    version = st.session_state.get("quarantine", 0)
    reason = st.text_input(tr("Why it is closed"), key=f"closed-{version}")
    if st.button(tr("Close this delivery")) and chosen:
        with told(desk):
            desk.dismiss_delivery(chosen.delivery, reason)
            grid.again(tr("{file} is closed.", file=chosen.file))


def _release(desk: Desk, held: list[str], files: Mapping[str, str]) -> None:
    if not held:
        return
    st.subheader(tr("Held deliveries"))
    delivery = st.selectbox(tr("Held delivery"), held, format_func=lambda d: files[d])
    reason = st.text_input(tr("Why its right rows may be published, or why it is closed"))
    send, close = st.columns(2)
    if send.button(tr("Send the right rows of this delivery")):
        with told(desk):
            grid.again(tr("{rows} sent.", rows=counted(desk.release(str(delivery), reason).sent, "row")))
    if close.button(tr("Close it with all its rows: the table stays as it is")):
        with told(desk):
            grid.again(
                tr(
                    "The delivery is closed, with {rows}.",
                    rows=counted(desk.dismiss_delivery(str(delivery), reason), "row"),
                )
            )
