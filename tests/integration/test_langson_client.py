"""Our client of a Lạng Sơn axis against scripted and simulated axes: tokens, outcomes, secrets."""

import json
import logging
from collections import deque
from datetime import timedelta

import pytest
from aiohttp import web

from adapters.langson import plugin
from adapters.simulator.axis import AxisSimulator, Fault
from gateway.errors import ConfigurationError, RejectedError, UnavailableError
from gateway.ports import AgencyRow, Busy, Listed, Refused, Taken
from tests.world.fake_adapter import document_packet, parcel_of
from tests.world.fake_frontdoor import FakeClock

US, THEM = "H37.02", "G12"
PATHS = {
    "v1": ("auth/login", "sendEdoc", "syncReceivedEdocList", "getEdoc", "getAgenciesList"),
    "lgspedoc": ("login", "send-edoc", "received-edocs", "get-edoc", "organizations"),
}


class Scripted:
    """An axis that says what it is told to, and remembers what it was asked."""

    def __init__(self):
        self.answers = {}
        self.asked = []
        self.tokens = 0

    def say(self, operation, *answers):
        self.answers.setdefault(operation, deque()).extend(answers)

    async def answer(self, request):
        body = await request.read()
        operation = request.path.removeprefix("/v1/").removeprefix("/api/lgspedoc/")
        self.asked.append((operation, request, body))
        planned = self.answers.get(operation)
        if planned:
            status, answer, *more = planned.popleft()
            text = answer if isinstance(answer, str) else json.dumps(answer)
            headers = dict(more[0]) if more else {}
            return web.Response(status=status, text=text, headers=headers)
        if operation.endswith("login"):
            self.tokens += 1
            token = f"t{self.tokens}"
            return web.json_response({"success": True, "token": token, "data": {"token": token}})
        return web.json_response({"success": True, "docId": "d1", "data": []})

    def named(self, operation):
        return [request for name, request, _ in self.asked if name == operation]


@pytest.fixture
async def axis():
    found = Scripted()
    app = web.Application(client_max_size=1 << 30)
    app.router.add_route("*", "/{path:.*}", found.answer)
    runner = web.AppRunner(app, shutdown_timeout=0.1, access_log=None)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    found.url = f"http://127.0.0.1:{runner.addresses[0][1]}"
    yield found
    await runner.cleanup()


@pytest.fixture
def clock():
    return FakeClock()


@pytest.fixture(params=["v1", "lgspedoc"])
async def client(request, axis, clock):
    made = plugin.make_client(
        name="tỉnh",
        endpoint=axis.url,
        system_id="H37.DN.001",
        secret=b"bi-mat",
        clock=clock,
        variant=request.param,
        username="quan-tri",
        application_code="APP",
    )
    made.paths = PATHS[request.param]
    yield made
    await made.close()


async def send(client, clock, **options):
    parcel = parcel_of(document_packet(THEM), sender=US, recipients=[THEM], **options)
    return await client.deliver(parcel, deadline=clock.now() + timedelta(seconds=60))


def refused(code, text="Loi"):
    data = {"docId": None, "status": "error", "errorCode": code, "errorDesc": text}
    return {"success": False, "message": "Loi", "data": data}


# ---------------------------------------------------------------- signing in


async def test_one_sign_in_serves_all_calls_until_its_time(client, axis, clock):
    login = client.paths[0]
    for _ in range(3):
        assert isinstance(await send(client, clock), Taken)
        await client.listing("edoc")
    assert len(axis.named(login)) == 1
    told = json.loads(axis.asked[0][2])
    assert (told["username"], told["password"]) == ("quan-tri", "bi-mat")
    assert told["applicationCode"] == "APP"
    clock.move(minutes=26)
    await client.listing("edoc")
    assert len(axis.named(login)) == 2


async def test_a_token_not_taken_is_asked_for_once_more(client, axis, clock):
    login, sending, listing, getting, agencies = client.paths
    assert isinstance(await send(client, clock), Taken)
    stale = (401, {"success": False, "message": "licenseInfo:invalid"})
    for operation in (sending, listing, agencies):
        axis.say(operation, stale)
    assert isinstance(await send(client, clock), Taken)
    await client.listing("edoc")
    await client.agencies()
    assert len(axis.named(login)) == 4
    packet = {"success": True, "data": {"docId": "d", "edxml": "<edXML/>"}}
    axis.say(getting, stale, (200, packet))
    chunks = [chunk async for chunk in client.fetch(Listed("d", "edoc"))]
    assert b"".join(chunks) == b"<edXML/>"
    for operation in (sending, listing, getting):
        axis.say(operation, stale, stale)
    assert isinstance(await send(client, clock), Busy)
    with pytest.raises(UnavailableError):
        await client.listing("edoc")
    with pytest.raises(UnavailableError):
        [chunk async for chunk in client.fetch(Listed("d", "edoc"))]


