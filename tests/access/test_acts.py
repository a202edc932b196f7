"""Every act of people is in the audit log before it is done, and where the entry cannot be written nothing is done: enumerated."""

from __future__ import annotations

import ast
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from console.dagster_client import Client, DagsterError
from console.frame import Frame
from platform_assets.access.audit.tape import FolderTape
from platform_assets.access.roles import User
from platform_assets.erasure.decisions import ELSE, Spot, as_dict
from platform_assets.quarantine import uploads
from platform_assets.quarantine.fixes import Fix
from platform_assets.quarantine.tables import RowKey
from tests.erasure.erasing import approved, erase, eraser, office, subject
from tests.places import SECOND, STEWARD, Place
from tests.product import REPOSITORY, modules


@dataclass
class Desk:
    """A platform with something to be done of every kind."""

    place: Place
    key: RowKey
    waits: str
    pending: str
    agreed: str

    def state(self) -> dict[str, Any]:
        """All that acts change, as people find it."""
        tables = ("platform.quarantine_actions", "platform.staged_fixes", "validated.lab_results")
        folder = self.place.home / "landing" / "lab_results"
        requests = eraser(self.place).requests.all()
        return {
            **{table: sorted(map(repr, self.place.query(f"SELECT * FROM {table}"))) for table in tables},
            "landing": sorted(p.name for p in folder.iterdir() if not p.name.startswith(".")),
            "requests": [(r.id, r.status, r.approved_by, r.decisions) for r in requests],
            "tombstones": sorted(p.name for p in (self.place.home / "erasure").rglob("*") if "requests" not in p.parts),
        }


@pytest.fixture
def desk(tmp_path: Path) -> Desk:
    place = Place(tmp_path)
    rows = [f"N-{n},P-{n},north,2024-01-0{n % 7 + 1},NEG," for n in range(10, 20)]
    place.deliver("week1.csv", *rows, "C-11,P-7,north,2024-01-02,Positive,", "C-12,P-9,north,2024-01-02,Negative,")
    first = place.desk().rows().iloc[0]
    key = RowKey(first["_delivery"], first["_file"], int(first["_row"]))
    erase(place, subject("P-11"))
    place.desk().replace_value("result", "Negative", "NEG")
    place.drop("week2.csv", "sample_id,patient_id,lab,test_date,result,viral_load\nZ-1,P-1,north,2024-01-02,NEG,\n")
    pending = eraser(place).submit([subject("P-12")], "letter 17", STEWARD).id
    agreed = approved(place, subject("P-13"))
    requests = eraser(place).requests
    request = requests.read(agreed)
    request.progress["spots"] = [as_dict(Spot("file/1", "a file", (ELSE,), frozenset({"P-13"})))]
    requests.write(request)
    return Desk(place, key, "week2.csv", pending, agreed)


def _fix(desk: Desk) -> Fix:
    row = desk.place.desk().rows().iloc[0]
    values = {c: row[c] if isinstance(row[c], str) else None for c in desk.place.contract.file_columns}
    return Fix(desk.key, {**values, "result": "POS"})


ACTS: dict[str, Callable[[Desk], object]] = {
    "quarantine.stage": lambda d: d.place.desk().stage([_fix(d)]),
    "quarantine.unstage": lambda d: d.place.desk().unstage([_staged(d)]),
    "quarantine.resubmit": lambda d: d.place.desk().resubmit("checked"),
    "quarantine.dismiss": lambda d: d.place.desk().dismiss([_open(d)], "a duplicate"),
    "upload": lambda d: uploads.send(office(d.place), "lab_results", "week3.csv", b"sample_id\nX-1\n", STEWARD),
    "delivery.withdraw": lambda d: uploads.withdraw(office(d.place), "lab_results", d.waits, STEWARD),
    "erasure.request": lambda d: eraser(d.place).submit([subject("P-14")], "letter 18", STEWARD),
    "erasure.approve": lambda d: eraser(d.place).requests.approve(d.pending, SECOND),
    "erasure.withdraw": lambda d: eraser(d.place).requests.withdraw(d.pending, STEWARD),
    "erasure.decide": lambda d: eraser(d.place).requests.decide(d.agreed, {"file/1": (ELSE, "a shelf")}, SECOND),
    "erasure.begin": lambda d: eraser(d.place).execute(d.agreed, SECOND),
    "erasure.replay": lambda d: eraser(d.place).replay(SECOND),
}


def _staged(desk: Desk) -> RowKey:
    return _open(desk, "staged")


def _open(desk: Desk, state: str = "open") -> RowKey:
    rows = desk.place.desk().rows()
    row = rows[rows["_state"] == state].iloc[-1]
    return RowKey(row["_delivery"], row["_file"], int(row["_row"]))


