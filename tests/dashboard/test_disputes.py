"""Disputed records: only the own ones, from our own form only, to the steward and back; nobody is named, and what became of it is told."""

from __future__ import annotations

import datetime as dt
import html
import re
from collections.abc import Iterator
from pathlib import Path
from unittest.mock import patch

import pytest
from starlette.testclient import TestClient

from platform_assets.access.audit.entry import AuditError
from platform_assets.access.audit.log import AuditLog
from platform_assets.access.roles import AccessDenied, Role, Scope, User
from platform_assets.erasure.naming import NamesSomeone
from platform_assets.quarantine import disputes
from platform_assets.quarantine.disputes import ANSWERS, MOVED, REASONS, Dispute
from platform_assets.quarantine.fixes import QuarantineError
from resources.environment import Platform, Settings
from resources.identity import EnvironmentKeys
from resources.lake.warehouse import Warehouse
from resources.object_store import LocalStore
from tests.conftest import Keys
from tests.dashboard.house import LABS, OWN, TODAY, House, clinician, house_of

ME = clinician(OWN)
OTHER = clinician(LABS[2], name="olga@example.org")
STEWARD = User("stan@example.org", frozenset({Role.STEWARD}), identity="test#stan")
HERE = {"Origin": "http://127.0.0.1:8600"}
RADIO = re.compile(r'<input type="radio" name="record" value="([^"]+)"')


@pytest.fixture(scope="module")
def mine(tmp_path_factory: pytest.TempPathFactory) -> House:
    """A house of its own: these tests change it."""
    folder = tmp_path_factory.mktemp("disputes")
    home = folder / "home"
    (home / "lake").mkdir(parents=True)
    store, keys = LocalStore(home), EnvironmentKeys(Keys())
    settings = Settings(home=home, settle_seconds=0)
    return house_of(Platform(settings=settings, warehouse=Warehouse(home / "lake"), store=store, keys=keys), folder)


@pytest.fixture
def me(mine: House) -> Iterator[TestClient]:
    with mine.seen_by(ME) as client:
        yield client


def records(client: TestClient, **query: str) -> list[str]:
    page = client.get("/i/positives/cases", params=query).text
    return [html.unescape(found) for found in RADIO.findall(page)]


def send(client: TestClient, record: str, reason: str = "value", about: str = "result", **more: str) -> int:
    form = {"record": record, "reason": reason, "about": about, **more}
    return client.post("/i/positives/dispute", data=form, headers=HERE, follow_redirects=False).status_code


def waiting(house: House) -> list[Dispute]:
    office = house.office
    return disputes.for_steward(office.audit, STEWARD, office.warehouse, office.contracts["lab"])


def lines(client: TestClient) -> list[str]:
    """The rows of the page that tells of disputes."""
    return re.findall(r"<tr><th scope=\"row\">(.*?)</tr>", client.get("/i/positives/disputes").text)


def answered(house: House, one: Dispute, said: str = "stands", words: str = "") -> None:
    office = house.office
    disputes.answer(office.audit, STEWARD, office.warehouse, office.refuse, [one], said, words)


def test_a_record_goes_to_the_steward_with_its_reason_and_its_fate_comes_back(mine: House, me: TestClient) -> None:
    record = records(me, outcome="positive")[0]
    assert send(me, record) == 303
    (one,) = [found for found in waiting(mine) if found.record == record]
    assert (one.scope, one.reason, one.about, one.by) == (Scope("laboratory", OWN), "value", "result", ME.name)
    assert one.file == "first.csv"
    with mine.place.platform.warehouse.connect(read_only=True) as connection:
        (row,) = connection.execute("SELECT _row FROM validated.lab WHERE sample_id = ?", [record]).fetchall()
    assert one.key.row == row[0]
    entry = mine.audited("dashboard.dispute")[-1]
    assert (entry.who, entry.table, entry.ground) == (ME.name, "validated.lab", f"{REASONS['value']}: result")
    assert record not in entry.line.decode()
    told = [line for line in lines(me) if record[:12] in line]
    assert len(told) == 1
    assert "It waits for a steward." in told[0]
    assert send(me, record) == 409, "it is disputed already"
    answered(mine, one, "asked", "Their system is being mended")
    told = [line for line in lines(me) if record[:12] in line]
    assert ANSWERS["asked"] in told[0]
    assert "Their system is being mended" in html.unescape(told[0])
    assert one.key not in [found.key for found in waiting(mine)]
    assert send(me, record) == 303, "after an answer it can be disputed anew"
    assert one.key in [found.key for found in waiting(mine)]


