"""Fetching over real loopback sockets: what is asked, what is refused, what is taken."""

import asyncio
import json
import socket
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import timedelta

import pytest
from aiohttp import web
from asn1crypto import ocsp as asn1_ocsp
from cryptography import x509

from gateway.trust.ocsp import make_query
from gateway.trust.report import RevocationFacts, Verdict
from gateway.verifier.fetch import Fetcher, FetchError, FetchPolicy
from gateway.verifier.revocation import RevocationStore
from gateway.verifier.watch import RevocationWatch, Watching
from tests.world import made_reports
from tests.world.revocation_lists import DAY, DER, certificate, crl, many, ocsp_answer, responder
from tests.world.signed_files import NOW

CA = certificate("CA", ca=True)
TWIN = certificate("CA", ca=True, label="khóa khác")


class Clock:
    def __init__(self, at=NOW):
        self.at = at

    def now(self):
        return self.at

    def offset(self):
        return None


@asynccontextmanager
async def serving(handler):
    """Serve one handler on loopback; yield `127.0.0.1:port`."""
    app = web.Application()
    app.router.add_route("*", "/{tail:.*}", handler)
    runner = web.AppRunner(app, access_log=None)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    try:
        yield f"127.0.0.1:{runner.addresses[0][1]}"
    finally:
        await runner.cleanup()


def policy(place, **more):
    return FetchPolicy(
        urls=(f"http://{place}/ca.crl",), private=(place,), timeout=timedelta(seconds=5), **more
    )


def handler_of(**answer):
    async def handle(request):
        return web.Response(**answer)

    return handle


async def test_a_listed_address_is_fetched():
    seen = []

    async def handle(request):
        seen.append(dict(request.headers))
        return web.Response(body=b"list", headers={"ETag": '"1"', "Last-Modified": "x"})

    async with serving(handle) as place:
        got = await Fetcher(policy(place)).get_list(f"http://{place}/ca.crl")
    assert (got.body, got.changed, got.etag, got.last_modified) == (b"list", True, '"1"', "x")
    assert {"Cookie", "Authorization", "Referer"} & set(seen[0]) == set()
    assert seen[0]["Accept-Encoding"] == "identity"


async def test_unchanged_lists_are_not_sent_again():
    async def handle(request):
        known = request.headers.get("If-None-Match") == '"1"'
        assert (request.headers.get("If-Modified-Since") == "then") == known
        return web.Response(status=304) if known else web.Response(body=b"new")

    async with serving(handle) as place:
        fetcher, url = Fetcher(policy(place)), f"http://{place}/ca.crl"
        again = await fetcher.get_list(url, etag='"1"', last_modified="then")
        assert not again.changed
        assert (await fetcher.get_list(url)).body == b"new"


async def test_other_addresses_are_not_dialled():
    async def handle(request):
        raise AssertionError("dialled")

    async with serving(handle) as place:
        fetcher = Fetcher(policy(place))
        for url in (
            f"http://{place}/other.crl",
            f"https://{place}/ca.crl",
            f"http://user@{place}/ca.crl",
            "file:///etc/passwd",
            "http://[::1/ca.crl",
            "",
        ):
            with pytest.raises(FetchError, match="not listed"):
                await fetcher.get_list(url)


async def test_an_address_inside_the_house_is_refused_unless_that_very_port_is_listed():
    async with serving(handler_of(body=b"list")) as place:
        listed = policy(place)
        with pytest.raises(FetchError, match="inside the house"):
            await Fetcher(replace(listed, private=())).get_list(listed.urls[0])
        with pytest.raises(FetchError, match="inside the house"):
            await Fetcher(replace(listed, private=("127.0.0.1:1",))).get_list(listed.urls[0])
        assert (await Fetcher(listed).get_list(listed.urls[0])).body == b"list"


async def test_a_name_that_leads_inside_the_house_is_refused(monkeypatch):
    """Whatever a name server says: the address that was checked is the one that is dialled."""
    async with serving(handler_of(body=b"secret")) as place:
        port = int(place.rpartition(":")[2])
        answers = [(socket.AF_INET, socket.SOCK_STREAM, 6, "", ("127.0.0.1", port))]

        async def lying(*_, **__):
            return answers

        monkeypatch.setattr(asyncio.get_running_loop(), "getaddrinfo", lying, raising=False)
        url = f"http://ca.example.vn:{port}/ca.crl"
        with pytest.raises(FetchError, match="inside the house"):
            await Fetcher(FetchPolicy(urls=(url,))).get_list(url)
        allowed = FetchPolicy(urls=(url,), private=(f"ca.example.vn:{port}",))
        assert (await Fetcher(allowed).get_list(url)).body == b"secret"


