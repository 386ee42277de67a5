"""What the cases work with: two clients, fresh letters, and a look into the recipient's list.

Promises: only items that this run sent are acknowledged or reported on; what waited before the run
is not even fetched, what comes meanwhile once, to see whose it is. What does not come in `patience`
counts as not coming. A crash leaves test documents at the other end, marked as such.
"""

import asyncio
import contextlib
import functools
import tempfile
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field, replace
from datetime import timedelta
from pathlib import Path
from typing import Final

from gateway.codec.reader import ReadPacket, read_packet
from gateway.conformance.letters import Letter, parcel
from gateway.conformance.plan import BrokenError, Connect, NotPlayedError, Parties
from gateway.domain.envelope import Envelope, StatusReport
from gateway.errors import GatewayError, RejectedError
from gateway.ports import (
    Adapter,
    Busy,
    Clock,
    Listed,
    MessageKind,
    Outcome,
    Parcel,
    Refused,
    Taken,
)

_OFTEN_S: Final = 0.1
_SELDOM_S: Final = 2.0
_PIECE_BYTES: Final = 64 * 1024


@dataclass(frozen=True, slots=True)
class Received:
    """One item of a list with what is in it.

    Args:
        item: As listed.
        document_id: Identifier of the document, or of the one a status is about.
        envelope: The document, for a document.
        status: The report, for a status.
    """

    item: Listed
    document_id: str
    envelope: Envelope | None = None
    status: StatusReport | None = None


@dataclass
class Mailbox:
    """The lists of one side, each item read once."""

    adapter: Adapter
    _known: dict[str, Received] = field(default_factory=dict)
    _before: set[str] = field(default_factory=set)

    async def begin(self) -> None:
        """Note what waits already: it is somebody's, and none of ours."""
        kinds: tuple[MessageKind, ...] = ("edoc", "status")
        for kind in kinds:
            with contextlib.suppress(GatewayError):  # the cases will say so
                self._before |= {i.peer_doc_id for i in await self.adapter.listing(kind)}

    async def look(self, kind: MessageKind) -> list[Received]:
        """Return what came since the run began and is listed now, in its order."""
        found = []
        for item in await self.adapter.listing(kind):
            if item.peer_doc_id in self._before:
                continue
            if item.peer_doc_id not in self._known:
                self._known[item.peer_doc_id] = await self._read(item)
            found.append(replace(self._known[item.peer_doc_id], item=item))
        return found

    async def _read(self, item: Listed) -> Received:
        """Fetch and read one item; one that cannot be read is somebody else's."""
        with tempfile.TemporaryDirectory(prefix="vanlien-conformance-") as folder:
            packet, spool = Path(folder) / "packet", Path(folder) / "files"
            try:
                with packet.open("wb") as file:
                    async for chunk in self.adapter.fetch(item):
                        file.write(chunk)
                read = await asyncio.to_thread(_opened, packet, spool)
            except RejectedError:
                return Received(item, "")
        if read.envelope is not None:
            return Received(item, read.envelope.header.document_id, envelope=read.envelope)
        if read.status is not None:
            about = read.status.response_for.document_id
            return Received(item, about, status=read.status)
        return Received(item, "")


def _opened(packet: Path, spool: Path) -> ReadPacket:
    spool.mkdir()
    with packet.open("rb") as file:
        return read_packet(iter(functools.partial(file.read, _PIECE_BYTES), b""), spool)


@dataclass(frozen=True, slots=True)
class Remark:
    """A rule beside the case's own, kept or not."""

    name: str
    vi: str
    en: str
    kept: bool
    rules: tuple[str, ...]


