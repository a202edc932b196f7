"""What becomes of the contract where rows are judged by BigQuery and identifiers by this machine.

Only pseudonyms reach BigQuery, so whatever must see an identifier in clear is done before: its cleaning, its checks, its
pseudonym. BigQuery judges all other columns, and knows identifiers as text about which nothing is asked.
"""

from __future__ import annotations

import datetime as dt
from pathlib import Path

from platform_assets.contracts.columns import Column, ColumnType
from platform_assets.contracts.compiled import compiled
from platform_assets.contracts.model import Contract
from platform_assets.contracts.queries import CompiledContract
from resources.bigquery_types import BigQueryError


def for_bigquery(contract: Contract, today: dt.date, folder: Path) -> CompiledContract:
    """The SQL that BigQuery runs. Raises BigQueryError where a blocking rule reads an identifier: it would judge pseudonyms."""
    for rule, column in _rules_that_read_identifiers(contract):
        raise BigQueryError(
            f"{contract.name}: the rule {rule} reads {column}, an identifier, which BigQuery knows by its pseudonym only. "
            "Make it a check of the column (matches, in, min_length), or load this dataset with PLATFORM_ENGINE=duckdb"
        )
    plain = Column(type=ColumnType.STRING, required=False, trim=False, null_tokens=())
    columns = {name: plain if name in contract.identifiers else c for name, c in contract.columns.items()}
    return compiled(contract.model_copy(update={"columns": columns}), today, folder, "bigquery")


def for_identifiers(contract: Contract, today: dt.date, folder: Path) -> CompiledContract:
    """The SQL by which this machine's engine cleans (`raw`) and judges (`judged`) the identifiers, and nothing else."""
    columns = {name: contract.columns[name] for name in contract.identifiers}
    only = compiled(contract.model_copy(update={"columns": columns, "rules": ()}), today, folder)
    return CompiledContract(compiled(contract, today, folder).raw, only.typed, only.judged, "")


def _rules_that_read_identifiers(contract: Contract) -> list[tuple[str, str]]:
    rules = [r for r in contract.rules if r.severity != "warn"]
    if not (rules and contract.identifiers):
        return []
    import ibis
    from ibis.expr import operations

    from platform_assets.contracts.expression import ibis_type
    from platform_assets.contracts.schema import rule_function

    typed = ibis.table({n: ibis_type(c) for n, c in contract.columns.items()}, name="typed")
    found = []
    for rule in rules:
        read = {f.name for f in rule_function(rule)(typed).op().find(operations.Field)}
        found += [(rule.name, column) for column in sorted(read & set(contract.identifiers))]
    return found
