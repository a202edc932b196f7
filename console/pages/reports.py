"""Reports: aggregated and protected for everyone with the page, row level for those who may, and the logs; each with a download."""

from __future__ import annotations

import streamlit as st

from console.frame import Frame, counted, moment, plain, told
from console.pages.deliveries import show_log
from platform_assets.access import handing_out
from platform_assets.access.roles import Permission
from platform_assets.erasure import certificate
from platform_assets.ingest import ledger
from platform_assets.people_csv import csv_bytes
from platform_assets.reports.tables import (
    execution_log,
    final_export,
    report_columns,
    surveillance_report,
    validated_rows,
)

SHOWN = 200


def show(frame: Frame) -> None:
    """The reports of one dataset, then the logs of all."""
    if not frame.user.may(Permission.SEE_LOGS):
        frame.user.require(Permission.SEE_REPORTS)
    st.title("Reports")
    if frame.user.may(Permission.SEE_REPORTS):
        _reports(frame)
    if frame.user.may(Permission.SEE_LOGS):
        _logs(frame)


def _reports(frame: Frame) -> None:
    names = [n for n, c in sorted(frame.office.contracts.items()) if report_columns(c)]
    if not names:
        st.write("No dataset has a date, an organisation and a result to report on.")
        return
    dataset = str(st.selectbox("Dataset", names))
    contract = frame.office.contracts[dataset]
    columns = report_columns(contract)
    warehouse = frame.office.warehouse
    with warehouse.connect() as connection:
        if not warehouse.columns(connection, f"validated.{dataset}"):
            st.write("Nothing was loaded yet.")
            return
        table = validated_rows(connection, dataset)
    assert columns is not None
    date, laboratory, result = columns
    st.subheader("Surveillance report")
    st.write(
        "Tests by ISO week, laboratory and result, newest week first. Counts of 1 to 7 are not shown; others are rounded to 5. "
        "Totals are sums of what is shown, so that no difference tells a small count."
    )
    report = surveillance_report(table, date=date, laboratory=laboratory, result=result)
    newest = report.sort_values("week", ascending=False, kind="stable")
    st.dataframe(
        newest,
        hide_index=True,
        placeholder="not shown",
        column_config={"tests_suppressed": None, "suppressed": st.column_config.CheckboxColumn("too small to show")},
    )
    frame.download(
        "Download the surveillance report",
        f"{dataset}_surveillance.csv",
        lambda: csv_bytes(report),
        action="reports.surveillance",
        table=f"validated.{dataset}",
    )
    if not frame.user.may(Permission.EXPORT_ROWS):
        return
    st.subheader("Final export")
    with told(frame):
        rows = final_export(handing_out.own_rows(frame.audit, frame.user, contract, table), date)
        of = f" of {frame.user.scope}" if frame.user.scope else ""
        first = f"; the first {SHOWN} are shown" if len(rows) > SHOWN else ""
        st.write(
            plain(
                f"{counted(len(rows), 'row')}{of}, newest first{first}. That you see them, and every download, is written down in the audit log."
            )
        )
        st.dataframe(rows.head(SHOWN), hide_index=True, placeholder="")
        frame.download(
            "Download the final export",
            f"{dataset}_final_export.csv",
            lambda: csv_bytes(rows),
            action="reports.final_export",
            table=f"validated.{dataset}",
            rows=len(rows),
        )


def _logs(frame: Frame) -> None:
    st.subheader("Execution log")
    warehouse = frame.office.warehouse
    with warehouse.connect() as connection:
        there = bool(warehouse.columns(connection, ledger.TABLE))
        log = execution_log(connection) if there else None
    if log is None or log.empty:
        st.write("Nothing was loaded yet.")
    else:
        st.write(f"{counted(len(log), 'delivery', 'deliveries')} of all datasets, newest first.")
        show_log(handing_out.log(frame.audit, frame.user, "execution", log).head(SHOWN))
        frame.download(
            "Download the execution log",
            "execution_log.csv",
            lambda: csv_bytes(log),
            action="logs.download",
            rows=len(log),
        )
    st.subheader("Deletion log")
    deletions = certificate.deletion_log(frame.office.store)
    if deletions.empty:
        st.write("Nothing was erased yet.")
        return
    st.write("Rows that erasures have removed, by place. The certificates are on the page Erasure.")
    deletions["finished_at"] = deletions["finished_at"].astype("datetime64[ns, UTC]")
    handing_out.log(frame.audit, frame.user, "deletion", deletions)
    st.dataframe(deletions.head(SHOWN), hide_index=True, column_config={"finished_at": moment("finished")})
    frame.download(
        "Download the deletion log",
        "deletion_log.csv",
        lambda: csv_bytes(deletions),
        action="logs.download",
        rows=len(deletions),
    )
