"""Names of months as people write them in English, Dutch, German and French, in any case, with or without accents.

No name stands for two months in any of the four languages, so a contract need not say in which one a file is written.
"""

from __future__ import annotations

_SHORT = (
    "jan janv jän jaen",
    "feb febr fév fev févr fevr",
    "mar maa mrt mär mrz mars march märz maerz marz",
    "apr avr april avril",
    "may mei mai",
    "jun juin june juni",
    "jul juil july juli",
    "aug août aout",
    "sep sept",
    "oct okt",
    "nov",
    "dec dez déc",
)
_LONG = (
    "january januari januar jänner jaenner janner janvier",
    "february februari februar feber février fevrier",
    "march maart märz maerz marz mars",
    "april avril",
    "may mei mai",
    "june juni juin",
    "july juli juillet",
    "august augustus août aout",
    "september septembre",
    "october oktober octobre",
    "november novembre",
    "december dezember décembre decembre",
)


def _numbered(months: tuple[str, ...]) -> dict[str, int]:
    return {name: number for number, names in enumerate(months, start=1) for name in names.split()}


SHORT, LONG = _numbered(_SHORT), _numbered(_LONG)
"""Name in small letters -> month. A short one may be followed by a dot."""


def pattern(names: dict[str, int]) -> str:
    """A regular expression without groups that any of `names` matches, in any case."""
    return "(?i:" + "|".join(sorted(names, key=lambda n: (-len(n), n))) + ")"
