"""Sample sales of furniture and decoration: two years around 2019."""

from __future__ import annotations

import datetime as dt
import random
from dataclasses import replace

from platform_assets.sample.rows import Delivery

_FURNITURE = ("Chaise", "Table", "Lit", "Armoire", "Bureau", "Canapé", "Étagère", "Tabouret")
_DECORATION = ("Vase", "Miroir", "Tapis", "Coussin", "Lampe", "Cadre", "Rideau", "Bougie")
_WOODS = ("chêne", "pin", "noyer", "hêtre", "frêne")
_COLOURS = ("blanc", "rouge", "vert", "bleu", "ocre")
FIRST, DAYS, CLIENTS = dt.date(2018, 7, 1), 730, 240


def _products() -> list[tuple[str, str, str, float]]:
    """(number, type, name, price)."""
    draw = random.Random(61)
    found: list[tuple[str, str, str, float]] = []
    for kind, things, looks, low, high in (
        ("MEUBLE", _FURNITURE, _WOODS, 40, 900),
        ("DECO", _DECORATION, _COLOURS, 3, 90),
    ):
        for thing in things:
            for look in looks:
                found.append(
                    (str(410_000 + 37 * len(found)), kind, f"{thing} {look}", round(draw.uniform(low, high), 1))
                )
    return found


def product_nomenclature(until: dt.date) -> list[Delivery]:
    """Eighty products."""
    columns = ("product_id", "product_type", "product_name")
    rows = [row[:3] for row in _products()]
    clean = Delivery("product_nomenclature", "", columns, rows)
    return [Delivery("product_nomenclature", "nomenclature.csv", columns, rows, clean=clean)]


def transactions(until: dt.date) -> list[Delivery]:
    """About eight thousand order lines, more before Christmas; a file per year, a handful of lines broken."""
    draw = random.Random(62)
    products = _products()
    columns = ("date", "order_id", "client_id", "prod_id", "prod_price", "prod_qty")
    rows: list[tuple[dt.date, str, str, str, float, int]] = []
    order = 1_000
    for number in range(DAYS):
        day = FIRST + dt.timedelta(days=number)
        for _ in range(draw.randrange(3, 8) + (6 if day.month == 12 else 0)):
            order += 1
            client = str(900 + int(CLIENTS * draw.random() ** 2))
            for product, kind, _, price in draw.sample(products, draw.choice((1, 1, 2, 3))):
                quantity = draw.choice((1, 1, 2)) if kind == "MEUBLE" else draw.randrange(1, 7)
                rows.append((day, str(order), client, product, price, quantity))
    files = []
    for year in sorted({row[0].year for row in rows}):
        lines = [(f"{r[0]:%d/%m/%Y}", *r[1:4], f"{r[4]:.2f}", r[5]) for r in rows if r[0].year == year]
        lines[7] = (*lines[7][:5], 0)
        lines[70] = ("31/02/" + str(year), *lines[70][1:])
        files.append(Delivery("transactions", f"transactions_{year}.csv", columns, lines))
    files[-1] = replace(files[-1], clean=Delivery("transactions", "", columns, rows))
    return files
