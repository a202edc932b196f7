"""Delivering: whole files under their final names, the ledger says the truth, answers are read, one file's failure is that file's."""

from __future__ import annotations

import contextlib
import hashlib
import itertools
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from platform_assets.access.roles import AccessDenied, Role, User
from platform_assets.exports import ledger
from platform_assets.exports.resending import NotAgain, resend
from resources import requesting, sftp
from tests.exports.exporting import FOLDER, ROW_LEVEL, Shop, export_of, loaded, stocked
from tests.places import ANALYST, STEWARD
from tests.servers.ssh_server import SshServer, ssh
from tests.servers.tcp_proxy import proxy

JAN, FEB = "results_202601.csv", "results_202602.csv"
SFTP = {"kind": "sftp", "server": "partner", "folder": "in", "verify": "read_back"}


@pytest.fixture(scope="module")
def server() -> Iterator[SshServer]:
    with ssh() as made:
        yield made


@pytest.fixture(autouse=True)
def _impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(requesting, "FIRST_PAUSE_SECONDS", 0.01)
    monkeypatch.setattr(sftp, "SILENT_SECONDS", 0.5)


@pytest.fixture(params=["folder", "sftp"])
def shop(request: pytest.FixtureRequest, tmp_path: Path) -> Shop:
    """A shop that delivers to a folder, or to a real server whose folder is looked into as `share`."""
    acknowledge = {"refused": "{name}.err", "within": "1 hours"}
    if request.param == "folder":
        return stocked(tmp_path, deliver={**FOLDER, "acknowledge": acknowledge})
    made = stocked(tmp_path, deliver={**SFTP, "acknowledge": acknowledge})
    return at_the_server(made, request.getfixturevalue("server"))


def at_the_server(shop: Shop, server: SshServer) -> Shop:
    folder = server.home / "in"
    folder.mkdir(exist_ok=True)
    folder.chmod(0o755)
    for path in folder.iterdir():
        path.unlink()
    shop.environment = server.environment()
    shop.share = folder
    return shop


def whole(shop: Shop) -> bool:
    """What lies at the partner's are the files of the ledger that are said to be sent, whole, and nothing else."""
    sent = {e.file: e.sha256 for e in shop.entries() if e.state in ledger.LEFT}
    lying = {name: hashlib.sha256(data).hexdigest() for name, data in shop.lying().items() if name in (JAN, FEB)}
    return sent == lying


def states(shop: Shop) -> list[str]:
    return [e.state for e in shop.entries()]


def test_files_arrive_once_and_each_is_in_the_audit_log_before(shop: Shop) -> None:
    assert sorted(shop.deliver().sent) == [JAN, FEB]
    assert states(shop) == ["sent", "sent"]
    assert set(shop.lying()) == {JAN, FEB}
    assert whole(shop)
    assert shop.deliver().sent == []
    assert shop.actions() == ["export.send", "export.send"]
    entry = next(e for e in shop.place.audit.entries() if e.action == "export.send")
    assert entry.ground == "Public Health Act, article 26"
    assert entry.role == "steward"
    assert entry.table == "validated.lab_results"
    assert entry.details == {
        "export": "results_for_agency",
        "window": "2026-01-01",
        "recipient": "Agency of the tests",
        "destination": shop.export.deliver.in_words,
        "sha256": hashlib.sha256(shop.lying()[JAN]).hexdigest(),
        "rows": 2,
    }


def test_answers_become_states_by_what_they_say(shop: Shop) -> None:
    shop.deliver()
    if shop.export.deliver.kind == "folder":
        assert {path.stat().st_mode & 0o777 for path in shop.share.iterdir()} == {0o640}
    sha = next(e.sha256 for e in shop.entries() if e.file == JAN)
    (shop.share / f"{JAN}.ack").write_text(f"taken\nsha256: {sha.upper()}\n")
    (shop.share / f"{FEB}.err").write_text("row 1: PATIENT-0077 is unknown")
    assert shop.deliver().answered == {JAN: "acknowledged", FEB: "refused"}
    assert states(shop) == ["acknowledged", "refused"]
    assert "PATIENT-0077" not in str([e.problem for e in shop.entries()])
    assert shop.actions()[2:] == ["export.acknowledged", "export.refused"]


@pytest.mark.parametrize("said", ["{other}", "size: 3", "bytes=0\n"])
def test_an_answer_to_another_content_is_none(tmp_path: Path, said: str) -> None:
    shop = stocked(tmp_path, deliver={**FOLDER, "acknowledge": {}})
    shop.deliver()
    (shop.share / f"{JAN}.ack").write_text(said.format(other="0" * 64))
    shop.deliver()
    assert states(shop) == ["refused", "sent"]


