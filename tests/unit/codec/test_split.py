import base64
import os
from dataclasses import replace

import pytest

from gateway.codec.limits import Limits
from gateway.codec.split import NullSink, Splitter
from gateway.errors import Reason, RejectedError

ROOT = '<edXML xmlns="http://www.mic.gov.vn/TBT/QCVN_102_2016">'
HEAD = (
    '<?xml version="1.0" encoding="UTF-8"?>\n'
    f"{ROOT}<edXMLEnvelope><edXMLHeader><MessageHeader><From><OrganId>H1</OrganId></From>"
    "</MessageHeader></edXMLHeader></edXMLEnvelope>"
)


def with_content(*texts, tail="</edXML>"):
    files = "".join(
        f"<Attachment><ContentTransferEncoded>{t}</ContentTransferEncoded></Attachment>"
        for t in texts
    )
    return f"{HEAD}<AttachmentEncoded>{files}</AttachmentEncoded>{tail}".encode()


def feed_all(splitter, pieces):
    for piece in pieces:
        splitter.feed(piece)


@pytest.mark.parametrize("step", [1, 2, 3, 7, 64, 4096, 20_000])
def test_pieces_of_any_size_give_the_same(split, step):
    data = os.urandom(30_001)
    whole = with_content(base64.b64encode(data).decode(), "QUJD")
    skeleton, files = split(whole, step=step)
    assert files == [data, b"ABC"]
    assert [p.size_bytes for p in skeleton.parts] == [30_001, 3]
    assert skeleton.parts[0].head == data[:16]
    assert skeleton.size_bytes == len(whole)
    assert skeleton.header_bytes < 1000


def test_content_is_not_left_in_the_tree(split):
    skeleton, _ = split(with_content("QUJD"))
    texts = []

    def visit(node):
        texts.append(node.text)
        for child in node.children:
            visit(child)

    visit(skeleton.root)
    assert "QUJD" not in "".join(texts)


@pytest.mark.parametrize("blank", ["", "  ", "\r\n\t"])
def test_empty_content_still_begins_and_ends(split, blank):
    _, files = split(with_content(blank, "QQ=="))
    assert files == [b"", b"A"]


def test_attachment_without_content_is_counted(split):
    packet = f"{HEAD}<AttachmentEncoded><Attachment><AttachmentName>a</AttachmentName></Attachment>"
    skeleton, files = split(f"{packet}</AttachmentEncoded></edXML>".encode())
    assert files == [b""]
    assert not skeleton.parts[0].has_content


@pytest.mark.parametrize(
    "text",
    ["QUJ", "QUJDR", "QQ=", "Q===", "====", "QQ==QUJD", "QU=D", "Q=JD", "QUJ-", "QUJ_", "QU&#233;D",
     "QUJD====", "QQ==\n=", "=", "QUJDQ=="],
)  # fmt: skip
@pytest.mark.parametrize("step", [1, 10_000])
def test_base64_is_strict(split, text, step):
    with pytest.raises(RejectedError) as caught:
        split(with_content(text), step=step)
    assert caught.value.reason is Reason.BASE64_BROKEN
    finding = caught.value.findings[0]
    assert finding.rule == "MD-10"
    assert finding.where.endswith("Attachment[1]/ContentTransferEncoded")


@pytest.mark.parametrize("text", ["QUJD\nRA==", " Q U J D R A = = ", "QUJDRA==\r\n", "QUJDRA=\t="])
def test_base64_may_hold_white_space(split, text):
    assert split(with_content(text))[1] == [b"ABCD"]


def test_cdata_content(split):
    assert split(with_content("<![CDATA[QUJD]]>"))[1] == [b"ABC"]


@pytest.mark.parametrize(
    "doctype",
    [
        "<!DOCTYPE edXML>",
        '<!DOCTYPE edXML SYSTEM "file:///etc/passwd">',
        '<!DOCTYPE edXML [<!ENTITY a "b">]>',
        '<!DOCTYPE edXML [<!ENTITY % p SYSTEM "http://localhost/"> %p;]>',
    ],
)
def test_doctype_is_refused(split, doctype):
    packet = with_content("QUJD").replace(ROOT.encode(), doctype.encode() + ROOT.encode())
    with pytest.raises(RejectedError) as caught:
        split(packet)
    assert caught.value.reason is Reason.DOCTYPE_REFUSED


def test_doctype_is_refused_before_the_rest_arrives():
    splitter = Splitter(Limits(), NullSink())
    with pytest.raises(RejectedError):
        splitter.feed(b'<?xml version="1.0"?><!DOCTYPE a [' + b" " * 20_000)


def test_undefined_entity_is_malformed(split):
    with pytest.raises(RejectedError) as caught:
        split(with_content("QUJD", tail="&nbsp;</edXML>"))
    assert caught.value.reason is Reason.MALFORMED


@pytest.mark.parametrize("encoding", ["ISO-8859-1", "windows-1258", "TCVN3", "UTF-7"])
def test_legacy_encodings_are_refused_under_fmt_06(split, encoding):
    packet = with_content("QUJD").replace(b"UTF-8", encoding.encode())
    with pytest.raises(RejectedError) as caught:
        split(packet)
    assert caught.value.reason is Reason.MALFORMED
    assert caught.value.findings[0].rule == "FMT-06"


@pytest.mark.parametrize("codec", ["utf-16", "utf-16-le", "utf-16-be"])
def test_utf_16_is_read_and_said(split, codec):
    data = os.urandom(50_000)
    text = with_content(base64.b64encode(data).decode()).decode().replace("UTF-8", "UTF-16")
    skeleton, files = split(text.encode(codec))
    assert files == [data]
    assert [r.code for r in skeleton.repairs if r.code == "utf-16"] == ["utf-16"]
    assert skeleton.header_bytes < 2000


