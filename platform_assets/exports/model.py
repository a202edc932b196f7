"""An export as it is written in YAML: what leaves, in which windows, as what kind of file, to whom, and on what ground."""

from __future__ import annotations

import codecs
import datetime as dt
import re
import string
from typing import Annotated, Literal

from pydantic import Field, field_validator, model_validator

from platform_assets.access.roles import ALLOWED, Permission, Role
from platform_assets.strict import Duration, Name, Strict

EPOCH = dt.timedelta(0)
PART_NAME = 255 - len("..part")
"""Bytes of the longest name that a file system takes while the file is on its way (``.<name>.part``)."""
_DIRECTIVES = frozenset("YmdHMSjGVu")
"""Of strftime: those of fixed length and of digits only, whatever the language of the machine."""
NO_TEMPLATE = "file.name cannot be read as a template; write for example stays_{start:%Y%m%d}.csv"
_PLAIN = re.compile(r"[A-Za-z0-9._-]+")
_RELATIVE = r"^[^/\x00]+(/[^/\x00]+)*$"
Relative = Annotated[str, Field(pattern=_RELATIVE)]


class Windowed(Strict):
    """Closed windows of one length; each is a partition."""

    by: str = ""
    """Column of days or moments that a row's window is told by. A query uses $start and $end instead."""
    unit: Literal["day", "week", "month"]
    """Weeks begin on Mondays."""
    start: dt.date
    """A day of the first window."""
    closed_after: Duration = EPOCH
    """How long after its end a window is taken as complete."""


class Watermark(Strict):
    """What came since the last file."""

    by: str
    """Column of days or moments that grows with every load, e.g. ``_as_of``. A row that comes later with an earlier value is never exported."""


class Dates(Strict):
    """Single days."""

    by: str = ""
    """As in a window."""
    on: tuple[dt.date, ...] = Field(min_length=1)


class File(Strict):
    """How the file is written."""

    name: str
    """Template: ``{start:%Y%m%d}``, ``{end:...}`` (the day after the window), ``{last:...}`` (its last day), ``{export}``, ``{release}``."""
    kind: Literal["csv", "tsv", "parquet", "json", "xlsx"] = "csv"
    """json: one object a line. xlsx: one sheet, of 1,048,575 rows at most."""
    delimiter: str = ","
    quote: Literal["needed", "all", "never"] = "needed"
    """never: refused where a value holds the delimiter, a quotation mark or a line break, or reads like `null`."""
    header: bool = True
    encoding: Literal["utf-8", "utf-8-sig", "iso-8859-1", "iso-8859-15", "windows-1252"] = "utf-8"
    """A character that it lacks is refused, never replaced. utf-8-sig begins with a byte order mark."""
    line_end: Literal["lf", "crlf"] = "lf"
    null: str = ""
    """What stands where there is no value."""
    max_name: int = Field(default=100, ge=1, le=PART_NAME)
    """Bytes that the name may have."""

    @field_validator("delimiter")
    @classmethod
    def _one_sign(cls, value: str) -> str:
        if len(value) != 1 or not value.isascii() or value in '"\r\n\0' or value.isalnum():
            raise ValueError(
                "the delimiter is one sign of ASCII that is no letter, digit, quotation mark or line break"
            )
        return value

    @field_validator("null")
    @classmethod
    def _no_break_in_null(cls, value: str) -> str:
        if any(sign in value for sign in '"\r\n'):
            raise ValueError("the text for a missing value holds no quotation mark and no line break")
        return value

    @model_validator(mode="after")
    def _fits_the_kind(self) -> File:
        delimited = {"delimiter", "quote", "header", "null", "line_end", "encoding"} & self.model_fields_set
        if self.kind not in ("csv", "tsv") and delimited:
            raise ValueError(
                f"{', '.join(sorted(delimited))}: a file of kind {self.kind} has none of these; leave it out"
            )
        if self.kind == "tsv" and "delimiter" in self.model_fields_set:
            raise ValueError("a file of kind tsv is parted by tabs: leave `delimiter` out, or write kind: csv")
        if self.parted_by in self.null:
            raise ValueError("the text for a missing value holds the delimiter")
        codecs.lookup(self.encoding)
        return self

    @property
    def parted_by(self) -> str:
        """The delimiter."""
        return "\t" if self.kind == "tsv" else self.delimiter

    def rendered(self, **given: object) -> str:
        """The name of one file. Raises ValueError where the template names what is not given, or the name is none that every system takes."""
        try:
            parts = list(string.Formatter().parse(self.name))
        except ValueError:
            raise ValueError(NO_TEMPLATE) from None
        for _, field, spec, conversion in parts:
            if field is None:
                continue
            if field not in given or conversion:
                known = ", ".join(f"{{{name}}}" for name in given)
                raise ValueError(f"file.name: there is no {{{field}}} here; there are {known}")
            left = re.sub(r"%(.)", lambda found: "" if found[1] in _DIRECTIVES else "%", spec or "")
            if "%" in left or (isinstance(given[field], dt.date) and "%" not in (spec or "")):
                raise ValueError(f"file.name: write {{{field}:%Y%m%d}}, with %Y %m %d %H %M %S %j %G %V %u only")
        try:
            name = self.name.format(**given)
        except (ValueError, IndexError, KeyError):
            raise ValueError(NO_TEMPLATE) from None
        if not _PLAIN.fullmatch(name) or name.startswith("."):
            raise ValueError("file.name: letters of ASCII, digits, '.', '_' and '-', and no '.' at the beginning")
        if len(name) > self.max_name:
            raise ValueError(f"file.name makes names of {len(name)} bytes, {name}; max_name is {self.max_name}")
        return name


