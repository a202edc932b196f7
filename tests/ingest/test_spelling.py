"""The same person, column and file in whatever spelling: one pseudonym, one header, one name; and what bytes say of their encoding."""

from __future__ import annotations

import json
import unicodedata
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from platform_assets.contracts.model import Contract
from platform_assets.ingest.readers.delimited.encodings import OTHER, spoken
from platform_assets.ingest.staging import RESPELLED
from resources.environment import Platform
from resources.identity import pseudonym
from resources.text.spelling import bare
from tests.conftest import KEY, Bench
from tests.spellings import INVISIBLE, JOINERS, NO_BREAK, siblings
from tests.workbooks import workbook

Make = Callable[..., Bench]
PEOPLE: dict[str, Any] = {
    "name": "people",
    "description": "People.",
    "owner": "team:test",
    "format": [{"kind": k} for k in ("csv", "json", "xlsx", "parquet")],
    "load": {"mode": "upsert", "key": ["patient_id"]},
    "columns": {"patient_id": {"type": "string", "role": "identifier"}, "city": {"type": "string"}},
    "quality": {"max_quarantined": 1.0, "min_rows": 0},
}


def people(**changes: Any) -> dict[str, Any]:
    return {**PEOPLE, **changes}


def called(identifier: str) -> str:
    return pseudonym(bytes.fromhex(KEY), identifier)


def as_csv(rows: list[tuple[str, str]]) -> bytes:
    return "".join(f"{a},{b}\n" for a, b in [("patient_id", "city"), *rows]).encode()


def as_broken_csv(rows: list[tuple[str, str]]) -> bytes:
    return as_csv(rows) + b"one,two,three\n"  # read line by line


def as_json(rows: list[tuple[str, str]]) -> bytes:
    return json.dumps([{"patient_id": a, "city": b} for a, b in rows]).encode()


def as_xlsx(rows: list[tuple[str, str]]) -> bytes:
    return workbook("people", [("patient_id", "city"), *rows])


def as_parquet(rows: list[tuple[str, str]]) -> bytes:
    sink = pa.BufferOutputStream()
    pq.write_table(pa.table({"patient_id": [a for a, _ in rows], "city": [b for _, b in rows]}), sink)
    return bytes(sink.getvalue())


FILES = {
    "a.csv": as_csv,
    "b.csv": as_broken_csv,
    "c.json": as_json,
    "d.xlsx": as_xlsx,
    "e.parquet": as_parquet,
}


