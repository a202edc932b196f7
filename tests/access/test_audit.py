"""The audit log: what `verify` finds, what a crash leaves, and that several writers do not tread on each other."""

from __future__ import annotations

import contextlib
import json
import multiprocessing
import stat
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from platform_assets.access.audit.__main__ import main
from platform_assets.access.audit.entry import AuditError, Head
from platform_assets.access.audit.log import AuditLog
from platform_assets.access.audit.tape import FolderTape, StoreTape
from resources.gcp.gcs_store import GCSStore
from resources.identity import EnvironmentKeys, LaptopKeys
from resources.lake.catalog import SqliteCatalog
from tests.resources.gcp.gcs_emulator import BUCKET, client, cloud_storage

KEY = {"PLATFORM_IDENTITY_KEY_AUDIT": "ab" * 32}


def log_of(home: Path, entries: int, environment: dict[str, str] | None = None) -> AuditLog:
    log = AuditLog(home, EnvironmentKeys(environment if environment is not None else KEY))
    for number in range(entries):
        log.record(f"steward{number}", "quarantine.dismiss", table="lab_results", ground="a duplicate")
    return log


def path_of(log: AuditLog) -> Path:
    assert isinstance(log.tape, FolderTape)
    return log.tape.path


def edit(log: AuditLog, change: object) -> None:
    lines = path_of(log).read_bytes().splitlines(keepends=True)
    path_of(log).write_bytes(b"".join(change(lines)))  # type: ignore[operator]


def test_an_untouched_log_is_whole(tmp_path: Path) -> None:
    verdict = log_of(tmp_path, 5).verify()
    assert verdict.whole
    assert verdict.entries == 5
    assert not verdict.notes


def test_an_edited_entry_is_found(tmp_path: Path) -> None:
    log = log_of(tmp_path, 5)
    edit(log, lambda lines: [line.replace(b"steward2", b"nobody22") for line in lines])
    assert any("entry 3 was edited" in p for p in log.verify().problems)


def test_an_edited_entry_with_a_new_hash_is_found(tmp_path: Path) -> None:
    log = log_of(tmp_path, 5)
    entry = list(log.entries())[2]
    forged = {**json.loads(path_of(log).read_bytes().splitlines()[2]), "who": "nobody"}
    forged["hash"] = type(entry)(**{**forged, "hash": ""}).right_hash
    edit(log, lambda lines: [*lines[:2], json.dumps(forged).encode() + b"\n", *lines[3:]])
    assert any("entry 4 is not chained" in p for p in log.verify().problems)


def test_a_removed_entry_is_found(tmp_path: Path) -> None:
    log = log_of(tmp_path, 5)
    edit(log, lambda lines: lines[:2] + lines[3:])
    assert any("entry 4 follows 2" in p for p in log.verify().problems)


def test_reordered_entries_are_found(tmp_path: Path) -> None:
    log = log_of(tmp_path, 5)
    edit(log, lambda lines: [lines[1], lines[0], *lines[2:]])
    assert not log.verify().whole


def test_a_log_cut_off_at_the_end_is_found_and_takes_no_more_entries(tmp_path: Path) -> None:
    log = log_of(tmp_path, 5)
    edit(log, lambda lines: lines[:4])
    assert any("cut off" in p for p in log.verify().problems)
    with pytest.raises(AuditError, match="entries are missing"):
        log.record("x", "y")


def test_a_log_that_is_gone_is_found(tmp_path: Path) -> None:
    log = log_of(tmp_path, 3)
    path_of(log).unlink()
    assert not log.verify().whole


def test_a_head_that_is_gone_is_found(tmp_path: Path) -> None:
    log = log_of(tmp_path, 3)
    path_of(log).with_name("head.json").unlink()
    assert not log.verify().whole


