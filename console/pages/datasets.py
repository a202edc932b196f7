"""Datasets: each contract in plain words, and how its quality went over time."""

from __future__ import annotations

import datetime as dt
from collections import Counter
from typing import TYPE_CHECKING, Any

import streamlit as st

from console import contract_changes
from console.frame import Frame, href, links, moment, plain, table, when
from console.language import counted, retold, share, tr
from platform_assets.access.roles import Permission
from platform_assets.contracts.columns import Column
from platform_assets.contracts.model import Contract
from platform_assets.contracts.words import limits_in_words
from platform_assets.ingest import ledger
from platform_assets.ingest.ledger import Entry
from platform_assets.ingest.quality import last_due
from platform_assets.quarantine.reasons import added_up, drift_in_words
from platform_assets.quarantine.reasons import in_words as reason_in_words

if TYPE_CHECKING:
    import pandas as pd

RIGHT, WRONG, HELD, OLD = "right", "wrong, in quarantine", "held", "superseded"
COLOURS = {RIGHT: "#9db8cc", WRONG: "#b5362c", HELD: "#e0a458", OLD: "#d9d9d9"}
LATEST = 8
"""Deliveries that are told one by one."""
SINGLE = 26
"""Up to so many deliveries each has a bar of its own; more are added up by week of loading."""


def show(frame: Frame) -> None:
    """One dataset."""
    frame.user.require(Permission.SEE_STATUS)
    st.title(tr("Datasets"))
    dataset = frame.dataset()
    contract = frame.office.contracts[dataset]
    st.text(contract.description)
    st.text("\n".join(sentences(contract)))
    warehouse = frame.office.warehouse
    with warehouse.connect() as connection:
        there = bool(warehouse.columns(connection, ledger.TABLE))
        entries = ledger.read(connection, dataset) if there else []
    st.subheader(tr("How fresh it is"))
    st.write(plain(fresh(contract, entries, dt.datetime.now(dt.UTC))))
    st.subheader(tr("Quality over time"))
    judged = [e for e in entries if e.rows_in]
    if judged:
        _quality(contract, judged)
    else:
        st.write(tr("Nothing was loaded yet."))
    _drift(entries)
    st.subheader(tr("Columns"))
    table(
        [
            {"column": n, "type": tr(c.type.value), "what is right": rule(c), "meaning": c.description}
            for n, c in contract.columns.items()
        ],
        hide_index=True,
        height="content",
    )
    contract_changes.aliases(frame, dataset)
    if frame.user.may(Permission.RUN):
        contract_changes.draft(frame, contract)


# ------------------------------------------------------------------ quality


def _quality(contract: Contract, entries: list[Entry]) -> None:
    st.write(plain(in_words(contract, entries)))
    rows = per_delivery(entries)
    st.altair_chart(chart(rows, contract.quality.max_quarantined), width="content")
    reasons: Counter[str] = Counter()
    for entry in entries:
        reasons.update(entry.reasons)
    if reasons:
        st.write(tr("What was wrong, over all deliveries:"))
        table(
            [
                {
                    "rows": n,
                    "reason": retold(reason_in_words(r)),
                    "see them": href("quarantine", tr("rows still open"), dataset=contract.name, reason=r),
                }
                for r, n in list(added_up(reasons).items())[:10]
            ],
            hide_index=True,
            height="content",
            column_config={
                "rows": st.column_config.NumberColumn(width="small"),
                "reason": st.column_config.TextColumn(width="large"),
                "see them": links("see them"),
            },
        )

    if sum(bool(e.reasons) for e in entries) > 1:
        st.write(tr("The same by delivery, newest first:"))
        table(by_rule(entries), hide_index=True, height="content")


def by_rule(entries: list[Entry]) -> list[dict[str, str | int | None]]:
    """A row for each broken rule, most rows first: `reason`, and its rows in each of the latest deliveries that break any; None: none does."""
    broken_in = [e for e in entries if e.reasons]
    latest = sorted(broken_in, key=lambda e: (e.loaded_at, e.delivered_at, e.file), reverse=True)[:LATEST]
    broken = [added_up(e.reasons) for e in latest]
    every: Counter[str] = Counter()
    for counts in broken:
        every.update(counts)
    names = [f"{when(e.loaded_at)}: {e.file}" for e in latest]
    return [
        {
            "reason": retold(reason_in_words(rule)),
            **{n: counts.get(rule) for n, counts in zip(names, broken, strict=True)},
        }
        for rule, _ in every.most_common()
    ]


