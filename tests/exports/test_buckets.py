"""Delivering into a partner's bucket: the same from Google Cloud Storage (an emulator) and from S3 (moto)."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from platform_assets.exports import ledger
from platform_assets.exports.ledger import SENDING
from platform_assets.exports.places import BucketPlace, Lying, Wanted
from resources import requesting
from resources.partner_bucket import bucket_of
from resources.requesting import Passing, Permanent
from tests.exports.exporting import Shop, stocked
from tests.exports.test_sending import FEB, JAN, again, states
from tests.programs import needed_module
from tests.resources.gcp import gcs_emulator

SECRET = "canary-Sk77"
BUCKET = {"kind": "bucket", "bucket": "partner", "folder": "deep", "verify": "read_back"}


@dataclass
class Partner:
    """A bucket, with a folder `in` for us."""

    environment: dict[str, str]
    client: Any

    def put(self, name: str, data: bytes) -> None:
        if self.google:
            self.client.bucket(gcs_emulator.BUCKET).blob(f"in/{name}").upload_from_string(data)
        else:
            self.client.put_object(Bucket="partner", Key=f"in/{name}", Body=data)

    @property
    def google(self) -> bool:
        return self.environment["PLATFORM_OBJECTS_PARTNER"].startswith("gs")

    def lying(self) -> dict[str, bytes]:
        """What lies in `in`."""
        if self.google:
            found = self.client.list_blobs(gcs_emulator.BUCKET, prefix="in/")
            return {b.name.removeprefix("in/"): b.download_as_bytes() for b in found}
        listed = self.client.list_objects_v2(Bucket="partner", Prefix="in/").get("Contents", [])
        get = self.client.get_object
        return {o["Key"].removeprefix("in/"): get(Bucket="partner", Key=o["Key"])["Body"].read() for o in listed}

    def empty(self) -> None:
        for name in self.lying():
            if self.google:
                self.client.bucket(gcs_emulator.BUCKET).blob(f"in/{name}").delete()
            else:
                self.client.delete_object(Bucket="partner", Key=f"in/{name}")


@pytest.fixture(scope="module")
def google() -> Iterator[Partner]:
    with gcs_emulator.cloud_storage() as cloud:
        address = f"gs://{gcs_emulator.BUCKET}/in?endpoint=http://127.0.0.1:{cloud.port}"
        yield Partner({"PLATFORM_OBJECTS_PARTNER": address}, gcs_emulator.client(cloud.port))


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
    environment = {
        "PLATFORM_OBJECTS_PARTNER": f"s3://partner/in?endpoint={where}",
        "PLATFORM_OBJECTS_PARTNER_KEY": f"id:{SECRET}",
    }
    yield Partner(environment, client)
    server.stop()


@pytest.fixture(params=["google", "amazon"])
def partner(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Partner:
    monkeypatch.setattr(requesting, "FIRST_PAUSE_SECONDS", 0.01)
    made: Partner = request.getfixturevalue(request.param)
    made.empty()
    return made


DELIVER = {**BUCKET, "acknowledge": {"refused": "{name}.err"}}


@pytest.fixture
def shop(partner: Partner, tmp_path: Path) -> Shop:
    made = stocked(tmp_path, deliver=DELIVER)
    made.environment = partner.environment
    return made


def whole(shop: Shop, partner: Partner) -> bool:
    sent = {f"deep/{e.file}": e.sha256 for e in shop.entries() if e.state in ledger.LEFT}
    return sent == {n: hashlib.sha256(d).hexdigest() for n, d in partner.lying().items() if n.endswith(".csv")}


def test_files_arrive_once_are_answered_and_sent_again(shop: Shop, partner: Partner) -> None:
    assert sorted(shop.deliver().sent) == [JAN, FEB]
    assert set(partner.lying()) == {f"deep/{JAN}", f"deep/{FEB}"}  # and nothing under another name
    assert whole(shop, partner)
    assert shop.deliver().sent == []
    partner.put(f"deep/{JAN}.ack", b"")
    partner.put(f"deep/{FEB}.err", b"PATIENT-0077 is unknown")
    shop.deliver()
    assert states(shop) == ["acknowledged", "refused"]
    partner.put(f"deep/{JAN}", b"spoilt")
    again(shop)
    assert shop.deliver().sent == [JAN]
    assert whole(shop, partner)
    assert states(shop) == ["sent", "refused"]  # the answer of before is none to this


def test_another_object_of_that_name_is_never_touched(shop: Shop, partner: Partner) -> None:
    partner.put(f"deep/{JAN}", b"the partner's own")
    done = shop.deliver()
    assert (list(done.failed), done.sent) == ([JAN], [FEB])
    assert "is not touched" in shop.entries()[0].problem
    assert partner.lying()[f"deep/{JAN}"] == b"the partner's own"


def test_one_that_comes_between_the_look_and_the_sending_is_not_replaced(partner: Partner, tmp_path: Path) -> None:
    place = BucketPlace(bucket_of(partner.environment, "partner"), ".")
    data = b"ours"
    source = tmp_path / "ours"
    source.write_bytes(data)
    partner.put("x.csv", b"theirs")
    lying = place.find("x.csv")
    assert lying is not None
    for over in (None, Lying(lying.size, "987654321" if partner.google else '"0123456789abcdef0123456789abcdef"')):
        wanted = Wanted("x.csv", len(data), hashlib.sha256(data).hexdigest(), read_back=False, over=over)
        with source.open("rb") as file, pytest.raises(Passing, match="meanwhile"):
            place.take(wanted, file, lambda _: None)
        assert partner.lying()["x.csv"] == b"theirs"
    wanted = Wanted("x.csv", len(data), hashlib.sha256(data).hexdigest(), read_back=True, over=lying)
    with source.open("rb") as file:
        place.take(wanted, file, lambda _: None)
    assert partner.lying()["x.csv"] == b"ours"


def test_a_copy_of_ours_that_was_spoilt_does_not_leave(shop: Shop, partner: Partner) -> None:
    entry = shop.entries()[0]
    shop.place.store.write(entry.object, b"x" * entry.bytes)
    assert list(shop.deliver().failed) == [JAN]
    assert "not what was made" in shop.entries()[0].problem
    assert f"deep/{JAN}" not in partner.lying()


def test_cut_off_anywhere_it_goes_on(shop: Shop, partner: Partner) -> None:
    fresh = shop.entries()
    for number, step in enumerate(("begin", "put", "compare", "sent"), start=1):

        def stop(name: str, at: str = step) -> None:
            if name == at:
                raise InterruptedError

        partner.empty()
        ledger.write(shop.place.warehouse, *fresh)
        with pytest.raises(InterruptedError):
            shop.sender(stop).deliver()
        assert shop.entries()[0].state == ("pending" if step == "begin" else SENDING)
        shop.deliver()
        assert states(shop) == ["sent", "sent"]
        assert whole(shop, partner)
        assert shop.actions() == ["export.send"] * (2 * number)


def test_troubles_are_told_without_the_key(shop: Shop, partner: Partner) -> None:
    address = partner.environment["PLATFORM_OBJECTS_PARTNER"]
    for changed, said in {
        address.replace("partner/in", "nowhere/in").replace(gcs_emulator.BUCKET, "nowhere"): "no such bucket",
        address.rsplit(":", 1)[0] + ":9": "did not answer",
        "": "is not set",
    }.items():
        shop.environment = {**partner.environment, "PLATFORM_OBJECTS_PARTNER": changed}
        done = shop.deliver()
        assert set(done.failed) == {JAN, FEB}
        assert done.sent == []
        told = " ".join(done.failed.values())
        assert said in told
        assert SECRET not in told
        assert "nowhere" not in told
    assert partner.lying() == {}


def test_a_bucket_that_lies_about_what_it_holds_is_not_believed(partner: Partner, tmp_path: Path) -> None:
    """No bucket at hand spoils bytes: what it reads back is changed here."""

    class Spoiling(BucketPlace):
        def read(self, name: str) -> Iterator[bytes]:
            yield b"x" * 4

    source = tmp_path / "ours"
    source.write_bytes(b"ours")
    wanted = Wanted("y.csv", 4, hashlib.sha256(b"ours").hexdigest(), read_back=True, over=None)
    with source.open("rb") as file, pytest.raises(Passing, match="other bytes"):
        Spoiling(bucket_of(partner.environment, "partner"), ".").take(wanted, file, lambda _: None)


def test_a_key_that_may_not_write_is_told(amazon: Partner, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from botocore.exceptions import ClientError

    bucket = bucket_of(amazon.environment, "partner")
    answer = {"ResponseMetadata": {"HTTPStatusCode": 403}, "Error": {"Code": "AccessDenied", "Message": SECRET}}

    def refused(**_: Any) -> None:
        raise ClientError(answer, "PutObject")

    monkeypatch.setattr(bucket._client, "put_object", refused)  # type: ignore[attr-defined]
    source = tmp_path / "ours"
    source.write_bytes(b"ours")
    with source.open("rb") as file, pytest.raises(Permanent, match="may create objects") as caught:
        bucket.put("y.csv", file, 4, hashlib.sha256(b"ours").hexdigest(), "")
    assert SECRET not in str(caught.value)
