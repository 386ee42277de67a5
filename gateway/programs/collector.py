"""collector: asks each peer what waits for us, and makes it ours.

For every listed item: bytes to a blob, then one transaction with the row (peer, docId) and the
time, and only then the peer's acknowledgement. A crash before the commit leaves the item listed
there; a crash after it leaves an item we know, acknowledged at the next round. An answer we cannot
read is an alert, never an empty list. An item nobody can read is fetched again a few times, then
answered `fail` and kept. Of several nodes one at a time asks a peer, under a lease of that peer's.
"""

import asyncio
import contextlib
from collections import deque
from collections.abc import AsyncGenerator, AsyncIterator, Sequence
from typing import Final

from gateway import faults, observe
from gateway.domain.moments import to_text
from gateway.errors import GatewayError, Reason, RejectedError, UnavailableError
from gateway.ports import (
    Absent,
    Adapter,
    BlobInfo,
    Change,
    ChangeSet,
    Conflict,
    Insert,
    Listed,
    MessageKind,
    Row,
    Update,
)
from gateway.programs.context import Context
from gateway.programs.receiver import Receiver
from gateway.programs.rows import event, keep, wake

KINDS: Final[tuple[MessageKind, ...]] = ("edoc", "status")
_AGAIN: Final = "unreadable-yet"
_NOTE_MAX: Final = 250
_TELL_AFTER: Final = 5
_OTHERS_S: Final = 1.0
"""How often a node looks whether the one that asks a peer is still there."""


