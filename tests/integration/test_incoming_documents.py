"""Documents from a peer: whose they become, how often, and what happens to those nobody can read."""

import asyncio
import hashlib
import json
from dataclasses import replace

import pytest

from gateway import stores
from gateway.errors import UnavailableError
from gateway.programs import relay
from tests.world.gatehouse import packet
from tests.world.outside import PEER, head, nfd, outside, silenced, status

ID = "G09,2026/11/20,7/BNV-VP"


def document(number="7", *, to=("H37.04",), sender="G09", document_id=ID, **how):
    return packet(
        number, to=to, sender=sender, document_id=document_id, day="2026/11/20", **how
    ).replace(b"SNV-VP", b"BNV-VP")


@pytest.fixture
async def out(tmp_path, monkeypatch):
    async with outside(tmp_path) as found:
        silenced(monkeypatch, found)
        yield found


async def test_a_document_is_acknowledged_only_after_its_commit(out, monkeypatch):
    seen = []
    acknowledge = out.peer.acknowledge

    async def watched(item, *, done, note=""):
        row = await out.inbound(item.peer_doc_id)
        seen.append((row["state"], done, out.house.gateway.blobs.size(row["sha256"])))
        await acknowledge(item, done=done, note=note)

    monkeypatch.setattr(out.peer, "acknowledge", watched)
    data = document()
    await out.bring(data)
    assert seen == [("processed", True, len(data))]
    (item,) = await out.arrivals()
    assert (item["document_id"], item["agency"], item["state"]) == (ID, "H37.04", "offered")
    assert item["source"] == PEER
    assert item["addressed_as"] == ["H37.04"]
    # Its evil twin: the ledger cannot commit, so nothing is acknowledged and nothing is lost.
    ledger = out.house.gateway.context.ledger
    commit = ledger.commit

    async def broken(change):
        raise UnavailableError(public="the ledger cannot commit")

    monkeypatch.setattr(ledger, "commit", broken)
    doc_id = out.offer(document("8", document_id="other"))
    await out.collect()
    assert len(seen) == 1
    assert doc_id in out.peer.offered
    monkeypatch.setattr(ledger, "commit", commit)
    await out.collect()
    assert doc_id not in out.peer.offered
    assert len(await out.arrivals()) == 2


async def test_bytes_are_kept_as_they_came_and_given_back(out):
    data = document(more="<edXML:ChuaAiBiet>giữ lại</edXML:ChuaAiBiet>")
    await out.bring(data)
    (item,) = await out.arrivals()
    _, received, _ = await out.house.call("GET", f"/inbox/{item['id']}/edxml?form=received", "stc")
    assert received == data
    _, strict, _ = await out.house.call("GET", f"/inbox/{item['id']}/edxml", "stc")
    _, again, _ = await out.house.call("GET", f"/inbox/{item['id']}/edxml", "stc")
    assert strict == again
    assert strict.count(b"<edXML:TraceHeader>") == data.count(b"<edXML:TraceHeader>") + 1


async def test_a_lost_acknowledgement_is_given_again_and_makes_nothing_twice(out):
    doc_id = out.offer(document())
    acknowledge = out.peer.acknowledge
    calls = []

    async def deaf(item, *, done, note=""):
        calls.append(item.peer_doc_id)
        if len(calls) < 3:
            raise UnavailableError(public="no answer")
        await acknowledge(item, done=done, note=note)

    out.peer.acknowledge = deaf
    await out.collect(times=3)
    assert calls == [doc_id] * 3
    assert len(await out.arrivals()) == 1
    (item,) = await out.arrivals()
    events = (await out.house.call("GET", f"/inbox/{item['id']}/events", "stc"))[1]["items"]
    assert [e["type"] for e in events] == ["offered"]


