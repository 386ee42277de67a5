"""Granting and revoking roles in two steps: what a change would do is shown, then confirmed.

Promises: nothing changes on the first step; the second does exactly what was shown, or says that
something changed meanwhile (ACC-12). The program decides both times. Keeps nothing.
"""

from dataclasses import dataclass
from typing import Final

from gateway.console.pages import Answer, Handler, Page, Say, Section, See, Shown, Visit, Whose
from gateway.console.sections.account import role_text
from gateway.console.sections.delegation import time_of
from gateway.console.sections.faults import unless_hidden
from gateway.console.sections.people import MANAGES, PEOPLE, agencies_of, words
from gateway.domain.access import GATEWAY_ROLES, RIGHT_TEXTS, Grant, Right, Role
from gateway.errors import RejectedError
from gateway.ports.accounts import Accounts

_WHAT: Final = Say("Hãy chọn vai trò để cấp hoặc thu hồi.", "Choose a role to grant or revoke.")
_TERM: Final = Say("Ngày giờ không đọc được.", "A time cannot be read.")


def right_text(right: Right) -> Say:
    """Return what a right is called."""
    text = RIGHT_TEXTS[right]
    return Say(text.vi, text.en)


def _asked(visit: Visit) -> tuple[list[Grant], list[str], list[Say]]:
    """Return what the form asks for: grants to add, ids to revoke, and what cannot be read."""
    faults: list[Say] = []
    revoke = [str(one) for one in visit.form.getall("revoke", [])]
    times = []
    for name in ("from", "until"):
        found = time_of(visit.text(name))
        if found is None and visit.text(name):
            faults.append(_TERM)
        times.append(found)
    role = visit.text("role")
    add = []
    if role in set(Role):
        add.append(Grant(Role(role), visit.text("agency"), times[0], times[1]))
    if not add and not revoke:
        faults.append(_WHAT)
    return add, revoke, faults


@dataclass(frozen=True, slots=True)
class _Pages:
    """The pages, with what they ask."""

    accounts: Accounts

    async def ask(self, visit: Visit) -> Answer:
        """Show what stands, and the form."""
        return await self._ask(visit, ())

    async def _ask(self, visit: Visit, faults: tuple[Say, ...]) -> Answer:
        account = await self.accounts.one(visit.me, visit.request.match_info["id"])
        mine = agencies_of(visit.me)
        roles = [
            (role.value, role_text(role).to(visit.lang))
            for role in Role
            if mine is None or role not in GATEWAY_ROLES
        ]
        names = ("role", "agency", "from", "until", "request_ref")
        form = {name: visit.text(name) for name in names}
        form["agency"] = form["agency"] or account.agency
        values = words(
            account=account,
            agencies=mine,
            roles=[("", "—"), *roles],
            form=form,
            revoked=visit.form.getall("revoke", []),
            faults=faults,
        )
        return Shown("rights.html.j2", values, 422 if faults else 200)

    async def plan(self, visit: Visit) -> Answer:
        """ACC-12 (NĐ30 PL VI): show what the change would do; nothing changes yet."""
        add, revoke, faults = _asked(visit)
        if faults:
            return await self._ask(visit, tuple(faults))
        account_id = visit.request.match_info["id"]
        try:
            plan = await self.accounts.plan(visit.me, account_id, add=add, revoke=revoke)
        except RejectedError as refused:
            return await self._ask(visit, unless_hidden(refused))
        names = ("role", "agency", "from", "until", "request_ref")
        values = words(
            account=await self.accounts.one(visit.me, account_id),
            plan=plan,
            right_text=right_text,
            form={name: visit.text(name) for name in names},
            revoked=revoke,
        )
        return Shown("rights-plan.html.j2", values, 422 if plan.conflicts else 200)

    async def confirm(self, visit: Visit) -> Answer:
        """Do what was shown."""
        add, revoke, faults = _asked(visit)
        if faults:
            return await self._ask(visit, tuple(faults))
        account_id = visit.request.match_info["id"]
        try:
            await self.accounts.change_rights(
                visit.me,
                account_id,
                add=add,
                revoke=revoke,
                token=visit.text("token"),
                request_ref=visit.text("request_ref"),
            )
        except RejectedError as refused:
            return await self._ask(visit, unless_hidden(refused))
        return See(f"{PEOPLE}/{account_id}", Say("Đã đổi quyền.", "The rights are changed."))


def section(accounts: Accounts) -> Section:
    """Return the section."""
    pages = _Pages(accounts)
    path = "/people/{id}/rights"

    def form(path: str, name: str, handler: Handler) -> Page:
        return Page("POST", path, name, handler, MANAGES, takes="form", about=Whose.PROGRAM)

    return Section(
        pages=(
            Page("GET", path, "rights", pages.ask, MANAGES, about=Whose.PROGRAM),
            form(path, "rights-plan", pages.plan),
            form(f"{path}/confirm", "rights-do", pages.confirm),
        ),
    )
