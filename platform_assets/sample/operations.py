"""Sample hip replacements with a truth that indicators must find, and nothing else to find.

Hospital 7 reaches the textbook outcome at half the odds that its patients explain; hospital 10 operates on older and sicker
patients, and is as good as others. In hospital 3 deep infections are four times as common from the last year on that is over and
settled. Hospital 8 often does not deliver the physical status of its patients (ASA class), so that a third of its operations cannot be compared. In hospital 9 prostheses are revised at three times the rate. There are so many that all this can be seen in protected counts.
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
OPERATIONS, YEARS = 12_000, 3
SETTLED = dt.timedelta(weeks=26)
SIZES = (9, 8, 8, 7, 6, 5, 6, 5, 6, 5)
POOR_OUTCOMES, INFECTED, REVISED, SICK, INCOMPLETE = 7, 3, 9, 10, 8


def operations(until: dt.date) -> list[Delivery]:
    """Operations in ten hospitals, of this year and the three before it, followed to `until`."""
    forgets = random.Random(8)
    draw = random.Random(2)  # under which chance alone makes nobody else stand out beyond 99.8 %
    span = (until - dt.date(until.year - YEARS, 1, 1)).days + 1
    rose = dt.date((until - SETTLED).year - 1, 1, 1)
    rows = []
    for number in range(OPERATIONS):
        hospital = draw.choices(range(1, 11), SIZES)[0]
        ago = draw.randrange(8, span)
        age = min(97, max(35, round(draw.gauss(77 if hospital == SICK else 69, 9))))
        asa = min(4, max(1, round(draw.gauss(2.7 if hospital == SICK else 2.1, 0.7))))
        textbook = _odds(1.2 - 0.03 * (age - 69) - 0.6 * (asa - 2) - (math.log(2) if hospital == POOR_OUTCOMES else 0))
        day = until - dt.timedelta(days=ago)
        infected = 0.03 * (4 if hospital == INFECTED and day >= rose else 1)
        revision = 0.04 / 365 * math.exp(-0.03 * (age - 69)) * (3 if hospital == REVISED else 1)
        death = 0.03 / 365 * math.exp(0.09 * (age - 69))
        revised, died = draw.expovariate(revision), draw.expovariate(death)
        days = round(min(revised, died, ago))
        ended = "none" if days == ago else "revision" if revised < died else "death"
        rows.append(
            (
                f"K{number:06d}",
                f"Hospital {hospital}",
                day,
                age,
                None if hospital == INCOMPLETE and forgets.random() < 1 / 3 else asa,
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
