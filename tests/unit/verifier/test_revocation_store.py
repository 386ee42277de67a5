"""The store: what is taken, kept, told and made again."""

import os
import signal
import sqlite3
import subprocess
import sys
from datetime import timedelta
from pathlib import Path

import pytest

from gateway.errors import ConfigurationError
from gateway.trust.crl import RefusedListError
from gateway.verifier.crl_index import CrlIndex, object_path
from gateway.verifier.revocation import RevocationStore, authorities_in, open_index
from gateway.verifier.trusted import TrustDesk, TrustState, combined, index_identity
from tests.world.revocation_lists import DAY, DER, certificate, crl, many, ocsp_answer, responder
from tests.world.signed_files import NOW

ROOT = certificate("Gốc", ca=True)
CA = certificate("CA", ROOT, ca=True)
PERSON = certificate("Người", CA, serial=7)
ISSUERS = [ROOT.asn1, CA.asn1]


@pytest.fixture
def store(tmp_path):
    made = RevocationStore(tmp_path / "revocation", now=lambda: NOW)
    yield made
    made.close()


def told(index, serial=7, issuer=CA):
    return [(s.kind, s.number, s.revoked_at, s.reason) for s in index.statuses(issuer.asn1, serial)]


def test_a_list_is_kept_under_its_digest_and_answers(store):
    der = crl(CA, [(7, NOW - 3 * DAY)], number=5)
    taken = store.take(der, ISSUERS)
    assert (taken.issuer, taken.number, taken.entries, taken.new) == ("CA", "5", 1, True)
    assert object_path(store.folder, taken.sha256, "crl").read_bytes() == der
    index = CrlIndex(store.folder)
    assert told(index) == [("crl", "5", NOW - 3 * DAY, "")]
    assert told(index, 8) == [("crl", "5", None, "")]
    assert told(index, 7, ROOT) == []
    assert index.der(taken.sha256) == der
    assert index.der("0" * 64) is None
    index.close()


def test_the_same_list_again_changes_nothing(store):
    der = crl(CA, many(5))
    first, second = store.take(der, ISSUERS), store.take(der, ISSUERS)
    assert (first.new, second.new) == (True, False)
    assert first.sha256 == second.sha256


def test_a_list_nobody_trusted_signed_leaves_nothing(store):
    twin = certificate("CA", ROOT, ca=True, label="khóa khác")
    with pytest.raises(RefusedListError):
        store.take(crl(twin), ISSUERS)
    assert list((store.folder / "objects").iterdir()) == []
    index = CrlIndex(store.folder)
    assert index.sha256 == ""
    index.close()


def test_same_serial_of_another_authority_is_another_certificate(store):
    twin = certificate("CA", ROOT, ca=True, label="khóa khác")
    other = certificate("CA 2", ROOT, ca=True)
    issuers = [*ISSUERS, twin.asn1, other.asn1]
    store.take(crl(CA), issuers)
    store.take(crl(twin, [(7, NOW - DAY)]), issuers)
    store.take(crl(other, [(7, NOW - DAY)]), issuers)
    index = CrlIndex(store.folder)
    assert [t[2] for t in told(index)] == [None]
    assert [t[2] for t in told(index, 7, twin)] == [NOW - DAY]
    assert [t[2] for t in told(index, 7, other)] == [NOW - DAY]
    index.close()


def test_old_generations_are_told_newest_first(store):
    for day, revoked in ((30, []), (20, [(7, NOW - 25 * DAY)]), (10, []), (1, [])):
        store.take(crl(CA, revoked, at=NOW - day * DAY, number=100 - day), ISSUERS)
    index = CrlIndex(store.folder)
    assert [(n, r) for _, n, r, _ in told(index)] == [
        ("99", None),
        ("90", None),
        ("80", NOW - 25 * DAY),
        ("70", None),
    ]
    rows = index.statuses(CA.asn1, 7, NOW - 15 * DAY)
    assert [r.number for r in rows] == ["80", "70"]
    index.close()


def test_a_new_generation_writes_only_what_differs(store):
    store.take(crl(CA, many(500), at=NOW - 2 * DAY), ISSUERS)
    store.take(crl(CA, [*many(500)[1:], (7, NOW)], at=NOW - DAY, number=2), ISSUERS)
    with sqlite3.connect(store.folder / "index.sqlite") as raw:
        assert raw.execute("SELECT count(*) FROM entry").fetchone() == (501,)
    raw.close()


