"""The watch over a ledger in memory and a clock that the test moves.

Rules: SND-03, SND-08, RCV-05, RCV-08, RCV-09, TIM-01, RPT-13, OPS-05.
"""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from types import SimpleNamespace
from typing import Any

import pytest

from gateway.domain.access import Grant, Role
from gateway.domain.directory import Agency, Directory
from gateway.domain.moments import VIETNAM, to_text
from gateway.domain.watch import AlertKind, AlertState, Turn
from gateway.domain.worktime import default_hours
from gateway.errors import RejectedError, UnavailableError
from gateway.ports import ChangeSet, Insert, Posted, Update
from gateway.ports.accounts import NewAccount
from gateway.ports.watch import Mailed
from gateway.programs.accounts.means import account_row, grant_row
from gateway.programs.leases import Alone
from gateway.programs.watch.documents import Waits, id_at, office_time
from gateway.programs.watch.keeping import LedgerAlerts
from gateway.programs.watch.machine import CHAIN, Facts, told_of
from gateway.programs.watch.machine import Told as NodeTold
from gateway.programs.watch.program import Told, Watch
from gateway.programs.watch.telling import Allowance, Hook, Teller
from gateway.programs.watch.words import Words
from gateway.stores import UuidIds
from tests.world.console import CLERK
from tests.world.ledger_rows import arrival, consignment, delivery, entry
from tests.world.memory_ledger import MemoryLedger

FRIDAY = datetime(2026, 11, 20, 9, 0, tzinfo=VIETNAM).astimezone(UTC)
KIND = AlertKind


class Mail:
    """A mail server that keeps letters, refuses, or dies."""

    def __init__(self) -> None:
        self.letters: list[Any] = []
        self.answer: Mailed | Exception = Mailed()

    async def send(self, letter):
        if isinstance(self.answer, Exception):
            self.letters.append(letter)  # it had it, and we never heard
            raise self.answer
        if not self.answer.reason:
            self.letters.append(letter)
        return self.answer


class Hooks:
    """A webhook's receiver."""

    def __init__(self) -> None:
        self.calls: list[Any] = []
        self.answer = Posted(204)

    def refusal(self, url):
        return ""

    async def post(self, url, headers, body):
        self.calls.append((headers, body))
        return self.answer


class World:
    """A watch, what it looks at, whom it tells."""

    def __init__(self, **facts: Any) -> None:
        self.now = FRIDAY
        self.offset: timedelta | None = timedelta()
        self.ledger = MemoryLedger()
        self.mail, self.hooks, self.ids = Mail(), Hooks(), UuidIds()
        agencies = [
            Agency("H37.61", "UBND phường", hop="local:H37.61", console=True),
            Agency("H37.02", "Sở Nội vụ", hop="local:H37.02"),
        ]
        self.context: Any = SimpleNamespace(
            ledger=self.ledger,
            clock=SimpleNamespace(now=lambda: self.now),
            ids=self.ids,
            leases=Alone(),
            calendar=lambda _: default_hours(),
            directory=lambda: Directory(agencies),
            disk_days=None,
            restored=False,
        )
        self.facts = Facts(measured=lambda: self.offset, **facts)
        self.alerts = LedgerAlerts(self.context)
        self.told = Told(operations=("ops@x.vn",), mail=True, hook=True, digest=False)
        self.start()

    def start(self) -> None:
        """Begin anew, as after a crash."""
        words = Words("Cổng thử", "https://cong.x.vn/console", "x.vn")
        hook = Hook("https://truc.x.vn", lambda: b"s", self.hooks)
        self.teller = Teller(self.context, words, self.mail, hook)
        self.watch = Watch(self.context, self.facts, Waits(), self.told, (self.teller,))

    async def put(self, *rows: Any) -> None:
        await self.ledger.commit(ChangeSet(rows=rows))

    async def person(self, login: str, role: Role, agency: str = "H37.61") -> None:
        new = NewAccount(login, login.title(), agency, mail=f"{login}@x.vn")
        grant = grant_row(self.ids, f"a-{login}", Grant(role, agency), "test", self.now)
        await self.put(account_row(f"a-{login}", new, "test", self.now), grant)

    async def arrived(self, state: str = "taken", *, ago_h: float = 0, **more: Any) -> str:
        """Put an arrival that came so many hours ago."""
        at = self.now - timedelta(hours=ago_h)
        row_id = f"{id_at(at)}-7000-8000-{len(await self.rows('arrival')):012d}"
        times = {n: to_text(at) for n in ("at_gateway_at", "offered_at")}
        if state == "taken":
            times |= {n: to_text(at) for n in ("entered_system_at", "received_at_legal")}
        values = {"agency": "H37.61", "document_id": f"G09,{row_id[-3:]}", **times, **more}
        await self.put(arrival(row_id, state=state, **values))
        return row_id

    async def rows(self, table: str) -> list[Any]:
        found = self.ledger.connection.execute(f"SELECT * FROM {table} ORDER BY id")
        return [dict(row) for row in found]

    async def kinds(self, agency: str = "H37.61") -> dict[AlertKind, int]:
        return {a.kind: a.count for a in await self.alerts.standing([agency])}

    async def look(self, **later: float) -> None:
        self.now += timedelta(**later)
        await self.watch.look()
        await self.teller.once()

    def subjects(self, to: str) -> list[str]:
        return [letter.subject for letter in self.mail.letters if letter.to == to]


