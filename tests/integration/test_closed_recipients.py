"""Our own senders and closed codes: told, named, replaced only when they say so (ID-05)."""

import pytest

from gateway import stores
from gateway.domain.succession import Succession
from gateway.ports import AgencyRecord
from tests.world.gatehouse import gatehouse, packet

SPLIT = AgencyRecord("H37.30", "Sở đã tách", connected="local")


@pytest.fixture
async def house(tmp_path):
    async with gatehouse(tmp_path) as made:
        config = made.folder / "vanlien.toml"
        with stores.open_admin(config) as admin:
            admin.put_agency(SPLIT, by="t")
        links = [Succession("", "H37.04"), Succession("", "H37.61")]
        with stores.open_agencies(config) as book:
            book.close_agency("H37.30", links, forward_until=None, reason="tách", by="t")

        async def known():
            found = made.gateway.catalogue.directory().get("H37.30")
            return found is not None and found.status == "closed"

        await made.until(known)
        yield made


def deliveries(answer):
    return {d["agency"]: d["state"] for d in answer["deliveries"]}


def about_closed(answer):
    return [f for f in answer["findings"] if f["rule"] == "ID-05"]


async def test_a_closed_recipient_is_named_with_its_successor_and_a_click_replaces_it(house):
    data = packet("1", to=("H25", "H37.61"))
    code, answer, _ = await house.send(data, key="mot")
    assert code == 202
    assert deliveries(answer)["H25"] == "not_connected"  # never silently
    (told,) = about_closed(answer)
    assert "H37.04 (Sở Tài chính)" in told["vi"]
    assert "replace_closed=true" in told["vi"]
    # The click: the same document, for who took over; the others get nothing twice.
    code, answer, _ = await house.send(data, key="hai", query="?replace_closed=true")
    assert code == 202
    assert deliveries(answer)["H37.04"] == "pending"
    assert [f["severity"] for f in about_closed(answer)] == ["note"]
    (item,) = await house.inbox("stc")
    assert item["addressed_as"] == ["H37.04"]
    # The same click again is the same answer; one key is one wish.
    assert (await house.send(data, key="hai", query="?replace_closed=true"))[1] == answer
    assert (await house.send(data, key="hai"))[0] == 422
    assert len((await house.document(answer["id"]))["deliveries"]) == 3


async def test_replaced_at_once_it_is_one_delivery_however_often_named(house):
    data = packet("2", to=("H25", "H37.04"))
    code, answer, _ = await house.send(data, query="?replace_closed=true")
    assert code == 202
    assert list(deliveries(answer)) == ["H37.04"]
    (item,) = await house.inbox("stc")
    assert item["addressed_as"] == ["H37.04"]


async def test_who_names_old_and_new_code_sends_once(house):
    code, answer, _ = await house.send(packet("5", to=("H25", "H37.04")))
    assert code == 202
    assert deliveries(answer) == {"H25": "not_connected", "H37.04": "pending"}
    (item,) = await house.inbox("stc")
    assert item["addressed_as"] == ["H37.04"]


async def test_a_split_is_the_senders_to_choose(house):
    code, answer, _ = await house.send(packet("3", to=("H37.30",)), query="?replace_closed=true")
    assert code == 202
    assert deliveries(answer) == {"H37.30": "not_connected"}
    (told,) = about_closed(answer)
    for name in ("H37.04 (Sở Tài chính)", "H37.61 (UBND phường)"):
        assert name in told["vi"]
    assert "H37.04, H37.61" in answer["deliveries"][0]["reason"]
    refused = await house.send(packet("4", to=("H37.30",)), query="?all_or_nothing=true")
    assert refused[0] == 422


async def test_agencies_are_found_as_a_picker_asks(house):
    async def found(query):
        code, answer, _ = await house.call("GET", f"/agencies?{query}")
        assert code == 200, answer
        return [(a["code"], a["status"], a["successors"]) for a in answer["items"]]

    assert await found("q=tai chinh so") == [("H37.04", "active", [])]
    assert await found("q=000.00.04") == [("H37.04", "active", [])]
    assert await found("q=Sở đã tách") == []
    assert await found("q=so da tach&closed=true") == [("H37.30", "closed", ["H37.04", "H37.61"])]
    assert len(await found("q=h37&limit=2")) == 2
    assert ("H37.04", "active", []) in await found("")
    assert (await house.call("GET", "/agencies?q=a&limit=0"))[0] == 400
    # What is new is found as soon as the catalogue knows it.
    with stores.open_admin(house.folder / "vanlien.toml") as admin:
        admin.put_agency(AgencyRecord("H37.31", "Trạm Kiểm lâm"), by="t")

    async def appears():
        return await found("q=kiem lam")

    assert await house.until(appears) == [("H37.31", "active", [])]
