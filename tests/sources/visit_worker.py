"""A process that asks a source and loads what came, for tests that kill it. `visit_worker.py HOME CONTRACT` reads numbers from standard input: for each
it forks a child that makes the visit and ends itself by kill -9 before its so-manieth step (0: never), and tells the steps that were
begun.

Steps are all that stays when a process is gone: files written, moved and deleted in the store, transactions begun, about to be committed, and
committed.
"""

from __future__ import annotations

import json
import os
import signal
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from platform_assets.contracts.compiling.compiled import compiled
from platform_assets.contracts.model import Contract
from platform_assets.ingest.load import load_dataset
from platform_assets.sources.collect import collect
from resources.environment import Platform, Settings
from resources.identity import EnvironmentKeys
from resources.lake.warehouse import Warehouse
from resources.object_store import LocalStore


def _killing(last: int, telling: int) -> None:
    """Make this process end before its step number `last`; it tells of each through the pipe `telling`."""
    count = [0]

    def step() -> None:
        count[0] += 1
        os.write(telling, b".")
        if count[0] == last:
            os.kill(os.getpid(), signal.SIGKILL)

    for name in ("write", "move", "delete"):
        whole = getattr(LocalStore, name)

        def counted(*given: Any, whole: Any = whole) -> Any:
            step()
            return whole(*given)

        setattr(LocalStore, name, counted)
    write = Warehouse.write

    @contextmanager
    def transaction(warehouse: Warehouse, connection: Any) -> Iterator[None]:
        step()
        with write(warehouse, connection):
            yield
            step()
        step()

    Warehouse.write = transaction  # type: ignore[method-assign, assignment]


def main() -> None:
    """See the module."""
    home, contract = Path(sys.argv[1]), Contract.model_validate(json.loads(sys.argv[2]))
    platform = Platform(
        Settings(home=home, sources=True), Warehouse(home / "lake", threads=1), LocalStore(home), EnvironmentKeys({})
    )
    compiled(contract, contract.today(), platform.warehouse.home / "expressions")
    sys.stdout.write("ready\n")
    sys.stdout.flush()
    for line in sys.stdin:
        told, telling = os.pipe()
        child = os.fork()
        if child == 0:
            code = 1
            try:
                _killing(int(line), telling)
                failed = collect(contract.source, contract.name, platform, lambda _: None).failed
                load_dataset(contract, platform.warehouse, platform.store, platform.keys, settle_seconds=0)
                code = len(failed)
            finally:
                os._exit(code)
        os.close(telling)
        _, status = os.waitpid(child, 0)
        with os.fdopen(told, "rb") as steps:
            sys.stdout.write(f"{len(steps.read())} {status}\n")
        sys.stdout.flush()


if __name__ == "__main__":
    main()
