"""Our axis client against the simulated axis, fault by fault, and the automatic agency."""

import hashlib
from datetime import timedelta

import pytest
from aiohttp import web

from adapters.simulator import packets
from adapters.simulator.autoagency import FINISHES, RETURNS, AutoAgency, Reply
from adapters.simulator.axis import AxisSimulator, Fault, Manners
from adapters.vxp import plugin, wire
from gateway.errors import RejectedError, UnavailableError
from gateway.ports import AgencyRow, Busy, Listed, Refused, Taken
from tests.world.fake_adapter import document_packet, parcel_of
from tests.world.fake_frontdoor import FakeClock

US, THEM = "H37.02", "G12"


@pytest.fixture
def clock():
    return FakeClock()


@pytest.fixture
async def axis(tmp_path, clock):
    simulator = AxisSimulator(plugin, tmp_path, clock)
    simulator.add_system("us", b"secret-us", [AgencyRow(US, "Sở Nội vụ", "000.00.02.H37")])
    simulator.add_system(
        "them",
        b"secret-them",
        [
            AgencyRow(THEM, "Bộ Tài chính", "000.00.00.G12"),
            AgencyRow("G13", "Bộ khóa", status="locked"),
        ],
    )
    await simulator.start()
    yield simulator
    await simulator.stop()


@pytest.fixture
async def connect(axis, clock):
    made = []

    def make(system_id="us", secret=None, endpoint=None, **options):
        made.append(
            plugin.make_client(
                name="axis",
                endpoint=endpoint or axis.endpoint,
                system_id=system_id,
                secret=secret or f"secret-{system_id}".encode(),
                clock=clock,
                **options,
            )
        )
        return made[-1]

    yield make
    for adapter in made:
        await adapter.close()


@pytest.fixture
def send(clock):
    async def deliver(adapter, data, *, sender=US, to=(THEM,), wait_s=20.0):
        parcel = parcel_of(data, sender=sender, recipients=to)
        return await adapter.deliver(parcel, deadline=clock.now() + timedelta(seconds=wait_s))

    return deliver


async def joined(stream):
    return b"".join([chunk async for chunk in stream])


# ---------------------------------------------------------------- delivering


@pytest.mark.parametrize(
    "fault",
    [
        Fault.ERROR_500,
        Fault.HTML,
        Fault.NO_DATA,
        Fault.UNAUTHORIZED,
        Fault.BUSY,
        Fault.DROP,
        Fault.LOSE_ANSWER,
        Fault.NOT_OFFERED,
    ],
)
async def test_trouble_while_sending_is_busy_and_then_passes(axis, connect, send, fault):
    adapter, data = connect(), document_packet(THEM, padding=100_000)
    axis.fail("sendEdoc", fault)
    outcome = await send(adapter, data)
    assert isinstance(outcome, Busy)
    assert outcome.reason
    assert isinstance(await send(adapter, data), Taken)
    assert len(axis.items) == (2 if fault is Fault.LOSE_ANSWER else 1)


async def test_a_slow_axis_is_busy_at_the_deadline(axis, connect, send):
    axis.fail("sendEdoc", Fault.SLOW)
    assert isinstance(await send(connect(), document_packet(THEM), wait_s=0.05), Busy)


async def test_a_silent_axis_is_busy(axis, connect, send):
    axis.fail("sendEdoc", Fault.SLOW)
    assert isinstance(await send(connect(silence_s=0.05), document_packet(THEM)), Busy)


async def test_no_axis_at_all(axis, connect, send):
    adapter = connect()
    await axis.stop()
    assert isinstance(await send(adapter, document_packet(THEM)), Busy)
    with pytest.raises(UnavailableError):
        await adapter.listing("edoc")
    with pytest.raises(UnavailableError):
        await adapter.probe()


@pytest.mark.parametrize(
    ("data", "sender", "code"),
    [
        (document_packet("H99"), US, "18"),
        (document_packet("G13"), US, "23"),
        (document_packet(THEM), THEM, "19"),
        (b"not xml", US, "22"),
        (document_packet(), US, "22"),
    ],
    ids=["unknown", "locked", "wrong sender", "malformed", "nobody"],
)
async def test_business_errors_are_final(axis, connect, send, data, sender, code):
    outcome = await send(connect(), data, sender=sender)
    assert isinstance(outcome, Refused)
    assert outcome.code == code
    assert not axis.items


