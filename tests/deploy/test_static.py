"""What linters of their own say of the image, the rendered cluster and Terraform: hadolint, checkov, Terraform's formatter."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from tests.programs import missing, needed

ROOT = Path(__file__).resolve().parents[2]


@pytest.mark.slow
def test_hadolint_checkov_and_terraforms_formatter_have_nothing_to_say() -> None:
    kubectl = needed("kubectl", "kubectl, from Google's or the Kubernetes project's repository")
    if (
        "Kustomize Version: v5"
        not in subprocess.run([kubectl, "version", "--client"], capture_output=True, text=True).stdout
    ):
        missing("kubectl is older than 1.27 and cannot render the overlays. Install a newer one")
    done = subprocess.run([ROOT / "deploy" / "check.sh"], capture_output=True, text=True)
    assert done.returncode == 0, f"{done.stdout[-3000:]}\n{done.stderr[-3000:]}"
    for clean in ("hadolint", "overlay test", "overlay production", "terraform is clean", "terraform fmt"):
        assert clean in done.stdout
