"""A small PKI with fixed keys, serial numbers and times: the same bytes every time it is made.

Root and issuing authority, people and agencies with every fault a certificate can have, a
time-stamp authority, a look-alike of the root, revocation lists and OCSP answers of any day.
"""

import functools
import hashlib
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

from asn1crypto import cms
from asn1crypto import crl as asn1_crl
from asn1crypto import keys as asn1_keys
from asn1crypto import ocsp as asn1_ocsp
from asn1crypto import x509 as asn1_x509
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.asymmetric.padding import PKCS1v15
from cryptography.x509 import ocsp
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID
from pyhanko.sign.general import as_signing_certificate, simple_cms_attribute
from pyhanko.sign.timestamps.dummy_client import DummyTimeStamper
from pyhanko_certvalidator.util import get_pyca_cryptography_hash

from tests.golden.signatures.keys import ec_key, rsa_key

NOW = datetime(2026, 11, 22, 5, 0, tzinfo=UTC)
SIGNED = datetime(2026, 11, 20, 3, 0, tzinfo=UTC)
REVOKED = datetime(2026, 6, 1, tzinfo=UTC)
EXPIRED = datetime(2024, 1, 1, tzinfo=UTC)
DAY = timedelta(days=1)
_AGENCY = "Sở Nội vụ tỉnh Lạng Sơn"
_OWNER = "Cơ quan chứng thực (BỘ MẪU THỬ NGHIỆM)"


def _on(year: int, month: int = 1, day: int = 1) -> datetime:
    return datetime(year, month, day, tzinfo=UTC)


_BEGIN, _END = _on(2025), _on(2028)


@dataclass(frozen=True)
class Member:
    """One certificate to be made.

    Args:
        name: Common name.
        key: Name of the key in `keys`; EC keys begin with `ec `.
        serial: Serial number.
        issuer: Member that issues it, "" for itself.
        begin: Valid from.
        end: Valid until.
        kind: `ca`, `tsa`, `sign`, `cipher` (a key that must not sign).
        digest: Of the issuer's signature.
        organization: O of the subject, "" for none.
        user_id: UID of the subject, "" for none.
    """

    name: str
    key: str
    serial: int
    issuer: str = "issuing"
    begin: datetime = _BEGIN
    end: datetime = _END
    kind: str = "sign"
    digest: type[hashes.HashAlgorithm] = hashes.SHA256
    organization: str = _OWNER
    user_id: str = ""


MEMBERS: dict[str, Member] = {
    "root": Member("Gốc MẪU THỬ", "root", 1, "", _on(2020), _on(2045), "ca"),
    "issuing": Member("CA MẪU THỬ", "issuing", 2, "root", _on(2020), _on(2040), "ca"),
    "tsa": Member("Dấu thời gian MẪU THỬ", "tsa", 3, "root", _on(2020), _on(2035), "tsa"),
    "person": Member("Nguyễn Văn An", "person", 16, organization=_AGENCY),
    "person ec": Member("Trần Thị Bình", "ec person", 17, organization=_AGENCY),
    "agency": Member(_AGENCY, "agency", 18, organization=_AGENCY, user_id="MNS:H37.02"),
    "revoked": Member("Lê Văn Thu Hồi", "person", 32, organization=_AGENCY),
    "expired": Member(
        "Phạm Hết Hạn", "person", 33, begin=_on(2021), end=EXPIRED, organization=_AGENCY
    ),
    "early": Member(
        "Vũ Chưa Đến", "person", 34, begin=_on(2027), end=_on(2030), organization=_AGENCY
    ),
    "cipher": Member("may-chu.mau.thu", "person", 35, kind="cipher"),
    "weak": Member("Đỗ Khóa Yếu", "weak", 36, organization=_AGENCY),
    "weak digest": Member("Bùi Băm Yếu", "person", 37, digest=hashes.SHA1, organization=_AGENCY),
    "alone": Member("Nguyễn Văn An", "stranger", 64, "", organization=_AGENCY),
    "double root": Member("Gốc MẪU THỬ", "stranger root", 1, "", _on(2020), _on(2045), "ca"),
    "double person": Member("Nguyễn Văn An", "stranger", 16, "double root", organization=_AGENCY),
    "double tsa": Member(
        "Dấu thời gian MẪU THỬ", "stranger", 3, "double root", _on(2020), _on(2035), "tsa"
    ),
}


def private_key(who: str) -> rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey:
    """Return a member's key."""
    name = MEMBERS[who].key
    return ec_key(name) if name.startswith("ec ") else rsa_key(name)


