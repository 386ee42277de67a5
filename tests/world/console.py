"""Pages over real HTTP: sections in a small application, with persons that need no password.

`async with console_site(home.section()) as site:` serves them; `site.visitor(person)` is a browser
without a screen: keeps cookies, follows nothing, fills in the token of a page's form.
"""

import re
import secrets
from collections.abc import AsyncIterator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from html import unescape
from typing import Any

import aiohttp

from gateway.clock import SystemClock
from gateway.console.frame import SESSION, Frame, routes_of, streams_of
from gateway.console.pages import Section
from gateway.domain.access import Grant, Person, Role
from gateway.ports.accounts import Denied, Why
from gateway.stores import UuidIds
from gateway.web.body import Limits
from gateway.web.server import listen, make_facade_app

CLERK = Person("a-lan", "lan", "Trần Thị Lan", (Grant(Role.CLERK, "H37.61"),), "s1")
LEADER = Person("a-hung", "hung", "Lê Văn Hùng", (Grant(Role.LEADER, "H37.61"),), "s2")
OTHER_CLERK = Person("a-mai", "mai", "Phạm Thị Mai", (Grant(Role.CLERK, "H37.04"),), "s3")
_PROVEN = {"strong": True, "fresh": True}
OPERATOR = Person("a-ops", "ops", "Vũ Vận Hành", (Grant(Role.PROVIDER_OPS, ""),), "s4", **_PROVEN)
ADMIN = Person("a-admin", "admin", "Ngô Quản Trị", (Grant(Role.SYS_ADMIN, ""),), "s5", **_PROVEN)
AUDITOR = Person("a-kt", "kiemtra", "Đỗ Kiểm Tra", (Grant(Role.AUDITOR, ""),), "s6")
NOBODY = Person("a-moi", "moi", "Người Mới", (), "s7")


class FakeSessions:
    """Tokens to persons; nothing ever ends by itself."""

    def __init__(self) -> None:
        self.tokens: dict[str, Person] = {}
        self.used: list[str] = []

    def begin(self, person: Person) -> str:
        token = secrets.token_urlsafe(8)
        self.tokens[token] = person
        return token

    async def person(self, token: str, *, using: bool = True) -> Person | None:
        if using:
            self.used.append(token)
        return self.tokens.get(token)

    async def prove(self, person: Person, code: str) -> Denied | None:
        """Take `123456` of whoever has a factor (`strong`), nothing else."""
        if not person.strong:
            return Denied(Why.OVER)
        if code != "123456":
            return Denied(Why.CODE)
        for token, known in self.tokens.items():
            if known.account_id == person.account_id:
                self.tokens[token] = replace(known, fresh=True)
        return None


class FakeTrail:
    """What was recorded: (account, target, what)."""

    def __init__(self) -> None:
        self.views: list[tuple[str, str, str]] = []
        self.refusals: list[tuple[str, str, str]] = []

    async def viewed(self, person: Person, target: str, *, what: str, agency: str = "") -> None:
        self.views.append((person.account_id, target, what))

    async def refused(self, person: Person, target: str, *, what: str) -> None:
        self.refusals.append((person.account_id, target, what))


class SetClock(SystemClock):
    """A clock that stands where the test puts it."""

    def __init__(self) -> None:
        super().__init__()
        self.at = datetime(2026, 11, 20, 2, 0, tzinfo=UTC)  # Friday, 09:00 in Vietnam

    def now(self) -> datetime:
        return self.at


@dataclass
class Answered:
    """One answer: status, text, headers."""

    status: int
    text: str
    headers: Mapping[str, str]

    @property
    def location(self) -> str:
        return self.headers.get("Location", "")

    @property
    def words(self) -> str:
        """Return what a person reads: no tags, single blanks."""
        bare = re.sub(r"<(script|style)\b.*?</\1>", " ", self.text, flags=re.DOTALL)
        return " ".join(unescape(re.sub(r"<[^>]+>", " ", bare)).split())


class Visitor:
    """A browser without a screen."""

    def __init__(self, url: str, session: aiohttp.ClientSession, cookies: dict[str, str]) -> None:
        self.url, self.cookies = url, cookies
        self._session = session
        self._token = ""

    async def get(self, path: str, **headers: str) -> Answered:
        """GET a path below `/console`."""
        answer = await self._ask("GET", path, headers=headers)
        if found := re.search(r'name="_csrf" value="([0-9a-f]+)"', answer.text):
            self._token = found[1]
        return answer

    async def post(
        self, path: str, fields: Mapping[str, str] | None = None, *, token: str | None = None
    ) -> Answered:
        """POST a form with the token of the last page seen (GET one first)."""
        data = {"_csrf": self._token if token is None else token, **(fields or {})}
        return await self._ask("POST", path, data=data)

    async def _ask(self, method: str, path: str, **options: object) -> Answered:
        cookie = "; ".join(f"{name}={value}" for name, value in self.cookies.items())
        headers = {"Cookie": cookie, **(options.pop("headers", None) or {})}  # type: ignore[dict-item]
        async with self._session.request(
            method,
            f"{self.url}/console{path}",
            allow_redirects=False,
            headers=headers,
            **options,  # type: ignore[arg-type]
        ) as answer:
            for name, morsel in answer.cookies.items():
                if morsel.value and morsel["max-age"] != "0":
                    self.cookies[name] = morsel.value
                else:
                    self.cookies.pop(name, None)
            return Answered(answer.status, await answer.text(errors="replace"), answer.headers)


@dataclass
class Site:
    """A console being served."""

    url: str
    sessions: FakeSessions
    trail: FakeTrail
    clock: SetClock
    stack: AsyncExitStack = field(default_factory=AsyncExitStack)

    async def visitor(self, person: Person | None = None) -> Visitor:
        """Return a browser in which somebody, or nobody, is signed in."""
        cookies = {} if person is None else {SESSION: self.sessions.begin(person)}
        jar = aiohttp.DummyCookieJar()
        session = await self.stack.enter_async_context(aiohttp.ClientSession(cookie_jar=jar))
        return Visitor(self.url, session, cookies)


@asynccontextmanager
async def console_site(
    *sections: Section,
    clock: SetClock | None = None,
    sessions: Any = None,
    trail: Any = None,
    limits: Limits | None = None,
    **frame: object,
) -> AsyncIterator[Site]:
    """Serve sections on a free loopback port; sessions and trail are fakes if not given."""
    sessions, trail = sessions or FakeSessions(), trail or FakeTrail()
    clock = clock or SetClock()
    nav = tuple(place for section in sections for place in section.nav)
    made = Frame(sessions, trail, clock, nav=nav, **frame)  # type: ignore[arg-type]
    routes, streams = routes_of(made, sections), streams_of(sections)
    app = make_facade_app(
        UuidIds(),
        routes,
        limits=limits,
        streams=streams,
        pages=made.trouble,
        training=made.training,
    )
    running = await listen(app, "127.0.0.1", 0)
    site = Site(running.url, sessions, trail, clock)
    async with site.stack:
        site.stack.push_async_callback(running.close)
        yield site