class Collector:
    """One polling loop a peer."""

    def __init__(self, context: Context, receiver: Receiver) -> None:
        self._context = context
        self._receiver = receiver
        self._nudged = {name: asyncio.Event() for name in context.adapters}

    def nudge(self, peer: str) -> None:
        """Ask a peer now instead of at its next time."""
        self._nudged[peer].set()

    async def run(self) -> None:
        """Work until cancelled."""
        async with asyncio.TaskGroup() as group:
            for adapter in self._context.adapters.values():
                group.create_task(self._poll(adapter))

    async def _poll(self, adapter: Adapter) -> None:
        every = self._context.peer(adapter.name).poll.total_seconds()
        nudged = self._nudged[adapter.name]
        failures = 0
        while True:
            wait_s = every
            try:
                async with self._context.leases.holding(f"collect:{adapter.name}") as mine:
                    if mine:
                        await self.once(adapter)
                        failures = 0
                    else:
                        wait_s = min(every, _OTHERS_S)
            except (GatewayError, OSError, TimeoutError) as exc:
                failures += 1
                observe.collect_failed(peer=adapter.name, reason=type(exc).__name__)
                if failures == _TELL_AFTER:
                    observe.alarm(what="peer gives no readable list", subject=adapter.name)
            except Exception as exc:  # noqa: BLE001 - the loop outlives any one round
                observe.alarm(what="collector", subject=adapter.name, failure=exc)
            nudged.clear()
            try:
                async with asyncio.timeout(wait_s):
                    await nudged.wait()
            except TimeoutError:
                continue

    async def once(self, adapter: Adapter) -> int:
        """Make one round; return how many new items became ours.

        Documents and statuses are asked for apart: trouble with one list does not hide the other.

        Raises:
            UnavailableError: The peer gave no answer that can be read.
        """
        count = 0
        trouble: UnavailableError | None = None
        for kind in KINDS:
            try:
                items = await self._listed(adapter, kind)
            except UnavailableError as exc:
                trouble = exc
                continue
            count += await self._items(adapter, items)
        if count:
            observe.collected(peer=adapter.name, items=count)
        if trouble is not None:
            raise trouble
        return count

    async def _listed(self, adapter: Adapter, kind: MessageKind) -> Sequence[Listed]:
        """Ask for a list; a restored gateway asks by dates as well, for what it forgot it took."""
        items = await adapter.listing(kind)
        since = self._context.restored_since
        if since is None:
            return items
        known = {item.peer_doc_id for item in items}
        older = await adapter.listing(kind, since=since)
        return [*items, *(item for item in older if item.peer_doc_id not in known)]

    async def _items(self, adapter: Adapter, items: Sequence[Listed]) -> int:
        """Take a list, a few at a time: what is slow or bad does not stop what is behind it."""
        waiting = deque(items)
        count = 0

        async def work() -> None:
            nonlocal count
            while waiting:
                item = waiting.popleft()
                try:
                    count += await self._item(adapter, item)
                except GatewayError as exc:
                    observe.collect_failed(peer=adapter.name, reason=exc.reason)
                except Exception as exc:  # noqa: BLE001 - one bad item must not hide the others
                    observe.alarm(what="collector", subject=item.peer_doc_id[:64], failure=exc)

        async with asyncio.TaskGroup() as group:
            for _ in range(min(self._context.peer(adapter.name).concurrency, len(items))):
                group.create_task(work())
        return count

    async def _item(self, adapter: Adapter, item: Listed) -> int:
        """Make one listed item ours; return 1 when it was not before."""
        row = await self._known(adapter, item)
        fresh = row is None
        if row is None or row["state"] == _AGAIN:
            row = await self._fetched(adapter, item, row)
        if row is None:
            return 0
        if row["state"] == "received":
            await self._receiver.once(row["id"])
        after = await self._known(adapter, item)
        # What is not read yet is not acknowledged: it can still be fetched again.
        if after is not None and after["state"] not in {"received", _AGAIN}:
            await self._acknowledge(adapter, item, after)
        return int(fresh)

    async def _known(self, adapter: Adapter, item: Listed) -> Row | None:
        return await self._context.ledger.one(
            "inbound_for", peer=adapter.name, peer_doc_id=item.peer_doc_id, kind=item.kind
        )

    async def _fetched(self, adapter: Adapter, item: Listed, known: Row | None) -> Row | None:
        """Download an item and commit it; return its row, None when there is nothing to go on."""
        try:
            info = await self._download(adapter, item)
        except RejectedError as exc:
            # It can never become ours as it is: counted like a packet nobody can read.
            row = await self._record(adapter, item, BlobInfo("", 0), known)
            if row is not None:
                await self._receiver.unreadable(row, exc.reason, exc.public)
            return row
        faults.reach("collector.after-fetch")
        row = await self._record(adapter, item, info, known)
        faults.reach("collector.after-commit")
        return row

    async def _download(self, adapter: Adapter, item: Listed) -> BlobInfo:
        limit = self._context.policy.limits.packet_bytes
        writer = self._context.blobs.writer()
        try:
            size = 0
            async with contextlib.aclosing(_generator(adapter.fetch(item))) as chunks:
                async for data in chunks:
                    size += len(data)
                    if size > limit:
                        raise RejectedError(
                            Reason.TOO_LARGE, f"the packet is larger than {limit} bytes"
                        )
                    writer.write(data)
            return await writer.finish()
        finally:
            writer.abort()

    async def _record(
        self, adapter: Adapter, item: Listed, info: BlobInfo, known: Row | None
    ) -> Row | None:
        """Commit bytes and time; None when another program was faster."""
        context = self._context
        now = context.clock.now()
        at = to_text(now)
        key = {"peer": adapter.name, "peer_doc_id": item.peer_doc_id, "kind": item.kind}
        facts = {"sha256": info.sha256, "size_bytes": info.size_bytes, "state": "received"}
        if known is not None:
            where = {"id": known["id"], "state": _AGAIN}
            changes: list[Change] = [Update("inbound", where, facts | {"due_at": at})]
            guards: tuple[Absent, ...] = ()
            inbound_id = known["id"]
        else:
            inbound_id = context.ids.new()
            row = {"id": inbound_id, "received_at": at, "due_at": at, **key, **facts}
            changes = [
                Insert("inbound", row),
                event(inbound_id, "collected", now, peer=adapter.name, message=item.kind),
                wake("receive", inbound_id, 1 if item.kind == "status" else 0),
            ]
            guards = (Absent("inbound", key),)
        if info.sha256:
            changes.append(keep(info.sha256, inbound_id))
        result = await context.ledger.commit(ChangeSet(guards=guards, rows=tuple(changes)))
        if isinstance(result, Conflict):
            return None
        return await self._known(adapter, item)

    async def _acknowledge(self, adapter: Adapter, item: Listed, row: Row) -> None:
        # Only after our commit; `fail` with ASCII words for what nobody can read.
        done = row["state"] != "unreadable"
        note = "" if done else f"khong doc duoc goi tin (unreadable packet): {row['detail']}"
        try:
            await adapter.acknowledge(item, done=done, note=note[:_NOTE_MAX])
        except GatewayError as exc:
            observe.collect_failed(peer=adapter.name, reason=exc.reason)
            return
        if row["acked_at"] is None:
            now = self._context.clock.now()
            change = Update("inbound", {"id": row["id"]}, {"acked_at": to_text(now)}, expect=None)
            await self._context.ledger.commit(ChangeSet(rows=(change,)))


async def _generator(chunks: AsyncIterator[bytes]) -> AsyncGenerator[bytes, None]:
    """Wrap a stream so that it can be closed when we stop in its middle."""
    try:
        async for data in chunks:
            yield data
    finally:
        close = getattr(chunks, "aclose", None)
        if close is not None:
            await close()
