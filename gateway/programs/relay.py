"""relay: one attempt to take one transfer to its next hop.

1. claim the transfer: its attempt row, lease and next due time are committed before dialling;
2. hand the parcel over;
3. commit what came of it, and tell the destination's circuit breaker.

A crash after 1 leaves an expired lease: the janitor defers it and it is sent again, because doubt
means send again; the receiver drops the repeat. A crash between 2 and 3 is the same. A ledger that
goes away during 1 or 3 is waited for, and asked again what became of it. A process that
stood still so long that another took the transfer over looks before it dials, and changes nothing
of the other's attempt.
"""

import asyncio
import contextlib
from collections.abc import AsyncIterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final, assert_never

from gateway import faults, observe
from gateway.domain.breaker import BreakerEvent
from gateway.domain.delivery import TELL_CLERK_AFTER, Decision, back_off
from gateway.domain.holds import Span, held_within, hold_span
from gateway.domain.lifecycle import DeliveryEvent, DeliveryState, TransferState
from gateway.domain.moments import from_text, to_text
from gateway.errors import GatewayError, IntegrityError, RejectedError, UnavailableError
from gateway.ports import (
    Absent,
    Adapter,
    Busy,
    Change,
    ChangeSet,
    Committed,
    Conflict,
    Insert,
    Outcome,
    Parcel,
    Present,
    Refused,
    Row,
    Taken,
    Update,
)
from gateway.programs import clockwatch, parcels, settle, tracking
from gateway.programs.breakers import Breakers
from gateway.programs.context import Context
from gateway.programs.local import deliver_locally
from gateway.programs.patience import Patience
from gateway.programs.routing import LOCAL, topic_of
from gateway.programs.rows import event, held_by_hand, loads, not_held

_LOCAL_WORKERS: Final = 48
_URGENT: Final = 1
_FINISH_S: Final = 5.0
_ASLEEP_S: Final = 2.0
"""After so long between claim and dialling we may have been taken for dead."""

_SLOWEST: Final = 1024 * 1024
"""Bytes a second below which a large parcel runs out of time."""


@dataclass(frozen=True, slots=True)
class _Damaged:
    """Our own parcel cannot be made or read: no peer can help."""

    reason: str


@dataclass(frozen=True, slots=True)
class _AtHome(Busy):
    """Not now, for a reason of ours: it says nothing of the destination."""


