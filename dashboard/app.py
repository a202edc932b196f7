"""The pages and who may see them. Every page asks `Desk.opened` first: who is here, what was chosen, which release; nothing is drawn before that.

Pages are by GET and change nothing; one form disputes a record (the door takes it from our own pages only). What is refused because it is somebody else's is 404, and an entry in the audit log.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined, select_autoescape
from starlette.applications import Starlette
from starlette.concurrency import run_in_threadpool
from starlette.datastructures import QueryParams
from starlette.middleware import Middleware
from starlette.middleware.gzip import GZipMiddleware
from starlette.middleware.sessions import SessionMiddleware
from starlette.requests import Request
from starlette.responses import HTMLResponse, PlainTextResponse, RedirectResponse, Response
from starlette.routing import Mount, Route
from starlette.staticfiles import StaticFiles

from dashboard import changes, pages, takeaway, words
from dashboard.address import BadAddress, Chosen
from dashboard.figures.lines import Figure
from dashboard.freshness import Freshness
from dashboard.here import Foreign, Here, Missing
from dashboard.people import People, Provider
from dashboard.scripts import Scripts
from dashboard.shelf import Article, Shelf
from platform_assets.access import acts, handing_out
from platform_assets.access.audit.entry import AuditError
from platform_assets.access.login import LoginEnded
from platform_assets.access.roles import AccessDenied, Permission, User, organisation_columns
from platform_assets.office import Office
from platform_assets.people_csv import csv_bytes
from platform_assets.quarantine.fixes import QuarantineError
from platform_assets.releases.reading import NoRelease
from platform_assets.reports import own_disputes
from platform_assets.reports.own_cases import NotComputed

POLICY = (
    "default-src 'none'; style-src 'self'; img-src 'self'; script-src 'self'; connect-src 'self'; form-action 'self'; base-uri 'none'; "
    "frame-ancestors 'none'"
)
"""Nothing from elsewhere, and nothing that stands in the page itself."""
PRIVATE = {"Cache-Control": "private, no-store", "Content-Security-Policy": POLICY, "Vary": "Cookie"}
SLIDE = "application/vnd.openxmlformats-officedocument.presentationml.presentation"
STATIC = Path(__file__).with_name("static")


def environment() -> Environment:
    """Templates: everything is escaped, and a name that is not there is an error."""
    found = Environment(
        loader=PackageLoader("dashboard"),
        autoescape=select_autoescape(default=True, default_for_string=True),
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    found.globals.update(words=words, Tone=words.Tone)
    return found


@dataclass(frozen=True)
class Desk:
    """What all pages share."""

    office: Office
    people: People
    shelf: Shelf
    freshness: Freshness
    scripts: Scripts
    templates: Environment

    def opened(self, request: Request, chosen: Chosen) -> Here:
        """Who is here and what was chosen. Raises AccessDenied, NoRelease, Missing, AuditError."""
        if self.people.provider:  # nobody looks through others' eyes there, and nothing of what was asked comes back
            chosen = replace(chosen, eyes="")
        user = self.people.asking(request.session if self.people.provider else {}, chosen.eyes)
        if user is None:
            raise LoginEnded("Log in first")
        handing_out.entered(self.office.audit, user)
        user.require(Permission.SEE_REPORTS)
        book = self.shelf.book(chosen.release) if chosen.release else self.shelf.live()
        return Here(
            self.office, user, chosen, book, self.scripts, self.freshness, without_login=self.people.provider is None
        )

    def page(self, name: str, here: Here | None, status: int = 200, **context: Any) -> HTMLResponse:
        """A page that nobody keeps."""
        text = self.templates.get_template(name).render(here=here, **context)
        return HTMLResponse(text, status, headers=PRIVATE)

    def message(self, title: str, sentence: str, status: int, login: bool = False) -> Response:
        """A page with a sentence."""
        return self.page("message.html", None, status, title=title, sentence=sentence, login=login)


Page = Callable[[Desk, Here, Request], Response]


def app(office: Office, scripts: Scripts, provider: Provider | None) -> Starlette:
    """The dashboard."""
    columns = frozenset(c for contract in office.contracts.values() for c in organisation_columns(contract))
    desk = Desk(office, People(provider, columns), Shelf(office.store), Freshness(office), scripts, environment())
    routes = [
        Route("/health", lambda _: PlainTextResponse("ok\n", headers={"Cache-Control": "no-store"})),
        Route("/", _route(desk, _overview)),
        Route("/i/{name}", _route(desk, _indicator)),
        Route("/i/{name}/cases", _route(desk, _cases)),
        Route("/i/{name}/disputes", _route(desk, _disputes)),
        Route("/i/{name}/dispute", _form(desk, _dispute), methods=["POST"]),
        Route("/i/{name}/table.csv", _route(desk, _csv)),
        Route("/i/{name}/figure.png", _route(desk, _picture)),
        Route("/i/{name}/slide.pptx", _route(desk, _slide)),
        Route("/i/{name}/plot/{plot}.png", _route(desk, _plot)),
        Route("/changed", _route(desk, _changed)),
        Route("/about", _route(desk, _about)),
        # for the page's own script, which draws a choice without a new page: a browser tells the two apart
        Route("/part/", _route(desk, _overview)),
        Route("/part/i/{name}", _route(desk, _indicator)),
        Mount("/static", StaticFiles(directory=STATIC)),
    ]
    middleware = [Middleware(GZipMiddleware, minimum_size=1000)]
    if provider is not None:
        routes += [
            Route("/auth/login", desk.people.begin),
            Route("/auth/callback", _callback(desk)),
            Route("/auth/logout", _logout(desk)),
        ]
        middleware.append(
            Middleware(
                SessionMiddleware,
                secret_key=provider.cookie_secret,
                session_cookie="__Host-dashboard" if provider.https else "dashboard",
                max_age=None,
                same_site="lax",
                https_only=provider.https,
            )
        )
    return Starlette(routes=routes, middleware=middleware)


def _route(desk: Desk, page: Page) -> Callable[[Request], Response]:
    """A page. Starlette runs it in a thread."""

    def answer(request: Request) -> Response:
        return _answered(desk, request, request.query_params, lambda here: page(desk, here, request))

    return answer


def _form(desk: Desk, act: Callable[[Desk, Here, str, QueryParams], Response]) -> Callable[[Request], Any]:
    """What a form sends; the same choices as in an address stand in it."""

    async def answer(request: Request) -> Response:
        sent = QueryParams((await request.body()).decode("latin-1"))  # the door has looked at kind and size
        name = request.path_params["name"]
        return await run_in_threadpool(_answered, desk, request, sent, lambda here: act(desk, here, name, sent))

    return answer


def _answered(desk: Desk, request: Request, asked: QueryParams, page: Callable[[Here], Response]) -> Response:
    """What `page` says, or its errors as sentences."""
    user: User | None = None
    try:
        here = desk.opened(request, Chosen.of(asked))
        user = here.user
        return page(here)
    except LoginEnded as error:
        return desk.message("Log in", f"{error}.", 401, login=desk.people.provider is not None)
    except Foreign as error:
        handing_out.refused(desk.office.audit, user, AccessDenied(str(error)))
        return desk.message("Not found", "There is no such page.", 404)
    except AccessDenied as error:
        handing_out.refused(desk.office.audit, user, error)
        return desk.message("Not for you", f"{error}.", 403, login=desk.people.provider is not None)
    except (Missing, NoRelease):
        return desk.message("Not found", "There is no such page.", 404)
    except BadAddress as error:
        return desk.message("This address cannot be read", f"{error}.", 400)
    except (QuarantineError, NotComputed) as error:
        return desk.message("This was not done", f"{error}.", 409)
    except AuditError:
        sentence = "What you asked for could not be written down in the audit log, so it is not shown. Tell whoever runs the platform."
        return desk.message("Not now", sentence, 503)


def _overview(desk: Desk, here: Here, _request: Request) -> Response:
    return desk.page("overview.html", here, page=pages.overview(here))


def _indicator(desk: Desk, here: Here, request: Request) -> Response:
    return desk.page("indicator.html", here, page=pages.indicator(here, request.path_params["name"]))


def _cases(desk: Desk, here: Here, request: Request) -> Response:
    return desk.page("cases.html", here, page=pages.own_list(here, request.path_params["name"]))


def _disputes(desk: Desk, here: Here, request: Request) -> Response:
    return desk.page("disputes.html", here, page=pages.disputes(here, request.path_params["name"]))


def _dispute(_desk: Desk, here: Here, name: str, sent: QueryParams) -> Response:
    """Own cases only; what came of it is told by the page that follows."""
    article, source, scope = pages.own_source(here, name)
    record, reason, about = (sent.get(field, "") for field in ("record", "reason", "about"))
    audit, warehouse = here.office.audit, here.office.warehouse
    own_disputes.dispute(audit, here.user, source, scope, warehouse, record=record, reason=reason, about=about)
    return RedirectResponse(here.page(f"/i/{article.name}/disputes"), 303, headers=PRIVATE)


def _changed(desk: Desk, here: Here, _request: Request) -> Response:
    before = desk.shelf.before(here.book.id) if here.book else None
    return desk.page("changed.html", here, page=changes.changed(here, before))


def _about(desk: Desk, here: Here, _request: Request) -> Response:
    return desk.page("about.html", here, page=pages.about(here))


def _csv(desk: Desk, here: Here, request: Request) -> Response:
    """The published table, with what it is and where it comes from in every row: such files are cut and pasted."""
    import pandas as pd

    article = here.article(request.path_params["name"])
    frame = pd.DataFrame([dict(row) for row in article.rows], columns=list(article.about["columns"]), dtype=object)
    frame.insert(0, "indicator", article.title)
    frame["definition_version"] = str(article.about["definition_version"])
    frame["release"] = article.release.id
    frame["link"] = _link(desk, request, article)
    return _file(article, "csv", csv_bytes(frame), "text/csv; charset=utf-8")


def _link(desk: Desk, request: Request, article: Article, **shown: Any) -> str:
    """To the same, of this release, for whoever may see it: through no one's eyes."""
    same = Chosen(release=article.release.id).to(f"/i/{article.name}", **shown)
    https = desk.people.provider is not None and desk.people.provider.https  # a proxy stands before us then
    return f"{'https' if https else request.url.scheme}://{request.url.netloc}{same}"


