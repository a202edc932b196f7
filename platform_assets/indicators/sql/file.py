"""A .sql file as an indicator: its header says what comes out, its query what it is made from. Nothing is run here.

The query is read twice: by sqlglot, which knows scopes and BigQuery's dialect (`names`), and by DuckDB's own parser
(`resources.lake.select_only`), as it is DuckDB that will run it. sqlglot takes a quarter of a second to import, so what was parsed once is remembered by the file's content.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, cast

from platform_assets.indicators.model import COLUMN_TYPES, OWNER, ColumnType, HeaderError, Param
from platform_assets.indicators.sql import names
from resources.lake import select_only

if TYPE_CHECKING:
    import sqlglot.expressions

ENGINE_TYPES = {
    "text": ("VARCHAR",),
    "integer": ("BIGINT", "INTEGER"),
    "number": ("DOUBLE",),
    "decimal": ("DECIMAL",),
    "flag": ("BOOLEAN",),
    "date": ("DATE",),
    "time": ("TIMESTAMP",),
}
"""Types that a header may declare, and what the engine calls them; a decimal of any precision is a decimal."""
_TAGS = ("owner", "param", "output")
_NAME = re.compile(r"[a-z][a-z0-9_]*")
_PARAM = re.compile(r"(?P<name>\S+)\s+<(?P<type>\w+)>\s*(?P<help>.*?),?\s*\bdefault\s+(?P<default>.+)")
_OUTPUT = re.compile(r"(?P<name>\w+)\s*<(?P<type>\w+)>\s*(?P<help>[^,<>]*)")


@dataclass(frozen=True)
class Output:
    """A column of the result."""

    name: str
    type: str
    """One of ENGINE_TYPES."""
    help: str


@dataclass(frozen=True)
class SqlIndicator:
    """Everything the platform knows about a .sql file before it runs."""

    name: str
    path: Path
    title: str
    description: str
    owner: str
    params: Mapping[str, Param]
    outputs: Mapping[str, Output]
    tables: tuple[str, ...]
    """What the query reads, by layer and name, e.g. ``validated.transactions``."""
    query: str
    """The file's text without a last semicolon; parameters stand in it as ``$name``."""


def list_sql(folder: Path) -> list[Path]:
    """The ``<domain>/sql/<name>.sql`` files below `folder`. Raises HeaderError where two have one name."""
    files: dict[str, Path] = {}
    for path in sorted(folder.glob("*/sql/*.sql")):
        if path.stem in files:
            both = " and ".join(p.relative_to(folder).as_posix() for p in (files[path.stem], path))
            raise HeaderError(path, None, f"{both} have the same name, and so the same table: rename one")
        files[path.stem] = path
    return list(files.values())


def read_sql(path: Path, cache: Path | None = None) -> SqlIndicator:
    """Read one file. Raises HeaderError, which names file, line and remedy. `cache` is a folder for what was parsed before."""
    if not _NAME.fullmatch(path.stem):
        raise HeaderError(path, None, "a file name has small letters, digits and _, and starts with a letter")
    try:
        text = path.read_bytes().decode("utf-8-sig").replace("\r\n", "\n")
    except UnicodeDecodeError:
        raise HeaderError(path, None, "this is not UTF-8 text: save it as UTF-8") from None
    prose, tags = _header(path, text)
    params, outputs, owner = _declared(path, tags)
    tables, used = parsed(path, text, cache)
    unknown, unused = sorted(set(used) - set(params)), sorted(set(params) - set(used))
    if unknown:
        raise HeaderError(path, None, f"the query uses ${unknown[0]}, which no @param declares")
    if unused:
        raise HeaderError(path, None, f"@param {unused[0]} is declared, but ${unused[0]} is not in the query")
    query = text.rstrip().removesuffix(";")
    title, _, description = "\n".join(prose).strip().partition("\n")
    if not title:
        raise HeaderError(path, 1, "no title; begin the file with a line such as -- Turnover per day")
    return SqlIndicator(path.stem, path, title, description.strip(), owner, params, outputs, tables, query)


def to_bigquery(query: str) -> str:
    """The query in BigQuery's dialect, parameters as ``@name``. Raises ValueError where it cannot be said there, with the reason."""
    import sqlglot

    try:
        there = sqlglot.transpile(
            query,
            read="duckdb",
            write="bigquery",
            pretty=True,
            comments=False,
            unsupported_level=sqlglot.ErrorLevel.RAISE,
        )[0]
        again = sqlglot.parse_one(there, dialect="bigquery")
    except sqlglot.errors.SqlglotError as error:
        raise ValueError(f"cannot be said in BigQuery's dialect: {error}") from None
    here = sqlglot.parse_one(query, dialect="duckdb")
    if names.tables_of(again) != names.tables_of(here) or _placeholders(again) != _placeholders(here):
        raise ValueError("reads other tables or parameters once it is said in BigQuery's dialect")
    return there


# ------------------------------------------------------------------------------------------------------------ header


def _header(path: Path, text: str) -> tuple[list[str], list[tuple[int, str, str]]]:
    """The comment lines at the top: prose, then tags as (line, tag, text) with continuation lines joined."""
    prose: list[str] = []
    tags: list[tuple[int, str, str]] = []
    for number, line in enumerate(text.splitlines(), 1):
        if not line.startswith("--"):
            break
        body = line[2:].strip()
        if body.startswith("@"):
            tag, _, rest = body[1:].partition(" ")
            if tag not in _TAGS:
                raise HeaderError(path, number, f"unknown tag @{tag}; the tags are {', '.join('@' + t for t in _TAGS)}")
            tags.append((number, tag, rest.strip()))
        elif tags and body:
            first, tag, before = tags[-1]
            tags[-1] = (first, tag, f"{before} {body}")
        elif not tags:
            prose.append(body)
    return prose, tags


