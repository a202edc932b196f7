"""The ways to reach people, one file each. A new one is a file with a class as `Kind` says, and its name in `CHANNELS`."""

from __future__ import annotations

from collections.abc import Mapping

from resources.notifier.channels.channel import PREFIX, Channel, Kind
from resources.notifier.channels.email import Email
from resources.notifier.channels.log import JsonLog
from resources.notifier.channels.slack import Slack
from resources.notifier.channels.teams import Teams

CHANNELS: tuple[type[Kind], ...] = (JsonLog, Email, Slack, Teams)


def channels_from(environment: Mapping[str, str]) -> list[Channel]:
    """The channels that the environment names (each class says its `settings`); the log is always one.

    Raises ValueError where the settings of one are not complete.
    """
    settings = {k.removeprefix(PREFIX): v for k, v in environment.items() if k.startswith(PREFIX) and v}
    return [channel for kind in CHANNELS if (channel := kind.configured(settings)) is not None]


__all__ = ["CHANNELS", "Channel", "Email", "JsonLog", "Slack", "Teams", "channels_from"]
