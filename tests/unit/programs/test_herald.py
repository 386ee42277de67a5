"""Webhooks: in order, signed, tried again, given up aloud, played again; whatever dies between."""

import asyncio
import base64
import hashlib
import hmac
import json
import re
from datetime import timedelta
from pathlib import Path

import pytest

from gateway.domain import webhook as signing
from gateway.domain.delivery import Lane, Schedule
from gateway.errors import Reason, RejectedError
from gateway.ports import ChangeSet, Committed, Posted
from gateway.programs import herald
from gateway.programs.herald import Herald
from gateway.programs.leases import Alone
from gateway.programs.notices import LedgerNotices
from gateway.programs.pulse import Pulse
from gateway.programs.webhooks import LedgerWebhooks, Means
from tests.world import ledger_rows as rows
from tests.world.fake_frontdoor import FakeCallers, FakeClock
from tests.world.memory_ledger import MemoryLedger

URL = "https://qlvb.example.vn/hook"
KEY = bytes(32)
WAIT = timedelta(seconds=30)
SCHEDULES = {Lane.NORMAL: Schedule(WAIT, timedelta(minutes=10), jitter=0.0)}


class Died(BaseException):
    """The process ends here."""


class Receiver:
    """A receiver that does as it is told; `answers` are used up one by one, then it takes all."""

    def __init__(self):
        self.got = []
        self.answers = []
        self.wrong = ""

    def refusal(self, url):
        return self.wrong

    async def post(self, url, headers, body):
        self.got.append((url, dict(headers), body))
        answer = self.answers.pop(0) if self.answers else Posted(204)
        if isinstance(answer, BaseException):
            raise answer
        return answer

    @property
    def subjects(self):
        return [json.loads(body)["data"]["subject"] for _, _, body in self.got]


class Ids:
    def new(self):
        return rows.new_id()


class House:
    def __init__(self):
        self.ledger = MemoryLedger()
        self.clock = FakeClock()
        self.receiver = Receiver()
        self.callers = FakeCallers()
        self.callers.add("qlvb", speaks_for=("H37.02",))
        self.ledger.connection.execute(
            "INSERT INTO system (id, status, created_at) VALUES ('qlvb', 'active', '')"
        )
        self.pulse = Pulse(self.ledger)
        self.hooks = LedgerWebhooks(
            Means(self.ledger, self.clock, Ids(), lambda: (KEY,), self.receiver, most=3)
        )
        self.leases = Alone()
        self.herald = self.again()

    def again(self):
        """Return the herald of the next process."""
        return Herald(
            self.ledger,
            LedgerNotices(self.ledger, self.pulse),
            self.hooks,
            self.callers,
            clock=self.clock,
            leases=self.leases,
            random=lambda: 0.5,
            schedules=SCHEDULES,
            give_up_after=timedelta(minutes=5),
        )

    async def happen(self, count=1, agency="H37.02", kind="offered"):
        ids = [rows.new_id() for _ in range(count)]
        for one in ids:
            row = rows.arrival(one, one, agency=agency)
            done = await self.ledger.commit(ChangeSet(rows=(row, rows.event(one, kind))))
            assert isinstance(done, Committed)
        return ids

    async def add(self, *kinds, url=URL):
        return await self.hooks.add("qlvb", url, kinds, by="qlvb")

    async def calls(self, hook, *, dead=False):
        found = await self.hooks.calls("", hook.id, dead=dead, limit=100)
        return [(c.state, c.tries, c.status) for c in reversed(found)]


@pytest.fixture
def house():
    made = House()
    yield made
    made.ledger.close()


def verified(secret, headers, body):
    """Verify as another implementation would: from the text of the standard alone."""
    key = base64.b64decode(secret.removeprefix("whsec_"))
    signed = b".".join(
        (headers["webhook-id"].encode(), headers["webhook-timestamp"].encode(), body)
    )
    wanted = base64.b64encode(hmac.digest(key, signed, hashlib.sha256)).decode()
    given = [one.partition(",") for one in headers["webhook-signature"].split(" ")]
    return any(version == "v1" and text == wanted for version, _, text in given)


async def test_messages_come_in_order_signed_and_say_nothing_of_content(house):
    await house.happen()
    hook, secret = await house.add()
    sent = await house.happen(3)
    await house.happen(agency="H99")
    assert await house.herald.once(hook.id) == 0
    assert house.receiver.subjects == sent
    for url, headers, body in house.receiver.got:
        assert url == URL
        assert verified(secret, headers, body)
        assert not verified(secret, headers, body + b" ")
        assert headers["webhook-timestamp"] == str(int(house.clock.now().timestamp()))
    message = json.loads(house.receiver.got[0][2])
    assert message["type"] == "inbox.document"
    assert message["data"]["href"] == f"/api/v1/inbox/{sent[0]}"
    assert message["data"]["replay"] is False
    assert "subject_text" not in message["data"]
    assert await house.calls(hook) == [("told", 1, 204)] * 3
    assert await house.herald.once(hook.id) == 0
    assert len(house.receiver.got) == 3


