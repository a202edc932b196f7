"""Does a text that a person types name somebody? Reasons, grounds and names of uploaded files are kept for good, also in the audit log.

Two things are asked of every word. Does it look like an identifier: does it fit the pattern that a contract gives for one? (A pattern that
fits ordinary words as well says nothing, and is not asked.) And is it one: is its pseudonym, or, where a key is kept in clear, the word
itself, in a table? Both are answered by keyed hashes or by the tables; the word is never told.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from platform_assets.contracts.model import Contract
from platform_assets.erasure.requests import RequestError
from platform_assets.erasure.targets import identifying_columns, tokens
from platform_assets.ingest.tables import Tables
from resources.identity import IdentityKeys, MissingIdentityKey, pseudonym
from resources.lake.warehouse import Warehouse, quoted
from resources.text.spelling import bare

if TYPE_CHECKING:
    import duckdb

SHORTEST = 3
ORDINARY = (
    "COVID-19",
    "LETTER-17",
    "2024-01-31",
    "2024-W05",
    "2024",
    "17",
    "letter",
    "telephone",
    "results.csv",
    "WEEK-05",
)
"""Words that are in no pattern of an identifier that can tell one."""


class NamesSomeone(RequestError):
    """The text names somebody; it is refused, and nothing was kept."""

    def __init__(self, dataset: str, column: str) -> None:
        super().__init__(
            f"this text holds a number of {dataset} ({column}), or something that looks like one. It is kept for good, also in the audit "
            "log: say it without. Nothing was done"
        )


@dataclass(frozen=True)
class Names:
    """What is known of identifiers on one platform."""

    contracts: Mapping[str, Contract]
    warehouse: Warehouse
    keys_of: Callable[[duckdb.DuckDBPyConnection, str], IdentityKeys]
    """The keys under which a dataset's deliveries were loaded."""

    def refuse(self, text: str) -> None:
        """Raise NamesSomeone where `text` names somebody."""
        words = sorted(w for w in _words(text) if len(w) >= SHORTEST)
        if not words:
            return
        for contract in self.contracts.values():
            for column in contract.identifiers:
                pattern = contract.columns[column].pattern if column in contract.columns else None
                if pattern and _tells(pattern) and any(re.search(pattern, word) for word in words):
                    raise NamesSomeone(contract.name, column)
        with self.warehouse.connect() as connection:
            for contract in self.contracts.values():
                tables, keys = Tables(contract), self.keys_of(connection, contract.name)
                for column in identifying_columns(contract):
                    for table, clear in ((tables.raw, False), (tables.quarantine, True)):
                        called = _called(keys, None if clear else contract.identifiers.get(column), words)
                        if called and column in self.warehouse.columns(connection, table):
                            there = (
                                f"SELECT 1 FROM {table} WHERE {quoted(column)} IN (SELECT unnest(?::VARCHAR[])) LIMIT 1"
                            )
                            if connection.execute(there, [called]).fetchone():
                                raise NamesSomeone(contract.name, column)


def naming_people(
    warehouse: Warehouse, contracts: Mapping[str, Contract], columns: Mapping[str, Sequence[str]]
) -> set[str]:
    """Which of `columns` (name -> some of its texts) name people: they are called like an identifier of a contract, or one of their words
    is the pseudonym or number of somebody in a validated table, or looks as if it was made of one. For previews, which everyone may see."""
    named = {column for contract in contracts.values() for column in contract.identifiers} & columns.keys()
    named |= {column for column, texts in columns.items() if any(map(_like_a_pseudonym, texts))}
    words = {c: sorted({w for text in texts for w in _words(text)}) for c, texts in columns.items() if c not in named}
    with warehouse.connect(read_only=True) as connection:
        for contract in contracts.values():
            table = Tables(contract).validated
            there = warehouse.columns(connection, table) if contract.identifiers else {}
            for identifier in (i for i in contract.identifiers if i in there):
                asked = f"SELECT 1 FROM {table} WHERE {quoted(identifier)} IN (SELECT unnest(?::VARCHAR[])) LIMIT 1"
                for column, found in words.items():
                    if column not in named and connection.execute(asked, [found]).fetchone():
                        named.add(column)
    return named


def _like_a_pseudonym(text: str) -> bool:
    """Whether a text holds eight digits of a hexadecimal number, or more: a pseudonym, a part of one, one written otherwise, a hash of one."""
    runs = re.findall(r"[0-9a-f]{8,}", re.sub(r"[\s._:/-]+", "", text.casefold()))
    return any(re.search("[0-9]", run) and re.search("[a-f]", run) for run in runs)


def told(name: str, refuse: Callable[[str], None]) -> str:
    """The name of a file as the audit log may keep it: partners name files, and some name them after people."""
    try:
        refuse(name)
    except NamesSomeone:
        return "(not written down: the name holds an identifier)"
    return name


def _called(keys: IdentityKeys, purpose: str | None, words: list[str]) -> list[str]:
    """`words` as a column would hold them: in clear, or as pseudonyms of `purpose`; none where its key is not there."""
    if purpose is None:
        return words
    try:
        key = keys.key(purpose)
    except MissingIdentityKey:  # then nothing was loaded under it either
        return []
    return [pseudonym(key, bare(word)) for word in words]


def _words(text: str) -> set[str]:
    """Whatever in a text may be a value: as it stands, without the marks of a sentence around it, and the parts of a file's name."""
    found = tokens(text)
    found |= {word.strip(".,;:!?()<>#*_-/") for word in found}
    return found | {part for word in found for part in re.split(r"[_./\\#?!()<>]+", word)}


def _tells(pattern: str) -> bool:
    """Whether a pattern fits no ordinary word."""
    return not any(re.search(pattern, word) for word in ORDINARY)
