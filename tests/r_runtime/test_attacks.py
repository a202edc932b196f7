"""Scripts that attack the platform: what they make, what they leave running, what they say. With R as it is, through the front door."""

from __future__ import annotations

import contextlib
import json
import os
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from platform_assets.indicators import read_indicator
from resources.r_runtime import IndicatorFailed, InputTable, RRuntime
from resources.r_runtime.runtime import KeysInReach
from tests.r_runtime.conftest import Ran

HEAD = """#' Attack
#' @input visits  patient <text>, visit_date <date>, age <integer>, score <number>
#' @output what <text>, done <flag>
"""
PLOTS = "#' @plot first  First\n#' @plot second  Second\n"
SECRET = "SECRET-of-another-folder"
OPEN = RRuntime(timeout_seconds=60, sandbox="off")
"""Without locks: what the platform's own processes hold against a script that can make whatever it likes."""
LOCKED = RRuntime(timeout_seconds=60)
DONE = 'data.frame(what = "x", done = TRUE)'

Attack = Callable[..., Ran]


@pytest.fixture
def secret(tmp_path: Path) -> Path:
    """A file outside of the run, as the platform has many."""
    path = tmp_path / "elsewhere" / "secret.txt"
    path.parent.mkdir()
    path.write_text(SECRET)
    path.chmod(0o600)
    return path


@pytest.fixture
def attack(tmp_path: Path, visits: InputTable) -> Attack:
    """Run a function body as an indicator."""

    def run(body: str, runtime: RRuntime = LOCKED, head: str = HEAD) -> Ran:
        path = tmp_path / "r" / "indicators" / "attack.R"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(f"{head}attack <- function(visits) {{\n{body}\n}}\n", encoding="utf-8")
        ran = Ran()
        try:
            ran.result = runtime.run(read_indicator(path), {"visits": visits}, {}, tmp_path / "runs", ran.events.append)
        except IndicatorFailed as failed:
            ran.card = failed.card
        return ran

    return run


def _everything_in(folder: Path) -> str:
    return "".join(
        path.read_text(errors="replace") for path in folder.rglob("*") if path.is_file() and not path.is_symlink()
    )


# --- What a script makes ----------------------------------------------------------------------------------------

PYTHON = sys.executable
MADE = {
    "link": ("ln -s {secret} {path}", "is a link, not a file"),
    "link to the platform's process": ("ln -s /proc/{platform}/environ {path}", "is a link, not a file"),
    "link to nothing": ("ln -s nowhere {path}", "is a link, not a file"),
    "hard link": ("ln {secret} {path}", "is linked to another file"),
    "pipe": ("mkfifo {path}", "is a pipe, not a file"),
    "folder": ("mkdir {path}", "is a folder, not a file"),
    "socket": (
        PYTHON + " -c 'import socket; socket.socket(socket.AF_UNIX).bind(\"{path}\")'",
        "is a socket, not a file",
    ),
    "device": ("mknod {path} c 1 5", "is a device, not a file"),
    "nothing": ("true", "was not written"),
}


@pytest.mark.parametrize("suffix", ["svg", "png"])
@pytest.mark.parametrize("kind", MADE)
def test_what_is_no_file_of_the_runs_own_is_not_taken_for_a_plot(
    kind: str, suffix: str, attack: Attack, secret: Path, tmp_path: Path
) -> None:
    if kind == "device" and os.geteuid() != 0:
        pytest.skip("only root makes devices")
    command, reason = MADE[kind]
    path = f"out/first.{suffix}"
    command = command.format(secret=secret, path=path, platform=os.getpid())
    # the second plot is drawn when the first is there
    body = f"""
      swapped <- function() {{
        plot(1); unlink("{path}", recursive = TRUE)
        system({command!r})
      }}
      list(data = {DONE}, first = function() plot(1), second = swapped)"""
    card = attack(body, OPEN, HEAD + PLOTS).failure()
    assert (card.kind, card.message) == ("unsafe_output", f"first.{suffix} {reason}")
    assert SECRET not in _everything_in(tmp_path / "runs")
    assert secret.read_text() == SECRET


