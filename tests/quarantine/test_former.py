"""Content that came before, and other content since: a steward's yes has it applied, a no leaves the table as it is."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from platform_assets.quarantine import __main__ as command
from platform_assets.quarantine.fixes import QuarantineError
from platform_assets.quarantine.overview import waiting
from tests.places import STEWARD, Place, lab_contract

A, B = "A-1,P-1,north,2024-01-01,NEG,", "A-1,P-1,north,2024-01-01,POS,5"
C = "A-1,P-1,north,2024-01-01,NEG,\nA-2,P-2,north,2024-01-01,wrong,"


def place_of(tmp_path: Path, mode: str, first: str = A) -> Place:
    place = Place(tmp_path, lab_contract(load={"mode": mode, "key": ["sample_id"]}, quality={"max_quarantined": 1.0}))
    for name, row in (("1.csv", first), ("2.csv", B), ("3.csv", first)):
        place.deliver(name, *row.split("\n"))
    return place


def results(place: Place) -> list[Any]:
    return [r for (r,) in place.query("SELECT result FROM validated.lab_results ORDER BY sample_id")]


def held(place: Place) -> str:
    ((delivery,),) = place.query("SELECT delivery FROM platform.ledger WHERE status = 'held'")
    return str(delivery)


@pytest.mark.parametrize("mode", ["upsert", "snapshot"])
def test_a_yes_has_it_applied_as_of_its_arrival(tmp_path: Path, mode: str) -> None:
    place = place_of(tmp_path, mode, C)
    assert results(place) == ["POS"]
    (sentence,) = place.desk().held().values()
    assert (
        "only its arrival says that it is newer. Release it to have it applied, close it to leave the table" in sentence
    )
    assert [w.held for w in waiting(place.office(), STEWARD)] == [1]
    assert place.desk().release(held(place), "the laboratory took it back").sent == 1
    place.load()
    assert results(place) == ["NEG"]
    # the content that the table is of now, once more, is no other question
    assert place.deliver("4.csv", *C.split("\n")).status == "repeated"
    assert results(place) == ["NEG"]


def test_a_no_leaves_the_table_as_it_is_until_something_else_comes(tmp_path: Path) -> None:
    place = place_of(tmp_path, "upsert", C)
    delivery = held(place)
    with pytest.raises(QuarantineError, match="say why"):
        place.desk().dismiss_delivery(delivery, " ")
    assert place.desk().dismiss_delivery(delivery, "the folder dropped old files") == 2
    with pytest.raises(QuarantineError, match="not held, or was released or closed already"):
        place.desk().dismiss_delivery(delivery, "again")
    with pytest.raises(QuarantineError, match="not held, or was released already"):
        place.desk().release(delivery, "after all")
    assert place.deliver("4.csv", *C.split("\n")).status == "repeated"
    assert results(place) == ["POS"]
    assert [w.held for w in waiting(place.office(), STEWARD)] == [0]


def test_a_fix_of_a_delivery_without_a_column_does_not_empty_that_column(tmp_path: Path) -> None:
    columns = {**lab_contract().model_dump(by_alias=True, exclude_unset=True)["columns"]}
    columns["viral_load"] = {**columns["viral_load"], "optional": True, "required": False}
    place = Place(tmp_path, lab_contract(columns=columns, quality={"max_quarantined": 1.0}))
    place.deliver("1.csv", "A-1,P-1,north,2024-01-01,POS,5")
    place.deliver("2.csv", "A-1,P-1,north,2024-01-01,Positive", header="sample_id,patient_id,lab,test_date,result")
    place.desk().replace_value("result", "Positive", "NEG")
    place.desk().resubmit()
    place.load()
    assert place.query("SELECT result, viral_load FROM validated.lab_results") == [("NEG", 5)]


def test_the_command_closes_a_held_delivery(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    place = place_of(tmp_path, "upsert")
    monkeypatch.setattr(command.Office, "here", place.office)
    assert command.main(["reasons", "lab_results"]) == 0
    assert "was held as a whole" in capsys.readouterr().out
    assert command.main(["close", "lab_results", held(place), "--reason", "old files"]) == 0
    assert capsys.readouterr().out == "closed, with 1 row(s)\n"
