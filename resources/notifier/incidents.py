"""When people are told: an incident opens once, is repeated once a day while it lasts, and closes once; for each channel by itself.

What could not be delivered is tried again by `retry`, to the channels that have not had it. A crash between sending and remembering sends
once more: rather twice than never.
"""

from __future__ import annotations

import datetime as dt
import json
import logging
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import asdict
from typing import Any, Protocol

from resources.notifier.alert import Alert, NotDelivered
from resources.notifier.channels import Channel
from resources.object_store import ObjectStore

REPEAT = dt.timedelta(days=1)
FORGET = dt.timedelta(days=30)
"""How long a closed incident is remembered."""

log = logging.getLogger("platform.alerts")


class State(Protocol):
    """Where open incidents are remembered between reports, by one reporter at a time."""

    def change(self) -> Any:
        """A context manager with the incidents as a dictionary of JSON values; what it holds in the end is kept."""
        ...


class StoreState:
    """A JSON object in the object store, changed behind `lock` (a lock of the warehouse): the same on a laptop and in the cloud."""

    def __init__(
        self, store: ObjectStore, lock: Callable[[], AbstractContextManager[Any]], name: str = "state/alerts.json"
    ) -> None:
        self._store = store
        self._lock = lock
        self._name = name

    @contextmanager
    def change(self) -> Iterator[dict[str, Any]]:
        """Read, let the caller change, write (also after an error: what was sent was sent)."""
        with self._lock():
            known: dict[str, Any] = {}
            if self._store.stat(self._name):
                with self._store.open(self._name) as stored:
                    known = json.load(stored)
            try:
                yield known
            finally:
                self._store.write(self._name, json.dumps(known).encode())


class Notifier:
    """Sends alerts through `channels`, each incident once. `now` is the clock (UTC)."""

    def __init__(
        self,
        channels: Sequence[Channel],
        state: State,
        *,
        repeat: dt.timedelta = REPEAT,
        now: Callable[[], dt.datetime] = lambda: dt.datetime.now(dt.UTC),
    ) -> None:
        self._channels = channels
        self._state = state
        self._repeat = repeat
        self._now = now

    def report(self, alert: Alert) -> list[str]:
        """It is wrong (still or again). Returns the names of the channels that were told now."""
        with self._state.change() as known:
            entry = known.get(alert.incident)
            moment = self._now()
            if entry is None or entry["state"] == "closed":
                entry = {"state": "open", "waiting": self._names(), "heard": {}, "alert": asdict(alert)}
            else:
                # each channel has a day of its own: one that is down, or gone, holds up no other
                heard = self._heard(entry)
                last = {n: dt.datetime.fromisoformat(heard.get(n, entry["told"])) for n in self._names()}
                due = [n for n in last if n not in entry["waiting"] and moment - last[n] >= self._repeat]
                if due:
                    entry |= {"waiting": [*entry["waiting"], *due], "heard": heard, "alert": asdict(alert)}
            known[alert.incident] = entry
            return self._deliver(entry, moment)

    def resolve(self, kind: str, subject: str) -> list[str]:
        """It is right again. Silent where nobody was told that it was wrong."""
        incident = Alert(kind, subject, "-").incident
        with self._state.change() as known:
            entry = known.get(incident)
            if entry is None or entry["state"] == "closed":
                return []
            # a channel that never heard of it needs no end of it
            heard = self._heard(entry)
            entry |= {"state": "closed", "waiting": [n for n in self._names() if n in heard], "heard": heard}
            return self._deliver(entry, self._now())

    def retry(self) -> list[str]:
        """Deliver what still waits (call it from every sensor tick). Returns the channels that were told now."""
        told: list[str] = []
        with self._state.change() as known:
            moment = self._now()
            for entry in known.values():
                told += self._deliver(entry, moment)
            for incident, entry in list(known.items()):
                old = moment - dt.datetime.fromisoformat(entry["told"]) > FORGET
                if entry["state"] == "closed" and not set(entry["waiting"]) & set(self._names()) and old:
                    del known[incident]
        return told

    def _names(self) -> list[str]:
        return [channel.name for channel in self._channels]

    def _heard(self, entry: dict[str, Any]) -> dict[str, str]:
        """Channel -> when it last took the incident; states of before this was noted tell it of all together."""
        found: dict[str, str] | None = entry.get("heard")
        return {n: entry["told"] for n in self._names() if n not in entry["waiting"]} if found is None else dict(found)

    def _deliver(self, entry: dict[str, Any], moment: dt.datetime) -> list[str]:
        """Tell the channels that wait; those that never heard of it hear that it began."""
        told = []
        alert, heard = Alert(**entry["alert"]), self._heard(entry)
        for channel in self._channels:
            if channel.name not in entry["waiting"]:
                continue
            state = "closed" if entry["state"] == "closed" else "repeated" if channel.name in heard else "open"
            try:
                channel.send(alert, state)
            except NotDelivered as error:
                line = {"severity": "ERROR", "event": "alert_not_delivered", "message": str(error)}
                log.error(json.dumps({**line, "incident": alert.incident, "channel": channel.name}))
                continue
            entry["waiting"] = [n for n in entry["waiting"] if n != channel.name]
            entry["heard"] = heard = {**heard, channel.name: moment.isoformat()}
            told.append(channel.name)
        if told or "told" not in entry:
            entry["told"] = moment.isoformat()
        return told
