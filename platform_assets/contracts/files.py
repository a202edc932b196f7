"""Contracts from their YAML files, without Dagster: for the console, tests and commands. Errors name file, line and key."""

from __future__ import annotations

from pathlib import Path
from typing import Any, TypeVar

import yaml
from pydantic import BaseModel, ValidationError

from platform_assets.contracts.model import Contract

COMPONENT = "platform_assets.components.Dataset"
DEFS = Path(__file__).resolve().parent.parent / "defs"
Document = TypeVar("Document", bound=BaseModel)


class ContractError(ValueError):
    """A contract that cannot be read; the message has a line per problem, each with file, line and key."""


def read_contract(path: Path) -> Contract:
    """The contract in the ``defs.yaml`` at `path`. Raises ContractError."""
    return read_document(path, COMPONENT, Contract, "a dataset's document")


def read_document(path: Path, component: str, model: type[Document], what: str) -> Document:
    """The attributes in the ``defs.yaml`` at `path`, which is one of `component`, as `model`. Raises ContractError."""
    text = path.read_text(encoding="utf-8")
    try:
        node = yaml.compose(text)
        document = yaml.safe_load(text)
    except yaml.YAMLError as error:
        place = getattr(error, "problem_mark", None)
        line = f":{place.line + 1}" if place else ""
        raise ContractError(f"{path}{line}: not YAML: {getattr(error, 'problem', error)}") from None
    if not isinstance(document, dict) or document.get("type") != component:
        raise ContractError(f"{path}:1: {what} begins with 'type: {component}'")
    try:
        return model.model_validate(document.get("attributes"))
    except ValidationError as error:
        problems = []
        for problem in error.errors(include_url=False, include_input=False):
            keys = [str(k) for k in problem["loc"]]
            problems.append(
                f"{path}:{_line(node, ['attributes', *keys])}: {'.'.join(keys) or 'attributes'}: {problem['msg']}"
            )
        raise ContractError("\n".join(problems)) from None


def read_contracts(folder: Path = DEFS) -> dict[str, Contract]:
    """Every dataset's contract below `folder`, by name."""
    contracts: dict[str, Contract] = {}
    places: dict[str, Path] = {}
    for path in sorted(folder.rglob("defs.yaml")):
        if COMPONENT in path.read_text(encoding="utf-8"):
            contract = read_contract(path)
            if contract.name in contracts:
                raise ContractError(
                    f"{path}:1: there is a dataset {contract.name!r} already, in {places[contract.name]}: rename one"
                )
            contracts[contract.name], places[contract.name] = contract, path
    return contracts


def _line(node: Any, keys: list[str]) -> int:
    """The line of the deepest of `keys` that the document has."""
    line = node.start_mark.line if node else 0
    for key in keys:
        found = None
        if isinstance(node, yaml.MappingNode):
            found = next(((k, v) for k, v in node.value if k.value == key), None)
        elif isinstance(node, yaml.SequenceNode) and key.isdigit() and int(key) < len(node.value):
            found = (node.value[int(key)], node.value[int(key)])
        if found is None:
            break
        line, node = found[0].start_mark.line, found[1]
    return int(line) + 1
