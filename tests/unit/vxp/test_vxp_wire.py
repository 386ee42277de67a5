"""Headers, signatures, hashes of the national axis protocol: recorded vectors and our own."""

import hashlib
import json
import pathlib
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from adapters.vxp import wire
from gateway.errors import Reason, RejectedError

ROOT = pathlib.Path(__file__).parents[3]
RECORDED = ROOT.parent / "shared" / "samples" / "edxml" / "wire"
KIT_SECRET = b"s3cr3t-dummy"
SECRET = b"khoa-thu-nghiem"
AT = datetime(2026, 11, 21, 21, 45, 59, 170_000, tzinfo=UTC)


def vectors():
    if not RECORDED.is_dir():
        return [pytest.param(None, marks=pytest.mark.skip(reason="recorded requests not here"))]
    return [
        pytest.param(json.loads(line), id=f"{file.stem}-{number}")
        for file in sorted(RECORDED.glob("sdk201_*.jsonl"))
        for number, line in enumerate(file.read_text(encoding="utf-8").splitlines())
    ]


def raw(headers):
    return [(name.encode("latin-1"), value.encode("latin-1")) for name, value in headers]


def secrets_of(*secrets, system_id="unit.test.sys"):
    return lambda asked: secrets if asked == system_id else ()


def reason_of(call):
    with pytest.raises(RejectedError) as caught:
        call()
    return caught.value.reason


def without_body(chunks, declared, max_bytes=1 << 20):
    async def feed():
        for chunk in chunks:
            yield chunk

    return wire.without_crlf(feed(), declared, max_bytes)


async def joined(stream):
    return b"".join([chunk async for chunk in stream])


# ---------------------------------------------------------------- recorded requests


@pytest.mark.corpus
@pytest.mark.parametrize("request_", vectors())
def test_recorded_request_verifies(request_):
    headers = raw(request_["h"])
    if not any(name == b"XroadVnpt-hash-header" for name, _ in headers):
        # downloadEdoc2 of the kit sends no signature at all
        assert reason_of(lambda: wire.verify(headers, secrets_of(KIT_SECRET))) is (
            Reason.UNAUTHENTICATED
        )
        return
    signed = wire.verify(headers, secrets_of(KIT_SECRET))
    assert signed.system_id == "unit.test.sys"
    assert wire.timestamp(signed.at) == signed.get("timestamp")
    assert reason_of(lambda: wire.verify(headers, secrets_of(b"other secret"))) is (
        Reason.UNAUTHENTICATED
    )


@pytest.mark.corpus
@pytest.mark.parametrize("request_", vectors())
def test_our_headers_are_those_of_the_kit(request_):
    """Same parameters, same instant, same content type: the same headers in the same order."""
    theirs = dict(request_["h"])
    if "XroadVnpt-hash-header" not in theirs or not theirs["XroadVnpt-sign-header"].isascii():
        pytest.skip("unsigned, or not ASCII: we never send such a call")
    parameters = {
        name.removeprefix(wire.PREFIX): value
        for name, value in json.loads(theirs["XroadVnpt-sign-header"]).items()
    }
    at = wire.read_timestamp(parameters.pop("timestamp"))
    content_type = parameters.pop("Content-Type")
    ours = wire.signed_headers(parameters.pop("systemid"), KIT_SECRET, at, parameters, content_type)
    wanted = [
        (name, value)
        for name, value in request_["h"]
        if name.startswith(wire.PREFIX) or name in {"Content-Type", "User-Agent"}
    ]
    assert sorted(ours) == sorted(wanted)
    for name in ("XroadVnpt-sign-header-key", "XroadVnpt-sign-header", "XroadVnpt-hash-header"):
        assert dict(ours)[name] == theirs[name]


@pytest.mark.corpus
def test_recorded_letters_cut_by_the_kit_are_found_again():
    if not RECORDED.is_dir():
        pytest.skip("recorded requests not here")
    lines = (RECORDED / "sdk201_extra.jsonl").read_text(encoding="utf-8").splitlines()
    request_ = json.loads(lines[1])
    signed = wire.verify(raw(request_["h"]), secrets_of(KIT_SECRET))
    assert signed.recovered
    assert signed.get("description") == "lỗi tệp <a&b='c'>"


@pytest.mark.corpus
def test_recorded_to_in_both_forms():
    if not RECORDED.is_dir():
        pytest.skip("recorded requests not here")
    found = set()
    for file in RECORDED.glob("sdk201_*.jsonl"):
        for line in file.read_text(encoding="utf-8").splitlines():
            text = dict(json.loads(line)["h"]).get("XroadVnpt-to")
            if text:
                found.add(wire.read_codes(text))
    assert found == {("H37", "G12")}


# ---------------------------------------------------------------- our own vectors


