"""The machine's clock and what is known of its truth (TIM-01).

The offset comes from a time server asked with SNTP (RFC 4330) when one is configured; without one,
or when it has not answered for long, the offset is unknown: we warn, stamp and mark, and never
guess. An audited override in the ledger makes a known offset count as unknown. Nothing outlives the
process.
"""

import asyncio
import socket
import struct
import time
from datetime import UTC, datetime, timedelta
from typing import Final

_NTP_EPOCH_S: Final = 2_208_988_800
_REQUEST: Final = bytes([0b00_100_011]) + bytes(47)
_WAIT_S: Final = 5.0
_FRESH_S: Final = 3600.0


class SystemClock:
    """Clock port over the machine's clock.

    Args:
        trusted: A good measurement is forgotten after an hour; one above this is not: a clock that
            was wrong when last seen does not become unknown because nobody looked again.
        fresh: How long a good measurement counts; at least an hour.
    """

    def __init__(
        self,
        *,
        trusted: timedelta = timedelta(seconds=1),
        fresh: timedelta = timedelta(seconds=_FRESH_S),
    ) -> None:
        self._offset: timedelta | None = None
        self._asked_at: float = 0.0
        self._trusted = trusted
        self._fresh_s = max(_FRESH_S, fresh.total_seconds())
        self.overridden = False

    def now(self) -> datetime:
        """Return the aware UTC instant."""
        return datetime.now(UTC)

    def offset(self) -> timedelta | None:
        """Return how far we are known to be off; None when unknown or overridden."""
        return None if self.overridden else self.measured()

    def measured(self) -> timedelta | None:
        """Return the last measurement that still counts, overridden or not."""
        offset = self._offset
        if offset is None or abs(offset) > self._trusted:
            return offset
        return None if time.monotonic() - self._asked_at > self._fresh_s else offset

    def learn(self, offset: timedelta) -> None:
        """Take a measured offset (true time minus ours)."""
        self._offset = offset
        self._asked_at = time.monotonic()


async def ask_ntp(server: str, port: int = 123) -> timedelta:
    """Return true time minus ours, asked from a time server.

    Raises:
        OSError: It does not answer, or not in a usable way.
    """
    loop = asyncio.get_running_loop()
    transport, protocol = await loop.create_datagram_endpoint(
        _Sntp, remote_addr=(server, port), family=socket.AF_UNSPEC
    )
    try:
        sent = time.time()
        transport.sendto(_REQUEST)
        async with asyncio.timeout(_WAIT_S):
            data, received = await protocol.answer
    except TimeoutError as exc:
        raise OSError("the time server does not answer") from exc
    finally:
        transport.close()
    return _offset(data, sent, received)


def _offset(data: bytes, sent: float, received: float) -> timedelta:
    stratum = data[1] if len(data) >= 48 else 0
    if not 1 <= stratum <= 15:
        raise OSError("the time server is not synchronised")
    arrived_s, arrived_f, left_s, left_f = struct.unpack("!4I", data[32:48])
    arrived = arrived_s + arrived_f / 2**32 - _NTP_EPOCH_S
    left = left_s + left_f / 2**32 - _NTP_EPOCH_S
    return timedelta(seconds=((arrived - sent) + (left - received)) / 2)


class _Sntp(asyncio.DatagramProtocol):
    def __init__(self) -> None:
        self.answer: asyncio.Future[tuple[bytes, float]] = (
            asyncio.get_running_loop().create_future()
        )

    def datagram_received(self, data: bytes, addr: object) -> None:
        if not self.answer.done():
            self.answer.set_result((data, time.time()))

    def error_received(self, exc: Exception) -> None:
        if not self.answer.done():
            self.answer.set_exception(exc)
