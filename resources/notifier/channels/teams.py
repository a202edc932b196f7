"""Microsoft Teams."""

from __future__ import annotations

from typing import Any, ClassVar

from resources.notifier.alert import Alert, headline
from resources.notifier.channels.webhook import Webhook


class Teams(Webhook):
    """Teams' workflow webhook: a message with one adaptive card."""

    name: ClassVar[str] = "teams"
    settings: ClassVar[tuple[str, ...]] = ("TEAMS_WEBHOOK",)
    secrets: ClassVar[tuple[str, ...]] = settings

    def form(self, alert: Alert, state: str) -> dict[str, Any]:
        """The message's JSON."""
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
