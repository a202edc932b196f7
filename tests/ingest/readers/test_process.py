"""A process for each file: what it can reach, how it may end, and that nobody else notices."""

from __future__ import annotations

import dataclasses
import os
import random
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path

import pytest

from platform_assets.ingest.readers.apart import process
from platform_assets.ingest.readers.apart.limits import Limits, setting
from platform_assets.ingest.readers.apart.process import Child, ReaderBroken
from platform_assets.ingest.readers.rows import FileRejected
from tests.conftest import Bench
from tests.ingest.readers import files, jobs
from tests.workbooks import workbook

Make = Callable[..., Bench]
ROOT = Path(__file__).parents[3]


@pytest.fixture(autouse=True)
def finds_tests(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(process._ENVIRONMENT, "PYTHONPATH", str(ROOT))


@pytest.fixture
def child() -> Iterator[Child]:
    with Child(Limits(memory_mb=64, seconds=1, unpacked_mb=4)) as child:
        yield child


def children(parent: int) -> list[int]:
    with suppress(OSError):
        return [int(p) for p in Path(f"/proc/{parent}/task/{parent}/children").read_text().split()]
    return []


def test_it_reaches_its_own_folder_and_nothing_else(
    child: Child, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PLATFORM_IDENTITY_KEY_SAMPLE_ID", "ab" * 32)
    others = tmp_path / "others"
    others.mkdir()
    (others / "secret").write_text("x")
    came, target = child.run(jobs.try_all, files=[], folder=tmp_path, others=others)
    assert came.pop("write mine") == "done"
    assert set(came.pop("environment").split(",")) <= {*process._ENVIRONMENT, "PYTHONPATH", "LC_CTYPE"}
    assert set(came.pop("descriptors").split(",")) <= {"0", "1", "2", "3"}  # the listing itself is one
    assert set(came.values()) <= {"PermissionError", "FileNotFoundError"}
    assert not (others / "new").exists()
    assert (target / "mine").stat().st_mode & 0o77 == 0


@pytest.mark.parametrize("how", [signal.SIGABRT, signal.SIGSEGV, signal.SIGKILL, signal.SIGBUS, signal.SIGTERM])
def test_however_it_dies_the_file_is_refused_and_the_next_one_is_read(child: Child, tmp_path: Path, how: int) -> None:
    with pytest.raises(FileRejected, match=rf"\(its reader died: {signal.Signals(how).name}\).*as CSV"):
        child.run(jobs.die, files=[], folder=tmp_path, how=how)
    assert not list(tmp_path.iterdir())
    assert child.run(jobs.nothing, files=[], folder=tmp_path)[0] == "fine"


@pytest.mark.parametrize(
    ("job", "said"),
    [
        (jobs.break_memory, "its reader died"),
        (jobs.eat, "more than 64 MB of memory"),
        (jobs.spin, "took longer than 1 seconds"),
        (jobs.sleep, "took longer than 1 seconds"),
        (jobs.fill, "unpacks to more than 4 MB"),
    ],
)
def test_a_limit_ends_it_with_a_sentence(child: Child, tmp_path: Path, job: Callable[..., object], said: str) -> None:
    with pytest.raises(FileRejected, match=said):
        child.run(job, files=[], folder=tmp_path)
    assert not list(tmp_path.iterdir())
    assert child.run(jobs.nothing, files=[], folder=tmp_path)[0] == "fine"


def test_a_limit_is_told_also_where_the_platform_was_started_to_ignore_its_signal(tmp_path: Path) -> None:
    before = signal.signal(signal.SIGXCPU, signal.SIG_IGN)
    try:
        with Child(Limits(memory_mb=64, seconds=1)) as child, pytest.raises(FileRejected, match="took longer than 1"):
            child.run(jobs.spin, files=[], folder=tmp_path)
    finally:
        signal.signal(signal.SIGXCPU, before)


def test_it_starts_no_process(child: Child, tmp_path: Path) -> None:
    """Whoever it runs as: a limit on processes does not hold for root."""
    with pytest.raises(FileRejected, match="PermissionError"):
        child.run(jobs.leave_something_behind, files=[], folder=tmp_path, mark="left-behind-7")
    assert not _running("left-behind-7")


def test_what_one_leaves_running_is_ended() -> None:
    """Where a kernel cannot refuse processes."""
    code = (
        "import os, sys, time\n"
        "from platform_assets.ingest.readers.apart import child\n"
        "child._libc.prctl(36, 1, 0, 0, 0)\n"
        "if not os.fork():\n"
        "    for _ in range(3):\n"
        "        if not os.fork() and os.setsid():\n"
        "            os.fork(); os.execv('/bin/sleep', ['left-behind-8', '60'])\n"
        "    time.sleep(0.5); os._exit(0)\n"
        "time.sleep(1)\n"
        "child._sweep()\n"
    )
    subprocess.run([sys.executable, "-c", code], cwd=ROOT, check=True)
    assert not _running("left-behind-8")


def _running(mark: str) -> list[str]:
    running = []
    for entry in Path("/proc").iterdir():
        with suppress(OSError):
            if entry.name.isdigit() and (entry / "cmdline").read_bytes().startswith(f"{mark}\0".encode()):
                running.append(entry.name)
    return running


@pytest.mark.parametrize("what", ["link", "linked answer", "fifo", "folder", "two names"])
def test_what_is_no_file_of_its_own_is_not_taken(child: Child, tmp_path: Path, what: str) -> None:
    other = tmp_path / "other"
    other.write_text('{"result": "stolen"}')
    with pytest.raises(FileRejected):
        child.run(jobs.hand_over, files=[], folder=tmp_path, what=what, other=other)
    assert other.read_text() == '{"result": "stolen"}'


@pytest.mark.parametrize(
    "text", ["", "{", "[1]", '{"refused": 1}', "[" * 100_000, '{"a": 1}', "x" * (17 << 20), "null"]
)
def test_an_answer_that_is_none_is_a_refusal(tmp_path: Path, text: str) -> None:
    with (
        Child(Limits(memory_mb=64, seconds=5)) as child,
        pytest.raises(FileRejected, match=r"no reader makes|cannot be read"),
    ):
        child.run(jobs.answer, files=[], folder=tmp_path, text=text)


def test_without_a_reader_no_file_is_blamed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "executable", "/bin/false")
    with Child() as child, pytest.raises(ReaderBroken, match="make setup"):
        child.run(jobs.nothing, files=[], folder=tmp_path)


def test_no_process_is_left_when_its_user_is_gone(tmp_path: Path) -> None:
    """Killed with -9 while a file is read: the reader goes too."""
    code = (
        "import sys, pathlib\n"
        "from platform_assets.ingest.readers.apart import process\n"
        "from tests.ingest.readers import jobs\n"
        f"process._ENVIRONMENT['PYTHONPATH'] = {str(ROOT)!r}\n"
        "child = process.Child(); child.run(jobs.nothing, files=[], folder=pathlib.Path(sys.argv[1]))\n"
        "print(child._process.pid, flush=True)\n"
        "child.run(jobs.sleep, files=[], folder=pathlib.Path(sys.argv[1]))\n"
    )
    with subprocess.Popen(
        [sys.executable, "-c", code, str(tmp_path)], cwd=ROOT, stdout=subprocess.PIPE, text=True
    ) as user:
        assert user.stdout
        first = int(user.stdout.readline())
        deadline = time.monotonic() + 30
        while not children(first) and time.monotonic() < deadline:
            time.sleep(0.05)
        (second,) = children(first)
        user.kill()
    while time.monotonic() < deadline and any(Path(f"/proc/{p}").exists() for p in (first, second)):
        time.sleep(0.05)
    assert not Path(f"/proc/{first}").exists()
    assert not Path(f"/proc/{second}").exists()


@pytest.mark.parametrize("text", ["0", "-1", "many", "1.5", ""])
def test_a_limit_that_is_none_is_told(monkeypatch: pytest.MonkeyPatch, text: str) -> None:
    monkeypatch.setenv("PLATFORM_READER_ROWS", text)
    with pytest.raises(ValueError, match=r"PLATFORM_READER_ROWS=.*whole number"):
        Limits.from_environment()


def test_the_guide_names_every_limit_with_its_default() -> None:
    guide = (ROOT / "docs" / "operate.md").read_text(encoding="utf-8")
    for field in dataclasses.fields(Limits):
        assert f"| `{setting(field.name)}` | `{field.default}` |" in guide


def test_every_format_is_read_and_written_without_a_thread(tmp_path: Path) -> None:
    code = (
        "import sys, pathlib\n"
        "from platform_assets.contracts.file_format import FileFormat\n"
        "from platform_assets.ingest.readers import reading\n"
        "from platform_assets.ingest.readers.apart import process\n"
        "from platform_assets.ingest.readers.interface import Edits\n"
        "from tests.ingest.readers.test_registry import fmt_of\n"
        "from platform_assets.ingest.readers.registry import all_formats\n"
        "from tests.conftest import lab_contract\n"
        "folder, contract = pathlib.Path(sys.argv[1]), lab_contract()\n"
        "with process.Child() as child:\n"
        "    for kind, form in all_formats().items():\n"
        "        path, fmt = folder / kind, fmt_of(kind)\n"
        "        path.write_bytes(form.written(fmt, list(contract.columns), [['A', '2024-01-01', 'POS', '1']] * 50_000))\n"
        "        part, _ = reading.stage(child, path, 0, contract, fmt, folder)\n"
        "        assert part.rows == {0: 50_000}, kind\n"
        "        reading.edited(child, path, contract, fmt, Edits({2}, {3: {'A': 'B'}}), folder)\n"
    )
    done = subprocess.run([sys.executable, "-c", code, str(tmp_path)], cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr[-2_000:]


@pytest.mark.slow
def test_readers_killed_at_random_lose_and_double_nothing(bench: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    """Both generations of processes are killed in all ways, at any moment. Each file is loaded or refused; refused ones can come again."""
    draw = random.Random(3)
    lab = bench(format=[{"kind": k} for k in ("csv", "json", "json5", "parquet", "xlsx")])
    contents = {}
    for n in range(24):
        row = {"sample_id": f"S{n}", "test_date": "2024-01-01", "result": "POS", "viral_load": str(n)}
        kind = ("json", "xlsx", "csv", "zip")[n % 4]
        text = ",".join(row) + "\n" + ",".join(row.values()) + "\n"
        contents[f"f{n}.{kind}"] = {
            "json": f"[{row}]".replace("'", '"').encode(),
            "xlsx": workbook("S", [list(row), list(row.values())]),
            "csv": text.encode() + b'"open,1,2,3\n',  # a case for the line reader
            "zip": files.zipped({"in.csv": text.encode()}),
        }[kind]
    stop, kills = threading.Event(), [0]

    def kill() -> None:
        while not stop.is_set():
            time.sleep(draw.uniform(0.02, 1))
            firsts = [p for p in children(os.getpid()) if b"readers.apart.child" in _command(p)]
            victims = [*firsts, *(p for first in firsts for p in children(first))]
            if victims:
                with suppress(ProcessLookupError):
                    os.kill(draw.choice(victims), draw.choice([signal.SIGKILL, signal.SIGSEGV, signal.SIGABRT]))
                    kills[0] += 1

    killer = threading.Thread(target=kill)
    for name, data in contents.items():
        lab.drop(name, data)
    killer.start()
    try:
        entries = {e.file: e for e in lab.load().entries}
    finally:
        stop.set()
        killer.join()
    assert kills[0] > 3
    assert set(entries) == set(contents)
    refused = {f for f, e in entries.items() if e.status == "rejected"}
    assert all("its reader died" in entries[f].reason for f in refused)
    assert lab.files("landing") == []
    assert {f for f in lab.files("rejected") if not f.endswith(".reason.txt")} == refused
    lab.assert_nothing_lost()
    for name in refused:
        lab.drop(name, contents[name])
    lab.load()
    assert lab.sql("SELECT count(*), count(DISTINCT sample_id), sum(viral_load) FROM {validated}") == [(24, 24, 276)]
    assert lab.sql("SELECT count(*) FROM {raw}") == [(24,)]
    lab.assert_nothing_lost()


def _command(pid: int) -> bytes:
    with suppress(OSError):
        return Path(f"/proc/{pid}/cmdline").read_bytes()
    return b""
