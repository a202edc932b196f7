"""Keys that pseudonymise identifiers, one per purpose, from files or the environment. Without its key a run fails closed.

A key is read where it is needed and dropped afterwards (`bound`); no object of ours keeps one. Files (PLATFORM_IDENTITY_KEYS_DIR) are
better than variables: a variable stays in the memory of a process, and of what it starts, for as long as they live.

A pseudonym is the first 32 hex digits (128 bits) of HMAC-SHA256(key, text), RFC 2104: the same id and key give the same
pseudonym, and without the key nobody can tell or test who it is. Computed in Python for single values and in the engine
(`pseudonym_sql`) for whole columns; the tests hold the two against each other.
"""

from __future__ import annotations

import contextlib
import hashlib
import hmac
import json
import os
import secrets
from collections.abc import Collection, Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    import duckdb

PREFIX = "PLATFORM_IDENTITY_KEY_"
FOLDER = "PLATFORM_IDENTITY_KEYS_DIR"
"""Names the folder of key files; each is called as the variable that it stands for."""
DIGITS = 32
AUDIT = "audit"
RELEASE = "release"
"""The key by which what is published is drawn; whoever has it can undo the drawing."""
MADE_HERE = {AUDIT: "audit/key", RELEASE: "releases/key"}
"""Purposes whose key a laptop makes for itself, and the file below DATA_HOME that keeps it."""
SAMPLE_KEYS = "identity_keys.json"
SAMPLE_MANIFEST = "manifest.json"
"""In the sample folder: the content hashes of the generated files."""
_BLOCK = 64  # SHA-256 block size in bytes


class MissingIdentityKey(RuntimeError):
    """There is no key for these purposes, so nothing that needs them may be loaded."""

    def __init__(self, *purposes: str) -> None:
        self.purposes = purposes
        names = ", ".join(PREFIX + purpose.upper() for purpose in purposes)
        one = len(purposes) == 1
        super().__init__(
            f"no key to pseudonymise identifiers of {'purpose' if one else 'the purposes'} "
            f"{', '.join(repr(purpose) for purpose in purposes)}: nothing was loaded, the files stay in landing. "
            f"Set the environment variable{'' if one else 's'} {names} to 64 hex digits{'' if one else ' each'} (make one: python -m "
            f"resources.identity), or put them into {'a file of that name' if one else 'files of these names'} in the folder that "
            f"{FOLDER} names. Keep {'it' if one else 'them'}: with another key the same person gets another pseudonym."
        )


def in_reach(environment: Mapping[str, str]) -> list[str]:
    """Names of the keys that a process with this environment could read, in variables and files."""
    folder = environment.get(FOLDER, "")
    files = os.listdir(folder) if folder and os.path.isdir(folder) else []
    named = {name for name, value in environment.items() if name != FOLDER and value}
    return sorted(name for name in {*named, *files} if name.startswith(PREFIX))


class IdentityKeys(Protocol):
    """Where keys come from."""

    def key(self, purpose: str) -> bytes:
        """The key of `purpose`, at least 32 bytes. Raises MissingIdentityKey."""
        ...

    def ring(self, purpose: str, *, make: bool = False) -> tuple[bytes, ...]:
        """The key of `purpose`, and the earlier ones that still verify what they have signed. Raises MissingIdentityKey, ValueError.

        With `make` a laptop makes the key that it needs for itself.
        """
        ...

    def for_files(self, hashes: Collection[str]) -> IdentityKeys:
        """The keys that may be used for files of these content hashes (SHA-256, hex)."""
        ...


class EnvironmentKeys:
    """Keys as hex, where earlier ones are kept behind the key and a comma: files ``PLATFORM_IDENTITY_KEY_<PURPOSE>`` in the folder
    PLATFORM_IDENTITY_KEYS_DIR, or variables of these names."""

    def __init__(self, environment: Mapping[str, str] | None = None) -> None:
        self._environment = os.environ if environment is None else environment

    def key(self, purpose: str) -> bytes:
        """The key of `purpose`. Raises MissingIdentityKey, or ValueError where file or variable holds no proper key."""
        return self.ring(purpose)[0]

    def ring(self, purpose: str, *, make: bool = False) -> tuple[bytes, ...]:
        """The key of `purpose`, then earlier ones. Raises as `key` does; none is made here.

        Where both file and variable are there they must agree: two keys for one purpose would give one person two pseudonyms.
        """
        name = PREFIX + purpose.upper()
        folder = self._environment.get(FOLDER, "")
        kept = _in_file(Path(folder) / name) if folder else ""
        told = self._environment.get(name, "").strip()
        if kept and told and kept.lower() != told.lower():
            raise ValueError(f"the file {name} in {FOLDER} and the variable {name} hold different keys: take one away")
        if not (kept or told):
            raise MissingIdentityKey(purpose)
        return tuple(_from_hex(part, name) for part in (kept or told).split(","))

    def for_files(self, hashes: Collection[str]) -> IdentityKeys:
        """The same keys for every file."""
        return self


