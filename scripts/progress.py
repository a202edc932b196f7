"""Reads a Dagster run's log from standard input and shows what people want to see of it: progress, warnings, errors.

Everything is kept in the run, which the UI shows; `dagster job execute` prints it too.
"""

import re
import sys

LINE = re.compile(r"^\S+ \S+ \+0000 - dagster - (?P<level>\w+) - \S+ - \S+ - (?P<rest>.*)$")
NOISE = re.compile(
    r"^\d+ - (?!STEP_FAILURE)|STEP_(?!FAILURE)|ENGINE_EVENT|RESOURCE_INIT|LOGS_CAPTURED|HANDLED_OUTPUT|LOADED_INPUT|ASSET_"
)
shown = True
for raw in sys.stdin:
    line = LINE.match(raw.rstrip("\n"))
    if line is None:  # the rest of a message of several lines
        if shown and raw.strip():
            sys.stdout.write(f"    {raw}")
        continue
    shown = line["level"] != "DEBUG" and not NOISE.search(line["rest"])
    if shown:
        step, _, text = line["rest"].partition(" - ")
        mark = {"ERROR": "ERROR ", "WARNING": "warning: "}.get(line["level"], "")
        sys.stdout.write(f"  {mark}{text or step}\n")
    sys.stdout.flush()
