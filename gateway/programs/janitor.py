"""janitor: finds what a crash, a time or a forgotten file left behind, and hands it on.

Expired leases, due retries, consignments without a verdict, inbound bytes nobody read, held letters
when the clock is right again, tree heads, old idempotency keys, orphan blobs. Every step is safe to
repeat; nothing is deleted because tries ran out.
"""

import asyncio
import json
from datetime import timedelta

from gateway import faults, observe
from gateway.domain.lifecycle import DeliveryState, TransferState
from gateway.domain.moments import iso, to_text
from gateway.ports import Blobs, Change, ChangeSet, Conflict, Delete, Insert, Row, Update, Wanted
from gateway.programs import clockwatch, prooftree, tracking
from gateway.programs.context import Context
from gateway.programs.routing import topic_of
from gateway.programs.rows import event
from gateway.receipts.sign import tree_head

_LIMIT = 1000
_PERIOD_S = 1.0
_NOWHERE = timedelta(minutes=10)


class Janitor:
    """Sweeps at start, then every second; the slow sweeps every hour."""

    def __init__(self, context: Context) -> None:
        self._context = context
        self._last_head = context.clock.now() - timedelta(days=1)
        self._last_slow = context.clock.now()

    async def run(self) -> None:
        """Work until cancelled."""
        while True:
            try:
                await self.once()
            except Exception as exc:  # noqa: BLE001 - the next sweep may find the trouble gone
                observe.alarm(what="janitor", failure=exc)
            await asyncio.sleep(_PERIOD_S)

    async def at_start(self) -> None:
        """Take back every lease: this process is the only one on this ledger."""
        far = to_text(self._context.clock.now() + timedelta(days=3650))
        for row in await self._context.ledger.all("transfers_expired", now=far, limit=_LIMIT * 100):
            await self._expire(row)
        # A crash between a last status and the closing of its consignment.
        for row in await self._context.ledger.all("consignments_touched_last"):
            await tracking.close_if_settled(self._context, row["id"])
        await self.once()

    async def once(self) -> None:
        """Make one sweep."""
        context = self._context
        now = context.clock.now()
        at = to_text(now)
        for row in await context.ledger.all("transfers_expired", now=at, limit=_LIMIT):
            await self._expire(row)
        if not clockwatch.is_off(context):
            await self._release_held()
        await self._due(at)
        pending = await context.ledger.all("consignments_pending")
        unread = await context.ledger.all("inbound_open", now=at, limit=_LIMIT)
        await context.lanes.publish(
            [
                *(Wanted("issue", row["id"], row["urgency"]) for row in pending),
                *(Wanted("receive", row["id"]) for row in unread),
            ]
        )
        if now - self._last_head >= context.policy.head_every:
            self._last_head = now
            await self.sign_head()
        if now - self._last_slow >= timedelta(hours=1):
            self._last_slow = now
            await self.slow()

    # ------------------------------------------------------------ transfers

    async def _due(self, at: str) -> None:
        """Hand on what is due, hop by hop: a peer's long queue must not hide another's."""
        ledger, lanes = self._context.ledger, self._context.lanes
        hops = list(self._context.adapters)
        rows = [*await ledger.all("transfers_due_local", now=at, limit=_LIMIT)]
        for hop in hops:
            rows += await ledger.all("transfers_due_at", now=at, hop=hop, limit=_LIMIT)
        await lanes.publish(
            [Wanted(topic_of(row["hop"]), row["id"], row["lane"], row["due_at"]) for row in rows]
        )
        for row in await ledger.all(
            "transfers_due_nowhere", now=at, hops=json.dumps(hops), limit=_LIMIT
        ):
            await self._nowhere(row)

    async def _nowhere(self, row: Row) -> None:
        """Say aloud that a transfer's peer is not configured, and look again later."""
        now = self._context.clock.now()
        reason = f"không có [[peer]] {row['hop']} / there is no [[peer]] {row['hop']}"
        later = {"due_at": to_text(now + _NOWHERE), "reason": reason}
        changes: list[Change] = [
            Update("transfer", {"id": row["id"], "state": row["state"]}, later, expect=None)
        ]
        if row["reason"] != reason:
            observe.alarm(what="peer not configured", subject=row["id"])
            changes.append(event(row["id"], "no_such_peer", now, hop=row["hop"]))
            waits = {"transfer_id": row["id"]}
            changes.append(Update("delivery", waits, {"reason": reason}, expect=None))
        await self._context.ledger.commit(ChangeSet(rows=tuple(changes)))

    async def _expire(self, row: Row) -> None:
        """PROGRAM_DIED: doubt means send again, at the time written down before dialling."""
        now = self._context.clock.now()
        at = to_text(now)
        reason = "chương trình dừng giữa chừng / the program died midway"
        changes: list[Change] = [
            Update(
                "transfer",
                {
                    "id": row["id"],
                    "state": TransferState.SENDING.value,
                    "attempts": row["attempts"],
                },
                {"state": TransferState.DEFERRED.value, "lease_until": None, "reason": reason},
            ),
            Update(
                "delivery",
                {"transfer_id": row["id"], "state": DeliveryState.SENDING.value},
                {"state": DeliveryState.DEFERRED.value, "reason": reason},
                expect=None,
            ),
            Update(
                "attempt",
                {"transfer_id": row["id"], "n": row["attempts"], "ended_at": None},
                {"ended_at": at, "outcome": "died", "detail": ""},
                expect=None,
            ),
            event(row["id"], "program_died", now, n=row["attempts"]),
        ]
        result = await self._context.ledger.commit(ChangeSet(rows=tuple(changes)))
        faults.reach("janitor.after-expire")
        if not isinstance(result, Conflict):
            observe.janitor_swept(what="expired leases", count=1)

    async def _release_held(self) -> None:
        """Put on what waited for the clock (TIM-01); `issue` and `relay` stamp it now."""
        context = self._context
        held = await context.ledger.all("consignments_held")
        transfers = await context.ledger.all("transfers_held")
        if not held and not transfers:
            return
        now = context.clock.now()
        where, free = {"hold": clockwatch.HOLD}, {"hold": ""}
        changes: list[Change] = [
            Update("transfer", where, free, expect=None),
            Update("consignment", where, free, expect=None),
        ]
        changes += [event(r["id"], "hold_ended", now) for r in (*held, *transfers)]
        await context.ledger.commit(ChangeSet(rows=tuple(changes)))
        observe.janitor_swept(what="held by the clock", count=len(held) + len(transfers))

    # ------------------------------------------------------------ receipts

    async def sign_head(self) -> None:
        """Sign the receipt log's tree head when it has grown."""
        context = self._context
        size = await context.ledger.one("log_size")
        latest = await context.ledger.one("tree_head_latest")
        if size is None or size["size"] == (latest["size"] if latest else 0):
            return
        root = (await prooftree.nodes_for(context.ledger, size["size"])).root()
        at = iso(context.clock.now())
        jws = tree_head(context.sealer, size["size"], root.hex(), at)
        faults.reach("janitor.before-head")
        values = {"size": size["size"], "root": root.hex(), "at": at, "jws": jws}
        await context.ledger.commit(ChangeSet(rows=(Insert("tree_head", values, ignore=True),)))

    # ------------------------------------------------------------ the disk

    async def slow(self) -> None:
        """Sweep what only fills the disk."""
        context = self._context
        before = to_text(context.clock.now() - context.policy.keep_keys)
        keys = await context.ledger.all("idempotency_old", before=before, limit=_LIMIT)
        if keys:
            changes = tuple(
                Delete("idempotency", {"system_id": k["system_id"], "key": k["key"]}) for k in keys
            )
            await context.ledger.commit(ChangeSet(rows=changes))
            observe.janitor_swept(what="idempotency keys", count=len(keys))
        await self._orphans(context.blobs)

    async def _orphans(self, blobs: Blobs) -> None:
        age_s = self._context.policy.orphan_age.total_seconds()
        count = await asyncio.to_thread(blobs.sweep_temporary, age_s)
        for name in await asyncio.to_thread(lambda: list(blobs.names())):
            if await self._context.ledger.one("blob_ref", sha256=name) is None:
                count += await asyncio.to_thread(blobs.delete_if_older, name, age_s)
        observe.janitor_swept(what="orphan blobs", count=count)
