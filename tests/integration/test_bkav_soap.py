"""Unmodified Bkav SOAP clients against our façade, our SOAP client against it, and evil twins."""

import asyncio
import base64
import email
import io
import zipfile
from datetime import timedelta

import aiohttp
import pytest
from aiohttp import web
from lxml import etree

from adapters.bkav import plugin, soap, soapfacade, wire
from adapters.simulator.axis import AxisSimulator, Fault, Manners
from gateway.codec.limits import DEFAULT_LIMITS
from gateway.codec.reader import read_packet
from gateway.codec.status import parse_status
from gateway.errors import Reason, RejectedError, UnavailableError
from gateway.ports import AgencyRow, Busy, Listed, Means, Refused, Taken
from tests.world import bkav_kit as kit
from tests.world.fake_adapter import document_packet, parcel_of
from tests.world.fake_frontdoor import FakeCallers, FakeClock, FakeFrontDoor
from tests.world.vxp_kit import exchange

MAX_BYTES = 200_000
US, THEM = "H37.02", "H37.04"
BOTH = pytest.mark.parametrize("version", ["11", "12"])


@pytest.fixture
def front():
    door = FakeFrontDoor(FakeClock(), chunk_bytes=1000)
    door.catalogue.append(AgencyRow(US, "Sở Nội vụ", "000.00.02.H37", "H37", "snv@h37"))
    door.catalogue.append(AgencyRow("H37.09", "Sở cũ", status="closed"))
    return door


class Service:
    """The façade, and a SOAP client of it."""

    def __init__(self, port, session):
        self.port, self._session = port, session
        self.url = f"http://127.0.0.1:{port}/EdocService"

    async def post(self, data, version="11", action="", content_type=""):
        headers = {"Content-Type": content_type or f"{kit.MEDIA[version]}; charset=UTF-8"}
        if action and version == "11":
            headers["SOAPAction"] = f'"{action}"'
        elif action:
            headers["Content-Type"] += f'; action="{action}"'
        async with self._session.post(self.url, data=data, headers=headers) as answer:
            return answer.status, answer.headers["Content-Type"], await answer.read()

    async def ask(self, operation, version="11", organ=US, token="khoa-1", **texts):
        body = kit.request(operation, organ, token, **texts)
        return await self.post(kit.envelope("", body, version), version, operation)

    async def send(self, *parts, cids=("1",), version="11", token="khoa-1", content_type="", **how):
        header = kit.message(**how) + kit.login(US, token)
        root = kit.envelope(header, kit.manifest(*cids), version)
        data = kit.related(root, *parts, version=version)
        return await self.post(
            data, version, "SendDocument", content_type or kit.multipart_type(version)
        )


@pytest.fixture
async def service(front):
    callers = FakeCallers()
    callers.add("snv", b"khoa-1", speaks_for=[US, "H37.03"])
    callers.add("other", b"khoa-3", speaks_for=["H14.01"])
    app = web.Application()
    means = Means(front=front, callers=callers, tokens=None, clock=front.clock, max_bytes=MAX_BYTES)
    app.add_routes(plugin.facade(means).routes)
    runner = web.AppRunner(app, shutdown_timeout=0.1)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    async with aiohttp.ClientSession() as session:
        yield Service(runner.addresses[0][1], session)
    await runner.cleanup()


async def test_an_envelope_nobody_finishes_does_not_keep_its_place(service, monkeypatch):
    """It is read before anybody knows whose it is."""
    monkeypatch.setattr(soapfacade, "OPENING_S", 0.05)
    whole = kit.envelope("", kit.request("GetPendingDocumentIds", US, "khoa-1"), "11")
    reader, writer = await asyncio.open_connection("127.0.0.1", service.port)
    head = f"Host: x\r\nContent-Type: text/xml\r\nContent-Length: {len(whole)}\r\n\r\n"
    writer.write(f"POST /EdocService HTTP/1.1\r\n{head}".encode() + whole[:-1])
    async with asyncio.timeout(60):
        answer = await reader.readuntil(b"</SOAP-ENV:Envelope>")
    writer.close()
    assert answer.startswith(b"HTTP/1.1 500 ")
    assert b"SOAP-ENV:Server" in answer


def tree(reply, status=200):
    assert reply[0] == status, reply
    assert etree.QName(etree.fromstring(reply[2])).localname == "Envelope"
    return etree.fromstring(reply[2])


