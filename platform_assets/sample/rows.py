"""A delivery of sample rows, and its CSV."""

from __future__ import annotations

import csv
import io
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


def to_csv(delivery: Delivery) -> bytes:
    """The bytes of the file."""
    out = io.StringIO(newline="")
    writer = csv.writer(out, delimiter=delivery.delimiter, lineterminator="\n")
    writer.writerow(delivery.columns)
    writer.writerows(["" if v is None else v for v in row] for row in delivery.rows)
    return out.getvalue().encode()
