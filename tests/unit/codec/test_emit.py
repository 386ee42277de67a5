import base64
from dataclasses import replace
from datetime import UTC, datetime

import pytest

from gateway.codec.dates import LOCAL
from gateway.codec.edxml import emit_document, with_trace
from gateway.codec.schema import check
from gateway.codec.tree import QCVN_NS
from gateway.domain.envelope import Header, Organization, TraceHop
from gateway.errors import RejectedError

CONTENT = "edXML:ContentTransferEncoded"


def test_the_form_byte_for_byte(header, emit):
    packet, _ = emit(header, {"a.pdf": b"%PDF"})
    assert packet.decode().split("\r\n") == [
        '<?xml version="1.0" encoding="UTF-8"?>',
        '<edXML xmlns="http://www.mic.gov.vn/TBT/QCVN_102_2016">',
        '  <edXML:edXMLEnvelope xmlns:edXML="http://www.mic.gov.vn/TBT/QCVN_102_2016">',
        "    <edXML:edXMLHeader>",
        "      <edXML:MessageHeader>",
        "        <edXML:From>",
        "          <edXML:OrganId>H37.02</edXML:OrganId>",
        "          <edXML:OrganName>Sở Một</edXML:OrganName>",
        "        </edXML:From>",
        "        <edXML:To>",
        "          <edXML:OrganId>H37.05</edXML:OrganId>",
        "          <edXML:OrganName>Phường Hai</edXML:OrganName>",
        "        </edXML:To>",
        "        <edXML:DocumentId>H37.02,2026/03/02,15/SM-VP</edXML:DocumentId>",
        "        <edXML:Code>",
        "          <edXML:CodeNumber>15</edXML:CodeNumber>",
        "          <edXML:CodeNotation>SM-VP</edXML:CodeNotation>",
        "        </edXML:Code>",
        "        <edXML:PromulgationInfo>",
        "          <edXML:Place>Lạng Sơn</edXML:Place>",
        "          <edXML:PromulgationDate>2026/03/02</edXML:PromulgationDate>",
        "        </edXML:PromulgationInfo>",
        "        <edXML:Subject>V/v thử nghiệm</edXML:Subject>",
        "        <edXML:OtherInfo>",
        "          <edXML:Priority>0</edXML:Priority>",
        "        </edXML:OtherInfo>",
        "      </edXML:MessageHeader>",
        "      <edXML:TraceHeaderList>",
        "        <edXML:Bussiness>",
        "          <edXML:BussinessDocType>0</edXML:BussinessDocType>",
        "        </edXML:Bussiness>",
        "        <edXML:TraceHeader>",
        "          <edXML:OrganId>H37.02</edXML:OrganId>",
        "          <edXML:Timestamp>2026/03/02 08:30:00</edXML:Timestamp>",
        "        </edXML:TraceHeader>",
        "      </edXML:TraceHeaderList>",
        "    </edXML:edXMLHeader>",
        "    <edXML:edXMLBody>",
        '      <edXML:edXMLManifest version="1.0">',
        "        <edXML:Reference>",
        "          <edXML:ContentId>cid:id-0</edXML:ContentId>",
        "          <edXML:ContentType>application/pdf</edXML:ContentType>",
        "          <edXML:AttachmentName>a.pdf</edXML:AttachmentName>",
        "        </edXML:Reference>",
        "      </edXML:edXMLManifest>",
        "    </edXML:edXMLBody>",
        "  </edXML:edXMLEnvelope>",
        "  <AttachmentEncoded>",
        "    <Attachment>",
        "      <ContentId>cid:id-0</ContentId>",
        "      <AttachmentName>a.pdf</AttachmentName>",
        "      <ContentType>application/pdf</ContentType>",
        f'      <edXML:ContentTransferEncoded xmlns:edXML="{QCVN_NS}">JVBERg==</{CONTENT}>',
        "    </Attachment>",
        "  </AttachmentEncoded>",
        "</edXML>",
        "",
    ]


