"""Speed and memory of landing -> raw + validated + quarantine, against the floor: DuckDB's bare CSV -> Parquet copy of the same file.

Every measurement is a process of its own, so that peak memory is its own. `python -m benchmarks.ingest` prints the table;
`python -m benchmarks` writes it to results.md with the others.
"""

from __future__ import annotations

import json
import os
import resource
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

REPEATS = int(os.environ.get("BENCH_REPEATS", "3"))
REMARK = """What makes the first load five times its floor: three full copies are written (text as staged, raw, validated), each about
one floor; then come judging, the hash of the file and the search for repeated keys. A load of one small file costs about a
second before its first row (engine, contract)."""
CGROUP = Path("/sys/fs/cgroup/memory")  # version 1, where root may make groups


def main() -> str:
    """Measure everything and return a markdown table."""
    rows = []
    floors: dict[str, float] = {}
    with tempfile.TemporaryDirectory(prefix="bench-") as folder:
        home = Path(folder)
        for data in ("tall", "wide", "one"):
            _child("generate", data, home)
            floors[data] = statistics.median(_child("floor", data, home)["seconds"] for _ in range(REPEATS))
        _child("generate", "many", home)

        def add(what: str, case: str, floor: float, target: str, **environment: str) -> float:
            runs = [_child("load", case, home, **environment) for _ in range(REPEATS)]
            seconds = statistics.median(r["seconds"] for r in runs)
            memory = max(r["peak_mib"] for r in runs)
            rows.append((what, f"{seconds:.2f} s", f"{seconds / floor:.1f} x", f"{memory:.0f} MiB", target))
            return seconds

        tall, wide = floors["tall"], floors["wide"]
        rows.append(("floor: bare copy of 10M rows x 4 columns", f"{tall:.2f} s", "1.0 x", "", ""))
        add("10M rows x 4 columns, 1 % bad", "tall", tall, "4 x, 1 GiB")
        if CGROUP.is_dir() and os.access(CGROUP, os.W_OK):
            with _hard_limit(1 << 30):
                add("the same under a hard limit of 1 GiB (cgroup)", "tall", tall, "finishes", BENCH_CGROUP="yes")
        add("the same, identifiers pseudonymised", "identified", tall, "")
        rows.append(("floor: bare copy of 1M rows x 40 columns", f"{wide:.2f} s", "1.0 x", "", ""))
        add("1M rows x 40 columns, 60 rules, 1 % bad", "wide", wide, "5 x")
        rows.append(("floor: bare copy of 1M rows x 4 columns", f"{floors['one']:.2f} s", "1.0 x", "", ""))
        one = add("one file of 1M rows", "one", floors["one"], "")
        add("1,000 files x 1,000 rows (ratio: to the one file)", "many", one, "2 x")
        for millions in (1, 10):
            runs = _child("upsert", str(millions), home)
            rows.append(
                (
                    f"upsert of 1,000 rows into {millions}M",
                    f"{runs['seconds']:.2f} s",
                    "",
                    f"{runs['peak_mib']:.0f} MiB",
                    "1 s",
                )
            )
        loads = [_child("definitions", "", home)["seconds"] for _ in range(REPEATS)]
        rows.append(("definitions load (fresh process)", f"{statistics.median(loads):.2f} s", "", "", "2 s"))
        weekly = _child("weekly", "", home)
        rows.append(("`weekly` with nothing new (fresh process)", f"{weekly['seconds']:.2f} s", "", "", "10 s"))
    lines = ["| what | median | ratio to floor | peak memory | to reach |", "|---|---|---|---|---|"]
    return "\n".join(lines + ["| " + " | ".join(row) + " |" for row in rows] + ["", REMARK])


@contextmanager
def _hard_limit(size: int) -> Iterator[None]:
    """A cgroup whose processes the kernel kills when they use more than `size` bytes; children with BENCH_CGROUP join it."""
    group = CGROUP / "bench"
    group.mkdir(exist_ok=True)
    try:
        (group / "memory.limit_in_bytes").write_text(str(size))
        yield
    finally:
        group.rmdir()