@pytest.mark.parametrize(
    "answer",
    [
        (401, {"code": 401, "message": "sai"}),
        (200, refused("15")),
        (200, {"success": True, "data": {}}),
        (200, "<html>"),
        (500, "java.lang.NullPointerException"),
        (503, "", {"Retry-After": "9"}),
    ],
)
async def test_who_cannot_sign_in_waits(client, axis, clock, answer):
    axis.say(client.paths[0], answer, answer, answer)
    outcome = await send(client, clock)
    assert isinstance(outcome, Busy)
    assert outcome.retry_after_s == (9 if len(answer) > 2 else None)
    with pytest.raises(UnavailableError):
        await client.listing("edoc")
    with pytest.raises(UnavailableError):
        await client.probe()
    assert not axis.named(client.paths[1])


async def test_who_is_not_let_in_does_not_knock_on(client, axis, clock):
    """An axis may lock an account that is tried again and again."""
    login, told = client.paths[0], (401, {"code": 401, "message": "sai"})
    axis.say(login, told, told, (503, "", {"Retry-After": "120"}))
    for _ in range(3):
        assert isinstance(await send(client, clock), Busy)
    assert len(axis.named(login)) == 1
    clock.move(seconds=31)
    assert isinstance(await send(client, clock), Busy)
    clock.move(seconds=31)
    outcome = await send(client, clock)
    assert outcome.retry_after_s == 120
    clock.move(seconds=100)
    assert isinstance(await send(client, clock), Busy)
    assert len(axis.named(login)) == 3
    clock.move(seconds=21)
    assert isinstance(await send(client, clock), Taken)
    # A clock that was set back does not make the wait longer than it can be.
    axis.say(login, told)
    clock.move(hours=1)
    assert isinstance(await send(client, clock), Busy)
    clock.move(hours=-3)
    assert isinstance(await send(client, clock), Taken)


@pytest.mark.parametrize("token", ["a b", "a\r\nX-Evil: 1", "é", "x" * 20_000])
async def test_a_token_no_header_can_carry(client, axis, clock, token):
    axis.say(client.paths[0], (200, {"success": True, "token": token, "data": {"token": token}}))
    assert isinstance(await send(client, clock), Busy)


class Rotating:
    """Two secrets, of which a peer may know one only."""

    def __init__(self):
        self.secrets = [b"moi", b"cu"]
        self.told = []

    def offered(self):
        return tuple(self.secrets)

    def refused(self, secret):
        self.told.append(("refused", secret))

    def worked(self, secret):
        self.told.append(("worked", secret))
        self.secrets = [secret, *(s for s in self.secrets if s != secret)]


async def test_the_other_secret_while_it_changes(axis, clock):
    secret = Rotating()
    client = plugin.make_client(
        name="tỉnh", endpoint=axis.url, system_id="s", secret=secret, clock=clock
    )
    axis.say("auth/login", (401, {"code": 401, "message": "sai"}))
    try:
        await client.listing("edoc")
    finally:
        await client.close()
    assert secret.told == [("refused", b"moi"), ("worked", b"cu")]
    (request,) = axis.named("syncReceivedEdocList")
    assert request.headers["X-SecretKey"] == "cu"


@pytest.fixture(params=["v1", "lgspedoc"])
async def account(request, axis, clock):
    """A client whose account has a password of its own, beside the pair of its agency."""
    made = plugin.make_client(
        name="tỉnh",
        endpoint=axis.url,
        system_id="H37.DN.001",
        secret=Rotating(),
        clock=clock,
        variant=request.param,
        username="quan-tri",
        password="mat-khau",
    )
    made.paths = PATHS[request.param]
    yield made
    await made.close()


def shown(axis, operation):
    """Return the secret keys that calls of an operation showed."""
    return [
        request.headers.get("X-SecretKey")
        or request.query.get("secretKey")
        or json.loads(body).get("secretKey")
        for name, request, body in axis.asked
        if name == operation
    ]


