"""The first page of everybody: where the work is; and the switch of the language."""

from aiohttp import web

from gateway.console import frame
from gateway.console.pages import BASE, Answer, Page, Section, Shown, Visit
from gateway.domain.access import ROLE_TEXTS

_YEAR_S = 365 * 24 * 3600


async def home(visit: Visit) -> Answer:
    """Show who is signed in, for what, and the ways to the work."""
    roles = [(ROLE_TEXTS[grant.role], grant.agency) for grant in visit.me.grants]
    return Shown("home.html.j2", {"roles": roles})


async def language(visit: Visit) -> Answer:
    """Remember a language and go back."""
    lang = "en" if visit.text("lang") == "en" else "vi"
    response = _back(visit)
    frame.set_cookie(visit.request, response, frame.LANG, lang, max_age=_YEAR_S)
    return response


def _back(visit: Visit) -> web.Response:
    path = frame.local_path(visit.text("next", BASE))
    return web.Response(status=303, headers={"Location": path})


def section() -> Section:
    """Return the section."""
    return Section(
        pages=(
            Page("GET", "", "home", home),
            Page("POST", "/language", "language", language, open=True, takes="form"),
        ),
    )
