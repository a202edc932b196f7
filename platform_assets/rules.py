"""Named rules that contracts refer to: functions of the table, True where a row is right.

Write them with operators that pandas and Ibis share (comparisons, ``&``, ``|``, ``~``, ``isnull``, ``isin``): the engine runs them
through Ibis, the tests also through pandas. Where a value is missing and the answer unknown, the row counts as right.
"""

from typing import Any


def negative_has_no_load(table: Any) -> Any:
    """A negative test has no viral load above zero."""
    return (table.result != "NEG") | table.viral_load.isnull() | (table.viral_load == 0)


def municipality_known(table: Any) -> Any:
    """The row names its municipality."""
    return ~table.municipality_code.isnull()


def no_more_breaches_than_patients(table: Any) -> Any:
    """There are no more breaches than attendances."""
    return table.breaches <= table.attendances
