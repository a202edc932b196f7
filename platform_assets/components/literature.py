"""The literature's assets: mentions of drugs, their graph as a product, and three questions as indicators."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import dagster as dg

from platform_assets.components.metadata import Told, column_schema, first_rows, in_rows, made_from
from resources.environment import Platform
from resources.text.markdown import plain

DATASETS = [dg.AssetKey(["validated", name]) for name in ("drugs", "pubmed", "clinical_trials")]
MENTIONS = dg.AssetKey(["validated", "mentions"])
GRAPH = dg.AssetKey(["products", "drug_graph"])
_MENTION_COLUMNS = {
    "drug_code": ("string", "ATC code of the drug."),
    "drug_name": ("string", "Name under which the code is shown."),
    "kind": ("string", "pubmed or clinical_trial."),
    "publication_id": ("string", "Id of the publication, unique within its kind."),
    "title": ("string", "Title that names the drug."),
    "journal": ("string", "Journal that published it."),
    "date": ("date", "Day of publication."),
}
_DRUG = {name: _MENTION_COLUMNS[name] for name in ("drug_code", "drug_name")}
QUESTIONS: dict[str, tuple[str, dict[str, tuple[str, str]], dict[str, Any]]] = {
    "journals_with_most_drugs": (
        "Journals ranked by how many different drugs their publications and trials mention. Rank 1 are the journals with the most, "
        "all that tie.",
        {
            "rank": ("int", "1 is the most; journals with the same number share a rank."),
            "journal": ("string", "Journal."),
            "drugs": ("int", "Different drug codes mentioned."),
        },
        {"ranks": dg.Field(int, default_value=10, description="How many ranks to give.")},
    ),
    "related_drugs": (
        "For each drug, the other drugs that the same journals mention in PubMed but not in clinical trials. A journal counts if it "
        "mentions the drug in a PubMed publication; a related drug is one that it mentions in a PubMed publication and in none of its "
        "own trials.",
        {
            **_DRUG,
            "related_code": ("string", "ATC code of the related drug."),
            "related_name": ("string", "Its name."),
            "journals": ("int", "Journals that relate the two."),
        },
        {},
    ),
    "drugs_over_time": (
        "How many publications and trials mention each drug per period. A period without a mention has no row.",
        {
            **_DRUG,
            "kind": ("string", "pubmed or clinical_trial."),
            "period": ("date", "First day of the period; empty where publications have no date."),
            "mentions": ("int", "Publications that mention the drug."),
        },
        {
            "unit": dg.Field(
                dg.Enum("Period", [dg.EnumValue(unit) for unit in ("year", "quarter", "month", "week")]),
                default_value="month",
                description="Length of a period; weeks are ISO weeks.",
            )
        },
    ),
}


class Literature(dg.Component, dg.Model, dg.Resolvable):
    """Component ``platform_assets.components.Literature``: all that follows from drugs, pubmed and clinical_trials."""

    owner: str = "team:literature"

    def build_defs(self, context: dg.ComponentLoadContext) -> dg.Definitions:
        """The assets; the domain is the folder's."""
        return literature_definitions(self.owner, domain=context.path.parent.name)


def literature_definitions(owner: str, domain: str) -> dg.Definitions:
    """`validated/mentions`, `products/drug_graph` and an indicator for each question."""
    common: dict[str, Any] = {
        "owners": [owner],
        "tags": {"domain": domain},
        "required_resource_keys": {"platform"},
    }
    assets = [_mentions(common), _graph(common), *(_question(name, common) for name in QUESTIONS)]
    return dg.Definitions(assets=assets)


def _mentions(common: dict[str, Any]) -> dg.AssetsDefinition:
    @dg.asset(
        key=MENTIONS,
        deps=DATASETS,
        group_name="validated",
        kinds={"python", "duckdb", "table"},
        description="Which drug is named in which title: one row per drug code and publication, whole words, the longest name where "
        "names nest. After a delivery only titles that are new or corrected are searched; after a change of the drug list, all.",
        metadata={"dagster/column_schema": column_schema(_MENTION_COLUMNS), "dagster/table_name": "validated.mentions"},
        check_specs=[
            dg.AssetCheckSpec(
                "conservation",
                asset=MENTIONS,
                description="Every publication names a drug or none; a drug and publication stand once; every mention is of a drug and "
                "title that are there; searching a thousand titles again finds the same. Mentions that fail are not published.",
            )
        ],
        output_required=False,
        **common,
    )
    def mentions(context: dg.AssetExecutionContext) -> Iterator[dg.MaterializeResult | dg.AssetCheckResult]:
        from platform_assets.indicators.derived_tables import TableMissing
        from platform_assets.literature import steps

        platform: Platform = context.resources.platform
        try:
            found = steps.update_mentions(platform.warehouse, run_id=context.run.run_id)
        except TableMissing as error:
            raise dg.Failure(str(error), allow_retries=False) from None
        except steps.MentionsInconsistent as error:
            Told(context).error(f"mentions: not published, the last good table stays and is stale ({error})")
            yield _conservation(error.audit)
            return
        audit = found.audit
        Told(context).info(f"mentions: {found.searched:,} titles searched; {audit.text}")
        if found.unusable:
            Told(context).warning(f"{len(found.unusable)} drug codes have a name without any letter or digit")
        yield dg.MaterializeResult(
            asset_key=MENTIONS,
            metadata={
                "dagster/row_count": audit.mentions,
                "titles": audit.publications,
                "titles that name a drug": audit.naming_a_drug,
                "titles searched now": found.searched,
                "publications gone": found.gone,
                "search": "every title" if found.full else "only what is new or corrected",
                **made_from(found.receipt),
            },
            data_version=dg.DataVersion(found.receipt.data_version),
        )
        yield _conservation(audit)

    return mentions


