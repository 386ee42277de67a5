"""What we emit we read back the same, with nothing to repair, and emit again byte for byte."""

import hashlib
import tempfile
from datetime import date, datetime
from pathlib import Path

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from gateway.codec.dates import LOCAL
from gateway.codec.edxml import (
    emit_document,
    envelope_from_json,
    envelope_to_json,
    header_from_json,
    header_to_json,
)
from gateway.codec.emit import content_type_of
from gateway.codec.limits import DEFAULT_LIMITS
from gateway.codec.names import safe_name
from gateway.codec.reader import read_packet
from gateway.codec.schema import check
from gateway.codec.split import split_bytes
from gateway.codec.status import emit_status, parse_status
from gateway.codec.tree import QCVN_NS
from gateway.domain.consignment import content_digest
from gateway.domain.envelope import (
    Attachment,
    Business,
    BusinessType,
    Envelope,
    Extra,
    Header,
    ManifestEntry,
    Organization,
    Receiver,
    Replacement,
    ResponseFor,
    Signer,
    StaffInfo,
    StatusReport,
    TraceHop,
    Urgency,
)

LETTERS = st.characters(
    codec="utf-8", exclude_categories=("Cs", "Cn"), exclude_characters="\x7f"
).filter(lambda c: c in "\t\n\r" or (c >= " " and c not in "\ufffe\uffff"))
WORDS = st.text(LETTERS, min_size=1, max_size=30).filter(lambda t: not t.isspace() and t.split())
TEXT = st.just("") | WORDS
KEYS = WORDS.map(str.strip).filter(bool)
KEY = st.just("") | KEYS
CODES = st.from_regex(r"[A-Z][0-9]{2}(\.[A-Z0-9]{2,3}){0,3}", fullmatch=True)
NUMBER = st.none() | st.integers(0, 999_999_999)
FLAG = st.none() | st.sampled_from([0, 1])
DATES = st.dates(date(1, 1, 1), date(9999, 12, 31))
MOMENTS = st.datetimes(datetime(1, 1, 2), datetime(9999, 12, 30)).map(  # noqa: DTZ001
    lambda d: d.replace(microsecond=0, tzinfo=LOCAL)
)

organizations = st.builds(Organization, CODES, TEXT, TEXT, TEXT, TEXT, TEXT, TEXT, TEXT)
staff = st.none() | st.builds(StaffInfo, TEXT, TEXT, TEXT, TEXT, TEXT, TEXT).filter(
    lambda s: s != StaffInfo()
)
responses = st.builds(ResponseFor, CODES, KEY, KEY, st.none() | DATES)
signers = st.none() | st.builds(Signer, TEXT, TEXT, WORDS)
HEADER = "edXML/edXMLEnvelope/edXMLHeader"
MESSAGE = f"{HEADER}/MessageHeader"
PARENTS = (HEADER, MESSAGE, f"{MESSAGE}/From", f"{MESSAGE}/OtherInfo", f"{HEADER}/TraceHeaderList")
FOREIGN = (
    '<x xmlns="urn:a">chữ</x>',
    '<y xmlns="urn:a" />',
    '<Subject xmlns="urn:b">1</Subject>',
    f'<z xmlns="urn:a" k="1">a <edXML:q xmlns:edXML="{QCVN_NS}">&lt;</edXML:q> b</z>',
)
extras = st.lists(
    st.builds(Extra, st.sampled_from(PARENTS), st.sampled_from(FOREIGN)), max_size=4
).map(tuple)


def tuples(items, most=3):
    return st.lists(items, max_size=most).map(tuple)


businesses = st.builds(
    Business,
    st.sampled_from(BusinessType),
    KEY,
    TEXT,
    NUMBER,
    FLAG,
    FLAG,
    tuples(st.builds(Receiver, CODES, FLAG)),
    tuples(st.builds(Replacement, KEYS, tuples(CODES))),
    staff,
)


