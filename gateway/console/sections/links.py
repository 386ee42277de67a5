"""One-time links: the first administrator, an invitation, a reset.

Promises: the token leaves the address bar at once (it goes into a cookie of ten minutes, so that no
history, picture of the screen or referrer keeps it); looking at a link does not use it up, so a
mail scanner that follows it harms nothing; who comes in by it is signed in by a fresh session.
"""

from dataclasses import dataclass
from typing import Final

from gateway.console.pages import BASE, Answer, Cookie, Page, Section, See, Shown, Visit
from gateway.console.sections.faults import faults_of
from gateway.console.sections.signin import NOT_TWICE, denied, led_on, where_of
from gateway.errors import RejectedError
from gateway.ports.accounts import Denied, SignIns

LINK: Final = "vanlien_link"
_LINK_S: Final = 600


@dataclass(frozen=True, slots=True)
class _Pages:
    """The pages, with what they ask."""

    sign_ins: SignIns

    async def come(self, visit: Visit) -> Answer:
        """Take the token out of the address."""
        token = visit.request.match_info["token"]
        return See(f"{BASE}/link", cookies=(Cookie(LINK, token, _LINK_S),))

    async def ask(self, visit: Visit) -> Answer:
        """Show what the link is for."""
        return await self._ask(visit)

    async def _ask(self, visit: Visit, faults: tuple[object, ...] = ()) -> Answer:
        token = visit.request.cookies.get(LINK, "")
        link = await self.sign_ins.link(token) if token else None
        values = {
            "link": link,
            "faults": faults,
            "login": visit.text("login")[:100],
            "name": visit.text("name")[:200],
        }
        status = 410 if link is None else 422 if faults else 200
        return Shown("link.html.j2", values, status)

    async def use(self, visit: Visit) -> Answer:
        """Set the password and come in."""
        new = str(visit.form.get("new", ""))
        if new != str(visit.form.get("again", "")):
            return await self._ask(visit, (NOT_TWICE,))
        try:
            answer = await self.sign_ins.by_link(
                visit.request.cookies.get(LINK, ""),
                new,
                where_of(visit),
                login=visit.text("login"),
                name=visit.text("name"),
            )
        except RejectedError as refused:
            return await self._ask(visit, faults_of(refused))
        if isinstance(answer, Denied):
            said, _ = denied(answer)
            return await self._ask(visit, (said,))
        led = led_on(answer, BASE)
        return See(led.path, cookies=(*led.cookies, Cookie(LINK, "")))


def section(sign_ins: SignIns) -> Section:
    """Return the section."""
    pages = _Pages(sign_ins)
    return Section(
        pages=(
            Page("GET", "/link/{token}", "link-come", pages.come, open=True),
            Page("GET", "/link", "link", pages.ask, open=True),
            Page("POST", "/link", "link-use", pages.use, open=True, takes="form"),
        ),
    )
