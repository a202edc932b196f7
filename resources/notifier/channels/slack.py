"""Slack."""

from __future__ import annotations

from typing import Any, ClassVar

from resources.notifier.alert import Alert, headline
from resources.notifier.channels.webhook import Webhook


class Slack(Webhook):
    """Slack's incoming webhook: a header, the card as preformatted text, a button (docs: Block Kit)."""

    name: ClassVar[str] = "slack"
    settings: ClassVar[tuple[str, ...]] = ("SLACK_WEBHOOK",)
    secrets: ClassVar[tuple[str, ...]] = settings

    def form(self, alert: Alert, state: str) -> dict[str, Any]:
        """The message's JSON."""
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
