"""``make ui`` as a person starts it: where it answers and whom, what its end leaves behind."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest
import requests

from tests.console.conftest import process
from tests.door.servers import Wire, free_port
from tests.programs import missing, needed

REPOSITORY = Path(__file__).resolve().parents[2]
DEFINITIONS = """
import dagster as dg

@dg.asset
def admissions(context) -> None:
    print("printed by the step")

defs = dg.Definitions(assets=[admissions])
"""
RUN = (
    'mutation { launchRun(executionParams: {selector: {repositoryName: "__repository__", repositoryLocationName: "ui_test.py",'
    ' jobName: "__ASSET_JOB"}}) { __typename ... on LaunchRunSuccess { run { runId } } } }'
)


@dataclass(frozen=True)
class Ui:
    """A running ``python -m door``."""

    process: subprocess.Popen[bytes]
    port: int
    files: int
    home: Path
    said: Path

    def graphql(self, query: str) -> dict[str, object]:
        return dict(
            requests.post(f"http://127.0.0.1:{self.port}/graphql", json={"query": query}, timeout=60).json()["data"]
        )


@contextmanager
def ui(home: Path, port: int | None = None) -> Iterator[Ui]:
    """Start it on an instance of its own, with one asset; by the end of the block it has ended or is killed."""
    (home / "dagster").mkdir(parents=True, exist_ok=True)
    # the databases lie in the folder of the logs, as those of `make ui` do (dagster.yaml)
    (home / "dagster" / "dagster.yaml").write_text(
        f"telemetry: {{enabled: false}}\nstorage: {{sqlite: {{base_dir: {home / 'dagster' / 'storage'}}}}}\n"
    )
    (home / "ui_test.py").write_text(DEFINITIONS)
    (home / "workspace.yaml").write_text(
        "load_from: [{python_file: {relative_path: ui_test.py, location_name: ui_test.py}}]\n"
    )
    ports = port or free_port(), free_port()
    command = [sys.executable, "-m", "door", "--port", str(ports[0]), "--files-port", str(ports[1])]
    environment = {
        **os.environ,
        "DAGSTER_HOME": str(home / "dagster"),
        "DATA_HOME": str(home),
        "PYTHONPATH": str(REPOSITORY),
    }
    said = home / f"said{ports[1]}"
    with said.open("wb") as out:
        process = subprocess.Popen(
            [*command, "--workspace", str(home / "workspace.yaml")], stdout=out, stderr=out, env=environment, cwd=home
        )
    try:
        yield Ui(process, *ports, home, said)
    finally:
        if process.poll() is None:
            process.kill()
        process.wait()


def answering(found: Ui) -> Ui:
    until(lambda: f"http://127.0.0.1:{found.port}" in found.said.read_text() or found.process.poll() is not None, 120)
    assert requests.get(f"http://127.0.0.1:{found.port}/server_info", timeout=60).ok, found.said.read_text()
    return found


def until(true: object, seconds: float) -> None:
    deadline = time.monotonic() + seconds
    while not true():  # type: ignore[operator]
        assert time.monotonic() < deadline
        time.sleep(0.1)


def below(pid: int) -> set[int]:
    """All processes that `pid` has started, and theirs."""
    parents = {}
    for status in Path("/proc").glob("[0-9]*/stat"):
        try:
            parents[int(status.parent.name)] = int(status.read_text().rpartition(")")[2].split()[1])
        except (FileNotFoundError, ProcessLookupError):
            continue
    found = {pid}
    while more := {child for child, parent in parents.items() if parent in found} - found:
        found |= more
    return found - {pid}


def alive(pids: set[int]) -> set[int]:
    states = {pid: Path(f"/proc/{pid}/stat") for pid in pids}
    return {
        pid for pid, file in states.items() if file.exists() and file.read_text().rpartition(")")[2].split()[0] != "Z"
    }


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Ui]:
    with ui(tmp_path_factory.mktemp("ui")) as found:
        yield answering(found)
        found.process.terminate()
        found.process.wait(60)


@pytest.mark.slow
def test_runs_are_started_and_what_they_print_can_be_read(running: Ui) -> None:
    run = running.graphql(RUN)["launchRun"]["run"]["runId"]  # type: ignore[index]
    address = f"http://127.0.0.1:{running.port}"
    status = f'{{ runOrError(runId: "{run}") {{ ... on Run {{ status }} }} }}'
    # the daemon takes it from the queue
    until(lambda: running.graphql(status)["runOrError"]["status"] in ("SUCCESS", "FAILURE"), 120)  # type: ignore[index]
    assert running.graphql(status) == {"runOrError": {"status": "SUCCESS"}}
    logs = running.graphql(
        f'{{ logsForRun(runId: "{run}") {{ ... on EventConnection {{ events {{ ... on LogsCapturedEvent {{ fileKey }} }} }} }} }}'
    )
    (key,) = [event["fileKey"] for event in logs["logsForRun"]["events"] if event]  # type: ignore[index]
    metadata = f'{{ capturedLogsMetadata(logKey: ["{run}", "compute_logs", "{key}"]) {{ stdoutDownloadUrl }} }}'
    download = running.graphql(metadata)["capturedLogsMetadata"]["stdoutDownloadUrl"]  # type: ignore[index]
    assert "printed by the step" in requests.get(f"{address}{download}", timeout=20).text


@pytest.mark.slow
def test_dagsters_databases_are_not_handed_out(running: Ui) -> None:
    home, port = running.home / "dagster", free_port()
    databases = [f"/logs/{f.relative_to(home / 'storage').with_suffix('')}/db" for f in home.glob("storage/**/*.db")]
    databases += [f"/logs/../{f.relative_to(home).with_suffix('')}/db" for f in home.rglob("*.db")]
    # without a door they are: Dagster's own webserver on the same instance
    command = [sys.executable, "-m", "dagster_webserver", "-p", str(port), "-w", str(running.home / "workspace.yaml")]
    environment = {**os.environ, "DAGSTER_HOME": str(home)}
    with process(command, environment, f"http://127.0.0.1:{port}/server_info", running.home / "bare", running.home):
        bare = [requests.get(f"http://127.0.0.1:{port}{target}", timeout=20) for target in databases]
    assert any(answer.content.startswith(b"SQLite format 3") for answer in bare)
    for target in databases:
        assert Wire(running.port).send("GET", target.encode()) == 404


@pytest.mark.slow
def test_other_people_on_this_machine_are_not_answered(running: Ui) -> None:
    if os.getuid() != 0:
        missing("only root can ask as somebody else")
    ask = [needed("curl", "curl"), "-sS", "--max-time", "20", f"http://127.0.0.1:{running.port}/server_info"]
    assert b"dagster_version" in subprocess.run(ask, capture_output=True, check=True).stdout
    for address in (f"127.0.0.1:{running.port}", f"127.0.0.1:{running.files}"):
        ask[-1] = f"http://{address}/server_info"
        other = subprocess.run(
            ["setpriv", "--reuid", "65534", "--regid", "65534", "--clear-groups", *ask],
            capture_output=True,
            check=False,
        )
        assert other.returncode in (52, 56)  # an end without an answer
        assert other.stdout == b""
    # who closes before being asked who it is, is nobody's
    text = f"POST /graphql HTTP/1.1\r\nHost: 127.0.0.1:{running.port}\r\nContent-Type: application/json\r\nContent-Length: 9\r\n\r\n{{}}       "
    quick = f"import socket; s=socket.create_connection(('127.0.0.1', {running.port})); s.sendall({text.encode()!r}); s.close()"
    for _ in range(20):
        subprocess.run(["setpriv", "--reuid", "65534", "--clear-groups", "/usr/bin/python3", "-c", quick], check=True)
    until(lambda: running.said.read_text().count("refused a connection of another user") >= 22, 20)


@pytest.mark.slow
def test_the_explorers_pages_are_served_and_nothing_else_of_their_folder(running: Ui) -> None:
    folder = running.home / "products" / "drug_graph"
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "explorer.html").write_text("<p>graph</p>")
    (folder / "notes.txt").write_text("no page")
    (running.home / "secret.html").write_text("secret")
    (folder / "out.html").symlink_to(running.home / "secret.html")
    (folder / "folder").mkdir(exist_ok=True)
    address = f"http://127.0.0.1:{running.files}"
    page = requests.get(f"{address}/drug_graph/explorer.html", timeout=20)
    assert page.text == "<p>graph</p>"
    assert page.headers["Content-Security-Policy"].startswith("sandbox allow-scripts")
    wire = Wire(running.files)
    for path in (
        b"/", b"/drug_graph", b"/drug_graph/", b"/drug_graph/folder", b"/drug_graph/folder/", b"/drug_graph/out.html", b"/drug_graph/notes.txt",
        b"/drug_graph/../../secret.html", b"/drug_graph/%2e%2e/%2e%2e/secret.html", b"/drug_graph//explorer.html", b"/secret.html", b"/graphql",
    ):  # fmt: skip
        assert wire.send("GET", path) == 404, path
    assert wire.send("GET", b"/drug_graph/explorer.html", Host="evil.example") == 421
    frame = {"Sec_Fetch_Site": "cross-site", "Sec_Fetch_Mode": "navigate", "Sec_Fetch_Dest": "iframe"}
    assert wire.send("GET", b"/drug_graph/explorer.html", **frame) == 403


@pytest.mark.slow
def test_a_port_that_is_taken_is_said_in_words(running: Ui, tmp_path: Path) -> None:
    with ui(tmp_path, running.port) as second:
        assert second.process.wait(60) == 1
        assert f"Port {running.port} of this machine is taken: does make ui run already?" in second.said.read_text()
    command = [sys.executable, "-m", "console", str(running.port)]
    console = subprocess.run(command, capture_output=True, text=True, timeout=120, check=False, cwd=REPOSITORY)
    assert console.returncode == 1
    assert f"Port {running.port} of this machine is taken" in console.stderr


@pytest.mark.slow
@pytest.mark.parametrize("how", [signal.SIGTERM, signal.SIGINT])
def test_it_ends_with_all_that_it_started(tmp_path: Path, how: signal.Signals) -> None:
    with ui(tmp_path) as found:
        answering(found)
        started = below(found.process.pid)
        assert len(started) >= 3  # the code location (two) and the daemon
        found.process.send_signal(how)
        assert found.process.wait(60) == 0, found.said.read_text()
        until(lambda: not alive(started), 10)
        assert "Traceback" not in found.said.read_text()


@pytest.mark.slow
def test_without_the_daemon_it_ends_and_says_so(tmp_path: Path) -> None:
    with ui(tmp_path) as found:
        answering(found)
        (daemon,) = [
            p for p in below(found.process.pid) if b"dagster._daemon" in Path(f"/proc/{p}/cmdline").read_bytes()
        ]
        os.kill(daemon, signal.SIGKILL)
        assert found.process.wait(60) == 1
        assert "Dagster's daemon ended" in found.said.read_text()


@pytest.mark.slow
def test_killed_outright_it_leaves_no_daemon(tmp_path: Path) -> None:
    with ui(tmp_path) as found:
        answering(found)
        daemons = {p for p in below(found.process.pid) if b"dagster._daemon" in Path(f"/proc/{p}/cmdline").read_bytes()}
        assert daemons
        found.process.kill()
        until(lambda: not alive(daemons), 60)
