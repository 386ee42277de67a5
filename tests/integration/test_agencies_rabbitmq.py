"""Agencies come by a real RabbitMQ: one answer a message, whoever dies, and nobody else's word."""

import asyncio
import hashlib
import io
import json
import random
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import UTC, datetime

import aio_pika
import pamqp.encode
import pytest
from aiormq.exceptions import ChannelAccessRefused, ChannelPreconditionFailed

from adapters.amqp import names, speaking, taking, wire
from adapters.amqp.door import AgenciesDoor, Bounds
from adapters.amqp.names import Names
from adapters.amqp.patience import Pace
from gateway import doctor, measures, observe
from gateway.__main__ import main
from gateway.config import load
from gateway.errors import IntegrityError, Reason, RejectedError, UnavailableError
from gateway.rabbit import Link, Server
from tests.world.agencies import add_user, grant, remove_user, system_at
from tests.world.fake_feeds import FakeFeeds
from tests.world.fake_frontdoor import FakeCallers, FakeFrontDoor
from tests.world.gatehouse import gatehouse, packet
from tests.world.outside import head, status
from tests.world.servers.rabbitmq import PASSWORD

pytestmark = pytest.mark.timeout(480)
PATIENCE_S = 120.0
NAMES = Names()
DAY = datetime.now(UTC).strftime("%Y/%m/%d")


@asynccontextmanager
async def always(_):
    yield True


class NoUploads:
    async def open(self, caller, upload_id):
        raise RejectedError(Reason.NOT_FOUND)


class Unsteady(FakeCallers):
    def __init__(self):
        super().__init__()
        self.failures = []

    def system(self, system_id):
        if self.failures and asyncio.current_task().get_name() == "agencies' message":
            raise self.failures.pop()
        return super().system(system_id)


class Town:
    """One door and what stands behind it."""

    def __init__(self, place):
        self.place = place
        self.front, self.feeds, self.callers = FakeFrontDoor(), FakeFeeds(), Unsteady()
        # Users are the whole server's, and the server is the whole run's.
        self.one, self.other = f"tinh-{place.vhost}", f"xa-{place.vhost}"
        self.callers.add(self.one, speaks_for=["H37"])
        self.callers.add(self.other, speaks_for=["H37.71"])
        for system in (self.one, self.other):
            add_user(place, system)

    @asynccontextmanager
    async def door(self, turn=always, **options):
        told = {
            "systems": (self.one, self.other),
            "max_bytes": 1 << 20,
            "pace": Pace(0.02, 0.1, 30.0),
            "between_s": 0.1,
        } | options
        confirm_s = told.pop("confirm_s", 10.0)
        door = AgenciesDoor(
            Server(self.place.url, PASSWORD, confirm_s=confirm_s),
            NAMES,
            Bounds(**told),
            front=self.front,
            callers=self.callers,
            uploads=NoUploads(),
            feeds=self.feeds,
            turn=turn,
        )
        task = asyncio.create_task(door.run())
        try:
            await until(lambda: NAMES.out(self.other).name in self.place.queues())
            yield door
        finally:
            await door.close()
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)
            await door.let_go()


@pytest.fixture
def town(rabbit_place):
    town = Town(rabbit_place)
    yield town
    for system in (town.one, town.other):
        remove_user(rabbit_place, system)


@pytest.fixture
def told():
    """The names of all facts told from here on."""
    stream = io.StringIO()
    observe.configure(True, level="info", stream=stream)
    yield lambda: [json.loads(line)["event"] for line in stream.getvalue().splitlines()]
    observe.silence()


async def until(ready):
    async with asyncio.timeout(PATIENCE_S):
        while True:
            if found := ready():
                return found
            await asyncio.sleep(0.05)


