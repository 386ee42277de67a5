"""What our own agencies say about what reached them: moments, numbers, receipts, refusals.

STS-01 (S003 art 7.3), STS-05 (NĐ30 PL VI): the sender sees it, and nobody types it again.
"""

import asyncio
from datetime import datetime, timedelta

import pytest

from gateway import stores
from gateway.domain.moments import VIETNAM
from gateway.domain.receipt import MAX_REASON_LENGTH
from gateway.ports import SubmitOptions
from gateway.programs.context import PeerPolicy
from tests.world.gatehouse import packet
from tests.world.outside import head, outside, silenced, status

# A Saturday, a Sunday, the holiday of 24/11 and the days around them (TIM-05, A17).
LEGAL = [
    ("2026-11-20T10:15:00", "2026-11-20T10:15:00"),
    ("2026-11-20T11:45:00", "2026-11-20T13:30:00"),
    ("2026-11-20T18:00:00", "2026-11-23T07:30:00"),
    ("2026-11-21T09:00:00", "2026-11-23T07:30:00"),
    ("2026-11-22T08:00:00", "2026-11-23T07:30:00"),
    ("2026-11-23T17:30:00", "2026-11-25T07:30:00"),
    ("2026-11-24T09:00:00", "2026-11-25T07:30:00"),
]


@pytest.fixture
async def out(tmp_path, monkeypatch):
    async with outside(tmp_path) as found:
        silenced(monkeypatch, found)
        yield found


async def letter(out, number="12", to=("H37.04",), **how):
    """Send a document inside the province; return the answer and the arrivals' ids."""
    code, answer, _ = await out.house.send(packet(number, to=to, **how))
    assert code == 202, answer
    return answer


async def newest(out, system="stc", answer=None):
    """Wait for a system's newest arrival, or for that of one document."""

    async def look():
        items = await out.arrivals(system)
        wanted = [i for i in items if answer is None or i["document_id"] == answer["document_id"]]
        return wanted[-1] if wanted else None

    return await out.house.until(look)


async def report(out, data, system="stc"):
    """Post a status as edXML, as a client of the axis protocol does."""

    async def chunks():
        yield data

    return await out.house.gateway.door.report(
        out.caller(system), chunks(), SubmitOptions(via="vxp")
    )


async def own_01(out, item, issuer="H37.02"):
    about = head(item["document_id"], issuer=issuer)
    at = out.house.clock.now()
    return await report(out, status(about, "01", sender="H37.04", description="máy chủ 2", at=at))


async def post(out, item, code, reason="", system="stc"):
    return await out.house.call(
        "POST",
        f"/inbox/{item['id']}/status",
        system,
        json={"code": code, "reason": reason},
    )


async def confirm(out, item, system="stc"):
    return await out.house.call("POST", f"/inbox/{item['id']}/confirm", system)


async def kinds(out, item):
    entries = await out.house.gateway.ledger.all("entries_of", subject=item["id"])
    return [e["kind"] for e in entries]


# ---------------------------------------------------------------- two moments


async def test_two_moments_and_receipt_01_with_the_second(out):
    answer = await letter(out)
    item = await newest(out)
    delivery = await out.delivery(answer, "H37.04")
    assert delivery["state"] == "handed_over"
    assert delivery["state_text"] == "đã đến trục, chưa vào hệ thống bên nhận"
    assert delivery["at_gateway_at"]
    assert delivery["entered_system_at"] is None
    assert await out.waiting() == []
    assert (item["at_gateway_at"] is not None, item["entered_system_at"]) == (True, None)
    out.house.clock.move(timedelta(hours=5))
    code, after, _ = await confirm(out, item)
    assert (code, after["state"]) == (200, "taken")
    assert await out.waiting() == [("01", "H37.04", answer["document_id"])]
    delivery = await out.delivery(answer, "H37.04")
    assert (delivery["state"], delivery["last_status"]) == ("arrived", "01")
    gap = datetime.fromisoformat(delivery["entered_system_at"]) - datetime.fromisoformat(
        delivery["at_gateway_at"]
    )
    assert gap >= timedelta(hours=5)
    # Again: nothing moves and nobody is told twice.
    code, again, _ = await confirm(out, item)
    assert (code, again["entered_system_at"]) == (200, after["entered_system_at"])
    assert len(await out.waiting()) == 1
    assert sorted(await kinds(out, item)).count("entered_system") == 1


