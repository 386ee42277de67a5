"""The pages of outgoing documents over a real gateway's programs, without its sign-in."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import aiohttp

from gateway.console.sections import home, outgoing
from gateway.domain.paper import PaperRule
from gateway.ports.clerk_send import Drafts
from gateway.programs.catalogue import name_of
from gateway.programs.clerk.draftcheck import ClerkPolicy
from gateway.programs.clerk.drafts import LedgerDrafts
from gateway.programs.clerk.sentdesk import LedgerSentDesk
from gateway.programs.clerk.todolist import LedgerTodos
from gateway.web.body import Limits
from gateway.web.studio import Studio
from tests.world.console import Answered, Site, Visitor, console_site
from tests.world.gatehouse import House

PAPER = ClerkPolicy(paper=(PaperRule(("H37.04",), ("Tờ trình",), "Hồ sơ thẩm định", "SND-06"),))


@asynccontextmanager
async def outgoing_site(house: House, *, drafts: Drafts | None = None) -> AsyncIterator[Site]:
    """Serve the pages of sending over a running gateway's programs."""
    gateway = house.gateway
    context = gateway.context
    pages = outgoing.section(
        LedgerSentDesk(context, gateway.desk, PAPER),
        drafts or LedgerDrafts(context, gateway.door, PAPER),
        LedgerTodos(context),
        site_trail := _Later(),
        Studio(),
        lambda code: name_of(context.directory(), code),
        Limits(),
    )
    async with console_site(home.section(), pages) as site:
        site.clock.at = house.clock.now()
        site_trail.real = site.trail
        yield site


class _Later:
    """The site's trail, which is made after its sections."""

    real: object = None

    def __getattr__(self, name: str) -> object:
        return getattr(self.real, name)


async def upload(
    visitor: Visitor, draft: str, *files: tuple[str, bytes], token: str | None = None
) -> Answered:
    """Upload files as a browser does."""
    form = aiohttp.FormData()
    form.add_field("_csrf", visitor._token if token is None else token)
    for name, data in files:
        form.add_field("file", data, filename=name, content_type="application/pdf")
    return await visitor._ask("POST", f"{draft}/files", data=form)


FORM = {
    "code_number": "15",
    "code_notation": "UBND-VP",
    "promulgation_date": "2026-11-20",
    "type_name": "Công văn",
    "subject": "Về việc họp giao ban tháng 11",
    "competence": "TM.",
    "position": "Chủ tịch",
    "full_name": "Nguyễn Văn An",
    "urgency": "0",
}