def _declared(path: Path, tags: list[tuple[int, str, str]]) -> tuple[dict[str, Param], dict[str, Output], str]:
    params: dict[str, Param] = {}
    outputs: dict[str, Output] = {}
    owner = ""
    for line, tag, text in tags:
        if tag == "owner":
            if not OWNER.fullmatch(text):
                raise HeaderError(path, line, f'@owner is "{text}"; write team:name or an e-mail address')
            owner = text
        elif tag == "param":
            param = _param(path, line, text)
            if param.name in params:
                raise HeaderError(path, line, f"@param {param.name} is declared twice")
            params[param.name] = param
        else:
            for output in _outputs(path, line, text):
                if output.name in outputs:
                    raise HeaderError(path, line, f'column "{output.name}" is declared twice')
                outputs[output.name] = output
    if not outputs:
        raise HeaderError(path, None, "no @output line; write: -- @output column <type> what it is, column <type> ...")
    if not owner:
        raise HeaderError(path, None, "no @owner line; write: -- @owner team:name")
    return params, outputs, owner


def _param(path: Path, line: int, text: str) -> Param:
    match = _PARAM.fullmatch(text)
    if match is None:
        raise HeaderError(path, line, "cannot read @param; write: @param name <type> what it does, default value")
    if match["type"] not in COLUMN_TYPES:
        raise HeaderError(path, line, f"unknown type <{match['type']}>; the types are {', '.join(COLUMN_TYPES)}")
    param = Param(match["name"], cast("ColumnType", match["type"]), match["help"].strip(), match["default"].strip())
    try:
        param.parse(param.default or "")
    except ValueError as error:
        raise HeaderError(path, line, f"default of @param {param.name}: {error}") from None
    return param


def _outputs(path: Path, line: int, text: str) -> Iterator[Output]:
    at = 0
    for match in _OUTPUT.finditer(text):
        if text[at : match.start()].strip(" ,"):
            break
        if match["type"] not in ENGINE_TYPES:
            raise HeaderError(path, line, f"unknown type <{match['type']}>; the types are {', '.join(ENGINE_TYPES)}")
        yield Output(match["name"], match["type"], match["help"].strip())
        at = match.end()
    if text[at:].strip(" ,") or not text:
        raise HeaderError(
            path,
            line,
            f'@output: cannot read "{text[at:].strip(" ,")}"; write: column <type> what it is, column <type>',
        )


# ------------------------------------------------------------------------------------------------------------- query


def parsed(path: Path, text: str, cache: Path | None = None) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Tables and parameters of a query, from `cache` where this text was parsed before by this code. Raises HeaderError."""
    code = [str(Path(module).stat().st_mtime_ns) for module in (__file__, names.__file__, select_only.__file__)]
    stamp = "\0".join([version("sqlglot"), version("duckdb"), *code, text])
    kept = cache / f"{hashlib.sha256(stamp.encode()).hexdigest()[:24]}.json" if cache else None
    if kept and kept.exists():
        tables, params = json.loads(kept.read_text(encoding="utf-8"))
        return tuple(tables), tuple(params)
    tables, params = _parse(path, text)
    if kept:
        with contextlib.suppress(OSError):  # a home that cannot be written: parsed again next time
            kept.parent.mkdir(parents=True, exist_ok=True)
            partial = kept.with_suffix(f".{os.getpid()}.part")
            partial.write_text(json.dumps([tables, params]), encoding="utf-8")
            partial.replace(kept)
    return tables, params


def _parse(path: Path, text: str) -> tuple[tuple[str, ...], tuple[str, ...]]:
    import sqlglot
    from sqlglot import expressions

    try:
        statements = [s for s in sqlglot.parse(text, dialect="duckdb") if s is not None]
    except sqlglot.errors.ParseError as error:
        place = error.errors[0] if error.errors else {}
        # its line numbers are off after a parameter, so the words are told instead
        around = f"{place.get('start_context', '')[-20:]}{place.get('highlight', '')}".split("\n")[-1].strip()
        raise HeaderError(path, None, f'this is not SQL, near "{around}": {place.get("description", "")}') from None
    except sqlglot.errors.SqlglotError:
        raise HeaderError(path, None, "this is not SQL: is a quote or a comment left open?") from None
    if len(statements) != 1 or not isinstance(statements[0], expressions.Query):
        raise HeaderError(path, None, "a file holds one SELECT (WITH ... SELECT is one), nothing else")
    (query,) = statements
    for problem in names.problems(query):
        raise HeaderError(path, None, problem)
    tables = names.tables_of(query)
    if not tables:
        raise HeaderError(path, None, "the query reads no table")
    try:
        select_only.demand_select(text.rstrip().removesuffix(";"), tables)
    except select_only.Refused as error:
        raise HeaderError(path, None, str(error)) from None
    odd = sorted(p for p in _placeholders(query) if not _NAME.fullmatch(p))
    if odd:
        raise HeaderError(path, None, "parameters have names: write $since, not ? or $1")
    return tables, _placeholders(query)


def _placeholders(query: sqlglot.expressions.Expr) -> tuple[str, ...]:
    from sqlglot import expressions

    return tuple(sorted({p.name for p in query.find_all(expressions.Placeholder, expressions.Parameter)}))
