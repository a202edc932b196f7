"""Many rows mended at once: only what the contract accepts is offered, filters hold, nothing becomes empty unasked, and there is a way back."""

from __future__ import annotations

from pathlib import Path

import pytest

from platform_assets.access.roles import AccessDenied, Role, User
from platform_assets.quarantine.fixes import Fix, QuarantineError
from platform_assets.quarantine.mending.bench import Bench, Offer
from platform_assets.quarantine.where import Where
from tests.places import SECOND, Place

DATES = [f"D-{n},P-{n},north,{n + 1:02}/01/2024,NEG," for n in range(30)]
LIKE = [f"L-{n},P-{n},north,2024-01-02,{v}," for n, v in enumerate(["Positive"] * 6 + ["positive"] * 4 + ["POS."] * 2)]


@pytest.fixture
def place(tmp_path: Path) -> Place:
    found = Place(tmp_path)
    found.deliver("week1.csv", *DATES, *LIKE[:8], "X-1,P-1,north,2024-01-02,unknown,")
    found.deliver("week2.csv", *LIKE[8:], "O-1,P-1,north,31/12/2023,Positive,")
    return found


def offer(bench: Bench, column: str, begins: str = "", where: Where | None = None) -> Offer:
    return next(o for o in bench.offers(column, where or Where()) if begins in o.words)


def test_like_values_are_offered_as_one_and_staged_with_one_call(place: Place) -> None:
    bench = Bench(place.desk())
    (like,) = bench.offers("result", Where())
    assert (like.rows, set(like.values), set(like.values.values())) == (13, {"Positive", "positive", "POS."}, {"POS"})
    seen = bench.preview(like, Where())
    assert (seen.rows, seen.right) == (13, 12)
    assert ({"result": "POS."}, {"result": "POS"}) in seen.before_and_after
    mended = bench.stage(like, Where())
    assert len(mended.keys) == 13
    (wrong,) = mended.wrong.items()
    assert wrong[0].file == "week2.csv"
    assert wrong[1][0].startswith("test_date: ")


def test_dates_written_otherwise_are_offered_and_what_they_become_is_right(place: Place) -> None:
    bench = Bench(place.desk())
    dates = offer(bench, "test_date", "day/month/year")
    assert dates.rows == 31
    assert dates.values["30/01/2024"] == "2024-01-30"
    other = offer(bench, "test_date", "month/day/year")
    assert other.rows == 12
    bench.stage(dates, Where(rule="test_date:"))
    assert len(place.desk().resubmit().still_wrong) == 1


def test_the_filters_of_the_page_hold(place: Place) -> None:
    desk = place.desk()
    bench = Bench(desk)
    (delivery,) = {d for d, f in zip(desk.counts()["delivery"], desk.counts()["file"], strict=True) if f == "week2.csv"}
    for where, rows in (
        (Where(delivery=delivery), 5),
        (Where(rule="test_date:"), 1),
        (Where(values={"result": ["POS."]}), 2),
        (Where(delivery=delivery, values={"lab": ["south"]}), 0),
    ):
        found = bench.offers("result", where)
        assert sum(o.rows for o in found) == rows
        if rows:
            assert bench.preview(found[0], where).rows == rows
            mended = bench.stage(found[0], where)
            assert len(mended.keys) == rows
            bench.undo(mended)


def test_values_do_not_become_empty_unless_it_is_said_once_more(place: Place) -> None:
    bench = Bench(place.desk())
    for nothing in (None, ""):
        empty = Offer("", "result", 1, {"unknown": nothing})
        with pytest.raises(QuarantineError, match="say once more"):
            bench.stage(empty, Where())
        assert (place.desk().rows()["_state"] == "open").all()
    mended = bench.stage(empty, Where(), empty_too=True)
    assert next(iter(mended.wrong.values()))[0].startswith("result: ")


def test_what_was_staged_is_undone_with_what_was_staged_before_it(place: Place) -> None:
    desk = place.desk()
    bench = Bench(desk)
    desk.replace_value("result", "POS.", "NEG")
    before = desk.rows()[["sample_id", "result", "_state"]]
    mended = bench.stage(Offer("", "result", 14, {"NEG": "N/A", "Positive": "POS"}), Where())
    assert len(mended.keys) == 39
    assert bench.undo(mended) == 39
    assert desk.rows()[["sample_id", "result", "_state"]].equals(before)
    with pytest.raises(QuarantineError, match="Nothing can be undone"):
        bench.undo(mended)


def test_undo_leaves_alone_what_others_did_since(place: Place) -> None:
    bench = Bench(place.desk())
    mended = bench.stage(offer(bench, "result"), Where())
    other = place.desk(SECOND)
    other.unstage(mended.keys[:1])
    other.stage([Fix(mended.keys[0], {"sample_id": "L-0", "test_date": "2024-01-02", "result": "NEG"})])
    place.desk().resubmit(only=mended.keys[1:3])
    assert bench.undo(mended) == len(mended.keys) - 3  # one is another's, two are sent
    assert place.desk().rows()["_staged_by"].dropna().tolist() == [SECOND.name]


def test_cells_that_slid_are_moved_only_where_the_row_is_right_then(tmp_path: Path) -> None:
    place = Place(tmp_path)
    slid = [f"S-{n},P-{n},2024-01-02,POS,5," for n in range(4)]
    place.deliver("week1.csv", *slid, "T-1,P-1,2024-13-02,POS,5,")
    bench = Bench(place.desk())
    found = offer(bench, "lab", "one place to the right", Where(rule="test_date:"))
    assert found.rows == 4
    mended = bench.stage(found, Where(rule="test_date:"))
    assert len(mended.keys) == 4
    assert mended.wrong == {}
    assert place.desk().resubmit().sent == 4
    place.load()
    assert len(place.samples()) == 4


def test_identifiers_are_never_guessed_from_each_other(tmp_path: Path) -> None:
    place = Place(tmp_path)
    place.deliver(
        "week1.csv", *(f"S-{n},{p},north,2024-01-02,x," for n, p in enumerate(["JANSEN", "jansen", "JANSSEN"]))
    )
    assert Bench(place.desk()).offers("patient_id", Where()) == []


def test_who_may_not_see_rows_sees_no_values(place: Place) -> None:
    bench = Bench(place.desk(User("a@example.org", frozenset({Role.ANALYST}))))
    for call in (lambda: bench.values("result", Where()), lambda: bench.offers("result", Where())):
        with pytest.raises(AccessDenied):
            call()


def test_that_values_were_seen_is_written_down_without_them(place: Place) -> None:
    bench = Bench(place.desk())
    values = bench.values("result", Where(values={"result": ["Positive"]}))
    bench.preview(bench.offers("result", Where(), values)[0], Where())
    said = [(e.action, e.details) for e in place.audit.entries()]
    assert [action for action, _ in said] == ["quarantine.see_values", "quarantine.see"]
    assert "Positive" not in place.audit.tape.content().decode()


def test_a_row_is_found_by_its_key_after_it_was_mended(place: Place) -> None:
    desk = place.desk()
    desk.replace_value("result", "POS.", "POS")
    desk.resubmit()
    place.load()
    (key,) = desk.find({"sample_id": "L-11"})
    assert desk.history(key)["event"].tolist() == ["rejected", "staged", "resubmitted", "accepted"]
    assert desk.find({"sample_id": "L-99"}) == []
    with pytest.raises(QuarantineError, match="no column"):
        desk.find({"nonsense": "1"})
