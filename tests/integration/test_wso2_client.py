"""Our client of a WSO2 gateway before a gateway that does as it is told: tokens, answers, faults."""

import asyncio
import base64
import json
import ssl
from dataclasses import dataclass, field
from datetime import timedelta

import pytest
from aiohttp import web

from adapters.simulator.axis import AxisSimulator, Fault, Manners
from adapters.wso2 import plugin, wire
from gateway import measures
from gateway.errors import RejectedError, UnavailableError
from gateway.ports import AgencyRow, Busy, Listed, Refused, Taken
from tests.world.fake_adapter import document_packet, parcel_of
from tests.world.fake_frontdoor import FakeClock
from tests.world.tls_pairs import pair
from tests.world.wso2_kit import basic

US, THEM = "H37.02", "G12"
FILE = document_packet(THEM, padding=900)


def answer(body, status=200, **headers):
    text = body if isinstance(body, str) else json.dumps(body)
    return status, text, headers


def token(text="t1", **more):
    return answer({"access_token": text, "token_type": "Bearer", "expires_in": 3600} | more)


OK = {"status": "OK", "errorCode": "0", "errorDesc": "Thanh cong"}
TAKEN = answer(OK | {"docId": "d1"})


@dataclass
class Gateway:
    """A gateway that gives the answers it was told, and keeps what it was asked."""

    tokens: list = field(default_factory=list)
    answers: list = field(default_factory=list)
    asked: list = field(default_factory=list)
    signed_in: list = field(default_factory=list)
    hold: asyncio.Event | None = None
    came: asyncio.Event = field(default_factory=asyncio.Event)
    url: str = ""

    async def token(self, request):
        self.signed_in.append((request.headers, await request.text(), request.query_string))
        self.came.set()
        if self.hold is not None:
            await self.hold.wait()
        return self._next(self.tokens, token())

    async def call(self, request):
        self.asked.append((request, await request.read()))
        return self._next(self.answers, answer(OK | {"data": []}))

    @staticmethod
    def _next(planned, otherwise):
        status, text, headers = planned.pop(0) if planned else otherwise
        headers = {name.replace("_", "-"): value for name, value in headers.items()}
        return web.Response(status=status, text=text, headers=headers)

    async def open(self, context=None):
        app = web.Application(client_max_size=1 << 24)
        app.router.add_post("/token", self.token)
        app.router.add_post("/elsewhere", self.token)
        app.router.add_route("*", "/{rest:.*}", self.call)
        runner = web.AppRunner(app, shutdown_timeout=0.1)
        await runner.setup()
        await web.TCPSite(runner, "127.0.0.1", 0, ssl_context=context).start()
        port = runner.addresses[0][1]
        self.url = f"{'http' if context is None else 'https'}://127.0.0.1:{port}"
        return runner


@pytest.fixture
def clock():
    return FakeClock()


@pytest.fixture
async def gateway():
    found = Gateway()
    runner = await found.open()
    yield found
    await runner.cleanup()


@pytest.fixture
async def connect(gateway, clock):
    made = []

    def make(path=wire.BASE, secret=b"bi-mat", **options):
        adapter = plugin.make_client(
            name="truc-tinh",
            endpoint=f"{gateway.url}{path}",
            system_id="vanlien",
            secret=secret,
            clock=clock,
            **options,
        )
        made.append(adapter)
        return adapter

    yield make
    for adapter in made:
        await adapter.close()


@pytest.fixture
def adapter(connect):
    return connect()


def send(adapter, clock, data=FILE, **how):
    parcel = parcel_of(data, sender=US, recipients=[THEM], **how)
    return adapter.deliver(parcel, deadline=clock.now() + timedelta(seconds=20))


async def joined(stream):
    return b"".join([chunk async for chunk in stream])


# ---------------------------------------------------------------- the token


