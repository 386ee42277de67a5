"""Tokens without a table: whose, what for, until when; and everything that must not open."""

import base64
import string
from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.keys.tokens import SealedTokens
from tests.world.fake_frontdoor import FakeCallers, FakeClock

HOUR = timedelta(hours=1)
KEY, NEXT_KEY = b"k" * 32, b"n" * 32
ALPHABET = string.ascii_letters + string.digits + "-_"


class House:
    """Two systems, one key file, any number of nodes."""

    def __init__(self):
        self.clock = FakeClock()
        self.callers = FakeCallers()
        self.callers.add("qlvb", b"mot", speaks_for=["H37.02"])
        self.callers.add("khac", b"hai", speaks_for=["H14.01"])
        self.keys = [KEY]
        self.tokens = self.node()

    def node(self):
        return SealedTokens(lambda: tuple(self.keys), self.callers, self.clock.now)

    def issue(self, system="qlvb", secret=b"mot", audience="wso2", ttl=HOUR):
        return self.tokens.issue(system, secret, audience=audience, ttl=ttl)

    def whose(self, token, audience="wso2"):
        caller = self.tokens.check(token, audience=audience)
        return caller and caller.system_id


@pytest.fixture
def house():
    return House()


def test_a_token_says_whose_it_is(house):
    assert house.tokens.check(house.issue(), audience="wso2") == house.callers.system("qlvb")


def test_every_node_and_a_restart_know_it(house):
    token = house.issue()
    assert house.node().check(token, audience="wso2").system_id == "qlvb"


def test_another_installation_does_not(house):
    token, other = house.issue(), House()
    other.keys = [NEXT_KEY]
    assert other.whose(token) is None


def test_it_ends(house):
    token = house.issue()
    house.clock.move(minutes=59, seconds=59)
    assert house.whose(token) == "qlvb"
    house.clock.move(seconds=1)
    assert house.whose(token) is None


@pytest.mark.parametrize("ttl", [timedelta(0), timedelta(seconds=-1)])
def test_one_that_has_ended_already_opens_nothing(house, ttl):
    assert house.whose(house.issue(ttl=ttl)) is None


def test_it_is_for_one_door(house):
    token = house.issue(audience="langson")
    assert house.whose(token, "langson") == "qlvb"
    assert house.whose(token, "wso2") is None
    assert house.whose(token, "") is None


def test_it_dies_with_its_secret(house):
    token = house.issue()
    house.callers.add("qlvb", b"ba", b"mot", speaks_for=["H37.02"])  # both, while it is replaced
    assert house.whose(token) == "qlvb"
    house.callers.add("qlvb", b"ba", speaks_for=["H37.02"])
    assert house.whose(token) is None
    assert house.whose(house.issue(secret=b"ba")) == "qlvb"


def test_it_dies_with_its_system(house):
    token = house.issue()
    house.callers.disable("qlvb")
    assert house.whose(token) is None


def test_a_system_of_the_same_name_made_anew_does_not_inherit_it(house):
    token = house.issue()
    house.callers.disable("qlvb")
    house.callers.add("qlvb", b"moi", speaks_for=["H99"])
    assert house.whose(token) is None


def test_two_systems_with_the_same_secret_stay_two(house):
    house.callers.add("khac", b"mot", speaks_for=["H14.01"])
    assert house.whose(house.issue("khac", b"mot")) == "khac"
    assert house.whose(house.issue("qlvb", b"mot")) == "qlvb"


def test_what_a_system_speaks_for_is_asked_anew(house):
    token = house.issue()
    house.callers.add("qlvb", b"mot", speaks_for=["H37.02", "H37.09"])
    assert house.tokens.check(token, audience="wso2").speaks_for == {"H37.02", "H37.09"}


def test_one_given_for_a_secret_nobody_has_opens_nothing(house):
    assert house.whose(house.issue(secret=b"doan")) is None
    assert house.whose(house.issue(system="la")) is None