async def test_a_console_agency_has_it_with_the_commit(out):
    answer = await letter(out, to=("H37.61",))
    item = await newest(out, "other")
    assert item["state"] == "taken"
    assert item["entered_system_at"] == item["at_gateway_at"]
    assert item["arrival_number"] is None
    assert await out.waiting() == [("01", "H37.61", answer["document_id"])]
    assert (await out.delivery(answer, "H37.61"))["state"] == "arrived"


@pytest.mark.parametrize("order", ["own first", "own after"])
async def test_the_recipients_own_01_is_recorded_not_doubled(out, order):
    answer = await letter(out)
    item = await newest(out)
    if order == "own after":
        await confirm(out, item)
    await own_01(out, item)
    assert (await out.arrivals())[0]["state"] == "taken"
    if order == "own first":
        await confirm(out, item)
    assert await out.waiting() == [("01", "H37.04", answer["document_id"])]
    # Said first, its own words are what the sender reads.
    (told,) = await out.house.gateway.door.waiting(out.caller("snv"), "status")
    assert told.title == ("máy chủ 2" if order == "own first" else "")
    events = (await out.house.call("GET", f"/inbox/{item['id']}/events", "stc"))[1]["items"]
    assert [e["data"]["code"] for e in events if e["type"] == "status"] == ["01"]
    assert sorted(await kinds(out, item)).count("entered_system") == 1


@pytest.mark.parametrize("code", ["03", "04", "05", "06", "02"])
async def test_a_later_code_without_a_pick_up_implies_it(out, code):
    answer = await letter(out)
    item = await newest(out)
    http, after, _ = await post(out, item, code, "sai nơi nhận" if code == "02" else "")
    assert http == 200
    assert after["entered_system_at"]
    assert after["received_at_legal"]
    assert [c for c, _, _ in await out.waiting()] == ["01", code]
    delivery = await out.delivery(answer, "H37.04")
    assert delivery["last_status"] == code
    assert "entered_system" in await kinds(out, item)
    # It is off the list of what waits; a pick-up that comes late changes nothing.
    assert await out.house.gateway.door.waiting(out.caller("stc"), "edoc") == []
    _, late, _ = await confirm(out, item)
    assert late["entered_system_at"] == after["entered_system_at"]
    assert len(await out.waiting()) == 2


async def test_who_sends_01_is_a_switch_per_peer(tmp_path, monkeypatch):
    policy = PeerPolicy(receipt_01_by="recipient")
    async with outside(tmp_path, policy=policy) as out:
        silenced(monkeypatch, out)
        await out.bring(packet("7", to=("H37.04", "H37.61"), sender="G09", document_id="G09-7"))
        item = await newest(out)
        await confirm(out, item)
        assert await out.flush() == []
        await own_01(out, item, "G09")
        assert [(t.code, t.sender) for t in await out.flush()] == [("01", "H37.04")]
        # A document of our own province still gets the gateway's.
        answer = await letter(out)
        inside = await newest(out, answer=answer)
        await confirm(out, inside)
        assert await out.waiting() == [("01", "H37.04", answer["document_id"])]


# ---------------------------------------------------------------- legal time


async def test_the_legal_time_follows_the_office_hours(out):
    clock = out.house.clock
    for n, (entered, legal) in enumerate(LEGAL):
        at = datetime.fromisoformat(entered).replace(tzinfo=VIETNAM)
        clock.move(at - clock.now())
        data = packet(f"{n}", to=("H37.04",), sender="G09", document_id=f"G09-{n}")
        await out.bring(data)
        item = await newest(out)
        assert item["received_at_legal"] is None
        _, after, _ = await confirm(out, item)
        got = datetime.fromisoformat(after["received_at_legal"])
        assert after["received_at_legal"].endswith("+07:00")
        wanted = datetime.fromisoformat(legal).replace(tzinfo=VIETNAM)
        assert timedelta(0) <= got - wanted < timedelta(minutes=1), entered
        assert datetime.fromisoformat(after["entered_system_at"]) - at < timedelta(minutes=1)


