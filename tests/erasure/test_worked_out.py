"""Who is erased is in no table that is worked out of the dataset's: not in lists, not in the tree, not in the history."""

from __future__ import annotations

from pathlib import Path

from platform_assets.erasure.holder import unclaimed
from tests.erasure.erasing import erase, eraser, places_of, subject
from tests.places import Place, lab_contract

HEADER = "sample_id,patient_id,lab,test_date,result,viral_load,notes,above"


def test_lists_tree_and_history_lose_who_is_erased_and_nobody_else(tmp_path: Path) -> None:
    columns = {
        **lab_contract().model_dump(mode="json", by_alias=True, exclude_defaults=True)["columns"],
        "notes": {"type": "list", "delimiter": "|", "required": False},
        "above": {"type": "string", "required": False},
    }
    load = {"mode": "upsert", "key": ["sample_id"], "history": True, "absent": "clear"}
    place = Place(tmp_path, lab_contract(columns=columns, load=load, tree={"node": "sample_id", "parent": "above"}))
    place.deliver(
        "week1.csv",
        "A-1,PATIENT-77,north,2024-01-01,NEG,,hers alone|cough,",
        "A-2,PATIENT-78,north,2024-01-02,NEG,,cough,A-1",
        header=HEADER,
    )
    place.deliver("week2.csv", "A-1,PATIENT-77,south,2024-01-01,POS,,hers alone,", header=HEADER)
    values = "SELECT value FROM validated.lab_results__notes_values ORDER BY 1"
    assert place.query(values) == [("cough",), ("hers alone",)]
    assert place.query("SELECT sample_id, state FROM validated.lab_results__tree ORDER BY 1") == [
        ("A-1", "placed"),
        ("A-2", "placed"),
    ]
    assert len(place.query("SELECT 1 FROM history.lab_results WHERE sample_id = 'A-1'")) == 2
    work = eraser(place)
    assert unclaimed(work.holders, place.home, place.warehouse) == []
    erase(place, subject("PATIENT-77"))
    assert places_of(place.home, ["PATIENT-77", place.pseudonym("PATIENT-77"), "hers alone"]) == {}
    assert place.query(values) == [("cough",)]
    assert place.query("SELECT sample_id, state FROM validated.lab_results__tree") == [("A-2", "orphan")]
    assert place.query("SELECT sample_id, valid_to FROM history.lab_results") == [("A-2", None)]