async def test_one_arrival_however_often_it_comes_and_every_code_answered(out):
    await out.bring(document())
    (item,) = await out.arrivals()
    await out.house.call("POST", f"/inbox/{item['id']}/confirm", "stc")
    assert [(t.code, t.sender) for t in await out.flush()] == [("01", "H37.04")]
    # The same under a new docId: nothing new, nothing said twice.
    await out.bring(document())
    assert await out.flush() == []
    # The same under the agency's old code: one arrival still, and the old code is answered too.
    await out.bring(document(to=("000.00.04.H37",)))
    assert [(t.code, t.sender) for t in await out.flush()] == [("01", "000.00.04.H37")]
    (again,) = await out.arrivals()
    assert again["id"] == item["id"]
    assert again["addressed_as"] == ["H37.04", "000.00.04.H37"]
    body = {"code": "03", "reason": ""}
    await out.house.call("POST", f"/inbox/{item['id']}/status", "stc", json=body)
    assert sorted((t.code, t.sender) for t in await out.flush()) == [
        ("03", "000.00.04.H37"),
        ("03", "H37.04"),
    ]
    # And once more under both: every code has had every answer.
    await out.bring(document(to=("H37.04", "000.00.04.H37")))
    assert await out.flush() == []
    assert out.alarms == []


async def test_codes_that_come_late_get_every_answer_with_its_reason(out):
    await out.bring(document())
    (item,) = await out.arrivals()
    body = {"code": "02", "reason": "gửi nhầm đơn vị (R01)"}
    await out.house.call("POST", f"/inbox/{item['id']}/status", "stc", json=body)
    await out.flush()
    await out.bring(document(to=("000.00.04.H37",)))
    told = await out.flush()
    assert [(t.code, t.sender, t.description) for t in told] == [
        ("01", "000.00.04.H37", ""),
        ("02", "000.00.04.H37", "gửi nhầm đơn vị (R01)"),
    ]


async def test_both_codes_in_one_packet_are_one_arrival(out):
    await out.bring(document(to=("000.00.04.H37", "H37.04")))
    (item,) = await out.arrivals()
    await out.house.call("POST", f"/inbox/{item['id']}/confirm", "stc")
    told = await out.flush()
    assert [(t.code, t.sender, t.to) for t in told] == [
        ("01", "000.00.04.H37", "G09"),
        ("01", "H37.04", "G09"),
    ]


async def test_the_axis_rewrote_it_and_it_is_still_the_same(out):
    data = document(subject="Về việc liên thông văn bản điện tử")
    await out.bring(data)
    rewritten = nfd(data).replace(b"application/octet-stream", b"text/plain")
    assert rewritten != data
    await out.bring(rewritten)
    (item,) = await out.arrivals()
    assert item["subject"] == "Về việc liên thông văn bản điện tử"


async def test_an_identifier_in_other_letters_is_the_same_identifier(out):
    wanted = "G09,2026/11/20,7/QĐ-ƯBND"
    data = document(document_id=wanted)
    await out.bring(data)
    await out.bring(nfd(data))
    assert len(await out.arrivals()) == 1


async def test_other_content_under_the_same_identifier_is_a_flagged_version(out):
    await out.bring(document())
    await out.bring(document(subject="Nội dung khác hẳn"))
    first, second = await out.arrivals()
    assert (first["version"], second["version"]) == (1, 2)
    assert not [f for f in first["findings"] if f["rule"] == "DID-07"]
    (flag,) = [f for f in second["findings"] if f["rule"] == "DID-07"]
    assert first["id"] in flag["vi"]
    assert flag["severity"] == "warning"
    # The first one again is the first one, not a third.
    await out.bring(document())
    assert len(await out.arrivals()) == 2


