"""Which files a script is made of, and the hash of them all that changes with it; R is not needed."""

from __future__ import annotations

import hashlib
from functools import lru_cache
from pathlib import Path

from platform_assets.indicators.model import HeaderError
from platform_assets.indicators.script import rtext

HARNESS = Path(__file__).resolve().parents[3] / "r_scripts" / "harness"
"""The R code that runs every indicator; part of each code version."""


def read_code(path: Path) -> str:
    """The text of a .R file. Raises HeaderError where there is none, or it is not UTF-8."""
    try:
        text = path.read_bytes().decode("utf-8-sig")
    except FileNotFoundError:
        raise HeaderError(path, None, "there is no such file") from None
    except UnicodeDecodeError as error:
        line = path.read_bytes().count(b"\n", 0, error.start) + 1
        raise HeaderError(path, line, "this is not UTF-8 text; in RStudio: File, Save with Encoding, UTF-8") from None
    return text.replace("\r\n", "\n")


def files_of(path: Path, code: str, masked: str) -> tuple[Path, ...]:
    """The script, then every file that it sources, directly or not, each once, in the order they are met."""
    root, found = path.parent.parent, [path]

    def follow(source: Path, text: str, hollow: str) -> None:
        for call in rtext.find_source_calls(text, hollow):
            if call.path is None:
                raise HeaderError(
                    source,
                    call.line,
                    'source() must be given its path in quotes, such as source("../lib/rates.R"), '
                    "so that a change in that file is noticed",
                )
            helper = (source.parent / call.path).resolve()
            if not helper.is_file():
                raise HeaderError(
                    source,
                    call.line,
                    f'source("{call.path}"): there is no such file; the path starts at {source.name}',
                )
            if root not in helper.parents:
                raise HeaderError(
                    source,
                    call.line,
                    f'source("{call.path}") lies outside {root.name}/; keep helpers in {root.name}/lib',
                )
            if helper not in found:
                found.append(helper)
                helper_code = read_code(helper)
                follow(helper, helper_code, rtext.mask(helper_code))

    follow(path, code, masked)
    return tuple(found)


def code_version(path: Path, files: tuple[Path, ...], harness: Path) -> str:
    """Hash of script, sourced files and harness: 16 hex digits. Line endings do not count."""
    digest = hashlib.sha256(_harness_digest(harness, _stamp(harness)))
    root = path.parent.parent
    for file in sorted(files):
        digest.update(file.relative_to(root).as_posix().encode() + b"\0" + _code_bytes(file) + b"\0")
    return digest.hexdigest()[:16]


def _code_bytes(file: Path) -> bytes:
    return file.read_bytes().replace(b"\r\n", b"\n")


def _stamp(folder: Path) -> tuple[tuple[str, int], ...]:
    return tuple((file.name, file.stat().st_mtime_ns) for file in sorted(folder.glob("*.R")))


@lru_cache(maxsize=8)
def _harness_digest(harness: Path, stamp: tuple[tuple[str, int], ...]) -> bytes:
    digest = hashlib.sha256()
    for name, _ in stamp:
        digest.update(name.encode() + b"\0" + _code_bytes(harness / name) + b"\0")
    return digest.digest()
