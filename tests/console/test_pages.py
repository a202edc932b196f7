"""Every page for every role, without a browser: who sees it, who does not, and that no page shows what its reader may not see."""

from __future__ import annotations

import datetime as dt
import hashlib
import json
import pkgutil
from dataclasses import replace
from pathlib import Path

import pytest
import streamlit as st
from streamlit.testing.v1 import AppTest

from console import pages
from console.dagster_client import Client, FailedCheck, Run
from console.pages.about import WORDS
from console.pages.datasets import fresh, per_delivery
from console.pages.runs import called
from console.pages.start import now
from platform_assets.access.roles import Permission, Role, Scope, User, laptop_user
from platform_assets.contracts import Contract
from platform_assets.erasure.eraser import ErasureIncomplete
from platform_assets.exports import ledger as ledger_of_exports
from platform_assets.exports.ledger import Entry
from platform_assets.exports.receipts import receipt
from platform_assets.ingest import ledger
from platform_assets.office import Office
from platform_assets.quarantine import disputes
from platform_assets.quarantine.overview import Waiting
from platform_assets.releases import reading
from resources.identity import EnvironmentKeys
from tests.erasure.erasing import approved, eraser, subject
from tests.places import KEYS, SECOND, Place, lab_contract

CANARY = "CANARY-PATIENT-4711"
PAGES = {page.address: page.takes for page in pages.PAGES}


def test_every_module_of_the_room_is_a_page_of_the_menu() -> None:
    assert {module.name for module in pkgutil.iter_modules(pages.__path__)} == set(PAGES)


def page(name: str, office: object, user: object, url: str) -> None:
    """What AppTest runs as a script."""
    import importlib

    from console.dagster_client import Client
    from console.frame import Frame, told

    here = Frame(office, user, Client(url))  # type: ignore[arg-type]
    with told(here):
        importlib.import_module(f"console.pages.{name}").show(here)


def opened(name: str, place: Place, user: User, *others: Contract) -> AppTest:
    return drawn(name, place.office(*others), user)


def drawn(name: str, office: Office, user: User) -> AppTest:
    at = AppTest.from_function(page, args=(name, office, user, "http://127.0.0.1:9"), default_timeout=120)
    return at.run()


def person(role: Role) -> User:
    return User(f"{role}@example.org", frozenset({role}), (Scope("lab", "north"),) if role is Role.CLINICIAN else ())


def everything(at: AppTest) -> str:
    """All that the page sends to the browser."""
    shown = [str(e.proto) for e in at.main]
    frames = [str(f.value.to_dict()) for f in at.dataframe]
    return "\n".join([*shown, *frames])


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Place:
    made = Place(tmp_path_factory.mktemp("home"), lab_contract())
    rows = [f"N-{n},P-{n},north,2024-01-0{n % 7 + 1},NEG," for n in range(30)]
    rows += [f"S-{n},P-{n},south,2024-01-02,POS," for n in range(3)]
    made.deliver("week1.csv", *rows, f"C-1,{CANARY},north,2024-01-02,Positive,", "C-2,P-9,north,2024-13-02,=cmd(),")
    return made


@pytest.mark.parametrize("role", list(Role))
@pytest.mark.parametrize("name", PAGES)
def test_a_page_opens_for_the_roles_that_may_see_it_and_for_no_other(place: Place, name: str, role: Role) -> None:
    user = person(role)
    permissions = PAGES[name]
    at = opened(name, place, user)
    assert not at.exception
    if not permissions or any(user.may(p) for p in permissions):
        assert at.title
        # Dagster does not run here, and only the page of its runs says so
        said = [e.value.replace("\\", "") for e in at.error]
        assert [text.startswith("Dagster cannot be reached") for text in said] == ([True] if name == "runs" else [])
    else:
        assert not at.title
        assert "may not do this" in at.error[0].value.replace("\\", "")
    if not user.may(Permission.SEE_QUARANTINE):
        assert CANARY not in everything(at)


def test_the_steward_sees_the_original_text_in_quarantine(place: Place) -> None:
    assert CANARY in everything(opened("quarantine", place, person(Role.STEWARD)))


def test_a_clinician_gets_the_rows_of_the_own_organisation_only(place: Place) -> None:
    tables = [f.value for f in opened("reports", place, person(Role.CLINICIAN)).dataframe]
    rows = tables[-1]
    assert set(rows["lab"]) == {"north"}
    assert len(opened("reports", place, person(Role.ANALYST)).dataframe) == 0


def test_published_counts_are_those_of_the_release(place: Place) -> None:
    at = opened("reports", place, person(Role.ANALYST))
    assert "Nothing was published yet." in everything(at)
    counts = b"period,organisation,outcome,count,hidden\r\n2024-01-01,north,positive,,True\r\n"
    about = {
        "title": "T",
        "protected": True,
        "periods": {"grain": "month", "last": "2024-01-01"},
        "policy": {"threshold": 7, "base": 5},
    }
    manifest = {"indicators": {"one": about}, "files": {"one/counts.csv": hashlib.sha256(counts).hexdigest()}}
    store = place.store
    store.write("products/releases/0123456789abcdef/one/counts.csv", counts)
    store.write("products/releases/0123456789abcdef/release.json", json.dumps(manifest).encode())
    reading.set_current(store, "0123456789abcdef")
    shown = opened("reports", place, person(Role.ANALYST)).dataframe[0].value
    assert shown["count"].isna().all()
    assert shown["hidden"].all()


