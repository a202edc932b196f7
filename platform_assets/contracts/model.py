"""The contract of a dataset: columns, format, how deliveries are loaded, rules and quality limits.

Everything that adding a dataset needs is said here, once. Unknown keys are errors. The YAML key `in` is the field `allowed`
(a Python keyword cannot be a field); likewise `from` is `header`.
"""

from __future__ import annotations

import datetime as dt
import difflib
import re
from typing import TYPE_CHECKING, Annotated, ClassVar, Literal, Union
from zoneinfo import available_timezones

from pydantic import BeforeValidator, Discriminator, Field, Tag, WithJsonSchema, field_validator, model_validator

from platform_assets.contracts import parsed as parsed_columns
from platform_assets.contracts import worked_out
from platform_assets.contracts.columns import (
    RESERVED,
    TEMPORAL,
    Column,
    ColumnType,
    regular_expression,
)
from platform_assets.contracts.dates.formats import DateFormat, DateFormatError, ambiguous, read_format
from platform_assets.contracts.file_format import FileFormat
from platform_assets.contracts.fingerprint import fingerprint
from platform_assets.contracts.mode import Mode, Terms
from platform_assets.contracts.modes import MODES
from platform_assets.sources.base import Source
from platform_assets.sources.kinds import kind_of, kinds
from platform_assets.sources.landing import LandingSource
from platform_assets.strict import Name, Strict, TextList, percentage
from resources import clock
from resources.text.spelling import folded


class Order(Strict):
    """What makes a delivery newer than another: a date in its file name, or a column of its rows."""

    file_name: str | tuple[str, ...] | None = None
    """Regular expression with one group that holds the date, e.g. ``_(\\d{4}-\\d{2}-\\d{2})``; or several, the first that fits counts."""
    format: str | tuple[str, ...] = "%Y-%m-%d"
    """How the date is written; or several ways. Years of two digits are of this century."""
    column: Name | None = None

    @model_validator(mode="after")
    def _one_of_them(self) -> Order:
        if (self.file_name is None) == (self.column is None):
            raise ValueError("say either 'file_name' (a regular expression with one group) or 'column'")
        for pattern in self.patterns:
            if re.compile(regular_expression(pattern)).groups != 1:
                raise ValueError("'file_name' has exactly one group: the date")
        if self.file_name is not None:
            try:
                clash = ambiguous(self.formats("UTC"))
            except DateFormatError as error:
                raise ValueError(str(error)) from None
            if clash:
                raise ValueError(f"ambiguous: {clash[2]!r} is one day under {clash[0]} and another under {clash[1]}")
        return self

    @property
    def patterns(self) -> tuple[str, ...]:
        """Regular expressions of the date in a file's name."""
        return (self.file_name,) if isinstance(self.file_name, str) else self.file_name or ()

    def formats(self, zone: str) -> tuple[DateFormat, ...]:
        """The ways in which the date may be written; `zone` names the clock of the dataset."""
        texts = (self.format,) if isinstance(self.format, str) else self.format
        return tuple(read_format(text, zone=zone) for text in texts)

    def moment_of(self, file: str, zone: str) -> dt.datetime | None:
        """The date in the name `file`: the first that one of the patterns finds and one of the formats reads; None where there is none."""
        for pattern in self.patterns:
            for found in re.finditer(pattern, file):
                for fmt in self.formats(zone):
                    moment = fmt.parse(found[1] or "")
                    if moment is not None:
                        return moment
        return None