def _child(action: str, case: str, home: Path, **environment: str) -> dict[str, float]:
    done = subprocess.run(
        [sys.executable, "-m", "benchmarks.ingest", action, case, str(home)],
        env={**os.environ, **environment},
        capture_output=True,
        text=True,
        check=False,
        preexec_fn=_join_group if environment.get("BENCH_CGROUP") else None,
    )
    if done.returncode:
        raise RuntimeError(f"{action} {case} failed:\n{done.stderr[-2000:]}")
    return json.loads(done.stdout.splitlines()[-1])


def _join_group() -> None:
    (CGROUP / "bench" / "cgroup.procs").write_text(str(os.getpid()))


# ------------------------------------------------------------------ in the child


def _contract(case: str) -> Any:
    from platform_assets.contracts.model import Contract

    columns: dict[str, Any] = {
        "sample_id": {"type": "string", "matches": "^[A-Z0-9-]{3,40}$"},
        "test_date": {"type": "date", "format": "%Y-%m-%d", "le": "today"},
        "result": {"type": "categorical", "in": ["POS", "NEG", "N/A"]},
        "viral_load": {"type": "integer", "ge": 0, "le": 100_000_000, "required": False},
    }
    if case == "identified":
        columns["sample_id"]["role"] = "identifier"
    key = ["sample_id"]
    if case == "wide":  # 40 columns; 12 x (read + two limits) + 28 x (pattern) = 64 rules, besides required
        columns = {"id": {"type": "string", "matches": "^R[0-9]+$"}}
        columns |= {f"n{k}": {"type": "integer", "ge": 0, "le": 1_000_000} for k in range(16)}
        columns |= {f"s{k}": {"type": "string", "matches": "^[A-Z]{2}[0-9]*$"} for k in range(23)}
        key = ["id"]
    return Contract.model_validate(
        {
            "name": "bench",
            "description": "Benchmark.",
            "owner": "team:bench",
            "format": {"kind": "csv"},
            "load": {"mode": "upsert", "key": key},
            "columns": columns,
            "quality": {"max_quarantined": 0.5},
        }
    )


_TALL = """SELECT 'S' || lpad(({offset} + i)::VARCHAR, 9, '0') AS sample_id,
  (DATE '2021-01-01' + ((i * 7) % 700)::INT)::VARCHAR AS test_date,
  CASE WHEN i % 100 = 0 THEN 'Positive' ELSE ['POS', 'NEG', 'N/A'][1 + (i * 31) % 3] END AS result,
  ((i * 7919) % 1000000)::VARCHAR AS viral_load FROM range({rows}) t(i)"""


def _generate(case: str, home: Path) -> None:
    import duckdb

    quoted_b = "'B'"
    with duckdb.connect() as connection:
        if case == "wide":
            numbers = ", ".join(f"((i * {k + 3}) % 1000000) AS n{k}" for k in range(16))
            wrong = "CASE WHEN i % 100 = 0 THEN 'a' ELSE 'B' END"  # one row in a hundred breaks the pattern of s0
            texts = ", ".join(
                f"chr(65 + (i * {k + 5} % 26)::INT) || {wrong if k == 0 else quoted_b} || i AS s{k}" for k in range(23)
            )
            sql = f"SELECT 'R' || i AS id, {numbers}, {texts} FROM range(1000000) t(i)"
            connection.execute(f"COPY ({sql}) TO '{home}/wide.csv' (HEADER)")
        elif case == "many":
            (home / "many").mkdir()
            for n in range(1000):
                connection.execute(
                    f"COPY ({_TALL.format(rows=1000, offset=n * 1000)}) TO '{home}/many/{n:04d}.csv' (HEADER)"
                )
        else:
            rows = {"tall": 10_000_000, "one": 1_000_000}[case]
            connection.execute(f"COPY ({_TALL.format(rows=rows, offset=0)}) TO '{home}/{case}.csv' (HEADER)")


def _floor(case: str, home: Path) -> dict[str, float]:
    import duckdb

    (home / f"{case}.csv").read_bytes()  # warm the page cache, as the load's own scan finds it
    with duckdb.connect() as connection:
        started = time.perf_counter()
        connection.execute(f"COPY (FROM read_csv('{home}/{case}.csv', all_varchar = true)) TO '{home}/floor.parquet'")
        return _result(started)