async def test_picked_up_on_monday_counts_monday_whatever_the_gateway_had_on_sunday(out):
    clock = out.house.clock
    sunday = datetime(2026, 11, 22, 20, 0, tzinfo=VIETNAM)
    clock.move(sunday - clock.now())
    await out.bring(packet("7", to=("H37.04", "H37.61"), sender="G09", document_id="G09-7"))
    item, console = await newest(out), await newest(out, "other")
    clock.move(timedelta(hours=13))
    _, after, _ = await confirm(out, item)
    assert after["received_at_legal"].startswith("2026-11-23T09:00")
    assert after["at_gateway_at"].startswith("2026-11-22T20:00")
    # In the console the commit is the entry: Sunday evening counts from Monday's opening.
    assert console["received_at_legal"] == "2026-11-23T07:30:00.000+07:00"


# ---------------------------------------------------------------- arrival numbers


async def test_arrival_numbers_come_with_03_only_in_the_console(out):
    await letter(out, "31", to=("H37.61", "H37.04"))
    console, system = await newest(out, "other"), await newest(out, "stc")
    _, after, _ = await post(out, console, "03", system="other")
    assert after["arrival_number"]["number"] == 1
    _, after, _ = await post(out, system, "03")
    assert after["arrival_number"] is None
    _, again, _ = await post(out, console, "03", system="other")
    assert again["arrival_number"]["number"] == 1
    answer = await letter(out, "32", to=("H37.61",))
    second = await newest(out, "other", answer)
    _, after, _ = await post(out, second, "02", "sai nơi nhận", system="other")
    assert after["arrival_number"] is None
    answer = await letter(out, "33", to=("H37.61",))
    third = await newest(out, "other", answer)
    _, after, _ = await post(out, third, "05", system="other")
    assert after["arrival_number"]["number"] == 2, "a skipped 03 registers all the same"


async def test_arrival_numbers_have_no_gap_and_begin_anew_with_the_year(out):
    clock = out.house.clock
    eve = datetime(2026, 12, 31, 23, 50, tzinfo=VIETNAM)
    clock.move(eve - clock.now())
    items = []
    for n in range(6):
        data = packet(f"{n}", to=("H37.61",), sender="G09", document_id=f"G09-{n}")
        await out.bring(data)
        items.append(await newest(out, "other"))

    async def number(item, code="03", reason=""):
        _, after, _ = await post(out, item, code, reason, system="other")
        found = after["arrival_number"]
        return (found["year"], found["number"]) if found else None

    assert await number(items[0]) == (2026, 1)
    # A refused step takes no number, so the book has no hole.
    assert (await post(out, items[1], "16", "", system="other"))[0] in {400, 422}
    assert await number(items[1]) == (2026, 2)
    assert await number(items[2], "02", "sai nơi nhận") is None
    clock.move(timedelta(minutes=15))
    assert await number(items[3]) == (2027, 1)
    assert await number(items[4]) == (2027, 2)
    clock.move(timedelta(days=-1))
    assert await number(items[5]) == (2026, 3)


async def test_many_clerks_at_once_get_numbers_without_gaps(out):
    for n in range(20):
        data = packet(f"{n}", to=("H37.61",), sender="G09", document_id=f"G09-{n}")
        out.offer(data)
    await out.collect()
    items = await out.arrivals("other")
    mailroom = out.house.gateway.mailroom
    await asyncio.gather(*(mailroom.on_arrival(i["id"], "03", "") for i in items for _ in "ab"))
    numbers = sorted(i["arrival_number"]["number"] for i in await out.arrivals("other"))
    assert numbers == list(range(1, 21))


# ---------------------------------------------------------------- what may be said


async def test_each_code_once_but_05(out):
    await letter(out)
    item = await newest(out)
    await own_01(out, item)
    for code in ("03", "03", "05", "05", "05", "03", "06", "06", "05"):
        http, _, _ = await post(out, item, code)
        assert http == 200, code
    assert [c for c, _, _ in await out.waiting()] == ["01", "03", "05", "05", "05", "06", "05"]


