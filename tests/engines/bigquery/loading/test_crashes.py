"""kill -9 at chosen requests, lost answers, two loads at once: the old tables or the new ones, and every file loaded once."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from google.cloud import bigquery

from platform_assets.engines.bigquery.loading.load import BigLoadFailed
from resources.gcp.bigquery import BigQuery, Done
from resources.lake.warehouse import Warehouse
from tests.engines.bigquery.place import SMALL, BigBench, Both
from tests.engines.bigquery.wire import Wire, client_of, wire_to
from tests.resources.gcp.bigquery_emulator import PROJECT

pytestmark = pytest.mark.slow
Pair = Callable[..., Both]
ROOT = Path(__file__).parents[4]
HEAD = "sample_id,viral_load\n"
KEYS = 20
WRONG = 2


@pytest.fixture(scope="module")
def wire(client: bigquery.Client) -> Iterator[Wire]:
    port = urlsplit(client._connection.API_BASE_URL).port
    assert port
    with wire_to(port) as running:
        yield running


def generation(number: int) -> str:
    """Every generation rewrites all keys, with its own number as the load; some rows are wrong."""
    return HEAD + "".join(f"S{n},{'what' if n < WRONG else number}\n" for n in range(KEYS))


def state(lab: BigBench) -> tuple[int, int, int, int, int]:
    """The table's one generation, and the rows of all four tables; fails where rows of two generations are in the table."""
    ((low, high, *rows),) = lab.sql(
        "SELECT MIN(viral_load), MAX(viral_load), COUNT(*), (SELECT COUNT(*) FROM {raw}), (SELECT COUNT(*) FROM {quarantine}), "
        f"(SELECT COUNT(*) FROM platform.ledger WHERE dataset = '{lab.contract.name}') FROM {{validated}}"
    )
    assert low == high
    in_table, in_raw, in_quarantine, entries = rows
    return low, in_table, in_raw, in_quarantine, entries


def expected(number: int) -> tuple[int, int, int, int, int]:
    """The state after generation `number`."""
    return number, KEYS - WRONG, (number + 1) * KEYS, (number + 1) * WRONG, number + 1


def transaction_of(wire: Wire) -> int:
    """The request that sends a load's transaction."""
    return max(n for n in wire.jobs if b"BEGIN TRANSACTION" in wire.bodies[n])


