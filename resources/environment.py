"""Which resources the platform runs on. `resources_for` is the only switch between a laptop and the cloud.

Nothing is opened here: a resource opens files and connections when it is used. From here on the process writes for its own user alone.
"""

from __future__ import annotations

import os
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, cast, get_args

from resources import private
from resources.identity import EnvironmentKeys, IdentityKeys, LaptopKeys
from resources.lake.warehouse import Warehouse
from resources.object_store import LocalStore, ObjectStore
from resources.r_runtime import RRuntime, SandboxMode
from resources.r_runtime.slots import Slots

if TYPE_CHECKING:
    from resources.gcp.bigquery import BigQuery

ENGINES = {"duckdb": "lake", "bigquery": "bigquery"}
"""What PLATFORM_ENGINE may say -> the package below ``platform_assets/engines`` that is meant."""
REPOSITORY = Path(__file__).resolve().parent.parent
INDICATORS = REPOSITORY / "r_scripts" / "indicators"
SERVED_BY_UI = "http://127.0.0.1:3001"
"""`make ui` serves what is meant for a browser there."""


def deliveries_are_on() -> bool:
    """Whether exported files are sent here (PLATFORM_DELIVERIES=on)."""
    return os.environ.get("PLATFORM_DELIVERIES", "off").lower() == "on"


@dataclass(frozen=True)
class Settings:
    """How this installation differs from the default. Everything can be set by environment variables."""

    home: Path
    """DATA_HOME: the one folder with state; default ``data`` in the repository."""
    memory_limit: str = "2GB"
    """PLATFORM_MEMORY_LIMIT: what the engine may use before it spills to disk."""
    past_days: int | None = None
    """PLATFORM_PAST_DAYS: earlier states of the lake's tables are forgotten after so many days; left out: never. What was made of a state that is
    forgotten can no longer be made again (docs/operate.md)."""
    sources: bool = False
    """PLATFORM_SOURCES=on: fetch what contracts with a source of their own ask for. Off on a laptop unless asked for."""
    deliveries: bool = False
    """PLATFORM_DELIVERIES=on: send exported files to whom they are for. Off unless asked for; files are made and wait."""
    settle_seconds: float = 2.0
    """PLATFORM_SETTLE_SECONDS: a file is complete when its size and time have not changed for so long."""

    products_url: str = ""
    """PLATFORM_PRODUCTS_URL: where the folder ``products`` is served over HTTP, for links in the UI; browsers follow no link from a
    served page to a local file. On a laptop by default where ``make ui`` serves it; empty: links name the file."""
    r_timeout_seconds: float = 600.0
    """PLATFORM_R_TIMEOUT_SECONDS: after this an R script is interrupted."""
    r_memory_mb: int = 4096
    """PLATFORM_R_MEMORY_MB: address space of an R script's process."""
    r_sandbox: SandboxMode | None = None
    """PLATFORM_R_SANDBOX: ``best`` locks R in as well as the kernel can, ``required`` runs no R where files and network cannot both be
    closed, ``off`` locks nothing. Left out: ``best`` on a laptop, ``required`` in the cloud, where nothing else is accepted."""

    engine: str = "duckdb"
    """PLATFORM_ENGINE: what loads datasets, ``duckdb`` (into the lake) or, in the cloud, ``bigquery``."""
    copied_rows: int = 5_000_000
    """PLATFORM_BIGQUERY_COPY_ROWS: validated tables of up to so many rows are copied from BigQuery to the lake after a load."""

    @classmethod
    def from_environment(cls) -> Settings:
        """Settings of this process."""
        laptop = os.environ.get("PLATFORM_ENV", "laptop") == "laptop"
        return cls(
            home=Path(os.environ.get("DATA_HOME") or REPOSITORY / "data").resolve(),
            memory_limit=os.environ.get("PLATFORM_MEMORY_LIMIT", "2GB"),
            past_days=_days(os.environ.get("PLATFORM_PAST_DAYS", "")),
            sources=os.environ.get("PLATFORM_SOURCES", "off").lower() == "on",
            products_url=os.environ.get("PLATFORM_PRODUCTS_URL", SERVED_BY_UI if laptop else "").rstrip("/"),
            r_timeout_seconds=float(os.environ.get("PLATFORM_R_TIMEOUT_SECONDS", "600")),
            r_memory_mb=int(os.environ.get("PLATFORM_R_MEMORY_MB", "4096")),
            r_sandbox=_sandbox_mode(os.environ.get("PLATFORM_R_SANDBOX", "")),
            deliveries=deliveries_are_on(),
            settle_seconds=float(os.environ.get("PLATFORM_SETTLE_SECONDS", "2")),
            engine=os.environ.get("PLATFORM_ENGINE", "duckdb").lower(),
            copied_rows=int(os.environ.get("PLATFORM_BIGQUERY_COPY_ROWS", "5000000")),
        )


