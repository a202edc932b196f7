"""``python -m door``: Dagster's UI on this machine (`make ui`): the daemon, the code location, the webserver behind the rules, and the
explorer's files beside it.

It does what ``dagster dev`` does, but for the webserver: that runs in this process, behind `door.filter`, and is reached no other way.
"""

from __future__ import annotations

import argparse
import logging
import os
import signal
import socket
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import yaml
from starlette.applications import Starlette
from starlette.routing import Mount
from starlette.staticfiles import StaticFiles
from starlette.types import ASGIApp

from door.filter import Door
from door.rules import DAGSTER, EXPLORER
from door.server import PortTaken, by_port, listening, names, serve
from resources.private import UMASK

UI_PORT, FILES_PORT = 3000, 3001
SECONDS_TO_END = 30
STILL = {"Content-Security-Policy": "sandbox allow-scripts; frame-ancestors 'none'"}
"""Of the explorer's files: scripts, and nothing else that a page can do; not even the storage of its own address."""


def main() -> None:
    """Start everything, serve, end everything."""
    parser = argparse.ArgumentParser(prog="python -m door", description="Dagster's UI on this machine")
    parser.add_argument("--port", type=int, default=UI_PORT)
    parser.add_argument("--files-port", type=int, default=FILES_PORT)
    parser.add_argument("--workspace", type=Path, default=Path("workspace.yaml"))
    chosen = parser.parse_args()
    os.umask(UMASK)
    # TERM ends as Ctrl-C does: by leaving every `with`
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    try:
        with listening(chosen.port, "make ui") as ui, listening(chosen.files_port, "make ui") as files:
            _run(chosen.workspace, chosen.port, chosen.files_port, [*ui, *files])
    except PortTaken as error:
        sys.exit(str(error))
    except KeyboardInterrupt:
        pass


def _run(workspace: Path, port: int, files_port: int, sockets: list[socket.socket]) -> None:
    # these take seconds to import: after the ports are known to be free
    from dagster._cli.proxy_server_manager import ProxyServerManager
    from dagster._core.instance import DagsterInstance
    from dagster._core.workspace.context import WorkspaceProcessContext
    from dagster._core.workspace.load_target import WorkspaceFileTarget
    from dagster._utils.log import configure_loggers
    from dagster_webserver.version import __version__
    from dagster_webserver.webserver import DagsterWebserver

    os.environ["DAGSTER_IS_DEV_CLI"] = "1"  # as `dagster dev` says it to what it starts
    configure_loggers(formatter="colored", log_level="INFO")
    with ExitStack() as stack:
        instance = stack.enter_context(DagsterInstance.get())
        code = stack.enter_context(ProxyServerManager(instance, WorkspaceFileTarget([str(workspace)]), "WARNING"))
        found = Path(stack.enter_context(tempfile.TemporaryDirectory())) / "workspace.yaml"
        found.write_text(yaml.safe_dump({"load_from": [*code.get_code_server_specs()]}), encoding="utf-8")
        daemon = stack.enter_context(_daemon(found))
        context = stack.enter_context(
            WorkspaceProcessContext(instance, WorkspaceFileTarget([str(found)]), version=__version__)
        )
        webserver = DagsterWebserver(context, live_data_poll_rate=2000).create_asgi_app()
        apps = {
            port: Door(webserver, DAGSTER, names(port)),
            files_port: Door(explorer(), EXPLORER, names(files_port), answered_with=STILL),
        }
        sys.stderr.write(f"Dagster is on http://127.0.0.1:{port} (stop it with Ctrl-C)\n")
        serve(by_port(apps), sockets, until=lambda: _ended(daemon))
        if daemon.poll() is not None:
            sys.exit(
                f"Dagster's daemon ended (code {daemon.returncode}), so nothing would start runs: see above, then start again"
            )


def explorer() -> ASGIApp:
    """The drug graph's pages: this folder only, no list of it, no link that leads out."""
    folder = Path(os.environ["DATA_HOME"]) / "products" / "drug_graph"
    folder.mkdir(parents=True, exist_ok=True)
    return Starlette(routes=[Mount("/drug_graph", StaticFiles(directory=folder))])


@contextmanager
def _daemon(workspace: Path) -> Iterator[subprocess.Popen[bytes]]:
    """Dagster's daemon: sensors, schedules, the queue of runs. It ends with this process, whichever way that ends."""
    command = [sys.executable, "-m", "dagster._daemon", "run", "--log-level", "info", "--workspace", str(workspace)]
    process = subprocess.Popen(["setpriv", "--pdeathsig", "TERM", *command])
    try:
        yield process
    finally:
        process.terminate()
        try:
            process.wait(SECONDS_TO_END)
        except subprocess.TimeoutExpired:
            logging.getLogger("door").warning("Dagster's daemon did not end in %d seconds: killed", SECONDS_TO_END)
            process.kill()
            process.wait()


def _ended(process: subprocess.Popen[bytes]) -> None:
    process.wait()


if __name__ == "__main__":
    main()
