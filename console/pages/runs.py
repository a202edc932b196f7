"""Runs: start one, follow it live, see what came of it, cancel it. The state shown is Dagster's own, and told once."""

from __future__ import annotations

import datetime as dt

import streamlit as st

from console.dagster_client import DONE, DagsterError, Run
from console.frame import Frame, address, done, href, links, moment, plain, table, told, when
from console.language import counted, number, retold, tr
from platform_assets.access.roles import Permission
from platform_assets.ingest import ledger
from platform_assets.ingest.ledger import Entry
from platform_assets.quarantine import uploads

EVERY = "3s"


def show(frame: Frame) -> None:
    """Start, then one run, then the list."""
    frame.user.require(Permission.SEE_STATUS)
    st.title(tr("Runs"))
    if frame.user.may(Permission.RUN):
        _start(frame)
    _runs(frame)


def _start(frame: Frame) -> None:
    load, job = st.columns(2)
    with load:
        files = {n: len(uploads.waiting(frame.office, c)) for n, c in sorted(frame.office.contracts.items())}
        dataset = frame.dataset(tr("Load what waits for"), {n: counted(k, "file") for n, k in files.items() if k})
        if st.button(tr("Load now"), type="primary"):
            with told(frame):
                assets = [[layer, dataset] for layer in ("raw", "validated", "quarantine")]
                _started(frame.start_run("__ASSET_JOB", f"load {dataset}", assets=assets))
    with job:
        jobs = [j for j in frame.dagster.jobs() if j != "erase"]  # that one is started where it is approved
        name = st.selectbox(tr("Job"), jobs)
        if st.button(tr("Start the job")) and name:
            with told(frame):
                _started(frame.start_run(name, name))


def _started(run: str) -> None:
    st.session_state["run"] = run
    address(run=run)
    done(tr("The run was handed to Dagster: it is shown below."))


@st.fragment(run_every=EVERY)
def _runs(frame: Frame) -> None:
    """One look at Dagster for the list and for the run that is followed: they never say two things."""
    with told(frame):
        frame.still_here()
        runs = {r.id: r for r in frame.dagster.runs()}
        asked = st.query_params.get("run") or st.session_state.get("run")
        if asked and asked not in runs:
            try:
                runs = {asked: frame.dagster.run(asked), **runs}
            except DagsterError:
                st.warning(tr("There is no run with this address any more. The latest runs are listed here."))
        if not runs:
            st.write(tr("Nothing has run yet."))
            return
        ids = list(runs)
        chosen = st.selectbox(
            tr("Run"), ids, index=ids.index(asked) if asked in runs else 0, format_func=lambda i: _called(runs[i])
        )
        st.session_state["run"] = chosen
        address(run=chosen)
        _one(frame, runs[chosen])
        st.subheader(tr("Latest runs"))
        table(
            [_line(r) for r in runs.values()],
            hide_index=True,
            column_config={
                "what": links("what"),
                "started": moment("started"),
                "seconds": st.column_config.NumberColumn(format="%.1f"),
            },
        )


def _one(frame: Frame, run: Run) -> None:
    st.subheader(plain(f"{called(run)}: {tr(run.word)}"))
    if run.status == "FAILURE":
        st.error(tr("The run failed. Nothing of its step is in the tables; what was there before stays."))
    elif run.status == "SUCCESS":
        st.success(plain(_took(run)))
    elif run.status == "CANCELED":
        st.warning(tr("The run was cancelled."))
    elif run.steps:
        begun = counted(run.steps, "step that has begun is", "steps that have begun are")
        st.progress(
            run.steps_done / run.steps,
            plain(tr("{steps_done} of {begun} done", steps_done=run.steps_done, begun=begun)),
        )
    if run.status not in DONE and frame.user.may(Permission.RUN) and st.button(tr("Cancel"), key=f"cancel{run.id}"):
        frame.user.require(Permission.RUN)
        frame.cancel_run(run.id)
    _outcome(frame, run)
    lines, _ = frame.dagster.log(run.id)
    errors = [text for level, text in lines if level == "ERROR"]
    if errors:
        st.write(tr("What Dagster and the script say:"))
        st.code("\n\n".join(errors[:3]), language=None, wrap_lines=True)
    with st.expander(tr("Log"), expanded=run.status not in DONE):
        st.code(
            "\n".join(text for level, text in lines if level != "DEBUG")[-20_000:] or tr("Nothing yet."),
            language=None,
            wrap_lines=True,
        )


def _outcome(frame: Frame, run: Run) -> None:
    """What a load made of each file, and the way to the delivery."""
    warehouse = frame.office.warehouse
    with warehouse.connect() as connection:
        there = bool(warehouse.columns(connection, ledger.TABLE))
        entries = ledger.of_run(connection, run.id) if there else []
    if not entries:
        return
    rows, wrong = sum(e.rows_in for e in entries), sum(e.quarantined for e in entries)
    said = tr(
        "{files} with {rows}: {new} new, {updated} updated, {wrong} in quarantine.",
        files=counted(len(entries), "file"),
        rows=counted(rows, "row"),
        new=counted(sum(e.inserted for e in entries), "row"),
        updated=sum(e.updated for e in entries),
        wrong=wrong,
    )
    st.write(plain(said))
    table([_file(e) for e in entries], hide_index=True, column_config={"file": links("file")})


def _file(entry: Entry) -> dict[str, object]:
    return {
        "file": href("deliveries", entry.file, delivery=entry.delivery, dataset=entry.dataset),
        "dataset": entry.dataset,
        "state": tr(entry.status),
        "rows in": entry.rows_in,
        "quarantined": entry.quarantined,
        "new": entry.inserted,
        "updated": entry.updated,
        "unchanged": entry.unchanged,
        "why": retold(entry.reason),
    }


def _took(run: Run) -> str:
    if not (run.started and run.ended):
        return tr("Done.")
    return tr("Done in {seconds} seconds.", seconds=number(run.ended - run.started, 1))


def _called(run: Run) -> str:
    """A run in a list of choices: what it does and when it began. Its state stands above it, once."""
    began = f", {when(dt.datetime.fromtimestamp(run.started, dt.UTC))}" if run.started else ", " + tr("not begun yet")
    return f"{called(run)}{began}"


def called(run: Run) -> str:
    """What a run does."""
    kind, names, more = run.makes
    if not kind:
        return run.job
    listed = ", ".join(names) or tr("tables")
    if more:
        listed = tr("{names} and {n} more", names=listed, n=more)
    return tr("load {names}", names=listed) if kind == "load" else tr("make {names}", names=listed)


def _line(run: Run) -> dict[str, object]:
    started = dt.datetime.fromtimestamp(run.started, dt.UTC) if run.started else None
    seconds = round(run.ended - run.started, 1) if run.started and run.ended else None
    return {
        "what": href("runs", called(run), run=run.id),
        "state": tr(run.word),
        "started": started,
        "seconds": seconds,
        "by": retold(run.user),
    }
