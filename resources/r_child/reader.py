"""`python -I -S reader.py`: opens what R left, in a process that has nothing to lose, and writes it anew. Started by resources.r_runtime.

A file that was made to break the program that reads it breaks this one: it holds no key, has no network, and its folders are the
received files and the place for the new ones. It is started beside R, loads Arrow meanwhile, and waits for its order.

Standard input: a line with the work, then, when R is done, a line with the number of rows that R reported. Standard output: one line,
`{"problem": null}` or why the files cannot be the declared table and its plots.
"""

from __future__ import annotations

import json
import os
import resource
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

if __name__ == "__main__":
    sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from resources.r_child.locks import sandbox
from resources.r_child.types import TABLE


def main() -> None:
    """Wait for R, then judge and rewrite its files."""
    work = json.loads(sys.stdin.readline())
    sys.path[:] = work["path"]
    _lock(work)
    sys.modules["numpy"] = None  # type: ignore[assignment]  # pyarrow would import it
    import pyarrow.parquet  # noqa: F401  # now, while R is at work

    order = sys.stdin.readline()
    if not order:
        os._exit(0)  # R failed: there is nothing to read
    try:
        problem = rewrite(
            Path(work["received"]),
            Path(work["output"]),
            work["columns"],
            work["plots"],
            json.loads(order)["rows"],
            (work["rows"], work["table_mb"]),
        )
    except MemoryError:
        problem = "they do not fit into the memory that a run may use"
    sys.stdout.write(json.dumps({"problem": problem}) + "\n")
    sys.stdout.flush()
    os._exit(0)


def _lock(work: dict[str, Any]) -> None:
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    resource.setrlimit(resource.RLIMIT_FSIZE, (work["table_mb"] << 20,) * 2)
    if work["memory_limit_mb"]:
        resource.setrlimit(resource.RLIMIT_AS, (work["memory_limit_mb"] << 20,) * 2)
    if work["sandbox"] != "off":
        state = sandbox.enter([*work["readable"], work["received"]], [work["output"], "/dev/null"], alone=True)
        if work["sandbox"] == "required" and not (state.files and state.network):
            os._exit(3)


def rewrite(
    received: Path, output: Path, columns: Mapping[str, str], plots: Sequence[str], rows: int, most: tuple[int, int]
) -> str | None:
    """Write table and plots anew into `output`; why not, where they are not what was declared.

    rows    as R reported them
    most    rows that a table may have, and MB of its values
    """
    from resources.r_child import plots as drawn

    problem = _rewrite_table(received / TABLE, output / TABLE, columns, rows, most)
    if problem:
        return problem
    for plot in plots:
        for suffix, rewrite_plot in ((".svg", drawn.rewrite_svg), (".png", drawn.rewrite_png)):
            try:
                rewrite_plot(received / f"{plot}{suffix}", output / f"{plot}{suffix}")
            except drawn.NotAPlot as reason:
                return f"the plot {plot}{suffix} {reason}"
    return None


def _rewrite_table(
    source: Path, target: Path, columns: Mapping[str, str], rows: int, most: tuple[int, int]
) -> str | None:
    import pyarrow as pa
    import pyarrow.parquet as pq

    from resources.r_child.types import arrow_schema

    wanted = arrow_schema(columns)
    try:
        with pq.ParquetFile(source, pre_buffer=False) as file:  # that would start a thread
            if not file.schema_arrow.remove_metadata().equals(wanted):
                return "the output file does not have the declared columns and types"
            if file.metadata.num_rows != rows:
                return "the output file does not have the number of rows that the child reported"
            if rows > most[0]:
                return f"the table has more than {most[0]:,} rows: return sums, means or counts of groups, not single records"
            with pq.ParquetWriter(target, wanted, compression="zstd") as writer:
                found, size = 0, 0
                for number in range(file.metadata.num_row_groups):
                    group = file.read_row_group(number, use_threads=False).replace_schema_metadata(None)
                    group.validate(full=True)
                    found, size = found + group.num_rows, size + group.nbytes
                    if size > most[1] << 20:
                        return f"the table holds more than {most[1]:,} MB: return fewer rows, or shorter texts"
                    writer.write_table(group)
    except pa.ArrowMemoryError:
        raise MemoryError from None
    except (pa.ArrowException, OSError, UnicodeDecodeError):
        return "the output file is not readable Parquet"
    return None if found == rows else "the output file does not have the number of rows that the child reported"


if __name__ == "__main__":
    main()
