"""Units are told of maintenance, and it is known who was (OPS-06)."""

from datetime import UTC, datetime, timedelta
from types import SimpleNamespace
from typing import Any

import pytest

from gateway.domain.access import EVERYWHERE, Grant, Person, Role
from gateway.domain.directory import Agency, Directory
from gateway.domain.duties import IncidentKind
from gateway.errors import Reason, RejectedError
from gateway.ports import Caller, ChangeSet, Insert
from gateway.ports.accounts import NewAccount
from gateway.ports.duties import NewIncident, NewMaintenance, NewOutageEntry
from gateway.ports.watch import Mailed
from gateway.programs.accounts.means import account_row, grant_row
from gateway.programs.duties import LedgerDuties
from gateway.programs.notices import LedgerNotices
from gateway.programs.pulse import Pulse
from gateway.programs.watch.noticing import Noticer
from gateway.programs.watch.telling import Allowance
from gateway.programs.watch.words import Words
from gateway.stores import UuidIds
from tests.world.memory_ledger import MemoryLedger

OPS = Person("a-ops", "vanhanh", "Vận hành", (Grant(Role.PROVIDER_OPS, EVERYWHERE),))
WORDS = Words("Cổng thử", "https://cong.x.vn/console", "x.vn")
SYSTEM = Caller("qlvb", frozenset({"H37.02"}))


class Mail:
    """A mail server that keeps letters or refuses."""

    def __init__(self) -> None:
        self.letters: list[Any] = []
        self.answer = Mailed()

    async def send(self, letter):
        if not self.answer.reason:
            self.letters.append(letter)
        return self.answer


class World:
    def __init__(self) -> None:
        self.now = datetime(2026, 11, 20, 2, tzinfo=UTC)
        self.ledger, self.mail, ids = MemoryLedger(), Mail(), UuidIds()
        agencies = [
            Agency("H37.61", "UBND phường", hop="local", console=True),
            Agency("H37.02", "Sở Nội vụ", hop="local"),
            Agency("H37.04", "Sở Tài chính", hop="local"),
            Agency("G09", "Bộ Nội vụ", hop="truc"),
        ]
        self.context: Any = SimpleNamespace(
            ledger=self.ledger,
            clock=SimpleNamespace(now=lambda: self.now),
            ids=ids,
            directory=lambda: Directory(agencies),
        )
        self.ids = ids
        self.duties = LedgerDuties(self.context)
        self.noticer = Noticer(self.context, WORDS, self.mail, Allowance(100))
        self.notices = LedgerNotices(self.ledger, Pulse(self.ledger), self.context.clock)

    async def put(self, *rows: Any) -> None:
        await self.ledger.commit(ChangeSet(rows=rows))

    async def person(self, login: str, role: Role, agency: str, mail: str = "?") -> None:
        address = f"{login}@x.vn" if mail == "?" else mail
        new = NewAccount(login, login.title(), agency, mail=address)
        grant = grant_row(self.ids, f"a-{login}", Grant(role, agency), "test", self.now)
        await self.put(account_row(f"a-{login}", new, "test", self.now), grant)

    async def announce(self, **more: Any) -> str:
        begins = self.now + timedelta(hours=1)
        new = NewMaintenance("Nâng cấp", begins, begins + timedelta(hours=1), **more)
        return await self.duties.announce(OPS, new)

    async def tell(self, **later: float) -> int:
        self.now += timedelta(**later)
        return await self.noticer.once()

    async def told(self, maintenance_id: str) -> dict[tuple[str, str, str], int]:
        found = await self.duties.reached(maintenance_id, ())
        return {(act, way, state): n for act, way, state, n in found.counts}


@pytest.fixture
def world():
    made = World()
    yield made
    made.ledger.close()


async def test_units_and_those_the_notice_names_are_written_to_once(world):
    await world.person("lan", Role.CLERK, "H37.61")
    await world.person("hoa", Role.LEADER, "H37.61")
    await world.person("viet", Role.OFFICER, "H37.61")
    await world.person("khong", Role.CLERK, "H37.61", mail="")
    work = await world.announce(mails="phong@so.vn, LAN@x.vn")
    assert await world.tell() == 3
    assert {one.to for one in world.mail.letters} == {"lan@x.vn", "hoa@x.vn", "phong@so.vn"}
    assert "Nâng cấp" in world.mail.letters[0].subject
    assert await world.tell(days=1) == 0
    assert await world.told(work) == {("announce", "mail", "told"): 3}


async def test_only_those_the_notice_names_when_units_are_left_out(world):
    await world.person("lan", Role.CLERK, "H37.61")
    await world.announce(mails="phong@so.vn", units=False)
    await world.tell()
    assert [one.to for one in world.mail.letters] == ["phong@so.vn"]


@pytest.mark.parametrize("mails", ["phong", "a@b@c.vn", "x@y.vn <script>"])
async def test_what_is_no_address_is_refused_and_nothing_is_announced(world, mails):
    with pytest.raises(RejectedError, match="mail address"):
        await world.announce(mails=mails)
    assert await world.duties.maintenances("") == []


