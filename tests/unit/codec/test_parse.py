import base64
from dataclasses import replace
from datetime import date, datetime

import pytest

from gateway.codec.dates import LOCAL
from gateway.codec.limits import Limits
from gateway.codec.repairs import CODES
from gateway.domain.envelope import BusinessType, ResponseFor, Urgency
from gateway.domain.finding import Severity
from gateway.errors import Reason, RejectedError


def change(packet, *pairs):
    text = packet.decode()
    for old, new in pairs:
        assert old in text, old
        text = text.replace(old, new)
    return text.encode()


def codes(result):
    assert {r.code for r in result.repairs} <= CODES
    return [r.code for r in result.repairs]


def test_a_strict_packet_needs_no_repair(read, packet, header):
    result = read(packet)
    assert result.repairs == ()
    assert result.findings == ()
    assert result.envelope.header == header
    assert result.envelope.manifest[0].name == "van-ban.pdf"
    assert result.envelope.attachments[0].content_type == "application/pdf"
    assert result.files[0].read_bytes().startswith(b"%PDF-")


@pytest.mark.parametrize(
    ("old", "new", "code", "where"),
    [
        ("2026/03/02</edXML:Prom", "02/03/2026</edXML:Prom", "date-dmy", "PromulgationDate"),
        ("2026/03/02</edXML:Prom", "2026-03-02</edXML:Prom", "date-iso", "PromulgationDate"),
        ("<edXML:Priority>0", "<edXML:Priority>9", "priority-unknown", "Priority"),
        ("<edXML:Priority>0<", "<edXML:Priority>hỏa tốc<", "priority-unknown", "Priority"),
        ("H37.02</edXML:OrganId>", " H37.02\n</edXML:OrganId>", "whitespace-trimmed", "OrganId"),
        (
            "<edXML:Subject>",
            "<edXML:SteeringType/><edXML:Subject>",
            "steering-empty",
            "SteeringType",
        ),
        ("<edXML:Subject>", "chữ lạc<edXML:Subject>", "stray-text", "MessageHeader"),
        ("V/v thử nghiệm", "V/v <b>thử</b> nghiệm", "markup-in-text", "Subject"),
        ("cid:id-0", "cid:cid:id-0", "cid-double", "ContentId"),
        ("cid:id-0", "id-0", "cid-prefix-missing", "ContentId"),
        ("edXMLBody>", "Body>", "element-spelling", "Body"),
    ],
)
def test_repairs_name_the_place(read, packet, header, old, new, code, where):
    result = read(change(packet, (old, new)))
    found = [r for r in result.repairs if r.code == code]
    assert found
    assert found[0].where.endswith(where)
    assert found[0].vi
    got = replace(result.envelope.header, extras=())
    assert got == header  # whatever the form, the same document was read


def test_other_prefixes_are_one_repair(read, packet, header):
    result = read(change(packet, ("edXML:", "ns1:"), ("xmlns:edXML", "xmlns:ns1")))
    assert codes(result) == ["prefix"]
    assert result.envelope.header == header


@pytest.mark.parametrize(
    ("new", "code"),
    [("http://www.e-doc.vn/Schema/", "namespace-old"), ("", "namespace-missing")],
)
def test_other_namespaces(read, packet, header, new, code):
    text = packet.decode()
    if new:
        text = text.replace("http://www.mic.gov.vn/TBT/QCVN_102_2016", new)
    else:
        text = text.replace(' xmlns="http://www.mic.gov.vn/TBT/QCVN_102_2016"', "")
        text = text.replace(' xmlns:edXML="http://www.mic.gov.vn/TBT/QCVN_102_2016"', "")
        text = text.replace("edXML:", "")
    result = read(text.encode())
    assert code in codes(result)
    assert result.envelope.header == header


def test_any_order(read, packet, header):
    text = packet.decode()
    start, end = text.index("<edXML:DocumentId>"), text.index("</edXML:DocumentId>") + 19
    line = text[start:end]
    moved = text.replace(line, "").replace(
        "</edXML:MessageHeader>", line + "</edXML:MessageHeader>"
    )
    result = read(moved.encode())
    assert codes(result) == []
    assert result.envelope.header == header