def test_a_hold_counts_while_it_stands(store):
    from cryptography.x509 import ReasonFlags

    hold = [(7, NOW - 20 * DAY, ReasonFlags.certificate_hold)]
    store.take(crl(CA, hold, at=NOW - 10 * DAY), ISSUERS)
    index = CrlIndex(store.folder)
    name = index.lists(NOW)[0].issuer_name
    assert index.revoked_since(name, 7, NOW + DAY) == NOW - 20 * DAY
    store.take(crl(CA, [], at=NOW - DAY, number=2), ISSUERS)
    index.pin()
    assert index.revoked_since(name, 7, NOW + DAY) is None
    assert index.revoked_since(name, 7, NOW - 5 * DAY) == NOW - 20 * DAY
    index.close()


def test_a_revocation_outlives_the_certificate(store):
    store.take(crl(CA, [(7, NOW - 20 * DAY)], at=NOW - 10 * DAY), ISSUERS)
    store.take(crl(CA, [], at=NOW - DAY, number=2), ISSUERS)
    index = CrlIndex(store.folder)
    name = index.lists(NOW)[0].issuer_name
    assert index.revoked_since(name, 7, NOW - 5 * DAY) == NOW - 20 * DAY
    index.close()


# ---------------------------------------------------------------- OCSP


def test_an_answer_is_kept_when_the_issuer_or_its_own_responder_gave_it(store):
    own = ocsp_answer(PERSON, CA, at=NOW - 2 * DAY)
    delegated = ocsp_answer(PERSON, CA, responder=responder(CA), revoked=NOW - DAY)
    for der in (own, delegated):
        assert store.take(der, ISSUERS).kind == "ocsp"
    index = CrlIndex(store.folder)
    assert told(index) == [("ocsp", "", NOW - DAY, "key_compromise"), ("ocsp", "", None, "")]
    name = index_name(index)
    assert index.answers(name, 7) == (delegated, own)
    assert index.answers(name, 7, NOW - DAY) == (own,)
    assert index.answers(name, 8) == ()
    assert index.revoked_since(name, 7, NOW) == NOW - DAY
    index.close()


def index_name(index):
    from gateway.trust.lists import name_key

    return name_key(CA.asn1.subject)


@pytest.mark.parametrize(
    ("who", "word"),
    [
        (lambda: responder(CA, usage=False), "OCSPSigning"),
        (lambda: responder(CA, nocheck=False), "nocheck"),
        (lambda: responder(ROOT), "not the issuer's"),
        (lambda: responder(CA, end=NOW - 30 * DAY), "out of date"),
    ],
)
def test_an_answer_of_anybody_else_is_refused(store, who, word):
    with pytest.raises(RefusedListError, match=word):
        store.take(ocsp_answer(PERSON, CA, responder=who()), ISSUERS[1:])


def test_an_answer_signed_by_another_key_is_refused(store):
    twin = certificate("CA", ROOT, ca=True, label="khóa khác")
    with pytest.raises(RefusedListError):
        store.take(ocsp_answer(PERSON, twin), ISSUERS)
    good = bytearray(ocsp_answer(PERSON, CA))
    good[-1] ^= 1
    with pytest.raises(RefusedListError):
        store.take(bytes(good), ISSUERS)


# ---------------------------------------------------------------- what a reader sees


def test_a_pinned_reader_does_not_see_what_came_later(store):
    store.take(crl(CA, at=NOW - 2 * DAY), ISSUERS)
    index = CrlIndex(store.folder)
    before = index.sha256
    store.take(crl(CA, [(7, NOW - DAY)], number=2), ISSUERS)
    assert told(index) == [("crl", "1", None, "")]
    assert [k.head.number for k in index.lists(NOW)] == ["1"]
    assert index.revoked_since(index.lists(NOW)[0].issuer_name, 7, NOW) is None
    assert index.pin()
    after = index.sha256
    assert after != before
    assert len(told(index)) == 2
    assert index.pin(before)
    assert len(told(index)) == 1
    assert not index.pin("0" * 64)
    assert index.sha256 == before
    index.close()


