"""What every object store must do: the same tests on a local folder and on Cloud Storage (emulated on loopback)."""

from __future__ import annotations

import os
import shutil
import tempfile
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from resources.gcp.gcs_store import GCSStore
from resources.object_store import LocalStore, ObjectStore, ObjectStoreError
from tests.resources.gcp.gcs_emulator import BUCKET, CloudStorage, client, cloud_storage


@pytest.fixture(scope="module")
def cloud() -> Iterator[CloudStorage]:
    with cloud_storage() as running:
        yield running


@pytest.fixture(params=["local", "bucket", "folder of a bucket"])
def store(request: pytest.FixtureRequest, tmp_path: Path, cloud: CloudStorage) -> ObjectStore:
    if request.param == "local":
        return LocalStore(tmp_path / "store")
    cloud.empty()
    folder = "home" if "folder" in request.param else ""
    return GCSStore(BUCKET, folder, client=client(cloud.port), first_delay=0.01, block=256 << 10)


def read(store: ObjectStore, name: str) -> bytes:
    with store.open(name) as stream:
        return stream.read()


def test_what_was_written_is_read(store: ObjectStore) -> None:
    data = bytes(range(256)) * 5 + b"\r\n\0\n"
    written = store.write("landing/lab_results/week_12.csv", data)
    assert (written.name, written.basename, written.size) == (
        "landing/lab_results/week_12.csv",
        "week_12.csv",
        len(data),
    )
    assert store.stat("landing/lab_results/week_12.csv") == written
    assert read(store, "landing/lab_results/week_12.csv") == data


@pytest.mark.parametrize("size", [0, 1, (256 << 10) - 1, 256 << 10, (1 << 20) + 7])
def test_files_of_every_size_come_back_whole(store: ObjectStore, tmp_path: Path, size: int) -> None:
    source = tmp_path / "source.bin"
    source.write_bytes(os.urandom(size))
    assert store.write("landing/a/file.bin", source).size == size
    assert read(store, "landing/a/file.bin") == source.read_bytes()
    assert store.local_copy("landing/a/file.bin", tmp_path / "copies").read_bytes() == source.read_bytes()


def test_a_file_that_is_taken_is_there_whole_and_replaces(store: ObjectStore, tmp_path: Path) -> None:
    store.write("a/b", b"older")
    for data in (b"", b"x" * 3_000_000):
        (tmp_path / "f").write_bytes(data)
        taken = store.take("a/b", tmp_path / "f")
        assert (taken.size, taken) == (len(data), store.stat("a/b"))
        with store.open("a/b") as stream:
            assert stream.read() == data


def test_a_file_of_another_file_system_is_taken_too(tmp_path: Path) -> None:
    elsewhere = Path(tempfile.mkdtemp(dir="/dev/shm"))
    try:
        (elsewhere / "f").write_bytes(b"x")
        LocalStore(tmp_path / "store").take("a/b", elsewhere / "f")
        assert (tmp_path / "store/a/b").read_bytes() == b"x"
    finally:
        shutil.rmtree(elsewhere)


def test_writing_again_replaces_and_changes_the_version(store: ObjectStore) -> None:
    first = store.write("products/table.csv", b"old")
    second = store.write("products/table.csv", b"new, and longer")
    assert first.version != second.version
    assert second.modified >= first.modified
    assert read(store, "products/table.csv") == b"new, and longer"


def test_a_folder_lists_its_own_files_by_name(store: ObjectStore) -> None:
    for name in ("landing/a/2.csv", "landing/a/1.csv", "landing/a/deep/3.csv", "landing/ab/4.csv"):
        store.write(name, name.encode())
    assert [o.name for o in store.list("landing/a")] == ["landing/a/1.csv", "landing/a/2.csv"]
    assert [o.name for o in store.walk("landing/a")] == ["landing/a/1.csv", "landing/a/2.csv", "landing/a/deep/3.csv"]
    assert [o.size for o in store.list("landing/a")] == [15, 15]
    assert list(store.list("nothing")) == []


