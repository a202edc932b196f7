"""Sample laboratory tests: eight laboratories, a year of weeks, and the errors that laboratories make."""

from __future__ import annotations

import datetime as dt
import math
import random

from platform_assets.sample.rows import Delivery

LABORATORIES = {  # name -> (share of tests, odds of a positive against the average, median turnaround in hours)
    "Noord Lab": (0.20, 1.0, 14),
    "Stadslab": (0.18, 1.1, 11),
    "Rivierenland Diagnostiek": (0.15, 0.9, 18),
    "Kustlab": (0.13, 1.0, 16),
    "Academisch Lab": (0.12, 1.9, 9),
    "Heuvelland Lab": (0.10, 0.8, 22),
    "Polder Diagnostiek": (0.08, 1.0, 27),
    "Eilandlab": (0.04, 1.2, 34),
}
_Test = tuple[str, dt.date, str, int | None, str, str, float]
COLUMNS = ("sample_id", "test_date", "result", "viral_load", "laboratory", "clinic", "turnaround_hours")
WEEKS, PER_WEEK = 52, 90


def lab_results(until: dt.date) -> list[Delivery]:
    """A year of history in one file, then last week's file of each laboratory."""
    draw = random.Random(20200401)
    monday = until - dt.timedelta(days=until.weekday())
    first = monday - dt.timedelta(weeks=WEEKS)
    rows: list[_Test] = []
    for week in range(WEEKS):
        season = 0.08 + 0.07 * math.cos(2 * math.pi * (week - 46) / 52)
        for _ in range(PER_WEEK):
            lab = draw.choices(list(LABORATORIES), [share for share, _, _ in LABORATORIES.values()])[0]
            _, odds, median = LABORATORIES[lab]
            day = first + dt.timedelta(weeks=week, days=draw.randrange(7))
            chance = season * odds / (1 + season * (odds - 1))
            result = "N/A" if draw.random() < 0.02 else "POS" if draw.random() < chance else "NEG"
            load = int(10 ** draw.gauss(4.8, 1.1)) if result == "POS" and draw.random() < 0.85 else None
            hours = round(median * math.exp(draw.gauss(0, 0.45)) * (1.3 if week in (30, 31) else 1), 1)
            rows.append((f"S{len(rows):06d}", day, result, load, lab, f"Clinic {draw.randrange(1, 13)}", hours))
    last_week = monday - dt.timedelta(weeks=1)
    history = [row for row in rows if row[1] < last_week]
    clean = Delivery("lab_results", "", COLUMNS, rows)
    files = [Delivery("lab_results", "history.csv", COLUMNS, _with_errors(history, draw), clean=clean)]
    label = f"{last_week.isocalendar().year}-W{last_week.isocalendar().week:02d}"
    for lab in LABORATORIES:
        fresh = [row for row in rows if row[4] == lab and row[1] >= last_week]
        if fresh:
            name = f"{lab.lower().replace(' ', '_')}_{label}.csv"
            files.append(Delivery("lab_results", name, COLUMNS, fresh))
    return files


def _with_errors(rows: list[_Test], draw: random.Random) -> list[tuple[object, ...]]:
    """About three per cent of the rows broken as laboratories break them; some sent twice."""
    broken: list[tuple[object, ...]] = []
    for row in rows:
        sample, date, result, measured, lab, clinic, hours = row
        day: dt.date | str = date
        load: int | str | None = measured
        luck = draw.random()
        if luck < 0.010:
            result = {"POS": "Positive", "NEG": "negative", "N/A": "invalid"}[result]
        elif luck < 0.016:
            day = draw.choice([f"{date:%Y}-02-30", f"{date:%d/%m/%Y}", "2099-01-01", ""])
        elif luck < 0.020:
            load = draw.choice(["<20", "n.d.", "-1", "1e6"])
        elif luck < 0.023:
            sample = f"{sample}?"
        broken.append((sample, day, result, load, lab, clinic, hours))
        if 0.023 <= luck < 0.030:
            broken.append((sample, day, "N/A", None, lab, clinic, hours))  # sent again, corrected: the last one counts
    return broken