async def test_wrong_sender_is_named(connect, send):
    outcome = await send(connect(), document_packet(THEM), sender=THEM)
    assert "Don vi gui G12 khong dung voi ma da dang ky: us" in outcome.reason


async def test_a_rotated_secret_waits_for_the_operator(axis, connect, send):
    axis.set_secrets("us", b"new")
    outcome = await send(connect(), document_packet(THEM))
    assert isinstance(outcome, Busy)
    assert "401" in outcome.reason
    assert isinstance(await send(connect(secret=b"new"), document_packet(THEM)), Taken)
    axis.set_secrets("us")
    assert isinstance(await send(connect(secret=b"new"), document_packet(THEM)), Busy)


@pytest.mark.parametrize("form", ["padded", "unpadded"])
async def test_both_hash_forms(connect, send, form):
    assert isinstance(await send(connect(hash_form=form), document_packet(THEM)), Taken)


async def test_a_parcel_whose_code_no_header_can_carry(connect, send):
    outcome = await send(connect(), document_packet(THEM), sender="H37\r\nX: y")
    assert isinstance(outcome, Busy)


async def test_too_large_for_the_axis(tmp_path, clock, connect, send):
    (tmp_path / "small").mkdir()
    small = AxisSimulator(plugin, tmp_path / "small", clock, max_bytes=100)
    small.add_system("us", b"secret-us", [AgencyRow(US, "x"), AgencyRow(THEM, "y")])
    await small.start()
    try:
        outcome = await send(connect(endpoint=small.endpoint), document_packet(THEM))
    finally:
        await small.stop()
    assert isinstance(outcome, Refused)


async def test_the_secret_shows_nowhere(connect):
    assert "secret" not in repr(connect())


# ---------------------------------------------------------------- what the axis does with it


async def test_the_axis_rewrites_and_splits(axis, connect, send):
    data = document_packet(THEM, "000.00.00.G12", US).replace(
        b"<edXML:Subject>", b"<!-- ghi chu --><edXML:Subject>"
    )
    taken = await send(connect(), data)
    theirs = connect("them")
    listed = await theirs.listing("edoc")
    assert [item.recipients for item in listed] == [(THEM,), ("000.00.00.G12",)]
    assert {item.sender for item in listed} == {US}
    assert {item.status for item in listed} == {"initial"}
    (own,) = await connect().listing("edoc")  # what is addressed to its sender comes back
    assert own.recipients == (US,)
    handed_on = await joined(theirs.fetch(listed[0]))
    assert handed_on != data
    assert b"ghi chu" not in handed_on
    assert b"001.00.20.TT2" in handed_on
    assert handed_on.index(b"DocumentId") < handed_on.index(b"CodeNumber")
    assert hashlib.sha256(handed_on).digest() != hashlib.sha256(data).digest()
    assert taken.peer_doc_id not in {item.peer_doc_id for item in listed}


async def test_routing_by_header_when_asked(tmp_path, clock, connect, send):
    axis = AxisSimulator(
        plugin,
        tmp_path,
        clock,
        manners=Manners(returns_to_sender=False, rewrites=False),
        named=lambda request: wire.read_codes(request.headers.get("XroadVnpt-to", "")),
    )
    axis.add_system("us", b"secret-us", [AgencyRow(US, "x")])
    axis.add_system("them", b"secret-them", [AgencyRow(THEM, "y"), AgencyRow("G14", "z")])
    await axis.start()
    try:
        data = document_packet(THEM, "G14", US)
        await send(connect(endpoint=axis.endpoint), data, to=[THEM])
        assert [item.to for item in axis.items] == [THEM]
        silent = connect(endpoint=axis.endpoint, name_recipients=False)
        await send(silent, data, to=[THEM])
        assert [item.to for item in axis.items] == [THEM, THEM, "G14"]
    finally:
        await axis.stop()


# ---------------------------------------------------------------- collecting


