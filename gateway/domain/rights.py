"""What a change of rights does, and who may make it (ACC-06, ACC-10, ACC-12). Pure.

Promises: who administers an agency reaches no further than that agency, neither by a grant nor by
taking over an account that has more; who watches does not act; nobody changes the own rights.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Final

from gateway.domain.access import (
    EVERYWHERE,
    GATEWAY_ROLES,
    RIGHTS,
    ROLE_TEXTS,
    Grant,
    Person,
    Right,
    Role,
    refused_grants,
)
from gateway.domain.machine import Text

_ACTS: Final = frozenset({Right.ADMINISTER, Right.ACCOUNTS, Right.OPERATE, Right.CONFIGURE})
_POWERS: Final = frozenset({Right.ADMINISTER, Right.ACCOUNTS, Right.OPERATE})
LENDABLE: Final = frozenset(Role) - GATEWAY_ROLES - {Role.UNIT_ADMIN}
"""ACC-10: leaders and staff lend their work; administration and supervision are not lent."""


@dataclass(frozen=True, slots=True)
class Effect:
    """What would come, what would go, what speaks against it, what must be known."""

    gains: tuple[tuple[Right, str], ...]
    losses: tuple[tuple[Right, str], ...]
    conflicts: tuple[Text, ...]
    warnings: tuple[Text, ...]


def rights_of(grants: Iterable[Grant]) -> frozenset[tuple[Right, str]]:
    """Return the rights of some grants, with their agencies."""
    return frozenset((right, g.agency) for g in grants for right in RIGHTS[g.role])


def effect(before: Sequence[Grant], after: Sequence[Grant]) -> Effect:
    """Return what a change from some grants to others does."""
    had, has = rights_of(before), rights_of(after)
    return Effect(
        tuple(sorted(has - had)),
        tuple(sorted(had - has)),
        conflicts(after),
        _warnings(before, after),
    )


def conflicts(grants: Sequence[Grant]) -> tuple[Text, ...]:
    """Return why nobody may have all of these grants together (ACC-12)."""
    found = [
        Text(
            f"Vai trò “{ROLE_TEXTS[g.role].vi}” phải gắn với một cơ quan",
            f"{ROLE_TEXTS[g.role].en}: needs an agency",
        )
        for g in refused_grants(grants)
    ]
    watchers = [g.role for g in grants if Right.AUDIT in RIGHTS[g.role]]
    actors = [g.role for g in grants if RIGHTS[g.role] & _ACTS]
    if watchers and actors:
        found.append(
            Text(
                f"Người kiểm tra không được quản trị, vận hành: “{ROLE_TEXTS[watchers[0]].vi}” và "
                f"“{ROLE_TEXTS[actors[0]].vi}”",
                "Who audits may not administer or operate: "
                f"{ROLE_TEXTS[watchers[0]].en}, {ROLE_TEXTS[actors[0]].en}",
            )
        )
    return tuple(found)


def _warnings(before: Sequence[Grant], after: Sequence[Grant]) -> tuple[Text, ...]:
    rights = {right for right, _ in rights_of(after)}
    found = []
    if rights & _POWERS and rights & {Right.READ, Right.SEND}:
        found.append(
            Text(
                "Vừa quản trị hoặc vận hành, vừa đọc văn bản: chỉ nên khi không còn ai khác",
                "Administers or operates, and reads documents: only where there is nobody else",
            )
        )
    if any(g.agency == EVERYWHERE for g in after) and all(g.agency for g in before):
        found.append(
            Text("Quyền có hiệu lực trên toàn cổng", "The right holds for the whole gateway")
        )
    return tuple(found)


# ---------------------------------------------------------------- who may


def scope(actor: Person) -> frozenset[str]:
    """Return the agencies whose accounts somebody administers; EVERYWHERE among them for all."""
    return actor.agencies(Right.ADMINISTER, Right.ACCOUNTS)


def may_grant(actor: Person, grant: Grant) -> bool:
    """Return whether somebody may grant or revoke this."""
    if actor.may(Right.ADMINISTER):
        return True
    return (
        grant.role not in GATEWAY_ROLES
        and grant.agency != EVERYWHERE
        and (grant.agency in scope(actor))
    )


def may_see(actor: Person, agency: str, grants: Iterable[Grant]) -> bool:
    """Return whether somebody may see an account: it belongs there, or has a grant there."""
    if actor.may(Right.ADMINISTER):
        return True
    mine = scope(actor) - {EVERYWHERE}
    return agency in mine or any(g.agency in mine for g in grants)


def may_change(actor: Person, account_id: str, agency: str, grants: Iterable[Grant]) -> bool:
    """Return whether somebody may lock, reset, change and close an account.

    Who resets an account could use it: so it must belong to the actor's agencies with all it may.
    """
    if account_id == actor.account_id:
        return False
    if actor.may(Right.ADMINISTER):
        return True
    mine = scope(actor) - {EVERYWHERE}
    return agency in mine and all(may_grant(actor, g) for g in grants)