async def test_a_document_is_accepted_once_and_answered_as_often_as_it_comes(town):
    async with town.door(), system_at(town.place, town.one) as system:
        await system.publish(b"<edXML/>", message_id="m-1", reply_to=NAMES.reply(town.one).name)
        first = await system.reply()
        await system.publish(b"<edXML/>", message_id="m-1", correlation_id="again")
        second = await system.reply()
    assert (first.type, first.correlation_id, first.delivery_mode) == ("accepted", "m-1", 2)
    assert (second.type, second.correlation_id) == ("accepted", "again")
    assert first.body == second.body
    assert first.headers["for"] == "document"
    ((caller, packet, options),) = town.front.documents.values()
    assert (caller.system_id, packet) == (town.one, b"<edXML/>")
    assert (options.via, options.idempotency_key) == ("amqp", "m-1")
    assert town.place.queues()[NAMES.incoming.name] == 0


async def test_what_is_wrong_is_refused_with_everything_at_once(town):
    async with town.door(), system_at(town.place, town.one) as system:
        town.front.failure = RejectedError(Reason.RULES_BROKEN, "no subject")
        await system.publish(b"<edXML/>", message_id="m-1")
        broken = await system.reply()
        await system.publish(
            b"x" * ((1 << 20) + 1), message_id="m-2", reply_to=NAMES.reply(town.other).name
        )
        large = await system.reply()
        await system.publish(
            b"", message_id="a b", type="letter", reply_to=NAMES.reply(town.other).name
        )
        frame = await system.reply()
    assert json.loads(broken.body)["reason"] == "rules-broken"
    told = json.loads(large.body)
    assert (told["status"], told["reason"]) == (413, "too-large")
    assert "/api/v1/uploads" in told["detail"]
    assert "/api/v1/uploads" in told["detail_vi"]
    told = json.loads(frame.body)
    for word in ("message_id", "type", "reply_to"):
        assert word in told["detail"]
        assert word in told["detail_vi"]
    assert town.place.queues()[NAMES.reply(town.other).name] == 0
    assert not town.front.documents


async def test_nobody_speaks_for_another(town, told):
    async with town.door(), system_at(town.place, town.other) as system:
        with pytest.raises(ChannelPreconditionFailed):  # the broker itself
            await system.publish(b"<edXML/>", user_id=town.one, message_id="m-1")
    async with town.door(), system_at(town.place, town.other) as system:
        # Without user_id the broker checks nothing, and we believe nothing.
        await system.publish(
            b"<edXML/>", user_id=None, message_id="m-2", headers={"user_id": town.one},
            reply_to=NAMES.reply(town.one).name,
        )  # fmt: skip
        await until(lambda: town.place.queues()[NAMES.dead.name] == 1)
        assert town.place.queues()[NAMES.reply(town.one).name] == 0
        town.callers.disable(town.other)
        await system.publish(b"<edXML/>", message_id="m-3")
        await until(lambda: town.place.queues()[NAMES.dead.name] == 2)
        await until(lambda: "standing_warning" in told())  # agency_dead_letters
    assert not town.front.documents


async def test_a_system_has_no_right_to_more_than_its_own(town):
    async with town.door():
        foreign = [NAMES.out(town.other), NAMES.reply(town.other), NAMES.incoming, NAMES.dead]
        for queue in foreign:
            async with system_at(town.place, town.one) as system:
                taken = await system.channel.get_queue(queue.name, ensure=False)
                with pytest.raises(ChannelAccessRefused):
                    await taken.get(fail=False)
        async with system_at(town.place, town.one) as system:
            with pytest.raises(ChannelAccessRefused):
                await system.channel.declare_queue(f"vanlien.reply.{town.one}.mine", durable=True)
        async with system_at(town.place, town.one) as system:
            with pytest.raises(ChannelAccessRefused):  # past the exchange, into a queue
                await system.channel.default_exchange.publish(
                    aio_pika.Message(b"x"), NAMES.reply(town.other).name
                )


async def test_what_is_urgent_overtakes_and_no_key_loses_a_message(town):
    town.front = Stuck()
    town.front.may_go_on = asyncio.Event()
    async with town.door(hands=2), system_at(town.place, town.one) as system:
        for n in range(4):
            await system.publish(b"<edXML>%d</edXML>" % n, message_id=f"m-{n}", key=f"any.{n}")
        await system.publish(b"<edXML>urgent</edXML>", message_id="u-1", key="urgent")
        assert (await system.reply()).correlation_id == "u-1"
        town.front.may_go_on.set()
        assert {(await system.reply()).correlation_id for _ in range(4)} == {
            f"m-{n}" for n in range(4)
        }
    said = {packet: options.urgent for _, packet, options in town.front.documents.values()}
    assert said.pop(b"<edXML>urgent</edXML>") is True
    assert set(said.values()) == {None}