def test_identities_are_those_of_the_set_not_of_the_order(tmp_path):
    ders = [crl(CA, at=NOW - d * DAY) for d in (1, 2, 3)]
    found = []
    for name, order in (("a", ders), ("b", ders[::-1])):
        store = RevocationStore(tmp_path / name, now=lambda: NOW)
        for der in order:
            store.take(der, ISSUERS)
        store.close()
        found.append(index_identity(tmp_path / name))
    assert found[0] == found[1] != ""


def test_no_store_is_an_identity_too(tmp_path):
    assert index_identity(tmp_path) == ""
    assert open_index(tmp_path) is None
    assert combined("a" * 64, "") == "a" * 64
    (tmp_path / "index.sqlite").write_bytes(b"this is no database at all, however long it is")
    assert index_identity(tmp_path) == ""
    assert open_index(tmp_path) is None


def test_trust_state_and_desk_agree(store, tmp_path, monkeypatch):
    monkeypatch.setattr("gateway.verifier.trusted._STAMP_S", 0.0)
    trust = tmp_path / "trust"
    trust.mkdir()
    (trust / "ca.cer").write_bytes(CA.cert.public_bytes(DER))
    state, desk = TrustState(trust, store.folder), TrustDesk(trust, store.folder)
    for step in range(3):
        if step:
            store.take(crl(CA, at=NOW - (5 - step) * DAY, number=step), ISSUERS)
        identity = state.fingerprint()
        found = desk.store(identity, state.identity)
        assert found.sha256 == identity
        assert (found.index is None) == (step == 0)
    (trust / "root.cer").write_bytes(ROOT.cert.public_bytes(DER))
    identity = state.fingerprint()
    assert desk.store(identity, state.identity).sha256 == identity
    assert len(desk.store(identity, state.identity).anchors) == 1


def test_a_reader_that_may_write_no_file_reads(store):
    store.take(crl(CA, [(7, NOW - DAY)]), ISSUERS)
    script = (
        "import resource, sys; from pathlib import Path\n"
        "resource.setrlimit(resource.RLIMIT_FSIZE, (0, 0))\n"
        "from gateway.verifier.crl_index import CrlIndex\n"
        "index = CrlIndex(Path(sys.argv[1]))\n"
        "assert index.lists.__self__._newest(1, 1 << 60).find(7) is not None\n"
    )
    root = Path(__file__).resolve().parents[3]
    done = subprocess.run([sys.executable, "-c", script, store.folder], cwd=root, check=False)
    assert done.returncode == 0


# ---------------------------------------------------------------- crashes and damage


def test_killed_between_object_and_index_nothing_is_lost(tmp_path):
    """The object is durable, the index does not know it; taking it again, or a rebuild, mends it."""
    folder, der = tmp_path / "revocation", crl(CA, [(7, NOW - DAY)])
    (tmp_path / "ca.cer").write_bytes(CA.cert.public_bytes(DER))
    (tmp_path / "a.crl").write_bytes(der)
    script = (
        "import sys; from pathlib import Path; from asn1crypto import x509\n"
        "from gateway.verifier.revocation import RevocationStore\n"
        "folder, ca, crl = map(Path, sys.argv[1:])\n"
        "cert = x509.Certificate.load(ca.read_bytes())\n"
        "RevocationStore(folder).take(crl.read_bytes(), [cert])\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", script, folder, tmp_path / "ca.cer", tmp_path / "a.crl"],
        cwd=Path(__file__).resolve().parents[3],
        env={**os.environ, "VANLIEN_FAULT": "revocation.after-object"},
        check=False,
    )
    assert done.returncode == -signal.SIGKILL
    assert len(list((folder / "objects").glob("??/*.crl"))) == 1
    store = RevocationStore(folder, now=lambda: NOW)
    assert index_identity(folder) == ""
    assert store.rebuild() == (1, [])
    rebuilt = index_identity(folder)
    assert not store.take(der, ISSUERS).new
    assert index_identity(folder) == rebuilt != ""
    store.close()


def test_a_failure_inside_the_change_leaves_the_index_as_it_was(store, monkeypatch):
    store.take(crl(CA, many(3), at=NOW - 2 * DAY), ISSUERS)
    before = index_identity(store.folder)

    def broken(*_):
        raise KeyboardInterrupt

    monkeypatch.setattr("gateway.verifier.crl_index._merge", broken)
    with pytest.raises(KeyboardInterrupt):
        store.take(crl(CA, many(5), number=2), ISSUERS)
    monkeypatch.undo()
    assert index_identity(store.folder) == before
    assert store.take(crl(CA, many(5), number=2), ISSUERS).new


