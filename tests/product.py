"""The product's own Python, for tests of rules that hold wherever somebody writes a line."""

from __future__ import annotations

from pathlib import Path

REPOSITORY = Path(__file__).resolve().parents[1]


def modules() -> list[Path]:
    """Every module that is shipped: what stands in a package at the top, however new, but for tests and benchmarks."""
    tops = [path.parent for path in REPOSITORY.glob("*/__init__.py") if path.parent.name not in ("tests", "benchmarks")]
    return sorted(module for top in [*tops, REPOSITORY / "scripts"] for module in top.rglob("*.py"))
