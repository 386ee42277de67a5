"""POST and GET /api/v1/documents over real sockets: every good case and its evil twin."""

import asyncio
import json

import aiohttp
import pytest

from gateway.domain.envelope import Urgency
from gateway.domain.finding import Finding, Severity
from gateway.errors import Reason, RejectedError, UnavailableError
from gateway.web import models
from gateway.web.metadata import schema_examples
from tests.world.api_house import house, problem
from tests.world.fake_desk import STRANGER_KEY

DOCUMENTS = "/api/v1/documents"
METADATA = schema_examples()["Metadata"]


def form(metadata=None, files=((b"%PDF-1.7", "chính.pdf"),), *, first="metadata"):
    made = aiohttp.FormData()
    text = metadata if isinstance(metadata, str) else json.dumps(metadata or METADATA)
    made.add_field(first, text, content_type="application/json")
    for data, name in files:
        made.add_field("file", data, filename=name, content_type="application/pdf")
    return made


@pytest.mark.parametrize(
    "kind",
    [
        "application/xml",
        "text/xml; charset=utf-8",
        "application/edxml+xml",
        "application/octet-stream",
    ],
)
async def test_a_packet_is_taken(kind):
    async with house() as h:
        reply = await h.submit(b"<edXML>1</edXML>", headers={"Content-Type": kind})
        assert reply.status == 202
        (sent,) = h.intake.sent.values()
        assert reply.body.decode() == sent.accepted.answer_json
        models.AcceptedOut.model_validate_json(reply.body, extra="forbid")
        assert reply.headers["Location"] == f"{DOCUMENTS}/{sent.accepted.id}"
        assert "Idempotent-Replayed" not in reply.headers
        assert (await h.get(reply.headers["Location"])).status == 200


async def test_options_reach_the_front_door():
    async with house() as h:
        await h.post(
            DOCUMENTS + "?all_or_nothing=true",
            data=b"x",
            headers={"Content-Type": "application/xml", "Idempotency-Key": "k-1"},
        )
        (sent,) = h.intake.sent.values()
        assert sent.options.all_or_nothing
        assert sent.options.idempotency_key == "k-1"
        assert sent.options.via == "api"


async def test_a_repeat_gets_the_same_status_and_body():
    async with house() as h:
        first = await h.submit(headers={"Idempotency-Key": "k"})
        again = await h.submit(headers={"Idempotency-Key": "k"})
        assert (again.status, again.body) == (first.status, first.body)
        assert again.headers["Idempotent-Replayed"] == "true"
        assert len(h.intake.sent) == 1


async def test_the_same_key_with_another_body_is_refused():
    async with house() as h:
        await h.submit(b"one", headers={"Idempotency-Key": "k"})
        other = await h.submit(b"two", headers={"Idempotency-Key": "k"})
        problem(other, 422, "idempotency-reused")


async def test_the_same_key_in_flight_is_a_conflict_and_keys_belong_to_their_caller():
    async with house() as h:
        h.intake.hold = asyncio.Event()
        first = asyncio.ensure_future(h.submit(headers={"Idempotency-Key": "k"}))
        await h.intake.until_waiting(1)
        problem(await h.submit(headers={"Idempotency-Key": "k"}), 409, "in-flight")
        stranger = asyncio.ensure_future(
            h.submit(b"other", headers={"Idempotency-Key": "k"}, key=STRANGER_KEY)
        )
        await h.intake.until_waiting(2)
        h.intake.hold.set()
        assert (await first).status == 202
        assert (await stranger).status == 202


@pytest.mark.parametrize("key", ["", " ", "a b", "é", "x" * 201])
async def test_a_key_that_cannot_be_one_is_refused(key):
    async with house() as h:
        problem(await h.submit(headers={"Idempotency-Key": key}), 400, "bad-request")
        assert h.intake.begun == 0


