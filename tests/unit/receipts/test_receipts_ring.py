"""The ring of receipt keys: whose turn it is, and what can never be undone."""

import json
from datetime import UTC, datetime, timedelta

import pytest

from gateway.errors import ConfigurationError
from gateway.receipts import ring as rings
from gateway.receipts.ring import ALWAYS, KeyState, Ring, RingKey, read_ring, ring_bytes
from gateway.receipts.sign import public_pem
from tests.world.receipt_log import key

NOW = datetime(2026, 3, 2, 1, 0, tzinfo=UTC)
HOUR = timedelta(hours=1)


def entry(seed, signs_from=""):
    made = key(seed)
    return RingKey(made.kid, public_pem(made), f"{seed}.pem", ALWAYS, signs_from)


def begun():
    return Ring((entry(1, ALWAYS), entry(2)))


def test_a_key_signs_from_its_instant_on():
    first, second = key(1).kid, key(2).kid
    ring = begun().activating(second, NOW + HOUR)
    assert ring.signer(NOW).kid == first
    assert ring.signer(NOW + HOUR).kid == second
    states = [ring.state(k, NOW) for k in ring.keys]
    assert states == [KeyState.SIGNS, KeyState.WAITING]
    assert [ring.state(k, NOW + HOUR) for k in ring.keys] == [KeyState.KEPT, KeyState.SIGNS]
    assert begun().state(begun().keys[1], NOW) is KeyState.NEW


def test_a_retired_key_never_signs_again_and_stays_public():
    second = key(2).kid
    ring = begun().activating(second, NOW).retiring(key(1).kid, NOW + HOUR)
    assert ring.state(ring.keys[0], NOW + HOUR) is KeyState.RETIRED
    assert len(ring.public_keys()) == 2
    assert ring.public_keys()[0] == public_pem(key(2))
    for again in (
        lambda: ring.activating(key(1).kid, NOW + 2 * HOUR),
        lambda: ring.retiring(key(1).kid, NOW + 2 * HOUR),
        lambda: ring.retiring(second, NOW + 2 * HOUR),
        lambda: ring.activating(second, NOW + 2 * HOUR),
    ):
        with pytest.raises(ConfigurationError):
            again()


def test_turns_have_an_order():
    ring = begun().adding(entry(3)).activating(key(2).kid, NOW + HOUR)
    with pytest.raises(ConfigurationError, match="later"):
        ring.activating(key(3).kid, NOW)
    with pytest.raises(ConfigurationError, match="already"):
        ring.adding(entry(3))


def test_a_key_is_named_by_its_beginning_when_that_names_one():
    ring = begun()
    assert ring.get(key(2).kid[:6]).kid == key(2).kid
    for name in ("", "no such key"):
        with pytest.raises(ConfigurationError):
            ring.get(name)


def test_nobody_may_sign_is_said():
    with pytest.raises(ConfigurationError, match="no key"):
        Ring((entry(1),)).signer(NOW)


def test_a_ring_reads_back():
    ring = begun().activating(key(2).kid, NOW)
    assert read_ring(ring_bytes(ring)) == ring


@pytest.mark.parametrize(
    "harm",
    [
        lambda r: r["keys"].clear(),
        lambda r: r["keys"].append(r["keys"][0]),
        lambda r: r["keys"][0].update(public_key=public_pem(key(9))),
        lambda r: r["keys"][0].update(signs_from="2026-03-02T08:00:00"),
        lambda r: r["keys"][0].update(signs_from="soon"),
        lambda r: r["keys"][0].update(more=1),
        lambda r: r["keys"][0].pop("kid"),
        lambda r: r.update(version=2),
        lambda r: r.update(keys=[5]),
        lambda r: r.update(keys=None),
    ],
)
def test_a_ring_that_was_tampered_with_is_none(harm):
    found = json.loads(ring_bytes(begun()))
    harm(found)
    with pytest.raises(ConfigurationError):
        read_ring(json.dumps(found).encode())


@pytest.mark.parametrize("data", [b"", b"{", b"[]", b"\xff", b"[" * 100_000])
def test_what_is_no_ring_is_said(data):
    with pytest.raises(ConfigurationError):
        rings.read_ring(data)
