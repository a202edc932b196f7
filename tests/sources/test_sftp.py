"""Files from a real OpenSSH server: complete ones, once, from the host that is known, whatever breaks on the way."""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from platform_assets.sources.base import Reach, Window
from platform_assets.sources.collect import Collected, collect
from platform_assets.sources.sftp import SftpSource
from resources import requesting, sftp
from resources.environment import Platform
from resources.object_store import LocalStore, StoredObject
from resources.requesting import Passing, Permanent
from tests.servers.ssh_server import PASSPHRASE, SshServer, ssh
from tests.servers.tcp_proxy import proxy

DAY = 1_767_571_200  # 2026-01-05, midnight in UTC


@pytest.fixture(scope="module")
def server() -> Iterator[SshServer]:
    with ssh() as made:
        yield made


@pytest.fixture(autouse=True)
def fresh(server: SshServer, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty folder `outbox` on the server, with `taken` in it."""
    monkeypatch.setattr(requesting, "FIRST_PAUSE_SECONDS", 0.01)
    monkeypatch.setattr(sftp, "SILENT_SECONDS", 0.4)
    outbox = server.home / "outbox"
    if outbox.exists():
        for path in sorted(outbox.rglob("*"), reverse=True):
            path.rmdir() if path.is_dir() and not path.is_symlink() else path.unlink()
    (outbox / "taken").mkdir(parents=True, exist_ok=True)
    return outbox


@pytest.fixture
def online(platform: Platform, server: SshServer, monkeypatch: pytest.MonkeyPatch) -> Platform:
    for name, value in server.environment().items():
        monkeypatch.setenv(name, value)
    return replace(platform, settings=replace(platform.settings, sources=True))


def source(**said: Any) -> SftpSource:
    return SftpSource.model_validate(
        {"kind": "sftp", "server": "partner", "folder": "outbox", "settle": "0 seconds", **said}
    )


def put(outbox: Path, name: str, data: bytes = b"a\n1\n", at: int = DAY) -> None:
    (outbox / name).write_bytes(data)
    os.utime(outbox / name, (at, at))


def ask(platform: Platform, said: list[str] | None = None, **options: Any) -> Collected:
    return collect(source(**options), "lab", platform, (said if said is not None else []).append)


def landed(platform: Platform) -> dict[str, bytes]:
    return {p.name: p.read_bytes() for p in sorted((platform.settings.home / "landing" / "lab").glob("*"))}


def test_each_file_comes_once_and_again_when_it_was_changed(fresh: Path, online: Platform) -> None:
    put(fresh, "results_w1.csv")
    put(fresh, "other.txt")
    assert ask(online, remote_files=["results_*.csv"]).landed == ["results_w1_20260105T000000Z.csv"]
    assert ask(online, remote_files=["results_*.csv"]) == Collected()
    put(fresh, "results_w1.csv", b"a\n2\n", DAY + 60)
    ask(online, remote_files=["results_*.csv"])
    assert list(landed(online).values()) == [b"a\n1\n", b"a\n2\n"]
    assert (fresh / "results_w1.csv").exists()


def test_a_file_is_moved_once_it_is_here_and_never_over_another(fresh: Path, online: Platform) -> None:
    for data, at in ((b"1", DAY), (b"2", DAY + 60)):
        put(fresh, "w.csv", data, at)
        assert ask(online, after={"move_to": "taken"}).failed == []
    assert not (fresh / "w.csv").exists()
    assert sorted(p.read_bytes() for p in (fresh / "taken").iterdir()) == [b"1", b"2"]


def test_a_file_that_cannot_be_moved_has_landed_and_is_moved_later(fresh: Path, online: Platform) -> None:
    put(fresh, "w.csv")
    (fresh / "taken").rmdir()
    (failed,) = ask(online, after={"move_to": "taken"}).failed
    assert "not put away" in failed
    assert len(landed(online)) == 1
    (fresh / "taken").mkdir()
    assert ask(online, after={"move_to": "taken"}) == Collected()
    assert (fresh / "taken" / "w.csv").exists()
    assert len(landed(online)) == 1


def test_with_a_marker_only_what_is_marked_comes(fresh: Path, online: Platform) -> None:
    put(fresh, "w1.csv")
    put(fresh, "w1.csv.done", b"")
    put(fresh, "w2.csv")
    found = ask(online, remote_marker=".done", after={"move_to": "taken"})
    assert found.landed == ["w1_20260105T000000Z.csv"]
    assert sorted(p.name for p in fresh.iterdir()) == ["taken", "w2.csv"]


def test_without_a_marker_a_file_that_grows_is_left(fresh: Path, online: Platform) -> None:
    put(fresh, "done.csv")
    stop = threading.Event()

    def grow() -> None:
        with (fresh / "grows.csv").open("ab") as file:
            while not stop.is_set():
                file.write(b"x" * 100)
                file.flush()
                time.sleep(0.02)

    writer = threading.Thread(target=grow)
    writer.start()
    try:
        found = ask(online, settle="1 seconds")
    finally:
        stop.set()
        writer.join()
    assert found.landed == ["done_20260105T000000Z.csv"]


def test_links_folders_and_hidden_files_are_no_files(fresh: Path, online: Platform, tmp_path: Path) -> None:
    (tmp_path / "secret").write_text("x")
    (fresh / "link.csv").symlink_to(tmp_path / "secret")
    (fresh / "folder.csv").mkdir()
    put(fresh, ".hidden.csv")
    put(fresh, "odd\nname.csv")
    assert ask(online) == Collected()


def test_no_name_of_a_file_is_remembered(fresh: Path, online: Platform) -> None:
    put(fresh, "Jansen_1961.csv")
    ask(online)
    assert b"Jansen" not in (online.settings.home / "state" / "sftp" / "lab.json").read_bytes()
    (fresh / "Jansen_1961.csv").unlink()
    put(fresh, "next.csv")
    ask(online)
    assert (online.settings.home / "state" / "sftp" / "lab.json").read_bytes().count(b"look") == 1


@pytest.mark.parametrize("crash", ["landing", "state", "move"])
def test_killed_between_any_two_steps_each_file_is_here_once(
    fresh: Path, online: Platform, monkeypatch: pytest.MonkeyPatch, crash: str
) -> None:
    put(fresh, "w.csv")
    write = LocalStore.write

    def cut(store: LocalStore, name: str, data: bytes | Path) -> StoredObject:
        if name.startswith(crash):
            raise KeyboardInterrupt
        return write(store, name, data)

    def stop(*arguments: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(LocalStore, "write", cut)
        if crash == "move":
            patch.setattr(SftpSource, "_put_away", stop)
        with pytest.raises(KeyboardInterrupt):
            ask(online, after={"move_to": "taken"})
    assert ask(online, after={"move_to": "taken"}).failed == []
    assert list(landed(online).values()) == [b"a\n1\n"]
    assert (fresh / "taken" / "w.csv").exists()


def _fetch(environment: dict[str, str], out: Path, said: list[str], name: str = "big.csv") -> None:
    reach = Reach("lab", environment, said.append)
    try:
        source().fetch(Window("x", name), {}, out, reach)
    finally:
        reach.close()


def _wrong_host(server: SshServer) -> dict[str, str]:
    return server.environment(host_key="stranger")


def _unknown_host(server: SshServer) -> dict[str, str]:
    known = server.environment()["PLATFORM_SFTP_PARTNER_KNOWN_HOSTS"].replace("127.0.0.1", "192.0.2.1")
    return {**server.environment(), "PLATFORM_SFTP_PARTNER_KNOWN_HOSTS": known}


def _locked(server: SshServer) -> dict[str, str]:
    return server.environment(client="locked")


def _wrong_passphrase(server: SshServer) -> dict[str, str]:
    return {**server.environment(client="locked"), "PLATFORM_SFTP_PARTNER_PASSWORD": "canary-Wr0ng"}


def _stranger(server: SshServer) -> dict[str, str]:
    return server.environment(client="stranger")


def _no_key(server: SshServer) -> dict[str, str]:
    return {**server.environment(), "PLATFORM_SFTP_PARTNER_KEY": ""}


def _password_in_address(server: SshServer) -> dict[str, str]:
    return {**server.environment(), "PLATFORM_SFTP_PARTNER": "sftp://x:canary-Wr0ng@127.0.0.1"}


def _password_refused(server: SshServer) -> dict[str, str]:
    return {**_no_key(server), "PLATFORM_SFTP_PARTNER_PASSWORD": "canary-Wr0ng"}


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (_wrong_host, "another host key than is known"),
        (_unknown_host, "not among the known hosts"),
        (_locked, "has a passphrase"),
        (_wrong_passphrase, "passphrase is wrong"),
        (_stranger, "does not let us in"),
        (_password_refused, "does not let us in"),
        (_no_key, "no way to sign in"),
        (_password_in_address, "holds a password"),
    ],
)
def test_who_is_not_known_is_not_spoken_to(
    server: SshServer, fresh: Path, tmp_path: Path, make: Callable[[SshServer], dict[str, str]], words: str
) -> None:
    put(fresh, "big.csv")
    said: list[str] = []
    with pytest.raises(Permanent, match=words) as caught:
        _fetch(make(server), tmp_path / "x", said)
    told = f"{caught.value} {said}"
    assert "canary" not in told
    assert "PRIVATE KEY" not in told


def test_a_key_with_its_passphrase_and_mounted_files(server: SshServer, fresh: Path, tmp_path: Path) -> None:
    put(fresh, "big.csv")
    given = {**server.environment(client="locked"), "PLATFORM_SFTP_PARTNER_PASSWORD": PASSPHRASE}
    for name, value in given.items():
        (tmp_path / name).write_text(value)
    _fetch({"PLATFORM_SECRETS_DIR": str(tmp_path)}, tmp_path / "x", [])
    assert (tmp_path / "x").read_bytes() == b"a\n1\n"


@pytest.mark.parametrize("then", ["cut", "silent"])
def test_a_line_that_breaks_or_falls_silent_is_given_up(
    server: SshServer, fresh: Path, tmp_path: Path, then: Any
) -> None:
    put(fresh, "big.csv", b"x" * 3_000_000)
    said: list[str] = []
    with proxy(server.port, after=1_000_000, then=then) as line, pytest.raises(Passing, match="seems to be down"):
        _fetch(server.environment(port=line.port), tmp_path / "x", said)
    assert line.connections == 5
    assert "attempt 5 of 5" in str(said)


def test_a_line_that_breaks_once_is_mended(server: SshServer, fresh: Path, tmp_path: Path) -> None:
    put(fresh, "big.csv", b"x" * 3_000_000)
    with proxy(server.port, after=1_000_000) as line:

        def log(words: str) -> None:
            line.after = None

        reach = Reach("lab", server.environment(port=line.port), log)
        source().fetch(Window("x", "big.csv"), {}, tmp_path / "x", reach)
        reach.close()
    assert (tmp_path / "x").read_bytes() == b"x" * 3_000_000
    assert line.connections == 2


def test_a_full_disk_is_told(server: SshServer, fresh: Path) -> None:
    put(fresh, "big.csv", b"x" * 100_000)
    with pytest.raises(Permanent, match="disk here is full"):
        _fetch(server.environment(), Path("/dev/full"), [])


def test_a_folder_that_is_not_there_is_told(online: Platform) -> None:
    (failed,) = ask(online, folder="nowhere").failed
    assert "check `folder`" in failed


def test_one_visit_signs_in_once(
    server: SshServer, fresh: Path, online: Platform, monkeypatch: pytest.MonkeyPatch
) -> None:
    for n in range(5):
        put(fresh, f"w{n}.csv")
    with proxy(server.port) as line:
        for name, value in server.environment(port=line.port).items():
            monkeypatch.setenv(name, value)
        assert len(ask(online, after={"move_to": "taken"}).landed) == 5
    assert line.connections == 1