async def test_all_findings_of_a_refusal_are_told():
    async with house() as h:
        h.intake.failure = RejectedError(
            Reason.RULES_BROKEN,
            "Two faults",
            findings=(
                Finding("MD-01", Severity.ERROR, "/edXML/a", "Thiếu", "Missing", "R02"),
                Finding("FMT-01", Severity.WARNING, "x.exe", "Sai", "Wrong"),
            ),
        )
        found = problem(await h.submit(), 422, "rules-broken")
        assert found["detail"] == "Two faults"
        assert found["title"] == "Văn bản chưa đủ điều kiện gửi"
        assert found["findings"] == [
            {
                "rule": "MD-01",
                "severity": "error",
                "where": "/edXML/a",
                "vi": "Thiếu",
                "en": "Missing",
                "refusal": "R02",
            },
            {
                "rule": "FMT-01",
                "severity": "warning",
                "where": "x.exe",
                "vi": "Sai",
                "en": "Wrong",
                "refusal": "",
            },
        ]
        models.Problem.model_validate(found, extra="forbid")


# What is gone was there: nothing that is sent can be (test_inbox_replay.py has that answer).
@pytest.mark.parametrize("reason", [r for r in Reason if r is not Reason.GONE])
async def test_every_reason_has_its_problem(reason):
    async with house() as h:
        h.intake.failure = RejectedError(reason)
        reply = await h.submit()
        assert problem(reply, reply.status, str(reason))["title"]


async def test_trouble_that_passes_says_when():
    async with house() as h:
        h.intake.failure = UnavailableError(retry_after_s=2.2)
        reply = await h.submit()
        problem(reply, 503, "unavailable")
        assert reply.headers["Retry-After"] == "3"


# ---------------------------------------------------------------- forms


async def test_a_form_is_taken_main_document_first():
    async with house() as h:
        files = [(b"%PDF-1.7 main", "chính văn.pdf"), (b"a" * 200_000, "../../etc/phụ lục.docx")]
        reply = await h.post(DOCUMENTS, data=form(files=files))
        assert reply.status == 202, reply.body
        (sent,) = h.intake.sent.values()
        assert [name for name, *_ in sent.files] == ["chính văn.pdf", "../../etc/phụ lục.docx"]
        assert sent.size_bytes == 200_013
        assert sent.options.via == "form"
        assert sent.header.urgency is Urgency.EXPRESS
        assert sent.header.sender.organ_id == "H37.02"
        assert [each.organ_id for each in sent.header.recipients] == ["H37.05", "G22"]


async def test_declared_secrecy_travels_beside_the_header():
    async with house() as h:
        await h.post(DOCUMENTS, data=form(METADATA | {"secrecy": 2}))
        (sent,) = h.intake.sent.values()
        assert sent.options.secrecy == 2


async def test_all_faults_of_the_metadata_are_told_at_once():
    bad = {
        "sender": {"organ_id": ""},
        "recipients": [],
        "subjct": "x",
        "urgency": "gấp",
        "promulgation_date": "31/01/2026",
        "type_code": "2",
        "business": {"doc_type": 9, "nope": 1},
        "secrecy": 7,
        "content": "a\x01",
    }
    async with house() as h:
        found = problem(await h.post(DOCUMENTS, data=form(bad)), 422, "rules-broken")
        wheres = {each["where"]: each["rule"] for each in found["findings"]}
        assert wheres == {
            "/sender/organ_id": "MD-01",
            "/recipients": "MD-01",
            "/subjct": "MD-10",
            "/urgency": "MD-10",
            "/promulgation_date": "MD-10",
            "/type_code": "MD-10",
            "/business/doc_type": "MD-10",
            "/business/nope": "MD-10",
            "/secrecy": "SEC-01",
            "/content": "FMT-06",
        }
        assert all(each["vi"] and each["en"] for each in found["findings"])
        assert h.intake.begun == 0


