"""Audit: who did what, when, on what ground; and whether the log is whole."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict

import streamlit as st

from console.frame import Frame, moment, plain, table, told
from console.language import counted, number, sentence, tr
from platform_assets.access import handing_out
from platform_assets.access.audit.entry import Head
from platform_assets.access.roles import Permission
from platform_assets.erasure.certificate import read_all
from platform_assets.people_csv import csv_bytes


def show(frame: Frame) -> None:
    """The log, newest first, and its verification against itself and against the heads in the certificates."""
    frame.user.require(Permission.SEE_AUDIT)
    import pandas as pd

    st.title(tr("Audit log"))
    with told(frame):
        handing_out.seen(frame.audit, frame.user, "audit.see")
        noted = [Head.parse(c["audit_head"]) for c in read_all(frame.office.store) if c.get("audit_head")]
        verdict = frame.office.audit.verify(noted)
        if verdict.whole:
            st.success(
                plain(
                    tr(
                        "{entries}, whole; held against {certificates}.",
                        entries=counted(verdict.entries, "entry", "entries"),
                        certificates=counted(len(noted), "certificate"),
                    )
                )
            )
        for problem in verdict.problems:
            st.error(plain(sentence(problem)))
        for note in verdict.notes:
            st.info(plain(sentence(note)))
        entries = [{**asdict(e), "details": in_words(e.details)} for e in frame.office.audit.entries()]
        log = pd.DataFrame(reversed(entries))
        if not log.empty:
            log = log[["seq", "at", "who", "action", "table", "ground", "details", "role", "hash"]]
            shown = log.drop(columns="hash").astype({"at": "datetime64[ns, UTC]"})
            table(shown, hide_index=True, column_config={"seq": tr("no."), "at": moment("at")})
            frame.download(tr("Download as CSV"), "audit.csv", lambda: csv_bytes(log), action="audit.download")


def in_words(details: Mapping[str, object]) -> str:
    """What an entry says besides, for people: ``column: result; rows: 4``."""
    return "; ".join(f"{tr(name)}: {_said(value)}" for name, value in details.items())


def _said(value: object) -> str:
    if isinstance(value, bool):
        return tr("yes") if value else tr("no")
    if isinstance(value, Mapping):
        return "{" + in_words(value) + "}"
    if isinstance(value, list | tuple):
        return ", ".join(map(_said, value))
    return number(value) if isinstance(value, int) else str(value)
