"""Unmodified VXP clients against our façade over real loopback HTTP, and their evil twins."""

import asyncio
import base64
import hashlib
import ipaddress
import json
import pathlib

import pytest
from aiohttp import web

from adapters.shared import serving
from adapters.vxp import facade
from gateway.errors import CATALOGUE, IntegrityError, Reason, RejectedError, UnavailableError
from gateway.ports import AgencyRow
from tests.world.fake_frontdoor import FakeCallers, FakeClock, FakeFrontDoor
from tests.world.vxp_kit import Kit, exchange, unpadded

ROOT = pathlib.Path(__file__).parents[2]
RECORDED = ROOT.parent / "shared" / "samples" / "edxml" / "wire"
FILE = "<edXML>văn bản số 7</edXML>\r\n".encode()
MAX_BYTES = 4096


async def serve(front, callers, clock, middlewares=(), **options):
    app = web.Application(middlewares=middlewares)
    app.add_routes(facade.routes(front, callers, clock, max_bytes=MAX_BYTES, **options))
    runner = web.AppRunner(app, shutdown_timeout=0.1)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    return runner, runner.addresses[0][1]


@pytest.fixture
def clock():
    return FakeClock()


@pytest.fixture
def front(clock):
    door = FakeFrontDoor(clock)
    door.catalogue.append(AgencyRow("H37.02", "Sở Nội vụ", "000.00.02.H37", "H37", "snv@h37"))
    door.catalogue.append(AgencyRow("H37.09", "Sở cũ", status="closed"))
    return door


@pytest.fixture
def callers():
    known = FakeCallers()
    known.add("h37.qlvb", b"bi-mat-1", b"bi-mat-2", speaks_for=["H37.02", "H37.03"])
    known.add("h14.qlvb", b"bi-mat-3", speaks_for=["H14.01"])
    return known


@pytest.fixture
async def port(front, callers, clock):
    runner, number = await serve(front, callers, clock)
    yield number
    await runner.cleanup()


@pytest.fixture
def kit(port):
    return Kit(port, "h37.qlvb", "bi-mat-1")


@pytest.fixture
def stranger(port):
    return Kit(port, "h14.qlvb", "bi-mat-3")


def failed(reply, code):
    assert reply.status == 200
    assert reply.json["status"] == "FAIL"
    assert reply.json["ErrorCode"] == str(code)
    assert reply.json["ErrorDesc"]
    return reply.json["ErrorDesc"]


# ---------------------------------------------------------------- sending


async def test_send_a_document(kit, front):
    reply = await kit.send_edoc(FILE, **{"from": "H37.02"})
    assert reply.json == {
        "status": "OK",
        "ErrorCode": "0",
        "ErrorDesc": "Thanh cong",
        "DocId": "c1",
    }
    caller, data, options = front.documents["c1"]
    assert data == FILE
    assert caller.system_id == "h37.qlvb"
    assert (options.via, options.declared_from) == ("vxp", "H37.02")


async def test_send_again_gives_the_same_answer(kit, front):
    first = await kit.send_edoc(FILE, **{"from": "H37.02"})
    second = await kit.send_edoc(FILE, **{"from": "H37.02"})
    assert first.json == second.json
    assert len(front.documents) == 1


async def test_send_a_status_with_to_in_both_forms(kit, front):
    for to in ('["H37","G12"]', '"[\\"H37\\",\\"G12\\"]"'):
        reply = await kit.send_edoc(FILE, "status", to=to, **{"from": "H37.02"})
        assert reply.json["status"] == "OK"
    assert [data for _, data, _ in front.reports.values()] == [FILE, FILE]
    assert not front.documents


@pytest.mark.parametrize("secret", ["bi-mat-1", "bi-mat-2"])
async def test_both_secrets_during_rotation(port, secret):
    reply = await Kit(port, "h37.qlvb", secret).send_edoc(FILE, **{"from": "H37.02"})
    assert reply.json["status"] == "OK"


@pytest.mark.parametrize("tail", [b"\r\n", b""])
@pytest.mark.parametrize("padded", [True, False])
@pytest.mark.parametrize("end", [b"", b"\r\n", b"\r\n\r\n"])
async def test_one_crlf_goes_the_files_own_stays(kit, front, tail, padded, end):
    file = b"<edXML/>" + end
    declared = hashlib.sha256(file).hexdigest() if padded else unpadded(file)
    reply = await kit.send_edoc(file, hash_file=declared, tail=tail, **{"from": "H37.02"})
    assert reply.json["status"] == "OK"
    assert front.documents["c1"][1] == file