@pytest.mark.parametrize(
    ("endpoint", "warned"), [("http://10.1.2.3:8280", 1), ("https://lgsp.vn:8243", None)]
)
async def test_a_token_that_others_can_read_is_said_aloud(clock, endpoint, warned):
    name = f"truc-{warned}"
    adapter = plugin.make_client(
        name=name, endpoint=endpoint, system_id="vanlien", secret=b"bi-mat", clock=clock
    )
    await adapter._line._connected().close()
    what = {"what": f"token_in_clear:{name}"}
    assert measures.REGISTRY.get_sample_value("vanlien_standing_warning", what) == warned


async def test_it_signs_in_once_and_shows_the_token(gateway, adapter):
    for _ in range(3):
        await adapter.listing("edoc")
    ((headers, body, query),) = gateway.signed_in
    assert (body, query) == ("grant_type=client_credentials", "")
    assert headers["Authorization"] == basic("vanlien", "bi-mat")
    assert [r.headers["Authorization"] for r, _ in gateway.asked] == ["Bearer t1"] * 3


async def test_many_calls_at_once_share_one_sign_in(gateway, adapter):
    gateway.hold = asyncio.Event()
    async with asyncio.TaskGroup() as group:
        waiting = [group.create_task(adapter.listing("edoc")) for _ in range(9)]
        await gateway.came.wait()
        waiting.pop().cancel()  # who gives up takes nobody with him
        gateway.hold.set()
    assert len(gateway.signed_in) == 1
    assert len(gateway.asked) == 8


async def test_many_calls_share_one_failure_too(gateway, adapter):
    gateway.hold = asyncio.Event()
    gateway.tokens = [answer("", 503)]
    waiting = [asyncio.create_task(adapter.probe()) for _ in range(5)]
    await gateway.came.wait()
    gateway.hold.set()
    failures = await asyncio.gather(*waiting, return_exceptions=True)
    assert [type(failure) for failure in failures] == [UnavailableError] * 5
    assert len(gateway.signed_in) == 1


async def test_it_is_renewed_before_it_ends(gateway, adapter, clock):
    gateway.tokens = [token("a", expires_in=600), token("b", expires_in=600)]
    await adapter.probe()
    clock.move(seconds=539)
    await adapter.probe()
    clock.move(seconds=2)
    await adapter.probe()
    shown = [r.headers["Authorization"] for r, _ in gateway.asked]
    assert shown == ["Bearer a", "Bearer a", "Bearer b"]


async def test_the_old_one_serves_while_renewing_fails(gateway, adapter, clock):
    gateway.tokens = [token("a", expires_in=600), answer("", 500), answer("", 500)]
    await adapter.probe()
    clock.move(seconds=550)
    for _ in range(5):
        await adapter.probe()
    assert [r.headers["Authorization"] for r, _ in gateway.asked] == ["Bearer a"] * 6
    assert len(gateway.signed_in) == 2  # it is not asked again at once
    clock.move(seconds=50)
    with pytest.raises(UnavailableError):
        await adapter.probe()
    assert len(gateway.asked) == 6


async def test_one_that_is_not_taken_is_fetched_anew_once(gateway, adapter, clock):
    gateway.tokens = [token("a"), token("b")]
    gateway.answers = [answer("", 401), TAKEN]
    assert await send(adapter, clock) == Taken("d1", "Thanh cong")
    bodies = [body for _, body in gateway.asked]
    assert bodies[0] == bodies[1]
    assert [r.headers["Authorization"] for r, _ in gateway.asked] == ["Bearer a", "Bearer b"]


async def test_a_second_401_is_the_operators_affair(gateway, adapter, clock):
    gateway.answers = [answer("", 401)] * 2
    assert isinstance(await send(adapter, clock), Busy)
    assert (len(gateway.asked), len(gateway.signed_in)) == (2, 2)
    for call in (adapter.probe(), adapter.agencies(), joined(adapter.fetch(Listed("d1", "edoc")))):
        gateway.answers = [answer("", 401)] * 2
        with pytest.raises(UnavailableError, match="401"):
            await call