async def test_the_same_letter_under_another_identifier_is_only_suspected(out):
    await out.bring(document())
    await out.bring(document(document_id="9fbfbad2-f1f8-4256-a2eb-50fb1061cddb"))
    first, second = await out.arrivals()
    (flag,) = [f for f in second["findings"] if f["rule"] == "DID-07"]
    assert ID in flag["vi"]
    assert first["id"] in flag["en"]
    await out.bring(document(document_id="khac", files=(("b.txt", b"tep khac"),)))
    third = (await out.arrivals())[2]
    assert not [f for f in third["findings"] if f["rule"] == "DID-07"]


async def test_without_an_identifier_a_repeat_is_still_a_repeat(out):
    await out.bring(document(document_id=""))
    await out.bring(document(document_id=""))
    (item,) = await out.arrivals()
    assert item["document_id"] == "G09,2026/11/20,7/BNV-VP"


async def test_three_local_agencies_are_three_arrivals_of_one_packet(out):
    doc_id = await out.bring(document(to=("H37.04", "H37.61", "G12", "H37.02")))
    items = [*await out.arrivals(), *await out.arrivals("other"), *await out.arrivals("snv")]
    assert [i["agency"] for i in items] == ["H37.04", "H37.61", "H37.02"]
    assert len({i["id"] for i in items}) == 3
    row = await out.inbound(doc_id)
    assert row["state"] == "processed"
    assert out.peer.acknowledged == [(doc_id, True, "")]
    # Only the console agency's 01 is due: the two systems have not fetched theirs.
    assert [(t.code, t.sender) for t in await out.flush()] == [("01", "H37.61")]
    states = {i["agency"]: i["state"] for i in items}
    assert states == {"H37.04": "offered", "H37.61": "taken", "H37.02": "offered"}


async def test_a_packet_for_nobody_here_is_kept_and_said_aloud(out):
    doc_id = await out.bring(document(to=("G12", "XYZ.99")))
    row = await out.inbound(doc_id)
    assert row["state"] == "stray"
    assert out.alarms == ["stray packet"]
    assert out.peer.acknowledged == [(doc_id, True, "")]
    assert out.house.gateway.blobs.size(row["sha256"]) == row["size_bytes"]
    assert await out.house.row("blob_ref", sha256=row["sha256"]) is not None
    await out.collect(times=2)
    assert out.alarms == ["stray packet"]


async def test_what_nobody_can_read_is_fetched_again_then_refused_and_kept(out):
    bad = b"<edXML>khong phai goi tin</edXML"
    bad_id = out.offer(bad)
    good_id = out.offer(document())
    await out.collect()
    # The good one behind it is here, the bad one is neither lost nor answered yet.
    assert len(await out.arrivals()) == 1
    assert out.peer.acknowledged == [(good_id, True, "")]
    await out.collect()
    assert bad_id in out.peer.offered
    assert out.alarms == []
    await out.collect()
    assert bad_id not in out.peer.offered
    _, done, note = out.peer.acknowledged[-1]
    assert done is False
    assert note.isascii()
    assert "khong doc duoc" in note
    row = await out.inbound(bad_id)
    assert (row["state"], row["tries"]) == ("unreadable", 3)
    assert row["sha256"] == hashlib.sha256(bad).hexdigest()
    assert out.house.gateway.blobs.size(row["sha256"]) == len(bad)
    assert out.alarms == ["unreadable packet kept"]
    entries = await out.house.gateway.ledger.all("entries_of", subject=row["id"])
    assert [e["kind"] for e in entries] == ["refused"]
    await out.collect(times=3)
    assert len(out.peer.acknowledged) == 2


async def test_a_doctype_is_refused_whatever_it_says(out):
    data = document().replace(
        b"<edXML xmlns=", b'<!DOCTYPE edXML [<!ENTITY a "b">]><edXML xmlns=', 1
    )
    doc_id = out.offer(data)
    await out.collect(times=3)
    row = await out.inbound(doc_id)
    assert row["state"] == "unreadable"
    assert row["detail"].startswith("doctype-refused")
    assert await out.arrivals() == []


