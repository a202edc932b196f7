"""What was compiled before is used again only while nothing has changed of which it was made."""

from __future__ import annotations

import ast
import datetime as dt
import shutil
from pathlib import Path

import pytest

from platform_assets.contracts.compiling import compiled as compiling
from platform_assets.contracts.compiling.compiled import compiled
from tests.places import lab_contract

TODAY = dt.date(2026, 1, 5)
PACKAGE = compiling.CONTRACTS


@pytest.fixture(autouse=True)
def looked_at_anew() -> None:
    compiling._code.cache_clear()


@pytest.mark.parametrize("changed", sorted(p.relative_to(PACKAGE).as_posix() for p in PACKAGE.rglob("*.py")))
def test_a_change_in_any_module_of_contracts_compiles_anew(
    changed: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    copy = tmp_path / "contracts"
    shutil.copytree(PACKAGE, copy, ignore=shutil.ignore_patterns("__pycache__"))
    monkeypatch.setattr(compiling, "CONTRACTS", copy)
    before = compiling._fingerprint(lab_contract(), TODAY, "duckdb")
    assert compiling._fingerprint(lab_contract(), TODAY, "duckdb") == before
    (copy / changed).write_text((copy / changed).read_text(encoding="utf-8") + "\n# changed\n", encoding="utf-8")
    compiling._code.cache_clear()
    assert compiling._fingerprint(lab_contract(), TODAY, "duckdb") != before


def test_what_compiles_uses_nothing_from_elsewhere_that_is_not_looked_at() -> None:
    """Of our own modules; versions of ibis and pandera are looked at."""
    found = set()
    for path in (PACKAGE / "compiling").glob("*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if (
                isinstance(node, ast.ImportFrom)
                and node.module
                and not node.module.startswith("platform_assets.contracts")
            ):
                found |= {node.module, *(f"{node.module}.{name.name}" for name in node.names)}
    ours = {name for name in found if name.split(".")[0] in ("platform_assets", "resources")}
    assert ours <= {"resources.text", "resources.text.spelling", "resources.text.spelling.plain"}


def test_what_is_not_there_is_not_passed_over() -> None:
    with pytest.raises(ModuleNotFoundError, match="no source of resources"):
        compiling._code("resources.text.gone")


def test_it_is_compiled_once_for_each_contract(tmp_path: Path) -> None:
    first = compiled(lab_contract(), TODAY, tmp_path)
    (kept,) = tmp_path.iterdir()
    assert compiled(lab_contract(), TODAY, tmp_path) == first
    assert [*tmp_path.iterdir()] == [kept]
    other = lab_contract(description="Otherwise said.")
    assert compiled(other, TODAY, tmp_path).__class__ is first.__class__
    assert len([*tmp_path.iterdir()]) == 2
