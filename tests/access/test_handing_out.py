"""Rows and files are handed out only after the entry is on disk: by every page and command, enumerated, with a log that works and with one that does not."""

from __future__ import annotations

import argparse
import ast
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import streamlit as st
from streamlit.testing.v1 import AppTest

from platform_assets.access import handing_out
from platform_assets.access.audit.entry import AuditError, Entry
from platform_assets.access.audit.log import AuditLog
from platform_assets.access.audit.tape import FolderTape
from platform_assets.access.roles import AccessDenied, Role, User
from platform_assets.office import Office
from platform_assets.quarantine import __main__ as quarantine_command
from tests.console.test_pages import PAGES, everything, opened, person
from tests.erasure.erasing import erase, subject
from tests.places import STEWARD, Place
from tests.product import REPOSITORY, modules

CLEAR = "CANARY-PATIENT-4711"
ROWS = (CLEAR, "N-11", "S-22", "C-11")
"""Texts that stand in rows, and nowhere else."""


@pytest.fixture(autouse=True)
def nothing_seen_yet(monkeypatch: pytest.MonkeyPatch) -> None:
    """Every test is later than `REPEAT` after the one before."""
    monkeypatch.setattr(handing_out, "_UNTIL", {})


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Place:
    """Rows in tables and in quarantine, a staged fix, an erasure that is done."""
    made = Place(tmp_path_factory.mktemp("home"))
    rows = [f"N-{n},P-{n},north,2024-01-0{n % 7 + 1},NEG," for n in range(10, 40)]
    rows += [f"S-{n},P-{n},south,2024-01-02,POS," for n in (21, 22)]
    made.deliver("week1.csv", *rows, f"C-11,{CLEAR},north,2024-01-02,Positive,", "C-12,P-9,north,2024-01-02,Negative,")
    erase(made, subject("P-10"))
    made.desk().replace_value("result", "Negative", "NEG")
    return made


