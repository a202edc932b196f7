"""The base of everything that people write in YAML: unknown keys are errors that say which key may be meant."""

from __future__ import annotations

import datetime as dt
import difflib
import re
from typing import Annotated, Any, ClassVar, Self

from pydantic import (
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    ModelWrapValidatorHandler,
    ValidationError,
    WithJsonSchema,
    model_validator,
)
from pydantic_core import InitErrorDetails, PydanticCustomError

NAME = r"^[a-z][a-z0-9_]{0,62}$"
Name = Annotated[str, Field(pattern=NAME)]


def _as_list(value: Any) -> Any:
    return [value] if isinstance(value, str) else value


_ONE_OR_MORE = {"anyOf": [{"type": "string"}, {"type": "array", "items": {"type": "string"}}]}
TextList = Annotated[tuple[str, ...], BeforeValidator(_as_list), WithJsonSchema(_ONE_OR_MORE)]
"""One text or several."""

_UNITS = {"second": 1, "minute": 60, "hour": 3600, "day": 86_400, "week": 604_800}


def _as_duration(value: Any) -> Any:
    found = re.fullmatch(r"(\d+)\s*(second|minute|hour|day|week)s?", value.strip()) if isinstance(value, str) else None
    if found:
        return dt.timedelta(seconds=int(found[1]) * _UNITS[found[2]])
    if isinstance(value, dt.timedelta):
        return value
    raise ValueError(f"{value!r} is not a length of time; write for example 30 minutes or 2 days")


Duration = Annotated[dt.timedelta, BeforeValidator(_as_duration), WithJsonSchema({"type": "string"})]
"""A length of time: a whole number of seconds, minutes, hours, days or weeks."""


def percentage(value: Any) -> Any:
    """``5%`` or 0.05 as a share. Raises ValueError."""
    if isinstance(value, str) and re.fullmatch(r"\d+(\.\d+)?\s*%", value):
        return float(value.rstrip("% ")) / 100
    if isinstance(value, str):
        raise ValueError(f"{value!r} is not a percentage; write for example 5%")
    if isinstance(value, int | float) and 1 < value <= 100:
        raise ValueError(f"{value:g} would be {value * 100:g} %: write {value / 100:g}, or {value:g}%, for {value:g} %")
    return value


def cron_line(value: str) -> str:
    """`value`, if it is a cron line. Raises ValueError."""
    from croniter import croniter

    if len(value.split()) != 5 or not croniter.is_valid(value):
        raise ValueError(f"{value!r} is not a cron line of five fields, e.g. '30 5 * * *' for half past five")
    return value


class Strict(BaseModel):
    """Unknown keys are errors, values do not change after reading."""

    model_config = ConfigDict(extra="forbid", frozen=True, populate_by_name=True)
    kinds_of: ClassVar[frozenset[str]] = frozenset()
    """Fields that are one of several models, told apart by their `kind`."""

    @model_validator(mode="wrap")
    @classmethod
    def _unknown_keys_are_named(cls, value: Any, read: ModelWrapValidatorHandler[Self]) -> Self:
        """As pydantic reads it, except that the error of an unknown key says which one may be meant."""
        try:
            return read(value)
        except ValidationError as error:
            keys = [field.alias or name for name, field in cls.model_fields.items()]
            problems = []
            for problem in error.errors(include_url=False):
                said, loc = problem["msg"], problem["loc"]
                if problem["type"] == "extra_forbidden":
                    said = _none_such("key", str(loc[-1]), keys)
                elif problem["type"] == "union_tag_invalid":
                    there_are = [kind.strip("'") for kind in problem["ctx"]["expected_tags"].split(", ")]
                    said = f"{_none_such('kind', problem['ctx']['tag'], there_are)} (there are {', '.join(there_are)})"
                    loc = (*loc, "kind")
                elif len(loc) > 1 and loc[0] in cls.kinds_of:
                    # pydantic puts the kind into the place of the error; nobody wrote it there
                    loc = (loc[0], *loc[2:])
                kind = PydanticCustomError("no_such_key" if said != problem["msg"] else problem["type"], said)
                problems.append(InitErrorDetails(type=kind, loc=loc, input=problem["input"]))
            raise ValidationError.from_exception_data(error.title, problems) from None


def _none_such(what: str, given: str, there_are: list[str]) -> str:
    near = difflib.get_close_matches(given, there_are, n=1)
    return f"there is no such {what}; did you mean {near[0]}?" if near else f"there is no such {what}"