class Load(Strict):
    """How a delivery changes the table: the load modes are in `contracts.modes`."""

    mode: Annotated[str, WithJsonSchema({"enum": sorted(MODES)})]
    key: TextList = ()
    order_by: Literal["delivered"] | Order = "delivered"
    duplicates: Literal["last_wins", "quarantine"] = "last_wins"
    again: Literal["apply", "hold", "ignore"] | None = None
    """What content that came before means, where other content came since and only its arrival says that it is newer. Default: as the
    mode says (`Mode.on_former`)."""
    parts: bool = False
    """Files whose names have one date are parts of one snapshot."""
    deletes: dict[Name, TextList] = Field(default_factory=dict)
    """Column -> values with which a row deletes its key, e.g. ``{status: [D]}``."""
    replaces: TextList = ()
    """The columns by which a delivery is the whole of what it is about, e.g. ``[week]``: rows of its weeks that it does not have leave."""
    history: bool = False
    """Keep from when to when each row was valid: table ``history.<dataset>``."""
    absent: Literal["keep", "clear"] = "keep"
    """What a column that a file does not bring says about the earlier value of a key: nothing, or that there is none."""

    @model_validator(mode="after")
    def _key_fits_the_mode(self) -> Load:
        refusal = self.changes.refusal(self.key, ordered="order_by" in self.model_fields_set)
        if refusal:
            raise ValueError(refusal)
        if self.duplicates == "quarantine" and not self.key:
            raise ValueError("'duplicates' needs a key")
        if (self.deletes or self.replaces) and not self.changes.partial:
            raise ValueError("'deletes' and 'replaces' are for upsert, where a delivery changes a part of the table")
        if self.deletes and self.order_by != "delivered":
            raise ValueError(
                "'deletes' goes with order_by: delivered: nothing stays of a deleted row that could tell that an older one comes too late"
            )
        if self.replaces and self.terms.dated and not self.terms.named:
            raise ValueError(
                "'replaces' needs one place in time for the whole delivery: order_by delivered, or a date in the file name"
            )
        if "absent" in self.model_fields_set and not self.key:
            raise ValueError("'absent' needs a key: without one no row has an earlier value")
        if self.parts and not (self.changes.whole and self.terms.named):
            raise ValueError(
                "'parts' is for a snapshot whose files have their date in their names (order_by: file_name)"
            )
        return self

    @field_validator("mode")
    @classmethod
    def _known_mode(cls, value: str) -> str:
        if value not in MODES:
            raise ValueError(f"{value!r} is no load mode: say {', '.join(sorted(MODES))}")
        return value

    @property
    def changes(self) -> Mode:
        """What the load mode means."""
        return MODES[self.mode]

    @property
    def one_at_a_time(self) -> bool:
        """Whether what a delivery does depends on the table as the one before has left it."""
        return bool(self.deletes or self.replaces)

    @property
    def on_former(self) -> str:
        """See `Terms.on_former`."""
        return self.again or self.changes.on_former

    @property
    def terms(self) -> Terms:
        """What is weighed between deliveries."""
        order = self.order_by if isinstance(self.order_by, Order) else None
        return Terms(order is not None, bool(order and order.file_name), self.parts, self.on_former)


if TYPE_CHECKING:
    SourceOfKind = Source
else:  # the kinds are found when this is read
    SourceOfKind = Annotated[
        Union[tuple(Annotated[each, Tag(name)] for name, each in kinds().items())],  # noqa: UP007
        Discriminator(kind_of),
    ]


class Partition(Strict):
    """By which weeks or months the table is laid out and reported. Weeks are ISO weeks: Monday, ISO year."""

    by: Name
    unit: Literal["iso_week", "month"] = "iso_week"


class Rule(Strict):
    """A named rule over the table: a function of operators that pandas and Ibis share, True where a row is right."""

    name: Name
    check: str = Field(pattern=r"^[A-Za-z_][\w.]*:[A-Za-z_]\w*$")
    description: str = ""
    severity: Literal["error", "warn"] = "error"
    """error: the row is quarantined. warn: it is kept, and counted."""


class Freshness(Strict):
    """When new data should have come: the latest tick of `cron` must not be newer than the last delivery."""

    cron: str
    grace_hours: float = Field(default=0, ge=0)

    @field_validator("cron")
    @classmethod
    def _five_fields(cls, value: str) -> str:
        if len(value.split()) != 5:
            raise ValueError(f"{value!r} is not a cron line of five fields, e.g. '0 9 * * 1' for Mondays at nine")
        return value


class Quality(Strict):
    """Limits of the whole delivery. One that breaks them is held: nothing of it is published until someone looks."""

    max_quarantined: Annotated[
        float, BeforeValidator(percentage), Field(ge=0, le=1), WithJsonSchema({"type": ["number", "string"]})
    ] = 0.05
    min_rows: int = Field(default=1, ge=0)
    freshness: Freshness | None = None


