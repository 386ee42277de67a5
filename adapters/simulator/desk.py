"""What a simulated axis does with a call: the FrontDoor behind a dialect's façade.

Promises: packets are streamed; what was answered as taken lies whole in the folder and is offered
to its recipients. A crash leaves the folder's packets behind.
"""

import asyncio
import hashlib
import random
import secrets
from collections.abc import AsyncIterator, Callable, Collection, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import Path
from typing import Final, Literal

from adapters.simulator import packets
from adapters.simulator.faults import Fault, Faults, Interrupted, present
from adapters.simulator.registers import AxisItem, Registers
from gateway.domain.envelope import Header
from gateway.errors import Reason, RejectedError
from gateway.ports import (
    Accepted,
    AgencyRow,
    Caller,
    Clock,
    FormFile,
    InboxItem,
    MessageKind,
    Packet,
    SentItem,
    SubmitOptions,
)

_PIECE_BYTES: Final = 64 * 1024
_DROP_BYTES: Final = 512
_DROP_S: Final = 0.01


@dataclass(frozen=True, slots=True)
class Manners:
    """How an axis behaves; the defaults are what the real one does.

    Args:
        hub: Code written into the trace.
        rewrites: Serialise packets anew.
        returns_to_sender: Deliver to the sender's own system as well when it is addressed.
        remembers: Answer the same document again with the first answer, refuse another under its
            identifier; the real axis has no such thing.
        split: One item for every `To` element, or one for every receiving system.
        seed: Makes the axis's own ids come again; None = chance.
    """

    hub: str = "001.00.20.TT2"
    rewrites: bool = True
    returns_to_sender: bool = True
    remembers: bool = False
    split: Literal["code", "system"] = "code"
    seed: int | None = None


@dataclass(frozen=True, slots=True)
class _Kept:
    """A packet as it came."""

    id: str
    path: Path
    head: packets.Head
    sha256: str


