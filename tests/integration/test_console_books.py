"""Search, registers and statistics over a real gateway: what went through it is in the books."""

import csv
import functools
import io
import json
from datetime import timedelta

import pytest

from gateway.domain.access import Role
from gateway.domain.moments import VIETNAM, from_text
from gateway.ports.books import Progress
from gateway.programs.bookkeeper import Bookkeeper
from tests.world.gatehouse import gatehouse, packet

WARD, FINANCE = "H37.61", "H37.04"


@pytest.fixture
async def house(tmp_path):
    async with gatehouse(tmp_path) as house:
        yield house


async def sent_and_taken(house, number="12", to=WARD):
    """Send a document to an agency that works in the console, and wait until it is there."""
    status, told, _ = await house.send(packet(number, to=(to,)))
    assert status == 202
    delivery = await house.state(told["id"], to, "arrived", "accepted", "handed_over")
    (arrival,) = await house.gateway.ledger.all(
        "arrivals_of_deliveries", ids=json.dumps([delivery["id"]])
    )
    return told, arrival


async def test_a_document_is_found_by_who_may_read_it_and_nobody_else(house):
    told, arrival = await sent_and_taken(house)
    ward = await house.visitor("lan", Role.CLERK, WARD)
    finance = await house.visitor("mai", Role.CLERK, FINANCE)

    async def found():
        page = await ward.get("/search?q=12")
        return page if f"/console/incoming/{arrival['id']}" in page.text else None

    page = await house.until(found)
    assert page.status == 200
    assert "<mark>12</mark>" in page.text
    assert told["id"] not in page.text  # the sender's copy is the sender's
    assert arrival["id"] not in (await finance.get("/search?q=12")).text
    assert arrival["id"] not in (await finance.get(f"/search?q=12&agency={WARD}")).text
    home = await house.visitor("hoa", Role.CLERK, "H37.02")
    assert f"/console/outgoing/{told['id']}" in (await home.get("/search?direction=out")).text
    assert (
        "không có quyền" in (await (await house.visitor("ops", Role.AUDITOR)).get("/search")).words
    )

    # The number is given on acceptance, and is in the register then.
    await house.gateway.mailroom.on_arrival(arrival["id"], "03", "")
    answer = await ward.get(f"/registers/export?book=in&agency={WARD}&form=csv")
    rows = list(csv.reader(io.StringIO(answer.text.lstrip("\ufeff"), newline="")))[1:]
    assert [row[1] for row in rows] == ["1"]
    assert "12/" in rows[0][3]
    register = await ward.get(f"/registers?book=handling&agency={WARD}")
    assert "12/" in register.words
    assert (await finance.get(f"/registers?book=in&agency={WARD}")).status == 403
    stamp = await ward.get(f"/registers/stamp/{arrival['id']}")
    assert "ĐẾN Số: 1 Ngày:" in stamp.words
    assert (await finance.get(f"/registers/stamp/{arrival['id']}")).status == 404

    # C8: the slip of what is registered; and the reply, which the handling register shows later.
    shown = await ward.get(f"/incoming/{arrival['id']}")
    assert f"/console/registers/stamp/{arrival['id']}" in shown.text
    slip = await ward.get(f"/incoming/{arrival['id']}/slip")
    assert "PHIẾU GIẢI QUYẾT VĂN BẢN ĐẾN Số đến: 1" in slip.words
    assert (await finance.get(f"/incoming/{arrival['id']}/slip")).status == 404
    reply = {"agency": WARD, "reply_organ": "H37.02", "reply_code": rows[0][3]}
    begun = await ward.post("/outgoing/drafts", reply)
    draft = await ward.get(begun.location.removeprefix("/console"))
    assert f'value="{rows[0][3]}"' in draft.text
    assert 'name="to" value="H37.02"' in draft.text
    assert (await finance.post("/outgoing/drafts", reply)).status == 403

    shown = await ward.get(f"/statistics?agency={WARD}")
    assert "1 văn bản đến" in shown.words
    assert (await finance.get(f"/statistics?agency={WARD}")).status == 403

    # RPT-09: frozen once it is over; the same figures afterwards, whatever changes.
    row = await house.row("arrival", id=arrival["id"])
    month = from_text(row["entered_system_at"]).astimezone(VIETNAM).strftime("%Y-%m")
    house.clock.move(timedelta(days=32))
    ward = await house.visitor("lan", Role.CLERK, WARD)
    await ward.get(f"/statistics?agency={WARD}")
    done = await ward.post("/statistics/freeze", {"agency": WARD, "period": month})
    assert done.status == 303
    frozen = await ward.get(f"/statistics/frozen?agency={WARD}&period={month}")
    assert "Không khác." in frozen.words
    await house.gateway.mailroom.on_arrival(arrival["id"], "06", "")

    async def differs():
        page = await ward.get(f"/statistics/frozen?agency={WARD}&period={month}")
        return "Không khác." not in page.words

    await house.until(differs)
    again = await house.gateway.ledger.one(
        "snapshot_of", agency=WARD, kind="exchange", period=month
    )
    assert again["sha256"] in frozen.text


