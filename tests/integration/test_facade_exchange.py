"""Unmodified VXP clients against a whole gateway: send, list, fetch, acknowledge, answer."""

import asyncio
import base64
from datetime import UTC, datetime, timedelta

import pytest

from adapters.simulator import packets
from gateway import stores
from gateway.ports import NewCredential
from gateway.secrets import new_credential_id, new_shared_secret, read_key_file, seal_secret
from tests.world.gatehouse import gatehouse, packet
from tests.world.outside import cold, head, status
from tests.world.vxp_kit import Kit
from tests.world.vxp_kit import head as answer_head

DAY = datetime.now(UTC).strftime("%Y/%m/%d")
LISTING = {"servicetype": "eDoc", "messagetype": "edoc"}
STATUSES = {"servicetype": "eDoc", "messagetype": "status"}


@pytest.fixture
async def house(tmp_path):
    with cold():
        async with gatehouse(tmp_path) as found:
            yield found


def kit(house, system, secret=None):
    secret = secret or house.systems[system].secret
    return Kit(house.gateway.listeners[0].port, system, secret)


def ok(reply):
    assert reply.status == 200
    assert (reply.json["status"], reply.json["ErrorCode"]) == ("OK", "0"), reply.json
    return reply.json


def failed(reply, code, *words):
    assert reply.status == 200, reply.body
    assert (reply.json["status"], reply.json["ErrorCode"]) == ("FAIL", str(code)), reply.json
    for word in words:
        assert word in reply.json["ErrorDesc"]
    return reply.json


async def send(client, data=None, *, sender="H37.02", **how):
    return await client.send_edoc(packet() if data is None else data, **{"from": sender}, **how)


async def rows(client, parameters=LISTING):
    return ok(await client.call("getReceivedEdocList", **parameters))["data"]


async def until_listed(house, client, count=1, parameters=LISTING):
    async def look():
        found = await rows(client, parameters)
        return found if len(found) >= count else None

    return await house.until(look)


def said(data, tmp_path, n=0):
    """Read a status as the axis's own reader does."""
    path = tmp_path / f"said-{n}.edxml"
    path.write_bytes(data)
    return packets.read_head(path)


async def answer_with(client, doc, code, *, sender="H37.04", description=""):
    """Send one status about a document the way the kit does."""
    data = status(
        head(doc, code="12/SNV-VP", date=DAY), code, sender=sender, description=description
    )
    return await client.send_edoc(data, "status", **{"from": sender})


# ---------------------------------------------------------------- the whole way