def test_names_keep_their_characters(store: ObjectStore) -> None:
    name = "landing/a/Übersicht week 12 (1)#2+3%?.csv"
    store.write(name, b"x")
    assert [o.name for o in store.list("landing/a")] == [name]
    assert read(store, name) == b"x"


def test_what_is_not_there_is_none_or_says_so(store: ObjectStore) -> None:
    assert store.stat("landing/none.csv") is None
    store.delete("landing/none.csv")
    with pytest.raises(ObjectStoreError, match=r"landing/none\.csv"):
        store.open("landing/none.csv")
    with pytest.raises(ObjectStoreError, match=r"landing/none\.csv"):
        store.move("landing/none.csv", "archive/none.csv")


@pytest.mark.parametrize("name", ["../outside", "/etc/passwd", "a/../../b", ""])
def test_names_outside_the_store_are_refused(store: ObjectStore, name: str) -> None:
    with pytest.raises(ObjectStoreError):
        store.write(name, b"x")


def test_a_moved_object_is_in_one_place_and_moving_again_is_no_error(store: ObjectStore) -> None:
    store.write("landing/a/1.csv", b"rows")
    store.move("landing/a/1.csv", "archive/a/1.csv")
    store.move("landing/a/1.csv", "archive/a/1.csv")
    assert [o.name for o in store.walk("landing")] == []
    assert read(store, "archive/a/1.csv") == b"rows"


def test_moving_replaces_an_older_target(store: ObjectStore) -> None:
    store.write("archive/a/1.csv", b"old")
    store.write("landing/a/1.csv", b"new")
    store.move("landing/a/1.csv", "archive/a/1.csv")
    assert store.stat("landing/a/1.csv") is None
    assert read(store, "archive/a/1.csv") == b"new"


def test_deleted_is_gone(store: ObjectStore) -> None:
    store.write("landing/a/1.csv", b"rows")
    store.delete("landing/a/1.csv")
    assert store.stat("landing/a/1.csv") is None
    assert list(store.list("landing/a")) == []


def test_a_stream_can_be_searched(store: ObjectStore) -> None:
    store.write("a/numbers.txt", b"".join(b"%06d\n" % n for n in range(100_000)))
    with store.open("a/numbers.txt") as stream:
        stream.seek(7 * 50_000)
        assert stream.readline() == b"050000\n"
        stream.seek(-7, os.SEEK_END)
        assert stream.read() == b"099999\n"
        stream.seek(0)
        assert sum(1 for _ in stream) == 100_000


def test_a_reader_sees_one_version_or_an_error_never_a_mixture(store: ObjectStore) -> None:
    size = 600_000
    store.write("products/big.bin", b"a" * size)
    with store.open("products/big.bin") as stream:
        head = stream.read(1000)
        store.write("products/big.bin", b"b" * size)
        try:
            rest = stream.read()
        except ObjectStoreError:
            rest = b""
    assert set(head + rest) == {ord("a")}


def test_readers_beside_a_writer_never_see_a_half_object(store: ObjectStore) -> None:
    bodies = {bytes([65 + n]) * (1000 * (n + 1)) for n in range(8)}
    store.write("products/changing.bin", next(iter(bodies)))
    seen: set[bytes] = set()
    stop = threading.Event()

    def reads() -> None:
        while not stop.is_set():
            try:
                seen.add(read(store, "products/changing.bin"))
            except ObjectStoreError:
                continue  # it was replaced between looking and reading

    reader = threading.Thread(target=reads)
    reader.start()
    for _ in range(3):
        for body in bodies:
            store.write("products/changing.bin", body)
    stop.set()
    reader.join()
    assert seen <= bodies


def test_copies_of_namesakes_do_not_overwrite_each_other(store: ObjectStore, tmp_path: Path) -> None:
    store.write("landing/a/week.csv", b"one")
    store.write("archive/a/1/week.csv", b"two")
    copies = [store.local_copy(n, tmp_path / "copies") for n in ("landing/a/week.csv", "archive/a/1/week.csv")]
    assert [c.read_bytes() for c in copies] == [b"one", b"two"]


def test_the_url_names_the_object(store: ObjectStore) -> None:
    assert store.url("products/a.csv").endswith("products/a.csv")
