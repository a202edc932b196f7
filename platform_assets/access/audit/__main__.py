"""The command ``python -m platform_assets.access.audit``: verify the audit log, list it, or take over one of an earlier release."""

from __future__ import annotations

import argparse
import getpass
import sys
from collections.abc import Sequence
from pathlib import Path

from platform_assets.access import handing_out
from platform_assets.access.audit.entry import AuditError, Head
from platform_assets.access.audit.log import AuditLog
from platform_assets.access.roles import AccessDenied, Role, declared_user
from platform_assets.erasure.certificate import read_all
from platform_assets.office import Office
from resources.identity import EnvironmentKeys, LaptopKeys
from resources.object_store import LocalStore
from resources.text.terminal import field, say


def main(arguments: Sequence[str] | None = None) -> int:
    """``verify [--head NUMBER:HASH]``, ``list`` or ``upgrade``; the exit code: 0, or 1 where the log is damaged or refuses."""
    parser = argparse.ArgumentParser(prog="python -m platform_assets.access.audit", description="The audit log.")
    parser.add_argument("--home", type=Path, help="folder of a DATA_HOME (default: the log of this environment)")
    commands = parser.add_subparsers(dest="command", required=True)
    check = commands.add_parser("verify", help="find edited, removed, reordered or missing entries")
    check.add_argument("--head", type=Head.parse, action="append", default=[], help="a head noted elsewhere")
    show = commands.add_parser("list", help="show the entries")
    upgrade = commands.add_parser("upgrade", help="take over a log that an earlier release wrote, once")
    for command in (show, upgrade):
        command.add_argument("--by", default=getpass.getuser(), help="who acts (default: the user of this machine)")
    chosen = parser.parse_args(arguments)
    log, noted = _log(chosen.home)
    if chosen.command == "list":
        if chosen.home is None:  # a copy takes no entry
            try:
                handing_out.seen(log, declared_user(chosen.by, {Role.AUDITOR}), "audit.see")
            except (AccessDenied, AuditError, OSError) as error:
                say(sys.stderr, f"{error}\n")
                return 1
        for entry in log.entries():
            words = [entry.at[:19], entry.who, entry.action, entry.table, entry.subject, entry.ground]
            sys.stdout.write(f"{entry.seq:>6} {' '.join(field(word) for word in words if word)}\n")
        return 0
    if chosen.command == "upgrade":
        return _upgrade(log, chosen.by, noted)
    verdict = log.verify([*chosen.head, *noted])
    for line in (*verdict.problems, *verdict.notes):
        say(sys.stdout, line + "\n")
    state = "whole" if verdict.whole else "DAMAGED"
    against = f", held against {len(noted)} certificate(s)" if noted else ""
    sys.stdout.write(
        f"{verdict.entries} entries, {state}{against}" + (f", head {verdict.head}\n" if verdict.head else "\n")
    )
    return 0 if verdict.whole else 1


def _upgrade(log: AuditLog, who: str, noted: Sequence[Head]) -> int:
    try:
        entry = log.upgrade(who, noted)
    except AuditError as error:
        sys.stderr.write(f"{error}\n")
        return 1
    sys.stdout.write(
        f"entries 1 to {entry.seq - 1} were taken over by entry {entry.seq}. From here on every entry is authenticated; what was done to "
        "the earlier ones before today can be told only by heads noted elsewhere (verify --head)\n"
    )
    return 0


def _log(home: Path | None) -> tuple[AuditLog, list[Head]]:
    """The log, and the heads that certificates of erasures carry."""
    if home is None:
        office = Office.here()
        log, store = office.audit, office.store
    else:
        log, store = AuditLog(home / "audit", LaptopKeys(EnvironmentKeys(), home / "sample")), LocalStore(home)
    return log, [Head.parse(c["audit_head"]) for c in read_all(store) if c.get("audit_head")]


if __name__ == "__main__":
    sys.exit(main())
