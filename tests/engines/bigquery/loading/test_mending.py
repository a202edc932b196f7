"""Where BigQuery loads, stewards mend: rows as the file had them, fixes that come in like any delivery, nothing left by a crash."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import pytest

from platform_assets.access.audit.log import AuditLog
from platform_assets.engines.bigquery.loading import rejected
from platform_assets.erasure.holders.bigquery.rows import settle_loads
from platform_assets.ingest.load import LoadReport
from platform_assets.office import Office
from platform_assets.quarantine.desk import Desk
from platform_assets.quarantine.fixes import Fix, QuarantineError
from platform_assets.quarantine.overview import in_quarantine, waiting
from platform_assets.quarantine.tables import RowKey
from resources.gcp.bigquery import BigQuery, Done
from tests.engines.bigquery.place import SMALL, BigBench, Both
from tests.engines.bigquery.test_people import HEAD, KEYRING, PEOPLE, called
from tests.places import STEWARD

pytestmark = pytest.mark.slow
Pair = Callable[..., Both]
FEW = "sample_id,viral_load\n"


def desk_of(lab: BigBench) -> Desk:
    return Desk(lab.contract, lab.warehouse, lab.store, AuditLog(lab.home / "audit", KEYRING), STEWARD, lab.asked)


def mend(desk: Desk, **values: str) -> None:
    """Give every open row `values`, and send it."""
    rows = desk.rows()
    keys = [RowKey(d, f, int(r)) for d, f, r in zip(rows["_delivery"], rows["_file"], rows["_row"], strict=True)]
    texts = [
        {c: v if isinstance(v, str) else None for c, v in zip(desk.texts, row, strict=True)}
        for row in rows[desk.texts].values
    ]
    assert desk.stage([Fix(key, {**row, **values}) for key, row in zip(keys, texts, strict=True)]) == {}
    assert desk.resubmit("looked up").sent == len(keys)


def test_a_steward_sees_the_text_of_the_file_and_mends_it(pair: Pair) -> None:
    lab = pair(PEOPLE).big
    lab.keys = KEYRING
    lab.send("a.csv", HEAD + "A,2024-01-01,POS,1,P-77\nB,2024-01-01,what,1,P-78\nE,P-79,x\n")
    desk = desk_of(lab)
    rows = desk.rows()
    assert rows["patient_id"].tolist()[0] == "P-78"
    assert rows["_text"].tolist()[1] == "E,P-79,x"
    assert rows["_row"].tolist() == [3, 4]
    key = RowKey(rows["_delivery"][0], "a.csv", 3)
    desk.dismiss([RowKey(key.delivery, "a.csv", 4)], "a broken line, sent again by the laboratory")
    mend(desk, result="NEG")
    (entry,) = lab.load().entries
    assert (entry.valid, entry.quarantined) == (1, 0)
    assert lab.sql("SELECT sample_id, patient_id FROM {validated} ORDER BY 1") == [
        ("A", called("P-77")),
        ("B", called("P-78")),
    ]
    assert desk.open_rows() == 0
    assert desk.history(key)["event"].tolist() == ["rejected", "staged", "resubmitted", "accepted"]


def test_a_fix_of_a_fix_keeps_its_place_in_time_and_is_known_by_its_name(pair: Pair) -> None:
    lab = pair(columns=SMALL).big
    lab.send("a.csv", FEW + "A,1\nB,x\n")
    lab.send("b.csv", FEW + "B,5\n")
    desk = desk_of(lab)
    mend(desk, viral_load="2")
    (entry,) = lab.load().entries
    assert (entry.superseded, entry.valid) == (1, 0)  # b.csv is newer than what the fix mends
    assert lab.sql("SELECT sample_id, viral_load FROM {validated} ORDER BY 1") == [("A", 1), ("B", 5)]


def test_a_held_delivery_is_released(pair: Pair) -> None:
    lab = pair(columns=SMALL, quality={"max_quarantined": 0.3}).big
    (held,) = lab.send("a.csv", FEW + "A,1\nB,x\nC,3\n").entries
    assert held.status == "held"
    desk = desk_of(lab)
    assert desk.open_rows() == 3
    assert desk.release(held.delivery, "the laboratory confirms").sent == 2
    lab.load()
    assert lab.sql("SELECT sample_id FROM {validated} ORDER BY 1") == [("A",), ("C",)]
    assert desk.open_rows() == 1


def test_a_held_delivery_that_is_judged_again_is_seen_as_it_is_judged_now(pair: Pair) -> None:
    lab = pair(columns=SMALL, quality={"max_quarantined": 0.3}).big
    lab.send("a.csv", FEW + "A,1\nB,x\nC,3\n")
    assert len(lab.to_be_mended()) == 3
    milder = lab.contract.model_copy(
        update={"quality": lab.contract.quality.model_copy(update={"max_quarantined": 1.0})}
    )
    again = replace(lab, contract=milder)
    (entry,) = again.load().entries
    assert (entry.status, entry.valid, entry.quarantined) == ("published", 2, 1)
    assert [row[0] for row in again.to_be_mended()] == ["B"]


def test_a_fix_joins_the_snapshot_that_is_the_table_and_comes_too_late_for_an_older_one(pair: Pair) -> None:
    for load in ({"mode": "snapshot"}, {"mode": "snapshot", "key": ["sample_id"]}):
        lab = pair(columns=SMALL, load=load).big
        lab.send("a.csv", FEW + "A,1\nB,x\nC,y\n")
        desk = desk_of(lab)
        first = desk.rows()
        keys = [RowKey(first["_delivery"][0], "a.csv", int(r)) for r in first["_row"]]
        desk.stage([Fix(keys[0], {"sample_id": "B", "viral_load": "2"})])
        desk.resubmit("looked up")
        (entry,) = lab.load().entries
        assert (entry.status, entry.valid, entry.removed) == ("published", 1, 0)
        assert lab.sql("SELECT sample_id, viral_load FROM {validated} ORDER BY 1") == [("A", 1), ("B", 2)]
        lab.send("b.csv", FEW + "A,7\n")
        assert lab.sql("SELECT sample_id, viral_load FROM {validated}") == [("A", 7)]
        with pytest.raises(QuarantineError, match="the table is of a newer delivery"):
            desk.stage([Fix(keys[1], {"sample_id": "C", "viral_load": "3"})])


class Killed(Exception):
    """In place of a process that dies."""


class Dying(BigQuery):
    """Dies before its transaction, or behind it."""

    committed = False

    def transaction(self, statements: list[str], *, job: str = "") -> Done:  # type: ignore[override]
        if self.committed:
            super().transaction(statements, job=job)
        raise Killed


@pytest.mark.parametrize("committed", [True, False])
@pytest.mark.parametrize("by", ["the next load", "an erasure"])
def test_rows_of_a_load_that_died_are_seen_if_it_was_committed(
    pair: Pair, monkeypatch: pytest.MonkeyPatch, committed: bool, by: str
) -> None:
    lab = pair(columns=SMALL).big
    lab.drop("a.csv", FEW + "A,1\nB,x\n")
    dying = Dying(lab.engine.project, lab.engine.location, client=lab.engine.client)
    dying.committed = committed
    with pytest.raises(Killed):
        replace(lab, engine=dying).load()
    assert lab.to_be_mended() == []
    if by == "an erasure":
        settle_loads(lab.engine, lab.warehouse, lab.store, lab.contract)
        assert [row[0] for row in lab.to_be_mended()] == (["B"] if committed else [])
    report: LoadReport = lab.load()
    assert len(report.entries) == (0 if committed else 1)
    assert [row[0] for row in lab.to_be_mended()] == ["B"]
    assert list(lab.store.list(rejected.rejected_folder(lab.contract))) == []
    assert lab.sql("SELECT sample_id FROM {quarantine}") == [("B",)]


def test_the_overview_counts_them(pair: Pair) -> None:
    lab = pair(columns=SMALL).big
    lab.send("a.csv", FEW + "A,1\nB,x\nC,x\n")
    contracts = {lab.contract.name: lab.contract}
    office = Office(contracts, lab.warehouse, lab.store, KEYRING, lab.home, lab.asked)
    assert in_quarantine(office, STEWARD) == {lab.contract.name: 2}
    (found,) = waiting(office, STEWARD)
    assert (found.rows, found.reason) == (2, "viral_load: is not a whole number")
    assert office.desk(lab.contract.name, STEWARD).open_rows() == 2
