"""Databases of others, from which rows are read as text that the server itself renders: a file for each dialect.

Reading typed values is where they get lost (no driver knows them all); text is exact, and landing is text anyway.
"""

from __future__ import annotations

from resources.databases.address import Address
from resources.databases.dialect import Dialect
from resources.requesting import Permanent

SCHEMES = {
    "postgresql": "postgresql",
    "postgres": "postgresql",
    "mysql": "mysql",
    "mariadb": "mysql",
    "mssql": "mssql",
    "oracle": "oracle",
}
"""How an address begins -> the module of the dialect."""


def dialect_of(address: Address) -> Dialect:
    """The dialect that the address names. Raises Permanent where there is none. Drivers are loaded here, not before."""
    import importlib

    if address.scheme not in SCHEMES:
        raise Permanent(f"the address of the database begins with none of {', '.join(SCHEMES)}")
    found: Dialect = importlib.import_module(f"{__name__}.{SCHEMES[address.scheme]}").DIALECT
    return found
