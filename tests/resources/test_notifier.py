"""Alerts reach people once per incident: a real SMTP server and real HTTP webhooks, on loopback."""

from __future__ import annotations

import datetime as dt
import json
import logging
import re
import socket
import ssl
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from aiosmtpd.controller import Controller

from resources.lake.warehouse import Warehouse
from resources.notifier import (
    Alert,
    NotDelivered,
    Notifier,
    StoreState,
    channels,
    channels_from,
    missed_run,
    never_started,
)
from resources.notifier.channels import CHANNELS, Channel, Email, JsonLog, Slack, Teams
from resources.object_store import LocalStore
from tests.receivers import Hook, MailServer, mail_server, webhook

ALERT = Alert(
    kind="run_failure",
    subject="weekly",
    title="weekly failed: admissions_by_province",
    text="admissions_by_province.R, line 12: object 'inhabitants' not found\nInput: 1,204 rows <admissions>",
    link="https://dagster.example.org/runs/1",
)
MONDAY = dt.datetime(2024, 5, 13, 6, 0, tzinfo=dt.UTC)


@pytest.fixture
def mail() -> Iterator[MailServer]:
    with mail_server() as server:
        yield server


@pytest.fixture
def hook() -> Iterator[Hook]:
    with webhook() as received:
        yield received


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("resources.notifier.channels.channel.PAUSE", 0.001)


@dataclass
class Clock:
    """A clock that tests turn."""

    now: dt.datetime = MONDAY

    def __call__(self) -> dt.datetime:
        return self.now


def notifier(tmp_path: Path, *channels: Channel, clock: Clock | None = None) -> Notifier:
    state = StoreState(LocalStore(tmp_path), lambda: Warehouse(tmp_path).lock("alerts"))
    return Notifier(channels, state, now=clock or Clock())


def email(mail: MailServer, **options: Any) -> Email:
    return Email("127.0.0.1", mail.port, "platform@example.org", ["on-call@example.org"], tls=False, **options)


def test_an_e_mail_has_the_card_the_link_and_a_thread_of_its_own(mail: MailServer) -> None:
    email(mail, user="platform", password="pass-1").send(ALERT, "open")
    (message,) = mail.messages
    assert message["Subject"] == "[ERROR] weekly failed: admissions_by_province"
    assert message["To"] == "on-call@example.org"
    assert message["References"] == f"<{ALERT.incident}@platform>"
    content = message.get_content()
    assert "line 12: object 'inhabitants' not found" in content
    assert "https://dagster.example.org/runs/1" in content


def test_starttls_is_used_and_a_certificate_that_nobody_signed_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    subprocess.run(
        "openssl req -x509 -newkey rsa:2048 -nodes -days 2 -subj /CN=localhost -addext subjectAltName=DNS:localhost "
        "-keyout key.pem -out cert.pem",
        shell=True,
        cwd=tmp_path,
        check=True,
        capture_output=True,
    )
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(tmp_path / "cert.pem", tmp_path / "key.pem")
    received = MailServer()
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    server = Controller(received, hostname="localhost", port=port, tls_context=context, require_starttls=True)
    server.start()
    try:
        channel = Email("localhost", port, "platform@example.org", ["on-call@example.org"])
        monkeypatch.delenv("SSL_CERT_FILE", raising=False)
        with pytest.raises(NotDelivered, match="SSLCertVerificationError"):
            channel.send(ALERT, "open")
        monkeypatch.setenv("SSL_CERT_FILE", str(tmp_path / "cert.pem"))
        channel.send(ALERT, "open")
    finally:
        server.stop()
    assert len(received.messages) == 1


def test_slack_and_teams_get_their_own_form(hook: Hook) -> None:
    Slack(hook.url).send(ALERT, "open")
    Teams(hook.url).send(ALERT, "open")
    slack, teams = hook.bodies
    assert slack["blocks"][0]["text"]["text"] == "[ERROR] weekly failed: admissions_by_province"
    assert "1,204 rows &lt;admissions&gt;" in slack["blocks"][1]["text"]["text"]
    assert slack["blocks"][2]["elements"][0]["url"] == ALERT.link
    card = teams["attachments"][0]["content"]
    assert card["body"][1]["inlines"][0]["text"] == ALERT.text
    assert card["actions"][0]["url"] == ALERT.link