@pytest.mark.parametrize("file", FILES)
@settings(max_examples=4, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(spelled=st.lists(siblings("Zoë-1"), min_size=2, max_size=6), city=siblings("Curaçao", joiners=False))
def test_one_person_is_one_row_in_every_format(file: str, spelled: list[str], city: str, platform: Platform) -> None:
    lab = Bench(platform, Contract.model_validate(people()))
    lab.send(file, FILES[file]([("Zoë-1", "Curaçao"), *((s, city) for s in spelled)]))
    assert lab.table("patient_id", "city") == [(called("Zoë-1"), "Curaçao")]
    lab.assert_nothing_lost()


def test_what_was_cleaned_is_told_by_column_and_rows(bench: Make) -> None:
    lab = bench(people())
    (entry,) = lab.send(
        "a.csv", as_csv([("Z1", "Oss"), ("Z\u200b2", "Oss"), ("Z3", "O\u00adss"), ("Z4\ufeff", "Oss")])
    ).entries
    assert entry.drift == {RESPELLED: ["patient_id in 2 row(s)", "city in 1 row(s)"]}
    (entry,) = lab.send("b.csv", as_csv([("Z5", "Köln")])).entries
    assert entry.drift == {}


def test_an_identifier_with_what_is_no_character_is_refused(bench: Make) -> None:
    lab = bench(people())
    odd = ["\x07", "\x1b", "\x7f", "\u0091", "\ue000"]
    (entry,) = lab.send("a.csv", as_csv([("Z1", "Oss"), *((f"Z{c}2", "Oss") for c in odd)])).entries
    assert (entry.valid, entry.quarantined) == (1, len(odd))
    assert "patient_id: holds a character that cannot be seen" in next(iter(entry.reasons))


def test_the_header_of_a_joined_file_is_no_person(bench: Make) -> None:
    lab = bench(people())
    again = ["patient_id,city", "\ufeffpatient_id,city", "PATIENT_ID , City", "\ufeff patient\u200b_id,city"]
    (entry,) = lab.send("a.csv", "patient_id,city\nZ1,Oss\n" + "\n".join(again) + "\nZ2,Oss\n").entries
    assert (entry.rows_in, entry.valid, entry.quarantined) == (6, 2, 4)
    assert next(iter(entry.reasons)).startswith("row: is the header once more")
    assert lab.table("patient_id") == sorted([(called("Z1"),), (called("Z2"),)])


def test_a_value_that_is_its_columns_name_is_a_value(bench: Make) -> None:
    lab = bench(people(columns={"word": {"type": "string"}, "n": {"type": "integer"}}, load={"mode": "append"}))
    (entry,) = lab.send("a.csv", "word,n\nword,1\n").entries
    assert entry.valid == 1


HEADERS = [f"patient{m}_id" for m in (INVISIBLE[0], INVISIBLE[1], JOINERS[0])] + [
    f"{s}patient_id{s}" for s in NO_BREAK[:3]
]


def test_a_header_is_found_in_every_spelling(bench: Make) -> None:
    lab = bench(people(load={"mode": "append"}))
    for number, header in enumerate(HEADERS):
        lab.drop(f"{number}.csv", f"{header},city\nZ{number},Oss\n")
    lab.drop("a.json", json.dumps([{HEADERS[0]: "Z", "city": "Oss"}]))
    lab.drop("a.xlsx", workbook("people", [(HEADERS[3], "city"), ("Z", "Ede")]))
    assert [(e.status, e.valid) for e in lab.load().entries] == [("published", 1)] * (len(HEADERS) + 2)


@pytest.mark.parametrize(("form", "declared"), [("NFC", "NFD"), ("NFD", "NFC")])
def test_accents_in_headers_and_contracts_may_be_written_either_way(form: Any, declared: Any, bench: Make) -> None:
    head = {"type": "string", "from": unicodedata.normalize(declared, "Né à")}
    lab = bench(people(columns={"born_in": head, "n": {"type": "integer"}}, load={"mode": "append"}))
    (entry,) = lab.send("a.csv", f"{unicodedata.normalize(form, 'Né à')},n\nOss,1\n").entries
    assert entry.valid == 1


@pytest.mark.parametrize(("form", "declared"), [("NFC", "NFD"), ("NFD", "NFC")])
def test_accents_in_values_that_a_contract_lists_may_be_written_either_way(
    form: Any, declared: Any, bench: Make
) -> None:
    allowed = unicodedata.normalize(declared, "Curaçao")
    column = {"type": "string", "in": [allowed, "Oss"], "replace": {unicodedata.normalize(declared, "Öss"): "Oss"}}
    lab = bench(people(columns={"city": column, "n": {"type": "integer"}}, load={"mode": "append"}))
    text = unicodedata.normalize(form, "Curaçao,1\nÖss,2\n")
    (entry,) = lab.send("a.csv", "city,n\n" + text).entries
    assert entry.valid == 2
    assert lab.table("city") == [("Curaçao",), ("Oss",)]


def test_a_files_name_is_read_in_every_spelling(bench: Make) -> None:
    lab = bench(
        people(
            source={"kind": "landing", "files": "Zürich_*.csv"},
            load={"mode": "snapshot", "key": ["patient_id"], "order_by": {"file_name": r"_(\d{4}-\d{2}-\d{2})\.csv$"}},
        )
    )
    names = [
        unicodedata.normalize("NFD", "Zürich_2024-01-31.csv"),
        "Zürich_2024\u201102\u201101.csv",
        "Zürich_2024-02-02.csv\u200b",
        "\ufeffZürich_2024-02-03.csv",
    ]
    for number, name in enumerate(names):
        (entry,) = lab.send(name, as_csv([(f"Z{number}", "Oss")])).entries
        assert (entry.status, str(entry.as_of)[:10]) == (
            "published",
            f"2024-{['01-31', '02-01', '02-02', '02-03'][number]}",
        )


# ------------------------------------------------------------------ encodings

TEXT = "patient_id,city\nZ1,Café Zoë\nZ2,Köln – Süd\nZ3,Oss\n"


@pytest.mark.parametrize("declared", ["cp1252", "latin-1"])
def test_bytes_that_contradict_the_contract_are_believed_and_told(declared: str, bench: Make) -> None:
    lab = bench(people(format={"kind": "csv", "encoding": declared}))
    for number, written in enumerate(["utf-8", "utf-8-sig", "utf-16", "cp1252"]):
        (entry,) = lab.send(f"{number}.csv", (TEXT + "a,b,c\n" * number).encode(written)).entries
        assert lab.table("city") == [("Café Zoë",), ("Köln – Süd",), ("Oss",)]
        assert entry.quarantined == number
        assert bool(entry.drift.get(OTHER)) == (written != declared)


def test_utf8_under_utf16_is_believed(bench: Make) -> None:
    lab = bench(people(format={"kind": "csv", "encoding": "utf-16"}))
    (entry,) = lab.send("a.csv", TEXT.encode()).entries
    assert lab.table("city") == [("Café Zoë",), ("Köln – Süd",), ("Oss",)]
    assert entry.drift == {OTHER: ["utf-8, the contract says utf-16"]}


def test_json5_is_read_in_the_encoding_of_its_bytes(bench: Make) -> None:
    lab = bench(people(format={"kind": "json5", "encoding": "cp1252"}))
    (entry,) = lab.send("a.json5", '[{patient_id: "Z1", city: "Café"},]'.encode()).entries
    assert lab.table("city") == [("Café",)]
    assert OTHER in entry.drift


def test_lines_of_another_encoding_in_a_joined_file_go_to_quarantine(bench: Make) -> None:
    lab = bench(people(format={"kind": "csv", "encoding": "cp1252"}))
    data = "patient_id,city\nZ1,Köln\n".encode("cp1252") + "Z2,Café\n".encode()
    (entry,) = lab.send("a.csv", data).entries
    assert (entry.valid, entry.quarantined) == (1, 1)
    assert next(iter(entry.reasons)) == "row: is UTF-8 text, though the file is cp1252"
    assert lab.table("city") == [("Köln",)]


@settings(max_examples=200, deadline=None)
@given(text=st.text(st.characters(codec="utf-8"), max_size=40), declared=st.sampled_from(["cp1252", "latin-1"]))
def test_no_utf8_is_ever_read_as_something_else(
    text: str, declared: str, tmp_path_factory: pytest.TempPathFactory
) -> None:
    path = tmp_path_factory.getbasetemp() / "encoded"
    path.write_bytes(text.encode())
    assert text.isascii() or path.read_bytes().decode(spoken(path, declared)).removeprefix(
        "\ufeff"
    ) == text.removeprefix("\ufeff")


def test_a_file_cut_in_the_middle_of_a_character_is_not_followed(tmp_path: Path) -> None:
    path = tmp_path / "cut"
    path.write_bytes("é".encode()[:1])
    assert spoken(path, "latin-1") == "latin-1"


def test_pseudonyms_of_plain_identifiers_are_what_they_were(bench: Make) -> None:
    assert [bare(x) for x in ("000-11-0001", "A/1", "Müller", "x y")] == ["000-11-0001", "A/1", "Müller", "x y"]
    lab = bench(people())
    lab.send("a.csv", as_csv([("000-11-0001", "Oss")]))
    assert lab.table("patient_id") == [(called("000-11-0001"),)]
