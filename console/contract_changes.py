"""What a dataset's contract could become: other names of its columns, on which two people agree, and a change that is tried in a copy."""

from __future__ import annotations

import datetime as dt
from collections import Counter

import streamlit as st

from console.frame import Frame, done, href, links, plain, table, told, when
from console.language import counted, retold, tr
from platform_assets.access.roles import Permission
from platform_assets.contracts.model import Contract
from platform_assets.ingest.aliases import AGREED, ENDED
from platform_assets.quarantine import drafts
from platform_assets.quarantine.reasons import in_words


def draft(frame: Frame, contract: Contract) -> None:
    """A change of the contract, tried on the last deliveries in a copy."""
    st.subheader(tr("Try a change of the contract"))
    st.write(
        tr(
            "Change what is right, and see what the last deliveries would have become. Nothing is changed by it: each file is judged in a copy, "
            "which goes afterwards. An engineer makes the change itself."
        )
    )
    with st.expander(tr("Draft")):
        text = st.text_area(
            tr("Columns and limits"), drafts.draft_of(contract), height=320, key=f"draft-{contract.name}"
        )
        if not st.button(tr("Try it on the last deliveries"), key=f"try-{contract.name}"):
            return
        with told(frame), st.spinner(tr("The deliveries are judged.")):
            _tried(contract, drafts.try_draft(frame.office, contract.name, text, frame.user))


def _tried(contract: Contract, found: list[drafts.Tried]) -> None:
    """What the draft would have made of each delivery, and why."""
    if not found:
        st.write(tr("Nothing was loaded yet."))
        return
    newly, right = sum(t.newly_wrong for t in found), sum(t.newly_right for t in found)
    if newly or right:
        would, valid = counted(newly, "row"), counted(right, "row")
        said = tr(
            "{would} more would be in quarantine; {valid} would be right that are wrong now.", would=would, valid=valid
        )
        st.write(plain(said))
    else:
        st.write(tr("No row would be judged otherwise."))
    table(
        [
            {
                "delivery": href("deliveries", t.entry.file, delivery=t.entry.delivery, dataset=contract.name),
                "rows": t.rows,
                "wrong now": t.wrong,
                "wrong by the draft": t.wrong_by_draft,
                "newly in quarantine": t.newly_wrong,
                "newly right": t.newly_right,
                "what else": retold(t.left) if t.left else tr("it would be held") if t.held else "",
            }
            for t in found
        ],
        hide_index=True,
        height="content",
        column_config={"delivery": links("delivery")},
    )
    reasons: Counter[str] = Counter()
    for tried in found:
        reasons.update(tried.reasons)
    if reasons:
        st.write(tr("Why rows would be in quarantine:"))
        table(
            [{"rows": n, "reason": retold(in_words(r))} for r, n in reasons.most_common()],
            hide_index=True,
            column_config={"reason": st.column_config.TextColumn(width="large")},
        )


def aliases(frame: Frame, dataset: str) -> None:
    """Names under which columns also come: proposed at the door, agreed to here by a second person, taken back by any."""
    names = frame.office.aliases(dataset, frame.user)
    living = [a for a in names.all() if a.state != ENDED]
    if not living:
        return
    st.subheader(tr("Other names of columns"))
    st.write(tr("A file with one of the agreed names is read as if it had the name of the contract."))
    for alias in living:
        with st.container(border=True), told(frame):
            st.text(tr("{name} stands for {column}", name=alias.name, column=alias.column))
            if alias.state == AGREED:
                agreed = when(dt.datetime.fromisoformat(alias.agreed_at))
                st.text(
                    tr(
                        "Proposed by {proposer}, agreed to by {agreed_by} on {at}.",
                        proposer=alias.proposer,
                        agreed_by=alias.agreed_by,
                        at=agreed,
                    )
                )
            else:
                proposed = when(dt.datetime.fromisoformat(alias.proposed_at))
                st.text(
                    tr(
                        "Proposed by {proposer} on {at}: a second person has to agree.",
                        proposer=alias.proposer,
                        at=proposed,
                    )
                )
            if not frame.user.may(Permission.FIX):
                continue
            own = alias.proposed_by == frame.user.id
            left, right, _ = st.columns([1, 1, 3])
            if alias.state != AGREED and left.button(tr("Agree"), key=f"agree-{alias.name}", disabled=own):
                names.agree(alias.name)
                done(tr("{name} stands for {column} from the next load on.", name=alias.name, column=alias.column))
            if right.button(tr("Take back"), key=f"take-back-{alias.name}"):
                names.take_back(alias.name)
                done(tr("{name} is no name of {column} any more.", name=alias.name, column=alias.column))