async def test_only_the_kinds_asked_for(house):
    hook, _ = await house.add("inbox.entered")
    await house.happen(2)
    (wanted,) = await house.happen(kind="entered_system")
    assert await house.herald.once(hook.id) == 0
    assert house.receiver.subjects == [wanted]
    shown = await house.hooks.one("qlvb", hook.id)
    assert shown.cursor == shown.newest


async def test_a_receiver_that_fails_is_tried_again_later_and_nothing_overtakes(house):
    hook, _ = await house.add()
    first, second = await house.happen(2)
    house.receiver.answers = [Posted(500, "HTTP 500"), Posted(0, "no answer in time")]
    assert await house.herald.once(hook.id) == 30
    assert await house.herald.once(hook.id) == 30
    assert house.receiver.subjects == [first]
    house.clock.move(seconds=30)
    assert await house.herald.once(hook.id) == 60
    shown = await house.hooks.one("qlvb", hook.id)
    assert (shown.tries, shown.state) == (2, "active")
    assert shown.failing_since is not None
    house.clock.move(seconds=60)
    assert await house.herald.once(hook.id) == 0
    assert house.receiver.subjects == [first, first, first, second]
    ids = [headers["webhook-id"] for _, headers, _ in house.receiver.got]
    assert len(set(ids)) == 2
    assert await house.calls(hook) == [("told", 3, 204), ("told", 1, 204)]
    assert (await house.hooks.one("qlvb", hook.id)).failing_since is None


async def test_a_receivers_wish_is_heeded(house):
    hook, _ = await house.add()
    await house.happen()
    house.receiver.answers = [Posted(503, "HTTP 503", timedelta(minutes=4))]
    assert await house.herald.once(hook.id) == 240


@pytest.mark.parametrize("died_in", ["post", "record"])
async def test_a_death_between_attempt_and_record_sends_the_same_again(house, died_in):
    hook, secret = await house.add()
    (sent,) = await house.happen()
    if died_in == "post":
        house.receiver.answers = [Died()]
    else:
        ledger, count = house.ledger, len(house.ledger.commits)

        async def dying(change, commit=ledger.commit):
            if len(ledger.commits) > count:
                raise Died
            return await commit(change)

        ledger.commit = dying
    with pytest.raises(Died):
        await house.herald.once(hook.id)
    house.ledger.__dict__.pop("commit", None)
    # (2) The attempt is on record, and when the next one may be.
    assert await house.calls(hook) == [("trying", 1, 0)]
    house.herald = house.again()
    assert await house.herald.once(hook.id) == 30
    house.clock.move(seconds=30)
    assert await house.herald.once(hook.id) == 0
    assert house.receiver.subjects == [sent, sent]
    one, two = house.receiver.got
    assert one[1]["webhook-id"] == two[1]["webhook-id"]
    assert one[2] == two[2]
    assert verified(secret, two[1], two[2])


async def test_one_poisoned_message_is_given_up_aloud_and_the_rest_goes_on(house):
    hook, _ = await house.add()
    poison, good = await house.happen(2)
    house.receiver.answers = [Posted(400, "HTTP 400")] * 5
    while (wait_s := await house.herald.once(hook.id)) != 0:
        house.clock.move(seconds=wait_s)
    assert house.receiver.subjects[-1] == good
    assert set(house.receiver.subjects[:-1]) == {poison}
    (dead,) = await house.calls(hook, dead=True)
    assert dead[0] == "dead"
    shown = await house.hooks.one("qlvb", hook.id)
    assert (shown.dead, shown.state, shown.why) == (1, "active", "")
    # Nothing is deleted: it is told when the subscription is played again.
    await house.hooks.replay("qlvb", hook.id, 0, reason="Đã sửa", by="qlvb")
    house.receiver.got.clear()
    assert await house.herald.once(hook.id) == 0
    assert house.receiver.subjects == [poison, good]
    assert all(json.loads(body)["data"]["replay"] for _, _, body in house.receiver.got)
    assert (await house.hooks.one("qlvb", hook.id)).dead == 0


