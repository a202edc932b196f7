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


LAYOUT = frozenset({"skip_rows", "header_rows", "skip_after_header", "leave_out", "fill_down", "wide"})
"""Options of a kind that is a grid of rows: what stands around the table, and how it is laid out."""
TEXT = frozenset({"quote", "escape", "encoding", "header", "comment", "short_rows"})
RECORDS = frozenset({"records", "explode", "wide"})
"""Options of a kind that is a list of objects: where it stands, what becomes rows of its own."""
SHEETS = frozenset({"sheet", "header"})
"""Options of a kind that is a workbook."""
KINDS = {
    "csv": Kind(("csv", "txt"), LAYOUT | TEXT | {"delimiter"}),
    "tsv": Kind(("tsv",), LAYOUT | TEXT, delimiter="\t"),
    "json": Kind(("json", "jsonl", "ndjson"), RECORDS),
    "json5": Kind(("json5",), RECORDS | {"encoding"}),
    "lines": Kind(("log",), frozenset({"lines", "template", "encoding", "comment"})),
    "parquet": Kind(("parquet",), frozenset({"wide"})),
    "spss": Kind(("sav", "zsav")),
    "stata": Kind(("dta",)),
    "sas": Kind(("sas7bdat",)),
    "xpt": Kind(("xpt",)),
    "xlsx": Kind(("xlsx",), LAYOUT | SHEETS),
    "xls": Kind(("xls",), LAYOUT | SHEETS),
    "ods": Kind(("ods",), LAYOUT | SHEETS),
}
