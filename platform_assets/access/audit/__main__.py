"""The command ``python -m platform_assets.access.audit``: verify the audit log, or list it."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from platform_assets.access.audit.log import AuditLog, Head
from platform_assets.office import Office


def main(arguments: Sequence[str] | None = None) -> int:
    """``python -m platform_assets.access.audit verify [--head NUMBER:HASH]``, or ``list``."""
    parser = argparse.ArgumentParser(prog="python -m platform_assets.access.audit", description="The audit log.")
    parser.add_argument("--home", type=Path, help="folder of a DATA_HOME (default: the log of this environment)")
    commands = parser.add_subparsers(dest="command", required=True)
    check = commands.add_parser("verify", help="find edited, removed, reordered or missing entries")
    check.add_argument("--head", type=Head.parse, action="append", default=[], help="a head noted elsewhere")
    commands.add_parser("list", help="show the entries")
    chosen = parser.parse_args(arguments)
    log = AuditLog(chosen.home / "audit") if chosen.home else _of_this_environment()
    if chosen.command == "list":
        for entry in log.entries():
            place = " ".join(filter(None, [entry.table, entry.subject]))
            sys.stdout.write(f"{entry.seq:>6} {entry.at[:19]} {entry.who} {entry.action} {place} {entry.ground}\n")
        return 0
    verdict = log.verify(chosen.head)
    for line in (*verdict.problems, *verdict.notes):
        sys.stdout.write(line + "\n")
    state = "whole" if verdict.whole else "DAMAGED"
    sys.stdout.write(f"{verdict.entries} entries, {state}" + (f", head {verdict.head}\n" if verdict.head else "\n"))
    return 0 if verdict.whole else 1


def _of_this_environment() -> AuditLog:
    return Office.here().audit


if __name__ == "__main__":
    sys.exit(main())
