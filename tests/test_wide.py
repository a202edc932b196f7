"""What each step's pod gets in the cluster."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from platform_assets.contracts.model import Contract
from platform_assets.wide import (
    COMPONENT,
    DRAW,
    FETCH,
    PUBLISH,
    SFTP,
    engine_memory,
    executor,
    step_settings,
    tags_with_keys,
)
from tests.conftest import lab_contract

KEYS = {"PLATFORM_ENV": "cloud", "PLATFORM_IDENTITY_KEYS_DIR": "/keys"}
SCRIPTS = [Path("r_scripts/indicators/turnaround.R")]


def resources(tmp_path: Path, text: str) -> Path:
    path = tmp_path / "wide.yaml"
    path.write_text(text)
    return path


def test_an_r_step_is_labelled_for_its_policy_and_holds_no_token(tmp_path: Path) -> None:
    settings = step_settings({}, {}, SCRIPTS, resources(tmp_path, ""))
    pod = settings["indicators__turnaround"]
    assert pod["pod_template_spec_metadata"]["labels"] == {COMPONENT: "r-worker"}
    assert pod["pod_spec_config"] == {"automount_service_account_token": False}


def test_only_a_step_that_fetches_gets_a_way_out(tmp_path: Path) -> None:
    contracts = {
        "lab": lab_contract(),
        "fetched": lab_contract(name="fetched", source={"kind": "http", "url": "https://example.org/lab.csv"}),
    }
    settings = step_settings({}, contracts, [], resources(tmp_path, ""))
    assert settings == {"ingest_fetched": {"pod_template_spec_metadata": {"labels": {FETCH: "yes"}}}}


def test_who_fetches_or_delivers_gets_the_way_of_the_place_and_the_partners_addresses(tmp_path: Path) -> None:
    fetched = lab_contract(name="fetched", source={"kind": "sftp", "server": "lab", "folder": "out"})
    exports = {"to_server": "sftp", "to_bucket": "bucket", "to_folder": "folder"}
    settings = step_settings(
        {"PLATFORM_SECRETS_DIR": "/partners"}, {"fetched": fetched}, [], resources(tmp_path, ""), exports
    )
    labels = {step: pod["pod_template_spec_metadata"]["labels"] for step, pod in settings.items()}
    assert labels == {
        "ingest_fetched": {SFTP: "yes"},
        "exports__to_server": {SFTP: "yes"},
        "exports__to_bucket": {FETCH: "yes"},
    }
    for pod in settings.values():
        (mount,) = pod["container_config"]["volume_mounts"]
        (volume,) = pod["pod_spec_config"]["volumes"]
        assert (mount["name"], mount["mount_path"], mount["read_only"]) == (volume["name"], "/partners", True)
        assert volume["secret"]["optional"]  # without it the step says which address is missing
    held = step_settings({**KEYS, "PLATFORM_SECRETS_DIR": "/partners"}, {}, [], resources(tmp_path, ""), exports)
    assert _held(held["exports__to_server"]) == {"PLATFORM_IDENTITY_KEY_AUDIT"}
    assert {v["name"] for v in held["exports__to_server"]["pod_spec_config"]["volumes"]} == {"identities", "partners"}


def test_a_step_gets_the_resources_that_the_file_says_as_request_and_limit(tmp_path: Path) -> None:
    text = "ingest_lab: {cpu: '4', memory: 16Gi}\n"
    settings = step_settings({}, {"lab": lab_contract()}, SCRIPTS, resources(tmp_path, text))
    wanted = {"cpu": "4", "memory": "16Gi"}
    container = settings["ingest_lab"]["container_config"]
    assert container["resources"] == {"requests": wanted, "limits": wanted}
    # 65 % of 16 GiB, for the engine: it spills before the kernel kills
    assert container["env"] == [{"name": "PLATFORM_MEMORY_LIMIT", "value": "11166MB"}]
    assert "container_config" not in settings["indicators__turnaround"]


def test_resources_for_a_step_that_does_not_exist_are_refused(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="ingest_labs: there is no such step"):
        step_settings({}, {"lab": lab_contract()}, [], resources(tmp_path, "ingest_labs: {cpu: '4'}\n"))


def test_memory_is_said_in_units_that_the_engines_share_is_known_of(tmp_path: Path) -> None:
    assert engine_memory("512Mi") == "348MB"
    for unknown in ("8G", "8", "Gi", "1.5Gi"):
        with pytest.raises(ValueError, match="write whole Gi or Mi"):
            step_settings(
                {}, {"lab": lab_contract()}, [], resources(tmp_path, f"ingest_lab: {{memory: '{unknown}'}}\n")
            )


def test_in_the_cluster_and_only_there_a_step_has_a_pod() -> None:
    assert executor({}, {}, []).name == "in_process"
    assert executor(KEYS, *_everything()).name == "k8s"


def test_steps_that_load_hold_the_keys_and_no_step_of_r_does(tmp_path: Path) -> None:
    contracts, scripts = _everything()
    settings = step_settings(KEYS, contracts, scripts)
    loads = {f"ingest_{name}" for name in contracts}
    assert {step for step, pod in settings.items() if "platform-identities" in str(pod)} == {*loads, DRAW}
    assert {step for step, pod in settings.items() if "/keys" in str(pod)} == {*loads, DRAW}
    assert len(settings) > len(loads)
    # published counts are drawn by one key, which is where they are drawn and nowhere else; their figures are made by R
    held = {step: _held(pod) for step, pod in settings.items()}
    assert held[DRAW] == {"PLATFORM_IDENTITY_KEY_RELEASE"}
    assert settings[PUBLISH] == settings["indicators__turnaround"]
    purposes = {p for contract in contracts.values() for p in contract.identifiers.values()} | {"erasure", "audit"}
    assert [held[step] for step in loads] == [{f"PLATFORM_IDENTITY_KEY_{p.upper()}" for p in purposes}] * len(loads)
    # resources of a step do not push its keys out
    given = step_settings(KEYS, {"lab": lab_contract()}, [], resources(tmp_path, "ingest_lab: {memory: 16Gi}\n"))
    container = given["ingest_lab"]["container_config"]
    assert container["volume_mounts"] == [{"name": "identities", "mount_path": "/keys", "read_only": True}]
    assert container["resources"]["limits"] == {"memory": "16Gi"}


def test_runs_that_erase_hold_them_too() -> None:
    assert "platform-identities" in str(tags_with_keys(KEYS))
    assert tags_with_keys({}) == tags_with_keys({**KEYS, "PLATFORM_ENV": "laptop"}) == {}


def _held(pod: dict[str, Any]) -> set[str]:
    """The files that the pod's volume of keys has."""
    volumes = [v["secret"] for v in pod.get("pod_spec_config", {}).get("volumes", []) if v["name"] == "identities"]
    assert all(item["key"] == item["path"] for volume in volumes for item in volume["items"])
    return {item["path"] for volume in volumes for item in volume["items"]}


def _everything() -> tuple[dict[str, Contract], list[Path]]:
    from platform_assets.contracts.files import read_contracts
    from platform_assets.indicators.script.header import list_indicators
    from resources.environment import INDICATORS

    return read_contracts(), list_indicators(INDICATORS)
