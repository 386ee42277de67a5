"""Post for a closed code: brought to who took over until a day, answered 02 otherwise (ID-05)."""

from datetime import date, timedelta

import pytest

from gateway import stores
from gateway.domain.moments import to_text
from gateway.domain.succession import Succession
from gateway.ports import AgencyRecord
from tests.world.gatehouse import packet
from tests.world.outside import head, outside, status

SPLIT = AgencyRecord("H37.30", "Sở đã tách", connected="local")


@pytest.fixture
async def out(tmp_path):
    async with outside(tmp_path) as found:
        yield found


def document(number="7", **how):
    how.setdefault("sender", "G09")
    return packet(number, **how)


async def closed(out, code, *heirs, until=None):
    """Close a code as an operator does; wait until the gateway knows."""
    config = out.house.folder / "vanlien.toml"
    if code == SPLIT.code:
        with stores.open_admin(config) as admin:
            admin.put_agency(SPLIT, by="t")
    links = [Succession(code, heir) for heir in heirs]
    with stores.open_agencies(config) as book:
        book.close_agency(code, links, forward_until=until, reason="sáp nhập", by="t")

    async def known():
        found = out.house.gateway.catalogue.directory().get(code)
        day = out.house.clock.now().date()
        heirs_now = out.house.gateway.catalogue.directory().successor_of(code, day).codes
        return (
            found is not None
            and found.forward_until == until
            and sorted(heirs_now) == sorted(heirs)
        )

    await out.house.until(known)


def tomorrow(out):
    return out.house.clock.now().date() + timedelta(days=1)


async def rows_of(out, agency):
    return await out.house.gateway.ledger.all(
        "arrivals_named",
        agencies=f'["{agency}"]',
        senders='["G09"]',
        document_ids='["G09,2026/11/20,7/BNV-VP", "mot", "hai", "ba"]',
    )


async def test_one_successor_gets_it_and_everybody_is_told(out):
    await out.bring(document(to=("H25",), document_id="mot"))
    (item,) = await out.arrivals()
    assert (item["agency"], item["addressed_as"]) == ("H37.04", ["H25"])
    assert item["forwarded_from"] == ["H25"]
    events = (await out.house.call("GET", f"/inbox/{item['id']}/events", "stc"))[1]["items"]
    (told,) = [e for e in events if e["type"] == "forwarded"]
    assert told["data"]["note"] == "chuyển tiếp từ mã cũ H25"
    receipts = (await out.house.call("GET", f"/inbox/{item['id']}/receipts", "stc"))[1]
    (came,) = [r for r in receipts["entries"] if r["kind"] == "arrived_at_gateway"]
    assert came["body"]["addressed_as"] == ["H25"]
    assert came["body"]["agency"] == "H37.04"
    # 01 goes out when it is true, under the code the sender wrote, and says where it went.
    assert await out.flush() == []
    await out.house.call("POST", f"/inbox/{item['id']}/confirm", "stc")
    (first,) = await out.flush()
    assert (first.code, first.sender) == ("01", "H25")
    assert "Chuyển tiếp từ mã cũ H25" in first.description
    assert "H37.04 (Sở Tài chính)" in first.description
    status = {"code": "03", "reason": "đã vào sổ"}
    await out.house.call("POST", f"/inbox/{item['id']}/status", "stc", json=status)
    assert [(t.code, t.description) for t in await out.flush()] == [("03", "đã vào sổ")]


async def test_an_open_code_is_not_forwarded(out):
    await out.bring(document(to=("H37.04",), document_id="mot"))
    (item,) = await out.arrivals()
    assert item["forwarded_from"] == []
    await out.house.call("POST", f"/inbox/{item['id']}/confirm", "stc")
    assert [t.description for t in await out.flush()] == [""]


async def test_old_and_new_code_in_one_message_are_one_arrival(out):
    await out.bring(document(to=("H25", "H37.04"), document_id="mot"))
    (item,) = await out.arrivals()
    assert (item["addressed_as"], item["forwarded_from"]) == (["H25", "H37.04"], ["H25"])
    await out.house.call("POST", f"/inbox/{item['id']}/confirm", "stc")
    told = {t.sender: t for t in await out.flush()}
    assert set(told) == {"H25", "H37.04"}
    assert "Chuyển tiếp" in told["H25"].description
    assert not told["H37.04"].description


async def test_the_old_code_after_the_new_one_is_a_repeat_that_is_answered(out):
    await out.bring(document(to=("H37.04",), document_id="mot"))
    (item,) = await out.arrivals()
    await out.house.call("POST", f"/inbox/{item['id']}/confirm", "stc")
    await out.flush()
    await out.bring(document(to=("H25",), document_id="mot"))
    (item,) = await out.arrivals()
    assert (item["addressed_as"], item["forwarded_from"]) == (["H37.04", "H25"], ["H25"])
    (told,) = await out.flush()
    assert (told.code, told.sender) == ("01", "H25")
    assert "Chuyển tiếp từ mã cũ H25" in told.description


