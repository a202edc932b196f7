"""Files made to harm their reader: each ends as a refusal with a sentence, in its own process, and its neighbours are read."""

from __future__ import annotations

import json
import random
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from platform_assets.contracts.file_format import FileFormat
from platform_assets.ingest.readers import packing, reading
from platform_assets.ingest.readers.apart.limits import Limits
from platform_assets.ingest.readers.apart.process import Child
from platform_assets.ingest.readers.rows import FileRejected, StagedFile
from tests.conftest import lab_contract
from tests.ingest.readers import files
from tests.workbooks import workbook

FAR = files.far_cells()
READ = {"a lie about its size"}
"""Nobody believes what a sheet says of its size."""
ROOT = Path(__file__).parents[3]


@pytest.fixture(scope="module")
def child() -> Iterator[Child]:
    with Child(Limits(memory_mb=128, seconds=30)) as child:
        yield child


def stage(child: Child, folder: Path, kind: str, data: bytes) -> StagedFile:
    path = folder / "it"
    path.write_bytes(data)
    return reading.stage(child, path, 0, lab_contract(), FileFormat(kind=kind), folder)[0]


def outcome(child: Child, folder: Path, kind: str, data: bytes) -> StagedFile | str:
    """What was read, or the sentence by which it was refused."""
    try:
        return stage(child, folder, kind, data)
    except FileRejected as refused:
        return str(refused)


@pytest.mark.parametrize("spelling", FAR)
def test_a_cell_far_outside_the_table_is_refused_however_it_is_spelled(
    child: Child, tmp_path: Path, spelling: str
) -> None:
    if spelling in READ:
        assert stage(child, tmp_path, "xlsx", FAR[spelling]).rows[0] <= 1
        return
    with pytest.raises(FileRejected, match=r"reaches to row [\d,]+ and column [\d,]+: .*Ctrl.End"):
        stage(child, tmp_path, "xlsx", FAR[spelling])


def test_a_sheet_that_is_too_large_but_fits_is_refused_with_its_size(tmp_path: Path) -> None:
    with Child(Limits(cells=1_000)) as child:
        nothing: list[str | None] = [None] * 4
        rows: list[list[str | None]] = [list(files.NAMES), *[nothing] * 300, ["A", "2024-01-01", "POS", "1"]]
        with pytest.raises(FileRejected, match=r"reaches to row 302 and column 4: .*PLATFORM_READER_CELLS"):
            stage(child, tmp_path, "xlsx", workbook("S", rows))


@pytest.mark.parametrize("name", list(files.swollen_workbooks(1)))
def test_a_workbook_that_swells_is_refused_or_read(child: Child, tmp_path: Path, name: str) -> None:
    came = outcome(child, tmp_path, "xlsx", files.swollen_workbooks(64)[name])
    if name in ("many strings", "a count that lies"):  # one text of them is in a cell, whatever is said of their number
        assert isinstance(came, str) or came.rows[0] == 1
    else:
        assert isinstance(came, str)
        assert "cell holds more than" in came or "not a readable Excel workbook" in came or "128 MB of memory" in came


@pytest.mark.parametrize("kind", ["json", "json5"])
@pytest.mark.parametrize("name", list(files.long_numbers()))
def test_a_number_without_end_spoils_its_row_or_its_file_and_nothing_else(
    child: Child, tmp_path: Path, kind: str, name: str
) -> None:
    came = outcome(child, tmp_path, kind, files.long_numbers()[name])
    if isinstance(came, str):
        assert "4,300 digits" in came
    else:
        assert came.rows[0] + came.broken_rows.get(0, 0) == 1


@pytest.mark.parametrize("kind", ["json", "json5"])
@pytest.mark.parametrize(("opened", "closed"), [("[", "]"), ('{"a":', "}"), ('[{"a":', "}]"), ("[", "")])
def test_what_is_nested_without_end_is_refused(
    child: Child, tmp_path: Path, kind: str, opened: str, closed: str
) -> None:
    with pytest.raises(FileRejected, match=r"more than 64 deep"):
        stage(child, tmp_path, kind, files.deep(opened, closed, 100_000))


