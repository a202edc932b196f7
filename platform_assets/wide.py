"""How steps are executed: in the run's own process on one machine, in a pod for each in the cluster.

A pod has what its step needs and no more. The keys that pseudonymise are mounted where datasets are loaded and erased, the one by which published
counts are drawn where they are drawn, and R runs where no key is. Which network a pod has is said by its labels (``deploy/kustomize/base/network.yaml``): R steps are `r-worker`, which reach the
database, Google's private addresses and names, as the step itself reads the lake and writes its events; they reach neither the internet
nor the cluster's API, and hold no token for it. R has no network at all: the step runs it in a child that is cut off.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

import dagster as dg

from platform_assets.erasure.targets import PURPOSE as ERASURE
from platform_assets.exports import GROUP as EXPORTS
from resources.credentials import FOLDER as PARTNERS_FOLDER
from resources.identity import AUDIT, FOLDER, PREFIX, RELEASE

if TYPE_CHECKING:
    from platform_assets.contracts.model import Contract

RESOURCES = Path(__file__).with_name("wide.yaml")
AT_ONCE = 8
"""Pods side by side in a run; the namespace's quota has room for them and for a run per sensor (``deploy/kustomize/base/limits.yaml``)."""
COMPONENT = "app.kubernetes.io/component"
FETCH = "platform/fetch"
"""The label of pods that reach public addresses by HTTPS."""
SFTP = "platform/sftp"
"""The label of pods that reach them by SSH, port 22."""
PARTNERS = "platform-partners"
"""The secret with addresses and keys of partners' servers and buckets, mounted as files where it is there; made by who runs the cluster (docs/cloud.md)."""
KEYS = "platform-identities"
"""The secret with all keys (``deploy/kustomize/base/secrets.yaml``)."""
DRAW, PUBLISH = "products__drawn_counts", "products__releases"
"""The steps that draw counts, with a key and without R, and that make figures of them, with R and without a key."""
OF_THE_ENGINE = 0.65
"""Share of a pod's memory that the engine may use before it spills; the rest is Python's, Arrow's and R's."""


def executor(
    environment: Mapping[str, str],
    contracts: Mapping[str, Contract],
    scripts: list[Path],
    exports: Mapping[str, str] = MappingProxyType({}),
) -> dg.ExecutorDefinition:
    """What executes the steps of all runs: pods where there is a cluster (PLATFORM_ENV=cloud), the run's own process elsewhere.

    `exports` says of each export to what kind of place it goes.
    """
    if environment.get("PLATFORM_ENV", "laptop") != "cloud":
        # a step costs 0.1 s there, and seconds in a process of its own; R has one anyway
        return dg.in_process_executor
    from dagster_k8s import k8s_job_executor

    steps = step_settings(environment, contracts, scripts, exports=exports)
    return k8s_job_executor.configured({"max_concurrent": AT_ONCE, "per_step_k8s_config": steps})


def with_keys(environment: Mapping[str, str], purposes: Collection[str] = ()) -> dict[str, Any]:
    """What a pod gets that needs the keys (of `purposes`; without them all that there are): files, as a variable would be in the memory of the run,
    and of all that it starts, to its end."""
    names = [PREFIX + purpose.upper() for purpose in sorted(purposes)]
    # one that is not there is missed by the step, which says what to do; a pod that waits for it says nothing
    chosen = {"items": [{"key": name, "path": name} for name in names], "optional": True} if names else {}
    return {
        "container_config": {
            "volume_mounts": [{"name": "identities", "mount_path": environment[FOLDER], "read_only": True}]
        },
        "pod_spec_config": {
            "volumes": [{"name": "identities", "secret": {"secret_name": KEYS, "default_mode": 0o440, **chosen}}]
        },
    }


def tags_with_keys(environment: Mapping[str, str]) -> dict[str, Any]:
    """Tags of a job whose runs need the keys in their own pod; none where there is no cluster."""
    cloud = environment.get("PLATFORM_ENV", "laptop") == "cloud"
    return {"dagster-k8s/config": with_keys(environment)} if cloud and environment.get(FOLDER) else {}


