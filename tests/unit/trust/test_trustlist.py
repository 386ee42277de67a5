"""The trust list: by fingerprint and never by name, windows, roll-over, and failing closed."""

import hashlib
import shutil
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.serialization import Encoding
from hypothesis import given
from hypothesis import strategies as st

from gateway.trust.anchors import TrustStore
from gateway.trust.fingerprint import fingerprint, stamp
from gateway.trust.pdf import verify_pdf
from gateway.trust.policy import ListedAnchor, PinnedSigner, TrustList
from gateway.trust.report import VIETNAM, Answer, Verdict
from gateway.trust.trustlist import CLASSES, read_list, write_list
from tests.world.roots import lookalike
from tests.world.signed_files import DAY, NOW, once, pki, trust_of

CORPUS = Path(__file__).resolve().parents[4] / "shared/corpus"


def root_sha256(source=None):
    return (source or pki()).root.load_certificate().fingerprint(hashes.SHA256()).hex()


def listing(*anchors, unlisted="ignore", **more):
    return TrustList(
        version="7", dated=date(2026, 11, 22), anchors=anchors, unlisted=unlisted, **more
    )


def with_list(trust_list, folder=None):
    folder = folder or trust_of(pki())
    (folder / "trust-list.toml").write_bytes(write_list(trust_list))
    return folder


def root_entry(**more):
    return ListedAnchor(root_sha256(), "duty", name="gốc", **more)


def judge(store, at=NOW + timedelta(hours=1)):
    data = once()
    return verify_pdf(data, sha256=hashlib.sha256(data).hexdigest(), at=at, store=store)


def examine(store):
    return judge(store).signatures[0]


# ---------------------------------------------------------------- who is an anchor


# SIG-05 (LGDĐT art 22-23), SIG-06 (NĐ68): classes of authorities are the operator's list, by
# fingerprint; SIG-43 (NĐ68 art 32): with the times they count for.
def test_a_listed_root_is_an_anchor_with_its_class():
    store = TrustStore.load(with_list(listing(root_entry())))
    (anchor,) = store.anchors
    assert store.trust_class(anchor) == "duty"
    assert store.faults == ()
    assert store.policy_facts().trust_list == "7"
    assert judge(store).verdict is Verdict.VALID


def test_without_a_list_every_root_counts_and_has_no_class():
    store = TrustStore.load(trust_of(pki()))
    (anchor,) = store.anchors
    assert store.trust_class(anchor) == "unlisted"
    assert store.trust_class(store.intermediates[0]) == ""
    assert store.policy_facts().trust_list == ""


def test_a_root_the_list_does_not_name_is_none():
    store = TrustStore.load(with_list(listing()))
    assert store.anchors == ()
    assert [c.sha256.hex() for c in store.unlisted] == [root_sha256()]
    (fault,) = store.faults
    assert root_sha256() in fault.en
    assert root_sha256() in fault.vi
    assert judge(store).verdict is Verdict.INDETERMINATE


def test_a_list_may_trust_what_it_does_not_name():
    store = TrustStore.load(with_list(listing(unlisted="trust")))
    assert [store.trust_class(a) for a in store.anchors] == ["unlisted"]
    assert judge(store).verdict is Verdict.VALID


def test_the_name_of_a_true_root_helps_nobody():
    folder = with_list(listing(root_entry()))
    false = lookalike()
    (folder / "root-moi.pem").write_bytes(false.public_bytes(Encoding.PEM))
    store = TrustStore.load(folder)
    assert [a.sha256.hex() for a in store.anchors] == [root_sha256()]
    assert [c.sha256 for c in store.unlisted] == [false.fingerprint(hashes.SHA256())]
    assert any("giả mạo" in f.vi for f in store.faults)
    assert judge(store).verdict is Verdict.VALID
    # Its evil twin: only the look-alike is listed; the true chain leads nowhere.
    folder = with_list(listing(ListedAnchor(false.fingerprint(hashes.SHA256()).hex(), "duty")))
    (folder / "root-moi.pem").write_bytes(false.public_bytes(Encoding.PEM))
    store = TrustStore.load(folder)
    signature = examine(store)
    assert signature.trusted is not Answer.YES
    assert signature.verdict is not Verdict.VALID


@pytest.mark.skipif(not CORPUS.is_dir(), reason="the corpus lies beside the project")
def test_the_look_alike_of_the_corpus_is_told(tmp_path):
    for name in ("root.pem", "interm.pem", "lookalike-untrusted-root.pem"):
        shutil.copy(CORPUS / "own/trust" / name, tmp_path)
    pem = (tmp_path / "root.pem").read_bytes()
    true = x509.load_pem_x509_certificate(pem).fingerprint(hashes.SHA256()).hex()
    store = TrustStore.load(with_list(listing(ListedAnchor(true, "internal")), tmp_path))
    assert [a.sha256.hex() for a in store.anchors] == [true]
    assert len(store.unlisted) == 1
    assert any("khóa khác" in f.vi for f in store.faults)


