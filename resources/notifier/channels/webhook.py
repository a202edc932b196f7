"""What incoming webhooks have in common: one POST of JSON to an address that is a secret."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, ClassVar, Self

from resources.notifier.alert import Alert
from resources.notifier.channels.channel import tried

_RETRIED = frozenset({408, 429, 500, 502, 503, 504})


@dataclass
class Webhook:
    """A channel's class says `name`, `settings` (the address alone) and `form`."""

    url: str = field(repr=False)
    timeout: float = 20.0

    name: ClassVar[str]
    settings: ClassVar[tuple[str, ...]]
    secrets: ClassVar[tuple[str, ...]]

    @classmethod
    def configured(cls, settings: Mapping[str, str]) -> Self | None:
        """The address is all that it needs."""
        url = settings.get(cls.settings[0])
        return cls(url) if url else None

    def form(self, alert: Alert, state: str) -> dict[str, Any]:
        """The body of the request."""
        raise NotImplementedError

    def send(self, alert: Alert, state: str) -> None:
        """One POST; 408, 429 and 5xx are tried again."""
        import requests

        def deliver() -> None:
            answer = requests.post(self.url, json=self.form(alert, state), timeout=self.timeout, allow_redirects=False)
            if answer.status_code not in range(200, 300):
                raise _Refused(answer.status_code)

        tried(
            deliver,
            self.name,
            (OSError, requests.RequestException, _Refused),
            lambda error: not isinstance(error, _Refused) or error.status in _RETRIED,
            lambda error: f"status {error.status}" if isinstance(error, _Refused) else type(error).__name__,
        )


class _Refused(Exception):
    def __init__(self, status: int) -> None:
        super().__init__(f"status {status}")
        self.status = status
