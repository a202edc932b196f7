"""The command ``python -m platform_assets.quarantine``: what the console's page does, with a CSV file in place of the grid.

It acts as the user of this machine, or as ``--by`` says. A file that `export` writes holds original text of patients: delete it afterwards.
"""

from __future__ import annotations

import argparse
import csv
import datetime as dt
import getpass
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from platform_assets.access import handing_out
from platform_assets.access.audit.entry import AuditError
from platform_assets.access.roles import AccessDenied, Role, declared_user
from platform_assets.erasure.requests import RequestError
from platform_assets.office import Office
from platform_assets.people_csv import as_typed, csv_bytes
from platform_assets.quarantine.desk import Desk
from platform_assets.quarantine.fix_files import CannotResubmit
from platform_assets.quarantine.fixes import HELD, Fix, QuarantineError, Resubmission
from platform_assets.quarantine.overview import empty_deliveries, in_quarantine, settle
from platform_assets.quarantine.tables import RowKey
from resources.text.terminal import field, say

if TYPE_CHECKING:
    import pandas as pd

PLACE = ("_delivery", "_file", "_row")
EVERY = 1_000_000_000


def main(arguments: Sequence[str] | None = None) -> int:
    """Returns the exit code: 0 done, 1 refused, or some fixes are still wrong (which and why is on the error stream)."""
    chosen = _parser().parse_args(arguments)
    office = Office.here()
    try:
        user = declared_user(chosen.by, {Role.STEWARD})
        if chosen.command == "list":
            settle(office, user)
            for name, rows in in_quarantine(office, user).items():
                say(sys.stdout, f"{rows:>8,}  {name}\n")
            for name, empty in empty_deliveries(office, user).items():
                for held in empty:
                    say(
                        sys.stdout,
                        f"held without rows: {name}  {held.delivery}  {field(held.file)} ({field(held.reason)})\n",
                    )
            return 0
        if chosen.dataset not in office.contracts:
            raise QuarantineError(f"there is no dataset {chosen.dataset!r}; there are {', '.join(office.contracts)}")
        return _run(office.desk(chosen.dataset, user), chosen)
    except (AccessDenied, AuditError, QuarantineError, CannotResubmit, RequestError, OSError) as error:
        say(sys.stderr, f"{error}\n")
        return 1


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m platform_assets.quarantine", description="Mend, send and dismiss rejected rows."
    )
    parser.add_argument("--by", default=getpass.getuser(), help="who acts (default: the user of this machine)")
    commands = parser.add_subparsers(dest="command", required=True)
    commands.add_parser("list", help="datasets with open rows, most first")

    def of_dataset(name: str, words: str) -> argparse.ArgumentParser:
        command = commands.add_parser(name, help=words)
        command.add_argument("dataset")
        return command

    of_dataset("reasons", "open rows by reason and delivery, without values")
    of_dataset("export", "write the open rows to a CSV file").add_argument("file", type=Path)
    of_dataset("stage", "take the changes of an exported file as fixes").add_argument("file", type=Path)
    replace = of_dataset("replace", "one value, in all open rows that share it")
    for name in ("column", "old", "new"):
        replace.add_argument(name)
    replace.add_argument("--missing", action="store_true", help="new is empty: yes, the cells shall have no value")
    of_dataset("send", "send staged fixes, like any delivery").add_argument("--reason", default="")
    unstage = of_dataset("unstage", "drop a staged fix: the row is open as it came")
    release = of_dataset("release", "send the right rows of a held delivery")
    release.add_argument("delivery")
    release.add_argument("--reason", required=True)
    close = of_dataset("close", "close a held delivery with all its rows: the table stays as it is")
    close.add_argument("delivery")
    close.add_argument("--reason", required=True)
    dismiss = of_dataset("dismiss", "close a row that will not be mended")
    dismiss.add_argument("--reason", required=True)
    for row in (unstage, dismiss, of_dataset("history", "what happened to a row")):
        row.add_argument("delivery")
        row.add_argument("file")
        row.add_argument("row", type=int)
    return parser


