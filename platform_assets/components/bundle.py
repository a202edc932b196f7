"""A bundle in YAML becomes the sensor of its landing folder: its datasets are loaded by their own assets, in one run and one transaction."""

import dagster as dg
from pydantic import BaseModel

from platform_assets.components.landing import bundle_sensor
from platform_assets.contracts.bundle import Bundle as Document
from platform_assets.contracts.files import read_contracts
from platform_assets.contracts.model import Contract
from platform_assets.engines import bundle_refusal
from platform_assets.ingest.deliveries import landing_folder
from resources.environment import ENGINES, Settings
from resources.text.markdown import plain


class Bundle(dg.Component):
    """Component ``platform_assets.components.Bundle``; its attributes are a `platform_assets.contracts.bundle.Bundle`."""

    def __init__(self, bundle: Document) -> None:
        self.bundle = bundle

    @classmethod
    def get_model_cls(cls) -> type[BaseModel] | None:
        """Dagster reports errors with file, line and key."""
        return Document

    @classmethod
    def load(cls, attributes: BaseModel | None, context: dg.ComponentLoadContext) -> "Bundle":
        """Take what was written as it is."""
        assert isinstance(attributes, Document)
        return cls(attributes)

    def build_defs(self, context: dg.ComponentLoadContext) -> dg.Definitions:
        """The landing folder and its sensor."""
        return bundle_definitions(self.bundle, read_contracts())


def bundle_definitions(bundle: Document, contracts: dict[str, Contract]) -> dg.Definitions:
    """The definitions of `bundle`. Raises ValueError where a member is no dataset, or the engine cannot commit several together."""
    bundle.check(contracts)
    refused = bundle_refusal(ENGINES.get(Settings.from_environment().engine, ""), bundle)
    if refused:
        raise ValueError(refused)
    landing = dg.AssetSpec(
        ["landing", bundle.name],
        group_name="landing",
        kinds={"file"},
        description=plain(
            f"Archives with one file each for {', '.join(bundle.members)}: loaded together, or held together. Drop them in "
            f"{landing_folder(bundle.name)}/ of DATA_HOME. {bundle.description}"
        ),
    )
    return dg.Definitions(assets=[landing], sensors=[bundle_sensor(bundle)])