def test_the_number_stays_until_the_record_is_delivered_again_and_then_it_is_told(mine: House, me: TestClient) -> None:
    changed, same, moved = records(me, outcome="negative")[:3]
    for record in (changed, same, moved):
        assert send(me, record) == 303
    assert {changed, same, moved} <= set(records(me, outcome="negative"))
    with mine.place.platform.warehouse.connect(read_only=True) as connection:
        rows = {
            record: connection.execute(
                "SELECT r.test_date, r.result, r.laboratory, r.clinic, m.n FROM raw.lab r, (SELECT ? AS s, 0 AS n) m WHERE r.sample_id = m.s",
                [record],
            ).fetchone()
            for record in (changed, same, moved)
        }
    assert all(rows.values())
    numbers = _numbers(mine)
    text = ["sample_id,test_date,result,viral_load,laboratory,clinic"]
    for record, result, lab in ((changed, "POS", OWN), (same, None, OWN), (moved, None, LABS[4])):
        day, was, _, clinic, _ = rows[record] or ("", "", "", "", 0)
        text.append(f"{numbers[record]},{day},{result or was},,{lab},{clinic}")
    mine.place.bench.send("again.csv", "\n".join([*text, ""]))
    mine.place.publish(TODAY + dt.timedelta(days=30))
    told = {record: next((line for line in lines(me) if record[:12] in line), "") for record in rows}
    assert "changed in result" in told[changed]
    assert "is the same" in told[same] or "It waits" in told[same]
    assert moved[:12] not in "".join(lines(me))
    assert any(MOVED in line for line in lines(me))
    assert send(me, moved) == 409, "it is nobody's of here any more"


def _numbers(house: House) -> dict[str, str]:
    """Pseudonym -> the number that was delivered, by place in the file."""
    file = next(Path(house.place.platform.settings.home).rglob("first.csv*"))
    delivered = [line.split(",")[0] for line in file.read_text(encoding="utf-8").splitlines()]
    with house.place.platform.warehouse.connect(read_only=True) as connection:
        rows = connection.execute("SELECT sample_id, _row FROM raw.lab WHERE _file = 'first.csv'").fetchall()
    return {str(record): delivered[row - 1] for record, row in rows}


@pytest.mark.parametrize("org", ["", LABS[2], "nowhere"])
def test_nobody_disputes_a_record_of_another_organisation(mine: House, me: TestClient, org: str) -> None:
    with mine.seen_by(OTHER) as other:
        theirs = records(other)[0]
    before = len(waiting(mine)), len(mine.audited("dashboard.dispute"))
    for record in (theirs, theirs[:12], "", "'; DROP TABLE platform.disputes; --", "x" * 900):
        assert send(me, record, **({"org": org} if org else {})) == (404 if org else 409)
    assert (len(waiting(mine)), len(mine.audited("dashboard.dispute"))) == before
    if org:
        assert mine.audited("access.refused")[-1].who == ME.name


def test_disputes_are_told_to_the_own_organisation_only(mine: House, me: TestClient) -> None:
    record = records(me, outcome="unread")[0]
    assert send(me, record, "does not count", "") == 303
    with mine.seen_by(OTHER) as other:
        page = other.get("/i/positives/disputes")
        assert record[:12] not in page.text
        assert ME.name not in page.text
        assert other.get("/i/positives/disputes", params={"org": OWN}).status_code == 404
    for nobody in (User("anna", frozenset({Role.ANALYST})), User("emil", frozenset({Role.ENGINEER})), clinician()):
        with mine.seen_by(nobody) as client:
            answer = client.get("/i/positives/disputes", params={"org": OWN})
            assert answer.status_code in (403, 404)
            assert record[:12] not in answer.text
            assert send(client, record, org=OWN) in (403, 404)
    page = me.get("/i/positives/disputes")
    assert page.headers["cache-control"] == "private, no-store"


