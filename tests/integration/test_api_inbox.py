"""/api/v1/inbox and /agencies over real sockets: every good case and its evil twin."""

import hashlib

import aiohttp
import pytest

from gateway.ports import AgencyRow
from gateway.web import models
from tests.world.api_house import house, problem
from tests.world.fake_desk import STRANGER_KEY

INBOX = "/api/v1/inbox"
PDF = b"%PDF-1.7 " + b"x" * 1000
FILES = [
    ("Công văn số 15.pdf", "application/pdf", PDF),
    ('trang "<script>".html', "text/html; charset=utf-8", b"<script>alert(1)</script>"),
    ("a\r\nSet-Cookie: x=1.svg", "image/svg+xml", b"<svg/>"),
    ("rỗng.txt", "text/plain", b""),
]


def arrange(h):
    h.desk.offer("a1", "H37.02", FILES)
    h.desk.offer("a2", "H38", FILES)
    h.desk.offer("a3", "H37", FILES)


async def test_the_feed_pages_by_cursor_and_shows_only_ones_own():
    async with house() as h:
        arrange(h)
        page = (await h.get(f"{INBOX}?limit=1")).json
        models.Inbox.model_validate(page, extra="forbid")
        assert [item["id"] for item in page["items"]] == ["a1"]
        rest = (await h.get(f"{INBOX}?after={page['next']}")).json
        assert [item["id"] for item in rest["items"]] == ["a3"]
        none = (await h.get(f"{INBOX}?after={rest['next']}")).json
        assert none == {"items": [], "next": rest["next"]}
        theirs = (await h.get(INBOX, key=STRANGER_KEY)).json
        assert [item["id"] for item in theirs["items"]] == ["a2"]


async def test_the_feed_of_one_agency():
    async with house() as h:
        arrange(h)
        page = (await h.get(f"{INBOX}?agency=H37")).json
        assert [item["id"] for item in page["items"]] == ["a3"]
        problem(await h.get(f"{INBOX}?agency=H38"), 404, "not-found")


@pytest.mark.parametrize("query", ["after=-1", "after=x", "after=9223372036854775808", "limit=0"])
async def test_wrong_cursors_are_refused(query):
    async with house() as h:
        problem(await h.get(f"{INBOX}?{query}"), 400, "bad-request")


PARTS = {
    "": models.Arrival,
    "/events": models.Events,
    "/receipts": models.Receipts,
    "/verification": models.Verification,
}


@pytest.mark.parametrize("part", PARTS)
async def test_an_arrival_and_its_parts(part):
    async with house() as h:
        arrange(h)
        reply = await h.get(f"{INBOX}/a1{part}")
        assert reply.status == 200
        PARTS[part].model_validate_json(reply.body, extra="forbid")
        assert reply.headers["Cache-Control"] == "no-store"


@pytest.mark.parametrize("part", [*PARTS, "/edxml", "/attachments/0"])
async def test_anothers_arrival_does_not_exist(part):
    async with house() as h:
        arrange(h)
        problem(await h.get(f"{INBOX}/a2{part}"), 404, "not-found")
        problem(await h.get(f"{INBOX}/nobody{part}"), 404, "not-found")


@pytest.mark.parametrize(("method", "body"), [("confirm", None), ("status", {"code": "03"})])
async def test_anothers_arrival_cannot_be_acted_on(method, body):
    async with house() as h:
        arrange(h)
        problem(await h.post(f"{INBOX}/a2/{method}", json=body), 404, "not-found")
        assert h.desk.arrivals["a2"].taken_at is None
        assert h.desk.arrivals["a2"].statuses == []


# ---------------------------------------------------------------- files


async def test_the_packet_in_both_forms():
    async with house() as h:
        arrange(h)
        strict = await h.get(f"{INBOX}/a1/edxml")
        received = await h.get(f"{INBOX}/a1/edxml?form=received")
        assert strict.body == "<edXML>chuẩn</edXML>".encode()
        assert received.body == b"<edXML>received</edXML>\r\n"
        assert strict.headers["Content-Type"] == "application/xml"
        assert strict.headers["ETag"] == f'"{hashlib.sha256(strict.body).hexdigest()}"'
        problem(await h.get(f"{INBOX}/a1/edxml?form=pretty"), 400, "bad-request")


async def test_a_file_is_a_download_under_its_name():
    async with house() as h:
        arrange(h)
        reply = await h.get(f"{INBOX}/a1/attachments/0")
        assert reply.body == PDF
        assert reply.headers["Content-Type"] == "application/pdf"
        assert reply.headers["Content-Length"] == str(len(PDF))
        assert reply.headers["ETag"] == f'"{hashlib.sha256(PDF).hexdigest()}"'
        assert reply.headers["X-Content-Type-Options"] == "nosniff"
        assert reply.headers["Content-Disposition"] == (
            'attachment; filename="C_ng v_n s_ 15.pdf"; '
            "filename*=UTF-8''C%C3%B4ng%20v%C4%83n%20s%E1%BB%91%2015.pdf"
        )


