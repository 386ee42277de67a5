import unicodedata

import pytest

from gateway.codec.names import MAX_BYTES, MAX_CHARS, extension, safe_name


@pytest.mark.parametrize(
    "name",
    [
        "van-ban.pdf",
        "Công văn số 15.pdf",
        "a b (1).docx",
        "Tờ trình.signed.PDF",
        "x",
        "1896_QD.doc",
    ],
)
def test_ordinary_names_stay(name):
    assert safe_name(name, "tep-1") == name


@pytest.mark.parametrize(
    ("name", "safe"),
    [
        ("../../etc/passwd", "passwd"),
        ("..\\..\\windows\\win.ini", "win.ini"),
        ("/abs/van-ban.pdf", "van-ban.pdf"),
        ("C:\\a.pdf", "a.pdf"),
        ("C:a.pdf", "C_a.pdf"),
        ("..", "tep-1"),
        ("", "tep-1"),
        ("...", "tep-1"),
        ("a/", "tep-1"),
        ("a\x00b.pdf", "ab.pdf"),
        ("a\r\nb.pdf", "ab.pdf"),
        ("an\u202efdp.exe", "anfdp.exe"),
        ("zero\u200bwidth.pdf", "zerowidth.pdf"),
        ("\ufeffa.pdf", "a.pdf"),
        ("a<b>|c?.pdf", "a_b__c_.pdf"),
        ("con", "_con"),
        ("NUL.pdf", "_NUL.pdf"),
        ("lpt1.txt.pdf", "_lpt1.txt.pdf"),
        ("a.pdf. .", "a.pdf"),
        ("  a.pdf", "a.pdf"),
    ],
)
def test_hostile_names_are_made_harmless(name, safe):
    assert safe_name(name, "tep-1") == safe


@pytest.mark.parametrize("letter", ["a", "ố", "𝒳", "e\u0301"])
def test_long_names_keep_their_extension(letter):
    safe = safe_name(letter * 5000 + ".pdf", "tep-1")
    assert safe.endswith(".pdf")
    assert len(safe) <= MAX_CHARS
    assert len(safe.encode()) <= MAX_BYTES
    assert unicodedata.is_normalized("NFC", safe[0]) or letter == "e\u0301"


def test_a_long_extension_is_no_extension_to_keep():
    assert len(safe_name("a." + "x" * 5000, "t")) <= MAX_CHARS


def test_safe_is_safe_already():
    for name in ("../a", "con.txt", "x" * 999 + ".pdf", "a\u202eb", "<>", "đ" * 999):
        once = safe_name(name, "tep-1")
        assert safe_name(once, "tep-1") == once


def test_extension():
    assert extension("A.PDF ") == "pdf"
    assert extension("a.tar.gz") == "gz"
    assert extension(".pdf") == ""
    assert extension("..pdf") == ""
    assert extension("pdf") == ""
