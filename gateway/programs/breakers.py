"""breakers: which destinations are dialled now, and asking again those that stopped answering.

1. what every attempt says of its destination is heard; enough failures open the breaker (SND-15);
2. while it is open nobody takes that destination's transfers: no attempt is made or recorded, no
   row is touched, and the time does not count towards giving up;
3. when a probe is due the destination is asked (`Adapter.probe`), then exactly one transfer is
   tried, the most urgent first; its end decides.

Operators' holds of a whole destination or document are looked at every second and stop the same
gate. State is in memory, each node its own; that a breaker is open stands in the ledger (`hold`)
for operations, for the clerk, and for the next start, which asks before it sends. A crash between
opening and writing it down costs at most the few attempts that open it again.
"""

import asyncio
from collections import defaultdict
from collections.abc import Awaitable, Callable, Iterable
from datetime import datetime, timedelta
from functools import partial
from typing import Final

from gateway import observe
from gateway.domain.breaker import (
    Breaker,
    BreakerEvent,
    BreakerState,
    asking,
    found_open,
    hear,
    probe_is_due,
)
from gateway.domain.delivery import LONGEST_WISH, Lane
from gateway.domain.lifecycle import TransferState
from gateway.domain.moments import from_text, to_text
from gateway.errors import GatewayError, UnavailableError
from gateway.ports import Change, ChangeSet, Conflict, Insert, Update, Wanted
from gateway.programs.context import Context
from gateway.programs.routing import LOCAL, topic_of
from gateway.programs.rows import event

_PERIOD_S: Final = 1.0
_PATIENCE: Final = timedelta(seconds=30)
_FORWARD: Final = 500
_REASON_MAX: Final = 500


def subject_of(hop: str) -> str:
    """Return what events and audits call a destination."""
    return f"hop:{hop}"


