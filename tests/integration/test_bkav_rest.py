"""Unmodified Bkav REST clients against our façade over real loopback HTTP, and their evil twins."""

import base64
import hashlib
import ipaddress
import json
import pathlib
from datetime import timedelta

import aiohttp
import pytest
from aiohttp import web

from adapters.bkav import plugin, soap, wire
from gateway.domain.finding import Finding, Severity
from gateway.errors import CATALOGUE, IntegrityError, Reason, RejectedError, UnavailableError
from gateway.ports import AgencyRow, Busy, Means
from tests.world.fake_adapter import document_packet, parcel_of
from tests.world.fake_frontdoor import FakeCallers, FakeClock, FakeFrontDoor
from tests.world.vxp_kit import exchange

ROOT = pathlib.Path(__file__).parents[2]
RECORDED = ROOT.parent / "shared" / "samples" / "edxml" / "wire" / "bkav_rest.jsonl"
FILE = "<edXML>văn bản số 7</edXML>\r\n".encode()
MAX_BYTES = 4096


@pytest.fixture
def front():
    door = FakeFrontDoor(FakeClock())
    door.catalogue.append(AgencyRow("H37.02", "Sở Nội vụ", "000.00.02.H37", "H37", "snv@h37"))
    door.catalogue.append(AgencyRow("H14.01", "Sở khác", "000.00.01.H14"))
    door.catalogue.append(AgencyRow("H37.09", "Sở cũ", status="closed"))
    door.catalogue.append(AgencyRow("H37", "UBND tỉnh"))
    return door


@pytest.fixture
def callers():
    known = FakeCallers()
    known.add("snv", b"khoa-1", b"khoa-2", speaks_for=["H37.02", "H37.03"])
    known.add("other", b"khoa-3", speaks_for=["H14.01"])
    return known


def means(front, callers, **options):
    return Means(
        front=front, callers=callers, tokens=None, clock=front.clock, max_bytes=MAX_BYTES, **options
    )


class Service:
    """The façade, and a client of it."""

    def __init__(self, front, callers, **options):
        self.facade = plugin.facade(means(front, callers, **options))

    async def __aenter__(self):
        app = web.Application()
        app.add_routes(self.facade.routes)
        self._runner = web.AppRunner(app, shutdown_timeout=0.1)
        await self._runner.setup()
        await web.TCPSite(self._runner, "127.0.0.1", 0).start()
        self.port = self._runner.addresses[0][1]
        self._session = aiohttp.ClientSession()
        return self

    async def __aexit__(self, *_):
        await self._session.close()
        await self._runner.cleanup()

    async def call(
        self, operation, data=b"", *, method="POST", token="khoa-1", organ="H37.02", **h
    ):
        headers = {"Authorization": token, "organId": organ, **h}
        headers = {name.replace("_", "-"): value for name, value in headers.items() if value}
        url = f"http://127.0.0.1:{self.port}/EdocService/{operation}"
        async with self._session.request(method, url, data=data, headers=headers) as answer:
            body = await answer.read()
            return answer.status, json.loads(body)

    async def pending(self, **how):
        return ok(await self.call("getPendingDocIds", method="GET", **how))["data"]


@pytest.fixture
async def service(front, callers):
    async with Service(front, callers) as running:
        yield running


def ok(reply):
    status, answer = reply
    assert (status, answer["status"], answer["code"], answer["errors"]) == (200, "Success", "0", [])
    return answer


def failed(reply, code, *, status=200, word="Fail"):
    assert (reply[0], reply[1]["status"], reply[1]["code"]) == (status, word, "9999")
    assert reply[1]["errors"][0]["code"] == str(code)
    assert all(error["description"] for error in reply[1]["errors"])
    return reply[1]["errors"]


# ---------------------------------------------------------------- recorded requests


@pytest.mark.skipif(not RECORDED.is_file(), reason="recorded requests not here")
async def test_recorded_requests(front, callers):
    callers.add("h53", b"dummy-token", speaks_for=["H53.01"])
    front.catalogue.append(AgencyRow("H53.01", "Sở", "000.00.01.H53"))
    front.offer("một", FILE, to="H53.01", written="000.00.01.H53")
    async with Service(front, callers) as service:
        replies = {}
        for line in RECORDED.read_text(encoding="utf-8").splitlines():
            told = json.loads(line)
            headers = dict(told["headers"])
            if "docId" in headers:
                headers["docId"] = str(replies["getPendingDocIds"]["data"][0]["docId"])
            pairs = [(n, v) for n, v in headers.items() if n not in {"Host", "Connection"}]
            reply = await exchange(service.port, told["method"], told["path"], pairs, b"")
            assert reply.status == 200
            replies[told["path"].rsplit("/", 1)[1]] = reply.json
        assert base64.b64decode(replies["getDocument"]["data"], validate=True) == FILE
        assert replies["confirmReceived"]["status"] == "Success"
        assert replies["getPendingDocIds"]["data"][0]["organId"] == "000.00.01.H53"
        assert front.items["một"].row.taken_at


