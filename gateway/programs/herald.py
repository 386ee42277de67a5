"""herald: brings what happened to the systems that asked for it, message by message, in order.

RCV-16 (NĐ30 PL VI part I III.1i-k): a new document is notified, and that it was received.

Each subscription has its place in the feed of events. The next message is tried until its receiver
takes it; only then comes the one behind it. One node at a time works for a subscription (a lease).

1. read the next notice behind the place; 2. commit the attempt and when the next one may be;
3. sign and POST; 4. commit the outcome, and with it the place. A receiver that fails is waited for
by the delivery schedule; one that has been tried for `give_up_after` leaves the message dead: it
stays on record, visible, and is told again when the subscription is played again. When the next
message fails too it is not the message: the subscription is paused, as by `410 Gone`, and nothing
more is given up. A crash between 3 and 4 sends the same message again under the same id.
"""

import asyncio
from collections.abc import Callable, Mapping
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any, Final

from gateway import observe
from gateway.domain.delivery import SCHEDULES, Lane, Schedule, back_off
from gateway.domain.moments import from_text, to_text
from gateway.errors import GatewayError, Reason, RejectedError
from gateway.ports import (
    Caller,
    Callers,
    Change,
    ChangeSet,
    Clock,
    Conflict,
    Insert,
    Ledger,
    Notice,
    Notices,
    Posted,
    Row,
    Update,
)
from gateway.programs.leases import Leases
from gateway.programs.notices import heard
from gateway.programs.rows import event, loads
from gateway.programs.webhooks import ACTIVE, PAUSED, LedgerWebhooks, place_of

_PAGE: Final = 100
_AT_ONCE: Final = 64
_LOOK_S: Final = 1.0
_REST_S: Final = 0.05
_AGAIN_S: Final = 30.0
_GONE: Final = 410
_GIVEN_UP: Final = "given up"
"""Mark of an active subscription whose last message is dead."""

GIVE_UP: Final = timedelta(days=3)