def test_a_change_of_keys_has_an_overlap(house):
    old = house.issue()
    house.keys = [NEXT_KEY, KEY]
    new = house.issue()
    assert (house.whose(old), house.whose(new)) == ("qlvb", "qlvb")
    house.keys = [NEXT_KEY]
    assert (house.whose(old), house.whose(new)) == (None, "qlvb")


def test_a_node_that_has_the_new_key_and_one_that_has_not_yet(house):
    """The file is replaced on one machine first: tokens of either side open while both are read."""
    late = House()
    late.callers = house.callers
    house.keys = [NEXT_KEY, KEY]
    late.tokens = SealedTokens(lambda: (KEY, NEXT_KEY), house.callers, house.clock.now)
    assert late.whose(house.issue()) == "qlvb"
    assert house.whose(late.issue()) == "qlvb"


def test_nothing_of_the_secret_shows(house):
    raw = base64.urlsafe_b64decode(house.issue() + "==")
    assert b"mot" not in raw
    assert raw != base64.urlsafe_b64decode(house.issue(secret=b"ba") + "==")


def test_it_fits_into_a_header_and_into_an_address(house):
    token = house.issue(system="x" * 63)
    assert set(token) <= set(ALPHABET)
    assert len(token) < 512


@pytest.mark.parametrize(
    "spelling",
    [
        lambda token: token + "=",
        lambda token: token + "==",
        lambda token: token + "\n",
        lambda token: " " + token,
        lambda token: token.replace("-", "+").replace("_", "/") + "=",
        lambda token: token[:-1],
        lambda token: token + "A",
        lambda token: token + token,
        lambda token: token[::-1],
        lambda token: token.swapcase(),
        lambda token: token[43:],
    ],
)
def test_other_spellings_are_nobody_s(house, spelling):
    assert house.whose(spelling(house.issue())) is None


def test_every_other_last_letter_is_nobody_s(house):
    """Base64 leaves bits at the end that mean nothing: they do not make a second token."""
    for ttl in (HOUR, HOUR * 10, HOUR * 100):
        token = house.issue(ttl=ttl)
        opened = [x for x in ALPHABET if house.whose(token[:-1] + x)]
        assert opened == [token[-1]]


@pytest.mark.parametrize(
    "garbage",
    ["", "=", "====", "A", "\0", "…", "\ud800", "A" * 43, "A" * 1024, "A" * 5_000_000, "a.b.c"],
)
def test_garbage_is_nobody_s(house, garbage):
    assert house.whose(garbage) is None


@given(st.text(max_size=200))
def test_no_text_opens(text):
    assert House().whose(text) is None


@given(st.integers(0, 10_000), st.integers(1, 255))
def test_no_changed_byte_opens(place, flip):
    house = House()
    raw = bytearray(base64.urlsafe_b64decode(house.issue() + "=="))
    raw[place % len(raw)] ^= flip
    assert house.whose(base64.urlsafe_b64encode(raw).rstrip(b"=").decode()) is None


@given(st.integers(0, 400))
def test_no_part_of_one_opens(length):
    house = House()
    token = house.issue()
    assert (house.whose(token[:length]) == "qlvb") == (length >= len(token))


@given(
    system=st.text(min_size=1, max_size=40),
    secret=st.binary(min_size=1, max_size=80),
    audience=st.sampled_from(["wso2", "langson"]),
    seconds=st.integers(2, 10**7),
)
def test_any_system_and_secret_come_back(system, secret, audience, seconds):
    house = House()
    house.callers.add(system, secret)
    token = house.issue(system, secret, audience, timedelta(seconds=seconds))
    assert house.whose(token, audience) == system
    house.clock.move(seconds=seconds - 2)
    assert house.whose(token, audience) == system
    house.clock.move(seconds=2)
    assert house.whose(token, audience) is None
