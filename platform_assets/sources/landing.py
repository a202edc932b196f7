"""Files that others put into the dataset's landing folder: people, partners, stewards. Nothing is fetched."""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping
from typing import ClassVar, Literal

from platform_assets.sources.base import Noted, Source, Window


class LandingSource(Source):
    """The default: whoever delivers writes into ``landing/<dataset>/``."""

    reaches_out: ClassVar[bool] = False
    kind: Literal["landing"] = "landing"

    def wanted(self, done: Mapping[str, Noted], now: dt.datetime) -> list[Window]:
        """Nothing, ever."""
        return []