@pytest.fixture
def world():
    made = World()
    yield made
    made.ledger.close()


def test_every_kind_is_looked_at(world):
    assert world.watch.kinds == set(AlertKind)


async def test_a_quiet_gateway_has_no_alert(world):
    await world.look()
    assert await world.rows("alert") == []
    assert world.mail.letters == []


# ---------------------------------------------------------------- one alert while it lasts


async def test_it_is_one_alert_and_one_mail_however_often_it_is_seen(world):
    await world.person("lan", Role.CLERK)
    row_id = await world.arrived(urgency=2, ago_h=1)
    for _ in range(5):
        await world.look(minutes=1)
    (alert,) = [a for a in await world.rows("alert") if a["kind"] == "urgent-waiting"]
    assert alert["subject"] == f"arrival:{row_id}"
    assert len([s for s in world.subjects("lan@x.vn") if "khẩn" in s]) == 1
    assert len([c for c in world.hooks.calls if b"urgent-waiting" in c[1]]) == 1


async def test_it_ends_when_the_cause_is_gone_and_begins_anew_later(world):
    row_id = await world.arrived(urgency=2, ago_h=1)
    await world.look()
    await world.put(Update("arrival", {"id": row_id}, {"state": "accepted"}))
    await world.look(minutes=1)
    assert KIND.URGENT_WAITING not in await world.kinds()
    await world.put(Update("arrival", {"id": row_id}, {"state": "taken"}))
    await world.look(minutes=1)
    states = [a["state"] for a in await world.rows("alert") if a["kind"] == "urgent-waiting"]
    assert states == ["ended", "open"]


async def test_a_look_that_fails_ends_nothing(world, monkeypatch):
    await world.arrived(urgency=2, ago_h=1)
    await world.look()
    whole = world.ledger.all

    async def broken(query, **params):
        if query == "watch_receivers":
            raise UnavailableError(public="away")
        return await whole(query, **params)

    monkeypatch.setattr(world.ledger, "all", broken)
    await world.look(minutes=1)
    assert KIND.URGENT_WAITING in await world.kinds()


# ---------------------------------------------------------------- real time and office hours


async def test_urgent_ones_are_told_at_night_the_others_when_the_office_opens(world):
    await world.person("lan", Role.CLERK)
    world.now = datetime(2026, 11, 20, 22, 0, tzinfo=VIETNAM).astimezone(UTC)
    await world.arrived(urgency=1, ago_h=2)
    await world.arrived("offered", agency="H37.02", ago_h=2)
    await world.person("minh", Role.CLERK, "H37.02")
    await world.look()
    assert world.subjects("lan@x.vn")
    assert KIND.NOT_FETCHED in await world.kinds("H37.02")
    assert world.subjects("minh@x.vn") == []
    world.now = datetime(2026, 11, 23, 7, 31, tzinfo=VIETNAM).astimezone(UTC)
    await world.teller.once()
    assert any("chưa lấy" in s for s in world.subjects("minh@x.vn"))