def test_a_head_forged_without_the_key_is_found(tmp_path: Path) -> None:
    log = log_of(tmp_path, 5)
    edit(log, lambda lines: lines[:4])
    last = list(log.entries())[-1]
    path_of(log).with_name("head.json").write_text(json.dumps({"seq": 4, "hash": last.hash, "seal": "0" * 64}))
    assert any("seal" in p for p in log.verify().problems)


def test_log_and_head_put_back_together_are_found_by_a_head_noted_elsewhere(tmp_path: Path) -> None:
    log = log_of(tmp_path, 3)
    kept = path_of(log).read_bytes(), path_of(log).with_name("head.json").read_bytes()
    approved = log.record("x", "erasure.approve")
    noted = Head(approved.seq, approved.hash)
    path_of(log).write_bytes(kept[0])
    path_of(log).with_name("head.json").write_bytes(kept[1])
    assert log.verify().whole
    assert not log.verify([noted]).whole


@pytest.mark.parametrize("cut", [1, 20, 100])
def test_a_line_torn_by_a_crash_is_recognised_kept_and_recorded(tmp_path: Path, cut: int) -> None:
    log = log_of(tmp_path, 2)
    whole = path_of(log).read_bytes()
    line = whole.splitlines(keepends=True)[-1]
    path_of(log).write_bytes(whole + line[:cut])
    assert log.verify().whole
    assert log.verify().notes
    log.record("steward", "quarantine.dismiss")
    torn = [e for e in log.entries() if e.action == "audit.torn_line"]
    assert len(torn) == 1
    assert (tmp_path / torn[0].details["kept_as"]).read_bytes() == line[:cut]
    assert log.verify().whole


def test_a_crash_between_log_and_head_is_no_damage(tmp_path: Path) -> None:
    log = log_of(tmp_path, 2)
    head = path_of(log).with_name("head.json").read_bytes()
    log.record("steward", "quarantine.dismiss")
    path_of(log).with_name("head.json").write_bytes(head)
    verdict = log.verify()
    assert verdict.whole
    assert verdict.notes
    log.record("steward", "quarantine.dismiss")
    assert log.verify().entries == 4


def test_without_a_key_nothing_is_recorded_and_nothing_passes_as_whole(tmp_path: Path) -> None:
    with pytest.raises(AuditError, match="set PLATFORM_IDENTITY_KEY_AUDIT"):
        log_of(tmp_path, 1, {})
    log_of(tmp_path, 2)
    assert any("no key" in p for p in AuditLog(tmp_path, EnvironmentKeys({})).verify().problems)


def test_a_laptop_without_a_key_makes_one_that_only_its_user_can_read(tmp_path: Path) -> None:
    keys = LaptopKeys(EnvironmentKeys({}), tmp_path / "sample")
    log = AuditLog(tmp_path / "audit", keys)
    assert log.verify().whole  # looking makes none
    assert not (tmp_path / "audit" / "key").exists()
    log.record("anna", "quarantine.dismiss")
    assert stat.S_IMODE((tmp_path / "audit" / "key").stat().st_mode) == 0o600
    assert log.verify().whole
    named = LaptopKeys(EnvironmentKeys(KEY), tmp_path / "sample")
    AuditLog(tmp_path / "audit", named).record("anna", "quarantine.dismiss")
    assert AuditLog(tmp_path / "audit", named).verify().whole
    assert [e.action for e in log.entries()] == ["quarantine.dismiss", "audit.new_key", "quarantine.dismiss"]


def test_processes_that_come_at_once_make_one_key(tmp_path: Path) -> None:
    keys = LaptopKeys(EnvironmentKeys({}), tmp_path / "sample")
    with ThreadPoolExecutor(8) as pool:
        assert len(set(pool.map(lambda _: keys.ring("audit", make=True), range(8)))) == 1