def _platform(folder: Path) -> Any:
    from resources.identity import EnvironmentKeys
    from resources.lake.warehouse import Warehouse
    from resources.object_store import LocalStore

    keys = EnvironmentKeys({"PLATFORM_IDENTITY_KEY_SAMPLE_ID": "ab" * 32})
    return Warehouse(folder / "lake", memory_limit="600MB"), LocalStore(folder), keys


def _load(case: str, home: Path, *, drop: bool = True) -> dict[str, float]:
    from platform_assets.contracts.compiling.compiled import compiled
    from platform_assets.ingest.load import load_dataset

    folder = home / "work"
    if drop:
        shutil.rmtree(folder, ignore_errors=True)
        landing = folder / "landing" / "bench"
        landing.mkdir(parents=True)
        source = home / "many" if case == "many" else home / f"{'tall' if case == 'identified' else case}.csv"
        for path in sorted(source.iterdir()) if source.is_dir() else [source]:
            os.link(path, landing / path.name)
    contract = _contract(case)
    warehouse, store, keys = _platform(folder)
    # compiling is done once per contract, not once per load: its cost is not the load's
    compiled(contract, contract.today(), home / "expressions")
    (folder / "lake").mkdir(parents=True, exist_ok=True)
    if not (folder / "lake" / "expressions").exists():
        (folder / "lake" / "expressions").symlink_to(home / "expressions")
    started = time.perf_counter()
    report = load_dataset(contract, warehouse, store, keys, settle_seconds=0)
    result = _result(started)
    rows = report.total("rows_in")
    wrong = report.total("quarantined")
    if wrong != rows // 100 or report.total("valid") != rows - wrong:
        raise RuntimeError(f"wrong result: {rows} rows in, {wrong} quarantined")
    return result


def _upsert(millions: int, home: Path) -> dict[str, float]:
    """A second delivery of 1,000 rows, half of them new, into a table of so many million rows."""
    from platform_assets.ingest.load import load_dataset

    case = {1: "one", 10: "tall"}[millions]
    _load(case, home)
    folder = home / "work"
    warehouse, store, keys = _platform(folder)
    seconds = []
    for n in range(REPEATS):
        offset = millions * 1_000_000 - 500 + n * 500
        lines = (f"S{offset + i:09d},2024-02-01,POS,{i}" for i in range(1000))
        (folder / "landing" / "bench" / f"new{n}.csv").write_text(
            "sample_id,test_date,result,viral_load\n" + "\n".join(lines) + "\n"
        )
        started = time.perf_counter()
        report = load_dataset(_contract("tall"), warehouse, store, keys, settle_seconds=0)
        seconds.append(time.perf_counter() - started)
        if report.total("valid") != 1000:
            raise RuntimeError("wrong result")
    return {**_result(time.perf_counter()), "seconds": statistics.median(seconds)}


def _definitions() -> dict[str, float]:
    started = time.perf_counter()
    subprocess.run([sys.executable, "-c", "import platform_assets.definitions"], check=True, capture_output=True)
    return _result(started)


def _weekly(home: Path) -> dict[str, float]:
    folder = home / "weekly"
    environment = {**os.environ, "DATA_HOME": str(folder), "DAGSTER_HOME": str(folder / "dagster")}
    (folder / "dagster").mkdir(parents=True)
    dagster = str(Path(sys.executable).parent / "dagster")
    job = [dagster, "job", "execute", "-j", "weekly", "-m", "platform_assets.definitions"]
    subprocess.run([sys.executable, "-m", "platform_assets.sample"], env=environment, check=True, capture_output=True)
    subprocess.run(job, env=environment, check=True, capture_output=True)
    started = time.perf_counter()
    subprocess.run(job, env=environment, check=True, capture_output=True)
    return _result(started)


def _result(started: float) -> dict[str, float]:
    return {
        "seconds": time.perf_counter() - started,
        "peak_mib": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024,
    }


def _run(action: str, case: str, home: Path) -> dict[str, float]:
    if action == "generate":
        _generate(case, home)
        return {}
    if action == "floor":
        return _floor(case, home)
    if action == "upsert":
        return _upsert(int(case), home)
    if action == "definitions":
        return _definitions()
    if action == "weekly":
        return _weekly(home)
    return _load(case, home)


if __name__ == "__main__":
    if len(sys.argv) == 4:
        print(json.dumps(_run(sys.argv[1], sys.argv[2], Path(sys.argv[3]))))
    else:
        print(main())
