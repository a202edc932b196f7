"""The life of one delivery: the file, who brought it, how it was judged, which rows wait, who mended them, in which run, and what was made of it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import streamlit as st

from console.frame import Frame, href, link, links, moment, plain, table, when
from console.language import counted, number, retold, tr
from platform_assets.access.roles import Permission
from platform_assets.indicators import receipts
from platform_assets.ingest import ledger
from platform_assets.ingest.ledger import Entry
from platform_assets.quarantine.reasons import added_up, drift_in_words, in_words

if TYPE_CHECKING:
    import duckdb

STATES = {
    "published": "Its right rows are in the table.",
    "held": "It is held as a whole: nothing of it is in the table until someone looks.",
    "superseded": "It is older than the table, so none of its rows is in it.",
    "repeated": "The same content came before, so nothing changed.",
    "rejected": "Nothing in it could be judged, so none of its rows is in the table.",
}


def show(frame: Frame, delivery: str) -> None:
    """One delivery of any dataset; what the user may not see of it is not there."""
    entry = _found(frame, delivery)
    if entry is None:
        st.title(tr("Deliveries"))
        st.warning(
            tr("There is no delivery with this address. It may be of another installation, or was never loaded.")
        )
        link(tr("All deliveries"), "deliveries")
        return
    st.title(plain(entry.file))
    link(tr("All deliveries of the dataset"), "deliveries", dataset=entry.dataset)
    st.write(plain(_sentences(entry)))
    if entry.reason:
        st.warning(plain(tr("Why: {reason}", reason=retold(entry.reason))))
    _sender(frame, entry)
    _judged(entry)
    _waiting(frame, entry)
    _acts(frame, entry)
    _used(frame, entry)


def _found(frame: Frame, delivery: str) -> Entry | None:
    warehouse = frame.office.warehouse
    with warehouse.connect() as connection:
        if not warehouse.columns(connection, ledger.TABLE):
            return None
        for name in frame.office.contracts:
            for entry in ledger.read(connection, name, deliveries=[delivery]):
                return entry
    return None


def _sentences(entry: Entry) -> str:
    arrived, loaded = when(entry.delivered_at), when(entry.loaded_at)
    said = [
        tr(
            "A file for {dataset}. It arrived on {arrived} and was loaded on {loaded}, in {seconds} seconds.",
            dataset=entry.dataset,
            arrived=arrived,
            loaded=loaded,
            seconds=number(entry.seconds, 1),
        )
    ]
    said.append(
        tr(STATES[entry.status]) if entry.status in STATES else tr("Its state is {status}.", status=entry.status)
    )
    if entry.rows_in:
        said.append(
            tr(
                "It has {rows}: {valid} right, {quarantined} in quarantine, {superseded} superseded. In the table, {inserted} are new, {updated} replaced an older row, {unchanged} were there already.",
                rows=counted(entry.rows_in, "row"),
                valid=entry.valid,
                quarantined=entry.quarantined,
                superseded=entry.superseded,
                inserted=entry.inserted,
                updated=entry.updated,
                unchanged=entry.unchanged,
            )
        )
    return " ".join(said)


def _sender(frame: Frame, entry: Entry) -> None:
    if frame.user.may(Permission.SEE_AUDIT):
        brought = [e for e in frame.audit.entries() if e.action == "upload" and e.details.get("sha256") == entry.sha256]
        if brought:
            st.write(plain(tr("Sent from this console by {who}.", who=brought[-1].who)))
        else:
            st.write(tr("It was not sent from this console: it came into landing by itself."))
    if entry.run:
        link(tr("The run that loaded it"), "runs", run=entry.run)


def _judged(entry: Entry) -> None:
    st.subheader(tr("How it was judged"))
    if not entry.reasons:
        st.write(tr("No row broke a rule."))
    else:
        table(
            [
                {
                    "rows": rows,
                    "reason": retold(in_words(rule)),
                    "see them": href(
                        "quarantine", tr("rows still open"), dataset=entry.dataset, delivery=entry.delivery, reason=rule
                    ),
                }
                for rule, rows in added_up(entry.reasons).items()
            ],
            hide_index=True,
            column_config={"reason": st.column_config.TextColumn(width="large"), "see them": links("see them")},
        )
    for words in drift_in_words(entry.drift):
        st.write(plain(f"{retold(words)}."))


def _waiting(frame: Frame, entry: Entry) -> None:
    if not entry.quarantined:
        return
    st.subheader(tr("Rows that wait"))
    counts = frame.office.desk(entry.dataset, frame.user).counts()
    mine = counts[counts["delivery"] == entry.delivery]
    if mine.empty:
        st.write(tr("None: all of its rows were mended or dismissed."))
        return
    st.write(
        plain(
            tr(
                "Rows are still open, for {reasons}.",
                reasons=counted(len(added_up(dict.fromkeys(mine["reason"], 1))), "reason"),
            )
        )
    )
    link(tr("Mend them"), "quarantine", dataset=entry.dataset, delivery=entry.delivery)


def _acts(frame: Frame, entry: Entry) -> None:
    acts = frame.office.desk(entry.dataset, frame.user).acts(entry.delivery)
    if acts.empty:
        return
    st.subheader(tr("What people did with its rows"))
    acts["action"] = [tr(str(action)) for action in acts["action"]]
    acts["sent as"] = [
        href("deliveries", str(file), delivery=str(fix), dataset=entry.dataset) if isinstance(fix, str) else ""
        for file, fix in zip(acts["fix_file"], acts["fix_delivery"], strict=True)
    ]
    table(
        acts[["at", "by", "action", "rows", "reason", "sent as"]],
        hide_index=True,
        placeholder="",
        column_config={"at": moment("when"), "sent as": links("sent as")},
    )


def _used(frame: Frame, entry: Entry) -> None:
    """Indicators that were made of the dataset's table after the delivery came."""
    st.subheader(tr("What was made of it"))
    warehouse = frame.office.warehouse
    with warehouse.connect() as connection:
        made = _made(frame, connection, entry)
    if not made:
        st.write(tr("No indicator has been made of the dataset's table since."))
        return
    st.write(tr("Indicators that were made of the dataset's table after this delivery had come."))
    table(
        [
            {
                "indicator": r.indicator,
                "made": r.made_at,
                "run": href("runs", tr("the run"), run=r.run),
            }
            for r in made
        ],
        hide_index=True,
        column_config={"made": moment("made"), "run": links("run")},
    )


def _made(frame: Frame, connection: duckdb.DuckDBPyConnection, entry: Entry) -> list[receipts.Receipt]:
    if entry.status != "published":
        return []
    found = [receipts.last(connection, name) for name, _, _ in receipts.newest(frame.office.warehouse, connection)]
    table = f"validated.{entry.dataset}"
    return [r for r in found if r and r.made_at >= entry.loaded_at and table in {u.table for u in r.inputs.values()}]