def texts(element, name):
    return [e.text or "" for e in element.iter(f"{{{kit.EDOC}}}{name}")]


def good(reply):
    found = tree(reply)
    assert texts(found, "IsSuccess") in ([], ["true"])
    assert b"Fault" not in reply[2]
    return found


def refused(reply, code):
    """A Report with errors, HTTP 200."""
    found = tree(reply)
    assert texts(found, "IsSuccess") == ["false"]
    assert texts(found, "Code")[0] == str(code), texts(found, "Description")
    return found


def fault(reply, version="11", code="Client", status=None):
    expected = 400 if version == "12" and code == "Client" else 500
    found = tree(reply, status or expected)
    assert reply[1].startswith(kit.MEDIA[version])
    name = {"Client": "Sender", "Server": "Receiver"}.get(code, code) if version == "12" else code
    assert f"SOAP-ENV:{name}<".encode() in reply[2]
    assert found.tag == f"{{{kit.SOAP[version]}}}Envelope"
    return found


def read(packet, tmp_path, name="spool"):
    spool = tmp_path / name
    spool.mkdir()
    return read_packet([packet], spool, DEFAULT_LIMITS)


# ---------------------------------------------------------------- sending


@BOTH
@pytest.mark.parametrize(
    "part",
    [
        kit.text_part("1", kit.PDF),
        kit.part("1", base64.b64encode(kit.PDF)),
        kit.part("1", base64.b64encode(kit.PDF), "base64"),
        kit.part("1", kit.PDF),
        kit.part("1", kit.PDF, ""),
    ],
    ids=["wrapped-text", "text", "base64", "binary", "no-encoding"],
)
async def test_a_letter_becomes_a_packet(service, front, tmp_path, version, part):
    found = good(await service.send(part, version=version))
    assert texts(found, "DocumentId") == [str(wire.number_of("c1"))]
    caller, packet, options = front.documents["c1"]
    assert (caller.system_id, options.via, options.declared_from) == ("snv", "bkav", US)
    assert b"khoa-1" not in packet
    told = read(packet, tmp_path)
    header = told.envelope.header
    assert (header.sender.organ_id, header.sender.organization_in_charge) == (US, "UBND tỉnh")
    assert (header.recipients[0].organ_id, header.full_code) == (THEM, "12/SNV-VP")
    assert header.promulgation_date.isoformat() == "2026-11-21"
    assert header.subject == "Về việc thử <nghiệm>"
    assert header.document_id == "H37.02,2026/11/21,12/SNV-VP"
    assert [hop.organ_id for hop in header.trace] == [US]
    assert told.envelope.attachments[0].name == "1.pdf"
    assert told.files[0].read_bytes() == kit.PDF
    # What was odd is read like at any other door, and said.
    assert {"date-dmy", "element-spelling"} <= {repair.code for repair in told.repairs}


async def test_the_same_letter_again_is_the_same_packet(service, front):
    part = kit.text_part("1", kit.PDF)
    first = good(await service.send(part))
    again = good(await service.send(kit.part("1", kit.PDF)))
    assert texts(first, "DocumentId") == texts(again, "DocumentId")
    assert len(front.documents) == 1


async def test_files_stand_in_the_order_of_the_manifest(service, front, tmp_path):
    parts = [kit.text_part(cid, kit.PDF + cid.encode()) for cid in ("3", "1", "2")]
    good(await service.send(*parts, cids=("1", "2", "3")))
    told = read(front.documents["c1"][1], tmp_path)
    assert [path.read_bytes()[-1:] for path in told.files] == [b"1", b"2", b"3"]


async def test_a_letter_without_files(service, front, tmp_path):
    root = kit.envelope(kit.message() + kit.login(US, "khoa-1"), kit.manifest())
    good(await service.post(b"\r\n" + root, action="SendDocument"))
    assert read(front.documents["c1"][1], tmp_path).envelope.attachments == ()