# ---------------------------------------------------------------- sending


@pytest.mark.parametrize("token", ["khoa-1", "Bearer khoa-1", "bearer khoa-2"])
@pytest.mark.parametrize(
    "kind", [{"messageType": "EDOC"}, {"type": "edoc"}, {"MESSAGETYPE": "Edoc"}, {}]
)
async def test_send_a_document(service, front, token, kind):
    answer = ok(await service.call("sendDocument", FILE, token=token, **kind))
    assert answer["docId"] == wire.number_of("c1")
    caller, data, options = front.documents["c1"]
    assert (caller.system_id, data) == ("snv", FILE)
    assert (options.via, options.declared_from) == ("bkav", "H37.02")


async def test_send_again_gives_the_same_answer(service, front):
    first = await service.call("sendDocument", FILE)
    assert ok(first) == ok(await service.call("sendDocument", FILE))
    assert len(front.documents) == 1


async def test_send_a_status(service, front):
    ok(await service.call("sendDocument", FILE, messageType="STATUS", organ="000.00.02.h37"))
    assert [data for _, data, _ in front.reports.values()] == [FILE]
    assert not front.documents


def hashes(data):
    sha = hashlib.sha256(data)
    yield sha.hexdigest()
    yield sha.hexdigest().upper()
    yield "".join(f"{byte:x}" for byte in sha.digest())
    yield base64.b64encode(sha.digest()).decode()
    for other in (hashlib.md5, hashlib.sha1, hashlib.sha512):
        yield other(data).hexdigest()
        yield base64.b64encode(other(data).digest()).decode()


@pytest.mark.parametrize("form", range(10))
async def test_hash_in_every_form_and_its_twin(service, front, form):
    good, wrong = list(hashes(FILE)), list(hashes(FILE + b"x"))
    failed(await service.call("sendDocument", FILE, hash_edoc=wrong[form]), 10)
    assert not front.documents
    ok(await service.call("sendDocument", FILE, hash_edoc=good[form]))


@pytest.mark.parametrize("form", ["", "không rõ", "12345", "sha256:abc", "=" * 44])
def test_a_hash_of_no_known_form_is_not_judged(form):
    assert wire.declared_hash(form) is None


async def test_too_large_with_and_without_length(service, front):
    async def chunks():
        for _ in range(5):
            yield b"x" * 1000

    for data in (b"x" * (MAX_BYTES + 1), chunks()):
        failed(await service.call("sendDocument", data), 10)
    assert not front.documents


# ---------------------------------------------------------------- receiving


async def test_each_agency_sees_its_own_under_any_notation(service, front):
    front.offer("a", FILE, to="H37.02", written="000.00.02.H37")
    front.offer("b", FILE, to="H37.03")
    front.offer("c", FILE, to="H14.01")
    front.offer("d", FILE, to="H37.02", kind="status")
    of = wire.number_of
    for organ in ("H37.02", "h37.02", "000.00.02.H37", " H37.02 "):
        assert await service.pending(organ=organ) == [
            {"docId": of("a"), "organId": "000.00.02.H37"}
        ]
    assert await service.pending(organ="H37.03") == [{"docId": of("b"), "organId": "H37.03"}]
    assert [r["docId"] for r in await service.pending(organ="snv")] == [of("a"), of("b")]
    assert [r["docId"] for r in await service.pending(messageType="status")] == [of("d")]
    assert await service.pending(organ="H14.01", token="khoa-3") != []
    assert 10**14 <= of("a") < 10**15


@pytest.mark.parametrize("data", [b"", b"x", FILE * 40, bytes(range(256)) * 3])
async def test_fetch_and_confirm(service, front, data):
    front.offer("a", data, to="H37.02")
    ((row),) = await service.pending()
    number = row["docId"]
    forms = [
        {"docId": str(number)},
        {"docId": "a"},
        {"data": json.dumps({"docId": number}).encode()},
        {"data": json.dumps({"docId": str(number)}).encode(), "Content_Type": "text/plain"},
    ]
    for form in forms:
        answer = ok(await service.call("getDocument", **form))
        assert base64.b64decode(answer["data"], validate=True) == data
    for form in forms:  # safe to repeat
        ok(await service.call("confirmReceived", **form))
    assert await service.pending() == []
    assert front.items["a"].row.taken_at


