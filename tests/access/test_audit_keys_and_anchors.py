"""A key that was given up, and heads that are kept elsewhere: what whoever has the one can do, and what the others show."""

from __future__ import annotations

import dataclasses
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from platform_assets.access.audit.anchors import Anchors
from platform_assets.access.audit.entry import AuditError, Entry, Head, Ring, parse
from platform_assets.access.audit.log import AuditLog
from platform_assets.office import anchors_of
from resources.identity import EnvironmentKeys
from resources.object_store import LocalStore

NAME = "PLATFORM_IDENTITY_KEY_AUDIT"
OLD, NEW, NEWEST = "ab" * 32, "cd" * 32, "ef" * 32


def log_with(home: Path, *keys: str, anchors: Anchors | None = None) -> AuditLog:
    return AuditLog(home, EnvironmentKeys({NAME: ",".join(keys)}), anchors=anchors)


@pytest.fixture
def rotated(tmp_path: Path) -> Path:
    """Four entries under a key that somebody got hold of, then the new key, and three entries more."""
    home = tmp_path / "audit"
    for n in range(4):
        log_with(home, OLD).record(f"steward{n}", "quarantine.dismiss")
    for n in range(3):
        log_with(home, NEW, OLD).record(f"steward{n}", "quarantine.stage")
    assert log_with(home, NEW, OLD).verify().whole
    return home


# ------------------------------------------------------------------ what can be done with a key that was given up


def forged(before: Entry, ring: Ring) -> Entry:
    return dataclasses.replace(before, seq=before.seq + 1, who="mallory", prev=before.hash, key="", mac="").signed(ring)


def put(home: Path, entries: list[Entry], head: Head, ring: Ring) -> None:
    (home / "log.jsonl").write_bytes(b"".join(entry.line + b"\n" for entry in entries))
    (home / "head.json").write_text(head.sealed(ring))


def entries_of(home: Path) -> list[Entry]:
    return [entry for line in (home / "log.jsonl").read_bytes().splitlines() if (entry := parse(line))]


def appended(entries: list[Entry], ring: Ring) -> list[Entry]:
    return [*entries, forged(entries[-1], ring)]


def appended_twice(entries: list[Entry], ring: Ring) -> list[Entry]:
    return appended(appended(entries, ring), ring)


def cut(entries: list[Entry], ring: Ring) -> list[Entry]:
    return entries[:-1]


def cut_and_appended(entries: list[Entry], ring: Ring) -> list[Entry]:
    return appended(entries[:-2], ring)


def replaced(entries: list[Entry], ring: Ring) -> list[Entry]:
    return [*entries[:-1], forged(entries[-2], ring)]


def rechained_after_an_early_one(entries: list[Entry], ring: Ring) -> list[Entry]:
    made = entries[:1]
    for entry in entries[1:]:
        content = dataclasses.replace(entry, prev=made[-1].hash, key="", mac="", ground="nothing")
        made.append(content.signed(ring) if entry.key != entries[-1].key else entry)
    return made


@pytest.mark.parametrize(
    "change", [appended, appended_twice, cut, cut_and_appended, replaced, rechained_after_an_early_one]
)
@pytest.mark.parametrize("honest", [False, True])
@pytest.mark.parametrize("as_if_crashed", [False, True])
def test_a_key_that_was_given_up_signs_and_seals_nothing_any_more(
    rotated: Path, change: Callable[[list[Entry], Ring], list[Entry]], honest: bool, as_if_crashed: bool
) -> None:
    stolen = Ring([bytes.fromhex(OLD)])
    made = change(entries_of(rotated), stolen)
    named = made[-2] if as_if_crashed else made[-1]
    put(rotated, made, Head(named.seq, named.hash), stolen)
    log = log_with(rotated, NEW, OLD)
    if honest:
        with pytest.raises(AuditError, match=r"[Rr]un verify|put the newest first"):
            log.record("anna", "quarantine.stage")
    assert not log.verify().whole


def test_keys_follow_each_other_once(rotated: Path) -> None:
    log_with(rotated, NEWEST, NEW, OLD).record("anna", "quarantine.stage")
    assert log_with(rotated, NEWEST, NEW, OLD).verify().whole
    for wrong in ((OLD, NEW, NEWEST), (NEW, NEWEST, OLD)):  # an earlier one stands first
        with pytest.raises(AuditError, match="put the newest first"):
            log_with(rotated, *wrong).record("anna", "quarantine.stage")
    assert log_with(rotated, NEWEST, NEW, OLD).verify().whole


# ------------------------------------------------------------------ heads kept elsewhere


@pytest.fixture
def anchors(tmp_path: Path) -> Anchors:
    return Anchors(LocalStore(tmp_path / "elsewhere"))


