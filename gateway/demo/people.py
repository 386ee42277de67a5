"""The demo's persons: a clerk, an operator and an administrator, each with a one-time link.

No password is made for anybody: whoever opens a link chooses one. A crash leaves nothing but the
demo's folder.
"""

from dataclasses import dataclass
from typing import Final

from gateway.accounting import Accounting
from gateway.domain.access import EVERYWHERE, Grant, Person, Role
from gateway.ports.accounts import NewAccount

CLERKS_AGENCY: Final = "H37.62"
"""The ward that works in our console."""

_REFERENCE: Final = "vanlien demo"
_PEOPLE: Final = (
    ("lan", "Trần Thị Lan", CLERKS_AGENCY, ((Role.CLERK, CLERKS_AGENCY),)),
    ("vanhanh", "Vũ Văn Hành", "", ((Role.PROVIDER_OPS, EVERYWHERE),)),
    (
        "quantri",
        "Ngô Quản Trị",
        "",
        ((Role.SYS_ADMIN, EVERYWHERE), (Role.UNIT_ADMIN, CLERKS_AGENCY)),
    ),
)


@dataclass(frozen=True, slots=True)
class Invited:
    """Somebody who may come in: login, what for, and the path of the one-time link."""

    login: str
    name: str
    roles: tuple[str, ...]
    path: str


async def invite(accounts: Accounting) -> tuple[Invited, ...]:
    """Make the accounts and return their links."""
    me = Person("demo", "demo", "vanlien demo", (Grant(Role.SYS_ADMIN, EVERYWHERE),), strong=True)
    found = []
    for login, name, agency, roles in _PEOPLE:
        new = NewAccount(login, name, agency, request_ref=_REFERENCE)
        made = await accounts.accounts.add(me, new)
        grants = [Grant(role, where) for role, where in roles]
        plan = await accounts.accounts.plan(me, made.account.id, add=grants, revoke=())
        await accounts.accounts.change_rights(
            me, made.account.id, add=grants, revoke=(), token=plan.token, request_ref=_REFERENCE
        )
        # The invitation ended with the rights that came after it: the link that counts is new.
        link = await accounts.accounts.reset(me, made.account.id, factor=False, reason=_REFERENCE)
        words = tuple(role.value for role, _ in roles)
        found.append(Invited(login, name, words, f"/console/link/{link.token}"))
    return tuple(found)
