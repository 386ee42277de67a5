"""What is broken while documents are under way: a deck of faults, shuffled by a seed.

Each card is one fault: a node killed at any time, a node that dies at a named point, both nodes, the
database, the broker, or a line that is cut, torn in the middle of a frame, reset, stalled, slow or
refused. After each the judge looks, everything is started again, and documents must go on **by
themselves**: a card is over when a further document was accepted. The deck is dealt again and again
until all letters have their answer, so that even a short run draws each kind.
"""

import asyncio
import json
import random
import signal
import time
from collections import Counter, defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from gateway import faults
from tests.world.judge import Judge
from tests.world.site import Site

# Reached by tests of their own: they need other settings, or a command beside the server.
ELSEWHERE = ("recheck.", "revocation.", "backup.", "restore.", "spool.")
CLUSTER_ONLY = ("broker.", "leases.")
POINTS = tuple(point for point in faults.POINTS if not point.startswith(ELSEWHERE))
LINE_FAULTS = ("cut", "torn", "reset", "stall", "slow", "refuse")
_POINT_PATIENCE_S = 30.0


@dataclass(frozen=True)
class Card:
    """One fault: what is hit, and how."""

    what: str
    how: str = ""

    def __str__(self) -> str:
        return f"{self.what} {self.how}".strip()


def deck(engine: str) -> list[Card]:
    """Return one of everything, of the likelier things several."""
    points = [p for p in POINTS if engine == "cluster" or not p.startswith(CLUSTER_ONLY)]
    cards = [Card("point", point) for point in points]
    cards += [Card("kill")] * 10
    lines = ["axis"]
    if engine == "cluster":
        cards += [Card("kill both")] * 3 + [Card("kill postgres")] * 4 + [Card("kill rabbit")] * 3
        cards += [Card("wipe rabbit")]
        lines += ["postgres", "rabbit"]
    return cards + [Card(line, how) for line in lines for how in LINE_FAULTS]


@dataclass
class Tally:
    """What was done, and how long it took until documents went on."""

    dealt: Counter[str] = field(default_factory=Counter)
    reached: Counter[str] = field(default_factory=Counter)
    missed: Counter[str] = field(default_factory=Counter)
    recovery_s: dict[str, list[float]] = field(default_factory=lambda: defaultdict(list))

    @property
    def kills(self) -> int:
        """How many processes died by SIGKILL."""
        both = 2 * self.dealt["kill both"]
        single = sum(self.dealt[x] for x in ("kill", "kill postgres", "kill rabbit"))
        return both + single + sum(self.reached.values()) + sum(self.missed.values())


