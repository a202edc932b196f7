"""Dagster's SQLite on one machine, made so that nobody else can read it: dagster.yaml names this class.

It is the first thing of an instance that any process of Dagster makes (webserver, daemon, `dagster job execute`), and the only one in which the
platform has a word there.
"""

from __future__ import annotations

import os
from typing import Any

from dagster._core.storage.sqlite_storage import DagsterSqliteStorage

from resources.private import UMASK


class PrivateSqliteStorage(DagsterSqliteStorage):
    """As Dagster's own, in a process that makes no file for others."""

    @classmethod
    def from_config_value(cls, inst_data: Any, config_value: Any) -> PrivateSqliteStorage:
        """Called by Dagster with the `config` of dagster.yaml."""
        os.umask(UMASK)
        return cls(inst_data=inst_data, **config_value)
