"""A clerk's day with what comes in, against a whole gateway: check, accept, refuse, assign, paper.

RCV-03 returned with a reason, RCV-12 assigned, RCV-13 registered before it is handled, RCV-14 paper.
"""

import asyncio
import json
import re
from datetime import timedelta

import aiohttp
import pytest

from gateway.console.sections.incomingpaper import FIELDS
from gateway.domain.access import Role
from gateway.domain.worktime import local
from gateway.ports import Caller, ChangeSet, Insert, Update
from gateway.ports.clerk_receive import Box
from gateway.programs import bookkeeping
from gateway.programs.clerk.receiving import LedgerReceiving
from gateway.programs.watch.keeping import LedgerAlerts
from tests.world.gatehouse import gatehouse, packet
from tests.world.heavy_files import scan

WARD = "H37.61"


@pytest.fixture(name="house")
async def _house(tmp_path):
    async with gatehouse(tmp_path) as house:
        yield house


async def sent(house, number="12", **options):
    """Send one document to the ward; return the sender's answer and the ward's arrival."""
    status, answer, _ = await house.send(packet(number, to=(WARD,), **options))
    assert status == 202, answer
    await house.state(answer["id"], WARD, "arrived")
    (delivery,) = (await house.document(answer["id"]))["deliveries"]
    row = await house.row("arrival_of_delivery", delivery_id=delivery["id"])
    return answer, row["id"]


async def clerk_of(house, login="lan", role=Role.CLERK, agency=WARD):
    return await house.visitor(login, role, agency)


async def number_of(house, arrival_id):
    return (await house.row("arrival", id=arrival_id))["arrival_number"]


async def test_received_checked_accepted_numbered_and_the_sender_told(house):
    answer, arrival_id = await sent(house, urgency=2)
    clerk = await clerk_of(house)
    listed = await clerk.get("/incoming")
    assert listed.status == 200
    assert "V/v thử nghiệm liên thông" in listed.words
    assert "Thượng khẩn" in listed.words
    page = await clerk.get(f"/incoming/{arrival_id}")
    assert page.status == 200, page.words
    for step in ("Gói tin", "Nơi nhận", "Mã độc", "Chữ ký số", "Bí mật nhà nước", "Trùng văn bản"):
        assert step in page.words
    assert "Phải hồi báo bên gửi" in page.words
    assert await number_of(house, arrival_id) is None  # DID-04: not before the clerk's 03
    done = await clerk.post(f"/incoming/{arrival_id}/accept", {"note": ""})
    assert done.status == 303
    assert "số đến 1/" in (await clerk.get(f"/incoming/{arrival_id}")).words
    assert await number_of(house, arrival_id) == 1
    await house.state(answer["id"], WARD, "accepted")
    assert "Tiếp nhận, vào sổ" not in (await clerk.get(f"/incoming/{arrival_id}")).words


async def test_two_clerks_and_two_clicks_give_one_number(house):
    _, arrival_id = await sent(house)
    lan, hoa = await clerk_of(house), await clerk_of(house, "hoa")
    for one in (lan, hoa):
        await one.get(f"/incoming/{arrival_id}")
    path = f"/incoming/{arrival_id}/accept"
    answers = await asyncio.gather(*(one.post(path, {}) for one in (lan, hoa, lan, hoa)))
    assert {a.status for a in answers} == {303}
    assert await number_of(house, arrival_id) == 1
    _, other = await sent(house, "13")
    await lan.get(f"/incoming/{other}")
    await lan.post(f"/incoming/{other}/accept", {})
    assert await number_of(house, other) == 2


async def test_refused_with_a_reason_the_sender_reads_and_never_accepted_after(house):
    answer, arrival_id = await sent(house)
    clerk = await clerk_of(house)
    await clerk.get(f"/incoming/{arrival_id}")
    path = f"/incoming/{arrival_id}/refuse"
    for fields in ({}, {"code": "R14"}, {"code": "R14", "text": "vì thế"}, {"code": "R99"}):
        assert (await clerk.post(path, fields)).status == 422
    done = await clerk.post(path, {"code": "R01", "text": "Gửi nhầm phường"})
    assert done.status == 303
    await house.state(answer["id"], WARD, "returned")
    document = await house.document(answer["id"])
    (delivery,) = document["deliveries"]
    assert "R01" in delivery["reason"]
    assert "Gửi nhầm phường" in delivery["reason"]
    assert (await clerk.post(path, {"code": "R01"})).status == 303  # a second click
    assert (await clerk.post(f"/incoming/{arrival_id}/accept", {})).status == 409
    assert await number_of(house, arrival_id) is None
    assert "Từ chối, trả lại bên gửi" in (await clerk.get(f"/incoming/{arrival_id}")).words


