"""A simulated agency outside: takes documents from an axis and answers them by a script.

Promises: it uses the axis like any system would, over its own connection; a document is
acknowledged before it is answered; an answer that did not get through is sent again at the next
step. It remembers in memory only: a crash forgets what it still owed.
"""

import asyncio
import hashlib
import tempfile
from collections.abc import AsyncIterator, Callable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Final

from adapters.simulator import packets
from gateway.errors import GatewayError, RejectedError
from gateway.ports import Adapter, Clock, Listed, MessageKind, Parcel, Taken

_PATIENCE: Final = timedelta(seconds=30)


@dataclass(frozen=True, slots=True)
class Reply:
    """One status of a script.

    Args:
        code: `01`…`16`.
        after: How long after the document came.
        description: Reason of 02, 13, 16.
        times: How often it is sent; more than one is a duplicate.
    """

    code: str
    after: timedelta = timedelta(0)
    description: str = ""
    times: int = 1


Script = Callable[[packets.Head], Sequence[Reply]]

ACCEPTS: Final = (Reply("01"), Reply("03"))
FINISHES: Final = (*ACCEPTS, Reply("04"), Reply("05"), Reply("06"))
RETURNS: Final = (Reply("01"), Reply("02", description="Văn bản gửi nhầm đơn vị (R01)"))


@dataclass(frozen=True, slots=True)
class _Owed:
    due: datetime
    reply: Reply
    about: packets.Head


class AutoAgency:
    """An agency's document system that needs no clerk.

    Args:
        adapter: Its connection to the axis.
        clock: Tells when a late reply is due.
        code: Agency code it answers under.
        name: Printed name.
        script: What it answers: one sequence for all, or chosen by the document.
    """

    def __init__(
        self,
        adapter: Adapter,
        clock: Clock,
        code: str,
        name: str,
        script: Sequence[Reply] | Script = ACCEPTS,
    ) -> None:
        self._adapter = adapter
        self._clock = clock
        self._code = code
        self._name = name
        self._script: Script = script if callable(script) else lambda _: script
        self._owed: list[_Owed] = []
        self.documents: list[packets.Head] = []
        self.statuses: list[packets.Head] = []
        self.sent: list[tuple[str, str]] = []
        self.troubles = 0

    @property
    def owes(self) -> int:
        """Number of replies not sent yet."""
        return len(self._owed)

    async def step(self) -> int:
        """Poll once and send what is due; return how many things happened.

        Raises:
            UnavailableError: The axis does not answer; the next step goes on from here.
        """
        done = 0
        kinds: tuple[MessageKind, ...] = ("edoc", "status")
        for kind in kinds:
            for item in await self._adapter.listing(kind):
                await self._take(item)
                done += 1
        return done + await self._answer()

    async def run(self, every_s: float) -> None:
        """Step for ever; troubles of the axis are counted and outlived."""
        while True:
            try:
                await self.step()
            except GatewayError:  # a refusal too: another item, another time
                self.troubles += 1
            await asyncio.sleep(every_s)

    async def _take(self, item: Listed) -> None:
        with tempfile.TemporaryDirectory(prefix="vanlien-agency-") as folder:
            path = Path(folder) / "packet.edxml"
            with path.open("wb") as file:
                async for chunk in self._adapter.fetch(item):
                    file.write(chunk)
            try:
                head = packets.read_head(path)
            except RejectedError as exc:
                await self._adapter.acknowledge(item, done=False, note=exc.public)
                return
        await self._adapter.acknowledge(item, done=True)
        if head.status:
            self.statuses.append(head)
            return
        self.documents.append(head)
        now = self._clock.now()
        self._owed += [
            _Owed(now + reply.after, reply, head)
            for reply in self._script(head)
            for _ in range(reply.times)
        ]

    async def _answer(self) -> int:
        done = 0
        now = self._clock.now()
        for owed in [owed for owed in self._owed if owed.due <= now]:
            parcel = self._parcel(owed, now)
            outcome = await self._adapter.deliver(parcel, deadline=now + _PATIENCE)
            if not isinstance(outcome, Taken):
                self.troubles += 1
                break  # in order: later replies wait for this one
            self._owed.remove(owed)
            self.sent.append((owed.about.document_id, owed.reply.code))
            done += 1
        return done

    def _parcel(self, owed: _Owed, now: datetime) -> Parcel:
        data = packets.status_packet(
            owed.about,
            sender=self._code,
            sender_name=self._name,
            code=owed.reply.code,
            description=owed.reply.description,
            at=now,
        )

        async def chunks() -> AsyncIterator[bytes]:
            yield data

        return Parcel(
            transfer_id=f"{self._code}-{len(self.sent)}",
            kind="status",
            sender=self._code,
            recipients=(owed.about.sender,),
            document_id=owed.about.document_id,
            sha256=hashlib.sha256(data).hexdigest(),
            size_bytes=len(data),
            open=chunks,
        )