async def test_the_whole_way_of_a_document_between_two_old_clients(house, tmp_path):
    theirs, ours = kit(house, "stc"), kit(house, "snv")
    doc_id = ok(await send(ours))["DocId"]
    document = await house.document(doc_id)
    wire_id = document["document_id"]
    # The recipient's system lists it, counts it, fetches it both ways.
    (row,) = await until_listed(house, theirs)
    assert (row["from"], row["to"], row["status"]) == ("H37.02", "H37.04", "initial")
    assert row["messageType"] == "edoc"
    assert ok(await theirs.call("countReceiveEdoc", b"{}", **LISTING))["count"] == "1"
    assert ok(await ours.call("countReceiveEdoc", b"{}", **LISTING))["count"] == "0"
    item = {"docId": row["docId"], "filePath": "/etc/passwd"}
    raw = await theirs.call("downloadEdoc", method="GET", **item)
    coded = ok(await theirs.call("getEdoc", b"{}", **item))
    assert raw.status == 200
    assert base64.b64decode(coded["data"], validate=True) == raw.body
    assert wire_id.encode() in raw.body
    assert b"<edXML:edXMLHeader>" in raw.body
    # Before the acknowledgement nothing has entered anything.
    delivery = (await house.document(doc_id))["deliveries"][0]
    assert delivery["entered_system_at"] is None
    assert await rows(ours, STATUSES) == []
    (sent,) = ok(await ours.call("getSentEdocList", docId=doc_id, **LISTING))["data"]
    assert sent["sendStatusDesc"] == "đã đến trục, chưa vào hệ thống bên nhận"
    assert sent["receiveStatus"] == ""
    for _ in range(2):
        ok(await theirs.call("updateStatus", b"{}", docId=row["docId"], status="done"))
    assert await rows(theirs) == []
    delivery = (await house.document(doc_id))["deliveries"][0]
    assert delivery["entered_system_at"]
    assert delivery["last_status"] == "01"
    # What the recipient's system says next, the sender's system reads.
    for code, words in (("03", ""), ("05", "phòng A"), ("05", "phòng B"), ("06", "")):
        ok(await answer_with(theirs, wire_id, code, description=words))
    listed = await rows(ours, STATUSES)
    assert [r["from"] for r in listed] == ["H37.04"] * 5
    codes = []
    for n, item in enumerate(listed):
        raw = await ours.call("downloadEdoc", method="GET", docId=item["docId"])
        one = said(raw.body, tmp_path, n)
        assert (one.document_id, one.answers_to, one.code) == (wire_id, "H37.02", "12/SNV-VP")
        codes.append(one.status)
        ok(await ours.call("updateStatus", b"{}", docId=item["docId"], status="done"))
    assert codes == ["01", "03", "05", "05", "06"]
    assert await rows(ours, STATUSES) == []
    (sent,) = ok(await ours.call("getSentEdocList", docId=doc_id, **LISTING))["data"]
    assert (sent["receiveStatus"], sent["sendStatus"]) == ("06", "done")
    assert (sent["toCode"], sent["notation"]) == ("H37.04", "12/SNV-VP")
    assert (await house.document(doc_id))["state"] == "closed"
    mine = ok(await theirs.call("getSentEdocList", docId="", **STATUSES))["data"]
    assert len(mine) == 5


async def test_a_refusal_carries_its_reason(house, tmp_path):
    theirs, ours = kit(house, "stc"), kit(house, "snv")
    doc_id = ok(await send(ours))["DocId"]
    wire_id = (await house.document(doc_id))["document_id"]
    await until_listed(house, theirs)
    failed(await answer_with(theirs, wire_id, "02"), 22, "reason")
    ok(await answer_with(theirs, wire_id, "02", description="Gửi nhầm đơn vị (R01)"))
    listed = await rows(ours, STATUSES)
    raw = [await ours.call("downloadEdoc", method="GET", docId=r["docId"]) for r in listed]
    found = [said(r.body, tmp_path, n) for n, r in enumerate(raw)]
    assert [(s.status, s.description) for s in found] == [
        ("01", ""),
        ("02", "Gửi nhầm đơn vị (R01)"),
    ]
    delivery = (await house.document(doc_id))["deliveries"][0]
    assert (delivery["state"], delivery["reason"]) == ("returned", "Gửi nhầm đơn vị (R01)")
    # The table forbids going on after a return: a clear refusal, and nothing said.
    failed(await answer_with(theirs, wire_id, "06"), 22)
    assert len(await rows(ours, STATUSES)) == 2


async def test_sending_again_gives_the_same_doc_id(house):
    client = kit(house, "snv")
    data = packet()
    first = ok(await send(client, data))["DocId"]
    assert ok(await send(client, data))["DocId"] == first
    assert ok(await send(kit(house, "snv"), data))["DocId"] == first
    await until_listed(house, kit(house, "stc"))
    assert len(await rows(kit(house, "stc"))) == 1
    # Other content under the same identifier is no repeat.
    identifier = (await house.document(first))["document_id"]
    other = packet(subject="Nội dung khác", document_id=identifier)
    failed(await send(client, other), 10, "DID-07")