@pytest.mark.parametrize(("text", "value"), [("1", True), ("0", False), ("TRUE", True)])
def test_direction(read, header, emit, text, value):
    packet = emit(replace(header, direction=value), {})[0]
    written = "true" if value else "false"
    assert read(packet).repairs == ()
    result = read(change(packet, (f"Direction>{written}", f"Direction>{text}")))
    assert codes(result) == ["direction-form"]
    assert result.envelope.header.direction is value


def test_numbers_that_are_words_are_kept_to_look_at(read, header, emit):
    packet = emit(replace(header, page_amount=4), {})[0]
    result = read(change(packet, ("PageAmount>4", "PageAmount>04 trang")))
    assert codes(result) == ["number-unreadable"]
    assert result.repairs[0].was == "04 trang"
    assert result.envelope.header.page_amount is None
    (extra,) = result.envelope.header.extras
    assert "04 trang" in extra.xml
    # … and never sent on: it would break the receiver
    assert b"trang" not in emit(result.envelope.header, {})[0]


@pytest.mark.parametrize("text", ["", "CV", "-3", "2.0", "9999999999"])
def test_type_defaults_to_two(read, header, emit, text):
    packet = emit(replace(header, type_code=71, type_name="Công văn"), {})[0]
    assert read(packet).envelope.header.type_code == 71
    result = read(change(packet, ("<edXML:Type>71", f"<edXML:Type>{text}")))
    assert codes(result) == ["type-defaulted"]
    assert result.envelope.header.type_code == 2


def test_both_spellings_of_business(read, header, emit):
    block = replace(header.business, doc_type=BusinessType.RECALL, reason="Gửi nhầm", paper=0)
    packet = emit(replace(header, business=block), {})[0]
    assert b"BussinessDocType>1<" in packet
    result = read(packet.replace(b"Bussiness", b"Business"))
    assert set(codes(result)) == {"business-spelling"}
    assert result.envelope.header.business == block


@pytest.mark.parametrize("text", ["4", "thu hồi", "-1", "01"])
def test_an_unknown_operation_is_an_error_not_a_new_document(read, packet, text):
    result = read(change(packet, ("BussinessDocType>0", f"BussinessDocType>{text}")))
    (finding,) = result.findings
    assert finding.rule == "MD-10"
    assert finding.severity is Severity.ERROR
    assert finding.where.endswith("BussinessDocType")


def test_missing_sender_is_an_error(read, packet):
    text = packet.decode()
    cut = text[: text.index("<edXML:From>")] + text[text.index("</edXML:From>") + 13 :]
    (finding,) = read(cut.encode()).findings
    assert finding.severity is Severity.ERROR
    assert finding.where.endswith("/From")


def test_everything_but_the_header_may_be_missing(read):
    result = read(
        b"<edXML><edXMLEnvelope><edXMLHeader><MessageHeader/></edXMLHeader></edXMLEnvelope></edXML>"
    )
    header = result.envelope.header
    assert header.recipients == ()
    assert header.urgency is Urgency.NORMAL
    assert header.trace == ()
    assert result.envelope.attachments == ()


def test_empty_response_for_is_absent(read, packet):
    empty = "<edXML:ResponseFor><edXML:OrganId/><edXML:Code></edXML:Code></edXML:ResponseFor>"
    result = read(change(packet, ("</edXML:MessageHeader>", f"{empty}</edXML:MessageHeader>")))
    assert result.envelope.header.response_for == ()
    assert codes(result) == []


def test_every_response_for_task_and_place_survives(read, header, emit):
    full = replace(
        header,
        steering_type=1,
        due_date=date(2026, 4, 1),
        response_for=(ResponseFor("G22", "1/A", "x", date(2026, 1, 1)), ResponseFor("G12", "2/B")),
        task_codes=("T1", "T2"),
        to_places=("Như trên", "Lưu: VT"),
        appendixes=("Phụ lục 1",),
    )
    assert read(emit(full, {})[0]).envelope.header == full


