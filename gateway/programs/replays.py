"""Inboxes played again: an agency that restored an old backup gets the same documents once more.

A replay is a row: the system, the cursor behind which everything it had taken is offered again, and
when it was asked for. What is taken again is a row of `replay_seen`; nothing else changes: ids and
bytes, the legal time of receipt (RCV-06) and the statuses are those of the first time, and no
receipt 01 goes out twice. One window a system is open; it ends when all of it was taken again, when
it is asked for anew, or by hand. A crash leaves the row as it was: what was not recorded as taken
again is offered again.
"""

import json
from collections.abc import AsyncIterator, Callable, Collection, Sequence
from dataclasses import replace
from datetime import datetime
from typing import Final

from gateway import observe
from gateway.domain.moments import from_text, to_text
from gateway.errors import Reason, RejectedError, UnavailableError
from gateway.ports import (
    Caller,
    Change,
    ChangeSet,
    Clock,
    Conflict,
    Ids,
    InboxItem,
    Insert,
    Ledger,
    MessageKind,
    Rewound,
    Row,
    Update,
)
from gateway.programs.feed import offered, put_back
from gateway.programs.rows import entry, event

_PAGE: Final = 200
_RACES: Final = 8
_NEVER_AGAIN: Final = frozenset({"quarantined", "recalled"})