@st.composite
def headers(draw):
    named = draw(st.booleans())
    return Header(
        sender=draw(organizations),
        recipients=draw(st.lists(organizations, min_size=1, max_size=3).map(tuple)),
        document_id=draw(KEYS),
        code_number=draw(KEYS),
        code_notation=draw(KEYS),
        place=draw(TEXT),
        promulgation_date=draw(DATES),
        type_code=draw(st.integers(0, 99)) if named else None,
        type_detail=draw(NUMBER) if named else None,
        type_name=draw(TEXT) if named else "",
        subject=draw(WORDS),
        content=draw(TEXT),
        signer=draw(signers),
        due_date=draw(st.none() | DATES),
        urgency=draw(st.sampled_from(Urgency)),
        sphere=draw(TEXT),
        typer_notation=draw(TEXT),
        promulgation_amount=draw(NUMBER),
        page_amount=draw(NUMBER),
        reply_fors=draw(TEXT),
        direction=draw(st.none() | st.booleans()),
        reference_codes=draw(TEXT),
        appendixes=draw(tuples(WORDS)),
        response_for=draw(tuples(responses)),
        steering_type=draw(NUMBER),
        task_codes=draw(tuples(WORDS)),
        application_type=draw(TEXT),
        to_places=draw(tuples(WORDS)),
        business=draw(businesses),
        trace=draw(
            st.lists(st.builds(TraceHop, CODES, MOMENTS), min_size=1, max_size=3).map(tuple)
        ),
        extras=draw(extras),
    )


@st.composite
def files(draw):
    stem = draw(st.text("abc đ ố-_()", min_size=1, max_size=20))
    suffix = draw(
        st.sampled_from(["pdf", "PDF", "doc", "docx", "zip", "xlsx", "txt", "jpg", "đuôi"])
    )
    name = safe_name(f"x{stem}.{suffix}", "tep-1")
    data = draw(st.binary(min_size=1, max_size=400) | st.just(b"PK\x03\x04"))
    return name, data, draw(TEXT)


def attachments_of(found):
    return tuple(
        Attachment(
            index=i,
            name=name,
            safe_name=name,
            content_id=f"id-{i}",
            content_type="",
            description=description,
            sha256=hashlib.sha256(data).hexdigest(),
            size_bytes=len(data),
        )
        for i, (name, data, description) in enumerate(found)
    )


def emit(header, attachments, found):
    return b"".join(emit_document(header, attachments, lambda a: [found[a.index][1]]))


def by_parent(header):
    """Elements of one parent keep their order; parents come in document order."""
    return sorted(header.extras, key=lambda e: e.parent)


@settings(max_examples=50, suppress_health_check=[HealthCheck.too_slow])
@given(headers(), st.lists(files(), max_size=3))
def test_document_round_trip(header, found):
    attachments = attachments_of(found)
    packet = emit(header, attachments, found)
    with tempfile.TemporaryDirectory() as spool:
        result = read_packet([packet], Path(spool), DEFAULT_LIMITS)
        contents = [p.read_bytes() for p in result.files]
    assert result.repairs == ()
    assert result.findings == ()
    assert contents == [data for _, data, _ in found]
    got = result.envelope
    assert by_parent(got.header) == by_parent(header)
    assert header_from_json(header_to_json(got.header)) == got.header
    assert {**header_to_json(got.header), "extras": ()} == {**header_to_json(header), "extras": ()}
    assert [(a.name, a.description, a.sha256) for a in got.attachments] == [
        (a.name, a.description, a.sha256) for a in attachments
    ]
    assert got.manifest == tuple(
        ManifestEntry(a.content_id, content_type_of(a.name), a.description, a.name)
        for a in attachments
    )
    assert check(result.skeleton) == ()
    assert emit(got.header, got.attachments, found) == packet
    assert content_digest(got) == content_digest(Envelope(header, (), attachments))


@settings(max_examples=30, suppress_health_check=[HealthCheck.too_slow])
@given(headers(), st.lists(files(), max_size=2))
def test_json_is_lossless(header, found):
    assert header_from_json(header_to_json(header)) == header
    envelope = Envelope(header, (), attachments_of(found))
    assert envelope_from_json(envelope_to_json(envelope)) == envelope


@settings(max_examples=80, suppress_health_check=[HealthCheck.too_slow])
@given(
    st.builds(
        StatusReport,
        organizations,
        responses,
        st.from_regex(r"[0-9]{2}", fullmatch=True),
        TEXT,
        MOMENTS,
        staff,
    )
)
def test_status_round_trip(report):
    packet = emit_status(report)
    got = parse_status(packet)
    assert got == report
    assert emit_status(got) == packet
    assert check(split_bytes(packet)) == ()
