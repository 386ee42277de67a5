"""The validator sees a list that answers one question; any other use of it fails closed."""

import pytest
from asn1crypto.crl import CertificateList
from cryptography.exceptions import InvalidSignature
from pyhanko_certvalidator.revinfo.archival import CRLContainer
from pyhanko_certvalidator.revinfo.validate_crl import find_cert_in_list

from gateway.trust.evidence import without_forged
from gateway.trust.lists import ListSignatures, newest, revoked_since, verified_list
from tests.world.revocation_lists import DAY, certificate, crl, many, name
from tests.world.signed_files import NOW

CA = certificate("CA", ca=True)
PERSON = certificate("Người", CA, serial=7)


def presented(revoked=(), **more):
    return verified_list(crl(CA, revoked, **more), [CA.asn1]).container.crl_data


def test_the_one_question_is_answered():
    person, ca = PERSON.asn1, CA.asn1
    found = find_cert_in_list(person, ca.subject, presented([(7, NOW)]), ca.subject)
    assert found[0] == NOW
    assert found[1].native == "unspecified"
    assert find_cert_in_list(person, ca.subject, presented(many(9)), ca.subject) == (None, None)


def test_every_other_use_raises():
    rows = presented([(7, NOW)])["tbs_cert_list"]["revoked_certificates"]
    (row,) = rows
    serial = row["user_certificate"].dump()
    with pytest.raises(TypeError):
        len(rows)
    with pytest.raises(TypeError):
        hash(serial)
    with pytest.raises(TypeError):
        assert serial == 7
    with pytest.raises(LookupError):
        _ = row["revocation_date"]
    with pytest.raises(LookupError):
        _ = presented([(7, NOW)]).copy()["tbs_cert_list"]["revoked_certificates"]


def test_the_seal_holds_for_the_key_that_verified_the_list_and_for_nothing_else():
    lst, twin = presented([(7, NOW)]), certificate("CA", ca=True, label="khóa khác")
    signatures, signed = ListSignatures(), lst["tbs_cert_list"].dump()
    seal, algorithm = lst["signature"].native, lst["signature_algorithm"]
    signatures.validate_signature(seal, signed, CA.asn1.public_key, algorithm)
    for value, data, key in (
        (seal, signed, twin.asn1.public_key),
        (seal, signed + b"\x00", CA.asn1.public_key),
        (seal[:-1] + bytes([seal[-1] ^ 1]), signed, CA.asn1.public_key),
        (seal[:20], signed, CA.asn1.public_key),
    ):
        with pytest.raises(InvalidSignature):
            signatures.validate_signature(value, data, key, algorithm)


def test_true_signatures_are_still_checked():
    der = crl(CA, many(2))
    whole = CertificateList.load(der)
    ask = ListSignatures().validate_signature
    args = (CA.asn1.public_key, whole["signature_algorithm"])
    ask(whole["signature"].native, whole["tbs_cert_list"].dump(), *args)
    with pytest.raises(InvalidSignature):
        ask(whole["signature"].native, whole["tbs_cert_list"].dump() + b"x", *args)


def test_of_each_source_the_newest_at_the_time_and_the_newest_of_all_count():
    other = certificate("CA khác", ca=True)
    ders = [crl(CA, at=NOW - d * DAY, number=100 - d) for d in (30, 20, 10)] + [crl(other)]
    known = [verified_list(d, [CA.asn1, other.asn1]) for d in ders]
    assert {(k.issuer, k.head.number) for k in newest(known, NOW - 15 * DAY)} == {
        ("CA", "80"),
        ("CA", "90"),
        ("CA khác", "1"),
    }
    assert {k.head.number for k in newest(known, NOW, NOW - 12 * DAY)} == {"80"}
    assert newest(known, NOW, NOW - 99 * DAY) == ()


def test_a_revocation_is_not_lost_when_the_expired_certificate_leaves_the_list():
    ders = [crl(CA, [(7, NOW - 50 * DAY)], at=NOW - 40 * DAY), crl(CA, at=NOW - DAY, number=2)]
    known = [verified_list(d, [CA.asn1]) for d in ders]
    issuer = known[0].issuer_name
    assert revoked_since(known, issuer, 7, NOW - 30 * DAY) == NOW - 50 * DAY
    assert revoked_since(known, issuer, 8, NOW - 30 * DAY) is None
    assert revoked_since(known, b"x" * 32, 7, NOW - 30 * DAY) is None


def test_of_lists_that_share_a_signature_value_only_the_signed_one_stays():
    """The validator remembers a list's issuer by its signature value alone."""
    true, other = CertificateList.load(crl(CA, [(7, NOW)])), CertificateList.load(crl(CA, number=9))
    forged = CertificateList.load(crl(CA, until=NOW + 900 * DAY))
    forged["signature"] = true["signature"].native
    forged = CertificateList.load(forged.dump(force=True))
    items = tuple(CRLContainer(c) for c in (true, forged, other))
    assert without_forged(items, [PERSON.asn1]) == (items[2],)
    assert without_forged(items, [PERSON.asn1, CA.asn1]) == (items[0], items[2])
    assert without_forged((items[0], items[0], items[2]), []) == (items[0], items[0], items[2])


def test_names_that_count_as_the_same_are_the_same():
    from gateway.trust.lists import name_key

    lower = certificate("ca  một", ca=True).asn1.subject
    upper = certificate("CA Một", ca=True).asn1.subject
    assert name_key(lower) == name_key(upper)
    assert name("x") != name("y")
