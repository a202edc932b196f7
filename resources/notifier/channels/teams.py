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
        # a TextRun is shown as it is; a TextBlock would read Markdown
        title = {"type": "TextRun", "text": headline(alert, state), "weight": "Bolder", "size": "Medium"}
        content: list[dict[str, Any]] = [{"type": "RichTextBlock", "inlines": [title]}]
        if alert.text and state != "closed":
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
