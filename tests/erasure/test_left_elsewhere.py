"""An erasure always ends: what is left beside the person's own rows is told in words, a steward decides, and the certificate says so."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, nullcontext
from pathlib import Path
from typing import Any

import dagster as dg
import pytest

from platform_assets.erasure import certificate
from platform_assets.erasure.decisions import DROP, ELSE, MEND, STAYS
from platform_assets.erasure.eraser import Eraser, ErasureIncomplete
from platform_assets.erasure.naming import NamesSomeone, naming_people
from platform_assets.erasure.requests import Request, RequestError
from platform_assets.erasure.search import whole
from platform_assets.quarantine.tables import RowKey
from tests.erasure.erasing import approved, eraser, everything, office, subject
from tests.places import ANALYST, SECOND, STEWARD, Place
from tests.servers.postgres_server import PASSWORD, postgres


@pytest.fixture
def place(tmp_path: Path) -> Place:
    return Place(tmp_path)


def left(work: Eraser, number: str) -> Request:
    """The request after a run that could not end."""
    with pytest.raises(ErasureIncomplete, match="Decide for each"):
        work.execute(number, SECOND)
    return work.requests.read(number)


def decide(work: Eraser, request: Request, *ways: str) -> None:
    """Take the first of `ways` that each spot has."""
    chosen = {s.key: (next(w for w in ways if w in s.ways), "looked up in the letters") for s in request.undecided}
    work.requests.decide(request.id, chosen, SECOND)


def standing(home: Path, number: str) -> list[str]:
    """Files in which the number stands as a whole value, by a search that shares nothing with the platform's."""
    alone = re.compile(rb"(?<![A-Za-z0-9])" + re.escape(number.encode()) + rb"(?![A-Za-z0-9])")
    return sorted(name for name, content in everything(home).items() if alone.search(content))


# ------------------------------------------------------------------ the five cases


@pytest.mark.parametrize(
    ("number", "others"),
    [
        ("70412", ["704129", "170412", "1704129"]),
        ("ZX-ERASE-003", ["ZX-ERASE-0034", "AZX-ERASE-003", "AZX-ERASE-0034"]),
    ],
)
def test_a_number_that_is_part_of_others_is_erased_without_a_question(
    place: Place, number: str, others: list[str]
) -> None:
    rows = [f"S-{n},{who},north,2024-01-0{n + 1},NEG," for n, who in enumerate([number, *others])]
    place.deliver("week1.csv", *rows)
    place.deliver(
        f"of {others[0]}.csv", f"S-9,{others[0]},north,2024-13-01,NEG,", f"S-8,{number},north,2024-13-01,NEG,"
    )
    document = eraser(place).execute(approved(place, subject(number)), SECOND)
    assert document["decisions"] == []
    assert standing(place.home, number) == []
    assert place.samples() == ["S-1", "S-2", "S-3"]
    archived = b"".join(c for name, c in everything(place.home).items() if name.startswith("archive/"))
    assert all(who.encode() in archived for who in others)
    assert place.query("SELECT count(*) FROM platform.ledger WHERE file = ?", f"of {others[0]}.csv") == [(1,)]


@pytest.mark.parametrize("way", [MEND, DROP, ELSE])
def test_another_rows_text_is_mended_or_goes_or_stays(place: Place, way: str) -> None:
    place.deliver(
        "week1.csv",
        "A-1,ZY-ERASE-002,north,2024-01-01,NEG,",
        'A-2,ZY-ERASE-0021,"see ZY-ERASE-002, again",2024-01-02,NEG,',
        "A-3,P-3,see ZY-ERASE-002 too,2024-13-02,NEG,",
        "A-4,P-4,south,2024-01-03,NEG,7",
    )
    place.drop(
        "waits.csv", "sample_id,patient_id,lab,test_date,result,viral_load\nA-5,P-5,ZY-ERASE-002?,2024-01-05,NEG,\n"
    )
    number = approved(place, subject("ZY-ERASE-002"))
    request = left(eraser(place), number)
    (spot,) = request.spots  # one question for the table, its files and its rejected rows
    assert spot.words == "other rows of lab_results, column lab"
    assert any("see ZY-ERASE-002, again" in text for text in spot.shown)
    assert "parquet" not in request.progress["left"]
    assert "ZY-ERASE" not in request.progress["left"]
    decide(eraser(place), request, way)
    document = eraser(place).execute(number, SECOND)
    text = certificate.as_text(document)
    assert "other rows of lab_results, column lab" in text
    assert SECOND.name in text
    assert "ZY-ERASE" not in text + json.dumps(document)
    place.load()
    if way == MEND:
        assert standing(place.home, "ZY-ERASE-002") == []
        assert place.query("SELECT lab FROM validated.lab_results ORDER BY sample_id") == [
            ("see [erased], again",), ("south",), ("[erased]?",),
        ]  # fmt: skip
        assert place.desk().rows()["lab"].tolist() == ["see [erased] too"]
    elif way == DROP:
        assert standing(place.home, "ZY-ERASE-002") == []
        assert place.samples() == ["A-4"]
        assert len(place.desk().rows()) == 0
    else:
        assert place.samples() == ["A-2", "A-4", "A-5"]
        assert "looked up in the letters" in text
        assert {name.split("/")[0] for name in standing(place.home, "ZY-ERASE-002")} == {"archive", "lake"}
    assert "row_conservation" in place.checks_passed()


