"""Addresses and secrets of other systems: variables of the environment, or mounted files of the same names. Never in YAML, argv or an address."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from resources.requesting import Permanent

FOLDER = "PLATFORM_SECRETS_DIR"
"""Names the folder of mounted files; each is called as the variable that it stands for."""


def setting(environment: Mapping[str, str], name: str, purpose: str) -> str:
    """The value of the variable or mounted file `name`, without white space around it. Raises Permanent where there is none.

    `purpose` says what it is, for the message. A file counts before a variable: a variable stays in the memory of all that is started.
    """
    found = optional(environment, name)
    if not found:
        raise Permanent(
            f"{purpose} is not set: set the environment variable {name}, or put it into a file of that name in the folder that {FOLDER} names"
        )
    return found


def optional(environment: Mapping[str, str], name: str) -> str:
    """The same, '' where there is none."""
    folder = environment.get(FOLDER, "")
    path = Path(folder) / name
    if folder and path.is_file():
        return path.read_text(encoding="utf-8").strip()
    return environment.get(name, "").strip()


def mounted(environment: Mapping[str, str], name: str) -> Path | None:
    """The mounted file `name` itself, for libraries that read files (keys, known hosts); None where there is none."""
    path = Path(environment.get(FOLDER, "")) / name
    return path if environment.get(FOLDER) and path.is_file() else None