def test_every_entry_leaves_an_anchor(tmp_path: Path, anchors: Anchors) -> None:
    log = log_with(tmp_path / "audit", OLD, anchors=anchors)
    written = [log.record("anna", "quarantine.stage") for _ in range(3)]
    assert sorted(anchors.all(), key=lambda h: h.seq) == [Head(e.seq, e.hash) for e in written]
    assert log.verify().whole


@pytest.mark.parametrize("back_to", [0, 1, 3])
def test_log_and_head_that_were_put_back_together_take_no_entry(tmp_path: Path, anchors: Anchors, back_to: int) -> None:
    """Without anchors the next entry goes into the earlier state, and everything looks whole."""
    home = tmp_path / "audit"
    log = log_with(home, OLD, anchors=anchors)
    for n in range(5):
        if n == back_to:
            shutil.copytree(home, tmp_path / "copy") if home.exists() else (tmp_path / "copy").mkdir()
        log.record(f"steward{n}", "quarantine.stage")
    shutil.rmtree(home)
    shutil.copytree(tmp_path / "copy", home)
    with pytest.raises(AuditError, match="written down elsewhere"):
        log.record("anna", "quarantine.stage")
    assert any("written down elsewhere" in problem for problem in log.verify().problems)
    log_with(home, OLD).record("mallory", "quarantine.stage")  # someone with the key goes on all the same
    assert log_with(home, OLD).verify().whole
    assert any("written down elsewhere" in problem for problem in log.verify().problems)
    with pytest.raises(AuditError, match="written down elsewhere"):
        log.record("anna", "quarantine.stage")


def test_an_anchor_that_cannot_be_kept_hands_nothing_out(tmp_path: Path) -> None:
    (tmp_path / "elsewhere").write_text("no folder")
    log = log_with(tmp_path / "audit", OLD, anchors=Anchors(LocalStore(tmp_path / "elsewhere")))
    with pytest.raises(OSError, match="elsewhere"):
        log.record("anna", "quarantine.see")


def test_a_log_without_authentication_is_not_taken_over_against_what_is_known_elsewhere(
    tmp_path: Path, anchors: Anchors
) -> None:
    home = tmp_path / "audit"
    for n in range(3):
        log_with(home, OLD, anchors=anchors).record(f"steward{n}", "quarantine.stage")
    made: list[Entry] = []
    for entry in entries_of(home):  # as an earlier release wrote, with another person in it
        prev = made[-1].hash if made else entry.prev
        bare = dataclasses.replace(entry, who="mallory", prev=prev, key="", mac="", hash="")
        made.append(dataclasses.replace(bare, hash=bare.right_hash))
    (home / "log.jsonl").write_bytes(b"".join(entry.line + b"\n" for entry in made))
    (home / "head.json").write_text(f'{{"seq": 3, "hash": "{made[-1].hash}", "seal": ""}}')
    with pytest.raises(AuditError, match="not taken over"):
        log_with(home, OLD, anchors=anchors).upgrade("anna")
    with pytest.raises(AuditError, match="not taken over"):
        log_with(home, OLD).upgrade("anna", anchors.all())
    log_with(home, OLD).upgrade("anna")


def test_the_environment_says_where_they_are(tmp_path: Path) -> None:
    assert anchors_of({}) is None
    kept = anchors_of({"PLATFORM_AUDIT_HEADS": str(tmp_path)})
    assert kept is not None
    kept.keep(Head(7, "1f" * 32))
    kept.keep(Head(7, "1f" * 32))
    assert (tmp_path / "heads" / "000000000007" / ("1f" * 32)).read_text() == f"7:{'1f' * 32}\n"
    (tmp_path / "heads" / "note.txt").write_text("none")
    assert kept.all() == [Head(7, "1f" * 32)]
    assert (kept.at(7), kept.at(8)) == ([Head(7, "1f" * 32)], [])


def test_the_command_tells_of_a_log_that_was_put_back(tmp_path: Path) -> None:
    import os

    environment = {
        **os.environ,
        "DATA_HOME": str(tmp_path / "data"),
        NAME: OLD,
        "PLATFORM_AUDIT_HEADS": str(tmp_path / "elsewhere"),
    }
    command = [sys.executable, "-m", "platform_assets.access.audit"]

    def run(*arguments: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run([*command, *arguments], env=environment, capture_output=True, text=True, check=False)

    assert run("list", "--by", "anna").returncode == 0
    folder = tmp_path / "data" / "audit"
    earlier = {path: path.read_bytes() for path in folder.iterdir()}
    assert run("list", "--by", "bert").returncode == 0
    assert run("verify").returncode == 0
    for path, content in earlier.items():
        path.write_bytes(content)
    found = run("verify")
    assert found.returncode == 1
    assert "written down elsewhere" in found.stdout
    refused = run("list", "--by", "mallory")
    assert refused.returncode == 1
    assert "Traceback" not in refused.stderr
