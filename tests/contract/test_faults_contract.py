"""What every dialect's client does when the other side does wrong: every fault of the simulator.

Nothing taken that was not, nothing refused that may pass, no trouble read as an empty list, no half
packet taken for a whole one; and when the trouble is over, everything works.
"""

from datetime import timedelta

import pytest

from adapters.simulator.axis import Fault
from gateway.errors import RejectedError, UnavailableError
from gateway.ports import Busy, Refused, Taken
from tests.contract.test_facade_contract import FORMS, axis_side
from tests.world.fake_adapter import document_packet, parcel_of

NEVER = [Fault.ERROR_500, Fault.HTML, Fault.EMPTY, Fault.GARBAGE, Fault.NO_DATA]
SHUT = [Fault.UNAUTHORIZED, Fault.NOT_OFFERED, Fault.BUSY, Fault.DROP]
CUT = [Fault.LOSE_ANSWER, Fault.TRUNCATED]
OFTEN = 8
"""Enough for whoever tries again by himself, or another way."""


@pytest.fixture(params=FORMS)
async def line(request, tmp_path):
    async with axis_side(FORMS[request.param], tmp_path, rewrites=False) as (_, connect, axis):
        made = [connect("snv", b"secret-snv"), connect("stc", b"secret-stc")]
        yield axis, *made
        for adapter in made:
            await adapter.close()


async def hand(axis, adapter, data):
    parcel = parcel_of(data, sender="H37.02", recipients=["H37.04"])
    deadline = axis._clock.now() + timedelta(seconds=60)
    return await adapter.deliver(parcel, deadline=deadline)


def over(axis, operation):
    """End the trouble, and let who waits before he signs in again have waited."""
    axis.mend(operation)
    axis._clock.move(minutes=2)


async def joined(stream):
    return b"".join([chunk async for chunk in stream])


def letter(number, padding=0):
    return document_packet("H37.04", number=str(number), padding=padding)


async def test_sending(line):
    axis, ours, _ = line
    for number, fault in enumerate([*NEVER, *SHUT, *CUT], 1):
        axis.fail("send", *[fault] * OFTEN)
        outcome = await hand(axis, ours, letter(number, 50_000))
        over(axis, "send")
        assert isinstance(outcome, Busy), (fault, outcome)
        assert outcome.reason
        assert isinstance(await hand(axis, ours, letter(number, 50_000)), Taken), fault
    axis.fail("send", *[Fault.REFUSE] * OFTEN)
    outcome = await hand(axis, ours, letter(99))
    assert isinstance(outcome, Refused)
    assert outcome.code == "18"


async def test_listing(line):
    axis, ours, theirs = line
    await hand(axis, ours, letter(1))
    for fault in [*NEVER, *SHUT, *CUT, Fault.REFUSE]:
        axis.fail("list", *[fault] * OFTEN)
        with pytest.raises(UnavailableError):
            pytest.fail(f"{fault}: {await theirs.listing('edoc')}")
        over(axis, "list")
        assert len(await theirs.listing("edoc")) == 1, fault


async def test_lists_that_lie(line):
    axis, ours, theirs = line
    for number in range(1, 5):
        await hand(axis, ours, letter(number))
    whole = [item.peer_doc_id for item in await theirs.listing("edoc")]
    axis.fail("list", Fault.DUPLICATE)
    assert sorted(i.peer_doc_id for i in await theirs.listing("edoc")) == sorted(whole)
    for fault in (Fault.BACKWARDS, Fault.SHUFFLED):
        axis.fail("list", fault)
        assert {i.peer_doc_id for i in await theirs.listing("edoc")} == set(whole)
    axis.fail("list", Fault.HALF)
    assert len(await theirs.listing("edoc")) == 2
    axis.fail("list", Fault.PHANTOM)
    told = await theirs.listing("edoc")
    (phantom,) = [i for i in told if i.peer_doc_id not in whole]
    with pytest.raises((UnavailableError, RejectedError)):
        await joined(theirs.fetch(phantom))


async def test_fetching(line):
    axis, ours, theirs = line
    await hand(axis, ours, letter(1, 100_000))
    (item,) = await theirs.listing("edoc")
    whole = await joined(theirs.fetch(item))
    for fault in [*NEVER, *SHUT, *CUT, Fault.REFUSE]:
        axis.fail("fetch", *[fault] * OFTEN)
        with pytest.raises((UnavailableError, RejectedError)):
            pytest.fail(f"{fault}: {len(await joined(theirs.fetch(item)))}")
        over(axis, "fetch")
        assert await joined(theirs.fetch(item)) == whole, fault


async def test_acknowledging(line):
    axis, ours, theirs = line
    await hand(axis, ours, letter(1))
    (item,) = await theirs.listing("edoc")
    for fault in [Fault.ERROR_500, Fault.HTML, Fault.EMPTY, Fault.GARBAGE, *SHUT, *CUT]:
        axis.fail("acknowledge", *[fault] * OFTEN)
        with pytest.raises(UnavailableError):
            pytest.fail(f"{fault}: {await theirs.acknowledge(item, done=True)}")
        over(axis, "acknowledge")
    await theirs.acknowledge(item, done=True)
    assert not await theirs.listing("edoc")


async def test_the_catalogue(line):
    axis, ours, _ = line
    codes = {row.code for row in await ours.agencies()}
    for fault in [*NEVER, *SHUT, *CUT]:
        axis.fail("agencies", *[fault] * OFTEN)
        with pytest.raises(UnavailableError):
            pytest.fail(f"{fault}: {await ours.agencies()}")
        over(axis, "agencies")
    assert {row.code for row in await ours.agencies()} == codes


async def test_an_axis_started_again_forgets_tokens(line):
    axis, ours, theirs = line
    await ours.probe()
    axis.forget_tokens()
    assert isinstance(await hand(axis, ours, letter(1)), Taken)
    axis.forget_tokens()
    assert len(await theirs.listing("edoc")) == 1
