"""What is worked out of a dataset's tables beside them: lists taken apart, a tree walked, the history of rows. Here: what a contract says of it.

The tables themselves are made in `platform_assets.ingest.worked_out`.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from pydantic import Field, field_validator

from platform_assets.contracts.columns import AS_TEXT, ColumnType
from platform_assets.strict import Name, Strict, TextList

if TYPE_CHECKING:
    from platform_assets.contracts.model import Contract

TAKEN_BY_LISTS = {"place", "value_id"}
"""Columns of the table of a list beside the key."""
TAKEN_BY_TREES = {"state", "depth", "path"}
TAKEN_BY_HISTORY = {"valid_from", "valid_to"}


class Tree(Strict):
    """A tree that rows form: each names the row above it. Table ``validated.<dataset>__tree``."""

    node: Name
    """The column that names a row: the key."""
    parent: Name
    """The column that names the row above; without a value: none is above."""
    title: Name | None = None
    """The column that is shown of a row; default: its name."""
    roots: TextList = ()
    """Where the tree begins; default: at every row that none is above."""
    leave_out: dict[Name, TextList] = Field(default_factory=dict)
    """Column -> values with which a row is no part of the tree."""
    levels: tuple[Name, ...] = ()
    """Names of the levels from the roots down; each gives two columns, ``<level>_id`` and ``<level>``. Deeper rows have these, and their path."""

    @field_validator("levels")
    @classmethod
    def _differ(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        named = [name for level in value for name in (level, f"{level}_id")]
        if len(set(named)) < len(named):
            raise ValueError("two levels would have a column of the same name")
        return value


def lists(contract: Contract) -> list[str]:
    """The columns that hold lists."""
    return [name for name, column in contract.columns.items() if column.type is ColumnType.LIST]


def works_out(contract: Contract) -> bool:
    """Whether there is anything to be worked out."""
    return bool(lists(contract) or contract.tree or contract.load.history)


def refusals(contract: Contract) -> Iterator[str]:
    """What does not fit together, a sentence each."""
    key = contract.load.key
    if "__" in contract.name:
        yield f"{contract.name!r}: two _ are for tables that are worked out of a dataset (<dataset>__<list>); use one"
    if lists(contract):
        if not key:
            yield "a list needs load.key: its items are told by the row that they belong to"
        elif set(key) & (TAKEN_BY_LISTS | set(lists(contract))):
            yield "the key of a dataset with lists has no list, and no column called place or value_id: use 'from' to rename it"
        tables = [t for name in lists(contract) for t in (name, f"{name}_values")] + (["tree"] if contract.tree else [])
        if len(set(tables)) < len(tables):
            yield "a list's table would have the name of another one (<list>, <list>_values, tree): rename the column by 'from'"
    if contract.tree:
        yield from _of_tree(contract, contract.tree)
    if contract.load.history:
        yield from _of_history(contract)


def _of_tree(contract: Contract, tree: Tree) -> Iterator[str]:
    for where, name in (
        ("node", tree.node),
        ("parent", tree.parent),
        ("title", tree.title),
        *(("leave_out", c) for c in tree.leave_out),
    ):
        if name is not None and name not in contract.columns:
            yield f"tree.{where}: there is no column {name!r}; columns are {', '.join(contract.columns)}"
            return
    if tuple(contract.load.key) != (tree.node,):
        yield f"tree.node must be the key, and the only column of it: load: {{key: [{tree.node}]}}"
    if contract.columns[tree.parent].type is not contract.columns[tree.node].type or tree.parent == tree.node:
        yield "tree.parent names rows as tree.node does: two columns of one type"
    if contract.identifiers.get(tree.parent) != contract.identifiers.get(tree.node):
        yield "tree.parent and tree.node are identifiers of one purpose, or neither is: otherwise no pseudonym would meet another"
    if tree.roots and tree.node in contract.identifiers:
        yield "tree.roots: rows are named by identifiers, which stand in no contract"
    for name in tree.leave_out:
        if contract.columns[name].type not in AS_TEXT or name in contract.identifiers:
            yield f"tree.leave_out: {name} must be a text, and no identifier"
    taken = {name for level in tree.levels for name in (level, f"{level}_id")}
    if {tree.node} & (TAKEN_BY_TREES | taken) or taken & TAKEN_BY_TREES:
        yield "the table of a tree has columns state, depth and path: neither the node nor a level may be called so, nor both the same"


def _of_history(contract: Contract) -> Iterator[str]:
    load = contract.load
    if not load.key:
        yield "load.history needs load.key: without one no row has an earlier value"
    if set(contract.columns) & TAKEN_BY_HISTORY:
        yield "load.history adds valid_from and valid_to: use 'from' to rename the columns that are called so"
    if load.parts or set(load.key) & set(contract.derived):
        yield "load.history goes neither with parts of a snapshot nor with a derived key: what came when is told from the rows as they came"
    if contract.kept_where_absent:
        yield (
            f"load.history needs `absent: clear`: of {contract.kept_where_absent[0]} an earlier value would stay where a file lacks the "
            "column, and rows as they came do not tell that from no value"
        )
