"""multipart/related: what goes in comes out however it is cut; what is broken is refused."""

import base64
import email
import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from adapters.bkav import mime
from gateway.errors import Reason, RejectedError

ROOT = b"<x/>"


async def feed(data, step):
    for start in range(0, len(data), step):
        yield data[start : start + step]


async def taken(data, *, step=7, boundary="b", limit=1 << 20):
    parts = mime.Parts(feed(data, step), boundary, limit)
    found = []
    while (part := await parts.following()) is not None:
        found.append((part, b"".join([chunk async for chunk in parts.data()])))
    return found


async def decoded(data, encoding="binary", step=7):
    part = mime.Part({"content-transfer-encoding": encoding})
    return b"".join([chunk async for chunk in mime.content(part, feed(data, step), "cid:1")])


def body(*parts, boundary=b"b"):
    mark = b"--" + boundary
    return b"".join(mark + b"\r\n" + part + b"\r\n" for part in parts) + mark + b"--\r\n"


def reason(excinfo):
    return excinfo.value.reason


PART = b"Content-ID: <1@x>\r\nContent-Type: application/pdf; name=a.pdf\r\n\r\n"


@pytest.mark.parametrize("step", [1, 2, 3, 5, 8, 1000])
@pytest.mark.parametrize(
    "inside",
    [b"", b"x", b"\r\n", b"x--b", b"\r\n--", b"\r\n--bb\r\nx", b"\r\n--b x\r\n", b"a\r\n\r\nb"],
)
async def test_parts_come_out_as_they_are(inside, step):
    data = b"preamble\r\n" + body(PART + inside, b"\r\n" + inside, PART) + b"epilogue"
    (first, one), (second, two), (third, three) = await taken(data, step=step)
    assert (one, two, three) == (inside, inside, b"")
    assert (first.id, second.id, third.id) == ("1@x", "", "1@x")
    assert first.name == "a.pdf"


async def test_blanks_after_a_delimiter_and_folded_headers():
    data = b"--b \t\r\nContent-ID:\r\n <1>\r\nX: \xe1\xbb\x9f\r\n\r\nabc\r\n--b--"
    ((part, inside),) = await taken(data)
    assert (part.id, inside, part.headers["x"]) == ("1", b"abc", "ở")


@pytest.mark.parametrize("cut", range(1, len(body(PART + b"abc")) - 4))
async def test_cut_anywhere_it_is_refused(cut):
    with pytest.raises(RejectedError) as caught:
        await taken(body(PART + b"abc")[:cut])
    assert reason(caught) is Reason.MALFORMED


@pytest.mark.parametrize(
    ("data", "boundary"),
    [
        (body(PART), "c"),
        (body(PART), ""),
        (body(PART), "b" * 71),
        (body(PART), "b\r\nX: y"),
        (b"--b--\r\n", "b"),
        (b"", "b"),
        (body(b"no colon\r\n\r\nx"), "b"),
        (body(b"A: 1\r\na: 2\r\n\r\nx"), "b"),
    ],
    ids=["other", "none", "long", "crlf", "no-parts", "empty", "no-colon", "twice"],
)
async def test_what_is_no_multipart(data, boundary):
    with pytest.raises(RejectedError) as caught:
        await taken(data, boundary=boundary)
    assert reason(caught) is Reason.MALFORMED


@pytest.mark.parametrize(
    "data",
    [
        body(b"X: " + b"y" * mime.MAX_HEAD_BYTES + b"\r\n\r\n"),
        body(*[b"\r\nx"] * (mime.MAX_PARTS + 1)),
        body(b"\r\n" + b"x" * (1 << 18)),
    ],
    ids=["head", "parts", "size"],
)
async def test_over_a_limit(data):
    with pytest.raises(RejectedError) as caught:
        await taken(data, step=4096, limit=1 << 18)
    assert reason(caught) is Reason.LIMIT_EXCEEDED


# ---------------------------------------------------------------- what a part holds


@given(st.binary(max_size=300), st.integers(1, 40), st.sampled_from([0, 4, 76]))
async def test_base64_text_and_encoding_are_undone(data, step, width):
    text = base64.b64encode(data)
    if width:
        text = b"\r\n".join(text[i : i + width] for i in range(0, len(text), width))
    assert await decoded(text, step=step) == data
    file = b"%" + data
    assert await decoded(base64.b64encode(file), "base64", step) == file
    if len(text) >= 64:  # both: the encoding is a library's, the text is Bkav's
        assert await decoded(base64.b64encode(text), "base64", step) == data


