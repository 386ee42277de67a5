"""Thousands of documents while everything is killed: `python -m tests.crash --engine cluster`.

Prints progress, the seed, and at the end one row for docs/crash.md. Exit code 1 when an invariant
was violated; the folder with ledger, blobs and every node's log is kept then, and named.
"""

import argparse
import asyncio
import json
import random
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import AsyncExitStack, ExitStack, contextmanager
from pathlib import Path
from typing import Any

from tests.crash.loss import Loss
from tests.crash.mayhem import Mayhem, alarms, deck
from tests.world.judge import Judge, told
from tests.world.letters import letters
from tests.world.load import Load
from tests.world.machine import machine
from tests.world.servers import rabbitmq
from tests.world.servers.postgres import PostgresServer, programs
from tests.world.site import Site, site

_SAY_EVERY_S = 15.0
_PATIENCE_S = 900.0  # a run of hours gets what others leave of the machine


class Run:
    """One run: the world, the deck, the verdict."""

    def __init__(self, options: argparse.Namespace, folder: Path) -> None:
        self.options = options
        self.folder = folder
        self.begun = time.monotonic()
        self.commit = _commit()
        self.mayhem: Mayhem | None = None
        self.site: Site | None = None

    def say(self, text: str) -> None:
        load = self.site.load if self.site else None
        done = f"{load.book.answered:>6} answered {len(load.book.finished):>6} done" if load else ""
        print(f"[{time.monotonic() - self.begun:7.1f} s] {done}  {text}", flush=True)

    async def play(self, stack: ExitStack) -> bool:
        """Play; tell whether all is well."""
        servers = _servers(self.options.engine, self.folder, stack)
        async with AsyncExitStack() as world:
            made = self.site = await world.enter_async_context(site(self.folder, **servers))
            made.patience_s = _PATIENCE_S
            dice = random.Random(self.options.seed)
            count = self.options.documents
            load = made.load = Load(
                made.urls,
                made.systems,
                letters(random.Random(self.options.seed + 1), count),
                ministry=made.ministry,
                line=made.line,
                seed=self.options.seed + 2,
            )
            judge = Judge(made)
            self.mayhem = Mayhem(made, judge, dice, self.say, spell=self.options.spell)
            await asyncio.gather(*(made.start(name) for name in made.nodes))
            working = asyncio.create_task(load.run())
            try:
                await self._until_over(working)
                self.say("no more faults")
                if not load.book.violations:
                    await self._comes_to_rest(judge)
            finally:
                working.cancel()
                await asyncio.gather(working, return_exceptions=True)
            await made.stop()
            await judge.end()
            self._tell(judge)
            return not load.book.violations

    async def _until_over(self, working: "asyncio.Task[None]") -> None:
        assert self.site is not None
        assert self.mayhem is not None
        load = self.site.load
        assert load is not None
        dealing = asyncio.create_task(self.mayhem.run(deck(self.options.engine)))
        limit = self.begun + 60 * self.options.minutes
        said = time.monotonic()
        while not dealing.done():
            await asyncio.wait({dealing, working}, timeout=1, return_when=asyncio.FIRST_COMPLETED)
            if working.done():
                dealing.cancel()
                working.result()
            if time.monotonic() > limit and not load.enough:
                self.say("the time is over: nothing new is sent")
                load.enough = True
            if time.monotonic() - said > _SAY_EVERY_S:
                said = time.monotonic()
                self.say("")
        dealing.result()

    async def _comes_to_rest(self, judge: Judge) -> None:
        assert self.site is not None
        load = self.site.load
        open_: list[str] = ["not looked"]

        async def rests() -> bool:
            open_[:] = await judge.rest()
            return load is not None and load.sent and not open_

        try:
            await self.site.until(rests, "not everything came to its end", every_s=2.0)
        except AssertionError as exc:
            self.say(str(exc)[-3000:])
        for what in open_:
            load.book.violate("rest", what)

    async def lose(self, stack: ExitStack) -> bool:
        """Lose the ledger and restore an old backup; tell whether all is well."""
        servers = _servers(self.options.engine, self.folder, stack)
        async with AsyncExitStack() as world:
            servers["budget"] = "1 m"  # everybody hears the number in the answer
            made = self.site = await world.enter_async_context(site(self.folder, **servers))
            made.patience_s = _PATIENCE_S
            portion = self.options.documents // 3
            dice = random.Random(self.options.seed)
            story = Loss(made, letters(dice, 10**9, pdfs=False), self.say, portion=portion)
            try:
                judge = await story.play()
            finally:
                await story.close()
            first, second = story.first.book, story.load.book
            row = {
                "engine": self.options.engine,
                "seed": self.options.seed,
                "commit": self.commit,
                "documents": len(second.letters),
                "in_backup": len(story.known),
                "accepted_when_lost": len(first.accepted),
                "numbers_passed_over": len(judge.skipped),
                "accepted": len(second.accepted),
                "arrived": len(second.arrived),
                "receipts": judge.size,
                "minutes": round((time.monotonic() - self.begun) / 60, 1),
                "violations": len(first.violations) + len(second.violations),
            }
            print(json.dumps(row, ensure_ascii=False), flush=True)
            print(told(first.violations + second.violations), flush=True)
            return not first.violations and not second.violations

    def _tell(self, judge: Judge) -> None:
        assert self.site is not None
        assert self.mayhem is not None
        load, tally = self.site.load, self.mayhem.tally
        assert load is not None
        book = load.book
        print(f"dealt: {dict(sorted(tally.dealt.items()))}")
        print(f"points reached: {dict(sorted(tally.reached.items()))}")
        print(f"points not reached in time: {dict(sorted(tally.missed.items()))}")
        slowest = {what: round(max(times), 1) for what, times in sorted(tally.recovery_s.items())}
        print(f"longest until documents went on, s: {slowest}")
        print(f"troubles callers had: {dict(book.troubles)}")
        for what, times in alarms(self.folder).most_common(30):
            print(f"  {times:>5} x {what}")
        row = {
            "engine": self.options.engine,
            "seed": self.options.seed,
            "commit": self.commit,
            "documents": len(book.letters),
            "accepted": len(book.accepted),
            "refused": len(book.refused),
            "incoming": len(book.incoming),
            "repeated": book.repeats,
            "arrived": len(book.arrived),
            "handed_to_axis": sum(book.handed.values()),
            "receipts": judge.size,
            "sigkills": tally.kills,
            "line_faults": sum(
                n for what, n in tally.dealt.items() if what.split()[0] in self.site.proxies
            ),
            "looks": judge.looks,
            "refused_starts": self.site.refused_starts,
            "minutes": round((time.monotonic() - self.begun) / 60, 1),
            "violations": len(book.violations),
            **{key: machine()[key] for key in ("cpu", "cores", "memory_gib")},
        }
        print(json.dumps(row, ensure_ascii=False), flush=True)
        if book.violations:
            print(told(book.violations), flush=True)


