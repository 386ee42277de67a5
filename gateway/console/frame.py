"""The frame around every page: who visits, from where, what may be seen, how errors look.

Promises, in this order: (1) a page that is not open is for persons signed in, others go to sign-in
and come back; (2) a form comes from our own page; (3) who lacks the right, for the agency the thing
belongs to, gets 403, who asks for what is another's 404, and both leave an audit entry (ACC-06,
AUD-03); so does the view of a document, before anything of it is shown; (4) every answer carries
the content security policy; (5) an error is a page in both languages that says what to do, with
nothing of the inside. What a cookie or an address holds breaks no page. Keeps nothing.
"""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final
from urllib.parse import parse_qsl, quote, unquote

from aiohttp import web
from multidict import MultiDict, MultiDictProxy, MultiMapping

from gateway import observe
from gateway.console import forgery, outside, render, trouble, unsaved
from gateway.console.pages import (
    BASE,
    SIGN_IN,
    Answer,
    Banner,
    Banners,
    Cookie,
    ForbiddenError,
    Group,
    HiddenError,
    Lang,
    Nav,
    Page,
    Say,
    Section,
    See,
    Shown,
    Visit,
    Whose,
    may_come,
)
from gateway.domain.access import Person
from gateway.domain.stepup import SECOND_FACTOR, asks_again
from gateway.errors import CATALOGUE, Reason, RejectedError, UnavailableError
from gateway.ports import Clock, Network
from gateway.ports.accounts import Sessions, Trail
from gateway.web.problems import WebRefusalError
from gateway.web.server import REQUEST_ID, stream_place

FILES: Final = f"{BASE}/static/{{name}}"
"""The route of styles and scripts: there also while the gateway lets nobody in."""

SESSION: Final = "vanlien_session"
VISITOR: Final = "vanlien_visitor"
LANG: Final = "vanlien_lang"
_TOLD: Final = "vanlien_told"
CODE: Final = "_code"
"""Field of the code that an act asks for again."""
_FORM_BYTES: Final = 256 << 10
_NUL: Final = "\0"
# With `no-referrer`, a browser calls the origin of our own forms "null": all would be refused.
_REFERRER: Final = "same-origin"
_GROUPS: Final = {
    Group.CLERK: Say("Công việc", "Work"),
    Group.INCOMING: Say("Văn bản đến", "Incoming"),
    Group.OUTGOING: Say("Văn bản đi", "Outgoing"),
    Group.REPORTS: Say("Sổ và thống kê", "Registers and statistics"),
    Group.DUTIES: Say("Lịch, trực, sự cố", "Calendar and duties"),
    Group.OPERATIONS: Say("Vận hành", "Operations"),
    Group.ADMINISTRATION: Say("Quản trị", "Administration"),
}
_OUT_OF_DATE: Final = Say(
    "Biểu mẫu đã cũ hoặc không gửi từ trang này. Hãy mở lại trang rồi gửi lại.",
    "The form is out of date, or does not come from this site. Open the page again and resend.",
)


async def no_banners(_: Person | None) -> tuple[Banner, ...]:
    """Return none: nothing is to be told."""
    return ()