async def test_a_torn_download_heals(out):
    data = document()
    fetch = out.peer.fetch
    torn = [data[: len(data) // 2], data[:-20]]

    async def half(item):
        if torn:
            yield torn.pop(0)
        else:
            async for chunk in fetch(item):
                yield chunk

    out.peer.fetch = half
    doc_id = out.offer(data)
    await out.collect(times=2)
    assert await out.arrivals() == []
    assert (await out.inbound(doc_id))["state"] == "unreadable-yet"
    await out.collect()
    (item,) = await out.arrivals()
    assert (await out.inbound(doc_id))["sha256"] == hashlib.sha256(data).hexdigest()
    assert out.peer.acknowledged == [(doc_id, True, "")]
    assert item["state"] == "offered"


async def test_what_is_too_large_is_refused_in_the_end(out):
    context = out.house.gateway.context
    limits = replace(context.policy.limits, packet_bytes=200_000)
    context.policy = replace(context.policy, limits=limits)
    big = out.offer(document(files=(("a.txt", b"x" * 200_000),)))
    out.offer(document())
    await out.collect(times=3)
    assert len(await out.arrivals()) == 1
    row = await out.inbound(big)
    assert (row["state"], row["detail"].split(":")[0]) == ("unreadable", "too-large")
    assert (big, False) in [(d, done) for d, done, _ in out.peer.acknowledged]


async def test_a_slow_item_does_not_stop_those_behind_it(out):
    gate = asyncio.Event()
    fetch = out.peer.fetch

    async def slow(item):
        if item.peer_doc_id == "slow":
            await gate.wait()
        async for chunk in fetch(item):
            yield chunk

    out.peer.fetch = slow
    out.offer(document(document_id="cham"), doc_id="slow")
    out.offer(document())
    round_ = asyncio.create_task(out.collect())
    await out.house.inbox("stc")
    assert [i["document_id"] for i in await out.arrivals()] == [ID]
    gate.set()
    await round_
    assert len(await out.arrivals()) == 2


async def test_our_own_failure_with_one_item_stops_nothing_else(out, monkeypatch):
    verifier = out.house.gateway.context.verifier
    quick = verifier.quick

    def stumbles(data, *, sha256, at):
        if data == b"doc hai":
            raise RuntimeError("a bug of ours")
        return quick(data, sha256=sha256, at=at)

    monkeypatch.setattr(verifier, "quick", stumbles)
    bad = out.offer(document(document_id="hong", files=(("a.txt", b"doc hai"),)))
    out.offer(document())
    await out.collect()
    assert [i["document_id"] for i in await out.arrivals()] == [ID]
    assert "receiver" in out.alarms
    await out.collect(times=2)
    row = await out.inbound(bad)
    assert row["state"] == "unreadable"
    assert await out.house.row("blob_ref", sha256=row["sha256"]) is not None


async def test_an_adapter_that_breaks_on_one_item_stops_nothing_else(out):
    fetch = out.peer.fetch

    async def breaks(item):
        if item.peer_doc_id == "hong":
            raise RuntimeError("a bug in the adapter")
        async for chunk in fetch(item):
            yield chunk

    out.peer.fetch = breaks
    for n in range(6):
        out.offer(document(document_id=f"hong-{n}"), doc_id="hong")
    out.offer(document())
    await out.collect()
    assert [i["document_id"] for i in await out.arrivals()] == [ID]
    assert out.alarms == ["collector"]
    assert await out.inbound("hong") is None


async def test_the_verifier_is_away_and_comes_back(out, monkeypatch):
    verifier = out.house.gateway.context.verifier
    quick = verifier.quick

    def away(data, **_):
        raise UnavailableError(public="the verifier cannot be asked")

    monkeypatch.setattr(verifier, "quick", away)
    doc_id = out.offer(document())
    await out.collect(times=4)
    row = await out.inbound(doc_id)
    assert (row["state"], row["tries"], row["acked_at"]) == ("received", 0, None)
    assert out.peer.acknowledged == []
    monkeypatch.setattr(verifier, "quick", quick)
    await out.collect()
    assert len(await out.arrivals()) == 1
    assert out.peer.acknowledged == [(doc_id, True, "")]


async def test_a_bad_signature_flags_and_never_refuses(out):
    damaged = b"%PDF-1.7\n%\xe2\xe3\xcf\xd3\nkhong con la PDF"
    await out.bring(document(files=(("van-ban.pdf", damaged),)))
    (item,) = await out.arrivals()
    assert item["state"] == "offered"
    assert item["verification"] in {"unreadable", "invalid", "indeterminate"}
    assert item["legal_class"] is not None
    status_, found, _ = await out.house.call("GET", f"/inbox/{item['id']}/verification", "stc")
    assert status_ == 200
    assert found["files"][0]["report"]["verdict"] == item["verification"]
    body = {"code": "03", "reason": ""}
    assert (await out.house.call("POST", f"/inbox/{item['id']}/status", "stc", json=body))[0] == 200


async def test_broken_rules_flag_and_never_refuse(out):
    await out.bring(document(files=(("chay.exe", b"MZ\x90\x00"),), subject=""))
    (item,) = await out.arrivals()
    assert item["state"] == "offered"
    assert {f["severity"] for f in item["findings"]} >= {"error"}
    assert all(f["vi"] and f["en"] and f["rule"] for f in item["findings"])


SECRET = (("cong-van.txt", "UBND TỈNH\nMẬT\nSố: 1".encode()),)


async def test_a_secret_is_kept_apart_and_answered_with_r11(out):
    doc_id = await out.bring(document(files=SECRET, subject="Nội dung mật"))
    assert await out.arrivals() == []
    door, caller = out.house.gateway.door, out.caller("stc")
    assert await door.waiting(caller, "edoc") == []
    (stub,) = await out.house.gateway.ledger.all("quarantined")
    for path in ("", "/edxml", "/edxml?form=received", "/attachments/0", "/events", "/receipts"):
        code, answer, _ = await out.house.call("GET", f"/inbox/{stub['id']}{path}", "stc")
        assert code == 404, (path, answer)
    assert (await out.house.call("POST", f"/inbox/{stub['id']}/confirm", "stc"))[0] == 404
    (told,) = await out.flush()
    assert (told.code, told.sender, told.document_id) == ("02", "H37.04", ID)
    assert "R11" in told.description
    row = await out.house.row("arrival", id=stub["id"])
    assert "Nội dung mật" not in row["envelope"]
    assert out.peer.acknowledged == [(doc_id, True, "")]
    # Again: one stub, no second answer, and its bytes belong to the stub, for a later purge.
    again = await out.bring(document(files=SECRET, subject="Nội dung mật"))
    assert len(await out.house.gateway.ledger.all("quarantined")) == 1
    assert await out.flush() == []
    with stores.open_admin(out.house.folder / "vanlien.toml") as admin:
        admin.purge(stub["id"], by="nguoi-1")
        admin.purge(stub["id"], by="nguoi-2")
    for one in (doc_id, again):
        sha256 = (await out.inbound(one))["sha256"]
        assert await out.house.row("blob_ref", sha256=sha256) is None
    # After the purge the same packet brings nothing back.
    third = await out.bring(document(files=SECRET, subject="Nội dung mật"))
    assert await out.house.row("blob_ref", sha256=(await out.inbound(third))["sha256"]) is None
    assert await out.arrivals() == []


async def test_the_word_alone_is_no_secret(out):
    text = "Bảo mật thông tin, mật độ dân số".encode()
    await out.bring(document(files=(("a.txt", text),)))
    assert len(await out.arrivals()) == 1


async def test_a_cleaned_document_passes_after_a_secret_one(out):
    await out.bring(document(files=SECRET))
    await out.bring(document())
    (item,) = await out.arrivals()
    assert item["version"] == 2


@pytest.mark.parametrize("first", ["local", "axis"])
async def test_our_own_document_coming_back_is_not_a_second_one(out, first, monkeypatch):
    gate = asyncio.Event()
    deliver = relay.deliver_locally

    async def waits(context, transfer):
        await gate.wait()
        return await deliver(context, transfer)

    monkeypatch.setattr(relay, "deliver_locally", waits)
    if first == "local":
        gate.set()
    code, answer, _ = await out.house.send(packet("21", to=("G09", "H37.04")))
    assert code == 202
    if first == "local":
        await out.house.inbox("stc")
    await out.flush()
    ((parcel, data),) = out.peer.delivered
    assert parcel.recipients == ("G09",)
    assert b"H37.04" in data
    await out.bring(data)
    gate.set()
    (item,) = await out.house.inbox("stc")
    assert item["source"] == "local"
    await out.house.call("POST", f"/inbox/{item['id']}/confirm", "stc")
    assert await out.flush() == []
    assert len(await out.arrivals()) == 1
    assert (await out.delivery(answer, "H37.04"))["state"] == "arrived"
    assert out.alarms == []


@pytest.mark.parametrize(
    ("kind", "block"),
    [
        (1, "<edXML:BussinessDocReason>Thu hồi</edXML:BussinessDocReason>"),
        (2, "<edXML:BussinessDocReason>Cập nhật</edXML:BussinessDocReason>"),
        (3, "<edXML:BussinessDocReason>Thay thế</edXML:BussinessDocReason>"),
    ],
)
async def test_recalls_updates_and_replacements_pass_and_are_shown(out, kind, block):
    await out.bring(document())
    trace = (
        f"<edXML:Bussiness><edXML:BussinessDocType>{kind}</edXML:BussinessDocType>{block}"
        f"<edXML:DocumentId>{ID}</edXML:DocumentId></edXML:Bussiness>"
    )
    await out.bring(document("8", document_id=f"moi-{kind}", trace=trace))
    _, second = await out.arrivals()
    assert second["business_type"] == kind
    full = (await out.house.call("GET", f"/inbox/{second['id']}", "stc"))[1]
    assert full["header"]["business"]["document_id"] == ID
    # An update under the document's own identifier is a version by intent, not a suspicion.
    await out.bring(document(trace=trace, subject="Bản cập nhật"))
    third = (await out.arrivals())[2]
    assert third["version"] == 2
    assert not [f for f in third["findings"] if f["rule"] == "DID-07"]


async def test_repairs_and_extras_are_visible(out):
    trace = (
        "<edXML:Business><edXML:BusinessDocType>2</edXML:BusinessDocType>"
        "<edXML:BusinessDocReason>Sửa</edXML:BusinessDocReason></edXML:Business>"
    )
    more = "<edXML:SteeringType>2</edXML:SteeringType><edXML:DueDate>05/12/2026</edXML:DueDate>"
    more += "<edXML:Rieng>của họ</edXML:Rieng>"
    await out.bring(document(trace=trace, more=more))
    (item,) = await out.arrivals()
    full = (await out.house.call("GET", f"/inbox/{item['id']}", "stc"))[1]
    assert full["business_type"] == 2
    assert full["header"]["steering_type"] == 2
    assert full["header"]["due_date"] == "2026-12-05"
    assert full["repairs"]
    assert "của họ" in json.dumps(full, ensure_ascii=False)


async def test_a_closed_agencys_post_reaches_who_took_over(out):
    await out.bring(document(to=("H25",)))
    (item,) = await out.arrivals()
    assert (item["agency"], item["addressed_as"]) == ("H37.04", ["H25"])
    (flag,) = [f for f in item["findings"] if f["rule"] == "ID-05" and "H37.04" in f["vi"]]
    assert flag["severity"] == "warning"
    await out.house.call("POST", f"/inbox/{item['id']}/confirm", "stc")
    assert [(t.code, t.sender) for t in await out.flush()] == [("01", "H25")]
    await out.bring(document("9", to=("H25", "H37.04"), document_id="hai"))
    assert [i["addressed_as"] for i in await out.arrivals()] == [["H25"], ["H25", "H37.04"]]


async def test_an_issuer_under_its_old_code_is_the_same_issuer(out):
    await out.bring(document())
    await out.bring(document(sender="000.00.00.G09"))
    items = await out.arrivals()
    assert {i["sender"] for i in items} == {"G09"}
    assert len({i["document_id"] for i in items}) == 1


async def test_an_unknown_issuer_is_received_and_answered(out):
    out.peer.known = [*out.peer.known, "K99.01"]
    await out.bring(document(sender="K99.01", document_id="K99.01,2026/11/20,7/X"))
    (item,) = await out.arrivals()
    assert item["sender"] == "K99.01"
    await out.house.call("POST", f"/inbox/{item['id']}/confirm", "stc")
    assert [(t.code, t.to) for t in await out.flush()] == [("01", "K99.01")]


async def test_every_step_twice_has_one_effect(out):
    receiver = out.house.gateway.receiver
    doc_id = out.offer(document(to=("H37.61",)))
    await asyncio.gather(out.collect(), out.collect())
    row = await out.inbound(doc_id)
    await asyncio.gather(*(receiver.once(row["id"]) for _ in range(4)))
    (item,) = await out.arrivals("other")
    assert [t.code for t in await out.flush()] == ["01"]
    assert await out.flush() == []
    entries = await out.house.gateway.ledger.all("entries_of", subject=item["id"])
    kinds = [e["kind"] for e in entries]
    assert sorted(set(kinds)) == sorted(kinds)
    assert set(kinds) == {"arrived_at_gateway", "entered_system", "status"}
    for _ in range(2):
        await out.house.gateway.mailroom.confirm(item["id"], by="again")
    assert len(await out.house.gateway.ledger.all("entries_of", subject=item["id"])) == len(kinds)


async def test_two_inbound_copies_at_once_are_one_arrival(out):
    for n in range(6):
        out.offer(document(to=("H37.61",) if n % 2 else ("H37.61", "H37.04")))
    await out.collect()
    assert len(await out.arrivals("other")) == 1
    assert len(await out.arrivals("stc")) == 1
    assert [t.code for t in await out.flush()] == ["01"]
    assert len(out.peer.acknowledged) == 6


async def test_a_status_among_documents_does_not_disturb_them(out):
    out.offer(b"rubbish", "status")
    out.offer(document())
    await out.collect(times=3)
    assert len(await out.arrivals()) == 1
    assert [done for _, done, _ in out.peer.acknowledged] == [True, False]


async def test_one_list_unreadable_does_not_hide_the_other(out):
    listing = out.peer.listing

    async def half(kind):
        if kind == "edoc":
            raise UnavailableError(public="unreadable answer")
        return await listing(kind)

    out.peer.listing = half
    answer = await out.send()
    out.offer(status(head(answer["document_id"]), "01"), "status")
    with pytest.raises(UnavailableError):
        await out.collect()
    assert (await out.delivery(answer))["state"] == "arrived"


async def test_a_secret_for_nobody_here_can_be_purged_too(out):
    doc_id = await out.bring(document(to=("G12",), files=SECRET))
    assert out.alarms == ["stray packet"]
    (stub,) = await out.house.gateway.ledger.all("quarantined")
    row = await out.inbound(doc_id)
    assert (stub["id"], row["state"]) == (row["id"], "stray")
    assert await out.flush() == []
    with stores.open_admin(out.house.folder / "vanlien.toml") as admin:
        admin.purge(stub["id"], by="nguoi-1")
        admin.purge(stub["id"], by="nguoi-2")
    assert await out.house.row("blob_ref", sha256=row["sha256"]) is None
