"""Dagster components: thin. They turn what the pure modules say into assets, checks, sensors and jobs."""

from platform_assets.components.bundle import Bundle
from platform_assets.components.dataset import Dataset
from platform_assets.components.export import Export
from platform_assets.components.indicators import Indicators
from platform_assets.components.literature import Literature
from platform_assets.components.sql import SqlIndicators

__all__ = ["Bundle", "Dataset", "Export", "Indicators", "Literature", "SqlIndicators"]