async def test_the_more_urgent_the_sooner(world):
    await world.arrived(urgency=4, ago_h=0.1)  # hỏa tốc hẹn giờ, six minutes
    await world.arrived(urgency=1, ago_h=0.1)
    await world.look()
    assert len([a for a in await world.rows("alert") if a["kind"] == "urgent-waiting"]) == 1


async def test_receipt_due_today_then_registered_late(world):
    await world.arrived()
    await world.arrived()
    await world.look()
    assert (await world.kinds())[KIND.RECEIPT_DUE] == 2
    (alert,) = await world.alerts.standing(["H37.61"])
    assert alert.due == datetime(2026, 11, 20, 17, 0, tzinfo=VIETNAM)
    await world.look(days=3)  # Monday: the next working day, still in time
    assert KIND.REGISTERED_LATE not in await world.kinds()
    await world.look(days=2)
    assert (await world.kinds())[KIND.REGISTERED_LATE] == 2


async def sent(world, state, ago_h, **more):
    at = world.now - timedelta(hours=ago_h)
    row_id = f"{id_at(at)}-7000-8000-{len(await world.rows('consignment')):012d}"
    times = {n: to_text(at) for n in ("acknowledged_at", "entered_system_at")}
    await world.put(
        consignment(row_id, f"H37.61,{row_id[-3:]}", sender="H37.61", state="released"),
        delivery(
            f"d-{row_id}", row_id, state=state, sender="H37.61", agency="G09", **times, **more
        ),
    )
    return row_id


async def test_what_nobody_picks_up_is_one_alert_for_each_receiver(world):
    await sent(world, "handed_over", 5)
    await sent(world, "handed_over", 6)
    await sent(world, "handed_over", 1)
    await world.look()
    assert (await world.kinds())[KIND.NOT_PICKED_UP] == 2
    assert KIND.NOT_PICKED_UP not in await world.kinds("H37.02")


async def test_not_acknowledged_counts_office_hours(world):
    world.now = datetime(2026, 11, 20, 16, 0, tzinfo=VIETNAM).astimezone(UTC)
    await sent(world, "arrived", 0)
    await world.look(days=2)  # Sunday: one office hour passed
    assert KIND.NOT_ACKNOWLEDGED not in await world.kinds()
    await world.look(days=1, hours=3)  # Monday evening
    assert KIND.NOT_ACKNOWLEDGED in await world.kinds()


def test_office_time_leaves_out_noon_and_nights():
    at = datetime(2026, 11, 20, 11, 0, tzinfo=VIETNAM)
    hours = default_hours()
    assert not office_time(at, at + timedelta(hours=2), hours, timedelta(hours=1))
    assert office_time(at, at + timedelta(hours=3), hours, timedelta(hours=1))


# ---------------------------------------------------------------- escalation


async def test_nobody_acknowledges_and_the_next_level_is_told(world):
    await world.person("lan", Role.CLERK)
    await world.person("hung", Role.LEADER)
    await world.arrived(urgency=3, ago_h=1)
    await world.look()
    assert world.subjects("lan@x.vn")
    assert not any("khẩn đang" in s for s in world.subjects("hung@x.vn"))
    await world.look(minutes=16)
    assert any("khẩn đang" in s for s in world.subjects("hung@x.vn"))
    assert world.subjects("ops@x.vn") == []
    await world.look(minutes=16)
    assert any("khẩn đang" in s for s in world.subjects("ops@x.vn"))
    told = len(world.mail.letters)
    await world.look(hours=2)
    assert len([m for m in world.mail.letters[told:] if "khẩn đang" in m.subject]) == 0


