"""Erasure: ask (upload or form) with a preview, approve as a second person, run, and read the certificate."""

from __future__ import annotations

import streamlit as st

from console.frame import Frame, done, moment, plain, told
from platform_assets.access.roles import Permission
from platform_assets.contracts.columns import TEMPORAL
from platform_assets.erasure import certificate
from platform_assets.erasure.requests import Request
from platform_assets.erasure.targets import Target, from_rows, identifying_columns, read_csv
from platform_assets.people_csv import csv_bytes


def show(frame: Frame) -> None:
    """Ask, pending list, certificates."""
    frame.user.require(Permission.SEE_ERASURE)
    st.title("Erasure")
    st.subheader("Requests that wait")
    requests = frame.office.eraser().requests.all()
    if not requests:
        st.write("None.")
    for request in requests:
        _request(frame, request)
    if frame.user.may(Permission.REQUEST_ERASURE):
        _ask(frame)
    _certificates(frame)


def _ask(frame: Frame) -> None:
    st.subheader("Ask for an erasure")
    people = [n for n, c in sorted(frame.office.contracts.items()) if c.identifiers]
    dataset = frame.dataset(notes=dict.fromkeys(people, "knows people"))
    contract = frame.office.contracts[dataset]
    version = st.session_state.get("asked", 0)
    with told(frame):
        typed, uploaded = st.tabs(["Form", "CSV file"])
        with typed:
            names = [
                *identifying_columns(contract),
                *(n for n, c in contract.file_columns.items() if c.type in TEMPORAL),
            ]
            st.write(
                "One identifier alone erases the person wherever that number is known; with a date, that record only."
            )
            cells = {n: st.text_input(plain(n), key=f"ask-{dataset}-{n}-{version}").strip() for n in names}
        with uploaded:
            st.write("The header names columns of the dataset; one line per record or person.")
            file = st.file_uploader("Request as CSV", type="csv", key=f"request-{version}")
        ground = st.text_input("Ground (stands in the certificate; no names)", key=f"ground-{version}")
        given = {n: v for n, v in cells.items() if v}
        targets: list[Target] = []
        if file:
            targets = read_csv(contract, file.getvalue())
        elif given:
            targets = from_rows(contract, [given], list(given))
        look, send, _ = st.columns([1, 1, 4])
        if look.button("Preview", disabled=not targets):
            found = frame.office.eraser().preview(targets, frame.user)
            if certificate.found_nothing(found):
                st.warning(plain(certificate.NOBODY))
            st.dataframe([{"what": certificate.WORDS.get(k, k), "found": v} for k, v in found.items()], hide_index=True)
        if send.button("Make the request", type="primary", disabled=not targets):
            request = frame.office.eraser().submit(targets, ground, frame.user)
            nobody = certificate.found_nothing(frame.office.eraser().preview(targets, frame.user))
            st.session_state["asked"] = version + 1
            done(
                f"Request {request.id} was made. Someone else has to approve it.",
                f"{certificate.NOBODY} If it was mistyped, withdraw the request." if nobody else "",
            )


def _request(frame: Frame, request: Request) -> None:
    eraser = frame.office.eraser()
    with st.container(border=True):
        st.text(
            f"{request.id}   {request.status}   {len(request.targets)} line(s) of {', '.join(request.datasets)}\n"
            f"asked for by {request.requested_by}, {request.requested_at}\n{request.ground}"
        )
        if request.progress.get("left"):
            st.warning(plain(f"The last attempt was incomplete: {request.progress['left']}"))
        left, right, _ = st.columns([1, 1, 4])
        approves = frame.user.may(Permission.APPROVE_ERASURE)
        asks = frame.user.may(Permission.REQUEST_ERASURE)
        if request.status == "pending" and approves and left.button("Approve", key=f"approve{request.id}"):
            with told(frame):
                eraser.requests.approve(request.id, frame.user)
                done(f"Request {request.id} is approved.")
        ready = request.status in ("approved", "running")
        if ready and approves and left.button("Erase now", key=f"run{request.id}", type="primary"):
            with told(frame):
                config = {"ops": {"erase_request": {"config": {"request": request.id}}}}
                run = frame.dagster.launch("erase", frame.user.name, config)
                st.session_state["run"] = run
                done(f"Run {run[:8]} was handed to Dagster: follow it on the page Runs.")
        if request.status != "running" and asks and right.button("Withdraw", key=f"withdraw{request.id}"):
            with told(frame):
                eraser.requests.withdraw(request.id, frame.user)
                done(f"Request {request.id} was withdrawn.")


def _certificates(frame: Frame) -> None:
    st.subheader("Certificates")
    found = certificate.read_all(frame.office.store)
    if not found:
        st.write("Nothing was erased yet.")
        return
    log = certificate.deletion_log(frame.office.store)
    log["finished_at"] = log["finished_at"].astype("datetime64[ns, UTC]")
    st.dataframe(log, hide_index=True, column_config={"finished_at": moment("finished")})
    frame.download(
        "Deletion log as CSV", "deletion_log.csv", lambda: csv_bytes(log), action="logs.download", rows=len(log)
    )
    names = [str(c["request"]) for c in reversed(found)]
    chosen = st.selectbox("Certificate", names)
    text = certificate.as_text(next(c for c in found if c["request"] == chosen))
    st.code(text, language=None, wrap_lines=True)
    frame.download(
        "Download the certificate", f"certificate_{chosen}.txt", text.encode, action="erasure.download_certificate"
    )
