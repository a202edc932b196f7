"""What a contract is compiled to: the queries by which an engine cleans, reads and judges rows."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class CompiledContract:
    """SQL over a table named `staged`, in the engine's dialect."""

    raw: str
    """The text as it came, identifiers cleaned (so that they get the pseudonym that `typed` gives them), `_file`, `_row`."""
    typed: str
    """Columns of the contract, `_file`, `_row`."""
    judged: str
    """`_file`, `_row`, `_reasons` (list of text) of the rows that are wrong."""
    warned: str
    """One row with, per warn rule, how many typed rows break it; empty text where the contract has none. Over a table `typed`."""
    both_spellings: str
    """`_file`, `_row`, and per identifier column its cleaned text, as ``<column>__was`` also without the one spelling: what pseudonyms were made
    of before there was one. Empty text where the contract has no identifiers."""
    respelled: str
    """`_file`, and per file column in how many rows its text came in another spelling (see `resources.text.spelling`)."""
