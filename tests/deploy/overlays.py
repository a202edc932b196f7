"""The overlays as Kubernetes would get them, and small questions to ask of them."""

from __future__ import annotations

import functools
import subprocess
from pathlib import Path
from typing import Any

import yaml

from tests.programs import missing, needed

DEPLOY = Path(__file__).resolve().parents[2] / "deploy"
OVERLAYS = ("test", "production")
OF_OTHERS = {"ExternalSecret", "SecretStore", "ManagedCertificate", "FrontendConfig", "BackendConfig"}
Resource = dict[str, Any]


@functools.cache
def rendered(overlay: str) -> list[Resource]:
    return rendered_in(DEPLOY, overlay)


def rendered_in(deploy: Path, overlay: str) -> list[Resource]:
    kubectl = needed("kubectl", "kubectl, from Google's or the Kubernetes project's repository")
    version = subprocess.run([kubectl, "version", "--client"], capture_output=True, text=True).stdout
    if "Kustomize Version: v5" not in version:
        missing("kubectl is older than 1.27 (Debian 12's is 1.20) and cannot render the overlays. Install a newer one")
    done = subprocess.run(
        [
            kubectl,
            "kustomize",
            str(deploy / "kustomize/overlays" / overlay),
            "--load-restrictor",
            "LoadRestrictionsNone",
        ],
        check=True,
        capture_output=True,
        text=True,
    )
    return [r for r in yaml.safe_load_all(done.stdout) if r]


def of_kind(overlay: str, kind: str) -> dict[str, Resource]:
    return {r["metadata"]["name"]: r for r in rendered(overlay) if r["kind"] == kind}


def pods(overlay: str) -> dict[str, Resource]:
    """Pod templates of all deployments, and of the job that cron starts."""
    deployed = {name: d["spec"]["template"] for name, d in of_kind(overlay, "Deployment").items()}
    by_cron = of_kind(overlay, "CronJob").items()
    return deployed | {name: c["spec"]["jobTemplate"]["spec"]["template"] for name, c in by_cron}


def selects(selector: Resource, labels: dict[str, str]) -> bool:
    """Whether a label selector fits (kubernetes.io/docs/concepts/overview/working-with-objects/labels)."""
    if any(labels.get(k) != v for k, v in selector.get("matchLabels", {}).items()):
        return False
    for rule in selector.get("matchExpressions", []):
        inside = labels.get(rule["key"]) in rule["values"]
        if inside != (rule["operator"] == "In"):
            return False
    return True
