"""An in-memory FrontDoor and Callers, held to what the docstrings of gateway.ports say.

It takes any bytes as a packet; tests say who the sender in them is with `sender_of`. Nothing is
checked but what the port promises: the hash before any decision, one answer for a repeat, a caller
sees only its own, acknowledging is safe to repeat.
"""

import hashlib
from collections.abc import AsyncIterator, Callable, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta

from gateway.domain.envelope import Header
from gateway.errors import Reason, RejectedError
from gateway.ports import (
    Accepted,
    AgencyRow,
    Caller,
    FormFile,
    InboxItem,
    MessageKind,
    Packet,
    SentItem,
    SubmitOptions,
)


class FakeClock:
    """A clock that stands still until it is moved."""

    def __init__(self, at: datetime = datetime(2026, 11, 22, 1, 0, tzinfo=UTC)) -> None:
        self.at = at

    def now(self) -> datetime:
        return self.at

    def offset(self) -> timedelta | None:
        return timedelta(0)

    def move(self, **parts: float) -> None:
        self.at += timedelta(**parts)


class FakeCallers:
    """Systems with their secrets."""

    def __init__(self) -> None:
        self._systems: dict[str, tuple[Caller, tuple[bytes, ...]]] = {}

    def add(self, system_id: str, *secrets: bytes, speaks_for: Sequence[str] = ()) -> Caller:
        caller = Caller(system_id, frozenset(speaks_for))
        self._systems[system_id] = (caller, secrets)
        return caller

    def disable(self, system_id: str) -> None:
        del self._systems[system_id]

    def by_api_key(self, api_key: str) -> Caller | None:
        """Return the caller one of whose secrets this is: tests give one thing both uses."""
        known = self._systems.values()
        return next(
            (
                caller
                for caller, keys in known
                if api_key.encode("utf-8", "surrogateescape") in keys
            ),
            None,
        )

    def system(self, system_id: str) -> Caller | None:
        known = self._systems.get(system_id)
        return None if known is None else known[0]

    def shared_secrets(self, system_id: str) -> tuple[Caller, tuple[bytes, ...]] | None:
        return self._systems.get(system_id)


@dataclass
class Item:
    """Something offered to an agency."""

    row: InboxItem
    packet: bytes
    note: str | None = None