class Public(Strict):
    """Data that anybody may have, with the reason: what is computed of them alone may be published as it is."""

    public: str = Field(min_length=10)


class Contract(Strict):
    """A dataset: what comes in, what is right, and what becomes of it."""

    kinds_of: ClassVar[frozenset[str]] = frozenset({"source"})

    name: Name
    description: str = Field(min_length=1)
    owner: str = Field(pattern=r"^(team:[A-Za-z0-9_.-]+|[^@\s]+@[^@\s]+)$")
    source: SourceOfKind = LandingSource()
    format: Annotated[
        tuple[FileFormat, ...],
        BeforeValidator(lambda v: [v] if isinstance(v, dict) else v),
        WithJsonSchema({"type": ["object", "array"]}),
    ]
    load: Load
    partition: Partition | None = None
    null_tokens: tuple[str, ...] = ("",)
    columns: dict[Name, Column] = Field(min_length=1)
    ignore: tuple[str, ...] = ()
    """Columns of the file that are known and not taken: they are no drift."""
    tree: worked_out.Tree | None = None
    rules: tuple[Rule, ...] = ()
    quality: Quality = Quality()
    sensitivity: Literal["personal"] | Public = "personal"
    """What is computed of personal data leaves the platform only as a release of protected counts."""
    tags: dict[str, str] = Field(default_factory=dict)
    timezone: str | None = None
    """Name of the zone by whose clock the dataset is kept, e.g. Europe/Paris; default: that of the installation. It says what day
    `today` is, when a delivery is due, and what time a moment with an offset from UTC becomes."""

    @field_validator("timezone")
    @classmethod
    def _known_zone(cls, value: str | None) -> str | None:
        if value is not None and value not in available_timezones():
            near = difflib.get_close_matches(value, available_timezones(), n=1)
            raise ValueError(
                f"{value!r} is no time zone"
                + (f"; did you mean {near[0]}?" if near else "; write for example Europe/Paris or UTC")
            )
        return value

    @model_validator(mode="after")
    def _names_agree(self) -> Contract:
        def known(name: str, where: str) -> Column:
            if name not in self.columns:
                raise ValueError(f"{where}: there is no column {name!r}; columns are {', '.join(self.columns)}")
            return self.columns[name]

        for name in self.columns:
            if name in RESERVED or "__" in name:
                raise ValueError(
                    f"column {name!r}: this name has a meaning of its own in the engine; use 'from' to rename it"
                )
        for key in self.load.key:
            known(key, "load.key")
        refusal = self.source.refusal([(fmt.kind, fmt.records) for fmt in self.format])
        if refusal:
            raise ValueError(f"format: {refusal}")
        if self.source.brings_changes and not self.load.changes.partial:
            raise ValueError(
                "source: with a watermark a delivery holds what has changed, and some rows again: that needs load.mode: upsert"
            )
        if self.source.sweeps and self.load.replaces:
            raise ValueError("source.sweep: 'replaces' says already what leaves the table: drop one of them")
        for name in self.load.replaces:
            if known(name, "load.replaces").nullable:
                raise ValueError(f"load.replaces: {name} must have a value in every row")
        for name, values in self.load.deletes.items():
            column = known(name, "load.deletes")
            if column.type not in (ColumnType.STRING, ColumnType.CATEGORICAL) or name in self.identifiers:
                raise ValueError(f"load.deletes: {name} must be a text, and no identifier")
            unknown = sorted(set(values) - set(column.allowed or values))
            if unknown or not values:
                raise ValueError(
                    f"load.deletes: {name} never is {unknown[0]!r}"
                    if unknown
                    else f"load.deletes: say which values of {name}"
                )
        for name, derived in self.derived.items():
            for source in derived.derived_from:
                column = known(source, f"columns.{name}.derived_from")
                if column.nullable or column.role == "identifier":
                    raise ValueError(
                        f"columns.{name}.derived_from: {source} must have a value in every row, and be no identifier"
                    )
        for fmt in self.format:
            wide = [("wide.name", fmt.wide.name), ("wide.value", fmt.wide.value)] if fmt.wide else []
            left = [(f"leave_out.{n}", c) for n, p in fmt.leave_out.items() if not isinstance(p, str) for c in p]
            for where, name in (*wide, *left, *(("fill_down", c) for c in fmt.fill_down)):
                if known(name, f"format.{where}").constant is not None:
                    raise ValueError(f"format.{where}: {name} is a constant, which is in no file")
            if fmt.wide and (self.columns[fmt.wide.name].role == "identifier" or fmt.wide.name == fmt.wide.value):
                raise ValueError(
                    "format.wide.name: a column per person cannot be turned into rows (names of columns are shown to people); "
                    "and name and value are two columns"
                )
        if isinstance(self.load.order_by, Order) and self.load.order_by.column:
            column = known(self.load.order_by.column, "load.order_by.column")
            if column.type not in TEMPORAL or column.nullable:
                raise ValueError("load.order_by.column must be a required date or timestamp")
        if self.partition:
            column = known(self.partition.by, "partition.by")
            if column.type not in TEMPORAL or column.nullable:
                raise ValueError("partition.by must be a required date or timestamp")
        if any(c.cumulative for c in self.columns.values()) and (
            self.partition is None or self.partition.by not in self.load.key or len(self.load.key) < 2
        ):
            raise ValueError(
                "a cumulative column needs partition.by as its time, and load.key made of that time and of what it is counted for"
            )
        headers = [folded(h) for name, c in self.columns.items() if c.constant is None for h in (c.header or (name,))]
        twice = {h for h in headers if headers.count(h) > 1}
        if twice:
            raise ValueError(f"two columns are read from the same header {sorted(twice)[0]!r}")
        if len({r.name for r in self.rules}) != len(self.rules):
            raise ValueError("two rules have the same name")
        for refused in (*parsed_columns.refusals(self), *worked_out.refusals(self)):
            raise ValueError(refused)
        return self

    @property
    def is_public(self) -> bool:
        """Whether anybody may have these data."""
        return isinstance(self.sensitivity, Public)

    @property
    def zone(self) -> str:
        """Name of the zone by whose clock the dataset is kept."""
        return self.timezone or clock.zone().key

    def today(self) -> dt.date:
        """The day that the limit `today` stands for now."""
        return clock.today(where=self.timezone)

    @property
    def file_columns(self) -> dict[str, Column]:
        """The columns that a file brings, i.e. all but constants."""
        return {name: c for name, c in self.columns.items() if c.constant is None}

    @property
    def named(self) -> dict[str, Column]:
        """The columns that the name of a file tells."""
        return {name: c for name, c in self.columns.items() if c.from_file_name is not None}

    @property
    def parsed(self) -> dict[str, parsed_columns.ParsedFrom]:
        """The columns that the text of another tells."""
        return {name: c.parsed_from for name, c in self.columns.items() if c.parsed_from is not None}

    @property
    def derived(self) -> dict[str, Column]:
        """The columns whose value is derived where it is missing."""
        return {name: c for name, c in self.columns.items() if c.derived_from}

    @property
    def kept_where_absent(self) -> tuple[str, ...]:
        """The columns whose earlier values stay where a file does not bring them."""
        if not self.load.key or self.load.absent == "clear":
            return ()
        fixed = {*self.load.key, *self.derived, *self.parsed}
        return tuple(n for n, c in self.file_columns.items() if c.nullable and n not in fixed)

    @property
    def identifiers(self) -> dict[str, str]:
        """Identifier columns and the purpose (key name) that pseudonymises each."""
        return {name: c.purpose or name for name, c in self.columns.items() if c.role == "identifier"}

    @property
    def cumulative_within(self) -> tuple[str, ...]:
        """What a cumulative column is counted for: the key without the time."""
        return tuple(k for k in self.load.key if self.partition is None or k != self.partition.by)

    @property
    def hash(self) -> str:
        """Sixteen hex digits that change whenever what the contract says does; see `contracts.fingerprint`."""
        return fingerprint(self)
