"""kill -9 of PostgreSQL and of nodes amid commits: what was answered is there afterwards."""

import asyncio
import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from gateway.errors import UnavailableError
from gateway.ports import ChangeSet, Committed, NextNumber
from gateway.receipts import log
from gateway.store.places import place_of
from gateway.store.postgres.ledger import PostgresLedger
from tests.world import ledger_rows as rows
from tests.world.servers.postgres import PostgresServer, needs_postgres

pytestmark = pytest.mark.crash

ROOT = Path(__file__).parents[2]
NUMBER = NextNumber("n", "H37.02", 2026, "issue")


@pytest.fixture
def server():
    """A server that really writes to its disk."""
    needs_postgres()
    made = PostgresServer(fsync=True)
    try:
        made.start()
        yield made
    finally:
        made.close()


class Caller:
    """Commits one set after another and remembers what it was told."""

    def __init__(self, name, ledger, told, answers):
        self.name = name
        self.ledger = ledger
        self.told = told
        self.answers = answers

    async def run(self, until):
        i = 0
        while not until.is_set():
            i += 1
            name = f"{self.name}-{i}"

            def then(numbers, name=name):
                data = json.dumps({"n": numbers["n"], "name": name})
                return [rows.event("given", data=data)]

            change = ChangeSet((rows.entry(name), rows.outbox(name)), (), (NUMBER,), then)
            try:
                done = await self.ledger.commit(change)
            except UnavailableError:
                await asyncio.sleep(0)
            else:
                assert isinstance(done, Committed)
                self.told[name] = done.numbers["n"]
                self.answers.put_nowait(name)


async def more(answers, count):
    """Return when that many more sets were answered."""
    for _ in range(count):
        await asyncio.wait_for(answers.get(), 60)


async def test_what_was_answered_survives_a_killed_server(server):
    place = place_of(server.create_ledger())
    ledgers = [PostgresLedger(place) for _ in range(2)]
    for ledger in ledgers:
        await ledger.open()
    told, answers, ended = {}, asyncio.Queue(), asyncio.Event()
    callers = [Caller(f"c{i}", ledgers[i % 2], told, answers) for i in range(6)]
    going = [asyncio.create_task(caller.run(ended)) for caller in callers]
    for count in (17, 1, 40):
        await more(answers, count)
        server.kill()  # somewhere between two statements, or in a COMMIT
        server.start()
    await more(answers, 10)
    ended.set()
    await asyncio.gather(*going)
    await check(ledgers[0], told)
    for ledger in ledgers:
        await ledger.close()


async def check(ledger, told):
    events = [json.loads(e["data"]) for e in await ledger.all("events_of", subject="given")]
    kept = {e["name"]: e["n"] for e in events}
    assert len(kept) == len(events)
    lost = {name: number for name, number in told.items() if kept.get(name) != number}
    assert lost == {}, "answered, then lost"
    assert sorted(kept.values()) == list(range(1, len(kept) + 1))
    owed = await ledger.all("outbox", limit=len(kept) + 1)
    assert {row["ref"] for row in owed} == kept.keys()
    entries = await ledger.all("entries", first=0, last=len(kept))
    assert {e["subject"] for e in entries} == kept.keys()
    placed = log.sequence(log.EMPTY, [e["body"].encode() for e in entries])
    assert [e["chain_hash"] for e in entries] == [p.chain_hash.hex() for p in placed]


async def test_a_server_that_stays_away_is_said_and_found_again(server):
    place = place_of(server.create_ledger())
    ledger = PostgresLedger(place)
    await ledger.open()
    assert isinstance(await ledger.commit(ChangeSet((rows.meta("k"),))), Committed)
    assert await ledger.one("meta", key="k") == {"value": "1"}
    server.kill()
    with pytest.raises(UnavailableError):
        await ledger.commit(ChangeSet((rows.meta("l"),)))
    with pytest.raises(UnavailableError):
        await ledger.one("meta", key="k")
    with pytest.raises(UnavailableError):
        async with ledger.drain(9):
            pass
    server.start()
    assert await ledger.one("meta", key="k") == {"value": "1"}
    assert isinstance(await ledger.commit(ChangeSet((rows.meta("l"),))), Committed)
    async with ledger.drain(9) as lent:
        assert lent == []
    await ledger.close()


def node_killed(url, run, fault="", lines=0):
    """Run a node until it dies at a fault, or is killed after some answers; what it had said."""
    env = {**os.environ, "VANLIEN_FAULT": fault, "PYTHONPATH": str(ROOT)}
    command = [sys.executable, "-m", "tests.crash.postgres_node", url, run]
    with subprocess.Popen(command, cwd=ROOT, env=env, stdout=subprocess.PIPE, text=True) as child:
        said = [child.stdout.readline() for _ in range(lines)]
        if lines:
            child.kill()
        said += child.stdout.readlines()
    assert child.returncode == -signal.SIGKILL
    return {name: int(number) for number, name in (line.split() for line in said if line)}


async def test_nodes_killed_amid_commits_lose_nothing_and_hold_nobody_up(postgres_ledger_url):
    place = place_of(postgres_ledger_url)
    survivor = PostgresLedger(place)
    await survivor.open()
    await survivor.commit(ChangeSet((rows.meta("taken"),)))
    told = {}
    for run, fault, lines in (
        ("before", "ledger.before-commit:4", 0),
        ("after", "ledger.after-commit:3", 0),
        ("any", "", 21),
    ):
        killed = asyncio.to_thread(node_killed, postgres_ledger_url, run, fault, lines)
        told |= await killed
        # The lock died with its holder: the others go on at once.
        done = await survivor.commit(ChangeSet(numbers=(NextNumber("n", "H37.03", 2026, "issue"),)))
        assert isinstance(done, Committed)
    assert len(told) > 21
    await check(survivor, told)
    await survivor.close()
