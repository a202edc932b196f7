"""Names under which a dataset's columns also come, beside those of its contract: stewards propose and agree to them (`quarantine.aliases`).

They are kept in ``aliases/<dataset>.json`` of the store. The contract stays as it is, with its hash: an alias says where a column stands
in a file, and judges nothing.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass, fields

from platform_assets.contracts.model import Contract
from resources.object_store import ObjectStore

FOLDER = "aliases"
PROPOSED, AGREED, ENDED = "proposed", "agreed", "taken back"


@dataclass(frozen=True)
class Alias:
    """One name of one column."""

    name: str
    """As it stands in the header of files."""
    column: str
    """Of the contract."""
    state: str
    """proposed, agreed or taken back."""
    proposed_by: str
    """The person's id: who agrees is another."""
    proposer: str
    """The person's name."""
    proposed_at: str
    """UTC, ISO 8601."""
    agreed_by: str = ""
    """The person's name."""
    agreed_at: str = ""
    ended_by: str = ""
    ended_at: str = ""


def read(store: ObjectStore, dataset: str) -> list[Alias]:
    """All that were ever proposed for `dataset`, oldest first."""
    name = f"{FOLDER}/{dataset}.json"
    if store.stat(name) is None:
        return []
    known = {f.name for f in fields(Alias)}
    with store.open(name) as file:
        return [Alias(**{k: v for k, v in each.items() if k in known}) for each in json.load(file)]


def write(store: ObjectStore, dataset: str, aliases: Sequence[Alias]) -> None:
    """Keep `aliases` as those of `dataset`."""
    store.write(f"{FOLDER}/{dataset}.json", json.dumps([asdict(a) for a in aliases]).encode())


def known_as(contract: Contract, store: ObjectStore, *, ended: bool = False) -> Contract:
    """`contract` with the names that were agreed on, for reading files; its own names stand first.

    `ended`: with those that were taken back, too, for files that were loaded while they held.
    """
    states = (AGREED, ENDED) if ended else (AGREED,)
    more: dict[str, list[str]] = {}
    for alias in read(store, contract.name):
        if alias.state in states and alias.agreed_at and alias.column in contract.columns:
            more.setdefault(alias.column, []).append(alias.name)
    if not more:
        return contract
    columns = {
        name: column.model_copy(update={"header": tuple(dict.fromkeys((*(column.header or (name,)), *more[name])))})
        if name in more
        else column
        for name, column in contract.columns.items()
    }
    return contract.model_copy(update={"columns": columns})
