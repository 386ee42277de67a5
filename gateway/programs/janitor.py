"""janitor: finds what a crash, a time or a forgotten file left behind, and hands it on.

Expired leases, due retries, consignments without a verdict, inbound bytes nobody read, held letters
when the clock is right again, tree heads; every minute what `mending` mends; every hour old
idempotency keys, orphan blobs, bytes that may go. Every step is safe to repeat; nothing is deleted
because tries ran out. Periods count from the last time: a clock set back makes it time at once.

Of several nodes one does it, under the lease `janitor`. The others only fill their own lanes, where
lanes are not shared. What a dead node had begun goes on at once, not when its attempt's lease ends.
"""

import asyncio
import json
from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress
from datetime import datetime, timedelta
from itertools import islice

from gateway import faults, observe
from gateway.domain.lifecycle import DeliveryState, TransferState
from gateway.domain.moments import iso, to_text
from gateway.errors import UnavailableError
from gateway.ports import Blobs, Change, ChangeSet, Conflict, Delete, Insert, Row, Update, Wanted
from gateway.programs import clockwatch, mending, prooftree
from gateway.programs.context import Context
from gateway.programs.patience import Patience
from gateway.programs.retention import Retention
from gateway.programs.routing import LOCAL, topic_of
from gateway.programs.rows import event
from gateway.receipts.sign import tree_head

_LIMIT = 1000
_PAGE = 500
_PERIOD_S = 1.0
_TIDY_S = 30.0
_NOWHERE = timedelta(minutes=10)
LEASE = "janitor"


class Every:
    """Tells once a period that it is time."""

    def __init__(self, period: timedelta, last: datetime | None = None) -> None:
        self._period = period
        self._last = last

    def due(self, now: datetime) -> bool:
        """Tell whether it is time now; a clock that was set back must not mean waiting for it."""
        if self._last is not None and timedelta() <= now - self._last < self._period:
            return False
        self._last = now
        return True


def _nobody() -> Sequence[str]:
    return ()


