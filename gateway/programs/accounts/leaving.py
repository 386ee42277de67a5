"""Leaving: open items go to a successor that can do the work, then the account is closed (ACC-04).

Promises: an account with open items is not closed before somebody else has them; who takes over has
the rights each item needs, of its own and at that agency, and does not audit it; nothing is
removed. Items, rights, sessions, state and audit entries are one change set: a crash leaves the
whole of it or nothing.
"""

from collections.abc import Sequence

from gateway.domain.access import EVERYWHERE, RIGHT_TEXTS, Person, Right
from gateway.domain.machine import Text
from gateway.domain.moments import to_text
from gateway.errors import Reason, RejectedError
from gateway.ports import Change, Row, Update
from gateway.ports.accounts import Account, Held, Holdings, State
from gateway.programs.accounts.checks import REFERENCE, refused, stated
from gateway.programs.accounts.means import Means, account_of, all_ended, summed
from gateway.programs.accounts.reach import Reach, guarded, links_ended


class Leaving(Reach):
    """Handing over and closing.

    Args:
        means: The means of accounts.
        places: Where persons have open items.
    """

    def __init__(self, means: Means, places: Sequence[Holdings] = ()) -> None:
        super().__init__(means)
        self.places = list(places)

    async def holdings(self, actor: Person, account_id: str) -> Sequence[Held]:
        """Return its open items."""
        await self.seen(actor, account_id)
        return await self._held(account_id)

    async def _held(self, account_id: str) -> list[Held]:
        found = [one for place in self.places for one in await place.held(account_id)]
        return [one for one in found if one.count > 0]

    async def hand_over(
        self, actor: Person, account_id: str, successor_id: str, *, reference: str
    ) -> Sequence[Held]:
        """ACC-04 (S000 art 14.3): give all open items to another account."""
        row, _ = await self.mine(actor, account_id)
        held = await self._held(account_id)
        await self.means.commit(
            *await self._handed(actor, row, successor_id, held, stated(reference, REFERENCE))
        )
        return held

    async def _handed(
        self, actor: Person, row: Row, successor_id: str, held: Sequence[Held], why: str
    ) -> list[Change]:
        """Return the changes that give open items to a successor that can do the work."""
        now = self.means.clock.now()
        heir, found = await self.seen(actor, successor_id)
        if found.state is not State.ACTIVE or successor_id == row["id"]:
            raise RejectedError(Reason.CONFLICT, "the successor's account is not active")
        own = tuple(
            view.grant
            for view in found.grants
            if view.grant.holds(now) and not view.grant.delegated_by
        )
        able = Person(successor_id, heir["login"], heir["name"], own)
        refused(
            [fault for one in held for fault in _faults(able, one)],
            "The successor cannot do this work",
            rule="ACC-04",
            reason=Reason.CONFLICT,
        )
        changes: list[Change] = []
        for place in self.places:
            changes += await place.handed_over(row["id"], successor_id, now)
        changes += self.means.told(
            actor, "work-handed-over", row, now, reason=why, to=heir["login"], items=summed(held)
        )
        return changes

    async def close(
        self, actor: Person, account_id: str, *, reference: str, successor_id: str = ""
    ) -> Account:
        """Close for good; CONFLICT with open items and no successor."""
        means, now = self.means, self.means.clock.now()
        row, _ = await self.mine(actor, account_id, State.ACTIVE, State.LOCKED)
        why = stated(reference, REFERENCE)
        held = await self._held(account_id)
        changes: list[Change] = []
        if held and not successor_id:
            items = ", ".join(f"{one.count} {one.text.en}" for one in held)
            raise RejectedError(Reason.CONFLICT, f"it has open items: {items}; name a successor")
        if successor_id:
            changes = await self._handed(actor, row, successor_id, held, why)
        gone = {"revoked_at": to_text(now), "revoked_by": actor.login}
        own = {"account_id": account_id, "revoked_at": None}
        lent = {"delegated_by": account_id, "revoked_at": None}
        values: dict[str, object] = {
            "state": State.CLOSED,
            "closed_at": to_text(now),
            "oidc_issuer": None,
            "oidc_subject": None,
            "password": None,
            "totp": None,
            "totp_next": None,
            "recovery": "[]",
            "changes": row["changes"] + 1,
        }
        await means.commit(
            guarded(row, values),
            Update("account_grant", own, gone, expect=None),
            Update("account_grant", lent, gone, expect=None),
            all_ended(account_id, to_text(now), "closed"),
            links_ended(account_id, to_text(now)),
            *changes,
            *means.told(actor, "account-closed", row, now, reason=why),
        )
        return account_of({**row, **values}, ())


def _faults(heir: Person, held: Held) -> list[Text]:
    """Return why somebody cannot take over some items.

    What was lent to the successor does not count: it ends, and the work would be nobody's.
    """
    where = held.agency
    place = Text(f" tại {where}", f" at {where}") if where else Text("", "")
    items = Text(f"{held.count} {held.text.vi}{place.vi}", f"{held.count} {held.text.en}{place.en}")
    if heir.may(Right.AUDIT, where):
        # ACC-12: who watches does not act, nor does the work of those watched come to him.
        return [
            Text(
                f"Người nhận đang kiểm tra, giám sát{place.vi}: không nhận {items.vi}",
                f"The successor audits{place.en} and cannot take over {items.en}",
            )
        ]
    if not held.rights:
        if any(g.agency in {where, EVERYWHERE} for g in heir.grants):
            return []
        return [
            Text(
                f"Người nhận chưa có vai trò{place.vi}: {items.vi}",
                f"The successor has no role{place.en}: {items.en}",
            )
        ]
    if any(heir.may(right, where) for right in held.rights):
        return []
    lacks = [RIGHT_TEXTS[right] for right in held.rights]
    return [
        Text(
            f"Người nhận thiếu quyền “{'” hoặc “'.join(t.vi for t in lacks)}” cho {items.vi}",
            f"The successor lacks the right “{'” or “'.join(t.en for t in lacks)}” for {items.en}",
        )
    ]