def test_bytes_that_are_not_the_declared_encoding(split):
    with pytest.raises(RejectedError) as caught:
        split(with_content("QUJD").replace(b"H1", b"\xc3\x28"))
    assert caught.value.reason is Reason.MALFORMED


@pytest.mark.parametrize(
    ("prefix", "code"),
    [(b"\xef\xbb\xbf", "bom"), (b"1212", "junk-before-declaration"),
     (b"\r\n ", "junk-before-declaration")],
)  # fmt: skip
def test_what_stands_before_the_declaration_is_dropped_and_said(split, prefix, code):
    skeleton, files = split(prefix + with_content("QUJD"))
    assert files == [b"ABC"]
    assert code in [r.code for r in skeleton.repairs]


@pytest.mark.parametrize(
    "packet",
    [b"", b"   ", b"hello", b"x" * 300 + b"<edXML/>", b"%PDF-1.7", b"PK\x03\x04", b"{}",
     b"<", b"<edXML>", b"<html></html>", b"<edXML/>", b"<edXML><edXMLEnvelope/></edXML>",
     b"<a:edXML/>", b"<edXML/><edXML/>", b'<edXML xmlns="http://www.go.vn/eDoc"/>', b"<EdXML/>"],
)  # fmt: skip
def test_what_is_no_packet_is_refused(split, packet):
    with pytest.raises(RejectedError) as caught:
        split(packet)
    assert caught.value.reason is Reason.MALFORMED
    assert caught.value.findings[0].vi


@pytest.mark.parametrize(
    ("body", "limits"),
    [
        (b"<a>" * 50, Limits(depth=40)),
        (b"<a/>" * 200, Limits(elements=100)),
        (b"<a " + b" ".join(b'a%d="1"' % i for i in range(50)) + b"/>", Limits(attributes=40)),
        (b"<" + b"a" * 300 + b"/>", Limits()),
        (b"<!--" + b"x" * 9000 + b"-->", Limits(header_bytes=8000)),
        (b"<a b='" + b"x" * 9000 + b"'/>", Limits(header_bytes=8000)),
        (b" " * 9000, Limits(header_bytes=8000)),
    ],
)
def test_limits(split, body, limits):
    packet = with_content("QUJD").replace(b"<From>", body + b"<From>")
    with pytest.raises(RejectedError) as caught:
        split(packet, limits)
    assert caught.value.reason is Reason.LIMIT_EXCEEDED
    assert caught.value.findings[0].rule == "MD-10"


def test_limit_on_attachments(split):
    assert len(split(with_content(*["QQ=="] * 3), Limits(attachments=3))[1]) == 3
    with pytest.raises(RejectedError) as caught:
        split(with_content(*["QQ=="] * 4), Limits(attachments=3))
    assert caught.value.reason is Reason.LIMIT_EXCEEDED


def test_limit_on_the_packet_counts_while_it_arrives():
    splitter = Splitter(Limits(packet_bytes=1000), NullSink())
    with pytest.raises(RejectedError) as caught:
        feed_all(splitter, [b" " * 100] * 100)
    assert caught.value.reason is Reason.LIMIT_EXCEEDED


def test_content_does_not_count_as_header(split):
    big = base64.b64encode(bytes(200_000)).decode()
    skeleton, _ = split(with_content(big), replace(Limits(), header_bytes=2000))
    assert skeleton.parts[0].size_bytes == 200_000


def test_a_token_that_never_ends_is_stopped():
    splitter = Splitter(Limits(header_bytes=100_000), NullSink())
    with pytest.raises(RejectedError) as caught:
        feed_all(splitter, [b"<!-- "] + [b"x" * 1000] * 1000)
    assert caught.value.reason is Reason.LIMIT_EXCEEDED


@pytest.mark.parametrize(
    "bad",
    [
        "<Attachment><ContentTransferEncoded>QQ==<b/></ContentTransferEncoded></Attachment>",
        "<Attachment>"
        + "<ContentTransferEncoded>QQ==</ContentTransferEncoded>" * 2
        + "</Attachment>",
        "<Attachment><AttachmentEncoded><Attachment/></AttachmentEncoded></Attachment>",
        "<zz:Attachment/>",
    ],
)
def test_attachments_that_make_no_sense_are_malformed(split, bad):
    packet = f"{HEAD}<AttachmentEncoded>{bad}</AttachmentEncoded></edXML>"
    with pytest.raises(RejectedError) as caught:
        split(packet.encode())
    assert caught.value.reason is Reason.MALFORMED


def test_nothing_is_taken_after_an_error_or_the_end(split):
    splitter = Splitter(Limits(), NullSink())
    with pytest.raises(RejectedError):
        splitter.feed(b"<a></b>" + b" " * 20_000)
    with pytest.raises(RejectedError):
        splitter.close()
    done = Splitter(Limits(), NullSink())
    done.feed(with_content("QUJD"))
    done.close()
    with pytest.raises(RejectedError):
        done.close()


def test_a_broken_sink_is_not_swallowed():
    class Full(NullSink):
        def write(self, data):
            raise OSError(28, "No space left on device")

    splitter = Splitter(Limits(), Full())
    with pytest.raises(OSError, match="No space"):
        splitter.feed(with_content("QUJD" * 10_000))


def test_kind_is_told(split, packet):
    assert split(packet)[0].kind == "document"
    status = packet.replace(
        b"</edXML:MessageHeader>", b"<StatusCode>03</StatusCode></edXML:MessageHeader>"
    )
    assert split(status)[0].kind == "status"