async def test_chunked_body(kit, front):
    kit.map.update(
        {
            "Content-Type": "application/octet-stream",
            "servicetype": "eDoc",
            "messagetype": "edoc",
            "from": "H37.02",
            "hash-file": unpadded(FILE),
        }
    )
    body = FILE + b"\r\n"
    pieces = [body[i : i + 5] for i in range(0, len(body), 5)] + [b""]
    raw = b"".join(b"%x\r\n%s\r\n" % (len(piece), piece) for piece in pieces)
    headers = [*kit.headers(), ("Transfer-Encoding", "chunked")]
    reply = await exchange(kit.port, "POST", f"{kit.base}/sendEdoc", headers, raw)
    assert reply.json["status"] == "OK"
    assert front.documents["c1"][1] == FILE


@pytest.mark.parametrize(
    "wrong",
    [
        {"hash_file": "0" * 64},
        {"hash_file": ""},
        {"tail": b"\r\n\r\n"},
        {"tail": b"\n"},
        {"tail": b"x"},
    ],
)
async def test_wrong_or_missing_hash_and_foreign_ends_refuse(kit, front, wrong):
    reply = await kit.send_edoc(FILE, **wrong, **{"from": "H37.02"})
    text = failed(reply, CATALOGUE[Reason.HASH_MISMATCH].axis)
    assert "hash-file" in text
    assert "Mã băm" in text
    assert reply.json["DocId"] == ""
    assert not front.documents


@pytest.mark.parametrize("chunked", [False, True])
async def test_oversize(kit, front, chunked):
    file = b"x" * (MAX_BYTES + 1)
    if not chunked:
        reply = await kit.send_edoc(file, **{"from": "H37.02"})
    else:
        kit.map.update({"messagetype": "edoc", "hash-file": unpadded(file)})
        raw = b"%x\r\n%s\r\n0\r\n\r\n" % (len(file), file)
        headers = [*kit.headers(), ("Transfer-Encoding", "chunked")]
        reply = await exchange(kit.port, "POST", f"{kit.base}/sendEdoc", headers, raw)
    assert str(MAX_BYTES) in failed(reply, CATALOGUE[Reason.TOO_LARGE].axis)
    assert reply.json["DocId"] == ""
    assert not front.documents


async def test_largest_size_passes(kit):
    assert (await kit.send_edoc(b"x" * MAX_BYTES, **{"from": "H37.02"})).json["status"] == "OK"


async def test_sender_that_is_not_the_caller(kit):
    reply = await kit.send_edoc(FILE, **{"from": "H14.01"})
    text = failed(reply, 19)
    assert "Don vi gui H14.01 khong dung voi ma da dang ky: h37.qlvb" in text
    assert reply.json["DocId"] == ""


async def test_sender_in_the_packet_that_is_not_the_caller(kit, front):
    front.sender_of = lambda _: "H14.01"
    reply = await kit.send_edoc(FILE, **{"from": "H37.02"})
    assert "khong dung voi ma da dang ky: h37.qlvb" in failed(reply, 19)


async def test_unknown_messagetype(kit):
    failed(await kit.send_edoc(FILE, "letter", **{"from": "H37.02"}), 22)


@pytest.mark.parametrize("reason", list(Reason))
async def test_every_refusal_reaches_the_client_as_fail(kit, front, reason):
    front.failure = RejectedError(reason, "because")
    reply = await kit.send_edoc(FILE, **{"from": "H37.02"})
    if reason is Reason.UNAUTHENTICATED:
        assert reply.status == 401
    else:
        failed(reply, CATALOGUE[reason].axis)
    assert reply.json["DocId"] == ""


async def test_an_upload_that_breaks_off_is_not_accepted(kit, front):
    kit.map.update(
        {
            "Content-Type": "application/octet-stream",
            "messagetype": "edoc",
            "from": "H37.02",
            "hash-file": unpadded(FILE[:5]),
        }
    )
    lines = [f"POST {kit.base}/sendEdoc HTTP/1.1", "Host: x", f"Content-Length: {len(FILE)}"]
    lines += [f"{name}: {value}" for name, value in kit.headers()]
    reader, writer = await asyncio.open_connection("127.0.0.1", kit.port)
    writer.write(("\r\n".join(lines) + "\r\n\r\n").encode() + FILE[:5])
    writer.write_eof()
    assert b'"OK"' not in await reader.read()
    writer.close()
    assert not front.documents


