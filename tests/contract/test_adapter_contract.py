"""What every Adapter must do, run on each dialect's client against a simulated axis, and on the fake."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import timedelta

import pytest

from adapters import bkav, langson, vxp, wso2
from adapters.simulator import packets
from adapters.simulator.axis import AxisSimulator, Fault, Manners
from gateway.errors import IntegrityError, UnavailableError
from gateway.ports import Adapter, AgencyRow, Busy, Listed, MessageKind, Refused, Taken
from tests.world.fake_adapter import FakeAdapter, document_packet, parcel_of
from tests.world.fake_frontdoor import FakeClock

US, THEM, NOBODY = "H37.02", "G12", "H99.99"
ROWS = [AgencyRow(US, "Sở Nội vụ", "000.00.02.H37"), AgencyRow(THEM, "Bộ Tài chính")]


@dataclass
class Bench:
    """One adapter with a hand on its peer."""

    adapter: Adapter
    clock: FakeClock
    offer: Callable[[bytes, MessageKind], Awaitable[None]]
    received: Callable[[], list[bytes]]
    be_busy: Callable[[], None]
    lose_answer: Callable[[], None]
    be_unreadable: Callable[[], None]

    async def send(self, data: bytes, to: str = THEM, **options):
        parcel = parcel_of(data, sender=US, recipients=[to], **options)
        return await self.adapter.deliver(parcel, deadline=self.clock.now() + timedelta(seconds=20))


def simulated(plugin, **options):
    """Return the bench of a dialect: its client before an axis that speaks it."""

    async def bench(folder, clock):
        axis = AxisSimulator(plugin, folder, clock, manners=Manners(rewrites=False))
        axis.add_system("us", b"secret-us", ROWS[:1])
        axis.add_system("them", b"secret-them", ROWS[1:])
        endpoint = await axis.start()

        def client(system_id, secret):
            return plugin.make_client(
                name="axis",
                endpoint=endpoint,
                system_id=system_id,
                secret=secret,
                clock=clock,
                **options,
            )

        ours, theirs = client("us", b"secret-us"), client("them", b"secret-them")

        async def offer(data, kind):
            parcel = parcel_of(data, sender=THEM, recipients=[US], kind=kind)
            deadline = clock.now() + timedelta(seconds=20)
            assert isinstance(await theirs.deliver(parcel, deadline=deadline), Taken)
            axis.calls.clear()

        async def close():
            await ours.close()
            await theirs.close()
            await axis.stop()

        made = Bench(
            ours,
            clock,
            offer,
            lambda: [item.path.read_bytes() for item in axis.items if item.system_id == "them"],
            lambda: axis.fail("send", Fault.BUSY),
            lambda: axis.fail("send", Fault.LOSE_ANSWER),
            lambda: [axis.fail(doing, Fault.HTML) for doing in ("list", "acknowledge")],
        )
        return made, close

    return bench


async def fake_bench(folder, clock):
    adapter = FakeAdapter(clock, known=[US, THEM], catalogue=ROWS)

    async def offer(data, kind):
        adapter.offer(f"d{len(adapter.offered) + 1}", data, kind)

    bench = Bench(
        adapter,
        clock,
        offer,
        lambda: [data for _, data in adapter.delivered],
        lambda: adapter.plan.append(Busy("not now")),
        lambda: adapter.plan.append("lost"),
        lambda: setattr(adapter, "unreadable", 1),
    )
    return bench, adapter.close


BENCHES = {
    **{plugin.name: simulated(plugin) for plugin in (vxp.plugin, bkav.plugin, wso2.plugin)},
    "langson": simulated(langson.plugin),
    "lgspedoc": simulated(langson.plugin, variant="lgspedoc"),
    "fake": fake_bench,
}


@pytest.fixture(params=BENCHES.values(), ids=BENCHES)
async def bench(request, tmp_path):
    made, close = await request.param(tmp_path, FakeClock())
    yield made
    await close()


def status() -> bytes:
    head = packets.Head(US, (), f"{US},2026/11/21,7/SNV", "7/SNV", "2026/11/21")
    return packets.status_packet(
        head,
        sender=THEM,
        sender_name="Bộ Tài chính",
        code="03",
        description="",
        at=FakeClock().now(),
    )


async def joined(stream):
    return b"".join([chunk async for chunk in stream])


async def test_it_has_a_name(bench):
    assert bench.adapter.name


@pytest.mark.parametrize("end", [b"", b"\r\n", b"\r\n\r\n"])
async def test_the_peer_gets_exactly_our_bytes(bench, end):
    data = document_packet(THEM, padding=300_000).rstrip() + end
    outcome = await bench.send(data)
    assert isinstance(outcome, Taken)
    assert outcome.peer_doc_id
    assert bench.received() == [data]


async def test_unknown_recipient_is_refused_for_good(bench):
    outcome = await bench.send(document_packet(NOBODY), to=NOBODY)
    assert isinstance(outcome, Refused)
    assert outcome.code == "18"
    assert bench.received() == []


async def test_busy_passes(bench):
    bench.be_busy()
    data = document_packet(THEM)
    assert isinstance(await bench.send(data), Busy)
    assert bench.received() == []
    assert isinstance(await bench.send(data), Taken)
    assert bench.received() == [data]


async def test_a_lost_answer_is_doubt_not_refusal(bench):
    bench.lose_answer()
    data = document_packet(THEM)
    assert isinstance(await bench.send(data), Busy)
    assert bench.received() == [data]


async def test_past_the_deadline_nothing_is_sent(bench):
    parcel = parcel_of(document_packet(THEM), sender=US, recipients=[THEM])
    assert isinstance(await bench.adapter.deliver(parcel, deadline=bench.clock.now()), Busy)
    assert bench.received() == []


@pytest.mark.parametrize("padding", [0, 300_000])
async def test_a_damaged_parcel_never_arrives_whole(bench, padding):
    with pytest.raises(IntegrityError):
        await bench.send(document_packet(THEM, padding=padding), damaged=True)
    assert bench.received() == []


async def test_nothing_waits(bench):
    assert list(await bench.adapter.listing("edoc")) == []
    assert list(await bench.adapter.listing("status")) == []


async def test_what_waits_is_fetched_and_acknowledged(bench):
    data = document_packet(US, sender=THEM, padding=200_000)
    await bench.offer(data, "edoc")
    await bench.offer(status(), "status")
    (item,) = await bench.adapter.listing("edoc")
    assert item.kind == "edoc"
    assert item.created_at in {bench.clock.now(), None}  # not every wire says when
    for _ in range(2):
        assert await joined(bench.adapter.fetch(item)) == data
    assert list(await bench.adapter.listing("edoc")) == [item]
    for _ in range(2):
        await bench.adapter.acknowledge(item, done=True)
    assert list(await bench.adapter.listing("edoc")) == []
    (reported,) = await bench.adapter.listing("status")
    assert await joined(bench.adapter.fetch(reported)) == status()
    await bench.adapter.acknowledge(reported, done=False, note="không đọc được")
    assert list(await bench.adapter.listing("status")) == []


async def test_unreadable_is_not_empty(bench):
    await bench.offer(document_packet(US, sender=THEM), "edoc")
    bench.be_unreadable()
    with pytest.raises(UnavailableError):
        await bench.adapter.listing("edoc")
    assert len(await bench.adapter.listing("edoc")) == 1


async def test_an_acknowledgement_not_confirmed_is_said(bench):
    await bench.offer(document_packet(US, sender=THEM), "edoc")
    (item,) = await bench.adapter.listing("edoc")
    bench.be_unreadable()
    with pytest.raises(UnavailableError):
        await bench.adapter.acknowledge(item, done=True)


async def test_an_item_that_is_not_there(bench):
    with pytest.raises(UnavailableError):
        await joined(bench.adapter.fetch(Listed("none", "edoc")))


async def test_agencies(bench):
    rows = {row.code: row for row in await bench.adapter.agencies()}
    assert set(rows) == {US, THEM}
    assert rows[US].legacy_code == "000.00.02.H37"
    assert rows[THEM].name == "Bộ Tài chính"


async def test_probe(bench):
    await bench.adapter.probe()
    bench.be_unreadable()
    with pytest.raises(UnavailableError):
        await bench.adapter.probe()


async def test_closing_twice(bench):
    await bench.adapter.probe()
    await bench.adapter.close()
    await bench.adapter.close()
