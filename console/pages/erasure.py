"""Erasure: ask (upload or form) with a preview, approve as a second person, run, and read the certificate."""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping
from typing import Any

import streamlit as st

from console.dagster_client import DONE, DagsterError, Run
from console.frame import Frame, done, moment, plain, table, told, when
from console.language import counted, retold, sentence, tr
from platform_assets.access import handing_out
from platform_assets.access.roles import Permission
from platform_assets.contracts.columns import TEMPORAL
from platform_assets.contracts.model import Contract
from platform_assets.contracts.words import limits_in_words
from platform_assets.erasure import certificate
from platform_assets.erasure.decisions import WAYS, WITH_REASON
from platform_assets.erasure.requests import Request, RequestError
from platform_assets.erasure.targets import MalformedRequest, Target, from_rows, identifying_columns, read_csv
from platform_assets.people_csv import csv_bytes

REQUEST_TAG = "console/request"
"""On a run: the request for erasure that it carries out."""
EVERY = 3


def show(frame: Frame) -> None:
    """Ask, pending list, certificates."""
    frame.user.require(Permission.SEE_ERASURE)
    st.title(tr("Erasure"))
    st.subheader(tr("Requests that wait"))
    requests = frame.office.eraser().requests.all()
    if not requests:
        st.write(tr("None."))
    for request in requests:
        _request(frame, request)
    if frame.user.may(Permission.REQUEST_ERASURE):
        _ask(frame)
    _certificates(frame)


def _ask(frame: Frame) -> None:
    st.subheader(tr("Ask for an erasure"))
    import pandas as pd

    people = [n for n, c in sorted(frame.office.contracts.items()) if c.identifiers]
    dataset = frame.dataset(notes=dict.fromkeys(people, tr("knows people")))
    contract = frame.office.contracts[dataset]
    version = st.session_state.get("asked", 0)
    with told(frame):
        typed, uploaded = st.tabs([tr("Form"), tr("CSV file")])
        with typed:
            names = [
                *identifying_columns(contract),
                *(n for n, c in contract.file_columns.items() if c.type in TEMPORAL),
            ]
            st.write(
                tr(
                    "One identifier alone erases the person wherever that number is known; with a date, that record only."
                )
            )
            cells = {
                n: st.text_input(plain(n), key=f"ask-{dataset}-{n}-{version}", placeholder=_hint(contract, n)).strip()
                for n in names
            }
        with uploaded:
            st.write(tr("The header names columns of the dataset; one line per record or person."))
            frame.download(
                tr("Template for the file"),
                f"erasure_{dataset}.csv",
                lambda: csv_bytes(pd.DataFrame(columns=names)),
                action="erasure.template",
            )
            file = st.file_uploader(tr("Request as CSV"), type="csv", key=f"request-{version}")
        ground = st.text_input(tr("Ground (stands in the certificate; no names)"), key=f"ground-{version}")
        given = {n: v for n, v in cells.items() if v}
        targets: list[Target] = []
        try:
            if file:
                targets = read_csv(contract, file.getvalue())
            elif given:
                targets = from_rows(contract, [given], list(given))
        except MalformedRequest as error:  # said while it is typed; the buttons wait
            st.error(plain(sentence(str(error))))
        if targets:
            st.text(
                tr(
                    "{persons} can be read from this.",
                    persons=counted(len(targets), "person or record", "persons or records"),
                )
            )
        look, send, _ = st.columns([1, 1, 4])
        if look.button(tr("Preview"), disabled=not targets):
            found = frame.office.eraser().preview(targets, frame.user)
            if certificate.found_nothing(found):
                st.warning(plain(tr(certificate.NOBODY)))
            table([{"what": tr(certificate.words().get(k, k)), "found": v} for k, v in found.items()], hide_index=True)
        if send.button(tr("Make the request"), type="primary", disabled=not targets):
            request = frame.office.eraser().submit(targets, ground, frame.user)
            nobody = certificate.found_nothing(frame.office.eraser().preview(targets, frame.user))
            st.session_state["asked"] = version + 1
            done(
                tr("Request {id} was made. Someone else has to approve it.", id=request.id),
                (
                    tr("{nobody} If it was mistyped, withdraw the request.", nobody=tr(certificate.NOBODY))
                    if nobody
                    else ""
                ),
            )