@pytest.mark.parametrize("each", [8, pytest.param(1, marks=pytest.mark.soak)])
def test_a_load_killed_at_any_request_leaves_the_old_tables_or_the_new_ones(pair: Pair, wire: Wire, each: int) -> None:
    lab = pair(columns=SMALL).big
    lab.send("g0.csv", generation(0))
    process = subprocess.Popen(
        [
            sys.executable,
            "-m",
            "tests.engines.bigquery.loading.load_worker",
            str(lab.home),
            str(wire.port),
            lab.contract.name,
        ],
        cwd=ROOT,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert process.stdin
    assert process.stdout
    assert process.stdout.readline() == "ready\n"

    def load(number: int, when: str = "", at: int = -1) -> int:
        """Load generation `number`; kill the process at request `at`. Returns how the process ended."""
        assert process.stdin
        assert process.stdout
        wire.rest()
        lab.drop(f"g{number}.csv", generation(number))
        process.stdin.write("load\n")
        process.stdin.flush()
        child = int(process.stdout.readline())

        def kill(request: int, method: str, path: str) -> bool:
            if request == at:
                os.kill(child, signal.SIGKILL)
            return request == at

        if when:
            setattr(wire, when, kill)
        process.stdin.write("go\n")
        process.stdin.flush()
        return int(process.stdout.readline().split()[1])

    try:
        assert load(1) == 0
        assert state(lab) == expected(1)
        last, commit = len(wire.seen) - 1, transaction_of(wire)
        jobs = [n for n in wire.jobs if n < commit]
        # each so-manieth job, both sides of the transaction, and the tidying up
        moments = [("after", n) for n in jobs[::each]]
        moments += [("before", commit), ("after", commit), ("after", commit + 2), ("after", last)]
        number = 1
        for when, at in moments:
            assert os.WIFSIGNALED(load(number + 1, when, at))
            committed = at > commit or (at == commit and when == "after")
            assert state(lab) == expected(number + committed), (when, at)
            wire.rest()
            lab.load()  # whatever was left behind, the next run completes it
            number += 1
            assert state(lab) == expected(number), (when, at)
            assert lab.files("landing") == []
            assert lab.store.stat(f"archive/{lab.contract.name}") is None
            assert len(lab.files("archive")) == number + 1
            assert list(lab.store.list(f"staging/{lab.contract.name}")) == []
            assert len(lab.to_be_mended()) == (number + 1) * WRONG, (when, at)
            assert list(lab.store.list(f"quarantine/{lab.contract.name}")) == []
    finally:
        process.stdin.close()
        process.wait(timeout=60)
        process.stdout.close()


def test_an_answer_that_is_lost_doubles_nothing(pair: Pair, wire: Wire) -> None:
    """A script or a load job that is asked for again is the same job; an upload that is cut fails, and the next run completes it."""
    lab = pair(columns=SMALL).big
    lab.engine = BigQuery(PROJECT, "europe-west4", client=client_of(wire.port))
    lab.send("g0.csv", generation(0))
    wire.rest()
    lab.send("g1.csv", generation(1))
    commit = transaction_of(wire)
    jobs = [n for n in wire.jobs if n < commit]
    number, failed = 2, []
    for at in [*jobs[::6], commit]:
        wire.rest()
        wire.after = lambda request, method, path, at=at: request == at  # type: ignore[misc]
        try:
            lab.send(f"g{number}.csv", generation(number))
        except BigLoadFailed:
            failed.append(at)
        wire.rest()
        lab.load()
        assert state(lab) == expected(number)
        number += 1
    assert commit not in failed


def test_a_load_that_was_overtaken_changes_nothing(pair: Pair, tmp_path: Path, wire: Wire) -> None:
    """Two loads without a common lock: the slower one finds another ledger than the one it judged by."""
    quick = pair(columns=SMALL).big
    quick.send("g0.csv", generation(0))
    engine = BigQuery(PROJECT, "europe-west4", client=client_of(wire.port))
    slow = BigBench(engine, quick.contract, Warehouse(tmp_path / "apart"), quick.home, quick.keys, quick.bucket)

    def overtake(request: int, method: str, path: str) -> bool:
        if b"BEGIN TRANSACTION" in wire.bodies[request]:
            wire.rest()
            quick.load()
        return False

    wire.rest()
    wire.before = overtake
    with pytest.raises(BigLoadFailed, match="the ledger has changed since the rows were judged"):
        slow.send("g1.csv", generation(1))
    assert state(quick) == expected(1)
    assert slow.load().entries == []
    assert state(quick) == expected(1)
    # the row by which BigQuery notices two loads that meet: the load that failed has not changed it
    assert quick.sql(f"SELECT loads FROM platform.fences WHERE dataset = '{quick.contract.name}'") == [(2,)]
    assert quick.files("landing") == []


def test_a_transaction_that_fails_half_way_changes_nothing(pair: Pair) -> None:
    lab = pair(columns=SMALL).big
    lab.send("g0.csv", generation(0))
    lab.drop("g1.csv", generation(1))
    for part in range(3, 11, 2):

        class Failing(BigQuery):
            def transaction(self, statements: Sequence[str], *, job: str = "") -> Done:
                broken = [*statements[:part], "SELECT ERROR('out of luck')", *statements[part:]]  # noqa: B023
                return super().transaction(broken, job=job)

        failing = Failing(PROJECT, "europe-west4", client=lab.engine.client)
        with pytest.raises(BigLoadFailed, match="invalidQuery"):
            replace(lab, engine=failing).load()
        assert state(lab) == expected(0)
    lab.load()
    assert state(lab) == expected(1)
