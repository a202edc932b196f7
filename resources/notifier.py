"""Alerts: one per incident, by e-mail, Slack, Teams and as a line of JSON. No Dagster here; sensors call `Notifier.report`.

An incident is what is wrong, not each time that it is seen: it opens once, is repeated once a day while it lasts, and closes once.
Alerts hold names, counts and the failure card, which has no values of patients. What could not be delivered is tried again by `retry`,
to the channels that have not had it. A crash between sending and remembering sends once more: rather twice than never.
"""

from __future__ import annotations

import datetime as dt
import hashlib
import json
import logging
import smtplib
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import asdict, dataclass, field
from email.message import EmailMessage
from typing import Any, Protocol
from zoneinfo import ZoneInfo

from resources.object_store import ObjectStore

REPEAT = dt.timedelta(days=1)
FORGET = dt.timedelta(days=30)
"""How long a closed incident is remembered."""
TRIES = 3
PAUSE = 0.5
"""Seconds before the second try, doubled before the third."""
MAX_TEXT = 8_000
_RETRIED = frozenset({408, 429, 500, 502, 503, 504})

log = logging.getLogger("platform.alerts")


class NotDelivered(RuntimeError):
    """A channel did not take an alert. The message names no address, password or webhook."""


@dataclass(frozen=True)
class Alert:
    """What is wrong, for a person: `kind` and `subject` make the incident, e.g. ("run_failure", "weekly")."""

    kind: str
    """run_failure, check_failure, stale_asset, slow_run, never_started, erasure ..."""
    subject: str
    """What it is about: a job, an asset, a dataset."""
    title: str
    text: str = ""
    """The failure card or the counts; plain text, no values of patients."""
    link: str = ""
    """Where to look: the run's or the asset's page."""
    severity: str = "error"
    """error, warning or info."""

    def __post_init__(self) -> None:
        if "\n" in self.title or len(self.title) > 200:
            raise ValueError("an alert's title is one line of at most 200 characters; the rest belongs in text")
        if len(self.text) > MAX_TEXT:
            object.__setattr__(self, "text", self.text[:MAX_TEXT] + "\n... (cut; the rest is on the run's page)")

    @property
    def incident(self) -> str:
        """The key by which alerts are told apart: 16 hex digits."""
        return hashlib.sha256(f"{self.kind}\0{self.subject}".encode()).hexdigest()[:16]


class Channel(Protocol):
    """One way to reach people."""

    name: str

    def send(self, alert: Alert, state: str) -> None:
        """Deliver; `state` is open, repeated or closed. Raises NotDelivered."""
        ...


# ---------------------------------------------------------------------------------------------------- channels


@dataclass
class Email:
    """SMTP with STARTTLS where `tls` says so. The password comes from the environment, never from an argument list."""

    host: str
    port: int
    sender: str
    recipients: Sequence[str]
    user: str = ""
    password: str = field(default="", repr=False)
    tls: bool = True
    timeout: float = 20.0
    name: str = "email"

    def send(self, alert: Alert, state: str) -> None:
        """One message to all recipients."""
        message = EmailMessage()
        message["Subject"] = headline(alert, state)
        message["From"] = self.sender
        message["To"] = ", ".join(self.recipients)
        # one thread per incident in the reader's mailbox
        message["References"] = f"<{alert.incident}@platform>"
        message["X-Platform-Incident"] = alert.incident
        message.set_content(body(alert, state))

        def deliver() -> None:
            with smtplib.SMTP(self.host, self.port, timeout=self.timeout) as server:
                if self.tls:
                    import ssl

                    server.starttls(context=ssl.create_default_context())
                if self.user:
                    server.login(self.user, self.password)
                refused = server.send_message(message)
                if refused:
                    raise NotDelivered(f"e-mail: {len(refused)} of {len(self.recipients)} recipients were refused")

        _tried(deliver, self.name, lambda error: not isinstance(error, smtplib.SMTPAuthenticationError))


