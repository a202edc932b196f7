"""A draft as YAML: what it is unsure of stands behind a ``#``, where it belongs."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from itertools import combinations
from pathlib import PurePosixPath
from typing import Any

from platform_assets.contracts.dates.formats import read_format
from platform_assets.ingest.draft.grids import Grid
from platform_assets.ingest.draft.guessing import DAYS, Guess, column, plain_name

_DATES_IN_NAMES = ((r"(\d{4}-\d{2}-\d{2})", "%Y-%m-%d"), (r"(?:^|\D)(\d{8})(?:\D|$)", "%Y%m%d"))


def drafted(files: Sequence[str], grids: Sequence[Grid], listed: Sequence[str] = ()) -> str:
    """The contract of `files`, whose tables are `grids`; values of the columns `listed` may stand in it."""
    first = grids[0]
    names = (
        list(dict.fromkeys(n for grid in grids for n in grid.names))
        if first.format.get("header", True)
        else first.names
    )
    wide = _wide(names)
    guesses = _columns(names, grids, wide, listed)
    lines = [
        "type: platform_assets.components.Dataset",
        "attributes:",
        f"  name: {plain_name(_stem(files[0]), (), 'dataset')}  # also the landing folder",
        f"  description: {_yaml(f'Rows of files such as {PurePosixPath(files[0]).name}.')}  # what is one row?",
        "  owner: team:data  # whom to ask",
    ]
    said = dict(first.format)
    for grid in grids[1:]:
        said.update({k: v for k, v in grid.format.items() if k not in said})
    sheets = [grid.format["sheet"] for grid in grids if "sheet" in grid.format]
    if len(sheets) > 1:  # each file may have its own
        each = dict.fromkeys(
            name for said_of in sheets for name in ([said_of] if isinstance(said_of, str) else said_of)
        )
        said["sheet"] = list(each) if len(each) > 1 else next(iter(each))
    if wide:
        said["wide"] = {"columns": wide[0], "name": "period", "value": "value", "empty": "leave_out"}
    lines += [f"  # {note}" for grid in grids for note in dict.fromkeys(grid.unsure)]
    if wide:
        lines.append("  # columns that are days or years become rows; empty cells are left out")
    lines.append(f"  format: {_yaml(said)}")
    lines += _load(guesses, files, grids, wide is not None)
    lines.append("  columns:")
    for guess in guesses:
        options = dict(guess.options)
        if guess.header and guess.header != guess.name:
            options = {"type": options.pop("type"), "from": guess.header, **options}
        unsure = f"  # {'; '.join(guess.unsure)}" if guess.unsure else ""
        lines.append(f"    {guess.name}: {_yaml(options)}{unsure}")
    lines.append("  quality: {max_quarantined: 5%, min_rows: 1}")
    return "\n".join(lines) + "\n"


def _columns(
    names: Sequence[str], grids: Sequence[Grid], wide: tuple[str, str] | None, listed: Sequence[str]
) -> list[Guess]:
    guesses: list[Guess] = []
    taken = ["period", "value"] if wide else []
    for place, header in enumerate(names):
        if wide and re.search(wide[0], header):
            continue
        if not header and grids[0].format.get("header", True):
            continue  # a column without a name cannot be asked for; the file's drift tells of it
        texts: list[str | None] = []
        absent = False
        for grid in grids:
            at = place if not header else grid.names.index(header) if header in grid.names else None
            absent = absent or at is None
            texts += [row[at] for row in grid.rows] if at is not None else []
        name = plain_name(header, [*taken, *(g.name for g in guesses)], f"column_{place + 1}" if not header else "c")
        guess = column(name, header, texts, listed=name in listed)
        if absent:
            guess.options.pop("required", None)
            guess.options["optional"] = True
            guess.unsure.append("not every file has it")
        guesses.append(guess)
    if wide:
        spread = [n for n in names if re.search(wide[0], n)]
        values = [row[g.names.index(n)] for g in grids for n in spread if n in g.names for row in g.rows]
        guesses += [column("period", "", spread), column("value", "", [v for v in values if (v or "").strip()])]
    return guesses


def _wide(names: Sequence[str]) -> tuple[str, str] | None:
    """(pattern, format) of names of columns that are days or years."""
    for text in (*DAYS, "%Y"):
        if text == "%Y":
            fit = [n for n in names if re.fullmatch(r"(?:19|20)\d\d", n)]
        else:
            fit = [n for n in names if read_format(text).parse(n) is not None]
        if len(fit) > 3:
            pattern = r"^(?:19|20)\d\d$" if text == "%Y" else read_format(text).pattern
            return pattern, text
    return None


def _load(guesses: Sequence[Guess], files: Sequence[str], grids: Sequence[Grid], wide: bool) -> list[str]:
    key, note = _key(guesses, grids, wide)
    order = ""
    for pattern, text in _DATES_IN_NAMES:
        if key and all(re.search(pattern, PurePosixPath(f).name) for f in files):
            order = f", order_by: {_yaml({'file_name': pattern, **({'format': text} if text != '%Y-%m-%d' else {})})}"
            note += "; the newest is told by the date in the file's name"
            break
    said = f"{{mode: upsert, key: {_yaml(key)}{order}}}" if key else "{mode: append}"
    return [f"  load: {said}  # {note}"]


def _key(guesses: Sequence[Guess], grids: Sequence[Grid], wide: bool) -> tuple[list[str], str]:
    usable = [
        g
        for g in guesses
        if g.header
        and g.options.get("required", True)
        and not g.options.get("optional")
        and g.options["type"] != "float"
    ]
    if wide:
        return ([], "which columns tell rows apart? With a key, `mode: upsert` replaces rows")
    for size in (1, 2, 3):
        for chosen in combinations(usable[:8], size):
            if size == 1 and len(grids) == 1 and not chosen[0].unique:
                continue
            if all(_tells_apart(chosen, grid) for grid in grids):
                return [
                    g.name for g in chosen
                ], "no two rows have the same key; is that meant? A row replaces an earlier one of the same key"
    return [], "no columns tell all rows apart: every row is added. With a key, `mode: upsert` replaces rows"


def _tells_apart(chosen: Sequence[Guess], grid: Grid) -> bool:
    places = [grid.names.index(g.header) for g in chosen]
    found = [tuple((row[p] or "").strip() for p in places) for row in grid.rows]
    return len(set(found)) == len(found)


def _stem(file: str) -> str:
    stem = PurePosixPath(file).name.split(".")[0]
    return re.sub(r"[\W_]*\d[\d\W_]*$", "", stem) or stem


def _yaml(value: Any) -> str:
    """`value` in YAML's flow style."""
    if isinstance(value, Mapping):
        return "{" + ", ".join(f"{k}: {_yaml(v)}" for k, v in value.items()) + "}"
    if isinstance(value, list | tuple):
        return "[" + ", ".join(map(_yaml, value)) + "]"
    if isinstance(value, str) and not re.fullmatch(r"[A-Za-z][A-Za-z_]*", value):
        return json.dumps(value, ensure_ascii=False)
    if isinstance(value, str) and value.lower() in ("yes", "no", "on", "off", "true", "false", "null", "y", "n"):
        return json.dumps(value)
    return json.dumps(value, ensure_ascii=False) if not isinstance(value, str) else value