UNREADABLE = [
    Fault.ERROR_500,
    Fault.HTML,
    Fault.NO_DATA,
    Fault.UNAUTHORIZED,
    Fault.BUSY,
    Fault.REFUSE,
    Fault.DROP,
    Fault.NOT_OFFERED,
]


@pytest.mark.parametrize("fault", UNREADABLE)
async def test_unreadable_is_never_empty(axis, connect, fault):
    adapter = connect()
    axis.fail("getReceivedEdocList", fault)
    with pytest.raises(UnavailableError):
        await adapter.listing("edoc")
    assert list(await adapter.listing("edoc")) == []


async def test_a_doubled_listing_counts_once(axis, connect, send):
    await send(connect(), document_packet(THEM))
    axis.fail("getReceivedEdocList", Fault.DUPLICATE)
    assert len(await connect("them").listing("edoc")) == 1


@pytest.mark.parametrize("fault", [Fault.HTML, Fault.NO_DATA, Fault.NOT_OFFERED, Fault.ERROR_500])
async def test_without_download_the_base64_way_is_taken(axis, connect, send, fault):
    await send(connect(), document_packet(THEM, padding=500_000))
    theirs = connect("them")
    (item,) = await theirs.listing("edoc")
    whole = await joined(theirs.fetch(item))
    axis.fail("downloadEdoc", fault)
    assert await joined(theirs.fetch(item)) == whole
    assert axis.calls[-2:] == ["downloadEdoc", "getEdoc"]


@pytest.mark.parametrize("fault", UNREADABLE)
async def test_no_way_to_fetch(axis, connect, send, fault):
    await send(connect(), document_packet(THEM))
    theirs = connect("them")
    (item,) = await theirs.listing("edoc")
    axis.fail("downloadEdoc", Fault.NOT_OFFERED)
    axis.fail("getEdoc", fault)
    with pytest.raises(UnavailableError):
        await joined(theirs.fetch(item))


@pytest.mark.parametrize("operation", ["downloadEdoc", "getEdoc"])
@pytest.mark.parametrize("fault", [Fault.TRUNCATED, Fault.DROP])
async def test_a_cut_packet_is_never_taken_for_whole(axis, connect, send, operation, fault):
    await send(connect(), document_packet(THEM, padding=300_000))
    theirs = connect("them")
    (item,) = await theirs.listing("edoc")
    if operation == "getEdoc":
        axis.fail("downloadEdoc", Fault.NOT_OFFERED)
    axis.fail(operation, fault)
    if (operation, fault) == ("downloadEdoc", Fault.DROP):
        axis.fail(operation, fault)  # the HTTP library asks a second time by itself
    with pytest.raises(UnavailableError):
        await joined(theirs.fetch(item))
    assert await joined(theirs.fetch(item))


async def test_limits_of_what_is_read(connect, send):
    await send(connect(), document_packet(THEM, padding=30_000))
    theirs = connect("them", max_packet_bytes=1000, max_answer_bytes=10)
    with pytest.raises(UnavailableError, match="too long"):
        await theirs.listing("edoc")
    (item,) = await connect("them").listing("edoc")
    with pytest.raises(RejectedError, match="larger than 1000"):
        await joined(theirs.fetch(item))


@pytest.mark.parametrize("fault", UNREADABLE[:-1])
async def test_an_acknowledgement_that_failed_is_said(axis, connect, send, fault):
    await send(connect(), document_packet(THEM))
    theirs = connect("them")
    (item,) = await theirs.listing("edoc")
    axis.fail("updateStatus", fault)
    if fault is Fault.NO_DATA:
        await theirs.acknowledge(item, done=True)  # this answer needs no data
        return
    with pytest.raises(UnavailableError):
        await theirs.acknowledge(item, done=True)


async def test_a_note_goes_without_accents(axis, connect, send):
    await send(connect(), document_packet(THEM))
    theirs = connect("them")
    (item,) = await theirs.listing("edoc")
    await theirs.acknowledge(item, done=False, note="Không đọc được\r\nX: y")
    assert axis.items[0].failed_note == "Khong doc duoc X: y"