async def test_an_account_with_a_password_of_its_own(account, axis, clock):
    login, sending, listing, *_ = account.paths
    assert isinstance(await send(account, clock), Taken)
    assert json.loads(axis.asked[0][2])["password"] == "mat-khau"
    assert shown(axis, sending) == ["moi"]
    # The sign-in says nothing of the pair: the other secret is tried when the pair is refused.
    axis.say(listing, (200, refused("15")))
    await account.listing("edoc")
    await account.listing("edoc")
    assert shown(axis, listing) == ["moi", "cu", "cu"]
    axis.say(sending, (200, refused("15")), (200, refused("15")))
    assert isinstance(await send(account, clock), Busy)
    assert shown(axis, sending) == ["moi", "cu", "moi"]
    assert len(axis.named(login)) == 1
    clock.move(minutes=26)
    axis.say(login, (401, {"code": 401, "message": "mat-khau sai"}))
    outcome = await send(account, clock)
    assert isinstance(outcome, Busy)
    assert "mat-khau" not in outcome.reason


# ---------------------------------------------------------------- outcomes (rules C7)


@pytest.mark.parametrize("code", ["10", "18", "19", "22", "23"])
async def test_business_refusals_are_final(client, axis, clock, code):
    for status in (200, 400, 422):
        axis.say(client.paths[1], (status, refused(code, "vì sao")))
        outcome = await send(client, clock)
        assert isinstance(outcome, Refused)
        assert outcome.code == code
        assert "vì sao" in outcome.reason


@pytest.mark.parametrize(
    "answer",
    [
        (200, refused("15")),
        (200, refused("20")),
        (200, refused("21")),
        (200, refused("99")),
        (200, {"success": False, "message": "?"}),
        (200, {"success": True, "message": "OK"}),
        (200, "<html>"),
        (200, ""),
        (403, refused("15")),
        (404, "Not found"),
        (500, "java.lang.NullPointerException"),
        (502, {"success": True, "docId": "d1"}),
        (503, refused("20"), {"Retry-After": "7"}),
    ],
)
async def test_what_may_pass_waits(client, axis, clock, answer):
    axis.say(client.paths[1], answer)
    outcome = await send(client, clock)
    assert isinstance(outcome, Busy)
    assert outcome.retry_after_s == (7 if len(answer) > 2 else None)
    assert isinstance(await send(client, clock), Taken)


async def test_its_size_is_refused(client, axis, clock):
    axis.say(client.paths[1], (413, ""))
    assert isinstance(await send(client, clock), Refused)


async def test_nobody_there(clock):
    client = plugin.make_client(
        name="tỉnh", endpoint="http://127.0.0.1:1", system_id="s", secret=b"x", clock=clock
    )
    assert isinstance(await send(client, clock), Busy)
    with pytest.raises(UnavailableError):
        await client.probe()
    await client.close()


# ---------------------------------------------------------------- what is asked


async def test_windows_and_what_is_finished(client, axis, clock):
    rows = [{"docId": f"d{n}", "status": s} for n, s in enumerate(("initial", "done", "fail", ""))]
    table = {"success": True, "data": [*rows, *rows, {"docId": ""}]}
    axis.say(client.paths[2], (200, table), (200, table))
    assert [item.peer_doc_id for item in await client.listing("edoc")] == ["d0", "d3"]
    since = clock.now() - timedelta(days=2)
    assert len(await client.listing("status", since=since)) == 4
    asked = [request.query for request in axis.named(client.paths[2])]
    dash = "-" if client.paths[0] == "login" else "/"
    assert [query["fromDate"] for query in asked] == [
        day.replace("/", dash) for day in ("2026/10/23", "2026/11/20")
    ]
    assert {query["toDate"] for query in asked} == {"2026/11/23".replace("/", dash)}


async def test_too_large_to_fetch(axis, clock):
    client = plugin.make_client(
        name="tỉnh",
        endpoint=axis.url,
        system_id="s",
        secret=b"x",
        clock=clock,
        max_packet_bytes=100,
    )
    packet = {"success": True, "data": {"docId": "d", "edxml": "<edXML/>" * 20}}
    axis.say("getEdoc", (200, packet))
    with pytest.raises(RejectedError):
        [chunk async for chunk in client.fetch(Listed("d", "edoc"))]
    await client.close()


