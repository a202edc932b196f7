"""Taking files out of a folder that a script could write to: nothing but ordinary files of one's own, whatever stands in their place."""

from __future__ import annotations

import contextlib
import os
import socket
import threading
from collections.abc import Callable
from pathlib import Path

import pytest

from resources.r_child import intake

SECRET = "the secret of another folder"
NAMES = ["data.parquet", "picture.svg", "picture.png"]
MOST = 1 << 20


@pytest.fixture
def place(tmp_path: Path) -> tuple[Path, Path, Path]:
    """R's folder, the folder that receives, and a secret beside them."""
    out, received, secret = tmp_path / "out", tmp_path / "received", tmp_path / "secret.txt"
    out.mkdir()
    received.mkdir()
    secret.write_text(SECRET)
    return out, received, secret


def _take(out: Path, name: str, received: Path) -> None:
    folder, into = intake.open_folder(str(out)), intake.open_folder(str(received))
    try:
        intake.take(folder, name, MOST, into)
    finally:
        os.close(folder)
        os.close(into)


def _device(kind: int) -> Callable[[Path, Path], None]:
    def make(path: Path, secret: Path) -> None:
        try:
            os.mknod(path, kind | 0o600, os.makedev(1, 5))  # /dev/zero
        except PermissionError:
            pytest.skip("only root makes devices")

    return make


def _socket(path: Path, secret: Path) -> None:
    with socket.socket(socket.AF_UNIX) as made, contextlib.chdir(path.parent):
        made.bind(path.name)


def _sparse(path: Path, secret: Path) -> None:
    path.touch()
    os.truncate(path, 1 << 40)


def _of_another(path: Path, secret: Path) -> None:
    path.write_text("x")
    try:
        os.chown(path, 65534, 65534)
    except PermissionError:
        pytest.skip("only root gives files away")


def _circle(path: Path, secret: Path) -> None:
    path.symlink_to(path.name)


def _too_large(path: Path, secret: Path) -> None:
    path.write_bytes(b"x" * (MOST + 1))


HOSTILE: dict[str, tuple[Callable[[Path, Path], None], str]] = {
    "link to a file": (lambda path, secret: path.symlink_to(secret), "is a link, not a file"),
    "link to the process": (lambda path, secret: path.symlink_to("/proc/self/environ"), "is a link, not a file"),
    "link to a folder": (lambda path, secret: path.symlink_to(secret.parent), "is a link, not a file"),
    "link to nothing": (lambda path, secret: path.symlink_to("nowhere"), "is a link, not a file"),
    "link to itself": (_circle, "is a link, not a file"),
    "hard link": (lambda path, secret: path.hardlink_to(secret), "is linked to another file"),
    "pipe": (lambda path, secret: os.mkfifo(path), "is a pipe, not a file"),
    "socket": (_socket, "is a socket, not a file"),
    "folder": (lambda path, secret: path.mkdir(), "is a folder, not a file"),
    "character device": (_device(0o020000), "is a device, not a file"),
    "block device": (_device(0o060000), "is a device, not a file"),
    "sparse": (_sparse, "is larger than 1 MB"),
    "too large": (_too_large, "is larger than 1 MB"),
    "another's": (_of_another, "belongs to another user"),
    "nothing": (lambda path, secret: None, "was not written"),
}


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("kind", HOSTILE)
def test_only_an_ordinary_file_of_ones_own_is_taken(kind: str, name: str, place: tuple[Path, Path, Path]) -> None:
    out, received, secret = place
    make, reason = HOSTILE[kind]
    make(out / name, secret)
    with pytest.raises(intake.NotTaken, match=f"^{name} {reason}$"):
        _take(out, name, received)
    assert all(SECRET not in file.read_text(errors="replace") for file in received.iterdir())
    assert secret.read_text() == SECRET


def test_a_file_is_copied_and_never_over_another(place: tuple[Path, Path, Path]) -> None:
    out, received, secret = place
    (out / "a").write_bytes(b"x" * MOST)
    _take(out, "a", received)
    assert (received / "a").read_bytes() == b"x" * MOST
    (out / "b").write_text("new")
    (received / "b").symlink_to(secret)
    with pytest.raises(FileExistsError):
        _take(out, "b", received)
    assert secret.read_text() == SECRET


def test_a_folder_that_became_a_link_is_not_opened(place: tuple[Path, Path, Path]) -> None:
    out, received, secret = place
    held = intake.open_folder(str(out))
    (out / "secret.txt").write_text("R's own")
    out.rename(out.with_name("moved"))
    out.symlink_to(secret.parent)
    with pytest.raises(OSError, match=r"Not a directory|Too many levels"):
        intake.open_folder(str(out))
    # what was opened before R started is still R's folder, wherever it is now
    into = intake.open_folder(str(received))
    intake.take(held, "secret.txt", MOST, into)
    assert (received / "secret.txt").read_text() == "R's own"