async def test_catalogue_with_both_notations(axis, connect):
    axis.add_system("hub", b"x", [AgencyRow("02.29.W00", "Trung tâm", parent=THEM)])
    rows = {row.code: row for row in await connect().agencies()}
    assert rows[US].legacy_code == "000.00.02.H37"
    assert rows["02.29.W00"].parent == THEM
    assert (rows["02.29.W00"].connected, rows["02.29.W00"].status) == (False, "hub")
    axis.fail("getAgenciesListQD20", Fault.ERROR_500)
    assert len(await connect().agencies()) == len(rows)
    axis.fail("getAgenciesList", Fault.NO_DATA)
    with pytest.raises(UnavailableError):
        await connect().agencies()


async def test_fresh_headers_for_every_call(axis, connect, clock, monkeypatch):
    seen = []
    signed = wire.signed_headers

    def spy(*args):
        seen.append(dict(signed(*args)))
        return signed(*args)

    monkeypatch.setattr(wire, "signed_headers", spy)
    adapter = connect()
    await adapter.listing("edoc")
    clock.move(seconds=1)
    await adapter.probe()
    assert seen[0]["XroadVnpt-timestamp"] != seen[1]["XroadVnpt-timestamp"]


# ---------------------------------------------------------------- other axes


async def other_axis(operation, answer):
    app = web.Application()

    async def handle(_):
        return answer() if callable(answer) else web.json_response(answer)

    app.router.add_route("*", f"/{operation}", handle)
    runner = web.AppRunner(app, shutdown_timeout=0.1)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    return runner, f"http://127.0.0.1:{runner.addresses[0][1]}"


@pytest.mark.parametrize(
    "answer",
    [
        {"status": "OK", "ErrorCode": "0", "DocId": ""},
        {"status": "OK", "ErrorCode": "0"},
        {"status": "FAIL", "ErrorCode": "20", "ErrorDesc": "x"},
        {"status": "FAIL"},
        {"data": 1},
        lambda: web.Response(status=302, headers={"Location": "/elsewhere"}),
        lambda: web.Response(status=204),
        lambda: web.Response(body=b"x" * 100_000),
    ],
)
async def test_answers_that_prove_nothing_are_busy(connect, send, answer):
    runner, endpoint = await other_axis("sendEdoc", answer)
    try:
        adapter = connect(endpoint=endpoint, max_answer_bytes=50_000)
        assert isinstance(await send(adapter, document_packet(THEM)), Busy)
    finally:
        await runner.cleanup()


async def test_http_413_is_final(connect, send):
    runner, endpoint = await other_axis("sendEdoc", lambda: web.Response(status=413))
    try:
        assert isinstance(await send(connect(endpoint=endpoint), document_packet(THEM)), Refused)
    finally:
        await runner.cleanup()


async def test_rows_of_all_kinds(connect):
    rows = [
        {"docId": "1", "to": ["H37", "G12"], "from": "H01", "created_time": "2026-11-22 08:00:00"},
        {"docid": "2", "to": '"[\\"H37\\"]"', "messageType": "STATUS"},
        {"docId": 3, "to": None, "created_time": "soon"},
        {"docId": ""},
    ]
    answer = {"status": "OK", "ErrorCode": "0", "data": rows}
    runner, endpoint = await other_axis("getReceivedEdocList", answer)
    try:
        listed = await connect(endpoint=endpoint).listing("edoc")
    finally:
        await runner.cleanup()
    assert [item.peer_doc_id for item in listed] == ["1", "2", "3"]
    assert [item.recipients for item in listed] == [("H37", "G12"), ("H37",), ()]
    assert [item.kind for item in listed] == ["edoc", "status", "edoc"]
    assert listed[0].created_at == wire.read_date("22/11/2026 08:00:00")


async def test_a_list_of_nothing_readable(connect):
    answer = {"status": "OK", "ErrorCode": "0", "data": [{"id": "1"}]}
    runner, endpoint = await other_axis("getReceivedEdocList", answer)
    try:
        with pytest.raises(UnavailableError):
            await connect(endpoint=endpoint).listing("edoc")
    finally:
        await runner.cleanup()


@pytest.mark.parametrize("body", [b"", b'{"status":"FAIL","ErrorCode":"10"}', b"<HTML></HTML>"])
async def test_a_download_that_is_no_packet(connect, body):
    runner, endpoint = await other_axis("downloadEdoc", lambda: web.Response(body=body))
    try:
        with pytest.raises(UnavailableError):
            await joined(connect(endpoint=endpoint).fetch(Listed("1", "edoc")))
    finally:
        await runner.cleanup()


