"""kill -9 while a clerk works in the console: nothing half done, no number lost, nothing twice.

The clerk is a person at a browser: opens the page, sends its form, and when no answer comes sends
the very same form again, to the server that was started anew.
"""

import re
import signal
from collections import Counter
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta

import aiohttp
import pytest

from gateway import stores
from gateway.config import load
from gateway.console.frame import SESSION
from gateway.domain.access import Grant, Role
from gateway.ports import ChangeSet, Committed
from gateway.ports.accounts import NewAccount
from gateway.programs.accounts.means import account_row, grant_row, session_row
from gateway.secrets import read_key_file
from tests.world.console import Visitor
from tests.world.crashhouse import RETRY, CrashHouse
from tests.world.gatehouse import register, write_config
from tests.world.outgoing import FORM, upload
from tests.world.signed_files import letter

pytestmark = [pytest.mark.crash, pytest.mark.timeout(900)]

WARD = "H37.61"
PATIENCE_S = 240
# A life each. Starting takes the first few commits, opening a page one, the programs take theirs:
# the deaths fall before, in and behind what the clerk does.
LIVES = [
    f"ledger.{when}-commit:{n}"
    for when, n in (("after", 5), ("before", 6), ("after", 7), ("before", 8), ("after", 9))
]
TROUBLE = (aiohttp.ClientError, OSError, TimeoutError)


async def entered(config):
    """Make a clerk of two agencies with a session; return its token."""
    now = datetime.now(UTC)
    token, session = session_row("a-lan", now, ends_at=now + timedelta(days=1), strong=True)
    account = account_row("a-lan", NewAccount("lan", "Trần Thị Lan", WARD), "test", now)
    grants = [
        grant_row(stores.UuidIds(), "a-lan", Grant(Role.CLERK, agency), "test", now)
        for agency in (WARD, "H37.02")
    ]
    async with stores.open_ledger(load(config)) as opened:
        done = await opened.commit(ChangeSet(rows=(account, *grants, session)))
    assert isinstance(done, Committed)
    return token


class Clerk:
    """Somebody at a browser, whose server dies again and again."""

    def __init__(self, house, visitor):
        self.house, self.visitor = house, visitor
        self.lives = list(LIVES)
        self.unanswered = 0

    async def arise(self):
        """Start the server anew, to die once more while there are lives left."""
        house = self.house
        if house.child is not None:
            await house.dies(PATIENCE_S)
            house.check()
        while not house.url:
            await house.start(self.lives.pop(0) if self.lives else "", PATIENCE_S)
            if not house.url:
                house.check()  # it died while it started
        self.visitor.url = house.url

    async def _asked(self, ask):
        while True:
            try:
                return await ask()
            except TROUBLE:
                self.unanswered += 1
                await self.arise()

    async def page(self, path):
        answer = await self._asked(lambda: self.visitor.get(path))
        assert answer.status == 200, answer.words
        return answer

    async def send(self, path, fields):
        """Send a form until it is answered; the same each time."""
        answer = await self._asked(lambda: self.visitor.post(path, fields))
        assert answer.status in {303, 404, 409, 422}, answer.words
        return answer

    # ------------------------------------------------------------ what a clerk does

    async def accept(self, arrival):
        place = f"/incoming/{arrival}"
        await self.page(place)
        await self.send(f"{place}/accept", {"note": ""})
        (row,) = self.house.rows("SELECT * FROM arrival WHERE id = ?", arrival)
        shown = await self.page(place)
        assert row["arrival_number"]
        assert f"{row['arrival_number']}/{row['arrival_year']}" in shown.words
        assert f"/console{place}/accept" not in shown.text

    async def refuse(self, arrival):
        place = f"/incoming/{arrival}"
        await self.page(place)
        await self.send(f"{place}/refuse", {"code": "R01", "text": "", "answered_for": ""})
        assert f"/console{place}/refuse" not in (await self.page(place)).text

    async def draft(self, number):
        """Write, save, add a file, issue; return where the document is."""
        begun = await self._begun()
        fields = {**FORM, "code_number": number, "code_notation": "SNV-VP", "position": "Giám đốc"}
        page = await self.page(begun)
        while "họp giao ban tháng 11" not in page.text:
            revision = re.search(r'name="revision" value="(\d+)"', page.text)[1]
            more = {"competence": "", "revision": revision, "to": "H37.04", "do": "save"}
            await self.send(begun, {**fields, **more})
            page = await self.page(begun)
        while "cong-van.pdf" not in page.text:
            await self._asked(lambda: upload(self.visitor, begun, ("cong-van.pdf", letter())))
            page = await self.page(begun)
        page = await self.page(f"{begun}/check")
        revision = re.search(r'name="revision" value="(\d+)"', page.text)[1]
        wanted = {"revision": revision, "confirmed": "1"}
        first = await self.send(f"{begun}/release", wanted)
        again = await self.send(f"{begun}/release", wanted)
        assert first.status == again.status == 303, again.words
        assert first.location == again.location
        return first.location.removeprefix("/console")

    async def _begun(self):
        await self.page("/outgoing/new")
        answer = await self.send("/outgoing/drafts", {"agency": "H37.02"})
        return answer.location.removeprefix("/console")

    async def recall(self, place):
        await self.page(f"{place}/recall")
        fields = {"scope": "all", "reason": "Ban hành nhầm", "sure": "1"}
        await self.send(f"{place}/recall", fields)


