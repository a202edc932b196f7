"""A delivery of sample rows, and its bytes: CSV, or JSON where the file is named so."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Delivery:
    """One file: dataset, name, columns and rows."""

    dataset: str
    file: str
    columns: Sequence[str]
    rows: Sequence[Sequence[Any]]
    delimiter: str = ","
    clean: Delivery | None = None
    """The dataset as an R author gets it: the validated table's columns, without the errors."""


def to_bytes(delivery: Delivery) -> bytes:
    """The bytes of the file, by its name: CSV or JSON."""
    return to_json(delivery) if delivery.file.endswith(".json") else to_csv(delivery)


def to_json(delivery: Delivery) -> bytes:
    """A list of records with a comma after the last one, as files edited by hand have it (format json5)."""
    records = (json.dumps(dict(zip(delivery.columns, row, strict=True)), ensure_ascii=False) for row in delivery.rows)
    return ("[\n" + "".join(f"  {record},\n" for record in records) + "]\n").encode()


def to_csv(delivery: Delivery) -> bytes:
    """The rows as CSV."""
    out = io.StringIO(newline="")
    writer = csv.writer(out, delimiter=delivery.delimiter, lineterminator="\n")
    writer.writerow(delivery.columns)
    writer.writerows(["" if v is None else v for v in row] for row in delivery.rows)
    return out.getvalue().encode()
