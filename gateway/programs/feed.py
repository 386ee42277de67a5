"""Feeds of what is offered to agencies, and the places of those who bring it (`ports.Feeds`).

Documents and statuses share the cursor the sequencer gives inside the commit that offers them, so a
page that was read once holds everything up to its last row. A consumer's place is a row of `place`,
moved by a guarded update: two that bring for one consumer, or one that was put back meanwhile,
never lose a row to each other. A crash leaves the place as it was: what was brought behind it is
brought again.
"""

import json
from collections.abc import Collection, Sequence
from typing import Final

from gateway import observe
from gateway.domain.moments import from_text, to_text
from gateway.errors import Reason, RejectedError, UnavailableError
from gateway.ports import (
    ChangeSet,
    Clock,
    Conflict,
    InboxItem,
    Insert,
    Ledger,
    Offer,
    Place,
    Row,
    Update,
)
from gateway.programs.items import document_item, status_item
from gateway.programs.paging import page_end
from gateway.programs.pulse import Pulse
from gateway.programs.rows import event

_RACES: Final = 8


class LedgerFeeds:
    """See `ports.Feeds`.

    Args:
        ledger: What was offered, and the places.
        clock: Time.
        pulse: Says when a cursor moved.
    """

    def __init__(self, ledger: Ledger, clock: Clock, pulse: Pulse) -> None:
        self._ledger = ledger
        self._clock = clock
        self._pulse = pulse
        # Where each consumer stood when it last asked, and the cursor all had then.
        self._basis: dict[str, int] = {}
        self._seen: dict[str, int] = {}

    async def place(self, consumer: str) -> Place:
        """Return how far a consumer is; a new one begins behind what is there now."""
        return _place(await self._row(consumer))

    async def after(
        self, consumer: str, agencies: Collection[str], *, limit: int
    ) -> Sequence[Offer]:
        """Return what is offered behind the consumer's place, in order."""
        row = await self._row(consumer)
        seen = await self._pulse.mark("inbox_seq")  # before the page: what comes later wakes
        items = await offered(self._ledger, agencies, after=row["cursor"], limit=limit)
        self._basis[consumer], self._seen[consumer] = row["cursor"], seen
        return [Offer(item, item.cursor <= row["highest"]) for item in items]

    async def advance(self, consumer: str, cursor: int) -> None:
        """Record that everything up to `cursor` was brought."""
        row = await self._row(consumer)
        basis = self._basis.get(consumer, int(row["cursor"]))
        if row["cursor"] != basis or cursor <= basis:
            return  # put back meanwhile, or brought already by somebody else
        moved = Update(
            "place",
            {"consumer": consumer, "cursor": basis, "highest": row["highest"]},
            {
                "cursor": cursor,
                "highest": max(cursor, row["highest"]),
                "at": to_text(self._clock.now()),
            },
        )
        if not isinstance(await self._ledger.commit(ChangeSet(rows=(moved,))), Conflict):
            self._basis[consumer] = cursor

    async def rewind(self, consumer: str, cursor: int, *, by: str, reason: str) -> Place:
        """Put a consumer back, with who and why."""
        for _ in range(_RACES):
            row = await self._row(consumer)
            changes = put_back(row, cursor, by=by, reason=reason, at=self._clock)
            if isinstance(await self._ledger.commit(ChangeSet(rows=changes)), Conflict):
                continue
            observe.feed_rewound(consumer=consumer, was=row["cursor"], cursor=cursor)
            self._pulse.wake()
            self._seen.pop(consumer, None)
            return await self.place(consumer)
        raise UnavailableError(public="the consumer moves on meanwhile", retry_after_s=1)

    async def changed(self, consumer: str, timeout_s: float) -> None:
        """Return when something may have been offered since the consumer's last `after`."""
        seen = self._seen.get(consumer)
        if seen is not None:
            await self._pulse.beyond("inbox_seq", seen, timeout_s)

    async def _row(self, consumer: str) -> Row:
        row = await self._ledger.one("place", consumer=consumer)
        if row is None:
            await self._ledger.commit(
                ChangeSet(
                    rows=(new_place(consumer, await self._pulse.mark("inbox_seq"), self._clock),)
                )
            )
            row = await self._ledger.one("place", consumer=consumer)
        if row is None:
            raise UnavailableError(public="the ledger lost a place")
        return row


def new_place(consumer: str, cursor: int, at: Clock) -> Insert:
    """Return the row of a new consumer; one that is there already stays."""
    values = {
        "consumer": consumer,
        "cursor": cursor,
        "highest": cursor,
        "at": to_text(at.now()),
    }
    return Insert("place", values, ignore=True)


def put_back(
    row: Row, cursor: int, *, by: str, reason: str, at: Clock
) -> tuple[Update | Insert, ...]:
    """Return the rows that put a consumer back, guarded by the place it was read at.

    Raises:
        RejectedError: The consumer has not come so far.
    """
    if not 0 <= cursor <= row["cursor"]:
        raise RejectedError(
            Reason.BAD_REQUEST,
            f"{row['consumer']} stands at {row['cursor']}: it can go back to 0…{row['cursor']}",
        )
    now = at.now()
    return (
        Update(
            "place",
            {"consumer": row["consumer"], "cursor": row["cursor"]},
            {"cursor": cursor, "at": to_text(now)},
        ),
        event(
            row["consumer"], "rewound", now, by=by, reason=reason[:500], was=row["cursor"],
            cursor=cursor,
        ),
    )  # fmt: skip


async def offered(
    ledger: Ledger, agencies: Collection[str], *, after: int, limit: int
) -> Sequence[InboxItem]:
    """Return a page of what is offered to some agencies behind a cursor, documents and statuses."""
    if not agencies:
        return []
    codes = sorted(agencies)
    upto = await page_end(ledger, "offers_end", "inbox_seq", codes, after, limit)
    if upto is None:
        return []
    between = {"agencies": json.dumps(codes), "after": after, "upto": upto, "limit": limit}
    documents = await ledger.all("documents_between", **between)
    statuses = await ledger.all("statuses_between", **between)
    items = [*map(document_item, documents), *map(status_item, statuses)]
    return sorted(items, key=lambda item: item.cursor)[:limit]


def _place(row: Row) -> Place:
    return Place(row["consumer"], row["cursor"], row["highest"], from_text(row["at"]))
