"""Who this process is for Google."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager


class NoIdentity(RuntimeError):
    """Google does not know who asks."""

    def __init__(self) -> None:
        super().__init__(
            "there are no Google credentials here. In the cluster: is the pod's service account bound to a Google one (workload identity)? "
            "At your own machine: gcloud auth application-default login. See docs/cloud.md"
        )


@contextmanager
def identified() -> Iterator[None]:
    """Around what makes a client of Google's. Raises NoIdentity where there are no credentials."""
    from google.auth.exceptions import DefaultCredentialsError

    try:
        yield
    except DefaultCredentialsError:
        raise NoIdentity from None
