"""Rules that contracts of these tests name."""

from __future__ import annotations

from typing import Any


def beds_known(t: Any) -> Any:
    """How many beds there are is known."""
    return t.beds.notnull()


def starts_with_year(t: Any) -> Any:
    """A rule that reads an identifier."""
    return t.patient_id.startswith("2024")


def load_is_known(t: Any) -> Any:
    """A positive test has a load."""
    return (t.result != "POS") | t.viral_load.notnull()
