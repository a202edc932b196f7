"""``python -m platform_assets.monitoring check``: look once from outside Dagster's daemon, as cron does; it also sees a dead daemon.

Prints what is wrong, one line each; nothing when all is well, unless ``--verbose`` is given. Exit code 0: looked, and everybody was told what there is to tell;
1: an alert could not be delivered; 2: it could not look.
"""

from __future__ import annotations

import json
import os
import sys


def main(arguments: list[str]) -> int:
    """See the module."""
    if arguments not in (["check"], ["check", "--verbose"]):
        sys.stderr.write("usage: python -m platform_assets.monitoring check [--verbose]\n")
        return 2
    if "DAGSTER_HOME" not in os.environ:
        sys.stderr.write(
            "DAGSTER_HOME is not set, so there are no runs to look at. On one machine: source .venv/bin/activate first.\n"
        )
        return 2
    import dagster as dg

    from platform_assets.contracts.files import read_contracts
    from platform_assets.definitions import FOLLOWING, defs
    from platform_assets.monitoring.findings import one_line
    from platform_assets.monitoring.sensor import ELSEWHERE
    from platform_assets.monitoring.watch import Watched, look
    from resources.environment import resources_for

    try:
        platform = resources_for(os.environ.get("PLATFORM_ENV", "laptop"))
        watched = Watched.of(defs.get_repository_def(), read_contracts(), FOLLOWING)
        with dg.DagsterInstance.get() as instance:
            seen = look(instance, platform, watched, outside=True)
    except Exception as error:  # noqa: BLE001 - whatever it was, whoever watches the watchman has to hear of it
        line = {
            "severity": "ERROR",
            "event": "could_not_look",
            "error": type(error).__name__,
            "message": one_line(str(error)),
        }
        sys.stderr.write(f"{json.dumps(line)}\n")
        return 2
    if os.environ.get(ELSEWHERE) == "cron":  # Cloud Monitoring tells when these lines stop (deploy/terraform/alerts.tf)
        sys.stderr.write(f"{json.dumps({'severity': 'INFO', 'event': 'looked', 'wrong': len(seen.wrong)})}\n")
    for alert in seen.wrong:
        sys.stdout.write(f"{alert.severity}: {alert.title}\n")
    if "--verbose" in arguments:
        sys.stdout.write(f"{seen}\n")
    elif seen.undelivered:
        sys.stdout.write(f"{seen.undelivered} alert(s) could not be delivered; tried again at the next look\n")
    return 1 if seen.undelivered else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
