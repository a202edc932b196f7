"""A change of a contract, tried on the last deliveries before an engineer makes it: which rows it would quarantine, and which it would let in.

Each delivery is read from the archive into a scratch folder of its own, and judged there twice, by the contract in force and by the draft. Nothing
is loaded, and nothing is kept: the folder goes with what was read. A draft may change how rows are judged, and nothing else: rules are code, and a
source is a way out, so these are an engineer's.
"""

from __future__ import annotations

import datetime as dt
import shutil
import threading
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import yaml
from pydantic import ValidationError

from platform_assets.access import handing_out
from platform_assets.access.roles import Permission, User
from platform_assets.contracts.model import Contract
from platform_assets.ingest import ledger
from platform_assets.ingest.aliases import known_as
from platform_assets.ingest.deliveries import archive_name, open_delivery
from platform_assets.ingest.ledger import Entry
from platform_assets.ingest.loading.publish import judge, register
from platform_assets.ingest.loading.rules import Rules
from platform_assets.ingest.readers.apart.process import Child
from platform_assets.quarantine.fixes import QuarantineError
from platform_assets.quarantine.reasons import added_up

if TYPE_CHECKING:
    import duckdb

    from platform_assets.office import Office

CHANGES = ("columns", "quality", "null_tokens", "ignore")
"""Parts of a contract that a draft may change."""
MOST = 5
"""Deliveries that are judged."""
LARGEST = 200_000_000
"""Bytes of one file, as it lies in the archive."""
SECONDS = 120
"""Of all deliveries together; then what is not judged yet is left."""
LONGEST = 200_000
"""Characters of a draft."""


@dataclass(frozen=True)
class Tried:
    """One delivery, by the contract in force and by the draft."""

    entry: Entry
    rows: int = 0
    wrong: int = 0
    """By the contract in force."""
    wrong_by_draft: int = 0
    newly_wrong: int = 0
    """Rows that are right now, and that the draft would quarantine."""
    newly_right: int = 0
    """Rows that are wrong now, and that would be right."""
    held: bool = False
    """Whether the draft's limit would hold the delivery."""
    reasons: Mapping[str, int] = field(default_factory=dict)
    """Why rows would be newly wrong -> rows."""
    left: str = ""
    """Why it was not judged."""


def draft_of(contract: Contract) -> str:
    """The parts of `contract` that a draft may change, as YAML."""
    said = contract.model_dump(mode="json", by_alias=True, exclude_defaults=True, include=set(CHANGES))
    return yaml.safe_dump(said, sort_keys=False, allow_unicode=True, width=120)


def drafted(contract: Contract, text: str) -> Contract:
    """`contract` with the parts that `text` says. Raises QuarantineError, which names the place and not what stands there."""
    if len(text) > LONGEST:
        raise QuarantineError(f"a draft has at most {LONGEST} characters")
    try:
        if any(isinstance(event, yaml.AliasEvent) for event in yaml.parse(text, Loader=yaml.SafeLoader)):
            raise QuarantineError("a draft has no anchors (&, *): write it out")
        said = yaml.safe_load(text)
    except (yaml.YAMLError, RecursionError) as error:
        mark = getattr(error, "problem_mark", None)
        raise QuarantineError(f"the draft is not YAML (line {mark.line + 1 if mark else 1})") from None
    if not isinstance(said, dict) or not said or set(said) - set(CHANGES):
        raise QuarantineError(f"a draft changes {', '.join(CHANGES)}, and nothing else: an engineer does the rest")
    whole = contract.model_dump(mode="json", by_alias=True, exclude_defaults=True)
    try:
        return Contract.model_validate({**whole, **said})
    except ValidationError as error:
        problems = error.errors(include_url=False, include_input=False, include_context=False)[:5]
        listed = "; ".join(f"{'.'.join(map(str, p['loc'])) or 'the draft'}: {p['msg']}" for p in problems)
        raise QuarantineError(f"this is no contract: {listed}") from None


