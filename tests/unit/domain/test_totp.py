"""RFC 6238's own vectors, and what a code may not do."""

from datetime import UTC, datetime, timedelta

import pytest

from gateway.domain import totp

SECRET = b"12345678901234567890"
# RFC 6238 appendix B, SHA-1.
VECTORS = {
    59: "94287082",
    1111111109: "07081804",
    1111111111: "14050471",
    1234567890: "89005924",
    2000000000: "69279037",
    20000000000: "65353130",
}
NOW = datetime(2026, 11, 20, 2, 0, 5, tzinfo=UTC)
STEP = totp.step_of(NOW)


@pytest.mark.parametrize(("seconds", "code"), VECTORS.items())
def test_the_vectors_of_the_standard(seconds, code):
    at = datetime.fromtimestamp(seconds, UTC)
    assert totp.code_of(SECRET, totp.step_of(at), digits=8) == code
    assert totp.matched(SECRET, code[-6:], at, used=0) == totp.step_of(at)


@pytest.mark.parametrize(("around", "counts"), [(-2, False), (-1, True), (1, True), (2, False)])
def test_one_step_early_or_late_counts_and_no_more(around, counts):
    code = totp.code_of(SECRET, STEP + around)
    assert (totp.matched(SECRET, code, NOW, used=0) is not None) is counts


def test_a_step_never_counts_twice_nor_one_before_it():
    code = totp.code_of(SECRET, STEP)
    assert totp.matched(SECRET, code, NOW, used=STEP) is None
    earlier = totp.code_of(SECRET, STEP - 1)
    assert totp.matched(SECRET, earlier, NOW, used=STEP) is None
    later = NOW + timedelta(seconds=30)
    assert totp.matched(SECRET, totp.code_of(SECRET, STEP + 1), later, used=STEP) == STEP + 1


@pytest.mark.parametrize("code", ["", "12345", "1234567", "abcdef", "١٢٣٤٥٦", "12345²", "-12345"])
def test_what_is_no_code(code):
    assert totp.matched(SECRET, code, NOW, used=0) is None


def test_blanks_are_how_people_type():
    code = totp.code_of(SECRET, STEP)
    assert totp.matched(SECRET, f" {code[:3]} {code[3:]} ", NOW, used=0) == STEP


def test_the_address_behind_the_picture():
    found = totp.uri(SECRET, issuer="Liên thông: A", login="lan@x.vn")
    assert found.startswith("otpauth://totp/Li%C3%AAn%20th%C3%B4ng%20%20A:lan%40x.vn?secret=GEZD")
    assert "=" not in totp.base32(SECRET)