@pytest.mark.parametrize("code", ["02", "16"])
@pytest.mark.parametrize("reason", ["", "   "])
async def test_a_refusal_says_why_or_is_none(out, code, reason):
    answer = await letter(out)
    item = await newest(out)
    http, problem, _ = await post(out, item, code, reason)
    assert http in {400, 422}
    assert "reason" in str(problem)
    assert await out.waiting() == []
    assert (await out.delivery(answer, "H37.04"))["state"] == "handed_over"


async def test_a_reason_too_long_is_refused(out):
    await letter(out)
    item = await newest(out)
    http, _, _ = await post(out, item, "02", "x" * (MAX_REASON_LENGTH + 1))
    assert http in {400, 413, 422}
    assert (await post(out, item, "02", "x" * MAX_REASON_LENGTH))[0] == 200


@pytest.mark.parametrize("code", ["13", "07", "999", "", "3x"])
async def test_codes_that_no_recipient_posts_are_refused(out, code):
    await letter(out)
    item = await newest(out)
    http, _, _ = await post(out, item, code)
    assert http in {400, 422}
    assert await out.waiting() == []


@pytest.mark.parametrize(
    ("before", "code"),
    [
        (("02",), "03"),
        (("02",), "06"),
        (("06",), "02"),
        (("15",), "03"),
        (("15",), "02"),
    ],
)
async def test_steps_the_table_forbids_are_409_and_change_nothing(out, before, code):
    answer = await letter(out)
    item = await newest(out)
    for step in before:
        assert (await post(out, item, step, "vì nhầm"))[0] == 200
    told = await out.waiting()
    http, problem, _ = await post(out, item, code, "vì nhầm")
    assert http == 409
    assert problem["status"] == 409
    assert await out.waiting() == told
    delivery = await out.delivery(answer, "H37.04")
    assert delivery["last_status"] == before[-1]


async def test_a_stranger_sees_nothing_and_says_nothing(out):
    await letter(out)
    item = await newest(out)
    for system in ("other", "snv"):
        assert (await post(out, item, "03", system=system))[0] == 404
        assert (await confirm(out, item, system))[0] == 404
        assert (await out.house.call("GET", f"/inbox/{item['id']}", system))[0] == 404
    assert await out.waiting() == []


async def test_the_answer_to_a_document_from_outside_leaves_with_its_reason(out):
    data = packet("7", to=("H37.04",), sender="G09", document_id="G09,2026/11/20,7/BNV")
    await out.bring(data)
    item = await newest(out)
    await post(out, item, "02", "Phụ lục thiếu (R02)")
    told = await out.flush()
    assert [(t.code, t.to, t.document_id) for t in told] == [
        ("01", "G09", "G09,2026/11/20,7/BNV"),
        ("02", "G09", "G09,2026/11/20,7/BNV"),
    ]
    assert told[1].description == "Phụ lục thiếu (R02)"
    assert [p.sender for p, _ in out.peer.delivered] == ["H37.04", "H37.04"]
    receipts = (await out.house.call("GET", f"/inbox/{item['id']}/receipts", "stc"))[1]["entries"]
    said = [e["body"]["code"] for e in receipts if e["kind"] == "status"]
    assert said == ["01", "02"]


# ---------------------------------------------------------------- recalls inside the province


async def recall(out, answer, reason="ban hành nhầm"):
    return await recall_as(out, answer, "snv", reason=reason)


async def recall_as(out, answer, system, *, sender="H37.02", reason="ban hành nhầm"):
    about = head(answer["document_id"], issuer="H37.04")
    at = out.house.clock.now()
    data = status(about, "13", sender=sender, description=reason, at=at)
    return await report(out, data, system)