@contextmanager
def _postgres() -> Iterator[PostgresServer]:
    server = PostgresServer(fsync=True)
    try:
        server.start()
        yield server
    finally:
        server.close()


def _servers(engine: str, folder: Path, stack: ExitStack) -> dict[str, Any]:
    if engine == "sqlite":
        return {}
    return {
        "postgres": stack.enter_context(_postgres()),
        "rabbit": stack.enter_context(
            stack.enter_context(rabbitmq.shared(folder)).alone(),
        ),
    }


def _commit() -> str:
    told_ = subprocess.run(
        ["git", "log", "-1", "--format=%h"], capture_output=True, text=True, check=False
    )
    return told_.stdout.strip()


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="tests.crash", description=__doc__.splitlines()[0])
    parser.add_argument("--engine", choices=("sqlite", "cluster"), default="sqlite")
    parser.add_argument(
        "--story",
        choices=("kill", "loss"),
        default="kill",
        help="kill everything again and again, or lose the ledger and restore an old backup",
    )
    parser.add_argument("--documents", type=int, default=20_000)
    parser.add_argument("--minutes", type=float, default=120, help="send nothing new after that")
    parser.add_argument(
        "--spell", type=int, default=60, help="documents accepted in peace between two faults"
    )
    parser.add_argument("--seed", type=int, default=20261122)
    return parser.parse_args()


def main() -> int:
    """Run once; return the exit code."""
    options = _arguments()
    if options.engine == "cluster" and (programs() is None or rabbitmq.missing()):
        print("PostgreSQL and RabbitMQ are needed (Debian: postgresql, rabbitmq-server)")
        return 64
    print(
        f"engine {options.engine}, {options.documents} documents, seed {options.seed}", flush=True
    )
    folder = Path(tempfile.mkdtemp(prefix="vanlien-crash-"))
    run = Run(options, folder)
    good = False
    try:
        with ExitStack() as stack:
            story = run.lose if options.story == "loss" else run.play
            good = asyncio.run(story(stack))
    finally:
        if good:
            shutil.rmtree(folder)
        else:
            again = f"ENGINE={options.engine} DOCUMENTS={options.documents} SEED={options.seed}"
            again += f" STORY={options.story}"
            print(f"NOT GOOD. Look at {folder} (ledger, blobs, a-1.log …)")
            print(f"again: make crash-long {again}", flush=True)
    return 0 if good else 1


if __name__ == "__main__":
    sys.exit(main())
