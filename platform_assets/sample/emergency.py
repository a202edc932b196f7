"""Sample attendances at emergency departments, per organisation, type and month."""

from __future__ import annotations

import datetime as dt
import math
import random

from platform_assets.sample.rows import Delivery

COLUMNS = ("period", "org_code", "type", "attendances", "breaches", "admissions")
CLEAN = ("period", "organisation", "department_type", "attendances", "breaches", "admissions")


def ae_attendances(until: dt.date) -> list[Delivery]:
    """Two years of months for nine organisations; winters are worse, and one organisation gets steadily worse."""
    draw = random.Random(41)
    rows = []
    for back in range(24, 0, -1):
        month = (until.month - 1 - back) % 12
        year = until.year + (until.month - 1 - back) // 12
        winter = 1 + 0.5 * math.cos(2 * math.pi * month / 12)
        for number in range(1, 10):
            for kind, size in (("1", 6_000), ("other", 1_800)):
                patients = round(size * (0.4 + number / 6) * draw.gauss(1, 0.04))
                share = (0.09 if kind == "1" else 0.006) * winter * (1 + (24 - back) / 16 if number == 5 else 1)
                breaches = round(patients * min(0.9, share * draw.gauss(1, 0.12)))
                admitted = round(patients * 0.24) if kind == "1" else 0
                rows.append((dt.date(year, month + 1, 1), f"R{number}A", kind, patients, max(0, breaches), admitted))
    clean = Delivery("ae_attendances", "", CLEAN, rows)
    return [Delivery("ae_attendances", f"ae_{until.year}_{until.month:02d}.csv", COLUMNS, rows, clean=clean)]