def test_the_log_has_one_line_of_json_that_cloud_logging_reads(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.INFO, logger="platform.alerts"):
        JsonLog().send(ALERT, "open")
    (record,) = caplog.records
    line = json.loads(record.message)
    assert "\n" not in record.message
    assert (line["event"], line["state"], line["severity"], line["kind"]) == ("alert", "open", "ERROR", "run_failure")


def test_one_incident_is_told_once_however_often_it_is_seen(tmp_path: Path, mail: MailServer, hook: Hook) -> None:
    channels = email(mail), Slack(hook.url)
    assert notifier(tmp_path, *channels).report(ALERT) == ["email", "slack"]
    for _ in range(3):  # each from a fresh process, as a sensor's ticks may be
        assert notifier(tmp_path, *channels).report(ALERT) == []
    assert (len(mail.messages), len(hook.bodies)) == (1, 1)
    other = Alert("run_failure", "nightly", "nightly failed")
    assert notifier(tmp_path, *channels).report(other) == ["email", "slack"]


def test_an_incident_that_lasts_is_repeated_once_a_day(tmp_path: Path, mail: MailServer) -> None:
    clock = Clock()
    reporter = notifier(tmp_path, email(mail), clock=clock)
    for hours in range(0, 60, 6):
        clock.now = MONDAY + dt.timedelta(hours=hours)
        reporter.report(ALERT)
    assert [m["Subject"].split()[0] for m in mail.messages] == ["[ERROR]", "[STILL]", "[STILL]"]


def test_the_end_is_told_once_and_the_next_time_is_a_new_incident(tmp_path: Path, mail: MailServer) -> None:
    reporter = notifier(tmp_path, email(mail))
    assert reporter.resolve("run_failure", "weekly") == []
    reporter.report(ALERT)
    assert reporter.resolve("run_failure", "weekly") == ["email"]
    assert reporter.resolve("run_failure", "weekly") == []
    reporter.report(ALERT)
    assert [m["Subject"].split()[0] for m in mail.messages] == ["[ERROR]", "[RESOLVED]", "[ERROR]"]


def test_a_channel_that_is_down_gets_it_later_and_the_others_not_again(
    tmp_path: Path, mail: MailServer, hook: Hook, caplog: pytest.LogCaptureFixture
) -> None:
    hook.answers = [503] * 3
    reporter = notifier(tmp_path, email(mail), Slack(hook.url))
    assert reporter.report(ALERT) == ["email"]
    assert reporter.retry() == ["slack"]
    assert reporter.retry() == []
    assert (len(mail.messages), len(hook.bodies)) == (1, 1)
    line = json.loads(caplog.records[-1].message)
    assert (line["event"], line["channel"]) == ("alert_not_delivered", "slack")
    assert "secret" not in caplog.text


def told(server: MailServer) -> list[str]:
    """How each message so far begins: ERROR, STILL, RESOLVED."""
    return [str(message["Subject"]).partition("]")[0].removeprefix("[") for message in server.messages]


def test_a_channel_that_stays_down_does_not_stop_the_daily_repeat_of_others(
    tmp_path: Path, mail: MailServer, hook: Hook
) -> None:
    clock = Clock()
    hook.answers = [503] * 1000
    alerts = notifier(tmp_path, email(mail), Slack(hook.url), clock=clock)
    for _ in range(4 * 24):  # seen every hour for four days
        alerts.report(ALERT)
        alerts.retry()
        clock.now += dt.timedelta(hours=1)
    assert told(mail) == ["ERROR", "STILL", "STILL", "STILL"]
    # who never heard that it began hears that first, and only that
    hook.answers = []
    before = len(hook.bodies)
    alerts.retry()
    assert [b["text"].partition("]")[0] for b in hook.bodies[before:]] == ["[ERROR"]
    alerts.resolve(ALERT.kind, ALERT.subject)
    assert told(mail)[-1] == "RESOLVED"
    assert hook.bodies[-1]["text"].startswith("[RESOLVED]")


