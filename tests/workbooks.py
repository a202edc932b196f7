"""Workbooks for tests."""

from __future__ import annotations

import io
from collections.abc import Iterable, Sequence

from platform_assets.ingest.readers.formats.xlsx import write_workbook


def workbook(sheet: str, rows: Iterable[Sequence[str | None]]) -> bytes:
    """A workbook of one sheet of texts."""
    buffer = io.BytesIO()
    write_workbook(buffer, sheet, rows)
    return buffer.getvalue()