@functools.cache
def certificate(who: str) -> x509.Certificate:
    """Return a member's certificate."""
    member = MEMBERS[who]
    key = private_key(who)
    subject = _subject(member)
    issuer = member if not member.issuer else MEMBERS[member.issuer]
    issuer_key = private_key(member.issuer or who)
    builder = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(_subject(issuer))
        .public_key(key.public_key())
        .serial_number(member.serial)
        .not_valid_before(member.begin)
        .not_valid_after(member.end)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), False)
    )
    if member.issuer:
        identifier = x509.AuthorityKeyIdentifier.from_issuer_public_key(issuer_key.public_key())
        builder = builder.add_extension(identifier, False)
    for extension, critical in _purpose(member):
        builder = builder.add_extension(extension, critical)
    if member.digest is hashes.SHA1:
        return _resigned_with_sha1(builder.sign(issuer_key, hashes.SHA256()), issuer_key)
    return builder.sign(issuer_key, member.digest())


def _resigned_with_sha1(cert: x509.Certificate, key: rsa.RSAPrivateKey) -> x509.Certificate:
    """Return a certificate signed anew with SHA-1, which the library no longer does."""
    raw = asn1_x509.Certificate.load(cert.public_bytes(serialization.Encoding.DER))
    body = raw["tbs_certificate"]
    body["signature"] = {"algorithm": "sha1_rsa"}
    raw["signature_algorithm"] = {"algorithm": "sha1_rsa"}
    raw["signature_value"] = key.sign(body.dump(force=True), PKCS1v15(), hashes.SHA1())
    return x509.load_der_x509_certificate(raw.dump(force=True))


def _subject(member: Member) -> x509.Name:
    parts = [(NameOID.COUNTRY_NAME, "VN")]
    if member.organization:
        parts.append((NameOID.ORGANIZATION_NAME, member.organization))
    parts.append((NameOID.COMMON_NAME, member.name))
    if member.user_id:
        parts.append((NameOID.USER_ID, member.user_id))
    return x509.Name([x509.NameAttribute(oid, text) for oid, text in parts])


def _purpose(member: Member) -> list[tuple[x509.ExtensionType, bool]]:
    ca = member.kind == "ca"
    signs = member.kind in {"sign", "tsa"}
    usage = x509.KeyUsage(
        digital_signature=signs,
        content_commitment=member.kind == "sign",
        key_encipherment=member.kind == "cipher",
        data_encipherment=False,
        key_agreement=False,
        key_cert_sign=ca,
        crl_sign=ca,
        encipher_only=False,
        decipher_only=False,
    )
    found: list[tuple[x509.ExtensionType, bool]] = [(usage, True)]
    if ca:
        length = None if not member.issuer else 0
        found.append((x509.BasicConstraints(ca=True, path_length=length), True))
    if member.kind == "tsa":
        found.append((x509.ExtendedKeyUsage([ExtendedKeyUsageOID.TIME_STAMPING]), True))
    if member.kind == "cipher":
        found.append((x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH]), False))
    return found


# ---------------------------------------------------------------- in the forms others want


def der(who: str) -> bytes:
    """Return a member's certificate in DER."""
    return certificate(who).public_bytes(serialization.Encoding.DER)


def pem(who: str) -> bytes:
    """Return a member's certificate in PEM."""
    return certificate(who).public_bytes(serialization.Encoding.PEM)


def asn1_certificate(who: str) -> asn1_x509.Certificate:
    """Return a member's certificate as pyHanko wants it."""
    return asn1_x509.Certificate.load(der(who))


def asn1_key(who: str) -> asn1_keys.PrivateKeyInfo:
    """Return a member's key as pyHanko wants it."""
    raw = private_key(who).private_bytes(
        serialization.Encoding.DER,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    )
    return asn1_keys.PrivateKeyInfo.load(raw)


# ---------------------------------------------------------------- revocation


