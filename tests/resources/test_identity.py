"""Pseudonyms: the same in Python and in the engine, keyed, and closed without a key."""

from __future__ import annotations

import json
from pathlib import Path

import duckdb
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from resources.identity import (
    EnvironmentKeys,
    LaptopKeys,
    MissingIdentityKey,
    bound,
    new_key,
    pseudonym,
    pseudonym_sql,
    session_variables,
)
from resources.lake.warehouse import Warehouse

KEYS = EnvironmentKeys(
    {"PLATFORM_IDENTITY_KEY_PATIENT": "0b" * 20 + "00" * 20, "PLATFORM_IDENTITY_KEY_LONG": "aa" * 131}
)


def test_a_published_test_case_of_hmac_sha256() -> None:
    # RFC 4231, test case 6: a key longer than a block
    key = KEYS.key("long")
    expected = "60e431591ee0b67f0d8a26aacbf5b77f8e0bc6213728c5140546040f0ee37f54"
    assert pseudonym(key, "Test Using Larger Than Block-Size Key - Hash Key First") == expected[:32]


@settings(deadline=None)
@given(text=st.text(st.characters(codec="utf-8"), max_size=100))
def test_engine_and_python_give_the_same_pseudonym(text: str) -> None:
    with duckdb.connect() as connection:
        for purpose in ("patient", "long"):
            with bound(connection, KEYS, {purpose}):
                said = f"SELECT {pseudonym_sql('x', purpose)} FROM (SELECT $1 AS x)"
                row = connection.execute(said, [text]).fetchone()
            assert row == (pseudonym(KEYS.key(purpose), text),)


def test_another_key_gives_another_pseudonym() -> None:
    assert pseudonym(bytes.fromhex(new_key()), "A") != pseudonym(bytes.fromhex(new_key()), "A")


@pytest.mark.parametrize("value", ["", "not hex", "ab"])
def test_a_missing_or_weak_key_is_refused(value: str) -> None:
    with pytest.raises((MissingIdentityKey, ValueError), match=r"python -m resources\.identity"):
        EnvironmentKeys({"PLATFORM_IDENTITY_KEY_PATIENT": value}).key("patient")


def test_throwaway_keys_are_for_sample_files_only(tmp_path: Path) -> None:
    (tmp_path / "manifest.json").write_text(json.dumps(["aa", "bb"]))
    keys = LaptopKeys(EnvironmentKeys({}), tmp_path)
    sample = keys.for_files(["aa", "bb"])
    assert sample.key("patient") == keys.for_files(["aa"]).key("patient")
    assert oct((tmp_path / "identity_keys.json").stat().st_mode)[-3:] == "600"
    with pytest.raises(MissingIdentityKey):
        keys.for_files(["aa", "cc"]).key("patient")


def test_a_real_key_is_used_for_sample_files_too(tmp_path: Path) -> None:
    (tmp_path / "manifest.json").write_text(json.dumps(["aa"]))
    key = new_key()
    keys = LaptopKeys(EnvironmentKeys({"PLATFORM_IDENTITY_KEY_PATIENT": key}), tmp_path)
    assert keys.for_files(["aa"]).key("patient").hex() == key


def test_keys_are_read_from_files_and_from_there_only_when_asked_for(tmp_path: Path) -> None:
    keys = EnvironmentKeys({"PLATFORM_IDENTITY_KEYS_DIR": str(tmp_path)})
    with pytest.raises(MissingIdentityKey, match="PLATFORM_IDENTITY_KEYS_DIR"):
        keys.key("patient")
    file, key = tmp_path / "PLATFORM_IDENTITY_KEY_PATIENT", new_key()
    file.write_text(f"{key}\n")
    assert keys.key("patient").hex() == key
    file.write_text(other := new_key())
    assert keys.key("patient").hex() == other  # nothing was kept
    assert key not in str(vars(keys))
    file.write_text("short")
    with pytest.raises(ValueError, match="at least 64 hex digits"):
        keys.key("patient")
    file.write_bytes(b"\xff" * 64)
    with pytest.raises(ValueError, match="cannot be read"):
        keys.key("patient")
    file.unlink()
    file.mkdir()
    with pytest.raises(ValueError, match="cannot be read"):
        keys.key("patient")


def test_a_file_and_a_variable_that_differ_are_refused(tmp_path: Path) -> None:
    """Either would give somebody a second pseudonym."""
    key = new_key()
    (tmp_path / "PLATFORM_IDENTITY_KEY_PATIENT").write_text(key)
    environment = {"PLATFORM_IDENTITY_KEYS_DIR": str(tmp_path), "PLATFORM_IDENTITY_KEY_PATIENT": key.upper()}
    assert EnvironmentKeys(environment).key("patient").hex() == key
    with pytest.raises(ValueError, match="hold different keys") as refused:
        EnvironmentKeys({**environment, "PLATFORM_IDENTITY_KEY_PATIENT": new_key()}).key("patient")
    assert key not in str(refused.value)


def test_an_engine_holds_keys_only_while_pseudonyms_are_made(tmp_path: Path) -> None:
    warehouse = Warehouse(tmp_path)
    held = "SELECT count(*) FROM duckdb_variables()"
    with warehouse.connect() as connection:
        with bound(connection, KEYS, {"patient"}):
            assert connection.execute(held).fetchone() == (2,)
            for name, value in session_variables(
                KEYS, {"long"}
            ).items():  # of another that uses the connection meanwhile
                connection.execute(f"SET VARIABLE {name} = $1", [value])
        assert connection.execute(held).fetchone() == (0,)
        with pytest.raises(ZeroDivisionError), bound(connection, KEYS, {"patient"}):
            raise ZeroDivisionError
        assert connection.execute(held).fetchone() == (0,)
        for name, value in session_variables(KEYS, {"long"}).items():
            connection.execute(f"SET VARIABLE {name} = $1", [value])
    with warehouse.connect() as connection:  # the same engine, taken up again
        assert connection.execute(held).fetchone() == (0,)
