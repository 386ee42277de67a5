"""LedgerCallers: who opens the door, when, and how soon a change is seen."""

import base64
import contextlib
import threading
import time
from datetime import timedelta

import pytest

from gateway import secrets
from gateway.errors import ConfigurationError, IntegrityError, UnavailableError
from gateway.ports import AgencyRecord, Caller, NewCredential
from gateway.store import callers as callers_module
from gateway.store.callers import LedgerCallers
from gateway.store.registry import STALE_S, Follower

KEY = bytes(range(32))
HOUR = timedelta(hours=1)


def api_key():
    made = secrets.new_api_key()
    return made.text, NewCredential(made.key_id, "api-key", sha256=made.sha256)


def shared(system_id, secret, credential_id, key=KEY):
    sealed = secrets.seal_secret(key, secret, system_id=system_id, credential_id=credential_id)
    return NewCredential(credential_id, "shared-secret", sealed=sealed)


@pytest.fixture
def known(admin):
    for code in ("H37.02", "H37.05"):
        admin.put_agency(AgencyRecord(code, code, connected="local"), by="t")
    return admin


@pytest.fixture
def callers(place, clock, ticks):
    made = LedgerCallers(place, KEY, clock, monotonic=ticks, follow=False)
    yield made
    made.close()


def test_an_api_key_names_its_system(known, callers):
    text, stored = api_key()
    known.add_system("qlvb", ["H37.05", "H37.02"], [stored], by="t")
    assert callers.by_api_key(text) == Caller("qlvb", frozenset({"H37.02", "H37.05"}))


@pytest.mark.parametrize("change", ["last", "id", "case", "blank", "other", "empty", "nul"])
def test_anything_else_opens_nothing(known, callers, change):
    text, stored = api_key()
    other, _ = api_key()
    known.add_system("qlvb", ["H37.02"], [stored], by="t")
    wrong = {
        "last": text[:-1] + ("A" if text[-1] != "A" else "B"),
        "id": other[:20] + text[20:],
        "case": text.upper(),
        "blank": text + " ",
        "other": other,
        "empty": "",
        "nul": "\0" * 63,
    }[change]
    assert callers.by_api_key(wrong) is None


def test_a_key_nobody_has_costs_the_same_work(known, callers, monkeypatch):
    text, stored = api_key()
    stranger, _ = api_key()
    known.add_system("qlvb", ["H37.02"], [stored], by="t")
    compared = []

    def matches(given, sha256):
        compared.append((given, len(sha256)))
        return secrets.api_key_matches(given, sha256)

    monkeypatch.setattr(callers_module, "api_key_matches", matches)
    for given in (text, stranger, "nonsense"):
        callers.by_api_key(given)
    assert compared == [(text, 64), (stranger, 64), ("nonsense", 64)]


def test_two_keys_are_good_while_rotating_and_then_one(known, callers, clock, ticks):
    (old, stored_old), (new, stored_new) = api_key(), api_key()
    known.add_system("qlvb", ["H37.02"], [stored_old], by="t")
    known.rotate("qlvb", [stored_new], overlap=HOUR, by="t")
    assert callers.by_api_key(old)
    assert callers.by_api_key(new)
    clock.at += HOUR - timedelta(microseconds=1)
    assert callers.by_api_key(old)
    clock.at += timedelta(microseconds=1)
    assert callers.by_api_key(old) is None
    assert callers.by_api_key(new)


def test_a_revoked_key_and_a_disabled_system(known, callers, ticks):
    (old, stored_old), (new, stored_new) = api_key(), api_key()
    known.add_system("qlvb", ["H37.02"], [stored_old, shared("qlvb", b"s", "hmac1")], by="t")
    assert callers.by_api_key(old)
    known.rotate("qlvb", [stored_new], overlap=timedelta(0), by="t")
    ticks.seconds += 0.5
    assert callers.by_api_key(old) is None
    assert callers.by_api_key(new)
    known.disable_system("qlvb", by="t")
    ticks.seconds += 0.5
    assert callers.by_api_key(new) is None
    assert callers.shared_secrets("qlvb") is None


def test_shared_secrets_open_newest_first_and_end(known, callers, clock, ticks):
    known.add_system("qlvb", ["H37.02"], [shared("qlvb", b"old", "zz")], by="t")
    assert callers.shared_secrets("qlvb") == (Caller("qlvb", frozenset({"H37.02"})), (b"old",))
    known.rotate("qlvb", [shared("qlvb", b"new", "aa")], overlap=HOUR, by="t")
    ticks.seconds += 0.5
    assert callers.shared_secrets("qlvb")[1] == (b"new", b"old")
    clock.at += HOUR
    assert callers.shared_secrets("qlvb")[1] == (b"new",)


def test_a_system_without_a_secret_or_not_there(known, callers):
    known.add_system("qlvb", ["H37.02"], [api_key()[1]], by="t")
    assert callers.shared_secrets("qlvb") is None
    assert callers.shared_secrets("nobody") is None
    assert callers.shared_secrets("") is None


