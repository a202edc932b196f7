"""`python -m resources.r_runtime RUN_FOLDER`: repeat a run from its request, as a failure card proposes."""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
from pathlib import Path

from resources.r_runtime.card import IndicatorFailed
from resources.r_runtime.model import Event, InputTable
from resources.r_runtime.runtime import RRuntime


def main(arguments: list[str]) -> int:
    """Run again with the script as it is now. 0: it succeeded, 1: it failed, 2: it cannot be repeated."""
    parser = argparse.ArgumentParser(prog="python -m resources.r_runtime", description=__doc__)
    parser.add_argument("folder", type=Path, help="folder of the earlier run, or its request.json")
    path: Path = parser.parse_args(arguments).folder
    path = path / "request.json" if path.is_dir() else path
    if not path.is_file():
        sys.stderr.write(f"{path}: there is no such run\n")
        return 2
    request = json.loads(path.read_text(encoding="utf-8"))
    gone = [name for name, table in request["inputs"].items() if not Path(table["path"]).is_file()]
    if gone:
        sys.stderr.write(
            f"the files of input {', '.join(gone)} are gone; run the indicator again on the platform, "
            "which reads the tables anew\n"
        )
        return 2
    return _repeat(request)


def _repeat(request: dict[str, object]) -> int:
    from platform_assets.indicators import HeaderError, read_indicator

    inputs, spec, limits = request["inputs"], request["spec"], request["limits"]
    assert isinstance(inputs, dict)
    assert isinstance(spec, dict)
    assert isinstance(limits, dict)
    tables = {
        name: InputTable(
            Path(table["path"]), table["table"], table["snapshot"], table["rows"], tuple(table.get("present", ()))
        )
        for name, table in inputs.items()
    }
    try:
        indicator = read_indicator(spec["script"])
    except HeaderError as error:
        sys.stdout.write(f"{error}\n")
        return 1
    runtime = RRuntime(**limits)
    folder = Path(tempfile.mkdtemp(prefix="r-run-"))
    try:
        given = request["given"]
        assert isinstance(given, dict)
        result = runtime.run(indicator, tables, given, folder, _say)
    except IndicatorFailed as failed:
        sys.stdout.write(f"{failed.card.text()}\n")
        return 1
    sys.stdout.write(f"{result.rows} rows in {result.seconds:.1f} s: {result.output}\n")
    return 0


def _say(event: Event) -> None:
    sys.stderr.write(f"{event.level}: {event}\n")


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
