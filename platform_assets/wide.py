"""The weekly job with a pod per step, for the cluster: each step with its own resources, and with no more network than it needs.

Which network a pod has is said by its labels (``deploy/kustomize/base/network.yaml``). R steps are `r-worker`: they reach the database,
Google's private addresses and names, as the step itself reads the lake and writes its events; they reach neither the internet nor the
cluster's API, and hold no token for it. R has no network at all: the step runs it in a child that is cut off.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import dagster as dg

if TYPE_CHECKING:
    from platform_assets.contracts.model import Contract

NAME = "weekly_wide"
RESOURCES = Path(__file__).with_name("wide.yaml")
AT_ONCE = 8
"""Pods side by side; the namespace's quota has room for them and for a run per sensor (``deploy/kustomize/base/limits.yaml``)."""
COMPONENT = "app.kubernetes.io/component"
FETCH = "platform/fetch"
OF_THE_ENGINE = 0.65
"""Share of a pod's memory that the engine may use before it spills; the rest is Python's, Arrow's and R's."""


def wide_jobs(
    environment: Mapping[str, str], contracts: Mapping[str, Contract], scripts: list[Path]
) -> list[dg.UnresolvedAssetJobDefinition]:
    """The job `weekly_wide` where there is a cluster (PLATFORM_ENV=cloud), none elsewhere: the library behind it costs a second to load."""
    if environment.get("PLATFORM_ENV", "laptop") != "cloud":
        return []
    from dagster_k8s import k8s_job_executor

    settings = {"max_concurrent": AT_ONCE, "per_step_k8s_config": step_settings(contracts, scripts)}
    job = dg.define_asset_job(
        NAME,
        selection=dg.AssetSelection.all(),
        description="The weekly job with a pod per step: for data that do not fit one pod, or one night.",
        executor_def=k8s_job_executor.configured(settings),
    )
    return [job]


def step_settings(
    contracts: Mapping[str, Contract], scripts: list[Path], resources: Path = RESOURCES
) -> dict[str, dict[str, Any]]:
    """Step -> what the executor adds to its pod (dagster-k8s's ``per_step_k8s_config``).

    Raises ValueError where `resources` names a step that does not exist.
    """
    import yaml

    r_steps = {f"indicators__{path.stem}" for path in scripts}
    loads = {f"ingest_{name}": contract for name, contract in contracts.items()}
    given: dict[str, dict[str, str]] = yaml.safe_load(resources.read_text(encoding="utf-8")) or {}
    unknown = set(given) - r_steps - set(loads)
    if unknown:
        raise ValueError(
            f"{resources.name} gives resources to {', '.join(sorted(unknown))}: there is no such step. "
            "Steps are named ingest_<dataset> and indicators__<name>"
        )
    settings: dict[str, dict[str, Any]] = {}
    for step in sorted(r_steps | set(loads)):
        pod: dict[str, Any] = {}
        if step in r_steps:
            pod["pod_template_spec_metadata"] = {"labels": {COMPONENT: "r-worker"}}
            pod["pod_spec_config"] = {"automount_service_account_token": False}
        elif loads[step].source.reaches_out:
            pod["pod_template_spec_metadata"] = {"labels": {FETCH: "yes"}}
        if step in given:
            # as much as is asked for and no more: a pod that is promised less than it uses is evicted first
            container: dict[str, Any] = {"resources": {"requests": given[step], "limits": given[step]}}
            if "memory" in given[step]:
                container["env"] = [{"name": "PLATFORM_MEMORY_LIMIT", "value": engine_memory(given[step]["memory"])}]
            pod["container_config"] = container
        if pod:
            settings[step] = pod
    return settings


def engine_memory(memory: str) -> str:
    """PLATFORM_MEMORY_LIMIT (in MB, 10^6 bytes) for a pod with `memory`, a Kubernetes quantity in Gi or Mi.

    Raises ValueError for any other unit.
    """
    units = {"Gi": 2**30, "Mi": 2**20}
    number, unit = memory[:-2], memory[-2:]
    if unit not in units or not number.isdecimal():
        raise ValueError(f"memory {memory!r} in {RESOURCES.name} is not understood: write whole Gi or Mi, such as 8Gi")
    return f"{int(int(number) * units[unit] * OF_THE_ENGINE / 1e6)}MB"