def test_a_reason_and_the_name_of_a_file_that_are_there_already(place: Place) -> None:
    """They were typed before anybody refused them: the lake's text is mended, the audit log keeps its entry, the certificate says so."""
    place.deliver("week1.csv", "A-1,ZZ-4711,north,2024-01-01,NEG,", "A-2,P-2,north,2024-13-02,NEG,")
    place.deliver("of ZZ-4711.csv", "A-3,P-3,north,2024-01-03,NEG,")
    row = place.desk().rows().iloc[0]
    place.desk().dismiss([RowKey(row["_delivery"], row["_file"], int(row["_row"]))], "it is ZZ-4711, the mother said")
    place.audit.record(STEWARD.name, "delivery.withdraw", details={"file": "ZZ-4711.csv"})
    number = approved(place, subject("ZZ-4711"))
    request = left(eraser(place), number)
    words = " | ".join(s.words for s in request.spots)
    assert "a reason that a steward gave" in words
    assert words.count("of the audit log") == 2
    decide(eraser(place), request, MEND, STAYS)
    document = eraser(place).execute(number, SECOND)
    assert {d["way"] for d in document["decisions"]} == {MEND, STAYS}
    assert standing(place.home, "ZZ-4711") == ["audit/log.jsonl"]
    assert place.audit.verify().whole
    assert place.query("SELECT reason FROM platform.quarantine_actions") == [("it is [erased], the mother said",)]


@contextmanager
def laptop(home: Path) -> Iterator[dg.DagsterInstance]:
    (home / "dagster").mkdir(exist_ok=True)
    with dg.DagsterInstance.local_temp(str(home / "dagster")) as instance:
        yield instance


@contextmanager
def cloud(home: Path) -> Iterator[dg.DagsterInstance]:
    """A real PostgreSQL server, as in the cluster; only local files of an instance are in a folder of its own."""
    folder = home.parent / f"{home.name}-dagster"
    folder.mkdir(exist_ok=True)
    with postgres() as server:
        address = server.dsn("dagster") if _made(server, "dagster") else ""
        url = address.replace("postgresql://", "postgresql+psycopg2://").replace("@", f":{PASSWORD}@")
        storage = {"postgres": {"postgres_url": url}}
        (folder / "dagster.yaml").write_text(json.dumps({"storage": storage, "telemetry": {"enabled": False}}))
        with dg.DagsterInstance.from_config(str(folder)) as instance:
            yield instance


def _made(server: Any, database: str) -> bool:
    server.create(database)
    return True