def click(at: AppTest, label: str) -> AppTest:
    """Click the button whose label begins so."""
    return next(b for b in at.button if b.label.replace("\\", "").startswith(label)).click().run()


def test_like_values_are_mended_in_three_clicks(tmp_path: Path) -> None:
    place = Place(tmp_path)
    values = ["Positive"] * 6 + ["positive"] * 4 + ["POS."] * 2
    place.deliver("week1.csv", *(f"B-{n},P-{n},north,2024-01-02,{v}," for n, v in enumerate(values)))
    at = opened("quarantine", place, person(Role.STEWARD))
    click(at, '"Positive", "positive", "POS." become "POS" (12 rows)')
    said = next(m.value for m in at.markdown if "touches" in m.value).replace("\\", "")
    assert said.endswith("touches 12 rows; all of them are right afterwards.")
    click(at, "Stage 12 rows")
    assert at.session_state["done"].startswith("Staged 12 rows: ")
    assert place.desk().rows()["_state"].tolist() == ["staged"] * 12
    click(at, "Send staged fixes")
    assert not at.exception
    place.load()
    assert len(place.samples()) == 12
    done = [e for e in place.audit.entries() if not e.action.startswith("quarantine.see")]
    assert [(e.who, e.action) for e in done] == [
        ("steward@example.org", "quarantine.stage"),
        ("steward@example.org", "quarantine.resubmit"),
    ]


def test_dates_written_otherwise_are_mended_in_three_clicks_and_undone_in_one(tmp_path: Path) -> None:
    place = Place(tmp_path)
    place.deliver("week1.csv", *(f"B-{n},P-{n},north,{n + 1:02}/01/2024,NEG," for n in range(30)))
    at = opened("quarantine", place, person(Role.STEWARD))
    click(at, "Read as day/month/year (30 rows)")
    click(at, "Stage 30 rows")
    click(at, "Undo: read as day/month/year (30 rows)")
    assert at.session_state["done"] == "30 rows are as before."
    assert place.desk().rows()["_state"].tolist() == ["open"] * 30
    click(at, "Read as day/month/year (30 rows)")
    click(at, "Stage 30 rows")
    click(at, "Send staged fixes")
    place.load()
    assert len(place.samples()) == 30


def test_own_values_are_mended_too_and_empty_only_when_it_is_said_twice(tmp_path: Path) -> None:
    place = Place(tmp_path)
    rows = [f"B-{n},P-{n},north,2024-01-02,invalid," for n in range(3)]
    place.deliver("week1.csv", *rows, "C-2,P-2,north,2024-13-02,invalid,")
    at = opened("quarantine", place, person(Role.STEWARD))
    at.multiselect[0].select("invalid").run()
    stage = next(b for b in at.button if b.label == "Stage 4 rows")
    assert stage.disabled
    assert "1 value shall be missing" in at.checkbox[0].label
    next(t for t in at.text_input if t.label == "become").input("N/A").run()
    assert not at.checkbox
    click(at, "Stage 4 rows")
    assert at.session_state["done"] == 'Staged 4 rows: "invalid" becomes "N/A".'
    assert at.session_state["trouble"].replace("\n\n", " ") == (
        "1 row is still wrong: week1.csv, row 5: The test_date is not a date like 2026-12-31"
    )
    staged = next(f.value for f in at.dataframe if "by" in f.value and "old" in f.value)
    assert staged[["rows", "column", "old", "new"]].values.tolist() == [[4, "result", "invalid", "N/A"]]
    click(at, "Send staged fixes")
    assert at.session_state["done"].startswith("3 rows sent as week1-fix-")
    assert at.session_state["trouble"].startswith("Not sent: 1 row is still wrong")


def test_what_is_wrong_stands_beside_the_cell_and_goes_when_it_is_staged_right(tmp_path: Path) -> None:
    place = Place(tmp_path)
    place.deliver("week1.csv", "B-1,P-1,north,2024-01-02,Positive,", "B-2,P-2,north,2024-13-02,Positive,")

    def grid() -> list[list[str]]:
        shown = next(
            f.value for f in opened("quarantine", place, person(Role.STEWARD)).dataframe if "choose" in f.value
        )
        return shown[["wrong test_date", "wrong result", "_state"]].values.tolist()

    date, result = "Is not a date like 2026-12-31", "Is not one of POS, NEG, N/A"
    assert grid() == [["", result, "open"], [date, result, "open"]]
    place.desk().replace_value("result", "Positive", "POS")
    assert grid() == [["", "", "staged, right"], [date, "", "staged, still wrong"]]


