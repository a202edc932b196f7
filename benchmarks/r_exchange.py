"""A table of a million rows and twelve columns into R and out again, against what the machine and R cost at least.

The floor, measured in the same process on the same data: copying the bytes of the number columns once (memcpy), and
R making its strings (readBin on the ready block, once per distinct value: R keeps every string in one cache).
`python -m benchmarks.r_exchange`
"""

from __future__ import annotations

import ctypes
import json
import os
import random
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

ROWS = 1_000_000
REPEATS = 5


def main() -> str:
    """Measure in a fresh process, print the table and return it."""
    done = subprocess.run(
        [sys.executable, "-m", "benchmarks.r_exchange", "measure"], capture_output=True, text=True, check=True
    )
    found = json.loads(done.stdout)
    lines = [
        f"{ROWS:,} rows x 12 columns (4 text, 3 integer, 2 number, flag, date, time); best of {REPEATS}",
        "",
        "| | exchange | floor: memcpy + R's strings | ratio |",
        "|---|---|---|---|",
    ]
    for way in ("into R", "out of R"):
        spent, floor = found[way], found[f"floor {way}"]
        lines.append(f"| {way} | {spent:.2f} s | {floor:.2f} s | {spent / floor:.1f} |")
    lines += [
        "",
        f"Peak memory of the process with Arrow table, R table and both copies: {found['peak_mb']:.0f} MB",
    ]
    table = "\n".join(lines)
    print(table)
    return table


def _measure() -> dict[str, float]:
    from resources.r_runtime import RRuntime
    from resources.r_runtime.runtime import HARNESS

    os.environ["R_HOME"] = RRuntime().environment(Path("/tmp"))["R_HOME"]
    from resources.r_child.embedded import start_r

    harness = start_r(str(file) for file in sorted(HARNESS.glob("*.R")))
    import rpy2.rinterface as ri

    from resources.r_child.exchange import Exchange

    table, types = _table()
    exchange = Exchange(harness)
    collect = ri.baseenv["gc"]
    frames: list[Any] = []

    def forget() -> None:
        """Drop R's table and with it R's strings: the next one makes them anew."""
        frames.clear()
        collect()

    def into() -> None:
        frames.append(exchange.frame_to_r(table, types))

    numbers = [table[name] for name, kind in types.items() if kind != "text"]
    copy = _best(lambda: _copy_bytes(sum(column.nbytes for column in numbers)), forget)
    found = {"floor into R": copy + _best(_strings_into_r(table, types), forget)}
    found["into R"] = _best(into, forget)
    found["out of R"] = _best(lambda: exchange.frame_to_arrow(frames[0], types), collect)
    assert exchange.frame_to_arrow(frames[0], types).equals(table)
    write = ri.evalr("function(x) writeBin(x, raw())")
    texts = [frames[0][index] for index, kind in enumerate(types.values()) if kind == "text"]
    found["floor out of R"] = copy + _best(lambda: [write(text) for text in texts], collect)
    with open("/proc/self/status", encoding="ascii") as status:
        found["peak_mb"] = next(int(line.split()[1]) for line in status if line.startswith("VmHWM")) / 1024
    return found


def _table() -> tuple[Any, dict[str, str]]:
    import pyarrow as pa

    from resources.r_child.types import arrow_schema

    pick = random.Random(1)
    types = {
        **dict.fromkeys(["id", "province", "result", "laboratory"], "text"),
        **dict.fromkeys(["age", "count", "code"], "integer"),
        **dict.fromkeys(["score", "hours"], "number"),
        "died": "flag",
        "day": "date",
        "moment": "time",
    }
    provinces = ["Fryslân", "Utrecht", "Zeeland", None]
    data = {
        "id": [f"S{number:07d}" for number in range(ROWS)],
        "province": pick.choices(provinces, k=ROWS),
        "result": pick.choices(["POS", "NEG", "N/A"], k=ROWS),
        "laboratory": pick.choices([f"Laboratory {number}" for number in range(50)], k=ROWS),
        "age": pick.choices([*range(100), None], k=ROWS),
        "count": pick.choices(range(1_000_000), k=ROWS),
        "code": pick.choices([10**10, 5, 7], k=ROWS),
        "score": [pick.random() for _ in range(ROWS)],
        "hours": pick.choices([1.5, 2.25, None], k=ROWS),
        "died": pick.choices([True, False, None], k=ROWS),
        "day": pa.array(pick.choices(range(18_000, 20_000), k=ROWS), pa.int32()).cast(pa.date32()),
        "moment": pa.array(pick.choices(range(10**15, 10**15 + 10**9), k=ROWS), pa.int64()).cast(
            arrow_schema({"x": "time"}).field("x").type
        ),
    }
    return pa.table(data, schema=arrow_schema(types)), types


def _strings_into_r(table: Any, types: dict[str, str]) -> Callable[[], object]:
    """R's own part of making the text columns: each from ready buffers that R reads as it likes them best."""
    import pyarrow.compute as pc
    import rpy2.rinterface as ri

    plain = ri.evalr('function(block, n) readBin(block, "character", n)')
    coded = ri.evalr('function(block, n, codes) readBin(block, "character", n)[codes]')
    calls: list[tuple[Any, ...]] = []
    for name, kind in types.items():
        if kind == "text":
            column = table[name].combine_chunks()
            encoded = column.dictionary_encode()
            distinct = len(encoded.dictionary)
            values = column if distinct > ROWS // 2 else encoded.dictionary
            block = ri.ByteSexpVector(b"".join(f"{value}\0".encode() for value in values.to_pylist()))
            if distinct > ROWS // 2:
                calls.append((plain, block, len(column)))
            else:
                codes = pc.fill_null(encoded.indices, 0).to_pylist()
                calls.append((coded, block, distinct, ri.IntSexpVector([code + 1 for code in codes])))
    return lambda: [function(*arguments) for function, *arguments in calls]


def _copy_bytes(size: int) -> None:
    source, target = ctypes.create_string_buffer(size), ctypes.create_string_buffer(size)
    ctypes.memmove(target, source, size)


def _best(work: Callable[[], object], before: Callable[[], object]) -> float:
    times = []
    for _ in range(REPEATS):
        before()
        started = time.perf_counter()
        work()
        times.append(time.perf_counter() - started)
    return min(times)


if __name__ == "__main__":
    if sys.argv[1:] == ["measure"]:
        print(json.dumps(_measure()))
    else:
        main()
