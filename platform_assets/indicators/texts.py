"""The texts of what made a table (script, what it sources, harness, contracts of its inputs), kept in the lake by hash: a number can be made again
although its script has changed since.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from platform_assets.contracts.files import read_contracts
from platform_assets.indicators.model import HeaderError, Indicator
from platform_assets.indicators.script.code import HARNESS
from platform_assets.indicators.script.header import read_indicator

if TYPE_CHECKING:
    import duckdb

    from platform_assets.indicators.receipts import Receipt
    from resources.lake.warehouse import Warehouse

TABLE = "platform.texts"
COLUMNS = {"sha256": "VARCHAR", "text": "VARCHAR"}
CONTRACTS = "contracts"


class NotKept(LookupError):
    """The texts that made a table are not (all) there; the message says which."""


def of(indicator: Indicator) -> dict[str, str]:
    """Name -> text of everything that makes the indicator's table, apart from data and R itself."""
    found = {file.relative_to(indicator.root).as_posix(): file for file in indicator.files}
    found |= {f"harness/{file.name}": file for file in sorted(HARNESS.glob("*.R"))}
    texts = {name: file.read_text(encoding="utf-8") for name, file in found.items()}
    contracts = read_contracts()
    for declared in indicator.inputs.values():
        if declared.layer == "validated" and declared.table in contracts:
            texts[f"{CONTRACTS}/{declared.table}.json"] = contracts[declared.table].model_dump_json(indent=1)
    return texts


def hashes(texts: Mapping[str, str]) -> dict[str, str]:
    """Name -> SHA-256 of the text."""
    return {name: hashlib.sha256(text.encode()).hexdigest() for name, text in texts.items()}


def keep(warehouse: Warehouse, connection: duckdb.DuckDBPyConnection, texts: Mapping[str, str]) -> None:
    """Keep what is not kept yet, inside the caller's transaction."""
    warehouse.ensure_table(connection, TABLE, COLUMNS)
    known = {h for (h,) in connection.execute(f"SELECT sha256 FROM {TABLE}").fetchall()}
    for name, digest in hashes(texts).items():
        if digest not in known:
            known.add(digest)
            connection.execute(f"INSERT INTO {TABLE} VALUES (?, ?)", [digest, texts[name]])


def restored(
    warehouse: Warehouse, connection: duckdb.DuckDBPyConnection, receipt: Receipt, folder: Path
) -> tuple[Indicator, Path]:
    """The script of `receipt`, written into `folder` with all that it sources, and its harness. Raises NotKept."""
    wanted = {name: digest for name, digest in receipt.files.items() if not name.startswith(f"{CONTRACTS}/")}
    kept: dict[str, str] = {}
    if warehouse.columns(connection, TABLE):
        rows = connection.execute(
            f"SELECT sha256, text FROM {TABLE} WHERE list_contains($1, sha256)", [list(wanted.values())]
        ).fetchall()
        # a text that was mended since, because it named somebody, is not the one that made the table
        kept = {digest: text for digest, text in rows if hashlib.sha256(text.encode()).hexdigest() == digest}
    root = folder / "r_scripts"
    for name, digest in wanted.items():
        if digest not in kept:
            raise NotKept(
                f"{receipt.indicator}: the text of {name} as it was then is not kept (the table was made before texts were, or somebody "
                f"was erased from it): check out the version of {', '.join(sorted(wanted))} that made it"
            )
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(kept[digest], encoding="utf-8")
    try:
        indicator = read_indicator(root / "indicators" / f"{receipt.indicator}.R", root / "harness")
    except HeaderError as error:
        raise NotKept(str(error)) from None
    if indicator.code_version != receipt.code_version:
        raise NotKept(f"{receipt.indicator}: the texts that are kept are not those of the receipt")
    return indicator, root / "harness"
