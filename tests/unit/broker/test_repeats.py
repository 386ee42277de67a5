"""Repeated wishes: forgotten for a while, never for ever, and never more than so many."""

import pytest

from gateway.broker.repeats import Repeats
from gateway.ports import Wanted

A = Wanted("t", "a", 0, "s")


@pytest.fixture
def clock():
    return [0.0]


@pytest.fixture
def repeats(clock):
    return Repeats(60.0, lambda: clock[0], limit=3)


def test_a_repeat_is_not_sent_for_a_while_and_then_again(repeats, clock):
    assert repeats.wants(A, crowded=False)
    clock[0] = 59.9
    assert not repeats.wants(A, crowded=False)
    clock[0] = 60.0
    assert repeats.wants(A, crowded=False)
    assert not repeats.wants(A, crowded=False)


def test_a_new_stamp_is_a_new_wish(repeats):
    assert repeats.wants(A, crowded=False)
    assert repeats.wants(Wanted("t", "a", 0, "later"), crowded=False)
    assert repeats.wants(Wanted("u", "a", 0, "s"), crowded=False)
    assert not repeats.wants(A, crowded=False)


def test_in_a_crowd_only_what_is_new_is_sent(repeats, clock):
    assert repeats.wants(A, crowded=True)
    clock[0] = 3600.0
    assert not repeats.wants(A, crowded=True)
    assert repeats.wants(A, crowded=False)


@pytest.mark.parametrize("how", ["failed", "done", "lost"])
def test_what_is_not_in_the_broker_is_wanted_again(repeats, how):
    assert repeats.wants(A, crowded=False)
    match how:
        case "failed":
            repeats.failed(A)
        case "done":
            repeats.done("t", "a")
        case "lost":
            repeats.lost("t")
    assert repeats.wants(A, crowded=False)


def test_what_is_unknown_can_be_forgotten(repeats):
    repeats.failed(A)
    repeats.done("t", "a")
    repeats.lost("t")
    assert repeats.wants(A, crowded=False)


def test_the_oldest_is_forgotten_first(repeats):
    for ref in "abcd":
        assert repeats.wants(Wanted("t", ref), crowded=False)
    assert repeats.wants(Wanted("t", "a"), crowded=False)  # had been pushed out
    assert not repeats.wants(Wanted("t", "d"), crowded=False)


def test_one_id_with_ever_new_stamps_is_bounded(repeats):
    for n in range(100):
        assert repeats.wants(Wanted("t", "a", 0, str(n)), crowded=False)
    assert sum(len(stamps) for stamps in repeats._sent.values()) <= 4