def test_pinned_by_a_wrong_hash_is_not_trusted_and_told():
    wrong = ListedAnchor("0" * 64, "duty", name="RootCA G2")
    store = TrustStore.load(with_list(listing(wrong)))
    assert store.anchors == ()
    assert any("RootCA G2" in f.vi and "0" * 64 in f.vi for f in store.faults)


# ---------------------------------------------------------------- windows


@pytest.mark.parametrize(
    ("window", "at", "allowed"),
    [
        ({}, NOW, True),
        ({"trusted_from": NOW}, NOW, True),
        ({"trusted_from": NOW}, NOW - timedelta(seconds=1), False),
        ({"trusted_until": NOW}, NOW, False),
        ({"trusted_until": NOW}, NOW - timedelta(seconds=1), True),
        ({"trusted_from": NOW - DAY, "trusted_until": NOW + DAY}, NOW, True),
        ({"trusted_from": NOW - DAY, "trusted_until": NOW + DAY}, NOW + 2 * DAY, False),
    ],
)
def test_windows_of_anchors(window, at, allowed):
    store = TrustStore.load(with_list(listing(root_entry(**window))))
    assert store.anchor_allowed(store.anchors[0], at) is allowed
    assert store.window_allows(store.anchors[0], at) is allowed


def test_what_is_no_anchor_is_never_allowed_as_one():
    store = TrustStore.load(with_list(listing(root_entry())))
    (intermediate,) = store.intermediates
    assert not store.anchor_allowed(intermediate, NOW)
    assert store.window_allows(intermediate, NOW)


def test_an_intermediate_may_be_given_a_window_too():
    folder = trust_of(pki())
    issuing = pki().issuing.load_certificate().fingerprint(hashes.SHA256()).hex()
    closed = ListedAnchor(issuing, "duty", trusted_until=NOW - DAY)
    store = TrustStore.load(with_list(listing(root_entry(), closed), folder))
    assert not store.window_allows(store.intermediates[0], NOW)
    assert store.trust_class(store.intermediates[0]) == "duty"


def test_a_roll_over_keeps_the_old_root_for_old_documents():
    new = pki(NOW, "new")
    folder = trust_of(pki())
    (folder / "new.pem").write_bytes(new.root.certificate.read_bytes())
    turn = datetime(2026, 1, 1, tzinfo=UTC)
    store = TrustStore.load(
        with_list(
            listing(
                root_entry(trusted_until=turn),
                ListedAnchor(root_sha256(new), "duty", trusted_from=turn),
            ),
            folder,
        )
    )
    by_hash = {a.sha256.hex(): a for a in store.anchors}
    before, after = turn - timedelta(seconds=1), turn
    old, young = by_hash[root_sha256()], by_hash[root_sha256(new)]
    assert [store.anchor_allowed(old, t) for t in (before, after)] == [True, False]
    assert [store.anchor_allowed(young, t) for t in (before, after)] == [False, True]


def test_the_verdict_obeys_the_window():
    open_one = TrustStore.load(with_list(listing(root_entry(trusted_from=NOW - DAY))))
    assert judge(open_one).verdict is Verdict.VALID
    shut = TrustStore.load(with_list(listing(root_entry(trusted_until=NOW - DAY))))
    assert judge(shut).verdict is Verdict.INDETERMINATE


# ---------------------------------------------------------------- broken lists


BROKEN = {
    "no toml": b"version = ",
    "not utf-8": b"version = 1\n# \xff",
    "unknown key": b'version = 1\ndated = 2026-11-22\nanchor = "x"\n',
    "no version": b"dated = 2026-11-22\n",
    "no day": b"version = 1\n",
    "bad hash": b'version = 1\ndated = 2026-11-22\n[[authority]]\nsha256 = "12"\nclass = "duty"\n',
    "bad class": (
        b"version = 1\ndated = 2026-11-22\n[[authority]]\nsha256 = '"
        + b"1" * 64
        + b"'\nclass = 'good'\n"
    ),
    "naive time": (
        b"version = 1\ndated = 2026-11-22\n[[authority]]\nsha256 = '"
        + b"1" * 64
        + b"'\nclass = 'duty'\ntrusted_from = 2026-01-01T00:00:00\n"
    ),
    "empty window": (
        b"version = 1\ndated = 2026-11-22\n[[authority]]\nsha256 = '"
        + b"1" * 64
        + b"'\nclass = 'duty'\ntrusted_from = 2026-01-02\ntrusted_until = 2026-01-01\n"
    ),
}