class Stuck(FakeFrontDoor):
    """A front door that is busy with everything but what is urgent."""

    async def submit(self, caller, packet, options):
        if not options.urgent:
            await self.may_go_on.wait()
        return await super().submit(caller, packet, options)


# ---------------------------------------------------------------- deaths and troubles


class Halting(FakeFrontDoor):
    """A front door that stops after the commit, as a process does that dies there."""

    async def submit(self, caller, packet, options):
        accepted = await super().submit(caller, packet, options)
        self.committed.set()
        await self.may_go_on.wait()
        return accepted


async def test_a_death_between_commit_and_answer_is_answered_by_the_next(town):
    town.front = Halting()
    town.front.committed, town.front.may_go_on = asyncio.Event(), asyncio.Event()
    async with town.door(finish_s=0.0), system_at(town.place, town.one) as system:
        await system.publish(b"<edXML/>", message_id="m-1")
        async with asyncio.timeout(PATIENCE_S):
            await town.front.committed.wait()
    assert town.place.queues()[NAMES.reply(town.one).name] == 0
    town.front.may_go_on.set()
    async with town.door(), system_at(town.place, town.one) as system:
        answer = await system.reply()
    assert (answer.type, answer.headers["replayed"]) == ("accepted", True)
    assert len(town.front.documents) == 1


async def test_a_lost_connection_loses_no_message_and_no_answer(town):
    async with town.door() as _, system_at(town.place, town.one) as system:
        await system.publish(b"<edXML>1</edXML>", message_id="m-1")
        assert (await system.reply()).correlation_id == "m-1"
    async with town.door():
        await asyncio.to_thread(town.place.cut_connections)
        async with system_at(town.place, town.one) as system:
            await system.publish(b"<edXML>2</edXML>", message_id="m-2")
            assert (await system.reply()).correlation_id == "m-2"


@pytest.mark.parametrize("noticed", [True, False])
async def test_a_broker_that_forgot_everything_is_made_ready_again(
    town, told, monkeypatch, noticed
):
    server, vhost = town.place.server, town.place.vhost
    there = asyncio.Event()
    made = Link._made

    async def late(link):
        await there.wait()
        return await made(link)

    async with town.door():
        if not noticed:  # whoever comes in again finds a broker that is back already
            monkeypatch.setattr(Link, "_made", late)
        await asyncio.to_thread(server.delete_vhost, vhost)
        if noticed:
            await until(lambda: "agencies_broker_away" in told())
        await asyncio.to_thread(server.add_vhost, vhost)
        there.set()
        for name in (town.one, town.other):
            await asyncio.to_thread(grant, town.place, name)
        wanted = {queue.name for queue in NAMES.every((town.one, town.other))}
        await until(lambda: wanted <= set(town.place.queues()))
        async with system_at(town.place, town.one) as system:
            await system.publish(b"<edXML/>", message_id="m-1")
            assert (await system.reply()).type == "accepted"
        await until(lambda: warned() == 0)
        ends = told().count("agencies_broker_away"), told().count("agencies_broker_back")
        assert ends[0] == ends[1] >= noticed


def warned():
    return measures.of(measures.standing, "agencies_broker")._value.get()


async def test_an_answer_that_could_not_be_said_does_not_leave_the_broker_away(
    town, told, monkeypatch
):
    troubles = iter([UnavailableError()])
    opened = speaking.open_channel

    async def failing(connection, **options):
        for trouble in troubles:
            raise trouble
        return await opened(connection, **options)

    letter = wire.Letter("accepted", "application/json", b"{}", "m-1")
    async with town.door() as door:
        monkeypatch.setattr(speaking, "open_channel", failing)
        with pytest.raises(UnavailableError):
            await door._mouth.say(NAMES.reply(town.one), letter)
        assert "agencies_broker_away" in told()
        await until(lambda: "agencies_broker_back" in told())  # nobody says anything more
        assert warned() == 0


