"""kill -9 while a verdict changes: looking again finds the document on the list and changes it once."""

import asyncio
import json
import signal
import sqlite3

import aiohttp
import pytest

from gateway.config import load
from gateway.secrets import read_key_file
from tests.world.crashhouse import Child
from tests.world.gatehouse import packet, register, write_config
from tests.world.rechecking import lay
from tests.world.signed_files import pki, trust_of, twice

pytestmark = [pytest.mark.crash, pytest.mark.timeout(240)]

POINT = "recheck.before-commit"


class World:
    """One gateway whose process dies again and again, and the system that sent it a document."""

    def __init__(self, folder):
        self.folder = folder
        self.config = write_config(lay(folder))
        settings = load(self.config)
        key = read_key_file(settings.secrets.key_file)
        self.ledger = settings.ledger.path
        speaks = {"snv": ["H37.02"], "stc": ["H37.04"]}
        self.systems = register(self.config, key, speaks)
        self.child = None
        self.starts = 0

    async def start(self, fault=""):
        self.starts += 1
        self.child = Child(self.config, self.folder / f"serve-{self.starts}.log", fault)
        await self.child.start()

    async def until(self, ready, patience_s=60.0):
        async with asyncio.timeout(patience_s):
            while True:
                found = ready()
                if found:
                    return found
                await asyncio.sleep(0.05)

    async def stop(self):
        self.child.signal(signal.SIGTERM)
        assert await self.child.ended() == 0

    async def send(self):
        url = await self.until(self.child.url)
        headers = {
            "Authorization": f"Bearer {self.systems['snv'].key}",
            "Content-Type": "application/xml",
        }
        body = packet("1", files=(("a.pdf", twice("B-T")),))
        async with (
            aiohttp.ClientSession() as session,
            session.post(f"{url}/api/v1/documents", data=body, headers=headers) as answer,
        ):
            assert answer.status == 202
            return await answer.json()

    def rows(self, sql):
        connection = sqlite3.connect(f"{self.ledger.as_uri()}?mode=ro", uri=True, timeout=20)
        connection.row_factory = sqlite3.Row
        try:
            return [dict(row) for row in connection.execute(sql)]
        finally:
            connection.close()

    def lists_come(self):
        for file in trust_of(pki()).glob("*.crl"):
            (self.folder / "trust" / file.name).write_bytes(file.read_bytes())

    def verdicts(self):
        both = "SELECT verdict FROM consignment UNION ALL SELECT verdict FROM arrival"
        return [row["verdict"] for row in self.rows(both)]


async def test_dying_before_the_commit_loses_and_doubles_nothing(tmp_path):
    world = World(tmp_path)
    try:
        await world.start()
        answer = await world.send()
        assert answer["verification"] == "indeterminate"
        await world.until(lambda: len(world.rows("SELECT * FROM arrival")) == 1)
        await world.stop()
        world.lists_come()
        for point in (POINT, f"{POINT}:2", POINT):
            await world.start(point)
            assert await world.child.ended() == -signal.SIGKILL
            assert world.rows("PRAGMA integrity_check") == [{"integrity_check": "ok"}]
            # What was committed is whole: a verdict with its event, its entry and its report.
            changed = [v for v in world.verdicts() if v == "valid"]
            events = world.rows("SELECT subject FROM event WHERE type = 'verdict_changed'")
            entries = world.rows("SELECT subject FROM receipt_entry WHERE kind = 'verified'")
            assert len(changed) == len(events) == len(entries)
            waiting = world.rows("SELECT subject FROM recheck")
            assert len(waiting) == 2 - len(changed)
            assert not {w["subject"] for w in waiting} & {e["subject"] for e in events}
        await world.start()
        await world.until(lambda: set(world.verdicts()) == {"valid"})
        await world.stop()
    finally:
        if world.child is not None and world.child.code is None:
            world.child.signal(signal.SIGKILL)
            await world.child.ended()
    assert world.rows("SELECT * FROM recheck") == []
    events = world.rows("SELECT subject, data FROM event WHERE type = 'verdict_changed'")
    assert len(events) == len({e["subject"] for e in events}) == 2
    reports = world.rows("SELECT id, verdict FROM verification")
    assert sorted(r["verdict"] for r in reports).count("indeterminate") == 1
    named = {name for e in events for name in json.loads(e["data"])["reports"]}
    assert named == {r["id"] for r in reports if r["verdict"] == "valid"}
