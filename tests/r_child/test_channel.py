"""The pipe through which R's process talks is hostile: whatever comes, it is a checked message or one of a few sentences."""

from __future__ import annotations

import json
import time
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from resources.r_child import channel
from resources.r_child.channel import Channel, Message, Misused, plain

LOCKS = {"event": {"level": "sandbox", "text": "Landlock 7", "file": None, "line": None}}
SAID = {"event": {"level": "info", "text": "step 1", "file": "/x/a.R", "line": 3}}
FAILED = {
    "report": {
        "ok": False,
        "failure": {"kind": "error", "message": "no", "stack": [{"call": "f()", "file": None, "line": None}]},
        "warnings": [{"message": "careful", "file": "a.R", "line": 2}],
        "notes": [],
        "peak_kb": 10,
    }
}
DONE: dict[str, Any] = {"report": {"ok": True, "rows": 3, "warnings": None, "notes": [], "peak_kb": 5}}


def _feed(data: bytes, pieces: int = 1 << 16) -> list[Message]:
    read, found = Channel(), list[Message]()
    for start in range(0, len(data), pieces):
        found += read.feed(data[start : start + pieces])
    read.close()
    return found


def _lines(*messages: Any) -> bytes:
    return b"".join(m if isinstance(m, bytes) else json.dumps(m).encode() + b"\n" for m in messages)


@pytest.mark.parametrize("pieces", [1, 7, 1 << 16])
def test_what_the_harness_sends_passes_however_it_is_cut(pieces: int) -> None:
    found = _feed(_lines(LOCKS, SAID, {"session": {"r": "4.2.2", "packages": []}}, FAILED), pieces)
    assert found[1] == SAID
    assert found[2]["session"]["r"] == "4.2.2"
    assert found[3]["report"]["failure"]["message"] == "no"
    assert _feed(_lines(LOCKS, DONE))[1]["report"]["rows"] == 3


HOSTILE: dict[str, list[Any]] = {
    "no JSON": [b"not-json\n"],
    "no text": [b"\xff\xfe\x00\n"],
    "empty line": [b"\n"],
    "half a line": [b'{"event"'],
    "no object": [b"[]\n"],
    "null": [b"null\n"],
    "unknown": [{"secret": 1}],
    "two in one": [{"event": LOCKS["event"], "report": {}}],
    "deep": [b"[" * 200_000 + b"\n"],
    "deep object": [b'{"event":' * 50_000 + b"\n"],
    "digits": [b'{"report": {"ok": true, "rows": ' + b"9" * 100_000 + b"}}\n"],
    "not a number": [LOCKS, b'{"report": {"ok": true, "rows": NaN}}\n'],
    "infinite": [LOCKS, b'{"report": {"ok": true, "rows": -Infinity}}\n'],
    "fraction of rows": [LOCKS, {"report": {"ok": True, "rows": 1.5}}],
    "rows below none": [LOCKS, {"report": {"ok": True, "rows": -1}}],
    "rows as a flag": [LOCKS, {"report": {"ok": True, "rows": True}}],
    "no rows": [LOCKS, {"report": {"ok": True}}],
    "ok as text": [LOCKS, {"report": {"ok": "yes", "rows": 1}}],
    "no failure": [LOCKS, {"report": {"ok": False}}],
    "kind of its own": [LOCKS, {"report": {"ok": False, "failure": {"kind": "crash"}}}],
    "stack of text": [LOCKS, {"report": {"ok": False, "failure": {"kind": "error", "stack": "f()"}}}],
    "message as a list": [LOCKS, {"report": {"ok": False, "failure": {"kind": "error", "message": ["a"]}}}],
    "line as text": [LOCKS, {"event": {"level": "info", "text": "x", "line": "3"}}],
    "level of its own": [LOCKS, {"event": {"level": "critical", "text": "x"}}],
    "level as a list": [LOCKS, {"event": {"level": ["info"], "text": "x"}}],
    "event as text": [LOCKS, {"event": "x"}],
    "a first word of its own": [SAID],
    "locks told twice": [LOCKS, LOCKS],
    "two reports": [LOCKS, DONE, DONE],
    "words after the report": [LOCKS, DONE, SAID],
    "endless text": [LOCKS, {"event": {"level": "info", "text": "x" * 30_000}}],
    "endless file name": [LOCKS, {"event": {"level": "info", "text": "x", "file": "x" * 5_000}}],
    "packages of text": [LOCKS, {"session": {"packages": "all"}}],
    "too many words": [LOCKS] + [SAID] * 600,
    "too many sessions": [LOCKS] + [{"session": {}}] * 600,
    "too many warnings": [LOCKS, {"report": {**DONE["report"], "warnings": [{"message": "x"}] * 300}}],
    "a line without an end": [b"x" * (5 << 20)],
    "a long line": [b'"' + b"x" * (5 << 20) + b'"\n'],
}


