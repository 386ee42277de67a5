"""The calendar at a whole gateway: decided in a page, counted by the programs, on record.

Rules: TIM-04, TIM-05, TIM-06, ACC-06, AUD-03.
"""

from datetime import datetime, timedelta

import pytest

from gateway.domain.access import Role
from gateway.domain.moments import VIETNAM
from tests.world.gatehouse import gatehouse


@pytest.fixture
async def house(tmp_path):
    async with gatehouse(tmp_path) as house:
        yield house


def _days(house, n):
    return (house.clock.now().astimezone(VIETNAM).date() + timedelta(days=n)).isoformat()


async def _spans(house, agency, day):
    hours = house.gateway.context.calendar(agency)
    return hours.open_spans(datetime.fromisoformat(day).date())


@pytest.mark.parametrize("kind", ["off", "worked"])
async def test_a_day_decided_counts_everywhere_once_its_effect_was_seen(house, kind):
    admin = await house.visitor("quantri", Role.SYS_ADMIN)
    # The first day from then on that is the other thing, on whatever day this runs.
    days = [_days(house, n) for n in range(30, 50)]
    spans = {day: await _spans(house, "H37.61", day) for day in days}
    day = next(day for day in days if bool(spans[day]) is (kind == "off"))
    year = {"year": day[:4]}
    before = await _spans(house, "H37.61", day)
    await admin.get(f"/calendar?year={year['year']}")
    form = {
        "day": day,
        "kind": kind,
        "name": "Nghỉ bù",
        "source": "TB 1",
    }
    effect = await admin.post("/calendar/day", form)
    assert effect.status == 200
    assert "tác động" in effect.words
    assert await _spans(house, "H37.61", day) == before  # nothing yet
    done = await admin.post("/calendar/day", form | {"sure": "1"})
    assert done.status == 303

    async def counts():
        return await _spans(house, "H37.61", day) != before

    await house.until(counts)
    assert "Nghỉ bù" in (await admin.get(f"/calendar?year={year['year']}")).words
    entries = await house.gateway.ledger.all("entries_of", subject=f"calendar-day:{day}")
    assert len(entries) == 1
    assert "TB 1" not in entries[0]["body"]


async def test_hours_of_one_agency_are_its_administrators_and_change_no_other(house):
    unit = await house.visitor("donvi", Role.UNIT_ADMIN, "H37.61")
    page = await unit.get("/calendar?agency=H37.61")
    assert "chưa xác nhận" in page.words
    first = _days(house, 10)
    hours = {f"d{n}": "6h30-10h30, 14h-18h" for n in range(7)}
    form = {"agency": "H37.61", "valid_from": first, **hours, "sure": "1"}
    assert (await unit.post("/calendar/hours", form)).status == 303

    async def counts():
        spans = await _spans(house, "H37.61", first)
        return not spans or spans[0].start.hour == 6

    await house.until(counts)
    (entry,) = await house.gateway.ledger.all("office_hours")
    for agency in ("H37.04", ""):
        assert (await unit.post("/calendar/hours", form | {"agency": agency})).status == 403
        told = await unit.post(f"/calendar/hours/{entry['id']}", {"agency": agency, "act": "end"})
        assert told.status == 403
    assert (await unit.post("/calendar/day", {"day": first, "name": "x"})).status == 403
    ended = await unit.post(f"/calendar/hours/{entry['id']}", {"agency": "H37.61", "act": "end"})
    assert ended.status == 303
    assert await house.gateway.ledger.all("office_hours") == []
    again = await unit.post(f"/calendar/hours/{entry['id']}", {"agency": "H37.61", "act": "end"})
    assert again.status == 404


async def test_hours_that_have_begun_end_with_today_and_the_past_keeps_them(house):
    unit = await house.visitor("donvi", Role.UNIT_ADMIN, "H37.61")
    await unit.get("/calendar?agency=H37.61")
    first = _days(house, 1)
    hours = {f"d{n}": "6h30-10h30, 14h-18h" for n in range(7)}
    form = {"agency": "H37.61", "valid_from": first, **hours, "sure": "1"}
    assert (await unit.post("/calendar/hours", form)).status == 303
    (entry,) = await house.gateway.ledger.all("office_hours")
    house.clock.move(timedelta(days=3))
    unit = await house.visitor("donvi2", Role.UNIT_ADMIN, "H37.61")
    await unit.get("/calendar?agency=H37.61")
    end = {"agency": "H37.61", "act": "end"}
    assert (await unit.post(f"/calendar/hours/{entry['id']}", end)).status == 303
    (left,) = await house.gateway.ledger.all("office_hours")
    assert (left["valid_from"], left["valid_to"]) == (first, _days(house, 0))
    assert (await unit.post(f"/calendar/hours/{entry['id']}", end)).status == 400


async def test_the_past_is_not_decided_again_and_faults_come_all_at_once(house):
    admin = await house.visitor("quantri", Role.SYS_ADMIN)
    await admin.get("/calendar")
    form = {"day": _days(house, -1), "kind": "off", "name": "muộn", "sure": "1"}
    assert (await admin.post("/calendar/day", form)).status == 400
    told = await admin.post("/calendar/hours", {"agency": "", "valid_from": "", "d0": "tám giờ"})
    assert told.status == 422
    assert "tám giờ" in told.words
    assert "Cần ngày bắt đầu" in told.words
    today = {"agency": "", "valid_from": _days(house, 0), "d0": "8-12", "sure": "1"}
    assert (await admin.post("/calendar/hours", today)).status == 400


async def test_next_years_holidays_are_provisional_until_somebody_confirms_them(house):
    admin = await house.visitor("quantri", Role.SYS_ADMIN)
    year = house.clock.now().year + 1
    page = await admin.get(f"/calendar?year={year}")
    assert "Tết Nguyên Đán" in page.words
    assert "chưa xác nhận" in page.words
    assert (await admin.post("/calendar/year", {"year": str(year)})).status == 303

    async def known():
        return house.gateway.context.calendar("").calendar.knows(year)

    await house.until(known)
    assert (await admin.post("/calendar/year", {"year": str(year)})).status == 409
    assert (await admin.post("/calendar/year", {"year": str(year + 9)})).status == 400