def arrived(house):
    sql = "SELECT id FROM arrival WHERE agency = 'H37.61' AND offered_at != '' ORDER BY inbox_seq"
    return [row["id"] for row in house.rows(sql)]


@asynccontextmanager
async def ward(folder):
    """Lend a gateway's world without an axis: one system that sends, one clerk's browser."""
    config = write_config(folder, RETRY)
    key = read_key_file(load(config).secrets.key_file)
    systems = register(config, key, {"snv": ["H37.02"], "stc": ["H37.04"]})
    nobody = None
    timeout = aiohttp.ClientTimeout(total=PATIENCE_S)
    async with aiohttp.ClientSession(timeout=timeout) as session:
        house = CrashHouse(folder, config, nobody, nobody, nobody, systems, session)
        try:
            yield house
        finally:
            if house.child is not None:
                house.child.signal(signal.SIGKILL)
                await house.child.ended()


async def test_what_a_clerk_does_is_done_once_whenever_the_server_dies(tmp_path):
    cookies = aiohttp.DummyCookieJar()
    timeout = aiohttp.ClientTimeout(total=PATIENCE_S)
    async with (
        ward(tmp_path) as house,
        aiohttp.ClientSession(cookie_jar=cookies, timeout=timeout) as browser,
    ):
        token = await entered(house.config)
        await house.start(patience_s=PATIENCE_S)
        for _ in range(4):
            house.send(WARD)
        while len(house.accepted) < 4:
            await house._send_wanted()
        await house.until(lambda: len(arrived(house)) == 4, "not all arrived", PATIENCE_S)
        await house.stop()
        house.child, house.url = None, ""

        clerk = Clerk(house, Visitor("", browser, {SESSION: token}))
        await clerk.arise()
        *taken, returned = arrived(house)
        await clerk.accept(taken[0])
        place = await clerk.draft("15")
        await clerk.accept(taken[1])
        await clerk.refuse(returned)
        await clerk.recall(place)
        await clerk.accept(taken[2])
        assert clerk.unanswered

        house.child.signal(signal.SIGKILL)
        clerk.lives.clear()
        await clerk.arise()
        await house.stop()
        once(house, taken, returned)


def once(house, taken, returned):
    """Say what must be true of the ledger, however often the clerk had to press."""
    house.check()
    numbers = house.rows("SELECT arrival_number FROM arrival WHERE arrival_number IS NOT NULL")
    assert sorted(row["arrival_number"] for row in numbers) == [1, 2, 3]
    counters = house.rows("SELECT last FROM counter WHERE agency = ? AND series = 'arrival'", WARD)
    assert [row["last"] for row in counters] == [3]
    said = Counter(
        (row["arrival_id"], row["code"])
        for row in house.rows("SELECT arrival_id, code FROM status_report")
        if row["arrival_id"] in {*taken, returned} and row["code"] in {"02", "03"}
    )
    assert said == Counter({**{(one, "03"): 1 for one in taken}, (returned, "02"): 1})
    acts = Counter(
        (row["subject"], row["type"])
        for row in house.rows("SELECT subject, type FROM event WHERE type LIKE 'arrival-%'")
    )
    assert set(acts.values()) == {1}, acts
    (sent,) = house.rows("SELECT * FROM consignment WHERE system_id LIKE 'console:%'")
    assert sent["sender"] == "H37.02"
    drafts = house.rows("SELECT state FROM draft WHERE consignment_id IS NOT NULL")
    assert len(drafts) == 1
    orders = house.rows("SELECT id FROM recall_order")
    assert len(orders) == 1