async def test_sending_a_status_again_gives_the_same_doc_id(house):
    theirs, ours = kit(house, "stc"), kit(house, "snv")
    wire_id = (await house.document(ok(await send(ours))["DocId"]))["document_id"]
    await until_listed(house, theirs)
    data = status(head(wire_id), "05", sender="H37.04", at=datetime(2026, 11, 20, tzinfo=UTC))
    ids = {
        ok(await theirs.send_edoc(data, "status", **{"from": "H37.04"}))["DocId"] for _ in range(3)
    }
    assert len(ids) == 1
    (again,) = ids
    listed = await rows(ours, STATUSES)
    assert [r["docId"] for r in listed][-1] == again
    assert len(listed) == 2  # the 01 it implies, and one 05
    (sent,) = ok(await theirs.call("getSentEdocList", docId=again, **STATUSES))["data"]
    assert sent["receiveStatus"] == "05"
    # 03 said twice with other words is one 03 for the sender, under one DocId.
    one = ok(await answer_with(theirs, wire_id, "06"))["DocId"]
    two = ok(await answer_with(theirs, wire_id, "06", description="xong"))["DocId"]
    assert one == two
    assert len(await rows(ours, STATUSES)) == 3


@pytest.mark.parametrize("code", ["01", "02", "03", "05", "06"])
async def test_what_the_recipient_says_before_it_fetched(house, code):
    theirs, ours = kit(house, "stc"), kit(house, "snv")
    doc_id = ok(await send(ours))["DocId"]
    wire_id = (await house.document(doc_id))["document_id"]
    (row,) = await until_listed(house, theirs)
    ok(await answer_with(theirs, wire_id, code, description="vì nhầm" if code == "02" else ""))
    delivery = (await house.document(doc_id))["deliveries"][0]
    assert delivery["last_status"] == code
    assert delivery["entered_system_at"]
    # It can still be fetched and acknowledged, and that says nothing twice.
    raw = await theirs.call("downloadEdoc", method="GET", docId=row["docId"])
    assert raw.status == 200
    ok(await theirs.call("updateStatus", b"{}", docId=row["docId"], status="done"))
    assert len(await rows(ours, STATUSES)) == (1 if code == "01" else 2)


async def test_what_it_could_not_use_stays_on_the_list(house):
    theirs, ours = kit(house, "stc"), kit(house, "snv")
    ok(await send(ours))
    (row,) = await until_listed(house, theirs)
    ok(
        await theirs.call(
            "updateStatus", b"{}", docId=row["docId"], status="fail", description="loi doc tep"
        )
    )
    ok(await theirs.call("updateStatus", b"{}", docId=row["docId"], status="processing"))
    assert [r["docId"] for r in await rows(theirs)] == [row["docId"]]
    code, events, _ = await house.call("GET", f"/inbox/{row['docId']}/events", "stc")
    assert code == 200
    (note,) = [e["data"]["note"] for e in events["items"] if e["type"] == "not_usable"]
    assert note == "loi doc tep"
    assert await rows(ours, STATUSES) == []


async def test_old_notation_all_the_way(house):
    theirs, ours = kit(house, "stc"), kit(house, "snv")
    data = packet(sender="000.00.02.H37", to=("000.00.04.H37",))
    doc_id = ok(await send(ours, data, sender="000.00.02.H37"))["DocId"]
    wire_id = (await house.document(doc_id))["document_id"]
    (row,) = await until_listed(house, theirs)
    assert (row["from"], row["to"]) == ("000.00.02.H37", "000.00.04.H37")
    ok(await theirs.call("updateStatus", b"{}", docId=row["docId"], status="done"))
    about = head(wire_id, issuer="000.00.02.H37")
    data = status(about, "03", sender="000.00.04.H37")
    ok(await theirs.send_edoc(data, "status", **{"from": "000.00.04.H37"}))
    listed = await rows(ours, STATUSES)
    assert [(r["from"], r["to"]) for r in listed] == [("000.00.04.H37", "000.00.02.H37")] * 2
    delivery = (await house.document(doc_id))["deliveries"][0]
    assert (delivery["agency"], delivery["last_status"]) == ("H37.04", "03")