async def test_mtom(service, front, tmp_path):
    include = (
        "<edXML:Manifest><edXML:Reference><edXML:AttachmentName>a.pdf</edXML:AttachmentName>"
        '<x:Include xmlns:x="http://www.w3.org/2004/08/xop/include" href="cid:f%401"/>'
        "</edXML:Reference></edXML:Manifest>"
    )
    root = kit.envelope(kit.message() + kit.login(US, "khoa-1"), include, "12")
    head = (
        b'Content-Type: application/xop+xml; charset=UTF-8; type="application/soap+xml"\r\n'
        b"Content-ID: <root>\r\n\r\n"
    )
    parts = [head + root, kit.part("f@1", kit.PDF)]
    data = b"".join(b"--b\r\n" + part + b"\r\n" for part in parts) + b"--b--"
    told = (
        'multipart/related; boundary="b"; type="application/xop+xml"; start="<root>"; '
        'start-info="application/soap+xml"; action="SendDocument"'
    )
    good(await service.post(data, "12", content_type=told))
    packet = read(front.documents["c1"][1], tmp_path)
    assert packet.files[0].read_bytes() == kit.PDF


@BOTH
@pytest.mark.parametrize("place", ["body", "header"])
async def test_a_status(service, front, version, place):
    login = kit.login(US, "khoa-1")
    status = kit.status(sender=US, about=THEM)
    root = (
        kit.envelope(login, status, version)
        if place == "body"
        else kit.envelope(login + status.replace("edXML:Status", "S:Status"), "", version)
    )
    good(await service.post(root, version, "UpdateTraces"))
    (_, packet, options) = front.reports["s1"]
    told = parse_status(packet)
    assert (told.code, told.sender.organ_id, told.response_for.organ_id) == ("03", US, THEM)
    assert (told.staff.staff, told.at.isoformat()) == ("Lê Thị Bình", "2026-11-22T08:30:00+07:00")
    assert options.declared_from == US


# ---------------------------------------------------------------- receiving


@BOTH
async def test_the_loop_of_a_receiver(service, front, version):
    inner = io.BytesIO()
    with zipfile.ZipFile(inner, "w") as file:
        file.writestr("x.xlsx", b"bang tinh")
    packet = _packet(("van ban.pdf", kit.PDF), ("bảng.xlsx", inner.getvalue()))
    front.offer("a", packet, to=US)
    number = str(wire.number_of("a"))
    assert texts(good(await service.ask("GetPendingDocumentIds", version)), "DocumentId") == [
        number
    ]
    status, content_type, data = await service.ask("GetDocument", version, DocumentId=number)
    assert status == 200
    # A second judge takes the letter apart.
    letter = email.message_from_bytes(f"Content-Type: {content_type}\r\n\r\n".encode() + data)
    root, *parts = letter.get_payload()
    assert root.get_content_type() == kit.MEDIA[version]
    told = etree.fromstring(root.get_payload(decode=True))
    assert texts(told, "OrganInCharge") == ["UBND", ""]
    assert texts(told, "PromulgationDate") == ["21/11/2026"]
    assert texts(told, "AttachmentName") == ["van ban.pdf", "bảng.xlsx"]
    for name in ("ErrorList", "DueDate", "ToPlaces", "Fax"):
        assert texts(told, name), name
    href = "{http://www.w3.org/1999/xlink}href"
    cids = [e.get(href) for e in told.iter(f"{{{kit.EDOC}}}Reference")]
    assert cids == [f"cid:{part['Content-ID'][1:-1]}" for part in parts]
    files = [base64.b64decode(part.get_payload(decode=True), validate=True) for part in parts]
    assert files == [kit.PDF, b"bang tinh"]  # the zip the national kit puts around is undone
    for _ in range(2):
        good(await service.ask("ConfirmReceived", version, DocumentId=number))
    assert texts(good(await service.ask("GetPendingDocumentIds", version)), "DocumentId") == []
    assert front.items["a"].row.taken_at


def _packet(*files):
    entries = "".join(
        f'<Attachment><ContentId>cid:{n} "&gt;</ContentId><AttachmentName>{name}</AttachmentName>'
        "<ContentType>application/zip</ContentType><edXML:ContentTransferEncoded "
        'xmlns:edXML="http://www.mic.gov.vn/TBT/QCVN_102_2016">'
        f"{base64.b64encode(data).decode()}</edXML:ContentTransferEncoded></Attachment>"
        for n, (name, data) in enumerate(files)
    )
    packet = document_packet(US, sender="G09").decode()
    in_charge = "</edXML:OrganId><edXML:OrganizationInCharge>UBND</edXML:OrganizationInCharge>"
    packet = packet.replace("</edXML:OrganId>", in_charge, 1)
    return packet.replace(
        "</edXML:edXMLEnvelope>",
        f"</edXML:edXMLEnvelope><AttachmentEncoded>{entries}</AttachmentEncoded>",
    ).encode()