class Janitor:
    """Sweeps at start, then every second; some things every minute, hour or day.

    Args:
        context: Ports and policy.
        dead: Which nodes are dead now.
        retention: What purges settled letters that are old enough; None keeps all.
        chores: What else waits for time to pass, each safe to repeat.
    """

    def __init__(
        self,
        context: Context,
        dead: Callable[[], Sequence[str]] = _nobody,
        retention: Retention | None = None,
        chores: Sequence[Callable[[], Awaitable[None]]] = (),
    ) -> None:
        self._context = context
        self._dead = dead
        self._retention = retention
        self._chores = chores
        now = context.clock.now()
        self._heads = Every(context.policy.head_every)
        self._mending = Every(timedelta(minutes=1), now)
        self._slow = Every(timedelta(hours=1), now)
        self._purging = Every(timedelta(days=1))

    async def run(self) -> None:
        """Work until cancelled."""
        async with asyncio.TaskGroup() as group:
            group.create_task(self._again_and_again(lambda: self._turn(self._sweep), _PERIOD_S))
            # It takes minutes over the documents of years; what is due does not wait for it.
            group.create_task(self._again_and_again(self._tidy, _TIDY_S))

    async def _again_and_again(self, work: Callable[[], Awaitable[None]], period_s: float) -> None:
        patience = Patience("janitor", self._context.random)
        while True:
            try:
                await work()
                patience.good()
            except UnavailableError as exc:
                await patience.wait(exc)
            except Exception as exc:  # noqa: BLE001 - the next sweep may find the trouble gone
                observe.alarm(what="janitor", failure=exc)
            await asyncio.sleep(period_s)

    async def _turn(self, work: Callable[[], Awaitable[None]] | None = None) -> None:
        context = self._context
        async with context.leases.holding(LEASE) as mine:
            if mine:
                for name in self._dead():
                    await self.take_back(name)
                await (work or self.once)()
            elif not context.shared_lanes:
                await self._hand_on(to_text(context.clock.now()))

    async def _tidy(self) -> None:
        context = self._context
        async with context.leases.holding(LEASE) as mine:
            if mine and self._slow.due(context.clock.now()):
                await self.slow()

    async def at_start(self) -> None:
        """Take back what this node had begun before: of a ledger of its own, everything."""
        context = self._context
        if context.node:
            await self.take_back(context.node)
        else:
            far = to_text(context.clock.now() + timedelta(days=3650))
            for row in await context.ledger.all("transfers_expired", now=far, limit=_LIMIT * 100):
                await self._expire(row)
        # A crash between an outcome and the closing of its consignment.
        await mending.newest(context)
        if not context.node:
            await self.once()

    async def take_back(self, node: str) -> None:
        """End the attempts of a process that is no more."""
        for row in await self._context.ledger.all(
            "transfers_of_node", node=node, limit=_LIMIT * 100
        ):
            await self._expire(row)

    async def once(self) -> None:
        """Make one sweep, the slow one too when it is time."""
        await self._sweep()
        if self._slow.due(self._context.clock.now()):
            await self.slow()

    async def _sweep(self) -> None:
        context = self._context
        now = context.clock.now()
        at = to_text(now)
        for row in await context.ledger.all("transfers_expired", now=at, limit=_LIMIT):
            await self._expire(row)
        if not clockwatch.is_off(context):
            await self._release_held()
        await self._hand_on(at)
        if self._heads.due(now):
            await self.sign_head()
        if self._mending.due(now):
            await mending.newest(context)
            await mending.bring_forward(context)
        for chore in self._chores:
            await chore()

    async def _hand_on(self, at: str) -> None:
        """Put into the lanes what is due, without a verdict, or unread."""
        context = self._context
        await self._due(at)
        pending = await context.ledger.all("consignments_pending")
        unread = await context.ledger.all("inbound_open", now=at, limit=_LIMIT)
        await self._wish(
            [
                *(Wanted("issue", row["id"], row["urgency"]) for row in pending),
                *(Wanted("receive", row["id"]) for row in unread),
            ]
        )

    async def _wish(self, wanted: Sequence[Wanted]) -> None:
        """Put ids into the lanes; a broker that is away says so itself, and gets them next time."""
        with suppress(UnavailableError):
            await self._context.lanes.publish(wanted)

    # ------------------------------------------------------------ transfers

    async def _due(self, at: str) -> None:
        """Hand on what is due, hop by hop: a hop's long queue must not hide another's.

        What waits for a hop that is held, or does not answer, is not even looked at.
        """
        context = self._context
        ledger = context.ledger
        halted = {row["subject"] for row in await ledger.all("hops_halted")}
        for found in await ledger.all("hops_waiting"):
            hop = found["hop"]
            if hop in halted or not context.flows(hop):
                continue
            if not hop.startswith(LOCAL) and hop not in context.adapters:
                for row in await ledger.all("transfers_due_nowhere", now=at, hop=hop, limit=_LIMIT):
                    await self._nowhere(row)
                continue
            rows = await ledger.all("transfers_due_at", now=at, hop=hop, limit=_LIMIT)
            if rows:
                topic = topic_of(hop)
                await self._wish(
                    [Wanted(topic, row["id"], row["lane"], row["due_at"], hop) for row in rows]
                )

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
        free = {"hold": ""}
        changes: list[Change] = [
            Update(table, {"hold": hold}, free, expect=None)
            for hold in (clockwatch.HOLD, clockwatch.RESTORED)
            for table in ("transfer", "consignment")
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
        try:
            # In a thread: the key may be in a token, which takes its time.
            jws = await asyncio.to_thread(tree_head, context.sealer, size["size"], root.hex(), at)
        except UnavailableError:
            return  # the token's own alarm says why; what was not signed is signed later
        faults.reach("janitor.before-head")
        values = {"size": size["size"], "root": root.hex(), "at": at, "jws": jws}
        await context.ledger.commit(ChangeSet(rows=(Insert("tree_head", values, ignore=True),)))

    # ------------------------------------------------------------ the disk

    async def slow(self) -> None:
        """Sweep what only fills the disk."""
        context = self._context
        if context.restored:
            # Bytes that no row names may be all that is left of what came after the backup, and an
            # old idempotency key the only thing that recognises a repeat: nothing goes until an
            # operator has looked and let go.
            return
        await self._old_keys(to_text(context.clock.now() - context.policy.keep_keys))
        await mending.everything(context)
        await self._purge()
        await self._orphans(context.blobs)

    async def _old_keys(self, before: str) -> None:
        """Forget idempotency keys, all that are old: more may come in an hour than one page has."""
        ledger = self._context.ledger
        count = 0
        while keys := await ledger.all("idempotency_old", before=before, limit=_LIMIT):
            of: dict[str, list[str]] = {}
            for key in keys:
                of.setdefault(key["system_id"], []).append(key["key"])
            changes = tuple(
                Delete("idempotency", {"system_id": system, "key": tuple(several)})
                for system, several in of.items()
            )
            await ledger.commit(ChangeSet(rows=changes))
            count += len(keys)
        if count:
            observe.janitor_swept(what="idempotency keys", count=count)

    async def _purge(self) -> None:
        """Once a day, let go of bytes that need not be kept any longer."""
        if self._retention is None or not self._purging.due(self._context.clock.now()):
            return
        for kind, tally in (await self._retention.run()).items():
            if tally.items:
                observe.janitor_swept(what=f"retention of {kind}", count=tally.items)

    async def _orphans(self, blobs: Blobs) -> None:
        age_s = self._context.policy.orphan_age.total_seconds()
        count = await asyncio.to_thread(blobs.sweep_temporary, age_s)
        ledger, names = self._context.ledger, iter(blobs.names())
        while some := await asyncio.to_thread(lambda: list(islice(names, _PAGE))):
            # A page of names a question: a store of years has millions of them.
            rows = await ledger.all("blobs_kept", names=json.dumps(some))
            kept = {row["sha256"] for row in rows}
            for name in some:
                if name not in kept:
                    count += await asyncio.to_thread(blobs.delete_if_older, name, age_s)
        observe.janitor_swept(what="orphan blobs", count=count)
