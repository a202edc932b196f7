"""The code location that the browser tests run: the platform's, with the stewards' jobs."""

from dagster import Definitions

from platform_assets.contracts.files import read_contracts
from platform_assets.definitions import build_definitions
from platform_assets.stewardship import jobs

_base = build_definitions()
_wired = "erase" in {job.name for job in _base.jobs or []}
defs = _base if _wired else Definitions.merge(_base, jobs.definitions(read_contracts()))