async def test_listing_and_fetching_sign_in_anew_too(gateway, adapter):
    for plan in ([answer("", 401)], []):
        gateway.answers = [*plan, answer(OK | {"data": [{"docId": "d1"}]})]
        assert len(await adapter.listing("edoc")) == 1
        gateway.answers = [*plan, answer(OK | {"data": "QUJD"})]
        assert await joined(adapter.fetch(Listed("d1", "edoc"))) == b"ABC"


async def test_wrong_credentials_wait_and_do_not_hammer(gateway, adapter, clock):
    gateway.tokens = [answer({"error": "invalid_client"}, 401)] * 9
    for _ in range(3):
        outcome = await send(adapter, clock)
        assert isinstance(outcome, Busy)
        assert outcome.retry_after_s == 5
    assert (len(gateway.signed_in), gateway.asked) == (1, [])
    assert "client id" in (await send(adapter, clock)).reason or len(gateway.signed_in) == 1
    clock.move(seconds=5)
    assert "refuses our client id" in (await send(adapter, clock)).reason
    assert len(gateway.signed_in) == 2


class Pair:
    """A secret that is being replaced."""

    def __init__(self):
        self.known = [b"moi", b"cu"]
        self.told = []

    def offered(self):
        return tuple(self.known)

    def refused(self, secret):
        self.told.append(("refused", secret))

    def worked(self, secret):
        self.told.append(("worked", secret))


@pytest.mark.parametrize("no", [answer({"error": "invalid_client"}, 400), answer("", 401)])
async def test_while_the_secret_is_replaced_both_are_tried(gateway, connect, no):
    secret = Pair()
    gateway.tokens = [no, token()]
    await connect(secret=secret).probe()
    shown = [headers["Authorization"] for headers, _, _ in gateway.signed_in]
    assert shown == [basic("vanlien", "moi"), basic("vanlien", "cu")]
    assert secret.told == [("refused", b"moi"), ("worked", b"cu")]


async def test_trouble_of_the_token_endpoint_says_nothing_of_the_secret(gateway, connect):
    secret = Pair()
    gateway.tokens = [answer({"error": "invalid_request"}, 400)]
    with pytest.raises(UnavailableError):
        await connect(secret=secret).probe()
    assert secret.told == []
    assert len(gateway.signed_in) == 1


@pytest.mark.parametrize(
    ("status", "headers", "wait_s"),
    [(429, {"Retry_After": "90"}, 90), (503, {"Retry_After": "7"}, 7), (503, {}, None)],
)
async def test_not_now_is_obeyed(gateway, adapter, clock, status, headers, wait_s):
    gateway.tokens = [answer("", status, **headers)]
    outcome = await send(adapter, clock)
    assert (type(outcome), outcome.retry_after_s) == (Busy, wait_s)
    clock.move(seconds=(wait_s or 5) - 1)
    assert isinstance(await send(adapter, clock), Busy)
    assert len(gateway.signed_in) == 1
    clock.move(seconds=1)
    gateway.answers = [TAKEN]
    assert isinstance(await send(adapter, clock), Taken)


@pytest.mark.parametrize(
    "body",
    [
        "",
        "<html/>",
        "[]",
        "{}",
        '{"access_token":""}',
        '{"access_token":5}',
        '{"access_token":"a b"}',
        '{"access_token":"a\\r\\nX: y"}',
        '{"access_token":"ă"}',
        '{"access_token":"x","token_type":"mac"}',
        '{"access_token":"' + "x" * 20_000 + '"}',
        "[" * 100_000,
    ],
)
async def test_no_token_in_the_answer(gateway, adapter, clock, body):
    gateway.tokens = [answer(body)]
    assert isinstance(await send(adapter, clock), Busy)
    assert gateway.asked == []


@pytest.mark.parametrize(
    ("told", "lives_s"),
    [(None, 300), ("600", 600), (-1, 86400), (2**63, 86400), ("x", 300), (0, 86400), ([], 300)],
)
async def test_how_long_a_token_lives(gateway, adapter, clock, told, lives_s):
    gateway.tokens = [token("a", expires_in=told), token("b")]
    await adapter.probe()
    clock.move(seconds=lives_s - 61)
    await adapter.probe()
    assert len(gateway.signed_in) == 1
    clock.move(seconds=61)
    await adapter.probe()
    assert len(gateway.signed_in) == 2


