"""Reading only what has changed since the last time, by a place in time of each row."""

from __future__ import annotations

import datetime as dt

from platform_assets.strict import Duration, Strict


class Watermark(Strict):
    """Only rows that changed since the last time are read, by a column that says when."""

    column: str
    """When a row was last changed: a date or timestamp that is set with every change."""
    lag: Duration = dt.timedelta(hours=2)
    """So far back is read again each time: a transaction may take so long from setting the time to its end."""
    first: dt.date | None = None
    """Where reading begins the first time; default: with the first row."""