def _file(article: Article, ending: str, content: bytes, kind: str) -> Response:
    """A file to take along."""
    name = f"{article.name}_{article.release.id}.{ending}"
    return Response(
        content, media_type=kind, headers={**PRIVATE, "Content-Disposition": f'attachment; filename="{name}"'}
    )


def _figure(desk: Desk, here: Here, request: Request) -> tuple[Article, Figure, takeaway.Taken]:
    """The figure that the page shows, and the words that go with it."""
    article = here.article(request.path_params["name"])
    here.check_org([article])
    figure = pages.shown(here, article)
    if figure is None or not figure.picture:
        raise Missing(article.name)
    link = _link(desk, request, article, view=figure.view, peer=here.chosen.peer, since=here.chosen.since)
    return article, figure, takeaway.taken(article, figure, link)


def _picture(desk: Desk, here: Here, request: Request) -> Response:
    article, figure, words_of = _figure(desk, here, request)
    return _file(article, "png", takeaway.picture(words_of, figure), "image/png")


def _slide(desk: Desk, here: Here, request: Request) -> Response:
    article, figure, words_of = _figure(desk, here, request)
    return _file(article, "pptx", takeaway.slide(words_of, figure), SLIDE)


def _plot(_desk: Desk, here: Here, request: Request) -> Response:
    """A picture of the script's own, as it was released."""
    article, plot = here.article(request.path_params["name"]), request.path_params["plot"]
    if plot not in article.about["plots"]:
        raise Missing(plot)
    data = article.release.read(f"{article.name}/plots/{plot}.png")
    return Response(data, media_type="image/png", headers=PRIVATE)


def _callback(desk: Desk) -> Callable[[Request], Any]:
    async def answer(request: Request) -> Response:
        try:
            user = await desk.people.come_back(request)
            handing_out.entered(desk.office.audit, user)
        except AccessDenied as error:
            if not isinstance(error, LoginEnded):
                handing_out.refused(desk.office.audit, None, error)
            return desk.message("Not logged in", f"{error}.", 403, login=True)
        return RedirectResponse("/", 303, headers={"Cache-Control": "no-store"})

    return answer


def _logout(desk: Desk) -> Callable[[Request], Response]:
    def answer(request: Request) -> Response:
        try:
            user = desk.people.asking(request.session, "")
        except AccessDenied:
            user = None
        if user is not None:
            acts.done(desk.office.audit, user, "logout")
        request.session.clear()
        return desk.message("Logged out", "You are logged out here.", 200, login=True)

    return answer