async def test_old_and_new_code_are_one_document_and_two_answers(house):
    theirs, ours = kit(house, "stc"), kit(house, "snv")
    doc_id = ok(await send(ours, packet(to=("H37.04", "000.00.04.H37"))))["DocId"]
    (row,) = await until_listed(house, theirs)
    ok(await theirs.call("updateStatus", b"{}", docId=row["docId"], status="done"))
    assert await rows(theirs) == []
    assert len((await house.document(doc_id))["deliveries"]) == 1
    assert sorted(r["from"] for r in await rows(ours, STATUSES)) == ["000.00.04.H37", "H37.04"]


async def test_a_status_is_matched_by_number_and_date_too(house):
    theirs, ours = kit(house, "stc"), kit(house, "snv")
    doc_id = ok(await send(ours))["DocId"]
    await until_listed(house, theirs)
    data = status(head("viết khác", date=DAY), "03", sender="H37.04")
    ok(await theirs.send_edoc(data, "status", **{"from": "H37.04"}))
    assert (await house.document(doc_id))["deliveries"][0]["last_status"] == "03"


async def test_a_status_for_a_document_nobody_saw_is_forwarded(house, tmp_path):
    theirs, ours = kit(house, "stc"), kit(house, "snv")
    first = ok(await answer_with(theirs, "tu-he-thong-cu", "03"))["DocId"]
    (row,) = await rows(ours, STATUSES)
    assert row["docId"] == first
    raw = await ours.call("downloadEdoc", method="GET", docId=first)
    assert said(raw.body, tmp_path).document_id == "tu-he-thong-cu"


async def test_unknown_codes_pass_as_data(house, tmp_path):
    theirs, ours = kit(house, "stc"), kit(house, "snv")
    doc_id = ok(await send(ours))["DocId"]
    wire_id = (await house.document(doc_id))["document_id"]
    await until_listed(house, theirs)
    one = ok(await answer_with(theirs, wire_id, "999", description="Gui that bai"))["DocId"]
    (row,) = await rows(ours, STATUSES)
    assert row["docId"] == one
    raw = await ours.call("downloadEdoc", method="GET", docId=one)
    found = said(raw.body, tmp_path)
    assert (found.status, found.description) == ("999", "Gui that bai")
    assert (await house.document(doc_id))["deliveries"][0]["last_status"] == ""


async def test_a_recall_between_old_clients(house):
    theirs, ours = kit(house, "stc"), kit(house, "snv")
    doc_id = ok(await send(ours))["DocId"]
    wire_id = (await house.document(doc_id))["document_id"]
    (row,) = await until_listed(house, theirs)
    ok(await theirs.call("updateStatus", b"{}", docId=row["docId"], status="done"))
    about = head(wire_id, issuer="H37.04")
    no_reason = status(about, "13", sender="H37.02")
    failed(await ours.send_edoc(no_reason, "status", **{"from": "H37.02"}), 22, "reason")
    asked = status(about, "13", sender="H37.02", description="ban hành nhầm")
    one = ok(await ours.send_edoc(asked, "status", **{"from": "H37.02"}))["DocId"]
    (row,) = await rows(theirs, STATUSES)
    assert (row["docId"], row["from"]) == (one, "H37.02")
    ok(await theirs.call("updateStatus", b"{}", docId=one, status="done"))
    ok(await answer_with(theirs, wire_id, "15"))
    delivery = (await house.document(doc_id))["deliveries"][0]
    assert (delivery["state"], delivery["last_status"]) == ("recalled", "15")