async def test_a_closed_one_may_be_used_again(gateway, adapter):
    await adapter.probe()
    for _ in range(2):
        await adapter.close()
    await adapter.probe()
    assert len(gateway.signed_in) == 2


async def test_closed_while_it_signs_in(gateway, adapter):
    gateway.hold = asyncio.Event()
    waiting = asyncio.create_task(adapter.probe())
    await gateway.came.wait()
    await adapter.close()
    with pytest.raises(UnavailableError, match="closed"):
        await waiting
    gateway.hold.set()


# ---------------------------------------------------------------- delivering


@pytest.mark.parametrize("variant", ["object", "text", "form"])
@pytest.mark.parametrize("cut", [0, 1, 2])
async def test_a_packet_in_each_form(gateway, connect, clock, variant, cut):
    gateway.answers = [TAKEN]
    data = (FILE + b"~~~???>>>\xff\xfb")[: -cut or None]
    assert isinstance(await send(connect(variant=variant), clock, data, kind="status"), Taken)
    ((request, body),) = gateway.asked
    assert (request.method, request.path) == ("POST", f"{wire.BASE}/vanbans")
    assert dict(request.query) == {"loaiVanBan": "status"}
    match variant:
        case "object":
            assert json.loads(body)["loaiVanBan"] == "status"
            text = json.loads(body)["data"]
        case "text":
            text = json.loads(body)
        case "form":
            await request.read()
            form = await request.post()
            assert form["loaiVanBan"] == "status"
            text = form["data"]
    assert base64.b64decode(text, validate=True) == data


async def test_the_units_secret_goes_as_a_header(gateway, connect, clock):
    await connect().probe()
    await connect(unit_secret="bi-mat-don-vi").probe()
    without, with_it = (request for request, _ in gateway.asked)
    assert "secretDonVi" not in without.headers
    assert with_it.headers["secretDonVi"] == "bi-mat-don-vi"
    assert "bi-mat" not in str(with_it.rel_url)


async def test_where_it_is(gateway, connect):
    await connect("").probe()
    await connect("/truc/v2").probe()
    await connect("/truc/v2", token_endpoint=f"{gateway.url}/elsewhere").probe()
    paths = [request.path for request, _ in gateway.asked]
    assert paths == [f"{wire.BASE}/vanbans", "/truc/v2/vanbans", "/truc/v2/vanbans"]


@pytest.mark.parametrize(
    ("said", "outcome"),
    [
        (answer(OK | {"DocId": 7}), Taken("7", "Thanh cong")),
        (answer({"status": "success", "docId": "d1"}), Taken("d1", "")),
        (answer({"status": "OK", "ErrorCode": 0, "docId": "d1"}), Taken("d1", "")),
        (answer({"status": "FAIL", "errorCode": "18", "errorDesc": "x"}), Refused("18: x", "18")),
        (answer({"status": "FAIL", "ErrorCode": 22, "ErrorDesc": "x"}), Refused("22: x", "22")),
        (answer({"status": "FAIL", "errorCode": "10"}, 400), Refused("10:", "10")),
        (
            answer({"status": "FAIL", "errorDesc": "Don vi gui X khong dung voi ma da dang ky: y"}),
            Refused(": Don vi gui X khong dung voi ma da dang ky: y", "19"),
        ),
        (answer("", 413), Refused),
        (answer({"status": "OK", "errorCode": "18", "docId": "d1"}), Refused("18:", "18")),
        (answer({"status": "FAIL", "errorCode": "15"}), Busy),
        (answer({"status": "FAIL", "errorCode": "20"}), Busy),
        (answer({"status": "FAIL", "errorCode": "99"}), Busy),
        (answer({"status": "FAIL", "errorCode": "18"}, 500), Busy),
        (answer(OK), Busy),
        (answer(OK | {"docId": "d1"}, 201), Taken("d1", "Thanh cong")),
        (answer("", 204), Busy),
        (answer({"docId": "d1"}), Busy),
        (answer({"status": True, "docId": "d1"}), Busy),
        (answer({"fault": {"code": 900908, "message": "Resource forbidden"}}, 403), Busy),
        (answer({"fault": {"code": 18, "message": "18"}}), Busy),
        (answer("<html/>"), Busy),
        (answer("<html/>", 404), Busy),
        (answer("[" * 100_000), Busy),
        (answer("", 302, Location="http://127.0.0.1:9/"), Busy),
        (answer("null"), Busy),
    ],
)
async def test_outcomes(gateway, adapter, clock, said, outcome):
    gateway.answers = [said]
    found = await send(adapter, clock)
    assert found == outcome if not isinstance(outcome, type) else isinstance(found, outcome)
    assert len(gateway.asked) == 1