@pytest.mark.parametrize("data", BROKEN.values(), ids=BROKEN)
def test_a_broken_list_leaves_no_anchor(data):
    folder = trust_of(pki())
    (folder / "trust-list.toml").write_bytes(data)
    store = TrustStore.load(folder)
    assert store.anchors == ()
    assert store.broken == "trust-list.toml"
    assert store.faults
    assert all(f.vi and f.en and f.vi != f.en for f in store.faults)
    report = judge(store)
    assert report.verdict is Verdict.INDETERMINATE
    # Our own fault is called ours, and the file is named.
    (told,) = [n for n in report.notes if n.code in {"no-trust", "trust-broken"}]
    assert told.code == "trust-broken"
    assert "trust-list.toml" in told.vi


def test_a_list_that_cannot_be_read_leaves_no_anchor():
    folder = trust_of(pki())
    (folder / "trust-list.toml").symlink_to(folder / "nowhere")
    store = TrustStore.load(folder)
    assert (store.anchors, store.broken) == ((), "trust-list.toml")
    assert store.sha256 == fingerprint(folder)


def test_every_fault_is_told_at_once():
    one = b"[[authority]]\nsha256 = 'zz'\nclass = 'x'\nwho = 1\n"
    trust_list, faults = read_list(b"unlisted = 'maybe'\n" + one + one)
    assert trust_list is None
    places = {f.en.split(":")[0] for f in faults}
    assert places == {
        "version",
        "dated",
        "unlisted",
        *(f"authority[{n}].{key}" for n in (1, 2) for key in ("sha256", "class", "who")),
        "authority[2].sha256",
    }


def test_a_fingerprint_is_taken_as_people_write_it():
    spaced = ":".join("AB" for _ in range(32))
    data = f"version=1\ndated=2026-11-22\n[[authority]]\nsha256='{spaced}'\nclass='duty'\n"
    trust_list, faults = read_list(data.encode())
    assert faults == ()
    assert trust_list.anchors[0].sha256 == "ab" * 32


def test_a_day_is_one_of_vietnam_and_until_includes_it():
    data = (
        f"version=1\ndated=2026-11-22\n[[authority]]\nsha256='{'1' * 64}'\nclass='duty'\n"
        "trusted_from=2026-01-01\ntrusted_until=2026-12-31\n"
    )
    trust_list, _ = read_list(data.encode())
    (entry,) = trust_list.anchors
    assert entry.trusted_from == datetime(2026, 1, 1, tzinfo=VIETNAM)
    assert entry.allows(datetime(2026, 12, 31, 23, 59, tzinfo=VIETNAM))
    assert not entry.allows(datetime(2027, 1, 1, tzinfo=VIETNAM))


# ---------------------------------------------------------------- identity


def test_a_list_changes_the_fingerprint_and_so_does_each_change_of_it():
    folder = trust_of(pki())
    seen = [fingerprint(folder)]
    stamps = [stamp(folder)]
    for trust_list in (listing(root_entry()), listing(root_entry(confirmed=True))):
        with_list(trust_list, folder)
        seen.append(fingerprint(folder))
        stamps.append(stamp(folder))
    (folder / "policy.toml").write_text('name = "x"\ndated = 2026-11-22\n')
    seen.append(fingerprint(folder))
    assert len(set(seen)) == len(seen)
    assert len(set(stamps)) == len(stamps)
    assert TrustStore.load(folder).sha256 == seen[-1]


def test_the_import_log_and_notes_are_no_part_of_it(tmp_path):
    before = fingerprint(tmp_path)
    (tmp_path / "import-log.jsonl").write_text("{}\n")
    (tmp_path / "ghi-chu.md").write_text("x")
    assert fingerprint(tmp_path) == before
    assert TrustStore.load(tmp_path).faults == ()


_TEXTS = st.text(st.characters(exclude_categories=["Cs"]), max_size=40)
_HASHES = st.text("0123456789abcdef", min_size=64, max_size=64)
_INSTANTS = st.integers(0, 4 * 10**9).map(lambda s: datetime.fromtimestamp(s, VIETNAM))
_ANCHORS = st.builds(
    ListedAnchor,
    _HASHES,
    st.sampled_from(CLASSES),
    st.none() | _INSTANTS.filter(lambda t: t.year < 2030),
    st.none() | _INSTANTS.filter(lambda t: t.year > 2030),
    _TEXTS,
    st.booleans(),
)
_SIGNERS = st.builds(
    PinnedSigner,
    _HASHES,
    st.sampled_from(["person", "organization", "portal", "clerk"]),
    st.lists(_TEXTS.filter(bool), unique=True, max_size=3).map(tuple),
    _TEXTS,
)


@given(
    st.lists(_ANCHORS, max_size=3, unique_by=lambda a: a.sha256).map(tuple),
    st.lists(_SIGNERS, max_size=3, unique_by=lambda s: s.sha256).map(tuple),
    st.integers(1, 10**6),
)
def test_what_is_written_reads_back_the_same(anchors, signers, version):
    wanted = TrustList(
        version=str(version), dated=date(2026, 11, 22), anchors=anchors, signers=signers
    )
    found, faults = read_list(write_list(wanted))
    assert faults == ()
    assert (found.version, found.anchors, found.signers) == (str(version), anchors, signers)