class Acknowledge(Strict):
    """How the partner says what became of a file."""

    file: str = "{name}.ack"
    """Says that it was taken. Where it holds a SHA-256 or ``size: N``, they must be ours."""
    refused: str | None = None
    """Says that it was refused, e.g. ``{name}.err``. What stands in it is never copied: it may quote rows."""
    folder: Relative | None = None
    """Where they lie, seen from where the files go; default: beside them."""
    within: Duration = dt.timedelta(hours=24)
    """After so long without an answer a file counts as unanswered, which is an alert."""

    @field_validator("file", "refused")
    @classmethod
    def _named_after_the_file(cls, value: str | None) -> str | None:
        if value is not None and (value.count("{name}") != 1 or "/" in value or not value.isprintable()):
            raise ValueError(
                "write it with {name} for the name of the file, e.g. {name}.ack; a folder goes into `folder`"
            )
        return value

    @field_validator("folder")
    @classmethod
    def _known_folder(cls, value: str | None) -> str | None:
        return value if value is None else below(value)


class Destination(Strict):
    """Where files go."""

    folder: Relative = "."
    """Seen from the place itself. It must be there."""
    verify: Literal["size", "read_back"] = "size"
    """What is compared before the file gets its name: its size, or every byte, read back."""
    acknowledge: Acknowledge | None = None
    """Default: a file that is sent is done."""

    @field_validator("folder")
    @classmethod
    def _below(cls, value: str) -> str:
        return below(value)

    @property
    def _below_it(self) -> str:
        return "" if self.folder == "." else f", folder {self.folder}"


class SftpDestination(Destination):
    """A partner's SFTP server; its address is ``PLATFORM_SFTP_<SERVER>``, as for a source of files."""

    kind: Literal["sftp"]
    server: Name

    @property
    def in_words(self) -> str:
        """For people, without an address."""
        return f"SFTP server {self.server}{self._below_it}"


class FolderDestination(Destination):
    """A folder, as of a share that is mounted; its path is ``PLATFORM_FOLDER_<PLACE>``."""

    kind: Literal["folder"]
    place: Name

    @property
    def in_words(self) -> str:
        """For people, without a path."""
        return f"folder {self.place}{self._below_it}"


class BucketDestination(Destination):
    """A partner's bucket; its address is ``PLATFORM_OBJECTS_<BUCKET>``, as for a source of objects."""

    kind: Literal["bucket"]
    bucket: Name

    @property
    def in_words(self) -> str:
        """For people, without an address."""
        return f"bucket {self.bucket}{self._below_it}"


class RowLevel(Strict):
    """Rows of people leave only by somebody's right, on a ground, to a named recipient."""

    role: Role
    """Whose right it is."""
    ground: str = Field(min_length=10, max_length=300)
    """The law, contract or decision by which the recipient gets them."""
    recipient: str = Field(min_length=2, max_length=200)
    """Who gets them. After an erasure this is who has to be told."""

    @field_validator("role")
    @classmethod
    def _may_export(cls, value: Role) -> Role:
        if value is Role.CLINICIAN or Permission.EXPORT_ROWS not in ALLOWED[value]:
            may = [r.value for r in Role if Permission.EXPORT_ROWS in ALLOWED[r] and r is not Role.CLINICIAN]
            raise ValueError(f"the role {value.value} may not hand out all rows; it takes {' or '.join(may)}")
        return value


class Export(Strict):
    """One export."""

    kinds_of = frozenset({"deliver"})

    name: Name
    description: str = ""
    owner: str
    table: str | None = Field(default=None, pattern=r"^(validated|indicators)\.[a-z][a-z0-9_]*$")
    """A table as it is, without the columns of the platform's own."""
    query: str | None = Field(default=None, pattern=r"^[A-Za-z0-9_-]+\.sql$")
    """A file beside this one: one SELECT, in which $start and $end are the window (`end` is outside)."""
    published: Name | None = None
    """An indicator as it stands in the current release: its protected figures. Each release makes a file."""
    window: Windowed | None = None
    watermark: Watermark | None = None
    dates: Dates | None = None
    file: File
    row_level: RowLevel | None = None
    """Needed where rows of people leave."""
    deliver: SftpDestination | FolderDestination | BucketDestination = Field(discriminator="kind")

    @model_validator(mode="after")
    def _one_of_each(self) -> Export:
        if sum(x is not None for x in (self.table, self.query, self.published)) != 1:
            raise ValueError("write one of `table`, `query` and `published`: what leaves")
        windows = [x for x in ("window", "watermark", "dates") if getattr(self, x) is not None]
        if self.published is not None:
            if windows or self.row_level:
                raise ValueError("`published` leaves release by release, as it is: it has no window and no `row_level`")
            return self
        if len(windows) != 1:
            raise ValueError("write one of `window`, `watermark` and `dates`: which rows make one file")
        if self.query is not None and self.watermark is not None:
            raise ValueError("a watermark goes with a `table`; give a query windows or dates")
        by = (self.window or self.watermark or self.dates).by  # type: ignore[union-attr]
        if self.table is not None and not by:
            raise ValueError("`by` is missing: the column of the table by which rows belong to a window")
        if self.query is not None and by:
            raise ValueError("a query says itself what is in a window, by $start and $end: leave `by` out")
        return self


def below(path: str) -> str:
    """`path`, where it leads nowhere but down. Raises ValueError."""
    if path != "." and any(part in ("", ".", "..") for part in path.split("/")):
        raise ValueError("write a folder below, without '.' and '..', e.g. in/weekly")
    return path
