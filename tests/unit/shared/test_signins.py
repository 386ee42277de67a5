"""Failed sign-ins: who is told to wait, who never is, and what is remembered."""

import pytest

from adapters.shared.signins import FREE, SignIns
from gateway import observe
from tests.world.fake_frontdoor import FakeClock

HERE, THERE = "10.0.0.1", "10.0.0.2"


@pytest.fixture
def clock():
    return FakeClock()


@pytest.fixture
def signins(clock):
    return SignIns(clock.now, "/token")


def failing(signins, times, system="qlvb", remote=HERE):
    return [signins.failed(system, remote) for _ in range(times)]


def test_some_are_free_then_the_wait_doubles_up_to_a_bound(signins):
    assert failing(signins, FREE) == [0] * FREE
    assert failing(signins, 4) == [2, 4, 8, 16]
    assert failing(signins, 100)[-1] == 900


def test_each_system_from_each_address_has_its_own_count(signins):
    failing(signins, FREE + 5)
    assert failing(signins, 1, remote=THERE) == [0]
    assert failing(signins, 1, system="khac") == [0]
    assert failing(signins, 1, remote=None) == [0]


def test_who_comes_in_begins_anew(signins):
    failing(signins, FREE + 5)
    signins.succeeded("qlvb", HERE)
    assert failing(signins, 1) == [0]
    signins.succeeded("qlvb", THERE)  # never failed: nothing to forget


def test_a_quarter_of_an_hour_forgets(signins, clock):
    failing(signins, FREE + 5)
    clock.move(minutes=14, seconds=59)
    assert failing(signins, 1)[0] > 0
    clock.move(minutes=15)
    assert failing(signins, 1) == [0]


def test_a_clock_set_back_forgets_too(signins, clock):
    failing(signins, FREE + 5)
    clock.move(hours=-1)
    assert failing(signins, 1) == [0]


def test_names_that_look_alike_are_not_one(signins):
    failing(signins, FREE + 1, system="c\0b", remote=None)
    assert failing(signins, 1, system="b", remote="c") == [0]
    assert failing(signins, 1, system="c\0b ", remote=None) == [0]


def test_memory_is_bounded_and_the_oldest_go(clock):
    signins = SignIns(clock.now, "/token", most=3)
    failing(signins, FREE + 1, system="first")
    for n in range(3):
        failing(signins, 1, system=f"x{n}")
    assert len(signins._runs) == 3
    assert failing(signins, 1, system="first") == [0]
    failing(signins, 1, system="y" * 10_000_000)
    assert all(len(key) == 16 for key in signins._runs)


def test_a_run_is_said_once(signins, monkeypatch):
    said = []
    monkeypatch.setattr(observe, "signins_failing", lambda **facts: said.append(facts))
    failing(signins, FREE + 20)
    failing(signins, FREE + 20, remote=THERE)
    assert said == [{"route": "/token", "failures": FREE + 1}] * 2
