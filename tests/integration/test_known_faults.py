"""The 27 known faults of those who speak edXML, by their numbers: what comes in, what goes out.

The list is spec/edxml.md section 9. Each test brings the fault to a whole gateway through a peer or
a system, or looks at what the gateway writes; docs/faults.md names the other tests about each.
"""

import asyncio
import base64
import io
import re
import unicodedata
import zipfile
from datetime import UTC, datetime, timedelta

import pytest
from lxml import etree

from gateway.codec.names import safe_name
from gateway.errors import Reason, RejectedError, UnavailableError
from gateway.ports import SubmitOptions
from tests.world.gatehouse import packet
from tests.world.outside import head, outside, silenced, status
from tests.world.vxp_kit import Kit

NS = "http://www.mic.gov.vn/TBT/QCVN_102_2016"
ID = "G09,2026/11/20,7/BNV-VP"
OURS = "H37.02"


@pytest.fixture
async def out(tmp_path, monkeypatch):
    async with outside(tmp_path) as found:
        silenced(monkeypatch, found)
        yield found


def incoming(number="7", **how):
    how.setdefault("to", ("H37.04",))
    return packet(number, sender="G09", document_id=ID, day="2026/11/20", **how).replace(
        b"SNV-VP", b"BNV-VP"
    )


def changed(data, *pairs):
    text = data.decode()
    for old, new in pairs:
        assert old in text, old
        text = text.replace(old, new)
    return text.encode()


async def brought(out, data, count=1):
    """Bring one packet from the axis; return the arrivals there are then."""
    await out.bring(data)
    found = await out.arrivals()
    assert len(found) == count
    return found


async def sent_out(out, data):
    """Send one packet to the axis; return the bytes it got."""
    code, answer, _ = await out.house.send(data)
    assert code == 202, answer
    await out.flush()
    return out.peer.delivered[-1][1]


async def repairs_of(out, arrival):
    (_, found, _) = await out.house.call("GET", f"/inbox/{arrival['id']}", "stc")
    return {repair["code"] for repair in found["repairs"]}


async def file_of(out, arrival, index=0):
    path = f"/inbox/{arrival['id']}/attachments/{index}"
    return (await out.house.call("GET", path, "stc"))[1]


async def content_of(out, arrival):
    return (await out.house.call("GET", f"/inbox/{arrival['id']}", "stc"))[1]


def zipped(name, data):
    target = io.BytesIO()
    with zipfile.ZipFile(target, "w") as archive:
        archive.writestr(name, data)
    return target.getvalue()


# ---------------------------------------------------------------- 1 to 3: what XML looks like


async def test_fault_01_the_prefix_is_understood_without_and_written_always(out):
    bare = incoming().replace(b"edXML:", b"").replace(b"xmlns:edXML=", b"xmlns=")
    (arrival,) = await brought(out, bare)
    assert arrival["document_id"] == ID
    left = await sent_out(out, packet(to=("G09",)).replace(b"edXML:", b"q:").replace(
        b"xmlns:edXML", b"xmlns:q"))  # fmt: skip
    assert b"<edXML:edXMLEnvelope" in left
    assert b"<edXML:MessageHeader>" in left
    assert b"<q:" not in left


@pytest.mark.parametrize("namespace", ["http://www.e-doc.vn/Schema/", ""])
async def test_fault_02_another_namespace_is_repaired_and_another_root_is_told(out, namespace):
    (arrival,) = await brought(out, changed(incoming(), (NS, namespace)))
    assert arrival["document_id"] == ID
    code, answer, _ = await out.house.send(packet().replace(b"<edXML ", b"<EDXML ").replace(
        b"</edXML>", b"</EDXML>"))  # fmt: skip
    assert code == 422
    assert answer["findings"][0]["vi"]


async def test_fault_03_junk_before_the_declaration_is_dropped_and_told(out):
    (arrival,) = await brought(out, b"1212" + incoming())
    assert "junk-before-declaration" in await repairs_of(out, arrival)
    left = await sent_out(out, b"\xef\xbb\xbf" + packet(to=("G09",)))
    assert left.startswith(b"<?xml ")


# ---------------------------------------------------------------- 4, 5: who calls


async def test_fault_04_a_sender_that_is_not_the_caller_gets_the_axis_own_words(out):
    client = Kit(out.house.gateway.listeners[0].port, "snv", out.house.systems["snv"].secret)
    reply = await client.send_edoc(packet(sender="H37.04"), **{"from": "H37.04"})
    assert reply.json["status"] == "FAIL"
    assert "khong dung voi ma da dang ky: snv" in reply.json["ErrorDesc"]


