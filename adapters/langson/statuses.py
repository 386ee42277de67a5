"""updateStatus: the words of the axis (done, fail, processing), and the codes clients put there.

Clients of this axis tell what became of a document by updateStatus with a code of C6 (`03`) where
others send a status message; here that message is written for them. Promises: it goes through the
same door as one they would have sent, so nothing is decided here; repeating is safe. A crash leaves
the document acknowledged and its status untold: the client, which got no answer, repeats.
"""

from collections.abc import AsyncIterator
from contextlib import aclosing
from typing import Any, Final

from adapters.langson.outgoing import OWN_LIMITS, packet_chunks, text_at
from adapters.shared.serving import let_go
from gateway.codec.dates import read_date
from gateway.codec.split import NullSink, Skeleton, Splitter
from gateway.codec.status import emit_status
from gateway.domain.envelope import Organization, ResponseFor, StatusReport
from gateway.errors import Reason, RejectedError
from gateway.ports import Caller, Clock, FrontDoor, SubmitOptions

MAX_NOTE: Final = 1000
RECEIVED: Final = "01"
CODES: Final = frozenset({"02", "03", "04", "05", "06", "15", "16"})


class Reporter:
    """Does what updateStatus asks.

    Args:
        front: What it is done by.
        clock: Time written into the messages.
        via: Door it came through.
    """

    def __init__(self, front: FrontDoor, clock: Clock, via: str) -> None:
        self._front = front
        self._clock = clock
        self._via = via

    async def update(self, caller: Caller, item_id: str, status: str, note: str) -> None:
        """Acknowledge an item, or report a status about it.

        Raises:
            RejectedError: Not the caller's, no such status, or the mailroom refuses it.
        """
        note = note[:MAX_NOTE]
        word = status.lower()
        code = f"0{word}" if len(word) == 1 and word.isdigit() else word
        match word:
            case "done":
                await self._front.acknowledge(caller, item_id, done=True)
            case "fail":
                await self._front.acknowledge(caller, item_id, done=False, note=note)
            case "processing":
                await let_go(await self._front.fetch(caller, item_id))  # is it the caller's?
            case _ if code == RECEIVED:
                await self._front.acknowledge(caller, item_id, done=True)
            case _ if code in CODES:
                await self._report(caller, item_id, code, note)
            case _:
                known = ", ".join(sorted({RECEIVED, *CODES}))
                raise RejectedError(
                    Reason.BAD_REQUEST, f"status must be done, fail, processing or one of {known}"
                )

    async def _report(self, caller: Caller, item_id: str, code: str, note: str) -> None:
        message = (await self._skeleton(caller, item_id)).layout.message
        agency = _reporter(caller, message)
        written = text_at(message, "PromulgationInfo", "PromulgationDate")
        number = text_at(message, "Code", "CodeNumber")
        notation = text_at(message, "Code", "CodeNotation")
        report = StatusReport(
            sender=Organization(agency),
            response_for=ResponseFor(
                organ_id=text_at(message, "From", "OrganId"),
                code="/".join(filter(None, (number, notation))),
                document_id=text_at(message, "DocumentId"),
                promulgation_date=read_date(written)[0],
            ),
            code=code,
            description=note,
            at=self._clock.now(),
        )
        packet = emit_status(report)

        async def chunks() -> AsyncIterator[bytes]:
            yield packet

        # Who says what became of it has it (RCV-06).
        await self._front.acknowledge(caller, item_id, done=True)
        await self._front.report(caller, chunks(), SubmitOptions(via=self._via))

    async def _skeleton(self, caller: Caller, item_id: str) -> Skeleton:
        """Return an item's header; RejectedError when it is no document."""
        splitter = Splitter(OWN_LIMITS, NullSink())
        async with aclosing(packet_chunks(await self._front.fetch(caller, item_id))) as chunks:
            async for chunk in chunks:
                splitter.feed(chunk)
        skeleton = splitter.close()
        if skeleton.kind != "document":
            raise RejectedError(Reason.BAD_REQUEST, "a status is reported about a document only")
        return skeleton


def _reporter(caller: Caller, message: Any) -> str:
    """Return the agency of the caller's that the document came to."""
    if len(caller.speaks_for) == 1:
        return next(iter(caller.speaks_for))
    tos = [text_at(node, "OrganId") for node in message.children if node.local == "To"]
    ours = sorted(caller.speaks_for.intersection(tos))
    if len(ours) == 1:
        return ours[0]
    raise RejectedError(
        Reason.BAD_REQUEST,
        "the document is for several agencies of this system, or for one by its old code: send a "
        "status message (sendEdoc, messageType status), which names the agency",
    )
