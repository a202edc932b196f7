"""The indicators as their scripts are now: where own cases come from. What a release says of them stands in the release."""

from __future__ import annotations

import logging
import threading
import time
from pathlib import Path

from platform_assets.indicators import HARNESS, HeaderError, Indicator, list_indicators, read_indicator

FOLDER = HARNESS.parent / "indicators"
LOOK = 30.0
"""Seconds after which it is looked whether a script has changed."""
log = logging.getLogger("dashboard")


class Scripts:
    """The scripts of a folder, read again when they have changed."""

    def __init__(self, folder: Path = FOLDER) -> None:
        self._folder = folder
        self._lock = threading.Lock()
        self._found: dict[str, Indicator] = {}
        self._looked = -LOOK

    def get(self, name: str) -> Indicator | None:
        """The indicator `name`; None where there is none, or its header cannot be read."""
        with self._lock:
            if time.monotonic() - self._looked >= LOOK:
                self._found, self._looked = self._read(), time.monotonic()
            return self._found.get(name)

    def _read(self) -> dict[str, Indicator]:
        found = {}
        for path in list_indicators(self._folder):
            try:
                found[path.stem] = read_indicator(path)
            except HeaderError as error:
                log.warning("no own cases of %s: %s", path.stem, error)
        return found
