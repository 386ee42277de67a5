"""relay: one attempt to take one transfer to its next hop.

1. claim the transfer: its attempt row, lease and next due time are committed before dialling;
2. hand the parcel over;
3. commit what came of it.

A crash after 1 leaves an expired lease: the janitor defers it and it is sent again, because doubt
means send again; the receiver drops the repeat. A crash between 2 and 3 is the same.
"""

import asyncio
import contextlib
from collections.abc import AsyncIterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final, assert_never

from gateway import faults, observe
from gateway.domain.delivery import TELL_CLERK_AFTER, back_off
from gateway.domain.lifecycle import DeliveryEvent, DeliveryState, TransferState
from gateway.domain.moments import from_text, to_text
from gateway.errors import GatewayError, IntegrityError, RejectedError
from gateway.ports import (
    Adapter,
    Busy,
    Change,
    ChangeSet,
    Conflict,
    Insert,
    Outcome,
    Parcel,
    Refused,
    Row,
    Taken,
    Update,
)
from gateway.programs import clockwatch, parcels, settle, tracking
from gateway.programs.context import Context
from gateway.programs.local import deliver_locally
from gateway.programs.routing import LOCAL, topic_of
from gateway.programs.rows import event, loads

_LOCAL_WORKERS: Final = 48
_URGENT: Final = 1
_FINISH_S: Final = 5.0
_SLOWEST: Final = 1024 * 1024
"""Bytes a second below which a large parcel runs out of time."""


@dataclass(frozen=True, slots=True)
class _Damaged:
    """Our own parcel cannot be made or read: no peer can help."""

    reason: str


