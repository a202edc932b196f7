"""Scripts that attack the platform, with R as it is, through the front door: what they make."""

from __future__ import annotations

import contextlib
import os
import subprocess
from pathlib import Path

import pytest

from tests.r_runtime.attacks.attacking import DONE, HEAD, LOCKED, OPEN, PLOTS, PYTHON, SECRET, Attack, everything_in

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
    assert SECRET not in everything_in(tmp_path / "runs")
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
    assert SECRET not in everything_in(tmp_path / "runs")


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