def test_parquet_of_fifty_million_rows_in_half_a_megabyte_is_refused(child: Child, tmp_path: Path) -> None:
    data = files.parquet(1_000_000, groups=50)
    assert len(data) < 670_000
    with pytest.raises(FileRejected, match=r"50,000,000 rows, more than 20,000,000.*PLATFORM_READER_ROWS"):
        stage(child, tmp_path, "parquet", data)


@pytest.mark.parametrize("rows", [200, 20_000])
def test_a_long_value_that_stands_once_and_counts_often_is_refused(child: Child, tmp_path: Path, rows: int) -> None:
    data = files.parquet(rows, result="A" * 2_000_000)
    assert len(data) < 10_000
    with pytest.raises(FileRejected, match=r"not enough memory for it"):
        stage(child, tmp_path, "parquet", data)


def test_text_and_rows_are_counted_as_they_come(tmp_path: Path) -> None:
    with (
        Child(Limits(unpacked_mb=8)) as child,
        pytest.raises(FileRejected, match=r"more than 8 MB of text|unpacks to more than 8 MB"),
    ):
        stage(child, tmp_path, "parquet", files.parquet(20_000, result="A" * 1_000))
    records = json.dumps([{"sample_id": "A"}] * 1_001).encode()
    with Child(Limits(rows=1_000)) as child:
        for kind in ("json", "json5"):
            with pytest.raises(FileRejected, match=r"more than 1,000 rows"):
                stage(child, tmp_path, kind, records)


@pytest.mark.parametrize("name", list(files.bombs(1)))
def test_an_archive_that_unpacks_without_end_is_refused(child: Child, tmp_path: Path, name: str) -> None:
    path = tmp_path / "it"
    path.write_bytes(files.bombs(64)[name])
    with pytest.raises(FileRejected, match=r"refused as a zip bomb|cannot be unpacked|holds 10,001 files"):
        packing.unpack(child, name, path, tmp_path)
    left = sum(f.stat().st_size for f in tmp_path.rglob("*") if f.is_file())
    assert left < 80 << 20


def test_what_is_packed_in_an_archive_is_not_unpacked_again(child: Child, tmp_path: Path) -> None:
    path = tmp_path / "it"
    path.write_bytes(files.zipped({"in.zip": files.bombs(64)["flat.zip"]}))
    ((name, inner),), _ = packing.unpack(child, "a.zip", path, tmp_path)
    assert name == "in.zip"
    assert inner.stat().st_size < 100_000


@pytest.mark.parametrize("name", ["../../out.csv", "/etc/out.csv", "a\\..\\out.csv", "a\nb.csv", "con.csv", "x" * 900])
def test_names_in_an_archive_lead_nowhere(child: Child, tmp_path: Path, name: str) -> None:
    path = tmp_path / "it"
    path.write_bytes(files.zipped({name: b"1"}))
    ((told, inner),), _ = packing.unpack(child, "a.zip", path, tmp_path)
    assert inner.parent.parent == tmp_path
    assert told.isprintable()


@pytest.mark.parametrize("kind", ["xlsx", "parquet", "json5"])
def test_whatever_bytes_are_changed_the_answer_is_rows_or_a_refusal(child: Child, tmp_path: Path, kind: str) -> None:
    draw = random.Random(11)
    good = {
        "xlsx": workbook("S", [files.NAMES, ["A", "2024-01-01", "POS", "1"]]),
        "parquet": files.parquet(3),
        "json5": b"[{sample_id: 'A', /* x */ test_date: '2024-01-01', result: \"POS\", viral_load: +0x1F,},]",
    }[kind]
    assert stage(child, tmp_path, kind, good).rows[0] >= 1
    refused = 0
    for _ in range(25):
        places = [(draw.randrange(len(good)), draw.randrange(256)) for _ in range(draw.choice([1, 2, 8]))]
        came = outcome(child, tmp_path, kind, files.mutated(good, places))
        if isinstance(came, str):
            refused += 1
            assert len(came) > 20
    assert refused


