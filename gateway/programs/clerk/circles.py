"""circles: whom an agency sends to: found by name, used lately, kept as groups.

Promises: hubs are never among them; closed ones come with their successors. A group changed is an
audit entry. Keeps nothing but groups.
"""

from collections.abc import Sequence
from typing import Final

from gateway.domain.access import Person
from gateway.domain.drafting import Recipient
from gateway.domain.moments import to_text
from gateway.errors import Reason, RejectedError
from gateway.ports import AgencyRow, Change, ChangeSet, Delete, FrontDoor, Insert, Update
from gateway.ports.clerk_send import RecipientGroup
from gateway.programs.clerk.draftrows import draft_of
from gateway.programs.clerk.marks import audited
from gateway.programs.context import Context
from gateway.programs.rows import dumps, loads

_RECENT_DRAFTS: Final = 20
_RECENT: Final = 15


class Circles:
    """Knows recipients."""

    def __init__(self, context: Context, door: FrontDoor) -> None:
        self._context = context
        self._door = door

    async def find(self, text: str, *, limit: int = 12) -> Sequence[AgencyRow]:
        """Return whom a text may mean."""
        return await self._door.find_agencies(text, limit=limit, closed=True)

    async def recent(self, agency: str) -> Sequence[Recipient]:
        """Return whom an agency sent to lately."""
        rows = await self._context.ledger.all(
            "drafts_sent_last", agency=agency, limit=_RECENT_DRAFTS
        )
        found: dict[str, Recipient] = {}
        for row in rows:
            for recipient in draft_of(row).recipients:
                found.setdefault(recipient.code, recipient)
        return list(found.values())[:_RECENT]

    async def groups(self, agency: str) -> Sequence[RecipientGroup]:
        """Return an agency's groups of recipients."""
        rows = await self._context.ledger.all("recipient_groups", agency=agency)
        return [RecipientGroup(r["id"], r["name"], tuple(loads(r["codes"]))) for r in rows]

    async def put_group(self, agency: str, name: str, codes: Sequence[str], *, by: Person) -> None:
        """Keep a group under a name; no codes: take it away."""
        context, now = self._context, self._context.clock.now()
        name = name.strip()[:100]
        if not name:
            raise RejectedError(Reason.BAD_REQUEST, "a group needs a name")
        where = {"agency": agency, "name": name}
        columns = {
            "codes": dumps(list(dict.fromkeys(codes))),
            "changed_by": by.login,
            "changed_at": to_text(now),
        }
        rows: list[Change] = [Delete("recipient_group", where)]
        if codes:
            fresh = Insert(
                "recipient_group", {"id": context.ids.new(), **where, **columns}, ignore=True
            )
            rows = [fresh, Update("recipient_group", where, columns)]
        marks = audited(
            context.ids, now, by, "recipient-group-changed", f"agency:{agency}", agency=agency
        )
        await context.ledger.commit(ChangeSet(rows=(*rows, *marks)))