def test_a_table_that_is_a_link_is_not_taken(attack: Attack, secret: Path, tmp_path: Path) -> None:
    card = attack(f'file.symlink("{tmp_path}/elsewhere/new", "out/data.parquet")\n{DONE}', OPEN).failure()
    assert (card.kind, card.message) == ("unsafe_output", "data.parquet is a link, not a file")


@pytest.mark.parametrize("part", ["out", "tmp", "../received", "../output"])
def test_a_folder_of_the_run_that_became_a_link_leads_nowhere(
    part: str, attack: Attack, secret: Path, tmp_path: Path
) -> None:
    (secret.parent / "data.parquet").write_bytes((tmp_path / "visits.parquet").read_bytes())
    body = f'file.rename("{part}", "{part}-before"); file.symlink("{secret.parent}", "{part}")\n{DONE}'
    ran = attack(body, OPEN)
    if part == "tmp":
        assert ran.rows() == [{"what": "x", "done": True}]
    else:
        assert ran.card is not None
    assert secret.read_text() == SECRET
    assert SECRET not in _everything_in(tmp_path / "runs")


@pytest.mark.parametrize("name", ["card.txt", "../card.txt", "request.json", "out/card.txt"])
def test_the_platform_writes_through_no_link_of_a_script(name: str, attack: Attack, secret: Path) -> None:
    """The failure card was written into the script's folder once: a link there destroyed any file of the platform's user."""
    with contextlib.suppress(FileExistsError):  # a script without locks can take the card's place, but not lead it away
        attack(f'unlink("{name}"); file.symlink("{secret}", "{name}"); stop("oops")', OPEN)
    assert secret.read_text() == SECRET


def test_locked_in_a_script_can_make_none_of_it(attack: Attack, secret: Path) -> None:
    """And change nothing about files that it cannot even read."""
    before = secret.stat()
    python = f"""
import ctypes, os, socket, sys
syscall = ctypes.CDLL(None, use_errno=True).syscall
secret = {str(secret)!r}
def shared(): return syscall({29 if os.uname().machine == "x86_64" else 194}, 0x4b1d, 4096, 0o1666) >= 0
def keys(): return syscall({250 if os.uname().machine == "x86_64" else 219}, 0, -4, 1) >= 0
tried = dict(
  link=lambda: os.symlink(secret, "l"), hard=lambda: os.link(secret, "h"), hard_own=lambda: os.link("own", "h2"),
  pipe=lambda: os.mkfifo("p"), node=lambda: os.mknod("n"), device=lambda: os.mknod("d", 0o20600, os.makedev(1, 5)),
  pair=lambda: socket.socketpair(), socket=lambda: socket.socket(socket.AF_UNIX),
  mode=lambda: os.chmod(secret, 0o666), mode_own=lambda: os.chmod("own", 0o4755), owner=lambda: os.chown(secret, os.getuid(), os.getgid()),
  times=lambda: os.utime(secret, (1, 1)), attribute=lambda: os.setxattr(secret, "user.x", b"1"), read_attribute=lambda: os.listxattr(secret),
  cut=lambda: os.truncate(secret, 0), memory=lambda: os.memfd_create("m"), shared=shared, keys=keys,
  others=lambda: __import__("resource").prlimit(os.getppid(), 7), nice=lambda: os.setpriority(os.PRIO_PROCESS, os.getppid(), 19),
  space=lambda: syscall({272 if os.uname().machine == "x86_64" else 97}, 0x10000000) == 0,
)
open("own", "w").close()
for name, attempt in tried.items():
  try: done = attempt() is not False
  except OSError: done = False
  print(name, done)
"""
    body = f"""
      writeLines({python!r}, "attack.py")
      told <- strsplit(system2("{PYTHON}", c("-I", "attack.py"), stdout = TRUE), " ")
      mode <- suppressWarnings(Sys.chmod("{secret}", "0666", use_umask = FALSE))
      time <- suppressWarnings(Sys.setFileTime("{secret}", as.POSIXct(0, origin = '1970-01-01')))
      moved <- suppressWarnings(file.rename("own", "out/own"))
      data.frame(what = c(vapply(told, `[`, "", 1), "r_mode", "r_time", "moved"),
                 done = c(vapply(told, `[`, "", 2) == "True", mode, time, moved))"""
    rows = attack(body).rows()
    assert len(rows) == 24
    assert [row["what"] for row in rows if row["done"]] == []
    now = secret.stat()
    assert (now.st_mode, now.st_mtime_ns, now.st_ctime_ns, now.st_nlink) == (
        before.st_mode,
        before.st_mtime_ns,
        before.st_ctime_ns,
        before.st_nlink,
    )