@functools.cache
def crl(issuer: str, at: datetime = NOW, days: int = 365) -> bytes:
    """Return the list an authority issued an hour before `at`; it names who was revoked by then."""
    revoked = [MEMBERS["revoked"].serial] if issuer == "issuing" and at >= REVOKED else []
    builder = (
        x509.CertificateRevocationListBuilder()
        .issuer_name(certificate(issuer).subject)
        .last_update(at - timedelta(hours=1))
        .next_update(at + days * DAY)
        .add_extension(x509.CRLNumber(int(at.timestamp())), critical=False)
        .add_extension(
            x509.AuthorityKeyIdentifier.from_issuer_public_key(private_key(issuer).public_key()),
            critical=False,
        )
    )
    for serial in revoked:
        entry = (
            x509.RevokedCertificateBuilder()
            .serial_number(serial)
            .revocation_date(REVOKED)
            .add_extension(x509.CRLReason(x509.ReasonFlags.key_compromise), critical=False)
        )
        builder = builder.add_revoked_certificate(entry.build())
    signed = builder.sign(private_key(issuer), hashes.SHA256())
    return signed.public_bytes(serialization.Encoding.DER)


def asn1_crl_of(issuer: str, at: datetime = NOW) -> asn1_crl.CertificateList:
    """Return the list as pyHanko wants it."""
    return asn1_crl.CertificateList.load(crl(issuer, at))


@functools.cache
def ocsp_answer(who: str, at: datetime = NOW, *, revoked: bool = False) -> bytes:
    """Return what the issuer itself answers about a member at `at`."""
    issuer = MEMBERS[who].issuer
    builder = (
        ocsp.OCSPResponseBuilder()
        .add_response(
            cert=certificate(who),
            issuer=certificate(issuer),
            algorithm=hashes.SHA256(),
            cert_status=ocsp.OCSPCertStatus.REVOKED if revoked else ocsp.OCSPCertStatus.GOOD,
            this_update=at - timedelta(minutes=1),
            next_update=at + DAY,
            revocation_time=REVOKED if revoked else None,
            revocation_reason=x509.ReasonFlags.key_compromise if revoked else None,
        )
        .responder_id(ocsp.OCSPResponderEncoding.HASH, certificate(issuer))
    )
    # The library writes the time of day into the answer: it is put right and signed again.
    made = asn1_ocsp.OCSPResponse.load(
        builder.sign(private_key(issuer), hashes.SHA256()).public_bytes(serialization.Encoding.DER)
    )
    basic = made["response_bytes"]["response"].parsed
    basic["tbs_response_data"]["produced_at"] = at
    key = private_key(issuer)
    body = basic["tbs_response_data"].dump(force=True)
    basic["signature"] = key.sign(body, PKCS1v15(), hashes.SHA256())
    answer = asn1_ocsp.OCSPResponse(
        {
            "response_status": "successful",
            "response_bytes": {
                "response_type": "basic_ocsp_response",
                "response": asn1_ocsp.BasicOCSPResponse.load(basic.dump(force=True)),
            },
        }
    )
    return answer.dump()


class FixedTsa(DummyTimeStamper):
    """A time-stamp authority without a dice: the serial number follows from what is stamped."""

    who = "tsa"

    def _build_tst_info(self, message_imprint, dt, req):
        made = super()._build_tst_info(message_imprint, dt, req)
        made["serial_number"] = int.from_bytes(b"\x01" + message_imprint.dump()[-7:], "big")
        return made

    def _sign_tst_info(self, tst_info_data, md_algorithm, dt):
        # As the parent does, with the key in hand: checking it anew costs 0.07 s a time.
        attributes = cms.CMSAttributes(
            [
                simple_cms_attribute("content_type", "tst_info"),
                simple_cms_attribute(
                    "message_digest", hashlib.new(md_algorithm, tst_info_data).digest()
                ),
                simple_cms_attribute("signing_certificate", as_signing_certificate(self.tsa_cert)),
            ]
        )
        digest = get_pyca_cryptography_hash(md_algorithm)
        signature = private_key(self.who).sign(attributes.dump(), PKCS1v15(), digest)
        return signature, attributes


def tsa(at: datetime, who: str = "tsa") -> FixedTsa:
    """Return the time-stamp authority as it answers at `at`."""
    issuer = MEMBERS[who].issuer
    made = FixedTsa(
        asn1_certificate(who),
        asn1_key(who),
        certs_to_embed=[asn1_certificate(issuer)],
        fixed_dt=at,
        include_nonce=False,
    )
    made.who = who
    return made


# ---------------------------------------------------------------- trust directories


def lay_out_trust(folder: Path, *, crls: bool = True, at: datetime = NOW) -> Path:
    """Write what an operator who trusts the root has: root, issuing authority, both lists."""
    folder.mkdir(parents=True, exist_ok=True)
    for who in ("root", "issuing"):
        (folder / f"{who}.pem").write_bytes(pem(who))
        if crls:
            (folder / f"{who}.crl").write_bytes(crl(who, at))
    return folder