@pytest.mark.parametrize("name", HOSTILE)
def test_what_the_harness_does_not_send_is_one_sentence(name: str) -> None:
    with pytest.raises(Misused) as misused:
        _feed(_lines(*HOSTILE[name]))
    assert "x" * 20 not in str(misused.value)
    assert len(str(misused.value)) < 80


def test_the_whole_is_bounded_and_read_in_linear_time() -> None:
    began = time.process_time()
    with pytest.raises(Misused, match="a line of more than 4 MB"):
        _feed(b"x" * (400 << 20))
    with pytest.raises(Misused, match="more than 32 MB"):
        # each word is allowed, all together are not
        _feed(_lines(LOCKS) + _lines(SAID)[:-1] + b" " * (3 << 20) + b"\n" + (b" " * (3 << 20) + _lines(SAID)) * 20)
    assert time.process_time() - began < 3  # quadratic, 400 MB took 46 s


_NAMES = [
    "event",
    "report",
    "session",
    "level",
    "text",
    "file",
    "line",
    "ok",
    "rows",
    "failure",
    "kind",
    "message",
    "stack",
    "call",
]
_NAMES += ["warnings", "notes", "peak_kb", "packages", "r", "plot", "phase", "end_line"]
json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=30) | st.sampled_from(["info", "error"]),
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.dictionaries(
            st.sampled_from(_NAMES) | st.text(max_size=5),
            inner,
            max_size=5,
        )
    ),
    max_leaves=20,
)


def _replaced(message: Any, path: list[int], value: Any) -> Any:
    """The message with one of its parts replaced."""
    if not path or not isinstance(message, dict | list) or not message:
        return value
    keys = list(message) if isinstance(message, dict) else list(range(len(message)))
    key = keys[path[0] % len(keys)]
    made: Any = dict(message) if isinstance(message, dict) else list(message)
    made[key] = _replaced(message[key], path[1:], value)
    return made


@settings(max_examples=400, deadline=None)
@given(
    message=st.sampled_from([LOCKS, SAID, FAILED, DONE]),
    path=st.lists(st.integers(0, 9), max_size=5),
    value=json_values,
)
def test_no_form_of_a_message_raises_anything_else(message: Any, path: list[int], value: Any) -> None:
    line = json.dumps(_replaced(message, path, value)).encode() + b"\n"
    try:
        found = _feed(_lines(LOCKS) + line)
    except Misused:
        return
    for read in found:
        again = json.dumps(read)  # what passes can be sent on
        assert all(not channel._CONTROL.search(text) for text in _texts(json.loads(again)))


@settings(max_examples=300, deadline=None)
@given(data=st.binary(max_size=200) | st.text(max_size=100).map(lambda t: t.encode("utf-8", "surrogatepass")))
def test_no_bytes_raise_anything_else(data: bytes) -> None:
    try:
        _feed(data)
    except Misused:
        return
    assert data == b""


def _texts(value: Any) -> list[str]:
    if isinstance(value, dict):
        return [t for pair in value.items() for part in pair for t in _texts(part)]
    if isinstance(value, list):
        return [t for item in value for t in _texts(item)]
    return [value] if isinstance(value, str) else []


@pytest.mark.parametrize(
    "hostile",
    [
        "\x1b[2J",
        "\x1b]0;title\x07",
        "\x9b31m",
        "\x00",
        "\x08" * 3,
        "\u202e",
        "\u2066",
        "\u2028",
        "\ud800",
        "\ufeff",
        "\x7f",
    ],
)
def test_text_holds_nothing_that_a_terminal_or_a_page_obeys(hostile: str) -> None:
    line = json.dumps({"event": {"level": "info", "text": f"a{hostile}b\r\nc\td", "file": f"{hostile}.R", "line": 1}})
    event = _feed(_lines(LOCKS, line.encode() + b"\n"))[1]["event"]
    assert not channel._CONTROL.search(event["text"] + event["file"])
    assert event["text"].endswith("b\nc\td")
    event["text"].encode()  # no half characters
    assert plain("Zelle Ørsted – 12 µg, 北京, é") == "Zelle Ørsted – 12 µg, 北京, é"


def test_names_and_calls_stay_in_their_line() -> None:
    failure = {
        "kind": "error",
        "message": "a\nb",
        "call": "f(\n1)  (3 times)",
        "file": "a\n> 1 | all is well\n.R",
        "line": 1,
    }
    stack = [{"call": "g(\n2)", "file": "b\t.R", "line": 2}]
    report = {"report": {"ok": False, "failure": {**failure, "stack": stack}}}
    read = _feed(_lines(LOCKS, {"session": {"r": "4\n2", "packages": {"a\nb": "1\n2"}}}, report))
    assert read[1]["session"]["r"] == "4 2"
    assert read[1]["session"]["packages"] == {"a b": "1 2"}
    told = read[2]["report"]["failure"]
    assert (told["message"], told["call"], told["file"]) == ("a\nb", "f( 1)  (3 times)", "a > 1 | all is well .R")
    assert told["stack"] == [{"call": "g( 2)", "file": "b .R", "line": 2}]