class AxisDesk:
    """See `ports.FrontDoor`.

    Args:
        registers: Everything the axis knows.
        folder: Where packets are kept.
        clock: Time of everything.
        faults: What goes wrong.
        manners: How it behaves.
        only_to: Codes the call being served is limited to; empty = all of the packet.
    """

    def __init__(
        self,
        registers: Registers,
        folder: Path,
        clock: Clock,
        *,
        faults: Faults,
        manners: Manners,
        only_to: Callable[[], Collection[str]],
    ) -> None:
        self._registers = registers
        self._folder = folder
        self._clock = clock
        self._faults = faults
        self._manners = manners
        self._only_to = only_to
        self._random = None if manners.seed is None else random.Random(manners.seed)  # noqa: S311

    def _new_id(self) -> str:
        if self._random is None:
            return secrets.token_hex(12)
        return f"{self._random.getrandbits(96):024x}"

    # ------------------------------------------------------------ sending

    async def submit(
        self, caller: Caller, packet: AsyncIterator[bytes], options: SubmitOptions
    ) -> Accepted:
        """Take a document and split it by its `To` elements."""
        self._faults.reached("send", caller.system_id)
        kept = await self._keep(caller, packet, options)
        head = kept.head
        if head.status or not head.recipients:
            raise RejectedError(Reason.SCHEMA_BROKEN, "the document names no recipient")
        if first := self._answered(kept):
            return Accepted(first, head.document_id, "{}", replayed=True)
        only_to = self._only_to()
        rows = [
            (code, self._owner(code)) for code in head.recipients if not only_to or code in only_to
        ]
        handed_on = kept.path
        if self._manners.rewrites:
            handed_on = kept.path.with_suffix(".out.edxml")
            packets.rewrite(kept.path, handed_on, self._manners.hub, self._clock.now())
        served: set[str] = set()
        for code, system_id in rows:
            if system_id == caller.system_id and not self._manners.returns_to_sender:
                continue
            if self._manners.split == "code" or system_id not in served:
                self._offer(kept.id, head, code, handed_on)
            served.add(system_id)
        self._registers.sendings[kept.id] = caller.system_id
        if self._manners.remembers:
            self._registers.answered[head.sender, head.document_id] = (kept.sha256, kept.id)
        return Accepted(kept.id, head.document_id, "{}", replayed=False)

    def _answered(self, kept: _Kept) -> str:
        """Return the first answer to the same document, "" when there was none (DID-07)."""
        if not self._manners.remembers or not kept.head.document_id:
            return ""
        known = self._registers.answered.get((kept.head.sender, kept.head.document_id))
        if known is None:
            return ""
        if known[0] != kept.sha256:
            raise RejectedError(Reason.CONFLICT)
        return known[1]

    async def report(
        self, caller: Caller, packet: AsyncIterator[bytes], options: SubmitOptions
    ) -> str:
        """Take a status and offer it to the system behind ResponseFor/OrganId."""
        self._faults.reached("send", caller.system_id)
        kept = await self._keep(caller, packet, options)
        head = kept.head
        if not head.status:
            raise RejectedError(Reason.SCHEMA_BROKEN, "the status names no StatusCode")
        self._offer(kept.id, head, head.answers_to, kept.path)
        for item in self._registers.items.values():
            same = self._row(item.to) is self._row(head.sender)
            if item.kind == "edoc" and item.head.document_id == head.document_id and same:
                item.last_status = head.status
        self._registers.sendings[kept.id] = caller.system_id
        return kept.id

    async def submit_form(
        self,
        caller: Caller,
        header: Header,
        files: AsyncIterator[FormFile],
        options: SubmitOptions,
    ) -> Accepted:
        """Refuse: the axis protocol has no forms."""
        raise RejectedError(Reason.BAD_REQUEST, "the axis protocol has no forms")

    async def _keep(
        self, caller: Caller, packet: AsyncIterator[bytes], options: SubmitOptions
    ) -> _Kept:
        sending_id = self._new_id()
        path = self._folder / f"{sending_id}.edxml"
        digest = hashlib.sha256()
        try:
            with path.open("xb") as file:
                async for chunk in packet:
                    digest.update(chunk)
                    file.write(chunk)
            if options.check_sha256 is not None:
                options.check_sha256(digest.hexdigest())
            if options.declared_from is not None:
                self._speaks(caller, options.declared_from)
            head = packets.read_head(path)
            if options.declared_from is None or self._row(head.sender) is not None:
                self._speaks(caller, head.sender)
        except BaseException:
            path.unlink(missing_ok=True)
            raise
        if (call := present.get()) is not None:
            call.subject = head.document_id
        return _Kept(sending_id, path, head, digest.hexdigest())

    def _speaks(self, caller: Caller, code: str) -> None:
        if code not in caller.speaks_for:
            raise RejectedError(Reason.SENDER_NOT_CALLER)

    def _row(self, code: str) -> AgencyRow | None:
        return self._registers.agencies.get(code)

    def _owner(self, code: str) -> str:
        row = self._row(code)
        if row is None:
            raise RejectedError(Reason.RECIPIENT_UNKNOWN, f"no agency {code}")
        if row.status == "locked":
            raise RejectedError(Reason.RECIPIENT_LOCKED, f"agency {code} is locked")
        return self._registers.owners[code]

    def _offer(self, sending_id: str, head: packets.Head, code: str, path: Path) -> None:
        item = AxisItem(
            id=self._new_id(),
            kind="status" if head.status else "edoc",
            sending_id=sending_id,
            sender=head.sender,
            to=code,
            system_id=self._owner(code),
            head=head,
            path=path,
            at=self._clock.now(),
        )
        self._registers.items[item.id] = item

    # ------------------------------------------------------------ receiving

    async def waiting(
        self,
        caller: Caller,
        kind: MessageKind,
        *,
        since: datetime | None = None,
        until: datetime | None = None,
        limit: int = 1000,
    ) -> Sequence[InboxItem]:
        """List what a system has not acknowledged."""
        self._faults.reached("list", caller.system_id)
        found = [
            _inbox_row(item)
            for item in self._registers.items.values()
            if item.system_id == caller.system_id
            and item.kind == kind
            and (
                (item.taken_at is None and item.failed_note is None)
                or (since is not None and self._registers.window_shows_taken)
            )
            and (since is None or item.at >= since)
            and (until is None or item.at <= until)
        ]
        return self._misread(found)[:limit]

    def _misread(self, rows: list[InboxItem]) -> list[InboxItem]:
        """Return a list as it is told when telling it goes wrong."""
        call = present.get()
        match None if call is None else call.fault:
            case Fault.DUPLICATE:
                return [row for row in rows for _ in range(2)]
            case Fault.HALF:
                return rows[: len(rows) // 2]
            case Fault.BACKWARDS:
                return rows[::-1]
            case Fault.SHUFFLED:
                told = {id(row): row for row in rows}
                return [told[id(row)] for row in self._faults.shuffled(rows)]
            case Fault.PHANTOM if rows:
                return [*rows, replace(rows[0], id=self._new_id())]
            case _:
                return rows

    def _own(self, caller: Caller, item_id: str) -> AxisItem:
        item = self._registers.items.get(item_id)
        if item is None or item.system_id != caller.system_id:
            raise RejectedError(Reason.NOT_FOUND, "no such docId")
        return item

    async def fetch(self, caller: Caller, item_id: str) -> Packet:
        """Hand out an item's packet."""
        self._faults.reached("fetch", caller.system_id, item_id)
        path = self._own(caller, item_id).path
        call = present.get()
        fault = None if call is None else call.fault
        if fault is Fault.SWAPPED:
            others = (i.path for i in self._registers.items.values() if i.path != path)
            path = next(others, path)
        size = path.stat().st_size
        return Packet("", size, path.name, "application/xml", _pieces(path, size, fault))

    async def acknowledge(
        self, caller: Caller, item_id: str, *, done: bool, note: str = ""
    ) -> None:
        """Take an item off the list; safe to repeat."""
        self._faults.reached("acknowledge", caller.system_id, item_id)
        item = self._own(caller, item_id)
        if not done:
            item.failed_note = note
        elif item.taken_at is None:
            item.taken_at = self._clock.now()

    async def sent(
        self, caller: Caller, consignment_id: str | None, kind: MessageKind, *, limit: int = 1000
    ) -> Sequence[SentItem]:
        """List what a system sent, by recipient, newest first."""
        self._faults.reached("sent", caller.system_id)
        found = [
            _sent_row(item)
            for item in reversed(self._registers.items.values())
            if self._registers.sendings.get(item.sending_id) == caller.system_id
            and item.kind == kind
            and consignment_id in {None, item.sending_id}
        ]
        return found[:limit]

    async def agencies(self, *, closed: bool = False) -> Sequence[AgencyRow]:
        """Return the catalogue: one row an agency, the old code beside it."""
        self._faults.reached("agencies", "")
        return tuple(row for code, row in self._registers.agencies.items() if code == row.code)

    async def find_agencies(
        self, text: str, *, limit: int, closed: bool = False
    ) -> Sequence[AgencyRow]:
        """Return whose code begins so, or whose name has the text."""
        asked = text.strip().casefold()
        rows = await self.agencies()
        found = [
            row
            for row in rows
            if row.code.casefold().startswith(asked) or asked in row.name.casefold()
        ]
        return [row for row in found if closed or row.status == "active"][:limit]


async def _pieces(path: Path, size: int, fault: Fault | None) -> AsyncIterator[bytes]:
    """Yield a packet, or what comes of it when handing it out goes wrong."""
    left = size // 2 if fault is Fault.TRUNCATED else size
    piece_bytes = _DROP_BYTES if fault is Fault.SLOW_BYTES else _PIECE_BYTES
    with path.open("rb") as file:
        while left > 0 and (piece := file.read(min(piece_bytes, left))):
            left -= len(piece)
            yield piece
            if fault is Fault.SLOW_BYTES:
                await asyncio.sleep(_DROP_S)
    if fault is Fault.TRUNCATED:
        raise Interrupted(Fault.DROP)


def _inbox_row(item: AxisItem) -> InboxItem:
    return InboxItem(
        id=item.id,
        cursor=0,
        kind=item.kind,
        sender=item.sender,
        sender_written=item.sender,
        recipient=item.to,
        recipient_written=item.to,
        document_id=item.head.document_id,
        title=item.head.subject or item.head.status,
        notation=item.head.code,
        state="initial",
        at_gateway_at=item.at,
        taken_at=item.taken_at,
    )


def _sent_row(item: AxisItem) -> SentItem:
    return SentItem(
        consignment_id=item.sending_id,
        delivery_id=item.id,
        kind=item.kind,
        sender=item.sender,
        recipient=item.to,
        document_id=item.head.document_id,
        title=item.head.subject,
        notation=item.head.code,
        state="done" if item.taken_at else "initial",
        state_text="Da nhan" if item.taken_at else "Dang cho",
        last_status=item.last_status,
        sent_at=item.at,
        received_at=item.taken_at,
    )
