"""Composition of the console: which sections there are, and what each is given.

For `gateway.app` alone. A section is one line here; its ports are built from the gateway's parts.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from aiohttp import web

from gateway import measures
from gateway.accounting import Accounting
from gateway.agencycsv import parse_csv
from gateway.config import Settings
from gateway.console.frame import Frame, routes_of, streams_of
from gateway.console.pages import BASE, Section
from gateway.console.sections import (
    accounts,
    calendar,
    home,
    operations,
    outgoing,
    receiving,
)
from gateway.domain.moments import VIETNAM
from gateway.domain.timetable import Timetable
from gateway.errors import GatewayError
from gateway.officehours import hours_under
from gateway.policies import clerk_policy_of
from gateway.ports import Desk, FrontDoor
from gateway.ports.operations import Operating
from gateway.ports.timetable import Timekeeping
from gateway.programs.catalogue import name_of
from gateway.programs.clerk.drafts import LedgerDrafts
from gateway.programs.clerk.receiving import LedgerReceiving
from gateway.programs.clerk.sentdesk import LedgerSentDesk
from gateway.programs.clerk.todolist import LedgerTodos
from gateway.programs.context import Context
from gateway.programs.mailroom import Mailroom
from gateway.programs.opsdesk import LedgerOpsDesk
from gateway.programs.timekeeping import LedgerTimekeeping
from gateway.web.body import Limits
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
        timetable: What persons decided about working time, as of now.
        operating: What operators do.
    """

    settings: Settings
    context: Context
    accounts: Accounting
    door: FrontDoor
    desk: Desk
    mailroom: Mailroom
    studio: Studio
    timetable: Callable[[], Timetable]
    operating: Operating

    @property
    def limits(self) -> Limits:
        """Return how large an upload may be."""
        return Limits(max_packet_bytes=int(self.settings.http.max_packet_bytes))

    @property
    def timekeeping(self) -> Timekeeping:
        """Return decisions about office hours and days off."""
        clock = self.context.clock
        hours = hours_under(self.settings.times, lambda: clock.now().astimezone(VIETNAM).date())
        return LedgerTimekeeping(self.context, self.timetable, hours)


@dataclass(frozen=True, slots=True)
class Console:
    """The routes, those that stay open, and how the console says that there is no room."""

    routes: Sequence[web.RouteDef]
    streams: frozenset[str]
    busy: Callable[[web.Request, GatewayError], web.StreamResponse | None]


def sending_section(parts: Parts) -> Section:
    """Return the section of outgoing documents, drafts and things to do."""
    context, policy = parts.context, clerk_policy_of(parts.settings)
    return outgoing.section(
        LedgerSentDesk(context, parts.desk, policy),
        LedgerDrafts(context, parts.door, policy),
        LedgerTodos(context),
        parts.accounts.trail,
        lambda code: name_of(context.directory(), code),
        parts.limits,
    )


def receiving_section(parts: Parts) -> Section:
    """Return the section of incoming documents, on the wire and on paper."""
    desk = LedgerReceiving(parts.context, parts.desk, parts.mailroom)
    return receiving.section(desk, parts.accounts.trail, parts.studio, parts.limits)


def sections_of(parts: Parts) -> list[Section]:
    """Return the sections, in no order: the menu sorts itself."""
    told = parts.accounts
    return [
        home.section(),
        *accounts.sections(
            told.signins, told.own, told.accounts, told.audit, told.trail, single=None
        ),
        calendar.section(parts.timekeeping),
        sending_section(parts),
        receiving_section(parts),
        *operations.sections(
            LedgerOpsDesk(
                parts.context.ledger, parts.context.clock, parts.desk.ready, parts.context.peers
            ),
            parts.operating,
            parts.accounts.trail,
            read=lambda data: parse_csv(data, frozenset(parts.context.peers)),
            terms=measures.terms,
        ),
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
    routes = [*routes_of(frame, sections), web.get("/", _to_console)]
    return Console(routes, streams_of(sections), frame.busy)


async def _to_console(_: web.Request) -> web.Response:
    """Lead who types the bare address to the pages."""
    return web.Response(status=303, headers={"Location": BASE})
