"""Workbooks written anew: what ingest reads from them afterwards is what it read before, less some rows."""

from __future__ import annotations

import io
import tempfile
import zipfile
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from platform_assets.erasure import redaction
from platform_assets.ingest.readers.apart.limits import Limits
from platform_assets.ingest.readers.formats.xlsx import Xlsx
from platform_assets.ingest.readers.interface import Edits
from platform_assets.ingest.readers.rows import FileRejected
from tests.erasure.erasing import erase, places_of, subject
from tests.places import Place, lab_contract
from tests.workbooks import rows_of, workbook

CONTRACT = lab_contract(format={"kind": "xlsx"})
FORMAT = CONTRACT.format[0]
HEADER = ["sample_id", "patient_id", "lab", "test_date", "result", "viral_load"]


def as_excel_saves_it() -> bytes:
    """Numbers, a real date, shared strings, a comment of the author's, and a second sheet that names a patient."""
    texts = [*HEADER, "A-1", "PATIENT-77", "north", "NEG", "A-2", "PATIENT-78", "=1+1", "POS"]
    strings = "".join(f"<si><t>{t}</t></si>" for t in texts)

    def shared(place: str, text: str) -> str:
        return f'<c r="{place}" t="s"><v>{texts.index(text)}</v></c>'

    head = "".join(shared(f"{'ABCDEF'[n]}1", h) for n, h in enumerate(HEADER))
    one = shared("A2", "A-1") + shared("B2", "PATIENT-77") + shared("C2", "north")
    one += '<c r="D2" s="1"><v>45292</v></c>' + shared("E2", "NEG") + '<c r="F2"><v>12</v></c>'
    two = shared("A3", "A-2") + shared("B3", "PATIENT-78") + shared("C3", "=1+1")
    two += '<c r="D3" s="1"><v>45293</v></c>' + shared("E3", "POS") + '<c r="F3"><v>40000</v></c>'
    plain = zipfile.ZipFile(io.BytesIO(workbook("Results", [])))
    parts = {name: plain.read(name).decode() for name in plain.namelist()}
    main = "http://schemas.openxmlformats.org/spreadsheetml/2006/main"
    links = "http://schemas.openxmlformats.org/officeDocument/2006/relationships"
    kinds = "application/vnd.openxmlformats-officedocument.spreadsheetml"
    added = {"sharedStrings": "sharedStrings", "styles": "styles", "worksheets/sheet2": "worksheet"}
    for file, kind in added.items():
        override = f'<Override PartName="/xl/{file}.xml" ContentType="{kinds}.{kind}+xml"/></Types>'
        parts["[Content_Types].xml"] = parts["[Content_Types].xml"].replace("</Types>", override)
        link = f'<Relationship Id="r-{kind}2" Type="{links}/{kind}" Target="{file}.xml"/></Relationships>'
        rels = "xl/_rels/workbook.xml.rels"
        parts[rels] = parts[rels].replace("</Relationships>", link)
    notes = '<sheet name="Notes" sheetId="2" r:id="r-worksheet2"/></sheets>'
    parts["xl/workbook.xml"] = parts["xl/workbook.xml"].replace("</sheets>", notes)
    note = '<row r="1"><c r="A1" t="inlineStr"><is><t>call PATIENT-77</t></is></c></row>'
    rows = f'<row r="1">{head}</row><row r="2">{one}</row><row r="3">{two}</row>'
    parts["xl/worksheets/sheet1.xml"] = f'<worksheet xmlns="{main}"><sheetData>{rows}</sheetData></worksheet>'
    parts["xl/worksheets/sheet2.xml"] = f'<worksheet xmlns="{main}"><sheetData>{note}</sheetData></worksheet>'
    parts["xl/sharedStrings.xml"] = f'<sst xmlns="{main}">{strings}</sst>'
    parts["xl/styles.xml"] = (
        f'<styleSheet xmlns="{main}"><cellXfs><xf numFmtId="0"/><xf numFmtId="14"/></cellXfs></styleSheet>'
    )
    parts["xl/comments1.xml"] = f'<comments xmlns="{main}"><text>PATIENT-77 again</text></comments>'
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        for name, content in parts.items():
            archive.writestr(name, content)
    return buffer.getvalue()


