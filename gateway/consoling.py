"""Composition of the console: which sections there are, and what each is given.

For `gateway.app` alone. A section is one line here; its ports are built from the gateway's parts.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from aiohttp import web

from gateway.config import Settings
from gateway.console.frame import Frame, routes_of
from gateway.console.pages import Section
from gateway.console.sections import home
from gateway.errors import GatewayError
from gateway.ports import Desk, FrontDoor
from gateway.ports.accounts import Sessions, Trail
from gateway.programs.context import Context
from gateway.programs.mailroom import Mailroom
from gateway.web.studio import Studio


@dataclass(frozen=True, slots=True)
class Parts:
    """What the sections are built from.

    Args:
        settings: Checked settings; the sections themselves never see them.
        context: Ports and policy of the programs.
        sessions: Who is signed in.
        trail: Audit entries.
        door: Where documents are brought.
        desk: Questions about documents.
        mailroom: Statuses.
        studio: Makes verification reports.
    """

    settings: Settings
    context: Context
    sessions: Sessions
    trail: Trail
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
        parts.sessions,
        parts.trail,
        parts.context.clock,
        nav=tuple(place for section in sections for place in section.nav),
        training=told.training,
        name=told.name,
    )
    return Console(routes_of(frame, sections), frame.busy)