@dataclass
class Webhook:
    """An incoming webhook. `form` makes the body: `slack_form` or `teams_form`. Its address is a secret."""

    name: str
    url: str = field(repr=False)
    form: Callable[[Alert, str], dict[str, Any]]
    timeout: float = 20.0

    def send(self, alert: Alert, state: str) -> None:
        """One POST; 408, 429 and 5xx are tried again."""
        import requests

        def deliver() -> None:
            answer = requests.post(self.url, json=self.form(alert, state), timeout=self.timeout, allow_redirects=False)
            if answer.status_code not in range(200, 300):
                raise _Refused(answer.status_code)

        _tried(deliver, self.name, lambda error: not isinstance(error, _Refused) or error.status in _RETRIED)


@dataclass
class JsonLog:
    """One line of JSON on the log, as Cloud Logging reads it (`severity`, `message`); deploy/terraform/alerts.tf looks for it."""

    name: str = "log"

    def send(self, alert: Alert, state: str) -> None:
        """Write the line."""
        line = {
            "severity": "INFO" if state == "closed" else alert.severity.upper(),
            "message": headline(alert, state),
            "event": "alert",
            "state": state,
            "incident": alert.incident,
            **{k: v for k, v in asdict(alert).items() if k != "severity"},
        }
        log.warning(json.dumps(line, ensure_ascii=False))


def headline(alert: Alert, state: str) -> str:
    """The alert in one line."""
    words = {"open": alert.severity.upper(), "repeated": "STILL", "closed": "RESOLVED"}
    return f"[{words[state]}] {alert.title}"


def body(alert: Alert, state: str) -> str:
    """The alert as plain text."""
    if state == "closed":
        return f"{alert.title}: this is over.\n\n{alert.link}\n"
    return "\n\n".join(part for part in (alert.title, alert.text, alert.link) if part) + "\n"