def try_draft(office: Office, dataset: str, text: str, user: User) -> list[Tried]:
    """The last deliveries of `dataset` by the draft `text`, newest first. Counts and reasons, no values. Raises QuarantineError, AccessDenied."""
    user.require(Permission.RUN)
    contract = office.contracts[dataset]
    draft = drafted(contract, text)
    with office.warehouse.connect() as connection:
        there = bool(office.warehouse.columns(connection, ledger.TABLE))
        entries = [e for e in ledger.read(connection, dataset) if e.rows_in] if there else []
    latest = sorted(entries, key=lambda e: (e.loaded_at, e.delivered_at, e.file), reverse=True)[:MOST]
    handing_out.seen(office.audit, user, "contract.try", table=dataset, deliveries=len(latest))
    ends = time.monotonic() + SECONDS
    return [_tried(office, contract, draft, entry, ends) for entry in latest]


def _tried(office: Office, contract: Contract, draft: Contract, entry: Entry, ends: float) -> Tried:
    import duckdb

    found = office.store.stat(archive_name(contract.name, entry.delivery, entry.file))
    if found is None:
        return Tried(entry, left="it is not in the archive any more")
    if found.size > LARGEST:
        return Tried(entry, left="it is too large to be tried here")
    if time.monotonic() >= ends:
        return Tried(entry, left="there was no time left for it")
    folder = office.warehouse.wait_for_scratch()
    config: dict[str, Any] = {"memory_limit": office.warehouse.memory_limit, "temp_directory": str(folder / "spill")}
    try:
        with duckdb.connect(config=config) as connection, Child() as child:
            clock = threading.Timer(ends - time.monotonic(), connection.interrupt)
            clock.start()
            try:
                counts = [
                    _judged(office, connection, child, each, entry, folder / name, name)
                    for name, each in (("now", contract), ("draft", draft))
                ]
                if counts[0] is None or counts[1] is None:
                    return Tried(entry, left="nothing in it can be judged")
                return _compared(connection, draft, entry, counts[0])
            finally:
                clock.cancel()
    except duckdb.InterruptException:
        return Tried(entry, left="there was no time left for it")
    except duckdb.OutOfMemoryException:
        return Tried(entry, left="it is too large to be tried here")
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _judged(
    office: Office,
    connection: duckdb.DuckDBPyConnection,
    child: Child,
    contract: Contract,
    entry: Entry,
    folder: Path,
    name: str,
) -> tuple[int, int] | None:
    """Make the table `name` of the wrong rows; the rows of the file, and how many of them cannot be split. None where nothing can be judged."""
    from platform_assets.contracts.compiling.compiled import compiled
    from platform_assets.ingest.staging import stage

    folder.mkdir(mode=0o700)
    found = office.store.stat(archive_name(contract.name, entry.delivery, entry.file))
    now = dt.datetime.now(dt.UTC).replace(tzinfo=None)
    delivery = open_delivery(office.store, contract, found, folder, now, child) if found else None
    if delivery is None or delivery.rejected:
        return None

    def blank(_: object) -> Entry:
        return Entry(contract.name, entry.delivery, entry.file, 0, "", dt.datetime.min, dt.datetime.min)

    named = known_as(contract, office.store, ended=True)
    batch, _ = stage(connection, named, [delivery], folder, blank, child)
    if delivery.rejected:
        return None
    rules = Rules(contract)
    register(connection, batch, rules)
    judge(connection, rules, compiled(contract, contract.today(), folder / "expressions"))
    connection.execute(
        f"CREATE OR REPLACE TEMP TABLE tried_{name} AS SELECT _file, _row, _reasons FROM {rules.names.wrong}"
    )
    malformed = sum(n for part in batch.staged for n in part.broken_rows.values())
    return sum(n for part in batch.staged for n in part.rows.values()) + malformed, malformed


def _compared(connection: duckdb.DuckDBPyConnection, draft: Contract, entry: Entry, counted: tuple[int, int]) -> Tried:
    def count(sql: str) -> int:
        found = connection.execute(f"SELECT count(*) FROM {sql}").fetchone()
        return int(found[0]) if found else 0

    rows, malformed = counted
    same = "USING (_file, _row)"
    newly = f"tried_draft ANTI JOIN tried_now {same}"
    reasons = connection.execute(
        f"SELECT r, count(*) FROM (SELECT unnest(_reasons) AS r FROM {newly}) GROUP BY 1"
    ).fetchall()
    by_draft = count("tried_draft") + malformed
    return Tried(
        entry,
        rows,
        count("tried_now") + malformed,
        by_draft,
        count(newly),
        count(f"tried_now ANTI JOIN tried_draft {same}"),
        bool(rows) and by_draft / rows > draft.quality.max_quarantined,
        added_up(dict(reasons)),
    )
