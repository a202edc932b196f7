"""Many rows at once: values by count, what is offered for them, what it would change, and the way back."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import streamlit as st

from console.frame import plain, table, told
from console.grid import again, still_wrong
from console.language import counted, retold, sentence, tr
from platform_assets.quarantine.mending.bench import Bench, Mended, Offer, Values, becoming
from platform_assets.quarantine.reasons import column_of
from platform_assets.quarantine.where import Where

if TYPE_CHECKING:
    from collections.abc import Mapping

OFFERED = 12
"""Buttons at most."""
VALUES = 500
"""Values of a column that are listed."""
UNDO = "mended"


def undo(bench: Bench) -> None:
    """A button that takes back what was staged last in one go."""
    last: tuple[str, Mended] | None = st.session_state.get(UNDO)
    if last is None or last[0] != bench.contract.name:
        return
    mended = last[1]
    what = tr("Undo: {words} ({rows})", words=retold(mended.words), rows=counted(len(mended.keys), "row"))
    if st.button(plain(what), icon=":material/undo:", key="undo"):
        with told(bench.desk):
            del st.session_state[UNDO]
            again(tr("{rows} as before.", rows=counted(bench.undo(mended), "row is", "rows are")))


def show(bench: Bench, where: Where, counts: Mapping[str, int]) -> Where:
    """Choose a column, an offer, see what it does, stage it. `counts`: reasons -> rows. Returns `where`, narrowed to the values that were clicked."""
    column = _column(bench, counts)
    with told(bench.desk):
        values = bench.values(column, where)
        mend, facet = st.columns([3, 2])
        with facet:
            clicked = _facet(column, values)
        narrowed = where if clicked is None else Where(where.delivery, where.rule, {**where.values, column: clicked})
        with mend:
            if clicked is not None:  # what is offered is for what was clicked
                counted_ = {v: n for v, n in values.counts.items() if v in clicked}
                values = Values(counted_, {v: n for v, n in values.wrong.items() if v in clicked})
            offer = _offers(bench, column, narrowed, values) or _own(column, values)
        if offer is not None:
            _preview(bench, offer, narrowed)
        return narrowed
    return where


def _column(bench: Bench, counts: Mapping[str, int]) -> str:
    """The column that is mended: the one with most wrong rows, until another is chosen."""
    texts = bench.desk.texts
    wrong: dict[str, int] = {}
    for reason, rows in counts.items():
        column = column_of(reason, texts)
        if column:
            wrong[column] = wrong.get(column, 0) + rows
    order = sorted(texts, key=lambda c: -wrong.get(c, 0))
    name = f"bulk-{bench.contract.name}"
    last = st.session_state.get(name)
    chosen = st.selectbox(
        tr("Column"),
        order,
        index=order.index(last) if last in order else 0,
        format_func=lambda c: tr("{name} ({rows} wrong)", name=c, rows=counted(wrong[c], "row")) if c in wrong else c,
    )
    st.session_state[name] = chosen
    return str(chosen)


def _facet(column: str, values: Values) -> list[str | None] | None:
    """Values by count; those that were clicked, None where none was."""
    listed = list(values.counts)[:VALUES]
    told_ = tr(
        "{values} in {column}. Click some to see and mend their rows only.",
        values=counted(len(values.counts), "value"),
        column=column,
    )
    st.write(plain(told_))
    event: Any = table(
        [{"value": v, "rows": values.counts[v], "wrong": tr("wrong") if v in values.wrong else ""} for v in listed],
        hide_index=True,
        height=240 if len(listed) > 5 else "content",
        placeholder=tr("(no value)"),
        on_select="rerun",
        selection_mode="multi-row",
        key=f"facet-{column}-{st.session_state.get('quarantine', 0)}",
        column_config={
            "rows": st.column_config.NumberColumn(width="small", format="localized"),
            "wrong": st.column_config.TextColumn(" ", width="small"),
        },
    )
    places: Sequence[int] = event.selection.rows
    return [listed[n] for n in places] or None


def _offers(bench: Bench, column: str, where: Where, values: Values) -> Offer | None:
    """What the platform would do, a button each; the one that was clicked."""
    offers = bench.offers(column, where, values)
    place = (
        f"offer-{bench.contract.name}-{column}-{where.delivery}-{where.rule}-{st.session_state.get('quarantine', 0)}"
    )
    chosen = st.session_state.get(place)
    if offers:
        st.write(tr("One click shows what would change; nothing is staged yet."))
    for offer in offers[:OFFERED]:
        label = f"{sentence(offer.words)} ({counted(offer.rows, 'row')})"
        st.button(
            plain(label),
            key=f"{place}-{offer.words}",
            type="primary" if offer.words == chosen else "secondary",
            on_click=st.session_state.__setitem__,
            args=(place, offer.words),
        )
    return next((o for o in offers if o.words == chosen), None)


def _own(column: str, values: Values) -> Offer | None:
    """Values and what they become, in the user's own words."""
    version = st.session_state.get("quarantine", 0)
    options = [v for v in (*values.wrong, *(v for v in values.counts if v not in values.wrong)) if v is not None][
        :VALUES
    ]
    if not options:
        st.write(tr("No open row shown here has a value in this column."))
        return None
    olds = st.multiselect(
        tr("Or these values"), options, placeholder=tr("choose options"), key=f"olds-{column}-{version}"
    )
    new = st.text_input(tr("become"), key=f"becomes-{column}-{version}", disabled=not olds)
    if not olds or new in olds:
        return None
    rows = sum(values.counts[old] for old in olds)
    return Offer(becoming(olds, new), column, rows, dict.fromkeys(olds, new or None))


