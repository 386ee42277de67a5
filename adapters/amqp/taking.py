"""Consuming what systems publish: one answer a message, and only then its acknowledgement.

1. whose it is: the property `user_id`, which the broker has compared with the connection's user;
2. the work, by the front door, under the message's id as idempotency key; 3. the answer, confirmed
on the system's own reply queue; 4. the acknowledgement. A death in between brings the message
again, and the front door gives the same answer.

Not now (the ledger is away, no room, the reply queue is full) is waited for with the message in
hand, longer each time, and after `hold_s` it goes back to its place in the queue. So nothing is
lost and nothing runs hot; while hands are full of such messages, the others wait in the queue.
What fails again and again for a reason of ours, or was handed out a hundred times without an end
(whoever takes it dies), is refused and kept in the dead queue. What nobody can be answered about
(no `user_id`, an unknown one) goes there at once: its `reply_to` is only a claim.

Several messages are worked on at a time, here and on other nodes: their order is not kept.
"""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import suppress
from functools import partial
from typing import Final

from aio_pika.abc import AbstractChannel, AbstractIncomingMessage

from adapters.amqp import topology, wire
from adapters.amqp.names import Names, Queue
from adapters.amqp.patience import Pace, Waits
from adapters.amqp.speaking import Mouth
from adapters.amqp.wire import Confirm, Given, Letter, Submission
from adapters.shared.serving import let_go
from gateway import observe
from gateway.errors import IntegrityError, Reason, RejectedError, UnavailableError
from gateway.ports import Caller, Callers, FrontDoor, SubmitOptions, Uploads
from gateway.rabbit import CALL_S, Link, Outage, open_channel, part_from, speaking, to_the_end

_CHUNK: Final = 256 * 1024
_ACK_S: Final = 5.0
_AGAIN_S: Final = 1.0
HANDED_OUT: Final = 100
"""Times a message comes back before it is taken for one that kills whoever takes it."""
LOSSES: Final = 3
"""Connections lost one after the other with messages in hand before they are taken one by one."""
FAILURES: Final = 3
"""Times one fails for a reason nobody foresaw before it is set aside."""


