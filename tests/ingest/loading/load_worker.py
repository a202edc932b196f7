"""A process that loads one dataset, for tests that kill it or run several. `load_worker.py HOME` reads commands from standard input:
`load` forks a child that loads all that waits and prints its process id at once. Forked after the imports: a kill then falls into the work.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path

from platform_assets.contracts.compiling.compiled import compiled
from platform_assets.ingest.load import load_dataset
from resources.environment import Platform, Settings
from resources.identity import EnvironmentKeys
from resources.lake.warehouse import Warehouse
from resources.object_store import LocalStore
from tests.conftest import lab_contract


def main() -> None:
    home = Path(sys.argv[1])
    contract = lab_contract(
        quality={"max_quarantined": 1.0, "min_rows": 0}, partition={"by": "test_date", "unit": "month"}
    )
    platform = Platform(Settings(home=home), Warehouse(home / "lake", threads=1), LocalStore(home), EnvironmentKeys({}))
    compiled(contract, contract.today(), platform.warehouse.home / "expressions")
    sys.stdout.write("ready\n")
    sys.stdout.flush()
    for _ in sys.stdin:
        child = os.fork()
        if child == 0:
            try:
                load_dataset(contract, platform.warehouse, platform.store, platform.keys, settle_seconds=0)
            finally:
                os._exit(0)
        sys.stdout.write(f"{child}\n")
        sys.stdout.flush()
        _, status = os.waitpid(child, 0)
        sys.stdout.write(f"ended {status}\n")
        sys.stdout.flush()


if __name__ == "__main__":
    main()
