"""Reports: aggregated and protected for everyone with the page, row level for those who may, each as preview and download."""

from __future__ import annotations

import streamlit as st

from console.frame import Frame, told
from platform_assets.stewardship.access import Permission, own_rows
from platform_assets.stewardship.reports import (
    csv_bytes,
    final_export,
    report_columns,
    surveillance_report,
    validated_rows,
)

SHOWN = 200


def show(frame: Frame) -> None:
    """The reports of one dataset."""
    frame.user.require(Permission.SEE_REPORTS)
    st.title("Reports")
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
    st.write("Tests by ISO week, laboratory and result. Counts of 1 to 7 are not shown; others are rounded to 5.")
    report = surveillance_report(table, date=date, laboratory=laboratory, result=result)
    st.dataframe(report, hide_index=True)
    st.download_button("Download the surveillance report", csv_bytes(report), f"{dataset}_surveillance.csv", "text/csv")
    if not frame.user.may(Permission.EXPORT_ROWS):
        return
    st.subheader("Final export")
    with told():
        rows = final_export(own_rows(frame.user, contract, table), date)
        st.write(f"{len(rows):,} rows, newest first" + (f", of {frame.user.scope}" if frame.user.scope else ""))
        st.dataframe(rows.head(SHOWN), hide_index=True)
        if st.download_button("Download the final export", csv_bytes(rows), f"{dataset}_final_export.csv", "text/csv"):
            frame.office.audit.record(
                frame.user.name,
                "reports.final_export",
                role=frame.user.role_names,
                table=f"validated.{dataset}",
                details={"rows": len(rows)},
            )