async def test_what_another_agency_has_does_not_exist_for_a_clerk(house):
    _, arrival_id = await sent(house)
    stranger = await clerk_of(house, "mai", agency="H37.04")
    await stranger.get("/incoming?agency=H37.04")
    for path in ("", "/verification", "/receipts", "/packet", "/files/0", "/files/0/view"):
        assert (await stranger.get(f"/incoming/{arrival_id}{path}")).status == 404, path
    for act in ("accept", "refuse", "assign", "progress", "irregular"):
        answer = await stranger.post(f"/incoming/{arrival_id}/{act}", {"code": "R01"})
        assert answer.status == 404, act
    assert (await stranger.get(f"/incoming?agency={WARD}")).status == 403
    assert await number_of(house, arrival_id) is None


async def test_assigned_to_an_officer_who_sees_it_and_finishes_it(house):
    answer, arrival_id = await sent(house)
    other_answer, other = await sent(house, "13")
    clerk = await clerk_of(house)
    officer = await clerk_of(house, "tuan", Role.OFFICER)
    assert (await officer.get(f"/incoming/{arrival_id}")).status == 404
    await clerk.get(f"/incoming/{arrival_id}")
    early = await clerk.post(f"/incoming/{arrival_id}/progress", {"finished": "1"})
    assert early.status == 409  # RCV-13: nothing is handled before it is registered
    await clerk.post(f"/incoming/{arrival_id}/accept", {})
    form = {"account_id": "a-tuan", "lead": "Phòng Văn hóa", "due_on": "2027-01-05"}
    assert (await clerk.post(f"/incoming/{arrival_id}/assign", {"due_on": "x"})).status == 422
    assert (await clerk.post(f"/incoming/{arrival_id}/assign", form)).status == 303
    await house.state(answer["id"], WARD, "assigned")
    mine = await officer.get("/incoming/mine")
    assert "05/01/2027" in mine.words
    assert (await officer.get(f"/incoming/{arrival_id}")).status == 200
    assert (await officer.get(f"/incoming/{other}")).status == 404
    assert (await officer.post(f"/incoming/{arrival_id}/accept", {})).status == 403
    await officer.post(f"/incoming/{arrival_id}/progress", {"finished": "0", "note": "đang làm"})
    await house.state(answer["id"], WARD, "in_progress")
    # Assigned anew: the first one sees it no more, and no second 04 goes out.
    clerk2 = await clerk_of(house, "hung", Role.LEADER)
    await clerk2.get(f"/incoming/{arrival_id}")
    again = {"account_id": "a-lan", "opinion": "Làm ngay"}
    assert (await clerk2.post(f"/incoming/{arrival_id}/assign", again)).status == 303
    assert (await officer.get(f"/incoming/{arrival_id}")).status == 404
    await clerk.post(f"/incoming/{arrival_id}/progress", {"finished": "1"})
    await house.state(answer["id"], WARD, "done")
    codes = [
        s["code"]
        for s in await house.gateway.ledger.all("statuses_of_arrival", arrival_id=arrival_id)
    ]
    assert codes == ["01", "03", "04", "05", "06"]
    assert other_answer["id"]