# ---------------------------------------------------------------- receiving


async def test_the_receive_loop(kit, front, clock):
    front.offer("d1", FILE, to="H37.02", written="000.00.02.H37")
    front.offer("d2", FILE, to="H14.01")
    front.offer("s1", b"<status/>", to="H37.03", kind="status")
    listed = await kit.call("getReceivedEdocList", servicetype="eDoc", messagetype="edoc")
    assert listed.json["data"] == [
        {
            "docId": "d1",
            "serviceType": "eDoc",
            "messageType": "edoc",
            "created_time": "22/11/2026 08:00:00",
            "updated_time": "22/11/2026 08:00:00",
            "from": "H01.01",
            "to": "000.00.02.H37",
            "status": "initial",
            "status_desc": "",
        }
    ]
    statuses = await kit.call("getReceivedEdocList", messagetype="status")
    assert [row["docId"] for row in statuses.json["data"]] == ["s1"]
    got = await kit.call("getEdoc", b"{}", docId="d1", filePath="/etc/cron.d")
    assert got.continued
    assert base64.b64decode(got.json["data"], validate=True) == FILE
    assert got.json["status"] == "OK"
    raw = await kit.call("downloadEdoc", method="GET", docId="d1", filePath="../../x")
    assert (raw.status, raw.body) == (200, FILE)
    assert raw.headers["content-length"] == str(len(FILE))
    done = await kit.call("updateStatus", b"{}", docId="d1", status="done")
    assert done.continued
    assert done.json["status"] == "OK"
    assert front.items["d1"].row.taken_at == clock.now()
    again = await kit.call("updateStatus", b"{}", docId="d1", status="done")
    assert again.json["status"] == "OK"
    listed = await kit.call("getReceivedEdocList", messagetype="edoc")
    assert listed.json["data"] == []
    assert listed.json["status"] == "OK"


@pytest.mark.parametrize("size", [0, 1, 2, 3, 4, 5, 6, 7, 8, 100])
async def test_get_edoc_of_any_size(kit, front, size):
    data = bytes(range(100))[:size]
    front.offer("d1", data, to="H37.02")
    reply = await kit.call("getEdoc", b"{}", docId="d1")
    assert base64.b64decode(reply.json["data"], validate=True) == data


async def test_docid_in_the_other_spelling(kit, front):
    front.offer("d1", FILE, to="H37.02")
    assert (await kit.call("downloadEdoc", method="GET", docid="d1")).body == FILE
    assert (await kit.call("updateStatus", b"{}", docid="d1", status="done")).json["status"] == "OK"


async def test_the_two_spellings_contradicting(kit):
    failed(await kit.call("getEdoc", b"{}", docId="d1", docid="d2"), 22)


async def test_fail_keeps_the_letters_an_old_client_cut(kit, front):
    front.offer("d1", FILE, to="H37.02")
    reply = await kit.call("updateStatus", b"{}", docId="d1", status="fail", description="lỗi tệp")
    assert reply.json["status"] == "OK"
    assert front.items["d1"].note == "lỗi tệp"
    assert front.items["d1"].row.taken_at is None


async def test_leftovers_do_not_count(kit, front):
    """One service object, one header map: fail first, then send, then done."""
    front.offer("d1", FILE, to="H37.02")
    front.offer("d2", FILE, to="H37.02")
    await kit.call("updateStatus", b"{}", docId="d1", status="fail", description="hong")
    assert (await kit.send_edoc(FILE, **{"from": "H37.02"})).json["DocId"] == "c1"
    await kit.call("updateStatus", b"{}", docId="d2", status="done")
    assert front.items["d2"].row.taken_at is not None
    assert front.items["d2"].note is None
    assert kit.map["hash-file"]
    assert kit.map["description"] == "hong"


async def test_processing_changes_nothing(kit, front):
    front.offer("d1", FILE, to="H37.02")
    reply = await kit.call("updateStatus", b"{}", docId="d1", status="processing")
    assert reply.json["status"] == "OK"
    assert front.items["d1"].row.taken_at is None


@pytest.mark.parametrize("status", ["", "gone", "06"])
async def test_unknown_update(kit, front, status):
    front.offer("d1", FILE, to="H37.02")
    failed(await kit.call("updateStatus", b"{}", docId="d1", status=status), 22)
    assert front.items["d1"].row.taken_at is None


