"""What a look at the platform finds: that something is wrong, or that it is right again."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass

from resources.notifier import Alert
from resources.text.markdown import unescaped

MAX_TITLE = 200
_QUOTED = re.compile(r"'[^']*'|\"[^\"]*\"")
_FENCE = re.compile(r"`{3,}")
_RULE = re.compile(r"\|( -+ \|)+")


@dataclass(frozen=True)
class Finding:
    """The state of one thing that can be wrong; `kind` and `subject` name it, as in `resources.notifier.Alert`."""

    kind: str
    subject: str
    alert: Alert | None = None
    """What to tell; None: it is all right."""
    quiet: bool = False
    """A line on the log is enough: nobody is called for it."""


def wrong(alert: Alert, *, quiet: bool = False) -> Finding:
    """`alert` is true now."""
    return Finding(alert.kind, alert.subject, alert, quiet)


def latest(findings: Iterable[Finding]) -> list[Finding]:
    """The last finding about each thing: what failed and was made good before anybody looked is not worth a message."""
    return list({(f.kind, f.subject): f for f in findings}.values())


def one_line(text: str) -> str:
    """`text` as an alert's title."""
    line = " ".join(text.split())
    return line if len(line) <= MAX_TITLE else line[: MAX_TITLE - 3] + "..."


def without_quotes(text: str) -> str:
    """`text` with what stands in quotation marks left out: an engine's error quotes the value that it stumbled over."""
    return _QUOTED.sub("'...'", text)


def plain(markdown: str) -> str:
    """A failure card's Markdown as plain text: without fences, bold, lines under table heads, and escapes outside code."""
    lines = []
    fence = ""
    for line in markdown.splitlines():
        ticks = _FENCE.match(line)
        if ticks and (not fence or line == fence):
            fence = "" if fence else ticks[0]
        elif fence:
            lines.append(line)
        elif not _RULE.fullmatch(line):
            lines.append(unescaped(line.replace("**", "")))
    return re.sub(r"\n{3,}", "\n\n", "\n".join(lines)).strip()