async def test_the_catalogue_in_both_notations(house):
    client = kit(house, "snv")
    plain = ok(await client.call("getAgenciesList"))["data"]
    by_code = {r["code"]: r for r in plain}
    assert by_code["H37.02"]["oldCode"] == "000.00.02.H37"
    assert "H25" not in by_code  # closed
    current = ok(await client.call("getAgenciesListQD20", level="1"))["data"]
    assert {r["code"]: r["code102"] for r in current}["H37.04"] == "000.00.04.H37"
    assert ok(await client.call("getSynchronizeUnit"))["data"]


# ---------------------------------------------------------------- refusals


async def test_the_sender_is_the_caller_or_one_it_speaks_for(house):
    client = kit(house, "snv")
    words = "Don vi gui H37.04 khong dung voi ma da dang ky: snv"
    failed(await send(client, packet(sender="H37.04"), sender="H37.04"), 19, words)
    # The header says one thing, the packet another.
    failed(await send(client, packet(sender="H37.04"), sender="H37.02"), 19, "khong dung")
    failed(await send(client, packet(), sender="H37.04"), 19, "khong dung")
    failed(await answer_with(client, "x", "03"), 19, "khong dung")
    about = status(head("x", issuer="H37.04"), "03", sender="H37.02")
    failed(await client.send_edoc(about, "status", **{"from": "H37.04"}), 19, "khong dung")
    assert await rows(kit(house, "stc")) == []


@pytest.mark.parametrize(
    ("change", "code"),
    [
        ({"hash_file": "00"}, 10),
        ({"hash_file": ""}, 10),
        ({"tail": b"\r\nx"}, 10),
    ],
)
async def test_a_wrong_hash_is_refused_and_leaves_nothing(house, change, code):
    reply = failed(await send(kit(house, "snv"), **change), code)
    assert reply["DocId"] == ""
    assert (await house.call("GET", "/documents"))[1]["items"] == []
    data = status(head("x"), "03", sender="H37.02")
    failed(await kit(house, "snv").send_edoc(data, "status", **{"from": "H37.02"}, **change), code)


async def test_what_belongs_to_another_is_not_there(house):
    theirs, ours = kit(house, "stc"), kit(house, "snv")
    doc_id = ok(await send(ours))["DocId"]
    (row,) = await until_listed(house, theirs)
    stranger = kit(house, "other")
    for item in (row["docId"], doc_id, "khong-co", "../../etc/passwd", "x" * 5000):
        failed(await stranger.call("getEdoc", b"{}", docId=item), 10)
        failed(await stranger.call("updateStatus", b"{}", docId=item, status="done"), 10)
        failed(await stranger.call("updateStatus", b"{}", docId=item, status="fail"), 10)
        assert (await stranger.call("downloadEdoc", method="GET", docId=item)).status == 404
        assert ok(await stranger.call("getSentEdocList", docId=item, **LISTING))["data"] == []
    assert len(await rows(theirs)) == 1
    wire_id = (await house.document(doc_id))["document_id"]
    ok(await answer_with(theirs, wire_id, "01"))
    (told,) = await rows(ours, STATUSES)
    failed(await theirs.call("getEdoc", b"{}", docId=told["docId"]), 10)
    failed(await theirs.call("updateStatus", b"{}", docId=told["docId"], status="done"), 10)
    assert len(await rows(ours, STATUSES)) == 1


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"khong phai XML",
        b"<html><body>loi</body></html>",
        packet()[:-200],
        packet().replace(b"<edXML xmlns=", b'<!DOCTYPE a [<!ENTITY b "c">]><edXML xmlns=', 1),
        packet().replace(b"eGluIGNoYW8=", b"!!!khong-phai-base64!!!"),
        status(head("x"), "03", sender="H37.02"),
    ],
    ids=["empty", "text", "html", "cut", "doctype", "base64", "status as document"],
)
async def test_what_cannot_be_read_is_a_clear_refusal(house, data):
    answer = await send(kit(house, "snv"), data)
    assert answer.status == 200
    assert answer.json["status"] == "FAIL"
    assert answer.json["ErrorCode"] in {"10", "22"}
    assert answer.json["DocId"] == ""
    assert len(answer.json["ErrorDesc"]) > 10
    assert "Traceback" not in answer.json["ErrorDesc"]
    assert (await house.call("GET", "/documents"))[1]["items"] == []


