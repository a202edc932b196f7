"""A process that loads one dataset into BigQuery, for tests that kill it. `load_worker.py HOME PORT NAME` reads commands from standard
input: `load` forks a child that loads all that waits, and prints its process id before it begins to work.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path

from platform_assets.engines.bigquery.loading.load import load_dataset
from resources.gcp.bigquery import BigQuery
from resources.identity import EnvironmentKeys
from resources.lake.warehouse import Warehouse
from resources.object_store import LocalStore
from tests.conftest import lab_contract
from tests.engines.bigquery.place import SMALL
from tests.engines.bigquery.wire import client_of
from tests.resources.gcp.bigquery_emulator import PROJECT


def main() -> None:
    home, port, name = Path(sys.argv[1]), int(sys.argv[2]), sys.argv[3]
    contract = lab_contract(name=name, columns=SMALL)
    sys.stdout.write("ready\n")
    sys.stdout.flush()
    for _ in sys.stdin:
        begin, go = os.pipe()
        child = os.fork()
        if child == 0:
            os.read(begin, 1)  # not before the test knows whom to kill
            try:
                engine = BigQuery(PROJECT, "europe-west4", client=client_of(port))
                warehouse = Warehouse(home / "lake")
                load_dataset(
                    contract,
                    engine,
                    warehouse,
                    LocalStore(home),
                    EnvironmentKeys({}),
                    bucket=home.name,
                    settle_seconds=0,
                )
            finally:
                os._exit(0)
        sys.stdout.write(f"{child}\n")
        sys.stdout.flush()
        sys.stdin.readline()
        os.write(go, b"1")
        _, status = os.waitpid(child, 0)
        os.close(begin)
        os.close(go)
        sys.stdout.write(f"ended {status}\n")
        sys.stdout.flush()


if __name__ == "__main__":
    main()