@pytest.mark.parametrize(
    ("said", "state"),
    [
        (f"{FEB} taken\n", "refused"),
        (f"We have {FEB}.", "refused"),
        ("file: somebody_elses.csv\n", "refused"),
        ("Filename = results_202601.csv.gz", "refused"),
        (f"{JAN} and {FEB} taken", "acknowledged"),
        (f"file: {JAN}\n", "acknowledged"),
        (f"{JAN}.", "acknowledged"),
        ("OK, thank you. 2 rows", "acknowledged"),
        ("", "acknowledged"),
    ],
)
def test_an_answer_that_names_another_file_is_none_to_this(tmp_path: Path, said: str, state: str) -> None:
    shop = stocked(tmp_path, deliver={**FOLDER, "acknowledge": {}})
    shop.deliver()
    (shop.share / f"{JAN}.ack").write_text(said)
    shop.deliver()
    assert states(shop) == [state, "sent"]


def test_a_refusal_of_before_is_none_of_what_is_sent_again(tmp_path: Path) -> None:
    shop = stocked(tmp_path, deliver={**FOLDER, "acknowledge": {"refused": "{name}.err"}})
    shop.deliver()
    (shop.share / f"{JAN}.err").write_text("not understood")
    shop.deliver()
    assert states(shop) == ["refused", "sent"]
    (shop.share / JAN).unlink()  # the recipient put it away
    again(shop, "the recipient has mended their reader")
    with contextlib.suppress(InterruptedError):  # cut off before a byte left
        shop.sender(_stop_at_put).deliver()
    assert states(shop)[0] == "sending"
    assert shop.deliver().sent == [JAN]
    assert whole(shop)
    assert states(shop) == ["sent", "sent"]
    (shop.share / f"{JAN}.err").write_text("still not understood")
    shop.deliver()
    assert states(shop) == ["refused", "sent"]


def test_another_recipient_is_written_down_beside_the_one_before(tmp_path: Path) -> None:
    shop = stocked(tmp_path, deliver=FOLDER)
    shop.export = export_of(deliver=FOLDER, row_level={**ROW_LEVEL, "recipient": "Agency of today"})
    shop.deliver()  # it was made for another, who never got it
    assert {e.recipient for e in shop.entries()} == {"Agency of today"}
    shop.export = export_of(deliver=FOLDER, row_level={**ROW_LEVEL, "recipient": "Agency of tomorrow"})
    again(shop)
    shop.deliver()
    assert shop.entries()[0].recipient == "Agency of today; Agency of tomorrow"
    sent = [e.details["recipient"] for e in shop.place.audit.entries() if e.action == "export.send"]
    assert sent == ["Agency of today", "Agency of today", "Agency of today; Agency of tomorrow"]


def test_two_visits_at_once_send_once(tmp_path: Path) -> None:
    shop = loaded(tmp_path, deliver=FOLDER)

    def visit(key: str) -> list[str]:
        shop.make(key)
        return shop.deliver().sent

    with ThreadPoolExecutor(4) as pool:
        sent = list(pool.map(visit, ["2026-01-01", "2026-02-01", "2026-01-01", "2026-02-01"]))
    assert sorted(itertools.chain(*sent)) == [JAN, FEB]
    assert states(shop) == ["sent", "sent"]
    assert whole(shop)
    assert shop.actions() == ["export.send", "export.send"]


def _stop_at_put(step: str) -> None:
    if step == "put":
        raise InterruptedError


def test_no_answer_is_told_and_a_late_one_still_counts(tmp_path: Path) -> None:
    shop = stocked(tmp_path, deliver={**FOLDER, "acknowledge": {"within": "0 seconds"}})
    shop.deliver()
    shop.deliver()
    assert states(shop) == ["unanswered", "unanswered"]
    assert "ask the recipient" in shop.entries()[0].problem
    (shop.share / f"{JAN}.ack").write_text("")
    shop.deliver()
    assert states(shop) == ["acknowledged", "unanswered"]


def test_another_file_of_that_name_is_never_touched_and_stops_no_other(shop: Shop) -> None:
    (shop.share / JAN).write_text("the partner's own")
    done = shop.deliver()
    assert list(done.failed) == [JAN]
    assert done.sent == [FEB]
    assert states(shop) == ["pending", "sent"]
    assert (shop.share / JAN).read_text() == "the partner's own"
    assert "is not touched" in shop.entries()[0].problem


def test_a_folder_that_is_not_there_or_only_readable_is_told_once_and_mended_later(shop: Shop) -> None:
    moved = shop.share.rename(shop.share.with_name("elsewhere"))
    done = shop.deliver()
    assert set(done.failed) == {JAN, FEB}
    assert all("is not there" in problem for problem in done.failed.values())
    assert states(shop) == ["pending", "pending"]
    moved.rename(shop.share)
    assert len(shop.deliver().sent) == 2
    assert whole(shop)


