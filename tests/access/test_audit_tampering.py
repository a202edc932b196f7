"""Whatever is done to the log or its head by someone without the key: a new entry refuses the end, or `verify` finds it, however many honest
entries have been added since."""

from __future__ import annotations

import hashlib
import json
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from platform_assets.access.audit.entry import NOTHING, AuditError, Head, canonical
from platform_assets.access.audit.log import AuditLog
from resources.identity import EnvironmentKeys

KEY = {"PLATFORM_IDENTITY_KEY_AUDIT": "ab" * 32}
ENTRIES = 6
Files = tuple[list[bytes], str | None]
"""The lines, and the text of the head."""


def keyed(home: Path, environment: dict[str, str] | None = None) -> AuditLog:
    return AuditLog(home, EnvironmentKeys(environment or KEY))


@pytest.fixture(scope="module")
def history(tmp_path_factory: pytest.TempPathFactory) -> list[Files]:
    """The files after 0, 1, 2, ... entries: what someone who watched could put back."""
    home = tmp_path_factory.mktemp("log")
    states: list[Files] = [([], None)]
    for number in range(ENTRIES):
        keyed(home).record(f"steward{number}", "quarantine.dismiss", table="lab_results", details={"rows": number})
        states.append(read(home))
    return states


def read(home: Path) -> Files:
    log, head = home / "log.jsonl", home / "head.json"
    return log.read_bytes().splitlines() if log.exists() else [], head.read_text() if head.exists() else None


def put(home: Path, files: Files) -> None:
    lines, head = files
    (home / "log.jsonl").write_bytes(b"".join(line + b"\n" for line in lines))
    (home / "head.json").unlink(missing_ok=True)
    if head is not None:
        (home / "head.json").write_text(head)


# ------------------------------------------------------------------ what can be done without the key


def content_of(line: bytes) -> dict[str, Any]:
    """What the line holds; nothing where an earlier change made it no entry."""
    try:
        found = json.loads(line)
    except (ValueError, RecursionError):
        return {}
    return found if isinstance(found, dict) else {}


def rechained(lines: list[bytes], *, old: bool = False) -> list[bytes]:
    """The lines with numbers and hashes that fit each other again; MACs stay as they were, or go, as in earlier releases."""
    made, prev = [], NOTHING
    for number, line in enumerate(lines, start=1):
        content = {**content_of(line), "seq": number, "prev": prev}
        if old:
            content.pop("key", None), content.pop("mac", None)
        unsigned = {k: v for k, v in content.items() if k not in ("hash", "mac")}
        content["hash"] = prev = hashlib.sha256(canonical(unsigned).encode()).hexdigest()
        made.append(canonical(content).encode())
    return made


def edited(line: bytes, field: str) -> bytes:
    content = content_of(line)
    content[field] = {"seq": 99, "details": {"rows": 99}}.get(
        field, "f" * 64 if field in ("hash", "prev", "mac") else "nobody"
    )
    return canonical(content).encode()


def with_head(lines: list[bytes], seal: str, *, key: str | None) -> str:
    """A head that fits the lines, sealed as one can without the key."""
    last = {"seq": 0, "hash": NOTHING, **(content_of(lines[-1]) if lines else {})}
    named = {} if key is None else {"key": key}
    return json.dumps({"seq": last["seq"], "hash": last["hash"], **named, "seal": seal})