def test_a_secret_is_opened_once(known, callers, monkeypatch):
    known.add_system("qlvb", ["H37.02"], [shared("qlvb", b"s", "hmac1")], by="t")
    opened = []
    real = secrets.open_secret
    monkeypatch.setattr(secrets, "open_secret", lambda *a, **k: opened.append(1) or real(*a, **k))
    for _ in range(3):
        assert callers.shared_secrets("qlvb")[1] == (b"s",)
    assert opened == [1]


@pytest.mark.parametrize("damage", ["key", "moved", "bytes", "base64", "empty"])
def test_a_secret_that_does_not_open_is_said(known, callers, sql, damage):
    known.add_system("other", ["H37.02"], [shared("other", b"other", "fine")], by="t")
    secret = shared("qlvb", b"s", "hmac1", key=bytes(32) if damage == "key" else KEY)
    known.add_system("qlvb", ["H37.02"], [secret], by="t")
    sealed = base64.b64decode(sql("SELECT sealed FROM credential WHERE id = 'hmac1'")[0][0])
    assert sealed == secret.sealed
    if damage == "moved":
        sql("UPDATE credential SET sealed = (SELECT sealed FROM credential WHERE id = 'fine')")
    elif damage == "bytes":
        text = base64.b64encode(sealed[:-1] + b"\0").decode()
        sql("UPDATE credential SET sealed = ? WHERE id = 'hmac1'", text)
    elif damage == "base64":
        sql("UPDATE credential SET sealed = '?' WHERE id = 'hmac1'")
    elif damage == "empty":
        sql("UPDATE credential SET sealed = NULL WHERE id = 'hmac1'")
    with pytest.raises(IntegrityError, match="hmac1"):
        callers.shared_secrets("qlvb")
    assert callers.shared_secrets("other")[1] == (b"other",)


# ---------------------------------------------------------------- how soon


def test_a_change_is_seen_after_half_a_second_and_not_looked_for_before(known, callers, ticks):
    text, stored = api_key()
    assert callers.by_api_key(text) is None
    known.add_system("qlvb", ["H37.02"], [stored], by="t")
    ticks.seconds += 0.49
    assert callers.by_api_key(text) is None
    ticks.seconds += 0.01
    assert callers.by_api_key(text) is not None


def test_nothing_is_read_while_nothing_changes(known, callers, ticks):
    callers.by_api_key("")
    said = []
    asked = callers._watch._session.row
    callers._watch._session.row = lambda sql: said.append(sql) or asked(sql)
    snapshot = callers._snapshot
    for _ in range(100):
        callers.by_api_key("")
        ticks.seconds += 0.1
    assert callers._snapshot is snapshot
    assert 14 <= len(said) <= 21
    assert set(said) == {"SELECT value FROM meta WHERE key = 'registry_version'"}


# ---------------------------------------------------------------- kept current beside the readers


def test_a_follower_sees_a_change_by_itself(known, place, clock):
    text, stored = api_key()
    followed = LedgerCallers(place, KEY, clock, follow=True)
    try:
        assert followed.by_api_key(text) is None
        known.add_system("qlvb", ["H37.02"], [stored], by="t")
        until(lambda: followed.by_api_key(text) is not None)
        known.disable_system("qlvb", by="t")
        until(lambda: followed.by_api_key(text) is None)
    finally:
        followed.close()


def until(ready):
    """Wait for another thread."""
    end = time.monotonic() + 60
    while not ready():
        assert time.monotonic() < end
        threading.Event().wait(0.02)


class Away:
    """A watch whose ledger is out of reach after the first look."""

    def __init__(self):
        self.asked = threading.Event()

    @contextlib.contextmanager
    def reading(self):
        yield None

    def changed(self):
        self.asked.set()
        raise UnavailableError


@pytest.mark.parametrize("trouble", [UnavailableError(), ConfigurationError("x"), ValueError("x")])
def test_no_trouble_makes_a_follower_give_up(trouble):
    looks = iter([trouble, True, False])
    seen = threading.Event()

    class Troubled(Away):
        def changed(self):
            found = next(looks, False)
            if isinstance(found, Exception):
                raise found
            if not found:
                seen.set()
            return found

    read = iter(["before", "after"])
    follower = Follower(Troubled(), lambda _opened: next(read))
    try:
        assert seen.wait(60)
        assert follower.value() == "after"
    finally:
        follower.close()


def test_what_was_known_too_long_ago_opens_nothing(ticks):
    """A caller disabled meanwhile would still come in: better nobody for a while."""
    watch = Away()
    follower = Follower(watch, lambda _opened: "known", ticks)
    try:
        assert watch.asked.wait(60)
        ticks.seconds += STALE_S
        assert follower.value() == "known"
        ticks.seconds += 0.1
        with pytest.raises(UnavailableError):
            follower.value()
    finally:
        follower.close()
