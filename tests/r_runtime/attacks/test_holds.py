"""Scripts that attack the platform, with R as it is, through the front door: what the processes around them hold."""

from __future__ import annotations

import contextlib
import os
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from resources.r_runtime import InputTable, RRuntime
from resources.r_runtime.runtime import KeysInReach
from tests.r_runtime.attacks.attacking import DONE, HEAD, Attack, everything_in, mentions


def test_no_process_of_a_run_holds_a_key_of_the_platform(attack: Attack, monkeypatch: pytest.MonkeyPatch) -> None:
    marker = "c0ffee" * 10 + "beef"
    monkeypatch.setenv("PLATFORM_IDENTITY_KEY_PATIENT", marker)
    monkeypatch.setenv("GCS_HMAC_SECRET", marker)
    found: dict[str, bool] = {}
    over = threading.Event()

    def search() -> None:
        while not over.is_set():
            for pid in _below(os.getpid()):
                with contextlib.suppress(OSError):
                    command = Path(f"/proc/{pid}/cmdline").read_bytes().replace(b"\0", b" ").decode()
                    if b"r_child" in command.encode():  # after the exec, that is
                        held = marker.encode() in Path(f"/proc/{pid}/environ").read_bytes() or _in_memory(pid, marker)
                        name = command.split("r_child/")[1].split()[0]
                        found[name] = found.get(name, False) or held
            time.sleep(0.1)

    searching = threading.Thread(target=search)
    searching.start()
    try:
        attack(f"Sys.sleep(3)\n{DONE}").rows()
    finally:
        over.set()
        searching.join()
    assert found == {"supervisor.py": False, "reader.py": False}  # the host is a fork of the supervisor
    if os.geteuid() == 0:
        assert _in_memory(os.getpid(), marker)  # the search does find it where it is


@pytest.mark.parametrize("kept", ["file", "variable"])
def test_in_the_cluster_r_does_not_run_where_keys_can_be_read(
    kept: str, attack: Attack, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / "keys"
    folder.mkdir()
    monkeypatch.setenv("PLATFORM_IDENTITY_KEYS_DIR", str(folder))
    cluster = RRuntime(beside_keys=False)
    assert attack(DONE, cluster).rows()  # the folder is named in every pod, and is there in some
    if kept == "file":
        (folder / "PLATFORM_IDENTITY_KEY_PATIENT").write_text("c0ffee" * 11)
    else:
        monkeypatch.setenv("PLATFORM_IDENTITY_KEY_PATIENT", "c0ffee" * 11)
    with pytest.raises(KeysInReach, match="here PLATFORM_IDENTITY_KEY_PATIENT can: nothing was run") as refused:
        attack(DONE, cluster)
    assert "c0ffee" not in str(refused.value)
    assert attack(DONE).rows()


def _below(root: int) -> set[int]:
    parents = {}
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            with contextlib.suppress(OSError):
                parents[int(entry.name)] = int((entry / "stat").read_text().rpartition(")")[2].split()[1])
    below, before = {root}, 0
    while len(below) != before:
        before = len(below)
        below |= {pid for pid, parent in parents.items() if parent in below}
    return below - {root}


def _in_memory(pid: int, text: str) -> bool:
    # in two parts, so that this search does not find itself
    wanted = text.encode()
    with open(f"/proc/{pid}/maps", encoding="ascii") as maps, open(f"/proc/{pid}/mem", "rb", 0) as memory:
        for line in maps:
            span, rights, *_ = line.split()
            if rights.startswith("rw"):
                start, end = (int(part, 16) for part in span.split("-"))
                with contextlib.suppress(OSError, ValueError, OverflowError):
                    memory.seek(start)
                    if wanted in memory.read(min(end - start, 1 << 28)):
                        return True
    return False


def test_a_supervisor_that_dies_takes_r_with_it_and_the_card_says_so(attack: Attack, tmp_path: Path) -> None:
    killed: list[int] = []

    def kill() -> None:
        while not list(tmp_path.glob("runs/*/r/ready")):
            time.sleep(0.05)
        for pid in mentions("supervisor.py"):
            if str(tmp_path).encode() in Path(f"/proc/{pid}/cmdline").read_bytes():
                parent = int(Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[1])
                if parent == os.getpid():
                    killed.append(pid)
                    os.kill(pid, 9)

    killing = threading.Thread(target=kill)
    killing.start()
    card = attack('write.csv(visits, "ready"); Sys.sleep(60)').failure()
    killing.join()
    assert len(killed) == 1
    assert (card.kind, card.line) == ("platform", None)
    assert "the process around R failed" in card.message
    deadline = time.monotonic() + 10
    while mentions(str(tmp_path / "runs")) and time.monotonic() < deadline:
        time.sleep(0.05)
    assert not mentions(str(tmp_path / "runs"))
    assert "Okonkwo" not in everything_in(tmp_path / "runs")


STARTS = """
import sys
from pathlib import Path
from platform_assets.indicators import read_indicator
from resources.r_runtime import InputTable, RRuntime
script, visits, folder = sys.argv[1:]
table = InputTable(Path(visits), "validated/visits", "1", 3)
RRuntime().run(read_indicator(script), {"visits": table}, {}, Path(folder), lambda event: print(event, flush=True))
"""


def test_a_killed_platform_leaves_neither_processes_nor_data(tmp_path: Path, visits: InputTable) -> None:
    number = 99_000_000 + os.getpid()
    path = tmp_path / "r" / "indicators" / "attack.R"
    path.parent.mkdir(parents=True)
    path.write_text(
        f'{HEAD}attack <- function(visits) {{ system("setsid env -i sleep {number} &"); write.csv(visits, "out/all.csv")\n'
        'message("starting"); Sys.sleep(100) }\n'
    )
    command = [sys.executable, "-c", STARTS, str(path), str(visits.path), str(tmp_path / "runs")]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, cwd=Path(__file__).parents[3]) as platform:
        assert platform.stdout is not None
        while "starting" not in platform.stdout.readline():
            assert platform.poll() is None
        assert mentions(str(number))
        platform.kill()
    deadline = time.monotonic() + 15
    while (mentions(str(number)) or mentions(str(tmp_path / "runs"))) and time.monotonic() < deadline:
        time.sleep(0.05)
    assert not mentions(str(number))
    assert not mentions(str(tmp_path / "runs"))
    assert "Okonkwo" not in everything_in(tmp_path / "runs")


def test_the_usual_work_of_scripts_goes_on_under_the_locks(attack: Attack) -> None:
    body = """
      library(data.table)
      kept <- tempfile(fileext = ".rds"); saveRDS(visits, kept)
      lines <- tempfile(); fwrite(data.table(a = 1:3), lines)
      dir.create("mine"); file.copy(lines, "mine/copy.csv"); file.rename("mine/copy.csv", "mine/moved.csv")
      at_once <- parallel::mclapply(1:4, function(i) i^2, mc.cores = 2)
      data.frame(
        what = c("rds", "csv", "copied", "at once", "program", "removed", "zip"),
        done = c(identical(readRDS(kept), visits), nrow(fread(lines)) == 3, nrow(fread("mine/moved.csv")) == 3,
                 sum(unlist(at_once)) == 30, system2("echo", "hello", stdout = TRUE) == "hello",
                 unlink("mine", recursive = TRUE) == 0 && !file.exists("mine"),
                 { tar("a.tar", basename(lines), tar = "internal") ; TRUE })
      )"""
    ran = attack(body)
    assert [row["what"] for row in ran.rows() if not row["done"]] == []
