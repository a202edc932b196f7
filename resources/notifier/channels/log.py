"""The log of the process."""

from __future__ import annotations

import json
import logging
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import ClassVar, Self

from resources.notifier.alert import Alert, headline

log = logging.getLogger("platform.alerts")


@dataclass
class JsonLog:
    """One line of JSON on the log, as Cloud Logging reads it (`severity`, `message`); deploy/terraform/alerts.tf looks for it."""

    timeout: float = 0.0
    name: ClassVar[str] = "log"
    settings: ClassVar[tuple[str, ...]] = ()
    secrets: ClassVar[tuple[str, ...]] = ()

    @classmethod
    def configured(cls, settings: Mapping[str, str]) -> Self:
        """It needs nothing."""
        return cls()

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