async def test_a_document_as_a_status_is_a_clear_refusal(house):
    reply = await kit(house, "snv").send_edoc(packet(), "status", **{"from": "H37.02"})
    failed(reply, 22)


async def test_a_status_of_megabytes_is_refused(house):
    data = status(head("x"), "03", sender="H37.02", description="y" * 5_000_000)
    reply = await kit(house, "snv").send_edoc(data, "status", **{"from": "H37.02"})
    assert reply.json["status"] == "FAIL"


async def test_what_is_too_large_is_refused_before_it_came(house):
    client = kit(house, "snv")
    client.map["Content-Type"] = "application/octet-stream"
    client.map.update(servicetype="eDoc", messagetype="edoc", **{"from": "H37.02"})
    client.map["hash-file"] = "00"
    reader, writer = await asyncio.open_connection("127.0.0.1", client.port)
    lines = [f"{name}: {value}" for name, value in client.headers()]
    lines = [
        f"POST {client.base}/sendEdoc HTTP/1.1",
        "Host: x",
        *lines,
        f"Content-Length: {10**12}",
    ]
    writer.write(("\r\n".join(lines) + "\r\n\r\n").encode())
    answer, _ = await answer_head(reader)
    body = await reader.readuntil(b"}")
    writer.close()
    assert answer in {200, 413}
    assert b"FAIL" in body


async def test_rules_are_named_in_the_refusal(house):
    data = packet(subject="", files=(("chay.exe", b"MZ\x90\x00"),))
    reply = failed(await send(kit(house, "snv"), data), 22)
    assert "MD-01" in reply["ErrorDesc"] or "FMT-" in reply["ErrorDesc"]


async def test_one_bad_recipient_does_not_sink_the_sending(house):
    doc_id = ok(await send(kit(house, "snv"), packet(to=("H37.04", "KHONG.CO", "H37.99"))))["DocId"]
    await until_listed(house, kit(house, "stc"))
    sent = ok(await kit(house, "snv").call("getSentEdocList", docId=doc_id, **LISTING))["data"]
    states = {r["toCode"]: r["sendStatus"] for r in sent}
    assert states["H37.04"] == "handed_over"
    assert states["KHONG.CO"] == "not_connected"
    assert all(r["sendStatusDesc"] for r in sent)


# ---------------------------------------------------------------- who may call


def registered(house, *, system, codes):
    """Register another system while the gateway runs; return its secret."""
    key = read_key_file(house.gateway.settings.secrets.key_file)
    secret, name = new_shared_secret(), new_credential_id()
    sealed = seal_secret(key, secret.encode(), system_id=system, credential_id=name)
    with stores.open_admin(house.folder / "vanlien.toml") as admin:
        credential = NewCredential(id=name, kind="shared-secret", sealed=sealed)
        admin.add_system(system, codes, [credential], by="test")
    return secret


async def test_one_system_speaks_for_many_agencies(house):
    secret = registered(house, system="qlvb", codes=["H37.02", "H37.04", "H37.61"])
    province = kit(house, "qlvb", secret)
    await house.until(lambda: _answers(province))
    mine = packet(sender="H37.61", to=("H37.02", "H37.04"))
    doc_id = ok(await send(province, mine, sender="H37.61"))["DocId"]
    listed = await until_listed(house, province, 2)
    assert sorted(r["to"] for r in listed) == ["H37.02", "H37.04"]
    for row in listed:
        ok(await province.call("updateStatus", b"{}", docId=row["docId"], status="done"))
    wire_id = (await house.row("consignment", id=doc_id))["document_id"]
    for agency, code in (("H37.02", "03"), ("H37.04", "05")):
        about = head(wire_id, issuer="H37.61")
        data = status(about, code, sender=agency)
        ok(await province.send_edoc(data, "status", **{"from": agency}))
    told = sorted(r["from"] for r in await rows(province, STATUSES))
    assert told == ["H37.02", "H37.02", "H37.04", "H37.04"]
    failed(await send(province, packet("91", sender="H37.99"), sender="H37.99"), 19)
    # The agency's own system sees only what is its own.
    assert [r["to"] for r in await rows(kit(house, "stc"))] == []


