"""How long it takes to find drug names in titles: `python benchmarks/mentions.py [--titles N]`.

Generated titles, searched for the names of the WHO's ATC list where PLATFORM_SHARED has it, or else for as
many generated names. Beside our search stand its floor, a bare pass over the bytes, and the way of the
systems it replaces: for each title, ask for each name whether it is somewhere in it.
"""

from __future__ import annotations

import argparse
import csv
import json
import os
import random
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from datetime import date, timedelta
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from platform_assets.literature import steps
from platform_assets.literature.mentions import DrugMatcher, find_mentions
from platform_assets.literature.tables import DRUGS, PUBLICATIONS
from resources.lake.warehouse import Warehouse

NAMES_WITHOUT_LIST = 7_000
NAIVE_TITLES = 1_000
DELIVERY = 1_000
BATCH = 20_000


def main(titles: int = 1_000_000) -> str:
    """Generate the titles, measure, and return a table in markdown."""
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "titles.parquet"
        _write_titles(file, titles)
        # Each in a process of its own, so that its peak memory is its own.
        results = {what: _in_a_process(what, file) for what in ("floor", "search", "naive", "delivery")}
    drugs, source = _drugs()
    names = len({name.lower() for name in drugs.column("drug").to_pylist()})
    search, naive = results["search"], results["naive"]
    share = naive["titles"] / titles
    speed = f"{titles / search['seconds']:,.0f} titles a second"
    whole = {**naive, "seconds": naive["seconds"] / share}
    measured = f"extrapolated from {naive['titles']:,} titles in {naive['seconds']:.1f} s"
    delivery = results["delivery"]
    return "\n".join(
        [
            f"{titles:,} generated titles, {names:,} different names ({source}), one core\n",
            "| | seconds | peak memory | |",
            "| --- | ---: | ---: | --- |",
            _row("bare pass over the bytes", results["floor"], f"{results['floor']['bytes'] / 1e6:.0f} MB of titles"),
            _row("our search", search, f"{search['mentions']:,} mentions; {speed}"),
            _row(
                "name by name, title by title",
                whole,
                f"{measured}; {whole['seconds'] / search['seconds']:,.0f} times ours",
            ),
            _row(
                f"a delivery of {DELIVERY:,} more",
                delivery,
                f"{delivery['searched']:,} titles searched, table and audit in the warehouse included",
            ),
        ]
    )


def _row(what: str, result: dict[str, float], remark: str) -> str:
    return f"| {what} | {result['seconds']:,.1f} | {result['peak']:,.0f} MiB | {remark} |"


def _in_a_process(what: str, file: Path) -> dict[str, float]:
    command = [sys.executable, __file__, "--measure", what, str(file)]
    done = subprocess.run(command, check=True, capture_output=True, text=True)
    result: dict[str, float] = json.loads(done.stdout)
    return result


def _measure(what: str, file: Path) -> dict[str, float]:
    pa.set_cpu_count(1)
    measures = {"floor": _floor, "search": _search, "naive": _naive, "delivery": _delivery}
    result = measures[what](file)
    return {**result, "peak": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024}


def _floor(file: Path) -> dict[str, float]:
    started, size = time.perf_counter(), 0
    for batch in _titles(file):
        text = batch.column("title").buffers()[2].to_pybytes()
        text.count(b"\n")
        size += len(text)
    return {"seconds": time.perf_counter() - started, "bytes": size}


def _search(file: Path) -> dict[str, float]:
    started = time.perf_counter()
    matcher = DrugMatcher(_drugs()[0])
    found = sum(batch.num_rows for batch in find_mentions(matcher, _titles(file)))
    return {"seconds": time.perf_counter() - started, "mentions": found}


def _naive(file: Path) -> dict[str, float]:
    names = [name.lower() for name in _drugs()[0].column("drug").to_pylist()]
    titles = next(iter(_titles(file))).column("title").to_pylist()[:NAIVE_TITLES]
    started = time.perf_counter()
    for title in titles:
        lower = title.lower()
        [name for name in names if name in lower]
    return {"seconds": time.perf_counter() - started, "titles": len(titles)}


