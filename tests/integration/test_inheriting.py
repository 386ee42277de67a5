"""What a closed agency had is read by who works for its one successor (ID-05, ACC-06)."""

from datetime import timedelta

import pytest

from gateway import stores
from gateway.domain.access import Role
from gateway.domain.succession import Succession
from gateway.ports import AgencyRecord, ChangeSet, Insert
from gateway.store.places import SqliteFile
from tests.world.gatehouse import gatehouse, packet
from tests.world.ledgers import ask as sql

OLD, NEW, OTHER = "H37.61", "H37.62", "H37.63"


@pytest.fixture(name="house")
async def _house(tmp_path):
    async with gatehouse(tmp_path) as house:
        with stores.open_admin(house.folder / "vanlien.toml") as admin:
            for code in (NEW, OTHER):
                admin.put_agency(
                    AgencyRecord(code, f"UBND {code}", connected="local", console=True), by="t"
                )
        yield house


async def closed(house, *links, code=OLD):
    with stores.open_agencies(house.folder / "vanlien.toml") as book:
        book.close_agency(code, list(links), forward_until=None, reason="sáp nhập", by="t")

    async def known():
        directory = house.gateway.catalogue.directory()
        found = directory.get(code)
        return found is not None and found.status.value == "closed"

    await house.until(known)


async def arrived(house, number="12"):
    code, answer, _ = await house.send(packet(number, to=(OLD,)))
    assert code == 202, answer
    await house.state(answer["id"], OLD, "arrived")
    (delivery,) = (await house.document(answer["id"]))["deliveries"]
    return (await house.row("arrival_of_delivery", delivery_id=delivery["id"]))["id"]


async def test_the_one_successor_reads_all_of_it_and_acts_for_itself(house):
    arrival_id = await arrived(house)
    heir = await house.visitor("hoa", Role.CLERK, NEW)
    path = f"/incoming/{arrival_id}"
    assert (await heir.get(path)).status == 404  # before: another agency's
    await closed(house, Succession(OLD, NEW))
    page = await heir.get(path)
    assert page.status == 200
    assert "Tiếp nhận, vào sổ" not in page.words
    assert (await heir.post(f"{path}/accept", {})).status == 403
    # Its own agency comes first; the closed one is a choice in lists, search and registers.
    first = await heir.get("/incoming")
    assert NEW in first.words
    for place in (f"/incoming?agency={OLD}", f"/registers?agency={OLD}", "/search"):
        assert f'value="{OLD}"' in (await heir.get(place)).text, place
    assert path in (await heir.get(f"/incoming?agency={OLD}")).text
    # Evil twins: an officer reads only what is the officer's; another agency nothing.
    officer = await house.visitor("tuan", Role.OFFICER, NEW)
    other = await house.visitor("mai", Role.CLERK, OTHER)
    assert {(await one.get(path)).status for one in (officer, other)} == {404}
    assert (await other.get(f"/incoming?agency={OLD}")).status == 403


async def test_what_was_never_answered_is_taken_over_and_answered_by_the_successor(house):
    first, second = await arrived(house), await arrived(house, "13")
    heir = await house.visitor("hoa", Role.CLERK, NEW)
    path, ledger = f"/incoming/{first}", house.gateway.ledger
    await closed(house, Succession(OLD, NEW))
    assert "2 văn bản gửi tới mã đã đóng H37.61" in (await heir.get("/incoming")).words
    assert "Nhận bàn giao" in (await heir.get(path)).words
    done = await heir.post(f"{path}/take-over", {})
    assert done.status == 303
    row = await ledger.one("arrival", id=first)
    assert (row["agency"], row["state"], row["forwarded_from"]) == (NEW, "taken", f'["{OLD}"]')
    assert path in (await heir.get("/incoming")).text
    assert "1 văn bản gửi tới mã đã đóng" in (await heir.get("/incoming")).words
    # Twice is once: there is nothing more to take over.
    assert (await heir.post(f"{path}/take-over", {})).status == 409
    assert (await heir.post(f"{path}/accept", {})).status == 303
    row = await ledger.one("arrival", id=first)
    assert (row["state"], row["arrival_number"]) == ("accepted", 1)
    # The sender is answered under the code it wrote, and told who answers.
    reports = await ledger.all("statuses_of_arrival", arrival_id=first)
    (told,) = [r for r in reports if r["code"] == "03"]
    assert (told["sender"], told["sender_written"]) == (NEW, OLD)
    assert f"đơn vị kế thừa là {NEW}" in told["description"]
    # Refusing goes the same way, and the first number of the successor's register is its own.
    await heir.post(f"/incoming/{second}/take-over", {})
    wrong = {"code": "R09", "text": "gửi nhầm", "answered_for": "1"}
    await heir.get(f"/incoming/{second}")
    assert (await heir.post(f"/incoming/{second}/refuse", wrong)).status == 303
    assert (await ledger.one("arrival", id=second))["state"] == "returned"
    entries = await ledger.all("acts_on", subject=f"arrival:{first}")
    assert "arrival-taken-over" in [e["type"] for e in entries]