@pytest.mark.parametrize(
    ("made", "status", "reason"),
    [
        (lambda: form("{"), 422, "malformed"),
        (lambda: form("[]"), 422, "rules-broken"),
        (lambda: form(first="meta"), 422, "malformed"),
        (lambda: form("x" * 300_000), 413, "too-large"),
    ],
)
async def test_a_wrong_form_is_refused(made, status, reason):
    async with house() as h:
        problem(await h.post(DOCUMENTS, data=made()), status, reason)
        assert not h.intake.sent


BOUNDARY = {"Content-Type": "multipart/form-data; boundary=b"}
META = (
    b'--b\r\nContent-Disposition: form-data; name="metadata"\r\n\r\n'
    + json.dumps(METADATA).encode()
    + b"\r\n"
)
FILE = b'--b\r\nContent-Disposition: form-data; name="file"; filename="a.pdf"\r\n\r\nPDF\r\n'


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"no boundary at all",
        b"--b",
        b"--b--\r\n",
        META,
        META + FILE,  # the end is missing
        META + FILE[:-20],
        META + b"--b\r\n\r\nno headers\r\n--b--\r\n",
        META + FILE.replace(b'name="file"', b'name="other"') + b"--b--\r\n",
        META + FILE.replace(b'; filename="a.pdf"', b"") + b"--b--\r\n",
        META + FILE.replace(b"\r\n\r\n", b"\r\nContent-Transfer-Encoding: base64\r\n\r\n", 1),
        META + FILE.replace(b"\r\n\r\n", b"\r\nContent-Type: multipart/mixed; boundary=c\r\n\r\n"),
        META + b"--b\r\n" + b"X: y\r\n" * 500 + b"\r\n--b--\r\n",
        META + b"--b\r\nX: " + b"y" * 100_000 + b"\r\n\r\n--b--\r\n",
        FILE + META + b"--b--\r\n",
        META + FILE.replace(b"a.pdf", b"\xff\xfe.pdf") + b"--b--\r\n",
        META + FILE.replace(b"a.pdf", b"a%00.pdf") + b"--b--\r\n",
        META + FILE.replace(b"form-data", b"attachment") + b"--b--\r\n",
        META.replace(b'="metadata"', b'="metadata') + FILE + b"--b--\r\n",
    ],
)
async def test_a_malformed_form_is_refused_and_leaves_nothing(body):
    async with house() as h:
        problem(await h.post(DOCUMENTS, data=body, headers=BOUNDARY), 422, "malformed")
        assert not h.intake.sent


async def test_the_good_twin_of_the_malformed_forms():
    async with house() as h:
        reply = await h.post(DOCUMENTS, data=META + FILE + b"--b--\r\n", headers=BOUNDARY)
        assert reply.status == 202, reply.body


@pytest.mark.parametrize(
    ("written", "meant"),
    [
        ("chính văn.pdf", "chính văn.pdf"),
        ("ch%C3%ADnh%20v%C4%83n.pdf", "chính văn.pdf"),
        ("100%.pdf", "100%.pdf"),
        ("%FF.pdf", "%FF.pdf"),
        ("C:\\vb\\a.pdf", "C:vba.pdf"),
    ],
)
async def test_file_names_are_taken_as_written_or_percent_encoded(written, meant):
    async with house() as h:
        body = META + FILE.replace(b"a.pdf", written.encode()) + b"--b--\r\n"
        assert (await h.post(DOCUMENTS, data=body, headers=BOUNDARY)).status == 202
        (sent,) = h.intake.sent.values()
        assert sent.files[0][0] == meant


@pytest.mark.parametrize(
    "kind", ["multipart/form-data", "multipart/form-data; boundary=" + "b" * 80]
)
async def test_a_form_without_a_boundary_is_refused(kind):
    async with house() as h:
        reply = await h.post(DOCUMENTS, data=META, headers={"Content-Type": kind})
        problem(reply, 422, "malformed")