def _hint(contract: Contract, column: str) -> str:
    """What is right in a field, in words."""
    spec = contract.columns[column]
    return "; ".join(retold(words) for words in limits_in_words(spec) if words != "may be missing")


def _request(frame: Frame, request: Request) -> None:
    eraser = frame.office.eraser()
    with st.container(border=True):
        st.text(
            tr(
                "{id}   {state}   {lines} of {datasets}\nAsked for by {requested_by} on {at}. Ground: {ground}",
                id=request.id,
                state=_state(request),
                lines=counted(len(request.targets), "line"),
                datasets=", ".join(request.datasets),
                requested_by=request.requested_by,
                at=when(dt.datetime.fromisoformat(request.requested_at)),
                ground=request.ground,
            )
        )
        running = _running(frame, request) if request.status in ("approved", "running") else None
        if running:
            _progress(frame, request.id, running)
            return  # nothing can be done while it runs
        if request.progress.get("left"):
            st.warning(plain(tr("Not done yet: {left}", left=retold(str(request.progress["left"])))))
        approves = frame.user.may(Permission.APPROVE_ERASURE)
        if approves and st.button(tr("Show whom and what"), key=f"look{request.id}"):
            with told(frame):
                st.session_state[f"seen{request.id}"] = eraser.look(request.id, frame.user)[1]
        seen = st.session_state.get(f"seen{request.id}")
        if seen is not None:
            _whom(request, seen)
        if request.spots and approves and seen is not None:
            _decide(frame, request)
        left, right, _ = st.columns([1, 1, 4])
        if request.status == "pending" and approves:
            help_ = "" if seen is not None else tr("First look whom it concerns and what it removes.")
            if left.button(tr("Approve"), key=f"approve{request.id}", disabled=seen is None, help=plain(help_)):
                with told(frame):
                    eraser.requests.approve(request.id, frame.user)
                    done(tr("Request {id} is approved.", id=request.id))
        elif approves and request.status in ("approved", "running"):
            _erase_now(frame, request, left)
        asks = frame.user.may(Permission.REQUEST_ERASURE)
        if request.status != "running" and asks and right.button(tr("Withdraw"), key=f"withdraw{request.id}"):
            with told(frame):
                eraser.requests.withdraw(request.id, frame.user)
                done(tr("Request {id} was withdrawn.", id=request.id))


def _state(request: Request) -> str:
    """The state for people: after a run that could not end, a request waits for them."""
    if request.undecided:
        return tr("waits for decisions")
    return tr("decided, to be finished") if request.spots else tr(request.status)


def _running(frame: Frame, request: Request) -> Run | None:
    """The run that carries the request out now, as far as Dagster can be asked."""
    try:
        return frame.dagster.unfinished(REQUEST_TAG, request.id)
    except DagsterError:
        return None


@st.fragment(run_every=EVERY)
def _progress(frame: Frame, number: str, running: Run) -> None:
    """How far it is, looked at again by itself; the page is drawn anew when it ends."""
    try:
        now = frame.dagster.run(running.id)
        request = frame.office.eraser().requests.read(number)
    except (DagsterError, RequestError):  # the request goes as the last step
        st.rerun()
    if now.status in DONE:
        st.rerun()
    step = request.progress.get("step")
    if step:
        words = tr(
            "step {number} of {of}: {name} (since {at})",
            number=step["number"],
            of=step["of"],
            name=retold(str(step["name"])),
            at=when(dt.datetime.fromisoformat(step["at"])),
        )
        st.progress(step["number"] / step["of"], plain(words))
    else:
        st.text(tr("handed to Dagster: {word}", word=tr(now.word)))


def _whom(request: Request, found: Mapping[str, Mapping[str, int]]) -> None:
    """Whom it names, and what would go: written down in the audit log before it is shown."""
    st.text(tr("Whom it names"))
    table([{"dataset": t.dataset, **t.values} for t in request.targets], hide_index=True)
    st.text(tr("What would be removed now"))
    words = certificate.words()
    rows = [
        {"dataset": dataset, "what": tr(words.get(place, place)), "found": number}
        for dataset, counts in found.items()
        for place, number in counts.items()
    ]
    table(rows, hide_index=True)