def test_a_channel_that_was_removed_with_an_alert_waiting_holds_up_nothing(
    tmp_path: Path, mail: MailServer, hook: Hook
) -> None:
    clock = Clock()
    hook.answers = [503] * 1000
    notifier(tmp_path, email(mail), Slack(hook.url), clock=clock).report(ALERT)
    without = notifier(tmp_path, email(mail), clock=clock)
    for _ in range(3):
        clock.now += dt.timedelta(days=1)
        without.report(ALERT)
    without.resolve(ALERT.kind, ALERT.subject)
    assert told(mail) == ["ERROR", "STILL", "STILL", "STILL", "RESOLVED"]
    clock.now += dt.timedelta(days=31)
    without.retry()
    assert json.loads((tmp_path / "state" / "alerts.json").read_text()) == {}


def test_a_channel_that_fails_its_repeat_still_hears_the_end(tmp_path: Path, mail: MailServer, hook: Hook) -> None:
    clock = Clock()
    alerts = notifier(tmp_path, email(mail), Slack(hook.url), clock=clock)
    alerts.report(ALERT)
    clock.now += dt.timedelta(days=1)
    hook.answers = [503] * 1000
    alerts.report(ALERT)
    hook.answers = []
    alerts.resolve(ALERT.kind, ALERT.subject)
    assert told(mail) == ["ERROR", "STILL", "RESOLVED"]
    assert hook.bodies[-1]["text"].startswith("[RESOLVED]")


def test_incidents_that_were_open_before_channels_were_noted_go_on(tmp_path: Path, mail: MailServer) -> None:
    clock = Clock()
    alerts = notifier(tmp_path, email(mail), clock=clock)
    alerts.report(ALERT)
    file = tmp_path / "state" / "alerts.json"
    known = json.loads(file.read_text())
    for entry in known.values():
        del entry["heard"]
    file.write_text(json.dumps(known))
    clock.now += dt.timedelta(days=1)
    alerts.report(ALERT)
    alerts.resolve(ALERT.kind, ALERT.subject)
    assert told(mail) == ["ERROR", "STILL", "RESOLVED"]


def test_passing_faults_are_tried_again_at_once(mail: MailServer, hook: Hook) -> None:
    mail.say_no = 2
    email(mail).send(ALERT, "open")
    hook.answers = [429, 500]
    Slack(hook.url).send(ALERT, "open")
    assert (len(mail.messages), len(hook.bodies)) == (1, 1)


def test_what_cannot_get_better_is_not_tried_again_and_quotes_no_secret(mail: MailServer, hook: Hook) -> None:
    hook.answers = [404, 200]
    with pytest.raises(NotDelivered, match="slack: not delivered after 1 tries \\(status 404\\)") as caught:
        Slack(hook.url).send(ALERT, "open")
    assert hook.answers == [200]
    assert "secret" not in f"{caught.value!r} {Slack(hook.url)!r}"
    wrong = email(mail, user="platform", password="wrong-pass")
    with pytest.raises(NotDelivered, match="SMTPAuthenticationError") as caught:
        wrong.send(ALERT, "open")
    assert "wrong-pass" not in f"{caught.value!r} {wrong!r}"


def test_a_server_that_is_not_there_is_an_error_with_the_kind_only() -> None:
    with pytest.raises(NotDelivered, match="email: not delivered after 3 tries"):
        Email("127.0.0.1", 1, "a@b.org", ["c@d.org"], tls=False, timeout=1).send(ALERT, "open")


def test_a_mail_header_cannot_be_broken_out_of() -> None:
    with pytest.raises(ValueError, match="one line"):
        Alert("run_failure", "weekly", "failed\nBcc: everyone@example.org")


