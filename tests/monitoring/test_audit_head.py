"""The audit log's head in the mail, once a day; and an alert where the log's end does not fit."""

from __future__ import annotations

import datetime as dt
import json

from platform_assets.access.audit.entry import Head
from platform_assets.access.audit.log import AuditLog
from tests.monitoring.conftest import Watch

NOW = dt.datetime(2026, 3, 4, 12, 0, tzinfo=dt.UTC)


def audit(watch: Watch) -> AuditLog:
    return AuditLog(watch.platform.settings.home / "audit", watch.platform.keys)


def test_where_the_log_ends_is_told_once_a_day_and_finds_a_log_that_was_put_back(watch: Watch) -> None:
    watch.look(NOW)
    assert watch.mails() == []  # there is no log yet
    folder = watch.platform.settings.home / "audit"
    audit(watch).record("anna", "quarantine.dismiss")
    earlier = {path: path.read_bytes() for path in folder.iterdir()}
    audit(watch).record("anna", "erasure.approve")
    watch.look(NOW)
    (mail,) = watch.mail.messages
    head = Head.parse(next(line for line in str(mail.get_content()).splitlines() if line.startswith("2:")))
    assert watch.mails() == ["[INFO] The audit log ends at entry 2"]
    watch.look(NOW + dt.timedelta(hours=23))
    watch.look(NOW + dt.timedelta(hours=25))
    assert watch.mails() == []  # told already, or nothing new
    for path, content in earlier.items():
        path.write_bytes(content)
    audit(watch).record("mallory", "quarantine.stage")
    assert audit(watch).verify().whole
    assert any("written down elsewhere" in p for p in audit(watch).verify([head]).problems)


def test_a_head_that_was_not_delivered_is_sent_at_the_next_look(watch: Watch) -> None:
    audit(watch).record("anna", "quarantine.dismiss")
    watch.mail.say_no = 3
    watch.look(NOW)
    assert watch.mail.messages == []
    watch.look(NOW + dt.timedelta(minutes=1))
    assert watch.mail.subjects == ["[INFO] The audit log ends at entry 1"]


def test_a_log_that_takes_no_more_entries_is_an_alert(watch: Watch) -> None:
    log = audit(watch)
    log.record("anna", "quarantine.dismiss")
    head = watch.platform.settings.home / "audit" / "head.json"
    head.write_text(json.dumps({**json.loads(head.read_text()), "seal": ""}))
    watch.look(NOW)
    assert watch.mails() == ["[ERROR] The audit log takes no more entries: its end does not fit"]
