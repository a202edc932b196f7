"""What others wrote does nothing to a terminal: no colour, no title, no line, no other order of what stands on it."""

from __future__ import annotations

import io
import subprocess
import sys
import unicodedata
from pathlib import Path

import pytest

from platform_assets.access.audit.log import AuditLog
from platform_assets.erasure import certificate
from platform_assets.office import Office
from platform_assets.quarantine import __main__ as quarantine_command
from resources.identity import EnvironmentKeys
from resources.text.terminal import field, say
from tests.places import KEYS, Place

HOSTILE = [
    "\x1b[2J\x1b[1;1H", "\x1b]0;title\x07", "\x1b]8;;http://evil.example\x1b\\here", "\x9b31m", "a\rb", "a\nb", "a\x0bb", "a\x85b", "a\u2028b", "a\u2029b", "\u202egpj.exe",
    "\u2066a\u2069", "a\x08b", "\x00", "\ud800", "a\u200bb", "\x7f",
]  # fmt: skip


@pytest.mark.parametrize("text", HOSTILE)
def test_a_field_is_one_line_of_what_can_be_seen(text: str) -> None:
    shown = field(f"before {text} after")
    assert shown.startswith("before ")
    assert shown.endswith(" after")
    assert not [c for c in shown if unicodedata.category(c)[0] in "C" or unicodedata.category(c) in ("Zl", "Zp")]
    stream = io.StringIO()
    say(stream, f"one\n{text}\ntwo\n")
    assert stream.getvalue().startswith("one\n")
    assert "\x1b" not in stream.getvalue()
    assert "\x9b" not in stream.getvalue()


def test_what_people_write_stays_as_it_is() -> None:
    assert field("Zürich, 3 µg/l — “ok” 日本 ⚠") == "Zürich, 3 µg/l — “ok” 日本 ⚠"


@pytest.mark.parametrize("text", HOSTILE[:-3])
def test_the_list_of_the_audit_log_has_a_line_for_each_entry_and_no_other(tmp_path: Path, text: str) -> None:
    log = AuditLog(tmp_path / "audit", EnvironmentKeys(KEYS))
    forged = f"{text}\n     9 2026-01-01T00:00:00 mallory erasure.approve lab_results letter 17"
    log.record(f"anna{text}", "quarantine.dismiss", table="lab_results", ground=forged)
    command = [sys.executable, "-m", "platform_assets.access.audit", "--home", str(tmp_path), "list"]
    shown = subprocess.run(command, env={**KEYS, "PATH": ""}, capture_output=True, check=True).stdout
    assert shown.count(b"\n") == 1
    assert not {0x1B, 0x0D, 0x08, 0x00, 0x07} & set(shown)


def test_a_ground_adds_no_line_to_a_certificate() -> None:
    document = {
        "request": "1", "requested_by": "a\nApproved by   nobody", "requested_at": "t", "approved_by": "b", "approved_at": "t", "finished_at": "t",
        "ground": "letter\n\nFound and removed\n         0  rows", "datasets": ["lab_results"], "subjects": ["x"], "found_and_removed": {}, "products_removed": [],
        "searched": {"files": 1, "bytes": 1, "unreadable": 0}, "other_records_of_the_same_key": 0, "audit_head": "1:2",
        "decisions": [{"words": "a\nb", "way": "else", "reason": "c\nd", "by": "e\nf", "at": "t"}], "explained": [{"spot": "x", "words": "g\nh"}],
    }  # fmt: skip
    lines = certificate.as_text(document).splitlines()
    assert [line for line in lines if line.startswith("Approved by")] == ["Approved by   b, t"]
    assert [line for line in lines if line.startswith("Found and removed")] == ["Found and removed"]
    assert not {"b", "d", "f", "h"} & {line.strip()[:1] for line in lines if len(line.strip()) < 3}


def test_the_name_of_a_file_does_nothing_to_a_stewards_terminal(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    place = Place(tmp_path)
    name = "week\x1b[2J\x1b]0;x\x07\u202e1.csv"
    place.deliver(name, "C-11,P-1,north,2024-01-02,Positive,")
    office = place.office()
    monkeypatch.setattr(Office, "here", classmethod(lambda _: office))
    row = place.desk().rows().iloc[0]
    for arguments in (
        ["reasons", "lab_results"],
        ["dismiss", "lab_results", "none", name, "3", "--reason", "x"],
        ["history", "lab_results", row["_delivery"], name, str(row["_row"])],
    ):
        quarantine_command.main(["--by", "carla", *arguments])
        said = capsys.readouterr()
        assert said.out + said.err
        assert not {"\x1b", "\x07", "\u202e"} & set(said.out + said.err)
