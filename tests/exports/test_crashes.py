"""kill -9 between any two steps: every file arrives once, whole, under its final name, and the ledger says the truth."""

from __future__ import annotations

import hashlib
import itertools
import json
import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from platform_assets.exports import ledger
from platform_assets.exports.ledger import PENDING, SENDING
from tests.exports.exporting import JANUARY, Shop
from tests.servers.ssh_server import ssh

IN_MAKING, IN_SENDING = 20, 80
"""Kills, of which there are a hundred in every run of the tests."""
NEVER = 1 << 30
SFTP = {"kind": "sftp", "server": "partner", "folder": "in", "verify": "read_back"}


class Crashes:
    """A shop whose work is done by processes that are killed."""

    def __init__(self, shop: Shop, forks: subprocess.Popen[str]) -> None:
        self.shop, self._forks = shop, forks
        self.kills = 0

    def work(self, phase: str, point: int = NEVER) -> int:
        """Make or send, killed at step `point`; how many steps there were where it came to its end, else -9."""
        assert self._forks.stdin
        assert self._forks.stdout
        self._forks.stdin.write(json.dumps({"phase": phase, "point": point}) + "\n")
        self._forks.stdin.flush()
        answer = int(self._forks.stdout.readline())
        self.kills += answer == -9
        return answer


@contextmanager
def crashes(shop: Shop, **changes: Any) -> Iterator[Crashes]:
    """The process that forks those that are killed; `changes` are those of the shop's export."""
    said = [str(shop.folder), json.dumps(changes), json.dumps(shop.environment)]
    command = [sys.executable, "-m", "tests.exports.crashing", *said]
    with subprocess.Popen(
        command, text=True, stdin=subprocess.PIPE, stdout=subprocess.PIPE, env=dict(os.environ)
    ) as forks:
        try:
            yield Crashes(shop, forks)
        finally:
            assert forks.stdin
            forks.stdin.close()


def spread() -> Iterator[float]:
    """Shares of the way that lie evenly however many are taken: multiples of the golden section."""
    return (number * 0.6180339887498949 % 1 for number in itertools.count())


def hashes(files: dict[str, bytes]) -> dict[str, str]:
    return {name: hashlib.sha256(data).hexdigest() for name, data in files.items()}


def demand_no_lie(shop: Shop) -> None:
    """After a kill: what the ledger says was made is whole in the store, what it says was sent lies there whole, and nothing else has its name."""
    for entry in shop.entries():
        assert hashlib.sha256(shop.text(entry).encode()).hexdigest() == entry.sha256
        lying = hashes(shop.lying())
        assert lying.get(entry.file, entry.sha256) == entry.sha256  # never a part under the final name
        assert entry.state in (PENDING, SENDING) or entry.file in lying
        if entry.file in lying or f".{entry.file}.part" in lying:
            assert entry.went_out
            assert "export.send" in shop.actions()


def demand_done(shop: Shop) -> None:
    """The next visit ends it: one file, once, and an entry in the audit log for each time that it was begun."""
    before = len(shop.actions())
    shop.deliver()
    (entry,) = shop.entries()
    assert entry.state == "sent"
    assert hashes(shop.lying()) == {entry.file: entry.sha256}
    assert shop.actions()[before:] in ([], ["export.send"])
    assert shop.deliver().sent == []


def begin_again(shop: Shop) -> None:
    """As if the file had just been made."""
    (entry,) = shop.entries()
    entry.state, entry.attempts, entry.sending_at, entry.sent_at = PENDING, 0, None, None
    ledger.write(shop.place.warehouse, entry)
    for name in shop.lying():
        (shop.share / name).unlink()


def killed_in_sending(crash: Crashes, number: int) -> None:
    """`number` kills: at a point from the start, then at another while what was cut off goes on."""
    shop = crash.shop
    steps, until, points = crash.work("send"), crash.kills + number, spread()
    assert steps > 40  # it does count
    while crash.kills < until:
        begin_again(shop)
        crash.work("send", int(next(points) * steps))
        demand_no_lie(shop)
        crash.work("send", int(next(points) * steps))
        demand_no_lie(shop)
        demand_done(shop)


def test_killed_a_hundred_times(tmp_path: Path) -> None:
    shop = Shop(tmp_path)
    shop.place.deliver("w1.csv", *JANUARY)
    with crashes(shop) as crash:
        points, steps = spread(), 0
        while crash.kills < IN_MAKING:
            if shop.entries():  # made, and killed only then
                with shop.place.warehouse.connect() as connection, shop.place.warehouse.write(connection):
                    connection.execute(f"DELETE FROM {ledger.TABLE}")
            steps = steps or crash.work("make")
            crash.work("make", int(next(points) * steps))
            demand_no_lie(shop)
        shop.make()
        demand_no_lie(shop)
        (entry,) = shop.entries()
        assert [o.name for o in shop.place.store.walk("exports")] == [entry.object]  # and no file that none knows
        killed_in_sending(crash, IN_SENDING)
        assert crash.kills >= 100


@pytest.mark.soak
def test_killed_while_a_server_is_sent_to(tmp_path: Path) -> None:
    shop = Shop(tmp_path, deliver=SFTP)
    shop.place.deliver("w1.csv", *JANUARY)
    with ssh() as server, crashes(shop, deliver=SFTP) as crash:
        shop.share = server.home / "in"
        shop.share.mkdir(exist_ok=True)
        shop.environment = server.environment()
        shop.make()
        killed_in_sending(crash, IN_SENDING)
