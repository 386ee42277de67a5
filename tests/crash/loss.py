"""A ledger is lost under load, and an OLD backup of it restored: what then must still be true.

1. A gateway lives, and is backed up beside its work.
2. It lives on: documents are accepted, numbered, delivered; then its disk is gone at kill -9.
3. The backup is restored. It stands still: it accepts, gives no number, relays nothing, and asks the
   axis for the lost window.
4. The counters are moved past the highest number anybody outside was told, and it is let go.
5. The senders send everything again, as operations asks them to. What the backup knew is answered as
   before; the rest is new here, under numbers nobody has seen; whoever has it recognises it.
"""

import asyncio
import json
import os
import shutil
import sys
from collections.abc import Callable, Iterator
from typing import Any

from tests.world.judge import Judge
from tests.world.letters import Letter, number_of
from tests.world.load import Load
from tests.world.nursery import ROOT
from tests.world.site import Site


class Loss:
    """One such story.

    Args:
        site: Nodes, not started.
        letters: What is sent; as many as the story needs.
        say: Told each step.
        portion: How many documents each part of the story has at least.
    """

    def __init__(
        self, site: Site, letters: Iterator[Letter], say: Callable[[str], None], portion: int
    ) -> None:
        self._site, self._letters, self._say, self._portion = site, letters, say, portion
        self._working: asyncio.Task[None] | None = None
        self.first = self._new_load(self._letters)
        self.load = self.first
        self.known: set[int] = set()  # documents and arrivals of the backup
        self.kept: set[str] = set()
        site.axis.show_taken()

    def _new_load(self, letters: Iterator[Letter]) -> Load:
        site = self._site
        load = Load(
            site.urls, site.systems, letters, ministry=site.ministry, line=site.line, seed=1
        )
        site.load = load
        return load

    async def play(self) -> Judge:
        """Live, lose, restore, live on; return the judge after its last look."""
        await asyncio.gather(*(self._site.start(name) for name in self._site.nodes))
        self._begin(self.first)
        self.first.allow(self._portion)
        await self._arrive(self._portion * 2 // 3)
        target = await self._back_up()
        before = len(self.first.book.accepted)
        self.first.allow(self._portion)
        await self._accept(before + self._portion * 2 // 3)
        await self._lose()
        await self._restore(target)
        judge = await self._stand_still()
        await self._let_go(judge)
        await self._rest(judge)
        await self._site.stop()
        await judge.end()
        self._compare()
        return judge

    # ------------------------------------------------------------ the first life

    def _begin(self, load: Load) -> None:
        self._working = asyncio.create_task(load.run())

    async def _end_work(self) -> None:
        assert self._working is not None
        self._working.cancel()
        await asyncio.gather(self._working, return_exceptions=True)

    async def close(self) -> None:
        """End the systems' work, however the story ended."""
        await self._end_work()

    async def _arrive(self, count: int) -> None:
        book = self.first.book
        await self._site.until(lambda: len(book.finished) >= count // 2, "nothing arrives")

    async def _accept(self, count: int) -> None:
        book = self.first.book
        await self._site.until(lambda: len(book.accepted) >= count, "nothing is accepted")

    async def _vanlien(self, *words: object) -> Any:
        """Run a command as operations would; return its one object."""
        config = next(iter(self._site.nodes.values())).config
        child = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "gateway", *map(str, words)),
            *("--json", "--config", str(config)),
            cwd=ROOT,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
            env={**os.environ, "PYTHONWARNINGS": ""},
        )
        out, err = await child.communicate()
        assert child.returncode == 0, f"{words}: {out.decode()}{err.decode()}"
        return json.loads(out)

    async def _back_up(self) -> Any:
        target = self._site.folder / "target"
        target.mkdir()
        told = await self._vanlien("backup", "--to", target)
        self._say(f"backed up after {len(self.first.book.accepted)} documents")
        assert told["targets"][0]["good"], told
        return target

    async def _lose(self) -> None:
        """Everything a disk held is gone; what people outside remember is not."""
        for name in self._site.nodes:
            await self._site.kill(name)
        await self._end_work()
        for name in self._site.nodes:
            shutil.rmtree(self._site.folder / f"data-{name}")
        if self._site.postgres is not None:
            shutil.rmtree(self._site.folder / "blobs")
            (self._site.folder / "blobs").mkdir(mode=0o700)
            await asyncio.to_thread(self._site.new_database)
        self._say(f"lost after {len(self.first.book.accepted)} documents")

    # ------------------------------------------------------------ the second life

    async def _restore(self, target: Any) -> None:
        told = await self._vanlien("restore", "from", target)
        assert told["held"]
        for row in await self._site.rows("SELECT document_id FROM consignment"):
            self.known.add(number_of(row["document_id"] or ""))
        self.kept = {row["id"] for row in await self._site.rows("SELECT id FROM arrival")}
        self._say(f"restored: {len(self.known)} documents, {told['blobs']} blobs")

    def _again(self) -> Iterator[Letter]:
        """Everything the senders ever sent, and then what they had not sent yet."""
        yield from self.first.book.letters.values()
        yield from self._letters

    async def _stand_still(self) -> Judge:
        """It accepts and gives no number; the axis lists what it took from the lost one."""
        before = await self._given()
        self.load = self._new_load(self._again())
        self.load.follow(self.first)
        await asyncio.gather(*(self._site.start(name) for name in self._site.nodes))
        self._begin(self.load)
        sent = len(self.first.book.letters)
        self.load.allow(sent)
        judge = Judge(self._site, restored=True)
        await self._site.until(lambda: self.load.book.answered >= sent, "it takes nothing")
        items = [i for i in self._site.axis.items if i.system_id == self._site.hub]

        async def asked_for() -> bool:
            found = await self._site.rows("SELECT COUNT(*) AS n FROM inbound WHERE acked_at != ''")
            return bool(found[0]["n"] >= len(items))

        await self._site.until(asked_for, f"not all {len(items)} items were asked for again")
        assert await self._given() == before, "it gave numbers while it stood still"
        await self._site.until(self._shown, "systems that read on were not shown what came new")
        await self._forget_lost()
        self.load.read_again()  # what the backup has as offered they had confirmed, and do again
        return judge

    async def _shown(self) -> bool:
        """Tell whether a system that kept its old cursor has seen everything the backup had not."""
        sql = f"SELECT id FROM arrival WHERE inbox_seq > {self.first.cursor}"
        return all(row["id"] in self.load.book.arrived for row in await self._site.rows(sql))

    async def _forget_lost(self) -> None:
        """Take arrivals that no longer exist out of what the ledger will be held against."""
        there = {row["id"] for row in await self._site.rows("SELECT id FROM arrival")}
        arrived = self.load.book.arrived
        for item in [item for item in arrived if item not in there]:
            del arrived[item]

    async def _given(self) -> set[int]:
        sql = "SELECT issue_ordinal FROM consignment WHERE issue_ordinal IS NOT NULL"
        return {row["issue_ordinal"] for row in await self._site.rows(sql)}

    async def _let_go(self, judge: Judge) -> None:
        told = {a.ordinal for a in self.first.book.accepted.values() if a.ordinal}
        year = (await self._site.rows("SELECT year FROM counter WHERE series = 'issue'"))[0]["year"]
        floor, given = max(told), await self._given()
        await self._vanlien("restore", "reconcile", "--floor", f"H37.02:{year}:issue={floor}")
        judge.skipped = set(range(max(given) + 1, floor + 1))
        await self._vanlien("restore", "release", "--reason", "Đã đối chiếu với các đơn vị")
        self._say(f"let go: {max(given)} numbers in the backup, {floor} was the highest told")
        self.load.allow(self._portion)  # and life goes on with new ones

    async def _rest(self, judge: Judge) -> None:
        wanted = len(self.first.book.letters) + self._portion
        await self._site.until(lambda: self.load.book.answered >= wanted, "nothing is accepted")
        self.load.enough = True
        self.load.allow(50)
        open_: list[str] = []

        async def rests() -> bool:
            open_[:] = await judge.rest()
            return self.load.sent and not open_

        try:
            await self._site.until(rests, "not at rest", every_s=0.3)
        except AssertionError as exc:
            raise AssertionError(f"{open_}\n{exc}") from None
        await self._end_work()

    # ------------------------------------------------------------ both lives together

    def _compare(self) -> None:
        """No number has two documents, and whoever had one has it once."""
        first, second = self.first.book, self.load.book
        owners = {a.ordinal: n for n, a in first.accepted.items() if a.ordinal}
        for n, answer in second.accepted.items():
            before = first.accepted.get(n)
            if n in self.known and before is not None and before.raw != answer.raw:
                second.violate("changed-answer", f"document {n}, which the backup knew")
            if answer.ordinal and owners.get(answer.ordinal, n) != n:
                what = f"{answer.ordinal} was {owners[answer.ordinal]}'s and is {n}'s"
                second.violate("numbers", what)
        here = second.of_arrivals()
        for n, items in first.of_arrivals().items():
            # What had arrived in the backup is the very same arrival: nothing new to register.
            if not set(items) & self.kept or set(items) == set(here[n]):
                continue
            second.violate("once", f"document {n} came as {items}, then as {here[n]}")
