"""The image, built on a fresh Debian and used in every role, by deploy/image/test.sh."""

from __future__ import annotations

import os
import signal
import subprocess
from pathlib import Path

import pytest

from tests.programs import missing

ROOT = Path(__file__).resolve().parents[2]
PATIENCE = 720
"""Seconds. Most of the time goes into fetching a gigabyte of packages; a machine that takes longer has a slow mirror."""


@pytest.mark.slow
@pytest.mark.skipif(
    not os.environ.get("PLATFORM_TEST_IMAGE"),
    reason="NOT TESTED: building the image takes minutes. PLATFORM_TEST_IMAGE=1, or make test-image",
)
def test_the_image_is_built_and_works_in_every_role_read_only_without_network() -> None:
    script = subprocess.Popen(
        [ROOT / "deploy" / "image" / "test.sh"],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    try:
        said, wrong = script.communicate(timeout=PATIENCE)
    except subprocess.TimeoutExpired:
        os.killpg(script.pid, signal.SIGKILL)
        said, wrong = script.communicate()
        missing(f"the image took longer than {PATIENCE // 60} minutes; it came as far as: {said[-500:]}")
    if script.returncode == 77:
        missing(wrong.strip().removeprefix("NOT TESTED: "))
    assert script.returncode == 0, f"{said[-3000:]}\n{wrong[-3000:]}"
    assert "the image works in every role" in said
