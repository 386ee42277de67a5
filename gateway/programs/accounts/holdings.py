"""Open items of persons, and giving them to a successor (ACC-04, ACC-13b).

`DraftHoldings`: documents being prepared. `AssignmentHoldings`: arrivals somebody handles; the
assignment before ends and a new one begins, so that the history says who had it when.
`AlertHoldings`: alerts somebody took on. `TurnHoldings`: turns of duty that are not over. All only
build changes: the caller commits them with the lock, the close and the audit entry.
"""

from collections import Counter
from collections.abc import Sequence
from datetime import datetime
from typing import Final

from gateway.domain.access import Right
from gateway.domain.machine import Text
from gateway.domain.moments import to_text
from gateway.domain.watch import AlertState
from gateway.errors import Reason, RejectedError
from gateway.ports import Change, Clock, Ids, Insert, Ledger, Row, Update
from gateway.ports.accounts import Held
from gateway.programs.rows import event

_IN_HAND: Final = ("draft", "ready", "sending")
_DRAFTS: Final = Text("dự thảo đang soạn", "drafts")
_ASSIGNED: Final = Text("văn bản đến đang xử lý", "incoming documents being handled")
_ALERTS: Final = Text("cảnh báo đã nhận xử lý", "alerts taken on")
_TURNS: Final = Text("ca trực", "turns of duty")
_DRAFTING: Final = (Right.DRAFT, Right.SEND)
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
        return [Held("draft", _DRAFTS, row["n"], row["agency"], _DRAFTING) for row in rows]

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
        return [
            Held("assignment", _ASSIGNED, row["n"], row["agency"], (Right.PROCESS,)) for row in rows
        ]

    async def handed_over(
        self, account_id: str, successor_id: str, at: datetime
    ) -> Sequence[Change]:
        """Return the changes that end each assignment and begin the successor's."""
        heir = await _account(self._ledger, successor_id)
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


class AlertHoldings:
    """See `ports.accounts.Holdings`: alerts somebody took on, and that still stand (OPS-05).

    Args:
        ledger: Where they are.
    """

    def __init__(self, ledger: Ledger) -> None:
        self._ledger = ledger

    async def held(self, account_id: str) -> Sequence[Held]:
        """Return how many alerts somebody took on, agency by agency."""
        rows = await self._ledger.all("alerts_taken_by", account_id=account_id)
        return [Held("alert", _ALERTS, row["n"], row["agency"], (Right.ALERTS,)) for row in rows]

    async def handed_over(
        self, account_id: str, successor_id: str, at: datetime
    ) -> Sequence[Change]:
        """Return the change that makes them the successor's; who took them first is audited."""
        del at
        had = await _account(self._ledger, account_id)
        heir = await _account(self._ledger, successor_id)
        where = {"acknowledged_by": had["login"], "state": AlertState.ACKNOWLEDGED.value}
        return [Update("alert", where, {"acknowledged_by": heir["login"]}, expect=None)]


class TurnHoldings:
    """See `ports.accounts.Holdings`: turns of duty, by mail or by name and agency (RCV-09).

    Args:
        ledger: Where they are.
        clock: Says which are over.
        ids: Names the turns that follow.
    """

    def __init__(self, ledger: Ledger, clock: Clock, ids: Ids) -> None:
        self._ledger = ledger
        self._clock = clock
        self._ids = ids

    async def held(self, account_id: str) -> Sequence[Held]:
        """Return how many turns somebody has before him, agency by agency."""
        counts = Counter(row["agency"] for row in await self._turns(account_id))
        return [
            Held("duty-turn", _TURNS, n, agency, (Right.ALERTS,))
            for agency, n in sorted(counts.items())
        ]

    async def _turns(self, account_id: str) -> Sequence[Row]:
        now = to_text(self._clock.now())
        return await self._ledger.all(
            "duty_turns_of_person", account_id=account_id, now=now, limit=_MOST
        )

    async def handed_over(
        self, account_id: str, successor_id: str, at: datetime
    ) -> Sequence[Change]:
        """Return the changes that end each turn and give what is left of it to the successor."""
        heir = await _account(self._ledger, successor_id)
        rows = await self._turns(account_id)
        if rows and not heir["mail"]:
            raise RejectedError(
                Reason.CONFLICT,
                "Người nhận ca trực chưa có địa chỉ thư / who is on duty needs a mail address",
            )
        changes: list[Change] = []
        for row in rows:
            ended = {"removed_at": to_text(at), "removed_by": heir["login"]}
            changes.append(Update("duty_turn", {"id": row["id"], "removed_at": None}, ended))
            follows = {
                **row,
                "id": self._ids.new(),
                "name": heir["name"],
                "mail": heir["mail"],
                "phone": "",
                "begins_at": max(row["begins_at"], to_text(at)),
                "entered_by": heir["login"],
                "entered_at": to_text(at),
            }
            changes.append(Insert("duty_turn", follows))
        return changes


async def _account(ledger: Ledger, account_id: str) -> Row:
    row = await ledger.one("account", id=account_id)
    if row is None:
        raise RejectedError(Reason.NOT_FOUND)
    return row