async def test_acknowledged_it_goes_no_further_and_stays_until_it_is_over(world):
    await world.person("lan", Role.CLERK)
    await world.person("hung", Role.LEADER)
    await world.arrived(urgency=3, ago_h=1)
    await world.look()
    alert = next(
        a for a in await world.alerts.standing(["H37.61"]) if a.kind is KIND.URGENT_WAITING
    )
    taken = await world.alerts.acknowledge(alert.id, "đang trình", by=CLERK)
    assert (taken.state, taken.acknowledged_by) == (AlertState.ACKNOWLEDGED, "lan")
    again = await world.alerts.acknowledge(alert.id, "tôi nữa", by=CLERK)
    assert again.note == "đang trình"
    await world.look(hours=1)
    assert not any("khẩn đang" in s for s in world.subjects("hung@x.vn"))
    assert KIND.URGENT_WAITING in await world.kinds()
    audits = [e for e in await ledger_entries(world) if e["kind"] == "audit"]
    assert len(audits) == 1
    assert "đang trình" not in audits[0]["body"]


async def ledger_entries(world):
    found = world.ledger.connection.execute("SELECT * FROM receipt_entry ORDER BY ord")
    return [dict(row) for row in found]


async def test_who_is_on_duty_is_told_instead_of_the_office(world):
    await world.person("lan", Role.CLERK)
    duty = Turn("H37.61", 1, "Trực đêm", "truc@x.vn", world.now, world.now + timedelta(hours=12))
    await world.alerts.add_turn(duty, "", by=CLERK)
    await world.arrived(urgency=3, ago_h=1)
    await world.look()
    assert any("khẩn đang" in s for s in world.subjects("truc@x.vn"))
    assert world.subjects("lan@x.vn") == []


@pytest.mark.parametrize(
    "wrong",
    [
        {"level": 4},
        {"mail": "a b@x.vn"},
        {"name": " "},
        {"hours": -1},
        {"mail": ""},
        {"hours": 999},
    ],
)
async def test_a_turn_that_makes_no_sense_is_refused(world, wrong):
    told = {"level": 1, "mail": "a@x.vn", "name": "A", "hours": 8} | wrong
    ends = world.now + timedelta(hours=told["hours"])
    turn = Turn("H37.61", told["level"], told["name"], told["mail"], world.now, ends)
    with pytest.raises(RejectedError):
        await world.alerts.add_turn(turn, "", by=CLERK)


# ---------------------------------------------------------------- telling


async def test_a_mail_server_that_fails_loses_nothing(world):
    await world.person("lan", Role.CLERK)
    world.mail.answer = Mailed("no connection")
    await world.arrived(urgency=3, ago_h=1)
    await world.look()
    assert world.mail.letters == []
    world.mail.answer = Mailed()
    await world.look(minutes=1)
    assert len([s for s in world.subjects("lan@x.vn") if "khẩn đang" in s]) == 1
    row = next(r for r in await world.rows("alert_telling") if r["whom"] == "lan@x.vn")
    assert (row["state"], row["tries"]) == ("told", 2)


async def test_a_crash_between_recording_and_telling_tells_after_the_next_start(world):
    await world.person("lan", Role.CLERK)
    await world.arrived(urgency=3, ago_h=1)
    await world.watch.look()
    assert world.mail.letters == []
    world.start()
    await world.look()
    assert len([s for s in world.subjects("lan@x.vn") if "khẩn đang" in s]) == 1


async def test_a_crash_after_telling_sends_the_same_letter_under_the_same_id(world):
    await world.person("lan", Role.CLERK)
    await world.arrived(urgency=3, ago_h=1)
    world.mail.answer = RuntimeError("killed")
    await world.watch.look()
    with pytest.raises(RuntimeError):
        await world.teller.once()
    world.mail.answer = Mailed()
    world.start()
    await world.look()
    first, second, *_ = [m.message_id for m in world.mail.letters if m.to == "lan@x.vn"]
    assert first == second


async def test_an_address_that_will_never_do_is_given_up_aloud(world):
    await world.person("lan", Role.CLERK)
    world.mail.answer = Mailed("the receiver was refused", final=True)
    await world.arrived(urgency=3, ago_h=1)
    await world.look()
    assert {r["state"] for r in await world.rows("alert_telling") if r["way"] == "mail"} == {"dead"}


