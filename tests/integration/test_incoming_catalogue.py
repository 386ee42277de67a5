"""The catalogue a peer publishes: taken over once, and nothing of our own changed."""

import asyncio

import pytest

from gateway.errors import UnavailableError
from gateway.ports import AgencyRow
from gateway.programs.cataloguing import Cataloguer
from gateway.programs.context import PeerPolicy
from tests.world.outside import PEER, outside

ROWS = [
    AgencyRow("000.00.00.H15", "UBND tỉnh Đắk Lắk (Mã cũ) (qd20)"),
    AgencyRow("H15", "UBND tỉnh Đắk Lắk", "000.00.00.H15"),
    AgencyRow("G09", "Bộ Nội vụ (tên mới)", "000.00.00.G09"),
    AgencyRow("H14", "UBND tỉnh Cao Bằng", "000.00.00.H14"),
    AgencyRow("H37.04", "Tên lạ cho đơn vị của ta"),
    AgencyRow("02.29.W00", "Trung tâm liên thông", status="hub", connected=False),
    AgencyRow("không phải mã", "Rác"),
]


@pytest.fixture
async def out(tmp_path):
    async with outside(tmp_path) as found:
        yield found


async def directory(out):
    async def fresh():
        found = out.house.gateway.catalogue.directory()
        return found if found.get("H15") is not None else None

    return await out.house.until(fresh)


async def test_what_is_new_is_taken_over_and_ours_is_left_alone(out):
    out.peer.catalogue = ROWS
    cataloguer = Cataloguer(out.house.gateway.context)
    assert await cataloguer.once(out.peer) == 3
    found = await directory(out)
    new = found.get("H15")
    assert (new.name, new.legacy_code, new.hop) == ("UBND tỉnh Đắk Lắk", "000.00.00.H15", PEER)
    assert found.get("000.00.00.H15") is None
    assert found.get("G09").name == "Bộ Nội vụ (tên mới)"
    assert found.get("H14").legacy_code == "000.00.00.H14"
    assert found.get("H37.04").name == "Sở Tài chính"
    assert found.get("02.29.W00") is None
    # Again: nothing new.
    assert await cataloguer.once(out.peer) == 0


async def test_old_and_new_code_of_a_new_agency_are_one_delivery(out):
    out.peer.catalogue = ROWS
    await Cataloguer(out.house.gateway.context).once(out.peer)
    await directory(out)
    out.peer.known = [*out.peer.known, "H15", "000.00.00.H15"]
    answer = await out.send(to=("H15", "000.00.00.H15"))
    (delivery,) = (await out.house.document(answer["id"]))["deliveries"]
    assert delivery["state"] == "handed_over"
    assert len(out.peer.delivered) == 1


async def test_only_what_the_settings_place_behind_a_peer(out):
    out.house.gateway.context.peers[PEER] = PeerPolicy(codes_behind=("G",))
    out.peer.catalogue = [AgencyRow("G13", "Bộ khác"), *ROWS]
    assert await Cataloguer(out.house.gateway.context).once(out.peer) == 0
    out.house.gateway.context.peers[PEER] = PeerPolicy(codes_behind=("G13", "H15"))
    assert await Cataloguer(out.house.gateway.context).once(out.peer) == 2


async def test_a_catalogue_nobody_can_read_changes_nothing(out):
    out.peer.catalogue = ROWS
    out.peer.unreadable = 1
    with pytest.raises(UnavailableError):
        await Cataloguer(out.house.gateway.context).once(out.peer)
    assert out.house.gateway.catalogue.directory().get("H15") is None


async def test_a_peer_that_fails_is_asked_again_soon_and_the_others_are_left_alone(out):
    out.peer.catalogue = ROWS
    cataloguer = Cataloguer(out.house.gateway.context)
    waits = []
    for failures in (1, 1, 1, 0):
        out.peer.unreadable = failures
        waits.append(await cataloguer.round())
        for line in cataloguer._lines.values():
            line.due = 0.0
    assert waits[:3] == pytest.approx([10, 20, 40], abs=1)
    assert waits[3] > 3600
    assert (await directory(out)).get("H15") is not None
    # What answered is not asked again before its time.
    for line in cataloguer._lines.values():
        line.due = asyncio.get_running_loop().time() + 100
    out.peer.unreadable = 1
    assert await cataloguer.round() == pytest.approx(100, abs=1)
    assert out.peer.unreadable == 1
