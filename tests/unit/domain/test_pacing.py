"""Waits grow for who fails, and cannot be made to grow for others."""

from datetime import UTC, datetime, timedelta

from gateway.domain.pacing import Bucket, Pace, Run
from gateway.programs.accounts.throttle import Throttle, network_of

NOW = datetime(2026, 11, 20, 2, 0, tzinfo=UTC)
PACE = Pace(free=3, longest=timedelta(minutes=5), burst=6, per_minute=2.0)


class At:
    def __init__(self):
        self.at = NOW

    def __call__(self):
        return self.at


def test_waits_double_up_to_the_longest():
    run, waits = Run(), []
    for _ in range(14):
        run = run.failed(PACE, NOW)
        waits.append(run.wait(PACE, NOW).total_seconds())
    assert waits[:6] == [0, 0, 2, 4, 8, 16]
    assert waits[-1] == 300
    assert run.wait(PACE, NOW + timedelta(seconds=299)).total_seconds() == 1
    assert run.failed(PACE, NOW + timedelta(minutes=21)).failures == 1, "forgotten"


def test_a_clock_set_back_makes_nobody_wait_longer():
    run = Run()
    for _ in range(5):
        run = run.failed(PACE, NOW)
    assert run.wait(PACE, NOW - timedelta(days=1)).total_seconds() == 8
    bucket = Bucket()
    for _ in range(6):
        bucket = bucket.failed(PACE, NOW)
    assert bucket.wait(PACE, NOW - timedelta(days=1)) == timedelta(seconds=30)


def test_who_fails_elsewhere_delays_nobody_here():
    throttle = Throttle(PACE, At())
    tries = [throttle.begin("lan", "203.0.113.9") for _ in range(20)]
    assert tries[:3] == [0, 0, 0]
    assert tries[3] > 0
    assert throttle.begin("lan", "10.0.0.7") == 0


def test_who_waits_does_not_make_the_wait_longer():
    now = At()
    throttle = Throttle(PACE, now)
    for _ in range(3):
        throttle.begin("lan", "10.0.0.7")
    waits = {throttle.begin("lan", "10.0.0.7") for _ in range(50)}
    assert waits == {2.0}
    now.at += timedelta(seconds=2)
    assert throttle.begin("lan", "10.0.0.7") == 0


def test_an_address_that_tries_many_accounts_waits_and_a_known_browser_there_does_not():
    throttle = Throttle(PACE, At())
    waits = [throttle.begin(f"user{n}", "10.0.0.7") for n in range(7)]
    assert waits == [0] * 6 + [30.0]
    assert throttle.begin("lan", "10.0.0.7", "device:1") == 0


def test_signing_in_to_ones_own_account_buys_no_tries():
    throttle = Throttle(PACE, At())
    for n in range(5):
        throttle.begin(f"user{n}", "10.0.0.7")
        assert throttle.begin("own", "10.0.0.7") == 0
        throttle.succeeded("own", "10.0.0.7")
    assert throttle.begin("user8", "10.0.0.7") == 0
    assert throttle.begin("user9", "10.0.0.7") > 0


def test_one_visitor_has_a_whole_network_of_ipv6():
    assert (
        network_of("2001:db8:1:2::1") == network_of("2001:db8:1:2:ffff::9") == "2001:db8:1:2::/64"
    )
    assert network_of("::ffff:10.0.0.7") == "10.0.0.7"
    assert network_of("unix") == "unix"
