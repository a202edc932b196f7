"""What people are told, and its words."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass

from resources.text.markdown import unlinked

MAX_TEXT = 8_000


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
        # names of files and what scripts say come from others: no channel makes a link of them, or stumbles over a character
        object.__setattr__(self, "title", " ".join(unlinked(" ".join(self.title.split())).split()))
        text = self.text
        if len(text) > MAX_TEXT:
            text = text[:MAX_TEXT] + "\n... (cut; the rest is on the run's page)"
        object.__setattr__(self, "text", unlinked(text))

    @property
    def incident(self) -> str:
        """The key by which alerts are told apart: 16 hex digits."""
        return hashlib.sha256(f"{self.kind}\0{self.subject}".encode()).hexdigest()[:16]


def headline(alert: Alert, state: str) -> str:
    """The alert in one line."""
    words = {"open": alert.severity.upper(), "repeated": "STILL", "closed": "RESOLVED"}
    return f"[{words[state]}] {alert.title}"


def body(alert: Alert, state: str) -> str:
    """The alert as plain text."""
    if state == "closed":
        return f"{alert.title}: this is over.\n\n{alert.link}\n"
    return "\n\n".join(part for part in (alert.title, alert.text, alert.link) if part) + "\n"
