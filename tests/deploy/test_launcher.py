"""Runs in the cluster: deploy/dagster.yaml's launcher and the step executor, against an API server that runs the jobs it is sent."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import dagster as dg
import pytest
import yaml

from tests.deploy.kubernetes_api import Cluster, kubeconfig

DEPLOY = Path(__file__).resolve().parents[2] / "deploy"
IMAGE = "registry.example/platform@sha256:" + "a" * 64
DEFINITIONS = """
import time
from pathlib import Path
import dagster as dg
from dagster_k8s import k8s_job_executor
from platform_assets.wide import step_settings, tags_with_keys
from tests.conftest import lab_contract

@dg.op
def one() -> int:
    return 1

# as the platform names the step of a load
@dg.op(name="ingest_three")
def three(one: int) -> int:
    return one

# as the platform names the step of an R script
@dg.op(name="indicators__two")
def two(one: int) -> None:
    assert one == 1

@dg.op
def slow() -> None:
    time.sleep(60)

@dg.job(executor_def=dg.in_process_executor)
def long():
    slow()

@dg.job(executor_def=k8s_job_executor.configured({"load_incluster_config": False, "kubeconfig_file": "KUBECONFIG", "max_concurrent": 2,
    "per_step_k8s_config": step_settings({"PLATFORM_IDENTITY_KEYS_DIR": "/keys"}, {"three": lab_contract()}, [Path("two.R")], Path("RESOURCES"))}))
def wide():
    two(three(one()))

@dg.job(executor_def=dg.in_process_executor,
        tags=tags_with_keys({"PLATFORM_ENV": "cloud", "PLATFORM_IDENTITY_KEYS_DIR": "/keys"}))
def erases():
    one()