def strict_status(code="03"):
    from adapters.bkav import letters

    element = etree.fromstring(
        kit.status(sender="G09", about=US, code=code).replace(
            "<edXML:Status>", f'<edXML:Status xmlns:edXML="{kit.EDOC}">', 1
        )
    )
    return letters.status_packet(element)


async def test_traces_without_a_time_are_handed_out_once(service, front):
    front.offer("s", strict_status(), to=US, kind="status")
    found = good(await service.ask("GetTraces"))
    assert (texts(found, "StatusCode"), texts(found, "Staff")) == (["03"], ["Lê Thị Bình"])
    assert texts(good(await service.ask("GetTraces")), "StatusCode") == []
    assert front.items["s"].row.taken_at


@pytest.mark.parametrize("failure", [UnavailableError(), ZeroDivisionError("x")])
async def test_traces_that_could_not_be_noted_come_again(service, front, monkeypatch, failure):
    async def acknowledge(*_, **__):
        raise failure

    front.offer("s", strict_status(), to=US, kind="status")
    monkeypatch.setattr(front, "acknowledge", acknowledge)
    body = kit.envelope("", kit.request("GetTraces", US, "khoa-1"))
    headers = [("Content-Type", "text/xml"), ("Content-Length", str(len(body)))]
    for _ in range(2):
        reply = await exchange(service.port, "POST", "/EdocService", headers, body)
        assert texts(etree.fromstring(reply.body), "StatusCode") == ["03"]  # one answer, whole


async def test_traces_from_a_time_on_are_kept_until_that_time_has_passed(service, front):
    front.offer("s", strict_status(), to=US, kind="status")
    at = f"{front.clock.now() + timedelta(hours=7, minutes=1):%d/%m/%Y %H:%M:%S}"
    earlier = f"{front.clock.now() - timedelta(days=1):%d/%m/%Y %H:%M:%S}"
    for time in (earlier, earlier, at):  # late is better than lost: never shown, so shown
        assert texts(good(await service.ask("GetTraces", TimeStamp=time)), "StatusCode") == (
            ["03"] if time == earlier else []
        )
    assert front.items["s"].row.taken_at
    fault(await service.ask("GetTraces", TimeStamp="hôm qua"))


async def test_a_trace_from_before_a_time_that_was_never_shown_is_shown(service, front):
    front.offer("s", strict_status(), to=US, kind="status")
    at = f"{front.clock.now() + timedelta(days=2):%d/%m/%Y %H:%M:%S}"
    assert texts(good(await service.ask("GetTraces", TimeStamp=at)), "StatusCode") == ["03"]
    assert front.items["s"].row.taken_at is None


async def test_organizations_permission_and_description(service):
    found = good(await service.ask("GetOrganizations"))
    assert texts(found, "OrganId") == [US]
    assert texts(found, "Email") == ["snv@h37"]
    good(await service.ask("CheckPermission"))
    async with service._session.get(f"{service.url}?WSDL") as answer:
        told = etree.fromstring(await answer.read())
    names = {e.get("name") for e in told.iter("{http://schemas.xmlsoap.org/wsdl/}operation")}
    assert names == set(soap.OPERATIONS)
    assert service.url.encode() in etree.tostring(told)
    async with service._session.get(service.url) as answer:
        assert answer.status == 404


@pytest.mark.parametrize(
    "action",
    [
        *("GetPendingDocumentIds", f"{kit.EDOC}GetPendingDocumentIds"),
        *("urn:GetPendingDocumentIds", "GetPendingDocumentIdsRequest", "", "process"),
    ],
)
async def test_action_or_body_decide(service, action):
    body = kit.request("GetPendingDocumentIds", US, "khoa-1")
    good(await service.post(kit.envelope("", body), action=action))
    body = body.replace("GetPendingDocumentIdsRequest", "Request")
    reply = await service.post(kit.envelope("", body), action=action)
    good(reply) if "GetPending" in action else fault(reply)


# ---------------------------------------------------------------- evil twins