class Bench:
    """What the cases of one run work with.

    Args:
        parties: Who plays.
        connect: Makes clients.
        clock: Time.
        run: Names the run in every notation; letters and digits.
        patience: How long something may take to arrive.
    """

    def __init__(
        self, parties: Parties, connect: Connect, clock: Clock, *, run: str, patience: timedelta
    ) -> None:
        self.parties = parties
        self.clock = clock
        self.patience = patience
        self.refused: dict[str, str] = {}
        self.remarks: list[Remark] = []
        self._connect = connect
        self._run = run
        self._number = 0
        self._opened: list[Adapter] = []
        self.sending = self.client(parties.sender.system_id, parties.sender.secret)
        self.mail = Mailbox(self.sending)
        if parties.apart and parties.recipient is not None:
            receiving = self.client(parties.recipient.system_id, parties.recipient.secret)
            self.inbox: Mailbox | None = Mailbox(receiving)
        else:
            self.inbox = self.mail if parties.recipient is not None else None

    def client(self, system_id: str, secret: bytes) -> Adapter:
        """Return a client with these credentials; it is closed at the end."""
        self._opened.append(self._connect(system_id, secret))
        return self._opened[-1]

    async def begin(self) -> None:
        """Look at what waits on both sides before anything is sent."""
        await self.mail.begin()
        if self.inbox is not None and self.inbox is not self.mail:
            await self.inbox.begin()

    async def close(self) -> None:
        """Let go of connections."""
        for adapter in self._opened:
            await adapter.close()

    # ------------------------------------------------------------ sending

    def letter(self, *to: str, sender: str = "") -> Letter:
        """Return a fresh letter."""
        self._number += 1
        return Letter(
            sender or self.parties.sender.code,
            to or (self.parties.to,),
            self._number,
            f"TN-{self._run}",
            self.clock.now(),
        )

    def parcel_of(self, letter: Letter, data: bytes | None = None, *, sender: str = "") -> Parcel:
        """Return a letter as a parcel, or other bytes in its name."""
        return parcel(
            letter.packet() if data is None else data,
            sender=sender or letter.sender,
            recipients=letter.recipients,
            document_id=letter.document_id,
        )

    async def hand(self, what: Parcel, adapter: Adapter | None = None) -> Outcome:
        """Hand a parcel over once."""
        deadline = self.clock.now() + self.patience
        return await (adapter or self.sending).deliver(what, deadline=deadline)

    async def taken(self, what: Parcel, adapter: Adapter | None = None) -> Taken:
        """Hand a parcel over until it is taken: busy is no failure, doubt means send again."""
        ends = asyncio.get_running_loop().time() + self.patience.total_seconds()
        while True:
            outcome = await self.hand(what, adapter)
            if isinstance(outcome, Taken):
                return outcome
            if isinstance(outcome, Refused):
                raise BrokenError(
                    f"bị từ chối: {outcome.code} {outcome.reason}",
                    f"refused: {outcome.code} {outcome.reason}",
                )
            wait_s = min(outcome.retry_after_s or _SELDOM_S, _SELDOM_S)
            if asyncio.get_running_loop().time() + wait_s > ends:
                raise BrokenError(f"không nhận: {outcome.reason}", f"not taken: {outcome.reason}")
            await asyncio.sleep(wait_s)

    async def send(self, letter: Letter) -> Taken:
        """Send a letter."""
        return await self.taken(self.parcel_of(letter))

    async def must_refuse(self, letter: Letter, what: Parcel, *codes: str) -> None:
        """Hand over what must be refused for good, with one of these codes (rules C7)."""
        self.refused[letter.document_id] = letter.code
        outcome = await self.hand(what)
        match outcome:
            case Taken():
                raise BrokenError("đã nhận văn bản phải từ chối", "took what it must refuse")
            case Busy():
                raise BrokenError(
                    f"trả lời như lỗi tạm thời, bên gửi sẽ gửi lại mãi: {outcome.reason}",
                    f"answered as if it may pass later, so it is sent again: {outcome.reason}",
                )
            case Refused():
                self.should(
                    "code",
                    outcome.code in codes,
                    f"mã lỗi là {' hoặc '.join(codes)}, nhận được «{outcome.code}»",
                    f"the error code is {' or '.join(codes)}, got {outcome.code!r}",
                    "ID-09",
                )

    # ------------------------------------------------------------ receiving

    @property
    def receiving(self) -> Mailbox:
        """Return the recipient's side, or leave the case unplayed."""
        if self.inbox is None:
            raise NotPlayedError(
                "cần quyền của đơn vị nhận (--to-system-id hoặc --both-sides)",
                "needs the recipient's side (--to-system-id or --both-sides)",
            )
        return self.inbox

    async def arrived(self, letter: Letter, count: int = 1) -> list[Received]:
        """Return the items of a letter once that many are listed."""
        return await self.found(
            self.receiving, "edoc", lambda r: r.document_id == letter.document_id, count
        )

    async def reported(self, letter: Letter, code: str) -> list[Received]:
        """Return the reports with a code about a letter, once there is one."""

        def fits(received: Received) -> bool:
            told = received.status
            return (
                received.document_id == letter.document_id
                and told is not None
                and told.code == code
            )

        return await self.found(self.mail, "status", fits, 1)

    async def found(
        self, box: Mailbox, kind: MessageKind, fits: Callable[[Received], bool], count: int
    ) -> list[Received]:
        """Look into a list until so many items fit."""
        ends = asyncio.get_running_loop().time() + self.patience.total_seconds()
        while True:
            found = [received for received in await box.look(kind) if fits(received)]
            if len(found) >= count:
                return found
            if asyncio.get_running_loop().time() > ends:
                raise BrokenError(
                    f"sau {self.patience.total_seconds():.0f} giây chỉ thấy {len(found)}/{count}"
                    " mục trong danh sách",
                    f"after {self.patience.total_seconds():.0f} s {len(found)} of {count} items"
                    " are listed",
                )
            await asyncio.sleep(_OFTEN_S)

    async def take(self, received: Sequence[Received]) -> None:
        """Acknowledge items of this run."""
        for one in received:
            await self.receiving.adapter.acknowledge(one.item, done=True)

    # ------------------------------------------------------------ judging

    def need(self, given: str, vi: str, en: str) -> str:
        """Return something that was given, or leave the case unplayed."""
        if not given:
            raise NotPlayedError(vi, en)
        return given

    def must(self, kept: bool, vi: str, en: str) -> None:
        """Break the case unless this holds."""
        if not kept:
            raise BrokenError(vi, en)

    def should(self, name: str, kept: bool, vi: str, en: str, *rules: str) -> None:
        """Note whether a recommendation holds."""
        self.remarks.append(Remark(name, vi, en, kept, rules))

    async def fails(self, doing: Awaitable[object]) -> bool:
        """Tell whether something ends in one of our errors."""
        try:
            await doing
        except GatewayError:
            return True
        return False
