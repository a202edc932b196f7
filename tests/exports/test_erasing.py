"""An erasure finds exported files of ours, and its certificate says who has to be told."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from platform_assets.erasure.holder import unclaimed
from tests.erasure.erasing import approved, eraser, subject
from tests.exports.exporting import ROW_LEVEL, Shop, loaded
from tests.places import SECOND

TO_NOBODY = {"kind": "folder", "place": "nobody"}


def erased(shop: Shop, patient: str) -> dict[str, Any]:
    return eraser(shop.place).execute(approved(shop.place, subject(patient)), SECOND)


def test_copies_go_and_recipients_are_named_with_the_files_concerned(tmp_path: Path) -> None:
    shop = loaded(tmp_path)
    for key in ("2026-01-01", "2026-02-01"):
        shop.make(key)
    shop.deliver()
    sent = {e.file: e for e in shop.entries()}
    document = erased(shop, "PATIENT-0078")  # in January only
    assert document["recipients_to_tell"] == [
        {
            "who": "Agency of the tests",
            "file": "results_202601.csv",
            "sent_at": str(sent["results_202601.csv"].sent_at),
            "sha256": sent["results_202601.csv"].sha256,
            "certain": True,
        }
    ]
    assert document["found_and_removed"]["exports"] == 1
    assert [o.basename for o in shop.place.store.walk("exports")] == ["results_202602.csv"]
    text = (shop.place.home / "erasure" / "certificates" / f"{document['request']}.txt").read_text()
    assert "Agency of the tests: results_202601.csv" in text
    assert "holds them" in text
    # a later request: of January's file our copy is gone, so that it cannot be told any more who is in it
    later = erased(shop, "PATIENT-0077")
    told = {r["file"]: r["certain"] for r in later["recipients_to_tell"]}
    assert told == {"results_202601.csv": False, "results_202602.csv": True}
    work = eraser(shop.place)
    assert unclaimed(work.holders, shop.place.home, shop.place.warehouse) == []


def test_what_was_not_sent_is_made_again_without_them_and_nobody_has_to_be_told(tmp_path: Path) -> None:
    shop = loaded(tmp_path)
    shop.make()
    assert erased(shop, "PATIENT-0078")["recipients_to_tell"] == []
    assert [(e.state, e.object) for e in shop.entries()] == [("pending", "")]
    shop.make()  # nothing new, but what is missing
    (entry,) = shop.entries()
    assert (entry.rows, entry.state) == (1, "pending")
    assert shop.deliver().sent == ["results_202601.csv"]
    assert shop.place.pseudonym("PATIENT-0078") not in shop.lying()["results_202601.csv"].decode()


def test_rows_without_a_key_may_be_anybodys(tmp_path: Path) -> None:
    shop = loaded(tmp_path, table=None, query="q.sql", window={"unit": "month", "start": "2026-01-01"})
    where = "WHERE test_date >= $start AND test_date < $end"
    (tmp_path / "q.sql").write_text(f"SELECT lab, result FROM validated.lab_results {where}")
    shop.make()
    shop.deliver()
    (told,) = erased(shop, "PATIENT-0078")["recipients_to_tell"]
    assert (told["who"], told["certain"]) == (ROW_LEVEL["recipient"], False)
    assert list(shop.place.store.walk("exports")) == []


def test_a_copy_that_an_older_backup_brings_back_goes_again(tmp_path: Path) -> None:
    shop = loaded(tmp_path)
    made = shop.make()
    assert made is not None
    kept = shop.text(made)
    shop.deliver()
    erased(shop, "PATIENT-0078")
    shop.place.store.write(made.object, kept.encode())
    with shop.place.warehouse.connect() as connection, shop.place.warehouse.write(connection):
        connection.execute("UPDATE platform.exports SET object = ?", [made.object])
    eraser(shop.place).replay(SECOND)
    assert list(shop.place.store.walk("exports")) == []