def test_one_row_is_mended_as_a_form_and_judged_as_it_is_typed(tmp_path: Path) -> None:
    place = Place(tmp_path)
    place.deliver("week1.csv", "B-1,P-1,north,2024-13-02,Positive,")
    at = opened("quarantine", place, person(Role.STEWARD))
    next(s for s in at.selectbox if s.label == "Row to mend").select_index(0).run()
    captions = [c.value.replace("\\", "") for c in at.markdown]
    assert "result: Is not one of POS, NEG, N/A" in captions
    next(t for t in at.text_input if t.label == "result").input("POS").run()
    assert not [c for c in at.markdown if c.value.startswith("result:")]
    next(t for t in at.text_input if t.label == "test_date").input("2024-01-02").run()
    assert "The row is right now." in [s.value for s in at.success]
    click(at, "Stage this row")
    assert place.desk().resubmit().sent == 1


def test_the_history_of_a_mended_row_is_found_by_its_key(tmp_path: Path) -> None:
    place = Place(tmp_path)
    place.deliver("week1.csv", "B-1,P-1,north,2024-01-02,Positive,")
    place.desk().replace_value("result", "Positive", "POS")
    place.desk().resubmit()
    place.load()
    at = opened("quarantine", place, person(Role.STEWARD))
    assert at.success[0].value == "Nothing waits in quarantine."
    at.text_input[0].input("B-1").run()
    events = at.dataframe[0].value
    assert events["event"].tolist() == ["rejected", "staged", "resubmitted", "accepted"]
    assert events["reason"].tolist()[0] == "The result is not one of POS, NEG, N/A"
    at.text_input[0].input("B-2").run()
    assert "ever in quarantine" in at.info[0].value


def test_the_address_says_which_rows_are_shown(tmp_path: Path) -> None:
    place = Place(tmp_path)
    place.deliver("week1.csv", "B-1,P-1,north,2024-01-02,Positive,")
    place.deliver("week2.csv", "B-2,P-2,north,2024-13-02,NEG,")
    counts = place.desk().counts().set_index("file")["delivery"]
    at = AppTest.from_function(
        page, args=("quarantine", place.office(), person(Role.STEWARD), "http://127.0.0.1:9"), default_timeout=120
    )
    at.query_params["delivery"] = counts["week2.csv"]
    at.query_params["dataset"] = "lab_results"
    at.run()
    grid = next(f.value for f in at.dataframe if "choose" in f.value)
    assert grid["sample_id"].tolist() == ["B-2"]
    next(s for s in at.selectbox if s.label == "Delivery").select_index(0).run()
    grid = next(f.value for f in at.dataframe if "choose" in f.value)
    assert grid["sample_id"].tolist() == ["B-1", "B-2"]


def test_rows_of_a_held_delivery_are_counted_once(tmp_path: Path) -> None:
    place = Place(tmp_path, lab_contract(quality={"max_quarantined": 0.1}))
    place.deliver("week1.csv", "B-1,P-1,north,2024-01-02,POS,", "B-2,P-1,north,2024-01-02,Positive,")
    at = opened("quarantine", place, person(Role.STEWARD))
    reasons = next(s for s in at.selectbox if s.label == "Reason").options
    assert reasons[1] == "The result is not one of POS, NEG, N/A (1 row)"
    (line,) = [t.value for t in at.text if "held as a whole" in t.value]
    assert line.startswith("week1.csv was held as a whole, 1 of 2 rows (50.0%) are wrong")
    assert line.endswith(". Open rows of it: 2")


def test_an_empty_delivery_is_closed_on_the_page(tmp_path: Path) -> None:
    place = Place(tmp_path, lab_contract(quality={"min_rows": 1}))
    place.deliver("week1.csv")
    at = opened("quarantine", place, person(Role.STEWARD))
    next(t for t in at.text_input if t.label == "Why it is closed").input("a holiday")
    next(b for b in at.button if b.label == "Close this delivery").click().run()
    assert at.session_state["done"] == "week1.csv is closed."
    assert at.success[0].value == "Nothing waits in quarantine."


def test_a_failed_check_says_what_has_become_of_the_held_delivery() -> None:
    failed = FailedCheck("validated/lab_results", "quarantine_rate", True, "held: week1.csv (2 of 2 rows are wrong)")
    assert now(failed, [Waiting("lab_results", 0, 0, "", 0)]) == "settled: nothing is held any more"
    assert now(failed, [Waiting("lab_results", 0, 2, "", 1)]) == "1 delivery is still held"
    assert now(replace(failed, check="freshness"), [Waiting("lab_results", 0, 0, "", 0)]) == ""


def test_a_fix_file_is_taken_back_on_the_page_and_the_box_is_empty_for_the_next(tmp_path: Path) -> None:
    place = Place(tmp_path)
    place.deliver("week1.csv", "B-1,P-1,north,2024-01-02,Positive,", "B-2,P-1,north,2024-01-02,POS,")
    place.desk().replace_value("result", "Positive", "POS")
    (name,) = place.desk().resubmit().files
    place.drop("week2.csv", "x")
    at = opened("deliveries", place, person(Role.STEWARD))
    fixes = next(n for n, o in enumerate(at.selectbox[1].options) if o.startswith(name))
    at.selectbox[1].select_index(fixes).run()
    at.checkbox[0].check().run()
    next(b for b in at.button if b.label == "Take back").click().run()
    assert at.session_state["done"] == (
        f"{name} was taken back. 1 row that it was to mend is open in quarantine again, as delivered."
    )
    assert not at.checkbox[0].value
    assert next(b for b in at.button if b.label == "Take back").disabled
    assert place.desk().open_rows() == 1


