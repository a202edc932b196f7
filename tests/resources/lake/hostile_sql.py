"""Statements that would read what they may not: every spelling of a thing, in every place where a table may stand."""

from __future__ import annotations

import itertools
from collections.abc import Iterator

PLACES = {
    "from": "SELECT to_json(k) AS x FROM {t} k",
    "from first": "FROM {t}",
    "table": "TABLE {t}",
    "join": "SELECT to_json(k) AS x FROM validated.a JOIN {t} k ON true",
    "comma": "SELECT to_json(k) AS x FROM validated.a, {t} k",
    "left join": "SELECT to_json(k) AS x FROM validated.a LEFT JOIN {t} k ON true",
    "parenthesis": "SELECT * FROM (validated.a CROSS JOIN {t} k)",
    "subquery": "SELECT * FROM (SELECT * FROM {t}) s",
    "deep subquery": "SELECT * FROM (SELECT * FROM (SELECT * FROM (SELECT * FROM {t}) a) b) c",
    "cte": "WITH c AS (SELECT * FROM {t}) SELECT * FROM c, validated.a",
    "materialized cte": "WITH c AS MATERIALIZED (SELECT * FROM {t}) SELECT * FROM c, validated.a",
    "cte in a subquery": "SELECT * FROM validated.a, (WITH c AS (FROM {t}) SELECT * FROM c) d",
    "second cte": "WITH b AS (SELECT 1 AS i), c AS (SELECT * FROM b, {t}) SELECT * FROM c",
    "recursive cte": "WITH RECURSIVE c AS (SELECT to_json(k)::VARCHAR AS x, 1 AS n FROM {t} k UNION ALL "
    "SELECT x, n + 1 FROM c WHERE n < 2) SELECT * FROM c, validated.a",
    "recursive branch": "WITH RECURSIVE c AS (SELECT ''::VARCHAR AS x, 1 AS n UNION ALL "
    "SELECT to_json(k)::VARCHAR, n + 1 FROM c, {t} k WHERE n < 2) SELECT * FROM c, validated.a",
    "lateral": "SELECT * FROM validated.a a, LATERAL (SELECT to_json(k) AS x FROM {t} k WHERE a.i > 0) l",
    "exists": "SELECT i FROM validated.a WHERE EXISTS (SELECT 1 FROM {t})",
    "not exists": "SELECT i FROM validated.a WHERE NOT EXISTS (FROM {t})",
    "in": "SELECT i FROM validated.a WHERE 'x' NOT IN (SELECT to_json(k)::VARCHAR FROM {t} k)",
    "any": "SELECT i FROM validated.a WHERE 'x' <> ANY (SELECT to_json(k)::VARCHAR FROM {t} k)",
    "scalar subquery": "SELECT i, (SELECT to_json(k) FROM {t} k LIMIT 1) AS x FROM validated.a",
    "array subquery": "SELECT i, ARRAY(SELECT to_json(k) FROM {t} k) AS x FROM validated.a",
    "case": "SELECT CASE WHEN i > 0 THEN (SELECT min(to_json(k)::VARCHAR) FROM {t} k) END AS x FROM validated.a",
    "function argument": "SELECT concat('', (SELECT min(to_json(k)::VARCHAR) FROM {t} k)) AS x FROM validated.a",
    "filter": "SELECT count(*) FILTER (WHERE EXISTS (FROM {t})) FROM validated.a",
    "having": "SELECT i FROM validated.a GROUP BY i HAVING EXISTS (FROM {t})",
    "order by": "SELECT i FROM validated.a ORDER BY (SELECT min(to_json(k)::VARCHAR) FROM {t} k)",
    "limit": "SELECT i FROM validated.a LIMIT (SELECT count(*) FROM {t})",
    "window": "SELECT max(i) OVER (PARTITION BY (SELECT count(*) FROM {t})) FROM validated.a",
    "qualify": "SELECT i FROM validated.a QUALIFY row_number() OVER (ORDER BY i) <= (SELECT count(*) FROM {t})",
    "join condition": "SELECT a.i FROM validated.a a JOIN validated.a b ON a.i = (SELECT count(*) FROM {t})",
    "union": "SELECT 'a' AS x FROM validated.a UNION ALL SELECT to_json(k)::VARCHAR FROM {t} k",
    "union by name": "SELECT i FROM validated.a UNION ALL BY NAME FROM {t}",
    "except": "SELECT to_json(k)::VARCHAR AS x FROM {t} k EXCEPT SELECT 'a' FROM validated.a",
    "values": "SELECT * FROM validated.a, (VALUES ((SELECT min(to_json(k)::VARCHAR) FROM {t} k))) v(x)",
    "unnest": "SELECT unnest(ARRAY(SELECT to_json(k) FROM {t} k)) AS x FROM validated.a",
    "unnest as table": "SELECT * FROM validated.a, unnest((SELECT list(to_json(k)) FROM {t} k)) u",
    "pivot": "SELECT * FROM (SELECT i, (SELECT count(*) FROM {t}) AS n FROM validated.a) PIVOT (sum(n) FOR i IN (1, 2))",
    "pivot of it": "FROM {t} PIVOT (count(*) FOR marker IN ('x'))",
    "pivot statement": "PIVOT {t} ON marker IN ('x') USING count(*)",
    "unpivot": "FROM {t} UNPIVOT (v FOR n IN (marker))",
    "positional join": "SELECT * FROM validated.a POSITIONAL JOIN {t}",
    "asof join": "SELECT * FROM validated.a a ASOF JOIN (SELECT *, 1 AS j FROM {t}) b ON a.i >= b.j",
    "semi join": "SELECT i FROM validated.a SEMI JOIN {t} k ON true",
    "sample": "SELECT * FROM {t} USING SAMPLE 100%",
    "describe": "SELECT * FROM (DESCRIBE {t})",
    "summarize": "SELECT * FROM (SUMMARIZE {t})",
}
"""Where a table may stand; the result holds what stands in it, or depends on it."""