async def test_date_window(kit, front, clock):
    front.offer("d1", FILE, to="H37.02")
    clock.move(hours=1)
    front.offer("d2", FILE, to="H37.02")
    window = {"fromDate": "22/11/2026 08:30:00", "toDate": "22/11/2026 23:59:59"}
    reply = await kit.call("getReceivedEdocList", messagetype="edoc", **window)
    assert [row["docId"] for row in reply.json["data"]] == ["d2"]
    window = {"fromDate": "22/11/2026 00:00:00", "toDate": "22/11/2026 08:30:00"}
    reply = await kit.call("getReceivedEdocList", messagetype="edoc", **window)
    assert [row["docId"] for row in reply.json["data"]] == ["d1"]
    failed(await kit.call("getReceivedEdocList", messagetype="edoc", fromDate="yesterday"), 22)


async def test_another_systems_item(stranger, front):
    front.offer("d1", FILE, to="H37.02")
    listed = await stranger.call("getReceivedEdocList", messagetype="edoc")
    assert listed.json["data"] == []
    for operation, more in (
        ("getEdoc", {}),
        ("updateStatus", {"status": "done"}),
        ("updateStatus", {"status": "fail"}),
        ("updateStatus", {"status": "processing"}),
    ):
        failed(await stranger.call(operation, b"{}", docId="d1", **more), 10)
    raw = await stranger.call("downloadEdoc", method="GET", docId="d1")
    assert raw.status == 404
    assert FILE not in raw.body
    assert front.items["d1"].row.taken_at is None


async def test_missing_docid(kit):
    failed(await kit.call("getEdoc", b"{}"), 22)
    assert (await kit.call("downloadEdoc", method="GET")).status == 400


async def test_counts(kit, front):
    front.offer("d1", FILE, to="H37.02")
    for method in ("POST", "GET"):
        reply = await kit.call(
            "countReceiveEdoc", b"{}" if method == "POST" else b"", method=method
        )
        assert reply.json["count"] == "1"
    assert (await kit.call("countReceiveStatus", b"{}")).json["count"] == "0"


async def test_sent_list(kit, stranger):
    await kit.send_edoc(FILE, **{"from": "H37.02"})
    rows = (await kit.call("getSentEdocList", messagetype="edoc", docId="c1")).json["data"]
    assert rows == [
        {
            "serviceType": "eDoc",
            "messageType": "edoc",
            "senderDocId": "c1",
            "receiverDocId": "c1-1",
            "fromCode": "H37.02",
            "toCode": "H99",
            "sendStatus": "ACCEPTED",
            "sendStatusDesc": "Đã tiếp nhận",
            "receiveStatus": "03",
            "receiveStatusDesc": "Đã tiếp nhận",
            "title": "Trích yếu",
            "notation": "1/VP",
            "sentTime": "22/11/2026 08:00:00",
            "receivedTime": "",
        }
    ]
    assert (await kit.call("getSentEdocList", messagetype="edoc", docId="c9")).json["data"] == []
    assert (await stranger.call("getSentEdocList", docId="c1")).json["data"] == []


async def test_catalogue(kit):
    old = (await kit.call("getAgenciesList")).json["data"]
    assert old[0] == {
        "id": "H37.02",
        "pid": "H37",
        "code": "H37.02",
        "name": "Sở Nội vụ",
        "mail": "snv@h37",
        "oldCode": "000.00.02.H37",
    }
    new = (await kit.call("getAgenciesListQD20", level="1")).json["data"]
    assert (new[0]["code"], new[0]["code102"]) == ("H37.02", "000.00.02.H37")
    units = (await kit.call("getSynchronizeUnit")).json["data"]
    assert [row["deleted"] for row in units] == ["false", "true"]


@pytest.mark.parametrize("operation", ["registerAgency", "deleteAgency"])
async def test_registering_needs_the_operator(kit, operation):
    text = failed(await kit.call(operation, b'{"code":"H37.99"}', AgencyCode="H37.99"), 15)
    assert "quản trị" in text
    assert "operator" in text


# ---------------------------------------------------------------- failures


@pytest.mark.parametrize("failure", [UnavailableError(), ValueError("bug"), IntegrityError("x")])
async def test_our_failure_is_never_an_empty_list(kit, front, failure):
    front.failure = failure
    text = failed(await kit.call("getReceivedEdocList", messagetype="edoc"), 20)
    assert "bug" not in text


async def test_our_failure_while_downloading(kit, front):
    front.offer("d1", FILE, to="H37.02")
    front.failure = UnavailableError()
    assert (await kit.call("downloadEdoc", method="GET", docId="d1")).status == 503


