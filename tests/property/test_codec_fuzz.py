"""Whatever bytes come in: a value or a RejectedError, never anything else, never a hang."""

import base64
import contextlib
import tempfile
from pathlib import Path

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from gateway.codec.edxml import emit_document, envelope_from_json, envelope_to_json
from gateway.codec.limits import Limits
from gateway.codec.names import MAX_BYTES, MAX_CHARS, safe_name
from gateway.codec.reader import read_packet
from gateway.codec.schema import check
from gateway.codec.unwrap import wrap
from gateway.domain.consignment import content_digest
from gateway.errors import RejectedError

GOLDEN = Path(__file__).parents[1] / "golden" / "edxml"
SEEDS = [(GOLDEN / n).read_bytes() for n in ("strict.edxml", "status_strict.edxml", "utf16.edxml")]
WRAPPED = b"".join(wrap(["Ghi chú kèm theo, nội dung bịa đặt.\n".encode()], "ghi chú.txt"))
SMALL = Limits(
    packet_bytes=1 << 20, header_bytes=1 << 18, elements=3000, unwrapped_bytes=1 << 20, remarks=20
)
PIECES = st.sampled_from(
    [b"<", b">", b"</", b"/>", b"&", b"&#0;", b"&#xFFFE;", b"&lt;", b"<!--", b"-->", b"<![CDATA[",
     b"]]>", b"<?x ?>", b"<!DOCTYPE a>", b"\x00", b"\xff\xfe", b"\xef\xbb\xbf", b'"', b"'", b"edXML:",
     b"xmlns:x='y'", b"<Attachment>", b"<AttachmentEncoded>", b"<edXML:ContentTransferEncoded>",
     b"PK\x03\x04", b"====", b"\xc3", b"\xed\xa0\x80", b"<edXML:To/>", b"<Business/>", b"null", b"-1",
     b"99999999999999999999", b"<:a/>", b"<a:/>", b"xmlns=''", b"2026/02/30", b"\r", b"<edXML>"]
)  # fmt: skip


@st.composite
def mutated(draw):
    data = bytearray(draw(st.sampled_from(SEEDS)))
    for _ in range(draw(st.integers(1, 6))):
        at = draw(st.integers(0, len(data)))
        match draw(st.sampled_from(["insert", "delete", "flip", "repeat", "cut"])):
            case "insert":
                data[at:at] = draw(PIECES | st.binary(max_size=8))
            case "delete":
                del data[at : at + draw(st.integers(1, 60))]
            case "flip":
                if at < len(data):
                    data[at] ^= draw(st.integers(1, 255))
            case "repeat":
                data[at:at] = data[at : at + draw(st.integers(1, 400))]
            case "cut":
                del data[max(at, 200) :]
    return bytes(data)


def use(packet, step):
    with tempfile.TemporaryDirectory() as spool:
        pieces = [packet[i : i + step] for i in range(0, len(packet), step)]
        result = read_packet(pieces, Path(spool), SMALL)
        for finding in check(result.skeleton):
            assert finding.vi
            assert finding.where.startswith("/")
        if result.envelope is None:
            return
        envelope = result.envelope
        content_digest(envelope)
        assert envelope_from_json(envelope_to_json(envelope)) == envelope
        out = b"".join(
            emit_document(
                envelope.header,
                envelope.attachments,
                lambda a: [result.files[a.index].read_bytes()],
            )
        )
        (Path(spool) / "again").mkdir()
        again = read_packet([out], Path(spool) / "again")
        assert [a.sha256 for a in again.envelope.attachments] == [
            a.sha256 for a in envelope.attachments
        ]


@settings(max_examples=400, suppress_health_check=[HealthCheck.too_slow], deadline=None)
@given(mutated(), st.sampled_from([1 << 20, 97]))
def test_mutated_packets(packet, step):
    with contextlib.suppress(RejectedError):
        use(packet, step)


@st.composite
def damaged_zips(draw):
    data = bytearray(b"".join(wrap([b"xin chao " * 40], "a.txt")))
    for _ in range(draw(st.integers(1, 4))):
        at = draw(st.integers(4, len(data) - 1))
        data[at] = draw(st.sampled_from([0, 1, 0xFF]) | st.integers(0, 255))
    return bytes(data)


@settings(max_examples=400, deadline=None)
@given(damaged_zips())
def test_damaged_zips(data):
    packet = SEEDS[0].replace(base64.b64encode(WRAPPED), base64.b64encode(data))
    assert packet != SEEDS[0]
    with contextlib.suppress(RejectedError):
        use(packet, 1 << 20)


@settings(max_examples=150, deadline=None)
@given(st.binary(max_size=300) | st.lists(PIECES, max_size=30).map(b"".join))
def test_rubbish(packet):
    with contextlib.suppress(RejectedError):
        use(packet, 1 << 20)


@given(st.text(max_size=400))
def test_safe_names_are_safe(name):
    safe = safe_name(name, "tep-1")
    assert safe
    assert safe not in {".", ".."}
    assert not set(safe) & set('/\\<>:"|?*\x00\n')
    assert len(safe) <= MAX_CHARS
    assert len(safe.encode()) <= MAX_BYTES
    assert safe_name(safe, "tep-1") == safe