async def test_fault_05_a_secret_that_is_no_longer_good_is_401_and_says_so(out):
    client = Kit(out.house.gateway.listeners[0].port, "snv", "mat-khau-cu")
    reply = await client.call("getReceivedEdocList", servicetype="eDoc", messagetype="edoc")
    assert reply.status == 401
    assert reply.json["ErrorDesc"]


# ---------------------------------------------------------------- 6 to 8: attachments


async def test_fault_06_bytes_are_bytes(out):
    every = b"\x89PNG\r\n\x1a\n" + bytes(range(256)) * 5 + b"\xef\xbb\xbf\xff\xfe\x80"
    (arrival,) = await brought(out, incoming(files=(("du-lieu.png", every),)))
    assert await file_of(out, arrival) == every
    left = await sent_out(out, packet(to=("G09",), files=(("du-lieu.png", every),)))
    (text,) = etree.fromstring(left).iterfind(f".//{{{NS}}}ContentTransferEncoded")
    with zipfile.ZipFile(io.BytesIO(base64.b64decode(text.text))) as archive:
        assert archive.read(archive.namelist()[0]) == every


async def test_fault_07_bytes_count_and_not_the_label(out):
    wrapped = zipped("0000.pdf", b"%PDF-1.7 that")
    (arrival,) = await brought(out, incoming(files=(("van-ban.pdf", wrapped),)))
    assert await file_of(out, arrival) == b"%PDF-1.7 that"
    left = await sent_out(out, packet(to=("G09",), files=(("van-ban.pdf", b"%PDF-1.7 raw"),)))
    assert b"<ContentType>application/pdf</ContentType>" in left
    assert base64.b64encode(b"%PDF-1.7 raw") in left


async def test_fault_08_a_workbook_is_unzipped_once_and_not_twice(out):
    target = io.BytesIO()
    with zipfile.ZipFile(target, "w") as archive:
        archive.writestr("[Content_Types].xml", "<x/>")
        archive.writestr("xl/workbook.xml", "<y/>")
    book = target.getvalue()
    files = (("raw.xlsx", book), ("kit.xlsx", zipped("3f2a.xlsx", book)))
    (arrival,) = await brought(out, incoming(files=files))
    assert await file_of(out, arrival, 0) == book
    assert await file_of(out, arrival, 1) == book


# ---------------------------------------------------------------- 9 to 13: once, answered, matched


async def test_fault_09_the_same_document_four_ways_is_one(out):
    both = incoming(to=("H37.04", "000.00.04.H37"))
    await out.bring(both, doc_id="a")
    await out.bring(both, doc_id="b")  # polled again before `done`
    await out.bring(both.replace(b"08:00:00", b"08:00:09"), doc_id="c")  # by another way
    assert len(await out.arrivals()) == 1
    assert [item for item, done, _ in out.peer.acknowledged if not done] == []
    first = await out.house.send(packet(to=("G09", "000.00.00.G09")))
    again = await out.house.send(packet(to=("G09", "000.00.00.G09")))
    assert first[1] == again[1]
    await out.flush()
    assert len(out.peer.delivered) == 1


@pytest.mark.parametrize("data", [b"<edXML>", b"", b"%PDF-1.7"])
async def test_fault_10_what_cannot_be_read_leaves_the_list_and_is_kept(out, data):
    await out.bring(data, doc_id="bad")
    for _ in range(8):
        out.house.clock.move(timedelta(hours=1))
        await out.collect()
    assert [done for item, done, _ in out.peer.acknowledged if item == "bad"] == [False]
    row = await out.inbound("bad")
    assert out.house.gateway.blobs.size(row["sha256"]) == len(data)


async def test_fault_11_a_status_under_another_spelling_finds_its_document(out):
    answer = await out.send("88")
    day = datetime.now(UTC).strftime("%Y/%m/%d")
    about = head("regenerated-0001", code="88/SNV-VP", date=day)
    await out.bring(status(about, "03"), "status")
    assert (await out.delivery(answer))["last_status"] == "03"
    left = out.peer.delivered[0][1]
    assert f"<edXML:DocumentId>{answer['document_id']}<".encode() in left