def test_rows_of_a_fix_file_that_was_removed_by_hand_are_told_on_start(tmp_path: Path) -> None:
    place = Place(tmp_path)
    place.deliver("week1.csv", "B-1,P-1,north,2024-01-02,Positive,")
    place.desk().replace_value("result", "Positive", "POS")
    (name,) = place.desk().resubmit().files
    (place.home / "landing" / "lab_results" / name).unlink()
    at = opened("start", place, person(Role.STEWARD))
    assert at.warning[0].value.startswith("1 row is open in quarantine again")
    assert at.dataframe[0].value["rows in quarantine"].tolist() == [1]


def uploaded(place: Place, **files: str) -> AppTest:
    """The page with files chosen: name without ending -> content."""
    at = opened("upload", place, person(Role.STEWARD))
    at.file_uploader[0].set_value([(f"{n}.csv", text.encode(), "text/csv") for n, text in files.items()])
    return at.run()


def test_only_files_that_can_be_judged_are_sent(tmp_path: Path) -> None:
    place = Place(tmp_path)
    good = "sample_id,patient_id,lab,test_date,result,viral_load\nB-1,P-1,north,2024-01-02,POS,\n"
    at = uploaded(place, week1=good, other="country,week,deaths\nNL,1,2\n")
    assert not at.exception
    assert [s.value for s in at.selectbox] == ["lab_results", None]
    assert at.warning[0].value.startswith("No dataset fits")
    at.selectbox[1].select("lab_results").run()
    assert "so it is not sent" in at.error[0].value
    next(b for b in at.button if b.label == "Send 1 file").click().run()
    assert at.session_state["done"].startswith("1 file sent: loaded within a minute")
    assert [p.name for p in (place.home / "landing" / "lab_results").iterdir()] == ["week1.csv"]


def test_what_will_become_of_a_file_is_told_before_it_is_sent(tmp_path: Path) -> None:
    place = Place(tmp_path, lab_contract(quality={"max_quarantined": 0.4, "min_rows": 1}))
    header = "sample_id,patient_id,lab,test_date,result,viral_load\n"
    half = "B-1,P-1,north,2024-01-02,POS,\nB-2,P-1,north,2024-01-02,Positive,\n"
    at = uploaded(place, half=header + half, empty=header, right=header + "B-1,P-1,north,2024-01-02,POS,\n")
    first, second = (w.value.replace("\\", "") for w in at.warning)
    assert first.startswith("The whole delivery will be held: 1 of 2 rows (50.0%) are wrong")
    assert first.endswith("All its 2 rows will wait in quarantine.")
    assert second.startswith("The whole delivery will be held: 0 rows, the contract asks for at least 1")
    assert [s.value for s in at.success] == ["The 1 row is right."]
    place.keys = EnvironmentKeys({k: v for k, v in KEYS.items() if not k.endswith("_PATIENT")})
    at = uploaded(place, right=header + "B-1,P-1,north,2024-01-02,POS,\n")
    assert at.error[0].value.replace("\\", "").startswith("PLATFORM_IDENTITY_KEY_PATIENT is not set")


def test_a_renamed_column_is_told_and_the_file_is_sent_with_the_right_name(tmp_path: Path) -> None:
    place = Place(tmp_path)
    at = uploaded(
        place, week1="sample_id,patient_id,lab,day of test,result,viral_load\nB-1,P-1,north,2024-01-02,POS,\n"
    )
    assert at.warning[0].value.replace("\\", "").startswith("The file has no column test_date.")
    next(s for s in at.selectbox if s.label == "Column for test_date").select("day of test").run()
    assert [s.value for s in at.success] == ["The 1 row is right."]
    click(at, "Send 1 file")
    place.load()
    assert place.samples() == ["B-1"]
    (sent,) = [e for e in place.audit.entries() if e.action == "upload"]
    assert sent.details["renamed"] == ["test_date"]


def test_a_name_of_a_column_is_proposed_at_the_door_and_agreed_to_by_another(tmp_path: Path) -> None:
    place = Place(tmp_path)
    rows = "sample_id,patient_id,lab,day of test,result,viral_load\nB-1,P-1,north,2024-01-02,POS,\n"
    at = uploaded(place, week1=rows)
    next(s for s in at.selectbox if s.label == "Column for test_date").select("day of test").run()
    click(at, "Propose day of test as test_date for every file to come")
    assert not at.exception
    assert any("A second person agrees" in m.value for m in at.markdown)
    at = opened("datasets", place, person(Role.STEWARD))
    assert next(b for b in at.button if b.label == "Agree").disabled
    at = opened("datasets", place, SECOND)
    click(at, "Agree")
    assert at.session_state["done"].replace("\\", "") == "day of test stands for test_date from the next load on."
    assert [s.value for s in uploaded(place, week1=rows).success] == ["The 1 row is right."]
    assert not [b for b in opened("datasets", place, person(Role.ANALYST)).button if b.label == "Take back"]
    click(opened("datasets", place, person(Role.STEWARD)), "Take back")
    assert uploaded(place, week1=rows).warning


