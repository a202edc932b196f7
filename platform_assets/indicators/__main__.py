"""`python -m platform_assets.indicators rederive <name>`: make a table again from its receipt and compare byte for byte.

`python -m platform_assets.indicators remove <name>`: take away what an indicator left behind whose script is gone.
"""

import os
import sys
from collections.abc import Mapping
from pathlib import Path

from platform_assets.indicators.compute import InputMissing, rederive
from platform_assets.indicators.derived_tables import TableMissing, remake_table
from platform_assets.indicators.model import HeaderError
from platform_assets.indicators.receipts import Receipt
from platform_assets.indicators.removal import NotRemoved, remove
from platform_assets.indicators.script.header import list_indicators
from platform_assets.indicators.sql.file import list_sql, read_sql
from platform_assets.indicators.sql.run import SqlFailed, recipe_of
from platform_assets.indicators.texts import NotKept
from platform_assets.literature.steps import SCHEMAS, question
from platform_assets.office import engine_of
from resources.environment import INDICATORS, REPOSITORY, resources_for
from resources.r_runtime import IndicatorFailed


def main(arguments: list[str]) -> int:
    """Exit code 0: the same bytes, or removed; 1: not the same; 2: cannot be told, or not removed."""
    r = {path.stem: path for path in list_indicators(INDICATORS)}
    sql = {path.stem: path for path in list_sql(REPOSITORY / "platform_assets" / "defs")}
    names = sorted({*r, *sql, *SCHEMAS})
    if len(arguments) == 2 and arguments[0] == "remove":
        return _remove(arguments[1], {**dict.fromkeys(SCHEMAS), **sql, **r})
    if len(arguments) != 2 or arguments[0] != "rederive" or arguments[1] not in names:
        sys.stderr.write(
            "usage: python -m platform_assets.indicators rederive NAME\n"
            f"NAME is one of {', '.join(names)}\n"
            "       python -m platform_assets.indicators remove NAME\n"
            "NAME is that of an indicator whose script was deleted\n"
        )
        return 2
    name, platform = arguments[1], resources_for(os.environ.get("PLATFORM_ENV", "laptop"))

    def again() -> tuple[Receipt, str]:
        if name in r:
            return rederive(name, platform.warehouse, platform.r)
        if name in sql:
            indicator = read_sql(sql[name])
            return remake_table(
                name, platform.warehouse, lambda params: recipe_of(indicator, platform.warehouse, params)
            )
        return remake_table(name, platform.warehouse, lambda params: question(name, params))

    try:
        receipt, fresh = again()
    except (InputMissing, NotKept, IndicatorFailed, TableMissing, SqlFailed, HeaderError) as error:
        sys.stderr.write(f"{error}\n")
        return 2
    return _tell(receipt, fresh)


def _remove(name: str, present: Mapping[str, Path | None]) -> int:
    try:
        platform = resources_for(os.environ.get("PLATFORM_ENV", "laptop"))
        removed = remove(name, platform, engine_of(platform), present)
    except NotRemoved as error:
        sys.stderr.write(f"{error}\n")
        return 2
    sys.stdout.write("".join(f"removed {what}\n" for what in removed))
    return 0


def _tell(receipt: Receipt, fresh: str) -> int:
    inputs = ", ".join(f"{t.table} at snapshot {t.snapshot} ({t.rows:,} rows)" for t in receipt.inputs.values())
    sys.stdout.write(f"{receipt.indicator}, made {receipt.made_at:%Y-%m-%d %H:%M} UTC from {inputs}\n")
    same = fresh == receipt.sha256
    sys.stdout.write(f"{'the same' if same else 'NOT the same'} bytes: {receipt.sha256[:16]} then, {fresh[:16]} now\n")
    return 0 if same else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
