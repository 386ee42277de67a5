"""From rows of minutes to points of a chart: gaps, restarts, and a minute under way."""

from datetime import UTC, datetime, timedelta

from gateway import measures, observe
from gateway.programs.opsdesk import flow_of
from gateway.programs.tally import minute

NOW = datetime(2026, 11, 20, 2, 0, 30, tzinfo=UTC)


def row(back, what, n, ms=0, peer=""):
    at = minute(NOW - timedelta(minutes=back))
    return {"minute": at, "what": what, "peer": peer, "n": n, "ms": ms, "highest": n}


def test_a_minute_in_which_nobody_counted_is_a_gap_not_a_zero():
    points = flow_of([row(3, "log", 10), row(1, "log", 25), row(1, "accepted", 4, 200)], NOW)
    assert len(points) == 120
    *_, third, second, first = points
    assert (third.accepted, third.receipts) == (0, None)
    assert (second.accepted, second.receipts) == (None, None)
    assert (first.accepted, first.accept_s, first.delivered) == (4, 0.05, 0)
    assert first.receipts is None  # nobody knows how many of them fell into the gap


def test_all_peers_of_a_minute_are_one_point():
    rows = [row(2, "log", 5), row(1, "log", 9)]
    rows += [row(1, "taken", 3, peer="truc"), row(1, "taken", 4, peer="local")]
    last = flow_of(rows, NOW)[-1]
    assert (last.delivered, last.receipts) == (7, 4)


def test_the_minute_under_way_is_left_out():
    assert flow_of([row(0, "accepted", 9)], NOW)[-1].accepted is None


def test_local_systems_are_one_destination_of_the_counters():
    def counted(what, peer="local"):
        return measures.flow().get((what, peer), (0, 0))

    before = {what: counted(what) for what in ("taken", "deferred", "failed", "attempted")}
    for code in ("H37.61", "H37.04"):
        to = {"transfer_id": "t1", "peer": f"local:{code}", "attempt": 1}
        observe.delivery_handed_over(**to, lane="normal", transfer_s=0.25)
        observe.delivery_deferred(**to, lane="normal", reason="busy", retry_in_s=1, transfer_s=0.25)
        observe.delivery_failed(**to, reason="refused")
    for what in ("taken", "deferred", "failed"):
        assert counted(what)[0] == before[what][0] + 2
    assert counted("attempted") == (before["attempted"][0] + 4, before["attempted"][1] + 1000)
    assert not [peer for _, peer in measures.flow() if peer.startswith("local:")]
    assert b'peer="local:' not in measures.render({})
