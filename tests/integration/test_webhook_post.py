"""Bringing a message to strangers: every way in which a receiver, or an address, can be evil."""

import asyncio
import contextlib
import ipaddress
import socket
import ssl
from datetime import timedelta

import pytest

from adapters.webhook.post import HttpPost, Reach
from gateway.outbound import INSIDE
from tests.world.tls_pairs import pair, put

LOOPBACK = (ipaddress.ip_network("127.0.0.0/8"),)
BODY = b'{"type":"inbox.document"}'


@contextlib.asynccontextmanager
async def receiver(answer, tls=None):
    """Serve raw bytes: `answer(reader, writer)` gets one connection at a time."""
    seen = []

    async def serve(reader, writer):
        try:
            head = await reader.readuntil(b"\r\n\r\n")
            body = await reader.readexactly(len(BODY))
            seen.append(head + body)
            await answer(reader, writer)
        except (ConnectionError, asyncio.IncompleteReadError, ssl.SSLError):
            pass
        finally:
            writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0, ssl=tls)
    try:
        yield server.sockets[0].getsockname()[1], seen
    finally:
        server.close()


def says(text):
    async def answer(_, writer):
        writer.write(text)
        await writer.drain()

    return answer


def poster(*ports, timeout_s=60.0, networks=LOOPBACK, **more):
    return HttpPost(Reach(networks, ports, timedelta(seconds=timeout_s), **more))


async def told(answer, **how):
    async with receiver(answer) as (port, seen):
        post = poster(port, **how)
        posted = await post.post(f"http://127.0.0.1:{port}/hook?k=1", {"webhook-id": "m"}, BODY)
        return posted, seen


OK = b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n"


async def test_a_message_is_a_plain_post():
    posted, (seen,) = await told(says(OK))
    assert posted.taken
    head = seen.decode()
    assert head.startswith("POST /hook?k=1 HTTP/1.1\r\n")
    assert "webhook-id: m\r\n" in head
    assert "Content-Type: application/json\r\n" in head
    assert "Cookie" not in head
    assert seen.endswith(BODY)


@pytest.mark.parametrize(
    ("answer", "status", "outcome"),
    [
        (b"HTTP/1.1 500 No\r\nContent-Length: 0\r\n\r\n", 500, "HTTP 500"),
        (b"HTTP/1.1 410 Gone\r\nContent-Length: 0\r\n\r\n", 410, "HTTP 410"),
        (
            b"HTTP/1.1 302 Found\r\nLocation: http://169.254.169.254/\r\n\r\n",
            302,
            "redirect refused",
        ),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 99\r\n\r\n", 200, ""),  # says yes, then closes
        (b"not http at all\r\n\r\n", 0, "no connection"),
        (b"", 0, "no connection"),
        (b"HTTP/1.1 200 OK\r\nX: " + b"x" * 100_000 + b"\r\n\r\n", 0, "no connection"),
        (b"HTTP/1.1 200 OK\r\n" + b"X: y\r\n" * 100_000 + b"\r\n", 0, "no connection"),
    ],
    ids=["500", "410", "redirect", "closes", "rubbish", "nothing", "long-header", "many-headers"],
)
async def test_what_an_answer_means(answer, status, outcome):
    posted, _ = await told(says(answer))
    assert posted.status == status
    assert posted.outcome.startswith(outcome)
    assert posted.taken is (status == 200)


@pytest.mark.parametrize(
    ("text", "wish"),
    [
        (b"120", timedelta(minutes=2)),
        (b"999999999", timedelta(days=1)),
        (b"Wed, 21 Oct 2015 07:28:00 GMT", timedelta(0)),
        (b"soon", None),
        (b"-5", None),
        (b"Mon, 1 Jan 99999999999999999999 00:00:00 GMT", None),
        (b"Mon, 20 Nov 2026 10:00:00 +99999999999999999", None),
    ],
)
async def test_a_wish_is_read_and_bounded(text, wish):
    answer = b"HTTP/1.1 503 No\r\nRetry-After: " + text + b"\r\nContent-Length: 0\r\n\r\n"
    posted, _ = await told(says(answer))
    assert posted.retry_after == wish


async def test_an_endless_answer_is_not_read():
    written = 0

    async def endless(_, writer):
        nonlocal written
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 1000000000\r\n\r\n")
        while True:
            writer.write(b"x" * 65536)
            await writer.drain()
            written += 65536

    posted, _ = await told(endless)
    assert posted.taken
    assert written < 64 << 20


@pytest.mark.parametrize("slowly", ["silent", "dripping"])
async def test_a_receiver_that_never_ends_is_left(slowly):
    async def wait(reader, writer):
        if slowly == "dripping":
            writer.write(b"HTTP/1.1 200 OK\r\nX-Slow: ")
            await writer.drain()
        await reader.read()  # until the other side goes away

    posted, _ = await told(wait, timeout_s=0.2)
    assert (posted.status, posted.outcome) == (0, "no answer in time")