async def test_nobody_else_takes_over_and_what_was_accepted_stays(house):
    accepted, waits = await arrived(house), await arrived(house, "13")
    own = await house.visitor("lan", Role.CLERK, OLD)
    await own.get(f"/incoming/{accepted}")
    assert (await own.post(f"/incoming/{accepted}/accept", {})).status == 303
    heir = await house.visitor("hoa", Role.CLERK, NEW)
    leader = await house.visitor("hung", Role.LEADER, NEW)
    other = await house.visitor("mai", Role.CLERK, OTHER)
    await own.get(f"/incoming/{waits}")
    assert (await own.post(f"/incoming/{waits}/take-over", {})).status == 409  # it is open
    await closed(house, Succession(OLD, NEW))
    for who, arrival_id, status in (
        (heir, accepted, 409), (leader, waits, 403), (other, waits, 404), (own, waits, 403),
    ):  # fmt: skip
        await who.get("/incoming")
        assert (await who.post(f"/incoming/{arrival_id}/take-over", {})).status == status
    # Sent to both codes, it stands beside the successor's own, as a version of it.
    code, answer, _ = await house.send(packet("14", to=(NEW,), document_id="HAI-MA"))
    assert code == 202, answer
    await house.state(answer["id"], NEW, "arrived")
    place = SqliteFile(house.folder / "data" / "ledger.sqlite")
    sql(place, "UPDATE arrival SET document_id = 'HAI-MA' WHERE id = ?", waits)
    assert (await heir.post(f"/incoming/{waits}/take-over", {})).status == 303
    assert (await house.gateway.ledger.one("arrival", id=waits))["version"] == 2


async def test_a_recall_that_waits_goes_with_the_document(house):
    arrival_id = await arrived(house)
    (asked, later) = [
        Insert(
            "takeback",
            {
                "id": name, "arrival_id": arrival_id, "agency": OLD, "sender": "H37.02",
                "document_id": "x", "state": "asked", "asked_at": "2026", "looked": looked,
                "means": "13", "notice_id": "n", "reason": "nhầm",
            },
        )
        for name, looked in (("t1", 1), ("t2", 0))
    ]  # fmt: skip
    ledger, heir = house.gateway.ledger, await house.visitor("hoa", Role.CLERK, NEW)
    await ledger.commit(ChangeSet(rows=(asked,)))
    await closed(house, Succession(OLD, NEW))
    await heir.get("/incoming")
    assert (await heir.post(f"/incoming/{arrival_id}/take-over", {})).status == 303
    assert (await ledger.one("takeback", id="t1"))["agency"] == NEW
    # Evil twin: it was asked for at the very moment, under the old code.
    sql(SqliteFile(house.folder / "data" / "ledger.sqlite"), "DELETE FROM takeback")
    await ledger.commit(ChangeSet(rows=(later,)))
    await house.gateway.mailroom.takebacks.sweep()
    row = await ledger.one("takeback", id="t2")
    assert (row["agency"], row["looked"]) == (NEW, 1)


async def test_what_the_system_of_a_closed_agency_never_fetched_enters_the_successors(house):
    old = "H37.04"  # it had a system of its own
    code, answer, _ = await house.send(packet("12", to=(old,)))
    assert code == 202, answer
    await house.state(answer["id"], old, "handed_over")
    (delivery,) = (await house.document(answer["id"]))["deliveries"]
    arrival = await house.row("arrival_of_delivery", delivery_id=delivery["id"])
    assert (arrival["state"], arrival["entered_system_at"]) == ("offered", None)
    heir = await house.visitor("hoa", Role.CLERK, NEW)
    await closed(house, Succession(old, NEW), code=old)
    path = f"/incoming/{arrival['id']}"
    await heir.get(path)
    assert (await heir.post(f"{path}/take-over", {})).status == 303
    row = await house.gateway.ledger.one("arrival", id=arrival["id"])
    assert (row["agency"], row["state"], row["sent_codes"]) == (NEW, "taken", "01")
    assert row["entered_system_at"]
    reports = await house.gateway.ledger.all("statuses_of_arrival", arrival_id=arrival["id"])
    assert [(r["code"], r["sender_written"]) for r in reports] == [("01", old)]
    assert (await heir.post(f"{path}/accept", {})).status == 303
    assert (await house.gateway.ledger.one("arrival", id=arrival["id"]))["arrival_number"] == 1
    # Nobody gets it under the closed code any more.
    inbox = (await house.call("GET", "/inbox", "stc"))[1]["items"]
    assert [item["id"] for item in inbox if item["id"] == arrival["id"]] == []


async def test_nobody_inherits_an_agency_that_was_split_or_not_yet_taken_over(house):
    arrival_id = await arrived(house)
    heirs = [await house.visitor(name, Role.CLERK, code) for name, code in _CLERKS]
    day = house.clock.now().date()
    later = Succession(OLD, OTHER, valid_from=day + timedelta(days=30))
    await closed(house, Succession(OLD, NEW), later)
    seen = [(await one.get(f"/incoming/{arrival_id}")).status for one in heirs]
    assert seen == [200, 404]
    house.clock.move(timedelta(days=40))
    heirs = [await house.visitor(f"{name}2", Role.CLERK, code) for name, code in _CLERKS]
    seen = [(await one.get(f"/incoming/{arrival_id}")).status for one in heirs]
    assert seen == [404, 404]


_CLERKS = (("hoa", NEW), ("mai", OTHER))