async def test_who_rests_does_not_leave_the_broker_away(town, told, monkeypatch):
    async def failing(*_):
        raise UnavailableError

    async with town.door() as door:
        monkeypatch.setattr(taking.topology, "ensure", failing)
        await asyncio.to_thread(town.place.cut_connections)
        await until(lambda: "agencies_broker_away" in told())
        door.rest(True)
        monkeypatch.undo()
        await until(lambda: warned() == 0)


async def test_not_now_is_waited_for_and_comes_back_in_the_end(town):
    async with town.door(pace=Pace(0.01, 0.01, 0.0)), system_at(town.place, town.one) as system:
        town.front.failure = UnavailableError()
        await system.publish(b"<edXML/>", message_id="m-1")  # back to the queue, and again
        assert (await system.reply()).type == "accepted"
        town.front.failure = RejectedError(Reason.IN_FLIGHT)
        await system.publish(b"<edXML>2</edXML>", message_id="m-2")
        assert (await system.reply()).type == "accepted"
    async with town.door(), system_at(town.place, town.one) as system:
        town.front.failure = UnavailableError()
        await system.publish(b"<edXML>3</edXML>", message_id="m-3")  # in hand, and again
        assert (await system.reply()).type == "accepted"
        # Nobody can tell who may call: that is not "unknown".
        town.callers.failures.append(UnavailableError())
        await system.publish(b"<edXML>4</edXML>", message_id="m-4")
        assert (await system.reply()).type == "accepted"
    assert len(town.front.documents) == 4
    assert not town.callers.failures
    assert town.place.queues()[NAMES.dead.name] == 0


class Broken(FakeFrontDoor):
    async def submit(self, caller, packet, options):
        raise self.failure


async def test_what_nobody_can_work_on_is_kept_refused_and_gone(town, monkeypatch):
    town.front = Broken(failure=KeyError("a bug of ours"))
    async with town.door(pace=Pace(0.01, 0.01, 0.0)), system_at(town.place, town.one) as system:
        await system.publish(b"<edXML/>", message_id="m-1")
        refused = await system.reply()
        # And what comes back again and again, because its taker dies of it.
        monkeypatch.setattr(taking, "HANDED_OUT", 2)
        town.front.failure = UnavailableError()
        await system.publish(b"<edXML>2</edXML>", message_id="m-2")
        again = await system.reply()
    assert [json.loads(one.body)["reason"] for one in (refused, again)] == ["internal", "internal"]
    kept = await dead_letters(town, 2)
    assert [one.headers["why"] for one in kept] == ["failed: KeyError", "handed out too often"]
    assert [(one.body, one.headers["user"]) for one in kept] == [
        (b"<edXML/>", town.one),
        (b"<edXML>2</edXML>", town.one),
    ]
    assert town.place.queues()[NAMES.incoming.name] == 0


async def test_a_message_no_client_can_read_is_set_aside_by_the_broker(town, told, monkeypatch):
    monkeypatch.setattr(names, "DELIVERY_LIMIT", 6)
    async with town.door(), system_at(town.place, town.one) as system:
        with monkeypatch.context() as patched:
            patched.setattr(pamqp.encode, "short_string", not_utf8)
            patched.setitem(pamqp.encode.METHODS, "shortstr", not_utf8)
            await system.publish(b"<edXML/>", message_id="not UTF-8: ?")
        await system.publish(b"<edXML>2</edXML>", message_id="m-2")
        assert (await system.reply()).correlation_id == "m-2"
        await until(lambda: town.place.queues()[NAMES.dead.name] == 1)
    assert town.place.queues()[NAMES.incoming.name] == 0
    assert len(town.front.documents) == 1


def not_utf8(value):
    """Encode a name as a client in a hurry does."""
    data = value.encode("utf-8").replace(b"?", b"\xff")
    return bytes([len(data)]) + data


