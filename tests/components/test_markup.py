"""What stands in data is no markup on Dagster's pages, in whatever place it comes from."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import dagster as dg
import pytest

from platform_assets.components.dataset import dataset_definitions
from platform_assets.components.describe import contract_in_words
from platform_assets.components.indicators import script_assets
from platform_assets.components.sql import sql_asset
from platform_assets.contracts import Contract
from resources.environment import Platform
from tests.conftest import LAB, Bench
from tests.resources.markup import HOST, MARK, SAMPLES
from tests.resources.test_markdown import AUTOMATIC, read

CELL = f"![{MARK}]({HOST}/b.png)"
PAIR = "![](/graphql%0a?query=mutation{reloadWorkspace{__typename}})"
"""Sixty characters, as many as a laboratory's name may have; run by a browser that shows it as a picture."""


def markdown_of(metadata: Any) -> Iterator[str]:
    """Values that Dagster's pages read as Markdown."""
    yield from (str(v.value) for v in metadata.values() if isinstance(v, dg.MarkdownMetadataValue))


def assert_no_markup(shown: str) -> None:
    for token in read(shown):
        assert token.type not in ("link_open", "html_block", "html_inline", "heading_open"), shown
        if token.type == "image":
            assert str(token.attrGet("src")).startswith("data:image/png;base64,"), shown
        if token.type == "text":
            assert not AUTOMATIC.search(token.content), shown


LINKED = re.compile(r"https?://|[\x00-\x08\x0b-\x1f\x7f]")
"""What Dagster's page of a run makes links and colours of, in lines that were logged (ansi_up)."""


def assert_run_has_none(run: dg.ExecuteInProcessResult, instance: dg.DagsterInstance | None = None) -> str:
    """Of all that the run left: metadata, descriptions, failures; and, of an `instance`, what was logged. Returns all of it as text."""
    told = []
    for line in instance.all_logs(run.run_id) if instance else []:
        if line.dagster_event is None:
            assert not LINKED.search(line.user_message), line.user_message
            told.append(line.user_message)
    for check in run.get_asset_check_evaluations():
        assert_no_markup(check.description or "")
        told.append(check.description or "")
    for event in run.all_events:
        data: Any = event.event_specific_data
        parts = [getattr(data, n, None) for n in ("materialization", "asset_observation", "user_failure_data")]
        for part in [p for p in (data, *parts) if p is not None]:
            metadata = getattr(part, "metadata", None) or {}
            for shown in markdown_of(metadata):
                assert_no_markup(shown)
            told.append(json.dumps({k: str(v) for k, v in metadata.items()}, ensure_ascii=False))
    return "\n".join(told)


def assert_asset_has_none(asset: dg.AssetsDefinition) -> None:
    for spec in asset.specs:
        assert_no_markup(spec.description or "")
        for shown in markdown_of(spec.metadata):
            assert_no_markup(shown)
        schema = spec.metadata.get("dagster/column_schema")
        for column in schema.columns if isinstance(schema, dg.TableSchema) else []:
            assert_no_markup(column.description or "")
    for check in asset.check_specs:
        assert_no_markup(check.description or "")


@pytest.mark.parametrize("sample", SAMPLES[::6])
def test_names_of_files_and_of_columns_and_wrong_values(platform: Platform, sample: str) -> None:
    contract = Contract.model_validate(LAB)
    line = " ".join(sample.split())
    name = f"{line.replace('/', '_').replace(chr(0), '')[:80]}.csv"
    quoted = '"' + line.replace('"', "'").replace("\x00", "") + '"'
    bench = Bench(platform, contract)
    bench.drop(
        name,
        f"sample_id,test_date,result,viral_load,{quoted}\nA-1,2024-01-01,POS,1,x\n{quoted},2024-01-01,{quoted},1,x\n",
    )
    definitions = dataset_definitions(contract, "lab")
    (asset,) = [a for a in definitions.assets or [] if isinstance(a, dg.AssetsDefinition)]
    with dg.DagsterInstance.ephemeral() as instance:
        run = dg.materialize([asset], resources={"platform": platform}, raise_on_error=False, instance=instance)
        told = assert_run_has_none(run, instance)
    assert MARK in told


@pytest.mark.parametrize("sample", SAMPLES)
def test_words_of_contracts_and_of_headers(tmp_path: Path, sample: str) -> None:
    document = {**LAB, "description": sample, "columns": {**LAB["columns"]}}
    document["columns"]["result"] = {**LAB["columns"]["result"], "description": sample, "in": [sample, "POS"]}
    contract = Contract.model_validate(document)
    assert_no_markup(contract_in_words(contract))
    for asset in dataset_definitions(contract, "lab").assets or []:
        if isinstance(asset, dg.AssetsDefinition):
            assert_asset_has_none(asset)
    line = " ".join(sample.replace("\x00", "").split())
    (tmp_path / "orders.sql").write_text(
        f"-- T {line}\n--\n-- {line}\n--\n-- @owner team:test\n-- @param p <text> h {line}, default {line} x\n"
        f"-- @output n <integer> rows {line}\nSELECT count(*) AS n FROM validated.orders -- ``` {line}\nWHERE $p <> ''\n"
    )
    assert_asset_has_none(sql_asset(tmp_path / "orders.sql", {}))
    (tmp_path / "wrong.sql").write_text(f"-- {line}\n-- @owner {line}\nSELECT '```\n{line}' FROM {line}\n")
    assert_asset_has_none(sql_asset(tmp_path / "wrong.sql", {}))


HOSTILE_R = """#' TITLE
#'
#' TITLE
#' @input lab result <text>
#' @output n <integer> rows
#' @plot picture TITLE
#' @owner team:test
hostile <- function(lab) {
  warning(TEXT)
  message(TEXT)
  if (STOP) stop(TEXT)
  list(data = data.frame(n = nrow(lab)), picture = function() plot(1))
}
"""


@pytest.mark.slow
@pytest.mark.parametrize("stops", ["TRUE", "FALSE"])
def test_what_an_r_script_says(platform: Platform, tmp_path: Path, stops: str) -> None:
    bench = Bench(platform, Contract.model_validate(LAB))
    bench.send("a.csv", "sample_id,test_date,result,viral_load\nA,2024-01-01,POS,1\n")
    folder = tmp_path / "r_scripts" / "indicators"
    folder.mkdir(parents=True)
    title = f"T ![{MARK}]({HOST}/b.png) www.markup.invalid <b>x</b> :smile:"
    text = json.dumps(
        f"```\n![{MARK}]({HOST}/b.png) {HOST} | a | `b` <img src={HOST}>\n````\n# {MARK} www.markup.invalid"
    )
    script = HOSTILE_R.replace("TITLE", title).replace("TEXT", text).replace("STOP", stops)
    (folder / "hostile.R").write_text(script)
    for asset in script_assets(folder):
        assert_asset_has_none(asset)
    assets = [a for a in script_assets(folder) if a.key.path[0] == "indicators"]
    with dg.DagsterInstance.ephemeral() as instance:
        run = dg.materialize(assets, resources={"platform": platform}, raise_on_error=False, instance=instance)
        told = assert_run_has_none(run, instance)
    assert run.success == (stops == "FALSE")
    if not run.success:
        assert "failure card" in told
        assert MARK in told
