"""Open items of persons, and giving them to a successor (ACC-04, ACC-13b).

`DraftHoldings`: documents being prepared. `AssignmentHoldings`: arrivals somebody handles; the
assignment before ends and a new one begins, so that the history says who had it when. Both only
build changes: the caller commits them with the lock, the close and the audit entry.
"""

from collections.abc import Sequence
from datetime import datetime
from typing import Final

from gateway.domain.machine import Text
from gateway.domain.moments import to_text
from gateway.errors import Reason, RejectedError
from gateway.ports import Change, Ids, Insert, Ledger, Update
from gateway.ports.accounts import Held
from gateway.programs.rows import event

_IN_HAND: Final = ("draft", "ready", "sending")
_DRAFTS: Final = Text("dự thảo đang soạn", "drafts")
_ASSIGNED: Final = Text("văn bản đến đang xử lý", "incoming documents being handled")
_MOST: Final = 5_000


class DraftHoldings:
    """See `ports.accounts.Holdings`: drafts not sent yet.

    Args:
        ledger: Where they are.
    """

    def __init__(self, ledger: Ledger) -> None:
        self._ledger = ledger

    async def held(self, account_id: str) -> Sequence[Held]:
        """Return how many drafts somebody has, agency by agency."""
        rows = await self._ledger.all("drafts_held", account_id=account_id)
        return [Held("draft", _DRAFTS, row["n"], row["agency"]) for row in rows]

    async def handed_over(
        self, account_id: str, successor_id: str, at: datetime
    ) -> Sequence[Change]:
        """Return the change that gives all of them to another."""
        where = {"account_id": account_id, "state": _IN_HAND}
        given = {"account_id": successor_id, "updated_at": to_text(at)}
        return [Update("draft", where, given, expect=None)]


class AssignmentHoldings:
    """See `ports.accounts.Holdings`: arrivals somebody was named to handle (RCV-12).

    Args:
        ledger: Where they are.
        ids: Names the assignments that follow.
    """

    def __init__(self, ledger: Ledger, ids: Ids) -> None:
        self._ledger = ledger
        self._ids = ids

    async def held(self, account_id: str) -> Sequence[Held]:
        """Return how many arrivals somebody handles, agency by agency."""
        rows = await self._ledger.all("assignments_held", account_id=account_id)
        return [Held("assignment", _ASSIGNED, row["n"], row["agency"]) for row in rows]

    async def handed_over(
        self, account_id: str, successor_id: str, at: datetime
    ) -> Sequence[Change]:
        """Return the changes that end each assignment and begin the successor's."""
        heir = await self._ledger.one("account", id=successor_id)
        if heir is None:
            raise RejectedError(Reason.NOT_FOUND)
        rows = await self._ledger.all(
            "assignments_standing", account_id=account_id, limit=_MOST + 1
        )
        if len(rows) > _MOST:
            raise RejectedError(Reason.CONFLICT, f"hand over {_MOST} documents at a time")
        changes: list[Change] = []
        for row in rows:
            ended = {"ended_at": to_text(at)}
            changes.append(Update("assignment", {"id": row["id"], "ended_at": None}, ended))
            follows = {
                **{name: value for name, value in row.items() if name != "ended_at"},
                "id": self._ids.new(),
                "account_id": successor_id,
                "name": heir["name"],
                "at": to_text(at),
            }
            changes.append(Insert("assignment", follows))
            # What follows documents (search, registers) learns who has it now.
            target = f"arrival:{row['arrival_id']}"
            changes.append(event(target, "arrival-assigned", at, reason=heir["name"]))
        return changes
