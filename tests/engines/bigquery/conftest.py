"""A running emulator, and pairs of benches on it."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from google.cloud import bigquery

from platform_assets.contracts.model import Contract
from resources.environment import Platform
from resources.gcp.bigquery import BigQuery
from tests.conftest import LAB
from tests.engines.bigquery.place import Both, both
from tests.resources.gcp.bigquery_emulator import PROJECT, big_query

_NUMBERS = itertools.count(1)


@pytest.fixture(scope="session")
def buckets(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder whose folders are the buckets."""
    return tmp_path_factory.mktemp("buckets")


@pytest.fixture(scope="module")
def client(buckets: Path) -> Iterator[bigquery.Client]:
    """An emulator for each module: it keeps a copy of every table after every change, and becomes slower with each."""
    with big_query(buckets) as running:
        yield running


@pytest.fixture
def engine(client: bigquery.Client) -> BigQuery:
    return BigQuery(PROJECT, "europe-west4", client=client, labels={"run": "test"})


@pytest.fixture
def pair(platform: Platform, engine: BigQuery, buckets: Path, expressions: Path) -> Callable[..., Both]:
    """Make a pair: `pair(load={...})` changes the small laboratory contract, `pair({...})` takes another. Each has a name of its own,
    since the tests of a module share one BigQuery."""

    def make(contract: dict[str, Any] | None = None, **changes: Any) -> Both:
        name = f"d{next(_NUMBERS)}"
        made = Contract.model_validate({**(contract or LAB), **changes, "name": name})
        bucket = f"bucket-{name}"
        (buckets / bucket / "lake").mkdir(parents=True)
        (buckets / bucket / "lake" / "expressions").symlink_to(expressions)
        return both(platform, engine, made, buckets, bucket)

    return make