@pytest.fixture
def buttons(monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    """Download buttons that were drawn: label -> what they were given."""
    drawn: dict[str, Any] = {}
    monkeypatch.setattr(st, "download_button", lambda label, data, *_, **__: drawn.update({label: data}))
    return drawn


def entries(place: Place, who: User) -> list[Entry]:
    return [e for e in place.audit.entries() if e.who == who.name]


def shows_rows(at: AppTest) -> bool:
    return any(text in everything(at) for text in ROWS)


# ------------------------------------------------------------------ pages


def may_open(name: str) -> list[User]:
    """Those for whom the page holds anything; for the others see tests/console/test_pages.py."""
    return [person(r) for r in Role if not PAGES[name] or any(person(r).may(p) for p in PAGES[name])]


@pytest.mark.parametrize("name", PAGES)
def test_a_page_hands_out_rows_and_files_after_their_entry_and_without_it_nothing(
    place: Place, buttons: dict[str, Any], monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    for user in may_open(name):
        buttons.clear()
        at = opened(name, place, user)
        assert not at.exception
        if shows_rows(at):
            assert any(e.details.get("rows") for e in entries(place, user))
        for data in buttons.values():
            assert callable(data), "a file was made before anybody asked for it"
            before = len(entries(place, user))
            content = [data(), data()]
            assert len(entries(place, user)) == before + 2
            assert entries(place, user)[-1].details["bytes"] == len(content[-1])
        handing_out._UNTIL.clear()
        with monkeypatch.context() as patch:
            patch.setattr(FolderTape, "append", _full)
            for data in buttons.values():
                with pytest.raises(OSError, match="No space"):
                    data()
            assert not shows_rows(opened(name, place, user))


def _full(*_: object) -> None:
    """A disk that is full: nothing can be added to the log."""
    raise OSError(28, "No space left on device")


def test_both_kinds_of_page_are_among_those_that_were_tried(place: Place, buttons: dict[str, Any]) -> None:
    """The tests above would pass on pages that show nothing."""
    showing = {
        (name, role.value)
        for name in ("quarantine", "reports", "deliveries", "erasure")
        for role in (Role.STEWARD, Role.CLINICIAN)
        if shows_rows(opened(name, place, person(role)))
    }
    assert showing == {("quarantine", "steward"), ("reports", "steward"), ("reports", "clinician")}
    assert {"Download the final export", "Download the certificate", "Download as CSV"} <= set(buttons)


@pytest.mark.parametrize(
    ("name", "actions", "shown"),
    [
        ("deliveries", {"logs.see"}, "week1.csv"),
        ("reports", {"logs.see"}, "week1.csv"),
        ("erasure", {"logs.see", "erasure.see_certificate"}, "Certificate of erasure"),
    ],
)
def test_logs_and_certificates_are_shown_after_their_entry_only(
    place: Place, monkeypatch: pytest.MonkeyPatch, name: str, actions: set[str], shown: str
) -> None:
    auditor = person(Role.AUDITOR)
    before = len(entries(place, auditor))
    assert shown in everything(opened(name, place, auditor))
    new = entries(place, auditor)[before:]
    assert actions <= {e.action for e in new}
    assert all(e.details.get("request") for e in new if e.action == "erasure.see_certificate")
    handing_out._UNTIL.clear()
    monkeypatch.setattr(FolderTape, "append", _full)
    assert shown not in everything(opened(name, place, auditor))


def test_the_same_view_drawn_again_is_one_entry_and_another_one_is_another(place: Place) -> None:
    desk = place.desk(STEWARD)
    before = len(list(place.audit.entries()))
    for _ in range(5):
        desk.rows()
    desk.rows(rule="result")
    place.desk(User("second@example.org", frozenset({Role.STEWARD}))).rows()
    place.desk(User(STEWARD.name, STEWARD.roles, session="another window")).rows()
    assert len(list(place.audit.entries())) == before + 4
    handing_out._UNTIL = dict.fromkeys(handing_out._UNTIL, 0.0)  # minutes later
    desk.rows()
    assert len(list(place.audit.entries())) == before + 5


def test_a_view_whose_entry_failed_needs_it_the_next_time_too(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    with monkeypatch.context() as patch:
        patch.setattr(FolderTape, "append", _full)
        for _ in range(2):
            with pytest.raises(OSError, match="No space"):
                place.desk(STEWARD).rows()
    before = len(list(place.audit.entries()))
    place.desk(STEWARD).rows()
    assert len(list(place.audit.entries())) == before + 1


def test_a_file_is_refused_when_the_login_has_ended_since_the_button_was_drawn(place: Place) -> None:
    made: list[bytes] = []
    ended = User("anna", frozenset({Role.STEWARD}), until=1.0)

    def make() -> bytes:
        made.append(b"rows")
        return b"rows"

    with pytest.raises(AccessDenied, match="log in again"):
        handing_out.file(place.audit, ended, "x", make)()
    assert made == []


def test_what_is_refused_is_written_down(place: Place) -> None:
    analyst = person(Role.ANALYST)
    before = len(entries(place, analyst))
    at = opened("quarantine", place, analyst)
    assert "may not do this" in at.error[0].value.replace("\\", "")
    (entry,) = entries(place, analyst)[before:]
    assert (entry.action, entry.role) == ("access.refused", "analyst")
    assert "quarantine.see" in entry.ground


def test_a_login_is_one_entry_and_one_that_names_nobody_is_another_kind(place: Place) -> None:
    anna = User("anna", frozenset({Role.ANALYST}), identity="https://x#1", issued=17.0)
    for window in ("a", "b"):
        handing_out.entered(place.audit, User(**{**anna.__dict__, "session": window}))
    handing_out.entered(place.audit, User(**{**anna.__dict__, "issued": 18.0}))
    assert [e.details for e in entries(place, anna)] == [
        {"issued": issued, "identity": "https://x#1"} for issued in (17, 18)
    ]
    handing_out.refused(place.audit, None, AccessDenied("this login cannot be used"))
    last = list(place.audit.entries())[-1]
    assert (last.who, last.action) == ("(nobody)", "login.refused")


# ------------------------------------------------------------------ commands


@pytest.fixture
def fresh(tmp_path: Path) -> Place:
    """Rows in quarantine that a command may change."""
    made = Place(tmp_path / "home")
    made.deliver("week1.csv", f"C-11,{CLEAR},north,2024-01-02,Positive,", "C-12,P-9,north,2024-01-02,Negative,")
    return made


QUARANTINE: dict[str, list[str]] = {
    "list": [],
    "reasons": ["lab_results"],
    "export": ["lab_results", "FILE"],
    "stage": ["lab_results", "FILE"],
    "replace": ["lab_results", "result", "Positive", "POS"],
    "send": ["lab_results"],
    "unstage": ["lab_results", "DELIVERY", "week1.csv", "ROW"],
    "release": ["lab_results", "DELIVERY", "--reason", "x"],
    "close": ["lab_results", "DELIVERY", "--reason", "x"],
    "dismiss": ["lab_results", "DELIVERY", "week1.csv", "ROW", "--reason", "x"],
    "history": ["lab_results", "DELIVERY", "week1.csv", "ROW"],
}


def commands_of(parser: argparse.ArgumentParser) -> set[str]:
    (choices,) = [a.choices for a in parser._actions if isinstance(a, argparse._SubParsersAction)]
    return set(choices)


def test_every_command_is_tried() -> None:
    assert commands_of(quarantine_command._parser()) == set(QUARANTINE)


@pytest.mark.parametrize("command", QUARANTINE)
def test_a_command_hands_out_rows_after_the_entry_only(
    fresh: Place, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], command: str
) -> None:
    office = fresh.office()
    monkeypatch.setattr(Office, "here", classmethod(lambda _: office))
    row = fresh.desk().rows().iloc[0]
    file = tmp_path / "rows.csv"
    marks = {"FILE": str(file), "DELIVERY": row["_delivery"], "ROW": str(row["_row"])}
    arguments = ["--by", "carla", command, *(marks.get(a, a) for a in QUARANTINE[command])]
    monkeypatch.setattr(FolderTape, "append", _full)
    if command == "stage":
        file.write_text("_delivery\n")
    quarantine_command.main(arguments)
    written = file.read_text() if file.exists() else ""
    said = capsys.readouterr()
    assert not any(text in written + said.out + said.err for text in ROWS)


def test_an_export_is_two_entries_before_there_is_a_file(
    fresh: Place, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    office = fresh.office()
    monkeypatch.setattr(Office, "here", classmethod(lambda _: office))
    seen_first: list[bool] = []
    append = FolderTape.append

    def looked(tape: FolderTape, number: int, line: bytes) -> None:
        seen_first.append((tmp_path / "rows.csv").exists())
        append(tape, number, line)

    monkeypatch.setattr(FolderTape, "append", looked)
    assert quarantine_command.main(["--by", "carla", "export", "lab_results", str(tmp_path / "rows.csv")]) == 0
    assert CLEAR in (tmp_path / "rows.csv").read_text()
    assert seen_first == [False, False]
    last = list(fresh.audit.entries())[-2:]
    assert [(e.who, e.action, e.role, e.details["rows"]) for e in last] == [
        ("carla", "quarantine.see", "steward (declared)", 2),
        ("carla", "quarantine.export", "steward (declared)", 2),
    ]


# ------------------------------------------------------------------ nobody goes past it


def calls(path: Path, *names: str) -> list[str]:
    tree = ast.parse(path.read_text(encoding="utf-8"))
    found = []
    for node in ast.walk(tree):
        if isinstance(node, ast.Call):
            name = ast.unparse(node.func).rsplit(".", 1)[-1]
            if name in names:
                found.append(f"{path.relative_to(REPOSITORY)}: {name}")
    return found


def test_only_one_place_makes_download_buttons_and_only_one_gives_own_rows() -> None:
    found = [line for path in modules() for line in calls(path, "download_button", "rows_in_scope", "link_button")]
    assert sorted(found) == [
        "console/frame.py: download_button",
        "platform_assets/access/handing_out.py: rows_in_scope",
    ]


def test_commands_write_files_for_people_in_one_place() -> None:
    sources = list((REPOSITORY / "platform_assets").rglob("__main__.py"))
    found = [line for path in sources for line in calls(path, "write_bytes", "write_text")]
    published = "platform_assets/releases/__main__.py: write_bytes"  # made again of what everybody may have
    assert sorted(found) == ["platform_assets/quarantine/__main__.py: write_bytes", published]


def test_every_method_of_a_desk_that_returns_rows_writes_it_down() -> None:
    """What returns a table is listed here, or writes an entry: a new method has to choose."""
    counts_only = {"counts", "acts"}
    tree = ast.parse((REPOSITORY / "platform_assets/quarantine/desk.py").read_text(encoding="utf-8"))
    (desk,) = [n for n in tree.body if isinstance(n, ast.ClassDef)]
    giving = [
        m for m in desk.body if isinstance(m, ast.FunctionDef) and m.returns and "DataFrame" in ast.unparse(m.returns)
    ]
    assert {m.name for m in giving} == counts_only | {"rows", "history", "staged"}
    for method in giving:
        assert method.name in counts_only or "self.seen(" in ast.unparse(method)


def test_the_log_says_nothing_of_patients(place: Place) -> None:
    for role in Role:
        for name in ("quarantine", "reports", "erasure"):
            opened(name, place, person(role))
    content = place.audit.tape.content().decode()
    assert not any(text in content for text in ROWS)
    assert isinstance(json.loads(content.splitlines()[-1]), dict)
    assert place.audit.verify().whole


def test_an_entry_that_is_refused_hands_out_nothing(tmp_path: Path) -> None:
    place = Place(tmp_path)
    place.deliver("week1.csv", "C-11,P-1,north,2024-01-02,Positive,")
    place.desk(STEWARD).rows()
    handing_out._UNTIL.clear()
    (place.home / "audit" / "head.json").unlink()
    with pytest.raises(AuditError):
        place.desk(STEWARD).rows()
    assert isinstance(place.audit, AuditLog)
    made: Callable[[], bytes] = handing_out.file(place.audit, STEWARD, "x", lambda: b"rows")
    with pytest.raises(AuditError):
        made()