async def test_fault_12_a_status_in_its_other_forms_counts(out):
    answer = await out.send("89")
    data = status(head(answer["document_id"], code="89/SNV-VP"), "03")
    data = changed(data, ("edXML:MessageHeader", "edXML:Status"), (">03<", ">3<"))
    await out.bring(data, "status")
    assert (await out.delivery(answer))["last_status"] == "03"


async def test_fault_13_an_outage_is_not_an_empty_list(out):
    out.offer(incoming())
    out.peer.unreadable = 1
    with pytest.raises(UnavailableError):
        await out.collect()
    await out.collect()  # it answers again: nothing was taken for "nothing there"
    assert len(await out.arrivals()) == 1


# ---------------------------------------------------------------- 14 to 17: headers, dates


@pytest.mark.parametrize("code", ["null", ""])
async def test_fault_14_a_hop_without_a_code_passes_as_written_and_ours_has_one(out, code):
    hop = (
        f"<edXML:TraceHeader><edXML:OrganId>{code}</edXML:OrganId>"
        "<edXML:Timestamp>2026/11/20 07:59:59</edXML:Timestamp></edXML:TraceHeader>"
    )
    (arrival,) = await brought(out, incoming(trace=hop))
    assert "trace-organ-missing" in await repairs_of(out, arrival)
    left = etree.fromstring(await sent_out(out, packet(to=("G09",), trace=hop)))
    hops = [e.text or "" for e in left.iterfind(f".//{{{NS}}}TraceHeader/{{{NS}}}OrganId")]
    assert hops[0] == code or code == ""
    assert hops[-1] == out.house.gateway.settings.gateway.code


async def test_fault_15_no_text_of_the_example_is_ever_ours(out):
    left = (await sent_out(out, packet(to=("G09",)))).decode()
    for text in ("TVC", "Lưu hành nội bộ", "Văn bản điện tử mới", "<Signature", "Appendix"):
        assert text not in left
    copied = (
        "<edXML:OtherInfo><edXML:SphereOfPromulgation>Lưu hành nội bộ</edXML:SphereOfPromulgation>"
        "<edXML:TyperNotation>TVC</edXML:TyperNotation>"
    )
    data = changed(incoming(), ("<edXML:OtherInfo>", copied))
    (arrival,) = await brought(out, data)
    assert arrival["state"] == "offered"


@pytest.mark.parametrize("written", ["20/11/2026", "2026-11-20", "2026/11/20", "1795107600000"])
async def test_fault_16_a_day_is_the_day_that_was_meant(out, written):
    data = changed(incoming(), ("PromulgationDate>2026/11/20<", f"PromulgationDate>{written}<"))
    (arrival,) = await brought(out, data)
    assert arrival["promulgation_date"] == "2026-11-20"


async def test_fault_17_parameters_of_an_earlier_call_do_nothing(out):
    client = Kit(out.house.gateway.listeners[0].port, "snv", out.house.systems["snv"].secret)
    leftovers = {"hash-file": "ab", "status": "fail", "description": "x", "from": "H99.99"}
    reply = await client.call(
        "getReceivedEdocList", servicetype="eDoc", messagetype="edoc", **leftovers
    )
    assert (reply.json["status"], reply.json["data"]) == ("OK", [])


# ---------------------------------------------------------------- 18 to 22: codes, names, letters


async def test_fault_18_a_code_nobody_is_behind_is_told_and_an_old_one_arrives(out):
    await out.bring(incoming(to=("H37.77",)), doc_id="nobody")
    assert out.alarms == ["stray packet"]
    assert [item for item, *_ in out.peer.acknowledged] == ["nobody"]
    await brought(out, incoming("8", to=("000.00.04.H37",)))


@pytest.mark.parametrize(
    "name", ["../../etc/passwd.pdf", "a" * 300 + ".pdf", "CON.pdf", 'x<>:"|?*.pdf', "..\\..\\x.pdf"]
)
async def test_fault_19_a_name_leads_nowhere_and_keeps_its_extension(out, name):
    shown = name.replace("<", "&lt;").replace(">", "&gt;")
    (arrival,) = await brought(out, incoming(files=((shown, b"%PDF-1.7"),)))
    (attachment,) = (await content_of(out, arrival))["attachments"]
    safe = attachment["safe_name"]
    assert safe == safe_name(name, 1) or safe.endswith(".pdf")
    assert safe.endswith(".pdf")
    assert not re.search(r"[/\\<>:\"|?*\x00-\x1f]", safe)
    assert len(safe.encode()) <= 255