def test_a_rebuild_keeps_earlier_identities_known(store):
    seen = []
    for day in (3, 9, 6):
        store.take(crl(CA, at=NOW - day * DAY, number=day), ISSUERS)
        seen.append(index_identity(store.folder))
    store.take(ocsp_answer(PERSON, CA), ISSUERS)
    seen.append(index_identity(store.folder))
    assert store.rebuild() == (4, [])
    index = CrlIndex(store.folder)
    assert index.sha256 == seen[-1]
    assert all(index.pin(identity) for identity in seen)
    index.close()


def test_damaged_objects_are_named_and_left_out(store):
    taken = [store.take(crl(CA, at=NOW - d * DAY, number=d), ISSUERS) for d in (1, 2)]
    path = object_path(store.folder, taken[0].sha256, "crl")
    data = bytearray(path.read_bytes())
    data[-1] ^= 1
    path.write_bytes(data)
    assert store.rebuild() == (1, [path.name])


def test_a_broken_index_is_refused_and_can_be_made_anew(store):
    store.take(crl(CA), ISSUERS)
    identity = index_identity(store.folder)
    store.close()
    (store.folder / "index.sqlite").write_bytes(b"garbage" * 1000)
    with pytest.raises(ConfigurationError):
        RevocationStore(store.folder)
    anew = RevocationStore(store.folder, now=lambda: NOW, anew=True)
    assert anew.rebuild() == (1, [])
    assert index_identity(store.folder) == identity
    assert list(store.folder.glob("index.broken-*"))
    anew.close()


# ---------------------------------------------------------------- what operations see


def test_each_authority_has_a_state(store):
    over = certificate("CA cũ", ROOT, ca=True, end=NOW - DAY)
    authorities = [*ISSUERS, over.asn1, PERSON.asn1]
    store.take(crl(CA, many(4), at=NOW - DAY, until=NOW + 9 * DAY), authorities)

    def states(now):
        return {s.issuer: s.state for s in store.authorities(authorities, now)}

    assert states(NOW) == {"CA": "ok", "Gốc": "missing", "CA cũ": "ended"}
    assert states(NOW + 8 * DAY)["CA"] == "ageing"
    assert states(NOW + 10 * DAY)["CA"] == "expired"
    (one,) = [s for s in authorities_in(store.folder, authorities, NOW) if s.issuer == "CA"]
    assert (one.entries, one.generations) == (4, 1)
    assert one.next_update - one.this_update == timedelta(days=10)
    empty = authorities_in(store.folder / "none", authorities, NOW)
    assert {s.state for s in empty} == {"missing", "ended"}


def test_a_long_list_is_taken_once_and_searched_quickly(store):
    import time

    entries = many(20_000)
    taken = store.take(crl(CA, entries), ISSUERS)
    assert taken.entries == 20_000
    index = CrlIndex(store.folder)
    (known,) = index.lists(NOW)
    began = time.process_time()
    for serial, _ in entries[:1000]:
        assert known.find(serial) is not None
    assert time.process_time() - began < 1.0
    assert known.find(1) is None
    index.close()


ASKED_WHILE_CLOSED = """
import sys, threading
from pathlib import Path
from gateway.errors import UnavailableError
from gateway.verifier.revocation import RevocationStore

def ask(store):
    try:
        while True:
            store.news(0)
            store.authorities((), store._now())
    except UnavailableError:
        pass

for n in range(60):
    store = RevocationStore(Path(sys.argv[1]))
    askers = [threading.Thread(target=ask, args=(store,)) for _ in range(3)]
    for asker in askers:
        asker.start()
    store.close()
    for asker in askers:
        asker.join()
"""


def test_who_asks_while_it_is_closed_is_told_and_nothing_breaks(tmp_path):
    """A connection closed under a reader took the whole process down (a segmentation fault)."""
    command = [sys.executable, "-c", ASKED_WHILE_CLOSED, str(tmp_path / "lists")]
    done = subprocess.run(command, capture_output=True, text=True, timeout=100, check=False)
    assert (done.returncode, done.stderr) == (0, "")