NOT_FOR_ANYONE = """
import ctypes, fcntl, os, struct
libc = ctypes.CDLL(None, use_errno=True)
open("f", "w").close()
fd, pipe = os.open("f", os.O_RDWR), os.pipe()[1]
def flags(value): fcntl.ioctl(fd, 0x40086602, struct.pack("l", value))
def fallocated():
  if libc.fallocate(fd, 0, ctypes.c_long(0), ctypes.c_long(1 << 20)): raise OSError
def prctl(*arguments):
  if libc.prctl(*arguments, 0, 0, 0): raise OSError
tried = dict(
  append_only=lambda: flags(0x20), never_removed=lambda: flags(0x10), no_flag=lambda: flags(0),
  outlives=lambda: prctl(1, 0), hidden=lambda: prctl(4, 0), adopts=lambda: prctl(36, 1),
  reserved=fallocated, lease=lambda: fcntl.fcntl(fd, 1024, 1), notes=lambda: fcntl.fcntl(os.open(".", 0), 1026, 2),
  large_pipe=lambda: fcntl.fcntl(pipe, 1031, 1 << 20),
  first=lambda: os.sched_setscheduler(0, os.SCHED_FIFO, os.sched_param(1)),
  other_user=lambda: os.setresuid(65534, 65534, 65534), other_group=lambda: os.setresgid(65534, 65534, 65534),
  kept_in_memory=lambda: libc.mlockall(3) and 1 / 0,
)
for name, attempt in tried.items():
  try: attempt(); done = True
  except (OSError, ZeroDivisionError): done = False
  print(name, done)
"""


def test_what_calls_do_by_their_arguments_and_root_may_is_refused_too(attack: Attack, tmp_path: Path) -> None:
    """A file that nobody can remove kept rows of patients for ever; a process that cannot be looked at is not counted."""
    body = f"""
      writeLines({NOT_FOR_ANYONE!r}, "attack.py")
      told <- strsplit(system2("{PYTHON}", c("-I", "attack.py"), stdout = TRUE), " ")
      data.frame(what = vapply(told, `[`, "", 1), done = vapply(told, `[`, "", 2) == "True")"""
    rows = attack(body).rows()
    assert len(rows) == 14
    assert [row["what"] for row in rows if row["done"]] == []
    if os.geteuid() == 0:
        done = subprocess.run(
            [PYTHON, "-I", "-c", NOT_FOR_ANYONE], cwd=tmp_path, capture_output=True, text=True, check=True
        )
        assert done.stdout.count("True") > 8  # the attempts are real ones


@pytest.mark.skipif(os.geteuid() != 0, reason="only root makes files that cannot be removed")
def test_what_cannot_be_removed_is_told_on_the_card(attack: Attack, tmp_path: Path) -> None:
    """Where nothing is locked."""
    body = f'write.csv(visits, "kept"); system("chattr +i kept")\n{DONE}'
    try:
        card = attack(body, OPEN).failure()
        assert card.kind == "platform"
        assert "cannot be removed: remove " in card.message
        assert str(tmp_path / "runs") in card.message
    finally:
        subprocess.run(["chattr", "-R", "-i", str(tmp_path)], check=False, capture_output=True)


