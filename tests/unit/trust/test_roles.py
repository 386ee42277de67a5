"""Roles from certificates: person, organization, portal, clerk, tsa, unknown; never from pictures."""

from datetime import UTC, datetime

import pytest
from asn1crypto import x509 as asn1_x509
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from gateway.trust.facts import certificate_facts, role_of

KEY = ec.generate_private_key(ec.SECP256R1())
AT = datetime(2026, 1, 1, tzinfo=UTC)


def certificate(name, *, org="", title="", uids=(), unit="", place="", usage=None):
    parts = [(NameOID.COMMON_NAME, name), (NameOID.ORGANIZATION_NAME, org), (NameOID.TITLE, title)]
    parts += [(NameOID.USER_ID, uid) for uid in uids]
    parts += [(NameOID.ORGANIZATIONAL_UNIT_NAME, unit), (NameOID.LOCALITY_NAME, place)]
    subject = x509.Name([x509.NameAttribute(oid, text) for oid, text in parts if text])
    builder = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(subject)
        .public_key(KEY.public_key())
        .serial_number(1)
        .not_valid_before(AT)
        .not_valid_after(AT.replace(year=2027))
    )
    if usage is not None:
        builder = builder.add_extension(x509.ExtendedKeyUsage([usage]), False)
    der = builder.sign(KEY, hashes.SHA256()).public_bytes(serialization.Encoding.DER)
    return asn1_x509.Certificate.load(der)


@pytest.mark.parametrize(
    ("cert", "role"),
    [
        (certificate("Nguyễn Văn An", uids=("CCCD:001",)), "person"),
        (certificate("Nguyễn Văn An", title="Giám đốc"), "person"),
        (certificate("NGUYỄN VĂN AN", org="Sở Nội vụ"), "person"),
        (certificate("Trần Thị Bình", title="Văn thư"), "clerk"),
        (certificate("Trần Thị Bình", title="Nhân viên văn thư"), "clerk"),
        (certificate("Trần Thị Bình", title="Trưởng phòng Văn thư"), "person"),
        (certificate("Văn thư Sở Nội vụ"), "clerk"),
        (certificate("VĂN THƯ - UBND TỈNH LẠNG SƠN"), "clerk"),
        (certificate("Văn thư", org="Sở Nội vụ", uids=("MST:01",)), "clerk"),
        (certificate("Văn Thư Nguyễn"), "person"),
        (certificate("CỔNG THÔNG TIN ĐIỆN TỬ CHÍNH PHỦ", uids=("MNS:1",)), "portal"),
        (certificate("Trang thông tin điện tử Sở Nội vụ"), "portal"),
        (certificate("Sở Nội vụ tỉnh Lạng Sơn"), "organization"),
        (certificate("Uỷ ban nhân dân xã A"), "organization"),
        (certificate("Cục Văn thư và Lưu trữ nhà nước"), "organization"),
        (certificate("X Y", uids=("MST:0102357802",)), "organization"),
        (certificate("X Y Z", org="X Y Z"), "organization"),
        (certificate("Máy chủ 01", usage=ExtendedKeyUsageOID.TIME_STAMPING), "tsa"),
        (certificate("www.example.vn"), "unknown"),
        (certificate("A"), "unknown"),
        (certificate(""), "unknown"),
    ],
    ids=lambda value: value if isinstance(value, str) else value.subject.human_friendly[:30],
)
def test_roles(cert, role):
    assert role_of(cert) == role


def test_what_names_are_compared_with():
    uids = ("MST:0102357802", "CCCD:001099")
    cert = certificate("Sở Nội vụ", org="UBND tỉnh", uids=uids, unit="Văn phòng", place="Lạng Sơn")
    facts = certificate_facts(cert)
    assert (facts.organization, facts.units, facts.locality) == (
        "UBND tỉnh",
        ("Văn phòng",),
        "Lạng Sơn",
    )
    # A person's own number is compared with nothing.
    assert facts.identifiers == ("MST:0102357802",)


def test_a_plain_certificate_has_none_of_it():
    facts = certificate_facts(certificate("Nguyễn Văn An"))
    assert (facts.units, facts.locality, facts.identifiers) == ((), "", ())
