"""Unmodified Bkav clients against a whole gateway: one speaks REST, the other SOAP."""

import base64
import email
import json
from datetime import UTC, datetime

import pytest
from lxml import etree

from adapters.bkav import plugin
from adapters.simulator.autoagency import ACCEPTS, AutoAgency
from adapters.simulator.axis import AxisSimulator
from gateway.codec.limits import DEFAULT_LIMITS
from gateway.codec.reader import read_packet
from gateway.ports import AgencyRow
from gateway.secrets import write_private
from tests.world import bkav_kit as kit
from tests.world.gatehouse import HUB, LOCAL, MINISTRY, MovedClock, gatehouse, packet
from tests.world.outside import cold

DAY = datetime.now(UTC).strftime("%d/%m/%Y")


@pytest.fixture
async def house(tmp_path):
    with cold():
        async with gatehouse(tmp_path, http='facades = ["bkav"]') as found:
            yield found


async def rest(house, system, organ, method, operation, data=b"", **headers):
    headers = {name.replace("_", "-"): value for name, value in headers.items()}
    headers |= {"Authorization": house.systems[system].key, "organId": organ}
    url = f"{house.url}/EdocService/{operation}"
    async with house.session.request(method, url, data=data, headers=headers) as answer:
        assert answer.status == 200
        return json.loads(await answer.read())


async def soap(house, body, action, content_type="text/xml"):
    headers = {"Content-Type": content_type, "SOAPAction": action}
    url = f"{house.url}/services/EdocService"
    async with house.session.post(url, data=body, headers=headers) as answer:
        assert answer.status == 200, await answer.read()
        return answer.headers["Content-Type"], await answer.read()


async def ask(house, system, organ, operation, **texts):
    body = kit.request(operation, organ, house.systems[system].key, **texts)
    return (await soap(house, kit.envelope("", body), operation))[1]


def texts(data, name):
    return [e.text or "" for e in etree.fromstring(data).iter(f"{{{kit.EDOC}}}{name}")]


async def test_rest_sends_soap_receives_and_answers(house, tmp_path):
    snv, stc = ("snv", "000.00.02.H37"), ("stc", "H37.04")
    sent = await rest(house, *snv, "POST", "sendDocument", packet(), messageType="EDOC")
    assert (sent["status"], sent["errors"]) == ("Success", [])
    again = await rest(house, *snv, "POST", "sendDocument", packet(), messageType="EDOC")
    assert again == sent

    async def pending():
        return texts(await ask(house, *stc, "GetPendingDocumentIds"), "DocumentId")

    (doc_id,) = await house.until(pending)
    body = kit.request("GetDocument", stc[1], house.systems["stc"].key, DocumentId=doc_id)
    content_type, data = await soap(house, kit.envelope("", body), "GetDocument")
    letter = email.message_from_bytes(f"Content-Type: {content_type}\r\n\r\n".encode() + data)
    root, file = letter.get_payload()
    assert base64.b64decode(file.get_payload(decode=True)) == b"xin chao"
    header = root.get_payload(decode=True)
    wire_id = texts(header, "DocumentId")[-1]
    assert texts(header, "OrganId")[:2] == ["H37.02", "H37.04"]
    for _ in range(2):
        assert texts(await ask(house, *stc, "ConfirmReceived", DocumentId=doc_id), "IsSuccess") == [
            "true"
        ]
    assert await pending() == []
    # The recipient registers it; the sender's system reads 01 of ours and 03 of theirs.
    status = kit.status(document=wire_id).replace("21/11/2026", DAY)
    login = kit.login(stc[1], house.systems["stc"].key)
    _, told = await soap(house, kit.envelope(login, status), "UpdateTraces")
    assert texts(told, "IsSuccess") == ["true"]
    rows = (await rest(house, *snv, "GET", "getPendingDocIds", messageType="STATUS"))["data"]
    codes = []
    for n, row in enumerate(rows):
        number = str(row["docId"])
        got = await rest(house, *snv, "POST", "getDocument", docId=number, type="STATUS")
        spool = tmp_path / f"status-{n}"
        spool.mkdir()
        data = base64.b64decode(got["data"], validate=True)
        codes.append(read_packet([data], spool, DEFAULT_LIMITS).status.code)
        await rest(house, *snv, "POST", "confirmReceived", docId=number)
    assert codes == ["01", "03"]
    asked = {"fromOrgan": "H37.02", "toOrgan": "H37.04", "docCode": "12/SNV-VP"}
    exists = await rest(house, *snv, "POST", "checkExistDocument", json.dumps(asked).encode())
    assert exists["data"] is True