def test_without_the_locks_a_script_does_all_of_it(attack: Attack, tmp_path: Path) -> None:
    """Shows that such attempts are real ones."""
    body = 'data.frame(what = c("link", "mode"), done = c(file.symlink("a", "l"), Sys.chmod("out", "0755")))'
    assert all(row["done"] for row in attack(body, OPEN).rows())


@pytest.mark.parametrize(
    "svg",
    [
        "<svg xmlns='http://www.w3.org/2000/svg'><script>1</script></svg>",
        "<!DOCTYPE svg [<!ENTITY a 'b'>]><svg/>",
        "no plot",
    ],
)
def test_a_plot_that_a_browser_would_run_is_not_taken(svg: str, attack: Attack) -> None:
    body = f"""
      list(data = {DONE}, first = function() plot(1),
           second = function() {{ plot(1); unlink("out/first.svg"); writeLines("{svg}", "out/first.svg") }})"""
    card = attack(body, LOCKED, HEAD + PLOTS).failure()
    assert card.kind == "unsafe_output"
    assert card.message.startswith("the plot first.svg ")


# --- What a script leaves running -------------------------------------------------------------------------------

DAEMON = "import os, time; os.fork() and os._exit(0); os.setsid(); os.fork() and os._exit(0); os.chdir('/'); os.closerange(0, 99); time.sleep({n})"
STUBBORN = (
    "import signal, time; [signal.signal(s, signal.SIG_IGN) for s in range(1, 32) if s not in (9, 19)]; time.sleep({n})"
)
HARE = "import os, time; n = {n}; open('hare', 'w').close()\nwhile True:\n  time.sleep(0.003)\n  if os.fork(): os._exit(0)\n  os.setsid()"
SIBLING = "import ctypes, os, time; ctypes.CDLL(None).syscall({clone}, 0x8000 | 17, 0, 0, 0, 0) or time.sleep({n})"
LEFT = {
    "in the background": "sleep {n} &",
    "in a session of its own": "setsid sleep {n} >/dev/null 2>&1 &",
    "without environment": "setsid env -i /bin/sh -c 'sleep {n}' >/dev/null 2>&1 &",
    "nohup": "nohup sleep {n} >/dev/null 2>&1 &",
    "twice removed": "(setsid sh -c '(setsid sleep {n} >/dev/null 2>&1 &)' &)",
    "daemon": PYTHON + ' -I -c "' + DAEMON + '" >/dev/null 2>&1 &',
    "deaf to signals": PYTHON + ' -I -c "' + STUBBORN + '" >/dev/null 2>&1 &',
    "stopped": "(setsid sh -c 'kill -STOP $$; sleep {n}; true' attack-{n} >/dev/null 2>&1 &)",
    "always a new one": PYTHON + ' -I -c "' + HARE + '" >/dev/null 2>&1 &',
    "a sibling": PYTHON + ' -I -c "' + SIBLING + '" >/dev/null 2>&1 &',
    "holds the pipes open": "setsid sleep {n} &",
}