async def dead_letters(town, count):
    connection = await aio_pika.connect(Server(town.place.url, PASSWORD).full("test"))
    async with connection:
        channel = await connection.channel()
        queue = await channel.get_queue(NAMES.dead.name, ensure=False)
        return [await queue.get(no_ack=True, timeout=60) for _ in range(count)]


async def test_a_reply_queue_that_is_gone_or_silent_is_nobody_elses_trouble(town):
    pace = Pace(0.02, 0.1, 30.0, reply_s=0.5)
    async with town.door(confirm_s=1.0, pace=pace), system_at(town.place, town.one) as one:
        await asyncio.to_thread(town.place.delete_queue, NAMES.reply(town.one).name)
        await one.publish(b"<edXML/>", message_id="m-1")
        await until(lambda: town.place.queues().get(NAMES.reply(town.one).name) == 1)
        await asyncio.to_thread(town.place.break_queue, NAMES.reply(town.one).name)
        await one.publish(b"<edXML>2</edXML>", message_id="m-2")
        async with system_at(town.place, town.other) as other:
            await other.publish(b"<edXML>3</edXML>", message_id="m-3")
            assert (await other.reply()).correlation_id == "m-3"
        await until(lambda: town.place.queues()[NAMES.dead.name] == 1)
        await one.publish(b"<edXML>4</edXML>", message_id="m-4")  # not even tried
        await until(lambda: town.place.queues()[NAMES.dead.name] == 2)
    first, second = await dead_letters(town, 2)
    assert (first.correlation_id, first.type, first.headers["user"]) == (
        "m-2",
        "accepted",
        town.one,
    )
    assert second.correlation_id == "m-4"
    assert town.place.queues()[NAMES.incoming.name] == 0


async def test_a_node_at_rest_takes_nothing_and_goes_on(town):
    async with town.door() as door, system_at(town.place, town.one) as system:
        await until(lambda: consumers(town.place) == 1)
        door.rest(True)
        await until(lambda: consumers(town.place) == 0)
        await system.publish(b"<edXML/>", message_id="m-1")
        assert town.place.queues()[NAMES.incoming.name] == 1
        door.rest(False)
        assert (await system.reply()).type == "accepted"


def consumers(place):
    name = f'rabbit_misc:r(<<"{place.vhost}">>, queue, <<"{NAMES.incoming.name}">>)'
    told = place.server.evaluate(
        f"{{ok, Q}} = rabbit_amqqueue:lookup({name}), element(3, rabbit_amqqueue:stat(Q))"
    )
    return int(told)


# ---------------------------------------------------------------- what is brought


async def offered(town, *ids, to="H37", kind="edoc", size=10):
    for name in ids:
        town.front.offer(name, name.encode() * size, to=to, kind=kind)
    await town.feeds.offer(*(town.front.items[name].row for name in ids))


async def test_what_is_offered_comes_in_order_and_counts_when_it_is_confirmed(town):
    await town.feeds.place(f"amqp:{town.one}")
    await offered(town, "a1", "a2")
    await offered(town, "s1", kind="status")
    await offered(town, "x1", to="H37.71")
    await offered(town, "big", size=400_000)
    async with town.door(max_bytes=1 << 20), system_at(town.place, town.one) as system:
        came = [await system.brought() for _ in range(4)]
        assert [(one.message_id, one.type) for one in came] == [
            ("a1", "document"), ("a2", "document"), ("s1", "status"), ("big", "document"),
        ]  # fmt: skip
        assert came[0].body == b"a1" * 10
        assert json.loads(came[3].body) == {
            "href": "/api/v1/inbox/big/edxml",
            "sha256": came[3].headers["sha256"],
            "size_bytes": 1_200_000,
        }
        assert all(one.delivery_mode == 2 and not one.headers["replay"] for one in came)
        assert town.front.items["a1"].row.taken_at is None  # lying in a queue is not receipt
        await system.publish(b'{"id": "a1"}', type="confirm", message_id="c-1",
                             content_type="application/json")  # fmt: skip
        assert (await system.reply()).type == "accepted"
        assert town.front.items["a1"].row.taken_at is not None
        await until(lambda: town.feeds.places[f"amqp:{town.one}"].cursor == 5)
        await town.feeds.rewind(f"amqp:{town.one}", 3, by="van-hanh", reason="khôi phục")
        again = await system.brought()
        assert (again.message_id, again.headers["replay"]) == ("big", True)
        assert again.body == came[3].body