@dataclass(frozen=True, slots=True)
class Frame:
    """What every page needs.

    Args:
        sessions: Who is signed in.
        trail: Audit entries.
        clock: Time.
        nav: The whole menu.
        banners: What is told above every page.
        training: Whether all data are for training ("DỮ LIỆU THỬ").
        name: Name of this gateway, shown at the top.
        proxies: Proxies of ours, whose word on a visitor's address and TLS counts.
    """

    sessions: Sessions
    trail: Trail
    clock: Clock
    nav: tuple[Nav, ...] = ()
    banners: Banners = no_banners
    training: bool = False
    name: str = "vanlien"
    proxies: Sequence[Network] = ()

    # ------------------------------------------------------------ one request

    def handler(self, page: Page) -> Any:
        """Return what the router calls."""

        async def handle(request: web.Request) -> web.StreamResponse:
            try:
                visit = await self._visit(page, request)
            except UnavailableError as failure:
                if not unsaved.concerns(page):
                    raise
                form = await _read_form(request) if page.takes == "form" else MultiDict()
                return self._unsaved(page, request, form, failure)
            try:
                return await self._answer(page, visit)
            except _SHOWN_AS_PAGE as failure:
                if request.writer.output_size > 0:
                    raise  # An answer had begun: the server cuts it; a page must not end a file.
                return await self._refusal(page, visit, failure)

        return handle

    async def _refusal(self, page: Page, visit: Visit, failure: Exception) -> web.StreamResponse:
        match failure:
            case ForbiddenError():
                return await self._forbidden(page, visit)
            case HiddenError():
                return await self._hidden(page, visit)
            case RejectedError() if failure.reason is Reason.FORBIDDEN:
                return await self._forbidden(page, visit)  # (3) said by a program
            case UnavailableError() if unsaved.concerns(page):
                return self._unsaved(page, visit.request, visit.form, failure)
            case RejectedError() | UnavailableError() | WebRefusalError():
                return await self._failed(visit, failure)
            case _:
                raise failure

    def _unsaved(
        self, page: Page, request: web.Request, form: MultiMapping[str], failure: UnavailableError
    ) -> web.Response:
        return unsaved.shown(page, request, form, failure, name=self.name, training=self.training)

    async def _visit(self, page: Page, request: web.Request) -> Visit:
        outside.look(request, self.proxies)
        token = request.cookies.get(SESSION, "")

        async def again(*, using: bool = False) -> Person | None:
            return await self.sessions.person(token, using=using) if token else None

        person = await again(using=not page.quiet)
        secret = token if person is not None else request.cookies.get(VISITOR, "")
        if not secret:
            secret = forgery.new_secret()
            request[_NEW_VISITOR] = secret
        lang: Lang = "en" if request.cookies.get(LANG) == "en" else "vi"
        return Visit(
            request,
            person,
            lang,
            forgery.token_of(secret),
            MultiDictProxy(MultiDict()),
            self.clock.now(),
            request.get(REQUEST_ID, ""),
            again,
            self.training,
        )

    async def _answer(self, page: Page, visit: Visit) -> web.StreamResponse:
        _must_be_text(visit.request)
        if visit.person is None and not page.open:
            return self._to_sign_in(visit)  # (1)
        if page.takes == "form":
            visit.form = await _read_form(visit.request)
            check_forgery(visit, str(visit.form.get("_csrf", "")))  # (2)
        if page.right is not None and not may_come(visit.me, page.right):
            raise ForbiddenError(page.name)  # (3)
        if page.name in SECOND_FACTOR and not visit.me.strong:
            return await self.show(visit, Shown("second-factor-needed.html.j2", status=403))
        if asks_again(page.name) and not visit.me.fresh:
            asked = await self._prove(visit)
            if asked is not None:
                return await self.show(visit, asked)
        await self._look(page, visit)  # (3)
        if page.streams:
            # One person cannot take all places, nor can all persons those of the systems.
            with stream_place(visit.request, f"console:{visit.me.account_id}"):
                return await self.turn(visit, await page.handler(visit))
        answer = await page.handler(visit)
        if page.method == "POST" and page.finder is not None and isinstance(answer, Shown):
            await self._viewed(page, visit)  # a form is shown again, with the thing around it
        return await self.turn(visit, answer)

    async def _prove(self, visit: Visit) -> Shown | None:
        """Return the page that asks for a code again, what was typed on it; None: it was right."""
        fields = [(name, value) for name, value in visit.form.items() if name != CODE]
        code, denied = str(visit.form.get(CODE, "")), None
        visit.form = MultiDictProxy(MultiDict(fields))  # a code stands on no page
        if code:
            denied = await self.sessions.prove(visit.me, code)
            if denied is None:
                return None
        values = {"action": visit.request.path_qs, "fields": fields, "denied": denied}
        return Shown("second-factor-again.html.j2", values, status=403)

    async def _look(self, page: Page, visit: Visit) -> None:
        """Find what the page is about, ask who may, and record the view of it (AUD-03)."""
        if page.about is Whose.GATEWAY and not any(visit.me.may(r) for r in page.rights):
            raise ForbiddenError(page.name)
        if page.finder is None:
            return
        thing = await page.finder(visit)
        if not thing.known:
            raise HiddenError
        if not any(visit.me.may(right, thing.agency) for right in page.rights):
            raise ForbiddenError(page.name)
        visit.thing = thing
        if page.method == "GET":
            await self._viewed(page, visit)

    async def _viewed(self, page: Page, visit: Visit) -> None:
        thing = visit.thing
        if page.seen:
            await self.trail.viewed(visit.me, thing.target, what=page.seen, agency=thing.agency)

    async def turn(self, visit: Visit, answer: Answer) -> web.StreamResponse:
        """Return a handler's answer as a response."""
        if isinstance(answer, See):
            return _with(visit.request, self._go(visit, answer), answer.cookies)
        if isinstance(answer, Shown):
            return _with(visit.request, await self.show(visit, answer), answer.cookies)
        answer.headers.setdefault("Content-Security-Policy", render.CSP)
        answer.headers.setdefault("Referrer-Policy", _REFERRER)
        return answer

    async def show(self, visit: Visit, shown: Shown) -> web.Response:
        """Return a page with everything around it."""
        told = _told(visit.request)
        values = {
            "visit": visit,
            "person": visit.person,
            "csrf": visit.csrf,
            "menu": self._menu(visit.person),
            "here": visit.request.path,
            "banners": await self.banners(visit.person),
            "training": self.training,
            "gateway_name": self.name,
            "told": told,
            **shown.values,
        }
        body = render.render(shown.template, visit.lang, values)
        response = web.Response(
            status=shown.status, body=body, content_type="text/html", charset="utf-8"
        )
        response.headers["Content-Security-Policy"] = render.CSP  # (4)
        response.headers["Referrer-Policy"] = _REFERRER
        if told is not None:
            response.del_cookie(_TOLD, path=BASE)
        secret = visit.request.get(_NEW_VISITOR)
        if secret is not None:
            set_cookie(visit.request, response, VISITOR, secret)
        return response

    def _menu(self, person: Person | None) -> list[tuple[Say, list[Nav]]]:
        if person is None:
            return []
        seen = [n for n in self.nav if may_come(person, n.right)]
        groups = [
            (_GROUPS[group], sorted((n for n in seen if n.group is group), key=lambda n: n.order))
            for group in Group
        ]
        return [(title, places) for title, places in groups if places]

    # ------------------------------------------------------------ elsewhere

    def _to_sign_in(self, visit: Visit) -> web.Response:
        request = visit.request
        wanted = request.path_qs if request.method in {"GET", "HEAD"} else BASE
        place = f"{SIGN_IN}?next={quote(wanted, safe='/')}"
        headers = {"Location": place, "Content-Security-Policy": render.CSP}
        return web.Response(status=303, headers=headers)

    def _go(self, visit: Visit, see: See) -> web.Response:
        response = web.Response(status=303, headers={"Location": local_path(see.path)})
        if see.told is not None:
            text = json.dumps([see.good, see.told.vi, see.told.en])
            set_cookie(visit.request, response, _TOLD, quote(text), max_age=60)
        return response

    async def _forbidden(self, page: Page, visit: Visit) -> web.Response:
        if visit.person is not None:
            await self.trail.refused(visit.person, page.name, what=visit.request.method)
        return await self.show(visit, Shown("forbidden.html.j2", {"page": page}, status=403))

    async def _hidden(self, page: Page, visit: Visit) -> web.Response:
        await self.trail.refused(visit.me, page.name, what=visit.request.method)
        return await self._failed(visit, RejectedError(Reason.NOT_FOUND))

    async def _failed(
        self, visit: Visit, failure: RejectedError | UnavailableError | WebRefusalError
    ) -> web.Response:
        shown = problem_page(failure)
        response = await self.show(visit, shown)
        if isinstance(failure, UnavailableError):
            wait_s = 5 if failure.retry_after_s is None else max(1, round(failure.retry_after_s))
            response.headers["Retry-After"] = str(wait_s)
        return response

    def trouble(self, request: web.Request, problem: web.Response) -> web.Response | None:
        """Return what went wrong as a page, None when the request is not for one of ours (5)."""
        return trouble.page(request, problem, name=self.name, training=self.training)


