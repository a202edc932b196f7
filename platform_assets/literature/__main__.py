"""Answers the questions from a published graph alone: `python -m platform_assets.literature --help`."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc

from platform_assets.literature import questions
from platform_assets.literature.graph import Graph, mentions_of
from platform_assets.literature.graph_files import read_node_link
from platform_assets.people_csv import csv_bytes


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command and give its exit code: 0 answered, 2 no such graph or drug."""
    options = _parser().parse_args(arguments)
    try:
        answer = _answer(read_node_link(options.graph), options)
    except FileNotFoundError:
        return _fail(f"there is no file {options.graph}; give the path of the published graph.json")
    except (ValueError, LookupError) as error:
        return _fail(str(error.args[0]))
    if options.csv:
        sys.stdout.buffer.write(csv_bytes(_flat(answer).to_pandas()))
    else:
        sys.stdout.write(_text_table(_flat(answer)))
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m platform_assets.literature",
        description="Answers questions about drugs in the literature from the published graph alone.",
    )
    parser.add_argument("graph", type=Path, help="the published graph.json")
    parser.add_argument("--csv", action="store_true", help="answer as CSV")
    commands = parser.add_subparsers(dest="question", required=True)
    top = commands.add_parser("top-journals", help="journals that mention the most different drugs, all ties")
    top.add_argument("--ranks", type=int, default=1, help="how many ranks to show (1)")
    related = commands.add_parser(
        "related-drugs",
        help="other drugs mentioned by the same journals in PubMed but not in clinical trials",
    )
    related.add_argument("drug", help="code or name")
    over_time = commands.add_parser("over-time", help="publications that mention each drug, per period")
    over_time.add_argument("--unit", choices=questions.UNITS, default="month")
    return parser


def _answer(graph: Graph, options: argparse.Namespace) -> pa.Table:
    mentions = mentions_of(graph)
    if options.question == "top-journals":
        return questions.top_journals(mentions, options.ranks)
    if options.question == "related-drugs":
        drugs = graph.nodes.filter(pc.equal(graph.nodes.column("type"), "drug"))
        names = {
            node.removeprefix("drug_"): name
            for node, name in zip(drugs.column("id").to_pylist(), drugs.column("name").to_pylist(), strict=True)
        }
        return questions.related_drugs(mentions, questions.find_drug(names, options.drug))
    return questions.drugs_over_time(mentions, options.unit)


def _flat(answer: pa.Table) -> pa.Table:
    """Every column as text, lists joined with `; `, empty for missing."""
    columns = {
        name: ["; ".join(value) if isinstance(value, list) else _cell(value) for value in column.to_pylist()]
        for name, column in zip(answer.column_names, answer.columns, strict=True)
    }
    return pa.table({name: pa.array(values, pa.string()) for name, values in columns.items()})


def _cell(value: object) -> str:
    return "" if value is None else str(value)


def _text_table(answer: pa.Table) -> str:
    rows = [answer.column_names, *(list(row.values()) for row in answer.to_pylist())]
    widths = [max(len(row[column]) for row in rows) for column in range(answer.num_columns)]
    lines = ["  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in rows]
    lines.insert(1, "  ".join("-" * width for width in widths))
    if not answer.num_rows:
        lines.append("(none)")
    return "\n".join(lines) + "\n"


def _fail(message: str) -> int:
    sys.stderr.write(f"{message}\n")
    return 2


if __name__ == "__main__":
    sys.exit(main())