@pytest.mark.parametrize("ending", [DONE, 'stop("oops")', "tools::pskill(Sys.getpid(), 9); Sys.sleep(9)"])
def test_no_process_outlives_its_run(ending: str, attack: Attack, tmp_path: Path) -> None:
    clone = 56 if os.uname().machine == "x86_64" else 220
    numbers = {kind: 97_000_000 + os.getpid() * 20 + index for index, kind in enumerate(LEFT)}
    commands = [command.format(n=numbers[kind], clone=clone) for kind, command in LEFT.items()]
    lines = "\n".join(f"system({command!r})" for command in commands)
    watching = threading.Event()
    seen: set[str] = set()

    def watch() -> None:
        while not watching.is_set():
            seen.update(kind for kind, number in numbers.items() if _mentions(str(number)))
            if list(tmp_path.glob("runs/*/r/hare")):  # which is too quick to be met
                seen.add("always a new one")
            if seen == set(LEFT):
                for folder in tmp_path.glob("runs/*/r"):
                    with contextlib.suppress(FileNotFoundError):  # cleared already
                        (folder / "go").touch()
            time.sleep(0.05)

    watcher = threading.Thread(target=watch)
    watcher.start()
    try:
        ran = attack(f"{lines}\nwhile (!file.exists('go')) Sys.sleep(0.1)\n{ending}")
    finally:
        watching.set()
        watcher.join()
    assert seen == set(LEFT)  # they did run
    for _ in range(20):  # what always is a new process is easily overlooked
        assert {kind for kind, number in numbers.items() if _mentions(str(number))} == set()
    assert (ran.result is not None) == (ending == DONE)


def test_a_script_that_is_stopped_for_its_time_leaves_none_either(attack: Attack) -> None:
    number = 98_000_000 + os.getpid()
    limits = RRuntime(timeout_seconds=3, grace_seconds=0.5)
    card = attack(f"system('setsid env -i sleep {number} &')\nwhile (TRUE) Sys.sleep(0.1)", limits).failure()
    assert card.kind == "timeout"
    assert not _mentions(str(number))


def _mentions(text: str) -> list[int]:
    found = []
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit() and int(entry.name) != os.getpid():
            with contextlib.suppress(OSError):
                if text.encode() in (entry / "cmdline").read_bytes():
                    found.append(int(entry.name))
    return found


@pytest.mark.parametrize("number", [1, 6, 9, 15, 31, 34, 40, 64])
def test_whatever_signal_ends_r_is_told(number: int, attack: Attack) -> None:
    """Those without a name in Python too (34 and above)."""
    card = attack(f"tools::pskill(Sys.getpid(), {number}); Sys.sleep(20)").failure()
    assert card.kind in ("crash", "killed"), card.text()
    assert "SIG" in card.message or f"signal {number}" in card.message
    assert card.seconds < 15


def test_a_forged_traceback_costs_little(attack: Attack) -> None:
    body = """
      system("(echo Traceback:; seq -f '%.0f: f(x)' 20000) >&2")
      tools::pskill(Sys.getpid(), 11); Sys.sleep(20)"""
    began = time.process_time()
    assert attack(body).failure().kind == "crash"
    assert time.process_time() - began < 5


# --- What a script takes ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("body", "limits", "message"),
    [
        (
            "for (i in 1:30) system('sleep 30 &'); Sys.sleep(9)",
            {"processes": 20},
            "it had more than 20 processes at once",
        ),
        (
            "for (i in 1:9) writeBin(raw(4e6), paste0('f', i)); Sys.sleep(9)",
            {"folder_mb": 20},
            "its folder held more than 20 MB",
        ),
        ("d <- 'out'; for (i in 1:80) { d <- file.path(d, 'd'); dir.create(d) }; Sys.sleep(9)", {}, "too deep"),
        (
            f"system2('{PYTHON}', c('-Ic', shQuote('import os, time; [os.fork() or os._exit(0) for _ in range(1500)]; time.sleep(20)')))",
            {},
            "it left more than 1,000 processes",
        ),
        ("system('yes'); Sys.sleep(9)", {}, "it printed more than 256 MB"),
        ("system('yes >&2'); Sys.sleep(9)", {}, "it printed more than 256 MB"),
    ],
)
def test_a_run_that_takes_too_much_is_ended(
    body: str, limits: dict[str, Any], message: str, attack: Attack, tmp_path: Path
) -> None:
    card = attack(f"{body}\n{DONE}", RRuntime(timeout_seconds=60, **limits)).failure()
    assert card.kind == "too_much"
    assert message in card.message
    assert card.seconds < 30
    (folder,) = (tmp_path / "runs").iterdir()
    assert sorted(path.name for path in folder.iterdir()) == ["card.txt", "request.json"]