def test_a_change_of_a_contract_is_tried_on_the_page_and_changes_nothing(tmp_path: Path) -> None:
    place = Place(tmp_path)
    place.deliver("week1.csv", "B-1,P-1,north,2024-01-02,POS,", "B-2,P-1,north,2024-01-02,Positive,")
    at = opened("datasets", place, person(Role.ENGINEER))
    box = at.text_area[0]
    box.set_value(str(box.value).replace("- POS\n", "- Positive\n")).run()
    click(at, "Try it on the last deliveries")
    assert not at.exception
    assert any("1 row more would be in quarantine; 1 row would be right" in m.value for m in at.markdown)
    tried = next(f.value for f in at.dataframe if "newly right" in f.value)
    assert tried[["rows", "wrong now", "wrong by the draft", "newly in quarantine", "newly right"]].values.tolist() == [
        [2, 1, 1, 1, 1]
    ]
    at.text_area[0].set_value("rules: []").run()
    click(at, "Try it on the last deliveries")
    assert at.error[0].value.startswith("A draft changes columns")
    assert place.samples() == ["B-1"]
    assert not opened("datasets", place, person(Role.ANALYST)).text_area


def test_wrong_rows_are_shown_and_mended_before_they_are_sent(tmp_path: Path) -> None:
    place = Place(tmp_path)
    header = "sample_id,patient_id,lab,test_date,result,viral_load\n"
    rows = [f"B-{n},P-{n},north,{n + 1:02}/01/2024,{v}," for n, v in enumerate(["Positive", "pos", "NEG"])]
    at = uploaded(place, week1=header + "\n".join(rows) + "\n")
    shown = next(f.value for f in at.dataframe if "wrong test_date" in f.value)
    assert shown["row"].tolist() == [2, 3, 4]
    assert shown["wrong test_date"].tolist()[2] == "Is not a date like 2026-12-31"
    click(at, "test_date: read as day/month/year (3 rows)")
    click(at, 'result: "Positive", "pos" become "POS" (2 rows)')
    assert [s.value for s in at.success] == ["All 3 rows are right."]
    click(at, 'Undo: "Positive", "pos" become "POS"')
    assert at.warning[0].value.startswith("2 of 3 rows will go to quarantine")
    click(at, 'result: "Positive", "pos" become "POS" (2 rows)')
    click(at, "Send 1 file")
    place.load()
    assert len(place.samples()) == 3
    (sent,) = [e for e in place.audit.entries() if e.action == "upload"]
    assert sent.details["mended"] == {"result": 2, "test_date": 3}
    assert "Positive" not in place.audit.tape.content().decode()


def test_the_life_of_a_delivery_has_an_address(tmp_path: Path) -> None:
    place = Place(tmp_path)
    entry = place.deliver(
        "week1.csv",
        "B-1,P-1,north,2024-01-02,Positive,",
        f"B-2,{CANARY},north,2024-13-02,POS,",
        "B-3,P-3,x,2024-01-02,NEG,",
    )
    place.desk().replace_value("result", "Positive", "POS")
    place.desk().resubmit("the laboratory confirmed")
    at = AppTest.from_function(
        page, args=("deliveries", place.office(), person(Role.ENGINEER), "http://127.0.0.1:9"), default_timeout=120
    )
    at.query_params["delivery"] = entry.delivery
    at.run()
    assert not at.exception
    assert at.title[0].value == "week1.csv"
    text = everything(at)
    assert "It has 3 rows: 1 right, 2 in quarantine" in text
    assert "the laboratory confirmed" in text
    assert [s.value for s in at.subheader][:2] == ["How it was judged", "Rows that wait"]
    assert "like Aaaaaaaa" not in text
    assert CANARY not in text
    at.query_params["delivery"] = "0000000000000000"
    at.run()
    assert at.warning[0].value.startswith("There is no delivery with this address")


def test_a_request_of_nobody_is_told(tmp_path: Path) -> None:
    place = Place(tmp_path)
    place.deliver("week1.csv", "B-1,P-1,north,2024-01-02,POS,")
    at = opened("erasure", place, person(Role.STEWARD))
    next(t for t in at.text_input if t.label == "patient_id").input("P-9999").run()
    next(b for b in at.button if b.label == "Preview").click().run()
    assert at.warning[0].value.startswith("Nobody found: check the number")
    next(t for t in at.text_input if t.label.startswith("Ground")).input("a letter")
    next(b for b in at.button if b.label == "Make the request").click().run()
    assert at.session_state["trouble"].startswith("Nobody found: check the number")


def test_a_request_is_made_withdrawn_and_not_approved_by_who_asked(tmp_path: Path) -> None:
    place = Place(tmp_path)
    place.deliver("week1.csv", f"B-1,{CANARY},north,2024-01-02,POS,")
    at = opened("erasure", place, person(Role.STEWARD))
    next(t for t in at.text_input if t.label == "patient_id").input(CANARY).run()
    next(b for b in at.button if b.label == "Preview").click().run()
    assert sum(at.dataframe[0].value["found"]) == 3
    next(t for t in at.text_input if t.label.startswith("Ground")).input("a letter")
    next(b for b in at.button if b.label == "Make the request").click().run()
    at = opened("erasure", place, person(Role.STEWARD))
    assert next(b for b in at.button if b.label == "Approve").disabled
    next(b for b in at.button if b.label == "Show whom and what").click().run()
    assert at.dataframe[0].value["patient_id"].tolist() == [CANARY]
    assert at.dataframe[1].value.set_index("what")["found"]["rows as delivered (raw)"] == 1
    next(b for b in at.button if b.label == "Approve").click().run()
    assert "second person" in at.error[0].value.replace("\\", "")
    next(b for b in at.button if b.label == "Withdraw").click().run()
    said = [e.action.removeprefix("erasure.") for e in place.audit.entries()]
    # the second preview within minutes is the same view: one entry
    assert said == ["preview", "request", "look", "withdraw"]
    assert CANARY not in place.audit.tape.content().decode()


