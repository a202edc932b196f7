"""One export, made and delivered in a process that is killed before the step that its last argument counts to."""

from __future__ import annotations

import os
import signal
import sys
from pathlib import Path

from tests.exports.exporting import Shop


def main(home: str, steps: str) -> None:
    """Make January, send what waits; die before step number `steps` of the sending."""
    shop, left = Shop(Path(home)), iter(range(int(steps), -1, -1))

    def step(_: str) -> None:
        if next(left) == 0:
            os.kill(os.getpid(), signal.SIGKILL)

    shop.make()
    shop.sender(step).deliver()


if __name__ == "__main__":
    main(*sys.argv[1:])