def test_looking_again_and_again_sees_what_a_full_search_sees() -> None:
    """Whoever started it, in whatever session; threads have children too."""
    program = """
import os, subprocess, sys, threading, time
sys.path.insert(0, sys.argv[1])
from resources.r_child import family
family.adopt_orphans()
subprocess.Popen(["sh", "-c", "(setsid sleep 20 &) ; sleep 20; true"])
threading.Thread(target=lambda: (subprocess.Popen(["sleep", "20"]), time.sleep(3))).start()
time.sleep(1)
seen, all_of_them = ({member.pid for member in look()} for look in (family.below, family.descendants))
assert seen == all_of_them and len(seen) == 4, (seen, all_of_them)
assert family.end_all({})
assert family.below() == []
"""
    subprocess.run([sys.executable, "-c", program, str(Path(__file__).parents[2])], check=True, timeout=60)


NAMELESS = {
    "removed": "f = open('u%d' % i, 'wb'); f.write(bytes(8 << 20)); f.flush(); os.unlink(f.name); held.append(f)",
    "never had one": "f = os.open('.', os.O_TMPFILE | os.O_RDWR, 0o600); os.write(f, bytes(8 << 20)); held.append(f)",
    "mapped": "f = open('u%d' % i, 'w+b'); f.write(bytes(8 << 20)); f.flush(); os.unlink(f.name); "
    "held.append(mmap.mmap(f.fileno(), 0)); f.close(); [os.close(n) for n in range(3, 99) if os.path.exists('/proc/self/fd/%d' % n)]",
}


@pytest.mark.parametrize("kind", NAMELESS)
def test_files_without_a_name_count_as_well(kind: str, attack: Attack) -> None:
    program = f"import mmap, os, time\nheld = []\nfor i in range(9): {NAMELESS[kind]}\ntime.sleep(20)"
    body = f"""writeLines({program!r}, "attack.py")\nsystem2("{PYTHON}", c("-I", "attack.py"))\n{DONE}"""
    card = attack(body, RRuntime(timeout_seconds=60, folder_mb=20)).failure()
    assert (card.kind, card.message[:29]) == ("too_much", "its folder held more than 20 ")
    assert card.seconds < 15


def test_the_memory_of_all_processes_is_limited_together(attack: Attack) -> None:
    program = """import os, time
for _ in range(6):
  if not os.fork():
    held = bytearray(300 << 20)
    held[::4096] = bytes([1]) * len(held[::4096])
    time.sleep(20); os._exit(0)
time.sleep(20)"""
    body = f"""writeLines({program!r}, "attack.py")\nsystem2("{PYTHON}", c("-I", "attack.py"))\n{DONE}"""
    card = attack(body, RRuntime(timeout_seconds=60, memory_limit_mb=1000)).failure()
    assert (card.kind, card.message) == ("too_much", "its processes together had more than 1000 MB of memory")
    # what is shared since a fork counts once
    shared = f"held <- runif(4e7); at_once <- parallel::mclapply(1:6, function(i) Sys.sleep(1) , mc.cores = 6)\n{DONE}"
    assert attack(shared, RRuntime(timeout_seconds=60, memory_limit_mb=1200)).rows()


FORGES = r"""
  writeLines("
    #include <string.h>
    #include <sys/stat.h>
    #include <unistd.h>
    void say(char **text) {
      struct stat found;
      for (int fd = 3; fd < 30; fd++) if (!fstat(fd, &found) && S_ISFIFO(found.st_mode) && write(fd, *text, strlen(*text)) > 0) _exit(0);
    }", "say.c")
  system2(file.path(R.home("bin"), "R"), c("CMD", "SHLIB", "say.c"), stdout = FALSE)
  dyn.load("say.so")
"""
SWELLS = {
    "rows": (100_000_000, "pa.nulls(1_000_000, pa.string())", "the table has more than 5,000,000 rows: "),
    "text": (
        100_000,
        "pa.DictionaryArray.from_arrays(pa.array([0] * 1000, pa.int32()), pa.array(['x' * 100_000])).cast(pa.string())",
        "the table holds more than 512 MB: ",
    ),
}


