"""Bringing what is offered to the queues of systems, in the order of the feed.

The cursor moves only after the broker has confirmed: a death in between brings the same items
again, with the same ids, and the receiver drops them. Of several nodes one at a time brings to a
system (`turn`). A queue that is full is waited for: everything is still in the ledger. Nothing here
says that a system has a document: that is its own word (`confirm`, or its business status).
"""

import asyncio
from collections.abc import Callable, Sequence
from contextlib import AbstractAsyncContextManager, suppress
from typing import Final

from adapters.amqp import wire
from adapters.amqp.names import Names
from adapters.amqp.speaking import FullError, Mouth
from adapters.amqp.wire import Letter
from adapters.shared.serving import let_go
from gateway import observe
from gateway.errors import GatewayError, IntegrityError, RejectedError, UnavailableError
from gateway.ports import Caller, Callers, Feeds, FrontDoor, Offer, Packet

Turn = Callable[[str], AbstractAsyncContextManager[bool]]
"""Lends what one node does at a time: True inside the block when it is ours."""

LIMIT: Final = 64
"""Items brought before the cursor moves: at most so many come twice after a death."""
_BETWEEN_S: Final = 5.0
_AGAIN_S: Final = 1.0
_LONGEST_S: Final = 30.0


def consumer(system_id: str) -> str:
    """Return a system's name among those who are brought things."""
    return f"amqp:{system_id}"


class Bringing:
    """What is brought to one system.

    Args:
        system_id: The system.
        names: What queues are called.
        mouth: Publishes.
        turn: Lends the turn.
        feeds: What is offered.
        front: Has the packets.
        callers: Says which agencies the system speaks for.
        max_bytes: Largest packet inside a message; larger ones by reference.
        between_s: How often one who has no turn asks again.
    """

    def __init__(
        self,
        system_id: str,
        names: Names,
        mouth: Mouth,
        *,
        turn: Turn,
        feeds: Feeds,
        front: FrontDoor,
        callers: Callers,
        max_bytes: int,
        between_s: float = _BETWEEN_S,
    ) -> None:
        self.system_id = system_id
        self._queue = names.out(system_id)
        self._mouth, self._turn = mouth, turn
        self._feeds, self._front, self._callers = feeds, front, callers
        self._max_bytes, self._between_s = max_bytes, between_s
        self._name = consumer(system_id)
        self._open, self._shut = asyncio.Event(), asyncio.Event()
        self._open.set()
        self._full = False

    def rest(self, resting: bool) -> None:
        """Bring nothing more, or bring again."""
        if resting:
            self._open.clear()
            self._shut.set()
        else:
            self._shut.clear()
            self._open.set()

    async def run(self) -> None:
        """Bring while open, until cancelled."""
        wait_s = _AGAIN_S
        while True:
            await self._open.wait()
            try:
                mine = await self.once()
            except UnavailableError as exc:
                self._note(isinstance(exc, FullError))
                if wait_s == _AGAIN_S and not self._full:
                    observe.program_failed(program="agencies", failure=exc, retry_in_s=wait_s)
                await self._pause(wait_s)
                wait_s = min(wait_s * 2, _LONGEST_S)
                continue
            except Exception as exc:  # noqa: BLE001 - a bug here must not end the bringing
                observe.alarm(what="agencies broker", subject=self.system_id, failure=exc)
                await self._pause(_LONGEST_S)
                continue
            self._note(full=False)
            wait_s = _AGAIN_S
            if mine is None:
                await self._pause(self._between_s)
            elif not mine:
                with suppress(UnavailableError):
                    await self._feeds.changed(self._name, self._between_s)

    async def once(self) -> int | None:
        """Bring what is offered, a batch of it; return how many, None when it is not our turn."""
        async with self._turn(self._name) as mine:
            if not mine:
                return None
            caller = self._callers.system(self.system_id)
            if caller is None:  # locked: what is offered waits
                return None
            offers = await self._feeds.after(self._name, caller.speaks_for, limit=LIMIT)
            return await self._bring(caller, offers)

    def close(self) -> None:
        """Take down what stands."""
        self._note(full=False)

    # ------------------------------------------------------------ inside

    async def _bring(self, caller: Caller, offers: Sequence[Offer]) -> int:
        """Publish items one after the other, each confirmed before the next; return how many.

        Together they would be quicker, but one that a full queue refuses would be overtaken.
        """
        last, count = 0, 0
        try:
            for offer in offers:
                if not self._open.is_set():
                    break
                letter = await self._letter(caller, offer)
                if letter is not None:
                    await self._mouth.say(self._queue, letter)
                last, count = offer.item.cursor, count + 1
        except UnavailableError:
            await self._moved(last, count)
            raise
        await self._moved(last, count)
        return count

    async def _moved(self, last: int, count: int) -> None:
        if count:
            observe.brought(door="amqp", system_id=self.system_id, items=count)
            await self._feeds.advance(self._name, last)

    async def _letter(self, caller: Caller, offer: Offer) -> Letter | None:
        """Return an item as a message; None for one that is not to be had any more."""
        try:
            packet = await self._front.fetch(caller, offer.item.id)
        except RejectedError:
            # Set apart or aged out since it was offered: there is nothing left to bring.
            return None
        except IntegrityError as exc:
            self._damaged(offer, exc)
            return None
        try:
            body = await _body(packet) if packet.size_bytes <= self._max_bytes else None
        except (RejectedError, IntegrityError) as exc:
            self._damaged(offer, exc)
            return None
        finally:
            await let_go(packet)
        return wire.brought(offer, packet, body)

    def _damaged(self, offer: Offer, failure: GatewayError) -> None:
        """Say it, and go on: what lies behind it must not wait for its bytes to be restored."""
        observe.alarm(what="agencies item", subject=offer.item.id, failure=failure)

    async def _pause(self, wait_s: float) -> None:
        with suppress(TimeoutError):
            async with asyncio.timeout(wait_s):
                await self._shut.wait()

    def _note(self, full: bool) -> None:
        if full != self._full:
            self._full = full
            observe.standing_warning(what=f"agency_queue_full:{self.system_id}", active=full)


async def _body(packet: Packet) -> bytes:
    return b"".join([chunk async for chunk in packet.chunks])