@pytest.mark.parametrize(
    "headers",
    [
        {},
        {"Origin": "null"},
        {"Origin": "https://evil.example"},
        {"Origin": "http://127.0.0.1:8601"},
        {**HERE, "Sec-Fetch-Site": "cross-site", "Sec-Fetch-Mode": "navigate", "Sec-Fetch-Dest": "document"},
        {**HERE, "Sec-Fetch-Site": "same-origin", "Sec-Fetch-Mode": "navigate", "Sec-Fetch-Dest": "iframe"},
        {**HERE, "Content-Type": "text/plain"},
        {**HERE, "Content-Type": "multipart/form-data; boundary=x"},
    ],
)
def test_no_other_page_can_make_somebody_dispute(mine: House, me: TestClient, headers: dict[str, str]) -> None:
    record, before = records(me)[-1], len(mine.audited("dashboard.dispute"))
    body = f"record={record}&reason=twice"
    kind = {"Content-Type": "application/x-www-form-urlencoded"}
    answer = me.post("/i/positives/dispute", content=body, headers={**kind, **headers}, follow_redirects=False)
    assert answer.status_code in (403, 415)
    assert me.get(f"/i/positives/dispute?{body}").status_code in (404, 405)
    assert len(mine.audited("dashboard.dispute")) == before


def test_what_is_not_on_the_list_is_refused_and_nothing_is_kept(mine: House, me: TestClient) -> None:
    record, before = records(me)[-1], len(waiting(mine))
    for reason, about in (
        ("Mrs Jones died", ""),
        ("value", ""),
        ("value", "sample_id"),
        ("value", "Jones"),
        ("", "result"),
    ):
        assert send(me, record, reason, about) == 409
    for bad in ("org=%00", "org=" + "x" * 300, "first=-1"):
        answer = me.post(
            "/i/positives/dispute",
            content=f"record={record}&reason=twice&{bad}",
            headers={**HERE, "Content-Type": "application/x-www-form-urlencoded"},
        )
        assert answer.status_code == 400
    assert len(waiting(mine)) == before
    with patch.object(AuditLog, "record", side_effect=AuditError("full")):
        assert send(me, record, "twice", "") == 503
    assert len(waiting(mine)) == before


def test_only_stewards_answer_and_name_nobody(mine: House, me: TestClient) -> None:
    record = records(me)[-2]
    assert send(me, record, "twice", "") == 303
    (one,) = [found for found in waiting(mine) if found.record == record]
    office = mine.office
    for user in (ME, OTHER, User("aude", frozenset({Role.AUDITOR})), User("emil", frozenset({Role.ENGINEER}))):
        with pytest.raises(AccessDenied):
            disputes.answer(office.audit, user, office.warehouse, office.refuse, [one], "stands")
        with pytest.raises(AccessDenied):
            disputes.for_steward(office.audit, user, office.warehouse, office.contracts["lab"])
    with pytest.raises(QuarantineError):
        answered(mine, one, "whatever")
    with pytest.raises(NamesSomeone):
        answered(mine, one, "stands", f"it is {_numbers(mine)[record]}")
    assert disputes.waiting(office.warehouse, STEWARD)["lab"] == len(waiting(mine))
    answered(mine, one)
    with pytest.raises(QuarantineError, match="meanwhile"):
        answered(mine, one)
    assert record not in mine.audited("quarantine.answer_dispute")[-1].line.decode()


def test_one_organisation_cannot_flood_the_desk(mine: House, me: TestClient, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(disputes, "MOST_OPEN", 1)
    first, second = records(me, outcome="positive")[-2:]
    answers = [send(me, record, "twice", "") for record in (first, second)]
    assert 409 in answers


def test_an_erasure_leaves_nothing_that_leads_to_the_record(mine: House, me: TestClient) -> None:
    """No pseudonym is kept with a dispute: what leads from it to the record are the raw rows, which an erasure takes."""
    with mine.place.platform.warehouse.connect(read_only=True) as connection:
        rows = connection.execute("SELECT * FROM platform.disputes").fetchall()
    kept = repr(rows)
    assert rows
    assert not [record for record in mine.records() if record in kept]