@pytest.mark.parametrize("kind", SWELLS)
def test_a_small_file_that_is_an_endless_table_is_not_taken(kind: str, attack: Attack) -> None:
    """Its rows would be read into the memory of the platform's own process."""
    rows, column, message = SWELLS[kind]
    program = f"""
import sys; sys.path += {[path for path in sys.path if path]!r}; sys.modules["numpy"] = None
import pyarrow as pa, pyarrow.parquet as pq
column = {column}
table = pa.table(dict(what=column, done=pa.nulls(len(column), pa.bool_())))
with pq.ParquetWriter("out/data.parquet", table.schema, compression="zstd") as writer:
  for _ in range({rows} // len(column)): writer.write_table(table)"""
    report = f'{{"report": {{"ok": true, "rows": {rows}}}}}\n'
    body = f"""{FORGES}
      writeLines({program!r}, "attack.py"); system2("{PYTHON}", c("-I", "attack.py"))
      message("bytes: ", file.size("out/data.parquet"))
      .C("say", {json.dumps(report)})"""
    ran = attack(body)
    assert int(ran.said[-1].removeprefix("bytes: ")) < 3_000_000
    assert (ran.failure().kind, ran.failure().message[: len(message)]) == ("unsafe_output", message)


@pytest.mark.parametrize("suffix", ["svg", "png"])
def test_a_plot_of_many_megabytes_is_not_taken(suffix: str, attack: Attack) -> None:
    body = f"""
      list(data = {DONE}, first = function() plot(1),
           second = function() {{ plot(1); writeBin(raw(21e6), "out/first.{suffix}") }})"""
    card = attack(body, LOCKED, HEAD + PLOTS).failure()
    assert card.message.startswith(f"first.{suffix} is larger than ")


def test_no_file_grows_beyond_its_limit(attack: Attack) -> None:
    body = """
      large <- tryCatch({ f <- file("large", "wb"); writeBin(raw(30e6), f); close(f); file.size("large") > 20e6 },
                        error = function(e) FALSE, warning = function(w) FALSE)
      data.frame(what = "large", done = large)"""
    assert attack(body, RRuntime(file_mb=16)).rows() == [{"what": "large", "done": False}]


# --- What a script says -----------------------------------------------------------------------------------------

# by compiled code: R itself finds no way to a pipe that is open already
TO_THE_CHANNEL = r"""
  writeLines("
    #include <string.h>
    #include <sys/stat.h>
    #include <unistd.h>
    void say(char **text, int *times) {
      struct stat found;
      for (int fd = 3; fd < 30; fd++) if (!fstat(fd, &found) && S_ISFIFO(found.st_mode))
        for (int i = 0; i < *times; i++) if (write(fd, *text, strlen(*text)) < 0) return;
    }", "say.c")
  system2(file.path(R.home("bin"), "R"), c("CMD", "SHLIB", "say.c"), stdout = FALSE)
  dyn.load("say.so")
  say <- function(text, times = 1) .C("say", text, as.integer(times))
"""