async def _answers(client):
    return (await client.call("getReceivedEdocList", **LISTING)).status == 200


async def test_a_disabled_system_is_out_within_a_second(house):
    client = kit(house, "snv")
    assert await _answers(client)
    with stores.open_admin(house.folder / "vanlien.toml") as admin:
        admin.disable_system("snv", by="test")

    async def refused():
        return (await client.call("getReceivedEdocList", **LISTING)).status == 401

    await house.until(refused)
    assert (await house.call("GET", "/documents"))[0] == 401
    assert (await send(client)).status == 401


async def test_two_secrets_are_good_while_they_overlap(house):
    key = read_key_file(house.gateway.settings.secrets.key_file)
    old, new = kit(house, "snv"), new_shared_secret()
    name = new_credential_id()
    sealed = seal_secret(key, new.encode(), system_id="snv", credential_id=name)
    with stores.open_admin(house.folder / "vanlien.toml") as admin:
        credential = NewCredential(id=name, kind="shared-secret", sealed=sealed)
        admin.rotate("snv", [credential], overlap=timedelta(hours=2), by="test")
    fresh = kit(house, "snv", new)
    await house.until(lambda: _answers(fresh))
    assert await _answers(old)
    house.clock.move(timedelta(hours=1))
    assert await _answers(old)
    house.clock.move(timedelta(hours=1, minutes=1))
    assert (await old.call("getReceivedEdocList", **LISTING)).status == 401
    assert await _answers(fresh)
    assert (await kit(house, "snv", "sai").call("getReceivedEdocList", **LISTING)).status == 401


async def test_unsigned_and_forged_calls_are_401_not_empty(house):
    client = kit(house, "stc")
    reply = await client.call("downloadEdoc", method="GET", headers=[])
    assert reply.status == 401
    reply = await client.call("getReceivedEdocList", headers=[])
    assert reply.status == 401
    assert reply.json["status"] == "FAIL"
    forged = kit(house, "stc", house.systems["snv"].secret)
    assert (await forged.call("getReceivedEdocList", **LISTING)).status == 401


async def test_our_own_failure_never_looks_like_an_empty_list(house, monkeypatch):
    async def broken(*_, **__):
        raise RuntimeError("a bug of ours")

    monkeypatch.setattr(house.gateway.door, "waiting", broken)
    client = kit(house, "stc")
    reply = await client.call("getReceivedEdocList", **LISTING)
    assert reply.status == 200
    assert reply.json["status"] == "FAIL"
    assert "data" not in reply.json


async def test_many_clients_at_once(house):
    theirs = kit(house, "stc")

    async def one(n):
        return ok(await send(kit(house, "snv"), packet(f"{n}")))["DocId"]

    ids = await asyncio.gather(*(one(n) for n in range(12)))
    assert len(set(ids)) == 12
    listed = await until_listed(house, theirs, 12)

    async def taken(row):
        client = kit(house, "stc")
        raw = await client.call("downloadEdoc", method="GET", docId=row["docId"])
        assert raw.status == 200
        return ok(await client.call("updateStatus", b"{}", docId=row["docId"], status="done"))

    await asyncio.gather(*(taken(r) for r in listed for _ in "ab"))
    assert await rows(theirs) == []
    assert len(await rows(kit(house, "snv"), STATUSES)) == 12