def step_settings(
    environment: Mapping[str, str],
    contracts: Mapping[str, Contract],
    scripts: list[Path],
    resources: Path = RESOURCES,
    exports: Mapping[str, str] = MappingProxyType({}),
) -> dict[str, dict[str, Any]]:
    """Step -> what the executor adds to its pod (dagster-k8s's ``per_step_k8s_config``).

    Raises ValueError where `resources` names a step that does not exist.
    """
    import yaml

    r_steps = {f"indicators__{path.stem}" for path in scripts}
    loads = {f"ingest_{name}": contract for name, contract in contracts.items()}
    of_people = {p for contract in contracts.values() for p in contract.identifiers.values()} | {ERASURE, AUDIT}
    others = {DRAW, PUBLISH} if r_steps else set()
    doors = {f"{EXPORTS}__{name}": kind for name, kind in exports.items()}
    given: dict[str, dict[str, str]] = yaml.safe_load(resources.read_text(encoding="utf-8")) or {}
    unknown = set(given) - r_steps - set(loads) - others - set(doors)
    if unknown:
        raise ValueError(
            f"{resources.name} gives resources to {', '.join(sorted(unknown))}: there is no such step. "
            f"Steps are named ingest_<dataset>, indicators__<name>, exports__<name>, {DRAW} and {PUBLISH}"
        )
    settings: dict[str, dict[str, Any]] = {}
    for step in sorted(r_steps | set(loads) | others | set(doors)):
        pod: dict[str, Any] = {}
        if step in r_steps or step == PUBLISH:
            pod["pod_template_spec_metadata"] = {"labels": {COMPONENT: "r-worker"}}
            pod["pod_spec_config"] = {"automount_service_account_token": False}
        else:
            purposes = {RELEASE} if step == DRAW else {AUDIT} if step in doors else of_people
            pod = with_keys(environment, purposes) if environment.get(FOLDER) else {}
            kind = doors.get(step) or (
                loads[step].source.kind if step in loads and loads[step].source.reaches_out else ""
            )
            if kind and kind != "folder":
                pod["pod_template_spec_metadata"] = {"labels": {SFTP if kind == "sftp" else FETCH: "yes"}}
                _with_partners(environment, pod)
        if step in given:
            # as much as is asked for and no more: a pod that is promised less than it uses is evicted first
            container = pod.setdefault("container_config", {})
            container["resources"] = {"requests": given[step], "limits": given[step]}
            if "memory" in given[step]:
                container["env"] = [{"name": "PLATFORM_MEMORY_LIMIT", "value": engine_memory(given[step]["memory"])}]
        if pod:
            settings[step] = pod
    return settings


def _with_partners(environment: Mapping[str, str], pod: dict[str, Any]) -> None:
    """Mount what says where partners are, and how they let us in."""
    folder = environment.get(PARTNERS_FOLDER)
    if not folder:
        return
    container = pod.setdefault("container_config", {})
    container.setdefault("volume_mounts", []).append({"name": "partners", "mount_path": folder, "read_only": True})
    volume = {"name": "partners", "secret": {"secret_name": PARTNERS, "default_mode": 0o440, "optional": True}}
    pod.setdefault("pod_spec_config", {}).setdefault("volumes", []).append(volume)


def engine_memory(memory: str) -> str:
    """PLATFORM_MEMORY_LIMIT (in MB, 10^6 bytes) for a pod with `memory`, a Kubernetes quantity in Gi or Mi.

    Raises ValueError for any other unit.
    """
    units = {"Gi": 2**30, "Mi": 2**20}
    number, unit = memory[:-2], memory[-2:]
    if unit not in units or not number.isdecimal():
        raise ValueError(f"memory {memory!r} in {RESOURCES.name} is not understood: write whole Gi or Mi, such as 8Gi")
    return f"{int(int(number) * units[unit] * OF_THE_ENGINE / 1e6)}MB"