def test_no_attachments(header, emit, read):
    packet, _ = emit(header, {})
    assert b'<edXML:edXMLManifest version="1.0" />' in packet
    assert b"  <AttachmentEncoded />\r\n" in packet
    assert check(read(packet).skeleton) == ()


@pytest.mark.parametrize(
    ("name", "raw", "label"),
    [
        ("a.pdf", True, "application/pdf"),
        ("A.PDF", True, "application/pdf"),
        ("a.doc", True, "application/doc"),
        ("a.docx", True, "application/docx"),
        ("a.zip", True, "application/zip"),
        ("a.xlsx", False, "application/zip"),
        ("a.xls", False, "application/zip"),
        ("a.txt", False, "application/zip"),
        ("khong-duoi", False, "application/zip"),
    ],
)
def test_raw_or_wrapped_by_extension(header, emit, read, name, raw, label):
    data = bytes(range(256)) * 10
    packet, attachments = emit(header, {name: data})
    assert (base64.b64encode(data) in packet) is raw
    assert f"<ContentType>{label}</ContentType>".encode() in packet
    result = read(packet)
    assert result.repairs == ()
    assert result.files[0].read_bytes() == data
    assert result.envelope.attachments[0].sha256 == attachments[0].sha256


def test_a_zip_behind_a_pdf_name_comes_out_as_it_went_in(header, emit, read):
    import io
    import zipfile

    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as opened:
        opened.writestr("x", b"y")
    result = read(emit(header, {"a.pdf": out.getvalue()})[0])
    assert result.files[0].read_bytes() == out.getvalue()
    assert result.repairs == ()


def test_the_same_input_gives_the_same_bytes(header, emit):
    files = {"a.txt": b"x" * 1000, "b.pdf": b"%PDF"}
    assert emit(header, files) == emit(header, files)


def test_chunk_sizes_do_not_matter(header, emit):
    data = bytes(range(256)) * 300
    packet, attachments = emit(header, {"a.txt": data, "b.pdf": data})
    for step in (1, 7, 1000):
        pieces = [data[i : i + step] for i in range(0, len(data), step)]
        assert b"".join(emit_document(header, attachments, lambda _, p=pieces: [b"", *p])) == packet


def test_pieces_are_bounded(header, emit):
    _, attachments = emit(header, {"a.pdf": b"x"})
    chunk = bytes(64 * 1024)
    sizes = [len(p) for p in emit_document(header, attachments, lambda _: [chunk] * 100)]
    assert max(sizes) < 256 * 1024
    assert len(sizes) > 20


def test_markup_in_texts_is_escaped(header, emit, read):
    odd = replace(header, subject='a & b <c> "d" ]]> \r\n\t e', content="  khoảng trắng  ")
    packet = emit(odd, {})[0]
    assert read(packet).envelope.header == odd
    assert check(read(packet).skeleton) == ()


@pytest.mark.parametrize("bad", ["\x00", "\x0b", "\ufffe", "\ud800"])
def test_what_xml_cannot_carry_is_refused(header, emit, bad):
    with pytest.raises(RejectedError) as caught:
        emit(replace(header, subject=f"a{bad}"), {})
    assert caught.value.findings[0].rule == "FMT-06"


def test_blank_texts_and_containers_are_left_out(emit):
    packet = emit(Header(Organization("H1"), (), subject="  "), {})[0]
    for name in (b"Subject", b"Code>", b"Promulgation", b"SignerInfo", b"Steering", b"ToPlaces",
                 b"TraceHeader>", b"DocumentType"):  # fmt: skip
        assert name not in packet


def test_with_trace_appends_and_never_rewrites(header, emit, read):
    at = datetime(2026, 3, 2, 2, 0, 0, 999, tzinfo=UTC)
    more = with_trace(header, "H37.HUB", at)
    assert more.trace[:-1] == header.trace
    assert more.trace[-1] == TraceHop("H37.HUB", datetime(2026, 3, 2, 9, 0, tzinfo=LOCAL))
    assert read(emit(more, {})[0]).envelope.header == more