@dataclass(frozen=True)
class Platform:
    """Everything that assets use."""

    settings: Settings
    warehouse: Warehouse
    store: ObjectStore
    keys: IdentityKeys
    r: RRuntime = field(default_factory=RRuntime)
    engine: str = "lake"
    """What loads datasets and runs SQL indicators: a package below ``platform_assets/engines``."""
    bigquery: BigQuery | None = None
    """Where that is BigQuery: the way to it."""
    bucket: str = ""
    """The bucket of `store`; empty where it is a folder."""
    copies: BigQuery | None = None
    """Where indicators and products are published to, while the datasets stay in the lake; None: nowhere."""

    @property
    def published(self) -> BigQuery | None:
        """The BigQuery that has tables of indicators and products, as engine or as copies."""
        return self.bigquery or self.copies


def resources_for(environment: str, settings: Settings | None = None) -> Platform:
    """The resources of `environment`: ``laptop`` (the default everywhere) or ``cloud`` (a bucket, and a catalog for many machines).

    Raises ValueError for an environment or an engine that does not exist.
    """
    settings = settings or Settings.from_environment()
    private.keep(settings.home)
    if settings.engine not in ENGINES:
        raise ValueError(f"PLATFORM_ENGINE={settings.engine!r} is not known; use {' or '.join(ENGINES)}")
    if settings.engine == "bigquery" and environment != "cloud":
        raise ValueError("PLATFORM_ENGINE=bigquery needs PLATFORM_ENV=cloud (see docs/cloud.md)")
    if environment == "cloud" and settings.r_sandbox not in (None, "required"):
        raise ValueError(
            f"PLATFORM_R_SANDBOX={settings.r_sandbox} is for a laptop only: in the cloud R runs locked in, or not at all. "
            "Leave the variable out, or set it to required (see docs/cloud.md)"
        )
    bigquery, copies, bucket = None, None, ""
    if environment == "laptop":
        store: ObjectStore = LocalStore(settings.home)
        warehouse = Warehouse(settings.home / "lake", memory_limit=settings.memory_limit, past_days=settings.past_days)
        keys: IdentityKeys = LaptopKeys(EnvironmentKeys(), settings.home / "sample")
    elif environment == "cloud":
        from resources.gcp.gcs_store import GCSStore
        from resources.lake.catalog import catalog_from

        bucket = _required("PLATFORM_BUCKET")
        store = GCSStore(bucket)
        warehouse = Warehouse(
            settings.home / "lake",
            memory_limit=settings.memory_limit,
            catalog=catalog_from(os.environ, settings.home / "lake"),
            data=_required("PLATFORM_LAKE"),
            past_days=settings.past_days,
        )
        keys = EnvironmentKeys()
        if settings.engine == "bigquery" or os.environ.get("PLATFORM_BIGQUERY_PROJECT"):
            from resources.gcp.bigquery import TERABYTE, BigQuery

            there = BigQuery(
                _required("PLATFORM_BIGQUERY_PROJECT"),
                _required("PLATFORM_BIGQUERY_LOCATION"),
                maximum_bytes_billed=int(os.environ.get("PLATFORM_BIGQUERY_MAX_BYTES") or TERABYTE),
            )
            bigquery, copies = (there, None) if settings.engine == "bigquery" else (None, there)
    else:
        raise ValueError(f"PLATFORM_ENV={environment!r} is not known; use laptop or cloud")
    runtime = RRuntime(
        timeout_seconds=settings.r_timeout_seconds,
        memory_limit_mb=settings.r_memory_mb,
        sandbox=settings.r_sandbox or ("required" if environment == "cloud" else "best"),
        slots=Slots.one_per_core(settings.home / "lake" / "locks" / "r"),
        beside_keys=environment != "cloud",
    )
    return Platform(settings, warehouse, store, keys, runtime, ENGINES[settings.engine], bigquery, bucket, copies)


def _days(value: str) -> int | None:
    """A number of days, at least one; None where nothing is said."""
    if not value:
        return None
    if not value.isdecimal() or int(value) < 1:
        raise ValueError(
            f"PLATFORM_PAST_DAYS={value!r} is no number of days: say 90, or leave it out to keep everything"
        )
    return int(value)


def _sandbox_mode(value: str) -> SandboxMode | None:
    if not value:
        return None
    for mode in get_args(SandboxMode):
        if value.lower() == mode:
            return cast(SandboxMode, mode)
    raise ValueError(f"PLATFORM_R_SANDBOX={value!r} is not known; use {', '.join(get_args(SandboxMode))}")


def _required(name: str) -> str:
    value = os.environ.get(name, "")
    if not value:
        raise ValueError(f"PLATFORM_ENV=cloud needs the environment variable {name} (see docs/cloud.md)")
    return value
