"""Commands for sources.

``python -m platform_assets.sources describe <dataset>`` asks the source that a ``defs.yaml`` names what it has, and prints the block
``columns:`` that a contract may begin with. The contract need not be complete.
"""

from __future__ import annotations

import argparse
import os
import sys
from typing import Any

import yaml
from pydantic import TypeAdapter, ValidationError

from platform_assets.contracts.files import DEFS
from platform_assets.contracts.model import SourceOfKind
from platform_assets.sources.base import Reach, Source
from resources.requesting import Passing, Permanent
from resources.text.terminal import say


def main(arguments: list[str] | None = None) -> int:
    """Run the command; 0 where all went well."""
    parser = argparse.ArgumentParser(prog="python -m platform_assets.sources", description=__doc__)
    commands = parser.add_subparsers(dest="command", required=True)
    describe = commands.add_parser("describe", help="what the source of a dataset has, as the beginning of a contract")
    describe.add_argument("dataset")
    given = parser.parse_args(arguments)
    try:
        source = _source_of(given.dataset)
        found = source.describe(Reach(given.dataset, os.environ, lambda line: _say(line, sys.stderr)))
    except (LookupError, ValidationError, Passing, Permanent) as error:
        _say(_in_words(error), sys.stderr)
        return 1
    _say(f"# Would be fetched: {found.would_fetch}", sys.stdout)
    if found.format:
        _say(f"format: {_inline(found.format)}", sys.stdout)
    if found.columns:
        _say("columns:", sys.stdout)
        for name, said in found.columns.items():
            _say(f"  {name}: {_inline(said)}", sys.stdout)
    return 0


def _inline(said: Any) -> str:
    text: str = yaml.safe_dump(said, default_flow_style=True, sort_keys=False, allow_unicode=True, width=10_000)
    return text.strip()


def _say(line: str, stream: Any) -> None:
    say(stream, line + "\n")


def _source_of(dataset: str) -> Source:
    for path in sorted(DEFS.rglob("defs.yaml")):
        for document in yaml.safe_load_all(path.read_text(encoding="utf-8")):
            attributes = (document or {}).get("attributes") or {}
            if attributes.get("name") == dataset:
                source: Source = TypeAdapter(SourceOfKind).validate_python(attributes.get("source") or {})
                return source
    raise LookupError(f"no defs.yaml in {DEFS.name}/ has the name {dataset}: write one with `name` and `source` first")


def _in_words(error: Exception) -> str:
    if isinstance(error, ValidationError):
        return "\n".join(
            f"source.{'.'.join(map(str, e['loc'][1:]))}: {e['msg']}" for e in error.errors(include_input=False)
        )
    return str(error.args[0])


if __name__ == "__main__":
    sys.exit(main())