defs = dg.Definitions(jobs=[long, wide, erases])
"""


class Setup:
    """An instance with the cluster's launcher; only its storage is local and its API server is the test's."""

    def __init__(self, home: Path, cluster: Cluster, port: int) -> None:
        self.home = home
        self.cluster = cluster
        config_file = kubeconfig(port, home)
        self.file = home / "jobs.py"
        resources = home / "wide.yaml"
        resources.write_text("indicators__two: {cpu: '1', memory: 8Gi}\n")
        self.file.write_text(DEFINITIONS.replace("KUBECONFIG", str(config_file)).replace("RESOURCES", str(resources)))
        settings = yaml.safe_load((DEPLOY / "dagster.yaml").read_text(encoding="utf-8"))
        settings["run_launcher"]["config"] |= {"load_incluster_config": False, "kubeconfig_file": str(config_file)}
        # the jobs' processes run here: they use this instance, not the one that the image holds
        settings["run_launcher"]["config"]["dagster_home"] = str(home)
        # no daemon takes runs from the queue here: they start at once
        settings["run_coordinator"] = {"module": "dagster.core.run_coordinator", "class": "DefaultRunCoordinator"}
        del settings["storage"], settings["concurrency"]
        (home / "dagster.yaml").write_text(yaml.safe_dump(settings))
        self.environment = {
            "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}",
            "DAGSTER_HOME": str(home),
            "PLATFORM_NAMESPACE": "platform",
            "PLATFORM_IMAGE": IMAGE,
            "DAGSTER_DISABLE_TELEMETRY": "yes",
            "PYTHONPATH": str(DEPLOY.parent),
        }
        cluster.environment.update(self.environment)

    def launch(self, job: str) -> str:
        """Start `job` by Dagster's command line; returns the run's id."""
        done = subprocess.run(
            ["dagster", "job", "launch", "-f", str(self.file), "-j", job],
            env={**os.environ, **self.environment},
            check=False,
            capture_output=True,
            text=True,
        )
        assert done.returncode == 0, done.stderr[-3000:]
        with self.instance() as instance:
            return instance.get_runs(limit=1)[0].run_id

    def instance(self) -> dg.DagsterInstance:
        """The instance, to look at."""
        return dg.DagsterInstance.from_config(str(self.home))

    def wait(self, run_id: str, *wanted: dg.DagsterRunStatus, seconds: float = 600) -> dg.DagsterRun:
        """The run, once it has one of the statuses `wanted`."""
        deadline = time.monotonic() + seconds
        with self.instance() as instance:
            while True:
                run = instance.get_run_by_id(run_id)
                assert run is not None
                if run.status in wanted:
                    return run
                assert time.monotonic() < deadline, run.status
                assert not run.is_finished, run.status
                time.sleep(0.2)

    def job(self, start: str) -> dict[str, Any]:
        """The sent job whose name begins with `start`."""
        found = [j.sent for name, j in self.cluster.jobs.items() if name.startswith(start)]
        assert len(found) == 1
        return found[0]


@pytest.fixture
def setup(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Setup]:
    cluster = Cluster({})
    server = cluster.start()
    made = Setup(tmp_path, cluster, server.server_address[1])
    for name, value in made.environment.items():
        monkeypatch.setenv(name, value)
    yield made
    cluster.close()
    server.shutdown()
    server.server_close()


@pytest.mark.slow
def test_a_run_becomes_a_restricted_job_and_each_step_of_a_wide_run_its_own(setup: Setup) -> None:
    run_id = setup.launch("wide")
    setup.wait(run_id, dg.DagsterRunStatus.SUCCESS, seconds=180)
    assert not setup.cluster.refused
    job = setup.job(f"dagster-run-{run_id[:8]}")
    template = job["spec"]["template"]
    pod, container = template["spec"], template["spec"]["containers"][0]
    assert container["args"][:3] == ["dagster", "api", "execute_run"]
    assert "command" not in container  # the image has no entry point, so the arguments are the command
    assert container["image"] == IMAGE
    assert pod["serviceAccountName"] == "platform-run"
    assert job["spec"]["backoffLimit"] == 0
    assert template["metadata"]["labels"]["app.kubernetes.io/component"] == "run"  # what the network policies look for
    assert {"configMapRef": {"name": "platform"}} in container["envFrom"]
    assert {"secretRef": {"name": "platform-lake"}} in container["envFrom"]
    assert "platform-identities" not in str(container["envFrom"])
    secrets = [e["valueFrom"]["secretKeyRef"] for e in container["env"] if "valueFrom" in e]
    assert secrets == [{"name": "dagster-postgres", "key": "postgresql-password"}]
    assert container["resources"]["limits"]["memory"] == "4Gi"
    assert {m["mountPath"] for m in container["volumeMounts"]} >= {"/tmp", "/var/lib/platform/data"}
    steps = {
        job.sent["metadata"]["labels"]["dagster/op"]: job.sent["spec"]["template"]
        for name, job in setup.cluster.jobs.items()
        if name.startswith("dagster-step-")
    }
    assert set(steps) == {"one", "indicators__two", "ingest_three"}
    # the keys that pseudonymise: where a dataset is loaded, and nowhere else
    held = {name: _keys(one) for name, one in {"the run": template, **steps}.items()}
    assert held == {"the run": None, "one": None, "indicators__two": None, "ingest_three": (0o440, "/keys", True)}
    containers = {name: template["spec"]["containers"][0] for name, template in steps.items()}
    assert all(c["args"][:3] == ["dagster", "api", "execute_step"] for c in containers.values())
    assert containers["one"]["resources"]["limits"]["memory"] == "4Gi"
    assert containers["indicators__two"]["resources"]["limits"]["memory"] == "8Gi"
    # of its own memory the engine may use its share; where a step says nothing, ConfigMap `platform` tells
    own = {n: {e["name"]: e.get("value") for e in c["env"]}.get("PLATFORM_MEMORY_LIMIT") for n, c in containers.items()}
    assert own == {"one": None, "indicators__two": "5583MB", "ingest_three": None}
    # steps have what the launcher gives to runs: a disk of their own, and nobody moves them
    for one in (template, *steps.values()):
        assert one["metadata"]["annotations"]["cluster-autoscaler.kubernetes.io/safe-to-evict"] == "false"
        (disk,) = [v["ephemeral"] for v in one["spec"]["volumes"] if v["name"] == "data"]
        assert disk["volumeClaimTemplate"]["spec"]["resources"]["requests"]["storage"] == "100Gi"
        assert one["spec"]["securityContext"]["fsGroup"] == 10001  # who may write on it
        assert one["spec"]["containers"][0]["resources"]["limits"]["ephemeral-storage"] == "2Gi"
    # what the network policies look for: an R step is no run
    components = {name: t["metadata"]["labels"]["app.kubernetes.io/component"] for name, t in steps.items()}
    assert components == {"one": "run", "indicators__two": "r-worker", "ingest_three": "run"}
    assert steps["indicators__two"]["spec"]["automountServiceAccountToken"] is False
    assert steps["one"]["spec"]["automountServiceAccountToken"] is True


def _keys(template: dict[str, Any]) -> tuple[int, str, bool] | None:
    """Mode, place and read-only of the keys in a pod; None where it has none."""
    pod, container = template["spec"], template["spec"]["containers"][0]
    volumes = [v for v in pod["volumes"] if "identities" in str(v)]
    mounts = [m for m in container["volumeMounts"] if "identities" in str(m)]
    if not (volumes or mounts):
        return None
    (volume,), (mount,) = volumes, mounts
    assert (volume["name"], volume["secret"]["secretName"]) == (mount["name"], "platform-identities")
    return volume["secret"]["defaultMode"], mount["mountPath"], mount["readOnly"]


@pytest.mark.slow
def test_a_run_that_erases_holds_the_keys(setup: Setup) -> None:
    run_id = setup.launch("erases")
    setup.wait(run_id, dg.DagsterRunStatus.SUCCESS)
    template = setup.job(f"dagster-run-{run_id[:8]}")["spec"]["template"]
    assert _keys(template) == (0o440, "/keys", True)
    mounts = {m["mountPath"] for m in template["spec"]["containers"][0]["volumeMounts"]}
    assert mounts >= {"/keys", "/tmp", "/var/lib/platform/data"}


@pytest.mark.slow
def test_a_cancelled_run_loses_its_job_and_a_vanished_one_is_noticed(setup: Setup) -> None:
    run_id = setup.launch("long")
    run = setup.wait(run_id, dg.DagsterRunStatus.STARTED)
    with setup.instance() as instance:
        assert instance.run_launcher.check_run_worker_health(run).status.value == "RUNNING"
        assert instance.run_launcher.terminate(run_id)
        assert setup.cluster.deleted == [f"dagster-run-{run_id}"]
        setup.cluster.jobs[f"dagster-run-{run_id}"].process.wait()
        assert instance.run_launcher.check_run_worker_health(run).status.value == "FAILED"
        setup.cluster.jobs.clear()
        assert instance.run_launcher.check_run_worker_health(run).status.value in ("NOT_FOUND", "UNKNOWN")


def test_an_api_server_that_is_sent_nonsense_refuses_it() -> None:
    """The tests above mean something only if this one can say no."""
    cluster = Cluster({})
    good: dict[str, Any] = {
        "metadata": {"name": "j"},
        "spec": {
            "template": {
                "spec": {
                    "restartPolicy": "Never",
                    "securityContext": {"runAsNonRoot": True, "seccompProfile": {"type": "RuntimeDefault"}},
                    "containers": [
                        {
                            "name": "c",
                            "image": "i",
                            "args": ["true"],
                            "securityContext": {"allowPrivilegeEscalation": False, "capabilities": {"drop": ["ALL"]}},
                        }
                    ],
                }
            }
        },
    }
    cluster.environment = {"PATH": os.environ["PATH"]}
    assert cluster.create(good)
    for path, value in (
        (("spec", "backofLimit"), 0),
        (("spec", "template", "spec", "restartPolicy"), 1),
        (("spec", "template", "spec", "hostNetwork"), True),
        (("spec", "template", "spec", "securityContext"), {}),
    ):
        bad = json.loads(json.dumps(good))
        place = bad
        for key in path[:-1]:
            place = place[key]
        place[path[-1]] = value
        assert cluster.create(bad) is None, path
    cluster.close()
