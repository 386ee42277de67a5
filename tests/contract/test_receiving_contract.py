"""One suite for the clerk's desk and its fake: what pages of incoming documents may rely on."""

from datetime import date

import pytest

from gateway.domain.access import Role
from gateway.domain.lifecycle import ArrivalState
from gateway.errors import Reason, RejectedError
from gateway.ports.clerk_receive import Assigned, Box, Handler, PaperArrival
from gateway.programs.clerk.receiving import LedgerReceiving
from tests.world.console import CLERK
from tests.world.fake_receiving import FakeReceiving
from tests.world.gatehouse import gatehouse, packet

WARD = "H37.61"
_PAPER = PaperArrival("Ông A", "", "1", "ĐT", date(2026, 1, 5), "", "Đơn đề nghị")


class _Real:
    def __init__(self, house):
        self.house = house
        gateway = house.gateway
        self.desk = LedgerReceiving(gateway.context, gateway.desk, gateway.mailroom)

    async def arrive(self, number):
        answer = (await self.house.send(packet(number, to=(WARD,))))[1]
        await self.house.state(answer["id"], WARD, "arrived")
        (delivery,) = (await self.house.document(answer["id"]))["deliveries"]
        row = await self.house.row("arrival_of_delivery", delivery_id=delivery["id"])
        return row["id"]


class _Fake:
    def __init__(self):
        self.desk = FakeReceiving([Handler("a-lan", "lan", "Lan")])

    async def arrive(self, number):
        return self.desk.arrive(f"id-{number}", WARD).id


@pytest.fixture(params=["fake", "real"], name="world")
async def _world(request, tmp_path):
    if request.param == "fake":
        yield _Fake()
        return
    async with gatehouse(tmp_path) as house:
        await house.visitor("lan", Role.CLERK, WARD)
        yield _Real(house)


async def refused(call):
    with pytest.raises(RejectedError) as failure:
        await call
    return failure.value


async def test_from_arrival_to_completion(world):
    desk, one = world.desk, await world.arrive("12")
    assert [x.id for x in (await desk.listed(WARD, Box.WAITING, after="")).lines] == [one]
    assert (await desk.counts(WARD))[Box.WAITING] == 1
    assert not (await desk.listed("H37.04", Box.WAITING, after="")).lines
    early = await refused(desk.progress(CLERK, one, finished=True, note=""))
    assert early.reason is Reason.CONFLICT
    first = await desk.accept(CLERK, one)
    again = await desk.accept(CLERK, one)
    assert (first.number, first.repeated, again.number, again.repeated) == (1, False, 1, True)
    stranger = await refused(desk.assign(CLERK, one, Assigned("a-nobody")))
    assert stranger.reason is Reason.BAD_REQUEST
    await desk.assign(CLERK, one, Assigned("a-lan", due_on=date(2027, 1, 5)))
    assert (await desk.place(one)).handlers == {"a-lan"}
    assert [x.id for x in (await desk.assigned_to("a-lan", after="")).lines] == [one]
    await desk.progress(CLERK, one, finished=False, note="")
    await desk.progress(CLERK, one, finished=True, note="xong")
    assert not (await desk.assigned_to("a-lan", after="")).lines
    assert (await desk.place(one)).state is ArrivalState.DONE
    assert [x.number for x in (await desk.listed(WARD, Box.DONE, after="")).lines] == [1]
    assert (await desk.letter(one)).line.number == 1


async def test_a_refusal_names_every_fault_and_ends_it(world):
    desk, one = world.desk, await world.arrive("12")
    failure = await refused(desk.refuse(CLERK, one, code="R14", text="", answered_for=False))
    assert [f.where for f in failure.findings] == ["/text", "/answered_for"]
    done = await desk.refuse(CLERK, one, code="R01", text="", answered_for=False)
    again = await desk.refuse(CLERK, one, code="R01", text="", answered_for=False)
    assert (done.repeated, again.repeated) == (False, True)
    assert (await refused(desk.accept(CLERK, one))).reason is Reason.ILLEGAL_TRANSITION
    _, paper = await desk.enter(CLERK, WARD, _PAPER)
    assert paper.number == 1  # a refused one took no number


async def test_what_is_not_there_is_not_found(world):
    desk = world.desk
    for call in (desk.place("x"), desk.letter("x"), desk.receipts("x"), desk.accept(CLERK, "x")):
        assert (await refused(call)).reason is Reason.NOT_FOUND
