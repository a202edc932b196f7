"""`python -m platform_assets.engines respell [DATASET ...]`: moves tables that were loaded before over to one spelling of identifiers.

Once, after the update that brought it; see docs/operate.md. A second time it finds nothing to do.
"""

from __future__ import annotations

import argparse
import os
import sys

from platform_assets.contracts.files import read_contracts
from platform_assets.office import engine_of
from resources.environment import resources_for
from resources.identity import MissingIdentityKey


def _tell(line: str) -> None:
    sys.stderr.write(f"{line}\n")


def main(arguments: list[str]) -> int:
    """Respell the named datasets, or all; the exit status."""
    parser = argparse.ArgumentParser(prog="python -m platform_assets.engines")
    respell = parser.add_subparsers(dest="command", required=True).add_parser("respell", help=__doc__.split("\n")[0])
    respell.add_argument("dataset", nargs="*", help="default: every dataset with an identifier")
    given = parser.parse_args(arguments)
    contracts = read_contracts()
    unknown = [name for name in given.dataset if name not in contracts]
    if unknown:
        sys.stderr.write(f"there is no dataset {unknown[0]}; there are {', '.join(sorted(contracts))}\n")
        return 2
    platform = resources_for(os.environ.get("PLATFORM_ENV", "laptop"))
    failed = False
    for name in given.dataset or sorted(n for n, c in contracts.items() if c.identifiers):
        try:
            said = engine_of(platform).respell(contracts[name], _tell)
        except MissingIdentityKey as error:
            said, failed = str(error), True
        sys.stdout.write(f"{name}: {said}\n")
    return int(failed)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