def _conservation(audit: Any) -> dg.AssetCheckResult:
    return dg.AssetCheckResult(
        asset_key=MENTIONS,
        check_name="conservation",
        passed=audit.passed,
        severity=dg.AssetCheckSeverity.ERROR,
        description=plain(audit.text),
        metadata={name.replace("_", " "): dg.MetadataValue.int(value) for name, value in vars(audit).items()},
    )


def _graph(common: dict[str, Any]) -> dg.AssetsDefinition:
    @dg.asset(
        key=GRAPH,
        deps=[*DATASETS, MENTIONS],
        group_name="products",
        kinds={"json", "parquet", "html"},
        description="Drugs, publications, trials and journals as a directed graph in `products/drug_graph/`: node-link JSON for "
        "networkx, GraphML, Parquet tables of nodes and edges, and explorer.html, one page to search and look around in that needs "
        "no internet. `about.json` comes last and has the hashes of the others. Questions are answered from `graph.json` alone by "
        "`python -m platform_assets.literature`.",
        metadata={
            "dagster/column_schema": column_schema(
                {
                    "source": ("string", "Node that the edge leaves."),
                    "target": ("string", "Node that the edge enters."),
                    "type": ("string", "publication_drug, journal_publication or journal_drug."),
                    "date": ("date", "Day of the publication; empty for journal_drug."),
                    "dates": ("date[]", "journal_drug: the day of each publication behind the edge."),
                    "publications": ("string[]", "journal_drug: these publications, in the same order."),
                }
            )
        },
        **common,
    )
    def drug_graph(context: dg.AssetExecutionContext) -> dg.MaterializeResult:
        from platform_assets.indicators.derived_tables import TableMissing
        from platform_assets.literature import steps

        platform: Platform = context.resources.platform
        try:
            product = steps.publish_graph(platform.warehouse, platform.store)
        except TableMissing as error:
            raise dg.Failure(str(error), allow_retries=False) from None
        about = product.about
        counts = about["counts"]
        page = platform.store.url(steps.EXPLORER)
        served = platform.settings.products_url
        link = f"{served}/{steps.EXPLORER.removeprefix('products/')}" if served else page
        edges = sum(
            n for kind, n in counts.items() if kind in ("publication_drug", "journal_publication", "journal_drug")
        )
        return dg.MaterializeResult(
            metadata={
                "dagster/row_count": edges,
                "explorer": dg.MetadataValue.url(link if "://" in link else Path(link).absolute().as_uri()),
                "explorer file": dg.MetadataValue.path(page),
                "nodes and edges": in_rows([{"type": k, "count": n} for k, n in counts.items()]),
                "files": in_rows([{"file": f"{steps.PRODUCT}/{n}", **facts} for n, facts in about["files"].items()]),
                "made at (UTC)": about["made_at"],
                "run": "published" if product.written else "nothing to do: the published files are up to date",
            },
            data_version=dg.DataVersion(about["version"]),
        )

    return drug_graph


def _question(name: str, common: dict[str, Any]) -> dg.AssetsDefinition:
    description, columns, config = QUESTIONS[name]

    @dg.asset(
        key=["indicators", name],
        deps=[MENTIONS],
        group_name="indicators",
        kinds={"python", "duckdb", "table"},
        description=plain(description),
        metadata={"dagster/column_schema": column_schema(columns), "dagster/table_name": f"indicators.{name}"},
        config_schema=config or None,
        **common,
    )
    def question(context: dg.AssetExecutionContext) -> dg.MaterializeResult:
        from platform_assets.indicators.derived_tables import TableMissing
        from platform_assets.literature import steps

        platform: Platform = context.resources.platform
        params = context.op_execution_context.op_config if config else None
        try:
            made = steps.answer(name, platform.warehouse, params, run_id=context.run.run_id)
        except TableMissing as error:
            raise dg.Failure(str(error), allow_retries=False) from None
        return dg.MaterializeResult(
            metadata={
                "dagster/row_count": made.receipt.rows,
                **first_rows(platform, f"indicators.{name}"),
                **made_from(made.receipt),
                "run": "computed"
                if made.fresh
                else "nothing ran: code, inputs and parameters are those of the last time",
            },
            data_version=dg.DataVersion(made.receipt.data_version),
        )

    return question