class Damaged(FakeFrontDoor):
    """Some items are gone, some do not open, some break off while they are read."""

    async def fetch(self, caller, item_id):
        if item_id == "gone":
            raise RejectedError(Reason.NOT_FOUND)
        if item_id == "hurt":
            raise IntegrityError("the stored bytes do not match their hash")
        packet = await super().fetch(caller, item_id)

        async def broken():
            yield b"half"
            raise RejectedError(Reason.NOT_FOUND)

        return replace(packet, chunks=broken()) if item_id == "half" else packet


async def test_what_is_damaged_holds_up_nothing_behind_it(town):
    town.front = Damaged()
    await town.feeds.place(f"amqp:{town.one}")
    await offered(town, "a1", "gone", "hurt", "half", "a2")
    async with town.door(), system_at(town.place, town.one) as system:
        assert [(await system.brought()).message_id for _ in range(2)] == ["a1", "a2"]
        await until(lambda: town.feeds.places[f"amqp:{town.one}"].cursor == 5)


async def test_of_two_nodes_one_brings_and_both_answer(town):
    turns = asyncio.Lock()

    @asynccontextmanager
    async def turn(_):
        if turns.locked():
            yield False
            return
        async with turns:
            yield True

    await town.feeds.place(f"amqp:{town.one}")
    async with town.door(turn), town.door(turn), system_at(town.place, town.one) as system:
        await offered(town, *(f"a{n}" for n in range(9)))
        came = [(await system.brought()).message_id for _ in range(9)]
        for n in range(6):
            await system.publish(b"<edXML>%d</edXML>" % n, message_id=f"m-{n}")
        answered = {(await system.reply()).correlation_id for _ in range(6)}
    assert came == [f"a{n}" for n in range(9)]
    assert answered == {f"m-{n}" for n in range(6)}
    assert town.place.queues()[NAMES.out(town.one).name] == 0


async def test_a_full_queue_is_waited_for(town, monkeypatch):
    monkeypatch.setattr(names, "_OUT", {**names._OUT, "x-max-length": 2})
    await town.feeds.place(f"amqp:{town.one}")
    ids = [f"a{n}" for n in range(12)]
    await offered(town, *ids)
    async with town.door(), system_at(town.place, town.one) as system:
        came = []
        while len(came) < 12:
            message = (await system.brought()).message_id
            if message not in came:  # doubt means again
                came.append(message)
    assert came == ids
    assert town.feeds.places[f"amqp:{town.one}"].cursor == 12


# ---------------------------------------------------------------- a whole gateway


async def test_two_agencies_exchange_over_the_broker_alone(rabbit_place, tmp_path, capsys):
    sender, receiver = f"snv-{rabbit_place.vhost}", f"stc-{rabbit_place.vhost}"
    for name in (sender, receiver):
        add_user(rabbit_place, name)
    (tmp_path / "mq.password").write_text(PASSWORD, encoding="utf-8")
    (tmp_path / "mq.password").chmod(0o600)
    extra = (
        f'[agencies_amqp]\nurl = "{rabbit_place.url}"\npassword_file = "mq.password"\n'
        f'systems = ["{sender}", "{receiver}"]\nmax_bytes = "64 KiB"\n'
    )
    speaks = {sender: ["H37.02"], receiver: ["H37.04"]}
    try:
        async with (
            gatehouse(tmp_path, extra=extra, speaks=speaks) as house,
            system_at(rabbit_place, sender) as snv,
            system_at(rabbit_place, receiver) as stc,
        ):
            for name in (sender, receiver):
                await house.gateway.feeds.place(f"amqp:{name}")
            await until(lambda: NAMES.out(receiver).name in rabbit_place.queues())
            await _exchange(house, snv, stc)
            async with house.session.get(f"{house.url}/asyncapi.json") as answer:
                told = await answer.json()
                assert told["channels"]["submissions"]["address"] == "vanlien.in"
            await house.gateway.duty.maintenance("nâng cấp")
            await until(lambda: consumers(rabbit_place) == 0)
            await house.gateway.duty.maintenance("")
            await until(lambda: consumers(rabbit_place) == 1)
        command = ["broker", "agencies", "--diff", "--config", f"{tmp_path}/vanlien.toml"]
        assert await asyncio.to_thread(main, command) == 0  # the gateway made everything
        assert f"set_permissions -p {rabbit_place.vhost} {sender} " in capsys.readouterr().out
        assert await asyncio.to_thread(main, [*command, "--json"]) == 0
        told = json.loads(capsys.readouterr().out)
        assert [one["user"] for one in told["permissions"]] == [sender, receiver]
        assert (await _doctor(tmp_path)).state == "ok"
        config = tmp_path / "vanlien.toml"
        text = config.read_text(encoding="utf-8")
        config.write_text(text.replace(receiver, "nobody"), encoding="utf-8")
        found = await _doctor(tmp_path)
        assert (found.state, found.en) == ("warning", "no active system: nobody")
    finally:
        for name in (sender, receiver):
            remove_user(rabbit_place, name)