async def test_many_alerts_are_one_letter(world):
    await world.person("lan", Role.CLERK)
    for _ in range(8):
        await world.arrived(urgency=3, ago_h=1)
    await world.look()
    (letter,) = [m for m in world.mail.letters if m.to == "lan@x.vn"]
    assert "cảnh báo" in letter.subject
    assert letter.body.count("G09,") == 8 + 5  # each urgent one, five of those due today


async def test_letters_are_bounded_and_none_is_lost(world):
    for n in range(6):
        await world.person(f"p{n}", Role.CLERK)
    world.teller._allowance = Allowance(4)
    await world.arrived(urgency=3, ago_h=1)
    await world.look()
    assert len(world.mail.letters) == 4
    for _ in range(4):
        await world.look(minutes=1)
    assert {f"p{n}@x.vn" for n in range(6)} <= {m.to for m in world.mail.letters}


async def test_what_is_over_before_it_is_told_wakes_nobody(world):
    await world.person("lan", Role.CLERK)
    row_id = await world.arrived(urgency=3, ago_h=1)
    await world.watch.look()
    await world.put(Update("arrival", {"id": row_id}, {"state": "accepted"}))
    await world.watch.look()
    await world.teller.once()
    assert world.subjects("lan@x.vn") == []


# ---------------------------------------------------------------- the gateway itself


async def test_the_clock(world):
    world.offset = timedelta(seconds=3)
    await world.look()
    assert KIND.CLOCK_OFF in await world.kinds("")
    assert "CLOCK" not in str(await world.kinds())
    world.offset = None
    await world.look(minutes=1)
    assert await world.kinds("") == {KIND.CLOCK_UNKNOWN: 1}


async def test_a_peer_whose_clock_is_not_ours_is_named(world):
    peers = {"truc-qg": timedelta(seconds=4), "truc-tinh": timedelta(seconds=-90)}
    world.facts = replace(world.facts, peers=lambda: peers)
    world.start()
    await world.look()
    standing = await world.alerts.standing([""])
    (alert,) = [a for a in standing if a.kind == KIND.CLOCK_DIFFERS]
    assert alert.subject.startswith("peer:truc-tinh:")
    peers["truc-tinh"] = timedelta(seconds=1)
    await world.look(minutes=1)
    assert KIND.CLOCK_DIFFERS not in await world.kinds("")


async def test_the_receipt_log_is_checked_piece_by_piece(world):
    for n in range(5):
        await world.put(entry(f"s-{n}", action="test", actor="x", target="y", kind="audit"))
    await world.look()
    assert await world.rows("alert") == []
    # A round is over; the next one finds what was changed since.
    world.ledger.connection.execute(
        "UPDATE receipt_entry SET body = REPLACE(body, 'test', 'best') WHERE idx = 3"
    )
    await world.look(minutes=5)
    assert KIND.CHAIN_BROKEN not in await world.kinds("")
    await world.look(days=1)
    alert = next(a for a in await world.alerts.standing([""]) if a.kind is KIND.CHAIN_BROKEN)
    assert alert.about == ("#3",)
    # It stays found, also when the watch begins anew.
    world.start()
    await world.look(days=2)
    assert KIND.CHAIN_BROKEN in await world.kinds("")
    assert await world.ledger.one("meta", key=CHAIN)


async def test_what_others_know_becomes_alerts():
    ends = FRIDAY + timedelta(days=3)
    world = World(
        terms=lambda: [("tls certificate", ends), ("other", ends + timedelta(days=99))],
        lists_old=lambda: True,
        stamps=lambda: {"tsa": "away"},
        scanner=lambda: ("scanner",),
        year_confirmed=lambda _: False,
    )
    world.context.disk_days = 3.0
    await world.look()
    assert set(await world.kinds("")) == {
        KIND.KEY_EXPIRES,
        KIND.LISTS_OLD,
        KIND.STAMPS_MISSING,
        KIND.SCANNER_OFF,
        KIND.HOLIDAYS_UNCONFIRMED,
        KIND.DISK_FULL_SOON,
    }
    world.ledger.close()


