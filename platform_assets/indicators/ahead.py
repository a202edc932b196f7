"""R runs that are begun before their step comes: indicators run side by side although Dagster's executor takes step after step.

A run ahead only makes files. The step that it is for asks for exactly its work (script, snapshots of the inputs, parameters), then
checks and publishes it, or fails with its failure card. What no step asks for is thrown away.
"""

from __future__ import annotations

import os
import queue
import shutil
import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from typing_extensions import override

from platform_assets.indicators.compute import Begun, InputMissing, Work, run_on
from resources.lake.warehouse import Warehouse
from resources.r_runtime import Event, IndicatorFailed, RRuntime, RunResult


@dataclass
class _Job:
    work: Work
    folder: Path
    events: queue.SimpleQueue[Event | None] = field(default_factory=queue.SimpleQueue)
    """What R says; None at its end."""
    result: RunResult | None = None
    failed: IndicatorFailed | None = None


class Ahead(Begun):
    """Runs `works` in their order, in `workers` threads, until their steps come for them.

    By default there are as many as cores: the step itself mostly waits for one of them.
    """

    def __init__(
        self, warehouse: Warehouse, runtime: RRuntime, works: Sequence[Work], workers: int | None = None
    ) -> None:
        self._warehouse, self._runtime = warehouse, runtime
        self._waiting = {work.indicator.name: work for work in works}
        self._begun: dict[str, _Job] = {}
        self._lock = threading.Lock()
        count = len(os.sched_getaffinity(0)) if workers is None else workers
        for number in range(min(count, len(works))):
            # a run that is cancelled does not wait for them: they, and their R, end with this process
            threading.Thread(target=self._work, name=f"indicators-ahead-{number}", daemon=True).start()

    @override
    def take(self, work: Work, on_event: Callable[[Event], None]) -> tuple[RunResult, Path] | None:
        with self._lock:
            self._waiting.pop(work.indicator.name, None)
            job = self._begun.pop(work.indicator.name, None)
        if job is None:
            return None
        same = job.work.same_as(work)
        for event in iter(job.events.get, None):
            if same:
                on_event(event)
        if same and job.result is not None:
            return job.result, job.folder
        shutil.rmtree(job.folder, ignore_errors=True)
        if same and job.failed is not None:
            raise job.failed
        return None

    def discard(self) -> None:
        """Begin nothing more, and throw away what was not taken."""
        with self._lock:
            self._waiting.clear()
            left = list(self._begun.values())
            self._begun.clear()
        for job in left:
            for _ in iter(job.events.get, None):
                pass
            shutil.rmtree(job.folder, ignore_errors=True)

    def abandon(self) -> None:
        """For the end of the process: as `discard`, but wait for nothing. What still runs ends with the process."""
        with self._lock:
            self._waiting.clear()
            left = list(self._begun.values())
        for job in left:
            shutil.rmtree(job.folder, ignore_errors=True)

    def _work(self) -> None:
        while True:
            with self._lock:
                name = next(iter(self._waiting), None)
                if name is None:
                    return
                job = self._begun[name] = _Job(self._waiting.pop(name), self._warehouse.wait_for_scratch())
            try:
                with self._warehouse.connect(read_only=True) as connection:
                    job.result = run_on(
                        job.work, self._warehouse, connection, self._runtime, job.folder, job.events.put
                    )
            except IndicatorFailed as failed:
                job.failed = failed
            except InputMissing:
                pass  # the step itself finds and says the same
            finally:
                job.events.put(None)
