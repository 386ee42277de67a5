"""collector: asks each peer what waits for us, and makes it ours.

For every listed item: bytes to a blob, then one transaction with the row (peer, docId) and the
time, and only then the peer's acknowledgement. A crash before the commit leaves the item listed
there; a crash after it leaves an item we know, acknowledged at the next round. An answer we cannot
read is an alert, never an empty list.
"""

import asyncio

from gateway import faults, observe
from gateway.domain.moments import to_text
from gateway.errors import GatewayError, RejectedError, UnavailableError
from gateway.ports import (
    Absent,
    Adapter,
    BlobInfo,
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

KINDS: tuple[MessageKind, ...] = ("edoc", "status")


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
        while True:
            try:
                await self.once(adapter)
            except (GatewayError, OSError, TimeoutError) as exc:
                observe.collect_failed(peer=adapter.name, reason=type(exc).__name__)
            except Exception as exc:  # noqa: BLE001 - the loop outlives any one round
                observe.alarm(what="collector", subject=adapter.name, failure=exc)
            nudged.clear()
            try:
                async with asyncio.timeout(every):
                    await nudged.wait()
            except TimeoutError:
                continue

    async def once(self, adapter: Adapter) -> int:
        """Make one round; return how many new items became ours.

        Raises:
            UnavailableError: The peer gave no answer that can be read.
        """
        count = 0
        for kind in KINDS:
            items = await adapter.listing(kind)
            for item in items:
                count += await self._item(adapter, item)
        if count:
            observe.collected(peer=adapter.name, items=count)
        return count

    async def _item(self, adapter: Adapter, item: Listed) -> int:
        known = await self._known(adapter, item)
        if known is not None and known["state"] != "unreadable-yet":
            await self._acknowledge(adapter, item, known)
            return 0
        try:
            info = await self._download(adapter, item)
        except RejectedError as exc:
            observe.collect_failed(peer=adapter.name, reason=exc.reason)
            return 0
        except UnavailableError as exc:
            # One item that cannot be fetched must not hide the ones behind it.
            observe.collect_failed(peer=adapter.name, reason=exc.reason)
            return 0
        faults.reach("collector.after-fetch")
        row = await self._record(adapter, item, info, known)
        faults.reach("collector.after-commit")
        if row is None:
            return 0
        await self._receiver.once(row["id"])
        after = await self._known(adapter, item)
        if after is not None and after["state"] != "unreadable-yet":
            await self._acknowledge(adapter, item, after)
        return 1

    async def _known(self, adapter: Adapter, item: Listed) -> Row | None:
        return await self._context.ledger.one(
            "inbound_for", peer=adapter.name, peer_doc_id=item.peer_doc_id, kind=item.kind
        )

    async def _download(self, adapter: Adapter, item: Listed) -> BlobInfo:
        writer = self._context.blobs.writer()
        try:
            size = 0
            async for data in adapter.fetch(item):
                size += len(data)
                if size > self._context.policy.limits.packet_bytes:
                    raise UnavailableError(public="an offered packet is larger than our limit")
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
            again = Update("inbound", {"id": known["id"]}, facts | {"due_at": at})
            await context.ledger.commit(ChangeSet(rows=(again, keep(info.sha256, known["id"]))))
            return known
        inbound_id = context.ids.new()
        row: Row = {"id": inbound_id, "received_at": at, "due_at": at, **key, **facts}
        change = ChangeSet(
            guards=(Absent("inbound", key),),
            rows=(
                Insert("inbound", row),
                keep(info.sha256, inbound_id),
                event(inbound_id, "collected", now, peer=adapter.name, message=item.kind),
                wake("receive", inbound_id, 1 if item.kind == "status" else 0),
            ),
        )
        result = await context.ledger.commit(change)
        return None if isinstance(result, Conflict) else row

    async def _acknowledge(self, adapter: Adapter, item: Listed, row: Row) -> None:
        # Only after our commit; `fail` with ASCII words for what nobody can read.
        done = row["state"] != "unreadable"
        note = "" if done else "khong doc duoc goi tin (unreadable packet)"
        try:
            await adapter.acknowledge(item, done=done, note=note)
        except GatewayError as exc:
            observe.collect_failed(peer=adapter.name, reason=exc.reason)
            return
        if row["acked_at"] is None:
            now = self._context.clock.now()
            change = Update("inbound", {"id": row["id"]}, {"acked_at": to_text(now)}, expect=None)
            await self._context.ledger.commit(ChangeSet(rows=(change,)))