async def test_a_mail_that_fails_is_tried_again_and_given_up_aloud(world):
    work = await world.announce(mails="phong@so.vn")
    world.mail.answer = Mailed("timeout")
    assert await world.tell() == 0
    assert await world.tell(seconds=1) == 0  # not at once again
    world.mail.answer = Mailed()
    assert await world.tell(minutes=2) == 1
    (one,) = (await world.duties.reached(work, ())).page
    assert (one.state, one.tries) == ("told", 2)

    other = await world.announce(mails="phong@so.vn")
    world.mail.answer = Mailed("550 no such user", final=True)
    await world.tell()
    assert await world.told(other) == {("announce", "mail", "dead"): 1}


async def test_the_end_is_told_to_who_was_told_of_it(world):
    await world.person("lan", Role.CLERK, "H37.61")
    work = await world.announce()
    await world.tell()
    await world.person("moi", Role.CLERK, "H37.04")
    await world.duties.step(OPS, work, "begin", note="")
    await world.duties.step(OPS, work, "finish", note="")
    await world.tell()
    assert [one.subject.partition(":")[0] for one in world.mail.letters] == [
        "Thông báo bảo trì",
        "Đã xong bảo trì",
    ]


async def test_what_was_called_off_is_announced_no_more(world):
    world.mail.answer = Mailed("timeout")
    work = await world.announce(mails="phong@so.vn")
    await world.tell()
    await world.duties.step(OPS, work, "cancel", note="")
    world.mail.answer = Mailed()
    await world.tell(minutes=5)
    assert [one.subject.partition(":")[0] for one in world.mail.letters] == ["Hủy đợt bảo trì"]


async def test_without_a_mail_server_the_page_says_so(world):
    work = await world.announce(mails="phong@so.vn")
    await Noticer(world.context, WORDS, None, Allowance()).once()
    (one,) = (await world.duties.reached(work, ())).page
    assert (one.state, one.reason) == ("dead", "no mail server")


async def test_notices_leave_half_of_the_mails_to_alerts(world):
    await world.announce(mails=" ".join(f"a{i}@so.vn" for i in range(9)))
    world.noticer = Noticer(world.context, WORDS, world.mail, Allowance(6))
    assert await world.tell() == 3
    assert await world.tell(minutes=1) == 3


async def test_every_system_hears_it_in_its_feed_and_that_is_recorded_once(world):
    await world.put(
        Insert("system", {"id": "qlvb", "status": "active", "created_at": "x"}),
        Insert("system_agency", {"system_id": "qlvb", "agency": "H37.02"}),
    )
    work = await world.announce()
    assert (await world.duties.reached(work, ())).unreached == ("H37.02", "H37.04", "H37.61")
    page = await world.notices.after(SYSTEM, 0, limit=9)
    (heard,) = page.notices
    assert (heard.kind, heard.body["subject"]) == ("maintenance.announced", work)
    assert heard.body["title"] == "Nâng cấp"
    assert heard.body["planned_from"] == "2026-11-20T10:00:00.000+07:00"
    for _ in range(2):
        await world.notices.heard(SYSTEM, page.notices)
    assert await world.told(work) == {("announce", "feed", "told"): 1}
    assert (await world.duties.reached(work, ())).unreached == ("H37.04", "H37.61")


async def test_a_person_s_mail_reaches_the_unit_and_one_that_failed_does_not(world):
    await world.person("lan", Role.CLERK, "H37.61")
    await world.person("mai", Role.CLERK, "H37.04")
    work = await world.announce()
    await world.tell()
    assert (await world.duties.reached(work, ())).unreached == ("H37.02",)
    other = await world.announce()
    world.mail.answer = Mailed("550", final=True)
    await world.tell()
    assert (await world.duties.reached(other, ())).unreached == ("H37.02", "H37.04", "H37.61")


async def test_an_entry_after_an_outage_names_no_other_agency_s_incident(world):
    """OPS-08: whoever asks, the program looks."""
    at = world.now - timedelta(hours=1)
    opened = {
        agency: await world.duties.open_incident(
            OPS, NewIncident(IncidentKind.OUTAGE, "Mất mạng", at, agency)
        )
        for agency in ("H37.61", "H37.04", "")
    }

    def entered(incident_id):
        entry = NewOutageEntry(
            "H37.61", "out", "Sở", "V/v", "trực tiếp", at, "mất điện", incident_id=incident_id
        )
        return world.duties.enter_outage(OPS, entry)

    with pytest.raises(RejectedError) as caught:
        await entered(opened["H37.04"])
    assert caught.value.reason is Reason.NOT_FOUND
    for own in ("H37.61", "", None):
        assert await entered("" if own is None else opened[own])


async def test_pages_of_who_was_told_join(world):
    work = await world.announce(mails=" ".join(f"a{i:03}@so.vn" for i in range(60)))
    first = await world.duties.reached(work, ())
    last = first.page[-1]
    rest = await world.duties.reached(work, (last.act, last.way, last.whom))
    assert (first.more, rest.more) == (True, False)
    assert len({one.whom for one in (*first.page, *rest.page)}) == 60