@pytest.mark.parametrize(
    "address",
    [
        "127.0.0.1", "10.0.0.1", "172.16.9.9", "192.168.1.1", "169.254.169.254", "0.0.0.0",
        "100.64.0.1", "224.0.0.1", "240.0.0.1", "255.255.255.255", "::1", "::", "fe80::1", "fc00::1",
        "::ffff:127.0.0.1", "::ffff:10.0.0.1", "64:ff9b::7f00:1", "2002:7f00:1::", "fe80::1%eth0",
        "ff02::1", "no address",
    ],
)  # fmt: skip
def test_no_private_address_passes(address):
    assert not FetchPolicy().may_dial("ca.example.vn", 80, address)


@pytest.mark.parametrize("address", ["8.8.8.8", "2001:4860:4860::8888"])
def test_public_addresses_pass(address):
    assert FetchPolicy().may_dial("ca.example.vn", 80, address)


def test_hosts_permit_addresses_found_in_certificates():
    found = FetchPolicy(hosts=("ca.gov.vn", "ocsp.ca.gov.vn:8080"))
    assert found.permits("http://ca.gov.vn/pki/pub/crl/cpcag2.crl")
    assert found.permits("https://CA.gov.vn/x")
    assert found.permits("http://ocsp.ca.gov.vn:8080/")
    for url in (
        "http://ca.gov.vn:8080/x",
        "http://ocsp.ca.gov.vn/",
        "http://ca.gov.vn.evil.example/x",
        "http://evil.example/ca.gov.vn",
        "http://ca.gov.vn@evil.example/",
        "http://evil.example#@ca.gov.vn/",
        "ftp://ca.gov.vn/x",
    ):
        assert not found.permits(url), url


async def test_redirects_are_refused():
    async def handle(request):
        if request.path == "/ca.crl":
            raise web.HTTPFound("/secret")
        raise AssertionError("followed")

    async with serving(handle) as place:
        with pytest.raises(FetchError, match="redirect refused 302"):
            await Fetcher(policy(place)).get_list(f"http://{place}/ca.crl")


@pytest.mark.parametrize("announced", [True, False])
async def test_answers_over_the_limit_are_cut_off(announced):
    async def handle(request):
        if announced:
            return web.Response(body=b"x" * 2000)
        answer = web.StreamResponse()
        answer.enable_chunked_encoding()
        await answer.prepare(request)
        try:
            while True:
                await answer.write(b"x" * 1000)
        except ConnectionError:
            return answer

    async with serving(handle) as place:
        with pytest.raises(FetchError, match="too large"):
            await Fetcher(policy(place, max_bytes=1500)).get_list(f"http://{place}/ca.crl")


async def test_slow_answers_are_given_up():
    never = asyncio.Event()

    async def handle(request):
        await never.wait()

    async with serving(handle) as place:
        hasty = replace(policy(place), timeout=timedelta(milliseconds=200))
        with pytest.raises(FetchError, match="in time"):
            await Fetcher(hasty).get_list(f"http://{place}/ca.crl")
        never.set()


@pytest.mark.parametrize(
    "answer", [{"status": 500}, {"status": 404}, {"status": 206, "body": b"x"}]
)
async def test_other_statuses_are_failures(answer):
    async with serving(handler_of(**answer)) as place:
        with pytest.raises(FetchError, match="HTTP"):
            await Fetcher(policy(place)).get_list(f"http://{place}/ca.crl")


async def test_compressed_answers_are_refused():
    bomb = handler_of(body=b"\x1f\x8b", headers={"Content-Encoding": "gzip"})
    async with serving(bomb) as place:
        with pytest.raises(FetchError, match="compressed"):
            await Fetcher(policy(place)).get_list(f"http://{place}/ca.crl")


async def test_nobody_listens():
    with socket.create_server(("127.0.0.1", 0)) as held:
        place = f"127.0.0.1:{held.getsockname()[1]}"
    with pytest.raises(FetchError, match="no connection"):
        await Fetcher(policy(place)).get_list(f"http://{place}/ca.crl")