class LaptopKeys:
    """The environment's keys; for generated sample files, and for nothing else, throwaway keys from the folder `sample`.

    The keys of the audit log and of releases are made where the environment has none, and kept (`MADE_HERE`).
    """

    def __init__(self, environment: EnvironmentKeys, sample: Path) -> None:
        self._environment = environment
        self._sample = sample

    def key(self, purpose: str) -> bytes:
        """The environment's key. Raises MissingIdentityKey."""
        return self._environment.key(purpose)

    def ring(self, purpose: str, *, make: bool = False) -> tuple[bytes, ...]:
        """The environment's, then the one that was made here. Raises MissingIdentityKey, ValueError."""
        path = self._sample.parent / MADE_HERE[purpose] if purpose in MADE_HERE else None
        try:
            named = self._environment.ring(purpose)
        except MissingIdentityKey:
            if path is None or not (path.exists() or make):
                raise
            return (_made_once(path),)
        return (*named, _made_once(path)) if path and path.exists() else named

    def for_files(self, hashes: Collection[str]) -> IdentityKeys:
        """Keys for files of these hashes: throwaway ones are a fallback only where all of them are sample files."""
        manifest = self._sample / SAMPLE_MANIFEST
        known = set(json.loads(manifest.read_text(encoding="utf-8"))) if manifest.exists() else set()
        return SampleKeys(self._environment, self._sample / SAMPLE_KEYS) if known.issuperset(hashes) else self


class SampleKeys:
    """The environment's key where it is set, otherwise a random one kept in the file `path`."""

    def __init__(self, environment: EnvironmentKeys, path: Path) -> None:
        self._environment = environment
        self._path = path

    def ring(self, purpose: str, *, make: bool = False) -> tuple[bytes, ...]:
        """One key."""
        return (self.key(purpose),)

    def for_files(self, hashes: Collection[str]) -> IdentityKeys:
        """These keys."""
        return self

    def key(self, purpose: str) -> bytes:
        """The environment's key of `purpose`, or the throwaway one, made on first use."""
        try:
            return self._environment.key(purpose)
        except MissingIdentityKey:
            return self._throwaway(purpose)

    def _throwaway(self, purpose: str) -> bytes:
        keys = json.loads(self._path.read_text(encoding="utf-8")) if self._path.exists() else {}
        if purpose not in keys:
            keys[purpose] = new_key()
            self._path.parent.mkdir(parents=True, exist_ok=True)
            partial = self._path.with_suffix(f".{os.getpid()}.part")
            partial.touch(mode=0o600)
            partial.write_text(json.dumps(keys), encoding="utf-8")
            partial.replace(self._path)
        return bytes.fromhex(keys[purpose])


def _made_once(path: Path) -> bytes:
    """The key in the file `path`; made where there is none, by the first of several that come at once."""
    if not path.exists():
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        partial = path.with_name(f".{path.name}.{secrets.token_hex(8)}.part")
        partial.touch(mode=0o600)
        partial.write_text(new_key(), encoding="ascii")
        with contextlib.suppress(FileExistsError):
            os.link(partial, path)
        partial.unlink()
    return _from_hex(path.read_text(encoding="ascii"), str(path))


def new_key() -> str:
    """A fresh random key as 64 hex digits."""
    return secrets.token_hex(32)


def pseudonym(key: bytes, text: str) -> str:
    """The pseudonym of `text`."""
    return hmac.new(key, text.encode(), hashlib.sha256).hexdigest()[:DIGITS]


def pads(key: bytes) -> tuple[bytes, bytes]:
    """The inner and outer padded key of HMAC, for engines that know SHA-256 but not HMAC."""
    block = (hashlib.sha256(key).digest() if len(key) > _BLOCK else key).ljust(_BLOCK, b"\0")
    return bytes(b ^ 0x36 for b in block), bytes(b ^ 0x5C for b in block)


def pseudonym_sql(text: str, purpose: str) -> str:
    """DuckDB SQL of the pseudonym of the SQL expression `text`; needs the session variables of `session_variables`."""
    inner, outer = f"getvariable('inner_{purpose}')", f"getvariable('outer_{purpose}')"
    return f"left(sha256({outer} || unhex(sha256({inner} || encode({text})))), {DIGITS})"


@contextmanager
def bound(connection: duckdb.DuckDBPyConnection, keys: IdentityKeys, purposes: set[str]) -> Iterator[None]:
    """The keys of `purposes` as variables of the connection, for as long as the block; see `pseudonym_sql`.

    At its end the connection has no key of any purpose, whoever set it meanwhile.
    """
    import duckdb

    try:
        for name, value in session_variables(keys, purposes).items():
            connection.execute(f"SET VARIABLE {name} = $1", [value])
        yield
    finally:
        # a connection that can do nothing more is closed by whoever opened it, and its variables with it
        with suppress(duckdb.Error):
            held = connection.execute("SELECT name FROM duckdb_variables() WHERE name ~ '(inner|outer)_.*'").fetchall()
            for (name,) in held:
                connection.execute(f"RESET VARIABLE {name}")


def session_variables(keys: IdentityKeys, purposes: set[str]) -> dict[str, bytes]:
    """Session variables that `pseudonym_sql` reads. They are bound as parameters, so no key stands in any SQL text."""
    variables: dict[str, bytes] = {}
    missing: list[str] = []
    for purpose in sorted(purposes):
        try:
            variables[f"inner_{purpose}"], variables[f"outer_{purpose}"] = pads(keys.key(purpose))
        except MissingIdentityKey as error:
            missing += error.purposes
    if missing:  # all of them are named at once
        raise MissingIdentityKey(*missing)
    return variables


def _in_file(path: Path) -> str:
    try:
        return path.read_text(encoding="ascii").strip()
    except FileNotFoundError:
        return ""
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "no text"
        raise ValueError(f"the key file {path} cannot be read ({reason}): it must hold 64 hex digits") from None


def _from_hex(text: str, name: str) -> bytes:
    try:
        key = bytes.fromhex(text.strip())
    except ValueError:
        key = b""
    if len(key) < 32:
        raise ValueError(f"{name} must hold at least 64 hex digits; make a key with: python -m resources.identity")
    return key


if __name__ == "__main__":
    import sys

    sys.stdout.write(new_key() + "\n")