PLACE = st.integers(0, ENTRIES - 1)
FIELDS = st.sampled_from(
    ["seq", "at", "who", "role", "action", "table", "subject", "ground", "details", "prev", "hash", "key", "mac"]
)
Change = Callable[[Files, list[Files]], Files]
LOG: list[st.SearchStrategy[Change]] = [
    st.builds(
        lambda n, f: lambda s, _: ([edited(x, f) if i == n else x for i, x in enumerate(s[0])], s[1]), PLACE, FIELDS
    ),
    st.builds(lambda n: lambda s, _: ([x for i, x in enumerate(s[0]) if i != n], s[1]), PLACE),
    st.builds(lambda n, m: lambda s, _: ([*s[0][:m], *s[0][n : n + 1], *s[0][m:]], s[1]), PLACE, PLACE),
    st.builds(lambda n: lambda s, _: ([*s[0][:n], *reversed(s[0][n:])], s[1]), PLACE),
    st.builds(lambda n: lambda s, _: (s[0][:n], s[1]), PLACE),
    st.builds(lambda n: lambda s, _: ([*s[0][:n], b"", *s[0][n:]], s[1]), PLACE),
    st.builds(
        lambda n, t: lambda s, _: ([*s[0][:n], t, *s[0][n:]], s[1]),
        PLACE,
        st.sampled_from([b"{}", b"[]", b"null", b"\xff", b"[" * 9999]),
    ),
    st.just(lambda s, _: (rechained(s[0]), s[1])),
    st.just(lambda s, _: (rechained(s[0], old=True), s[1])),
]
HEADS: list[st.SearchStrategy[Change]] = [
    st.just(lambda s, _: (s[0], None)),
    st.builds(lambda n: lambda s, states: (s[0], states[n][1]), st.integers(0, ENTRIES)),
    st.just(lambda s, _: (s[0], with_head(s[0], "", key=None))),
    st.just(lambda s, _: (s[0], with_head(s[0], "", key=""))),
    st.just(lambda s, _: (s[0], with_head(s[0], "0" * 64, key=None))),
    st.builds(
        lambda n: (
            lambda s, states: (
                s[0],
                with_head(s[0], json.loads(states[n][1] or "")["seal"], key=json.loads(states[n][1] or "")["key"]),
            )
        ),
        st.integers(1, ENTRIES),
    ),
    st.sampled_from(["", "{}", "[]", "null", '{"seq":true,"hash":1,"seal":[]}']).map(lambda t: lambda s, _: (s[0], t)),
]
CHANGES = st.lists(st.one_of(LOG + HEADS), min_size=1, max_size=3)


def found(home: Path, honest: int, known: list[Head]) -> bool:
    """Whether one of `honest` new entries is refused, or `verify` finds something afterwards."""
    try:
        for number in range(honest):
            keyed(home).record(f"honest{number}", "quarantine.stage")
    except AuditError:
        return True
    return not keyed(home).verify(known).whole