async def test_a_destination_that_is_down_is_everybodys(world):
    values = {"kind": "breaker", "scope": "hop", "subject": "truc", "held_by": "n1", "id": "h1"}
    at = to_text(world.now - timedelta(minutes=3))
    await world.put(Insert("hold", {**values, "since": at, "reason": "away"}))
    await world.look()
    assert await world.alerts.for_everybody() == []
    await world.look(minutes=10)
    (alert,) = await world.alerts.for_everybody()
    assert (alert.kind, alert.subject) == (KIND.DESTINATION_DOWN, "hop:truc")


# ---------------------------------------------------------------- the digest (RPT-13)


async def test_the_digest_comes_once_a_working_day_also_after_a_restart(world):
    world.told = replace(world.told, digest=True)
    world.start()
    await world.person("lan", Role.CLERK)
    await world.person("hung", Role.LEADER)
    await world.arrived("accepted")
    world.now = datetime(2026, 11, 23, 7, 0, tzinfo=VIETNAM).astimezone(UTC)
    await world.look()
    assert world.mail.letters == []
    await world.look(minutes=31)
    for _ in range(3):
        world.start()
        await world.look(minutes=20)
    digests = [m for m in world.mail.letters if "Việc hôm nay 23/11/2026" in m.subject]
    assert sorted(m.to for m in digests) == ["hung@x.vn", "lan@x.vn"]
    await world.look(days=1)
    assert len([m for m in world.mail.letters if "24/11/2026" in m.subject]) == 0  # holiday
    await world.look(days=1)
    assert len([m for m in world.mail.letters if "25/11/2026" in m.subject]) == 2


async def test_today_counts_what_lies_before_an_agency(world):
    await world.arrived()
    await world.arrived("offered", urgency=1)
    await sent(world, "returned", 1)
    await world.arrived(agency="H37.02")
    today = await world.alerts.today("H37.61")
    assert (today.waiting, today.urgent, today.returned) == (2, 1, 1)
    assert (await world.alerts.today("H37.04")).empty


# ---------------------------------------------------------------- accounts


async def test_who_administers_hears_by_night_of_an_account_that_was_lost(world):
    """ACC-02: by mail at once, whoever is on duty; over when it is unlocked."""
    for login, role, agency in (
        ("lan", Role.CLERK, "H37.61"),
        ("quantri", Role.UNIT_ADMIN, "H37.61"),
        ("khac", Role.UNIT_ADMIN, "H37.02"),
    ):
        await world.person(login, role, agency)
    lost = {"state": "locked", "lock_code": "lost", "locked_at": to_text(world.now)}
    await world.put(Update("account", {"id": "a-lan"}, lost))
    await world.look(hours=14)
    assert len(world.subjects("quantri@x.vn")) == 1
    assert world.subjects("khac@x.vn") == []
    (alert,) = [a for a in await world.rows("alert") if a["kind"] == "account-lost"]
    assert (alert["agency"], alert["path"]) == ("H37.61", "/people/a-lan")
    await world.put(Update("account", {"id": "a-lan"}, {"state": "active", "lock_code": ""}))
    await world.look(minutes=1)
    assert KIND.ACCOUNT_LOST not in await world.kinds()


# ---------------------------------------------------------------- how long it stands


async def test_an_alert_stands_however_old_its_cause_is(world):
    """RCV-05, SND-08: time alone ends nothing."""
    await world.arrived(ago_h=24 * 90)
    await world.arrived("offered", agency="H37.02", ago_h=24 * 90)
    await sent(world, "handed_over", 24 * 90)
    await sent(world, "arrived", 24 * 90)
    await world.look()
    assert {KIND.REGISTERED_LATE, KIND.NOT_PICKED_UP, KIND.NOT_ACKNOWLEDGED} <= set(
        await world.kinds()
    )
    assert KIND.NOT_FETCHED in await world.kinds("H37.02")