def test_a_key_is_changed_and_earlier_entries_still_verify(tmp_path: Path) -> None:
    log_of(tmp_path, 2)
    both = {"PLATFORM_IDENTITY_KEY_AUDIT": f"{'cd' * 32},{'ab' * 32}"}
    log = log_of(tmp_path, 2, both)
    assert [e.action for e in log.entries()].count("audit.new_key") == 1
    assert log.verify().whole
    only_new = AuditLog(tmp_path, EnvironmentKeys({"PLATFORM_IDENTITY_KEY_AUDIT": "cd" * 32}))
    (problem,) = only_new.verify().problems
    assert "a key that is not here" in problem
    only_old = AuditLog(tmp_path, EnvironmentKeys(KEY))
    with pytest.raises(AuditError, match="a key that is not here"):
        only_old.record("x", "y")


def _write_fifty(home: Path) -> None:
    log_of(home, 50)


def test_several_writers_make_one_chain(tmp_path: Path) -> None:
    context = multiprocessing.get_context("spawn")
    writers = [context.Process(target=_write_fifty, args=(tmp_path,)) for _ in range(3)]
    for writer in writers:
        writer.start()
    for writer in writers:
        writer.join()
    verdict = AuditLog(tmp_path, EnvironmentKeys(KEY)).verify()
    assert verdict.whole
    assert verdict.entries == 150


def test_the_command_says_whether_the_log_is_whole(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(*next(iter(KEY.items())))
    log = log_of(tmp_path / "audit", 3)
    assert main(["--home", str(tmp_path), "verify"]) == 0
    edit(log, lambda lines: lines[1:])
    assert main(["--home", str(tmp_path), "verify"]) == 1
    assert "DAMAGED" in capsys.readouterr().out


# ------------------------------------------------------------------ in a bucket


@pytest.fixture
def bucket() -> Iterator[GCSStore]:
    with cloud_storage() as running:
        yield GCSStore(BUCKET, client=client(running.port))


def test_in_a_bucket_every_entry_is_an_object_and_writers_take_turns(bucket: GCSStore, tmp_path: Path) -> None:
    def write(number: int) -> None:
        tape = StoreTape(bucket, lambda: SqliteCatalog(tmp_path).lock("audit"))
        AuditLog(tape, EnvironmentKeys(KEY)).record(f"steward{number}", "quarantine.dismiss", ground="a duplicate")

    with ThreadPoolExecutor(4) as pool:
        list(pool.map(write, range(8)))
    log = AuditLog(StoreTape(bucket, contextlib.nullcontext), EnvironmentKeys(KEY))
    assert [found.basename for found in bucket.list("audit/log")] == [f"{n:012}.json" for n in range(1, 9)]
    assert sorted(entry.who for entry in log.entries()) == [f"steward{n}" for n in range(8)]
    assert log.verify([log.head()] if log.head() else []).whole  # type: ignore[list-item]


def test_in_a_bucket_an_edited_removed_or_cut_off_entry_is_found(bucket: GCSStore) -> None:
    log = AuditLog(StoreTape(bucket, contextlib.nullcontext), EnvironmentKeys(KEY))
    for number in range(3):
        log.record(f"steward{number}", "quarantine.dismiss")
    second = "audit/log/000000000002.json"
    line = bucket.open(second).read()
    bucket.write(second, line.replace(b"steward1", b"nobody11"))
    assert any("entry 2 was edited" in p for p in log.verify().problems)
    bucket.delete(second)
    assert any("entry 3 follows 1" in p for p in log.verify().problems)
    bucket.write(second, line)
    assert log.verify().whole
    bucket.delete("audit/log/000000000003.json")
    assert any("cut off" in p for p in log.verify().problems)
    with pytest.raises(AuditError, match="entries are missing"):
        log.record("x", "y")


def test_in_a_bucket_no_entry_is_ever_overwritten(bucket: GCSStore) -> None:
    tape = StoreTape(bucket, contextlib.nullcontext)
    tape.append(1, b"{}")
    with pytest.raises(FileExistsError):
        tape.append(1, b"{}")
