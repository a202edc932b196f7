"""What loads datasets and runs SQL. An engine is asked, never asked about: nothing outside this package knows which one works here.

An engine is a package below this one whose module `engine` has a function `engine(platform, neighbours)`; PLATFORM_ENGINE names it
(`resources.environment.ENGINES`). Its package is imported when the engine is asked for, so that none pays for another.
"""

from __future__ import annotations

import importlib
import pkgutil
from collections.abc import Callable, Collection, Iterable, Mapping
from typing import TYPE_CHECKING, Protocol, cast

if TYPE_CHECKING:
    import datetime as dt

    import duckdb

    from platform_assets.contracts.bundle import Bundle
    from platform_assets.contracts.model import Contract
    from platform_assets.engines.results import Loaded, MadeBySql, MadeTable
    from platform_assets.indicators.sql.file import SqlIndicator
    from platform_assets.ingest.books import Books
    from platform_assets.ingest.neighbours import Neighbours
    from platform_assets.ingest.quality import Outcome
    from platform_assets.releases.reading import Release
    from resources.environment import Platform
    from resources.lake.warehouse import TableState

LAYERS = ("raw", "validated", "quarantine")
"""The tables that every dataset has."""

WORKS_OUT = frozenset({"lake"})
"""Engines that make tables beside a dataset's own: lists, trees, histories."""


def bundle_refusal(engine: str, bundle: Bundle) -> str:
    """As `refusal`, of a bundle."""
    if engine in WORKS_OUT:
        return ""
    return f"bundle {bundle.name}: tables are committed together on DuckDB only. Drop it, or load these datasets with PLATFORM_ENGINE=duckdb"


def refusal(engine: str, contract: Contract) -> str:
    """What `contract` asks for that the engine (a package of this one) has not, and what to do; '' where it has all."""
    from platform_assets.contracts.worked_out import works_out

    if works_out(contract) and engine not in WORKS_OUT:
        return (
            f"{contract.name}: lists (type: list), `tree` and `load.history` are worked out on DuckDB only. Drop them, or load this dataset "
            "with PLATFORM_ENGINE=duckdb"
        )
    if contract.source.sweeps is not None and engine not in WORKS_OUT:
        return f"{contract.name}: source.sweep works on DuckDB only. Drop it, or load this dataset with PLATFORM_ENGINE=duckdb"
    return ""


class Engine(Protocol):
    """What the platform asks of an engine. `lake` is always a connection to the lake, where stewards work and R reads, whichever engine
    loads."""

    @property
    def elsewhere(self) -> str:
        """Where the tables are that the lake has no copy of, for people; '' where there is no such place."""
        ...

    def load(
        self, contract: Contract, *, run_id: str, log: Callable[[str], None], only: Collection[str] | None = None
    ) -> Loaded:
        """Load what waits in landing (or `only` some of it, see `ingest.load.load_dataset`), judge the tables, and tell both. Raises what `ingest.load.load_dataset` raises, or the engine's
        own error; nothing was changed then."""
        ...

    def load_bundle(
        self, bundle: Bundle, contracts: Mapping[str, Contract], *, run_id: str, log: Callable[[str], None]
    ) -> None:
        """Load the archives that wait for `bundle`, of datasets with `contracts` (see `ingest.bundles`). Raises as `load` does."""
        ...

    def checks(self, contract: Contract, now: dt.datetime) -> list[Outcome]:
        """What every check of the dataset says of its tables and ledger."""
        ...

    def states(self, contract: Contract) -> dict[str, TableState]:
        """Layer (see LAYERS) -> the state of its table. The dataset was loaded before, or loading it was tried."""
        ...

    def has_books(self, lake: duckdb.DuckDBPyConnection) -> bool:
        """Whether anything was ever loaded: there are no books before."""
        ...

    def books(self, contract: Contract, lake: duckdb.DuckDBPyConnection) -> Books:
        """What is known of the dataset's deliveries."""
        ...

    def with_rejected_rows(self, contracts: Mapping[str, Contract], lake: duckdb.DuckDBPyConnection) -> set[str]:
        """Datasets that may have rows in the lake's quarantine. Quick: no table of a dataset is read."""
        ...

    def run_sql(
        self, indicator: SqlIndicator, params: Mapping[str, object] | None, *, run_id: str, public: bool = False
    ) -> MadeBySql:
        """Bring ``indicators.<name>`` up to date; nothing runs where nothing has changed. Readers outside the lake get a table of `public` data
        alone; a copy that they have of another is removed.

        Raises TableMissing, OutputMismatch, SqlFailed, or ValueError for a parameter that cannot be read; the last table stays.
        """
        ...

    def publish_release(self, release: Release) -> Mapping[str, str]:
        """Publish the tables of a release for readers outside the lake, where that is asked for.

        Returns the place -> what was done, for people; empty where nothing is published.
        """
        ...

    def drop_indicator(self, name: str) -> list[str]:
        """Remove what readers outside the lake have of an indicator; returns what was removed, for people."""
        ...

    def respell(self, contract: Contract, log: Callable[[str], None]) -> str:
        """Move the dataset's tables over to one spelling of identifiers (see `ingest.respelling`); what was done, for people."""
        ...

    def computed(self, lake: duckdb.DuckDBPyConnection) -> Iterable[MadeTable]:
        """The tables of indicators, as they were last made."""
        ...


def engine_of(platform: Platform, neighbours: Neighbours) -> Engine:
    """The engine of `platform`; its loads ask `neighbours` who stays out and what was mended (see `office.engine_of`)."""
    return cast("Engine", importlib.import_module(f"{__name__}.{platform.engine}.engine").engine(platform, neighbours))


def names() -> list[str]:
    """The engines that there are."""
    return sorted(module.name for module in pkgutil.iter_modules(__path__) if module.ispkg)
