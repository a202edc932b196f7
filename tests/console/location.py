"""The code location that the browser tests run: the platform's, with the stewards' jobs."""

from dagster import Definitions

from platform_assets.components import stewardship as jobs
from platform_assets.contracts.files import read_contracts
from platform_assets.definitions import build_definitions


def _definitions() -> Definitions:
    platform = build_definitions()
    wired = "erase" in {job.name for job in platform.jobs or []}
    return platform if wired else Definitions.merge(platform, jobs.definitions(read_contracts()))


defs = _definitions()
