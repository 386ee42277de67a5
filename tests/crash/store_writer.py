"""A child process that commits numbered change sets and stores blobs until it is killed.

Says each acknowledged fact as one line: `set NUMBER NAME` or `blob SHA256 SIZE`. Armed by
VANLIEN_FAULT (gateway/faults.py).
"""

import asyncio
import os
import sys
from pathlib import Path

from gateway.ports import Absent, ChangeSet, Committed, NextNumber
from gateway.store.blobs import FolderBlobs
from gateway.store.ledger import SqliteLedger
from tests.world import ledger_rows as rows

NUMBER = NextNumber("n", "H37.02", 2026, "issue")


def say(text):
    os.write(1, f"{text}\n".encode())


async def work(ledger, blobs, worker, run):
    for i in range(10_000):
        name = f"{run}-{worker}-{i}"
        info = await blobs.put(name.encode() * (1 if i % 5 else 20_000))
        say(f"blob {info.sha256} {info.size_bytes}")

        def then(numbers, name=name, sha256=info.sha256):
            return [
                rows.meta(f"set {name}", str(numbers["n"])),
                rows.event(name),
                rows.entry(name, kind="numbered", issue_ordinal=numbers["n"]),
                rows.keep(sha256, name),
            ]

        refused = (i + worker) % 7 == 3  # its number must go back
        guards = (Absent("counter", {"agency": "H37.02"}),) if refused and i else ()
        extra = (rows.delivery(name, "nobody"),) if i and (i + worker) % 11 == 5 else ()
        try:
            done = await ledger.commit(ChangeSet(extra, guards, (NUMBER,), then))
        except Exception:  # noqa: BLE001 - the bug among the sets is meant to be refused
            continue
        if isinstance(done, Committed):
            say(f"set {done.numbers['n']} {name}")


async def main(folder, run):
    ledger, blobs = SqliteLedger(folder / "ledger.sqlite"), FolderBlobs(folder / "blobs")
    await asyncio.gather(*(work(ledger, blobs, w, run) for w in range(16)))


asyncio.run(main(Path(sys.argv[1]), sys.argv[2]))