class Breakers:
    """The gate before each destination.

    Args:
        context: Ports and policy; its `breakers`, `halted` and `shelved` are kept true here.
        attempt: Makes one attempt of one transfer, whatever the gate says, and notes its end.
    """

    def __init__(self, context: Context, attempt: Callable[[str], Awaitable[None]]) -> None:
        self._context = context
        self._attempt = attempt
        self._gates: dict[str, asyncio.Event] = {}
        self._written: dict[str, tuple[str, str]] = {}
        self._reasons: dict[str, str] = {}
        self._tried: dict[str, set[str]] = defaultdict(set)
        self._locks: dict[str, asyncio.Lock] = defaultdict(asyncio.Lock)

    async def start(self) -> None:
        """Take over what stood when the last process stopped; wait for a ledger that can say it."""
        while True:
            try:
                await self._restore()
                await self.look()
            except GatewayError as exc:
                observe.program_failed(program="breakers", failure=exc, retry_in_s=_PERIOD_S)
                await asyncio.sleep(_PERIOD_S)
            else:
                return

    async def run(self, hops: Iterable[str]) -> None:
        """Work until cancelled, each destination by itself: a slow probe delays nobody else."""
        async with asyncio.TaskGroup() as group:
            group.create_task(self._repeat(self.look))
            for hop in hops:
                group.create_task(self._repeat(partial(self.step, hop)))

    async def _repeat(self, step: Callable[[], Awaitable[None]]) -> None:
        while True:
            await asyncio.sleep(_PERIOD_S)
            try:
                await step()
            except UnavailableError:
                continue  # the ledger is away: those who must commit say so, once
            except Exception as exc:  # noqa: BLE001 - the next look may find the trouble gone
                observe.alarm(what="breakers", failure=exc)

    # ------------------------------------------------------------ the gate

    async def flowing(self, hop: str) -> None:
        """Return when transfers of this destination may be taken."""
        # Local agencies share their workers: what is held for one must not stop the others.
        if not hop.startswith(LOCAL):
            await self._gate(hop).wait()

    def _gate(self, hop: str) -> asyncio.Event:
        gate = self._gates.get(hop)
        if gate is None:
            gate = self._gates[hop] = asyncio.Event()
            self._swing(hop)
        return gate

    def _swing(self, hop: str) -> None:
        gate = self._gate(hop)
        if self._context.flows(hop):
            gate.set()
        else:
            gate.clear()

    async def look(self) -> None:
        """Learn which destinations and documents an operator holds."""
        context = self._context
        rows = await context.ledger.all("holds_wide")
        before = context.halted
        context.halted = frozenset(r["subject"] for r in rows if r["scope"] == "hop")
        context.shelved = frozenset(r["subject"] for r in rows if r["scope"] == "document")
        for hop in before ^ context.halted:
            observe.destination_held(peer=hop, held=hop in context.halted)
            await self._open_gate(hop)

    # ------------------------------------------------------------ what is heard

    def note(  # noqa: PLR0917
        self,
        hop: str,
        heard: BreakerEvent,
        began_at: datetime,
        now: datetime,
        reason: str = "",
        retry_after_s: float | None = None,
    ) -> None:
        """Learn how an attempt or a probe ended; in memory only, `record` writes it down."""
        context = self._context
        before = context.breakers.get(hop, Breaker())
        wish = None
        if retry_after_s is not None:
            wish = min(timedelta(seconds=max(0.0, retry_after_s)), LONGEST_WISH)
        after = hear(
            before,
            heard,
            began_at,
            now,
            context.random(),
            context.policy.breaker,
            retry_after=wish,
        )
        self._put(hop, after)
        if before.flows and not after.flows:
            self._reasons[hop] = reason[:_REASON_MAX]
            wait_s = (after.probe_at - now).total_seconds() if after.probe_at else 0.0
            observe.breaker_opened(peer=hop, retry_in_s=wait_s)
        elif after.flows and not before.flows:
            self._tried.pop(hop, None)
            since = before.since or now
            observe.breaker_closed(peer=hop, open_s=(now - since).total_seconds())

    def _put(self, hop: str, breaker: Breaker) -> None:
        """Keep a breaker; one that opens shuts the gate now, `record` opens it again."""
        self._context.breakers[hop] = breaker
        if not breaker.flows:
            self._swing(hop)

    async def _open_gate(self, hop: str) -> None:
        """Put what waits into its lanes first, so that the most urgent is the first to leave."""
        context = self._context
        try:
            if context.flows(hop) and hop in context.adapters:
                rows = await context.ledger.all(
                    "transfers_due_at", now=to_text(context.clock.now()), hop=hop, limit=_FORWARD
                )
                topic = topic_of(hop)
                await context.lanes.publish(
                    [Wanted(topic, row["id"], row["lane"], row["due_at"], hop) for row in rows]
                )
        finally:
            self._swing(hop)

    async def record(self, hop: str) -> None:
        """Write down that a breaker opened, asks later or closed; nothing when it stands there."""
        async with self._locks[hop]:
            breaker = self._context.breakers.get(hop, Breaker())
            written = self._written.get(hop)
            if breaker.flows:
                try:
                    if written is not None:
                        await self._write_closed(hop, written[0])
                finally:
                    if not self._gate(hop).is_set():
                        await self._open_gate(hop)
                return
            if breaker.probe_at is None or breaker.since is None:
                return
            until = to_text(breaker.probe_at)
            if written is None:
                await self._write_opened(hop, breaker.since, until)
            elif written[1] != until:
                await self._write_until(hop, written[0], until)

    async def _write_opened(self, hop: str, since: datetime, until: str) -> None:
        context = self._context
        reason = self._reasons.get(hop, "")
        name = context.ids.new()
        values = {
            "id": name,
            "kind": "breaker",
            "scope": "hop",
            "subject": hop,
            "held_by": context.node,
            "reason": reason,
            "since": to_text(since),
            "until": until,
        }
        opened = event(
            subject_of(hop), "breaker_opened", since, hop=hop, node=context.node, reason=reason
        )
        result = await context.ledger.commit(ChangeSet(rows=(Insert("hold", values), opened)))
        if not isinstance(result, Conflict):
            self._written[hop] = (name, until)

    async def _write_until(self, hop: str, name: str, until: str) -> None:
        later = Update("hold", {"id": name}, {"until": until}, expect=None)
        await self._context.ledger.commit(ChangeSet(rows=(later,)))
        self._written[hop] = (name, until)

    async def _write_closed(self, hop: str, name: str) -> None:
        """Close the record, and bring forward what waits for its next try: the line is back."""
        context = self._context
        now = context.clock.now()
        at = to_text(now)
        ended = {"released_at": at, "released_by": context.node}
        changes: list[Change] = [
            Update("hold", {"id": name, "released_at": None}, ended, expect=None),
            event(subject_of(hop), "breaker_closed", now, hop=hop, node=context.node),
        ]
        if hop in context.adapters:
            rows = await context.ledger.all("transfers_later", now=at, hop=hop, limit=_FORWARD)
            ids = tuple(row["id"] for row in rows)
            if ids:
                where = {"id": ids, "state": TransferState.DEFERRED.value}
                changes.append(Update("transfer", where, {"due_at": at}, expect=None))
        await context.ledger.commit(ChangeSet(rows=tuple(changes)))
        del self._written[hop]

    async def _restore(self) -> None:
        context = self._context
        now = context.clock.now()
        for row in await context.ledger.all("holds_of_breaker", node=context.node):
            hop = row["subject"]
            self._written[hop] = (row["id"], row["until"])
            if hop in context.adapters:
                self._put(hop, found_open(from_text(row["since"]), now))
                observe.breaker_opened(peer=hop, retry_in_s=0.0)
            else:
                await self._write_closed(hop, row["id"])

    # ------------------------------------------------------------ asking again

    async def step(self, hop: str) -> None:
        """Ask a destination that stopped answering, when it is time."""
        context = self._context
        breaker = context.breakers.get(hop, Breaker())
        asks = not breaker.flows and hop not in context.halted and not context.leases.paused
        if asks and await self._is_due(hop, breaker):
            # What was learnt while we looked counts too: another attempt may have closed it.
            latest = context.breakers[hop]
            if not latest.flows:
                self._put(hop, asking(latest, context.clock.now()))
                await self._probe(hop)
        await self.record(hop)

    async def _is_due(self, hop: str, breaker: Breaker) -> bool:
        if breaker.state is BreakerState.HALF_OPEN:  # the last probe decided nothing
            return True
        context = self._context
        now = context.clock.now()
        urgent = await context.ledger.one(
            "urgent_due", now=to_text(now), hop=hop, lane=int(Lane.EXPRESS)
        )
        return probe_is_due(breaker, now, context.policy.breaker, urgent=urgent is not None)

    async def _probe(self, hop: str) -> None:
        began = self._context.clock.now()
        reason = await self._asked(hop)
        if reason is not None:
            now = self._context.clock.now()
            self.note(hop, BreakerEvent.FAILED, began, now, reason)
            return
        transfer_id = await self._most_urgent(hop)
        if transfer_id is None:
            # Nothing to try it with: that it answers is all there is to know.
            self.note(hop, BreakerEvent.SUCCEEDED, began, self._context.clock.now())
            return
        # One letter that never gets through must not stand for all the others for ever.
        self._tried[hop].add(transfer_id)
        await self._attempt(transfer_id)

    async def _asked(self, hop: str) -> str | None:
        """Return why the destination cannot be reached; None when it answers."""
        context = self._context
        patience = min(context.peer(hop).timeout, _PATIENCE)
        try:
            async with asyncio.timeout(patience.total_seconds()):
                await context.adapters[hop].probe()
        except TimeoutError:
            return "không trả lời trước hạn / no answer before the deadline"
        except GatewayError as exc:
            return exc.public
        except Exception as exc:  # noqa: BLE001 - unknown trouble is no answer, plus an alert
            observe.alarm(what="adapter", subject=subject_of(hop), failure=exc)
            return f"adapter failed: {type(exc).__name__}"
        return None

    async def _most_urgent(self, hop: str) -> str | None:
        tried = self._tried[hop]
        rows = await self._context.ledger.all(
            "transfers_due_at",
            now=to_text(self._context.clock.now()),
            hop=hop,
            limit=len(tried) + 1,
        )
        if not rows:
            return None
        fresh = next((row["id"] for row in rows if row["id"] not in tried), None)
        if fresh is None:
            tried.clear()
            fresh = rows[0]["id"]
        return str(fresh)
