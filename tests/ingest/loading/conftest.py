"""Rows are loaded here by as many threads as for users: no rule may depend on the order in which they come."""

import pytest


@pytest.fixture(autouse=True)
def threads_as_for_users(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("PLATFORM_THREADS", raising=False)
