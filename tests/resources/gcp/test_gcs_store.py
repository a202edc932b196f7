"""Cloud Storage when things go wrong: lost answers, refused requests, cut and silent connections, writers that meet."""

from __future__ import annotations

import os
import random
import re
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from resources.gcp.gcs_store import GCSStore, ObjectGone
from resources.object_store import ObjectStoreError, StoredObject
from tests.resources.gcp.gcs_emulator import BUCKET, FAULTS, CloudStorage, FaultyProxy, client, cloud_storage

BLOCK = 256 << 10
BIG = os.urandom(2 * BLOCK + 1000)


@pytest.fixture(scope="module")
def running() -> Iterator[CloudStorage]:
    with cloud_storage() as emulator:
        yield emulator


@pytest.fixture
def cloud(running: CloudStorage) -> CloudStorage:
    running.empty()
    return running


@pytest.fixture
def proxy(cloud: CloudStorage) -> Iterator[FaultyProxy]:
    proxy = FaultyProxy(cloud.port, stall_seconds=0.4)
    yield proxy
    proxy.close()


@pytest.fixture
def direct(cloud: CloudStorage) -> GCSStore:
    """The store seen without the proxy: the truth."""
    return GCSStore(BUCKET, client=client(cloud.port), block=BLOCK)


@pytest.fixture
def shaky(proxy: FaultyProxy) -> GCSStore:
    return GCSStore(BUCKET, client=client(proxy.port), block=BLOCK, timeout=0.2, patience=20, first_delay=0.01)


@pytest.fixture
def counted(proxy: FaultyProxy) -> GCSStore:
    """Through the proxy, but patient: requests are repeated only where the test says so."""
    return GCSStore(BUCKET, client=client(proxy.port), block=BLOCK, first_delay=0.01)


def write_small(store: GCSStore, folder: Path) -> None:
    store.write("landing/b.csv", b"new")


def write_big(store: GCSStore, folder: Path) -> None:
    store.write("landing/b.csv", BIG)


def overwrite(store: GCSStore, folder: Path) -> None:
    store.write("landing/a.csv", b"newer")


def move(store: GCSStore, folder: Path) -> None:
    store.move("landing/a.csv", "archive/a.csv")


def delete(store: GCSStore, folder: Path) -> None:
    store.delete("landing/a.csv")


def copy(store: GCSStore, folder: Path) -> None:
    assert store.local_copy("landing/big.csv", folder).read_bytes() == BIG


def look(store: GCSStore, folder: Path) -> None:
    assert [o.name for o in store.list("landing")] == ["landing/a.csv", "landing/big.csv"]


BEFORE = {"landing/a.csv": b"rows", "landing/big.csv": BIG}
OPERATIONS: list[tuple[Callable[[GCSStore, Path], None], dict[str, bytes]]] = [
    (write_small, {**BEFORE, "landing/b.csv": b"new"}),
    (write_big, {**BEFORE, "landing/b.csv": BIG}),
    (overwrite, {**BEFORE, "landing/a.csv": b"newer"}),
    (move, {"archive/a.csv": b"rows", "landing/big.csv": BIG}),
    (delete, {"landing/big.csv": BIG}),
    (copy, BEFORE),
    (look, BEFORE),
]


@pytest.mark.parametrize(("operation", "after"), OPERATIONS, ids=lambda v: getattr(v, "__name__", ""))
@pytest.mark.parametrize("fault", FAULTS)
def test_one_fault_at_any_request_changes_nothing_in_the_end(
    cloud: CloudStorage,
    proxy: FaultyProxy,
    shaky: GCSStore,
    direct: GCSStore,
    tmp_path: Path,
    fault: str,
    operation: Callable[[GCSStore, Path], None],
    after: dict[str, bytes],
) -> None:
    """The fault strikes the first request, then in a fresh start the second, and so on past the last."""
    faulty = 0
    while True:
        cloud.empty()
        for name, data in BEFORE.items():
            direct.write(name, data)
        proxy.requests = proxy.faults = 0
        proxy.plan = lambda number, faulty=faulty: fault if number == faulty else None  # type: ignore[misc]
        operation(shaky, tmp_path / str(faulty))
        assert cloud.contents() == after
        if not proxy.faults:
            break
        faulty += 1
    assert faulty >= 1


