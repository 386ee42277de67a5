"""A child process: one node that writes, reads and drains a PostgreSQL ledger, whatever happens.

Says one line a finished round, `NUMBER NAME`, and `! KIND` for what went wrong. It is the program
as it is in this tree: run while a test upgrades the ledger, it is the older node.
"""

import asyncio
import itertools
import json
import os
import sys

from gateway.ports import Absent, ChangeSet, Committed, NextNumber, Update
from gateway.store.places import place_of
from gateway.store.postgres.ledger import PostgresLedger
from tests.world import ledger_rows as rows

NUMBER = NextNumber("n", "H37.02", 2026, "issue")


async def turn(ledger, name):
    """One round of what a gateway does: a set of every kind, a drain, some questions."""

    def then(numbers):
        return [rows.event("given", data=json.dumps({"n": numbers["n"], "name": name}))]

    entry = rows.entry(name)
    entry.values["id"] = f"{name} {entry.values['id']}"
    change = ChangeSet(
        (entry, rows.outbox(name), Update("outbox", {"ref": "nothing"}, {"lane": 1}, expect=None)),
        (Absent("outbox", {"ref": name}), Absent("event", {"subject": name})),
        (NUMBER,),
        then,
    )
    done = await ledger.commit(change)
    assert isinstance(done, Committed), done
    async with ledger.drain(3):
        pass
    await ledger.all("outbox", limit=3)
    await ledger.all("entries_of", subject=name)
    return done.numbers["n"]


async def work(ledger, run, worker):
    for i in itertools.count():
        name = f"{run}-{worker}-{i}"
        try:
            said = f"{await turn(ledger, name)} {name}"
        except Exception as exc:  # noqa: BLE001 - the test decides what may go wrong
            said = f"! {type(exc).__name__} {exc!r} {exc.__cause__!r}".replace("\n", " ")
        os.write(1, f"{said}\n".encode())


async def main(url, run):
    ledger = PostgresLedger(place_of(url))
    await ledger.open()
    await asyncio.gather(*(work(ledger, run, worker) for worker in range(3)))


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1], sys.argv[2]))
