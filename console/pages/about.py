"""About: what this is, and what each role may do."""

from __future__ import annotations

import streamlit as st

from console.frame import Frame
from platform_assets.stewardship.access import ALLOWED, Permission, Role


def show(frame: Frame) -> None:
    """For everyone."""
    st.title("About")
    st.write(
        "The console is where data stewards work: what came in, what was rejected and why, how it is mended, what is erased, what "
        "is reported. Everything here can also be done on the command line; both use the same code, and both are written down "
        "in the audit log."
    )
    st.write(
        "Identifiers are replaced by pseudonyms when a file is loaded. The original text is kept in the archived files and, for "
        "rejected rows, in quarantine, which only stewards see."
    )
    st.subheader("Roles")
    st.dataframe(
        [{"may": p.value, **{r.value: "yes" if p in ALLOWED[r] else "" for r in Role}} for p in Permission],
        hide_index=True,
    )
    st.text(f"You are {frame.user.name}; roles: {frame.user.role_names or 'none'}")
