"""PKCS#11 URIs: what names a key, and what must not stand in one."""

from pathlib import Path

import pytest

from gateway.keys.tokenuri import TokenUri, read_uri

GOOD = "pkcs11:token=vanlien;object=receipts?module-path=/usr/lib/softhsm/libsofthsm2.so"


def test_a_uri_reads_back():
    uri = read_uri(GOOD)
    assert uri == TokenUri(Path("/usr/lib/softhsm/libsofthsm2.so"), "vanlien", "receipts")
    assert read_uri(str(uri)) == uri


def test_names_may_hold_anything():
    uri = TokenUri(Path("/a b/ü.so"), "tên; có = dấu?", "khóa&1%")
    assert read_uri(str(uri)) == uri


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("keys/receipts.pem", "pkcs11:"),
        ("pkcs11:", "missing"),
        ("pkcs11:token=a?module-path=/m.so", "object"),
        ("pkcs11:token=;object=b?module-path=/m.so", "token"),
        (GOOD.replace("/usr", "usr"), "absolute"),
        (GOOD + "&pin-value=1234", "PIN"),
        (GOOD + "&pin-source=x", "unknown"),
        (GOOD.replace(";", ";token=other;"), "twice"),
        ("pkcs11:token=a;object?module-path=/m.so", "object"),
    ],
)
def test_what_is_none_says_why(text, says):
    with pytest.raises(ValueError, match=says):
        read_uri(text)