async def test_throttled(gateway, adapter, clock):
    fault = wire.fault(
        900800,
        "Message throttled out",
        "x",
        nextAccessTime=wire.next_access(clock.now() + timedelta(seconds=40)),
    )
    gateway.answers = [answer(fault, 429), answer(fault, 429, Retry_After="3"), answer("", 503)]
    waits = [(await send(adapter, clock)).retry_after_s for _ in range(3)]
    assert waits == [40, 3, None]
    gateway.answers = [answer("", 503, Retry_After="11")]
    with pytest.raises(UnavailableError) as caught:
        await adapter.listing("edoc")
    assert caught.value.retry_after_s == 11


@pytest.mark.parametrize(
    "text",
    ["", "2026-Nov-22", "2026-Abc-22 01:00:00+0000 UTC", "2026-Nov-32 01:00:00+0000 UTC", 5, None],
)
def test_a_next_access_that_means_nothing(clock, text):
    body = json.dumps({"fault": {"nextAccessTime": text}}).encode()
    assert wire.next_access_s(body, clock.now()) is None
    assert wire.next_access_s(b"[]", clock.now()) is None
    assert wire.next_access_s(b"x", clock.now()) is None


# ---------------------------------------------------------------- collecting


async def test_the_list(gateway, adapter, clock):
    rows = [
        {
            "docId": "d1",
            "messageType": "edoc",
            "from": "G12",
            "to": "H37.02",
            "status": "INITIAL",
            "createdTime": "22/11/2026 08:00:00",
        },
        {"docId": "d1", "messageType": "edoc"},
        {"docId": "d2", "messageType": "status"},
        {"docId": "d3", "to": ["H37.02", ""], "status": "PROCESSING"},
        {"docId": "d4", "status": "DONE"},
        {"docId": "d5", "loaiVanBan": "EDOC", "status": "fail"},
        {"docId": ".."},
        {"docId": ""},
    ]
    gateway.answers = [answer(OK | {"data": rows})] * 2
    assert list(await adapter.listing("edoc")) == [
        Listed("d1", "edoc", "G12", ("H37.02",), "INITIAL", clock.now()),
        Listed("d3", "edoc", recipients=("H37.02",), status="PROCESSING"),
    ]
    assert dict(gateway.asked[0][0].query) == {"loaiVanBan": "edoc"}
    since = clock.now() - timedelta(days=2)
    assert [i.peer_doc_id for i in await adapter.listing("edoc", since=since)] == [
        "d1",
        "d3",
        "d4",
        "d5",
    ]
    assert dict(gateway.asked[1][0].query) == {
        "loaiVanBan": "edoc",
        "fromDate": "20/11/2026 08:00:00",
        "toDate": "23/11/2026 08:00:00",
    }


@pytest.mark.parametrize(
    "said",
    [
        answer(OK),
        answer(OK | {"data": None}),
        answer(OK | {"data": {}}),
        answer(OK | {"data": ["d1"]}),
        answer(OK | {"data": [{"id": "d1"}]}),
        answer({"status": "FAIL", "errorCode": "20", "data": []}),
        answer({"data": []}),
        answer("[]"),
        answer(""),
        answer("<html/>"),
        answer(OK | {"data": []}, 500),
        answer({"fault": {"code": 303001, "message": "Runtime Error"}}, 503),
        answer(OK | {"data": []} | {"fault": {"code": 900901}}),
    ],
)
async def test_unreadable_is_not_empty(gateway, adapter, said):
    gateway.answers = [said]
    with pytest.raises(UnavailableError):
        await adapter.listing("edoc")