@pytest.mark.parametrize(
    "hostile",
    [
        r'say("not-json\n")',
        r'say("{\"report\": {\"ok\": true}}\n")',
        r'say("{\"event\": {\"level\": \"sandbox\", \"text\": \"Landlock 99\", \"file\": null, \"line\": null}}\n")',
        r'say("{\"event\": 1}\n")',
        r'say(paste0(strrep("[", 1e5), "\n"))',
        r'say(strrep("x", 1e6), 400)',
        r'say("{\"report\": {\"ok\": true, \"rows\": 1e999}}\n")',
        r'say("{\"report\": {\"ok\": true, \"rows\": 1}}\n"); say("{\"report\": {\"ok\": true, \"rows\": 2}}\n")',
    ],
)
def test_words_of_its_own_on_the_platforms_channel_end_a_run(hostile: str, attack: Attack) -> None:
    began = time.process_time()
    card = attack(f"{TO_THE_CHANNEL}{hostile}\nSys.sleep(20)\n{DONE}").failure()
    assert card.kind == "channel"
    assert card.message.startswith("what came through it: ")
    assert "the script wrote to the platform's channel" in card.headline
    assert "Landlock 99" not in card.text()
    assert time.process_time() - began < 5
    assert card.seconds < 20


def test_what_a_script_says_reaches_no_terminal_and_no_page_as_more_than_text(attack: Attack) -> None:
    body = r"""
      message("\u001b[2J\u001b]0;owned\u0007 \u202etxt \r\u009b31m [click](https://attacker.example) <b>")
      warning("see https://attacker.example or www.attacker.example, \u001b[31m")
      stop("\u001b[2J![x](https://attacker.example/b.png)")"""
    ran = attack(f"# {chr(27)}[2J in the script itself\n{body}")
    assert not {c for c in ran.everything if (ord(c) < 32 and c not in "\n\t") or ord(c) in (0x7F, 0x9B, 0x202E)}
    rows = [line for line in ran.failure().markdown().splitlines() if line.startswith("|")]
    assert any("attacker" in row for row in rows)
    assert not any("://attacker" in row or " www." in row for row in rows)


def test_a_condition_of_the_scripts_own_is_a_failure_like_any_other(attack: Attack) -> None:
    """Its fields may be called as those of the harness."""
    body = 'stop(structure(class = c("own", "error", "condition"), list(message = "no", call = NULL, line = "x", file = 1, kind = 2)))'
    card = attack(body).failure()
    assert (card.kind, card.message, card.line) == ("error", "no", 5)


def test_r_itself_cannot_reach_what_the_kernel_tells_of_processes(attack: Attack) -> None:
    places = [
        "self/fd",
        "self/net/tcp",
        "self/environ",
        "self/mountinfo",
        f"{os.getpid()}/environ",
        f"{os.getpid()}/mem",
        "1/cmdline",
    ]
    listed = ", ".join(f'"/proc/{place}"' for place in places)
    body = f"""
      open <- function(path) length(list.files(path)) > 0 ||
        !inherits(try(suppressWarnings(readBin(file(path, "rb"), raw(), 9)), silent = TRUE), "try-error")
      what <- c({listed})
      data.frame(what = what, done = vapply(what, open, NA))"""
    assert [row["what"] for row in attack(body).rows() if row["done"]] == []
    assert all(row["done"] for row in attack(body.replace(', "1/cmdline"', ""), OPEN).rows()[:4])


# --- What the processes hold ------------------------------------------------------------------------------------


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
        for pid in _mentions("supervisor.py"):
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
    while _mentions(str(tmp_path / "runs")) and time.monotonic() < deadline:
        time.sleep(0.05)
    assert not _mentions(str(tmp_path / "runs"))
    assert "Okonkwo" not in _everything_in(tmp_path / "runs")


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
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, cwd=Path(__file__).parents[2]) as platform:
        assert platform.stdout is not None
        while "starting" not in platform.stdout.readline():
            assert platform.poll() is None
        assert _mentions(str(number))
        platform.kill()
    deadline = time.monotonic() + 15
    while (_mentions(str(number)) or _mentions(str(tmp_path / "runs"))) and time.monotonic() < deadline:
        time.sleep(0.05)
    assert not _mentions(str(number))
    assert not _mentions(str(tmp_path / "runs"))
    assert "Okonkwo" not in _everything_in(tmp_path / "runs")


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
