"""Products: files that are made from the tables. One that names somebody is deleted; it is made again."""

from __future__ import annotations

from collections.abc import Collection

from typing_extensions import override

from platform_assets.erasure.decisions import DROP, ELSE
from platform_assets.erasure.holder import FileHolder, Work
from platform_assets.erasure.search import whole
from platform_assets.erasure.search.scan import Search
from platform_assets.releases.reading import FOLDER


class Products(FileHolder):
    """The folder `products`."""

    order = 20
    name = "products"
    what = "a file of a product"
    ways = (DROP, ELSE)

    def claims(self) -> Collection[str]:
        """The folder below DATA_HOME for which it answers."""
        return ("products",)

    @override
    def holds(self, name: str) -> bool:
        """Releases have a holder of their own."""
        return super().holds(name) and not name.startswith(f"{FOLDER}/")

    def erase(self, work: Work) -> list[str]:
        """Delete files in which one of the texts stands. Returns their names, without the texts."""
        self.decide_files(work)
        if not work.texts:
            return []
        removed, search, ground = [], Search(work.texts), self.parts.ground
        for name, opened in list(ground.files(self.holds)):
            if search.file(name, opened) | search.text(name):
                ground.delete(name)
                removed.append(whole.without(name, work.texts, "erased"))
        return removed


HOLDER = Products
