"""What is known of the machine's clock, and the question to a time server."""

import asyncio
import struct
import time
from datetime import UTC, timedelta

import pytest

from gateway import clock as module
from gateway.clock import SystemClock, ask_ntp

EPOCH = 2_208_988_800


def test_now_is_aware_utc():
    assert SystemClock().now().tzinfo is UTC


def test_nothing_is_known_before_somebody_asked():
    assert SystemClock().offset() is None


@pytest.fixture
def monotonic(monkeypatch):
    """A machine whose uptime the test sets."""
    at = [1000.0]
    monkeypatch.setattr(module.time, "monotonic", lambda: at[0])
    return at


def test_a_good_measurement_is_forgotten_after_an_hour(monotonic):
    clock = SystemClock()
    clock.learn(timedelta(milliseconds=4))
    assert clock.offset() == timedelta(milliseconds=4)
    monotonic[0] += 3601
    assert clock.offset() is None


def test_a_bad_one_is_not(monotonic):
    clock = SystemClock(trusted=timedelta(seconds=1))
    clock.learn(timedelta(seconds=-9))
    monotonic[0] += 10 * 3600
    assert clock.offset() == timedelta(seconds=-9)
    clock.learn(timedelta())
    assert clock.offset() == timedelta()


def test_slow_checks_keep_a_measurement_longer(monotonic):
    clock = SystemClock(fresh=timedelta(hours=6))
    clock.learn(timedelta())
    monotonic[0] += 5 * 3600
    assert clock.offset() == timedelta()


def test_overridden_counts_as_unknown_but_is_still_measured():
    clock = SystemClock()
    clock.learn(timedelta(seconds=30))
    clock.overridden = True
    assert clock.offset() is None
    assert clock.measured() == timedelta(seconds=30)


class TimeServer(asyncio.DatagramProtocol):
    """Answers with its own idea of time, or with what the test says."""

    def __init__(self, ahead_s=0.0, stratum=2, answer=None):
        self.ahead_s, self.stratum, self.answer = ahead_s, stratum, answer

    def connection_made(self, transport):
        self.transport = transport

    def datagram_received(self, data, addr):
        assert data[0] & 0b111 == 3  # a client's question
        now = time.time() + self.ahead_s + EPOCH
        stamp = struct.pack("!2I", int(now), int(now % 1 * 2**32))
        good = bytes([0b00_100_100, self.stratum]) + bytes(30) + stamp + stamp
        self.transport.sendto(self.answer if self.answer is not None else good, addr)


async def served(server):
    loop = asyncio.get_running_loop()
    transport, _ = await loop.create_datagram_endpoint(lambda: server, local_addr=("127.0.0.1", 0))
    return transport, transport.get_extra_info("sockname")[1]


@pytest.mark.parametrize("ahead_s", [0.0, 12.5, -3.25])
async def test_the_offset_is_true_time_minus_ours(ahead_s):
    transport, port = await served(TimeServer(ahead_s))
    try:
        offset = await ask_ntp("127.0.0.1", port)
    finally:
        transport.close()
    assert abs(offset.total_seconds() - ahead_s) < 0.5


@pytest.mark.parametrize(
    "server", [TimeServer(stratum=0), TimeServer(stratum=16), TimeServer(answer=b"no")]
)
async def test_a_server_that_does_not_know_is_no_answer(server):
    transport, port = await served(server)
    try:
        with pytest.raises(OSError, match="not synchronised"):
            await ask_ntp("127.0.0.1", port)
    finally:
        transport.close()


async def test_a_silent_server_is_no_answer(monkeypatch):
    monkeypatch.setattr(module, "_WAIT_S", 0.05)
    transport, port = await served(TimeServer(answer=b""))
    transport.close()
    with pytest.raises(OSError, match=r".*"):
        await ask_ntp("127.0.0.1", port)