async def test_who_handles_it_now_finds_it_and_who_did_before_no_more(house):
    _, arrival = await sent_and_taken(house)
    await house.gateway.mailroom.on_arrival(arrival["id"], "03", "")
    ward = await house.visitor("lan", Role.CLERK, WARD)
    officers = {name: await house.visitor(name, Role.OFFICER, WARD) for name in ("binh", "cuc")}

    async def only(name):
        at = {
            login: arrival["id"] in (await one.get("/search?q=12")).text
            for login, one in officers.items()
        }
        return at == dict.fromkeys(officers, False) | {name: True}

    for name in ("binh", "cuc"):  # the second time no status goes out with it
        account = await house.row("account_by_login", login=name)
        await ward.get(f"/incoming/{arrival['id']}")
        done = await ward.post(f"/incoming/{arrival['id']}/assign", {"account_id": account["id"]})
        assert done.status == 303, done.words
        await house.until(functools.partial(only, name))


@pytest.mark.parametrize("path", [f"/registers/export?book=in&agency={WARD}&form=csv",
                                  f"/statistics/export?agency={WARD}&form=csv"])  # fmt: skip
async def test_a_file_that_would_lack_documents_is_refused(house, monkeypatch, path):
    async def behind(_):
        return Progress(1, 5)

    monkeypatch.setattr(house.gateway.shelf.keeper, "caught_up", behind)
    ward = await house.visitor("lan", Role.CLERK, WARD)
    answer = await ward.get(path)
    assert answer.status == 503
    assert "lack documents" in answer.text


async def test_books_of_another_ledger_are_made_anew(house):
    _, arrival = await sent_and_taken(house)
    books = house.gateway.books
    assert (await house.gateway.shelf.keeper.caught_up(60)).behind == 0
    keeper = Bookkeeper(house.gateway.context, books, house.gateway.pulse)
    assert await books.one(arrival["id"]) is not None
    mark = await books.mark()
    await books.put([], [arrival["id"]], mark._replace(known_by=mark.known_by + 1))
    while await keeper.once():
        pass
    assert await books.one(arrival["id"]) is not None
    counts = await books.counts([WARD], "2000-01", "2100-12")
    assert sum(c.n for c in counts) == 1
    assert counts == await books.recount([WARD], "2000-01", "2100-12")


async def test_a_kept_search_is_its_own_person_s(house):
    # RPT-11: kept searches are personal.
    lan = await house.visitor("lan", Role.CLERK, WARD)
    mai = await house.visitor("mai", Role.CLERK, WARD)
    await lan.get("/search?q=hoà")
    done = await lan.post("/search/saved", {"name": "Hoà giải", "query": "q=ho%C3%A0"})
    assert done.location == "/console/search?q=ho%C3%A0"
    page = await lan.get("/search")
    assert 'href="/console/search?q=ho%C3%A0">Hoà giải' in page.text
    assert "Hoà giải" not in (await mai.get("/search")).words
    (row,) = await house.gateway.ledger.all("saved_searches", account_id="a-lan")
    await mai.post("/search/saved/drop", {"id": row["id"]})
    assert "Hoà giải" in (await lan.get("/search")).words
    await lan.post("/search/saved/drop", {"id": row["id"]})
    assert "Hoà giải" not in (await lan.get("/search")).words


async def test_no_question_breaks_the_page(house):
    lan = await house.visitor("lan", Role.CLERK, WARD)
    for query in ("q=%22AND%22*(", "from=2026-13-40", "before=x", "urgency=9", "state=in:x"):
        assert (await lan.get(f"/search?{query}")).status == 200, query
    for query in ("year=0", "month=13", "book=x", "form=x"):
        assert (await lan.get(f"/registers?{query}")).status in {200, 404}, query
