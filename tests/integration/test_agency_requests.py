"""Agencies that unmodified VXP clients want registered or closed: asked there, decided here."""

import asyncio
import json
import uuid

import pytest

from gateway.__main__ import main
from gateway.domain.identifiers import is_below
from gateway.errors import RejectedError
from gateway.stores import open_requests
from tests.integration.test_facade_exchange import failed, kit, ok, send
from tests.world.gatehouse import gatehouse
from tests.world.outside import cold

WARD = {"id": "", "pcode": "H37.02", "code": "H37.02.07", "name": "Chi cục Văn thư", "mail": "a@b"}


@pytest.fixture
async def house(tmp_path):
    with cold():
        async with gatehouse(tmp_path) as found:
            yield found


async def register(house, system="snv", **changes):
    return await kit(house, system).call(
        "registerAgency", json.dumps(WARD | changes, ensure_ascii=False).encode()
    )


def config(house):
    return house.folder / "vanlien.toml"


def asked(house, *, waiting=True):
    with open_requests(config(house)) as store:
        return store.requests(waiting=waiting)


async def decide(house, what, request):
    """Decide as an operator does, beside the running server."""

    def by_hand():
        with open_requests(config(house)) as store:
            return getattr(store, what)(request.id, reason="Công văn 15/SNV", by="an")

    return await asyncio.to_thread(by_hand)


async def spoken_for(house, code):
    async def known():
        known = house.gateway.catalogue.directory().get(code)
        return known is not None and code in house.gateway.callers.system("snv").speaks_for

    await house.until(known)


async def test_what_was_asked_for_and_approved_sends_and_receives(house):
    reply = ok(await register(house))
    assert "cho quan tri" in reply["ErrorDesc"]
    assert house.gateway.catalogue.directory().get("H37.02.07") is None
    (request,) = asked(house)
    assert (request.system_id, request.wish.name) == ("snv", "Chi cục Văn thư")
    await decide(house, "approve", request)
    await spoken_for(house, "H37.02.07")
    ok(await send(kit(house, "snv"), sender="H37.02"))
    again = ok(await register(house))
    assert again["ErrorDesc"] == "Thanh cong"
    assert asked(house) == []
    agency = house.gateway.catalogue.directory().get("H37.02.07")
    assert (agency.parent, agency.hop, agency.mail) == ("H37.02", "local", "a@b")


async def test_the_agency_above_is_kept_also_where_nobody_wrote_it(house):
    ok(await register(house, pcode=""))
    (request,) = asked(house)
    assert request.wish.parent == "H37.02"
    await decide(house, "approve", request)
    await spoken_for(house, "H37.02.07")
    assert house.gateway.catalogue.directory().get("H37.02.07").parent == "H37.02"


async def test_what_no_line_and_no_xml_can_carry_is_left_out_of_a_name(house):
    ok(await register(house, name="Chi cục\n Văn\x1b[31m\u202e thư\x01"))
    (request,) = asked(house)
    assert request.wish.name == "Chi cục Văn [31m thư"


async def test_asked_twice_it_is_one_request(house):
    for reply in await asyncio.gather(register(house), register(house), register(house)):
        ok(reply)
    assert len(asked(house)) == 1


async def test_refused_it_may_be_asked_again(house):
    ok(await register(house))
    (first,) = asked(house)
    await decide(house, "refuse", first)
    ok(await register(house))
    (second,) = asked(house)
    assert second.id != first.id
    assert [r.state for r in asked(house, waiting=False)] == ["refused", "waiting"]
    with pytest.raises(RejectedError, match="refused already, by an"):
        await decide(house, "approve", first)


async def test_closing_goes_the_same_way(house):
    ok(await register(house))
    await decide(house, "approve", asked(house)[0])
    await spoken_for(house, "H37.02.07")
    ok(await kit(house, "snv").call("deleteAgency", b"{}", AgencyCode="H37.02.07"))
    (request,) = asked(house)
    assert request.kind == "close"
    await decide(house, "approve", request)

    async def closed():
        return house.gateway.catalogue.directory().get("H37.02.07").status.value == "closed"

    await house.until(closed)
    units = ok(await kit(house, "snv").call("getSynchronizeUnit"))["data"]
    gone = {u["code"] for u in units if u["deleted"] == "true"}
    assert "H37.02.07" in gone
    listed = ok(await kit(house, "snv").call("getAgenciesList"))["data"]
    assert gone & {a["code"] for a in listed} == set()
    failed(await kit(house, "snv").call("deleteAgency", b"{}", AgencyCode="H37.99.01"), 10)


@pytest.mark.parametrize(
    ("system", "changes", "words"),
    [
        ("stc", {}, "H37.02"),
        ("snv", {"pcode": "H37.04", "code": "H37.04.01"}, "H37.04"),
        ("snv", {"code": "H37.03.01"}, "cấp dưới"),
        ("snv", {"code": "H37.02"}, "cấp dưới"),
        ("snv", {"code": "h37.02.07"}, "H37.02"),
        ("snv", {"code": "'; DROP TABLE agency"}, "sai cấu trúc"),
        ("snv", {"name": "  "}, "no name"),
        ("snv", {"pcode": "H37.98"}, "H37.98"),
    ],
)
async def test_what_is_not_below_ones_own_is_refused(house, system, changes, words):
    reply = await register(house, system, **changes)
    assert reply.json["status"] == "FAIL"
    assert words in reply.json["ErrorDesc"]
    assert asked(house) == []


@pytest.mark.parametrize("body", [b"", b"[]", b"{", b'{"code":' + b" " * 20_000 + b"1}"])
async def test_a_body_that_is_no_agency_is_refused(house, body):
    reply = await kit(house, "snv").call("registerAgency", body)
    assert reply.json["status"] == "FAIL"
    assert asked(house) == []


async def test_an_operator_sees_and_decides_on_the_command_line(house, capsys):
    ok(await register(house))

    def vanlien(*words):
        code = main([*words, "--config", str(config(house)), "--json"])
        out = capsys.readouterr()
        return code, json.loads(out.out or out.err)

    def day():
        code, told = vanlien("agency", "requests")
        (request,) = told["requests"]
        assert (code, request["code"], request["system"]) == (0, "H37.02.07", "snv")
        code, told = vanlien("agency", "approve", request["id"], "--reason", "CV 15")
        assert (code, told["state"]) == (0, "approved")
        code, _ = vanlien("agency", "approve", request["id"], "--reason", "CV 15")
        assert code != 0
        code, _ = vanlien("agency", "refuse", str(uuid.uuid4()), "--reason", "CV 15")
        assert code != 0

    await asyncio.to_thread(day)


@pytest.mark.parametrize(
    ("code", "above", "below"),
    [
        ("H37.02.07", "H37.02", True),
        ("h37.02.07 ", "H37.02", True),
        ("H37.020", "H37.02", False),
        ("H37.02", "H37.02", False),
        ("000.01.02.H37", "000.00.02.H37", True),
        ("001.00.02.H37", "000.00.02.H37", True),
        ("000.00.02.H37", "000.00.00.H37", True),
        ("000.00.02.H37", "000.00.02.H37", False),
        ("000.00.03.H37", "000.00.02.H37", False),
        ("000.00.02.H38", "000.00.00.H37", False),
        ("H37.02.07", "000.00.02.H37", False),
        ("000.01.02.H37", "H37.02", False),
    ],
)
def test_below(code, above, below):
    assert is_below(code, above) is below
