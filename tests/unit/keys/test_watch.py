"""The program that looks, and what ends soon."""

import asyncio
from datetime import UTC, datetime, timedelta

from gateway import measures
from gateway.keys.expiry import ExpiryWatch, Term
from gateway.keys.watch import KeyWatch, stamp

NOW = datetime(2026, 3, 2, tzinfo=UTC)


def value(name, what):
    return measures.REGISTRY.get_sample_value(f"vanlien_{name}", {"what": what})


class Looked:
    def __init__(self, *, fails=False, enough=0):
        self.fails = fails
        self.enough = enough
        self.seen = []
        self.asked = asyncio.Event()

    async def look(self, *, now):
        self.seen.append(now)
        if now or len(self.seen) == self.enough:
            self.asked.set()
        if self.fails:
            raise RuntimeError("a look that fails")


async def test_asked_it_looks_at_once_and_one_failure_is_not_anothers():
    broken, good = Looked(fails=True), Looked()
    watch = KeyWatch([broken, good], every_s=3600)
    working = asyncio.create_task(watch.run())
    try:
        for _ in range(2):
            good.asked.clear()
            watch.ask()
            async with asyncio.timeout(60):
                await good.asked.wait()
    finally:
        working.cancel()
    assert good.seen == broken.seen == [True, True]


async def test_it_looks_by_itself():
    good = Looked(enough=3)
    watch = KeyWatch([good], every_s=0.01)
    working = asyncio.create_task(watch.run())
    try:
        async with asyncio.timeout(60):
            await good.asked.wait()
    finally:
        working.cancel()
    assert set(good.seen) == {False}


def test_a_replaced_file_has_another_stamp(tmp_path):
    path, other = tmp_path / "a", tmp_path / "b"
    assert stamp([path]) == (None,)
    path.write_text("x")
    before = stamp([path])
    assert stamp([path]) == before
    other.write_text("x")
    other.replace(path)
    assert stamp([path]) != before


async def test_what_ends_soon_is_said_until_it_is_replaced():
    what = "a certificate of this test"
    term = Term(what, NOW + timedelta(days=40))
    at = NOW
    watch = ExpiryWatch(lambda: [term], lambda: at, timedelta(days=30))
    await watch.look(now=False)
    assert value("key_expires_in_seconds", what) == 40 * 86400
    assert not value("standing_warning", f"{what} expires")
    at = NOW + timedelta(days=11)
    for _ in range(2):
        await watch.look(now=False)
    assert value("standing_warning", f"{what} expires") == 1
    assert value("alarms_total", f"{what} expires") == 1
    term = Term(what, NOW + timedelta(days=400))
    await watch.look(now=False)
    assert value("standing_warning", f"{what} expires") == 0
    term = Term(what, NOW)
    await watch.look(now=False)
    assert value("key_expires_in_seconds", what) == -11 * 86400
    assert value("alarms_total", f"{what} expires") == 2
