"""The kinds of file that a contract may name: their usual endings, and which options apply to each.

How a kind is read and written is no matter of contracts: `ingest.readers.formats` has a module for each, and a test holds the two
against each other.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Kind:
    """What a contract may say about files of one kind."""

    endings: tuple[str, ...]
    options: frozenset[str] = frozenset()
    delimiter: str = ","
    """Of a kind that is delimited, where the contract names none."""


KINDS = {
    "csv": Kind(("csv", "txt"), frozenset({"delimiter", "quote", "encoding", "header"})),
    "tsv": Kind(("tsv",), frozenset({"quote", "encoding", "header"}), delimiter="\t"),
    "json": Kind(("json", "jsonl", "ndjson"), frozenset({"records"})),
    "json5": Kind(("json5",), frozenset({"records", "encoding"})),
    "parquet": Kind(("parquet",)),
    "xlsx": Kind(("xlsx",), frozenset({"sheet", "header"})),
}