async def _doctor(folder):
    settings = load(folder / "vanlien.toml")
    found = await asyncio.to_thread(doctor.examine, settings)
    return next(one for one in found if one.what == "agencies_amqp")


async def _exchange(house, snv, stc):
    # (1) inside the message: accepted with the same answer as over HTTP
    await snv.publish(packet("12"), message_id="so-12")
    accepted = json.loads((await snv.reply()).body)
    assert accepted["receipt"].count(".") == 2
    assert (await house.send(packet("12"), snv.id, key="so-12"))[1] == accepted
    # (2) brought; in its system only when it says so (RCV-06)
    came = await stc.brought()
    assert (came.type, came.headers["sender"]) == ("document", "H37.02")
    (item,) = await house.inbox(stc.id)
    assert (item["id"], item["state"]) == (came.message_id, "offered")
    asked = json.dumps({"id": came.message_id}).encode()
    media = "application/json"
    await stc.publish(asked, type="confirm", message_id="x-1", content_type=media)
    assert json.loads((await stc.reply()).body) == {"id": came.message_id, "kind": "confirm"}
    await snv.publish(asked, type="confirm", message_id="x-2", content_type=media)
    assert json.loads((await snv.reply()).body)["reason"] == "not-found"  # not its own
    # (3) statuses come back by the same way
    accepting = status(head(accepted["document_id"], code="12/SNV-VP", date=DAY), "03",
                       sender="H37.04")  # fmt: skip
    await stc.publish(accepting, type="status", message_id="x-3")
    assert (await stc.reply()).type == "accepted"
    codes = [(await snv.brought()).headers["code"] for _ in range(2)]
    assert codes == ["01", "03"]
    # (4) too large for a message: uploaded before, by the same system only
    large = packet("13", files=[("phu-luc.txt", random.Random(1).randbytes(75_000).hex().encode())])
    await snv.publish(large, message_id="so-13")
    assert json.loads((await snv.reply()).body)["status"] == 413
    call = {"data": large, "headers": {"Content-Type": "application/edxml+xml"}}
    code, kept, _ = await house.call("POST", "/uploads", snv.id, **call)
    assert (code, kept["sha256"]) == (201, hashlib.sha256(large).hexdigest())
    reference = json.dumps({"upload": kept["id"], "sha256": kept["sha256"]}).encode()
    await stc.publish(reference, message_id="x-4", content_type=wire.REFERENCE)
    assert json.loads((await stc.reply()).body)["reason"] == "not-found"
    await snv.publish(reference, message_id="so-13", content_type=wire.REFERENCE)
    assert (await snv.reply()).type == "accepted"
    came = await stc.brought()
    told = json.loads(came.body)
    assert came.content_type == wire.REFERENCE
    code, data, _ = await house.call("GET", told["href"].removeprefix("/api/v1"), stc.id)
    assert (code, hashlib.sha256(data).hexdigest()) == (200, told["sha256"])
