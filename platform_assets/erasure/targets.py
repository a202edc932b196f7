"""What is to be erased, and the mark that it leaves: from a steward's words to keyed hashes by which rows are recognised for good.

A target is a *record* (values of columns of one dataset: its key, its date) or a *subject* (an identifier, in every dataset that knows
people by the same purpose). A tombstone holds the same as HMACs under the key of purpose `erasure`: of the pseudonym where the
column is an identifier, of the typed value as text elsewhere. Tables, files and later deliveries can be held against it, and
without the key nobody can tell who it is.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING, Any

from platform_assets.contracts.columns import TEMPORAL
from platform_assets.contracts.model import Contract
from platform_assets.ingest.judging import expression_of, stage_rows
from platform_assets.ingest.readers.interface import TextRow
from resources.identity import IdentityKeys, pseudonym, session_variables
from resources.lake.warehouse import Warehouse, quoted

if TYPE_CHECKING:
    import duckdb

PURPOSE = "erasure"
MAX_TARGETS = 10_000


class MalformedRequest(ValueError):
    """The request is refused whole, and nothing is deleted. `reasons` says what is wrong, line by line, without values."""

    def __init__(self, reasons: Sequence[str]) -> None:
        self.reasons = list(reasons)
        more = f" (and {len(reasons) - 5} more)" if len(reasons) > 5 else ""
        super().__init__("the request is refused, nothing was deleted: " + "; ".join(reasons[:5]) + more)


@dataclass(frozen=True)
class Target:
    """One line of a request, in clear. It lives in the request only, until that is carried out."""

    dataset: str
    values: Mapping[str, str]
    """Column -> text as a file of the dataset would hold it."""
    subject: bool = False
    """The one value is an identifier: it is erased from every dataset that has its purpose."""


@dataclass(frozen=True)
class Tombstone:
    """One target as keyed hashes. `dataset` and `columns` for a record; `purpose` and the one hash under '' for a subject."""

    request: str
    at: str
    columns: Mapping[str, str]
    dataset: str = ""
    purpose: str = ""
    identifying: tuple[str, ...] = ()

    def matches(self, contract: Contract) -> list[Match]:
        """What rows of `contract` must be equal to."""
        if self.purpose:
            names = [n for n, purpose in contract.identifiers.items() if purpose == self.purpose]
            return [Match({name: self.columns[""]}, (name,)) for name in names]
        fits = self.dataset == contract.name and set(self.columns) <= set(contract.file_columns)
        return [Match(dict(self.columns), self.identifying)] if fits else []

    def as_dict(self) -> dict[str, Any]:
        """For JSON."""
        return asdict(self)


@dataclass(frozen=True)
class Match:
    """Hashes of columns of one dataset. A row that cannot be read in a column that does not identify counts as equal there."""

    hashes: Mapping[str, str]
    identifying: tuple[str, ...]


@dataclass
class Needles:
    """What must not be found in any byte afterwards."""

    texts: dict[str, int] = field(default_factory=dict)
    """Identifier or pseudonym -> number of its target."""

    def of(self, target: int) -> list[str]:
        """The needles of one target."""
        return [text for text, number in self.texts.items() if number == target]


def identifying_columns(contract: Contract) -> list[str]:
    """Columns that tell one person or sample: identifiers, and the key without its dates."""
    keys = [k for k in contract.load.key if contract.columns[k].type not in TEMPORAL]
    return [c for c in contract.file_columns if c in contract.identifiers or c in keys]


def read_csv(contract: Contract, data: bytes) -> list[Target]:
    """Targets from a CSV file: its header names columns of `contract`, every line is one target.

    A single identifier column makes it a request about subjects. Raises MalformedRequest.
    """
    try:
        text = data.decode("utf-8-sig")
        rows = [r for r in csv.reader(io.StringIO(text, newline=""), strict=True) if any(cell.strip() for cell in r)]
    except UnicodeDecodeError:
        raise MalformedRequest(["the file is not UTF-8 text"]) from None
    except csv.Error as error:
        raise MalformedRequest([f"the file is not readable CSV: {error}"]) from None
    if len(rows) < 2:
        raise MalformedRequest(["the file holds no line below its header"])
    header = [h.strip() for h in rows[0]]
    reasons = [
        f"line {n}: has {len(r)} fields, the header has {len(header)}"
        for n, r in enumerate(rows[1:], 2)
        if len(r) != len(header)
    ]
    if reasons:
        raise MalformedRequest(reasons)
    return from_rows(contract, [dict(zip(header, (c.strip() for c in r), strict=True)) for r in rows[1:]], header)


def from_rows(contract: Contract, rows: Sequence[Mapping[str, str]], header: Sequence[str]) -> list[Target]:
    """Targets from cells that a person typed. Raises MalformedRequest; values themselves are judged by `resolve`."""
    reasons = []
    unknown = [h for h in header if h not in contract.file_columns]
    if unknown or len(set(header)) != len(header):
        known = ", ".join(contract.file_columns)
        reasons.append(f"the header must name columns of {contract.name}, each once: {known}")
    elif not set(header) & set(identifying_columns(contract)):
        reasons.append(
            f"none of the columns tells who is meant; one of {', '.join(identifying_columns(contract))} is needed"
        )
    if len(rows) > MAX_TARGETS:
        reasons.append(f"{len(rows)} lines; at most {MAX_TARGETS} are taken at once")
    for number, row in enumerate(rows, start=2):
        empty = [h for h in header if not row.get(h)]
        reasons += [f"line {number}: {h} is empty" for h in empty]
    if reasons:
        raise MalformedRequest(reasons)
    subject = len(header) == 1 and header[0] in contract.identifiers
    unique = {tuple(row[h] for h in header): row for row in rows}
    return [Target(contract.name, {h: row[h] for h in header}, subject) for row in unique.values()]


def resolve(
    warehouse: Warehouse,
    connection: duckdb.DuckDBPyConnection,
    contract: Contract,
    keys: IdentityKeys,
    targets: Sequence[Target],
    request: str,
    at: str,
) -> tuple[list[Tombstone], Needles]:
    """Tombstones and needles of targets of one contract, read and judged as ingest would. Raises MalformedRequest."""
    names = list(targets[0].values)
    stage_rows(connection, contract, [dict(t.values) for t in targets])
    expression = expression_of(warehouse, contract)
    reasons = [
        f"line {row + 2}: {reason}"
        for row, why in connection.execute(f"SELECT _row, _reasons FROM ({expression.judged}) ORDER BY _row").fetchall()
        for reason in why
        if reason.split(":")[0] in names
    ]
    if reasons:
        raise MalformedRequest(reasons)
    listed = ", ".join(f"CAST({quoted(n)} AS VARCHAR)" for n in names)
    typed = connection.execute(f"SELECT {listed} FROM ({expression.typed}) ORDER BY _row").fetchall()
    key = keys.key(PURPOSE)
    identifying = [n for n in identifying_columns(contract) if n in names]
    stones, needles = [], Needles()
    for number, (target, values) in enumerate(zip(targets, typed, strict=True)):
        hashes = {}
        for name, value in zip(names, values, strict=True):
            called = pseudonym(keys.key(contract.identifiers[name]), value) if name in contract.identifiers else value
            hashes[name] = pseudonym(key, called)
            if name in identifying:
                needles.texts.update(dict.fromkeys({target.values[name], value, called}, number))
        if target.subject:
            stones.append(Tombstone(request, at, {"": hashes[names[0]]}, purpose=contract.identifiers[names[0]]))
        else:
            stones.append(Tombstone(request, at, hashes, dataset=contract.name, identifying=tuple(identifying)))
    return stones, needles


def set_keys(connection: duckdb.DuckDBPyConnection, contract: Contract, keys: IdentityKeys) -> None:
    """Bind the keys that hashes over `contract`'s rows need to the connection."""
    purposes = {PURPOSE, *contract.identifiers.values()}
    for variable, value in session_variables(keys, purposes).items():
        connection.execute(f"SET VARIABLE {variable} = $1", [value])


def tokens(line: str) -> set[str]:
    """Whatever in a line that could not be split may be a value."""
    for mark in ",;\t|\"'{}[]:=":
        line = line.replace(mark, "\n")
    parts = {part.strip() for part in line.split("\n")}
    return {p for part in parts for p in (part, *part.split()) if p}


def token_rows(contract: Contract, names: Sequence[str], found: Sequence[str]) -> list[TextRow]:
    """Tokens as rows in which every identifying column holds the token."""
    return [dict.fromkeys(names, token) for token in found]
