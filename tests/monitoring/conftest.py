"""A platform that is watched: a real Dagster instance, a real mail server, a real webhook."""

from __future__ import annotations

import datetime as dt
import html
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

import dagster as dg
import pytest

from platform_assets.monitoring.watch import Seen, Watched, look
from resources.environment import Platform
from resources.notifier.channels import Channel, Email, JsonLog, Slack
from tests.receivers import Hook, MailServer, mail_server, webhook

UI = "https://dagster.example.org"


@dataclass
class Watch:
    """Run things on `instance`, look, and see what arrives. Each look is as from a fresh process: only the stores remember."""

    platform: Platform
    instance: dg.DagsterInstance
    mail: MailServer
    hook: Hook
    watched: Watched = field(default_factory=Watched)
    environment: dict[str, str] = field(default_factory=lambda: {"PLATFORM_UI_URL": UI})

    def channels(self) -> list[Channel]:
        return [
            JsonLog(),
            Email("127.0.0.1", self.mail.port, "platform@example.org", ["on-call@example.org"], tls=False),
            Slack(self.hook.url),
        ]

    def look(self, now: dt.datetime | None = None, *, outside: bool = False) -> Seen:
        return look(
            self.instance,
            self.platform,
            self.watched,
            channels=self.channels(),
            now=now,
            outside=outside,
            environment=self.environment,
        )

    def run(self, *assets: Any, selection: Sequence[dg.AssetKey] | None = None) -> dg.ExecuteInProcessResult:
        return dg.materialize(
            assets,
            instance=self.instance,
            resources={"platform": self.platform},
            raise_on_error=False,
            selection=selection,
        )

    def mails(self) -> list[str]:
        """The subjects of what came since the last call."""
        subjects = self.mail.subjects
        assert [html.unescape(str(b["text"])) for b in self.hook.bodies] == subjects  # every channel is told the same
        self.mail.messages.clear()
        self.hook.bodies.clear()
        return subjects


@pytest.fixture
def watch(platform: Platform, monkeypatch: pytest.MonkeyPatch) -> Iterator[Watch]:
    monkeypatch.setattr("resources.notifier.channels.channel.PAUSE", 0.001)
    with mail_server() as mail, webhook() as hook, dg.DagsterInstance.ephemeral() as instance:
        yield Watch(platform, instance, mail, hook)
