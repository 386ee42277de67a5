"""relay: one attempt to take one transfer to its next hop.

1. claim the transfer: its attempt row, lease and next due time are committed before dialling;
2. hand the parcel over;
3. commit what came of it.

A crash after 1 leaves an expired lease: the janitor defers it and it is sent again, because doubt
means send again; the receiver drops the repeat. A crash between 2 and 3 is the same.
"""

import asyncio
from collections.abc import AsyncIterator
from datetime import datetime, timedelta
from typing import Any, assert_never

from gateway import faults, observe
from gateway.domain.delivery import TELL_CLERK_AFTER, back_off
from gateway.domain.lifecycle import DeliveryState, TransferState
from gateway.domain.moments import from_text, to_text
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
from gateway.programs import clockwatch, parcels
from gateway.programs.context import Context
from gateway.programs.local import deliver_locally
from gateway.programs.routing import LOCAL, topic_of
from gateway.programs.rows import entry, event, loads

_LOCAL_WORKERS = 48
_URGENT = 1


class Relay:
    """Workers that empty the relay topics, some reserved for urgent lanes."""

    def __init__(self, context: Context) -> None:
        self._context = context

    async def run(self) -> None:
        """Work until cancelled."""
        async with asyncio.TaskGroup() as group:
            self._workers(group, LOCAL, _LOCAL_WORKERS)
            for hop in self._context.adapters:
                self._workers(group, hop, self._context.peer(hop).concurrency)

    def _workers(self, group: asyncio.TaskGroup, hop: str, count: int) -> None:
        # SND-03 (S003 art 7.2): an urgent document never waits behind normal ones; a quarter of
        # the workers, at least one, takes nothing below khẩn.
        reserved = max(1, count // 4)
        for n in range(count + reserved):
            group.create_task(self._work(topic_of(hop), _URGENT if n < reserved else 0))

    async def _work(self, topic: str, lowest: int) -> None:
        while True:
            transfer_id = await self._context.lanes.take(topic, lowest=lowest)
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
            return
        if row["hop"].startswith(LOCAL):
            await deliver_locally(context, row)
            return
        await self._dial(row)

    async def _dial(self, row: Row) -> None:
        context = self._context
        adapter = context.adapters.get(row["hop"])
        if adapter is None:
            await self._settle(row, Busy("peer is not configured"), context.clock.now())
            return
        claimed = await self._claim(row)
        if claimed is None:
            return
        faults.reach("relay.after-attempt")
        outcome = await self._deliver(adapter, claimed)
        faults.reach("relay.after-delivery")
        await self._settle(claimed, outcome, context.clock.now())
        faults.reach("relay.after-outcome")

    async def _claim(self, row: Row) -> dict[str, Any] | None:
        context = self._context
        row = await parcels.ensure(context, row)
        now = context.clock.now()
        attempt = row["attempts"] + 1
        decision = self._next(row, attempt, now, None)
        values = {
            "state": TransferState.SENDING.value,
            "attempts": attempt,
            "lease_until": to_text(now + context.policy.lease),
            "due_at": to_text(decision or now + context.policy.lease),
        }
        mine = {"id": row["id"], "state": row["state"], "attempts": row["attempts"]}
        claim: list[Change] = [
            Update("transfer", mine, values),
            Insert("attempt", {"transfer_id": row["id"], "n": attempt, "began_at": to_text(now)}),
            Update(
                "delivery",
                {
                    "transfer_id": row["id"],
                    "state": (DeliveryState.PENDING.value, DeliveryState.DEFERRED.value),
                },
                {"state": DeliveryState.SENDING.value},
                expect=None,
            ),
            Update(
                "delivery",
                {"transfer_id": row["id"], "left_at": None},
                {"left_at": to_text(now)},
                expect=None,
            ),
            event(row["id"], "attempt_began", now, n=attempt, hop=row["hop"]),
        ]
        result = await context.ledger.commit(ChangeSet(rows=tuple(claim)))
        return None if isinstance(result, Conflict) else {**row, **values}

    async def _deliver(self, adapter: Adapter, row: Row) -> Outcome:
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
        deadline = context.clock.now() + context.policy.deadline
        try:
            async with asyncio.timeout(context.policy.deadline.total_seconds()):
                return await adapter.deliver(parcel, deadline=deadline)
        except TimeoutError:
            return Busy("no answer before the deadline")
        except Exception as exc:  # noqa: BLE001 - unknown trouble is Busy plus an alert
            observe.alarm(what="adapter", subject=row["id"], failure=exc)
            return Busy(f"adapter failed: {type(exc).__name__}")

    def _next(
        self, row: Row, attempt: int, now: datetime, retry_after_s: float | None
    ) -> datetime | None:
        context = self._context
        decision = back_off(
            attempt,
            row["lane"],
            context.random(),
            waited=now - from_text(row["created_at"]),
            retry_after=None if retry_after_s is None else timedelta(seconds=retry_after_s),
            schedules=context.policy.schedules,
        )
        return None if decision.wait is None else now + decision.wait

    async def _settle(self, row: Row, outcome: Outcome, now: datetime) -> None:
        match outcome:
            case Taken():
                changes = await self._taken(row, outcome, now)
            case Busy(reason, retry_after_s):
                if row["attempts"] == TELL_CLERK_AFTER:
                    observe.alarm(what="transfer does not get through", subject=row["id"])
                due = self._next(row, row["attempts"], now, retry_after_s)
                changes = (
                    self._failed(row, f"gave up: {reason}", now, "gave_up")
                    if due is None
                    else self._deferred(row, reason, due, now)
                )
            case Refused(reason, code):
                text = f"{code} {reason}".strip()
                changes = self._failed(row, text, now, "peer_refused")
            case _:
                assert_never(outcome)
        ended = {"ended_at": to_text(now), "outcome": type(outcome).__name__.lower()}
        detail = getattr(outcome, "reason", getattr(outcome, "detail", ""))
        where = {"transfer_id": row["id"], "n": row["attempts"]}
        changes.append(Update("attempt", where, ended | {"detail": detail[:500]}, expect=None))
        await self._context.ledger.commit(ChangeSet(rows=tuple(changes)))
        self._say(row, outcome, now)

    def _say(self, row: Row, outcome: Outcome, now: datetime) -> None:
        """Log the attempt's closing line."""
        queued_s = (now - from_text(row["created_at"])).total_seconds()
        lane = str(row["lane"])
        facts = {"transfer_id": row["id"], "peer": row["hop"], "attempt": row["attempts"]}
        match outcome:
            case Taken():
                observe.delivery_handed_over(**facts, lane=lane, queued_s=queued_s)
            case Busy(_, retry_after_s):
                wait_s = retry_after_s or 0.0
                observe.delivery_deferred(
                    **facts, lane=lane, reason="busy", retry_in_s=wait_s, queued_s=queued_s
                )
            case Refused(_, code):
                observe.delivery_failed(**facts, reason=f"refused {code}".strip())
            case _:
                assert_never(outcome)

    async def _taken(self, row: Row, outcome: Taken, now: datetime) -> list[Change]:
        context = self._context
        deliveries = await context.ledger.all("deliveries_of_transfer", transfer_id=row["id"])
        sending = [
            s.value for s in (DeliveryState.PENDING, DeliveryState.SENDING, DeliveryState.DEFERRED)
        ]
        done = {
            "state": TransferState.DONE.value,
            "peer_doc_id": outcome.peer_doc_id,
            "done_at": to_text(now),
            "lease_until": None,
            "reason": "",
        }
        changes: list[Change] = [Update("transfer", {"id": row["id"]}, done)]
        # SND-10 (S003 art 11.1): the sending counts once it was acknowledged.
        changes.append(
            Update(
                "delivery",
                {"transfer_id": row["id"], "acknowledged_at": None},
                {"acknowledged_at": to_text(now)},
                expect=None,
            )
        )
        changes.append(
            Update(
                "delivery",
                {"transfer_id": row["id"], "state": tuple(sending)},
                {"state": DeliveryState.HANDED_OVER.value, "reason": ""},
                expect=None,
            )
        )
        changes.append(
            event(row["id"], "handed_over", now, hop=row["hop"], peer_doc_id=outcome.peer_doc_id)
        )
        subject = row["consignment_id"] or row["status_id"]
        changes.append(
            entry(
                context.ids,
                "handed_over",
                subject,
                row["document_id"],
                now,
                transfer_id=row["id"],
                consignment_id=row["consignment_id"],
                status_id=row["status_id"],
                hop=row["hop"],
                peer_doc_id=outcome.peer_doc_id,
                sha256=row["parcel_sha256"],
                recipients=[d["agency"] for d in deliveries] or loads(row["recipients"]),
                attempt=row["attempts"],
            ).row
        )
        return changes

    def _deferred(self, row: Row, reason: str, due: datetime, now: datetime) -> list[Change]:
        return [
            Update(
                "transfer",
                {"id": row["id"], "state": TransferState.SENDING.value},
                {
                    "state": TransferState.DEFERRED.value,
                    "due_at": to_text(due),
                    "lease_until": None,
                    "reason": reason[:500],
                },
                expect=None,
            ),
            Update(
                "delivery",
                {"transfer_id": row["id"], "state": DeliveryState.SENDING.value},
                {"state": DeliveryState.DEFERRED.value, "reason": reason[:500]},
                expect=None,
            ),
            event(row["id"], "deferred", now, reason=reason[:500], due_at=to_text(due)),
        ]

    def _failed(self, row: Row, reason: str, now: datetime, kind: str) -> list[Change]:
        # SND-15: never deleted; a dead letter waits for an operator.
        sending = (
            DeliveryState.PENDING.value,
            DeliveryState.SENDING.value,
            DeliveryState.DEFERRED.value,
        )
        return [
            Update(
                "transfer",
                {"id": row["id"], "state": TransferState.SENDING.value},
                {
                    "state": TransferState.FAILED.value,
                    "lease_until": None,
                    "reason": reason[:500],
                },
                expect=None,
            ),
            Update(
                "delivery",
                {"transfer_id": row["id"], "state": sending},
                {"state": DeliveryState.FAILED.value, "reason": reason[:500]},
                expect=None,
            ),
            event(row["id"], kind, now, reason=reason[:500]),
        ]
