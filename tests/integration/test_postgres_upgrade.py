"""An upgrade in two halves, while two processes of the older program write to the ledger."""

import asyncio
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from gateway.store import revisions
from gateway.store.places import place_of
from gateway.store.postgres import setup
from gateway.store.session import session
from tests.world.newer import make_newer

ROOT = Path(__file__).parents[2]
PATIENCE_S = 60

# Every table the older nodes have their hands in gets a column, in another order than they use them.
SECOND = """
TABLES = ("receipt_entry", "meta", "outbox", "event", "counter")

def upgrade():
    for table in TABLES:
        op.add_column(table, sa.Column("note", sa.Text, nullable=False, server_default=""))
    op.create_index("ix_event_note", "event", ["note"])
    op.execute("UPDATE event SET note = type")

def finish():
    with op.batch_alter_table("recall") as recall:
        recall.drop_column("reason")
"""


@pytest.fixture
def newer(tmp_path, monkeypatch):
    """Become a program that knows a second revision."""
    program = make_newer(tmp_path / "migrations", monkeypatch, SECOND)
    return lambda: program("0001", "0002")


class Older:
    """An older node: a process of its own."""

    def __init__(self, url, run):
        self.said = []
        self._command = (sys.executable, "-m", "tests.world.older_node", url, run)

    async def start(self):
        env = {**os.environ, "PYTHONPATH": str(ROOT)}
        self._process = await asyncio.create_subprocess_exec(
            *self._command, cwd=ROOT, env=env, stdout=subprocess.PIPE
        )

    async def more(self, count):
        """Return when it has said so many more things."""
        for _ in range(count):
            line = await asyncio.wait_for(self._process.stdout.readline(), PATIENCE_S)
            assert line, "it died"
            self.said.append(line.decode().strip())

    async def kill(self):
        self._process.kill()
        self.said += (await self._process.stdout.read()).decode().splitlines()
        await self._process.wait()


async def test_older_nodes_write_through_the_first_half_and_are_gone_for_the_second(
    postgres_url, newer
):
    place = place_of(postgres_url)
    await asyncio.to_thread(setup.create, place)
    nodes = [Older(postgres_url, run) for run in "ab"]
    for node in nodes:
        await node.start()
    try:
        for node in nodes:
            await node.more(12)
        newer()
        upgrading = asyncio.create_task(asyncio.to_thread(setup.upgrade, place))
        while not upgrading.done():
            await asyncio.gather(*(node.more(1) for node in nodes))
        await upgrading
        assert setup.check(place) is None
        for node in nodes:
            await node.more(30)
    finally:
        for node in nodes:
            await node.kill()
    said = [line for node in nodes for line in node.said]
    assert [line for line in said if line.startswith("!")] == []
    told = {name: int(number) for number, name in (line.split() for line in said)}
    await asyncio.to_thread(setup.finish, place)
    assert setup.check(place) is None
    with session(place, purpose="test") as opened:
        rows = opened.rows("SELECT data, note FROM event WHERE subject = 'given' ORDER BY id")
        state = opened.row(revisions.WORKS_SINCE_SQL)
    kept = {e["name"]: e["n"] for e in (json.loads(row["data"]) for row in rows)}
    assert {name: kept.get(name) for name in told} == told
    assert sorted(kept.values()) == list(range(1, len(kept) + 1))
    assert {row["note"] for row in rows} == {"happened", ""}  # before the upgrade, and after it
    assert state == {"value": "0002"}