@pytest.mark.parametrize("operation", ["getEdoc", "downloadEdoc"])
async def test_a_packet_that_breaks_never_looks_whole(kit, front, operation, monkeypatch):
    front.offer("d1", FILE, to="H37.02")
    whole = type(front).fetch

    async def broken(self, caller, item_id):
        packet = await whole(self, caller, item_id)

        async def chunks():
            async for chunk in packet.chunks:
                yield chunk
                raise IntegrityError("the disk gave other bytes")

        return type(packet)(
            packet.sha256, packet.size_bytes, packet.name, packet.content_type, chunks()
        )

    monkeypatch.setattr(type(front), "fetch", broken)
    try:
        reply = await kit.call(operation, b"{}", docId="d1")
    except (ConnectionError, EOFError):
        return
    assert len(reply.body) < int(reply.headers["content-length"])


# ---------------------------------------------------------------- who may call


@pytest.mark.parametrize(
    ("operation", "method"),
    [
        ("downloadEdoc", "GET"),
        ("getEdoc", "POST"),
        ("sendEdoc", "POST"),
        ("getAgenciesList", "POST"),
    ],
)
async def test_unsigned(port, front, operation, method):
    front.offer("d1", FILE, to="H37.02")
    headers = [("XroadVnpt-systemid", "h37.qlvb"), ("XroadVnpt-docId", "d1")]
    reply = await exchange(port, method, f"/XrdAdapter/adapter/{operation}", headers, b"")
    assert reply.status == 401
    assert reply.json["ErrorCode"] == "15"
    assert FILE not in reply.body
    assert ("DocId" in reply.json) == (operation == "sendEdoc")


async def test_wrong_secret_and_unknown_system(port, front):
    for kit in (Kit(port, "h37.qlvb", "bi-mat-3"), Kit(port, "nobody", "bi-mat-1")):
        reply = await kit.send_edoc(FILE, **{"from": "H37.02"})
        assert (reply.status, reply.json["ErrorCode"]) == (401, "15")
    assert not front.documents


async def test_a_disabled_system_is_out_at_once(kit, callers):
    assert (await kit.call("getAgenciesList")).status == 200
    callers.disable("h37.qlvb")
    assert (await kit.call("getAgenciesList")).status == 401


async def test_parameters_outside_the_signed_json_do_not_count(kit, front):
    front.offer("d1", FILE, to="H37.02")
    front.offer("d2", FILE + b"other", to="H37.02")
    kit.map.update({"Content-Type": "application/json", "docId": "d1", "status": "fail"})
    tampered = [
        (name, {"XroadVnpt-docId": "d2", "XroadVnpt-status": "done"}.get(name, value))
        for name, value in kit.headers()
    ]
    await kit.call("updateStatus", b"{}", headers=tampered)
    assert front.items["d1"].note == ""
    assert front.items["d2"].row.taken_at is None
    reply = await kit.call("downloadEdoc?docId=d2", method="GET", headers=tampered)
    assert reply.body == FILE


async def test_tampered_inside_the_signed_json(kit, front):
    front.offer("d2", FILE, to="H37.02")
    kit.map.update({"Content-Type": "application/json", "docId": "d1", "status": "done"})
    tampered = [(name, value.replace('"d1"', '"d2"')) for name, value in kit.headers()]
    assert (await kit.call("updateStatus", b"{}", headers=tampered)).status == 401
    assert front.items["d2"].row.taken_at is None


@pytest.mark.parametrize("signed", ["{", "[]", "null", "[" * 4000, "{}", "\\", '{"a":' * 1500])
async def test_malformed_json(port, signed):
    headers = [("XroadVnpt-sign-header", signed), ("XroadVnpt-hash-header", "0" * 64)]
    reply = await exchange(port, "POST", "/XrdAdapter/adapter/getAgenciesList", headers, b"")
    assert (reply.status, reply.json["ErrorCode"]) == (401, "15")


@pytest.mark.parametrize("injected", ["a\r\nXroadVnpt-status: done", "a\nb", "a\x00b", "đ"])
async def test_header_injection_ends_in_a_refusal(kit, front, injected):
    front.offer("d1", FILE, to="H37.02")
    kit.map.update({"Content-Type": "application/json", "docId": "d1", "status": "fail"})
    reply = await kit.call("updateStatus", description=injected)
    assert reply.status in {400, 401}
    assert front.items["d1"].row.taken_at is None
    assert front.items["d1"].note is None


async def test_unknown_operation(kit):
    reply = await kit.call("dropTables")
    assert (reply.status, reply.json["status"]) == (404, "FAIL")