async def test_soap_sends_rest_receives_and_findings_come_back(house, tmp_path):
    key = house.systems["snv"].key
    told = (
        kit.message()
        .replace("21/11/2026", DAY)
        .replace("2026/11/21", f"{DAY[6:]}/{DAY[3:5]}/{DAY[:2]}")
    )
    root = kit.envelope(told + kit.login("H37.02", key), kit.manifest("1").replace(".pdf", ".txt"))
    data = kit.related(root, kit.text_part("1", b"xin chao"))
    _, answer = await soap(house, data, "SendDocument", kit.multipart_type())
    assert texts(answer, "IsSuccess") == ["true"], answer

    async def pending():
        return (await rest(house, "stc", "H37.04", "GET", "getPendingDocIds"))["data"]

    (row,) = await house.until(pending)
    got = await rest(house, "stc", "H37.04", "POST", "getDocument", docId=str(row["docId"]))
    packet_ = base64.b64decode(got["data"], validate=True)
    assert key.encode() not in packet_
    (tmp_path / "spool").mkdir()
    read = read_packet([packet_], tmp_path / "spool", DEFAULT_LIMITS)
    assert read.files[0].read_bytes() == b"xin chao"
    assert read.repairs == ()  # strict, whatever came in
    # A letter with faults gets all of them at once, in both languages.
    bad = told.replace("Về việc thử &lt;nghiệm&gt;", "").replace("H37.04", "H14.99")
    root = kit.envelope(bad.replace("12", "13") + kit.login("H37.02", key), kit.manifest())
    _, answer = await soap(house, root, "SendDocument")
    assert texts(answer, "IsSuccess") == ["false"]
    assert texts(answer, "Code")[0] in {"18", "22"}
    assert "N.Subject" in texts(answer, "Code")


# ---------------------------------------------------------------- an axis of Bkav as peer


@pytest.mark.parametrize("variant", ["rest", "soap12"])
async def test_a_gateway_behind_an_axis_of_bkav(tmp_path, variant):
    clock = MovedClock()
    (tmp_path / "axis").mkdir()
    axis = AxisSimulator(plugin, tmp_path / "axis", clock)
    axis.add_system(HUB, b"token-hub", [AgencyRow(a.code, a.name) for a in LOCAL])
    axis.add_system("bnv", b"token-bnv", [MINISTRY])
    endpoint = await axis.start()
    client = plugin.make_client(
        name="bnv",
        endpoint=endpoint,
        system_id="bnv",
        secret=b"token-bnv",
        clock=clock,
        variant=variant,
    )
    ministry = AutoAgency(client, clock, MINISTRY.code, MINISTRY.name, ACCEPTS)
    write_private(tmp_path / "bkav.secret", b"token-hub")
    peer = (
        f'[[peer]]\nid = "tinh"\ndialect = "bkav"\nvariant = "{variant}"\n'
        f'endpoint = "{endpoint}"\nsystem_id = "{HUB}"\nsecret_file = "bkav.secret"\n'
        'poll_every = "100 ms"\ncodes_behind = "*"\n'
    )
    try:
        with cold():
            async with gatehouse(tmp_path, extra=peer) as house:

                async def known():
                    return house.gateway.catalogue.directory().get(MINISTRY.code) is not None

                await house.until(known)
                status, answer, _ = await house.send(packet(to=[MINISTRY.code]))
                assert status == 202, answer

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