def test_an_erasure_that_ended_incomplete_says_why_beside_its_request(tmp_path: Path) -> None:
    place = Place(tmp_path, lab_contract())
    place.deliver("week1.csv", "A-1,PATIENT-77,north,2024-01-01,NEG,")
    stray = place.home / "notes" / "private.txt"
    stray.parent.mkdir()
    stray.write_text("call PATIENT-77")
    number = approved(place, subject("PATIENT-77"))
    with pytest.raises(ErasureIncomplete):
        eraser(place).execute(number, SECOND)
    at = opened("erasure", place, person(Role.STEWARD))
    (warning,) = at.warning
    assert "notes/private.txt" in warning.value.replace("\\", "")
    assert not at.code  # how it stands there is shown to who has asked for it
    next(b for b in at.button if b.label == "Show whom and what").click().run()
    next(s for s in at.selectbox if s.label == "Place 1").select("else").run()
    next(t for t in at.text_input if t.label.startswith("Why (place 1")).input("a note about another").run()
    next(b for b in at.button if b.label == "Keep these decisions").click().run()
    assert at.session_state["done"].startswith("1 decision of request")
    document = eraser(place).execute(number, SECOND)
    assert [(d["way"], d["reason"]) for d in document["decisions"]] == [("else", "a note about another")]


def test_erase_now_asks_once_more(tmp_path: Path) -> None:
    place = Place(tmp_path)
    place.deliver("week1.csv", "A-1,PATIENT-77,north,2024-01-01,NEG,")
    number = approved(place, subject("PATIENT-77"))
    at = opened("erasure", place, person(Role.STEWARD))
    next(b for b in at.button if b.label == "Erase now").click().run()
    assert "cannot be given back" in at.warning[0].value
    assert "Erase now" not in [b.label for b in at.button]
    next(b for b in at.button if b.label == "Not now").click().run()
    assert "Erase now" in [b.label for b in at.button]
    assert eraser(place).requests.read(number).status == "approved"


