"""What a closed agency had is read by who works for its one successor (ID-05, ACC-06)."""

from datetime import timedelta

import pytest

from gateway import stores
from gateway.domain.access import Role
from gateway.domain.succession import Succession
from gateway.ports import AgencyRecord
from tests.world.gatehouse import gatehouse, packet

OLD, NEW, OTHER = "H37.61", "H37.62", "H37.63"


@pytest.fixture(name="house")
async def _house(tmp_path):
    async with gatehouse(tmp_path) as house:
        with stores.open_admin(house.folder / "vanlien.toml") as admin:
            for code in (NEW, OTHER):
                admin.put_agency(
                    AgencyRecord(code, f"UBND {code}", connected="local", console=True), by="t"
                )
        yield house


async def closed(house, *links):
    with stores.open_agencies(house.folder / "vanlien.toml") as book:
        book.close_agency(OLD, list(links), forward_until=None, reason="sáp nhập", by="t")

    async def known():
        directory = house.gateway.catalogue.directory()
        found = directory.get(OLD)
        return found is not None and found.status.value == "closed"

    await house.until(known)


async def arrived(house):
    code, answer, _ = await house.send(packet("12", to=(OLD,)))
    assert code == 202, answer
    await house.state(answer["id"], OLD, "arrived")
    (delivery,) = (await house.document(answer["id"]))["deliveries"]
    return (await house.row("arrival_of_delivery", delivery_id=delivery["id"]))["id"]


async def test_the_one_successor_reads_all_of_it_and_acts_for_itself(house):
    arrival_id = await arrived(house)
    heir = await house.visitor("hoa", Role.CLERK, NEW)
    path = f"/incoming/{arrival_id}"
    assert (await heir.get(path)).status == 404  # before: another agency's
    await closed(house, Succession(OLD, NEW))
    page = await heir.get(path)
    assert page.status == 200
    assert "Tiếp nhận, vào sổ" not in page.words
    assert (await heir.post(f"{path}/accept", {})).status == 403
    # Its own agency comes first; the closed one is a choice in lists, search and registers.
    first = await heir.get("/incoming")
    assert NEW in first.words
    for place in (f"/incoming?agency={OLD}", f"/registers?agency={OLD}", "/search"):
        assert f'value="{OLD}"' in (await heir.get(place)).text, place
    assert path in (await heir.get(f"/incoming?agency={OLD}")).text
    # Evil twins: an officer reads only what is the officer's; another agency nothing.
    officer = await house.visitor("tuan", Role.OFFICER, NEW)
    other = await house.visitor("mai", Role.CLERK, OTHER)
    assert {(await one.get(path)).status for one in (officer, other)} == {404}
    assert (await other.get(f"/incoming?agency={OLD}")).status == 403


async def test_nobody_inherits_an_agency_that_was_split_or_not_yet_taken_over(house):
    arrival_id = await arrived(house)
    heirs = [await house.visitor(name, Role.CLERK, code) for name, code in _CLERKS]
    day = house.clock.now().date()
    later = Succession(OLD, OTHER, valid_from=day + timedelta(days=30))
    await closed(house, Succession(OLD, NEW), later)
    seen = [(await one.get(f"/incoming/{arrival_id}")).status for one in heirs]
    assert seen == [200, 404]
    house.clock.move(timedelta(days=40))
    heirs = [await house.visitor(f"{name}2", Role.CLERK, code) for name, code in _CLERKS]
    seen = [(await one.get(f"/incoming/{arrival_id}")).status for one in heirs]
    assert seen == [404, 404]


_CLERKS = (("hoa", NEW), ("mai", OTHER))