async def test_a_dead_receiver_loses_one_message_not_all(house):
    hook, _ = await house.add()
    sent = await house.happen(20)
    house.receiver.answers = [Posted(0, "no connection")] * 100
    while (wait_s := await house.herald.once(hook.id)) is not None:
        house.clock.move(seconds=max(wait_s, 1))
    shown = await house.hooks.one("qlvb", hook.id)
    assert (shown.state, shown.dead) == ("paused", 1)
    house.receiver.answers = []
    await house.hooks.resume("qlvb", hook.id, by="qlvb")
    house.receiver.got.clear()
    assert await house.herald.once(hook.id) == 0
    assert house.receiver.subjects == sent[1:]


async def test_gone_pauses_and_resuming_goes_on_where_it_stood(house):
    hook, _ = await house.add()
    sent = await house.happen(2)
    house.receiver.answers = [Posted(410, "HTTP 410")]
    assert await house.herald.once(hook.id) is None
    shown = await house.hooks.one("qlvb", hook.id)
    assert (shown.state, shown.why) == ("paused", "410 Gone")
    assert await house.herald.once(hook.id) is None
    assert len(house.receiver.got) == 1
    await house.hooks.resume("qlvb", hook.id, by="qlvb")
    assert await house.herald.once(hook.id) == 0
    assert house.receiver.subjects == [sent[0], *sent]


async def test_two_secrets_sign_while_one_is_changed(house):
    hook, old = await house.add()
    _, new = await house.hooks.rotate("qlvb", hook.id, overlap=timedelta(hours=1), by="qlvb")
    await house.happen()
    await house.herald.once(hook.id)
    (_, headers, body) = house.receiver.got.pop()
    assert verified(old, headers, body)
    assert verified(new, headers, body)
    assert len(headers["webhook-signature"].split(" ")) == 2
    house.clock.move(hours=2)
    await house.happen()
    await house.herald.once(hook.id)
    (_, headers, body) = house.receiver.got.pop()
    assert not verified(old, headers, body)
    assert verified(new, headers, body)


async def test_however_often_a_secret_is_changed_two_sign(house):
    hook, first = await house.add()
    made = [first]
    for _ in range(5):
        house.clock.move(seconds=1)
        _, new = await house.hooks.rotate("qlvb", hook.id, overlap=timedelta(days=30), by="qlvb")
        made.append(new)
    await house.happen()
    await house.herald.once(hook.id)
    (_, headers, body) = house.receiver.got.pop()
    assert [verified(one, headers, body) for one in made] == [False] * 4 + [True] * 2
    assert len(headers["webhook-signature"].split(" ")) == 2
    named = {"system_id": "qlvb", "kind": f"webhook:{hook.id}"}
    assert len(await house.ledger.all("webhook_secrets", **named)) == 2


async def test_what_was_removed_signs_and_sends_nothing_any_more(house):
    hook, _ = await house.add()
    await house.hooks.remove("qlvb", hook.id, by="qlvb")
    named = {"system_id": "qlvb", "kind": f"webhook:{hook.id}"}
    assert await house.ledger.all("webhook_secrets", **named) == []
    for asked in (
        house.hooks.rotate("qlvb", hook.id, overlap=timedelta(0), by="qlvb"),
        house.hooks.test("qlvb", hook.id),
    ):
        with pytest.raises(RejectedError) as refused:
            await asked
        assert refused.value.reason is Reason.CONFLICT
    # Removed between its attempt and its message: nothing unsigned goes out.
    row = await house.ledger.one("webhook", id=hook.id)
    assert not (await house.hooks.send(row, "msg_1", "inbox.document", "", {})).taken
    assert house.receiver.got == []


async def test_a_replay_asked_for_while_a_message_is_out_is_not_lost(house):
    hook, _ = await house.add()
    sent = await house.happen(3)

    async def played_again(url, headers, body, post=house.receiver.post):
        answer = await post(url, headers, body)
        if len(house.receiver.got) == 2:
            await house.hooks.replay("qlvb", hook.id, 0, reason="Lại", by="qlvb")
        return answer

    house.receiver.post = played_again
    assert await house.herald.once(hook.id) == 0
    assert house.receiver.subjects == [*sent[:2], *sent]


async def test_nobody_touches_anothers(house):
    hook, _ = await house.add()
    for asked in (
        house.hooks.one("other", hook.id),
        house.hooks.pause("other", hook.id, reason="x", by="other"),
        house.hooks.rotate("other", hook.id, overlap=timedelta(0), by="other"),
        house.hooks.replay("other", hook.id, 0, reason="x", by="other"),
        house.hooks.test("other", hook.id),
        house.hooks.calls("other", hook.id, dead=False, limit=1),
    ):
        with pytest.raises(RejectedError) as refused:
            await asked
        assert refused.value.reason is Reason.NOT_FOUND
    assert await house.hooks.listing("other") == []