async def test_several_units_are_several_lines(house):
    """RCV-15: a document with several tasks stands in several lines, each ended by itself."""
    _, arrival_id = await sent(house)
    clerk, path = await clerk_of(house), f"/incoming/{arrival_id}"
    officer = await clerk_of(house, "tuan", Role.OFFICER)
    await clerk.get(path)
    await clerk.post(f"{path}/accept", {})
    day = local(house.clock.now()).date()
    late, today = (day - timedelta(days=1)).isoformat(), day.isoformat()
    one = {"account_id": "a-tuan", "lead": "Phòng Văn hóa", "due_on": late}
    assert (await clerk.post(f"{path}/assign", one)).status == 303
    two = {"lead": "Phòng Tư pháp", "due_on": today, "beside": "1"}
    assert (await clerk.post(f"{path}/assign", two)).status == 303
    rows = await house.gateway.ledger.all("assignments_of", arrival_id=arrival_id)
    assert [(r["lead"], r["due_on"], r["ended_at"]) for r in rows] == [
        ("Phòng Tư pháp", today, None),
        ("Phòng Văn hóa", late, None),
    ]
    assert (await officer.get(path)).status == 200
    entry = await entry_of(house, arrival_id)
    assert [(u["unit"], u["due"]) for u in entry["units"]] == [
        ("Phòng Văn hóa", late),
        ("Phòng Tư pháp", today),
    ]
    assert entry["unit"] == "Phòng Văn hóa; Phòng Tư pháp"
    # RCV-12, RPT-13: both terms are in the list of what is due, and in the digest of their day.
    desk = LedgerReceiving(house.gateway.context, house.gateway.desk, house.gateway.mailroom)
    first = await desk.listed(WARD, Box.DUE, after="", limit=1)
    rest = await desk.listed(WARD, Box.DUE, after=first.next, limit=1)
    assert [x.due_on for x in (*first.lines, *rest.lines)] == [late, today]
    assert rest.next == ""
    digest = await LedgerAlerts(house.gateway.context).today(WARD)
    assert (digest.tasks_late, digest.tasks_due) == (1, 1)
    assert "Sắp đến hạn, quá hạn" in (await clerk.get(f"/incoming?agency={WARD}&box=due")).words
    # One part ends, twice pressed, and the other goes on.
    for _ in range(2):
        ended = await clerk.post(f"{path}/unassign", {"assignment": rows[1]["id"]})
        assert ended.status == 303
    assert (await officer.get(path)).status == 404
    left = (await entry_of(house, arrival_id))["units"]
    assert [u["unit"] for u in left] == ["Phòng Tư pháp"]
    # Evil twins: a part of another document, and assigning anew, which replaces all.
    _, other = await sent(house, "13")
    foreign = await clerk.post(f"/incoming/{other}/unassign", {"assignment": rows[0]["id"]})
    assert foreign.status == 404
    await clerk.post(f"{path}/assign", {"lead": "Văn phòng"})
    rows = await house.gateway.ledger.all("assignments_of", arrival_id=arrival_id)
    assert [r["lead"] for r in rows if r["ended_at"] is None] == ["Văn phòng"]
    codes = await house.gateway.ledger.all("statuses_of_arrival", arrival_id=arrival_id)
    assert [s["code"] for s in codes] == ["01", "03", "04"]


async def entry_of(house, arrival_id):
    """Return what the books show of an arrival."""
    ledger, context = house.gateway.ledger, house.gateway.context
    row = await house.row("arrival", id=arrival_id)
    beside = await bookkeeping.around(ledger, (), (row,))
    (entry,), _ = bookkeeping.built(context, (), ({**row, "visible": 1},), beside)
    return json.loads(entry.shown) if isinstance(entry.shown, str) else entry.shown


async def test_paper_shares_the_counter_and_warns_of_what_came_before(house):
    _, arrival_id = await sent(house)
    clerk = await clerk_of(house)
    await clerk.get(f"/incoming/{arrival_id}")
    await clerk.post(f"/incoming/{arrival_id}/accept", {})
    await clerk.get("/incoming/paper")
    day = (await house.row("arrival", id=arrival_id))["promulgation_date"]
    fields = {"agency": WARD, "sender_name": "Sở Nội vụ", "number": "12", "notation": "SNV-VP"}
    fields |= {"promulgation_date": day, "subject": "Bản giấy của công văn 12"}
    warned = await paper(clerk, fields)
    assert warned.status == 422
    assert re.search(r"Nghi trùng với số đến 1/\d{4} \(bản điện tử\)", warned.words)
    done = await paper(clerk, fields | {"confirmed": "1"}, scan=scan(1, size_bytes=2000))
    assert done.status == 303, done.words
    paper_id = done.location.rsplit("/", 1)[1]
    row = await house.row("arrival", id=paper_id)
    assert (row["arrival_number"], row["source"], row["entered_by"]) == (2, "paper", "lan")
    page = await clerk.get(f"/incoming/{paper_id}")
    assert page.status == 200
    assert "Bản giấy của công văn 12" in page.words
    assert (await clerk.get(f"/incoming/{paper_id}/files/0/pages/1.png")).status == 200
    # No system is offered what came on paper, and nobody is told of its handling.
    items = (await house.call("GET", "/inbox", "other"))[1]["items"]
    assert [i["id"] for i in items] == [arrival_id]
    assert (await house.call("GET", f"/inbox/{paper_id}", "other"))[0] == 404
    await clerk.post(f"/incoming/{paper_id}/progress", {"finished": "1"})
    assert (await house.row("arrival", id=paper_id))["state"] == "done"
    told = await house.gateway.ledger.all("statuses_of_arrival", arrival_id=paper_id)
    assert not told
    # A form sent twice, also at once, is entered once.
    twice = fields | {"number": "45", "subject": "Hai lần", "once": "a" * 32}
    clicks = await asyncio.gather(*(paper(clerk, twice) for _ in range(3)))
    entered = {a.location for a in clicks if a.status == 303}
    assert len(entered) == 1, clicks
    # The page of the form brought back, another document typed into it: said, not swallowed.
    other = await paper(clerk, twice | {"subject": "Văn bản khác", "number": "46"})
    assert (other.status, "other words" in other.words or "biểu mẫu" in other.words) == (409, True)
    # The other way round: the electronic one that follows a paper one is warned of.
    fields |= {"number": "44", "subject": "Giấy trước"}
    assert (await paper(clerk, fields)).status == 303
    _, later = await sent(house, "44")
    assert "Nghi trùng với số đến 4/" in (await clerk.get(f"/incoming/{later}")).words