def test_a_disk_that_is_full_leaves_no_file_under_its_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A real small disk, where this user may mount one; /dev/full is one everywhere."""
    shop = stocked(tmp_path, deliver=FOLDER)
    (shop.share / f".{JAN}.part").symlink_to("/dev/full")
    done = shop.deliver()  # a link in the place of the part is not written through
    assert list(done.failed) == [JAN]
    (shop.share / f".{JAN}.part").unlink()
    assert shop.deliver().sent == [JAN]
    assert whole(shop)


def big(shop: Shop) -> int:
    """Make the files that wait larger than one write: a megabyte each."""
    import random

    for number, entry in enumerate(shop.entries()):
        data = random.Random(number).randbytes(1_000_003)
        shop.place.store.write(entry.object, data)
        entry.sha256, entry.bytes = hashlib.sha256(data).hexdigest(), len(data)
        ledger.write(shop.place.warehouse, entry)
    return 1_000_003


def test_a_cut_connection_goes_on_where_it_was_cut(tmp_path: Path, server: SshServer) -> None:
    shop = at_the_server(stocked(tmp_path, deliver=SFTP), server)
    size = big(shop)
    part = shop.share / f".{JAN}.part"
    with shop.place.store.open(shop.entries()[0].object) as file:
        part.write_bytes(file.read(size // 2))
    before = part.stat().st_ino
    assert len(shop.deliver().sent) == 2
    assert whole(shop)
    assert (shop.share / JAN).stat().st_ino == before  # the part was gone on with, not begun again


@pytest.mark.parametrize("rest", [b"other bytes", b"x" * 2_000_000], ids=["other", "longer"])
def test_a_part_that_is_none_of_ours_is_begun_again(tmp_path: Path, server: SshServer, rest: bytes) -> None:
    shop = at_the_server(stocked(tmp_path, deliver=SFTP), server)
    big(shop)
    (shop.share / f".{JAN}.part").write_bytes(rest)
    assert len(shop.deliver().sent) == 2
    assert whole(shop)


@pytest.mark.parametrize(
    ("after", "then"), [(4_000, "cut"), (0, "cut"), (5_200, "cut"), (7_000, "cut"), (4_000, "silent")]
)
def test_a_line_that_breaks_anywhere_loses_and_doubles_nothing(
    tmp_path: Path, server: SshServer, after: int, then: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    shop = at_the_server(stocked(tmp_path, deliver=SFTP), server)
    big(shop)
    monkeypatch.setattr(requesting, "ATTEMPTS", 1)
    monkeypatch.setattr(sftp, "CONNECT_SECONDS", 1)
    with proxy(server.port, after=after, then=then) as line:
        shop.environment = server.environment(line.port)
        shop.deliver()
    assert whole(shop) or "sending" in states(shop)  # a file that got its name just before the line broke
    assert not {
        name: data for name, data in shop.lying().items() if name.startswith("results") and len(data) != 1_000_003
    }
    shop.environment = server.environment()
    shop.deliver()
    assert states(shop) == ["sent", "sent"]
    assert whole(shop)
    assert set(shop.lying()) == {JAN, FEB}


def test_a_server_without_openssh_s_rename_gets_the_protocols(
    tmp_path: Path, server: SshServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """No such server is at hand: what OpenSSH answers to an extension that it does not know is what such a server answers."""
    import paramiko

    def unsupported(self: Any, old: str, new: str) -> None:
        raise OSError("Operation unsupported")

    monkeypatch.setattr(paramiko.SFTPClient, "posix_rename", unsupported)
    shop = at_the_server(stocked(tmp_path, deliver=SFTP), server)
    assert len(shop.deliver().sent) == 2
    assert whole(shop)


# -------------------------------------------------------------------------------------------------- again


def again(shop: Shop, reason: str = "the partner has lost it", user: User = STEWARD, key: str = "2026-01-01") -> None:
    place = shop.place
    resend(
        "results_for_agency",
        key,
        reason,
        user=user,
        warehouse=place.warehouse,
        audit=place.audit,
        refuse=place.office().refuse,
    )


def test_sent_again_by_an_act_with_a_reason_also_over_what_is_there(shop: Shop) -> None:
    shop.deliver()
    (shop.share / JAN).write_text("spoilt")
    (shop.share / f"{JAN}.ack").write_text("of the first time")
    again(shop)
    assert shop.deliver().sent == [JAN]
    assert whole(shop)
    assert states(shop) == ["sent", "sent"]  # the answer to the first sending is none to this one
    shop.deliver()
    assert states(shop) == ["sent", "sent"]
    (shop.share / f"{JAN}.ack").write_text("of the second time, which is longer")
    shop.deliver()
    assert states(shop) == ["acknowledged", "sent"]
    entry = next(e for e in shop.place.audit.entries() if e.action == "export.resend")
    assert (entry.who, entry.ground, entry.details["recipient"]) == (
        STEWARD.name,
        "the partner has lost it",
        "Agency of the tests",
    )


def test_nobody_else_sends_again_and_not_without_reason(tmp_path: Path) -> None:
    shop = stocked(tmp_path)
    shop.deliver()
    before = shop.entries()
    engineer = User("e@example.org", frozenset({Role.ENGINEER}))
    clinician = User("c@example.org", frozenset({Role.CLINICIAN}))
    for user in (ANALYST, engineer, clinician):
        with pytest.raises(AccessDenied):
            again(shop, user=user)
    for reason, key in itertools.product(("", "   short "), ("2026-01-01",)):
        with pytest.raises(NotAgain):
            again(shop, reason, key=key)
    with pytest.raises(NotAgain):
        again(shop, key="2027-01-01")
    with pytest.raises(ValueError, match="number of lab_results"):
        again(shop, "lost the row of A-0001")
    assert shop.entries() == before
    assert "export.resend" not in shop.actions()