def _preview(bench: Bench, offer: Offer, where: Where) -> None:
    """Before and after, the rows that are touched, and the button."""
    found = bench.preview(offer, where)
    with st.container(border=True):
        st.markdown(
            plain(
                tr(
                    "{what}: touches {rows}; {afterwards}.",
                    what=sentence(offer.words),
                    rows=counted(found.rows, "row"),
                    afterwards=_afterwards(found.rows, found.right),
                )
            )
        )
        table(
            [{"before": _cells(before), "after": _cells(after)} for before, after in found.before_and_after],
            hide_index=True,
            height=240 if len(found.before_and_after) > 6 else "content",
        )
        sure = True
        if offer.empties:
            sure = st.checkbox(
                tr(
                    "Yes, {values} shall be missing afterwards: I give nothing in its place.",
                    values=counted(len(offer.empties), "value"),
                ),
                key=f"sure-{offer.words}-{st.session_state.get('quarantine', 0)}",
            )
        if st.button(
            tr("Stage {rows}", rows=counted(found.rows, "row")),
            type="primary",
            disabled=not sure or not found.rows,
            key="stage-many",
        ):
            with told(bench.desk):
                mended = bench.stage(offer, where, empty_too=sure and bool(offer.empties))
                st.session_state[UNDO] = (bench.contract.name, mended)
                wrong = still_wrong(mended.wrong)
                right = "" if wrong else " " + tr("All of them are right now.")
                again(
                    tr(
                        "Staged {rows}: {words}.{right}",
                        rows=counted(len(mended.keys), "row"),
                        words=retold(mended.words),
                        right=right,
                    ),
                    wrong,
                )


def _afterwards(rows: int, right: int) -> str:
    if right == rows:
        return tr("all of them are right afterwards")
    return (
        tr("none of them is right in all its columns afterwards")
        if not right
        else tr("{right} of them are right afterwards", right=right)
    )


def _cells(row: Mapping[str, str | None]) -> str:
    if len(row) == 1:
        return next(iter(row.values())) or tr("(no value)")
    return ", ".join(f"{column}: {value or tr('(no value)')}" for column, value in row.items())
