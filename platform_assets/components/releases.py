"""What leaves the platform: counts are drawn in one step, which has the key and no R; figures are made of them and set live in another, which has R
and no key."""

from collections.abc import Mapping, Sequence
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

DRAWN, KEY = dg.AssetKey(["products", "drawn_counts"]), dg.AssetKey(["products", "releases"])


def drawing_asset(
    indicators: Mapping[str, Indicator], organisations: Mapping[str, Sequence[tuple[str, str]]]
) -> dg.AssetsDefinition:
    """Draws what is over and settled."""

    @dg.asset(
        key=DRAWN,
        deps=[dg.AssetKey(["indicators", name]) for name in sorted(indicators)],
        group_name="products",
        kinds={"table"},
        owners=["team:stewardship"],
        description=plain(
            "The counts that everything published of personal data is made of: each is drawn once, when its period is over and "
            "settled, and stays (docs/disclosure.md)."
        ),
        required_resource_keys={"platform"},
    )
    def draw(context: dg.AssetExecutionContext) -> dg.MaterializeResult[None]:
        from platform_assets.disclosure.policy import read_policies
        from platform_assets.releases.sealing import seal_all
        from resources.clock import today

        platform: Platform = context.resources.platform
        done, refused = seal_all(indicators, organisations, platform.warehouse, platform.keys, read_policies(), today())
        for reason in refused.values():
            Told(context).error(f"not drawn: {reason}")
        rows = [
            {
                "indicator": name,
                "periods drawn now": ", ".join(p.isoformat() for p in one.periods) or "none",
                "earlier ones": "some drawn again" if one.restated else "as they were",
            }
            for name, one in done.items()
        ]
        rows += [
            {"indicator": n, "periods drawn now": "not drawn: see the log", "earlier ones": "as they were"}
            for n in refused
        ]
        return dg.MaterializeResult(metadata={"drawn": in_rows(rows)})

    return draw


def release_asset(indicators: Mapping[str, Indicator]) -> dg.AssetsDefinition:
    """Makes what has changed, and sets the release live."""

    @dg.asset(
        key=KEY,
        deps=[DRAWN, *(dg.AssetKey(["indicators", name]) for name in sorted(indicators))],
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

        platform: Platform = context.resources.platform

        def tell(name: str, event: "Event") -> None:
            log = Told(context).warning if event.level in ("warning", "note") else Told(context).info
            log(f"{name}: {event}")

        made = make(indicators, platform, read_policies(), tell)
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