_SHOWN_AS_PAGE: Final = (
    ForbiddenError,
    HiddenError,
    RejectedError,
    UnavailableError,
    WebRefusalError,
)
_NEW_VISITOR: Final = web.RequestKey("new_visitor", str)


def problem_page(failure: RejectedError | UnavailableError | WebRefusalError) -> Shown:
    """Return the page of a refusal: what is wrong, where, which rule, what to do, all at once."""
    if isinstance(failure, WebRefusalError):
        title, detail = Say(failure.title, failure.title_en), Say(failure.detail_vi, failure.detail)
        return _problem(failure.status, title, detail, ())
    row = CATALOGUE[failure.reason]
    # A program's own words are English; the catalogue's say no more than the title does.
    detail = Say("", "" if failure.public == row.en else failure.public)
    findings = failure.findings if isinstance(failure, RejectedError) else ()
    return _problem(row.http, Say(row.vi, row.en), detail, findings)


def _problem(status: int, title: Say, detail: Say, findings: Sequence[Any]) -> Shown:
    advice = trouble.advice(status)
    values = {"title": title, "detail": detail, "findings": findings, "advice": advice}
    return Shown("problem.html.j2", values, status=status)


def check_forgery(visit: Visit, given: str) -> None:
    """Refuse a form that is not from one of our own pages.

    Raises:
        RejectedError: BAD_REQUEST.
    """
    if not forgery.is_own(visit.request, visit.csrf, given):
        observe.form_refused(page=visit.request.match_info.route.name or "")
        raise RejectedError(Reason.BAD_REQUEST, _OUT_OF_DATE.en)