async def test_a_number_is_known_after_a_restart(front, callers):
    front.offer("a", FILE, to="H37.02")
    front.offer("s", FILE, to="H37.02", kind="status")
    for item in ("a", "s"):
        async with Service(front, callers) as service:
            ok(await service.call("confirmReceived", docId=str(wire.number_of(item))))
    assert all(item.row.taken_at for item in front.items.values())


async def test_others_items_are_not_there(service, front):
    front.offer("a", FILE, to="H14.01")
    front.offer("b", FILE, to="H37.03")
    for doc_id in (str(wire.number_of("a")), "a", "b", "7", "9" * 400):
        for operation in ("getDocument", "confirmReceived"):
            failed(await service.call(operation, docId=doc_id), 10)
    for told in ("a\0b", "\ud800", "x" * 101, "một", " ", {"a": 1}):
        code = 22 if told == " " or isinstance(told, dict) else 10
        data = json.dumps({"docId": told}).encode()
        failed(await service.call("confirmReceived", data), code)
    failed(await service.call("getDocument"), 22)
    failed(await service.call("getDocument", b"[]"), 22)
    failed(await service.call("getDocument", b"{"), 22)
    failed(await service.call("getDocument", b"[" * 60_000), 22)
    failed(await service.call("getDocument", b" " * 70_000), 10)
    assert front.items["a"].row.taken_at is None


# ---------------------------------------------------------------- the rest


async def test_organizations(service):
    rows = ok(await service.call("getOrganizations?organId=H37.02", method="GET", organ=""))["data"]
    assert [row["organId"] for row in rows] == ["H37.02", "H14.01", "H37"]
    assert [row["organizationInCharge"] for row in rows] == ["UBND tỉnh", "", ""]
    assert (rows[0]["organName"], rows[0]["email"]) == ("Sở Nội vụ", "snv@h37")


async def test_does_a_document_exist(service, front):
    ok(await service.call("sendDocument", FILE))
    front.offer("9", FILE, to="H37.02", sender="G09")
    asked = {"fromOrgan": "H37.02", "toOrgan": "h99", "docCode": "1/VP"}
    cases = [
        (asked, True),
        (asked | {"docCode": "2/VP"}, False),
        ({"fromOrgan": "G09", "toOrgan": "H37.02", "docCode": "9/VP"}, True),
    ]
    for told, expected in cases:
        data = json.dumps(told).encode()
        assert ok(await service.call("checkExistDocument", data))["data"] is expected
    stranger = {"token": "khoa-3", "organ": "H14.01"}
    data = json.dumps(asked).encode()
    assert ok(await service.call("checkExistDocument", data, **stranger))["data"] is False
    failed(await service.call("checkExistDocument", b"{}"), 22)


# ---------------------------------------------------------------- refusals


@pytest.mark.parametrize(
    "how",
    [
        {"token": ""},
        {"token": "khoa-4"},
        {"token": "Bearer"},
        {"token": "Basic khoa-1"},
        {"organ": ""},
    ],
)
async def test_bad_credentials(service, front, how):
    for operation in ("sendDocument", "getDocument", "confirmReceived"):
        failed(await service.call(operation, FILE, **how), 15, status=401)
    failed(await service.call("getPendingDocIds", method="GET", **how), 15, status=401)
    assert not front.documents


async def test_headers_that_stand_twice_name_nobody(service):
    headers = [("Authorization", "khoa-1"), ("organId", "H37.02")]
    for more, status in ((("organid", "H37.02"), 200), (("ORGANID", "H37.03"), 401)):
        path = "/EdocService/getPendingDocIds"
        reply = await exchange(service.port, "GET", path, [*headers, more], b"")
        assert reply.status == status
    reply = await exchange(service.port, "GET", path, [("Authorization", "\xff"), headers[1]], b"")
    assert reply.status == 401


@pytest.mark.parametrize("organ", ["H14.01", "000.00.01.H14", "H37", "other", "x" * 500])
async def test_the_agency_of_another(service, front, organ):
    failed(await service.call("sendDocument", FILE, organ=organ), 19)
    failed(await service.call("getPendingDocIds", method="GET", organ=organ), 19)
    assert not front.documents


async def test_sender_of_the_document_is_not_the_caller(service, front):
    front.sender_of = lambda _: "H14.01"
    failed(await service.call("sendDocument", FILE), 19)


