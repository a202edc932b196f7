"""Reports: aggregated and protected for everyone with the page, row level for those who may, and the logs; each with a download."""

from __future__ import annotations

import io

import pandas as pd
import streamlit as st

from console.frame import Frame, moment, plain, table, told
from console.language import counted, tr
from console.pages.deliveries import show_log
from platform_assets.access import handing_out
from platform_assets.access.roles import Permission
from platform_assets.erasure import certificate
from platform_assets.ingest import ledger
from platform_assets.people_csv import csv_bytes
from platform_assets.releases import reading
from platform_assets.reports.tables import (
    execution_log,
    final_export,
    report_date,
)

SHOWN = 200


def show(frame: Frame) -> None:
    """What is published, rows for those who may see them, and the logs of all."""
    if not frame.user.may(Permission.SEE_LOGS):
        frame.user.require(Permission.SEE_REPORTS)
    st.title(tr("Reports"))
    if frame.user.may(Permission.SEE_REPORTS):
        _published(frame)
    if frame.user.may(Permission.EXPORT_ROWS):
        _exports(frame)
    if frame.user.may(Permission.SEE_LOGS):
        _logs(frame)


def _published(frame: Frame) -> None:
    """The counts of one indicator, as they are in the release that is live."""
    release = reading.current(frame.office.store)
    protected = {n: about for n, about in release.indicators.items() if about["protected"]} if release else {}
    if release is None or not protected:
        st.write(tr("Nothing was published yet."))
        return
    name = str(st.selectbox(tr("Indicator"), sorted(protected), format_func=lambda n: str(protected[n]["title"])))
    about = protected[name]
    st.subheader(tr("Published counts"))
    st.write(
        plain(
            tr(
                "By {grain}, up to the one of {last}, with every total; release {id}. Each count was drawn once: 1 to {threshold} is hidden, others are multiples of {base}. Totals are sums of what is shown.",
                grain=tr(str(about["periods"]["grain"])),
                last=about["periods"]["last"],
                id=release.id,
                threshold=about["policy"]["threshold"],
                base=about["policy"]["base"],
            )
        )
    )
    counts = release.read(f"{name}/counts.csv")
    published = pd.read_csv(io.BytesIO(counts), dtype={"count": "Int64"})
    table(
        published.sort_values("period", ascending=False, kind="stable"),
        hide_index=True,
        placeholder=tr("not shown"),
        column_config={"hidden": st.column_config.CheckboxColumn(tr("too small to show"))},
    )
    frame.download(
        tr("Download the counts"),
        f"{name}_counts.csv",
        lambda: counts,
        action="reports.published",
        table=f"releases.{name}",
    )


def _exports(frame: Frame) -> None:
    names = [n for n, c in sorted(frame.office.contracts.items()) if report_date(c)]
    if not names:
        return
    dataset = str(st.selectbox(tr("Dataset"), names))
    contract = frame.office.contracts[dataset]
    warehouse = frame.office.warehouse
    with warehouse.connect() as connection:
        if not warehouse.columns(connection, f"validated.{dataset}"):
            st.write(tr("Nothing was loaded yet."))
            return
    date = report_date(contract)
    assert date is not None
    st.subheader(tr("Final export"))
    with told(frame):
        rows = final_export(handing_out.own_rows(frame.audit, frame.user, contract, warehouse), date)
        limits = frame.user.limited_to
        of = " " + tr("of {limits}", limits=", ".join(map(str, limits))) if limits else ""
        first = tr("; the first {most} are shown", most=SHOWN) if len(rows) > SHOWN else ""
        st.write(
            plain(
                tr(
                    "{rows}{of}, newest first{first}. That you see them, and every download, is written down in the audit log.",
                    rows=counted(len(rows), "row"),
                    of=of,
                    first=first,
                )
            )
        )
        st.dataframe(rows.head(SHOWN), hide_index=True, placeholder="")
        frame.download(
            tr("Download the final export"),
            f"{dataset}_final_export.csv",
            lambda: csv_bytes(rows),
            action="reports.final_export",
            table=f"validated.{dataset}",
            rows=len(rows),
        )


def _logs(frame: Frame) -> None:
    st.subheader(tr("Execution log"))
    warehouse = frame.office.warehouse
    with warehouse.connect() as connection:
        there = bool(warehouse.columns(connection, ledger.TABLE))
        log = execution_log(connection) if there else None
    if log is None or log.empty:
        st.write(tr("Nothing was loaded yet."))
    else:
        st.write(
            tr("{deliveries} of all datasets, newest first.", deliveries=counted(len(log), "delivery", "deliveries"))
        )
        show_log(handing_out.log(frame.audit, frame.user, "execution", log).head(SHOWN))
        frame.download(
            tr("Download the execution log"),
            "execution_log.csv",
            lambda: csv_bytes(log),
            action="logs.download",
            rows=len(log),
        )
    st.subheader(tr("Deletion log"))
    deletions = certificate.deletion_log(frame.office.store)
    if deletions.empty:
        st.write(tr("Nothing was erased yet."))
        return
    st.write(tr("Rows that erasures have removed, by place. The certificates are on the page Erasure."))
    deletions["finished_at"] = deletions["finished_at"].astype("datetime64[ns, UTC]")
    handing_out.log(frame.audit, frame.user, "deletion", deletions)
    table(deletions.head(SHOWN), hide_index=True, column_config={"finished_at": moment("finished")})
    frame.download(
        tr("Download the deletion log"),
        "deletion_log.csv",
        lambda: csv_bytes(deletions),
        action="logs.download",
        rows=len(deletions),
    )