@BOTH
async def test_wrong_tokens(service, front, version):
    part = kit.text_part("1", kit.PDF)
    refused(await service.send(part, version=version, token="khoa-3"), 19)
    refused(await service.send(part, version=version, token="khoa-9"), 15)
    refused(await service.ask("CheckPermission", version, token=""), 15)
    refused(await service.ask("CheckPermission", version, organ=""), 15)
    refused(await service.ask("ConfirmReceived", version, organ="H14.01", DocumentId="a"), 19)
    for operation in ("GetPendingDocumentIds", "GetDocument", "GetTraces", "GetOrganizations"):
        found = fault(await service.ask(operation, version, token="khoa-9"), version)
        assert texts(found, "Code") == ["15"]  # a failure that reads never looks like a list
    assert not front.documents


async def test_attachments_of_a_stranger_are_not_read(service, front):
    endless = kit.text_part("1", b"x" * 150_000)
    refused(await service.send(endless, token="khoa-9"), 15)


async def test_the_document_of_another(service, front):
    front.offer("a", document_packet("H14.01"), to="H14.01")
    front.offer("s", strict_status(), to=US, kind="status")
    fault(await service.ask("GetDocument", DocumentId=str(wire.number_of("a"))))
    fault(await service.ask("GetDocument", DocumentId="s"))
    fault(await service.ask("GetDocument"))
    refused(await service.ask("ConfirmReceived", DocumentId="a"), 10)
    assert front.items["a"].row.taken_at is None


PARTS = {
    "missing": ((), ("1",), 22),
    "one-missing": ((kit.text_part("1", kit.PDF),), ("1", "2"), 22),
    "not-named": ((kit.text_part("1", kit.PDF), kit.text_part("2", kit.PDF)), ("1",), 22),
    "no-id": ((kit.part("", kit.PDF),), ("1",), 22),
    "one-id-twice": ((kit.text_part("1", kit.PDF), kit.text_part("1", b"%PDF")), ("1",), 22),
    "two-lines": ((kit.text_part("1", kit.PDF),), ("1", "1"), 22),
    "broken-text": ((kit.part("1", b"QUJD" * 40 + b"*"),), ("1",), 10),
    "cut-text": ((kit.part("1", b"QUJD" * 40 + b"QQ"),), ("1",), 10),
    "broken-encoding": ((kit.part("1", kit.PDF, "base64"),), ("1",), 10),
    "unknown-encoding": ((kit.part("1", kit.PDF, "x-uuencode"),), ("1",), 22),
    "header-twice": ((kit.part("1", kit.PDF, Content_ID="<2>"),), ("1",), 22),
    "too-large": ((kit.part("1", b"%PDF" + b"\0" * (MAX_BYTES - 20_000)),), ("1",), 10),
}


@pytest.mark.parametrize("name", PARTS)
async def test_files_that_do_not_fit(service, front, name):
    parts, cids, code = PARTS[name]
    refused(await service.send(*parts, cids=cids), code)
    assert not front.documents


@pytest.mark.parametrize("cut", [10, 200, 2000, -1, -6, -30])
async def test_a_letter_cut_off(service, front, cut):
    header = kit.message() + kit.login(US, "khoa-1")
    root = kit.envelope(header, kit.manifest("1"))
    data = kit.related(root, kit.text_part("1", kit.PDF)).removesuffix(b"\r\n")
    status, _, answer = await service.post(data[:cut], content_type=kit.multipart_type())
    assert b"<edXML:Code>22<" in answer, answer
    assert status in {200, 500}
    assert not front.documents


@pytest.mark.parametrize("boundary", ["c", "", '"b"; boundary=c', "b" * 80])
async def test_a_wrong_boundary(service, front, boundary):
    told = kit.multipart_type().replace("boundary=b", f"boundary={boundary}")
    reply = await service.send(kit.text_part("1", kit.PDF), content_type=told)
    if boundary == '"b"; boundary=c':  # the first counts
        good(reply)
    else:
        fault(reply)
        assert not front.documents


@pytest.mark.parametrize(
    ("version", "told"),
    [("12", "text/xml"), ("11", "application/soap+xml"), ("12", kit.multipart_type("11"))],
)
async def test_the_content_type_of_the_other_version(service, version, told):
    root = kit.envelope("", kit.request("CheckPermission", US, "khoa-1"), version)
    data = kit.related(root, version="11") if told.startswith("multipart") else root
    fault(await service.post(data, content_type=told), "12" if "soap+xml" in told else "11")