async def test_paper_that_is_incomplete_secret_or_no_pdf_gets_no_number(house):
    clerk = await clerk_of(house)
    await clerk.get("/incoming/paper")
    whole = {"agency": WARD, "sender_name": "Ông A", "subject": "Đơn", "number": "1"}
    whole |= {"promulgation_date": "2026-01-05"}
    came = (house.clock.now() - timedelta(days=3)).strftime("%Y-%m-%dT%H:%M")
    for change in ({"subject": ""}, {"promulgation_date": "hôm qua"}, {"came_at": came}):
        assert (await paper(clerk, whole | change)).status == 422, change
    assert (await paper(clerk, whole, scan=b"MZ khong phai pdf")).status == 422
    secret = whole | {"subject": "Báo cáo (TUYỆT MẬT)"}
    assert (await paper(clerk, secret)).status == 422
    assert (await paper(clerk, whole | {"agency": "H37.04"})).status == 403
    assert await house.row("counter", agency=WARD, year=2026, series="arrival") is None
    late = whole | {"came_at": came, "late_reason": "Mất điện"}
    done = await paper(clerk, late)
    row = await house.row("arrival", id=done.location.rsplit("/", 1)[1])
    assert row["came_at"] < row["at_gateway_at"]
    assert row["entered_late"] == "Mất điện"


async def paper(visitor, fields, scan=b""):
    """Send the paper form as a browser does."""
    form = aiohttp.FormData()
    form.add_field("_csrf", visitor._token)
    for name in FIELDS:
        form.add_field(name, fields.get(name, ""))
    name = "quet.pdf" if scan else ""
    form.add_field("file", scan, filename=name, content_type="application/pdf")
    return await visitor._ask("POST", "/incoming/paper", data=form)


async def test_an_undetermined_one_is_taken_only_with_a_recorded_reason(house):
    _, arrival_id = await sent(house)
    unsure = Update("arrival", {"id": arrival_id}, {"verdict": "indeterminate"})
    await house.gateway.ledger.commit(ChangeSet(rows=(unsure,)))
    clerk = await clerk_of(house)
    page = await clerk.get(f"/incoming/{arrival_id}")
    assert "Chưa xác định được" in page.words
    path = f"/incoming/{arrival_id}/accept"
    refused = await clerk.post(path, {"note": ""})
    assert refused.status == 422
    assert "ghi lý do tiếp nhận" in refused.words
    assert await number_of(house, arrival_id) is None
    assert (await clerk.post(path, {"undetermined": "Bên gửi xác nhận"})).status == 303
    assert await number_of(house, arrival_id) == 1
    assert "Bên gửi xác nhận" in (await clerk.get(f"/incoming/{arrival_id}")).words


async def test_what_was_taken_back_is_opened_by_nobody(house):
    answer, arrival_id = await sent(house)
    clerk = await clerk_of(house)
    await clerk.get(f"/incoming/{arrival_id}")
    await house.gateway.mailroom.on_arrival(arrival_id, "15", "")
    page = await clerk.get(f"/incoming/{arrival_id}")
    assert page.status == 200
    assert "đã thu hồi văn bản" in page.words
    for path in ("files/0", "files/0/view", "files/0/pages/1.png", "packet"):
        assert (await clerk.get(f"/incoming/{arrival_id}/{path}")).status == 410, path
    assert (await clerk.post(f"/incoming/{arrival_id}/accept", {})).status == 409
    assert answer["id"]
    assert f"/console/incoming/{arrival_id}" in (await clerk.get("/incoming?box=recalled")).text