def _delivery(file: Path) -> dict[str, float]:
    """The platform's own way: tables in the warehouse, all mentions there, then a thousand publications more."""
    with tempfile.TemporaryDirectory() as home:
        warehouse = Warehouse(Path(home))
        with warehouse.connect() as connection, warehouse.write(connection):
            connection.register("names", _drugs()[0])
            connection.execute(f"CREATE TABLE {steps.DRUG_LIST} AS FROM names")
            for kind, table in steps.SOURCES.items():
                connection.execute(
                    f"CREATE TABLE {table} AS SELECT * EXCLUDE (kind) FROM read_parquet('{file}') WHERE kind = '{kind}'"
                )
        steps.update_mentions(warehouse)
        with warehouse.connect() as connection, warehouse.write(connection):
            table = steps.SOURCES["pubmed"]
            connection.execute(
                f"INSERT INTO {table} SELECT * REPLACE ('new' || id AS id) FROM {table} LIMIT {DELIVERY}"
            )
        started = time.perf_counter()
        found = steps.update_mentions(warehouse)
        return {"seconds": time.perf_counter() - started, "searched": found.searched}


def _titles(file: Path) -> Iterator[pa.RecordBatch]:
    return pq.ParquetFile(file).iter_batches(batch_size=BATCH)


def _drugs() -> tuple[pa.Table, str]:
    """The drug list, and where it is from."""
    shared = os.environ.get("PLATFORM_SHARED")
    lists = sorted(Path(shared, "data", "who-atc").glob("*.csv")) if shared else []
    if lists:
        with lists[-1].open(encoding="utf-8", newline="") as file:
            rows = [{"atccode": row["atc_code"], "drug": row["atc_name"]} for row in csv.DictReader(file)]
        return pa.Table.from_pylist(rows, DRUGS), "the WHO's ATC list"
    rng = random.Random(7)
    words = _words(rng, NAMES_WITHOUT_LIST)
    rows = [
        {
            "atccode": f"X{number:05}",
            "drug": " ".join([word, *rng.sample(words, rng.choice([0, 0, 0, 1, 2]))]),
        }
        for number, word in enumerate(words)
    ]
    return pa.Table.from_pylist(rows, DRUGS), "generated"


def _write_titles(file: Path, number: int) -> None:
    """Titles of 8 to 18 words; two in three name a drug, one in ten has a letter beyond ASCII."""
    rng = random.Random(11)
    words = _words(rng, 30_000)
    names = _drugs()[0].column("drug").to_pylist()
    journals = [f"Journal of {rng.choice(words)} {rng.choice(words)}" for _ in range(2_000)]
    with pq.ParquetWriter(file, PUBLICATIONS) as writer:
        for first in range(0, number, BATCH):
            rows = range(first, min(first + BATCH, number))
            titles = []
            for _ in rows:
                title = rng.choices(words, k=rng.randint(8, 18))
                for _ in range(rng.choice([0, 1, 2])):
                    title.insert(rng.randrange(len(title)), rng.choice(names))
                if rng.random() < 0.1:
                    title[0] = title[0] + rng.choice(["é", "™", "–β", "’s"])
                titles.append(" ".join(title).capitalize())
            columns = {
                "kind": [rng.choice(["pubmed", "pubmed", "clinical_trial"]) for _ in rows],
                "id": [str(row) for row in rows],
                "title": titles,
                "journal": rng.choices(journals, k=len(rows)),
                "date": [date(2000, 1, 1) + timedelta(days=rng.randrange(9_000)) for _ in rows],
            }
            writer.write_table(pa.table(columns, PUBLICATIONS))


def _words(rng: random.Random, number: int) -> list[str]:
    words: dict[str, None] = {}
    while len(words) < number:
        syllables = [rng.choice("bcdfglmnprstvz") + rng.choice("aeiou") for _ in range(rng.randint(2, 5))]
        words["".join(syllables) + rng.choice(["", "n", "s", "l", "x"])] = None
    return list(words)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--titles", type=int, default=1_000_000)
    parser.add_argument("--measure", nargs=2, metavar=("WHAT", "FILE"), help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.measure:
        print(json.dumps(_measure(options.measure[0], Path(options.measure[1]))))
    else:
        print(main(options.titles))