async def test_a_person_ends_it_with_a_reason_and_what_comes_later_is_another(world):
    first = await world.arrived(ago_h=24 * 40)
    await world.look()
    (alert,) = await world.alerts.standing(["H37.61"])
    for reason in ("", "  ", "x" * 501):
        with pytest.raises(RejectedError):
            await world.alerts.dismiss(alert.id, reason, by=CLERK)
    ended = await world.alerts.dismiss(alert.id, "cơ quan đã giải thể", by=CLERK)
    assert (ended.state, ended.acknowledged_by) == (AlertState.DISMISSED, CLERK.login)
    with pytest.raises(RejectedError):
        await world.alerts.dismiss(alert.id, "lần nữa", by=CLERK)
    for _ in range(3):
        await world.look(minutes=20)
    assert await world.alerts.standing(["H37.61"]) == []
    assert (await world.alerts.counts(["H37.61"])).standing == 0
    (over, _) = await world.alerts.ended("H37.61")
    assert [one.note for one in over] == ["cơ quan đã giải thể"]
    # One more of the same kind: told anew, and the first one is on record as it was ended.
    await world.arrived(ago_h=24 * 30)
    letters = len(world.mail.letters)
    await world.look(minutes=1)
    (again,) = await world.alerts.standing(["H37.61"])
    assert (again.id != alert.id, again.count) == (True, 2)
    assert len(world.mail.letters) + len(world.hooks.calls) > letters
    was = await world.alerts.one(alert.id)
    assert (was.state, was.ended_at) == (AlertState.ENDED, ended.ended_at)
    assert first


async def test_one_done_and_one_come_is_not_what_was_ended(world):
    first = await world.arrived(ago_h=24 * 40)
    await world.look()
    (alert,) = await world.alerts.standing(["H37.61"])
    await world.alerts.dismiss(alert.id, "đã gọi điện", by=CLERK)
    world.now += timedelta(days=5)
    await world.put(Update("arrival", {"id": first}, {"state": "accepted"}))
    await world.arrived(ago_h=24 * 4)
    await world.look()
    (again,) = await world.alerts.standing(["H37.61"])
    assert again.id != alert.id


async def test_what_ends_with_its_cause_alone_is_not_ended_by_hand(world):
    world.offset = timedelta(seconds=9)
    await world.look()
    (alert,) = await world.alerts.standing([""])
    with pytest.raises(RejectedError):
        await world.alerts.dismiss(alert.id, "không sao", by=CLERK)


async def test_beyond_what_is_looked_at_it_is_said_how_many_more(world, monkeypatch):
    monkeypatch.setattr("gateway.programs.watch.documents._MANY", 3)
    for _ in range(5):
        await world.arrived(ago_h=24 * 40)
        await sent(world, "handed_over", 5)
    urgent = await world.arrived(urgency=3, ago_h=1)
    await world.look()
    told = {alert.kind: alert for alert in await world.alerts.standing(["H37.61"])}
    late = told[KIND.REGISTERED_LATE]
    assert (late.count, late.about[-1]) == (3, "+3")
    assert told[KIND.NOT_PICKED_UP].about[-1] == "+2"
    # However many others are older, each urgent one is an alert of its own.
    assert told[KIND.URGENT_WAITING].subject == f"arrival:{urgent}"


# ---------------------------------------------------------------- other nodes


def node_row(world, name, told, state="up"):
    at = to_text(world.now)
    values = {"name": name, "boot": "1", "roles": "api", "version": "1", "state": state}
    return Insert("node", values | {"started_at": at, "seen_at": at, "facts": told.to_json()})


async def test_certificates_of_every_node_are_watched_as_one_alert_for_what_it_is(world):
    soon, later = world.now + timedelta(days=9), world.now + timedelta(days=400)
    tls = "tls certificate"
    world.facts = replace(world.facts, terms=lambda: [(tls, later)], node="cong-1")
    world.start()
    await world.put(
        node_row(world, "cong-1", NodeTold({tls: soon})),  # what we say ourselves counts, not this
        node_row(world, "cong-2", NodeTold({tls: soon})),
        node_row(world, "cong-3", NodeTold({tls: soon + timedelta(days=1)})),
        node_row(world, "cong-4", NodeTold({tls: soon}), state="down"),
    )
    await world.look()
    (alert,) = await world.alerts.standing([""])
    assert (alert.kind, alert.count, alert.due) == (KIND.KEY_EXPIRES, 2, soon)
    assert alert.about == (tls, "cong-2", "cong-3")