def test_what_changes_between_the_look_and_the_opening_is_noticed(place: tuple[Path, Path, Path]) -> None:
    """Not needed where all processes are dead; held all the same."""
    out, received, secret = place
    path, aside, stop = out / "a", out / "link", threading.Event()
    path.write_text("R's own")
    aside.symlink_to(secret)

    def swap() -> None:
        while not stop.is_set():
            os.rename(path, out / "file")
            os.rename(aside, path)
            os.rename(path, aside)
            os.rename(out / "file", path)

    swapping = threading.Thread(target=swap)
    swapping.start()
    try:
        for _ in range(300):
            with contextlib.suppress(intake.NotTaken):
                _take(out, "a", received)
            if (received / "a").exists():
                assert (received / "a").read_text() == "R's own"
                (received / "a").unlink()
    finally:
        stop.set()
        swapping.join()
    _take(out, "a", received)  # it is the swapping that was refused
    assert (received / "a").read_text() == "R's own"


def test_a_folder_is_cleared_whatever_a_script_made_in_it(place: tuple[Path, Path, Path]) -> None:
    out, _, secret = place
    for number, (make, _) in enumerate(HOSTILE.values()):
        with contextlib.suppress(BaseException):  # a kind that cannot be made here is skipped
            make(out / f"{number}", secret)
    (out / "no rights" / "inside").mkdir(parents=True)
    (out / "no rights" / "inside" / "file").write_text("x")
    (out / "no rights" / "inside").chmod(0)
    (out / "no rights").chmod(0)
    (out / "name\nwith\x1b[31m").write_text("x")
    deep = os.open(out, os.O_RDONLY)
    for _ in range(3000):
        os.mkdir("d", dir_fd=deep)
        deeper = os.open("d", os.O_RDONLY, dir_fd=deep)
        os.close(deep)
        deep = deeper
    os.close(deep)
    intake.clear(str(out))
    assert not out.exists()
    assert secret.read_text() == SECRET
    intake.clear(str(out))  # absent is fine


def test_a_link_in_place_of_the_folder_is_removed_and_not_followed(place: tuple[Path, Path, Path]) -> None:
    out, _received, secret = place
    out.rmdir()
    out.symlink_to(secret.parent)
    intake.clear(str(out))
    assert not out.is_symlink()
    assert secret.read_text() == SECRET


@pytest.mark.parametrize(
    ("fill", "over"),
    [
        (lambda out: (out / "a").write_bytes(b"x" * (1 << 20)), False),
        (lambda out: (out / "a").write_bytes(b"x" * (3 << 20)), True),
        (lambda out: [(out / f"{n}").touch() for n in range(150)], True),
        (lambda out: (out / "/".join("d" * 70)).mkdir(parents=True), True),
        (lambda out: (out / "a").symlink_to("/usr"), False),
    ],
)
def test_a_folder_that_holds_too_much_is_noticed(
    fill: Callable[[Path], object], over: bool, place: tuple[Path, Path, Path]
) -> None:
    out, _, _ = place
    fill(out)
    folder = intake.open_folder(str(out))
    assert intake.used(folder, 2 << 20, 100) is over
    os.close(folder)


@pytest.mark.skipif(os.geteuid() != 0, reason="to be somebody else one must be root")
@pytest.mark.parametrize("mode", [0o000, 0o300, 0o100])
def test_a_folder_that_hides_what_it_holds_is_too_much(mode: int, tmp_path: Path) -> None:
    """Root sees everything, the image's user does not: what was put there was not counted."""
    folder = intake.open_folder(str(tmp_path))
    os.chown(tmp_path, 65534, 65534)
    child = os.fork()
    if not child:
        os.setgroups([])
        os.setresgid(65534, 65534, 65534)
        os.setresuid(65534, 65534, 65534)
        os.mkdir("hidden", 0o700, dir_fd=folder)
        file = os.open("hidden/large", os.O_WRONLY | os.O_CREAT, dir_fd=folder)
        os.write(file, bytes(9 << 20))
        os.chmod("hidden", mode, dir_fd=folder)
        os._exit(0 if intake.used(folder, 2 << 20, 100) else 7)
    _, status = os.waitpid(child, 0)
    os.close(folder)
    assert os.waitstatus_to_exitcode(status) == 0
