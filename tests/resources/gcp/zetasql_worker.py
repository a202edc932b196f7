"""Runs in the environment of zetasql: reads jobs from stdin, writes answers to stdout (see `bigquery_emulator.analysed`)."""

# mypy: ignore-errors
import datetime as dt
import functools
import json
import sys

import wasmtime

_engine = wasmtime.Engine.__init__


def _cached(self, config=None):
    """Compiling the analyser takes half a minute; wasmtime can remember it."""
    config = config or wasmtime.Config()
    config.cache = True
    _engine(self, config)


wasmtime.Engine.__init__ = _cached

from zetasql.api import (  # noqa: E402
    CatalogBuilder,
    PreparedQuery,
    TableBuilder,
    TypeFactory,
    create_table_content,
)
from zetasql.core.local_service import ZetaSqlLocalService  # noqa: E402
from zetasql.types import (  # noqa: E402
    AnalyzerOptions,
    LanguageOptions,
    ResolvedNodeKind,
    TypeKind,
    ZetaSQLBuiltinFunctionOptions,
)

LANGUAGE = LanguageOptions.maximum_features()
LANGUAGE.supported_statement_kinds = [
    getattr(ResolvedNodeKind, f"RESOLVED_{kind}_STMT") for kind in ("QUERY", "INSERT", "UPDATE", "DELETE")
]
OPTIONS = AnalyzerOptions(language_options=LANGUAGE, allow_undeclared_parameters=True)
SIMPLE = ("int64_value", "bool_value", "string_value", "double_value")
EPOCH = dt.date(1970, 1, 1)


@functools.cache
def catalog(described):
    """The tables of a job (as JSON): making a catalog takes longer than reading a statement."""
    columns = json.loads(described)
    builder = CatalogBuilder("c")
    for table, named in columns.items():
        made = TableBuilder(table)
        for name, kind in named.items():
            element = getattr(TypeKind, f"TYPE_{kind.removeprefix('ARRAY<').removesuffix('>')}")
            simple = TypeFactory.create_simple_type(element)
            made = made.add_column(name, TypeFactory.create_array_type(simple) if kind.startswith("ARRAY<") else simple)
        builder = builder.add_table(made.build())
    return builder.with_builtin_functions(ZetaSQLBuiltinFunctionOptions(language_options=LANGUAGE)).build()


def value(cell):
    """A cell as JSON: dates as ISO text, numerics as text with the scale of their own, date-times as ISO text."""
    for name in SIMPLE:
        found = getattr(cell, name, None)
        if found is not None:
            return found
    if getattr(cell, "date_value", None) is not None:
        return (EPOCH + dt.timedelta(days=cell.date_value)).isoformat()
    if getattr(cell, "numeric_value", None) is not None:
        # little-endian two's complement, scaled by 10^9
        return str(int.from_bytes(cell.numeric_value, "little", signed=True) / 10**9)
    if getattr(cell, "datetime_value", None) is not None:
        packed = cell.datetime_value.bit_field_datetime_seconds
        parts = packed >> 26, packed >> 22 & 15, packed >> 17 & 31, packed >> 12 & 31, packed >> 6 & 63, packed & 63
        microseconds = (cell.datetime_value.nanos or 0) // 1000
        return dt.datetime(*parts, microseconds).isoformat(sep=" ")
    if getattr(cell, "array_value", None) is not None:
        return [value(element) for element in cell.array_value.element]
    return None


@functools.cache
def registered(described):
    """The number by which the analyser knows these tables: telling it with each statement takes most of the time."""
    return ZetaSqlLocalService.get_instance().register_catalog(simple_catalog=catalog(described)).registered_id


def answer(job):
    described = json.dumps(job["columns"])
    try:
        if "rows" not in job:
            known = registered(described)
            answered = ZetaSqlLocalService.get_instance().analyze(
                sql_statement=job["sql"], options=OPTIONS, registered_catalog_id=known
            )
            found = getattr(answered.resolved_statement, "output_column_list", None) or []
            types = {c.name: c.column.type.type_kind.name.removeprefix("TYPE_") for c in found}
            return {"columns": len(found), "types": types}
        query = (
            PreparedQuery.builder().set_sql(job["sql"]).set_analyzer_options(OPTIONS).set_catalog(catalog(described))
        )
        contents = {table: create_table_content(rows) for table, rows in job["rows"].items()}
        table = query.set_table_content(contents).prepare().execute().content.table_data
        return {"rows": [[value(cell) for cell in row.cell] for row in table.row]}
    except Exception as error:  # noqa: BLE001 - the analyser has one kind of error per way to be wrong; all mean refused
        return {"refused": str(error)}


json.dump([answer(job) for job in json.load(sys.stdin)], sys.stdout)
