"""Entry point of Streamlit (``python -m console`` starts it). Login, navigation, and who is here."""

from __future__ import annotations

import importlib
import sys
from collections.abc import Callable
from pathlib import Path
from urllib.parse import urlsplit

import streamlit as st

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))  # streamlit puts console/ on the path, not its parent

from console import frame
from console.language import retold, sentence, tr
from console.pages import PAGES, Page
from platform_assets.access import acts, handing_out
from platform_assets.access.login import LoginEnded
from platform_assets.access.roles import AccessDenied
from platform_assets.office import Office
from resources.text.markdown import plain

STYLE = (
    "<style>[data-testid='stElementToolbarButton']:has([aria-label*='ownload']) {display: none}"
    "[data-testid='stFileUploaderDropzoneInstructions'] {display: none}"
    "[data-testid='stMainBlockContainer'] {padding-top: 3rem; max-width: 1400px}</style>"
)
"""Hides the grids' own export: it writes a cell that begins with = as a formula. The console's download buttons do not. And what Streamlit
says of an upload in English: the page says it in the reader's language."""


@st.cache_resource
def office() -> Office:
    """One office for all sessions; it holds no user and no open connection."""
    return Office.here()


def main() -> None:
    """One run of the script: Streamlit calls it on every click."""
    st.set_page_config(page_title=tr("Health data platform"), page_icon=":material/health_and_safety:", layout="wide")
    try:
        user = frame.current_user()
    except frame.NotOnThisMachine as error:
        st.error(frame.plain(sentence(str(error))))
        st.stop()
    except AccessDenied as error:
        not_let_in(error)
        st.stop()
    if user is None:
        st.title(tr("Health data platform"))
        if st.button(tr("Log in"), type="primary"):
            st.login()
        st.stop()
    here = frame.Frame(office(), user)
    with frame.told(here):
        handing_out.entered(here.audit, user)
        show(here)


def not_let_in(error: AccessDenied) -> None:
    """Why; and the way to another login. A login that has ended is no attempt."""
    st.title(tr("Health data platform"))
    st.error(frame.plain(sentence(str(error))))
    if not isinstance(error, LoginEnded):
        handing_out.refused(office().audit, None, error)
    if st.button(tr("Log in"), type="primary"):
        st.login()
    if st.button(tr("Log out")):
        st.logout()


def show(here: frame.Frame) -> None:
    """The pages that the user may see, and the one that was chosen. Every page has an address; so has what is none, which says where to go."""
    user = here.user
    st.html(STYLE)
    who_is_here(here)
    mine = [page for page in PAGES if page.opens_for(user)]
    others = {page.address for page in PAGES if page not in mine}
    asked = urlsplit(st.context.url or "").path.strip("/")
    if asked and asked not in {page.address for page in mine}:
        others.add(asked)
    first = _shown(mine[0], here)
    places = {
        page.address: st.Page(_shown(page, here), title=tr(page.title), icon=page.sign, url_path=page.address)
        for page in mine
    }
    frame.know(places)
    chosen = st.navigation(
        [
            st.Page(first, title=tr(mine[0].title), url_path="", default=True, visibility="hidden"),
            *places.values(),
            *(
                st.Page(_nowhere(name, mine), title=tr("Not here"), url_path=name, visibility="hidden")
                for name in sorted(others)
            ),
        ]
    )
    frame.show_done()
    chosen.run()


def _nowhere(name: str, mine: list[Page]) -> Callable[[], None]:
    """What stands where a page is not, or not for this user."""

    def run() -> None:
        st.title(tr("Not here"))
        if name in {page.address for page in PAGES}:
            st.write(
                tr(
                    "Your roles do not open this page. Ask who runs the platform for the role that does; the page About lists them."
                )
            )
        else:
            st.write(plain(tr("There is no page /{name}. These are the pages that you may open:", name=name)))
        for page in mine:
            frame.link(tr(page.title), page.address)

    return run


def who_is_here(here: frame.Frame) -> None:
    """Name and roles, at the side of every page, and what there is to know of the login; on a laptop, that there is none."""
    user = here.user
    with st.sidebar:
        st.text(retold(user.name))
        if user.laptop:
            st.warning(tr("No login: whoever uses this machine may do everything. The console serves 127.0.0.1 only."))
        else:
            st.write(frame.plain(", ".join(tr(role) for role in sorted(user.roles)) or tr("no role: ask for one")))
            for note in user.notes:
                st.warning(frame.plain(retold(note)))
            if st.button(tr("Log out")):
                acts.done(here.audit, user, "logout")
                st.logout()


def _shown(page: Page, here: frame.Frame) -> Callable[[], None]:
    def run() -> None:
        with frame.told(here):
            importlib.import_module(page.module).show(here)

    return run


main()
