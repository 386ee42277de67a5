"""Packets come through every form and every cut as they were; nonsense is refused, never guessed."""

import asyncio
import base64
import json
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from urllib.parse import urlencode

from hypothesis import given
from hypothesis import strategies as st

from adapters.shared.inline import encoded
from adapters.shared.jsonanswers import encode, rows
from adapters.wso2 import client, wire
from adapters.wso2.intake import Intake
from gateway.domain.moments import VIETNAM
from gateway.errors import RejectedError, UnavailableError
from tests.world.wso2_kit import gson

JSON, FORM = "application/json", "application/x-www-form-urlencoded"
MAX_BYTES = 4096
NOW = datetime(2026, 11, 22, 8, tzinfo=VIETNAM)
KINDS = st.sampled_from(["edoc", "status"])
AROUND = st.dictionaries(
    st.sampled_from(["a", "b", "moTa", 'quo"te', "x\\"]),
    st.text(max_size=20) | st.integers(),
    max_size=3,
)


@st.composite
def written(draw):
    """Return a file, its kind, and a body that carries both."""
    file = draw(st.binary(min_size=1, max_size=300))
    kind = draw(KINDS)
    text = base64.b64encode(file).decode()
    name = draw(st.sampled_from(wire.PACKET))
    match draw(
        st.sampled_from(["object", "reversed", "nested", "text", "form", "careless", "ours"])
    ):
        case "object":
            body = json.dumps({"loaiVanBan": kind} | draw(AROUND) | {name: text})
        case "reversed":
            ascii_ = draw(st.booleans())
            body = json.dumps({name: text, "loaiVanBan": kind} | draw(AROUND), ensure_ascii=ascii_)
        case "nested":
            body = json.dumps({"v": {name: text, "loaiVanBan": kind}}, indent=1)
        case "text":
            return file, kind, JSON, gson(text).encode(), kind
        case "form":
            return (
                file,
                kind,
                FORM,
                urlencode({"a": "ă&=", name: text, "loaiVanBan": kind}).encode(),
                None,
            )
        case "careless":
            return file, kind, FORM, f"loaiVanBan={kind}&{name}={text}".encode(), None
        case "ours":
            variant = draw(st.sampled_from(["object", "form"]))
            content_type, before, after = client._around(variant, kind)
            middle = text.encode() if variant == "object" else client._escaped(text.encode())
            return file, kind, content_type, before + middle + after, None
    return file, kind, JSON, body.encode(), None


def taken(content_type, pieces, told):
    """Return the kind and the packet inside a body that comes in these pieces."""

    async def body():
        for piece in pieces:
            yield piece

    async def run():
        intake = Intake(body(), content_type, told, MAX_BYTES)
        kind = await intake.kind()
        return kind, b"".join([chunk async for chunk in intake.packet()])

    return asyncio.run(run())


def cut(body, cuts):
    places = [0, *sorted({at % (len(body) + 1) for at in cuts}), len(body)]
    return [body[a:b] for a, b in pairwise(places) if a < b]


@given(written(), st.lists(st.integers(0, 2000), max_size=8))
def test_every_form_and_every_cut(case, cuts):
    file, kind, content_type, body, told = case
    assert taken(content_type, cut(body, cuts), told) == (kind, file)


@given(written())
def test_byte_by_byte(case):
    file, kind, content_type, body, told = case
    assert taken(content_type, cut(body, range(len(body))), told) == (kind, file)


@given(
    st.sampled_from([JSON, FORM, "text/plain"]),
    st.binary(max_size=200) | st.text(max_size=100).map(str.encode),
    st.lists(st.integers(0, 200), max_size=3),
)
def test_nonsense_is_refused_or_is_base64(content_type, body, cuts):
    try:
        _, packet = taken(content_type, cut(body, cuts), None)
    except RejectedError:
        return
    assert packet


@given(written(), st.integers(1, 2000))
def test_a_body_that_ends_early_is_never_taken_for_another_packet(case, short):
    """What is cut inside the text is refused; behind it, the packet is whole or refused."""
    file, _, content_type, body, told = case
    part = body[: -(short % len(body)) or None]
    try:
        _, packet = taken(content_type, [part], told)
    except RejectedError:
        return
    # A form has no end of its own: HTTP says where it ends, and cuts at a multiple of four pass.
    assert packet == file or (content_type == FORM and file.startswith(packet))


@given(st.lists(st.binary(max_size=40), max_size=20))
def test_base64_of_a_stream_is_that_of_the_whole(chunks):
    async def stream():
        for chunk in chunks:
            yield chunk

    async def run():
        return b"".join([piece async for piece in encoded(stream())])

    assert asyncio.run(run()) == base64.b64encode(b"".join(chunks))


@given(st.binary(max_size=300))
def test_any_answer_is_read_or_unreadable(body):
    for read in (wire.read, lambda data: wire.next_access_s(data, NOW)):
        with suppress(UnavailableError):
            read(body)


@given(
    st.recursive(
        st.none() | st.booleans() | st.integers() | st.text(max_size=10),
        lambda inner: (
            st.lists(inner, max_size=4)
            | st.dictionaries(
                st.sampled_from(
                    ["status", "errorCode", "ErrorCode", "data", "docId", "fault", "to", "id"]
                ),
                inner,
                max_size=5,
            )
        ),
        max_leaves=20,
    )
)
def test_any_json_is_an_outcome_a_list_or_unreadable(value):
    body = json.dumps(value).encode()
    client._outcome(200, body, None)
    try:
        table = rows(wire.read(body))
    except UnavailableError:
        return
    for row in table:
        wire.listed_of(row, "edoc")
    wire.agencies_of(table)


@given(st.integers(0, 10**11))
def test_next_access_comes_back(second):
    at = datetime.fromtimestamp(second, UTC)
    body = encode(wire.fault(900800, "x", "y", nextAccessTime=wire.next_access(at)))
    assert wire.next_access_s(body, at) == 0.0
    assert wire.next_access_s(body, at - timedelta(seconds=9)) == 9.0