@pytest.mark.parametrize("where", [laptop, cloud])
def test_what_dagster_remembers_is_mended(place: Place, where: Any) -> None:
    """Metadata, tags, configuration and a tick hold the number as text; a count that has the same digits is a number."""

    @dg.op(config_schema={"who": str})
    def asked(context) -> None:  # type: ignore[no-untyped-def]  # Dagster reads the annotation, which is a text here
        context.log.info(f"asked for {context.op_config['who']}, and 704129")
        records = [dg.TableRecord({"sample_id": "70412", "n": 5}), dg.TableRecord({"sample_id": "704129", "n": 6})]
        context.log_event(
            dg.AssetMaterialization(
                ["indicators", "x"],
                metadata={
                    "preview": dg.MetadataValue.table(records),
                    "dagster/row_count": 70412,
                    "note": 'the "70412"\n70412',
                },
            )
        )

    @dg.job
    def ask() -> None:
        asked()

    place.deliver("week1.csv", "A-1,70412,north,2024-01-01,NEG,", "A-2,704129,north,2024-01-02,NEG,")
    with where(place.home) as instance:
        config = {"ops": {"asked": {"config": {"who": "70412"}}}}
        run = ask.execute_in_process(run_config=config, instance=instance, tags={"person": "70412", "other": "704129"})
        work = office(place).eraser(dagster=lambda: nullcontext(instance))
        number = approved(place, subject("70412"))
        request = left(work, number)
        assert {s.ways for s in request.spots} == {(ELSE,)}
        assert all("a number in Dagster's records" in s.words for s in request.spots)
        decide(work, request, ELSE)
        document = work.execute(number, SECOND)
        (event,) = instance.fetch_materializations(dg.AssetKey(["indicators", "x"]), limit=1).records
        shown = event.asset_materialization.metadata
        assert [r.data["sample_id"] for r in shown["preview"].records] == ["[erased]", "704129"]
        assert shown["dagster/row_count"].value == 70412
        assert shown["note"].value == 'the "[erased]"\n[erased]'
        kept = instance.get_run_by_id(run.run_id)
        assert kept is not None
        assert (kept.tags["person"], kept.tags["other"]) == ("[erased]", "704129")
        assert kept.run_config["ops"]["asked"]["config"]["who"] == "[erased]"
        logs = [e.user_message for e in instance.all_logs(run.run_id)]
        assert any("asked for [erased], and 704129" in text for text in logs)
    text = certificate.as_text(document)
    assert "In what Dagster remembers of runs the number was replaced" in text
    if where is cloud:
        assert "Dagster's database server keeps what was replaced there" in text


# ------------------------------------------------------------------ everything at once

NUMBER = "PX-5512"
LONGER = ["PX-55123", "APX-5512", "APX-55123"]


def fill(place: Place, number: str) -> None:
    """Put `number` wherever one can stand, beside others of which it is a part."""
    place.deliver(
        "week1.csv",
        f"A-1,{number},north,2024-01-01,NEG,",
        f"A-2,{LONGER[0]},see {number},2024-01-02,NEG,",
        f"A-3,{LONGER[1]},{LONGER[2]},2024-01-03,NEG,5512",
        f"A-4,{LONGER[2]},({number}),2024-13-04,NEG,",
        f"A-5,{LONGER[2]},x_{number}",
    )
    place.deliver(f"{number}.csv", "A-6,P-6,south,2024-01-06,NEG,")
    place.drop("broken.csv", f"no;such;header\n1;{number}/x;2\n2;{number};3\n3;{LONGER[0]};4\n")
    place.load()
    place.drop(
        f"waits {number}.csv",
        f"sample_id,patient_id,lab,test_date,result,viral_load\nA-7,P-7,{number}!,2024-01-07,NEG,\n",
    )
    place.store.write(f"products/a/{number}.svg", b"<svg/>")
    place.store.write("products/b/b.csv", f"lab\nsee {number}\n".encode())
    place.store.write("products/c/c.csv", f"lab\n{LONGER[0]}\n".encode())
    place.store.write("sample/columns.tsv", f"a\t{number}\n".encode())
    place.store.write("state/http/lab.json", json.dumps({"url": f"https://example.org/{number}"}).encode())
    place.store.write("notes/letter.txt", f"call {number} back".encode())
    place.store.write("dagster/storage/run/out", f"printed {number} and {LONGER[0]}\n".encode())
    place.store.write(
        "erasure/certificates/000000000000.json", json.dumps({"finished_at": "", "ground": number}).encode()
    )
    place.audit.record(STEWARD.name, "quarantine.dismiss", ground=f"it is {number}", details={"file": f"{number}.csv"})


