"""CSV for people: the one place that writes it, for products, reports, logs, downloads and exports.

A person opens such a file in a spreadsheet, and a spreadsheet runs a cell that begins like a formula; which characters part the cells depends
on its language (a Dutch Excel splits at `;`), so a formula may also begin in the middle of what was one cell here. So:

- every text is quoted, and a number never is: negative numbers stay numbers;
- a text that begins like a formula gets an apostrophe in front (OWASP, CSV Injection). Blanks, quotation marks and characters without width
  before the formula do not hide it, nor do full-width forms;
- where, inside a text, a formula comes after a comma, semicolon, tab, bar or line break, a blank and an apostrophe are put between.

`as_typed` takes back exactly what was put in, so that a file that was sent out and changed can be read again.
UTF-8, lines end in CRLF (RFC 4180).
"""

from __future__ import annotations

import math
import re
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    import pandas as pd

FORMULA = "=+-@" + "＝＋－＠" + "﹢﹣﹦﹫" + "⁺⁻⁼₊₋₌" + "⩵⩶﬩−"
"""What begins a formula, with the forms that Unicode takes for the same (NFKC), and the minus sign of some languages."""
PARTS = ",;|\t\r\n\v\f\x1c\x1d\x1e\x85\u2028\u2029"
"""What may part cells or lines, whatever the program that reads the file takes for a separator."""
_BLANK = " \\s\x00-\x1f\x7f-\x9f\u00ad\u061c\u180e\u200b-\u200f\u202a-\u202e\u2060-\u206f\ufeff\"'\\\\"
# and what Unicode lets programs leave out, or draws as nothing (Default_Ignorable_Code_Point, Cf, fillers)
_BLANK += "\u0600-\u0605\u06dd\u070f\u0890\u0891\u08e2\U000110bd\U000110cd\U00013430-\U0001343f\u034f\u115f\u1160\u17b4\u17b5\u180b-\u180f\u2800\u3164\ufe00-\ufe0f\uffa0\ufff0-\ufffb"
_BLANK += "\U0001bca0-\U0001bca3\U0001d173-\U0001d17a\U000e0000-\U000e0fff"
"""What a reader may skip before it looks what a cell begins with; some take a backslash for an escape."""
_RUN = re.compile(f"[{_BLANK}{PARTS}]++")
_FORMULA = frozenset(FORMULA)
_BEGINS = re.compile(f"[{_BLANK}{PARTS}]*+[{re.escape(FORMULA)}]|'*+[\t\r\n]")
_PART = re.compile(f"[{PARTS}]")
_APART = " '"


def csv_bytes(table: pd.DataFrame) -> bytes:
    """`table` as CSV for people. Whole days are written as days, missing values are empty."""
    import pandas as pd

    columns = [_values(table.iloc[:, n], pd) for n in range(table.shape[1])]
    # a line that is empty as a whole would be skipped by most readers
    missing = '""' if len(columns) == 1 else ""
    lines = [",".join(_quoted(str(c)) for c in table.columns)]
    lines += [",".join(_cell(v, missing, pd.isna) for v in row) for row in zip(*columns, strict=True)]
    return "".join(line + "\r\n" for line in lines).encode()


def harmless(text: str) -> str:
    """`text`, with what keeps a spreadsheet from running any part of it."""
    found = _before_formulas(text, lambda blank: _PART.sub(rf"\g<0>{_APART}", blank))
    return "'" + found if _BEGINS.match(text) else found


def as_typed(cell: str) -> str:
    """The text of which `harmless` made `cell`; another text as it is."""
    text = cell[1:] if cell.startswith("'") and _BEGINS.match(cell) else cell
    text = _before_formulas(text, lambda blank: re.sub(f"(?<=[{PARTS}]){_APART}", "", blank))
    return text if harmless(text) == cell else cell


def _before_formulas(text: str, change: Callable[[str], str]) -> str:
    """`text`, with what stands before the formulas in it changed: blanks, and what may part cells."""
    return _RUN.sub(lambda run: change(run[0]) if text[run.end() : run.end() + 1] in _FORMULA else run[0], text)


def _values(column: pd.Series[Any], pd: Any) -> Iterable[Any]:
    if pd.api.types.is_datetime64_any_dtype(column.dtype):
        present = column.dropna()
        if (present == present.dt.normalize()).all():
            return column.dt.date.astype(object)
    return column.astype(object)


def _cell(value: Any, missing: str, is_missing: Any) -> str:
    if isinstance(value, str):
        return _quoted(value)
    if not isinstance(value, list | tuple | dict) and not hasattr(value, "shape") and is_missing(value):
        return missing
    number = isinstance(value, int) or (isinstance(value, float) and math.isfinite(value))
    return str(value) if number else _quoted(str(value))


def _quoted(text: str) -> str:
    return '"' + harmless(text).replace('"', '""') + '"'
