"""Compiled contracts, remembered: compiling costs two seconds of imports, and most runs find the contract unchanged."""

from __future__ import annotations

import datetime as dt
import hashlib
import importlib.util
import json
import os
import time
from contextlib import suppress
from dataclasses import asdict
from functools import cache
from importlib import metadata
from pathlib import Path

from platform_assets.contracts.compiling.queries import CompiledContract
from platform_assets.contracts.model import Contract

KEPT_DAYS = 30
CONTRACTS = Path(__file__).resolve().parents[1]
"""The package of which the SQL and its messages are made."""


def compiled(contract: Contract, today: dt.date, folder: Path, dialect: str = "duckdb") -> CompiledContract:
    """The SQL of `contract`, from `folder` if it was compiled before from all the same parts (contract, rules, compiler, day)."""
    path = folder / f"{contract.name}-{_fingerprint(contract, today, dialect)}.json"
    with suppress(FileNotFoundError):
        return CompiledContract(**json.loads(path.read_text(encoding="utf-8")))
    from platform_assets.contracts.compiling.expression import compile_contract

    result = compile_contract(contract, today, dialect)
    folder.mkdir(parents=True, exist_ok=True)
    for old in folder.glob(f"{contract.name}-*.json"):
        if time.time() - old.stat().st_mtime > KEPT_DAYS * 86_400:
            old.unlink(missing_ok=True)
    partial = path.with_suffix(f".{os.getpid()}.part")
    partial.write_text(json.dumps(asdict(result)), encoding="utf-8")
    partial.replace(path)
    return result


def _fingerprint(contract: Contract, today: dt.date, dialect: str) -> str:
    uses_today = any("today" in (c.ge, c.gt, c.le, c.lt) for c in contract.columns.values())
    uses_zone = any(f.zoned for c in contract.columns.values() for f in c.date_formats(contract.zone))
    rules = sorted({rule.check.partition(":")[0] for rule in contract.rules})
    parts = [
        contract.model_dump_json(),  # words that judge nothing are in it too: messages are made of them
        dialect,
        _version("ibis-framework"),
        _version("pandera"),
        today.isoformat() if uses_today else "",
        contract.zone if uses_zone else "",
        _code("resources.text.spelling", *rules),
    ]
    return hashlib.sha256("\0".join(parts).encode()).hexdigest()[:24]


_version = cache(metadata.version)  # reads the package's description: as long as all else here


@cache
def _code(*modules: str) -> str:
    """Hash of the source files of the contracts' package and of `modules`, found without importing them.

    All files of the package: a list of the few that matter would be wrong from the day on which one of them is moved.
    """
    digest = hashlib.sha256()
    for path in sorted(CONTRACTS.rglob("*.py")):
        digest.update(f"{path.relative_to(CONTRACTS)}\0".encode() + path.read_bytes())
    for name in modules:
        spec = importlib.util.find_spec(name)
        if spec is None or spec.origin is None:
            raise ModuleNotFoundError(f"no source of {name}, of which contracts are compiled", name=name)
        digest.update(Path(spec.origin).read_bytes())
    return digest.hexdigest()