class Mayhem:
    """Deals the cards.

    Args:
        site: What is broken.
        judge: Who looks after each card.
        dice: Decides everything.
        say: Told each card.
        portion: How many letters go with each card; 0: as many as can.
        stalls: How long a line may be stalled, s.
        spell: How many documents are accepted in peace between two cards.
    """

    def __init__(
        self,
        site: Site,
        judge: Judge,
        dice: random.Random,
        say: Callable[[str], None],
        *,
        portion: int = 0,
        stalls: Sequence[float] = (0.5, 2.0, 5.0, 20.0),
        spell: int = 0,
    ) -> None:
        self._site, self._judge, self._dice, self._say = site, judge, dice, say
        self._portion, self._stalls, self._spell = portion, stalls, spell
        self.tally = Tally()

    async def run(self, cards: Sequence[Card]) -> None:
        """Deal until every letter has its answer, or something was violated."""
        while True:
            hand = list(cards)
            self._dice.shuffle(hand)
            for card in hand:
                if self._over():
                    return
                await self.play(card)

    def _over(self) -> bool:
        load = self._site.load
        assert load is not None
        return load.enough or bool(load.book.violations)

    async def play(self, card: Card) -> None:
        """Do one thing, look, put everything right, and wait until documents go on."""
        self._nobody_fell()
        self._allow(self._portion)
        self.tally.dealt[card.what if card.what == "point" else str(card)] += 1
        begun = time.monotonic()
        match card.what:
            case "kill":
                await self._kill([self._dice.choice(list(self._site.nodes))])
            case "kill both":
                await self._kill(list(self._site.nodes))
            case "point":
                await self._die_at(card.how)
            case "kill postgres":
                await self._under_load()
                await self._site.kill_postgres()
            case "kill rabbit":
                await self._under_load()
                await self._site.kill_rabbit()
            case "wipe rabbit":
                assert self._site.rabbit is not None
                await asyncio.to_thread(self._site.rabbit.wipe)
            case line:
                await self._break(line, card.how)
        await self._judge.look()
        mended = time.monotonic()
        await self._goes_on(card)
        recovered = time.monotonic()
        self.tally.recovery_s[card.what if card.what == "point" else str(card)].append(
            recovered - mended
        )
        self._say(f"{card}: {mended - begun:.1f} s, goes on after {recovered - mended:.1f} s")
        await self._accepted_further(card, self._spell)

    def _allow(self, count: int) -> None:
        if count and self._site.load is not None:
            self._site.load.allow(count)

    def _nobody_fell(self) -> None:
        for name, node in self._site.nodes.items():
            assert node.up, f"{name} ended by itself\n{self._site.tail(name)}"

    async def _under_load(self) -> None:
        """Let some time pass: the moment of death is what is tried here."""
        await asyncio.sleep(self._dice.uniform(0.0, 1.5))

    async def _goes_on(self, card: Card) -> None:
        self._allow(5 if self._portion else 0)  # one of them is accepted, whatever the dice say
        await self._accepted_further(card, 1)

    async def _accepted_further(self, card: Card, count: int) -> None:
        load = self._site.load
        assert load is not None
        wanted = len(load.book.accepted) + count

        def further() -> bool:
            return len(load.book.accepted) >= wanted or load.sent or self._over()

        await self._site.until(further, f"after “{card}” no document was accepted any more")

    # ------------------------------------------------------------ nodes

    async def _kill(self, names: Sequence[str]) -> None:
        await self._under_load()
        for name in names:
            await self._site.kill(name)
        await self._judge.look()
        await asyncio.gather(*(self._site.start(name) for name in names))

    async def _die_at(self, point: str) -> None:
        """Start a node that dies at a point; one that is not reached in time is killed."""
        name = self._dice.choice(list(self._site.nodes))
        await self._site.kill(name)
        await self._site.start(name, f"{point}:{self._dice.choice((1, 1, 2, 3, 5))}")
        if await self._site.dies(name, _POINT_PATIENCE_S):
            child = self._site.nodes[name].child
            assert child is not None
            assert child.code == -signal.SIGKILL, self._site.tail(name)
            self.tally.reached[point] += 1
        else:
            self.tally.missed[point] += 1
        await self._site.kill(name)
        await self._judge.look()
        await self._site.start(name)

    # ------------------------------------------------------------ lines

    async def _break(self, line: str, how: str) -> None:
        proxy = self._site.proxies[line]
        match how:
            case "cut":
                proxy.cut()
            case "torn":
                await self._tear(line)
            case "reset":
                proxy.reset()
            case "stall":
                proxy.stall()
                await asyncio.sleep(self._dice.choice(self._stalls))
                if self._dice.random() < 0.5:
                    proxy.reset()  # what stood is gone, and was not told
            case "slow":
                proxy.delay_s = 0.03
                await asyncio.sleep(2.0)
            case "refuse":
                proxy.refuse()
                await asyncio.sleep(self._dice.uniform(0.3, 4.0))
        proxy.heal()

    async def _tear(self, line: str) -> None:
        """Cut in the middle of whatever is said, in either direction."""
        proxy = self._site.proxies[line]
        before = proxy.cuts
        proxy.cut(after_bytes=self._dice.randrange(1, 4_000))
        load = self._site.load
        assert load is not None
        await self._site.until(lambda: proxy.cuts > before or load.sent, f"nobody uses {line}")


def alarms(folder: Path) -> Counter[str]:
    """Return what the nodes complained of, from all their logs."""
    found: Counter[str] = Counter()
    for path in sorted(folder.glob("?-*.log")):
        for line in path.read_text(errors="replace").splitlines():
            if line.startswith("Traceback"):
                found[f"traceback in {path.name}"] += 1
            if not line.startswith("{"):
                continue
            try:
                fact = json.loads(line)
            except ValueError:
                continue  # the process died while it wrote
            if fact.get("event") in {"alarm", "program_failed"}:
                what = fact.get("what") or fact.get("program")
                found[f"{fact['event']} {what}: {str(fact.get('error', ''))[:120]}"] += 1
    return found
