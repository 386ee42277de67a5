"""Reading lists: what is taken, what is refused and why."""

import pytest
from asn1crypto import crl as asn1_crl
from cryptography import x509
from hypothesis import given
from hypothesis import strategies as st

from gateway.trust.crl import RefusedListError, Scope, lists_in, read_list
from gateway.trust.lists import verified_list
from tests.world.revocation_lists import DAY, certificate, crl, many
from tests.world.signed_files import NOW

CA = certificate("CA", ca=True)
WHOLE = crl(CA, many(3))
POINT = [x509.UniformResourceIdentifier("http://ca.example.vn/1.crl")]


def idp(**more):
    values = {
        "full_name": None,
        "relative_name": None,
        "only_contains_user_certs": False,
        "only_contains_ca_certs": False,
        "only_some_reasons": None,
        "indirect_crl": False,
        "only_contains_attribute_certs": False,
    }
    return x509.IssuingDistributionPoint(**values | more)


def test_everything_of_a_list_is_read():
    since = NOW - 3 * DAY
    der = crl(
        CA,
        [(7, since, x509.ReasonFlags.key_compromise), (2**150 + 1, since), (128, since)],
        number=42,
        extra=[(idp(full_name=POINT), True)],
    )
    read = read_list(der)
    theirs = asn1_crl.CertificateList.load(der)
    assert read.head.number == "42"
    assert read.head.this_update == theirs["tbs_cert_list"]["this_update"].native
    assert read.head.next_update == theirs["tbs_cert_list"]["next_update"].native
    assert read.issuer == CA.asn1.subject
    assert {s: (e.revoked_at, e.reason) for s, e in read.entries.items()} == {
        7: (since, "key_compromise"),
        2**150 + 1: (since, ""),
        128: (since, ""),
    }
    assert read.head.scope.points
    assert Scope.of_text(read.head.scope.text) == read.head.scope


def test_a_bare_list_differs_in_its_entries_only():
    der = crl(CA, many(3), number=5)
    bare = asn1_crl.CertificateList.load(read_list(der).head.bare(b"x" * 20), strict=True)
    assert len(bare["tbs_cert_list"]["revoked_certificates"]) == 0
    assert bare.crl_number_value.native == 5
    assert bare.issuer == CA.asn1.subject
    whole = asn1_crl.CertificateList.load(crl(CA, number=6))
    assert read_list(whole.dump()).entries == {}


@pytest.mark.parametrize(
    ("extra", "word"),
    [
        ((x509.DeltaCRLIndicator(1), True), "delta"),
        ((idp(indirect_crl=True), True), "indirect"),
        ((idp(only_contains_attribute_certs=True), True), "attribute"),
        ((idp(only_some_reasons=frozenset([x509.ReasonFlags.key_compromise])), True), "reasons"),
        (
            (
                idp(
                    relative_name=x509.RelativeDistinguishedName(
                        [x509.NameAttribute(x509.NameOID.COMMON_NAME, "1")]
                    )
                ),
                True,
            ),
            "relative name",
        ),
        (
            (x509.UnrecognizedExtension(x509.ObjectIdentifier("1.2.3.4"), b"\x05\x00"), True),
            "1.2.3.4",
        ),
    ],
)
def test_what_is_not_understood_is_refused_by_name(extra, word):
    with pytest.raises(RefusedListError, match=word) as refused:
        read_list(crl(CA, extra=[extra]))
    assert refused.value.vi


def test_an_unknown_extension_that_is_not_critical_does_no_harm():
    extra = (x509.UnrecognizedExtension(x509.ObjectIdentifier("1.2.3.4"), b"\x05\x00"), False)
    assert read_list(crl(CA, extra=[extra])).entries == {}