def test_an_archived_and_a_waiting_workbook_lose_the_erased_rows_and_keep_the_others(tmp_path: Path) -> None:
    place = Place(tmp_path, CONTRACT)
    place.drop("week1.xlsx", as_excel_saves_it())
    assert place.load().entries[0].valid == 2
    before = place.query("SELECT * FROM validated.lab_results WHERE sample_id = 'A-2'")
    place.drop("week2.xlsx", as_excel_saves_it() + b"\0")
    document = erase(place, subject("PATIENT-77"))
    assert places_of(place.home, ["PATIENT-77", place.pseudonym("PATIENT-77")]) == {}
    found = document["found_and_removed"]
    assert isinstance(found, dict)
    assert (found["archive"], found["landing"]) == (1, 1)
    archived = next(o for o in place.store.walk("archive") if o.basename == "week1.xlsx")
    note = place.store.open(f"{archived.name}.redacted.txt").read().decode()
    assert (
        note
        == "1 row(s) or line(s) of this file were erased; the others are here; workbooks hold texts only now, of the sheets that are read.\n"
    )
    again = Place(tmp_path / "again", CONTRACT)
    again.drop("week1.xlsx", place.store.open(archived.name).read())
    assert again.load().entries[0].rows_in == 1
    columns = len(HEADER)
    assert [r[:columns] for r in again.query("SELECT * FROM validated.lab_results")] == [r[:columns] for r in before]
    assert place.load().entries[0].valid == 1


def test_a_file_that_cannot_be_written_without_the_erased_rows_stays_in_landing_and_loses_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its reader died, say. It is neither archived with the person in it, nor deleted; the next run makes it good."""

    def dies(*_: object, **__: object) -> Path:
        raise FileRejected("its reader died (SIGABRT)")

    place = Place(tmp_path, CONTRACT)
    place.drop("week1.xlsx", as_excel_saves_it())
    place.load()
    erase(place, subject("PATIENT-77"))
    place.drop("week2.xlsx", as_excel_saves_it() + b"\0")
    with monkeypatch.context() as broken:
        broken.setattr(redaction.reading, "edited", dies)
        assert [e.status for e in place.load().entries] == ["published"]
    waiting = [o.basename for o in place.store.walk("landing")]
    assert waiting == ["week2.xlsx"]
    place.load()
    assert not list(place.store.walk("landing"))
    assert places_of(place.home, ["PATIENT-77"]) == {}


@settings(deadline=None)
@given(
    st.lists(
        st.lists(st.text(st.characters(codec="utf-8", exclude_categories=["Cc"]), min_size=1), min_size=6, max_size=6),
        min_size=1,
        max_size=4,
    )
)
def test_texts_survive_being_written_and_read(rows: list[list[str]]) -> None:
    with tempfile.NamedTemporaryFile(suffix=".xlsx") as file:
        path = Path(file.name)
        path.write_bytes(workbook("A & <b>", [HEADER, *rows]))
        assert rows_of(path, CONTRACT, FORMAT) == [("A & <b>", row) for row in rows]


@pytest.mark.parametrize("gone", [{2}, {3}, {2, 3}, set()])
def test_only_the_rows_that_are_named_go(tmp_path: Path, gone: set[int]) -> None:
    path = tmp_path / "a.xlsx"
    path.write_bytes(as_excel_saves_it())
    Xlsx().edited(path, CONTRACT, FORMAT, Edits(gone), tmp_path / "b.xlsx", Limits())
    samples = [cells[0] for _, cells in rows_of(tmp_path / "b.xlsx", CONTRACT, FORMAT)]
    assert samples == [s for row, s in ((2, "A-1"), (3, "A-2")) if row not in gone]
