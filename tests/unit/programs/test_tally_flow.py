"""From rows of minutes to points of a chart: gaps, restarts, and a minute under way."""

from datetime import UTC, datetime, timedelta

from gateway import measures
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
    before = measures.flow().get(("taken", "local"), (0, 0))[0]
    for code in ("H37.61", "H37.04"):
        measures.of(measures.attempts, f"local:{code}", "taken").inc()
    flow = measures.flow()
    assert flow["taken", "local"][0] == before + 2
    assert not [peer for _, peer in flow if peer.startswith("local:")]
