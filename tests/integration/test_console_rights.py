"""All pages of the console, whoever adds them: nobody, and who lacks the right, sees none of them.

Walks the very pages a gateway serves. A page without a right is one that everybody signed in may
see; it is named here, so that a right cannot be forgotten.
"""

import re
from urllib.parse import urlsplit

from gateway import consoling
from gateway.console.pages import Group
from gateway.domain.access import Grant, Person, Right, Role
from gateway.domain.stepup import SECOND_FACTOR
from gateway.ports.accounts import AuditQuery
from tests.world.console import Visitor
from tests.world.gatehouse import gatehouse

AUDITOR = Person("x", "x", "x", (Grant(Role.AUDITOR, ""),), strong=True)
# What everybody signed in may do: the first page, the language, the calendar, the own account, and
# being told how many alerts are one's own (none, for most).
EVERYBODYS = re.compile(r"home|language|calendar|alerts-count|account(-.*)?")
OPEN = {
    "language", "sign-in", "sign-in-begin", "sign-in-step", "sign-in-go-on", "sign-in-single",
    "sign-in-back", "lost-control", "lost-control-said", "sign-out", "link-come", "link", "link-use",
}  # fmt: skip


async def refused(house, login):
    """Return the pages whose refusal is in the audit log."""
    found, after = [], ""
    while True:
        query = AuditQuery(actor=login, action="refused")
        page = await house.gateway.accounts.audit.entries(AUDITOR, query, after=after)
        found += [row.target.removeprefix("page:") for row in page.items]
        after = page.after
        if not after:
            return sorted(found)


PLACE = re.compile(r"\{\w+(?::((?:[^{}]|\{[^}]*\})*))?\}")
GIVEN = (
    "0195a000-0000-7000-8000-00000000000a",
    "1",
    "x",
    "0" * 64,
    "csv",
    "xlsx",
    "pdf",
    "di",
    "den",
)


def filled(path):
    """Return an address that fits a pattern."""

    def fitting(found):
        wanted = found[1] or "[^/]+"
        return next(given for given in GIVEN if re.fullmatch(wanted, given))

    return PLACE.sub(fitting, path)


async def ask(visitor, page):
    path = filled(page.path)
    return await (visitor.get(path) if page.method == "GET" else visitor.post(path))


async def test_no_page_is_shown_to_nobody_or_to_who_lacks_the_right(tmp_path, monkeypatch):
    served = []
    plain = consoling.sections_of
    monkeypatch.setattr(
        consoling, "sections_of", lambda parts: served.extend(found := plain(parts)) or found
    )
    async with gatehouse(tmp_path) as house:
        pages = [page for section in served for page in section.pages]
        assert len({page.name for page in pages}) == len(pages)
        assert {page.name for page in pages if page.open} == OPEN
        # Every act of the table is one there is, and every act with power over the queue is in it.
        assert set(SECOND_FACTOR) <= {page.name for page in pages if page.method == "POST"}
        operates = {p.name for p in pages if p.method == "POST" and p.right is Right.OPERATE}
        assert operates - {"ops-queue-preview"} <= set(SECOND_FACTOR)
        without = {page.name for page in pages if page.right is None and not page.open}
        assert {name for name in without if not EVERYBODYS.fullmatch(name)} == set()

        # A person with no role at all; the token of the form is right, the right is missing.
        somebody = await house.visitor("moi", Role.CLERK, "H37.61")
        await revoke_all(house, "a-moi")
        nobody = Visitor(house.url, house.session, {})
        await somebody.get("")
        guarded = [page for page in pages if page.right is not None]
        for page in guarded:
            answer = await ask(nobody, page)
            assert answer.status == 303, page.name
            assert urlsplit(answer.location).path == "/console/sign-in", page.name
            assert (await ask(somebody, page)).status == 403, page.name
        assert await refused(house, "moi") == sorted(page.name for page in guarded)
        places = [place for section in served for place in section.nav]
        assert {place.group for place in places} <= set(Group)
        menu = (await somebody.get("")).text
        assert not [p.path for p in places if p.right and f'href="/console{p.path}"' in menu]


async def revoke_all(house, account_id):
    from gateway.domain.moments import to_text
    from gateway.ports import Update

    where = {"account_id": account_id, "revoked_at": None}
    values = {"revoked_at": to_text(house.clock.now()), "revoked_by": "test"}
    await house.gateway.accounts.means.commit(Update("account_grant", where, values, expect=None))
