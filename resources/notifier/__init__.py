"""Alerts: one per incident, by every channel that the environment names. No Dagster here; sensors call `Notifier.report`.

`alert` is what people are told, `incidents` when (once, again each day while it lasts, and when it is over), `channels` how: one file for
each way to reach people. `missed` finds the run that never started. Alerts hold names, counts and the failure card, which has no values
of patients.
"""

from resources.notifier.alert import Alert, NotDelivered
from resources.notifier.channels import Channel, JsonLog, channels_from
from resources.notifier.incidents import Notifier, State, StoreState
from resources.notifier.missed import missed_run, never_started

__all__ = [
    "Alert",
    "Channel",
    "JsonLog",
    "NotDelivered",
    "Notifier",
    "State",
    "StoreState",
    "channels_from",
    "missed_run",
    "never_started",
]
