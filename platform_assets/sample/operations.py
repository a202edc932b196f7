"""Sample hip replacements with a truth that indicators must find, and nothing else to find.

Hospital 7 reaches the textbook outcome at half the odds that its patients explain; hospital 10 operates on older and sicker
patients, and is as good as others. In hospital 3 deep infections become four times as common in the last year. In hospital
9 prostheses are revised at three times the rate.
"""

from __future__ import annotations

import datetime as dt
import math
import random

from platform_assets.sample.rows import Delivery

COLUMNS = (
    "operation_id",
    "organisation",
    "operation_date",
    "age",
    "asa_class",
    "textbook_outcome",
    "deep_infection",
    "follow_up_days",
    "follow_up_ended_by",
)
OPERATIONS, DAYS = 6_000, 3 * 365
SIZES = (9, 8, 8, 7, 6, 5, 6, 5, 6, 5)
POOR_OUTCOMES, INFECTED, REVISED, SICK = 7, 3, 9, 10


def operations(until: dt.date) -> list[Delivery]:
    """Six thousand operations of three years in ten hospitals, followed to `until`."""
    draw = random.Random(34)
    rows = []
    for number in range(OPERATIONS):
        hospital = draw.choices(range(1, 11), SIZES)[0]
        ago = draw.randrange(8, DAYS)
        age = min(97, max(35, round(draw.gauss(77 if hospital == SICK else 69, 9))))
        asa = min(4, max(1, round(draw.gauss(2.7 if hospital == SICK else 2.1, 0.7))))
        textbook = _odds(1.2 - 0.03 * (age - 69) - 0.6 * (asa - 2) - (math.log(2) if hospital == POOR_OUTCOMES else 0))
        infected = 0.03 * (4 if hospital == INFECTED and ago < 365 else 1)
        revision = 0.015 / 365 * math.exp(-0.03 * (age - 69)) * (3 if hospital == REVISED else 1)
        death = 0.03 / 365 * math.exp(0.09 * (age - 69))
        revised, died = draw.expovariate(revision), draw.expovariate(death)
        days = round(min(revised, died, ago))
        ended = "none" if days == ago else "revision" if revised < died else "death"
        rows.append(
            (
                f"K{number:06d}",
                f"Hospital {hospital}",
                until - dt.timedelta(days=ago),
                age,
                asa,
                int(draw.random() < textbook),
                int(draw.random() < infected),
                days,
                ended,
            )
        )
    flags = ("FALSE", "TRUE")
    clean = [(*row[:5], flags[row[5]], flags[row[6]], *row[7:]) for row in rows]
    return [
        Delivery(
            "operations",
            f"operations_{until.year}.csv",
            COLUMNS,
            rows,
            clean=Delivery("operations", "", COLUMNS, clean),
        )
    ]


def _odds(logit: float) -> float:
    return 1 / (1 + math.exp(-logit))