@pytest.mark.parametrize("ways", [(MEND, DROP, ELSE, STAYS), (DROP, MEND, ELSE, STAYS), (ELSE, STAYS)])
def test_a_number_that_stands_everywhere_is_left_only_where_the_certificate_says_so(
    place: Place, ways: tuple[str, ...]
) -> None:
    fill(place, NUMBER)
    number = approved(place, subject(NUMBER))
    request = left(eraser(place), number)
    for _ in range(3):
        decide(eraser(place), request, *ways)
        try:
            document = eraser(place).execute(number, SECOND)
            break
        except ErasureIncomplete:
            request = eraser(place).requests.read(number)
    else:
        pytest.fail("the erasure does not end")
    assert eraser(place).requests.all() == []
    told = certificate.as_text(document)
    assert NUMBER not in told
    allowed = {"audit": "audit log", "erasure": "certificate of an earlier erasure"}
    if ways[0] == ELSE:
        allowed |= dict.fromkeys(("archive", "landing", "lake", "rejected"), "other rows of lab_results")
        allowed |= {"sample": "sample data", "state": "something remembers", "notes": "answers for"}
    found = {name.split("/")[0] for name in standing(place.home, NUMBER)}
    assert found <= set(allowed)
    assert all(allowed[folder] in told for folder in found)
    assert found >= {"audit", "erasure"}
    contents = everything(place.home)
    assert all(any(other.encode() in data for data in contents.values()) for other in LONGER[:2])
    assert place.store.stat("products/c/c.csv")
    assert not place.store.stat("products/b/b.csv")
    assert b"printed [erased] and PX-55123" in contents["dagster/storage/run/out"]


def test_a_crash_while_decisions_are_carried_out_ends_the_same(place: Place) -> None:
    place.deliver("week1.csv", f"A-1,{NUMBER},north,2024-01-01,NEG,", f"A-2,P-2,see {NUMBER},2024-01-02,NEG,")
    number = approved(place, subject(NUMBER))
    decide(eraser(place), left(eraser(place), number), DROP)

    class Stopped(Exception):
        pass

    for step in ("tables", "clean files", "certificate", "request"):

        def stop(now: str, step: str = step) -> None:
            if now == step:
                raise Stopped

        with pytest.raises(Stopped):
            eraser(place, stop).execute(number, SECOND)
        assert eraser(place).requests.read(number).decisions
    document = eraser(place).execute(number, SECOND)
    assert [d["way"] for d in document["decisions"]] == [DROP]
    assert standing(place.home, NUMBER) == []
    assert eraser(place).requests.all() == []
    assert "row_conservation" in place.checks_passed()


# ------------------------------------------------------------------ who decides, who sees


def test_a_decision_needs_the_right_person_a_known_place_and_a_reason(place: Place) -> None:
    place.deliver("week1.csv", f"A-1,{NUMBER},north,2024-01-01,NEG,", f"A-2,P-2,see {NUMBER},2024-01-02,NEG,")
    number = approved(place, subject(NUMBER))
    request = left(eraser(place), number)
    requests, key = eraser(place).requests, request.spots[0].key
    refused: list[tuple[Mapping[str, tuple[str, str]], str]] = [
        ({"elsewhere": (MEND, "")}, "load the page again"),
        ({key: (STAYS, "x")}, "choose one of"),
        ({key: (ELSE, " ")}, "say why"),
        ({key: (ELSE, f"it is {NUMBER}")}, "names"),
    ]
    for ways, message in refused:
        with pytest.raises(RequestError, match=message):
            requests.decide(number, ways, SECOND)
    with pytest.raises(Exception, match="may not"):
        requests.decide(number, {key: (MEND, "")}, ANALYST)
    assert requests.read(number).decisions == {}
    requests.decide(number, {key: (ELSE, "a number of the laboratory's own")}, SECOND)
    (entry,) = [e for e in place.audit.entries() if e.action == "erasure.decide"]
    assert entry.details["decisions"] == [{"spot": key, "way": ELSE, "reason": "a number of the laboratory's own"}]


def test_every_look_is_written_down_and_tells_whom_and_what(place: Place) -> None:
    place.deliver("week1.csv", f"A-1,{NUMBER},north,2024-01-01,NEG,")
    work = eraser(place)
    work.preview([subject(NUMBER)], STEWARD)
    number = work.submit([subject(NUMBER)], "a letter", STEWARD).id
    request, found = work.look(number, SECOND)
    assert request.targets == [subject(NUMBER)]
    assert (found["lab_results"]["raw"], found["lab_results"]["archive"]) == (1, 1)
    for look in (lambda: work.look(number, ANALYST), lambda: work.preview([subject(NUMBER)], ANALYST)):
        with pytest.raises(Exception, match="may not"):
            look()
    entries = list(place.audit.entries())
    assert [e.action for e in entries] == ["erasure.preview", "erasure.request", "erasure.look"]
    assert entries[0].details["subjects"] == entries[2].details["subjects"] != []
    assert NUMBER not in place.audit.tape.content().decode()