HOSTILE = [
    "a\rBcc: x@y", "a\u2028b", "a\x85b", "a\x0bb", "a\x00b", "a\udc80b", "a\x1b[2Jb", "a\u202eb", "<!channel>", "<@U1>", "<http://evil.example|the run>", "&lt;!here&gt;",
    "[the run](http://evil.example)", "![x](http://evil.example/x.png)", "http://evil.example/x", "HTTPS://evil.example", "www.evil.example", "**b** `c` # d", "```\n<!channel>\n```",
]  # fmt: skip


@pytest.mark.parametrize("where", ["title", "text"])
@pytest.mark.parametrize("hostile", HOSTILE)
def test_no_channel_makes_markup_or_links_of_words_or_stumbles_over_them(
    mail: MailServer, hook: Hook, caplog: pytest.LogCaptureFixture, where: str, hostile: str
) -> None:
    words = {"title": "weekly failed", "text": "12 rows"} | {
        where: hostile if where == "text" else hostile.replace("\n", " ")
    }
    alert = Alert("run_failure", "weekly", words["title"], words["text"], link="http://127.0.0.1:3000/runs/1")
    with caplog.at_level(logging.WARNING, "platform.alerts"):
        for channel in (
            Email("127.0.0.1", mail.port, "a@x.org", ["b@x.org"], tls=False),
            Slack(hook.url),
            Teams(hook.url),
            JsonLog(),
        ):
            channel.send(alert, "open")
    slack, teams = hook.bodies[-2:]
    shown = [slack["text"], slack["blocks"][1]["text"]["text"].removeprefix("```").removesuffix("```")]
    assert slack["blocks"][0]["text"]["type"] == "plain_text"
    for text in shown:
        assert "<" not in text
        assert "```" not in text
    card = teams["attachments"][0]["content"]
    assert {block["type"] for block in card["body"]} == {"RichTextBlock"}
    runs = [run for block in card["body"] for run in block["inlines"]]
    assert {run["type"] for run in runs} == {"TextRun"}
    message = mail.messages[-1]
    said = [
        *shown,
        *(run["text"] for run in runs),
        str(message["Subject"]),
        message.get_content().replace(alert.link, ""),
    ]
    for text in said:
        assert not re.search(r"https?://\w|www\.", text, re.IGNORECASE), text
        assert not re.search(r"[\x00-\x08\x0b-\x0c\x0e-\x1f\x7f-\x9f\u2028\u202e\ud800-\udfff]", text), text
    assert message["Bcc"] is None
    assert json.loads(caplog.records[-1].getMessage())["event"] == "alert"


def test_closed_incidents_are_forgotten_after_a_month(tmp_path: Path, mail: MailServer) -> None:
    clock = Clock()
    reporter = notifier(tmp_path, email(mail), clock=clock)
    reporter.report(ALERT)
    reporter.resolve(ALERT.kind, ALERT.subject)
    clock.now += dt.timedelta(days=31)
    reporter.retry()
    assert json.loads((tmp_path / "state" / "alerts.json").read_text()) == {}


def test_the_environment_names_the_channels() -> None:
    assert [c.name for c in channels_from({})] == ["log"]
    everything = {
        "PLATFORM_ALERT_SMTP": "mail.example.org:2525",
        "PLATFORM_ALERT_SMTP_FROM": "platform@example.org",
        "PLATFORM_ALERT_SMTP_TO": "a@example.org, b@example.org",
        "PLATFORM_ALERT_SLACK_WEBHOOK": "https://hooks.example/1",
        "PLATFORM_ALERT_TEAMS_WEBHOOK": "https://hooks.example/2",
    }
    log, mail, slack, teams = channels_from(everything)
    assert isinstance(mail, Email)
    assert (mail.host, mail.port, mail.recipients, mail.tls) == (
        "mail.example.org", 2525, ["a@example.org", "b@example.org"], True
    )  # fmt: skip
    assert (log.name, slack.name, teams.name) == ("log", "slack", "teams")
    with pytest.raises(ValueError, match="PLATFORM_ALERT_SMTP_TO"):
        channels_from({"PLATFORM_ALERT_SMTP": "mail.example.org"})