class Herald:
    """Delivers webhooks.

    Args:
        ledger: Where subscriptions, places and attempts are.
        notices: What happened.
        hooks: Signs and brings one message.
        callers: What a subscription's system speaks for.
        clock: Time.
        leases: One node works for a subscription.
        random: 0 ≤ random < 1.
        schedules: When to try again, by lane; the normal one counts.
        give_up_after: How long one message is tried.
        still: Tells whether nothing may leave now (restored, and not released yet).
    """

    def __init__(
        self,
        ledger: Ledger,
        notices: Notices,
        hooks: LedgerWebhooks,
        callers: Callers,
        *,
        clock: Clock,
        leases: Leases,
        random: Callable[[], float],
        schedules: Mapping[int, Schedule] = SCHEDULES,
        give_up_after: timedelta = GIVE_UP,
        still: Callable[[], bool] = lambda: False,
    ) -> None:
        self._ledger = ledger
        self._notices = notices
        self._hooks = hooks
        self._callers = callers
        self._clock = clock
        self._leases = leases
        self._random = random
        normal = schedules[Lane.NORMAL]
        self._schedules: dict[int, Schedule] = {
            Lane.NORMAL: replace(normal, give_up_after=give_up_after)
        }
        self._still = still
        self._room = asyncio.Semaphore(_AT_ONCE)
        self._following: dict[str, asyncio.Task[None]] = {}

    async def run(self) -> None:
        """Follow every active subscription until cancelled."""
        try:
            while True:
                try:
                    await self._look()
                except GatewayError as exc:
                    observe.program_failed(program="herald", failure=exc, retry_in_s=_LOOK_S)
                await asyncio.sleep(_LOOK_S)
        finally:
            for task in self._following.values():
                task.cancel()
            await asyncio.gather(*self._following.values(), return_exceptions=True)

    async def _look(self) -> None:
        active = {row["id"] for row in await self._ledger.all("webhooks_active")}
        for webhook_id in [name for name, task in self._following.items() if task.done()]:
            self._following.pop(webhook_id).result()
        for webhook_id in active - self._following.keys():
            self._following[webhook_id] = asyncio.create_task(
                self._follow(webhook_id), name=f"webhook:{webhook_id}"
            )

    async def _follow(self, webhook_id: str) -> None:
        """Work for one subscription while it is active, whenever this node holds its lease."""
        try:
            async with self._leases.holding(place_of(webhook_id)) as mine:
                while mine and not self._leases.paused:
                    seen = await self._notices.newest()
                    wait_s = await self.once(webhook_id)
                    if wait_s is None:
                        return
                    if wait_s > 0:
                        # Short looks: what an operator changes counts within seconds.
                        await asyncio.sleep(min(wait_s, _LOOK_S))
                    else:
                        await self._more(seen)
        except GatewayError as exc:
            observe.program_failed(program="herald", failure=exc, retry_in_s=_LOOK_S)
            await asyncio.sleep(_LOOK_S)
        except Exception as exc:  # noqa: BLE001 - one receiver must not end it for all the others
            observe.alarm(what="herald", subject=webhook_id, failure=exc)
            await asyncio.sleep(_AGAIN_S)

    async def _more(self, seen: int) -> None:
        """Wait until something happened, or for a while; not while this node is to rest."""
        for _ in range(5):
            if self._leases.paused or await self._notices.changed(seen, _LOOK_S):
                return

    # ------------------------------------------------------------ one subscription, now

    async def once(self, webhook_id: str) -> float | None:
        """Bring what waits for one subscription.

        Returns:
            Seconds until the next try; 0 when nothing waits any more; None when it is not active.
        """
        while True:
            row = await self._ledger.one("webhook", id=webhook_id)
            if row is None or row["state"] != ACTIVE:
                return None
            wait_s = (from_text(row["due_at"]) - self._clock.now()).total_seconds()
            if wait_s > 0:
                return wait_s
            caller = self._callers.system(row["system_id"])
            place = await self._ledger.one("place", consumer=place_of(webhook_id))
            if caller is None or place is None or self._still():
                return _LOOK_S  # a system that is disabled hears nothing; its place stays
            if not await self._page(row, place, caller):
                return 0.0

    async def _page(self, row: Row, place: Row, caller: Caller) -> bool:
        """Bring a page; False when nothing waits."""
        kinds = tuple(loads(row["kinds"]))
        try:
            page = await self._notices.after(caller, place["cursor"], limit=_PAGE, kinds=kinds)
        except RejectedError as exc:
            if exc.reason is not Reason.GONE:
                raise
            await self._pause(row, "its place is not in the feed any more: replay from a cursor")
            return True
        if page.next == place["cursor"]:
            return False
        for notice in page.notices:
            moved = await self._bring(row, place, notice)
            if moved is None:
                return True
            place = moved
            fresh = await self._ledger.one("webhook", id=row["id"])
            if fresh is None or fresh["state"] != ACTIVE:
                return True
            row = fresh
        if page.next > place["cursor"]:
            # What it did not ask for lies behind it now.
            await self._ledger.commit(ChangeSet(rows=(_advanced(place, page.next, self._now()),)))
        return True

    async def _bring(self, row: Row, place: Row, notice: Notice) -> Row | None:
        """Try one message; return the place behind it, None when it stays where it is."""
        began = self._clock.now()
        message_id = f"msg_{row['id']}_{notice.cursor}"
        tries = row["tries"] + 1
        since = from_text(row["failing_since"] or to_text(began))
        decision = back_off(
            tries, Lane.NORMAL, self._random(), waited=began - since, schedules=self._schedules
        )
        known = await self._ledger.one("webhook_call", id=message_id)
        attempt = self._attempt(row, place, notice, known, began, decision.wait)
        if isinstance(await self._ledger.commit(attempt), Conflict):
            await asyncio.sleep(_REST_S)  # paused, put back, or another node's by now: look again
            return None
        async with self._room:
            posted = await self._hooks.send(
                row, message_id, notice.kind, notice.body["at"],
                {**notice.body, "webhook": row["id"], "replay": notice.cursor <= place["highest"]},
            )  # fmt: skip
        if posted.taken:
            return await self._told(row, place, notice, tries, began, posted)
        if posted.status == _GONE:
            await self._pause(row, "410 Gone", message_id, posted)
            return None
        if decision.gives_up:
            return await self._dead(row, place, notice, tries, posted)
        await self._failed(row, message_id, tries, since, posted)
        return None

    def _attempt(  # noqa: PLR0917
        self,
        row: Row,
        place: Row,
        notice: Notice,
        known: Row | None,
        now: datetime,
        wait: timedelta | None,
    ) -> ChangeSet:
        """(2) The attempt and the next due time, before anything is dialled."""
        message_id = f"msg_{row['id']}_{notice.cursor}"
        values: dict[str, Any] = {
            "state": "trying",
            "tries": (known["tries"] if known else 0) + 1,
            "began_at": to_text(now),
            "ended_at": None,
            "status": 0,
            "outcome": "",
        }
        call: Change = Update("webhook_call", {"id": message_id}, values)
        if known is None:
            named = {"id": message_id, "webhook_id": row["id"], "seq": notice.cursor}
            call = Insert("webhook_call", {**named, "kind": notice.kind, **values})
        due = to_text(now + (wait or timedelta(0)))
        tried = Update(
            "webhook",
            {"id": row["id"], "state": ACTIVE, "tries": row["tries"]},
            {
                "tries": row["tries"] + 1,
                "failing_since": row["failing_since"] or to_text(now),
                "due_at": due,
            },
        )
        # A place that was put back meanwhile refuses the attempt: the page is read again.
        still = Update("place", _where(place), {"cursor": place["cursor"]})
        guards = self._leases.guard(place_of(row["id"]))
        return ChangeSet(guards=guards, rows=(call, tried, still))

    async def _told(  # noqa: PLR0917
        self, row: Row, place: Row, notice: Notice, tries: int, began: datetime, posted: Posted
    ) -> Row | None:
        observe.webhook_told(
            webhook_id=row["id"],
            kind=notice.kind,
            tries=tries,
            wait_s=(self._clock.now() - began).total_seconds(),
        )
        return await self._behind(row, place, notice, {"state": "told", "status": posted.status})

    async def _dead(
        self, row: Row, place: Row, notice: Notice, tries: int, posted: Posted
    ) -> Row | None:
        observe.webhook_dead(webhook_id=row["id"], tries=tries, outcome=posted.outcome)
        ended = {"state": "dead", "status": posted.status, "outcome": posted.outcome}
        return await self._behind(row, place, notice, ended)

    async def _behind(
        self, row: Row, place: Row, notice: Notice, ended: Mapping[str, Any]
    ) -> Row | None:
        """(4) The outcome, and the place behind the message unless it was put back meanwhile."""
        now = self._now()
        call = Update(
            "webhook_call", {"id": f"msg_{row['id']}_{notice.cursor}"}, {**ended, "ended_at": now}
        )
        rested = Update(
            "webhook",
            {"id": row["id"]},
            {
                "tries": 0,
                "failing_since": None,
                "due_at": now,
                "why": _GIVEN_UP if ended["state"] == "dead" else "",
            },
        )
        moved = _advanced(place, notice.cursor, now)
        # OPS-06: whose system was told of a maintenance stands beside the outcome.
        known = None
        if ended["state"] == "told":
            known = heard(row["system_id"], "webhook", notice, from_text(now))
        told = (call, rested, moved) if known is None else (call, rested, moved, known)
        if isinstance(await self._ledger.commit(ChangeSet(rows=told)), Conflict):
            await self._ledger.commit(ChangeSet(rows=(call, rested)))
            return None
        return {**place, **moved.values}

    async def _failed(
        self, row: Row, message_id: str, tries: int, since: datetime, posted: Posted
    ) -> None:
        now = self._clock.now()
        if row["why"] == _GIVEN_UP:
            # Not that message: its receiver. What waits must not be given up one by one.
            await self._pause(
                row, "a message was given up and the next fails too", message_id, posted
            )
            return
        decision = back_off(
            tries,
            Lane.NORMAL,
            self._random(),
            waited=now - since,
            retry_after=posted.retry_after,
            schedules=self._schedules,
        )
        wait = decision.wait or timedelta(0)
        ended = {"ended_at": to_text(now), "status": posted.status, "outcome": posted.outcome}
        still = {"id": row["id"], "tries": tries}
        await self._ledger.commit(
            ChangeSet(
                rows=(
                    Update("webhook_call", {"id": message_id}, ended),
                    # Nothing when it was played again or resumed meanwhile: it is due at once.
                    Update("webhook", still, {"due_at": to_text(now + wait)}, expect=None),
                )
            )
        )
        observe.webhook_failed(
            webhook_id=row["id"],
            tries=tries,
            outcome=posted.outcome,
            retry_in_s=wait.total_seconds(),
        )

    async def _pause(
        self, row: Row, why: str, message_id: str = "", posted: Posted | None = None
    ) -> None:
        now = self._clock.now()
        changes: list[Change] = [
            Update("webhook", {"id": row["id"], "state": ACTIVE}, {"state": PAUSED, "why": why}),
            event(place_of(row["id"]), "webhook_paused", now, reason=why),
        ]
        if posted is not None:
            ended = {
                "state": "refused",
                "ended_at": to_text(now),
                "status": posted.status,
                "outcome": posted.outcome,
            }
            changes.append(Update("webhook_call", {"id": message_id}, ended))
        await self._ledger.commit(ChangeSet(rows=tuple(changes)))
        observe.webhook_paused(webhook_id=row["id"], why=why)

    def _now(self) -> str:
        return to_text(self._clock.now())


def _where(place: Row) -> dict[str, Any]:
    return {"consumer": place["consumer"], "cursor": place["cursor"], "highest": place["highest"]}


def _advanced(place: Row, cursor: int, at: str) -> Update:
    highest = max(cursor, place["highest"])
    return Update("place", _where(place), {"cursor": cursor, "highest": highest, "at": at})
