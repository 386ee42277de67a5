"""Composition of the console: which sections there are, and what each is given.

For `gateway.app` alone. A section is one line here; its ports are built from the gateway's parts.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from aiohttp import web

from gateway.accounting import Accounting
from gateway.config import Settings
from gateway.console.frame import Frame, routes_of
from gateway.console.pages import BASE, Section
from gateway.console.sections import home
from gateway.errors import GatewayError
from gateway.ports import Desk, FrontDoor
from gateway.programs.context import Context
from gateway.programs.mailroom import Mailroom
from gateway.web.studio import Studio


@dataclass(frozen=True, slots=True)
class Parts:
    """What the sections are built from.

    Args:
        settings: Checked settings; the sections themselves never see them.
        context: Ports and policy of the programs.
        accounts: Who is signed in, audit entries, administration.
        door: Where documents are brought.
        desk: Questions about documents.
        mailroom: Statuses.
        studio: Makes verification reports.
    """

    settings: Settings
    context: Context
    accounts: Accounting
    door: FrontDoor
    desk: Desk
    mailroom: Mailroom
    studio: Studio


@dataclass(frozen=True, slots=True)
class Console:
    """The routes, and how the console says that there is no room."""

    routes: Sequence[web.RouteDef]
    busy: Callable[[web.Request, GatewayError], web.StreamResponse | None]


def sections_of(parts: Parts) -> list[Section]:
    """Return the sections, in no order: the menu sorts itself."""
    del parts
    return [
        home.section(),
    ]


def make_console(parts: Parts) -> Console:
    """Return the console of a gateway."""
    sections = sections_of(parts)
    told = parts.settings.console
    frame = Frame(
        parts.accounts.sessions,
        parts.accounts.trail,
        parts.context.clock,
        nav=tuple(place for section in sections for place in section.nav),
        training=told.training,
        name=told.name,
    )
    return Console([*routes_of(frame, sections), web.get("/", _to_console)], frame.busy)


async def _to_console(_: web.Request) -> web.Response:
    """Lead who types the bare address to the pages."""
    return web.Response(status=303, headers={"Location": BASE})
