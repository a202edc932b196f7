"""The graph as files: node-link JSON (for networkx, and back with `read_node_link`), Parquet, GraphML.

The same graph gives the same bytes. Files are replaced in one step, so a reader never sees half of one.
"""

from __future__ import annotations

import json
import os
import re
import tempfile
from collections.abc import Callable, Iterator
from datetime import date
from pathlib import Path
from typing import IO, Any

import ijson
import pyarrow as pa
import pyarrow.parquet as pq

from platform_assets.literature.graph import EDGES, NODES, Graph

NODE_LINK_FILE = "graph.json"
_ROWS_AT_A_TIME = 20_000


def write_graph(graph: Graph, folder: Path) -> dict[str, Path]:
    """Write the graph to `folder` as JSON, GraphML and two Parquet files; give the paths by file name."""
    writers: dict[str, Callable[[IO[bytes]], None]] = {
        NODE_LINK_FILE: lambda file: _write_node_link(graph, file),
        "nodes.parquet": lambda file: pq.write_table(graph.nodes, file, compression="zstd"),
        "edges.parquet": lambda file: pq.write_table(graph.edges, file, compression="zstd"),
        "graph.graphml": lambda file: _write_graphml(graph, file),
    }
    folder.mkdir(parents=True, exist_ok=True)
    for name, write in writers.items():
        replace_file(folder / name, write)
    return {name: folder / name for name in writers}


def read_node_link(path: Path) -> Graph:
    """Read a graph from the JSON that `write_graph` made, streaming: a million titles fit a laptop.

    Raises ValueError if the file is something else.
    """
    try:
        nodes = _read_rows(path, "nodes", NODES)
        edges = _read_rows(path, "edges", EDGES)
    except (ijson.JSONError, KeyError, TypeError, AttributeError, pa.ArrowInvalid, UnicodeDecodeError):
        raise ValueError(
            f"{path} is not a node-link graph of drug mentions, or is cut short; publish it again"
        ) from None
    if not nodes.num_rows and not {"nodes", "edges"} <= _top_level_keys(path):
        raise ValueError(f"{path} has no `nodes` and `edges`; give the {NODE_LINK_FILE} that the platform published")
    return Graph(nodes, edges)


def replace_file(path: Path, write: Callable[[IO[bytes]], object]) -> None:
    """Let `write` fill a temporary file beside `path` and put it in place when it is whole."""
    descriptor, temporary = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    try:
        with os.fdopen(descriptor, "wb") as file:
            write(file)
        os.replace(temporary, path)
    except BaseException:
        os.unlink(temporary)
        raise


def _write_node_link(graph: Graph, file: IO[bytes]) -> None:
    """One node or edge a line, so that people can read it and line tools can compare two versions."""
    encode = json.JSONEncoder(ensure_ascii=False, separators=(",", ":"), default=date.isoformat).encode
    file.write(b'{"directed":true,"multigraph":false,"graph":{"name":"Drugs in the literature"},\n"nodes":[')
    for position, node in enumerate(_dictionaries(graph.nodes)):
        file.write((",\n" if position else "\n").encode() + encode(node).encode())
    file.write(b'\n],\n"edges":[')
    for position, edge in enumerate(_dictionaries(graph.edges)):
        file.write((",\n" if position else "\n").encode() + encode(edge).encode())
    file.write(b"\n]}\n")


def _dictionaries(rows: pa.Table) -> Iterator[dict[str, Any]]:
    """Rows as dictionaries without the attributes that are empty."""
    for batch in rows.to_batches(max_chunksize=_ROWS_AT_A_TIME):
        for row in batch.to_pylist():
            yield {name: value for name, value in row.items() if value is not None}


def _read_rows(path: Path, key: str, schema: pa.Schema) -> pa.Table:
    names = schema.names
    required = [name for name in names if name in ("id", "type", "source", "target")]
    parsed = []
    columns: list[list[Any]] = [[] for _ in names]

    def finish() -> None:
        # Dates come as text; Arrow reads them in one go.
        arrays = [pa.array(column, _as_read(field.type)) for column, field in zip(columns, schema, strict=True)]
        parsed.append(pa.Table.from_arrays(arrays, names).cast(schema))
        for column in columns:
            column.clear()

    with path.open("rb") as file:
        for row in ijson.items(file, f"{key}.item"):
            for name, column in zip(names, columns, strict=True):
                column.append(row[name] if name in required else row.get(name))
            if len(columns[0]) == _ROWS_AT_A_TIME:
                finish()
    finish()
    return pa.concat_tables(parsed)


def _as_read(type_: pa.DataType) -> pa.DataType:
    return pa.list_(pa.string()) if pa.types.is_list(type_) else pa.string()


def _top_level_keys(path: Path) -> set[str]:
    with path.open("rb") as file:
        return {value for prefix, event, value in ijson.parse(file) if not prefix and event == "map_key"}


def _write_graphml(graph: Graph, file: IO[bytes]) -> None:
    """GraphML knows no lists: `dates` and `publications` stand in it as JSON text."""
    node_keys = [name for name in NODES.names if name != "id"]
    edge_keys = [name for name in EDGES.names if name not in ("source", "target")]
    file.write(b"<?xml version='1.0' encoding='utf-8'?>\n<graphml xmlns=\"http://graphml.graphdrawing.org/xmlns\">\n")
    for domain, keys in (("node", node_keys), ("edge", edge_keys)):
        for key in keys:
            line = f'<key id="{domain}_{key}" for="{domain}" attr.name="{key}" attr.type="string"/>\n'
            file.write(line.encode())
    file.write(b'<graph edgedefault="directed">\n')
    for node in _dictionaries(graph.nodes):
        file.write(f'<node id="{_xml(node["id"])}">{_data("node", node_keys, node)}</node>\n'.encode())
    for edge in _dictionaries(graph.edges):
        ends = f'source="{_xml(edge["source"])}" target="{_xml(edge["target"])}"'
        file.write(f"<edge {ends}>{_data('edge', edge_keys, edge)}</edge>\n".encode())
    file.write(b"</graph>\n</graphml>\n")


def _data(domain: str, keys: list[str], row: dict[str, Any]) -> str:
    return "".join(f'<data key="{domain}_{key}">{_xml(row[key])}</data>' for key in keys if key in row)


def _xml(value: Any) -> str:
    """A value as text that may stand between tags or in quotes."""
    text = value if isinstance(value, str) else _encode(value) if isinstance(value, list) else str(value)
    return text.translate(_XML) if _NEEDS_CARE.search(text) else text


_encode = json.JSONEncoder(ensure_ascii=False, default=date.isoformat).encode
_NOT_IN_XML = [*range(9), 11, 12, *range(14, 32), 0xFFFE, 0xFFFF]  # XML 1.0 has no way at all to write these
_XML = {
    **dict.fromkeys(_NOT_IN_XML, "\ufffd"),
    **{ord(character): f"&#{ord(character)};" for character in '&<>"\t\n\r'},
}
_NEEDS_CARE = re.compile("[" + re.escape("".join(map(chr, _XML))) + "]")
