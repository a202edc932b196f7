"""How the files of a dataset are written, as its contract says it: kind, encoding, where the table stands in them."""

from __future__ import annotations

import re
from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, Field, WithJsonSchema, field_validator, model_validator

from platform_assets.contracts.columns import regular_expression
from platform_assets.contracts.file_kinds import KINDS, LAYOUT
from platform_assets.strict import Name, Strict, TextList


def _known_kind(value: Any) -> Any:
    if not isinstance(value, str) or value not in KINDS:
        raise ValueError(f"there is no kind {value!r}; kinds are {', '.join(KINDS)}")
    return value


class Wide(Strict):
    """A table with a column per day (or place, or age group): each of these columns becomes a row of its own. Names of JSON's objects, too."""

    columns: str
    """Regular expression that the names of these columns match; where it has a group, that part of the name is kept."""
    name: Name
    """The contract's column that takes the name."""
    value: Name
    """The contract's column that takes the value."""
    empty: Literal["keep", "leave_out"] = "keep"
    """What becomes of empty cells: rows without a value, or none, counted as left out."""

    @field_validator("columns")
    @classmethod
    def _compiles(cls, value: str) -> str:
        if re.compile(regular_expression(value)).groups > 1:
            raise ValueError("the pattern has at most one group: the part of the name that is kept")
        return value

    def name_of(self, header: str) -> str | None:
        """What a column of this name is kept as; None where it is none of these columns."""
        found = re.search(self.columns, header)
        return found and (found[1] if found.re.groups else header)


class FileFormat(Strict):
    """How files are written. Gzip, zip and tar are seen by themselves, whatever the kind."""

    kind: Annotated[str, BeforeValidator(_known_kind), WithJsonSchema({"enum": list(KINDS)})]
    files: TextList = ()
    """File-name patterns of this format; default: by the kind's usual extension."""
    delimiter: str | None = Field(default=None, min_length=1, max_length=1)
    quote: str = Field(default='"', min_length=1, max_length=1)
    encoding: Literal["utf-8", "latin-1", "cp1252", "utf-16"] = "utf-8"
    escape: str | None = Field(default=None, min_length=1, max_length=1)
    """The character after it stands for itself: a quote, the delimiter, a line break or another of it. Other pairs stay as they are."""
    short_rows: Literal["quarantine", "pad"] = "quarantine"
    """Rows of fewer cells than the header: wrong, or their last cells are empty."""
    comment: str | None = Field(default=None, min_length=1)
    """Lines that begin with it are no rows; they are counted."""
    header: bool = True
    """Whether the first row names the columns; otherwise they stand in the order of the contract."""
    skip_rows: int = Field(default=0, ge=0)
    """Lines or rows before the header, whatever is in them."""
    header_rows: int = Field(default=1, ge=1, le=10)
    """Rows of the header. The names in them are joined by a blank; a cell that is empty (merged) takes the name on its left."""
    skip_after_header: int = Field(default=0, ge=0)
    """Rows below the header that are no data: units, instructions."""
    leave_out: dict[Name, str | dict[Name, str]] = Field(default_factory=dict)
    """Rows that are no data, such as totals and footers: a name for people -> a regular expression that the row matches, its cells
    joined by the delimiter (in a sheet by a tab), or for columns of the contract one that each matches. They are counted by that name."""
    fill_down: TextList = ()
    """Columns of the contract in which an empty cell stands for the value above it (cells merged over several rows)."""
    wide: Wide | None = None
    sheet: str | tuple[str, ...] | None = None
    """Excel: the sheet that holds the rows, or several, also by pattern (``20*``). Their rows are numbered one after the other."""
    lines: TextList = ()
    """Regular expressions of a line, tried one after the other; the names of their groups are names of columns (``(?P<ip>\\S+)``)."""
    template: str | None = None
    """How a line is written, for rows that were mended: ``{ip} - - [{at}]``. Left out: none is; let the dataset take CSV too."""
    records: str | None = None
    """JSON: dotted path to the list of records; default: the document itself, or one record per line."""
    explode: str | None = Field(default=None, min_length=1)
    """JSON: dotted path to a list in each record; each of its entries is a row, with the rest of the record beside it."""

    @model_validator(mode="after")
    def _options_fit_the_kind(self) -> FileFormat:
        allowed = KINDS[self.kind].options
        wrong = sorted(self.model_fields_set - allowed - {"kind", "files"})
        if wrong:
            raise ValueError(f"'{wrong[0]}' does not apply to {self.kind}")
        if not self.header and (self.wide or self.header_rows > 1 or self.skip_after_header):
            raise ValueError("'wide', 'header_rows' and 'skip_after_header' need a header: drop 'header: false'")
        if self.explode and self.wide:
            raise ValueError("'explode' and 'wide' both make rows of a record: keep one of them")
        if self.escape is not None and self.escape in (self.quote, self.separator):
            raise ValueError("'escape' is another character than the quote and the delimiter")
        if self.kind == "lines":
            self._lines_make_sense()
        for patterns in self.leave_out.values():
            for pattern in (patterns,) if isinstance(patterns, str) else patterns.values():
                regular_expression(pattern)
        return self

    def _lines_make_sense(self) -> None:
        if not self.lines:
            raise ValueError("'lines' says what a line looks like: one or more regular expressions with named groups")
        for pattern in self.lines:
            if not re.compile(regular_expression(pattern)).groupindex:
                raise ValueError(
                    f"{pattern!r} has no named group such as (?P<ip>\\S+): nothing of the line would be taken"
                )
        unknown = set(self.fields) - set(re.compile(self.lines[0]).groupindex)
        if unknown:
            raise ValueError(f"'template': the first of 'lines' has no group {sorted(unknown)[0]!r}")

    @property
    def fields(self) -> tuple[str, ...]:
        """The names in `template`."""
        return tuple(re.findall(r"\{(\w+)\}", self.template or ""))

    @property
    def laid_out(self) -> bool:
        """Whether there is more to a file than a header and its rows, so that its first line says little."""
        plain = FileFormat(kind=self.kind)
        return any(getattr(self, name) != getattr(plain, name) for name in (*LAYOUT, "escape", "short_rows", "comment"))

    @property
    def separator(self) -> str:
        """The delimiter of a csv or tsv file."""
        return self.delimiter or KINDS[self.kind].delimiter

    @property
    def sheets(self) -> tuple[str, ...]:
        """Names or patterns of the sheets that are read; none where the first is."""
        return (self.sheet,) if isinstance(self.sheet, str) else self.sheet or ()

    @property
    def joint(self) -> str:
        """What the cells of a row are joined by where a pattern is held against the whole of it."""
        return self.separator if "quote" in KINDS[self.kind].options else "\t"

    @property
    def patterns(self) -> tuple[str, ...]:
        """File-name patterns, with those of compressed files."""
        plain = self.files or tuple(f"*.{ending}" for ending in KINDS[self.kind].endings)
        archives = () if self.files else ("*.zip", "*.tgz", "*.tar", "*.tar.gz")
        return tuple(p + suffix for p in plain for suffix in ("", ".gz", ".zip", ".tgz", ".tar", ".tar.gz")) + archives