@dataclass
class FakeFrontDoor:
    """The front door of tests.

    Args:
        clock: Time of everything.
        sender_of: Returns the sender a packet names.
        failure: Raised by the next call, once.
        chunk_bytes: Size of the pieces packets are handed out in.
    """

    clock: FakeClock = field(default_factory=FakeClock)
    sender_of: Callable[[bytes], str] | None = None
    failure: Exception | None = None
    chunk_bytes: int = 7
    catalogue: list[AgencyRow] = field(default_factory=list)
    documents: dict[str, tuple[Caller, bytes, SubmitOptions]] = field(default_factory=dict)
    reports: dict[str, tuple[Caller, bytes, SubmitOptions]] = field(default_factory=dict)
    items: dict[str, Item] = field(default_factory=dict)
    sendings: list[tuple[str, SentItem]] = field(default_factory=list)
    largest_chunk: int = 0

    # ------------------------------------------------------------ arranging

    def offer(
        self,
        item_id: str,
        packet: bytes,
        *,
        to: str,
        kind: MessageKind = "edoc",
        sender: str = "H01.01",
        written: str = "",
    ) -> None:
        """Put something into the inbox of an agency."""
        row = InboxItem(
            id=item_id,
            cursor=len(self.items) + 1,
            kind=kind,
            sender=sender,
            sender_written=sender,
            recipient=to,
            recipient_written=written or to,
            document_id=f"{sender},2026/11/21,{item_id}/VP",
            title="Trích yếu",
            notation=f"{item_id}/VP",
            state="OFFERED",
            at_gateway_at=self.clock.now(),
            taken_at=None,
        )
        self.items[item_id] = Item(row, packet)

    def _fail(self) -> None:
        failure, self.failure = self.failure, None
        if failure is not None:
            raise failure

    # ------------------------------------------------------------ the port

    async def submit(
        self, caller: Caller, packet: AsyncIterator[bytes], options: SubmitOptions
    ) -> Accepted:
        data = await self._take(caller, packet, options)
        for known_id, (known_caller, known_data, _) in self.documents.items():
            if (known_caller, known_data) == (caller, data):
                return Accepted(known_id, "doc", "{}", replayed=True)
        new_id = f"c{len(self.documents) + 1}"
        self.documents[new_id] = (caller, data, options)
        sent = SentItem(
            consignment_id=new_id,
            delivery_id=f"{new_id}-1",
            kind="edoc",
            sender=options.declared_from or "",
            recipient="H99",
            document_id="doc",
            title="Trích yếu",
            notation="1/VP",
            state="ACCEPTED",
            state_text="Đã tiếp nhận",
            last_status="03",
            sent_at=self.clock.now(),
            received_at=None,
        )
        self.sendings.insert(0, (caller.system_id, sent))
        return Accepted(new_id, "doc", "{}", replayed=False)

    async def submit_form(
        self,
        caller: Caller,
        header: Header,
        files: AsyncIterator[FormFile],
        options: SubmitOptions,
    ) -> Accepted:
        raise RejectedError(Reason.BAD_REQUEST, "the axis protocol has no forms")

    async def report(
        self, caller: Caller, packet: AsyncIterator[bytes], options: SubmitOptions
    ) -> str:
        data = await self._take(caller, packet, options)
        new_id = f"s{len(self.reports) + 1}"
        self.reports[new_id] = (caller, data, options)
        return new_id

    async def _take(
        self, caller: Caller, packet: AsyncIterator[bytes], options: SubmitOptions
    ) -> bytes:
        data = bytearray()
        async for chunk in packet:
            self.largest_chunk = max(self.largest_chunk, len(chunk))
            data += chunk
        if options.check_sha256 is not None:
            options.check_sha256(hashlib.sha256(data).hexdigest())
        self._fail()
        senders = {options.declared_from} if options.declared_from else set()
        if self.sender_of is not None:
            senders.add(self.sender_of(bytes(data)))
        if not senders <= caller.speaks_for:
            raise RejectedError(Reason.SENDER_NOT_CALLER)
        return bytes(data)

    async def waiting(
        self,
        caller: Caller,
        kind: MessageKind,
        *,
        since: datetime | None = None,
        until: datetime | None = None,
        limit: int = 1000,
    ) -> Sequence[InboxItem]:
        self._fail()
        found = [
            item.row
            for item in self.items.values()
            if item.row.kind == kind
            and item.row.recipient in caller.speaks_for
            and item.row.taken_at is None
            and item.note is None
            and (since is None or item.row.at_gateway_at >= since)
            and (until is None or item.row.at_gateway_at <= until)
        ]
        return found[:limit]

    def _own(self, caller: Caller, item_id: str) -> Item:
        item = self.items.get(item_id)
        if item is None or item.row.recipient not in caller.speaks_for:
            raise RejectedError(Reason.NOT_FOUND, "no such item")
        return item

    async def fetch(self, caller: Caller, item_id: str) -> Packet:
        self._fail()
        data = self._own(caller, item_id).packet

        async def chunks() -> AsyncIterator[bytes]:
            for start in range(0, len(data), self.chunk_bytes):
                yield data[start : start + self.chunk_bytes]

        name = hashlib.sha256(data).hexdigest()
        return Packet(name, len(data), f"{item_id}.edxml", "application/xml", chunks())

    async def acknowledge(
        self, caller: Caller, item_id: str, *, done: bool, note: str = ""
    ) -> None:
        self._fail()
        item = self._own(caller, item_id)
        if done and item.row.taken_at is None:
            item.row = replace(item.row, taken_at=self.clock.now(), state="TAKEN")
        elif not done:
            item.note = note

    async def sent(
        self, caller: Caller, consignment_id: str | None, kind: MessageKind, *, limit: int = 1000
    ) -> Sequence[SentItem]:
        self._fail()
        return [
            item
            for system_id, item in self.sendings
            if system_id == caller.system_id
            and item.kind == kind
            and consignment_id in {None, item.consignment_id}
        ][:limit]

    async def agencies(self, *, closed: bool = False) -> Sequence[AgencyRow]:
        self._fail()
        return tuple(row for row in self.catalogue if closed or row.status == "active")

    async def find_agencies(
        self, text: str, *, limit: int, closed: bool = False
    ) -> Sequence[AgencyRow]:
        self._fail()
        wanted = text.casefold()
        found = [r for r in self.catalogue if wanted in f"{r.code} {r.name}".casefold()]
        return tuple(r for r in found if closed or r.status == "active")[:limit]
