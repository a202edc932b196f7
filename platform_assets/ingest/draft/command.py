"""`python -m platform_assets.contracts draft FILE...`: a contract for files, tried on them."""

from __future__ import annotations

import argparse
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

import duckdb
import yaml

from platform_assets.contracts.model import Contract
from platform_assets.ingest.draft import grids
from platform_assets.ingest.draft.writing import drafted
from platform_assets.ingest.readers import reading
from platform_assets.ingest.readers.apart.process import Child
from platform_assets.ingest.readers.packing import is_packed, unpack
from platform_assets.ingest.readers.rows import FileRejected

MOST_FILES = 3
HEAD = """\
# Drafted from {files}. Read what stands behind each #, then keep it as
# platform_assets/defs/<domain>/<dataset>/defs.yaml and check it: dagster definitions validate
"""


def main(arguments: Sequence[str] | None = None) -> int:
    """The command. Writes the contract to standard output; what keeps it from that goes to standard error."""
    parser = argparse.ArgumentParser(
        prog="python -m platform_assets.contracts", description="Contracts of datasets.", allow_abbrev=False
    )
    commands = parser.add_subparsers(dest="command", required=True)
    draft_of = commands.add_parser("draft", help="write a contract that loads one to three real files")
    draft_of.add_argument("files", nargs="+", type=Path, metavar="FILE")
    draft_of.add_argument(
        "--list",
        action="append",
        default=[],
        metavar="COLUMN",
        help="a column of the draft whose values may stand in the contract, as they name nobody (again for each column)",
    )
    draft_of.add_argument("--sheet", help="the sheet of a workbook that is meant (default: those with most rows)")
    given = parser.parse_args(arguments)
    try:
        sys.stdout.write(draft(given.files, given.list, given.sheet))
    except (FileRejected, OSError) as error:
        sys.stderr.write(f"{error}\n")
        return 1
    return 0


def draft(files: Sequence[Path], listed: Sequence[str] = (), sheet: str | None = None) -> str:
    """A contract for `files`, as YAML, with what became of their rows under it; values of the columns `listed` may stand in it. Of workbooks
    `sheet` is meant.

    Raises FileRejected.
    """
    if len(files) > MOST_FILES:
        raise FileRejected(f"a draft is made of one to {MOST_FILES} files of one kind: choose those that differ most")
    with tempfile.TemporaryDirectory() as folder, Child() as child:
        plain = [_unpacked(child, file, Path(folder)) for file in files]
        found = []
        for name, path in plain:
            try:
                look = {"path": path.resolve(), "name": name, "sheet": sheet}
                answer, _ = child.run(grids.look, files=[path], folder=Path(folder), warm=reading.WARM, **look)
            except FileRejected as error:
                raise FileRejected(f"{name}: {str(error).removeprefix(f'{name}: ')}") from None
            found.append(grids.Grid(**answer))
        if len({grid.format["kind"] for grid in found}) > 1:
            raise FileRejected("the files are of different kinds: draft one contract, then make its format a list")
        text = drafted([name for name, _ in plain], found, listed)
        contract = Contract.model_validate(yaml.safe_load(text)["attributes"])
        tried = [f"# Tried on {name}: {_tried(child, path, contract, Path(folder))}\n" for name, path in plain]
    return HEAD.format(files=", ".join(name for name, _ in plain)) + "".join(tried) + text


def _unpacked(child: Child, file: Path, folder: Path) -> tuple[str, Path]:
    """(name, file) of what is in a file, if it is an archive: the first that a draft can be made of."""
    if not file.is_file():
        raise FileRejected(f"{file}: there is no such file")
    if not is_packed(file.name):
        grids.kind_of(file.name)
        return file.name, file
    for name, path in unpack(child, file.name, file, folder)[0]:
        try:
            grids.kind_of(name)
        except FileRejected:
            continue
        return Path(name).name, path
    raise FileRejected(f"{file.name}: nothing in it is a file that a draft can be made of")


def _tried(child: Child, path: Path, contract: Contract, folder: Path) -> str:
    """What becomes of a file's rows under the draft."""
    from platform_assets.contracts.compiling.expression import compile_contract

    part, header = reading.stage(child, path, 0, contract, contract.format[0], folder)
    rows, broken = part.rows.get(0, 0), part.broken_rows.get(0, 0)
    with duckdb.connect() as connection:
        connection.execute(f"CREATE TEMP VIEW staged AS {part.sql}")
        judged = compile_contract(contract, contract.today()).judged
        wrong = connection.execute(
            f"SELECT reason, count(*) FROM (SELECT unnest(_reasons) AS reason FROM ({judged})) GROUP BY 1 ORDER BY 2 DESC"
        ).fetchall()
        bad = connection.execute(f"SELECT count(*) FROM ({judged})").fetchone()
    lines = [f"{rows + broken:,} rows, {(bad or (0,))[0] + broken:,} wrong"]
    lines += [f"{count:,} x {reason}" for reason, count in wrong[:5]]
    lines += [f"not taken: {count:,} {what}" for what, count in header.not_taken.items()]
    lines += [f"{kind}: {', '.join(names[:5])}" for kind, names in header.drift.items()]
    return "; ".join(lines)
