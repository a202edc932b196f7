"""The command ``python -m platform_assets.erasure``. It acts as the user of this machine, or as ``--by`` says."""

from __future__ import annotations

import argparse
import contextlib
import getpass
import os
import sys
from collections.abc import Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from platform_assets.access import handing_out
from platform_assets.access.audit.entry import AuditError
from platform_assets.access.roles import AccessDenied, Role, User, declared_user
from platform_assets.erasure import certificate
from platform_assets.erasure.decisions import WAYS
from platform_assets.erasure.eraser import Eraser, ErasureIncomplete
from platform_assets.erasure.requests import Request, RequestError
from platform_assets.erasure.targets import MalformedRequest, read_csv
from platform_assets.office import Office
from resources.identity import MissingIdentityKey
from resources.text.terminal import field, say

if TYPE_CHECKING:
    import dagster as dg


def main(arguments: Sequence[str] | None = None) -> int:
    """Returns the exit code: 0 done, 1 refused or incomplete (the reason is on the error stream)."""
    chosen = _parser().parse_args(arguments)
    try:
        user = declared_user(chosen.by, {Role.STEWARD})
        _run(Office.here(), chosen, user)
    except (AccessDenied, AuditError, RequestError, MalformedRequest, ErasureIncomplete, MissingIdentityKey) as error:
        say(sys.stderr, f"{error}\n")
        return 1
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m platform_assets.erasure", description="Erase records.")
    parser.add_argument("--by", default=getpass.getuser(), help="who acts (default: the user of this machine)")
    commands = parser.add_subparsers(dest="command", required=True)
    commands.add_parser("list", help="requests that wait or run")
    for name, words in (("preview", "count what a request would touch"), ("request", "make a request")):
        command = commands.add_parser(name, help=words)
        command.add_argument("file", type=Path, help="CSV: columns of the dataset, one line per record or subject")
        command.add_argument("--dataset", required=True)
        if name == "request":
            command.add_argument("--ground", required=True, help="why; it stands in the certificate")
    for name, words in (
        (
            "show",
            "show whom a request names, what it would remove, and what waits for a decision (written down in the audit log)",
        ),
        ("approve", "agree to a request (a second person)"),
        ("withdraw", "take a request back"),
        ("run", "carry an approved request out, or go on with one that was cut off"),
        ("certificate", "show the certificate of a request"),
    ):
        commands.add_parser(name, help=words).add_argument("number")
    decide = commands.add_parser("decide", help="decide what becomes of a place in which the number still stands")
    decide.add_argument("number")
    decide.add_argument("place", help="its number in what `show` lists, or `all`")
    decide.add_argument("way", choices=WAYS, help="; ".join(WAYS.values()))
    decide.add_argument(
        "--reason", default="", help="why; it stands in the certificate (needed where something is left)"
    )
    commands.add_parser("replay", help="after a restore: erase again what was erased before")
    return parser