async def test_a_recall_inside_the_province(out):
    answer = await letter(out)
    item = await newest(out)
    await confirm(out, item)
    await recall(out, answer)
    assert await out.waiting("stc") == [("13", "H37.02", answer["document_id"])]
    events = (await out.house.call("GET", f"/inbox/{item['id']}/events", "stc"))[1]["items"]
    assert "recall_asked" in [e["type"] for e in events]
    delivery = await out.delivery(answer, "H37.04")
    ledger = out.house.gateway.ledger
    (record,) = await ledger.all("recall_of", delivery_id=delivery["id"])
    assert (record["state"], record["reason"]) == ("asked", "ban hành nhầm")
    http, _, _ = await post(out, item, "16", "đã giao phòng A")
    assert http == 200
    (record,) = await ledger.all("recall_of", delivery_id=delivery["id"])
    assert (record["state"], record["answer"]) == ("declined", "đã giao phòng A")
    assert (await out.delivery(answer, "H37.04"))["state"] == "arrived"
    out.house.clock.move(timedelta(minutes=2))
    await recall(out, answer, "thật sự nhầm")
    assert (await post(out, item, "16", "đã giao phòng A"))[0] == 200
    http, after, _ = await post(out, item, "15")
    assert (http, after["state"]) == (200, "recalled")
    (record,) = await ledger.all("recall_of", delivery_id=delivery["id"])
    assert record["state"] == "agreed"
    assert (await out.delivery(answer, "H37.04"))["state"] == "recalled"
    assert [c for c, _, _ in await out.waiting()] == ["01", "16", "16", "15"]
    assert (await out.house.document(answer["id"]))["state"] == "closed"


async def test_agreeing_before_the_pick_up_is_no_receipt(out):
    answer = await letter(out)
    item = await newest(out)
    await recall(out, answer)
    http, after, _ = await post(out, item, "15")
    assert (http, after["state"], after["entered_system_at"]) == (200, "recalled", None)
    assert [c for c, _, _ in await out.waiting()] == ["15"]
    assert await out.house.gateway.door.waiting(out.caller("stc"), "edoc") == []


async def test_15_to_an_update_is_about_the_document_it_updates(out):
    await out.bring(packet("7", to=("H37.04",), sender="G09", document_id="G09-7"))
    trace = (
        "<edXML:Bussiness><edXML:BussinessDocType>{}</edXML:BussinessDocType>"
        "<edXML:BussinessDocReason>Vì sai</edXML:BussinessDocReason>"
        "<edXML:DocumentId>G09-7</edXML:DocumentId></edXML:Bussiness>"
    )
    update = packet("8", to=("H37.04",), sender="G09", document_id="G09-8", trace=trace.format(2))
    await out.bring(update)
    first, second = await out.arrivals()
    http, after, _ = await post(out, second, "15")
    assert (http, after["state"]) == (200, "offered")
    assert [(t.code, t.document_id) for t in await out.flush()] == [("15", "G09-7")]
    notice = packet("9", to=("H37.04",), sender="G09", document_id="G09-9", trace=trace.format(1))
    await out.bring(notice)
    third = (await out.arrivals())[2]
    http, _, _ = await post(out, third, "15")
    assert http == 200
    states = {i["document_id"]: i["state"] for i in await out.arrivals()}
    assert states == {"G09-7": "recalled", "G09-8": "offered", "G09-9": "offered"}
    assert [(t.code, t.document_id) for t in await out.flush()] == [("15", "G09-7")]
    assert first["id"]


async def test_a_status_for_an_agency_that_was_merged_reaches_its_heir(out):
    answer = await letter(out)
    item = await newest(out)
    with stores.open_admin(out.house.folder / "vanlien.toml") as admin:
        admin.set_agency_status(
            "H37.02", "closed", successor="H37.61", reason="sáp nhập", by="test"
        )

    async def closed():
        found = out.house.gateway.catalogue.directory().get("H37.02")
        return found.status == "closed"

    await out.house.until(closed)
    await confirm(out, item)
    assert await out.waiting("other") == [("01", "H37.04", answer["document_id"])]
    # It may still be answered for, and the answer still names the document as it was sent.
    await report(out, status(head(answer["document_id"]), "03", sender="H37.04"))
    assert [c for c, _, _ in await out.waiting("other")] == ["01", "03"]
    await recall_as(out, answer, "other", sender="H37.61")
    assert [c for c, _, _ in await out.waiting("stc")] == ["13"]
