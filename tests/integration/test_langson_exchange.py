"""Unmodified Lạng Sơn clients against a whole gateway: one of the older form, one of today's."""

import base64

import aiohttp
import pytest

from adapters.langson import plugin
from adapters.simulator.autoagency import ACCEPTS, AutoAgency
from adapters.simulator.axis import AxisSimulator
from gateway.codec.status import parse_status
from gateway.ports import AgencyRow
from gateway.secrets import write_private
from tests.world.gatehouse import HUB, LOCAL, MINISTRY, MovedClock, gatehouse, packet
from tests.world.langson_kit import Kit
from tests.world.outside import cold


@pytest.fixture
async def house(tmp_path):
    with cold():
        async with gatehouse(tmp_path, http='facades = ["langson"]') as found:
            yield found


@pytest.fixture
async def session(house):
    async with aiohttp.ClientSession(house.url) as found:
        yield found


def kit(house, session, system):
    return Kit(session, system, house.systems[system].secret)


def done(reply):
    assert reply.status == 200, reply.body
    assert reply.json["success"] is True, reply.body
    return reply.json


async def test_sent_fetched_and_answered(house, session):
    older, today = kit(house, session, "snv"), kit(house, session, "stc")
    done(await older.old_login())
    done(await today.login())
    sent = done(await older.old_send(packet().decode()))
    assert done(await older.old_send(packet().decode()))["docId"] == sent["docId"]

    async def waits(client, kind):
        listed = done(await client.received(kind, fromDate="", toDate=""))
        return listed["data"]

    (row,) = await house.until(lambda: waits(today, "edoc"))
    assert (row["from"], row["to"], row["status"]) == ("H37.02", "H37.04", "initial")
    got = done(await today.get(row["docId"]))["data"]
    assert got["edxml"].startswith("<?xml")
    (file,) = got["attachments"]
    assert base64.b64decode(file["fileContent"]) == b"xin chao"
    assert got["from"] == "H37.02"

    # What this axis's clients do: a code instead of a status message.
    for code in ("01", "03", "06"):
        done(await today.update(row["docId"], code))
    assert await waits(today, "edoc") == []
    told = {}
    for item in await house.until(lambda: enough(older, waits)):
        asked = await older.old_ask("get-edoc", docId=item["docId"])
        report = parse_status(done(asked)["data"]["edxml"].encode())
        told[report.code] = report
        status = {"token": older.token, "docId": item["docId"], "status": "done"}
        done(await older.call("POST", "/api/lgspedoc/update-status", json=status))
    assert set(told) == {"01", "03", "06"}
    assert {report.sender.organ_id for report in told.values()} == {"H37.04"}
    assert {report.response_for.organ_id for report in told.values()} == {"H37.02"}
    assert await waits(older, "status") == []


async def enough(client, waits):
    found = await waits(client, "status")
    return found if len(found) == 3 else None


async def test_what_is_not_ones_own(house, session):
    snv, stc = kit(house, session, "snv"), kit(house, session, "stc")
    done(await snv.login())
    done(await stc.login())
    for reply in (await stc.send(packet()), await stc.old_send(packet().decode())):
        assert reply.json["data"]["errorCode"] == "19", reply.body
    sent = done(await snv.send(packet()))
    row = await house.until(lambda: first(stc))
    for doc_id in (row["docId"], sent["docId"], "nothing"):
        assert (await snv.get(doc_id)).status == 404
        for status in ("done", "fail", "processing", "03"):
            reply = await snv.update(doc_id, status)
            assert reply.json["data"]["errorCode"] == "10", reply.body
    assert (await first(stc))["docId"] == row["docId"]


async def first(client):
    found = done(await client.received(fromDate="", toDate=""))["data"]
    return found[0] if found else None


# ---------------------------------------------------------------- an axis of Lạng Sơn as peer


@pytest.mark.parametrize("variant", ["v1", "lgspedoc"])
async def test_a_gateway_behind_such_an_axis(tmp_path, variant):
    clock = MovedClock()
    (tmp_path / "axis").mkdir()
    axis = AxisSimulator(plugin, tmp_path / "axis", clock)
    axis.add_system(HUB, b"khoa-hub", [AgencyRow(a.code, a.name) for a in LOCAL])
    axis.add_system("bnv", b"khoa-bnv", [MINISTRY])
    endpoint = await axis.start()
    client = plugin.make_client(
        name="bnv",
        endpoint=endpoint,
        system_id="bnv",
        secret=b"khoa-bnv",
        clock=clock,
        variant=variant,
    )
    ministry = AutoAgency(client, clock, MINISTRY.code, MINISTRY.name, ACCEPTS)
    write_private(tmp_path / "tinh.secret", b"khoa-hub")
    peer = (
        f'[[peer]]\nid = "tinh"\ndialect = "langson"\nvariant = "{variant}"\n'
        f'endpoint = "{endpoint}"\nsystem_id = "{HUB}"\nsecret_file = "tinh.secret"\n'
        f'application_code = "APP"\npoll_every = "100 ms"\ncodes_behind = "*"\n'
    )
    try:
        with cold():
            async with gatehouse(tmp_path, extra=peer) as house:

                async def known():
                    return house.gateway.catalogue.directory().get(MINISTRY.code) is not None

                await house.until(known)
                status, answer, _ = await house.send(packet(to=[MINISTRY.code]))
                assert status == 202, answer
                # Its tokens end while it works: nobody notices.
                axis.forget_tokens()

                async def worked():
                    await ministry.step()
                    (delivery,) = (await house.document(answer["id"]))["deliveries"]
                    return delivery["last_status"] == "03"

                await house.until(worked)
                (head,) = ministry.documents
                assert (head.sender, head.code) == ("H37.02", "12/SNV-VP")
    finally:
        await client.close()
        await axis.stop()
