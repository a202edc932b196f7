"""Datasets: each contract in plain words, and how its quality went over time."""

from __future__ import annotations

import streamlit as st

from console.frame import Frame
from platform_assets.contracts.model import Column, Contract
from platform_assets.ingest import ledger
from platform_assets.stewardship.access import Permission
from platform_assets.stewardship.reports import execution_log


def show(frame: Frame) -> None:
    """One dataset."""
    frame.user.require(Permission.SEE_STATUS)
    st.title("Datasets")
    dataset = frame.dataset()
    contract = frame.office.contracts[dataset]
    st.text(contract.description)
    st.text("\n".join(sentences(contract)))
    st.dataframe(
        [
            {"column": n, "type": c.type.value, "what is right": rule(c), "meaning": c.description}
            for n, c in contract.columns.items()
        ],
        hide_index=True,
    )
    warehouse = frame.office.warehouse
    with warehouse.connect() as connection:
        if not warehouse.columns(connection, ledger.TABLE):
            return
        log = execution_log(connection, dataset)
    if log.empty:
        return
    st.subheader("Quality over time")
    log["wrong rows, %"] = (100 * log["quarantined"] / log["rows_in"].where(log["rows_in"] > 0)).round(2)
    st.line_chart(log, x="loaded_at", y="wrong rows, %", height=220)
    st.bar_chart(log, x="loaded_at", y=["valid", "quarantined", "superseded"], height=260)


def sentences(contract: Contract) -> list[str]:
    """How deliveries are loaded, and what holds them, in words."""
    key = ", ".join(contract.load.key)
    how = {
        "upsert": f"A row replaces an earlier one with the same {key}, newer over older.",
        "append": "Every row is added.",
        "snapshot": "The newest delivery is the table; an older one never replaces it.",
    }[contract.load.mode]
    limits = (
        f"A delivery with fewer than {contract.quality.min_rows} row(s), or with more than "
        f"{contract.quality.max_quarantined:.1%} wrong rows, is held until someone looks."
    )
    rules = [
        f"Rule {r.name}: {r.description or r.check} ({'rejects the row' if r.severity == 'error' else 'counted'})."
        for r in contract.rules
    ]
    return [f"Looked after by {contract.owner}.", how, limits, *rules]


def rule(column: Column) -> str:
    """What a value of the column must be, in words."""
    parts = ["needed" if not column.nullable else "may be missing"]
    if column.role == "identifier":
        parts.append("replaced by a pseudonym")
    if column.allowed:
        parts.append("one of " + ", ".join(map(str, column.allowed)))
    if column.matches:
        parts.append(f"matches {column.matches}")
    if column.format:
        parts.append("written as " + " or ".join(column.format))
    words = {"ge": "at least", "gt": "more than", "le": "at most", "lt": "less than"}
    parts += [f"{word} {getattr(column, name)}" for name, word in words.items() if getattr(column, name) is not None]
    return "; ".join(parts)
