"""The audit log: append-only, so nothing is taken out of it. What stands there is decided as such, and the certificate says so."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from dataclasses import asdict

from platform_assets.erasure.decisions import STAYS, Spot
from platform_assets.erasure.holder import FileHolder, Work
from platform_assets.erasure.search import whole
from platform_assets.erasure.search.scan import Search

_IN_WORDS = {"ground": "its reason or ground", "table": "its table", "subject": "its subject", "details": "its details"}


class Audit(FileHolder):
    """The folder `audit`, and the entries as they are read from it."""

    order = 100
    name = "audit"
    what = "a file of the audit log"
    ways = (STAYS,)

    def claims(self) -> Collection[str]:
        """The folder below DATA_HOME for which it answers."""
        return ("audit",)

    def search(self, work: Work, search: Search) -> Iterable[Spot]:
        """A spot for every entry, and for a file that holds more than its entries say."""
        told: set[str] = set()
        for entry in self.parts.audit.entries():
            for name, value in asdict(entry).items():
                texts = search.text(str(value))
                if texts:
                    told |= texts
                    words = f"entry {entry.seq} of the audit log ({entry.action}, {entry.at[:10]}): {_IN_WORDS.get(name, name)}"
                    shown = (whole.around(str(value), texts),)
                    yield Spot(f"audit/{entry.seq}/{name}", words, self.ways, frozenset(texts), shown)
        for spot in super().search(work, search):
            if spot.texts - told:
                yield spot


HOLDER = Audit
