"""Every ``defs/<domain>/sql/<name>.sql`` becomes an indicator's asset. A new indicator is a new file, no more."""

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import dagster as dg

from platform_assets.components.describe import table_kinds
from platform_assets.components.metadata import Told, column_schema, made_from, shown
from platform_assets.components.unreadable import unreadable_asset
from platform_assets.contracts.files import read_contracts
from platform_assets.contracts.model import Contract
from platform_assets.indicators.model import HeaderError
from platform_assets.indicators.sensitivity import personal_tables
from platform_assets.indicators.sql.file import SqlIndicator, list_sql, read_sql, to_bigquery
from platform_assets.office import engine_of
from resources.environment import REPOSITORY, Platform, Settings
from resources.markdown import Markdown, bullets, fenced, plain, together

_CONFIG = {"integer": int, "number": float, "flag": bool}
_TYPES = {"text": "string", "integer": "int", "number": "float", "flag": "bool", "time": "timestamp"}


class SqlIndicators(dg.Component, dg.Model, dg.Resolvable):
    """Component ``platform_assets.components.SqlIndicators``: the .sql files of all domains."""

    folder: str = "platform_assets/defs"

    def build_defs(self, context: dg.ComponentLoadContext) -> dg.Definitions:
        """An asset for each file; a file that cannot be read is an asset that says so when it runs."""
        cache = Settings.from_environment().home / "cache" / "sql"
        contracts = read_contracts()
        return dg.Definitions(assets=[sql_asset(path, contracts, cache) for path in list_sql(REPOSITORY / self.folder)])


def sql_asset(path: Path, contracts: Mapping[str, Contract], cache: Path | None = None) -> dg.AssetsDefinition:
    """The asset of one file; `contracts` say whether it reads personal data."""
    try:
        indicator = read_sql(path, cache)
        return _asset(indicator, public=not personal_tables(indicator.tables, contracts, {}))
    except HeaderError as error:
        return unreadable_asset(path, path.stem, "sql", str(error))


def _asset(indicator: SqlIndicator, *, public: bool) -> dg.AssetsDefinition:
    key = dg.AssetKey(["indicators", indicator.name])
    config = {
        name: dg.Field(_CONFIG.get(p.type, str), is_required=False, description=f"{p.help} (default {p.default})")
        for name, p in indicator.params.items()
    }

    @dg.asset(
        key=key,
        deps=[dg.AssetKey(table.split(".")) for table in indicator.tables],
        group_name="indicators",
        kinds={"sql", *table_kinds()},
        owners=[indicator.owner],
        tags={"domain": indicator.path.parent.parent.name},
        description=_in_words(indicator, public=public),
        metadata={
            "dagster/column_schema": column_schema(
                {o.name: (_TYPES.get(o.type, o.type), o.help) for o in indicator.outputs.values()}
            ),
            "dagster/table_name": f"indicators.{indicator.name}",
            "query": shown(fenced(indicator.query, "sql")),
        },
        config_schema=config or None,
        check_specs=[
            dg.AssetCheckSpec(
                "output_schema",
                asset=key,
                description="The query gives the columns and types that the header declares. Otherwise nothing is replaced.",
            ),
            dg.AssetCheckSpec(
                "bigquery", asset=key, description="The query can be said in BigQuery's dialect, by sqlglot."
            ),
        ],
        output_required=False,
        required_resource_keys={"platform"},
    )
    def run_query(context: dg.AssetExecutionContext) -> Iterator[dg.MaterializeResult | dg.AssetCheckResult]:
        from platform_assets.indicators.derived_tables import TableMissing
        from platform_assets.indicators.sql.run import OutputMismatch, SqlFailed

        platform: Platform = context.resources.platform
        params = context.op_execution_context.op_config if config else None
        yield _bigquery(key, indicator)
        try:
            made = engine_of(platform).run_sql(indicator, params, run_id=context.run.run_id, public=public)
        except OutputMismatch as error:
            Told(context).error(f"{error}; the last good table stays and is stale")
            yield _output_schema(key, passed=False, text=str(error))
            return
        except (TableMissing, SqlFailed, ValueError) as error:
            raise dg.Failure(str(error), allow_retries=False) from None
        yield dg.MaterializeResult(
            asset_key=key,
            metadata={
                **made.published,
                **({"dagster/row_count": made.rows} if public else {}),
                "parameters": dg.MetadataValue.json(dict(made.params)),
                **(made_from(made.receipt, rows=public) if made.receipt else {}),
                **made.cost,
                "run": made.how
                if made.fresh
                else "nothing ran: query, inputs and parameters are those of the last time",
            },
            data_version=dg.DataVersion(made.version),
        )
        yield _output_schema(key, passed=True, text=f"{len(indicator.outputs)} columns as declared")

    return run_query


def _output_schema(key: dg.AssetKey, *, passed: bool, text: str) -> dg.AssetCheckResult:
    return dg.AssetCheckResult(asset_key=key, check_name="output_schema", passed=passed, description=plain(text))


def _bigquery(key: dg.AssetKey, indicator: SqlIndicator) -> dg.AssetCheckResult:
    """A warning: the table here is right whatever another engine would say."""
    metadata: dict[str, Any] = {}
    try:
        metadata["query"] = shown(fenced(to_bigquery(indicator.query), "sql"))
        text = "said in BigQuery's dialect and parsed there"
    except ValueError as error:
        text = str(error)
    return dg.AssetCheckResult(
        asset_key=key,
        check_name="bigquery",
        passed="query" in metadata,
        severity=dg.AssetCheckSeverity.WARN,
        description=plain(text),
        metadata=metadata,
    )


def _in_words(indicator: SqlIndicator, *, public: bool) -> Markdown:
    how = "as it is: it reads public data alone" if public else "not at all: it is made of personal data"
    said = [f"Parameter {p.name}: {p.help} (default {p.default})" for p in indicator.params.values()]
    return together(plain(indicator.title), plain(indicator.description), bullets([f"Published: {how}", *said]))
