"""A real OpenSSH server in trouble: its disk is full, can only be read, the line is cut at any byte, nobody answers."""

from __future__ import annotations

import os
import random
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from resources import requesting, sftp
from tests.exports.exporting import Shop, stocked
from tests.exports.test_sending import FEB, JAN, SFTP, at_the_server, big, states, whole
from tests.servers.ssh_server import SshServer, ssh
from tests.servers.tcp_proxy import proxy

CUTS = 12


@pytest.fixture(scope="module")
def server() -> Iterator[SshServer]:
    with ssh() as made:
        yield made


@pytest.fixture
def shop(tmp_path: Path, server: SshServer, monkeypatch: pytest.MonkeyPatch) -> Shop:
    """Two files of a megabyte that wait."""
    monkeypatch.setattr(requesting, "FIRST_PAUSE_SECONDS", 0.01)
    monkeypatch.setattr(requesting, "ATTEMPTS", 2)
    monkeypatch.setattr(sftp, "SILENT_SECONDS", 0.5)
    made = at_the_server(stocked(tmp_path, deliver={**SFTP, "acknowledge": {"within": "0 seconds"}}), server)
    big(made)
    return made


@contextmanager
def disk(folder: Path, options: str) -> Iterator[None]:
    """A disk of its own below `folder`."""
    made = subprocess.run(["mount", "-t", "tmpfs", "-o", options, "tmpfs", folder], capture_output=True, text=True)
    if made.returncode:
        words = f"NOT TESTED: no disk can be mounted here: {made.stderr.strip()}"
        if os.environ.get("PLATFORM_TEST_ALL"):
            pytest.fail(words)
        pytest.skip(words)
    try:
        yield
    finally:
        subprocess.run(["umount", "-l", folder], check=True)


def remount(folder: Path, options: str) -> None:
    subprocess.run(["mount", "-o", f"remount,{options}", folder], check=True)


def names(shop: Shop) -> set[str]:
    return {name for name in shop.lying() if not name.startswith(".")}


def test_a_full_disk_leaves_no_half_file_under_its_name_and_goes_on_when_there_is_room(shop: Shop) -> None:
    with disk(shop.share, "size=1500k"):
        done = shop.deliver()
        assert done.sent == [JAN]
        assert "is the disk full" in done.failed[FEB] or "is its disk full" in done.failed[FEB]
        assert states(shop) == ["unanswered", "sending"]
        assert names(shop) == {JAN}
        remount(shop.share, "size=8m")
        assert shop.deliver().sent == [FEB]
        assert whole(shop)
        assert set(shop.lying()) == {JAN, FEB}


def test_a_folder_that_can_only_be_read_takes_nothing_and_is_mended_later(shop: Shop) -> None:
    with disk(shop.share, "size=8m"):
        remount(shop.share, "ro")
        done = shop.deliver()
        assert set(done.failed) == {JAN, FEB}
        assert all("can it only be read" in problem for problem in done.failed.values())
        assert names(shop) == set()
        remount(shop.share, "rw")
        assert len(shop.deliver().sent) == 2
        assert whole(shop)


@pytest.mark.parametrize("then", ["cut", "silent"])
def test_a_line_that_is_cut_at_any_byte_of_what_we_send(shop: Shop, server: SshServer, then: str) -> None:
    draw = random.Random(then)
    at = sorted(draw.randrange(1_000, 2_100_000) for _ in range(CUTS if then == "cut" else 2))
    for after in at:
        with proxy(server.port, after=after, then=then, of="client") as line:  # type: ignore[arg-type]
            shop.environment = server.environment(line.port)
            shop.deliver()
        lying = shop.lying()
        assert {len(data) for name, data in lying.items() if not name.startswith(".")} <= {1_000_003}
        assert all(e.state in ("pending", "sending") or e.file in lying for e in shop.entries())
    shop.environment = server.environment()
    shop.deliver()
    assert whole(shop)
    assert set(shop.lying()) == {JAN, FEB}
    assert set(states(shop)) <= {"sent", "unanswered"}


def test_a_partner_that_never_acknowledges_is_told_and_sent_nothing_twice(shop: Shop) -> None:
    shop.deliver()
    shop.deliver()
    assert states(shop) == ["unanswered", "unanswered"]
    before = {path.name: path.stat().st_ino for path in shop.share.iterdir()}
    assert shop.deliver().sent == []
    assert {path.name: path.stat().st_ino for path in shop.share.iterdir()} == before
    assert shop.actions() == ["export.send", "export.send"]
