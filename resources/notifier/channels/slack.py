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
            safe = _escaped(alert.text)
            blocks.append({"type": "section", "text": {"type": "mrkdwn", "text": f"```{safe[:2_900]}```"}})
        if alert.link:
            button = {"type": "button", "text": {"type": "plain_text", "text": "Look"}, "url": alert.link}
            blocks.append({"type": "actions", "elements": [button]})
        # unlike the header this one is read as markup
        return {"text": _escaped(headline(alert, state)), "mrkdwn": False, "blocks": blocks}


def _escaped(text: str) -> str:
    """Slack reads & < > as markup (a link, a call for everybody), and a fence as the end of one."""
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;").replace("```", "'''")