class Relay:
    """Workers that empty the relay topics, some reserved for urgent lanes."""

    def __init__(self, context: Context) -> None:
        self._context = context

    async def run(self) -> None:
        """Work until cancelled; attempts under way get a few seconds to finish."""
        async with asyncio.TaskGroup() as group:
            self._workers(group, LOCAL, _LOCAL_WORKERS)
            for hop in self._context.adapters:
                self._workers(group, hop, self._context.peer(hop).concurrency)

    def _workers(self, group: asyncio.TaskGroup, hop: str, count: int) -> None:
        # SND-03 (S003 art 7.2): an urgent document never waits behind normal ones; a quarter of
        # the workers, at least one of two, takes nothing below khẩn.
        reserved = 0 if count < 2 else max(1, count // 4)
        for n in range(count):
            group.create_task(self._work(topic_of(hop), _URGENT if n < reserved else 0))

    async def _work(self, topic: str, lowest: int) -> None:
        while True:
            work = await self._context.lanes.take(topic, lowest=lowest)
            attempt = asyncio.ensure_future(self._safely(work.ref))
            try:
                await asyncio.shield(attempt)
            except asyncio.CancelledError:
                await asyncio.wait({attempt}, timeout=_FINISH_S)
                attempt.cancel()
                with contextlib.suppress(asyncio.CancelledError):
                    await attempt
                raise
            await work.done()

    async def _safely(self, transfer_id: str) -> None:
        try:
            await self.once(transfer_id)
        except Exception as exc:  # noqa: BLE001 - one bad letter must not stop the post
            observe.alarm(what="relay", subject=transfer_id, failure=exc)

    async def once(self, transfer_id: str) -> None:
        """Make one attempt; do nothing when there is nothing to claim."""
        context = self._context
        row = await context.ledger.one("transfer", id=transfer_id)
        now = context.clock.now()
        if (
            row is None
            or row["hold"]
            or row["state"] not in {TransferState.WAITING, TransferState.DEFERRED}
            or row["due_at"] > to_text(now)
        ):
            return
        if clockwatch.is_off(context):
            await clockwatch.hold_transfer(context, row)
        elif row["hop"].startswith(LOCAL):
            await deliver_locally(context, row)
        elif (adapter := context.adapters.get(row["hop"])) is not None:
            await self._dial(adapter, row)

    async def _dial(self, adapter: Adapter, row: Row) -> None:
        claimed = await self._claim(row)  # (1)
        if claimed is None:
            return
        faults.reach("relay.after-attempt")
        outcome = await self._deliver(adapter, claimed)  # (2)
        faults.reach("relay.after-delivery")
        await self._settle(claimed, outcome, self._context.clock.now())  # (3)
        faults.reach("relay.after-outcome")

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
        facts = {"tries": known + 1, "first_at": first_at, "began_at": now}
        due = self._next({**row, **facts}, now, None)
        values = {
            "state": TransferState.SENDING.value,
            "attempts": attempt,
            "lease_until": to_text(now + context.policy.lease),
            "due_at": to_text(due or now + context.policy.lease),
        }
        mine = {"id": row["id"], "state": row["state"], "attempts": row["attempts"], "hold": ""}
        covered = {"transfer_id": row["id"]}
        claim: tuple[Change, ...] = (
            Update("transfer", mine, values),
            Insert("attempt", {"transfer_id": row["id"], "n": attempt, "began_at": at}),
            Update(
                "delivery",
                covered | {"state": settle.before(DeliveryEvent.ATTEMPT_BEGAN)},
                {"state": DeliveryState.SENDING.value},
                expect=None,
            ),
            Update("delivery", covered | {"left_at": None}, {"left_at": at}, expect=None),
            event(row["id"], "attempt_began", now, n=attempt, hop=row["hop"]),
        )
        result = await context.ledger.commit(ChangeSet(rows=claim))
        return None if isinstance(result, Conflict) else {**row, **values, **facts}

    def _next(self, row: Row, now: datetime, retry_after_s: float | None) -> datetime | None:
        """Return when to try again, None to give up; tries count from the last requeue."""
        context = self._context
        decision = back_off(
            row["tries"],
            row["lane"],
            context.random(),
            waited=now - row["first_at"],
            retry_after=None if retry_after_s is None else timedelta(seconds=retry_after_s),
            schedules=context.policy.schedules,
        )
        return None if decision.wait is None else now + decision.wait

    # ------------------------------------------------------------ (2) hand over

    async def _deliver(self, adapter: Adapter, row: dict[str, Any]) -> Outcome | _Damaged:
        try:
            row.update(await parcels.ensure(self._context, row))
            faults.reach("relay.after-parcel")
            return await self._hand_over(adapter, row)
        except (IntegrityError, RejectedError) as exc:
            observe.alarm(what="parcel", subject=row["id"], failure=exc)
            return _Damaged(f"kho lưu thiếu hoặc hỏng / missing or damaged here: {exc.public}")
        except GatewayError as exc:
            return Busy(exc.public)
        except Exception as exc:  # noqa: BLE001 - unknown trouble is Busy plus an alert
            observe.alarm(what="adapter", subject=row["id"], failure=exc)
            return Busy(f"adapter failed: {type(exc).__name__}")

    async def _hand_over(self, adapter: Adapter, row: Row) -> Outcome:
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
        patience = max(context.policy.deadline, context.peer(row["hop"]).timeout)
        allowed = patience + timedelta(seconds=parcel.size_bytes / _SLOWEST)
        now = context.clock.now()
        if allowed > context.policy.lease / 2:
            await self._extend_lease(row, now + 2 * allowed)
        try:
            async with asyncio.timeout(allowed.total_seconds()):
                return await adapter.deliver(parcel, deadline=now + allowed)
        except TimeoutError:
            return Busy("không trả lời trước hạn / no answer before the deadline")

    async def _extend_lease(self, row: Row, until: datetime) -> None:
        where = {"id": row["id"], "attempts": row["attempts"]}
        lease = Update("transfer", where, {"lease_until": to_text(until)})
        await self._context.ledger.commit(ChangeSet(rows=(lease,)))

    # ------------------------------------------------------------ (3) record

    async def _settle(self, row: Row, outcome: Outcome | _Damaged, now: datetime) -> None:
        context = self._context
        due: datetime | None = None
        match outcome:
            case Taken(_, detail):
                covered = await context.ledger.all("deliveries_of_transfer", transfer_id=row["id"])
                changes = settle.taken(context, row, covered, outcome, now)
                ended = settle.attempt_ended(row, "taken", detail, now)
            case Busy(reason, retry_after_s):
                due = self._next(row, now, retry_after_s)
                gave_up = f"hết hạn gửi lại / gave up: {reason}"
                changes = (
                    settle.failed(context, row, "gave_up", gave_up, "", now)
                    if due is None
                    else settle.deferred(row, reason, due, now)
                )
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
        elif due is None and not isinstance(outcome, Taken):
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
