"""What every page stands on: who is asking, the office, Dagster; and text that is shown as text."""

from __future__ import annotations

import os
import time
import uuid
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from typing import Any, Protocol

import streamlit as st
from streamlit.runtime.scriptrunner import get_script_run_ctx

from console.dagster_client import ASKED_TAG, Client, DagsterError
from console.login import LOGIN
from platform_assets.access import handing_out
from platform_assets.access.acts import acting
from platform_assets.access.audit.entry import AuditError
from platform_assets.access.audit.log import AuditLog
from platform_assets.access.login import Activity, user_from_claims
from platform_assets.access.roles import AccessDenied, Permission, User, laptop_user
from platform_assets.erasure.requests import RequestError
from platform_assets.erasure.targets import MalformedRequest
from platform_assets.exports.resending import NotAgain
from platform_assets.office import Office
from platform_assets.quarantine import overview
from platform_assets.quarantine.fix_files import CannotResubmit
from platform_assets.quarantine.fixes import QuarantineError
from platform_assets.quarantine.uploads import UploadRefused
from resources.identity import MissingIdentityKey
from resources.text.markdown import plain

SETTLE_SECONDS = 60
ACTIVITY = Activity()
"""Of all windows of this process."""
LOOPBACK = ("127.0.0.1", "localhost", "::1")
KNOWN = (
    AccessDenied,
    AuditError,
    CannotResubmit,
    DagsterError,
    MalformedRequest,
    MissingIdentityKey,
    NotAgain,
    QuarantineError,
    RequestError,
    UploadRefused,
)


class NotOnThisMachine(RuntimeError):
    """Without login the console serves this machine only."""


@dataclass(frozen=True)
class Frame:
    """What a page is given."""

    office: Office
    user: User
    dagster: Client = field(default_factory=Client)

    @property
    def audit(self) -> AuditLog:
        """Where it is written what the user gets."""
        return self.office.audit

    def download(
        self, label: str, name: str, make: Callable[[], bytes], *, action: str, table: str = "", rows: int | None = None
    ) -> None:
        """A button for the file `name`. The file is made when it is asked for, and there is an entry in the audit log before there is a file."""
        given = {} if rows is None else {"rows": rows}
        data = handing_out.file(self.audit, self.user, action, make, table=table, file=name, **given)
        st.download_button(
            plain(label), data, name, "text/csv" if name.endswith(".csv") else "text/plain", on_click="ignore"
        )

    def start_run(
        self,
        job: str,
        ground: str,
        *,
        config: dict[str, Any] | None = None,
        assets: list[list[str]] | None = None,
        tags: Mapping[str, str] | None = None,
    ) -> str:
        """Hand a run to Dagster; its id. The entry in the audit log comes first. Raises AuditError, DagsterError."""
        asked = str(
            uuid.uuid4()
        )  # Dagster gives a run its number only when it is there: entry and run know each other by this
        with acting(self.audit, self.user, "run.start", ground=ground) as act:
            act.note(asked=asked, job=job, **(tags or {}))
            return self.dagster.launch(job, self.user.name, config, assets, {**(tags or {}), ASKED_TAG: asked})

    def cancel_run(self, run: str) -> None:
        """Ask a run to stop, after the entry. Raises AuditError, DagsterError."""
        with acting(self.audit, self.user, "run.cancel") as act:
            act.note(run=run)
            self.dagster.cancel(run)

    def still_here(self) -> None:
        """For what draws itself anew without a click. Raises AccessDenied where the login has ended meanwhile."""
        self.user.require_current()
        if not self.user.laptop:
            ACTIVITY.used(self.user, click=False)

    def dataset(self, label: str = "Dataset", notes: Mapping[str, str] | None = None) -> str:
        """Let the user choose a dataset; other pages begin with the same one.

        Where `notes` are given (dataset -> what waits there), those datasets stand first, and the page begins with one of them.
        """
        told = dict(notes or {})
        names: list[str] = [*told, *sorted(set(self.office.contracts) - set(told))]
        last = str(st.session_state.get("dataset"))
        begins = names.index(last) if last in names and (last in told or not told) else 0
        chosen = str(
            st.selectbox(
                plain(label),
                names,
                index=begins,
                format_func=lambda name: f"{name} ({told[name]})" if name in told else name,
            )
        )
        st.session_state["dataset"] = chosen
        return chosen


def current_user() -> User | None:
    """The user of this session; None: not logged in yet. Raises NotOnThisMachine, AccessDenied."""
    if os.environ.get(LOGIN, "off") == "oidc":
        if not st.user.is_logged_in:
            return None
        user = user_from_claims(st.user.to_dict())
        ACTIVITY.used(user)
        return replace(user, session=_window())
    if st.get_option("server.address") not in LOOPBACK:
        raise NotOnThisMachine(
            "Without login the console serves this machine only: start it with --server.address 127.0.0.1, "
            f"or set {LOGIN}=oidc and configure the login (docs/stewardship.md)"
        )
    return replace(laptop_user(), session=_window())


def _window() -> str:
    """Streamlit's name of this window."""
    context = get_script_run_ctx()
    return context.session_id if context else ""


def settle(frame: Frame) -> None:
    """Open rows again whose fix file someone has removed by hand; looked after once a minute, by who may mend."""
    now = time.monotonic()
    if frame.user.may(Permission.FIX) and now - st.session_state.get("settled", -SETTLE_SECONDS) >= SETTLE_SECONDS:
        st.session_state["settled"] = now
        opened = overview.settle(frame.office, frame.user)
        if opened:
            st.warning(
                f"{counted(opened, 'row is', 'rows are')} open in quarantine again: the file with "
                f"{'its fix' if opened == 1 else 'their fixes'} was removed from landing before it was loaded."
            )


def moment(label: str) -> Any:
    """A column of times, as people write them. All times are UTC."""
    return st.column_config.DatetimeColumn(f"{label} (UTC)", format="YYYY-MM-DD HH:mm", timezone="UTC")


def counted(number: int, one: str, many: str = "") -> str:
    """``1 row``, ``1,200 rows``."""
    return f"{number:,} {one if number == 1 else many or one + 's'}"


class Acting(Protocol):
    """Somebody at something: a `Frame`, or a desk."""

    @property
    def user(self) -> User:
        """Who."""
        ...

    @property
    def audit(self) -> AuditLog:
        """Where it is written down."""
        ...


@contextmanager
def told(acting: Acting) -> Iterator[None]:
    """Show what went wrong as a sentence, for errors that have one; others go on to the log, without details on the page.

    That something was refused is written down.
    """
    try:
        yield
    except KNOWN as error:
        st.error(plain(error))
        if isinstance(error, AccessDenied):
            handing_out.refused(acting.audit, acting.user, error)


def done(message: str, trouble: str = "") -> None:
    """Say that something was done, and what was not, on the page as it is drawn next."""
    st.session_state["done"], st.session_state["trouble"] = message, trouble
    st.rerun()


def show_done() -> None:
    """The messages of `done`, once."""
    message, trouble = st.session_state.pop("done", ""), st.session_state.pop("trouble", "")
    if message:
        st.success(plain(message))
    if trouble:
        st.warning(plain(trouble))