def fresh(contract: Contract, entries: list[Entry], now: dt.datetime) -> str:
    """When the last delivery came, and whether one should have come since."""
    taken = [e for e in entries if e.status in ("published", "repeated")]
    last = max((e.delivered_at.replace(tzinfo=dt.UTC) for e in taken), default=None)
    said = (
        tr("The last delivery that was taken arrived {last}.", last=when(last))
        if last
        else tr("No delivery was taken yet.")
    )
    if contract.quality.freshness is None:
        return " ".join([said, tr("The contract does not say when one is due.")])
    due, before = last_due(contract.quality.freshness, now, contract.timezone)
    if last is None or last <= before:
        return " ".join(
            [said, tr("One was due {due}: ask {owner} or the sender.", due=when(due), owner=contract.owner)]
        )
    return " ".join([said, tr("It came in time.")])


def _drift(entries: list[Entry]) -> None:
    """What came otherwise than the contract says, delivery by delivery."""
    otherwise = [e for e in sorted(entries, key=lambda e: e.loaded_at, reverse=True) if e.drift][:LATEST]
    if not otherwise:
        return
    st.subheader(tr("Columns that came otherwise"))
    table(
        [
            {
                "delivery": href("deliveries", e.file, delivery=e.delivery),
                "loaded": e.loaded_at,
                "what": "; ".join(map(retold, drift_in_words(e.drift))),
            }
            for e in otherwise
        ],
        hide_index=True,
        height="content",
        column_config={
            "delivery": links("delivery"),
            "loaded": moment("loaded"),
            "what": st.column_config.TextColumn(width="large"),
        },
    )


def in_words(contract: Contract, entries: list[Entry]) -> str:
    """What the plots show, in a few sentences."""
    held = [e for e in entries if e.status == "held"]
    judged = [e for e in entries if e.status != "held"]
    rows, wrong = sum(e.rows_in for e in judged), sum(e.quarantined for e in judged)
    part = share(wrong / rows if rows else 0)
    said = []
    if judged:
        deliveries = counted(len(judged), "delivery", "deliveries")
        amount = (
            tr("{were} wrong ({part})", were=counted(wrong, "was", "were"), part=part)
            if wrong
            else tr("none was wrong")
        )
        said.append(
            tr("{deliveries} with {rows}: {amount}.", deliveries=deliveries, rows=counted(rows, "row"), amount=amount)
        )
    if wrong and len(judged) > 1:
        worst = max(judged, key=lambda e: e.quarantined / e.rows_in)
        said.append(
            tr(
                "Most in {file} ({quarantined} of its rows).",
                file=worst.file,
                quarantined=share(worst.quarantined / worst.rows_in),
            )
        )
    if held:
        waiting = sum(e.quarantined for e in held)
        said.append(
            tr(
                "{deliveries} held, with {rows}: none is in the table.",
                deliveries=counted(len(held), "delivery is", "deliveries are"),
                rows=counted(waiting, "row"),
            )
        )
    said.append(
        tr(
            "A delivery with more than {max_quarantined} wrong rows is held.",
            max_quarantined=share(contract.quality.max_quarantined),
        )
    )
    return " ".join(said)


def per_delivery(entries: list[Entry]) -> pd.DataFrame:
    """`place` (file, or week of loading where there are many), `number` (its order), `kind` (in their `order`), `rows`, `share` of the place's rows."""
    import pandas as pd

    single = len(entries) <= SINGLE
    ordered = sorted(entries, key=lambda e: (e.loaded_at, e.delivered_at, e.file))
    names = Counter(e.file for e in ordered)
    parts = [
        {
            "place": (e.file if names[e.file] == 1 else f"{e.file} ({when(e.loaded_at)})")
            if single
            else f"{e.loaded_at:%G-W%V}",
            "number": number if single else 0,
            "order": list(COLOURS).index(kind),
            "kind": kind,
            "rows": rows,
        }
        for number, e in enumerate(ordered)
        for kind, rows in _parts(e).items()
    ]
    table = pd.DataFrame(parts).groupby(["number", "place", "order", "kind"], as_index=False)["rows"].sum()
    return table.assign(share=table["rows"] / table.groupby("place")["rows"].transform("sum"))


