"""What the environment says about how R is locked in."""

from __future__ import annotations

from pathlib import Path

import pytest

from resources.environment import Settings, resources_for
from resources.r_runtime import SandboxMode


@pytest.fixture
def cloud(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in {
        "PLATFORM_ENV": "cloud",
        "PLATFORM_BUCKET": "bucket",
        "PLATFORM_LAKE": "gs://bucket/lake",
        "PLATFORM_CATALOG": "postgresql://platform@127.0.0.1:5432/lake",
    }.items():
        monkeypatch.setenv(name, value)


@pytest.mark.parametrize(("said", "meant"), [("", "best"), ("best", "best"), ("Required", "required"), ("OFF", "off")])
def test_on_a_laptop_r_is_locked_in_as_well_as_possible_or_as_asked(
    said: str, meant: SandboxMode, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("DATA_HOME", str(tmp_path))
    monkeypatch.setenv("PLATFORM_R_SANDBOX", said)
    assert resources_for("laptop", Settings.from_environment()).r.sandbox == meant


@pytest.mark.usefixtures("cloud")
@pytest.mark.parametrize("said", [None, "", "required", "REQUIRED"])
def test_in_the_cloud_r_is_locked_in(said: str | None, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("DATA_HOME", str(tmp_path))
    if said is None:
        monkeypatch.delenv("PLATFORM_R_SANDBOX", raising=False)
    else:
        monkeypatch.setenv("PLATFORM_R_SANDBOX", said)
    assert resources_for("cloud", Settings.from_environment()).r.sandbox == "required"
    assert resources_for("cloud", Settings(tmp_path)).r.sandbox == "required"


@pytest.mark.usefixtures("cloud")
@pytest.mark.parametrize("said", ["best", "off"])
def test_in_the_cloud_nothing_weaker_is_accepted(said: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("PLATFORM_R_SANDBOX", said)
    with pytest.raises(
        ValueError, match=f"PLATFORM_R_SANDBOX={said} is for a laptop only: in the cloud R runs locked in"
    ):
        resources_for("cloud", Settings.from_environment())


@pytest.mark.parametrize("said", ["none", "true", "0", "require"])
def test_a_misspelt_mode_is_no_mode(said: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PLATFORM_R_SANDBOX", said)
    with pytest.raises(ValueError, match="is not known; use best, required, off"):
        Settings.from_environment()
