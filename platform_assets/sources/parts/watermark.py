"""Reading only what has changed since the last time, by a place in time of each row."""

from __future__ import annotations

import datetime as dt
from typing import Annotated

from pydantic import BeforeValidator, Field, WithJsonSchema, field_validator

from platform_assets.strict import Duration, Strict, cron_line, percentage
from resources.clock import local


class Watermark(Strict):
    """Only rows that changed since the last time are read, by a column that says when."""

    column: str
    """When a row was last changed: a date or timestamp that is set with every change."""
    lag: Duration = dt.timedelta(hours=2)
    """So far back is read again each time: a transaction may take so long from setting the time to its end."""
    first: dt.date | None = None
    """Where reading begins the first time; default: with the first row."""


class Sweep(Strict):
    """From time to time everything is read, and rows of the table whose keys are no longer there leave."""

    every: str
    """When, as a cron line by the clock of the installation."""
    at_most: Annotated[
        float, BeforeValidator(percentage), Field(gt=0, le=1), WithJsonSchema({"type": ["number", "string"]})
    ] = 0.05
    """Where a larger share of the table would leave, the delivery is held: more likely the source is wrong."""

    @field_validator("every")
    @classmethod
    def _is_cron(cls, value: str) -> str:
        return cron_line(value)

    def due(self, last: str, now: dt.datetime) -> bool:
        """Whether everything is to be read, which was done at `last` (ISO) for the last time."""
        from croniter import croniter

        latest: dt.datetime = croniter(self.every, local(now)).get_prev(dt.datetime)
        return not last or dt.datetime.fromisoformat(last) < latest