class Relay:
    """Workers that empty the relay topics, some reserved for urgent lanes."""

    def __init__(self, context: Context) -> None:
        self._context = context
        # Those there are now: whoever comes later (a test's peer) has hands of its own.
        self._hops = tuple(context.adapters)
        self.breakers = Breakers(context, self._try)
        self._patience = Patience("relay", context.random)

    async def run(self) -> None:
        """Work until cancelled; attempts under way get a few seconds to finish."""
        await self.breakers.start()
        async with asyncio.TaskGroup() as group:
            group.create_task(self.breakers.run(self._hops))
            self._workers(group, LOCAL, _LOCAL_WORKERS)
            for hop in self._hops:
                self._workers(group, hop, self._context.peer(hop).concurrency)

    def _workers(self, group: asyncio.TaskGroup, hop: str, count: int) -> None:
        # SND-03 (S003 art 7.2): an urgent document never waits behind normal ones; a quarter of
        # the workers, at least one of two, takes nothing below khẩn.
        reserved = 0 if count < 2 else max(1, count // 4)
        for n in range(count):
            group.create_task(self._work(hop, _URGENT if n < reserved else 0))

    async def _work(self, hop: str, lowest: int) -> None:
        topic = topic_of(hop)
        while True:
            await self.breakers.flowing(hop)
            work = await self._context.lanes.take(topic, lowest=lowest)
            await self._carefully(work.ref)
            await work.done()

    async def _carefully(self, transfer_id: str, *, asking: bool = False) -> None:
        """Make one attempt; when we are told to stop, give it a few seconds to finish."""
        attempt = asyncio.ensure_future(self._safely(transfer_id, asking=asking))
        try:
            await asyncio.shield(attempt)
        except asyncio.CancelledError:
            await asyncio.wait({attempt}, timeout=_FINISH_S)
            attempt.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await attempt
            raise

    async def _safely(self, transfer_id: str, *, asking: bool = False) -> None:
        try:
            await self.once(transfer_id, asking=asking)
            self._patience.good()
        except UnavailableError as exc:
            await self._patience.wait(exc)
        except Exception as exc:  # noqa: BLE001 - one bad letter must not stop the post
            observe.alarm(what="relay", subject=transfer_id, failure=exc)

    async def _try(self, transfer_id: str) -> None:
        await self._carefully(transfer_id, asking=True)

    async def once(self, transfer_id: str, *, asking: bool = False) -> None:
        """Make one attempt; do nothing when there is nothing to claim.

        Args:
            transfer_id: What to try.
            asking: It is the one attempt that asks whether a destination takes parcels again.
        """
        context = self._context
        row = await context.ledger.one("transfer", id=transfer_id)
        now = context.clock.now()
        if (
            row is None
            or row["hold"]
            or row["stopped"]
            or row["state"] not in {TransferState.WAITING, TransferState.DEFERRED}
            or row["due_at"] > to_text(now)
        ):
            return
        if row["consignment_id"] in context.shelved:
            await self._shelve(row, now)
        elif row["hop"] in context.halted or not (asking or context.flows(row["hop"])):
            await self._put_off(row, now)
        elif clockwatch.is_off(context):
            await clockwatch.hold_transfer(context, row)
        elif row["hop"].startswith(LOCAL):
            await deliver_locally(context, row)
        elif (adapter := context.adapters.get(row["hop"])) is not None:
            await self._dial(adapter, row)

    async def _shelve(self, row: Row, now: datetime) -> None:
        """Stop a transfer made after an operator held its document; not if it was released since.

        What we know of holds is a second old: stopped on old news it would never go on.
        """
        held = Present("hold", held_by_hand("document", row["consignment_id"]))
        where = {"id": row["id"], "state": row["state"], "stopped": 0}
        stop = Update("transfer", where, {"stopped": 1})
        told = event(row["id"], "queue_held", now, scope="document")
        await self._context.ledger.commit(ChangeSet(rows=(stop, told), guards=(held,)))

    async def _put_off(self, row: Row, now: datetime) -> None:
        """Give back what was taken just before its destination was closed: no attempt is made.

        It stays due; the new time makes it a new wish, which no broker takes for a repeated one.
        """
        where = {"id": row["id"], "state": row["state"], "due_at": row["due_at"]}
        later = Update("transfer", where, {"due_at": to_text(now)}, expect=None)
        await self._context.ledger.commit(ChangeSet(rows=(later,)))

    async def _dial(self, adapter: Adapter, row: Row) -> None:
        claimed = await self._claim(row)  # (1)
        if claimed is None:
            return
        faults.reach("relay.after-attempt")
        outcome = await self._deliver(adapter, claimed)  # (2)
        faults.reach("relay.after-delivery")
        now = self._context.clock.now()
        self._tell(claimed, outcome, now)
        await self._record(claimed, outcome, now)  # (3)
        await self.breakers.record(row["hop"])
        faults.reach("relay.after-outcome")

    def _tell(self, row: Row, outcome: Outcome | _Damaged, now: datetime) -> None:
        """Tell the breaker what the attempt's end says of the destination."""
        hop, began_at = row["hop"], row["began_at"]
        match outcome:
            case Taken():
                self.breakers.note(hop, BreakerEvent.SUCCEEDED, began_at, now)
            case Refused():
                self.breakers.note(hop, BreakerEvent.REFUSED, began_at, now)
            case _Damaged() | _AtHome():
                self.breakers.note(hop, BreakerEvent.UNDECIDED, began_at, now)
            case Busy(reason, wish):
                self.breakers.note(hop, BreakerEvent.FAILED, began_at, now, reason, wish)
            case _:
                assert_never(outcome)

    # ------------------------------------------------------------ (1) claim

    async def _claim(self, row: Row) -> dict[str, Any] | None:
        """Commit the attempt; None when another program was faster."""
        context = self._context
        now = context.clock.now()
        at = to_text(now)
        attempt = row["attempts"] + 1
        tries = await context.ledger.one("tries_of", transfer_id=row["id"])
        known = tries["n"] if tries else 0
        first_at = from_text(tries["first_at"]) if tries and tries["first_at"] else now
        facts: dict[str, Any] = {"tries": known + 1, "first_at": first_at, "began_at": now}
        facts["claimed_s"] = asyncio.get_running_loop().time()
        # Neither a node's name nor an instant nor a count tells two claims apart; this does.
        facts["claim"] = context.ids.new()
        due = await self._next({**row, **facts}, now, None)
        values = {
            "state": TransferState.SENDING.value,
            "attempts": attempt,
            "lease_until": to_text(now + context.policy.lease),
            "due_at": to_text(due or now + context.policy.lease),
            "node": context.node,
        }
        mine = {"id": row["id"], "state": row["state"], "attempts": row["attempts"], "hold": ""}
        mine |= {"stopped": 0}
        covered = {"transfer_id": row["id"]}
        claim: tuple[Change, ...] = (
            Update("transfer", mine, values),
            Insert("attempt", covered | {"n": attempt, "began_at": at, "claim": facts["claim"]}),
            Update(
                "delivery",
                covered | {"state": settle.before(DeliveryEvent.ATTEMPT_BEGAN)},
                {"state": DeliveryState.SENDING.value},
                expect=None,
            ),
            # SND-11 (LGDĐT art 15): when it left what its sender controls, beside SND-10's moment.
            Update("delivery", covered | {"left_at": None}, {"left_at": at}, expect=None),
            event(row["id"], "attempt_began", now, n=attempt, hop=row["hop"]),
        )
        claimed = {**row, **values, **facts}
        conflict = await self._claimed(claimed, ChangeSet(rows=claim, guards=not_held(row)))
        if conflict is not None:
            if isinstance(conflict.failed, Absent):
                await self._put_off(row, now)
            return None
        return claimed

    async def _claimed(self, row: Row, claim: ChangeSet) -> Conflict | None:
        """Commit a claim, however long the ledger is away, as long as its lease lasts.

        One that was heard to fail may be committed all the same: asked again it is refused, and
        found to be our own. Given up, the letter would stand still until the lease is over.
        """
        loop, lease = asyncio.get_running_loop(), self._context.policy.lease
        patience = Patience("relay", self._context.random)
        doubt = False
        while True:
            try:
                result = await self._context.ledger.commit(claim)
                if doubt:  # and the ledger was away for part of our lease
                    kept = await self._extend_lease(row, self._context.clock.now() + lease)
                    if not isinstance(kept, Conflict):
                        return None
                    result = result if isinstance(result, Conflict) else kept
            except UnavailableError as exc:
                if loop.time() > row["claimed_s"] + lease.total_seconds():
                    raise
                doubt = True
                await patience.wait(exc)
            else:
                return result if isinstance(result, Conflict) else None

    async def _next(self, row: Row, now: datetime, retry_after_s: float | None) -> datetime | None:
        """Return when to try again, None to give up; tries count from the last requeue."""
        tried_for = now - row["first_at"]
        decision = self._decide(row, tried_for, retry_after_s)
        if decision.wait is None:
            # SND-15: it is given up after so long a time of trying. What an operator, the clock or
            # a breaker held was not tried: nothing fails because a line was down.
            held = held_within(await self._spans(row, now), row["first_at"], now)
            decision = self._decide(row, tried_for - held, retry_after_s)
        return None if decision.wait is None else now + decision.wait

    def _decide(self, row: Row, waited: timedelta, retry_after_s: float | None) -> Decision:
        context = self._context
        return back_off(
            row["tries"],
            row["lane"],
            context.random(),
            waited=waited,
            retry_after=None if retry_after_s is None else timedelta(seconds=retry_after_s),
            schedules=context.policy.schedules,
        )

    async def _spans(self, row: Row, now: datetime) -> list[Span]:
        """Return when this transfer was held, by whatever."""
        ledger = self._context.ledger
        held = await ledger.all(
            "holds_of",
            transfer_id=row["id"],
            consignment_id=row["consignment_id"] or "",
            hop=row["hop"],
            after=to_text(row["first_at"]),
        )
        spans = []
        for h in held:
            # What this node's breaker holds stands as long as the node does, asked lately or not.
            until = None if h["held_by"] == self._context.node else h["until"]
            spans.append(hold_span(h["since"], until, h["released_at"], now))
        since: datetime | None = None
        for told in await ledger.all("clock_holds_of", transfer_id=row["id"]):
            if told["type"] == "held":
                since = since or from_text(told["at"])
            elif since is not None:
                spans.append(Span(since, from_text(told["at"])))
                since = None
        return spans

    # ------------------------------------------------------------ (2) hand over

    async def _deliver(self, adapter: Adapter, row: dict[str, Any]) -> Outcome | _Damaged:
        try:
            row.update(await parcels.ensure(self._context, row))
            faults.reach("relay.after-parcel")
            allowed = await self._allowed(row)
        except (IntegrityError, RejectedError) as exc:
            return _damaged(row, exc)
        except GatewayError as exc:
            return _AtHome(exc.public)
        if allowed is None:
            return _AtHome("tiến trình khác đã nhận việc này / another process has taken it over")
        try:
            return await self._hand_over(adapter, row, allowed)
        except (IntegrityError, RejectedError) as exc:
            return _damaged(row, exc)
        except GatewayError as exc:
            return Busy(exc.public)
        except Exception as exc:  # noqa: BLE001 - unknown trouble is Busy plus an alert
            observe.alarm(what="adapter", subject=row["id"], failure=exc)
            return Busy(f"adapter failed: {type(exc).__name__}")

    async def _allowed(self, row: Row) -> timedelta | None:
        """Return how long the call may take, under our lease; None when the transfer is not ours.

        Asked before the adapter is: a ledger that is away says nothing of the destination.
        """
        context = self._context
        patience = max(context.policy.deadline, context.peer(row["hop"]).timeout)
        allowed = patience + timedelta(seconds=row["parcel_size"] / _SLOWEST)
        if allowed > context.policy.lease / 2:
            until = context.clock.now() + 2 * allowed
            if isinstance(await self._extend_lease(row, until), Conflict):
                return None
        return None if await self._overtaken(row) else allowed

    async def _hand_over(self, adapter: Adapter, row: Row, allowed: timedelta) -> Outcome:
        context = self._context

        def open_parcel() -> AsyncIterator[bytes]:
            return context.blobs.stream(row["parcel_sha256"])

        parcel = Parcel(
            transfer_id=row["id"],
            kind=row["kind"],
            sender=row["sender_written"],
            recipients=tuple(loads(row["recipients"])),
            document_id=row["document_id"],
            sha256=row["parcel_sha256"],
            size_bytes=row["parcel_size"],
            open=open_parcel,
        )
        try:
            async with asyncio.timeout(allowed.total_seconds()):
                return await adapter.deliver(parcel, deadline=context.clock.now() + allowed)
        except TimeoutError:
            return Busy("không trả lời trước hạn / no answer before the deadline")

    async def _overtaken(self, row: Row) -> bool:
        """Tell whether another process has taken the transfer back from us; asked if it may have.

        Counted by the loop's own time: a process that is stopped, or its machine, stands still.
        """
        if asyncio.get_running_loop().time() - row["claimed_s"] < _ASLEEP_S:
            return False
        fresh = await self._context.ledger.one("transfer", id=row["id"])
        mine = (TransferState.SENDING, row["attempts"])
        return fresh is None or (fresh["state"], fresh["attempts"]) != mine

    async def _extend_lease(self, row: Row, until: datetime) -> Committed | Conflict:
        """Move the lease of the attempt under way; refused when that is not the one we made."""
        made = {"transfer_id": row["id"], "n": row["attempts"], "claim": row["claim"]}
        where = {"id": row["id"], "attempts": row["attempts"], "state": TransferState.SENDING.value}
        lease = Update("transfer", where, {"lease_until": to_text(until)})
        ours = Present("attempt", made | {"ended_at": None})
        return await self._context.ledger.commit(ChangeSet(rows=(lease,), guards=(ours,)))

    # ------------------------------------------------------------ (3) record

    async def _record(self, row: Row, outcome: Outcome | _Damaged, now: datetime) -> None:
        """Commit the attempt's end, however long the ledger is away, as long as the lease is ours.

        Given up, the letter would stand still until the lease is over, a hỏa tốc one too. Safe to
        repeat: what was committed after all is found so, and stays.
        """
        loop, lease = asyncio.get_running_loop(), self._context.policy.lease
        patience = Patience("relay", self._context.random)
        while True:
            try:
                return await self._settle(row, outcome, now)
            except UnavailableError as exc:
                if loop.time() > row["claimed_s"] + lease.total_seconds():
                    raise
                await patience.wait(exc)

    async def _settle(self, row: Row, outcome: Outcome | _Damaged, now: datetime) -> None:
        context = self._context
        due: datetime | None = None
        may_close = True
        match outcome:
            case Taken(_, detail):
                covered = await context.ledger.all("deliveries_of_transfer", transfer_id=row["id"])
                changes = settle.taken(context, row, covered, outcome, now)
                may_close = settle.revives(covered)  # a receipt may have ended it meanwhile
                ended = settle.attempt_ended(row, "taken", detail, now)
            case Busy(reason, retry_after_s):
                due = await self._next(row, now, retry_after_s)
                gave_up = f"hết hạn gửi lại / gave up: {reason}"
                changes = (
                    settle.failed(context, row, "gave_up", gave_up, "", now)
                    if due is None
                    else settle.deferred(row, reason, due, now)
                )
                may_close = due is None
                ended = settle.attempt_ended(row, "busy", reason, now)
            case Refused(reason, code):
                changes = settle.failed(context, row, "peer_refused", reason, code, now)
                ended = settle.attempt_ended(row, "refused", reason, now)
            case _Damaged(reason):
                changes = settle.failed(context, row, "damaged", reason, "", now)
                ended = settle.attempt_ended(row, "damaged", reason, now)
            case _:
                assert_never(outcome)
        result = await context.ledger.commit(ChangeSet(rows=(*changes, ended)))
        if isinstance(result, Conflict):  # a receipt was faster: it has settled the transfer
            await context.ledger.commit(ChangeSet(rows=(ended,)))
        if may_close:
            await tracking.close_if_settled(context, row["consignment_id"])
        self._say(row, outcome, due, now)

    def _say(
        self, row: Row, outcome: Outcome | _Damaged, due: datetime | None, now: datetime
    ) -> None:
        """Log the attempt's closing line; tell the clerk when it does not get through."""
        facts = {"transfer_id": row["id"], "peer": row["hop"], "attempt": row["attempts"]}
        queued_s = (row["began_at"] - from_text(row["created_at"])).total_seconds()
        transfer_s = (now - row["began_at"]).total_seconds()
        consignment = row["consignment_id"]
        match outcome:
            case Taken():
                observe.delivery_handed_over(
                    **facts,
                    lane=str(row["lane"]),
                    queued_s=queued_s,
                    transfer_s=transfer_s,
                    consignment_id=consignment,
                )
            case Busy() if due is not None:
                observe.delivery_deferred(
                    **facts,
                    lane=str(row["lane"]),
                    reason="busy",
                    retry_in_s=(due - now).total_seconds(),
                    queued_s=queued_s,
                    transfer_s=transfer_s,
                    consignment_id=consignment,
                )
            case Busy():
                observe.delivery_failed(**facts, reason="gave up", consignment_id=consignment)
            case Refused(_, code):
                why = f"refused {code}".strip()
                observe.delivery_failed(**facts, reason=why, consignment_id=consignment)
            case _Damaged():
                observe.delivery_failed(**facts, reason="damaged", consignment_id=consignment)
            case _:
                assert_never(outcome)
        if row["tries"] == TELL_CLERK_AFTER and not isinstance(outcome, Taken):
            observe.alarm(what="transfer does not get through", subject=row["id"])


def _damaged(row: Row, exc: GatewayError) -> _Damaged:
    observe.alarm(what="parcel", subject=row["id"], failure=exc)
    return _Damaged(f"kho lưu thiếu hoặc hỏng / missing or damaged here: {exc.public}")