def test_signing_vector():
    headers = wire.signed_headers(
        "h37.demo", SECRET, AT, {"status": "done", "docId": "0a1b"}, wire.JSON_TYPE
    )
    text = (
        '{"XroadVnpt-systemid":"h37.demo","XroadVnpt-docId":"0a1b",'
        '"XroadVnpt-timestamp":"22112026T044559+0170",'
        '"XroadVnpt-Content-Type":"application/json","XroadVnpt-status":"done"}'
    )
    assert headers == [
        ("Content-Type", "application/json"),
        ("XroadVnpt-systemid", "h37.demo"),
        ("XroadVnpt-docId", "0a1b"),
        ("XroadVnpt-timestamp", "22112026T044559+0170"),
        ("XroadVnpt-Content-Type", "application/json"),
        ("XroadVnpt-status", "done"),
        ("XroadVnpt-sign-header-key", "systemid;docId;timestamp;Content-Type;status"),
        ("XroadVnpt-sign-header", text),
        (
            "XroadVnpt-hash-header",
            "57ef039ececc8017dc0cf4ad1061731d43be5c359d1b2ef8c8d782df0564d61f",
        ),
        ("User-Agent", "JAVASDKAgent/1.0.0 XRoad/VPCP"),
        ("XroadVnpt-version", "3.0.201608"),
    ]


def headers_of(**parameters):
    named = {name.replace("_", "-"): value for name, value in parameters.items()}
    return wire.signed_headers("h37.demo", SECRET, AT, named)


def verify(headers, *secrets):
    return wire.verify(raw(headers), secrets_of(*(secrets or (SECRET,)), system_id="h37.demo"))


def test_round_trip_and_names_in_any_case():
    headers = [(name.upper(), value) for name, value in headers_of(docId="7", status="done")]
    signed = verify(headers)
    assert (signed.get("docId"), signed.get("docid"), signed.get("STATUS")) == ("7", "7", "done")
    assert signed.at == AT
    assert signed.get("absent") == ""


def test_every_valid_secret_counts_during_rotation():
    headers = headers_of(docId="7")
    assert verify(headers, b"new", SECRET).get("docId") == "7"
    assert reason_of(lambda: verify(headers, b"new", b"newer")) is Reason.UNAUTHENTICATED


def test_plain_headers_and_leftovers_are_not_read():
    headers = [
        ("XroadVnpt-status", "fail"),
        ("XroadVnpt-from", "H99"),
        *headers_of(docId="7", status="done"),
        ("XroadVnpt-docId", "8"),
    ]
    signed = verify(headers)
    assert (signed.get("docId"), signed.get("status"), signed.get("from")) == ("7", "done", "")


@pytest.mark.parametrize("missing", ["XroadVnpt-sign-header", "XroadVnpt-hash-header"])
def test_unsigned(missing):
    headers = [(name, value) for name, value in headers_of() if name != missing]
    assert reason_of(lambda: verify(headers)) is Reason.UNAUTHENTICATED


def test_signed_twice_with_two_texts():
    headers = [*headers_of(docId="7"), *headers_of(docId="8")]
    assert reason_of(lambda: verify(headers)) is Reason.UNAUTHENTICATED


def test_tampered_json():
    headers = [(n, v.replace('"7"', '"8"')) for n, v in headers_of(docId="7")]
    assert reason_of(lambda: verify(headers)) is Reason.UNAUTHENTICATED


def test_unknown_system():
    headers = wire.signed_headers("nobody", b"unknown system", AT, {})
    assert reason_of(lambda: verify(headers)) is Reason.UNAUTHENTICATED


def signed_text(text, secret=SECRET):
    return [
        ("XroadVnpt-sign-header", text),
        ("XroadVnpt-hash-header", wire.hmac_hex(secret, text.encode("latin-1"))),
    ]


@pytest.mark.parametrize(
    "text",
    [
        "",
        "null",
        "[]",
        "{",
        '"x"',
        "[" * 5000,
        "{}",
        '{"XroadVnpt-systemid":7}',
        '{"XroadVnpt-systemid":"h37.demo\\ud800"}',
        '{"XroadVnpt-systemid":"h37.demo"',
        "x" * 17_000,
    ],
)
def test_signed_header_that_is_no_object_with_a_system(text):
    assert reason_of(lambda: verify(signed_text(text))) is Reason.UNAUTHENTICATED


@pytest.mark.parametrize(
    "members",
    [
        '"XroadVnpt-docId":"7","XroadVnpt-docid":"8"',
        '"XroadVnpt-docId":["7"]',
        '"XroadVnpt-x":true',
    ],
)
def test_signed_contradiction_is_a_bad_request(members):
    text = '{"XroadVnpt-systemid":"h37.demo",' + members + "}"
    assert reason_of(lambda: verify(signed_text(text))) is Reason.BAD_REQUEST