@pytest.mark.parametrize(
    "kind", ["application/json", "text/html", "multipart/mixed; boundary=b", "application/pdf", "x"]
)
async def test_other_content_types_are_refused(kind):
    async with house() as h:
        reply = await h.submit(headers={"Content-Type": kind})
        if kind == "x":  # unreadable: taken for octet-stream, as HTTP says
            assert reply.status == 202
        else:
            problem(reply, 415, "unsupported-media-type")


async def test_a_coded_body_is_refused():
    async with house() as h:
        reply = await h.submit(headers={"Content-Encoding": "gzip"})
        problem(reply, 415, "unsupported-media-type")


# ---------------------------------------------------------------- questions


async def test_the_list_pages_and_finds_by_identifier():
    async with house() as h:
        for n in range(5):
            await h.submit(b"%d" % n)
        first = (await h.get(DOCUMENTS + "?limit=3")).json
        models.Documents.model_validate(first, extra="forbid")
        rest = (await h.get(f"{DOCUMENTS}?limit=3&after={first['next']}")).json
        assert len(first["items"]) == 3
        assert len(rest["items"]) == 2
        assert rest["next"] is None
        wanted = first["items"][0]["document_id"]
        found = (await h.get(DOCUMENTS, params={"document_id": wanted})).json
        assert [item["document_id"] for item in found["items"]] == [wanted]


PARTS = {
    "": models.Document,
    "/events": models.Events,
    "/receipts": models.Receipts,
    "/verification": models.Verification,
}


@pytest.mark.parametrize("part", PARTS)
async def test_a_document_and_its_parts(part):
    async with house() as h:
        place = (await h.submit()).headers["Location"]
        reply = await h.get(place + part)
        assert reply.status == 200
        PARTS[part].model_validate_json(reply.body, extra="forbid")
        head = await h.call("HEAD", place + part)
        assert (head.status, head.body) == (200, b"")


@pytest.mark.parametrize("part", PARTS)
async def test_another_callers_document_does_not_exist(part):
    async with house() as h:
        place = (await h.submit()).headers["Location"]
        theirs = problem(await h.get(place + part, key=STRANGER_KEY), 404, "not-found")
        nobodys = problem(
            await h.get(f"{DOCUMENTS}/01990000-0000-7000-9000-00000000ffff{part}"), 404, "not-found"
        )
        assert theirs | {"request_id": ""} == nobodys | {"request_id": ""}
        assert (await h.get(DOCUMENTS, key=STRANGER_KEY)).json["items"] == []


@pytest.mark.parametrize(
    "bad",
    ["..", "..%2f..%2fetc%2fpasswd", "%00", "a%0d%0ab", "%2e%2e", "x" * 65, "a b", "é", "a%2fb"],
)
async def test_ids_that_cannot_be_ids_are_not_found(bad):
    async with house() as h:
        reply = await h.raw(
            f"GET {DOCUMENTS}/{bad.replace(' ', '%20').replace('é', '%C3%A9')}/events HTTP/1.1\r\n"
            "Host: x\r\nAuthorization: Bearer vl_sender-0123456789abcdef\r\n"
            "Connection: close\r\n\r\n".encode()
        )
        assert reply.startswith(b"HTTP/1.1 404 ")
        assert b"problem+json" in reply
        assert h.desk.calls == []


@pytest.mark.parametrize(
    "query",
    [
        "limit=0",
        "limit=1001",
        "limit=x",
        "limit=-1",
        "limit=1&limit=2",
        "limt=3",
        "after=",
        "document_id=%00",
        "limit=" + "9" * 5000,
        "limit=%D9%A3",
    ],
)
async def test_wrong_parameters_are_named(query):
    async with house() as h:
        found = problem(await h.get(f"{DOCUMENTS}?{query}"), 400, "bad-request")
        assert query.partition("=")[0] in found["detail"]


async def test_all_wrong_parameters_at_once():
    async with house() as h:
        found = problem(await h.get(f"{DOCUMENTS}?limit=0&x=1&after="), 400, "bad-request")
        assert all(name in found["detail"] for name in ("limit", "x", "after"))
