"""One house for all tests of a process: nobody changes it."""

from __future__ import annotations

from pathlib import Path

import pytest

from platform_assets.access import handing_out
from resources.environment import Platform, Settings
from resources.identity import EnvironmentKeys
from resources.lake.warehouse import Warehouse
from resources.object_store import LocalStore
from tests.conftest import Keys
from tests.dashboard.house import House, house_of


@pytest.fixture(scope="session")
def house(tmp_path_factory: pytest.TempPathFactory) -> House:
    folder = tmp_path_factory.mktemp("house")
    home = folder / "home"
    (home / "lake").mkdir(parents=True)
    platform = Platform(
        settings=Settings(home=home, settle_seconds=0),
        warehouse=Warehouse(home / "lake"),
        store=LocalStore(home),
        keys=EnvironmentKeys(Keys()),
    )
    return house_of(platform, folder)


@pytest.fixture(autouse=True)
def every_entry_is_written() -> None:
    """That the same was seen lately needs no second entry; tests count entries."""
    handing_out._UNTIL.clear()


@pytest.fixture
def scripts_folder(house: House) -> Path:
    return house.scripts._folder