def test_unknown_elements_survive_the_round_trip(read, packet, emit):
    odd = '<x:Mới xmlns:x="urn:x" b="2" a="1">m &amp; <x:n/> k</x:Mới>'
    ours = "<edXML:LaLa>1</edXML:LaLa>"
    changed = change(
        packet,
        ("</edXML:MessageHeader>", f"{odd}{ours}</edXML:MessageHeader>"),
        ("</edXML:From>", f"{ours}</edXML:From>"),
        ("</edXML:edXMLHeader>", f"{odd}</edXML:edXMLHeader>"),
    )
    header = read(changed).envelope.header
    assert sorted(e.parent.rpartition("/")[2] for e in header.extras) == [
        "From", "MessageHeader", "MessageHeader", "edXMLHeader"]  # fmt: skip
    again = read(emit(header, {})[0]).envelope.header
    assert sorted(map(repr, again.extras)) == sorted(map(repr, header.extras))
    once = emit(again, {})[0]
    assert emit(read(once).envelope.header, {})[0] == once


def test_repeated_single_elements_keep_the_first(read, packet, emit):
    twice = "<edXML:Subject>khác</edXML:Subject></edXML:MessageHeader>"
    result = read(change(packet, ("</edXML:MessageHeader>", twice)))
    assert codes(result) == ["duplicate-element"]
    assert result.envelope.header.subject == "V/v thử nghiệm"
    assert "khác" in result.envelope.header.extras[0].xml
    assert emit(result.envelope.header, {})[0].count(b"Subject>") == 2


def test_trace_without_organ_is_kept_as_written(read, packet):
    result = read(
        change(
            packet,
            (
                "H37.02</edXML:OrganId>\r\n          <edXML:Time",
                "null</edXML:OrganId>\r\n          <edXML:Time",
            ),
        )
    )
    assert codes(result) == ["trace-organ-missing"]
    assert result.envelope.header.trace[0].organ_id == "null"
    assert result.envelope.header.trace[0].at == datetime(2026, 3, 2, 8, 30, tzinfo=LOCAL)


def test_a_missing_name_comes_from_the_manifest(read, packet):
    text = packet.decode()
    result = read(
        text.replace("      <AttachmentName>van-ban.pdf</AttachmentName>\r\n", "").encode()
    )
    assert codes(result) == ["name-from-manifest"]
    assert result.envelope.attachments[0].name == "van-ban.pdf"


def test_a_missing_name_is_made_up_and_said(read, packet):
    text = packet.decode().replace("<AttachmentName>van-ban.pdf</AttachmentName>", "")
    text = text.replace("<edXML:AttachmentName>van-ban.pdf</edXML:AttachmentName>", "")
    result = read(text.encode())
    assert result.envelope.attachments[0].name == "tep-1.pdf"
    (finding,) = result.findings
    assert finding.rule == "MD-01"


def test_hostile_names_are_shown_safe_and_sent_safe(read, packet, emit):
    result = read(change(packet, ("van-ban.pdf", "../../van-ban.pdf")))
    assert codes(result) == ["name-unsafe"]
    (attachment,) = result.envelope.attachments
    assert (attachment.name, attachment.safe_name) == ("../../van-ban.pdf", "van-ban.pdf")


def test_an_empty_attachment_is_an_error(read, packet):
    start = packet.index(b"JVBER")
    result = read(packet[:start] + packet[packet.index(b"</edXML:ContentTransfer") :])
    assert [f.rule for f in result.findings] == ["MD-01"]
    assert result.envelope.attachments[0].size_bytes == 0


def test_wrong_labels_are_said(read, packet):
    result = read(change(packet, ("<ContentType>application/pdf", "<ContentType>application/zip")))
    assert codes(result) == ["zip-mislabelled"]
    assert result.envelope.attachments[0].size_bytes == 24