def _decide(frame: Frame, request: Request) -> None:
    """Where the number still stands, and what becomes of it there."""
    st.text(tr("Where the number still stands: what becomes of it there?"))
    ways: dict[str, tuple[str, str]] = {}
    for number, spot in enumerate(request.spots, start=1):
        st.text(f"{number}. {retold(spot.words)}")
        for text in spot.shown:
            st.code(text, language=None, wrap_lines=True)
        known = request.decisions.get(spot.key)
        options = ["", *spot.ways]
        chosen = st.selectbox(
            plain(tr("Place {number}", number=number)),
            options,
            index=options.index(known.way) if known and known.way in options else 0,
            format_func=lambda way: tr(WAYS[way]) if way else tr("not decided"),
            key=f"way{request.id}{spot.key}",
        )
        reason = ""
        if chosen in WITH_REASON:
            reason = st.text_input(
                plain(tr("Why (place {number}; stands in the certificate, no names)", number=number)),
                value=known.reason if known else "",
                key=f"why{request.id}{spot.key}",
            )
        if chosen:
            ways[spot.key] = (chosen, reason)
    if st.button(tr("Keep these decisions"), key=f"decide{request.id}", disabled=not ways):
        with told(frame):
            frame.office.eraser().requests.decide(request.id, ways, frame.user)
            done(
                tr(
                    "{decisions} of request {id} were kept. Erase again to carry them out.",
                    decisions=counted(len(ways), "decision"),
                    id=request.id,
                )
            )


def _erase_now(frame: Frame, request: Request, place: Any) -> None:
    """Asks once more, then hands the request to Dagster."""
    asked = f"sure{request.id}"
    if not st.session_state.get(asked):
        if place.button(tr("Erase now"), key=f"run{request.id}", type="primary"):
            st.session_state[asked] = True
            st.rerun()
        return
    st.warning(
        plain(
            tr(
                "What is erased cannot be given back. Erase {persons} from {datasets} now?",
                persons=counted(len(request.targets), "person or record", "persons or records"),
                datasets=", ".join(request.datasets),
            )
        )
    )
    yes, no, _ = st.columns([1, 1, 4])
    if no.button(tr("Not now"), key=f"no{request.id}"):
        st.session_state[asked] = False
        st.rerun()
    if yes.button(tr("Yes, erase"), key=f"yes{request.id}", type="primary"):
        with told(frame):
            frame.user.require(Permission.APPROVE_ERASURE)
            config = {"ops": {"erase_request": {"config": {"request": request.id}}}}
            run = frame.start_run("erase", request.ground, config=config, tags={REQUEST_TAG: request.id})
            st.session_state["run"], st.session_state[asked] = run, False
            done(tr("The erasure was handed to Dagster: follow it here, or on the page Runs."))


def _certificates(frame: Frame) -> None:
    st.subheader(tr("Certificates"))
    found = certificate.read_all(frame.office.store)
    if not found:
        st.write(tr("Nothing was erased yet."))
        return
    log = certificate.deletion_log(frame.office.store)
    log["finished_at"] = log["finished_at"].astype("datetime64[ns, UTC]")
    handing_out.log(frame.audit, frame.user, "deletion", log)
    table(log, hide_index=True, column_config={"finished_at": moment("finished")})
    frame.download(
        tr("Deletion log as CSV"), "deletion_log.csv", lambda: csv_bytes(log), action="logs.download", rows=len(log)
    )
    names = [str(c["request"]) for c in reversed(found)]
    chosen = st.selectbox(tr("Certificate"), names)
    text = certificate.as_text(next(c for c in found if c["request"] == chosen))
    st.code(handing_out.certificate(frame.audit, frame.user, chosen or "", text), language=None, wrap_lines=True)
    frame.download(
        tr("Download the certificate"), f"certificate_{chosen}.txt", text.encode, action="erasure.download_certificate"
    )
