"""What a warm process remembers never changes a verdict."""

import asyncio
import random
import threading
from datetime import timedelta

import pytest
from asn1crypto import x509
from pyhanko.sign.validation import generic_cms

from gateway.demo.pki import Revocation
from gateway.trust import paths
from gateway.trust.anchors import TrustStore
from gateway.trust.certificates import interned
from gateway.trust.pdf import verify_pdf
from gateway.trust.remembering import remember
from gateway.trust.render import to_json
from gateway.trust.report import Verdict
from gateway.trust.waiting import completed
from tests.world.signed_files import DAY, LONG_AGO, NOW, once, pki, trust_of, twice


@pytest.fixture
def warm():
    remember(on=False)
    remember()
    yield
    remember(on=False)


@pytest.fixture
def walked(warm, monkeypatch):
    """Count the paths that are really validated."""
    found = []
    library = paths._find

    async def counted(*args):
        found.append(args[0].sha256)
        return await library(*args)

    monkeypatch.setattr(paths, "_find", counted)
    return found


def report_of(data, store, at):
    return to_json(verify_pdf(data, sha256="0" * 64, at=at, store=store))


def verdict_of(data, store, at):
    return Verdict(report_of(data, store, at)["verdict"])


def test_another_file_of_the_same_signer_walks_no_path_again(walked):
    store = TrustStore.load(pki().trust_dir)
    assert verdict_of(once(), store, NOW + timedelta(minutes=1)) is Verdict.VALID
    walks = len(walked)
    assert walks > 0
    assert verdict_of(once(level="B-T"), store, NOW + timedelta(days=3)) is Verdict.VALID
    assert len(walked) == walks
    remember(on=False)
    remember()
    verdict_of(once(), store, NOW + timedelta(minutes=1))
    assert len(walked) == 2 * walks


def test_a_later_revocation_is_not_overlooked(walked):
    signer = pki().person()
    good = TrustStore.load(pki().trust_dir)
    revoked = Revocation(signer.serial, NOW - DAY)
    bad = TrustStore.load(trust_of(pki(), revoked=revoked))
    at = NOW + timedelta(minutes=5)
    assert verdict_of(once(), good, at) is Verdict.VALID
    assert verdict_of(once(), bad, at) is not Verdict.VALID
    assert verdict_of(once(), good, at) is Verdict.VALID
    none = TrustStore.load(trust_of(pki(), crls=False))
    assert verdict_of(once(), none, at) is Verdict.INDETERMINATE


def test_a_list_with_an_entry_of_the_signer_is_never_answered_from_memory(walked):
    """It may say: revoked from tomorrow."""
    signer = pki().person()
    listed = Revocation(signer.serial, NOW + timedelta(hours=1))
    store = TrustStore.load(trust_of(pki(), revoked=listed))
    for at in (NOW + timedelta(minutes=1), NOW + timedelta(hours=2), NOW + timedelta(minutes=2)):
        report_of(once(), store, at)
    of_signer = [digest for digest in walked if digest == walked[0]]
    assert len(of_signer) >= 3


@pytest.mark.parametrize("seed", range(2))
def test_at_every_moment_the_report_is_the_one_without_memory(warm, seed):
    """Moments around every beginning and end, in an order that memory could get wrong."""
    old = pki(LONG_AGO)
    store, old_store = TrustStore.load(pki().trust_dir), TrustStore.load(old.trust_dir)
    edges = [NOW, NOW - timedelta(hours=1), NOW + 365 * DAY, LONG_AGO, LONG_AGO + 365 * DAY]
    signer = x509.Certificate.load(_der(pki().person()))
    edges += [signer.not_valid_before, signer.not_valid_after]
    moments = [e + timedelta(seconds=s) for e in edges for s in (-3600, -3, -1, 0, 1, 3, 3600)]
    random.Random(seed).shuffle(moments)
    cases = [
        (once(), store),
        (twice("B-T"), store),
        (once(LONG_AGO, made=LONG_AGO, level="B-T"), old_store),
    ]
    cold = {}
    remember(on=False)
    for at in moments[:10]:
        for n, (data, trust) in enumerate(cases):
            remember(on=False)
            cold[at, n] = report_of(data, trust, at)
    remember()
    for at in moments[:10]:
        for n, (data, trust) in enumerate(cases):
            assert report_of(data, trust, at) == cold[at, n], (at, n)


def _der(identity):
    from cryptography.hazmat.primitives.serialization import Encoding

    return identity.load_certificate().public_bytes(Encoding.DER)


def _name(text):
    return x509.Name.build({"common_name": text, "organization_name": "Sở Nội vụ"})


def test_names_compare_as_they_do_without_memory(warm):
    texts = ["Nguyễn Văn An", "NGUYỄN VĂN  AN", "Nguyễn Văn An ", "Nguyễn Văn Ân", "nguyễn văn an"]
    names = [_name(t) for t in texts]
    quick = [[a == b for a in names] for b in names]
    again = [[a == b for a in names] for b in names]
    keys = [n.hashable for n in names]
    remember(on=False)
    fresh = [_name(t) for t in texts]
    assert quick == again == [[a == b for a in fresh] for b in fresh]
    assert keys == [n.hashable for n in fresh]
    assert quick[0] == [True, True, True, False, True]


def test_a_name_that_cannot_be_prepared_faults_every_time(warm):
    odd = _name("a\ue000b")  # private use
    for _ in range(2):
        with pytest.raises(ValueError, match="private use"):
            _ = odd.hashable


def test_equal_certificates_are_one_and_a_lookalike_is_another(warm):
    ours, other = pki(), pki(name="lookalike")
    first, again = (x509.Certificate.load(_der(ours.person())) for _ in range(2))
    twin = x509.Certificate.load(_der(other.person()))
    assert interned(first) is interned(again)
    assert interned(twin) is not interned(first)
    assert twin.subject == first.subject
    lookalike = TrustStore.load(other.trust_dir)
    at = NOW + timedelta(minutes=1)
    assert verdict_of(once(), TrustStore.load(ours.trust_dir), at) is Verdict.VALID
    assert verdict_of(once(), lookalike, at) is not Verdict.VALID


def test_memory_can_be_taken_back(warm):
    remember(on=False)
    assert generic_cms.find_valid_path is paths._find
    assert not paths._kept
    assert x509.Name.__eq__.__module__ == "asn1crypto.x509"


def test_a_job_runs_to_its_end_and_leaves_nothing():
    async def made(value):
        await asyncio.sleep(0)
        return value

    async def careless():
        task = asyncio.create_task(asyncio.sleep(3600))
        left.append(task)
        await asyncio.sleep(0)
        raise LookupError("its own fault")

    left = []
    assert completed(made(7)) == 7
    with pytest.raises(LookupError, match="its own"):
        completed(careless())
    assert left[0].cancelled()
    assert completed(made(8)) == 8
    found = []
    thread = threading.Thread(target=lambda: found.append(completed(made(9))))
    thread.start()
    thread.join()
    assert found == [9]


async def test_inside_a_loop_it_says_so():
    job = asyncio.sleep(0)
    with pytest.raises(RuntimeError):
        completed(job)
    job.close()
