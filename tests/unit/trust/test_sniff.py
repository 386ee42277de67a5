import io
import zipfile

import pytest

from gateway.demo.letters import make_plain_pdf
from gateway.trust.sniff import foreign_signature, looks_unsigned
from tests.world.signed_files import letter, once, twice


def _zip(*names: str) -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as archive:
        for name in names:
            archive.writestr(name, b"x" * 50)
    return out.getvalue()


UNSIGNED = [
    b"",
    b"hello",
    "Kính gửi: các đơn vị".encode(),
    b"\x89PNG\r\n\x1a\n" + b"\x00" * 50,
    b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + b"\x00" * 600,
    b"{\\rtf1 hello}",
    b"<svg xmlns='http://www.w3.org/2000/svg'/>",
    _zip("[Content_Types].xml", "word/document.xml"),
    make_plain_pdf(4096),
]
DOUBTFUL = [
    _zip("mimetype", "META-INF/signatures.xml"),
    _zip("mimetype", "META-INF/documentsignatures.xml"),
    _zip("META-INF/signature001.p7s", "a.pdf"),
    _zip("_xmlsignatures/sig1.xml", "word/document.xml"),
    bytes.fromhex("3082100006092a864886f70d010702a08210"),
    bytes.fromhex("308006092a864886f70d010702a080"),
    b"-----BEGIN PKCS7-----\nAAAA\n-----END PKCS7-----\n",
    b"-----BEGIN CMS-----\nAAAA",
    b"<?xml version='1.0'?><a><Signature xmlns='http://www.w3.org/2000/09/xmldsig#'/></a>",
    b"%PDF-1.7 garbage",
    b"  \n%PDF-1.7\n1 0 obj /By#74eRange",
]


@pytest.mark.parametrize("data", UNSIGNED)
def test_files_that_cannot_be_signed_are_told_at_once(data, tmp_path):
    path = tmp_path / "f"
    path.write_bytes(data)
    assert looks_unsigned(data)
    assert looks_unsigned(path)


@pytest.mark.parametrize("data", DOUBTFUL)
def test_every_doubt_is_looked_at_closer(data, tmp_path):
    path = tmp_path / "f"
    path.write_bytes(data)
    assert not looks_unsigned(data)
    assert not looks_unsigned(path)


def test_signed_pdfs_are_never_passed_over():
    for data in (twice(), once(), once(stamped=False)):
        assert not looks_unsigned(data)


def test_a_missing_file_is_a_doubt(tmp_path):
    assert not looks_unsigned(tmp_path / "none")


def test_the_demo_letter_before_signing_is_unsigned():
    assert looks_unsigned(letter())


def test_kinds_are_named():
    assert foreign_signature(DOUBTFUL[0]) == "ASiC/OOXML/ODF"
    assert foreign_signature(DOUBTFUL[4]) == "CMS/PKCS#7"
    assert foreign_signature(DOUBTFUL[8]) == "XMLDSig"
    assert foreign_signature(b"hello") == ""
