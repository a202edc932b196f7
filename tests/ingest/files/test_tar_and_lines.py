"""Tar archives, whole or not at all, and lines that patterns take apart, none lost."""

from __future__ import annotations

import gzip
import io
import tarfile
from collections.abc import Callable
from typing import Any

import pytest

from platform_assets.contracts.model import Contract
from platform_assets.erasure.search.scan import Search
from platform_assets.ingest.readers.apart.limits import Limits
from platform_assets.ingest.readers.packing import _untar, packed_again
from platform_assets.ingest.readers.rows import FileRejected
from tests.conftest import Bench, lab_contract

Make = Callable[..., Bench]
HEAD = "sample_id,test_date,result,viral_load\n"


def tar(*members: tuple[str, bytes | tarfile.TarInfo]) -> bytes:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as archive:
        for name, content in members:
            info = tarfile.TarInfo(name) if isinstance(content, bytes) else content
            if isinstance(content, bytes):
                info.size = len(content)
            archive.addfile(info, io.BytesIO(content) if isinstance(content, bytes) else None)
    return buffer.getvalue()


def special(name: str, kind: bytes, link: str = "") -> tarfile.TarInfo:
    info = tarfile.TarInfo(name)
    info.type, info.linkname = kind, link
    return info


GOOD = tar(
    ("./one.csv", (HEAD + "A,2024-01-01,POS,1\n").encode()),
    ("./two.csv", (HEAD + "B,2024-01-01,NEG,2\n").encode()),
    ("__MACOSX/two.csv", b"x"),
    ("folder", special("folder", tarfile.DIRTYPE)),
)


def test_a_tar_archive_is_read_like_the_files_in_it(bench: Make) -> None:
    lab = bench()
    lab.drop("week.tgz", gzip.compress(GOOD))
    lab.drop("again.tar", tar(("c.csv", (HEAD + "C,2024-01-01,POS,1\n").encode())))
    entries = {e.file: e for e in lab.load().entries}
    assert (entries["week.tgz"].rows_in, entries["week.tgz"].valid) == (2, 2)
    assert lab.sql("SELECT DISTINCT _file FROM {raw} ORDER BY 1") == [
        ("again.tar/c.csv",),
        ("week.tgz/one.csv",),
        ("week.tgz/two.csv",),
    ]
    lab.assert_nothing_lost()


def unpacked(tmp_path: Any, data: bytes) -> list[str]:
    (tmp_path / "it").write_bytes(data)
    target = tmp_path / "target"
    target.mkdir()
    try:
        names, _ = _untar(path=tmp_path / "it", target=target, limits=Limits())
    finally:
        for path in target.iterdir():
            path.unlink()
        target.rmdir()
    return names


def test_wherever_it_was_cut_off_it_is_refused(tmp_path: Any) -> None:
    """Every block, and bytes around it; packed ones at bytes throughout."""
    assert unpacked(tmp_path, GOOD) == ["one.csv", "two.csv"]
    end = len(GOOD.rstrip(b"\0")) // 512 * 512 + 512 + 1024
    for size in [*range(0, end, 512), *range(1, end, 509), end - 1]:
        with pytest.raises(FileRejected):
            unpacked(tmp_path, GOOD[:size])
    packed = gzip.compress(GOOD)
    for size in [*range(0, len(packed), 7), *range(len(packed) - 12, len(packed))]:
        with pytest.raises(FileRejected):
            unpacked(tmp_path, packed[:size])


def test_a_block_that_was_damaged_is_refused_or_is_only_in_a_file(tmp_path: Any) -> None:
    """No file goes missing without a word: a reader of tar stops at a damaged header as if it were the end."""
    for place in range(0, 2048, 64):
        data = bytearray(GOOD)
        data[place] ^= 0x55
        try:
            names = unpacked(tmp_path, bytes(data))
        except FileRejected:
            continue
        assert len(names) == 2