def test_without_login_the_console_serves_this_machine_only(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DATA_HOME", str(tmp_path))
    app = str(Path(__file__).parents[2] / "console" / "app.py")
    st.config.set_option("server.address", "0.0.0.0")
    refused = AppTest.from_file(app, default_timeout=120).run()
    assert "this machine only" in refused.error[0].value.replace("\\", "")
    assert not refused.title
    st.config.set_option("server.address", "127.0.0.1")
    at = AppTest.from_file(app, default_timeout=120).run()
    assert at.title[0].value == "What waits"
    assert "No login" in at.warning[0].value
    assert laptop_user().name in [t.value for t in at.sidebar.text]


def test_an_unreachable_dagster_is_said_in_a_sentence(place: Place) -> None:
    at = opened("runs", place, person(Role.ENGINEER))
    assert not at.exception
    assert "cannot be reached" in at.error[0].value.replace("\\", "")
    assert isinstance(Client("http://127.0.0.1:9").url, str)


def test_a_steward_answers_a_disputed_record_and_only_that(tmp_path: Path) -> None:
    place = Place(tmp_path)
    place.deliver("week1.csv", *(f"D-{n},P-{n},north,2024-01-02,NEG," for n in range(3)))
    with place.warehouse.connect(read_only=True) as connection:
        rows = connection.execute("SELECT _delivery, _row FROM validated.lab_results ORDER BY 2").fetchall()
    scope, clinician = Scope("lab", "north"), person(Role.CLINICIAN)
    for row in rows[:2]:
        disputes.dispute(
            place.audit,
            clinician,
            place.warehouse,
            [disputes.RecordKey(*row)],
            dataset="lab_results",
            scope=scope,
            indicator="turnaround",
            reason="twice",
            about="",
        )
    at = opened("quarantine", place, person(Role.STEWARD))
    assert not at.exception
    assert "lab_results (2 disputed records)" in at.selectbox[0].options
    assert at.dataframe[0].value["what is wrong"].tolist() == [disputes.REASONS["twice"]] * 2
    assert at.dataframe[0].value["row"].tolist() == [row for _, row in rows[:2]]
    assert not at.success, "something waits"
    at.multiselect[0].select(2).run()
    button = next(b for b in at.button if b.label == "Answer 1 chosen record")
    next(t for t in at.text_input if t.label.startswith("In your words")).input("looked into").run()
    next(b for b in at.button if b.label == button.label).click().run()
    assert not at.exception
    with place.warehouse.connect(read_only=True) as connection:
        found = disputes.of(place.warehouse, connection, place.contract, scope)
    assert [(one.key.row, one.answer, one.words) for one in found] == [
        (rows[0][1], "", ""),
        (rows[1][1], "asked", "looked into"),
    ]
    assert len(at.dataframe[0].value) == 1


def test_the_quarantine_opens_on_the_dataset_with_the_most_rows(tmp_path: Path) -> None:
    place = Place(tmp_path, lab_contract(name="a_few"))
    place.deliver("week1.csv", "B-1,P-1,north,2024-01-02,Positive,")
    few, none = place.contract, lab_contract(name="a_none")
    place.contract = lab_contract(name="z_many")
    place.deliver("week1.csv", *(f"B-{n},P-{n},north,2024-01-02,Positive," for n in range(3)))
    at = opened("quarantine", place, person(Role.STEWARD), few, none)
    chosen = at.selectbox[0]
    assert chosen.value == "z_many"
    assert chosen.options == ["z_many (3 rows)", "a_few (1 row)", "a_none"]
    at.selectbox[0].select("a_none").run()
    assert "Nothing waits in quarantine" in at.success[0].value


def test_the_start_page_names_what_waits_and_what_does_not(tmp_path: Path) -> None:
    place = Place(tmp_path)
    place.deliver("week1.csv", "B-1,P-1,north,2024-01-02,Positive,", "B-2,P-2,north,2024-13-02,Positive,")
    place.drop("week2.csv", "waits")
    at = opened("start", place, person(Role.STEWARD), lab_contract(name="quiet"))
    (line,) = at.dataframe[0].value.to_dict("records")
    assert (line["dataset"].partition("#")[2], line["files waiting"], line["rows in quarantine"]) == (
        "lab_results",
        1,
        2,
    )
    assert line["most frequent reason"] == "The result is not one of POS, NEG, N/A"
    assert "Nothing waits in quiet." in [t.value for t in at.text]


def test_an_engineer_reads_the_logs_and_no_report(place: Place) -> None:
    at = opened("reports", place, person(Role.ENGINEER))
    assert [s.value for s in at.subheader] == ["Execution log", "Deletion log"]
    assert [f.partition("#")[2] for f in at.dataframe[0].value["file"]] == ["week1.csv"]
    assert CANARY not in everything(at)


def test_the_quality_of_deliveries_is_told_in_words_and_adds_up(tmp_path: Path) -> None:
    place = Place(tmp_path, lab_contract(quality={"max_quarantined": 0.4}))
    place.deliver("week1.csv", *(f"B-{n},P-{n},north,2024-01-02,NEG," for n in range(9)), "B-9,P-9,x,2024-01-02,Neg,")
    place.deliver("week2.csv", "C-1,P-1,north,2024-01-02,Positive,", "C-2,P-1,north,2024-01-02,NEG,")
    at = opened("datasets", place, person(Role.ANALYST))
    assert not at.exception
    place.deliver("week3.csv", "D-1,P-1,north,2024-01-02,NEG,")
    at = opened("datasets", place, person(Role.ANALYST))
    said = next(m.value for m in at.markdown if "deliveries with" in m.value).replace("\\", "")
    assert said == (
        "2 deliveries with 11 rows: 1 was wrong (9.1%). Most in week1.csv (10.0% of its rows). "
        "1 delivery is held, with 2 rows: none is in the table. A delivery with more than 40.0% wrong rows is held."
    )
    with place.warehouse.connect() as connection:
        rows = per_delivery(ledger.read(connection, "lab_results"))
    assert rows.groupby("place")["rows"].sum().to_dict() == {"week1.csv": 10, "week2.csv": 2, "week3.csv": 1}
    assert rows.groupby("place")["share"].sum().round(9).tolist() == [1.0, 1.0, 1.0]
    assert rows[rows["kind"] == "held"]["rows"].tolist() == [0, 2, 0]
    assert at.dataframe[0].value["rows"].sum() >= 3


def test_a_dataset_tells_its_rules_by_delivery_what_came_otherwise_and_how_fresh_it_is(tmp_path: Path) -> None:
    freshness = {"cron": "0 9 * * 1", "grace_hours": 2}
    place = Place(tmp_path, lab_contract(quality={"max_quarantined": 1.0, "freshness": freshness}))
    place.deliver("week1.csv", "B-1,P-1,north,2024-01-02,Neg,", "B-2,P-2,north,2024-01-02,Pos,")
    place.deliver(
        "week2.csv", "C-1,P-1,north,2024-13-02,Neg,", header="sample_id,patient_id,lab,test_date,result,extra"
    )
    at = opened("datasets", place, person(Role.ANALYST))
    assert not at.exception
    said = [m.value.replace("\\", "") for m in at.markdown]
    assert any(
        m.startswith("The last delivery that was taken arrived") and m.endswith("It came in time.") for m in said
    )
    (rules,) = [d.value for d in at.dataframe if any(str(c).endswith("week1.csv") for c in d.value.columns)]
    first, second = list(rules.columns)[1:]
    assert (first[-9:], second[-9:]) == ("week2.csv", "week1.csv")
    counts = {row["reason"].split(" is ")[0]: (row[first], row[second]) for row in rules.to_dict("records")}
    assert counts["The result"] == (1, 2)
    assert counts["The test_date"][0] == 1
    (otherwise,) = [d.value for d in at.dataframe if "what" in d.value.columns]
    assert list(otherwise["what"]) == ["Columns missing: viral_load; Columns extra: extra"]


def test_a_delivery_that_was_due_is_asked_for() -> None:
    contract = lab_contract(quality={"freshness": {"cron": "0 9 * * 1", "grace_hours": 2}})
    monday = dt.datetime(2026, 11, 23, 12, tzinfo=dt.UTC)
    assert fresh(contract, [], monday).startswith("No delivery was taken yet. One was due ")
    assert fresh(lab_contract(), [], monday) == "No delivery was taken yet. The contract does not say when one is due."


def test_many_deliveries_are_added_up_by_week(tmp_path: Path) -> None:
    place = Place(tmp_path)
    for number in range(30):
        place.drop(f"week{number}.csv", f"sample_id,test_date,result\nB-{number},2024-01-02,NEG\n")
    place.load()
    with place.warehouse.connect() as connection:
        rows = per_delivery(ledger.read(connection, "lab_results"))
    assert rows["place"].nunique() == 1
    assert rows["rows"].sum() == 30


def test_every_permission_is_told_in_words() -> None:
    assert set(WORDS) == set(Permission)


def test_a_run_is_called_by_what_it_does() -> None:
    def run(job: str, *assets: str) -> str:
        return called(Run("1", job, "SUCCESS", None, None, "", assets))

    assert run("weekly") == "weekly"
    assert run("__ASSET_JOB", "raw/lab_results", "validated/lab_results") == "load lab_results"
    assert run("__ASSET_JOB", "products/a", "products/b", "products/c", "products/d") == "make a, b, c and 1 more"
    assert run("__ASSET_JOB") == "make tables"


def stocked_with_exports(place: Place) -> None:
    """One file that waits and one that was refused, of rows of people."""
    for number, entry in enumerate(
        Entry(
            "results_for_agency", key, f"results_{key[:7]}.csv", f"exports/results_for_agency/{key}", "ab" * 32, 1234, 30,
            dt.datetime(2026, 2, 6), "validated.lab_results", True, True, "steward", "Public Health Act, article 26",
            "Agency of the tests", "folder partner, .", state, problem,
        )
        for key, state, problem in (
            ("2026-01-01", "refused", "the recipient refused it: what they say of it lies beside it"),
            ("2026-02-01", "pending", "the disk of the folder is full"),
        )
    ):  # fmt: skip
        entry.sent_at = None if number else dt.datetime(2026, 2, 7)
        ledger_of_exports.write(place.warehouse, entry)


def test_what_left_is_shown_without_a_row_and_sent_again_with_a_reason(tmp_path: Path) -> None:
    place = Place(tmp_path / "home")
    place.deliver("week1.csv", f"N-1,{CANARY},north,2026-01-02,NEG,")
    shown = everything(opened("deliveries_out", place, person(Role.STEWARD)))
    assert "No file waits." in shown
    stocked_with_exports(place)
    for role in (Role.STEWARD, Role.ENGINEER, Role.ANALYST, Role.AUDITOR):
        at = opened("deliveries_out", place, person(role))
        assert not at.exception
        tables = [f.value for f in at.dataframe]
        assert tables[0]["what is in its way"].tolist() == ["the disk of the folder is full"]
        assert tables[1][["to", "answer"]].values.tolist() == [["Agency of the tests", "refused"]]
        assert "Public Health Act, article 26" in at.code[0].value
        assert "ab" * 32 in at.code[0].value
        shown = everything(at)
        assert CANARY not in shown
        assert place.pseudonym(CANARY) not in shown
        # rows of people: an engineer may run things, and not send these
        assert [b.label for b in at.button if b.label == "Send again"] == ["Send again"] * (role is Role.STEWARD)

    at = opened("deliveries_out", place, person(Role.STEWARD))
    at.selectbox[0].select("results_for_agency 2026-01-01").run()
    next(t for t in at.text_input if t.label.startswith("Why")).input("short")
    next(b for b in at.button if b.label == "Send again").click().run()
    assert "Say why" in at.error[0].value
    next(t for t in at.text_input if t.label.startswith("Why")).input("their reader is mended")
    next(b for b in at.button if b.label == "Send again").click().run()
    assert not at.exception
    assert at.session_state["done"] == "results_2026-01.csv is sent again at the next visit."
    assert [e.state for e in ledger_of_exports.read(place.warehouse)] == ["pending", "pending"]
    (entry,) = [e for e in place.audit.entries() if e.action == "export.resend"]
    assert (entry.who, entry.ground) == ("steward@example.org", "their reader is mended")


def test_a_receipt_is_written_down_when_it_is_taken(tmp_path: Path) -> None:
    place = Place(tmp_path / "home")
    stocked_with_exports(place)
    entry = ledger_of_exports.read(place.warehouse)[0]
    text = receipt(entry)
    for said in (
        entry.file,
        entry.sha256,
        "30 rows",
        entry.recipient,
        entry.ground,
        "2026-02-07 00:00:00 UTC",
        "refused by",
    ):
        assert said in text
    assert "waits" in receipt(replace(entry, state="pending"))
    assert "removed by an erasure" in receipt(replace(entry, object=""))
