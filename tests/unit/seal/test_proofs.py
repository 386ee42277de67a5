from datetime import timedelta

import pytest

from gateway.demo.pki import Revocation
from gateway.demo.pki_service import asn1_certificate, ocsp_answer
from gateway.seal.proofs import ProofSource
from gateway.verifier.revocation import RevocationStore, open_index
from tests.world.signed_files import NOW, pki, trust_of

DAY = timedelta(days=1)
NOBODY = None


def find(trust, *, index=NOBODY, at=NOW, max_bytes=1 << 20, leaf=None, others=()):
    source = ProofSource(trust, lambda: index and open_index(index), max_bytes)
    return source.find([leaf or asn1_certificate(pki().agency())], others, at)


def ders(found):
    return [cert.dump() for cert in found.certificates], found.crls, found.ocsps


def test_chain_and_lists_of_the_trust_folder():
    found = find(pki().trust_dir)
    assert found.complete
    assert not found.revoked
    names = {cert.subject.native["common_name"] for cert in found.certificates}
    assert len(names) == 3
    assert len(found.crls) == 2
    assert found.ocsps == ()
    assert ders(find(pki().trust_dir)) == ders(found)  # in a fixed order


def test_what_is_not_in_force_proves_nothing():
    assert not find(pki().trust_dir, at=NOW + 400 * DAY).complete
    assert not find(pki().trust_dir, at=NOW - 400 * DAY).complete
    assert len(find(trust_of(pki(), crls=False)).lacking) == 2


def test_a_chain_that_leads_nowhere_is_not_complete():
    trust = trust_of(pki())
    for name in ("root.pem", "issuing.pem"):
        (trust / name).unlink()
    found = find(trust)
    assert found.lacking == (pki().agency().name,)
    beside = [asn1_certificate(pki().issuing), asn1_certificate(pki().root)]
    assert not find(trust, others=beside).complete  # a root of the file is no anchor


def test_a_look_alike_authority_is_not_the_issuer():
    other = pki(name="other")
    found = find(other.trust_dir)
    assert ders(found)[0] == [asn1_certificate(pki().agency()).dump()]
    assert not found.complete


def test_a_revoked_certificate_is_told():
    revoked = Revocation(pki().agency().serial, NOW - DAY)
    assert find(trust_of(pki(), revoked=revoked)).revoked


def test_too_much_is_left_out():
    found = find(pki().trust_dir, max_bytes=100)
    assert found.crls == ()
    assert not found.complete


@pytest.fixture(name="stored")
def _stored(tmp_path):
    """A revocation store with both lists, and the agency's OCSP answer when asked for."""

    def fill(*, lists=True, answer=True, now=NOW):
        store = RevocationStore(tmp_path / "revocation", lambda: now)
        issuers = [asn1_certificate(pki().root), asn1_certificate(pki().issuing)]
        if lists:
            for name in ("root.crl", "issuing.crl"):
                store.take((pki().trust_dir / name).read_bytes(), issuers)
        if answer:
            from cryptography.hazmat.primitives import serialization

            der = ocsp_answer(pki(), pki().agency().serial, now=now)
            store.take(der.public_bytes(serialization.Encoding.DER), issuers)
        store.close()
        return tmp_path / "revocation"

    return fill


def test_lists_of_the_store(stored):
    found = find(trust_of(pki(), crls=False), index=stored(answer=False))
    assert found.complete
    assert len(found.crls) == 2


def test_an_answer_is_smaller_than_a_list(stored):
    found = find(trust_of(pki(), crls=False), index=stored())
    assert found.complete
    assert (len(found.crls), len(found.ocsps)) == (1, 1)


def test_an_answer_that_is_over_is_not_used(stored):
    found = find(trust_of(pki(), crls=False), index=stored(), at=NOW + 2 * DAY)
    assert found.complete
    assert found.ocsps == ()
