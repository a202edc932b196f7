"""What a person asks of exports.

``python -m platform_assets.exports list [EXPORT]``
``python -m platform_assets.exports resend EXPORT WINDOW --reason TEXT --by NAME``
"""

from __future__ import annotations

import argparse
import sys

from platform_assets.access.roles import AccessDenied, Role, declared_user
from platform_assets.erasure.requests import RequestError
from platform_assets.exports import ledger
from platform_assets.exports.resending import NotAgain, resend
from platform_assets.office import Office


def main(arguments: list[str]) -> int:
    """Exit code 0; 1 where what was asked for cannot be done."""
    parser = argparse.ArgumentParser(prog="python -m platform_assets.exports")
    commands = parser.add_subparsers(dest="command", required=True)
    listed = commands.add_parser(
        "list", help="every file: its window, rows, recipient, how far it came, and what is in its way"
    )
    listed.add_argument("export", nargs="?", default="")
    again = commands.add_parser("resend", help="have a file sent again at the next visit")
    again.add_argument("export")
    again.add_argument("window", help="as the list shows it")
    again.add_argument("--reason", required=True, help="kept in the audit log: name nobody")
    again.add_argument("--by", required=True, help="who decides it")
    asked = parser.parse_args(arguments)
    office = Office.here()
    try:
        if asked.command == "list":
            entries = ledger.read(office.warehouse, asked.export)
            if not entries:
                sys.stdout.write("no file was made yet\n")
            for entry in entries:
                words = [entry.export, entry.window_key, entry.file, f"{entry.rows:,} rows", entry.state]
                words += [f"to {entry.recipient}"] if entry.recipient else []
                words += [entry.problem] if entry.problem else []
                sys.stdout.write("  ".join(words) + "\n")
            return 0
        entry = resend(
            asked.export, asked.window, asked.reason, user=declared_user(asked.by, [Role.STEWARD]), warehouse=office.warehouse,
            audit=office.audit, refuse=office.refuse,
        )  # fmt: skip
    except (NotAgain, AccessDenied, RequestError, OSError) as error:
        sys.stderr.write(f"{error}\n")
        return 1
    sys.stdout.write(f"{entry.file} is sent again at the next visit\n")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