def _must_be_text(request: web.Request) -> None:
    """Refuse an address with what no ledger can keep or be asked for."""
    if any(_NUL in text for text in (*request.match_info.values(), *request.query.values())):
        raise RejectedError(Reason.BAD_REQUEST, "the address holds a control character")


async def _read_form(request: web.Request) -> "MultiDictProxy[str]":
    if request.content_type != "application/x-www-form-urlencoded":
        raise RejectedError(Reason.BAD_REQUEST, "a form is urlencoded here")
    if (request.content_length or 0) > _FORM_BYTES:
        raise RejectedError(Reason.TOO_LARGE, "the form is too large")
    body = bytearray()
    async for chunk in request.content.iter_any():
        body += chunk
        if len(body) > _FORM_BYTES:
            raise RejectedError(Reason.TOO_LARGE, "the form is too large")
    try:
        pairs = parse_qsl(body.decode(), keep_blank_values=True, max_num_fields=5000)
    except ValueError as exc:  # UnicodeDecodeError among them
        raise RejectedError(Reason.BAD_REQUEST, "the form cannot be read") from exc
    if any(_NUL in text for pair in pairs for text in pair):
        raise RejectedError(Reason.BAD_REQUEST, "the form holds a control character")
    return MultiDictProxy(MultiDict(pairs))


def set_cookie(
    request: web.Request,
    response: web.StreamResponse,
    name: str,
    value: str,
    *,
    max_age: int | None = None,
) -> None:
    """Set one of our cookies: not for scripts, not for other sites, over TLS only where it is."""
    response.set_cookie(
        name,
        value,
        max_age=max_age,
        path=BASE,
        secure=outside.is_secure(request),
        httponly=True,
        samesite="Lax",
    )


def _with(
    request: web.Request, response: web.Response, cookies: Sequence[Cookie]
) -> web.StreamResponse:
    for one in cookies:
        if one.value:
            set_cookie(request, response, one.name, one.value, max_age=one.max_age)
        else:
            response.del_cookie(one.name, path=BASE)
    return response


def local_path(path: str) -> str:
    """Return a path of ours, `/console` for anything that would lead elsewhere."""
    ours = path == BASE or path.startswith((f"{BASE}/", f"{BASE}?"))
    return path if ours and "\\" not in path and path.isprintable() else BASE


def _told(request: web.Request) -> dict[str, Any] | None:
    raw = request.cookies.get(_TOLD)
    if not raw:
        return None
    try:
        good, vi, en = json.loads(unquote(raw))
    except (ValueError, TypeError, RecursionError):  # a cookie is what anybody makes of it
        return None
    return {"good": bool(good), "say": Say(str(vi), str(en))}


def routes_of(frame: Frame, sections: Sequence[Section]) -> list[web.RouteDef]:
    """Return the routes of the console."""
    routes = [web.get(FILES, render.serve_static)]
    for page in (page for section in sections for page in section.pages):
        add = web.get if page.method == "GET" else web.post
        routes.append(add(BASE + page.path, frame.handler(page), name=_route_name(page)))
    nowhere = Page("GET", "/{rest:.*}", "nowhere", _nowhere, about=Whose.ANYBODY)
    routes.append(web.get(BASE + nowhere.path, frame.handler(nowhere)))
    return routes


async def _nowhere(_: Visit) -> Answer:
    raise RejectedError(Reason.NOT_FOUND)


def _route_name(page: Page) -> str:
    # The router takes no name in which a part between dots or hyphens is a word of Python ("in").
    return f"console.{page.name.replace('-', '_')}"


def streams_of(sections: Sequence[Section]) -> frozenset[str]:
    """Return the patterns of the routes that stay open."""
    return frozenset(
        BASE + page.path for section in sections for page in section.pages if page.streams
    )