def test_an_entry_of_another_issuer_makes_the_list_unusable():
    entry = (
        x509.RevokedCertificateBuilder()
        .serial_number(7)
        .revocation_date(NOW)
        .add_extension(x509.CertificateIssuer([x509.DirectoryName(CA.cert.subject)]), True)
        .build()
    )
    builder = (
        x509.CertificateRevocationListBuilder()
        .issuer_name(CA.cert.subject)
        .last_update(NOW)
        .next_update(NOW + DAY)
        .add_revoked_certificate(entry)
    )
    from cryptography.hazmat.primitives import hashes, serialization

    der = builder.sign(CA.key, hashes.SHA256()).public_bytes(serialization.Encoding.DER)
    with pytest.raises(RefusedListError, match="entry"):
        read_list(der)


def test_pem_bundles_hold_several_lists():
    import base64

    ders = [crl(CA, number=n) for n in (1, 2)]
    pem = b"".join(
        b"-----BEGIN X509 CRL-----\n" + base64.encodebytes(d) + b"-----END X509 CRL-----\n"
        for d in ders
    )
    assert lists_in(pem) == ders
    with pytest.raises(RefusedListError):
        lists_in(pem.replace(b"CRL-----\nM", b"CRL-----\n!", 1))


@given(st.data())
def test_broken_lists_are_refused_and_never_anything_else(data):
    der = bytearray(WHOLE)
    for _ in range(data.draw(st.integers(1, 3))):
        at = data.draw(st.integers(0, len(der) - 1))
        if data.draw(st.booleans()):
            der[at] = data.draw(st.integers(0, 255))
        else:
            del der[at:]
        if not der:
            break
    try:
        read_list(bytes(der))
    except RefusedListError as exc:
        told = exc.vi, exc.en
    else:
        told = ("taken", "taken")
    assert all(told)


@given(st.binary(max_size=200))
def test_any_bytes_are_refused(data):
    with pytest.raises(RefusedListError):
        read_list(data)


# ---------------------------------------------------------------- who may have signed it


def test_the_issuer_is_told_by_name_and_key():
    twin = certificate("CA", ca=True, label="khóa khác")
    der = crl(CA)
    assert verified_list(der, [twin.asn1, CA.asn1]).issuer_key == CA.asn1.public_key.dump()
    with pytest.raises(RefusedListError, match="key"):
        verified_list(der, [twin.asn1])
    with pytest.raises(RefusedListError, match="no certificate"):
        verified_list(der, [certificate("CA khác", ca=True).asn1])


def test_a_certificate_that_may_not_sign_lists_is_no_issuer():
    plain = certificate("CA", ca=True, crl_sign=False)
    with pytest.raises(RefusedListError, match="cRLSign"):
        verified_list(crl(plain), [plain.asn1])
    person = certificate("CA", ca=False)
    with pytest.raises(RefusedListError, match="cRLSign"):
        verified_list(crl(person), [person.asn1])


def test_a_changed_list_is_signed_by_nobody():
    der = bytearray(crl(CA, many(1)))
    at = bytes(der).rindex((1_000_000).to_bytes(3, "big"))
    der[at + 2] ^= 1
    with pytest.raises(RefusedListError, match="does not fit"):
        verified_list(bytes(der), [CA.asn1])


def test_scopes_cover_what_they_say():
    ca, person = certificate("CA con", CA, ca=True), certificate("Người", CA)
    point = x509.CRLDistributionPoints([x509.DistributionPoint(POINT, None, None, None)])
    named = certificate("Có nơi", CA, extra=[(point, False)])
    covers = {
        (only, who): Scope(only == "user", only == "ca").covers(cert.asn1)
        for only in ("user", "ca", "all")
        for who, cert in (("ca", ca), ("person", person))
    }
    assert {k for k, v in covers.items() if not v} == {("user", "ca"), ("ca", "person")}
    part = read_list(crl(CA, extra=[(idp(full_name=POINT), True)])).head.scope
    assert part.covers(named.asn1)
    assert not part.covers(person.asn1)