def _parts(entry: Entry) -> dict[str, int]:
    """Rows of a delivery by what became of them. Of a held one all wait, right or wrong."""
    held = entry.status == "held"
    return {
        RIGHT: entry.valid,
        WRONG: 0 if held else entry.quarantined,
        HELD: entry.quarantined if held else 0,
        OLD: entry.superseded,
    }


def chart(rows: pd.DataFrame, limit: float) -> Any:
    """Two panels with a line per delivery, newest first: wrong rows as a share, and rows by what became of them."""
    import altair as alt

    order = list(rows["place"].unique()[::-1])
    names = alt.Axis(title=None, labelLimit=260, ticks=False, domain=False)
    wrong = rows[rows["kind"] == WRONG].copy()
    held = set(rows[(rows["kind"] == HELD) & (rows["rows"] > 0)]["place"])
    wrong["said"] = [
        f"{share(part)} ({counted(n, 'row')})" if n else tr("held") if place in held else tr("none")
        for place, part, n in zip(wrong["place"], wrong["share"], wrong["rows"], strict=True)
    ]
    top = max(float(wrong["share"].max()), 0.01) * 1.6  # room for what stands beside the longest bar
    base = alt.Chart(wrong, width=330, height=alt.Step(24)).encode(
        y=alt.Y("place:N", sort=order, axis=names),
        x=alt.X(
            "share:Q",
            title=None,
            axis=alt.Axis(format=".0%" if top > 0.04 else ".1%", tickCount=4),
            scale=alt.Scale(domain=[0, top]),
        ),
        tooltip=["place", alt.Tooltip("said", title=tr(WRONG))],
    )
    shares = base.mark_bar(color=COLOURS[WRONG]) + base.mark_text(align="left", dx=5, color="#444").encode(text="said")
    if limit <= top:
        line = alt.Chart(alt.Data(values=[{"limit": limit}]))
        shares += line.mark_rule(strokeDash=[4, 4], color="#444").encode(x="limit:Q")
    kinds = {k: tr(k) for k in COLOURS}
    sizes = (
        alt.Chart(rows.assign(kind=rows["kind"].map(kinds)), width=330, height=alt.Step(24))
        .mark_bar()
        .encode(
            y=alt.Y("place:N", sort=order, axis=None),
            x=alt.X("rows:Q", title=None, axis=alt.Axis(format=",d", tickCount=4)),
            color=alt.Color(
                "kind:N",
                scale=alt.Scale(domain=list(kinds.values()), range=list(COLOURS.values())),
                legend=alt.Legend(orient="top", title=None),
            ),
            order=alt.Order("order:Q"),
            tooltip=["place", "kind", alt.Tooltip("rows", format=",d")],
        )
    )
    dashed = tr("; dashed: held above this") if limit <= top else ""
    both = alt.hconcat(
        shares.properties(title=tr("Wrong rows, share of the delivery{dashed}", dashed=dashed)),
        sizes.properties(title=tr("Rows, by what became of them")),
        spacing=30,
    )
    return both.configure_title(fontSize=14, anchor="start").configure_view(stroke=None)


# ------------------------------------------------------------------ the contract in words


def sentences(contract: Contract) -> list[str]:
    """How deliveries are loaded, and what holds them, in words."""
    key = ", ".join(contract.load.key)
    how = retold(contract.load.changes.in_words(key))
    limits = tr(
        "A delivery with fewer than {rows}, or with more than {max_quarantined} wrong rows, is held until someone looks.",
        rows=counted(contract.quality.min_rows, "row"),
        max_quarantined=share(contract.quality.max_quarantined),
    )
    rules = [
        tr(
            "Rule {name}: {says} ({word}).",
            name=r.name,
            says=(r.description or r.check).rstrip("."),
            word=(tr("rejects the row") if r.severity == "error" else tr("counted")),
        )
        for r in contract.rules
    ]
    return [tr("Looked after by {owner}.", owner=contract.owner), how, limits, *rules]


def rule(column: Column) -> str:
    """What a value of the column must be, in words."""
    parts = [] if column.nullable else [tr("needed")]
    if column.role == "identifier":
        parts.append(tr("replaced by a pseudonym"))
    parts += map(retold, limits_in_words(column))
    return "; ".join(parts)