@pytest.mark.parametrize("notation", ["BNV#VP", "BNV/VP", "BNV,VP-1"])
async def test_fault_20_a_notation_is_one_text(out, notation):
    data = changed(incoming(), ("BNV-VP</edXML:CodeNotation>", f"{notation}</edXML:CodeNotation>"))
    (arrival,) = await brought(out, data)
    assert arrival["code"] == f"7/{notation}"


async def test_fault_21_text_with_dots_is_text(out):
    subject = "V/v báo cáo. Quý I. Quý II. Quý III." + " Phần." * 60
    (arrival,) = await brought(out, incoming(subject=subject))
    assert arrival["subject"] == subject


async def test_fault_22_letters_in_pieces_compare_as_whole_ones_and_stay_as_written(out):
    whole = incoming(subject="V/v tổ chức Đại hội")
    apart = unicodedata.normalize("NFD", whole.decode()).encode()
    await out.bring(apart, doc_id="apart")
    (arrival,) = await out.arrivals()
    await out.bring(whole, doc_id="whole")
    assert len(await out.arrivals()) == 1
    path = f"/inbox/{arrival['id']}/edxml?form=received"
    assert (await out.house.call("GET", path, "stc"))[1] == apart


# ---------------------------------------------------------------- 23 to 27: streams, loops, attacks


async def test_fault_23_a_packet_that_ends_too_early_is_never_taken(out):
    whole = packet()

    async def half():
        yield whole[: len(whole) // 2]

    with pytest.raises(RejectedError) as caught:
        await out.house.gateway.door.submit(out.caller("snv"), half(), SubmitOptions())
    assert caught.value.reason is Reason.MALFORMED
    data = incoming()
    await out.bring(data[: len(data) // 2], doc_id="half")
    assert await out.arrivals() == []


async def test_fault_24_a_file_is_cut_out_while_it_passes(out):
    body = bytes(3_000_000)
    (arrival,) = await brought(out, incoming(files=(("lon.bin", body),)))
    (attachment,) = (await content_of(out, arrival))["attachments"]
    assert attachment["size_bytes"] == len(body)
    row = await out.house.row("arrival", id=arrival["id"])
    assert len(row["envelope"]) < 20_000


async def test_fault_25_what_is_sent_to_oneself_does_not_go_round(out):
    code, answer, _ = await out.house.send(packet("33", to=(OURS, "G09")))
    assert code in {202, 400}, answer
    await out.flush()
    assert all(OURS not in parcel.recipients for parcel, _ in out.peer.delivered)
    # It comes back from the axis: known, answered, given to nobody again.
    if out.peer.delivered:
        before = len(await out.arrivals("snv"))
        await out.bring(out.peer.delivered[-1][1], doc_id="back")
        assert len(await out.arrivals("snv")) == before


async def test_fault_26_refusals_and_the_end_reach_the_senders_system(out):
    answer = await out.send("90")
    about = head(answer["document_id"], code="90/SNV-VP")
    for code, why in (("01", ""), ("03", ""), ("06", "")):
        await out.bring(status(about, code, description=why), "status")
    other = await out.send("91")
    refused = head(other["document_id"], code="91/SNV-VP")
    await out.bring(status(refused, "02", description="Gửi nhầm"), "status")
    said = {(code, document) for code, _, document in await out.waiting()}
    assert {("06", answer["document_id"]), ("02", other["document_id"])} <= said
    assert (await out.delivery(other))["reason"]


@pytest.mark.parametrize(
    "attack",
    [
        '<!DOCTYPE edXML [<!ENTITY x SYSTEM "file:///etc/passwd">]>',
        '<!DOCTYPE edXML SYSTEM "http://127.0.0.1:9/x.dtd">',
        '<!DOCTYPE edXML [<!ENTITY a "aaaa"><!ENTITY b "&a;&a;&a;&a;">]>',
    ],
)
async def test_fault_27_a_doctype_is_refused_whoever_brings_it(out, attack):
    data = changed(packet(), ('encoding="UTF-8"?>', f'encoding="UTF-8"?>{attack}'))
    code, answer, _ = await out.house.send(data)
    assert code == 422
    assert "DOCTYPE" in answer["detail"] + str(answer["findings"])
    await out.bring(changed(incoming(), ('encoding="UTF-8"?>', f'encoding="UTF-8"?>{attack}')))
    assert await out.arrivals() == []
    await asyncio.sleep(0)