@pytest.mark.parametrize(
    "data", [b"%PDF-1.4 x", b"PK\x03\x04xx", b"\xd0\xcf\x11\xe0", b"<a/>", b""]
)
@pytest.mark.parametrize("step", [1, 5, 100])
async def test_binary_is_taken_as_it_is(data, step):
    whole = data + b"A" * 100 if data else b""
    assert await decoded(whole, step=step) == whole


@pytest.mark.parametrize(
    ("data", "encoding"),
    [
        (b"QUJD" * 30 + b"!", "binary"),
        (b"QUJD" * 30 + b"QQ", "binary"),
        (b"QUI=" + b"QUJD" * 30, "binary"),
        (b"QU%D", "base64"),
        (b"QUJD\xff", "base64"),
        (b"Q", "binary"),
        (base64.b64encode(b"QUJD" * 30 + b"!"), "base64"),
    ],
)
async def test_base64_that_breaks(data, encoding):
    with pytest.raises(RejectedError) as caught:
        await decoded(data, encoding)
    assert reason(caught) is Reason.BASE64_BROKEN


async def test_a_short_text_under_an_encoding_is_itself():
    assert await decoded(base64.b64encode(b"AAAA"), "base64") == b"AAAA"


async def test_an_encoding_not_used_here():
    with pytest.raises(RejectedError) as caught:
        await decoded(b"=41", "quoted-printable")
    assert reason(caught) is Reason.MALFORMED


# ---------------------------------------------------------------- going out, and any noise


@given(st.lists(st.binary(max_size=200), max_size=4))
def test_what_goes_out_is_read_by_another(tmp_path_factory, files):
    folder = tmp_path_factory.mktemp("mime")
    out = []
    for index, data in enumerate(files):
        path = folder / str(index)
        path.write_bytes(data)
        out.append(mime.File(f"{index}.x", "application/pdf", path, len(data)))
    whole = mime.Multipart("MIMEBoundary_0", ROOT, "text/xml; charset=utf-8", out)
    data = b"".join(whole.pieces())
    assert len(data) == whole.size_bytes
    told = email.message_from_bytes(
        b"Content-Type: " + whole.content_type.encode() + b"\r\n\r\n" + data
    )
    root, *parts = told.get_payload()
    assert root.get_payload(decode=True) == ROOT
    assert mime.content_id(root["Content-ID"]) == mime.content_type(whole.content_type).get("start")
    assert [base64.b64decode(p.get_payload(decode=True)) for p in parts] == files
    assert [p["Content-ID"] for p in parts] == [f"<{index}.x>" for index in range(len(files))]


NOISE = st.one_of(
    st.binary(max_size=60),
    st.lists(
        st.sampled_from([b"--b", b"\r\n", b"--", b"A: 1", b"\r\n\r\n", b"x", b" ", b"--b--"]),
        max_size=20,
    ).map(b"".join),
)


@given(NOISE, st.integers(1, 9))
async def test_any_noise_is_read_or_refused_the_same_way_however_cut(data, step):
    found = []
    for size in (step, 1000):
        try:
            read = await taken(data, step=size)
            found.append([(dict(part.headers), inside) for part, inside in read])
        except RejectedError as exc:
            found.append(exc.reason)
    assert found[0] == found[1]


@given(st.text(max_size=60), st.text(max_size=60))
def test_any_content_type(text, other):
    for header in (text, f"multipart/related; boundary={other}", f"a/b; {text}={other}"):
        mime.content_type(header)
        mime.content_id(header)
        mime.Part({"content-type": header, "content-disposition": other}).name  # noqa: B018


def test_types_and_names_longer_than_any_are_not_read():
    """Reading them takes time that grows with the square of their length."""
    assert mime.content_type("multipart/related; boundary=b" + ";" * 16_000).media == ""
    assert mime.content_type("multipart/related; boundary=b" + ";" * 100).get("boundary") == "b"
    told = "attachment; filename=" + "a" * 1000
    assert len(mime.Part({"content-disposition": told}).name) == 1000
    with pytest.raises(RejectedError) as caught:
        _ = mime.Part({"content-disposition": told + ";" * 16_000}).name
    assert reason(caught) is Reason.LIMIT_EXCEEDED


def test_content_ids():
    for told in ("<a@b>", "cid:a@b", "cid:cid:a%40b", " a@b "):
        assert mime.content_id(told) == "a@b"
    assert (
        mime.content_type('Multipart/Related; Boundary="x y"; start-info=text/xml').get("boundary")
        == "x y"
    )
    assert mime.content_type("a/b; boundary*=utf-8''x%41").get("boundary") == "xA"
    assert list(itertools.chain(mime.content_type("").parameters)) == []
