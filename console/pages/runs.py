"""Runs: start one, follow it live, read its log, cancel it. The state shown is Dagster's own."""

from __future__ import annotations

import datetime as dt

import streamlit as st

from console.dagster_client import DONE, Run
from console.frame import Frame, counted, done, moment, plain, told
from platform_assets.access.roles import Permission
from platform_assets.quarantine import uploads

EVERY = "3s"


def show(frame: Frame) -> None:
    """Start, then the list, then one run."""
    frame.user.require(Permission.SEE_STATUS)
    st.title("Runs")
    if frame.user.may(Permission.RUN):
        _start(frame)
    runs = frame.dagster.runs()
    if not runs:
        st.write("Nothing has run yet.")
        return
    st.dataframe([_line(r) for r in runs], hide_index=True, column_config={"started": moment("started")})
    ids = [r.id for r in runs]
    labels = {r.id: f"{r.id[:8]} {r.what}: {r.word}" for r in runs}
    chosen = st.selectbox("Run", ids, format_func=lambda i: labels.get(i, i), key="run")
    _follow(frame, str(chosen))


def _start(frame: Frame) -> None:
    load, job = st.columns(2)
    with load:
        files = {n: len(uploads.waiting(frame.office, c)) for n, c in sorted(frame.office.contracts.items())}
        dataset = frame.dataset("Load what waits for", {n: counted(k, "file") for n, k in files.items() if k})
        if st.button("Load now", type="primary"):
            with told(frame):
                assets = [[layer, dataset] for layer in ("raw", "validated", "quarantine")]
                _started(frame.start_run("__ASSET_JOB", f"load {dataset}", assets=assets))
    with job:
        jobs = [j for j in frame.dagster.jobs() if j != "erase"]  # that one is started where it is approved
        name = st.selectbox("Job", jobs)
        if st.button("Start the job") and name:
            with told(frame):
                _started(frame.start_run(name, name))


def _started(run: str) -> None:
    st.session_state["run"] = run
    done(f"Run {run[:8]} was handed to Dagster.")


@st.fragment(run_every=EVERY)
def _follow(frame: Frame, run_id: str) -> None:
    with told(frame):
        frame.still_here()
        run = frame.dagster.run(run_id)
        st.subheader(plain(f"{run.what}: {run.word}"))
        if run.steps:
            st.progress(run.steps_done / run.steps, plain(f"{run.steps_done} of {run.steps} steps begun are done"))
        if run.status not in DONE and frame.user.may(Permission.RUN) and st.button("Cancel", key=f"cancel{run_id}"):
            frame.user.require(Permission.RUN)
            frame.cancel_run(run_id)
        lines, _ = frame.dagster.log(run_id)
        errors = [text for level, text in lines if level == "ERROR"]
        if errors:
            st.error("The run failed. What Dagster and the script say:")
            st.code("\n\n".join(errors[:3]), language=None, wrap_lines=True)
        with st.expander("Log", expanded=run.status not in DONE):
            st.code(
                "\n".join(text for level, text in lines if level != "DEBUG")[-20_000:] or "nothing yet",
                language=None,
                wrap_lines=True,
            )


def _line(run: Run) -> dict[str, object]:
    started = dt.datetime.fromtimestamp(run.started, dt.UTC) if run.started else None
    seconds = round(run.ended - run.started, 1) if run.started and run.ended else None
    return {
        "run": run.id[:8],
        "what": run.what,
        "state": run.word,
        "started": started,
        "seconds": seconds,
        "by": run.user,
    }