def _run(desk: Desk, chosen: argparse.Namespace) -> int:
    if chosen.command == "reasons":
        counts = desk.counts()
        held = counts["reason"].str.startswith(HELD)
        for line in counts[~held].to_dict("records"):
            say(sys.stdout, f"{line['rows']:>8,}  {line['delivery']}  {field(line['file'])}  {field(line['reason'])}\n")
        for delivery, sentence in desk.held().items():
            say(sys.stdout, f"{delivery}  {field(sentence)}\n")
    elif chosen.command == "export":
        rows = desk.rows(limit=EVERY)
        told = rows.assign(_reasons=["; ".join(r) for r in rows["_reasons"]])
        content = handing_out.file(
            desk.audit, desk.user, "quarantine.export", lambda: csv_bytes(told), table=desk.table, rows=len(rows)
        )()
        chosen.file.touch(mode=0o600)
        chosen.file.write_bytes(content)
        say(sys.stdout, f"{len(rows)} row(s) in {chosen.file}: original text of patients, delete it afterwards\n")
    elif chosen.command == "stage":
        fixes = changes(desk.rows(limit=EVERY), chosen.file, desk.texts)
        wrong = desk.stage(fixes)
        say(sys.stdout, f"{len(fixes)} fix(es) staged\n")
        return _still_wrong(wrong)
    elif chosen.command == "replace":
        if not chosen.new and not chosen.missing:
            raise QuarantineError("the new value is empty: say --missing as well if the cells shall have no value")
        wrong = desk.replace_value(chosen.column, chosen.old or None, chosen.new or None)
        say(sys.stdout, "staged in all open rows that share it\n")
        return _still_wrong(wrong)
    elif chosen.command == "send":
        return _sent(desk.resubmit(chosen.reason))
    elif chosen.command == "release":
        return _sent(desk.release(chosen.delivery, chosen.reason))
    elif chosen.command == "unstage":
        desk.unstage([RowKey(chosen.delivery, chosen.file, chosen.row)])
    elif chosen.command == "close":
        sys.stdout.write(f"closed, with {desk.dismiss_delivery(chosen.delivery, chosen.reason)} row(s)\n")
    elif chosen.command == "dismiss":
        desk.dismiss([RowKey(chosen.delivery, chosen.file, chosen.row)], chosen.reason)
    elif chosen.command == "history":
        for event in desk.history(RowKey(chosen.delivery, chosen.file, chosen.row)).to_dict("records"):
            said = event["reason"] or ""
            say(sys.stdout, f"{event['at']:%Y-%m-%d %H:%M}  {event['event']:<12} {field(event['by'])}  {field(said)}\n")
    return 0


def changes(rows: pd.DataFrame, file: Path, texts: Sequence[str]) -> list[Fix]:
    """What a person has changed in an exported file. Raises QuarantineError where it does not fit the open `rows`."""
    with file.open(encoding="utf-8-sig", newline="") as source:
        reader = csv.DictReader(source)
        missing = [c for c in (*PLACE, *texts) if c not in (reader.fieldnames or [])]
        if missing:
            raise QuarantineError(
                f"the file has no column {missing[0]!r}: change cells of an exported file, not its header"
            )
        edited = list(reader)
    before = {RowKey(r["_delivery"], r["_file"], int(r["_row"])): r for r in rows.to_dict("records")}
    fixes = []
    for number, line in enumerate(edited, start=2):
        if not line["_row"].isdigit():
            raise QuarantineError(f"line {number}: _row must be the number that was exported")
        key = RowKey(as_typed(line["_delivery"]), as_typed(line["_file"]), int(line["_row"]))
        if key not in before:
            raise QuarantineError(f"line {number}: this row is not open (any more): export again")
        values = {c: _value(before[key][c], line[c]) for c in texts}
        if any(values[c] != _text(before[key][c]) for c in texts):
            fixes.append(Fix(key, values, _moment(line.get("_staged_at") or "")))
    if not fixes:
        raise QuarantineError("no cell was changed")
    return fixes


def _value(before: object, cell: str) -> str | None:
    """A cell as text; one that was missing before and is still empty stays missing."""
    return None if cell == "" and _text(before) is None else as_typed(cell)


def _moment(cell: str) -> dt.datetime | None:
    """When the exported text was staged; None where it was not."""
    try:
        return dt.datetime.fromisoformat(cell)
    except ValueError:
        return None


def _text(value: object) -> str | None:
    return value if isinstance(value, str) else None


def _still_wrong(wrong: Mapping[RowKey, Sequence[str]]) -> int:
    for key, why in wrong.items():
        say(sys.stderr, f"{field(key.file)}, row {key.row}: {field('; '.join(why))}\n")
    return 1 if wrong else 0


def _sent(result: Resubmission) -> int:
    say(sys.stdout, f"{result.sent} row(s) sent as {field(', '.join(result.files)) or 'no file'}\n")
    return _still_wrong(result.still_wrong)


if __name__ == "__main__":
    sys.exit(main())
