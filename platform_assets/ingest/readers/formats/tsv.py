"""TSV: CSV with tabs."""

from __future__ import annotations

from platform_assets.ingest.readers.formats import csv


class Tsv(csv.Csv):
    """Delimited text with tabs."""

    kind = "tsv"
    words = "TSV: text with a tab between the cells"
    example = "A-1\tPOS"
    ending = "tsv"