# ---------------------------------------------------------------- addresses


@pytest.mark.parametrize(
    "url",
    [
        "https://127.0.0.1/",
        "https://10.0.0.1/",
        "https://172.16.9.9/",
        "https://192.168.1.1/",
        "https://169.254.169.254/latest/meta-data",
        "https://100.64.0.1/",
        "https://0.0.0.0/",
        "https://224.0.0.1/",
        "https://255.255.255.255/",
        "https://[::1]/",
        "https://[::]/",
        "https://[fe80::1]/",
        "https://[fd00::1]/",
        "https://[::ffff:127.0.0.1]/",
        "https://[::ffff:10.0.0.1]/",
        "https://[2002:7f00:1::]/",
        "https://[2002:c0a8:101::1]/",
        "https://[64:ff9b::7f00:1]/",
        "https://[ff02::1]/",
        "http://example.com/",
        "https://example.com:22/",
        "https://user:secret@example.com/",
        "https://example.com/#x",
        "ftp://example.com/",
        "file:///etc/passwd",
        "https:///x",
        "https://example.com/\r\nX: y",
        "https://example.com:99999/",
        "https://exämple.com/",
        "https://example.com/" + "x" * 1000,
        "",
    ],
)
def test_addresses_that_are_refused_at_once(url):
    assert HttpPost(Reach()).refusal(url)


@pytest.mark.parametrize("url", ["https://example.com/", "https://example.com:443/a?b=c"])
def test_addresses_that_are_taken(url):
    assert HttpPost(Reach()).refusal(url) == ""


def resolving(monkeypatch, *answers):
    """Answer each look-up of a name with the next of these addresses."""
    loop = asyncio.get_running_loop()
    left = list(answers)
    asked = []

    async def getaddrinfo(host, port, **_):
        asked.append(host)
        address = left.pop(0) if len(left) > 1 else left[0]
        family = socket.AF_INET6 if ":" in address else socket.AF_INET
        return [(family, socket.SOCK_STREAM, 6, "", (address, port))]

    monkeypatch.setattr(loop, "getaddrinfo", getaddrinfo, raising=False)
    return asked


@pytest.mark.parametrize("address", ["127.0.0.1", "10.1.2.3", "::1", "::ffff:127.0.0.1"])
async def test_a_name_that_leads_inside_is_not_dialled(monkeypatch, address):
    async with receiver(says(OK)) as (port, seen):
        resolving(monkeypatch, address)
        post = poster(port, networks=())
        posted = await post.post(f"https://evil.example:{port}/", {}, BODY)
        assert (posted.status, posted.outcome) == (0, INSIDE)
        assert seen == []


@pytest.mark.parametrize("host", ["2130706433", "0x7f000001", "127.1", "localhost", "0"])
async def test_strange_spellings_of_this_machine_are_not_dialled(host):
    async with receiver(says(OK)) as (port, seen):
        posted = await poster(port, networks=()).post(f"https://{host}:{port}/", {}, BODY)
        assert posted.status == 0
        assert posted.outcome
        assert seen == []


async def test_a_name_whose_answer_changes_is_dialled_where_it_was_checked(monkeypatch):
    async with receiver(says(OK)) as (port, seen):
        # Good when looked at, evil a moment later: there is no second look.
        asked = resolving(monkeypatch, "127.0.0.1", "127.66.66.66")
        posted = await poster(port).post(f"http://name.example:{port}/", {}, BODY)
        assert posted.taken
        assert asked == ["name.example"]
        assert len(seen) == 1


async def test_without_tls_only_listed_networks_are_called(monkeypatch):
    resolving(monkeypatch, "93.184.216.34")
    posted = await poster(80).post("http://name.example/", {}, BODY)
    assert posted.outcome == INSIDE


async def test_the_certificate_counts(tmp_path):
    put(tmp_path, *pair("receiver"))
    certificate = tmp_path / "tls.pem"
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(certificate, tmp_path / "tls.key")
    async with receiver(says(OK), context) as (port, seen):
        posted = await poster(port).post(f"https://127.0.0.1:{port}/", {}, BODY)
        assert (posted.status, posted.outcome) == (0, "certificate not trusted, or no TLS")
        assert seen == []
        trusting = poster(port, ca_file=str(certificate))
        assert (await trusting.post(f"https://127.0.0.1:{port}/", {}, BODY)).taken


async def test_nobody_there_is_an_outcome():
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        port = taken.getsockname()[1]
        posted = await poster(port).post(f"http://127.0.0.1:{port}/", {}, BODY)
    assert posted.status == 0
    assert posted.outcome.startswith("no connection")
