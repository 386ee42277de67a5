"""Whatever arrives on the axis protocol ends in a value or in one of our errors, nothing else."""

import contextlib
import hashlib
import itertools

from hypothesis import given
from hypothesis import strategies as st

from adapters.shared.jsonanswers import packet_inside, rows
from adapters.vxp import answers, wire
from gateway.errors import RejectedError, UnavailableError

SECRET = b"khoa"
JSONISH = st.text(alphabet='{}[]":,\\\\u09dntru eXroadVnpt-systmid', max_size=80)


async def feed(chunks):
    for chunk in chunks:
        yield chunk


def split(data, cuts):
    places = sorted({min(cut, len(data)) for cut in cuts} | {0, len(data)})
    return [data[a:b] for a, b in itertools.pairwise(places)]


@given(st.one_of(st.binary(max_size=60), JSONISH.map(str.encode)), st.booleans())
def test_any_signed_header(text, honest):
    digest = wire.hmac_hex(SECRET, text.strip()) if honest else "0" * 64
    headers = [(b"XroadVnpt-Sign-Header", text), (b"xroadvnpt-hash-header", digest.encode())]
    try:
        signed = wire.verify(headers, lambda _: (SECRET,))
    except RejectedError:
        return
    assert honest
    assert all(value.isprintable() for value in signed.parameters.values())


@given(st.binary(max_size=60), JSONISH)
def test_any_answer(noise, text):
    for body in (noise, text.encode()):
        try:
            answer = answers.read(body)
            rows(answer)
        except UnavailableError:
            continue
        assert answer.ok


@given(st.text(max_size=40))
def test_any_date_or_code(text):
    at = wire.read_date(text)
    assert at is None or wire.date_text(at)
    wire.read_timestamp(text)
    assert all(isinstance(code, str) for code in wire.read_codes(text))
    assert wire.ascii_only(text).isascii()


@given(
    st.binary(max_size=30),
    st.sampled_from([b"", b"\r\n", b"\r\n\r\n", b"\n"]),
    st.sampled_from([b"\r\n", b""]),
    st.sampled_from(["padded", "unpadded"]),
    st.lists(st.integers(0, 40), max_size=5),
)
async def test_the_file_survives_the_crlf_rule(start, end, added, form, cuts):
    file = start + end
    declared = wire.file_hash(hashlib.sha256(file).hexdigest(), form)
    body = feed(split(file + added, cuts))
    assert b"".join([c async for c in wire.without_crlf(body, declared, 1000)]) == file


@given(st.binary(max_size=30), st.binary(max_size=4), st.lists(st.integers(0, 40), max_size=5))
async def test_another_file_never_passes(file, added, cuts):
    declared = wire.file_hash(hashlib.sha256(file).hexdigest())
    body = feed(split(file + added, cuts))
    try:
        got = b"".join([c async for c in wire.without_crlf(body, declared, 1000)])
    except RejectedError:
        assert added not in {b"", wire.CRLF}
    else:
        assert got == file


@given(st.one_of(st.binary(max_size=80), JSONISH.map(lambda t: f'{{"data":"{t}'.encode())),
       st.lists(st.integers(0, 80), max_size=6))  # fmt: skip
async def test_any_packet_answer(body, cuts):
    with contextlib.suppress(UnavailableError):
        async for _ in packet_inside(feed(split(body, cuts)), answers.check):
            pass
