"""The hash of a contract: what deliveries and receipts remember of the contract that judged them.

It covers what a contract says, and not what it could have said: an option that is added to the model later does not change the hash of
contracts that leave it at its default, so nothing is judged again and nothing looks stale because of it. Left out is what judges no row: the
words of a pattern (`says`) change how a judgement is told, `sensitivity` what may be published. The options of the first day
(`FIRST`) are in it whether said or not, as they were when the first deliveries were written down; that keeps these hashes as they are.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from typing import Any

from pydantic import BaseModel

from platform_assets.contracts.columns import Pattern

FIRST: Mapping[str, frozenset[str]] = {
    model: frozenset(fields.split())
    for model, fields in {
        "FileFormat": "kind files delimiter quote encoding header sheet records",
        "Order": "file_name format column",
        "Load": "mode key order_by duplicates",
        "LandingSource": "kind files marker",
        "HttpSource": "kind files marker url file_name timeout_seconds",
        "Partition": "by unit",
        "Rule": "name check description severity",
        "Freshness": "cron grace_hours",
        "Quality": "max_quarantined min_rows freshness",
        "Contract": (
            "name description owner source format load partition null_tokens columns ignore rules quality tags"
        ),
        "Replacement": "pattern text",
        "Column": (
            "type description role purpose header required optional constant derived_from trim replace "
            "replace_pattern case null_tokens format decimal_separator thousands_separator precision scale "
            "true_values false_values matches allowed not_in ge gt le lt min_length max_length cumulative"
        ),
    }.items()
}
"""Model -> its options of the first day. Never add one."""
JUDGES_NOTHING = frozenset({"sensitivity"})
"""Options of a contract that say what becomes of its rows, and not which are right."""
ONE_SOURCE = {"url": None, "file_name": None, "timeout_seconds": 30.0}
"""On the first day every source had the options of all kinds."""


def fingerprint(contract: BaseModel) -> str:
    """Sixteen hex digits that change whenever what `contract` says does."""
    said = _said(contract, contract.model_dump(mode="json"))
    said = {name: value for name, value in said.items() if name not in JUDGES_NOTHING}
    said["source"] = {**ONE_SOURCE, **said["source"]}
    return hashlib.sha256(json.dumps(said, sort_keys=True).encode()).hexdigest()[:16]


def _said(value: Any, dumped: Any) -> Any:
    """`dumped`, without the later options of the models in `value` that are at their defaults."""
    if isinstance(value, Pattern):
        return value.pattern
    if isinstance(value, BaseModel):
        first = FIRST.get(type(value).__name__, frozenset())
        fields = type(value).model_fields
        return {
            name: _said(getattr(value, name), dumped[name])
            for name in fields
            if name in first or getattr(value, name) != fields[name].get_default(call_default_factory=True)
        }
    if isinstance(value, Mapping):
        return {key: _said(value[key], dumped[str(key)]) for key in value}
    if isinstance(value, tuple | list):
        return [_said(each, kept) for each, kept in zip(value, dumped, strict=True)]
    return dumped
