"""`…/verification` in every form, what was signed, over real sockets on fakes."""

import hashlib
from dataclasses import replace

import pytest
from lxml import etree

from gateway.reports import html, schema
from gateway.trust.pictures import PagePicture, Pictures
from gateway.trust.render import to_json
from gateway.web.scratch import Scratch
from gateway.web.studio import Studio
from tests.world.api_house import house, problem
from tests.world.fake_desk import SENDER_KEY, STRANGER_KEY
from tests.world.made_reports import EVIL, report, signature, states

ARRIVAL = "01990000-0000-7000-9000-000000000001"
DATA = b"%PDF-1.7 signed part %%EOF\n and what came later"
END = 27
PNG = b"\x89PNG\r\n\x1a\nfake"


class FakePainter:
    """Draws the same page for everybody; keeps what it was asked."""

    def __init__(self):
        self.asked = []

    async def draw(self, path, wanted):
        self.asked.append((path.read_bytes(), [w.page for w in wanted]))
        return Pictures({1: PagePicture(PNG, 400, 566)}, {0: (1.0, 2.0, 3.0, 4.0)})


def told(*reports):
    files = [
        {"index": n, "name": f"t{n}.pdf", "report": None if r is None else to_json(r)}
        for n, r in enumerate(reports)
    ]
    return {"verdict": "valid", "legal_class": "original", "files": files}


def of(data, end=END):
    """Return a report on these bytes whose signature signed the first ones."""
    digest = hashlib.sha256(data[:end]).hexdigest()
    one = signature(revision_end=end, revision_sha256=digest)
    return report(one, sha256=hashlib.sha256(data).hexdigest(), size_bytes=len(data))


@pytest.fixture(name="offered")
async def _offered():
    async with house() as h:
        h.desk.offer(ARRIVAL, "H37.02", [("công văn.pdf", "application/pdf", DATA)])
        h.desk.verification = told(of(DATA), None)
        yield h


URL = f"/api/v1/inbox/{ARRIVAL}/verification"


async def test_json_stays_what_it_was(offered):
    reply = await offered.get(URL)
    assert reply.status == 200
    assert reply.headers["Content-Type"].startswith("application/json")
    assert reply.json == offered.desk.verification
    assert reply.headers["Vary"] == "Accept"
    same = await offered.get(f"{URL}?format=json", headers={"Accept": "text/html"})
    assert same.json == reply.json


async def test_one_file_of_several(offered):
    reply = await offered.get(f"{URL}?file=1")
    assert [f["index"] for f in reply.json["files"]] == [1]
    problem(await offered.get(f"{URL}?file=7"), 404, "not-found")
    problem(await offered.get(f"{URL}?file=-1"), 400, "bad-request")
    problem(await offered.get(f"{URL}?format=docx"), 400, "bad-request")
    problem(await offered.get(f"{URL}?lang=fr"), 400, "bad-request")


@pytest.mark.parametrize("how", [{"path": "?format=html"}, {"accept": "text/html,*/*;q=0.8"}])
async def test_the_page(offered, how):
    headers = {"Accept": how["accept"]} if "accept" in how else {}
    reply = await offered.get(URL + how.get("path", ""), headers=headers)
    assert reply.status == 200
    assert reply.headers["Content-Type"] == "text/html; charset=utf-8"
    text = reply.body.decode()
    assert "có giá trị pháp lý như bản gốc văn bản giấy" in text
    assert 'href="verification/files/0/signed/0"' in text
    policy = reply.headers["Content-Security-Policy"]
    assert policy.startswith(html.content_security_policy())
    assert "sandbox allow-downloads" in policy
    assert "script" not in policy
    assert reply.headers["X-Content-Type-Options"] == "nosniff"
    assert "data:image" not in text  # nobody draws here


async def test_the_english_page(offered):
    reply = await offered.get(f"{URL}?format=html&lang=en")
    assert '<html lang="en">' in reply.body.decode()


async def test_xml(offered):
    reply = await offered.get(URL, headers={"Accept": "application/xml"})
    assert reply.headers["Content-Type"].startswith("application/xml")
    assert etree.fromstring(reply.body).tag.endswith("}ValidationReport")


async def test_what_was_signed_is_given_byte_for_byte(offered):
    reply = await offered.get(f"{URL}/files/0/signed/0")
    assert reply.status == 200
    assert reply.body == DATA[:END]
    assert reply.headers["Content-Type"] == "application/octet-stream"
    assert reply.headers["Content-Disposition"] == (
        "attachment; filename=\"t0.ban-ky-1.pdf\"; filename*=UTF-8''t0.ban-ky-1.pdf"
    )
    assert reply.headers["ETag"] == f'"{hashlib.sha256(DATA[:END]).hexdigest()}"'
    head = await offered.call("HEAD", f"{URL}/files/0/signed/0")
    assert (head.status, head.body) == (200, b"")


