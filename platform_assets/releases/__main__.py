"""What a person asks of releases.

``python -m platform_assets.releases list``
``python -m platform_assets.releases policy``
``python -m platform_assets.releases put-back RELEASE --by NAME``
``python -m platform_assets.releases rebuild NAME FOLDER TARGET``
``python -m platform_assets.releases rederive RELEASE NAME``
"""

from __future__ import annotations

import argparse
import json
import os
import sys
from pathlib import Path

from platform_assets.access.acts import acting
from platform_assets.access.roles import AccessDenied, Permission, Role, declared_user
from platform_assets.disclosure.policy import read_policies
from platform_assets.indicators.script.header import list_indicators, read_indicator
from platform_assets.indicators.texts import NotKept
from platform_assets.office import Office
from platform_assets.releases import reading
from platform_assets.releases.making import rederive
from platform_assets.releases.publications import figures_of
from resources.environment import INDICATORS, resources_for
from resources.r_runtime import IndicatorFailed, RRuntime


def main(arguments: list[str]) -> int:
    """Exit code 0; 1 where what was asked for cannot be done."""
    parser = argparse.ArgumentParser(prog="python -m platform_assets.releases")
    commands = parser.add_subparsers(dest="command", required=True)
    commands.add_parser("list", help="all releases, newest first; the live one is marked")
    commands.add_parser("policy", help="what may be shown of each indicator, as a page")
    back = commands.add_parser("put-back", help="make a release of before live again")
    back.add_argument("release")
    back.add_argument("--by", required=True, help="who decides it")
    again = commands.add_parser(
        "rebuild", help="make every file of an indicator again, of atoms.parquet and NAME.json in FOLDER alone"
    )
    again.add_argument("name")
    again.add_argument("folder", type=Path)
    again.add_argument("target", type=Path)
    past = commands.add_parser(
        "rederive", help="make the figures of a release again, by the script as it was then, and compare every byte"
    )
    past.add_argument("release")
    past.add_argument("name")
    asked = parser.parse_args(arguments)
    try:
        if asked.command == "rebuild":
            _rebuild(asked.name, asked.folder, asked.target)
        elif asked.command == "rederive":
            return _rederive(asked.release, asked.name)
        elif asked.command == "policy":
            scripts = [read_indicator(path) for path in list_indicators(INDICATORS)]
            sys.stdout.write(read_policies().page({s.name: s.title for s in scripts if s.cases}))
        elif asked.command == "list":
            _list()
        else:
            _put_back(asked.release, asked.by)
    except (reading.NoRelease, NotKept, AccessDenied, OSError) as error:
        sys.stderr.write(f"{error}\n")
        return 1
    except IndicatorFailed as failed:
        sys.stderr.write(failed.card.text() + "\n")
        return 1
    return 0


def _rebuild(name: str, folder: Path, target: Path) -> None:
    indicator = read_indicator(INDICATORS / f"{name}.R")
    about = json.loads((folder / f"{name}.json").read_bytes())
    work = target / ".work"
    work.mkdir(parents=True)
    for file, data in figures_of(indicator, (folder / "atoms.parquet").read_bytes(), about, RRuntime(), work).items():
        (target / file).parent.mkdir(parents=True, exist_ok=True)
        (target / file).write_bytes(data)
        sys.stdout.write(f"{file}\n")


def _rederive(number: str, name: str) -> int:
    platform = resources_for(os.environ.get("PLATFORM_ENV", "laptop"))
    differ = rederive(reading.release(platform.store, number), name, platform.warehouse, platform.r)
    sys.stdout.write(
        f"{'NOT the same' if differ else 'the same'} bytes as in release {number}{': ' if differ else ''}{', '.join(differ)}\n"
    )
    return 1 if differ else 0


def _list() -> None:
    store = Office.here().store
    live = reading.current(store)
    for found in reading.releases(store):
        mark = "live" if live and found.id == live.id else "    "
        last = max((a["periods"]["last"] or "" for a in found.indicators.values() if a["protected"]), default="")
        sys.stdout.write(f"{found.id}  {mark}  {len(found.indicators)} indicators, periods up to {last or '-'}\n")


def _put_back(number: str, by: str) -> None:
    office, user = Office.here(), declared_user(by, [Role.STEWARD])
    user.require(Permission.RUN)
    before = reading.current(office.store)
    reading.release(office.store, number)
    with acting(office.audit, user, "release.put_back") as act:
        act.note(release=number, instead_of=before.id if before else "")
        reading.set_current(office.store, number)
    sys.stdout.write(f"{number} is live\n")


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