async def test_catalogue_of_either_spelling(client, axis):
    rows = [
        {"orgCode": "H37.02", "orgName": "Sở Nội vụ", "parentCode": "H37", "email": "a@b"},
        {"code": "G12.W00", "name": "Trục Bộ", "oldCode": "000.00.00.G12", "pid": None},
        {"name": "không mã"},
    ]
    axis.say(client.paths[4], (200, rows))
    assert list(await client.agencies()) == [
        AgencyRow("H37.02", "Sở Nội vụ", parent="H37", mail="a@b"),
        AgencyRow("G12.W00", "Trục Bộ", "000.00.00.G12", status="hub", connected=False),
    ]


# ---------------------------------------------------------------- secrets


async def test_secrets_stand_in_addresses_of_the_older_form_only(client, axis, clock, caplog):
    caplog.set_level(logging.DEBUG)
    await send(client, clock)
    await client.listing("edoc")
    await client.agencies()
    older = client.paths[0] == "login"
    for operation in client.paths[2:]:
        for request in axis.named(operation):
            assert ("t1" in request.query_string) is older
            assert ("X-SecretKey" in request.headers) is not older
            if not older:
                assert "bi-mat" not in request.query_string
    axis.say(client.paths[2], (500, "bi-mat"))
    with pytest.raises(UnavailableError) as caught:
        await client.listing("edoc")
    assert "bi-mat" not in f"{caught.value} {client!r} {caplog.text}"


async def test_a_peer_that_repeats_our_secrets_is_not_quoted(client, axis, clock):
    """What a peer says is written down with the attempt, and shown."""
    login, sending, listing, getting, _ = client.paths
    token = {"success": True, "token": "token-1234", "data": {"token": "token-1234"}}
    told = refused("22", "GET /x?secretKey=bi-mat&token=token-1234 is wrong")
    axis.say(login, (401, refused("15", "password bi-mat")), (200, token))
    first = await send(client, clock)
    clock.move(minutes=1)
    for operation in (sending, listing, getting):
        axis.say(operation, (200, told))
    said = [first.reason, (await send(client, clock)).reason]
    with pytest.raises(UnavailableError) as caught:
        await client.listing("edoc")
    said.append(caught.value.public)
    with pytest.raises(UnavailableError) as caught:
        [chunk async for chunk in client.fetch(Listed("d", "edoc"))]
    said.append(caught.value.public)
    for text in said:
        assert "***" in text
        assert "bi-mat" not in text
        assert "token-1234" not in text


@pytest.mark.parametrize("variant", ["v1", "lgspedoc"])
@pytest.mark.parametrize(
    ("endpoint", "good"),
    [
        ("https://truc.example.vn", True),
        ("http://127.0.0.1:8080", True),
        ("http://[::1]:8080", True),
        ("http://localhost", True),
        ("http://truc.example.vn", False),
        ("http://10.1.2.3", False),
    ],
)
def test_secrets_never_cross_an_open_network(endpoint, good, variant):
    def make():
        return plugin.make_client(
            name="tỉnh",
            endpoint=endpoint,
            system_id="s",
            secret=b"x",
            clock=FakeClock(),
            variant=variant,
        )

    if good:
        make()
    else:
        with pytest.raises(ConfigurationError):
            make()


# ---------------------------------------------------------------- a simulated axis goes wrong


async def test_every_fault_is_outlived(tmp_path, clock):
    axis = AxisSimulator(plugin, tmp_path, clock)
    axis.add_system("us", b"ta", [AgencyRow(US, "Sở Nội vụ")])
    axis.add_system("them", b"ho", [AgencyRow(THEM, "Bộ Tài chính")])
    endpoint = await axis.start()
    client = plugin.make_client(
        name="tỉnh", endpoint=endpoint, system_id="us", secret=b"ta", clock=clock
    )
    other = plugin.make_client(
        name="họ", endpoint=endpoint, system_id="them", secret=b"ho", clock=clock
    )
    try:
        for fault in Fault:
            if fault in {Fault.SLOW, Fault.LATENCY}:
                continue
            axis.fail("send", fault)
            await send(client, clock)
            for doing in ("list", "fetch", "acknowledge"):
                axis.fail(doing, fault)
            for _ in range(9):
                try:
                    for item in await other.listing("edoc"):
                        packet = [chunk async for chunk in other.fetch(item)]
                        assert b"".join(packet).rstrip().endswith(b"</edXML>")
                        await other.acknowledge(item, done=True)
                except UnavailableError:
                    continue
            for doing in ("send", "list", "fetch", "acknowledge"):
                axis.mend(doing)
        axis.forget_tokens()
        assert isinstance(await send(client, clock), Taken)
        assert len(await other.listing("edoc")) == 1
    finally:
        await client.close()
        await other.close()
        await axis.stop()