@pytest.mark.parametrize(
    ("members", "words"),
    [
        ([("a.csv", special("a.csv", tarfile.SYMTYPE, "/etc/passwd"))], "no file"),
        ([("a.csv", special("a.csv", tarfile.LNKTYPE, "b.csv"))], "no file"),
        ([("a.csv", special("a.csv", tarfile.FIFOTYPE))], "no file"),
        ([("a.csv", special("a.csv", tarfile.CHRTYPE))], "no file"),
        ([("a.csv", b"1"), ("./a.csv", b"2")], "same name"),
        ([(".hidden.csv", b"1")], "empty but for hidden"),
        ([], "cut off|empty|unpacked"),
        ([("a.csv", b"0" * 60_000_000)], "zip bomb"),
    ],
)
def test_hostile_archives_are_refused(tmp_path: Any, members: list[Any], words: str) -> None:
    with pytest.raises(FileRejected, match=words):
        unpacked(tmp_path, gzip.compress(tar(*members)))


def test_names_with_paths_are_labels(tmp_path: Any) -> None:
    assert unpacked(tmp_path, tar(("../../evil.csv", b"1"), ("/abs.csv", b"2"))) == ["../../evil.csv", "/abs.csv"]
    assert sorted(p.name for p in tmp_path.iterdir()) == ["it"]


@pytest.mark.parametrize("file", ["a.tar", "a.tgz", "a.tar.gz"])
def test_what_is_packed_again_is_read_again_and_searched(tmp_path: Any, file: str) -> None:
    (tmp_path / "one").write_bytes(b"see PATIENT-77, too")
    (tmp_path / "two").write_bytes(gzip.compress(b"see PATIENT-78, too"))
    packed_again(file, [("one.csv", tmp_path / "one"), ("two.csv.gz", tmp_path / "two")], tmp_path / "again")
    assert unpacked(tmp_path, (tmp_path / "again").read_bytes()) == ["one.csv", "two.csv.gz"]
    names = ["PATIENT-77", "PATIENT-78", "PATIENT-79"]
    assert Search(names).file("again", lambda: (tmp_path / "again").open("rb")) == {"PATIENT-77", "PATIENT-78"}


LINES = {
    "format": {
        "kind": "lines",
        "comment": "#",
        "lines": [
            r'(?P<sample_id>\S+) \[(?P<test_date>[^\]]+)\] "(?P<result>[^"]*)" (?P<viral_load>\d+|-)',
            r"(?P<sample_id>\S+) (?P<test_date>\S+)",
        ],
    },
    "null_tokens": ["", "-"],
}


def log_contract() -> dict[str, Any]:
    plain = lab_contract().model_dump(by_alias=True, exclude_unset=True)
    plain["columns"]["result"]["required"] = False
    return {**plain, **LINES}


def test_every_line_is_a_row_a_quarantined_row_or_counted(bench: Make) -> None:
    log = bench(log_contract())
    text = (
        b"#Fields: id date\r\n"
        b'A-1 [2024-01-01] "POS" 7\r\n'
        b"B-2 2024-01-02\r\n"
        b"\r\n"
        b'garbage "POS" 7 7 7\r\n'
        b'C-3 [2024-01-03] "\xff" -\r\n'
        b'D-4 [2024-01-04] "NEG" -'
    )
    (entry,) = log.send("access.log", text).entries
    assert log.table("sample_id", "result", "viral_load") == [
        ("A-1", "POS", 7),
        ("B-2", None, None),
        ("D-4", "NEG", None),
    ]
    assert log.sql("SELECT _row FROM {quarantine} ORDER BY 1") == [(5,), (6,)]
    assert (entry.rows_in, entry.valid, entry.quarantined) == (5, 3, 2)
    log.assert_nothing_lost()


@pytest.mark.parametrize(
    ("fmt", "words"),
    [
        ({"kind": "lines"}, "what a line looks like"),
        ({"kind": "lines", "lines": "(a)"}, "no named group"),
        ({"kind": "lines", "lines": "(?P<a>(?=x))"}, "look-around"),
        ({"kind": "lines", "lines": "(?P<a>x)", "template": "{b}"}, "no group 'b'"),
        ({"kind": "csv", "lines": "(?P<a>x)"}, "does not apply to csv"),
    ],
)
def test_formats_that_make_no_sense_are_refused(fmt: dict[str, Any], words: str) -> None:
    with pytest.raises(ValueError, match=words):
        Contract.model_validate({**log_contract(), "format": fmt})