def test_a_request_is_withdrawn_until_it_begins_to_remove(place: Place) -> None:
    place.deliver("week1.csv", f"A-1,{NUMBER},north,2024-01-01,NEG,")
    number = approved(place, subject(NUMBER))

    def withdraw(step: str) -> None:
        if step == "tombstones":  # all was counted, nothing was removed yet
            eraser(place).requests.withdraw(number, STEWARD)

    with pytest.raises(RequestError, match="withdrawn"):
        eraser(place, withdraw).execute(number, SECOND)
    assert place.samples() == ["A-1"]
    assert place.store.stat("erasure/tombstones.json") is None
    number = approved(place, subject(NUMBER))

    def too_late(step: str) -> None:
        if step == "files":
            with pytest.raises(RequestError, match="has begun to remove"):
                eraser(place).requests.withdraw(number, STEWARD)

    eraser(place, too_late).execute(number, SECOND)
    assert place.samples() == []


# ------------------------------------------------------------------ nothing new of the kind


@pytest.mark.parametrize(
    "text", ["it is PX-5512", "(PX-5512)", "PX-5512.csv", "of_PX-5512_again", "see PX-5512, too", "sample A-1001!"]
)
def test_reasons_grounds_and_names_of_files_refuse_identifiers(place: Place, text: str) -> None:
    place.deliver("week1.csv", f"A-1001,{NUMBER},north,2024-01-01,NEG,", "A-1002,P-2,north,2024-13-01,NEG,")
    with pytest.raises(NamesSomeone) as refused:
        office(place).refuse(text)
    assert not whole.standing(str(refused.value), [NUMBER, "A-1001"])
    desk = office(place).desk("lab_results", STEWARD)
    row = desk.rows().iloc[0]
    for act in (
        lambda: desk.dismiss([RowKey(row["_delivery"], row["_file"], int(row["_row"]))], text),
        lambda: desk.resubmit(text),
        lambda: eraser(place).submit([subject("P-2")], text, STEWARD),
    ):
        with pytest.raises(NamesSomeone):
            act()
    # the look at the row, and nothing that was refused
    assert [e.action for e in place.audit.entries()] == ["quarantine.see"]
    office(place).refuse("letter 17 of 2024-01-31, the laboratory confirmed by telephone (results.csv)")


def test_previews_leave_out_columns_that_name_people(place: Place) -> None:
    place.deliver("week1.csv", f"A-1,{NUMBER},north,2024-01-01,NEG,")
    called = place.pseudonym(NUMBER)
    columns = {
        "who": ["x", called],
        "whom": [f"sample of {called}/2024"],
        "patient_id": ["nobody"],
        "lab": ["north", "see nobody"],
        "longer": [f"{called}0"],
    }
    found = naming_people(place.warehouse, {"lab_results": place.contract}, columns)
    assert found == {"who", "whom", "patient_id", "longer"}


MADE_OF: list[Callable[[str], str]] = [
    str.upper, lambda p: p[::-1], lambda p: p[:8], lambda p: p[-9:], lambda p: p[3:13], lambda p: "-".join(p[n : n + 4] for n in range(0, 16, 4)), lambda p: f"{p}0",
    lambda p: ":".join(p), lambda p: f"visit_{p}_2", lambda p: hashlib.md5(p.encode()).hexdigest(), lambda p: f"<{p.upper()}>", lambda p: f" {p[:4]} {p[4:8]} {p[8:12]}",
]  # fmt: skip


def test_previews_leave_out_columns_that_are_made_of_identifiers(place: Place) -> None:
    place.deliver("week1.csv", f"A-1,{NUMBER},north,2024-01-01,NEG,")
    pseudonyms = [place.pseudonym(f"P-{n}") for n in range(25)]  # the first rows of a table
    lab = ["north", "Facharztpraxis", "2024-01-31 12:00:00", "1,234,567,890", "COVID-19", "18-64"]
    for make in MADE_OF:
        columns = {"made": [make(p) for p in pseudonyms], "lab": lab}
        assert naming_people(place.warehouse, {"lab_results": place.contract}, columns) == {"made"}, columns["made"][0]