def slack_form(alert: Alert, state: str) -> dict[str, Any]:
    """Slack's incoming webhook: a header, the card as preformatted text, a button (docs: Block Kit)."""
    blocks: list[dict[str, Any]] = [
        {"type": "header", "text": {"type": "plain_text", "text": headline(alert, state)[:150]}}
    ]
    if alert.text and state != "closed":
        # Slack reads & < > as markup
        safe = alert.text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;").replace("```", "'''")
        blocks.append({"type": "section", "text": {"type": "mrkdwn", "text": f"```{safe[:2_900]}```"}})
    if alert.link:
        button = {"type": "button", "text": {"type": "plain_text", "text": "Look"}, "url": alert.link}
        blocks.append({"type": "actions", "elements": [button]})
    return {"text": headline(alert, state), "blocks": blocks}


def teams_form(alert: Alert, state: str) -> dict[str, Any]:
    """Teams' workflow webhook: a message with one adaptive card."""
    content: list[dict[str, Any]] = [
        {"type": "TextBlock", "text": headline(alert, state), "weight": "Bolder", "size": "Medium", "wrap": True}
    ]
    if alert.text and state != "closed":
        # a TextRun is shown as it is: no markdown
        lines = [{"type": "TextRun", "text": alert.text[:4_000], "fontType": "Monospace"}]
        content.append({"type": "RichTextBlock", "inlines": lines})
    card: dict[str, Any] = {
        "$schema": "http://adaptivecards.io/schemas/adaptive-card.json",
        "type": "AdaptiveCard",
        "version": "1.4",
        "body": content,
    }
    if alert.link:
        card["actions"] = [{"type": "Action.OpenUrl", "title": "Look", "url": alert.link}]
    attachment = {"contentType": "application/vnd.microsoft.card.adaptive", "content": card}
    return {"type": "message", "attachments": [attachment]}


def channels_from(environment: Mapping[str, str]) -> list[Channel]:
    """The channels that the environment names; the log is always one.

    PLATFORM_ALERT_SMTP (``host:port``) with _SMTP_FROM, _SMTP_TO (comma-separated), _SMTP_USER, _SMTP_PASSWORD, _SMTP_TLS
    (on or off); PLATFORM_ALERT_SLACK_WEBHOOK; PLATFORM_ALERT_TEAMS_WEBHOOK.
    """
    get = {k.removeprefix("PLATFORM_ALERT_"): v for k, v in environment.items() if k.startswith("PLATFORM_ALERT_")}.get
    channels: list[Channel] = [JsonLog()]
    if smtp := get("SMTP"):
        host, _, port = smtp.partition(":")
        recipients = [a.strip() for a in (get("SMTP_TO") or "").split(",") if a.strip()]
        sender = get("SMTP_FROM") or ""
        if not recipients or not sender:
            raise ValueError(
                "PLATFORM_ALERT_SMTP is set: PLATFORM_ALERT_SMTP_FROM and PLATFORM_ALERT_SMTP_TO must be too"
            )
        user, password = get("SMTP_USER") or "", get("SMTP_PASSWORD") or ""
        tls = (get("SMTP_TLS") or "on").lower() != "off"
        channels.append(Email(host, int(port or 587), sender, recipients, user, password, tls))
    if url := get("SLACK_WEBHOOK"):
        channels.append(Webhook("slack", url, slack_form))
    if url := get("TEAMS_WEBHOOK"):
        channels.append(Webhook("teams", url, teams_form))
    return channels


# ---------------------------------------------------------------------------------------------------- incidents


class State(Protocol):
    """Where open incidents are remembered between reports, by one reporter at a time."""

    def change(self) -> Any:
        """A context manager with the incidents as a dictionary of JSON values; what it holds in the end is kept."""
        ...


class StoreState:
    """A JSON object in the object store, changed behind `lock` (a lock of the warehouse): the same on a laptop and in the cloud."""

    def __init__(
        self, store: ObjectStore, lock: Callable[[], AbstractContextManager[Any]], name: str = "state/alerts.json"
    ) -> None:
        self._store = store
        self._lock = lock
        self._name = name

    @contextmanager
    def change(self) -> Iterator[dict[str, Any]]:
        """Read, let the caller change, write (also after an error: what was sent was sent)."""
        with self._lock():
            known: dict[str, Any] = {}
            if self._store.stat(self._name):
                with self._store.open(self._name) as stored:
                    known = json.load(stored)
            try:
                yield known
            finally:
                self._store.write(self._name, json.dumps(known).encode())


class Notifier:
    """Sends alerts through `channels`, each incident once. `now` is the clock (UTC)."""

    def __init__(
        self,
        channels: Sequence[Channel],
        state: State,
        *,
        repeat: dt.timedelta = REPEAT,
        now: Callable[[], dt.datetime] = lambda: dt.datetime.now(dt.UTC),
    ) -> None:
        self._channels = channels
        self._state = state
        self._repeat = repeat
        self._now = now

    def report(self, alert: Alert) -> list[str]:
        """It is wrong (still or again). Returns the names of the channels that were told now."""
        with self._state.change() as known:
            entry = known.get(alert.incident)
            moment = self._now()
            if entry is None or entry["state"] == "closed":
                entry = {"state": "open", "waiting": self._names(), "alert": asdict(alert)}
            elif not entry["waiting"] and moment - dt.datetime.fromisoformat(entry["told"]) >= self._repeat:
                entry |= {"state": "repeated", "waiting": self._names(), "alert": asdict(alert)}
            known[alert.incident] = entry
            return self._deliver(alert, entry, moment)

    def resolve(self, kind: str, subject: str) -> list[str]:
        """It is right again. Silent where nobody was told that it was wrong."""
        incident = Alert(kind, subject, "-").incident
        with self._state.change() as known:
            entry = known.get(incident)
            if entry is None or entry["state"] == "closed":
                return []
            # a channel that never heard of it needs no end of it
            entry |= {"state": "closed", "waiting": [n for n in self._names() if n not in entry["waiting"]]}
            return self._deliver(Alert(**entry["alert"]), entry, self._now())

    def retry(self) -> list[str]:
        """Deliver what still waits (call it from every sensor tick). Returns the channels that were told now."""
        told: list[str] = []
        with self._state.change() as known:
            moment = self._now()
            for entry in known.values():
                if entry["waiting"]:
                    told += self._deliver(Alert(**entry["alert"]), entry, moment)
            for incident, entry in list(known.items()):
                old = moment - dt.datetime.fromisoformat(entry["told"]) > FORGET
                if entry["state"] == "closed" and not entry["waiting"] and old:
                    del known[incident]
        return told

    def _names(self) -> list[str]:
        return [channel.name for channel in self._channels]

    def _deliver(self, alert: Alert, entry: dict[str, Any], moment: dt.datetime) -> list[str]:
        told = []
        for channel in self._channels:
            if channel.name not in entry["waiting"]:
                continue
            try:
                channel.send(alert, entry["state"])
            except NotDelivered as error:
                line = {"severity": "ERROR", "event": "alert_not_delivered", "message": str(error)}
                log.error(json.dumps({**line, "incident": alert.incident, "channel": channel.name}))
                continue
            entry["waiting"] = [n for n in entry["waiting"] if n != channel.name]
            told.append(channel.name)
        if told or "told" not in entry:
            entry["told"] = moment.isoformat()
        return told


# ---------------------------------------------------------------------------------------------------- the run that never started


def missed_run(
    cron: str,
    zone: str,
    last_started: dt.datetime | None,
    now: dt.datetime,
    *,
    grace: dt.timedelta = dt.timedelta(hours=1),
    installed: dt.datetime | None = None,
) -> dt.datetime | None:
    """The dead man's switch: when a run by `cron` (five fields, in `zone`) should have started and did not; None if all is well.

    `last_started` is when the job last started (UTC), None for never. Until `grace` after the planned time, and for times before
    `installed` (when the schedule came into being), nothing is missed.
    """
    from croniter import croniter

    local = now.astimezone(ZoneInfo(zone))
    planned = croniter(cron, (local - grace).replace(tzinfo=None) + dt.timedelta(seconds=1)).get_prev(dt.datetime)
    due = planned.replace(tzinfo=ZoneInfo(zone)).astimezone(dt.UTC)
    if installed is not None and due < installed:
        return None
    return None if last_started is not None and last_started >= due else due


def never_started(job: str, due: dt.datetime, zone: str, link: str = "") -> Alert:
    """The alert of a run that `missed_run` found."""
    local = due.astimezone(ZoneInfo(zone))
    return Alert(
        kind="never_started",
        subject=job,
        title=f"{job} did not start on {local:%A %d %B at %H:%M} ({zone})",
        text="No run of it was started since. Is the daemon running, and is the schedule on? Start it by hand if it cannot wait.",
        link=link,
    )


# ---------------------------------------------------------------------------------------------------- tries


class _Refused(Exception):
    def __init__(self, status: int) -> None:
        super().__init__(f"status {status}")
        self.status = status


def _tried(deliver: Callable[[], None], channel: str, worth_it: Callable[[Exception], bool]) -> None:
    """Call `deliver` up to TRIES times. Raises NotDelivered with the kind of error only: messages may hold addresses."""
    import requests

    for attempt in range(1, TRIES + 1):
        try:
            deliver()
            return
        except NotDelivered:
            raise
        except (OSError, smtplib.SMTPException, requests.RequestException, _Refused) as error:
            if attempt == TRIES or not worth_it(error):
                what = f"status {error.status}" if isinstance(error, _Refused) else type(error).__name__
                raise NotDelivered(f"{channel}: not delivered after {attempt} tries ({what})") from None
            time.sleep(PAUSE * 2 ** (attempt - 1))
