"""The log of operation, a day a row (AUD-02)."""

import json
from datetime import UTC, datetime, timedelta
from types import SimpleNamespace

import pytest

from gateway.console.sections import ops_days
from gateway.ports import ChangeSet
from gateway.programs.daylog import DayLog
from gateway.programs.rows import audited, entry
from gateway.stores import UuidIds
from tests.world.console import ADMIN, CLERK, FakeTrail, SetClock, console_site
from tests.world.memory_ledger import MemoryLedger

MIDNIGHT = datetime(2026, 11, 20, 17, 0, tzinfo=UTC)  # of 21/11 in Vietnam
HOUR = timedelta(hours=1)


class Site:
    def __init__(self):
        self.ledger, self.clock, self.ids = MemoryLedger(), SetClock(), UuidIds()
        self.restored, self.policy = False, SimpleNamespace(training=False)
        self.clock.at = MIDNIGHT - 9 * HOUR

    async def write(self, *kinds):
        now = self.clock.at
        rows = [entry(self.ids, kind, "x", "", now).row for kind in kinds]
        await self.ledger.commit(ChangeSet(rows=tuple(rows)))

    async def close(self, at):
        self.clock.at = at
        log = DayLog(self)
        await log.once()
        return await log.days(9)


@pytest.fixture
def site():
    made = Site()
    yield made
    made.ledger.close()


async def test_a_day_is_closed_once_after_its_midnight(site):
    assert await site.close(MIDNIGHT - HOUR) == []  # nothing was ever done
    await site.write("accepted", "accepted", "status")
    acts = audited(site.ids, site.clock.at, action="signed-in", actor="lan", target="account:1")
    await site.ledger.commit(ChangeSet(rows=acts))
    assert await site.close(MIDNIGHT - HOUR) == []  # the first day goes on
    (day,) = await site.close(MIDNIGHT)
    assert (day.period, day.whole, day.figures["from_day"]) == ("2026-11-20", True, "2026-11-20")
    assert day.figures["kinds"] == {"accepted": 2, "status": 1}
    assert day.figures["acts"] == {"signed-in": 1}
    assert (day.figures["from_entry"], day.figures["to_entry"]) == (0, 4)
    assert len(await site.close(MIDNIGHT + HOUR)) == 1  # once
    said = await site.ledger.one("entry_at", idx=4)
    assert json.loads(said["body"])["code"] == day.sha256
    # Nobody was there for two days: they are in the next row, and no entry is counted twice.
    await site.write("failed")
    later, _ = await site.close(MIDNIGHT + 73 * HOUR)
    assert (later.figures["from_day"], later.period) == ("2026-11-21", "2026-11-23")
    assert (later.figures["kinds"], later.figures["acts"]) == ({"failed": 1}, {"day-closed": 1})
    # Evil twins: figures that were changed say so; who stands still after a restoration waits.
    site.ledger.connection.execute(
        "UPDATE snapshot SET figures = REPLACE(figures, 'failed', 'refused')"
    )
    assert [d.whole for d in await DayLog(site).days(9)] == [False, True]
    site.restored = True
    assert len(await site.close(MIDNIGHT + 99 * HOUR)) == 2


async def test_operators_see_it_and_take_it_with_them_and_nobody_else(site):
    await site.write("accepted")
    await site.close(MIDNIGHT)
    trail = FakeTrail()
    async with console_site(ops_days.section(DayLog(site), trail)) as pages:
        admin = await pages.visitor(ADMIN)
        page = await admin.get("/ops/days")
        assert "Văn bản đi tiếp nhận: 1" in page.words
        file = await admin.get("/ops/days/export?form=csv")
        assert (file.status, "Văn bản đi tiếp nhận" in file.text) == (200, True)
        assert trail.views[-1][1:] == ("days:operation", "export")
        clerk = await pages.visitor(CLERK)
        for path in ("/ops/days", "/ops/days/export?form=csv"):
            assert (await clerk.get(path)).status == 403
