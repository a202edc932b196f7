"""Where BigQuery knows what was loaded, fix files that never arrive open their rows again, and uploads are foreseen, all the same."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from platform_assets.office import Office
from platform_assets.quarantine import uploads
from tests.engines.bigquery.conftest import buckets, client, engine, pair  # noqa: F401  (fixtures)
from tests.engines.bigquery.loading.test_mending import FEW, desk_of, mend
from tests.engines.bigquery.place import SMALL, Both
from tests.engines.bigquery.test_people import KEYRING
from tests.places import STEWARD

pytestmark = pytest.mark.slow


def test_a_fix_that_is_taken_back_or_removed_by_hand_opens_its_row_and_a_loaded_one_does_not(
    pair: Callable[..., Both],  # noqa: F811
) -> None:
    lab = pair(columns=SMALL).big
    lab.send("a.csv", FEW + "A,1\nB,x\n")
    name, desk = lab.contract.name, desk_of(lab)
    office = Office({name: lab.contract}, lab.warehouse, lab.store, KEYRING, lab.home, lab.asked)
    mend(desk, viral_load="2")
    (waits,) = uploads.waiting(office, lab.contract)
    assert uploads.withdraw(office, name, waits.basename, STEWARD) == 1
    mend(desk, viral_load="3")
    (waits,) = uploads.waiting(office, lab.contract)
    assert desk.settle() == 0
    lab.store.delete(waits.name)
    assert desk.settle() == 1
    mend(desk, viral_load="4")
    assert [e.valid for e in lab.load().entries] == [1]
    assert (desk.settle(), desk.open_rows()) == (0, 0)
    assert uploads.check(office, name, "again.csv", (FEW + "A,1\nB,x\n").encode(), STEWARD).nothing_changes
    assert uploads.check(office, name, "b.csv", (FEW + "A,1\nC,4\n").encode(), STEWARD).right
