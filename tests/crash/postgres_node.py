"""A child process: one node that commits numbered change sets to PostgreSQL until it is killed.

Says each acknowledged set as one line, `NUMBER NAME`. Armed by VANLIEN_FAULT (gateway/faults.py).
"""

import asyncio
import json
import os
import sys

from gateway.ports import ChangeSet, Committed, NextNumber
from gateway.store.places import place_of
from gateway.store.postgres.ledger import PostgresLedger
from tests.world import ledger_rows as rows

NUMBER = NextNumber("n", "H37.02", 2026, "issue")


async def work(ledger, worker, run):
    for i in range(10_000):
        name = f"{run}-{worker}-{i}"

        def then(numbers, name=name):
            return [rows.event("given", data=json.dumps({"n": numbers["n"], "name": name}))]

        entry = rows.entry(name)
        values = {**entry.values, "id": f"{run} {entry.values['id']}"}  # ids of a process's own
        mine = (type(entry)(entry.table, values), rows.outbox(name))
        taken = (rows.meta("taken"),) if (i + worker) % 7 == 3 else ()  # its number must go back
        done = await ledger.commit(ChangeSet((*mine, *taken), (), (NUMBER,), then))
        if isinstance(done, Committed):
            os.write(1, f"{done.numbers['n']} {name}\n".encode())


async def main(url, run):
    ledger = PostgresLedger(place_of(url))
    await ledger.open()
    await asyncio.gather(*(work(ledger, worker, run) for worker in range(8)))


asyncio.run(main(sys.argv[1], sys.argv[2]))
