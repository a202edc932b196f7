"""`python -m platform_assets.indicators rederive <name>`: make a table again from its receipt and compare byte for byte."""

import sys

from platform_assets.indicators.compute import InputMissing, rederive
from platform_assets.indicators.header import list_indicators, read_indicator
from resources.environment import INDICATORS, resources_for
from resources.r_runtime import IndicatorFailed


def main(arguments: list[str]) -> int:
    """Exit code 0: the same bytes; 1: not; 2: cannot be told."""
    names = {path.stem: path for path in list_indicators(INDICATORS)}
    if len(arguments) != 2 or arguments[0] != "rederive" or arguments[1] not in names:
        sys.stderr.write(
            f"usage: python -m platform_assets.indicators rederive NAME\nNAME is one of {', '.join(names)}\n"
        )
        return 2
    platform = resources_for("laptop")
    try:
        receipt, fresh = rederive(read_indicator(names[arguments[1]]), platform.warehouse, platform.r)
    except (InputMissing, IndicatorFailed) as error:
        sys.stderr.write(f"{error}\n")
        return 2
    inputs = ", ".join(f"{t.table} at snapshot {t.snapshot} ({t.rows:,} rows)" for t in receipt.inputs.values())
    sys.stdout.write(f"{receipt.indicator}, made {receipt.made_at:%Y-%m-%d %H:%M} UTC from {inputs}\n")
    same = fresh == receipt.sha256
    sys.stdout.write(f"{'the same' if same else 'NOT the same'} bytes: {receipt.sha256[:16]} then, {fresh[:16]} now\n")
    return 0 if same else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
