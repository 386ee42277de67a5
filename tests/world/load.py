"""Agencies' systems under load: they repeat what got no answer, and keep a book of what did.

`Load` sends the letters it is given over several connections, to whichever node is up; takes what
arrives as the recipient's system would (reads the feed by its cursor, compares the file, confirms,
reports 06); lets the ministry behind the axis send and answer too. It dies of nothing that a
gateway may do: what a gateway must not do is noted as a violation in the book.
"""

import asyncio
import hashlib
import json
import random
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from typing import Any

import aiohttp

from adapters.simulator.autoagency import AutoAgency, Reply
from gateway.errors import GatewayError
from gateway.ports import Adapter, Parcel, Taken
from tests.world.gatehouse import System
from tests.world.letters import LOCAL, OUTSIDE, Book, Letter, answer_of, incoming, number_of

ANSWERS = (Reply("01"), Reply("06"))
_TROUBLE = (aiohttp.ClientError, OSError, TimeoutError)
_AGAIN = {409, 429, 503}  # 409: `in-flight`, the same is being handled
_CONNECTIONS = 8
_HANDS = 6


class Load:
    """Everybody outside.

    Args:
        urls: Where a gateway listens just now; empty while none does.
        systems: `snv` sends, `stc` receives.
        letters: What `snv` wants to send.
        ministry: The agency behind the axis.
        line: The ministry's own connection to the axis.
        seed: For what is repeated, and to whom it goes.
    """

    def __init__(
        self,
        urls: Callable[[], Sequence[str]],
        systems: dict[str, System],
        letters: Iterator[Letter],
        *,
        ministry: AutoAgency,
        line: Adapter,
        seed: int,
    ) -> None:
        self.book = Book()
        self.enough = False
        self._urls = urls
        self._systems = systems
        self._letters = letters
        self._ministry = ministry
        self._line = line
        self._dice = random.Random(seed)
        self.cursor = 0
        self._todo: dict[str, Any] = {}
        self._under_way = 0
        self._allowed: asyncio.Semaphore | None = None
        self.allowed = 0
        self._rereading = False
        ministry._script = lambda _: ANSWERS

    async def run(self) -> None:
        """Work until cancelled."""
        timeout = aiohttp.ClientTimeout(total=40)
        connector = aiohttp.TCPConnector(limit=64)
        async with (
            aiohttp.ClientSession(timeout=timeout, connector=connector) as self._session,
            asyncio.TaskGroup() as group,
        ):
            for _ in range(_CONNECTIONS):
                group.create_task(self._send())
            group.create_task(self._repeat_old())
            group.create_task(self._receive())
            group.create_task(self._ministry_sends())
            group.create_task(self._ministry.run(0.3))

    @property
    def sent(self) -> bool:
        """Whether every letter has its final answer."""
        return self.enough and not self._under_way

    def allow(self, count: int) -> None:
        """Let so many more letters be sent; without a first call all may go at once."""
        if self._allowed is None:
            self._allowed = asyncio.Semaphore(0)
        self.allowed += count
        for _ in range(count):
            self._allowed.release()

    def follow(self, former: "Load") -> None:
        """Be the same systems as before: know what arrived, read on from the same place."""
        self.book.incoming |= former.book.incoming
        self.book.arrived |= former.book.arrived
        self.cursor = former.cursor

    def read_again(self) -> None:
        """Read the feed from its start, once; what is known is no news."""
        self.cursor = 0
        self._rereading = True

    # ------------------------------------------------------------ calls

    async def _call(self, method: str, path: str, system: str, **options: Any) -> tuple[int, bytes]:
        """Call any node that is up; 0 when there was no answer."""
        urls = self._urls()
        if not urls:
            await asyncio.sleep(0.05)
            return 0, b""
        headers = {"Authorization": f"Bearer {self._systems[system].key}"}
        headers |= options.pop("headers", {})
        url = f"{self._dice.choice(urls)}/api/v1{path}"
        try:
            async with self._session.request(method, url, headers=headers, **options) as answer:
                data = await answer.read()
        except _TROUBLE as exc:
            self.book.troubles[type(exc).__name__] += 1
            await asyncio.sleep(0.05)
            return 0, b""
        if answer.status >= 400:
            self.book.troubles[str(answer.status)] += 1
        if answer.status in _AGAIN:
            await asyncio.sleep(0.1)
        if answer.status >= 500 and answer.status != 503:
            self.book.violate("alarm", f"{method} {path}: {answer.status} {data[:300]!r}")
        return answer.status, data

    # ------------------------------------------------------------ sending

    async def _send(self) -> None:
        while not self.enough:
            if self._allowed is not None:
                await self._allowed.acquire()
            letter = None if self.enough else next(self._letters, None)
            if letter is None:
                self.enough = True
                break
            self.book.letters[letter.n] = letter
            self._under_way += 1
            while not await self._post(letter):
                pass
            self._under_way -= 1

    async def _post(self, letter: Letter) -> bool:
        """Send once; tell whether the answer is final."""
        headers = {"Content-Type": "application/xml"}
        if letter.key:
            headers["Idempotency-Key"] = letter.key
        status, raw = await self._call(
            "POST", "/documents", "snv", data=letter.body, headers=headers
        )
        if status in _AGAIN or status in {0, 500, 502, 504}:
            return False
        self._note(letter, status, raw)
        return True

    def _note(self, letter: Letter, status: int, raw: bytes) -> None:
        book = self.book
        if status != 202:
            book.refused[letter.n] = status
            if not letter.bad or status not in {400, 403, 422}:
                book.violate("lost", f"document {letter.n} was refused: {status} {raw[:500]!r}")
            return
        if book.secret(letter.n) and json.loads(raw)["verification"] == "pending":
            # Over the budget it is accepted unread; the judge sees to it that it gets to nobody.
            book.shut.add(letter.n)
            return
        if letter.bad:
            book.violate("early-answer", f"document {letter.n} ({letter.bad}) was accepted")
        answer = answer_of(raw, json.loads(raw))
        before = book.accepted.setdefault(letter.n, answer)
        if before.raw != answer.raw:
            book.violate("changed-answer", f"document {letter.n}: {answer.raw!r}, {before.raw!r}")

    async def _repeat_old(self) -> None:
        """Send now and then again what was accepted long ago: the same answer must come."""
        while True:
            await asyncio.sleep(0.2)
            if known := list(self.book.accepted):
                letter = self.book.letters[self._dice.choice(known)]
                self.book.repeats += await self._post(letter)

    # ------------------------------------------------------------ receiving

    async def _receive(self) -> None:
        hands = asyncio.Semaphore(_HANDS)

        async def take(item: Any) -> None:
            async with hands:
                if await self._take(item):
                    self._todo.pop(item["id"], None)

        while True:
            await self._page()
            if not self._todo:
                await asyncio.sleep(0.05)
            await asyncio.gather(*(take(item) for item in list(self._todo.values())))

    async def _page(self) -> None:
        """Read on in the feed, by the cursor alone: what it skips is never seen."""
        after = self.cursor
        status, raw = await self._call("GET", f"/inbox?after={after}&limit=100", "stc")
        if status != 200:
            return
        page = json.loads(raw)
        for item in page["items"]:
            known = item["id"] in self.book.arrived and not self._rereading
            if known and item["verdict_changed_at"] is None:
                self.book.violate("feeds", f"{item['document_id']} came twice in the feed")
            self._todo[item["id"]] = item
        if self.cursor == after:  # else we were told meanwhile to begin anew
            self.cursor = page["next"]

    async def _take(self, item: Any) -> bool:
        """Do the next thing with an arrival; tell whether all is done."""
        book, where = self.book, f"/inbox/{item['id']}"
        n = number_of(item["document_id"])
        letter = book.letters.get(n) or book.incoming.get(n)
        if letter is None or letter.bad or (item["agency"], len(item["attachments"])) != (LOCAL, 1):
            book.violate("content", f"{item['document_id']} came, and nobody sent it so")
            return True
        if item["id"] not in book.arrived:
            path = f"{where}/attachments/{item['attachments'][0]['index']}"
            status, data = await self._call("GET", path, "stc")
            if status != 200:
                return False
            if hashlib.sha256(data).hexdigest() != letter.file:
                book.violate("content", f"other bytes came with document {n}")
            book.arrived[item["id"]] = n
        if item["id"] not in book.confirmed:
            if not await self._act(f"{where}/confirm", n):
                return False
            book.confirmed.add(item["id"])
        if not await self._act(f"{where}/status", n, json={"code": "06", "reason": ""}):
            return False
        book.finished.add(item["id"])
        return True

    async def _act(self, path: str, n: int, **options: Any) -> bool:
        status, data = await self._call("POST", path, "stc", **options)
        if status not in {0, 200, 429, 503}:
            self.book.violate("states", f"document {n}, {path}: {status} {data[:300]!r}")
        return status == 200

    # ------------------------------------------------------------ the ministry

    async def _ministry_sends(self) -> None:
        """One of the ministry's for every twenty of ours; it repeats what the axis did not take."""
        while True:
            await asyncio.sleep(0.1)
            if len(self.book.incoming) * 20 < len(self.book.accepted):
                n = 1_000_001 + len(self.book.incoming)
                letter = self.book.incoming[n] = incoming(n)
                while not await self._hand_in(letter):
                    pass

    async def _hand_in(self, letter: Letter) -> bool:
        async def chunks() -> AsyncIterator[bytes]:
            yield letter.body

        parcel = Parcel(
            f"bnv-{letter.n}",
            "edoc",
            OUTSIDE,
            letter.to,
            "",
            hashlib.sha256(letter.body).hexdigest(),
            len(letter.body),
            chunks,
        )
        deadline = datetime.now(UTC) + timedelta(seconds=30)
        with suppress(GatewayError):
            if isinstance(await self._line.deliver(parcel, deadline=deadline), Taken):
                return True
        await asyncio.sleep(0.1)
        return False