def test_line_breaks_of_a_description_become_blanks():
    text = r'{"XroadVnpt-systemid":"h37.demo","XroadVnpt-description":"a\r\nb\ud800"}'
    assert verify(signed_text(text)).get("description") == "a  b"


def test_same_parameter_in_both_spellings_and_numbers():
    text = (
        '{"XroadVnpt-systemid":"h37.demo","XroadVnpt-docId":7,"XroadVnpt-docid":"7",'
        '"unprefixed":"x"}'
    )
    signed = verify(signed_text(text))
    assert signed.get("docId") == "7"
    assert signed.at is None


def cut(text):
    return "".join(chr(ord(c) & 0xFF) for c in text)


def sent_by_old_client(description, secret=SECRET):
    """Sign the UTF-8 text, put the low bytes on the wire, as the Java kit does."""
    text = wire.compact({"XroadVnpt-systemid": "h37.demo", "XroadVnpt-description": description})
    return [
        ("XroadVnpt-sign-header", cut(text)),
        ("XroadVnpt-hash-header", wire.hmac_hex(secret, text.encode())),
    ]


@pytest.mark.parametrize(
    "description", ["lỗi tệp", "Không đọc được".replace("đ", "d"), "tệp hỏng", "é ứ í ử", "Ö × Ç"]
)
def test_letters_cut_by_old_clients(description):
    signed = verify(sent_by_old_client(description))
    assert signed.recovered
    assert signed.get("description") == description


def test_cut_letters_still_need_the_secret():
    headers = sent_by_old_client("lỗi tệp", secret=b"stolen guess")
    assert reason_of(lambda: verify(headers)) is Reason.UNAUTHENTICATED


def test_guessing_is_bounded():
    headers = sent_by_old_client("ỡ" * 200)
    assert reason_of(lambda: verify(headers)) is Reason.UNAUTHENTICATED
    assert len(list(wire._guesses(b"\xe1" * 200))) == wire.MAX_GUESSES


def test_a_long_text_is_guessed_at_no_longer_than_a_short_one():
    """Who knows a system's id, and not its secret, may send such texts all day."""
    text = b"\xe1" * wire.MAX_SIGN_HEADER_BYTES
    assert sum(map(len, wire._guesses(text))) <= wire.MAX_GUESSED_BYTES


def test_utf8_on_the_wire_verifies_as_it_came():
    text = wire.compact({"XroadVnpt-systemid": "h37.demo", "XroadVnpt-description": "lỗi đỏ"})
    headers = [
        (b"XroadVnpt-sign-header", text.encode()),
        (b"XroadVnpt-hash-header", wire.hmac_hex(SECRET, text.encode()).encode()),
    ]
    signed = wire.verify(headers, secrets_of(SECRET, system_id="h37.demo"))
    assert signed.get("description") == "lỗi đỏ"
    assert not signed.recovered


def test_letters_of_the_system_id_are_not_guessed():
    """A system whose id shares low bytes with another's is never taken for it."""
    text = wire.compact({"XroadVnpt-systemid": "cơ"})
    headers = [
        ("XroadVnpt-sign-header", cut(text)),
        ("XroadVnpt-hash-header", wire.hmac_hex(SECRET, text.encode())),
    ]
    verify_as = secrets_of(SECRET, system_id=cut("cơ"))
    assert reason_of(lambda: wire.verify(raw(headers), verify_as)) is Reason.UNAUTHENTICATED


@pytest.mark.parametrize("value", ["a\r\nX-Evil: 1", "lỗi", "\x00", "tab\t"])
def test_what_may_not_stand_in_a_header_is_not_signed(value):
    with pytest.raises(ValueError, match="printable ASCII"):
        headers_of(description=value)
    with pytest.raises(ValueError, match="printable ASCII"):
        headers_of(**{value: "x"})


def test_ascii_only():
    assert wire.ascii_only("Đã  lỗi\r\ntệp — “số 7”") == "Da loi tep so 7"
    assert wire.ascii_only("ô" * 999) == "o" * 250


@given(
    st.dictionaries(
        st.from_regex(r"[a-z]{1,8}", fullmatch=True), st.text("ab\"\\<>&'=;,{} "), max_size=6
    )
)
def test_any_ascii_parameters_come_back(parameters):
    parameters = {f"p{name}": value for name, value in parameters.items()}
    signed = verify(wire.signed_headers("h37.demo", SECRET, AT, parameters))
    for name, value in parameters.items():
        assert signed.parameters[name] == value


# ---------------------------------------------------------------- codes, times