class Taking:
    """The consumer of one of the incoming queues, open while the node serves.

    Args:
        link: The connection.
        queue: The queue.
        names: What queues are called.
        outage: Told when the broker is away, and back.
        mouth: Publishes the answers.
        front: Does the work.
        callers: Who may send.
        uploads: Where referred packets are.
        max_bytes: Largest body of a message.
        hands: Messages worked on at a time.
        pace: How long "not now" is waited for.
    """

    def __init__(
        self,
        link: Link,
        queue: Queue,
        names: Names,
        outage: Outage,
        mouth: Mouth,
        *,
        front: FrontDoor,
        callers: Callers,
        uploads: Uploads,
        max_bytes: int,
        hands: int,
        pace: Pace,
    ) -> None:
        self._link, self._queue, self._names = link, queue, names
        self._outage, self._mouth = outage, mouth
        self._front, self._callers, self._uploads = front, callers, uploads
        self._max_bytes, self._hands, self._pace = max_bytes, hands, pace
        self._open, self._changed = asyncio.Event(), asyncio.Event()
        self._shut = asyncio.Event()
        self._open.set()
        self._working: set[asyncio.Task[None]] = set()
        self._cancelled = False
        self._losses = 0
        self._mute: dict[str, float] = {}

    # ------------------------------------------------------------ open and shut

    def rest(self, resting: bool) -> None:
        """Take nothing more, or take again."""
        if resting:
            self._open.clear()
            self._shut.set()
        else:
            self._shut.clear()
            self._open.set()
        self._changed.set()

    async def finished(self, patience_s: float) -> None:
        """Wait until what is being worked on is answered, or so long."""
        if self._working:
            await asyncio.wait(tuple(self._working), timeout=patience_s)

    async def run(self) -> None:
        """Consume while open, until cancelled."""
        try:
            while True:
                if not self._open.is_set():
                    self._outage.leave(self._link.side)
                await self._open.wait()
                try:
                    await self._consume()
                except UnavailableError as exc:
                    self._outage.lost(self._link.side, exc.public)
                    await asyncio.sleep(_AGAIN_S)
                except Exception as exc:  # noqa: BLE001 - a bug here must not end all taking
                    observe.alarm(what="agencies broker", failure=exc)
                    await asyncio.sleep(_AGAIN_S)
        finally:
            for task in self._working:
                task.cancel()
            await asyncio.gather(*self._working, return_exceptions=True)

    async def _consume(self) -> None:
        """Open the consumer and keep it until something changes."""
        connection = await self._link.steady()
        await topology.ensure(connection, self._names, (self._names.dead, self._queue))
        channel = await open_channel(connection)
        self._changed.clear()
        self._cancelled = False
        try:
            async with speaking(CALL_S):
                channel.close_callbacks.add(self._on_change)
                inner = await channel.get_underlay_channel()
                inner.on_consumer_cancel_callbacks.add(self._on_cancelled)
                one_by_one = self._losses >= LOSSES
                await channel.set_qos(prefetch_count=1 if one_by_one else self._hands)
                queue = await channel.get_queue(self._queue.name, ensure=False)
                tag = await queue.consume(self._on_message)
            self._outage.back(self._link.side)
            while self._open.is_set() and not self._cancelled and not channel.is_closed:
                await self._changed.wait()
                self._changed.clear()
            if channel.is_closed and self._open.is_set():
                self._lost()
            elif not self._cancelled:
                with suppress(UnavailableError):
                    async with speaking(CALL_S):
                        await queue.cancel(tag)
        finally:
            await self._leave(channel)

    async def _leave(self, channel: AbstractChannel) -> None:
        """Let answers that are under way be acknowledged, then close."""
        channel.close_callbacks.discard(self._on_change)
        if channel.is_closed:
            return
        if not self._open.is_set():
            await self.finished(self._pace.longest_s)
        await to_the_end(part_from(channel))

    def _lost(self) -> None:
        """Count a lost connection: a message whose properties nobody can read breaks each.

        Taken one by one, it is the only one whose count at the broker grows, and the broker sets it
        aside (`names.DELIVERY_LIMIT`).
        """
        self._losses += 1
        if self._losses == LOSSES:
            observe.alarm(what="agencies connection")

    def _on_change(self, *_: object) -> None:
        self._changed.set()

    def _on_cancelled(self, *_: object) -> None:
        """The queue was deleted under us."""
        self._cancelled = True
        self._changed.set()

    async def _on_message(self, message: AbstractIncomingMessage) -> None:
        task = asyncio.create_task(self._handle(message), name="agencies' message")
        self._working.add(task)
        task.add_done_callback(self._working.discard)

    # ------------------------------------------------------------ one message

    async def _handle(self, message: AbstractIncomingMessage) -> None:
        """Answer a message and acknowledge it, or give it back."""
        try:
            await self._answered(given_by(message))
        except UnavailableError as exc:
            if not self._shut.is_set():
                observe.program_failed(program="agencies", failure=exc, retry_in_s=0.0)
            await self._settle(message, done=False)
        except Exception as exc:  # noqa: BLE001 - the message goes back, and is counted there
            observe.alarm(what="agencies broker", failure=exc)
            with suppress(TimeoutError):
                async with asyncio.timeout(self._pace.longest_s):
                    await self._shut.wait()
            await self._settle(message, done=False)
        else:
            await self._settle(message, done=True)
            self._losses = 0

    async def _settle(self, message: AbstractIncomingMessage, *, done: bool) -> None:
        """Acknowledge or give back on the channel it came by; a dead one has given it back."""
        tag = message.delivery_tag
        if tag is None:
            return
        with suppress(UnavailableError):
            async with speaking(_ACK_S):
                if done:
                    await message.channel.basic_ack(tag, wait=False)
                else:
                    await message.channel.basic_nack(tag, requeue=True, wait=False)

    async def _answered(self, given: Given) -> None:
        """Do what a message asks for and say so; UnavailableError when it cannot be done now."""
        waits = Waits(self._pace, self._shut)
        caller = await waits.out(partial(self._caller, given))
        if caller is None:
            # No answer: who shows nothing about himself could have another one told that its
            # document was refused.
            observe.auth_failed(route="amqp")
            why = "unknown user_id" if given.user_id else "no user_id"
            await waits.out(partial(self._set_aside, given, why))
            return
        letter = await self._letter(caller, given, waits)
        await self._reply(caller.system_id, letter, waits)

    async def _reply(self, system_id: str, letter: Letter, waits: Waits) -> None:
        """Say the answer, or keep it among the dead: no ill queue has everybody's hands."""
        loop = asyncio.get_running_loop()
        until = loop.time() + self._pace.reply_s
        await waits.out(partial(self._said, system_id, letter, until))

    async def _said(self, system_id: str, letter: Letter, until: float) -> None:
        """Say the answer; after so long, where the broker takes other things, set it aside."""
        now = asyncio.get_running_loop().time()
        muted = now < self._mute.get(system_id, 0.0)
        if not muted:
            try:
                await self._mouth.say(self._names.reply(system_id), letter)
            except UnavailableError:
                if now < until:
                    raise
            else:
                self._mute.pop(system_id, None)
                return
        await self._mouth.say(self._names.dead, wire.unsaid(letter, system_id))
        if system_id not in self._mute:
            observe.alarm(what="agencies reply", subject=system_id)
        if not muted:
            self._mute[system_id] = now + self._pace.mute_s

    async def _caller(self, given: Given) -> Caller | None:
        """Return whose a message is; UnavailableError while nobody can tell who may call."""
        return self._callers.system(given.user_id) if given.user_id else None

    async def _letter(self, caller: Caller, given: Given, waits: Waits) -> Letter:
        """Return the answer to a message; what nobody can work on is kept and refused."""
        why = "handed out too often"
        tries = FAILURES if given.handed_out < HANDED_OUT else 0
        for _ in range(tries):
            try:
                return await waits.out(partial(self._done, caller, given))
            except UnavailableError:
                raise
            except Exception as exc:  # noqa: BLE001 - a bug of ours must not go round for ever
                observe.alarm(what="agencies message", subject=caller.system_id, failure=exc)
                why = f"failed: {type(exc).__name__}"
        if not tries:
            observe.alarm(what="agencies message", subject=caller.system_id)
        await waits.out(partial(self._set_aside, given, why))
        failure = IntegrityError("the message could not be worked on and was set aside")
        return wire.refused(given, failure)

    async def _set_aside(self, given: Given, why: str) -> None:
        await self._mouth.say(self._names.dead, wire.dead(given, why))

    # ------------------------------------------------------------ the work

    async def _done(self, caller: Caller, given: Given) -> Letter:
        """Do what a message asks for; return its answer, a refusal included."""
        reply = self._names.reply(caller.system_id).name
        try:
            asked = wire.read(given, reply=reply, max_bytes=self._max_bytes)
            if isinstance(asked, Confirm):
                await self._front.acknowledge(caller, asked.item, done=asked.done, note=asked.note)
                return wire.recorded(given, asked.item)
            return await self._submitted(caller, given, asked)
        except RejectedError as exc:
            if exc.reason is Reason.IN_FLIGHT:  # it came twice, and the other one is not done yet
                raise UnavailableError(exc.reason, exc.public) from exc
            return wire.refused(given, exc)

    async def _submitted(self, caller: Caller, given: Given, asked: Submission) -> Letter:
        options = SubmitOptions(
            via="amqp",
            idempotency_key=asked.key,
            all_or_nothing=asked.all_or_nothing,
            check_sha256=_check(asked.sha256) if asked.sha256 else None,
            urgent=True if asked.urgent is None and self._queue.key else asked.urgent,
        )
        if asked.reference is not None:
            packet = await self._uploads.open(caller, asked.reference.upload)
            try:
                taken = await self._front.submit(caller, packet.chunks, options)
            finally:
                await let_go(packet)
            return wire.accepted(given, taken)
        chunks = _pieces(given.body)
        if asked.kind is wire.Kind.STATUS:
            return wire.recorded(given, await self._front.report(caller, chunks, options))
        return wire.accepted(given, await self._front.submit(caller, chunks, options))


def given_by(message: AbstractIncomingMessage) -> Given:
    """Return what a message says."""
    count = message.headers.get("x-delivery-count", 0)
    return Given(
        user_id=message.user_id or "",
        type=message.type or "",
        message_id=message.message_id or "",
        correlation_id=str(message.correlation_id or ""),
        reply_to=message.reply_to or "",
        content_type=message.content_type or "",
        content_encoding=message.content_encoding or "",
        headers=message.headers,
        body=message.body,
        handed_out=count if isinstance(count, int) else 0,
    )


def _check(sha256: str) -> Callable[[str], None]:
    """Return a check of the packet's digest."""

    def check(found: str) -> None:
        if found != sha256:
            raise RejectedError(
                Reason.HASH_MISMATCH, "sha256 is not that of the packet: send it again"
            )

    return check


async def _pieces(body: bytes) -> AsyncIterator[bytes]:
    """Yield a body in pieces, so that nothing else waits for all of it."""
    for start in range(0, len(body), _CHUNK):
        yield body[start : start + _CHUNK]