def test_dot_net_order_and_attributes(read):
    data = base64.b64encode(b"%PDF-1.4").decode()
    packet = f"""<?xml version="1.0"?><edXML xmlns="http://www.mic.gov.vn/TBT/QCVN_102_2016"
 xmlns:edXML="http://www.mic.gov.vn/TBT/QCVN_102_2016" xmlns:xlink="http://www.w3.org/1999/xlink">
 <edXML:edXMLEnvelope><edXML:edXMLHeader><edXML:MessageHeader><edXML:From>
 <edXML:OrganId>H1</edXML:OrganId></edXML:From></edXML:MessageHeader>
 <edXML:TraceHeaderList edXML:id="1a2b" edXML:version="1.0"/></edXML:edXMLHeader>
 <edXML:edXMLBody><edXML:edXMLManifest><edXML:Reference xlink:href="cid:7" xlink:type="simple">
 <edXML:AttachmentName>a.pdf</edXML:AttachmentName></edXML:Reference></edXML:edXMLManifest>
 </edXML:edXMLBody></edXML:edXMLEnvelope><AttachmentEncoded><Attachment>
 <ContentType>application/pdf</ContentType><ContentId>7</ContentId><Description>d</Description>
 <edXML:ContentTransferEncoded>{data}</edXML:ContentTransferEncoded>
 <AttachmentName>a.pdf</AttachmentName></Attachment></AttachmentEncoded></edXML>"""
    result = read(packet.encode())
    assert codes(result) == ["cid-prefix-missing"]
    assert result.envelope.manifest[0].content_id == "7"
    assert result.envelope.attachments[0].content_id == "7"


def test_soap_of_the_old_era(read):
    packet = b"""<S:Envelope xmlns:S="http://schemas.xmlsoap.org/soap/envelope/"
 xmlns:edXML="http://www.e-doc.vn/Schema/"><S:Header><edXML:MessageHeader><edXML:From>
 <edXML:OrganId>000.00.01.H41</edXML:OrganId><edXML:OrganInCharge>UBND</edXML:OrganInCharge>
 </edXML:From><edXML:Subject>x</edXML:Subject></edXML:MessageHeader></S:Header>
 <S:Body><edXML:Manifest/></S:Body></S:Envelope>"""
    result = read(packet)
    assert {"soap-wrapper", "element-spelling"} <= set(codes(result))
    assert result.envelope.header.sender.organization_in_charge == "UBND"
    assert result.envelope.header.subject == "x"


def test_remarks_are_bounded(read, packet):
    many = "<edXML:ResponseFor><edXML:OrganId> H1 </edXML:OrganId></edXML:ResponseFor>" * 500
    changed = change(packet, ("</edXML:MessageHeader>", f"{many}</edXML:MessageHeader>"))
    result = read(changed, Limits(remarks=50))
    assert len(result.repairs) == 51
    assert result.repairs[-1].code == "more"
    assert len(result.envelope.header.response_for) == 500


def test_zips_are_undone_and_counted_together(read, header, emit):
    packet = emit(header, {"a.txt": b"x" * 600, "b.txt": b"y" * 600})[0]
    result = read(packet)
    assert [f.read_bytes() for f in result.files] == [b"x" * 600, b"y" * 600]
    assert all(a.wrapped_sha256 for a in result.envelope.attachments)
    with pytest.raises(RejectedError) as caught:
        read(packet, Limits(unwrapped_bytes=1000))
    assert caught.value.reason is Reason.LIMIT_EXCEEDED


def test_a_damaged_wrapper_keeps_the_bytes_as_sent(read, header, emit):
    import io
    import zipfile

    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_STORED) as opened:
        opened.writestr("a.txt", b"x" * 500)
    broken = out.getvalue().replace(b"xxxx", b"xyxx", 1)
    packet = change(emit(header, {"a.pdf": b"%PDF"})[0], ("a.pdf", "a.txt"),
                    (base64.b64encode(b"%PDF").decode(), base64.b64encode(broken).decode()))  # fmt: skip
    result = read(packet)
    assert result.files[0].read_bytes() == broken
    assert [f.severity for f in result.findings] == [Severity.WARNING]


@pytest.mark.parametrize(
    ("block", "is_block", "is_real"),
    [
        ("", False, False),
        ("<Signature><SignatureValue>SIGVAL=</SignatureValue></Signature>", True, False),
        ('<ds:Signature xmlns:ds="http://www.w3.org/2000/09/xmldsig#"/>', True, True),
        ('<Signature xmlns="http://www.w3.org/2000/09/xmldsig#"/>', True, True),
    ],
)
def test_a_dummy_signature_block_is_told_from_a_real_one(read, packet, block, is_block, is_real):
    found = read(change(packet, ("</edXML:edXMLHeader>", f"{block}</edXML:edXMLHeader>")))
    header = found.envelope.header
    assert (header.has_signature_block, header.has_xml_signature) == (is_block, is_real)
