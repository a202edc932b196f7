"""What every page stands on: who is asking, the office, Dagster; and text that is shown as text."""

from __future__ import annotations

import datetime as dt
import os
import time
import uuid
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from typing import Any, Protocol
from urllib.parse import quote, urlencode
from zoneinfo import ZoneInfo, available_timezones

import streamlit as st
from streamlit.runtime.scriptrunner import get_script_run_ctx

from console.dagster_client import ASKED_TAG, Client, DagsterError
from console.language import counted, moment_in_words, sentence, tr
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

    def dataset(self, label: str = "", notes: Mapping[str, str] | None = None) -> str:
        """Let the user choose a dataset; other pages begin with the same one.

        Where `notes` are given (dataset -> what waits there), those datasets stand first, and the page begins with one of them.
        """
        told = dict(notes or {})
        names: list[str] = [*told, *sorted(set(self.office.contracts) - set(told))]
        asked, last = st.query_params.get("dataset"), str(st.session_state.get("dataset"))
        begins = names.index(last) if last in names and (last in told or not told) else 0
        if asked in names:  # the address says it: a link, a bookmark, or what was chosen here before
            begins = names.index(asked)
        chosen = str(
            st.selectbox(
                plain(label or tr("Dataset")),
                names,
                index=begins,
                format_func=lambda name: f"{name} ({told[name]})" if name in told else name,
            )
        )
        st.session_state["dataset"] = chosen
        address(dataset=chosen)
        return chosen

    def named(self, dataset: str, deliveries: Iterable[str]) -> dict[str, str]:
        """Deliveries (their ids) -> what people call them: the file, and when it was loaded."""
        contract, warehouse = self.office.contracts[dataset], self.office.warehouse
        with warehouse.connect() as connection:
            if not self.office.engine.has_books(connection):
                return {}
            entries = self.office.engine.books(contract, connection).entries(deliveries=list(deliveries))
        return {e.delivery: tr("{file}, loaded {at}", file=e.file, at=when(e.loaded_at)) for e in entries}


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
                tr(
                    "{rows} open in quarantine again: the file that mends them was removed from landing before it was loaded.",
                    rows=counted(opened, "row is", "rows are"),
                )
            )


def zone() -> ZoneInfo:
    """The reader's time zone, as the browser tells it; UTC where it tells none."""
    told_by_browser = st.context.timezone
    return ZoneInfo(told_by_browser) if told_by_browser in available_timezones() else ZoneInfo("UTC")


def moment(label: str) -> Any:
    """A column of times, by the reader's clock and in the form of the browser's language. What is kept is UTC."""
    return st.column_config.DatetimeColumn(tr(label), format="localized", timezone=zone().key)


def when(at: dt.datetime) -> str:
    """A moment in a sentence, by the reader's clock: ``27 Nov 2026, 23:20``. Without a zone it is UTC."""
    local = (at if at.tzinfo else at.replace(tzinfo=dt.UTC)).astimezone(zone())
    return moment_in_words(local)


def address(**parts: str | None) -> None:
    """Let the page's address say what is shown on it, for bookmarks and for others; None: say nothing of it."""
    for name, value in parts.items():
        if value:
            if st.query_params.get(name) != value:
                st.query_params[name] = value
        elif name in st.query_params:
            del st.query_params[name]


def know(places: Mapping[str, Any]) -> None:
    """The pages (`st.Page`) that the user may open, by their address: links lead to these only."""
    st.session_state["places"] = dict(places)


def link(label: str, page: str, **query: str | None) -> None:
    """A link to a page of the console, in the same window; plain text where the user may not open it."""
    place = st.session_state.get("places", {}).get(page)
    if place is None:
        st.text(label)
    else:
        given = {name: value for name, value in query.items() if value}
        st.page_link(page=place, label=plain(label), query_params=given)


def href(page: str, shown: str, **query: str) -> str:
    """The address of a page for a cell of a table (`links`); `shown` is what stands there."""
    return f"/{page}?{urlencode(query)}#{quote(shown, safe='')}"


def links(label: str) -> Any:
    """A column of `href`."""
    return st.column_config.LinkColumn(tr(label), display_text=r"#(.*)$")


def table(rows: Any, column_config: Mapping[str, Any] | None = None, **options: Any) -> Any:
    """`st.dataframe` whose columns are called in the reader's language. Not for rows of datasets: their columns have names of their own."""
    config = dict(column_config or {})
    names = (
        list(rows[0]) if isinstance(rows, list) and rows else list(getattr(getattr(rows, "data", rows), "columns", []))
    )
    for name in names:
        own = config.get(name)
        if isinstance(own, dict):
            config[name] = {**own, "label": tr(own.get("label") or name)}
        elif own is None:
            config[name] = tr(str(name))
    return st.dataframe(rows, column_config=config, **options)


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
        st.error(plain(sentence(str(error))))
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