async def test_a_probe_wants_a_list(gateway, adapter):
    await adapter.probe()
    for said in (answer(OK), answer(""), answer("", 404), answer({"status": "FAIL"})):
        gateway.answers = [said]
        with pytest.raises(UnavailableError):
            await adapter.probe()


async def test_too_long_an_answer(gateway, connect):
    gateway.answers = [answer(OK | {"data": [{"docId": "x" * 5000}]})]
    with pytest.raises(UnavailableError, match="too long"):
        await connect(max_answer_bytes=4096).listing("edoc")


async def test_a_docid_of_any_letters_is_one_segment(gateway, adapter):
    for doc_id in ("a/b", "../x", "a?b#c", "ă %2F", "a;b=c&d"):
        gateway.answers = [answer(OK | {"data": "QUJD"}), answer(OK)]
        item = Listed(doc_id, "edoc")
        assert await joined(adapter.fetch(item)) == b"ABC"
        await adapter.acknowledge(item, done=True)
        for request, _ in gateway.asked[-2:]:
            assert request.rel_url.raw_path.startswith(f"{wire.BASE}/vanbans/")
            assert "/" not in request.rel_url.raw_path.removeprefix(f"{wire.BASE}/vanbans/")
            assert request.path.removeprefix(f"{wire.BASE}/vanbans/") == doc_id


async def test_acknowledging(gateway, adapter):
    gateway.answers = [answer(OK)] * 2
    await adapter.acknowledge(Listed("d1", "edoc"), done=True)
    await adapter.acknowledge(Listed("d1", "edoc"), done=False, note="Sai cấu trúc, đã bỏ")
    (done, _), (fail, told) = gateway.asked
    assert (done.method, dict(done.query), dict(fail.query)) == (
        "PUT",
        {"status": "DONE"},
        {"status": "FAIL"},
    )
    assert json.loads(told) == {
        "docId": "d1",
        "status": "FAIL",
        "description": "Sai cau truc, da bo",
    }
    for said in (answer({"status": "FAIL", "errorCode": "10"}), answer(""), answer(OK, 500)):
        gateway.answers = [said]
        with pytest.raises(UnavailableError):
            await adapter.acknowledge(Listed("d1", "edoc"), done=True)


@pytest.mark.parametrize(
    "said",
    [
        answer(OK),
        answer(OK | {"data": ""}),
        answer(OK | {"data": "QUJ"}),
        answer(OK | {"data": "QU!D"}),
        answer(OK | {"data": {"x": 1}}),
        answer({"status": "FAIL", "errorCode": "10", "data": "QUJD"}),
        answer('{"status":"OK","data":"QUJD'),
        answer('{"status":"OK","data":"QUJD"'),
        answer(""),
        answer("<html/>"),
        answer("", 404),
        answer(OK | {"data": "QUJD"}, 503),
    ],
)
async def test_no_packet(gateway, adapter, said):
    gateway.answers = [said]
    with pytest.raises(UnavailableError):
        await joined(adapter.fetch(Listed("d1", "edoc")))


async def test_a_packet_beyond_the_limit_never_will_be_ours(gateway, connect):
    gateway.answers = [answer(OK | {"data": base64.b64encode(b"x" * 5000).decode()})]
    with pytest.raises(RejectedError):
        await joined(connect(max_packet_bytes=4999).fetch(Listed("d1", "edoc")))