async def test_a_host_can_be_reached_elsewhere():
    async def handle(request):
        return web.Response(body=request.headers["Host"].encode())

    async with serving(handle) as place:
        url = "http://ca.gov.vn/pki/pub/crl/cpcag2.crl"
        mapped = FetchPolicy(urls=(url,), private=(place,), host_map=(f"ca.gov.vn={place}",))
        assert (await Fetcher(mapped).get_list(url)).body == b"ca.gov.vn"
        with pytest.raises(FetchError, match="inside the house"):
            await Fetcher(replace(mapped, private=())).get_list(url)


async def test_a_proxy_is_asked_for_the_whole_address():
    async def handle(request):
        return web.Response(body=f"{request.method} {request.raw_path}".encode())

    async with serving(handle) as place:
        url = "http://ca.gov.vn/pki/pub/crl/cpcag2.crl"
        fetcher = Fetcher(FetchPolicy(urls=(url,), proxy=f"http://{place}"))
        assert url in (await fetcher.get_list(url)).body.decode()
        inside = "http://169.254.169.254/latest"
        with pytest.raises(FetchError, match="inside the house"):
            await Fetcher(FetchPolicy(urls=(inside,), proxy=f"http://{place}")).get_list(inside)


# ---------------------------------------------------------------- the watch


class House:
    """A watch over a trust folder with one authority, its server and its clock."""

    def __init__(self, folder, place, **more):
        self.trust = folder / "trust"
        self.trust.mkdir()
        (self.trust / "ca.cer").write_bytes(CA.cert.public_bytes(DER))
        self.clock = Clock()
        self.store = RevocationStore(folder / "revocation", self.clock.now)
        self.fresh = []
        self.watch = RevocationWatch(
            self.store,
            self.trust,
            Fetcher(policy(place, **more)),
            self.clock,
            watching=Watching(every=timedelta(hours=6), warn_before=DAY),
            on_fresh=self.fresh.append,
        )


class Server:
    """Answers what it is told to, and counts."""

    def __init__(self):
        self.asked = 0
        self.body = b""
        self.status = 200
        self.etag = ""

    async def handle(self, request):
        self.asked += 1
        if self.etag and request.headers.get("If-None-Match") == self.etag:
            return web.Response(status=304)
        headers = {"ETag": self.etag} if self.etag else {}
        return web.Response(status=self.status, body=self.body, headers=headers)


@asynccontextmanager
async def house_of(folder, **more):
    server = Server()
    async with serving(server.handle) as place:
        house = House(folder, place, **more)
        try:
            yield house, server
        finally:
            house.store.close()


async def test_lists_are_fetched_on_schedule_and_verified(tmp_path):
    async with house_of(tmp_path) as (house, server):
        server.body, server.etag = crl(CA, many(3), number=1), '"1"'
        await house.watch.once()
        assert (server.asked, house.fresh) == (1, ["CA"])
        house.clock.at += timedelta(hours=1)
        await house.watch.once()
        assert server.asked == 1
        house.clock.at += timedelta(hours=6)
        await house.watch.once()
        assert (server.asked, house.fresh) == (2, ["CA"])  # 304: nothing new
        server.body, server.etag = crl(CA, at=house.clock.at, number=2), '"2"'
        house.clock.at += timedelta(hours=7)
        await house.watch.once()
        assert house.fresh == ["CA", "CA"]
        assert [s.state for s in house.watch.health.lists] == ["ok"]


async def test_failures_back_off_and_are_remembered_over_a_restart(tmp_path):
    async with house_of(tmp_path) as (house, server):
        server.status = 503
        waits = []
        for _ in range(5):
            await house.watch.once()
            (state,) = json.loads((house.store.folder / "fetched.json").read_text()).values()
            due = state["next_at"]
            before = server.asked
            await house.watch.once()
            assert server.asked == before  # not due
            from gateway.domain.moments import from_text

            waits.append((from_text(due) - house.clock.at).total_seconds() / 60)
            house.clock.at = from_text(due)
        assert waits == [1, 2, 4, 8, 16]
        again = RevocationWatch(house.store, house.trust, house.watch._fetcher, house.clock)
        house.clock.at -= timedelta(seconds=1)
        await again.once()
        assert server.asked == 5


@pytest.mark.parametrize(
    ("body", "word"),
    [
        (crl(TWIN), "does not fit"),
        (crl(certificate("CA lạ", ca=True)), "no certificate"),
        (b"<html>log in first</html>", "not a well-formed"),
    ],
)
async def test_what_does_not_verify_is_not_taken(tmp_path, body, word):
    async with house_of(tmp_path) as (house, server):
        server.body = body
        (report,) = await house.watch.fetch()
        assert (report.outcome, house.fresh) == ("refused", [])
        assert word in report.en
        assert report.vi
        assert house.store.news(0)[0] == 0