@pytest.mark.parametrize("index", [1, 2])
async def test_what_a_browser_could_run_goes_out_as_bytes(index):
    async with house() as h:
        arrange(h)
        reply = await h.get(f"{INBOX}/a1/attachments/{index}")
        assert reply.status == 200
        assert reply.headers["Content-Type"] == "application/octet-stream"
        assert reply.headers["Content-Disposition"].startswith("attachment; ")
        assert "Set-Cookie" not in reply.headers
        assert "sandbox" in reply.headers["Content-Security-Policy"]


async def test_an_empty_file_and_head():
    async with house() as h:
        arrange(h)
        assert (await h.get(f"{INBOX}/a1/attachments/3")).body == b""
        head = await h.call("HEAD", f"{INBOX}/a1/attachments/0")
        assert (head.status, head.body) == (200, b"")
        assert head.headers["Content-Length"] == str(len(PDF))


async def test_an_unchanged_file_is_not_sent_again():
    async with house() as h:
        arrange(h)
        etag = (await h.get(f"{INBOX}/a1/attachments/0")).headers["ETag"]
        same = await h.get(f"{INBOX}/a1/attachments/0", headers={"If-None-Match": f'"x", {etag}'})
        assert (same.status, same.body) == (304, b"")
        other = await h.get(f"{INBOX}/a1/attachments/0", headers={"If-None-Match": '"x"'})
        assert other.status == 200


@pytest.mark.parametrize("index", ["4", "99999", "999999", "-1", "x", "0x1", "%31%2f", "1e3"])
async def test_files_that_are_not_there(index):
    async with house() as h:
        arrange(h)
        assert (await h.get(f"{INBOX}/a1/attachments/{index}")).status == 404


async def test_a_file_that_breaks_off_is_cut_so_that_its_length_betrays_it():
    async with house() as h:
        arrange(h)
        h.desk.cut_files = True
        with pytest.raises(aiohttp.ClientError):
            await h.get(f"{INBOX}/a1/attachments/0")
        assert (await h.get("/live")).status == 200


# ---------------------------------------------------------------- acting


async def test_confirming_is_safe_to_repeat():
    async with house() as h:
        arrange(h)
        first = await h.post(f"{INBOX}/a1/confirm")
        assert first.status == 200
        models.Arrival.model_validate_json(first.body, extra="forbid")
        h.clock.at = h.clock.at.replace(hour=5)
        again = await h.post(f"{INBOX}/a1/confirm", json={})
        assert again.json["entered_system_at"] == first.json["entered_system_at"] is not None


async def test_a_status_goes_to_the_sender():
    async with house() as h:
        arrange(h)
        reply = await h.post(f"{INBOX}/a1/status", json={"code": "02", "reason": "Gửi nhầm"})
        assert reply.status == 200
        models.Arrival.model_validate_json(reply.body, extra="forbid")
        assert h.desk.arrivals["a1"].statuses == [("02", "Gửi nhầm")]
        again = await h.post(f"{INBOX}/a1/status", json={"code": "03"})
        problem(again, 409, "illegal-transition")


async def test_a_refusal_without_reason_is_refused():
    async with house() as h:
        arrange(h)
        problem(await h.post(f"{INBOX}/a1/status", json={"code": "02"}), 400, "bad-request")


@pytest.mark.parametrize(
    ("body", "where"),
    [
        ({"code": "01"}, "/code"),
        ({"code": "13"}, "/code"),
        ({"code": 3}, "/code"),
        ({"code": "03", "resaon": "x"}, "/resaon"),
        ({}, "/code"),
        ({"code": "02", "reason": "x" * 1001}, "/reason"),
        ({"code": "02", "reason": "a\x00"}, "/reason"),
    ],
)
async def test_wrong_statuses_are_named(body, where):
    async with house() as h:
        arrange(h)
        found = problem(await h.post(f"{INBOX}/a1/status", json=body), 422, "rules-broken")
        assert [each["where"] for each in found["findings"]] == [where]


async def test_status_takes_json_only_and_little_of_it():
    async with house() as h:
        arrange(h)
        problem(await h.post(f"{INBOX}/a1/status", data=b"x"), 415, "unsupported-media-type")
        js = {"Content-Type": "application/json"}
        problem(await h.post(f"{INBOX}/a1/status", data=b"{", headers=js), 422, "malformed")
        big = b'{"code": "03", "reason": "' + b"x" * 300_000
        problem(await h.post(f"{INBOX}/a1/status", data=big, headers=js), 413, "too-large")


async def test_the_catalogue():
    async with house() as h:
        h.intake.catalogue.append(AgencyRow("H37.05", "Sở Nội vụ", "000.00.05.H37"))
        reply = await h.get("/api/v1/agencies")
        models.Agencies.model_validate_json(reply.body, extra="forbid")
        assert reply.json["items"][0]["name"] == "Sở Nội vụ"