async def test_what_may_not_be_is_refused(house):
    with pytest.raises(RejectedError):
        await house.add("nothing.at.all")
    house.receiver.wrong = "is inside the house"
    with pytest.raises(RejectedError):
        await house.add()
    house.receiver.wrong = ""
    for _ in range(3):
        await house.add()
    with pytest.raises(RejectedError) as refused:
        await house.add()
    assert refused.value.reason is Reason.CONFLICT
    hook = (await house.hooks.listing("qlvb"))[0]
    await house.hooks.remove("qlvb", hook.id, by="qlvb")
    await house.add()
    with pytest.raises(RejectedError):
        await house.hooks.resume("qlvb", hook.id, by="qlvb")
    assert await house.herald.once(hook.id) is None


async def test_a_system_that_is_disabled_hears_nothing_and_loses_nothing(house):
    hook, _ = await house.add()
    (sent,) = await house.happen()
    found, house.callers._systems = house.callers._systems, {}
    assert await house.herald.once(hook.id) == 1
    assert house.receiver.got == []
    house.callers._systems = found
    assert await house.herald.once(hook.id) == 0
    assert house.receiver.subjects == [sent]


async def test_a_test_message_is_signed_and_stands_beside_the_feed(house):
    hook, secret = await house.add()
    assert (await house.hooks.test("qlvb", hook.id)).taken
    ((_, headers, body),) = house.receiver.got
    assert verified(secret, headers, body)
    assert json.loads(body)["type"] == "webhook.test"
    assert await house.calls(hook) == []


async def test_every_change_is_on_record_and_none_tells_the_address(house):
    hook, secret = await house.add()
    await house.hooks.pause("qlvb", hook.id, reason="Bảo trì", by="an")
    await house.hooks.resume("qlvb", hook.id, by="an")
    await house.hooks.remove("qlvb", hook.id, by="an")
    told = await house.ledger.all("events_of", subject=f"webhook:{hook.id}")
    assert [e["type"] for e in told] == [
        "webhook_added", "webhook_paused", "webhook_resumed", "webhook_removed",
    ]  # fmt: skip
    entries = house.ledger.connection.execute("SELECT body FROM receipt_entry").fetchall()
    assert len(entries) == 4
    everything = json.dumps([dict(e) for e in told]) + "".join(e["body"] for e in entries)
    assert URL not in everything
    assert secret not in everything


async def test_the_program_follows_what_is_added_and_lets_go_of_what_is_removed(house):
    house.ledger.on_commit = house.pulse.wake
    running = asyncio.create_task(house.herald.run())
    await house.add()
    (sent,) = await house.happen()
    told = asyncio.Event()

    async def noticed(url, headers, body, post=house.receiver.post):
        answer = await post(url, headers, body)
        told.set()
        return answer

    house.receiver.post = noticed
    async with asyncio.timeout(60):
        await told.wait()
        assert house.receiver.subjects == [sent]
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)


async def test_one_receiver_nobody_foresaw_does_not_end_it_for_the_others(house, monkeypatch):
    monkeypatch.setattr(herald, "_AGAIN_S", 0.0)
    hook, _ = await house.add()
    await house.happen()
    house.receiver.answers = [OverflowError()]
    await house.herald._follow(hook.id)
    assert await house.calls(hook) == [("trying", 1, 0)]  # on record, and tried again
    house.clock.move(hours=1)
    assert await house.herald.once(hook.id) == 0
    assert await house.calls(hook) == [("told", 2, 204)]


def test_the_sample_in_the_guide_verifies_what_we_sign(monkeypatch):
    guide = (Path(__file__).parents[3] / "docs" / "integrate.md").read_text(encoding="utf-8")
    (sample,) = [
        b for b in re.findall(r"```python\n(.*?)```", guide, re.DOTALL) if "def verify(secret" in b
    ]
    names = {}
    exec(compile(sample, "integrate.md", "exec"), names)
    monkeypatch.setattr(names["time"], "time", lambda: 1000.0)
    old, new = bytes(32), bytes(range(32))
    headers = signing.headers((new, old), "msg_1", 900, b"{}")
    for secret in (old, new):
        assert names["verify"](signing.secret_text(secret), headers, b"{}")
        assert not names["verify"](signing.secret_text(secret), headers, b"{ }")
    assert not names["verify"](signing.secret_text(b"x" * 32), headers, b"{}")
    stale = signing.headers((old,), "msg_1", 600, b"{}")
    assert not names["verify"](signing.secret_text(old), stale, b"{}")