async def test_until_its_day_and_no_longer(out):
    await closed(out, "H25", "H37.04", until=tomorrow(out))
    await out.bring(document(to=("H25",), document_id="mot"))
    assert len(await out.arrivals()) == 1
    out.house.clock.move(timedelta(days=3))
    # Another document: the term is over, the sender learns who took over.
    await out.bring(document("8", to=("H25",), document_id="hai"))
    assert len(await out.arrivals()) == 1
    (told,) = await out.flush()
    assert (told.code, told.sender) == ("02", "H25")
    assert "H37.04 (Sở Tài chính)" in told.description
    assert "không còn chuyển tiếp" in told.description
    # The first one again: the first answer stands, nothing is delivered or refused anew.
    await out.bring(document(to=("H25",), document_id="mot"))
    assert len(await out.arrivals()) == 1
    assert await out.flush() == []
    assert [r["state"] for r in await rows_of(out, "H25")] == ["returned"]


async def test_a_split_goes_back_with_every_candidate(out):
    await closed(out, SPLIT.code, "H37.02", "H37.04")
    await out.bring(document(to=(SPLIT.code,), document_id="mot"))
    assert await out.arrivals() == []
    (told,) = await out.flush()
    assert (told.code, told.sender) == ("02", SPLIT.code)
    for candidate in ("H37.02 (Sở Nội vụ)", "H37.04 (Sở Tài chính)", "R09"):
        assert candidate in told.description
    # Sent to the right one then, it is delivered; the split itself has had its answer.
    await out.bring(document(to=(SPLIT.code, "H37.04"), document_id="mot"))
    (item,) = await out.arrivals()
    assert (item["agency"], item["addressed_as"]) == ("H37.04", ["H37.04"])
    assert await out.flush() == []


async def test_what_was_returned_stays_returned_when_a_successor_is_named_later(out):
    await closed(out, SPLIT.code)
    await out.bring(document(to=(SPLIT.code,), document_id="mot"))
    (told,) = await out.flush()
    assert "không có đơn vị kế thừa" in told.description
    await closed(out, SPLIT.code, "H37.04")
    await out.bring(document(to=(SPLIT.code,), document_id="mot"))
    assert await out.arrivals() == []
    await out.bring(document("8", to=(SPLIT.code,), document_id="hai"))
    assert [i["document_id"] for i in await out.arrivals()] == ["hai"]


async def test_a_successor_elsewhere_is_named_not_dialled(out):
    await closed(out, SPLIT.code, "H14")
    await out.bring(document(to=(SPLIT.code,), document_id="mot"))
    (told,) = await out.flush()
    assert told.code == "02"
    assert "H14 (UBND tỉnh Cao Bằng)" in told.description


async def test_two_closed_codes_of_one_successor_are_one_arrival(out):
    await closed(out, SPLIT.code, "H37.04")
    await out.bring(document(to=("H25", SPLIT.code), document_id="mot"))
    (item,) = await out.arrivals()
    assert item["forwarded_from"] == ["H25", SPLIT.code]
    await out.house.call("POST", f"/inbox/{item['id']}/confirm", "stc")
    assert sorted(t.sender for t in await out.flush()) == sorted(["H25", SPLIT.code])


async def test_an_heir_that_works_in_the_console_answers_at_once(out):
    await closed(out, "H25", "H37.61")
    await out.bring(document(to=("H25",), document_id="mot"))
    (told,) = await out.flush()
    assert (told.code, told.sender) == ("01", "H25")
    assert "H37.61 (UBND phường)" in told.description


async def test_a_recall_finds_what_was_forwarded(out):
    await out.bring(document(to=("H25",), document_id="mot"))
    (item,) = await out.arrivals()
    about = head("mot", issuer="H25", code="7/BNV-VP")
    await out.bring(status(about, "13", description="gửi nhầm"), "status")
    (again,) = await out.arrivals()
    assert again["id"] == item["id"]
    events = (await out.house.call("GET", f"/inbox/{item['id']}/events", "stc"))[1]["items"]
    assert "recall_asked" in {e["type"] for e in events}, events


async def test_a_secret_for_a_closed_code_is_kept_apart_first(out):
    await closed(out, SPLIT.code, "H37.02", "H37.04")
    files = (("cong-van.txt", "UBND TỈNH\nMẬT\nSố: 1".encode()),)
    await out.bring(document(to=(SPLIT.code,), document_id="mot", files=files))
    (row,) = await rows_of(out, SPLIT.code)
    assert row["state"] == "quarantined"
    (told,) = await out.flush()
    assert (told.code, "R11" in told.description) == ("02", True)


async def test_a_row_of_a_day_is_stored_as_a_day(out):
    await closed(out, "H25", "H37.04", until=date(2027, 1, 31))
    assert to_text(out.house.clock.now()) > "2026"
    found = out.house.gateway.catalogue.directory().get("H25")
    assert found.forward_until == date(2027, 1, 31)