def _run(office: Office, chosen: argparse.Namespace, user: User) -> None:
    out = partial(say, sys.stdout)
    eraser = office.eraser(_tell, _changed, _dagster)
    if chosen.command == "list":
        for request in eraser.requests.all():
            out(
                f"{request.id}  {request.status:<9} {request.requested_at}  {field(request.requested_by)}  {len(request.targets)} line(s)\n"
            )
    elif chosen.command in ("preview", "request"):
        if chosen.dataset not in office.contracts:
            raise RequestError(f"there is no dataset {chosen.dataset!r}; there are {', '.join(office.contracts)}")
        targets = read_csv(office.contracts[chosen.dataset], _content(chosen.file))
        counts = eraser.preview(targets, user)
        if chosen.command == "request":
            out(f"{eraser.submit(targets, chosen.ground, user).id}\n")
        else:
            for place, count in counts.items():
                out(f"{count:>8,}  {certificate.words().get(place, place)}\n")
        if certificate.found_nothing(counts):
            say(sys.stderr, f"{certificate.NOBODY}\n")
    elif chosen.command == "show":
        _show(eraser, chosen.number, user)
    elif chosen.command == "decide":
        eraser.requests.decide(chosen.number, _ways(eraser.requests.read(chosen.number), chosen), user)
    elif chosen.command == "approve":
        eraser.requests.approve(chosen.number, user)
    elif chosen.command == "withdraw":
        eraser.requests.withdraw(chosen.number, user)
    elif chosen.command == "run":
        document = eraser.execute(chosen.number, user)
        with _dagster() as instance:
            if instance:
                from platform_assets.reports.events import publish_logs

                publish_logs(instance, office.warehouse, office.store)
        out(_shown(office, user, document))
    elif chosen.command == "replay":
        for place, count in eraser.replay(user).items():
            out(f"{count:>8,}  {certificate.words().get(place, place)}\n")
    elif chosen.command == "certificate":
        found = [c for c in certificate.read_all(office.store) if c["request"] == chosen.number]
        if not found:
            raise RequestError(f"there is no certificate of {chosen.number}: was the request carried out?")
        out(_shown(office, user, found[0]))


def _shown(office: Office, user: User, document: dict[str, Any]) -> str:
    """A certificate on the screen, which is written down before."""
    return handing_out.certificate(office.audit, user, str(document["request"]), certificate.as_text(document))


def _show(eraser: Eraser, number: str, user: User) -> None:
    out = partial(say, sys.stdout)
    request, found = eraser.look(number, user)
    out(
        f"{request.id}  {request.status}  asked for by {field(request.requested_by)}, {request.requested_at}: {field(request.ground)}\n"
    )
    for target in request.targets:
        out(f"  {target.dataset}: {', '.join(f'{name} {field(value)}' for name, value in target.values.items())}\n")
    for dataset, counts in found.items():
        for place, count in counts.items():
            out(f"{count:>8,}  {dataset}: {certificate.words().get(place, place)}\n")
    for counter, spot in enumerate(request.spots, start=1):
        decision = request.decisions.get(spot.key)
        out(f"place {counter}: {field(spot.words)}\n")
        for text in spot.shown:
            out(f"    {text!r}\n")
        out(f"    {'decided: ' + decision.way if decision else 'decide: ' + ', '.join(spot.ways)}\n")


def _ways(request: Request, chosen: argparse.Namespace) -> dict[str, tuple[str, str]]:
    """What was chosen, by the key of the place."""
    if chosen.place == "all":
        return {spot.key: (chosen.way, chosen.reason) for spot in request.undecided}
    if not chosen.place.isdigit() or not 1 <= int(chosen.place) <= len(request.spots):
        raise RequestError(f"there is no place {chosen.place}: `show {request.id}` lists them with their numbers")
    return {request.spots[int(chosen.place) - 1].key: (chosen.way, chosen.reason)}


@contextlib.contextmanager
def _dagster() -> Iterator[dg.DagsterInstance | None]:
    """Dagster's instance; None where DAGSTER_HOME is not set."""
    if "DAGSTER_HOME" not in os.environ:
        yield None
        return
    import dagster as dg

    with dg.DagsterInstance.get() as instance:
        yield instance


def _changed(datasets: Sequence[str], number: str) -> None:
    with _dagster() as instance:
        if instance is None:
            say(
                sys.stderr,
                "DAGSTER_HOME is not set, so Dagster does not hear of this: start the job weekly, which computes anew what counted these rows\n",
            )
            return
        from platform_assets.reports.events import rows_erased

        rows_erased(instance, datasets, number)


def _content(file: Path) -> bytes:
    try:
        return file.read_bytes()
    except OSError as error:
        raise RequestError(f"{file} cannot be read ({error.strerror}): give the path of the CSV file") from None


def _tell(step: str) -> None:
    say(sys.stderr, f"{step} ...\n")


if __name__ == "__main__":
    sys.exit(main())