async def test_a_list_goes_on_page_by_page_urgent_first_and_no_line_is_lost(house):
    _, arrival_id = await sent(house)
    row = dict(await house.row("arrival", id=arrival_id))
    copies = []
    for n in range(9):
        copy = row | {"id": f"{arrival_id[:-2]}z{n}", "document_id": f"x{n}", "urgency": n % 3}
        copy |= {"delivery_id": None, "state": ("taken", "offered")[n % 2], "inbox_seq": None}
        copies.append(Insert("arrival", copy | {"offered_at": None}))
    await house.gateway.ledger.commit(ChangeSet(rows=tuple(copies)))
    desk = LedgerReceiving(house.gateway.context, house.gateway.desk, house.gateway.mailroom)
    seen, after = [], ""
    while True:
        page = await desk.listed(WARD, Box.WAITING, after=after, limit=4)
        seen += page.lines
        after = page.next
        if not after:
            break
    keys = [(line.urgency, line.id) for line in seen]
    assert keys == sorted(keys, reverse=True)
    assert len({line.id for line in seen}) == 10
    assert (await desk.counts(WARD))[Box.WAITING] == 10
    clerk = await clerk_of(house)
    for wrong in ("x", "12:a", "9:", "é:1"):
        assert (await clerk.get(f"/incoming?after={wrong}")).status in {400, 422}, wrong


async def test_what_is_irregular_is_told_to_the_sender_and_moves_nothing(house):
    answer, arrival_id = await sent(house)
    lan, sender = await clerk_of(house), await clerk_of(house, "mai", agency="H37.02")
    await lan.get(f"/incoming/{arrival_id}")
    path = f"/incoming/{arrival_id}/irregular"
    assert (await lan.post(path, {"irregular": " "})).status == 422
    for _ in range(2):  # a double click tells once
        assert (await lan.post(path, {"irregular": "Con dấu lạ"})).status == 303
    waiting = await house.gateway.door.waiting(system(house), "status")
    assert [(i.state, i.document_id) for i in waiting] == [("01", answer["document_id"])] * 2
    assert (await house.document(answer["id"]))["deliveries"][0]["state"] == "arrived"
    shown = (await sender.get(f"/outgoing/{answer['id']}")).words
    assert "RCV-03 báo bất thường: Con dấu lạ" in shown
    await lan.post(f"/incoming/{arrival_id}/accept", {"note": ""})
    await lan.post(path, {"irregular": "Thiếu trang"})
    reports = await house.gateway.ledger.all("statuses_of_arrival", arrival_id=arrival_id)
    assert [r["code"] for r in reports] == ["01", "01", "03", "03"]
    assert "Đã báo bên gửi dấu hiệu bất thường" in (await lan.get(f"/incoming/{arrival_id}")).words
    assert (await house.document(answer["id"]))["deliveries"][0]["state"] == "accepted"


def system(house, name="snv"):
    found = house.gateway.callers.by_api_key(house.systems[name].key)
    assert found is not None
    return found


async def test_every_look_and_every_act_is_in_the_log(house):
    _, arrival_id = await sent(house)
    clerk = await clerk_of(house)
    await clerk.get(f"/incoming/{arrival_id}")
    await clerk.get(f"/incoming/{arrival_id}/files/0")
    report = await clerk.get(f"/incoming/{arrival_id}/verification")
    assert report.status == 200
    assert "sandbox" in report.headers["Content-Security-Policy"]
    file = await clerk.get(f"/incoming/{arrival_id}/files/0")
    assert file.headers["Content-Disposition"].startswith("attachment")
    assert file.headers["X-Content-Type-Options"] == "nosniff"
    assert "sandbox" in file.headers["Content-Security-Policy"]
    view = await clerk.get(f"/incoming/{arrival_id}/files/0/view")
    assert "Chỉ tệp PDF" in view.words
    assert (await clerk.get(f"/incoming/{arrival_id}/files/0/pages/1.png")).status == 404
    await clerk.get(f"/incoming/{arrival_id}")
    for _ in range(2):  # a double click
        await clerk.post(f"/incoming/{arrival_id}/irregular", {"irregular": "Con dấu lạ"})
    events = await house.gateway.ledger.all("acts_on", subject=f"arrival:{arrival_id}")
    assert [e["type"] for e in events] == ["arrival-irregular"]
    assert "Con dấu lạ" in (await clerk.get(f"/incoming/{arrival_id}")).words
    desk = house.gateway.desk
    caller = Caller(f"console:{WARD}", frozenset({WARD}))
    assert (await desk.arrival(caller, arrival_id))["id"] == arrival_id
