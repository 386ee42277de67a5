"""Pages of incoming documents over a desk in memory: rights, words, hostile texts."""

import aiohttp
import pytest

from gateway.console.sections import home, receiving
from gateway.console.sections.incomingpaper import FIELDS
from gateway.domain.access import Grant, Person, Role
from gateway.domain.lifecycle import ArrivalState
from gateway.ports.clerk_receive import Assigned
from gateway.web.body import Limits
from gateway.web.studio import Studio
from tests.world.console import (
    CLERK,
    LEADER,
    NOBODY,
    OPERATOR,
    OTHER_CLERK,
    FakeTrail,
    console_site,
)
from tests.world.fake_receiving import FakeReceiving

OFFICER = Person("a-tuan", "tuan", "Đỗ Tuấn", (Grant(Role.OFFICER, "H37.61"),), "s8")
HOSTILE = "<script>alert(1)</script>\"'><img src=x onerror=alert(2)>\u202e"


@pytest.fixture(name="desk")
def _desk():
    return FakeReceiving()


@pytest.fixture(name="site")
async def _site(desk):
    trail = FakeTrail()
    pages = receiving.section(desk, Studio(), Limits())
    async with console_site(home.section(), pages, trail=trail) as site:
        desk.arrive("one", "H37.61", subject=HOSTILE, sender_name=HOSTILE, code=HOSTILE)
        yield site


async def test_what_senders_write_is_text(site):
    clerk = await site.visitor(CLERK)
    for path in ("/incoming", "/incoming/one"):
        answer = await clerk.get(path)
        assert answer.status == 200
        assert "<script>alert" not in answer.text
        assert "<img src=x" not in answer.text


async def test_who_may_not_read_it_learns_nothing_and_leaves_a_trace(site):
    for person in (OTHER_CLERK, OFFICER):
        visitor = await site.visitor(person)
        answer = await visitor.get("/incoming/one")
        assert answer.status == 404, person.login
        assert "H37.61" not in answer.text
    assert [r[:2] for r in site.trail.refusals] == [
        (p.account_id, "incoming-document") for p in (OTHER_CLERK, OFFICER)
    ]
    for person in (NOBODY, OPERATOR):
        assert (await (await site.visitor(person)).get("/incoming/one")).status == 403
    assert site.trail.views == []


async def test_what_is_left_of_one_taken_back_has_a_page(site, desk):
    desk.header = {}
    desk.arrive("gone", "H37.61", state=ArrivalState.RECALLED, subject="", sender_name="")
    answer = await (await site.visitor(CLERK)).get("/incoming/gone")
    assert answer.status == 200
    assert "đã bị thu hồi" in answer.words
    assert "Kiểm tra trước khi tiếp nhận" not in answer.words


async def test_a_leader_sees_but_does_not_accept(site, desk):
    leader = await site.visitor(LEADER)
    answer = await leader.get("/incoming/one")
    assert answer.status == 200
    assert "Tiếp nhận, vào sổ" not in answer.words
    assert (await leader.post("/incoming/one/accept", {})).status == 403
    assert desk.told == []


async def test_an_officer_sees_what_is_assigned_as_long_as_it_is(site, desk):
    officer = await site.visitor(OFFICER)
    desk.assigned["one"] = [Assigned("a-tuan")]
    assert (await officer.get("/incoming/one")).status == 200
    assert (await officer.get("/incoming")).status == 403
    assert "/incoming/one" in (await officer.get("/incoming/mine")).text
    desk.assigned["one"] = [Assigned("a-tuan", standing=False)]
    assert (await officer.get("/incoming/one")).status == 404


async def test_each_view_is_recorded_before_it_is_shown(site):
    clerk = await site.visitor(CLERK)
    await clerk.get("/incoming/one")
    await clerk.get("/incoming/one/receipts")
    await clerk.get("/incoming/one/files/0")
    whats = [what for _, target, what in site.trail.views if target == "arrival:one"]
    assert whats == ["page", "receipts", "file"]


async def test_lists_have_pages_words_and_no_box_of_their_own(site, desk):
    for n in range(120):
        desk.arrive(f"x{n:03}", "H37.61", urgency=n % 2, subject=f"Văn bản {n}")
    clerk = await site.visitor(CLERK)
    first = await clerk.get("/incoming")
    assert first.text.count('class="urgent"') == 50
    assert "after=1%3Ax" in first.text
    assert (await clerk.get("/incoming?box=nothing")).status == 404
    await clerk.post("/language", {"lang": "en", "next": "/console"})
    assert "Incoming documents" in (await clerk.get("/incoming")).words


async def test_a_form_that_is_incomplete_comes_back_as_it_was_typed(site):
    clerk = await site.visitor(CLERK)
    await clerk.get("/incoming/one")
    answer = await clerk.post("/incoming/one/refuse", {"code": "R14", "text": "vì <thế>"})
    assert answer.status == 422
    assert "vì &lt;thế&gt;" in answer.text
    assert 'value="R14" selected' in answer.text


async def test_the_paper_form_is_ours_whole_and_in_its_order(site, desk):
    clerk = await site.visitor(CLERK)
    await clerk.get("/incoming/paper")
    whole = dict.fromkeys(FIELDS, "") | {"agency": "H37.61", "sender_name": "Ông A"}
    whole |= {"subject": "Đơn", "promulgation_date": "2026-01-05", "pages": "hai"}
    assert (await _paper(clerk, "0" * 64, whole)).status == 400
    assert (await _paper(clerk, clerk._token, dict(reversed(whole.items())))).status == 422
    assert (await _paper(clerk, clerk._token, whole)).status == 422
    assert (await _paper(clerk, clerk._token, whole | {"agency": "H37.04"})).status == 403
    assert "p1" not in desk.lines
    done = await _paper(clerk, clerk._token, whole | {"pages": "2"})
    assert (done.status, done.location) == (303, "/console/incoming/p1")


async def _paper(visitor, token, fields):
    form = aiohttp.FormData()
    form.add_field("_csrf", token)
    for name, value in fields.items():
        form.add_field(name, value)
    form.add_field("file", b"", filename="", content_type="application/octet-stream")
    return await visitor._ask("POST", "/incoming/paper", data=form)