async def test_findings_in_both_languages_under_the_codes_of_bkav(service, front):
    def finding(where, vi):
        return Finding("MD-01", Severity.ERROR, where, vi, "in English")

    front.failure = RejectedError(
        Reason.RULES_BROKEN,
        findings=(
            finding("/edXML/x/MessageHeader/Subject", "Thiếu trích yếu."),
            finding("/x/PromulgationDate", "Ngày trong tương lai."),
            finding("/x/To[2]", "Trùng mã."),
            finding("/x/Type", "Sai định dạng số."),
            finding("", "Khác."),
        ),
    )
    errors = failed(await service.call("sendDocument", FILE), 22)
    codes = [error["code"] for error in errors[1:]]
    assert codes == ["N.Subject", "R.PromulgationDate", "M.To", "T.Type", "MD-01"]
    assert errors[1]["description"] == "MD-01: Thiếu trích yếu. | in English"


@pytest.mark.parametrize("reason", list(Reason))
async def test_every_reason_has_a_code(service, front, reason):
    front.failure = RejectedError(reason)
    status = 401 if reason is Reason.UNAUTHENTICATED else 200
    errors = failed(await service.call("sendDocument", FILE), CATALOGUE[reason].axis, status=status)
    assert errors[0]["description"].startswith(CATALOGUE[reason].vi)


@pytest.mark.parametrize(
    "failure", [UnavailableError(), IntegrityError("x"), ZeroDivisionError("x")]
)
async def test_trouble_of_ours_is_no_refusal(service, front, failure):
    front.failure = failure
    errors = failed(await service.call("getPendingDocIds", method="GET"), 20, word="Error")
    assert wire.refusal_code([wire.Fault(e["code"], e["description"]) for e in errors]) == ""


async def test_wrong_words(service):
    failed(await service.call("sendDocument", FILE, messageType="FAX"), 22)
    failed(await service.call("deleteEverything"), 10, status=404)


async def test_plain_http_only_from_listed_ranges(front, callers):
    inside, outside = ([ipaddress.ip_network(n)] for n in ("127.0.0.0/8", "10.0.0.0/8"))
    async with Service(front, callers, plain_http_from=inside) as service:
        assert await service.pending() == []
    async with Service(front, callers, plain_http_from=outside) as service:
        failed(await service.call("getPendingDocIds", method="GET"), 15, status=403)


class _Request:
    def __init__(self, path):
        self.path = path
        self.headers = {}


async def test_no_room_is_said_in_the_clients_words(front, callers):
    facade = plugin.facade(means(front, callers))
    error = UnavailableError(Reason.OVERLOADED, retry_after_s=3)
    answer = facade.busy(_Request("/EdocService/sendDocument"), error)
    assert (answer.status, answer.headers["Retry-After"]) == (200, "3")
    assert json.loads(answer.body)["status"] == "Error"
    assert b"Fault" in facade.busy(_Request("/EdocService"), error).body
    assert facade.busy(_Request("/EdocServices/x"), error) is None
    assert facade.busy(_Request("/api/v1/documents"), error) is None


# ---------------------------------------------------------------- our client


@pytest.mark.parametrize("variant", ["rest", "soap11"])
async def test_a_peer_that_repeats_our_token_does_not_put_it_into_our_books(variant):
    async def echo(request):
        assert b"bi-mat-khong-lo" in await request.read() + str(request.headers).encode()
        told = "wrong token: bi-mat-khong-lo"
        if variant == "soap11":
            return web.Response(
                body=soap.fault("11", "Server", [wire.Fault("9", told)]), status=500
            )
        errors = [{"code": "9", "description": told}]
        return web.json_response({"status": "Error", "code": "9999", "errors": errors})

    app = web.Application()
    app.router.add_route("*", "/{any:.*}", echo)
    runner = web.AppRunner(app, shutdown_timeout=0.1)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    clock = FakeClock()
    adapter = plugin.make_client(
        name="axis",
        endpoint=f"http://127.0.0.1:{runner.addresses[0][1]}/EdocService",
        system_id="us",
        secret=b"bi-mat-khong-lo",
        clock=clock,
        variant=variant,
    )
    try:
        with pytest.raises(UnavailableError) as caught:
            await adapter.probe()
        assert "***" in caught.value.public
        assert "bi-mat" not in caught.value.public
        parcel = parcel_of(document_packet("G12"), sender="H37.02", recipients=["G12"])
        outcome = await adapter.deliver(parcel, deadline=clock.now() + timedelta(seconds=60))
        assert isinstance(outcome, Busy)
        assert "bi-mat" not in outcome.reason
        assert "bi-mat" not in repr(adapter)
    finally:
        await adapter.close()
        await runner.cleanup()