def spellings(file: str, glob: str) -> dict[str, str]:
    """Ways to name the table ``raw.secret``, a file of the lake, a file beside it, and what tells of the engine."""
    quoted = '"' + file + '"'
    return {
        "quoted path": quoted,
        "path as text": f"'{file}'",
        "glob": f'"{glob}"',
        "glob as text": f"'{glob}'",
        "dots in the path": f'"{file.replace("/", "/./", 1)}"',
        "url": f'"file://{file}"',
        "other schema": "raw.secret",
        "other schema in capitals": "RAW.SECRET",
        "quoted schema": '"raw"."secret"',
        "mixed": '"Raw".secreT',
        "with the catalog": "lake.raw.secret",
        "allowed, but by the catalog": "lake.validated.a",
        "quarantine": "quarantine.secret",
        "platform": "platform.secret",
        "table not asked for": "validated.b",
        "bare name": "secret",
        "main": "main.secret",
        "unicode": "\u202esecret",
        "unicode schema": "r\u0430w.secret",  # a Cyrillic letter
        "full width": "\uff52aw.secret",
        "dotted name": '"raw.secret"',
        "name with a space": '"raw secret"',
        "empty name": '""',
        "DuckLake's catalog": "__ducklake_metadata_lake.ducklake_table",
        "DuckLake's catalog, main": "__ducklake_metadata_lake.main.ducklake_data_file",
        "information schema": "information_schema.tables",
        "information schema of the catalog": "lake.information_schema.columns",
        "pg_catalog": "pg_catalog.pg_class",
        "pg": "pg_class",
        "settings": "duckdb_settings",
        "sqlite_master": "sqlite_master",
        "read_csv": f"read_csv('{file}')",
        "read_csv_auto": f"READ_CSV_AUTO('{file}')",
        "quoted function": f"\"read_csv\"('{file}')",
        "system function": f"system.main.read_csv('{file}')",
        "read_text": f"read_text('{file}')",
        "read_blob": f"read_blob('{file}')",
        "read_json": f"read_json('{file}')",
        "read_parquet": f"read_parquet('{file}')",
        "parquet_scan": f"parquet_scan('{file}')",
        "parquet_metadata": f"parquet_metadata('{file}')",
        "parquet_kv_metadata": f"parquet_kv_metadata('{file}')",
        "sniff_csv": f"sniff_csv('{file}')",
        "glob()": f"glob('{glob}')",
        "query": f"query('FROM \"{file}\"')",
        "query of a table": "query('FROM raw.secret')",
        "query_table": "query_table('raw.secret')",
        "query_table of a file": f"query_table('{file}')",
        "json_execute_serialized_sql": "json_execute_serialized_sql(json_serialize_sql('FROM raw.secret'))",
        "files of the lake": "ducklake_list_files('lake', 'secret', schema => 'raw')",
        "changes of the lake": "ducklake_table_insertions('lake', 'raw', 'secret', 0, 100)",
        "options of the lake": "ducklake_options('lake')",
        "snapshots": "ducklake_snapshots('lake')",
        "secrets": "duckdb_secrets()",
        "settings()": "duckdb_settings()",
        "variables": "duckdb_variables()",
        "tables()": "duckdb_tables()",
        "pragma": "pragma_table_info('raw.secret')",
        "other snapshot": "validated.a AT (VERSION => 1)",
        "python variable": "frame",
        "http": "'http://127.0.0.1:9/secret.csv'",
        "bucket": "'gs://lake-test/secret.parquet'",
    }


