"""Contracts: what a dataset promises, as a pydantic model read from YAML. No Dagster, no engine, no I/O beyond the YAML file.

`model` is the contract itself, `dates` the date formats it may declare, `files` reads it from YAML with line numbers,
`schema` turns it into a pandera schema and `expression` compiles that schema to SQL. The last two import heavy libraries:
nothing at definition time may import them.
"""

from platform_assets.contracts.columns import Column
from platform_assets.contracts.file_format import FileFormat
from platform_assets.contracts.model import Contract, Load, Partition, Quality, Rule

__all__ = ["Column", "Contract", "FileFormat", "Load", "Partition", "Quality", "Rule"]
