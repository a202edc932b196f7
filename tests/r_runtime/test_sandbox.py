"""What a script can reach, and that the log says what really holds."""

from __future__ import annotations

import os
import platform
import socket
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest

from resources.r_child.locks.sandbox import Sandbox, landlock_version
from resources.r_runtime import RRuntime
from tests.r_runtime.conftest import SCRIPTS, RunScript

needs_landlock = pytest.mark.skipif(landlock_version() < 6, reason="this kernel has no Landlock with signal scopes")
needs_seccomp = pytest.mark.skipif(
    platform.machine() not in ("x86_64", "aarch64"), reason="no seccomp rule for this machine"
)


def _reached(run: RunScript, runtime: RRuntime, tmp_path: Path) -> dict[object, object]:
    secret = tmp_path / "elsewhere" / "secret.txt"
    secret.parent.mkdir()
    secret.write_text("secret", encoding="utf-8")
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
        ran = run("looks_around", runtime, file=str(secret), port=port, parent=os.getpid())
    return {row["what"]: row["reached"] for row in ran.rows()}


@needs_landlock
@needs_seccomp
def test_a_script_reaches_its_own_folder_and_nothing_else(run: RunScript, tmp_path: Path) -> None:
    assert _reached(run, RRuntime(sandbox="required"), tmp_path) == {
        "secret_file": False,
        "list_folder": False,
        "tcp": False,
        "write_outside": False,
        "own_folder": True,
        "signal_parent": False,
    }
    assert not (tmp_path / "elsewhere" / "written").exists()


def test_without_the_sandbox_all_of_it_is_open_and_the_log_says_so(run: RunScript, tmp_path: Path) -> None:
    """Shows that the script of the test before does try."""
    assert set(_reached(run, RRuntime(sandbox="off"), tmp_path).values()) == {True}

    ran = run("well_behaved", RRuntime(sandbox="off"))
    assert ran.events[0].level == "sandbox"
    assert ran.events[0].text == "sandbox: off: the script can read this user's files and use the network"


@needs_landlock
def test_the_first_event_says_which_sandbox_holds(run: RunScript) -> None:
    ran = run("well_behaved")

    assert ran.result is not None
    assert ran.events[0].level == "sandbox"
    assert ran.events[0].text == f"sandbox: {ran.result.sandbox}"
    assert ran.result.sandbox.startswith(f"Landlock {landlock_version()}: only its own folder")


# The child of this program runs on a kernel that answers "permission denied" to landlock_create_ruleset.
WITHOUT_LANDLOCK = """
    import sys
    from pathlib import Path
    from platform_assets.indicators import read_indicator
    from resources.r_runtime import IndicatorFailed, InputTable, RRuntime
    from resources.r_child.locks.seccomp import deny_calls
    import platform
    assert deny_calls(platform.machine(), [444])
    script, visits, folder, mode = sys.argv[1:]
    table = InputTable(Path(visits), "validated/visits", "1", 3)
    try:
        result = RRuntime(sandbox=mode).run(read_indicator(script), {"visits": table}, {}, Path(folder), lambda event: None)
        print(result.sandbox)
    except IndicatorFailed as failed:
        print(failed.card.kind, failed.card.message)
"""


@needs_seccomp
@pytest.mark.parametrize(
    ("mode", "expected"),
    [
        (
            "best",
            "no Landlock: the script can read this user's files; seccomp: no network, no links, modes or shared memory",
        ),
        (
            "required",
            "platform a sandbox for files and network is required and this kernel does not offer it",
        ),
    ],
)
def test_on_a_kernel_without_landlock_nothing_is_pretended(
    mode: str, expected: str, tmp_path: Path, run: RunScript
) -> None:
    done = subprocess.run(
        [
            *(sys.executable, "-c", textwrap.dedent(WITHOUT_LANDLOCK), str(SCRIPTS / "well_behaved.R")),
            *(str(tmp_path / "visits.parquet"), str(tmp_path / "runs"), mode),
        ],
        capture_output=True,
        text=True,
        check=True,
        timeout=60,
    )

    assert done.stdout.strip() == expected


@pytest.mark.parametrize(
    ("sandbox", "text"),
    [
        (Sandbox(0, False), "none: the script can read this user's files and use the network"),
        (
            Sandbox(4, False),
            "Landlock 4: only its own folder, its inputs and R's libraries are open; "
            "no seccomp: TCP is closed by Landlock, UDP is open",
        ),
        (
            Sandbox(3, False),
            "Landlock 3: only its own folder, its inputs and R's libraries are open; no seccomp: the network is open",
        ),
    ],
)
def test_each_missing_lock_is_named(sandbox: Sandbox, text: str) -> None:
    assert str(sandbox) == text
