"""How a contract reads in the Dagster UI: column schemas and plain words."""

from __future__ import annotations

import dagster as dg

from platform_assets.contracts.columns import Column
from platform_assets.contracts.model import Contract
from platform_assets.contracts.words import limits_in_words
from platform_assets.ingest.tables import Tables, duckdb_type
from resources.environment import Settings
from resources.text import markdown

_LINEAGE = {
    "_delivery": "delivery that the row came with (first 16 digits of the file's SHA-256, where its content came for the first time)",
    "_row": "row in the file; the header is row 1, as in a spreadsheet",
    "_file": "file name",
    "_as_of": "how recent the row is, by the contract's order",
    "_partition": "ISO week or month",
    "_text": "the whole line, where it could not be split into columns",
    "_reasons": "every reason why the row was rejected",
    "_quarantined_at": "when (UTC)",
}


def table_kinds() -> set[str]:
    """Dagster's kinds of a table that the engine makes: the engine's name is one."""
    return {Settings.from_environment().engine, "table"}


def validated_schema(contract: Contract) -> dg.TableSchema:
    """Columns of the validated table, with their meaning and constraints."""
    columns = [
        dg.TableColumn(
            name=name,
            type=duckdb_type(column),
            description=markdown.plain(" ".join(filter(None, [column.description, _limits(column)]))) or None,
            constraints=dg.TableColumnConstraints(
                nullable=column.nullable and not column.derived_from, unique=list(contract.load.key) == [name]
            ),
            tags={"role": column.role} if column.role else {},
        )
        for name, column in contract.columns.items()
    ]
    return dg.TableSchema([*columns, *_lineage(Tables(contract).validated_columns)])


def text_schema(columns: dict[str, str]) -> dg.TableSchema:
    """Columns of the raw or quarantine table."""
    return dg.TableSchema(
        [dg.TableColumn(name, kind) for name, kind in columns.items() if not name.startswith("_")] + _lineage(columns)
    )


def contract_in_words(contract: Contract) -> markdown.Markdown:
    """The contract as Markdown for people."""
    key = ", ".join(contract.load.key)
    quality = contract.quality
    formats = " or ".join(f.kind for f in contract.format)
    blocks = [
        markdown.plain(contract.description),
        markdown.beside(
            markdown.bold("Deliveries:"),
            markdown.plain(f"{formats}, dropped in landing/{contract.name}/. {contract.load.changes.in_words(key)}"),
        ),
        markdown.beside(
            markdown.bold("Limits:"),
            markdown.plain(
                f"a delivery with more than {quality.max_quarantined:.1%} wrong rows, or fewer than "
                f"{quality.min_rows} rows, is held: nothing of it is published."
            ),
        ),
    ]
    rows = []
    for name, column in contract.columns.items():
        pseudonym = "replaced by a keyed pseudonym; " if column.role == "identifier" else ""
        rows.append([name, column.type.value, column.description, f"{pseudonym}{_limits(column)}"])
    blocks.append(markdown.table(["column", "type", "meaning", "rules"], rows))
    if contract.rules:
        blocks.append(markdown.bold("Rules over the row"))
        blocks.append(
            markdown.bullets(
                f"{r.description or r.name} ({'quarantined' if r.severity == 'error' else 'counted'})"
                for r in contract.rules
            )
        )
    return markdown.together(*blocks)


def _lineage(columns: dict[str, str]) -> list[dg.TableColumn]:
    return [
        dg.TableColumn(n, k, description=markdown.plain(_LINEAGE.get(n, "")))
        for n, k in columns.items()
        if n.startswith("_")
    ]


def _limits(column: Column) -> str:
    words = limits_in_words(column)
    return ("; ".join(words) + ".") if words else ""