@pytest.mark.parametrize(
    ("text", "codes"),
    [
        ('["H37","G12"]', ("H37", "G12")),
        ('"[\\"H37\\",\\"G12\\"]"', ("H37", "G12")),
        ('["H37", 7, "", " G12 "]', ("H37", "G12")),
        ("H37.02", ("H37.02",)),
        ("020100107370", ("020100107370",)),
        ("", ()),
        ("[" * 9000, ("[" * 9000,)),
        ("{}", ("{}",)),
    ],
)
def test_read_codes(text, codes):
    assert wire.read_codes(text) == codes


@pytest.mark.parametrize(
    "text",
    [
        "22/11/2026 04:45:59",
        "2026-11-22 04:45:59",
        "2026-11-22 04:45:59.0",
        "2026/11/22 04:45:59",
        "2026-11-22T04:45:59+07:00",
        "2026-11-21T21:45:59Z",
        "1795297559000",
    ],
)
def test_read_date(text):
    assert wire.read_date(text) == datetime(2026, 11, 21, 21, 45, 59, tzinfo=UTC)


@pytest.mark.parametrize(
    "text", ["", "soon", "31/02/2026 00:00:00", "9" * 20, "0001-01-01", "22/11/26", "²" * 13]
)
def test_read_no_date(text):
    assert wire.read_date(text) is None


@pytest.mark.parametrize(
    "text", ["", "22112026T044559", "32132026T044559+0000", "22112026T0445+0170"]
)
def test_read_no_timestamp(text):
    assert wire.read_timestamp(text) is None


@given(st.integers(946_684_800_000, 4_102_444_800_000))
def test_timestamp_round_trip(millis):
    at = datetime.fromtimestamp(millis // 1000, UTC).replace(microsecond=millis % 1000 * 1000)
    assert wire.read_timestamp(wire.timestamp(at)) == at
    assert wire.read_date(wire.date_text(at)) == at.replace(microsecond=0)


# ---------------------------------------------------------------- hash-file, CRLF


def digest_of(data):
    return hashlib.sha256(data).hexdigest()


def test_hash_forms():
    name = "0a0c" + "11" * 30
    assert wire.file_hash(name) == "ac" + "11" * 30
    assert wire.file_hash(name, "padded") == name
    assert wire.hash_matches("AC" + "11" * 30, name)
    assert wire.hash_matches(name.upper(), name)
    assert not wire.hash_matches("ac" + "11" * 29, name)
    assert not wire.hash_matches("", name)
    assert not wire.hash_matches("ỡ", name)


@pytest.mark.parametrize("form", ["padded", "unpadded"])
@pytest.mark.parametrize("own_end", [b"", b"\r\n", b"\n", b"\r", b"\r\n\r\n", b"\n\r\n"])
@pytest.mark.parametrize("added", [b"\r\n", b""])
async def test_exactly_one_crlf_goes(form, own_end, added):
    file = b"<edXML/>" + own_end
    declared = wire.file_hash(digest_of(file), form)
    body = file + added
    for cut_at in range(len(body) + 1):
        stream = without_body([body[:cut_at], body[cut_at:]], declared)
        assert await joined(stream) == file


async def test_tiny_bodies():
    for file in (b"", b"a", b"ab", b"\r\n"):
        declared = wire.file_hash(digest_of(file))
        assert await joined(without_body([file + b"\r\n"], declared)) == file
        assert await joined(without_body([bytes([b]) for b in file], declared)) == file


@pytest.mark.parametrize("added", [b"\r\n\r\n", b"\n", b"\r", b" ", b"\n\r"])
async def test_anything_else_at_the_end_refuses(added):
    file = b"<edXML/>"
    with pytest.raises(RejectedError) as caught:
        await joined(without_body([file + added], wire.file_hash(digest_of(file))))
    assert caught.value.reason is Reason.HASH_MISMATCH


@pytest.mark.parametrize("declared", ["", "  ", "0" * 64, "ỡ"])
async def test_missing_or_wrong_hash_refuses(declared):
    with pytest.raises(RejectedError) as caught:
        await joined(without_body([b"<edXML/>\r\n"], declared))
    assert caught.value.reason is Reason.HASH_MISMATCH


async def test_size_limit_counts_the_file_not_the_crlf():
    file = b"x" * 100
    declared = wire.file_hash(digest_of(file))
    assert await joined(without_body([file, b"\r\n"], declared, 100)) == file
    for limit in (99, 98, 97, 10):
        with pytest.raises(RejectedError) as caught:
            await joined(without_body([file, b"\r\n"], declared, limit))
        assert caught.value.reason is Reason.TOO_LARGE, limit


def test_hash_check():
    check = wire.hash_check(wire.file_hash(digest_of(b"x")))
    check(digest_of(b"x"))
    assert reason_of(lambda: check(digest_of(b"y"))) is Reason.HASH_MISMATCH
