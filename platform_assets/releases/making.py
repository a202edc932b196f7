"""Makes a release of counts that were drawn before (`sealing`): makes the files of every indicator that has changed, takes over those of the others,
writes all into one new folder, and sets it live in one step. A release is named by its content: making it again changes nothing. No key is needed
here, as R runs here.
"""

from __future__ import annotations

import contextlib
import functools
import hashlib
import json
import os
import shutil
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from pathlib import Path

from platform_assets.disclosure.policy import Policies
from platform_assets.indicators import receipts, texts
from platform_assets.indicators.model import Indicator
from platform_assets.indicators.texts import NotKept
from platform_assets.releases import ledger, reading
from platform_assets.releases.counting import CasesRefused, check
from platform_assets.releases.publications import FORMAT, Publication, figures_of, of_atoms, of_public
from platform_assets.releases.reading import FOLDER, MANIFEST, Release
from resources.environment import Platform
from resources.lake.warehouse import Warehouse, literal, quoted
from resources.r_runtime import Event, IndicatorFailed, RRuntime

MADE = "products/made"
"""Plots of public tables, where they lie until the next release takes them."""


@dataclass(frozen=True)
class Made:
    """A release as it stands after `make`."""

    release: Release
    fresh: bool
    """False where nothing had changed."""
    redrawn: tuple[str, ...]
    """Indicators whose files were made now; those of the others were taken over."""
    problems: Mapping[str, str]
    """Indicator -> why it is as it was in the release before (or is missing)."""


def make(
    indicators: Mapping[str, Indicator],
    platform: Platform,
    policies: Policies,
    on_event: Callable[[str, Event], None] = lambda _name, _event: None,
) -> Made:
    """Make a release of `indicators` (those that give cases, and public ones) and set it live."""
    store, before = platform.store, reading.current(platform.store)
    listed: dict[str, dict[str, object]] = {}
    files: dict[str, bytes] = {}
    redrawn: list[str] = []
    problems: dict[str, str] = {}
    with platform.warehouse.lock("release"):
        for name in indicators:  # what was published row by row, before there were releases, told of single people
            for stored in list(store.walk(f"products/{name}")):
                store.delete(stored.name)
        with contextlib.ExitStack() as folders:
            waiting: dict[str, Callable[[], dict[str, bytes]]] = {}
            said: dict[str, list[Event]] = {name: [] for name in indicators}
            for name, indicator in sorted(indicators.items()):
                folder = platform.warehouse.wait_for_scratch()
                folders.callback(shutil.rmtree, folder, ignore_errors=True)
                try:
                    publication = _publication(indicator, platform, policies, folder, said[name].append)
                except CasesRefused as error:
                    problems[name] = str(error)
                    continue
                if publication is None:
                    continue  # nothing is settled yet
                if publication.refused:
                    problems[name] = publication.refused
                    continue
                listed[name] = {"key": publication.key, **publication.about}
                if before and name in before.indicators and before.indicators[name]["key"] == publication.key:
                    files |= _filed(name, before.files_of(name))
                else:
                    waiting[name] = functools.partial(publication.make, folder)
            # R runs side by side, one per core: runs wait for a slot of their own
            with ThreadPoolExecutor(max_workers=len(os.sched_getaffinity(0))) as pool:
                begun = {name: pool.submit(work) for name, work in waiting.items()}
                for name, work in begun.items():
                    try:
                        files |= _filed(name, work.result())
                        redrawn.append(name)
                    except IndicatorFailed as error:
                        problems[name] = error.card.summary
        for name, events in said.items():
            for event in events:
                on_event(name, event)
        for name in problems:
            listed.pop(name, None)
            if before and name in before.indicators:  # the last good one stays
                listed[name] = dict(before.indicators[name])
                files |= _filed(name, before.files_of(name))
        listed = dict(sorted(listed.items()))
        titles = {name: str(about["title"]) for name, about in listed.items() if about["protected"]}
        files["policy.md"] = policies.page(titles).encode()
        manifest = json.dumps(
            {
                "format": FORMAT,
                "indicators": listed,
                "files": {name: hashlib.sha256(data).hexdigest() for name, data in sorted(files.items())},
            },
            indent=1,
            ensure_ascii=False,
        ).encode()
        number = hashlib.sha256(manifest).hexdigest()[:16]
        if before is not None and before.id == number:
            return Made(before, False, (), problems)
        for name, data in files.items():
            store.write(f"{FOLDER}/{number}/{name}", data)
        store.write(f"{FOLDER}/{number}/{MANIFEST}", manifest)  # last: with it the release is whole
        reading.set_current(store, number)
    return Made(reading.release(store, number), True, tuple(redrawn), problems)


def _filed(name: str, made: Mapping[str, bytes]) -> dict[str, bytes]:
    return {f"{name}/{file}": data for file, data in made.items()}


def rederive(past: Release, name: str, warehouse: Warehouse, runtime: RRuntime) -> list[str]:
    """Make the figures of `name` in a past release again, of its drawn counts and by the texts of the script as they were; which files differ.

    Raises NoRelease where the release has no such figures, NotKept where a text is not there any more, IndicatorFailed.
    """
    about = past.indicators.get(name)
    if about is None or not about["protected"]:
        raise reading.NoRelease(f"release {past.id} has no figures of {name} that are made of drawn counts")
    published = past.files_of(name)
    folder = warehouse.wait_for_scratch()
    try:
        with warehouse.connect(read_only=True) as connection:
            receipt = receipts.of_code(connection, name, about["code_version"])
            if receipt is None:
                raise NotKept(f"there is no receipt of {name} by the script of release {past.id}")
            indicator, harness = texts.restored(warehouse, connection, receipt, folder)
        told = {key: value for key, value in about.items() if key != "key"}
        made = figures_of(indicator, published["atoms.parquet"], told, replace(runtime, harness=harness), folder)
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    return sorted(file for file in {*made, *published} if made.get(file) != published.get(file))


def _publication(
    indicator: Indicator,
    platform: Platform,
    policies: Policies,
    folder: Path,
    on_event: Callable[[Event], None],
) -> Publication | None:
    """What there is to publish of `indicator`; None where there is nothing yet."""
    if indicator.cases is not None:
        policy = policies.of(indicator.name)
        with platform.warehouse.connect(read_only=True) as connection:
            tables = (ledger.SEALS, f"indicators.{indicator.name}")
            if not all(platform.warehouse.columns(connection, table) for table in tables):
                return None
            check(connection, platform.warehouse, indicator)
            seals = ledger.read(connection, indicator.name)
        if not seals:
            return None
        return of_atoms(indicator, seals, policy, platform.r, on_event)
    with platform.warehouse.connect(read_only=True) as connection:
        there = platform.warehouse.columns(connection, f"indicators.{indicator.name}")
        receipt = receipts.last(connection, indicator.name) if there else None
        if receipt is None:
            return None
        table = folder / "table.parquet"
        columns = ", ".join(quoted(c) for c in indicator.outputs)
        connection.execute("SET TimeZone = 'UTC'")
        connection.execute(
            f"COPY (SELECT {columns} FROM indicators.{quoted(indicator.name)}) TO {literal(str(table))} (FORMAT parquet)"
        )
    plots = {}
    for stored in platform.store.list(f"{MADE}/{indicator.name}"):
        with platform.store.open(stored.name) as stream:
            plots[stored.basename] = stream.read()
    return of_public(indicator, table, receipt.sha256, plots)
