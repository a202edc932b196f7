"""Dagster's SQLite on one machine, made so that nobody else can read it: dagster.yaml names this class.

It is the first thing of an instance that any process of Dagster makes (webserver, daemon, `dagster job execute`), and the only one in which the
platform has a word there.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import sqlalchemy as db
from dagster._core.storage.event_log import SqliteEventLogStorage
from dagster._core.storage.sqlite import SQLITE_BUSY_TIMEOUT_SECONDS
from dagster._core.storage.sqlite_storage import DagsterSqliteStorage

from resources.private import UMASK

MOST = 64
"""Files (one for each run) for which an engine is kept."""


class EventLog(SqliteEventLogStorage):
    """Dagster's, but for the engine, which is kept for each file: made anew for each event, it compiles every statement anew, too, which
    was a third of the processor time of a run with nothing to do. An engine holds no connection open."""

    def __init__(self, base_dir: str) -> None:
        self._engines: dict[str, db.Engine] = {}
        super().__init__(base_dir)

    @contextmanager
    def _connect(self, shard: str) -> Iterator[db.Connection]:
        with self._db_lock:
            engine = self._engines.get(shard)
            if engine is None:
                while len(self._engines) >= MOST:
                    del self._engines[next(iter(self._engines))]
                engine = self._engines[shard] = db.create_engine(
                    self.conn_string_for_shard(shard),
                    poolclass=db.NullPool,
                    connect_args={"timeout": SQLITE_BUSY_TIMEOUT_SECONDS},
                )
            if shard not in self._initialized_dbs:
                self._initdb(engine)
                self._initialized_dbs.add(shard)
            with engine.begin() as connection:
                yield connection


class PrivateSqliteStorage(DagsterSqliteStorage):
    """As Dagster's own, in a process that makes no file for others."""

    def __init__(self, base_dir: str, inst_data: Any = None) -> None:
        super().__init__(base_dir, inst_data)
        self._event_log_storage = EventLog(self._event_log_storage._base_dir)

    @classmethod
    def from_config_value(cls, inst_data: Any, config_value: Any) -> PrivateSqliteStorage:
        """Called by Dagster with the `config` of dagster.yaml."""
        os.umask(UMASK)
        return cls(inst_data=inst_data, **config_value)
