"""Start: what waits for me."""

from __future__ import annotations

from typing import TYPE_CHECKING

import streamlit as st

from console.dagster_client import DagsterError, FailedCheck
from console.frame import Frame, href, link, links, plain, settle, table
from console.language import counted, number, retold, sentence, tr
from platform_assets.access.roles import Permission
from platform_assets.quarantine.overview import Waiting, waiting
from platform_assets.quarantine.reasons import in_words, rule_of

if TYPE_CHECKING:
    from streamlit.delta_generator import DeltaGenerator


def show(frame: Frame) -> None:
    """Counts, then the places that need someone; each leads to where it is done."""
    frame.user.require(Permission.SEE_STATUS)
    st.title(tr("What waits"))
    settle(frame)
    found = waiting(frame.office, frame.user)
    places = st.columns(4)
    _count(places[0], tr("Files waiting"), sum(w.files for w in found), "deliveries")
    _count(places[1], tr("Rows in quarantine"), sum(w.rows for w in found), "quarantine")
    _count(places[2], tr("Deliveries held"), sum(w.held for w in found), "quarantine")
    if frame.user.may(Permission.SEE_ERASURE):
        _count(places[3], tr("Requests for erasure"), len(frame.office.eraser().requests.all()), "erasure")
    _datasets(frame, found)
    try:
        stale, failed = frame.dagster.troubles()
    except DagsterError as error:
        st.info(plain(sentence(str(error))))
        return
    st.subheader(tr("Failed checks"))
    if failed:
        st.write(tr("They tell how the last load of each table went, and pass again with the next one that is right."))
        table(
            [
                {
                    "table": _leads_on(f.asset),
                    "check": tr(f.check.replace("_", " ")),
                    "what it does": tr("stops the load") if f.blocking else tr("warns"),
                    "now": now(f, found),
                    "what it says": sentence(rule_of(f.said)),
                }
                for f in failed
            ],
            hide_index=True,
            column_config={
                "table": links("table"),
                "what it says": st.column_config.TextColumn(width="large"),
            },
        )
    else:
        st.write(tr("None."))
    st.subheader(tr("Stale tables"))
    st.text("\n".join(stale) or tr("None: every table is made from the latest data."))


def _count(place: DeltaGenerator, label: str, amount: int, page: str) -> None:
    """A number, and the way to what it counts."""
    with place:
        st.metric(plain(label), number(amount))
        if amount:
            link(tr("See them"), page)


def _leads_on(asset: str) -> str:
    """A table as a link to its dataset."""
    return href("datasets", asset, dataset=asset.rpartition("/")[2])


def now(failed: FailedCheck, found: list[Waiting]) -> str:
    """What has become, since, of deliveries that a check has found held; '' for other checks."""
    if failed.check not in ("quarantine_rate", "minimum_rows") or "refused as a whole" in failed.said:
        return ""
    held = {w.dataset: w.held for w in found}.get(failed.asset.rsplit("/", 1)[-1])
    if held is None:
        return ""
    return (
        tr("{deliveries} still held", deliveries=counted(held, "delivery is", "deliveries are"))
        if held
        else tr("settled: nothing is held any more")
    )


def _datasets(frame: Frame, found: list[Waiting]) -> None:
    """Those where something waits, most first, each with the way to it; the others in a sentence."""
    busy = sorted((w for w in found if w.files or w.rows or w.held), key=lambda w: (-w.held, -w.rows, -w.files))
    quiet = [w.dataset for w in found if w not in busy]
    mends = frame.user.may(Permission.SEE_QUARANTINE)
    if busy:
        table(
            [
                {
                    "dataset": href("datasets", w.dataset, dataset=w.dataset),
                    "files waiting": w.files,
                    "deliveries held": w.held,
                    "rows in quarantine": w.rows,
                    "most frequent reason": retold(in_words(w.reason)),
                    "to do": _to_do(w, mends),
                }
                for w in busy
            ],
            hide_index=True,
            column_config={
                "dataset": links("dataset"),
                "to do": links("to do"),
                "most frequent reason": st.column_config.TextColumn(width="large"),
            },
        )
    else:
        st.success(tr("No dataset needs anybody."))
    if busy and quiet:
        st.text(tr("Nothing waits in {quiet}.", quiet=", ".join(quiet)))


def _to_do(waiting: Waiting, mends: bool) -> str:
    """Where to go on with a dataset."""
    if mends and (waiting.rows or waiting.held):
        return href("quarantine", tr("mend the rows"), dataset=waiting.dataset)
    return href("deliveries", tr("see the files"), dataset=waiting.dataset)