def test_a_bad_day_loses_and_doubles_nothing(
    cloud: CloudStorage, proxy: FaultyProxy, shaky: GCSStore, tmp_path: Path
) -> None:
    """A third of all requests fail, in every way, while files arrive, are copied, archived and replaced."""
    chance = random.Random(20240513)
    proxy.plan = lambda _: chance.choice(FAULTS) if chance.random() < 0.33 else None
    expected = {}
    for number in range(12):
        data = chance.randbytes(chance.choice([0, 10, 5_000, BLOCK + 5]))
        shaky.write(f"landing/{number}.csv", data)
        assert shaky.local_copy(f"landing/{number}.csv", tmp_path).read_bytes() == data
        if number % 3 == 0:
            shaky.move(f"landing/{number}.csv", f"archive/{number}.csv")
            expected[f"archive/{number}.csv"] = data
        elif number % 3 == 1:
            shaky.write(f"landing/{number}.csv", data + b"!")
            expected[f"landing/{number}.csv"] = data + b"!"
        else:
            shaky.delete(f"landing/{number}.csv")
    assert proxy.faults > 20
    assert cloud.contents() == expected


def test_a_large_upload_goes_on_where_it_was_cut(cloud: CloudStorage, proxy: FaultyProxy, counted: GCSStore) -> None:
    data = os.urandom(8 * BLOCK)
    proxy.plan = lambda number: "lose answer" if number in (4, 7) else None
    counted.write("landing/large.bin", data)
    # two looks, one session, eight blocks, and one question after each of the two cuts
    assert proxy.requests == 2 + 1 + 8 + 2
    assert cloud.contents() == {"landing/large.bin": data}


def test_a_service_that_stays_away_ends_in_an_error_without_the_sessions_address(
    proxy: FaultyProxy, cloud: CloudStorage
) -> None:
    store = GCSStore(BUCKET, client=client(proxy.port), patience=1, first_delay=0.01)
    proxy.plan = lambda number: "503" if number > 1 else None
    with pytest.raises(ObjectStoreError, match="nothing was written") as caught:
        store.write("landing/a.csv", b"rows")
    assert "upload_id" not in str(caught.value)
    assert cloud.contents() == {}


def test_writers_that_meet_all_get_through_and_leave_one_whole_object(cloud: CloudStorage) -> None:
    bodies = [bytes([65 + n]) * 1000 for n in range(4)]
    stores = [GCSStore(BUCKET, client=client(cloud.port)) for _ in bodies]
    with ThreadPoolExecutor(4) as pool:
        written = list(pool.map(lambda pair: pair[0].write("landing/a.csv", pair[1]), zip(stores, bodies, strict=True)))
    assert cloud.contents()["landing/a.csv"] in bodies
    assert all(isinstance(w, StoredObject) for w in written)


def test_a_file_that_arrives_while_its_elder_is_archived_stays_in_landing(
    cloud: CloudStorage, proxy: FaultyProxy, counted: GCSStore, direct: GCSStore
) -> None:
    direct.write("landing/a.csv", b"first")

    def newer_arrives(number: int) -> None:
        if number == 3:  # both looked at, copied; the deletion comes next
            direct.write("landing/a.csv", b"second")

    proxy.plan = newer_arrives
    counted.move("landing/a.csv", "archive/a.csv")
    assert cloud.contents() == {"landing/a.csv": b"second", "archive/a.csv": b"first"}


def test_a_move_that_died_between_copy_and_delete_is_finished_by_the_next(
    cloud: CloudStorage, direct: GCSStore
) -> None:
    direct.write("landing/a.csv", b"rows")
    direct.write("archive/a.csv", b"rows")
    direct.move("landing/a.csv", "archive/a.csv")
    assert cloud.contents() == {"archive/a.csv": b"rows"}


def test_an_object_removed_while_it_is_read_is_named(direct: GCSStore) -> None:
    direct.write("landing/big.csv", BIG)
    with direct.open("landing/big.csv") as stream:
        stream.read(10)
        direct.delete("landing/big.csv")
        with pytest.raises(ObjectGone, match=re.escape("landing/big.csv")):
            stream.read()


def test_a_copy_is_fetched_once_per_generation(proxy: FaultyProxy, counted: GCSStore, tmp_path: Path) -> None:
    counted.write("landing/big.csv", BIG)
    first = counted.local_copy("landing/big.csv", tmp_path)
    before = proxy.requests
    assert counted.local_copy("landing/big.csv", tmp_path) == first
    assert proxy.requests == before + 1
    counted.write("landing/big.csv", b"other")
    assert counted.local_copy("landing/big.csv", tmp_path).read_bytes() == b"other"


def test_folders_made_in_the_web_console_are_no_objects(cloud: CloudStorage, direct: GCSStore) -> None:
    client(cloud.port).bucket(BUCKET).blob("landing/lab/").upload_from_string(b"")
    assert list(direct.walk("landing")) == []
    assert list(direct.list("landing/lab")) == []