def test_every_channel_is_registered_set_by_documented_names_and_has_its_secret_kept() -> None:
    """A new channel is a file, its name in CHANNELS, a row in the docs, and a secret in Terraform: what is missing is named here."""
    folder = Path(channels.__file__).parent
    files = {f.stem for f in folder.glob("*.py")} - {"__init__", "channel", "webhook"}
    assert {kind.__module__.rpartition(".")[2] for kind in CHANNELS} == files
    assert len({kind.name for kind in CHANNELS}) == len(CHANNELS)
    repository = folder.parents[2]
    operate = (repository / "docs" / "operate.md").read_text(encoding="utf-8")
    terraform = (repository / "deploy" / "terraform" / "secrets.tf").read_text(encoding="utf-8")
    variables = (repository / "deploy" / "terraform" / "variables.tf").read_text(encoding="utf-8")
    known = set(re.findall(r'"(\w+)"', re.search(r"setsubtract\(var\.alert_channels, \[(.*?)\]", variables)[1]))  # type: ignore[index]
    assert known == set(re.findall(r'^ +(\w+) += "platform-alert-', terraform, flags=re.MULTILINE)), (
        "Terraform's two lists"
    )
    for kind in CHANNELS:
        for name in kind.settings:
            # the docs shorten what shares a beginning: PLATFORM_ALERT_SMTP, _SMTP_FROM
            assert f"`PLATFORM_ALERT_{name}`" in operate or f"`_{name}`" in operate, name
        assert set(kind.secrets) <= set(kind.settings)
        for name in kind.secrets:
            assert f'"platform-alert-{name.lower().replace("_", "-")}"' in terraform, name
            assert "secret" not in repr(kind.configured(EVERYTHING | {name: "secret"})), kind.name


EVERYTHING = {
    "SMTP": "mail.example.org", "SMTP_FROM": "a@example.org", "SMTP_TO": "b@example.org", "SLACK_WEBHOOK": "https://x", "TEAMS_WEBHOOK": "https://x",
}  # fmt: skip


# ---------------------------------------------------------------------------------- the weekly run that never started

WEEKLY, ZONE = "0 6 * * 1", "Europe/Amsterdam"
DUE = dt.datetime(2024, 5, 13, 4, 0, tzinfo=dt.UTC)  # Monday 06:00 in Amsterdam, summer time


@pytest.mark.parametrize(
    ("now", "last", "missed"),
    [
        (DUE + dt.timedelta(minutes=59), DUE - dt.timedelta(days=7), None),
        (DUE + dt.timedelta(minutes=61), DUE - dt.timedelta(days=7), DUE),
        (DUE + dt.timedelta(minutes=61), DUE + dt.timedelta(seconds=5), None),
        (DUE + dt.timedelta(days=6), DUE + dt.timedelta(hours=9), None),
        (DUE + dt.timedelta(days=6), None, DUE),
        (DUE + dt.timedelta(days=6), DUE - dt.timedelta(seconds=1), DUE),
    ],
)
def test_a_run_is_missed_an_hour_after_its_time(
    now: dt.datetime, last: dt.datetime | None, missed: dt.datetime
) -> None:
    assert missed_run(WEEKLY, ZONE, last, now) == missed


def test_nothing_is_missed_before_the_schedule_existed() -> None:
    now = DUE + dt.timedelta(days=2)
    assert missed_run(WEEKLY, ZONE, None, now, installed=DUE + dt.timedelta(days=1)) is None


def test_six_oclock_is_six_oclock_in_winter_too() -> None:
    winter = dt.datetime(2024, 1, 15, 5, 0, tzinfo=dt.UTC)
    assert missed_run(WEEKLY, ZONE, None, winter + dt.timedelta(hours=2)) == winter


def test_the_alert_says_when_in_local_time() -> None:
    alert = never_started("weekly", DUE, ZONE)
    assert alert.title == "weekly did not start on Monday 13 May at 06:00 (Europe/Amsterdam)"
    assert alert.incident == never_started("weekly", DUE + dt.timedelta(days=7), ZONE).incident