def shadowed(query: str, name: str) -> Iterator[tuple[str, str]]:
    """`query`, alone and with a WITH of the same `name` where it does not count."""
    yield "alone", query
    own = f"WITH {name} AS (SELECT 1 AS n) SELECT n FROM {name}"
    if name[-1] in "\"'" or name.replace("_", "").isalnum():
        yield "same name in a scalar subquery", f"SELECT *, ({own}) AS own FROM ({query}) q"
        yield "same name in EXISTS", f"SELECT * FROM ({query}) q WHERE EXISTS ({own})"
        yield (
            "same name in another branch",
            f"SELECT to_json(q)::VARCHAR AS x FROM ({query}) q UNION ALL SELECT n::VARCHAR FROM ({own}) o",
        )
        yield "same name later", f"WITH q AS ({query}), {name} AS (SELECT 1 AS n) SELECT * FROM q"
        yield "same name inside", f"WITH q AS ({own}) SELECT k.* FROM ({query}) k, q"


def statements(file: str, glob: str, each: int = 6) -> Iterator[tuple[str, str]]:
    """(what it is, statement): every spelling in `each` places, the places taken in turn so that all of them come often."""
    places = itertools.cycle(PLACES.items())
    turn = itertools.count()
    for spelling, name in spellings(file, glob).items():
        for place, template in itertools.islice(places, each):
            variants = list(shadowed(template.format(t=name), name))
            # the plain one and one of those with a WITH of the same name
            for shadow, query in dict.fromkeys((variants[0], variants[next(turn) % len(variants)])):
                yield f"{spelling} / {place} / {shadow}", query


def commands(file: str, folder: str, other: str) -> list[str]:
    """Statements that are no query, and expressions that tell of engine, session or machine. `other` is a file that may not be read."""
    return [
        f"COPY (SELECT 1) TO '{folder}/out.csv'",
        f"COPY validated.a TO '{folder}/out.parquet'",
        f"COPY validated.a FROM '{other}'",
        f"COPY (SELECT 1) TO '{folder}/out' (FORMAT parquet, PARTITION_BY (x))",
        f"SELECT 1) TO '{folder}/out.csv' --",
        f"SELECT 1) TO '{folder}/out.csv' /*",
        f"EXPORT DATABASE '{folder}/export'",
        f"IMPORT DATABASE '{folder}'",
        f"ATTACH '{folder}/catalog.sqlite' AS z (TYPE sqlite)",
        f"ATTACH '{folder}/z.duckdb' AS z",
        f"ATTACH 'ducklake:sqlite:{folder}/catalog.sqlite' AS z",
        "ATTACH 'postgres:host=127.0.0.1' AS z (TYPE postgres)",
        "INSTALL httpfs",
        "LOAD httpfs",
        "LOAD sqlite_scanner",
        f"LOAD '{folder}/x.duckdb_extension'",
        "SET lock_configuration = false",
        "SET enable_external_access = true",
        f"SET allowed_directories = ['{folder}']",
        "RESET allowed_paths",
        "RESET GLOBAL enable_external_access",
        "PRAGMA enable_external_access = true",
        "SET python_enable_replacements = true",
        f"SET temp_directory = '{folder}'",
        f"SET log_query_path = '{folder}/log'",
        f"SET profiling_output = '{folder}/profile'",
        "CREATE SECRET s (TYPE gcs, KEY_ID 'a', SECRET 'b')",
        "CREATE PERSISTENT SECRET s (TYPE gcs, KEY_ID 'a', SECRET 'b')",
        "CREATE TABLE validated.new AS SELECT 1 AS n",
        "INSERT INTO validated.a VALUES (1, 'x')",
        "UPDATE validated.a SET t = 'x'",
        "DELETE FROM validated.a",
        "DROP TABLE validated.a",
        "ALTER TABLE validated.a ADD COLUMN z INTEGER",
        "DELETE FROM __ducklake_metadata_lake.ducklake_table",
        "INSERT INTO __ducklake_metadata_lake.ducklake_metadata VALUES ('a', 'b', NULL, NULL)",
        f"CALL ducklake_add_data_files('lake', 'a', '{other}', schema => 'validated')",
        "CALL ducklake_set_option('lake', 'x', 'y')",
        "SELECT getenv('HOME')",
        "SELECT current_setting('secret_directory')",
        "SELECT getvariable('x')",
        "SELECT (SELECT getvariable('x')) FROM validated.a",
        "SELECT read_text('/etc/hostname')",
        "SELECT system.main.version()",
        "SELECT write_log('x')",
        "SELECT nextval('x')",
        "SELECT random(), uuid(), now() FROM validated.a",
        "SELECT pg_sleep(1)",
        "SELECT json_serialize_plan('FROM raw.secret')",
        "SELECT 1; SELECT 2",
        "SET VARIABLE x = 1",
        "PREPARE p AS SELECT 1",
        "EXECUTE p",
        "EXPLAIN ANALYZE SELECT 1",
        "DESCRIBE validated.a",
        "SHOW TABLES",
        "SHOW ALL TABLES",
        "USE memory",
        "CHECKPOINT",
        "CREATE MACRO m() AS 1",
        "CREATE VIEW v AS FROM raw.secret",
        "BEGIN TRANSACTION",
        "",
        ";",
        "\x00",
    ]
