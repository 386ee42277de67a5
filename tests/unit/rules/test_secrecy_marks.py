import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.rules.secrecy import secrecy_marks

HEAD = "UBND TỈNH LẠNG SƠN\nSỞ NỘI VỤ\n{}\nSố: 123/SNV-VP\nLạng Sơn, ngày 22 tháng 11 năm 2026\n"


@pytest.mark.parametrize(
    ("line", "mark"),
    [
        ("MẬT", "MẬT"),
        ("TỐI MẬT", "TỐI MẬT"),
        ("TUYỆT MẬT", "TUYỆT MẬT"),
        ("  TỐI   MẬT  ", "TỐI MẬT"),
        ("[MẬT]", "MẬT"),
        ("*** TUYỆT MẬT ***", "TUYỆT MẬT"),
        ("M Ậ T", "MẬT"),
        ("T Ố I  M Ậ T", "TỐI MẬT"),
        ("«TỐI MẬT»", "TỐI MẬT"),
        ("MẬT.", "MẬT"),
        ("TỐI\nMẬT", "TỐI MẬT"),
        ("TUYỆT\nMẬT", "TUYỆT MẬT"),
        ("Độ mật: Tối mật", "TỐI MẬT"),
        ("ĐỘ MẬT: MẬT", "MẬT"),
        ("Mức độ mật: Tuyệt mật", "TUYỆT MẬT"),
        ("TỐI\u00a0MẬT", "TỐI MẬT"),
    ],
)
def test_a_stamp_alone_on_its_line_is_found(line, mark):
    assert secrecy_marks(HEAD.format(line)) == (mark,)
    assert secrecy_marks(unicodedata.normalize("NFD", HEAD.format(line))) == (mark,)
    assert secrecy_marks(HEAD.format(line).replace("\n", "\r\n")) == (mark,)


@pytest.mark.parametrize(
    "line",
    [
        "Mật",
        "mật",
        "Tối mật",
        "tuyệt mật",
        "BẢO MẬT",
        "BẢO MẬT THÔNG TIN",
        "QUY CHẾ BẢO MẬT",
        "QUY CHẾ BẢO\nMẬT",
        "BÍ\nMẬT",
        "V/v bảo mật thông tin",
        "mật độ xây dựng",
        "MẬT ĐỘ DÂN SỐ",
        "MẬT MÃ",
        "Tài liệu MẬT phải nộp lại",
        "Ban Cơ yếu: KHÔNG MẬT",
        "Độ mật: không",
        "Độ mật:",
        "MẬT ONG RỪNG",
        "BẢO VỆ BÍ MẬT NHÀ NƯỚC",
        "DANH MỤC BÍ MẬT NHÀ NƯỚC ĐỘ TỐI MẬT",
        "MAT",
        "MẶT",
        "MẤT",
        "",
    ],
)
def test_words_that_only_sound_secret_are_not(line):
    assert secrecy_marks(HEAD.format(line)) == ()
    assert secrecy_marks(unicodedata.normalize("NFD", HEAD.format(line))) == ()


def test_each_stamp_is_told_once_in_order():
    assert secrecy_marks("MẬT\nTUYỆT MẬT\nMẬT\n") == ("MẬT", "TUYỆT MẬT")


def test_an_empty_text_has_none():
    assert secrecy_marks("") == ()


@given(st.text())
def test_any_text_is_read_and_gives_known_marks(text):
    assert set(secrecy_marks(text)) <= {"MẬT", "TỐI MẬT", "TUYỆT MẬT"}


@given(st.text(alphabet="abc \n", max_size=50), st.text(alphabet="xyz \n", max_size=50))
def test_a_stamp_between_any_plain_lines_is_found(before, after):
    assert secrecy_marks(f"{before}\nTỐI MẬT\n{after}") == ("TỐI MẬT",)