XML = {
    "doctype": b'<?xml version="1.0"?><!DOCTYPE a [<!ENTITY x SYSTEM "file:///etc/passwd">]>%s',
    "bomb": b'<!DOCTYPE a [<!ENTITY x "y"><!ENTITY z "&x;&x;">]>%s',
    "encoding": b'<?xml version="1.0" encoding="windows-1258"?>%s',
    "twice": b"%s%s",
    "deep": b"<a>" * 100 + b"%s" + b"</a>" * 100,
    "wide": b"<a %s/>%%.0s" % b" ".join(b"a%d='1'" % n for n in range(40)),
    "cut": b"%.80s",
    "none": b"%.0s",
    "json": b"{}%.0s",
    "attributes": b"<a b='1' b='2'>%s</a>",
}


@pytest.mark.parametrize("name", XML)
async def test_xml_that_is_refused(service, front, name):
    inner = kit.envelope("", kit.request("CheckPermission", US, "khoa-1")).partition(b"?>")[2]
    data = XML[name].replace(b"%s%s", b"%s" + inner) % inner
    fault(await service.post(data, action="CheckPermission"))


@pytest.mark.parametrize(
    ("change", "code"),
    [
        ((kit.SOAP["11"], "http://www.w3.org/2002/12/soap-envelope"), "VersionMismatch"),
        (("</S:Body>", "</S:Body><S:Body/>"), "Client"),
        (("<S:Header>", '<S:Header><w:S xmlns:w="urn:w" S:mustUnderstand="1"/>'), "MustUnderstand"),
        (("<S:Header>", "<S:Header><edXML:Signature/><edXML:Signature/>"), "Client"),
        (("CheckPermissionRequest", "ConfirmReceivedRequest"), "Client"),
    ],
)
async def test_envelopes_that_are_refused(service, change, code):
    root = kit.envelope("", kit.request("CheckPermission", US, "khoa-1")).decode()
    fault(await service.post(root.replace(*change).encode(), action="CheckPermission"), code=code)


async def test_a_header_for_somebody_else_or_that_may_be_left(service):
    root = kit.envelope("", kit.request("CheckPermission", US, "khoa-1")).decode()
    for block in (
        '<w:S xmlns:w="urn:w" S:actor="urn:other" S:mustUnderstand="1"/>',
        '<w:S xmlns:w="urn:w" S:mustUnderstand="0"/>',
        '<w:S xmlns:w="urn:w"/>',
    ):
        changed = root.replace("<S:Header>", f"<S:Header>{block}")
        good(await service.post(changed.encode(), action="CheckPermission"))


async def test_no_message_header(service, front):
    root = kit.envelope(kit.login(US, "khoa-1"), kit.manifest())
    refused(await service.post(root, action="SendDocument"), 22)
    refused(await service.post(root), 22)
    assert not front.documents


async def test_refusals_are_reports_trouble_is_a_fault(service, front):
    front.failure = RejectedError(Reason.RECIPIENT_UNKNOWN, "no \x00 H99")
    found = refused(await service.send(kit.text_part("1", kit.PDF)), 18)
    assert "\ufffd" in texts(found, "Description")[0]
    for failure in (UnavailableError(), ZeroDivisionError()):
        front.failure = failure
        found = fault(await service.send(kit.text_part("1", kit.PDF)), code="Server")
        assert texts(found, "Code") == ["20"]
    front.offer("a", b"rubbish", to=US)
    found = fault(await service.ask("GetDocument", DocumentId="a"), code="Server")
    assert texts(found, "Code") == ["20"]


# ---------------------------------------------------------------- our client


@pytest.fixture(params=["soap11", "soap12"])
async def bench(request, tmp_path):
    clock = FakeClock()
    axis = AxisSimulator(plugin, tmp_path, clock, manners=Manners(rewrites=False))
    axis.add_system("us", b"secret-us", [AgencyRow(US, "Sở Nội vụ", "000.00.02.H37")])
    axis.add_system("them", b"secret-them", [AgencyRow(THEM, "Sở Tài chính")])
    endpoint = await axis.start()

    def client(system_id, secret):
        return plugin.make_client(
            name="axis",
            endpoint=endpoint,
            system_id=system_id,
            secret=secret,
            clock=clock,
            variant=request.param,
        )

    ours, theirs = client("us", b"secret-us"), client("them", b"secret-them")
    yield axis, clock, ours, theirs
    await ours.close()
    await theirs.close()
    await axis.stop()


