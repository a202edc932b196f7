"""Reads a Dagster run's log from standard input and shows what people want to see of it: progress, warnings, errors.

Everything is kept in the run, which the UI shows; `dagster job execute` prints it too. Of a step that failed, the reason is
shown, unless the step itself has said it before.
"""

import re
import sys

LINE = re.compile(r"^\S+ \S+ \+0000 - dagster - (?P<level>\w+) - \S+ - \S+ - (?P<rest>.*)$")
NOISE = re.compile(r"^\d+ - |STEP_|ENGINE_EVENT|RESOURCE_INIT|LOGS_CAPTURED|HANDLED_OUTPUT|LOADED_INPUT|ASSET_")
FAILED = re.compile(r"^\d+ - (?P<step>\S+) - STEP_FAILURE")
CAUSE = "The above exception was caused by"
EXCEPTION = re.compile(r"^(?:dagster\.\S+\.Failure: )?(?P<reason>.+)$")

shown = True
failed = ""  # the step whose reason is looked for
awaited = False  # whether the next line with text is a reason
errors: list[str] = []
for raw in sys.stdin:
    line = LINE.match(raw.rstrip("\n"))
    if line is None:  # the rest of a message of several lines
        if shown and raw.strip():
            sys.stdout.write(f"    {raw}")
        elif failed and raw.startswith(CAUSE):
            awaited = True
        elif awaited and (reason := EXCEPTION.match(raw.strip())):
            awaited = False
            if not reason["reason"].startswith(tuple(errors)):
                sys.stdout.write(f"  ERROR {failed.replace('__', '/')}: {reason['reason']}\n")
        continue
    step_failure = FAILED.match(line["rest"])
    failed, awaited = (step_failure["step"], True) if step_failure else ("", False)
    shown = line["level"] != "DEBUG" and not NOISE.search(line["rest"])
    if shown:
        step, _, text = line["rest"].partition(" - ")
        mark = {"ERROR": "ERROR ", "WARNING": "warning: "}.get(line["level"], "")
        if line["level"] == "ERROR":
            errors.append(text or step)
        sys.stdout.write(f"  {mark}{text or step}\n")
    sys.stdout.flush()