class LedgerReplays:
    """See `ports.Replays`.

    Args:
        ledger: Where they are kept.
        clock: Time.
        ids: Names rows.
    """

    def __init__(self, ledger: Ledger, clock: Clock, ids: Ids) -> None:
        self._ledger = ledger
        self._clock = clock
        self._ids = ids

    # ------------------------------------------------------------ asking for it

    async def rewind(
        self,
        caller: Caller,
        *,
        to: int | None,
        since: datetime | None,
        by: str,
        reason: str,
        dry_run: bool = False,
    ) -> Rewound:
        """Offer again what lies behind a cursor, or came since a time."""
        if (to is None) == (since is None):
            raise RejectedError(Reason.BAD_REQUEST, "Name a cursor (to) or a time (since), one of")
        if not reason.strip():
            raise RejectedError(Reason.BAD_REQUEST, "Say why: the reason is kept")
        for _ in range(_RACES):
            told, changes = await self._asked(caller, to, since, by, reason.strip()[:500])
            if dry_run:
                return told
            if not isinstance(await self._ledger.commit(ChangeSet(rows=changes)), Conflict):
                observe.feed_rewound(consumer=caller.system_id, was=told.until, cursor=told.cursor)
                return replace(told, began_at=self._clock.now())
        raise UnavailableError(public="the inbox moves on meanwhile", retry_after_s=1)

    async def _asked(
        self, caller: Caller, to: int | None, since: datetime | None, by: str, reason: str
    ) -> tuple[Rewound, tuple[Change, ...]]:
        ledger, system_id = self._ledger, caller.system_id
        newest = await self._newest()
        agencies = json.dumps(sorted(caller.speaks_for))
        cursor = to if to is not None else newest
        if since is not None:
            first = await ledger.one("replay_since", agencies=agencies, since=to_text(since))
            cursor = newest if first is None or first["seq"] is None else first["seq"] - 1
        if cursor > newest:
            raise RejectedError(
                Reason.BAD_REQUEST, f"the cursor {cursor} was never given: the newest is {newest}"
            )
        before = await self.window(system_id)
        counts = await ledger.one("replay_counts", agencies=agencies, cursor=cursor)
        places = [
            row for row in await ledger.all("places")
            if row["consumer"].partition(":")[2] == system_id and row["cursor"] > cursor
            and not row["consumer"].startswith("webhook:")
        ]  # fmt: skip
        told = Rewound(
            system_id=system_id,
            cursor=cursor,
            until=newest,
            documents=counts["documents"] - counts["purged"] if counts else 0,
            statuses=counts["statuses"] if counts else 0,
            purged=counts["purged"] if counts else 0,
            consumers=tuple(row["consumer"] for row in places),
            began_at=None,
        )
        changes: list[Change] = [self._ended(before)] if before is not None else []
        for row in places:
            changes += put_back(row, cursor, by=by, reason=reason, at=self._clock)
        return told, (*changes, *self._opened(told, by, reason))

    def _opened(self, told: Rewound, by: str, reason: str) -> tuple[Change, ...]:
        now = self._clock.now()
        row = {
            "id": self._ids.new(),
            "system_id": told.system_id,
            "cursor": told.cursor,
            "until": told.until,
            "began_at": to_text(now),
            "asked_by": by,
            "reason": reason,
        }
        said = {"by": by, "reason": reason, "cursor": told.cursor, "until": told.until}
        proof = entry(
            self._ids, "audit", told.system_id, "", now, action="inbox-rewound", actor=by,
            target=f"system:{told.system_id}", reason=reason, value=told.cursor,
        )  # fmt: skip
        return (Insert("replay", row), event(told.system_id, "rewound", now, **said), proof.row)

    def _ended(self, window: Row) -> Update:
        where = {"id": window["id"], "ended_at": None}
        return Update("replay", where, {"ended_at": to_text(self._clock.now())})

    async def end(self, system_id: str) -> bool:
        """End the replay of a system; False when there is none."""
        window = await self.window(system_id)
        if window is None:
            return False
        done = await self._ledger.commit(ChangeSet(rows=(self._ended(window),)))
        return not isinstance(done, Conflict)

    # ------------------------------------------------------------ offering it

    async def window(self, system_id: str) -> Row | None:
        """Return the replay of a system that is open, None without one."""
        return await self._ledger.one("replay_open", system_id=system_id)

    async def again(
        self,
        caller: Caller,
        kind: MessageKind,
        limit: int,
        wanted: Callable[[InboxItem], bool] = lambda _: True,
    ) -> Sequence[InboxItem]:
        """Return what a system is to take again, oldest first."""
        window = await self.window(caller.system_id)
        if window is None:
            return []
        found: list[InboxItem] = []
        done = window["cursor"]  # everything up to here was taken again
        open_one = False
        async for items, waiting in self._pages(caller, window):
            for item in items:
                open_one = open_one or item.id in waiting
                done = done if open_one else item.cursor
                if item.id in waiting and item.kind == kind and wanted(item):
                    found.append(item)
            if len(found) >= limit:
                break
        else:
            if not open_one:
                await self._ledger.commit(ChangeSet(rows=(self._ended(window),)))
                return []
        if done > window["cursor"]:
            where = {"id": window["id"], "cursor": window["cursor"]}
            moved = Update("replay", where, {"cursor": done}, expect=None)
            await self._ledger.commit(ChangeSet(rows=(moved,)))
        return found[:limit]

    async def _pages(
        self, caller: Caller, window: Row
    ) -> AsyncIterator[tuple[Sequence[InboxItem], frozenset[str]]]:
        """Yield the items behind a window's cursor and which of them are to be taken again."""
        after = window["cursor"]
        while items := await offered(self._ledger, caller.speaks_for, after=after, limit=_PAGE):
            after = items[-1].cursor
            # What came since is no part of it, however long it stays open.
            within = [item for item in items if item.cursor <= window["until"]]
            if within:
                yield within, await self._waiting(window, within)
            if len(within) < len(items):
                return

    async def _waiting(self, window: Row, items: Sequence[InboxItem]) -> frozenset[str]:
        taken = {i.id for i in items if _had(i, window)}
        if not taken:
            return frozenset()
        asked = json.dumps(sorted(taken))
        seen = await self._ledger.all("replay_seen", replay_id=window["id"], ids=asked)
        purged = await self._ledger.all("purged_of_many", ids=asked)
        return frozenset(
            taken - {row["item_id"] for row in seen} - {row["subject"] for row in purged}
        )

    async def marked(self, caller: Caller, rows: Sequence[Row]) -> frozenset[str]:
        """Return which of some arrivals are offered as replay now."""
        window = await self.window(caller.system_id)
        if window is None:
            return frozenset()
        had = [
            row["id"] for row in rows
            if window["cursor"] < (row["inbox_seq"] or 0) <= window["until"]
            and row["entered_system_at"] is not None
            and row["entered_system_at"] <= window["began_at"]
        ]  # fmt: skip
        seen = await self._ledger.all(
            "replay_seen", replay_id=window["id"], ids=json.dumps(sorted(had))
        )
        return frozenset(had) - {row["item_id"] for row in seen}

    async def seen(self, system_id: str, item_id: str) -> None:
        """Record that a system has an item again; safe to repeat, nothing without a replay."""
        window = await self.window(system_id)
        if window is None:
            return
        values = {"replay_id": window["id"], "item_id": item_id, "at": to_text(self._clock.now())}
        await self._ledger.commit(ChangeSet(rows=(Insert("replay_seen", values, ignore=True),)))

    async def _newest(self) -> int:
        row = await self._ledger.one("meta", key="inbox_seq")
        return int(row["value"]) if row is not None else 0


def _had(item: InboxItem, window: Row) -> bool:
    """Tell whether a system had an item before it asked for the replay."""
    began = from_text(window["began_at"])
    return item.taken_at is not None and item.taken_at <= began and item.state not in _NEVER_AGAIN


def in_order(*lists: Collection[InboxItem]) -> list[InboxItem]:
    """Return items of several lists once each, oldest first."""
    found = {item.id: item for items in lists for item in items}
    return sorted(found.values(), key=lambda item: item.id)
