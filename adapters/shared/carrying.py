"""A parcel handed to a peer and a packet taken from it: what is the same in every dialect.

Promises: handing over never raises for what the peer does, and never takes longer than its
deadline; a lost answer after sending is Busy, because doubt means send again (the receiver drops
duplicates); what is wrong on our side is not called the peer's trouble. A crash leaves nothing
behind here: attempts and outcomes are the caller's rows.
"""

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable
from contextlib import aclosing
from datetime import timedelta
from typing import Final

from adapters.shared.connecting import TROUBLE
from adapters.shared.upload import Upload
from adapters.shared.values import kind_of, unreadable
from gateway.errors import Reason, RejectedError, UnavailableError
from gateway.ports import Busy, Outcome, Parcel

AHEAD: Final = timedelta(days=1)
"""The peer's clock may be ahead of ours: what it received just now belongs to a window's end."""


async def handed_over(
    parcel: Parcel,
    left: timedelta,
    send: Callable[[Callable[[], Upload]], Awaitable[Outcome]],
    *,
    tail: bytes = b"",
) -> Outcome:
    """Hand one parcel over within the time that is left.

    Args:
        parcel: What is handed over.
        left: Until the deadline.
        send: Sends it, by a new upload each time it tries, and reads the answer.
        tail: Bytes the wire wants after the parcel's.

    Raises:
        IntegrityError: The parcel's bytes are not those its hash and size name (and whatever else
            `parcel.open` raises).
    """
    if left <= timedelta(0):
        return Busy("quá hạn trước khi gửi / the deadline passed before sending")
    upload = Upload(parcel, tail)

    def fresh() -> Upload:
        nonlocal upload
        upload = Upload(parcel, tail)
        return upload

    try:
        async with asyncio.timeout(left.total_seconds()):
            return await send(fresh)
    except TROUBLE as exc:
        if upload.failure is not None:
            raise upload.failure from exc
        return Busy(f"mất liên lạc với trục / no answer from the axis ({kind_of(exc)})")
    except UnavailableError as exc:
        return Busy(exc.public, exc.retry_after_s)


async def packet_within(
    chunks: AsyncGenerator[bytes, None], most_bytes: int
) -> AsyncIterator[bytes]:
    """Stream a packet that is neither empty nor too large; after an error what was yielded is void.

    Raises:
        UnavailableError: It is empty (and whatever else `chunks` raises).
        RejectedError: TOO_LARGE: it never will be ours.
    """
    passed = 0
    async with aclosing(chunks):
        async for chunk in chunks:
            passed += len(chunk)
            if passed > most_bytes:
                raise RejectedError(
                    Reason.TOO_LARGE, f"the packet is larger than {most_bytes} bytes"
                )
            yield chunk
    if not passed:
        raise unreadable("the packet is empty")
