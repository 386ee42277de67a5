"""What everybody tries first is no password; length is what counts."""

import unicodedata

import pytest

from gateway.domain.passwords import composed, faults


@pytest.mark.parametrize(
    "password",
    ["cua so mo ra bien", "Trời hôm nay đẹp quá", "x7$Kq!pL09zR", "correct horse battery"],
)
def test_some_words_that_do_not_belong_together(password):
    assert faults(password, least=12, login="lan", name="Trần Thị Lan") == ()


@pytest.mark.parametrize(
    "password",
    [
        "ngan qua",
        "password1234",
        "P@ssw0rd2026!",
        "Mật khẩu 2026",
        "matkhau123456",
        "aaaaaaaaaaaaaaa",
        "abcabcabcabcabc",
        "123456789012",
        "qwertyuiop[]",
        "qwerty123456",
        "abcdefghijklmnop",
        "Quản trị viên 1",
        "lan.tt@2026!!",
        "Trần Thị Lan 1990",
        "tranthilan1990",
        "x" * 300,
    ],
)
def test_what_is_refused(password):
    assert faults(password, least=12, login="lan.tt@danang.gov.vn", name="Trần Thị Lan")


def test_all_that_is_wrong_is_said_at_once():
    assert len(faults("lan1", least=12, login="lan", name="Trần Thị Lan")) == 3


def test_any_keyboard_gives_the_same_password():
    word = "Trời hôm nay đẹp quá"
    assert composed(unicodedata.normalize("NFD", word)) == composed(word)
