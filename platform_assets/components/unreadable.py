"""The asset of an indicator's file that cannot be read: it must not take the others down with it."""

from __future__ import annotations

from pathlib import Path

import dagster as dg

from resources.text.markdown import plain


def unreadable_asset(path: Path, name: str, kind: str, problem: str) -> dg.AssetsDefinition:
    """An asset that says what is wrong, in the list of assets and when somebody runs it. `kind` is Dagster's: ``r`` or ``sql``."""

    @dg.asset(
        key=["indicators", name],
        group_name="indicators",
        kinds={kind},
        description=plain(f"{path.name} cannot be used. {problem}"),
    )
    def unreadable() -> None:
        raise dg.Failure(problem, allow_retries=False)

    return unreadable