async def test_a_node_that_is_gone_ends_its_alert(world):
    gone: list[str] = []
    world.facts = replace(world.facts, node="cong-1", dead=lambda: gone)
    world.start()
    told = NodeTold({"tls certificate": world.now + timedelta(days=2)}, offset_s=-7.0)
    await world.put(node_row(world, "cong-2", told))
    await world.look()
    assert set(await world.kinds("")) == {KIND.KEY_EXPIRES, KIND.CLOCK_OFF}
    gone.append("cong-2")
    await world.look(minutes=1)
    assert await world.kinds("") == {}


async def test_what_other_nodes_lack_is_said_with_their_names(world):
    world.facts = replace(world.facts, node="cong-1", stamps=lambda: {"TSA": "off"})
    world.start()
    told = NodeTold(lists_old=True, stamps=("TSA",), scanner=("clamd",))
    await world.put(node_row(world, "cong-2", told))
    await world.look()
    found = {a.kind: a for a in await world.alerts.standing([""])}
    assert found[KIND.LISTS_OLD].subject == "lists:cong-2"
    assert found[KIND.STAMPS_MISSING].about == ("TSA", "cong-1", "cong-2")
    assert found[KIND.SCANNER_OFF].about == ("clamd", "cong-2")


def test_what_a_node_tells_comes_back_as_it_was():
    told = NodeTold({"x": FRIDAY}, lists_old=True, stamps=("a",), scanner=(), offset_s=-0.3)
    assert told_of(told.to_json()) == told
    assert told_of("{}") == told_of("") == NodeTold()
    assert told_of('{"offset_s": 2.0, "new": 1}').offset_s == 2.0


# ---------------------------------------------------------------- duties around the traffic


async def test_a_certificate_in_a_key_device_that_ends_soon_is_told_to_its_unit(world):
    """ORG-09: register of key devices, with alerts before their certificates end."""
    await world.person("lan", Role.CLERK)

    def device(name, valid_to, state="held"):
        values = {"id": name, "agency": "H37.61", "serial": name, "purpose": "x", "holder": "Lan"}
        more = {"valid_to": valid_to, "state": state, "since": to_text(world.now)}
        return Insert("key_device", values | more)

    await world.put(
        device("soon", "2026-12-01"),
        device("later", "2027-12-01"),
        device("never", None),
        device("gone", "2026-12-01", "destroyed"),
    )
    await world.look()
    (alert,) = await world.alerts.standing(["H37.61"])
    assert (alert.kind, alert.about, alert.path) == (
        KIND.KEY_EXPIRES,
        ("soon",),
        "/key-devices/soon",
    )
    assert world.subjects("lan@x.vn")
    await world.put(Update("key_device", {"id": "soon"}, {"valid_to": "2028-01-01"}))
    await world.look(minutes=1)
    assert await world.alerts.standing(["H37.61"]) == []


async def test_an_open_incident_is_told_to_operations_at_once_and_ends_with_it(world):
    """OPS-09: at night too, and nothing of what somebody wrote is in a mail."""
    world.now = datetime(2026, 11, 20, 23, 0, tzinfo=VIETNAM).astimezone(UTC)
    at = to_text(world.now)
    row = {"id": "i1", "agency": "H37.61", "kind": "security", "title": "Nghi lộ của bà Hoa"}
    more = {"occurred_at": at, "opened_by": "lan", "opened_at": at}
    await world.put(Insert("incident", row | more))
    await world.look()
    (letter,) = [one for one in world.mail.letters if one.to == "ops@x.vn"]
    assert "Sự cố đang mở" in letter.subject
    assert "Hoa" not in letter.subject + letter.body
    await world.put(Update("incident", {"id": "i1"}, {"state": "closed"}))
    await world.look(minutes=1)
    assert await world.kinds("") == {}
