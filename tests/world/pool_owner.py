"""A process that owns a verifier pool, prints its workers' ids and stays busy until it is killed.

Arguments: trust directory, file to verify or "-", event loop (`asyncio` or `uvloop`).
"""

import asyncio
import signal
import sys
from datetime import UTC, datetime
from pathlib import Path

import uvloop

from gateway.verifier.pool import VerifierPool


async def main(trust: str, file: str) -> None:
    pool = VerifierPool(
        Path(trust), workers=2, timeout_s=300, worker_module="tests.world.hostile_worker"
    )
    await pool.warm()
    tasks = []
    if file != "-":
        job = pool.verify(Path(file), sha256="a" * 64, size_bytes=9, at=datetime.now(UTC))
        tasks.append(asyncio.create_task(job))
    sys.stdout.write(" ".join(map(str, pool.worker_ids)) + "\n")
    sys.stdout.flush()
    await asyncio.Event().wait()


if __name__ == "__main__":
    # Tests started in the background by a shell inherit that interrupts are ignored.
    signal.signal(signal.SIGINT, signal.default_int_handler)
    run = uvloop.run if sys.argv[3] == "uvloop" else asyncio.run
    run(main(sys.argv[1], sys.argv[2]))