async def give(adapter, clock, data, *, to=THEM, sender=US, **how):
    parcel = parcel_of(data, sender=sender, recipients=[to], **how)
    return await adapter.deliver(parcel, deadline=clock.now() + timedelta(seconds=60))


async def joined(stream):
    return b"".join([chunk async for chunk in stream])


async def test_a_document_there_and_back(bench, tmp_path):
    _, clock, ours, theirs = bench
    data = document_packet(THEM, padding=90_000)
    assert list(await theirs.listing("edoc")) == []
    outcome = await give(ours, clock, data)
    assert isinstance(outcome, Taken)
    assert outcome.peer_doc_id.isdigit()
    (item,) = await theirs.listing("edoc")
    for n in range(2):
        came = read(await joined(theirs.fetch(item)), tmp_path, f"came{n}")
        gone = read(data, tmp_path, f"gone{n}")
        assert came.files[0].read_bytes() == gone.files[0].read_bytes()
        assert came.envelope.header.subject == gone.envelope.header.subject
        assert came.envelope.header.document_id == gone.envelope.header.document_id
        assert came.envelope.header.promulgation_date == gone.envelope.header.promulgation_date
        assert came.envelope.header.recipients[0].organ_id == THEM
    for done in (True, False):
        await theirs.acknowledge(item, done=done)
    assert list(await theirs.listing("edoc")) == []


async def test_a_status_there_and_back(bench):
    axis, clock, ours, theirs = bench
    await give(ours, clock, document_packet(THEM))
    data = strict_status().replace(b"G09", THEM.encode())
    assert isinstance(await give(theirs, clock, data, sender=THEM, to=US, kind="status"), Taken)
    (item,) = await ours.listing("status")
    assert item.sender == THEM
    told = parse_status(await joined(ours.fetch(item)))
    assert (told.code, told.response_for.document_id) == ("03", "H37.02,2026/11/21,12/SNV-VP")
    assert list(await ours.listing("status")) == [item]  # until it is ours
    await ours.acknowledge(item, done=True)
    for _ in range(4):
        assert list(await ours.listing("status")) == []
        clock.move(hours=1)
    assert [bool(item.taken_at) for item in axis.items if item.kind == "status"] == [True]


async def test_what_a_peer_says_no_to(bench):
    axis, clock, ours, _ = bench
    outcome = await give(ours, clock, document_packet("H99.99"), to="H99.99")
    assert isinstance(outcome, Refused)
    assert outcome.code == "18"
    axis.set_secrets("us", b"changed")
    assert isinstance(await give(ours, clock, document_packet(THEM)), Busy)
    with pytest.raises(UnavailableError):
        await ours.probe()
    with pytest.raises(UnavailableError):
        await ours.listing("edoc")


@pytest.mark.parametrize("how", [Fault.BUSY, Fault.LOSE_ANSWER, Fault.HTML, Fault.ERROR_500])
async def test_doubt_is_busy(bench, how):
    axis, clock, ours, _ = bench
    axis.fail("EdocService", how)
    assert isinstance(await give(ours, clock, document_packet(THEM)), Busy)
    assert isinstance(await give(ours, clock, document_packet(THEM)), Taken)


@pytest.mark.parametrize("how", [Fault.HTML, Fault.EMPTY, Fault.ERROR_500, Fault.GARBAGE])
async def test_unreadable_is_not_empty(bench, how):
    axis, clock, ours, theirs = bench
    await give(theirs, clock, document_packet(US, sender=THEM), sender=THEM, to=US)
    (item,) = await ours.listing("edoc")
    questions = [
        lambda: ours.listing("edoc"),
        lambda: ours.listing("status"),
        lambda: joined(ours.fetch(item)),
        lambda: ours.acknowledge(item, done=True),
        ours.agencies,
        ours.probe,
    ]
    for ask in questions:
        axis.fail("EdocService", how)
        with pytest.raises(UnavailableError):
            await ask()
    with pytest.raises(UnavailableError):
        await joined(ours.fetch(Listed("none", "edoc")))
    with pytest.raises(UnavailableError):
        await joined(ours.fetch(Listed("none", "status")))


async def test_the_catalogue(bench):
    ours = bench[2]
    assert {row.code for row in await ours.agencies()} == {US, THEM}
    await ours.probe()
