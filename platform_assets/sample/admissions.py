"""Sample admissions: running totals per municipality in the layout of the RIVM, inhabitants, and hospital stays."""

from __future__ import annotations

import datetime as dt
import math
import random

from platform_assets.sample.rows import Delivery

PROVINCES = {  # name -> (inhabitants, admissions per 100,000 in the whole period)
    "Drenthe": (494_000, 25),
    "Flevoland": (423_000, 65),
    "Friesland": (650_000, 22),
    "Gelderland": (2_085_000, 74),
    "Groningen": (586_000, 14),
    "Limburg": (1_117_000, 140),
    "Noord-Brabant": (2_562_000, 110),
    "Noord-Holland": (2_879_000, 61),
    "Overijssel": (1_162_000, 48),
    "Utrecht": (1_354_000, 69),
    "Zeeland": (383_000, 40),
    "Zuid-Holland": (3_708_000, 64),
}
MUNICIPALITIES, DAYS = 5, 90
COLUMNS = (
    "Date_of_report",
    "Municipality_code",
    "Municipality_name",
    "Province",
    "Total_reported",
    "Hospital_admission",
    "Deceased",
)
CLEAN = (
    "report_date",
    "municipality_code",
    "municipality_name",
    "province",
    "total_reported",
    "hospital_admissions",
    "deaths",
)


def _municipalities() -> list[tuple[str, str, str, int]]:
    """(code, name, province, inhabitants), five per province."""
    draw = random.Random(31)
    found: list[tuple[str, str, str, int]] = []
    for province, (inhabitants, _) in PROVINCES.items():
        weights = [draw.uniform(0.5, 2) for _ in range(MUNICIPALITIES)]
        for weight in weights:
            name = f"{province} {'NOZWM'[len(found) % MUNICIPALITIES]}"
            found.append((f"GM{len(found) * 7 + 3:04d}", name, province, round(inhabitants * weight / sum(weights))))
    return found


def municipal_admissions(until: dt.date) -> list[Delivery]:
    """Two consecutive daily deliveries of one growing file; the second corrects some totals downwards."""
    draw = random.Random(32)
    days = [until - dt.timedelta(days=DAYS - n) for n in range(DAYS)]
    rows: list[tuple[object, ...]] = []
    places = [(c, n, p, i / sum(x[3] for x in _municipalities() if x[2] == p)) for c, n, p, i in _municipalities()]
    places += [("", "", province, 0.006) for province in PROVINCES]  # reports that no municipality could be told for
    for code, name, province, share in places:
        inhabitants, per_100k = PROVINCES[province]
        cases = admissions = deaths = 0
        for number, day in enumerate(days):
            wave = math.exp(-(((number - 40) / 16) ** 2)) / 28.4
            expected = inhabitants / 1e5 * per_100k * share * wave
            new = _poisson(draw, expected * 6)
            cases += new - (1 if draw.random() < 0.006 and cases else 0)
            admissions += _poisson(draw, expected)
            deaths += _poisson(draw, expected * 0.35)
            rows.append((f"{day} 10:00:00", code, name, province, cases, admissions, deaths))
    rows.sort(key=lambda row: str(row[0]))
    last = f"{days[-1]} 10:00:00"
    before = [row for row in rows if row[0] != last]
    clean = Delivery("municipal_admissions", "", CLEAN, [(str(r[0])[:10], *r[1:]) for r in rows])
    names = [f"aantallen_gemeente_cumulatief_{day}.csv" for day in days[-2:]]
    return [
        Delivery("municipal_admissions", names[0], COLUMNS, before, ";"),
        Delivery("municipal_admissions", names[1], COLUMNS, rows, ";", clean),
    ]


def population(until: dt.date) -> list[Delivery]:
    """Inhabitants; codes as bare numbers, as the statistics office writes them."""
    columns = ("Municipality_code", "Municipality_name", "Inhabitants")
    rows = [(int(code[2:]), name, count) for code, name, _, count in _municipalities()]
    clean = Delivery(
        "population",
        "",
        ("municipality_code", "municipality_name", "inhabitants"),
        [(code, name, count) for code, name, _, count in _municipalities()],
    )
    return [Delivery("population", f"inwoners_{until.year}.csv", columns, rows, ";", clean)]


def hospital_stays(until: dt.date) -> list[Delivery]:
    """Two thousand stays in twelve hospitals; older patients die more often, one hospital more than its patients explain."""
    draw = random.Random(33)
    columns = ("stay_id", "organisation", "admission_date", "age", "length_of_stay", "died")
    rows = []
    for number in range(2_400):
        hospital = draw.choices(range(1, 13), range(13, 1, -1))[0]
        age = min(102, max(0, round(draw.gauss(58 + hospital, 21))))
        nights = _poisson(draw, 1.5 + age / 18)
        odds = math.exp(-6.2 + 0.055 * age + 0.05 * nights + (0.9 if hospital == 4 else 0))
        died = int(draw.random() < odds / (1 + odds))
        day = until - dt.timedelta(days=draw.randrange(8, 365))
        rows.append((f"H{number:06d}", f"Hospital {hospital}", day, age, nights, died))
    clean = Delivery("hospital_stays", "", columns, [(*row[:5], "TRUE" if row[5] else "FALSE") for row in rows])
    return [Delivery("hospital_stays", f"stays_{until.year}.csv", columns, rows, clean=clean)]


def _poisson(draw: random.Random, mean: float) -> int:
    """Knuth's method: multiply uniforms until below exp(-mean). Means here are small."""
    if mean > 30:
        return max(0, round(draw.gauss(mean, math.sqrt(mean))))
    limit, product, count = math.exp(-mean), draw.random(), 0
    while product > limit:
        product *= draw.random()
        count += 1
    return count
