"""The release of all indicators as an asset: what leaves the platform, in one step."""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import dagster as dg

from platform_assets.components.metadata import Told, in_rows, shown
from platform_assets.indicators.model import Indicator
from platform_assets.office import engine_of
from resources.environment import Platform
from resources.markdown import picture, plain

if TYPE_CHECKING:
    from platform_assets.releases.reading import Release
    from resources.r_runtime import Event

KEY = dg.AssetKey(["products", "releases"])


def release_asset(indicators: Mapping[str, Indicator]) -> dg.AssetsDefinition:
    """Draws what is settled, makes what has changed, and sets the release live."""

    @dg.asset(
        key=KEY,
        deps=[dg.AssetKey(["indicators", name]) for name in sorted(indicators)],
        group_name="products",
        kinds={"parquet", "csv"},
        owners=["team:stewardship"],
        description=plain(
            "Everything that is published of the indicators, in products/releases: one folder a release, which never changes, and "
            "current.json, which names the one that is live. Of personal data each count is drawn once, when its period is over "
            "and settled; tables and plots are made of drawn counts alone (docs/disclosure.md)."
        ),
        required_resource_keys={"platform"},
    )
    def publish(context: dg.AssetExecutionContext) -> dg.MaterializeResult[None]:
        from platform_assets.disclosure.policy import read_policies
        from platform_assets.releases.making import make
        from resources.clock import today

        platform: Platform = context.resources.platform

        def tell(name: str, event: "Event") -> None:
            log = Told(context).warning if event.level in ("warning", "note") else Told(context).info
            log(f"{name}: {event}")

        made = make(indicators, platform, read_policies(), today(), tell)
        for name, problem in made.problems.items():
            Told(context).error(f"{name} is as in the release before: {problem}")
        metadata: dict[str, Any] = {
            "release": made.release.id,
            "run": "set live" if made.fresh else "nothing to do: what is live is up to date",
            "indicators": in_rows([_row(made.release, n) for n in made.release.indicators]),
        }
        for name in made.redrawn:
            for plot in made.release.indicators[name]["plots"].values():
                png = made.release.read(f"{name}/{plot['file'].removesuffix('.svg')}.png")
                metadata[f"{name}: {plot['title']}"] = shown(picture(plot["title"], png))
        metadata |= engine_of(platform).publish_release(made.release)
        if made.problems:
            metadata["not made anew"] = in_rows([{"indicator": name} for name in sorted(made.problems)])
        return dg.MaterializeResult(metadata=metadata, data_version=dg.DataVersion(made.release.id))

    return publish


def _row(release: "Release", name: str) -> dict[str, str]:
    about = release.indicators[name]
    periods = about.get("periods", {})
    return {
        "indicator": name,
        "published": "protected" if about["protected"] else "as it is",
        "from": periods.get("first") or "",
        "last period": periods.get("last") or "",
        "auditor": about.get("audit", {}).get("verdict", ""),
    }