# ---------------------------------------------------------------- the automatic agency


@pytest.fixture
def agency(connect, clock):
    def make(script):
        return AutoAgency(connect("them"), clock, THEM, "Bộ Tài chính", script)

    return make


async def statuses(adapter, folder):
    found = []
    for item in await adapter.listing("status"):
        path = folder / "status.edxml"
        path.write_bytes(await joined(adapter.fetch(item)))
        head = packets.read_head(path)
        found.append((head.status, head.description, head.document_id, head.sender))
        await adapter.acknowledge(item, done=True)
    return found


async def test_it_accepts(axis, connect, send, agency, tmp_path):
    await send(connect(), document_packet(THEM))
    theirs = agency((Reply("01"), Reply("03")))
    assert await theirs.step() == 3
    assert theirs.owes == 0
    assert [head.subject for head in theirs.documents] == ["Về việc thử nghiệm"]
    document_id = "H37.02,2026/11/21,7/SNV"
    assert theirs.sent == [(document_id, "01"), (document_id, "03")]
    assert await statuses(connect(), tmp_path) == [
        ("01", "", document_id, THEM),
        ("03", "", document_id, THEM),
    ]
    assert await theirs.step() == 0
    assert axis.items[0].last_status == "03"


async def test_it_returns_with_a_reason(connect, send, agency, tmp_path):
    await send(connect(), document_packet(THEM))
    await agency(RETURNS).step()
    found = await statuses(connect(), tmp_path)
    assert [code for code, *_ in found] == ["01", "02"]
    assert "R01" in found[1][1]


async def test_late_and_double_replies(connect, send, agency, clock, tmp_path):
    await send(connect(), document_packet(THEM))
    script = (Reply("01", times=2), Reply("06", after=timedelta(hours=2)))
    theirs = agency(lambda head: script if head.sender == US else FINISHES)
    await theirs.step()
    assert [code for code, *_ in await statuses(connect(), tmp_path)] == ["01", "01"]
    assert theirs.owes == 1
    clock.move(hours=2)
    await theirs.step()
    assert [code for code, *_ in await statuses(connect(), tmp_path)] == ["06"]


async def test_a_reply_that_did_not_get_through_is_sent_again(
    axis, connect, send, agency, tmp_path
):
    await send(connect(), document_packet(THEM))
    theirs = agency(FINISHES)
    axis.fail("sendEdoc", Fault.BUSY)
    await theirs.step()
    assert (theirs.owes, theirs.troubles) == (5, 1)
    await theirs.step()
    found = [code for code, *_ in await statuses(connect(), tmp_path)]
    assert found == ["01", "03", "04", "05", "06"]


async def test_it_outlives_an_outage(axis, connect, send, agency):
    await send(connect(), document_packet(THEM))
    theirs = agency(FINISHES)
    axis.fail("getReceivedEdocList", Fault.ERROR_500)
    with pytest.raises(UnavailableError):
        await theirs.step()
    assert await theirs.step() == 6


async def test_what_it_cannot_read_it_gives_back(axis, connect, send, agency):
    await send(connect(), document_packet(THEM))
    axis.items[0].path.write_bytes(b"<broken")
    theirs = agency(FINISHES)
    await theirs.step()
    assert theirs.documents == []
    assert axis.items[0].failed_note == "the packet is not well-formed"


async def test_it_takes_statuses_too(connect, send, agency, clock):
    head = packets.Head(THEM, (), "G12,2026/11/20,1/BTC", "1/BTC", "2026/11/20")
    data = packets.status_packet(
        head, sender=US, sender_name="Sở", code="13", description="nhầm", at=clock.now()
    )
    parcel = parcel_of(data, sender=US, recipients=[THEM], kind="status")
    outcome = await connect().deliver(parcel, deadline=clock.now() + timedelta(seconds=20))
    assert isinstance(outcome, Taken)
    theirs = agency(FINISHES)
    await theirs.step()
    assert [(h.status, h.description) for h in theirs.statuses] == [("13", "nhầm")]
