"""``python -m dashboard.preview SCRIPT FOLDER PLOTS TARGET``: the page of one indicator as a file, for its author alone.

FOLDER holds ``table.csv`` and, of a script that gives cases, ``atoms.csv``, as `dev.R` writes them: exact counts of sample data. They become a release of
one indicator in a folder that goes again, and the page's own renderer draws it: nothing here draws anything. The file loads nothing and leads nowhere.
"""

from __future__ import annotations

import base64
import csv
import datetime as dt
import hashlib
import json
import sys
import tempfile
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from jinja2 import ChoiceLoader, PackageLoader

from dashboard import pages, words
from dashboard.address import Chosen
from dashboard.app import environment
from dashboard.figures import choice as figures
from dashboard.freshness import Freshness
from dashboard.here import Here
from dashboard.scripts import Scripts
from dashboard.shelf import Article, Shelf
from platform_assets.access.roles import Role, Scope, User
from platform_assets.disclosure.policy import read_policies
from platform_assets.indicators import Column, HeaderError, Indicator, read_indicator
from platform_assets.office import Office, engine_of
from platform_assets.releases.counting import cases_of
from platform_assets.releases.publications import about_cases, about_table, parquet_bytes
from platform_assets.releases.reading import FOLDER, MANIFEST
from resources.environment import Platform, Settings
from resources.identity import EnvironmentKeys
from resources.lake.warehouse import Warehouse
from resources.object_store import LocalStore

if TYPE_CHECKING:
    import pandas as pd

_READ: Mapping[str, Callable[[str], Any]] = {
    "text": str,
    "integer": int,
    "number": float,
    "flag": lambda text: text == "TRUE",
    "date": dt.date.fromisoformat,
    "time": lambda text: dt.datetime.fromisoformat(text).replace(tzinfo=dt.UTC),
}
"""How R writes values of each type into CSV; a missing one is empty."""


def preview(indicator: Indicator, folder: Path, plots: Path) -> str:
    """The page of `indicator`."""
    with tempfile.TemporaryDirectory() as scratch:
        home = Path(scratch)
        store = LocalStore(home)
        number = _released(indicator, folder, store)
        platform = Platform(
            settings=Settings(home=home), warehouse=Warehouse(home / "lake"), store=store, keys=EnvironmentKeys()
        )
        # no contracts: there are no own cases and no deliveries here
        office = Office({}, platform.warehouse, store, platform.keys, home, engine_of(platform))
        book = Shelf(store).book(number)
        article = book.articles[indicator.name]
        own = _to_look_at_first(article)
        user = User("author", frozenset({Role.CLINICIAN}), (Scope(article.column("unit"), own),) if own else ())
        here = Here(office, user, Chosen(), book, Scripts(home), Freshness(office), without_login=True)
        page = {
            "article": article,
            "own": own,
            "line": figures.one_line(article, own),
            "before": pages.before_label(here, article, own, exact=True),
            "figures": [(figures.VIEWS[view], figures.figure(article, view, own)) for view in figures.views(article)],
            "comparison": pages.comparison(here, article, own, ()),
            "peers": (),
            "slices": [words.heading(name) for name in indicator.cases.slices] if indicator.cases else [],
            "pictures": [
                (plot.title, base64.b64encode((plots / f"{plot.name}.png").read_bytes()).decode())
                for plot in indicator.plots.values()
                if (plots / f"{plot.name}.png").is_file()
            ],
        }
        templates = environment()
        templates.loader = ChoiceLoader([PackageLoader("dashboard"), PackageLoader("dashboard", "static")])
        return templates.get_template("preview.html").render(here=here, page=page)


def _released(indicator: Indicator, folder: Path, store: LocalStore) -> str:
    """A release of this indicator alone; its number."""
    about = about_table(indicator)
    table = _read(folder / "table.csv", indicator.outputs)
    files = {f"{indicator.name}.parquet": parquet_bytes(table, {c.name: c.type for c in indicator.outputs.values()})}
    if indicator.cases is None:
        about |= {"protected": False, "why": indicator.public or "the script does not say"}
    else:
        columns = cases_of(indicator).atoms
        atoms = _read(folder / "atoms.csv", columns)
        files["atoms.parquet"] = parquet_bytes(atoms, {c.name: c.type for c in columns.values()})
        about = about_cases(indicator, read_policies().of(indicator.name), sorted(set(atoms["period"])))
    number = hashlib.sha256(b"".join(files.values())).hexdigest()[:16]
    hashes = {f"{indicator.name}/{name}": hashlib.sha256(data).hexdigest() for name, data in files.items()}
    for name, data in files.items():
        store.write(f"{FOLDER}/{number}/{indicator.name}/{name}", data)
    manifest = {"indicators": {indicator.name: about}, "files": hashes}
    store.write(f"{FOLDER}/{number}/{MANIFEST}", json.dumps(manifest).encode())
    return number


def _read(path: Path, columns: Mapping[str, Column]) -> pd.DataFrame:
    import pandas as pd

    with path.open(newline="", encoding="utf-8") as stream:
        rows = list(csv.DictReader(stream))
    values = {n: [_READ[c.type](row[n]) if row[n] else None for row in rows] for n, c in columns.items()}
    return pd.DataFrame({name: pd.Series(found, dtype=object) for name, found in values.items()})


def _to_look_at_first(article: Article) -> str:
    """The organisation whose label is the greatest concern."""
    lines = [(unit, figures.one_line(article, unit)) for unit in article.units]
    judged = [(words.order(line.tone), unit) for unit, line in lines if line]
    return min(judged)[1] if judged else ""


def main(arguments: list[str]) -> int:
    """Exit code 0; 1 where the page cannot be drawn."""
    script, folder, plots, target = (Path(argument) for argument in arguments)
    try:
        page = preview(read_indicator(script), folder, plots)
    except HeaderError as error:
        sys.stderr.write(f"{error}\n")
        return 1
    target.parent.mkdir(parents=True, exist_ok=True)
    target.write_text(page, encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