def test_the_entry_is_on_disk_before_anything_has_changed_and_without_it_nothing_does(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    """All acts on one platform, each tried three times: with a full disk, with a database that fails at its end, and in earnest."""
    for action, act in ACTS.items():
        before = desk.state()
        with monkeypatch.context() as patch:
            patch.setattr(FolderTape, "append", _only_views(FolderTape.append))
            with pytest.raises(OSError, match="No space"):
                act(desk)
        assert desk.state() == before, action
        if action.startswith("quarantine"):
            _fails_at_its_end(desk, monkeypatch, action)
            assert desk.state() == before, action
        seen_at_entry: list[dict[str, Any]] = []
        append = FolderTape.append

        def looked(
            tape: FolderTape,
            number: int,
            line: bytes,
            seen: list[dict[str, Any]] = seen_at_entry,
            name: bytes = action.encode(),
            append: Callable[[FolderTape, int, bytes], None] = append,
        ) -> None:
            if b'"action":"%s"' % name in line:
                seen.append(desk.state())
            append(tape, number, line)

        with monkeypatch.context() as patch:
            patch.setattr(FolderTape, "append", looked)
            act(desk)
        assert seen_at_entry == [before], action
        assert action == "erasure.replay" or desk.state() != before, action  # nothing had come back to be erased again


def _only_views(append: Callable[[FolderTape, int, bytes], None]) -> Callable[[FolderTape, int, bytes], None]:
    def appended(tape: FolderTape, number: int, line: bytes) -> None:
        if b'"action":"quarantine.see"' in line:
            append(tape, number, line)
        else:
            raise OSError(28, "No space left on device")

    return appended


def _fails_at_its_end(desk: Desk, monkeypatch: pytest.MonkeyPatch, action: str) -> None:
    def die() -> None:
        if list(desk.place.audit.entries())[-1].action == action:
            raise ConnectionError

    with monkeypatch.context() as patch:
        patch.setattr(desk.place.warehouse.catalog, "check_locks", die)  # before each commit
        with pytest.raises(ConnectionError):
            ACTS[action](desk)
    first, second = list(desk.place.audit.entries())[-2:]
    assert (first.action, second.action) == (action, f"{action}.failed")
    assert second.details == {"entry": first.seq, "error": "ConnectionError"}
    assert desk.place.audit.verify().whole


def test_a_login_that_ends_meanwhile_does_nothing(tmp_path: Path) -> None:
    place = Place(tmp_path)
    place.deliver("week1.csv", "C-11,P-7,north,2024-01-02,Positive,")
    row = place.desk().rows().iloc[0]
    key = RowKey(row["_delivery"], row["_file"], int(row["_row"]))
    times = iter([True, True])

    class Ending(User):
        """Current while it is asked what it may do, and not any more."""

        @property
        def current(self) -> bool:
            return next(times, False)

    with pytest.raises(PermissionError, match="log in again"):
        place.desk(Ending(STEWARD.name, STEWARD.roles)).dismiss([key], "a duplicate")
    assert len(place.desk().rows()) == 1


class Refusing(Client):
    """Dagster that notes what the log held when it was asked, and refuses."""

    def __init__(self, place: Place) -> None:
        super().__init__("http://127.0.0.1:9")
        self.place = place
        self.asked: list[str] = []

    def query(self, text: str, **variables: Any) -> dict[str, Any]:
        """Never answers."""
        self.asked.append([e.action for e in self.place.audit.entries()][-1])
        raise DagsterError("not now")


def test_a_run_is_written_down_before_it_is_started_or_cancelled(place_of_runs: Place) -> None:
    dagster = Refusing(place_of_runs)
    frame = Frame(place_of_runs.office(), STEWARD, dagster)
    with pytest.raises(DagsterError):
        frame.start_run("weekly", "weekly")
    with pytest.raises(DagsterError):
        frame.cancel_run("1234")
    assert dagster.asked == ["run.start", "run.cancel"]
    actions = [e.action for e in place_of_runs.audit.entries()]
    assert actions == ["run.start", "run.start.failed", "run.cancel", "run.cancel.failed"]


@pytest.fixture
def place_of_runs(tmp_path: Path) -> Place:
    return Place(tmp_path)


def test_nobody_writes_entries_past_the_two_places_that_put_them_first() -> None:
    """`acts` and `handing_out`; and pages start and cancel runs through their frame only."""
    found = []
    for path in modules():
        if path.parent.name in ("access", "audit") and "access" in path.parts:
            continue
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute):
                said = ast.unparse(node.func)
                if said.endswith((".audit.record", "log.record", "dagster.launch", "dagster.cancel")):
                    found.append(f"{path.relative_to(REPOSITORY)}: {said}")
    assert sorted(found) == ["console/frame.py: self.dagster.cancel", "console/frame.py: self.dagster.launch"]