MEASURE = """
import json, sys
from pathlib import Path
from platform_assets.ingest.load import load_dataset
from resources.environment import Platform, Settings
from resources.identity import EnvironmentKeys
from resources.object_store import LocalStore
from resources.lake.warehouse import Warehouse
from tests.conftest import Keys, lab_contract

def peak():
    return int(next(l for l in open("/proc/self/status") if l.startswith("VmHWM")).split()[1]) >> 10

home = Path(sys.argv[1])
contract = lab_contract(format=[{"kind": k} for k in ("csv", "json", "json5", "parquet", "xlsx")])
def load():
    report = load_dataset(contract, Warehouse(home / "lake"), LocalStore(home), EnvironmentKeys(Keys()), settle_seconds=0)
    return {e.file: [e.status, e.reason] for e in report.entries}
first = load()
before = peak()
for path in (home / "hostile").iterdir():
    path.rename(home / "landing" / "lab" / path.name)
print(json.dumps({"before": before, "entries": load(), "peak": peak(), "keys": first}))
"""


def test_good_files_beside_them_are_loaded_and_the_run_stays_small(tmp_path: Path) -> None:
    """The whole way, in a process of its own: what it took at most is told by the kernel."""
    landing, hostile = tmp_path / "landing" / "lab", tmp_path / "hostile"
    for folder in (landing, hostile, tmp_path / "lake"):
        folder.mkdir(parents=True)
    record = {"sample_id": "J", "test_date": "2024-01-01", "result": "POS", "viral_load": 1}
    for place in (landing, hostile):
        tag = "first" if place is landing else "second"
        (place / f"{tag}.csv").write_text(files.GOOD_CSV.replace("G,", f"G{tag},".upper()))
        (place / f"{tag}.json5").write_text(json.dumps([record | {"sample_id": f"J-{tag}".upper()}]))
        (place / f"{tag}.xlsx").write_bytes(
            workbook("S", [files.NAMES, [f"X-{tag}".upper(), "2024-01-01", "POS", "1"]])
        )
    good = {path.name for path in hostile.iterdir()}
    bad = {f"{n}.xlsx": FAR[n] for n in ("as usual", "single quotes", "line break", "another folder", "prefix")}
    bad |= {
        "swollen.xlsx": files.swollen_workbooks(64)["one long cell"],
        "hex.json5": files.long_numbers()["decimal"],
        "deep.json5": files.deep("[", "]", 100_000),
        "rows.parquet": files.parquet(1_000_000, groups=50),
        "value.parquet": files.parquet(20_000, result="A" * 1_000_000),
        **{
            name: data
            for name, data in files.bombs(64).items()
            if name in ("bomb.csv.gz", "flat.zip", "overlapping.zip")
        },
        "inside.zip": files.zipped({"good.csv": files.GOOD_CSV.encode(), "far.xlsx": FAR["single quotes"]}),
    }
    for name, data in bad.items():
        (hostile / name).write_bytes(data)
    done = subprocess.run(
        [sys.executable, "-c", MEASURE, str(tmp_path)], cwd=ROOT, capture_output=True, text=True, check=True
    )
    told = json.loads(done.stdout.splitlines()[-1])
    assert {f for f, (status, _) in told["entries"].items() if status == "published"} == good
    assert {f for f, (status, _) in told["entries"].items() if status == "rejected"} == set(bad)
    assert not list(landing.iterdir())
    for name in bad:
        (reason,) = (tmp_path / "rejected" / "lab").rglob(f"{name}.reason.txt")
        assert reason.read_text().startswith(f"{name}: ")
        assert len(reason.read_text()) > len(name) + 40
    assert told["peak"] - told["before"] < 150