async def test_lists_of_another_process_are_told_too(tmp_path):
    async with house_of(tmp_path) as (house, server):
        server.status = 404
        await house.watch.once()
        beside = RevocationStore(house.store.folder, house.clock.now)
        beside.take(crl(CA), [CA.asn1])
        beside.close()
        await house.watch.once()
        assert house.fresh == ["CA"]


async def test_dropped_files_are_taken_when_complete(tmp_path):
    async with house_of(tmp_path) as (house, server):
        server.status = 404
        incoming = house.store.folder / "incoming"
        await house.watch.once()
        (incoming / "a.crl").write_bytes(crl(CA, number=1)[:200])
        (incoming / "b.crl.part").write_bytes(b"half")
        await house.watch.once()
        (incoming / "a.crl").write_bytes(crl(CA, number=1))  # still being copied at the last look
        await house.watch.once()
        assert (incoming / "a.crl").exists()
        await house.watch.once()
        assert [p.name for p in incoming.iterdir()] == ["b.crl.part"]
        assert [p.name[-5:] for p in (house.store.folder / "taken").iterdir()] == ["a.crl"]
        assert house.fresh == ["CA"]


async def test_dropped_files_that_are_refused_say_why(tmp_path):
    async with house_of(tmp_path) as (house, server):
        server.status = 404
        await house.watch.once()
        incoming, refused = house.store.folder / "incoming", house.store.folder / "refused"
        for body in (crl(TWIN), b"junk"):
            (incoming / "a.crl").write_bytes(body)
            await house.watch.once()
            await house.watch.once()
        names = sorted(p.name for p in refused.iterdir())
        assert len(names) == 4
        texts = [p.read_text("utf-8") for p in sorted(refused.glob("*.reason.txt"))]
        assert any("không khớp" in t and "does not fit" in t for t in texts)
        assert list(incoming.iterdir()) == []


async def test_lists_of_the_trust_folder_are_kept_as_evidence(tmp_path):
    async with house_of(tmp_path) as (house, server):
        server.status = 404
        (house.trust / "ca.crl").write_bytes(crl(CA, many(2)))
        await house.watch.once()
        assert house.store.news(0)[0] == 1
        assert [s.state for s in house.watch.health.lists] == ["ok"]


async def test_one_alarm_for_a_list_that_ends_and_one_when_it_ended(tmp_path, monkeypatch):
    said = []
    monkeypatch.setattr("gateway.observe.alarm", lambda **facts: said.append(facts))
    async with house_of(tmp_path) as (house, server):
        server.body = crl(CA, at=NOW - DAY, until=NOW + 3 * DAY)
        for hours in (0, 24, 24, 12, 12, 12):
            house.clock.at += timedelta(hours=hours)
            await house.watch.once()
        assert [(f["what"], f["subject"]) for f in said] == [
            ("revocation list ends soon", "CA"),
            ("revocation list expired", "CA"),
        ]
        assert house.watch.health.state == "expired"
        assert "hết hạn: CA" in house.watch.health.vi
        assert "expired: CA" in house.watch.health.en
        server.body = crl(CA, at=house.clock.at, number=2)
        await house.watch.fetch()
        await house.watch.once()
        assert house.watch.health.state == "ok"
        assert len(said) == 2


async def test_the_note_of_health_is_read_by_others(tmp_path):
    from gateway.verifier.healthnote import read_health

    async with house_of(tmp_path) as (house, server):
        server.body = crl(CA, until=NOW + 3 * DAY)
        assert read_health(house.store.folder, NOW) is None
        await house.watch.once()
        assert read_health(house.store.folder, NOW) == house.watch.health
        later = read_health(house.store.folder, NOW + 4 * DAY)
        assert later.state == "expired"
        (house.store.folder / "health.json").write_text("[{}]")
        assert read_health(house.store.folder, NOW) is None


# ---------------------------------------------------------------- OCSP


PERSON = certificate("Người", CA, serial=7)


