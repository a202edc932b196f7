"""The grid of quarantined rows: every cell is text, what is wrong stands in red beside the cell, and an edit is judged before it is staged."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import streamlit as st

from console.frame import done, plain, told
from console.language import counted, retold, tr
from platform_assets.quarantine.desk import Desk
from platform_assets.quarantine.fixes import Fix
from platform_assets.quarantine.reasons import about_cell, column_of, in_words
from platform_assets.quarantine.tables import RowKey

if TYPE_CHECKING:
    import datetime as dt

    import pandas as pd

META = ["_row", "_file", "_state", "_staged_by", "_text"]
LISTED = 20
"""Rows that are named one by one."""
WRONG = "background-color: #fbe3e1; color: #8c1d18"


def show(desk: Desk, grid: str, look: Callable[[], pd.DataFrame], most: int) -> None:
    """The grid under the name `grid`, with the rows that `look` gives (at most `most`), and what is done with them."""
    rows = _as_begun(grid, look)
    if not len(rows):
        st.write(tr("No open row is chosen."))
        return
    if len(rows) == most:
        st.info(
            plain(
                tr(
                    "The first {most} rows are shown: choose a delivery, a reason or a value, or mend many at once.",
                    most=most,
                )
            )
        )
    texts = [c for c in rows.columns if not c.startswith("_")]
    keys = [RowKey(d, f, int(r)) for d, f, r in zip(rows["_delivery"], rows["_file"], rows["_row"], strict=True)]
    changed = _changes(grid, rows, texts, keys)
    reasons = _reasons(desk, rows, texts, changed)
    shown, order, config = _drawn(desk, rows, texts, reasons)
    st.write(
        tr(
            "The grid can lose the first of fast keys: press Enter and type when the cell is open, or mend the row as a form below, which loses none."
        )
    )
    edited = st.data_editor(
        shown.style.map(
            lambda cell: WRONG if cell else "", subset=[c for c in shown.columns if c.startswith("wrong ")]
        ),
        hide_index=True,
        num_rows="fixed",
        disabled=[c for c in shown.columns if c not in (*texts, "choose")],
        key=grid,
        column_order=order,
        column_config=config,
    )
    chosen = [keys[n] for n in range(len(rows)) if edited.iloc[n]["choose"]]
    _verdict(changed, reasons, keys)
    _buttons(desk, list(changed.values()), chosen)
    _one_row(desk, rows, texts, keys)


def still_wrong(wrong: Mapping[RowKey, Sequence[str]]) -> str:
    """Which rows are still wrong, and why: '' where none is."""
    if not wrong:
        return ""
    named = [
        tr("{file}, row {row}: {why}", file=key.file, row=key.row, why="; ".join(retold(in_words(r)) for r in why))
        for key, why in list(wrong.items())[:LISTED]
    ]
    more = [tr("and {rows} more", rows=len(wrong) - LISTED)] if len(wrong) > LISTED else []
    return "\n\n".join([tr("{rows} still wrong:", rows=counted(len(wrong), "row is", "rows are")), *named, *more])


def again(message: str, trouble: str = "") -> None:
    """Draw the page anew, with an empty grid."""
    st.session_state["quarantine"] = st.session_state.get("quarantine", 0) + 1
    done(message, trouble)


def _as_begun(grid: str, look: Callable[[], pd.DataFrame]) -> pd.DataFrame:
    """The rows as they were when the user began to change them in the `grid`, so that changes are made to what was seen; else as they
    are now."""
    begun: tuple[str, pd.DataFrame] | None = st.session_state.get("rows")
    if begun and begun[0] == grid and (st.session_state.get(grid) or {}).get("edited_rows"):
        return begun[1]
    rows = look()
    st.session_state["rows"] = (grid, rows)
    return rows


def _changes(grid: str, rows: pd.DataFrame, texts: list[str], keys: list[RowKey]) -> dict[int, Fix]:
    """Rows of which a cell was changed in the grid (their place) -> their new text."""
    edits: Mapping[int, Mapping[str, Any]] = (st.session_state.get(grid) or {}).get("edited_rows", {})
    found = {}
    for place, cells in edits.items():
        row = rows.iloc[int(place)]
        before = {c: _text(row[c]) for c in texts}
        after = {**before, **{c: _value(before[c], v) for c, v in cells.items() if c in before}}
        if after != before:
            found[int(place)] = Fix(keys[int(place)], after, _moment(row["_staged_at"]))
    return found


def _reasons(desk: Desk, rows: pd.DataFrame, texts: list[str], changed: Mapping[int, Fix]) -> list[list[str]]:
    """Why each row is wrong as it reads now: what was changed or staged is judged anew, by the contract."""
    reasons = [list(why) for why in rows["_reasons"]]
    staged = [n for n, state in enumerate(rows["_state"]) if state == "staged" and n not in changed]
    places = [*changed, *staged]
    values = [f.values for f in changed.values()] + [{c: _text(rows.iloc[n][c]) for c in texts} for n in staged]
    for place, why in zip(places, desk.check(values) if values else [], strict=True):
        reasons[place] = why
    return reasons


def _drawn(
    desk: Desk, rows: pd.DataFrame, texts: list[str], reasons: list[list[str]]
) -> tuple[pd.DataFrame, list[str], dict[str, Any]]:
    """The table that is shown, the order of its columns, and how they are called."""
    began = {column_of(r, texts) for why in rows["_reasons"] for r in why}
    wrong = [c for c in texts if c in began]  # as they began: a column that came and went would take the edits with it
    shown = rows[[*META, *texts]].copy()
    for column in (*texts, "_text", "_staged_by"):  # all text: a typed column would hide the bad value
        shown[column] = [v if isinstance(v, str) else "" for v in shown[column]]
    shown.insert(0, "choose", False)
    shown["wrong "] = [
        "; ".join(retold(in_words(r)) for r in why if column_of(r, texts) not in wrong) for why in reasons
    ]
    for column in wrong:
        shown[f"wrong {column}"] = [retold(about_cell(why, column)) for why in reasons]
    shown["_state"] = [
        tr("open") if state == "open" else tr("staged, still wrong") if why else tr("staged, right")
        for state, why in zip(shown["_state"], reasons, strict=True)
    ]
    lines = ["_text"] if (shown["_text"] != "").any() else []
    states = ["_state", "_staged_by"] if (shown["_staged_by"] != "").any() else ["_state"]
    staged = [] if len(states) == 1 else states  # whose text it is has to be seen beside it
    beside = [name for c in wrong for name in (c, f"wrong {c}")]
    other = ["wrong "] if (shown["wrong "] != "").any() else []
    rest = [c for c in texts if c not in wrong]
    order = ["choose", "_row", *staged, *lines, *beside, *other, *rest, *(states if not staged else []), "_file"]
    text = st.column_config.TextColumn
    config: dict[str, Any] = {
        "choose": st.column_config.CheckboxColumn(tr("choose"), width="small"),
        "_row": st.column_config.NumberColumn(tr("row"), width="small"),
        "_file": tr("file"),
        "_state": tr("state"),
        "_staged_by": tr("staged by"),
        "_text": tr("line that could not be split"),
        "wrong ": text(tr("what else is wrong"), width="medium"),
        **{c: text(c, help=plain(desk.contract.columns[c].description) or None) for c in texts},
        **{f"wrong {c}": text(tr("why {column}", column=c), width="medium") for c in wrong},
    }
    return shown, order, config


def _verdict(changed: Mapping[int, Fix], reasons: list[list[str]], keys: list[RowKey]) -> None:
    """What the contract says of the rows as they were just changed."""
    if not changed:
        return
    wrong = {keys[n]: reasons[n] for n in changed if reasons[n]}
    right = len(changed) - len(wrong)
    if right:
        st.success(plain(tr("{changed} right now.", changed=counted(right, "changed row is", "changed rows are"))))
    if wrong:
        st.warning(plain(still_wrong(wrong)))


def _buttons(desk: Desk, changed: list[Fix], chosen: list[RowKey]) -> None:
    stage, unstage, look = st.columns([3, 4, 4])
    if stage.button(
        tr("Stage {rows}", rows=counted(len(changed), "changed row")),
        type="primary",
        disabled=not changed,
        key="stage-changed",
    ):
        with told(desk):
            wrong = desk.stage(changed)
            again(tr("{fixes} staged.", fixes=counted(len(changed), "fix", "fixes")), still_wrong(wrong))
    if unstage.button(
        tr("Give back {rows} as delivered", rows=counted(len(chosen), "chosen row")),
        disabled=not chosen,
        key="give-back",
    ):
        with told(desk):
            desk.unstage(chosen)
            again(tr("The fixes were dropped: the rows are as they came."))
    if look.button(tr("Drop the changes and look again"), disabled=not (changed or chosen)):
        again(tr("These are the rows as they are now."))
    left, right = st.columns([4, 1], vertical_alignment="bottom")
    reason = left.text_input(tr("Reason for dismissing"), placeholder=tr("for example: test samples of the laboratory"))
    if right.button(tr("Dismiss {rows}", rows=counted(len(chosen), "chosen row")), disabled=not chosen, key="dismiss"):
        with told(desk):
            desk.dismiss(chosen, reason)
            again(tr("{rows} dismissed.", rows=counted(len(chosen), "row")))


def _one_row(desk: Desk, rows: pd.DataFrame, texts: list[str], keys: list[RowKey]) -> None:
    """One row as a form: for telephones, and for who works by keyboard. Each field says what is wrong with it."""
    with st.expander(tr("Mend one row as a form")):
        place = st.selectbox(
            tr("Row to mend"),
            range(len(rows)),
            index=None,
            placeholder=tr("choose a row"),
            format_func=lambda n: tr("row {row} of {file}", row=keys[n].row, file=keys[n].file),
        )
        if place is None:
            return
        version = st.session_state.get("quarantine", 0)
        row = rows.iloc[place]
        before = {c: _text(row[c]) for c in texts}
        cell = f"form-{version}-{keys[place]}"
        after = {c: _value(before[c], st.session_state.get(f"{cell}-{c}", before[c] or "")) for c in texts}
        (why,) = desk.check([after])
        for column in sorted(texts, key=lambda c: not about_cell(why, c) and not about_cell(row["_reasons"], c)):
            st.text_input(plain(column), value=before[column] or "", key=f"{cell}-{column}")
            said = retold(about_cell(why, column))
            if said:
                st.write(plain(f"{column}: {said}"))
        others = [retold(in_words(r)) for r in why if not column_of(r, texts)]
        if others:
            st.warning(plain("; ".join(others)))
        if after != before and not why:
            st.success(tr("The row is right now."))
        if st.button(tr("Stage this row"), disabled=after == before):
            with told(desk):
                wrong = desk.stage([Fix(keys[place], after, _moment(row["_staged_at"]))])
                again(tr("1 fix staged."), still_wrong(wrong))


def _moment(at: pd.Timestamp) -> dt.datetime | None:
    return None if at != at else at.to_pydatetime()  # NaT is not itself


def _text(value: object) -> str | None:
    return value if isinstance(value, str) else None


def _value(before: str | None, now: str | None) -> str | None:
    """The grid shows a missing value as empty: empty it stays missing."""
    return None if not now and before is None else now or ""
