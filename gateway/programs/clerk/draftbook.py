"""The book of drafts: one draft read, one draft changed, whoever else is at it.

Promises: a change names the revision it was made on and holds or is refused whole; its audit entry
is in the same transaction. A crash leaves the draft as it was.
"""

from typing import Any, Final

from gateway.domain.access import Person
from gateway.domain.drafting import OPEN_STATES, DraftEvent
from gateway.domain.machine import IllegalTransitionError
from gateway.errors import Reason, RejectedError
from gateway.ports import Change, ChangeSet, Conflict, Delete
from gateway.ports.clerk_send import Draft
from gateway.programs.clerk.draftrows import changed_meanwhile, draft_of, step
from gateway.programs.clerk.marks import audited
from gateway.programs.context import Context

NO_TEXT: Final = {"form": "{}", "files": "[]"}
"""Columns of a draft that keeps nothing of what it said."""


class DraftBook:
    """Reads and changes drafts."""

    def __init__(self, context: Context) -> None:
        self._context = context

    async def get(self, draft_id: str) -> Draft:
        """Return one draft."""
        row = await self._context.ledger.one("draft", id=draft_id)
        if row is None:
            raise RejectedError(Reason.NOT_FOUND)
        return draft_of(row)

    async def open(self, draft_id: str) -> Draft:
        """Return a draft that can still be changed."""
        draft = await self.get(draft_id)
        if draft.state not in OPEN_STATES:
            raise IllegalTransitionError("draft", draft.state, DraftEvent.CHANGED)
        return draft

    async def at(self, draft_id: str, revision: int) -> Draft:
        """Return it as it was at a revision; CONFLICT when it has changed since."""
        draft = await self.open(draft_id)
        if draft.revision != revision:
            raise changed_meanwhile()
        return draft

    async def change(
        self, draft: Draft, what: DraftEvent, by: Person, action: str, *more: Change, **columns: Any
    ) -> Draft:
        """Change a draft by one event, with further rows; audited where `action` names it."""
        now = self._context.clock.now()
        rows: list[Change] = [step(draft, what, now, **columns), *more]
        if action:
            target = f"draft:{draft.id}"
            rows += audited(self._context.ids, now, by, action, target, agency=draft.agency)
        result = await self._context.ledger.commit(ChangeSet(rows=tuple(rows)))
        if isinstance(result, Conflict):
            raise changed_meanwhile()
        return await self.get(draft.id)


def let_go(draft: Draft) -> tuple[Delete, ...]:
    """Return the rows by which a draft needs its files no more."""
    return tuple(Delete("blob_ref", {"sha256": f.sha256, "owner": draft.id}) for f in draft.files)
