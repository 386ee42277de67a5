"""The pages of accounts over the real programs and a ledger in memory; passwords cost nothing.

`async with accounts_site() as (site, office):` — somebody signs in by the pages, or quickly by
`await signed_in(site, office, "lan")`.
"""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from gateway.console.frame import SESSION
from gateway.console.sections import accounts, home
from gateway.ports.single import SingleSignOn
from tests.world.accounts import PASSWORD, Office
from tests.world.console import Site, Visitor, console_site
from tests.world.memory_ledger import MemoryLedger


@asynccontextmanager
async def accounts_site(
    single: SingleSignOn | None = None, **rules: object
) -> AsyncIterator[tuple[Site, Office]]:
    """Serve them; two agencies are there."""
    ledger = MemoryLedger()
    office = Office(ledger, **rules)
    await office.agencies("H37.61", "H37.04")
    made = office.made
    sections = accounts.sections(
        made.signins, made.own, made.accounts, made.audit, made.trail, made.lists, single=single
    )
    try:
        async with console_site(
            home.section(), *sections, clock=office.clock, sessions=made.sessions, trail=made.trail
        ) as site:
            yield site, office
    finally:
        await office.signins.settled()
        ledger.close()


async def signed_in(site: Site, office: Office, login: str, password: str = PASSWORD) -> Visitor:
    """Return a browser in which somebody signed in, second factor and all."""
    visitor = await site.visitor()
    visitor.cookies[SESSION] = await office.signed_in(login, password)
    return visitor