# ---------------------------------------------------------------- options


async def test_freshness_only_when_asked(front, callers, clock):
    runner, port = await serve(front, callers, clock, max_skew_s=300)
    try:
        fresh = Kit(port, "h37.qlvb", "bi-mat-1", timestamp="22112026T080100+0000")
        stale = Kit(port, "h37.qlvb", "bi-mat-1", timestamp="22112026T075400+0000")
        none = Kit(port, "h37.qlvb", "bi-mat-1", timestamp="now")
        assert (await fresh.call("getAgenciesList")).status == 200
        assert (await stale.call("getAgenciesList")).status == 401
        assert (await none.call("getAgenciesList")).status == 401
    finally:
        await runner.cleanup()


@pytest.mark.parametrize(("network", "status"), [("127.0.0.0/8", 200), ("10.0.0.0/8", 403)])
@pytest.mark.parametrize("how", ["routes", "middleware"])
async def test_plain_http_only_from_listed_networks(front, callers, clock, network, status, how):
    networks = [ipaddress.ip_network(network)]
    options = (
        {"plain_http_from": networks}
        if how == "routes"
        else {"middlewares": [serving.only_from(networks)]}
    )
    runner, port = await serve(front, callers, clock, **options)
    try:
        reply = await Kit(port, "h37.qlvb", "bi-mat-1").call("getAgenciesList")
        assert reply.status == status
        forged = [("X-Forwarded-For", "10.0.0.1")]
        assert (
            await exchange(port, "POST", "/XrdAdapter/adapter/getEdoc", forged, b"")
        ).status != 200
    finally:
        await runner.cleanup()


@pytest.mark.parametrize(
    ("address", "may"),
    [
        ("10.1.2.3", True),
        ("::ffff:10.1.2.3", True),
        ("fd00::1%eth0", True),
        ("11.1.2.3", False),
        ("", False),
        (None, False),
        ("not an address", False),
    ],
)
def test_may_call(address, may):
    networks = [ipaddress.ip_network("10.0.0.0/8"), ipaddress.ip_network("fd00::/8")]
    assert serving.may_call(address, networks) is may


async def test_another_base(front, callers, clock):
    runner, port = await serve(front, callers, clock, base="/adapter/")
    try:
        reply = await Kit(port, "h37.qlvb", "bi-mat-1", base="/adapter").call("getAgenciesList")
        assert reply.json["status"] == "OK"
    finally:
        await runner.cleanup()


# ---------------------------------------------------------------- recorded requests


@pytest.mark.corpus
@pytest.mark.skipif(not RECORDED.is_dir(), reason="recorded requests not here")
async def test_recorded_requests_are_understood(front, callers, clock):
    callers.add("unit.test.sys", b"s3cr3t-dummy", speaks_for=["000.00.00.H41", "H41"])
    front.offer("0123", FILE, to="H41")
    runners = [
        await serve(front, callers, clock),
        await serve(front, callers, clock, base="/"),
    ]
    try:
        for file in sorted(RECORDED.glob("sdk201_*.jsonl")):
            for line in file.read_text(encoding="utf-8").splitlines():
                request = json.loads(line)
                await replay(request, runners["/XrdAdapter" not in request["p"]][1])
    finally:
        for runner, _ in runners:
            await runner.cleanup()
    assert front.items["0123"].note == "lỗi tệp <a&b='c'>"


async def replay(request, port):
    body = request["head"].encode() if request["n"] <= 104 else b"x" * request["n"]
    skipped = {"Host", "Connection", "Content-Length"}
    headers = [(name, value) for name, value in request["h"] if name not in skipped]
    if request["m"] == "POST":
        headers.append(("Content-Length", str(len(body))))
    reply = await exchange(port, request["m"], request["p"], headers, body)
    operation = request["p"].rsplit("/", 1)[1]
    names = {name for name, _ in request["h"]}
    if "XroadVnpt-hash-header" not in names:
        assert reply.status == 401
    elif operation == "sendEdoc":  # only head and tail were recorded: the hash cannot match
        assert str(MAX_BYTES) in failed(reply, 10) or "hash-file" in reply.json["ErrorDesc"]
    elif operation in {"registerAgency", "deleteAgency"}:
        failed(reply, 15)
    elif operation == "downloadEdoc":
        assert reply.body == FILE
    else:
        assert reply.json["status"] == "OK", (operation, reply.body)
    assert reply.continued == ("Expect" in names)
