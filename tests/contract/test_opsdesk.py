"""What operations look at, the same on both engines."""

from datetime import timedelta

import pytest

from gateway.domain.moments import to_text
from gateway.ports import AgencyRecord, Insert
from gateway.ports.operations import LogAsked
from gateway.programs.opsdesk import LedgerOpsDesk
from gateway.programs.tally import Tally
from gateway.store.operations import LedgerOperations
from gateway.stores import ledger_at
from tests.contract.test_admin_contract import CountedIds, HandClock
from tests.contract.test_queue_contract import START, transfer
from tests.world.ledgers import ENGINES, commit_rows, new_ledger
from tests.world.memory_blobs import MemoryBlobs

NOW = START + timedelta(hours=2)


async def ready():
    return {"ledger": "ok"}


@pytest.fixture(params=ENGINES)
def place(request, tmp_path):
    return new_ledger(request, tmp_path)


async def test_board_flow_log_and_catalogue(place):
    clock = HandClock(NOW)
    store = LedgerOperations(place, MemoryBlobs(), clock, CountedIds())
    store.put_agency(AgencyRecord("H37.61", "100% Sở_Nội vụ"), by="an")
    for n in range(5):
        store.record("thing-done", f"thing:{n}", by="an", reason="vì")
    store.hold_wide("hop", "truc", reason="bảo trì", by="an")
    store.close()
    hour = {"kind": "breaker", "scope": "hop", "subject": "truc2", "held_by": "n", "reason": "500"}
    stamps = {"since": to_text(NOW), "until": to_text(NOW + timedelta(minutes=1))}
    await commit_rows(
        place,
        transfer(0, lane=3),
        transfer(1, state="failed"),
        transfer(2, state="failed", hop="truc2"),
        transfer(3, state="done"),
        Insert("hold", {"id": "h", **hour, **stamps}),
    )
    flow = {("accepted", ""): (0, 0), ("taken", "truc"): (0, 0)}
    async with ledger_at(place) as ledger:
        desk = LedgerOpsDesk(ledger, clock, ready, ("truc", "truc2", "quiet"))
        node = Tally(ledger, "a", clock.now, lambda: dict(flow))
        flow |= {("accepted", ""): (5, 50), ("taken", "truc"): (2, 0)}
        await node.once()
        clock.at += timedelta(minutes=1)
        await node.once()
        clock.at += timedelta(minutes=1)
        board = await desk.board()
        lanes = {lane.lane: (lane.waiting, lane.failed) for lane in board.lanes}
        assert lanes == {4: (0, 0), 3: (1, 0), 2: (0, 0), 1: (0, 0), 0: (0, 2)}
        hops = {d.hop: d for d in board.destinations}
        assert list(hops) == ["quiet", "truc", "truc2"]
        assert (hops["truc"].waiting, hops["truc"].failed, hops["truc"].held_by) == (1, 1, "an")
        assert (hops["truc2"].breaker, hops["truc2"].taken) == ("500", 0)
        assert (hops["truc"].taken, hops["truc"].last_taken) == (2, NOW)
        assert board.holds == 1
        *_, first, second = board.flow
        assert (first.accepted, first.accept_s, first.receipts) == (5, 0.01, None)
        assert (second.accepted, second.receipts) == (0, 0)

        page, older = await desk.log(LogAsked(kind="audit"), before=None, limit=4)
        assert len(page) == 4
        rest, end = await desk.log(LogAsked(kind="audit"), before=older, limit=4)
        assert [e.ord for e in (*page, *rest)] == sorted(e.ord for e in (*page, *rest))[::-1]
        assert (len(rest), end) == (3, None)
        (one,), _ = await desk.log(LogAsked(subject="thing:3"), before=None, limit=4)
        assert (one.actor, one.action) == ("an", "thing-done")
        later = LogAsked(since=NOW + timedelta(seconds=1))
        assert await desk.log(later, before=None, limit=4) == ([], None)
        now = LogAsked(since=NOW, until=NOW + timedelta(seconds=1))
        assert len((await desk.log(now, before=None, limit=50))[0]) == 7

        for text, count in (("", 1), ("Nội", 1), ("100%", 1), ("1%Sở", 0), ("H37", 1), ("!", 0)):
            assert len(await desk.agencies(text, after="", limit=5)) == count, text
        assert not await desk.agencies("", after="H37.61", limit=5)
        (found,) = await desk.trace("t1")
        assert found["id"] == "t1"
        assert await desk.subscriptions() == []