@settings(max_examples=400, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(changes=CHANGES, honest=st.integers(0, 3))
def test_what_is_done_to_log_or_head_is_found(history: list[Files], changes: list[Any], honest: int) -> None:
    files = history[-1]
    for change in changes:
        files = change(files, history)
    with tempfile.TemporaryDirectory() as folder:
        put(Path(folder), files)
        last = json.loads(history[-1][1] or "")
        noted = [Head(last["seq"], last["hash"])] if _is_an_earlier_state(files, history) else []
        nothing_lost = files[0] == history[-1][0]  # the head of one entry before says no less than the log
        assert found(Path(folder), honest, noted) or (nothing_lost and files[1] in (history[-1][1], history[-2][1]))


def _is_an_earlier_state(files: Files, history: list[Files]) -> bool:
    """Log and head put back together, or the log gone altogether: only a head noted elsewhere can tell."""
    behind = [
        (lines, head) for n, (lines, _) in enumerate(history) for head in {history[n][1], history[max(n - 1, 0)][1]}
    ]
    return files in behind or (not files[0] and files[1] is None)


@settings(max_examples=60, deadline=None)
@given(n=st.integers(0, ENTRIES - 1), honest=st.integers(0, 8))
def test_an_earlier_state_of_both_is_found_by_a_head_noted_elsewhere(history: list[Files], n: int, honest: int) -> None:
    last = json.loads(history[-1][1] or "")
    with tempfile.TemporaryDirectory() as folder:
        put(Path(folder), history[n])
        assert found(Path(folder), honest, [Head(last["seq"], last["hash"])])


@pytest.mark.parametrize("field", ["who", "details", "at", "ground"])
@pytest.mark.parametrize("n", range(ENTRIES))
def test_an_entry_that_was_rewritten_with_all_hashes_after_it_is_never_sealed_anew(
    history: list[Files], n: int, field: str, tmp_path: Path
) -> None:
    lines = rechained([edited(x, field) if i == n else x for i, x in enumerate(history[-1][0])])
    put(tmp_path, (lines, history[-1][1]))
    with pytest.raises(AuditError):
        keyed(tmp_path).record("honest", "quarantine.stage")
    assert not keyed(tmp_path).verify().whole


@pytest.mark.parametrize("head", ["gone", "empty seal", "empty seal of an earlier release"])
def test_a_head_that_is_gone_or_not_sealed_takes_no_entry(history: list[Files], head: str, tmp_path: Path) -> None:
    lines = history[-1][0]
    texts = {
        "gone": None,
        "empty seal": with_head(lines, "", key=json.loads(history[-1][1] or "")["key"]),
        "empty seal of an earlier release": with_head(lines, "", key=None),
    }
    put(tmp_path, (lines, texts[head]))
    with pytest.raises(AuditError):
        keyed(tmp_path).record("honest", "quarantine.stage")
    assert not keyed(tmp_path).verify().whole


def test_an_entry_is_written_without_reading_those_before_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    log = keyed(tmp_path)
    for _ in range(3):
        log.record("anna", "quarantine.stage")
    monkeypatch.setattr(type(log.tape), "content", lambda _: pytest.fail("read the whole log"))
    padding = b"x" * 5_000_000 + b"\n"
    with (tmp_path / "log.jsonl").open("r+b") as file:
        kept = file.read()
        file.seek(0)
        file.write(padding + kept)
    log.record("anna", "quarantine.stage")


# ------------------------------------------------------------------ logs of earlier releases


def of_earlier_release(history: list[Files], seal: str = "") -> Files:
    lines = rechained(history[-1][0], old=True)
    return lines, with_head(lines, seal, key=None)


def old_seal(history: list[Files]) -> str:
    import hmac

    last = json.loads(rechained(history[-1][0], old=True)[-1])
    return hmac.new(bytes.fromhex("ab" * 32), f"{last['seq']}:{last['hash']}".encode(), hashlib.sha256).hexdigest()


@pytest.mark.parametrize("sealed", [True, False])
def test_a_log_of_an_earlier_release_is_taken_over_once_by_an_entry_of_its_own(
    history: list[Files], tmp_path: Path, sealed: bool
) -> None:
    put(tmp_path, of_earlier_release(history, old_seal(history) if sealed else ""))
    log = keyed(tmp_path)
    with pytest.raises(AuditError, match=r"access\.audit upgrade"):
        log.record("anna", "quarantine.stage")
    assert any("earlier release" in p for p in log.verify().problems)
    taken = log.upgrade("anna")
    assert (taken.action, taken.details["sealed"]) == ("audit.upgrade", sealed)
    log.record("anna", "quarantine.stage")
    verdict = log.verify()
    assert verdict.whole
    assert "entries 1 to 6 are of an earlier release" in verdict.notes[0]
    with pytest.raises(AuditError, match="nothing was taken over"):
        log.upgrade("anna")


@settings(max_examples=60, deadline=None)
@given(n=PLACE, field=FIELDS.filter(lambda f: f not in ("key", "mac")), honest=st.integers(0, 2))
def test_what_was_taken_over_cannot_be_changed_afterwards(
    history: list[Files], n: int, field: str, honest: int
) -> None:
    with tempfile.TemporaryDirectory() as folder:
        home = Path(folder)
        put(home, of_earlier_release(history))
        keyed(home).upgrade("anna")
        lines, head = read(home)
        forged = rechained([edited(x, field) if i == n else x for i, x in enumerate(lines[:ENTRIES])], old=True)
        put(home, ([*forged, *lines[ENTRIES:]], head))
        if forged != lines[:ENTRIES]:  # what belongs to the chain is put right again by rechaining
            assert found(home, honest, [])


def test_a_damaged_or_wrongly_sealed_log_of_an_earlier_release_is_not_taken_over(
    history: list[Files], tmp_path: Path
) -> None:
    lines, head = of_earlier_release(history)
    for wrong in (
        (lines[1:], head),
        (lines[:-2], head),
        ([edited(lines[0], "who"), *lines[1:]], head),
        of_earlier_release(history, "0" * 64),
        (lines, None),
    ):
        put(tmp_path, wrong)
        with pytest.raises(AuditError):
            keyed(tmp_path).upgrade("anna")


def test_an_upgrade_that_was_cut_off_is_ended(history: list[Files], tmp_path: Path) -> None:
    put(tmp_path, of_earlier_release(history))
    head = (tmp_path / "head.json").read_text()
    keyed(tmp_path).upgrade("anna")
    (tmp_path / "head.json").write_text(head)
    with pytest.raises(AuditError):
        keyed(tmp_path).record("anna", "quarantine.stage")
    keyed(tmp_path).upgrade("anna")
    keyed(tmp_path).record("anna", "quarantine.stage")
    verdict = keyed(tmp_path).verify()
    assert verdict.whole
    assert verdict.entries == ENTRIES + 2