async def test_the_catalogue(gateway, adapter):
    rows = [
        {"id": "1", "code": "H37", "name": "UBND tỉnh"},
        {"id": "2", "pid": "1", "code": "H37.02", "name": "Sở", "oldCode": "000.00.02.H37"},
        {"id": "3", "pid": "G12", "code": "02.29.W00", "oldCode": "02.29.W00"},
        {"id": "4", "code": ""},
        {"id": "5", "code": "H37"},
    ]
    gateway.answers = [answer(OK | {"data": rows})]
    assert list(await adapter.agencies()) == [
        AgencyRow("H37", "UBND tỉnh"),
        AgencyRow("H37.02", "Sở", "000.00.02.H37", "H37"),
        AgencyRow("02.29.W00", "", "", "G12", status="hub", connected=False),
    ]


async def test_secrets_and_tokens_show_nowhere(gateway, connect, clock, caplog):
    adapter = connect(secret=b"rat-bi-mat", unit_secret="rat-bi-mat-nua")
    gateway.tokens = [token("rat-bi-mat-token")]
    gateway.answers = [answer({"status": "FAIL", "errorCode": "20"}), answer("<html/>")]
    shown = [repr(adapter), repr(adapter._settings), repr(adapter._bearer._grant)]
    shown.append(str(await send(adapter, clock)))
    with pytest.raises(UnavailableError) as caught:
        await adapter.listing("edoc")
    shown += [str(caught.value), repr(caught.value.__cause__), repr(adapter._bearer._grant)]
    shown += [str(request.rel_url) for request, _ in gateway.asked]
    assert "rat-bi-mat" not in " ".join([*shown, caplog.text])


# ---------------------------------------------------------------- TLS


async def test_private_authority_and_mutual_tls(clock, tmp_path):
    """The gateway is known by the authority of the settings, and asks who we are."""
    for name in ("server", "client", "other"):
        for part, data in zip(("pem", "key"), pair(name), strict=True):
            (tmp_path / f"{name}.{part}").write_bytes(data)
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH, cafile=tmp_path / "client.pem")
    context.load_cert_chain(tmp_path / "server.pem", tmp_path / "server.key")
    context.verify_mode = ssl.CERT_REQUIRED
    gateway = Gateway()
    runner = await gateway.open(context)

    async def ask(trusted, shown):
        ours = ssl.create_default_context(cafile=tmp_path / f"{trusted}.pem") if trusted else None
        if ours is not None and shown:
            ours.load_cert_chain(tmp_path / f"{shown}.pem", tmp_path / f"{shown}.key")
        adapter = plugin.make_client(
            name="truc-tinh",
            endpoint=gateway.url,
            system_id="vanlien",
            secret=b"s",
            clock=clock,
            ssl_context=ours,
        )
        try:
            await adapter.probe()
        except UnavailableError:
            return False
        finally:
            await adapter.close()
        return True

    try:
        assert await ask("server", "client")
        assert not await ask("server", "other")
        assert not await ask("server", "")
        assert not await ask("other", "client")
        assert not await ask("", "")
    finally:
        await runner.cleanup()


# ---------------------------------------------------------------- a simulated axis


async def test_tokens_that_the_axis_forgot(tmp_path, clock):
    axis = AxisSimulator(plugin, tmp_path, clock, manners=Manners(rewrites=False))
    axis.add_system("us", b"s", [AgencyRow(US, "Sở Nội vụ"), AgencyRow(THEM, "Bộ Tài chính")])
    adapter = plugin.make_client(
        name="axis", endpoint=await axis.start(), system_id="us", secret=b"s", clock=clock
    )
    try:
        assert isinstance(await send(adapter, clock), Taken)
        axis.forget_tokens()
        assert isinstance(await send(adapter, clock), Taken)
        axis.forget_tokens()
        found = await adapter.listing("edoc")
        assert len(found) == 2
        axis.forget_tokens()
        assert await joined(adapter.fetch(found[0])) == FILE
        axis.fail("fetch", Fault.TRUNCATED)
        with pytest.raises(UnavailableError):
            await joined(adapter.fetch(found[0]))
        axis.set_secrets("us")
        axis.forget_tokens()
        assert isinstance(await send(adapter, clock), Busy)
    finally:
        await adapter.close()
        await axis.stop()
