"""Lending a role to a colleague from a time to a time (ACC-10), taking back, giving back.

Promises: only what one has oneself is offered; both sides see it; nobody lends a password. The
program decides all of it again. Keeps nothing.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from gateway.console.pages import Answer, Page, Say, Section, See, Shown, Visit
from gateway.console.sections.account import ACCOUNT, role_text
from gateway.console.sections.faults import faults_of
from gateway.domain.access import Person, Role
from gateway.domain.moments import VIETNAM
from gateway.domain.rights import LENDABLE
from gateway.errors import RejectedError
from gateway.ports.accounts import Account, Own

_WHEN: Final = Say("Hãy ghi đủ ngày giờ bắt đầu và kết thúc.", "Give both times, from and to.")
_ROLE: Final = Say("Hãy chọn vai trò của bạn để giao.", "Choose a role of yours.")
_WHOM: Final = Say("Hãy chọn người nhận.", "Choose to whom.")


def time_of(text: str) -> datetime | None:
    """Return the instant of a `datetime-local` field, Vietnam's time; None when there is none."""
    try:
        return datetime.fromisoformat(text).replace(tzinfo=VIETNAM)
    except ValueError:
        return None


def roles_to_lend(person: Person) -> list[tuple[str, str]]:
    """Return the roles one may lend (ACC-10), as a form names them: `role:agency`, agency."""
    own = [g for g in person.grants if not g.delegated_by and g.role in LENDABLE]
    return [(f"{g.role}:{g.agency}", g.agency) for g in own]


@dataclass(frozen=True, slots=True)
class _Pages:
    """The pages, with what they ask."""

    own: Own

    async def ask(self, visit: Visit) -> Answer:
        """Show the form; first a colleague is looked for, so that it works without scripts."""
        text = visit.query("q")
        found = await self.own.delegates(visit.me, text) if text else ()
        return self._form(visit, text, found)

    def _form(
        self,
        visit: Visit,
        text: str,
        found: Sequence[Account],
        faults: tuple[Say, ...] = (),
    ) -> Shown:
        roles = [
            (key, f"{self._called(visit, key)}{' · ' if agency else ''}{agency}")
            for key, agency in roles_to_lend(visit.me)
        ]
        values = {
            "text": text,
            "found": found,
            "roles": roles,
            "faults": faults,
            "form": {
                name: visit.text(name) for name in ("to", "role", "from", "until", "reference")
            },
        }
        return Shown("account-delegate.html.j2", values, 422 if faults else 200)

    @staticmethod
    def _called(visit: Visit, key: str) -> str:
        return role_text(Role(key.partition(":")[0])).to(visit.lang)

    async def lend(self, visit: Visit) -> Answer:
        """Lend."""
        chosen = {key for key, _ in roles_to_lend(visit.me)}
        since, until = time_of(visit.text("from")), time_of(visit.text("until"))
        faults = [
            said
            for wrong, said in (
                (not visit.text("to"), _WHOM),
                (visit.text("role") not in chosen, _ROLE),
                (since is None or until is None, _WHEN),
            )
            if wrong
        ]
        if not faults and since is not None and until is not None:
            role, _, agency = visit.text("role").partition(":")
            try:
                await self.own.delegate(
                    visit.me,
                    visit.text("to"),
                    Role(role),
                    agency,
                    valid_from=since,
                    valid_to=until,
                    reference=visit.text("reference"),
                )
            except RejectedError as refused:
                faults.extend(faults_of(refused))
            else:
                told = Say("Đã ủy quyền.", "The role is lent.")
                return See(f"{ACCOUNT}#delegations", told)
        text = visit.text("q")
        found = await self.own.delegates(visit.me, text) if text else ()
        return self._form(visit, text, found, tuple(faults))

    async def end(self, visit: Visit) -> Answer:
        """Take back, or give back."""
        await self.own.undelegate(visit.me, visit.text("grant"))
        return See(f"{ACCOUNT}#delegations", Say("Đã thôi ủy quyền.", "It is taken back."))


def section(own: Own) -> Section:
    """Return the section."""
    pages = _Pages(own)
    return Section(
        pages=(
            Page("GET", "/account/delegate", "account-delegate", pages.ask),
            Page("POST", "/account/delegate", "account-delegate-do", pages.lend, takes="form"),
            Page("POST", "/account/undelegate", "account-undelegate", pages.end, takes="form"),
        ),
    )
