"""What the assets of derived tables show in the Dagster UI."""

from __future__ import annotations

import warnings
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import dagster as dg

from resources.environment import Platform
from resources.markdown import Markdown, plain, unlinked

if TYPE_CHECKING:
    from platform_assets.indicators.receipts import Receipt

PREVIEW_ROWS = 25


def column_schema(columns: Mapping[str, tuple[str, str]]) -> dg.TableSchema:
    """Columns from name -> (type, meaning)."""
    return dg.TableSchema(
        [dg.TableColumn(n, kind, description=plain(meaning)) for n, (kind, meaning) in columns.items()]
    )


def made_from(receipt: Receipt, *, rows: bool = True) -> dict[str, Any]:
    """The inputs at their snapshots, with or without the number of their rows, and when."""
    records = [
        {"table": t.table, "snapshot": t.snapshot, **({"rows": t.rows} if rows else {})}
        for t in receipt.inputs.values()
    ]
    return {"made from": in_rows(records), "made at (UTC)": f"{receipt.made_at:%Y-%m-%d %H:%M:%S}"}


def first_rows(platform: Platform, name: str) -> dict[str, dg.MetadataValue]:
    """The first rows of a table that is about nobody: everyone who can open the UI sees metadata."""
    with platform.warehouse.connect(read_only=True) as connection:
        result = connection.execute(f"SELECT * FROM {name} LIMIT {PREVIEW_ROWS}")
        names = [column[0] for column in result.description]
        rows = [dict(zip(names, map(_shown, row), strict=True)) for row in result.fetchall()]
    return {"first rows": in_rows(rows, "no rows")}


def in_rows(records: Sequence[Mapping[str, Any]], nothing: str = "none") -> dg.MetadataValue:
    """Rows on a page of Dagster, which knows no table without rows: then the words `nothing`."""
    return (
        dg.MetadataValue.table([dg.TableRecord(dict(r)) for r in records])
        if records
        else dg.MetadataValue.text(nothing)
    )


def written_in(path: Path) -> dict[str, dg.CodeReferencesMetadataValue]:
    """What "Open in editor" opens: the file that an asset is written in, not what loads all such files."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", dg.BetaWarning)
        file = dg.LocalFileCodeReference(file_path=str(path), label=path.name)
        return {"dagster/code_references": dg.CodeReferencesMetadataValue(code_references=[file])}


def shown(markdown: Markdown) -> dg.MetadataValue:
    """Markdown on a page of Dagster: only such as `resources.markdown` has made."""
    return dg.MetadataValue.md(markdown)


class Told:
    """A run's log, in which no text becomes a link: Dagster's page makes one of every address in a line, a partner's too."""

    def __init__(self, context: dg.AssetExecutionContext | dg.OpExecutionContext) -> None:
        self._log = context.log

    def info(self, text: object) -> None:
        """As it goes."""
        self._log.info(unlinked(text))

    def warning(self, text: object) -> None:
        """What somebody should look at."""
        self._log.warning(unlinked(text))

    def error(self, text: object) -> None:
        """What went wrong."""
        self._log.error(unlinked(text))


def _shown(value: Any) -> str | int | float | bool:
    return value if isinstance(value, str | int | float | bool) else "" if value is None else str(value)
