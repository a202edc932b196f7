"""About: what this is, and what each role may do."""

from __future__ import annotations

import streamlit as st

from console.frame import Frame, table
from console.language import retold, tr
from platform_assets.access.roles import ALLOWED, Permission, Role

WORDS = {
    Permission.SEE_STATUS: "see datasets, deliveries and runs",
    Permission.UPLOAD: "upload files",
    Permission.RUN: "start and cancel runs",
    Permission.WITHDRAW: "take back a file that waits",
    Permission.SEE_QUARANTINE: "see rejected rows, as they came",
    Permission.FIX: "mend, send and dismiss rejected rows",
    Permission.SEE_ERASURE: "see requests for erasure and certificates",
    Permission.REQUEST_ERASURE: "ask for an erasure",
    Permission.APPROVE_ERASURE: "approve and carry out an erasure",
    Permission.SEE_REPORTS: "see protected reports",
    Permission.EXPORT_ROWS: "see rows (final export); clinicians: of their organisation",
    Permission.SEE_AUDIT: "see the audit log",
    Permission.SEE_LOGS: "see execution and deletion log",
}


def show(frame: Frame) -> None:
    """For everyone."""
    st.title(tr("About"))
    st.write(
        tr(
            "The console is where data stewards work: what came in, what was rejected and why, how it is mended, what is erased, what is reported. Everything here can also be done on the command line; both use the same code, and both are written down in the audit log."
        )
    )
    st.write(
        tr(
            "Identifiers are replaced by pseudonyms when a file is loaded. The original text is kept in the archived files and, for rejected rows, in quarantine, which only stewards see."
        )
    )
    st.subheader(tr("Roles"))
    table(
        [{"may": tr(WORDS[p]), **{r.value: tr("yes") if p in ALLOWED[r] else "" for r in Role}} for p in Permission],
        hide_index=True,
        height="content",
    )
    st.text(
        tr(
            "You are {name}; roles: {roles}",
            name=retold(frame.user.name),
            roles=", ".join(tr(r) for r in sorted(frame.user.roles)) or tr("none"),
        )
    )