@asynccontextmanager
async def responding(folder, answer):
    """A house beside a responder whose answers `answer(nonce)` makes."""
    asked = []

    async def handle(request):
        query = asn1_ocsp.OCSPRequest.load(await request.read())
        asked.append(query["tbs_request"]["request_list"][0]["req_cert"]["serial_number"].native)
        assert request.content_type == "application/ocsp-request"
        return web.Response(body=answer(query.nonce_value.native))

    async with serving(handle) as place:
        house = House(folder, place, ocsp=(f"http://{place}/ocsp",))
        house.watch._fetcher.policy = replace(house.watch._fetcher.policy, urls=())
        try:
            yield house, asked
        finally:
            house.store.close()


def undetermined(issuer=CA, serial=7, status="unknown"):
    """Return a report that waits for the status of one signer."""
    signer = replace(made_reports.certificate(), serial=f"{serial:x}")
    chain = (made_reports.certificate(sha256=issuer.asn1.sha256.hex()),)
    revocation = (RevocationFacts("Người", signer.sha256, status),)
    signature = made_reports.signature(signer=signer, chain=chain, revocation=revocation)
    return made_reports.report(signature, verdict=Verdict.INDETERMINATE)


async def test_an_undetermined_signer_is_asked_about_and_the_answer_kept(tmp_path):
    def answer(nonce):
        return ocsp_answer(PERSON, CA, responder=responder(CA), nonce=nonce)

    async with responding(tmp_path, answer) as (house, asked):
        await house.watch.once()
        house.watch.wanted(undetermined())
        await house.watch.once()
        await house.watch.once()
        assert asked == [7]
        assert house.fresh == ["CA"]


@pytest.mark.parametrize(
    ("answer", "kept"),
    [
        (lambda _: ocsp_answer(PERSON, CA), True),  # prepared in advance: no nonce
        (lambda _: ocsp_answer(PERSON, CA, nonce=b"other"), False),  # to another question
        (lambda n: ocsp_answer(PERSON, CA, at=NOW - 9 * DAY, nonce=n), False),  # over
        (lambda n: ocsp_answer(PERSON, CA, at=NOW + DAY, nonce=n), False),  # not yet
        (lambda n: ocsp_answer(certificate("X", CA, serial=8), CA, nonce=n), False),
        (lambda n: ocsp_answer(PERSON, TWIN, nonce=n), False),
        (lambda n: ocsp_answer(PERSON, CA, responder=responder(TWIN, "R2"), nonce=n), False),
        (lambda _: b"junk", False),
    ],
)
async def test_only_a_fitting_answer_is_kept(tmp_path, answer, kept):
    async with responding(tmp_path, answer) as (house, _):
        assert await house.watch.ask_about(7, CA.asn1) == kept
        assert (house.store.news(0)[0] > 0) == kept


async def test_who_got_no_answer_is_asked_about_later(tmp_path):
    async with responding(tmp_path, lambda _: b"junk") as (house, asked):
        house.watch.wanted(undetermined())
        for minutes in (0, 1, 10, 10):
            house.clock.at += timedelta(minutes=minutes)
            await house.watch.once()
        assert asked == [7, 7]


async def test_nobody_is_asked_about_strangers_or_what_is_known(tmp_path):
    async with responding(tmp_path, lambda _: b"junk") as (house, asked):
        house.watch.wanted(undetermined(issuer=TWIN))
        house.watch.wanted(undetermined(status="good"))
        await house.watch.once()
        assert asked == []


async def test_lists_named_by_trusted_authorities_are_fetched_from_listed_hosts(tmp_path):
    server = Server()
    async with serving(server.handle) as place:
        server.body = crl(CA)
        points = [
            x509.DistributionPoint([x509.UniformResourceIdentifier(url)], None, None, None)
            for url in (f"http://{place}/found.crl", "http://127.0.0.1:9/other.crl")
        ]
        below = certificate(
            "CA dưới", CA, ca=True, extra=[(x509.CRLDistributionPoints(points), False)]
        )
        house = House(tmp_path, place, hosts=(place,))
        (house.trust / "below.cer").write_bytes(below.cert.public_bytes(DER))
        await house.watch.once()
        reports = await house.watch.fetch()
        house.store.close()
    names = {r.url.rpartition("/")[2]: r.outcome for r in reports}
    assert names == {"ca.crl": "taken", "found.crl": "taken"}


def test_a_query_names_one_certificate_and_carries_the_nonce():
    query = asn1_ocsp.OCSPRequest.load(make_query(7, CA.asn1, b"n" * 32))
    assert query.nonce_value.native == b"n" * 32
    (one,) = query["tbs_request"]["request_list"]
    assert one["req_cert"]["serial_number"].native == 7