@pytest.mark.parametrize(
    "path", ["0/signed/1", "0/signed/x", "1/signed/0", "9/signed/0", "x/signed/0"]
)
async def test_what_nobody_signed_is_not_there(offered, path):
    problem(await offered.get(f"{URL}/files/{path}"), 404, "not-found")


async def test_a_signature_whose_part_is_not_told_gives_nothing(offered):
    offered.desk.verification = told(report(signature(revision_end=0)))
    problem(await offered.get(f"{URL}/files/0/signed/0"), 404, "not-found")
    text = (await offered.get(f"{URL}?format=html")).body.decode()
    assert "/signed/" not in text


async def test_a_file_that_is_not_the_reports_is_never_given(offered):
    offered.desk.verification = told(of(DATA + b"other"))
    problem(await offered.get(f"{URL}/files/0/signed/0"), 500, "internal")
    spoilt = of(DATA)
    lying = replace(spoilt.signatures[0], revision_sha256="00" * 32)
    offered.desk.verification = told(replace(spoilt, signatures=(lying,)))
    with pytest.raises(Exception, match=r"(?i)payload|disconnect|reset"):
        await offered.get(f"{URL}/files/0/signed/0")
    long = replace(spoilt.signatures[0], revision_end=len(DATA) + 1)
    offered.desk.verification = told(replace(spoilt, signatures=(long,)))
    problem(await offered.get(f"{URL}/files/0/signed/0"), 500, "internal")


@pytest.mark.parametrize("path", ["", "?format=html", "?format=xml", "/files/0/signed/0"])
async def test_another_agencys_document_does_not_exist(offered, path):
    problem(await offered.get(URL + path, key=STRANGER_KEY), 404, "not-found")
    problem(await offered.get(URL + path, key=None), 401, "unauthenticated")
    problem(await offered.get(URL + path, key="vl_wrong-0123456789"), 401, "unauthenticated")


async def test_the_sender_has_the_same(offered):
    sent = (await offered.submit()).json["id"]
    offered.desk.sent_files = [("t0.pdf", "application/pdf", DATA)]
    url = f"/api/v1/documents/{sent}/verification"
    assert (await offered.get(url)).json == offered.desk.verification
    assert "HỢP LỆ" in (await offered.get(f"{url}?format=html")).body.decode()
    assert (await offered.get(f"{url}/files/0/signed/0")).body == DATA[:END]
    for path in ("", "?format=html", "/files/0/signed/0"):
        problem(await offered.get(url + path, key=STRANGER_KEY), 404, "not-found")


async def test_strangers_words_in_the_desks_answer_stay_text(offered):
    evil = told(states()["hash"])
    evil["files"][0]["name"] = EVIL
    offered.desk.verification = evil
    text = (await offered.get(f"{URL}?format=html")).body.decode()
    assert "<script" not in text
    assert "\u202e" not in text


async def test_a_pending_document_is_being_verified(offered):
    offered.desk.verification = {"verdict": "pending", "legal_class": None, "files": []}
    text = (await offered.get(f"{URL}?format=html")).body.decode()
    assert "ĐANG KIỂM TRA" in text


async def test_the_schema_is_served(offered):
    reply = await offered.get("/api/v1/schemas/verification-report.json")
    assert reply.body.decode() == schema.text()
    problem(
        await offered.get("/api/v1/schemas/verification-report.json", key=None),
        401,
        "unauthenticated",
    )


async def test_pages_are_drawn_from_the_stored_file_and_leave_nothing(tmp_path):
    painter = FakePainter()
    studio = Studio(painter=painter, scratch=Scratch(tmp_path / "scratch"))
    async with house(studio=studio) as h:
        h.desk.offer(ARRIVAL, "H37.02", [("a.pdf", "application/pdf", DATA)])
        h.desk.verification = told(of(DATA))
        text = (await h.get(f"{URL}?format=html", key=SENDER_KEY)).body.decode()
        assert "data:image/png;base64," in text
        assert painter.asked == [(DATA, [1])]
        await h.get(f"{URL}?format=xml")
        await h.get(URL)
        assert len(painter.asked) == 1
    assert list((tmp_path / "scratch").iterdir()) == []
