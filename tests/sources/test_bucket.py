"""Objects of a partner's bucket: the same from Google Cloud Storage (an emulator) and from S3 (moto)."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest

from platform_assets.sources.base import Reach, Window
from platform_assets.sources.bucket import BucketSource
from platform_assets.sources.collect import Collected, collect
from resources import requesting
from resources.environment import Platform
from resources.requesting import Passing, Permanent
from tests.programs import needed_module
from tests.resources.gcp import gcs_emulator

SECRET = "canary-Sk77"


@dataclass
class Partner:
    """A bucket with a folder `outbox`."""

    address: str
    key: str
    client: Any

    def put(self, name: str, data: bytes) -> None:
        if self.address.startswith("gs"):
            self.client.bucket(gcs_emulator.BUCKET).blob(name).upload_from_string(data)
        else:
            self.client.put_object(Bucket="partner", Key=name, Body=data)

    def remove(self, name: str) -> None:
        if self.address.startswith("gs"):
            self.client.bucket(gcs_emulator.BUCKET).blob(name).delete()
        else:
            self.client.delete_object(Bucket="partner", Key=name)


@pytest.fixture(scope="module")
def google() -> Iterator[Partner]:
    with gcs_emulator.cloud_storage() as cloud:
        address = f"gs://{gcs_emulator.BUCKET}/outbox?endpoint=http://127.0.0.1:{cloud.port}"
        yield Partner(address, "", gcs_emulator.client(cloud.port))


@pytest.fixture(scope="module")
def amazon() -> Iterator[Partner]:
    needed_module("moto", "moto[server]")
    import boto3
    from moto.server import ThreadedMotoServer

    server = ThreadedMotoServer("127.0.0.1", 0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    where = f"http://{host}:{port}"
    client = boto3.client(
        "s3", endpoint_url=where, region_name="us-east-1", aws_access_key_id="id", aws_secret_access_key=SECRET
    )
    client.create_bucket(Bucket="partner")
    yield Partner(f"s3://partner/outbox?endpoint={where}", f"id:{SECRET}", client)
    server.stop()


@pytest.fixture(params=["google", "amazon"])
def partner(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Partner:
    made: Partner = request.getfixturevalue(request.param)
    monkeypatch.setattr(requesting, "FIRST_PAUSE_SECONDS", 0.01)
    monkeypatch.setenv("PLATFORM_OBJECTS_PARTNER", made.address)
    monkeypatch.setenv("PLATFORM_OBJECTS_PARTNER_KEY", made.key)
    return made


@pytest.fixture
def online(platform: Platform) -> Platform:
    return replace(platform, settings=replace(platform.settings, sources=True))


def source(**said: Any) -> BucketSource:
    return BucketSource.model_validate({"kind": "bucket", "bucket": "partner", **said})


def ask(platform: Platform, **said: Any) -> Collected:
    return collect(source(**said), "lab", platform, lambda _: None)


def landed(platform: Platform) -> list[bytes]:
    return sorted(p.read_bytes() for p in (platform.settings.home / "landing" / "lab").glob("*"))


def test_each_object_comes_once_and_again_when_it_was_replaced(partner: Partner, online: Platform) -> None:
    for name in ("outbox/w1.csv", "outbox/other.txt", "outbox/deeper/w2.csv", "elsewhere/w3.csv", "outbox/.hidden.csv"):
        partner.put(name, name.encode())
    assert len(ask(online, remote_files=["*.csv"]).landed) == 1
    assert ask(online, remote_files=["*.csv"]) == Collected()
    partner.put("outbox/w1.csv", b"mended")
    ask(online, remote_files=["*.csv"])
    assert b"mended" in landed(online)
    state = (online.settings.home / "state" / "bucket" / "lab.json").read_bytes()
    assert b"w1" not in state
    for name in ("outbox/w1.csv", "outbox/other.txt"):
        partner.remove(name)
    assert ask(online) == Collected()


def test_with_a_marker_only_what_is_marked_comes(partner: Partner, online: Platform) -> None:
    for name in ("outbox/m1.csv", "outbox/m1.csv.done", "outbox/m2.csv"):
        partner.put(name, name.encode())
    ask(online, remote_marker=".done")
    assert landed(online) == [b"outbox/m1.csv"]
    for name in ("outbox/m1.csv", "outbox/m1.csv.done", "outbox/m2.csv"):
        partner.remove(name)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"": "gs://nowhere/outbox?endpoint=http://127.0.0.1:{port}"}, "no such bucket"),
        ({"": "s3://nowhere/outbox?endpoint=http://127.0.0.1:{port}", "_KEY": f"id:{SECRET}"}, "no such bucket"),
        ({"": "s3://partner/outbox", "_KEY": SECRET}, "is missing, or is not"),
        ({"": "gs://partner/outbox", "_KEY": SECRET}, "no service account"),
        ({"": f"s3://id:{SECRET}@partner/outbox"}, "without a key"),
        ({"": "s3://partner/outbox?endpoint=http://192.0.2.1"}, "by https"),
        ({"": ""}, "is not set"),
        ({"": "gs://partner/outbox?endpoint=http://127.0.0.1:{closed}"}, "seems to be down"),
        ({"": "s3://partner/outbox?endpoint=http://127.0.0.1:{closed}", "_KEY": f"id:{SECRET}"}, "seems to be down"),
    ],
)
def test_troubles_are_told_without_the_key(
    google: Partner,
    amazon: Partner,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    change: dict[str, str],
    words: str,
) -> None:
    monkeypatch.setattr(requesting, "FIRST_PAUSE_SECONDS", 0.01)
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        closed = free.getsockname()[1]
    port = (google if change[""].startswith("gs") else amazon).address.rsplit(":", 1)[1]
    environment = {
        f"PLATFORM_OBJECTS_PARTNER{name}": value.replace("{port}", port).replace("{closed}", str(closed))
        for name, value in change.items()
    }
    said: list[str] = []
    with pytest.raises((Passing, Permanent), match=words) as caught:
        source().discover({}, requesting.dt.datetime.now(), Reach("lab", environment, said.append))
    assert SECRET not in f"{caught.value} {said}"


def test_an_object_that_is_gone_meanwhile_is_told(partner: Partner, tmp_path: Path) -> None:
    environment = {"PLATFORM_OBJECTS_PARTNER": partner.address, "PLATFORM_OBJECTS_PARTNER_KEY": partner.key}
    with pytest.raises(Permanent, match="no such bucket or object"):
        source().fetch(Window("x", "gone.csv"), {}, tmp_path / "x", Reach("lab", environment, print))
